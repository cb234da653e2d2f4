//! Another name, another folder, another library; copies.

use std::collections::HashMap;
use std::sync::Arc;

use super::tree::{by_id, by_rights, folder_of, room_bytes};
use super::{Found, Place, below, check_name, look, not_a_root, refresh_albums, refuse_taken, store_rows, to_the_end};
use crate::account::User;
use crate::blob::disk::set_modified as set_file_modified;
use crate::blob::{Existing, Kind, Root, Stat, on_disk};
use crate::error::{Error, Result, Thing};
use crate::library::names::is_left_out;
use crate::library::scan::Content;
use crate::library::{Item, ItemKey, ItemKind};
use crate::share::grant::{Action, Grant};
use crate::store::scan::{Fate, Folder, Put};
use crate::store::{self, Tx, files, library, metadata};
use crate::work::roots::{open, stamp_of};
use crate::work::{locks, policies};
use crate::{App, now_ms};

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

/// [`move_into`] under another name.
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

/// [`copy_into`] under another name.
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
