//! Copies. They are made when the answer goes out, however many: who asks how far they are hears that they are done.

use axum::http::{StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

use super::super::{answer_empty, answer_json, auth};
use super::body::{Object, on_conflict, text};
use super::hand::{Hand, Target, into_folder, target};
use super::write::{created, further_names};
use super::{MOST_IDS, sharing};
use crate::account::User;
use crate::error::{Error, Result};
use crate::http::fields::Fields;
use crate::http::{Call, put_header};
use crate::library::Item;
use crate::library::names::ending_at;
use crate::share::grant::Action;
use crate::store::Tx;
use crate::work::files::{self, Place};
use crate::work::upload::OnConflict;

async fn copy(call: &Call, hand: &Hand, item: &Item, into: &Place, on_conflict: OnConflict) -> Result<Item> {
    let mut made = hand.copy(&call.app, item, into, None).await;
    let (stem, ending) = match item.is_folder() {
        true => (item.shown.as_str(), ""),
        false => item.shown.split_at(ending_at(&item.shown)),
    };
    for name in further_names(stem, ending) {
        if on_conflict != OnConflict::Rename || !matches!(made, Err(Error::Exists(_))) {
            break;
        }
        made = hand.copy(&call.app, item, into, Some(&name)).await;
    }
    made
}

pub async fn post_copy(mut call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let on_conflict = on_conflict(&Fields::of_query(&call)?);
    let fields: Object = call.json().await?;
    let into = text(&fields, "destinationParentID")?.ok_or(Error::Missing("destinationParentID"))?;
    let (by, into) = into_folder(&call, &user, into).await?;
    let Target { hand, item, .. } = target(&call, &user, Action::See).await?;
    // Both lie in the share that lets something be put there, or neither is others'.
    let hand = if let Hand::Given(_) = by { by } else { hand };
    let copy = copy(&call, &hand, &item, &into, on_conflict).await?;
    Ok(created(&copy.id, Some(&copy)))
}

fn sources(fields: &Object) -> Result<Vec<String>> {
    let ids = fields.get("sourceIDs").and_then(Value::as_array).filter(|ids| !ids.is_empty());
    let ids = ids.ok_or(Error::Missing("sourceIDs"))?;
    let ids: Option<Vec<String>> = ids.iter().map(|id| id.as_str().map(str::to_owned)).collect();
    ids.filter(|ids| ids.len() <= MOST_IDS)
        .ok_or_else(|| Error::invalid("sourceIDs", format!("at most {MOST_IDS} ids")))
}

/// All of them, or none.
pub async fn post_file_copies(mut call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let on_conflict = on_conflict(&Fields::of_query(&call)?);
    let fields: Object = call.json().await?;
    let ids = sources(&fields)?;
    let into = text(&fields, "targetID")?.ok_or(Error::Missing("targetID"))?;
    let (_, into) = into_folder(&call, &user, into).await?;
    let (visitor, own) = (call.guest().with_user(user.clone()), user.clone());
    let find = move |tx: &mut Tx| {
        let one = |id: &String| {
            let id = super::item_id(tx, &own, id)?;
            Ok(sharing::own(tx, &own, &visitor, &id, Action::See)?.item().clone())
        };
        ids.iter().map(one).collect::<Result<Vec<Item>>>()
    };
    let items = call.app.db.read(find).await?;
    let copies = copy_all(&call, &user, &items, &into, on_conflict).await?;
    let mut response = answer_empty(StatusCode::CREATED);
    put_header(&mut response, header::LOCATION, &format!("/sdk/v1/fileCopies/{}", copies.join(",")));
    Ok(response)
}

async fn copy_all(
    call: &Call,
    user: &User,
    items: &[Item],
    into: &Place,
    on_conflict: OnConflict,
) -> Result<Vec<String>> {
    let hand = Hand::Own(user.clone());
    let mut made = Vec::with_capacity(items.len());
    for item in items {
        match copy(call, &hand, item, into, on_conflict).await {
            Ok(copy) => made.push(copy.id),
            Err(error) => {
                for id in made {
                    if let Err(cause) = files::purge(&call.app, user, &id).await {
                        tracing::warn!("one of several copies stays: {cause}");
                    }
                }
                return Err(error);
            }
        }
    }
    Ok(made)
}

/// The id that the copies were told by is theirs, one after the other.
pub async fn get_file_copies(call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let visitor = call.guest().with_user(user.clone());
    let id = call.path("id").to_owned();
    let ids: Vec<String> = id.split(',').map(str::to_owned).collect();
    if ids.len() > MOST_IDS {
        return Err(Error::invalid("id", "there are no such copies"));
    }
    let find = move |tx: &mut Tx| {
        ids.into_iter()
            .map(|id| sharing::own(tx, &user, &visitor, &id, Action::See).map(|_| id))
            .collect::<Result<Vec<_>>>()
    };
    let copies = call.app.db.read(find).await?;
    Ok(answer_json(StatusCode::OK, &json!({"id": id, "status": "done", "fileIDs": copies})))
}
