//! Uploads: in chunks of the server's size, or a small file whole.

use std::collections::BTreeMap;

use axum::http::header;
use serde::Deserialize;

use super::answers::{StoragePolicy, UploadSession};
use super::files::{changed, folder_at, own_item};
use super::uri::{FileUri, Space};
use super::{Failure, Outcome, ROOT_PROTECTED, by_share, data, done, metadata, query, tree};
use crate::account::User;
use crate::error::{Error, Thing};
use crate::http::Call;
use crate::http::digest::Whole;
use crate::library::Item;
use crate::work::files::Place;
use crate::work::upload::{self, Begin, OnConflict};

/// One client sends nothing at all when told that there are no chunks.
const CHUNK_BYTES: u64 = 25 * 1024 * 1024;

#[derive(Deserialize)]
struct Upload {
    uri: Option<String>,
    size: Option<u64>,
    last_modified: Option<i64>,
    mime_type: Option<String>,
    entity_type: Option<String>,
    previous: Option<String>,
    policy_id: Option<String>,
    metadata: Option<BTreeMap<String, String>>,
}

pub async fn put_upload(mut call: Call, user: Option<User>) -> Outcome {
    let asked: Upload = call.json().await?;
    let metadata = metadata::of_upload(asked.metadata)?;
    let uri = FileUri::parse(asked.uri.as_deref().ok_or(Error::Missing("uri"))?)?;
    let (folder, name) = uri.split().ok_or(ROOT_PROTECTED)?;
    let on_conflict = on_conflict(asked.entity_type.as_deref())?;
    let begin = Begin {
        size_bytes: Some(asked.size.ok_or(Error::Missing("size"))?),
        chunk_bytes: CHUNK_BYTES,
        modified_ms: asked.last_modified.filter(|ms| *ms > 0),
        policy: asked.policy_id.filter(|id| !id.is_empty()),
        metadata,
        ..Begin::stream(Place::Root, name.to_owned(), on_conflict)
    };
    let begun = match (uri.space, user) {
        // Fields are for those whose files they are: to note them by a share would be to write where nobody may look.
        (Space::Share, _) if !begin.metadata.is_empty() => {
            return Err(Error::Unsupported("Metadata of what is uploaded to a share").into());
        }
        (Space::Share, user) => by_share::begin(&call, user, &uri, begin).await?,
        (_, None) => return Err(Error::SignInNeeded.into()),
        (_, Some(user)) => {
            tree::own_path(&user, &uri)?;
            let previous = match asked.previous.as_deref().filter(|entity| !entity.is_empty()) {
                Some(entity) => Some(revision_in(entity, &own_item(&call, &user, &uri).await?.id)?),
                None => None,
            };
            let into = folder_at(&call, &user, &folder.path).await?;
            upload::begin_alone(&call.app, &user, Begin { into, previous, ..begin }).await?
        }
    };
    let id = begun.id.clone();
    let policy = call.app.db.read(move |tx| upload::policy(tx, &id)).await?;
    data(&UploadSession {
        session_id: begun.id,
        upload_id: String::new(),
        chunk_size: begun.chunk_bytes,
        expires: begun.expires_ms / 1000,
        storage_policy: StoragePolicy::of(policy),
        uri: uri.to_string(),
        callback_secret: String::new(),
        mime_type: asked.mime_type,
    })
}

fn on_conflict(entity_type: Option<&str>) -> Result<OnConflict, Error> {
    match entity_type {
        None | Some("") => Ok(OnConflict::Refuse),
        Some("version") => Ok(OnConflict::Replace),
        Some(_) => Err(Error::Unsupported("This kind of upload")),
    }
}

pub async fn post_chunk(mut call: Call, user: Option<User>) -> Outcome {
    let index = call.path("index").parse().map_err(|_| Error::invalid("chunk index", "it is a number"))?;
    let declared_bytes = call.header(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
    let chunk = call.take_content(Whole::Part)?;
    let who = by_share::uploader(&call, user, call.path("session")).await?;
    upload::write_chunk(&call.app, who, call.path("session"), index, chunk, declared_bytes).await?;
    done()
}

#[derive(Deserialize)]
struct Cancel {
    id: Option<String>,
}

pub async fn delete_upload(mut call: Call, user: Option<User>) -> Outcome {
    let asked: Cancel = call.json().await?;
    let id = asked.id.ok_or(Error::Missing("id"))?;
    let who = by_share::uploader(&call, user, &id).await?;
    upload::cancel(&call.app, who, &id).await?;
    done()
}

/// Writes a file whole: over what is there, if that still is what the client saw, or anew.
pub async fn put_content(mut call: Call, user: Option<User>) -> Outcome {
    let query = query(&call)?;
    let uri = FileUri::parse(query.need("uri")?)?;
    let content = call.take_content(Whole::File)?;
    let seen = |item: &Item| query.get("previous").map(|entity| revision_in(entity, &item.id)).transpose();
    if uri.space == Space::Share {
        return by_share::put_content(&call, user, &uri, seen, content).await;
    }
    let user = user.ok_or(Error::SignInNeeded)?;
    tree::own_path(&user, &uri)?;
    let item = match own_item(&call, &user, &uri).await {
        Ok(item) => upload::replace(&call.app, &user, &item.id, seen(&item)?, content, None).await?,
        Err(Failure::Of(Error::NotFound(_))) => {
            let (folder, name) = uri.split().ok_or(ROOT_PROTECTED)?;
            let into = folder_at(&call, &user, &folder.path).await?;
            let begin = Begin::stream(into, name.to_owned(), OnConflict::Refuse);
            upload::whole(&call.app, &user, begin, content).await?
        }
        Err(failure) => return Err(failure),
    };
    changed(&call, user, &uri, &item).await
}

/// The revision in an entity's id, which is the file's own and the revision. Anything else that a client believes to be the
/// current content is a stale one.
fn revision_in(entity: &str, item_id: &str) -> Result<i64, Error> {
    let rest = entity.strip_prefix(item_id).and_then(|rest| rest.strip_prefix('-'));
    rest.and_then(|revision| revision.parse().ok()).ok_or(Error::Conflict(Thing::Version))
}
