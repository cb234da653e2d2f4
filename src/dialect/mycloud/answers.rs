//! What this dialect's services answer, each built from the domain. The spelling of names is part of the contract:
//! `fileIds` in the share service, `parentID` and `mTime` in the device's.

use serde::Serialize;
use serde_json::{Value, json};

use crate::account::User;
use crate::library::Item;
use crate::library::music::Track;
use crate::share::Share;

/// Ids of users as Auth0 wrote them.
pub fn user_id(user: &User) -> String {
    format!("auth0|{}", user.id)
}

/// The public id out of one of those; clients that strip the prefix are understood as well.
pub fn public_id(user_id: &str) -> &str {
    user_id.strip_prefix("auth0|").unwrap_or(user_id)
}

/// UTC with milliseconds, as the device writes all times.
pub fn iso(unix_ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(unix_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{time:.3}")
}

pub const FOLDER_TYPE: &str = "application/x.wd.dir";
/// Under which every user knows their own root.
pub const ROOT: &str = "root";

/// A file or folder of the device.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct File {
    pub id: String,
    #[serde(rename = "parentID")]
    pub parent_id: String,
    pub name: String,
    pub mime_type: String,
    pub mime_types: [String; 1],
    /// With its dot; a folder has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extension: Option<String>,
    pub size: u64,
    /// With its quotes, as a header has it.
    pub e_tag: String,
    pub m_time: String,
    pub c_time: String,
    /// Folders only, and always: with it clients take a file for a folder, and without it they delete full folders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub child_count: Option<u64>,
    pub storage_type: &'static str,
    pub hidden: &'static str,
    /// Of what is listed in the trash.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub trashed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<Audio>,
}

/// What the tags of a track say.
#[derive(Debug, Clone, Serialize)]
pub struct Audio {
    /// In seconds.
    pub duration: u64,
    pub title: String,
    pub album: String,
    pub artist: String,
}

impl Audio {
    pub fn of(track: Track) -> Audio {
        Audio {
            duration: track.duration_ms / 1000,
            title: track.title,
            album: track.album.map(|album| album.name).unwrap_or_default(),
            artist: track.artist_name,
        }
    }
}

impl File {
    /// `child_count` is of a folder's visible children; a file's is left out whatever it says.
    pub fn of(item: &Item, name: String, parent_id: String, child_count: u64) -> File {
        let mime_type = if item.is_folder() { FOLDER_TYPE } else { crate::http::send::mime_of(&item.shown) };
        let extension = Some(item.suffix()).filter(|suffix| !item.is_folder() && !suffix.is_empty());
        // What comes into a folder or goes changes what is told of it.
        let e_tag = if item.is_folder() { format!("\"{}-{child_count}\"", item.etag()) } else { etag(item) };
        File {
            id: item.id.clone(),
            parent_id,
            name,
            mime_type: mime_type.to_owned(),
            mime_types: [mime_type.to_owned()],
            extension: extension.map(|suffix| format!(".{suffix}")),
            size: if item.is_folder() { 0 } else { item.size_bytes },
            e_tag,
            m_time: iso(item.modified_ms),
            c_time: iso(item.added_ms),
            child_count: item.is_folder().then_some(child_count),
            storage_type: "local",
            hidden: "none",
            trashed: false,
            audio: None,
        }
    }

    /// A folder under a name that is no item's id: `root` or `trash`.
    pub fn alias(id: &str, modified_ms: i64, child_count: u64) -> File {
        File {
            id: id.to_owned(),
            parent_id: String::new(),
            name: id.to_owned(),
            mime_type: FOLDER_TYPE.to_owned(),
            mime_types: [FOLDER_TYPE.to_owned()],
            extension: None,
            size: 0,
            e_tag: format!("\"{id}-{child_count}\""),
            m_time: iso(modified_ms),
            c_time: iso(modified_ms),
            child_count: Some(child_count),
            storage_type: "local",
            hidden: "none",
            trashed: false,
            audio: None,
        }
    }
}

/// What the answer to a change says; a folder's own record adds how much is in it.
pub fn etag(item: &Item) -> String {
    format!("\"{}\"", item.etag())
}

/// Whether one of the tags that a client sends in `If-Match` is this item's as it is now. Its content's tag begins alike
/// and goes on.
pub fn is_one_of(item: &Item, sent: &str) -> bool {
    let own = item.etag();
    sent.split(',').map(str::trim).any(|tag| {
        let rest = tag.trim_matches('"').strip_prefix(own.as_str());
        tag == "*" || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    })
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listing {
    pub files: Vec<Value>,
    /// Empty at the end, never absent: a client looks for it unasked.
    pub page_token: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Matches {
    pub page_token: String,
    pub matches: Vec<Match>,
}

#[derive(Debug, Serialize)]
pub struct Match {
    pub file: Value,
    pub fragments: Vec<Fragment>,
}

#[derive(Debug, Serialize)]
pub struct Fragment {
    pub text: String,
    pub locations: Vec<Location>,
}

/// In characters.
#[derive(Debug, Serialize)]
pub struct Location {
    pub index: usize,
    pub length: usize,
}

/// A share, as its service answers it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShareAnswer {
    pub share_id: String,
    pub device_id: String,
    pub owner_id: String,
    pub auth_id: String,
    pub file_ids: Vec<String>,
    pub date_created: i64,
    pub last_modified: i64,
    pub metadata: Option<Value>,
    pub url: String,
    pub use_cache: bool,
    /// There is no cache of the contents anywhere.
    pub cache_url: &'static str,
    /// For the owner only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_ids: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_token: Option<String>,
    /// For the owner only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub openshelf: Option<Ours>,
}

/// What the maker's service had no word for. Times in milliseconds since 1970; null: no such limit.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ours {
    pub title: String,
    pub has_password: bool,
    pub expires: Option<i64>,
    pub view_limit: Option<i64>,
    pub download_limit: Option<i64>,
    pub views: i64,
    pub downloads: i64,
}

impl ShareAnswer {
    pub fn of(share: &Share, owner: &User, file_ids: Vec<String>, device_id: &str, base: &str) -> ShareAnswer {
        let metadata = share.terms.metadata.as_deref().and_then(|text| serde_json::from_str(text).ok());
        ShareAnswer {
            share_id: share.id.clone(),
            device_id: device_id.to_owned(),
            owner_id: user_id(owner),
            auth_id: share.auth_id.clone(),
            file_ids,
            date_created: share.created_ms,
            last_modified: share.modified_ms,
            metadata,
            url: format!("{base}/action/share/{}", share.id),
            use_cache: share.terms.use_cache,
            cache_url: "",
            user_ids: None,
            device: None,
            share_token: None,
            openshelf: None,
        }
    }

    /// With what is nobody's business but its owner's. `user_ids`: none of a share that is open to anyone.
    pub fn for_owner(self, share: &Share, user_ids: Option<Vec<String>>) -> ShareAnswer {
        let openshelf = Some(Ours {
            title: share.title.clone(),
            has_password: share.terms.has_password,
            expires: share.terms.expires_ms,
            view_limit: share.terms.view_limit,
            download_limit: share.terms.download_limit,
            views: share.views,
            downloads: share.downloads,
        });
        ShareAnswer { user_ids, openshelf, ..self }
    }
}

/// What `POST /oauth/token` answers.
#[derive(Debug, Serialize)]
pub struct Tokens {
    pub access_token: String,
    pub id_token: String,
    pub refresh_token: String,
    pub scope: &'static str,
    pub token_type: &'static str,
    pub expires_in: i64,
}

/// A user's own record.
pub fn account(user: &User) -> Value {
    let shown = if user.display_name.is_empty() { &user.name } else { &user.display_name };
    json!({
        "user_id": user_id(user),
        "email": user.mail,
        "email_verified": true,
        "name": shown,
        "nickname": user.name,
        // Clients store each of the four as text.
        "user_metadata": {"first_name": shown, "last_name": "", "lang": "en_US", "time_zone_name": "UTC"},
    })
}

/// The device as anyone may know it who holds a share: where to reach it.
pub fn public_device(device_id: &str, base: &str) -> Value {
    let device_base = format!("{base}/{device_id}");
    json!({
        "deviceId": device_id,
        "name": DEVICE_NAME,
        "network": {"proxyURL": device_base, "externalURI": device_base, "internalURL": device_base},
    })
}

pub const DEVICE_NAME: &str = "Openshelf";

/// The device as its users see it. No null anywhere and integers where clients parse integers.
pub fn device(device_id: &str, name: &str, base: &str, created_ms: i64, used_percent: u64) -> Value {
    let device_base = format!("{base}/{device_id}");
    let secure = base.starts_with("https://");
    let host = base.split_once("://").map_or(base, |(_, rest)| rest).split('/').next().unwrap_or_default();
    let uri: Option<axum::http::uri::Authority> = host.parse().ok();
    let port = uri.as_ref().and_then(|uri| uri.port_u16()).unwrap_or(if secure { 443 } else { 80 });
    let address = uri.as_ref().map(|uri| uri.host().trim_matches(['[', ']']));
    let address = address.and_then(|host| host.parse().ok()).unwrap_or(std::net::IpAddr::from([127, 0, 0, 1]));
    json!({
        "deviceId": device_id,
        "modelId": "0",
        "type": "monarch",
        "name": name,
        "mac": "00:00:00:00:00:00",
        "serialNumber": device_id.replace('-', "").to_uppercase(),
        "apiVersion": "1.0",
        "lang": "en_US",
        "attachedStatus": "APPROVED",
        "cloudConnected": true,
        "ownerAccess": true,
        "sendOTANotification": false,
        "createdOn": iso(created_ms),
        "lastHDStoragePercent": used_percent,
        "configuration": {"wisb": "", "wiri": ""},
        "firmware": {"wiri": env!("CARGO_PKG_VERSION")},
        "network": {
            "localIpAddress": address.to_string(),
            "externalIpAddress": address.to_string(),
            "internalDNSName": host,
            "connectionType": 3,
            "tunnelId": "",
            "httpPort": port,
            "localHttpPort": port,
            "localHttpsPort": port,
            "portForwardPort": -1,
            "internalURL": device_base,
            "internalURI": device_base,
            "externalURI": device_base,
            "proxyURL": device_base,
            "portForwardURL": device_base,
            "portForwardDomain": "",
            "portForwardInfoUpdateStatus": "",
        },
    })
}

/// The address book that every client begins with. Every component is an object; among the addresses there is neither a
/// null nor a `%`, which the ini file of a client cannot hold, and none of the keys is ever absent.
pub fn config(base: &str) -> Value {
    let under = |path: &str| format!("{base}{path}");
    json!({"data": {"configurationId": "global_default", "componentMap": {
        "cloud.service.urls": {
            "service.config.url": base,
            "service.auth0.url": under("/authrouter"),
            "service.auth.url": base,
            "service.device.url": base,
            "service.devicenetwork.url": under("/device"),
            "service.share.url": under("/shares"),
            "service.sharedfiles.url": under("/sharedfiles"),
            "service.invitations.url": base,
            "service.m2m.url": under("/m2m"),
            "service.das.url": base,
            "service.product.url": base,
            "service.events.url": base,
            "service.iot.url": base,
            "service.client.url": base,
            "service.portal.url": base,
            "service.appcatalog.url": base,
            "service.notification.url": base,
            "service.plugins.url": base,
            "service.proxy.url": base,
            "service.account.login.url": base,
            "webclient.mycloud.url": base,
            "webclient.mycloud.url.mch": base,
            "analytics.device.url": "",
        },
        "com.wd.device": {"p2p_enabled": "false", "restore_config": "false"},
        "com.wd.notification": {},
        "com.wd.analytics": {},
        "com.wd.portal": {},
        "com.wd.connection": {
            "enable_notification": "false",
            "allow_redirect": "false",
            "min_cache_size_mb": "25",
            "caching_threshold": "25MB",
            "max_cache_size_mb": "25000",
        },
        "com.wdc.appmanager": {},
        "com.sandisk.ixpandcharger": {},
    }}})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::{ItemKey, ItemKind, LibraryKey, Media};

    fn item(kind: ItemKind) -> Item {
        Item {
            key: ItemKey(1),
            id: "f0123456789abcdef".into(),
            library: LibraryKey(1),
            parent: None,
            kind,
            media: Media::None,
            name: b"a.txt".to_vec(),
            shown: "a.txt".into(),
            size_bytes: 3,
            modified_ms: 1_700_000_000_123,
            revision: 2,
            added_ms: 0,
        }
    }

    #[test]
    fn file_has_no_child_count_and_an_empty_folder_has_one() {
        let file = serde_json::to_value(File::of(&item(ItemKind::File), "a.txt".into(), "root".into(), 0)).unwrap();
        assert_eq!(file.get("childCount"), None);
        assert_eq!(file["eTag"], "\"f0123456789abcdef-2\"");
        assert_eq!(file["mTime"], "2023-11-14T22:13:20.123Z");
        assert_eq!(file["cTime"], "1970-01-01T00:00:00.000Z");
        assert_eq!(
            (&file["parentID"], &file["size"], &file["mimeType"]),
            (&json!("root"), &json!(3), &json!("text/plain"))
        );
        let folder = serde_json::to_value(File::of(&item(ItemKind::Folder), "a".into(), "root".into(), 0)).unwrap();
        assert_eq!((&folder["childCount"], &folder["mimeType"]), (&json!(0), &json!("application/x.wd.dir")));
        assert_eq!((&file["extension"], folder.get("extension")), (&json!(".txt"), None));
    }

    #[test]
    fn tags_are_of_this_revision_or_of_its_content() {
        let item = item(ItemKind::File);
        for tag in ["*", "\"f0123456789abcdef-2\"", "f0123456789abcdef-2", "\"x\", \"f0123456789abcdef-2-18bc-3\""] {
            assert!(is_one_of(&item, tag), "{tag}");
        }
        for tag in ["", "\"f0123456789abcdef-1\"", "\"f0123456789abcdef-22\"", "W/\"f0123456789abcdef-2\"", "\"*\""] {
            assert!(!is_one_of(&item, tag), "{tag}");
        }
    }

    fn has_null(value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::Array(all) => all.iter().any(has_null),
            Value::Object(all) => all.values().any(has_null),
            _ => false,
        }
    }

    #[test]
    fn config_and_device_hold_neither_null_nor_percent_and_every_component_is_an_object() {
        let config = config("https://cloud.example.test/shelf");
        assert!(!has_null(&config) && !config.to_string().contains('%'));
        assert!(config["data"]["componentMap"].as_object().unwrap().values().all(Value::is_object));
        assert_eq!(
            config["data"]["componentMap"]["cloud.service.urls"]["service.share.url"],
            "https://cloud.example.test/shelf/shares"
        );
        let device = device("0c7e6a3e-9a5b-4b55-8a9f-6a2d9f0f1e01", DEVICE_NAME, "http://192.0.2.10:4747", 0, 12);
        assert!(!has_null(&device));
        assert_eq!(device["network"]["localIpAddress"], "192.0.2.10");
        assert_eq!(device["network"]["httpPort"], 4747);
        assert_eq!(device["network"]["internalDNSName"], "192.0.2.10:4747");
    }
}
