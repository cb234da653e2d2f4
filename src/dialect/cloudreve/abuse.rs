//! Reports of abuse.

use serde::Deserialize;

use super::uri::FileUri;
use super::{Outcome, done};
use crate::account::User;
use crate::error::{Error, Result};
use crate::http::Call;
use crate::work::reports::{self, LONGEST_CHARS, Named};

#[derive(Deserialize)]
struct Report {
    category: Option<i64>,
    description: Option<String>,
    share_id: Option<String>,
    user_id: Option<String>,
    file_uri: Option<String>,
}

/// Where in the share, without its password.
fn place(uri: &str) -> Result<String> {
    let uri = FileUri { password: None, ..FileUri::parse(uri)? };
    Ok(uri.to_string().chars().take(LONGEST_CHARS).collect())
}

pub async fn post_abuse(mut call: Call, _: Option<User>) -> Outcome {
    let asked: Report = call.json().await?;
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let about = match (given(asked.share_id), given(asked.user_id)) {
        (Some(id), None) => Named::Share(id),
        (None, Some(id)) => Named::User(id),
        _ => return Err(Error::invalid("share_id", "either a share or a user is reported").into()),
    };
    let report = reports::Report {
        category: asked.category.ok_or(Error::Missing("category"))?,
        description: asked.description.unwrap_or_default(),
        about,
        place: given(asked.file_uri).map(|uri| place(&uri)).transpose()?.unwrap_or_default(),
        network: call.guest().network(),
    };
    reports::report(&call.app, report).await?;
    done()
}
