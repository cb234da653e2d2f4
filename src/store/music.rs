//! SQL of music, bounded by what its reader may look through. What is missing or in the trash never shows.
//!
//! A list first finds the keys of its page in a narrow query, then `tracks`, `albums` and `artists` load whole rows of
//! those keys: a fixed number of queries, however long the page is.

use std::collections::{HashMap, HashSet};

use super::{Row, Tx, Value, in_list, library, marks};
use crate::account::{UserKey, name_key};
use crate::args;
use crate::error::{Error, Result, Thing};
use crate::library::music::{
    Album, AlbumList, AlbumName, Artist, ArtistName, Genre, Marked, Page, Role, Track, TrackFilter,
};
use crate::library::tags::cover_rank;
use crate::library::{AlbumKey, ArtistKey, IdKind, Item, ItemKey, ItemKind, LibraryKey, Media, PlaylistKey};
use crate::share::Shared;
use crate::share::grant::Scope;

/// Of an item `i`.
pub(super) const THERE: &str = "i.missing_ms IS NULL AND i.trashed_ms IS NULL";
/// Of an album `a`: a track of it is there.
pub(super) const ALBUM_THERE: &str = "EXISTS (SELECT 1 FROM track vt JOIN item vi ON vi.id = vt.item_id
    WHERE vt.album_id = a.id AND vi.missing_ms IS NULL AND vi.trashed_ms IS NULL)";
/// The order of tracks within an album.
const TRACK_ORDER: &str = "COALESCE(t.disc, 1), COALESCE(t.number, 0), t.sort, t.item_id";
/// Keys that one statement names at most: SQLite takes 32,766 arguments, PostgreSQL twice as many.
const KEYS_AT_ONCE: usize = 1000;
/// Folders that are opened to find the tracks beneath one.
const MOST_FOLDERS: usize = 10_000;

/// Adds an argument and gives its placeholder.
pub(super) fn bind(args: &mut Vec<Value>, value: impl Into<Value>) -> String {
    args.push(value.into());
    format!("${}", args.len())
}

/// The same for the list of an `IN (…)`.
pub(super) fn bind_all(args: &mut Vec<Value>, keys: impl IntoIterator<Item = i64>) -> String {
    let first = args.len() + 1;
    args.extend(keys.into_iter().map(Value::from));
    in_list(first, args.len() + 1 - first)
}

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

fn role_text(role: Role) -> &'static str {
    match role {
        Role::Artist => "artist",
        Role::AlbumArtist => "albumartist",
        Role::Composer => "composer",
    }
}

fn role_of(text: &str) -> Option<Role> {
    [Role::Artist, Role::AlbumArtist, Role::Composer].into_iter().find(|role| role_text(*role) == text)
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

// Tracks -------------------------------------------------------------------------------------------------------------

const TRACK: &str =
    "i.id, i.public_id, i.library_id, i.parent_id, i.name, i.shown, i.size_bytes, i.modified_ns, i.revision,
    i.added_ms, f.public_id, a.id, a.public_id, a.name, CASE WHEN a.cover_item_id IS NULL THEN 0 ELSE 1 END, t.title,
    t.sort_title, t.artist_name, t.album_artist_name, t.disc, t.number, t.year, t.duration_ms, t.bit_rate_kbps,
    t.sample_rate_hz, t.bit_depth, t.channels, t.bpm, t.comment, t.isrc, t.moods, t.musicbrainz_id, t.track_gain_db,
    t.track_peak, t.album_gain_db, t.album_peak, t.has_cover";

fn track(row: &Row) -> Result<Track> {
    let album = match row.get::<Option<i64>>(11)? {
        Some(key) => {
            Some(AlbumName { key: AlbumKey(key), id: row.get(12)?, name: row.get(13)?, has_cover: row.get(14)? })
        }
        None => None,
    };
    Ok(Track {
        item: Item {
            key: ItemKey(row.get(0)?),
            id: row.get(1)?,
            library: LibraryKey(row.get(2)?),
            parent: row.get::<Option<i64>>(3)?.map(ItemKey),
            kind: ItemKind::File,
            media: Media::Audio,
            name: row.get(4)?,
            shown: row.get(5)?,
            size_bytes: row.get(6)?,
            modified_ms: row.get::<i64>(7)?.div_euclid(1_000_000),
            revision: row.get(8)?,
            added_ms: row.get(9)?,
        },
        folder_id: row.get(10)?,
        album,
        title: row.get(15)?,
        sort_title: row.get(16)?,
        artist_name: row.get(17)?,
        album_artist_name: row.get(18)?,
        credits: Vec::new(),
        genres: Vec::new(),
        disc: small(row, 19)?,
        number: small(row, 20)?,
        year: year(row, 21)?,
        duration_ms: row.get::<i64>(22)?.max(0).unsigned_abs(),
        bit_rate_kbps: small(row, 23)?.unwrap_or(0),
        sample_rate_hz: small(row, 24)?.unwrap_or(0),
        bit_depth: small(row, 25)?,
        channels: small(row, 26)?.unwrap_or(0),
        bpm: small(row, 27)?,
        comment: row.get(28)?,
        isrc: texts(&row.get::<String>(29)?)?,
        moods: texts(&row.get::<String>(30)?)?,
        musicbrainz_id: row.get(31)?,
        track_gain_db: row.get(32)?,
        track_peak: row.get(33)?,
        album_gain_db: row.get(34)?,
        album_peak: row.get(35)?,
        has_cover: row.get(36)?,
        mark: Default::default(),
    })
}

/// Tags hold any number; one that no player could mean is none.
fn small(row: &Row, column: usize) -> Result<Option<u32>> {
    Ok(row.get::<Option<i64>>(column)?.and_then(|number| u32::try_from(number).ok()))
}

fn year(row: &Row, column: usize) -> Result<Option<i32>> {
    Ok(row.get::<Option<i64>>(column)?.and_then(|number| i32::try_from(number).ok()))
}

/// Whole tracks in the order of their keys; those that are not there, or beyond the scope, are left out.
pub fn tracks(tx: &mut Tx, scope: &Scope, keys: &[ItemKey]) -> Result<Vec<Track>> {
    let mut found = HashMap::new();
    for part in distinct(keys).chunks(KEYS_AT_ONCE) {
        let mut args = Vec::new();
        let ids = bind_all(&mut args, part.iter().map(|key| key.0));
        let only_ids = args.len();
        let within = libraries(&mut args, scope);
        let rows = tx.all(
            &format!(
                "SELECT {TRACK} FROM track t JOIN item i ON i.id = t.item_id LEFT JOIN item f ON f.id = i.parent_id
                 LEFT JOIN album a ON a.id = t.album_id
                 WHERE t.item_id IN ({ids}) AND i.library_id IN ({within}) AND {THERE}"
            ),
            &args,
            track,
        )?;
        found.extend(rows.into_iter().map(|track| (track.item.key, track)));
        args.truncate(only_ids);
        let credits = tx.all(
            &format!(
                "SELECT c.item_id, c.role, ar.id, ar.public_id, ar.name FROM track_credit c
                 JOIN artist ar ON ar.id = c.artist_id WHERE c.item_id IN ({ids}) ORDER BY c.item_id, c.role, c.position"
            ),
            &args,
            |row| Ok((ItemKey(row.get(0)?), role_of(&row.get::<String>(1)?), artist_name(row, 2)?)),
        )?;
        for (key, role, artist) in credits {
            if let (Some(track), Some(role)) = (found.get_mut(&key), role) {
                track.credits.push((role, artist));
            }
        }
        let genres = tx.all(
            &format!(
                "SELECT tg.item_id, g.name FROM track_genre tg JOIN genre g ON g.id = tg.genre_id
                 WHERE tg.item_id IN ({ids}) ORDER BY tg.item_id, tg.position"
            ),
            &args,
            |row| Ok((ItemKey(row.get(0)?), row.get::<String>(1)?)),
        )?;
        for (key, genre) in genres {
            if let Some(track) = found.get_mut(&key) {
                track.genres.push(genre);
            }
        }
        let marked: Vec<_> = part.iter().map(|key| Marked::Item(*key)).collect();
        for (marked, mark) in marks::of(tx, scope.user(), &marked)? {
            if let Marked::Item(key) = marked
                && let Some(track) = found.get_mut(&key)
            {
                track.mark = mark;
            }
        }
    }
    Ok(in_order(keys, found))
}

fn artist_name(row: &Row, first: usize) -> Result<ArtistName> {
    Ok(ArtistName { key: ArtistKey(row.get(first)?), id: row.get(first + 1)?, name: row.get(first + 2)? })
}

/// Of a track and of its album.
pub type TrackKeys = (ItemKey, Option<AlbumKey>);

/// Keys of tracks by their public ids, in order; `None` for each that is not there.
pub fn tracks_named(tx: &mut Tx, scope: &Scope, ids: &[String]) -> Result<Vec<Option<TrackKeys>>> {
    let mut found = HashMap::new();
    for part in ids.chunks(KEYS_AT_ONCE) {
        let mut args: Vec<Value> = part.iter().map(Value::from).collect();
        let named = in_list(1, args.len());
        let sql = format!(
            "SELECT i.public_id, t.item_id, t.album_id FROM track t JOIN item i ON i.id = t.item_id
             WHERE i.public_id IN ({named}) AND i.library_id IN ({}) AND {THERE}",
            libraries(&mut args, scope)
        );
        found.extend(tx.all(&sql, &args, |row| {
            Ok((row.get::<String>(0)?, (ItemKey(row.get(1)?), row.get::<Option<i64>>(2)?.map(AlbumKey))))
        })?);
    }
    Ok(ids.iter().map(|id| found.get(id).copied()).collect())
}

/// Those of the keys whose tracks are there.
pub fn tracks_there(tx: &mut Tx, scope: &Scope, keys: &[ItemKey]) -> Result<HashSet<ItemKey>> {
    let mut found = HashSet::new();
    for part in distinct(keys).chunks(KEYS_AT_ONCE) {
        let mut args = Vec::new();
        let ids = bind_all(&mut args, part.iter().map(|key| key.0));
        let sql = format!(
            "SELECT t.item_id FROM track t JOIN item i ON i.id = t.item_id
             WHERE t.item_id IN ({ids}) AND i.library_id IN ({}) AND {THERE}",
            libraries(&mut args, scope)
        );
        found.extend(track_keys(tx, &sql, &args)?);
    }
    Ok(found)
}

/// By its public id.
pub fn track_by_id(tx: &mut Tx, scope: &Scope, id: &str) -> Result<Track> {
    let key = tx.maybe("SELECT id FROM item WHERE public_id = $1", args![id], |row| Ok(ItemKey(row.get(0)?)))?;
    tracks(tx, scope, key.as_slice())?.pop().ok_or(Error::NotFound(Thing::Track))
}

fn track_keys(tx: &mut Tx, sql: &str, args: &[Value]) -> Result<Vec<ItemKey>> {
    tx.all(sql, args, |row| Ok(ItemKey(row.get(0)?)))
}

/// Keys of an album's tracks, in its order.
pub fn tracks_of_album(tx: &mut Tx, album: AlbumKey) -> Result<Vec<ItemKey>> {
    let sql = format!(
        "SELECT t.item_id FROM track t JOIN item i ON i.id = t.item_id WHERE t.album_id = $1 AND {THERE}
         ORDER BY {TRACK_ORDER}"
    );
    track_keys(tx, &sql, args![album.0])
}

/// Tracks drawn at random.
pub fn random_tracks(tx: &mut Tx, scope: &Scope, filter: &TrackFilter, limit: i64) -> Result<Vec<Track>> {
    let mut args = Vec::new();
    let mut sql = format!(
        "SELECT t.item_id FROM track t JOIN item i ON i.id = t.item_id WHERE i.library_id IN ({}) AND {THERE}",
        libraries(&mut args, scope)
    );
    if let Some(from) = filter.from_year {
        sql += &format!(" AND t.year >= {}", bind(&mut args, from));
    }
    if let Some(to) = filter.to_year {
        sql += &format!(" AND t.year <= {}", bind(&mut args, to));
    }
    if let Some(genre) = &filter.genre {
        sql += &format!(" AND t.item_id IN ({})", in_genre(&mut args, genre));
    }
    sql += &format!(" ORDER BY RANDOM() LIMIT {}", bind(&mut args, limit));
    let keys = track_keys(tx, &sql, &args)?;
    tracks(tx, scope, &keys)
}

/// A query for the keys of a genre's tracks.
fn in_genre(args: &mut Vec<Value>, genre: &str) -> String {
    format!(
        "SELECT tg.item_id FROM track_genre tg JOIN genre g ON g.id = tg.genre_id WHERE g.name_key = {}",
        bind(args, name_key(genre))
    )
}

pub fn tracks_of_genre(tx: &mut Tx, scope: &Scope, genre: &str, page: Page) -> Result<Vec<Track>> {
    let mut args = Vec::new();
    let sql = format!(
        "SELECT t.item_id FROM track t JOIN item i ON i.id = t.item_id
         WHERE i.library_id IN ({}) AND {THERE} AND t.item_id IN ({}) ORDER BY t.sort, t.item_id LIMIT {} OFFSET {}",
        libraries(&mut args, scope),
        in_genre(&mut args, genre),
        bind(&mut args, page.limit),
        bind(&mut args, page.offset)
    );
    let keys = track_keys(tx, &sql, &args)?;
    tracks(tx, scope, &keys)
}

/// The latest star first.
pub fn starred_tracks(tx: &mut Tx, scope: &Scope) -> Result<Vec<Track>> {
    let mut args = vec![scope.user().0.into()];
    let sql = format!(
        "SELECT t.item_id FROM mark m JOIN track t ON t.item_id = m.object_id JOIN item i ON i.id = t.item_id
         WHERE m.account_id = $1 AND m.object_kind = 'item' AND m.starred_ms IS NOT NULL AND i.library_id IN ({}) AND {THERE}
         ORDER BY m.starred_ms DESC, t.item_id",
        libraries(&mut args, scope)
    );
    let keys = track_keys(tx, &sql, &args)?;
    tracks(tx, scope, &keys)
}

/// Stored lyrics of a track, plain or with times; empty where there are none.
pub fn lyrics(tx: &mut Tx, key: ItemKey) -> Result<String> {
    Ok(tx.maybe("SELECT lyrics FROM track WHERE item_id = $1", args![key.0], |row| row.get(0))?.unwrap_or_default())
}

/// A track of that title by that artist, compared as searches compare.
pub fn track_titled(tx: &mut Tx, scope: &Scope, artist: &str, title: &str) -> Result<Option<Track>> {
    let mut args = Vec::new();
    let text = format!("%{}%", super::search::literal(&crate::library::names::search_key(title)));
    let sql = format!(
        "SELECT t.item_id, t.title, t.artist_name FROM track t JOIN item i ON i.id = t.item_id
         WHERE i.library_id IN ({}) AND {THERE} AND t.search LIKE {} ESCAPE '\\' ORDER BY t.item_id",
        libraries(&mut args, scope),
        bind(&mut args, text)
    );
    let alike = tx.all(&sql, &args, |row| Ok((ItemKey(row.get(0)?), row.get::<String>(1)?, row.get::<String>(2)?)))?;
    let same = |a: &str, b: &str| crate::library::names::search_key(a) == crate::library::names::search_key(b);
    let fits = alike.into_iter().find(|(_, t, a)| same(t, title) && (artist.is_empty() || same(a, artist)));
    match fits {
        Some((key, ..)) => Ok(tracks(tx, scope, &[key])?.pop()),
        None => Ok(None),
    }
}

// Albums -------------------------------------------------------------------------------------------------------------

fn album_keys(tx: &mut Tx, sql: &str, args: &[Value]) -> Result<Vec<AlbumKey>> {
    tx.all(sql, args, |row| Ok(AlbumKey(row.get(0)?)))
}

/// Whole albums in the order of their keys; those without a track that is there, or beyond the scope, are left out.
pub fn albums(tx: &mut Tx, scope: &Scope, keys: &[AlbumKey]) -> Result<Vec<Album>> {
    let mut found = HashMap::new();
    for part in distinct(keys).chunks(KEYS_AT_ONCE) {
        let mut args = Vec::new();
        let ids = bind_all(&mut args, part.iter().map(|key| key.0));
        let only_ids = args.len();
        let within = libraries(&mut args, scope);
        let rows = tx.all(
            &format!(
                "SELECT a.id, a.public_id, a.name, a.sort_name, a.artist_name, a.year, a.compilation, a.release_types,
                    a.musicbrainz_id, CASE WHEN a.cover_item_id IS NULL THEN 0 ELSE 1 END, a.added_ms, COUNT(*),
                    CAST(SUM(t.duration_ms) AS BIGINT)
                 FROM album a JOIN track t ON t.album_id = a.id JOIN item i ON i.id = t.item_id
                 WHERE a.id IN ({ids}) AND a.library_id IN ({within}) AND {THERE} GROUP BY a.id"
            ),
            &args,
            album,
        )?;
        found.extend(rows.into_iter().map(|album| (album.key, album)));
        args.truncate(only_ids);
        complete_albums(tx, &ids, &args, &mut found)?;
        let marked: Vec<_> = part.iter().map(|key| Marked::Album(*key)).collect();
        for (marked, mark) in marks::of(tx, scope.user(), &marked)? {
            if let Marked::Album(key) = marked
                && let Some(album) = found.get_mut(&key)
            {
                album.mark = mark;
            }
        }
    }
    Ok(in_order(keys, found))
}

fn album(row: &Row) -> Result<Album> {
    Ok(Album {
        key: AlbumKey(row.get(0)?),
        id: row.get(1)?,
        name: row.get(2)?,
        sort_name: row.get(3)?,
        artist_name: row.get(4)?,
        artists: Vec::new(),
        year: year(row, 5)?,
        is_compilation: row.get(6)?,
        release_types: texts(&row.get::<String>(7)?)?,
        musicbrainz_id: row.get(8)?,
        genres: Vec::new(),
        moods: Vec::new(),
        disc_titles: Vec::new(),
        has_cover: row.get(9)?,
        track_count: row.get(11)?,
        duration_ms: row.get::<i64>(12)?.max(0).unsigned_abs(),
        added_ms: row.get(10)?,
        mark: Default::default(),
    })
}

/// Artists, genres, moods and disc titles of albums.
fn complete_albums(tx: &mut Tx, ids: &str, args: &[Value], albums: &mut HashMap<AlbumKey, Album>) -> Result<()> {
    let credits = tx.all(
        &format!(
            "SELECT c.album_id, ar.id, ar.public_id, ar.name FROM album_credit c JOIN artist ar ON ar.id = c.artist_id
             WHERE c.album_id IN ({ids}) ORDER BY c.album_id, c.position"
        ),
        args,
        |row| Ok((AlbumKey(row.get(0)?), artist_name(row, 1)?)),
    )?;
    for (key, artist) in credits {
        if let Some(album) = albums.get_mut(&key) {
            album.artists.push(artist);
        }
    }
    let genres = tx.all(
        &format!(
            "SELECT t.album_id, g.name FROM track t JOIN item i ON i.id = t.item_id
             JOIN track_genre tg ON tg.item_id = t.item_id JOIN genre g ON g.id = tg.genre_id
             WHERE t.album_id IN ({ids}) AND {THERE} GROUP BY t.album_id, g.id, g.name
             ORDER BY t.album_id, COUNT(*) DESC, MIN(tg.position), g.id"
        ),
        args,
        |row| Ok((AlbumKey(row.get(0)?), row.get::<String>(1)?)),
    )?;
    for (key, genre) in genres {
        if let Some(album) = albums.get_mut(&key) {
            album.genres.push(genre);
        }
    }
    let said = tx.all(
        &format!(
            "SELECT DISTINCT t.album_id, COALESCE(t.disc, 1), t.disc_title, t.moods FROM track t
             JOIN item i ON i.id = t.item_id
             WHERE t.album_id IN ({ids}) AND {THERE} AND (t.disc_title <> '' OR t.moods <> '[]') ORDER BY 1, 2, 3, 4"
        ),
        args,
        |row| Ok((AlbumKey(row.get(0)?), small(row, 1)?, row.get::<String>(2)?, texts(&row.get::<String>(3)?)?)),
    )?;
    for (key, disc, title, moods) in said {
        let Some(album) = albums.get_mut(&key) else { continue };
        if let (Some(disc), false) = (disc, title.is_empty())
            && album.disc_titles.iter().all(|(known, _)| *known != disc)
        {
            album.disc_titles.push((disc, title));
        }
        for mood in moods {
            if !album.moods.contains(&mood) {
                album.moods.push(mood);
            }
        }
    }
    Ok(())
}

fn album_key(tx: &mut Tx, id: &str) -> Result<Option<AlbumKey>> {
    tx.maybe("SELECT id FROM album WHERE public_id = $1", args![id], |row| Ok(AlbumKey(row.get(0)?)))
}

/// By its public id.
pub fn album_by_id(tx: &mut Tx, scope: &Scope, id: &str) -> Result<Album> {
    let key = album_key(tx, id)?;
    albums(tx, scope, key.as_slice())?.pop().ok_or(Error::NotFound(Thing::Album))
}

pub fn is_album_in(tx: &mut Tx, scope: &Scope, key: AlbumKey) -> Result<bool> {
    let mut args = vec![key.0.into()];
    let sql = format!(
        "SELECT a.id FROM album a WHERE a.id = $1 AND a.library_id IN ({}) AND {ALBUM_THERE}",
        libraries(&mut args, scope)
    );
    Ok(!album_keys(tx, &sql, &args)?.is_empty())
}

/// One page of a list of albums.
pub fn album_list(tx: &mut Tx, scope: &Scope, list: &AlbumList, page: Page) -> Result<Vec<Album>> {
    let mut args = Vec::new();
    let within = libraries(&mut args, scope);
    let (with, only, order) = match list {
        AlbumList::Random => (String::new(), String::new(), "RANDOM()"),
        AlbumList::Newest => (String::new(), String::new(), "a.added_ms DESC, a.id DESC"),
        AlbumList::ByName => (String::new(), String::new(), "a.sort, a.id"),
        AlbumList::ByArtist => (String::new(), String::new(), "a.artist_sort, a.sort, a.id"),
        AlbumList::Highest => (marked(&mut args, scope), " AND m.rating IS NOT NULL".into(), "m.rating DESC, a.id"),
        AlbumList::Frequent => (marked(&mut args, scope), " AND m.plays > 0".into(), "m.plays DESC, a.id"),
        AlbumList::Recent => {
            (marked(&mut args, scope), " AND m.played_ms IS NOT NULL".into(), "m.played_ms DESC, a.id")
        }
        AlbumList::Starred => {
            (marked(&mut args, scope), " AND m.starred_ms IS NOT NULL".into(), "m.starred_ms DESC, a.id")
        }
        AlbumList::ByYear { from, to } => {
            let (least, most) = (bind(&mut args, *from.min(to)), bind(&mut args, *from.max(to)));
            let order = if from <= to { "a.year, a.sort, a.id" } else { "a.year DESC, a.sort, a.id" };
            (String::new(), format!(" AND a.year BETWEEN {least} AND {most}"), order)
        }
        AlbumList::ByGenre(genre) => {
            let tracks = in_genre(&mut args, genre);
            let only = format!(
                " AND a.id IN (SELECT t.album_id FROM track t JOIN item i ON i.id = t.item_id
                  WHERE {THERE} AND t.album_id IS NOT NULL AND t.item_id IN ({tracks}))"
            );
            (String::new(), only, "a.sort, a.id")
        }
    };
    let sql = format!(
        "SELECT a.id FROM album a{with} WHERE a.library_id IN ({within}) AND {ALBUM_THERE}{only}
         ORDER BY {order} LIMIT {} OFFSET {}",
        bind(&mut args, page.limit),
        bind(&mut args, page.offset)
    );
    let keys = album_keys(tx, &sql, &args)?;
    albums(tx, scope, &keys)
}

/// Joins the reader's marks of albums.
fn marked(args: &mut Vec<Value>, scope: &Scope) -> String {
    let user = bind(args, scope.user().0);
    format!(" JOIN mark m ON m.object_kind = 'album' AND m.object_id = a.id AND m.account_id = {user}")
}

/// An artist's albums, the earliest first: those credited to them; of one who has none, those they play on.
pub fn albums_of(tx: &mut Tx, scope: &Scope, artist: ArtistKey) -> Result<Vec<Album>> {
    let mut args = vec![artist.0.into()];
    let within = libraries(&mut args, scope);
    let credited = "SELECT c.album_id FROM album_credit c WHERE c.artist_id = $1";
    let playing = "SELECT t.album_id FROM track t JOIN item i ON i.id = t.item_id
        JOIN track_credit c ON c.item_id = t.item_id AND c.role = 'artist'
        WHERE c.artist_id = $1 AND t.album_id IS NOT NULL AND i.missing_ms IS NULL AND i.trashed_ms IS NULL";
    for source in [credited, playing] {
        let sql = format!(
            "SELECT a.id FROM album a WHERE a.library_id IN ({within}) AND {ALBUM_THERE} AND a.id IN ({source})
             ORDER BY COALESCE(a.year, 9999), a.sort, a.id"
        );
        let keys = album_keys(tx, &sql, &args)?;
        if !keys.is_empty() {
            return albums(tx, scope, &keys);
        }
    }
    Ok(Vec::new())
}

// Artists ------------------------------------------------------------------------------------------------------------

/// Of an artist `ar`: an album that is there is credited to them.
pub(super) fn leads_album(within: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM album_credit c JOIN album a ON a.id = c.album_id
         WHERE c.artist_id = ar.id AND a.library_id IN ({within}) AND {ALBUM_THERE})"
    )
}

/// Of an artist `ar`: they lead an album or play on a track that is there.
pub(super) fn artist_there(within: &str) -> String {
    format!(
        "({} OR EXISTS (SELECT 1 FROM track_credit c JOIN item i ON i.id = c.item_id
         WHERE c.artist_id = ar.id AND i.library_id IN ({within}) AND {THERE}))",
        leads_album(within)
    )
}

fn artist_keys(tx: &mut Tx, sql: &str, args: &[Value]) -> Result<Vec<ArtistKey>> {
    tx.all(sql, args, |row| Ok(ArtistKey(row.get(0)?)))
}

/// Whole artists in the order of their keys. The caller has seen to it that they are in the scope.
pub fn artists(tx: &mut Tx, scope: &Scope, keys: &[ArtistKey]) -> Result<Vec<Artist>> {
    let mut found = HashMap::new();
    for part in distinct(keys).chunks(KEYS_AT_ONCE) {
        let mut args = Vec::new();
        let ids = bind_all(&mut args, part.iter().map(|key| key.0));
        let rows = tx.all(
            &format!(
                "SELECT ar.id, ar.public_id, ar.name, ar.sort_name, ar.initial, ar.musicbrainz_id FROM artist ar
                 WHERE ar.id IN ({ids})"
            ),
            &args,
            artist,
        )?;
        found.extend(rows.into_iter().map(|artist| (artist.key, artist)));
        let within = libraries(&mut args, scope);
        count_albums(tx, &ids, &within, &args, &mut found)?;
        let roles = tx.all(
            &format!(
                "SELECT DISTINCT c.artist_id, c.role FROM track_credit c JOIN item i ON i.id = c.item_id
                 WHERE c.artist_id IN ({ids}) AND i.library_id IN ({within}) AND {THERE} ORDER BY c.artist_id, c.role"
            ),
            &args,
            |row| Ok((ArtistKey(row.get(0)?), role_of(&row.get::<String>(1)?))),
        )?;
        for (key, role) in roles {
            if let (Some(artist), Some(role)) = (found.get_mut(&key), role)
                && !artist.roles.contains(&role)
            {
                artist.roles.push(role);
            }
        }
        let marked: Vec<_> = part.iter().map(|key| Marked::Artist(*key)).collect();
        for (marked, mark) in marks::of(tx, scope.user(), &marked)? {
            if let Marked::Artist(key) = marked
                && let Some(artist) = found.get_mut(&key)
            {
                artist.mark = mark;
            }
        }
    }
    Ok(in_order(keys, found))
}

fn artist(row: &Row) -> Result<Artist> {
    Ok(Artist {
        key: ArtistKey(row.get(0)?),
        id: row.get(1)?,
        name: row.get(2)?,
        sort_name: row.get(3)?,
        initial: row.get(4)?,
        musicbrainz_id: row.get(5)?,
        roles: Vec::new(),
        album_count: 0,
        has_cover: false,
        mark: Default::default(),
    })
}

/// How many albums [`albums_of`] would give.
fn count_albums(
    tx: &mut Tx,
    ids: &str,
    within: &str,
    args: &[Value],
    artists: &mut HashMap<ArtistKey, Artist>,
) -> Result<()> {
    let count = |row: &Row| Ok((ArtistKey(row.get(0)?), row.get::<u64>(1)?, row.get::<i64>(2)? > 0));
    let led = tx.all(
        &format!(
            "SELECT c.artist_id, COUNT(DISTINCT a.id), COUNT(a.cover_item_id) FROM album_credit c
             JOIN album a ON a.id = c.album_id
             WHERE c.artist_id IN ({ids}) AND a.library_id IN ({within}) AND {ALBUM_THERE} GROUP BY c.artist_id"
        ),
        args,
        count,
    )?;
    for (key, albums, has_cover) in led {
        if let Some(artist) = artists.get_mut(&key) {
            artist.album_count = albums;
            artist.has_cover = has_cover;
            artist.roles.push(Role::AlbumArtist);
        }
    }
    let played_on = tx.all(
        &format!(
            "SELECT c.artist_id, COUNT(DISTINCT a.id), COUNT(a.cover_item_id) FROM track_credit c
             JOIN track t ON t.item_id = c.item_id JOIN item i ON i.id = c.item_id JOIN album a ON a.id = t.album_id
             WHERE c.artist_id IN ({ids}) AND c.role = 'artist' AND a.library_id IN ({within}) AND {THERE}
             AND NOT EXISTS (SELECT 1 FROM album_credit l WHERE l.artist_id = c.artist_id) GROUP BY c.artist_id"
        ),
        args,
        count,
    )?;
    for (key, albums, has_cover) in played_on {
        if let Some(artist) = artists.get_mut(&key).filter(|artist| artist.album_count == 0) {
            artist.album_count = albums;
            artist.has_cover = has_cover;
        }
    }
    Ok(())
}

/// All artists that lead an album, in the order of an index.
pub fn leading_artists(tx: &mut Tx, scope: &Scope) -> Result<Vec<Artist>> {
    let mut args = Vec::new();
    let within = libraries(&mut args, scope);
    let sql = format!("SELECT ar.id FROM artist ar WHERE {} ORDER BY ar.sort, ar.id", leads_album(&within));
    let keys = artist_keys(tx, &sql, &args)?;
    artists(tx, scope, &keys)
}

/// The latest star first.
pub fn starred_artists(tx: &mut Tx, scope: &Scope) -> Result<Vec<Artist>> {
    let mut args = vec![scope.user().0.into()];
    let within = libraries(&mut args, scope);
    let sql = format!(
        "SELECT ar.id FROM mark m JOIN artist ar ON ar.id = m.object_id WHERE m.account_id = $1
         AND m.object_kind = 'artist' AND m.starred_ms IS NOT NULL AND {} ORDER BY m.starred_ms DESC, ar.id",
        artist_there(&within)
    );
    let keys = artist_keys(tx, &sql, &args)?;
    artists(tx, scope, &keys)
}

pub fn is_artist_in(tx: &mut Tx, scope: &Scope, key: ArtistKey) -> Result<bool> {
    let mut args = vec![key.0.into()];
    let within = libraries(&mut args, scope);
    let sql = format!("SELECT ar.id FROM artist ar WHERE ar.id = $1 AND {}", artist_there(&within));
    Ok(!artist_keys(tx, &sql, &args)?.is_empty())
}

fn artist_key(tx: &mut Tx, id: &str) -> Result<Option<ArtistKey>> {
    tx.maybe("SELECT id FROM artist WHERE public_id = $1", args![id], |row| Ok(ArtistKey(row.get(0)?)))
}

/// By its public id.
pub fn artist_by_id(tx: &mut Tx, scope: &Scope, id: &str) -> Result<Artist> {
    let gone = Error::NotFound(Thing::Artist);
    match artist_key(tx, id)? {
        Some(key) if is_artist_in(tx, scope, key)? => artists(tx, scope, &[key])?.pop().ok_or(gone),
        _ => Err(gone),
    }
}

// Genres -------------------------------------------------------------------------------------------------------------

/// All genres with a track that is there, by name.
pub fn genres(tx: &mut Tx, scope: &Scope) -> Result<Vec<Genre>> {
    let mut args = Vec::new();
    let sql = format!(
        "SELECT g.name, COUNT(DISTINCT t.item_id), COUNT(DISTINCT t.album_id) FROM genre g
         JOIN track_genre tg ON tg.genre_id = g.id JOIN track t ON t.item_id = tg.item_id JOIN item i ON i.id = t.item_id
         WHERE i.library_id IN ({}) AND {THERE} GROUP BY g.id, g.name ORDER BY g.id",
        libraries(&mut args, scope)
    );
    let mut genres =
        tx.all(&sql, &args, |row| Ok(Genre { name: row.get(0)?, track_count: row.get(1)?, album_count: row.get(2)? }))?;
    genres.sort_by_cached_key(|genre| crate::library::names::sort_key(&genre.name));
    Ok(genres)
}

pub fn track_count(tx: &mut Tx, scope: &Scope) -> Result<u64> {
    let mut args = Vec::new();
    let sql = format!(
        "SELECT COUNT(*) FROM track t JOIN item i ON i.id = t.item_id WHERE i.library_id IN ({}) AND {THERE}",
        libraries(&mut args, scope)
    );
    tx.one(&sql, &args, |row| row.get(0))
}

// Anything by its id -------------------------------------------------------------------------------------------------

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
        "SELECT a.cover_item_id FROM {from} {} AND a.cover_item_id IS NOT NULL AND a.library_id IN ({}) AND {ALBUM_THERE}
         ORDER BY {order} LIMIT 1",
        bind(&mut args, key),
        libraries(&mut args, scope)
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

fn cover_of_item(tx: &mut Tx, scope: &Scope, key: ItemKey) -> Result<Option<ItemKey>> {
    let Some(item) = library::item(tx, key)?.filter(|item| scope.libraries().contains(&item.library)) else {
        return Ok(None);
    };
    if item.media == Media::Image {
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

// What shares hold ---------------------------------------------------------------------------------------------------

/// Tracks of an entry of a share in order: of a folder those beneath it, of a file itself if it is one. Whether a
/// reader may have them is the caller's to check.
pub fn tracks_of(tx: &mut Tx, shared: Shared) -> Result<Vec<Item>> {
    let keys = match shared {
        Shared::Item(key) => tracks_beneath(tx, key, usize::MAX)?,
        Shared::Album(key) => tracks_of_album(tx, key)?,
        Shared::Artist(key) => tracks_of_artist(tx, key)?,
        Shared::Playlist(key) => super::playlists::entries(tx, key)?,
    };
    let mut found = HashMap::new();
    for part in distinct(&keys).chunks(KEYS_AT_ONCE) {
        let mut args = Vec::new();
        let ids = bind_all(&mut args, part.iter().map(|key| key.0));
        let rows = tx.all(
            &format!(
                "SELECT {TRACK} FROM track t JOIN item i ON i.id = t.item_id LEFT JOIN item f ON f.id = i.parent_id
                 LEFT JOIN album a ON a.id = t.album_id WHERE t.item_id IN ({ids}) AND {THERE}"
            ),
            &args,
            track,
        )?;
        found.extend(rows.into_iter().map(|track| (track.item.key, track.item)));
    }
    Ok(in_order(&keys, found))
}

/// Keys of the tracks of an artist's albums, then of the tracks they play elsewhere.
fn tracks_of_artist(tx: &mut Tx, artist: ArtistKey) -> Result<Vec<ItemKey>> {
    let sql = format!(
        "SELECT t.item_id FROM track t JOIN item i ON i.id = t.item_id LEFT JOIN album a ON a.id = t.album_id
         WHERE {THERE} AND (t.album_id IN (SELECT c.album_id FROM album_credit c WHERE c.artist_id = $1)
            OR t.item_id IN (SELECT c.item_id FROM track_credit c
                             WHERE c.artist_id = $1 AND c.role IN ('artist', 'albumartist')))
         ORDER BY CASE WHEN EXISTS (SELECT 1 FROM album_credit l WHERE l.album_id = a.id AND l.artist_id = $1)
            THEN 0 ELSE 1 END, COALESCE(a.year, 9999), COALESCE(a.id, 0), {TRACK_ORDER}"
    );
    track_keys(tx, &sql, args![artist.0])
}

/// Keys of up to `limit` tracks at and beneath an item, as a listing of one folder after the other shows them.
fn tracks_beneath(tx: &mut Tx, top: ItemKey, limit: usize) -> Result<Vec<ItemKey>> {
    let kind = format!("SELECT i.kind FROM item i WHERE i.id = $1 AND {THERE}");
    let Some(kind) = tx.maybe(&kind, args![top.0], |row| row.get::<i64>(0))? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let mut open = vec![(top, kind == 0)];
    let mut folders = 0;
    while let Some((key, is_folder)) = open.pop() {
        if !is_folder {
            found.push(key);
        } else if folders < MOST_FOLDERS {
            folders += 1;
            let sql = format!(
                "SELECT i.id, i.kind FROM item i WHERE i.parent_id = $1 AND (i.kind = 0 OR i.media = 1) AND {THERE}
                 ORDER BY i.kind DESC, i.sort DESC, i.id DESC"
            );
            open.extend(tx.all(&sql, args![key.0], |row| Ok((ItemKey(row.get(0)?), row.get::<i64>(1)? == 0)))?);
        }
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}

/// The tracks of each list of entries, flattened in order and at most `limit` each, as far as they are in the scope.
pub fn flattened(tx: &mut Tx, scope: &Scope, lists: &[&[Shared]], limit: usize) -> Result<Vec<Vec<Track>>> {
    let mut keys_of: HashMap<Shared, Vec<ItemKey>> = HashMap::new();
    let mut keys = Vec::with_capacity(lists.len());
    for list in lists {
        let mut flat: Vec<ItemKey> = Vec::new();
        for shared in *list {
            if flat.len() >= limit {
                break;
            }
            if !keys_of.contains_key(shared) {
                let found = match shared {
                    Shared::Item(key) => tracks_beneath(tx, *key, limit)?,
                    Shared::Album(key) => tracks_of_album(tx, *key)?,
                    Shared::Artist(key) => tracks_of_artist(tx, *key)?,
                    Shared::Playlist(key) => super::playlists::entries(tx, *key)?,
                };
                keys_of.insert(*shared, found);
            }
            flat.extend(&keys_of[shared]);
        }
        flat.truncate(limit);
        keys.push(flat);
    }
    let all: Vec<ItemKey> = distinct(&keys.concat());
    let tracks: HashMap<ItemKey, Track> =
        tracks(tx, scope, &all)?.into_iter().map(|track| (track.item.key, track)).collect();
    Ok(keys.iter().map(|list| list.iter().filter_map(|key| tracks.get(key).cloned()).collect()).collect())
}
