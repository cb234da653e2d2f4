//! The tracks that entries of shares hold.

use std::collections::HashMap;

use super::tracks::{TRACK, track, track_keys, tracks, tracks_of_album};
use super::{THERE, TRACK_ORDER, distinct, in_order};
use crate::args;
use crate::error::Result;
use crate::library::music::Track;
use crate::library::{ArtistKey, Item, ItemKey};
use crate::share::Shared;
use crate::share::grant::Scope;
use crate::store::{KEYS_AT_ONCE, Tx, bind_all};

/// Folders that are opened to find the tracks beneath one.
const MOST_FOLDERS: usize = 10_000;

/// Tracks of an entry of a share in order: of a folder those beneath it, of a file itself if it is one. Whether a
/// reader may have them is the caller's to check.
pub fn tracks_of(tx: &mut Tx, shared: Shared) -> Result<Vec<Item>> {
    let keys = track_keys_of(tx, shared, usize::MAX)?;
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

/// Keys of the tracks of an entry; of a folder at least `limit`, if there are as many.
fn track_keys_of(tx: &mut Tx, shared: Shared, limit: usize) -> Result<Vec<ItemKey>> {
    match shared {
        Shared::Item(key) => tracks_beneath(tx, key, limit),
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

/// Keys of up to `limit` tracks at and beneath an item, as a listing of one folder after the other shows them.
fn tracks_beneath(tx: &mut Tx, top: ItemKey, limit: usize) -> Result<Vec<ItemKey>> {
    let kind = format!("SELECT i.kind FROM item i WHERE i.id = $1 AND {THERE}");
    let Some(kind) = tx.maybe(&kind, args![top.0], |row| row.get::<i64>(0))? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let mut open = vec![(top, kind == 0)];
    let mut folders = 0;
    while let Some((key, is_folder)) = open.pop() {
        if !is_folder {
            found.push(key);
        } else if folders < MOST_FOLDERS {
            folders += 1;
            let sql = format!(
                "SELECT i.id, i.kind FROM item i WHERE i.parent_id = $1 AND (i.kind = 0 OR i.media = 1) AND {THERE}
                 ORDER BY i.kind DESC, i.sort DESC, i.id DESC"
            );
            open.extend(tx.all(&sql, args![key.0], |row| Ok((ItemKey(row.get(0)?), row.get::<i64>(1)? == 0)))?);
        }
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}

/// The tracks of each list of entries, flattened in order and at most `limit` each, as far as they are in the scope.
pub fn flattened(tx: &mut Tx, scope: &Scope, lists: &[&[Shared]], limit: usize) -> Result<Vec<Vec<Track>>> {
    let mut keys_of: HashMap<Shared, Vec<ItemKey>> = HashMap::new();
    let mut keys = Vec::with_capacity(lists.len());
    for list in lists {
        let mut flat: Vec<ItemKey> = Vec::new();
        for shared in *list {
            if flat.len() >= limit {
                break;
            }
            if !keys_of.contains_key(shared) {
                keys_of.insert(*shared, track_keys_of(tx, *shared, limit)?);
            }
            flat.extend(&keys_of[shared]);
        }
        flat.truncate(limit);
        keys.push(flat);
    }
    let all: Vec<ItemKey> = distinct(&keys.concat());
    let tracks: HashMap<ItemKey, Track> =
        tracks(tx, scope, &all)?.into_iter().map(|track| (track.item.key, track)).collect();
    Ok(keys.iter().map(|list| list.iter().filter_map(|key| tracks.get(key).cloned()).collect()).collect())
}
