//! Thrown away, brought back, gone for good.

use std::sync::Arc;

use super::tree::{by_id, by_rights, judge};
use super::{look, not_a_root, refresh_albums, store_rows, to_the_end, with_free_name};
use crate::account::User;
use crate::blob::on_disk;
use crate::error::{Error, Result, Thing};
use crate::library::scan::Content;
use crate::library::{Item, Library, LibraryKey};
use crate::share::Bits;
use crate::share::grant::{Action, Grant, Placed};
use crate::store::scan::Fate;
use crate::store::{Tx, files, library, rights};
use crate::work::roots::open;
use crate::work::versions;
use crate::{App, now_ms};

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
            let path = with_free_name(&at, (&item.name, item.kind), |path| root.restore(&item.id, path))?;
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
pub(in crate::work) async fn mend_trash(app: &Arc<App>, library: &Library) -> Result<()> {
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
