//! SQL of checksums that were found while files were read.

use super::{KEYS_AT_ONCE, Row, Tx, bind_all};
use crate::args;
use crate::error::Result;
use crate::library::ItemKey;

/// Tells whether a file's content may have changed: it may where any of these differs. The device is left out, since its number
/// changes from one start of a machine to the next, and from node to node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    pub size_bytes: u64,
    pub modified_ns: i64,
    pub inode: i64,
    pub birth_ns: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checksum {
    pub item: ItemKey,
    pub version: Version,
    pub crc32: u32,
}

/// What is known of these items, of whatever version; in no order.
pub fn of_items(tx: &mut Tx, items: &[ItemKey]) -> Result<Vec<Checksum>> {
    let mut known = Vec::new();
    for part in items.chunks(KEYS_AT_ONCE) {
        let mut args = Vec::new();
        let keys = bind_all(&mut args, part.iter().map(|item| item.0));
        let sql = format!(
            "SELECT item_id, size_bytes, modified_ns, inode, birth_ns, crc32 FROM checksum WHERE item_id IN ({keys})"
        );
        known.extend(tx.all(&sql, &args, checksum)?);
    }
    Ok(known)
}

fn checksum(row: &Row) -> Result<Checksum> {
    Ok(Checksum {
        item: ItemKey(row.get(0)?),
        version: Version {
            size_bytes: row.get(1)?,
            modified_ns: row.get(2)?,
            inode: row.get(3)?,
            birth_ns: row.get(4)?,
        },
        crc32: row.get(5)?,
    })
}

/// Stores them in place of what was known of the same items; items that are gone by now are left out.
pub fn put(tx: &mut Tx, checksums: &[Checksum]) -> Result<()> {
    for Checksum { item, version, crc32 } in checksums {
        tx.run(
            "INSERT INTO checksum (item_id, size_bytes, modified_ns, inode, birth_ns, crc32)
             SELECT id, CAST($2 AS BIGINT), CAST($3 AS BIGINT), CAST($4 AS BIGINT), CAST($5 AS BIGINT), CAST($6 AS BIGINT)
             FROM item WHERE id = $1
             ON CONFLICT (item_id) DO UPDATE SET size_bytes = excluded.size_bytes, modified_ns = excluded.modified_ns,
                 inode = excluded.inode, birth_ns = excluded.birth_ns, crc32 = excluded.crc32",
            args![item.0, version.size_bytes, version.modified_ns, version.inode, version.birth_ns, *crc32],
        )?;
    }
    Ok(())
}
