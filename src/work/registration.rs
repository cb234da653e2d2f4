//! People who register by themselves, and those who forgot their password.
//!
//! Nothing here tells whether a mail address has an account: each answer, and the time it takes, is the same either way.
//! What differs is the mail, and that goes to whom the address belongs.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{libraries, signin};
use crate::account::slip::{self, Errand, Holder};
use crate::account::token::random_base62;
use crate::account::{Allowed, Roles, User, UserKey, UserState, name_key, password};
use crate::error::{Error, Result, Thing};
use crate::library::IdKind;
use crate::share::visit::Visitor;
use crate::store::accounts::{self, NewUser, StoredPassword};
use crate::store::{Tx, openid, site, slips};
use crate::{App, now_ms};

const ACTIVATION_LASTS_MS: i64 = 7 * 24 * 60 * 60 * 1000;
const RESET_LASTS_MS: i64 = 60 * 60 * 1000;
/// An account that nobody activates goes after this.
const UNUSED_LASTS_MS: i64 = 30 * 24 * 60 * 60 * 1000;
const LONGEST_NAME_CHARS: usize = 64;

/// What a mail's address activates: the account, with the password that was sent with that very registration. So a stranger
/// who registers with somebody's address, before them or after them, sets no password for what the owner's mail activates.
#[derive(Serialize, Deserialize)]
struct Registration {
    holder: Holder,
    hash: String,
    sealed: Option<Vec<u8>>,
}

/// What somebody who registers is.
enum Registered {
    New(Registration),
    /// The address is somebody's already.
    Known,
}

/// Makes an account that is still to be activated: by the address in a mail, or by an administrator where no mail is sent.
/// `base` is what addresses of this server begin with.
pub async fn register(app: &Arc<App>, mail: &str, secret: &str, visitor: &Visitor, base: &str) -> Result<()> {
    if !app.db.recall("site", "", site::read).await?.registers {
        return Err(Error::Unsupported("Registration"));
    }
    signin::check_mail(mail)?;
    // It is the user's name as well.
    if mail.trim().chars().count() > LONGEST_NAME_CHARS {
        return Err(Error::invalid("email", format!("at most {LONGEST_NAME_CHARS} characters")));
    }
    password::check_account(secret)?;
    try_from_there(app, "register", visitor).await?;
    let (mail, base, keeper) = (mail.trim().to_owned(), base.to_owned(), Arc::clone(app));
    let registered = {
        let (mail, secret, app) = (mail.clone(), secret.to_owned(), Arc::clone(app));
        let hash = signin::hashed(&app, &secret).await?;
        keeper.db.write(move |tx| insert(tx, &app, &mail, &secret, hash)).await?
    };
    tokio::spawn(async move { tell_registered(&keeper, &mail, registered, &base).await });
    Ok(())
}

/// Each try counts, so that nobody fills the table or others' mailboxes.
async fn try_from_there(app: &App, what: &str, visitor: &Visitor) -> Result<()> {
    let subject = vec![format!("{what} {}", visitor.network())];
    app.db.write(move |tx| accounts::count_try(tx, &subject, now_ms())).await
}

fn insert(tx: &mut Tx, app: &App, mail: &str, secret: &str, hash: String) -> Result<Registered> {
    let now = now_ms();
    accounts::remove_inactive(tx, now - UNUSED_LASTS_MS)?;
    let user = match accounts::by_login(tx, mail)? {
        // Its own password stays the first one, which an administrator activates it with.
        Some(user) if user.state == UserState::Inactive && name_key(&user.mail) == name_key(mail) => user,
        Some(_) => return Ok(Registered::Known),
        None => insert_new(tx, app, mail, secret, &hash, now)?,
    };
    let sealed = signin::sealed(app, user.key, secret);
    Ok(Registered::New(Registration { holder: Holder::of(&user), hash, sealed }))
}

fn insert_new(tx: &mut Tx, app: &App, mail: &str, secret: &str, hash: &str, now_ms: i64) -> Result<User> {
    let id = format!("{}{}", IdKind::User.letter(), random_base62(16));
    let shown = mail.split('@').next().unwrap_or(mail);
    let new = NewUser {
        id: &id,
        name: mail,
        mail,
        display_name: if shown.is_empty() { mail } else { shown },
        allowed: &Allowed::of(Roles::USER),
        password: &StoredPassword { hash: String::new(), sealed: None },
        now_ms,
    };
    let key = accounts::insert(tx, &new)?;
    accounts::set_state(tx, key, UserState::Inactive)?;
    // What is sealed names whose it is.
    let stored = StoredPassword { hash: hash.to_owned(), sealed: signin::sealed(app, key, secret) };
    accounts::set_password(tx, key, &stored)?;
    accounts::by_key(tx, key)?.ok_or(Error::NotFound(Thing::User))
}

/// An account of somebody whom another service vouches for: active at once, without a password. `mail` is theirs for certain;
/// the name is, if nobody here has it. `Exists` where the mail address is another's. One who registered with the address and
/// never showed that it is theirs gives way.
pub(super) fn insert_known(tx: &mut Tx, mail: Option<&str>, name: Option<&str>, shown: Option<&str>) -> Result<User> {
    let id = format!("{}{}", IdKind::User.letter(), random_base62(16));
    let mail = mail.map(str::trim).filter(|mail| signin::check_mail(mail).is_ok());
    if let Some(mail) = mail {
        remove_unshown(tx, mail)?;
    }
    // The protocol's own way of saying that there is none; no mail arrives there.
    let mail = mail.map_or_else(|| format!("{id}@openid.unmanaged"), str::to_owned);
    let called = match name.and_then(visible).filter(|name| !name.contains('@')) {
        Some(name) if accounts::by_login(tx, &name)?.is_none() => Some(name),
        _ => None,
    };
    let unnamed = if mail.chars().count() <= LONGEST_NAME_CHARS { &mail } else { &id };
    let shown = shown.and_then(visible);
    let new = NewUser {
        id: &id,
        name: called.as_deref().unwrap_or(unnamed),
        mail: &mail,
        display_name: shown.as_deref().or(called.as_deref()).unwrap_or_else(|| mail.split('@').next().unwrap_or(&mail)),
        allowed: &Allowed::of(Roles::USER),
        password: &StoredPassword { hash: String::new(), sealed: None },
        now_ms: now_ms(),
    };
    let key = accounts::insert(tx, &new)?;
    accounts::by_key(tx, key)?.ok_or(Error::NotFound(Thing::User))
}

/// Of an account that was never activated nothing is anybody's.
fn remove_unshown(tx: &mut Tx, mail: &str) -> Result<()> {
    let known = accounts::by_login(tx, mail)?;
    match known.filter(|user| user.state == UserState::Inactive && name_key(&user.mail) == name_key(mail)) {
        Some(user) => accounts::remove(tx, user.key),
        None => Ok(()),
    }
}

/// A name that somebody else made up, as one of ours may be.
fn visible(name: &str) -> Option<String> {
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    let name = name.trim();
    (1..=LONGEST_NAME_CHARS).contains(&name.chars().count()).then(|| name.to_owned())
}

async fn tell_registered(app: &App, mail: &str, registered: Registered, base: &str) {
    let Some(mailer) = &app.mailer else { return };
    let (subject, text) = match registered {
        Registered::New(registration) => {
            let now = now_ms();
            let id = registration.holder.user_id.clone();
            let slip = slip::write(&app.keys, Errand::Activation, registration, now + ACTIVATION_LASTS_MS);
            let address = format!("{base}/session/activate?id={id}&sign={slip}");
            let when = jiff::Timestamp::from_millisecond(now).unwrap_or_default().strftime("%Y-%m-%d %H:%M UTC");
            let text = format!(
                "Somebody registered with this mail address at {base}, on {when}.\n\nIf it was you, open this address to \
                 activate your account, with the password that you chose then:\n\n{address}\n\nIf it was not you, do not \
                 open it: the account goes by itself. If you registered at another time, the mail of that time is yours.\n"
            );
            ("Activate your account", text)
        }
        Registered::Known => {
            let text = format!(
                "Somebody wanted to register with this mail address at {base}.\n\nIt has an account already. If it was you, \
                 sign in, or ask for a new password. If it was not you, you need do nothing.\n"
            );
            ("You have an account already", text)
        }
    };
    mailer.send(mail, subject, text).await;
}

/// Whether somebody registered with this password, as the slip of their mail has it. True of a slip that is not good, which
/// activates nothing. `Throttled` for whoever tries many.
pub async fn is_password_of(app: &App, text: &str, password: &str, visitor: &Visitor) -> Result<bool> {
    let Some(slip) = slip::read::<Registration>(&app.keys, Errand::Activation, text, now_ms()) else { return Ok(true) };
    let Registration { holder, hash, .. } = slip.data;
    signin::check(app, &format!("activation {}", holder.user_id), password, Some(hash), visitor).await
}

/// Activates by the slip of a mail. `None` where the slip is not good for this user, or not any more.
pub async fn activate_by_mail(app: &App, id: &str, text: &str) -> Result<Option<User>> {
    let read = slip::read::<Registration>(&app.keys, Errand::Activation, text, now_ms());
    let Some(slip) = read.filter(|slip| slip.data.holder.user_id == id) else { return Ok(None) };
    let user = app
        .db
        .write(move |tx| {
            let user = slips::holder(tx, &slip.data.holder)?.filter(|user| user.state == UserState::Inactive);
            let Some(user) = user else { return Ok(None) };
            if !slips::spend(tx, &slip, now_ms())? {
                return Ok(None);
            }
            // Also raises the epoch: no other registration's mail activates anything after this.
            let stored = StoredPassword { hash: slip.data.hash, sealed: slip.data.sealed };
            accounts::set_password(tx, user.key, &stored)?;
            activate_row(tx, user.key)
        })
        .await?;
    with_home(app, user).await
}

/// As an administrator does it.
pub async fn activate(app: &App, key: UserKey) -> Result<()> {
    let activated = app.db.write(move |tx| {
        if accounts::by_key(tx, key)?.is_none_or(|user| user.state != UserState::Inactive) {
            return Err(Error::Forbidden("this account waits for no activation"));
        }
        activate_row(tx, key)
    });
    with_home(app, activated.await?).await.map(drop)
}

fn activate_row(tx: &mut Tx, key: UserKey) -> Result<Option<User>> {
    accounts::set_state(tx, key, UserState::Active)?;
    accounts::by_key(tx, key)
}

async fn with_home(app: &App, user: Option<User>) -> Result<Option<User>> {
    if let Some(user) = &user {
        libraries::make_home(app, user).await?;
    }
    Ok(user)
}

// A forgotten password ------------------------------------------------------------------------------------------------

/// Sends an address that sets a new password, if this is the mail address of somebody.
pub async fn forgot(app: &Arc<App>, mail: &str, visitor: &Visitor, base: &str) -> Result<()> {
    if app.mailer.is_none() {
        return Err(Error::Unsupported("Sending mail"));
    }
    signin::check_mail(mail)?;
    try_from_there(app, "reset", visitor).await?;
    let (app, mail, base) = (Arc::clone(app), mail.trim().to_owned(), base.to_owned());
    tokio::spawn(async move {
        if let Err(cause) = tell_forgot(&app, mail, &base).await {
            tracing::error!(%cause, "an address for a new password is not sent");
        }
    });
    Ok(())
}

async fn tell_forgot(app: &App, mail: String, base: &str) -> Result<()> {
    let Some(mailer) = &app.mailer else { return Ok(()) };
    let key = name_key(&mail);
    let found = app.db.read(move |tx| accounts::by_login(tx, &mail)).await?;
    let Some(user) = found.filter(|user| user.is_active() && name_key(&user.mail) == key) else { return Ok(()) };
    let slip = slip::write(&app.keys, Errand::NewPassword, Holder::of(&user), now_ms() + RESET_LASTS_MS);
    let address = format!("{base}/session/reset?id={}&secret={slip}", user.id);
    let ends = app.openid.as_ref().map_or_else(String::new, |provider| {
        format!("Signing in with {} ends by that, until you link your account again.\n\n", provider.name())
    });
    let text = format!(
        "Somebody asked for a new password for your account at {base}.\n\nIf it was you, open this address within an hour and \
         choose one:\n\n{address}\n\n{ends}If it was not you, do nothing: your password stays.\n"
    );
    mailer.send(&user.mail, "A new password", text).await;
    Ok(())
}

/// Sets a new password by the slip of a mail, ends all sessions, and unlinks the account from OpenID providers: whoever had
/// come into it may have linked it with themselves. `None` where the slip is not good for this user, or not any more.
pub async fn set_password_by_mail(app: &App, id: &str, text: &str, secret: &str) -> Result<Option<User>> {
    password::check_account(secret)?;
    let read = slip::read::<Holder>(&app.keys, Errand::NewPassword, text, now_ms());
    let Some(slip) = read.filter(|slip| slip.data.user_id == id) else { return Ok(None) };
    let holder = Holder { user_id: slip.data.user_id.clone(), epoch: slip.data.epoch };
    let user = app.db.read(move |tx| slips::holder(tx, &holder)).await?.filter(User::is_active);
    let Some(user) = user else { return Ok(None) };
    let stored =
        StoredPassword { hash: signin::hashed(app, secret).await?, sealed: signin::sealed(app, user.key, secret) };
    app.db
        .write(move |tx| {
            let user = slips::holder(tx, &slip.data)?.filter(User::is_active);
            let Some(user) = user else { return Ok(None) };
            if !slips::spend(tx, &slip, now_ms())? {
                return Ok(None);
            }
            accounts::set_password(tx, user.key, &stored)?;
            openid::unlink_everywhere(tx, user.key)?;
            Ok(Some(user))
        })
        .await
}
