//! A share as whoever looks at it sees it: the question that is asked most, and most often answered alike.
//!
//! What a share is and holds is the same for all who may open it, unless its limits or rights that were given item by item
//! tell visitors apart. So it is read once and kept for as long as nothing is committed (`store/recall.rs`); whether it
//! opens to this visitor now is judged anew each time.

use std::sync::Arc;

use super::sharing::{self, Contents, playlists_of};
use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::library::{Item, PlaylistKey};
use crate::share::grant::{Action, Admitted, Grant, Placed, ShareFacts, Through, admit, authorize};
use crate::share::visit::{Lease, Visitor, Wanted};
use crate::share::{Bits, Share, ShareKey};
use crate::store::{Tx, Weighed, library, purchases, rights, shares};
use crate::{App, now_ms};

/// A share and what it holds.
pub struct Look {
    pub facts: ShareFacts,
    pub contents: Contents,
}

impl Look {
    fn bytes(&self) -> usize {
        let items = match &self.contents {
            Contents::Folder(_) | Contents::File(_) => 1,
            Contents::Set(items) => items.len(),
        };
        self.facts.bytes() + items * (size_of::<Item>() + 128)
    }
}

/// The share, if it opens to this visitor; what waits for rights to be given item by item may hold nothing yet.
pub async fn open(app: &App, id: &str, visitor: &Visitor) -> Result<(Arc<Look>, Admitted)> {
    let look = at(app, id, visitor).await?;
    let admitted = admit(&look.facts, visitor, now_ms())?;
    Ok((look, admitted))
}

/// [`open`], of a share in which something is there for this visitor; its owner may look at an empty one.
pub async fn open_whole(app: &App, id: &str, visitor: &Visitor) -> Result<(Arc<Look>, Admitted)> {
    let (look, admitted) = open(app, id, visitor).await?;
    if admitted.is_owner() {
        return Ok((look, admitted));
    }
    if look.facts.share.two_step {
        let (of, visitor) = (look.clone(), visitor.clone());
        app.db.read(move |tx| sharing::contents_for(tx, &of.facts, &visitor).map(drop)).await?;
    } else if sharing::is_gone(&look.facts, &look.contents) {
        return Err(Error::NotFound(Thing::Share));
    }
    Ok((look, admitted))
}

/// The share whether or not it opens; `NotFound` for an unknown one.
pub async fn at(app: &App, id: &str, visitor: &Visitor) -> Result<Arc<Look>> {
    let look = for_nobody(app, id).await?;
    if !look.facts.share.tells_visitors_apart() {
        return Ok(look);
    }
    let (id, visitor) = (id.to_owned(), visitor.clone());
    let of_one = move |tx: &mut Tx| {
        let facts = shares::facts(tx, &id, &visitor, now_ms())?;
        let contents = sharing::contents(tx, &facts)?;
        Ok(Arc::new(Look { facts, contents }))
    };
    app.db.read(of_one).await
}

/// None for a share that is not there: that too is remembered, so that no time tells it from one that is.
struct Known(Option<Arc<Look>>);

impl Weighed for Known {
    fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |look| look.bytes())
    }
}

async fn for_nobody(app: &App, id: &str) -> Result<Arc<Look>> {
    let wanted = id.to_owned();
    let read = move |tx: &mut Tx| {
        let Some(facts) = shares::facts_for_nobody(tx, &wanted)? else { return Ok(Known(None)) };
        let contents = sharing::contents(tx, &facts)?;
        Ok(Known(Some(Arc::new(Look { facts, contents }))))
    };
    app.db.recall("share", id, read).await?.0.clone().ok_or(Error::NotFound(Thing::Share))
}

// Bytes ---------------------------------------------------------------------------------------------------------------

/// Original bytes of one item of a share, leased and authorized. A share that can run out is opened, leased and judged in
/// one transaction; any other costs no commit before its first byte.
pub async fn fetch(
    app: &App,
    id: &str,
    visitor: &Visitor,
    item_id: &str,
    action: Action,
    wanted: Wanted,
) -> Result<Grant> {
    let look = for_nobody(app, id).await?;
    let share = &look.facts.share;
    if share.is_limited() {
        let (id, visitor, item) = (id.to_owned(), visitor.clone(), item_id.to_owned());
        return app.db.write(move |tx| sharing::fetch(tx, &id, &visitor, &item, action, wanted)).await;
    }
    let placed = placed(app, &playlists_of(share), item_id).await?;
    if placed.item.is_folder() {
        return Err(Error::NotFound(Thing::File));
    }
    let now = now_ms();
    let Wanted::From(start) = wanted else {
        return authorize(Through::Share(&look.facts), visitor, placed, Action::Preview, now);
    };
    if look.facts.is_owned_by(visitor) {
        return authorize(Through::Share(&look.facts), visitor, placed, action, now);
    }
    let bought = has_bought(app, share, visitor).await?;
    let lease = app.tally.count(share.key, placed.item.key, visitor, start, now);
    let facts = ShareFacts { lease: Some(lease), bought, ..look.facts.clone() };
    let granted = authorize(Through::Share(&facts), visitor, placed, action, now);
    if let (Err(_), Lease::Tally(share)) = (&granted, lease) {
        app.tally.take_back(share);
    }
    granted
}

/// Whether this visitor paid for a share that has a price.
async fn has_bought(app: &App, share: &Share, visitor: &Visitor) -> Result<bool> {
    if share.terms.price == 0 {
        return Ok(false);
    }
    let (share, visitor) = (share.clone(), visitor.clone());
    app.db.read(move |tx| purchases::has_bought(tx, &share, &visitor, now_ms())).await
}

/// An item by the user's own rights in its library.
pub async fn own(app: &App, user: &User, visitor: &Visitor, item_id: &str, action: Action) -> Result<Grant> {
    let placed = placed(app, &[], item_id).await?;
    let (library, of) = (placed.item.library, user.clone());
    let key = format!("{} {} {:?}", user.key.0, library.0, user.within);
    let bits = app.db.recall("rights", &key, move |tx| Ok(Rights(rights::in_library(tx, &of, library)?))).await?;
    authorize(Through::Library(bits.0), visitor, placed, action, now_ms())
}

struct Rights(Bits);

impl Weighed for Rights {}

struct Place(Placed);

impl Weighed for Place {
    fn bytes(&self) -> usize {
        self.0.path.iter().map(|name| 64 + name.len()).sum()
    }
}

async fn placed(app: &App, playlists: &[PlaylistKey], item_id: &str) -> Result<Placed> {
    let (key, wanted, playlists) = (format!("{item_id} {playlists:?}"), item_id.to_owned(), playlists.to_owned());
    let place = move |tx: &mut Tx| {
        let item = library::item_by_id(tx, &wanted)?.ok_or(Error::NotFound(Thing::File))?;
        Ok(Place(library::place(tx, item, &playlists)?))
    };
    Ok(app.db.recall("place", &key, place).await?.0.clone())
}

// Visits --------------------------------------------------------------------------------------------------------------

struct SeenMs(Option<i64>);

impl Weighed for SeenMs {}

/// Whether this visitor's view is counted already: for good by cookie or account, for half an hour by address and agent.
pub async fn has_visited(app: &App, share: ShareKey, visitor: &Visitor) -> Result<bool> {
    let counted_as = visitor.counted_as();
    let key = format!("{} {counted_as}", share.0);
    let seen = app.db.recall("visit", &key, move |tx| Ok(SeenMs(shares::seen_ms(tx, share, &counted_as)?))).await?;
    Ok(shares::is_counted(seen.0, visitor, now_ms()))
}
