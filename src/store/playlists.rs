//! SQL of playlists: who may read them, what they hold.

use super::music::{THERE, libraries};
use super::{Row, Tx, Value, args, bind};
use crate::account::UserKey;
use crate::account::token::random_base62;
use crate::error::{Error, Result, Thing};
use crate::library::music::Playlist;
use crate::library::names::sort_key;
use crate::library::{IdKind, ItemKey, PlaylistKey};
use crate::share::grant::Scope;

fn playlist(row: &Row) -> Result<Playlist> {
    Ok(Playlist {
        key: PlaylistKey(row.get(0)?),
        id: row.get(1)?,
        owner: UserKey(row.get(2)?),
        owner_name: row.get(3)?,
        name: row.get(4)?,
        comment: row.get(5)?,
        is_public: row.get(6)?,
        created_ms: row.get(7)?,
        changed_ms: row.get(8)?,
        track_count: row.get(9)?,
        duration_ms: row.get::<i64>(10)?.max(0).unsigned_abs(),
    })
}

/// Playlists that the reader may read, with what of them they may hear.
fn readable(tx: &mut Tx, scope: &Scope, args: &mut Vec<Value>, only: &str) -> Result<Vec<Playlist>> {
    let sql = format!(
        "SELECT p.id, p.public_id, p.owner_id, o.name, p.name, p.comment, p.public, p.created_ms, p.changed_ms,
            COUNT(t.item_id), CAST(COALESCE(SUM(t.duration_ms), 0) AS BIGINT)
         FROM playlist p JOIN account o ON o.id = p.owner_id
         LEFT JOIN playlist_entry e ON e.playlist_id = p.id
         LEFT JOIN item i ON i.id = e.item_id AND i.library_id IN ({}) AND {THERE}
         LEFT JOIN track t ON t.item_id = i.id
         WHERE (p.owner_id = {} OR p.public = 1){only} GROUP BY p.id, o.name",
        libraries(args, &scope.by_id()),
        bind(args, scope.user().0)
    );
    tx.all(&sql, args, playlist)
}

/// The reader's own and the public ones, by name.
pub fn list(tx: &mut Tx, scope: &Scope) -> Result<Vec<Playlist>> {
    let mut playlists = readable(tx, scope, &mut Vec::new(), "")?;
    playlists.sort_by_cached_key(|playlist| (sort_key(&playlist.name), playlist.key));
    Ok(playlists)
}

/// By its public id; one that is neither the reader's own nor public is not found.
pub fn by_id(tx: &mut Tx, scope: &Scope, id: &str) -> Result<Playlist> {
    let mut args = vec![id.into()];
    readable(tx, scope, &mut args, " AND p.public_id = $1")?.pop().ok_or(Error::NotFound(Thing::Playlist))
}

/// The same, of the reader's own alone: others may not be changed.
pub fn own_by_id(tx: &mut Tx, scope: &Scope, id: &str) -> Result<Playlist> {
    let playlist = by_id(tx, scope, id)?;
    if playlist.owner == scope.user() {
        Ok(playlist)
    } else {
        Err(Error::Forbidden("this playlist is somebody else's"))
    }
}

/// Keys of all entries in order, those that are not there included.
pub fn entries(tx: &mut Tx, key: PlaylistKey) -> Result<Vec<ItemKey>> {
    tx.all("SELECT item_id FROM playlist_entry WHERE playlist_id = $1 ORDER BY position", args![key.0], |row| {
        Ok(ItemKey(row.get(0)?))
    })
}

/// An empty playlist; gives its public id.
pub fn insert(tx: &mut Tx, owner: UserKey, name: &str, now_ms: i64) -> Result<String> {
    tx.one(
        "INSERT INTO playlist (public_id, owner_id, name, comment, public, created_ms, changed_ms)
         VALUES ($1, $2, $3, '', 0, $4, $4) RETURNING public_id",
        args![format!("{}{}", IdKind::Playlist.letter(), random_base62(16)), owner.0, name, now_ms],
        |row| row.get(0),
    )
}

/// Writes name, comment and openness of a playlist as they now are.
pub fn update(tx: &mut Tx, edited: &Playlist, now_ms: i64) -> Result<()> {
    tx.run(
        "UPDATE playlist SET name = $2, comment = $3, public = $4, changed_ms = $5 WHERE id = $1",
        args![edited.key.0, &edited.name, &edited.comment, edited.is_public, now_ms],
    )?;
    Ok(())
}

pub fn set_entries(tx: &mut Tx, key: PlaylistKey, items: &[ItemKey]) -> Result<()> {
    tx.run("DELETE FROM playlist_entry WHERE playlist_id = $1", args![key.0])?;
    for (position, item) in items.iter().enumerate() {
        tx.run(
            "INSERT INTO playlist_entry (playlist_id, position, item_id) VALUES ($1, $2, $3)",
            args![key.0, position, item.0],
        )?;
    }
    Ok(())
}

pub fn remove(tx: &mut Tx, key: PlaylistKey) -> Result<()> {
    tx.run("DELETE FROM playlist WHERE id = $1", args![key.0])?;
    Ok(())
}
