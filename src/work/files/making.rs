//! New folders and files, and their times.

use std::sync::Arc;

use super::tree::{by_id, folder_of};
use super::{Place, below, check_name, check_time, look, not_a_root, refuse_taken, store_rows, to_the_end};
use crate::account::User;
use crate::blob::{Existing, on_disk};
use crate::error::{Error, Result};
use crate::library::scan::Content;
use crate::library::{Item, ItemKind};
use crate::share::grant::Action;
use crate::store::scan::{Fate, Track};
use crate::store::{Tx, files, library};
use crate::work::policies;
use crate::work::roots::{open, stamp_of};
use crate::{App, now_ms};

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
pub(in crate::work) async fn adopt(app: &App, user: &User, at: &Place, name: &str) -> Result<Item> {
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
