//! Rows of libraries and of the folders and files in them.

use super::{KEYS_AT_ONCE, Row, Tx, Value, bind_all, rights};
use crate::account::token::random_base62;
use crate::account::{UserKey, name_key};
use crate::args;
use crate::error::{Error, Result, Thing};
use crate::library::names::{ending_at, search_key, sort_key};
use crate::library::{
    AlbumKey, ArtistKey, IdKind, Item, ItemKey, ItemKind, Library, LibraryKey, LibraryKind, Media, PlaylistKey,
};
use crate::share::grant::{Placed, Scope};
use crate::share::{Bits, Shared, Subject};
use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::Arc;

/// A library to be.
#[derive(Debug, Clone)]
pub struct NewLibrary {
    pub name: String,
    pub kind: LibraryKind,
    pub owner: Option<UserKey>,
    pub root: PathBuf,
    /// Of a `Single` library: the one name in `root` that is served.
    pub only: Option<Vec<u8>>,
    pub writable: bool,
}

/// What lies at and below an item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub files: u64,
    /// Without the item itself.
    pub folders: u64,
    pub size_bytes: u64,
    pub tracks: u64,
    pub duration_ms: u64,
}

const LIBRARY: &str = "SELECT id, public_id, name, kind, owner_id, root, only_name, writable, online, revision, scanned_ms, \
                       changed_ms FROM library";
macro_rules! item_columns {
    () => {
        "id, public_id, library_id, parent_id, kind, media, name, shown, size_bytes, modified_ns, revision, added_ms"
    };
}

/// Twelve, as [`item_of`] reads them.
pub(super) const ITEM_COLUMNS: &str = item_columns!();
pub(super) const ITEM: &str = concat!("SELECT ", item_columns!(), " FROM item");

// Libraries ----------------------------------------------------------------------------------------------------------

/// Makes a library with its root folder. A `Folder` library is given to everyone, to read and to share. `Exists` when
/// there is a `Folder` library of that name, or when the owner has a home.
pub fn insert(tx: &mut Tx, new: &NewLibrary, now_ms: i64) -> Result<Library> {
    refuse_taken_name(tx, new.kind, new.owner, &new.name, None)?;
    let key: i64 = tx.one(
        "INSERT INTO library (public_id, name, name_key, kind, owner_id, root, only_name, writable, online, revision,
                              created_ms, scanned_ms, changed_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, 0, $9, NULL, $10) RETURNING id",
        args![
            new_id(IdKind::Library),
            &new.name,
            name_key(&new.name),
            kind_text(new.kind),
            new.owner.map(|owner| owner.0),
            new.root.as_os_str().as_bytes(),
            new.only.clone(),
            new.writable,
            now_ms,
            now_ms
        ],
        |row| row.get(0),
    )?;
    tx.run(
        "INSERT INTO item (public_id, library_id, parent_id, kind, media, name, shown, sort, search, size_bytes,
                           modified_ns, device, inode, birth_ns, revision, added_ms)
         VALUES ($1, $2, NULL, 0, 0, $3, $4, $5, $6, 0, 0, 0, 0, NULL, 1, $7)",
        args![
            new_id(IdKind::Folder),
            key,
            new.name.as_bytes(),
            &new.name,
            sort_key(&new.name),
            search_key(&new.name),
            now_ms
        ],
    )?;
    let key = LibraryKey(key);
    if new.kind == LibraryKind::Folder {
        rights::set(tx, key, &Subject::Everyone, Bits::READ.and(Bits::SHARE))?;
    }
    by_key(tx, key)
}

fn refuse_taken_name(
    tx: &mut Tx,
    kind: LibraryKind,
    owner: Option<UserKey>,
    name: &str,
    except: Option<LibraryKey>,
) -> Result<()> {
    let taken: Option<i64> = match (kind, owner) {
        (LibraryKind::Folder, _) => {
            tx.maybe("SELECT id FROM library WHERE name_key = $1 AND kind = 'folder'", args![name_key(name)], |row| {
                row.get(0)
            })?
        }
        (LibraryKind::Home, Some(owner)) => {
            tx.maybe("SELECT id FROM library WHERE owner_id = $1 AND kind = 'home'", args![owner.0], |row| row.get(0))?
        }
        _ => None,
    };
    match taken {
        Some(taken) if Some(LibraryKey(taken)) != except => Err(Error::Exists(name.to_owned())),
        _ => Ok(()),
    }
}

/// All libraries, by name.
pub fn all(tx: &mut Tx) -> Result<Vec<Library>> {
    tx.all(&format!("{LIBRARY} ORDER BY name_key, id"), args![], library_of)
}

/// Folders and podcasts, which anyone may have rights in, and what is the user's own.
pub fn reachable(tx: &mut Tx, user: UserKey) -> Result<Vec<Library>> {
    let anyones = format!("{LIBRARY} WHERE kind IN ('folder', 'podcasts') ORDER BY name_key, id");
    let mut all = tx.all(&anyones, args![], library_of)?;
    let own = format!("{LIBRARY} WHERE owner_id = $1 AND kind NOT IN ('folder', 'podcasts') ORDER BY name_key, id");
    all.extend(tx.all(&own, args![user.0], library_of)?);
    Ok(all)
}

pub fn find(tx: &mut Tx, key: LibraryKey) -> Result<Option<Library>> {
    tx.maybe(&format!("{LIBRARY} WHERE id = $1"), args![key.0], library_of)
}

/// In which libraries these lie, each once. What is no item may lie anywhere, and is left out.
pub fn holding(tx: &mut Tx, items: &[Shared]) -> Result<Vec<LibraryKey>> {
    let keys = items.iter().filter_map(|shared| if let Shared::Item(key) = shared { Some(key.0) } else { None });
    let mut args = Vec::new();
    let keys = bind_all(&mut args, keys);
    let sql = format!("SELECT DISTINCT library_id FROM item WHERE id IN ({keys}) ORDER BY library_id");
    tx.all(&sql, &args, |row| Ok(LibraryKey(row.get(0)?)))
}

pub fn by_key(tx: &mut Tx, key: LibraryKey) -> Result<Library> {
    find(tx, key)?.ok_or(Error::NotFound(Thing::Library))
}

pub fn by_id(tx: &mut Tx, id: &str) -> Result<Option<Library>> {
    tx.maybe(&format!("{LIBRARY} WHERE public_id = $1"), args![id], library_of)
}

pub fn home_of(tx: &mut Tx, owner: UserKey) -> Result<Option<Library>> {
    tx.maybe(&format!("{LIBRARY} WHERE kind = 'home' AND owner_id = $1"), args![owner.0], library_of)
}

pub fn podcasts(tx: &mut Tx) -> Result<Option<Library>> {
    tx.maybe(&format!("{LIBRARY} WHERE kind = 'podcasts' ORDER BY id"), args![], library_of)
}

/// Says where a library lies now.
pub fn set_root(tx: &mut Tx, key: LibraryKey, root: &std::path::Path) -> Result<()> {
    tx.run("UPDATE library SET root = $1 WHERE id = $2", args![root.as_os_str().as_bytes(), key.0])?;
    Ok(())
}

/// The library whose root is this very path and serves the same.
pub fn by_root(tx: &mut Tx, root: &std::path::Path, only: Option<&[u8]>) -> Result<Option<Library>> {
    tx.maybe(
        &format!("{LIBRARY} WHERE root = $1 AND COALESCE(only_name, $2) = $3 ORDER BY id"),
        args![root.as_os_str().as_bytes(), b"", only.unwrap_or_default()],
        library_of,
    )
}

/// Changes a library's name and whether it can be written to.
pub fn update(tx: &mut Tx, key: LibraryKey, name: &str, access: Access, now_ms: i64) -> Result<()> {
    let before = by_key(tx, key)?;
    refuse_taken_name(tx, before.kind, before.owner, name, Some(key))?;
    tx.run(
        "UPDATE library SET name = $1, name_key = $2, writable = $3, changed_ms = $4, revision = revision + 1
         WHERE id = $5",
        args![name, name_key(name), access == Access::Writable, now_ms, key.0],
    )?;
    tx.run(
        "UPDATE item SET name = $1, shown = $2, sort = $3, search = $4 WHERE library_id = $5 AND parent_id IS NULL",
        args![name.as_bytes(), name, sort_key(name), search_key(name), key.0],
    )?;
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    ReadOnly,
    Writable,
}

/// Forgets a library and all that is known of what is in it. Its files stay.
pub fn remove(tx: &mut Tx, key: LibraryKey) -> Result<()> {
    let items = "SELECT id FROM item WHERE library_id = $1";
    let object = "DELETE FROM rights WHERE object_kind =";
    tx.run(&format!("{object} 'item' AND object_id IN ({items})"), args![key.0])?;
    tx.run(&format!("{object} 'library' AND object_id = $1"), args![key.0])?;
    tx.run(&format!("DELETE FROM track WHERE item_id IN ({items})"), args![key.0])?;
    tx.run("DELETE FROM album WHERE library_id = $1", args![key.0])?;
    tx.run("DELETE FROM item WHERE library_id = $1", args![key.0])?;
    tx.run("DELETE FROM file_change WHERE library_id = $1", args![key.0])?;
    tx.run("DELETE FROM library WHERE id = $1", args![key.0])?;
    super::scan::forget_unused_names(tx)
}

// Items --------------------------------------------------------------------------------------------------------------

/// The root folder of a library.
pub fn root_item(tx: &mut Tx, library: LibraryKey) -> Result<Item> {
    tx.one(&format!("{ITEM} WHERE library_id = $1 AND parent_id IS NULL"), args![library.0], item_of)
}

/// An item that is there: neither missing nor in the trash itself. Whether a folder above it is in the trash, [`place`] says.
pub fn item(tx: &mut Tx, key: ItemKey) -> Result<Option<Item>> {
    let sql = format!("{ITEM} WHERE id = $1 AND missing_ms IS NULL AND trashed_ms IS NULL");
    tx.maybe(&sql, args![key.0], item_of)
}

/// The same whatever became of it, as long as it is not forgotten.
pub fn item_ever(tx: &mut Tx, key: ItemKey) -> Result<Option<Item>> {
    tx.maybe(&format!("{ITEM} WHERE id = $1"), args![key.0], item_of)
}

/// Items that are there, in the order of their keys.
pub fn items(tx: &mut Tx, keys: &[ItemKey]) -> Result<Vec<Item>> {
    let mut found = HashMap::new();
    for part in keys.chunks(KEYS_AT_ONCE) {
        let mut args = Vec::new();
        let ids = bind_all(&mut args, part.iter().map(|key| key.0));
        let sql = format!("{ITEM} WHERE id IN ({ids}) AND missing_ms IS NULL AND trashed_ms IS NULL");
        found.extend(tx.all(&sql, &args, item_of)?.into_iter().map(|item| (item.key, item)));
    }
    Ok(keys.iter().filter_map(|key| found.remove(key)).collect())
}

pub fn item_by_id(tx: &mut Tx, id: &str) -> Result<Option<Item>> {
    let sql = format!("{ITEM} WHERE public_id = $1 AND missing_ms IS NULL AND trashed_ms IS NULL");
    tx.maybe(&sql, args![id], item_of)
}

/// By its name on disk.
pub fn child_named(tx: &mut Tx, parent: ItemKey, name: &[u8]) -> Result<Option<Item>> {
    let sql = format!("{ITEM} WHERE parent_id = $1 AND name = $2 AND missing_ms IS NULL AND trashed_ms IS NULL");
    tx.maybe(&sql, args![parent.0, name], item_of)
}

/// By its name as shown; `shown` may come decomposed.
pub fn child_shown(tx: &mut Tx, parent: ItemKey, shown: &str) -> Result<Option<Item>> {
    use unicode_normalization::UnicodeNormalization;
    let shown: String = shown.nfc().collect();
    let sql = format!("{ITEM} WHERE parent_id = $1 AND shown = $2 AND missing_ms IS NULL AND trashed_ms IS NULL");
    tx.maybe(&sql, args![parent.0, shown], item_of)
}

/// Keys of what lies directly in a folder, in the order of listings.
pub fn child_keys(tx: &mut Tx, parent: ItemKey) -> Result<Vec<ItemKey>> {
    let sql = "SELECT id FROM item WHERE parent_id = $1 AND missing_ms IS NULL AND trashed_ms IS NULL
               ORDER BY kind, sort, id";
    tx.all(sql, args![parent.0], |row| Ok(ItemKey(row.get(0)?)))
}

/// What lies directly in a folder: folders first, then by name.
pub fn children(tx: &mut Tx, parent: ItemKey) -> Result<Vec<Item>> {
    let sql =
        format!("{ITEM} WHERE parent_id = $1 AND missing_ms IS NULL AND trashed_ms IS NULL ORDER BY kind, sort, id");
    tx.all(&sql, args![parent.0], item_of)
}

/// Files beside one that are called like it, but for what follows its last dot or stands between: `Song.en.lrc` beside
/// `Song.flac`. By name.
pub fn beside(tx: &mut Tx, item: &Item) -> Result<Vec<Item>> {
    const MOST: i64 = 100;
    let Some(parent) = item.parent else { return Ok(Vec::new()) };
    let stem = &item.name[..ending_at(&item.name)];
    // As bytes, `/` follows right after the dot, and stands in no name.
    let (from, to) = ([stem, b"."].concat(), [stem, b"/"].concat());
    let sql = format!(
        "{ITEM} WHERE parent_id = $1 AND name >= $2 AND name < $3 AND kind = 1 AND id <> $4
         AND missing_ms IS NULL AND trashed_ms IS NULL ORDER BY name LIMIT $5"
    );
    tx.all(&sql, args![parent.0, from, to, item.key.0, MOST], item_of)
}

/// All films in these libraries, by name, each with the public id of its folder.
pub fn films(tx: &mut Tx, scope: &Scope) -> Result<Vec<(Item, Option<String>)>> {
    let mut args = Vec::new();
    let sql = format!(
        "{ITEM} WHERE media = 3 AND library_id IN ({}) AND missing_ms IS NULL AND trashed_ms IS NULL ORDER BY sort, id",
        super::music::libraries(&mut args, scope)
    );
    let films = tx.all(&sql, &args, item_of)?;
    let mut folders: HashMap<ItemKey, String> = HashMap::new();
    let mut placed = Vec::with_capacity(films.len());
    for film in films {
        let folder = match film.parent {
            Some(key) => match folders.get(&key) {
                Some(id) => Some(id.clone()),
                None => item(tx, key)?.map(|folder| folder.id),
            },
            None => None,
        };
        if let (Some(key), Some(id)) = (film.parent, &folder) {
            folders.insert(key, id.clone());
        }
        placed.push((film, folder));
    }
    Ok(placed)
}

/// Keys of the folders in a folder, each with `of` its shown name, in the order of listings.
pub fn folders_in<T>(tx: &mut Tx, parent: ItemKey, of: impl Fn(&str) -> T) -> Result<Vec<(ItemKey, T)>> {
    let sql =
        "SELECT id, shown FROM item WHERE parent_id = $1 AND kind = 0 AND missing_ms IS NULL AND trashed_ms IS NULL
               ORDER BY sort, id";
    tx.all(sql, args![parent.0], |row| Ok((ItemKey(row.get(0)?), of(&row.get::<String>(1)?))))
}

/// Keys of the music and films in a folder, in the order of listings.
pub fn media_in(tx: &mut Tx, parent: ItemKey) -> Result<Vec<ItemKey>> {
    let sql = "SELECT id FROM item WHERE parent_id = $1 AND kind = 1 AND media IN ($2, $3)
               AND missing_ms IS NULL AND trashed_ms IS NULL ORDER BY sort, id";
    let args = args![parent.0, media_number(Media::Audio), media_number(Media::Video)];
    tx.all(sql, args, |row| Ok(ItemKey(row.get(0)?)))
}

pub fn child_count(tx: &mut Tx, parent: ItemKey) -> Result<u64> {
    tx.one(
        "SELECT COUNT(*) FROM item WHERE parent_id = $1 AND missing_ms IS NULL AND trashed_ms IS NULL",
        args![parent.0],
        |row| row.get(0),
    )
}

/// What [`child_count`] tells, of many folders at once; those without children are left out.
pub fn child_counts(tx: &mut Tx, parents: &[ItemKey]) -> Result<HashMap<ItemKey, u64>> {
    let mut counts = HashMap::new();
    for part in parents.chunks(KEYS_AT_ONCE) {
        let mut args = Vec::new();
        let keys = bind_all(&mut args, part.iter().map(|key| key.0));
        let sql = format!(
            "SELECT parent_id, COUNT(*) FROM item
             WHERE parent_id IN ({keys}) AND missing_ms IS NULL AND trashed_ms IS NULL GROUP BY parent_id"
        );
        counts.extend(tx.all(&sql, &args, |row| Ok((ItemKey(row.get(0)?), row.get(1)?)))?);
    }
    Ok(counts)
}

/// An item with all that decides who may have it. `NotFound` when it, or a folder above it, is missing or in the trash.
/// Of `playlists`, those are answered that hold the item.
pub fn place(tx: &mut Tx, item: Item, playlists: &[PlaylistKey]) -> Result<Placed> {
    let key = item.key;
    let above = tx.all(
        "WITH RECURSIVE above (id, parent_id, name, hidden, depth) AS (
             SELECT id, parent_id, name, COALESCE(missing_ms, trashed_ms), CAST(0 AS BIGINT) FROM item WHERE id = $1
             UNION ALL
             SELECT p.id, p.parent_id, p.name, COALESCE(p.missing_ms, p.trashed_ms), a.depth + 1
             FROM item p JOIN above a ON p.id = a.parent_id
         )
         SELECT id, parent_id, name, hidden FROM above ORDER BY depth",
        args![key.0],
        |row| {
            Ok((ItemKey(row.get(0)?), row.get::<Option<i64>>(1)?, row.get::<Vec<u8>>(2)?, row.get::<Option<i64>>(3)?))
        },
    )?;
    if above.is_empty() || above.iter().any(|(_, _, _, hidden)| hidden.is_some()) {
        return Err(Error::NotFound(if item.is_folder() { Thing::Folder } else { Thing::File }));
    }
    let library = Arc::new(by_key(tx, item.library)?);
    let chain = above.iter().map(|(key, ..)| *key).collect();
    let mut path: Vec<Vec<u8>> =
        above.into_iter().filter(|(_, parent, ..)| parent.is_some()).map(|(_, _, name, _)| name).collect();
    path.reverse();
    let album: Option<Option<i64>> =
        tx.maybe("SELECT album_id FROM track WHERE item_id = $1", args![key.0], |row| row.get(0))?;
    let artists = tx.all(
        "SELECT artist_id FROM track_credit WHERE item_id = $1 AND role IN ('artist', 'albumartist')
         UNION SELECT c.artist_id FROM album_credit c JOIN track t ON t.album_id = c.album_id WHERE t.item_id = $2",
        args![key.0, key.0],
        |row| Ok(ArtistKey(row.get(0)?)),
    )?;
    let playlists = if playlists.is_empty() {
        Vec::new()
    } else {
        let mut args: Vec<Value> = vec![key.0.into()];
        let playlists = bind_all(&mut args, playlists.iter().map(|playlist| playlist.0));
        let sql = format!(
            "SELECT DISTINCT playlist_id FROM playlist_entry WHERE item_id = $1 AND playlist_id IN ({playlists})"
        );
        tx.all(&sql, &args, |row| Ok(PlaylistKey(row.get(0)?)))?
    };
    Ok(Placed { item, library, path, chain, album: album.flatten().map(AlbumKey), artists, playlists })
}

/// The files below a folder in the order of its listings, and the folders that hold nothing, each with its shown path from
/// the folder on and all that decides who may have it, but for its music: whoever may have the folder has what is below it
/// by that.
pub fn files_below(tx: &mut Tx, top: &Placed) -> Result<Vec<(String, Placed)>> {
    let there = "missing_ms IS NULL AND trashed_ms IS NULL";
    let sql = format!(
        "WITH RECURSIVE below (id) AS (
             SELECT id FROM item WHERE parent_id = $1 AND {there}
             UNION ALL
             SELECT c.id FROM item c JOIN below b ON c.parent_id = b.id WHERE c.missing_ms IS NULL AND c.trashed_ms IS NULL
         )
         {ITEM} WHERE id IN (SELECT id FROM below) ORDER BY parent_id, kind, sort, id"
    );
    let mut children: HashMap<Option<ItemKey>, Vec<Item>> = HashMap::new();
    for item in tx.all(&sql, args![top.item.key.0], item_of)? {
        children.entry(item.parent).or_default().push(item);
    }
    let mut below = |folder: &Item| children.remove(&Some(folder.key)).unwrap_or_default().into_iter();
    let mut files = Vec::new();
    let mut open = vec![(String::new(), top.path.clone(), top.chain.clone(), below(&top.item))];
    while let Some((shown, path, chain, rest)) = open.last_mut() {
        let Some(item) = rest.next() else {
            open.pop();
            continue;
        };
        let shown = format!("{shown}{}", item.shown);
        let path = [path.as_slice(), std::slice::from_ref(&item.name)].concat();
        let chain = [&[item.key], chain.as_slice()].concat();
        let in_it = below(&item);
        if in_it.len() > 0 {
            open.push((shown + "/", path, chain, in_it));
        } else {
            let library = Arc::clone(&top.library);
            let (artists, playlists) = (Vec::new(), Vec::new());
            files.push((shown, Placed { item, library, path, chain, album: None, artists, playlists }));
        }
    }
    Ok(files)
}

/// Sums over an item and all below it.
pub fn totals(tx: &mut Tx, key: ItemKey) -> Result<Totals> {
    tx.one(
        "WITH RECURSIVE below (id, kind, size_bytes) AS (
             SELECT id, kind, size_bytes FROM item WHERE id = $1
             UNION ALL
             SELECT c.id, c.kind, c.size_bytes FROM item c JOIN below b ON c.parent_id = b.id
             WHERE c.missing_ms IS NULL AND c.trashed_ms IS NULL
         )
         SELECT CAST(COALESCE(SUM(b.kind), 0) AS BIGINT),
                CAST(COALESCE(SUM(CASE WHEN b.kind = 0 AND b.id <> $2 THEN 1 ELSE 0 END), 0) AS BIGINT),
                CAST(COALESCE(SUM(CASE WHEN b.kind = 1 THEN b.size_bytes ELSE 0 END), 0) AS BIGINT),
                COUNT(t.item_id),
                CAST(COALESCE(SUM(t.duration_ms), 0) AS BIGINT)
         FROM below b LEFT JOIN track t ON t.item_id = b.id",
        args![key.0, key.0],
        |row| {
            Ok(Totals {
                files: row.get(0)?,
                folders: row.get(1)?,
                size_bytes: row.get(2)?,
                tracks: row.get(3)?,
                duration_ms: row.get(4)?,
            })
        },
    )
}

// Columns ------------------------------------------------------------------------------------------------------------

/// A new public id.
pub(super) fn new_id(kind: IdKind) -> String {
    format!("{}{}", kind.letter(), random_base62(16))
}

fn library_of(row: &Row) -> Result<Library> {
    let kind: String = row.get(3)?;
    Ok(Library {
        key: LibraryKey(row.get(0)?),
        id: row.get(1)?,
        name: row.get(2)?,
        kind: match kind.as_str() {
            "folder" => LibraryKind::Folder,
            "home" => LibraryKind::Home,
            "single" => LibraryKind::Single,
            "podcasts" => LibraryKind::Podcasts,
            _ => return Err(Error::internal("library: unknown kind", kind)),
        },
        owner: row.get::<Option<i64>>(4)?.map(UserKey),
        root: PathBuf::from(OsString::from_vec(row.get(5)?)),
        only: row.get(6)?,
        writable: row.get(7)?,
        online: row.get(8)?,
        revision: row.get(9)?,
        scanned_ms: row.get(10)?,
        changed_ms: row.get(11)?,
    })
}

fn kind_text(kind: LibraryKind) -> &'static str {
    match kind {
        LibraryKind::Folder => "folder",
        LibraryKind::Home => "home",
        LibraryKind::Single => "single",
        LibraryKind::Podcasts => "podcasts",
    }
}

/// Of the columns that [`ITEM`] selects.
pub(super) fn item_of(row: &Row) -> Result<Item> {
    Ok(Item {
        key: ItemKey(row.get(0)?),
        id: row.get(1)?,
        library: LibraryKey(row.get(2)?),
        parent: row.get::<Option<i64>>(3)?.map(ItemKey),
        kind: item_kind(row.get(4)?)?,
        media: match row.get::<i64>(5)? {
            0 => Media::None,
            1 => Media::Audio,
            2 => Media::Image,
            3 => Media::Video,
            other => return Err(Error::internal("item: unknown media", other)),
        },
        name: row.get(6)?,
        shown: row.get(7)?,
        size_bytes: row.get(8)?,
        modified_ms: row.get::<i64>(9)?.div_euclid(1_000_000),
        revision: row.get(10)?,
        added_ms: row.get(11)?,
    })
}

pub(super) fn item_kind(number: i64) -> Result<ItemKind> {
    match number {
        0 => Ok(ItemKind::Folder),
        1 => Ok(ItemKind::File),
        other => Err(Error::internal("item: unknown kind", other)),
    }
}

pub(super) fn kind_number(kind: ItemKind) -> i64 {
    match kind {
        ItemKind::Folder => 0,
        ItemKind::File => 1,
    }
}

pub(super) fn media_number(media: Media) -> i64 {
    match media {
        Media::None => 0,
        Media::Audio => 1,
        Media::Image => 2,
        Media::Video => 3,
    }
}
