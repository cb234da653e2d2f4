//! SQL of drop boxes: their terms, who sent, and what came.

use super::Tx;
use crate::args;
use crate::error::{Error, Result};
use crate::library::ItemKey;
use crate::now_ms;
use crate::share::ShareKey;
use crate::share::drop_box::{DropBox, Received};
use crate::store::contents::Sha256;

/// Those of a box that has none yet are the defaults.
pub fn terms(tx: &mut Tx, share: ShareKey) -> Result<DropBox> {
    let found = tx.maybe(
        "SELECT asks_name, folder_per_sender, most_file_bytes, most_total_bytes, most_files, types FROM drop_box
         WHERE share_id = $1",
        args![share.0],
        |row| {
            let types: String = row.get(5)?;
            Ok(DropBox {
                asks_name: row.get(0)?,
                folder_per_sender: row.get(1)?,
                most_file_bytes: row.get(2)?,
                most_total_bytes: row.get(3)?,
                most_files: row.get(4)?,
                types: types.split(',').filter(|ending| !ending.is_empty()).map(str::to_owned).collect(),
            })
        },
    )?;
    Ok(found.unwrap_or_default())
}

/// What was received stays counted.
pub fn set_terms(tx: &mut Tx, share: ShareKey, terms: &DropBox) -> Result<()> {
    tx.run(
        "INSERT INTO drop_box (share_id, asks_name, folder_per_sender, most_file_bytes, most_total_bytes, most_files, types,
                               files, bytes)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0)
         ON CONFLICT (share_id) DO UPDATE SET asks_name = excluded.asks_name, folder_per_sender = excluded.folder_per_sender,
             most_file_bytes = excluded.most_file_bytes, most_total_bytes = excluded.most_total_bytes,
             most_files = excluded.most_files, types = excluded.types",
        args![
            share.0,
            terms.asks_name,
            terms.folder_per_sender,
            terms.most_file_bytes,
            terms.most_total_bytes,
            terms.most_files,
            terms.types.join(",")
        ],
    )?;
    Ok(())
}

/// What came, and what open uploads are going to bring; one upload may be left out.
pub fn received(tx: &mut Tx, share: ShareKey, except: &str) -> Result<Received> {
    let came = tx.maybe("SELECT files, bytes FROM drop_box WHERE share_id = $1", args![share.0], |row| {
        Ok(Received { files: row.get(0)?, bytes: row.get(1)? })
    })?;
    let came = came.unwrap_or_default();
    tx.one(
        "SELECT COUNT(*), CAST(COALESCE(SUM(COALESCE(size_bytes, received_bytes)), 0) AS BIGINT) FROM upload
         WHERE share_id = $1 AND id <> $2 AND expires_ms > $3",
        args![share.0, except, now_ms()],
        |row| {
            let (files, bytes): (u64, u64) = (row.get(0)?, row.get(1)?);
            Ok(Received { files: came.files + files, bytes: came.bytes.saturating_add(bytes) })
        },
    )
}

/// How many uploads to a box are under way.
pub fn open_uploads(tx: &mut Tx, share: ShareKey) -> Result<u64> {
    let sql = "SELECT COUNT(*) FROM upload WHERE share_id = $1 AND expires_ms > $2";
    tx.one(sql, args![share.0, now_ms()], |row| row.get(0))
}

/// Counts a file that came.
pub fn count(tx: &mut Tx, share: ShareKey, size_bytes: u64) -> Result<()> {
    tx.run(
        "UPDATE drop_box SET files = files + 1, bytes = bytes + $2 WHERE share_id = $1",
        args![share.0, size_bytes],
    )?;
    Ok(())
}

/// Somebody who sends to a box.
#[derive(Debug, Clone)]
pub struct Known {
    pub name: String,
    pub folder: Option<ItemKey>,
}

pub fn sender(tx: &mut Tx, share: ShareKey, sender: &str) -> Result<Option<Known>> {
    tx.maybe(
        "SELECT name, folder_id FROM drop_sender WHERE share_id = $1 AND sender = $2",
        args![share.0, sender],
        |row| Ok(Known { name: row.get(0)?, folder: row.get::<Option<i64>>(1)?.map(ItemKey) }),
    )
}

pub fn set_sender(tx: &mut Tx, share: ShareKey, sender: &str, known: &Known, now_ms: i64) -> Result<()> {
    tx.run(
        "INSERT INTO drop_sender (share_id, sender, name, folder_id, first_ms) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (share_id, sender) DO UPDATE SET name = excluded.name, folder_id = excluded.folder_id",
        args![share.0, sender, &known.name, known.folder.map(|key| key.0), now_ms],
    )?;
    Ok(())
}

/// A line of a receipt.
#[derive(Debug, Clone)]
pub struct Sent {
    pub name: String,
    pub size_bytes: u64,
    pub sha256: Option<Sha256>,
    pub sent_ms: i64,
}

pub fn note_sent(tx: &mut Tx, share: ShareKey, sender: &str, sent: &Sent) -> Result<()> {
    tx.run(
        "INSERT INTO drop_file (share_id, sender, name, size_bytes, sha256, sent_ms) VALUES ($1, $2, $3, $4, $5, $6)",
        args![share.0, sender, &sent.name, sent.size_bytes, sent.sha256.map(|hash| hash.to_vec()), sent.sent_ms],
    )?;
    Ok(())
}

/// All that one sender sent, in order.
pub fn sent(tx: &mut Tx, share: ShareKey, sender: &str) -> Result<Vec<Sent>> {
    tx.all(
        "SELECT name, size_bytes, sha256, sent_ms FROM drop_file WHERE share_id = $1 AND sender = $2 ORDER BY id",
        args![share.0, sender],
        |row| {
            let sha256 = row.get::<Option<Vec<u8>>>(2)?.map(TryInto::try_into).transpose();
            Ok(Sent {
                name: row.get(0)?,
                size_bytes: row.get(1)?,
                sha256: sha256.map_err(|_| Error::internal("drop_file", "a hash of another length"))?,
                sent_ms: row.get(3)?,
            })
        },
    )
}

/// Who sent what to a revoked share is nobody's business later.
pub fn forget(tx: &mut Tx, share: ShareKey) -> Result<()> {
    tx.run("DELETE FROM drop_sender WHERE share_id = $1", args![share.0])?;
    tx.run("DELETE FROM drop_file WHERE share_id = $1", args![share.0])?;
    Ok(())
}
