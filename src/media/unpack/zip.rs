//! Zip, by its table of contents: APPNOTE.TXT. Stored and deflated files, ZIP64, the old encryption.

use std::io::{self, Read};
use std::ops::ControlFlow;

use flate2::read::DeflateDecoder;

use super::crypt::{self, Decrypted};
use super::{Entry, EntryKind, How, MOST_ENTRIES, Opened, Source, Trouble, text};

/// The table of contents is read whole.
const DIRECTORY_BYTES: u64 = 32 << 20;
const END_BYTES: usize = 22;
const LONGEST_COMMENT_BYTES: usize = u16::MAX as usize;
const LOCATOR_BYTES: u64 = 20;
const END64_BYTES: usize = 56;
const LINE_BYTES: usize = 46;
const HEADER_BYTES: usize = 30;

const ENCRYPTED: u16 = 1;
/// The checksum follows the content; the password is then checked by the time.
const STREAMED: u16 = 1 << 3;
const UTF8: u16 = 1 << 11;

pub struct Directory {
    lines: Vec<Line>,
}

struct Line {
    entry: Entry,
    flags: u16,
    method: u16,
    crc32: u32,
    packed_bytes: u64,
    /// Of its header, from the beginning of the file.
    offset: u64,
    password_check: u8,
}

fn two(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn four(bytes: &[u8], at: usize) -> u32 {
    u32::from(two(bytes, at)) | u32::from(two(bytes, at + 2)) << 16
}

fn eight(bytes: &[u8], at: usize) -> u64 {
    u64::from(four(bytes, at)) | u64::from(four(bytes, at + 4)) << 32
}

/// Where the table of contents is, and how far all offsets are off: something may stand in front of an archive.
struct End {
    count: u64,
    start: u64,
    length: u64,
    shift: u64,
}

fn find_end(source: &Source) -> Result<End, Trouble> {
    let tail = source.size_bytes.min((END_BYTES + LONGEST_COMMENT_BYTES) as u64);
    let mut bytes = vec![0; tail as usize];
    let from = source.size_bytes - tail;
    source.fill(&mut bytes, from)?;
    let is_end = |at: &usize| {
        bytes[*at..].starts_with(b"PK\x05\x06") && at + END_BYTES + usize::from(two(&bytes, at + 20)) <= bytes.len()
    };
    let last = bytes.len().checked_sub(END_BYTES).ok_or(Trouble::NotOne)?;
    let at = (0..=last).rev().find(is_end).ok_or(Trouble::Damaged("it has no table of contents"))?;
    let end = &bytes[at..];
    if two(end, 4) != two(end, 6) {
        return Err(Trouble::Unsupported("an archive of several files"));
    }
    let (mut count, mut length, mut offset) =
        (u64::from(two(end, 10)), u64::from(four(end, 12)), u64::from(four(end, 16)));
    let mut position = from + at as u64;
    let locator = position
        .checked_sub(LOCATOR_BYTES)
        .filter(|_| count == u64::from(u16::MAX) || length == u64::from(u32::MAX) || offset == u64::from(u32::MAX));
    if let Some(place) = locator {
        let mut locator = [0; LOCATOR_BYTES as usize];
        source.fill(&mut locator, place)?;
        if locator.starts_with(b"PK\x06\x07") {
            let mut end64 = [0; END64_BYTES];
            // It lies right in front of its locator, whatever that says; it may be longer than we know it.
            let told = eight(&locator, 8);
            let place = if told < place { told } else { place.saturating_sub(END64_BYTES as u64) };
            source.fill(&mut end64, place)?;
            if !end64.starts_with(b"PK\x06\x06") {
                return Err(Trouble::Damaged("its end is not where it says"));
            }
            (count, length, offset) = (eight(&end64, 32), eight(&end64, 40), eight(&end64, 48));
            position = place;
        }
    }
    let beyond = || Trouble::Damaged("its table of contents lies elsewhere");
    let start = position.checked_sub(length).ok_or_else(beyond)?;
    let shift = start.checked_sub(offset).ok_or_else(beyond)?;
    Ok(End { count, start, length, shift })
}

impl Directory {
    pub(super) fn read(source: &Source, how: &How) -> Result<Directory, Trouble> {
        let end = find_end(source)?;
        if end.count > MOST_ENTRIES as u64 || end.length > DIRECTORY_BYTES {
            return Err(Trouble::TooMany);
        }
        let mut bytes = vec![0; end.length as usize];
        source.fill(&mut bytes, end.start)?;
        let mut rest = bytes.as_slice();
        let mut lines = Vec::new();
        for _ in 0..end.count {
            lines.push(line(&mut rest, end.shift, how)?);
        }
        Ok(Directory { lines })
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.lines.iter().map(|line| &line.entry)
    }

    pub(super) fn each(&self, source: &Source, how: &How, visit: &mut dyn FnMut(&Entry, Opened) -> ControlFlow<()>) {
        for line in &self.lines {
            let flow = match line.open(source, how) {
                Ok(mut content) => visit(&line.entry, Ok(&mut *content)),
                Err(trouble) => visit(&line.entry, Err(trouble)),
            };
            if flow.is_break() {
                return;
            }
        }
    }
}

/// Takes the next line of a table of contents. APPNOTE.TXT 4.3.12.
fn line(rest: &mut &[u8], shift: u64, how: &How) -> Result<Line, Trouble> {
    let damaged = || Trouble::Damaged("its table of contents cannot be read");
    let mut take = |count: usize| {
        let (taken, left) = rest.split_at_checked(count)?;
        *rest = left;
        Some(taken)
    };
    let fixed = take(LINE_BYTES).filter(|fixed| fixed.starts_with(b"PK\x01\x02")).ok_or_else(damaged)?;
    let name = take(usize::from(two(fixed, 28))).ok_or_else(damaged)?;
    let extra = take(usize::from(two(fixed, 30))).ok_or_else(damaged)?;
    take(usize::from(two(fixed, 32))).ok_or_else(damaged)?;
    let (flags, crc32) = (two(fixed, 8), four(fixed, 16));
    let mut sizes = [four(fixed, 24), four(fixed, 20), four(fixed, 42)].map(u64::from);
    let extra = Extra::of(extra, name);
    // Those that stand there are those that had no room; APPNOTE.TXT 4.5.3.
    let mut wide = extra.wide.chunks_exact(8);
    for size in sizes.iter_mut().filter(|size| **size == u64::from(u32::MAX)) {
        if let Some(bytes) = wide.next() {
            *size = eight(bytes, 0);
        }
    }
    let [size_bytes, packed_bytes, offset] = sizes;
    let (time, date) = (two(fixed, 12), two(fixed, 14));
    let name = match extra.name {
        Some(name) => name,
        None if flags & UTF8 != 0 => String::from_utf8_lossy(name).into_owned(),
        None => text(name, how).unwrap_or_else(|| cp437(name)),
    };
    let attributes = four(fixed, 38);
    let is_unix = fixed[5] == 3;
    let kind = match (attributes >> 16) & 0o170_000 {
        _ if name.ends_with(['/', '\\']) => EntryKind::Folder,
        0 | 0o100_000 => EntryKind::File,
        0o040_000 if is_unix => EntryKind::Folder,
        _ if is_unix => EntryKind::Other,
        _ => EntryKind::File,
    };
    Ok(Line {
        entry: Entry { name, kind, size_bytes, modified_ms: extra.modified_ms.or_else(|| dos_time_ms(date, time)) },
        flags,
        method: two(fixed, 10),
        crc32,
        packed_bytes,
        offset: offset.checked_add(shift).ok_or_else(damaged)?,
        password_check: if flags & STREAMED != 0 { (time >> 8) as u8 } else { (crc32 >> 24) as u8 },
    })
}

/// What stands behind a name and matters here.
#[derive(Default)]
struct Extra<'a> {
    /// Of ZIP64.
    wide: &'a [u8],
    modified_ms: Option<i64>,
    /// In Unicode, beside one that is not.
    name: Option<String>,
}

impl<'a> Extra<'a> {
    fn of(mut bytes: &'a [u8], raw_name: &[u8]) -> Extra<'a> {
        let mut extra = Extra::default();
        while bytes.len() >= 4 {
            let (head, rest) = bytes.split_at(4);
            let Some((content, rest)) = rest.split_at_checked(usize::from(two(head, 2))) else { break };
            bytes = rest;
            match (two(head, 0), content) {
                (0x0001, wide) => extra.wide = wide,
                (0x5455, [flags, time @ ..]) if flags & 1 == 1 && time.len() >= 4 => {
                    extra.modified_ms = Some(i64::from(four(time, 0).cast_signed()) * 1000);
                }
                (0x7075, [1, rest @ ..]) if rest.len() >= 4 && four(rest, 0) == crc32fast::hash(raw_name) => {
                    extra.name = std::str::from_utf8(&rest[4..]).ok().map(str::to_owned);
                }
                _ => {}
            }
        }
        extra
    }
}

/// A time of no time zone, taken as UTC.
fn dos_time_ms(date: u16, time: u16) -> Option<i64> {
    let part = |word: u16, at: u16, bits: u16| (word >> at) & ((1 << bits) - 1);
    let small = |number: u16| i8::try_from(number).ok();
    let year = 1980 + i16::try_from(part(date, 9, 7)).ok()?;
    let (month, day) = (small(part(date, 5, 4))?, small(part(date, 0, 5))?);
    let (hour, minute) = (small(part(time, 11, 5))?, small(part(time, 5, 6))?);
    let second = small(part(time, 0, 5) * 2)?;
    let moment = jiff::civil::DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    Some(moment.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

impl Line {
    fn open<'a>(&self, source: &'a Source, how: &How) -> Result<Box<dyn Read + 'a>, Trouble> {
        if self.entry.kind != EntryKind::File {
            return Ok(Box::new(io::empty()));
        }
        let mut header = [0; HEADER_BYTES];
        source.fill(&mut header, self.offset)?;
        if !header.starts_with(b"PK\x03\x04") {
            return Err(Trouble::Damaged("a file is not where it should be"));
        }
        let skipped = HEADER_BYTES as u64 + u64::from(two(&header, 26)) + u64::from(two(&header, 28));
        let packed = source.part(self.offset.saturating_add(skipped), self.packed_bytes);
        let content: Box<dyn Read + 'a> = match self.flags & ENCRYPTED != 0 {
            false => self.unpacked(packed)?,
            true if self.method == 99 => return Err(Trouble::Unsupported("AES encryption of zip archives")),
            true if self.packed_bytes < crypt::HEADER_BYTES as u64 => {
                return Err(Trouble::Damaged("a file is too short"));
            }
            true => {
                let password = how.password.as_deref().ok_or(Trouble::PasswordNeeded)?;
                let decrypted = Decrypted::new(packed, password, self.password_check)?;
                self.unpacked(decrypted.ok_or(Trouble::WrongPassword)?)?
            }
        };
        Ok(Box::new(Checked { content, left: self.entry.size_bytes, sum: crc32fast::Hasher::new(), crc32: self.crc32 }))
    }

    fn unpacked<'a>(&self, packed: impl Read + 'a) -> Result<Box<dyn Read + 'a>, Trouble> {
        match self.method {
            0 => Ok(Box::new(packed)),
            8 => Ok(Box::new(DeflateDecoder::new(packed))),
            _ => Err(Trouble::Unsupported("this kind of compression")),
        }
    }
}

/// Content that is as long as it says, with the checksum that it says, or fails at its end.
struct Checked<R> {
    content: R,
    left: u64,
    sum: crc32fast::Hasher,
    crc32: u32,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.content.read(buffer)?;
        self.sum.update(&buffer[..count]);
        let damaged = |what| Err(io::Error::new(io::ErrorKind::InvalidData, what));
        match self.left.checked_sub(count as u64) {
            None => return damaged("a file is longer than it says"),
            Some(left) => self.left = left,
        }
        match count {
            0 if self.left > 0 => damaged("a file is shorter than it says"),
            0 if self.sum.clone().finalize() != self.crc32 => damaged("a file's checksum is another one"),
            count => Ok(count),
        }
    }
}

/// What names are written in that say nothing else: the first IBM PC's letters.
fn cp437(bytes: &[u8]) -> String {
    const UPPER: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";
    let letter = |byte: &u8| match byte {
        0..128 => char::from(*byte),
        _ => UPPER.chars().nth(usize::from(byte - 128)).unwrap_or(char::REPLACEMENT_CHARACTER),
    };
    bytes.iter().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_old_archives_are_read() {
        assert_eq!(cp437(b"Gr\x94\xe1e.txt"), "Größe.txt");
        assert_eq!(cp437(b"\x80\xff"), "Ç\u{a0}");
    }

    #[test]
    fn times_of_zip_archives_are_read() {
        assert_eq!(dos_time_ms(0x5821, 0x6000), Some(1_704_110_400_000));
        assert_eq!(dos_time_ms(0, 0), None);
    }
}
