//! SQL of artists.

use std::collections::HashMap;

use super::{distinct, in_order, libraries};
use crate::args;
use crate::error::{Error, Result, Thing};
use crate::library::ArtistKey;
use crate::library::music::{Artist, Marked, Role};
use crate::share::grant::Scope;
use crate::store::list::{Found, List};
use crate::store::{KEYS_AT_ONCE, Row, Tx, Value, bind_all, marks};

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
        sum_up(tx, &ids, &within, &args, &mut found)?;
        // Of the roles that are kept as sums many more tracks tell than of the others.
        let roles = tx.all(
            &format!(
                "SELECT DISTINCT c.artist_id, c.role FROM track_credit c JOIN track t ON t.item_id = c.item_id
                 WHERE c.artist_id IN ({ids}) AND c.role NOT IN ('artist', 'albumartist', 'composer')
                 AND +t.listed_in IN ({within}) ORDER BY c.artist_id, c.role"
            ),
            &args,
            |row| Ok((ArtistKey(row.get(0)?), Role::named(&row.get::<String>(1)?))),
        )?;
        for (key, role) in roles {
            if let Some(artist) = found.get_mut(&key) {
                artist.roles.extend(role);
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

/// Roles, and how many albums [`super::albums_of`] would give.
fn sum_up(
    tx: &mut Tx,
    ids: &str,
    within: &str,
    args: &[Value],
    artists: &mut HashMap<ArtistKey, Artist>,
) -> Result<()> {
    let sums = tx.all(
        &format!(
            "SELECT s.artist_id, CAST(SUM(s.led) AS BIGINT), CAST(SUM(s.led_covers) AS BIGINT),
                CAST(SUM(s.played) AS BIGINT), CAST(SUM(s.played_covers) AS BIGINT),
                MAX(s.is_album_artist), MAX(s.is_artist), MAX(s.is_composer)
             FROM artist_in s WHERE s.artist_id IN ({ids}) AND s.library_id IN ({within}) GROUP BY s.artist_id"
        ),
        args,
        |row| {
            let (led, played): (u64, u64) = (row.get(1)?, row.get(3)?);
            let (albums, covers) = if led > 0 { (led, row.get::<u64>(2)?) } else { (played, row.get(4)?) };
            let roles = [
                (Role::AlbumArtist, led > 0 || row.get(5)?),
                (Role::Artist, row.get(6)?),
                (Role::Composer, row.get(7)?),
            ];
            Ok((ArtistKey(row.get(0)?), albums, covers > 0, roles))
        },
    )?;
    for (key, albums, has_cover, roles) in sums {
        if let Some(artist) = artists.get_mut(&key) {
            artist.album_count = albums;
            artist.has_cover = has_cover;
            artist.roles = roles.into_iter().filter(|(_, is)| *is).map(|(role, _)| role).collect();
        }
    }
    Ok(())
}

/// Keys of all artists that lead an album, in the order of an index, with the group each belongs to.
pub fn leading_artists(tx: &mut Tx, scope: &Scope) -> Result<Vec<(String, ArtistKey)>> {
    let mut args = Vec::new();
    let within = libraries(&mut args, scope);
    let sql = format!(
        "SELECT ar.initial, ar.id FROM artist ar WHERE EXISTS
            (SELECT 1 FROM artist_in s WHERE s.library_id IN ({within}) AND s.artist_id = ar.id AND s.led > 0)
         ORDER BY ar.initial, ar.sort, ar.id"
    );
    tx.all(&sql, &args, |row| Ok((row.get(0)?, ArtistKey(row.get(1)?))))
}

/// Who leads an album or plays on a track that is there, as they are ordered.
pub(in crate::store) fn all_artists(scope: &Scope) -> List<'_> {
    let arm = |within: &str| format!("FROM artist_in s WHERE s.library_id {within}");
    List::by_library(scope, &["s.sort", "s.artist_id"], Vec::new(), arm).found(Found::Often)
}

/// Keys, the latest star first.
pub fn starred_artists(tx: &mut Tx, scope: &Scope) -> Result<Vec<ArtistKey>> {
    let mut args = vec![scope.user().0.into()];
    let within = libraries(&mut args, scope);
    let sql = format!(
        "SELECT m.object_id FROM mark m WHERE m.account_id = $1 AND m.object_kind = 'artist' AND m.starred_ms IS NOT NULL
         AND EXISTS (SELECT 1 FROM artist_in s WHERE s.library_id IN ({within}) AND s.artist_id = m.object_id)
         ORDER BY m.starred_ms DESC, m.object_id DESC"
    );
    artist_keys(tx, &sql, &args)
}

pub fn is_artist_in(tx: &mut Tx, scope: &Scope, key: ArtistKey) -> Result<bool> {
    let mut args = vec![key.0.into()];
    let within = libraries(&mut args, scope);
    let sql = format!("SELECT s.artist_id FROM artist_in s WHERE s.artist_id = $1 AND s.library_id IN ({within})");
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
