//! What a command asks of an installation. One enum, executed by one function: in the server that runs, reached through
//! its control socket, or else in the command's own process.

mod folders;
mod groups;
mod reports;
mod scanning;
mod scrobbles;
mod shares;
mod users;

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(super) use self::shares::standing;
pub(super) use self::users::named as user_named;
use super::backup;
use super::points::{self, HeldLine, PointsOrder};
use crate::App;
use crate::account::Roles;
use crate::account::token::random_base62;
use crate::error::{Error, Result};
use crate::share::Bits;
use crate::store::library::Access;
use crate::store::scrobbles::Target;
use crate::work::sharing::DefaultTerms;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Who is there; changes nothing.
    Status,
    Share {
        paths: Vec<DiskPath>,
        terms: Terms,
        user: Option<String>,
    },
    Shares,
    ShowShare {
        id: String,
    },
    EditShare {
        id: String,
        terms: Terms,
    },
    RevokeShare {
        id: String,
    },
    Users,
    AddUser {
        name: String,
        mail: Option<String>,
        admin: bool,
    },
    SetPassword {
        name: String,
        password: Password,
    },
    SetDefaults {
        name: String,
        defaults: DefaultTerms,
    },
    /// By their names.
    SetRoles {
        name: String,
        allow: Vec<String>,
        deny: Vec<String>,
    },
    ActivateUser {
        name: String,
    },
    RemoveSecondFactor {
        name: String,
    },
    RemoveUser {
        name: String,
    },
    SetBanned {
        name: String,
        banned: Banned,
    },
    Groups,
    AddGroup {
        name: String,
    },
    RemoveGroup {
        name: String,
    },
    JoinGroup {
        group: String,
        users: Vec<String>,
    },
    LeaveGroup {
        group: String,
        users: Vec<String>,
    },
    GiveLibrary {
        name: String,
        to: Given,
        rights: Vec<Right>,
    },
    Libraries,
    AddLibrary {
        path: DiskPath,
        name: Option<String>,
        writable: bool,
    },
    RemoveLibrary {
        name: String,
    },
    Scrobbles,
    LinkListenBrainz {
        name: String,
        token: Secret,
    },
    /// Asks Last.fm for a token that the user may allow.
    BeginLastfm,
    LinkLastfm {
        name: String,
        token: Secret,
    },
    UnlinkScrobbles {
        name: String,
        service: Service,
    },
    Points(PointsOrder),
    Reports,
    RemoveReport {
        key: i64,
    },
    Scan {
        name: Option<String>,
    },
    Backup {
        file: DiskPath,
    },
}

/// What the command line can say of a share; what it does not say stays, or is the owner's default.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Terms {
    pub title: Option<String>,
    pub slug: Option<String>,
    pub password: Option<Password>,
    /// From now on.
    pub expires_s: Option<i64>,
    pub downloads: Option<i64>,
    pub rate_bytes_s: Option<i64>,
    /// In points; 0: free.
    pub price: Option<i64>,
    pub drop: DropTerms,
    pub clear: Vec<Clear>,
}

/// What the command line can say of a drop box.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct DropTerms {
    /// Makes it one, in these ways.
    pub drop: Option<Vec<Drop>>,
    pub ask_name: bool,
    pub max_file: Option<u64>,
    pub max_total: Option<u64>,
    pub max_files: Option<u64>,
    pub types: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Drop {
    /// Each sender's files into a folder of their own
    Folders,
    /// Visitors also see what is there
    Read,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Clear {
    Password,
    Expires,
    Downloads,
    Rate,
    Slug,
    /// Takes no files any more
    Drop,
    AskName,
    MaxFile,
    MaxTotal,
    MaxFiles,
    Types,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Banned {
    Yes,
    No,
}

/// To whom a library is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Given {
    User(String),
    Group(String),
    Everyone,
}

/// What is given of a library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// See, play and download what is in it
    Read,
    /// Make, change and delete what is in it, where it is writable
    Write,
    /// Make shares of it
    Share,
}

impl Right {
    fn bits(self) -> Bits {
        match self {
            Right::Read => Bits::READ,
            Right::Write => Bits::WRITE,
            Right::Share => Bits::SHARE,
        }
    }
}

/// Where plays are told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    Listenbrainz,
    Lastfm,
}

impl Service {
    fn target(self) -> Target {
        match self {
            Service::Listenbrainz => Target::ListenBrainz,
            Service::Lastfm => Target::Lastfm,
        }
    }
}

/// Never printed.
#[derive(Serialize, Deserialize)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Password {
    Random,
    Given(String),
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

impl Password {
    fn into_text(self, random_chars: usize) -> String {
        match self {
            Password::Random => random_base62(random_chars),
            Password::Given(text) => text,
        }
    }
}

/// An absolute path of this machine; its bytes need not be text.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Vec<u8>", into = "Vec<u8>")]
pub struct DiskPath(pub PathBuf);

impl From<Vec<u8>> for DiskPath {
    fn from(bytes: Vec<u8>) -> DiskPath {
        use std::os::unix::ffi::OsStringExt;
        DiskPath(std::ffi::OsString::from_vec(bytes).into())
    }
}

impl From<DiskPath> for Vec<u8> {
    fn from(path: DiskPath) -> Vec<u8> {
        use std::os::unix::ffi::OsStringExt;
        path.0.into_os_string().into_vec()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub what: String,
    pub done: u64,
    /// 0 while it is not known.
    pub total: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Status,
    Share(ShareLine),
    Shares(Vec<ShareLine>),
    Users(Vec<UserLine>),
    Groups(Vec<GroupLine>),
    Libraries(Vec<LibraryLine>),
    Scrobbles(Vec<ScrobbleLine>),
    Points(Vec<HeldLine>),
    /// Told this once.
    Codes(Vec<Secret>),
    Reports(Vec<ReportLine>),
    /// The user is to allow the token at this address.
    Allow {
        token: Secret,
        address: String,
    },
    /// `made_up` is told once, where the password was not given.
    Password {
        name: String,
        made_up: Option<String>,
    },
    Done(String),
}

#[derive(Serialize, Deserialize)]
pub struct ShareLine {
    pub id: String,
    pub slug: Option<String>,
    pub title: String,
    pub owner: String,
    pub password: Option<String>,
    pub expires_ms: Option<i64>,
    pub views: i64,
    pub downloads: i64,
    pub download_limit: Option<i64>,
    pub rate_bytes_s: Option<i64>,
    pub price: i64,
    pub created_ms: i64,
    /// What it takes, in words; none for a share that takes no files.
    pub takes: Option<String>,
}

impl std::fmt::Debug for ShareLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ShareLine(…)")
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct ScrobbleLine {
    pub user: String,
    pub service: String,
    /// Of the user, over there.
    pub name: String,
    pub refused: bool,
    pub waiting: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct UserLine {
    pub name: String,
    pub mail: String,
    pub admin: bool,
    /// Why they cannot sign in; empty where they can.
    pub state: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct GroupLine {
    pub name: String,
    pub members: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct LibraryLine {
    pub name: String,
    pub path: DiskPath,
    pub writable: bool,
    pub online: bool,
    pub files: u64,
    pub tracks: u64,
    pub size_bytes: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct ReportLine {
    pub key: i64,
    pub category: String,
    pub about: String,
    pub description: String,
    pub place: String,
    pub network: String,
    pub made_ms: i64,
}

/// Carries out an order. `progress` hears of long work.
pub async fn run(
    app: &Arc<App>,
    order: Order,
    progress: impl Fn(Progress) + Clone + Send + Sync + 'static,
) -> Result<Reply> {
    match order {
        Order::Status => Ok(Reply::Status),
        Order::Share { paths, terms, user } => shares::make(app, &paths, terms, user, progress).await,
        Order::Shares => shares::list(app).await,
        Order::ShowShare { id } => shares::show(app, id).await,
        Order::EditShare { id, terms } => shares::edit(app, id, terms).await,
        Order::RevokeShare { id } => shares::revoke(app, id).await,
        Order::Users => users::list(app).await,
        Order::AddUser { name, mail, admin } => {
            users::add(app, &name, mail, if admin { Roles::ALL } else { Roles::USER }).await
        }
        Order::SetPassword { name, password } => users::set_password(app, name, password).await,
        Order::SetDefaults { name, defaults } => users::set_defaults(app, name, &defaults).await,
        Order::SetRoles { name, allow, deny } => users::set_roles(app, name, &allow, &deny).await,
        Order::ActivateUser { name } => users::activate(app, name).await,
        Order::RemoveSecondFactor { name } => users::remove_second_factor(app, name).await,
        Order::RemoveUser { name } => users::remove(app, name).await,
        Order::SetBanned { name, banned } => users::set_banned(app, name, banned).await,
        Order::Groups => groups::list(app).await,
        Order::AddGroup { name } => groups::add(app, name).await,
        Order::RemoveGroup { name } => groups::remove(app, name).await,
        Order::JoinGroup { group, users } => groups::join(app, group, users).await,
        Order::LeaveGroup { group, users } => groups::leave(app, group, users).await,
        Order::GiveLibrary { name, to, rights } => folders::give(app, &name, to, &rights).await,
        Order::Libraries => folders::list(app).await,
        Order::AddLibrary { path, name, writable } => {
            let access = if writable { Access::Writable } else { Access::ReadOnly };
            folders::add(app, &path.0, name.as_deref(), access, progress).await
        }
        Order::RemoveLibrary { name } => folders::remove(app, &name).await,
        Order::Scrobbles => scrobbles::list(app).await,
        Order::LinkListenBrainz { name, token } => scrobbles::link_listenbrainz(app, name, &token).await,
        Order::BeginLastfm => scrobbles::begin_lastfm(app).await,
        Order::LinkLastfm { name, token } => scrobbles::link_lastfm(app, name, &token).await,
        Order::UnlinkScrobbles { name, service } => scrobbles::unlink(app, name, service).await,
        Order::Points(order) => points::run(app, order).await,
        Order::Reports => reports::list(app).await,
        Order::RemoveReport { key } => reports::remove(app, key).await,
        Order::Scan { name } => scanning::run(app, name, progress).await,
        Order::Backup { file } => keep(app, file.0, progress).await,
    }
}

async fn keep(app: &Arc<App>, file: PathBuf, progress: impl Fn(Progress) + Send + Sync + 'static) -> Result<Reply> {
    let (app, path) = (Arc::clone(app), file.clone());
    tokio::task::spawn_blocking(move || backup::write(&app, &path, &progress))
        .await
        .map_err(|cause| Error::internal("backup", cause))??;
    Ok(Reply::Done(format!("Kept in {}.", file.display())))
}
