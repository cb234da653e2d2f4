//! SQL of rights on single items, given to whoever holds a share.

use crate::account::UserKey;
use crate::args;
use crate::error::{Error, Result};
use crate::library::ItemKey;
use crate::share::{Bits, Shared};
use crate::store::Tx;

/// `Exists` when it was asked for before.
pub fn grant_item(tx: &mut Tx, auth_id: &str, item: ItemKey, bits: Bits) -> Result<()> {
    let rows = tx.run(
        "INSERT INTO rights (subject_kind, subject_id, object_kind, object_id, bits) VALUES ('auth', $1, 'item', $2, $3)
         ON CONFLICT (object_kind, object_id, subject_kind, subject_id) DO UPDATE SET bits = excluded.bits, unasked = 0
         WHERE rights.unasked = 1",
        args![auth_id, item.0, bits.0],
    )?;
    if rows == 0 { Err(Error::Exists("permission".into())) } else { Ok(()) }
}

/// To read them, before anybody asks for it.
pub fn grant_unasked(tx: &mut Tx, auth_id: &str, items: &[Shared]) -> Result<()> {
    for shared in items {
        let Shared::Item(item) = shared else { continue };
        tx.run(
            "INSERT INTO rights (subject_kind, subject_id, object_kind, object_id, bits, unasked)
             VALUES ('auth', $1, 'item', $2, $3, 1)
             ON CONFLICT (object_kind, object_id, subject_kind, subject_id) DO NOTHING",
            args![auth_id, item.0, Bits::READ.0],
        )?;
    }
    Ok(())
}

pub fn ungrant_items(tx: &mut Tx, auth_id: &str, items: &[Shared]) -> Result<()> {
    for shared in items {
        let Shared::Item(item) = shared else { continue };
        ungrant_item(tx, auth_id, *item)?;
    }
    Ok(())
}

pub fn ungrant_item(tx: &mut Tx, auth_id: &str, item: ItemKey) -> Result<u64> {
    tx.run(
        "DELETE FROM rights WHERE subject_kind = 'auth' AND subject_id = $1 AND object_kind = 'item' AND object_id = $2",
        args![auth_id, item.0],
    )
}

/// The `auth_id` of each share of this owner's whose holders were given a right to this very item.
pub fn granted_on(tx: &mut Tx, owner: UserKey, item: ItemKey) -> Result<Vec<String>> {
    tx.all(
        "SELECT s.auth_id FROM rights r JOIN share s ON s.auth_id = r.subject_id
         WHERE r.subject_kind = 'auth' AND r.object_kind = 'item' AND r.object_id = $1 AND s.owner_id = $2
             AND s.revoked_ms IS NULL ORDER BY s.id",
        args![item.0, owner.0],
        |row| row.get(0),
    )
}

pub(super) fn granted(tx: &mut Tx, auth_id: &str) -> Result<Vec<ItemKey>> {
    tx.all(
        "SELECT object_id, bits FROM rights WHERE subject_kind = 'auth' AND subject_id = $1 AND object_kind = 'item'",
        args![auth_id],
        |row| Ok((ItemKey(row.get(0)?), Bits(row.get(1)?))),
    )
    .map(|rows| rows.into_iter().filter(|(_, bits)| bits.has(Bits::READ)).map(|(item, _)| item).collect())
}
