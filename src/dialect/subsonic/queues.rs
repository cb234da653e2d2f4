//! Where a user goes on: bookmarks, and one queue that moves from app to app.
//!
//! Both ways to save a queue save the same one, and both ways to read it read the same one. Tracks that are not known
//! any more are passed over: an app that kept its queue for weeks does not lose the rest of it.

use super::Asked;
use super::answers::*;
use super::children::children;
use super::envelope::Payload;
use super::playing::player;
use crate::error::{Error, Result, Thing};
use crate::library::music::{Bookmark as Kept, Track};
use crate::library::playback::PlayQueue as Queue;
use crate::library::{Item, ItemKey, Media};
use crate::now_ms;
use crate::share::grant::Scope;
use crate::store::{Tx, library, marks, music, playback};

const MOST_ENTRIES: usize = 10_000;
const LONGEST_COMMENT_CHARS: usize = 2000;

// Bookmarks -----------------------------------------------------------------------------------------------------------

/// A track, an episode or a film, if the caller may see it.
fn media(tx: &mut Tx, scope: &Scope, id: &str) -> Result<Item> {
    let item = library::item_by_id(tx, id)?.filter(|item| scope.by_id().libraries().contains(&item.library));
    let is_media = |item: &Item| matches!(item.media, Media::Audio | Media::Video) && !item.is_folder();
    item.filter(is_media).ok_or(Error::NotFound(Thing::Track))
}

pub async fn create_bookmark(asked: Asked) -> Result<Payload> {
    let id = asked.params.need("id")?.to_owned();
    let position_ms = asked.params.ms("position")?.ok_or(Error::Missing("position"))?;
    let comment = asked.params.get("comment").unwrap_or_default().to_owned();
    if comment.chars().count() > LONGEST_COMMENT_CHARS {
        return Err(Error::invalid("comment", format!("at most {LONGEST_COMMENT_CHARS} characters")));
    }
    let kept = move |tx: &mut Tx, scope: &Scope| {
        let (item, now) = (media(tx, scope, &id)?.key, now_ms());
        let bookmark = Kept { item, position_ms, comment, created_ms: now, changed_ms: now };
        marks::set_bookmark(tx, scope.user(), &bookmark, now)
    };
    asked.write(kept).await.map(|()| Payload::Empty)
}

/// Also in what is not there any more.
pub async fn delete_bookmark(asked: Asked) -> Result<Payload> {
    let id = asked.params.need("id")?.to_owned();
    match asked.write(move |tx, scope| marks::remove_bookmark(tx, scope.user(), &id)).await? {
        true => Ok(Payload::Empty),
        false => Err(Error::NotFound(Thing::Bookmark)),
    }
}

pub async fn get_bookmarks(asked: Asked) -> Result<Payload> {
    let name = asked.user.name.clone();
    let listed = asked.read(move |tx, scope| {
        let kept = marks::bookmarks(tx, scope.user())?;
        let keys: Vec<ItemKey> = kept.iter().map(|bookmark| bookmark.item).collect();
        let mut entries = children(tx, scope, &keys)?;
        let shown = |one: &Kept| Some(Bookmark::of(one, &name, entries.remove(&one.item)?));
        Ok(Bookmarks { bookmark: kept.iter().filter_map(shown).collect() })
    });
    Ok(Payload::Bookmarks(listed.await?))
}

// Queues --------------------------------------------------------------------------------------------------------------

/// What a call says of the queue: the tracks, and which of them is the current one.
async fn save(asked: &Asked, ids: Vec<String>, current: usize) -> Result<Payload> {
    if ids.len() > MOST_ENTRIES {
        return Err(Error::invalid("id", format!("at most {MOST_ENTRIES} entries")));
    }
    let position_ms = asked.params.ms("position")?.unwrap_or(0);
    let changed_by = player(&asked.params);
    let saved = move |tx: &mut Tx, scope: &Scope| {
        let found = music::tracks_named(tx, scope, &ids)?;
        let is_known = found.get(current).is_some_and(Option::is_some);
        let before = found.iter().take(current).flatten().count();
        let items: Vec<ItemKey> = found.into_iter().flatten().map(|(item, _)| item).collect();
        if items.is_empty() && !ids.is_empty() {
            return Err(Error::NotFound(Thing::Track));
        }
        let queue = Queue {
            current: before.min(items.len().saturating_sub(1)),
            position_ms: if is_known { position_ms } else { 0 },
            items,
            changed_ms: now_ms(),
            changed_by,
        };
        playback::save_queue(tx, scope.user(), &queue)
    };
    asked.write(saved).await.map(|()| Payload::Empty)
}

fn ids(asked: &Asked) -> Vec<String> {
    asked.params.all("id").into_iter().map(str::to_owned).collect()
}

/// Without a `current` the first is it, as py-opensonic leaves it out.
pub async fn save_play_queue(asked: Asked) -> Result<Payload> {
    let ids = ids(&asked);
    let current = match asked.params.get("current").filter(|id| !id.is_empty()) {
        None => 0,
        Some(_) if ids.is_empty() => return Err(Error::Missing("id")),
        Some(current) => ids
            .iter()
            .position(|id| id == current)
            .ok_or_else(|| Error::invalid("current", "it is none of the tracks in the queue"))?,
    };
    save(&asked, ids, current).await
}

pub async fn save_play_queue_by_index(asked: Asked) -> Result<Payload> {
    let ids = ids(&asked);
    let current = match asked.params.int("currentIndex")? {
        None if ids.is_empty() => 0,
        None => return Err(Error::Missing(INDEX)),
        Some(index) => usize::try_from(index)
            .ok()
            .filter(|index| *index < ids.len())
            .ok_or_else(|| Error::invalid(INDEX, "there is no such place in the queue"))?,
    };
    save(&asked, ids, current).await
}

/// What is wrong about it has the code of what is missing; the extension wants it so.
pub(super) const INDEX: &str = "currentIndex";

/// An app that never saved one gets an empty queue rather than none: py-opensonic fails without.
async fn queue(asked: &Asked) -> Result<(Queue, Vec<Track>)> {
    let read = asked.read(|tx, scope| {
        let Some(saved) = playback::queue(tx, scope.user())? else {
            let none = Queue { items: vec![], current: 0, position_ms: 0, changed_ms: 0, changed_by: String::new() };
            return Ok((none, Vec::new()));
        };
        let there = music::tracks_there(tx, scope, &saved.items)?;
        let queue = saved.of_those(&there);
        let tracks = music::tracks(tx, scope, &queue.items)?;
        Ok((queue, tracks))
    });
    read.await
}

pub async fn get_play_queue(asked: Asked) -> Result<Payload> {
    let (queue, tracks) = queue(&asked).await?;
    Ok(Payload::PlayQueue(PlayQueue {
        current: tracks.get(queue.current).map(|track| track.item.id.clone()),
        position: queue.position_ms,
        username: asked.user.name,
        changed: Date(queue.changed_ms),
        changed_by: queue.changed_by,
        entry: tracks.iter().map(Child::of).collect(),
    }))
}

pub async fn get_play_queue_by_index(asked: Asked) -> Result<Payload> {
    let (queue, tracks) = queue(&asked).await?;
    Ok(Payload::PlayQueueByIndex(PlayQueueByIndex {
        current_index: (!tracks.is_empty()).then_some(queue.current),
        position: queue.position_ms,
        username: asked.user.name,
        changed: Date(queue.changed_ms),
        changed_by: queue.changed_by,
        entry: tracks.iter().map(Child::of).collect(),
    }))
}
