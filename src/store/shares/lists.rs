//! Lists of shares as administrators page through them.

use super::{Direction, SHARE, complete, share};
use crate::account::UserKey;
use crate::args;
use crate::error::Result;
use crate::share::Share;
use crate::store::Tx;
use crate::store::library::Page;

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
