//! Replies as people and scripts read them.

use anyhow::anyhow;
use fast_qr::QRBuilder;
use serde_json::json;

use super::order::{GroupLine, LibraryLine, Reply, ReportLine, ScrobbleLine, ShareLine, UserLine};
use crate::now_ms;
use crate::work::pace::rate_text;

pub fn reply(base: &str, reply: &Reply) {
    match reply {
        Reply::Status => println!("{base}"),
        Reply::Share(line) => share(base, line),
        Reply::Shares(lines) if lines.is_empty() => println!("Nothing is shared."),
        Reply::Shares(lines) => shares(base, lines),
        Reply::Users(lines) => users(lines),
        Reply::Groups(lines) if lines.is_empty() => println!("There are no groups."),
        Reply::Groups(lines) => groups(lines),
        Reply::Libraries(lines) if lines.is_empty() => println!("There are no libraries."),
        Reply::Libraries(lines) => libraries(lines),
        Reply::Scrobbles(lines) if lines.is_empty() => println!("No account is linked."),
        Reply::Scrobbles(lines) => scrobbles(lines),
        Reply::Points(lines) => table(lines.iter().map(|line| [line.user.clone(), format!("{} points", line.points)])),
        Reply::Codes(codes) => codes.iter().for_each(|code| println!("{}", code.0)),
        Reply::Reports(lines) if lines.is_empty() => println!("Nothing was reported."),
        Reply::Reports(lines) => reports(lines),
        Reply::Allow { address, .. } => println!("{address}"),
        Reply::Password { name, made_up: Some(password) } => println!("{name}: password {password} (shown this once)"),
        Reply::Password { name, made_up: None } => println!("{name}: the password is set."),
        Reply::Done(said) => println!("{said}"),
    }
}

fn url(base: &str, share: &ShareLine) -> String {
    format!("{base}/s/{}", share.slug.as_ref().unwrap_or(&share.id))
}

/// What a share's maker passes on: title, link, a code for telephones, password.
pub fn link(base: &str, share: &ShareLine) -> anyhow::Result<()> {
    // The id, and not the slug: a link that is passed on shall not be guessed.
    let url = format!("{base}/s/{}", share.id);
    let code = QRBuilder::new(url.as_bytes()).build().map_err(|cause| anyhow!("no QR code: {cause:?}"))?;
    if !share.title.is_empty() {
        println!("{}", visible(&share.title));
    }
    println!("{url}");
    if let Some(slug) = &share.slug {
        println!("{base}/s/{slug}");
    }
    println!("{}", code.to_str());
    if let Some(password) = &share.password {
        println!("Password: {password}");
    }
    if let Some(takes) = &share.takes {
        println!("Takes {takes}");
    }
    if let Some(at) = share.expires_ms {
        println!("Until {}", time(at));
    }
    Ok(())
}

/// One object for scripts: `id`, `url`, `title`, `expires` (RFC 3339 or null) and `password` (or null).
pub fn json(base: &str, share: &ShareLine) -> serde_json::Value {
    json!({
        "id": share.id,
        "url": format!("{base}/s/{}", share.id),
        "title": share.title,
        "expires": share.expires_ms.map(rfc3339),
        "password": share.password,
    })
}

fn share(base: &str, share: &ShareLine) {
    let none = || "none".to_owned();
    let rows = [
        ("Title", visible(&share.title)),
        ("Link", url(base, share)),
        ("Id", share.id.clone()),
        ("Owner", share.owner.clone()),
        ("Password", share.password.clone().unwrap_or_else(none)),
        ("Created", time(share.created_ms)),
        ("Expires", share.expires_ms.map_or_else(none, time)),
        ("Views", share.views.to_string()),
        ("Downloads", downloads(share)),
        ("Rate", share.rate_bytes_s.map_or_else(none, |rate| format!("{}/s", rate_text(rate)))),
        ("Price", if share.price > 0 { format!("{} points", share.price) } else { none() }),
        ("Takes", share.takes.clone().unwrap_or_else(none)),
    ];
    for (name, value) in rows {
        println!("{name:<10} {value}");
    }
}

fn downloads(share: &ShareLine) -> String {
    match share.download_limit {
        Some(limit) => format!("{} of {limit}", share.downloads),
        None => share.downloads.to_string(),
    }
}

fn shares(base: &str, lines: &[ShareLine]) {
    let rows = lines.iter().map(|share| {
        let state = match share.expires_ms {
            Some(at) if at <= now_ms() => "expired".to_owned(),
            Some(at) => format!("until {}", time(at)),
            None => "no end".to_owned(),
        };
        let lock = if share.password.is_some() { "password" } else { "" };
        [
            format!("{base}/s/{}", share.id),
            visible(&share.title),
            share.owner.clone(),
            state,
            lock.to_owned(),
            format!("{} views", share.views),
            format!("{} downloads", downloads(share)),
        ]
    });
    table(rows);
}

fn reports(lines: &[ReportLine]) {
    let rows = lines.iter().map(|report| {
        [
            report.key.to_string(),
            time(report.made_ms),
            format!("category {}", report.category),
            visible(&report.about),
            visible(&report.place),
            visible(&report.description),
            format!("from {}", report.network),
        ]
    });
    table(rows);
}

fn users(lines: &[UserLine]) {
    let rows = lines.iter().map(|user| {
        let role = if user.admin { "admin" } else { "user" };
        [user.name.clone(), user.mail.clone(), role.to_owned(), user.state.clone()]
    });
    table(rows);
}

fn groups(lines: &[GroupLine]) {
    table(lines.iter().map(|group| [visible(&group.name), group.members.join(", ")]));
}

fn libraries(lines: &[LibraryLine]) {
    let rows = lines.iter().map(|library| {
        [
            visible(&library.name),
            library.path.0.display().to_string(),
            format!("{} files", library.files),
            format!("{} tracks", library.tracks),
            indicatif::BinaryBytes(library.size_bytes).to_string(),
            if library.writable { "writable" } else { "" }.to_owned(),
            if library.online { "" } else { "offline" }.to_owned(),
        ]
    });
    table(rows);
}

fn scrobbles(lines: &[ScrobbleLine]) {
    let rows = lines.iter().map(|line| {
        [
            line.user.clone(),
            line.service.clone(),
            visible(&line.name),
            format!("{} waiting", line.waiting),
            if line.refused { "refused: link it anew" } else { "" }.to_owned(),
        ]
    });
    table(rows);
}

/// Columns as wide as their widest value; the last one, and empty ones, cost nothing.
fn table<const N: usize>(rows: impl Iterator<Item = [String; N]>) {
    let rows: Vec<[String; N]> = rows.collect();
    let width = |column: usize| rows.iter().map(|row| console::measure_text_width(&row[column])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    for row in &rows {
        let columns = row.iter().zip(&widths).filter(|(_, width)| **width > 0);
        let line: Vec<_> =
            columns.map(|(text, width)| console::pad_str(text, *width, console::Alignment::Left, None)).collect();
        println!("{}", line.join("  ").trim_end());
    }
}

/// Names come from disks and from other people: nothing in them may steer the terminal.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn time(at_ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(at_ms) {
        Ok(at) => at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => at_ms.to_string(),
    }
}

fn rfc3339(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms).map_or_else(|_| at_ms.to_string(), |at| at.to_string())
}
