//! Hears of changes below libraries' folders. A hint only: where it cannot be had, the rescan finds them.
//!
//! Asks the kernel for changes alone. Watchers that hear of each opening too would wake a thread for every file that is
//! sent, which took nearly half of the time of a small one (`bench/run files`).

use std::collections::HashMap;
use std::io::{PipeReader, PipeWriter};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use walkdir::WalkDir;

use super::{Order, lock};
use crate::library::names::is_left_out;
use crate::library::{Library, LibraryKey, LibraryKind};

const WANTED: WatchFlags = WatchFlags::ATTRIB
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DONT_FOLLOW)
    .union(WatchFlags::ONLYDIR);
/// Room for some hundred events.
const EVENTS_BYTES: usize = 16 * 1024;

pub(super) struct Watch {
    folders: Arc<Mutex<Folders>>,
    roots: HashMap<LibraryKey, PathBuf>,
    /// Ends the thread when it is dropped.
    end: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

/// Folders that are watched, by the kernel's number of each.
struct Folders {
    kernel: Arc<OwnedFd>,
    by_number: HashMap<i32, Folder>,
}

struct Folder {
    path: PathBuf,
    /// Libraries may lie in each other.
    libraries: Vec<LibraryKey>,
}

impl Watch {
    /// None where the kernel has no watch to give.
    pub(super) fn start(orders: Sender<Order>) -> Option<Watch> {
        let started = Watch::try_start(orders);
        started.inspect_err(|cause| tracing::warn!(%cause, "changes are found by rescans only")).ok()
    }

    fn try_start(orders: Sender<Order>) -> std::io::Result<Watch> {
        let kernel = Arc::new(inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?);
        let (ended, end) = std::io::pipe()?;
        let folders = Arc::new(Mutex::new(Folders { kernel: Arc::clone(&kernel), by_number: HashMap::new() }));
        let heard = Arc::clone(&folders);
        let thread = std::thread::Builder::new()
            .name("watch".to_owned())
            .spawn(move || listen(&kernel, &ended, &heard, &orders))?;
        Ok(Watch { folders, roots: HashMap::new(), end: Some(end), thread: Some(thread) })
    }

    /// True where changes are heard of from now on that were not before.
    pub(super) fn watch(&mut self, library: &Library) -> bool {
        // The folder around a single item may be large, and is none of our business.
        if library.kind == LibraryKind::Single || self.roots.get(&library.key) == Some(&library.root) {
            return false;
        }
        self.forget(library.key);
        let added = lock(&self.folders).add(&library.root, &[library.key]);
        match &added {
            Ok(()) => _ = self.roots.insert(library.key, library.root.clone()),
            Err(cause) => tracing::warn!(library.name, %cause, "changes are found by rescans only"),
        }
        added.is_ok()
    }

    pub(super) fn forget(&mut self, library: LibraryKey) {
        if self.roots.remove(&library).is_some() {
            lock(&self.folders).forget(library);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.end.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the watch of libraries panicked");
        }
    }
}

impl Folders {
    /// A folder and all below it; what vanishes meanwhile is left out. An error leaves those that were reached.
    fn add(&mut self, top: &Path, libraries: &[LibraryKey]) -> std::io::Result<()> {
        let is_served = |entry: &walkdir::DirEntry| {
            entry.file_type().is_dir() && (entry.depth() == 0 || !is_left_out(entry.file_name().as_bytes()))
        };
        for entry in WalkDir::new(top).into_iter().filter_entry(is_served).filter_map(|entry| entry.ok()) {
            let number = match inotify::add_watch(&*self.kernel, entry.path(), WANTED) {
                Ok(number) => number,
                Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS | Errno::LOOP) => continue,
                Err(cause) => return Err(cause.into()),
            };
            let folder = Folder { path: PathBuf::new(), libraries: Vec::new() };
            let folder = self.by_number.entry(number).or_insert(folder);
            // One that was moved within a library has its number still.
            folder.path = entry.into_path();
            let new = libraries.iter().filter(|library| !folder.libraries.contains(library)).copied();
            folder.libraries.extend(new.collect::<Vec<_>>());
        }
        Ok(())
    }

    fn forget(&mut self, library: LibraryKey) {
        let kernel = Arc::clone(&self.kernel);
        self.by_number.retain(|number, folder| {
            folder.libraries.retain(|other| *other != library);
            let is_wanted = !folder.libraries.is_empty();
            if !is_wanted {
                // Gone by itself if the folder is.
                let _ = inotify::remove_watch(&*kernel, *number);
            }
            is_wanted
        });
    }

    /// The libraries that an event concerns.
    fn hear(&mut self, number: i32, what: ReadFlags, name: Option<&[u8]>) -> Vec<LibraryKey> {
        if what.contains(ReadFlags::QUEUE_OVERFLOW) {
            let mut all: Vec<_> = self.by_number.values().flat_map(|folder| folder.libraries.clone()).collect();
            all.sort_unstable();
            all.dedup();
            return all;
        }
        if what.contains(ReadFlags::IGNORED) {
            self.by_number.remove(&number);
            return Vec::new();
        }
        let Some(folder) = self.by_number.get(&number) else { return Vec::new() };
        if name.is_some_and(is_left_out) {
            return Vec::new();
        }
        let libraries = folder.libraries.clone();
        let is_new_folder = what.contains(ReadFlags::ISDIR) && what.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO);
        if let (true, Some(name)) = (is_new_folder, name) {
            let path = folder.path.join(std::ffi::OsStr::from_bytes(name));
            if let Err(cause) = self.add(&path, &libraries) {
                tracing::warn!(%cause, "changes in new folders are found by rescans only");
            }
        }
        libraries
    }
}

fn listen(kernel: &OwnedFd, ended: &PipeReader, folders: &Mutex<Folders>, orders: &Sender<Order>) {
    let mut room = [MaybeUninit::uninit(); EVENTS_BYTES];
    let mut events = Reader::new(kernel, &mut room);
    loop {
        let mut sources = [PollFd::new(kernel, PollFlags::IN), PollFd::new(ended, PollFlags::IN)];
        match poll(&mut sources, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(cause) => return tracing::error!(%cause, "changes are found by rescans only"),
        }
        if !sources[1].revents().is_empty() {
            return;
        }
        loop {
            let heard = match events.next() {
                Ok(event) => {
                    lock(folders).hear(event.wd(), event.events(), event.file_name().map(|name| name.to_bytes()))
                }
                Err(Errno::AGAIN | Errno::INTR) => break,
                Err(cause) => return tracing::error!(%cause, "changes are found by rescans only"),
            };
            for library in heard {
                let _ = orders.send(Order::Heard(library));
            }
        }
    }
}
