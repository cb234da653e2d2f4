//! Orders about the folders that are served.

use std::path::Path;

use super::{DiskPath, Given, LibraryLine, Progress, Reply, Right, scanning, users};
use crate::App;
use crate::error::{Error, Result, Thing};
use crate::library::{Library, LibraryKind};
use crate::share::{Bits, Subject};
use crate::store::library::{self as rows, Access};
use crate::store::{Tx, groups as group_rows};
use crate::work::{groups, libraries};

pub(super) async fn list(app: &App) -> Result<Reply> {
    let lines = app.db.read(|tx| {
        let folders = rows::all(tx)?.into_iter().filter(|library| library.kind == LibraryKind::Folder);
        folders.map(|library| line(tx, library)).collect()
    });
    Ok(Reply::Libraries(lines.await?))
}

fn line(tx: &mut Tx, library: Library) -> Result<LibraryLine> {
    let top = rows::root_item(tx, library.key)?;
    let totals = rows::totals(tx, top.key)?;
    Ok(LibraryLine {
        name: library.name,
        path: DiskPath(library.root),
        writable: library.writable,
        online: library.online,
        files: totals.files,
        tracks: totals.tracks,
        size_bytes: totals.size_bytes,
    })
}

pub(super) async fn add(
    app: &App,
    path: &Path,
    name: Option<&str>,
    access: Access,
    progress: impl Fn(Progress) + Send + Sync + 'static,
) -> Result<Reply> {
    let library = libraries::add_folder(app, path, name, access).await?;
    scanning::one(app, &library, progress).await?;
    Ok(Reply::Done(format!("Serving {} as {:?}.", library.root.display(), library.name)))
}

pub(super) async fn remove(app: &App, name: &str) -> Result<Reply> {
    let library = libraries::remove(app, name).await?;
    let (name, root) = (&library.name, library.root.display());
    Ok(Reply::Done(format!("{name:?} is served no more; its files stay in {root}.")))
}

pub(super) async fn give(app: &App, name: &str, to: Given, rights: &[Right]) -> Result<Reply> {
    let all = app.db.read(rows::all).await?;
    let library = libraries::named(&all, name).ok_or(Error::NotFound(Thing::Library))?;
    let (subject, whom) = match to {
        Given::Everyone => (Subject::Everyone, "Everyone".to_owned()),
        Given::User(name) => {
            let user = users::named(app, name).await?;
            (Subject::User(user.key), format!("{:?}", user.name))
        }
        Given::Group(name) => {
            let group = app.db.read(move |tx| group_rows::by_name(tx, &name)).await?;
            (Subject::Group(group.key), format!("The group {:?}", group.name))
        }
    };
    let bits = rights.iter().fold(Bits::NONE, |all, right| all.and(right.bits()));
    groups::give(app, &library, subject, bits).await?;
    let said = if rights.is_empty() { "is given nothing of" } else { "has these rights in" };
    Ok(Reply::Done(format!("{whom} {said} {:?}.", library.name)))
}
