//! Archives: the files of many grants, as one answer.

use axum::response::Response;

use super::{give_back, on_disk, root, transfer};
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::http::send::{Transfer, respond_zip};
use crate::media::zip::{ZipEntry, ZipPlan, safe_names};
use crate::share::grant::Grant;

/// Files in one archive, under safe names: stored, with its exact length. Leased as one item.
pub async fn zip(call: &Call, name: &str, files: Vec<(Vec<String>, Grant)>) -> Result<Response> {
    let paths: Vec<String> = files.iter().map(|(path, _)| path.join("/")).collect();
    let grants: Vec<Grant> = files.into_iter().map(|(_, grant)| grant).collect();
    let to_stat = grants.clone();
    let stats = on_disk(move || {
        to_stat.iter().map(|grant| root(grant.library())?.stat(grant.path())).collect::<Result<Vec<_>>>()
    })
    .await;
    let stats = match (stats, grants.first()) {
        (Ok(stats), _) => stats,
        (Err(error), first) => {
            if let Some(first) = first {
                give_back(&call.app, first).await;
            }
            return Err(error);
        }
    };
    let entries = safe_names(&paths)
        .into_iter()
        .zip(&stats)
        .enumerate()
        .map(|(source, (name, stat))| ZipEntry {
            name,
            size_bytes: stat.size_bytes,
            modified_ms: stat.modified_ms,
            source,
        })
        .collect();
    let plan = ZipPlan::new(entries)?;
    let transfer = match grants.first() {
        Some(first) => transfer(call, first),
        None => Transfer::new(tokio::sync::watch::channel(false).1, |_, _| {}),
    };
    let opener = move |source: usize| {
        let grant = grants.get(source).ok_or(Error::NotFound(Thing::File))?;
        root(grant.library())?.open_file(grant.path())
    };
    Ok(respond_zip(&call.parts.method, plan, name, opener, transfer))
}
