//! What a user sees as theirs, and what they may do there: one root, the content of their home and beside it the libraries
//! that they may read.

use super::{Entry, Place, Usage};
use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::library::names::{sort_key, unique_shown};
use crate::library::{Item, ItemKey, Library, LibraryKind};
use crate::now_ms;
use crate::share::grant::{Action, Grant, Placed, Through, authorize};
use crate::share::visit::Visitor;
use crate::store::{Tx, files, library, rights, uploads};
use crate::work::locks;
use crate::work::roots::open;

/// The folder that is the user's home; where all that is reached is one library, that one's.
pub fn home_root(tx: &mut Tx, user: &User) -> Result<Item> {
    let key = match user.within {
        Some(one) => one,
        None => library::home_of(tx, user.key)?.ok_or(Error::NotFound(Thing::Library))?.key,
    };
    library::root_item(tx, key)
}

/// The item, if the user may do this to it by their own rights.
pub(in crate::work) fn by_rights(tx: &mut Tx, user: &User, item: Item, action: Action) -> Result<Grant> {
    let placed = library::place(tx, item, &[])?;
    judge(tx, user, placed, action)
}

/// By rights and by locks.
pub(super) fn judge(tx: &mut Tx, user: &User, placed: Placed, action: Action) -> Result<Grant> {
    let grant = allow(tx, user, placed, action)?;
    if action.writes() {
        locks::obey(tx, user, &grant)?;
    }
    Ok(grant)
}

/// What the user may change, whoever has locked it.
pub(in crate::work) fn lockable(tx: &mut Tx, user: &User, id: &str) -> Result<Grant> {
    let item = library::item_by_id(tx, id)?.ok_or(Error::NotFound(Thing::File))?;
    let placed = library::place(tx, item, &[])?;
    allow(tx, user, placed, Action::Update)
}

fn allow(tx: &mut Tx, user: &User, placed: Placed, action: Action) -> Result<Grant> {
    let visitor = Visitor::guest([127, 0, 0, 1].into(), "").with_user(user.clone());
    let bits = rights::in_library(tx, user, placed.item.library)?;
    authorize(Through::Library(bits), &visitor, placed, action, now_ms())
}

pub(in crate::work) fn by_id(tx: &mut Tx, user: &User, id: &str, action: Action) -> Result<Grant> {
    let item = library::item_by_id(tx, id)?.ok_or(Error::NotFound(Thing::File))?;
    by_rights(tx, user, item, action)
}

/// The folder of a place, if the user may do this to it.
pub(in crate::work) fn folder_of(tx: &mut Tx, user: &User, place: &Place, action: Action) -> Result<Grant> {
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
pub(in crate::work) fn libraries_of(tx: &mut Tx, user: &User) -> Result<Vec<Entry>> {
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

pub(in crate::work) fn names(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.shown.clone()).collect()
}

/// What something in the home is called in the user's root: libraries' names win, and a twin's number is free among the
/// home's own names as well.
pub(in crate::work) fn name_in_root(tx: &mut Tx, home: ItemKey, libraries: &[String], shown: &str) -> Result<String> {
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

pub(in crate::work) fn is_home_root(grant: &Grant, user: &User) -> bool {
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
pub(in crate::work) fn room_bytes(tx: &mut Tx, user: &User, library: &Library, except: &str) -> Result<Option<u64>> {
    let Some(quota_bytes) = user.quota_bytes.filter(|_| library.kind == LibraryKind::Home) else { return Ok(None) };
    let used =
        files::used_bytes(tx, library.key)?.saturating_add(uploads::reserved_bytes(tx, library.key, except, now_ms())?);
    Ok(Some(quota_bytes.saturating_sub(used)))
}
