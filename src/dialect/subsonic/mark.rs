//! What users say of their music: stars and ratings.

use super::Asked;
use super::envelope::Payload;
use super::params::Params;
use crate::account::Role;
use crate::error::{Error, Result};
use crate::library::music::Marked;
use crate::now_ms;
use crate::share::Shared;
use crate::share::grant::Scope;
use crate::store::{Tx, marks, music};

fn marked(tx: &mut Tx, scope: &Scope, id: &str) -> Result<Marked> {
    Ok(match music::named(tx, scope, id)? {
        Shared::Item(key) => Marked::Item(key),
        Shared::Album(key) => Marked::Album(key),
        Shared::Artist(key) => Marked::Artist(key),
        Shared::Playlist(_) => return Err(Error::invalid("id", "playlists have no stars")),
    })
}

/// Any of the three parameters may name anything: clients that browse by folders send all ids as `id`.
fn ids(params: &Params) -> Result<Vec<String>> {
    let ids: Vec<String> =
        ["id", "albumId", "artistId"].into_iter().flat_map(|name| params.all(name)).map(str::to_owned).collect();
    if ids.is_empty() { Err(Error::Missing("id")) } else { Ok(ids) }
}

/// All of them or, where one is not found, none.
pub async fn star(asked: Asked) -> Result<Payload> {
    let ids = ids(&asked.params)?;
    let starred = move |tx: &mut Tx, scope: &Scope| {
        for id in &ids {
            let marked = marked(tx, scope, id)?;
            marks::star(tx, scope.user(), marked, now_ms())?;
        }
        Ok(Payload::Empty)
    };
    asked.write(starred).await
}

pub async fn unstar(asked: Asked) -> Result<Payload> {
    let ids = ids(&asked.params)?;
    let unstarred = move |tx: &mut Tx, scope: &Scope| {
        for id in &ids {
            let marked = marked(tx, scope, id)?;
            marks::unstar(tx, scope.user(), marked)?;
        }
        Ok(Payload::Empty)
    };
    asked.write(unstarred).await
}

pub async fn set_rating(asked: Asked) -> Result<Payload> {
    asked.user.may(Role::Comment)?;
    let id = asked.params.need("id")?.to_owned();
    let rating = match asked.params.int("rating")?.ok_or(Error::Missing("rating"))? {
        0 => None,
        stars @ 1..=5 => Some(stars as u8),
        _ => return Err(Error::invalid("rating", "it is 0 to 5")),
    };
    let rated = move |tx: &mut Tx, scope: &Scope| {
        let marked = marked(tx, scope, &id)?;
        marks::rate(tx, scope.user(), marked, rating)
    };
    asked.write(rated).await.map(|()| Payload::Empty)
}
