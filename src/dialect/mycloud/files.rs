//! The device's file API: for a user their own tree beneath `root`, for a share's holder what the share opens.

mod batch;
mod list;
mod write;

pub use batch::post_batch;
pub use list::{get_search_parent_and_name, get_search_parents, get_search_text};
pub use write::{
    delete_file, patch_file, post_copy, post_file_resumable, post_files, post_resumable, put_content,
    put_resumable_content,
};

use axum::http::StatusCode;
use axum::response::Response;

use super::answers::File;
use super::auth::{self, Caller};
use super::{answer_json, says};
use crate::account::User;
use crate::error::{Error, Result};
use crate::http::fields::Fields;
use crate::http::{Call, deliver, send::Disposition};
use crate::library::{Item, Media};
use crate::share::grant::Action;
use crate::store::{Tx, library, upload_names};
use crate::work::files::{self, Place};

/// Names of the user's own root; `sysroot` was the root of a whole device.
const ROOTS: [&str; 2] = ["root", "sysroot"];
const TRASH: &str = "trash";
/// Files and folders that one call may name.
const MOST_IDS: usize = 100;

/// The item that a user's id names: the item's own, or the one that an upload of theirs began with.
fn item_id(tx: &mut Tx, user: &User, id: &str) -> Result<String> {
    Ok(upload_names::item(tx, user.key, id)?.unwrap_or_else(|| id.to_owned()))
}

fn place(tx: &mut Tx, caller: &Caller, id: &str) -> Result<Place> {
    if ROOTS.contains(&id) {
        return Ok(Place::Root);
    }
    let item = caller.reach(tx, id, Action::See)?.item().clone();
    if item.is_folder() { Ok(Place::Item(item)) } else { Err(Error::invalid("parentID", "it is not a folder")) }
}

fn child_count(tx: &mut Tx, item: &Item) -> Result<u64> {
    if item.is_folder() { library::child_count(tx, item.key) } else { Ok(0) }
}

/// One file or folder by whatever id its caller has for it.
fn describe(tx: &mut Tx, caller: &Caller, id: &str) -> Result<File> {
    match caller {
        Caller::User { user, .. } if ROOTS.contains(&id) => {
            let count = files::children_of(tx, user, &Place::Root)?.len() as u64;
            Ok(File::alias(ROOTS[0], files::home_root(tx, user)?.modified_ms, count))
        }
        Caller::User { user, .. } if id == TRASH => Ok(File::alias(TRASH, 0, files::trashed(tx, user)?.len() as u64)),
        Caller::User { user, .. } => {
            let id = item_id(tx, user, id)?;
            let item = caller.reach(tx, &id, Action::See)?.item().clone();
            let parent = match files::parent_of(tx, user, &item)? {
                Place::Root => ROOTS[0].to_owned(),
                Place::Item(parent) => parent.id,
            };
            let count = child_count(tx, &item)?;
            Ok(File::of(&item, item.shown.clone(), parent, count))
        }
        Caller::Holder { .. } => {
            let item = caller.reach(tx, id, Action::See)?.item().clone();
            let parent = shared_parent(tx, caller, &item)?;
            let count = child_count(tx, &item)?;
            Ok(File::of(&item, item.shown.clone(), parent, count))
        }
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

pub async fn get_file(call: Call) -> Result<Response> {
    let caller = auth::caller(&call).await?;
    let id = call.path("id").to_owned();
    let file = call.app.db.read(move |tx| describe(tx, &caller, &id)).await?;
    let etag = file.e_tag.clone();
    let mut response = answer_json(StatusCode::OK, &file);
    crate::http::put_header(&mut response, axum::http::header::ETAG, &etag);
    Ok(response)
}

/// The id of the path, as an item's.
async fn named_item(call: &Call, caller: &Caller) -> Result<String> {
    let id = call.path("id").to_owned();
    match caller {
        Caller::Holder { .. } => Ok(id),
        Caller::User { user, .. } => {
            let user = user.clone();
            call.app.db.read(move |tx| item_id(tx, &user, &id)).await
        }
    }
}

/// The bytes, or of an image a smaller picture where a size is asked for.
pub async fn get_content(call: Call) -> Result<Response> {
    let caller = auth::caller(&call).await?;
    let query = Fields::of_query(&call)?;
    let id = named_item(&call, &caller).await?;
    if let Some(size_px) = query.number::<u64>("minWidth")?.max(query.number("minHeight")?) {
        let (of, caller) = (id.clone(), caller.clone());
        let grant = call.app.db.read(move |tx| caller.reach(tx, &of, Action::Preview)).await?;
        if grant.item().media != Media::None {
            return deliver::cover(&call, grant, Some(u32::try_from(size_px).unwrap_or(u32::MAX))).await;
        }
    }
    let (action, disposition) = match says(&query, "download") {
        true => (Action::Download, Disposition::Attachment),
        false => (Action::Play, Disposition::Inline),
    };
    let grant = caller.fetch(&call.app, id, action, call.wanted()).await?;
    deliver::file(&call, grant, disposition).await
}

/// A folder's content without the folder's own name; of several items each under its name.
pub async fn get_files_zip(call: Call) -> Result<Response> {
    let caller = auth::caller(&call).await?;
    let query = Fields::of_query(&call)?;
    let part = caller.fetch_all(&call.app, ids_of(&query)?, call.wanted()).await?;
    deliver::zip(&call, vec![part]).await
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
