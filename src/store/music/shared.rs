//! The tracks that entries of shares hold.

use std::collections::HashMap;

use super::tracks::{TRACK, track, track_keys, tracks, tracks_of_album};
use super::{THERE, TRACK_ORDER, distinct, in_order};
use crate::args;
use crate::error::Result;
use crate::library::music::Track;
use crate::library::{ArtistKey, Item, ItemKey, Media};
use crate::share::Shared;
use crate::share::grant::Scope;
use crate::store::library::media_number;
use crate::store::{KEYS_AT_ONCE, Tx, bind_all};

/// Folders that are opened to find the tracks beneath one.
const MOST_FOLDERS: usize = 10_000;

const MUSIC: [Media; 1] = [Media::Audio];
const MUSIC_AND_FILMS: [Media; 2] = [Media::Audio, Media::Video];

/// Tracks of an entry of a share in order: of a folder those beneath it, of a file itself if it is one. Whether a
/// reader may have them is the caller's to check.
pub fn tracks_of(tx: &mut Tx, shared: Shared) -> Result<Vec<Item>> {
    let keys = keys_of(tx, shared, &MUSIC, usize::MAX)?;
    let mut found = HashMap::new();
    for part in distinct(&keys).chunks(KEYS_AT_ONCE) {
        let mut args = Vec::new();
        let ids = bind_all(&mut args, part.iter().map(|key| key.0));
        let rows = tx.all(
            &format!(
                "SELECT {TRACK} FROM track t JOIN item i ON i.id = t.item_id LEFT JOIN item f ON f.id = i.parent_id
                 LEFT JOIN album a ON a.id = t.album_id WHERE t.item_id IN ({ids}) AND {THERE}"
            ),
            &args,
            track,
        )?;
        found.extend(rows.into_iter().map(|track| (track.item.key, track.item)));
    }
    Ok(in_order(&keys, found))
}

/// Keys of what of an entry is of these media; of a folder at least `limit`, if there are as many.
fn keys_of(tx: &mut Tx, shared: Shared, media: &[Media], limit: usize) -> Result<Vec<ItemKey>> {
    match shared {
        Shared::Item(key) => beneath(tx, key, media, limit),
        Shared::Album(key) => tracks_of_album(tx, key),
        Shared::Artist(key) => tracks_of_artist(tx, key),
        Shared::Playlist(key) => crate::store::playlists::entries(tx, key),
    }
}

/// Keys of the tracks of an artist's albums, then of the tracks they play elsewhere.
fn tracks_of_artist(tx: &mut Tx, artist: ArtistKey) -> Result<Vec<ItemKey>> {
    let sql = format!(
        "SELECT t.item_id FROM track t JOIN item i ON i.id = t.item_id LEFT JOIN album a ON a.id = t.album_id
         WHERE {THERE} AND (t.album_id IN (SELECT c.album_id FROM album_credit c WHERE c.artist_id = $1)
            OR t.item_id IN (SELECT c.item_id FROM track_credit c
                             WHERE c.artist_id = $1 AND c.role IN ('artist', 'albumartist')))
         ORDER BY CASE WHEN EXISTS (SELECT 1 FROM album_credit l WHERE l.album_id = a.id AND l.artist_id = $1)
            THEN 0 ELSE 1 END, COALESCE(a.year, 9999), COALESCE(a.id, 0), {TRACK_ORDER}"
    );
    track_keys(tx, &sql, args![artist.0])
}

/// Keys of up to `limit` items of these media at and beneath one, as a listing of one folder after the other shows them.
fn beneath(tx: &mut Tx, top: ItemKey, media: &[Media], limit: usize) -> Result<Vec<ItemKey>> {
    let mut args = vec![top.0.into()];
    let of_these = bind_all(&mut args, media.iter().copied().map(media_number));
    let kind =
        format!("SELECT i.kind FROM item i WHERE i.id = $1 AND (i.kind = 0 OR i.media IN ({of_these})) AND {THERE}");
    let Some(kind) = tx.maybe(&kind, &args, |row| row.get::<i64>(0))? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let mut open = vec![(top, kind == 0)];
    let mut folders = 0;
    while let Some((key, is_folder)) = open.pop() {
        if !is_folder {
            found.push(key);
        } else if folders < MOST_FOLDERS {
            folders += 1;
            let mut args = vec![key.0.into()];
            let of_these = bind_all(&mut args, media.iter().copied().map(media_number));
            let sql = format!(
                "SELECT i.id, i.kind FROM item i WHERE i.parent_id = $1 AND (i.kind = 0 OR i.media IN ({of_these}))
                 AND {THERE} ORDER BY i.kind DESC, i.sort DESC, i.id DESC"
            );
            open.extend(tx.all(&sql, &args, |row| Ok((ItemKey(row.get(0)?), row.get::<i64>(1)? == 0)))?);
        }
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}

/// The tracks of an entry, at most `limit`, as far as they are in the scope.
pub fn flattened(tx: &mut Tx, scope: &Scope, shared: Shared, limit: usize) -> Result<Vec<Track>> {
    let mut keys = keys_of(tx, shared, &MUSIC, limit)?;
    keys.truncate(limit);
    tracks(tx, scope, &keys)
}

/// Keys of the tracks and films of each list of entries, flattened in order and at most `limit` each. Whether a reader may
/// have them is the caller's to check.
pub fn flattened_with_films(tx: &mut Tx, lists: &[&[Shared]], limit: usize) -> Result<Vec<Vec<ItemKey>>> {
    let mut known: HashMap<Shared, Vec<ItemKey>> = HashMap::new();
    let mut flattened = Vec::with_capacity(lists.len());
    for list in lists {
        let mut flat: Vec<ItemKey> = Vec::new();
        for shared in *list {
            if flat.len() >= limit {
                break;
            }
            if !known.contains_key(shared) {
                known.insert(*shared, keys_of(tx, *shared, &MUSIC_AND_FILMS, limit)?);
            }
            flat.extend(&known[shared]);
        }
        flat.truncate(limit);
        flattened.push(flat);
    }
    Ok(flattened)
}
