//! Audio in another format: which formats and bit rates there are, and how ffmpeg is asked for them.

use serde::{Deserialize, Serialize};

use super::ffmpeg::{input, words};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    Mp3,
    /// In Ogg. Safari plays it only since its version 18.4.
    Opus,
    /// As ADTS: frames that follow each other, without a container.
    Aac,
    /// AAC in MP4, in fragments: its head tells no length, and need not be written last.
    M4a,
    Flac,
}

impl Codec {
    /// By what music apps call it.
    pub fn of_format(format: &str) -> Option<Codec> {
        match format.to_ascii_lowercase().as_str() {
            "mp3" => Some(Codec::Mp3),
            "opus" | "ogg" | "oga" => Some(Codec::Opus),
            "aac" | "adts" => Some(Codec::Aac),
            "m4a" | "mp4" => Some(Codec::M4a),
            "flac" => Some(Codec::Flac),
            _ => None,
        }
    }

    pub fn suffix(self) -> &'static str {
        match self {
            Codec::Mp3 => "mp3",
            Codec::Opus => "opus",
            Codec::Aac => "aac",
            Codec::M4a => "m4a",
            Codec::Flac => "flac",
        }
    }

    /// What is in it, as players name it.
    pub fn sound(self) -> &'static str {
        match self {
            Codec::M4a => "aac",
            codec => codec.suffix(),
        }
    }

    pub fn mime(self) -> &'static str {
        match self {
            Codec::Mp3 => "audio/mpeg",
            Codec::Opus => "audio/ogg",
            Codec::Aac => "audio/aac",
            Codec::M4a => "audio/mp4",
            Codec::Flac => "audio/flac",
        }
    }

    /// Bit rates that are made, falling; none of a codec that loses nothing.
    fn ladder(self) -> &'static [u32] {
        match self {
            Codec::Mp3 => &[320, 256, 192, 128, 96, 64],
            Codec::Opus => &[192, 128, 96, 64, 32],
            Codec::Aac | Codec::M4a => &[256, 192, 128, 96, 64],
            Codec::Flac => &[],
        }
    }

    pub fn loses_nothing(self) -> bool {
        self.ladder().is_empty()
    }

    pub fn lowest_kbps(self) -> u32 {
        self.ladder().last().copied().unwrap_or(0)
    }

    /// Samples per second that it can be made at, rising.
    pub fn rates_hz(self) -> &'static [u32] {
        match self {
            Codec::Mp3 => &[22_050, 24_000, 32_000, 44_100, 48_000],
            Codec::Opus => &[48_000],
            Codec::Aac | Codec::M4a => &[22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000],
            Codec::Flac => &[8000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000],
        }
    }

    /// Phones and browsers fold more than two channels badly or not at all; what loses nothing keeps them.
    pub fn channels_max(self) -> u8 {
        if self.loses_nothing() { 8 } else { 2 }
    }

    /// What sounds well and is not large.
    fn usual_kbps(self) -> u32 {
        match self {
            Codec::Mp3 | Codec::Aac | Codec::M4a => 192,
            Codec::Opus => 128,
            Codec::Flac => 0,
        }
    }
}

/// A codec at one of its bit rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    codec: Codec,
    /// 0 of a codec that loses nothing.
    kbps: u32,
    limits: Limits,
}

/// What a player asks for beyond a bit rate. None: as of the source, or as is usual.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    pub channels: Option<u8>,
    /// One of [`Codec::rates_hz`].
    pub rate_hz: Option<u32>,
    /// 16, of a codec that loses nothing.
    pub bits: Option<u8>,
}

impl Profile {
    /// A wish is rounded down to a bit rate that is made; one below all of them to the lowest.
    pub fn new(codec: Codec, wish_kbps: Option<u32>) -> Profile {
        let wish = wish_kbps.unwrap_or(codec.usual_kbps());
        let ladder = codec.ladder();
        let kbps = ladder.iter().find(|kbps| **kbps <= wish).or(ladder.last()).copied().unwrap_or(0);
        Profile { codec, kbps, limits: Limits::default() }
    }

    /// `None` if the codec cannot be made like that.
    pub fn limited(self, limits: Limits) -> Option<Profile> {
        let fits = limits.channels.is_none_or(|channels| (1..=self.codec.channels_max()).contains(&channels))
            && limits.rate_hz.is_none_or(|rate_hz| self.codec.rates_hz().contains(&rate_hz))
            && limits.bits.is_none_or(|bits| bits == 16 && self.codec.loses_nothing());
        fits.then_some(Profile { limits, ..self })
    }

    pub fn limits(self) -> Limits {
        self.limits
    }

    pub fn codec(self) -> Codec {
        self.codec
    }

    pub fn kbps(self) -> u32 {
        self.kbps
    }

    pub fn name(self) -> String {
        let Limits { channels, rate_hz, bits } = self.limits;
        let mut name = format!("{}-{}", self.codec.suffix(), self.kbps);
        for (limit, unit) in [(channels.map(u32::from), "ch"), (rate_hz, "hz"), (bits.map(u32::from), "bit")] {
            if let Some(limit) = limit {
                name.push_str(&format!("-{limit}{unit}"));
            }
        }
        name
    }

    /// No shorter than what comes of this many seconds: a head, pages and packets included, and some to spare.
    pub fn bytes_at_most(self, duration_s: u64) -> Option<u64> {
        let spare = 64 * 1024;
        (self.kbps > 0)
            .then(|| duration_s.saturating_add(1).saturating_mul(u64::from(self.kbps) * 125) * 103 / 100 + spare)
    }

    /// Arguments for ffmpeg, which writes to its standard output.
    pub fn arguments(self, start_s: u32) -> Vec<String> {
        let mut arguments = input(Some(f64::from(start_s)));
        arguments.extend(words("-map 0:a:0 -vn -sn -dn -map_metadata -1 -map_chapters -1"));
        arguments.extend(self.codec_arguments());
        // Without the bits that tell who made it and when: the same content gives the same bytes.
        arguments.extend(words("-fflags +bitexact -flags:a +bitexact -flush_packets 1"));
        arguments.extend(words(match self.codec {
            // A head that tells the length would have to be written last.
            Codec::Mp3 => "-write_xing 0 -f mp3 pipe:1",
            Codec::Opus => "-f ogg pipe:1",
            Codec::Aac => "-f adts pipe:1",
            Codec::M4a => "-movflags +empty_moov+default_base_moof -frag_duration 1000000 -f mp4 pipe:1",
            Codec::Flac => "-f flac pipe:1",
        }));
        arguments
    }

    pub(super) fn codec_arguments(self) -> Vec<String> {
        let mut arguments = words(match self.codec {
            Codec::Mp3 => "-c:a libmp3lame",
            Codec::Opus => "-c:a libopus -vbr on",
            // The other coder takes a second or two to find its rate, which would be heard at each segment of HLS.
            Codec::Aac | Codec::M4a => "-c:a aac -aac_coder fast",
            Codec::Flac => "-c:a flac",
        });
        let usual = (!self.codec.loses_nothing()).then_some(2);
        let Limits { channels, rate_hz, bits } = self.limits;
        if let Some(channels) = channels.or(usual) {
            arguments.extend(["-ac".to_owned(), channels.to_string()]);
        }
        if let Some(rate_hz) = rate_hz {
            arguments.extend(["-ar".to_owned(), rate_hz.to_string()]);
        }
        if bits.is_some() {
            arguments.extend(words("-sample_fmt s16"));
        }
        if self.kbps > 0 {
            arguments.extend(["-b:a".to_owned(), format!("{}k", self.kbps)]);
        }
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_never_exceeded_but_by_the_lowest_rate() {
        let kbps = |codec, wish| Profile::new(codec, wish).kbps();
        assert_eq!(kbps(Codec::Mp3, Some(320)), 320);
        assert_eq!(kbps(Codec::Mp3, Some(319)), 256);
        assert_eq!(kbps(Codec::Mp3, Some(u32::MAX)), 320);
        assert_eq!(kbps(Codec::Mp3, Some(1)), 64);
        assert_eq!(kbps(Codec::Opus, Some(160)), 128);
        assert_eq!(kbps(Codec::Aac, None), 192);
        assert_eq!(kbps(Codec::Flac, Some(128)), 0);
    }

    #[test]
    fn what_a_codec_cannot_be_is_refused_and_what_it_can_has_a_name_of_its_own() {
        let limits = |channels, rate_hz, bits| Limits { channels, rate_hz, bits };
        let named = |codec, limits| Profile::new(codec, Some(128)).limited(limits).map(Profile::name);
        assert_eq!(named(Codec::Mp3, limits(Some(1), Some(44_100), None)).as_deref(), Some("mp3-128-1ch-44100hz"));
        assert_eq!(named(Codec::Flac, limits(Some(6), None, Some(16))).as_deref(), Some("flac-0-6ch-16bit"));
        for (codec, limits) in [
            (Codec::Mp3, limits(Some(0), None, None)),
            (Codec::Mp3, limits(Some(6), None, None)),
            (Codec::Mp3, limits(None, Some(96_000), None)),
            (Codec::Opus, limits(None, Some(44_100), None)),
            (Codec::Aac, limits(None, None, Some(16))),
            (Codec::Flac, limits(None, Some(1), None)),
        ] {
            assert_eq!(named(codec, limits), None, "{codec:?} {limits:?}");
        }
    }
}
