//! Artists, which are made from credits: how they are ordered, and what is summed up of each in a library.

use super::Left;
use crate::account::name_key;
use crate::args;
use crate::error::Result;
use crate::library::music::ArtistName;
use crate::library::names::{Articles, search_key, sort_key};
use crate::library::tags::Credit;
use crate::library::{IdKind, ItemKey, LibraryKey};
use crate::store::credits::artist_name;
use crate::store::library::new_id;
use crate::store::words::{self, Kind};
use crate::store::{Tx, settings};

/// The setting of the words that are ignored.
const ARTICLES: &str = "ignored-articles";

/// What does not count when artists are ordered, in this installation.
pub fn articles(tx: &mut Tx) -> Result<Articles> {
    Ok(settings::get(tx, ARTICLES)?.map_or_else(Articles::default, |words| Articles::of(&words)))
}

/// Orders all artists anew where other words are ignored than before.
pub fn set_articles(tx: &mut Tx, articles: &Articles, now_ms: i64) -> Result<()> {
    if settings::get(tx, ARTICLES)?.as_deref() == Some(articles.words()) {
        return Ok(());
    }
    settings::set(tx, ARTICLES, articles.words())?;
    let artists = tx.all("SELECT id, name, sort_name FROM artist", args![], |row| {
        Ok((row.get::<i64>(0)?, row.get::<String>(1)?, row.get::<String>(2)?))
    })?;
    for (id, name, sort_name) in artists {
        let ordered_by = ordered_by(articles, &name, &sort_name);
        tx.run(
            "UPDATE artist SET sort = $1, initial = $2 WHERE id = $3",
            args![sort_key(ordered_by), articles.initial(ordered_by).to_string(), id],
        )?;
    }
    tx.run("UPDATE artist_in SET sort = (SELECT a.sort FROM artist a WHERE a.id = artist_in.artist_id)", args![])?;
    tx.run("UPDATE library SET changed_ms = $1", args![now_ms])?;
    Ok(())
}

fn ordered_by<'a>(articles: &Articles, name: &'a str, sort_name: &'a str) -> &'a str {
    if sort_name.is_empty() { articles.without(name) } else { sort_name }
}

/// The artist of that name, made when there is none; learns what the credit knows more.
pub(super) fn artist(tx: &mut Tx, credit: &Credit) -> Result<ArtistName> {
    let name_key = name_key(&credit.name);
    let found: Option<(ArtistName, String, String)> = tx.maybe(
        "SELECT id, public_id, name, sort_name, musicbrainz_id FROM artist WHERE name_key = $1",
        args![&name_key],
        |row| Ok((artist_name(row, 0)?, row.get(3)?, row.get(4)?)),
    )?;
    let articles = articles(tx)?;
    let ordered_by = ordered_by(&articles, &credit.name, &credit.sort_name);
    if let Some((artist, sort_name, musicbrainz_id)) = found {
        let id = artist.key.0;
        if sort_name.is_empty() && !credit.sort_name.is_empty() {
            tx.run(
                "UPDATE artist SET sort_name = $1, sort = $2, initial = $3 WHERE id = $4",
                args![&credit.sort_name, sort_key(ordered_by), articles.initial(ordered_by).to_string(), id],
            )?;
            tx.run("UPDATE artist_in SET sort = $1 WHERE artist_id = $2", args![sort_key(ordered_by), id])?;
        }
        if musicbrainz_id.is_empty() && !credit.musicbrainz_id.is_empty() {
            tx.run("UPDATE artist SET musicbrainz_id = $1 WHERE id = $2", args![&credit.musicbrainz_id, id])?;
        }
        return Ok(artist);
    }
    tx.one(
        "INSERT INTO artist (public_id, name, name_key, sort_name, sort, initial, search, musicbrainz_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id, public_id, name",
        args![
            new_id(IdKind::Artist),
            &credit.name,
            name_key,
            &credit.sort_name,
            sort_key(ordered_by),
            articles.initial(ordered_by).to_string(),
            search_key(&credit.name),
            &credit.musicbrainz_id
        ],
        |row| artist_name(row, 0),
    )
}

/// Artists of these tracks are summed up anew. `items` is an SQL list that may name `key` as `$1`.
pub(super) fn stale_artists(tx: &mut Tx, items: &str, key: ItemKey) -> Result<()> {
    let sql = format!(
        "UPDATE artist_in SET stale = 1
         WHERE artist_id IN (SELECT c.artist_id FROM track_credit c WHERE c.item_id IN ({items}))"
    );
    tx.run(&sql, args![key.0])?;
    Ok(())
}

/// Artists of an album and of its tracks are to be summed up.
pub(super) fn add_artists(tx: &mut Tx, library: LibraryKey, album: i64) -> Result<()> {
    tx.run(
        "INSERT INTO artist_in (library_id, artist_id, sort, led, led_covers, played, played_covers, is_artist,
                                is_album_artist, is_composer, stale)
         SELECT $1, ar.id, ar.sort, 0, 0, 0, 0, 0, 0, 0, 1 FROM artist ar WHERE ar.id IN
            (SELECT c.artist_id FROM album_credit c WHERE c.album_id = $2
             UNION SELECT c.artist_id FROM track t JOIN track_credit c ON c.item_id = t.item_id WHERE t.album_id = $2)
         ON CONFLICT (library_id, artist_id) DO UPDATE SET stale = 1",
        args![library.0, album],
    )?;
    Ok(())
}

pub(super) fn refresh_artists(tx: &mut Tx, library: LibraryKey, limit: u64) -> Result<Left> {
    let sql = "SELECT artist_id FROM artist_in WHERE library_id = $1 AND stale = 1 LIMIT $2";
    let stale: Vec<i64> = tx.all(sql, args![library.0, limit], |row| row.get(0))?;
    for artist in &stale {
        refresh_artist(tx, library, *artist)?;
    }
    Ok(if stale.is_empty() { Left::Nothing } else { Left::More })
}

/// Sums up what an artist is in a library. One who is nothing there any more goes.
fn refresh_artist(tx: &mut Tx, library: LibraryKey, artist: i64) -> Result<()> {
    let (led, led_covers): (i64, i64) = tx.one(
        "SELECT COUNT(DISTINCT a.id), COUNT(DISTINCT CASE WHEN a.cover_item_id IS NOT NULL THEN a.id END)
         FROM album_credit c CROSS JOIN album a
         WHERE c.artist_id = $1 AND a.id = c.album_id AND +a.library_id = $2 AND +a.track_count > 0",
        args![artist, library.0],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let roles: Vec<(String, i64, i64)> = tx.all(
        "SELECT c.role, COUNT(DISTINCT a.id), COUNT(DISTINCT CASE WHEN a.cover_item_id IS NOT NULL THEN a.id END)
         FROM track_credit c CROSS JOIN track t LEFT JOIN album a ON a.id = t.album_id
         WHERE c.artist_id = $1 AND t.item_id = c.item_id AND +t.listed_in = $2 GROUP BY c.role",
        args![artist, library.0],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let search: String = tx.one("SELECT search FROM artist WHERE id = $1", args![artist], |row| row.get(0))?;
    if led == 0 && roles.is_empty() {
        words::change(tx, library.0, Kind::Artist, artist, &search, "")?;
        tx.run("DELETE FROM artist_in WHERE library_id = $1 AND artist_id = $2", args![library.0, artist])?;
        return Ok(());
    }
    words::change(tx, library.0, Kind::Artist, artist, "", &search)?;
    let is = |role: &str| roles.iter().any(|(known, ..)| known == role);
    let (played, played_covers) =
        roles.iter().find(|(role, ..)| role == "artist").map_or((0, 0), |(_, played, covers)| (*played, *covers));
    tx.run(
        "UPDATE artist_in SET led = $1, led_covers = $2, played = $3, played_covers = $4, is_artist = $5,
                              is_album_artist = $6, is_composer = $7, stale = 0
         WHERE library_id = $8 AND artist_id = $9",
        args![
            led,
            led_covers,
            played,
            played_covers,
            is("artist"),
            is("albumartist"),
            is("composer"),
            library.0,
            artist
        ],
    )?;
    Ok(())
}
