//! SQL of what is alike by its own facts, and of what is liked most.

use super::{THERE, TRACK_ORDER, libraries};
use crate::account::name_key;
use crate::error::Result;
use crate::library::music::{Role, Track};
use crate::library::{ArtistKey, ItemKey};
use crate::share::grant::Scope;
use crate::store::{KEYS_AT_ONCE, Tx, Value, bind, bind_all};

/// Tracks with the genres and artists of these, the most in common first, those of about the same year before others; drawn
/// anew each time.
pub fn tracks_like(tx: &mut Tx, scope: &Scope, seeds: &[Track], limit: i64) -> Result<Vec<ItemKey>> {
    let mut args: Vec<Value> = Vec::new();
    let names = seeds.iter().flat_map(|track| &track.genres).map(|name| name_key(name));
    let genres = bind_texts(&mut args, names);
    let artists = bind_all(&mut args, artists_of(seeds).into_iter().map(|artist| artist.0));
    let within = libraries(&mut args, scope);
    let year = bind(&mut args, i64::from(seeds.iter().find_map(|track| track.year).unwrap_or(0)));
    let sql = format!(
        "SELECT x.item_id FROM (
             SELECT tg.item_id, 2 AS score FROM track_genre tg JOIN genre g ON g.id = tg.genre_id WHERE g.name_key IN ({genres})
             UNION ALL
             SELECT c.item_id, 3 AS score FROM track_credit c WHERE c.role = 'artist' AND c.artist_id IN ({artists})
         ) x JOIN track t ON t.item_id = x.item_id JOIN item i ON i.id = x.item_id
         WHERE +i.library_id IN ({within}) AND {THERE} GROUP BY x.item_id, t.year
         ORDER BY SUM(x.score) + CASE WHEN t.year BETWEEN {year} - 5 AND {year} + 5 THEN 1 ELSE 0 END DESC, RANDOM()
         LIMIT {}",
        bind(&mut args, limit)
    );
    tx.all(&sql, &args, |row| Ok(ItemKey(row.get(0)?)))
}

fn bind_texts(args: &mut Vec<Value>, texts: impl IntoIterator<Item = String>) -> String {
    let mut texts: Vec<String> = texts.into_iter().collect();
    texts.sort_unstable();
    texts.dedup();
    bind_all(args, texts)
}

fn artists_of(tracks: &[Track]) -> Vec<ArtistKey> {
    let credited = tracks.iter().flat_map(|track| track.credited(Role::Artist));
    let mut artists: Vec<ArtistKey> = credited.map(|artist| artist.key).collect();
    artists.sort_unstable();
    artists.dedup();
    artists
}

/// Artists with the most tracks of the genres that an artist plays, without that artist.
pub fn artists_like(tx: &mut Tx, scope: &Scope, artist: ArtistKey, limit: i64) -> Result<Vec<ArtistKey>> {
    let mut args: Vec<Value> = vec![artist.0.into()];
    let within = libraries(&mut args, scope);
    let sql = format!(
        "SELECT c.artist_id FROM track_genre tg JOIN track_credit c ON c.item_id = tg.item_id AND c.role = 'artist'
         JOIN item i ON i.id = tg.item_id
         WHERE tg.genre_id IN (SELECT og.genre_id FROM track_credit oc JOIN track_genre og ON og.item_id = oc.item_id
                               WHERE oc.artist_id = $1 AND oc.role IN ('artist', 'albumartist'))
         AND c.artist_id <> $1 AND +i.library_id IN ({within}) AND {THERE}
         GROUP BY c.artist_id ORDER BY COUNT(*) DESC, c.artist_id LIMIT {}",
        bind(&mut args, limit)
    );
    tx.all(&sql, &args, |row| Ok(ArtistKey(row.get(0)?)))
}

/// Who plays on these tracks, in their order, each once.
pub fn artists_on(tx: &mut Tx, tracks: &[ItemKey]) -> Result<Vec<ArtistKey>> {
    let mut found: Vec<ArtistKey> = Vec::new();
    for part in tracks.chunks(KEYS_AT_ONCE) {
        let mut args = Vec::new();
        let ids = bind_all(&mut args, part.iter().map(|key| key.0));
        let sql = format!(
            "SELECT item_id, artist_id FROM track_credit WHERE role = 'artist' AND item_id IN ({ids}) ORDER BY position"
        );
        let credits = tx.all(&sql, &args, |row| Ok((ItemKey(row.get(0)?), ArtistKey(row.get(1)?))))?;
        for track in part {
            for (_, artist) in credits.iter().filter(|(of, _)| of == track) {
                if !found.contains(artist) {
                    found.push(*artist);
                }
            }
        }
    }
    Ok(found)
}

/// A track of somebody's, and how much all users like it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Liked {
    pub item: ItemKey,
    pub title: String,
    /// Plays; a star is worth three, and so is each star of a rating above or below the third.
    pub liking: i64,
}

/// All tracks of an artist, record by record, the latest first.
pub fn liked_tracks(tx: &mut Tx, scope: &Scope, artist: ArtistKey) -> Result<Vec<Liked>> {
    let mut args: Vec<Value> = vec![artist.0.into()];
    let within = libraries(&mut args, scope);
    let sql = format!(
        "SELECT t.item_id, t.title,
             (SELECT CAST(COALESCE(SUM(m.plays + CASE WHEN m.starred_ms IS NULL THEN 0 ELSE 3 END
                                       + 3 * (COALESCE(m.rating, 3) - 3)), 0) AS BIGINT)
              FROM mark m WHERE m.object_kind = 'item' AND m.object_id = t.item_id)
         FROM track t JOIN item i ON i.id = t.item_id
         WHERE t.item_id IN (SELECT c.item_id FROM track_credit c
                             WHERE c.artist_id = $1 AND c.role IN ('artist', 'albumartist'))
         AND +i.library_id IN ({within}) AND {THERE} ORDER BY COALESCE(t.year, 0) DESC, t.album_id, {TRACK_ORDER}"
    );
    tx.all(&sql, &args, |row| Ok(Liked { item: ItemKey(row.get(0)?), title: row.get(1)?, liking: row.get(2)? }))
}
