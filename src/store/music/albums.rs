//! SQL of albums.

use std::collections::HashMap;

use super::tracks::year;
use super::{ALBUM_THERE, distinct, genre_key, in_order, libraries, texts};
use crate::args;
use crate::error::{Error, Result, Thing};
use crate::library::music::{Album, AlbumList, ArtistName, Marked};
use crate::library::{AlbumKey, ArtistKey, Page};
use crate::share::grant::Scope;
use crate::store::credits::artist_name;
use crate::store::draw::Numbered;
use crate::store::list::{List, Order};
use crate::store::{KEYS_AT_ONCE, Row, Tx, Value, bind_all, marks};

fn album_keys(tx: &mut Tx, sql: &str, args: &[Value]) -> Result<Vec<AlbumKey>> {
    tx.all(sql, args, |row| Ok(AlbumKey(row.get(0)?)))
}

/// Whole albums in the order of their keys; those without a track that is there, or beyond the scope, are left out.
pub fn albums(tx: &mut Tx, scope: &Scope, keys: &[AlbumKey]) -> Result<Vec<Album>> {
    let mut found = HashMap::new();
    for part in distinct(keys).chunks(KEYS_AT_ONCE) {
        let mut args = Vec::new();
        let ids = bind_all(&mut args, part.iter().map(|key| key.0));
        let within = libraries(&mut args, scope);
        let rows = tx.all(
            &format!(
                "SELECT a.id, a.public_id, a.name, a.sort_name, a.artist_name, a.year, a.compilation, a.release_types,
                    a.musicbrainz_id, CASE WHEN a.cover_item_id IS NULL THEN 0 ELSE 1 END, a.added_ms, a.track_count,
                    a.duration_ms, a.genres, a.moods, a.disc_titles, a.labels, a.original_date,
                    a.release_date, a.advisory
                 FROM album a WHERE a.id IN ({ids}) AND +a.library_id IN ({within}) AND {ALBUM_THERE}"
            ),
            &args,
            album,
        )?;
        found.extend(rows.into_iter().map(|album| (album.key, album)));
        let marked: Vec<_> = part.iter().map(|key| Marked::Album(*key)).collect();
        for (marked, mark) in marks::of(tx, scope.user(), &marked)? {
            if let Marked::Album(key) = marked
                && let Some(album) = found.get_mut(&key)
            {
                album.mark = mark;
            }
        }
    }
    for (key, artists) in album_artists(tx, keys)? {
        if let Some(album) = found.get_mut(&key) {
            album.artists = artists;
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
        genres: texts(&row.get::<String>(13)?)?,
        moods: texts(&row.get::<String>(14)?)?,
        disc_titles: serde_json::from_str(&row.get::<String>(15)?)
            .map_err(|e| Error::internal("the discs in a row of an album", e))?,
        labels: texts(&row.get::<String>(16)?)?,
        original_date: row.get(17)?,
        release_date: row.get(18)?,
        advisory: row.get(19)?,
        has_cover: row.get(9)?,
        track_count: row.get(11)?,
        duration_ms: row.get::<i64>(12)?.max(0).unsigned_abs(),
        added_ms: row.get(10)?,
        mark: Default::default(),
    })
}

/// Whom albums are credited to, in order.
pub(super) fn album_artists(tx: &mut Tx, keys: &[AlbumKey]) -> Result<HashMap<AlbumKey, Vec<ArtistName>>> {
    let mut artists: HashMap<AlbumKey, Vec<ArtistName>> = HashMap::new();
    for part in distinct(keys).chunks(KEYS_AT_ONCE) {
        let mut args = Vec::new();
        let ids = bind_all(&mut args, part.iter().map(|key| key.0));
        let credits = tx.all(
            &format!(
                "SELECT c.album_id, ar.id, ar.public_id, ar.name
                 FROM album_credit c JOIN artist ar ON ar.id = c.artist_id
                 WHERE c.album_id IN ({ids}) ORDER BY c.album_id, c.position"
            ),
            &args,
            |row| Ok((AlbumKey(row.get(0)?), artist_name(row, 1)?)),
        )?;
        for (album, artist) in credits {
            artists.entry(album).or_default().push(artist);
        }
    }
    Ok(artists)
}

pub(super) fn album_key(tx: &mut Tx, id: &str) -> Result<Option<AlbumKey>> {
    tx.maybe("SELECT id FROM album WHERE public_id = $1", args![id], |row| Ok(AlbumKey(row.get(0)?)))
}

/// By its public id.
pub fn album_by_id(tx: &mut Tx, scope: &Scope, id: &str) -> Result<Album> {
    let key = album_key(tx, id)?;
    albums(tx, &scope.by_id(), key.as_slice())?.pop().ok_or(Error::NotFound(Thing::Album))
}

pub fn is_album_in(tx: &mut Tx, scope: &Scope, key: AlbumKey) -> Result<bool> {
    let mut args = vec![key.0.into()];
    let sql = format!(
        "SELECT a.id FROM album a WHERE a.id = $1 AND +a.library_id IN ({}) AND {ALBUM_THERE}",
        libraries(&mut args, &scope.by_id())
    );
    Ok(!album_keys(tx, &sql, &args)?.is_empty())
}

/// Keys of one page of a list of albums.
pub fn album_list(tx: &mut Tx, scope: &Scope, list: &AlbumList, page: Page) -> Result<Vec<AlbumKey>> {
    let marked = |what: &'static str, column: &'static [&'static str]| {
        let mut args = vec![scope.user().0.into()];
        let arm = format!(
            "FROM mark m CROSS JOIN album a WHERE m.account_id = $1 AND m.object_kind = 'album' AND {what}
             AND a.id = m.object_id AND +a.library_id IN ({}) AND +{ALBUM_THERE}",
            libraries(&mut args, scope)
        );
        List::of_marks(scope, column, args, arm)
    };
    let list = match list {
        AlbumList::Random => {
            let mut args = Vec::new();
            let fits = format!("+a.library_id IN ({}) AND +{ALBUM_THERE}", libraries(&mut args, scope));
            let all = Numbered { table: "album a", key: "a.id", fits, args };
            return Ok(all.draw(tx, page.limit, &all_albums(scope))?.into_iter().map(AlbumKey).collect());
        }
        AlbumList::ByName => all_albums(scope),
        // Many are added at one time.
        AlbumList::Newest => in_order_of(scope, &["a.added_ms", "a.sort", "a.id"]).order(Order::Down),
        AlbumList::ByArtist => in_order_of(scope, &["a.artist_sort", "a.sort", "a.id"]),
        AlbumList::Highest => marked("m.rating IS NOT NULL", &["m.rating", "m.object_id"]),
        AlbumList::Frequent => marked("m.plays > 0", &["m.plays", "m.object_id"]),
        AlbumList::Recent => marked("m.played_ms IS NOT NULL", &["m.played_ms", "m.object_id"]),
        AlbumList::Starred => marked("m.starred_ms IS NOT NULL", &["m.starred_ms", "m.object_id"]),
        AlbumList::ByYear { from, to } => in_order_of(scope, &["a.year", "a.sort", "a.id"])
            .between(Some(*from.min(to)), Some(*from.max(to)))
            .order(if from <= to { Order::Up } else { Order::Down }),
        AlbumList::ByGenre(genre) => {
            let Some(genre) = genre_key(tx, genre)? else { return Ok(Vec::new()) };
            let arm = |within: &str| format!("FROM album_genre g WHERE g.genre_id = $1 AND g.library_id {within}");
            List::by_library(scope, &["g.sort", "g.album_id"], vec![genre.into()], arm)
        }
    };
    Ok(list.keys(tx, page)?.into_iter().map(AlbumKey).collect())
}

/// By name.
pub(in crate::store) fn all_albums(scope: &Scope) -> List<'_> {
    in_order_of(scope, &["a.sort", "a.id"])
}

fn in_order_of<'a>(scope: &'a Scope, columns: &'static [&'static str]) -> List<'a> {
    let arm = |within: &str| format!("FROM album a WHERE a.library_id {within} AND {ALBUM_THERE}");
    List::by_library(scope, columns, Vec::new(), arm)
}

/// An artist's albums, the earliest first: those credited to them; of one who has none, those they play on.
pub fn albums_of(tx: &mut Tx, scope: &Scope, artist: ArtistKey) -> Result<Vec<Album>> {
    let mut args = vec![artist.0.into()];
    let within = libraries(&mut args, scope);
    let credited = "SELECT c.album_id FROM album_credit c WHERE c.artist_id = $1";
    let playing = "SELECT t.album_id FROM track t
        JOIN track_credit c ON c.item_id = t.item_id AND c.role = 'artist'
        WHERE c.artist_id = $1 AND t.album_id IS NOT NULL AND t.listed_in IS NOT NULL";
    for source in [credited, playing] {
        let sql = format!(
            "SELECT a.id FROM album a WHERE +a.library_id IN ({within}) AND {ALBUM_THERE} AND a.id IN ({source})
             ORDER BY COALESCE(a.year, 9999), a.sort, a.id"
        );
        let keys = album_keys(tx, &sql, &args)?;
        if !keys.is_empty() {
            return albums(tx, scope, &keys);
        }
    }
    Ok(Vec::new())
}
