//! The ways a request can fail. Says what happened, which thing, and what to do; knows no HTTP and no dialect.
//!
//! Each face turns it into its own codes by one exhaustive `match`, so that a new variant does not compile until every
//! face answers it. Secrets and paths outside a library never enter a message.

use std::fmt;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A required parameter is absent or empty.
    #[error("Required parameter '{0}' is missing")]
    Missing(&'static str),
    /// A parameter is there, but is not a value that this call takes.
    #[error("Parameter '{what}' is not valid: {why}")]
    Invalid { what: &'static str, why: String },
    /// Unknown, expired, used up, revoked, hidden or somebody else's: outsiders cannot tell which.
    #[error("{0} not found")]
    NotFound(Thing),
    /// The caller is nobody and the call needs a somebody.
    #[error("Sign in first")]
    SignInNeeded,
    /// Wrong name, password, token or key; never says which.
    #[error("Wrong user name or password")]
    WrongCredentials,
    /// The share has a password, and none or a wrong one came.
    #[error("This share needs its password")]
    ShareLocked,
    /// Too many wrong passwords from there; try again later.
    #[error("Too many tries. Try again in {retry_after_s} s")]
    Throttled { retry_after_s: u64 },
    /// The caller is known and may not do this.
    #[error("Not allowed: {0}")]
    Forbidden(&'static str),
    /// Something of that name is there already.
    #[error("There is already something called {0:?}")]
    Exists(String),
    /// The share has a price that this visitor did not pay.
    #[error("This share costs {points} points")]
    PurchaseNeeded { points: i64 },
    #[error("Not enough points")]
    NotEnoughPoints,
    /// Somebody changed the thing in between.
    #[error("{0} was changed by someone else in the meantime")]
    Conflict(Thing),
    /// Somebody locked it, or something in it.
    #[error("Locked by someone; try again later")]
    Locked(Vec<InTheWay>),
    /// More bytes than the limit in force.
    #[error("Too large: {size_bytes} bytes, the limit is {limit_bytes}")]
    TooLarge { size_bytes: u64, limit_bytes: u64 },
    /// The user's quota or the disk is full.
    #[error("No space left")]
    NoSpace,
    /// Known to the protocol, not offered by this server.
    #[error("{0} is not available on this server")]
    Unsupported(&'static str),
    /// A queue is full; the same call may succeed in a moment.
    #[error("The server is busy. Try again")]
    Busy,
    /// A fault of ours or of the machine: logged once at the face, shown to nobody.
    #[error("internal error: {0}")]
    Internal(String),
}

/// A lock that stands in the way of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InTheWay {
    /// Names from the root of the user who wants to write; none where they cannot see it.
    pub path: Vec<String>,
    pub is_folder: bool,
    /// XML in which whoever locked it says who they are.
    pub owner: String,
    /// Told to those alone who may break the lock: who made it, and whose file it is.
    pub token: Option<String>,
}

/// What an error is about, in the glossary's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    Share,
    File,
    Folder,
    Track,
    Album,
    Artist,
    Playlist,
    Genre,
    Cover,
    Library,
    User,
    Group,
    Key,
    Upload,
    Link,
    Channel,
    Episode,
    Device,
    Version,
    Bookmark,
    Station,
    Avatar,
    Task,
    GiftCode,
    Payment,
    Report,
    OauthApp,
    Passkey,
    Policy,
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Thing::Share => "Share",
            Thing::File => "File",
            Thing::Folder => "Folder",
            Thing::Track => "Track",
            Thing::Album => "Album",
            Thing::Artist => "Artist",
            Thing::Playlist => "Playlist",
            Thing::Genre => "Genre",
            Thing::Cover => "Cover",
            Thing::Library => "Library",
            Thing::User => "User",
            Thing::Group => "Group",
            Thing::Key => "Key",
            Thing::Upload => "Upload",
            Thing::Link => "Link",
            Thing::Channel => "Podcast channel",
            Thing::Episode => "Podcast episode",
            Thing::Device => "Device",
            Thing::Version => "Version",
            Thing::Bookmark => "Bookmark",
            Thing::Station => "Radio station",
            Thing::Avatar => "Avatar",
            Thing::Task => "Task",
            Thing::GiftCode => "Gift code",
            Thing::Payment => "Payment",
            Thing::Report => "Report",
            Thing::OauthApp => "App",
            Thing::Passkey => "Passkey",
            Thing::Policy => "Storage policy",
        })
    }
}

impl Error {
    /// A parameter that came in and cannot be used.
    pub fn invalid(what: &'static str, why: impl Into<String>) -> Error {
        Error::Invalid { what, why: why.into() }
    }

    /// A fault of ours; `context` says what was being done.
    pub fn internal(context: &str, cause: impl fmt::Display) -> Error {
        Error::Internal(format!("{context}: {cause}"))
    }
}

impl From<std::io::Error> for Error {
    fn from(cause: std::io::Error) -> Error {
        match cause.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Error::NoSpace,
            _ => Error::internal("file system", cause),
        }
    }
}
