//! SQL of people, groups, sessions, keys and the limiter.

use super::{Row, Tx, Weighed, bind_all, oauth};
use crate::account::password::{FORGET_MS, wait_ms};
use crate::account::permit::Permits;
use crate::account::{Allowed, GroupKey, Profile, Role, Roles, User, UserKey, UserState, name_key};
use crate::args;
use crate::error::{Error, Result, Thing};
use crate::library::LibraryKey;

pub mod lists;

const USER: &str = "id, public_id, name, mail, display_name, state, profile, quota_bytes, epoch, created_ms, \
                    role, roles, most_kbps, folders, \
                    (SELECT balance FROM purse WHERE purse.account_id = account.id), \
                    (SELECT changed_ms FROM avatar WHERE avatar.account_id = account.id)";

fn user(row: &Row) -> Result<User> {
    Ok(User {
        key: UserKey(row.get(0)?),
        id: row.get(1)?,
        name: row.get(2)?,
        mail: row.get(3)?,
        display_name: row.get(4)?,
        state: match row.get::<String>(5)?.as_str() {
            "active" => UserState::Active,
            "inactive" => UserState::Inactive,
            _ => UserState::Banned,
        },
        profile: match row.get::<String>(6)?.as_str() {
            "all" => Profile::All,
            "public" => Profile::Public,
            _ => Profile::Hidden,
        },
        groups: Vec::new(),
        quota_bytes: row.get::<Option<i64>>(7)?.map(|bytes| bytes.max(0) as u64),
        points: row.get::<Option<i64>>(14)?.unwrap_or(0),
        epoch: row.get(8)?,
        created_ms: row.get(9)?,
        lock_tokens: Vec::new(),
        within: None,
        allowed: Allowed {
            roles: match row.get::<String>(10)?.as_str() {
                "admin" => Roles(row.get(11)?).with(Role::Admin),
                _ => Roles(row.get(11)?).without(Role::Admin),
            },
            most_kbps: row.get(12)?,
            folders: row.get::<Option<String>>(13)?.map(|list| folders_of(&list)).transpose()?,
        },
        picture_ms: row.get(15)?,
    })
}

fn state_text(state: UserState) -> &'static str {
    match state {
        UserState::Active => "active",
        UserState::Inactive => "inactive",
        UserState::Banned => "banned",
    }
}

fn role_text(roles: Roles) -> &'static str {
    if roles.has(Role::Admin) { "admin" } else { "user" }
}

fn folders_of(list: &str) -> Result<Vec<LibraryKey>> {
    let keys: Vec<i64> = serde_json::from_str(list).map_err(|e| Error::internal("folders of an account", e))?;
    Ok(keys.into_iter().map(LibraryKey).collect())
}

fn folders_text(folders: Option<&Vec<LibraryKey>>) -> Option<String> {
    let keys: Option<Vec<i64>> = folders.map(|folders| folders.iter().map(|library| library.0).collect());
    keys.map(|keys| format!("{keys:?}"))
}

/// What is stored of a password.
#[derive(Debug, Clone)]
pub struct StoredPassword {
    pub hash: String,
    /// Encrypted copy, where token login is on.
    pub sealed: Option<Vec<u8>>,
}

pub struct NewUser<'a> {
    pub id: &'a str,
    pub name: &'a str,
    pub mail: &'a str,
    pub display_name: &'a str,
    pub allowed: &'a Allowed,
    pub password: &'a StoredPassword,
    pub now_ms: i64,
}

/// `Exists` when the name or mail address is taken, in whatever case or form; a name is never another's mail address.
pub fn insert(tx: &mut Tx, new: &NewUser) -> Result<UserKey> {
    let (name, mail) = (name_key(new.name), name_key(new.mail));
    let taken = tx.maybe(
        "SELECT id FROM account WHERE name_key IN ($1, $2) OR mail_key IN ($1, $2)",
        args![&name, &mail],
        |row| row.get::<i64>(0),
    )?;
    if taken.is_some() {
        return Err(Error::Exists(new.name.to_owned()));
    }
    tx.one(
        "INSERT INTO account (public_id, name, name_key, mail, mail_key, display_name, password_hash, password_sealed,
            role, roles, most_kbps, folders, state, profile, default_terms, epoch, created_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'active', 'hidden', '{}', 1, $13) RETURNING id",
        args![
            new.id,
            new.name.trim(),
            &name,
            new.mail.trim(),
            &mail,
            new.display_name,
            &new.password.hash,
            new.password.sealed.clone(),
            role_text(new.allowed.roles),
            new.allowed.roles.0,
            new.allowed.most_kbps,
            folders_text(new.allowed.folders.as_ref()),
            new.now_ms
        ],
        |row| Ok(UserKey(row.get(0)?)),
    )
}

fn with_groups(tx: &mut Tx, found: Option<User>) -> Result<Option<User>> {
    let Some(mut user) = found else { return Ok(None) };
    user.groups = tx.all(
        "SELECT group_id FROM group_member WHERE account_id = $1 ORDER BY group_id",
        args![user.key.0],
        |row| Ok(GroupKey(row.get(0)?)),
    )?;
    Ok(Some(user))
}

pub fn by_key(tx: &mut Tx, key: UserKey) -> Result<Option<User>> {
    let found = tx.maybe(&format!("SELECT {USER} FROM account WHERE id = $1"), args![key.0], user)?;
    with_groups(tx, found)
}

pub fn by_id(tx: &mut Tx, id: &str) -> Result<Option<User>> {
    let found = tx.maybe(&format!("SELECT {USER} FROM account WHERE public_id = $1"), args![id], user)?;
    with_groups(tx, found)
}

/// By user name or mail address, whichever a client sends.
pub fn by_login(tx: &mut Tx, name_or_mail: &str) -> Result<Option<User>> {
    let key = name_key(name_or_mail);
    let found =
        tx.maybe(&format!("SELECT {USER} FROM account WHERE name_key = $1 OR mail_key = $1"), args![&key], user)?;
    with_groups(tx, found)
}

/// Everybody, by name.
pub fn list(tx: &mut Tx) -> Result<Vec<User>> {
    let found = tx.all(&format!("SELECT {USER} FROM account ORDER BY name_key"), args![], user)?;
    found.into_iter().filter_map(|user| with_groups(tx, Some(user)).transpose()).collect()
}

/// Active users with this in their name, or with this mail address.
pub fn search(tx: &mut Tx, keyword: &str, most: usize) -> Result<Vec<User>> {
    let key = name_key(keyword);
    let escaped = key.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    tx.all(
        &format!(
            "SELECT {USER} FROM account WHERE state = 'active'
                AND (name_key LIKE $1 ESCAPE '\\' OR LOWER(display_name) LIKE $1 ESCAPE '\\' OR mail_key = $2)
             ORDER BY name_key LIMIT $3"
        ),
        args![format!("%{escaped}%"), &key, most],
        user,
    )
}

pub fn count(tx: &mut Tx) -> Result<i64> {
    tx.one("SELECT COUNT(*) FROM account", args![], |row| row.get(0))
}

pub fn password(tx: &mut Tx, key: UserKey) -> Result<StoredPassword> {
    tx.one("SELECT password_hash, password_sealed FROM account WHERE id = $1", args![key.0], |row| {
        Ok(StoredPassword { hash: row.get(0)?, sealed: row.get(1)? })
    })
}

/// Ends every session of the user, since whoever knew the old password may hold one.
pub fn set_password(tx: &mut Tx, key: UserKey, password: &StoredPassword) -> Result<()> {
    tx.run(
        "UPDATE account SET password_hash = $2, password_sealed = $3, epoch = epoch + 1 WHERE id = $1",
        args![key.0, &password.hash, password.sealed.clone()],
    )?;
    tx.run("DELETE FROM session WHERE account_id = $1", args![key.0])?;
    Ok(())
}

pub fn set_allowed(tx: &mut Tx, key: UserKey, allowed: &Allowed) -> Result<()> {
    tx.run(
        "UPDATE account SET role = $2, roles = $3, most_kbps = $4, folders = $5 WHERE id = $1",
        args![
            key.0,
            role_text(allowed.roles),
            allowed.roles.0,
            allowed.most_kbps,
            folders_text(allowed.folders.as_ref())
        ],
    )?;
    Ok(())
}

/// `Exists` when another user goes by that address.
pub fn set_mail(tx: &mut Tx, key: UserKey, mail: &str) -> Result<()> {
    let folded = name_key(mail);
    let taken = tx.maybe(
        "SELECT id FROM account WHERE id <> $1 AND (name_key = $2 OR mail_key = $2)",
        args![key.0, &folded],
        |row| row.get::<i64>(0),
    )?;
    if taken.is_some() {
        return Err(Error::Exists(mail.to_owned()));
    }
    tx.run("UPDATE account SET mail = $2, mail_key = $3 WHERE id = $1", args![key.0, mail.trim(), &folded])?;
    Ok(())
}

pub fn set_state(tx: &mut Tx, key: UserKey, state: UserState) -> Result<()> {
    tx.run("UPDATE account SET state = $2, epoch = epoch + 1 WHERE id = $1", args![key.0, state_text(state)])?;
    Ok(())
}

pub fn set_display_name(tx: &mut Tx, key: UserKey, name: &str) -> Result<()> {
    tx.run("UPDATE account SET display_name = $2 WHERE id = $1", args![key.0, name])?;
    Ok(())
}

/// None: their home may fill the disk.
pub fn set_quota(tx: &mut Tx, key: UserKey, quota_bytes: Option<u64>) -> Result<()> {
    tx.run("UPDATE account SET quota_bytes = $2 WHERE id = $1", args![key.0, quota_bytes])?;
    Ok(())
}

pub fn set_profile(tx: &mut Tx, key: UserKey, profile: Profile) -> Result<()> {
    let text = match profile {
        Profile::Hidden => "hidden",
        Profile::Public => "public",
        Profile::All => "all",
    };
    tx.run("UPDATE account SET profile = $2 WHERE id = $1", args![key.0, text])?;
    Ok(())
}

/// Accounts that were registered before then, and that nobody activated.
pub fn remove_inactive(tx: &mut Tx, before_ms: i64) -> Result<()> {
    tx.run("DELETE FROM account WHERE state = 'inactive' AND created_ms < $1", args![before_ms])?;
    Ok(())
}

/// With all that is the user's own: sessions, keys, marks, playlists, shares.
pub fn remove(tx: &mut Tx, key: UserKey) -> Result<()> {
    let subject = key.0.to_string();
    tx.run("DELETE FROM rights WHERE subject_kind = 'user' AND subject_id = $1", args![&subject])?;
    tx.run("DELETE FROM account WHERE id = $1", args![key.0])?;
    Ok(())
}

/// JSON of what fills a share's terms where its maker cannot say them.
pub fn default_terms(tx: &mut Tx, key: UserKey) -> Result<String> {
    tx.one("SELECT default_terms FROM account WHERE id = $1", args![key.0], |row| row.get(0))
}

pub fn set_default_terms(tx: &mut Tx, key: UserKey, json: &str) -> Result<()> {
    tx.run("UPDATE account SET default_terms = $2 WHERE id = $1", args![key.0, json])?;
    Ok(())
}

// Pictures ------------------------------------------------------------------------------------------------------------

pub fn avatar(tx: &mut Tx, key: UserKey) -> Result<Option<Vec<u8>>> {
    tx.maybe("SELECT picture FROM avatar WHERE account_id = $1", args![key.0], |row| row.get(0))
}

/// When the user's picture was last another.
pub fn avatar_changed_ms(tx: &mut Tx, key: UserKey) -> Result<Option<i64>> {
    tx.maybe("SELECT changed_ms FROM avatar WHERE account_id = $1", args![key.0], |row| row.get(0))
}

pub fn set_avatar(tx: &mut Tx, key: UserKey, picture: Vec<u8>, now_ms: i64) -> Result<()> {
    tx.run(
        "INSERT INTO avatar (account_id, picture, changed_ms) VALUES ($1, $2, $3)
         ON CONFLICT (account_id) DO UPDATE SET picture = excluded.picture, changed_ms = excluded.changed_ms",
        args![key.0, picture, now_ms],
    )?;
    Ok(())
}

pub fn remove_avatar(tx: &mut Tx, key: UserKey) -> Result<()> {
    tx.run("DELETE FROM avatar WHERE account_id = $1", args![key.0])?;
    Ok(())
}

// Sessions ------------------------------------------------------------------------------------------------------------

#[derive(Debug, Clone)]
pub struct Session {
    pub id: String,
    pub account: UserKey,
    pub door: String,
    pub secret_hash: Vec<u8>,
    pub generation: i64,
    pub epoch: i64,
    pub expires_ms: i64,
    /// Who began it in the user's name, if not they themselves.
    pub app: Option<ForApp>,
}

/// An app that a user let in, and what it may do in one of its sessions.
#[derive(Debug, Clone)]
pub struct ForApp {
    pub client_id: String,
    pub permits: Permits,
}

pub fn insert_session(tx: &mut Tx, session: &Session, agent: &str, now_ms: i64) -> Result<()> {
    tx.run("DELETE FROM session WHERE expires_ms <= $1", args![now_ms])?;
    tx.run(
        "INSERT INTO session (id, account_id, door, secret_hash, generation, epoch, created_ms, expires_ms, agent,
            client_id, permits)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        args![
            &session.id,
            session.account.0,
            &session.door,
            session.secret_hash.clone(),
            session.generation,
            session.epoch,
            now_ms,
            session.expires_ms,
            agent,
            session.app.as_ref().map(|app| app.client_id.clone()),
            session.app.as_ref().map(|app| app.permits.to_string())
        ],
    )?;
    Ok(())
}

/// A session that has neither ended nor been outlived by its user's password.
pub fn session(tx: &mut Tx, id: &str) -> Result<Option<(Session, User)>> {
    let session = tx.maybe(
        "SELECT id, account_id, door, secret_hash, generation, epoch, expires_ms, client_id, permits
         FROM session WHERE id = $1",
        args![id],
        |row| {
            let app = match row.get::<Option<String>>(7)? {
                Some(client_id) => Some(ForApp { client_id, permits: oauth::permits_of(&row.get::<String>(8)?)? }),
                None => None,
            };
            Ok(Session {
                id: row.get(0)?,
                account: UserKey(row.get(1)?),
                door: row.get(2)?,
                secret_hash: row.get(3)?,
                generation: row.get(4)?,
                epoch: row.get(5)?,
                expires_ms: row.get(6)?,
                app,
            })
        },
    )?;
    let Some(session) = session else { return Ok(None) };
    let user = by_key(tx, session.account)?.filter(|user| user.is_active() && user.epoch == session.epoch);
    Ok(user.map(|user| (session, user)))
}

pub fn renew_session(tx: &mut Tx, id: &str, generation: i64, expires_ms: i64) -> Result<()> {
    tx.run("UPDATE session SET generation = $2, expires_ms = $3 WHERE id = $1", args![id, generation, expires_ms])?;
    Ok(())
}

pub fn prolong_session(tx: &mut Tx, id: &str, expires_ms: i64) -> Result<()> {
    tx.run("UPDATE session SET expires_ms = $2 WHERE id = $1 AND expires_ms < $2", args![id, expires_ms])?;
    Ok(())
}

pub fn end_session(tx: &mut Tx, id: &str) -> Result<()> {
    tx.run("DELETE FROM session WHERE id = $1", args![id])?;
    Ok(())
}

// API keys ------------------------------------------------------------------------------------------------------------

#[derive(Debug, Clone)]
pub struct ApiKey {
    pub id: String,
    pub name: String,
    pub sealed: Vec<u8>,
    pub created_ms: i64,
    pub used_ms: Option<i64>,
}

pub fn insert_api_key(tx: &mut Tx, owner: UserKey, key: &ApiKey, hash: Vec<u8>) -> Result<()> {
    tx.run(
        "INSERT INTO api_key (public_id, account_id, name, key_hash, key_sealed, created_ms) VALUES ($1, $2, $3, $4, $5, $6)",
        args![&key.id, owner.0, &key.name, hash, key.sealed.clone(), key.created_ms],
    )?;
    Ok(())
}

pub fn by_api_key(tx: &mut Tx, hash: Vec<u8>) -> Result<Option<User>> {
    let owner =
        tx.maybe("SELECT account_id FROM api_key WHERE key_hash = $1", args![hash], |row| Ok(UserKey(row.get(0)?)))?;
    match owner {
        Some(owner) => Ok(by_key(tx, owner)?.filter(User::is_active)),
        None => Ok(None),
    }
}

pub fn api_keys(tx: &mut Tx, owner: UserKey) -> Result<Vec<ApiKey>> {
    tx.all(
        "SELECT public_id, name, key_sealed, created_ms, used_ms FROM api_key WHERE account_id = $1 ORDER BY id",
        args![owner.0],
        |row| {
            Ok(ApiKey {
                id: row.get(0)?,
                name: row.get(1)?,
                sealed: row.get(2)?,
                created_ms: row.get(3)?,
                used_ms: row.get(4)?,
            })
        },
    )
}

pub fn remove_api_key(tx: &mut Tx, owner: UserKey, id: &str) -> Result<()> {
    match tx.run("DELETE FROM api_key WHERE account_id = $1 AND public_id = $2", args![owner.0, id])? {
        0 => Err(Error::NotFound(Thing::Key)),
        _ => Ok(()),
    }
}

// The limiter ---------------------------------------------------------------------------------------------------------

/// `Throttled` when one of the subjects has to wait before the next try.
pub fn must_wait(tx: &mut Tx, subjects: &[String], now_ms: i64) -> Result<()> {
    subjects.iter().try_for_each(|subject| tries(tx, subject)?.must_wait(now_ms))
}

/// Wrong tries that stand against a subject.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tries {
    failures: i64,
    last_ms: i64,
}

impl Weighed for Tries {}

impl Tries {
    /// `Throttled` for as long as the next try has to wait.
    pub fn must_wait(self, now_ms: i64) -> Result<()> {
        match wait_ms(self.failures, self.last_ms, now_ms) {
            wait_ms if wait_ms > 0 => Err(Error::Throttled { retry_after_s: wait_ms.unsigned_abs().div_ceil(1000) }),
            _ => Ok(()),
        }
    }
}

pub fn tries(tx: &mut Tx, subject: &str) -> Result<Tries> {
    let known = tx.maybe("SELECT failures, last_ms FROM throttle WHERE subject = $1", args![subject], |row| {
        Ok(Tries { failures: row.get(0)?, last_ms: row.get(1)? })
    })?;
    Ok(known.unwrap_or_default())
}

/// Counts a try against each subject before it is made, so that a hundred at once are a hundred. `Throttled` when one of
/// them has to wait; then nothing is counted.
pub fn count_try(tx: &mut Tx, subjects: &[String], now_ms: i64) -> Result<()> {
    must_wait(tx, subjects, now_ms)?;
    tx.run("DELETE FROM throttle WHERE last_ms < $1", args![now_ms - FORGET_MS])?;
    for subject in subjects {
        tx.run(
            "INSERT INTO throttle (subject, failures, last_ms) VALUES ($1, 1, $2)
             ON CONFLICT (subject) DO UPDATE SET last_ms = excluded.last_ms,
                failures = CASE WHEN throttle.last_ms < $3 THEN 1 ELSE throttle.failures + 1 END",
            args![subject, now_ms, now_ms - FORGET_MS],
        )?;
    }
    Ok(())
}

/// The try was right: what it counted is taken back, and only from its own subjects.
pub fn forgive(tx: &mut Tx, subjects: &[String]) -> Result<()> {
    let mut args = Vec::new();
    let subjects = bind_all(&mut args, subjects);
    tx.run(&format!("DELETE FROM throttle WHERE subject IN ({subjects})"), &args)?;
    Ok(())
}
