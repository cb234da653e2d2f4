//! Bytes: music, covers; and lyrics.

use axum::http::Method;
use axum::response::Response;

use super::Asked;
use super::answers::*;
use super::envelope::Payload;
use super::of::plain_lyrics;
use crate::error::{Error, Result, Thing};
use crate::http::deliver;
use crate::http::send::Disposition;
use crate::library::Media;
use crate::share::Shared;
use crate::share::grant::{Action, Grant};
use crate::store::{library, music};
use crate::work::archives::{self, Part};
use crate::work::look;
use crate::work::sharing;

async fn granted(asked: &Asked, action: Action) -> Result<Grant> {
    look::own(&asked.call.app, &asked.user, &asked.visitor(), asked.params.need("id")?, action).await
}

/// The original file, whatever format and bit rate are wished for: it is at most what a client asks for to save bytes.
pub async fn stream(mut asked: Asked) -> Result<Response> {
    // In this protocol a form post is another spelling of GET: py-opensonic posts, and asks for ranges.
    if asked.call.parts.method == Method::POST {
        asked.call.parts.method = Method::GET;
    }
    let grant = granted(&asked, Action::Play).await?;
    if !matches!(grant.item().media, Media::Audio | Media::Video) {
        return Err(Error::NotFound(Thing::Track));
    }
    deliver::file(&asked.call, grant, Disposition::Inline).await
}

/// What a download gives.
enum Given {
    File(Grant),
    Archive(Part),
}

/// A file as it is; of folders, albums, artists and playlists an archive, as Navidrome gives it.
pub async fn download(asked: Asked) -> Result<Response> {
    let id = asked.params.need("id")?.to_owned();
    let (user, visitor) = (asked.user.clone(), asked.visitor());
    let given = asked.read(move |tx, scope| {
        let thing = music::named(tx, scope, &id)?;
        if let Shared::Item(key) = thing
            && let Some(item) = library::item(tx, key)?.filter(|item| !item.is_folder())
        {
            return Ok(Given::File(sharing::own_item(tx, &user, &visitor, item, Action::Download)?));
        }
        archives::of_user(tx, &user, &visitor, &[thing]).map(Given::Archive)
    });
    match given.await? {
        Given::File(grant) => deliver::file(&asked.call, grant, Disposition::Attachment).await,
        Given::Archive(part) => deliver::zip(&asked.call, vec![part]).await,
    }
}

/// Takes the ids of covers as answers name them, and those of whatever has a cover, as clients of old send them.
pub async fn get_cover_art(asked: Asked) -> Result<Response> {
    let id = asked.params.need("id")?.to_owned();
    let size_px = asked.params.ms("size")?.filter(|size| *size > 0).map(|size| u32::try_from(size).unwrap_or(u32::MAX));
    let (user, visitor) = (asked.user.clone(), asked.visitor());
    let grant = asked
        .read(move |tx, scope| {
            let named = music::named(tx, scope, &id)?;
            let cover = music::cover_of(tx, scope, named)?.ok_or(Error::NotFound(Thing::Cover))?;
            let item = library::item(tx, cover)?.ok_or(Error::NotFound(Thing::Cover))?;
            sharing::own_item(tx, &user, &visitor, item, Action::Preview)
        })
        .await?;
    deliver::cover(&asked.call, grant, size_px).await
}

/// An unknown song has empty lyrics; that is no failure.
pub async fn get_lyrics(asked: Asked) -> Result<Payload> {
    let wanted = |name| asked.params.get(name).unwrap_or_default().to_owned();
    let (artist, title) = (wanted("artist"), wanted("title"));
    if title.is_empty() {
        return Ok(Payload::Lyrics(Lyrics::default()));
    }
    let found = asked
        .read(move |tx, scope| match music::track_titled(tx, scope, &artist, &title)? {
            Some(track) => Ok(Some((music::lyrics(tx, track.item.key)?, track))),
            None => Ok(None),
        })
        .await?;
    Ok(Payload::Lyrics(match found {
        Some((text, track)) => {
            Lyrics { artist: Some(track.artist_name), title: Some(track.title), value: Text(plain_lyrics(&text)) }
        }
        None => Lyrics::default(),
    }))
}

pub async fn get_lyrics_by_song_id(asked: Asked) -> Result<Payload> {
    let id = asked.params.need("id")?.to_owned();
    let (text, track) = asked
        .read(move |tx, scope| {
            let track = music::track_by_id(tx, scope, &id)?;
            Ok((music::lyrics(tx, track.item.key)?, track))
        })
        .await?;
    let known = !text.trim().is_empty();
    let structured_lyrics = known.then(|| StructuredLyrics::of(&track, &text)).into_iter().collect();
    Ok(Payload::LyricsList(LyricsList { structured_lyrics }))
}
