//! SQL of storage policies: what may be stored, which groups give which, and what is under which.

use super::library::{ITEM_COLUMNS, item_of, new_id};
use super::{Row, Tx, Value};
use crate::account::{GroupKey, UserKey};
use crate::args;
use crate::error::{Error, Result, Thing};
use crate::library::policy::{DEFAULT_ID, Listed, Policy, PolicyKey};
use crate::library::{IdKind, Item, ItemKey, Page};

const COLUMNS: &str = "p.id, p.public_id, p.name, p.most_bytes, p.endings, p.endings_are, p.pattern, p.pattern_is,
                       p.chunk_bytes, p.created_ms, p.modified_ms";

fn listed(text: &str) -> Result<Listed> {
    match text {
        "taken" => Ok(Listed::Taken),
        "refused" => Ok(Listed::Refused),
        _ => Err(Error::internal("policies: unknown kind of list", text)),
    }
}

const fn listed_text(listed: Listed) -> &'static str {
    match listed {
        Listed::Taken => "taken",
        Listed::Refused => "refused",
    }
}

fn policy(row: &Row) -> Result<Policy> {
    let bytes = |at| Ok::<_, Error>(row.get::<Option<i64>>(at)?.map(i64::unsigned_abs));
    let endings: String = row.get(4)?;
    Ok(Policy {
        key: PolicyKey(row.get(0)?),
        id: row.get(1)?,
        name: row.get(2)?,
        most_bytes: bytes(3)?,
        endings: serde_json::from_str(&endings).map_err(|cause| Error::internal("policies: endings", cause))?,
        endings_are: listed(&row.get::<String>(5)?)?,
        pattern: row.get(6)?,
        pattern_is: listed(&row.get::<String>(7)?)?,
        chunk_bytes: bytes(8)?,
        created_ms: row.get(9)?,
        modified_ms: row.get(10)?,
    })
}

/// The one that holds where nothing else does.
pub fn default(tx: &mut Tx) -> Result<Policy> {
    Ok(with_row(tx, DEFAULT_ID)?.unwrap_or_else(Policy::usual))
}

fn with_row(tx: &mut Tx, id: &str) -> Result<Option<Policy>> {
    tx.maybe(&format!("SELECT {COLUMNS} FROM storage_policy p WHERE p.public_id = $1"), args![id], policy)
}

pub fn by_id(tx: &mut Tx, id: &str) -> Result<Policy> {
    if id == DEFAULT_ID {
        return default(tx);
    }
    with_row(tx, id)?.ok_or(Error::NotFound(Thing::Policy))
}

/// Not the default one.
pub fn by_key(tx: &mut Tx, key: PolicyKey) -> Result<Policy> {
    let sql = format!("SELECT {COLUMNS} FROM storage_policy p WHERE p.id = $1 AND p.public_id <> $2");
    tx.maybe(&sql, args![key.0, DEFAULT_ID], policy)?.ok_or(Error::NotFound(Thing::Policy))
}

/// A part of all but the default one, in the order in which they were made.
pub fn page(tx: &mut Tx, page: Page) -> Result<Vec<Policy>> {
    let sql =
        format!("SELECT {COLUMNS} FROM storage_policy p WHERE p.public_id <> $1 ORDER BY p.id LIMIT $2 OFFSET $3");
    tx.all(&sql, args![DEFAULT_ID, page.limit, page.offset], policy)
}

/// Without the default one.
pub fn count(tx: &mut Tx) -> Result<u64> {
    tx.one("SELECT COUNT(*) FROM storage_policy WHERE public_id <> $1", args![DEFAULT_ID], |row| row.get(0))
}

/// As a row with the given id, or a new one where that is empty.
pub fn insert(tx: &mut Tx, wish: &Policy, now_ms: i64) -> Result<Policy> {
    let id = if wish.id.is_empty() { new_id(IdKind::Policy) } else { wish.id.clone() };
    tx.run(
        "INSERT INTO storage_policy (public_id, name, most_bytes, endings, endings_are, pattern, pattern_is, chunk_bytes,
                                     created_ms, modified_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)",
        &[args![&id], &fields(wish)?, args![now_ms]].concat(),
    )?;
    by_id(tx, &id)
}

/// From its name to its chunks, in the order of the table.
fn fields(policy: &Policy) -> Result<[Value; 7]> {
    let endings = serde_json::to_string(&policy.endings);
    Ok([
        (&policy.name).into(),
        policy.most_bytes.into(),
        endings.map_err(|cause| Error::internal("policies: endings", cause))?.into(),
        listed_text(policy.endings_are).into(),
        policy.pattern.clone().into(),
        listed_text(policy.pattern_is).into(),
        policy.chunk_bytes.into(),
    ])
}

pub fn update(tx: &mut Tx, wish: &Policy, now_ms: i64) -> Result<Policy> {
    let key = key_of(tx, wish, now_ms)?;
    tx.run(
        "UPDATE storage_policy SET name = $2, most_bytes = $3, endings = $4, endings_are = $5, pattern = $6,
                                   pattern_is = $7, chunk_bytes = $8, modified_ms = $9
         WHERE id = $1",
        &[args![key.0], &fields(wish)?, args![now_ms]].concat(),
    )?;
    by_id(tx, &wish.id)
}

/// Of its row, which the default one gets when it is first needed.
fn key_of(tx: &mut Tx, of: &Policy, now_ms: i64) -> Result<PolicyKey> {
    match of.key {
        PolicyKey(0) => Ok(insert(tx, of, now_ms)?.key),
        key => Ok(key),
    }
}

/// Who and what is under one.
#[derive(Debug, Clone, Copy)]
pub struct Uses {
    pub items: u64,
    pub groups: u64,
}

pub fn uses(tx: &mut Tx, key: PolicyKey) -> Result<Uses> {
    tx.one(
        "SELECT (SELECT COUNT(*) FROM item_policy WHERE policy_id = $1), (SELECT COUNT(*) FROM group_policy WHERE policy_id = $1)",
        args![key.0],
        |row| Ok(Uses { items: row.get(0)?, groups: row.get(1)? }),
    )
}

pub fn remove(tx: &mut Tx, key: PolicyKey) -> Result<()> {
    tx.run("DELETE FROM storage_policy WHERE id = $1", args![key.0])?;
    Ok(())
}

// Groups --------------------------------------------------------------------------------------------------------------

pub fn of_group(tx: &mut Tx, group: GroupKey) -> Result<Vec<Policy>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM group_policy g JOIN storage_policy p ON p.id = g.policy_id WHERE g.group_id = $1
         ORDER BY g.position"
    );
    tx.all(&sql, args![group.0], policy)
}

/// What a user's groups give, those of the first group first.
pub fn of_user(tx: &mut Tx, user: UserKey) -> Result<Vec<Policy>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM group_member m JOIN group_policy g ON g.group_id = m.group_id
           JOIN storage_policy p ON p.id = g.policy_id
         WHERE m.account_id = $1 ORDER BY m.group_id, g.position"
    );
    tx.all(&sql, args![user.0], policy)
}

/// In place of what it gave before.
pub fn set_of_group(tx: &mut Tx, group: GroupKey, policies: &[Policy], now_ms: i64) -> Result<()> {
    tx.run("DELETE FROM group_policy WHERE group_id = $1", args![group.0])?;
    for (position, given) in policies.iter().enumerate() {
        let key = key_of(tx, given, now_ms)?;
        tx.run(
            "INSERT INTO group_policy (group_id, policy_id, position) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            args![group.0, key.0, position],
        )?;
    }
    Ok(())
}

// Folders and files ---------------------------------------------------------------------------------------------------

/// Those of an item and of what is above it, the nearest first.
pub fn near(tx: &mut Tx, item: ItemKey) -> Result<Vec<Policy>> {
    let sql = format!(
        "WITH RECURSIVE above (id, parent_id, depth) AS (
             SELECT id, parent_id, 0 FROM item WHERE id = $1
             UNION ALL
             SELECT i.id, i.parent_id, a.depth + 1 FROM item i JOIN above a ON i.id = a.parent_id
         )
         SELECT {COLUMNS} FROM above a JOIN item_policy o ON o.item_id = a.id JOIN storage_policy p ON p.id = o.policy_id
         ORDER BY a.depth"
    );
    tx.all(&sql, args![item.0], policy)
}

/// Its own alone.
pub fn of_item(tx: &mut Tx, item: ItemKey) -> Result<Option<Policy>> {
    let sql =
        format!("SELECT {COLUMNS} FROM item_policy o JOIN storage_policy p ON p.id = o.policy_id WHERE o.item_id = $1");
    tx.maybe(&sql, args![item.0], policy)
}

pub fn set_of_item(tx: &mut Tx, item: ItemKey, to: &Policy, now_ms: i64) -> Result<()> {
    let key = key_of(tx, to, now_ms)?;
    tx.run(
        "INSERT INTO item_policy (item_id, policy_id) VALUES ($1, $2)
         ON CONFLICT (item_id) DO UPDATE SET policy_id = excluded.policy_id",
        args![item.0, key.0],
    )?;
    Ok(())
}

pub fn clear_of_item(tx: &mut Tx, item: ItemKey) -> Result<()> {
    tx.run("DELETE FROM item_policy WHERE item_id = $1", args![item.0])?;
    Ok(())
}

/// Of an item and all below it, those with one of their own.
pub fn below(tx: &mut Tx, top: ItemKey) -> Result<Vec<Item>> {
    let sql = format!(
        "{} SELECT {ITEM_COLUMNS} FROM item WHERE id IN (SELECT item_id FROM item_policy) AND id IN (SELECT id FROM below)",
        super::files::BELOW
    );
    tx.all(&sql, args![top.0], item_of)
}
