//! SQL of what was bought, and of gift codes.

use super::shares::Direction;
use super::{Row, Tx, points};
use crate::account::UserKey;
use crate::args;
use crate::error::{Error, Result, Thing};
use crate::share::visit::Visitor;
use crate::share::{Share, ShareKey};

/// A payment with points. It is fulfilled in the transaction that makes it; there are no others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    pub key: i64,
    pub id: String,
    pub trade_no: String,
    pub name: String,
    pub price: i64,
    pub made_ms: i64,
}

const PAYMENT: &str = "SELECT p.id, p.public_id, p.trade_no, p.name, p.price, p.made_ms FROM payment p";

fn payment(row: &Row) -> Result<Payment> {
    Ok(Payment {
        key: row.get(0)?,
        id: row.get(1)?,
        trade_no: row.get(2)?,
        name: row.get(3)?,
        price: row.get(4)?,
        made_ms: row.get(5)?,
    })
}

pub struct NewPayment<'a> {
    pub id: &'a str,
    pub trade_no: &'a str,
    pub buyer: UserKey,
    pub share: ShareKey,
    pub transfer: Option<points::TransferKey>,
    pub name: &'a str,
    pub price: i64,
    pub now_ms: i64,
}

pub fn insert_payment(tx: &mut Tx, new: &NewPayment) -> Result<Payment> {
    let key = tx.one(
        "INSERT INTO payment (public_id, trade_no, account_id, share_id, transfer_id, name, price, made_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
        args![
            new.id,
            new.trade_no,
            new.buyer.0,
            new.share.0,
            new.transfer.map(|key| key.0),
            new.name,
            new.price,
            new.now_ms
        ],
        |row| row.get(0),
    )?;
    Ok(Payment {
        key,
        id: new.id.to_owned(),
        trade_no: new.trade_no.to_owned(),
        name: new.name.to_owned(),
        price: new.price,
        made_ms: new.now_ms,
    })
}

/// A payment of this user's; anybody else's is not found.
pub fn payment_of(tx: &mut Tx, buyer: UserKey, id: &str, trade_no: &str) -> Result<Payment> {
    let sql = format!("{PAYMENT} WHERE p.public_id = $1 AND p.trade_no = $2 AND p.account_id = $3");
    tx.maybe(&sql, args![id, trade_no, buyer.0], payment)?.ok_or(Error::NotFound(Thing::Payment))
}

/// A user's payments in order, from beyond that one on.
pub fn payments(
    tx: &mut Tx,
    buyer: UserKey,
    direction: Direction,
    beyond: Option<i64>,
    limit: usize,
) -> Result<Vec<Payment>> {
    let (compare, way) = direction.sql();
    tx.all(
        &format!(
            "{PAYMENT} WHERE p.account_id = $1 AND (CAST($2 AS BIGINT) = 0 OR p.id {compare} $2) ORDER BY p.id {way} LIMIT $3"
        ),
        args![buyer.0, beyond.unwrap_or(0), limit],
        payment,
    )
}

// Purchases -----------------------------------------------------------------------------------------------------------

/// Whether what this visitor carries proves that the share was paid for.
pub fn has_bought(tx: &mut Tx, share: &Share, visitor: &Visitor, now_ms: i64) -> Result<bool> {
    let user = visitor.user.as_ref().map_or(0, |user| user.key.0);
    let found = tx.maybe(
        "SELECT id FROM purchase WHERE share_id = $1
            AND (account_id = $2 OR (ticket_hash = $3 AND (expires_ms IS NULL OR expires_ms > $4))) LIMIT 1",
        args![share.key.0, user, visitor.paid_by.clone().unwrap_or_default(), now_ms],
        |row| row.get::<i64>(0),
    )?;
    Ok(found.is_some())
}

/// Whether the account has what the share holds, bought or given.
pub fn is_of(tx: &mut Tx, share: ShareKey, user: UserKey) -> Result<bool> {
    let sql = "SELECT id FROM purchase WHERE share_id = $1 AND account_id = $2";
    Ok(tx.maybe(sql, args![share.0, user.0], |row| row.get::<i64>(0))?.is_some())
}

/// The last payment of this user's for the share.
pub fn payment_for(tx: &mut Tx, share: ShareKey, buyer: UserKey) -> Result<Option<Payment>> {
    let sql = format!("{PAYMENT} WHERE p.share_id = $1 AND p.account_id = $2 ORDER BY p.id DESC LIMIT 1");
    tx.maybe(&sql, args![share.0, buyer.0], payment)
}

/// Gives a user what the share holds.
pub fn insert(tx: &mut Tx, share: ShareKey, buyer: UserKey, by: Option<&Payment>, now_ms: i64) -> Result<()> {
    tx.run(
        "INSERT INTO purchase (share_id, account_id, payment_id, made_ms) VALUES ($1, $2, $3, $4)
         ON CONFLICT (share_id, account_id) DO NOTHING",
        args![share.0, buyer.0, by.map(|payment| payment.key), now_ms],
    )?;
    Ok(())
}

/// Gives whoever shows the ticket what the share holds.
pub fn insert_ticket(tx: &mut Tx, share: ShareKey, hash: &[u8], expires_ms: Option<i64>, now_ms: i64) -> Result<()> {
    tx.run("DELETE FROM purchase WHERE expires_ms <= $1", args![now_ms])?;
    tx.run(
        "INSERT INTO purchase (share_id, ticket_hash, expires_ms, made_ms) VALUES ($1, $2, $3, $4)",
        args![share.0, hash, expires_ms, now_ms],
    )?;
    Ok(())
}

/// All that was bought and given away of a share ends with it.
pub fn forget(tx: &mut Tx, share: ShareKey) -> Result<()> {
    tx.run("DELETE FROM purchase WHERE share_id = $1", args![share.0])?;
    tx.run("DELETE FROM gift_code WHERE share_id = $1", args![share.0])?;
    Ok(())
}

// Gift codes ----------------------------------------------------------------------------------------------------------

/// What a code is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gift {
    Points(i64),
    Share(ShareKey),
}

pub fn insert_gift(tx: &mut Tx, hash: &[u8], gift: Gift, expires_ms: Option<i64>, now_ms: i64) -> Result<()> {
    let (points, share) = match gift {
        Gift::Points(points) => (Some(points), None),
        Gift::Share(share) => (None, Some(share.0)),
    };
    tx.run(
        "INSERT INTO gift_code (code_hash, points, share_id, made_ms, expires_ms) VALUES ($1, $2, $3, $4, $5)",
        args![hash, points, share, now_ms, expires_ms],
    )?;
    Ok(())
}

fn gift(row: &Row) -> Result<Gift> {
    match (row.get::<Option<i64>>(0)?, row.get::<Option<i64>>(1)?) {
        (Some(points), _) => Ok(Gift::Points(points)),
        (None, Some(share)) => Ok(Gift::Share(ShareKey(share))),
        (None, None) => Err(Error::Internal("a gift code of nothing".to_owned())),
    }
}

/// A code that can still be redeemed; any other is not found.
pub fn gift_of(tx: &mut Tx, hash: &[u8], now_ms: i64) -> Result<Gift> {
    tx.maybe(
        "SELECT points, share_id FROM gift_code
         WHERE code_hash = $1 AND redeemed_ms IS NULL AND (expires_ms IS NULL OR expires_ms > $2)",
        args![hash, now_ms],
        gift,
    )?
    .ok_or(Error::NotFound(Thing::GiftCode))
}

/// The same, used up by this.
pub fn redeem(tx: &mut Tx, hash: &[u8], now_ms: i64) -> Result<Gift> {
    tx.maybe(
        "UPDATE gift_code SET redeemed_ms = $2
         WHERE code_hash = $1 AND redeemed_ms IS NULL AND (expires_ms IS NULL OR expires_ms > $2)
         RETURNING points, share_id",
        args![hash, now_ms],
        gift,
    )?
    .ok_or(Error::NotFound(Thing::GiftCode))
}
