//! SQL of how much there is.

use serde::{Deserialize, Serialize};

use super::{Tx, settings};
use crate::args;
use crate::error::{Error, Result};

const METRICS: &str = "metrics";

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const DAYS: i64 = 12;

/// How much there is, and what was added on each of the last days.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Metrics {
    pub files: u64,
    /// Former contents that are kept.
    #[serde(default)]
    pub versions: u64,
    /// Of files and of former contents.
    pub bytes: u64,
    pub users: u64,
    pub shares: u64,
    pub days: Vec<Day>,
    pub counted_ms: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Day {
    pub from_ms: i64,
    pub files: u64,
    pub users: u64,
    pub shares: u64,
}

/// As it was counted last.
pub fn counted(tx: &mut Tx) -> Result<Option<Metrics>> {
    let Some(text) = settings::get(tx, METRICS)? else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|cause| Error::internal("what was counted", cause))
}

/// Goes over all rows.
pub fn count(tx: &mut Tx, now_ms: i64) -> Result<Metrics> {
    let today = now_ms.div_euclid(DAY_MS);
    let first = today - DAYS + 1;
    let mut per_day = |table: &str, column: &str, only: &str| {
        tx.all(
            &format!(
                "SELECT {column} / {DAY_MS}, COUNT(*) FROM {table} WHERE {column} >= $1 AND {only} GROUP BY {column} / {DAY_MS}"
            ),
            args![first * DAY_MS],
            |row| Ok((row.get::<i64>(0)?, row.get::<u64>(1)?)),
        )
    };
    let files = per_day("item", "added_ms", "kind = 1")?;
    let users = per_day("account", "created_ms", "1 = 1")?;
    let shares = per_day("share", "created_ms", "1 = 1")?;
    let on = |counts: &[(i64, u64)], day| counts.iter().find(|(at, _)| *at == day).map_or(0, |(_, count)| *count);
    let days = (first..=today).map(|day| Day {
        from_ms: day * DAY_MS,
        files: on(&files, day),
        users: on(&users, day),
        shares: on(&shares, day),
    });
    let days = days.collect();
    let (files, file_bytes): (u64, u64) = tx.one(
        "SELECT COUNT(*), CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) FROM item
         WHERE kind = 1 AND missing_ms IS NULL AND trashed_ms IS NULL",
        args![],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let (versions, version_bytes): (u64, u64) =
        tx.one("SELECT COUNT(*), CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) FROM file_version", args![], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let users = tx.one("SELECT COUNT(*) FROM account", args![], |row| row.get(0))?;
    let shares = tx.one("SELECT COUNT(*) FROM share WHERE revoked_ms IS NULL", args![], |row| row.get(0))?;
    let bytes = file_bytes.saturating_add(version_bytes);
    let metrics = Metrics { files, versions, bytes, users, shares, days, counted_ms: now_ms };
    let text = serde_json::to_string(&metrics).map_err(|cause| Error::internal("what was counted", cause))?;
    settings::set(tx, METRICS, &text)?;
    Ok(metrics)
}
