//! SQL of passkeys.

use super::{Row, Tx};
use crate::account::UserKey;
use crate::args;
use crate::error::{Error, Result, Thing};

#[derive(Debug, Clone)]
pub struct Passkey {
    /// The authenticator's own, as base64url.
    pub id: String,
    pub owner: UserKey,
    pub name: String,
    /// Public key and counters, as JSON.
    pub credential: String,
    pub created_ms: i64,
    pub used_ms: Option<i64>,
}

const PASSKEY: &str = "id, account_id, name, credential, created_ms, used_ms";

fn passkey(row: &Row) -> Result<Passkey> {
    Ok(Passkey {
        id: row.get(0)?,
        owner: UserKey(row.get(1)?),
        name: row.get(2)?,
        credential: row.get(3)?,
        created_ms: row.get(4)?,
        used_ms: row.get(5)?,
    })
}

pub fn by_id(tx: &mut Tx, id: &str) -> Result<Option<Passkey>> {
    tx.maybe(&format!("SELECT {PASSKEY} FROM passkey WHERE id = $1"), args![id], passkey)
}

pub fn of(tx: &mut Tx, owner: UserKey) -> Result<Vec<Passkey>> {
    let sql = format!("SELECT {PASSKEY} FROM passkey WHERE account_id = $1 ORDER BY created_ms, id");
    tx.all(&sql, args![owner.0], passkey)
}

/// `Exists` for one that is somebody's already.
pub fn insert(tx: &mut Tx, new: &Passkey) -> Result<()> {
    let inserted = tx.run(
        "INSERT INTO passkey (id, account_id, name, credential, created_ms) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (id) DO NOTHING",
        args![&new.id, new.owner.0, &new.name, &new.credential, new.created_ms],
    )?;
    if inserted == 1 { Ok(()) } else { Err(Error::Exists(new.name.clone())) }
}

pub fn used(tx: &mut Tx, id: &str, credential: &str, now_ms: i64) -> Result<()> {
    tx.run("UPDATE passkey SET credential = $2, used_ms = $3 WHERE id = $1", args![id, credential, now_ms])?;
    Ok(())
}

pub fn remove(tx: &mut Tx, owner: UserKey, id: &str) -> Result<()> {
    match tx.run("DELETE FROM passkey WHERE account_id = $1 AND id = $2", args![owner.0, id])? {
        0 => Err(Error::NotFound(Thing::Passkey)),
        _ => Ok(()),
    }
}

// Those that are being made -------------------------------------------------------------------------------------------

/// What the browser was asked, in place of what it was asked before.
pub fn offer(tx: &mut Tx, owner: UserKey, state: &str, expires_ms: i64) -> Result<()> {
    tx.run(
        "INSERT INTO passkey_offer (account_id, state, expires_ms) VALUES ($1, $2, $3)
         ON CONFLICT (account_id) DO UPDATE SET state = excluded.state, expires_ms = excluded.expires_ms",
        args![owner.0, state, expires_ms],
    )?;
    Ok(())
}

/// What it was asked last, once.
pub fn take_offer(tx: &mut Tx, owner: UserKey, now_ms: i64) -> Result<Option<String>> {
    let sql = "SELECT state FROM passkey_offer WHERE account_id = $1 AND expires_ms > $2";
    let state = tx.maybe(sql, args![owner.0, now_ms], |row| row.get(0))?;
    tx.run("DELETE FROM passkey_offer WHERE account_id = $1", args![owner.0])?;
    Ok(state)
}
