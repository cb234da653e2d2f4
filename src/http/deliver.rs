//! From a grant to bytes on their way: the only place where an answer opens a file, and it takes a [`Grant`] to do so.

mod archived;
mod rendition;
mod zip;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use axum::response::Response;

pub use self::archived::archived;
pub use self::rendition::{Hls, cover, hls, mosaic, probe, text, transcode, waveform};
pub use self::zip::zip;
use super::Call;
use super::send::{Content, Disposition, Finished, Source, Transfer, mime_of, respond};
use crate::App;
use crate::account::User;
use crate::blob::disk::open_at_once;
use crate::blob::{Stat, on_disk};
use crate::error::{Error, Result, Thing};
use crate::library::versions::Version;
use crate::library::{Item, Library};
use crate::now_ms;
use crate::share::ShareKey;
use crate::share::grant::{Action, Grant};
use crate::share::visit::{LEASE_MS, Lease, Visitor, network};
use crate::store::accounts;
use crate::store::shares::{self, LeaseEnd};
use crate::work::jukebox::Open;
use crate::work::{look, roots};

/// A reader who takes nothing for so long is let go. As long as a lease lives: a paused player holds its connection, and
/// whoever comes back later resumes the same download.
const PATIENCE: Duration = Duration::from_millis(LEASE_MS as u64);

/// The file of a grant: Range, conditions, HEAD and safe headers; ends within seconds when its share is revoked, and
/// settles its lease.
pub async fn file(call: &Call, grant: Grant, disposition: Disposition) -> Result<Response> {
    if !grant.action().hands_out_originals() && call.parts.method != Method::HEAD {
        return Err(Error::NotFound(Thing::File));
    }
    let item = grant.item().clone();
    let leases: Vec<Lease> = grant.lease().filter(|_| grant.action().hands_out_originals()).into_iter().collect();
    let transfer = transfer(call, grant.share().into_iter().collect(), grant.rate(), leases.clone());
    let (file, size_bytes, modified_ms) = match opened(grant).await {
        Ok(opened) => opened,
        Err(error) => {
            settle(&call.app, leases, LeaseEnd::NotThere).await;
            return Err(error);
        }
    };
    let content = Content {
        source: Source::File(file),
        size_bytes,
        modified_ms: Some(modified_ms),
        // A file may have changed since the last scan: what is on disk tells, so that no resume mixes two versions.
        etag: etag_of(&item, modified_ms, size_bytes),
        mime: mime_of(&item.shown).to_owned(),
        name: item.shown,
        disposition,
    };
    Ok(respond(&call.parts.method, &call.parts.headers, content, transfer))
}

/// The tag of a file's content, without quotes, by what the disk says of it; or by what its row says, which is mostly the
/// same and then tells so.
pub fn etag_of(item: &Item, modified_ms: i64, size_bytes: u64) -> String {
    format!("{}-{modified_ms:x}-{size_bytes:x}", item.etag())
}

/// A former content of a grant's file, which lies in that library; all else as of [`file`].
pub async fn version(
    call: &Call,
    grant: Grant,
    version: Version,
    lies_in: Library,
    disposition: Disposition,
) -> Result<Response> {
    if !grant.action().hands_out_originals() && call.parts.method != Method::HEAD {
        return Err(Error::NotFound(Thing::File));
    }
    let leases: Vec<Lease> = grant.lease().into_iter().collect();
    let transfer = transfer(call, grant.share().into_iter().collect(), grant.rate(), leases);
    let id = version.id.clone();
    let (file, size_bytes) = on_disk(move || {
        let file = roots::open(&lies_in)?.open_version(&id)?;
        let size_bytes = Stat::of(&file)?.size_bytes;
        Ok((file, size_bytes))
    })
    .await?;
    let name = grant.item().shown.clone();
    let content = Content {
        source: Source::File(file),
        size_bytes,
        modified_ms: Some(version.modified_ms),
        etag: format!("{}-{size_bytes:x}", version.id),
        mime: mime_of(&name).to_owned(),
        name,
        disposition,
    };
    Ok(respond(&call.parts.method, &call.parts.headers, content, transfer))
}

async fn opened(grant: Grant) -> Result<(std::fs::File, u64, i64)> {
    let (file, stat) = match open_at_once(&grant.library().root, grant.path()) {
        Some(opened) => opened,
        None => on_disk(move || roots::open(grant.library())?.open_with_stat(grant.path())).await?,
    };
    Ok((file, stat.size_bytes, stat.modified_ms))
}

/// Opens tracks for the jukebox: what leaves by this machine's speakers leaves by this door as well.
pub fn to_jukebox(app: &Arc<App>) -> Open {
    let app = Arc::downgrade(app);
    Arc::new(move |entry| {
        let app = app.clone();
        Box::pin(async move {
            let gone = || Error::NotFound(Thing::Track);
            let app = app.upgrade().ok_or_else(gone)?;
            let user = app.db.read(move |tx| accounts::by_id(tx, &entry.user_id)).await?;
            let user = user.filter(User::is_active).ok_or_else(gone)?;
            let visitor = Visitor::guest(Ipv4Addr::LOCALHOST.into(), "").with_user(user.clone());
            let grant = look::own(&app, &user, &visitor, &entry.item_id, Action::Play).await?;
            Ok(opened(grant).await?.0)
        })
    })
}

/// What a transfer came to, for each download of a row that it was paid by.
async fn settle(app: &Arc<App>, leases: impl IntoIterator<Item = Lease>, end: LeaseEnd) {
    for lease in leases {
        let Lease::Row(lease) = lease else { continue };
        if let Err(error) = app.db.write(move |tx| shares::end_transfer(tx, lease, end, now_ms())).await {
            tracing::warn!(%error, "a download could not be settled");
        }
    }
}

/// Registers a transfer and settles its leases when it ends. Made before anything is looked for on a disk: whoever hangs
/// up meanwhile drops it, and what was leased is given back.
fn transfer(
    call: &Call,
    shares: Vec<(ShareKey, i64)>,
    rates: impl IntoIterator<Item = (ShareKey, i64)>,
    leases: Vec<Lease>,
) -> Transfer {
    let rows = leases.iter().filter_map(|lease| if let Lease::Row(key) = lease { Some(*key) } else { None });
    let (id, cancelled) = call.app.transfers.begin(shares, rows.collect());
    let app = Arc::clone(&call.app);
    let runtime = tokio::runtime::Handle::current();
    let transfer = Transfer::new(cancelled, move |sent_bytes, finished| {
        app.transfers.end(id);
        let end = match finished {
            Finished::Whole => LeaseEnd::Complete,
            _ if sent_bytes == 0 => LeaseEnd::NothingSent,
            Finished::Broken | Finished::Cancelled | Finished::Unsent => LeaseEnd::BrokenOff,
        };
        for lease in &leases {
            if let (Lease::Tally(share), LeaseEnd::NothingSent) = (lease, end) {
                app.tally.take_back(*share);
            }
        }
        if leases.iter().any(|lease| matches!(lease, Lease::Row(_))) {
            runtime.spawn(async move { settle(&app, leases, end).await });
        }
    });
    let transfer = transfer.paced(call.app.pace.of(rates, &network(call.origin.address)));
    match call.parts.extensions.get::<super::send::HangUp>() {
        Some(connection) => transfer.hanging_up(connection.clone(), PATIENCE),
        None => transfer,
    }
}
