//! The site as a whole: how much there is, and the settings that do something.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::audit;
use crate::account::User;
use crate::dialect::cloudreve::site::{TITLE, USUAL_TITLE, VERSION};
use crate::dialect::cloudreve::{Outcome, answers, data, is_set, query};
use crate::error::{Error, Result};
use crate::http::Call;
use crate::now_ms;
use crate::store::metrics::{self, Metrics};
use crate::store::settings;

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
            entities_total: metrics.files,
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

/// What can be set: the protocol's name, the row that holds it, what it is without one, and how long it may be.
const SETTINGS: &[(&str, &str, &str, usize)] =
    &[("siteName", TITLE, USUAL_TITLE, 64), ("siteDes", "site-description", "", 500)];

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
        for (key, row, usual, _) in SETTINGS {
            values.insert(*key, settings::get(tx, row)?.unwrap_or_else(|| (*usual).to_owned()));
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

fn check(value: &str, most_chars: usize) -> Result<()> {
    match value.chars().count() > most_chars || value.chars().any(char::is_control) {
        true => Err(Error::invalid("settings", format!("a line of at most {most_chars} characters"))),
        false => Ok(()),
    }
}

/// All of them, or none: a setting that nothing here obeys is refused.
pub async fn patch_settings(mut call: Call, admin: User) -> Outcome {
    let asked: Patch = call.json().await?;
    let settings = asked.settings.ok_or(Error::Missing("settings"))?;
    let mut rows = Vec::new();
    for (key, value) in &settings {
        let known = SETTINGS.iter().find(|(known, ..)| known == key);
        let (_, row, _, most_chars) =
            known.ok_or_else(|| Error::invalid("settings", "one of them is not known here, or set elsewhere"))?;
        check(value, *most_chars)?;
        rows.push((*row, value.clone()));
    }
    call.app.db.write(move |tx| rows.iter().try_for_each(|(row, value)| settings::set(tx, row, value))).await?;
    audit(&admin, "changed settings", &settings.keys().cloned().collect::<Vec<_>>().join(", "));
    data(&settings)
}
