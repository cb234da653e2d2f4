//! New files and folders, and new content.

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::Response;

use super::super::answers::etag;
use super::super::{answer_empty, auth};
use super::body::{Parts, Wanted, on_conflict};
use super::hand::{Hand, expected, into_folder, target};
use crate::error::{Error, Result};
use crate::http::digest::Whole;
use crate::http::fields::Fields;
use crate::http::{Call, put_header};
use crate::library::Item;
use crate::library::names::numbered_text;
use crate::share::grant::Action;
use crate::work::files::Place;
use crate::work::upload::{self, OnConflict};

/// Beneath the device's address and without it: one client puts the two together, another looks for `files/`.
pub fn created(id: &str, item: Option<&Item>) -> Response {
    let mut response = answer_empty(StatusCode::CREATED);
    put_header(&mut response, header::LOCATION, &format!("/sdk/v2/files/{id}"));
    if let Some(item) = item {
        put_header(&mut response, header::ETAG, &etag(item));
    }
    response
}

pub fn changed(item: &Item) -> Response {
    let mut response = answer_empty(StatusCode::NO_CONTENT);
    put_header(&mut response, header::ETAG, &etag(item));
    response
}

pub async fn post_files(mut call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let on_conflict = on_conflict(&Fields::of_query(&call)?);
    let parts = Parts::of(&mut call).await?;
    let wanted = Wanted::of(&parts.fields)?;
    let (hand, into) = into_folder(&call, &user, &wanted.parent_id).await?;
    let item = if wanted.is_folder {
        make_folder(&call, &hand, &into, &wanted, on_conflict).await?
    } else {
        let content = parts.content.unwrap_or_else(Body::empty);
        upload::whole(&call.app, hand.uploader(), wanted.begin(into, on_conflict), content).await?
    };
    Ok(created(&item.id, Some(&item)))
}

async fn make_folder(call: &Call, hand: &Hand, into: &Place, wanted: &Wanted, on_conflict: OnConflict) -> Result<Item> {
    let mut made = hand.make_folder(&call.app, into, &wanted.name).await;
    for name in further_names(&wanted.name, "") {
        if on_conflict != OnConflict::Rename || !matches!(made, Err(Error::Exists(_))) {
            break;
        }
        made = hand.make_folder(&call.app, into, &name).await;
    }
    match (made, wanted.modified_ms) {
        (Ok(folder), Some(modified_ms)) => hand.set_modified(&call.app, &folder, modified_ms).await,
        (made, _) => made,
    }
}

/// Names for what finds its own taken.
pub fn further_names(stem: &str, ending: &str) -> impl Iterator<Item = String> {
    const MOST_TRIES: u64 = 1000;
    (2..MOST_TRIES).map(move |number| numbered_text(stem, ending, number))
}

pub async fn put_content(mut call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let target = target(&call, &user, Action::Update).await?;
    let previous = expected(&call).filter(|tags| *tags != "*").map(|_| target.item.revision);
    let content = call.take_content(Whole::File)?;
    let item = upload::replace(&call.app, target.hand.uploader(), &target.item.id, previous, content, None).await?;
    Ok(changed(&item))
}
