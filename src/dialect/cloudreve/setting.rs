//! What users say of themselves and set for themselves, and how they find each other.

use std::sync::Arc;

use axum::body::Body;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};

use super::answers::{self, THEMES};
use super::openid::Linked;
use super::session::{self, Caller};
use super::{Failure, Outcome, data, done, query};
use crate::App;
use crate::account::permit::Permit;
use crate::account::{Profile, User, UserKey};
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::http::send::{Disposition, safe_headers};
use crate::store::{Tx, accounts, oauth, passkeys, preferences, second_factors};
use crate::work::users::{self, OwnWish, PICTURE_BYTES};
use crate::work::{node, openid, policies, second_factor};

const WRONG_PASSWORD: Failure = Failure::Code(40069, "That is not your password");
const WRONG_CODE: Failure = Failure::Code(40022, "The code is not right, or was used already");

#[derive(Serialize)]
struct Setting {
    group_expires: Option<String>,
    open_id: Vec<Linked>,
    version_retention_enabled: bool,
    version_retention_ext: Option<Vec<String>>,
    version_retention_max: Option<i64>,
    passwordless: bool,
    two_fa_enabled: bool,
    passkeys: Vec<answers::Passkey>,
    login_activity: [(); 0],
    storage_packs: [(); 0],
    credit: i64,
    disable_view_sync: bool,
    share_links_in_profile: &'static str,
    oauth_grants: Vec<OauthGrant>,
}

#[derive(Serialize)]
struct OauthGrant {
    client_id: String,
    client_name: String,
    client_logo: String,
    scopes: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<String>,
}

pub async fn get_setting(call: Call, user: User) -> Outcome {
    let app = Arc::clone(&call.app);
    data(&call.app.db.read(move |tx| setting_of(tx, &app, &user)).await?)
}

fn setting_of(tx: &mut Tx, app: &App, user: &User) -> Result<Setting> {
    let preferences = preferences::of(tx, user.key)?;
    Ok(Setting {
        group_expires: None,
        open_id: openid::linked_ms(tx, app, user)?.map(Linked::since).into_iter().collect(),
        version_retention_enabled: preferences.keeps_versions,
        version_retention_ext: Some(preferences.version_endings).filter(|endings| !endings.is_empty()),
        version_retention_max: preferences.most_versions,
        passwordless: accounts::password(tx, user.key)?.hash.is_empty(),
        two_fa_enabled: second_factors::is_on(tx, user.key)?,
        passkeys: passkeys::of(tx, user.key)?.iter().map(answers::Passkey::of).collect(),
        login_activity: [],
        storage_packs: [],
        credit: user.points,
        disable_view_sync: !preferences.syncs_views,
        share_links_in_profile: answers::profile_text(user.profile),
        oauth_grants: grants_of(tx, user.key)?,
    })
}

fn grants_of(tx: &mut Tx, user: UserKey) -> Result<Vec<OauthGrant>> {
    let mut grants = Vec::new();
    for let_in in oauth::all_let_in(tx, user)? {
        let Some(client) = oauth::client(tx, &let_in.client_id)? else { continue };
        grants.push(OauthGrant {
            client_id: client.id,
            client_name: client.name,
            client_logo: client.icon,
            scopes: let_in.permits.names(),
            last_used_at: let_in.used_ms.map(answers::time),
        });
    }
    Ok(grants)
}

/// What is not there, or null, stays as it is.
#[derive(Deserialize)]
struct Patch {
    nick: Option<String>,
    language: Option<String>,
    preferred_theme: Option<String>,
    version_retention_enabled: Option<bool>,
    version_retention_ext: Option<Vec<String>>,
    version_retention_max: Option<i64>,
    current_password: Option<String>,
    new_password: Option<String>,
    two_fa_enabled: Option<bool>,
    two_fa_code: Option<String>,
    disable_view_sync: Option<bool>,
    share_links_in_profile: Option<String>,
}

impl Patch {
    fn wish(&self) -> Result<OwnWish> {
        if let Some(theme) = &self.preferred_theme
            && !THEMES.contains(&theme.as_str())
        {
            return Err(Error::invalid("preferred_theme", "it is none of the site's themes"));
        }
        let profile = match self.share_links_in_profile.as_deref() {
            None => None,
            Some("") => Some(Profile::Public),
            Some("all_share") => Some(Profile::All),
            Some("hide_share") => Some(Profile::Hidden),
            Some(_) => return Err(Error::invalid("share_links_in_profile", "no such choice")),
        };
        let wish = OwnWish {
            display_name: self.nick.clone(),
            profile,
            language: self.language.clone(),
            theme: self.preferred_theme.clone(),
            syncs_views: self.disable_view_sync.map(|unsynced| !unsynced),
            keeps_versions: self.version_retention_enabled,
            version_endings: self.version_retention_ext.clone(),
            most_versions: self.version_retention_max,
        };
        wish.check()?;
        Ok(wish)
    }
}

pub async fn patch_setting(mut call: Call, user: User) -> Outcome {
    let patch: Patch = call.json().await?;
    let wish = patch.wish()?;
    let caller = session::caller(&call).await?.ok_or(Error::SignInNeeded)?;
    patch_second_factor(&call, &caller, &patch).await?;
    users::edit_own(&call.app, &user, wish).await?;
    patch_password(&call, &caller, patch).await
}

async fn patch_second_factor(call: &Call, caller: &Caller, patch: &Patch) -> Result<(), Failure> {
    let Some(on) = patch.two_fa_enabled else { return Ok(()) };
    caller.may(Permit::UserSecurityInfoWrite)?;
    let code = patch.two_fa_code.as_deref().ok_or(Error::Missing("two_fa_code"))?;
    let is_right = match on {
        true => second_factor::turn_on(&call.app, &caller.user, code).await?,
        false => second_factor::turn_off(&call.app, &caller.user, code).await?,
    };
    if is_right { Ok(()) } else { Err(WRONG_CODE) }
}

/// Last of all, since it ends the session that it came by.
async fn patch_password(call: &Call, caller: &Caller, patch: Patch) -> Outcome {
    let Some(new) = patch.new_password else { return done() };
    caller.may(Permit::UserSecurityInfoWrite)?;
    let current = patch.current_password.ok_or(Error::Missing("current_password"))?;
    match users::set_own_password(&call.app, &caller.user, &current, &new, &call.guest()).await? {
        true => done(),
        false => Err(WRONG_PASSWORD),
    }
}

/// A secret to be told to an app on a phone, which makes codes of it.
pub async fn get_2fa(call: Call, user: User) -> Outcome {
    data(&second_factor::offer(&call.app, &user).await?)
}

// Pictures ------------------------------------------------------------------------------------------------------------

/// Without a body: no picture any more.
pub async fn put_avatar(mut call: Call, user: User) -> Outcome {
    let picture = call.body_bytes(PICTURE_BYTES).await?;
    match picture.is_empty() {
        true => users::remove_avatar(&call.app, &user).await?,
        false => users::set_avatar(&call.app, &user, picture).await?,
    }
    done()
}

/// For whoever knows the user's id: pages show it without a token.
pub async fn get_avatar(call: Call, _: Option<User>) -> Outcome {
    let id = call.path("id").to_owned();
    let picture = call.app.db.read(move |tx| match accounts::by_id(tx, &id)?.filter(User::is_active) {
        Some(user) => accounts::avatar(tx, user.key),
        None => Ok(None),
    });
    let picture = picture.await?.ok_or(Error::NotFound(Thing::Avatar))?;
    let mut response = Body::from(picture).into_response();
    *response.headers_mut() = safe_headers("avatar.jpg", "image/jpeg", Disposition::Inline);
    Ok(response)
}

// Others --------------------------------------------------------------------------------------------------------------

const LEAST_KEYWORD_CHARS: usize = 2;
const MOST_KEYWORD_CHARS: usize = 64;
const MOST_FOUND: usize = 10;

/// By a part of their name, or by their whole mail address, which the answer does not tell.
pub async fn get_search(call: Call, _: User) -> Outcome {
    let keyword = query(&call)?.need("keyword")?.trim().to_owned();
    if !(LEAST_KEYWORD_CHARS..=MOST_KEYWORD_CHARS).contains(&keyword.chars().count()) {
        return Err(Error::invalid("keyword", "2 to 64 characters").into());
    }
    let found = call.app.db.read(move |tx| accounts::search(tx, &keyword, MOST_FOUND)).await?;
    data(&found.iter().map(answers::User::redacted).collect::<Vec<_>>())
}

/// There is one: this server.
pub async fn get_nodes(call: Call, _: User) -> Outcome {
    let node = call.app.db.read(node::read).await?;
    data(&[answers::Node::of(&node)])
}

/// Those that they may store under.
pub async fn get_policies(call: Call, user: User) -> Outcome {
    let given = call.app.db.read(move |tx| policies::given(tx, &user)).await?;
    data(&given.into_iter().map(answers::StoragePolicy::of).collect::<Vec<_>>())
}
