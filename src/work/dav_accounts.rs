//! App accounts: a user signs an app in to WebDAV without their own password, with a folder for its root, and takes that
//! back one by one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::signin;
use crate::account::token::{random_base62, sha256};
use crate::account::{User, UserKey, name_key};
use crate::error::{Error, Result};
use crate::library::IdKind;
use crate::share::visit::Visitor;
pub use crate::store::dav_accounts::Terms;
use crate::store::dav_accounts::{self, DavAccount};
use crate::{App, now_ms};

/// Of one user.
const MOST: u64 = 1000;
const PASSWORD_CHARS: usize = 32;
const LONGEST_NAME_CHARS: usize = 255;

/// As its owner sees it, its password in clear.
#[derive(Debug, Clone)]
pub struct Shown {
    pub id: String,
    pub terms: Terms,
    pub password: String,
    pub created_ms: i64,
}

/// Who came by a user's name and a password.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub user: User,
    /// That of an app account; without, the user came by their own password.
    pub terms: Option<Terms>,
}

fn seal_of(id: &str) -> String {
    format!("password of app account {id}")
}

fn check(terms: &Terms) -> Result<()> {
    let name = &terms.name;
    if name.trim().is_empty() || name.chars().count() > LONGEST_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(Error::invalid("name", format!("1 to {LONGEST_NAME_CHARS} visible characters")));
    }
    Ok(())
}

fn shown(app: &App, account: DavAccount) -> Result<Shown> {
    let password = app.keys.open(&seal_of(&account.id), &account.sealed)?;
    Ok(Shown { id: account.id, terms: account.terms, password, created_ms: account.created_ms })
}

/// A new one, with a password of its own.
pub async fn add(app: &App, owner: UserKey, terms: Terms) -> Result<Shown> {
    check(&terms)?;
    let id = format!("{}{}", IdKind::DavAccount.letter(), random_base62(16));
    let password = random_base62(PASSWORD_CHARS);
    let hash = sha256(&password);
    let sealed = app.keys.seal(&seal_of(&id), &password);
    let new = DavAccount { id, owner, terms, sealed, created_ms: now_ms() };
    let stored = new.clone();
    app.db
        .write(move |tx| {
            if dav_accounts::count(tx, owner)? >= MOST {
                return Err(Error::Forbidden("too many app accounts; remove some"));
            }
            dav_accounts::insert(tx, &stored, hash)
        })
        .await?;
    shown(app, new)
}

/// Other terms; the password stays.
pub async fn change(app: &App, owner: UserKey, id: &str, terms: Terms) -> Result<Shown> {
    check(&terms)?;
    let id = id.to_owned();
    let changed = app.db.write(move |tx| dav_accounts::update(tx, owner, &id, &terms)).await?;
    shown(app, changed)
}

pub async fn remove(app: &App, owner: UserKey, id: &str) -> Result<()> {
    let id = id.to_owned();
    app.db.write(move |tx| dav_accounts::remove(tx, owner, &id)).await
}

/// The newest first, from after the one of that id on.
pub async fn list(app: &App, owner: UserKey, after: Option<String>, limit: usize) -> Result<Vec<Shown>> {
    let found = app.db.read(move |tx| dav_accounts::list(tx, owner, after.as_deref(), limit)).await?;
    found.into_iter().map(|account| shown(app, account)).collect()
}

/// By the user's name or mail address, and either the password of one of their app accounts or their own.
pub async fn sign_in(app: &App, login: &str, password: &str, visitor: &Visitor) -> Result<SignedIn> {
    // 190 random bits are no lucky guess: a right one is not made to wait for others' wrong ones.
    let is_ours = password.len() == PASSWORD_CHARS && password.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_ours {
        let hash = sha256(password);
        let key = URL_SAFE_NO_PAD.encode(&hash);
        let found = app.db.recall("app account", &key, move |tx| dav_accounts::by_password(tx, hash)).await?;
        if let Some(holder) = &found.0
            && [&holder.user.name, &holder.user.mail].iter().any(|name| name_key(name) == name_key(login))
        {
            let user = signin::act_as(holder.user.clone());
            return Ok(SignedIn { user, terms: Some(holder.account.terms.clone()) });
        }
    }
    let user = signin::by_password(app, login, password, visitor).await?;
    Ok(SignedIn { user, terms: None })
}
