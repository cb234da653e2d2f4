//! SQL of who at an OpenID provider signs in as whom.

use super::Tx;
use crate::account::UserKey;
use crate::args;
use crate::error::Result;

pub fn account_of(tx: &mut Tx, issuer: &str, subject: &str) -> Result<Option<UserKey>> {
    let sql = "SELECT account_id FROM openid_link WHERE issuer = $1 AND subject = $2";
    tx.maybe(sql, args![issuer, subject], |row| Ok(UserKey(row.get(0)?)))
}

/// Since when the account is somebody's there.
pub fn linked_ms(tx: &mut Tx, account: UserKey, issuer: &str) -> Result<Option<i64>> {
    let sql = "SELECT linked_ms FROM openid_link WHERE account_id = $1 AND issuer = $2";
    tx.maybe(sql, args![account.0, issuer], |row| row.get(0))
}

/// Where neither is linked yet.
pub fn link(tx: &mut Tx, account: UserKey, issuer: &str, subject: &str, now_ms: i64) -> Result<()> {
    tx.run(
        "INSERT INTO openid_link (issuer, subject, account_id, linked_ms) VALUES ($1, $2, $3, $4)",
        args![issuer, subject, account.0, now_ms],
    )?;
    Ok(())
}

/// False where it was not linked.
pub fn unlink(tx: &mut Tx, account: UserKey, issuer: &str) -> Result<bool> {
    let sql = "DELETE FROM openid_link WHERE account_id = $1 AND issuer = $2";
    Ok(tx.run(sql, args![account.0, issuer])? > 0)
}

/// From whoever it is linked with, at this provider and at those before it.
pub fn unlink_everywhere(tx: &mut Tx, account: UserKey) -> Result<()> {
    tx.run("DELETE FROM openid_link WHERE account_id = $1", args![account.0])?;
    Ok(())
}
