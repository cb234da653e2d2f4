//! The seam to bytes: files and folders beneath a root, named by path components.
//!
//! Every call blocks on the disk; async code calls it on a blocking thread.

pub mod cache;
pub mod disk;

use crate::error::{Error, Result};
pub use disk::{Root, Temporary};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Folder,
    File,
}

/// What is known of a file or folder without reading it. Times count from 1970 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    pub kind: Kind,
    pub size_bytes: u64,
    pub modified_ms: i64,
    /// The same moment as `modified_ms`, in whole nanoseconds since 1970.
    pub modified_ns: i64,
    pub inode: u64,
    pub device: u64,
    /// None where the file system does not record it.
    pub birth_ns: Option<i64>,
}

/// What happens to a file that is already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    Replace,
    Refuse,
}

/// Work that may wait for a disk: never on a thread that serves others.
pub async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|cause| Error::internal("disk work", cause))?
}
