//! Groups, as the protocol has them: one for each user, with what its members may do.
//!
//! Admins, users and guests are groups of the protocol's own, with the numbers that it gives them; ours follow. What a group
//! decides are the roles that have a bit; bits without a role are answered as they hold here, whatever was sent.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::policies::{self, PolicyEnt};
use super::{ListWish, Pages, audit, number};
use crate::account::{Group, GroupKey, Roles, User};
use crate::dialect::cloudreve::answers::{self, GUEST_MAY, group_permission, roles_in};
use crate::dialect::cloudreve::{Failure, Outcome, boolset, data, done, query};
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::library::Page;
use crate::library::policy::{Policy, PolicyKey};
use crate::share::Change;
use crate::store::accounts::lists::{self, GroupWanted, Wanted};
use crate::store::{Tx, groups as rows, policies as policy_rows};
use crate::work::groups::{self, GroupWish, MainGroup};

pub const GROUP_MISSING: Failure = Failure::Code(40039, "There is no such group");
const SYSTEM_GROUP: Failure = Failure::Code(40040, "Admins, users and guests are as they are");
const GROUP_IN_USE: Failure = Failure::Code(40041, "Somebody is still in this group");

const ADMINS: i64 = 1;
const USERS: i64 = 2;
const GUESTS: i64 = 3;

pub fn main_number(group: MainGroup) -> i64 {
    match group {
        MainGroup::Admins => ADMINS,
        MainGroup::Users => USERS,
        MainGroup::Own(key) => GUESTS + key.0,
    }
}

/// The group of a number that somebody may be in.
pub fn main_group(number: i64) -> Result<MainGroup, Failure> {
    match number {
        ADMINS => Ok(MainGroup::Admins),
        USERS => Ok(MainGroup::Users),
        GUESTS => Err(SYSTEM_GROUP),
        _ => Ok(MainGroup::Own(own_key(number)?)),
    }
}

/// The row of a number that is none of the protocol's own.
fn own_key(number: i64) -> Result<GroupKey, Failure> {
    number.checked_sub(GUESTS).filter(|key| *key > 0).map(GroupKey).ok_or(GROUP_MISSING)
}

#[derive(Serialize)]
struct Edges {
    storage_policies: Value,
}

/// One as such, as the dashboard has it; of several a list.
fn told_policies(policies: Vec<Policy>) -> Result<Value> {
    let mut told = policies.into_iter().map(|policy| serde_json::to_value(PolicyEnt::of(policy)));
    let all = match (told.next(), told.next()) {
        (None, _) => Ok(Value::Null),
        (Some(only), None) => only,
        (Some(first), Some(second)) => [first, second].into_iter().chain(told).collect::<Result<_, _>>(),
    };
    all.map_err(|cause| Error::internal("policies", cause))
}

#[derive(Serialize)]
pub struct GroupEnt {
    id: i64,
    created_at: String,
    updated_at: String,
    name: String,
    /// 0: members keep the quotas that they have.
    max_storage: u64,
    speed_limit: u64,
    permissions: String,
    settings: serde_json::Value,
    edges: Edges,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_users: Option<u64>,
}

impl GroupEnt {
    fn new(id: i64, name: &str, permission: u64) -> GroupEnt {
        GroupEnt {
            id,
            created_at: answers::time(0),
            updated_at: answers::time(0),
            name: name.to_owned(),
            max_storage: 0,
            speed_limit: 0,
            permissions: boolset::write(permission),
            settings: json!({ "source_batch": answers::DIRECT_LINKS_AT_ONCE, "trash_retention": 0 }),
            edges: Edges { storage_policies: Value::Null },
            total_users: None,
        }
    }

    fn under(self, policies: Vec<Policy>) -> Result<GroupEnt> {
        Ok(GroupEnt { edges: Edges { storage_policies: told_policies(policies)? }, ..self })
    }

    fn system(tx: &mut Tx, number: i64) -> Result<GroupEnt> {
        let group = match number {
            ADMINS => GroupEnt::new(ADMINS, "Admin", group_permission(Roles::ALL)),
            USERS => GroupEnt::new(USERS, "User", group_permission(Roles::USER)),
            _ => GroupEnt::new(GUESTS, "Anonymous", GUEST_MAY),
        };
        group.under(vec![policy_rows::default(tx)?])
    }

    /// Members of one that gives no policy have the default one.
    fn own(tx: &mut Tx, group: &Group) -> Result<GroupEnt> {
        let mut policies = policy_rows::of_group(tx, group.key)?;
        if policies.is_empty() {
            policies.push(policy_rows::default(tx)?);
        }
        GroupEnt {
            created_at: answers::time(group.created_ms),
            updated_at: answers::time(group.created_ms),
            max_storage: group.quota_bytes.unwrap_or(0),
            ..GroupEnt::new(GUESTS + group.key.0, &group.name, group_permission(Roles::USER.in_group(group.roles)))
        }
        .under(policies)
    }

    pub fn of(tx: &mut Tx, group: MainGroup) -> Result<GroupEnt> {
        match group {
            MainGroup::Admins => GroupEnt::system(tx, ADMINS),
            MainGroup::Users => GroupEnt::system(tx, USERS),
            MainGroup::Own(key) => {
                let group = rows::by_key(tx, key)?;
                GroupEnt::own(tx, &group)
            }
        }
    }
}

#[derive(Serialize)]
struct Groups {
    groups: Vec<GroupEnt>,
    pagination: Pages,
}

pub async fn post_list(mut call: Call, _: User) -> Outcome {
    let asked: ListWish = call.json().await?;
    let page = asked.page()?;
    let listed = call.app.db.read(move |tx| {
        let system = GUESTS.unsigned_abs();
        let end = page.offset + page.limit;
        let numbers = page.offset.min(system)..end.min(system);
        let mut groups =
            numbers.map(|at| GroupEnt::system(tx, at.cast_signed() + 1)).collect::<Result<Vec<GroupEnt>>>()?;
        let rest = Page { offset: page.offset.saturating_sub(system), limit: page.limit - groups.len() as u64 };
        for group in rows::page(tx, rest)? {
            groups.push(GroupEnt::own(tx, &group)?);
        }
        Ok(Groups { groups, pagination: Pages::of(page, system + rows::count(tx)?) })
    });
    data(&listed.await?)
}

fn member_count(tx: &mut Tx, number: i64) -> Result<u64> {
    let wanted = match main_group(number) {
        Ok(MainGroup::Admins) => GroupWanted::Admins,
        Ok(MainGroup::Users) => GroupWanted::Users,
        Ok(MainGroup::Own(key)) => return rows::member_count(tx, key),
        Err(_) => return Ok(0),
    };
    Ok(lists::page(tx, &Wanted { group: Some(wanted), ..Wanted::default() }, Page { offset: 0, limit: 0 })?.1)
}

async fn told(call: &Call, number: i64, counts: Counts) -> Outcome {
    let own = if (ADMINS..=GUESTS).contains(&number) { None } else { Some(own_key(number)?) };
    let ent = call.app.db.read(move |tx| {
        let ent = match own {
            None => GroupEnt::system(tx, number)?,
            Some(key) => GroupEnt::of(tx, MainGroup::Own(key))?,
        };
        let total_users = if counts == Counts::Members { Some(member_count(tx, number)?) } else { None };
        Ok(GroupEnt { total_users, ..ent })
    });
    data(&ent.await.map_err(missing)?)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counts {
    Nothing,
    Members,
}

fn missing(error: Error) -> Failure {
    match error {
        Error::NotFound(Thing::Group) => GROUP_MISSING,
        other => other.into(),
    }
}

pub async fn get_one(call: Call, _: User) -> Outcome {
    let counts = if query(&call)?.get("countUser").is_some() { Counts::Members } else { Counts::Nothing };
    let number = number(&call)?;
    told(&call, number, counts).await
}

#[derive(Deserialize)]
struct Upsert {
    group: Option<Wished>,
}

#[derive(Deserialize)]
struct Wished {
    id: Option<i64>,
    name: Option<String>,
    permissions: Option<String>,
    max_storage: Option<u64>,
    speed_limit: Option<u64>,
    edges: Option<WishedEdges>,
}

#[derive(Deserialize)]
struct WishedEdges {
    storage_policies: Option<WishedPolicies>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WishedPolicies {
    One(WishedPolicy),
    Several(Vec<WishedPolicy>),
}

#[derive(Deserialize)]
struct WishedPolicy {
    id: i64,
}

impl WishedPolicies {
    /// The default one alone is what a group gives that says nothing.
    fn keys(self) -> Vec<Option<PolicyKey>> {
        let all = match self {
            WishedPolicies::One(one) => vec![one],
            WishedPolicies::Several(several) => several,
        };
        match all.as_slice() {
            [WishedPolicy { id: policies::DEFAULT }] => Vec::new(),
            all => all.iter().map(|policy| policies::key(policy.id)).collect(),
        }
    }
}

impl Wished {
    async fn of(call: &mut Call) -> Result<Wished> {
        let asked: Upsert = call.json().await?;
        asked.group.ok_or(Error::Missing("group"))
    }

    fn wish(self) -> Result<GroupWish> {
        if self.speed_limit.is_some_and(|limit| limit > 0) {
            return Err(Error::invalid("speed_limit", "speed is limited for the server or a share, not for a group"));
        }
        Ok(GroupWish {
            name: self.name.filter(|name| !name.is_empty()),
            roles: match self.permissions {
                Some(text) => Some(roles_in(boolset::read("permissions", &text)?)?),
                None => None,
            },
            quota_bytes: match self.max_storage {
                None => Change::Keep,
                Some(0) => Change::Clear,
                Some(bytes) => Change::Set(bytes),
            },
            policies: self.edges.and_then(|edges| edges.storage_policies).map(WishedPolicies::keys),
        })
    }
}

pub async fn put_new(mut call: Call, admin: User) -> Outcome {
    let wished = Wished::of(&mut call).await?;
    let name = wished.name.clone().ok_or(Error::Missing("name"))?;
    let wish = wished.wish()?;
    let made = call.app.db.write(move |tx| {
        let group = groups::create(tx, &name, wish)?;
        GroupEnt::own(tx, &group)
    });
    let group = made.await?;
    audit(&admin, "made group", &group.name);
    data(&group)
}

pub async fn put_one(mut call: Call, admin: User) -> Outcome {
    let number = number(&call)?;
    let wished = Wished::of(&mut call).await?;
    if wished.id.is_some_and(|id| id != number) {
        return Err(Error::invalid("group", "its id is another than the address says").into());
    }
    if (ADMINS..=GUESTS).contains(&number) {
        return Err(SYSTEM_GROUP);
    }
    let (key, wish) = (own_key(number)?, wished.wish()?);
    let changed = call.app.db.write(move |tx| {
        let group = groups::edit(tx, key, wish)?;
        GroupEnt::own(tx, &group)
    });
    let group = changed.await.map_err(missing)?;
    audit(&admin, "changed group", &group.name);
    data(&group)
}

pub async fn delete_one(call: Call, admin: User) -> Outcome {
    let number = number(&call)?;
    if (ADMINS..=GUESTS).contains(&number) {
        return Err(SYSTEM_GROUP);
    }
    let key = own_key(number)?;
    call.app.db.write(move |tx| groups::remove(tx, key)).await.map_err(|error| match error {
        Error::Forbidden(_) => GROUP_IN_USE,
        other => missing(other),
    })?;
    audit(&admin, "removed group", &number.to_string());
    done()
}
