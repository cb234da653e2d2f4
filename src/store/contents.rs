//! SQL of contents whose hash is known, so that a user's twin of one need not be sent again.

use super::Tx;
use crate::args;
use crate::error::Result;
use crate::library::ItemKey;
use crate::library::scan::Stamp;

pub type Sha256 = [u8; 32];

/// Twins that are looked at; more of one content are as good as these.
const MOST_TWINS: u64 = 8;

/// Notes a verified hash, and what the disk said of the file then.
pub fn note(tx: &mut Tx, item: ItemKey, stamp: &Stamp, sha256: &Sha256) -> Result<()> {
    tx.run(
        "INSERT INTO content_hash (item_id, size_bytes, modified_ns, inode, sha256) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (item_id) DO UPDATE SET size_bytes = excluded.size_bytes, modified_ns = excluded.modified_ns,
             inode = excluded.inode, sha256 = excluded.sha256",
        args![item.0, stamp.size_bytes, stamp.modified_ns, stamp.inode, sha256.as_slice()],
    )?;
    Ok(())
}

/// Items that had this content when they were last seen, and whose rows say nothing else since.
pub fn items_with(tx: &mut Tx, sha256: &Sha256, size_bytes: u64) -> Result<Vec<ItemKey>> {
    tx.all(
        "SELECT i.id FROM content_hash c JOIN item i ON i.id = c.item_id
         WHERE c.sha256 = $1 AND c.size_bytes = $2 AND i.size_bytes = c.size_bytes AND i.modified_ns = c.modified_ns
             AND i.inode = c.inode ORDER BY i.id LIMIT $3",
        args![sha256.as_slice(), size_bytes, MOST_TWINS],
        |row| Ok(ItemKey(row.get(0)?)),
    )
}
