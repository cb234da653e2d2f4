//! A share as whoever looks at it sees it: the question that is asked most, and most often answered alike.
//!
//! What a share is and holds is the same for all who may open it, unless its limits or rights that were given item by item
//! tell visitors apart. So it is read once and kept for as long as nothing is committed (`store/recall.rs`); whether it
//! opens to this visitor now is judged anew each time.

use std::sync::Arc;

use super::sharing::{self, Contents};
use crate::error::{Error, Result, Thing};
use crate::library::Item;
use crate::share::ShareKey;
use crate::share::grant::{Admitted, ShareFacts, admit};
use crate::share::visit::Visitor;
use crate::store::{Tx, Weighed, shares};
use crate::{App, now_ms};

/// A share and what it holds.
pub struct Look {
    pub facts: ShareFacts,
    pub contents: Contents,
}

impl Weighed for Look {
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

/// The same, of a share in which something is there for this visitor; its owner may look at an empty one.
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
    let wanted = id.to_owned();
    let of_all = move |tx: &mut Tx| {
        let facts = shares::facts_for_nobody(tx, &wanted)?;
        let contents = sharing::contents(tx, &facts)?;
        Ok(Look { facts, contents })
    };
    let look = app.db.recall("share", id, of_all).await?;
    if !look.facts.share.is_limited() {
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

struct SeenMs(Option<i64>);

impl Weighed for SeenMs {}

/// Whether this visitor's view is counted already: for good by cookie or account, for half an hour by address and agent.
pub async fn has_visited(app: &App, share: ShareKey, visitor: &Visitor) -> Result<bool> {
    let counted_as = visitor.counted_as();
    let key = format!("{} {counted_as}", share.0);
    let seen = app.db.recall("visit", &key, move |tx| Ok(SeenMs(shares::seen_ms(tx, share, &counted_as)?))).await?;
    Ok(shares::is_counted(seen.0, visitor, now_ms()))
}
