//! Opening a file without waiting for a disk: on the thread that asks, if the kernel has the whole path in memory.
//!
//! The kernel refuses a lookup that would have to wait (`RESOLVE_CACHED`), but on a network's file system opening may wait
//! all the same. So only file systems of this machine take part, by the device that was met when a file of theirs was
//! opened on a thread that may wait.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, Statx, StatxFlags, fstatfs, openat2, statx};

use super::{BENEATH, Root, WANTED, shown};
use crate::blob::{Kind, Stat};
use crate::error::Result;

type Device = (u32, u32);

/// Devices of this machine.
static NEAR: RwLock<Option<HashSet<Device>>> = RwLock::new(None);

/// What `statfs` calls file systems that wait for nothing but a disk of this machine: ext4, XFS, Btrfs, tmpfs, F2FS,
/// bcachefs, ZFS, overlay.
const NEAR_KINDS: [i64; 8] =
    [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0xf2f5_2010, 0xca45_1a4e, 0x2fc1_2fc1, 0x794c_7630];

impl Root {
    /// As [`Root::open_file`], with what it is; may wait. From now on [`open_at_once`] may open what lies beside it.
    pub fn open_with_stat<N: AsRef<[u8]>>(&self, path: &[N]) -> Result<(File, Stat)> {
        let file = self.open_file(path)?;
        let stat = Stat::of(&file)?;
        let near = fstatfs(&self.folder).is_ok_and(|found| NEAR_KINDS.contains(&found.f_type));
        if near && let Some(device) = device_of(&self.folder) {
            let mut known = NEAR.write().unwrap_or_else(PoisonError::into_inner);
            known.get_or_insert_default().insert(device);
        }
        Ok((file, stat))
    }
}

/// A regular file beneath a library's folder, if that can be told at once; `None` is no answer at all.
pub fn open_at_once<N: AsRef<[u8]>>(root: &Path, path: &[N]) -> Option<(File, Stat)> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = openat2(CWD, root, flags, Mode::empty(), ResolveFlags::CACHED).ok()?;
    let device = device_of(&folder)?;
    if !NEAR.read().unwrap_or_else(PoisonError::into_inner).as_ref()?.contains(&device) {
        return None;
    }
    let root = Root { folder, only: None };
    let path = root.checked(path).ok()?.join(&b'/');
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // What is mounted within may be far.
    let resolve = BENEATH | ResolveFlags::CACHED | ResolveFlags::NO_XDEV;
    let file = openat2(&root.folder, path.as_slice(), flags, Mode::empty(), resolve).ok()?;
    let stat = shown(&statx(&file, "", AtFlags::EMPTY_PATH, WANTED).ok()?)?;
    (stat.kind == Kind::File).then(|| (File::from(file), stat))
}

/// From what the kernel knows, without asking a file system.
fn device_of(folder: impl std::os::fd::AsFd) -> Option<Device> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let found: Statx = statx(folder, "", flags, StatxFlags::empty()).ok()?;
    Some((found.stx_dev_major, found.stx_dev_minor))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn file_that_was_opened_beside_it_before_is_opened_at_once_and_nothing_else_is() {
        let folder = tempfile::TempDir::new().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::write(root.join("sub/file"), b"content").unwrap();
        std::fs::write(folder.path().join("outside"), b"secret").unwrap();
        symlink("../outside", root.join("link")).unwrap();
        symlink("sub", root.join("folder-link")).unwrap();
        let names = |path: &str| path.split('/').map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>();
        let (_, stat) = Root::open(&root).unwrap().open_with_stat(&names("sub/file")).unwrap();
        assert_eq!(open_at_once(&root, &names("sub/file")).unwrap().1.size_bytes, stat.size_bytes);
        for path in ["link", "folder-link/file", "sub", "sub/..", "..", "../outside", "sub/none", ".openshelf", ""] {
            assert!(open_at_once(&root, &names(path)).is_none(), "{path}");
        }
    }
}
