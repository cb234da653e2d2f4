//! Lists of albums and songs.

use std::collections::VecDeque;

use super::long::{Frame, Plan, Things, View};
use super::params::Params;
use super::{Answer, Asked};
use crate::error::{Error, Result};
use crate::library::music::{AlbumList as List, TrackFilter};
use crate::library::{AlbumKey, ItemKey, Page};
use crate::share::grant::Scope;
use crate::store::{Tx, music};

/// What the protocol allows of one list.
const MOST: u64 = 500;

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

async fn albums(asked: Asked, name: &'static str, shown: fn(VecDeque<AlbumKey>) -> Things) -> Result<Answer> {
    let list = list_of(&asked.params)?;
    let page = Page { limit: asked.params.count("size", 10, MOST)?, offset: asked.params.offset("offset")? };
    asked
        .at_length(move |tx, scope| {
            let keys = music::album_list(tx, scope, &list, page)?;
            Ok(Plan::of(name, Frame::Bare {}).list("album", [shown(keys.into())]))
        })
        .await
}

pub async fn get_album_list(asked: Asked) -> Result<Answer> {
    albums(asked, "albumList", Things::AlbumsAsFolders).await
}

pub async fn get_album_list2(asked: Asked) -> Result<Answer> {
    albums(asked, "albumList2", Things::Albums).await
}

async fn songs(
    asked: Asked,
    name: &'static str,
    keys: impl FnOnce(&mut Tx, &Scope) -> Result<Vec<ItemKey>> + Send + 'static,
) -> Result<Answer> {
    let plan = move |tx: &mut Tx, scope: &Scope| {
        Ok(Plan::of(name, Frame::Bare {}).list("song", [Things::Songs(keys(tx, scope)?.into())]))
    };
    asked.at_length(plan).await
}

pub async fn get_random_songs(asked: Asked) -> Result<Answer> {
    let limit = asked.params.count("size", 10, MOST)?;
    let filter = TrackFilter {
        genre: asked.params.get("genre").filter(|genre| !genre.is_empty()).map(str::to_owned),
        from_year: asked.params.int("fromYear")?,
        to_year: asked.params.int("toYear")?,
    };
    songs(asked, "randomSongs", move |tx, scope| music::random_tracks(tx, scope, &filter, limit)).await
}

pub async fn get_songs_by_genre(asked: Asked) -> Result<Answer> {
    let genre = asked.params.need("genre")?.to_owned();
    let page = Page { limit: asked.params.count("count", 10, MOST)?, offset: asked.params.offset("offset")? };
    songs(asked, "songsByGenre", move |tx, scope| music::tracks_of_genre(tx, scope, &genre, page)).await
}

fn starred_albums(tx: &mut Tx, scope: &Scope) -> Result<Vec<AlbumKey>> {
    music::album_list(tx, scope, &List::Starred, Page::ALL)
}

/// With what apps that browse by folders star there: folders beside the albums, films beside the songs.
pub async fn get_starred(asked: Asked) -> Result<Answer> {
    let plan = |tx: &mut Tx, scope: &Scope| {
        let view = View::Folders;
        let artists = view.artists(music::starred_artists(tx, scope)?);
        let albums = view.albums(starred_albums(tx, scope)?);
        let songs = Things::Songs(music::starred_tracks(tx, scope)?.into());
        let folders = Things::Items(music::starred_folders(tx, scope)?.into());
        let films = Things::Items(music::starred_films(tx, scope)?.into());
        let plan = Plan::of("starred", Frame::Bare {}).list("artist", [artists]);
        Ok(plan.list("album", [albums, folders]).list("song", [songs, films]))
    };
    asked.at_length(plan).await
}

pub async fn get_starred2(asked: Asked) -> Result<Answer> {
    let plan = |tx: &mut Tx, scope: &Scope| {
        let (artists, albums) = (music::starred_artists(tx, scope)?, starred_albums(tx, scope)?);
        Ok(View::Tags.plan("starred2", artists, albums, music::starred_tracks(tx, scope)?))
    };
    asked.at_length(plan).await
}
