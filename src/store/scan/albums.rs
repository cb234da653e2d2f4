//! Albums, which are made from tracks: which tracks are one, and what is summed up of them.

use std::collections::HashSet;

use super::artists::{add_artists, artist, refresh_artists};
use super::{Left, VARIOUS_ARTISTS, json};
use crate::args;
use crate::error::{Error, Result};
use crate::library::names::{search_key, sort_key};
use crate::library::tags::{Credit, cover_rank};
use crate::library::{IdKind, LibraryKey, Media};
use crate::store::library::{media_number, new_id};
use crate::store::words::{self, Kind};
use crate::store::{Tx, bind_all};

/// Gives tracks whose tags were read to the albums that these name, up to `limit` albums.
///
/// An album that no track named until now takes over the row, and with it the id, of the album from which most tracks
/// come, provided that most of that album's tracks come: that is what a corrected name looks like.
pub fn sort(tx: &mut Tx, library: LibraryKey, limit: u64, now_ms: i64) -> Result<Left> {
    let unsorted = "FROM track t CROSS JOIN item i WHERE t.unsorted = 1 AND i.id = t.item_id AND i.library_id = $1";
    let identities: Vec<String> =
        tx.all(&format!("SELECT DISTINCT t.identity {unsorted} LIMIT $2"), args![library.0, limit], |row| row.get(0))?;
    for identity in &identities {
        let before: Vec<(i64, i64)> = tx.all(
            &format!(
                "SELECT t.album_id, COUNT(*) {unsorted} AND t.identity = $2 AND t.album_id IS NOT NULL
                 GROUP BY t.album_id ORDER BY COUNT(*) DESC, t.album_id"
            ),
            args![library.0, identity],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let existing: Option<i64> = tx.maybe(
            "SELECT id FROM album WHERE library_id = $1 AND identity = $2",
            args![library.0, identity],
            |row| row.get(0),
        )?;
        let album = match (existing, before.first()) {
            (Some(album), _) => album,
            (None, Some(&(old, coming))) if coming * 2 > tracks_that_are_there(tx, old)? => {
                tx.run("UPDATE album SET identity = $1 WHERE id = $2", args![identity, old])?;
                old
            }
            (None, _) => insert_album(tx, library, identity, now_ms)?,
        };
        for (old, _) in before {
            tx.run("UPDATE album SET stale = 1 WHERE id = $1", args![old])?;
        }
        tx.run("UPDATE album SET stale = 1 WHERE id = $1", args![album])?;
        tx.run(
            &format!(
                "UPDATE track SET album_id = $3, unsorted = 0
                 WHERE item_id IN (SELECT t.item_id {unsorted} AND t.identity = $2)"
            ),
            args![library.0, identity, album],
        )?;
    }
    Ok(if identities.is_empty() { Left::Nothing } else { Left::More })
}

fn tracks_that_are_there(tx: &mut Tx, album: i64) -> Result<i64> {
    tx.one(
        "SELECT COUNT(*) FROM track t JOIN item i ON i.id = t.item_id
         WHERE t.album_id = $1 AND i.missing_ms IS NULL AND i.trashed_ms IS NULL",
        args![album],
        |row| row.get(0),
    )
}

/// The album of that identity, made when there is none; it is summed up later.
pub(super) fn stale_album(tx: &mut Tx, library: LibraryKey, identity: &str, now_ms: i64) -> Result<i64> {
    let sql = "UPDATE album SET stale = 1 WHERE library_id = $1 AND identity = $2 RETURNING id";
    match tx.maybe(sql, args![library.0, identity], |row| row.get(0))? {
        Some(album) => Ok(album),
        None => insert_album(tx, library, identity, now_ms),
    }
}

fn insert_album(tx: &mut Tx, library: LibraryKey, identity: &str, now_ms: i64) -> Result<i64> {
    tx.one(
        "INSERT INTO album (public_id, library_id, identity, name, sort_name, sort, search, artist_name, artist_sort, year,
                            compilation, release_types, musicbrainz_id, cover_item_id, track_count, duration_ms, added_ms,
                            stale)
         VALUES ($1, $2, $3, '', '', $4, '', '', $5, NULL, 0, '[]', '', NULL, 0, 0, $6, 1) RETURNING id",
        args![new_id(IdKind::Album), library.0, identity, b"", b"", now_ms],
        |row| row.get(0),
    )
}

/// A track as its album sees it.
struct Member {
    item: i64,
    folder: Option<i64>,
    album_name: String,
    sort_name: String,
    musicbrainz_id: String,
    is_compilation: bool,
    release_types: String,
    artist_name: String,
    album_artist_name: String,
    year: Option<i64>,
    duration_ms: i64,
    has_cover: bool,
    added_ms: i64,
    disc: i64,
    disc_title: String,
    moods: String,
    labels: String,
    original_date: String,
    release_date: String,
    advisory: String,
}

/// Sums up albums whose tracks changed, up to `limit` of them. One whose tracks are all missing stays, with no tracks, for
/// when they come back; one that no track belongs to goes. After them, artists.
pub fn refresh(tx: &mut Tx, library: LibraryKey, limit: u64) -> Result<Left> {
    let stale: Vec<i64> =
        tx.all("SELECT id FROM album WHERE library_id = $1 AND stale = 1 LIMIT $2", args![library.0, limit], |row| {
            row.get(0)
        })?;
    for album in &stale {
        refresh_one(tx, library, *album)?;
    }
    if stale.is_empty() && refresh_artists(tx, library, limit)? == Left::Nothing {
        return Ok(Left::Nothing);
    }
    // Lists are other ones now.
    tx.run("UPDATE library SET revision = revision + 1 WHERE id = $1", args![library.0])?;
    Ok(Left::More)
}

fn refresh_one(tx: &mut Tx, library: LibraryKey, album: i64) -> Result<()> {
    let (searched_before, tracks_before): (String, i64) =
        tx.one("SELECT search, track_count FROM album WHERE id = $1", args![album], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    if tracks_before > 0 {
        add_artists(tx, library, album)?;
    }
    let members = members_of(tx, album)?;
    let searched = match members.first() {
        Some(first) => write_sums(tx, library, album, &members, first)?,
        None => String::new(),
    };
    words::change(tx, library.0, Kind::Album, album, &searched_before, &searched)?;
    if members.is_empty() { set_empty(tx, library, album) } else { add_artists(tx, library, album) }
}

/// Its tracks that are there, in their order.
fn members_of(tx: &mut Tx, album: i64) -> Result<Vec<Member>> {
    tx.all(
        "SELECT t.item_id, i.parent_id, t.album_name, t.album_sort_name, t.album_musicbrainz_id, t.compilation,
                t.release_types, t.artist_name, t.album_artist_name, t.year, t.duration_ms, t.has_cover, i.added_ms,
                COALESCE(t.disc, 1), t.disc_title, t.moods,
                t.labels, t.original_date, t.release_date, t.advisory
         FROM track t JOIN item i ON i.id = t.item_id
         WHERE t.album_id = $1 AND t.listed_in IS NOT NULL
         ORDER BY COALESCE(t.disc, 0), COALESCE(t.number, 0), t.sort, t.item_id",
        args![album],
        |row| {
            Ok(Member {
                item: row.get(0)?,
                folder: row.get(1)?,
                album_name: row.get(2)?,
                sort_name: row.get(3)?,
                musicbrainz_id: row.get(4)?,
                is_compilation: row.get(5)?,
                release_types: row.get(6)?,
                artist_name: row.get(7)?,
                album_artist_name: row.get(8)?,
                year: row.get(9)?,
                duration_ms: row.get(10)?,
                has_cover: row.get(11)?,
                added_ms: row.get(12)?,
                disc: row.get(13)?,
                disc_title: row.get(14)?,
                moods: row.get(15)?,
                labels: row.get(16)?,
                original_date: row.get(17)?,
                release_date: row.get(18)?,
                advisory: row.get(19)?,
            })
        },
    )
}

/// Waits for its tracks, or goes where it has none.
fn set_empty(tx: &mut Tx, library: LibraryKey, album: i64) -> Result<()> {
    count_genres(tx, library, album, &[], &[])?;
    let waiting: Option<i64> =
        tx.maybe("SELECT item_id FROM track WHERE album_id = $1", args![album], |row| row.get(0))?;
    let sql = match waiting {
        Some(_) => {
            "UPDATE album SET track_count = 0, duration_ms = 0, cover_item_id = NULL, search = '', stale = 0 WHERE id = $1"
        }
        None => "DELETE FROM album WHERE id = $1",
    };
    tx.run(sql, args![album]).map(drop)
}

/// Whose it is: as text, and as artists.
fn credited(tx: &mut Tx, members: &[Member], first: &Member) -> Result<(String, Vec<i64>)> {
    if let Some(member) = members.iter().find(|member| !member.album_artist_name.is_empty()) {
        return Ok((member.album_artist_name.clone(), credits(tx, member.item, "albumartist")?));
    }
    let is_by_one = |member: &Member| !member.is_compilation && member.artist_name == first.artist_name;
    if members.iter().all(is_by_one) {
        return Ok((first.artist_name.clone(), credits(tx, first.item, "artist")?));
    }
    let various = Credit { name: VARIOUS_ARTISTS.to_owned(), ..Credit::default() };
    Ok((VARIOUS_ARTISTS.to_owned(), vec![artist(tx, &various)?.key.0]))
}

/// Sums up an album of these tracks, and tells what it is searched by.
fn write_sums(tx: &mut Tx, library: LibraryKey, album: i64, members: &[Member], first: &Member) -> Result<String> {
    let (artist_name, credits) = credited(tx, members, first)?;
    let name = match (first.album_name.as_str(), first.folder) {
        ("", Some(folder)) => tx.one("SELECT shown FROM item WHERE id = $1", args![folder], |row| row.get(0))?,
        (name, _) => name.to_owned(),
    };
    let first_credit_sort: Option<Vec<u8>> = match credits.first() {
        Some(artist) => tx.maybe("SELECT sort FROM artist WHERE id = $1", args![*artist], |row| row.get(0))?,
        None => None,
    };
    let ordered_by = if first.sort_name.is_empty() { &name } else { &first.sort_name };
    let (sort, searched) = (sort_key(ordered_by), search_key(&format!("{name} {artist_name}")));
    let cover = cover(tx, members)?;
    let genres = genres_of(tx, album)?;
    count_genres(tx, library, album, &sort, &genres)?;
    tx.run(
        "UPDATE album SET name = $1, sort_name = $2, sort = $3, search = $4, artist_name = $5, artist_sort = $6, year = $7,
                          compilation = $8, release_types = $9, musicbrainz_id = $10, cover_item_id = $11,
                          track_count = $12, duration_ms = $13, added_ms = $14, genres = $15, moods = $16,
                          disc_titles = $17, labels = $18, original_date = $19, release_date = $20, advisory = $21,
                          stale = 0
         WHERE id = $22",
        args![
            &name,
            &first.sort_name,
            sort,
            &searched,
            &artist_name,
            first_credit_sort.unwrap_or_else(|| sort_key(&artist_name)),
            members.iter().find_map(|member| member.year),
            members.iter().any(|member| member.is_compilation),
            &first.release_types,
            &first.musicbrainz_id,
            cover,
            members.len(),
            members.iter().map(|member| member.duration_ms).sum::<i64>(),
            members.iter().map(|member| member.added_ms).min(),
            json(&genres.into_iter().map(|(_, name, _)| name).collect::<Vec<_>>()),
            moods_of(members)?,
            disc_titles_of(members),
            first_said(members, "[]", |member| &member.labels),
            first_said(members, "", |member| &member.original_date),
            first_said(members, "", |member| &member.release_date),
            ["explicit", "clean"].into_iter().find(|one| members.iter().any(|m| m.advisory == *one)).unwrap_or(""),
            album
        ],
    )?;
    tx.run("DELETE FROM album_credit WHERE album_id = $1", args![album])?;
    for (position, artist) in credits.into_iter().enumerate() {
        let sql = "INSERT INTO album_credit (album_id, position, artist_id) VALUES ($1, $2, $3)";
        tx.run(sql, args![album, position, artist])?;
    }
    Ok(searched)
}

/// Genres of an album's tracks and how many have each: the most frequent first.
fn genres_of(tx: &mut Tx, album: i64) -> Result<Vec<(i64, String, i64)>> {
    tx.all(
        "SELECT g.id, g.name, COUNT(DISTINCT t.item_id) FROM track t JOIN track_genre tg ON tg.item_id = t.item_id
         JOIN genre g ON g.id = tg.genre_id WHERE t.album_id = $1 AND t.listed_in IS NOT NULL
         GROUP BY g.id, g.name ORDER BY COUNT(DISTINCT t.item_id) DESC, MIN(tg.position), g.id",
        args![album],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}

/// Puts an album into the lists and sums of these genres, out of those it was in.
fn count_genres(
    tx: &mut Tx,
    library: LibraryKey,
    album: i64,
    sort: &[u8],
    genres: &[(i64, String, i64)],
) -> Result<()> {
    let before: Vec<(i64, i64)> =
        tx.all("SELECT genre_id, track_count FROM album_genre WHERE album_id = $1", args![album], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    for (genre, tracks) in before {
        tx.run(
            "UPDATE genre_in SET track_count = track_count - $1, album_count = album_count - 1
             WHERE library_id = $2 AND genre_id = $3",
            args![tracks, library.0, genre],
        )?;
    }
    tx.run("DELETE FROM album_genre WHERE album_id = $1", args![album])?;
    for (genre, _, tracks) in genres {
        tx.run(
            "INSERT INTO album_genre (genre_id, library_id, sort, album_id, track_count) VALUES ($1, $2, $3, $4, $5)",
            args![*genre, library.0, sort, album, *tracks],
        )?;
        tx.run(
            "INSERT INTO genre_in (genre_id, library_id, track_count, album_count) VALUES ($1, $2, $3, 1)
             ON CONFLICT (library_id, genre_id) DO UPDATE
             SET track_count = genre_in.track_count + excluded.track_count, album_count = genre_in.album_count + 1",
            args![*genre, library.0, *tracks],
        )?;
    }
    Ok(())
}

/// All moods of the tracks, each once, as JSON.
fn moods_of(members: &[Member]) -> Result<String> {
    let mut moods: Vec<String> = Vec::new();
    for member in members.iter().filter(|member| member.moods != "[]") {
        let own: Vec<String> =
            serde_json::from_str(&member.moods).map_err(|e| Error::internal("the moods of a track", e))?;
        moods.extend(own.into_iter().filter(|mood| !moods.contains(mood)).collect::<Vec<_>>());
    }
    Ok(json(&moods))
}

/// Discs with a title, as JSON pairs. Tags hold any number; one that no disc could have is none.
fn disc_titles_of(members: &[Member]) -> String {
    let mut titles: Vec<(u32, &str)> = Vec::new();
    for member in members.iter().filter(|member| !member.disc_title.is_empty()) {
        if let Ok(disc) = u32::try_from(member.disc)
            && titles.iter().all(|(known, _)| *known != disc)
        {
            titles.push((disc, &member.disc_title));
        }
    }
    titles.sort_unstable();
    serde_json::json!(titles).to_string()
}

/// What the first track says that says anything.
fn first_said<'a>(members: &'a [Member], nothing: &'a str, said: impl Fn(&Member) -> &String) -> &'a str {
    members.iter().map(|member| said(member).as_str()).find(|text| *text != nothing).unwrap_or(nothing)
}

fn credits(tx: &mut Tx, item: i64, role: &str) -> Result<Vec<i64>> {
    let sql = "SELECT artist_id FROM track_credit WHERE item_id = $1 AND role = $2 ORDER BY position";
    tx.all(sql, args![item, role], |row| row.get(0))
}

/// The picture file in the album's folders, else above them where there are several, else the first track with a picture.
fn cover(tx: &mut Tx, members: &[Member]) -> Result<Option<i64>> {
    let folders: HashSet<i64> = members.iter().filter_map(|member| member.folder).collect();
    let mut folders: Vec<i64> = folders.into_iter().collect();
    folders.sort_unstable();
    let mut found = picture_in(tx, &folders)?;
    if found.is_none() && folders.len() > 1 {
        let mut args = Vec::new();
        let keys = bind_all(&mut args, folders.iter().copied());
        let sql = format!("SELECT DISTINCT parent_id FROM item WHERE id IN ({keys})");
        let above: Vec<Option<i64>> = tx.all(&sql, &args, |row| row.get(0))?;
        if let [Some(above)] = above[..] {
            found = picture_in(tx, &[above])?;
        }
    }
    Ok(found.or_else(|| members.iter().find(|member| member.has_cover).map(|member| member.item)))
}

fn picture_in(tx: &mut Tx, folders: &[i64]) -> Result<Option<i64>> {
    let mut best: Option<(usize, i64)> = None;
    for folder in folders {
        let pictures: Vec<(i64, Vec<u8>)> = tx.all(
            "SELECT id, name FROM item WHERE parent_id = $1 AND media = $2 AND missing_ms IS NULL AND trashed_ms IS NULL
             ORDER BY sort, id",
            args![*folder, media_number(Media::Image)],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        for (id, name) in pictures {
            if let Some(rank) = cover_rank(&name)
                && best.is_none_or(|(known, _)| rank < known)
            {
                best = Some((rank, id));
            }
        }
    }
    Ok(best.map(|(_, id)| id))
}
