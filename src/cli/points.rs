//! What an administrator does about points: give them, make gift codes and tickets.

use serde::{Deserialize, Serialize};

use super::order::{Reply, Secret, standing, user_named};
use crate::account::User;
use crate::error::Result;
use crate::store::accounts;
use crate::store::purchases::Gift;
use crate::work::purchases;
use crate::{App, now_ms};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PointsOrder {
    Held,
    /// A negative number is taken.
    Give {
        name: String,
        points: i64,
    },
    MakeCodes {
        good_for: GoodFor,
        count: u32,
        expires_s: Option<i64>,
    },
    MakeTicket {
        share: String,
        expires_s: Option<i64>,
    },
}

/// What a gift code is good for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoodFor {
    Points(i64),
    Share(String),
}

#[derive(Debug, Serialize, Deserialize)]
pub struct HeldLine {
    pub user: String,
    pub points: i64,
}

impl HeldLine {
    fn of(user: &User) -> HeldLine {
        HeldLine { user: user.name.clone(), points: user.points }
    }
}

fn ends_ms(expires_s: Option<i64>) -> Option<i64> {
    expires_s.map(|s| now_ms().saturating_add(s.saturating_mul(1000)))
}

pub async fn run(app: &App, order: PointsOrder) -> Result<Reply> {
    match order {
        PointsOrder::Held => {
            let users = app.db.read(accounts::list).await?;
            Ok(Reply::Points(users.iter().map(HeldLine::of).collect()))
        }
        PointsOrder::Give { name, points } => {
            let user = user_named(app, name).await?;
            let held = purchases::adjust(app, user.key, points).await?;
            Ok(Reply::Done(format!("{:?} holds {held} points.", user.name)))
        }
        PointsOrder::MakeCodes { good_for, count, expires_s } => {
            let gift = match good_for {
                GoodFor::Points(points) => Gift::Points(points),
                GoodFor::Share(id) => Gift::Share(standing(app, id).await?.0.key),
            };
            let codes = purchases::make_codes(app, gift, count, ends_ms(expires_s)).await?;
            Ok(Reply::Codes(codes.into_iter().map(Secret).collect()))
        }
        PointsOrder::MakeTicket { share, expires_s } => {
            let (share, _) = standing(app, share).await?;
            let ticket = purchases::make_ticket(app, share.key, ends_ms(expires_s)).await?;
            Ok(Reply::Codes(vec![Secret(ticket)]))
        }
    }
}
