//! SQL of app accounts: sign-ins of a user's for WebDAV alone.

use super::{Row, Tx, Weighed, accounts};
use crate::account::{User, UserKey};
use crate::args;
use crate::error::{Error, Result, Thing};

/// What an app account may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    pub name: String,
    /// Names from the user's root to the folder that its apps take for the root.
    pub root: Vec<String>,
    pub read_only: bool,
    /// Kept for the clients that set it: files always come from this server.
    pub proxy: bool,
    /// Kept likewise: hidden files are not taken from anybody.
    pub no_system_files: bool,
}

#[derive(Debug, Clone)]
pub struct DavAccount {
    pub id: String,
    pub owner: UserKey,
    pub terms: Terms,
    pub sealed: Vec<u8>,
    pub created_ms: i64,
}

const ACCOUNT: &str = "SELECT public_id, account_id, name, root, read_only, proxy, no_system_files, password_sealed, \
                       created_ms FROM dav_account";

fn account(row: &Row) -> Result<DavAccount> {
    let root: String = row.get(3)?;
    Ok(DavAccount {
        id: row.get(0)?,
        owner: UserKey(row.get(1)?),
        terms: Terms {
            name: row.get(2)?,
            root: serde_json::from_str(&root).map_err(|e| Error::internal("root of an app account", e))?,
            read_only: row.get(4)?,
            proxy: row.get(5)?,
            no_system_files: row.get(6)?,
        },
        sealed: row.get(7)?,
        created_ms: row.get(8)?,
    })
}

fn root_text(terms: &Terms) -> Result<String> {
    serde_json::to_string(&terms.root).map_err(|e| Error::internal("root of an app account", e))
}

pub fn insert(tx: &mut Tx, new: &DavAccount, password_hash: Vec<u8>) -> Result<()> {
    tx.run(
        "INSERT INTO dav_account (public_id, account_id, name, root, read_only, proxy, no_system_files, password_hash,
             password_sealed, created_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        args![
            &new.id,
            new.owner.0,
            &new.terms.name,
            root_text(&new.terms)?,
            new.terms.read_only,
            new.terms.proxy,
            new.terms.no_system_files,
            password_hash,
            new.sealed.clone(),
            new.created_ms
        ],
    )?;
    Ok(())
}

pub fn update(tx: &mut Tx, owner: UserKey, id: &str, terms: &Terms) -> Result<DavAccount> {
    let sql = "UPDATE dav_account SET name = $3, root = $4, read_only = $5, proxy = $6, no_system_files = $7
               WHERE account_id = $1 AND public_id = $2";
    let root = root_text(terms)?;
    tx.run(sql, args![owner.0, id, &terms.name, root, terms.read_only, terms.proxy, terms.no_system_files])?;
    let sql = format!("{ACCOUNT} WHERE account_id = $1 AND public_id = $2");
    tx.maybe(&sql, args![owner.0, id], account)?.ok_or(Error::NotFound(Thing::Device))
}

pub fn remove(tx: &mut Tx, owner: UserKey, id: &str) -> Result<()> {
    match tx.run("DELETE FROM dav_account WHERE account_id = $1 AND public_id = $2", args![owner.0, id])? {
        0 => Err(Error::NotFound(Thing::Device)),
        _ => Ok(()),
    }
}

pub fn count(tx: &mut Tx, owner: UserKey) -> Result<u64> {
    tx.one("SELECT COUNT(*) FROM dav_account WHERE account_id = $1", args![owner.0], |row| row.get(0))
}

/// The newest first, from after the one of that id on.
pub fn list(tx: &mut Tx, owner: UserKey, after: Option<&str>, limit: usize) -> Result<Vec<DavAccount>> {
    let before = match after {
        Some(id) => {
            let sql = "SELECT id FROM dav_account WHERE account_id = $1 AND public_id = $2";
            let known: Option<i64> = tx.maybe(sql, args![owner.0, id], |row| row.get(0))?;
            known.ok_or(Error::invalid("next_page_token", "it was not made by this server"))?
        }
        None => i64::MAX,
    };
    let sql = format!("{ACCOUNT} WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
    tx.all(&sql, args![owner.0, before, limit], account)
}

/// An app account with its user, as found by the password.
#[derive(Clone)]
pub struct Holder {
    pub user: User,
    pub account: DavAccount,
}

/// None remembered too: a wrong password is asked for again and again.
pub struct Found(pub Option<Holder>);

impl Weighed for Found {}

pub fn by_password(tx: &mut Tx, password_hash: Vec<u8>) -> Result<Found> {
    let found = tx.maybe(&format!("{ACCOUNT} WHERE password_hash = $1"), args![password_hash], account)?;
    let Some(account) = found else { return Ok(Found(None)) };
    let user = accounts::by_key(tx, account.owner)?.filter(User::is_active);
    Ok(Found(user.map(|user| Holder { user, account })))
}
