//! Rows of former contents, and of what users wish to be kept of them.

use super::{Row, Tx};
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
    let sql = "SELECT keeps_versions, version_suffixes, most_versions FROM account WHERE id = $1";
    tx.one(sql, args![user.0], |row| {
        let suffixes: Option<String> = row.get(1)?;
        let suffixes = suffixes.map(|json| serde_json::from_str(&json)).transpose();
        Ok(Retention {
            is_on: row.get(0)?,
            suffixes: suffixes.map_err(|cause| Error::internal("account: kinds of versions", cause))?,
            most: row.get(2)?,
        })
    })
}

pub fn set_retention(tx: &mut Tx, user: UserKey, retention: &Retention) -> Result<()> {
    let suffixes = retention.suffixes.as_ref().map(|suffixes| serde_json::Value::from(suffixes.as_slice()).to_string());
    let sql = "UPDATE account SET keeps_versions = $2, version_suffixes = $3, most_versions = $4 WHERE id = $1";
    tx.run(sql, args![user.0, retention.is_on, suffixes, retention.most])?;
    Ok(())
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
