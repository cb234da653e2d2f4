//! Users as administrators manage them: what each is allowed, and their end.

use super::groups::{self, MainGroup};
use super::libraries;
use super::signin;
use crate::account::{Allowed, Preferences, Profile, Role, User, UserKey, UserState, password};
use crate::error::{Error, Result, Thing};
use crate::library::{Library, LibraryKind};
use crate::media::image;
use crate::share::Change;
use crate::share::visit::Visitor;
use crate::store::{Tx, accounts, library, preferences};
use crate::{App, now_ms};

/// What is to become of a user; what it does not say stays.
#[derive(Debug, Default)]
pub struct UserWish {
    pub mail: Option<String>,
    pub display_name: Option<String>,
    pub allowed: Option<Allowed>,
    pub group: Option<MainGroup>,
    /// Who is banned is signed out everywhere.
    pub state: Option<UserState>,
    pub quota_bytes: Change<u64>,
}

/// Changes all that is wished of a user, or nothing. `wish` is made of the user as they are, in the same transaction. The
/// last admin remains one. A new password ends the user's sessions.
pub async fn edit(
    app: &App,
    login: &str,
    password: Option<String>,
    wish: impl FnOnce(&mut Tx, &User) -> Result<UserWish> + Send + 'static,
) -> Result<()> {
    let login = login.to_owned();
    let key = app.db.read(move |tx| accounts::by_login(tx, &login)).await?.ok_or(Error::NotFound(Thing::User))?.key;
    edit_one(app, key, password, wish).await
}

/// The same of a user who is known.
pub async fn edit_one(
    app: &App,
    key: UserKey,
    password: Option<String>,
    wish: impl FnOnce(&mut Tx, &User) -> Result<UserWish> + Send + 'static,
) -> Result<()> {
    let password = match password {
        Some(password) => Some(tokio::task::block_in_place(|| signin::stored_password(app, key, &password))?),
        None => None,
    };
    let before = app
        .db
        .write(move |tx| {
            let user = accounts::by_key(tx, key)?.ok_or(Error::NotFound(Thing::User))?;
            let wish = wish(tx, &user)?;
            if let Some(password) = &password {
                accounts::set_password(tx, key, password)?;
            }
            if let Some(mail) = &wish.mail {
                signin::check_mail(mail)?;
                accounts::set_mail(tx, user.key, mail)?;
            }
            if let Some(allowed) = &wish.allowed {
                if !allowed.roles.has(Role::Admin) {
                    keep_an_admin(tx, user.key)?;
                }
                accounts::set_allowed(tx, user.key, allowed)?;
            }
            carry_out(tx, &user, &wish)?;
            Ok(user.state)
        })
        .await?;
    let user = app.db.read(move |tx| accounts::by_key(tx, key)).await?;
    if let Some(user) = user.filter(|user| before == UserState::Inactive && user.is_active()) {
        libraries::make_home(app, &user).await?;
    }
    Ok(())
}

fn carry_out(tx: &mut Tx, user: &User, wish: &UserWish) -> Result<()> {
    if let Some(name) = &wish.display_name {
        accounts::set_display_name(tx, user.key, &check_display_name(name)?)?;
    }
    if let Some(group) = wish.group {
        groups::set_main(tx, user, group)?;
    }
    if let Some(state) = wish.state.filter(|state| *state != user.state) {
        match state {
            UserState::Active => {}
            UserState::Banned => keep_an_admin(tx, user.key)?,
            // What that state allows a stranger, it allows because nobody was ever in the account.
            UserState::Inactive => {
                return Err(Error::invalid("status", "only who never was active is inactive; ban the account"));
            }
        }
        accounts::set_state(tx, user.key, state)?;
    }
    match wish.quota_bytes {
        Change::Set(quota_bytes) => accounts::set_quota(tx, user.key, Some(quota_bytes)),
        Change::Clear => accounts::set_quota(tx, user.key, None),
        Change::Keep => Ok(()),
    }
}

fn check_display_name(name: &str) -> Result<String> {
    let name = name.trim();
    match name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        true => Err(Error::invalid("nick", "1 to 100 visible characters")),
        false => Ok(name.to_owned()),
    }
}

// What users change of themselves -------------------------------------------------------------------------------------

/// What it does not say stays.
#[derive(Debug, Default)]
pub struct OwnWish {
    pub display_name: Option<String>,
    pub profile: Option<Profile>,
    pub language: Option<String>,
    pub theme: Option<String>,
    pub syncs_views: Option<bool>,
    pub keeps_versions: Option<bool>,
    pub version_endings: Option<Vec<String>>,
    /// Of one file; 0: any number.
    pub most_versions: Option<i64>,
}

const LONGEST_NAME_CHARS: usize = 255;
const MOST_ENDINGS: usize = 100;
const MOST_VERSIONS: i64 = 10_000;

impl OwnWish {
    pub fn check(&self) -> Result<()> {
        let is_name = |name: &String| {
            (1..=LONGEST_NAME_CHARS).contains(&name.trim().chars().count()) && !name.chars().any(char::is_control)
        };
        let is_language =
            |tag: &String| (2..=35).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let is_ending =
            |ending: &String| (1..=32).contains(&ending.len()) && ending.bytes().all(|b| b.is_ascii_alphanumeric());
        let are_endings = |endings: &Vec<String>| endings.len() <= MOST_ENDINGS && endings.iter().all(is_ending);
        if !self.display_name.as_ref().is_none_or(is_name) {
            return Err(Error::invalid("nick", format!("1 to {LONGEST_NAME_CHARS} visible characters")));
        }
        if !self.language.as_ref().is_none_or(is_language) {
            return Err(Error::invalid("language", "a language, such as en-US"));
        }
        if !self.version_endings.as_ref().is_none_or(are_endings) {
            return Err(Error::invalid("version_retention_ext", "at most 100 endings of names, such as txt"));
        }
        if !self.most_versions.is_none_or(|most| (0..=MOST_VERSIONS).contains(&most)) {
            return Err(Error::invalid("version_retention_max", format!("0 to {MOST_VERSIONS}")));
        }
        Ok(())
    }

    fn applied_to(self, now: Preferences) -> Preferences {
        Preferences {
            language: self.language.unwrap_or(now.language),
            theme: self.theme.unwrap_or(now.theme),
            syncs_views: self.syncs_views.unwrap_or(now.syncs_views),
            keeps_versions: self.keeps_versions.unwrap_or(now.keeps_versions),
            version_endings: self.version_endings.unwrap_or(now.version_endings),
            most_versions: self.most_versions.map_or(now.most_versions, |most| Some(most).filter(|most| *most > 0)),
        }
    }
}

/// Changes all that is wished, or nothing.
pub async fn edit_own(app: &App, user: &User, wish: OwnWish) -> Result<()> {
    user.may(Role::Settings)?;
    wish.check()?;
    let key = user.key;
    app.db
        .write(move |tx| {
            if let Some(name) = &wish.display_name {
                accounts::set_display_name(tx, key, name.trim())?;
            }
            if let Some(profile) = wish.profile {
                accounts::set_profile(tx, key, profile)?;
            }
            let now = preferences::of(tx, key)?;
            preferences::set(tx, key, &wish.applied_to(now))
        })
        .await
}

/// Ends the user's sessions. False where `current` is not their password.
pub async fn set_own_password(app: &App, user: &User, current: &str, new: &str, visitor: &Visitor) -> Result<bool> {
    user.may(Role::Settings)?;
    password::check_account(new)?;
    if !signin::is_password(app, user, current, visitor).await? {
        return Ok(false);
    }
    signin::set_password(app, user.key, new).await?;
    Ok(true)
}

/// What is read of a picture at most.
pub const PICTURE_BYTES: usize = 10 * 1024 * 1024;

/// The picture that others see of a user.
pub async fn set_avatar(app: &App, user: &User, picture: Vec<u8>) -> Result<()> {
    user.may(Role::Settings)?;
    if picture.len() > PICTURE_BYTES {
        return Err(Error::TooLarge { size_bytes: picture.len() as u64, limit_bytes: PICTURE_BYTES as u64 });
    }
    let drawn = tokio::task::spawn_blocking(move || image::portrait(&picture)).await;
    let drawn = drawn.map_err(|cause| Error::internal("drawing", cause))?;
    let drawn =
        drawn.ok_or_else(|| Error::invalid("picture", "it is no JPEG, PNG, GIF or WebP picture, or too large"))?;
    let key = user.key;
    app.db.write(move |tx| accounts::set_avatar(tx, key, drawn, now_ms())).await
}

pub async fn remove_avatar(app: &App, user: &User) -> Result<()> {
    user.may(Role::Settings)?;
    let key = user.key;
    app.db.write(move |tx| accounts::remove_avatar(tx, key)).await
}

/// The account and all that is its own; the files of the home stay on the disk, where the answer says.
pub async fn remove(app: &App, key: UserKey) -> Result<Option<Library>> {
    app.db
        .write(move |tx| {
            keep_an_admin(tx, key)?;
            let own: Vec<Library> =
                library::all(tx)?.into_iter().filter(|library| library.owner == Some(key)).collect();
            for library in &own {
                library::remove(tx, library.key)?;
            }
            accounts::remove(tx, key)?;
            Ok(own.into_iter().find(|library| library.kind == LibraryKind::Home))
        })
        .await
}

/// Without one nobody could make another.
pub(super) fn keep_an_admin(tx: &mut Tx, but: UserKey) -> Result<()> {
    let is_other_admin = |user: &User| user.key != but && user.is_admin() && user.is_active();
    let user = accounts::by_key(tx, but)?.ok_or(Error::NotFound(Thing::User))?;
    if user.is_admin() && !accounts::list(tx)?.iter().any(is_other_admin) {
        return Err(Error::Forbidden("the last admin stays"));
    }
    Ok(())
}
