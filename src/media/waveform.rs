//! How loud a track is from its beginning to its end, as a player draws it.

use super::ffmpeg::{input, words};

/// Peaks of a whole track; a short one has fewer.
const PEAKS: usize = 800;
const RATE_HZ: usize = 8000;
/// One twentieth of a second.
const WINDOW: usize = RATE_HZ / 20;

/// Arguments for ffmpeg, which writes samples of two bytes to its standard output.
pub fn arguments() -> Vec<String> {
    let mut arguments = input(None);
    arguments.extend(words("-map 0:a:0 -vn -sn -dn -ac 1 -ar 8000 -f s16le pipe:1"));
    arguments
}

/// Takes samples as they come.
#[derive(Default)]
pub struct Waveform {
    peaks: Vec<u8>,
    peak: u16,
    in_window: usize,
    /// The first half of a sample.
    half: Option<u8>,
}

impl Waveform {
    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let Some(low) = self.half.take() else {
                self.half = Some(*byte);
                continue;
            };
            self.peak = self.peak.max(i16::from_le_bytes([low, *byte]).unsigned_abs());
            self.in_window += 1;
            if self.in_window == WINDOW {
                self.close_window();
            }
        }
    }

    fn close_window(&mut self) {
        self.peaks.push(u8::try_from(self.peak >> 7).unwrap_or(u8::MAX));
        self.peak = 0;
        self.in_window = 0;
    }

    /// `{"peaks":[…]}`, each from 0 to 255.
    pub fn json(mut self) -> String {
        if self.in_window > 0 {
            self.close_window();
        }
        let count = self.peaks.len().min(PEAKS);
        let part = |n: usize| &self.peaks[n * self.peaks.len() / count..(n + 1) * self.peaks.len() / count];
        let peaks = (0..count).map(|n| part(n).iter().max().copied().unwrap_or(0).to_string());
        format!("{{\"peaks\":[{}]}}", peaks.collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(samples: &[i16], cut: usize) -> String {
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let mut waveform = Waveform::default();
        bytes.chunks(cut).for_each(|part| waveform.add(part));
        waveform.json()
    }

    #[test]
    fn peaks_are_the_loudest_of_their_part_however_the_bytes_come() {
        let mut samples = vec![0_i16; WINDOW * 3];
        samples[5] = 1000;
        samples[WINDOW + 7] = i16::MIN;
        for cut in [1, 3, 64, 100_000] {
            assert_eq!(of(&samples, cut), r#"{"peaks":[7,255,0]}"#);
        }
        assert_eq!(of(&[], 1), r#"{"peaks":[]}"#);
        assert_eq!(of(&vec![300; WINDOW * 10_000], 4096).matches(',').count() + 1, PEAKS);
    }
}
