//! SQL of slips that have been used.

use super::{Tx, accounts};
use crate::account::User;
use crate::account::slip::{Holder, Slip};
use crate::args;
use crate::error::Result;

/// Whether this is the first time that the slip is used. What happens for it belongs into the same transaction.
pub fn spend<T>(tx: &mut Tx, slip: &Slip<T>, now_ms: i64) -> Result<bool> {
    tx.run("DELETE FROM spent_slip WHERE expires_ms <= $1", args![now_ms])?;
    let spent = tx.run(
        "INSERT INTO spent_slip (hash, expires_ms) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING",
        args![slip.hash.clone(), slip.expires_ms],
    )?;
    Ok(spent == 1)
}

/// The user that a slip is for, in whatever state, as long as it is good.
pub fn holder(tx: &mut Tx, holder: &Holder) -> Result<Option<User>> {
    Ok(accounts::by_id(tx, &holder.user_id)?.filter(|user| user.epoch == holder.epoch))
}
