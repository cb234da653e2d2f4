//! By whose right something is changed: the user's own, or a permission that its owner gave them.

use std::sync::Arc;

use axum::http::header;

use super::super::answers::is_one_of;
use super::super::auth::Caller;
use super::{ROOTS, TRASH, folder, place};
use crate::App;
use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::library::Item;
use crate::share::grant::Action;
use crate::store::{Tx, library};
use crate::work::by_share;
use crate::work::drop_box::Sender;
use crate::work::files::{self, Place};
use crate::work::upload::Uploader;

#[derive(Debug, Clone)]
pub enum Hand {
    Own(User),
    Given(Sender),
}

/// What a request names in its path.
pub struct Target {
    pub hand: Hand,
    pub item: Item,
    pub parent: Place,
}

/// The item of the path, if the user sees it and it is still the version that `If-Match` names; by whose right they may do
/// this to it, if they may.
pub async fn target(call: &Call, user: &User, action: Action) -> Result<Target> {
    let (caller, id) = (Caller::of_user(call, user), call.path("id").to_owned());
    let target = call.app.db.read(move |tx| find(tx, caller, &id, action)).await?;
    match expected(call) {
        Some(tags) if !is_one_of(&target.item, tags) => Err(Error::Conflict(Thing::Version)),
        _ => Ok(target),
    }
}

/// What `If-Match` names.
pub fn expected(call: &Call) -> Option<&str> {
    call.header(header::IF_MATCH).map(str::trim).filter(|tags| !tags.is_empty())
}

/// [`target`] by any id, whatever version it is.
pub fn find(tx: &mut Tx, caller: Caller, id: &str, action: Action) -> Result<Target> {
    if ROOTS.contains(&id) || id == TRASH {
        return Err(Error::Forbidden("this folder stays as it is"));
    }
    let (caller, id) = caller.having(tx, id, action)?;
    let item = caller.reach(tx, &id, Action::See)?.item().clone();
    let (hand, parent) = match caller {
        Caller::User { user, .. } => {
            let parent = files::parent_of(tx, &user, &item)?;
            (Hand::Own(*user), parent)
        }
        Caller::Holder { share, visitor } => {
            let parent = item.parent.ok_or(Error::NotFound(Thing::Folder))?;
            let parent = library::item(tx, parent)?.ok_or(Error::NotFound(Thing::Folder))?;
            (Hand::Given(Sender { share_id: share, visitor }), Place::Item(parent))
        }
    };
    Ok(Target { hand, item, parent })
}

/// The folder of this id, and by whose right something is put there.
pub async fn into_folder(call: &Call, user: &User, id: &str) -> Result<(Hand, Place)> {
    let (caller, id) = (Caller::of_user(call, user), id.to_owned());
    let find = move |tx: &mut Tx| {
        if ROOTS.contains(&id.as_str()) {
            return Ok((caller, Place::Root));
        }
        let (caller, id) = caller.having(tx, &id, Action::Create)?;
        let place = match &caller {
            Caller::User { user, visitor } => place(tx, user, visitor, &id)?,
            Caller::Holder { .. } => Place::Item(folder(caller.reach(tx, &id, Action::See)?.item().clone())?),
        };
        Ok((caller, place))
    };
    let (caller, place) = call.app.db.read(find).await?;
    Ok(match caller {
        Caller::User { user, .. } => (Hand::Own(*user), place),
        Caller::Holder { share, visitor } => (Hand::Given(Sender { share_id: share, visitor }), place),
    })
}

fn shared(place: &Place) -> Result<&Item> {
    match place {
        Place::Item(item) => Ok(item),
        Place::Root => Err(Error::Forbidden("this stays in the folder that its owner shares")),
    }
}

impl Hand {
    pub fn uploader(&self) -> Uploader {
        match self {
            Hand::Own(user) => user.into(),
            Hand::Given(sender) => sender.into(),
        }
    }

    pub async fn make_folder(&self, app: &Arc<App>, into: &Place, name: &str) -> Result<Item> {
        match self {
            Hand::Own(user) => files::create_folder(app, user, into, name).await,
            Hand::Given(sender) => by_share::create_folder(app, sender, shared(into)?, name).await,
        }
    }

    /// In one step where both change, so that nothing is done by half.
    pub async fn relocate(
        &self,
        app: &Arc<App>,
        item: &Item,
        into: Option<&Place>,
        name: Option<&str>,
    ) -> Result<Item> {
        match (self, into, name) {
            (_, None, None) => Ok(item.clone()),
            (Hand::Own(user), None, Some(name)) => files::rename(app, user, &item.id, name).await,
            (Hand::Own(user), Some(into), None) => files::move_into(app, user, &item.id, into).await,
            (Hand::Own(user), Some(into), Some(name)) => files::move_as(app, user, &item.id, into, name).await,
            (Hand::Given(sender), None, Some(name)) => by_share::rename(app, sender, item, name).await,
            (Hand::Given(sender), Some(into), None) => by_share::move_into(app, sender, item, shared(into)?).await,
            (Hand::Given(_), Some(_), Some(_)) => {
                Err(Error::Unsupported("moving and renaming others' files in one call"))
            }
        }
    }

    pub async fn set_modified(&self, app: &Arc<App>, item: &Item, modified_ms: i64) -> Result<Item> {
        match self {
            Hand::Own(user) => files::set_modified(app, user, &item.id, modified_ms).await,
            Hand::Given(sender) => by_share::set_modified(app, sender, item, modified_ms).await,
        }
    }

    pub async fn copy(&self, app: &Arc<App>, item: &Item, into: &Place, name: Option<&str>) -> Result<Item> {
        match (self, name) {
            (Hand::Own(user), None) => files::copy_into(app, user, &item.id, into).await,
            (Hand::Own(user), Some(name)) => files::copy_as(app, user, &item.id, into, name).await,
            (Hand::Given(sender), None) => by_share::copy_into(app, sender, item, shared(into)?).await,
            (Hand::Given(_), Some(_)) => Err(Error::Unsupported("another name for a copy of others' files")),
        }
    }

    pub async fn trash(&self, app: &Arc<App>, item: &Item) -> Result<()> {
        match self {
            Hand::Own(user) => files::trash(app, user, &item.id).await,
            Hand::Given(sender) => by_share::trash(app, sender, item).await,
        }
    }
}
