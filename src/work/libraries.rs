//! Libraries come and go: folders served in place, homes, single items; and the first start of an installation.

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::{scan, signin};
use crate::account::token::random_base62;
use crate::account::{Allowed, Roles, User, name_key};
use crate::blob::on_disk;
use crate::error::{Error, Result, Thing};
use crate::library::names::{is_left_out, numbered_text};
use crate::library::{Item, Library, LibraryKind};
use crate::share::Bits;
use crate::store::library::{self as rows, Access, NewLibrary};
use crate::store::{Tx, accounts, rights};
use crate::{App, now_ms};

const LONGEST_NAME_CHARS: usize = 100;

/// Serves a folder in place, by `name` or by the folder's own. A folder that is a library already stays the same one, with its links.
/// The caller scans it, or asks the scanner to.
pub async fn add_folder(app: &App, path: &Path, name: Option<&str>, access: Access) -> Result<Library> {
    let root = real_path(path)?;
    if !root.is_dir() {
        return Err(Error::invalid("path", format!("{} is no folder", path.display())));
    }
    refuse_own_data(app, &root)?;
    let chosen = name.map(str::to_owned);
    if let Some(name) = &chosen {
        check_name(name)?;
    }
    app.db
        .write(move |tx| {
            if let Some(known) = rows::by_root(tx, &root, None)?.filter(|known| known.kind == LibraryKind::Folder) {
                return known_again(tx, known, chosen, access);
            }
            let name = match chosen {
                Some(name) => name,
                None => free_name(&rows::all(tx)?, &shown_name(&root)),
            };
            let new = NewLibrary {
                name,
                kind: LibraryKind::Folder,
                owner: None,
                root,
                only: None,
                writable: access == Access::Writable,
            };
            rows::insert(tx, &new, now_ms())
        })
        .await
}

/// A folder that is served, asked for again: it is called what it is asked for as, and becomes writable where that is asked
/// for. To be served as it is by a share is no wish to have it read only again.
fn known_again(tx: &mut Tx, known: Library, name: Option<String>, access: Access) -> Result<Library> {
    let name = name.unwrap_or_else(|| known.name.clone());
    let is_as_asked = name == known.name && (known.writable || access == Access::ReadOnly);
    if is_as_asked {
        return Ok(known);
    }
    let access = if known.writable { Access::Writable } else { access };
    rows::update(tx, known.key, &name, access, now_ms())?;
    rows::by_key(tx, known.key)
}

fn check_name(name: &str) -> Result<()> {
    let fits = !name.trim().is_empty()
        && name.chars().count() <= LONGEST_NAME_CHARS
        && !name.chars().any(|c| c.is_control() || c == '/');
    if fits { Ok(()) } else { Err(Error::invalid("name", "1 to 100 visible characters, none of them a slash")) }
}

/// The last component as it can be shown.
fn shown_name(path: &Path) -> String {
    let name: String = path.file_name().unwrap_or(OsStr::new("files")).to_string_lossy().into_owned();
    name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(LONGEST_NAME_CHARS).collect()
}

/// `wanted`, or `wanted (2)` and so on where a library of that name is there.
fn free_name(all: &[Library], wanted: &str) -> String {
    let is_free = |name: &String| {
        !all.iter().any(|library| library.kind == LibraryKind::Folder && name_key(&library.name) == name_key(name))
    };
    (1..).map(|number| numbered_text(wanted, "", number)).find(is_free).unwrap_or_default()
}

/// The path without links. `NotFound` says nothing of the path; the command line adds it.
fn real_path(path: &Path) -> Result<PathBuf> {
    path.canonicalize().map_err(|cause| match cause.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
            Error::invalid("path", format!("{} is not there", path.display()))
        }
        std::io::ErrorKind::PermissionDenied => {
            Error::invalid("path", format!("{} is not readable by the server", path.display()))
        }
        _ => cause.into(),
    })
}

/// The server's own data is never served: not from inside, nor as a part of a folder around it. What lies behind a name
/// that stays out of libraries is safe.
fn refuse_own_data(app: &App, path: &Path) -> Result<()> {
    for own in [&app.config.data, &app.config.storage] {
        let Ok(own) = own.canonicalize() else { continue };
        let homes = own.join(HOMES);
        let inside = path.starts_with(&own) && !(path.starts_with(&homes) && path != homes);
        let around = own
            .strip_prefix(path)
            .is_ok_and(|below| !below.components().any(|part| is_left_out(part.as_os_str().as_bytes())));
        if inside || around {
            return Err(Error::invalid("path", format!("{} holds the server's own data", path.display())));
        }
    }
    Ok(())
}

/// Folder of the homes, beneath the storage folder.
pub const HOMES: &str = "homes";

/// Where the user's home lies.
pub fn home_folder(storage: &Path, user_id: &str) -> PathBuf {
    storage.join(HOMES).join(user_id)
}

/// The writable library of one user; the same when there is one already.
pub async fn make_home(app: &App, user: &User) -> Result<Library> {
    let storage = std::path::absolute(&app.config.storage)?;
    let root = home_folder(&storage.canonicalize().unwrap_or(storage), &user.id);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&root)?;
    let (owner, name) = (user.key, user.name.clone());
    let home = app
        .db
        .write(move |tx| {
            if let Some(home) = rows::home_of(tx, owner)? {
                return Ok(home);
            }
            let new =
                NewLibrary { name, kind: LibraryKind::Home, owner: Some(owner), root, only: None, writable: true };
            rows::insert(tx, &new, now_ms())
        })
        .await?;
    app.scanner.request(home.key);
    Ok(home)
}

/// A private library of this one item, so that nothing beside it is ever served. It is scanned when this returns.
pub async fn single(
    app: &App,
    owner: &User,
    path: &Path,
    progress: impl Fn(scan::Progress) + Send + Sync + 'static,
) -> Result<(Library, Item)> {
    let path = real_path(path)?;
    refuse_own_data(app, &path)?;
    let (Some(root), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::invalid("path", "the whole machine cannot be shared"));
    };
    let (root, only, shown, key) = (root.to_owned(), name.as_bytes().to_vec(), shown_name(&path), owner.key);
    let served = only.clone();
    let library = app
        .db
        .write(move |tx| {
            let known = rows::by_root(tx, &root, Some(&only))?;
            if let Some(known) = known.filter(|known| known.kind == LibraryKind::Single && known.owner == Some(key)) {
                return Ok(known);
            }
            let new = NewLibrary {
                name: shown,
                kind: LibraryKind::Single,
                owner: Some(key),
                root,
                only: Some(only),
                writable: false,
            };
            rows::insert(tx, &new, now_ms())
        })
        .await?;
    scan(app, &library, progress).await?;
    let key = library.key;
    let item = app
        .db
        .read(move |tx| {
            let top = rows::root_item(tx, key)?;
            rows::child_named(tx, top.key, &served)
        })
        .await?;
    match item {
        Some(item) => Ok((library, item)),
        None => Err(Error::invalid("path", format!("{} cannot be read by the server", path.display()))),
    }
}

/// The item at a path of this machine, for its owner to share: in a library that they may share from, else by a private
/// library of its own.
pub async fn item_at(
    app: &App,
    owner: &User,
    path: &Path,
    progress: impl Fn(scan::Progress) + Send + Sync + 'static,
) -> Result<Item> {
    let real = real_path(path)?;
    let sharer = owner.clone();
    let libraries = app
        .db
        .read(move |tx| {
            let rights = rights::of_user(tx, &sharer)?;
            let may_share = |library: &Library| {
                let needed = Bits::READ.and(Bits::SHARE);
                rights.iter().any(|(key, bits)| *key == library.key && bits.has(needed))
            };
            Ok(rows::all(tx)?.into_iter().filter(may_share).collect::<Vec<_>>())
        })
        .await?;
    let around = libraries
        .into_iter()
        .filter(|library| library.kind != LibraryKind::Single && real.starts_with(&library.root))
        .max_by_key(|library| library.root.components().count());
    if let Some(library) = around
        && let Some(item) = item_in(app, &library, &real).await?
    {
        return Ok(item);
    }
    Ok(single(app, owner, path, progress).await?.1)
}

/// The item at a path inside a library; looked up on the disk, so that it need not be scanned yet. `None` for what stays
/// out of libraries.
async fn item_in(app: &App, library: &Library, path: &Path) -> Result<Option<Item>> {
    let below = path.strip_prefix(&library.root).unwrap_or(Path::new(""));
    let names: Vec<Vec<u8>> = below.components().map(|part| part.as_os_str().as_bytes().to_vec()).collect();
    let (db, key) = (app.db.clone(), library.key);
    on_disk(move || {
        if names.is_empty() {
            return db.read_blocking(move |tx| rows::root_item(tx, key)).map(Some);
        }
        scan::scan_path(&db, key, &names)
    })
    .await
}

/// Scans a library to the end, besides what the scanner does by itself.
pub async fn scan(
    app: &App,
    library: &Library,
    progress: impl Fn(scan::Progress) + Send + Sync + 'static,
) -> Result<scan::Outcome> {
    let (db, key, running) = (app.db.clone(), library.key, app.scanner.elsewhere());
    let outcome = on_disk(move || {
        let _running = running;
        scan::scan(&db, key, |now| {
            progress(now);
            ControlFlow::Continue(())
        })
    })
    .await?;
    app.scanner.was_scanned(library.key);
    Ok(outcome)
}

/// Forgets a folder library, by its name or id, and what was known of it. Its files stay.
pub async fn remove(app: &App, name: &str) -> Result<Library> {
    let wanted = name.to_owned();
    app.db
        .write(move |tx| {
            let library = named(&rows::all(tx)?, &wanted).ok_or(Error::NotFound(Thing::Library))?;
            rows::remove(tx, library.key)?;
            Ok(library)
        })
        .await
}

/// A folder library by its name, in whatever case, or by its id.
pub fn named(all: &[Library], name: &str) -> Option<Library> {
    let is_it = |library: &&Library| {
        library.kind == LibraryKind::Folder && (name_key(&library.name) == name_key(name) || library.id == name)
    };
    all.iter().find(is_it).cloned()
}

pub const FIRST_USER: &str = "admin";
const FIRST_MAIL: &str = "admin@openshelf.local";

/// Makes the first user, if there is none. Answers the password when it was made up, to be shown once.
pub async fn first_start(app: &App) -> Result<Option<String>> {
    if app.db.read(accounts::count).await? > 0 {
        return Ok(None);
    }
    let given = std::env::var("OPENSHELF_ADMIN_PASSWORD").ok().filter(|password| !password.is_empty());
    let password = given.clone().unwrap_or_else(|| random_base62(16));
    signin::add_user(app, FIRST_USER, FIRST_MAIL, &password, Allowed::of(Roles::ALL)).await?;
    Ok(given.is_none().then_some(password))
}
