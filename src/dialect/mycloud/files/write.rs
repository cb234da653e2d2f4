//! Making, filling, changing and deleting: for users only, by their own rights.

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::Response;
use futures_util::{StreamExt, stream};
use serde_json::{Map, Value};

use super::super::answers::{FOLDER_TYPE, etag};
use super::super::auth::{self, Caller};
use super::super::multipart::{Delimiter, HEAD_LIMIT_BYTES, Head, boundary_in, boundary_of, head};
use super::super::{answer_empty, says};
use super::{ROOTS, item_id, place};
use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::http::digest::Whole;
use crate::http::fields::Fields;
use crate::http::{Call, put_header};
use crate::library::Item;
use crate::now_ms;
use crate::share::grant::Action;
use crate::store::{Tx, upload_names};
use crate::work::files::{self, Place};
use crate::work::upload::{self, Begin, Content, OnConflict};

// Answers -------------------------------------------------------------------------------------------------------------

/// Beneath the device's address and without it: one client puts the two together, another looks for `files/`.
fn created(id: &str, item: Option<&Item>) -> Response {
    let mut response = answer_empty(StatusCode::CREATED);
    put_header(&mut response, header::LOCATION, &format!("/sdk/v2/files/{id}"));
    if let Some(item) = item {
        put_header(&mut response, header::ETAG, &etag(item));
    }
    response
}

fn changed(item: &Item) -> Response {
    let mut response = answer_empty(StatusCode::NO_CONTENT);
    put_header(&mut response, header::ETAG, &etag(item));
    response
}

// What came in --------------------------------------------------------------------------------------------------------

type Object = Map<String, Value>;

fn text<'a>(fields: &'a Object, name: &'static str) -> Result<Option<&'a str>> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::invalid(name, "a text")),
    }
}

fn modified_ms(fields: &Object) -> Result<Option<i64>> {
    let Some(text) = text(fields, "mTime")? else { return Ok(None) };
    let time: jiff::Timestamp =
        text.parse().map_err(|_| Error::invalid("mTime", "a time such as 2024-01-02T03:04:05.000Z"))?;
    Ok(Some(time.as_millisecond()))
}

/// A multipart body: its JSON, and its content still on the way.
struct Parts {
    fields: Object,
    content: Option<Body>,
}

impl Parts {
    async fn of(call: &mut Call) -> Result<Parts> {
        let named = boundary_of(call.header(header::CONTENT_TYPE).unwrap_or_default());
        let mut incoming = call.take_body().into_data_stream();
        let mut so_far = Vec::new();
        loop {
            let piece = incoming.next().await.transpose().map_err(|_| Error::invalid("body", "it broke off"))?;
            so_far.extend_from_slice(piece.as_deref().unwrap_or_default());
            let Some(boundary) = named.clone().or_else(|| boundary_in(&so_far)) else {
                if piece.is_none() || so_far.len() > HEAD_LIMIT_BYTES {
                    return Err(Error::invalid("body", "it is not multipart"));
                }
                continue;
            };
            match head(&boundary, &so_far, piece.is_none())? {
                Head::Unfinished if so_far.len() > HEAD_LIMIT_BYTES => {
                    return Err(Error::TooLarge {
                        size_bytes: so_far.len() as u64,
                        limit_bytes: HEAD_LIMIT_BYTES as u64,
                    });
                }
                Head::Unfinished => {}
                Head::Whole { json, content } => {
                    let fields = serde_json::from_slice(so_far[json].trim_ascii());
                    let fields = fields.map_err(|_| Error::invalid("body", "its first part is not a JSON object"))?;
                    let content =
                        content.map(|(start, delimiter)| rest_of(so_far.split_off(start).into(), delimiter, incoming));
                    return Ok(Parts { fields, content });
                }
            }
        }
    }
}

/// The content of a body whose head was read, as it comes in. What follows its delimiter is read and dropped.
fn rest_of(first: Bytes, delimiter: Delimiter, incoming: axum::body::BodyDataStream) -> Body {
    let pieces = stream::once(async move { Ok(first) }).chain(incoming);
    let state = Some((delimiter, Box::pin(pieces)));
    Body::from_stream(stream::unfold(state, |state| async move {
        let (mut delimiter, mut pieces) = state?;
        let (content, goes_on) = match pieces.next().await {
            Some(Ok(piece)) => (Ok(delimiter.push(&piece)), true),
            Some(Err(cause)) => (Err(std::io::Error::other(cause)), false),
            None => (delimiter.finish().map_err(std::io::Error::other), false),
        };
        Some((content.map(Bytes::from), goes_on.then_some((delimiter, pieces))))
    }))
}

/// A file or folder to be.
struct Wanted {
    name: String,
    parent_id: String,
    is_folder: bool,
    modified_ms: Option<i64>,
}

impl Wanted {
    fn of(fields: &Object) -> Result<Wanted> {
        Ok(Wanted {
            name: text(fields, "name")?.filter(|name| !name.is_empty()).ok_or(Error::Missing("name"))?.to_owned(),
            parent_id: text(fields, "parentID")?.filter(|id| !id.is_empty()).unwrap_or(ROOTS[0]).to_owned(),
            is_folder: text(fields, "mimeType")? == Some(FOLDER_TYPE),
            modified_ms: modified_ms(fields)?,
        })
    }

    /// Its size is not taken from the JSON: clients write there what they like, and content tells.
    fn begin(self, into: Place, on_conflict: OnConflict) -> Begin {
        Begin { modified_ms: self.modified_ms, ..Begin::stream(into, self.name, on_conflict) }
    }
}

fn on_conflict(query: &Fields) -> OnConflict {
    if says(query, "resolveNameConflict") { OnConflict::Rename } else { OnConflict::Refuse }
}

// Who and where -------------------------------------------------------------------------------------------------------

async fn place_of(call: &Call, user: &User, id: &str) -> Result<Place> {
    let (caller, user, id) = (
        Caller::User { visitor: call.guest().with_user(user.clone()), user: Box::new(user.clone()) },
        user.clone(),
        id.to_owned(),
    );
    call.app
        .db
        .read(move |tx| {
            let id = item_id(tx, &user, &id)?;
            place(tx, &caller, &id)
        })
        .await
}

/// The item of the path and where it lies, if the user sees it and it is still the version that `If-Match` names.
async fn target(call: &Call, user: &User) -> Result<(Item, Place)> {
    let caller = Caller::User { visitor: call.guest().with_user(user.clone()), user: Box::new(user.clone()) };
    let (user, id) = (user.clone(), call.path("id").to_owned());
    if ROOTS.contains(&id.as_str()) || id == super::TRASH {
        return Err(Error::Forbidden("this folder stays as it is"));
    }
    let find = move |tx: &mut Tx| {
        let id = item_id(tx, &user, &id)?;
        let item = caller.reach(tx, &id, Action::See)?.item().clone();
        let parent = files::parent_of(tx, &user, &item)?;
        Ok((item, parent))
    };
    let (item, parent) = call.app.db.read(find).await?;
    match expected(call) {
        // A download's validator goes on where the item's ends.
        Some(tag) if tag != "*" && !tag.trim_matches('"').starts_with(&item.etag()) => {
            Err(Error::Conflict(Thing::Version))
        }
        _ => Ok((item, parent)),
    }
}

fn expected(call: &Call) -> Option<&str> {
    call.header(header::IF_MATCH).map(str::trim).filter(|tag| !tag.is_empty())
}

fn is_same(a: &Place, b: &Place) -> bool {
    match (a, b) {
        (Place::Root, Place::Root) => true,
        (Place::Item(a), Place::Item(b)) => a.key == b.key,
        (Place::Root, Place::Item(_)) | (Place::Item(_), Place::Root) => false,
    }
}

// New files and folders -----------------------------------------------------------------------------------------------

pub async fn post_files(mut call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let on_conflict = on_conflict(&Fields::of_query(&call)?);
    let parts = Parts::of(&mut call).await?;
    let wanted = Wanted::of(&parts.fields)?;
    let into = place_of(&call, &user, &wanted.parent_id).await?;
    let item = if wanted.is_folder {
        make_folder(&call, &user, &into, &wanted.name, on_conflict).await?
    } else {
        let content = parts.content.unwrap_or_else(Body::empty);
        upload::whole(&call.app, &user, wanted.begin(into, on_conflict), content).await?
    };
    Ok(created(&item.id, Some(&item)))
}

async fn make_folder(call: &Call, user: &User, into: &Place, name: &str, on_conflict: OnConflict) -> Result<Item> {
    const MOST_TRIES: u32 = 1000;
    let mut made = files::create_folder(&call.app, user, into, name).await;
    for n in 1..MOST_TRIES {
        if on_conflict != OnConflict::Rename || !matches!(made, Err(Error::Exists(_))) {
            break;
        }
        made = files::create_folder(&call.app, user, into, &format!("{name} ({n})")).await;
    }
    made
}

// Uploads in steps ----------------------------------------------------------------------------------------------------

pub async fn post_resumable(mut call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let query = Fields::of_query(&call)?;
    let parts = Parts::of(&mut call).await?;
    let step = Step::of(&query, parts.content.map(Content::from))?;
    let wanted = Wanted::of(&parts.fields)?;
    if wanted.is_folder {
        return Err(Error::invalid("mimeType", "a folder has no content"));
    }
    let into = place_of(&call, &user, &wanted.parent_id).await?;
    let begun = upload::begin(&call.app, &user, wanted.begin(into, on_conflict(&query))).await?;
    remember(&call, &user, &begun.id, &begun.id).await?;
    let item = fill(&call, &user, &begun.id, &begun.id, step).await?;
    Ok(created(&begun.id, item.as_ref()))
}

/// The client goes on with an upload under this name: the id it was told, or the id of the file to be replaced.
async fn remember(call: &Call, user: &User, name: &str, upload_id: &str) -> Result<()> {
    let (account, name, upload_id) = (user.key, name.to_owned(), upload_id.to_owned());
    call.app.db.write(move |tx| upload_names::insert(tx, account, &name, &upload_id, now_ms())).await
}

/// What one request adds to an upload.
struct Step {
    offset: u64,
    content: Option<Content>,
    is_last: bool,
}

impl Step {
    fn of(query: &Fields, content: Option<Content>) -> Result<Step> {
        Ok(Step { offset: query.number("offset")?.unwrap_or(0), content, is_last: says(query, "done") })
    }
}

/// Writes what came and, at the end, makes it the file. The empty request that only says so takes nothing away.
async fn fill(call: &Call, user: &User, name: &str, upload_id: &str, step: Step) -> Result<Option<Item>> {
    if let Some(content) = step.content {
        upload::write_at(&call.app, user, upload_id, step.offset, content).await?;
    }
    if !step.is_last {
        return Ok(None);
    }
    let item = upload::finish(&call.app, user, upload_id).await?;
    let (account, name, item_id) = (user.key, name.to_owned(), item.id.clone());
    call.app.db.write(move |tx| upload_names::finish(tx, account, &name, &item_id)).await?;
    Ok(Some(item))
}

async fn open_upload(call: &Call, user: &User) -> Result<Option<String>> {
    let (account, name) = (user.key, call.path("id").to_owned());
    call.app.db.read(move |tx| upload_names::upload(tx, account, &name)).await
}

pub async fn put_resumable_content(mut call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let query = Fields::of_query(&call)?;
    let upload_id = open_upload(&call, &user).await?.ok_or(Error::NotFound(Thing::Upload))?;
    let step = Step::of(&query, Some(call.take_content(Whole::Part)?))?;
    let item = fill(&call, &user, call.path("id"), &upload_id, step).await?;
    Ok(item.map_or_else(|| answer_empty(StatusCode::NO_CONTENT), |item| changed(&item)))
}

/// New content for a file that is there, in steps. It begins empty: what stands before `offset` is not carried over, so
/// the first step has to begin at 0.
pub async fn post_file_resumable(mut call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let query = Fields::of_query(&call)?;
    let step = Step::of(&query, Some(call.take_content(Whole::Part)?))?;
    let upload_id = match open_upload(&call, &user).await? {
        Some(upload_id) => upload_id,
        None if step.offset > 0 => return Err(Error::Unsupported("writing into the middle of a file")),
        None => {
            let (item, into) = target(&call, &user).await?;
            let begin = Begin::stream(into, item.shown.clone(), OnConflict::Replace);
            let begun = upload::begin(&call.app, &user, begin).await?;
            remember(&call, &user, call.path("id"), &begun.id).await?;
            begun.id
        }
    };
    let item = fill(&call, &user, call.path("id"), &upload_id, step).await?;
    Ok(created(call.path("id"), item.as_ref()))
}

pub async fn put_content(mut call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let (item, _) = target(&call, &user).await?;
    let previous = expected(&call).filter(|tag| *tag != "*").map(|_| item.revision);
    let content = call.take_content(Whole::File)?;
    let item = upload::replace(&call.app, &user, &item.id, previous, content, None).await?;
    Ok(changed(&item))
}

// Changes -------------------------------------------------------------------------------------------------------------

pub async fn patch_file(mut call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let fields: Object = call.json().await?;
    let (name, modified_ms) = (text(&fields, "name")?, modified_ms(&fields)?);
    let into = match text(&fields, "parentID")? {
        Some(id) => Some(place_of(&call, &user, id).await?),
        None => None,
    };
    let (mut item, parent) = target(&call, &user).await?;
    // Clients send name and folder whether they changed or not. A move to another library gives the item another id.
    if let Some(into) = into.filter(|into| !is_same(into, &parent)) {
        item = files::move_into(&call.app, &user, &item.id, &into).await?;
    }
    if let Some(name) = name.filter(|name| *name != item.shown) {
        item = files::rename(&call.app, &user, &item.id, name).await?;
    }
    if let Some(modified_ms) = modified_ms {
        item = files::set_modified(&call.app, &user, &item.id, modified_ms).await?;
    }
    Ok(changed(&item))
}

pub async fn post_copy(mut call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let fields: Object = call.json().await?;
    let into = text(&fields, "destinationParentID")?.ok_or(Error::Missing("destinationParentID"))?;
    let into = place_of(&call, &user, into).await?;
    let (item, _) = target(&call, &user).await?;
    let copy = files::copy_into(&call.app, &user, &item.id, &into).await?;
    Ok(created(&copy.id, Some(&copy)))
}

/// Into the trash, from where the owner can take it back.
pub async fn delete_file(call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let (item, _) = target(&call, &user).await?;
    files::trash(&call.app, &user, &item.id).await?;
    Ok(answer_empty(StatusCode::NO_CONTENT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(value: Value) -> Object {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn times_are_read_to_the_millisecond_and_other_texts_refused() {
        let read = |time: &str| modified_ms(&fields(serde_json::json!({"mTime": time})));
        assert_eq!(read("2023-11-14T22:13:20.123Z").unwrap(), Some(1_700_000_000_123));
        assert_eq!(read("2023-11-14T23:13:20+01:00").unwrap(), Some(1_700_000_000_000));
        assert!(read("yesterday").is_err());
        assert_eq!(modified_ms(&fields(serde_json::json!({}))).unwrap(), None);
    }

    #[tokio::test]
    async fn content_behind_the_json_is_passed_on_piece_by_piece_and_a_broken_one_fails() {
        let read = async |body: &'static str| {
            let pieces = stream::iter(
                body.as_bytes().chunks(3).skip(1).map(|piece| Ok::<_, std::io::Error>(Bytes::from_static(piece))),
            );
            let so_far = &body.as_bytes()[..3];
            let incoming = Body::from_stream(pieces).into_data_stream();
            // The delimiter's own state comes from a head that ends where this content begins.
            let Head::Whole { content: Some((_, delimiter)), .. } = head("b", b"--b\n\n{}\n--b\n\nxx", false).unwrap()
            else {
                panic!()
            };
            axum::body::to_bytes(rest_of(Bytes::from_static(so_far), delimiter, incoming), 1000).await
        };
        assert_eq!(&read("content of any kind\n--b--\n").await.unwrap()[..], b"content of any kind");
        assert!(read("content that breaks off").await.is_err());
    }
}
