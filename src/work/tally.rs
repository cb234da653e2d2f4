//! Downloads of shares that no limit binds: counted in memory, and added to the rows a moment later, many at once.
//!
//! Nothing depends on such a count but what its owner reads, so no byte waits for a disk. What was not yet added when the
//! server is killed is lost: a quarter of a second's worth. Where a limit could run out, a lease is a row (`store/shares.rs: lease`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::sync::Notify;

use crate::App;
use crate::error::Result;
use crate::library::ItemKey;
use crate::share::ShareKey;
use crate::share::visit::{LEASE_MS, Lease, Visitor};
use crate::store::shares;

/// Visitors whose resumes are told from new downloads.
const REMEMBERED: usize = 20_000;
/// How long counts are gathered: each time they are added, all that is kept in memory of the rows is read anew.
const GATHER: Duration = Duration::from_millis(250);

pub struct Tally {
    /// To be added; negative where more was taken back than counted since the last time.
    pending: Mutex<HashMap<ShareKey, i64>>,
    /// Until when a named visitor's next request for an item belongs to the same download.
    going_on: Cache<(ShareKey, ItemKey, String), i64>,
    counted: Notify,
}

impl Default for Tally {
    fn default() -> Tally {
        Tally { pending: Mutex::default(), going_on: Cache::new(REMEMBERED), counted: Notify::new() }
    }
}

impl Tally {
    /// One download, unless the visitor is in the middle of it: by their name within the time of a lease, and whoever does
    /// not begin at the beginning. A restart forgets the names, and those who then resume were counted before it.
    pub fn count(&self, share: ShareKey, item: ItemKey, visitor: &Visitor, range_start: u64, now_ms: i64) -> Lease {
        let in_the_middle = range_start > 0;
        let goes_on = match visitor.known_as() {
            Some(name) => {
                let key = (share, item, name);
                let known = self.going_on.get(&key).is_some_and(|until_ms| until_ms > now_ms);
                if known || !in_the_middle {
                    self.going_on.insert(key, now_ms + LEASE_MS);
                }
                known || in_the_middle
            }
            None => in_the_middle,
        };
        if goes_on {
            return Lease::GoesOn;
        }
        self.add(share, 1);
        Lease::Tally(share)
    }

    /// Not one byte went out.
    pub fn take_back(&self, share: ShareKey) {
        self.add(share, -1);
    }

    fn add(&self, share: ShareKey, count: i64) {
        *self.lock().entry(share).or_default() += count;
        self.counted.notify_one();
    }

    /// A panic while the lock was held leaves the map whole: each change is one call.
    fn lock(&self) -> MutexGuard<'_, HashMap<ShareKey, i64>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds what was counted, a few times a second, for as long as the server runs.
pub async fn keep(app: Arc<App>) {
    loop {
        app.tally.counted.notified().await;
        tokio::time::sleep(GATHER).await;
        if let Err(error) = settle(&app).await {
            tracing::debug!(%error, "downloads will be counted a little later");
            app.tally.counted.notify_one();
        }
    }
}

/// Adds what was counted so far.
pub async fn settle(app: &App) -> Result<()> {
    let pending = std::mem::take(&mut *app.tally.lock());
    if pending.is_empty() {
        return Ok(());
    }
    let counts: Vec<(ShareKey, i64)> =
        pending.iter().filter(|(_, count)| **count != 0).map(|(share, count)| (*share, *count)).collect();
    let added = app.db.write(move |tx| shares::add_downloads(tx, &counts)).await;
    if added.is_err() {
        let mut later = app.tally.lock();
        for (share, count) in pending {
            *later.entry(share).or_default() += count;
        }
    }
    added
}
