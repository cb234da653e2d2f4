//! Playlists. Others' public ones may be read, only one's own be changed.

use super::Asked;
use super::answers::*;
use super::envelope::Payload;
use crate::account::{Role, name_key};
use crate::error::{Error, Result, Thing};
use crate::library::ItemKey;
use crate::now_ms;
use crate::share::grant::Scope;
use crate::store::{Tx, music, playlists};

const LONGEST_NAME_CHARS: usize = 255;

pub(super) fn named(name: &str) -> Result<String> {
    match name.trim() {
        "" => Err(Error::Missing("name")),
        name if name.chars().count() > LONGEST_NAME_CHARS => {
            Err(Error::invalid("name", format!("at most {LONGEST_NAME_CHARS} characters")))
        }
        name => Ok(name.to_owned()),
    }
}

fn whole(tx: &mut Tx, scope: &Scope, id: &str) -> Result<PlaylistWithSongs> {
    let playlist = playlists::by_id(tx, scope, id)?;
    let keys = playlists::entries(tx, playlist.key)?;
    let entry = music::tracks(tx, scope, &keys)?.iter().map(Child::of).collect();
    Ok(PlaylistWithSongs { playlist: Playlist::of(&playlist, scope.user()), entry })
}

/// Keys of tracks that came by their ids, every one of them known.
fn songs(tx: &mut Tx, scope: &Scope, ids: &[String]) -> Result<Vec<ItemKey>> {
    let found = music::tracks_named(tx, scope, ids)?;
    found.into_iter().map(|track| track.map(|(key, _)| key).ok_or(Error::NotFound(Thing::Track))).collect()
}

pub async fn get_playlists(asked: Asked) -> Result<Payload> {
    let of = asked.params.get("username").filter(|name| !name.is_empty()).map(name_key);
    if of.as_ref().is_some_and(|name| *name != name_key(&asked.user.name)) && !asked.user.is_admin() {
        return Err(Error::Forbidden("only administrators may ask for others' playlists"));
    }
    let found = asked.read(playlists::list).await?;
    let wanted = found.iter().filter(|playlist| of.as_ref().is_none_or(|of| *of == name_key(&playlist.owner_name)));
    let playlist = wanted.map(|playlist| Playlist::of(playlist, asked.user.key)).collect();
    Ok(Payload::Playlists(Playlists { playlist }))
}

pub async fn get_playlist(asked: Asked) -> Result<Payload> {
    let id = asked.params.need("id")?.to_owned();
    Ok(Payload::Playlist(asked.read(move |tx, scope| whole(tx, scope, &id)).await?))
}

/// Makes a playlist, or puts other songs in place of one's present ones.
pub async fn create_playlist(asked: Asked) -> Result<Payload> {
    asked.user.may(Role::Playlist)?;
    let ids: Vec<String> = asked.params.all("songId").into_iter().map(str::to_owned).collect();
    let existing = asked.params.get("playlistId").filter(|id| !id.is_empty()).map(str::to_owned);
    let name = asked.params.get("name").filter(|name| !name.is_empty()).map(named).transpose()?;
    let made = move |tx: &mut Tx, scope: &Scope| {
        let items = songs(tx, scope, &ids)?;
        let id = match existing {
            Some(id) => id,
            None => playlists::insert(tx, scope.user(), &name.clone().ok_or(Error::Missing("name"))?, now_ms())?,
        };
        let mut playlist = playlists::own_by_id(tx, scope, &id)?;
        playlist.name = name.unwrap_or(playlist.name);
        playlists::update(tx, &playlist, now_ms())?;
        playlists::set_entries(tx, playlist.key, &items)?;
        whole(tx, scope, &id)
    };
    Ok(Payload::Playlist(asked.write(made).await?))
}

pub async fn update_playlist(asked: Asked) -> Result<Payload> {
    asked.user.may(Role::Playlist)?;
    let params = &asked.params;
    let id = params.need("playlistId")?.to_owned();
    let name = params.get("name").filter(|name| !name.is_empty()).map(named).transpose()?;
    let comment = params.get("comment").map(str::to_owned);
    let public = params.bool_of("public");
    let added: Vec<String> = params.all("songIdToAdd").into_iter().map(str::to_owned).collect();
    let removed = params.ints("songIndexToRemove")?;
    let updated = move |tx: &mut Tx, scope: &Scope| {
        let mut playlist = playlists::own_by_id(tx, scope, &id)?;
        playlist.name = name.unwrap_or(playlist.name);
        playlist.comment = comment.unwrap_or(playlist.comment);
        playlist.is_public = public.unwrap_or(playlist.is_public);
        playlists::update(tx, &playlist, now_ms())?;
        if !(added.is_empty() && removed.is_empty()) {
            let entries = playlists::entries(tx, playlist.key)?;
            let mut items = without(tx, scope, &entries, &removed)?;
            items.extend(songs(tx, scope, &added)?);
            playlists::set_entries(tx, playlist.key, &items)?;
        }
        Ok(Payload::Empty)
    };
    asked.write(updated).await
}

/// The entries without those at the given places. Places count what the caller sees; what does not show stays.
fn without(tx: &mut Tx, scope: &Scope, entries: &[ItemKey], removed: &[i64]) -> Result<Vec<ItemKey>> {
    let seen = music::tracks_there(tx, scope, entries)?;
    let mut place = -1;
    let mut left = Vec::with_capacity(entries.len());
    for key in entries {
        let is_seen = seen.contains(key);
        place += i64::from(is_seen);
        if !(is_seen && removed.contains(&place)) {
            left.push(*key);
        }
    }
    if removed.iter().any(|wanted| *wanted < 0 || *wanted > place) {
        return Err(Error::invalid("songIndexToRemove", "the playlist is not that long"));
    }
    Ok(left)
}

pub async fn delete_playlist(asked: Asked) -> Result<Payload> {
    asked.user.may(Role::Playlist)?;
    let id = asked.params.need("id")?.to_owned();
    let deleted = move |tx: &mut Tx, scope: &Scope| {
        let playlist = playlists::own_by_id(tx, scope, &id)?;
        playlists::remove(tx, playlist.key)
    };
    asked.write(deleted).await.map(|()| Payload::Empty)
}
