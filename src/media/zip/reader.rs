//! An archive's bytes from any place on: what files hold, and between it what the plan says.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::{Segment, ZipPlan};

/// What one call reads for checksums alone, at most: then its caller may look whether anybody still waits.
const SUMMED_AT_ONCE_BYTES: u64 = 64 << 20;
/// What opening a file costs of that, however small it is.
const OPENING_BYTES: u64 = 64 << 10;
const SUMMED_BLOCK_BYTES: usize = 256 << 10;
/// Entries whose checksums are asked for together.
const PAGE: usize = 1000;
/// Checksums that are told together.
const BATCH: usize = 500;

/// Where the content of a plan's entries comes from. Calls may block on a disk.
pub trait Contents: Send {
    /// Fills `buffer` from `at` on. An error, if the file is not the one that was planned.
    fn read(&mut self, entry: usize, at: u64, buffer: &mut [u8]) -> io::Result<()>;
    /// An error, if the file is by now not the one that was planned. Asked before the last bytes that were read of it are
    /// handed out.
    fn check(&mut self, entry: usize) -> io::Result<()>;
    /// Checksums from earlier, as far as they are of what was planned; one for each of the entries.
    fn known(&mut self, entries: Range<usize>) -> Vec<Option<u32>>;
    /// Takes checksums of entries that were read whole. Must not block.
    fn note(&mut self, sums: Vec<(usize, u32)>);
}

/// Gives any part of an archive, and reads no more for it than it needs: the files that the part touches and, for those
/// whose checksum stands in it and is not known, them whole.
pub struct Reader {
    plan: Arc<ZipPlan>,
    contents: Box<dyn Contents>,
    sums: Vec<Option<u32>>,
    /// Of each [`PAGE`] of entries, whether it was asked for.
    asked: Vec<bool>,
    running: Option<Running>,
    fresh: Vec<(usize, u32)>,
    segment: Vec<u8>,
}

/// The checksum of a file's first bytes.
struct Running {
    entry: usize,
    at: u64,
    sum: crc32fast::Hasher,
}

impl Reader {
    pub fn new(plan: impl Into<Arc<ZipPlan>>, contents: Box<dyn Contents>) -> Reader {
        let plan = plan.into();
        let sums: Vec<_> = plan.entries().iter().map(|entry| (entry.size_bytes == 0).then_some(0)).collect();
        let asked = vec![false; sums.len().div_ceil(PAGE)];
        Reader { plan, contents, sums, asked, running: None, fresh: Vec::new(), segment: Vec::new() }
    }

    /// Fills the beginning of `block` with the beginning of `range`, and tells how many bytes that are. None means "not
    /// yet": checksums take long, and the same call goes on with them.
    pub fn fill(&mut self, range: Range<u64>, block: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX).min(block.len());
        let mut left_to_sum = SUMMED_AT_ONCE_BYTES;
        let mut filled = 0;
        while filled < wanted {
            let at = range.start + filled as u64;
            let beyond = || io::Error::new(io::ErrorKind::InvalidInput, "beyond the end of the archive");
            let (segment, place) = self.plan.segment_at(at).ok_or_else(beyond)?;
            let count = usize::try_from(place.end - at).unwrap_or(usize::MAX).min(wanted - filled);
            let out = &mut block[filled..filled + count];
            let end = at + count as u64;
            if let Segment::Content(entry) = segment {
                self.content(entry, at - place.start, out)?;
                if end == place.end || end == range.end {
                    self.contents.check(entry)?;
                }
                if end == place.end {
                    self.finish(entry);
                }
            } else {
                let sum = match segment.checksum_of() {
                    Some(entry) => match self.sum(entry, &mut left_to_sum)? {
                        Some(sum) => sum,
                        None => break,
                    },
                    None => 0,
                };
                if let Segment::Header(entry) = segment {
                    self.check_empty(entry)?;
                }
                self.segment.clear();
                self.plan.write(segment, sum, &mut self.segment);
                let skipped = (at - place.start) as usize;
                out.copy_from_slice(&self.segment[skipped..skipped + count]);
            }
            filled += count;
        }
        Ok(filled)
    }

    /// Reads content, and sums it up as long as it comes from the first byte on.
    fn content(&mut self, entry: usize, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.contents.read(entry, at, out)?;
        if at == 0 {
            self.running = Some(Running { entry, at: 0, sum: crc32fast::Hasher::new() });
        }
        if let Some(running) = self.running.as_mut().filter(|running| running.entry == entry && running.at == at) {
            running.sum.update(out);
            running.at += out.len() as u64;
        }
        Ok(())
    }

    /// An empty file has no content to be read, but it may have grown.
    fn check_empty(&mut self, entry: usize) -> io::Result<()> {
        let planned = &self.plan.entries()[entry];
        if planned.size_bytes == 0 && !planned.is_folder() { self.contents.check(entry) } else { Ok(()) }
    }

    /// Takes the sum of a file whose last byte was read, if all of it was summed up.
    fn finish(&mut self, entry: usize) {
        let size_bytes = self.plan.entries()[entry].size_bytes;
        let Some(done) = self.running.take_if(|running| running.entry == entry && running.at == size_bytes) else {
            return;
        };
        let sum = done.sum.finalize();
        if self.sums[entry].replace(sum) != Some(sum) {
            self.fresh.push((entry, sum));
        }
        if self.fresh.len() >= BATCH {
            self.contents.note(std::mem::take(&mut self.fresh));
        }
    }

    /// The checksum of an entry: known, or made by reading the file as far as `left_bytes` reach. None: not yet.
    fn sum(&mut self, entry: usize, left_bytes: &mut u64) -> io::Result<Option<u32>> {
        if self.sums[entry].is_none() {
            self.recall(entry / PAGE);
        }
        let size_bytes = self.plan.entries()[entry].size_bytes;
        let mut block = Vec::new();
        while self.sums[entry].is_none() {
            let at = self.running.as_ref().filter(|running| running.entry == entry).map_or(0, |running| running.at);
            let count = (size_bytes - at).min(SUMMED_BLOCK_BYTES as u64);
            let cost = if at == 0 { count.max(OPENING_BYTES) } else { count };
            if *left_bytes < cost {
                return Ok(None);
            }
            *left_bytes -= cost;
            block.resize(count as usize, 0);
            self.content(entry, at, &mut block)?;
            if at + count == size_bytes {
                self.contents.check(entry)?;
                self.finish(entry);
            }
        }
        Ok(self.sums[entry])
    }

    fn recall(&mut self, page: usize) {
        if std::mem::replace(&mut self.asked[page], true) {
            return;
        }
        let entries = page * PAGE..((page + 1) * PAGE).min(self.sums.len());
        let known = self.contents.known(entries.clone());
        for (sum, known) in self.sums[entries].iter_mut().zip(known) {
            *sum = sum.or(known);
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if !self.fresh.is_empty() {
            self.contents.note(std::mem::take(&mut self.fresh));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use proptest::prelude::*;

    use super::super::{ZipEntry, safe_names};
    use super::*;

    /// Files in memory, with what was asked of them.
    #[derive(Clone, Default)]
    struct Memory {
        files: Vec<Vec<u8>>,
        known: Vec<Option<u32>>,
        seen: Arc<Mutex<Seen>>,
    }

    #[derive(Default)]
    struct Seen {
        read_bytes: u64,
        checked: Vec<usize>,
        noted: Vec<Vec<(usize, u32)>>,
        changed: Option<usize>,
    }

    impl Contents for Memory {
        fn read(&mut self, entry: usize, at: u64, buffer: &mut [u8]) -> io::Result<()> {
            self.seen.lock().unwrap().read_bytes += buffer.len() as u64;
            buffer.copy_from_slice(&self.files[entry][at as usize..at as usize + buffer.len()]);
            Ok(())
        }

        fn check(&mut self, entry: usize) -> io::Result<()> {
            let mut seen = self.seen.lock().unwrap();
            seen.checked.push(entry);
            if seen.changed == Some(entry) { Err(io::Error::other("changed")) } else { Ok(()) }
        }

        fn known(&mut self, entries: Range<usize>) -> Vec<Option<u32>> {
            entries.map(|entry| self.known.get(entry).copied().flatten()).collect()
        }

        fn note(&mut self, sums: Vec<(usize, u32)>) {
            self.seen.lock().unwrap().noted.push(sums);
        }
    }

    impl Memory {
        fn of(files: Vec<Vec<u8>>) -> Memory {
            Memory { files, ..Memory::default() }
        }

        fn knowing_all(mut self) -> Memory {
            self.known = self.files.iter().map(|file| Some(crc32fast::hash(file))).collect();
            self
        }

        fn plan(&self) -> ZipPlan {
            let names: Vec<_> = (0..self.files.len()).map(|number| format!("a/{number}")).collect();
            let entry =
                |(name, file): (String, &Vec<u8>)| ZipEntry { name, size_bytes: file.len() as u64, modified_ms: 0 };
            ZipPlan::new(safe_names(&names).into_iter().zip(&self.files).map(entry).collect()).unwrap()
        }

        fn reader(&self) -> Reader {
            Reader::new(self.plan(), Box::new(self.clone()))
        }

        fn part(&self, range: Range<u64>, block_bytes: usize) -> io::Result<Vec<u8>> {
            let mut reader = self.reader();
            let (mut part, mut block) = (Vec::new(), vec![0; block_bytes]);
            while range.start + (part.len() as u64) < range.end {
                let count = reader.fill(range.start + part.len() as u64..range.end, &mut block)?;
                part.extend_from_slice(&block[..count]);
            }
            Ok(part)
        }

        fn whole(&self) -> Vec<u8> {
            self.part(0..self.plan().total_bytes(), 1000).unwrap()
        }
    }

    proptest! {
        #[test]
        fn any_part_is_that_part_of_the_whole(
            files in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..12),
            known in prop::collection::vec(any::<bool>(), 12),
            cut in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
            block_bytes in 1usize..700,
        ) {
            let mut memory = Memory::of(files).knowing_all();
            memory.known.iter_mut().zip(known).for_each(|(sum, known)| *sum = sum.filter(|_| known));
            let whole = memory.whole();
            prop_assert_eq!(whole.len() as u64, memory.plan().total_bytes());
            let (a, b) = (cut.0.index(whole.len() + 1), cut.1.index(whole.len() + 1));
            let (start, end) = (a.min(b), a.max(b));
            prop_assert_eq!(&memory.part(start as u64..end as u64, block_bytes).unwrap(), &whole[start..end]);
        }
    }

    #[test]
    fn a_part_reads_no_more_than_it_needs() {
        let files: Vec<Vec<u8>> = (0..10u8).map(|number| vec![number; 1000]).collect();
        let read = |memory: &Memory, range: Range<u64>| {
            memory.seen.lock().unwrap().read_bytes = 0;
            memory.part(range, 4096).unwrap();
            memory.seen.lock().unwrap().read_bytes
        };
        let (stranger, knowing) = (Memory::of(files.clone()), Memory::of(files).knowing_all());
        let plan = stranger.plan();
        let (_, third) = plan.segment_at(plan.offsets[3] + 500).unwrap();
        assert_eq!(read(&stranger, third.start + 100..third.start + 200), 100, "within a file");
        assert_eq!(read(&knowing, third.start + 100..plan.offsets[4]), 900, "its end, the checksum known");
        assert_eq!(read(&stranger, third.start + 100..plan.offsets[4]), 1900, "its end, the checksum to be found");
        assert_eq!(read(&knowing, plan.central_offset()..plan.total_bytes()), 0);
        assert_eq!(read(&stranger, plan.central_offset()..plan.total_bytes()), 10_000);
        assert_eq!(read(&stranger, 0..plan.total_bytes()), 10_000, "the whole reads each file once");
    }

    #[test]
    fn checksums_of_files_read_whole_are_told_in_batches() {
        let memory = Memory::of((0..1200u32).map(|number| number.to_le_bytes().to_vec()).collect());
        memory.whole();
        let noted = std::mem::take(&mut memory.seen.lock().unwrap().noted);
        assert_eq!(noted.iter().map(Vec::len).collect::<Vec<_>>(), [500, 500, 200]);
        assert!(noted.concat().iter().all(|(entry, sum)| *sum == crc32fast::hash(&memory.files[*entry])));

        let first = memory.plan().segment_at(40).unwrap().1;
        memory.part(first.start + 1..first.end, 10).unwrap();
        assert!(memory.seen.lock().unwrap().noted.is_empty(), "the middle of a file has no checksum");
    }

    #[test]
    fn a_file_that_changes_is_not_handed_out_to_its_end_nor_is_its_checksum_kept() {
        for (size, known) in [(3000, true), (3000, false), (0, true)] {
            let mut memory = Memory::of(vec![vec![7; 1000], vec![8; size]]);
            memory = if known { memory.knowing_all() } else { memory };
            let plan = memory.plan();
            memory.seen.lock().unwrap().changed = Some(1);
            assert!(memory.part(0..plan.total_bytes(), 1000).is_err());
            assert!(memory.seen.lock().unwrap().noted.concat().iter().all(|(entry, _)| *entry == 0));
            if size > 0 {
                let content = plan.segment_at(plan.offsets[1] + 100).unwrap().1;
                assert!(
                    memory.part(content.start..content.start + 10, 1000).is_err(),
                    "the last byte of a part counts too"
                );
                assert_eq!(memory.part(plan.offsets[2]..plan.total_bytes(), 1000).is_err(), !known);
            }
        }
    }

    #[test]
    fn finding_checksums_pauses_so_that_it_can_be_stopped() {
        let memory = Memory::of(vec![vec![5; SUMMED_AT_ONCE_BYTES as usize + 1]]);
        let plan = memory.plan();
        let central = plan.central_offset()..plan.total_bytes();
        let (mut reader, mut block) = (memory.reader(), [0; 100]);
        assert_eq!(reader.fill(central.clone(), &mut block).unwrap(), 0);
        assert!(reader.fill(central, &mut block).unwrap() > 0);
        assert_eq!(memory.seen.lock().unwrap().read_bytes, SUMMED_AT_ONCE_BYTES + 1);
    }

    #[test]
    fn nothing_lies_beyond_the_end() {
        let memory = Memory::of(Vec::new());
        assert_eq!(memory.whole().len(), 22);
        assert!(memory.part(0..23, 100).is_err() && memory.part(u64::MAX - 1..u64::MAX, 100).is_err());
    }
}
