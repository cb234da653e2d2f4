//! SQL of changes: the journal that every write of files adds to, in its own transaction, whichever process made it.

use std::sync::{Arc, OnceLock};

use serde_json::json;

use super::{Row, Tx};
use crate::account::UserKey;
use crate::args;
use crate::error::{Error, Result};
use crate::library::changes::{By, Change, Kind, Place, What};
use crate::library::{ItemKey, LibraryKey};

/// Changes that are kept; older ones go.
pub const KEPT: i64 = 200_000;
/// What one scan or one move finds is told one by one up to so many changes. Beyond, that there are many is all that is told:
/// the first scan of a large library is no news of each file.
pub const ONE_BY_ONE: usize = 100;

// Who does it ---------------------------------------------------------------------------------------------------------

tokio::task_local! {
    static ASKED_BY: Arc<Asker>;
}

/// On whose behalf a task works. Set about each request, and filled by whoever learns who asks: what is committed
/// meanwhile is told as theirs, without every use case in between handing that on.
#[derive(Debug, Default)]
pub struct Asker {
    client: Option<String>,
    user: OnceLock<UserKey>,
}

impl Asker {
    pub fn of_client(client: Option<String>) -> Arc<Asker> {
        Arc::new(Asker { client, user: OnceLock::new() })
    }

    /// The one of this task.
    pub fn current() -> Arc<Asker> {
        ASKED_BY.try_with(Arc::clone).unwrap_or_default()
    }

    pub async fn about<F: Future>(self: Arc<Self>, work: F) -> F::Output {
        ASKED_BY.scope(self, work).await
    }

    /// The first who is known stays.
    pub fn is(user: UserKey) {
        let _ = ASKED_BY.try_with(|asker| asker.user.set(user));
    }

    pub(super) fn by(&self) -> By {
        By { user: self.user.get().copied(), client: self.client.clone() }
    }
}

// Writing -------------------------------------------------------------------------------------------------------------

/// Where an item is, if it is there.
pub(super) fn place_of(tx: &mut Tx, key: ItemKey) -> Result<Option<Place>> {
    let steps = tx.all(
        "WITH RECURSIVE above (id, parent_id, shown, hidden, depth) AS (
             SELECT id, parent_id, shown, COALESCE(missing_ms, trashed_ms), CAST(0 AS BIGINT) FROM item WHERE id = $1
             UNION ALL
             SELECT p.id, p.parent_id, p.shown, COALESCE(p.missing_ms, p.trashed_ms), a.depth + 1
             FROM item p JOIN above a ON p.id = a.parent_id
         )
         SELECT id, shown, hidden FROM above ORDER BY depth DESC",
        args![key.0],
        |row| Ok(((ItemKey(row.get(0)?), row.get::<String>(1)?), row.get::<Option<i64>>(2)?)),
    )?;
    let is_there = !steps.is_empty() && steps.iter().all(|(_, hidden)| hidden.is_none());
    Ok(is_there.then(|| Place(steps.into_iter().map(|(step, _)| step).collect())))
}

/// What an item was before it is changed.
pub(super) struct Before {
    key: ItemKey,
    place: Option<Place>,
}

impl Before {
    pub(super) fn of(tx: &mut Tx, key: ItemKey) -> Result<Before> {
        Ok(Before { key, place: place_of(tx, key)? })
    }

    /// Notes what became of it, if that is anything to tell. `kind` says what it is where it stayed at its place.
    pub(super) fn note(self, tx: &mut Tx, at_its_place: Option<Kind>, now_ms: i64) -> Result<()> {
        let after = place_of(tx, self.key)?;
        let kind = match (&self.place, &after) {
            (None, None) => return Ok(()),
            (None, Some(_)) => Kind::Restore,
            (Some(_), None) => Kind::Delete,
            (Some(before), Some(after)) if before == after => match at_its_place {
                Some(kind) => kind,
                None => return Ok(()),
            },
            (Some(before), Some(after)) if folder(before) == folder(after) => Kind::Rename,
            (Some(_), Some(_)) => Kind::Move,
        };
        note(tx, self.key, kind, self.place, after, now_ms)
    }
}

fn folder(place: &Place) -> Option<ItemKey> {
    place.0.iter().rev().nth(1).map(|(key, _)| *key)
}

/// Notes that there is a new item.
pub(super) fn note_new(tx: &mut Tx, key: ItemKey, now_ms: i64) -> Result<()> {
    let after = place_of(tx, key)?;
    note(tx, key, Kind::Create, None, after, now_ms)
}

fn note(tx: &mut Tx, key: ItemKey, kind: Kind, before: Option<Place>, after: Option<Place>, now_ms: i64) -> Result<()> {
    let by = tx.asked_by().by();
    tx.run(
        "INSERT INTO file_change (library_id, item_id, item_public_id, kind, place_before, place_after, account_id,
                                  client, at_ms)
         SELECT library_id, id, public_id, CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT),
                (SELECT a.id FROM account a WHERE a.id = $5), CAST($6 AS TEXT), CAST($7 AS BIGINT)
         FROM item WHERE id = $1",
        args![
            key.0,
            kind.text(),
            before.as_ref().map(place_text),
            after.as_ref().map(place_text),
            by.user.map(|user| user.0),
            by.client,
            now_ms
        ],
    )?;
    Ok(())
}

/// Notes that an item, if it is there, will be gone for good.
pub(super) fn note_end(tx: &mut Tx, key: ItemKey, now_ms: i64) -> Result<()> {
    match place_of(tx, key)? {
        Some(place) => note(tx, key, Kind::Delete, Some(place), None, now_ms),
        None => Ok(()),
    }
}

/// Notes that much of a library is another now.
pub(super) fn note_many(tx: &mut Tx, library: LibraryKey, now_ms: i64) -> Result<()> {
    let by = tx.asked_by().by();
    tx.run(
        "INSERT INTO file_change (library_id, item_id, item_public_id, kind, account_id, client, at_ms)
         VALUES ($1, NULL, '', 'many', (SELECT a.id FROM account a WHERE a.id = $2), $3, $4)",
        args![library.0, by.user.map(|user| user.0), by.client, now_ms],
    )?;
    Ok(())
}

/// Forgets the oldest beyond [`KEPT`].
pub fn sweep(tx: &mut Tx) -> Result<u64> {
    tx.run("DELETE FROM file_change WHERE id <= (SELECT COALESCE(MAX(c.id), 0) - $1 FROM file_change c)", args![KEPT])
}

// Reading -------------------------------------------------------------------------------------------------------------

const CHANGE: &str =
    "SELECT id, library_id, item_id, item_public_id, kind, place_before, place_after, account_id, client, at_ms
     FROM file_change";

/// The number of the latest change; 0 before the first.
pub fn latest(tx: &mut Tx) -> Result<i64> {
    tx.one("SELECT COALESCE(MAX(id), 0) FROM file_change", args![], |row| row.get(0))
}

/// The number of the earliest change that is kept; 0 where there is none.
pub fn earliest(tx: &mut Tx) -> Result<i64> {
    tx.one("SELECT COALESCE(MIN(id), 0) FROM file_change", args![], |row| row.get(0))
}

/// Changes after one, the earliest first.
pub fn since(tx: &mut Tx, number: i64, limit: usize) -> Result<Vec<Change>> {
    tx.all(&format!("{CHANGE} WHERE id > $1 ORDER BY id LIMIT $2"), args![number, limit], change)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    EarliestFirst,
    LatestFirst,
}

/// A page of what became of one item: of what `by` did, if given; after the change `after`, in the way of the page.
pub fn of_item(
    tx: &mut Tx,
    item: ItemKey,
    by: Option<UserKey>,
    way: Way,
    after: Option<i64>,
    limit: usize,
) -> Result<Vec<Change>> {
    let (compare, order, start) = match way {
        Way::EarliestFirst => (">", "ASC", 0),
        Way::LatestFirst => ("<", "DESC", i64::MAX),
    };
    let whose = if by.is_some() { "account_id = $3" } else { "CAST($3 AS BIGINT) IS NULL" };
    tx.all(
        &format!("{CHANGE} WHERE item_id = $1 AND id {compare} $2 AND {whose} ORDER BY id {order} LIMIT $4"),
        args![item.0, after.unwrap_or(start), by.map(|user| user.0), limit],
        change,
    )
}

fn change(row: &Row) -> Result<Change> {
    let kind: String = row.get(4)?;
    let place = |column| row.get::<Option<String>>(column)?.map(|text| place_in(&text)).transpose();
    let what = match row.get::<Option<i64>>(2)? {
        None => What::Many,
        Some(key) => What::Item {
            key: ItemKey(key),
            id: row.get(3)?,
            kind: Kind::EACH
                .into_iter()
                .find(|known| known.text() == kind)
                .ok_or_else(|| Error::Internal(format!("unknown kind {kind} of a change")))?,
            before: place(5)?,
            after: place(6)?,
        },
    };
    Ok(Change {
        number: row.get(0)?,
        library: LibraryKey(row.get(1)?),
        what,
        by: By { user: row.get::<Option<i64>>(7)?.map(UserKey), client: row.get(8)? },
        at_ms: row.get(9)?,
    })
}

fn place_text(place: &Place) -> String {
    json!(place.0.iter().map(|(key, name)| (key.0, name)).collect::<Vec<_>>()).to_string()
}

fn place_in(text: &str) -> Result<Place> {
    let steps: Vec<(i64, String)> =
        serde_json::from_str(text).map_err(|cause| Error::internal("the place of a change", cause))?;
    Ok(Place(steps.into_iter().map(|(key, name)| (ItemKey(key), name)).collect()))
}
