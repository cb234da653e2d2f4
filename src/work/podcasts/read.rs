//! Reading feeds, when they are due.

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap};
use sha2::{Digest, Sha256};

use super::{LOOK_EVERY, Trouble, back_off_ms, bytes, library, on_disk};
use crate::blob::{Existing, Root};
use crate::error::{Error, Result};
use crate::library::feed::{self, Feed};
use crate::library::{ChannelKey, ItemKey};
use crate::outgoing::{Failure, Limits, header_value};
use crate::store::podcasts::{self as rows, DueChannel, Version};
use crate::work::scan;
use crate::{App, hex, now_ms};

const READ_EVERY: Duration = Duration::from_secs(60 * 60);
const LATEST: Duration = Duration::from_secs(24 * 60 * 60);
/// Nobody else reads a feed for as long; whoever began is done by then, or gone.
const CLAIM_MS: i64 = 10 * 60 * 1000;
const FEED: Limits = Limits { size_bytes: feed::LARGEST_BYTES, time: Duration::from_secs(60) };
const PICTURE: Limits = Limits { size_bytes: 10 << 20, time: Duration::from_secs(60) };
/// Episodes that one transaction stores.
const EPISODES_AT_ONCE: usize = 100;

pub(super) async fn tend(app: &App) {
    loop {
        match read_next(app).await {
            Ok(Read::One) => continue,
            Ok(Read::Nothing) => {}
            Err(cause) => tracing::warn!(%cause, "feeds of podcasts are not read"),
        }
        let _ = tokio::time::timeout(LOOK_EVERY, app.podcasts.feeds.notified()).await;
    }
}

enum Read {
    One,
    Nothing,
}

async fn read_next(app: &App) -> Result<Read> {
    let now = now_ms();
    if !app.db.read(move |tx| rows::is_channel_due(tx, now)).await? {
        return Ok(Read::Nothing);
    }
    let Some(due) = app.db.write(move |tx| rows::take_due_channel(tx, now, now + CLAIM_MS)).await? else {
        return Ok(Read::Nothing);
    };
    let (key, failures) = (due.key, due.failures);
    if let Err(trouble) = read(app, due).await {
        if let Trouble::Own(cause) = &trouble {
            tracing::warn!(channel = key.0, %cause, "a podcast is not read");
        }
        let due_ms = now_ms() + back_off_ms(failures, READ_EVERY, LATEST);
        app.db.write(move |tx| rows::set_failed(tx, key, &trouble.text(), due_ms)).await?;
    }
    Ok(Read::One)
}

async fn read(app: &App, due: DueChannel) -> Result<(), Trouble> {
    let mut headers = HeaderMap::new();
    let known = [(header::IF_NONE_MATCH, &due.etag), (header::IF_MODIFIED_SINCE, &due.modified)];
    for (name, value) in known {
        headers.extend(value.as_deref().and_then(header_value).map(|value| (name, value)));
    }
    let answer = app.outgoing.get(&due.url, headers, FEED).await?;
    let again_ms = now_ms() + READ_EVERY.as_millis() as i64;
    let key = due.key;
    if answer.status == StatusCode::NOT_MODIFIED {
        return Ok(app.db.write(move |tx| rows::set_unchanged(tx, key, again_ms)).await?);
    }
    if answer.status != StatusCode::OK {
        return Err(Failure::Status(answer.status.as_u16()).into());
    }
    let told = |name| answer.header(name).filter(|value| value.len() <= 1024).map(str::to_owned);
    let (etag, modified) = (told(header::ETAG), told(header::LAST_MODIFIED));
    let content = answer.whole().await?;
    let content_hash = hex(Sha256::digest(&content));
    let version = Version { etag, modified, content_hash };
    if due.content_hash.as_ref() == Some(&version.content_hash) {
        return Ok(app.db.write(move |tx| rows::set_unchanged(tx, key, again_ms)).await?);
    }
    let address = due.url.clone();
    // A parser that panics on strangers' text ends its own thread's work, and nothing else.
    let feed = tokio::task::spawn_blocking(move || feed::read(&content, &address)).await.ok().flatten();
    let feed = feed.ok_or(Trouble::NoFeed)?;
    store(app, key, &feed, version, again_ms).await?;
    if let Some(url) = feed.image_url.filter(|url| !due.has_cover || due.cover_url.as_ref() != Some(url)) {
        // A podcast without its picture is one nevertheless.
        if let Err(trouble) = picture(app, key, &url).await {
            tracing::debug!(channel = key.0, ?trouble, "a podcast's picture is not fetched");
        }
    }
    Ok(())
}

async fn store(app: &App, key: ChannelKey, feed: &Feed, version: Version, again_ms: i64) -> Result<()> {
    let seen_ms = now_ms();
    for part in feed.episodes.chunks(EPISODES_AT_ONCE) {
        let part = part.to_vec();
        app.db.write(move |tx| rows::put_episodes(tx, key, &part, seen_ms)).await?;
    }
    let channel = Feed { episodes: Vec::new(), ..feed.clone() };
    app.db.write(move |tx| rows::set_read(tx, key, &channel, &version, seen_ms, again_ms)).await
}

/// Fetches a channel's picture into its folder, where it is the cover of what has none.
async fn picture(app: &App, key: ChannelKey, url: &str) -> Result<(), Trouble> {
    let answer = app.outgoing.get(url, HeaderMap::new(), PICTURE).await?;
    if answer.status != StatusCode::OK {
        return Err(Failure::Status(answer.status.as_u16()).into());
    }
    let content = answer.whole().await?;
    let suffix = match content.as_slice() {
        [0xff, 0xd8, 0xff, ..] => "jpg",
        [0x89, b'P', b'N', b'G', ..] => "png",
        [b'G', b'I', b'F', b'8', ..] => "gif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "webp",
        _ => return Err(Error::invalid("image", "it is of no known kind").into()),
    };
    let library = library(app).await?;
    let _alone = app.podcasts.adding.lock().await;
    let Some(folder) = app.db.write(move |tx| rows::folder(tx, key)).await? else { return Ok(()) };
    let path = vec![folder, format!("cover.{suffix}")];
    let db = app.db.clone();
    let item = on_disk(move || {
        use std::io::Write;
        let root = Root::open(&library.root)?;
        let temporary = root.create_temporary(content.len() as u64)?;
        temporary.file().write_all(&content)?;
        make_folder(&root, &path[0])?;
        root.commit(temporary, &path, Existing::Replace)?;
        scan::scan_path(&db, library.key, &bytes(&path))
    })
    .await?;
    let (url, item) = (url.to_owned(), item.map(|item| ItemKey(item.key.0)));
    Ok(app.db.write(move |tx| rows::set_cover(tx, key, &url, item)).await?)
}

/// One that is there already is as good.
pub(super) fn make_folder(root: &Root, name: &str) -> Result<()> {
    match root.create_folder(&[name]) {
        Ok(()) | Err(Error::Exists(_)) => Ok(()),
        Err(cause) => Err(cause),
    }
}
