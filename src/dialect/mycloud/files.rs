//! The device's file API: for a user their own tree beneath `root` and what others permitted them, for a share's holder
//! what the share opens.

mod batch;
mod body;
mod change;
mod copies;
mod hand;
mod list;
mod multipart;
mod perms;
mod resumable;
mod search;
mod write;

pub use batch::post_batch;
pub use change::{delete_file, patch_file};
pub use copies::{get_file_copies, post_copy, post_file_copies};
pub use list::get_search_parents;
pub use perms::{delete_file_perm, delete_file_perms, get_file_perms, post_file_perms};
pub use resumable::{get_resumable, post_file_resumable, post_resumable, put_resumable_content};
pub use search::{get_search_parent_and_name, get_search_text};
pub use write::{post_files, put_content};

use axum::http::{StatusCode, header};
use axum::response::Response;
use serde::Serialize;

use super::answers::{File, ROOT};
use super::auth::{self, Caller};
use super::{answer_empty, answer_json, says};
use crate::App;
use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::http::fields::Fields;
use crate::http::send::conditions::{Conditions, Decision, decide};
use crate::http::{Call, deliver, put_header, send::Disposition};
use crate::library::Item;
use crate::share::grant::Action;
use crate::share::visit::Visitor;
use crate::store::{Tx, library, upload_names};
use crate::work::files::{self, Place};
use crate::work::sharing;

/// Names of the user's own root; `sysroot` was the root of a whole device.
const ROOTS: [&str; 2] = [ROOT, "sysroot"];
const TRASH: &str = "trash";
/// Files and folders that one call may name.
const MOST_IDS: usize = 100;

// Who and what --------------------------------------------------------------------------------------------------------

impl Caller {
    fn of_user(call: &Call, user: &User) -> Caller {
        Caller::User { visitor: call.guest().with_user(user.clone()), user: Box::new(user.clone()) }
    }

    /// The caller as who may do this to an item, else as who sees it, and its own id: what others permitted a user is had
    /// by the share that says so.
    fn having(self, tx: &mut Tx, id: &str, action: Action) -> Result<(Caller, String)> {
        let Caller::User { user, visitor } = &self else { return Ok((self, id.to_owned())) };
        let id = item_id(tx, user, id)?;
        match sharing::own(tx, user, visitor, &id, action) {
            Err(Error::NotFound(_) | Error::Forbidden(_)) => {}
            found => return found.map(|_| (self, id)),
        }
        match sharing::permitting(tx, user, visitor, &id, action) {
            Err(Error::NotFound(_)) if action != Action::See => self.having(tx, &id, Action::See),
            found => found.map(|share| (Caller::Holder { share, visitor: visitor.clone() }, id)),
        }
    }

    async fn reaching(self, app: &App, id: &str, action: Action) -> Result<(Caller, String)> {
        let id = id.to_owned();
        match self {
            Caller::Holder { .. } => Ok((self, id)),
            Caller::User { .. } => app.db.read(move |tx| self.having(tx, &id, action)).await,
        }
    }
}

/// The item that a user's id names: the item's own, or the one that an upload of theirs began with.
fn item_id(tx: &mut Tx, user: &User, id: &str) -> Result<String> {
    Ok(upload_names::item(tx, user.key, id)?.unwrap_or_else(|| id.to_owned()))
}

/// The user's own folder of this id.
fn place(tx: &mut Tx, user: &User, visitor: &Visitor, id: &str) -> Result<Place> {
    if ROOTS.contains(&id) {
        return Ok(Place::Root);
    }
    let id = item_id(tx, user, id)?;
    folder(sharing::own(tx, user, visitor, &id, Action::See)?.item().clone()).map(Place::Item)
}

fn folder(item: Item) -> Result<Item> {
    if item.is_folder() { Ok(item) } else { Err(Error::invalid("parentID", "it is not a folder")) }
}

/// `ids`, by commas.
fn ids_of(query: &Fields) -> Result<Vec<String>> {
    let all = query.need("ids")?;
    let ids: Vec<String> = all.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect();
    match ids.len() {
        0 => Err(Error::Missing("ids")),
        n if n > MOST_IDS => Err(Error::invalid("ids", format!("at most {MOST_IDS}"))),
        _ => Ok(ids),
    }
}

// Describing ----------------------------------------------------------------------------------------------------------

/// Which fields of files are asked for.
struct Chosen(Option<Vec<String>>);

impl Chosen {
    /// Without one that folders have, a client takes a full one for empty and deletes it.
    const ALWAYS: [&str; 2] = ["id", "childCount"];

    fn of(query: &Fields) -> Chosen {
        let all = |text: &str| text.split(',').map(|name| name.trim().to_owned()).collect();
        Chosen(query.get("fields").map(all))
    }

    fn has(&self, name: &str) -> bool {
        self.0.as_ref().is_none_or(|names| names.iter().any(|asked| asked == name))
    }

    fn cut(&self, file: &File) -> Result<serde_json::Value> {
        let mut file = serde_json::to_value(file).map_err(|cause| Error::internal("file", cause))?;
        if let Some(fields) = file.as_object_mut() {
            fields.retain(|name, _| Chosen::ALWAYS.contains(&name.as_str()) || self.has(name));
        }
        Ok(file)
    }
}

/// One file or folder by whatever id its caller has for it.
fn describe(tx: &mut Tx, caller: Caller, id: &str, chosen: &Chosen) -> Result<File> {
    if let Caller::User { user, .. } = &caller {
        if ROOTS.contains(&id) {
            return Ok(File::alias(ROOT, files::home_root(tx, user)?.modified_ms, files::count_in_root(tx, user)?));
        }
        if id == TRASH {
            return Ok(File::alias(TRASH, 0, files::count_trashed(tx, user)?));
        }
    }
    let (caller, id) = caller.having(tx, id, Action::See)?;
    let item = caller.reach(tx, &id, Action::See)?.item().clone();
    let parent_id = parent_id(tx, &caller, &item)?;
    let listed = vec![list::Listed { shown: item.shown.clone(), item, parent_id }];
    list::described(tx, &caller, listed, chosen)?.pop().ok_or(Error::NotFound(Thing::File))
}

fn parent_id(tx: &mut Tx, caller: &Caller, item: &Item) -> Result<String> {
    match caller {
        Caller::User { user, .. } => Ok(match files::parent_of(tx, user, item)? {
            Place::Root => ROOT.to_owned(),
            Place::Item(parent) => parent.id,
        }),
        Caller::Holder { .. } => shared_parent(tx, caller, item),
    }
}

/// The folder of a shared item, where it is shared as well: what lies above is nobody's business.
fn shared_parent(tx: &mut Tx, caller: &Caller, item: &Item) -> Result<String> {
    let parent = item.parent.map(|key| library::item(tx, key)).transpose()?.flatten();
    let Some(parent) = parent else { return Ok(String::new()) };
    match caller.reach(tx, &parent.id, Action::See) {
        Ok(grant) => Ok(grant.item().id.clone()),
        Err(Error::NotFound(_)) => Ok(String::new()),
        Err(error) => Err(error),
    }
}

/// An answer under a tag, with its quotes; without a body for whoever has it already.
fn answer_tagged(call: &Call, tag: &str, body: &impl Serialize) -> Result<Response> {
    let conditions = Conditions::of(&call.parts.headers).without_range();
    let mut response = match decide(&conditions, tag.trim_matches('"'), None, 1) {
        Decision::PreconditionFailed => return Err(Error::Conflict(Thing::Version)),
        Decision::NotModified => answer_empty(StatusCode::NOT_MODIFIED),
        _ => answer_json(StatusCode::OK, body),
    };
    put_header(&mut response, header::ETAG, tag);
    Ok(response)
}

pub async fn get_file(call: Call) -> Result<Response> {
    let caller = auth::caller(&call).await?;
    let id = call.path("id").to_owned();
    let chosen = Chosen::of(&Fields::of_query(&call)?);
    let find = move |tx: &mut Tx| {
        let file = describe(tx, caller, &id, &chosen)?;
        Ok((chosen.cut(&file)?, file.e_tag))
    };
    let (file, tag) = call.app.db.read(find).await?;
    answer_tagged(&call, &tag, &file)
}

// Content -------------------------------------------------------------------------------------------------------------

/// The bytes, or a picture of them where a size is asked for.
pub async fn get_content(call: Call) -> Result<Response> {
    let query = Fields::of_query(&call)?;
    let (action, disposition) = match says(&query, "download") {
        true => (Action::Download, Disposition::Attachment),
        false => (Action::Play, Disposition::Inline),
    };
    let (caller, id) = auth::caller(&call).await?.reaching(&call.app, call.path("id"), action).await?;
    if let Some(size_px) = query.number::<u64>("minWidth")?.max(query.number("minHeight")?) {
        match picture(&call, caller.clone(), id.clone(), size_px).await {
            Err(Error::NotFound(Thing::Cover)) if !denies(&query, "allowOriginal") => {}
            answer => return answer,
        }
    }
    let grant = caller.fetch(&call.app, id, action, call.wanted()).await?;
    deliver::file(&call, grant, disposition).await
}

/// At least so wide or high, as far as pictures are made. `NotFound(Cover)` where nothing can be drawn of it.
async fn picture(call: &Call, caller: Caller, id: String, size_px: u64) -> Result<Response> {
    let grant = call.app.db.read(move |tx| caller.reach(tx, &id, Action::Preview)).await?;
    match call.app.renditions.draws(grant.item()) {
        true => deliver::cover(call, grant, Some(u32::try_from(size_px).unwrap_or(u32::MAX))).await,
        false => Err(Error::NotFound(Thing::Cover)),
    }
}

fn denies(query: &Fields, name: &str) -> bool {
    query.get(name).is_some() && !says(query, name)
}

/// A folder's content without the folder's own name; of several items each under its name.
pub async fn get_files_zip(call: Call) -> Result<Response> {
    let caller = auth::caller(&call).await?;
    let ids = ids_of(&Fields::of_query(&call)?)?;
    let all = call.app.db.read(move |tx| archived(tx, &caller, ids)).await?;
    let mut parts = Vec::with_capacity(all.len());
    for (caller, ids) in all {
        parts.push(caller.fetch_all(&call.app, ids, call.wanted()).await?);
    }
    deliver::zip(&call, parts).await
}

/// Their own ids by who may have them: the user, or a share. The root is what lies in it.
fn archived(tx: &mut Tx, caller: &Caller, ids: Vec<String>) -> Result<Vec<(Caller, Vec<String>)>> {
    let share = |caller: &Caller| match caller {
        Caller::Holder { share, .. } => Some(share.clone()),
        Caller::User { .. } => None,
    };
    let mut all: Vec<(Caller, Vec<String>)> = Vec::new();
    for id in ids {
        let (by, found) = match caller {
            Caller::User { user, .. } if ROOTS.contains(&id.as_str()) => {
                let children = files::children_of(tx, user, &Place::Root)?;
                (caller.clone(), children.into_iter().map(|entry| entry.item.id).collect())
            }
            _ => {
                let (by, id) = caller.clone().having(tx, &id, Action::Download)?;
                (by, vec![id])
            }
        };
        match all.iter_mut().find(|(known, _)| share(known) == share(&by)) {
            Some((_, ids)) => ids.extend(found),
            None => all.push((by, found)),
        }
    }
    Ok(all)
}
