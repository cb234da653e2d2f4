//! Storage policies. The default one is number 1; the others follow in the order in which they were made.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{ListWish, Pages, audit, number};
use crate::account::User;
use crate::dialect::cloudreve::{Failure, Outcome, answers, data, done, is_set, query};
use crate::error::{Error, Result};
use crate::http::Call;
use crate::library::Page;
use crate::library::policy::{Listed, Policy, PolicyKey};
use crate::store::Tx;
use crate::store::policies::{self as rows, Uses};
use crate::work::policies;

pub const DEFAULT: i64 = 1;

const DEFAULT_STAYS: Failure = Failure::Code(40036, "The default storage policy stays");
const HAS_FILES: Failure = Failure::Code(40037, "Folders or files are under this storage policy");
const HAS_GROUPS: Failure = Failure::Code(40038, "Groups give this storage policy");
const NOT_LOCAL: Failure = Failure::Code(40006, "Files lie in the folders that the server was given, and nowhere else");

/// `None`: the default one.
pub fn key(number: i64) -> Option<PolicyKey> {
    (number != DEFAULT).then(|| PolicyKey(number.saturating_sub(DEFAULT)))
}

pub fn find(tx: &mut Tx, number: i64) -> Result<Policy> {
    match key(number) {
        None => rows::default(tx),
        Some(key) => rows::by_key(tx, key),
    }
}

pub fn number_of(policy: &Policy) -> i64 {
    if policy.is_default() { DEFAULT } else { policy.key.0 + DEFAULT }
}

#[derive(Serialize)]
struct Settings {
    file_type: Vec<String>,
    is_file_type_deny_list: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_regexp: Option<String>,
    is_name_regexp_deny_list: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk_size: Option<u64>,
}

#[derive(Serialize)]
pub struct PolicyEnt {
    id: i64,
    created_at: String,
    updated_at: String,
    name: String,
    r#type: &'static str,
    max_size: u64,
    settings: Settings,
    edges: Map<String, Value>,
    /// By which users name it; ours.
    hash_id: String,
    /// Of folders and files that are under it by their own choice, and not by their folder's or group's; ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    items_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups_count: Option<u64>,
}

impl PolicyEnt {
    pub fn of(policy: Policy) -> PolicyEnt {
        PolicyEnt {
            id: number_of(&policy),
            created_at: answers::time(policy.created_ms),
            updated_at: answers::time(policy.modified_ms),
            name: policy.name,
            r#type: "local",
            max_size: policy.most_bytes.unwrap_or(0),
            settings: Settings {
                file_type: policy.endings,
                is_file_type_deny_list: policy.endings_are == Listed::Refused,
                file_regexp: policy.pattern,
                is_name_regexp_deny_list: policy.pattern_is == Listed::Refused,
                chunk_size: policy.chunk_bytes,
            },
            edges: Map::new(),
            hash_id: policy.id,
            items_count: None,
            groups_count: None,
        }
    }

    pub fn id(&self) -> i64 {
        self.id
    }
}

pub async fn post_list(mut call: Call, _: User) -> Outcome {
    let asked: ListWish = call.json().await?;
    let page = asked.page()?;
    let listed = call.app.db.read(move |tx| {
        let mut policies = Vec::new();
        if page.offset == 0 {
            policies.push(PolicyEnt::of(rows::default(tx)?));
        }
        let rest = Page { offset: page.offset.saturating_sub(1), limit: page.limit - policies.len() as u64 };
        policies.extend(rows::page(tx, rest)?.into_iter().map(PolicyEnt::of));
        Ok(json!({ "policies": policies, "pagination": Pages::of(page, 1 + rows::count(tx)?) }))
    });
    data(&listed.await?)
}

pub async fn get_one(call: Call, _: User) -> Outcome {
    let (number, counts) = (number(&call)?, is_set(&query(&call)?, "countEntity")?);
    let ent = call.app.db.read(move |tx| {
        let policy = find(tx, number)?;
        let uses = if counts { Some(rows::uses(tx, policy.key)?) } else { None };
        let ent = PolicyEnt::of(policy);
        Ok(match uses {
            Some(Uses { items, groups }) => PolicyEnt { items_count: Some(items), groups_count: Some(groups), ..ent },
            None => ent,
        })
    });
    data(&ent.await?)
}

// Changing ------------------------------------------------------------------------------------------------------------

#[derive(Deserialize)]
struct Upsert {
    policy: Option<Wished>,
}

/// Fields of other kinds of storage, and how files are called on the disk, mean nothing here and are passed over.
#[derive(Deserialize)]
struct Wished {
    id: Option<i64>,
    name: Option<String>,
    r#type: Option<String>,
    max_size: Option<u64>,
    settings: Option<WishedSettings>,
}

#[derive(Default, Deserialize)]
struct WishedSettings {
    file_type: Option<Vec<String>>,
    is_file_type_deny_list: Option<bool>,
    file_regexp: Option<String>,
    is_name_regexp_deny_list: Option<bool>,
    chunk_size: Option<u64>,
    encryption: Option<bool>,
}

impl Wished {
    async fn of(call: &mut Call) -> Result<Wished, Failure> {
        let asked: Upsert = call.json().await?;
        let wished = asked.policy.ok_or(Error::Missing("policy"))?;
        match wished.r#type.as_deref() {
            None | Some("" | "local") => Ok(wished),
            Some(_) => Err(NOT_LOCAL),
        }
    }

    /// All of it in place of what it was, as the dashboard sends it; only a name that is left out stays.
    fn onto(self, before: Policy) -> Result<Policy> {
        let settings = self.settings.unwrap_or_default();
        if settings.encryption == Some(true) {
            return Err(Error::invalid("settings", "files are stored as they are"));
        }
        let listed = |denies: Option<bool>| if denies == Some(true) { Listed::Refused } else { Listed::Taken };
        Ok(Policy {
            name: self.name.filter(|name| !name.is_empty()).unwrap_or(before.name),
            most_bytes: self.max_size.filter(|most| *most > 0),
            endings: settings.file_type.unwrap_or_default(),
            endings_are: listed(settings.is_file_type_deny_list),
            pattern: settings.file_regexp.filter(|pattern| !pattern.is_empty()),
            pattern_is: listed(settings.is_name_regexp_deny_list),
            chunk_bytes: settings.chunk_size.filter(|chunk| *chunk > 0),
            ..before
        })
    }
}

pub async fn put_new(mut call: Call, admin: User) -> Outcome {
    let wished = Wished::of(&mut call).await?;
    let wish = wished.onto(Policy::named(String::new(), String::new()))?;
    let made = call.app.db.write(move |tx| policies::save(tx, wish)).await?;
    audit(&admin, "made storage policy", &made.name);
    data(&PolicyEnt::of(made))
}

pub async fn put_one(mut call: Call, admin: User) -> Outcome {
    let number = number(&call)?;
    let wished = Wished::of(&mut call).await?;
    if wished.id.is_some_and(|id| id != number) {
        return Err(Error::invalid("policy", "its id is another than the address says").into());
    }
    let changed = call.app.db.write(move |tx| {
        let before = find(tx, number)?;
        policies::save(tx, wished.onto(before)?)
    });
    let changed = changed.await?;
    audit(&admin, "changed storage policy", &changed.name);
    data(&PolicyEnt::of(changed))
}

pub async fn delete_one(call: Call, admin: User) -> Outcome {
    let number = number(&call)?;
    let key = key(number).ok_or(DEFAULT_STAYS)?;
    call.app.db.write(move |tx| policies::remove(tx, key)).await.map_err(|error| match error {
        Error::Forbidden(policies::HAS_FILES) => HAS_FILES,
        Error::Forbidden(policies::HAS_GROUPS) => HAS_GROUPS,
        other => other.into(),
    })?;
    audit(&admin, "removed storage policy", &number.to_string());
    done()
}

/// Has a storage take uploads from the pages of this site. Ours takes them at the site itself, so nothing is missing.
pub async fn post_cors(mut call: Call, _: User) -> Outcome {
    Wished::of(&mut call).await?;
    done()
}

/// Signing in to storages of other companies.
pub async fn not_local(_: Call, _: User) -> Outcome {
    Err(NOT_LOCAL)
}
