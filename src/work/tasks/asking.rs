//! What users ask for: judged, then a row.

use std::sync::Arc;

use super::import::{open_source, receiver};
use super::{LONGEST_PASSWORD_BYTES, MOST_OPEN, TOO_MANY, close, encoding_of, place};
use crate::account::{Role, User};
use crate::blob::on_disk;
use crate::error::{Error, Result, Thing};
use crate::library::policy::Policy;
use crate::share::grant::Action;
use crate::store::tasks::{self as rows, Import, Named, State, Target, Task, Which, Wish};
use crate::store::{Tx, Wanted};
use crate::work::files::{self, Place, by_path, by_rights, check_name, folder_of};
use crate::work::{node, policies, texts};
use crate::{App, now_ms};

/// Has these things, by their names from the user's root, packed into an archive of that name in a folder.
pub async fn pack(
    app: &App,
    user: &User,
    sources: Vec<Vec<String>>,
    folder: Vec<String>,
    name: String,
) -> Result<Task> {
    check_name(&name)?;
    ask(app, user, None, move |tx, user| {
        let sources = sources.into_iter().map(|path| named(tx, user, path)).collect::<Result<Vec<_>>>()?;
        let into = target(tx, user, folder)?;
        if into.below.is_empty() {
            let folder = place(tx, user, &into)?.1;
            files::refuse_taken(tx, folder.item().key, &name, None)?;
        }
        Ok(vec![Wish::Pack { sources, into, name }])
    })
    .await?
    .pop()
    .ok_or_else(|| Error::internal("tasks", "none was made"))
}

/// What of an archive is to be unpacked, and how.
#[derive(Debug, Default)]
pub struct Unpack {
    /// What names are written in that do not say so themselves.
    pub encoding: Option<String>,
    pub password: Option<String>,
    /// Only what these paths name; none: all.
    pub only: Vec<String>,
}

/// Has an archive unpacked into a folder, which is made where it is not there.
pub async fn unpack(app: &App, user: &User, source: Vec<String>, folder: Vec<String>, how: Unpack) -> Result<Task> {
    let Unpack { encoding, password, only } = how;
    if password.as_ref().is_some_and(|password| password.len() > LONGEST_PASSWORD_BYTES) {
        return Err(Error::invalid("password", "it is too long"));
    }
    encoding_of(encoding.as_deref())?;
    ask(app, user, password, move |tx, user| {
        let source = named(tx, user, source)?;
        if super::source(tx, user, &source)?.item().is_folder() {
            return Err(Error::NotFound(Thing::File));
        }
        let into = target(tx, user, folder)?;
        Ok(vec![Wish::Unpack { source, into, encoding, only }])
    })
    .await?
    .pop()
    .ok_or_else(|| Error::internal("tasks", "none was made"))
}

/// Has what is at each of these addresses fetched into a folder.
pub async fn fetch(app: &App, user: &User, urls: Vec<String>, folder: Vec<String>) -> Result<Vec<Task>> {
    user.may(Role::Fetch)?;
    let address = |url: String| {
        let checked = app.outgoing.address(&url).map_err(|failure| Error::invalid("src", failure.to_string()))?;
        Ok(String::from(checked))
    };
    let urls = urls.into_iter().map(address).collect::<Result<Vec<_>>>()?;
    ask(app, user, None, move |tx, user| {
        let into = target(tx, user, folder)?;
        Ok(urls.into_iter().map(|url| Wish::Fetch { url, into: into.clone() }).collect())
    })
    .await
}

/// Has these things put under a storage policy, as far as they fit.
pub async fn relocate(app: &App, user: &User, sources: Vec<Vec<String>>, policy_id: &str) -> Result<Task> {
    let policy = policy_id.to_owned();
    ask(app, user, None, move |tx, user| {
        let sources = sources.into_iter().map(|path| to_relocate(tx, user, path)).collect::<Result<Vec<_>>>()?;
        policies::choose(tx, user, &policy)?;
        Ok(vec![Wish::Relocate { sources, policy }])
    })
    .await?
    .pop()
    .ok_or_else(|| Error::internal("tasks", "none was made"))
}

/// The home itself is not too much for this.
fn to_relocate(tx: &mut Tx, user: &User, path: Vec<String>) -> Result<Named> {
    let item = match by_path(tx, user, &path)? {
        Place::Root => files::home_root(tx, user)?,
        Place::Item(item) => item,
    };
    let named = Named { id: item.id, path };
    super::relocate::source(tx, user, &named)?;
    Ok(named)
}

/// A folder of this machine, and whom its files are for.
#[derive(Debug)]
pub struct FromDisk {
    pub source: String,
    pub recursive: bool,
    /// By their id.
    pub receiver: String,
    /// Of the receiver's own.
    pub folder: Vec<String>,
    pub policy: Policy,
}

/// Has files of this machine brought into a user's folder. `Unsupported` where the server was started without a folder to
/// import from, `NotFound(Folder)` for what does not lie in one, `Conflict(Policy)` where another policy holds.
pub async fn import(app: &Arc<App>, user: &User, asked: FromDisk) -> Result<Task> {
    user.may(Role::Admin)?;
    if app.config.import_from.is_empty() {
        return Err(Error::Unsupported("Importing files"));
    }
    let (judge, source) = (app.clone(), asked.source.clone());
    on_disk(move || open_source(&judge.config, &source)).await?;
    ask(app, user, None, move |tx, _| {
        let receiver = receiver(tx, &asked.receiver)?;
        let into = target(tx, &receiver, asked.folder)?;
        let (_, folder) = place(tx, &receiver, &into)?;
        if policies::of(tx, &receiver, folder.library(), folder.item().key)?.id != asked.policy.id {
            return Err(Error::Conflict(Thing::Policy));
        }
        let (source, recursive, policy) = (asked.source, asked.recursive, asked.policy.id);
        Ok(vec![Wish::Import(Import { source, recursive, receiver: receiver.id, into, policy })])
    })
    .await?
    .pop()
    .ok_or_else(|| Error::internal("tasks", "none was made"))
}

/// Has everything that files say forgotten and read anew.
pub async fn reread(app: &App, user: &User) -> Result<Task> {
    user.may(Role::Admin)?;
    if !texts::is_on(app) {
        return Err(Error::Unsupported("Searching what files say"));
    }
    ask(app, user, None, |_, _| Ok(vec![Wish::Reread]))
        .await?
        .pop()
        .ok_or_else(|| Error::internal("tasks", "none was made"))
}

async fn ask(
    app: &App,
    user: &User,
    secret: Option<String>,
    wishes: impl FnOnce(&mut Tx, &User) -> Result<Vec<Wish>> + Send + 'static,
) -> Result<Vec<Task>> {
    let (user, owner, keys) = (user.clone(), user.key, app.keys.clone());
    let judged = app.db.read(move |tx| {
        let wishes = wishes(tx, &user)?;
        wishes.iter().try_for_each(|wish| node::check(tx, wish.kind()))?;
        Ok(wishes)
    });
    let wishes = judged.await?;
    let made = app.db.write(move |tx| {
        if rows::count_open(tx, owner)? + wishes.len() > MOST_OPEN {
            return Err(Error::Forbidden(TOO_MANY));
        }
        let seal = |id: &str| secret.as_ref().map(|secret| keys.seal(&sealed_as(id), secret));
        wishes.iter().map(|wish| rows::insert(tx, owner, wish, seal, now_ms())).collect()
    });
    let made = made.await?;
    app.tasks.wake();
    Ok(made)
}

pub(super) fn sealed_as(task_id: &str) -> String {
    format!("task {task_id}")
}

fn named(tx: &mut Tx, user: &User, path: Vec<String>) -> Result<Named> {
    match by_path(tx, user, &path)? {
        Place::Root => Err(Error::Forbidden("all that you have is too much")),
        Place::Item(item) => Ok(Named { id: by_rights(tx, user, item, Action::Download)?.item().id.clone(), path }),
    }
}

/// The folder at a path, as far as it is there.
fn target(tx: &mut Tx, user: &User, path: Vec<String>) -> Result<Target> {
    path.iter().try_for_each(|name| check_name(name))?;
    let (mut folder, mut there) = (Place::Root, 0);
    while there < path.len() {
        match by_path(tx, user, &path[..=there]) {
            Ok(place) => (folder, there) = (place, there + 1),
            Err(Error::NotFound(_)) => break,
            Err(error) => return Err(error),
        }
    }
    folder_of(tx, user, &folder, Action::Create)?;
    let folder = if let Place::Item(item) = folder { Some(item.id) } else { None };
    Ok(Target { folder, below: path[there..].to_vec(), path })
}

/// One of the user's own.
pub async fn by_id(app: &App, user: &User, id: &str) -> Result<Task> {
    let (owner, id) = (user.key, id.to_owned());
    app.db.read(move |tx| rows::by_id(tx, owner, &id)).await
}

/// The user's own, the newest first.
pub async fn list(app: &App, user: &User, which: Which, after: Option<String>, count: usize) -> Result<Vec<Task>> {
    let owner = user.key;
    app.db.read(move |tx| rows::page(tx, owner, which, after.as_deref(), count)).await
}

/// Forgets a task; one that is under way ends first.
pub async fn remove(app: &Arc<App>, task: &Task) -> Result<()> {
    close(app, task, State::Canceled, None).await?;
    let key = task.key;
    app.db.write(move |tx| rows::lists::forget(tx, key)).await
}

/// Ends a task that waits or is worked on. What it made whole stays, what is under way goes.
pub async fn cancel(app: &Arc<App>, user: &User, id: &str) -> Result<()> {
    let task = by_id(app, user, id).await?;
    match close(app, &task, State::Canceled, None).await? {
        Wanted::Yes => Ok(()),
        Wanted::No => Err(Error::NotFound(Thing::Task)),
    }
}
