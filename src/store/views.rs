//! Rows of how users look at their files: views of folders, pins at the side.

use super::Tx;
use crate::account::UserKey;
use crate::args;
use crate::error::Result;
use crate::library::ItemKey;

/// JSON, if the user has one of this folder and has views kept.
pub fn of_folder(tx: &mut Tx, user: UserKey, folder: ItemKey) -> Result<Option<String>> {
    let sql = "SELECT v.view FROM folder_view v LEFT JOIN preference p ON p.account_id = v.account_id
               WHERE v.account_id = $1 AND v.item_id = $2 AND COALESCE(p.syncs_views, 1) = 1";
    tx.maybe(sql, args![user.0, folder.0], |row| row.get(0))
}

/// The same whether or not the user has views kept now.
pub fn stored(tx: &mut Tx, user: UserKey, folder: ItemKey) -> Result<Option<String>> {
    let sql = "SELECT view FROM folder_view WHERE account_id = $1 AND item_id = $2";
    tx.maybe(sql, args![user.0, folder.0], |row| row.get(0))
}

pub fn set(tx: &mut Tx, user: UserKey, folder: ItemKey, json: &str) -> Result<()> {
    tx.run(
        "INSERT INTO folder_view (account_id, item_id, view) VALUES ($1, $2, $3)
         ON CONFLICT (account_id, item_id) DO UPDATE SET view = excluded.view",
        args![user.0, folder.0, json],
    )?;
    Ok(())
}

pub fn clear(tx: &mut Tx, user: UserKey, folder: ItemKey) -> Result<()> {
    tx.run("DELETE FROM folder_view WHERE account_id = $1 AND item_id = $2", args![user.0, folder.0])?;
    Ok(())
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    pub uri: String,
    pub name: Option<String>,
}

/// In the order in which they were made.
pub fn pins(tx: &mut Tx, user: UserKey) -> Result<Vec<Pin>> {
    tx.all("SELECT uri, name FROM pin WHERE account_id = $1 ORDER BY id", args![user.0], |row| {
        Ok(Pin { uri: row.get(0)?, name: row.get(1)? })
    })
}

/// A pin of that URI gets the new name.
pub fn pin(tx: &mut Tx, user: UserKey, pin: &Pin) -> Result<()> {
    tx.run(
        "INSERT INTO pin (account_id, uri, name) VALUES ($1, $2, $3)
         ON CONFLICT (account_id, uri) DO UPDATE SET name = excluded.name",
        args![user.0, &pin.uri, pin.name.clone()],
    )?;
    Ok(())
}

pub fn unpin(tx: &mut Tx, user: UserKey, uri: &str) -> Result<()> {
    tx.run("DELETE FROM pin WHERE account_id = $1 AND uri = $2", args![user.0, uri])?;
    Ok(())
}
