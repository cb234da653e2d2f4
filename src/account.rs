//! People: who they are, what roles they have, what they may do.

pub mod oauth;
pub mod openid;
pub mod password;
pub mod permit;
pub mod points;
pub mod second_factor;
pub mod signing;
pub mod site;
pub mod slip;
pub mod token;

use crate::error::{Error, Result};
use crate::library::LibraryKey;

/// Key of a user inside this server; only administrators see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserKey(pub i64);

/// Key of a group of users inside this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupKey(pub i64);

/// One thing that a user may be allowed. OpenSubsonic has the list but for the last; every door obeys it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Manages accounts and libraries; does not read others' homes by that.
    Admin,
    /// Changes what is their own: password, picture.
    Settings,
    /// Plays music and films.
    Stream,
    /// Plays on the server's own loudspeakers.
    Jukebox,
    /// Takes original files away.
    Download,
    /// Puts files where they may write.
    Upload,
    /// Makes, changes and deletes playlists.
    Playlist,
    CoverArt,
    /// Rates and comments.
    Comment,
    /// Adds and removes podcasts.
    Podcast,
    /// Shares with anyone. Without it the shares that are there do not open.
    Share,
    VideoConversion,
    /// Has the server fetch files from addresses.
    Fetch,
}

impl Role {
    pub const EACH: [Role; 13] = [
        Role::Admin,
        Role::Settings,
        Role::Stream,
        Role::Jukebox,
        Role::Download,
        Role::Upload,
        Role::Playlist,
        Role::CoverArt,
        Role::Comment,
        Role::Podcast,
        Role::Share,
        Role::VideoConversion,
        Role::Fetch,
    ];

    /// What the command line calls it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::Settings => "settings",
            Role::Stream => "stream",
            Role::Jukebox => "jukebox",
            Role::Download => "download",
            Role::Upload => "upload",
            Role::Playlist => "playlist",
            Role::CoverArt => "cover-art",
            Role::Comment => "comment",
            Role::Podcast => "podcast",
            Role::Share => "share",
            Role::VideoConversion => "video-conversion",
            Role::Fetch => "fetch",
        }
    }

    pub fn named(name: &str) -> Option<Role> {
        Role::EACH.into_iter().find(|role| role.name() == name)
    }

    /// What somebody without it is told.
    fn refusal(self) -> &'static str {
        match self {
            Role::Admin => "only administrators may",
            Role::Settings => "an administrator keeps your settings",
            Role::Stream => "you may not play files",
            Role::Jukebox => "you may not play on the server",
            Role::Download => "you may not download files",
            Role::Upload => "you may not upload files",
            Role::Playlist => "you may not change playlists",
            Role::CoverArt => "you may not change covers",
            Role::Comment => "you may not rate or comment",
            Role::Podcast => "you may not manage podcasts",
            Role::Share => "you may not share files",
            Role::VideoConversion => "you may not convert films",
            Role::Fetch => "you may not have files fetched",
        }
    }
}

/// A set of roles. Its bits are stored: a role keeps its place in [`Role`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles(pub i64);

impl Roles {
    pub const NONE: Roles = Roles(0);
    pub const ALL: Roles = Roles((1 << Role::EACH.len()) - 1);
    /// What a new user may, unless somebody says otherwise: all but what concerns others as well.
    pub const USER: Roles =
        Roles::ALL.without(Role::Admin).without(Role::Jukebox).without(Role::Podcast).without(Role::Fetch);

    /// What a group decides for whoever is put into it; the other roles are each user's own.
    pub const OF_GROUPS: Roles = Roles::NONE.with(Role::Download).with(Role::Share);

    /// These, but of what a group decides, what the group gives.
    #[must_use]
    pub const fn in_group(self, group: Roles) -> Roles {
        Roles((self.0 & !Roles::OF_GROUPS.0) | (group.0 & Roles::OF_GROUPS.0))
    }

    pub const fn has(self, role: Role) -> bool {
        self.0 & (1 << role as i64) != 0
    }

    #[must_use]
    pub const fn with(self, role: Role) -> Roles {
        Roles(self.0 | (1 << role as i64))
    }

    #[must_use]
    pub const fn without(self, role: Role) -> Roles {
        Roles(self.0 & !(1 << role as i64))
    }
}

/// What an administrator allows a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    pub roles: Roles,
    /// Music that is streamed has at most this bit rate.
    pub most_kbps: Option<u32>,
    /// The folder libraries that the user may see at all; none given: all in which they have rights.
    pub folders: Option<Vec<LibraryKey>>,
}

impl Allowed {
    pub fn of(roles: Roles) -> Allowed {
        Allowed { roles, most_kbps: None, folders: None }
    }
}

/// Users who are given rights together. Whoever is put into a group gets what it gives; what they may do stands in their own
/// roles and quota all the same, so that nothing has to be added up when somebody asks for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub key: GroupKey,
    /// Opaque id that apps see.
    pub id: String,
    pub name: String,
    /// Of [`Roles::OF_GROUPS`].
    pub roles: Roles,
    /// Of each member; none given: quotas stay as they are.
    pub quota_bytes: Option<u64>,
    pub created_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserState {
    Active,
    /// Registered by themselves, and not activated yet, by the address in their mail or by an administrator.
    Inactive,
    Banned,
}

/// How a user likes their apps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preferences {
    /// As RFC 5646 writes it: `en-US`.
    pub language: String,
    /// A colour as `#rrggbb`; empty: the site's.
    pub theme: String,
    /// The view of each folder is kept here, so that all devices show it alike.
    pub syncs_views: bool,
    /// What is written over is kept as a version.
    pub keeps_versions: bool,
    /// Of names of files that versions are kept of; none given: of all.
    pub version_endings: Vec<String>,
    /// Of one file; `None`: any number.
    pub most_versions: Option<i64>,
}

impl Default for Preferences {
    fn default() -> Preferences {
        Preferences {
            language: "en-US".to_owned(),
            theme: String::new(),
            syncs_views: true,
            keeps_versions: false,
            version_endings: Vec::new(),
            most_versions: None,
        }
    }
}

/// Which of a user's shares others see in a list of them. A list is hidden unless its user opens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    Hidden,
    Public,
    All,
}

/// A user as every face sees one. Holds no secret.
#[derive(Debug, Clone)]
pub struct User {
    pub key: UserKey,
    /// Opaque id that apps see: `u` and 16 base62 characters.
    pub id: String,
    pub name: String,
    pub mail: String,
    pub display_name: String,
    pub allowed: Allowed,
    pub state: UserState,
    pub profile: Profile,
    pub groups: Vec<GroupKey>,
    pub quota_bytes: Option<u64>,
    /// What they can pay with.
    pub points: i64,
    /// Raised at a password change; sessions of an older epoch are dead.
    pub epoch: i64,
    pub created_ms: i64,
    /// Tokens of locks that this request of theirs shows: what those lock is not locked for it. Only WebDAV has a word for
    /// them; by every other door a user comes without.
    pub lock_tokens: Vec<String>,
    /// All that this request may reach, where that is one library: a device of My Cloud Home.
    pub within: Option<LibraryKey>,
    /// When their picture was last another, if they have one.
    pub picture_ms: Option<i64>,
}

impl User {
    /// `Forbidden` for whoever lacks the role: `user.may(Role::Podcast)?`.
    pub fn may(&self, role: Role) -> Result<()> {
        if self.has(role) { Ok(()) } else { Err(Error::Forbidden(role.refusal())) }
    }

    pub fn has(&self, role: Role) -> bool {
        self.allowed.roles.has(role)
    }

    pub fn is_admin(&self) -> bool {
        self.has(Role::Admin)
    }

    /// The bit rate that music is streamed to them at most, where they ask for `wish`.
    pub fn kbps_at_most(&self, wish: Option<u32>) -> Option<u32> {
        wish.into_iter().chain(self.allowed.most_kbps).min()
    }

    pub fn is_active(&self) -> bool {
        self.state == UserState::Active
    }
}

/// The form in which names and mail addresses are compared: NFKC, lower case, trimmed.
pub fn name_key(name: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    name.trim().nfkc().flat_map(char::to_lowercase).nfkc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_bits_mean_the_roles_that_they_meant_before() {
        assert_eq!((Roles::ALL.0, Roles::USER.0), (8191, 3574));
        assert_eq!(Roles::OF_GROUPS.0, 1040);
        for (place, role) in Role::EACH.into_iter().enumerate() {
            assert_eq!(Roles::NONE.with(role).0, 1 << place);
            assert_eq!(Roles::ALL.without(role).0, 8191 - (1 << place));
        }
    }
}
