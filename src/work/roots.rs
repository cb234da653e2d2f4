//! Libraries where they lie on the disk.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::blob::{Kind, Root, Stat};
use crate::error::{Error, Result, Thing};
use crate::library::scan::Stamp;
use crate::library::{ItemKind, Library};

/// The folder of a library, or what alone of it is served. `NotFound(Library)` where it is away.
pub fn open(library: &Library) -> Result<Root> {
    let opened = match &library.only {
        Some(name) => Root::open_one(&library.root.join(OsStr::from_bytes(name))),
        None => Root::open(&library.root),
    };
    opened.map_err(|cause| match cause {
        Error::NotFound(_) => Error::NotFound(Thing::Library),
        other => other,
    })
}

/// What the disk says of a path, as its row is to say it.
pub(super) fn stamp_of(stat: &Stat) -> Stamp {
    let (kind, size_bytes) = match stat.kind {
        // The size of a folder says how its file system stores it, nothing more.
        Kind::Folder => (ItemKind::Folder, 0),
        Kind::File => (ItemKind::File, stat.size_bytes),
    };
    Stamp {
        kind,
        size_bytes,
        modified_ns: stat.modified_ns,
        device: stat.device.cast_signed(),
        inode: stat.inode.cast_signed(),
        birth_ns: stat.birth_ns,
    }
}
