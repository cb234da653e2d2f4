//! Renaming, moving, throwing away and taking back.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::super::{answer_empty, auth, says};
use super::body::{Object, modified_ms, text};
use super::hand::{Hand, into_folder, target};
use super::item_id;
use super::resumable;
use super::write::changed;
use crate::account::User;
use crate::error::{Error, Result};
use crate::http::Call;
use crate::http::fields::Fields;
use crate::library::Item;
use crate::share::grant::Action;
use crate::store::Tx;
use crate::work::files::{self, Place};

fn is_same(a: &Place, b: &Place) -> bool {
    match (a, b) {
        (Place::Root, Place::Root) => true,
        (Place::Item(a), Place::Item(b)) => a.key == b.key,
        (Place::Root, Place::Item(_)) | (Place::Item(_), Place::Root) => false,
    }
}

/// Clients send name and folder whether they changed or not.
pub async fn patch_file(mut call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let fields: Object = call.json().await?;
    let (name, modified_ms) = (text(&fields, "name")?, modified_ms(&fields)?);
    let into = match text(&fields, "parentID")? {
        Some(id) => Some(into_folder(&call, &user, id).await?.1),
        None => None,
    };
    if let Some(id) = in_trash(&call, &user).await? {
        let item = take_back(&call, &user, &id, &fields, into.as_ref(), name).await?;
        return Ok(changed(&item));
    }
    let action = if name.is_some() || into.is_some() { Action::Relocate } else { Action::Update };
    let target = target(&call, &user, action).await?;
    let into = into.filter(|into| !is_same(into, &target.parent));
    let name = name.filter(|name| *name != target.item.shown);
    let mut item = target.hand.relocate(&call.app, &target.item, into.as_ref(), name).await?;
    if let Some(modified_ms) = modified_ms {
        item = target.hand.set_modified(&call.app, &item, modified_ms).await?;
    }
    Ok(changed(&item))
}

/// The id of the path's item, if it is in the trash and the user's to take back.
async fn in_trash(call: &Call, user: &User) -> Result<Option<String>> {
    let (user, id) = (user.clone(), call.path("id").to_owned());
    let find = move |tx: &mut Tx| {
        let id = item_id(tx, &user, &id)?;
        Ok(files::is_in_trash(tx, &user, &id)?.then_some(id))
    };
    call.app.db.read(find).await
}

/// Out of the trash: by `"trashed": false` to where it lay, by `parentID` to that folder. It stays there when it cannot have
/// that place or name.
async fn take_back(
    call: &Call,
    user: &User,
    id: &str,
    fields: &Object,
    into: Option<&Place>,
    name: Option<&str>,
) -> Result<Item> {
    if into.is_none() && fields.get("trashed") != Some(&Value::Bool(false)) {
        return Err(Error::Forbidden("it is in the trash"));
    }
    let item = files::restore(&call.app, user, id).await?;
    let name = name.filter(|name| *name != item.shown);
    let placed = Hand::Own(user.clone()).relocate(&call.app, &item, into, name).await;
    if placed.is_err() {
        files::trash(&call.app, user, &item.id).await?;
    }
    placed
}

/// Into the trash, from where the owner can take it back; for good where `purge` says so. A client that repeats itself does
/// not purge by that. An upload that is under way is given up.
pub async fn delete_file(call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let query = Fields::of_query(&call)?;
    if resumable::cancel(&call, &user).await? {
        return Ok(answer_empty(StatusCode::NO_CONTENT));
    }
    if says(&query, "purge") {
        let id = match in_trash(&call, &user).await? {
            Some(id) => id,
            None => target(&call, &user, Action::Delete).await?.item.id,
        };
        files::purge(&call.app, &user, &id).await?;
    } else {
        let target = target(&call, &user, Action::Delete).await?;
        target.hand.trash(&call.app, &target.item).await?;
    }
    Ok(answer_empty(StatusCode::NO_CONTENT))
}
