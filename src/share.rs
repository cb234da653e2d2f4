//! A share: what is shared, by whom, on which terms. One object, whichever door made it.

pub mod grant;
pub mod visit;

use crate::account::{GroupKey, UserKey};
use crate::library::{AlbumKey, ArtistKey, ItemKey, PlaylistKey};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShareKey(pub i64);

/// Where a share was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Page,
    CommandLine,
    Subsonic,
    Cloudreve,
    MyCloud,
}

/// One entry of a share, live: what it holds is looked up at each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shared {
    Item(ItemKey),
    Album(AlbumKey),
    Artist(ArtistKey),
    Playlist(PlaylistKey),
}

/// What visitors may do with what is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Read,
    /// Music plays; nothing is offered for download.
    Listen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    Anyone,
    /// Only users who have a row in the share's permissions.
    Listed,
}

/// To whom a permission is given.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    User(UserKey),
    Group(GroupKey),
    /// Signed-in users in a group of the owner's.
    SameGroup,
    /// Other signed-in users.
    Other,
    /// Guests.
    Anonymous,
    /// Whoever no other row speaks of.
    Everyone,
    /// Whoever holds the share of this `auth_id`.
    Auth(String),
}

/// A set of rights. The numbers are Cloudreve's file-permission bits, so that its boolsets round-trip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Bits(pub i64);

impl Bits {
    pub const NONE: Bits = Bits(0);
    pub const READ: Bits = Bits(1);
    pub const UPDATE: Bits = Bits(2);
    pub const CREATE: Bits = Bits(4);
    pub const DELETE: Bits = Bits(8);
    /// May make shares of what it covers.
    pub const SHARE: Bits = Bits(16);
    pub const WRITE: Bits = Bits(2 | 4 | 8);
    pub const ALL: Bits = Bits(31);

    pub const fn has(self, other: Bits) -> bool {
        self.0 & other.0 == other.0
    }

    pub const fn and(self, other: Bits) -> Bits {
        Bits(self.0 | other.0)
    }
}

/// On which terms a share is given. `None` means "no such limit".
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    pub has_password: bool,
    pub not_before_ms: Option<i64>,
    pub expires_ms: Option<i64>,
    pub view_limit: Option<i64>,
    pub download_limit: Option<i64>,
    pub downloads_allowed: bool,
    pub mode: Mode,
    pub audience: Audience,
    pub permissions: Vec<(Subject, Bits)>,
    pub show_readme: bool,
    pub share_view: bool,
    pub use_cache: bool,
    /// Free JSON of My Cloud Home, returned as it came.
    pub metadata: Option<String>,
}

impl Default for Terms {
    fn default() -> Terms {
        Terms {
            has_password: false,
            not_before_ms: None,
            expires_ms: None,
            view_limit: None,
            download_limit: None,
            downloads_allowed: true,
            mode: Mode::Read,
            audience: Audience::Anyone,
            permissions: Vec::new(),
            show_readme: false,
            share_view: false,
            use_cache: false,
            metadata: None,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Share {
    pub key: ShareKey,
    /// The bearer's secret: 22 base62 characters. Redacted wherever it is not for the owner.
    pub id: String,
    pub slug: Option<String>,
    pub auth_id: String,
    pub owner: UserKey,
    pub door: Door,
    /// Grants no bytes until `auth_id` is given rights on an item (My Cloud Home's contract).
    pub two_step: bool,
    pub title: String,
    pub description: String,
    pub items: Vec<Shared>,
    pub terms: Terms,
    pub views: i64,
    pub downloads: i64,
    pub created_ms: i64,
    pub modified_ms: i64,
    pub visited_ms: Option<i64>,
    /// Raised at revoke and at a password change; ends sessions, signed URLs and tokens.
    pub epoch: i64,
    pub revoked: bool,
}

/// Why a share does not open, told to its owner only; outsiders see one and the same "not found".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Active,
    NotYet,
    Expired,
    /// The view or download limit is reached.
    UsedUp,
    Revoked,
}

impl Share {
    pub fn state(&self, now_ms: i64) -> State {
        if self.revoked {
            State::Revoked
        } else if self.terms.expires_ms.is_some_and(|t| t <= now_ms) {
            State::Expired
        } else if self.terms.not_before_ms.is_some_and(|t| t > now_ms) {
            State::NotYet
        } else if self.terms.download_limit.is_some_and(|n| self.downloads >= n)
            || self.terms.view_limit.is_some_and(|n| self.views >= n)
        {
            State::UsedUp
        } else {
            State::Active
        }
    }

    pub fn downloads_left(&self) -> Option<i64> {
        self.terms.download_limit.map(|n| (n - self.downloads).max(0))
    }
}
