//! Transfers that are running, so that a revoked share ends them too.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::App;
use crate::error::Result;
use crate::share::ShareKey;
use crate::share::visit::LeaseKey;
use crate::store::shares;

/// How often running transfers are held against the database. It finds a revoke wherever it happened: here, on another
/// node, on the command line; five seconds are promised.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

#[derive(Default)]
pub struct Transfers {
    running: Mutex<HashMap<u64, Running>>,
    next: AtomicU64,
}

struct Running {
    /// An archive may be of several.
    shares: Vec<(ShareKey, i64)>,
    leases: Vec<LeaseKey>,
    cancel: watch::Sender<bool>,
}

impl Transfers {
    /// Registers a transfer; the receiver turns true when it must end. Of what came by no share it never does. Each
    /// share comes with the epoch at which it was opened.
    pub fn begin(&self, shares: Vec<(ShareKey, i64)>, leases: Vec<LeaseKey>) -> (u64, watch::Receiver<bool>) {
        let (cancel, cancelled) = watch::channel(false);
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        if !shares.is_empty() {
            self.lock().insert(id, Running { shares, leases, cancel });
        }
        (id, cancelled)
    }

    pub fn end(&self, id: u64) {
        self.lock().remove(&id);
    }

    fn shares(&self) -> Vec<(ShareKey, i64)> {
        let mut shares: Vec<_> = self.lock().values().flat_map(|running| running.shares.clone()).collect();
        shares.sort_unstable();
        shares.dedup();
        shares
    }

    fn leases(&self) -> Vec<LeaseKey> {
        self.lock().values().flat_map(|running| running.leases.clone()).collect()
    }

    fn cancel(&self, shares: &[ShareKey]) {
        let of_these = |running: &&Running| running.shares.iter().any(|(share, _)| shares.contains(share));
        for running in self.lock().values().filter(of_these) {
            running.cancel.send_replace(true);
        }
    }

    /// A panic while the lock was held leaves the map whole: each change is one call.
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends transfers of shares that no longer stand, for as long as the server runs.
pub async fn watch_revocations(app: Arc<App>) {
    let mut ticks = tokio::time::interval(LOOK_AGAIN);
    loop {
        ticks.tick().await;
        let shares = app.transfers.shares();
        if shares.is_empty() {
            continue;
        }
        match app.db.read(move |tx| shares::no_longer_standing(tx, &shares)).await {
            Ok(ended) => app.transfers.cancel(&ended),
            Err(error) => tracing::warn!(%error, "could not look for revoked shares"),
        }
    }
}

/// How often leases are tended; well within the life of one.
const TEND_LEASES: Duration = Duration::from_secs(60);

/// Keeps the leases of running transfers, and gives back what was reserved and never opened, for as long as the server
/// runs.
pub async fn tend_leases(app: Arc<App>) {
    let mut ticks = tokio::time::interval(TEND_LEASES);
    loop {
        ticks.tick().await;
        if let Err(error) = tend_once(&app, crate::now_ms()).await {
            tracing::warn!(%error, "could not tend the leases");
        }
    }
}

/// One round of it, as of a moment.
pub async fn tend_once(app: &App, now_ms: i64) -> Result<()> {
    let running = app.transfers.leases();
    let unused = app.db.read(move |tx| shares::has_unused_reservations(tx, now_ms)).await?;
    if running.is_empty() && !unused {
        return Ok(());
    }
    app.db
        .write(move |tx| {
            shares::keep_leases(tx, &running, now_ms)?;
            shares::give_back_reserved(tx, now_ms)
        })
        .await
}
