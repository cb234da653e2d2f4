//! Reports of abuse: kept for administrators to read.

use crate::error::{Error, Result, Thing};
use crate::store::reports::{self, About, NewReport};
use crate::store::{Tx, accounts, shares};
use crate::{App, now_ms};

pub const LONGEST_CHARS: usize = 512;

/// A report as somebody makes it. Nothing of it is trusted.
pub struct Report {
    /// 0 to 3, as administrators read them.
    pub category: i64,
    pub description: String,
    pub about: Named,
    /// Where in the share, without its password.
    pub place: String,
    /// Who reports.
    pub network: String,
}

/// What is reported, by its public id.
pub enum Named {
    Share(String),
    User(String),
}

/// Keeps a report. Whoever reports much has to wait, as does who guesses names of shares; so a try counts whatever comes of it.
pub async fn report(app: &App, report: Report) -> Result<()> {
    if !(0..=3).contains(&report.category) {
        return Err(Error::invalid("category", "0 to 3"));
    }
    if report.description.chars().count() > LONGEST_CHARS {
        return Err(Error::invalid("description", format!("at most {LONGEST_CHARS} characters")));
    }
    let subject = [format!("report {}", report.network)];
    app.db.write(move |tx| accounts::count_try(tx, &subject, now_ms())).await?;
    app.db.write(move |tx| keep(tx, &report)).await
}

fn keep(tx: &mut Tx, report: &Report) -> Result<()> {
    let about = match &report.about {
        Named::Share(id) => About::Share(shares::by_id(tx, id)?.ok_or(Error::NotFound(Thing::Share))?.key),
        Named::User(id) => About::User(accounts::by_id(tx, id)?.ok_or(Error::NotFound(Thing::User))?.key),
    };
    let Report { category, description, place, network, .. } = report;
    reports::insert(tx, &NewReport { category: *category, description, about, place, network, now_ms: now_ms() })
}
