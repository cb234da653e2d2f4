//! SQL of reports of abuse, for administrators to read.

use super::{Row, Tx};
use crate::account::UserKey;
use crate::args;
use crate::error::{Error, Result, Thing};
use crate::share::ShareKey;

/// What is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    Share(ShareKey),
    User(UserKey),
}

pub struct NewReport<'a> {
    pub category: i64,
    pub description: &'a str,
    pub about: About,
    pub place: &'a str,
    pub network: &'a str,
    pub now_ms: i64,
}

/// Reports that are kept; older ones make way.
const MOST_KEPT: i64 = 1000;

pub fn insert(tx: &mut Tx, new: &NewReport) -> Result<()> {
    let (share, account) = match new.about {
        About::Share(key) => (Some(key.0), None),
        About::User(key) => (None, Some(key.0)),
    };
    let key: i64 = tx.one(
        "INSERT INTO abuse_report (category, description, share_id, account_id, place, network, made_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
        args![new.category, new.description, share, account, new.place, new.network, new.now_ms],
        |row| row.get(0),
    )?;
    tx.run("DELETE FROM abuse_report WHERE id <= $1", args![key - MOST_KEPT])?;
    Ok(())
}

#[derive(Debug, Clone)]
pub struct Report {
    pub key: i64,
    pub category: i64,
    pub description: String,
    /// Title of the share, or name of the user.
    pub about: String,
    /// The share's owner, where one is reported.
    pub owner: Option<String>,
    pub place: String,
    pub network: String,
    pub made_ms: i64,
}

/// The newest first.
pub fn list(tx: &mut Tx) -> Result<Vec<Report>> {
    tx.all(
        "SELECT r.id, r.category, r.description, COALESCE(a.name, s.title, ''), o.name, r.place, r.network, r.made_ms
         FROM abuse_report r LEFT JOIN account a ON a.id = r.account_id LEFT JOIN share s ON s.id = r.share_id
         LEFT JOIN account o ON o.id = s.owner_id ORDER BY r.id DESC",
        args![],
        report,
    )
}

fn report(row: &Row) -> Result<Report> {
    Ok(Report {
        key: row.get(0)?,
        category: row.get(1)?,
        description: row.get(2)?,
        about: row.get(3)?,
        owner: row.get(4)?,
        place: row.get(5)?,
        network: row.get(6)?,
        made_ms: row.get(7)?,
    })
}

pub fn remove(tx: &mut Tx, key: i64) -> Result<()> {
    match tx.run("DELETE FROM abuse_report WHERE id = $1", args![key])? {
        0 => Err(Error::NotFound(Thing::Report)),
        _ => Ok(()),
    }
}
