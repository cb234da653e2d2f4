//! What a command asks of an installation. One enum, executed by one function: in the server that runs, reached through
//! its control socket, or else in the command's own process.

mod administration;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::backup;
use super::points::{self, HeldLine, PointsOrder, ReportLine};
use crate::account::token::random_base62;
use crate::account::{Allowed, Role, Roles, User, UserState};
use crate::error::{Error, Result, Thing};
use crate::library::{Library, LibraryKind};
use crate::share::drop_box::DropWish;
use crate::share::{self, Bits, Change, Door, Mode, Share, Shared, Wish};
use crate::size::written_bytes;
use crate::store::library::Access;
use crate::store::scrobbles::Target;
use crate::store::{Tx, accounts, library as library_rows, scrobbles as scrobble_rows, shares};
use crate::work::sharing::DefaultTerms;
use crate::work::users::UserWish;
use crate::work::{libraries, registration, scan, scrobbles, second_factor, sharing, signin, users};
use crate::{App, now_ms};

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

/// Carries out an order. `progress` hears of long work.
pub async fn run(
    app: &Arc<App>,
    order: Order,
    progress: impl Fn(Progress) + Clone + Send + Sync + 'static,
) -> Result<Reply> {
    match order {
        Order::Status => Ok(Reply::Status),
        Order::Share { paths, terms, user } => share(app, &paths, terms, user, progress).await,
        Order::Shares => {
            let all = app.db.read(all_shares).await?;
            let mut lines = Vec::with_capacity(all.len());
            for (share, owner) in all {
                lines.push(line(app, share, owner).await?);
            }
            Ok(Reply::Shares(lines))
        }
        Order::ShowShare { id } => {
            let (share, owner) = standing(app, id).await?;
            Ok(Reply::Share(line(app, share, owner).await?))
        }
        Order::EditShare { id, terms } => {
            let (share, owner) = standing(app, id).await?;
            let share = sharing::edit(app, share.owner, &share.id, terms.wish()).await?;
            Ok(Reply::Share(line(app, share, owner).await?))
        }
        Order::RevokeShare { id } => {
            let (share, _) = standing(app, id).await?;
            sharing::revoke(app, share.owner, &share.id).await?;
            Ok(Reply::Done(format!("Revoked {}.", title_of(&share))))
        }
        Order::Users => {
            let users = app.db.read(accounts::list).await?;
            Ok(Reply::Users(users.iter().map(UserLine::of).collect()))
        }
        Order::AddUser { name, mail, admin } => {
            let mail = mail.unwrap_or_else(|| format!("{}@openshelf.local", name.to_lowercase()));
            let password = random_base62(16);
            let allowed = Allowed::of(if admin { Roles::ALL } else { Roles::USER });
            let user = signin::add_user(app, &name, &mail, &password, allowed).await?;
            Ok(Reply::Password { name: user.name, made_up: Some(password) })
        }
        Order::SetPassword { name, password } => {
            let user = user_named(app, name).await?;
            let made_up = matches!(password, Password::Random);
            let password = password.into_text(16);
            signin::set_password(app, user.key, &password).await?;
            Ok(Reply::Password { name: user.name, made_up: made_up.then_some(password) })
        }
        Order::SetDefaults { name, defaults } => {
            let user = user_named(app, name).await?;
            sharing::set_default_terms(app, user.key, &defaults).await?;
            Ok(Reply::Done(format!("New shares of {:?} begin with these terms.", user.name)))
        }
        Order::SetRoles { name, allow, deny } => set_roles(app, name, &allow, &deny).await,
        Order::ActivateUser { name } => {
            let user = user_named(app, name).await?;
            registration::activate(app, user.key).await?;
            Ok(Reply::Done(format!("{} can sign in now.", user.name)))
        }
        Order::RemoveSecondFactor { name } => {
            let user = user_named(app, name).await?;
            second_factor::remove(app, user.key).await?;
            Ok(Reply::Done(format!("{} signs in by their password alone.", user.name)))
        }
        Order::RemoveUser { name } => remove_user(app, name).await,
        Order::SetBanned { name, banned } => administration::set_banned(app, name, banned).await,
        Order::Groups => administration::groups(app).await,
        Order::AddGroup { name } => administration::add_group(app, name).await,
        Order::RemoveGroup { name } => administration::remove_group(app, name).await,
        Order::JoinGroup { group, users } => administration::join(app, group, users).await,
        Order::LeaveGroup { group, users } => administration::leave(app, group, users).await,
        Order::GiveLibrary { name, to, rights } => administration::give(app, name, to, &rights).await,
        Order::Libraries => Ok(Reply::Libraries(app.db.read(library_lines).await?)),
        Order::AddLibrary { path, name, writable } => {
            let access = if writable { Access::Writable } else { Access::ReadOnly };
            let library = libraries::add_folder(app, &path.0, name.as_deref(), access).await?;
            scan_one(app, &library, progress).await?;
            Ok(Reply::Done(format!("Serving {} as {:?}.", library.root.display(), library.name)))
        }
        Order::RemoveLibrary { name } => {
            let library = libraries::remove(app, &name).await?;
            Ok(Reply::Done(format!(
                "{:?} is served no more; its files stay in {}.",
                library.name,
                library.root.display()
            )))
        }
        Order::Scrobbles => {
            let links = app.db.read(scrobble_rows::links).await?;
            Ok(Reply::Scrobbles(links.into_iter().map(ScrobbleLine::of).collect()))
        }
        Order::LinkListenBrainz { name, token } => {
            let user = user_named(app, name).await?;
            let there = scrobbles::link_listenbrainz(app, &user, &token.0).await?;
            Ok(Reply::Done(format!("What {:?} plays is told to ListenBrainz, as {there:?}.", user.name)))
        }
        Order::BeginLastfm => {
            let (token, address) = scrobbles::begin_lastfm(app).await?;
            Ok(Reply::Allow { token: Secret(token), address })
        }
        Order::LinkLastfm { name, token } => {
            let user = user_named(app, name).await?;
            let there = scrobbles::link_lastfm(app, &user, &token.0).await?;
            Ok(Reply::Done(format!("What {:?} plays is told to Last.fm, as {there:?}.", user.name)))
        }
        Order::UnlinkScrobbles { name, service } => {
            let user = user_named(app, name).await?;
            scrobbles::unlink(app, &user, service.target()).await?;
            Ok(Reply::Done(format!("What {:?} plays is told to nobody there.", user.name)))
        }
        Order::Points(order) => points::run(app, order).await,
        Order::Scan { name } => scan_all(app, name, progress).await,
        Order::Backup { file } => {
            let (app, path) = (Arc::clone(app), file.0.clone());
            tokio::task::spawn_blocking(move || backup::write(&app, &path, &progress))
                .await
                .map_err(|cause| Error::internal("backup", cause))??;
            Ok(Reply::Done(format!("Kept in {}.", file.0.display())))
        }
    }
}

impl Terms {
    fn wish(self) -> Wish {
        let clears = |what| self.clear.contains(&what);
        let change = |value: Option<i64>, what| match value {
            Some(value) => Change::Set(value),
            None if clears(what) => Change::Clear,
            None => Change::Keep,
        };
        Wish {
            expires_ms: change(self.expires_s.map(|s| now_ms().saturating_add(s.saturating_mul(1000))), Clear::Expires),
            download_limit: change(self.downloads, Clear::Downloads),
            rate_bytes_s: change(self.rate_bytes_s, Clear::Rate),
            slug: match self.slug {
                Some(slug) => Change::Set(slug),
                None if self.clear.contains(&Clear::Slug) => Change::Clear,
                None => Change::Keep,
            },
            password: match self.password {
                Some(password) => Change::Set(password.into_text(10)),
                None if self.clear.contains(&Clear::Password) => Change::Clear,
                None => Change::Keep,
            },
            mode: self.drop.mode(&self.clear),
            drop_box: self.drop.wish(&self.clear),
            price: self.price,
            title: self.title,
            ..Wish::default()
        }
    }
}

impl DropTerms {
    fn mode(&self, clear: &[Clear]) -> Option<Mode> {
        match &self.drop {
            Some(ways) if ways.contains(&Drop::Read) => Some(Mode::ReadDrop),
            Some(_) => Some(Mode::Drop),
            None => clear.contains(&Clear::Drop).then_some(Mode::Read),
        }
    }

    fn wish(self, clear: &[Clear]) -> DropWish {
        let change = |value: Option<u64>, what| match value {
            Some(value) => Change::Set(value),
            None if clear.contains(&what) => Change::Clear,
            None => Change::Keep,
        };
        DropWish {
            asks_name: self.ask_name.then_some(true).or(clear.contains(&Clear::AskName).then_some(false)),
            folder_per_sender: self.drop.map(|ways| ways.contains(&Drop::Folders)),
            most_file_bytes: change(self.max_file, Clear::MaxFile),
            most_total_bytes: change(self.max_total, Clear::MaxTotal),
            most_files: change(self.max_files, Clear::MaxFiles),
            types: self.types.or_else(|| clear.contains(&Clear::Types).then(Vec::new)),
        }
    }
}

/// What a drop box takes, in a few words.
fn takes(terms: &share::Terms) -> Option<String> {
    let drop_box = &terms.drop_box;
    let kind = match terms.mode {
        Mode::Drop => "files, shows nothing",
        Mode::ReadDrop => "files, and may be read",
        Mode::Read | Mode::Listen => return None,
    };
    let mut words = vec![kind.to_owned()];
    words.extend(drop_box.folder_per_sender.then(|| "a folder for each sender".to_owned()));
    words.extend(drop_box.asks_name.then(|| "asks for a name".to_owned()));
    words.extend(drop_box.most_file_bytes.map(|bytes| format!("at most {} each", written_bytes(bytes))));
    words.extend(drop_box.most_total_bytes.map(|bytes| format!("at most {} in all", written_bytes(bytes))));
    words.extend(drop_box.most_files.map(|count| format!("at most {count} files")));
    words.extend((!drop_box.types.is_empty()).then(|| format!("only {}", drop_box.types.join(", "))));
    Some(words.join("; "))
}

async fn share(
    app: &Arc<App>,
    paths: &[DiskPath],
    mut terms: Terms,
    user: Option<String>,
    progress: impl Fn(Progress) + Clone + Send + Sync + 'static,
) -> Result<Reply> {
    let owner = match user {
        Some(name) => user_named(app, name).await?,
        None => first_admin(app).await?,
    };
    let mut items = Vec::with_capacity(paths.len());
    let mut names = Vec::with_capacity(paths.len());
    for DiskPath(path) in paths {
        let item = libraries::item_at(app, &owner, path, tell("Scanning", path_name(path), progress.clone())).await?;
        names.push(item.shown.clone());
        items.push(Shared::Item(item.key));
    }
    // What a blind box's folder is called is nobody's business.
    let is_blind = terms.drop.mode(&[]) == Some(Mode::Drop);
    terms.title = terms.title.or_else(|| match names.as_slice() {
        _ if is_blind => None,
        [] => None,
        [only] => Some(only.clone()),
        [first, rest @ ..] => Some(format!("{first} and {} more", rest.len())),
    });
    let share = sharing::create(app, &owner, Door::CommandLine, items, terms.wish()).await?;
    Ok(Reply::Share(line(app, share, owner.name).await?))
}

fn path_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Passes on what a scan tells, at most as often as somebody can read it.
fn tell(
    verb: &str,
    name: String,
    progress: impl Fn(Progress) + Send + Sync + 'static,
) -> impl Fn(scan::Progress) + Send + Sync + 'static {
    let what = format!("{verb} {name}");
    move |now| {
        progress(Progress {
            what: what.clone(),
            done: if now.total == 0 { now.seen } else { now.changed },
            total: now.total,
        })
    }
}

async fn scan_one(
    app: &App,
    library: &Library,
    progress: impl Fn(Progress) + Send + Sync + 'static,
) -> Result<scan::Outcome> {
    libraries::scan(app, library, tell("Scanning", library.name.clone(), progress)).await
}

async fn scan_all(
    app: &App,
    name: Option<String>,
    progress: impl Fn(Progress) + Clone + Send + Sync + 'static,
) -> Result<Reply> {
    let all = app.db.read(library_rows::all).await?;
    let wanted = match name {
        Some(name) => vec![libraries::named(&all, &name).ok_or(Error::NotFound(Thing::Library))?],
        None => all,
    };
    let (mut seen, mut changed, mut offline) = (0, 0, Vec::new());
    for library in wanted {
        let outcome = scan_one(app, &library, progress.clone()).await?;
        seen += outcome.seen;
        changed += outcome.changed;
        if outcome.ended == scan::Ended::Offline {
            offline.push(library.name);
        }
    }
    if offline.is_empty() {
        Ok(Reply::Done(format!("Looked at {seen} files and folders; {changed} changed.")))
    } else {
        Err(Error::invalid("library", format!("not reachable: {}", offline.join(", "))))
    }
}

/// A share that stands, by its id, slug or link, with its owner's name.
pub(super) async fn standing(app: &App, id: String) -> Result<(Share, String)> {
    // People paste what they have, which is the link.
    let id = id.rsplit_once("/s/").map_or(id.as_str(), |(_, rest)| rest).trim_end_matches('/').to_owned();
    app.db
        .read(move |tx| {
            let share = shares::by_id(tx, &id)?.ok_or(Error::NotFound(Thing::Share))?;
            let owner = accounts::by_key(tx, share.owner)?.ok_or(Error::NotFound(Thing::Share))?;
            Ok((share, owner.name))
        })
        .await
}

fn all_shares(tx: &mut Tx) -> Result<Vec<(Share, String)>> {
    let mut all = Vec::new();
    for user in accounts::list(tx)? {
        all.extend(shares::of_owner(tx, user.key)?.into_iter().map(|share| (share, user.name.clone())));
    }
    all.sort_by_key(|(share, _)| std::cmp::Reverse(share.created_ms));
    Ok(all)
}

fn title_of(share: &Share) -> &str {
    if share.title.is_empty() { &share.id } else { &share.title }
}

async fn line(app: &App, share: Share, owner: String) -> Result<ShareLine> {
    let password = sharing::password_for_owner(app, &share).await?;
    Ok(ShareLine {
        id: share.id,
        slug: share.slug,
        takes: takes(&share.terms),
        title: share.title,
        owner,
        password,
        expires_ms: share.terms.expires_ms,
        views: share.views,
        downloads: share.downloads,
        download_limit: share.terms.download_limit,
        rate_bytes_s: share.terms.rate_bytes_s,
        price: share.terms.price,
        created_ms: share.created_ms,
    })
}

impl ScrobbleLine {
    fn of((link, waiting): (scrobble_rows::Link, u64)) -> ScrobbleLine {
        ScrobbleLine {
            user: link.user_name,
            service: link.target.text().to_owned(),
            name: link.name,
            refused: link.is_refused,
            waiting,
        }
    }
}

impl UserLine {
    fn of(user: &User) -> UserLine {
        UserLine {
            name: user.name.clone(),
            mail: user.mail.clone(),
            admin: user.is_admin(),
            state: match user.state {
                UserState::Active => String::new(),
                UserState::Inactive => "inactive".to_owned(),
                UserState::Banned => "banned".to_owned(),
            },
        }
    }
}

async fn set_roles(app: &App, name: String, allow: &[String], deny: &[String]) -> Result<Reply> {
    let named = |names: &[String]| {
        let role =
            |name: &String| Role::named(name).ok_or_else(|| Error::invalid("roles", format!("{name:?} is none")));
        names.iter().map(role).collect::<Result<Vec<_>>>()
    };
    let (allow, deny) = (named(allow)?, named(deny)?);
    let wish = move |_: &mut Tx, user: &User| {
        let mut allowed = user.allowed.clone();
        allowed.roles = allow.into_iter().fold(allowed.roles, Roles::with);
        allowed.roles = deny.into_iter().fold(allowed.roles, Roles::without);
        Ok(UserWish { allowed: Some(allowed), ..UserWish::default() })
    };
    users::edit(app, &name, None, wish).await?;
    let user = user_named(app, name).await?;
    let has: Vec<&str> = Role::EACH.into_iter().filter(|role| user.has(*role)).map(Role::name).collect();
    Ok(Reply::Done(format!("{:?} may: {}.", user.name, has.join(", "))))
}

pub(super) async fn user_named(app: &App, name: String) -> Result<User> {
    app.db.read(move |tx| accounts::by_login(tx, &name)).await?.ok_or(Error::NotFound(Thing::User))
}

/// Whose shares the command line makes when nobody is named.
async fn first_admin(app: &App) -> Result<User> {
    let users = app.db.read(accounts::list).await?;
    let key = users
        .iter()
        .filter(|user| user.is_admin() && user.is_active())
        .min_by_key(|user| (user.name != libraries::FIRST_USER, user.key))
        .map(|user| user.key)
        .ok_or(Error::NotFound(Thing::User))?;
    // A list of users leaves their groups out.
    app.db.read(move |tx| accounts::by_key(tx, key)).await?.ok_or(Error::NotFound(Thing::User))
}

async fn remove_user(app: &App, name: String) -> Result<Reply> {
    let user = user_named(app, name).await?;
    let home = users::remove(app, user.key).await?;
    let files = home.map(|home| format!(" The files of the home stay in {}.", home.root.display()));
    Ok(Reply::Done(format!("Removed {}.{}", user.name, files.unwrap_or_default())))
}

fn library_lines(tx: &mut Tx) -> Result<Vec<LibraryLine>> {
    let folders = library_rows::all(tx)?.into_iter().filter(|library| library.kind == LibraryKind::Folder);
    folders
        .map(|library| {
            let top = library_rows::root_item(tx, library.key)?;
            let totals = library_rows::totals(tx, top.key)?;
            Ok(LibraryLine {
                name: library.name,
                path: DiskPath(library.root),
                writable: library.writable,
                online: library.online,
                files: totals.files,
                tracks: totals.tracks,
                size_bytes: totals.size_bytes,
            })
        })
        .collect()
}
