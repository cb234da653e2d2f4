//! What the dashboard of administrators asks.
//!
//! Objects have numbers here, which are the keys of their rows. An administrator manages accounts and sees that there are
//! shares and how much lies where; what lies in others' homes, and what their links open, is none of it. Fields that mean
//! nothing here have a neutral value.

pub mod entities;
pub mod fixed;
pub mod groups;
pub mod items;
pub mod oauth;
pub mod queue;
pub mod shares;
pub mod site;
pub mod users;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{Failure, Outcome, done_but_for};
use crate::account::User;
use crate::error::{Error, Result};
use crate::http::Call;
use crate::store::library::Page;

pub const ADMIN_NEEDED: Failure = Failure::Code(40008, "Only administrators may do this");

/// Items of one page.
const MOST_LISTED: u64 = 1000;
/// Things that one call names.
const MOST_IDS: usize = 1000;

/// What every list is asked with. Conditions that mean nothing here are passed over, as the protocol does it.
#[derive(Deserialize)]
struct ListWish {
    page: Option<u64>,
    page_size: Option<u64>,
    order_direction: Option<String>,
    conditions: Option<HashMap<String, Option<String>>>,
}

impl ListWish {
    /// Pages are counted from 1.
    fn page(&self) -> Result<Page> {
        let page = self.page.unwrap_or(1);
        let limit = self.page_size.unwrap_or(50);
        if !(1..=1_000_000).contains(&page) {
            return Err(Error::invalid("page", "1 to 1000000"));
        }
        if !(1..=MOST_LISTED).contains(&limit) {
            return Err(Error::invalid("page_size", "1 to 1000"));
        }
        Ok(Page { offset: (page - 1) * limit, limit })
    }

    fn condition(&self, name: &str) -> Option<&str> {
        let value = self.conditions.as_ref()?.get(name)?.as_deref()?.trim();
        Some(value).filter(|value| !value.is_empty())
    }

    fn number(&self, name: &'static str) -> Result<Option<i64>> {
        self.condition(name)
            .map(|text| text.parse().map_err(|_| Error::invalid(name, "it is a whole number")))
            .transpose()
    }

    fn is_descending(&self) -> bool {
        self.order_direction.as_deref() != Some("asc")
    }
}

/// Of lists with pages by number, which are counted from 0 in answers.
#[derive(Serialize)]
struct Pages {
    page: u64,
    page_size: u64,
    total_items: u64,
}

impl Pages {
    fn of(page: Page, total_items: u64) -> Pages {
        Pages { page: page.offset / page.limit.max(1), page_size: page.limit, total_items }
    }
}

/// The number in the path.
fn number(call: &Call) -> Result<i64> {
    call.path("id").parse().map_err(|_| Error::invalid("id", "it is a whole number"))
}

#[derive(Deserialize)]
struct Numbers {
    ids: Option<Vec<i64>>,
}

impl Numbers {
    async fn of(call: &mut Call) -> Result<Vec<i64>, Failure> {
        let asked: Numbers = call.json().await?;
        let ids = asked.ids.filter(|ids| !ids.is_empty()).ok_or(Error::Missing("ids"))?;
        if ids.len() > MOST_IDS { Err(super::TOO_MANY_URIS) } else { Ok(ids) }
    }
}

/// Of things by number, those that failed.
#[derive(Default)]
struct Failed(Vec<(String, Failure)>);

impl Failed {
    fn note(&mut self, number: i64, outcome: Result<(), Failure>) {
        if let Err(failure) = outcome {
            self.0.push((number.to_string(), failure));
        }
    }

    fn answer(self) -> Outcome {
        done_but_for(self.0)
    }
}

/// What an administrator did, in the log, by name.
fn audit(admin: &User, did: &'static str, what: &str) {
    tracing::info!(admin = admin.name, did, what, "administration");
}
