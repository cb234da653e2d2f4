//! From a grant to bytes on their way: the only place where an answer opens a file, and it takes a [`Grant`] to do so.

mod rendition;
mod zip;

use std::sync::Arc;

use axum::http::Method;
use axum::response::Response;

pub use self::rendition::{Hls, cover, hls, transcode, waveform};
pub use self::zip::zip;
use super::Call;
use super::send::{Content, Disposition, Finished, Transfer, mime_of, respond};
use crate::App;
use crate::blob::disk::Root;
use crate::error::{Error, Result, Thing};
use crate::library::Library;
use crate::now_ms;
use crate::share::grant::Grant;
use crate::store::shares::{self, LeaseEnd};

/// The file of a grant: Range, conditions, HEAD and safe headers; ends within seconds when its share is revoked, and
/// settles its lease.
pub async fn file(call: &Call, grant: Grant, disposition: Disposition) -> Result<Response> {
    if !grant.action().hands_out_originals() && call.parts.method != Method::HEAD {
        return Err(Error::NotFound(Thing::File));
    }
    let item = grant.item().clone();
    let opened = opened(grant.clone()).await;
    let (file, size_bytes, modified_ms) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            give_back(&call.app, &grant).await;
            return Err(error);
        }
    };
    let content = Content {
        file,
        size_bytes,
        modified_ms,
        // A file may have changed since the last scan: what is on disk tells, so that no resume mixes two versions.
        etag: format!("{}-{modified_ms:x}-{size_bytes:x}", item.etag()),
        mime: mime_of(&item.shown).to_owned(),
        name: item.shown,
        disposition,
    };
    let transfer = transfer(call, &grant);
    Ok(respond(&call.parts.method, &call.parts.headers, content, transfer))
}

async fn opened(grant: Grant) -> Result<(std::fs::File, u64, i64)> {
    on_disk(move || {
        let file = root(grant.library())?.open_file(grant.path())?;
        let stat = crate::blob::Stat::of(&file)?;
        Ok((file, stat.size_bytes, stat.modified_ms))
    })
    .await
}

fn root(library: &Library) -> Result<Root> {
    Root::open(&library.root).map_err(|_| Error::NotFound(Thing::Library))
}

/// Opening may wait for a disk: never on a thread that serves others.
async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|e| Error::internal("disk work", e))?
}

async fn give_back(app: &Arc<App>, grant: &Grant) {
    settle(app, grant, LeaseEnd::NotThere).await;
}

async fn settle(app: &Arc<App>, grant: &Grant, end: LeaseEnd) {
    let Some(lease) = grant.lease() else { return };
    if let Err(error) = app.db.write(move |tx| shares::end_transfer(tx, lease, end, now_ms())).await {
        tracing::warn!(%error, "a download could not be settled");
    }
}

/// Registers the transfer and settles its lease when it ends.
fn transfer(call: &Call, grant: &Grant) -> Transfer {
    let (id, cancelled) = call.app.transfers.begin(grant);
    let (app, grant) = (Arc::clone(&call.app), grant.clone());
    let runtime = tokio::runtime::Handle::current();
    let transfer = Transfer::new(cancelled, move |sent_bytes, finished| {
        app.transfers.end(id);
        let end = match finished {
            Finished::Whole => LeaseEnd::Complete,
            _ if sent_bytes == 0 => LeaseEnd::NothingSent,
            Finished::Broken | Finished::Cancelled | Finished::Unsent => LeaseEnd::BrokenOff,
        };
        if grant.action().hands_out_originals() {
            runtime.spawn(async move { settle(&app, &grant, end).await });
        }
    });
    match call.parts.extensions.get::<super::send::HangUp>() {
        Some(connection) => transfer.hanging_up(connection.clone()),
        None => transfer,
    }
}
