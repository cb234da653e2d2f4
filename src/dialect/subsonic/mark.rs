//! What users say of their music: stars, ratings, plays.

use super::Asked;
use super::envelope::Payload;
use super::params::Params;
use crate::error::{Error, Result};
use crate::library::music::Marked;
use crate::now_ms;
use crate::share::Shared;
use crate::share::grant::Scope;
use crate::store::{Tx, marks, music, scrobbles};

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

/// Counts plays of tracks and of their albums. Unknown ids are passed over: apps report late what they played from their
/// own copies. `submission=false` only says what is playing now, which is not followed.
pub async fn scrobble(asked: Asked) -> Result<Payload> {
    let ids: Vec<String> = asked.params.need_all("id")?.into_iter().map(str::to_owned).collect();
    let times = asked.params.ints("time")?;
    if !times.is_empty() && times.len() != ids.len() {
        return Err(Error::invalid("time", "one for each id, or none"));
    }
    if asked.params.bool_of("submission") == Some(false) {
        return Ok(Payload::Empty);
    }
    let played = move |tx: &mut Tx, scope: &Scope| {
        let now = now_ms();
        for (at, track) in music::tracks_named(tx, scope, &ids)?.into_iter().enumerate() {
            let Some((item, album)) = track else { continue };
            let played_ms = times.get(at).copied().unwrap_or(now).clamp(0, now);
            for marked in [Some(Marked::Item(item)), album.map(Marked::Album)].into_iter().flatten() {
                marks::play(tx, scope.user(), marked, played_ms)?;
            }
            scrobbles::keep(tx, scope.user(), item, played_ms)?;
        }
        Ok(Payload::Empty)
    };
    let answer = asked.write(played).await;
    asked.call.app.scrobbles.wake();
    answer
}
