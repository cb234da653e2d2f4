//! Former contents of many files, as administrators page through them.

use super::version_of;
use crate::args;
use crate::error::Result;
use crate::library::versions::Version;
use crate::library::{ItemKey, LibraryKey, Page};
use crate::store::shares::Direction;
use crate::store::{Row, Tx, bind, bind_all};

/// Key of a former content inside this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionKey(pub i64);

#[derive(Debug, Clone)]
pub struct Kept {
    pub key: VersionKey,
    pub item: ItemKey,
    pub kept_ms: i64,
    pub version: Version,
}

const KEPT: &str =
    "SELECT v.public_id, v.library_id, v.size_bytes, v.modified_ms, v.id, v.item_id, v.kept_ms FROM file_version v";

fn kept_of(row: &Row) -> Result<Kept> {
    let version = version_of(row)?;
    Ok(Kept { key: VersionKey(row.get(4)?), item: ItemKey(row.get(5)?), kept_ms: row.get(6)?, version })
}

pub fn by_key(tx: &mut Tx, key: VersionKey) -> Result<Option<Kept>> {
    tx.maybe(&format!("{KEPT} WHERE v.id = $1"), args![key.0], kept_of)
}

/// A part of those of files that lie in these libraries and not in the trash, by when they were kept, and how many there are.
pub fn page(tx: &mut Tx, libraries: &[LibraryKey], way: Direction, page: Page) -> Result<(Vec<Kept>, u64)> {
    let mut args = Vec::new();
    let libraries = bind_all(&mut args, libraries.iter().map(|library| library.0));
    let of = format!(
        "WHERE v.item_id IN (SELECT i.id FROM item i WHERE i.id = v.item_id AND i.trashed_ms IS NULL
                             AND i.missing_ms IS NULL AND i.library_id IN ({libraries}))"
    );
    let total = tx.one(&format!("SELECT COUNT(*) FROM file_version v {of}"), &args, |row| row.get(0))?;
    let way = match way {
        Direction::Ascending => "ASC",
        Direction::Descending => "DESC",
    };
    let (limit, offset) = (bind(&mut args, page.limit), bind(&mut args, page.offset));
    let sql = format!("{KEPT} {of} ORDER BY v.id {way} LIMIT {limit} OFFSET {offset}");
    Ok((tx.all(&sql, &args, kept_of)?, total))
}
