//! SQL of podcasts: channels, episodes, and the downloads that go on.

use std::collections::HashMap;

use super::library::new_id;
use super::{Engine, KEYS_AT_ONCE, Row, Tx, Wanted, bind_all};
use crate::args;
use crate::error::{Error, Result, Thing};
use crate::library::feed::{Feed, FeedEpisode};
use crate::library::names::unique_shown;
use crate::library::podcasts::{Channel, ChannelState, Episode, EpisodeState, file_name, folder_name};
use crate::library::{ChannelKey, EpisodeKey, IdKind, ItemKey};

const MOST_CHANNELS: i64 = 1000;

const CHANNEL: &str =
    "SELECT c.id, c.public_id, c.url, c.title, c.description, c.image_url, i.public_id, c.state, c.error
                       FROM podcast_channel c
                       LEFT JOIN item i ON i.id = c.cover_item_id AND i.missing_ms IS NULL";
const EPISODE: &str =
    "SELECT e.id, e.public_id, e.channel_id, c.public_id, c.title, p.public_id, e.title, e.description,
                              e.suffix, e.size_bytes, e.duration_ms, e.published_ms, e.added_ms, e.state, i.id
                       FROM podcast_episode e JOIN podcast_channel c ON c.id = e.channel_id
                       LEFT JOIN item p ON p.id = c.cover_item_id AND p.missing_ms IS NULL
                       LEFT JOIN item i ON i.id = e.item_id AND i.missing_ms IS NULL";
const NEWEST_FIRST: &str = "ORDER BY COALESCE(e.published_ms, e.added_ms) DESC, e.id DESC";

// Channels -----------------------------------------------------------------------------------------------------------

/// Follows a feed; one that is followed already is read again.
pub fn follow(tx: &mut Tx, url: &str, now_ms: i64) -> Result<()> {
    if tx.run("UPDATE podcast_channel SET due_ms = 0 WHERE url = $1", args![url])? > 0 {
        return Ok(());
    }
    let count: i64 = tx.one("SELECT COUNT(*) FROM podcast_channel", args![], |row| row.get(0))?;
    if count >= MOST_CHANNELS {
        return Err(Error::invalid("url", format!("there are {MOST_CHANNELS} podcasts already")));
    }
    tx.run(
        "INSERT INTO podcast_channel (public_id, url, title, description, state, failures, due_ms, created_ms)
         VALUES ($1, $2, '', '', 'new', 0, 0, $3)",
        args![new_id(IdKind::Channel), url, now_ms],
    )?;
    Ok(())
}

/// All, by title.
pub fn channels(tx: &mut Tx) -> Result<Vec<Channel>> {
    let mut all = tx.all(&format!("{CHANNEL} ORDER BY c.id"), args![], channel_of)?;
    all.sort_by_cached_key(|channel| crate::library::names::sort_key(&channel.title));
    Ok(all)
}

pub fn channel_by_id(tx: &mut Tx, id: &str) -> Result<Channel> {
    let found = tx.maybe(&format!("{CHANNEL} WHERE c.public_id = $1"), args![id], channel_of)?;
    found.ok_or(Error::NotFound(Thing::Channel))
}

fn channel_of(row: &Row) -> Result<Channel> {
    let state: String = row.get(7)?;
    Ok(Channel {
        key: ChannelKey(row.get(0)?),
        id: row.get(1)?,
        url: row.get(2)?,
        title: row.get(3)?,
        description: row.get(4)?,
        image_url: row.get(5)?,
        cover_id: row.get(6)?,
        state: match state.as_str() {
            "new" => ChannelState::New,
            "read" => ChannelState::Read,
            "failed" => ChannelState::Failed,
            _ => return Err(Error::internal("podcasts: unknown state", state)),
        },
        error: row.get(8)?,
    })
}

/// Forgets a channel and its episodes. Tells its folder and the temporaries of what was on its way.
pub fn remove_channel(tx: &mut Tx, key: ChannelKey) -> Result<(Option<String>, Vec<String>)> {
    let folder = tx.one("SELECT folder FROM podcast_channel WHERE id = $1", args![key.0], |row| row.get(0))?;
    let sql = "SELECT temporary FROM podcast_episode WHERE channel_id = $1 AND temporary IS NOT NULL";
    let temporaries = tx.all(sql, args![key.0], |row| row.get(0))?;
    tx.run("DELETE FROM podcast_channel WHERE id = $1", args![key.0])?;
    Ok((folder, temporaries))
}

/// All feeds are to be read now.
pub fn refresh_all(tx: &mut Tx) -> Result<()> {
    tx.run("UPDATE podcast_channel SET due_ms = 0", args![]).map(drop)
}

/// A feed whose time has come.
#[derive(Debug, Clone)]
pub struct DueChannel {
    pub key: ChannelKey,
    pub url: String,
    pub etag: Option<String>,
    pub modified: Option<String>,
    pub content_hash: Option<String>,
    pub failures: i64,
    pub cover_url: Option<String>,
    pub has_cover: bool,
}

pub fn is_channel_due(tx: &mut Tx, now_ms: i64) -> Result<bool> {
    let sql = "SELECT 1 FROM podcast_channel WHERE due_ms <= $1 LIMIT 1";
    Ok(tx.maybe(sql, args![now_ms], |_| Ok(()))?.is_some())
}

/// Takes one up: nobody else does until `again_ms`, by when whoever took it has said what came of it.
pub fn take_due_channel(tx: &mut Tx, now_ms: i64, again_ms: i64) -> Result<Option<DueChannel>> {
    let due = tx.maybe(
        "SELECT c.id, c.url, c.etag, c.modified, c.content_hash, c.failures, c.cover_url, i.id
         FROM podcast_channel c LEFT JOIN item i ON i.id = c.cover_item_id AND i.missing_ms IS NULL
         WHERE c.due_ms <= $1 ORDER BY c.due_ms, c.id LIMIT 1",
        args![now_ms],
        |row| {
            Ok(DueChannel {
                key: ChannelKey(row.get(0)?),
                url: row.get(1)?,
                etag: row.get(2)?,
                modified: row.get(3)?,
                content_hash: row.get(4)?,
                failures: row.get(5)?,
                cover_url: row.get(6)?,
                has_cover: row.get::<Option<i64>>(7)?.is_some(),
            })
        },
    )?;
    if let Some(due) = &due {
        tx.run("UPDATE podcast_channel SET due_ms = $1 WHERE id = $2", args![again_ms, due.key.0])?;
    }
    Ok(due)
}

/// The feed could not be read; what is known of the channel stays.
pub fn set_failed(tx: &mut Tx, key: ChannelKey, why: &str, due_ms: i64) -> Result<()> {
    tx.run(
        "UPDATE podcast_channel SET state = 'failed', error = $1, failures = failures + 1, due_ms = $2 WHERE id = $3",
        args![why, due_ms, key.0],
    )?;
    Ok(())
}

/// The feed was read, and is the same.
pub fn set_unchanged(tx: &mut Tx, key: ChannelKey, due_ms: i64) -> Result<()> {
    tx.run(
        "UPDATE podcast_channel SET state = 'read', error = NULL, failures = 0, due_ms = $1 WHERE id = $2",
        args![due_ms, key.0],
    )?;
    Ok(())
}

/// By what the feed's next version is told from this one.
#[derive(Debug, Clone)]
pub struct Version {
    pub etag: Option<String>,
    pub modified: Option<String>,
    pub content_hash: String,
}

/// Some of a feed's episodes. What is known of them otherwise stays; of a channel that is gone by now none is kept.
pub fn put_episodes(tx: &mut Tx, channel: ChannelKey, episodes: &[FeedEpisode], now_ms: i64) -> Result<()> {
    if tx.maybe("SELECT 1 FROM podcast_channel WHERE id = $1", args![channel.0], |_| Ok(()))?.is_none() {
        return Ok(());
    }
    for episode in episodes {
        tx.run(
            "INSERT INTO podcast_episode (public_id, channel_id, guid, title, description, url, suffix, size_bytes,
                                          duration_ms, published_ms, seen_ms, added_ms, state, tries, due_ms, busy_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'new', 0, 0, 0)
             ON CONFLICT (channel_id, guid) DO UPDATE SET
                 title = excluded.title, description = excluded.description, url = excluded.url,
                 size_bytes = excluded.size_bytes, duration_ms = excluded.duration_ms,
                 published_ms = excluded.published_ms, seen_ms = excluded.seen_ms",
            args![
                new_id(IdKind::Episode),
                channel.0,
                &episode.guid,
                &episode.title,
                &episode.description,
                &episode.url,
                &episode.suffix,
                episode.size_bytes,
                episode.duration_ms,
                episode.published_ms,
                now_ms,
                now_ms
            ],
        )?;
    }
    Ok(())
}

/// After all its episodes: what the feed says of the channel. Episodes that it has no more and that nobody has are forgotten.
pub fn set_read(tx: &mut Tx, key: ChannelKey, feed: &Feed, version: &Version, seen_ms: i64, due_ms: i64) -> Result<()> {
    tx.run(
        "DELETE FROM podcast_episode WHERE channel_id = $1 AND seen_ms < $2 AND state IN ('new', 'failed', 'deleted')",
        args![key.0, seen_ms],
    )?;
    tx.run(
        "UPDATE podcast_channel SET title = $1, description = $2, image_url = $3, state = 'read', error = NULL, etag = $4,
             modified = $5, content_hash = $6, failures = 0, due_ms = $7
         WHERE id = $8",
        args![
            &feed.title,
            &feed.description,
            feed.image_url.clone(),
            version.etag.clone(),
            version.modified.clone(),
            &version.content_hash,
            due_ms,
            key.0
        ],
    )?;
    Ok(())
}

pub fn set_cover(tx: &mut Tx, key: ChannelKey, url: &str, item: Option<ItemKey>) -> Result<()> {
    tx.run(
        "UPDATE podcast_channel SET cover_url = $1, cover_item_id = $2 WHERE id = $3",
        args![url, item.map(|item| item.0), key.0],
    )?;
    Ok(())
}

/// The name of the channel's folder, which it gets now if it has none; none for a channel that is gone.
pub fn folder(tx: &mut Tx, key: ChannelKey) -> Result<Option<String>> {
    let known = tx.maybe("SELECT folder, title FROM podcast_channel WHERE id = $1", args![key.0], |row| {
        Ok((row.get::<Option<String>>(0)?, row.get::<String>(1)?))
    })?;
    let Some((folder, title)) = known else { return Ok(None) };
    if folder.is_some() {
        return Ok(folder);
    }
    let folder = unique_shown(folder_name(&title), |name| {
        let sql = "SELECT 1 FROM podcast_channel WHERE folder = $1";
        Ok::<_, Error>(tx.maybe(sql, args![name], |_| Ok(()))?.is_some())
    })?;
    tx.run("UPDATE podcast_channel SET folder = $1 WHERE id = $2", args![&folder, key.0])?;
    Ok(Some(folder))
}

// Episodes -----------------------------------------------------------------------------------------------------------

pub fn episodes_of(tx: &mut Tx, channel: ChannelKey) -> Result<Vec<Episode>> {
    tx.all(&format!("{EPISODE} WHERE e.channel_id = $1 {NEWEST_FIRST}"), args![channel.0], episode_of)
}

/// Of all channels, those that were deleted left out.
pub fn newest_episodes(tx: &mut Tx, count: u64) -> Result<Vec<Episode>> {
    tx.all(&format!("{EPISODE} WHERE e.state <> 'deleted' {NEWEST_FIRST} LIMIT $1"), args![count], episode_of)
}

pub fn episode_by_id(tx: &mut Tx, id: &str) -> Result<Episode> {
    let found = tx.maybe(&format!("{EPISODE} WHERE e.public_id = $1"), args![id], episode_of)?;
    found.ok_or(Error::NotFound(Thing::Episode))
}

/// Of which these files are the content.
pub fn episodes_in(tx: &mut Tx, items: &[ItemKey]) -> Result<Vec<Episode>> {
    let mut found = Vec::new();
    for part in items.chunks(KEYS_AT_ONCE) {
        let mut args = Vec::new();
        let ids = bind_all(&mut args, part.iter().map(|item| item.0));
        found.extend(tx.all(&format!("{EPISODE} WHERE e.item_id IN ({ids})"), &args, episode_of)?);
    }
    Ok(found)
}

/// The same public ids, but for each episode's that of the file that is its content.
pub fn heard_by(tx: &mut Tx, ids: &[String]) -> Result<Vec<String>> {
    let episodes: Vec<&String> = ids.iter().filter(|id| IdKind::of(id) == Some(IdKind::Episode)).collect();
    let mut items: HashMap<String, String> = HashMap::new();
    for part in episodes.chunks(KEYS_AT_ONCE) {
        let mut args = Vec::new();
        let bound = bind_all(&mut args, part.iter().copied().cloned());
        let sql = format!(
            "SELECT e.public_id, i.public_id FROM podcast_episode e JOIN item i ON i.id = e.item_id
             WHERE e.public_id IN ({bound})"
        );
        items.extend(tx.all(&sql, &args, |row| Ok((row.get(0)?, row.get(1)?)))?);
    }
    Ok(ids.iter().map(|id| items.get(id).unwrap_or(id).clone()).collect())
}

fn episode_of(row: &Row) -> Result<Episode> {
    let item = row.get::<Option<i64>>(14)?.map(ItemKey);
    let state: String = row.get(13)?;
    Ok(Episode {
        key: EpisodeKey(row.get(0)?),
        id: row.get(1)?,
        channel: ChannelKey(row.get(2)?),
        channel_id: row.get(3)?,
        channel_title: row.get(4)?,
        cover_id: row.get(5)?,
        title: row.get(6)?,
        description: row.get(7)?,
        suffix: row.get(8)?,
        size_bytes: row.get(9)?,
        duration_ms: row.get(10)?,
        published_ms: row.get(11)?,
        added_ms: row.get(12)?,
        state: match state.as_str() {
            "new" => EpisodeState::New,
            "downloading" => EpisodeState::Downloading,
            // Its file is gone by other ways: it can be fetched again.
            "completed" if item.is_none() => EpisodeState::New,
            "completed" => EpisodeState::Completed,
            "failed" => EpisodeState::Failed,
            "deleted" => EpisodeState::Deleted,
            _ => return Err(Error::internal("podcasts: unknown state", state)),
        },
        item,
    })
}

/// Asks for a download, from its beginning unless it goes on already.
pub fn ask_for(tx: &mut Tx, key: EpisodeKey) -> Result<()> {
    tx.run(
        "UPDATE podcast_episode SET state = 'downloading', item_id = NULL, tries = 0, due_ms = 0, busy_ms = 0
         WHERE id = $1 AND state <> 'downloading'",
        args![key.0],
    )?;
    Ok(())
}

/// What is to be removed with an episode.
#[derive(Debug, Clone)]
pub struct Leftover {
    pub folder: Option<String>,
    pub file_name: Option<String>,
    pub temporary: Option<String>,
}

/// The episode is deleted, and stays so when its feed is read again.
pub fn set_deleted(tx: &mut Tx, key: EpisodeKey) -> Result<Leftover> {
    let leftover = tx.one(
        "SELECT c.folder, e.file_name, e.temporary FROM podcast_episode e JOIN podcast_channel c ON c.id = e.channel_id
         WHERE e.id = $1",
        args![key.0],
        |row| Ok(Leftover { folder: row.get(0)?, file_name: row.get(1)?, temporary: row.get(2)? }),
    )?;
    let sql = "UPDATE podcast_episode SET state = 'deleted', item_id = NULL, temporary = NULL, validator = NULL
               WHERE id = $1";
    tx.run(sql, args![key.0])?;
    Ok(leftover)
}

// Downloads ----------------------------------------------------------------------------------------------------------

/// A download whose turn has come.
#[derive(Debug, Clone)]
pub struct Download {
    pub episode: EpisodeKey,
    pub url: String,
    pub folder: String,
    pub file_name: String,
    pub temporary: Option<String>,
    pub validator: Option<String>,
    pub tries: i64,
}

/// When the next download is due, of those that nobody has given a sign of since `alive_ms`.
pub fn next_download_ms(tx: &mut Tx, alive_ms: i64) -> Result<Option<i64>> {
    let sql = "SELECT MIN(due_ms) FROM podcast_episode WHERE state = 'downloading' AND busy_ms < $1";
    tx.one(sql, args![alive_ms], |row| row.get(0))
}

/// Takes one up that nobody has given a sign of since `alive_ms`.
pub fn take_download(tx: &mut Tx, now_ms: i64, alive_ms: i64) -> Result<Option<Download>> {
    let found = tx.maybe(
        "SELECT id, channel_id, url, file_name, temporary, validator, tries, title, published_ms, suffix
         FROM podcast_episode
         WHERE state = 'downloading' AND due_ms <= $1 AND busy_ms < $2 ORDER BY due_ms, id LIMIT 1",
        args![now_ms, alive_ms],
        |row| {
            let known: Option<String> = row.get(3)?;
            let title: String = row.get(7)?;
            let suffix: String = row.get(9)?;
            let file_name = known.clone().unwrap_or(file_name(&title, row.get(8)?, &suffix));
            let download = Download {
                episode: EpisodeKey(row.get(0)?),
                url: row.get(2)?,
                folder: String::new(),
                file_name,
                temporary: row.get(4)?,
                validator: row.get(5)?,
                tries: row.get(6)?,
            };
            Ok((download, ChannelKey(row.get(1)?), known.is_some()))
        },
    )?;
    let Some((mut download, channel, is_named)) = found else { return Ok(None) };
    download.folder = folder(tx, channel)?.ok_or(Error::NotFound(Thing::Channel))?;
    if !is_named {
        download.file_name = unique_shown(download.file_name, |name| {
            let sql = "SELECT 1 FROM podcast_episode WHERE channel_id = $1 AND file_name = $2";
            Ok::<_, Error>(tx.maybe(sql, args![channel.0, name], |_| Ok(()))?.is_some())
        })?;
    }
    tx.run(
        "UPDATE podcast_episode SET busy_ms = $1, file_name = $2 WHERE id = $3",
        args![now_ms, &download.file_name, download.episode.0],
    )?;
    Ok(Some(download))
}

/// Where what comes is kept, before the first of it is written.
pub fn set_temporary(tx: &mut Tx, key: EpisodeKey, temporary: &str, validator: Option<&str>) -> Result<Wanted> {
    Wanted::if_changed(
        tx,
        "UPDATE podcast_episode SET temporary = $1, validator = $2 WHERE id = $3 AND state = 'downloading'",
        args![temporary, validator.map(str::to_owned), key.0],
    )
}

pub fn sign_of_life(tx: &mut Tx, key: EpisodeKey, now_ms: i64) -> Result<Wanted> {
    Wanted::if_changed(
        tx,
        "UPDATE podcast_episode SET busy_ms = $1 WHERE id = $2 AND state = 'downloading'",
        args![now_ms, key.0],
    )
}

/// It broke off, and is tried again.
pub fn set_broken(tx: &mut Tx, key: EpisodeKey, due_ms: i64) -> Result<()> {
    tx.run(
        "UPDATE podcast_episode SET tries = tries + 1, due_ms = $1, busy_ms = 0 WHERE id = $2 AND state = 'downloading'",
        args![due_ms, key.0],
    )?;
    Ok(())
}

/// It is not tried again. Tells what came so far.
pub fn set_download_failed(tx: &mut Tx, key: EpisodeKey) -> Result<Option<String>> {
    let sql = "SELECT temporary FROM podcast_episode WHERE id = $1";
    let temporary = tx.maybe(sql, args![key.0], |row| row.get::<Option<String>>(0))?.flatten();
    tx.run(
        "UPDATE podcast_episode SET state = 'failed', temporary = NULL, validator = NULL, busy_ms = 0
         WHERE id = $1 AND state = 'downloading'",
        args![key.0],
    )?;
    Ok(temporary)
}

pub fn set_completed(tx: &mut Tx, key: EpisodeKey, item: ItemKey) -> Result<Wanted> {
    Wanted::if_changed(
        tx,
        "UPDATE podcast_episode SET state = 'completed', item_id = $1, temporary = NULL, validator = NULL, busy_ms = 0
         WHERE id = $2 AND state = 'downloading'",
        args![item.0, key.0],
    )
}

/// After a start, where no other process works on the same rows: nobody is at work on any of them.
pub fn take_over(tx: &mut Tx) -> Result<()> {
    match tx.engine() {
        Engine::Sqlite => {
            tx.run("UPDATE podcast_episode SET busy_ms = 0 WHERE state = 'downloading'", args![]).map(drop)
        }
        Engine::Postgres => Ok(()),
    }
}

/// Names of what came so far of the downloads.
pub fn temporaries(tx: &mut Tx) -> Result<Vec<String>> {
    tx.all("SELECT temporary FROM podcast_episode WHERE temporary IS NOT NULL", args![], |row| row.get(0))
}
