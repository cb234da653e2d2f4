//! Rows as people change them: what lies at a path, the trash, the space in use.

use super::changes::{self, Before};
use super::library::{ITEM, item_of};
use super::scan::{Albums, Batch, Entry, Folder, Put, commit};
use super::{Tx, scan};
use crate::args;
use crate::error::{Error, Result, Thing};
use crate::library::scan::Stamp;
use crate::library::{Item, ItemKey, ItemKind, LibraryKey};
use std::collections::HashMap;

/// Albums summed up in one transaction, so that others can write in between.
const ALBUMS_AT_ONCE: u64 = 50;

pub(super) const BELOW: &str = "WITH RECURSIVE below (id) AS (
         SELECT id FROM item WHERE id = $1
         UNION ALL
         SELECT c.id FROM item c JOIN below b ON c.parent_id = b.id
     )";

/// Stores one change, and answers the item as it is now.
pub fn put(tx: &mut Tx, library: LibraryKey, put: Put, now_ms: i64) -> Result<Item> {
    let at = put.at;
    let keys = put_all(tx, library, vec![put], now_ms)?;
    let key = keys.get(&at).ok_or_else(|| Error::internal("files", "a change without an item"))?;
    tx.one(&format!("{ITEM} WHERE id = $1"), args![key.0], item_of)
}

/// Stores changes, folders before what is in them; tells the item of each by its number.
pub fn put_all(tx: &mut Tx, library: LibraryKey, puts: Vec<Put>, now_ms: i64) -> Result<HashMap<usize, ItemKey>> {
    let mut keys = HashMap::new();
    let entries: Vec<Entry> = puts.into_iter().map(|put| Entry::Put(Box::new(put))).collect();
    // Whatever stands at a path by now is the file that was just put there: a scan saw it first.
    let batch = Batch { library, newest: ItemKey(0), now_ms, changes: entries.len(), albums: Albums::AfterAll };
    commit(tx, batch, &entries, &mut keys)?;
    Ok(keys)
}

/// One step of bringing the albums of a library up to date.
pub fn refresh_albums(tx: &mut Tx, library: LibraryKey, now_ms: i64) -> Result<scan::Left> {
    match scan::sort(tx, library, ALBUMS_AT_ONCE, now_ms)? {
        scan::Left::More => Ok(scan::Left::More),
        scan::Left::Nothing => scan::refresh(tx, library, ALBUMS_AT_ONCE),
    }
}

/// What the last look at the disk said of an item.
pub fn stamp(tx: &mut Tx, key: ItemKey) -> Result<Stamp> {
    tx.one(
        "SELECT kind, size_bytes, modified_ns, device, inode, birth_ns FROM item WHERE id = $1",
        args![key.0],
        |row| {
            Ok(Stamp {
                kind: if row.get::<i64>(0)? == 0 { ItemKind::Folder } else { ItemKind::File },
                size_bytes: row.get(1)?,
                modified_ns: row.get(2)?,
                device: row.get(3)?,
                inode: row.get(4)?,
                birth_ns: row.get(5)?,
            })
        },
    )
}

/// Raises the revision of a file that is still at `revision`: of several who want to replace it, one may.
pub fn claim(tx: &mut Tx, key: ItemKey, revision: i64) -> Result<()> {
    let sql = "UPDATE item SET revision = revision + 1 WHERE id = $1 AND revision = $2";
    match tx.run(sql, args![key.0, revision])? {
        0 => Err(Error::Conflict(Thing::Version)),
        _ => Ok(()),
    }
}

/// Of an item and all below it: the other library. Its tracks look for albums anew, and what it was stored under stays
/// behind: who chose that has no say in the other library.
pub fn change_library(tx: &mut Tx, key: ItemKey, library: LibraryKey, now_ms: i64) -> Result<()> {
    mark_albums(tx, key)?;
    let from = library_of(tx, key)?;
    if from != library {
        let sql = "DELETE FROM item_policy WHERE item_id IN (SELECT id FROM below)";
        tx.run(&format!("{BELOW} {sql}"), args![key.0])?;
    }
    let count: usize = tx.one(&format!("{BELOW} SELECT COUNT(*) FROM below"), args![key.0], |row| row.get(0))?;
    if count > changes::ONE_BY_ONE {
        // Where it goes to, whoever puts it there says the same.
        changes::note_many(tx, from, now_ms)?;
    }
    scan::list_elsewhere(tx, &below(), key, library)?;
    let sql = "UPDATE track SET album_id = NULL, unsorted = 1 WHERE item_id IN (SELECT id FROM below)";
    tx.run(&format!("{BELOW} {sql}"), args![key.0])?;
    let sql = "UPDATE item SET library_id = $2 WHERE id IN (SELECT id FROM below)";
    tx.run(&format!("{BELOW} {sql}"), args![key.0, library.0])?;
    tx.run("UPDATE library SET revision = revision + 1 WHERE id = $1", args![from.0])?;
    Ok(())
}

/// The keys of an item and of all below it, as a list.
fn below() -> String {
    format!("{BELOW} SELECT id FROM below")
}

fn mark_albums(tx: &mut Tx, key: ItemKey) -> Result<()> {
    let sql = "UPDATE album SET stale = 1
               WHERE id IN (SELECT album_id FROM track WHERE item_id IN (SELECT id FROM below))
               OR cover_item_id IN (SELECT id FROM below)";
    tx.run(&format!("{BELOW} {sql}"), args![key.0])?;
    Ok(())
}

fn note_change(tx: &mut Tx, library: LibraryKey, now_ms: i64) -> Result<()> {
    let sql = "UPDATE library SET revision = revision + 1, changed_ms = $1 WHERE id = $2";
    tx.run(sql, args![now_ms, library.0])?;
    Ok(())
}

// The trash ----------------------------------------------------------------------------------------------------------

/// Hides an item and all below it. Only the item itself remembers where it lay; it hangs below the library's root from
/// now on, so that its old folder may go.
pub fn trash(tx: &mut Tx, key: ItemKey, library: LibraryKey, now_ms: i64) -> Result<()> {
    super::locks::remove_below(tx, key)?;
    mark_albums(tx, key)?;
    let before = Before::of(tx, key)?;
    // What had gone missing in it stays that: it is not in the trash.
    let sql = "WITH RECURSIVE below (id) AS (
                   SELECT id FROM item WHERE id = $1
                   UNION ALL
                   SELECT c.id FROM item c JOIN below b ON c.parent_id = b.id WHERE c.missing_ms IS NULL
               )
               UPDATE item SET trashed_ms = $2 WHERE id IN (SELECT id FROM below)";
    tx.run(sql, args![key.0, now_ms])?;
    // A scan may have come between disk and rows, and found it missing.
    tx.run(
        "UPDATE item SET missing_ms = NULL,
             trashed_from = (SELECT folder.public_id FROM item folder WHERE folder.id = item.parent_id),
             parent_id = (SELECT root.id FROM item root WHERE root.library_id = $2 AND root.parent_id IS NULL)
         WHERE id = $1",
        args![key.0, library.0],
    )?;
    before.note(tx, None, now_ms)?;
    note_change(tx, library, now_ms)
}

/// Shows an item and all below it again, which [`put`] gave its place before.
pub fn untrash(tx: &mut Tx, key: ItemKey, library: LibraryKey, now_ms: i64) -> Result<()> {
    let before = Before::of(tx, key)?;
    let sql = "UPDATE item SET trashed_ms = NULL, trashed_from = NULL WHERE id IN (SELECT id FROM below)";
    tx.run(&format!("{BELOW} {sql}"), args![key.0])?;
    mark_albums(tx, key)?;
    before.note(tx, None, now_ms)?;
    note_change(tx, library, now_ms)
}

/// What was put in the trash, the last first; what went there as part of a folder is not listed.
pub fn trashed(tx: &mut Tx, library: LibraryKey) -> Result<Vec<Item>> {
    let sql = format!("{ITEM} WHERE library_id = $1 AND trashed_from IS NOT NULL ORDER BY trashed_ms DESC, id DESC");
    tx.all(&sql, args![library.0], item_of)
}

/// How much [`trashed`] lists.
pub fn count_trashed(tx: &mut Tx, library: LibraryKey) -> Result<u64> {
    let sql = "SELECT COUNT(*) FROM item WHERE library_id = $1 AND trashed_from IS NOT NULL";
    tx.one(sql, args![library.0], |row| row.get(0))
}

/// Something in the trash, and the id of the folder it lay in.
pub fn trashed_by_id(tx: &mut Tx, id: &str) -> Result<Option<(Item, String)>> {
    let from = "SELECT trashed_from FROM item WHERE public_id = $1 AND trashed_from IS NOT NULL";
    let Some(from) = tx.maybe(from, args![id], |row| row.get(0))? else { return Ok(None) };
    Ok(tx.maybe(&format!("{ITEM} WHERE public_id = $1"), args![id], item_of)?.map(|item| (item, from)))
}

/// An item whatever became of it: whether it is in the trash.
pub fn fate(tx: &mut Tx, id: &str) -> Result<Option<(ItemKey, bool)>> {
    tx.maybe("SELECT id, trashed_from IS NOT NULL FROM item WHERE public_id = $1", args![id], |row| {
        Ok((ItemKey(row.get(0)?), row.get(1)?))
    })
}

/// Forgets an item and all below it.
pub fn forget(tx: &mut Tx, key: ItemKey, library: LibraryKey, now_ms: i64) -> Result<()> {
    mark_albums(tx, key)?;
    changes::note_end(tx, key, now_ms)?;
    scan::unlist(tx, &below(), key)?;
    let rights = "DELETE FROM rights WHERE object_kind = 'item' AND object_id IN (SELECT id FROM below)";
    tx.run(&format!("{BELOW} {rights}"), args![key.0])?;
    let marks = "DELETE FROM mark WHERE object_kind = 'item' AND object_id IN (SELECT id FROM below)";
    tx.run(&format!("{BELOW} {marks}"), args![key.0])?;
    tx.run(&format!("{BELOW} DELETE FROM item WHERE id IN (SELECT id FROM below)"), args![key.0])?;
    note_change(tx, library, now_ms)
}

/// Bytes of all files of a library, the trash and former contents included: they are on the disk.
pub fn used_bytes(tx: &mut Tx, library: LibraryKey) -> Result<u64> {
    tx.one(
        "SELECT CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT)
             + (SELECT CAST(COALESCE(SUM(v.size_bytes), 0) AS BIGINT) FROM file_version v WHERE v.library_id = $1)
         FROM item WHERE library_id = $1 AND kind = 1 AND (missing_ms IS NULL OR trashed_ms IS NOT NULL)",
        args![library.0],
        |row| row.get(0),
    )
}

/// A change of an item in `folder`, at number 0.
pub fn change(folder: ItemKey, name: Vec<u8>, stamp: Stamp, fate: scan::Fate, track: scan::Track) -> Put {
    let media = match stamp.kind {
        ItemKind::Folder => crate::library::Media::None,
        ItemKind::File => crate::library::tags::media_of(&name),
    };
    Put { at: 0, folder: Folder::Known(folder), name, stamp, media, fate, track }
}

/// The library of an item, whatever became of it.
pub fn library_of(tx: &mut Tx, key: ItemKey) -> Result<LibraryKey> {
    let sql = "SELECT library_id FROM item WHERE id = $1";
    tx.maybe(sql, args![key.0], |row| Ok(LibraryKey(row.get(0)?)))?.ok_or(Error::NotFound(Thing::Folder))
}
