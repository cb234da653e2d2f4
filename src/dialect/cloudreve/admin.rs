//! What the dashboard of administrators asks.
//!
//! Objects have numbers here, which are the keys of their rows. An administrator manages accounts and sees that there are
//! shares and how much lies where; what lies in others' homes, and what their links open, is none of it. Fields that mean
//! nothing here have a neutral value.

pub mod entities;
pub mod groups;
pub mod items;
pub mod nodes;
pub mod oauth;
pub mod policies;
pub mod queue;
pub mod shares;
pub mod site;
pub mod tools;
pub mod users;

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Failure, Outcome, done_but_for};
use crate::account::User;
use crate::error::{Error, Result};
use crate::http::Call;
use crate::library::Page;

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
struct Named<Id> {
    ids: Option<Vec<Id>>,
}

/// Does one thing to each of those that the body names; the answer tells of which it failed.
async fn to_each<Id: DeserializeOwned + ToString + Clone>(
    mut call: Call,
    admin: User,
    act: impl AsyncFn(&Call, &User, Id) -> Result<(), Failure>,
) -> Outcome {
    let asked: Named<Id> = call.json().await?;
    let ids = asked.ids.filter(|ids| !ids.is_empty()).ok_or(Error::Missing("ids"))?;
    if ids.len() > MOST_IDS {
        return Err(super::TOO_MANY_URIS);
    }
    let mut failed = Vec::new();
    for id in ids {
        if let Err(failure) = act(&call, &admin, id.clone()).await {
            failed.push((id.to_string(), failure));
        }
    }
    done_but_for(failed)
}

/// What an administrator did, in the log, by name.
fn audit(admin: &User, did: &'static str, what: &str) {
    tracing::info!(admin = admin.name, did, what, "administration");
}
