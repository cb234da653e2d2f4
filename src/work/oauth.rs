//! Letting an app in by OAuth: a user's consent becomes a code, the code becomes a session of the app's, with no more than
//! what the user let it do.

use serde::{Deserialize, Serialize};

use super::signin::{self, Opened};
use crate::account::User;
use crate::account::oauth::{Client, MY_CLOUD_HOME, Request, is_verified};
use crate::account::permit::{Permit, Permits};
use crate::account::slip::{self, Errand};
use crate::error::{Error, Result, Thing};
use crate::store::accounts::{self, ForApp};
use crate::store::{Tx, oauth, slips};
use crate::{App, now_ms};

const CODE_LASTS_MS: i64 = 5 * 60 * 1000;
/// Of an app that may stay when its user is away, from one renewal to the next.
pub const SESSION_LASTS_MS: i64 = 90 * 24 * 60 * 60 * 1000;
/// Of any other.
const VISIT_LASTS_MS: i64 = 60 * 60 * 1000;

#[derive(Serialize, Deserialize)]
struct Code {
    client_id: String,
    user_id: String,
    epoch: i64,
    permits: String,
    redirect_uri: String,
    challenge: String,
}

/// The app that asks, and what it would get.
pub async fn asked(app: &App, request: &Request) -> Result<(Client, Permits)> {
    let id = request.client_id.clone();
    let mut client = app.db.read(move |tx| oauth::client(tx, &id)).await?.ok_or(Error::NotFound(Thing::OauthApp))?;
    if client.id == MY_CLOUD_HOME {
        client.redirect_uris.clone_from(&app.config.mycloud_redirects);
    }
    let permits = request.check(&client)?;
    Ok((client, permits))
}

/// Lets the app in. The code is for the app alone, and for a few minutes.
pub async fn consent(app: &App, user: &User, request: &Request) -> Result<String> {
    let (client, permits) = asked(app, request).await?;
    let code = Code {
        client_id: client.id.clone(),
        user_id: user.id.clone(),
        epoch: user.epoch,
        permits: permits.to_string(),
        redirect_uri: request.redirect_uri.clone(),
        challenge: request.challenge.clone(),
    };
    let key = user.key;
    app.db.write(move |tx| oauth::set_let_in(tx, key, &client.id, permits, now_ms())).await?;
    Ok(slip::write(&app.keys, Errand::OauthCode, code, now_ms() + CODE_LASTS_MS))
}

/// What an app sends for its tokens.
pub struct Exchange {
    pub client_id: String,
    pub client_secret: String,
    pub code: String,
    pub verifier: String,
    /// If it comes, it must be the one that the code was sent to.
    pub redirect_uri: Option<String>,
}

/// A session of an app's.
pub struct Entered {
    pub opened: Opened,
    pub user: User,
    pub app: ForApp,
}

/// `WrongCredentials`, whatever of it is wrong. A code that was shown is used up, also where the rest did not fit.
pub async fn exchange(app: &App, exchange: Exchange, door: &'static str, agent: &str) -> Result<Entered> {
    let code = slip::read::<Code>(&app.keys, Errand::OauthCode, &exchange.code, now_ms());
    let code = code.ok_or(Error::WrongCredentials)?;
    let agent: String = agent.chars().take(200).collect();
    let entered = app.db.write(move |tx| {
        if !slips::spend(tx, &code, now_ms())? {
            return Ok(None);
        }
        let (code, now) = (code.data, now_ms());
        let client =
            oauth::client(tx, &code.client_id)?.filter(|client| client.is_of(door) && fits(client, &code, &exchange));
        let user = accounts::by_id(tx, &code.user_id)?.filter(|user| user.is_active() && user.epoch == code.epoch);
        let (Some(client), Some(user), Some(permits)) = (client, user, Permits::parse(&code.permits)) else {
            return Ok(None);
        };
        // Either may have been narrowed or taken back in the meantime.
        let let_in = oauth::let_in(tx, user.key, &client.id)?.filter(|let_in| permits.is_within(let_in.permits));
        if let_in.is_none() || !permits.is_within(client.permits) {
            return Ok(None);
        }
        let app = ForApp { client_id: client.id, permits };
        let lasts_ms = if permits.has(Permit::OfflineAccess) { SESSION_LASTS_MS } else { VISIT_LASTS_MS };
        let (opened, session) = signin::new_session(&user, door, lasts_ms, Some(app.clone()));
        accounts::insert_session(tx, &session, &agent, now)?;
        oauth::used(tx, user.key, &app.client_id, now)?;
        Ok(Some(Entered { opened, user, app }))
    });
    entered.await?.ok_or(Error::WrongCredentials)
}

fn fits(client: &Client, code: &Code, exchange: &Exchange) -> bool {
    client.id == exchange.client_id
        && client.knows(&exchange.client_secret)
        && is_verified(&code.challenge, &exchange.verifier)
        && exchange.redirect_uri.as_ref().is_none_or(|uri| *uri == code.redirect_uri)
}

/// Whether the session is this app's, and the secret the app's.
pub async fn is_session_of(app: &App, session: &accounts::Session, client_id: &str, secret: &str) -> Result<bool> {
    if session.app.as_ref().is_none_or(|app| app.client_id != client_id) {
        return Ok(false);
    }
    let id = client_id.to_owned();
    let client = app.db.read(move |tx| oauth::client(tx, &id)).await?;
    Ok(client.is_some_and(|client| client.knows(secret)))
}

/// What the user let the app do, if anything.
pub async fn let_in(app: &App, user: &User, client_id: &str) -> Result<Option<Permits>> {
    let (key, id) = (user.key, client_id.to_owned());
    Ok(app.db.read(move |tx| oauth::let_in(tx, key, &id)).await?.map(|let_in| let_in.permits))
}

/// The apps that the user let in.
pub async fn all_let_in(app: &App, user: &User) -> Result<Vec<Client>> {
    let key = user.key;
    let clients = move |tx: &mut Tx| {
        let let_in = oauth::all_let_in(tx, key)?;
        let each = let_in.iter().map(|one| oauth::client(tx, &one.client_id)).collect::<Result<Vec<_>>>()?;
        Ok(each.into_iter().flatten().collect())
    };
    app.db.read(clients).await
}

/// Ends all that the app does in the user's name.
pub async fn shut_out(app: &App, user: &User, client_id: &str) -> Result<()> {
    let (key, id) = (user.key, client_id.to_owned());
    app.db.write(move |tx| oauth::shut_out(tx, key, &id)).await
}
