//! Libraries and what is in them: folders, files, tracks, albums, artists, playlists; their ids and names.

pub mod bounded;
pub mod changes;
pub mod feed;
mod id3;
pub mod lock;
pub mod lyrics;
pub mod music;
pub mod names;
pub mod pictures;
pub mod playback;
pub mod podcasts;
pub mod policy;
pub mod role;
pub mod scan;
pub mod sound;
pub mod tags;
pub mod text;
pub mod versions;

pub use tags::Media;

use crate::account::UserKey;

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub i64);
    )*};
}

keys! {
    /// Key of a library; also its number in OpenSubsonic, which wants integers.
    LibraryKey,
    /// Key of a folder or file inside this server.
    ItemKey,
    /// Key of an album inside this server.
    AlbumKey,
    /// Key of an artist inside this server.
    ArtistKey,
    /// Key of a playlist inside this server.
    PlaylistKey,
    /// Key of a podcast's channel inside this server.
    ChannelKey,
    /// Key of a podcast's episode inside this server.
    EpisodeKey,
}

/// The first letter of a public id says what it names. Ids are opaque to apps: this letter and 16 random base62 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IdKind {
    Folder,
    File,
    Album,
    Artist,
    Playlist,
    User,
    Group,
    Library,
    Link,
    ApiKey,
    DavAccount,
    Station,
    Channel,
    Episode,
    Task,
    Policy,
}

impl IdKind {
    pub const fn letter(self) -> char {
        match self {
            IdKind::Folder => 'd',
            IdKind::File => 'f',
            IdKind::Album => 'a',
            IdKind::Artist => 'r',
            IdKind::Playlist => 'p',
            IdKind::User => 'u',
            IdKind::Group => 'g',
            IdKind::Library => 'b',
            IdKind::Link => 'l',
            IdKind::ApiKey => 'k',
            IdKind::DavAccount => 'w',
            IdKind::Station => 's',
            IdKind::Channel => 'c',
            IdKind::Episode => 'e',
            IdKind::Task => 't',
            IdKind::Policy => 'y',
        }
    }

    /// What an id that came in names, if it has an id's shape at all.
    pub fn of(id: &str) -> Option<IdKind> {
        use IdKind::*;
        if id.len() != 17 || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return None;
        }
        let first = id.chars().next()?;
        [
            Folder, File, Album, Artist, Playlist, User, Group, Library, Link, ApiKey, DavAccount, Station, Channel,
            Episode, Task, Policy,
        ]
        .into_iter()
        .find(|k| k.letter() == first)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LibraryKind {
    /// A folder that an admin serves in place.
    Folder,
    /// The writable library of one user.
    Home,
    /// One item that its owner shared from outside every library; nothing beside it is served.
    Single,
    /// Episodes that were fetched: everyone may hear and share them, and no list of music shows them.
    Podcasts,
}

#[derive(Debug, Clone)]
pub struct Library {
    pub key: LibraryKey,
    pub id: String,
    pub name: String,
    pub kind: LibraryKind,
    pub owner: Option<UserKey>,
    /// Path of the folder on this machine; bytes, as the system has it.
    pub root: std::path::PathBuf,
    /// Of a `Single` library: the one name in `root` that is served.
    pub only: Option<Vec<u8>>,
    pub writable: bool,
    pub online: bool,
    pub revision: i64,
    pub scanned_ms: Option<i64>,
    pub changed_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    Folder,
    File,
}

/// A folder or file in a library.
#[derive(Debug, Clone)]
pub struct Item {
    pub key: ItemKey,
    /// Opaque id that apps see; survives saves, renames and moves within the library.
    pub id: String,
    pub library: LibraryKey,
    pub parent: Option<ItemKey>,
    pub kind: ItemKind,
    pub media: Media,
    /// As on disk; bytes.
    pub name: Vec<u8>,
    /// As shown: lossy, unique among its siblings.
    pub shown: String,
    pub size_bytes: u64,
    pub modified_ms: i64,
    /// Raised when the content changes.
    pub revision: i64,
    pub added_ms: i64,
}

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    pub offset: u64,
    pub limit: u64,
}

impl Page {
    /// As far as databases count.
    pub const ALL: Page = Page { offset: 0, limit: i64::MAX.unsigned_abs() };
}

impl Item {
    pub fn is_folder(&self) -> bool {
        self.kind == ItemKind::Folder
    }

    /// Strong validator of the content, without its quotes.
    pub fn etag(&self) -> String {
        format!("{}-{}", self.id, self.revision)
    }

    /// The part of the name after its last dot, lower case; empty when there is none.
    pub fn suffix(&self) -> String {
        names::ending(&self.shown)
    }
}
