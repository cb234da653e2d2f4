//! Rows of former contents, and of what users wish to be kept of them.

pub mod lists;

use super::{Row, Tx, preferences};
use crate::account::UserKey;
use crate::args;
use crate::error::{Error, Result, Thing};
use crate::library::versions::{Retention, Version};
use crate::library::{ItemKey, LibraryKey};

const VERSION: &str = "SELECT public_id, library_id, size_bytes, modified_ms FROM file_version";

fn version_of(row: &Row) -> Result<Version> {
    Ok(Version { id: row.get(0)?, library: LibraryKey(row.get(1)?), size_bytes: row.get(2)?, modified_ms: row.get(3)? })
}

pub fn retention(tx: &mut Tx, user: UserKey) -> Result<Retention> {
    let wish = preferences::of(tx, user)?;
    Ok(Retention {
        is_on: wish.keeps_versions,
        suffixes: Some(wish.version_endings).filter(|endings| !endings.is_empty()),
        most: wish.most_versions.map(|most| u32::try_from(most).unwrap_or(u32::MAX)),
    })
}

/// Notes one that lies there. It may be noted already.
pub fn insert(tx: &mut Tx, item: ItemKey, version: &Version, now_ms: i64) -> Result<()> {
    tx.run(
        "INSERT INTO file_version (public_id, item_id, library_id, size_bytes, modified_ms, kept_ms)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (public_id) DO NOTHING",
        args![&version.id, item.0, version.library.0, version.size_bytes, version.modified_ms, now_ms],
    )?;
    Ok(())
}

/// All of a file, the oldest first.
pub fn of_item(tx: &mut Tx, item: ItemKey) -> Result<Vec<Version>> {
    tx.all(&format!("{VERSION} WHERE item_id = $1 ORDER BY id"), args![item.0], version_of)
}

/// One of this file's.
pub fn by_id(tx: &mut Tx, item: ItemKey, id: &str) -> Result<Version> {
    let sql = format!("{VERSION} WHERE item_id = $1 AND public_id = $2");
    tx.maybe(&sql, args![item.0, id], version_of)?.ok_or(Error::NotFound(Thing::Version))
}

/// Of an item and all below it, wherever it lies now.
pub fn below(tx: &mut Tx, top: ItemKey) -> Result<Vec<Version>> {
    let sql = format!("{} {VERSION} WHERE item_id IN (SELECT id FROM below)", super::files::BELOW);
    tx.all(&sql, args![top.0], version_of)
}

pub fn of_library(tx: &mut Tx, library: LibraryKey) -> Result<Vec<String>> {
    tx.all("SELECT public_id FROM file_version WHERE library_id = $1", args![library.0], |row| row.get(0))
}

pub fn remove(tx: &mut Tx, ids: &[String]) -> Result<()> {
    ids.iter().try_for_each(|id| tx.run("DELETE FROM file_version WHERE public_id = $1", args![id]).map(drop))
}
