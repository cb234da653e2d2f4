//! Orders about what visitors reported.

use super::{Reply, ReportLine};
use crate::App;
use crate::error::Result;
use crate::store::reports as rows;

pub(super) async fn list(app: &App) -> Result<Reply> {
    let reports = app.db.read(rows::list).await?;
    Ok(Reply::Reports(reports.into_iter().map(line).collect()))
}

fn line(report: rows::Report) -> ReportLine {
    ReportLine {
        key: report.key,
        category: report.category.to_string(),
        about: match report.owner {
            Some(owner) => format!("share {:?} of {owner:?}", report.about),
            None => format!("user {:?}", report.about),
        },
        description: report.description,
        place: report.place,
        network: report.network,
        made_ms: report.made_ms,
    }
}

pub(super) async fn remove(app: &App, key: i64) -> Result<Reply> {
    app.db.write(move |tx| rows::remove(tx, key)).await?;
    Ok(Reply::Done("Removed.".to_owned()))
}
