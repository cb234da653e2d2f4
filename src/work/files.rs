//! What users do with their own files: look, make, rename, move, copy, throw away. Every door calls these.
//!
//! A user's tree has one root: the content of their home, and beside it the libraries that they may read. Writes judge
//! first, then change the disk, then the rows. When the rows fail, or the machine does in between, the disk is right and
//! the next scan brings the rows in line. A write that began runs to its end even when its caller goes away.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use super::{locks, policies, versions};
use crate::account::User;
use crate::blob::disk::set_modified as set_file_modified;
use crate::blob::{Existing, Kind, Root, Stat, on_disk};
use crate::error::{Error, Result, Thing};
use crate::library::names::{is_left_out, sort_key, unique_shown};
use crate::library::scan::{Content, Stamp};
use crate::library::{Item, ItemKey, ItemKind, Library, LibraryKey, LibraryKind, Media, tags};
use crate::share::Bits;
use crate::share::grant::{Action, Grant, Placed, Through, authorize};
use crate::share::visit::Visitor;
use crate::store::scan::{Fate, Folder, Left, Put, Track};
use crate::store::{self, Asker, Tx, files, library, metadata, rights, uploads};
use crate::{App, now_ms};

/// The last moment of the year 9999; later ones have no place in what clients print.
const LATEST_MS: i64 = 253_402_300_799_999;

/// A place in a user's own tree.
#[derive(Debug, Clone)]
pub enum Place {
    /// The user's root: what is in their home, and their libraries. What is written here goes to the home.
    Root,
    Item(Item),
}

/// A child of a place. `shown` is unique in its folder.
#[derive(Debug, Clone)]
pub struct Entry {
    pub item: Item,
    pub shown: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    pub used_bytes: u64,
    /// The user's quota; without one, what is used and what is free on the disk of the home.
    pub total_bytes: u64,
}

// Looking ------------------------------------------------------------------------------------------------------------

/// The folder that is the user's home; where all that is reached is one library, that one's.
pub fn home_root(tx: &mut Tx, user: &User) -> Result<Item> {
    let key = match user.within {
        Some(one) => one,
        None => library::home_of(tx, user.key)?.ok_or(Error::NotFound(Thing::Library))?.key,
    };
    library::root_item(tx, key)
}

/// The item, if the user may do this to it by their own rights.
pub(super) fn by_rights(tx: &mut Tx, user: &User, item: Item, action: Action) -> Result<Grant> {
    let placed = library::place(tx, item, &[])?;
    judge(tx, user, placed, action)
}

/// By rights and by locks.
fn judge(tx: &mut Tx, user: &User, placed: Placed, action: Action) -> Result<Grant> {
    let grant = allow(tx, user, placed, action)?;
    if action.writes() {
        locks::obey(tx, user, &grant)?;
    }
    Ok(grant)
}

/// What the user may change, whoever has locked it.
pub(super) fn lockable(tx: &mut Tx, user: &User, id: &str) -> Result<Grant> {
    let item = library::item_by_id(tx, id)?.ok_or(Error::NotFound(Thing::File))?;
    let placed = library::place(tx, item, &[])?;
    allow(tx, user, placed, Action::Update)
}

fn allow(tx: &mut Tx, user: &User, placed: Placed, action: Action) -> Result<Grant> {
    let visitor = Visitor::guest([127, 0, 0, 1].into(), "").with_user(user.clone());
    let bits = rights::in_library(tx, user, placed.item.library)?;
    authorize(Through::Library(bits), &visitor, placed, action, now_ms())
}

pub(super) fn by_id(tx: &mut Tx, user: &User, id: &str, action: Action) -> Result<Grant> {
    let item = library::item_by_id(tx, id)?.ok_or(Error::NotFound(Thing::File))?;
    by_rights(tx, user, item, action)
}

/// The folder of a place, if the user may do this to it.
pub(super) fn folder_of(tx: &mut Tx, user: &User, place: &Place, action: Action) -> Result<Grant> {
    let item = match place {
        Place::Root => home_root(tx, user)?,
        // As it is now, not as it was when the caller looked it up.
        Place::Item(item) => library::item(tx, item.key)?.ok_or(Error::NotFound(Thing::Folder))?,
    };
    let grant = by_rights(tx, user, item, action)?;
    if !grant.item().is_folder() {
        return Err(Error::NotFound(Thing::Folder));
    }
    Ok(grant)
}

/// Whether the user may put files there.
pub fn may_create_in(tx: &mut Tx, user: &User, place: &Place) -> bool {
    folder_of(tx, user, place, Action::Create).is_ok()
}

/// The libraries in the user's root, by the names that they have there.
pub(super) fn libraries_of(tx: &mut Tx, user: &User) -> Result<Vec<Entry>> {
    if user.within.is_some() {
        return Ok(Vec::new());
    }
    let scope = rights::scope(tx, user)?;
    let mut entries: Vec<Entry> = Vec::new();
    for library in library::reachable(tx, user.key)? {
        if !scope.libraries().contains(&library.key) || library.kind == LibraryKind::Home {
            continue;
        }
        let item = library::root_item(tx, library.key)?;
        let shown =
            unique_shown(item.shown.clone(), |name| Ok::<_, Error>(entries.iter().any(|entry| entry.shown == name)))?;
        entries.push(Entry { item, shown });
    }
    Ok(entries)
}

pub(super) fn names(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.shown.clone()).collect()
}

/// What something in the home is called in the user's root: libraries' names win, and a twin's number is free among the
/// home's own names as well.
pub(super) fn name_in_root(tx: &mut Tx, home: ItemKey, libraries: &[String], shown: &str) -> Result<String> {
    let is_library = |name: &str| libraries.iter().any(|library| library == name);
    if !is_library(shown) {
        return Ok(shown.to_owned());
    }
    unique_shown(shown.to_owned(), |name| Ok(is_library(name) || library::child_shown(tx, home, name)?.is_some()))
}

/// The folder whose content is the user's root, beside the libraries.
fn own_root(tx: &mut Tx, user: &User) -> Result<Option<ItemKey>> {
    let own = match user.within {
        Some(one) => Some(one),
        None => library::home_of(tx, user.key)?.map(|home| home.key),
    };
    let Some(own) = own else { return Ok(None) };
    let root = library::root_item(tx, own)?;
    Ok(Some(by_rights(tx, user, root, Action::List)?.item().key))
}

fn in_root(tx: &mut Tx, user: &User) -> Result<Vec<Entry>> {
    let mut entries = libraries_of(tx, user)?;
    if let Some(root) = own_root(tx, user)? {
        let libraries = names(&entries);
        for item in library::children(tx, root)? {
            let shown = name_in_root(tx, root, &libraries, &item.shown)?;
            entries.push(Entry { item, shown });
        }
    }
    entries.sort_by_cached_key(|entry| (!entry.item.is_folder(), sort_key(&entry.shown)));
    Ok(entries)
}

/// How much is in the user's root.
pub fn count_in_root(tx: &mut Tx, user: &User) -> Result<u64> {
    let own = own_root(tx, user)?.map_or(Ok(0), |root| library::child_count(tx, root))?;
    Ok(libraries_of(tx, user)?.len() as u64 + own)
}

/// What is in a folder of the user's tree: folders first, by name.
pub fn children_of(tx: &mut Tx, user: &User, place: &Place) -> Result<Vec<Entry>> {
    match place {
        Place::Root => in_root(tx, user),
        Place::Item(_) => {
            let folder = folder_of(tx, user, place, Action::List)?;
            if is_home_root(&folder, user) {
                return in_root(tx, user);
            }
            let children = library::children(tx, folder.item().key)?;
            Ok(children.into_iter().map(|item| Entry { shown: item.shown.clone(), item }).collect())
        }
    }
}

pub(super) fn is_home_root(grant: &Grant, user: &User) -> bool {
    let library = grant.library();
    let is_own = library.kind == LibraryKind::Home && library.owner == Some(user.key);
    grant.path().is_empty() && (is_own || user.within == Some(library.key))
}

/// What lies at a path of shown names from the user's root.
pub fn by_path(tx: &mut Tx, user: &User, path: &[String]) -> Result<Place> {
    let Some((first, rest)) = path.split_first() else { return Ok(Place::Root) };
    let gone = || Error::NotFound(Thing::File);
    let mut item = top_named(tx, user, first)?.ok_or_else(gone)?;
    for name in rest {
        item = library::child_shown(tx, item.key, name)?.ok_or_else(gone)?;
    }
    let grant = by_rights(tx, user, item, Action::See)?;
    Ok(Place::Item(grant.item().clone()))
}

fn top_named(tx: &mut Tx, user: &User, name: &str) -> Result<Option<Item>> {
    let libraries = libraries_of(tx, user)?;
    if let Some(entry) = libraries.iter().find(|entry| entry.shown == name) {
        return Ok(Some(entry.item.clone()));
    }
    let root = match home_root(tx, user) {
        Err(Error::NotFound(Thing::Library)) => return Ok(None),
        root => root?,
    };
    if let Some(item) = library::child_shown(tx, root.key, name)? {
        return Ok(Some(item));
    }
    // A twin's numbered name stands in no row. Without twins the whole root need not be listed for a name that is new.
    for library in &libraries {
        if library::child_shown(tx, root.key, &library.shown)?.is_some() {
            return Ok(in_root(tx, user)?.into_iter().find(|entry| entry.shown == name).map(|entry| entry.item));
        }
    }
    Ok(None)
}

/// Shown names from the user's root to an item; none for the root itself.
pub fn path_of(tx: &mut Tx, user: &User, item: &Item) -> Result<Vec<String>> {
    let grant = by_rights(tx, user, item.clone(), Action::See)?;
    let mut path = Vec::new();
    let mut at = grant.item().clone();
    while let Some(parent) = at.parent {
        let above = library::item(tx, parent)?.ok_or(Error::NotFound(Thing::Folder))?;
        path.push(std::mem::replace(&mut at, above));
    }
    let top = if grant.library().kind == LibraryKind::Home { path.pop() } else { Some(at) };
    let Some(top) = top else { return Ok(Vec::new()) };
    let libraries = libraries_of(tx, user)?;
    let is_twin = libraries.iter().any(|entry| entry.shown == top.shown);
    let first = if top.parent.is_some() && !is_twin {
        top.shown
    } else {
        let entries = if is_twin { in_root(tx, user)? } else { libraries };
        entries.into_iter().find(|entry| entry.item.key == top.key).ok_or(Error::NotFound(Thing::File))?.shown
    };
    Ok(std::iter::once(first).chain(path.into_iter().rev().map(|item| item.shown)).collect())
}

/// The folder of an item, as the user sees it: what lies in their home or is a library lies in their root.
pub fn parent_of(tx: &mut Tx, user: &User, item: &Item) -> Result<Place> {
    let grant = by_rights(tx, user, item.clone(), Action::See)?;
    let Some(parent) = grant.item().parent else { return Ok(Place::Root) };
    let lies_in_root = grant.library().kind == LibraryKind::Home || user.within == Some(grant.library().key);
    if lies_in_root && grant.path().len() == 1 {
        return Ok(Place::Root);
    }
    Ok(Place::Item(library::item(tx, parent)?.ok_or(Error::NotFound(Thing::Folder))?))
}

/// How much the user's home holds, and how much it may.
pub fn usage(tx: &mut Tx, user: &User) -> Result<Usage> {
    let home = library::home_of(tx, user.key)?.ok_or(Error::NotFound(Thing::Library))?;
    let used_bytes = files::used_bytes(tx, home.key)?;
    let total_bytes = match user.quota_bytes {
        Some(quota_bytes) => quota_bytes,
        None => used_bytes.saturating_add(open(&home).and_then(|root| root.free_bytes()).unwrap_or(0)),
    };
    Ok(Usage { used_bytes, total_bytes })
}

/// What may still be written to a library by this user: only homes have a quota. `except` is an upload that is judged now.
pub(super) fn room_bytes(tx: &mut Tx, user: &User, library: &Library, except: &str) -> Result<Option<u64>> {
    let Some(quota_bytes) = user.quota_bytes.filter(|_| library.kind == LibraryKind::Home) else { return Ok(None) };
    let used =
        files::used_bytes(tx, library.key)?.saturating_add(uploads::reserved_bytes(tx, library.key, except, now_ms())?);
    Ok(Some(quota_bytes.saturating_sub(used)))
}

// On the disk --------------------------------------------------------------------------------------------------------

/// Refuses what cannot be a file's name here. Hidden files are not served, so none are made.
pub(super) fn check_name(name: &str) -> Result<()> {
    let why = match name {
        "" => "it is empty",
        "." | ".." => "it is not a name",
        _ if name.len() > 255 => "it is longer than 255 bytes",
        _ if name.contains('/') => "it holds a slash",
        _ if name.chars().any(char::is_control) => "it holds control characters",
        _ if is_left_out(name.as_bytes()) => "files of that name are not served",
        _ => return Ok(()),
    };
    Err(Error::invalid("name", why))
}

pub(super) fn check_time(modified_ms: i64) -> Result<()> {
    match (0..=LATEST_MS).contains(&modified_ms) {
        true => Ok(()),
        false => Err(Error::invalid("modified", "it lies outside the years 1970 to 9999")),
    }
}

pub(super) fn open(library: &Library) -> Result<Root> {
    let opened = match &library.only {
        Some(name) => Root::open_one(&library.root.join(OsStr::from_bytes(name))),
        None => Root::open(&library.root),
    };
    opened.map_err(|cause| match cause {
        Error::NotFound(_) => Error::NotFound(Thing::Library),
        other => other,
    })
}

/// Runs to its end whether or not the caller still waits: a request that is dropped must not stop between disk and rows.
pub(super) async fn to_the_end<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let work = Asker::current().about(work);
    tokio::spawn(work).await.unwrap_or_else(|cause| Err(Error::internal("file work", cause)))
}

fn stamp_of(stat: &Stat) -> Stamp {
    Stamp {
        kind: if stat.kind == Kind::Folder { ItemKind::Folder } else { ItemKind::File },
        size_bytes: stat.size_bytes,
        modified_ns: stat.modified_ns,
        device: stat.device.cast_signed(),
        inode: stat.inode.cast_signed(),
        birth_ns: stat.birth_ns,
    }
}

/// What is at a path now, as the rows are to say it.
#[derive(Debug)]
pub(super) struct Found {
    pub name: Vec<u8>,
    pub stamp: Stamp,
    pub track: Track,
}

/// Looks at what was just written, its tags included.
pub(super) fn look(root: &Root, path: &[Vec<u8>]) -> Result<Found> {
    let name = path.last().cloned().unwrap_or_default();
    let stamp = stamp_of(&root.stat(path)?);
    let is_audio = stamp.kind == ItemKind::File && tags::media_of(&name) == Media::Audio;
    let track = match is_audio {
        true => Track::Facts(Box::new(tags::read(root.open_file(path)?, &name).0)),
        false => Track::None,
    };
    Ok(Found { name, stamp, track })
}

impl Found {
    /// Its row in a folder: the one that stands there already, or a new one. A scan may have seen it before us.
    pub(super) fn store(self, tx: &mut Tx, library: LibraryKey, folder: ItemKey) -> Result<Item> {
        let fate = match library::child_named(tx, folder, &self.name)?.filter(|item| item.kind == self.stamp.kind) {
            Some(item) if files::stamp(tx, item.key)? == self.stamp => return Ok(item),
            Some(item) => Fate::Stays { key: item.key, content: Content::Changed },
            None => Fate::Added,
        };
        files::put(tx, library, files::change(folder, self.name, self.stamp, fate, self.track), now_ms())
    }
}

/// The rows of what the disk has already. When they fail, a scan is asked to bring them in line.
pub(super) async fn store_rows<T: Send + 'static>(
    app: &App,
    library: LibraryKey,
    rows: impl FnOnce(&mut Tx) -> Result<T> + Send + 'static,
) -> Result<T> {
    let stored = app.db.write(rows).await;
    if stored.is_err() {
        app.scanner.request(library);
    }
    stored
}

/// Brings albums up to date in short steps. What is left undone stands in the rows, and the next scan does it.
pub(super) async fn refresh_albums(app: &App, library: LibraryKey) -> Result<()> {
    while app.db.write(move |tx| files::refresh_albums(tx, library, now_ms())).await? == Left::More {}
    Ok(())
}

fn below(folder: &Grant, name: &[u8]) -> Vec<Vec<u8>> {
    let mut path = folder.path().to_vec();
    path.push(name.to_vec());
    path
}

/// Whether something is shown by that name already: a file whose name differs in its bytes only would confuse everybody.
pub(super) fn refuse_taken(tx: &mut Tx, folder: ItemKey, name: &str, except: Option<ItemKey>) -> Result<()> {
    match library::child_shown(tx, folder, name)? {
        Some(item) if Some(item.key) != except => Err(Error::Exists(name.to_owned())),
        _ => Ok(()),
    }
}

// Making -------------------------------------------------------------------------------------------------------------

/// `Exists`, `Invalid`, `NotFound`, `Forbidden`.
pub async fn create_folder(app: &Arc<App>, user: &User, into: &Place, name: &str) -> Result<Item> {
    create(app, user, into, name, ItemKind::Folder).await
}

/// The folder at a path of names below a place; what is missing of it is made. Errors as of [`create_folder`].
pub async fn make_path(app: &Arc<App>, user: &User, into: Place, names: &[String]) -> Result<Place> {
    let mut at = into;
    for name in names {
        check_name(name)?;
        at = match folder_named(app, user, &at, name).await? {
            Some(folder) => Place::Item(folder),
            None => match create_folder(app, user, &at, name).await {
                // Files of one folder come several at once.
                Err(Error::Exists(_)) => match adopt(app, user, &at, name).await? {
                    folder if folder.is_folder() => Place::Item(folder),
                    file => return Err(Error::Exists(file.shown)),
                },
                made => Place::Item(made?),
            },
        };
    }
    Ok(at)
}

/// What somebody just made under a name, whose row may not be there yet.
pub(super) async fn adopt(app: &App, user: &User, at: &Place, name: &str) -> Result<Item> {
    let (user, at) = (user.clone(), at.clone());
    let parent = app.db.read(move |tx| folder_of(tx, &user, &at, Action::Create)).await?;
    let (library, key, path) = (parent.library().clone(), parent.item().key, below(&parent, name.as_bytes()));
    let library_key = library.key;
    let found = on_disk(move || look(&open(&library)?, &path)).await?;
    store_rows(app, library_key, move |tx| found.store(tx, library_key, key)).await
}

async fn folder_named(app: &App, user: &User, at: &Place, name: &str) -> Result<Option<Item>> {
    let (user, at, name) = (user.clone(), at.clone(), name.to_owned());
    let find = move |tx: &mut Tx| {
        let folder = folder_of(tx, &user, &at, Action::Create)?;
        Ok(library::child_shown(tx, folder.item().key, &name)?.filter(Item::is_folder))
    };
    app.db.read(find).await
}

/// An empty file. Errors as of [`create_folder`].
pub async fn create_file(app: &Arc<App>, user: &User, into: &Place, name: &str) -> Result<Item> {
    create(app, user, into, name, ItemKind::File).await
}

async fn create(app: &Arc<App>, user: &User, into: &Place, name: &str, kind: ItemKind) -> Result<Item> {
    check_name(name)?;
    let (app, user, into, name) = (app.clone(), user.clone(), into.clone(), name.to_owned());
    to_the_end(async move {
        let wanted = name.clone();
        let folder = app
            .db
            .read(move |tx| {
                let folder = folder_of(tx, &user, &into, Action::Create)?;
                refuse_taken(tx, folder.item().key, &wanted, None)?;
                if kind == ItemKind::File {
                    policies::check(tx, &user, folder.library(), folder.item().key, &wanted, 0)?;
                }
                Ok(folder)
            })
            .await?;
        let (library, key, path) = (folder.library().clone(), folder.item().key, below(&folder, name.as_bytes()));
        let library_key = library.key;
        let found = on_disk(move || {
            let root = open(&library)?;
            match kind {
                ItemKind::Folder => root.create_folder(&path)?,
                ItemKind::File => root.commit(root.create_temporary(0)?, &path, Existing::Refuse)?,
            }
            look(&root, &path)
        })
        .await?;
        store_rows(&app, library_key, move |tx| found.store(tx, library_key, key)).await
    })
    .await
}

/// Sets the time of the last change.
pub async fn set_modified(app: &Arc<App>, user: &User, item_id: &str, modified_ms: i64) -> Result<Item> {
    check_time(modified_ms)?;
    let (app, user, id) = (app.clone(), user.clone(), item_id.to_owned());
    to_the_end(async move {
        let grant = app.db.read(move |tx| by_id(tx, &user, &id, Action::Update)).await?;
        let parent = not_a_root(&grant)?;
        let (library, path, key) = (grant.library().clone(), grant.path().to_vec(), grant.item().key);
        let library_key = library.key;
        let stamp = on_disk(move || {
            let root = open(&library)?;
            root.set_modified(&path, modified_ms)?;
            Ok(stamp_of(&root.stat(&path)?))
        })
        .await?;
        let name = grant.item().name.clone();
        app.db
            .write(move |tx| {
                let fate = Fate::Stays { key, content: Content::Same };
                files::put(tx, library_key, files::change(parent, name, stamp, fate, Track::Unchanged), now_ms())
            })
            .await
    })
    .await
}

/// The folder of an item; the root of a library cannot be renamed, moved, copied onto or deleted.
pub(super) fn not_a_root(grant: &Grant) -> Result<ItemKey> {
    let is_only = grant.library().only.is_some() && grant.path().len() <= 1;
    grant.item().parent.filter(|_| !is_only).ok_or(Error::Forbidden("the root of a library stays as it is"))
}

// Moving -------------------------------------------------------------------------------------------------------------

pub async fn rename(app: &Arc<App>, user: &User, item_id: &str, name: &str) -> Result<Item> {
    check_name(name)?;
    let (app, user, id, name) = (app.clone(), user.clone(), item_id.to_owned(), name.to_owned());
    to_the_end(async move {
        let wanted = name.clone();
        let (grant, parent) = app
            .db
            .read(move |tx| {
                let grant = by_id(tx, &user, &id, Action::Relocate)?;
                let parent = not_a_root(&grant)?;
                locks::obey_leaving(tx, &user, &grant)?;
                refuse_taken(tx, parent, &wanted, Some(grant.item().key))?;
                if !grant.item().is_folder() {
                    policies::check(tx, &user, grant.library(), grant.item().key, &wanted, 0)?;
                }
                Ok((grant, parent))
            })
            .await?;
        if grant.item().name == name.as_bytes() {
            return Ok(grant.item().clone());
        }
        let mut to = grant.path().to_vec();
        if let Some(last) = to.last_mut() {
            *last = name.into_bytes();
        }
        relocate(&app, &grant, parent, to).await
    })
    .await
}

/// Within one library: the rename on the disk, and the same item at its new place.
async fn relocate(app: &App, grant: &Grant, parent: ItemKey, to: Vec<Vec<u8>>) -> Result<Item> {
    let (library, from, key) = (grant.library().clone(), grant.path().to_vec(), grant.item().key);
    let library_key = library.key;
    let found = on_disk(move || {
        let root = open(&library)?;
        root.rename(&from, &to)?;
        look(&root, &to)
    })
    .await?;
    let item = store_rows(app, library_key, move |tx| {
        store::locks::remove_below(tx, key)?;
        // A name may make another kind of file of it.
        let fate = Fate::Placed { key, content: Content::Same };
        files::put(tx, library_key, files::change(parent, found.name, found.stamp, fate, found.track), now_ms())
    })
    .await?;
    refresh_albums(app, library_key).await?;
    Ok(item)
}

/// The source and the target of a move or copy, both judged. `name` is the new one; without it the old one stays.
fn from_to(
    tx: &mut Tx,
    user: &User,
    id: &str,
    into: &Place,
    name: Option<&str>,
    how: Transplant,
) -> Result<(Grant, Grant)> {
    let action = match how {
        Transplant::Copy => Action::Download,
        Transplant::Move => Action::Relocate,
    };
    let from = by_id(tx, user, id, action)?;
    not_a_root(&from)?;
    if how == Transplant::Move {
        locks::obey_leaving(tx, user, &from)?;
    }
    let to = folder_of(tx, user, into, Action::Create)?;
    let mut above = Some(to.item().clone());
    while let Some(folder) = above {
        if folder.key == from.item().key {
            return Err(Error::invalid("target", "it lies inside the folder itself"));
        }
        above = folder.parent.map(|parent| library::item(tx, parent)).transpose()?.flatten();
    }
    let stays = how == Transplant::Move && from.item().parent == Some(to.item().key);
    match name {
        None if stays => {}
        name => {
            let except = stays.then_some(from.item().key);
            refuse_taken(tx, to.item().key, name.unwrap_or(&from.item().shown), except)?;
        }
    }
    let leaves = from.library().key != to.library().key;
    let new = name.unwrap_or(&from.item().shown);
    match how {
        Transplant::Move if !leaves => policies::check_moved(tx, user, &from, &to, new)?,
        _ => policies::check_brought(tx, user, from.item(), &to, new)?,
    }
    if leaves && how == Transplant::Move {
        by_rights(tx, user, from.item().clone(), Action::Delete)?;
    }
    if (leaves || how == Transplant::Copy)
        && let Some(room) = room_bytes(tx, user, to.library(), "")?
        && library::totals(tx, from.item().key)?.size_bytes > room
    {
        return Err(Error::NoSpace);
    }
    Ok((from, to))
}

/// Into another folder. Within one library the file is renamed; into another it is copied, then removed here. The item stays
/// the same item, also to those who hold a share of it.
pub async fn move_into(app: &Arc<App>, user: &User, item_id: &str, into: &Place) -> Result<Item> {
    move_to(app, user, item_id, into, None).await
}

/// The same under another name.
pub async fn move_as(app: &Arc<App>, user: &User, item_id: &str, into: &Place, name: &str) -> Result<Item> {
    check_name(name)?;
    move_to(app, user, item_id, into, Some(name.to_owned())).await
}

async fn move_to(app: &Arc<App>, user: &User, item_id: &str, into: &Place, name: Option<String>) -> Result<Item> {
    let (app, user, id, into) = (app.clone(), user.clone(), item_id.to_owned(), into.clone());
    to_the_end(async move {
        let new = name.clone();
        let (from, to) =
            app.db.read(move |tx| from_to(tx, &user, &id, &into, new.as_deref(), Transplant::Move)).await?;
        let name = name.map_or_else(|| from.item().name.clone(), String::into_bytes);
        if from.item().parent == Some(to.item().key) && from.item().name == name {
            return Ok(from.item().clone());
        }
        if from.library().key == to.library().key {
            let path = below(&to, &name);
            match relocate(&app, &from, to.item().key, path).await {
                // Another disk is mounted inside the library.
                Err(Error::Unsupported(_)) => {}
                other => return other,
            }
        }
        transplant(&app, &from, &to, &name, Transplant::Move).await
    })
    .await
}

/// A copy in another folder, of all that is served of it.
pub async fn copy_into(app: &Arc<App>, user: &User, item_id: &str, into: &Place) -> Result<Item> {
    copy_to(app, user, item_id, into, None).await
}

/// The same under another name.
pub async fn copy_as(app: &Arc<App>, user: &User, item_id: &str, into: &Place, name: &str) -> Result<Item> {
    check_name(name)?;
    copy_to(app, user, item_id, into, Some(name.to_owned())).await
}

async fn copy_to(app: &Arc<App>, user: &User, item_id: &str, into: &Place, name: Option<String>) -> Result<Item> {
    let (app, user, id, into) = (app.clone(), user.clone(), item_id.to_owned(), into.clone());
    to_the_end(async move {
        let new = name.clone();
        let (from, to) =
            app.db.read(move |tx| from_to(tx, &user, &id, &into, new.as_deref(), Transplant::Copy)).await?;
        let name = name.map_or_else(|| from.item().name.clone(), String::into_bytes);
        transplant(&app, &from, &to, &name, Transplant::Copy).await
    })
    .await
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transplant {
    Copy,
    /// Hidden files go along.
    Move,
}

struct Copied {
    /// Number of its folder among what was copied; of the first, itself.
    parent: usize,
    /// Names below the first.
    path: Vec<Vec<u8>>,
    found: Found,
}

async fn transplant(app: &App, from: &Grant, to: &Grant, name: &[u8], how: Transplant) -> Result<Item> {
    let (source, source_path) = (from.library().clone(), from.path().to_vec());
    let (target, target_path) = (to.library().clone(), below(to, name));
    let (key, folder, library_key, source_key) = (from.item().key, to.item().key, target.key, source.key);
    let remove = (source.clone(), source_path.clone());
    let copied = on_disk(move || {
        let (source, target) = (open(&source)?, open(&target)?);
        copy_tree(&source, &source_path, &target, &target_path, how)
    })
    .await?;
    let item = store_rows(app, library_key, move |tx| {
        let mut known: HashMap<Vec<Vec<u8>>, ItemKey> = HashMap::new();
        let noted = if how == Transplant::Copy { metadata::below(tx, key)? } else { Vec::new() };
        if how == Transplant::Move || !noted.is_empty() {
            known = keys_below(tx, key)?;
        }
        if how == Transplant::Move {
            store::locks::remove_below(tx, key)?;
            files::change_library(tx, key, library_key, now_ms())?;
        }
        let (mut puts, mut originals) = (Vec::with_capacity(copied.len()), Vec::new());
        for (at, Copied { parent, path, found }) in copied.into_iter().enumerate() {
            if path.iter().any(|name| is_left_out(name)) {
                continue;
            }
            let fate = match (known.get(&path), how) {
                (Some(key), Transplant::Move) => Fate::Placed { key: *key, content: Content::Same },
                _ => Fate::Added,
            };
            originals.extend(known.get(&path).filter(|key| noted.contains(key)).map(|key| (at, *key)));
            let change = files::change(folder, found.name, found.stamp, fate, found.track);
            let lies_in = if at == 0 { Folder::Known(folder) } else { Folder::At(parent) };
            puts.push(Put { at, folder: lies_in, ..change });
        }
        let keys = files::put_all(tx, library_key, puts, now_ms())?;
        for (at, original) in originals {
            keys.get(&at).map_or(Ok(()), |copy| metadata::copy(tx, original, *copy))?;
        }
        let key = keys.get(&0).copied().ok_or_else(|| Error::internal("copy", "nothing was stored"))?;
        library::item(tx, key)?.ok_or(Error::NotFound(Thing::File))
    })
    .await?;
    if how == Transplant::Move {
        // Last, so that whatever fails before leaves the files at one of both places; what stays here, a scan finds again.
        on_disk(move || open(&remove.0)?.remove(&remove.1)).await?;
        refresh_albums(app, source_key).await?;
    }
    refresh_albums(app, library_key).await?;
    Ok(item)
}

/// Keys of an item and all below it that is there, by their path below it.
fn keys_below(tx: &mut Tx, top: ItemKey) -> Result<HashMap<Vec<Vec<u8>>, ItemKey>> {
    let mut keys = HashMap::from([(Vec::new(), top)]);
    let mut folders = vec![(Vec::new(), top)];
    while let Some((path, folder)) = folders.pop() {
        for child in library::children(tx, folder)? {
            let mut path: Vec<Vec<u8>> = path.clone();
            path.push(child.name.clone());
            keys.insert(path.clone(), child.key);
            if child.is_folder() {
                folders.push((path, child.key));
            }
        }
    }
    Ok(keys)
}

/// Copies a file or folder to a new path. On an error nothing of the copy stays.
fn copy_tree(source: &Root, from: &[Vec<u8>], target: &Root, to: &[Vec<u8>], how: Transplant) -> Result<Vec<Copied>> {
    let stat = source.stat(from)?;
    if stat.kind == Kind::File {
        let found = copy_file(source, from, target, to, &stat)?;
        return Ok(vec![Copied { parent: 0, path: Vec::new(), found }]);
    }
    target.create_folder(to)?;
    let copied = copy_folder(source, from, target, to, how);
    if copied.is_err() {
        // What cannot be taken back is found by the next scan, like any file.
        let _ = target.remove(to);
    }
    copied
}

fn copy_folder(source: &Root, from: &[Vec<u8>], target: &Root, to: &[Vec<u8>], how: Transplant) -> Result<Vec<Copied>> {
    let mut copied = vec![Copied { parent: 0, path: Vec::new(), found: look(target, to)? }];
    let mut next = 0;
    while next < copied.len() {
        let folder = copied[next].path.clone();
        if copied[next].found.stamp.kind == ItemKind::Folder {
            let inside: Vec<Vec<u8>> = [from, &folder].concat();
            for (name, stat) in source.list(&inside)? {
                if how == Transplant::Copy && is_left_out(&name) {
                    continue;
                }
                let path: Vec<Vec<u8>> = [folder.as_slice(), &[name]].concat();
                let (old, new) = ([from, &path].concat(), [to, &path].concat());
                let found = match stat.kind {
                    Kind::File => copy_file(source, &old, target, &new, &stat)?,
                    Kind::Folder => {
                        target.create_folder(&new)?;
                        look(target, &new)?
                    }
                };
                copied.push(Copied { parent: next, path, found });
            }
        }
        next += 1;
    }
    // Filling a folder changed its time.
    for entry in &mut copied {
        if entry.found.stamp.kind == ItemKind::Folder {
            entry.found.stamp = stamp_of(&target.stat(&[to, &entry.path].concat())?);
        }
    }
    Ok(copied)
}

fn copy_file(source: &Root, from: &[Vec<u8>], target: &Root, to: &[Vec<u8>], stat: &Stat) -> Result<Found> {
    let mut reader = source.open_file(from)?;
    let temporary = target.create_temporary(stat.size_bytes)?;
    std::io::copy(&mut reader, &mut temporary.file())?;
    set_file_modified(temporary.file(), stat.modified_ms)?;
    target.commit(temporary, to, Existing::Refuse)?;
    look(target, to)
}

// Throwing away ------------------------------------------------------------------------------------------------------

/// Hides an item and all in it; [`restore`] brings it back.
pub async fn trash(app: &Arc<App>, user: &User, item_id: &str) -> Result<()> {
    let (app, user, id) = (app.clone(), user.clone(), item_id.to_owned());
    to_the_end(async move {
        let grant = app.db.read(move |tx| by_id(tx, &user, &id, Action::Delete)).await?;
        not_a_root(&grant)?;
        let (library, path, id) = (grant.library().clone(), grant.path().to_vec(), grant.item().id.clone());
        let (library_key, key) = (library.key, grant.item().key);
        // When the rows fail now, `sweep` finds the file in the trash and hides its row at the next start.
        on_disk(move || open(&library)?.trash(&path, &id)).await?;
        store_rows(&app, library_key, move |tx| files::trash(tx, key, library_key, now_ms())).await?;
        refresh_albums(&app, library_key).await
    })
    .await
}

/// What the user put in the trash and could restore, the last first in each library.
pub fn trashed(tx: &mut Tx, user: &User) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for library in with_trash(tx, user)? {
        items.extend(files::trashed(tx, library)?);
    }
    Ok(items)
}

/// How much that is.
pub fn count_trashed(tx: &mut Tx, user: &User) -> Result<u64> {
    let mut count = 0;
    for library in with_trash(tx, user)? {
        count += files::count_trashed(tx, library)?;
    }
    Ok(count)
}

fn with_trash(tx: &mut Tx, user: &User) -> Result<Vec<LibraryKey>> {
    let may_restore = |bits: &Bits| bits.has(Bits::READ.and(Bits::DELETE));
    let of_user = rights::of_user(tx, user)?;
    Ok(of_user.into_iter().filter(|(_, bits)| may_restore(bits)).map(|(library, _)| library).collect())
}

/// Something in the trash, if the user may delete there, and the folder it lay in.
fn in_trash(tx: &mut Tx, user: &User, id: &str) -> Result<(Grant, String)> {
    let (item, from) = files::trashed_by_id(tx, id)?.ok_or(Error::NotFound(Thing::File))?;
    let root = library::root_item(tx, item.library)?;
    let chain = vec![item.key, root.key];
    // Its place is what it is judged by: its library's root, whose rights hold in all of it.
    let placed = Placed { item, chain, ..library::place(tx, root, &[])? };
    Ok((judge(tx, user, placed, Action::Delete)?, from))
}

/// Whether it is in the trash and the user could restore it.
pub fn is_in_trash(tx: &mut Tx, user: &User, id: &str) -> Result<bool> {
    match in_trash(tx, user, id) {
        Ok(_) => Ok(true),
        Err(Error::NotFound(_) | Error::Forbidden(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Back to where it lay, or to the root of its library when that is gone; with a number where its name is taken.
pub async fn restore(app: &Arc<App>, user: &User, item_id: &str) -> Result<Item> {
    let (app, user, id) = (app.clone(), user.clone(), item_id.to_owned());
    to_the_end(async move {
        let (item, folder) = app
            .db
            .read(move |tx| {
                let (grant, from) = in_trash(tx, &user, &id)?;
                let here = |folder: &Item| folder.library == grant.item().library && folder.is_folder();
                let before = library::item_by_id(tx, &from)?.filter(here);
                let before = before.and_then(|folder| library::place(tx, folder, &[]).ok());
                let root = library::root_item(tx, grant.item().library)?;
                let folder = before.map_or(root, |placed| placed.item);
                let folder = by_rights(tx, &user, folder, Action::Create)?;
                Ok((grant.item().clone(), folder))
            })
            .await?;
        let (library, at, key) = (folder.library().clone(), folder.path().to_vec(), item.key);
        let (library_key, parent) = (library.key, folder.item().key);
        let found = on_disk(move || {
            let root = open(&library)?;
            let path = with_free_name(&at, &item.name, |path| root.restore(&item.id, path))?;
            look(&root, &path)
        })
        .await?;
        let item = store_rows(&app, library_key, move |tx| {
            let fate = Fate::Placed { key, content: Content::Same };
            files::put(tx, library_key, files::change(parent, found.name, found.stamp, fate, found.track), now_ms())?;
            files::untrash(tx, key, library_key, now_ms())?;
            library::item(tx, key)?.ok_or(Error::NotFound(Thing::File))
        })
        .await?;
        refresh_albums(&app, library_key).await?;
        Ok(item)
    })
    .await
}

/// Tries a name, then the same with a number before its ending, until one is free; tells the path that was.
pub(super) fn with_free_name(
    folder: &[Vec<u8>],
    name: &[u8],
    mut attempt: impl FnMut(&[Vec<u8>]) -> Result<()>,
) -> Result<Vec<Vec<u8>>> {
    const MOST_TRIES: u32 = 10_000;
    for count in 1..=MOST_TRIES {
        let path = [folder, &[numbered(name, count)]].concat();
        match attempt(&path) {
            Ok(()) => return Ok(path),
            Err(Error::Exists(_)) => {}
            Err(other) => return Err(other),
        }
    }
    Err(Error::Exists(String::from_utf8_lossy(name).into_owned()))
}

/// A name as it is, then the same with a number before its ending.
pub(super) fn numbered(name: &[u8], count: u32) -> Vec<u8> {
    if count <= 1 {
        return name.to_vec();
    }
    let dot = name.iter().rposition(|b| *b == b'.').filter(|dot| *dot > 0).unwrap_or(name.len());
    let (stem, ending) = name.split_at(dot);
    let number = format!(" ({count})");
    // A name of full length gives way to its number; text is not cut inside a character.
    let most = 255usize.saturating_sub(number.len() + ending.len()).min(stem.len());
    let cut = match std::str::from_utf8(stem) {
        Ok(text) => text.floor_char_boundary(most),
        Err(_) => most,
    };
    [&stem[..cut], number.as_bytes(), ending].concat()
}

/// Final. For an item in the trash, or one that is not.
pub async fn purge(app: &Arc<App>, user: &User, item_id: &str) -> Result<()> {
    let (asked, id) = (user.clone(), item_id.to_owned());
    let is_there = app
        .db
        .read(move |tx| Ok(library::item_by_id(tx, &id)?.is_some() && by_id(tx, &asked, &id, Action::Delete).is_ok()));
    if is_there.await? {
        // By way of the trash: gone from every view at once, however long the disk takes.
        trash(app, user, item_id).await?;
    }
    let (app, user, id) = (app.clone(), user.clone(), item_id.to_owned());
    to_the_end(async move {
        let (library, item) = app
            .db
            .read(move |tx| {
                let grant = match in_trash(tx, &user, &id) {
                    Err(Error::NotFound(_)) => by_id(tx, &user, &id, Action::Delete)?,
                    other => other?.0,
                };
                Ok((grant.library().clone(), grant.item().clone()))
            })
            .await?;
        let (library_key, key) = (library.key, item.key);
        versions::clear_below(&app, key).await?;
        on_disk(move || open(&library)?.purge(&item.id)).await?;
        app.db.write(move |tx| files::forget(tx, key, library_key, now_ms())).await?;
        refresh_albums(&app, library_key).await
    })
    .await
}

/// After a start: what a crash left between disk and rows of the trash. What lies there and is not hidden is hidden;
/// what lies there and no row knows is removed.
pub(super) async fn mend_trash(app: &Arc<App>, library: &Library) -> Result<()> {
    let (there, key) = (library.clone(), library.key);
    for id in on_disk(move || open(&there)?.in_trash()).await? {
        let name = id.clone();
        let is_known = app
            .db
            .write(move |tx| match files::fate(tx, &name)? {
                Some((_, true)) => Ok(true),
                Some((item, false)) => files::trash(tx, item, key, now_ms()).map(|()| true),
                None => Ok(false),
            })
            .await?;
        if !is_known {
            let library = library.clone();
            on_disk(move || open(&library)?.purge(&id)).await?;
        }
    }
    Ok(())
}
