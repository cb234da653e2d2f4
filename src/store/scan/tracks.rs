//! Tracks as a scan stores what their tags say.

use std::collections::HashMap;

use super::artists::{artist, stale_artists};
use super::{Stored, UNKNOWN_ARTIST, json};
use crate::account::name_key;
use crate::args;
use crate::error::Result;
use crate::library::music::Role;
use crate::library::names::{search_key, sort_key};
use crate::library::tags::{Credit, Facts};
use crate::library::{ItemKey, LibraryKey};
use crate::store::music::bind;
use crate::store::words::{self, Kind};
use crate::store::{Tx, Value};

/// What makes tracks one album: the release they name; else the artist of the album with its name; else the folder.
fn identity(facts: &Facts, folder: Option<ItemKey>) -> String {
    let album = search_key(&facts.album);
    let folder = folder.map_or(0, |key| key.0);
    if !facts.musicbrainz_release.is_empty() {
        format!("release {}", facts.musicbrainz_release)
    } else if album.is_empty() {
        format!("folder {folder}")
    } else if !facts.album_artists.is_empty() {
        let artists: Vec<String> = facts.album_artists.iter().map(|credit| search_key(&credit.name)).collect();
        format!("artist {}\u{1f}{album}", artists.join("\u{1f}"))
    } else if facts.is_compilation {
        format!("various {album}")
    } else {
        format!("folder {folder} {album}")
    }
}

/// Keys of names that were looked up in this transaction.
#[derive(Default)]
pub(super) struct Names {
    artists: HashMap<Credit, i64>,
    genres: HashMap<String, i64>,
}

/// Of a track that was stored before.
const AGAIN: &str =
    "ON CONFLICT (item_id) DO UPDATE SET identity = excluded.identity, unsorted = 1, title = excluded.title,
             sort_title = excluded.sort_title, sort = excluded.sort, search = excluded.search,
             artist_name = excluded.artist_name, album_artist_name = excluded.album_artist_name,
             album_name = excluded.album_name, album_sort_name = excluded.album_sort_name,
             album_musicbrainz_id = excluded.album_musicbrainz_id, compilation = excluded.compilation,
             release_types = excluded.release_types, disc = excluded.disc, disc_title = excluded.disc_title,
             number = excluded.number, year = excluded.year, duration_ms = excluded.duration_ms,
             bit_rate_kbps = excluded.bit_rate_kbps, sample_rate_hz = excluded.sample_rate_hz,
             bit_depth = excluded.bit_depth, channels = excluded.channels, bpm = excluded.bpm,
             comment = excluded.comment, isrc = excluded.isrc, moods = excluded.moods,
             musicbrainz_id = excluded.musicbrainz_id, track_gain_db = excluded.track_gain_db,
             track_peak = excluded.track_peak, album_gain_db = excluded.album_gain_db,
             album_peak = excluded.album_peak, has_cover = excluded.has_cover, lyrics = excluded.lyrics,
             labels = excluded.labels, original_date = excluded.original_date,
             release_date = excluded.release_date, advisory = excluded.advisory, listed_in = excluded.listed_in";

pub(super) fn put_track(
    tx: &mut Tx,
    library: LibraryKey,
    row: Stored,
    folder: Option<ItemKey>,
    facts: &Facts,
    names: &mut Names,
) -> Result<()> {
    let (Stored::New(item) | Stored::Old(item)) = row;
    let title_before = match row {
        Stored::New(_) => None,
        Stored::Old(_) => {
            stale_artists(tx, "$1", item)?;
            tx.maybe("SELECT title FROM track WHERE item_id = $1", args![item.0], |row| row.get::<String>(0))?
        }
    };
    let (before, after) = (search_key(&title_before.unwrap_or_default()), search_key(&facts.title));
    words::change(tx, library.0, Kind::Track, item.0, &before, &after)?;
    let unknown = [Credit { name: UNKNOWN_ARTIST.to_owned(), ..Credit::default() }];
    let artists = if facts.artists.is_empty() { &unknown[..] } else { &facts.artists[..] };
    let artist_name = if facts.artist_name.is_empty() { UNKNOWN_ARTIST } else { &facts.artist_name };
    let ordered_by = if facts.sort_title.is_empty() { &facts.title } else { &facts.sort_title };
    let searched = [&facts.title, artist_name, &facts.album_artist_name, &facts.album].map(search_key).join(" ");
    // What is stored is there, in this library.
    let listed_in = library.0;
    let again = match row {
        Stored::New(_) => "",
        Stored::Old(_) => AGAIN,
    };
    tx.run(
        &format!(
            "INSERT INTO track (item_id, album_id, identity, unsorted, title, sort_title, sort, search, artist_name,
             album_artist_name, album_name, album_sort_name, album_musicbrainz_id, compilation, release_types, disc,
             disc_title, number, year, duration_ms, bit_rate_kbps, sample_rate_hz, bit_depth, channels, bpm, comment, isrc,
             moods, musicbrainz_id, track_gain_db, track_peak, album_gain_db, album_peak, has_cover, lyrics, labels,
             original_date, release_date, advisory, listed_in)
         VALUES ($1, NULL, $2, 1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
             $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38) {again}"
        ),
        args![
            item.0,
            identity(facts, folder),
            &facts.title,
            &facts.sort_title,
            sort_key(ordered_by),
            searched,
            artist_name,
            &facts.album_artist_name,
            &facts.album,
            &facts.sort_album,
            &facts.musicbrainz_release,
            facts.is_compilation,
            json(&facts.release_types),
            facts.disc,
            &facts.disc_title,
            facts.number,
            facts.year,
            facts.duration_ms,
            facts.bit_rate_kbps,
            facts.sample_rate_hz,
            facts.bit_depth,
            facts.channels,
            facts.bpm,
            &facts.comment,
            json(&facts.isrc),
            json(&facts.moods),
            &facts.musicbrainz_recording,
            facts.track_gain_db,
            facts.track_peak,
            facts.album_gain_db,
            facts.album_peak,
            facts.has_cover,
            &facts.lyrics,
            json(&facts.labels),
            &facts.original_date,
            &facts.release_date,
            facts.advisory,
            listed_in
        ],
    )?;
    if let Stored::Old(item) = row {
        tx.run("DELETE FROM track_credit WHERE item_id = $1", args![item.0])?;
        tx.run("DELETE FROM track_genre WHERE item_id = $1", args![item.0])?;
    }
    let credits = artists.iter().map(|credit| (Role::Artist, "", credit));
    let credits = credits.chain(facts.album_artists.iter().map(|credit| (Role::AlbumArtist, "", credit)));
    let others = facts.contributions.iter().map(|other| (other.role, other.part.as_str(), &other.credit));
    let mut args = args![item.0].to_vec();
    let mut rows = Vec::new();
    for (position, (role, part, credit)) in credits.chain(others).enumerate() {
        let artist = match names.artists.get(credit) {
            Some(artist) => *artist,
            None => {
                let artist = artist(tx, credit)?;
                names.artists.insert(credit.clone(), artist);
                artist
            }
        };
        let [role, artist, part] =
            [role.name().into(), artist.into(), part.into()].map(|value: Value| bind(&mut args, value));
        rows.push(format!("($1, {role}, {position}, {artist}, {part})"));
    }
    tx.run(
        &format!("INSERT INTO track_credit (item_id, role, position, artist_id, part) VALUES {}", rows.join(", ")),
        &args,
    )?;
    for (position, name) in facts.genres.iter().enumerate() {
        let genre = match names.genres.get(name) {
            Some(genre) => *genre,
            None => genre(tx, name)?,
        };
        names.genres.insert(name.clone(), genre);
        let sql = "INSERT INTO track_genre (item_id, position, genre_id, listed_in) VALUES ($1, $2, $3, $4)";
        tx.run(sql, args![item.0, position, genre, listed_in])?;
    }
    Ok(())
}

fn genre(tx: &mut Tx, name: &str) -> Result<i64> {
    let name_key = name_key(name);
    let found = tx.maybe("SELECT id FROM genre WHERE name_key = $1", args![&name_key], |row| row.get(0))?;
    match found {
        Some(id) => Ok(id),
        None => {
            tx.one("INSERT INTO genre (name, name_key) VALUES ($1, $2) RETURNING id", args![name, name_key], |row| {
                row.get(0)
            })
        }
    }
}

/// Has nobody find these tracks any more, which are about to go; as of [`stale_artists`].
pub(in crate::store) fn unlist(tx: &mut Tx, items: &str, key: ItemKey) -> Result<()> {
    stale_artists(tx, items, key)?;
    for (item, library, title) in titles(tx, items, key)? {
        words::change(tx, library, Kind::Track, item, &title, "")?;
    }
    Ok(())
}

/// Has these tracks found in another library, where they are about to go.
pub(in crate::store) fn list_elsewhere(tx: &mut Tx, items: &str, key: ItemKey, to: LibraryKey) -> Result<()> {
    stale_artists(tx, items, key)?;
    for (item, library, title) in titles(tx, items, key)? {
        words::change(tx, library, Kind::Track, item, &title, "")?;
        words::change(tx, to.0, Kind::Track, item, "", &title)?;
    }
    Ok(())
}

/// Keys, libraries and folded titles.
fn titles(tx: &mut Tx, items: &str, key: ItemKey) -> Result<Vec<(i64, i64, String)>> {
    let sql = format!(
        "SELECT t.item_id, i.library_id, t.title FROM track t JOIN item i ON i.id = t.item_id WHERE t.item_id IN ({items})"
    );
    tx.all(&sql, args![key.0], |row| Ok((row.get(0)?, row.get(1)?, search_key(&row.get::<String>(2)?))))
}
