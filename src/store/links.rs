//! SQL of direct links: an address of one file that anybody may fetch, until its owner takes it back.

use super::Tx;
use crate::account::UserKey;
use crate::account::token::random_base62;
use crate::args;
use crate::error::{Error, Result, Thing};
use crate::library::{IdKind, ItemKey};

#[derive(Debug, Clone)]
pub struct DirectLink {
    /// The bearer's secret.
    pub id: String,
    pub owner: UserKey,
    pub item: ItemKey,
    pub downloads: i64,
    pub created_ms: i64,
}

const LINK: &str = "public_id, owner_id, item_id, downloads, created_ms";

fn link(row: &super::Row) -> Result<DirectLink> {
    Ok(DirectLink {
        id: row.get(0)?,
        owner: UserKey(row.get(1)?),
        item: ItemKey(row.get(2)?),
        downloads: row.get(3)?,
        created_ms: row.get(4)?,
    })
}

/// The user's link to that file: the one there is, or a new one.
pub fn make(tx: &mut Tx, owner: UserKey, item: ItemKey, now_ms: i64) -> Result<DirectLink> {
    let id = format!("{}{}", IdKind::Link.letter(), random_base62(22));
    tx.one(
        &format!(
            "INSERT INTO direct_link (public_id, owner_id, item_id, downloads, created_ms) VALUES ($1, $2, $3, 0, $4)
             ON CONFLICT (owner_id, item_id) DO UPDATE SET downloads = direct_link.downloads RETURNING {LINK}"
        ),
        args![id, owner.0, item.0, now_ms],
        link,
    )
}

pub fn by_id(tx: &mut Tx, id: &str) -> Result<Option<DirectLink>> {
    tx.maybe(&format!("SELECT {LINK} FROM direct_link WHERE public_id = $1"), args![id], link)
}

pub fn of_item(tx: &mut Tx, owner: UserKey, item: ItemKey) -> Result<Vec<DirectLink>> {
    tx.all(
        &format!("SELECT {LINK} FROM direct_link WHERE owner_id = $1 AND item_id = $2"),
        args![owner.0, item.0],
        link,
    )
}

pub fn count(tx: &mut Tx, id: &str) -> Result<()> {
    tx.run("UPDATE direct_link SET downloads = downloads + 1 WHERE public_id = $1", args![id])?;
    Ok(())
}

pub fn remove(tx: &mut Tx, owner: UserKey, id: &str) -> Result<()> {
    match tx.run("DELETE FROM direct_link WHERE owner_id = $1 AND public_id = $2", args![owner.0, id])? {
        0 => Err(Error::NotFound(Thing::Link)),
        _ => Ok(()),
    }
}
