//! Bytes on a local disk, beneath one open directory handle.
//!
//! The kernel resolves every path from that handle (`openat2`), so no name, link or race can lead out of it. Symbolic
//! links, devices, sockets and pipes inside a root do not exist for any operation.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, RawMode, RenameFlags, ResolveFlags, Statx, StatxFlags, StatxTimestamp,
    Timespec, Timestamps, UTIME_OMIT, fstatvfs, fsync, futimens, makedev, mkdirat, openat, openat2, renameat,
    renameat_with, statx, unlinkat,
};
use rustix::io::{Errno, retry_on_intr};

use crate::blob::{Existing, Kind, Stat};
use crate::error::{Error, Result, Thing};

mod at_once;
mod trash;
mod versions;

pub use at_once::open_at_once;

/// Holds files that are being written, at the top of a root. No operation but those on temporaries sees it.
const HIDDEN: &[u8] = b".openshelf";
const NAME_MAX_BYTES: usize = 255;
/// The kernel takes 4,096 bytes of path at once; longer ones are walked in steps of this.
const STEP_BYTES: usize = 4000;
/// How often a folder that is being removed may be filled again by somebody else.
const REFILLS: u32 = 100;

/// A folder as it lies on the disk, or one single item of a folder.
#[derive(Debug)]
pub struct Root {
    folder: OwnedFd,
    /// The one name in `folder` that exists for this root.
    only: Option<Vec<u8>>,
}

/// A file being written, invisible until [`Root::commit`]. Dropping it removes it, unless it is [kept](Temporary::keep).
#[derive(Debug)]
pub struct Temporary {
    file: File,
    folder: OwnedFd,
    name: String,
    unlink: bool,
}

impl Temporary {
    pub fn file(&self) -> &File {
        &self.file
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Leaves the file where it is; the name is for [`Root::resume_temporary`], also after a restart.
    pub fn keep(mut self) -> String {
        self.unlink = false;
        self.name.clone()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.unlink {
            let _ = unlinkat(&self.folder, self.name.as_str(), AtFlags::empty());
        }
    }
}

impl Stat {
    /// Of an open file: what is sent is then what was looked at, whatever happens to the name meanwhile.
    pub fn of(file: impl AsFd) -> Result<Stat> {
        let found = statx(file, "", AtFlags::EMPTY_PATH, WANTED).map_err(|e| failed(e, b""))?;
        shown(&found).ok_or(Error::NotFound(Thing::File))
    }
}

impl Root {
    /// All of a folder. The path itself is trusted and may be a link.
    pub fn open(path: &Path) -> Result<Root> {
        let folder = openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|e| failed(e, path.as_os_str().as_encoded_bytes()))?;
        let root = Root { folder, only: None };
        // A kernel or sandbox without openat2 must show at start, not at the first visitor.
        root.reach(&[], OFlags::PATH)?;
        Ok(root)
    }

    /// One file or folder, and nothing of its parent: the item is the only name at the top of this root, and nothing in
    /// it can be changed.
    pub fn open_one(path: &Path) -> Result<Root> {
        let path = path.canonicalize().map_err(|cause| match cause.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Error::NotFound(Thing::File),
            _ => cause.into(),
        })?;
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Error::invalid("path", "has no name"));
        };
        let name = name.as_encoded_bytes().to_vec();
        let root = Root { only: Some(name.clone()), ..Root::open(parent)? };
        root.stat(&[name])?;
        Ok(root)
    }

    /// For reading; only regular files.
    pub fn open_file<N: AsRef<[u8]>>(&self, path: &[N]) -> Result<File> {
        // Without NONBLOCK, opening a pipe that nobody writes to would hang.
        let file = self.reach(&self.checked(path)?, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        match Stat::of(&file)?.kind {
            Kind::File => Ok(File::from(file)),
            Kind::Folder => Err(Error::NotFound(Thing::File)),
        }
    }

    /// An empty path is the root itself.
    pub fn stat<N: AsRef<[u8]>>(&self, path: &[N]) -> Result<Stat> {
        Stat::of(self.reach(&self.checked(path)?, OFlags::PATH)?)
    }

    /// Files and folders directly in a folder, by name. Those that vanish meanwhile are left out.
    pub fn list<N: AsRef<[u8]>>(&self, path: &[N]) -> Result<Vec<(Vec<u8>, Stat)>> {
        let path = self.checked(path)?;
        if let (Some(only), []) = (&self.only, path.as_slice()) {
            return Ok(vec![(only.clone(), self.stat(&[only])?)]);
        }
        let folder = self.reach(&path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut found = Vec::new();
        for entry in Dir::read_from(&folder).map_err(|e| failed(e, b""))? {
            let entry = entry.map_err(|e| failed(e, b""))?;
            let name = entry.file_name();
            let skipped = match entry.file_type() {
                FileType::RegularFile | FileType::Directory | FileType::Unknown => is_dots(name.to_bytes()),
                _ => true,
            };
            if skipped || (path.is_empty() && is_hidden(name.to_bytes())) {
                continue;
            }
            match statx(&folder, name, AtFlags::SYMLINK_NOFOLLOW, WANTED) {
                Ok(stat) => found.extend(shown(&stat).map(|stat| (name.to_bytes().to_vec(), stat))),
                Err(Errno::NOENT) => {}
                Err(cause) => return Err(failed(cause, name.to_bytes())),
            }
        }
        found.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }

    /// The parent must be there.
    pub fn create_folder<N: AsRef<[u8]>>(&self, path: &[N]) -> Result<()> {
        let path = self.checked(path)?;
        let (parent, name) = self.parent_to_change(&path)?;
        mkdirat(&parent, name, Mode::from_raw_mode(0o777)).map_err(|e| failed(e, name))?;
        sync_folder(&parent)
    }

    /// `size_hint_bytes` is how much is going to be written, as far as known: refused at once when it cannot fit.
    pub fn create_temporary(&self, size_hint_bytes: u64) -> Result<Temporary> {
        if size_hint_bytes > self.free_bytes()? {
            return Err(Error::NoSpace);
        }
        let folder = self.hidden_folder()?;
        let mut random = [0u8; 16];
        getrandom::fill(&mut random).map_err(|e| Error::internal("random numbers", e))?;
        let name = format!("{:032x}", u128::from_ne_bytes(random));
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&folder, name.as_str(), flags, Mode::from_raw_mode(0o666)).map_err(|e| failed(e, b""))?;
        Ok(Temporary { file: File::from(file), folder, name, unlink: true })
    }

    /// A temporary that was [kept](Temporary::keep), with what was written so far.
    pub fn resume_temporary(&self, name: &str) -> Result<Temporary> {
        if name.len() != 32 || !name.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Error::NotFound(Thing::Upload));
        }
        let folder = self.hidden_folder()?;
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&folder, name, flags, Mode::empty()).map_err(|e| match e {
            Errno::NOENT | Errno::LOOP | Errno::ISDIR => Error::NotFound(Thing::Upload),
            other => failed(other, b""),
        })?;
        Ok(Temporary { file: File::from(file), folder, name: name.to_owned(), unlink: true })
    }

    /// Removes the temporaries that nobody waits for, such as those that a crash left; tells how many.
    pub fn sweep_temporaries(&self, wanted: impl Fn(&str) -> bool) -> Result<u64> {
        let folder = match self.reach(&[HIDDEN], OFlags::RDONLY | OFlags::DIRECTORY) {
            Err(Error::NotFound(_)) => return Ok(0),
            other => other?,
        };
        let mut removed = 0;
        for entry in Dir::read_from(&folder).map_err(|e| failed(e, b""))? {
            let entry = entry.map_err(|e| failed(e, b""))?;
            let name = entry.file_name();
            if !is_dots(name.to_bytes()) && !name.to_str().is_ok_and(&wanted) {
                removed += u64::from(unlinkat(&folder, name, AtFlags::empty()).is_ok());
            }
        }
        Ok(removed)
    }

    /// Gives a temporary its name, in one step and on disk when this returns. On an error the temporary is gone.
    pub fn commit<N: AsRef<[u8]>>(&self, mut temporary: Temporary, to: &[N], existing: Existing) -> Result<()> {
        self.try_commit(&mut temporary, to, existing)
    }

    /// As [`commit`](Root::commit), but on an error the temporary is as it was, for another try.
    pub fn try_commit<N: AsRef<[u8]>>(&self, temporary: &mut Temporary, to: &[N], existing: Existing) -> Result<()> {
        let to = self.checked(to)?;
        let (parent, name) = self.parent_to_change(&to)?;
        temporary.file.sync_all()?;
        match existing {
            Existing::Refuse => rename_new(&temporary.folder, temporary.name.as_bytes(), &parent, name)?,
            Existing::Replace => {
                // A link or a pipe of that name is not ours to destroy.
                match statx(&parent, name, AtFlags::SYMLINK_NOFOLLOW, WANTED) {
                    Ok(there) if shown(&there).is_none_or(|stat| stat.kind != Kind::File) => {
                        return Err(failed(Errno::EXIST, name));
                    }
                    Ok(_) | Err(Errno::NOENT) => {}
                    Err(cause) => return Err(failed(cause, name)),
                }
                renameat(&temporary.folder, temporary.name.as_str(), &parent, name).map_err(|e| moving(e, name))?;
            }
        }
        temporary.unlink = false;
        sync_folder(&parent)
    }

    /// Moves a file or a whole folder within this root; never onto something else.
    pub fn rename<N: AsRef<[u8]>, M: AsRef<[u8]>>(&self, from: &[N], to: &[M]) -> Result<()> {
        let (from, to) = (self.checked(from)?, self.checked(to)?);
        self.stat(&from)?;
        let (old_parent, old_name) = self.parent_to_change(&from)?;
        let (new_parent, new_name) = self.parent_to_change(&to)?;
        rename_new(&old_parent, old_name, &new_parent, new_name)?;
        sync_folder(&new_parent)?;
        sync_folder(&old_parent)
    }

    /// Sets the time of the last change of a file or folder.
    pub fn set_modified<N: AsRef<[u8]>>(&self, path: &[N], modified_ms: i64) -> Result<()> {
        if self.only.is_some() {
            return Err(READ_ONLY);
        }
        let handle = self.reach(&self.checked(path)?, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        Stat::of(&handle)?;
        set_modified(&handle, modified_ms)
    }

    /// A file, or a folder with all in it. Links in it are removed, never followed.
    pub fn remove<N: AsRef<[u8]>>(&self, path: &[N]) -> Result<()> {
        let path = self.checked(path)?;
        let kind = self.stat(&path)?.kind;
        let (parent, name) = self.parent_to_change(&path)?;
        match kind {
            Kind::File => unlinkat(&parent, name, AtFlags::empty()).map_err(|e| failed(e, name))?,
            Kind::Folder => remove_tree(&parent, name)?,
        }
        sync_folder(&parent)
    }

    /// What this process may still write here.
    pub fn free_bytes(&self) -> Result<u64> {
        let space = fstatvfs(&self.folder).map_err(|e| failed(e, b""))?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    fn checked<'a, N: AsRef<[u8]>>(&self, path: &'a [N]) -> Result<Vec<&'a [u8]>> {
        let path: Vec<&[u8]> = path.iter().map(AsRef::as_ref).collect();
        for name in &path {
            let why = match *name {
                b"" => "is empty",
                b"." | b".." => "is not a name",
                name if name.len() > NAME_MAX_BYTES => "is longer than 255 bytes",
                name if name.iter().any(|b| matches!(b, b'/' | 0)) => "holds a slash or a zero byte",
                _ => continue,
            };
            return Err(Error::invalid("file name", why));
        }
        if path.first().is_some_and(|name| is_hidden(name)) {
            return Err(Error::invalid("file name", "is reserved"));
        }
        match (&self.only, path.first()) {
            (Some(only), Some(first)) if only != first => Err(Error::NotFound(Thing::File)),
            _ => Ok(path),
        }
    }

    fn reach(&self, path: &[&[u8]], flags: OFlags) -> Result<OwnedFd> {
        open_beneath(self.folder.as_fd(), path, flags).map_err(|e| failed(e, path.last().unwrap_or(&b"".as_slice())))
    }

    fn parent_to_change<'a>(&self, path: &[&'a [u8]]) -> Result<(OwnedFd, &'a [u8])> {
        if self.only.is_some() {
            return Err(READ_ONLY);
        }
        let (name, parent) = path.split_last().ok_or_else(|| Error::invalid("path", "is empty"))?;
        Ok((self.reach(parent, OFlags::RDONLY | OFlags::DIRECTORY)?, name))
    }

    fn hidden_folder(&self) -> Result<OwnedFd> {
        if self.only.is_some() {
            return Err(READ_ONLY);
        }
        match mkdirat(&self.folder, HIDDEN, Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => self.reach(&[HIDDEN], OFlags::RDONLY | OFlags::DIRECTORY),
            Err(cause) => Err(failed(cause, HIDDEN)),
        }
    }
}

const READ_ONLY: Error = Error::Forbidden("this folder is read-only");

const WANTED: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::BTIME);

const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS).union(ResolveFlags::NO_SYMLINKS);

fn open_beneath(root: BorrowedFd<'_>, mut path: &[&[u8]], flags: OFlags) -> Result<OwnedFd, Errno> {
    let open = |from: BorrowedFd<'_>, relative: &[u8], flags: OFlags| {
        // PATH together with NOFOLLOW would hand out a handle of a link itself.
        let flags = if flags.contains(OFlags::PATH) { flags } else { flags | OFlags::NOFOLLOW };
        retry_on_intr(|| openat2(from, relative, flags | OFlags::CLOEXEC, Mode::empty(), BENEATH))
    };
    let mut reached: Option<OwnedFd> = None;
    loop {
        let mut relative = Vec::new();
        while let Some((name, rest)) = path.split_first() {
            if relative.len() + 1 + name.len() > STEP_BYTES {
                break;
            }
            if !relative.is_empty() {
                relative.push(b'/');
            }
            relative.extend_from_slice(name);
            path = rest;
        }
        if relative.is_empty() {
            relative.push(b'.');
        }
        let from = reached.as_ref().map_or(root, |folder| folder.as_fd());
        if path.is_empty() {
            return open(from, &relative, flags);
        }
        reached = Some(open(from, &relative, OFlags::PATH | OFlags::DIRECTORY)?);
    }
}

fn rename_new(old_parent: &OwnedFd, old: &[u8], new_parent: &OwnedFd, new: &[u8]) -> Result<()> {
    match renameat_with(old_parent, old, new_parent, new, RenameFlags::NOREPLACE) {
        // NFS and some others cannot refuse by themselves.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            match statx(new_parent, new, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE) {
                Ok(_) => Err(Errno::EXIST),
                Err(Errno::NOENT) => renameat(old_parent, old, new_parent, new),
                Err(cause) => Err(cause),
            }
        }
        other => other,
    }
    .map_err(|e| moving(e, new))
}

/// Holds few handles however deep the tree is, and starts again from `parent` at every folder, so that a folder swapped
/// for a link meanwhile leads nowhere.
fn remove_tree(parent: &OwnedFd, name: &[u8]) -> Result<()> {
    let open = |path: &[Vec<u8>]| {
        let path: Vec<&[u8]> = path.iter().map(Vec::as_slice).collect();
        open_beneath(parent.as_fd(), &path, OFlags::RDONLY | OFlags::DIRECTORY)
    };
    let mut path = vec![name.to_vec()];
    let mut refills = 0;
    while let Some((last, above)) = path.split_last() {
        match open(&path).and_then(|folder| clear_until_folder(&folder)) {
            Ok(Some(child)) => {
                path.push(child);
                continue;
            }
            Ok(None) | Err(Errno::NOENT) => {}
            Err(cause) => return Err(failed(cause, last)),
        }
        let emptied = open(above).and_then(|folder| unlinkat(&folder, last.as_slice(), AtFlags::REMOVEDIR));
        match emptied {
            Ok(()) | Err(Errno::NOENT) => _ = path.pop(),
            Err(Errno::NOTEMPTY | Errno::EXIST) if refills < REFILLS => refills += 1,
            Err(Errno::NOTEMPTY | Errno::EXIST) => return Err(Error::Conflict(Thing::Folder)),
            Err(cause) => return Err(failed(cause, last)),
        }
    }
    Ok(())
}

/// Removes what lies in a folder up to the first folder in it, which is named.
fn clear_until_folder(folder: &OwnedFd) -> Result<Option<Vec<u8>>, Errno> {
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if is_dots(name.to_bytes()) {
            continue;
        }
        if entry.file_type() == FileType::Directory {
            return Ok(Some(name.to_bytes().to_vec()));
        }
        match unlinkat(folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::ISDIR) => return Ok(Some(name.to_bytes().to_vec())),
            Err(cause) => return Err(cause),
        }
    }
    Ok(None)
}

/// What was acknowledged is on disk: a name is, once its folder is.
fn sync_folder(folder: &OwnedFd) -> Result<()> {
    match fsync(folder) {
        // Some network and FUSE file systems cannot sync a folder.
        Ok(()) | Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(()),
        Err(cause) => Err(failed(cause, b"")),
    }
}

fn shown(found: &Statx) -> Option<Stat> {
    let kind = match FileType::from_raw_mode(RawMode::from(found.stx_mode)) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Folder,
        _ => return None,
    };
    let born = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::BTIME);
    let modified_ns = nanoseconds(&found.stx_mtime);
    Some(Stat {
        kind,
        size_bytes: found.stx_size,
        modified_ms: modified_ns.div_euclid(1_000_000),
        modified_ns,
        inode: found.stx_ino,
        device: makedev(found.stx_dev_major, found.stx_dev_minor),
        birth_ns: born.then(|| nanoseconds(&found.stx_btime)),
    })
}

/// Sets the time of the last change of what is open.
pub fn set_modified(handle: impl AsFd, modified_ms: i64) -> Result<()> {
    let modified =
        Timespec { tv_sec: modified_ms.div_euclid(1000), tv_nsec: (modified_ms.rem_euclid(1000) * 1_000_000) as _ };
    let unchanged = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    futimens(handle, &Timestamps { last_access: unchanged, last_modification: modified }).map_err(|e| failed(e, b""))
}

fn nanoseconds(time: &StatxTimestamp) -> i64 {
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(i64::from(time.tv_nsec))
}

fn is_dots(name: &[u8]) -> bool {
    matches!(name, b"." | b"..")
}

/// Some file systems hold names to be equal whatever their case.
fn is_hidden(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(HIDDEN)
}

fn moving(cause: Errno, name: &[u8]) -> Error {
    match cause {
        Errno::XDEV => Error::Unsupported("moving to another disk"),
        Errno::INVAL => Error::invalid("path", "lies inside the folder that is being moved"),
        other => failed(other, name),
    }
}

fn failed(cause: Errno, name: &[u8]) -> Error {
    match cause {
        // LOOP is a link; XDEV a way out; NXIO, NODEV a socket or a device.
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::NXIO | Errno::NODEV => {
            Error::NotFound(Thing::File)
        }
        Errno::EXIST | Errno::NOTEMPTY | Errno::ISDIR => Error::Exists(String::from_utf8_lossy(name).into_owned()),
        Errno::NOSPC | Errno::DQUOT => Error::NoSpace,
        Errno::NAMETOOLONG => Error::invalid("file name", "is too long for this disk"),
        // What FAT, exFAT and NTFS say of names that they cannot hold.
        Errno::INVAL | Errno::ILSEQ => Error::invalid("file name", "cannot be used on this disk"),
        Errno::ROFS => READ_ONLY,
        Errno::ACCESS | Errno::PERM => Error::Forbidden("the server has no permission for this file"),
        Errno::AGAIN => Error::Busy,
        other => Error::internal("file system", other),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    use super::*;

    const NONE: [&[u8]; 0] = [];

    fn library() -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("library");
        std::fs::create_dir_all(root.join("album")).unwrap();
        std::fs::create_dir(folder.path().join("outside")).unwrap();
        std::fs::write(root.join("album/song"), "inside").unwrap();
        std::fs::write(folder.path().join("outside/song"), "outside").unwrap();
        let root = Root::open(&root).unwrap();
        (folder, root)
    }

    fn put(root: &Root, to: &[&[u8]], content: &str, existing: Existing) -> Result<()> {
        let temporary = root.create_temporary(content.len() as u64).unwrap();
        temporary.file().write_all(content.as_bytes()).unwrap();
        root.commit(temporary, to, existing)
    }

    fn content(root: &Root, path: &[&[u8]]) -> Result<String> {
        let mut text = String::new();
        root.open_file(path)?.read_to_string(&mut text).unwrap();
        Ok(text)
    }

    fn names(root: &Root, path: &[&[u8]]) -> Vec<Vec<u8>> {
        root.list(path).unwrap().into_iter().map(|(name, _)| name).collect()
    }

    fn is_missing<T: std::fmt::Debug>(answer: Result<T>) {
        assert!(matches!(answer, Err(Error::NotFound(Thing::File))), "{answer:?}");
    }

    fn is_invalid<T: std::fmt::Debug>(answer: Result<T>) {
        assert!(matches!(answer, Err(Error::Invalid { .. })), "{answer:?}");
    }

    #[test]
    fn names_that_are_not_one_component_are_refused_by_every_operation() {
        let (_folder, root) = library();
        let long = [b'a'; 256];
        let odd: [&[u8]; 9] = [b"", b".", b"..", b"/", b"a/b", b"../outside", b"a\0b", b".openshelf", long.as_slice()];
        for name in odd {
            is_invalid(root.open_file(&[name]));
            is_invalid(root.stat(&[name]));
            is_invalid(root.list(&[name]));
            is_invalid(root.create_folder(&[name]));
            is_invalid(root.remove(&[name]));
            is_invalid(root.rename(&[name], &[b"x"]));
            is_invalid(root.rename(&[b"album"], &[name]));
            is_invalid(put(&root, &[name], "x", Existing::Replace));
        }
        is_invalid(root.open_file(&[b"album".as_slice(), b"..", b"..", b"outside", b"song"]));
        is_invalid(root.remove(&NONE));
        assert_eq!(names(&root, &[]), [b"album"]);
    }

    #[test]
    fn links_do_not_exist() {
        let (folder, root) = library();
        let library = folder.path().join("library");
        symlink("../outside", library.join("out")).unwrap();
        symlink("../outside/song", library.join("song out")).unwrap();
        symlink("album", library.join("in")).unwrap();
        symlink("nowhere", library.join("dangling")).unwrap();
        symlink("/proc/self/root", library.join("magic")).unwrap();
        for name in [b"out".as_slice(), b"song out", b"in", b"dangling", b"magic"] {
            is_missing(root.open_file(&[name]));
            is_missing(root.stat(&[name]));
            is_missing(root.list(&[name]));
            is_missing(root.remove(&[name]));
            is_missing(root.rename(&[name], &[b"x"]));
            is_missing(root.open_file(&[name, b"song"]));
            is_missing(root.stat(&[name, b"song"]));
            is_missing(root.remove(&[name, b"song"]));
            is_missing(root.create_folder(&[name, b"new"]));
            is_missing(root.rename(&[b"album"], &[name, b"new"]));
            is_missing(put(&root, &[name, b"new"], "x", Existing::Replace));
            assert!(matches!(root.create_folder(&[name]), Err(Error::Exists(_))));
            assert!(matches!(put(&root, &[name], "x", Existing::Replace), Err(Error::Exists(_))));
            assert!(matches!(put(&root, &[name], "x", Existing::Refuse), Err(Error::Exists(_))));
        }
        assert_eq!(names(&root, &[]), [b"album"]);
        assert_eq!(std::fs::read_dir(folder.path().join("outside")).unwrap().count(), 1);
        assert!(!library.join("nowhere").exists());
    }

    /// Lets a failed check end the test, where the scope would wait for its thread for ever.
    struct StopOnDrop<'a>(&'a AtomicBool);

    impl Drop for StopOnDrop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_folder_swapped_for_a_link_never_shows_or_changes_what_lies_outside() {
        let (folder, root) = library();
        let library = folder.path().join("library");
        symlink("../outside", library.join("other")).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let handle = std::fs::File::open(&library).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    renameat_with(&handle, "album", &handle, "other", RenameFlags::EXCHANGE).unwrap();
                }
            });
            let _stop = StopOnDrop(&stop);
            let (mut seen, mut missed) = (0, 0);
            let end = Instant::now() + Duration::from_secs(20);
            while (seen < 2_000 || missed < 2_000) && Instant::now() < end {
                match content(&root, &[b"album", b"song"]) {
                    Ok(text) => {
                        assert_eq!(text, "inside");
                        seen += 1;
                    }
                    Err(Error::NotFound(Thing::File)) => missed += 1,
                    Err(other) => panic!("{other:?}"),
                }
                if let Ok(stat) = root.stat(&[b"album".as_slice(), b"song"]) {
                    assert_eq!(stat.size_bytes, 6);
                }
                let _ = root.create_folder(&[b"album".as_slice(), b"made"]);
                let _ = root.remove(&[b"album".as_slice(), b"made"]);
            }
            assert!(seen > 100 && missed > 100, "the race was not run: {seen} seen, {missed} missed");
        });
        assert_eq!(std::fs::read_dir(folder.path().join("outside")).unwrap().count(), 1);
        assert_eq!(std::fs::read(folder.path().join("outside/song")).unwrap(), b"outside");
    }

    #[test]
    fn a_pipe_neither_hangs_nor_shows() {
        let (folder, root) = library();
        rustix::fs::mknodat(CWD, folder.path().join("library/pipe"), FileType::Fifo, Mode::from_raw_mode(0o600), 0)
            .unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("library/socket")).unwrap();
        for name in [b"pipe".as_slice(), b"socket"] {
            is_missing(root.open_file(&[name]));
            is_missing(root.stat(&[name]));
        }
        assert_eq!(names(&root, &[]), [b"album"]);
    }

    #[test]
    fn names_are_bytes() {
        let (_folder, root) = library();
        let longest = [0xffu8; 255];
        let odd: [&[u8]; 6] = [b"two\nlines", b"\xff\xfe", b"100% \"it's\"", b"back\\slash", b"...", &longest];
        for name in odd {
            put(&root, &[name], "x", Existing::Refuse).unwrap();
            root.create_folder(&[b"album", name]).unwrap();
            assert_eq!(content(&root, &[name]).unwrap(), "x");
            assert_eq!(root.stat(&[b"album", name]).unwrap().kind, Kind::Folder);
        }
        let mut expected = [odd.as_slice(), &[b"song"]].concat();
        expected.sort_unstable();
        assert_eq!(names(&root, &[b"album"]), expected);
        for name in odd {
            root.rename(&[name], &[b"album", name, b"moved"]).unwrap();
            root.remove(&[b"album", name]).unwrap();
        }
        assert_eq!(names(&root, &[]), [b"album"]);
        assert_eq!(names(&root, &[b"album"]), [b"song"]);
    }

    #[test]
    fn a_commit_replaces_or_refuses_as_asked() {
        let (folder, root) = library();
        put(&root, &[b"note"], "one", Existing::Refuse).unwrap();
        let refused = put(&root, &[b"note"], "two", Existing::Refuse);
        assert!(matches!(refused, Err(Error::Exists(name)) if name == "note"));
        assert_eq!(content(&root, &[b"note"]).unwrap(), "one");
        put(&root, &[b"note"], "three", Existing::Replace).unwrap();
        assert_eq!(content(&root, &[b"note"]).unwrap(), "three");
        assert!(matches!(put(&root, &[b"album"], "x", Existing::Replace), Err(Error::Exists(_))));
        is_missing(put(&root, &[b"no such folder", b"note"], "x", Existing::Refuse));
        is_missing(put(&root, &[b"note", b"beneath a file"], "x", Existing::Refuse));
        drop(root.create_temporary(0).unwrap());
        assert_eq!(names(&root, &[]), [b"album".as_slice(), b"note"]);
        assert_eq!(std::fs::read_dir(folder.path().join("library/.openshelf")).unwrap().count(), 0);
    }

    #[test]
    fn a_kept_temporary_is_found_again_and_a_forgotten_one_is_swept() {
        let (folder, root) = library();
        let first = root.create_temporary(3).unwrap();
        first.file().write_all(b"one").unwrap();
        let kept = first.keep();
        let forgotten = root.create_temporary(0).unwrap().keep();
        assert_eq!(root.sweep_temporaries(|name| name == kept).unwrap(), 1);
        assert!(matches!(root.resume_temporary(&forgotten), Err(Error::NotFound(Thing::Upload))));
        assert!(matches!(root.resume_temporary("../album/song"), Err(Error::NotFound(Thing::Upload))));
        let again = root.resume_temporary(&kept).unwrap();
        assert_eq!(Stat::of(again.file()).unwrap().size_bytes, 3);
        root.commit(again, &[b"note"], Existing::Refuse).unwrap();
        assert_eq!(std::fs::read(folder.path().join("library/note")).unwrap(), b"one");
    }

    #[test]
    fn what_cannot_fit_is_refused_before_a_byte_is_written() {
        let (_folder, root) = library();
        assert!(root.free_bytes().unwrap() > 0);
        assert!(matches!(root.create_temporary(u64::MAX), Err(Error::NoSpace)));
    }

    #[test]
    fn a_rename_moves_files_and_folders_and_overwrites_nothing() {
        let (_folder, root) = library();
        let before = root.stat(&[b"album".as_slice(), b"song"]).unwrap();
        root.create_folder(&[b"artist"]).unwrap();
        root.rename(&[b"album"], &[b"artist".as_slice(), b"album"]).unwrap();
        let path: [&[u8]; 3] = [b"artist", b"album", b"song"];
        assert_eq!(root.stat(&path).unwrap(), before);
        put(&root, &[b"song"], "other", Existing::Refuse).unwrap();
        assert!(matches!(root.rename(&path, &[b"song"]), Err(Error::Exists(name)) if name == "song"));
        assert!(matches!(root.rename(&[b"song"], &path), Err(Error::Exists(_))));
        is_invalid(root.rename(&[b"artist"], &[b"artist".as_slice(), b"itself"]));
        is_missing(root.rename(&[b"nothing"], &[b"x"]));
        assert_eq!(content(&root, &[b"song"]).unwrap(), "other");
    }

    #[test]
    fn removing_a_folder_takes_all_of_it_and_nothing_that_a_link_in_it_names() {
        let (folder, root) = library();
        let album = folder.path().join("library/album");
        symlink("../../outside", album.join("out")).unwrap();
        symlink("../../outside/song", album.join("song out")).unwrap();
        for index in 0..50 {
            std::fs::create_dir_all(album.join(format!("disc {index}/scans"))).unwrap();
            std::fs::write(album.join(format!("disc {index}/scans/front")), "x").unwrap();
        }
        root.remove(&[b"album"]).unwrap();
        assert!(names(&root, &[]).is_empty());
        assert_eq!(std::fs::read(folder.path().join("outside/song")).unwrap(), b"outside");
        is_missing(root.remove(&[b"album"]));
    }

    #[test]
    fn a_tree_deeper_than_any_path_may_be_is_reached_and_removed() {
        let (_folder, root) = library();
        let level = vec![b'd'; 200];
        let path: Vec<&[u8]> = std::iter::repeat_n(level.as_slice(), 60).collect();
        for depth in 1..=path.len() {
            root.create_folder(&path[..depth]).unwrap();
        }
        let file: Vec<&[u8]> = [path.as_slice(), &[b"note"]].concat();
        put(&root, &file, "deep", Existing::Refuse).unwrap();
        assert_eq!(content(&root, &file).unwrap(), "deep");
        root.remove(&path[..1]).unwrap();
        assert_eq!(names(&root, &[]), [b"album"]);
    }

    #[test]
    fn a_root_of_one_item_shows_nothing_beside_it_and_changes_nothing() {
        let (folder, _) = library();
        let library = folder.path().join("library");
        std::fs::write(library.join("album/song 2"), "secret").unwrap();
        let root = Root::open_one(&library.join("album/song")).unwrap();
        assert_eq!(names(&root, &[]), [b"song"]);
        assert_eq!(content(&root, &[b"song"]).unwrap(), "inside");
        is_missing(root.open_file(&[b"song 2"]));
        is_missing(root.stat(&[b"song 2"]));
        assert!(matches!(root.remove(&[b"song"]), Err(Error::Forbidden(_))));
        assert!(matches!(root.create_folder(&[b"song 3"]), Err(Error::NotFound(_))));
        assert!(matches!(root.create_temporary(0), Err(Error::Forbidden(_))));
        is_missing(Root::open_one(&library.join("nothing")));
        is_missing(Root::open(&library.join("nothing")));
        is_missing(Root::open(&library.join("album/song")));
    }

    #[test]
    fn a_stat_tells_what_the_disk_knows() {
        let (folder, root) = library();
        let path = folder.path().join("library").join(std::ffi::OsStr::from_bytes(b"album")).join("song");
        let time = std::time::UNIX_EPOCH + Duration::new(1_234_567_890, 123_456_789);
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        let stat = root.stat(&[b"album".as_slice(), b"song"]).unwrap();
        let known = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&path).unwrap());
        assert_eq!((stat.kind, stat.size_bytes, stat.inode), (Kind::File, 6, known));
        assert_eq!((stat.modified_ms, stat.modified_ns), (1_234_567_890_123, 1_234_567_890_123_456_789));
        assert_eq!(Stat::of(root.open_file(&[b"album".as_slice(), b"song"]).unwrap()).unwrap(), stat);
        assert_eq!(root.stat(&NONE).unwrap().kind, Kind::Folder);
    }
}
