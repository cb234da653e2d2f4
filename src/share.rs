//! A share: what is shared, by whom, on which terms. One object, whichever door made it.

pub mod drop_box;
pub mod grant;
pub mod visit;

use crate::account::{GroupKey, Profile, UserKey, points};
use crate::error::{Error, Result};
use crate::library::{AlbumKey, ArtistKey, ItemKey, PlaylistKey};
use drop_box::{DropBox, DropWish};

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
    /// Takes files and shows nothing, at no door.
    Drop,
    /// Takes files, and may be read.
    ReadDrop,
}

impl Mode {
    /// Whether guests may send files.
    pub fn takes_files(self) -> bool {
        matches!(self, Mode::Drop | Mode::ReadDrop)
    }
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
    /// What a share may give its visitors; sharing it on is not theirs.
    pub const BY_SHARE: Bits = Bits(1 | 2 | 4 | 8);

    pub const fn has(self, other: Bits) -> bool {
        self.0 & other.0 == other.0
    }

    pub const fn and(self, other: Bits) -> Bits {
        Bits(self.0 | other.0)
    }

    pub const fn without(self, other: Bits) -> Bits {
        Bits(self.0 & !other.0)
    }

    /// What both hold.
    pub const fn within(self, other: Bits) -> Bits {
        Bits(self.0 & other.0)
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
    /// Bytes per second, for all its visitors together.
    pub rate_bytes_s: Option<i64>,
    pub mode: Mode,
    /// For the modes that take files.
    pub drop_box: DropBox,
    pub audience: Audience,
    pub permissions: Vec<(Subject, Bits)>,
    /// In points, for whoever wants more than to see what there is; 0: free.
    pub price: i64,
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
            rate_bytes_s: None,
            mode: Mode::Read,
            drop_box: DropBox::default(),
            audience: Audience::Anyone,
            permissions: Vec::new(),
            price: 0,
            show_readme: false,
            share_view: false,
            use_cache: false,
            metadata: None,
        }
    }
}

impl Terms {
    /// Whether its permissions let guests read.
    fn opens_to_guests(&self) -> bool {
        let row = |subject: Subject| self.permissions.iter().find(|(of, _)| *of == subject).map(|(_, bits)| *bits);
        row(Subject::Anonymous).or_else(|| row(Subject::Everyone)).is_none_or(|bits| bits.has(Bits::READ))
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
    /// A share as it is before any wish was applied.
    pub fn blank(id: String, owner: UserKey, now_ms: i64) -> Share {
        Share {
            key: ShareKey(0),
            id,
            slug: None,
            auth_id: String::new(),
            owner,
            door: Door::Page,
            two_step: false,
            title: String::new(),
            description: String::new(),
            items: Vec::new(),
            terms: Terms::default(),
            views: 0,
            downloads: 0,
            created_ms: now_ms,
            modified_ms: now_ms,
            visited_ms: None,
            epoch: 1,
            revoked: false,
        }
    }

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

    /// Whether others see it in the list of its owner's shares: the profile says whether there is a list at all, and
    /// whether shares with a password are in it. One that ran out stays in it, as one that opens no more.
    pub fn is_listed_for_others(&self, profile: Profile, now_ms: i64) -> bool {
        let is_for_anyone = self.terms.audience == Audience::Anyone && self.terms.opens_to_guests();
        let is_in_profile = match profile {
            Profile::Hidden => false,
            Profile::Public => !self.terms.has_password,
            Profile::All => true,
        };
        let shows_something = self.terms.mode != Mode::Drop;
        let has_begun = !matches!(self.state(now_ms), State::NotYet | State::Revoked);
        is_in_profile && is_for_anyone && shows_something && !self.two_step && has_begun
    }

    /// Whether views or downloads can run out, so that it matters who came before.
    pub fn is_limited(&self) -> bool {
        self.terms.view_limit.is_some() || self.terms.download_limit.is_some()
    }

    /// Whether it opens to one visitor and not to another who looks alike: by who came before or who paid.
    pub fn tells_visitors_apart(&self) -> bool {
        self.is_limited() || self.terms.price > 0
    }

    pub fn downloads_left(&self) -> Option<i64> {
        self.terms.download_limit.map(|n| (n - self.downloads).max(0))
    }
}

/// What a door says of one field. What it does not say stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Change<T> {
    #[default]
    Keep,
    Clear,
    Set(T),
}

impl<T> Change<T> {
    /// For doors where absence says "none".
    pub fn or_clear(value: Option<T>) -> Change<T> {
        value.map_or(Change::Clear, Change::Set)
    }

    pub fn apply(self, to: &mut Option<T>) {
        match self {
            Change::Keep => {}
            Change::Clear => *to = None,
            Change::Set(value) => *to = Some(value),
        }
    }
}

/// What a door wishes of a share, when it makes or edits one. An API that cannot say a thing leaves it at its default,
/// and so never clears it.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    pub title: Option<String>,
    pub description: Option<String>,
    pub slug: Change<String>,
    /// In clear.
    pub password: Change<String>,
    pub not_before_ms: Change<i64>,
    pub expires_ms: Change<i64>,
    pub view_limit: Change<i64>,
    pub download_limit: Change<i64>,
    pub downloads_allowed: Option<bool>,
    pub rate_bytes_s: Change<i64>,
    pub mode: Option<Mode>,
    pub drop_box: DropWish,
    pub audience: Option<Audience>,
    pub permissions: Option<Vec<(Subject, Bits)>>,
    pub price: Option<i64>,
    pub show_readme: Option<bool>,
    pub share_view: Option<bool>,
    pub use_cache: Option<bool>,
    pub metadata: Change<String>,
    /// What it holds from now on, at an edit.
    pub items: Option<Vec<Shared>>,
}

/// Names that a slug may not take, since they lead elsewhere.
const RESERVED: [&str; 16] = [
    "admin", "api", "app", "assets", "cover", "dav", "file", "healthz", "help", "home", "info", "login", "rest",
    "share", "shares", "zip",
];
const LONGEST_TEXT_BYTES: usize = 64 * 1024;
/// A slower share would be one that never ends.
pub const LEAST_RATE_BYTES_S: i64 = 1000;
const LONGEST_TITLE_CHARS: usize = 255;

impl Wish {
    /// Refuses what cannot be kept: a time in the past, a limit below one, a name that leads elsewhere, rights that no
    /// share gives.
    pub fn check(&self, now_ms: i64) -> Result<()> {
        if self.title.as_ref().is_some_and(|t| t.chars().count() > LONGEST_TITLE_CHARS) {
            return Err(Error::invalid("title", format!("at most {LONGEST_TITLE_CHARS} characters")));
        }
        if self.description.as_ref().is_some_and(|t| t.len() > LONGEST_TEXT_BYTES) {
            return Err(Error::invalid("description", format!("at most {LONGEST_TEXT_BYTES} bytes")));
        }
        if matches!(&self.metadata, Change::Set(text) if text.len() > LONGEST_TEXT_BYTES) {
            return Err(Error::invalid("metadata", format!("at most {LONGEST_TEXT_BYTES} bytes")));
        }
        if let Change::Set(slug) = &self.slug {
            check_slug(slug)?;
        }
        if let Change::Set(password) = &self.password {
            crate::account::password::check_share(password)?;
        }
        if matches!(self.expires_ms, Change::Set(at) if at <= now_ms) {
            return Err(Error::invalid("expires", "it lies in the past"));
        }
        if let (Change::Set(from), Change::Set(until)) = (&self.not_before_ms, &self.expires_ms)
            && from >= until
        {
            return Err(Error::invalid("expires", "it lies before the start"));
        }
        if matches!(self.view_limit, Change::Set(n) if n < 1) {
            return Err(Error::invalid("views", "at least 1"));
        }
        if matches!(self.download_limit, Change::Set(n) if n < 1) {
            return Err(Error::invalid("downloads", "at least 1"));
        }
        if matches!(self.rate_bytes_s, Change::Set(n) if n < LEAST_RATE_BYTES_S) {
            return Err(Error::invalid("rate", format!("at least {LEAST_RATE_BYTES_S} bytes per second")));
        }
        self.drop_box.check()?;
        if self.price.is_some_and(|price| !(0..=points::MOST_AT_ONCE).contains(&price)) {
            return Err(Error::invalid("price", format!("0 to {} points", points::MOST_AT_ONCE)));
        }
        let unknown = |(_, bits): &(Subject, Bits)| !Bits::BY_SHARE.has(*bits);
        if self.permissions.as_ref().is_some_and(|rows| rows.iter().any(unknown)) {
            return Err(Error::invalid("permissions", "read, update, create and delete are what a share gives"));
        }
        Ok(())
    }

    /// Puts what is wished for in place of what was; the password is the caller's to keep.
    pub fn apply(self, share: &mut Share) {
        let terms = &mut share.terms;
        if let Some(title) = self.title {
            share.title = title;
        }
        if let Some(description) = self.description {
            share.description = description;
        }
        self.slug.apply(&mut share.slug);
        match self.password {
            Change::Keep => {}
            Change::Clear => terms.has_password = false,
            Change::Set(_) => terms.has_password = true,
        }
        self.not_before_ms.apply(&mut terms.not_before_ms);
        self.expires_ms.apply(&mut terms.expires_ms);
        self.view_limit.apply(&mut terms.view_limit);
        self.download_limit.apply(&mut terms.download_limit);
        self.rate_bytes_s.apply(&mut terms.rate_bytes_s);
        self.metadata.apply(&mut terms.metadata);
        terms.downloads_allowed = self.downloads_allowed.unwrap_or(terms.downloads_allowed);
        terms.mode = self.mode.unwrap_or(terms.mode);
        self.drop_box.apply(&mut terms.drop_box);
        terms.audience = self.audience.unwrap_or(terms.audience);
        terms.price = self.price.unwrap_or(terms.price);
        terms.show_readme = self.show_readme.unwrap_or(terms.show_readme);
        terms.share_view = self.share_view.unwrap_or(terms.share_view);
        terms.use_cache = self.use_cache.unwrap_or(terms.use_cache);
        if let Some(permissions) = self.permissions {
            terms.permissions = permissions;
        }
        if let Some(items) = self.items {
            share.items = items;
        }
    }
}

/// A readable name for a link: it lies in the same namespace as ids, so it never looks like one.
fn check_slug(slug: &str) -> Result<()> {
    let fits = (3..=64).contains(&slug.len())
        && slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !slug.starts_with('-')
        && !slug.ends_with('-');
    let like_an_id = slug.len() == ID_CHARS && !slug.contains('-');
    if !fits || like_an_id {
        return Err(Error::invalid("slug", "3 to 64 small letters, digits and hyphens"));
    }
    if RESERVED.contains(&slug) {
        return Err(Error::invalid("slug", "that name is taken by the server"));
    }
    Ok(())
}

/// Length of a share's id: 128 random bits in base62.
pub const ID_CHARS: usize = 22;
