//! SQL of tracks.

use std::collections::{HashMap, HashSet};

use super::albums::album_artists;
use super::{THERE, TRACK_ORDER, distinct, genre_key, in_order, libraries, texts};
use crate::args;
use crate::error::{Error, Result, Thing};
use crate::library::music::{AlbumName, ArtistName, Credited, Marked, Role, Track, TrackFilter};
use crate::library::names::search_key;
use crate::library::{AlbumKey, ArtistKey, Item, ItemKey, ItemKind, LibraryKey, Media, Page};
use crate::share::grant::Scope;
use crate::store::draw::Numbered;
use crate::store::list::{Found, List};
use crate::store::search::{self, Terms};
use crate::store::{KEYS_AT_ONCE, Row, Tx, Value, bind, bind_all, credits, library, marks, podcasts};

pub(super) const TRACK: &str =
    "i.id, i.public_id, i.library_id, i.parent_id, i.name, i.shown, i.size_bytes, i.modified_ns, i.revision,
    i.added_ms, f.public_id, a.id, a.public_id, a.name, CASE WHEN a.cover_item_id IS NULL THEN 0 ELSE 1 END, t.title,
    t.sort_title, t.artist_name, t.album_artist_name, t.disc, t.number, t.year, t.duration_ms, t.bit_rate_kbps,
    t.sample_rate_hz, t.bit_depth, t.channels, t.bpm, t.comment, t.isrc, t.moods, t.musicbrainz_id, t.track_gain_db,
    t.track_peak, t.album_gain_db, t.album_peak, t.has_cover, t.advisory, t.credits, t.genres, a.artist_name";

pub(super) fn track(row: &Row) -> Result<Track> {
    let album = match row.get::<Option<i64>>(11)? {
        Some(key) => {
            let (id, name, has_cover) = (row.get(12)?, row.get(13)?, row.get(14)?);
            Some(AlbumName { key: AlbumKey(key), id, name, artist_name: row.get(40)?, has_cover })
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
        credits: credits::of_json(&row.get::<String>(38)?)?,
        genres: texts(&row.get::<String>(39)?)?,
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
        advisory: row.get(37)?,
        mark: Default::default(),
        episode: None,
        is_transcoded: false,
    })
}

/// Tags hold any number; one that no player could mean is none.
pub(super) fn small(row: &Row, column: usize) -> Result<Option<u32>> {
    Ok(row.get::<Option<i64>>(column)?.and_then(|number| u32::try_from(number).ok()))
}

pub(super) fn year(row: &Row, column: usize) -> Result<Option<i32>> {
    Ok(row.get::<Option<i64>>(column)?.and_then(|number| i32::try_from(number).ok()))
}

/// Whole tracks in the order of their keys; those that are not there, or beyond the scope, are left out.
pub fn tracks(tx: &mut Tx, scope: &Scope, keys: &[ItemKey]) -> Result<Vec<Track>> {
    let scope = &scope.by_id();
    let mut found = HashMap::new();
    for part in distinct(keys).chunks(KEYS_AT_ONCE) {
        let mut args = Vec::new();
        let ids = bind_all(&mut args, part.iter().map(|key| key.0));
        let within = libraries(&mut args, scope);
        let rows = tx.all(
            &format!(
                "SELECT {TRACK} FROM track t JOIN item i ON i.id = t.item_id LEFT JOIN item f ON f.id = i.parent_id
                 LEFT JOIN album a ON a.id = t.album_id
                 WHERE t.item_id IN ({ids}) AND +t.listed_in IN ({within})"
            ),
            &args,
            track,
        )?;
        found.extend(rows.into_iter().map(|track| (track.item.key, track)));
        let marked: Vec<_> = part.iter().map(|key| Marked::Item(*key)).collect();
        for (marked, mark) in marks::of(tx, scope.user(), &marked)? {
            if let Marked::Item(key) = marked
                && let Some(track) = found.get_mut(&key)
            {
                track.mark = mark;
            }
        }
    }
    credit_by_albums(tx, &mut found)?;
    for track in found.values_mut() {
        track.is_transcoded = scope.most_kbps().is_some_and(|most| track.bit_rate_kbps > most);
    }
    let heard: Vec<ItemKey> = found
        .values()
        .map(|track| &track.item)
        .filter(|item| scope.is_of_podcasts(item.library))
        .map(|item| item.key)
        .collect();
    for episode in podcasts::episodes_in(tx, &heard)? {
        if let Some(track) = episode.item.and_then(|item| found.get_mut(&item)) {
            track.episode = Some(Box::new(episode));
        }
    }
    Ok(in_order(keys, found))
}

/// A track whose tags name no artist of its album has those that the album was given.
fn credit_by_albums(tx: &mut Tx, tracks: &mut HashMap<ItemKey, Track>) -> Result<()> {
    let mut without: Vec<&mut Track> =
        tracks.values_mut().filter(|track| track.credited(Role::AlbumArtist).next().is_none()).collect();
    let albums: Vec<AlbumKey> = without.iter().filter_map(|track| Some(track.album.as_ref()?.key)).collect();
    let artists = album_artists(tx, &albums)?;
    for track in &mut without {
        let Some(album) = &track.album else { continue };
        track.album_artist_name.clone_from(&album.artist_name);
        let credited =
            |artist: &ArtistName| Credited { role: Role::AlbumArtist, part: String::new(), artist: artist.clone() };
        track.credits.extend(artists.get(&album.key).into_iter().flatten().map(credited));
    }
    Ok(())
}

/// Of a track and of its album.
pub type TrackKeys = (ItemKey, Option<AlbumKey>);

/// Keys of tracks by their public ids, or those of the episodes that they are, in order; `None` for each that is not there.
pub fn tracks_named(tx: &mut Tx, scope: &Scope, ids: &[String]) -> Result<Vec<Option<TrackKeys>>> {
    let scope = &scope.by_id();
    let mut found = HashMap::new();
    let ids = &podcasts::heard_by(tx, ids)?[..];
    for part in ids.chunks(KEYS_AT_ONCE) {
        let mut args = Vec::new();
        let named = bind_all(&mut args, part);
        let sql = format!(
            "SELECT i.public_id, t.item_id, t.album_id FROM track t JOIN item i ON i.id = t.item_id
             WHERE i.public_id IN ({named}) AND +t.listed_in IN ({})",
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
    let scope = &scope.by_id();
    let mut found = HashSet::new();
    for part in distinct(keys).chunks(KEYS_AT_ONCE) {
        let mut args = Vec::new();
        let ids = bind_all(&mut args, part.iter().map(|key| key.0));
        let sql = format!(
            "SELECT t.item_id FROM track t WHERE t.item_id IN ({ids}) AND +t.listed_in IN ({})",
            libraries(&mut args, scope)
        );
        found.extend(track_keys(tx, &sql, &args)?);
    }
    Ok(found)
}

/// By its public id, or that of the episode that it is.
pub fn track_by_id(tx: &mut Tx, scope: &Scope, id: &str) -> Result<Track> {
    let named = tracks_named(tx, scope, &[id.to_owned()])?.pop().flatten();
    let key = named.map(|(key, _)| key);
    tracks(tx, scope, key.as_slice())?.pop().ok_or(Error::NotFound(Thing::Track))
}

pub(super) fn track_keys(tx: &mut Tx, sql: &str, args: &[Value]) -> Result<Vec<ItemKey>> {
    tx.all(sql, args, |row| Ok(ItemKey(row.get(0)?)))
}

/// Keys of an album's tracks, in its order.
pub fn tracks_of_album(tx: &mut Tx, album: AlbumKey) -> Result<Vec<ItemKey>> {
    let sql = format!(
        "SELECT t.item_id FROM track t WHERE t.album_id = $1 AND t.listed_in IS NOT NULL ORDER BY {TRACK_ORDER}"
    );
    track_keys(tx, &sql, args![album.0])
}

/// Of a track: its title, what of its album is searched, and what of itself.
pub(in crate::store) type Texts = (ItemKey, String, String, String);

/// What searches compare of an album's tracks, in its order.
pub(in crate::store) fn texts_of_album(tx: &mut Tx, scope: &Scope, album: AlbumKey) -> Result<Vec<Texts>> {
    let mut args = vec![album.0.into()];
    let sql = format!(
        "SELECT t.item_id, t.title, '', t.search FROM track t WHERE t.album_id = $1 AND +t.listed_in IN ({})
         ORDER BY {TRACK_ORDER}",
        libraries(&mut args, scope)
    );
    tx.all(&sql, &args, texts_of)
}

/// The same of all that an artist plays on.
pub(in crate::store) fn texts_of_artist(tx: &mut Tx, scope: &Scope, artist: ArtistKey) -> Result<Vec<Texts>> {
    let mut args = vec![artist.0.into()];
    let sql = format!(
        "SELECT DISTINCT t.item_id, t.title, COALESCE(a.search, ''), t.search
         FROM track_credit c CROSS JOIN track t LEFT JOIN album a ON a.id = t.album_id
         WHERE c.artist_id = $1 AND c.role IN ('artist', 'albumartist') AND t.item_id = c.item_id
         AND +t.listed_in IN ({}) ORDER BY t.item_id",
        libraries(&mut args, scope)
    );
    tx.all(&sql, &args, texts_of)
}

fn texts_of(row: &Row) -> Result<Texts> {
    Ok((ItemKey(row.get(0)?), row.get(1)?, row.get(2)?, row.get(3)?))
}

/// Keys of tracks drawn at random.
pub fn random_tracks(tx: &mut Tx, scope: &Scope, filter: &TrackFilter, limit: u64) -> Result<Vec<ItemKey>> {
    let TrackFilter { genre, from_year, to_year } = filter;
    let list = match genre {
        None if from_year.is_none() && to_year.is_none() => {
            let mut args = Vec::new();
            let fits = format!("+t.listed_in IN ({})", libraries(&mut args, scope));
            let all = Numbered { table: "track t", key: "t.item_id", fits, args };
            return Ok(all.draw(tx, limit, &all_tracks(scope))?.into_iter().map(ItemKey).collect());
        }
        None => {
            let arm = |within: &str| format!("FROM track t WHERE t.listed_in {within}");
            let list = List::by_library(scope, &["t.year", "t.item_id"], Vec::new(), arm);
            list.between(*from_year, *to_year)
        }
        Some(genre) => {
            let Some(genre) = genre_key(tx, genre)? else { return Ok(Vec::new()) };
            let mut args = vec![genre.into()];
            let mut years = String::new();
            for (year, compare) in [(from_year, ">="), (to_year, "<=")] {
                if let Some(year) = year {
                    years += &format!(" AND t.year {compare} {}", bind(&mut args, *year));
                }
            }
            if years.is_empty() {
                of_genre(scope, genre)
            } else {
                let arm = |within: &str| {
                    format!(
                        "FROM track_genre g CROSS JOIN track t WHERE g.genre_id = $1 AND g.listed_in {within}
                         AND t.item_id = g.item_id{years}"
                    )
                };
                List::by_library(scope, &["g.item_id"], args, arm).found(Found::Often)
            }
        }
    };
    Ok(list.draw(tx, limit)?.into_iter().map(ItemKey).collect())
}

/// In the order of their keys: what lies in one folder comes together.
pub(in crate::store) fn all_tracks(scope: &Scope) -> List<'_> {
    let arm = |within: &str| format!("FROM track t WHERE t.listed_in {within}");
    List::by_library(scope, &["t.item_id"], Vec::new(), arm)
}

/// Keys of a page of a genre's tracks; what lies in one folder comes together.
pub fn tracks_of_genre(tx: &mut Tx, scope: &Scope, genre: &str, page: Page) -> Result<Vec<ItemKey>> {
    let Some(genre) = genre_key(tx, genre)? else { return Ok(Vec::new()) };
    Ok(of_genre(scope, genre).keys(tx, page)?.into_iter().map(ItemKey).collect())
}

fn of_genre(scope: &Scope, genre: i64) -> List<'_> {
    let arm = |within: &str| format!("FROM track_genre g WHERE g.genre_id = $1 AND g.listed_in {within}");
    // A file may name one genre twice.
    List::by_library(scope, &["g.item_id"], vec![genre.into()], arm).found(Found::Often)
}

/// Keys, the latest star first; episodes as well.
pub fn starred_tracks(tx: &mut Tx, scope: &Scope) -> Result<Vec<ItemKey>> {
    let mut args = vec![scope.user().0.into()];
    let sql = format!(
        "SELECT m.object_id FROM mark m CROSS JOIN track t
         WHERE m.account_id = $1 AND m.object_kind = 'item' AND m.starred_ms IS NOT NULL
         AND t.item_id = m.object_id AND +t.listed_in IN ({}) ORDER BY m.starred_ms DESC, m.object_id DESC",
        libraries(&mut args, &scope.by_id())
    );
    track_keys(tx, &sql, &args)
}

pub fn starred_folders(tx: &mut Tx, scope: &Scope) -> Result<Vec<ItemKey>> {
    starred_items(tx, scope, "i.kind = 0")
}

pub fn starred_films(tx: &mut Tx, scope: &Scope) -> Result<Vec<ItemKey>> {
    starred_items(tx, scope, "i.kind = 1 AND i.media = 3")
}

fn starred_items(tx: &mut Tx, scope: &Scope, only: &str) -> Result<Vec<ItemKey>> {
    let mut args = vec![scope.user().0.into()];
    let sql = format!(
        "SELECT i.id FROM mark m CROSS JOIN item i
         WHERE m.account_id = $1 AND m.object_kind = 'item' AND m.starred_ms IS NOT NULL AND i.id = m.object_id
         AND {only} AND {THERE} AND +i.library_id IN ({}) ORDER BY m.starred_ms DESC, m.object_id DESC",
        libraries(&mut args, scope)
    );
    // What lies in the trash by a folder above it is not there.
    let mut there = Vec::new();
    for key in track_keys(tx, &sql, &args)? {
        let Some(item) = library::item(tx, key)? else { continue };
        match library::place(tx, item, &[]) {
            Ok(_) => there.push(key),
            Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(there)
}

/// Stored lyrics of a track, plain or with times; empty where there are none.
pub fn lyrics(tx: &mut Tx, key: ItemKey) -> Result<String> {
    Ok(tx.maybe("SELECT lyrics FROM track WHERE item_id = $1", args![key.0], |row| row.get(0))?.unwrap_or_default())
}

/// A track of that title by that artist, compared as searches compare.
pub fn track_titled(tx: &mut Tx, scope: &Scope, artist: &str, title: &str) -> Result<Option<Track>> {
    let alike = Terms::of(title);
    let same = |a: &str, b: &str| search_key(a) == search_key(b);
    let mut page = Page { offset: 0, limit: KEYS_AT_ONCE as u64 };
    loop {
        let keys = search::tracks(tx, scope, &alike, page)?;
        let found = tracks(tx, scope, &keys)?;
        let fits = |track: &Track| same(&track.title, title) && (artist.is_empty() || same(&track.artist_name, artist));
        if let Some(track) = found.into_iter().find(fits) {
            return Ok(Some(track));
        }
        if keys.len() < KEYS_AT_ONCE {
            return Ok(None);
        }
        page.offset += page.limit;
    }
}
