//! The site as a whole: how much there is, and the settings that do something.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::audit;
use crate::account::User;
use crate::dialect::cloudreve::site::VERSION;
use crate::dialect::cloudreve::{Outcome, answers, data, is_set, query};
use crate::error::{Error, Result};
use crate::http::Call;
use crate::now_ms;
use crate::store::metrics::{self, Metrics};
use crate::store::{settings, site};

// Summary -------------------------------------------------------------------------------------------------------------

#[derive(Serialize)]
struct MetricsSummary {
    dates: Vec<String>,
    files: Vec<u64>,
    users: Vec<u64>,
    shares: Vec<u64>,
    file_total: u64,
    user_total: u64,
    share_total: u64,
    entities_total: u64,
    /// Ours.
    bytes_total: u64,
    generated_at: String,
}

impl MetricsSummary {
    fn of(metrics: &Metrics) -> MetricsSummary {
        MetricsSummary {
            dates: metrics.days.iter().map(|day| answers::time(day.from_ms)).collect(),
            files: metrics.days.iter().map(|day| day.files).collect(),
            users: metrics.days.iter().map(|day| day.users).collect(),
            shares: metrics.days.iter().map(|day| day.shares).collect(),
            file_total: metrics.files,
            user_total: metrics.users,
            share_total: metrics.shares,
            entities_total: metrics.files + metrics.versions,
            bytes_total: metrics.bytes,
            generated_at: answers::time(metrics.counted_ms),
        }
    }
}

/// Counting goes over all rows, so it is done when it is asked for, and kept.
pub async fn get_summary(call: Call, _: User) -> Outcome {
    let metrics = match is_set(&query(&call)?, "generate")? {
        true => Some(call.app.db.write(|tx| metrics::count(tx, now_ms())).await?),
        false => call.app.db.read(metrics::counted).await?,
    };
    data(&json!({
        "metrics_summary": metrics.as_ref().map(MetricsSummary::of),
        "site_urls": [call.origin.base],
        "version": { "version": VERSION, "pro": false, "commit": env!("CARGO_PKG_VERSION") },
    }))
}

// Settings ------------------------------------------------------------------------------------------------------------

/// What a setting may be.
#[derive(Clone, Copy)]
enum Kind {
    /// A line of at most so many characters.
    Line(usize),
    /// `1` or `0`; kept as `on` or `off`.
    Switch,
}

/// What can be set: the protocol's name, the row that holds it, what it is without one, and what it may be.
const SETTINGS: &[(&str, &str, &str, Kind)] = &[
    ("siteName", site::TITLE, "Openshelf", Kind::Line(64)),
    ("siteDes", site::DESCRIPTION, "Shared files", Kind::Line(500)),
    ("register_enabled", site::REGISTERS, "off", Kind::Switch),
    ("login_captcha", site::CAPTCHA_AT_SIGN_IN, "off", Kind::Switch),
    ("reg_captcha", site::CAPTCHA_AT_REGISTRATION, "off", Kind::Switch),
    ("forget_captcha", site::CAPTCHA_AT_RESET, "off", Kind::Switch),
    ("tos_url", site::TERMS_OF_SERVICE_URL, "", Kind::Line(500)),
    ("privacy_policy_url", site::PRIVACY_URL, "", Kind::Line(500)),
];

#[derive(Deserialize)]
struct Keys {
    keys: Option<Vec<String>>,
}

/// Those that are known here; pages of the dashboard ask for many that are not.
pub async fn post_settings(mut call: Call, _: User) -> Outcome {
    let asked: Keys = call.json().await?;
    let keys = asked.keys.ok_or(Error::Missing("keys"))?;
    if keys.len() > super::MOST_IDS {
        return Err(crate::dialect::cloudreve::TOO_MANY_URIS);
    }
    let base = call.origin.base.clone();
    let values = call.app.db.read(move |tx| {
        // It is not set here, but where the server is started.
        let mut values = BTreeMap::from([("siteURL", base)]);
        for (key, row, usual, kind) in SETTINGS {
            let value = settings::get(tx, row)?.unwrap_or_else(|| (*usual).to_owned());
            let shown = match kind {
                Kind::Line(_) => value,
                Kind::Switch => if value == "on" { "1" } else { "0" }.to_owned(),
            };
            values.insert(*key, shown);
        }
        values.retain(|key, _| keys.iter().any(|asked| asked == key));
        Ok(values)
    });
    data(&values.await?)
}

#[derive(Deserialize)]
struct Patch {
    settings: Option<BTreeMap<String, String>>,
}

/// As its row keeps it.
fn kept(value: &str, kind: Kind) -> Result<String> {
    match (kind, value) {
        (Kind::Line(most_chars), _) if value.chars().count() > most_chars || value.chars().any(char::is_control) => {
            Err(Error::invalid("settings", format!("a line of at most {most_chars} characters")))
        }
        (Kind::Line(_), _) => Ok(value.to_owned()),
        (Kind::Switch, "1" | "true") => Ok("on".to_owned()),
        (Kind::Switch, "0" | "false") => Ok("off".to_owned()),
        (Kind::Switch, _) => Err(Error::invalid("settings", "a switch is 1 or 0")),
    }
}

/// All of them, or none: a setting that nothing here obeys is refused.
pub async fn patch_settings(mut call: Call, admin: User) -> Outcome {
    let asked: Patch = call.json().await?;
    let settings = asked.settings.ok_or(Error::Missing("settings"))?;
    let mut rows = Vec::new();
    for (key, value) in &settings {
        let known = SETTINGS.iter().find(|(known, ..)| known == key);
        let (_, row, _, kind) =
            known.ok_or_else(|| Error::invalid("settings", "one of them is not known here, or set elsewhere"))?;
        rows.push((*row, kept(value, *kind)?));
    }
    call.app.db.write(move |tx| rows.iter().try_for_each(|(row, value)| settings::set(tx, row, value))).await?;
    audit(&admin, "changed settings", &settings.keys().cloned().collect::<Vec<_>>().join(", "));
    data(&settings)
}
