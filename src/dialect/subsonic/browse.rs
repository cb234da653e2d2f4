//! Browsing, by folders and by tags.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::answers::*;
use super::envelope::Payload;
use super::long::{Frame, Plan, Things};
use super::{Answer, Asked};
use crate::error::{Error, Result, Thing};
use crate::library::music::{Mark, Marked, Track};
use crate::library::{ArtistKey, Item, ItemKey, Library, Media};
use crate::share::Shared;
use crate::share::grant::Scope;
use crate::store::{Tx, library, marks, music, scan};

fn libraries(tx: &mut Tx, scope: &Scope) -> Result<Vec<Library>> {
    Ok(library::reachable(tx, scope.user())?
        .into_iter()
        .filter(|library| scope.libraries().contains(&library.key))
        .collect())
}

pub async fn get_music_folders(asked: Asked) -> Result<Payload> {
    let libraries = asked.read(libraries).await?;
    let music_folder =
        libraries.into_iter().map(|library| MusicFolder { id: library.key.0, name: library.name }).collect();
    Ok(Payload::MusicFolders(MusicFolders { music_folder }))
}

pub async fn get_genres(asked: Asked) -> Result<Payload> {
    let genres = asked.read(music::genres).await?;
    Ok(Payload::Genres(Genres { genre: genres.iter().map(Genre::of).collect() }))
}

pub async fn get_artists(asked: Asked) -> Result<Answer> {
    asked
        .at_length(|tx, scope| {
            let articles = scan::articles(tx)?;
            let mut groups: BTreeMap<String, VecDeque<ArtistKey>> = BTreeMap::new();
            for (initial, artist) in music::leading_artists(tx, scope)? {
                groups.entry(initial).or_default().push_back(artist);
            }
            let index = groups.into_iter().map(|(initial, artists)| (initial, Things::Artists(artists)));
            Ok(Plan::of("artists", Frame::Artists { ignored_articles: articles.words().to_owned() })
                .index("artist", index))
        })
        .await
}

pub async fn get_artist(asked: Asked) -> Result<Payload> {
    let id = asked.params.need("id")?.to_owned();
    let (artist, albums) = asked
        .read(move |tx, scope| {
            let artist = music::artist_by_id(tx, scope, &id)?;
            let albums = music::albums_of(tx, scope, artist.key)?;
            Ok((artist, albums))
        })
        .await?;
    let album = albums.iter().map(AlbumID3::of).collect();
    Ok(Payload::Artist(ArtistWithAlbumsID3 { artist: ArtistID3::of(&artist), album }))
}

pub async fn get_album(asked: Asked) -> Result<Payload> {
    let id = asked.params.need("id")?.to_owned();
    let (album, tracks) = asked
        .read(move |tx, scope| {
            let album = music::album_by_id(tx, scope, &id)?;
            let keys = music::tracks_of_album(tx, album.key)?;
            Ok((album, music::tracks(tx, scope, &keys)?))
        })
        .await?;
    let song = tracks.iter().map(Child::of).collect();
    Ok(Payload::Album(Box::new(AlbumID3WithSongs { album: AlbumID3::of(&album), song })))
}

pub async fn get_song(asked: Asked) -> Result<Payload> {
    let id = asked.params.need("id")?.to_owned();
    let track = asked.read(move |tx, scope| music::track_by_id(tx, scope, &id)).await?;
    Ok(Payload::Song(Box::new(Child::of(&track))))
}

/// The folders right below the roots, by initial, and what lies loose beside them. Clients that know the present state
/// get an answer without content, but with its frame: without one, strict clients fail.
pub async fn get_indexes(asked: Asked) -> Result<Answer> {
    let known_ms = asked.params.ms("ifModifiedSince")?;
    let plan = move |tx: &mut Tx, scope: &Scope| {
        let libraries = libraries(tx, scope)?;
        let last_modified = libraries.iter().map(|library| library.changed_ms).max().unwrap_or(0);
        let articles = scan::articles(tx)?;
        let mut groups: BTreeMap<char, VecDeque<ItemKey>> = BTreeMap::new();
        let mut loose = Vec::new();
        if known_ms.is_none_or(|known| known < last_modified) {
            for library in libraries {
                let root = library::root_item(tx, library.key)?;
                for (folder, initial) in library::folders_in(tx, root.key, |name| articles.initial(name))? {
                    groups.entry(initial).or_default().push_back(folder);
                }
                loose.extend(library::media_in(tx, root.key)?);
            }
        }
        let frame = Frame::Indexes { ignored_articles: articles.words().to_owned(), last_modified };
        let index = groups.into_iter().map(|(initial, folders)| (initial.to_string(), Things::Folders(folders)));
        let plan = Plan::of("indexes", frame).list("shortcut", Vec::new()).index("artist", index);
        Ok(plan.list("child", [Things::Items(loose.into())]))
    };
    asked.at_length(plan).await
}

/// A folder with what of it the folder view shows: folders, music and videos.
struct Folder {
    folder: Item,
    items: Vec<Item>,
    tracks: HashMap<ItemKey, Track>,
    marks: HashMap<Marked, Mark>,
}

impl Folder {
    fn open(tx: &mut Tx, scope: &Scope, folder: Item) -> Result<Folder> {
        let shows = |item: &Item| item.is_folder() || matches!(item.media, Media::Audio | Media::Video);
        let items: Vec<Item> = library::children(tx, folder.key)?.into_iter().filter(shows).collect();
        let audio: Vec<ItemKey> = items.iter().filter(|item| item.media == Media::Audio).map(|item| item.key).collect();
        let tracks = music::tracks(tx, scope, &audio)?.into_iter().map(|track| (track.item.key, track)).collect();
        let marked: Vec<Marked> = items
            .iter()
            .filter(|item| item.media != Media::Audio)
            .chain([&folder])
            .map(|item| Marked::Item(item.key))
            .collect();
        let marks = marks::of(tx, scope.user(), &marked)?.into_iter().collect();
        Ok(Folder { folder, items, tracks, marks })
    }

    fn mark(&self, item: &Item) -> Mark {
        self.marks.get(&Marked::Item(item.key)).copied().unwrap_or_default()
    }

    fn children(&self) -> Vec<Child> {
        let child = |item: &Item| match self.tracks.get(&item.key) {
            Some(track) => Some(Child::of(track)),
            None if item.media == Media::Audio => None,
            None => Some(Child::of_item(item, Some(&self.folder.id), &self.mark(item))),
        };
        self.items.iter().filter_map(child).collect()
    }
}

/// Takes the number of a music folder as well, since clients mix the two up, and the ids of albums and artists, which
/// lists and searches name in the places of folders.
pub async fn get_music_directory(asked: Asked) -> Result<Payload> {
    let id = asked.params.need("id")?.to_owned();
    let directory = asked
        .read(move |tx, scope| match music::named(tx, scope, &id)? {
            Shared::Item(key) => directory_of_folder(tx, scope, key),
            Shared::Album(_) => directory_of_album(tx, scope, &id),
            Shared::Artist(_) => directory_of_artist(tx, scope, &id),
            Shared::Playlist(_) => Err(Error::NotFound(Thing::Folder)),
        })
        .await?;
    Ok(Payload::Directory(directory))
}

fn directory_of_folder(tx: &mut Tx, scope: &Scope, key: ItemKey) -> Result<Directory> {
    let folder = library::item(tx, key)?.filter(Item::is_folder).ok_or(Error::NotFound(Thing::Folder))?;
    // A folder that lies in the trash by one above it is not there.
    let folder = library::place(tx, folder, &[])?.item;
    let parent = match folder.parent {
        Some(parent) => library::item(tx, parent)?.map(|parent| parent.id),
        None => None,
    };
    let inside = Folder::open(tx, scope, folder)?;
    let mark = inside.mark(&inside.folder);
    Ok(Directory {
        id: inside.folder.id.clone(),
        parent,
        name: inside.folder.shown.clone(),
        starred: mark.starred_ms.map(Date),
        user_rating: mark.rating,
        play_count: Some(mark.plays),
        child: inside.children(),
    })
}

fn directory_of_album(tx: &mut Tx, scope: &Scope, id: &str) -> Result<Directory> {
    let album = music::album_by_id(tx, scope, id)?;
    let keys = music::tracks_of_album(tx, album.key)?;
    Ok(Directory {
        id: album.id,
        parent: album.artists.first().map(|artist| artist.id.clone()),
        name: album.name,
        starred: album.mark.starred_ms.map(Date),
        user_rating: album.mark.rating,
        play_count: Some(album.mark.plays),
        child: music::tracks(tx, scope, &keys)?.iter().map(Child::of).collect(),
    })
}

fn directory_of_artist(tx: &mut Tx, scope: &Scope, id: &str) -> Result<Directory> {
    let artist = music::artist_by_id(tx, scope, id)?;
    Ok(Directory {
        id: artist.id,
        parent: None,
        name: artist.name,
        starred: artist.mark.starred_ms.map(Date),
        user_rating: artist.mark.rating,
        play_count: Some(artist.mark.plays),
        child: music::albums_of(tx, scope, artist.key)?.iter().map(Child::of_album).collect(),
    })
}
