//! What was made once and may be thrown away: a folder of whole entries, and those that are being made.
//!
//! An entry grows in a file of its own and gets its name when it is whole, so that a name never stands for a part. Who
//! asks for one that is growing reads along. It is given up when nobody reads along any more. When the folder holds more
//! than its quota, what was not read for longest goes.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::Stat;
use crate::account::token::random_base62;
use crate::error::{Error, Result};
use crate::hex;

/// Holds what is not whole yet.
const GROWING: &str = "growing";
/// An entry takes whole blocks of the disk.
const BLOCK_BYTES: u64 = 4096;
/// How exactly it is known when an entry was read last.
const TOUCH: Duration = Duration::from_secs(60);

/// Names an entry: the same for the same content made into the same thing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key(String);

impl Key {
    pub fn of(content: &str, made_into: &str) -> Key {
        Key(hex(Sha256::digest(format!("{content}\n{made_into}"))))
    }
}

/// How far an entry is.
#[derive(Debug, Clone)]
pub enum Progress {
    Growing { bytes: u64 },
    Whole { bytes: u64 },
    Failed(Error),
}

/// An entry that is being made, as one who reads along holds it.
#[derive(Debug)]
pub struct Growing {
    file: Arc<File>,
    progress: watch::Receiver<Progress>,
}

impl Growing {
    /// May be read up to the bytes that the progress tells.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Waits until there are more than `bytes` of it, or no more will come.
    pub async fn beyond(&self, bytes: u64) -> Progress {
        let mut progress = self.progress.clone();
        let enough = |now: &Progress| !matches!(now, Progress::Growing { bytes: now } if *now <= bytes);
        let reached = progress.wait_for(enough).await.map(|now| now.clone());
        reached.unwrap_or_else(|_| Progress::Failed(given_up()))
    }

    /// Waits until it is whole, and how long it is then.
    pub async fn whole(&self) -> Result<u64> {
        match self.beyond(u64::MAX).await {
            Progress::Whole { bytes } => Ok(bytes),
            Progress::Failed(error) => Err(error),
            Progress::Growing { .. } => Err(given_up()),
        }
    }
}

fn given_up() -> Error {
    Error::internal("rendition", "it was given up")
}

/// What came of asking for an entry.
pub enum Joined {
    Whole(File, Stat),
    /// Somebody makes it.
    Reader(Arc<Growing>),
    /// Nobody does: the caller fills it.
    Maker(Arc<Growing>, Sink),
}

pub struct Cache {
    folder: PathBuf,
    quota_bytes: u64,
    held_bytes: AtomicU64,
    growing: Mutex<HashMap<Key, Weak<Growing>>>,
}

impl Cache {
    /// The folder is made when it is not there.
    pub fn open(folder: PathBuf, quota_bytes: u64) -> Result<Arc<Cache>> {
        std::fs::create_dir_all(folder.join(GROWING))?;
        Ok(Arc::new(Cache { folder, quota_bytes, held_bytes: AtomicU64::new(0), growing: Mutex::default() }))
    }

    /// Removes what a server that was killed left unfinished. Blocks. Before anything is asked for.
    pub fn sweep(&self) -> Result<()> {
        let folder = self.folder.join(GROWING);
        for name in names(&folder)? {
            std::fs::remove_file(folder.join(name))?;
        }
        Ok(())
    }

    /// Removes what is beyond the quota, which may be a smaller one than before. Blocks.
    pub fn keep_quota(&self) -> Result<()> {
        self.make_room(self.quota_bytes)
    }

    /// An entry that is whole, or that somebody makes; else the caller begins it. Blocks.
    pub fn find_or_join(self: &Arc<Cache>, key: &Key) -> Result<Joined> {
        if let Some((file, stat)) = self.find(key) {
            return Ok(Joined::Whole(file, stat));
        }
        let joined = self.join(key)?;
        // It may have become whole between the two looks: it has its name before it is no longer among those that grow.
        match (&joined, self.find(key)) {
            (Joined::Maker(..), Some((file, stat))) => Ok(Joined::Whole(file, stat)),
            _ => Ok(joined),
        }
    }

    fn find(&self, key: &Key) -> Option<(File, Stat)> {
        let file = File::open(self.folder.join(&key.0)).ok()?;
        let stat = Stat::of(&file).ok()?;
        let now = SystemTime::now();
        let read_at = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(stat.modified_ms).unwrap_or(0));
        if now.duration_since(read_at).is_ok_and(|since| since > TOUCH) {
            let _ = file.set_modified(now);
        }
        Some((file, stat))
    }

    fn join(self: &Arc<Cache>, key: &Key) -> Result<Joined> {
        if let Some(growing) = self.lock().get(key).and_then(Weak::upgrade) {
            return Ok(Joined::Reader(growing));
        }
        let path = self.folder.join(GROWING).join(random_base62(22));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        let file = Arc::new(file);
        let (sender, progress) = watch::channel(Progress::Growing { bytes: 0 });
        let growing = Arc::new(Growing { file: Arc::clone(&file), progress });
        let sink = Sink { cache: Arc::clone(self), key: key.clone(), path, file, bytes: 0, progress: sender };
        let mut all = self.lock();
        if let Some(growing) = all.get(key).and_then(Weak::upgrade) {
            return Ok(Joined::Reader(growing));
        }
        all.insert(key.clone(), Arc::downgrade(&growing));
        Ok(Joined::Maker(growing, sink))
    }

    /// Removes what was not read for longest until no more than `most_bytes` are held.
    fn make_room(&self, most_bytes: u64) -> Result<()> {
        let mut entries = Vec::new();
        for name in names(&self.folder)?.into_iter().filter(|name| name != GROWING) {
            let path = self.folder.join(name);
            if let Ok(found) = path.metadata() {
                entries.push((found.modified().unwrap_or(SystemTime::UNIX_EPOCH), on_disk_bytes(found.len()), path));
            }
        }
        entries.sort_unstable();
        let mut held: u64 = entries.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in entries {
            if held <= most_bytes {
                break;
            }
            std::fs::remove_file(path)?;
            held -= bytes;
        }
        self.held_bytes.store(held, Ordering::Relaxed);
        Ok(())
    }

    /// A panic while the lock was held leaves the map whole: each change is one call.
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Weak<Growing>>> {
        self.growing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}

fn on_disk_bytes(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK_BYTES) * BLOCK_BYTES
}

/// Where the maker of an entry writes it. Dropped before it is finished, nothing remains, and who reads along learns that
/// it failed.
pub struct Sink {
    cache: Arc<Cache>,
    key: Key,
    path: PathBuf,
    file: Arc<File>,
    bytes: u64,
    progress: watch::Sender<Progress>,
}

impl Sink {
    /// Blocks. A full disk takes its room from older entries, once.
    pub fn write(&mut self, block: &[u8]) -> Result<()> {
        let bytes = self.bytes + block.len() as u64;
        if bytes > self.cache.quota_bytes {
            return Err(Error::NoSpace);
        }
        let mut written = self.file.write_all_at(block, self.bytes).map_err(Error::from);
        if matches!(written, Err(Error::NoSpace)) {
            self.cache.make_room(self.cache.held_bytes.load(Ordering::Relaxed) / 2)?;
            written = self.file.write_all_at(block, self.bytes).map_err(Error::from);
        }
        written?;
        self.bytes = bytes;
        self.progress.send_replace(Progress::Growing { bytes });
        Ok(())
    }

    /// Returns when nobody reads along any more.
    pub fn abandoned(&self) -> impl Future<Output = ()> + Send + use<> {
        let progress = self.progress.clone();
        async move { progress.closed().await }
    }

    /// Gives the entry its name. Blocks. Readers need not wait for the disk.
    pub fn finish(self) -> Result<()> {
        // Until it has its name, who asks for it still finds it here, though all who waited have it and are gone.
        let _kept = self.cache.lock().get(&self.key).and_then(Weak::upgrade);
        self.progress.send_replace(Progress::Whole { bytes: self.bytes });
        // A name must not outlive the content after a loss of power.
        self.file.sync_data()?;
        std::fs::rename(&self.path, self.cache.folder.join(&self.key.0))?;
        let added = on_disk_bytes(self.bytes);
        let held = self.cache.held_bytes.fetch_add(added, Ordering::Relaxed) + added;
        if held > self.cache.quota_bytes {
            self.cache.make_room(self.cache.quota_bytes / 10 * 9)?;
        }
        Ok(())
    }

    /// Tells who reads along why there will be no more of it.
    pub fn fail(self, error: Error) {
        self.progress.send_replace(Progress::Failed(error));
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // Gone if it was finished.
        let _ = std::fs::remove_file(&self.path);
        self.progress.send_if_modified(|progress| {
            let unfinished = matches!(progress, Progress::Growing { .. });
            if unfinished {
                *progress = Progress::Failed(given_up());
            }
            unfinished
        });
        let mut all = self.cache.lock();
        let is_ours = all.get(&self.key).is_some_and(|growing| match growing.upgrade() {
            Some(growing) => Arc::ptr_eq(&growing.file, &self.file),
            None => true,
        });
        if is_ours {
            all.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn cache(quota_bytes: u64) -> (tempfile::TempDir, Arc<Cache>) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().join("cache"), quota_bytes).unwrap();
        (folder, cache)
    }

    fn key(name: &str) -> Key {
        Key::of(name, "a thing")
    }

    fn begin(cache: &Arc<Cache>, name: &str) -> (Arc<Growing>, Sink) {
        match cache.find_or_join(&key(name)).unwrap() {
            Joined::Maker(growing, sink) => (growing, sink),
            _ => panic!("{name} is there"),
        }
    }

    fn put(cache: &Arc<Cache>, name: &str, content: &[u8]) {
        let (_growing, mut sink) = begin(cache, name);
        sink.write(content).unwrap();
        sink.finish().unwrap();
    }

    fn content(cache: &Arc<Cache>, name: &str) -> Option<Vec<u8>> {
        let (mut file, _) = cache.find(&key(name))?;
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        Some(content)
    }

    /// As if it was read so long ago.
    fn age(cache: &Arc<Cache>, name: &str, minutes: u64) {
        let file = File::open(cache.folder.join(key(name).0)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(60 * minutes)).unwrap();
    }

    fn nothing_grows(cache: &Cache) -> bool {
        names(&cache.folder.join(GROWING)).unwrap().is_empty() && cache.lock().is_empty()
    }

    #[test]
    fn one_makes_it_and_the_others_read_along() {
        let (_folder, cache) = cache(1 << 20);
        let (maker, mut sink) = begin(&cache, "a");
        let readers: Vec<_> = (0..10)
            .map(|_| match cache.find_or_join(&key("a")).unwrap() {
                Joined::Reader(growing) => growing,
                _ => panic!("made twice"),
            })
            .collect();
        sink.write(b"half").unwrap();
        for reader in readers.iter().chain([&maker]) {
            assert!(matches!(&*reader.progress.borrow(), Progress::Growing { bytes: 4 }));
            let mut seen = [0; 4];
            reader.file().read_exact_at(&mut seen, 0).unwrap();
            assert_eq!(&seen, b"half");
        }
        assert!(content(&cache, "a").is_none(), "no name stands for a part");
        sink.finish().unwrap();
        assert_eq!(content(&cache, "a").unwrap(), b"half");
        assert!(matches!(cache.find_or_join(&key("a")).unwrap(), Joined::Whole(..)));
        assert!(nothing_grows(&cache));
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_given_up_and_leaves_nothing() {
        let (_folder, cache) = cache(1 << 20);
        let (maker, mut sink) = begin(&cache, "a");
        let Joined::Reader(reader) = cache.find_or_join(&key("a")).unwrap() else { panic!() };
        sink.write(b"half").unwrap();
        drop(maker);
        let abandoned = sink.abandoned();
        tokio::pin!(abandoned);
        tokio::select! {
            biased;
            () = &mut abandoned => panic!("one still reads"),
            () = std::future::ready(()) => {}
        }
        drop(reader);
        abandoned.await;
        drop(sink);
        assert!(nothing_grows(&cache));
        begin(&cache, "a");
    }

    #[tokio::test]
    async fn who_reads_along_learns_why_it_failed() {
        let (_folder, cache) = cache(1 << 20);
        let (growing, sink) = begin(&cache, "a");
        sink.fail(Error::Busy);
        assert!(matches!(growing.whole().await, Err(Error::Busy)));
        let (growing, sink) = begin(&cache, "a");
        drop(sink);
        assert!(growing.whole().await.is_err());
        assert!(nothing_grows(&cache));
    }

    #[test]
    fn the_quota_holds_and_what_was_read_last_stays() {
        let (_folder, cache) = cache(20 * BLOCK_BYTES);
        let block = vec![1; BLOCK_BYTES as usize];
        for n in 0..20 {
            put(&cache, &format!("n{n}"), &block);
            age(&cache, &format!("n{n}"), 100 - n);
        }
        assert!((0..20).all(|n| content(&cache, &format!("n{n}")).is_some()), "within the quota all stays");
        for n in 0..20 {
            age(&cache, &format!("n{n}"), 100 - n);
        }
        assert!(content(&cache, "n0").is_some(), "the oldest is read again");
        put(&cache, "one more", &block);
        let held: Vec<bool> = (0..20).map(|n| content(&cache, &format!("n{n}")).is_some()).collect();
        assert_eq!(held.iter().filter(|there| **there).count(), 17);
        assert!(held[0] && !held[1] && !held[2] && !held[3] && held[4]);
        let (_growing, mut sink) = begin(&cache, "large");
        let written = (0..100).try_for_each(|_| sink.write(&block));
        assert!(matches!(written, Err(Error::NoSpace)), "nor does one that grows pass it");
    }

    #[test]
    fn a_smaller_quota_holds_for_what_is_there_already() {
        let (folder, cache) = cache(1 << 20);
        for n in 0..20 {
            put(&cache, &format!("n{n}"), &[1]);
        }
        let cache = Cache::open(folder.path().join("cache"), 5 * BLOCK_BYTES).unwrap();
        cache.keep_quota().unwrap();
        assert_eq!((0..20).filter(|n| content(&cache, &format!("n{n}")).is_some()).count(), 5);
    }

    #[test]
    fn what_a_killed_server_left_is_swept() {
        let (folder, cache) = cache(1 << 20);
        put(&cache, "whole", b"whole");
        let (_growing, mut sink) = begin(&cache, "part");
        sink.write(b"part").unwrap();
        let again = Cache::open(folder.path().join("cache"), 1 << 20).unwrap();
        again.sweep().unwrap();
        assert!(nothing_grows(&again));
        assert!(content(&again, "part").is_none());
        assert_eq!(content(&again, "whole").unwrap(), b"whole");
    }
}
