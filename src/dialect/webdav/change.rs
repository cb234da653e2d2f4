//! What changes the tree: PUT, MKCOL, DELETE, COPY, MOVE.

use axum::body::HttpBody;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::tree::{Mount, Node, Tree, sender_ticket};
use super::{Failure, Outcome, XML_LIMIT_BYTES, conditions};
use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::http::deliver::etag_of;
use crate::http::digest::Whole;
use crate::http::{Call, put_header};
use crate::library::Item;
use crate::share::grant::Action;
use crate::store::library;
use crate::work::drop_box::{self, Sender};
use crate::work::files::{self, Place, by_path};
use crate::work::properties;
use crate::work::upload::{self, Begin, OnConflict};

const OVERWRITTEN: StatusCode = StatusCode::NO_CONTENT;

fn done(status: StatusCode) -> Outcome {
    Ok((status, [(header::CACHE_CONTROL, "no-store")]).into_response())
}

/// The folder of what is to be there, and its name. A folder that is missing is a conflict: it is made first.
pub async fn folder_of(call: &Call, user: &User, names: &[String]) -> Result<(Place, String), Failure> {
    let (name, folder) = names.split_last().ok_or(StatusCode::METHOD_NOT_ALLOWED)?;
    let (of, folder) = (user.clone(), folder.to_vec());
    match call.app.db.read(move |tx| by_path(tx, &of, &folder)).await {
        Ok(Place::Item(item)) if !item.is_folder() => Err(StatusCode::CONFLICT.into()),
        Ok(place) => Ok((place, name.clone())),
        Err(Error::NotFound(_)) => Err(StatusCode::CONFLICT.into()),
        Err(error) => Err(error.into()),
    }
}

/// What is at the path now, if anything.
async fn there(call: &Call, mount: &Mount) -> Result<Option<Node>> {
    match mount.node(&call.app, Action::See).await {
        Ok(node) => Ok(Some(node)),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

// PUT -----------------------------------------------------------------------------------------------------------------

pub async fn put(call: Call, mut mount: Mount) -> Outcome {
    // Whoever does not know what a part of a file is would write it in the place of the whole.
    if call.parts.headers.contains_key(header::CONTENT_RANGE) {
        return Err(Error::invalid("Content-Range", "files are written whole").into());
    }
    if mount.path.is_folders {
        return Err(StatusCode::METHOD_NOT_ALLOWED.into());
    }
    if let Tree::Share { mode, .. } = &mount.tree
        && mode.takes_files()
    {
        return send(call, mount).await;
    }
    conditions::check(&call, &mut mount).await?;
    let (user, names) = mount.writer()?;
    let (into, name) = folder_of(&call, user, &names).await?;
    let there = match there(&call, &mount).await? {
        Some(Node::Item(item)) if !item.is_folder() => Some(item),
        Some(_) => return Err(StatusCode::METHOD_NOT_ALLOWED.into()),
        None => None,
    };
    conditions::check_tags(&call, there.as_ref())?;
    store(call, user, there, into, name).await
}

/// Over what is there, if that still is what the client saw, or anew.
async fn store(mut call: Call, user: &User, there: Option<Item>, into: Place, name: String) -> Outcome {
    let modified_ms = modified_ms(&call)?;
    let headers = &call.parts.headers;
    let (is_new, must_match) = (headers.contains_key(header::IF_NONE_MATCH), headers.contains_key(header::IF_MATCH));
    let content = call.take_content(Whole::File)?;
    let item = match &there {
        Some(item) => {
            let seen = must_match.then_some(item.revision);
            upload::replace(&call.app, user, &item.id, seen, content, modified_ms).await?
        }
        None => {
            let on_conflict = if is_new { OnConflict::Refuse } else { OnConflict::Replace };
            let size_bytes = content.body.size_hint().exact();
            let begin = Begin { size_bytes, modified_ms, ..Begin::stream(into, name, on_conflict) };
            upload::whole(&call.app, user, begin, content).await?
        }
    };
    Ok(stored(&item, if there.is_some() { OVERWRITTEN } else { StatusCode::CREATED }, modified_ms))
}

fn stored(item: &Item, status: StatusCode, modified_ms: Option<i64>) -> Response {
    let mut response = status.into_response();
    put_header(&mut response, header::ETAG, &format!("\"{}\"", etag_of(item, item.modified_ms, item.size_bytes)));
    if modified_ms.is_some() {
        put_header(&mut response, HeaderName::from_static("x-oc-mtime"), "accepted");
    }
    response
}

/// Seconds since 1970, in a header that ownCloud's clients brought about and rclone sends.
fn modified_ms(call: &Call) -> Result<Option<i64>> {
    let Some(text) = call.header(HeaderName::from_static("x-oc-mtime")) else { return Ok(None) };
    let seconds: f64 = text.trim().parse().map_err(|_| Error::invalid("X-OC-Mtime", "seconds since 1970"))?;
    Ok(Some((seconds * 1000.0) as i64))
}

/// A file for a drop box, under a name that is free there.
async fn send(mut call: Call, mount: Mount) -> Outcome {
    let Tree::Share { id, sender: name, .. } = &mount.tree else { return Err(Error::NotFound(Thing::Share).into()) };
    let [file] = mount.path.names.as_slice() else {
        return Err(Error::Forbidden("files are sent to the top of a drop box").into());
    };
    let ticket = sender_ticket(&call, id, name.as_deref().unwrap_or_default());
    let sender = Sender { share_id: id.clone(), visitor: mount.visitor.clone().with_ticket(ticket) };
    let into = match drop_box::place_for(&call.app, &sender, name.as_deref()).await {
        // Whoever is asked for a name is asked to sign in, with that name and any password.
        Err(Error::Missing("name")) => return Err(Error::SignInNeeded.into()),
        place => place?,
    };
    let modified_ms = modified_ms(&call)?;
    let content = call.take_content(Whole::File)?;
    let size_bytes = content.body.size_hint().exact();
    let begin = Begin { size_bytes, modified_ms, ..Begin::stream(into, file.clone(), OnConflict::Rename) };
    upload::whole(&call.app, &sender, begin, content).await?;
    done(StatusCode::CREATED)
}

// MKCOL and DELETE ----------------------------------------------------------------------------------------------------

pub async fn mkcol(mut call: Call, mut mount: Mount) -> Outcome {
    if !call.body_bytes(XML_LIMIT_BYTES).await?.is_empty() {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE.into());
    }
    conditions::check(&call, &mut mount).await?;
    let (user, names) = mount.writer()?;
    if there(&call, &mount).await?.is_some() {
        return Err(StatusCode::METHOD_NOT_ALLOWED.into());
    }
    let (into, name) = folder_of(&call, user, &names).await?;
    match files::create_folder(&call.app, user, &into, &name).await {
        Err(Error::Exists(_)) => Err(StatusCode::METHOD_NOT_ALLOWED.into()),
        Err(error) => Err(error.into()),
        Ok(_) => done(StatusCode::CREATED),
    }
}

pub async fn delete(call: Call, mut mount: Mount) -> Outcome {
    conditions::check(&call, &mut mount).await?;
    let (user, _) = mount.writer()?;
    let Node::Item(item) = mount.node(&call.app, Action::See).await? else {
        return Err(Error::Forbidden("the root stays as it is").into());
    };
    let depth = call.header(HeaderName::from_static("depth"));
    if item.is_folder() && depth.is_some_and(|depth| !depth.eq_ignore_ascii_case("infinity")) {
        return Err(Error::invalid("Depth", "a folder goes with all that is in it").into());
    }
    conditions::check_tags(&call, Some(&item))?;
    if mount.path.names.is_empty() {
        return Err(Error::Forbidden("the root stays as it is").into());
    }
    files::trash(&call.app, user, &item.id).await?;
    done(StatusCode::NO_CONTENT)
}

// COPY and MOVE -------------------------------------------------------------------------------------------------------

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Move,
    Copy,
    /// Of a folder, itself without what is in it.
    CopyAlone,
}

pub async fn copy(call: Call, mount: Mount) -> Outcome {
    let how = match call.header(HeaderName::from_static("depth")) {
        Some("0") => How::CopyAlone,
        None => How::Copy,
        Some(depth) if depth.eq_ignore_ascii_case("infinity") => How::Copy,
        Some(_) => return Err(Error::invalid("Depth", "0 or infinity").into()),
    };
    transfer(call, mount, how).await
}

pub async fn relocate(call: Call, mount: Mount) -> Outcome {
    transfer(call, mount, How::Move).await
}

fn overwrites(call: &Call) -> Result<bool> {
    match call.header(HeaderName::from_static("overwrite")).unwrap_or("T") {
        "T" | "t" => Ok(true),
        "F" | "f" => Ok(false),
        _ => Err(Error::invalid("Overwrite", "T or F")),
    }
}

async fn transfer(call: Call, mut mount: Mount, how: How) -> Outcome {
    let to = call.header(HeaderName::from_static("destination")).ok_or(Error::Missing("Destination"))?;
    let to = mount.base.within(&call, to)?;
    let overwrites = overwrites(&call)?;
    conditions::check(&call, &mut mount).await?;
    mount.writer()?;
    let Node::Item(item) = mount.node(&call.app, Action::See).await? else {
        return Err(Error::Forbidden("the root stays as it is").into());
    };
    conditions::check_tags(&call, Some(&item))?;
    let target = mount.at(to);
    let (user, names) = target.writer()?;
    if mount.path.names.is_empty() || target.path.names.is_empty() {
        return Err(Error::Forbidden("the root stays as it is").into());
    }
    let (into, name) = folder_of(&call, user, &names).await?;
    let in_the_way = match there(&call, &target).await? {
        None => None,
        Some(Node::Item(other)) if other.key == item.key && how == How::Move && mount.path != target.path => None,
        Some(Node::Item(other)) => Some(other),
        Some(_) => return Err(Error::Forbidden("the root stays as it is").into()),
    };
    if in_the_way.is_some() && !overwrites {
        return Err(StatusCode::PRECONDITION_FAILED.into());
    }
    refuse_within(&call, &item, &into, in_the_way.as_ref()).await?;
    let Some(other) = in_the_way else {
        moved(&call, user, &item, &into, &name, how).await?;
        return done(StatusCode::CREATED);
    };
    files::trash(&call.app, user, &other.id).await?;
    if let Err(error) = moved(&call, user, &item, &into, &name, how).await {
        files::restore(&call.app, user, &other.id).await?;
        return Err(error.into());
    }
    done(OVERWRITTEN)
}

/// Refuses what would put a folder into itself, or itself in the place of a folder around it.
async fn refuse_within(call: &Call, item: &Item, into: &Place, in_the_way: Option<&Item>) -> Result<()> {
    let (item, into, other) = (item.clone(), into.clone(), in_the_way.map(|other| other.key));
    call.app
        .db
        .read(move |tx| {
            let key = item.key;
            let above = library::place(tx, item, &[])?.chain;
            let around = match into {
                Place::Root => Vec::new(),
                Place::Item(folder) => library::place(tx, folder, &[])?.chain,
            };
            match around.contains(&key) || other.is_some_and(|other| above.contains(&other)) {
                true => Err(Error::Forbidden("it lies inside of itself there")),
                false => Ok(()),
            }
        })
        .await
}

async fn moved(call: &Call, user: &User, item: &Item, into: &Place, name: &str, how: How) -> Result<()> {
    let copy = match how {
        How::Move => {
            files::move_as(&call.app, user, &item.id, into, name).await?;
            return Ok(());
        }
        How::CopyAlone if item.is_folder() => files::create_folder(&call.app, user, into, name).await?,
        How::Copy | How::CopyAlone => files::copy_as(&call.app, user, &item.id, into, name).await?,
    };
    properties::copy(&call.app, item.key, copy.key).await
}
