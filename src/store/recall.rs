//! Answers of reads that are asked again and again, kept for as long as nobody commits anything.
//!
//! SQLite tells by one look into shared memory whether any connection of any process committed since, so a kept answer is
//! never older than the last acknowledged write: a share that was revoked is revoked at the next request. PostgreSQL cannot
//! tell without being asked over its socket, so there each read is made.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::{Connection, Db, Tx};
use crate::error::Error;

/// What all kept answers weigh at most.
const KEPT_BYTES: u64 = 16 * 1024 * 1024;
/// Answers beyond this are not kept: they cost more to make than to look up, and would push out many others.
const ANSWER_BYTES: usize = 256 * 1024;
/// What the cache itself and the usual answer's own fields take.
const LEAST_BYTES: usize = 1024;

pub(super) struct Recall {
    /// Looks at the version of the whole; does nothing else. None for an engine that has no such version, and once closed.
    watch: Mutex<Option<Connection>>,
    kept: Cache<Key, Kept, ByBytes>,
}

type Key = (&'static str, String);

#[derive(Clone)]
struct Kept {
    version: i64,
    bytes: usize,
    answer: Arc<dyn Any + Send + Sync>,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Key, Kept> for ByBytes {
    fn weight(&self, _: &Key, kept: &Kept) -> u64 {
        (LEAST_BYTES + kept.bytes) as u64
    }
}

/// What an answer holds besides its own fields, roughly.
pub trait Weighed: Send + Sync + 'static {
    fn bytes(&self) -> usize {
        0
    }
}

impl Recall {
    pub(super) fn new(watch: Option<Connection>) -> Recall {
        let answers = KEPT_BYTES as usize / (2 * LEAST_BYTES);
        Recall { watch: Mutex::new(watch), kept: Cache::with_weighter(answers, KEPT_BYTES, ByBytes) }
    }

    fn version(&self) -> Option<i64> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner).as_mut()?.version()
    }

    pub(super) fn close(&self) {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Db {
    /// What `work` reads by itself and `key`, or what it read before if nothing was committed since. `what` names the
    /// kind of answer, one type for each. `work` must depend on nothing else: not on the time, nor on who asks. Errors
    /// are not kept.
    pub async fn recall<T: Weighed>(
        &self,
        what: &'static str,
        key: &str,
        work: impl FnOnce(&mut Tx) -> Result<T, Error> + Send + 'static,
    ) -> Result<Arc<T>, Error> {
        let recall = &self.inner.recall;
        let key = (what, key.to_owned());
        // Before the read: what is committed during it makes the answer stale too early, never too late.
        let Some(version) = recall.version() else { return self.read(work).await.map(Arc::new) };
        let known = recall.kept.get(&key).filter(|kept| kept.version == version);
        if let Some(Ok(answer)) = known.map(|kept| kept.answer.downcast::<T>()) {
            return Ok(answer);
        }
        let answer = Arc::new(self.read(work).await?);
        let bytes = answer.bytes();
        if bytes <= ANSWER_BYTES {
            recall.kept.insert(key, Kept { version, bytes, answer: answer.clone() });
        }
        Ok(answer)
    }
}
