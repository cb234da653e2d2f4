//! HLS (RFC 8216): playlists computed from a length, segments made one by one as they are asked for.
//!
//! Each segment is a pure function of content, stream and number. Sound and picture are streams of their own. Segments of
//! sound hold whole AAC frames: each is encoded from some frames before its first, which are then dropped, so that the
//! encoder is where a straight run of it would be, and no gap is heard from one segment to the next.

use std::fmt::Write;
use std::ops::Range;

use super::ffmpeg::{Probe, input, words};
use super::transcode::{Codec, Profile};

pub const PLAYLIST_MIME: &str = "application/vnd.apple.mpegurl";

const RATE_HZ: u64 = 48_000;
/// Samples of one AAC frame.
const FRAME: u64 = 1024;
/// Frames of one segment: 9.92 s. A multiple of 15, so that it begins with a whole sample at each usual rate of sources.
const FRAMES: u64 = 465;
const EARLY_FRAMES: u64 = 15;
/// What an encoder looks ahead.
const LATE_FRAMES: u64 = 4;
/// Of one segment with pictures.
const FILM_S: u64 = 6;

/// Heights that films are made in, and the kbit/s that each may take.
const FILMS: [(u32, u32); 3] = [(360, 800), (720, 2500), (1080, 5000)];
const FILM_SOUND_KBPS: u32 = 128;

/// One stream of a track or a film.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// AAC, of one of the source's streams of sound.
    Sound { kbps: u32, track: u8 },
    /// H.264, without sound.
    Film { height_px: u32, kbps: u32 },
}

impl Stream {
    /// Sound at most at this bit rate.
    pub fn sound(wish_kbps: Option<u32>) -> Stream {
        Stream::Sound { kbps: Profile::new(Codec::Aac, wish_kbps).kbps(), track: 0 }
    }

    /// Whether it is sound of a higher bit rate than that.
    pub fn is_beyond(self, most_kbps: Option<u32>) -> bool {
        match (self, Stream::sound(most_kbps)) {
            (Stream::Sound { kbps, .. }, Stream::Sound { kbps: most, .. }) => most_kbps.is_some() && kbps > most,
            _ => false,
        }
    }

    /// The same of another stream of sound: a film may have several languages.
    pub fn of_track(self, track: u8) -> Stream {
        match self {
            Stream::Sound { kbps, .. } => Stream::Sound { kbps, track },
            film @ Stream::Film { .. } => film,
        }
    }

    /// Whether there is such a stream in the source.
    pub fn is_in(self, probe: &Probe) -> bool {
        match self {
            Stream::Sound { track, .. } => usize::from(track) < probe.sounds.len(),
            Stream::Film { .. } => probe.height_px.is_some(),
        }
    }

    /// As it stands in addresses: `a192`, `a192-1` for the second stream of sound, `v720`.
    pub fn name(self) -> String {
        match self {
            Stream::Sound { kbps, track: 0 } => format!("a{kbps}"),
            Stream::Sound { kbps, track } => format!("a{kbps}-{track}"),
            Stream::Film { height_px, .. } => format!("v{height_px}"),
        }
    }

    pub fn of_name(name: &str) -> Option<Stream> {
        let number = |digits: &str| digits.parse::<u32>().ok();
        let stream = match name.split_at_checked(1)? {
            ("a", name) => {
                let (kbps, track) = name.split_once('-').unwrap_or((name, "0"));
                Stream::sound(Some(number(kbps)?)).of_track(track.parse().ok()?)
            }
            ("v", digits) => {
                let wanted = number(digits)?;
                let (height_px, kbps) = FILMS.into_iter().find(|(height_px, _)| *height_px == wanted)?;
                Stream::Film { height_px, kbps }
            }
            _ => return None,
        };
        (stream.name() == name).then_some(stream)
    }

    /// The films that are not larger than the source, at least one.
    pub fn films(probe: &Probe) -> Vec<Stream> {
        let Some(source_px) = probe.height_px else { return Vec::new() };
        let fit = FILMS.into_iter().enumerate().filter(|(n, (height_px, _))| *n == 0 || *height_px <= source_px);
        fit.map(|(_, (height_px, kbps))| Stream::Film { height_px, kbps }).collect()
    }

    /// Of those, the largest that is within a player's limits, else the smallest. None without a moving picture.
    pub fn film_within(probe: &Probe, limits: FilmLimits) -> Option<Stream> {
        let films = Stream::films(probe);
        let fits = |stream: &&Stream| match stream {
            Stream::Film { height_px, kbps } => {
                limits.kbps.is_none_or(|most| kbps + FILM_SOUND_KBPS <= most)
                    && limits.height_px.is_none_or(|most| *height_px <= most)
            }
            Stream::Sound { .. } => false,
        };
        films.iter().rev().find(fits).or(films.first()).copied()
    }

    /// What a film takes with its sound.
    pub fn film_kbps(self) -> Option<u32> {
        match self {
            Stream::Film { kbps, .. } => Some(kbps + FILM_SOUND_KBPS),
            Stream::Sound { .. } => None,
        }
    }

    /// Arguments for ffmpeg to make all of a film, with its sound, as MP4 in fragments.
    pub fn whole_film(self, start_s: u32) -> Vec<String> {
        let mut arguments = input(Some(f64::from(start_s)));
        arguments.extend(words("-map 0:v:0 -map 0:a:0? -map_metadata -1 -map_chapters -1 -sn -dn -fflags +bitexact"));
        arguments.extend(self.picture_arguments());
        arguments.extend(Profile::new(Codec::M4a, Some(FILM_SOUND_KBPS)).codec_arguments());
        arguments
            .extend(words("-flags:a +bitexact -movflags +frag_keyframe+empty_moov+default_base_moof -f mp4 pipe:1"));
        arguments
    }

    fn picture_arguments(self) -> Vec<String> {
        let Stream::Film { height_px, kbps } = self else { return Vec::new() };
        let mut arguments = vec!["-vf".to_owned(), format!("scale=-2:trunc(min({height_px}\\,ih)/2)*2")];
        // Without frames that are shown in another order than they come, times need no shift at a segment's start.
        arguments.extend(words("-c:v libx264 -preset veryfast -profile:v main -pix_fmt yuv420p -bf 0 -threads 2"));
        arguments.extend(words(&format!("-crf 23 -maxrate {kbps}k -bufsize {}k", 2 * kbps)));
        arguments
    }

    /// Ends the name of a segment.
    pub fn suffix(self) -> &'static str {
        match self {
            Stream::Sound { .. } => "aac",
            Stream::Film { .. } => "ts",
        }
    }

    pub fn mime(self) -> &'static str {
        match self {
            Stream::Sound { .. } => "audio/aac",
            Stream::Film { .. } => "video/mp2t",
        }
    }

    fn segment_s(self) -> f64 {
        match self {
            Stream::Sound { .. } => (FRAMES * FRAME) as f64 / RATE_HZ as f64,
            Stream::Film { .. } => FILM_S as f64,
        }
    }

    /// How many segments there are.
    pub fn segments(self, probe: &Probe) -> u32 {
        ((probe.duration_s / self.segment_s()).ceil() as u32).max(1)
    }

    /// Segments and how long each is; `before` stands before each name.
    pub fn playlist(self, probe: &Probe, before: &str) -> String {
        let (count, segment_s) = (self.segments(probe), self.segment_s());
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:{}\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MEDIA-SEQUENCE:0\n\
             #EXT-X-INDEPENDENT-SEGMENTS\n",
            segment_s.ceil()
        );
        for n in 0..count {
            let left_s = probe.duration_s - f64::from(n) * segment_s;
            let _ = writeln!(text, "#EXTINF:{:.5},\n{before}{n}.{}", left_s.clamp(0.001, segment_s), self.suffix());
        }
        text + "#EXT-X-ENDLIST\n"
    }

    fn bandwidth(self) -> u32 {
        match self {
            Stream::Sound { kbps, .. } => kbps * 1100,
            Stream::Film { kbps, .. } => (kbps + FILM_SOUND_KBPS) * 1100,
        }
    }

    /// Arguments for ffmpeg. Of sound, what it writes is to be [cut](Stream::cut).
    pub fn arguments(self, segment: u32, place: Place) -> Vec<String> {
        let n = u64::from(segment);
        let frames_s = |frames: u64| (frames * FRAME) as f64 / RATE_HZ as f64;
        let (start_s, length_s) = match self {
            Stream::Sound { .. } => {
                let early = if n == 0 { 0 } else { EARLY_FRAMES };
                (frames_s(n * FRAMES - early), frames_s(early + FRAMES + LATE_FRAMES))
            }
            Stream::Film { .. } => ((n * FILM_S) as f64, FILM_S as f64),
        };
        let mut arguments = input(Some(start_s));
        if place == Place::Within {
            arguments.extend(["-t".to_owned(), format!("{length_s:.6}")]);
        }
        arguments.extend(words("-map_metadata -1 -map_chapters -1 -sn -dn -fflags +bitexact"));
        match self {
            Stream::Sound { kbps, track } => {
                arguments.extend(words(&format!("-map 0:a:{track} -vn -ar 48000 -flags:a +bitexact")));
                arguments.extend(Profile::new(Codec::Aac, Some(kbps)).codec_arguments());
                arguments.extend(words("-f adts pipe:1"));
            }
            Stream::Film { .. } => {
                arguments.extend(words("-map 0:v:0 -an"));
                arguments.extend(self.picture_arguments());
                arguments
                    .extend(words(&format!("-muxdelay 0 -muxpreload 0 -output_ts_offset {start_s} -f mpegts pipe:1")));
            }
        }
        arguments
    }

    /// The segment of sound out of what the encoder wrote: its own frames, behind the tag that tells their time.
    pub fn cut(adts: &[u8], segment: u32, place: Place) -> Vec<u8> {
        let n = u64::from(segment);
        let skipped = if n == 0 { 0 } else { EARLY_FRAMES };
        let most = if place == Place::Within { FRAMES } else { u64::MAX };
        let mut frames = frames(adts).skip(skipped as usize);
        let mut bytes = time_tag(n * FRAMES * FRAME * 90_000 / RATE_HZ).to_vec();
        for frame in frames.by_ref().take(usize::try_from(most).unwrap_or(usize::MAX)) {
            bytes.extend_from_slice(&adts[frame]);
        }
        bytes
    }
}

/// What a player can show. None: any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FilmLimits {
    pub kbps: Option<u32>,
    pub height_px: Option<u32>,
}

/// The last segment goes on to the end, however well its length was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Within,
    Last,
}

/// Which streams there are. `before` stands before each address; a film's sound is a stream beside it, of this track.
pub fn master(streams: &[Stream], probe: &Probe, track: u8, before: &str) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    let is_film = streams.iter().any(|stream| matches!(stream, Stream::Film { .. }));
    let with_sound = is_film && probe.has_audio();
    if with_sound {
        let sound = Stream::Sound { kbps: FILM_SOUND_KBPS, track }.name();
        let _ = writeln!(
            text,
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"Sound\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",\
             URI=\"{before}{sound}/index.m3u8\""
        );
    }
    for stream in streams {
        let _ = write!(text, "#EXT-X-STREAM-INF:BANDWIDTH={}", stream.bandwidth());
        let _ = match stream {
            Stream::Sound { .. } => write!(text, ",CODECS=\"mp4a.40.2\""),
            Stream::Film { .. } if with_sound => write!(text, ",CODECS=\"avc1.4d402a,mp4a.40.2\",AUDIO=\"sound\""),
            Stream::Film { .. } => write!(text, ",CODECS=\"avc1.4d402a\""),
        };
        let _ = writeln!(text, "\n{before}{}/index.m3u8", stream.name());
    }
    text
}

/// Where each ADTS frame lies.
fn frames(adts: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let head = adts.get(at..at + 7)?;
        if head[0] != 0xff || head[1] & 0xf0 != 0xf0 {
            return None;
        }
        let length = usize::from(head[3] & 3) << 11 | usize::from(head[4]) << 3 | usize::from(head[5]) >> 5;
        let frame = at..at + length.max(7);
        at = frame.end;
        (frame.end <= adts.len()).then_some(frame)
    })
}

/// RFC 8216, 3.4: sound without a container begins with an ID3 tag that tells its time, in 90,000ths of a second.
fn time_tag(time: u64) -> [u8; 73] {
    const OWNER: &[u8; 45] = b"com.apple.streaming.transportStreamTimestamp\0";
    let mut tag = [0; 73];
    tag[..10].copy_from_slice(b"ID3\x04\0\0\0\0\0\x3f");
    tag[10..20].copy_from_slice(b"PRIV\0\0\0\x35\0\0");
    tag[20..65].copy_from_slice(OWNER);
    tag[65..].copy_from_slice(&(time & ((1 << 33) - 1)).to_be_bytes());
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_known_by_their_names_alone() {
        for name in ["a256", "a64", "a128-1", "a128-255", "v360", "v1080"] {
            assert_eq!(Stream::of_name(name).unwrap().name(), name);
        }
        for name in [
            "",
            "a",
            "v",
            "a0",
            "a193",
            "a0128",
            "a128-0",
            "a128-01",
            "a128-256",
            "a128-",
            "v480",
            "x1",
            "a-1",
            "é1",
            "v99999999999",
        ] {
            assert_eq!(Stream::of_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_playlist_is_as_long_as_its_source() {
        let probe = |duration_s| Probe { duration_s, height_px: Some(700), ..Probe::default() };
        for (duration_s, count) in [(0.0, 1), (5.0, 1), (9.92, 1), (9.93, 2), (60.0, 7)] {
            let text = Stream::sound(None).playlist(&probe(duration_s), "x/");
            let total: f64 = text
                .lines()
                .filter_map(|line| line.strip_prefix("#EXTINF:")?.strip_suffix(',')?.parse::<f64>().ok())
                .sum();
            assert!((total - duration_s).abs() < 0.01, "{duration_s}: {total}");
            assert_eq!(text.matches("\nx/").count(), count, "{duration_s}");
        }
        let heights: Vec<String> = Stream::films(&probe(1.0)).into_iter().map(Stream::name).collect();
        assert_eq!(heights, ["v360"]);
    }

    #[test]
    fn a_film_is_the_largest_that_a_player_can_show_else_the_smallest() {
        let probe = Probe { height_px: Some(2160), ..Probe::default() };
        let within = |kbps, height_px| Stream::film_within(&probe, FilmLimits { kbps, height_px }).unwrap().name();
        assert_eq!(within(None, None), "v1080");
        assert_eq!(within(Some(3000), None), "v720");
        assert_eq!(within(Some(3000), Some(480)), "v360");
        assert_eq!(within(Some(1), Some(1)), "v360");
        assert_eq!(Stream::film_within(&Probe::default(), FilmLimits::default()), None);
    }

    #[test]
    fn broken_frames_end_a_cut_and_no_more() {
        let frame = [0xff, 0xf1, 0x4c, 0x80, 0x01, 0x1f, 0xfc, 0xaa];
        let mut adts = frame.repeat(20);
        adts.extend_from_slice(&frame[..5]);
        assert_eq!(Stream::cut(&adts, 1, Place::Last).len(), 73 + 5 * 8);
        assert_eq!(Stream::cut(&adts, 0, Place::Within).len(), 73 + 20 * 8);
        assert_eq!(Stream::cut(b"no sound at all", 3, Place::Last).len(), 73);
    }
}
