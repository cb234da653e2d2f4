//! What a visitor changes in a shared folder, where its permissions let them.

use super::files::{changed_in_share, kind_of, of_kind};
use super::tree::{self, At, InShare, Spot};
use super::uri::{FileUri, Space};
use super::{Failure, Outcome, ROOT_PROTECTED, done_but_for};
use crate::account::User;
use crate::account::token::random_base62;
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::library::{Item, ItemKind};
use crate::share::grant::Action;
use crate::work::by_share as work;
use crate::work::drop_box::Sender;
use crate::work::files::Place;
use crate::work::upload::{self, Begin, Content, OnConflict, Upload, Uploader};

/// The caller as a visitor of the share, with its password proven. A guest is known by a ticket of this call alone.
async fn sender(call: &Call, user: Option<&User>, uri: &FileUri) -> Result<Sender, Failure> {
    let place = uri.in_share().ok_or(Error::NotFound(Thing::Share))?;
    let mut visitor = tree::visitor(call, user, uri).await?;
    if visitor.user.is_none() {
        visitor.ticket = Some(random_base62(22));
    }
    Ok(Sender { share_id: place.id.to_owned(), visitor })
}

async fn found(call: &Call, by: &Sender, uri: &FileUri) -> Result<InShare> {
    let (uri, visitor) = (uri.clone(), by.visitor.clone());
    match call.app.db.read(move |tx| tree::spot(tx, &uri, &visitor, Action::See)).await? {
        Spot::Shared(found) => Ok(*found),
        Spot::Root | Spot::Own(_) => Err(Error::NotFound(Thing::Share)),
    }
}

/// The item there. The root of a share of several things is none.
async fn item(call: &Call, by: &Sender, uri: &FileUri) -> Result<Item, Failure> {
    match found(call, by, uri).await?.at {
        At::Item(item) => Ok(item),
        At::Only(_) | At::Set(_) => Err(ROOT_PROTECTED),
    }
}

/// The folder at that path; what is missing of it is made, as in one's own files.
async fn folder(call: &Call, by: &Sender, uri: &FileUri) -> Result<Item, Failure> {
    let mut missing = Vec::new();
    let mut at = uri.clone();
    let mut folder = loop {
        match item(call, by, &at).await {
            Err(Failure::Of(Error::NotFound(Thing::File | Thing::Folder))) => {
                let (above, name) = at.split().ok_or(Error::NotFound(Thing::Folder))?;
                missing.push(name.to_owned());
                at = above;
            }
            found => break found?,
        }
    };
    if !folder.is_folder() {
        return Err(Error::Exists(folder.shown).into());
    }
    while let Some(name) = missing.pop() {
        folder = work::create_folder(&call.app, by, &folder, &name).await?;
    }
    Ok(folder)
}

async fn told(call: &Call, by: &Sender, uri: &FileUri, item: &Item) -> Outcome {
    changed_in_share(found(call, by, uri).await?, uri, item)
}

pub async fn create(
    call: &Call,
    user: Option<User>,
    uri: &FileUri,
    kind: Option<&str>,
    on_conflict: OnConflict,
) -> Outcome {
    let by = sender(call, user.as_ref(), uri).await?;
    let kind = kind_of(kind)?;
    let (above, name) = uri.split().ok_or(ROOT_PROTECTED)?;
    let into = folder(call, &by, &above).await?;
    let made = match kind {
        ItemKind::File => work::create_file(&call.app, &by, &into, name).await,
        ItemKind::Folder => work::create_folder(&call.app, &by, &into, name).await,
    };
    let made = match made {
        Err(Error::Exists(name)) if on_conflict != OnConflict::Refuse => {
            of_kind(kind, name, item(call, &by, uri).await)?
        }
        made => made?,
    };
    told(call, &by, &above.child(&made.shown), &made).await
}

pub async fn rename(call: &Call, user: Option<User>, uri: &FileUri, name: &str) -> Outcome {
    let by = sender(call, user.as_ref(), uri).await?;
    let renamed = work::rename(&call.app, &by, &item(call, &by, uri).await?, name).await?;
    let (above, _) = uri.split().ok_or(ROOT_PROTECTED)?;
    told(call, &by, &above.child(&renamed.shown), &renamed).await
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Copy,
    Move,
}

/// Within one share: nothing is carried into it from elsewhere, nor out of it.
pub async fn relocate(call: &Call, user: Option<User>, uris: Vec<String>, to: &FileUri, how: How) -> Outcome {
    let by = sender(call, user.as_ref(), to).await?;
    let into = item(call, &by, to).await?;
    let mut failed = Vec::new();
    for uri in uris {
        if let Err(failure) = relocate_one(call, &by, &uri, to, &into, how).await {
            failed.push((uri, failure));
        }
    }
    done_but_for(failed)
}

async fn relocate_one(call: &Call, by: &Sender, uri: &str, to: &FileUri, into: &Item, how: How) -> Result<(), Failure> {
    let uri = FileUri::parse(uri)?;
    if uri.space != Space::Share || uri.id != to.id {
        return Err(Error::Forbidden("it can only be moved within its share").into());
    }
    let item = item(call, by, &uri).await?;
    match how {
        How::Copy => work::copy_into(&call.app, by, &item, into).await?,
        How::Move => work::move_into(&call.app, by, &item, into).await?,
    };
    Ok(())
}

pub async fn delete(call: &Call, user: Option<&User>, uri: &FileUri) -> Result<(), Failure> {
    let by = sender(call, user, uri).await?;
    let item = item(call, &by, uri).await?;
    Ok(work::trash(&call.app, &by, &item).await?)
}

// Uploads -------------------------------------------------------------------------------------------------------------

/// Begins an upload into a shared folder.
pub async fn begin(call: &Call, user: Option<User>, uri: &FileUri, begin: Begin) -> Result<Upload, Failure> {
    let by = sender(call, user.as_ref(), uri).await?;
    let (above, _) = uri.split().ok_or(ROOT_PROTECTED)?;
    let into = Place::Item(folder(call, &by, &above).await?);
    Ok(upload::begin(&call.app, &by, Begin { into, ..begin }).await?)
}

/// Who brings the chunks of an upload: its user, or whoever began it by a share.
pub async fn uploader(call: &Call, user: Option<User>, upload_id: &str) -> Result<Uploader, Failure> {
    let mut visitor = call.guest();
    visitor.user = user.clone();
    let by = Sender { share_id: String::new(), visitor };
    match (work::sender_of(&call.app, upload_id, by).await?, user) {
        (Some(sender), _) => Ok(Uploader::Sender(sender)),
        (None, Some(user)) => Ok(Uploader::User(user)),
        (None, None) => Err(Error::SignInNeeded.into()),
    }
}

/// A file of a share written whole: over what is there, if that still is what the client saw, or anew.
pub async fn put_content(
    call: &Call,
    user: Option<User>,
    uri: &FileUri,
    previous: impl FnOnce(&Item) -> Result<Option<i64>>,
    content: Content,
) -> Outcome {
    let by = sender(call, user.as_ref(), uri).await?;
    let there = match found(call, &by, uri).await {
        Ok(InShare { at: At::Item(item) | At::Only(item), .. }) => Some(item),
        Ok(_) => return Err(ROOT_PROTECTED),
        Err(Error::NotFound(Thing::File | Thing::Folder)) => None,
        Err(error) => return Err(error.into()),
    };
    let item = match there {
        Some(item) => upload::replace(&call.app, &by, &item.id, previous(&item)?, content, None).await?,
        None => {
            let (above, name) = uri.split().ok_or(ROOT_PROTECTED)?;
            let into = Place::Item(folder(call, &by, &above).await?);
            upload::whole(&call.app, &by, Begin::stream(into, name.to_owned(), OnConflict::Refuse), content).await?
        }
    };
    told(call, &by, uri, &item).await
}
