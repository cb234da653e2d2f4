//! SQL of the names under which My Cloud Home's clients go on with their uploads.
//!
//! Such a client is told an id when an upload begins, or uses that of the file it replaces; it fills the upload under that
//! id, and takes it for the file's afterwards.

use super::Tx;
use crate::account::UserKey;
use crate::args;
use crate::error::Result;

/// How long a client may go on calling a file by its upload's id.
const KEEP_MS: i64 = 90 * 24 * 60 * 60 * 1000;

/// From now on `name` is this upload, in place of what it was before.
pub fn insert(tx: &mut Tx, account: UserKey, name: &str, upload_id: &str, now_ms: i64) -> Result<()> {
    tx.run("DELETE FROM upload_name WHERE created_ms < $1", args![now_ms - KEEP_MS])?;
    tx.run(
        "INSERT INTO upload_name (account_id, name, upload_id, item_id, created_ms) VALUES ($1, $2, $3, NULL, $4)
         ON CONFLICT (account_id, name) DO UPDATE SET upload_id = excluded.upload_id, item_id = NULL, created_ms = excluded.created_ms",
        args![account.0, name, upload_id, now_ms],
    )?;
    Ok(())
}

/// The upload that goes on under this name.
pub fn upload(tx: &mut Tx, account: UserKey, name: &str) -> Result<Option<String>> {
    tx.maybe(
        "SELECT n.upload_id FROM upload_name n JOIN upload u ON u.id = n.upload_id
         WHERE n.account_id = $1 AND n.name = $2 AND n.item_id IS NULL",
        args![account.0, name],
        |row| row.get(0),
    )
}

/// The upload is done: `name` is the item of this public id.
pub fn finish(tx: &mut Tx, account: UserKey, name: &str, item_id: &str) -> Result<()> {
    tx.run("UPDATE upload_name SET item_id = $3 WHERE account_id = $1 AND name = $2", args![account.0, name, item_id])?;
    Ok(())
}

/// Public id of the item that an upload of this name became.
pub fn item(tx: &mut Tx, account: UserKey, name: &str) -> Result<Option<String>> {
    tx.maybe(
        "SELECT item_id FROM upload_name WHERE account_id = $1 AND name = $2 AND item_id IS NOT NULL",
        args![account.0, name],
        |row| row.get(0),
    )
}
