//! SQL of users' second factors.

use super::Tx;
use crate::account::UserKey;
use crate::args;
use crate::error::Result;

/// What is stored of one.
pub struct Stored {
    pub sealed: Vec<u8>,
    pub is_on: bool,
    pub last_step: i64,
}

pub fn of(tx: &mut Tx, user: UserKey) -> Result<Option<Stored>> {
    let sql = "SELECT secret_sealed, enabled_ms, last_step FROM second_factor WHERE account_id = $1";
    tx.maybe(sql, args![user.0], |row| {
        Ok(Stored { sealed: row.get(0)?, is_on: row.get::<Option<i64>>(1)?.is_some(), last_step: row.get(2)? })
    })
}

pub fn is_on(tx: &mut Tx, user: UserKey) -> Result<bool> {
    Ok(of(tx, user)?.is_some_and(|stored| stored.is_on))
}

/// A secret that its user has still to show a code of, in place of one before that.
pub fn offer(tx: &mut Tx, user: UserKey, sealed: Vec<u8>) -> Result<()> {
    tx.run(
        "INSERT INTO second_factor (account_id, secret_sealed, enabled_ms, last_step) VALUES ($1, $2, NULL, 0)
         ON CONFLICT (account_id) DO UPDATE SET secret_sealed = excluded.secret_sealed, last_step = 0
         WHERE second_factor.enabled_ms IS NULL",
        args![user.0, sealed],
    )?;
    Ok(())
}

pub fn turn_on(tx: &mut Tx, user: UserKey, now_ms: i64) -> Result<()> {
    tx.run("UPDATE second_factor SET enabled_ms = $2 WHERE account_id = $1", args![user.0, now_ms])?;
    Ok(())
}

pub fn set_last_step(tx: &mut Tx, user: UserKey, step: i64) -> Result<()> {
    tx.run("UPDATE second_factor SET last_step = $2 WHERE account_id = $1", args![user.0, step])?;
    Ok(())
}

pub fn remove(tx: &mut Tx, user: UserKey) -> Result<()> {
    tx.run("DELETE FROM second_factor WHERE account_id = $1", args![user.0])?;
    Ok(())
}
