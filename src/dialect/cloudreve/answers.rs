//! The protocol's objects, as they stand in answers.

use std::collections::BTreeMap;

use serde::Serialize;

use super::boolset;
use super::list::PAGE_MOST;
use super::views::View;
use crate::account;
use crate::account::{Preferences, Profile, Role, Roles};
use crate::error::{Error, Result};
use crate::library::policy::{Listed, Policy};
use crate::library::{Item, ItemKind};
use crate::share::{Bits, Share as DomainShare, State};
use crate::store::passkeys;
use crate::work::node;
use crate::work::tasks::Kind;

/// The one theme that clients are told of.
pub const THEME: &str = "#1976d2";
/// Those that a user may prefer.
pub const THEMES: [&str; 1] = [THEME];

/// RFC 3339; a time that no calendar has becomes the last one that it has.
pub fn time(ms: i64) -> String {
    let second = ms.div_euclid(1000).clamp(jiff::Timestamp::MIN.as_second(), jiff::Timestamp::MAX.as_second());
    jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

fn is_false(value: &bool) -> bool {
    !value
}

#[derive(Serialize, Clone)]
pub struct Group {
    pub id: &'static str,
    pub name: &'static str,
    pub permission: String,
    pub direct_link_batch_size: usize,
    /// Seconds; 0: the trash is emptied by hand.
    pub trash_retention: i64,
}

pub use super::content::DIRECT_LINKS_AT_ONCE;

/// Bits of a group's permission, each with the role that gives it, or with none where everybody has it: administer, make
/// shares, WebDAV, have archives made, have archives made and unpacked in the background, open shares, have files fetched.
/// Not among them: 12, by which clients offer to unlink a file, which is refused.
const MAY: [(u32, Option<Role>); 7] = [
    (0, Some(Role::Admin)),
    (2, Some(Role::Share)),
    (3, None),
    (4, Some(Role::Download)),
    (5, Some(Role::Upload)),
    (7, None),
    (9, Some(Role::Fetch)),
];

/// What somebody with these roles may do.
pub fn group_permission(roles: Roles) -> u64 {
    let may = |role: Option<Role>| role.is_none_or(|role| roles.has(role));
    MAY.iter().filter(|(_, role)| may(*role)).fold(0, |set, (bit, _)| set | boolset::of(&[*bit]))
}

/// The roles that a permission gives. Who administers is no matter of a group of our own.
pub fn roles_in(permission: u64) -> Result<Roles> {
    if permission & boolset::of(&[0]) != 0 {
        return Err(Error::invalid("permissions", "administrators are in the group Admin"));
    }
    let given = MAY.iter().filter(|(bit, _)| permission & boolset::of(&[*bit]) != 0);
    Ok(given.filter_map(|(_, role)| *role).fold(Roles::NONE, Roles::with))
}

/// Is the group of guests; may have archives made, and open shares.
pub const GUEST_MAY: u64 = boolset::of(&[1, 4, 7]);

impl Group {
    /// As its member sees it: with what they may do by their own roles.
    fn own(user: &account::User) -> Group {
        let (id, name) = if user.is_admin() { ("admins", "Admin") } else { ("users", "User") };
        Group { id, name, permission: boolset::write(group_permission(user.allowed.roles)), ..Group::users() }
    }

    /// Everybody's with an account, as others see it: who is an admin is nobody's business.
    fn users() -> Group {
        Group {
            id: "users",
            name: "User",
            permission: boolset::write(group_permission(Roles::USER)),
            direct_link_batch_size: DIRECT_LINKS_AT_ONCE,
            trash_retention: 0,
        }
    }

    fn guests() -> Group {
        Group {
            id: "guests",
            name: "Anonymous",
            permission: boolset::write(GUEST_MAY),
            direct_link_batch_size: 0,
            trash_retention: 0,
        }
    }
}

#[derive(Serialize, Clone)]
pub struct User {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    pub nickname: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'static str>,
    /// `null`: no picture. Left out where no more than the name is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar: Option<Option<&'static str>>,
    pub created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_theme: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anonymous: Option<bool>,
    pub group: Group,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credit: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_links_in_profile: Option<&'static str>,
    /// What is pinned to the side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pined: Option<Vec<Pinned>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_view_sync: Option<bool>,
}

#[derive(Serialize, Clone)]
pub struct Pinned {
    pub uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

pub fn profile_text(profile: Profile) -> &'static str {
    match profile {
        Profile::Hidden => "hide_share",
        Profile::Public => "",
        Profile::All => "all_share",
    }
}

/// Where clients find a user's picture; there is but one place.
pub fn picture_of(user: &account::User) -> Option<&'static str> {
    user.picture_ms.map(|_| "file")
}

impl User {
    /// As the user sees themselves.
    pub fn own(user: &account::User, preferences: &Preferences) -> User {
        User {
            email: Some(user.mail.clone()),
            status: Some(if user.is_active() { "active" } else { "inactive" }),
            // Clients break where it is none of the site's themes.
            preferred_theme: THEMES.into_iter().find(|theme| *theme == preferences.theme).or(Some(THEME)),
            anonymous: Some(false),
            credit: Some(user.points),
            group: Group::own(user),
            language: Some(preferences.language.clone()),
            disable_view_sync: Some(!preferences.syncs_views),
            ..User::redacted(user)
        }
    }

    /// As others see them.
    pub fn redacted(user: &account::User) -> User {
        User {
            avatar: picture_of(user).map(Some),
            created_at: time(user.created_ms),
            share_links_in_profile: Some(profile_text(user.profile)),
            ..User::named(user)
        }
    }

    /// No more than the display name.
    pub fn named(user: &account::User) -> User {
        User {
            id: user.id.clone(),
            email: None,
            nickname: user.display_name.clone(),
            status: None,
            avatar: None,
            created_at: time(0),
            preferred_theme: None,
            anonymous: None,
            group: Group::users(),
            credit: None,
            language: None,
            disable_view_sync: None,
            share_links_in_profile: None,
            pined: None,
        }
    }

    pub fn guest() -> User {
        User {
            id: String::new(),
            email: Some(String::new()),
            nickname: String::new(),
            status: None,
            avatar: Some(None),
            created_at: time(0),
            preferred_theme: Some(THEME),
            anonymous: Some(true),
            group: Group::guests(),
            credit: Some(0),
            language: Some(Preferences::default().language),
            disable_view_sync: None,
            share_links_in_profile: None,
            pined: None,
        }
    }
}

#[derive(Serialize)]
pub struct Token {
    pub access_token: String,
    pub refresh_token: String,
    pub access_expires: String,
    pub refresh_expires: String,
}

#[derive(Serialize)]
pub struct Passkey {
    pub id: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_at: Option<String>,
    pub created_at: String,
}

impl Passkey {
    pub fn of(passkey: &passkeys::Passkey) -> Passkey {
        Passkey {
            id: passkey.id.clone(),
            name: passkey.name.clone(),
            used_at: passkey.used_ms.map(time),
            created_at: time(passkey.created_ms),
        }
    }
}

#[derive(Serialize)]
pub struct SignedIn {
    pub user: User,
    pub token: Token,
}

// Shares --------------------------------------------------------------------------------------------------------------

/// Rights by who has them, as boolsets; only a share's owner sees them.
#[derive(Serialize, Default, Clone)]
pub struct PermissionSetting {
    pub same_group: Option<String>,
    pub everyone: Option<String>,
    pub other: Option<String>,
    pub anonymous: Option<String>,
    pub group_explicit: BTreeMap<String, String>,
    pub user_explicit: BTreeMap<String, String>,
}

pub fn rights_text(bits: Bits) -> String {
    boolset::write(u64::try_from(bits.0).unwrap_or(0))
}

#[derive(Serialize, Clone)]
pub struct Share {
    pub id: String,
    pub name: String,
    pub visited: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downloaded: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remain_downloads: Option<i64>,
    pub price: i64,
    pub unlocked: bool,
    /// 0 file, 1 folder.
    pub source_type: u8,
    pub owner: User,
    pub created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    pub expired: bool,
    pub url: String,
    pub size: u64,
    #[serde(skip_serializing_if = "is_false")]
    pub password_protected: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub show_readme: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub is_private: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub share_view: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission_setting: Option<PermissionSetting>,
}

/// What is shared, as far as an answer tells of it.
#[derive(Debug, Clone)]
pub struct Source {
    pub name: String,
    /// `None` for a folder.
    pub file_bytes: Option<u64>,
    pub is_gone: bool,
}

impl Source {
    fn kind(&self) -> ItemKind {
        if self.file_bytes.is_some() { ItemKind::File } else { ItemKind::Folder }
    }
}

impl Share {
    /// Without the password: that there is a share, whose, and whether it is of a file. What clients insist on besides has
    /// a neutral value.
    pub fn locked(share: &DomainShare, owner: &account::User, kind: ItemKind, base: &str) -> Share {
        Share {
            id: share.id.clone(),
            name: String::new(),
            visited: 0,
            downloaded: None,
            remain_downloads: None,
            price: 0,
            unlocked: false,
            source_type: (kind == ItemKind::Folder).into(),
            owner: User::named(owner),
            created_at: time(0),
            expires: None,
            expired: false,
            url: format!("{base}/s/{}", share.id),
            size: 0,
            password_protected: share.terms.has_password,
            show_readme: false,
            is_private: false,
            share_view: false,
            password: None,
            source_uri: None,
            permission_setting: None,
        }
    }

    /// In the list that a user shows others: open shares have their name, nothing is unlocked by being listed. Of one that opens
    /// no more that is all, so that its content is as dead as its link; of what is gone not even the kind is told.
    pub fn listed(share: &DomainShare, owner: &account::User, source: &Source, base: &str, now_ms: i64) -> Share {
        let kind = if source.is_gone { ItemKind::Folder } else { source.kind() };
        let expired = source.is_gone || share.state(now_ms) != State::Active;
        let locked = Share { expired, ..Share::locked(share, owner, kind, base) };
        if share.terms.has_password || expired {
            return locked;
        }
        Share {
            name: source.name.clone(),
            visited: share.views,
            price: share.terms.price,
            owner: User::redacted(owner),
            created_at: time(share.created_ms),
            ..locked
        }
    }

    pub fn unlocked(share: &DomainShare, owner: &account::User, source: &Source, base: &str, now_ms: i64) -> Share {
        Share {
            name: source.name.clone(),
            visited: share.views,
            downloaded: Some(share.downloads).filter(|n| *n != 0),
            remain_downloads: share.downloads_left(),
            price: share.terms.price,
            unlocked: true,
            owner: User::redacted(owner),
            created_at: time(share.created_ms),
            expires: share.terms.expires_ms.map(time),
            expired: source.is_gone || share.state(now_ms) != State::Active,
            size: source.file_bytes.unwrap_or(0),
            show_readme: share.terms.show_readme,
            ..Share::locked(share, owner, source.kind(), base)
        }
    }

    /// What only its owner is told, added to what everybody is.
    pub fn for_owner(self, share: &DomainShare, owner: &account::User, told: ForOwner) -> Share {
        let url = told.password.as_ref().map_or_else(|| self.url.clone(), |word| format!("{}/{word}", self.url));
        Share {
            owner: User { email: Some(owner.mail.clone()), ..User::redacted(owner) },
            url,
            is_private: share.terms.has_password,
            share_view: share.terms.share_view,
            password: told.password,
            source_uri: told.source_uri,
            permission_setting: Some(told.permissions),
            ..self
        }
    }
}

pub struct ForOwner {
    pub password: Option<String>,
    pub source_uri: Option<String>,
    pub permissions: PermissionSetting,
}

#[derive(Serialize)]
pub struct Pagination {
    pub page: usize,
    pub page_size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
    pub is_cursor: bool,
}

#[derive(Serialize)]
pub struct Shares {
    pub shares: Vec<Share>,
    pub pagination: Pagination,
}

// Files ---------------------------------------------------------------------------------------------------------------

#[derive(Serialize, Clone)]
pub struct File {
    /// 0 file, 1 folder.
    pub r#type: u8,
    pub id: String,
    pub name: String,
    pub created_at: String,
    pub updated_at: String,
    pub size: u64,
    pub metadata: Option<BTreeMap<String, String>>,
    pub path: String,
    pub capability: String,
    /// What a share gives this visitor; absent: all, as of one's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission: Option<String>,
    pub owned: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_entity: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    pub shared: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder_summary: Option<FolderSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extended_info: Option<ExtendedInfo>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owned {
    Mine,
    Others,
}

impl File {
    pub fn of(item: &Item, name: &str, path: String, capability: u64, owned: Owned) -> File {
        File {
            r#type: item.is_folder().into(),
            id: item.id.clone(),
            name: name.to_owned(),
            created_at: time(item.added_ms),
            updated_at: time(item.modified_ms),
            size: if item.is_folder() { 0 } else { item.size_bytes },
            path,
            primary_entity: (!item.is_folder()).then(|| item.etag()),
            ..File::root(String::new(), capability, owned)
        }
    }

    /// A folder that is no item: the root of a space.
    pub fn root(path: String, capability: u64, owned: Owned) -> File {
        File {
            r#type: 1,
            id: String::new(),
            name: String::new(),
            created_at: time(0),
            updated_at: time(0),
            size: 0,
            metadata: None,
            path,
            capability: boolset::write(capability),
            permission: None,
            owned: owned == Owned::Mine,
            primary_entity: None,
            shared: false,
            folder_summary: None,
            extended_info: None,
        }
    }
}

#[derive(Serialize, Clone)]
pub struct FolderSummary {
    pub size: u64,
    pub files: u64,
    pub folders: u64,
    pub completed: bool,
    pub calculated_at: String,
}

#[derive(Serialize, Clone)]
pub struct ExtendedInfo {
    pub storage_policy: Option<StoragePolicy>,
    pub storage_policy_inherited: bool,
    pub storage_used: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<PermissionSetting>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<Share>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entities: Vec<Entity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view: Option<View>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub direct_links: Vec<DirectLink>,
}

#[derive(Serialize, Clone)]
pub struct Entity {
    pub id: String,
    /// 0: a version of the content. There are no other kinds.
    pub r#type: u8,
    pub size: u64,
    pub created_at: String,
    pub storage_policy: StoragePolicy,
}

#[derive(Serialize, Clone)]
pub struct DirectLink {
    pub id: String,
    pub url: String,
    pub downloaded: i64,
    pub created_at: String,
}

/// What may be stored. Any type but `local` would make clients talk to some cloud.
#[derive(Serialize, Clone)]
pub struct StoragePolicy {
    pub id: String,
    pub name: String,
    pub r#type: &'static str,
    /// 0: of any size.
    pub max_size: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_suffix: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub denied_suffix: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_name_regexp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denied_name_regexp: Option<String>,
}

impl StoragePolicy {
    pub fn of(policy: Policy) -> StoragePolicy {
        let (allowed_suffix, denied_suffix) = match policy.endings_are {
            Listed::Taken => (policy.endings, Vec::new()),
            Listed::Refused => (Vec::new(), policy.endings),
        };
        let (allowed_name_regexp, denied_name_regexp) = match policy.pattern_is {
            Listed::Taken => (policy.pattern, None),
            Listed::Refused => (None, policy.pattern),
        };
        StoragePolicy {
            id: policy.id,
            name: policy.name,
            r#type: "local",
            max_size: policy.most_bytes.unwrap_or(0),
            allowed_suffix,
            denied_suffix,
            allowed_name_regexp,
            denied_name_regexp,
        }
    }
}

/// Where tasks run.
#[derive(Serialize)]
pub struct Node {
    pub id: &'static str,
    pub name: String,
    pub r#type: &'static str,
    pub capabilities: String,
}

impl Node {
    pub fn of(node: &node::Node) -> Node {
        Node { id: "master", name: node.name.clone(), r#type: "master", capabilities: capabilities(node) }
    }
}

/// What a node does, in the places of the protocol's bits.
pub const CAPABILITIES: [(u32, Kind); 4] = [(1, Kind::Pack), (2, Kind::Unpack), (3, Kind::Fetch), (4, Kind::Relocate)];

pub fn capabilities(node: &node::Node) -> String {
    let on = CAPABILITIES.into_iter().filter(|(_, kind)| node.does.contains(kind));
    boolset::write(on.fold(0, |bits, (bit, _)| bits | 1 << bit))
}

#[derive(Serialize)]
pub struct Props {
    pub capability: String,
    pub max_page_size: usize,
    pub order_by_options: [&'static str; 4],
    pub order_direction_options: [&'static str; 2],
}

impl Props {
    pub fn of(capability: u64) -> Props {
        Props {
            capability: boolset::write(capability),
            max_page_size: PAGE_MOST,
            order_by_options: ["name", "size", "updated_at", "created_at"],
            order_direction_options: ["asc", "desc"],
        }
    }
}

#[derive(Serialize)]
pub struct Files {
    pub files: Vec<File>,
    pub parent: File,
    pub pagination: Pagination,
    pub props: Props,
    pub context_hint: Option<String>,
    pub mixed_type: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub recursion_limit_reached: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub single_file_view: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_policy: Option<StoragePolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view: Option<View>,
}

#[derive(Serialize)]
pub struct Url {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

#[derive(Serialize)]
pub struct Urls {
    pub urls: Vec<Url>,
    pub expires: String,
}

#[derive(Serialize)]
pub struct Thumb {
    pub url: String,
    pub expires: String,
    /// Always false; one client cannot read an answer without it.
    pub obfuscated: bool,
}

#[derive(Serialize)]
pub struct SourceLink {
    pub link: String,
    pub file_url: String,
}

#[derive(Serialize)]
pub struct UploadSession {
    pub session_id: String,
    pub upload_id: String,
    pub chunk_size: u64,
    /// Unix seconds: the only time in this protocol that is.
    pub expires: i64,
    pub storage_policy: StoragePolicy,
    pub uri: String,
    pub callback_secret: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
}

#[derive(Serialize)]
pub struct Capacity {
    pub used: u64,
    pub free: u64,
    pub total: u64,
    /// Of what was bought besides: nothing is sold.
    pub storage_pack_total: u64,
}
