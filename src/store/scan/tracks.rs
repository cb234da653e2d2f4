//! Tracks as a scan stores what their tags say.

use std::borrow::Cow;
use std::collections::HashMap;

use super::albums::stale_album;
use super::artists::{artist, stale_artists};
use super::{Albums, Batch, Stored, UNKNOWN_ARTIST, json};
use crate::account::name_key;
use crate::args;
use crate::error::Result;
use crate::library::music::{ArtistName, Credited, Role};
use crate::library::names::{search_key, sort_key};
use crate::library::tags::{Credit, Facts, disc_of_folder};
use crate::library::{ItemKey, LibraryKey};
use crate::store::inserts::Inserts;
use crate::store::words::{self, Kind};
use crate::store::{Row, Tx, Value, credits};

/// Where a track lies, as far as it tells of the album.
#[derive(Clone, Copy, Default)]
struct Place {
    folder: i64,
    /// The same, or where that holds one disc the folder of all.
    of_album: i64,
    disc: Option<i64>,
}

/// What makes tracks one album: the release they name; else the artist of the album with its name; else the folder.
fn identity(facts: &Facts, place: Place) -> String {
    let album = search_key(&facts.album);
    let Place { folder, of_album, .. } = place;
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
        format!("folder {of_album} {album}")
    }
}

/// Rows of new tracks that wait to be stored together.
const TRACKS_AT_ONCE: usize = 64;

/// Tracks of one transaction, and what was looked up for them.
pub(super) struct Tracks {
    library: LibraryKey,
    now_ms: i64,
    albums: Albums,
    album_keys: HashMap<String, i64>,
    artists: HashMap<Credit, ArtistName>,
    /// Key and name.
    genres: HashMap<String, (i64, String)>,
    places: HashMap<ItemKey, Place>,
    waiting: usize,
    tracks: Inserts<TRACK_COLUMNS>,
    credits: Inserts<5>,
    genres_of_tracks: Inserts<4>,
    words: Inserts<4>,
}

const TRACK_COLUMNS: usize = 42;
const INTO_TRACK: &str =
    "INSERT INTO track (item_id, album_id, identity, unsorted, title, sort_title, sort, search, artist_name,
             album_artist_name, album_name, album_sort_name, album_musicbrainz_id, compilation, release_types, disc,
             disc_title, number, year, duration_ms, bit_rate_kbps, sample_rate_hz, bit_depth, channels, bpm, comment, isrc,
             moods, musicbrainz_id, track_gain_db, track_peak, album_gain_db, album_peak, has_cover, lyrics, labels,
             original_date, release_date, advisory, listed_in, credits, genres)";
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
             release_date = excluded.release_date, advisory = excluded.advisory, listed_in = excluded.listed_in,
             credits = excluded.credits, genres = excluded.genres";

impl Tracks {
    pub fn new(batch: Batch) -> Tracks {
        Tracks {
            library: batch.library,
            now_ms: batch.now_ms,
            albums: batch.albums,
            album_keys: HashMap::new(),
            artists: HashMap::new(),
            genres: HashMap::new(),
            places: HashMap::new(),
            waiting: 0,
            tracks: Inserts::new(INTO_TRACK, ""),
            credits: Inserts::new("INSERT INTO track_credit (item_id, role, position, artist_id, part)", ""),
            genres_of_tracks: Inserts::new("INSERT INTO track_genre (item_id, position, genre_id, listed_in)", ""),
            words: words::inserts(),
        }
    }

    /// Stores what the tags of an item say, or has it wait for [`Tracks::flush`].
    pub fn put(&mut self, tx: &mut Tx, row: Stored, folder: Option<ItemKey>, facts: &Facts) -> Result<()> {
        let (Stored::New(item) | Stored::Old(item)) = row;
        let title = search_key(&facts.title);
        let place = self.place(tx, folder)?;
        let identity = identity(facts, place);
        let facts = &match (facts.disc, place.disc) {
            (None, disc @ Some(_)) => Cow::Owned(Facts { disc, ..facts.clone() }),
            _ => Cow::Borrowed(facts),
        };
        match row {
            Stored::New(_) => {
                words::add(&mut self.words, self.library.0, Kind::Track, item.0, &title);
                let album = self.album(tx, &identity)?;
                let named = self.name(tx, item, facts)?;
                self.tracks.add(columns(item, self.library, album, identity, facts, named));
            }
            Stored::Old(_) => {
                stale_artists(tx, "$1", item)?;
                let sql = "SELECT title FROM track WHERE item_id = $1";
                let before: Option<String> = tx.maybe(sql, args![item.0], |row| row.get(0))?;
                let before = search_key(&before.unwrap_or_default());
                words::change(tx, self.library.0, Kind::Track, item.0, &before, &title)?;
                tx.run("DELETE FROM track_credit WHERE item_id = $1", args![item.0])?;
                tx.run("DELETE FROM track_genre WHERE item_id = $1", args![item.0])?;
                let named = self.name(tx, item, facts)?;
                let mut again = Inserts::new(INTO_TRACK, AGAIN);
                again.add(columns(item, self.library, None, identity, facts, named));
                again.flush(tx)?;
            }
        }
        self.waiting += 1;
        if self.waiting >= TRACKS_AT_ONCE { self.flush(tx) } else { Ok(()) }
    }

    /// Stores what waits.
    pub fn flush(&mut self, tx: &mut Tx) -> Result<()> {
        self.tracks.flush(tx)?;
        self.credits.flush(tx)?;
        self.genres_of_tracks.flush(tx)?;
        self.words.flush(tx)?;
        self.waiting = 0;
        Ok(())
    }

    fn place(&mut self, tx: &mut Tx, folder: Option<ItemKey>) -> Result<Place> {
        let Some(folder) = folder else { return Ok(Place::default()) };
        if let Some(place) = self.places.get(&folder) {
            return Ok(*place);
        }
        let (name, above): (String, Option<i64>) =
            tx.one("SELECT shown, parent_id FROM item WHERE id = $1", args![folder.0], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let (disc, of_album) = match (disc_of_folder(&name), above) {
            (Some(disc), Some(above)) => (Some(disc), above),
            _ => (None, folder.0),
        };
        let place = Place { folder: folder.0, of_album, disc };
        self.places.insert(folder, place);
        Ok(place)
    }

    /// The album of a new track, where that is known before all are there.
    fn album(&mut self, tx: &mut Tx, identity: &str) -> Result<Option<i64>> {
        if self.albums == Albums::AfterAll {
            return Ok(None);
        }
        if let Some(album) = self.album_keys.get(identity) {
            return Ok(Some(*album));
        }
        let album = stale_album(tx, self.library, identity, self.now_ms)?;
        self.album_keys.insert(identity.to_owned(), album);
        Ok(Some(album))
    }

    fn name(&mut self, tx: &mut Tx, item: ItemKey, facts: &Facts) -> Result<Named> {
        Ok(Named { credits: self.add_credits(tx, item, facts)?, genres: self.add_genres(tx, item, facts)? })
    }

    /// Gives them back as the row of the track tells them.
    fn add_credits(&mut self, tx: &mut Tx, item: ItemKey, facts: &Facts) -> Result<String> {
        let unknown = [Credit { name: UNKNOWN_ARTIST.to_owned(), ..Credit::default() }];
        let artists = if facts.artists.is_empty() { &unknown[..] } else { &facts.artists[..] };
        let credits = artists.iter().map(|credit| (Role::Artist, "", credit));
        let credits = credits.chain(facts.album_artists.iter().map(|credit| (Role::AlbumArtist, "", credit)));
        let others = facts.contributions.iter().map(|other| (other.role, other.part.as_str(), &other.credit));
        let mut told = Vec::new();
        for (position, (role, part, credit)) in credits.chain(others).enumerate() {
            let artist = match self.artists.get(credit) {
                Some(artist) => artist.clone(),
                None => {
                    let artist = artist(tx, credit)?;
                    self.artists.insert(credit.clone(), artist.clone());
                    artist
                }
            };
            self.credits.add([item.0.into(), role.name().into(), position.into(), artist.key.0.into(), part.into()]);
            told.push(Credited { role, part: part.to_owned(), artist });
        }
        credits::to_json(&mut told)
    }

    /// The same of genres.
    fn add_genres(&mut self, tx: &mut Tx, item: ItemKey, facts: &Facts) -> Result<String> {
        let mut told = Vec::new();
        for (position, name) in facts.genres.iter().enumerate() {
            let (key, name) = match self.genres.get(name) {
                Some(genre) => genre.clone(),
                None => {
                    let genre = genre(tx, name)?;
                    self.genres.insert(name.clone(), genre.clone());
                    genre
                }
            };
            self.genres_of_tracks.add([item.0.into(), position.into(), key.into(), self.library.0.into()]);
            told.push(name);
        }
        Ok(json(&told))
    }
}

/// Credits and genres of a track, as JSON.
struct Named {
    credits: String,
    genres: String,
}

/// As [`INTO_TRACK`] names them. A track without an album waits to be sorted.
fn columns(
    item: ItemKey,
    library: LibraryKey,
    album: Option<i64>,
    identity: String,
    facts: &Facts,
    named: Named,
) -> [Value; TRACK_COLUMNS] {
    let artist_name = if facts.artist_name.is_empty() { UNKNOWN_ARTIST } else { &facts.artist_name };
    let ordered_by = if facts.sort_title.is_empty() { &facts.title } else { &facts.sort_title };
    let searched = [&facts.title, artist_name, &facts.album_artist_name, &facts.album].map(search_key).join(" ");
    // What is stored is there, in this library.
    let listed_in = library.0;
    [
        item.0.into(),
        album.into(),
        identity.into(),
        album.is_none().into(),
        (&facts.title).into(),
        (&facts.sort_title).into(),
        sort_key(ordered_by).into(),
        searched.into(),
        artist_name.into(),
        (&facts.album_artist_name).into(),
        (&facts.album).into(),
        (&facts.sort_album).into(),
        (&facts.musicbrainz_release).into(),
        facts.is_compilation.into(),
        json(&facts.release_types).into(),
        facts.disc.into(),
        (&facts.disc_title).into(),
        facts.number.into(),
        facts.year.into(),
        facts.duration_ms.into(),
        facts.bit_rate_kbps.into(),
        facts.sample_rate_hz.into(),
        facts.bit_depth.into(),
        facts.channels.into(),
        facts.bpm.into(),
        (&facts.comment).into(),
        json(&facts.isrc).into(),
        json(&facts.moods).into(),
        (&facts.musicbrainz_recording).into(),
        facts.track_gain_db.into(),
        facts.track_peak.into(),
        facts.album_gain_db.into(),
        facts.album_peak.into(),
        facts.has_cover.into(),
        (&facts.lyrics).into(),
        json(&facts.labels).into(),
        (&facts.original_date).into(),
        (&facts.release_date).into(),
        facts.advisory.into(),
        listed_in.into(),
        named.credits.into(),
        named.genres.into(),
    ]
}

/// Key and name, which is as it was first spelled.
fn genre(tx: &mut Tx, name: &str) -> Result<(i64, String)> {
    let name_key = name_key(name);
    let of_row = |row: &Row| Ok((row.get(0)?, row.get(1)?));
    let sql = "SELECT id, name FROM genre WHERE name_key = $1";
    match tx.maybe(sql, args![&name_key], of_row)? {
        Some(genre) => Ok(genre),
        None => {
            let sql = "INSERT INTO genre (name, name_key) VALUES ($1, $2) RETURNING id, name";
            tx.one(sql, args![name, name_key], of_row)
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
