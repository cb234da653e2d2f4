//! SQL of locks.

use super::{Row, Tx};
use crate::account::UserKey;
use crate::args;
use crate::error::Result;
use crate::library::lock::{Depth, Hold, Lock};
use crate::library::{ItemKey, LibraryKey};

const LOCK: &str = "SELECT token, item_id, account_id, is_shared, is_deep, owner, lasts_ms, expires_ms FROM file_lock";

fn lock(row: &Row) -> Result<Lock> {
    Ok(Lock {
        token: row.get(0)?,
        item: ItemKey(row.get(1)?),
        maker: UserKey(row.get(2)?),
        hold: if row.get(3)? { Hold::Shared } else { Hold::Exclusive },
        depth: if row.get(4)? { Depth::Tree } else { Depth::Item },
        owner: row.get(5)?,
        lasts_ms: row.get(6)?,
        expires_ms: row.get(7)?,
    })
}

pub fn insert(tx: &mut Tx, library: LibraryKey, lock: &Lock) -> Result<()> {
    tx.run(
        "INSERT INTO file_lock (token, item_id, library_id, account_id, is_shared, is_deep, owner, lasts_ms, expires_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        args![
            &lock.token,
            lock.item.0,
            library.0,
            lock.maker.0,
            lock.hold == Hold::Shared,
            lock.depth == Depth::Tree,
            &lock.owner,
            lock.lasts_ms,
            lock.expires_ms
        ],
    )?;
    Ok(())
}

/// Those that hold now. Mostly there are none.
pub fn in_library(tx: &mut Tx, library: LibraryKey, now_ms: i64) -> Result<Vec<Lock>> {
    let sql = format!("{LOCK} WHERE library_id = $1 AND expires_ms > $2 ORDER BY token");
    tx.all(&sql, args![library.0, now_ms], lock)
}

pub fn by_token(tx: &mut Tx, token: &str, now_ms: i64) -> Result<Option<Lock>> {
    tx.maybe(&format!("{LOCK} WHERE token = $1 AND expires_ms > $2"), args![token, now_ms], lock)
}

pub fn count(tx: &mut Tx, maker: UserKey) -> Result<u64> {
    tx.one("SELECT COUNT(*) FROM file_lock WHERE account_id = $1", args![maker.0], |row| row.get(0))
}

pub fn renew(tx: &mut Tx, token: &str, lasts_ms: i64, expires_ms: i64) -> Result<()> {
    let sql = "UPDATE file_lock SET lasts_ms = $2, expires_ms = $3 WHERE token = $1";
    tx.run(sql, args![token, lasts_ms, expires_ms])?;
    Ok(())
}

pub fn remove(tx: &mut Tx, token: &str) -> Result<()> {
    tx.run("DELETE FROM file_lock WHERE token = $1", args![token])?;
    Ok(())
}

pub fn remove_expired(tx: &mut Tx, now_ms: i64) -> Result<()> {
    tx.run("DELETE FROM file_lock WHERE expires_ms <= $1", args![now_ms])?;
    Ok(())
}

/// Those on an item and on all below it: what moves or goes leaves its locks behind.
pub fn remove_below(tx: &mut Tx, top: ItemKey) -> Result<()> {
    tx.run(
        "WITH RECURSIVE below (id) AS (
             SELECT id FROM item WHERE id = $1
             UNION ALL
             SELECT c.id FROM item c JOIN below b ON c.parent_id = b.id
         )
         DELETE FROM file_lock WHERE item_id IN (SELECT id FROM below)",
        args![top.0],
    )?;
    Ok(())
}

/// Whether one item lies somewhere below another.
pub fn is_below(tx: &mut Tx, item: ItemKey, top: ItemKey) -> Result<bool> {
    let found = tx.maybe(
        "WITH RECURSIVE above (id) AS (
             SELECT parent_id FROM item WHERE id = $1
             UNION ALL
             SELECT i.parent_id FROM item i JOIN above a ON i.id = a.id WHERE i.parent_id IS NOT NULL
         )
         SELECT id FROM above WHERE id = $2",
        args![item.0, top.0],
        |row| row.get::<i64>(0),
    )?;
    Ok(found.is_some())
}
