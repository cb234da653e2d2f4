//! Whatever files are called and however large they are, their archive has the planned length, its names are safe and
//! no two of them are one on any system.
//!
//! Input: one entry a line, `size name`.

#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use openshelf_fuzz::media::zip::{Segment, ZipEntry, ZipPlan, is_deceptive, safe_names};

fuzz_target!(|input: &[u8]| {
    let input = String::from_utf8_lossy(input);
    let (mut sizes, mut given) = (Vec::new(), Vec::new());
    for line in input.lines() {
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

    let entry = |(source, (name, size_bytes)): (usize, (String, u64))| {
        let size_bytes = if name.ends_with('/') { 0 } else { size_bytes };
        ZipEntry { name, size_bytes, modified_ms: size_bytes as i64, source }
    };
    // Paths that are too long, or sizes whose sum no archive can have.
    let Ok(plan) = ZipPlan::new(names.into_iter().zip(sizes).enumerate().map(entry).collect()) else { return };
    let checksums: Vec<u32> = (1..).take(plan.entries().len()).collect();
    let (mut at, mut bytes) = (0u64, Vec::new());
    let (mut headers, mut lines) = (Vec::new(), Vec::new());
    for segment in plan.segments() {
        bytes.clear();
        plan.write(segment, &checksums, &mut bytes);
        match segment {
            Segment::Header(_) => headers.push(at),
            Segment::Content { size_bytes, .. } => at += size_bytes,
            Segment::Central(_) => lines.push(offset_in_line(&bytes)),
            _ => {}
        }
        at += bytes.len() as u64;
    }
    assert_eq!(at, plan.total_bytes());
    assert_eq!(lines, headers, "the table of contents says where each header is");
});

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
