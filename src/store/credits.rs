//! Who plays on a track, as its own row tells it: an answer names a track's artists without a look at their rows. A row of
//! an artist keeps its id and its name for as long as a track credits it.

use std::borrow::Cow;

use super::{Row, Tx};
use crate::args;
use crate::error::{Error, Result};
use crate::library::ArtistKey;
use crate::library::music::{ArtistName, Credited, Role};

/// Tracks of one round of [`fill`].
const AT_ONCE: u64 = 1000;

/// Role, part, and the artist's key, id and name.
type Told<'a> = (Cow<'a, str>, Cow<'a, str>, i64, Cow<'a, str>, Cow<'a, str>);

/// Of three columns: key, id and name.
pub(super) fn artist_name(row: &Row, first: usize) -> Result<ArtistName> {
    Ok(ArtistName { key: ArtistKey(row.get(first)?), id: row.get(first + 1)?, name: row.get(first + 2)? })
}

/// By role; of one role in the order of the tags.
pub(super) fn to_json(credits: &mut [Credited]) -> Result<String> {
    credits.sort_by_key(|credited| credited.role.name());
    let told: Vec<Told> = credits
        .iter()
        .map(|Credited { role, part, artist }| {
            (role.name().into(), part.into(), artist.key.0, (&artist.id).into(), (&artist.name).into())
        })
        .collect();
    serde_json::to_string(&told).map_err(|e| Error::internal("the credits of a track", e))
}

pub(super) fn of_json(json: &str) -> Result<Vec<Credited>> {
    let told: Vec<Told> =
        serde_json::from_str(json).map_err(|e| Error::internal("the credits in a row of a track", e))?;
    let credits = told.into_iter().filter_map(|(role, part, key, id, name)| {
        let artist = ArtistName { key: ArtistKey(key), id: id.into_owned(), name: name.into_owned() };
        Some(Credited { role: Role::named(&role)?, part: part.into_owned(), artist })
    });
    Ok(credits.collect())
}

/// Has rows of tracks tell their credits and genres where they do not yet.
pub(super) fn fill(tx: &mut Tx) -> Result<()> {
    let mut last = 0i64;
    loop {
        let sql = "SELECT item_id FROM track WHERE item_id > $1 AND credits = '[]' ORDER BY item_id LIMIT $2";
        let tracks: Vec<i64> = tx.all(sql, args![last, AT_ONCE], |row| row.get(0))?;
        let Some(newest) = tracks.last() else { return Ok(()) };
        last = *newest;
        for track in tracks {
            let credits = tx.all(
                "SELECT c.role, c.part, a.id, a.public_id, a.name FROM track_credit c JOIN artist a ON a.id = c.artist_id
                 WHERE c.item_id = $1 ORDER BY c.role, c.position",
                args![track],
                |row| {
                    let (part, artist) = (row.get(1)?, artist_name(row, 2)?);
                    Ok(Role::named(&row.get::<String>(0)?).map(|role| Credited { role, part, artist }))
                },
            )?;
            let mut credits: Vec<Credited> = credits.into_iter().flatten().collect();
            let genres: Vec<String> = tx.all(
                "SELECT g.name FROM track_genre t JOIN genre g ON g.id = t.genre_id WHERE t.item_id = $1 ORDER BY t.position",
                args![track],
                |row| row.get(0),
            )?;
            tx.run(
                "UPDATE track SET credits = $1, genres = $2 WHERE item_id = $3",
                args![to_json(&mut credits)?, serde_json::json!(genres).to_string(), track],
            )?;
        }
    }
}
