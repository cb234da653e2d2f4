//! Reading archives that others made: zip, 7z, tar and tar.gz.
//!
//! Nothing in them is believed: what is held in memory is bounded before it is read, content is held against the size and
//! the checksum that stand beside it, and a name is only ever the parts of a path. Calls block, and end soon once
//! [`Source::stop`] is set.

mod crypt;
mod seven;
mod tar;
mod zip;

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use encoding_rs::Encoding;
use flate2::read::MultiGzDecoder;

/// Files and folders of one archive.
pub const MOST_ENTRIES: usize = 100_000;
/// Names in a path.
const DEEPEST: usize = 100;
/// What is read of a file at once.
const BLOCK_BYTES: usize = 64 << 10;

/// Why an archive, or a file of it, cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error("it is no archive that can be read here")]
    NotOne,
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    #[error("it needs a password")]
    PasswordNeeded,
    #[error("its password is another one")]
    WrongPassword,
    #[error("it holds more than {MOST_ENTRIES} files and folders")]
    TooMany,
    #[error("there is no room for it")]
    NoRoom,
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    File,
    Folder,
    /// A link, a device: nothing that is unpacked.
    Other,
}

#[derive(Debug, Clone)]
pub struct Entry {
    /// As the archive has it; see [`path_of`].
    pub name: String,
    pub kind: EntryKind,
    /// Unpacked.
    pub size_bytes: u64,
    pub modified_ms: Option<i64>,
}

/// What whoever asks knows of an archive.
#[derive(Debug, Clone, Default)]
pub struct How {
    /// Of names that do not say theirs.
    pub encoding: Option<&'static Encoding>,
    pub password: Option<String>,
}

/// The file of an archive.
pub struct Source {
    file: File,
    size_bytes: u64,
    stop: Arc<AtomicBool>,
}

impl Source {
    pub fn new(file: File) -> io::Result<Source> {
        let size_bytes = file.metadata()?.len();
        Ok(Source { file, size_bytes, stop: Arc::default() })
    }

    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Once it is true, reading fails.
    pub fn stop(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("nobody waits for it any more"));
        }
        self.file.read_at(buffer, at)
    }

    /// Fills the buffer, or fails as damaged where the file is too short.
    fn fill(&self, buffer: &mut [u8], at: u64) -> Result<(), Trouble> {
        self.part(at, buffer.len() as u64).read_exact(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Trouble::Damaged("it ends too early"),
            _ => Trouble::Io(error),
        })
    }

    fn part(&self, start: u64, length: u64) -> Part<'_> {
        let end = start.saturating_add(length).min(self.size_bytes);
        Part { source: self, at: start, end, block: Vec::new(), taken: 0 }
    }
}

/// Bytes of a file from one place to another, read in blocks.
struct Part<'a> {
    source: &'a Source,
    at: u64,
    end: u64,
    block: Vec<u8>,
    taken: usize,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.block.len() {
            let wanted = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX).min(BLOCK_BYTES);
            self.block.resize(wanted, 0);
            self.taken = 0;
            let count = self.source.read_at(&mut self.block, self.at)?;
            self.block.truncate(count);
            self.at += count as u64;
        }
        let count = (self.block.len() - self.taken).min(buffer.len());
        buffer[..count].copy_from_slice(&self.block[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}

/// The content of an entry, or why it cannot be had while others can.
pub type Opened<'a> = Result<&'a mut dyn Read, Trouble>;

pub enum Archive {
    Zip(zip::Directory, Source),
    Seven(seven::Directory, Source),
    Tar(Source),
    TarGz(Source),
}

impl Archive {
    /// Tells the format by how the file begins, and reads the table of contents where there is one.
    pub fn open(source: Source, how: &How) -> Result<Archive, Trouble> {
        let mut head = [0; 512];
        let length = usize::try_from(source.size_bytes).unwrap_or(usize::MAX).min(head.len());
        source.fill(&mut head[..length], 0)?;
        match &head[..length] {
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => {
                Ok(Archive::Zip(zip::Directory::read(&source, how)?, source))
            }
            [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => {
                Ok(Archive::Seven(seven::Directory::read(&source, how)?, source))
            }
            [0x1f, 0x8b, ..] => Ok(Archive::TarGz(source)),
            head if tar::is_head(head) => Ok(Archive::Tar(source)),
            // Programs stand in front of some.
            [b'M', b'Z', ..] => Ok(Archive::Zip(zip::Directory::read(&source, how)?, source)),
            _ => Err(Trouble::NotOne),
        }
    }

    /// All that is in it, where that can be told without unpacking.
    pub fn entries(&self) -> Option<Box<dyn Iterator<Item = &Entry> + '_>> {
        match self {
            Archive::Zip(directory, _) => Some(Box::new(directory.entries())),
            Archive::Seven(directory, _) => Some(Box::new(directory.entries())),
            Archive::Tar(_) | Archive::TarGz(_) => None,
        }
    }

    /// Hands out one entry after the other until `visit` has enough. What it does not read of one is passed over.
    pub fn each(&self, how: &How, visit: &mut dyn FnMut(&Entry, Opened) -> ControlFlow<()>) -> Result<(), Trouble> {
        match self {
            Archive::Zip(directory, source) => {
                directory.each(source, how, visit);
                Ok(())
            }
            Archive::Seven(_, source) => seven::each(source, how, visit),
            Archive::Tar(source) => tar::each(&mut source.part(0, source.size_bytes), how, visit),
            Archive::TarGz(source) => {
                let packed = MultiGzDecoder::new(source.part(0, source.size_bytes));
                tar::each(&mut io::BufReader::with_capacity(BLOCK_BYTES, packed), how, visit)
            }
        }
    }
}

/// A name of an archive as the names of a path: folders, then the file. None where it leads out of the folder that it is
/// unpacked in, or nowhere. What is packed on Windows may part names by backslashes, so no name keeps one.
pub fn path_of(name: &str) -> Option<Vec<String>> {
    let parts: Vec<&str> = name.split(['/', '\\']).collect();
    let has_drive = parts[0].len() == 2 && parts[0].ends_with(':');
    if parts[0].is_empty() || has_drive || parts.contains(&"..") {
        return None;
    }
    let path: Vec<String> = parts.into_iter().filter(|part| !matches!(*part, "" | ".")).map(str::to_owned).collect();
    (1..=DEEPEST).contains(&path.len()).then_some(path)
}

/// A name that does not say how it is written: as its reader says, else UTF-8 if it can be.
fn text(bytes: &[u8], how: &How) -> Option<String> {
    match how.encoding {
        Some(encoding) => Some(encoding.decode_without_bom_handling(bytes).0.into_owned()),
        None => std::str::from_utf8(bytes).ok().map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_into_its_folder_or_nowhere() {
        for (name, path) in [
            ("a.txt", &["a.txt"][..]),
            ("a/b.txt", &["a", "b.txt"]),
            ("./a//b/", &["a", "b"]),
            (r"a\b.txt", &["a", "b.txt"]),
            ("a/...", &["a", "..."]),
            ("c:d", &["c:d"]),
        ] {
            assert_eq!(path_of(name).unwrap(), path, "{name}");
        }
        let deep = "a/".repeat(DEEPEST + 1);
        for name in
            ["", "/", "./", "/etc/passwd", "..", "../a", "a/../b", r"..\a", r"\a", "C:/a", r"C:\a", "//a/b", &deep]
        {
            assert_eq!(path_of(name), None, "{name}");
        }
    }
}
