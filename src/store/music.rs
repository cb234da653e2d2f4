//! SQL of music, bounded by what its reader may look through. What is missing or in the trash never shows.
//!
//! A list first finds the keys of its page in a narrow query, then `tracks`, `albums` and `artists` load whole rows of
//! those keys: a fixed number of queries, however long the page is.
//!
//! Where rows are found by their keys, a `+` before the library's column keeps SQLite from going through all of the library
//! instead: it knows no numbers of rows.

mod albums;
mod alike;
mod artists;
mod shared;
mod tracks;

pub(super) use albums::all_albums;
pub use albums::{album_by_id, album_list, albums, albums_of, is_album_in};
pub use alike::{Liked, artists_like, artists_on, liked_tracks, tracks_like};
pub(super) use artists::all_artists;
pub use artists::{artist_by_id, artist_named, artists, is_artist_in, leading_artists, starred_artists};
pub use shared::{flattened, flattened_with_films, tracks_of};
pub(super) use tracks::{all_tracks, texts_of_album, texts_of_artist};
pub use tracks::{
    lyrics, random_tracks, starred_films, starred_folders, starred_tracks, track_by_id, track_titled, tracks,
    tracks_named, tracks_of_album, tracks_of_genre, tracks_there,
};

use std::collections::HashMap;

use crate::account::UserKey;
use crate::args;
use crate::error::{Error, Result, Thing};
use crate::library::music::Genre;
use crate::library::tags::cover_rank;
use crate::library::{IdKind, ItemKey, LibraryKey, Media, PlaylistKey};
use crate::share::Shared;
use crate::share::grant::Scope;
use crate::store::{Tx, Value, bind, bind_all, library};
use albums::album_key;
use artists::artist_key;

/// Of an item `i`.
pub(super) const THERE: &str = "i.missing_ms IS NULL AND i.trashed_ms IS NULL";
/// Of an album `a`: a track of it is there. Also what indexes of albums hold, so it is to stand in these very words.
pub(super) const ALBUM_THERE: &str = "a.track_count > 0";
/// The order of tracks within an album.
const TRACK_ORDER: &str = "COALESCE(t.disc, 1), COALESCE(t.number, 0), t.sort, t.item_id";

pub(super) fn libraries(args: &mut Vec<Value>, scope: &Scope) -> String {
    bind_all(args, scope.libraries().iter().map(|library| library.0))
}

/// A JSON list of texts, as its column holds it.
fn texts(json: &str) -> Result<Vec<String>> {
    if json.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(json).map_err(|e| Error::internal("a list in a row of music", e))
}

/// `rows` in the order of `keys`, where a key comes twice the row as well; keys without a row are left out.
fn in_order<K: Copy + Eq + std::hash::Hash, T: Clone>(keys: &[K], rows: HashMap<K, T>) -> Vec<T> {
    keys.iter().filter_map(|key| rows.get(key).cloned()).collect()
}

fn distinct<K: Copy + Ord>(keys: &[K]) -> Vec<K> {
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    keys.dedup();
    keys
}

// Genres -----------------------------------------------------------------------------------------------------------------

/// All genres with a track that is there, by name.
pub fn genres(tx: &mut Tx, scope: &Scope) -> Result<Vec<Genre>> {
    let mut args = Vec::new();
    let sql = format!(
        "SELECT g.name, CAST(SUM(s.track_count) AS BIGINT), CAST(SUM(s.album_count) AS BIGINT)
         FROM genre_in s JOIN genre g ON g.id = s.genre_id
         WHERE s.library_id IN ({}) AND s.album_count > 0 GROUP BY g.id, g.name ORDER BY g.id",
        libraries(&mut args, scope)
    );
    let mut genres =
        tx.all(&sql, &args, |row| Ok(Genre { name: row.get(0)?, track_count: row.get(1)?, album_count: row.get(2)? }))?;
    genres.sort_by_cached_key(|genre| crate::library::names::sort_key(&genre.name));
    Ok(genres)
}

fn genre_key(tx: &mut Tx, name: &str) -> Result<Option<i64>> {
    tx.maybe("SELECT id FROM genre WHERE name_key = $1", args![crate::account::name_key(name)], |row| row.get(0))
}

pub fn track_count(tx: &mut Tx, scope: &Scope) -> Result<u64> {
    all_tracks(scope).count(tx)
}

// Anything by its id -----------------------------------------------------------------------------------------------------

/// What a public id names, if the reader may see it. The number of a library names its root folder.
pub fn named(tx: &mut Tx, scope: &Scope, id: &str) -> Result<Shared> {
    if let Ok(number) = id.parse::<i64>() {
        let library = scope.only(LibraryKey(number))?.libraries()[0];
        let root =
            tx.maybe("SELECT id FROM item WHERE library_id = $1 AND parent_id IS NULL", args![library.0], |row| {
                Ok(ItemKey(row.get(0)?))
            })?;
        return root.map(Shared::Item).ok_or(Error::NotFound(Thing::Library));
    }
    match IdKind::of(id) {
        Some(IdKind::Album) => match album_key(tx, id)? {
            Some(key) if is_album_in(tx, scope, key)? => Ok(Shared::Album(key)),
            _ => Err(Error::NotFound(Thing::Album)),
        },
        Some(IdKind::Artist) => match artist_key(tx, id)? {
            Some(key) if is_artist_in(tx, scope, key)? => Ok(Shared::Artist(key)),
            _ => Err(Error::NotFound(Thing::Artist)),
        },
        Some(IdKind::Playlist) => super::playlists::by_id(tx, scope, id).map(|playlist| Shared::Playlist(playlist.key)),
        _ => {
            let scope = scope.by_id();
            let item = library::item_by_id(tx, id)?.filter(|item| scope.libraries().contains(&item.library));
            item.map(|item| Shared::Item(item.key)).ok_or(Error::NotFound(Thing::File))
        }
    }
}

pub fn may_read_playlist(tx: &mut Tx, user: UserKey, key: PlaylistKey) -> Result<bool> {
    let found = tx.maybe(
        "SELECT id FROM playlist WHERE id = $1 AND (owner_id = $2 OR public = 1)",
        args![key.0, user.0],
        |row| row.get::<i64>(0),
    )?;
    Ok(found.is_some())
}

/// The item whose picture stands for it, if any is known to have one.
pub fn cover_of(tx: &mut Tx, scope: &Scope, shared: Shared) -> Result<Option<ItemKey>> {
    let mut args = Vec::new();
    let (from, key, order) = match shared {
        Shared::Album(key) => ("album a WHERE a.id =", key.0, "a.id"),
        Shared::Artist(key) => (
            "album a JOIN album_credit c ON c.album_id = a.id WHERE c.artist_id =",
            key.0,
            "COALESCE(a.year, 0) DESC, a.sort, a.id",
        ),
        Shared::Playlist(key) => (
            "playlist_entry e JOIN track t ON t.item_id = e.item_id JOIN album a ON a.id = t.album_id WHERE e.playlist_id =",
            key.0,
            "e.position",
        ),
        Shared::Item(key) => return cover_of_item(tx, scope, key),
    };
    let sql = format!(
        "SELECT a.cover_item_id FROM {from} {} AND a.cover_item_id IS NOT NULL AND +a.library_id IN ({}) AND {ALBUM_THERE}
         ORDER BY {order} LIMIT 1",
        bind(&mut args, key),
        libraries(&mut args, &scope.by_id())
    );
    let cover = tx.maybe(&sql, &args, |row| Ok(ItemKey(row.get(0)?)))?;
    match (cover, shared) {
        // One who leads no album is shown by one they play on.
        (None, Shared::Artist(key)) => {
            let album = albums_of(tx, scope, key)?.into_iter().find(|album| album.has_cover);
            match album {
                Some(album) => cover_of(tx, scope, Shared::Album(album.key)),
                None => Ok(None),
            }
        }
        (cover, _) => Ok(cover),
    }
}

/// Items whose pictures together stand for a playlist: of its first four albums that have one.
pub fn covers_of_playlist(tx: &mut Tx, scope: &Scope, playlist: PlaylistKey) -> Result<Vec<ItemKey>> {
    let mut args = vec![playlist.0.into()];
    let sql = format!(
        "SELECT a.cover_item_id FROM playlist_entry e JOIN track t ON t.item_id = e.item_id
         JOIN album a ON a.id = t.album_id
         WHERE e.playlist_id = $1 AND a.cover_item_id IS NOT NULL AND a.library_id IN ({}) AND {ALBUM_THERE}
         GROUP BY a.cover_item_id ORDER BY MIN(e.position) LIMIT 4",
        libraries(&mut args, scope)
    );
    tx.all(&sql, &args, |row| Ok(ItemKey(row.get(0)?)))
}

fn cover_of_item(tx: &mut Tx, scope: &Scope, key: ItemKey) -> Result<Option<ItemKey>> {
    let scope = scope.by_id();
    let Some(item) = library::item(tx, key)?.filter(|item| scope.libraries().contains(&item.library)) else {
        return Ok(None);
    };
    if matches!(item.media, Media::Image | Media::Video) {
        return Ok(Some(key));
    }
    if !item.is_folder() {
        let sql = "SELECT t.has_cover, a.cover_item_id FROM track t LEFT JOIN album a ON a.id = t.album_id WHERE t.item_id = $1";
        let known = tx.maybe(sql, args![key.0], |row| Ok((row.get::<bool>(0)?, row.get::<Option<i64>>(1)?)))?;
        return Ok(known.and_then(|(own, album)| if own { Some(key) } else { album.map(ItemKey) }));
    }
    let pictures = tx.all(
        &format!(
            "SELECT i.id, i.name FROM item i WHERE i.parent_id = $1 AND i.media = 2 AND {THERE} ORDER BY i.sort, i.id"
        ),
        args![key.0],
        |row| Ok((ItemKey(row.get(0)?), row.get::<Vec<u8>>(1)?)),
    )?;
    let best = pictures.iter().filter_map(|(key, name)| Some((cover_rank(name)?, *key))).min();
    if let Some((_, picture)) = best {
        return Ok(Some(picture));
    }
    let sql = format!(
        "SELECT a.cover_item_id FROM item i JOIN track t ON t.item_id = i.id JOIN album a ON a.id = t.album_id
         WHERE (i.parent_id = $1 OR i.parent_id IN (SELECT id FROM item WHERE parent_id = $1 AND kind = 0))
         AND a.cover_item_id IS NOT NULL AND {THERE} ORDER BY a.sort, a.id LIMIT 1"
    );
    tx.maybe(&sql, args![key.0], |row| Ok(ItemKey(row.get(0)?)))
}
