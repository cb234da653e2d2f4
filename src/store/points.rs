//! SQL of points: purses and the ledger of what went from one to another.

use super::shares::Direction;
use super::{Row, Tx};
use crate::account::UserKey;
use crate::account::points::{Purse, Reason, Transfer, after};
use crate::args;
use crate::error::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferKey(pub i64);

fn reason_text(reason: Reason) -> &'static str {
    match reason {
        Reason::Pay => "pay",
        Reason::SharePurchased => "share_purchased",
        Reason::Adjust => "adjust",
        Reason::Redeem => "redeem",
    }
}

fn reason_of(text: &str) -> Result<Reason> {
    Ok(match text {
        "pay" => Reason::Pay,
        "share_purchased" => Reason::SharePurchased,
        "adjust" => Reason::Adjust,
        "redeem" => Reason::Redeem,
        _ => return Err(Error::Internal(format!("unknown reason {text} in the ledger"))),
    })
}

/// Key and balance of a purse, which is made when it is first looked for.
fn purse(tx: &mut Tx, purse: Purse) -> Result<(i64, i64)> {
    let (kind, account) = match purse {
        Purse::Issue => ("issue", None),
        Purse::User(user) => ("user", Some(user.0)),
    };
    let known = match account {
        None => tx
            .maybe("SELECT id, balance FROM purse WHERE kind = 'issue'", args![], |row| Ok((row.get(0)?, row.get(1)?))),
        Some(user) => tx.maybe("SELECT id, balance FROM purse WHERE account_id = $1", args![user], |row| {
            Ok((row.get(0)?, row.get(1)?))
        }),
    }?;
    match known {
        Some(known) => Ok(known),
        None => tx.one(
            "INSERT INTO purse (kind, account_id, balance) VALUES ($1, $2, 0) RETURNING id",
            args![kind, account],
            |row| Ok((row.get(0)?, 0)),
        ),
    }
}

/// Moves points. `NotEnoughPoints` and `Invalid` leave everything as it was, if the transaction ends with them.
pub fn post(tx: &mut Tx, transfer: &Transfer, now_ms: i64) -> Result<TransferKey> {
    let key: i64 =
        tx.one("INSERT INTO point_transfer (made_ms) VALUES ($1) RETURNING id", args![now_ms], |row| row.get(0))?;
    for entry in transfer.entries() {
        let (purse, balance) = purse(tx, entry.purse)?;
        tx.run("UPDATE purse SET balance = $2 WHERE id = $1", args![purse, after(&entry, balance)?])?;
        tx.run(
            "INSERT INTO point_entry (transfer_id, purse_id, amount, reason) VALUES ($1, $2, $3, $4)",
            args![key, purse, entry.amount, reason_text(entry.reason)],
        )?;
    }
    Ok(TransferKey(key))
}

/// One change of a user's purse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    pub key: i64,
    pub amount: i64,
    pub reason: Reason,
    pub made_ms: i64,
}

fn change(row: &Row) -> Result<Change> {
    let reason: String = row.get(2)?;
    Ok(Change { key: row.get(0)?, amount: row.get(1)?, reason: reason_of(&reason)?, made_ms: row.get(3)? })
}

/// Changes of a user's purse in order, from beyond that one on.
pub fn changes(
    tx: &mut Tx,
    user: UserKey,
    direction: Direction,
    beyond: Option<i64>,
    limit: usize,
) -> Result<Vec<Change>> {
    let (compare, way) = direction.sql();
    tx.all(
        &format!(
            "SELECT e.id, e.amount, e.reason, t.made_ms FROM purse p
             JOIN point_entry e ON e.purse_id = p.id JOIN point_transfer t ON t.id = e.transfer_id
             WHERE p.account_id = $1 AND (CAST($2 AS BIGINT) = 0 OR e.id {compare} $2) ORDER BY e.id {way} LIMIT $3"
        ),
        args![user.0, beyond.unwrap_or(0), limit],
        change,
    )
}

/// What is wrong with the ledger, in words; nothing when it balances.
pub fn faults(tx: &mut Tx) -> Result<Vec<String>> {
    let number = |row: &Row| row.get::<i64>(0);
    let mut faults = Vec::new();
    let total = tx.one("SELECT CAST(COALESCE(SUM(balance), 0) AS BIGINT) FROM purse", args![], number)?;
    if total != 0 {
        faults.push(format!("all purses together hold {total} points, and not none"));
    }
    let uneven =
        "SELECT transfer_id FROM point_entry GROUP BY transfer_id HAVING SUM(amount) <> 0 ORDER BY transfer_id";
    for transfer in tx.all(uneven, args![], number)? {
        faults.push(format!("transfer {transfer} does not balance"));
    }
    let off = "SELECT p.id FROM purse p
               WHERE p.balance <> (SELECT COALESCE(SUM(e.amount), 0) FROM point_entry e WHERE e.purse_id = p.id) ORDER BY p.id";
    for purse in tx.all(off, args![], number)? {
        faults.push(format!("purse {purse} does not hold what its entries say"));
    }
    Ok(faults)
}
