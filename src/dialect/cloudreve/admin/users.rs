//! Accounts.

use serde::{Deserialize, Serialize};

use super::groups::{GroupEnt, main_group, main_number};
use super::{ListWish, Pages, audit, number, to_each};
use crate::account::{Allowed, Roles, User, UserKey, UserState};
use crate::dialect::cloudreve::{Failure, Outcome, answers, data};
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::share::Change;
use crate::store::accounts::lists::{self, GroupWanted, Order, Wanted};
use crate::store::{Tx, accounts, library};
use crate::work::groups::MainGroup;
use crate::work::signin;
use crate::work::users::{self, UserWish};

const LAST_ADMIN_STAYS_ADMIN: Failure = Failure::Code(40042, "The last administrator remains one");
const LAST_ADMIN_STAYS: Failure = Failure::Code(40043, "This account cannot be changed like that");
const MAIL_IN_USE: Failure = Failure::Code(40032, "Somebody goes by that name or mail address already");

#[derive(Serialize)]
struct Edges {
    group: GroupEnt,
}

#[derive(Serialize)]
struct Capacity {
    total: u64,
    used: u64,
}

#[derive(Serialize)]
struct UserEnt {
    id: i64,
    created_at: String,
    updated_at: String,
    /// The name that they sign in with; ours.
    name: String,
    email: String,
    nick: String,
    status: &'static str,
    /// Bytes in use.
    storage: u64,
    /// The most that their home may hold, 0 for no such limit; ours: the protocol has it of groups alone.
    max_storage: u64,
    avatar: &'static str,
    credit: i64,
    group_users: i64,
    settings: serde_json::Map<String, serde_json::Value>,
    edges: Edges,
    hash_id: String,
    two_fa_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    capacity: Option<Capacity>,
}

impl UserEnt {
    fn of(tx: &mut Tx, user: User, used_bytes: u64) -> Result<UserEnt> {
        let group = MainGroup::of(&user);
        Ok(UserEnt {
            id: user.key.0,
            created_at: answers::time(user.created_ms),
            updated_at: answers::time(user.created_ms),
            name: user.name,
            email: user.mail,
            nick: user.display_name,
            status: status_text(user.state),
            storage: used_bytes,
            max_storage: user.quota_bytes.unwrap_or(0),
            avatar: "",
            credit: 0,
            group_users: main_number(group),
            settings: serde_json::Map::new(),
            edges: Edges { group: GroupEnt::of(tx, group)? },
            hash_id: user.id,
            two_fa_enabled: false,
            capacity: None,
        })
    }
}

fn status_text(state: UserState) -> &'static str {
    match state {
        UserState::Active => "active",
        UserState::Inactive => "inactive",
        UserState::Banned => "manual_banned",
    }
}

fn state_in(status: &str) -> Result<UserState> {
    match status {
        "active" => Ok(UserState::Active),
        "inactive" => Ok(UserState::Inactive),
        "manual_banned" | "sys_banned" => Ok(UserState::Banned),
        _ => Err(Error::invalid("status", "active, inactive or manual_banned")),
    }
}

#[derive(Serialize)]
struct Users {
    users: Vec<UserEnt>,
    pagination: Pages,
}

fn wanted(asked: &ListWish) -> Result<Wanted, Failure> {
    Ok(Wanted {
        name: asked.condition("user_nick").map(str::to_owned),
        mail: asked.condition("user_email").map(str::to_owned),
        state: asked.condition("user_status").map(state_in).transpose()?,
        group: match asked.number("user_group")? {
            None => None,
            Some(number) => Some(match main_group(number)? {
                MainGroup::Admins => GroupWanted::Admins,
                MainGroup::Users => GroupWanted::Users,
                MainGroup::Own(key) => GroupWanted::In(key),
            }),
        },
        order: if asked.is_descending() { Order::LatestFirst } else { Order::EarliestFirst },
    })
}

pub async fn post_list(mut call: Call, _: User) -> Outcome {
    let asked: ListWish = call.json().await?;
    let (page, wanted) = (asked.page()?, wanted(&asked)?);
    let listed = call.app.db.read(move |tx| {
        let (found, total) = lists::page(tx, &wanted, page)?;
        let keys: Vec<UserKey> = found.iter().map(|user| user.key).collect();
        let used = lists::home_bytes(tx, &keys)?;
        let used_of = |key| used.iter().find(|(owner, _)| *owner == key).map_or(0, |(_, bytes)| *bytes);
        let users = found.into_iter().map(|user| {
            let used_bytes = used_of(user.key);
            UserEnt::of(tx, user, used_bytes)
        });
        Ok(Users { users: users.collect::<Result<_>>()?, pagination: Pages::of(page, total) })
    });
    data(&listed.await?)
}

async fn told(call: &Call, key: UserKey) -> Outcome {
    let ent = call.app.db.read(move |tx| {
        let user = accounts::by_key(tx, key)?.ok_or(Error::NotFound(Thing::User))?;
        let used = lists::home_bytes(tx, &[key])?.first().map_or(0, |(_, bytes)| *bytes);
        let total = user.quota_bytes.unwrap_or(0);
        let ent = UserEnt::of(tx, user, used)?;
        Ok(UserEnt { capacity: Some(Capacity { total, used }), ..ent })
    });
    data(&ent.await?)
}

pub async fn get_one(call: Call, _: User) -> Outcome {
    let key = UserKey(number(&call)?);
    told(&call, key).await
}

/// What is used is summed from the rows whenever it is asked for; they are held against the disk.
pub async fn post_calibrate(call: Call, admin: User) -> Outcome {
    let key = UserKey(number(&call)?);
    if let Some(home) = call.app.db.read(move |tx| library::home_of(tx, key)).await? {
        call.app.scanner.request(home.key);
        audit(&admin, "calibrated", &key.0.to_string());
    }
    told(&call, key).await
}

#[derive(Deserialize)]
struct Upsert {
    user: Option<Wished>,
    password: Option<String>,
}

#[derive(Deserialize)]
struct Wished {
    id: Option<i64>,
    email: Option<String>,
    nick: Option<String>,
    status: Option<String>,
    group_users: Option<i64>,
    max_storage: Option<u64>,
}

fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

impl Wished {
    fn wish(self) -> Result<UserWish, Failure> {
        Ok(UserWish {
            mail: given(self.email),
            display_name: given(self.nick),
            allowed: None,
            group: self.group_users.filter(|number| *number != 0).map(main_group).transpose()?,
            state: given(self.status).as_deref().map(state_in).transpose()?,
            quota_bytes: match self.max_storage {
                None => Change::Keep,
                Some(0) => Change::Clear,
                Some(bytes) => Change::Set(bytes),
            },
        })
    }
}

/// The codes that the protocol has for what stands against a change.
async fn edited(call: &Call, key: UserKey, password: Option<String>, wish: UserWish) -> Result<(), Failure> {
    let demotes = wish.group.is_some_and(|group| group != MainGroup::Admins);
    let edited = users::edit_one(&call.app, key, password, move |_, _| Ok(wish)).await;
    edited.map_err(|error| match error {
        Error::Forbidden(_) if demotes => LAST_ADMIN_STAYS_ADMIN,
        Error::Forbidden(_) => LAST_ADMIN_STAYS,
        Error::Exists(_) => MAIL_IN_USE,
        Error::NotFound(Thing::Group) => super::groups::GROUP_MISSING,
        other => other.into(),
    })
}

pub async fn put_one(mut call: Call, admin: User) -> Outcome {
    let key = UserKey(number(&call)?);
    let asked: Upsert = call.json().await?;
    let user = asked.user.ok_or(Error::Missing("user"))?;
    if user.id.is_some_and(|id| id != key.0) {
        return Err(Error::invalid("user", "its id is another than the address says").into());
    }
    edited(&call, key, given(asked.password), user.wish()?).await?;
    audit(&admin, "changed user", &key.0.to_string());
    told(&call, key).await
}

pub async fn put_new(mut call: Call, admin: User) -> Outcome {
    let asked: Upsert = call.json().await?;
    let user = asked.user.ok_or(Error::Missing("user"))?;
    let password = given(asked.password).ok_or(Error::Missing("password"))?;
    let mail = given(user.email.clone()).ok_or(Error::Missing("email"))?;
    // The protocol has no name to sign in by but the mail address.
    let name = given(user.nick.clone()).unwrap_or_else(|| mail.clone());
    let wish = UserWish { mail: None, ..user.wish()? };
    if let Some(MainGroup::Own(group)) = wish.group {
        let is_there = call.app.db.read(move |tx| crate::store::groups::by_key(tx, group)).await;
        is_there.map_err(|_| super::groups::GROUP_MISSING)?;
    }
    let made = signin::add_user(&call.app, &name, &mail, &password, Allowed::of(Roles::USER)).await;
    let made = made.map_err(|error| match error {
        Error::Exists(_) => MAIL_IN_USE,
        other => other.into(),
    })?;
    audit(&admin, "made user", &made.name);
    edited(&call, made.key, None, wish).await?;
    told(&call, made.key).await
}

pub async fn post_batch_delete(call: Call, admin: User) -> Outcome {
    to_each(call, admin, remove).await
}

async fn remove(call: &Call, admin: &User, id: i64) -> Result<(), Failure> {
    if id == admin.key.0 {
        return Err(LAST_ADMIN_STAYS);
    }
    users::remove(&call.app, UserKey(id)).await.map_err(|error| match error {
        Error::Forbidden(_) => LAST_ADMIN_STAYS,
        other => other.into(),
    })?;
    audit(admin, "removed user", &id.to_string());
    Ok(())
}
