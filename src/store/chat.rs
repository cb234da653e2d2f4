//! SQL of what users write to each other, for all to read and for a while.

use super::{Tx, args};
use crate::account::UserKey;
use crate::error::Result;

/// Messages that are kept, and for how long.
const MOST: i64 = 500;
const KEPT_MS: i64 = 7 * 24 * 60 * 60 * 1000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub user_name: String,
    pub message: String,
    pub sent_ms: i64,
}

pub fn add(tx: &mut Tx, user: UserKey, message: &str, now_ms: i64) -> Result<()> {
    tx.run(
        "INSERT INTO chat_message (account_id, message, sent_ms) VALUES ($1, $2, $3)",
        args![user.0, message, now_ms],
    )?;
    tx.run("DELETE FROM chat_message WHERE sent_ms <= $1", args![now_ms - KEPT_MS])?;
    tx.run(
        "DELETE FROM chat_message WHERE id <= (SELECT id FROM chat_message ORDER BY id DESC LIMIT 1 OFFSET $1)",
        args![MOST],
    )?;
    Ok(())
}

/// Sent after that, the latest first.
pub fn since(tx: &mut Tx, since_ms: i64, now_ms: i64) -> Result<Vec<Message>> {
    tx.all(
        "SELECT a.name, m.message, m.sent_ms FROM chat_message m JOIN account a ON a.id = m.account_id
         WHERE m.sent_ms > $1 ORDER BY m.sent_ms DESC, m.id DESC",
        args![since_ms.max(now_ms - KEPT_MS)],
        |row| Ok(Message { user_name: row.get(0)?, message: row.get(1)?, sent_ms: row.get(2)? }),
    )
}
