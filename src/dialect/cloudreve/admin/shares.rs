//! Shares: that they are there, whose, and how much they are used. Who holds a link may open what it opens, so a link is told
//! to its owner alone, and so is what it is of.

use serde::Serialize;

use super::{ListWish, Pages, audit, number, to_each};
use crate::account::{User, UserKey};
use crate::dialect::cloudreve::{Failure, Outcome, answers, data};
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::share::{Share, ShareKey};
use crate::store::{Tx, accounts, shares};
use crate::work::sharing;

#[derive(Serialize)]
pub struct Owner {
    id: i64,
    email: String,
    nick: String,
}

impl Owner {
    pub fn of(owner: User) -> Owner {
        Owner { id: owner.key.0, email: owner.mail, nick: owner.display_name }
    }
}

#[derive(Serialize)]
struct Edges {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Owner>,
}

#[derive(Serialize)]
struct ShareEnt {
    id: i64,
    created_at: String,
    updated_at: String,
    views: i64,
    downloads: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remain_downloads: Option<i64>,
    /// Ours; the password itself is told to nobody here.
    password_protected: bool,
    edges: Edges,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_hash_id: Option<String>,
    /// Of the administrator's own shares.
    #[serde(skip_serializing_if = "Option::is_none")]
    share_link: Option<String>,
}

impl ShareEnt {
    fn of(tx: &mut Tx, share: &Share, admin: UserKey, base: &str) -> Result<ShareEnt> {
        let owner = accounts::by_key(tx, share.owner)?;
        Ok(ShareEnt {
            id: share.key.0,
            created_at: answers::time(share.created_ms),
            updated_at: answers::time(share.modified_ms),
            views: share.views,
            downloads: share.downloads,
            expires: share.terms.expires_ms.map(answers::time),
            remain_downloads: share.downloads_left(),
            password_protected: share.terms.has_password,
            user_hash_id: owner.as_ref().map(|owner| owner.id.clone()),
            edges: Edges { user: owner.map(Owner::of) },
            share_link: (share.owner == admin).then(|| format!("{base}/s/{}", share.id)),
        })
    }
}

#[derive(Serialize)]
struct Shares {
    shares: Vec<ShareEnt>,
    pagination: Pages,
}

pub async fn post_list(mut call: Call, admin: User) -> Outcome {
    let asked: ListWish = call.json().await?;
    let (page, owner) = (asked.page()?, asked.number("share_user")?.map(UserKey));
    let way = match asked.is_descending() {
        true => shares::Direction::Descending,
        false => shares::Direction::Ascending,
    };
    let base = call.origin.base.clone();
    let listed = call.app.db.read(move |tx| {
        let (found, total) = shares::lists::page(tx, owner, way, page)?;
        let shares = found.iter().map(|share| ShareEnt::of(tx, share, admin.key, &base)).collect::<Result<_>>()?;
        Ok(Shares { shares, pagination: Pages::of(page, total) })
    });
    data(&listed.await?)
}

fn standing(tx: &mut Tx, number: i64) -> Result<Share> {
    shares::by_key(tx, ShareKey(number))?.filter(|share| !share.revoked).ok_or(Error::NotFound(Thing::Share))
}

pub async fn get_one(call: Call, admin: User) -> Outcome {
    let (number, base) = (number(&call)?, call.origin.base.clone());
    let ent = call.app.db.read(move |tx| {
        let share = standing(tx, number)?;
        ShareEnt::of(tx, &share, admin.key, &base)
    });
    data(&ent.await?)
}

/// Ends shares, whosever they are.
pub async fn post_batch_delete(call: Call, admin: User) -> Outcome {
    to_each(call, admin, revoke).await
}

async fn revoke(call: &Call, admin: &User, id: i64) -> Result<(), Failure> {
    let share = call.app.db.read(move |tx| standing(tx, id)).await?;
    sharing::revoke(&call.app, share.owner, &share.id).await?;
    audit(admin, "revoked share", &id.to_string());
    Ok(())
}
