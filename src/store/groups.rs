//! SQL of groups of users.

use super::{Row, Tx};
use crate::account::{Group, GroupKey, Roles, UserKey, name_key};
use crate::args;
use crate::error::{Error, Result, Thing};
use crate::library::Page;

const GROUP: &str = "SELECT id, public_id, name, roles, quota_bytes, created_ms FROM user_group";

fn group(row: &Row) -> Result<Group> {
    Ok(Group {
        key: GroupKey(row.get(0)?),
        id: row.get(1)?,
        name: row.get(2)?,
        roles: Roles(row.get(3)?),
        quota_bytes: row.get::<Option<i64>>(4)?.map(i64::unsigned_abs),
        created_ms: row.get(5)?,
    })
}

/// `Exists` when another group has that name, in whatever case or form.
pub fn insert(tx: &mut Tx, id: &str, name: &str, now_ms: i64) -> Result<GroupKey> {
    refuse_taken_name(tx, name, None)?;
    tx.one(
        "INSERT INTO user_group (public_id, name, name_key, roles, created_ms) VALUES ($1, $2, $3, $4, $5) RETURNING id",
        args![id, name, name_key(name), Roles::OF_GROUPS.0, now_ms],
        |row| Ok(GroupKey(row.get(0)?)),
    )
}

fn refuse_taken_name(tx: &mut Tx, name: &str, except: Option<GroupKey>) -> Result<()> {
    let sql = "SELECT id FROM user_group WHERE name_key = $1";
    match tx.maybe(sql, args![name_key(name)], |row| Ok(GroupKey(row.get(0)?)))? {
        Some(taken) if Some(taken) != except => Err(Error::Exists(name.to_owned())),
        _ => Ok(()),
    }
}

pub fn by_key(tx: &mut Tx, key: GroupKey) -> Result<Group> {
    tx.maybe(&format!("{GROUP} WHERE id = $1"), args![key.0], group)?.ok_or(Error::NotFound(Thing::Group))
}

pub fn by_name(tx: &mut Tx, name: &str) -> Result<Group> {
    tx.maybe(&format!("{GROUP} WHERE name_key = $1"), args![name_key(name)], group)?
        .ok_or(Error::NotFound(Thing::Group))
}

pub fn by_id(tx: &mut Tx, id: &str) -> Result<Option<GroupKey>> {
    tx.maybe("SELECT id FROM user_group WHERE public_id = $1", args![id], |row| Ok(GroupKey(row.get(0)?)))
}

/// The public id.
pub fn id_of(tx: &mut Tx, key: GroupKey) -> Result<Option<String>> {
    tx.maybe("SELECT public_id FROM user_group WHERE id = $1", args![key.0], |row| row.get(0))
}

/// Public ids and names of all, by name.
pub fn names(tx: &mut Tx) -> Result<Vec<(String, String)>> {
    tx.all("SELECT public_id, name FROM user_group ORDER BY name_key", args![], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// A part of all groups, in the order in which they were made.
pub fn page(tx: &mut Tx, page: Page) -> Result<Vec<Group>> {
    tx.all(&format!("{GROUP} ORDER BY id LIMIT $1 OFFSET $2"), args![page.limit, page.offset], group)
}

pub fn count(tx: &mut Tx) -> Result<u64> {
    tx.one("SELECT COUNT(*) FROM user_group", args![], |row| row.get(0))
}

/// `Exists` as of [`insert`].
pub fn update(tx: &mut Tx, group: &Group) -> Result<()> {
    refuse_taken_name(tx, &group.name, Some(group.key))?;
    tx.run(
        "UPDATE user_group SET name = $2, name_key = $3, roles = $4, quota_bytes = $5 WHERE id = $1",
        args![group.key.0, &group.name, name_key(&group.name), group.roles.0, group.quota_bytes],
    )?;
    Ok(())
}

/// With the rights that were given to it.
pub fn remove(tx: &mut Tx, key: GroupKey) -> Result<()> {
    tx.run("DELETE FROM rights WHERE subject_kind = 'group' AND subject_id = $1", args![key.0.to_string()])?;
    tx.run("DELETE FROM user_group WHERE id = $1", args![key.0])?;
    Ok(())
}

// Members -------------------------------------------------------------------------------------------------------------

pub fn member_count(tx: &mut Tx, key: GroupKey) -> Result<u64> {
    tx.one("SELECT COUNT(*) FROM group_member WHERE group_id = $1", args![key.0], |row| row.get(0))
}

/// Names of the members, by name.
pub fn member_names(tx: &mut Tx, key: GroupKey) -> Result<Vec<String>> {
    tx.all(
        "SELECT a.name FROM group_member m JOIN account a ON a.id = m.account_id WHERE m.group_id = $1 ORDER BY a.name_key",
        args![key.0],
        |row| row.get(0),
    )
}

/// Puts a user into a group, and gives them what it gives.
pub fn join(tx: &mut Tx, group: &Group, user: UserKey) -> Result<()> {
    tx.run(
        "INSERT INTO group_member (group_id, account_id) VALUES ($1, $2) ON CONFLICT (group_id, account_id) DO NOTHING",
        args![group.key.0, user.0],
    )?;
    give(tx, group, "id = $4", user.0)
}

/// Gives all members what the group gives now.
pub fn give_all(tx: &mut Tx, group: &Group) -> Result<()> {
    give(tx, group, "id IN (SELECT m.account_id FROM group_member m WHERE m.group_id = $4)", group.key.0)
}

fn give(tx: &mut Tx, group: &Group, whom: &str, key: i64) -> Result<()> {
    tx.run(
        &format!(
            "UPDATE account SET roles = (roles & CAST($1 AS BIGINT)) | CAST($2 AS BIGINT),
                                quota_bytes = COALESCE(CAST($3 AS BIGINT), quota_bytes) WHERE {whom}"
        ),
        args![!Roles::OF_GROUPS.0, Roles::NONE.in_group(group.roles).0, group.quota_bytes, key],
    )?;
    Ok(())
}

pub fn leave(tx: &mut Tx, group: GroupKey, user: UserKey) -> Result<()> {
    tx.run("DELETE FROM group_member WHERE group_id = $1 AND account_id = $2", args![group.0, user.0])?;
    Ok(())
}

pub fn leave_all(tx: &mut Tx, user: UserKey) -> Result<()> {
    tx.run("DELETE FROM group_member WHERE account_id = $1", args![user.0])?;
    Ok(())
}
