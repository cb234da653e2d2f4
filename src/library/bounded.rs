//! A file as the reader of tags sees it: it gives so many bytes, within so long, and remembers whether it was the disk that
//! failed. Readers of formats follow what a file says of itself; one that lies, or a disk that crawls, must not hold a scan.
//!
//! They also jump to and fro, and ask again and again how long the file is. Here that costs nothing as long as it stays within
//! what was read last, which a `BufReader` forgets at each jump.

use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};
use std::ops::Range;
use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub bytes: u64,
    pub time: Duration,
}

/// Room for the largest pictures, and for a song whose every frame must be counted.
pub const OF_A_FILE: Limits = Limits { bytes: 64 * 1024 * 1024, time: Duration::from_secs(60) };

/// Room for the tags of most files without their pictures, which are read past it.
const WINDOW_BYTES: usize = 16 * 1024;

pub struct Bounded<R> {
    inner: R,
    inner_at: u64,
    length: u64,
    at: u64,
    window: Vec<u8>,
    window_at: u64,
    left_out: Vec<Range<u64>>,
    left_bytes: u64,
    until: Instant,
    failure: Option<String>,
}

impl<R: Read + Seek> Bounded<R> {
    pub fn new(mut inner: R, limits: Limits) -> Result<Bounded<R>> {
        let length = inner.seek(SeekFrom::End(0))?;
        Ok(Bounded {
            inner,
            inner_at: length,
            length,
            at: 0,
            window: Vec::new(),
            window_at: 0,
            left_out: Vec::new(),
            left_bytes: limits.bytes,
            until: Instant::now() + limits.time,
            failure: None,
        })
    }

    /// What the disk failed with, or that it took too long. Not that the file asked for more than it may.
    pub fn failure(self) -> Option<String> {
        self.failure
    }

    /// What lies there comes as zeros from now on, or as it is; a reader that passes over it need not wait for the disk.
    pub fn leave_out(&mut self, mut ranges: Vec<Range<u64>>) {
        ranges.retain(|range| range.end <= self.length);
        self.left_out = ranges;
    }

    /// How far what is left out reaches from here, and how far all else does.
    fn reaches(&self) -> (u64, u64) {
        let out = self.left_out.iter().find(|range| range.contains(&self.at)).map_or(0, |range| range.end - self.at);
        let next =
            self.left_out.iter().filter_map(|range| range.start.checked_sub(self.at)).filter(|far| *far > 0).min();
        (out, next.unwrap_or(u64::MAX))
    }

    fn fetch(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.left_bytes == 0 {
            return Err(Error::other("it makes its reader read too much"));
        }
        let most = usize::try_from(self.left_bytes).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.fetch_in_time(&mut buffer[..most]);
        if let Err(cause) = &read {
            self.failure = Some(cause.to_string());
        }
        let read = read?;
        self.left_bytes -= read as u64;
        Ok(read)
    }

    fn fetch_in_time(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if Instant::now() >= self.until {
            return Err(Error::other("reading it takes too long"));
        }
        if self.inner_at != self.at {
            self.inner_at = self.inner.seek(SeekFrom::Start(self.at))?;
        }
        let read = loop {
            match self.inner.read(buffer) {
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                answered => break answered?,
            }
        };
        self.inner_at += read as u64;
        Ok(read)
    }

    /// What of the window lies ahead.
    fn ahead(&self) -> &[u8] {
        let passed = self.at.checked_sub(self.window_at).and_then(|passed| usize::try_from(passed).ok());
        passed.and_then(|passed| self.window.get(passed..)).unwrap_or_default()
    }
}

impl<R: Read + Seek> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.ahead().is_empty() {
            let (out, next) = self.reaches();
            if out > 0 {
                let count = buffer.len().min(usize::try_from(out.min(self.left_bytes)).unwrap_or(usize::MAX));
                if count > 0 || buffer.is_empty() {
                    buffer[..count].fill(0);
                    self.at += count as u64;
                    self.left_bytes -= count as u64;
                    return Ok(count);
                }
            }
            if buffer.len() >= WINDOW_BYTES {
                let most = buffer.len().min(usize::try_from(next).unwrap_or(usize::MAX));
                let read = self.fetch(&mut buffer[..most])?;
                self.at += read as u64;
                return Ok(read);
            }
            let mut window = std::mem::take(&mut self.window);
            window.resize(WINDOW_BYTES, 0);
            let read = self.fetch(&mut window)?;
            window.truncate(read);
            (self.window, self.window_at) = (window, self.at);
        }
        let ahead = self.ahead();
        let count = ahead.len().min(buffer.len());
        buffer[..count].copy_from_slice(&ahead[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl<R> Seek for Bounded<R> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "a place before the beginning"))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    fn bounded(bytes: Vec<u8>, limits: Limits) -> Bounded<Cursor<Vec<u8>>> {
        Bounded::new(Cursor::new(bytes), limits).unwrap()
    }

    #[test]
    fn no_more_is_read_than_the_limit_and_that_is_no_failure_of_the_disk() {
        let mut read = Vec::new();
        let mut bounded = bounded(vec![0; 100_000], Limits { bytes: 50_000, ..OF_A_FILE });
        assert!(bounded.read_to_end(&mut read).is_err());
        assert_eq!(read.len(), 50_000);
        assert_eq!(bounded.failure(), None);
    }

    #[test]
    fn nothing_is_read_when_the_time_is_over() {
        let mut bounded = bounded(b"abc".to_vec(), Limits { time: Duration::ZERO, ..OF_A_FILE });
        assert!(bounded.read(&mut [0; 3]).is_err());
        assert!(bounded.failure().is_some());
    }

    proptest! {
        #[test]
        fn it_reads_as_the_file_does(out in (0..70_000u64, 0..70_000u64), moves in proptest::collection::vec((0..3u8, -70_000..70_000i64, 0..40_000usize), 1..40)) {
            let bytes: Vec<u8> = (0..60_000u32).map(|number| ((number * 31) >> 3) as u8).collect();
            let (mut plain, mut ours) = (Cursor::new(bytes.clone()), bounded(bytes, OF_A_FILE));
            let out = out.0.min(out.1)..out.0.max(out.1);
            ours.leave_out(vec![out.clone()]);
            for (kind, by, count) in moves {
                let to = match kind {
                    0 => SeekFrom::Start(by.unsigned_abs()),
                    1 => SeekFrom::End(by),
                    _ => SeekFrom::Current(by),
                };
                prop_assert_eq!(plain.seek(to).ok(), ours.seek(to).ok());
                let (mut expected, mut found) = (Vec::new(), Vec::new());
                plain.by_ref().take(count as u64).read_to_end(&mut expected).unwrap();
                ours.by_ref().take(count as u64).read_to_end(&mut found).unwrap();
                prop_assert_eq!(expected.len(), found.len());
                let first = plain.position() - expected.len() as u64;
                for (at, (expected, found)) in (first..).zip(expected.into_iter().zip(found)) {
                    prop_assert!(expected == found || found == 0 && out.contains(&at), "at {}", at);
                }
            }
        }
    }
}
