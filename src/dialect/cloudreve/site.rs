//! What clients ask before anything else: the site's settings and who the user is.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answers::{self, Capacity, THEME};
use super::{Failure, Outcome, data, done};
use crate::account::{Profile, Role, User};
use crate::error::{Error, Thing};
use crate::http::Call;
use crate::store::{Weighed, accounts, settings};
use crate::work::files;

/// The protocol's version that is answered; clients insist on one of 4.
pub const VERSION: &str = "4.18.0";
/// The setting of what the site is called.
pub const TITLE: &str = "site-title";
pub const USUAL_TITLE: &str = "Openshelf";
/// Most URIs in one call.
pub const MOST_URIS: usize = 3000;

pub async fn get_ping(_: Call, _: Option<User>) -> Outcome {
    data(&VERSION)
}

/// A section's settings, all at one level. An unknown section is `basic`.
pub async fn get_config(call: Call, user: Option<User>) -> Outcome {
    let title = call.app.db.recall("site title", "", |tx| Ok(Title(settings::get(tx, TITLE)?))).await?;
    let title = title.0.as_deref().filter(|title| !title.is_empty()).unwrap_or(USUAL_TITLE);
    data(&match call.path("section") {
        "login" => json!({
            "login_captcha": false, "reg_captcha": false, "forget_captcha": false, "authn": false, "register_enabled": false,
        }),
        "explorer" => json!({
            "icons": "[]", "file_viewers": [], "default_viewer_mapping": {}, "max_batch_size": MOST_URIS,
            "map_provider": "openstreetmap", "thumbnail_width": 400, "thumbnail_height": 400, "custom_props": [],
            "show_encryption_status": false, "full_text_search": false,
        }),
        "emojis" => json!({ "emoji_preset": "{}" }),
        "app" => json!({ "app_promotion": false, "desktop_app_promotion": false }),
        "thumb" => json!({ "thumb_exts": ["jpg", "jpeg", "png", "gif", "webp", "mp3", "flac", "ogg", "opus", "m4a"] }),
        _ => basic(title, user.as_ref()),
    })
}

struct Title(Option<String>);

impl Weighed for Title {}

fn basic(title: &str, user: Option<&User>) -> Value {
    // Themes and icons are JSON within a string.
    let palette = json!({ "palette": { "primary": { "main": THEME } } });
    json!({
        "title": title,
        "themes": json!({ THEME: { "light": palette, "dark": palette } }).to_string(),
        "default_theme": THEME,
        "user": user.map_or_else(answers::User::guest, answers::User::own),
        "captcha_type": "normal",
        "app_promotion": false,
    })
}

pub async fn get_me(_: Call, user: User) -> Outcome {
    data(&answers::User::own(&user))
}

pub async fn get_capacity(call: Call, user: User) -> Outcome {
    let usage = call.app.db.read(move |tx| files::usage(tx, &user)).await?;
    let free = usage.total_bytes.saturating_sub(usage.used_bytes);
    data(&Capacity { used: usage.used_bytes, free, total: usage.total_bytes })
}

pub async fn get_user_info(call: Call, _: Option<User>) -> Outcome {
    let id = call.path("id").to_owned();
    let found = call.app.db.read(move |tx| accounts::by_id(tx, &id)).await?.filter(User::is_active);
    data(&answers::User::named(&found.ok_or(Error::NotFound(Thing::User))?))
}

/// Nobody has a picture; clients then draw the initial.
pub async fn get_avatar(_: Call, _: Option<User>) -> Outcome {
    Err(Error::NotFound(Thing::Cover).into())
}

#[derive(Serialize)]
struct Setting {
    version_retention_enabled: bool,
    version_retention_ext: Option<Vec<String>>,
    version_retention_max: Option<i64>,
    passwordless: bool,
    two_fa_enabled: bool,
    passkeys: Option<Vec<String>>,
    disable_view_sync: bool,
    share_links_in_profile: &'static str,
}

pub async fn get_setting(_: Call, user: User) -> Outcome {
    data(&Setting {
        version_retention_enabled: false,
        version_retention_ext: None,
        version_retention_max: None,
        passwordless: false,
        two_fa_enabled: false,
        passkeys: None,
        disable_view_sync: true,
        share_links_in_profile: answers::profile_text(user.profile),
    })
}

/// All that the protocol lets a user set; one of them is offered.
#[derive(Deserialize)]
struct SettingPatch {
    share_links_in_profile: Option<String>,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

const NOT_OFFERED: [&str; 11] = [
    "nick",
    "language",
    "preferred_theme",
    "version_retention_enabled",
    "version_retention_ext",
    "version_retention_max",
    "current_password",
    "new_password",
    "two_fa_enabled",
    "two_fa_code",
    "disable_view_sync",
];

pub async fn patch_setting(mut call: Call, user: User) -> Outcome {
    user.may(Role::Settings)?;
    let patch: SettingPatch = call.json().await?;
    if NOT_OFFERED.iter().any(|name| patch.rest.get(*name).is_some_and(|value| !value.is_null())) {
        return Err(Error::Unsupported("This setting").into());
    }
    let profile = match patch.share_links_in_profile.as_deref() {
        None => return done(),
        Some("") => Profile::Public,
        Some("all_share") => Profile::All,
        Some("hide_share") => Profile::Hidden,
        Some(_) => return Err(Failure::from(Error::invalid("share_links_in_profile", "no such choice"))),
    };
    call.app.db.write(move |tx| accounts::set_profile(tx, user.key, profile)).await?;
    done()
}
