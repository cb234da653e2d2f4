//! Lists of shares: as administrators page through them, and of one item.

use super::{Direction, SHARE, complete, share};
use crate::account::UserKey;
use crate::args;
use crate::error::Result;
use crate::library::ItemKey;
use crate::library::Page;
use crate::share::Share;
use crate::store::Tx;

/// A part of all shares that are not revoked, or of one owner's, by when they were made; and how many there are.
pub fn page(tx: &mut Tx, owner: Option<UserKey>, way: Direction, page: Page) -> Result<(Vec<Share>, u64)> {
    let way = match way {
        Direction::Ascending => "ASC",
        Direction::Descending => "DESC",
    };
    let of = "s.revoked_ms IS NULL AND (CAST($1 AS BIGINT) IS NULL OR s.owner_id = $1)";
    let owner = owner.map(|owner| owner.0);
    let total = tx.one(&format!("SELECT COUNT(*) FROM share s WHERE {of}"), args![owner], |row| row.get(0))?;
    let sql = format!("SELECT {SHARE} FROM share s WHERE {of} ORDER BY s.id {way} LIMIT $2 OFFSET $3");
    let found = tx.all(&sql, args![owner, page.limit, page.offset], share)?;
    Ok((complete(tx, found)?, total))
}

/// Shares of an owner that hold this very item and are not revoked, newest first.
pub fn holding(tx: &mut Tx, owner: UserKey, item: ItemKey) -> Result<Vec<Share>> {
    let sql = format!(
        "SELECT {SHARE} FROM share s WHERE s.owner_id = $1 AND s.revoked_ms IS NULL AND s.id IN (
             SELECT share_id FROM share_item WHERE kind = 'item' AND object_id = $2) ORDER BY s.id DESC"
    );
    let shares = tx.all(&sql, args![owner.0, item.0], share)?;
    complete(tx, shares)
}
