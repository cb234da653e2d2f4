//! Former contents of files: kept whenever a door writes over one whose retention says so; read, made current, removed.
//!
//! The disk comes first, then the rows, as with all files. A content that is kept gets its second name before the first one
//! goes to another, so a kill in between loses neither; what it left without rows, [`mend`] finds at the next start.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::files::{Found, by_id, by_rights, look, not_a_root, refresh_albums, store_rows, to_the_end};
use super::roots::open;
use crate::account::User;
use crate::blob::disk::set_modified;
use crate::blob::{Existing, Root, Stat, on_disk};
use crate::error::{Error, Result, Thing};
use crate::library::versions::{Retention, Version};
use crate::library::{Item, ItemKey, Library, LibraryKey, LibraryKind};
use crate::share::Bits;
use crate::share::grant::{Action, Grant};
use crate::store::{Tx, files, library, rights, versions};
use crate::{App, now_ms};

// Keeping ------------------------------------------------------------------------------------------------------------

/// A content that is about to be written over, and is to be kept.
pub(super) struct Former {
    wish: String,
    library: LibraryKey,
    pub(super) retention: Retention,
}

/// Of a home its owner says what is kept, elsewhere whoever writes.
fn retention_of(tx: &mut Tx, library: &Library, writer: &User) -> Result<Retention> {
    let whose = library.owner.filter(|_| library.kind == LibraryKind::Home).unwrap_or(writer.key);
    versions::retention(tx, whose)
}

/// What is to be kept of a file when `writer` writes over it.
pub(super) fn former(tx: &mut Tx, library: &Library, item: &Item, writer: &User) -> Result<Option<Former>> {
    let retention = retention_of(tx, library, writer)?;
    Ok(retention.keeps(item).then(|| Former { wish: item.etag(), library: library.key, retention }))
}

/// What writing over a file gives back to its library.
pub(super) fn freed_bytes(tx: &mut Tx, library: &Library, item: &Item, writer: &User) -> Result<u64> {
    let retention = retention_of(tx, library, writer)?;
    if !retention.keeps(item) {
        return Ok(item.size_bytes);
    }
    let mut all = versions::of_item(tx, item.key)?;
    all.push(Version { id: item.etag(), library: library.key, size_bytes: item.size_bytes, modified_ms: 0 });
    Ok(retention.surplus(&all).iter().map(|version| version.size_bytes).sum())
}

impl Former {
    /// `None` when nothing is there any more.
    pub(super) fn keep(&self, root: &Root, path: &[Vec<u8>]) -> Result<Option<Version>> {
        let id = match root.keep_version(path, &self.wish) {
            Err(Error::NotFound(Thing::File)) => return Ok(None),
            kept => kept?,
        };
        let stat = Stat::of(root.open_version(&id)?)?;
        let (size_bytes, modified_ms) = (stat.size_bytes, stat.modified_ms);
        Ok(Some(Version { id, library: self.library, size_bytes, modified_ms }))
    }
}

/// Who keeps a content and writes over it does both in one turn: else of two who write over the same file at once, one would
/// keep what the other keeps, and nobody what the other wrote.
static TURNS: [Mutex<()>; 64] = [const { Mutex::new(()) }; 64];

fn turn_at(library: LibraryKey, path: &[Vec<u8>]) -> MutexGuard<'static, ()> {
    let mut hasher = DefaultHasher::new();
    (library, path).hash(&mut hasher);
    TURNS[(hasher.finish() % 64) as usize].lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs what writes over a file. When it fails, what was to be kept is still the current content.
pub(super) fn keeping<T>(
    root: &Root,
    former: Option<&Former>,
    path: &[Vec<u8>],
    write: impl FnOnce() -> Result<T>,
) -> Result<(T, Option<Version>)> {
    let _turn = former.map(|former| turn_at(former.library, path));
    let kept = former.map(|former| former.keep(root, path)).transpose()?.flatten();
    match write() {
        Ok(written) => Ok((written, kept)),
        Err(error) => {
            if let Some(version) = &kept {
                // What stays, the next start finds to be no version.
                let _ = root.remove_version(&version.id);
            }
            Err(error)
        }
    }
}

/// Removes the oldest versions of a file that are too many by now.
pub(super) async fn prune(app: &App, item: &Item, retention: Retention) -> Result<()> {
    let key = item.key;
    let surplus = app.db.read(move |tx| Ok(retention.surplus(&versions::of_item(tx, key)?).to_vec()));
    discard(app, surplus.await?).await
}

/// Off the disk, then out of the rows.
async fn discard(app: &App, surplus: Vec<Version>) -> Result<()> {
    if surplus.is_empty() {
        return Ok(());
    }
    clear(app, surplus.clone()).await?;
    app.db
        .write(move |tx| versions::remove(tx, &surplus.into_iter().map(|version| version.id).collect::<Vec<_>>()))
        .await
}

async fn clear(app: &App, all: Vec<Version>) -> Result<()> {
    for version in all {
        let key = version.library;
        let library = app.db.read(move |tx| library::by_key(tx, key)).await?;
        on_disk(move || open(&library)?.remove_version(&version.id)).await?;
    }
    Ok(())
}

/// Before an item goes for good: what was kept of it and of all below it goes as well.
pub(super) async fn clear_below(app: &App, top: ItemKey) -> Result<()> {
    let all = app.db.read(move |tx| versions::below(tx, top)).await?;
    if let Err(cause) = clear(app, all).await {
        // Of a library that is offline: without rows they go at the next start with it.
        tracing::warn!("versions of a file that goes stay on the disk: {cause}");
    }
    Ok(())
}

// Looking ------------------------------------------------------------------------------------------------------------

/// Whoever may change a file sees what it was.
fn check(tx: &mut Tx, user: &User, item: &Item) -> Result<()> {
    by_rights(tx, user, item.clone(), Action::See)?;
    match rights::in_library(tx, user, item.library)?.has(Bits::UPDATE) {
        true => Ok(()),
        false => Err(Error::Forbidden("former contents are for those who may change the file")),
    }
}

/// Former contents of a file, the oldest first.
pub fn list(tx: &mut Tx, user: &User, item: &Item) -> Result<Vec<Version>> {
    check(tx, user, item)?;
    versions::of_item(tx, item.key)
}

/// One of them, and the library that it lies in.
pub fn find(tx: &mut Tx, user: &User, item: &Item, id: &str) -> Result<(Version, Library)> {
    check(tx, user, item)?;
    let version = versions::by_id(tx, item.key, id)?;
    let library = library::by_key(tx, version.library)?;
    Ok((version, library))
}

// Changing -----------------------------------------------------------------------------------------------------------

fn a_file(grant: Grant) -> Result<Grant> {
    not_a_root(&grant)?;
    if grant.item().is_folder() { Err(Error::NotFound(Thing::File)) } else { Ok(grant) }
}

/// A former content becomes the current one, which becomes a former one, whatever the retention says.
pub async fn make_current(app: &Arc<App>, user: &User, item_id: &str, version_id: &str) -> Result<Item> {
    let (app, user, id, wanted) = (app.clone(), user.clone(), item_id.to_owned(), version_id.to_owned());
    to_the_end(async move {
        let (grant, found) = app
            .db
            .read(move |tx| {
                let grant = a_file(by_id(tx, &user, &id, Action::Update)?)?;
                let is_current = grant.item().etag() == wanted;
                let found = if is_current { None } else { Some(find(tx, &user, grant.item(), &wanted)?) };
                Ok((grant, found))
            })
            .await?;
        let Some((version, lies_in)) = found else { return Ok(grant.item().clone()) };
        let (library, path, folder) = (grant.library().clone(), grant.path().to_vec(), not_a_root(&grant)?);
        let (key, chosen) = (library.key, version.clone());
        let former = Former { wish: grant.item().etag(), library: key, retention: Retention::default() };
        let (found, kept): (Found, _) = on_disk(move || {
            let root = open(&library)?;
            keeping(&root, Some(&former), &path, || {
                if lies_in.key == library.key {
                    root.put_version(&chosen.id, &path)?;
                } else {
                    copy_version(&open(&lies_in)?, &chosen, &root, &path)?;
                }
                look(&root, &path)
            })
        })
        .await?;
        let (item_key, gone) = (grant.item().key, version.id.clone());
        let item = store_rows(&app, key, move |tx| {
            versions::remove(tx, &[gone])?;
            kept.iter().try_for_each(|kept| versions::insert(tx, item_key, kept, now_ms()))?;
            found.store(tx, key, folder)
        })
        .await?;
        if version.library != key {
            clear(&app, vec![version]).await?;
        }
        refresh_albums(&app, key).await?;
        Ok(item)
    })
    .await
}

/// Of a file that moved away from the library in which its version lies.
fn copy_version(source: &Root, version: &Version, target: &Root, to: &[Vec<u8>]) -> Result<()> {
    let mut reader = source.open_version(&version.id)?;
    let copy = target.create_temporary(version.size_bytes)?;
    std::io::copy(&mut reader, &mut copy.file())?;
    set_modified(copy.file(), version.modified_ms)?;
    target.commit(copy, to, Existing::Replace)
}

/// Removes a former content for good; the current one stays.
pub async fn remove(app: &Arc<App>, user: &User, item_id: &str, version_id: &str) -> Result<()> {
    let (app, user, id, wanted) = (app.clone(), user.clone(), item_id.to_owned(), version_id.to_owned());
    to_the_end(async move {
        let found = app.db.read(move |tx| {
            let grant = a_file(by_id(tx, &user, &id, Action::Delete)?)?;
            if grant.item().etag() == wanted {
                return Err(Error::Forbidden("the current version of a file stays; delete the file instead"));
            }
            Ok(find(tx, &user, grant.item(), &wanted)?.0)
        });
        discard(&app, vec![found.await?]).await
    })
    .await
}

// Mending ------------------------------------------------------------------------------------------------------------

/// After a start: what a crash left between disk and rows. What was written over has its row; what never was is no version,
/// and waits for being written over; what no file is known of is removed.
pub(super) async fn mend(app: &Arc<App>, library: &Library) -> Result<()> {
    let (there, key) = (library.clone(), library.key);
    let Some(on_the_disk) = on_disk(move || open(&there)?.versions()).await? else { return Ok(()) };
    let known = app.db.read(move |tx| versions::of_library(tx, key)).await?;
    for id in on_the_disk.iter().filter(|id| !known.contains(id)) {
        mend_one(app, library, id).await?;
    }
    let gone: Vec<String> = known.into_iter().filter(|id| !on_the_disk.contains(id)).collect();
    if gone.is_empty() { Ok(()) } else { app.db.write(move |tx| versions::remove(tx, &gone)).await }
}

async fn mend_one(app: &App, library: &Library, id: &str) -> Result<()> {
    let item_id = id.split('-').next().unwrap_or_default().to_owned();
    let known = app.db.read(move |tx| {
        let Some((key, _)) = files::fate(tx, &item_id)? else { return Ok(None) };
        let placed = library::item(tx, key)?.map(|item| library::place(tx, item, &[])).transpose()?;
        Ok(Some((key, placed.map(|placed| placed.path))))
    });
    let known = known.await?;
    let (there, name, is_known) = (library.clone(), id.to_owned(), known.is_some());
    let (key, path) = known.map_or((None, None), |(key, path)| (Some(key), path));
    let kept = on_disk(move || {
        let root = open(&there)?;
        if !is_known {
            root.remove_version(&name)?;
            return Ok(None);
        }
        // Another node may be about to write over it.
        if path.map(|path| root.is_at(&name, &path)).transpose()?.unwrap_or(false) {
            return Ok(None);
        }
        let stat = Stat::of(root.open_version(&name)?)?;
        let (size_bytes, modified_ms) = (stat.size_bytes, stat.modified_ms);
        Ok(Some(Version { id: name, library: there.key, size_bytes, modified_ms }))
    });
    match (key, kept.await?) {
        (Some(key), Some(kept)) => app.db.write(move |tx| versions::insert(tx, key, &kept, now_ms())).await,
        _ => Ok(()),
    }
}
