//! From a grant to bytes on their way: the only place where an answer opens a file, and it takes a [`Grant`] to do so.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use tokio::sync::Semaphore;

use super::Call;
use super::send::{Content, Disposition, Finished, Transfer, mime_of, respond, respond_zip};
use crate::App;
use crate::blob::disk::Root;
use crate::error::{Error, Result, Thing};
use crate::library::Library;
use crate::media::image::{self, Picture};
use crate::media::zip::{ZipEntry, ZipPlan, safe_names};
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

/// Each takes a core, and of a large picture hundreds of MiB.
static DRAWING: Semaphore = Semaphore::const_new(2);

/// The picture of a track, or an image file, at most `size_px` wide and high. `NotFound(Cover)` when there is none.
pub async fn cover(call: &Call, grant: Grant, size_px: Option<u32>) -> Result<Response> {
    let item = grant.item().clone();
    let etag = format!("c{}-{}", item.etag(), image::size_class(size_px));
    if call.header(header::IF_NONE_MATCH).is_some_and(|tags| tags.contains(&etag)) {
        return Ok(not_modified());
    }
    let turn = DRAWING.acquire().await.map_err(|e| Error::internal("drawing", e))?;
    let picture = on_disk(move || {
        // Goes with the work: who hangs up does not stop it.
        let _turn = turn;
        let file = root(grant.library())?.open_file(grant.path())?;
        image::of_item(file, grant.item(), size_px)
    })
    .await?;
    Ok(picture_answer(picture, &etag, &call.parts.method))
}

/// As an HTTP answer that a browser may keep for itself for a day.
fn picture_answer(picture: Picture, etag: &str, method: &Method) -> Response {
    let length = picture.bytes.len();
    let body = if method == Method::HEAD { Body::empty() } else { Body::from(picture.bytes) };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(picture.mime));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=86400"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{etag}\"")) {
        headers.insert(header::ETAG, etag);
    }
    response
}

fn not_modified() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response
}
