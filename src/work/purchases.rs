//! Buying shares with points, gift codes, and tickets by which guests prove that a share is paid.
//!
//! Secrets that are handed out are random and long, and stored as hashes. Wrong ones pass the one limiter.

use crate::account::points::{self, Transfer};
use crate::account::token::{random_base62, random_bytes, sha256};
use crate::account::{User, UserKey};
use crate::error::{Error, Result, Thing};
use crate::share::ShareKey;
use crate::share::grant::admit;
use crate::share::visit::Visitor;
use crate::store::purchases::{self, Gift, NewPayment, Payment};
use crate::store::{Tx, accounts, points as ledger, shares};
use crate::work::sharing;
use crate::{App, now_ms};

/// Codes that are made at once.
pub const MOST_CODES: u32 = 1000;
const LONGEST_CODE_BYTES: usize = 128;

// Buying --------------------------------------------------------------------------------------------------------------

/// Buys a share that is open to this buyer, once: who bought it before is answered what they paid then. `seen_price` is the
/// price that they agreed to, where their door could tell it. In one transaction: of a purchase that fails nothing is left.
///
/// `NotEnoughPoints`; `Conflict` where the price is another by now; what refuses the share to this visitor.
pub async fn buy(
    app: &App,
    buyer: &User,
    visitor: &Visitor,
    share_id: &str,
    seen_price: Option<i64>,
) -> Result<Payment> {
    let (buyer, id) = (buyer.clone(), share_id.to_owned());
    let visitor = visitor.clone().with_user(buyer.clone());
    app.db.write(move |tx| buy_now(tx, &buyer, &visitor, &id, seen_price)).await
}

fn buy_now(tx: &mut Tx, buyer: &User, visitor: &Visitor, id: &str, seen_price: Option<i64>) -> Result<Payment> {
    let now = now_ms();
    let facts = shares::facts(tx, id, visitor, now)?;
    let is_owner = admit(&facts, visitor, now)?.is_owner();
    let share = &facts.share;
    let has_it = is_owner || purchases::is_of(tx, share.key, buyer.key)?;
    if let (true, Some(paid)) = (has_it, purchases::payment_for(tx, share.key, buyer.key)?) {
        return Ok(paid);
    }
    if share.terms.price == 0 {
        return Err(Error::invalid("product", "this share costs nothing"));
    }
    // What is their own, or was given to them, costs nothing.
    let price = if has_it { 0 } else { share.terms.price };
    if seen_price.is_some_and(|seen| seen != share.terms.price) {
        return Err(Error::Conflict(Thing::Share));
    }
    let transfer = match price {
        0 => None,
        price => Some(ledger::post(tx, &Transfer::purchase(buyer.key, share.owner, price)?, now)?),
    };
    let name = sharing::title_of(tx, &facts.owner, share)?.unwrap_or_default();
    let new = NewPayment {
        id: &random_base62(16),
        trade_no: &trade_no(now),
        buyer: buyer.key,
        share: share.key,
        transfer,
        name: &name,
        price,
        now_ms: now,
    };
    let payment = purchases::insert_payment(tx, &new)?;
    if !has_it {
        purchases::insert(tx, share.key, buyer.key, Some(&payment), now)?;
    }
    Ok(payment)
}

/// The moment and some chance, in digits, as clients show it.
fn trade_no(now_ms: i64) -> String {
    let moment = jiff::Timestamp::from_millisecond(now_ms).unwrap_or_default();
    format!("{}{:020}", moment.strftime("%Y%m%d%H%M%S"), u64::from_le_bytes(random_bytes()))
}

/// Gives points to a user, or takes them where the number is negative; answers what they hold now.
pub async fn adjust(app: &App, user: UserKey, points: i64) -> Result<i64> {
    let transfer = Transfer::adjust(user, points)?;
    app.db
        .write(move |tx| {
            ledger::post(tx, &transfer, now_ms())?;
            Ok(accounts::by_key(tx, user)?.ok_or(Error::NotFound(Thing::User))?.points)
        })
        .await
}

// Tickets -------------------------------------------------------------------------------------------------------------

/// The hash that a ticket or code is known by; none for what cannot be one.
pub fn hash_of(secret: &str) -> Option<Vec<u8>> {
    (1..=LONGEST_CODE_BYTES).contains(&secret.len()).then(|| sha256(secret))
}

/// A ticket to a share, for whoever shows it until then; told this once.
pub async fn make_ticket(app: &App, share: ShareKey, expires_ms: Option<i64>) -> Result<String> {
    let ticket = uuid::Uuid::new_v4().to_string();
    let hash = sha256(&ticket);
    app.db.write(move |tx| purchases::insert_ticket(tx, share, &hash, expires_ms, now_ms())).await?;
    Ok(ticket)
}

/// What whoever shows a ticket that is none is told: to wait, if they tried several.
pub async fn wrong_ticket(app: &App, visitor: &Visitor) -> Error {
    let subject = format!("ticket {}", visitor.network());
    let counted = app.db.write(move |tx| accounts::count_try(tx, &[subject], now_ms())).await;
    counted.err().unwrap_or_else(|| Error::invalid("ticket", "it is none to this share, or its time is over"))
}

// Gift codes ----------------------------------------------------------------------------------------------------------

/// Codes that are each good for this once, until then; told this once.
pub async fn make_codes(app: &App, gift: Gift, count: u32, expires_ms: Option<i64>) -> Result<Vec<String>> {
    if !(1..=MOST_CODES).contains(&count) {
        return Err(Error::invalid("count", format!("1 to {MOST_CODES}")));
    }
    if let Gift::Points(points) = gift {
        points::check(points)?;
    }
    let codes: Vec<String> = (0..count).map(|_| uuid::Uuid::new_v4().to_string()).collect();
    let hashes: Vec<Vec<u8>> = codes.iter().map(|code| sha256(code)).collect();
    let insert = move |tx: &mut Tx| {
        let now = now_ms();
        hashes.iter().try_for_each(|hash| purchases::insert_gift(tx, hash, gift, expires_ms, now))
    };
    app.db.write(insert).await?;
    Ok(codes)
}

/// What a gift code is good for, and the name of the share where it is one.
pub struct Offer {
    pub gift: Gift,
    pub share_name: Option<String>,
}

/// Changes nothing but the count of wrong tries.
pub async fn look_at_gift(app: &App, code: &str, visitor: &Visitor) -> Result<Offer> {
    let hash = hash_of(code);
    let looked = app.db.read(move |tx| {
        let hash = hash.ok_or(Error::NotFound(Thing::GiftCode))?;
        let gift = purchases::gift_of(tx, &hash, now_ms())?;
        let share_name = match gift {
            Gift::Points(_) => None,
            Gift::Share(key) => {
                let share = shares::by_key(tx, key)?.ok_or(Error::NotFound(Thing::GiftCode))?;
                let owner = accounts::by_key(tx, share.owner)?.ok_or(Error::NotFound(Thing::GiftCode))?;
                sharing::title_of(tx, &owner, &share)?
            }
        };
        Ok(Offer { gift, share_name })
    });
    unless_guessed(app, looked.await, visitor).await
}

/// What redeeming a code gave.
pub enum Redeemed {
    /// To the account.
    ToUser,
    /// To a guest, who has this to show for it.
    Ticket(String),
}

/// Takes what a code is good for, once. Points need an account; a share goes to whoever has none as a ticket.
pub async fn redeem(app: &App, code: &str, user: Option<&User>, visitor: &Visitor) -> Result<Redeemed> {
    let (hash, user) = (hash_of(code), user.map(|user| user.key));
    let redeemed = app.db.write(move |tx| {
        let now = now_ms();
        let hash = hash.ok_or(Error::NotFound(Thing::GiftCode))?;
        match (purchases::redeem(tx, &hash, now)?, user) {
            (Gift::Points(points), Some(user)) => {
                ledger::post(tx, &Transfer::gift(user, points)?, now)?;
                Ok(Redeemed::ToUser)
            }
            (Gift::Points(_), None) => Err(Error::SignInNeeded),
            (Gift::Share(share), Some(user)) => {
                if purchases::is_of(tx, share, user)? {
                    return Err(Error::Forbidden("you have this share already; the code is still good"));
                }
                purchases::insert(tx, share, user, None, now)?;
                Ok(Redeemed::ToUser)
            }
            (Gift::Share(share), None) => {
                let ticket = uuid::Uuid::new_v4().to_string();
                purchases::insert_ticket(tx, share, &sha256(&ticket), None, now)?;
                Ok(Redeemed::Ticket(ticket))
            }
        }
    });
    unless_guessed(app, redeemed.await, visitor).await
}

/// A right code has 122 random bits: it is no lucky guess, and is not made to wait for others' wrong ones.
async fn unless_guessed<T>(app: &App, found: Result<T>, visitor: &Visitor) -> Result<T> {
    if let Err(Error::NotFound(Thing::GiftCode)) = &found {
        let subject = format!("gift code {}", visitor.network());
        app.db.write(move |tx| accounts::count_try(tx, &[subject], now_ms())).await?;
    }
    found
}
