//! What a file URI leads to, and who comes by it.

use super::uri::{FileUri, Space};
use super::{Failure, GUESTS_DENIED};
use crate::App;
use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::library::Item;
use crate::media::zip::unique_names;
use crate::share::grant::{Action, ShareFacts};
use crate::share::visit::Visitor;
use crate::store::{Tx, library};
use crate::work::files::{self, Entry, Place};
use crate::work::look;
use crate::work::sharing::{self, Contents};
use crate::work::signin;

/// Where a URI leads.
pub enum Spot {
    /// The root of the caller's own files.
    Root,
    Own(Item),
    Shared(Box<InShare>),
}

pub struct InShare {
    pub facts: ShareFacts,
    pub is_owner: bool,
    /// Who looks at it.
    pub visitor: Visitor,
    pub at: At,
}

/// Where in a share.
#[derive(Clone)]
pub enum At {
    Item(Item),
    /// The root of a share of one file: shows that file and nothing beside it.
    Only(Item),
    /// The root of a share of several things.
    Set(Vec<Entry>),
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

/// What lies there, if the visitor may do `action` with it.
pub fn spot(tx: &mut Tx, uri: &FileUri, visitor: &Visitor, action: Action) -> Result<Spot> {
    if let Some(place) = uri.in_share() {
        let found = in_share(tx, place.id, place.path, visitor, action)?;
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

fn in_share(tx: &mut Tx, id: &str, path: &[String], visitor: &Visitor, action: Action) -> Result<InShare> {
    let (facts, admitted) = sharing::open(tx, id, visitor)?;
    let contents = sharing::contents_for(tx, &facts, visitor)?;
    let at = match (contents, path) {
        (Contents::Folder(folder), path) => At::Item(descend(tx, folder, path)?),
        (Contents::File(file), []) => At::Only(file),
        (Contents::File(file), [name]) if *name == file.shown => At::Item(file),
        (Contents::File(_), _) => return Err(Error::NotFound(Thing::File)),
        (Contents::Set(items), []) => At::Set(named(items)),
        (Contents::Set(items), [name, rest @ ..]) => {
            let entry = named(items).into_iter().find(|entry| entry.shown == *name);
            At::Item(descend(tx, entry.ok_or(Error::NotFound(Thing::File))?.item, rest)?)
        }
    };
    let at = match at {
        At::Item(item) => At::Item(reach(tx, &facts, visitor, &item, action)?),
        At::Only(item) => At::Only(reach(tx, &facts, visitor, &item, Action::See)?),
        At::Set(entries) => At::Set(
            entries.into_iter().filter(|entry| reach(tx, &facts, visitor, &entry.item, Action::See).is_ok()).collect(),
        ),
    };
    Ok(InShare { facts, is_owner: admitted.is_owner(), visitor: visitor.clone(), at })
}

fn reach(tx: &mut Tx, facts: &ShareFacts, visitor: &Visitor, item: &Item, action: Action) -> Result<Item> {
    Ok(sharing::reach(tx, &facts.share.id, visitor, &item.id, action)?.item().clone())
}

/// The same names for the same things as in the share's archive.
fn named(items: Vec<Item>) -> Vec<Entry> {
    let shown: Vec<&str> = items.iter().map(|item| item.shown.as_str()).collect();
    let names = unique_names(&shown);
    items.into_iter().zip(names).map(|(item, shown)| Entry { item, shown }).collect()
}

fn descend(tx: &mut Tx, from: Item, path: &[String]) -> Result<Item> {
    path.iter()
        .try_fold(from, |folder, name| library::child_shown(tx, folder.key, name)?.ok_or(Error::NotFound(Thing::File)))
}
