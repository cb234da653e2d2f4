//! Search; also how apps copy a whole library, page by page.

use super::Asked;
use super::answers::*;
use super::envelope::Payload;
use super::params::Params;
use crate::error::Result;
use crate::library::music::{self, Page};
use crate::store::search::{self, Asked as Fields, Terms};

/// Clients ask for 999999999; they page on when a page is full.
const MOST: i64 = 500;

fn page(params: &Params, count: &'static str, offset: &'static str) -> Result<Page> {
    Ok(Page { limit: params.count(count, 20, MOST)?, offset: params.offset(offset)? })
}

type Found = (Vec<music::Artist>, Vec<music::Album>, Vec<music::Track>);

/// A missing or empty query, and one of two quotes, find everything: the first is what OpenSubsonic demands, the last
/// what Symfonium sends.
async fn found(asked: &Asked) -> Result<Found> {
    let terms = Terms::of(asked.params.get("query").unwrap_or_default());
    let artists = page(&asked.params, "artistCount", "artistOffset")?;
    let albums = page(&asked.params, "albumCount", "albumOffset")?;
    let songs = page(&asked.params, "songCount", "songOffset")?;
    asked
        .read_folder(move |tx, scope| {
            Ok((
                search::artists(tx, scope, &terms, artists)?,
                search::albums(tx, scope, &terms, albums)?,
                search::tracks(tx, scope, &terms, songs)?,
            ))
        })
        .await
}

/// The first of the three, which tells fields apart. Its `any` is a text, whatever the OpenAPI document says.
pub async fn search(asked: Asked) -> Result<Payload> {
    let terms = |name| Terms::of(asked.params.get(name).unwrap_or_default());
    let fields = Fields {
        any: terms("any"),
        title: terms("title"),
        artist: terms("artist"),
        album: terms("album"),
        added_after_ms: asked.params.ms("newerThan")?,
    };
    let page = page(&asked.params, "count", "offset")?;
    let (total, tracks) = asked.read(move |tx, scope| search::tracks_by_field(tx, scope, &fields, page)).await?;
    Ok(Payload::SearchResult(SearchResult {
        offset: page.offset.unsigned_abs(),
        total_hits: total,
        found: tracks.iter().map(Child::of).collect(),
    }))
}

pub async fn search2(asked: Asked) -> Result<Payload> {
    let (artists, albums, tracks) = found(&asked).await?;
    Ok(Payload::SearchResult2(SearchResult2 {
        artist: artists.iter().map(Artist::of).collect(),
        album: albums.iter().map(Child::of_album).collect(),
        song: tracks.iter().map(Child::of).collect(),
    }))
}

pub async fn search3(asked: Asked) -> Result<Payload> {
    let (artists, albums, tracks) = found(&asked).await?;
    Ok(Payload::SearchResult3(SearchResult3 {
        artist: artists.iter().map(ArtistID3::of).collect(),
        album: albums.iter().map(AlbumID3::of).collect(),
        song: tracks.iter().map(Child::of).collect(),
    }))
}
