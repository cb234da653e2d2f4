//! 7z, by a reader that others wrote and that is held to a limit of memory: its format is packed itself, and takes five
//! kinds of compression and a cipher.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;

use sevenz_rust2::{ArchiveEntry, ArchiveReader, EntryDecision, Error, Password};

use super::{BLOCK_BYTES, Entry, EntryKind, How, MOST_ENTRIES, Opened, Source, Trouble};

/// For the table of contents, which is packed.
const DIRECTORY_KB: usize = 32 << 10;
/// For the content: what is packed best of all takes half of it.
const CONTENT_KB: usize = 128 << 10;
/// Its attributes hold those of Unix.
const IS_UNIX: u32 = 1 << 15;
const LINK_ON_WINDOWS: u32 = 1 << 10;
/// 1970, in tenths of microseconds since 1601.
const EPOCH: u64 = 116_444_736_000_000_000;

pub struct Directory {
    entries: Vec<Entry>,
}

impl Directory {
    pub(super) fn read(source: &Source, how: &How) -> Result<Directory, Trouble> {
        let read =
            sevenz_rust2::Archive::read_with_memory_limit(&mut Cursor::new(source), &password(how), DIRECTORY_KB);
        let archive = read.map_err(trouble)?;
        match archive.files.len() {
            count if count > MOST_ENTRIES => Err(Trouble::TooMany),
            _ => Ok(Directory { entries: archive.files.iter().map(entry).collect() }),
        }
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }
}

pub(super) fn each(
    source: &Source,
    how: &How,
    visit: &mut dyn FnMut(&Entry, Opened) -> ControlFlow<()>,
) -> Result<(), Trouble> {
    let reader = ArchiveReader::new_with_memory_limit(Cursor::new(source), password(how), CONTENT_KB);
    let each = |packed: &ArchiveEntry, content: &mut dyn Read| {
        Ok(match visit(&entry(packed), Ok(content)) {
            ControlFlow::Continue(()) => EntryDecision::Continue,
            ControlFlow::Break(()) => EntryDecision::Stop,
        })
    };
    reader.map_err(trouble)?.for_each_entries_with_decision(each).map_err(trouble)
}

fn password(how: &How) -> Password {
    how.password.as_deref().map_or_else(Password::empty, Password::new)
}

fn entry(packed: &ArchiveEntry) -> Entry {
    let attributes = if packed.has_windows_attributes { packed.windows_attributes } else { 0 };
    let kind = match (attributes >> 16) & 0o170_000 {
        _ if packed.is_anti_item => EntryKind::Other,
        _ if packed.is_directory => EntryKind::Folder,
        mode if attributes & IS_UNIX != 0 && !matches!(mode, 0 | 0o100_000) => EntryKind::Other,
        _ if attributes & IS_UNIX == 0 && attributes & LINK_ON_WINDOWS != 0 => EntryKind::Other,
        _ => EntryKind::File,
    };
    let time = u64::from(packed.last_modified_date).checked_sub(EPOCH).filter(|_| packed.has_last_modified_date);
    Entry {
        name: packed.name.clone(),
        kind,
        size_bytes: packed.size,
        modified_ms: time.and_then(|time| i64::try_from(time / 10_000).ok()),
    }
}

fn trouble(error: Error) -> Trouble {
    match error {
        Error::BadSignature(_) => Trouble::NotOne,
        Error::PasswordRequired => Trouble::PasswordNeeded,
        Error::MaybeBadPassword(_) => Trouble::WrongPassword,
        Error::MaxMemLimited { .. } => Trouble::Unsupported("a 7z archive that takes so much memory"),
        Error::UnsupportedVersion { .. }
        | Error::ExternalUnsupported
        | Error::UnsupportedCompressionMethod(_)
        | Error::Unsupported(_) => Trouble::Unsupported("this kind of 7z archive"),
        Error::Io(cause, _) | Error::FileOpen(cause, _) if cause.raw_os_error().is_some() => Trouble::Io(cause),
        _ => Trouble::Damaged("it cannot be unpacked"),
    }
}

/// A file that is read from any place on, in blocks.
struct Cursor<'a> {
    source: &'a Source,
    /// Of the next byte.
    at: u64,
    block: Vec<u8>,
    taken: usize,
}

impl<'a> Cursor<'a> {
    fn new(source: &'a Source) -> Cursor<'a> {
        Cursor { source, at: 0, block: Vec::new(), taken: 0 }
    }
}

impl Read for Cursor<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.block.len() {
            self.block.resize(BLOCK_BYTES, 0);
            self.taken = 0;
            let read = self.source.read_at(&mut self.block, self.at);
            self.block.truncate(*read.as_ref().unwrap_or(&0));
            read?;
        }
        let count = (self.block.len() - self.taken).min(buffer.len());
        buffer[..count].copy_from_slice(&self.block[self.taken..self.taken + count]);
        (self.taken, self.at) = (self.taken + count, self.at + count as u64);
        Ok(count)
    }
}

impl Seek for Cursor<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(offset) => self.source.size_bytes.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.at.checked_add_signed(offset),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        self.block.clear();
        self.taken = 0;
        Ok(self.at)
    }
}
