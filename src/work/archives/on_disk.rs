//! The files of an archive as they lie on the disk: looked at once, then read as its bytes are asked for.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::Advice;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use crate::App;
use crate::blob::{Kind, Root, Stat};
use crate::error::{Error, Result, Thing};
use crate::hex;
use crate::library::{ItemKey, Library};
use crate::media::zip::{Contents, Reader, ZipEntry, ZipPlan, safe_names};
use crate::share::grant::Grant;
use crate::store::Db;
use crate::store::checksums::{self, Checksum, Version};
use crate::work::roots::open;

/// Files smaller than this are read at once.
const READ_AHEAD_BYTES: u64 = 256 * 1024;

/// How long a plan serves those who ask for parts. What is new since then is in the next one; what is no more as it was
/// planned breaks the answer and ends the plan.
const PLANNED_FOR: Duration = Duration::from_secs(60);
/// How many plans are kept at most, and what they may weigh together.
const PLANS: usize = 64;
const PLANS_BYTES: usize = 32 * 1024 * 1024;

/// The last plans that were made. Whoever resumes or reads by ranges asks often, and of many files a plan takes seconds.
#[derive(Default)]
pub struct Plans(Mutex<VecDeque<Planned>>);

struct Planned {
    key: String,
    at: Instant,
    archive: Arc<Archive>,
}

impl Plans {
    pub fn find(&self, key: &str) -> Option<Arc<Archive>> {
        let mut plans = self.lock();
        plans.retain(|plan| plan.at.elapsed() < PLANNED_FOR);
        plans.iter().find(|plan| plan.key == key).map(|plan| plan.archive.clone())
    }

    pub fn keep(&self, key: String, archive: Arc<Archive>) {
        self.forget(&key);
        let mut plans = self.lock();
        plans.push_back(Planned { key, at: Instant::now(), archive });
        while plans.len() > PLANS || plans.iter().map(|plan| plan.archive.bytes()).sum::<usize>() > PLANS_BYTES {
            plans.pop_front();
        }
    }

    fn forget(&self, key: &str) {
        self.lock().retain(|plan| plan.key != key);
    }

    /// A panic while the lock was held leaves the list whole: each change is one call.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Planned>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What lay on the disk when it was looked at.
pub struct Archive {
    plan: Arc<ZipPlan>,
    etag: String,
    libraries: Vec<Library>,
    files: Vec<OneFile>,
}

/// A file, or a folder that holds nothing, as it was when the archive was planned; small, for there may be many.
struct OneFile {
    item: ItemKey,
    /// Of `Archive::libraries`.
    library: usize,
    /// Beneath the root, with slashes; of a grant.
    path: Box<[u8]>,
    version: Version,
}

impl Archive {
    /// Files that are gone since the last scan are left out, as the next one will; that none is left is an error.
    pub fn look(files: Vec<(String, Grant)>) -> Result<Archive> {
        let is_of_nothing = files.is_empty();
        let (mut libraries, mut roots, mut found) = (Vec::new(), Vec::new(), Vec::new());
        let mut known = HashMap::new();
        let (mut names, mut times) = (Vec::new(), Vec::new());
        for (name, grant) in files {
            let library = match known.get(&grant.library().key) {
                Some(known) => *known,
                None => {
                    roots.push(open(grant.library())?);
                    libraries.push(grant.library().clone());
                    known.insert(grant.library().key, roots.len() - 1);
                    roots.len() - 1
                }
            };
            let kind = if grant.item().is_folder() { Kind::Folder } else { Kind::File };
            let stat = match roots[library].stat(grant.path()) {
                Ok(stat) if stat.kind == kind => stat,
                Ok(_) | Err(Error::NotFound(_)) => continue,
                Err(error) => return Err(error),
            };
            let size_bytes = if kind == Kind::Folder { 0 } else { stat.size_bytes };
            found.push(OneFile {
                item: grant.item().key,
                library,
                path: grant.path().join(&b'/').into(),
                version: Version { size_bytes, ..version(&stat) },
            });
            names.push(name);
            times.push(stat.modified_ms);
        }
        if found.is_empty() && !is_of_nothing {
            return Err(Error::NotFound(Thing::File));
        }
        let entries = safe_names(&names).into_iter().zip(times).zip(&found);
        let entries = entries.map(|((name, modified_ms), file)| ZipEntry {
            name,
            size_bytes: file.version.size_bytes,
            modified_ms,
        });
        let plan = ZipPlan::new(entries.collect())?;
        Ok(Archive { etag: tag(&plan, &found), plan: Arc::new(plan), libraries, files: found })
    }

    /// Whether there is not even a folder in it.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub fn size_bytes(&self) -> u64 {
        self.plan.total_bytes()
    }

    pub fn files(&self) -> usize {
        self.plan.entries().iter().filter(|entry| !entry.is_folder()).count()
    }

    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// What reads it, under the name that its plan is kept by. Opening may wait for a disk.
    pub fn reader(self: &Arc<Archive>, app: &Arc<App>, key: String) -> Result<Reader> {
        let roots = self.libraries.iter().map(open).collect::<Result<Vec<_>>>()?;
        let (app, runtime) = (Arc::clone(app), Handle::current());
        let on_disk = OnDisk { archive: Arc::clone(self), key, roots, open: None, app, runtime };
        Ok(Reader::new(self.plan.clone(), Box::new(on_disk)))
    }

    /// Roughly.
    fn bytes(&self) -> usize {
        let names: usize = self.plan.entries().iter().map(|entry| entry.name.len()).sum();
        let paths: usize = self.files.iter().map(|file| file.path.len()).sum();
        let each = size_of::<OneFile>() + size_of::<ZipEntry>() + 2 * size_of::<u64>();
        self.files.len() * each + names + paths
    }
}

/// Another one whenever a byte may differ: over the names and versions, and over how an archive is written.
fn tag(plan: &ZipPlan, files: &[OneFile]) -> String {
    let mut sum = Sha256::new_with_prefix(b"stored 1");
    for (entry, file) in plan.entries().iter().zip(files) {
        let Version { size_bytes, modified_ns, inode, birth_ns } = file.version;
        sum.update((entry.name.len() as u64).to_le_bytes());
        sum.update(&entry.name);
        sum.update(size_bytes.to_le_bytes());
        for number in [modified_ns, inode, birth_ns.unwrap_or(0)] {
            sum.update(number.to_le_bytes());
        }
    }
    hex(&sum.finalize()[..16])
}

fn version(stat: &Stat) -> Version {
    Version {
        size_bytes: stat.size_bytes,
        modified_ns: stat.modified_ns,
        inode: stat.inode.cast_signed(),
        birth_ns: stat.birth_ns,
    }
}

/// Reads the files of an archive, one open at a time, and keeps their checksums for the next who asks for a part.
struct OnDisk {
    archive: Arc<Archive>,
    /// Of the plan.
    key: String,
    /// Of the archive's libraries.
    roots: Vec<Root>,
    open: Option<(usize, File)>,
    app: Arc<App>,
    runtime: Handle,
}

impl OnDisk {
    fn open(&mut self, entry: usize) -> io::Result<&File> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != entry) {
            let OneFile { library, path, version: planned, .. } = &self.archive.files[entry];
            let file = self.roots[*library].open_file(&names(path)).map_err(io::Error::other)?;
            if version(&Stat::of(&file).map_err(io::Error::other)?) != *planned {
                return Err(changed());
            }
            if planned.size_bytes > READ_AHEAD_BYTES {
                // Only a hint: a file system that cannot read ahead still reads.
                let _ = rustix::fs::fadvise(&file, 0, None, Advice::Sequential);
            }
            self.open = Some((entry, file));
        }
        self.open.as_ref().map(|(_, file)| file).ok_or_else(changed)
    }

    /// Of what turns out to be another by now, the next request makes another plan.
    fn as_planned(&self, found: io::Result<()>) -> io::Result<()> {
        found.inspect_err(|_| self.app.plans.forget(&self.key))
    }
}

fn names(path: &[u8]) -> Vec<&[u8]> {
    path.split(|byte| *byte == b'/').collect()
}

fn changed() -> io::Error {
    io::Error::other("a file of the archive changed while it was sent")
}

impl Contents for OnDisk {
    fn read(&mut self, entry: usize, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        let read = self.open(entry).and_then(|file| file.read_exact_at(buffer, at));
        self.as_planned(read)
    }

    /// By its path: one that was replaced is another, though the open one still has the old bytes.
    fn check(&mut self, entry: usize) -> io::Result<()> {
        let OneFile { library, path, version: planned, .. } = &self.archive.files[entry];
        let stat = self.roots[*library].stat(&names(path)).map_err(io::Error::other);
        let same = stat.and_then(|stat| if version(&stat) == *planned { Ok(()) } else { Err(changed()) });
        self.as_planned(same)
    }

    fn known(&mut self, entries: Range<usize>) -> Vec<Option<u32>> {
        let items: Vec<ItemKey> = self.archive.files[entries.clone()].iter().map(|file| file.item).collect();
        let known = self.app.db.read_blocking(move |tx| checksums::of_items(tx, &items)).unwrap_or_else(|error| {
            tracing::warn!(%error, "checksums could not be looked up; files are read for them");
            Vec::new()
        });
        let known: HashMap<ItemKey, Checksum> = known.into_iter().map(|known| (known.item, known)).collect();
        let of_this = |file: &OneFile| known.get(&file.item).filter(|known| known.version == file.version);
        self.archive.files[entries].iter().map(|file| of_this(file).map(|known| known.crc32)).collect()
    }

    fn note(&mut self, sums: Vec<(usize, u32)>) {
        let found = sums.into_iter().map(|(entry, crc32)| {
            let OneFile { item, version, .. } = self.archive.files[entry];
            Checksum { item, version, crc32 }
        });
        let (found, db) = (found.collect::<Vec<_>>(), self.app.db.clone());
        self.runtime.spawn(async move {
            if let Err(error) = keep(&db, found).await {
                tracing::warn!(%error, "checksums could not be kept");
            }
        });
    }
}

/// Writes only what is not known: an archive that is fetched often finds the same each time.
async fn keep(db: &Db, found: Vec<Checksum>) -> Result<()> {
    let news = db
        .read(move |tx| {
            let items: Vec<ItemKey> = found.iter().map(|found| found.item).collect();
            let known = checksums::of_items(tx, &items)?;
            let known: HashMap<ItemKey, Checksum> = known.into_iter().map(|known| (known.item, known)).collect();
            Ok(found.into_iter().filter(|found| known.get(&found.item) != Some(found)).collect::<Vec<_>>())
        })
        .await?;
    if news.is_empty() { Ok(()) } else { db.write(move |tx| checksums::put(tx, &news)).await }
}
