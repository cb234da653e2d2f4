//! MPEG audio that does not say its length: how long it is by its frames.

use std::io::{self, Read, Seek, SeekFrom};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stream {
    pub duration_ms: i64,
    pub bit_rate_kbps: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frame {
    size_bytes: u64,
    samples: u64,
    sample_rate_hz: u64,
    bit_rate_kbps: u64,
    /// Version, layer and sample rate: the same in all frames of a stream.
    shape: u32,
    is_mono: bool,
}

impl Frame {
    const HEADER_BYTES: usize = 4;

    fn parse(header: [u8; Self::HEADER_BYTES]) -> Option<Frame> {
        let bits = u32::from_be_bytes(header);
        if bits >> 21 != 0x7ff {
            return None;
        }
        let (version, layer) = ((bits >> 19) & 3, (bits >> 17) & 3);
        if version == 1 || layer == 0 {
            return None;
        }
        let is_first = version == 3;
        const RATES: [[u64; 15]; 5] = [
            [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
            [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
            [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
            [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
            [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
        ];
        let table = match (is_first, layer) {
            (true, 3) => 0,
            (true, 2) => 1,
            (true, _) => 2,
            (false, 3) => 3,
            (false, _) => 4,
        };
        let bit_rate_kbps = *RATES[table].get(((bits >> 12) & 15) as usize)?;
        let sample_rate_hz = [44_100u64, 48_000, 32_000].get(((bits >> 10) & 3) as usize)?
            >> match version {
                3 => 0,
                2 => 1,
                _ => 2,
            };
        if bit_rate_kbps == 0 {
            return None;
        }
        let samples = match (layer, is_first) {
            (3, _) => 384,
            (1, false) => 576,
            _ => 1152,
        };
        let padding = u64::from((bits >> 9) & 1);
        let size_bytes = match layer {
            3 => (12_000 * bit_rate_kbps / sample_rate_hz + padding) * 4,
            _ => samples / 8 * 1000 * bit_rate_kbps / sample_rate_hz + padding,
        };
        let is_mono = (bits >> 6) & 3 == 3;
        Some(Frame { size_bytes, samples, sample_rate_hz, bit_rate_kbps, shape: bits & 0xfffe_0c00, is_mono })
    }

    /// Where a Xing or Info header lies in a frame of layer III.
    fn xing_offset(&self) -> usize {
        let is_first = (self.shape >> 19) & 3 == 3;
        match (is_first, self.is_mono) {
            (true, false) => 36,
            (false, true) => 13,
            _ => 21,
        }
    }
}

/// How long an MPEG stream is that does not say so itself, by its frames. `None` where a Xing, Info or VBRI header says it
/// (lofty reads those) and where no frames are found.
///
/// lofty takes the first frame's bit rate for the whole file, which is right for a constant one only. A stream whose first
/// frames and samples from three later places agree is taken as constant and not walked through.
pub(super) fn stream(reader: &mut (impl Read + Seek)) -> io::Result<Option<Stream>> {
    const FIRST_FRAMES: u64 = 200;
    let end = reader.seek(SeekFrom::End(0))?;
    let start = after_id3v2(reader)?;
    let Some((start, first)) = find_frame(reader, start, end, None)? else { return Ok(None) };
    if says_its_length(reader, start, &first)? {
        return Ok(None);
    }
    let (mut at, mut frames, mut audio_bytes) = (start, 0u64, 0u64);
    let mut is_constant = true;
    reader.seek(SeekFrom::Start(at))?;
    while at + Frame::HEADER_BYTES as u64 <= end {
        let frame = match read_frame(reader)?.filter(|frame| frame.shape == first.shape) {
            Some(frame) => frame,
            None => match find_frame(reader, at, end, Some(first.shape))? {
                Some((found, frame)) => {
                    at = found;
                    reader.seek(SeekFrom::Start(at + Frame::HEADER_BYTES as u64))?;
                    frame
                }
                None => break,
            },
        };
        is_constant &= frame.bit_rate_kbps == first.bit_rate_kbps;
        frames += 1;
        audio_bytes += frame.size_bytes.min(end - at);
        at += frame.size_bytes;
        if frames == FIRST_FRAMES && is_constant {
            let mut later = [1, 2, 3].into_iter().map(|quarter| at + (end - at) / 4 * quarter);
            let agrees = later.try_fold(true, |agrees, place| {
                let found = find_frame(reader, place, end, Some(first.shape))?;
                io::Result::Ok(agrees && found.is_none_or(|(_, frame)| frame.bit_rate_kbps == first.bit_rate_kbps))
            })?;
            if agrees {
                return Ok(None);
            }
            reader.seek(SeekFrom::Start(at))?;
        } else {
            reader.seek_relative((frame.size_bytes - Frame::HEADER_BYTES as u64) as i64)?;
        }
    }
    let duration_ms = frames * first.samples * 1000 / first.sample_rate_hz;
    if duration_ms == 0 {
        return Ok(None);
    }
    let bit_rate_kbps = (audio_bytes * 8 / duration_ms) as i64;
    Ok(Some(Stream { duration_ms: duration_ms as i64, bit_rate_kbps }))
}

fn after_id3v2(reader: &mut (impl Read + Seek)) -> io::Result<u64> {
    let mut header = [0u8; 10];
    reader.seek(SeekFrom::Start(0))?;
    if reader.read_exact(&mut header).is_err() || !header.starts_with(b"ID3") {
        return Ok(0);
    }
    let size = header[6..10].iter().fold(0u64, |size, byte| size << 7 | u64::from(byte & 0x7f));
    let footer = if header[5] & 0x10 != 0 { 10 } else { 0 };
    Ok(10 + size + footer)
}

fn read_frame(reader: &mut impl Read) -> io::Result<Option<Frame>> {
    let mut header = [0u8; Frame::HEADER_BYTES];
    match reader.read_exact(&mut header) {
        Ok(()) => Ok(Frame::parse(header)),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(e) => Err(e),
    }
}

/// The next frame at or after `from` that is followed by another of its shape, or by the end of the file. Looks through
/// 64 KiB at most.
fn find_frame(
    reader: &mut (impl Read + Seek),
    from: u64,
    end: u64,
    shape: Option<u32>,
) -> io::Result<Option<(u64, Frame)>> {
    // Mostly it is near.
    for window_bytes in [4 * 1024, 64 * 1024] {
        let found = find_frame_within(reader, from, end.min(from.saturating_add(window_bytes)), end, shape)?;
        if found.is_some() || end <= from.saturating_add(window_bytes) {
            return Ok(found);
        }
    }
    Ok(None)
}

fn find_frame_within(
    reader: &mut (impl Read + Seek),
    from: u64,
    to: u64,
    end: u64,
    shape: Option<u32>,
) -> io::Result<Option<(u64, Frame)>> {
    if from >= to {
        return Ok(None);
    }
    let mut window = vec![0u8; usize::try_from(to - from).unwrap_or(usize::MAX)];
    reader.seek(SeekFrom::Start(from))?;
    reader.read_exact(&mut window)?;
    let header_at = |offset: usize| -> Option<[u8; 4]> { window.get(offset..offset + 4)?.try_into().ok() };
    for offset in 0..window.len().saturating_sub(Frame::HEADER_BYTES - 1) {
        let Some(frame) = header_at(offset).and_then(Frame::parse) else { continue };
        if shape.is_some_and(|shape| shape != frame.shape) {
            continue;
        }
        let next = offset + frame.size_bytes as usize;
        let follows = match header_at(next) {
            Some(header) => Frame::parse(header).is_some_and(|next| next.shape == frame.shape),
            None => from + next as u64 >= end,
        };
        if follows {
            return Ok(Some((from + offset as u64, frame)));
        }
    }
    Ok(None)
}

fn says_its_length(reader: &mut (impl Read + Seek), at: u64, frame: &Frame) -> io::Result<bool> {
    let mut bytes = Vec::with_capacity(64);
    reader.seek(SeekFrom::Start(at))?;
    reader.take(64).read_to_end(&mut bytes)?;
    let marks = |offset: usize, mark: &[u8]| bytes.get(offset..offset + mark.len()) == Some(mark);
    Ok(marks(frame.xing_offset(), b"Xing") || marks(frame.xing_offset(), b"Info") || marks(36, b"VBRI"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    /// Silent frames of MPEG-1 layer III, 44.1 kHz, stereo; `rates` are indexes into the bit rate table.
    fn mp3(rates: impl IntoIterator<Item = u8>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for rate in rates {
            let header = [0xff, 0xfb, rate << 4, 0];
            let size = Frame::parse(header).unwrap().size_bytes as usize;
            bytes.extend_from_slice(&header);
            bytes.resize(bytes.len() + size - header.len(), 0);
        }
        bytes
    }

    #[test]
    fn frame_headers_give_size_and_samples() {
        let frame = Frame::parse([0xff, 0xfb, 0x90, 0x00]).unwrap();
        assert_eq!((frame.size_bytes, frame.samples, frame.bit_rate_kbps), (417, 1152, 128));
        let padded = Frame::parse([0xff, 0xfb, 0x92, 0x00]).unwrap();
        assert_eq!(padded.size_bytes, 418);
        let half_rate = Frame::parse([0xff, 0xf3, 0x80, 0xc0]).unwrap();
        assert_eq!((half_rate.sample_rate_hz, half_rate.samples, half_rate.size_bytes), (22_050, 576, 208));
        for bad in [[0xff, 0xfb, 0x00, 0], [0xff, 0xfb, 0xf0, 0], [0xff, 0xfb, 0x9c, 0], [0xff, 0xe9, 0x90, 0], [0; 4]]
        {
            assert_eq!(Frame::parse(bad), None, "{bad:x?}");
        }
    }

    #[test]
    fn a_stream_of_changing_bit_rate_is_as_long_as_its_frames() {
        let stream = mp3((0..1000).map(|i| if i < 500 { 5 } else { 14 }));
        let found = super::stream(&mut Cursor::new(&stream)).unwrap().unwrap();
        assert_eq!(found.duration_ms, 1000 * 1152 * 1000 / 44_100);
        assert_eq!(found.bit_rate_kbps, stream.len() as i64 * 8 / found.duration_ms);
    }

    #[test]
    fn junk_in_a_stream_is_passed_over() {
        let mut stream = mp3([5, 9, 5, 9]);
        stream.extend_from_slice(&[0xaa; 3000]);
        stream.extend(mp3([9, 5, 9]));
        let found = super::stream(&mut Cursor::new(&stream)).unwrap().unwrap();
        assert_eq!(found.duration_ms, 7 * 1152 * 1000 / 44_100);
    }

    #[test]
    fn a_constant_stream_and_one_with_a_header_are_left_to_lofty() {
        assert_eq!(super::stream(&mut Cursor::new(mp3(std::iter::repeat_n(9, 1000)))).unwrap(), None);
        let mut xing = mp3([9, 5, 14, 3]);
        xing[36..40].copy_from_slice(b"Xing");
        assert_eq!(super::stream(&mut Cursor::new(xing)).unwrap(), None);
    }

    #[test]
    fn junk_alone_has_no_length() {
        for junk in [vec![], vec![0xff; 5000], b"ID3\x04\0\0\x7f\x7f\x7f\x7f".to_vec()] {
            assert_eq!(super::stream(&mut Cursor::new(junk)).unwrap(), None);
        }
    }
}
