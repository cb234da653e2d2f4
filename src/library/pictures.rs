//! Whether an audio file has a picture in it, told from its first bytes alone: pictures are most of what a tag weighs, and a
//! scan needs none of them.

use std::io::{Read, Result, Seek, SeekFrom};

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

/// `None` where it cannot be told without reading all: only FLAC and MP4 say where their pictures lie.
pub fn has_picture(reader: &mut (impl Read + Seek)) -> Result<Option<bool>> {
    reader.seek(SeekFrom::Start(0))?;
    match bytes::<8>(reader)? {
        [b'f', b'L', b'a', b'C', ..] => in_flac(reader),
        [_, _, _, _, b'f', b't', b'y', b'p'] => in_mp4(reader).map(Some),
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

fn is_picture(reader: &mut impl Read) -> Result<bool> {
    let mut first = Vec::with_capacity(12);
    reader.take(12).read_to_end(&mut first)?;
    Ok(picture_type(&first).is_some())
}

/// The format's blocks: RFC 9639, section 8.
fn in_flac(reader: &mut (impl Read + Seek)) -> Result<Option<bool>> {
    const COMMENTS: u8 = 4;
    const PICTURE: u8 = 6;
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
                reader.seek(SeekFrom::Current(20))?;
                if is_picture(reader)? {
                    return Ok(Some(true));
                }
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
    Ok(Some(false))
}

/// What lies in one box: ISO/IEC 14496-12, section 4.2.
#[derive(Clone, Copy)]
struct Within {
    from: u64,
    to: u64,
}

fn in_mp4(reader: &mut (impl Read + Seek)) -> Result<bool> {
    let to = reader.seek(SeekFrom::End(0))?;
    let mut within = Within { from: 0, to };
    for name in [b"moov", b"udta", b"meta", b"ilst", b"covr"] {
        let Some(found) = find(reader, within, name)? else { return Ok(false) };
        within = found;
        if name == b"meta" {
            // Apple's has a version before its content, QuickTime's has none.
            reader.seek(SeekFrom::Start(within.from))?;
            let [_, _, _, _, first @ ..] = bytes::<8>(reader)?;
            within.from += if &first == b"hdlr" { 0 } else { 4 };
        }
    }
    while let Some(data) = find(reader, within, b"data")? {
        reader.seek(SeekFrom::Start(data.from + 8))?;
        if is_picture(reader)? {
            return Ok(true);
        }
        within.from = data.to;
    }
    Ok(false)
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
        has_picture(&mut Cursor::new(file)).unwrap()
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
    fn others_are_to_be_read() {
        assert_eq!(told(b"ID3\x04 and so on".to_vec()), None);
        assert_eq!(told(b"OggS and so on".to_vec()), None);
    }

    #[test]
    fn boxes_that_lie_about_their_size_are_left() {
        for size in [0u32, 1, 2, 7, 8, 9, u32::MAX] {
            let lie = [&size.to_be_bytes()[..], b"moov", &[0xff; 8]].concat();
            told([&8u32.to_be_bytes()[..], b"ftyp", &lie].concat());
        }
    }
}
