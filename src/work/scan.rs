//! Bringing the rows of a library in line with its disk: whole libraries by a thread of their own, single paths at once.

mod watch;

use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::blob::Root;
use crate::error::{Error, Result, Thing};
use crate::library::names::is_left_out;
use crate::library::scan::{Change, Comparison, Content, Known, Seen, State, compare};
use crate::library::tags::{self, Trouble, media_of};
use crate::library::{Item, ItemKey, ItemKind, LibraryKey, LibraryKind, Media};
use crate::now_ms;
use crate::store::scan::{Albums, Batch, Depth, Entry, Fate, Folder, Left, Put, Track};
use crate::store::{Db, library, scan as rows};
use crate::work::roots::{open, stamp_of};
use watch::Watch;

/// Changes whose tags are read ahead of being stored: few at first, so that storing begins soon.
const FIRST_CHUNK: usize = 50;
const CHUNK: usize = 1000;
/// How far whoever reads tags stands back.
const READING_NICENESS: i32 = 5;
/// The writer is not held longer than this by one part of a scan.
const WRITE_TIME: Duration = Duration::from_millis(50);
/// Albums that one transaction sorts or sums up.
const ALBUMS: u64 = 100;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Files and folders met so far.
    pub seen: u64,
    /// Changes stored so far.
    pub changed: u64,
    /// Changes to store; 0 until all is seen.
    pub total: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Complete,
    /// The root cannot be reached, or is suddenly empty: nothing was changed.
    Offline,
    /// The caller said so; the next scan goes on from here.
    Stopped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    pub ended: Ended,
    pub seen: u64,
    /// Items that were added, changed, moved, missed or came back.
    pub changed: u64,
    /// Audio files whose content could not be read.
    pub broken: u64,
}

/// Scans a whole library. For plain threads. `progress` is told how far it is and may stop it.
///
/// Blocks; rows are read once, then changes are written in short transactions, so that the library stays usable. An
/// unchanged library costs one write: when it was scanned.
pub fn scan(db: &Db, key: LibraryKey, progress: impl Fn(Progress) -> ControlFlow<()> + Sync) -> Result<Outcome> {
    let (library, top, newest) = db.read_blocking(move |tx| {
        Ok((library::by_key(tx, key)?, library::root_item(tx, key)?, rows::newest(tx, key)?))
    })?;
    let offline = |seen: usize| {
        if library.online {
            tracing::warn!(library.name, "library is offline: its root cannot be reached or is empty");
            db.write_blocking(move |tx| rows::set_offline(tx, key))?;
        }
        Ok(Outcome { ended: Ended::Offline, seen: seen as u64, changed: 0, broken: 0 })
    };
    let Ok(root) = open(&library) else { return offline(0) };
    let top = top.key;
    let known = db.read_blocking(move |tx| rows::known_in(tx, key))?;
    let had_content = known.len() > 1 && known.iter().any(|item| item.parent.is_some() && item.state == State::Here);

    let Ok(stat) = root.stat::<&[u8]>(&[]) else { return offline(0) };
    let start = Seen { parent: 0, name: Vec::new(), stamp: stamp_of(&stat), unread: false };
    let Some(seen) = walk(&root, &[], vec![start], 0, library.only.as_deref(), &progress) else {
        return Ok(Outcome { ended: Ended::Stopped, seen: 0, changed: 0, broken: 0 });
    };
    // A home may be emptied by its owner; a folder that is empty at once is more likely a disk that is not mounted.
    let is_empty = seen.len() == 1 && had_content && library.kind == LibraryKind::Folder;
    if seen[0].unread || is_empty {
        return offline(seen.len());
    }
    let comparison = compare(top, &known, &seen);
    let albums = if known.len() == 1 { Albums::AtOnce } else { Albums::AfterAll };
    drop(known);
    let batch = Batch { library: key, newest, now_ms: now_ms(), changes: comparison.changes.len(), albums };
    let work = Work { db, root: &root, base: &[], seen: &seen, comparison: &comparison, batch };
    let outcome = work.store(&progress)?;
    if outcome.ended == Ended::Complete {
        db.write_blocking(move |tx| rows::set_scanned(tx, key, now_ms()))?;
    }
    Ok(outcome)
}

/// Brings one path of a library up to date at once: after an upload, a rename (call it for the new name; the old one is
/// recognised), a new folder, a deletion. Answers the item that is there now, if any; `NotFound` when its folder is not
/// there. Blocks; for plain threads and blocking tasks.
pub fn scan_path(db: &Db, key: LibraryKey, path: &[Vec<u8>]) -> Result<Option<Item>> {
    let Some((name, folders)) = path.split_last() else {
        return Err(Error::invalid("path", "is the library itself"));
    };
    let (library, top) = db.read_blocking(move |tx| Ok((library::by_key(tx, key)?, library::root_item(tx, key)?)))?;
    // The one item of a `Single` library was named by its owner, whatever its name is.
    let is_served =
        |(depth, name): (usize, &Vec<u8>)| !is_left_out(name) || depth == 0 && library.only.as_ref() == Some(name);
    if !path.iter().enumerate().all(is_served) {
        return Ok(None);
    }
    let root = open(&library)?;
    let mut folder = top;
    for (depth, step) in folders.iter().enumerate() {
        let (parent, step) = (folder.key, step.clone());
        folder = match db.read_blocking(move |tx| library::child_named(tx, parent, &step))? {
            Some(item) if item.is_folder() => item,
            // A folder that is not known yet is indexed first, with all that is in it.
            _ => scan_path(db, key, &path[..=depth])?.filter(Item::is_folder).ok_or(Error::NotFound(Thing::Folder))?,
        };
    }

    let base = folders.to_vec();
    let start = Seen { parent: 0, name: Vec::new(), stamp: stamp_of(&root.stat(&base)?), unread: false };
    let mut seen = vec![start];
    match root.stat(path) {
        Ok(stat) => {
            seen.push(Seen { parent: 0, name: name.clone(), stamp: stamp_of(&stat), unread: false });
            seen = walk(&root, &base, seen, 1, None, &|_| ControlFlow::Continue(())).unwrap_or_default();
        }
        Err(Error::NotFound(_)) => {}
        Err(cause) => return Err(cause),
    }
    let (parent, wanted) = (folder.key, name.clone());
    let (mut known, newest) = db.read_blocking(move |tx| {
        let newest = rows::newest(tx, key)?;
        Ok((rows::known_child(tx, parent, &wanted)?, newest))
    })?;
    add_from_elsewhere(db, key, &root, &seen, &mut known)?;
    let comparison = compare(folder.key, &known, &seen);
    let changes = comparison.changes.len();
    let batch = Batch { library: key, newest, now_ms: now_ms(), changes, albums: Albums::AfterAll };
    Work { db, root: &root, base: &base, seen: &seen, comparison: &comparison, batch }
        .store(&|_| ControlFlow::Continue(()))?;
    let (parent, wanted) = (folder.key, name.clone());
    db.read_blocking(move |tx| library::child_named(tx, parent, &wanted))
}

/// Items that have the inode of something new here and are gone from where they were: they were moved here.
fn add_from_elsewhere(db: &Db, key: LibraryKey, root: &Root, seen: &[Seen], known: &mut Vec<Known>) -> Result<()> {
    let mut here: HashSet<ItemKey> = known.iter().map(|item| item.key).collect();
    for entry in &seen[1..] {
        let (inode, Some(birth_ns)) = (entry.stamp.inode, entry.stamp.birth_ns) else { continue };
        let candidates = db.read_blocking(move |tx| {
            let mut placed = Vec::new();
            for candidate in rows::with_inode(tx, key, inode, birth_ns)? {
                if let Some(item) = library::item(tx, candidate)? {
                    placed.extend(library::place(tx, item, &[]).ok());
                }
            }
            Ok(placed)
        })?;
        for placed in candidates {
            let candidate = placed.item.key;
            let is_there = root.stat(&placed.path).is_ok_and(|stat| {
                let found = stamp_of(&stat);
                (found.inode, found.birth_ns) == (inode, Some(birth_ns))
            });
            if is_there || here.contains(&candidate) {
                continue;
            }
            for mut item in db.read_blocking(move |tx| rows::known(tx, candidate, Depth::Whole))? {
                if here.insert(item.key) {
                    if item.state == State::Here {
                        // What is in a moved folder is met at its path there, as in any folder.
                        item.state = if item.key == candidate { State::Elsewhere } else { State::Here };
                    }
                    known.push(item);
                }
            }
        }
    }
    Ok(())
}

// Seeing -------------------------------------------------------------------------------------------------------------

type Report<'a> = &'a (dyn Fn(Progress) -> ControlFlow<()> + Sync);

/// Folders that are listed between two reports: most wait for the disk, so all processors list.
const FOLDERS: usize = 256;

/// Lists all folders of `seen` from entry `from` on, and those found on the way. `None` when it was stopped.
fn walk(
    root: &Root,
    base: &[Vec<u8>],
    mut seen: Vec<Seen>,
    from: usize,
    only: Option<&[u8]>,
    progress: Report,
) -> Option<Vec<Seen>> {
    let mut at = from;
    while at < seen.len() {
        let folders = (at..seen.len()).filter(|at| seen[*at].stamp.kind == ItemKind::Folder);
        let folders: Vec<usize> = folders.take(FOLDERS).collect();
        let listed = by_all_processors(&folders, |at| root.list(&path_of(base, &seen, *at)));
        for (folder, found) in folders.iter().zip(listed) {
            match found {
                Ok(found) => {
                    let is_served = |name: &[u8]| !is_left_out(name) || *folder == 0 && only == Some(name);
                    for (name, stat) in found.into_iter().filter(|(name, _)| is_served(name)) {
                        seen.push(Seen { parent: *folder, name, stamp: stamp_of(&stat), unread: false });
                    }
                }
                Err(cause) => {
                    tracing::warn!(%cause, "a folder cannot be listed; what is known of it stays");
                    seen[*folder].unread = true;
                }
            }
        }
        at = folders.last().map_or(seen.len(), |last| last + 1);
        if progress(Progress { seen: seen.len() as u64, ..Progress::default() }).is_break() {
            return None;
        }
    }
    Some(seen)
}

/// What `work` makes of each, in order.
fn by_all_processors<T: Sync, R: Send>(of: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut made = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(one) = of.get(at) else { return made };
            made.push((at, work(one)));
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(of.len());
    let mut made: Vec<(usize, R)> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut made = work();
        made.extend(others.into_iter().flat_map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic))));
        made
    });
    made.sort_unstable_by_key(|(at, _)| *at);
    made.into_iter().map(|(_, one)| one).collect()
}

fn path_of(base: &[Vec<u8>], seen: &[Seen], mut at: usize) -> Vec<Vec<u8>> {
    let mut path = Vec::new();
    while at != 0 {
        path.push(seen[at].name.clone());
        at = seen[at].parent;
    }
    path.extend(base.iter().rev().cloned());
    path.reverse();
    path
}

// Storing ------------------------------------------------------------------------------------------------------------

struct Work<'a> {
    db: &'a Db,
    root: &'a Root,
    /// Where entry 0 of `seen` is.
    base: &'a [Vec<u8>],
    seen: &'a [Seen],
    comparison: &'a Comparison,
    batch: Batch,
}

impl Work<'_> {
    fn store(&self, progress: Report) -> Result<Outcome> {
        let broken = AtomicUsize::new(0);
        let (ended, changed) = self.store_changes(progress, &broken)?;
        if ended == Ended::Complete {
            self.sum_up()?;
        }
        Ok(Outcome { ended, seen: self.seen.len() as u64, changed, broken: broken.load(Ordering::Relaxed) as u64 })
    }

    /// How many are stored at its end. Tags of the next chunk are read while one is stored.
    fn store_changes(&self, progress: Report, broken: &AtomicUsize) -> Result<(Ended, u64)> {
        let (seen, total) = (self.seen.len() as u64, self.comparison.changes.len() as u64);
        let mut changed = 0;
        if progress(Progress { seen, changed, total }).is_break() {
            return Ok((Ended::Stopped, changed));
        }
        thread::scope(|scope| {
            let (ready, chunks) = sync_channel(1);
            scope.spawn(move || self.read_chunks(broken, &ready));
            let (mut keys, mut part) = (HashMap::new(), FIRST_CHUNK);
            for chunk in chunks {
                let mut rest: VecDeque<Entry> = chunk.into();
                while !rest.is_empty() {
                    let entries: Vec<Entry> = rest.drain(..part.min(rest.len())).collect();
                    changed += entries.len() as u64;
                    let took = self.commit(entries, &mut keys)?;
                    part = if took > WRITE_TIME { (part / 2).max(1) } else { (part * 2).min(CHUNK) };
                    if progress(Progress { seen, changed, total }).is_break() {
                        return Ok((Ended::Stopped, changed));
                    }
                }
            }
            Ok((Ended::Complete, changed))
        })
    }

    /// Until nobody takes them any more. The first are few, so that something is stored soon.
    fn read_chunks(&self, broken: &AtomicUsize, ready: &SyncSender<Vec<Entry>>) {
        // Its threads have it from this one. Storing goes first, and so does whoever listens meanwhile.
        let _ = rustix::process::nice(READING_NICENESS);
        let (mut rest, mut size) = (self.comparison.changes.as_slice(), FIRST_CHUNK);
        while !rest.is_empty() {
            let (chunk, others) = rest.split_at(size.min(rest.len()));
            if ready.send(self.entries(chunk, broken)).is_err() {
                break;
            }
            (rest, size) = (others, (size * 2).min(CHUNK));
        }
    }

    /// Tells how long the statements took. `keys`: of what was new at entries of `seen` before, and is from now on.
    fn commit(&self, entries: Vec<Entry>, keys: &mut HashMap<usize, ItemKey>) -> Result<Duration> {
        let (batch, mut so_far) = (self.batch, std::mem::take(keys));
        let (took, so_far) = self.db.write_repeatable_blocking(move |tx| {
            let begun = Instant::now();
            rows::commit(tx, batch, &entries, &mut so_far)?;
            Ok((begun.elapsed(), so_far))
        })?;
        *keys = so_far;
        Ok(took)
    }

    /// Albums and artists of what was stored now, or by a scan that was stopped.
    fn sum_up(&self) -> Result<()> {
        let (library, now_ms) = (self.batch.library, self.batch.now_ms);
        if !self.db.read_blocking(move |tx| rows::is_unfinished(tx, library))? {
            return Ok(());
        }
        while self.db.write_repeatable_blocking(move |tx| rows::sort(tx, library, ALBUMS, now_ms))? == Left::More {}
        while self.db.write_repeatable_blocking(move |tx| rows::refresh(tx, library, ALBUMS))? == Left::More {}
        self.db.write_repeatable_blocking(rows::forget_unused_names)?;
        Ok(())
    }

    /// What is to be stored for these changes; the tags of audio files are read by all processors.
    fn entries(&self, changes: &[Change], broken: &AtomicUsize) -> Vec<Entry> {
        by_all_processors(changes, |change| self.entry(change, broken)).into_iter().flatten().collect()
    }

    fn reads_tags(&self, change: &Change) -> bool {
        let (at, needed) = match *change {
            Change::Added { at } => (at, true),
            // By its name and folder a file without tags is titled and put into an album.
            Change::Kept { at, moved, content, .. } => (at, moved || content == Content::Changed),
            Change::Missing { .. } => return false,
        };
        let entry = &self.seen[at];
        needed && entry.stamp.kind == ItemKind::File && media_of(&entry.name) == Media::Audio
    }

    /// `None` where nothing can be said now, so that what is known stays.
    fn entry(&self, change: &Change, broken: &AtomicUsize) -> Option<Entry> {
        let (at, fate, renamed) = match *change {
            Change::Missing { key } => return Some(Entry::Missing { key }),
            Change::Added { at } => (at, Fate::Added, false),
            Change::Kept { key, at, moved, back, content } if moved || back => {
                (at, Fate::Placed { key, content }, moved)
            }
            Change::Kept { key, at, content, .. } => (at, Fate::Stays { key, content }, false),
        };
        let entry = &self.seen[at];
        let media = if entry.stamp.kind == ItemKind::File { media_of(&entry.name) } else { Media::None };
        let folder = match (at, self.comparison.keys[entry.parent]) {
            (0, _) => Folder::None,
            (_, Some(key)) => Folder::Known(key),
            (_, None) => Folder::At(entry.parent),
        };
        let mut stamp = entry.stamp;
        let track = if self.reads_tags(change) {
            match (self.facts(at, broken), fate) {
                (Read::Facts(facts), _) => Track::Facts(facts),
                (Read::Gone, _) | (Read::Failed(_), Fate::Stays { .. }) => return None,
                // A little older than it is, so that the next scan finds it changed and reads it again.
                (Read::Failed(facts), Fate::Added) => {
                    stamp.modified_ns -= 1;
                    Track::Facts(facts)
                }
                (Read::Failed(_), Fate::Placed { .. }) => {
                    stamp.modified_ns -= 1;
                    Track::Unchanged
                }
            }
        } else if renamed && entry.stamp.kind == ItemKind::File {
            Track::None
        } else {
            Track::Unchanged
        };
        Some(Entry::Put(Box::new(Put { at, folder, name: entry.name.clone(), stamp, media, fate, track })))
    }

    fn facts(&self, at: usize, broken: &AtomicUsize) -> Read {
        let name = &self.seen[at].name;
        let (facts, trouble) = match self.root.open_file(&path_of(self.base, self.seen, at)) {
            Ok(file) => tags::read(file, name),
            Err(Error::NotFound(_)) => return Read::Gone,
            Err(cause) => (tags::facts_of_name(name), Some(Trouble::Unread(cause.to_string()))),
        };
        let facts = Box::new(facts);
        let (why, read) = match trouble {
            None => return Read::Facts(facts),
            Some(Trouble::Broken(why)) => (why, Read::Facts(facts)),
            Some(Trouble::Unread(why)) => (why, Read::Failed(facts)),
        };
        broken.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(file = %String::from_utf8_lossy(name), why, "audio file cannot be read");
        read
    }
}

/// What came of reading a file's tags.
enum Read {
    Facts(Box<tags::Facts>),
    /// It is not there any more.
    Gone,
    /// The disk failed; the facts are those of its name.
    Failed(Box<tags::Facts>),
}

// The scanner --------------------------------------------------------------------------------------------------------

/// How long a library must be quiet before what was heard of it is looked at, and how long at most that waits.
const QUIET: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Status {
    pub is_scanning: bool,
    /// Files and folders met by the scan that runs, else by the last one.
    pub count: u64,
    /// When the last scan ended.
    pub last_ms: Option<i64>,
}

/// The thread that scans libraries: when asked, when something is heard of them, and all of them at intervals.
pub struct Scanner {
    orders: Sender<Order>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    status: Mutex<Status>,
    /// Scans that others run.
    elsewhere: AtomicUsize,
    stopping: AtomicBool,
}

/// Somebody else's scan, for as long as it runs.
pub struct Elsewhere(Arc<Shared>);

impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.0.elsewhere.fetch_sub(1, Ordering::Relaxed);
    }
}

enum Order {
    Scan(LibraryKey),
    ScanAll,
    /// Somebody else scanned the library.
    Scanned(LibraryKey),
    /// Something happened in the library.
    Heard(LibraryKey),
    Stop,
}

impl Scanner {
    /// Scans all libraries at once, and again after each `interval`.
    pub fn start(db: Db, interval: Duration) -> Result<Scanner> {
        let (orders, inbox) = channel();
        let shared = Arc::new(Shared::default());
        let watch = Watch::start(orders.clone());
        let thread = {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name("scanner".to_owned())
                .spawn(move || Loop { db, shared, watch, interval, waiting: HashMap::new() }.run(&inbox))?
        };
        let scanner = Scanner { orders, shared, thread: Some(thread) };
        scanner.request_all();
        Ok(scanner)
    }

    /// Scans this library as soon as the thread is free.
    pub fn request(&self, library: LibraryKey) {
        lock(&self.shared.status).is_scanning = true;
        // It fails only when the thread has ended, at shutdown.
        let _ = self.orders.send(Order::Scan(library));
    }

    /// Somebody else scans: whoever stands behind scans stands behind this one too.
    pub fn elsewhere(&self) -> Elsewhere {
        self.shared.elsewhere.fetch_add(1, Ordering::Relaxed);
        Elsewhere(Arc::clone(&self.shared))
    }

    /// Somebody else scanned this library: it is watched from now on, and scanned again only if it was not until now.
    pub fn was_scanned(&self, library: LibraryKey) {
        let _ = self.orders.send(Order::Scanned(library));
    }

    pub fn request_all(&self) {
        lock(&self.shared.status).is_scanning = true;
        let _ = self.orders.send(Order::ScanAll);
    }

    pub fn status(&self) -> Status {
        let status = *lock(&self.shared.status);
        Status { is_scanning: status.is_scanning || self.shared.elsewhere.load(Ordering::Relaxed) > 0, ..status }
    }
}

impl Drop for Scanner {
    /// Stops a running scan at its next report and waits for it.
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        let _ = self.orders.send(Order::Stop);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the scanner panicked");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A library that waits for its scan: from when on, and since when.
#[derive(Clone, Copy)]
struct Due {
    at: Instant,
    since: Instant,
}

struct Loop {
    db: Db,
    shared: Arc<Shared>,
    watch: Option<Watch>,
    interval: Duration,
    waiting: HashMap<LibraryKey, Due>,
}

impl Loop {
    fn run(mut self, inbox: &Receiver<Order>) {
        let mut next_round = Instant::now() + self.interval;
        loop {
            let wake = self.waiting.values().map(|due| due.at).min().unwrap_or(next_round).min(next_round);
            let mut order = match inbox.recv_timeout(wake.saturating_duration_since(Instant::now())) {
                Ok(order) => Some(order),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            while let Some(taken) = order {
                match taken {
                    Order::Scan(library) => self.wait(library, Duration::ZERO),
                    Order::ScanAll => self.wait_all(),
                    Order::Scanned(library) => self.watch_scanned(library),
                    Order::Heard(library) => self.wait(library, QUIET),
                    Order::Stop => return,
                }
                order = inbox.try_recv().ok();
            }
            if Instant::now() >= next_round {
                self.wait_all();
                next_round = Instant::now() + self.interval;
            }
            self.scan_due();
        }
    }

    fn wait(&mut self, library: LibraryKey, quiet: Duration) {
        let now = Instant::now();
        let due = self.waiting.entry(library).or_insert(Due { at: now + quiet, since: now });
        let is_asked = quiet.is_zero() || due.at <= due.since;
        due.at = if is_asked { due.since } else { (now + quiet).min(due.since + PATIENCE) };
    }

    fn watch_scanned(&mut self, key: LibraryKey) {
        let Ok(library) = self.db.read_blocking(move |tx| library::by_key(tx, key)) else { return };
        // What changed between that scan and the watch would not be heard of.
        if self.watch.as_mut().is_some_and(|watch| watch.watch(&library)) {
            self.wait(key, Duration::ZERO);
        }
    }

    fn wait_all(&mut self) {
        match self.db.read_blocking(library::all) {
            Ok(libraries) => libraries.iter().for_each(|library| self.wait(library.key, Duration::ZERO)),
            Err(cause) => tracing::error!(%cause, "libraries cannot be listed for a scan"),
        }
    }

    fn scan_due(&mut self) {
        let now = Instant::now();
        let mut due: Vec<LibraryKey> =
            self.waiting.iter().filter(|(_, due)| due.at <= now).map(|(library, _)| *library).collect();
        due.sort_unstable();
        for library in due {
            self.waiting.remove(&library);
            self.scan_one(library);
            if self.shared.stopping.load(Ordering::Relaxed) {
                return;
            }
        }
        lock(&self.shared.status).is_scanning = false;
    }

    fn forget(&mut self, library: LibraryKey) {
        self.watch.iter_mut().for_each(|watch| watch.forget(library));
    }

    fn scan_one(&mut self, key: LibraryKey) {
        {
            let mut status = lock(&self.shared.status);
            status.is_scanning = true;
            status.count = 0;
        }
        // Before the scan, so that nothing is missed between the two.
        match self.db.read_blocking(move |tx| library::by_key(tx, key)) {
            Ok(library) => _ = self.watch.as_mut().map(|watch| watch.watch(&library)),
            Err(Error::NotFound(_)) => return self.forget(key),
            Err(_) => {}
        }
        let shared = Arc::clone(&self.shared);
        let outcome = scan(&self.db, key, |progress| {
            lock(&shared.status).count = progress.seen;
            if shared.stopping.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        match outcome {
            Ok(outcome) => {
                if outcome.ended == Ended::Offline {
                    // A watch of a folder that is gone hears nothing; a new one is made when it is back.
                    self.forget(key);
                }
                let mut status = lock(&self.shared.status);
                status.count = outcome.seen;
                status.last_ms = Some(now_ms());
                tracing::debug!(library = key.0, ?outcome, "scanned");
            }
            Err(cause) => tracing::error!(library = key.0, %cause, "scan failed"),
        }
    }
}
