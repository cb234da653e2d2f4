//! Where the frames of an ID3v2 tag lie.

use std::io::{Read, Result, Seek, SeekFrom};

/// More frames than any tag has.
const FRAMES_MAX: usize = 1024;
const HEAD_BYTES: u64 = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    pub id: [u8; 4],
    /// Of its content, in the file.
    pub at: u64,
    pub size_bytes: u64,
}

/// In the order of the file, up to what is no frame; without those that are compressed, encrypted or grouped. None of a tag
/// that is unsynchronized or extended as a whole, which programs do no more, nor of version 2.2.
pub fn frames(reader: &mut (impl Read + Seek)) -> Result<Vec<Frame>> {
    let safe = |bytes: &[u8]| bytes.iter().fold(0u64, |size, byte| size << 7 | u64::from(byte & 0x7f));
    let whole = |bytes: &[u8]| bytes.iter().fold(0u64, |size, byte| size << 8 | u64::from(*byte));
    let mut frames = Vec::new();
    let mut head = [0u8; HEAD_BYTES as usize];
    reader.seek(SeekFrom::Start(0))?;
    if reader.read_exact(&mut head).is_err() || !head.starts_with(b"ID3") || !matches!(head[3], 3 | 4) || head[5] != 0 {
        return Ok(frames);
    }
    let is_safe = head[3] == 4;
    let end = HEAD_BYTES + safe(&head[6..]);
    let mut at = HEAD_BYTES;
    for _ in 0..FRAMES_MAX {
        if at + HEAD_BYTES >= end || reader.read_exact(&mut head).is_err() {
            break;
        }
        let [a, b, c, d, ..] = head;
        let id = [a, b, c, d];
        if !id.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()) {
            break;
        }
        let size_bytes = if is_safe { safe(&head[4..8]) } else { whole(&head[4..8]) };
        let content = at + HEAD_BYTES;
        at = content + size_bytes;
        if head[8..] == [0, 0] && at <= end {
            frames.push(Frame { id, at: content, size_bytes });
        }
        reader.seek(SeekFrom::Start(at))?;
    }
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn ids(tag: &[u8]) -> Vec<([u8; 4], u64)> {
        frames(&mut Cursor::new(tag)).unwrap().into_iter().map(|frame| (frame.id, frame.at)).collect()
    }

    #[test]
    fn frames_are_found_up_to_the_padding_and_no_further_than_the_tag() {
        let tag = |version: u8, flags: u8| {
            [
                b"ID3",
                &[version, 0, flags, 0, 0, 1, 0][..],
                b"TIT2\0\0\0\x02\0\0\x03xTPE1\0\0\0\x01\0\x08zAPIC\0\0\0\x01\0\0y\0\0",
            ]
            .concat()
        };
        assert_eq!(ids(&tag(4, 0)), [(*b"TIT2", 20), (*b"APIC", 43)]);
        assert_eq!(ids(&tag(3, 0)), ids(&tag(4, 0)));
        assert_eq!(ids(&tag(4, 0x80)), []);
        assert_eq!(ids(&tag(2, 0)), []);
        assert_eq!(ids(b"ID3\x03\0\0\0\0\0\x20APIC\xff\xff\xff\xff\0\0"), []);
        assert_eq!(ids(b"ID3\x04\0\0\0\0\0\x20APIC"), []);
        assert_eq!(ids(b"ID3"), []);
    }
}
