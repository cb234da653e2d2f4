//! SQL of what users say of tracks, folders, albums and artists: stars, ratings, plays, bookmarks.

use super::{Tx, args, bind_all};
use crate::account::UserKey;
use crate::error::{Error, Result};
use crate::library::music::{Bookmark, Mark, Marked};
use crate::library::{AlbumKey, ArtistKey, ItemKey};

fn columns(marked: Marked) -> (&'static str, i64) {
    match marked {
        Marked::Item(key) => ("item", key.0),
        Marked::Album(key) => ("album", key.0),
        Marked::Artist(key) => ("artist", key.0),
    }
}

/// What the user said of these; those without a word are left out.
pub fn of(tx: &mut Tx, user: UserKey, marked: &[Marked]) -> Result<Vec<(Marked, Mark)>> {
    let mut found = Vec::new();
    for kind in ["item", "album", "artist"] {
        let keys = || marked.iter().map(|one| columns(*one)).filter(|(of, _)| *of == kind).map(|(_, key)| key);
        if keys().next().is_none() {
            continue;
        }
        let mut args = vec![user.0.into(), kind.into()];
        let ids = bind_all(&mut args, keys());
        found.extend(tx.all(
            &format!(
                "SELECT object_id, starred_ms, rating, plays, played_ms, bookmark_ms FROM mark
                 WHERE account_id = $1 AND object_kind = $2 AND object_id IN ({ids})"
            ),
            &args,
            |row| {
                let key: i64 = row.get(0)?;
                let marked = match kind {
                    "item" => Marked::Item(ItemKey(key)),
                    "album" => Marked::Album(AlbumKey(key)),
                    _ => Marked::Artist(ArtistKey(key)),
                };
                let mark = Mark {
                    starred_ms: row.get(1)?,
                    rating: row.get(2)?,
                    plays: row.get(3)?,
                    played_ms: row.get(4)?,
                    bookmark_ms: row.get(5)?,
                };
                Ok((marked, mark))
            },
        )?);
    }
    Ok(found)
}

/// Lists of what the user said are other ones now.
fn note(tx: &mut Tx, user: UserKey) -> Result<()> {
    tx.run("UPDATE account SET marks = marks + 1 WHERE id = $1", args![user.0])?;
    Ok(())
}

/// A second star keeps the time of the first.
pub fn star(tx: &mut Tx, user: UserKey, marked: Marked, now_ms: i64) -> Result<()> {
    let (kind, key) = columns(marked);
    tx.run(
        "INSERT INTO mark (account_id, object_kind, object_id, starred_ms, plays) VALUES ($1, $2, $3, $4, 0)
         ON CONFLICT (account_id, object_kind, object_id)
         DO UPDATE SET starred_ms = COALESCE(mark.starred_ms, excluded.starred_ms)",
        args![user.0, kind, key, now_ms],
    )?;
    note(tx, user)
}

pub fn unstar(tx: &mut Tx, user: UserKey, marked: Marked) -> Result<()> {
    let (kind, key) = columns(marked);
    tx.run(
        "UPDATE mark SET starred_ms = NULL WHERE account_id = $1 AND object_kind = $2 AND object_id = $3",
        args![user.0, kind, key],
    )?;
    note(tx, user)
}

/// 1 to 5, or `None` to take the rating back.
pub fn rate(tx: &mut Tx, user: UserKey, marked: Marked, rating: Option<u8>) -> Result<()> {
    let (kind, key) = columns(marked);
    tx.run(
        "INSERT INTO mark (account_id, object_kind, object_id, rating, plays) VALUES ($1, $2, $3, $4, 0)
         ON CONFLICT (account_id, object_kind, object_id) DO UPDATE SET rating = excluded.rating",
        args![user.0, kind, key, rating],
    )?;
    note(tx, user)
}

/// Counts one play. An earlier one that is told late does not move the last one back.
pub fn play(tx: &mut Tx, user: UserKey, marked: Marked, played_ms: i64) -> Result<()> {
    let (kind, key) = columns(marked);
    tx.run(
        "INSERT INTO mark (account_id, object_kind, object_id, plays, played_ms) VALUES ($1, $2, $3, 1, $4)
         ON CONFLICT (account_id, object_kind, object_id) DO UPDATE SET plays = mark.plays + 1,
            played_ms = CASE WHEN mark.played_ms > excluded.played_ms THEN mark.played_ms ELSE excluded.played_ms END",
        args![user.0, kind, key, played_ms],
    )?;
    note(tx, user)
}

// Bookmarks -----------------------------------------------------------------------------------------------------------

/// Of one user: whoever lists them gets them all.
const MOST_BOOKMARKS: i64 = 5000;

/// In place of the one that the user had in this item.
pub fn set_bookmark(tx: &mut Tx, user: UserKey, bookmark: &Bookmark, now_ms: i64) -> Result<()> {
    let others: i64 = tx.one(
        "SELECT COUNT(*) FROM mark WHERE account_id = $1 AND bookmark_ms IS NOT NULL AND object_id <> $2",
        args![user.0, bookmark.item.0],
        |row| row.get(0),
    )?;
    if others >= MOST_BOOKMARKS {
        return Err(Error::invalid("id", format!("there are {MOST_BOOKMARKS} bookmarks; delete some")));
    }
    tx.run(
        "INSERT INTO mark (account_id, object_kind, object_id, plays, bookmark_ms, bookmark_comment, bookmark_created_ms,
            bookmark_changed_ms)
         VALUES ($1, 'item', $2, 0, $3, $4, $5, $5)
         ON CONFLICT (account_id, object_kind, object_id) DO UPDATE SET bookmark_ms = excluded.bookmark_ms,
            bookmark_comment = excluded.bookmark_comment, bookmark_changed_ms = excluded.bookmark_changed_ms,
            bookmark_created_ms = COALESCE(mark.bookmark_created_ms, excluded.bookmark_created_ms)",
        args![user.0, bookmark.item.0, bookmark.position_ms, &bookmark.comment, now_ms],
    )?;
    Ok(())
}

/// By the item's public id, also where that is not there any more. Whether there was a bookmark.
pub fn remove_bookmark(tx: &mut Tx, user: UserKey, item_id: &str) -> Result<bool> {
    let removed = tx.run(
        "UPDATE mark SET bookmark_ms = NULL, bookmark_comment = NULL, bookmark_created_ms = NULL, bookmark_changed_ms = NULL
         WHERE account_id = $1 AND object_kind = 'item' AND bookmark_ms IS NOT NULL
            AND object_id = (SELECT id FROM item WHERE public_id = $2)",
        args![user.0, item_id],
    )?;
    Ok(removed > 0)
}

/// All of the user's, the latest first, also those in items that are not there now.
pub fn bookmarks(tx: &mut Tx, user: UserKey) -> Result<Vec<Bookmark>> {
    tx.all(
        "SELECT object_id, bookmark_ms, bookmark_comment, bookmark_created_ms, bookmark_changed_ms FROM mark
         WHERE account_id = $1 AND object_kind = 'item' AND bookmark_ms IS NOT NULL
         ORDER BY bookmark_changed_ms DESC, object_id",
        args![user.0],
        |row| {
            Ok(Bookmark {
                item: ItemKey(row.get(0)?),
                position_ms: row.get(1)?,
                comment: row.get(2)?,
                created_ms: row.get(3)?,
                changed_ms: row.get(4)?,
            })
        },
    )
}
