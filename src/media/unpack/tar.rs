//! Tar, as it comes: ustar, what GNU made of it, and pax.

use std::io::{self, Read};
use std::ops::ControlFlow;

use tar::{EntryType, Header};

use super::{Entry, EntryKind, How, MOST_ENTRIES, Opened, Trouble, text};

const BLOCK_BYTES: usize = 512;
/// A name that has no room in a header, and what else pax says of a file.
const LONGEST_SAID_BYTES: u64 = 1 << 20;

pub(super) fn is_head(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar") || (head.len() == BLOCK_BYTES && is_whole(Header::from_byte_slice(head)))
}

/// Whether the header is as it was written: the sum over it, with blanks in the sum's place.
fn is_whole(header: &Header) -> bool {
    let bytes = header.as_bytes();
    let sum: u32 = bytes[..148].iter().chain(&bytes[156..]).map(|byte| u32::from(*byte)).sum();
    header.cksum().is_ok_and(|told| told == sum + 8 * u32::from(b' '))
}

/// What extra headers say of the next file.
#[derive(Default)]
struct Said {
    name: Option<Vec<u8>>,
    size_bytes: Option<u64>,
    modified_s: Option<f64>,
}

impl Said {
    /// Records of `length key=value\n`.
    fn pax(&mut self, mut records: &[u8]) {
        while let Some(space) = records.iter().position(|byte| *byte == b' ') {
            let length = std::str::from_utf8(&records[..space]).ok().and_then(|length| length.parse::<usize>().ok());
            let Some(record) = length.and_then(|length| records.get(space + 1..length)) else { return };
            records = &records[space + 1 + record.len()..];
            let record = record.strip_suffix(b"\n").unwrap_or(record);
            let Some(equals) = record.iter().position(|byte| *byte == b'=') else { return };
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            let number = || std::str::from_utf8(value).ok();
            match key {
                b"path" => self.name = Some(value.to_vec()),
                b"size" => self.size_bytes = number().and_then(|text| text.parse().ok()),
                b"mtime" => self.modified_s = number().and_then(|text| text.parse().ok()),
                _ => {}
            }
        }
    }
}

pub(super) fn each(
    archive: &mut dyn Read,
    how: &How,
    visit: &mut dyn FnMut(&Entry, Opened) -> ControlFlow<()>,
) -> Result<(), Trouble> {
    let (mut said, mut count) = (Said::default(), 0);
    let mut header = Header::new_old();
    while next(archive, &mut header, count)? {
        let told = header.entry_size().map_err(|_| Trouble::Damaged("a file has no size"))?;
        match header.entry_type() {
            EntryType::GNULongName => said.name = Some(long_name(archive, told)?),
            EntryType::XHeader => said.pax(&said_text(archive, told)?),
            EntryType::GNULongLink | EntryType::XGlobalHeader => drop(said_text(archive, told)?),
            // Its map may go on in blocks of its own.
            EntryType::GNUSparse => return Err(Trouble::Unsupported("a tar archive of sparse files")),
            _ => {
                count += 1;
                if count > MOST_ENTRIES {
                    return Err(Trouble::TooMany);
                }
                let entry = entry(&header, std::mem::take(&mut said), told, how);
                let mut content = archive.take(entry.size_bytes);
                if visit(&entry, Ok(&mut content)).is_break() {
                    return Ok(());
                }
                let left = content.limit();
                let beyond = left.checked_add(padding(entry.size_bytes));
                pass(archive, beyond.ok_or(Trouble::Damaged("a file in it is longer than files are"))?)?;
            }
        }
    }
    Ok(())
}

/// Reads the next header; false at the end, which is a block of nothing or none at all.
fn next(archive: &mut dyn Read, header: &mut Header, count: usize) -> Result<bool, Trouble> {
    let block = header.as_mut_bytes();
    let mut filled = 0;
    while filled < block.len() {
        match archive.read(&mut block[filled..]) {
            Ok(0) if filled == 0 && count > 0 => return Ok(false),
            Ok(0) if count == 0 => return Err(Trouble::NotOne),
            Ok(0) => return Err(Trouble::Damaged("it ends too early")),
            Ok(more) => filled += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(broken(error)),
        }
    }
    if block.iter().all(|byte| *byte == 0) {
        return Ok(false);
    }
    match is_whole(header) {
        true => Ok(true),
        false if count == 0 => Err(Trouble::NotOne),
        false => Err(Trouble::Damaged("a header's sum is another one")),
    }
}

/// What gzip says of what it cannot unpack is damage.
fn broken(error: io::Error) -> Trouble {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Trouble::Damaged("it ends too early"),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Trouble::Damaged("it cannot be unpacked"),
        _ => Trouble::Io(error),
    }
}

fn entry(header: &Header, said: Said, told: u64, how: &How) -> Entry {
    let name = said.name.unwrap_or_else(|| header.path_bytes().into_owned());
    let kind = match header.entry_type() {
        EntryType::Regular | EntryType::Continuous if name.ends_with(b"/") => EntryKind::Folder,
        EntryType::Regular | EntryType::Continuous => EntryKind::File,
        EntryType::Directory => EntryKind::Folder,
        _ => EntryKind::Other,
    };
    let modified_ms = match said.modified_s {
        Some(seconds) => Some((seconds * 1000.0) as i64),
        None => header.mtime().ok().and_then(|seconds| i64::try_from(seconds).ok()?.checked_mul(1000)),
    };
    Entry {
        name: text(&name, how).unwrap_or_else(|| String::from_utf8_lossy(&name).into_owned()),
        kind,
        // A link's size is that of what it leads to, and nothing follows it.
        size_bytes: match header.entry_type() {
            EntryType::Link | EntryType::Symlink => 0,
            _ => said.size_bytes.unwrap_or(told),
        },
        modified_ms,
    }
}

fn padding(size_bytes: u64) -> u64 {
    size_bytes.wrapping_neg() % BLOCK_BYTES as u64
}

fn said_text(archive: &mut dyn Read, size_bytes: u64) -> Result<Vec<u8>, Trouble> {
    if size_bytes > LONGEST_SAID_BYTES {
        return Err(Trouble::Damaged("a name is too long"));
    }
    let mut text = vec![0; size_bytes as usize];
    archive.read_exact(&mut text).map_err(broken)?;
    pass(archive, padding(size_bytes))?;
    Ok(text)
}

fn long_name(archive: &mut dyn Read, size_bytes: u64) -> Result<Vec<u8>, Trouble> {
    let mut name = said_text(archive, size_bytes)?;
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    name.truncate(end);
    Ok(name)
}

fn pass(archive: &mut dyn Read, count: u64) -> Result<(), Trouble> {
    let passed = io::copy(&mut archive.take(count), &mut io::sink()).map_err(broken)?;
    if passed < count { Err(Trouble::Damaged("it ends too early")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: u8, size_bytes: u64) -> Header {
        let mut header = Header::new_ustar();
        header.set_path("x").unwrap();
        header.set_size(size_bytes);
        header.set_entry_type(EntryType::new(kind));
        header.set_cksum();
        header
    }

    #[test]
    fn a_file_that_says_it_is_longer_than_files_are_is_damaged() {
        let said = b"29 size=18446744073709551615\n";
        let mut archive = header(b'x', said.len() as u64).as_bytes().to_vec();
        archive.extend(said);
        archive.resize(1024, 0);
        archive.extend(header(b'3', 0).as_bytes());
        archive.extend([0; 1024]);
        let ended = each(&mut archive.as_slice(), &How::default(), &mut |_, _| ControlFlow::Continue(()));
        assert!(matches!(ended, Err(Trouble::Damaged(_))), "{ended:?}");
    }
}
