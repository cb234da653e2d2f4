//! Whether an audio file has a picture in it, told from its first bytes alone: pictures are most of what a tag weighs, and a
//! scan needs none of them.

use std::io::{Read, Result, Seek, SeekFrom};
use std::ops::Range;

use super::id3;

/// By its first bytes: what tags say of their pictures is often wrong.
pub fn picture_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// More parts than the head of any file has.
const PARTS_MAX: usize = 1024;

/// What tells a picture from others, at its beginning.
const FIRST_BYTES: u64 = 12;

/// The pictures of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Where each lies, without its first bytes.
    pub bytes: Vec<Range<u64>>,
}

impl Told {
    pub fn are_there(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Adds what lies there, if it is a picture.
    fn add(&mut self, reader: &mut (impl Read + Seek), at: u64, end: u64) -> Result<()> {
        let mut first = Vec::with_capacity(FIRST_BYTES as usize);
        reader.seek(SeekFrom::Start(at))?;
        reader.take(FIRST_BYTES.min(end.saturating_sub(at))).read_to_end(&mut first)?;
        if picture_type(&first).is_some() {
            self.bytes.push(at + first.len() as u64..end);
        }
        Ok(())
    }
}

/// `None` where it cannot be told without reading all: FLAC and MP4 say where their pictures lie, and ID3v2 says it of those
/// that it has; others may follow.
pub fn pictures(reader: &mut (impl Read + Seek)) -> Result<Option<Told>> {
    reader.seek(SeekFrom::Start(0))?;
    match bytes::<8>(reader)? {
        [b'f', b'L', b'a', b'C', ..] => in_flac(reader),
        [_, _, _, _, b'f', b't', b'y', b'p'] => in_mp4(reader).map(Some),
        [b'I', b'D', b'3', ..] => in_id3(reader).map(|told| Some(told).filter(Told::are_there)),
        _ => Ok(None),
    }
}

fn bytes<const N: usize>(reader: &mut impl Read) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn number(reader: &mut impl Read) -> Result<u64> {
    Ok(u32::from_be_bytes(bytes(reader)?).into())
}

/// The format's blocks: RFC 9639, section 8.
fn in_flac(reader: &mut (impl Read + Seek)) -> Result<Option<Told>> {
    const COMMENTS: u8 = 4;
    const PICTURE: u8 = 6;
    let mut told = Told::default();
    let mut at = 4;
    for _ in 0..PARTS_MAX {
        reader.seek(SeekFrom::Start(at))?;
        let [kind, size @ ..] = bytes::<4>(reader)?;
        let size = size.iter().fold(0u64, |size, byte| size << 8 | u64::from(*byte));
        at += 4 + size;
        match kind & 0x7f {
            PICTURE => {
                reader.seek(SeekFrom::Current(4))?;
                for _ in ["media type", "description"] {
                    let length = number(reader)?;
                    reader.seek(SeekFrom::Current(length as i64))?;
                }
                let picture = reader.seek(SeekFrom::Current(20))?;
                told.add(reader, picture, at)?;
            }
            COMMENTS => {
                let mut comments = Vec::new();
                reader.take(size).read_to_end(&mut comments)?;
                // Some programs put them there, as Ogg files have them.
                let name = b"METADATA_BLOCK_PICTURE";
                if comments.windows(name.len()).any(|part| part.eq_ignore_ascii_case(name)) {
                    return Ok(None);
                }
            }
            _ => {}
        }
        if kind & 0x80 != 0 {
            break;
        }
    }
    Ok(Some(told))
}

/// Frames of attached pictures: ID3v2.4.0, section 4.14.
fn in_id3(reader: &mut (impl Read + Seek)) -> Result<Told> {
    /// Room for all that comes before a picture.
    const HEAD_BYTES: u64 = 1024;
    let mut told = Told::default();
    for frame in id3::frames(reader)?.iter().filter(|frame| &frame.id == b"APIC") {
        let mut head = Vec::new();
        reader.seek(SeekFrom::Start(frame.at))?;
        reader.take(HEAD_BYTES.min(frame.size_bytes)).read_to_end(&mut head)?;
        if let Some(before) = before_picture(&head) {
            told.add(reader, frame.at + before as u64, frame.at + frame.size_bytes)?;
        }
    }
    Ok(told)
}

/// How much of a frame comes before its picture: encoding, media type, kind of picture, description.
fn before_picture(head: &[u8]) -> Option<usize> {
    let (encoding, rest) = head.split_first()?;
    let media_type = rest.iter().position(|byte| *byte == 0)?;
    let description = media_type + 2;
    let rest = rest.get(description..)?;
    let described = match encoding {
        0 | 3 => rest.iter().position(|byte| *byte == 0)? + 1,
        _ => rest.chunks_exact(2).position(|two| two == [0, 0])? * 2 + 2,
    };
    Some(1 + description + described)
}

/// What lies in one box: ISO/IEC 14496-12, section 4.2.
#[derive(Clone, Copy)]
struct Within {
    from: u64,
    to: u64,
}

fn in_mp4(reader: &mut (impl Read + Seek)) -> Result<Told> {
    let mut told = Told::default();
    let to = reader.seek(SeekFrom::End(0))?;
    let mut within = Within { from: 0, to };
    for name in [b"moov", b"udta", b"meta", b"ilst", b"covr"] {
        let Some(found) = find(reader, within, name)? else { return Ok(told) };
        within = found;
        if name == b"meta" {
            // Apple's has a version before its content, QuickTime's has none.
            reader.seek(SeekFrom::Start(within.from))?;
            let [_, _, _, _, first @ ..] = bytes::<8>(reader)?;
            within.from += if &first == b"hdlr" { 0 } else { 4 };
        }
    }
    while let Some(data) = find(reader, within, b"data")? {
        told.add(reader, data.from + 8, data.to)?;
        within.from = data.to;
    }
    Ok(told)
}

fn find(reader: &mut (impl Read + Seek), within: Within, wanted: &[u8; 4]) -> Result<Option<Within>> {
    let mut at = within.from;
    for _ in 0..PARTS_MAX {
        if at + 8 > within.to {
            break;
        }
        reader.seek(SeekFrom::Start(at))?;
        let (size, name) = (number(reader)?, bytes::<4>(reader)?);
        let (head, size) = match size {
            0 => (8, within.to - at),
            1 => (16, u64::from_be_bytes(bytes(reader)?)),
            size => (8, size),
        };
        let end = at.saturating_add(size).min(within.to);
        if size < head {
            break;
        }
        if &name == wanted {
            return Ok(Some(Within { from: at + head, to: end }));
        }
        at = end;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\nand so on";

    fn told(file: Vec<u8>) -> Option<bool> {
        pictures(&mut Cursor::new(file)).unwrap().map(|told| told.are_there())
    }

    fn block(kind: u8, content: &[u8]) -> Vec<u8> {
        [&[kind, 0, 0, content.len() as u8], content].concat()
    }

    fn flac(blocks: &[Vec<u8>]) -> Vec<u8> {
        [b"fLaC".as_slice(), &blocks.concat()].concat()
    }

    #[test]
    fn flac_says_it_in_its_blocks() {
        let info = block(0, &[0; 34]);
        let picture = |bytes: &[u8]| {
            block(0x86, &[&[0, 0, 0, 3, 0, 0, 0, 1, b'x', 0, 0, 0, 2, b'y', b'z'][..], &[0; 20], bytes].concat())
        };
        assert_eq!(told(flac(&[info.clone(), picture(PNG)])), Some(true));
        assert_eq!(told(flac(&[info.clone(), picture(b"no picture")])), Some(false));
        assert_eq!(told(flac(&[info.clone(), block(0x84, b"TITLE=x")])), Some(false));
        assert_eq!(told(flac(&[info, block(0x84, b"metadata_block_picture=x")])), None);
    }

    #[test]
    fn mp4_says_it_in_its_boxes() {
        let part =
            |name: &[u8; 4], content: &[u8]| [&(content.len() as u32 + 8).to_be_bytes()[..], name, content].concat();
        let file = |version: &[u8], picture: &[u8]| {
            let data = part(b"data", &[&[0; 8], picture].concat());
            let list = part(b"ilst", &[part(b"name", b"x"), part(b"covr", &data)].concat());
            let meta = part(b"meta", &[version, &part(b"hdlr", &[0; 8]), &list].concat());
            [part(b"ftyp", b"M4A "), part(b"moov", &part(b"udta", &meta)), part(b"mdat", &[0; 100])].concat()
        };
        assert_eq!(told(file(&[0; 4], PNG)), Some(true));
        assert_eq!(told(file(&[], PNG)), Some(true));
        assert_eq!(told(file(&[0; 4], b"no picture")), Some(false));
        assert_eq!(told([part(b"ftyp", b"M4A "), part(b"mdat", b"")].concat()), Some(false));
    }

    #[test]
    fn id3_says_it_in_its_frames() {
        let tag = |frame: &[u8]| {
            let size = frame.len() as u8;
            [&b"ID3\x03\0\0\0\0\x01\0TIT2\0\0\0\x02\0\0\x03xAPIC\0\0\0"[..], &[size, 0, 0], frame].concat()
        };
        let latin = [b"\0image/png\0\x03front\0", PNG].concat();
        let wide = [b"\x01image/png\0\x03\xff\xfef\0\0\0", PNG].concat();
        assert_eq!(told(tag(&latin)), Some(true));
        assert_eq!(told(tag(&wide)), Some(true));
        // Other tags may follow.
        for none in [
            &b"\0image/png\0\x03\0no picture"[..],
            b"\0-->\0\x03\0http://a",
            b"\0image/png",
            b"\x01i\0\x03x",
            b"\0",
            b"",
        ] {
            assert_eq!(told(tag(none)), None, "{none:?}");
        }
        let mut file = Cursor::new(tag(&latin));
        let bytes = pictures(&mut file).unwrap().unwrap().bytes.remove(0);
        assert_eq!(file.get_ref()[bytes.start as usize..bytes.end as usize], PNG[12..]);
    }

    #[test]
    fn others_are_to_be_read() {
        assert_eq!(told(b"ID3\x04 and so on".to_vec()), None);
        assert_eq!(told(b"OggS and so on".to_vec()), None);
    }

    #[test]
    fn boxes_that_lie_about_their_size_are_left() {
        for size in [0u32, 1, 2, 7, 8, 9, u32::MAX] {
            let lie = [&size.to_be_bytes()[..], b"moov", &[0xff; 8]].concat();
            assert_eq!(told([&8u32.to_be_bytes()[..], b"ftyp", &lie].concat()), Some(false));
        }
    }
}
