//! Shares, as music apps see them: all of the caller's own, whichever door made them.

use super::Asked;
use super::answers::*;
use super::envelope::Payload;
use super::params::Params;
use crate::error::Result;
use crate::share::{Change, Door, Share as Made, Wish};
use crate::store::{music, shares};
use crate::work::sharing;

/// Tracks of one share at most: a share of a whole library would not fit into any app.
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

async fn shown(asked: &Asked, made: Vec<Made>) -> Result<Payload> {
    let (made, entries) = asked
        .read(move |tx, scope| {
            let lists: Vec<_> = made.iter().map(|share| share.items.as_slice()).collect();
            let entries = music::flattened(tx, scope, &lists, MOST_ENTRIES)?;
            Ok((made, entries))
        })
        .await?;
    let base = &asked.call.origin.base;
    let share = made.iter().zip(&entries).map(|(share, entry)| Share::of(share, &asked.user, base, entry)).collect();
    Ok(Payload::Shares(Shares { share }))
}

/// Newest first; expired ones too, which their owner may want to prolong.
pub async fn get_shares(asked: Asked) -> Result<Payload> {
    let own = asked.read(|tx, scope| shares::of_owner(tx, scope.user())).await?;
    shown(&asked, own).await
}

pub async fn create_share(asked: Asked) -> Result<Payload> {
    let ids: Vec<String> = asked.params.need_all("id")?.into_iter().map(str::to_owned).collect();
    let wish = wish(&asked.params)?;
    let items = asked.read(move |tx, scope| ids.iter().map(|id| music::named(tx, scope, id)).collect()).await?;
    let made = sharing::create(&asked.call.app, &asked.user, Door::Subsonic, items, wish).await?;
    shown(&asked, vec![made]).await
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
