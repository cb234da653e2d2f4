//! SQL of what shares count: who visited, what was downloaded, and the leases that downloads are paid for by.

use crate::args;
use crate::error::{Error, Result, Thing};
use crate::share::visit::{LEASE_MS, Lease, LeaseKey, VISIT_MS, Visitor};
use crate::share::{Share, ShareKey};
use crate::store::{KEYS_AT_ONCE, Tx, Value, bind_all};

/// Whether this visitor's view is counted already: for good by cookie or account, for half an hour by address and agent.
pub fn has_visited(tx: &mut Tx, share: ShareKey, visitor: &Visitor, now_ms: i64) -> Result<bool> {
    Ok(is_counted(seen_ms(tx, share, &visitor.counted_as())?, visitor, now_ms))
}

/// When the visitor of that name was last counted.
pub fn seen_ms(tx: &mut Tx, share: ShareKey, counted_as: &str) -> Result<Option<i64>> {
    tx.maybe("SELECT seen_ms FROM visit WHERE share_id = $1 AND visitor = $2", args![share.0, counted_as], |row| {
        row.get(0)
    })
}

/// Whether a view that was counted then still is this visitor's.
pub fn is_counted(seen_ms: Option<i64>, visitor: &Visitor, now_ms: i64) -> bool {
    seen_ms.is_some_and(|seen| visitor.known_as().is_some() || seen > now_ms - VISIT_MS)
}

/// Counts a visitor's first visit; a later one changes nothing. `NotFound` when the last view is spent.
pub fn count_view(tx: &mut Tx, share: ShareKey, visitor: &Visitor, now_ms: i64) -> Result<()> {
    if has_visited(tx, share, visitor, now_ms)? { Ok(()) } else { count_call(tx, share, visitor, now_ms) }
}

/// Counts a view that a client asked to be counted, however often it did. When the last one is spent, whoever visited
/// before goes on uncounted; for others it is `NotFound`.
pub fn count_call(tx: &mut Tx, share: ShareKey, visitor: &Visitor, now_ms: i64) -> Result<()> {
    let counted = tx.run(
        "UPDATE share SET views = views + 1, visited_ms = $2
         WHERE id = $1 AND revoked_ms IS NULL AND (view_limit IS NULL OR views < view_limit)",
        args![share.0, now_ms],
    )?;
    if counted == 0 {
        return if has_visited(tx, share, visitor, now_ms)? { Ok(()) } else { Err(Error::NotFound(Thing::Share)) };
    }
    tx.run("DELETE FROM visit WHERE visitor LIKE 'a:%' AND seen_ms <= $1", args![now_ms - 2 * VISIT_MS])?;
    tx.run(
        "INSERT INTO visit (share_id, visitor, counted, first_ms, seen_ms) VALUES ($1, $2, 1, $3, $3)
         ON CONFLICT (share_id, visitor) DO UPDATE SET seen_ms = excluded.seen_ms",
        args![share.0, visitor.counted_as(), now_ms],
    )?;
    Ok(())
}

/// A visitor who was counted without a ticket is the same one who now holds it.
pub fn know_visitor(tx: &mut Tx, share: ShareKey, visitor: &Visitor, now_ms: i64) -> Result<()> {
    tx.run(
        "INSERT INTO visit (share_id, visitor, counted, first_ms, seen_ms) VALUES ($1, $2, 0, $3, $3)
         ON CONFLICT (share_id, visitor) DO UPDATE SET seen_ms = excluded.seen_ms",
        args![share.0, visitor.counted_as(), now_ms],
    )?;
    Ok(())
}

/// A download of `object`, paid for by one atomic update, or one that this visitor has open already.
///
/// A visitor who carries a ticket takes up their own lease. One who carries nothing takes up one only in the middle of
/// a file, from the same address, while that download is unfinished. `NotFound` when none is left.
pub fn lease(
    tx: &mut Tx,
    share: &Share,
    visitor: &Visitor,
    object: &str,
    range_start: u64,
    now_ms: i64,
) -> Result<LeaseKey> {
    let known_as = visitor.known_as();
    let open = match &known_as {
        Some(name) => tx.maybe(
            "SELECT id FROM lease WHERE share_id = $1 AND object = $2 AND visitor = $3 AND expires_ms > $4 ORDER BY id LIMIT 1",
            args![share.key.0, object, name, now_ms],
            |row| Ok(LeaseKey(row.get(0)?)),
        )?,
        None if range_start > 0 => tx.maybe(
            "SELECT id FROM lease WHERE share_id = $1 AND object = $2 AND visitor IS NULL AND address = $3 AND finished = 0
                AND expires_ms > $4 ORDER BY id LIMIT 1",
            args![share.key.0, object, visitor.network(), now_ms],
            |row| Ok(LeaseKey(row.get(0)?)),
        )?,
        None => None,
    };
    if let Some(lease) = open {
        tx.run(
            "UPDATE lease SET holders = holders + 1, expires_ms = $2 WHERE id = $1",
            args![lease.0, now_ms + LEASE_MS],
        )?;
        return Ok(lease);
    }
    let spent = tx.run(
        "UPDATE share SET downloads = downloads + 1
         WHERE id = $1 AND revoked_ms IS NULL AND (download_limit IS NULL OR downloads < download_limit)",
        args![share.key.0],
    )?;
    if spent == 0 {
        return Err(Error::NotFound(Thing::Share));
    }
    tx.run("DELETE FROM lease WHERE expires_ms <= $1 AND started >= 0", args![now_ms])?;
    tx.one(
        "INSERT INTO lease (share_id, visitor, address, object, taken_ms, expires_ms, started, finished)
         VALUES ($1, $2, $3, $4, $5, $6, 0, 0) RETURNING id",
        args![share.key.0, known_as, visitor.network(), object, now_ms, now_ms + LEASE_MS],
        |row| Ok(LeaseKey(row.get(0)?)),
    )
}

/// Marks a download that was leased for an address which somebody may open later: a look at its head does not give it
/// back, a file that is not there does.
pub fn reserve(tx: &mut Tx, lease: Lease) -> Result<()> {
    if let Lease::Row(key) = lease {
        tx.run("UPDATE lease SET started = -1, holders = 0 WHERE id = $1 AND started = 0", args![key.0])?;
    }
    Ok(())
}

/// Keeps the leases of transfers that are running, however long they take: bytes are going out under them.
pub fn keep_leases(tx: &mut Tx, leases: &[LeaseKey], now_ms: i64) -> Result<()> {
    for part in leases.chunks(KEYS_AT_ONCE) {
        let mut args: Vec<Value> = vec![(now_ms + LEASE_MS).into()];
        let list = bind_all(&mut args, part.iter().map(|lease| lease.0));
        tx.run(&format!("UPDATE lease SET started = 1, expires_ms = $1 WHERE id IN ({list})"), &args)?;
    }
    Ok(())
}

/// Whether [`give_back_reserved`] has anything to do.
pub fn has_unused_reservations(tx: &mut Tx, now_ms: i64) -> Result<bool> {
    let sql = "SELECT id FROM lease WHERE expires_ms <= $1 AND started < 0 LIMIT 1";
    Ok(tx.maybe(sql, args![now_ms], |row| row.get::<i64>(0))?.is_some())
}

/// Downloads that were reserved for an address which nobody opened in time go back to their shares.
pub fn give_back_reserved(tx: &mut Tx, now_ms: i64) -> Result<()> {
    let unused =
        tx.all("DELETE FROM lease WHERE expires_ms <= $1 AND started < 0 RETURNING share_id", args![now_ms], |row| {
            row.get::<i64>(0)
        })?;
    for share in unused {
        tx.run("UPDATE share SET downloads = downloads - 1 WHERE id = $1 AND downloads > 0", args![share])?;
    }
    Ok(())
}

/// Raises the counters of shares without limits by what was counted in memory.
pub fn add_downloads(tx: &mut Tx, counts: &[(ShareKey, i64)]) -> Result<()> {
    for (share, count) in counts {
        tx.run(
            "UPDATE share SET downloads = CASE WHEN downloads + $2 > 0 THEN downloads + $2 ELSE 0 END WHERE id = $1",
            args![share.0, *count],
        )?;
    }
    Ok(())
}

/// How a transfer under a lease ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseEnd {
    /// Not one byte went out: the download is given back, unless another transfer under it sends some.
    NothingSent,
    /// The file could not be opened: a reserved download is given back too.
    NotThere,
    BrokenOff,
    Complete,
}

pub fn end_transfer(tx: &mut Tx, lease: LeaseKey, end: LeaseEnd, now_ms: i64) -> Result<()> {
    match end {
        LeaseEnd::NothingSent => {
            tx.run("UPDATE lease SET holders = holders - 1 WHERE id = $1 AND holders > 0", args![lease.0])?;
            give_back(tx, "DELETE FROM lease WHERE id = $1 AND holders = 0 AND started = 0 RETURNING share_id", lease)?;
        }
        // The holder that may be left is the transfer that found no file: it ends next, and says so itself.
        LeaseEnd::NotThere => {
            give_back(
                tx,
                "DELETE FROM lease WHERE id = $1 AND holders <= 1 AND started <= 0 RETURNING share_id",
                lease,
            )?;
        }
        LeaseEnd::BrokenOff | LeaseEnd::Complete => {
            tx.run(
                "UPDATE lease SET started = 1, finished = CASE WHEN $3 = 1 THEN 1 ELSE finished END, expires_ms = $2,
                                  holders = CASE WHEN holders > 0 THEN holders - 1 ELSE 0 END WHERE id = $1",
                args![lease.0, now_ms + LEASE_MS, i64::from(end == LeaseEnd::Complete)],
            )?;
        }
    }
    Ok(())
}

fn give_back(tx: &mut Tx, deletion: &str, lease: LeaseKey) -> Result<()> {
    if let Some(share) = tx.maybe(deletion, args![lease.0], |row| row.get::<i64>(0))? {
        tx.run("UPDATE share SET downloads = downloads - 1 WHERE id = $1 AND downloads > 0", args![share])?;
    }
    Ok(())
}

/// Of these shares, with the epoch at which a transfer began, those that no longer stand.
pub fn no_longer_standing(tx: &mut Tx, shares: &[(ShareKey, i64)]) -> Result<Vec<ShareKey>> {
    let mut ended = Vec::new();
    for part in shares.chunks(KEYS_AT_ONCE) {
        let mut args = Vec::new();
        let keys = bind_all(&mut args, part.iter().map(|(key, _)| key.0));
        let standing = tx.all(
            &format!(
                "SELECT s.id, s.epoch FROM share s JOIN account a ON a.id = s.owner_id
                 WHERE s.revoked_ms IS NULL AND a.state = 'active' AND s.id IN ({keys})"
            ),
            &args,
            |row| Ok((ShareKey(row.get(0)?), row.get::<i64>(1)?)),
        )?;
        ended.extend(part.iter().filter(|share| !standing.contains(share)).map(|(key, _)| *key));
    }
    Ok(ended)
}
