//! Shares, as music apps see them: all of the caller's own, whichever door made them.

use super::Asked;
use super::answers::*;
use super::children::children;
use super::envelope::Payload;
use super::params::Params;
use crate::error::Result;
use crate::share::grant::Scope;
use crate::share::{Change, Door, Share as Made, Wish};
use crate::store::{Tx, Weighed, music, shares};
use crate::work::sharing;

/// Tracks and films of one share at most: a share of a whole library would not fit into any app.
const MOST_ENTRIES: usize = 2000;

/// What the protocol can say of a share. An absent parameter says nothing; an empty description clears it, and so does
/// an `expires` of 0.
fn wish(params: &Params) -> Result<Wish> {
    let expires_ms = match params.ms("expires")? {
        None => Change::Keep,
        Some(0) => Change::Clear,
        Some(at) => Change::Set(at),
    };
    Ok(Wish { description: params.get("description").map(str::to_owned), expires_ms, ..Wish::default() })
}

/// Shares with the tracks and films that they hold.
struct Held {
    made: Vec<Made>,
    entries: Vec<Vec<Child>>,
}

impl Weighed for Held {
    fn bytes(&self) -> usize {
        (self.made.len() * size_of::<Made>() + self.entries.iter().map(Vec::len).sum::<usize>() * size_of::<Child>())
            * 2
    }
}

impl Held {
    fn of(tx: &mut Tx, scope: &Scope, made: Vec<Made>) -> Result<Held> {
        let lists: Vec<_> = made.iter().map(|share| share.items.as_slice()).collect();
        let keys = music::flattened_with_films(tx, &lists, MOST_ENTRIES)?;
        let found = children(tx, scope, &keys.concat())?;
        let entries = keys.iter().map(|keys| keys.iter().filter_map(|key| found.get(key).cloned()).collect()).collect();
        Ok(Held { made, entries })
    }

    fn shown(&self, asked: &Asked) -> Payload {
        let (user, base) = (&asked.user, &asked.call.origin.base);
        let held = self.made.iter().zip(&self.entries);
        Payload::Shares(Shares { share: held.map(|(share, entry)| Share::of(share, user, base, entry)).collect() })
    }
}

/// Newest first; expired ones too, which their owner may want to prolong.
pub async fn get_shares(asked: Asked) -> Result<Payload> {
    let (owner, scope) = (asked.user.key, asked.scope());
    let read = move |tx: &mut Tx| {
        let scope = scope(tx)?;
        let own = shares::of_owner(tx, owner)?;
        Held::of(tx, &scope, own)
    };
    Ok(asked.call.app.db.recall("shares", &owner.0.to_string(), read).await?.shown(&asked))
}

pub async fn create_share(asked: Asked) -> Result<Payload> {
    let ids: Vec<String> = asked.params.need_all("id")?.into_iter().map(str::to_owned).collect();
    let wish = wish(&asked.params)?;
    let items = asked.read(move |tx, scope| ids.iter().map(|id| music::named(tx, scope, id)).collect()).await?;
    let made = sharing::create(&asked.call.app, &asked.user, Door::Subsonic, items, wish).await?;
    Ok(asked.read(move |tx, scope| Held::of(tx, scope, vec![made])).await?.shown(&asked))
}

pub async fn update_share(asked: Asked) -> Result<Payload> {
    let id = asked.params.need("id")?;
    sharing::edit(&asked.call.app, asked.user.key, id, wish(&asked.params)?).await?;
    Ok(Payload::Empty)
}

pub async fn delete_share(asked: Asked) -> Result<Payload> {
    let id = asked.params.need("id")?;
    sharing::revoke(&asked.call.app, asked.user.key, id).await?;
    Ok(Payload::Empty)
}
