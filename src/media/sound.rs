//! How ffmpeg is asked for the part of a track that is listened to.

use std::time::Duration;

use super::child::Limits;
use super::ffmpeg::{input, words};
use crate::library::sound::{LISTEN_S, RATE_HZ};

/// A minute of sound is decoded in a second or two; what takes longer is no music that anybody plays.
pub const LIMITS: Limits = Limits { processor_s: 60, clock: Duration::from_secs(120), memory_bytes: 1 << 30 };
/// What a minute of samples takes, and a little more.
pub const OUTPUT_BYTES_MAX: usize = (LISTEN_S as usize + 1) * RATE_HZ as usize * size_of::<f32>();

/// Arguments for ffmpeg, which writes samples of four bytes to its standard output.
pub fn arguments(start_s: f64) -> Vec<String> {
    let mut arguments = input(Some(start_s));
    arguments.extend(words("-map 0:a:0 -vn -sn -dn -threads 1 -ac 1 -f f32le -ar"));
    arguments.extend([RATE_HZ.to_string(), "-t".to_owned(), LISTEN_S.to_string(), "pipe:1".to_owned()]);
    arguments
}

/// Where to begin in a track of this length, so that its middle is heard.
pub fn start_s(duration_ms: i64) -> f64 {
    (duration_ms as f64 / 1000.0 - f64::from(LISTEN_S)).max(0.0) / 2.0
}

pub fn samples(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_long_track_is_heard_and_all_of_a_short_one() {
        assert_eq!(start_s(300_000), 120.0);
        assert_eq!(start_s(60_000), 0.0);
        assert_eq!(start_s(0), 0.0);
        assert!(!arguments(0.0).iter().any(|argument| argument == "-ss"));
    }

    #[test]
    fn half_a_sample_at_the_end_is_none() {
        let bytes: Vec<u8> = [0.5_f32, -1.0].iter().flat_map(|sample| sample.to_le_bytes()).chain([1, 2]).collect();
        assert_eq!(samples(&bytes), [0.5, -1.0]);
    }
}
