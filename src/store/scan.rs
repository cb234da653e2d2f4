//! Rows as a scan changes them: items, tracks, and the albums, artists and genres that are made from tracks.
//!
//! A scan goes in short transactions, each of which leaves a library that can be read. `commit` stores items and what
//! their tags say; then `sort` gives tracks to albums, and `refresh` sums albums up. What is left to do stands in the rows
//! (`track.unsorted`, `album.stale`), so that a scan that was killed is finished by the next one.

use super::changes::{self, Before};
use super::library::{item_kind, kind_number, media_number, new_id};
use super::music::bind;
use super::words::{self, Kind};
use super::{Tx, Value, in_list, settings};
use crate::account::name_key;
use crate::args;
use crate::error::{Error, Result};
use crate::library::changes::Kind as ChangeKind;
use crate::library::music::Role;
use crate::library::names::{Articles, search_key, shown, sort_key, unique_shown};
use crate::library::scan::{Content, Known, Stamp, State};
use crate::library::tags::{Credit, Facts, cover_rank};
use crate::library::{IdKind, ItemKey, ItemKind, LibraryKey, Media};
use std::collections::{HashMap, HashSet};

/// The setting of the words that are ignored.
const ARTICLES: &str = "ignored-articles";
pub const UNKNOWN_ARTIST: &str = "[Unknown Artist]";
pub const VARIOUS_ARTISTS: &str = "Various Artists";

/// One change to store.
#[derive(Debug, Clone)]
pub enum Entry {
    Missing { key: ItemKey },
    Put(Box<Put>),
}

#[derive(Debug, Clone)]
pub struct Put {
    /// Its number in the walk.
    pub at: usize,
    pub folder: Folder,
    pub name: Vec<u8>,
    pub stamp: Stamp,
    pub media: Media,
    pub fate: Fate,
    pub track: Track,
}

/// The folder that something lies in.
#[derive(Debug, Clone, Copy)]
pub enum Folder {
    Known(ItemKey),
    /// New as well: its number in the walk.
    At(usize),
    /// It is the root of the library.
    None,
}

#[derive(Debug, Clone, Copy)]
pub enum Fate {
    Added,
    /// At its path, as before.
    Stays {
        key: ItemKey,
        content: Content,
    },
    /// At another path, or back at its own.
    Placed {
        key: ItemKey,
        content: Content,
    },
}

#[derive(Debug, Clone)]
pub enum Track {
    /// What is known of it as music still holds.
    Unchanged,
    /// It is not music.
    None,
    Facts(Box<Facts>),
}

// What is known ------------------------------------------------------------------------------------------------------

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    ItemOnly,
    Whole,
}

/// An item and all below it, missing ones too; what is in the trash is not.
pub fn known(tx: &mut Tx, root: ItemKey, depth: Depth) -> Result<Vec<Known>> {
    tx.all(
        "WITH RECURSIVE below (id, parent_id, name, kind, size_bytes, modified_ns, device, inode, birth_ns, missing_ms) AS (
             SELECT id, parent_id, name, kind, size_bytes, modified_ns, device, inode, birth_ns, missing_ms
             FROM item WHERE id = $1
             UNION ALL
             SELECT c.id, c.parent_id, c.name, c.kind, c.size_bytes, c.modified_ns, c.device, c.inode, c.birth_ns,
                    c.missing_ms
             FROM item c JOIN below b ON c.parent_id = b.id WHERE c.trashed_ms IS NULL AND $2 = 1
         )
         SELECT id, parent_id, name, kind, size_bytes, modified_ns, device, inode, birth_ns, missing_ms FROM below",
        args![root.0, i64::from(depth == Depth::Whole)],
        |row| {
            Ok(Known {
                key: ItemKey(row.get(0)?),
                parent: row.get::<Option<i64>>(1)?.map(ItemKey),
                name: row.get(2)?,
                stamp: Stamp {
                    kind: item_kind(row.get(3)?)?,
                    size_bytes: row.get(4)?,
                    modified_ns: row.get(5)?,
                    device: row.get(6)?,
                    inode: row.get(7)?,
                    birth_ns: row.get(8)?,
                },
                state: if row.get::<Option<i64>>(9)?.is_some() { State::Missing } else { State::Here },
            })
        },
    )
}

/// A folder without what is in it, and all that is or was at one name in it.
pub fn known_child(tx: &mut Tx, folder: ItemKey, name: &[u8]) -> Result<Vec<Known>> {
    let mut found = known(tx, folder, Depth::ItemOnly)?;
    let at_name: Vec<ItemKey> = tx.all(
        "SELECT id FROM item WHERE parent_id = $1 AND name = $2 AND trashed_ms IS NULL",
        args![folder.0, name],
        |row| Ok(ItemKey(row.get(0)?)),
    )?;
    for key in at_name {
        found.extend(known(tx, key, Depth::Whole)?);
    }
    Ok(found)
}

/// The latest item that a library has: what was added after it, somebody else added.
pub fn newest(tx: &mut Tx, library: LibraryKey) -> Result<ItemKey> {
    tx.one("SELECT COALESCE(MAX(id), 0) FROM item WHERE library_id = $1", args![library.0], |row| {
        Ok(ItemKey(row.get(0)?))
    })
}

/// Items of a library that may be files of these inodes and birth times, wherever they lie.
pub fn with_inode(tx: &mut Tx, library: LibraryKey, inode: i64, birth_ns: i64) -> Result<Vec<ItemKey>> {
    tx.all(
        "SELECT id FROM item WHERE library_id = $1 AND inode = $2 AND birth_ns = $3
         AND missing_ms IS NULL AND trashed_ms IS NULL",
        args![library.0, inode, birth_ns],
        |row| Ok(ItemKey(row.get(0)?)),
    )
}

// Changes ------------------------------------------------------------------------------------------------------------

/// What the changes of one scan have in common.
#[derive(Debug, Clone, Copy)]
pub struct Batch {
    pub library: LibraryKey,
    /// See [`newest`]; asked before the walk.
    pub newest: ItemKey,
    pub now_ms: i64,
    /// How many there are, in however many commits.
    pub changes: usize,
}

/// Stores changes. `keys` has the items that were added so far by their number in the walk, and gets those added here.
pub fn commit(tx: &mut Tx, batch: Batch, entries: &[Entry], keys: &mut HashMap<usize, ItemKey>) -> Result<()> {
    let Batch { library, now_ms, .. } = batch;
    let mut names = Names::default();
    let telling = if batch.changes <= changes::ONE_BY_ONE { Telling::Each } else { Telling::Many };
    if telling == Telling::Many {
        changes::note_many(tx, library, now_ms)?;
    }
    for entry in entries {
        match entry {
            Entry::Missing { key } => {
                mark_albums_around(tx, *key)?;
                miss(tx, *key, telling, now_ms)?;
            }
            Entry::Put(put) => {
                let folder = match put.folder {
                    Folder::Known(key) => Some(key),
                    Folder::At(at) => Some(
                        *keys.get(&at).ok_or_else(|| Error::internal("scan", "a folder comes after its content"))?,
                    ),
                    Folder::None => None,
                };
                let row = put_and_tell(tx, batch, folder, put, telling)?;
                let (Stored::New(key) | Stored::Old(key)) = row;
                keys.insert(put.at, key);
                match &put.track {
                    Track::Unchanged => {}
                    Track::None => {
                        unlist(tx, "$1", key)?;
                        tx.run("DELETE FROM track WHERE item_id = $1", args![key.0])?;
                    }
                    Track::Facts(facts) => put_track(tx, library, row, folder, facts, &mut names)?,
                }
                // Nothing but a picture matters to albums when it is new; its own album a track finds later.
                if matches!(row, Stored::Old(_)) || cover_rank(&put.name).is_some() {
                    mark_albums_around(tx, key)?;
                }
            }
        }
    }
    tx.run("UPDATE library SET revision = revision + 1, changed_ms = $1 WHERE id = $2", args![now_ms, library.0])?;
    Ok(())
}

#[derive(Debug, Clone, Copy)]
enum Stored {
    New(ItemKey),
    Old(ItemKey),
}

/// How the changes of one commit enter the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Telling {
    Each,
    /// As one.
    Many,
}

fn put_and_tell(tx: &mut Tx, batch: Batch, folder: Option<ItemKey>, put: &Put, telling: Telling) -> Result<Stored> {
    if telling == Telling::Many {
        return put_item(tx, batch, folder, put, telling);
    }
    let (before, content) = match put.fate {
        // What another scan added just before was told by that one.
        Fate::Added => (None, Content::Same),
        Fate::Stays { key, content } | Fate::Placed { key, content } => (Some(Before::of(tx, key)?), content),
    };
    let stored = put_item(tx, batch, folder, put, telling)?;
    match (stored, before) {
        (Stored::New(key), _) => changes::note_new(tx, key, batch.now_ms)?,
        (Stored::Old(_), Some(before)) => {
            let at_its_place = (content == Content::Changed).then_some(ChangeKind::Modify);
            before.note(tx, at_its_place, batch.now_ms)?;
        }
        (Stored::Old(_), None) => {}
    }
    Ok(stored)
}

/// It is not where it was.
fn miss(tx: &mut Tx, key: ItemKey, telling: Telling, now_ms: i64) -> Result<()> {
    let before = match telling {
        Telling::Each => Some(Before::of(tx, key)?),
        Telling::Many => None,
    };
    tx.run("UPDATE item SET missing_ms = $1 WHERE id = $2 AND missing_ms IS NULL", args![now_ms, key.0])?;
    before.map_or(Ok(()), |before| before.note(tx, None, now_ms))
}

fn put_item(tx: &mut Tx, batch: Batch, folder: Option<ItemKey>, put: &Put, telling: Telling) -> Result<Stored> {
    let stamp = &put.stamp;
    let now_ms = batch.now_ms;
    let (known, content) = match put.fate {
        Fate::Added => (make_room(tx, batch, folder, put, None, telling)?, Content::Same),
        Fate::Placed { key, content } => {
            make_room(tx, batch, folder, put, Some(key), telling)?;
            (Some(key), content)
        }
        Fate::Stays { key, content } => (Some(key), content),
    };
    if let Some(key) = known {
        // Before it moves away, for the albums of where it was.
        mark_albums_around(tx, key)?;
    }
    let named = match (put.fate, folder) {
        (Fate::Stays { .. }, _) | (_, None) => None,
        (Fate::Added | Fate::Placed { .. }, Some(folder)) => Some((folder, shown_in(tx, folder, put, known)?)),
    };
    Ok(match (known, named) {
        (Some(key), named) => {
            if let Some((folder, shown)) = named {
                tx.run(
                    "UPDATE item SET parent_id = $1, name = $2, shown = $3, sort = $4, search = $5, missing_ms = NULL
                     WHERE id = $6",
                    args![folder.0, &put.name, &shown, sort_key(&shown), search_key(&shown), key.0],
                )?;
            }
            tx.run(
                "UPDATE item SET media = $1, size_bytes = $2, modified_ns = $3, device = $4, inode = $5, birth_ns = $6,
                                 revision = revision + $7, missing_ms = NULL
                 WHERE id = $8",
                args![
                    media_number(put.media),
                    stamp.size_bytes,
                    stamp.modified_ns,
                    stamp.device,
                    stamp.inode,
                    stamp.birth_ns,
                    content == Content::Changed,
                    key.0
                ],
            )?;
            Stored::Old(key)
        }
        (None, Some((folder, shown))) => {
            let id = new_id(if stamp.kind == ItemKind::Folder { IdKind::Folder } else { IdKind::File });
            tx.one(
                "INSERT INTO item (public_id, library_id, parent_id, kind, media, name, shown, sort, search, size_bytes,
                                   modified_ns, device, inode, birth_ns, revision, added_ms)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 1, $15) RETURNING id",
                args![
                    id,
                    batch.library.0,
                    folder.0,
                    kind_number(stamp.kind),
                    media_number(put.media),
                    &put.name,
                    &shown,
                    sort_key(&shown),
                    search_key(&shown),
                    stamp.size_bytes,
                    stamp.modified_ns,
                    stamp.device,
                    stamp.inode,
                    stamp.birth_ns,
                    now_ms
                ],
                |row| Ok(Stored::New(ItemKey(row.get(0)?))),
            )?
        }
        (None, None) => return Err(Error::internal("scan", "a root that is not known")),
    })
}

/// Makes sure that nothing but `item` is at the path. Who had the path until now has its own change in the same scan, before or
/// after this one: two items may swap their names. But what another scan, such as that of an upload, added there since this
/// one began is the very item that this one found new: it is answered.
fn make_room(
    tx: &mut Tx,
    batch: Batch,
    folder: Option<ItemKey>,
    put: &Put,
    item: Option<ItemKey>,
    telling: Telling,
) -> Result<Option<ItemKey>> {
    let Some(folder) = folder else { return Ok(None) };
    let occupant = tx.maybe(
        "SELECT id, kind FROM item WHERE parent_id = $1 AND name = $2 AND missing_ms IS NULL AND trashed_ms IS NULL",
        args![folder.0, &put.name],
        |row| Ok((ItemKey(row.get(0)?), row.get::<i64>(1)?)),
    )?;
    match occupant {
        Some((key, kind)) if item.is_none() && key > batch.newest && kind == kind_number(put.stamp.kind) => {
            Ok(Some(key))
        }
        Some((key, _)) if Some(key) != item => {
            miss(tx, key, telling, batch.now_ms)?;
            Ok(None)
        }
        _ => Ok(None),
    }
}

/// How the name is shown among what is in the folder.
fn shown_in(tx: &mut Tx, folder: ItemKey, put: &Put, item: Option<ItemKey>) -> Result<String> {
    unique_shown(shown(&put.name), |candidate| {
        let taken: Option<i64> = tx.maybe(
            "SELECT id FROM item
             WHERE parent_id = $1 AND shown = $2 AND missing_ms IS NULL AND trashed_ms IS NULL AND id <> $3",
            args![folder.0, candidate, item.map_or(0, |key| key.0)],
            |row| row.get(0),
        )?;
        Ok(taken.is_some())
    })
}

/// Albums that a change of this item may concern: its own, those of the tracks in it, and those whose cover it is or was.
fn mark_albums_around(tx: &mut Tx, key: ItemKey) -> Result<()> {
    let (kind, media, parent, name) =
        tx.one("SELECT kind, media, parent_id, name FROM item WHERE id = $1", args![key.0], |row| {
            Ok((row.get::<i64>(0)?, row.get::<i64>(1)?, row.get::<Option<i64>>(2)?, row.get::<Vec<u8>>(3)?))
        })?;
    let of_folders =
        "UPDATE album SET stale = 1 WHERE id IN (SELECT t.album_id FROM track t JOIN item i ON i.id = t.item_id
                      WHERE i.parent_id = $1)";
    if kind == kind_number(ItemKind::Folder) {
        tx.run(of_folders, args![key.0])?;
    } else if media == media_number(Media::Audio) {
        let sql = "UPDATE album SET stale = 1 WHERE id = (SELECT album_id FROM track WHERE item_id = $1)";
        tx.run(sql, args![key.0])?;
    } else if cover_rank(&name).is_some()
        && let Some(parent) = parent
    {
        // A record of several discs has a folder for each, and its picture above them.
        tx.run(of_folders, args![parent])?;
        tx.run(
            "UPDATE album SET stale = 1 WHERE id IN (SELECT t.album_id FROM track t JOIN item i ON i.id = t.item_id
             JOIN item f ON f.id = i.parent_id WHERE f.parent_id = $1)",
            args![parent],
        )?;
    }
    Ok(())
}

// Tracks -------------------------------------------------------------------------------------------------------------

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

fn json(list: &[String]) -> String {
    serde_json::Value::from(list).to_string()
}

/// Keys of names that were looked up in this transaction.
#[derive(Default)]
struct Names {
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

fn put_track(
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
fn artist(tx: &mut Tx, credit: &Credit) -> Result<i64> {
    let name_key = name_key(&credit.name);
    let found: Option<(i64, String, String)> =
        tx.maybe("SELECT id, sort_name, musicbrainz_id FROM artist WHERE name_key = $1", args![&name_key], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    let articles = articles(tx)?;
    let ordered_by = ordered_by(&articles, &credit.name, &credit.sort_name);
    if let Some((id, sort_name, musicbrainz_id)) = found {
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
        return Ok(id);
    }
    tx.one(
        "INSERT INTO artist (public_id, name, name_key, sort_name, sort, initial, search, musicbrainz_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
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
        |row| row.get(0),
    )
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

/// Artists of these tracks are summed up anew. `items` is an SQL list that may name `key` as `$1`.
pub(super) fn stale_artists(tx: &mut Tx, items: &str, key: ItemKey) -> Result<()> {
    let sql = format!(
        "UPDATE artist_in SET stale = 1
         WHERE artist_id IN (SELECT c.artist_id FROM track_credit c WHERE c.item_id IN ({items}))"
    );
    tx.run(&sql, args![key.0])?;
    Ok(())
}

/// Has nobody find these tracks any more, which are about to go; as of [`stale_artists`].
pub(super) fn unlist(tx: &mut Tx, items: &str, key: ItemKey) -> Result<()> {
    stale_artists(tx, items, key)?;
    for (item, library, title) in titles(tx, items, key)? {
        words::change(tx, library, Kind::Track, item, &title, "")?;
    }
    Ok(())
}

/// Has these tracks found in another library, where they are about to go.
pub(super) fn list_elsewhere(tx: &mut Tx, items: &str, key: ItemKey, to: LibraryKey) -> Result<()> {
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

// Albums -------------------------------------------------------------------------------------------------------------

/// Whether there is work left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    More,
    Nothing,
}

/// Gives tracks whose tags were read to the albums that these name, up to `limit` albums.
///
/// An album that no track named until now takes over the row, and with it the id, of the album from which most tracks
/// come, provided that most of that album's tracks come: that is what a corrected name looks like.
pub fn sort(tx: &mut Tx, library: LibraryKey, limit: u64, now_ms: i64) -> Result<Left> {
    let unsorted = "FROM track t CROSS JOIN item i WHERE t.unsorted = 1 AND i.id = t.item_id AND i.library_id = $1";
    let identities: Vec<String> =
        tx.all(&format!("SELECT DISTINCT t.identity {unsorted} LIMIT $2"), args![library.0, limit], |row| row.get(0))?;
    for identity in &identities {
        let before: Vec<(i64, i64)> = tx.all(
            &format!(
                "SELECT t.album_id, COUNT(*) {unsorted} AND t.identity = $2 AND t.album_id IS NOT NULL
                 GROUP BY t.album_id ORDER BY COUNT(*) DESC, t.album_id"
            ),
            args![library.0, identity],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let existing: Option<i64> = tx.maybe(
            "SELECT id FROM album WHERE library_id = $1 AND identity = $2",
            args![library.0, identity],
            |row| row.get(0),
        )?;
        let album = match (existing, before.first()) {
            (Some(album), _) => album,
            (None, Some(&(old, coming))) if coming * 2 > tracks_that_are_there(tx, old)? => {
                tx.run("UPDATE album SET identity = $1 WHERE id = $2", args![identity, old])?;
                old
            }
            (None, _) => insert_album(tx, library, identity, now_ms)?,
        };
        for (old, _) in before {
            tx.run("UPDATE album SET stale = 1 WHERE id = $1", args![old])?;
        }
        tx.run("UPDATE album SET stale = 1 WHERE id = $1", args![album])?;
        tx.run(
            &format!(
                "UPDATE track SET album_id = $3, unsorted = 0
                 WHERE item_id IN (SELECT t.item_id {unsorted} AND t.identity = $2)"
            ),
            args![library.0, identity, album],
        )?;
    }
    Ok(if identities.is_empty() { Left::Nothing } else { Left::More })
}

fn tracks_that_are_there(tx: &mut Tx, album: i64) -> Result<i64> {
    tx.one(
        "SELECT COUNT(*) FROM track t JOIN item i ON i.id = t.item_id
         WHERE t.album_id = $1 AND i.missing_ms IS NULL AND i.trashed_ms IS NULL",
        args![album],
        |row| row.get(0),
    )
}

fn insert_album(tx: &mut Tx, library: LibraryKey, identity: &str, now_ms: i64) -> Result<i64> {
    tx.one(
        "INSERT INTO album (public_id, library_id, identity, name, sort_name, sort, search, artist_name, artist_sort, year,
                            compilation, release_types, musicbrainz_id, cover_item_id, track_count, duration_ms, added_ms,
                            stale)
         VALUES ($1, $2, $3, '', '', $4, '', '', $5, NULL, 0, '[]', '', NULL, 0, 0, $6, 1) RETURNING id",
        args![new_id(IdKind::Album), library.0, identity, b"", b"", now_ms],
        |row| row.get(0),
    )
}

/// A track as its album sees it.
struct Member {
    item: i64,
    folder: Option<i64>,
    album_name: String,
    sort_name: String,
    musicbrainz_id: String,
    is_compilation: bool,
    release_types: String,
    artist_name: String,
    album_artist_name: String,
    year: Option<i64>,
    duration_ms: i64,
    has_cover: bool,
    added_ms: i64,
    disc: i64,
    disc_title: String,
    moods: String,
    labels: String,
    original_date: String,
    release_date: String,
    advisory: String,
}

/// Sums up albums whose tracks changed, up to `limit` of them. One whose tracks are all missing stays, with no tracks, for
/// when they come back; one that no track belongs to goes. After them, artists.
pub fn refresh(tx: &mut Tx, library: LibraryKey, limit: u64) -> Result<Left> {
    let stale: Vec<i64> =
        tx.all("SELECT id FROM album WHERE library_id = $1 AND stale = 1 LIMIT $2", args![library.0, limit], |row| {
            row.get(0)
        })?;
    for album in &stale {
        refresh_one(tx, library, *album)?;
    }
    if stale.is_empty() && refresh_artists(tx, library, limit)? == Left::Nothing {
        return Ok(Left::Nothing);
    }
    // Lists are other ones now.
    tx.run("UPDATE library SET revision = revision + 1 WHERE id = $1", args![library.0])?;
    Ok(Left::More)
}

fn refresh_one(tx: &mut Tx, library: LibraryKey, album: i64) -> Result<()> {
    let searched_before: String = tx.one("SELECT search FROM album WHERE id = $1", args![album], |row| row.get(0))?;
    add_artists(tx, library, album)?;
    let members = tx.all(
        "SELECT t.item_id, i.parent_id, t.album_name, t.album_sort_name, t.album_musicbrainz_id, t.compilation,
                t.release_types, t.artist_name, t.album_artist_name, t.year, t.duration_ms, t.has_cover, i.added_ms,
                COALESCE(t.disc, 1), t.disc_title, t.moods,
                t.labels, t.original_date, t.release_date, t.advisory
         FROM track t JOIN item i ON i.id = t.item_id
         WHERE t.album_id = $1 AND t.listed_in IS NOT NULL
         ORDER BY COALESCE(t.disc, 0), COALESCE(t.number, 0), t.sort, t.item_id",
        args![album],
        |row| {
            Ok(Member {
                item: row.get(0)?,
                folder: row.get(1)?,
                album_name: row.get(2)?,
                sort_name: row.get(3)?,
                musicbrainz_id: row.get(4)?,
                is_compilation: row.get(5)?,
                release_types: row.get(6)?,
                artist_name: row.get(7)?,
                album_artist_name: row.get(8)?,
                year: row.get(9)?,
                duration_ms: row.get(10)?,
                has_cover: row.get(11)?,
                added_ms: row.get(12)?,
                disc: row.get(13)?,
                disc_title: row.get(14)?,
                moods: row.get(15)?,
                labels: row.get(16)?,
                original_date: row.get(17)?,
                release_date: row.get(18)?,
                advisory: row.get(19)?,
            })
        },
    )?;
    let Some(first) = members.first() else {
        words::change(tx, library.0, Kind::Album, album, &searched_before, "")?;
        count_genres(tx, library, album, &[], &[])?;
        let waiting: Option<i64> =
            tx.maybe("SELECT item_id FROM track WHERE album_id = $1", args![album], |row| row.get(0))?;
        match waiting {
            Some(_) => tx.run(
                "UPDATE album SET track_count = 0, duration_ms = 0, cover_item_id = NULL, search = '', stale = 0 WHERE id = $1",
                args![album],
            )?,
            None => tx.run("DELETE FROM album WHERE id = $1", args![album])?,
        };
        return Ok(());
    };

    let is_compilation = members.iter().any(|member| member.is_compilation);
    let credited = members.iter().find(|member| !member.album_artist_name.is_empty());
    let (artist_name, credits) = match credited {
        Some(member) => (member.album_artist_name.clone(), credits(tx, member.item, "albumartist")?),
        None if !is_compilation && members.iter().all(|member| member.artist_name == first.artist_name) => {
            (first.artist_name.clone(), credits(tx, first.item, "artist")?)
        }
        None => {
            let various = Credit { name: VARIOUS_ARTISTS.to_owned(), ..Credit::default() };
            (VARIOUS_ARTISTS.to_owned(), vec![artist(tx, &various)?])
        }
    };
    let name = match (first.album_name.as_str(), first.folder) {
        ("", Some(folder)) => tx.one("SELECT shown FROM item WHERE id = $1", args![folder], |row| row.get(0))?,
        (name, _) => name.to_owned(),
    };
    let first_credit_sort: Option<Vec<u8>> = match credits.first() {
        Some(artist) => tx.maybe("SELECT sort FROM artist WHERE id = $1", args![*artist], |row| row.get(0))?,
        None => None,
    };
    let ordered_by = if first.sort_name.is_empty() { &name } else { &first.sort_name };
    let (sort, searched) = (sort_key(ordered_by), search_key(&format!("{name} {artist_name}")));
    let cover = cover(tx, &members)?;
    let genres = genres_of(tx, album)?;
    count_genres(tx, library, album, &sort, &genres)?;
    words::change(tx, library.0, Kind::Album, album, &searched_before, &searched)?;
    tx.run(
        "UPDATE album SET name = $1, sort_name = $2, sort = $3, search = $4, artist_name = $5, artist_sort = $6, year = $7,
                          compilation = $8, release_types = $9, musicbrainz_id = $10, cover_item_id = $11,
                          track_count = $12, duration_ms = $13, added_ms = $14, genres = $15, moods = $16,
                          disc_titles = $17, labels = $18, original_date = $19, release_date = $20, advisory = $21,
                          stale = 0
         WHERE id = $22",
        args![
            &name,
            &first.sort_name,
            sort,
            searched,
            &artist_name,
            first_credit_sort.unwrap_or_else(|| sort_key(&artist_name)),
            members.iter().find_map(|member| member.year),
            is_compilation,
            &first.release_types,
            &first.musicbrainz_id,
            cover,
            members.len(),
            members.iter().map(|member| member.duration_ms).sum::<i64>(),
            members.iter().map(|member| member.added_ms).min(),
            json(&genres.into_iter().map(|(_, name, _)| name).collect::<Vec<_>>()),
            moods_of(&members)?,
            disc_titles_of(&members),
            first_said(&members, "[]", |member| &member.labels),
            first_said(&members, "", |member| &member.original_date),
            first_said(&members, "", |member| &member.release_date),
            ["explicit", "clean"].into_iter().find(|one| members.iter().any(|m| m.advisory == *one)).unwrap_or(""),
            album
        ],
    )?;
    tx.run("DELETE FROM album_credit WHERE album_id = $1", args![album])?;
    for (position, artist) in credits.into_iter().enumerate() {
        let sql = "INSERT INTO album_credit (album_id, position, artist_id) VALUES ($1, $2, $3)";
        tx.run(sql, args![album, position, artist])?;
    }
    add_artists(tx, library, album)
}

/// Genres of an album's tracks and how many have each: the most frequent first.
fn genres_of(tx: &mut Tx, album: i64) -> Result<Vec<(i64, String, i64)>> {
    tx.all(
        "SELECT g.id, g.name, COUNT(DISTINCT t.item_id) FROM track t JOIN track_genre tg ON tg.item_id = t.item_id
         JOIN genre g ON g.id = tg.genre_id WHERE t.album_id = $1 AND t.listed_in IS NOT NULL
         GROUP BY g.id, g.name ORDER BY COUNT(DISTINCT t.item_id) DESC, MIN(tg.position), g.id",
        args![album],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}

/// Puts an album into the lists and sums of these genres, out of those it was in.
fn count_genres(
    tx: &mut Tx,
    library: LibraryKey,
    album: i64,
    sort: &[u8],
    genres: &[(i64, String, i64)],
) -> Result<()> {
    let before: Vec<(i64, i64)> =
        tx.all("SELECT genre_id, track_count FROM album_genre WHERE album_id = $1", args![album], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    for (genre, tracks) in before {
        tx.run(
            "UPDATE genre_in SET track_count = track_count - $1, album_count = album_count - 1
             WHERE library_id = $2 AND genre_id = $3",
            args![tracks, library.0, genre],
        )?;
    }
    tx.run("DELETE FROM album_genre WHERE album_id = $1", args![album])?;
    for (genre, _, tracks) in genres {
        tx.run(
            "INSERT INTO album_genre (genre_id, library_id, sort, album_id, track_count) VALUES ($1, $2, $3, $4, $5)",
            args![*genre, library.0, sort, album, *tracks],
        )?;
        tx.run(
            "INSERT INTO genre_in (genre_id, library_id, track_count, album_count) VALUES ($1, $2, $3, 1)
             ON CONFLICT (library_id, genre_id) DO UPDATE
             SET track_count = genre_in.track_count + excluded.track_count, album_count = genre_in.album_count + 1",
            args![*genre, library.0, *tracks],
        )?;
    }
    Ok(())
}

/// All moods of the tracks, each once, as JSON.
fn moods_of(members: &[Member]) -> Result<String> {
    let mut moods: Vec<String> = Vec::new();
    for member in members.iter().filter(|member| member.moods != "[]") {
        let own: Vec<String> =
            serde_json::from_str(&member.moods).map_err(|e| Error::internal("the moods of a track", e))?;
        moods.extend(own.into_iter().filter(|mood| !moods.contains(mood)).collect::<Vec<_>>());
    }
    Ok(json(&moods))
}

/// Discs with a title, as JSON pairs. Tags hold any number; one that no disc could have is none.
fn disc_titles_of(members: &[Member]) -> String {
    let mut titles: Vec<(u32, &str)> = Vec::new();
    for member in members.iter().filter(|member| !member.disc_title.is_empty()) {
        if let Ok(disc) = u32::try_from(member.disc)
            && titles.iter().all(|(known, _)| *known != disc)
        {
            titles.push((disc, &member.disc_title));
        }
    }
    titles.sort_unstable();
    serde_json::json!(titles).to_string()
}

// Artists ------------------------------------------------------------------------------------------------------------

/// Artists of an album and of its tracks are to be summed up.
fn add_artists(tx: &mut Tx, library: LibraryKey, album: i64) -> Result<()> {
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

fn refresh_artists(tx: &mut Tx, library: LibraryKey, limit: u64) -> Result<Left> {
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

/// Fills what is made of items, tracks and their credits, where nothing of it is filled yet.
pub(super) fn sum_up(tx: &mut Tx) -> Result<()> {
    tx.run(
        "UPDATE track SET listed_in = (SELECT i.library_id FROM item i WHERE i.id = track.item_id
                                       AND i.missing_ms IS NULL AND i.trashed_ms IS NULL)",
        args![],
    )?;
    let sql =
        "UPDATE track_genre SET listed_in = (SELECT t.listed_in FROM track t WHERE t.item_id = track_genre.item_id)";
    tx.run(sql, args![])?;
    let mut last = 0i64;
    loop {
        let titles: Vec<(i64, i64, String)> = tx.all(
            "SELECT t.item_id, i.library_id, t.title FROM track t JOIN item i ON i.id = t.item_id
             WHERE t.item_id > $1 ORDER BY t.item_id LIMIT 1000",
            args![last],
            |row| Ok((row.get(0)?, row.get(1)?, search_key(&row.get::<String>(2)?))),
        )?;
        let Some((item, ..)) = titles.last() else { break };
        last = *item;
        for (item, library, title) in &titles {
            words::change(tx, *library, Kind::Track, *item, "", title)?;
        }
    }
    // No album has words yet, so none is found by a text until now.
    tx.run("UPDATE album SET search = '', stale = 1", args![])?;
    let libraries: Vec<i64> = tx.all("SELECT id FROM library ORDER BY id", args![], |row| row.get(0))?;
    for library in libraries {
        while refresh(tx, LibraryKey(library), 1000)? == Left::More {}
    }
    Ok(())
}

/// What the first track says that says anything.
fn first_said<'a>(members: &'a [Member], nothing: &'a str, said: impl Fn(&Member) -> &String) -> &'a str {
    members.iter().map(|member| said(member).as_str()).find(|text| *text != nothing).unwrap_or(nothing)
}

fn credits(tx: &mut Tx, item: i64, role: &str) -> Result<Vec<i64>> {
    let sql = "SELECT artist_id FROM track_credit WHERE item_id = $1 AND role = $2 ORDER BY position";
    tx.all(sql, args![item, role], |row| row.get(0))
}

/// The picture file in the album's folders, else above them where there are several, else the first track with a picture.
fn cover(tx: &mut Tx, members: &[Member]) -> Result<Option<i64>> {
    let folders: HashSet<i64> = members.iter().filter_map(|member| member.folder).collect();
    let mut folders: Vec<i64> = folders.into_iter().collect();
    folders.sort_unstable();
    let mut found = picture_in(tx, &folders)?;
    if found.is_none() && folders.len() > 1 {
        let sql = format!("SELECT DISTINCT parent_id FROM item WHERE id IN ({})", in_list(1, folders.len()));
        let values: Vec<Value> = folders.iter().map(|folder| Value::from(*folder)).collect();
        let above: Vec<Option<i64>> = tx.all(&sql, &values, |row| row.get(0))?;
        if let [Some(above)] = above[..] {
            found = picture_in(tx, &[above])?;
        }
    }
    Ok(found.or_else(|| members.iter().find(|member| member.has_cover).map(|member| member.item)))
}

fn picture_in(tx: &mut Tx, folders: &[i64]) -> Result<Option<i64>> {
    let mut best: Option<(usize, i64)> = None;
    for folder in folders {
        let pictures: Vec<(i64, Vec<u8>)> = tx.all(
            "SELECT id, name FROM item WHERE parent_id = $1 AND media = $2 AND missing_ms IS NULL AND trashed_ms IS NULL
             ORDER BY sort, id",
            args![*folder, media_number(Media::Image)],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        for (id, name) in pictures {
            if let Some(rank) = cover_rank(&name)
                && best.is_none_or(|(known, _)| rank < known)
            {
                best = Some((rank, id));
            }
        }
    }
    Ok(best.map(|(_, id)| id))
}

// The end of a scan --------------------------------------------------------------------------------------------------

/// Whether a scan that was stopped left tracks to sort or albums to sum up.
pub fn is_unfinished(tx: &mut Tx, library: LibraryKey) -> Result<bool> {
    tx.one(
        "SELECT CASE WHEN EXISTS (SELECT 1 FROM album WHERE library_id = $1 AND stale = 1)
                     OR EXISTS (SELECT 1 FROM artist_in WHERE library_id = $1 AND stale = 1)
                     OR EXISTS (SELECT 1 FROM track t CROSS JOIN item i
                                WHERE t.unsorted = 1 AND i.id = t.item_id AND i.library_id = $1) THEN 1 ELSE 0 END",
        args![library.0],
        |row| row.get(0),
    )
}

/// Artists and genres that nothing names any more.
pub fn forget_unused_names(tx: &mut Tx) -> Result<()> {
    tx.run(
        "DELETE FROM artist WHERE NOT EXISTS (SELECT 1 FROM track_credit c WHERE c.artist_id = artist.id)
         AND NOT EXISTS (SELECT 1 FROM album_credit c WHERE c.artist_id = artist.id)",
        args![],
    )?;
    tx.run("DELETE FROM genre WHERE NOT EXISTS (SELECT 1 FROM track_genre g WHERE g.genre_id = genre.id)", args![])?;
    Ok(())
}

pub fn set_scanned(tx: &mut Tx, library: LibraryKey, now_ms: i64) -> Result<()> {
    tx.run("UPDATE library SET online = 1, scanned_ms = $1 WHERE id = $2", args![now_ms, library.0])?;
    Ok(())
}

/// The root cannot be reached, or is suddenly empty. Nothing else is changed.
pub fn set_offline(tx: &mut Tx, library: LibraryKey) -> Result<()> {
    tx.run("UPDATE library SET online = 0 WHERE id = $1", args![library.0])?;
    Ok(())
}
