//! Scans that are asked for, and what is told of them meanwhile.

use super::{Progress, Reply};
use crate::App;
use crate::error::{Error, Result, Thing};
use crate::library::Library;
use crate::store::library as rows;
use crate::work::{libraries, scan};

/// Passes on what the scan of this folder or file tells, at most as often as somebody can read it.
pub(super) fn tell(
    name: String,
    progress: impl Fn(Progress) + Send + Sync + 'static,
) -> impl Fn(scan::Progress) + Send + Sync + 'static {
    let what = format!("Scanning {name}");
    move |now| {
        progress(Progress {
            what: what.clone(),
            done: if now.total == 0 { now.seen } else { now.changed },
            total: now.total,
        })
    }
}

pub(super) async fn one(
    app: &App,
    library: &Library,
    progress: impl Fn(Progress) + Send + Sync + 'static,
) -> Result<scan::Outcome> {
    libraries::scan(app, library, tell(library.name.clone(), progress)).await
}

/// The library of this name, or all.
pub(super) async fn run(
    app: &App,
    name: Option<String>,
    progress: impl Fn(Progress) + Clone + Send + Sync + 'static,
) -> Result<Reply> {
    let all = app.db.read(rows::all).await?;
    let wanted = match name {
        Some(name) => vec![libraries::named(&all, &name).ok_or(Error::NotFound(Thing::Library))?],
        None => all,
    };
    let (mut seen, mut changed, mut offline) = (0, 0, Vec::new());
    for library in wanted {
        let outcome = one(app, &library, progress.clone()).await?;
        seen += outcome.seen;
        changed += outcome.changed;
        if outcome.ended == scan::Ended::Offline {
            offline.push(library.name);
        }
    }
    if offline.is_empty() {
        Ok(Reply::Done(format!("Looked at {seen} files and folders; {changed} changed.")))
    } else {
        Err(Error::invalid("library", format!("not reachable: {}", offline.join(", "))))
    }
}
