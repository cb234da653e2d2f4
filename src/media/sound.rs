//! Listening to a track. It is done by a process of its own, which is this program again: what it takes of memory goes with
//! it, and nothing that a file does to it reaches the server.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::child::Limits;
use super::ffmpeg::{input, words};
use crate::library::sound::{LISTEN_S, RATE_HZ, Sound};

/// The hidden command: see [`hear`].
pub const COMMAND: &str = "hear";
/// A minute of sound takes a second or two of the processor; what takes longer is no music that anybody plays. The clock ends
/// what hangs: on a busy machine a second of the processor may be minutes away. Of memory most is asked for by threads and
/// never used.
pub const LIMITS: Limits = Limits { processor_s: 60, clock: Duration::from_secs(10 * 60), memory_bytes: 4 << 30 };

/// What the command is given: where ffmpeg is, and the second to begin at.
pub fn order(ffmpeg: &Path, start_s: f64) -> Vec<String> {
    vec![COMMAND.to_owned(), ffmpeg.to_string_lossy().into_owned(), format!("{start_s:.3}")]
}

/// Listens to the track that is the standard input. None where there is nothing to hear.
pub fn hear(ffmpeg: &Path, start_s: f64) -> io::Result<Option<Sound>> {
    let mut samples = decoded(ffmpeg, start_s)?;
    if samples.is_empty() && start_s > 0.0 {
        // It is shorter than its tags say.
        samples = decoded(ffmpeg, 0.0)?;
    }
    Ok(Sound::of(&samples))
}

/// What ffmpeg could read of it, which of a broken file may be nothing.
fn decoded(ffmpeg: &Path, start_s: f64) -> io::Result<Vec<f32>> {
    let mut program = Command::new(ffmpeg);
    let ran = program.args(arguments(start_s)).env_clear().stdin(Stdio::inherit()).stderr(Stdio::null()).output()?;
    Ok(samples(&ran.stdout))
}

/// Arguments for ffmpeg, which writes samples of four bytes to its standard output.
fn arguments(start_s: f64) -> Vec<String> {
    let mut arguments = input(Some(start_s));
    arguments.extend(words("-map 0:a:0 -vn -sn -dn -threads 1 -ac 1 -f f32le -ar"));
    arguments.extend([RATE_HZ.to_string(), "-t".to_owned(), LISTEN_S.to_string(), "pipe:1".to_owned()]);
    arguments
}

/// Where to begin in a track of this length, so that its middle is heard.
pub fn start_s(duration_ms: i64) -> f64 {
    (duration_ms as f64 / 1000.0 - f64::from(LISTEN_S)).max(0.0) / 2.0
}

fn samples(bytes: &[u8]) -> Vec<f32> {
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
