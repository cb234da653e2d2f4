//! What is told of artists and albums: what this server knows itself, and, where the settings turn that on, what Last.fm says.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::Asked;
use super::answers::*;
use super::envelope::Payload;
use crate::account::token::Purpose;
use crate::error::{Error, Result, Thing};
use crate::http::{Call, deliver, log_internal};
use crate::library::ArtistKey;
use crate::library::music::{self as domain, Role};
use crate::now_ms;
use crate::share::Shared;
use crate::share::grant::{Action, Scope};
use crate::store::{Tx, accounts, library, music, rights};
use crate::work::{notes, sharing, similar};

const DAY_S: i64 = 24 * 60 * 60;
/// Apps keep what they were told of an artist, and show the picture again without asking for its address.
const PICTURE_LASTS_DAYS: i64 = 30;

/// What stands in the address of a picture, which apps load without their credentials.
#[derive(Serialize, Deserialize)]
struct PicturePass {
    thing: String,
    user: String,
    epoch: i64,
    exp: i64,
}

/// Addresses of a small, a medium and a large one.
fn images(asked: &Asked, id: &str, has_cover: bool) -> [Option<String>; 3] {
    if !has_cover {
        return [const { None }; 3];
    }
    // The same all day, so that it is loaded once.
    let exp = (now_ms() / 1000 / DAY_S + PICTURE_LASTS_DAYS) * DAY_S;
    let (user, epoch) = (asked.user.id.clone(), asked.user.epoch);
    let pass = asked.call.app.keys.jwt(Purpose::Picture, &PicturePass { thing: id.to_owned(), user, epoch, exp });
    [100, 300, 1200].map(|size_px| Some(format!("{}/rest/picture/{pass}/{size_px}", asked.call.origin.base)))
}

/// The picture of an artist or an album. Whoever loads it knows no envelope: an error is a status.
pub async fn picture(call: Call) -> Response {
    match cover(&call).await {
        Ok(response) => response,
        Err(error) => {
            log_internal("picture", &error);
            let status =
                if matches!(error, Error::Busy) { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NOT_FOUND };
            status.into_response()
        }
    }
}

async fn cover(call: &Call) -> Result<Response> {
    let gone = || Error::NotFound(Thing::Cover);
    let pass: Option<PicturePass> = call.app.keys.claims(Purpose::Picture, call.path("pass"));
    let pass = pass.filter(|pass| pass.exp * 1000 > now_ms()).ok_or_else(gone)?;
    let size_px: u32 = call.path("size").parse().map_err(|_| gone())?;
    let guest = call.guest();
    let grant = call.app.db.read(move |tx| {
        let user = accounts::by_id(tx, &pass.user)?.filter(|user| user.is_active() && user.epoch == pass.epoch);
        let user = user.ok_or_else(gone)?;
        let scope = rights::scope(tx, &user)?;
        let thing = music::named(tx, &scope, &pass.thing)?;
        let cover = music::cover_of(tx, &scope, thing)?.ok_or_else(gone)?;
        let item = library::item(tx, cover)?.ok_or_else(gone)?;
        sharing::own_item(tx, &user, &guest.with_user(user.clone()), item, Action::Preview)
    });
    deliver::cover(call, grant.await?, Some(size_px)).await
}

/// Whose an id is: an artist's own, or that of a record, a track or a folder by them.
fn artist_of(tx: &mut Tx, scope: &Scope, id: &str) -> Result<ArtistKey> {
    let thing = music::named(tx, scope, id)?;
    let found = match thing {
        Shared::Artist(artist) => Some(artist),
        Shared::Album(album) => {
            music::albums(tx, scope, &[album])?.first().and_then(|album| album.artists.first()).map(|artist| artist.key)
        }
        Shared::Item(_) | Shared::Playlist(_) => music::flattened(tx, scope, thing, 1)?.pop().and_then(|track| {
            let by = |role| track.credited(role).next().map(|artist| artist.key);
            by(Role::AlbumArtist).or_else(|| by(Role::Artist))
        }),
    };
    found.ok_or(Error::NotFound(Thing::Artist))
}

async fn artist_and_similar(asked: &Asked) -> Result<(domain::Artist, Vec<domain::Artist>)> {
    let id = asked.params.need("id")?.to_owned();
    let count = usize::try_from(asked.params.count("count", 20, 100)?).unwrap_or(0);
    let by = asked.compares_by();
    asked
        .read(move |tx, scope| {
            let key = artist_of(tx, scope, &id)?;
            let artist = music::artists(tx, scope, &[key])?.pop().ok_or(Error::NotFound(Thing::Artist))?;
            Ok((artist, similar::artists(tx, scope, key, count, by)?))
        })
        .await
}

fn filled(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Both calls answer the same, with similar artists in the form of theirs. `includeNotPresent` changes nothing: no artist
/// is known here who is not in the library.
async fn artist_info<A>(asked: Asked, shown: fn(&domain::Artist) -> A) -> Result<ArtistInfo<A>> {
    let (artist, similar) = artist_and_similar(&asked).await?;
    let [small_image_url, medium_image_url, large_image_url] = images(&asked, &artist.id, artist.has_cover);
    let notes = notes::of_artist(&asked.call.app, &artist.name).await.unwrap_or_default();
    Ok(ArtistInfo {
        biography: filled(notes.text),
        last_fm_url: filled(notes.url),
        small_image_url,
        medium_image_url,
        large_image_url,
        music_brainz_id: filled(artist.musicbrainz_id).or_else(|| filled(notes.musicbrainz_id)),
        similar_artist: similar.iter().map(shown).collect(),
    })
}

pub async fn get_artist_info(asked: Asked) -> Result<Payload> {
    artist_info(asked, Artist::of).await.map(Payload::ArtistInfo)
}

pub async fn get_artist_info2(asked: Asked) -> Result<Payload> {
    artist_info(asked, ArtistID3::of).await.map(Payload::ArtistInfo2)
}

/// Of an album, or of that of a song or a folder. Both calls answer the same, by the same name.
pub async fn get_album_info(asked: Asked) -> Result<Payload> {
    let id = asked.params.need("id")?.to_owned();
    let gone = Error::NotFound(Thing::Album);
    let album = asked
        .read(move |tx, scope| {
            let key = match music::named(tx, scope, &id)? {
                Shared::Album(key) => Some(key),
                Shared::Artist(_) | Shared::Playlist(_) => None,
                thing => {
                    let track = music::flattened(tx, scope, thing, 1)?.pop();
                    track.and_then(|track| track.album).map(|album| album.key)
                }
            };
            music::albums(tx, scope, key.as_slice())?.pop().ok_or(gone)
        })
        .await?;
    let [small_image_url, medium_image_url, large_image_url] = images(&asked, &album.id, album.has_cover);
    let notes = notes::of_album(&asked.call.app, &album.artist_name, &album.name).await.unwrap_or_default();
    Ok(Payload::AlbumInfo(AlbumInfo {
        notes: filled(notes.text),
        last_fm_url: filled(notes.url),
        small_image_url,
        medium_image_url,
        large_image_url,
        music_brainz_id: filled(album.musicbrainz_id).or_else(|| filled(notes.musicbrainz_id)),
    }))
}
