//! Lists of albums and songs.

use super::Asked;
use super::answers::*;
use super::envelope::Payload;
use super::params::Params;
use crate::error::{Error, Result};
use crate::library::music::{Album, AlbumList as List, Page, TrackFilter};
use crate::store::music;

/// What the protocol allows of one list.
const MOST: i64 = 500;

fn list_of(params: &Params) -> Result<List> {
    let year = |name| params.int(name)?.ok_or(Error::Missing(name));
    Ok(match params.need("type")? {
        "random" => List::Random,
        "newest" => List::Newest,
        "highest" => List::Highest,
        "frequent" => List::Frequent,
        "recent" => List::Recent,
        "alphabeticalByName" => List::ByName,
        "alphabeticalByArtist" => List::ByArtist,
        "starred" => List::Starred,
        "byYear" => List::ByYear { from: year("fromYear")?, to: year("toYear")? },
        "byGenre" => List::ByGenre(params.need("genre")?.to_owned()),
        _ => return Err(Error::invalid("type", "there is no such list")),
    })
}

async fn albums(asked: &Asked) -> Result<Vec<Album>> {
    let list = list_of(&asked.params)?;
    let page = Page { limit: asked.params.count("size", 10, MOST)?, offset: asked.params.offset("offset")? };
    asked.read_folder(move |tx, scope| music::album_list(tx, scope, &list, page)).await
}

pub async fn get_album_list(asked: Asked) -> Result<Payload> {
    let album = albums(&asked).await?.iter().map(Child::of_album).collect();
    Ok(Payload::AlbumList(AlbumList { album }))
}

pub async fn get_album_list2(asked: Asked) -> Result<Payload> {
    let album = albums(&asked).await?.iter().map(AlbumID3::of).collect();
    Ok(Payload::AlbumList2(AlbumList2 { album }))
}

pub async fn get_random_songs(asked: Asked) -> Result<Payload> {
    let limit = asked.params.count("size", 10, MOST)?;
    let filter = TrackFilter {
        genre: asked.params.get("genre").filter(|genre| !genre.is_empty()).map(str::to_owned),
        from_year: asked.params.int("fromYear")?,
        to_year: asked.params.int("toYear")?,
    };
    let tracks = asked.read_folder(move |tx, scope| music::random_tracks(tx, scope, &filter, limit)).await?;
    Ok(Payload::RandomSongs(Songs { song: tracks.iter().map(Child::of).collect() }))
}

pub async fn get_songs_by_genre(asked: Asked) -> Result<Payload> {
    let genre = asked.params.need("genre")?.to_owned();
    let page = Page { limit: asked.params.count("count", 10, MOST)?, offset: asked.params.offset("offset")? };
    let tracks = asked.read_folder(move |tx, scope| music::tracks_of_genre(tx, scope, &genre, page)).await?;
    Ok(Payload::SongsByGenre(Songs { song: tracks.iter().map(Child::of).collect() }))
}

type Starred = (Vec<crate::library::music::Artist>, Vec<Album>, Vec<crate::library::music::Track>);

async fn starred(asked: &Asked) -> Result<Starred> {
    let all = Page { limit: i64::MAX, offset: 0 };
    asked
        .read_folder(move |tx, scope| {
            let artists = music::starred_artists(tx, scope)?;
            let albums = music::album_list(tx, scope, &List::Starred, all)?;
            Ok((artists, albums, music::starred_tracks(tx, scope)?))
        })
        .await
}

pub async fn get_starred(asked: Asked) -> Result<Payload> {
    let (artists, albums, tracks) = starred(&asked).await?;
    Ok(Payload::Starred(SearchResult2 {
        artist: artists.iter().map(Artist::of).collect(),
        album: albums.iter().map(Child::of_album).collect(),
        song: tracks.iter().map(Child::of).collect(),
    }))
}

pub async fn get_starred2(asked: Asked) -> Result<Payload> {
    let (artists, albums, tracks) = starred(&asked).await?;
    Ok(Payload::Starred2(SearchResult3 {
        artist: artists.iter().map(ArtistID3::of).collect(),
        album: albums.iter().map(AlbumID3::of).collect(),
        song: tracks.iter().map(Child::of).collect(),
    }))
}
