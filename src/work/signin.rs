//! Signing in, by whatever a dialect's clients send, and staying signed in.
//!
//! A password costs argon2 once: what fitted is remembered in memory, bound to the stored hash, so that no later call
//! pays again. All tries pass the one limiter.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use md5::{Digest, Md5};
use quick_cache::sync::Cache;
use tokio::sync::{OwnedMutexGuard, Semaphore};

use crate::account::password;
use crate::account::token::{Purpose, random_base62, same, sha256};
use crate::account::{Allowed, User, UserKey, UserState, name_key};
use crate::config::Switch;
use crate::error::{Error, Result, Thing};
use crate::library::IdKind;
use crate::share::visit::Visitor;
use crate::store::accounts::{self, ApiKey, ForApp, NewUser, Session, StoredPassword};
use crate::store::{Asker, Tx, Weighed, second_factors, shares};
use crate::{App, hex, now_ms};

/// Credentials that fitted lately; holds no secret, only keyed digests of them.
pub struct HotCredentials {
    fitted: Cache<Vec<u8>, ()>,
    /// Each check takes 19 MiB and a core for a while.
    hashing: Semaphore,
    turns: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

impl Default for HotCredentials {
    fn default() -> HotCredentials {
        HotCredentials { fitted: Cache::new(10_000), hashing: Semaphore::new(2), turns: Mutex::default() }
    }
}

impl HotCredentials {
    /// One at a time of all that bear this name.
    async fn turn(&self, name: String) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| turn.strong_count() > 0);
            let turn = turns.get(&name).and_then(Weak::upgrade).unwrap_or_default();
            turns.insert(name, Arc::downgrade(&turn));
            turn
        };
        turn.lock_owned().await
    }
}

/// No name, address or password is longer. Longer ones are wrong, and not worth a look.
const LONGEST_LOGIN_BYTES: usize = 1024;

/// Whether `secret` is what `hash` was made of; `None` stands for what does not exist and takes as long. Wrong tries are
/// counted against `subject` from the visitor's network.
pub(super) async fn check(
    app: &App,
    subject: &str,
    secret: &str,
    hash: Option<String>,
    visitor: &Visitor,
) -> Result<bool> {
    let stored = hash.as_deref().unwrap_or_default();
    let digest = app.keys.sign(Purpose::HotCredential, format!("{subject}\0{stored}\0{secret}").as_bytes());
    if app.hot.fitted.get(&digest).is_some() {
        return Ok(true);
    }
    // An app that shows a page of covers sends the same for each at once: one is a try, the others see what came of it.
    let _same = app.hot.turn(format!("check {}", hex(&digest))).await;
    if app.hot.fitted.get(&digest).is_some() {
        return Ok(true);
    }
    let subjects = vec![format!("{subject} {}", visitor.network())];
    let counted = subjects.clone();
    app.db.write(move |tx| accounts::count_try(tx, &counted, now_ms())).await?;
    // Whoever floods waits behind themselves alone: another network's try is at most one of each network's away.
    let _turn = app.hot.turn(format!("hash {}", visitor.network())).await;
    let permit = app.hot.hashing.acquire().await.map_err(|e| Error::internal("hashing", e))?;
    let secret = secret.to_owned();
    let right = tokio::task::spawn_blocking(move || password::verify(&secret, hash.as_deref()))
        .await
        .map_err(|e| Error::internal("hashing", e))?;
    drop(permit);
    if right {
        app.hot.fitted.insert(digest, ());
        app.db.write(move |tx| accounts::forgive(tx, &subjects)).await?;
    }
    Ok(right)
}

/// What tries are counted against: one count for all names of an account, and one of bounded length for each name that
/// is nobody's.
fn login_subject(login: &str, found: Option<&User>) -> String {
    match found {
        Some(user) => format!("account {}", user.key.0),
        None => format!("login {}", URL_SAFE_NO_PAD.encode(sha256(&name_key(login)))),
    }
}

/// How far a right name and password lead, or the word of an OpenID provider.
pub enum FirstStep {
    Done(User),
    /// They have a second factor, and show a code of it next (`work/second_factor.rs`).
    NeedsCode(User),
    /// They registered, and nobody has activated their account yet.
    NotActivated,
}

/// By user name or mail address and password. `WrongCredentials` tells neither which was wrong nor whether there is
/// such a user.
pub async fn first_step(app: &App, login: &str, password: &str, visitor: &Visitor) -> Result<FirstStep> {
    if login.len().max(password.len()) > LONGEST_LOGIN_BYTES {
        return Err(Error::WrongCredentials);
    }
    let found = known(app, login).await?;
    let found = found.0.as_ref();
    let hash = found.as_ref().map(|found| found.stored.hash.clone());
    let subject = login_subject(login, found.map(|found| &found.user));
    match (check(app, &subject, password, hash, visitor).await?, found) {
        (true, Some(found)) => step_of(found.user.clone(), found.second_factor),
        _ => Err(Error::WrongCredentials),
    }
}

/// Whether whoever signs in as a user shows a code as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecondFactor {
    On,
    Off,
}

impl SecondFactor {
    pub(super) fn of(tx: &mut Tx, user: UserKey) -> Result<SecondFactor> {
        Ok(if second_factors::is_on(tx, user)? { SecondFactor::On } else { SecondFactor::Off })
    }
}

/// How far it leads that somebody is this user.
pub(super) fn step_of(user: User, second_factor: SecondFactor) -> Result<FirstStep> {
    match (user.state, second_factor) {
        (UserState::Active, SecondFactor::On) => Ok(FirstStep::NeedsCode(user)),
        (UserState::Active, SecondFactor::Off) => Ok(FirstStep::Done(act_as(user))),
        (UserState::Inactive, _) => Ok(FirstStep::NotActivated),
        (UserState::Banned, _) => Err(Error::WrongCredentials),
    }
}

/// What this request changes from now on is told as this user's doing.
pub(super) fn act_as(user: User) -> User {
    Asker::is(user.key);
    user
}

const CODE_NEEDED: Error = Error::Forbidden("this account has a second factor: take an API key for the password");

/// [`first_step`] for doors that know nothing but passwords: whoever has a second factor does not come in by one.
pub async fn by_password(app: &App, login: &str, password: &str, visitor: &Visitor) -> Result<User> {
    match first_step(app, login, password, visitor).await? {
        FirstStep::Done(user) => Ok(user),
        FirstStep::NeedsCode(_) => Err(CODE_NEEDED),
        FirstStep::NotActivated => Err(Error::WrongCredentials),
    }
}

/// Whether it is the password of a user who is signed in already. Counts among the tries of signing in.
pub async fn is_password(app: &App, user: &User, password: &str, visitor: &Visitor) -> Result<bool> {
    if password.len() > LONGEST_LOGIN_BYTES {
        return Ok(false);
    }
    let key = user.key;
    let stored = app.db.read(move |tx| accounts::password(tx, key)).await?;
    check(app, &login_subject(&user.name, Some(user)), password, Some(stored.hash), visitor).await
}

struct Known(Option<Found>);

struct Found {
    user: User,
    stored: StoredPassword,
    second_factor: SecondFactor,
}

impl Weighed for Known {}

/// The user of a name or mail address, as asked for by every call of a client that signs in with each.
async fn known(app: &App, login: &str) -> Result<Arc<Known>> {
    let name = login.to_owned();
    app.db.recall("login", login, move |tx| Ok(Known(find(tx, &name)?))).await
}

fn find(tx: &mut Tx, login: &str) -> Result<Option<Found>> {
    let Some(user) = accounts::by_login(tx, login)? else { return Ok(None) };
    let stored = accounts::password(tx, user.key)?;
    let second_factor = SecondFactor::of(tx, user.key)?;
    Ok(Some(Found { user, stored, second_factor }))
}

/// By OpenSubsonic's `t = md5(password + s)`, which needs a recoverable password. `Unsupported` where none is kept.
pub async fn by_token(app: &App, login: &str, token: &str, salt: &str, visitor: &Visitor) -> Result<User> {
    if app.config.token_login == Switch::Off {
        return Err(Error::Unsupported("token login"));
    }
    if login.len() > LONGEST_LOGIN_BYTES {
        return Err(Error::WrongCredentials);
    }
    let network = visitor.network();
    // A right token counts as no try, since each call brings a new one: so that a hundred guesses at once are a hundred,
    // each looks at what the one before it came to.
    let _turn = app.hot.turn(format!("token {} {network}", name_key(login))).await;
    let found = known(app, login).await?;
    let found = found.0.as_ref();
    let subject = format!("{} {network}", login_subject(login, found.map(|found| &found.user)));
    must_wait(app, &subject).await?;
    let clear = match found {
        Some(Found { user, stored: StoredPassword { sealed: Some(sealed), .. }, .. }) => {
            Some(app.keys.open(&seal_of(user.key), sealed)?)
        }
        Some(_) => return Err(Error::Unsupported("token login")),
        None => None,
    };
    let expected = hex(Md5::digest(format!("{}{salt}", clear.as_deref().unwrap_or(app.nobody()))));
    let fits = same(expected.as_bytes(), token.to_ascii_lowercase().as_bytes());
    match found {
        Some(Found { user, second_factor, .. }) if fits && user.is_active() => match second_factor {
            SecondFactor::On => Err(CODE_NEEDED),
            SecondFactor::Off => Ok(act_as(user.clone())),
        },
        _ => {
            app.db.write(move |tx| accounts::count_try(tx, &[subject], now_ms())).await?;
            Err(Error::WrongCredentials)
        }
    }
}

/// `Throttled` while a subject has to wait for its next try.
async fn must_wait(app: &App, subject: &str) -> Result<()> {
    let wanted = subject.to_owned();
    let tries = app.db.recall("tries", subject, move |tx| accounts::tries(tx, &wanted)).await?;
    tries.must_wait(now_ms())
}

struct KeyHolder(Option<User>);

impl Weighed for KeyHolder {}

/// Whose API key this is, if they are active.
async fn key_holder(app: &App, key: &str) -> Result<Option<User>> {
    let hash = sha256(key);
    let name = URL_SAFE_NO_PAD.encode(&hash);
    let holder = app.db.recall("api key", &name, move |tx| Ok(KeyHolder(accounts::by_api_key(tx, hash)?))).await?;
    Ok(holder.0.clone())
}

pub async fn by_api_key(app: &App, key: &str, visitor: &Visitor) -> Result<User> {
    // A key has 128 random bits: a right one is no lucky guess, and is not made to wait for others' wrong ones.
    if let Some(user) = key_holder(app, key).await? {
        return Ok(act_as(user));
    }
    let subject = format!("apikey {}", visitor.network());
    must_wait(app, &subject).await?;
    app.db.write(move |tx| accounts::count_try(tx, &[subject], now_ms())).await?;
    Err(Error::WrongCredentials)
}

/// Most apps have fields for a name and a password only: a user's own key goes for their password there. A key is too
/// long to be guessed, so looking for it counts as no try.
async fn by_key_as_password(app: &App, login: &str, password: &str) -> Result<Option<User>> {
    const KEY_CHARS: usize = 32;
    if password.len() != KEY_CHARS || !password.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(None);
    }
    let owner = key_holder(app, password).await?;
    let login = name_key(login);
    Ok(owner.filter(|user| name_key(&user.name) == login || name_key(&user.mail) == login))
}

/// By a password, or by an API key in its place.
pub async fn by_password_or_key(app: &App, login: &str, password: &str, visitor: &Visitor) -> Result<User> {
    match by_key_as_password(app, login, password).await? {
        Some(user) => Ok(act_as(user)),
        None => by_password(app, login, password, visitor).await,
    }
}

fn seal_of(user: UserKey) -> String {
    format!("password of account {}", user.0)
}

/// What is stored of a password; the recoverable copy only where token login is on. Takes tens of milliseconds.
pub fn stored_password(app: &App, user: UserKey, password: &str) -> Result<StoredPassword> {
    password::check_account(password)?;
    Ok(StoredPassword { hash: password::hash(password)?, sealed: sealed(app, user, password) })
}

/// The recoverable copy of a password, where token login is on.
pub(super) fn sealed(app: &App, user: UserKey, password: &str) -> Option<Vec<u8>> {
    (app.config.token_login == Switch::On).then(|| app.keys.seal(&seal_of(user), password))
}

/// The hash of a password that strangers may send: no more of that work at once than of tries to sign in.
pub(super) async fn hashed(app: &App, password: &str) -> Result<String> {
    let permit = app.hot.hashing.acquire().await.map_err(|e| Error::internal("hashing", e))?;
    let password = password.to_owned();
    let hash = tokio::task::spawn_blocking(move || password::hash(&password)).await;
    drop(permit);
    hash.map_err(|e| Error::internal("hashing", e))?
}

/// A new user with a home of their own. `Exists` when the name or mail address is taken.
pub async fn add_user(app: &App, name: &str, mail: &str, password: &str, allowed: Allowed) -> Result<User> {
    if name.trim().is_empty() || name.chars().count() > 64 || name.chars().any(char::is_control) {
        return Err(Error::invalid("name", "1 to 64 visible characters"));
    }
    check_mail(mail)?;
    password::check_account(password)?;
    let (name, mail) = (name.trim().to_owned(), mail.to_owned());
    let id = format!("{}{}", IdKind::User.letter(), random_base62(16));
    let unusable = StoredPassword { hash: String::new(), sealed: None };
    let key = app
        .db
        .write(move |tx| {
            let new = NewUser {
                id: &id,
                name: &name,
                mail: &mail,
                display_name: &name,
                allowed: &allowed,
                password: &unusable,
                now_ms: now_ms(),
            };
            accounts::insert(tx, &new)
        })
        .await?;
    set_password(app, key, password).await?;
    let user = app.db.read(move |tx| accounts::by_key(tx, key)).await?.ok_or(Error::NotFound(Thing::User))?;
    super::libraries::make_home(app, &user).await?;
    Ok(user)
}

pub(super) fn check_mail(mail: &str) -> Result<()> {
    let fits = mail.contains('@') && mail.len() <= 254 && !mail.chars().any(|c| c.is_control() || c.is_whitespace());
    if fits { Ok(()) } else { Err(Error::invalid("mail", "a mail address")) }
}

/// Ends the user's sessions as well.
pub async fn set_password(app: &App, user: UserKey, password: &str) -> Result<()> {
    let stored = tokio::task::block_in_place(|| stored_password(app, user, password))?;
    app.db.write(move |tx| accounts::set_password(tx, user, &stored)).await
}

// Sessions ------------------------------------------------------------------------------------------------------------

/// A session that just began, or went on: its secret is told once.
pub struct Opened {
    pub id: String,
    pub secret: String,
    pub generation: i64,
    pub expires_ms: i64,
}

/// Begins a session of one door; it opens no other.
pub async fn open_session(app: &App, user: &User, door: &str, agent: &str, lasts_ms: i64) -> Result<Opened> {
    let (opened, session) = new_session(user, door, lasts_ms, None);
    let agent: String = agent.chars().take(200).collect();
    app.db.write(move |tx| accounts::insert_session(tx, &session, &agent, now_ms())).await?;
    Ok(opened)
}

/// A session that is still to be inserted.
pub(super) fn new_session(user: &User, door: &str, lasts_ms: i64, app: Option<ForApp>) -> (Opened, Session) {
    let opened =
        Opened { id: random_base62(22), secret: random_base62(22), generation: 1, expires_ms: now_ms() + lasts_ms };
    let session = Session {
        id: opened.id.clone(),
        account: user.key,
        door: door.to_owned(),
        secret_hash: sha256(&opened.secret),
        generation: opened.generation,
        epoch: user.epoch,
        expires_ms: opened.expires_ms,
        app,
    };
    (opened, session)
}

struct Standing(Option<(Session, User)>);

impl Weighed for Standing {}

/// The user of a session that stands. `None` for any other, however it came to its end. Whoever names it has proven that it
/// is theirs.
pub async fn session(app: &App, door: &'static str, id: &str) -> Result<Option<(Session, User)>> {
    let found = standing(app, door, id).await?;
    Ok(found.map(|(session, user)| (session, act_as(user))))
}

async fn standing(app: &App, door: &'static str, id: &str) -> Result<Option<(Session, User)>> {
    let wanted = id.to_owned();
    let found = app.db.recall("session", id, move |tx| Ok(Standing(accounts::session(tx, &wanted)?))).await?;
    let stands = |(session, _): &&(Session, User)| session.door == door && session.expires_ms > now_ms();
    Ok(found.0.as_ref().filter(stands).cloned())
}

/// The user of a [`session`] whose secret comes with its id: `{id}.{secret}` of a cookie.
pub async fn session_by_secret(app: &App, door: &'static str, both: &str) -> Result<Option<User>> {
    let Some((id, secret)) = both.split_once('.') else { return Ok(None) };
    let found = standing(app, door, id).await?;
    Ok(found.filter(|(session, _)| same(&session.secret_hash, &sha256(secret))).map(|(_, user)| act_as(user)))
}

/// Goes on with a session whose refresh token is of this generation. An older one coming back means that it was stolen
/// or used twice: the session ends.
pub async fn renew_session(
    app: &App,
    door: &'static str,
    id: &str,
    generation: i64,
    lasts_ms: i64,
) -> Result<(Opened, User)> {
    let id = id.to_owned();
    app.db
        .write(move |tx| {
            let now = now_ms();
            let stands = |(session, _): &(Session, User)| session.door == door && session.expires_ms > now;
            let Some((session, user)) = accounts::session(tx, &id)?.filter(stands) else {
                return Ok(None);
            };
            if session.generation != generation {
                accounts::end_session(tx, &id)?;
                return Ok(None);
            }
            let opened = Opened { id, secret: String::new(), generation: generation + 1, expires_ms: now + lasts_ms };
            accounts::renew_session(tx, &opened.id, opened.generation, opened.expires_ms)?;
            Ok(Some((opened, user)))
        })
        .await?
        .ok_or(Error::WrongCredentials)
}

/// Lets a session last so long from now on, where it would end before.
pub async fn prolong_session(app: &App, id: &str, lasts_ms: i64) -> Result<()> {
    let (id, expires_ms) = (id.to_owned(), now_ms() + lasts_ms);
    app.db.write(move |tx| accounts::prolong_session(tx, &id, expires_ms)).await
}

pub async fn end_session(app: &App, id: &str) -> Result<()> {
    let id = id.to_owned();
    app.db.write(move |tx| accounts::end_session(tx, &id)).await
}

// API keys ------------------------------------------------------------------------------------------------------------

/// A key in clear, as its owner sees it.
pub struct ShownKey {
    pub id: String,
    pub name: String,
    pub key: String,
    pub created_ms: i64,
    pub used_ms: Option<i64>,
}

fn key_seal_of(id: &str) -> String {
    format!("api key {id}")
}

pub async fn add_api_key(app: &App, owner: UserKey, name: &str) -> Result<ShownKey> {
    let name: String = name.trim().chars().filter(|c| !c.is_control()).take(64).collect();
    let id = format!("{}{}", IdKind::ApiKey.letter(), random_base62(16));
    let shown = ShownKey { key: random_base62(32), created_ms: now_ms(), used_ms: None, name, id };
    let hash = sha256(&shown.key);
    let stored = ApiKey {
        id: shown.id.clone(),
        name: shown.name.clone(),
        sealed: app.keys.seal(&key_seal_of(&shown.id), &shown.key),
        created_ms: shown.created_ms,
        used_ms: None,
    };
    app.db.write(move |tx| accounts::insert_api_key(tx, owner, &stored, hash)).await?;
    Ok(shown)
}

pub async fn api_keys(app: &App, owner: UserKey) -> Result<Vec<ShownKey>> {
    let stored = app.db.read(move |tx| accounts::api_keys(tx, owner)).await?;
    stored
        .into_iter()
        .map(|key| {
            let clear = app.keys.open(&key_seal_of(&key.id), &key.sealed)?;
            Ok(ShownKey { key: clear, id: key.id, name: key.name, created_ms: key.created_ms, used_ms: key.used_ms })
        })
        .collect()
}

pub async fn remove_api_key(app: &App, owner: UserKey, id: &str) -> Result<()> {
    let id = id.to_owned();
    app.db.write(move |tx| accounts::remove_api_key(tx, owner, &id)).await
}

// Share passwords -----------------------------------------------------------------------------------------------------

/// Proves a share's password: the visitor then counts as having unlocked it, until its epoch ends. `ShareLocked` for a
/// wrong one, and `Throttled` for too many, both only of shares that would otherwise open.
pub async fn unlock(app: &App, id: &str, password: &str, visitor: &mut Visitor) -> Result<()> {
    let wanted = id.to_owned();
    let found = app
        .db
        .read(move |tx| {
            let Some(share) = shares::by_id(tx, &wanted)? else { return Ok(None) };
            let stored = shares::password(tx, share.key)?;
            Ok(Some((share.key, share.epoch, stored)))
        })
        .await?;
    if password.len() > LONGEST_LOGIN_BYTES {
        return Err(Error::ShareLocked);
    }
    let (known, hash) = match found {
        Some((_, _, None)) => return Ok(()),
        Some((key, epoch, Some(stored))) => (Some((key, epoch)), Some(stored.hash)),
        None => (None, None),
    };
    let subject = match known {
        Some((key, _)) => format!("share {}", key.0),
        None => "share".to_owned(),
    };
    match (check(app, &subject, password, hash, visitor).await?, known) {
        (true, Some(proven)) => {
            visitor.unlocked.push(proven);
            Ok(())
        }
        _ => Err(Error::ShareLocked),
    }
}
