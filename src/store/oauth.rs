//! SQL of apps that administrators registered, and of what users let apps do.

use super::{Row, Tx};
use crate::account::UserKey;
use crate::account::oauth::{Client, MY_CLOUD_HOME, Secret, built_in, my_cloud_home};
use crate::account::permit::Permits;
use crate::args;
use crate::error::{Error, Result, Thing};

const CLIENT: &str = "id, name, description, icon, homepage, secret_hash, redirect_uris, permits, created_ms";

fn client_of(row: &Row) -> Result<Client> {
    let redirect_uris = serde_json::from_str(&row.get::<String>(6)?);
    Ok(Client {
        id: row.get(0)?,
        name: row.get(1)?,
        description: row.get(2)?,
        icon: row.get(3)?,
        homepage: row.get(4)?,
        secret: Secret::Hash(row.get(5)?),
        redirect_uris: redirect_uris.map_err(|cause| Error::internal("addresses of an app", cause))?,
        permits: permits_of(&row.get::<String>(7)?)?,
        created_ms: row.get(8)?,
    })
}

pub(super) fn permits_of(names: &str) -> Result<Permits> {
    Permits::parse(names).ok_or_else(|| Error::internal("permits of an app", names))
}

/// The app of this id, built in or registered.
pub fn client(tx: &mut Tx, id: &str) -> Result<Option<Client>> {
    match built_in().into_iter().find(|client| client.id == id) {
        None if id == MY_CLOUD_HOME => Ok(Some(my_cloud_home())),
        Some(known) => Ok(Some(known)),
        None => tx.maybe(&format!("SELECT {CLIENT} FROM oauth_client WHERE id = $1"), args![id], client_of),
    }
}

/// Those that are built in, then those that were registered.
pub fn clients(tx: &mut Tx) -> Result<Vec<Client>> {
    let registered =
        tx.all(&format!("SELECT {CLIENT} FROM oauth_client ORDER BY created_ms, id"), args![], client_of)?;
    Ok(built_in().into_iter().chain(registered).collect())
}

/// Registers an app, or changes one that was registered.
pub fn put_client(tx: &mut Tx, client: &Client) -> Result<()> {
    let Secret::Hash(hash) = &client.secret else { return Err(Error::Forbidden("this app is built in")) };
    tx.run(
        "INSERT INTO oauth_client (id, name, description, icon, homepage, secret_hash, redirect_uris, permits, created_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, description = excluded.description, icon = excluded.icon,
            homepage = excluded.homepage, secret_hash = excluded.secret_hash, redirect_uris = excluded.redirect_uris,
            permits = excluded.permits",
        args![
            &client.id,
            &client.name,
            &client.description,
            &client.icon,
            &client.homepage,
            hash.clone(),
            serde_json::json!(client.redirect_uris).to_string(),
            client.permits.to_string(),
            client.created_ms
        ],
    )?;
    Ok(())
}

/// With all that users let it do.
pub fn remove_client(tx: &mut Tx, id: &str) -> Result<()> {
    if tx.run("DELETE FROM oauth_client WHERE id = $1", args![id])? == 0 {
        return Err(Error::NotFound(Thing::OauthApp));
    }
    tx.run("DELETE FROM oauth_grant WHERE client_id = $1", args![id])?;
    tx.run("DELETE FROM session WHERE client_id = $1", args![id])?;
    Ok(())
}

/// What a user lets an app do.
#[derive(Debug, Clone)]
pub struct LetIn {
    pub client_id: String,
    pub permits: Permits,
    pub used_ms: Option<i64>,
}

fn let_in_of(row: &Row) -> Result<LetIn> {
    Ok(LetIn { client_id: row.get(0)?, permits: permits_of(&row.get::<String>(1)?)?, used_ms: row.get(2)? })
}

pub fn let_in(tx: &mut Tx, user: UserKey, client_id: &str) -> Result<Option<LetIn>> {
    let sql = "SELECT client_id, permits, used_ms FROM oauth_grant WHERE account_id = $1 AND client_id = $2";
    tx.maybe(sql, args![user.0, client_id], let_in_of)
}

/// How many users let it in.
pub fn count_let_in(tx: &mut Tx, client_id: &str) -> Result<u64> {
    tx.one("SELECT COUNT(*) FROM oauth_grant WHERE client_id = $1", args![client_id], |row| row.get(0))
}

/// Ends the app's sessions with all users; they let it in again without being asked.
pub fn end_sessions(tx: &mut Tx, client_id: &str) -> Result<()> {
    tx.run("DELETE FROM session WHERE client_id = $1", args![client_id])?;
    Ok(())
}

pub fn all_let_in(tx: &mut Tx, user: UserKey) -> Result<Vec<LetIn>> {
    let sql =
        "SELECT client_id, permits, used_ms FROM oauth_grant WHERE account_id = $1 ORDER BY created_ms, client_id";
    tx.all(sql, args![user.0], let_in_of)
}

/// Lets the app do this, in place of what it might do before.
pub fn set_let_in(tx: &mut Tx, user: UserKey, client_id: &str, permits: Permits, now_ms: i64) -> Result<()> {
    tx.run(
        "INSERT INTO oauth_grant (account_id, client_id, permits, created_ms) VALUES ($1, $2, $3, $4)
         ON CONFLICT (account_id, client_id) DO UPDATE SET permits = excluded.permits",
        args![user.0, client_id, permits.to_string(), now_ms],
    )?;
    Ok(())
}

pub fn used(tx: &mut Tx, user: UserKey, client_id: &str, now_ms: i64) -> Result<()> {
    tx.run(
        "UPDATE oauth_grant SET used_ms = $3 WHERE account_id = $1 AND client_id = $2",
        args![user.0, client_id, now_ms],
    )?;
    Ok(())
}

/// Ends the app's sessions as well.
pub fn shut_out(tx: &mut Tx, user: UserKey, client_id: &str) -> Result<()> {
    if tx.run("DELETE FROM oauth_grant WHERE account_id = $1 AND client_id = $2", args![user.0, client_id])? == 0 {
        return Err(Error::NotFound(Thing::OauthApp));
    }
    tx.run("DELETE FROM session WHERE account_id = $1 AND client_id = $2", args![user.0, client_id])?;
    Ok(())
}
