//! Whatever files are called and however large they are, their archive has the planned length, any part of it is the same
//! alone as in the whole, its names are safe and no two of them are one on any system.
//!
//! Input: `start length` of a part on the first line, then one entry a line, `size name`.

#![no_main]

use std::collections::HashSet;
use std::io;
use std::ops::Range;

use libfuzzer_sys::fuzz_target;
use openshelf_fuzz::media::zip::{Contents, Reader, Segment, ZipEntry, ZipPlan, is_deceptive, safe_names};

fuzz_target!(|input: &[u8]| {
    let input = String::from_utf8_lossy(input);
    let mut lines = input.lines();
    let part: Vec<u64> = lines.next().unwrap_or("").split(' ').map(|word| word.parse().unwrap_or(0)).collect();
    let given_number = |at: usize| part.get(at).copied().unwrap_or(0);
    let (mut sizes, mut given) = (Vec::new(), Vec::new());
    for line in lines {
        let (size, name) = line.split_once(' ').unwrap_or(("", line));
        sizes.push(size.parse::<u64>().unwrap_or(size.len() as u64));
        given.push(name);
    }

    let names = safe_names(&given);
    assert_eq!(names.len(), given.len());
    let mut folders = HashSet::new();
    let mut files = HashSet::new();
    for (name, given) in names.iter().zip(&given) {
        let parts = name.strip_suffix('/').unwrap_or(name);
        for part in parts.split('/') {
            assert!(!matches!(part, "" | "." | "..") && part.len() <= 255, "{part:?} of {given:?}");
            assert!(!part.ends_with(['.', ' ']) && !part.contains(['\\', ':', '*', '?', '"', '<', '>', '|']));
            assert!(!part.chars().any(is_deceptive));
        }
        if name.ends_with('/') {
            folders.insert(parts.to_lowercase());
        } else {
            assert!(files.insert(name.to_lowercase()), "{name:?} is there twice");
        }
        let around = parts.match_indices('/').map(|(at, _)| parts[..at].to_lowercase());
        folders.extend(around);
    }
    assert!(files.is_disjoint(&folders), "a file and a folder of one name");

    let entry = |(name, size_bytes): (String, u64)| {
        let size_bytes = if name.ends_with('/') { 0 } else { size_bytes };
        ZipEntry { name, size_bytes, modified_ms: size_bytes as i64 }
    };
    // Paths that are too long, or sizes whose sum no archive can have.
    let Ok(plan) = ZipPlan::new(names.into_iter().zip(sizes).map(entry).collect()) else { return };
    let (mut at, mut bytes) = (0, Vec::new());
    let (mut headers, mut lines) = (vec![0; plan.entries().len()], vec![0; plan.entries().len()]);
    while let Some((segment, place)) = plan.segment_at(at) {
        assert!(place.start == at && place.end > at, "segments follow each other");
        bytes.clear();
        plan.write(segment, 0, &mut bytes);
        match segment {
            Segment::Content(entry) => assert_eq!(place.end - place.start, plan.entries()[entry].size_bytes),
            _ => assert_eq!(place.end - place.start, bytes.len() as u64),
        }
        match segment {
            Segment::Header(entry) => headers[entry] = at,
            Segment::Central(entry) => lines[entry] = offset_in_line(&bytes),
            _ => {}
        }
        at = place.end;
    }
    assert_eq!(at, plan.total_bytes());
    assert_eq!(lines, headers, "the table of contents says where each header is");

    if plan.total_bytes() <= MOST_READ_BYTES {
        let whole = read(&plan, 0..plan.total_bytes());
        let (start, length) = (given_number(0).min(plan.total_bytes()), given_number(1));
        let end = start.saturating_add(length).min(plan.total_bytes());
        assert!(read(&plan, start..end) == whole[start as usize..end as usize], "a part is what it is of the whole");
    }
});

/// Larger archives are planned and not read.
const MOST_READ_BYTES: u64 = 256 * 1024;

/// Files whose every byte says where it stands.
struct Made;

impl Contents for Made {
    fn read(&mut self, entry: usize, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        buffer.iter_mut().zip(at..).for_each(|(byte, at)| *byte = (at / 3) as u8 ^ entry as u8);
        Ok(())
    }

    fn check(&mut self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn known(&mut self, entries: Range<usize>) -> Vec<Option<u32>> {
        vec![None; entries.len()]
    }

    fn note(&mut self, _: Vec<(usize, u32)>) {}
}

fn read(plan: &ZipPlan, mut range: Range<u64>) -> Vec<u8> {
    let mut reader = Reader::new(ZipPlan::new(plan.entries().to_vec()).unwrap(), Box::new(Made));
    let (mut all, mut block) = (Vec::new(), vec![0; 1000]);
    while !range.is_empty() {
        let count = reader.fill(range.clone(), &mut block).unwrap();
        all.extend_from_slice(&block[..count]);
        range.start += count as u64;
    }
    all
}

/// Where a line of the table of contents says that its local header begins. APPNOTE.TXT 4.3.12 and 4.5.3.
fn offset_in_line(line: &[u8]) -> u64 {
    let four = |at: usize| u32::from_le_bytes(line[at..at + 4].try_into().unwrap());
    let eight = |at: usize| u64::from_le_bytes(line[at..at + 8].try_into().unwrap());
    assert_eq!(four(0), 0x0201_4b50);
    if four(42) != u32::MAX {
        return four(42).into();
    }
    let extra = 46 + usize::from(u16::from_le_bytes([line[28], line[29]]));
    assert_eq!(line[extra..extra + 2], [1, 0]);
    eight(extra + if four(24) == u32::MAX { 20 } else { 4 })
}
