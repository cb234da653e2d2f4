//! What a file URI leads to, and who comes by it.

use super::uri::{FileUri, Space};
use super::{Failure, GUESTS_DENIED};
use crate::App;
use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::library::Item;
use crate::share::grant::Action;
use crate::share::visit::Visitor;
use crate::store::Tx;
use crate::work::files::{self, Place};
pub use crate::work::inside::{At, InShare};
use crate::work::{inside, look, sharing, signin};

/// Where a URI leads.
pub enum Spot {
    /// The root of the caller's own files.
    Root,
    Own(Item),
    Shared(Box<InShare>),
}

/// The caller as a visitor to what the URI names, with the share's password proven where it has one.
pub async fn visitor(call: &Call, user: Option<&User>, uri: &FileUri) -> Result<Visitor, Failure> {
    if user.is_none() && uri.space != Space::Share {
        return Err(Error::SignInNeeded.into());
    }
    let mut visitor = call.guest();
    visitor.user = user.cloned();
    match uri.in_share() {
        Some(place) => unlocked(&call.app, visitor, place.id, place.password).await,
        None => Ok(visitor),
    }
}

/// The visitor, to whom the share is open now. The password is asked for only by a share that would open with it.
pub async fn unlocked(app: &App, mut visitor: Visitor, id: &str, password: Option<&str>) -> Result<Visitor, Failure> {
    match (look::open(app, id, &visitor).await.map(drop), password) {
        (Ok(()), _) => Ok(visitor),
        (Err(Error::ShareLocked), Some(password)) => {
            signin::unlock(app, id, password, &mut visitor).await?;
            Ok(visitor)
        }
        (Err(Error::SignInNeeded), _) => Err(GUESTS_DENIED),
        (Err(error), _) => Err(error.into()),
    }
}

/// Refuses the URI of another user's files: nobody has a way into them here.
pub fn check_owner(user: &User, uri: &FileUri) -> Result<()> {
    match &uri.id {
        Some(id) if *id != user.id => Err(Error::Forbidden("these are another user's files")),
        _ => Ok(()),
    }
}

/// Names in the user's own files that can be written to.
pub fn own_path<'a>(user: &User, uri: &'a FileUri) -> Result<&'a [String]> {
    if uri.space != Space::My || uri.in_share().is_some() {
        return Err(Error::Forbidden("this can only be done with your own files"));
    }
    check_owner(user, uri)?;
    Ok(&uri.path)
}

/// The folder at the root of the user's own files. Whoever has no home has a root all the same, and no folder for it.
pub fn own_root(tx: &mut Tx, user: &User) -> Result<Option<Item>> {
    match files::home_root(tx, user) {
        Err(Error::NotFound(Thing::Library)) => Ok(None),
        root => root.map(Some),
    }
}

/// What lies there, if the visitor may do `action` with it.
pub fn spot(tx: &mut Tx, uri: &FileUri, visitor: &Visitor, action: Action) -> Result<Spot> {
    if let Some(place) = uri.in_share() {
        let found = inside::by_path(tx, place.id, place.path, visitor, action)?;
        // Only its owner comes to a share beneath their own root.
        return match uri.space == Space::Share || found.is_owner {
            true => Ok(Spot::Shared(Box::new(found))),
            false => Err(Error::NotFound(Thing::Share)),
        };
    }
    let user = visitor.user.as_ref().ok_or(Error::SignInNeeded)?;
    match files::by_path(tx, user, own_path(user, uri)?)? {
        Place::Root => Ok(Spot::Root),
        Place::Item(item) => {
            let grant = sharing::own_item(tx, user, visitor, item, action)?;
            Ok(Spot::Own(grant.item().clone()))
        }
    }
}
