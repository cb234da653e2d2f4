//! Audio in another format: which formats and bit rates there are, and how ffmpeg is asked for them.

use super::ffmpeg::{input, words};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    Mp3,
    /// In Ogg. Safari plays it only since its version 18.4.
    Opus,
    /// As ADTS: frames that follow each other, without a container.
    Aac,
    Flac,
}

impl Codec {
    /// By what music apps call it.
    pub fn of_format(format: &str) -> Option<Codec> {
        match format.to_ascii_lowercase().as_str() {
            "mp3" => Some(Codec::Mp3),
            "opus" | "ogg" | "oga" => Some(Codec::Opus),
            "aac" => Some(Codec::Aac),
            "flac" => Some(Codec::Flac),
            _ => None,
        }
    }

    pub fn suffix(self) -> &'static str {
        match self {
            Codec::Mp3 => "mp3",
            Codec::Opus => "opus",
            Codec::Aac => "aac",
            Codec::Flac => "flac",
        }
    }

    pub fn mime(self) -> &'static str {
        match self {
            Codec::Mp3 => "audio/mpeg",
            Codec::Opus => "audio/ogg",
            Codec::Aac => "audio/aac",
            Codec::Flac => "audio/flac",
        }
    }

    /// Bit rates that are made, falling; none of a codec that loses nothing.
    fn ladder(self) -> &'static [u32] {
        match self {
            Codec::Mp3 => &[320, 256, 192, 128, 96, 64],
            Codec::Opus => &[192, 128, 96, 64, 32],
            Codec::Aac => &[256, 192, 128, 96, 64],
            Codec::Flac => &[],
        }
    }

    /// What sounds well and is not large.
    fn usual_kbps(self) -> u32 {
        match self {
            Codec::Mp3 | Codec::Aac => 192,
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
}

impl Profile {
    /// A wish is rounded down to a bit rate that is made; one below all of them to the lowest.
    pub fn new(codec: Codec, wish_kbps: Option<u32>) -> Profile {
        let wish = wish_kbps.unwrap_or(codec.usual_kbps());
        let ladder = codec.ladder();
        let kbps = ladder.iter().find(|kbps| **kbps <= wish).or(ladder.last()).copied().unwrap_or(0);
        Profile { codec, kbps }
    }

    pub fn codec(self) -> Codec {
        self.codec
    }

    pub fn kbps(self) -> u32 {
        self.kbps
    }

    pub fn name(self) -> String {
        format!("{}-{}", self.codec.suffix(), self.kbps)
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
            Codec::Flac => "-f flac pipe:1",
        }));
        arguments
    }

    /// More than two channels are mixed down: phones and browsers fold them badly or not at all.
    pub(super) fn codec_arguments(self) -> Vec<String> {
        let mut arguments = words(match self.codec {
            Codec::Mp3 => "-c:a libmp3lame -ac 2",
            Codec::Opus => "-c:a libopus -vbr on -ac 2",
            // The other coder takes a second or two to find its rate, which would be heard at each segment of HLS.
            Codec::Aac => "-c:a aac -aac_coder fast -ac 2",
            Codec::Flac => "-c:a flac",
        });
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
}
