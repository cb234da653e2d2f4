//! Letting an app in by OAuth: a user's consent becomes a code, the code becomes a session of the app's, with no more than
//! what the user let it do.

use serde::{Deserialize, Serialize};

use super::signin::{self, Opened};
use crate::account::User;
use crate::account::oauth::{Client, MY_CLOUD_HOME, Request, Secret, is_verified};
use crate::account::permit::{Permit, Permits};
use crate::account::slip::{self, Errand};
use crate::account::token::{random_base62, sha256};
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

// Apps that administrators register -----------------------------------------------------------------------------------

/// What an administrator says of an app; what is not said stays as it is.
#[derive(Debug, Default)]
pub struct ClientWish {
    pub name: Option<String>,
    pub description: Option<String>,
    /// An address.
    pub icon: Option<String>,
    /// An address.
    pub homepage: Option<String>,
    pub redirect_uris: Option<Vec<String>>,
    pub permits: Option<Permits>,
    /// One that the app has already.
    pub secret: Option<String>,
}

const BUILT_IN: Error = Error::Forbidden("this app is built in");
const LONGEST_NAME_CHARS: usize = 64;
const LONGEST_DESCRIPTION_CHARS: usize = 500;
const LONGEST_ADDRESS_BYTES: usize = 2048;
const MOST_REDIRECT_URIS: usize = 20;
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 16..=128;

impl ClientWish {
    fn put_into(self, client: &mut Client) -> Result<()> {
        if let Some(name) = self.name {
            client.name = line("name", name, LONGEST_NAME_CHARS)?;
        }
        if let Some(description) = self.description {
            client.description = line("description", description, LONGEST_DESCRIPTION_CHARS)?;
        }
        for (name, wish, at) in
            [("icon", self.icon, &mut client.icon), ("homepage", self.homepage, &mut client.homepage)]
        {
            if let Some(wish) = wish {
                check_address(name, &wish)?;
                *at = wish;
            }
        }
        if let Some(uris) = self.redirect_uris {
            uris.iter().try_for_each(|uri| check_redirect(uri))?;
            client.redirect_uris = uris;
        }
        if let Some(permits) = self.permits {
            client.permits = permits;
        }
        if let Some(secret) = self.secret {
            let fits = SECRET_BYTES.contains(&secret.len()) && secret.bytes().all(|byte| byte.is_ascii_graphic());
            if !fits {
                return Err(Error::invalid("secret", "16 to 128 visible characters"));
            }
            client.secret = Secret::Hash(sha256(&secret));
        }
        match client.redirect_uris.len() {
            _ if client.name.is_empty() => Err(Error::Missing("name")),
            1..=MOST_REDIRECT_URIS => Ok(()),
            _ => Err(Error::invalid("redirect_uris", format!("1 to {MOST_REDIRECT_URIS}"))),
        }
    }
}

fn line(name: &'static str, text: String, most_chars: usize) -> Result<String> {
    let fits = text.chars().count() <= most_chars && !text.chars().any(char::is_control);
    if fits { Ok(text) } else { Err(Error::invalid(name, format!("a line of at most {most_chars} characters"))) }
}

fn is_written(address: &str) -> bool {
    address.len() <= LONGEST_ADDRESS_BYTES && address.bytes().all(|byte| byte.is_ascii_graphic())
}

fn check_address(name: &'static str, address: &str) -> Result<()> {
    let fits = is_written(address) && (address.starts_with("https://") || address.starts_with("http://"));
    if address.is_empty() || fits { Ok(()) } else { Err(Error::invalid(name, "an address that begins with https://")) }
}

/// A page of the app's own site, or an address by a scheme of the app's own, which its name in reverse makes (RFC 8252, 7.1).
/// None that a browser would run.
fn check_redirect(uri: &str) -> Result<()> {
    let (scheme, rest) = uri.split_once("://").unwrap_or_default();
    let leads = match scheme {
        "https" | "http" => true,
        own => own.contains('.') && own.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte)),
    };
    if leads && !rest.is_empty() && !rest.starts_with('/') && is_written(uri) && !uri.contains('#') {
        return Ok(());
    }
    Err(Error::invalid("redirect_uris", "addresses with https://, or with a scheme as org.example.app://"))
}

/// Lets an app ask. Its secret is told this once.
pub async fn register(app: &App, wish: ClientWish) -> Result<(Client, String)> {
    let secret = wish.secret.clone().unwrap_or_else(|| random_base62(43));
    let permits = wish.permits.ok_or(Error::Missing("scopes"))?;
    let mut client = Client {
        id: uuid::Uuid::new_v4().to_string(),
        name: String::new(),
        description: String::new(),
        icon: String::new(),
        homepage: String::new(),
        redirect_uris: Vec::new(),
        permits,
        secret: Secret::Hash(sha256(&secret)),
        created_ms: now_ms(),
    };
    wish.put_into(&mut client)?;
    let made = client.clone();
    app.db.write(move |tx| oauth::put_client(tx, &made)).await?;
    Ok((client, secret))
}

/// Where it may do other things than before, or shows another secret, its sessions end: they were for what it was.
pub async fn change(app: &App, id: &str, wish: ClientWish) -> Result<Client> {
    let id = id.to_owned();
    app.db
        .write(move |tx| {
            let mut client = oauth::client(tx, &id)?.ok_or(Error::NotFound(Thing::OauthApp))?;
            if client.is_public() {
                return Err(BUILT_IN);
            }
            let before = client.permits;
            let shows_other = wish.secret.is_some();
            wish.put_into(&mut client)?;
            oauth::put_client(tx, &client)?;
            if shows_other || client.permits != before {
                oauth::end_sessions(tx, &client.id)?;
            }
            Ok(client)
        })
        .await
}

/// With all that users let it do.
pub async fn remove(app: &App, id: &str) -> Result<()> {
    let id = id.to_owned();
    app.db
        .write(move |tx| match oauth::client(tx, &id)? {
            Some(client) if client.is_public() => Err(BUILT_IN),
            _ => oauth::remove_client(tx, &id),
        })
        .await
}
