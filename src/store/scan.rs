//! Rows as a scan changes them: items, tracks, and the albums, artists and genres that are made from tracks.
//!
//! A scan goes in short transactions, each of which leaves a library that can be read. `commit` stores items and what
//! their tags say; then `sort` gives tracks to albums, and `refresh` sums albums up. What is left to do stands in the rows
//! (`track.unsorted`, `album.stale`), so that a scan that was killed is finished by the next one.

mod albums;
mod artists;
mod tracks;

use std::collections::{HashMap, HashSet, hash_map};

pub use albums::{refresh, sort};
pub use artists::{articles, set_articles};
pub(super) use tracks::{list_elsewhere, unlist};

use super::changes::{self, Before};
use super::library::{item_kind, kind_number, media_number, new_id};
use super::words::{self, Kind};
use super::{Row, Tx};
use crate::args;
use crate::error::{Error, Result};
use crate::library::changes::Kind as ChangeKind;
use crate::library::names::{search_key, shown, sort_key, unique_shown};
use crate::library::scan::{Content, Known, Stamp, State};
use crate::library::tags::{Facts, cover_rank, disc_of_folder};
use crate::library::{IdKind, ItemKey, ItemKind, LibraryKey, Media};
use tracks::Tracks;

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

const KNOWN: &str = "id, parent_id, name, kind, size_bytes, modified_ns, device, inode, birth_ns, missing_ms";

fn known_of(row: &Row) -> Result<Known> {
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
}

/// All items of a library, missing ones too; what is in the trash is not.
pub fn known_in(tx: &mut Tx, library: LibraryKey) -> Result<Vec<Known>> {
    let sql = format!("SELECT {KNOWN} FROM item WHERE library_id = $1 AND trashed_ms IS NULL");
    tx.all(&sql, args![library.0], known_of)
}

/// An item and all below it, as of [`known_in`].
pub fn known(tx: &mut Tx, root: ItemKey, depth: Depth) -> Result<Vec<Known>> {
    tx.all(
        &format!(
            "WITH RECURSIVE below ({KNOWN}) AS (
                 SELECT {KNOWN} FROM item WHERE id = $1
                 UNION ALL
                 SELECT c.id, c.parent_id, c.name, c.kind, c.size_bytes, c.modified_ns, c.device, c.inode, c.birth_ns,
                        c.missing_ms
                 FROM item c JOIN below b ON c.parent_id = b.id WHERE c.trashed_ms IS NULL AND $2 = 1
             )
             SELECT {KNOWN} FROM below"
        ),
        args![root.0, i64::from(depth == Depth::Whole)],
        known_of,
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
    pub albums: Albums,
}

/// When tracks get their albums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Albums {
    /// As they come: nothing of the library is known yet.
    AtOnce,
    /// By [`sort`]: only then is it known which album is a former one under another name.
    AfterAll,
}

/// Stores changes. `keys` has the items that were added so far by their number in the walk, and gets those added here.
pub fn commit(tx: &mut Tx, batch: Batch, entries: &[Entry], keys: &mut HashMap<usize, ItemKey>) -> Result<()> {
    let Batch { library, now_ms, .. } = batch;
    let telling = if batch.changes <= changes::ONE_BY_ONE { Telling::Each } else { Telling::Many };
    let mut storing = Storing { tx, batch, telling, rooms: HashMap::new() };
    let mut tracks = Tracks::new(batch);
    if telling == Telling::Many {
        changes::note_many(storing.tx, library, now_ms)?;
    }
    for entry in entries {
        match entry {
            Entry::Missing { key } => {
                mark_albums_around(storing.tx, *key)?;
                storing.miss(*key)?;
            }
            Entry::Put(put) => {
                let folder = match put.folder {
                    Folder::Known(key) => Some(key),
                    Folder::At(at) => Some(
                        *keys.get(&at).ok_or_else(|| Error::internal("scan", "a folder comes after its content"))?,
                    ),
                    Folder::None => None,
                };
                let row = storing.put(folder, put)?;
                let (Stored::New(key) | Stored::Old(key)) = row;
                keys.insert(put.at, key);
                match &put.track {
                    Track::Unchanged => {}
                    Track::None => {
                        unlist(storing.tx, "$1", key)?;
                        storing.tx.run("DELETE FROM track WHERE item_id = $1", args![key.0])?;
                    }
                    Track::Facts(facts) => tracks.put(storing.tx, row, folder, facts)?,
                }
                // Nothing but a picture matters to albums when it is new; its own album a track finds later.
                if matches!(row, Stored::Old(_)) || cover_rank(&put.name).is_some() {
                    mark_albums_around(storing.tx, key)?;
                }
            }
        }
    }
    tracks.flush(storing.tx)?;
    storing
        .tx
        .run("UPDATE library SET revision = revision + 1, changed_ms = $1 WHERE id = $2", args![now_ms, library.0])?;
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

/// Items of one transaction.
struct Storing<'a, 't> {
    tx: &'a mut Tx<'t>,
    batch: Batch,
    telling: Telling,
    /// Nobody else writes during a transaction, so that nothing has to be looked up in a folder that was empty in it.
    rooms: HashMap<ItemKey, Room>,
}

/// What is in a folder.
enum Room {
    /// Nothing but what came in this transaction.
    OnlyOurs {
        names: HashSet<Vec<u8>>,
        shown: HashSet<String>,
    },
    Others,
}

impl Storing<'_, '_> {
    fn put(&mut self, folder: Option<ItemKey>, put: &Put) -> Result<Stored> {
        if self.telling == Telling::Many {
            return self.put_item(folder, put);
        }
        let (before, content) = match put.fate {
            // What another scan added just before was told by that one.
            Fate::Added => (None, Content::Same),
            Fate::Stays { key, content } | Fate::Placed { key, content } => (Some(Before::of(self.tx, key)?), content),
        };
        let stored = self.put_item(folder, put)?;
        match (stored, before) {
            (Stored::New(key), _) => changes::note_new(self.tx, key, self.batch.now_ms)?,
            (Stored::Old(_), Some(before)) => {
                let at_its_place = (content == Content::Changed).then_some(ChangeKind::Modify);
                before.note(self.tx, at_its_place, self.batch.now_ms)?;
            }
            (Stored::Old(_), None) => {}
        }
        Ok(stored)
    }

    /// It is not where it was.
    fn miss(&mut self, key: ItemKey) -> Result<()> {
        let before = match self.telling {
            Telling::Each => Some(Before::of(self.tx, key)?),
            Telling::Many => None,
        };
        let now_ms = self.batch.now_ms;
        self.tx.run("UPDATE item SET missing_ms = $1 WHERE id = $2 AND missing_ms IS NULL", args![now_ms, key.0])?;
        before.map_or(Ok(()), |before| before.note(self.tx, None, now_ms))
    }

    fn put_item(&mut self, folder: Option<ItemKey>, put: &Put) -> Result<Stored> {
        if let (Fate::Added, Some(folder)) = (put.fate, folder)
            && let Some(shown) = self.shown_among_ours(folder, put)?
        {
            return Ok(Stored::New(self.insert(folder, put, shown)?));
        }
        let (known, content) = match put.fate {
            Fate::Added => (self.make_room(folder, put, None)?, Content::Same),
            Fate::Placed { key, content } => {
                self.make_room(folder, put, Some(key))?;
                (Some(key), content)
            }
            Fate::Stays { key, content } => (Some(key), content),
        };
        if let Some(key) = known {
            // Before it moves away, for the albums of where it was.
            mark_albums_around(self.tx, key)?;
        }
        let named = match (put.fate, folder) {
            (Fate::Stays { .. }, _) | (_, None) => None,
            (Fate::Added | Fate::Placed { .. }, Some(folder)) => {
                self.rooms.insert(folder, Room::Others);
                Some((folder, shown_in(self.tx, folder, put, known)?))
            }
        };
        match (known, named) {
            (Some(key), named) => {
                self.update(key, named, put, content)?;
                Ok(Stored::Old(key))
            }
            (None, Some((folder, shown))) => Ok(Stored::New(self.insert(folder, put, shown)?)),
            (None, None) => Err(Error::internal("scan", "a root that is not known")),
        }
    }

    /// A folder of one disc tells by its name and place which album its tracks are of. When it gets others, or becomes or was
    /// such a folder, the next scan reads the tags in it again.
    fn regroup_disc(&mut self, key: ItemKey, folder: ItemKey, shown: &str) -> Result<()> {
        let sql = "SELECT shown, parent_id FROM item WHERE id = $1";
        let before: (String, Option<i64>) = self.tx.one(sql, args![key.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let is_where_it_was = before.0 == shown && before.1 == Some(folder.0);
        if is_where_it_was || [&before.0, shown].iter().all(|name| disc_of_folder(name).is_none()) {
            return Ok(());
        }
        let sql = "UPDATE item SET modified_ns = modified_ns - 1 WHERE parent_id = $1 AND media = $2";
        self.tx.run(sql, args![key.0, media_number(Media::Audio)]).map(drop)
    }

    fn update(&mut self, key: ItemKey, named: Option<(ItemKey, String)>, put: &Put, content: Content) -> Result<()> {
        if let Some((folder, shown)) = named {
            if put.stamp.kind == ItemKind::Folder {
                self.regroup_disc(key, folder, &shown)?;
            }
            self.tx.run(
                "UPDATE item SET parent_id = $1, name = $2, shown = $3, sort = $4, search = $5, missing_ms = NULL
                 WHERE id = $6",
                args![folder.0, &put.name, &shown, sort_key(&shown), search_key(&shown), key.0],
            )?;
        }
        let stamp = &put.stamp;
        self.tx.run(
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
        Ok(())
    }

    fn insert(&mut self, folder: ItemKey, put: &Put, shown: String) -> Result<ItemKey> {
        let stamp = &put.stamp;
        let id = new_id(if stamp.kind == ItemKind::Folder { IdKind::Folder } else { IdKind::File });
        self.tx.one(
            "INSERT INTO item (public_id, library_id, parent_id, kind, media, name, shown, sort, search, size_bytes,
                               modified_ns, device, inode, birth_ns, revision, added_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 1, $15) RETURNING id",
            args![
                id,
                self.batch.library.0,
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
                self.batch.now_ms
            ],
            |row| Ok(ItemKey(row.get(0)?)),
        )
    }

    /// How something new is shown in a folder that has nothing but what was put there in this transaction.
    fn shown_among_ours(&mut self, folder: ItemKey, put: &Put) -> Result<Option<String>> {
        let room = match self.rooms.entry(folder) {
            hash_map::Entry::Occupied(known) => known.into_mut(),
            hash_map::Entry::Vacant(unknown) => {
                let sql =
                    "SELECT id FROM item WHERE parent_id = $1 AND missing_ms IS NULL AND trashed_ms IS NULL LIMIT 1";
                let occupant: Option<i64> = self.tx.maybe(sql, args![folder.0], |row| row.get(0))?;
                unknown.insert(match occupant {
                    None => Room::OnlyOurs { names: HashSet::new(), shown: HashSet::new() },
                    Some(_) => Room::Others,
                })
            }
        };
        let Room::OnlyOurs { names, shown: taken } = room else { return Ok(None) };
        if !names.insert(put.name.clone()) {
            return Ok(None);
        }
        let shown = unique_shown(shown(&put.name), |candidate| Ok::<_, Error>(taken.contains(candidate)))?;
        taken.insert(shown.clone());
        Ok(Some(shown))
    }

    /// Makes sure that nothing but `item` is at the path. Who had the path until now has its own change in the same scan,
    /// before or after this one: two items may swap their names. But what another scan, such as that of an upload, added there
    /// since this one began is the very item that this one found new: it is answered.
    fn make_room(&mut self, folder: Option<ItemKey>, put: &Put, item: Option<ItemKey>) -> Result<Option<ItemKey>> {
        let Some(folder) = folder else { return Ok(None) };
        let occupant = self.tx.maybe(
            "SELECT id, kind FROM item WHERE parent_id = $1 AND name = $2 AND missing_ms IS NULL AND trashed_ms IS NULL",
            args![folder.0, &put.name],
            |row| Ok((ItemKey(row.get(0)?), row.get::<i64>(1)?)),
        )?;
        match occupant {
            Some((key, kind)) if item.is_none() && key > self.batch.newest && kind == kind_number(put.stamp.kind) => {
                Ok(Some(key))
            }
            Some((key, _)) if Some(key) != item => {
                self.miss(key)?;
                Ok(None)
            }
            _ => Ok(None),
        }
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

fn json(list: &[String]) -> String {
    serde_json::Value::from(list).to_string()
}

// The end of a scan --------------------------------------------------------------------------------------------------

/// Whether there is work left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    More,
    Nothing,
}

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
