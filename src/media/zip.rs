//! A zip archive as a plan: stored entries, so every offset and the length follow from names and sizes alone.
//!
//! Checksums are known only once content was read. So they follow each file in a data descriptor (bit 3), while the
//! sizes stand in the local headers all the same, without which readers of a stream could not tell where a stored file ends.
//! APPNOTE.TXT 6.3.10 names the fields.

mod names;
mod reader;

pub use names::{is_deceptive, safe_names, unique_names};
pub use reader::{Contents, Reader};

use std::ops::Range;

use crate::error::{Error, Result};
use names::is_safe;

/// A file, or a folder if `name` ends in `/`. Names come from [`safe_names`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZipEntry {
    pub name: String,
    /// 0 for a folder.
    pub size_bytes: u64,
    pub modified_ms: i64,
}

/// One stretch of the archive, of the entry of that index. Its length and place never depend on checksums, only some of
/// its bytes do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment {
    Header(usize),
    /// What the file holds, as it is.
    Content(usize),
    /// The checksum that follows the content.
    Descriptor(usize),
    /// The entry's line in the table of contents.
    Central(usize),
    End,
}

impl Segment {
    /// The entry whose checksum stands in it.
    pub fn checksum_of(self) -> Option<usize> {
        match self {
            Segment::Descriptor(entry) | Segment::Central(entry) => Some(entry),
            Segment::Header(_) | Segment::Content(_) | Segment::End => None,
        }
    }
}

#[derive(Debug)]
pub struct ZipPlan {
    entries: Vec<ZipEntry>,
    /// Where each local header begins; one more than entries, the last is the table of contents.
    offsets: Vec<u64>,
    /// Where each line of the table of contents begins; one more than entries, the last is the end record.
    lines: Vec<u64>,
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
    pub fn is_folder(&self) -> bool {
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
        offsets.push(at);
        let mut lines = Vec::with_capacity(entries.len() + 1);
        for (entry, offset) in entries.iter().zip(&offsets) {
            lines.push(at);
            at = at.checked_add(entry.central_bytes(*offset)).ok_or_else(too_large)?;
        }
        lines.push(at);
        let mut plan = ZipPlan { entries, offsets, lines, total_bytes: 0 };
        plan.total_bytes = at.checked_add(plan.end_bytes()).ok_or_else(too_large)?;
        Ok(plan)
    }

    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    pub fn entries(&self) -> &[ZipEntry] {
        &self.entries
    }

    /// What the byte at `offset` belongs to, and from where to where that reaches; none beyond the end.
    pub fn segment_at(&self, offset: u64) -> Option<(Segment, Range<u64>)> {
        let last = |starts: &[u64]| starts.partition_point(|start| *start <= offset).checked_sub(1);
        if offset >= self.total_bytes {
            return None;
        }
        if offset >= self.central_offset() {
            let line = last(&self.lines)?;
            let place = self.lines.get(line + 1).map(|end| (Segment::Central(line), self.lines[line]..*end));
            return Some(place.unwrap_or((Segment::End, self.lines[line]..self.total_bytes)));
        }
        let index = last(&self.offsets)?;
        let content = self.offsets[index] + self.entries[index].header_bytes();
        let descriptor = content + self.entries[index].size_bytes;
        Some(if offset < content {
            (Segment::Header(index), self.offsets[index]..content)
        } else if offset < descriptor {
            (Segment::Content(index), content..descriptor)
        } else {
            (Segment::Descriptor(index), descriptor..self.offsets[index + 1])
        })
    }

    /// Appends the bytes of a segment; none for content, which only the file has. `checksum` is the CRC-32 of the entry
    /// that [`Segment::checksum_of`] names.
    pub fn write(&self, segment: Segment, checksum: u32, out: &mut Vec<u8>) {
        match segment {
            Segment::Header(index) => self.write_header(index, out),
            Segment::Content(_) => {}
            Segment::Descriptor(index) => self.write_descriptor(index, checksum, out),
            Segment::Central(index) => self.write_central(index, checksum, out),
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

    fn central_bytes(&self) -> u64 {
        self.lines[self.entries.len()] - self.central_offset()
    }

    fn end_is_zip64(&self) -> bool {
        self.entries.len() as u64 >= MANY || self.central_bytes() >= LARGE || self.central_offset() >= LARGE
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
            put64(out, self.central_bytes());
            put64(out, offset);
            put32(out, 0x0706_4b50);
            put32(out, 0);
            put64(out, offset + self.central_bytes());
            put32(out, 1);
        }
        put32(out, 0x0605_4b50);
        put16(out, 0);
        put16(out, 0);
        put16(out, count.min(MANY) as u16);
        put16(out, count.min(MANY) as u16);
        put32(out, capped(self.central_bytes()));
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

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Seek, SeekFrom, Write};
    use std::path::Path;
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn file(name: &str, size_bytes: u64) -> ZipEntry {
        ZipEntry { name: name.to_owned(), size_bytes, modified_ms: 1_234_567_890_000 }
    }

    fn segments(plan: &ZipPlan) -> Vec<(Segment, Range<u64>)> {
        let next = |before: &(Segment, Range<u64>)| plan.segment_at(before.1.end);
        std::iter::successors(plan.segment_at(0), next).collect()
    }

    /// Writes the plan with holes in place of content that is not given; all content is zeros there.
    fn write_archive(plan: &ZipPlan, contents: &[&[u8]], path: &Path) {
        let mut checksums = vec![0; plan.entries().len()];
        let mut out = std::io::BufWriter::new(File::create(path).unwrap());
        let mut buffer = Vec::new();
        for (segment, place) in segments(plan) {
            if let Segment::Content(entry) = segment {
                let size_bytes = place.end - place.start;
                checksums[entry] = match contents.get(entry) {
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
            plan.write(segment, segment.checksum_of().map_or(0, |entry| checksums[entry]), &mut buffer);
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
        let contents: [&[u8]; 5] = [b"", b"first", b"", &[7u8; 300_000], "Zoë".as_bytes()];
        let entries = vec![
            ZipEntry { modified_ms: -5_000_000_000_000, ..file("album/", 0) },
            file("album/01 Überzug — 音楽.flac", 5),
            file("album/empty", 0),
            ZipEntry { modified_ms: i64::MAX, ..file("album/scans/front.png", 300_000) },
            file("100% 'odd' $(name).txt", 4),
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
        write_archive(&ZipPlan::new(vec![file("song", 2)]).unwrap(), &[b"ab"], &path);
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
        let mut entries: Vec<_> = sizes.iter().map(|size| file(&format!("{size}"), *size)).collect();
        entries.push(file("last", 4));
        write_archive(&ZipPlan::new(entries).unwrap(), &[], &path);
        let script = "import sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
for entry in archive.infolist(): archive.open(entry).read(10); print(entry.filename, entry.file_size)
print(archive.read('last'))";
        let Some(said) = read_by("python3", &["-c", script], &path) else { return };
        assert_eq!(
            said,
            "4294967294 4294967294\n4294967295 4294967295\n4294967296 4294967296\nlast 4\nb'\\x00\\x00\\x00\\x00'\n"
        );
        if let Some(said) = read_by("7z", &["l", "-bd"], &path) {
            assert!(said.contains("12884901889"), "{said}");
        }
    }

    #[test]
    fn more_than_65535_files_are_all_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("many.zip");
        for count in [65_534, 65_535, 65_536, 70_000] {
            let entries = (0..count).map(|index| file(&format!("{index}"), 1)).collect();
            write_archive(&ZipPlan::new(entries).unwrap(), &[b"x".as_slice(); 70_000][..count], &path);
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
        assert_eq!(segments(&plan), [(Segment::End, 0..22)]);
        assert_eq!(plan.total_bytes(), 22);
    }

    #[test]
    fn plans_with_unsafe_names_or_impossible_sizes_are_refused() {
        let unsafe_names =
            ["", "/", "/etc/passwd", "../x", "a/../x", "a\\b", "C:x", "a//b", "a\nb", "NUL", "aux.txt", "a.", "a /b"];
        for name in unsafe_names {
            assert!(ZipPlan::new(vec![file(name, 0)]).is_err(), "{name:?}");
        }
        assert!(ZipPlan::new(vec![file("folder/", 1)]).is_err());
        assert!(ZipPlan::new(vec![file(&"d/".repeat(40_000), 0)]).is_err());
        assert!(ZipPlan::new(vec![file("a", u64::MAX)]).is_err());
        assert!(ZipPlan::new(vec![file("a", u64::MAX - 100), file("b", 100)]).is_err());
    }

    proptest! {
        #[test]
        fn segments_lie_side_by_side_and_are_as_long_as_what_is_written(
            files in prop::collection::vec(("[a-z/é]{0,9}", 0u64..6_000_000_000, any::<i64>()), 0..8),
            checksum: u32,
            anywhere: prop::sample::Index,
        ) {
            let names = safe_names(&files.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>());
            let entries = names.into_iter().zip(&files).map(|(name, (_, size, modified_ms))| {
                let size_bytes = if name.ends_with('/') { 0 } else { *size };
                ZipEntry { name, size_bytes, modified_ms: *modified_ms }
            });
            let plan = ZipPlan::new(entries.collect()).unwrap();
            let (mut length, mut buffer) = (0, Vec::new());
            for (segment, place) in segments(&plan) {
                prop_assert!(place.start == length && place.end > length);
                if !matches!(segment, Segment::Content(_)) {
                    buffer.clear();
                    plan.write(segment, checksum, &mut buffer);
                    prop_assert_eq!(buffer.len() as u64, place.end - place.start);
                }
                let within = place.start + anywhere.index((place.end - place.start) as usize) as u64;
                prop_assert_eq!(plan.segment_at(within), Some((segment, place.clone())));
                length = place.end;
            }
            prop_assert_eq!(plan.total_bytes(), length);
            prop_assert_eq!(plan.segment_at(length), None);
        }
    }
}
