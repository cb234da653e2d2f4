//! What Cloudreve sells: shares for points, gift codes, and the lists of what was paid. Points are all that is taken here;
//! providers that take money are not configured.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answers::{self, Pagination};
use super::{Outcome, data, done, query, tree};
use crate::account::User;
use crate::account::points::Reason;
use crate::error::{Error, Result};
use crate::http::Call;
use crate::http::fields::Fields;
use crate::store::points;
use crate::store::purchases::{self, Gift};
use crate::store::shares::Direction;
use crate::work::purchases::{self as work, Redeemed};

const OF_SHARE: u8 = 1;

/// What is for sale, and for what: shares, for points, all of which go to the share's owner.
pub fn config() -> Value {
    json!({
        "point_enabled": true,
        "share_point_gain_rate": 100,
        "point_price": 0,
        "anonymous_purchase": false,
        "storage_products": [],
        "group_skus": [],
        "payment": { "currency_code": "", "currency_mark": "", "currency_unit": 1, "providers": [] },
    })
}

// Payments ------------------------------------------------------------------------------------------------------------

#[derive(Deserialize)]
struct Product {
    r#type: Option<i64>,
    share_link_id: Option<String>,
    /// Not of the protocol, whose clients send no password here: a locked share says not even what it costs.
    password: Option<String>,
}

/// `email` and `language`, for a receipt to guests, are never needed: guests cannot pay.
#[derive(Deserialize)]
struct Purchase {
    product: Option<Product>,
    quantity: Option<i64>,
    provider_id: Option<String>,
}

#[derive(Serialize)]
struct Payment {
    id: String,
    trade_no: String,
    name: String,
    status: &'static str,
    qyt: i64,
    price_unit: i64,
    price_id: &'static str,
    price_mark: &'static str,
    price_one_unit: i64,
    created_at: String,
    updated_at: String,
    product_type: u8,
}

impl Payment {
    /// In points there is no currency. What is in the ledger is fulfilled: nothing is half way.
    fn of(payment: &purchases::Payment) -> Payment {
        Payment {
            id: payment.id.clone(),
            trade_no: payment.trade_no.clone(),
            name: payment.name.clone(),
            status: "fulfilled",
            qyt: 1,
            price_unit: payment.price,
            price_id: "",
            price_mark: "",
            price_one_unit: 0,
            created_at: answers::time(payment.made_ms),
            updated_at: answers::time(payment.made_ms),
            product_type: OF_SHARE,
        }
    }
}

#[derive(Serialize)]
struct Request {
    payment_needed: bool,
    url: &'static str,
    qr_code_preferred: bool,
}

#[derive(Serialize)]
struct Made {
    payment: Payment,
    request: Request,
}

pub async fn put_payment(mut call: Call, user: Option<User>) -> Outcome {
    let asked: Purchase = call.json().await?;
    let product = asked.product.ok_or(Error::Missing("product"))?;
    match product.r#type.ok_or(Error::Missing("product"))? {
        1 => {}
        2..=4 => return Err(Error::Unsupported("This product").into()),
        _ => return Err(Error::invalid("product", "no such type").into()),
    }
    let id = product.share_link_id.filter(|id| !id.is_empty()).ok_or(Error::Missing("share_link_id"))?;
    if asked.quantity.ok_or(Error::Missing("quantity"))? != 1 {
        return Err(Error::invalid("quantity", "a share is bought once").into());
    }
    if asked.provider_id.is_some_and(|id| !id.is_empty()) {
        return Err(Error::Unsupported("This way to pay").into());
    }
    let buyer = user.ok_or(Error::SignInNeeded)?;
    let visitor = call.guest().with_user(buyer.clone());
    let visitor = tree::unlocked(&call.app, visitor, &id, product.password.as_deref()).await?;
    let payment = Payment::of(&work::buy(&call.app, &buyer, &visitor, &id, None).await?);
    data(&Made { payment, request: Request { payment_needed: false, url: "", qr_code_preferred: false } })
}

/// Of one's own payments.
pub async fn get_payment_status(call: Call, user: User) -> Outcome {
    let (id, trade_no) = (call.path("id").to_owned(), call.path("trade").to_owned());
    let found = call.app.db.read(move |tx| purchases::payment_of(tx, user.key, &id, &trade_no));
    data(&Payment::of(&found.await?))
}

// Lists ---------------------------------------------------------------------------------------------------------------

const SMALLEST_PAGE: i64 = 10;
const LARGEST_PAGE: i64 = 100;
const DEFAULT_PAGE: i64 = 50;

/// What of a list is wished for. A token is the key of the last row of the page before.
struct ListWish {
    size: usize,
    direction: Direction,
    beyond: Option<i64>,
}

impl ListWish {
    fn of(query: &Fields) -> Result<ListWish> {
        let size = query.number("page_size")?.unwrap_or(DEFAULT_PAGE).clamp(SMALLEST_PAGE, LARGEST_PAGE);
        let direction = match query.get("order_direction") {
            Some(way) if way.eq_ignore_ascii_case("desc") => Direction::Descending,
            _ => Direction::Ascending,
        };
        let bad = || Error::invalid("next_page_token", "it was not made for this list");
        let key = |token: &str| {
            let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
            text.parse().ok().filter(|key| *key > 0)
        };
        let token = query.get("next_page_token").filter(|token| !token.is_empty());
        let beyond = token.map(|token| key(token).ok_or_else(bad)).transpose()?;
        Ok(ListWish { size: usize::try_from(size).unwrap_or(0), direction, beyond })
    }

    /// Cuts off the row that was read beyond the page, and tells whether there was one.
    fn page<T>(&self, rows: &mut Vec<T>, key: impl Fn(&T) -> i64) -> Pagination {
        let has_more = rows.len() > self.size;
        rows.truncate(self.size);
        let next_token = rows.last().filter(|_| has_more).map(|last| URL_SAFE_NO_PAD.encode(key(last).to_string()));
        Pagination { page: 0, page_size: self.size, next_token, is_cursor: true }
    }
}

#[derive(Serialize)]
struct Change {
    changed_at: String,
    diff: i64,
    reason: &'static str,
}

#[derive(Serialize)]
struct Changes {
    changes: Vec<Change>,
    pagination: Pagination,
}

fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Pay => "pay",
        Reason::SharePurchased => "share_purchased",
        Reason::Adjust => "adjust",
        Reason::Redeem => "redeem",
    }
}

pub async fn get_credit_changes(call: Call, user: User) -> Outcome {
    let wish = ListWish::of(&query(&call)?)?;
    let (direction, beyond, limit) = (wish.direction, wish.beyond, wish.size + 1);
    let mut rows = call.app.db.read(move |tx| points::changes(tx, user.key, direction, beyond, limit)).await?;
    let pagination = wish.page(&mut rows, |change| change.key);
    let told = |change: &points::Change| Change {
        changed_at: answers::time(change.made_ms),
        diff: change.amount,
        reason: reason(change.reason),
    };
    data(&Changes { changes: rows.iter().map(told).collect(), pagination })
}

#[derive(Serialize)]
struct Payments {
    payments: Vec<Payment>,
    pagination: Pagination,
}

pub async fn get_payments(call: Call, user: User) -> Outcome {
    let wish = ListWish::of(&query(&call)?)?;
    let (direction, beyond, limit) = (wish.direction, wish.beyond, wish.size + 1);
    let mut rows = call.app.db.read(move |tx| purchases::payments(tx, user.key, direction, beyond, limit)).await?;
    let pagination = wish.page(&mut rows, |payment| payment.key);
    data(&Payments { payments: rows.iter().map(Payment::of).collect(), pagination })
}

// Gift codes ----------------------------------------------------------------------------------------------------------

#[derive(Serialize)]
struct Gifted {
    name: String,
    qyt: i64,
}

pub async fn get_giftcode(call: Call, _: Option<User>) -> Outcome {
    let offer = work::look_at_gift(&call.app, call.path("code"), &call.guest()).await?;
    data(&match offer.gift {
        Gift::Points(points) => Gifted { name: "Points".to_owned(), qyt: points },
        Gift::Share(_) => Gifted { name: offer.share_name.unwrap_or_else(|| "Share".to_owned()), qyt: 1 },
    })
}

#[derive(Serialize)]
struct Ticket {
    ticket: String,
}

/// A guest, who has no account to redeem it to, gets a ticket to the share.
pub async fn post_redeem(call: Call, user: Option<User>) -> Outcome {
    match work::redeem(&call.app, call.path("code"), user.as_ref(), &call.guest()).await? {
        Redeemed::ToUser => done(),
        Redeemed::Ticket(ticket) => data(&Ticket { ticket }),
    }
}
