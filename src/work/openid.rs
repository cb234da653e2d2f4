//! Signing in by the word of an OpenID provider (authorization code with PKCE), and linking an account to who its user is there.
//!
//! An account is its linked subject's, and nobody's by a name or mail address that a provider tells: those can be had by
//! others. What a browser is sent away with is a slip, which comes back as `state`, and a cookie: without that, somebody
//! could have another's browser finish what they began, and be signed in or linked as who they are not.

use serde::{Deserialize, Serialize};

use super::signin::{self, FirstStep, SecondFactor};
use super::{libraries, registration};
use crate::account::openid::Identity;
use crate::account::slip::{self, Errand, Holder, Slip};
use crate::account::token::{random_base62, same, sha256};
use crate::account::{Role, User};
use crate::error::{Error, Result};
use crate::share::visit::Visitor;
use crate::store::{Tx, accounts, library, openid, site, slips};
use crate::{App, now_ms};

mod provider;

pub use provider::Provider;

/// How long it may take to sign in there.
pub const LASTS_MS: i64 = 10 * 60 * 1000;
/// Of the browser that began, until it is back.
pub const COOKIE: &str = "openshelf-openid";
/// Of what a provider sends a browser back with; none gives a longer one.
const LONGEST_CODE_BYTES: usize = 4096;

/// Why nobody is signed in or linked.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("This server has no provider to sign in by")]
    Off,
    #[error("This sign-in took too long, or was finished before. Begin again")]
    Over,
    #[error("This sign-in was begun in another browser, or its cookie is gone. Begin again")]
    Elsewhere,
    #[error("Nobody signed in there")]
    Declined,
    #[error("{0} cannot be asked now. Try again later, or sign in with your password")]
    Unreachable(String),
    #[error("{0} did not confirm who you are. Begin again")]
    Unconfirmed(String),
    #[error(
        "No account here is linked with yours at {0}. If you have one, sign in with your password, and link it on the \
         page Account"
    )]
    NobodyLinked(String),
    #[error(
        "There is an account with your mail address or name already. If it is yours, sign in with your password, and \
         link it on the page Account"
    )]
    Taken,
    #[error("Your account is linked already. Unlink it first")]
    AlreadyLinked,
    #[error("Another account is linked with yours at {0}")]
    LinkedElsewhere(String),
    #[error("Your account is not linked")]
    NotLinked,
    #[error("Your account has no password, so nobody could sign in to it any more. Have one set first")]
    NoPassword,
    #[error(transparent)]
    Of(#[from] Error),
}

/// What stands in the slip that a browser is sent away with.
#[derive(Serialize, Deserialize)]
struct Away {
    /// By another it is not finished.
    door: String,
    redirect_uri: String,
    verifier: String,
    nonce: String,
    /// SHA-256 of its cookie; none: a program without cookies began.
    browser: Option<Vec<u8>>,
    /// Whose account is to be linked; none: whoever it is signs in.
    link: Option<Holder>,
    /// Where they wanted to go on here.
    next: Option<String>,
}

/// What a browser is sent away with.
pub struct Begun {
    /// At the provider.
    pub address: String,
    /// For a cookie that no script reads, if a browser began.
    pub cookie: Option<String>,
}

/// What somebody begins with. A program of its own keeps no cookies, and nobody can make it finish what another began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginner {
    Browser,
    Program,
}

/// Where a door has its users come back to.
pub struct Return {
    pub door: &'static str,
    pub begun_by: Beginner,
    pub redirect_uri: String,
    pub next: Option<String>,
    /// A mail address that they may sign in with there.
    pub hint: Option<String>,
}

/// Begins a sign-in; for a user, their account is to be linked.
pub async fn begin(app: &App, user: Option<&User>, back: Return) -> Result<Begun, Problem> {
    let provider = app.openid.as_ref().ok_or(Problem::Off)?;
    if let Some(user) = user {
        user.may(Role::Settings)?;
    }
    let cookie = (back.begun_by == Beginner::Browser).then(|| random_base62(22));
    let away = Away {
        door: back.door.to_owned(),
        redirect_uri: back.redirect_uri,
        verifier: random_base62(43),
        nonce: random_base62(22),
        browser: cookie.as_deref().map(sha256),
        link: user.map(Holder::of),
        next: back.next,
    };
    let hint = back.hint.as_deref();
    let address = provider.address(&away.redirect_uri, &away.verifier, &away.nonce, hint).await?;
    let state = slip::write(&app.keys, Errand::OpenId, away, now_ms() + LASTS_MS);
    Ok(Begun { address: format!("{address}&state={state}"), cookie })
}

/// The answer of a provider.
pub struct Brought<'a> {
    pub door: &'static str,
    pub state: &'a str,
    pub code: &'a str,
    pub by: Bringer<'a>,
    pub present: Present<'a>,
}

/// What brings it back. What a browser began, no program finishes: a form of another site may look like one.
pub enum Bringer<'a> {
    /// With the cookie, if it has it.
    Browser(Option<&'a str>),
    Program,
}

/// Who is signed in where it is brought back: a linking does not outlive the session that it was begun in.
pub enum Present<'a> {
    User(&'a User),
    Nobody,
    /// The door's clients need not say it.
    Untold,
}

/// What came of it.
pub struct Finished {
    /// None: no sign-in, an account was linked.
    pub step: Option<FirstStep>,
    pub next: Option<String>,
}

pub async fn finish(app: &App, brought: Brought<'_>, visitor: &Visitor) -> Result<Finished, Problem> {
    let provider = app.openid.as_ref().ok_or(Problem::Off)?;
    let away = slip::read::<Away>(&app.keys, Errand::OpenId, brought.state, now_ms());
    let away = away.filter(|away| away.data.door == brought.door).ok_or(Problem::Over)?;
    if !away.data.was_begun_by(&brought) {
        return Err(Problem::Elsewhere);
    }
    if brought.code.len() > LONGEST_CODE_BYTES {
        return Err(Problem::Unconfirmed(provider.name().to_owned()));
    }
    let away = spend(app, away, visitor).await?;
    let identity = identified(app, provider, &away, brought.code).await?;
    forgive(app, visitor).await?;
    let step = match away.link {
        Some(holder) => {
            link(app, provider, holder, identity).await?;
            None
        }
        None => Some(sign_in(app, provider, identity).await?),
    };
    Ok(Finished { step, next: away.next })
}

impl Away {
    fn was_begun_by(&self, brought: &Brought) -> bool {
        let is_same_client = match (&self.browser, &brought.by) {
            (Some(hash), Bringer::Browser(Some(cookie))) => same(&sha256(cookie), hash),
            (None, Bringer::Program) => true,
            _ => false,
        };
        let is_same_user = match (&self.link, &brought.present) {
            (None, _) | (_, Present::Untold) => true,
            (Some(holder), Present::User(user)) => holder.user_id == user.id,
            (Some(_), Present::Nobody) => false,
        };
        is_same_client && is_same_user
    }
}

/// Where whoever began this wanted to go on here, for the page that tells them why they do not.
pub fn next(app: &App, state: &str) -> Option<String> {
    slip::read::<Away>(&app.keys, Errand::OpenId, state, now_ms())?.data.next
}

fn subject(visitor: &Visitor) -> [String; 1] {
    [format!("openid {}", visitor.network())]
}

/// Counts as a try, since the provider is asked for each.
async fn spend(app: &App, slip: Slip<Away>, visitor: &Visitor) -> Result<Away, Problem> {
    let subject = subject(visitor);
    let spent = app.db.write(move |tx| {
        accounts::count_try(tx, &subject, now_ms())?;
        Ok(slips::spend(tx, &slip, now_ms())?.then_some(slip.data))
    });
    spent.await?.ok_or(Problem::Over)
}

async fn forgive(app: &App, visitor: &Visitor) -> Result<()> {
    let subject = subject(visitor);
    app.db.write(move |tx| accounts::forgive(tx, &subject)).await
}

/// Who it is that the provider sent back with this code. An account can be made of what is told.
async fn identified(app: &App, provider: &Provider, away: &Away, code: &str) -> Result<Identity, Problem> {
    let tokens = provider.tokens(code, &away.redirect_uri, &away.verifier).await?;
    let mut identity = provider.identity(&tokens, &away.nonce).await?;
    if away.link.is_none() && identity.profile.email.is_none() && is_to_register(app, provider, &identity).await? {
        let told = provider.profile(&tokens, &identity.subject).await?;
        identity.profile = told.unwrap_or(identity.profile);
    }
    Ok(identity)
}

async fn is_to_register(app: &App, provider: &Provider, identity: &Identity) -> Result<bool> {
    let (issuer, subject) = (provider.issuer().to_owned(), identity.subject.clone());
    let read = app.db.read(move |tx| {
        let is_known = openid::account_of(tx, &issuer, &subject)?.is_some();
        Ok(!is_known && site::read(tx)?.registers)
    });
    read.await
}

// Whose account it is -------------------------------------------------------------------------------------------------

async fn sign_in(app: &App, provider: &Provider, identity: Identity) -> Result<FirstStep, Problem> {
    let (name, issuer) = (provider.name().to_owned(), provider.issuer().to_owned());
    let signed_in = app.db.write(move |tx| {
        let user = match openid::account_of(tx, &issuer, &identity.subject)? {
            Some(key) => accounts::by_key(tx, key)?.ok_or(Error::WrongCredentials)?,
            None if !site::read(tx)?.registers => return Ok(Err(Problem::NobodyLinked(name))),
            None => match register(tx, &issuer, &identity)? {
                Some(user) => user,
                None => return Ok(Err(Problem::Taken)),
            },
        };
        let (second_factor, home) = (SecondFactor::of(tx, user.key)?, library::home_of(tx, user.key)?);
        Ok(Ok((user, second_factor, home.is_some())))
    });
    let (user, second_factor, has_home) = signed_in.await??;
    // Not only of a new account: the call that made it may have ended before its home was made.
    if user.is_active() && !has_home {
        libraries::make_home(app, &user).await?;
    }
    Ok(signin::step_of(user, second_factor)?)
}

/// A new account, linked. None where its mail address or name is another's.
fn register(tx: &mut Tx, issuer: &str, identity: &Identity) -> Result<Option<User>> {
    let profile = &identity.profile;
    let (name, shown) = (profile.preferred_username.as_deref(), profile.name.as_deref());
    let user = match registration::insert_known(tx, profile.own_mail(), name, shown) {
        Err(Error::Exists(_)) => return Ok(None),
        inserted => inserted?,
    };
    openid::link(tx, user.key, issuer, &identity.subject, now_ms())?;
    Ok(Some(user))
}

async fn link(app: &App, provider: &Provider, holder: Holder, identity: Identity) -> Result<(), Problem> {
    let (name, issuer) = (provider.name().to_owned(), provider.issuer().to_owned());
    let linked = app.db.write(move |tx| {
        let Some(user) = slips::holder(tx, &holder)?.filter(User::is_active) else { return Ok(Err(Problem::Over)) };
        user.may(Role::Settings)?;
        if openid::linked_ms(tx, user.key, &issuer)?.is_some() {
            return Ok(Err(Problem::AlreadyLinked));
        }
        if openid::account_of(tx, &issuer, &identity.subject)?.is_some() {
            return Ok(Err(Problem::LinkedElsewhere(name)));
        }
        openid::link(tx, user.key, &issuer, &identity.subject, now_ms())?;
        Ok(Ok(()))
    });
    linked.await?
}

/// Since when the user's account is linked, if it is.
pub fn linked_ms(tx: &mut Tx, app: &App, user: &User) -> Result<Option<i64>> {
    match &app.openid {
        Some(provider) => openid::linked_ms(tx, user.key, provider.issuer()),
        None => Ok(None),
    }
}

/// Ends the user's sessions as well, since whoever signed in there may hold one.
pub async fn unlink(app: &App, user: &User) -> Result<(), Problem> {
    let provider = app.openid.as_ref().ok_or(Problem::Off)?;
    user.may(Role::Settings)?;
    let (key, issuer) = (user.key, provider.issuer().to_owned());
    let unlinked = app.db.write(move |tx| {
        let password = accounts::password(tx, key)?;
        if password.hash.is_empty() && openid::linked_ms(tx, key, &issuer)?.is_some() {
            return Ok(Err(Problem::NoPassword));
        }
        if !openid::unlink(tx, key, &issuer)? {
            return Ok(Err(Problem::NotLinked));
        }
        accounts::set_password(tx, key, &password)?;
        Ok(Ok(()))
    });
    unlinked.await?
}
