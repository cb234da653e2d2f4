//! What clients ask before anything else: the site's settings and who the user is.

use serde_json::{Value, json};

use super::answers::{self, Capacity, THEME};
use super::{Outcome, data, vas, viewers, views};
use crate::account::User;
use crate::account::site::Site;
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::store::{accounts, site};
use crate::work::{files, passkeys, texts};

/// The protocol's version that is answered; clients insist on one of 4.
pub const VERSION: &str = "4.18.0";
/// Most URIs in one call.
pub const MOST_URIS: usize = 3000;

pub async fn get_ping(_: Call, _: Option<User>) -> Outcome {
    data(&VERSION)
}

/// A section's settings, all at one level. An unknown section is `basic`.
pub async fn get_config(call: Call, user: Option<User>) -> Outcome {
    let site = call.app.db.recall("site", "", site::read).await?;
    data(&match call.path("section") {
        "login" => json!({
            "login_captcha": site.captcha.at_sign_in, "reg_captcha": site.captcha.at_registration,
            "forget_captcha": site.captcha.at_reset, "authn": passkeys::party(&call.origin.base, &site.title).is_some(),
            "register_enabled": site.registers, "tos_url": site.terms_of_service_url,
            "privacy_policy_url": site.privacy_url, "oidc_enabled": call.app.openid.is_some(),
            "oidc_display_name": call.app.openid.as_ref().map(|provider| provider.name()),
        }),
        "explorer" => json!({
            "icons": "[]", "file_viewers": viewers::groups(), "default_viewer_mapping": viewers::mapping(), "max_batch_size": MOST_URIS,
            "map_provider": "openstreetmap", "thumbnail_width": 400, "thumbnail_height": 400, "custom_props": [],
            "show_encryption_status": false, "full_text_search": texts::is_on(&call.app),
        }),
        "emojis" => json!({ "emoji_preset": emojis().to_string() }),
        "app" => json!({ "app_promotion": false, "desktop_app_promotion": false }),
        "vas" => vas::config(),
        "thumb" => json!({ "thumb_exts": call.app.renditions.drawn_endings() }),
        _ => basic(&site, own(&call, user).await?),
    })
}

/// By category, each of which clients show by its name: what a folder or file can be marked with.
const EMOJIS: [(&str, &str); 8] = [
    ("😀", "😀 😃 😄 😁 😆 😅 😂 🙂 🙃 😉 😊 😍 😘 😎 🤓 🤔 🤩 🥳 😇 😴 😢 😭 😡 🤯 🥶 🤗 🤫 👻 🤖 👽"),
    ("👋", "👋 👍 👎 👌 👏 🙌 🙏 💪 👀 👶 🧒 👩 👨 👵 👴 👪 🧑‍💻 🧑‍🎓 🧑‍🍳 🧑‍🎨 🧑‍🚀 🕺 💃 ✍️"),
    (
        "🐶",
        "🐶 🐱 🐭 🐰 🦊 🐻 🐼 🐨 🐯 🦁 🐮 🐷 🐸 🐵 🐔 🐧 🐦 🦉 🐴 🐝 🦋 🐢 🐟 🐬 🌵 🌲 🌳 🍀 🌷 🌻 🌞 🌙 ⭐ 🌈 🔥 💧 ❄️",
    ),
    ("🍎", "🍎 🍊 🍋 🍌 🍉 🍇 🍓 🍒 🍑 🥝 🍅 🥑 🥕 🌽 🍞 🧀 🥚 🍔 🍟 🍕 🌮 🍣 🍜 🍰 🎂 🍫 🍪 ☕ 🍵 🍺 🍷"),
    ("⚽", "⚽ 🏀 🏈 🎾 🏐 🎱 🏓 🏆 🥇 🎯 🎮 🎲 🧩 🎨 🎬 🎤 🎧 🎹 🎸 🎻 🥁 🎺 🎭 🎪"),
    ("🚗", "🚗 🚌 🚲 🛵 🚂 ✈️ 🚀 ⛵ 🚢 🗺️ 🏔️ 🏖️ 🏝️ 🏕️ 🏠 🏡 🏢 🏥 🏫 🏰 🗼 🌉 🎡"),
    (
        "💡",
        "💡 📁 📂 🗂️ 📄 📃 📑 📊 📈 📅 📌 📎 ✂️ 🖊️ 📝 📚 📖 🔖 💼 💻 📱 📷 🎥 📺 🔑 🔒 🔧 ⚙️ 🧪 💊 💰 💳 🎁 🛒 📦 ✉️",
    ),
    ("❤️", "❤️ 🧡 💛 💚 💙 💜 🖤 💔 💯 ✅ ❌ ❗ ❓ ⚠️ ⛔ ♻️ 🔔 🔴 🟠 🟡 🟢 🔵 🟣 ⚫ ⚪ 🏁 🚩 🏳️"),
];

fn emojis() -> Value {
    EMOJIS.iter().map(|(name, all)| (*name, all.split(' ').collect::<Vec<_>>())).collect()
}

/// The user as they see themselves; a guest where there is none.
async fn own(call: &Call, user: Option<User>) -> Result<answers::User> {
    let Some(user) = user else { return Ok(answers::User::guest()) };
    views::own(&call.app, &user).await
}

fn basic(site: &Site, user: answers::User) -> Value {
    // Themes and icons are JSON within a string.
    let palette = json!({ "palette": { "primary": { "main": THEME } } });
    json!({
        "title": site.title,
        "themes": json!({ THEME: { "light": palette, "dark": palette } }).to_string(),
        "default_theme": THEME,
        "user": user,
        "captcha_type": "normal",
        "app_promotion": false,
    })
}

pub async fn get_me(call: Call, user: User) -> Outcome {
    data(&own(&call, Some(user)).await?)
}

pub async fn get_capacity(call: Call, user: User) -> Outcome {
    let usage = call.app.db.read(move |tx| files::usage(tx, &user)).await?;
    let free = usage.total_bytes.saturating_sub(usage.used_bytes);
    data(&Capacity { used: usage.used_bytes, free, total: usage.total_bytes, storage_pack_total: 0 })
}

pub async fn get_user_info(call: Call, _: Option<User>) -> Outcome {
    let id = call.path("id").to_owned();
    let found = call.app.db.read(move |tx| accounts::by_id(tx, &id)).await?.filter(User::is_active);
    let found = found.ok_or(Error::NotFound(Thing::User))?;
    data(&answers::User { avatar: Some(answers::picture_of(&found)), ..answers::User::named(&found) })
}
