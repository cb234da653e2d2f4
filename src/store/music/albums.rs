//! SQL of albums.

use std::collections::HashMap;

use super::tracks::{artist_name, in_genre, small, year};
use super::{ALBUM_THERE, KEYS_AT_ONCE, THERE, bind, bind_all, distinct, in_order, libraries, texts};
use crate::args;
use crate::error::{Error, Result, Thing};
use crate::library::music::{Album, AlbumList, Marked, Page};
use crate::library::{AlbumKey, ArtistKey};
use crate::share::grant::Scope;
use crate::store::{Row, Tx, Value, marks};

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
                    CAST(SUM(t.duration_ms) AS BIGINT), a.labels, a.original_date, a.release_date, a.advisory
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
        labels: texts(&row.get::<String>(13)?)?,
        original_date: row.get(14)?,
        release_date: row.get(15)?,
        advisory: row.get(16)?,
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

pub(super) fn album_key(tx: &mut Tx, id: &str) -> Result<Option<AlbumKey>> {
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
