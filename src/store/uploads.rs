//! Rows of uploads that are under way. What arrived stands there as ranges of bytes; ranges that touch are one.

use super::{Row, Tx};
use crate::account::UserKey;
use crate::args;
use crate::error::{Error, Result, Thing};
use crate::library::{ItemKey, LibraryKey};
use crate::share::ShareKey;
use crate::store::contents::Sha256;
use crate::store::metadata::Metadata;
use std::ops::Range;

/// What to do when there is something of that name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    Refuse,
    /// Give the new file a number.
    Rename,
    Replace,
}

#[derive(Debug, Clone)]
pub struct Session {
    pub id: String,
    pub account: UserKey,
    pub folder: ItemKey,
    pub replaces: Option<ItemKey>,
    /// Which content of that its client saw, if it told.
    pub replaces_revision: Option<i64>,
    pub name: Vec<u8>,
    pub size_bytes: Option<u64>,
    pub chunk_bytes: u64,
    pub received_bytes: u64,
    pub modified_ms: Option<i64>,
    pub on_conflict: OnConflict,
    /// Its name among the temporaries of the library, and the inode that it keeps under its last name.
    pub temporary: String,
    pub inode: u64,
    /// Of the whole, if the client told it beforehand.
    pub sha256: Option<Sha256>,
    pub expires_ms: i64,
    /// Where a guest sends it. `account` is then the box's owner.
    pub guest: Option<Guest>,
    /// To be noted on what it becomes.
    pub metadata: Metadata,
}

/// Who sends to which drop box, and the epoch at which that began.
#[derive(Debug, Clone)]
pub struct Guest {
    pub share: ShareKey,
    pub epoch: i64,
    pub sender: String,
}

const SESSION: &str = "SELECT id, account_id, folder_id, replaces_id, name, size_bytes, chunk_bytes, received_bytes, \
                       modified_ms, on_conflict, temporary, expires_ms, inode, sha256, share_id, share_epoch, sender, \
                       replaces_revision, metadata FROM upload";

pub fn insert(tx: &mut Tx, session: &Session, now_ms: i64) -> Result<()> {
    let on_conflict = match session.on_conflict {
        OnConflict::Refuse => "refuse",
        OnConflict::Rename => "rename",
        OnConflict::Replace => "replace",
    };
    let metadata = serde_json::to_string(&session.metadata).map_err(|cause| Error::internal("upload", cause))?;
    tx.run(
        "INSERT INTO upload (id, account_id, folder_id, replaces_id, name, size_bytes, chunk_bytes, received_bytes, modified_ms,
                             on_conflict, temporary, created_ms, expires_ms, inode, sha256, share_id, share_epoch, sender,
                             replaces_revision, metadata)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)",
        args![
            &session.id,
            session.account.0,
            session.folder.0,
            session.replaces.map(|key| key.0),
            &session.name,
            session.size_bytes,
            session.chunk_bytes,
            session.received_bytes,
            session.modified_ms,
            on_conflict,
            &session.temporary,
            now_ms,
            session.expires_ms,
            session.inode.cast_signed(),
            session.sha256.map(|hash| hash.to_vec()),
            session.guest.as_ref().map(|guest| guest.share.0),
            session.guest.as_ref().map(|guest| guest.epoch),
            session.guest.as_ref().map(|guest| guest.sender.clone()),
            session.replaces_revision,
            metadata
        ],
    )?;
    Ok(())
}

/// One of the user's own; somebody else's does not exist.
pub fn of_user(tx: &mut Tx, user: UserKey, id: &str, now_ms: i64) -> Result<Session> {
    let sql = format!("{SESSION} WHERE id = $1 AND account_id = $2 AND share_id IS NULL AND expires_ms > $3");
    tx.maybe(&sql, args![id, user.0, now_ms], session_of)?.ok_or(Error::NotFound(Thing::Upload))
}

/// One of this sender's own to this box; another guest's does not exist.
pub fn of_sender(tx: &mut Tx, share: ShareKey, sender: &str, id: &str, now_ms: i64) -> Result<Session> {
    let sql = format!("{SESSION} WHERE id = $1 AND share_id = $2 AND sender = $3 AND expires_ms > $4");
    tx.maybe(&sql, args![id, share.0, sender, now_ms], session_of)?.ok_or(Error::NotFound(Thing::Upload))
}

/// Whosever it is.
pub fn by_id(tx: &mut Tx, id: &str, now_ms: i64) -> Result<Option<Session>> {
    let sql = format!("{SESSION} WHERE id = $1 AND expires_ms > $2");
    tx.maybe(&sql, args![id, now_ms], session_of)
}

/// By which share an upload comes, and from whom; `None` for one that comes by none.
pub fn guest_of(tx: &mut Tx, id: &str, now_ms: i64) -> Result<Option<Guest>> {
    Ok(by_id(tx, id, now_ms)?.and_then(|session| session.guest))
}

/// All that were on their way to a share end: the next sweep removes what came of them.
pub fn expire_of_share(tx: &mut Tx, share: ShareKey) -> Result<()> {
    tx.run("UPDATE upload SET expires_ms = 0 WHERE share_id = $1", args![share.0])?;
    Ok(())
}

/// All of a user, the oldest first.
pub fn list(tx: &mut Tx, user: UserKey, now_ms: i64) -> Result<Vec<Session>> {
    let sql =
        format!("{SESSION} WHERE account_id = $1 AND share_id IS NULL AND expires_ms > $2 ORDER BY created_ms, id");
    tx.all(&sql, args![user.0, now_ms], session_of)
}

/// How many a user has under way.
pub fn count(tx: &mut Tx, user: UserKey, now_ms: i64) -> Result<usize> {
    let sql = "SELECT COUNT(*) FROM upload WHERE account_id = $1 AND share_id IS NULL AND expires_ms > $2";
    tx.one(sql, args![user.0, now_ms], |row| row.get(0))
}

/// Whether somebody uploads a file of that name to that folder, of which something came lately or is about to.
pub fn is_coming(tx: &mut Tx, folder: ItemKey, name: &[u8], expires_after_ms: i64) -> Result<bool> {
    let sql = "SELECT 1 FROM upload WHERE folder_id = $1 AND name = $2 AND expires_ms > $3 AND share_id IS NULL";
    Ok(tx.maybe(sql, args![folder.0, name, expires_after_ms], |_| Ok(()))?.is_some())
}

/// The file to be replaced is another by now, and by this very upload.
pub fn set_replaced(tx: &mut Tx, id: &str, revision: i64) -> Result<()> {
    tx.run("UPDATE upload SET replaces_revision = $2 WHERE id = $1", args![id, revision])?;
    Ok(())
}

/// What arrived, in order.
pub fn ranges(tx: &mut Tx, id: &str) -> Result<Vec<Range<u64>>> {
    tx.all("SELECT position, size_bytes FROM upload_chunk WHERE upload_id = $1 ORDER BY position", args![id], range_of)
}

/// Notes bytes that are on the disk; answers how many are by now.
pub fn record(tx: &mut Tx, id: &str, range: Range<u64>, expires_ms: i64) -> Result<u64> {
    let touching = "DELETE FROM upload_chunk WHERE upload_id = $1 AND position <= $2 AND position + size_bytes >= $3
                    RETURNING position, size_bytes";
    let touching = tx.all(touching, args![id, range.end, range.start], range_of)?;
    let known: u64 = touching.iter().map(|range| range.end - range.start).sum();
    let merged = touching.iter().fold(range, |all, range| all.start.min(range.start)..all.end.max(range.end));
    let size_bytes = merged.end - merged.start;
    if size_bytes > 0 {
        tx.run(
            "INSERT INTO upload_chunk (upload_id, position, size_bytes) VALUES ($1, $2, $3)",
            args![id, merged.start, size_bytes],
        )?;
    }
    tx.maybe(
        "UPDATE upload SET received_bytes = received_bytes + $2, expires_ms = $3 WHERE id = $1 RETURNING received_bytes",
        args![id, size_bytes - known, expires_ms],
        |row| row.get(0),
    )?
    .ok_or(Error::NotFound(Thing::Upload))
}

/// Bytes that open uploads into a library take or are going to take; one upload may be left out.
pub fn reserved_bytes(tx: &mut Tx, library: LibraryKey, except: &str, now_ms: i64) -> Result<u64> {
    tx.one(
        "SELECT CAST(COALESCE(SUM(COALESCE(u.size_bytes, u.received_bytes)), 0) AS BIGINT)
         FROM upload u JOIN item f ON f.id = u.folder_id
         WHERE f.library_id = $1 AND u.id <> $2 AND u.expires_ms > $3",
        args![library.0, except, now_ms],
        |row| row.get(0),
    )
}

/// For an upload that told its size only at its end.
pub fn set_size(tx: &mut Tx, id: &str, size_bytes: u64) -> Result<()> {
    tx.run("UPDATE upload SET size_bytes = $2 WHERE id = $1", args![id, size_bytes])?;
    Ok(())
}

/// It goes on until then, unless it has ended.
pub fn keep(tx: &mut Tx, id: &str, now_ms: i64, expires_ms: i64) -> Result<()> {
    tx.run("UPDATE upload SET expires_ms = $3 WHERE id = $1 AND expires_ms > $2", args![id, now_ms, expires_ms])?;
    Ok(())
}

/// It ends now; the next sweep removes what came of it.
pub fn expire(tx: &mut Tx, id: &str) -> Result<()> {
    tx.run("UPDATE upload SET expires_ms = 0 WHERE id = $1", args![id])?;
    Ok(())
}

pub fn remove(tx: &mut Tx, id: &str) -> Result<()> {
    tx.run("DELETE FROM upload WHERE id = $1", args![id])?;
    Ok(())
}

/// Uploads that nobody went on with, and the libraries in which their temporaries lie.
pub fn expired(tx: &mut Tx, now_ms: i64) -> Result<Vec<(Session, LibraryKey)>> {
    let sessions = tx.all(&format!("{SESSION} WHERE expires_ms <= $1"), args![now_ms], session_of)?;
    sessions
        .into_iter()
        .map(|session| {
            let sql = "SELECT library_id FROM item WHERE id = $1";
            let library = tx.one(sql, args![session.folder.0], |row| Ok(LibraryKey(row.get(0)?)))?;
            Ok((session, library))
        })
        .collect()
}

/// Names of all temporaries that are waited for in a library.
pub fn temporaries(tx: &mut Tx, library: LibraryKey) -> Result<Vec<String>> {
    tx.all(
        "SELECT u.temporary FROM upload u JOIN item f ON f.id = u.folder_id WHERE f.library_id = $1",
        args![library.0],
        |row| row.get(0),
    )
}

fn range_of(row: &Row) -> Result<Range<u64>> {
    let start: u64 = row.get(0)?;
    Ok(start..start + row.get::<u64>(1)?)
}

fn session_of(row: &Row) -> Result<Session> {
    let on_conflict: String = row.get(9)?;
    let hash = row.get::<Option<Vec<u8>>>(13)?.map(TryInto::try_into);
    let metadata: String = row.get(18)?;
    Ok(Session {
        id: row.get(0)?,
        account: UserKey(row.get(1)?),
        folder: ItemKey(row.get(2)?),
        replaces: row.get::<Option<i64>>(3)?.map(ItemKey),
        name: row.get(4)?,
        size_bytes: row.get(5)?,
        chunk_bytes: row.get(6)?,
        received_bytes: row.get(7)?,
        modified_ms: row.get(8)?,
        on_conflict: match on_conflict.as_str() {
            "refuse" => OnConflict::Refuse,
            "rename" => OnConflict::Rename,
            "replace" => OnConflict::Replace,
            _ => return Err(Error::internal("upload: unknown rule", on_conflict)),
        },
        temporary: row.get(10)?,
        expires_ms: row.get(11)?,
        inode: row.get::<Option<i64>>(12)?.map_or(0, i64::cast_unsigned),
        sha256: hash.transpose().map_err(|_| Error::internal("upload", "a hash of another length"))?,
        guest: match row.get::<Option<i64>>(14)? {
            Some(share) => Some(Guest { share: ShareKey(share), epoch: row.get(15)?, sender: row.get(16)? }),
            None => None,
        },
        replaces_revision: row.get(17)?,
        metadata: serde_json::from_str(&metadata)
            .map_err(|cause| Error::internal("what is noted with an upload", cause))?,
    })
}
