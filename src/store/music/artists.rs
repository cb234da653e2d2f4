//! SQL of artists.

use std::collections::HashMap;

use super::{ALBUM_THERE, KEYS_AT_ONCE, THERE, bind_all, distinct, in_order, libraries};
use crate::args;
use crate::error::{Error, Result, Thing};
use crate::library::ArtistKey;
use crate::library::music::{Artist, Marked, Role};
use crate::share::grant::Scope;
use crate::store::{Row, Tx, Value, marks};

/// Of an artist `ar`: an album that is there is credited to them.
fn leads_album(within: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM album_credit c JOIN album a ON a.id = c.album_id
         WHERE c.artist_id = ar.id AND a.library_id IN ({within}) AND {ALBUM_THERE})"
    )
}

/// Of an artist `ar`: they lead an album or play on a track that is there.
pub(in crate::store) fn artist_there(within: &str) -> String {
    format!(
        "({} OR EXISTS (SELECT 1 FROM track_credit c JOIN item i ON i.id = c.item_id
         WHERE c.artist_id = ar.id AND i.library_id IN ({within}) AND {THERE}))",
        leads_album(within)
    )
}

fn artist_keys(tx: &mut Tx, sql: &str, args: &[Value]) -> Result<Vec<ArtistKey>> {
    tx.all(sql, args, |row| Ok(ArtistKey(row.get(0)?)))
}

/// Whole artists in the order of their keys. The caller has seen to it that they are in the scope.
pub fn artists(tx: &mut Tx, scope: &Scope, keys: &[ArtistKey]) -> Result<Vec<Artist>> {
    let mut found = HashMap::new();
    for part in distinct(keys).chunks(KEYS_AT_ONCE) {
        let mut args = Vec::new();
        let ids = bind_all(&mut args, part.iter().map(|key| key.0));
        let rows = tx.all(
            &format!(
                "SELECT ar.id, ar.public_id, ar.name, ar.sort_name, ar.initial, ar.musicbrainz_id FROM artist ar
                 WHERE ar.id IN ({ids})"
            ),
            &args,
            artist,
        )?;
        found.extend(rows.into_iter().map(|artist| (artist.key, artist)));
        let within = libraries(&mut args, scope);
        count_albums(tx, &ids, &within, &args, &mut found)?;
        let roles = tx.all(
            &format!(
                "SELECT DISTINCT c.artist_id, c.role FROM track_credit c JOIN item i ON i.id = c.item_id
                 WHERE c.artist_id IN ({ids}) AND i.library_id IN ({within}) AND {THERE} ORDER BY c.artist_id, c.role"
            ),
            &args,
            |row| Ok((ArtistKey(row.get(0)?), Role::named(&row.get::<String>(1)?))),
        )?;
        for (key, role) in roles {
            if let (Some(artist), Some(role)) = (found.get_mut(&key), role)
                && !artist.roles.contains(&role)
            {
                artist.roles.push(role);
            }
        }
        let marked: Vec<_> = part.iter().map(|key| Marked::Artist(*key)).collect();
        for (marked, mark) in marks::of(tx, scope.user(), &marked)? {
            if let Marked::Artist(key) = marked
                && let Some(artist) = found.get_mut(&key)
            {
                artist.mark = mark;
            }
        }
    }
    Ok(in_order(keys, found))
}

fn artist(row: &Row) -> Result<Artist> {
    Ok(Artist {
        key: ArtistKey(row.get(0)?),
        id: row.get(1)?,
        name: row.get(2)?,
        sort_name: row.get(3)?,
        initial: row.get(4)?,
        musicbrainz_id: row.get(5)?,
        roles: Vec::new(),
        album_count: 0,
        has_cover: false,
        mark: Default::default(),
    })
}

/// How many albums [`albums_of`] would give.
fn count_albums(
    tx: &mut Tx,
    ids: &str,
    within: &str,
    args: &[Value],
    artists: &mut HashMap<ArtistKey, Artist>,
) -> Result<()> {
    let count = |row: &Row| Ok((ArtistKey(row.get(0)?), row.get::<u64>(1)?, row.get::<i64>(2)? > 0));
    let led = tx.all(
        &format!(
            "SELECT c.artist_id, COUNT(DISTINCT a.id), COUNT(a.cover_item_id) FROM album_credit c
             JOIN album a ON a.id = c.album_id
             WHERE c.artist_id IN ({ids}) AND a.library_id IN ({within}) AND {ALBUM_THERE} GROUP BY c.artist_id"
        ),
        args,
        count,
    )?;
    for (key, albums, has_cover) in led {
        if let Some(artist) = artists.get_mut(&key) {
            artist.album_count = albums;
            artist.has_cover = has_cover;
            artist.roles.push(Role::AlbumArtist);
        }
    }
    let played_on = tx.all(
        &format!(
            "SELECT c.artist_id, COUNT(DISTINCT a.id), COUNT(a.cover_item_id) FROM track_credit c
             JOIN track t ON t.item_id = c.item_id JOIN item i ON i.id = c.item_id JOIN album a ON a.id = t.album_id
             WHERE c.artist_id IN ({ids}) AND c.role = 'artist' AND a.library_id IN ({within}) AND {THERE}
             AND NOT EXISTS (SELECT 1 FROM album_credit l WHERE l.artist_id = c.artist_id) GROUP BY c.artist_id"
        ),
        args,
        count,
    )?;
    for (key, albums, has_cover) in played_on {
        if let Some(artist) = artists.get_mut(&key).filter(|artist| artist.album_count == 0) {
            artist.album_count = albums;
            artist.has_cover = has_cover;
        }
    }
    Ok(())
}

/// All artists that lead an album, in the order of an index.
pub fn leading_artists(tx: &mut Tx, scope: &Scope) -> Result<Vec<Artist>> {
    let mut args = Vec::new();
    let within = libraries(&mut args, scope);
    let sql = format!("SELECT ar.id FROM artist ar WHERE {} ORDER BY ar.sort, ar.id", leads_album(&within));
    let keys = artist_keys(tx, &sql, &args)?;
    artists(tx, scope, &keys)
}

/// The latest star first.
pub fn starred_artists(tx: &mut Tx, scope: &Scope) -> Result<Vec<Artist>> {
    let mut args = vec![scope.user().0.into()];
    let within = libraries(&mut args, scope);
    let sql = format!(
        "SELECT ar.id FROM mark m JOIN artist ar ON ar.id = m.object_id WHERE m.account_id = $1
         AND m.object_kind = 'artist' AND m.starred_ms IS NOT NULL AND {} ORDER BY m.starred_ms DESC, ar.id",
        artist_there(&within)
    );
    let keys = artist_keys(tx, &sql, &args)?;
    artists(tx, scope, &keys)
}

pub fn is_artist_in(tx: &mut Tx, scope: &Scope, key: ArtistKey) -> Result<bool> {
    let mut args = vec![key.0.into()];
    let within = libraries(&mut args, scope);
    let sql = format!("SELECT ar.id FROM artist ar WHERE ar.id = $1 AND {}", artist_there(&within));
    Ok(!artist_keys(tx, &sql, &args)?.is_empty())
}

pub(super) fn artist_key(tx: &mut Tx, id: &str) -> Result<Option<ArtistKey>> {
    tx.maybe("SELECT id FROM artist WHERE public_id = $1", args![id], |row| Ok(ArtistKey(row.get(0)?)))
}

/// Whoever bears this name, in any scope.
pub fn artist_named(tx: &mut Tx, name: &str) -> Result<Option<ArtistKey>> {
    let key = crate::account::name_key(name);
    tx.maybe("SELECT id FROM artist WHERE name_key = $1", args![key], |row| Ok(ArtistKey(row.get(0)?)))
}

/// By its public id.
pub fn artist_by_id(tx: &mut Tx, scope: &Scope, id: &str) -> Result<Artist> {
    let gone = Error::NotFound(Thing::Artist);
    match artist_key(tx, id)? {
        Some(key) if is_artist_in(tx, scope, key)? => artists(tx, scope, &[key])?.pop().ok_or(gone),
        _ => Err(gone),
    }
}
