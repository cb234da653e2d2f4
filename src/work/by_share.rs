//! What the permissions of a share let a visitor change in a shared folder.
//!
//! Each change is judged by the share, as any visit is. What is allowed is then done by its owner's hand: so it is bounded
//! by what the owner may do now, costs the owner's quota, and what is deleted lies in the owner's trash. Files that are
//! sent come by the engine of all uploads, with a [`Sender`].

use std::sync::Arc;

use super::drop_box::Sender;
use super::files::{self, Place};
use super::sharing;
use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::library::Item;
use crate::share::grant::{Action, Through, authorize};
use crate::store::{Tx, library, shares, uploads};
use crate::{App, now_ms};

/// The share's owner, if the visitor may do this to these items by the share.
async fn owner_for<const N: usize>(app: &App, by: &Sender, all: [(&Item, Action); N]) -> Result<User> {
    let (by, all) = (by.clone(), all.map(|(item, action)| (item.key, action)));
    let judge = move |tx: &mut Tx| {
        let now = now_ms();
        let facts = shares::facts(tx, &by.share_id, &by.visitor, now)?;
        if facts.share.terms.mode.takes_files() {
            // Its limits are counted by file, as they come.
            return Err(Error::Forbidden("files are sent to a drop box, and nothing else is done there"));
        }
        for (key, action) in all {
            // As it is now, not as it was when the caller looked it up.
            let item = library::item(tx, key)?.ok_or(Error::NotFound(Thing::File))?;
            let placed = library::place(tx, item, &sharing::playlists_of(&facts.share))?;
            authorize(Through::Share(&facts), &by.visitor, placed, action, now)?;
        }
        Ok(facts.owner)
    };
    app.db.read(judge).await
}

pub async fn create_folder(app: &Arc<App>, by: &Sender, into: &Item, name: &str) -> Result<Item> {
    let owner = owner_for(app, by, [(into, Action::Create)]).await?;
    files::create_folder(app, &owner, &Place::Item(into.clone()), name).await
}

pub async fn create_file(app: &Arc<App>, by: &Sender, into: &Item, name: &str) -> Result<Item> {
    let owner = owner_for(app, by, [(into, Action::Create)]).await?;
    files::create_file(app, &owner, &Place::Item(into.clone()), name).await
}

pub async fn rename(app: &Arc<App>, by: &Sender, item: &Item, name: &str) -> Result<Item> {
    let owner = owner_for(app, by, [(item, Action::Relocate)]).await?;
    files::rename(app, &owner, &item.id, name).await
}

/// Whoever puts something into a folder changes its time anyway.
pub async fn set_modified(app: &Arc<App>, by: &Sender, item: &Item, modified_ms: i64) -> Result<Item> {
    let action = if item.is_folder() { Action::Create } else { Action::Update };
    let owner = owner_for(app, by, [(item, action)]).await?;
    files::set_modified(app, &owner, &item.id, modified_ms).await
}

/// Into another folder of the same share.
pub async fn move_into(app: &Arc<App>, by: &Sender, item: &Item, into: &Item) -> Result<Item> {
    let owner = owner_for(app, by, [(item, Action::Relocate), (into, Action::Create)]).await?;
    files::move_into(app, &owner, &item.id, &Place::Item(into.clone())).await
}

/// A copy in another folder of the same share. No bytes leave, so it costs no download.
pub async fn copy_into(app: &Arc<App>, by: &Sender, item: &Item, into: &Item) -> Result<Item> {
    let owner = owner_for(app, by, [(item, Action::See), (into, Action::Create)]).await?;
    files::copy_into(app, &owner, &item.id, &Place::Item(into.clone())).await
}

/// Never for good: whether it goes for good is its owner's to say.
pub async fn trash(app: &Arc<App>, by: &Sender, item: &Item) -> Result<()> {
    let owner = owner_for(app, by, [(item, Action::Delete)]).await?;
    files::trash(app, &owner, &item.id).await
}

/// Who sends an upload by a share, as its id alone tells: it is the secret of whoever began it, who proved the password of
/// its epoch then. `None` for one that comes by no share, or from another user's account.
pub async fn sender_of(app: &App, upload_id: &str, mut sender: Sender) -> Result<Option<Sender>> {
    let id = upload_id.to_owned();
    let read = move |tx: &mut Tx| {
        let Some(guest) = uploads::guest_of(tx, &id, now_ms())? else { return Ok(None) };
        let Some(share) = shares::by_key(tx, guest.share)? else { return Ok(None) };
        sender.share_id = share.id;
        sender.visitor.unlocked.push((guest.share, guest.epoch));
        match (guest.sender.split_once(':'), &sender.visitor.user) {
            (Some(("t", ticket)), None) => sender.visitor.ticket = Some(ticket.to_owned()),
            _ if sender.visitor.known_as().as_deref() == Some(guest.sender.as_str()) => {}
            _ => return Ok(None),
        }
        Ok(Some(sender))
    };
    app.db.read(read).await
}
