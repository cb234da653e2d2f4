//! A zip archive as a plan: stored entries, so every offset and the length follow from names and sizes alone.
//!
//! Checksums are known only once content was read. So they follow each file in a data descriptor (bit 3), while the
//! sizes stand in the local headers all the same, without which readers of a stream could not tell where a stored file ends.
//! APPNOTE.TXT 6.3.10 names the fields.

use std::collections::{HashMap, HashSet};

use unicode_normalization::UnicodeNormalization;

use crate::error::{Error, Result};

/// A file, or a folder if `name` ends in `/`. Names come from [`safe_names`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZipEntry {
    pub name: String,
    /// 0 for a folder.
    pub size_bytes: u64,
    pub modified_ms: i64,
    /// The caller's own number for where the content comes from; unused for a folder.
    pub source: usize,
}

/// One stretch of the archive. Its length and place never depend on checksums, only some of its bytes do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment {
    /// The local header of the entry of that index.
    Header(usize),
    /// What the source holds, as it is.
    Content {
        entry: usize,
        source: usize,
        size_bytes: u64,
    },
    /// The checksum that follows the content.
    Descriptor(usize),
    /// The entry's line in the table of contents.
    Central(usize),
    End,
}

#[derive(Debug)]
pub struct ZipPlan {
    entries: Vec<ZipEntry>,
    /// Where each local header begins; one more than entries, the last is the table of contents.
    offsets: Vec<u64>,
    central_bytes: u64,
    total_bytes: u64,
}

const LARGE: u64 = 0xffff_ffff;
const MANY: u64 = 0xffff;
const PLAIN_VERSION: u16 = 20;
const ZIP64_VERSION: u16 = 45;
/// Made on Unix, so that the mode in the upper half of the external attributes counts.
const MADE_ON_UNIX: u16 = 3 << 8;
const DESCRIPTOR_FOLLOWS: u16 = 1 << 3;
const UTF8: u16 = 1 << 11;

impl ZipEntry {
    fn is_folder(&self) -> bool {
        self.name.ends_with('/')
    }

    /// An empty file needs none: its checksum is 0.
    fn has_descriptor(&self) -> bool {
        self.size_bytes > 0
    }

    fn is_large(&self) -> bool {
        self.size_bytes >= LARGE
    }

    fn flags(&self) -> u16 {
        if self.has_descriptor() { UTF8 | DESCRIPTOR_FOLLOWS } else { UTF8 }
    }

    /// Seconds since 1970, if the extra field can hold them.
    fn unix_time(&self) -> Option<i32> {
        i32::try_from(self.modified_ms.div_euclid(1000)).ok()
    }

    fn time_bytes(&self) -> u64 {
        if self.unix_time().is_some() { 9 } else { 0 }
    }

    fn header_bytes(&self) -> u64 {
        30 + self.name.len() as u64 + if self.is_large() { 20 } else { 0 } + self.time_bytes()
    }

    fn descriptor_bytes(&self) -> u64 {
        match (self.has_descriptor(), self.is_large()) {
            (false, _) => 0,
            (true, false) => 16,
            (true, true) => 24,
        }
    }

    fn central_bytes(&self, offset: u64) -> u64 {
        46 + self.name.len() as u64 + zip64_bytes(self.size_bytes, offset) + self.time_bytes()
    }
}

fn zip64_bytes(size_bytes: u64, offset: u64) -> u64 {
    match (size_bytes >= LARGE, offset >= LARGE) {
        (false, false) => 0,
        (false, true) => 12,
        (true, false) => 20,
        (true, true) => 28,
    }
}

impl ZipPlan {
    /// Refuses names that an unpacker could be led astray by, and lengths that no archive can have.
    pub fn new(entries: Vec<ZipEntry>) -> Result<ZipPlan> {
        let too_large = || Error::invalid("zip", "is larger than an archive can be");
        let mut offsets = Vec::with_capacity(entries.len() + 1);
        let mut at = 0u64;
        for entry in &entries {
            if !is_safe(&entry.name) || (entry.is_folder() && entry.size_bytes > 0) {
                return Err(Error::invalid("zip", "holds a name that is not safe to unpack"));
            }
            offsets.push(at);
            at = at
                .checked_add(entry.header_bytes() + entry.descriptor_bytes())
                .and_then(|sum| sum.checked_add(entry.size_bytes))
                .ok_or_else(too_large)?;
        }
        let central_bytes = entries.iter().zip(&offsets).map(|(entry, offset)| entry.central_bytes(*offset)).sum();
        offsets.push(at);
        let mut plan = ZipPlan { entries, offsets, central_bytes, total_bytes: 0 };
        plan.total_bytes =
            at.checked_add(central_bytes).and_then(|sum| sum.checked_add(plan.end_bytes())).ok_or_else(too_large)?;
        Ok(plan)
    }

    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    pub fn entries(&self) -> &[ZipEntry] {
        &self.entries
    }

    /// The whole archive in order.
    pub fn segments(&self) -> impl Iterator<Item = Segment> + '_ {
        (0..).map_while(|index| self.segment(index))
    }

    /// The segment of that index, counted from 0; none after the end. Some are empty.
    pub fn segment(&self, index: usize) -> Option<Segment> {
        let count = self.entries.len();
        if let Some(entry) = self.entries.get(index / 3) {
            let (index, part) = (index / 3, index % 3);
            return Some(match part {
                0 => Segment::Header(index),
                1 => Segment::Content { entry: index, source: entry.source, size_bytes: entry.size_bytes },
                _ => Segment::Descriptor(index),
            });
        }
        match index - 3 * count {
            line if line < count => Some(Segment::Central(line)),
            line if line == count => Some(Segment::End),
            _ => None,
        }
    }

    /// Appends the bytes of a segment; none for content, which only the source has. `checksums` holds the CRC-32 of each
    /// entry by index: a descriptor needs that of its entry, a central line too, a header and the end none.
    pub fn write(&self, segment: Segment, checksums: &[u32], out: &mut Vec<u8>) {
        let checksum = |index: usize| checksums.get(index).copied().unwrap_or(0);
        match segment {
            Segment::Header(index) => self.write_header(index, out),
            Segment::Content { .. } => {}
            Segment::Descriptor(index) => self.write_descriptor(index, checksum(index), out),
            Segment::Central(index) => self.write_central(index, checksum(index), out),
            Segment::End => self.write_end(out),
        }
    }

    fn write_header(&self, index: usize, out: &mut Vec<u8>) {
        let entry = &self.entries[index];
        let large = entry.is_large();
        put32(out, 0x0403_4b50);
        put16(out, if large { ZIP64_VERSION } else { PLAIN_VERSION });
        put16(out, entry.flags());
        put16(out, 0);
        put_dos_time(out, entry.modified_ms);
        put32(out, 0);
        put32(out, capped(entry.size_bytes));
        put32(out, capped(entry.size_bytes));
        put16(out, entry.name.len() as u16);
        put16(out, (entry.header_bytes() - 30) as u16 - entry.name.len() as u16);
        out.extend_from_slice(entry.name.as_bytes());
        if large {
            put16(out, 1);
            put16(out, 16);
            put64(out, entry.size_bytes);
            put64(out, entry.size_bytes);
        }
        put_unix_time(out, entry);
    }

    fn write_descriptor(&self, index: usize, checksum: u32, out: &mut Vec<u8>) {
        let entry = &self.entries[index];
        if !entry.has_descriptor() {
            return;
        }
        put32(out, 0x0807_4b50);
        put32(out, checksum);
        if entry.is_large() {
            put64(out, entry.size_bytes);
            put64(out, entry.size_bytes);
        } else {
            put32(out, entry.size_bytes as u32);
            put32(out, entry.size_bytes as u32);
        }
    }

    fn write_central(&self, index: usize, checksum: u32, out: &mut Vec<u8>) {
        let (entry, offset) = (&self.entries[index], self.offsets[index]);
        let zip64 = zip64_bytes(entry.size_bytes, offset);
        let version = if zip64 > 0 { ZIP64_VERSION } else { PLAIN_VERSION };
        put32(out, 0x0201_4b50);
        put16(out, MADE_ON_UNIX | version);
        put16(out, version);
        put16(out, entry.flags());
        put16(out, 0);
        put_dos_time(out, entry.modified_ms);
        put32(out, checksum);
        put32(out, capped(entry.size_bytes));
        put32(out, capped(entry.size_bytes));
        put16(out, entry.name.len() as u16);
        put16(out, (zip64 + entry.time_bytes()) as u16);
        put16(out, 0);
        put16(out, 0);
        put16(out, 0);
        // The lower half is the DOS attribute "directory".
        put32(out, if entry.is_folder() { 0o040_755 << 16 | 0x10 } else { 0o100_644 << 16 });
        put32(out, capped(offset));
        out.extend_from_slice(entry.name.as_bytes());
        if zip64 > 0 {
            put16(out, 1);
            put16(out, zip64 as u16 - 4);
            if entry.is_large() {
                put64(out, entry.size_bytes);
                put64(out, entry.size_bytes);
            }
            if offset >= LARGE {
                put64(out, offset);
            }
        }
        put_unix_time(out, entry);
    }

    fn central_offset(&self) -> u64 {
        self.offsets[self.entries.len()]
    }

    fn end_is_zip64(&self) -> bool {
        self.entries.len() as u64 >= MANY || self.central_bytes >= LARGE || self.central_offset() >= LARGE
    }

    fn end_bytes(&self) -> u64 {
        if self.end_is_zip64() { 56 + 20 + 22 } else { 22 }
    }

    fn write_end(&self, out: &mut Vec<u8>) {
        let (count, offset) = (self.entries.len() as u64, self.central_offset());
        if self.end_is_zip64() {
            put32(out, 0x0606_4b50);
            put64(out, 56 - 12);
            put16(out, MADE_ON_UNIX | ZIP64_VERSION);
            put16(out, ZIP64_VERSION);
            put32(out, 0);
            put32(out, 0);
            put64(out, count);
            put64(out, count);
            put64(out, self.central_bytes);
            put64(out, offset);
            put32(out, 0x0706_4b50);
            put32(out, 0);
            put64(out, offset + self.central_bytes);
            put32(out, 1);
        }
        put32(out, 0x0605_4b50);
        put16(out, 0);
        put16(out, 0);
        put16(out, count.min(MANY) as u16);
        put16(out, count.min(MANY) as u16);
        put32(out, capped(self.central_bytes));
        put32(out, capped(offset));
        put16(out, 0);
    }
}

fn put16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn capped(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// The "extended timestamp" of Info-ZIP: UTC, where the DOS time has no zone and counts by two seconds.
fn put_unix_time(out: &mut Vec<u8>, entry: &ZipEntry) {
    if let Some(time) = entry.unix_time() {
        put16(out, 0x5455);
        put16(out, 5);
        out.push(1);
        out.extend_from_slice(&time.to_le_bytes());
    }
}

fn put_dos_time(out: &mut Vec<u8>, modified_ms: i64) {
    let time = jiff::Timestamp::from_millisecond(modified_ms)
        .unwrap_or(if modified_ms < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX })
        .to_zoned(jiff::tz::TimeZone::UTC)
        .datetime()
        .clamp(jiff::civil::datetime(1980, 1, 1, 0, 0, 0, 0), jiff::civil::datetime(2107, 12, 31, 23, 59, 58, 0));
    let field = |value: i8, shift: u32| (value as u16) << shift;
    put16(out, field(time.hour(), 11) | field(time.minute(), 5) | field(time.second() / 2, 0));
    put16(out, ((time.year() - 1980) as u16) << 9 | field(time.month(), 5) | field(time.day(), 0));
}

const NAME_MAX_BYTES: usize = 255;

/// Names for an archive that unpack anywhere and nowhere else: one for each given, in order.
///
/// Names are paths with `/`; one that ends in `/` is a folder. Within a folder, names that some file system holds to be equal
/// are told apart as [`unique_names`] does. A folder given twice is one folder.
pub fn safe_names<N: AsRef<str>>(names: &[N]) -> Vec<String> {
    struct Folder {
        /// The folder around it and its place there; none for the top.
        place: Option<(usize, usize)>,
        names: Vec<String>,
    }
    let mut folders = vec![Folder { place: None, names: Vec::new() }];
    let mut known: HashMap<(usize, &str), usize> = HashMap::new();
    let mut places = Vec::with_capacity(names.len());
    for name in names {
        let name = name.as_ref();
        let mut parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty()).collect();
        let file = if name.ends_with('/') && !parts.is_empty() { None } else { Some(parts.pop().unwrap_or("")) };
        let mut folder = 0;
        for part in parts {
            folder = *known.entry((folder, part)).or_insert_with(|| {
                let place = (folder, folders[folder].names.len());
                folders[folder].names.push(safe_component(part));
                folders.push(Folder { place: Some(place), names: Vec::new() });
                folders.len() - 1
            });
        }
        places.push(match file {
            Some(file) => {
                folders[folder].names.push(safe_component(file));
                (folder, Some(folders[folder].names.len() - 1))
            }
            None => (folder, None),
        });
    }
    for folder in &mut folders {
        folder.names = unique_names(&folder.names);
    }
    // A folder comes after the one around it, so its path is there already.
    let mut paths: Vec<String> = Vec::with_capacity(folders.len());
    for folder in &folders {
        paths.push(
            folder.place.map_or_else(String::new, |(around, place)| {
                format!("{}{}/", paths[around], folders[around].names[place])
            }),
        );
    }
    places
        .into_iter()
        .map(|(folder, file)| match file {
            Some(file) => format!("{}{}", paths[folder], folders[folder].names[file]),
            None => paths[folder].clone(),
        })
        .collect()
}

/// The same names, but those that are equal by letter case or Unicode form become `name (2).ext`, `name (3).ext`, …
/// The first of equals keeps its name, and so does every name that is not a double.
pub fn unique_names<N: AsRef<str>>(names: &[N]) -> Vec<String> {
    let mut taken: HashSet<String> = HashSet::with_capacity(names.len());
    let first: Vec<bool> = names.iter().map(|name| taken.insert(folded(name.as_ref()))).collect();
    let mut next: HashMap<String, u64> = HashMap::new();
    names
        .iter()
        .zip(first)
        .map(|(name, first)| {
            let name = name.as_ref();
            if first {
                return name.to_owned();
            }
            let number = next.entry(folded(name)).or_insert(2);
            loop {
                let candidate = numbered(name, *number);
                *number += 1;
                if taken.insert(folded(&candidate)) {
                    return candidate;
                }
            }
        })
        .collect()
}

/// Upper case first, since one letter may have several lower ones (ς and σ) or grow (ß).
fn folded(name: &str) -> String {
    name.nfc().collect::<String>().to_uppercase().to_lowercase().nfc().collect()
}

fn numbered(name: &str, number: u64) -> String {
    let (stem, extension) = split_extension(name);
    let suffix = format!(" ({number}){extension}");
    format!("{}{suffix}", shortened(stem, NAME_MAX_BYTES.saturating_sub(suffix.len())))
}

/// The extension with its dot; none in `Live 1.5` or `.profile`.
fn split_extension(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 => {
            let (stem, extension) = name.split_at(dot);
            let plain = extension.len() <= 11 && extension[1..].bytes().all(|b| b.is_ascii_alphanumeric());
            if plain && extension.bytes().any(|b| b.is_ascii_alphabetic()) { (stem, extension) } else { (name, "") }
        }
        _ => (name, ""),
    }
}

fn shortened(text: &str, limit_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(limit_bytes)]
}

/// Characters that act on what is around them: line breaks, terminal codes, reversed text that hides an extension.
pub fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn safe_component(name: &str) -> String {
    let replaced: String = name
        .chars()
        .map(|c| match c {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
            c if is_deceptive(c) => '_',
            c => c,
        })
        .collect();
    let mut name = trimmed(&replaced).to_owned();
    if name.is_empty() {
        return "_".to_owned();
    }
    if is_device(&name) {
        name.insert(0, '_');
    }
    if name.len() > NAME_MAX_BYTES {
        let (stem, extension) = split_extension(&name);
        name = trimmed(&format!("{}{extension}", shortened(stem, NAME_MAX_BYTES - extension.len()))).to_owned();
    }
    name
}

/// Windows drops dots and spaces at the end; a name of dots only would lead out of its folder.
fn trimmed(name: &str) -> &str {
    name.trim_end_matches(['.', ' '])
}

/// Names that open a device on Windows, whatever their extension.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_uppercase();
    match stem.as_str() {
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" => true,
        stem => ["COM", "LPT"].iter().any(|port| {
            stem.strip_prefix(port)
                .is_some_and(|rest| matches!(rest, "¹" | "²" | "³") || matches!(rest.as_bytes(), [b'0'..=b'9']))
        }),
    }
}

fn is_safe(name: &str) -> bool {
    let parts = name.strip_suffix('/').unwrap_or(name);
    name.len() <= usize::from(u16::MAX) && parts.split('/').all(|part| !part.is_empty() && part == safe_component(part))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Seek, SeekFrom, Write};
    use std::path::Path;
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn file(name: &str, size_bytes: u64, source: usize) -> ZipEntry {
        ZipEntry { name: name.to_owned(), size_bytes, modified_ms: 1_234_567_890_000, source }
    }

    /// Writes the plan with holes in place of content that is not given; all content is zeros there.
    fn write_archive(plan: &ZipPlan, contents: &[&[u8]], path: &Path) {
        let mut checksums = vec![0; plan.entries().len()];
        let mut out = std::io::BufWriter::new(File::create(path).unwrap());
        let mut buffer = Vec::new();
        for segment in plan.segments() {
            if let Segment::Content { entry, source, size_bytes } = segment {
                checksums[entry] = match contents.get(source) {
                    Some(content) => {
                        assert_eq!(content.len() as u64, size_bytes);
                        out.write_all(content).unwrap();
                        crc32fast::hash(content)
                    }
                    None => {
                        out.seek(SeekFrom::Current(size_bytes as i64)).unwrap();
                        checksum_of_zeros(size_bytes)
                    }
                };
            }
            buffer.clear();
            plan.write(segment, &checksums, &mut buffer);
            out.write_all(&buffer).unwrap();
        }
        out.flush().unwrap();
        assert_eq!(std::fs::metadata(path).unwrap().len(), plan.total_bytes());
    }

    fn checksum_of_zeros(size_bytes: u64) -> u32 {
        let mut sum = crc32fast::Hasher::new();
        let mut block = crc32fast::Hasher::new();
        block.update(&[0]);
        for bit in 0..40 {
            if size_bytes >> bit & 1 == 1 {
                sum.combine(&block);
            }
            let same = block.clone();
            block.combine(&same);
        }
        sum.finalize()
    }

    /// None where that reader is not installed.
    fn read_by(program: &str, arguments: &[&str], path: &Path) -> Option<String> {
        let output = match Command::new(program).args(arguments).arg(path).output() {
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                eprintln!("{program} is not installed");
                return None;
            }
            other => other.unwrap(),
        };
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{program}: {said} {}", String::from_utf8_lossy(&output.stderr));
        Some(said)
    }

    #[test]
    fn other_peoples_unpackers_accept_the_archive() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zip");
        let contents: [&[u8]; 4] = [b"first", b"", &[7u8; 300_000], "Zoë".as_bytes()];
        let entries = vec![
            ZipEntry { modified_ms: -5_000_000_000_000, ..file("album/", 0, 1) },
            file("album/01 Überzug — 音楽.flac", 5, 0),
            file("album/empty", 0, 1),
            ZipEntry { modified_ms: i64::MAX, ..file("album/scans/front.png", 300_000, 2) },
            file("100% 'odd' $(name).txt", 4, 3),
        ];
        write_archive(&ZipPlan::new(entries).unwrap(), &contents, &path);
        read_by("unzip", &["-tqq"], &path);
        read_by("7z", &["t", "-bd"], &path);
        // A reader that cannot seek knows the end of a file from its local header only.
        let streamed = "command -v bsdtar > /dev/null || exit 0; cat \"$0\" | bsdtar -xOf - | wc -c";
        let said = read_by("sh", &["-c", streamed], &path).unwrap();
        assert!(["", "300009"].contains(&said.trim()), "{said}");
        let script = "import sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
assert archive.testzip() is None
for entry in archive.infolist(): print(entry.filename, entry.file_size, entry.is_dir(), *entry.date_time)
print(archive.read('100% \\'odd\\' $(name).txt').decode())";
        let Some(said) = read_by("python3", &["-X", "utf8", "-c", script], &path) else { return };
        let expected = "album/ 0 True 1980 1 1 0 0 0
album/01 Überzug — 音楽.flac 5 False 2009 2 13 23 31 30
album/empty 0 False 2009 2 13 23 31 30
album/scans/front.png 300000 False 2107 12 31 23 59 58
100% 'odd' $(name).txt 4 False 2009 2 13 23 31 30
Zoë
";
        assert_eq!(said, expected);
    }

    #[test]
    fn unpacked_files_bear_the_time_of_the_source_in_any_time_zone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zip");
        write_archive(&ZipPlan::new(vec![file("song", 2, 0)]).unwrap(), &[b"ab"], &path);
        let target = folder.path().join("out");
        let unpack = Command::new("unzip").env("TZ", "Asia/Tokyo").arg("-qd").arg(&target).arg(&path).status();
        if !unpack.is_ok_and(|status| status.success()) {
            eprintln!("unzip is not installed");
            return;
        }
        let modified = std::fs::metadata(target.join("song")).unwrap().modified().unwrap();
        assert_eq!(modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(), 1_234_567_890);
    }

    #[test]
    fn files_and_offsets_beyond_4_gib_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.zip");
        let sizes = [LARGE - 1, LARGE, LARGE + 1];
        let mut entries: Vec<_> = sizes.iter().map(|size| file(&format!("{size}"), *size, 9)).collect();
        entries.push(file("last", 4, 0));
        write_archive(&ZipPlan::new(entries).unwrap(), &[b"last"], &path);
        let script = "import sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
for entry in archive.infolist(): archive.open(entry).read(10); print(entry.filename, entry.file_size)
print(archive.read('last').decode())";
        let Some(said) = read_by("python3", &["-c", script], &path) else { return };
        assert_eq!(said, "4294967294 4294967294\n4294967295 4294967295\n4294967296 4294967296\nlast 4\nlast\n");
        if let Some(said) = read_by("7z", &["l", "-bd"], &path) {
            assert!(said.contains("12884901889"), "{said}");
        }
    }

    #[test]
    fn more_than_65535_files_are_all_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("many.zip");
        for count in [65_534, 65_535, 65_536, 70_000] {
            let entries = (0..count).map(|index| file(&format!("{index}"), 1, 0)).collect();
            write_archive(&ZipPlan::new(entries).unwrap(), &[b"x"], &path);
            let script = "import sys, zipfile; print(len(zipfile.ZipFile(sys.argv[1]).infolist()))";
            let Some(said) = read_by("python3", &["-c", script], &path) else { return };
            assert_eq!(said.trim(), count.to_string());
        }
        read_by("unzip", &["-tqq"], &path);
        read_by("7z", &["t", "-bd"], &path);
    }

    #[test]
    fn an_empty_plan_is_an_empty_archive() {
        let plan = ZipPlan::new(Vec::new()).unwrap();
        assert_eq!(plan.segments().collect::<Vec<_>>(), [Segment::End]);
        assert_eq!(plan.total_bytes(), 22);
    }

    #[test]
    fn plans_with_unsafe_names_or_impossible_sizes_are_refused() {
        let unsafe_names =
            ["", "/", "/etc/passwd", "../x", "a/../x", "a\\b", "C:x", "a//b", "a\nb", "NUL", "aux.txt", "a.", "a /b"];
        for name in unsafe_names {
            assert!(ZipPlan::new(vec![file(name, 0, 0)]).is_err(), "{name:?}");
        }
        assert!(ZipPlan::new(vec![file("folder/", 1, 0)]).is_err());
        assert!(ZipPlan::new(vec![file(&"d/".repeat(40_000), 0, 0)]).is_err());
        assert!(ZipPlan::new(vec![file("a", u64::MAX, 0)]).is_err());
        assert!(ZipPlan::new(vec![file("a", u64::MAX - 100, 0), file("b", 100, 0)]).is_err());
    }

    #[test]
    fn names_become_safe_to_unpack() {
        let table = [
            ("a.txt", "a.txt"),
            ("../../etc/passwd", "_/_/etc/passwd"),
            ("/etc/passwd", "etc/passwd"),
            ("..\\..\\x", ".._.._x"),
            ("C:\\x", "C__x"),
            ("line\nbreak\u{1b}[2J", "line_break_[2J"),
            ("CON", "_CON"),
            ("nul.tar.gz", "_nul.tar.gz"),
            ("com1", "_com1"),
            ("LPT²", "_LPT²"),
            ("console", "console"),
            ("end. . ", "end"),
            ("...", "_"),
            (" ", "_"),
            ("", "_"),
            ("song\u{202e}gpj.exe", "song_gpj.exe"),
            ("folder./", "folder/"),
            ("a//b/", "a/b/"),
            ("/", "_"),
        ];
        for (name, expected) in table {
            assert_eq!(safe_names(&[name]), [expected], "{name:?}");
        }
        let long = format!("{}.flac", "ü".repeat(300));
        assert_eq!(safe_names(&[long]), [format!("{}.flac", "ü".repeat(125))]);
    }

    #[test]
    fn doubles_are_numbered_and_the_first_keeps_its_name() {
        let names =
            ["a.txt", "A.TXT", "a.txt", "a (2).txt", "Caf\u{e9}", "Cafe\u{301}", "Live 1.5", "Live 1.5", "Σς", "σσ"];
        let expected = [
            "a.txt",
            "A (3).TXT",
            "a (4).txt",
            "a (2).txt",
            "Caf\u{e9}",
            "Cafe\u{301} (2)",
            "Live 1.5",
            "Live 1.5 (2)",
            "Σς",
            "σσ (2)",
        ];
        assert_eq!(unique_names(&names), expected);
        let names = ["x/a", "x/a?", "x/a*", "y", "y/b", "y/", "y/c"];
        assert_eq!(safe_names(&names), ["x/a", "x/a_", "x/a_ (2)", "y", "y (2)/b", "y (2)/", "y (2)/c"]);
    }

    #[test]
    fn a_hundred_thousand_equal_names_are_told_apart_in_no_time() {
        let names = unique_names(&vec!["same"; 100_000]);
        assert_eq!(names[99_999], "same (100000)");
    }

    fn odd_name() -> impl Strategy<Value = String> {
        prop_oneof!["[aA./\\\\: (2)éE\u{301}\n]{0,9}", "\\PC{0,300}", "(con|nul|a|A)(\\.| |/){0,3}[a-c]?"]
    }

    proptest! {
        #[test]
        fn any_names_become_safe_and_different(names in prop::collection::vec(odd_name(), 0..30)) {
            let safe = safe_names(&names);
            prop_assert_eq!(safe.len(), names.len());
            let mut files = HashSet::new();
            for name in &safe {
                prop_assert!(is_safe(name), "{:?}", name);
                for part in name.trim_end_matches('/').split('/') {
                    prop_assert!(part.len() <= 255 && part != ".." && part != ".");
                    prop_assert!(!part.contains(['\\', ':']) && !part.contains(char::is_control));
                }
                if !name.ends_with('/') {
                    prop_assert!(files.insert(folded(name)), "twice: {:?}", name);
                }
            }
            for name in &safe {
                for (slash, _) in name.match_indices('/') {
                    prop_assert!(!files.contains(&folded(&name[..slash])), "file and folder: {:?}", name);
                }
            }
        }

        #[test]
        fn any_names_become_unique(names in prop::collection::vec(odd_name(), 0..30)) {
            let unique = unique_names(&names);
            prop_assert_eq!(unique.iter().map(|name| folded(name)).collect::<HashSet<_>>().len(), names.len());
        }

        #[test]
        fn the_announced_length_is_the_length_written(
            files in prop::collection::vec((odd_name(), 0u64..6_000_000_000, any::<i64>()), 0..8),
            checksum: u32,
        ) {
            let names = safe_names(&files.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>());
            let entries = names.into_iter().zip(&files).map(|(name, (_, size, modified_ms))| {
                let size_bytes = if name.ends_with('/') { 0 } else { *size };
                ZipEntry { name, size_bytes, modified_ms: *modified_ms, source: 0 }
            });
            let plan = ZipPlan::new(entries.collect()).unwrap();
            let checksums = vec![checksum; plan.entries().len()];
            let (mut length, mut buffer) = (0, Vec::new());
            for segment in plan.segments() {
                match segment {
                    Segment::Header(index) => prop_assert_eq!(plan.offsets[index], length),
                    Segment::Central(0) => prop_assert_eq!(plan.central_offset(), length),
                    Segment::Content { size_bytes, .. } => length += size_bytes,
                    _ => {}
                }
                buffer.clear();
                plan.write(segment, &checksums, &mut buffer);
                length += buffer.len() as u64;
            }
            prop_assert_eq!(plan.total_bytes(), length);
        }
    }
}
