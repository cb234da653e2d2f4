//! Archives: many files as one answer, whose every byte follows from what lies on the disk.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use axum::response::Response;
use rustix::fs::Advice;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use super::{on_disk, root, settle, transfer};
use crate::blob::{Kind, Root, Stat};
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::http::send::{Content, Disposition, Source, respond};
use crate::library::ItemKey;
use crate::media::zip::{Contents, Reader, ZipEntry, ZipPlan, safe_names};
use crate::share::grant::Grant;
use crate::store::Db;
use crate::store::checksums::{self, Checksum, Version};
use crate::store::shares::LeaseEnd;
use crate::work::archives::{self, Part};

/// Files smaller than this are read at once.
const READ_AHEAD_BYTES: u64 = 256 * 1024;

/// All files of these parts as one archive, stored under safe names: Range, conditions, HEAD; ends within seconds when a
/// share it comes by is revoked, and settles its leases. An archive of nothing costs nothing.
pub async fn zip(call: &Call, parts: Vec<Part>) -> Result<Response> {
    let name = if let [part] = parts.as_slice() { part.name().to_owned() } else { archives::SEVERAL.to_owned() };
    let leases: Vec<_> = parts.iter().filter_map(Part::lease).collect();
    let shares = parts.iter().filter_map(Part::share).collect();
    let transfer = transfer(call, shares, parts.iter().filter_map(Part::rate), leases.clone());
    let found = async {
        let files = call.app.db.read(move |tx| archives::files(tx, &parts)).await?;
        on_disk(move || Archive::look(files)).await
    };
    let archive = match found.await {
        Ok(archive) if !archive.files.is_empty() => archive,
        found => {
            settle(&call.app, leases, LeaseEnd::NotThere).await;
            found?
        }
    };
    let size_bytes = archive.plan.total_bytes();
    let on_disk = OnDisk {
        roots: archive.roots,
        files: archive.files,
        open: None,
        db: call.app.db.clone(),
        runtime: Handle::current(),
    };
    let content = Content {
        source: Source::Zip(Box::new(Reader::new(archive.plan, Box::new(on_disk)))),
        size_bytes,
        // A file that was taken out leaves no date behind.
        modified_ms: None,
        etag: archive.etag,
        name: format!("{name}.zip"),
        mime: "application/zip".to_owned(),
        disposition: Disposition::Attachment,
    };
    Ok(respond(&call.parts.method, &call.parts.headers, content, transfer))
}

/// What lies on the disk at this moment.
struct Archive {
    plan: ZipPlan,
    etag: String,
    roots: Vec<Root>,
    files: Vec<OneFile>,
}

/// A file as it was when the archive was planned; small, for there may be many.
struct OneFile {
    item: ItemKey,
    /// Of `Archive::roots`.
    root: usize,
    /// Beneath the root, with slashes; of a grant.
    path: Box<[u8]>,
    version: Version,
}

impl Archive {
    /// Files that are gone since the last scan are left out, as the next one will; that none is left is an error.
    fn look(files: Vec<(String, Grant)>) -> Result<Archive> {
        let is_of_nothing = files.is_empty();
        let (mut roots, mut found) = (Vec::new(), Vec::new());
        let mut known = HashMap::new();
        let (mut names, mut times) = (Vec::new(), Vec::new());
        for (name, grant) in files {
            let root = match known.get(&grant.library().key) {
                Some(known) => *known,
                None => {
                    roots.push(root(grant.library())?);
                    known.insert(grant.library().key, roots.len() - 1);
                    roots.len() - 1
                }
            };
            let stat = match roots[root].stat(grant.path()) {
                Ok(stat) if stat.kind == Kind::File => stat,
                Ok(_) | Err(Error::NotFound(_)) => continue,
                Err(error) => return Err(error),
            };
            found.push(OneFile {
                item: grant.item().key,
                root,
                path: grant.path().join(&b'/').into(),
                version: version(&stat),
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
        Ok(Archive { etag: tag(&plan, &found), plan, roots, files: found })
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
    sum.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
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
    roots: Vec<Root>,
    files: Vec<OneFile>,
    open: Option<(usize, File)>,
    db: Db,
    runtime: Handle,
}

impl OnDisk {
    fn open(&mut self, entry: usize) -> io::Result<&File> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != entry) {
            let OneFile { root, path, version: planned, .. } = &self.files[entry];
            let file = self.roots[*root].open_file(&names(path)).map_err(io::Error::other)?;
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
}

fn names(path: &[u8]) -> Vec<&[u8]> {
    path.split(|byte| *byte == b'/').collect()
}

fn changed() -> io::Error {
    io::Error::other("a file of the archive changed while it was sent")
}

impl Contents for OnDisk {
    fn read(&mut self, entry: usize, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.open(entry)?.read_exact_at(buffer, at)
    }

    /// By its path: one that was replaced is another, though the open one still has the old bytes.
    fn check(&mut self, entry: usize) -> io::Result<()> {
        let OneFile { root, path, version: planned, .. } = &self.files[entry];
        let stat = self.roots[*root].stat(&names(path)).map_err(io::Error::other)?;
        if version(&stat) == *planned { Ok(()) } else { Err(changed()) }
    }

    fn known(&mut self, entries: Range<usize>) -> Vec<Option<u32>> {
        let items: Vec<ItemKey> = self.files[entries.clone()].iter().map(|file| file.item).collect();
        let known = self.db.read_blocking(move |tx| checksums::of_items(tx, &items)).unwrap_or_else(|error| {
            tracing::warn!(%error, "checksums could not be looked up; files are read for them");
            Vec::new()
        });
        let known: HashMap<ItemKey, Checksum> = known.into_iter().map(|known| (known.item, known)).collect();
        let of_this = |file: &OneFile| known.get(&file.item).filter(|known| known.version == file.version);
        self.files[entries].iter().map(|file| of_this(file).map(|known| known.crc32)).collect()
    }

    fn note(&mut self, sums: Vec<(usize, u32)>) {
        let found = sums.into_iter().map(|(entry, crc32)| {
            let OneFile { item, version, .. } = self.files[entry];
            Checksum { item, version, crc32 }
        });
        let (found, db) = (found.collect::<Vec<_>>(), self.db.clone());
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
