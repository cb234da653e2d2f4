//! The form of a share: what a filled-in one wishes, and how one is filled in.

use super::pages::{DropFields, FormMode, FormProblem, PasswordIs, ShareFields, local_time};
use crate::error::{Error, Result};
use crate::http::fields::Fields;
use crate::share::drop_box::{DropWish, types_in};
use crate::share::{Change, Mode, Share, Wish};
use crate::size::{bytes_in, written_bytes};
use crate::work::pace;

// Filling it in -------------------------------------------------------------------------------------------------------

pub(super) fn blank() -> ShareFields {
    ShareFields {
        title: String::new(),
        description: String::new(),
        slug: String::new(),
        password_is: PasswordIs::Cleared,
        password: String::new(),
        expires: String::new(),
        view_limit: String::new(),
        download_limit: String::new(),
        rate: String::new(),
        mode: FormMode::Read,
        downloads_allowed: true,
        drop_box: DropFields::default(),
    }
}

/// A share as it is.
pub(super) fn fields_of(share: &Share) -> ShareFields {
    let terms = &share.terms;
    let number = |limit: Option<i64>| limit.map(|limit| limit.to_string()).unwrap_or_default();
    ShareFields {
        title: share.title.clone(),
        description: share.description.clone(),
        slug: share.slug.clone().unwrap_or_default(),
        password_is: if terms.has_password { PasswordIs::Kept } else { PasswordIs::Cleared },
        password: String::new(),
        expires: terms.expires_ms.map(local_time).unwrap_or_default(),
        view_limit: number(terms.view_limit),
        download_limit: number(terms.download_limit),
        rate: terms.rate_bytes_s.map(pace::rate_text).unwrap_or_default(),
        mode: form_mode(terms.mode),
        downloads_allowed: terms.downloads_allowed,
        drop_box: DropFields {
            asks_name: terms.drop_box.asks_name,
            folder_per_sender: terms.drop_box.folder_per_sender,
            most_file: terms.drop_box.most_file_bytes.map(written_bytes).unwrap_or_default(),
            most_total: terms.drop_box.most_total_bytes.map(written_bytes).unwrap_or_default(),
            most_files: terms.drop_box.most_files.map(|n| n.to_string()).unwrap_or_default(),
            types: terms.drop_box.types.join(", "),
        },
    }
}

/// What was typed, for a form that has to be put right.
pub(super) fn typed(fields: &Fields) -> ShareFields {
    let text = |name| fields.get(name).unwrap_or_default().to_owned();
    ShareFields {
        title: text("title"),
        description: text("description"),
        slug: text("slug"),
        password_is: match fields.get("password_is") {
            Some("set") => PasswordIs::Set,
            Some("clear") => PasswordIs::Cleared,
            _ => PasswordIs::Kept,
        },
        password: text("password"),
        expires: text("expires"),
        view_limit: text("view_limit"),
        download_limit: text("download_limit"),
        rate: text("rate"),
        mode: form_mode(mode_in(fields)),
        downloads_allowed: fields.get("downloads") == Some("allowed"),
        drop_box: DropFields {
            asks_name: fields.get("ask_name").is_some(),
            folder_per_sender: fields.get("sender_folders").is_some(),
            most_file: text("max_file"),
            most_total: text("max_total"),
            most_files: text("max_files"),
            types: text("types"),
        },
    }
}

fn mode_in(fields: &Fields) -> Mode {
    match fields.get("mode") {
        Some("listen") => Mode::Listen,
        Some("drop") => Mode::Drop,
        Some("read-drop") => Mode::ReadDrop,
        _ => Mode::Read,
    }
}

fn form_mode(mode: Mode) -> FormMode {
    match mode {
        Mode::Read => FormMode::Read,
        Mode::Listen => FormMode::Listen,
        Mode::Drop => FormMode::Drop,
        Mode::ReadDrop => FormMode::ReadDrop,
    }
}

// Reading it ----------------------------------------------------------------------------------------------------------

/// What a filled-in form wishes. The page can say all of it, so what is empty is cleared.
pub(super) fn wish_of(fields: &Fields) -> Result<Wish> {
    let number = |name: &'static str| match fields.get(name) {
        None => Ok(Change::Clear),
        Some(text) => text.trim().parse().map(Change::Set).map_err(|_| Error::invalid(name, "a whole number")),
    };
    Ok(Wish {
        title: Some(fields.get("title").unwrap_or_default().trim().to_owned()),
        description: Some(fields.get("description").unwrap_or_default().to_owned()),
        slug: Change::or_clear(fields.get("slug").map(|slug| slug.trim().to_owned())),
        password: match (fields.get("password_is"), fields.get("password")) {
            (Some("clear"), _) => Change::Clear,
            (Some("set"), password) => Change::Set(password.unwrap_or_default().to_owned()),
            _ => Change::Keep,
        },
        expires_ms: match fields.get("expires") {
            None => Change::Clear,
            Some(text) => Change::Set(utc_ms(text)?),
        },
        view_limit: number("view_limit")?,
        download_limit: number("download_limit")?,
        rate_bytes_s: Change::or_clear(fields.get("rate").map(pace::parse_rate).transpose()?),
        mode: Some(mode_in(fields)),
        drop_box: if mode_in(fields).takes_files() { drop_wish(fields)? } else { DropWish::default() },
        downloads_allowed: Some(fields.get("downloads") == Some("allowed")),
        ..Wish::default()
    })
}

fn drop_wish(fields: &Fields) -> Result<DropWish> {
    let size = |name: &'static str| match fields.get(name) {
        None => Ok(Change::Clear),
        Some(text) => bytes_in(text).map(Change::Set).ok_or(Error::invalid(name, "a size, such as 500 MB or 2G")),
    };
    Ok(DropWish {
        asks_name: Some(fields.get("ask_name").is_some()),
        folder_per_sender: Some(fields.get("sender_folders").is_some()),
        most_file_bytes: size("max_file")?,
        most_total_bytes: size("max_total")?,
        most_files: Change::or_clear(fields.number("max_files")?),
        types: Some(types_in(fields.get("types").unwrap_or_default())),
    })
}

/// `YYYY-MM-DDTHH:MM`, as browsers send it, meant as UTC.
fn utc_ms(text: &str) -> Result<i64> {
    let wrong = |_| Error::invalid("expires", "a date and time, such as 2027-01-31T18:00");
    let civil: jiff::civil::DateTime = text.parse().map_err(wrong)?;
    Ok(civil.to_zoned(jiff::tz::TimeZone::UTC).map_err(wrong)?.timestamp().as_millisecond())
}

/// What of the form has to be put right, if that is what is wrong.
pub(super) fn problem_of(error: &Error) -> Option<FormProblem> {
    let (field, message) = match error {
        Error::Invalid { what, why } => (
            match *what {
                "views" => "view_limit",
                "downloads" => "download_limit",
                other => other,
            },
            why.clone(),
        ),
        Error::Exists(_) => ("slug", "that name is taken".to_owned()),
        _ => return None,
    };
    Some(FormProblem { field: field.to_owned(), message })
}
