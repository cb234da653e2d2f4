//! How a track sounds, as a few numbers that are near each other where the sound is: tempo, brightness, noise, loudness and
//! harmony, as bliss hears them.

use std::sync::LazyLock;

use bliss_audio::{AnalysisOptions, FeaturesVersion, Song};

/// Samples that are listened to: of one channel, so many to a second.
pub const RATE_HZ: u32 = 22_050;
/// How much of a track is listened to, from its middle. A whole one would take memory by its length, and says little more.
pub const LISTEN_S: u32 = 60;
/// Raised when the same sound would give other numbers, so that all is listened to anew.
pub const VERSION: u8 = 1;
pub const DIMENSIONS: usize = FEATURES.feature_count();

const FEATURES: FeaturesVersion = FeaturesVersion::Version2;
/// What stands for 1.0.
const UNIT: f32 = 127.0;

/// Each number from -127 to 127: a byte is as fine as ears are, and a million tracks are read in one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sound(pub [i8; DIMENSIONS]);

/// How much each number counts when two sounds are compared, and the roots of that.
static WEIGHTS: LazyLock<[f32; DIMENSIONS]> = LazyLock::new(|| {
    let weights = FEATURES.feature_weights();
    std::array::from_fn(|n| weights[[n, n]])
});
static ROOTS: LazyLock<[f32; DIMENSIONS]> = LazyLock::new(|| WEIGHTS.map(f32::sqrt));

impl Sound {
    /// Listens to samples. Silence and what is shorter than half a second sound like nothing.
    pub fn of(samples: &[f32]) -> Option<Sound> {
        let options = AnalysisOptions { features_version: FEATURES, ..AnalysisOptions::default() };
        let heard = Song::analyze_with_options(samples, &options).ok()?.as_vec();
        let numbers: [f32; DIMENSIONS] = heard.try_into().ok()?;
        let is_something = numbers.iter().all(|number| number.is_finite()) && samples.iter().any(|s| s.abs() > 1e-4);
        is_something.then(|| Sound(numbers.map(|number| (number * UNIT).round().clamp(-UNIT, UNIT) as i8)))
    }

    /// 0 for the same sound; strangers are about 1.5 apart.
    pub fn distance(&self, other: &Sound) -> f32 {
        let weights = &*WEIGHTS;
        let apart = |n: usize| f32::from(self.0[n]) - f32::from(other.0[n]);
        (0..DIMENSIONS).map(|n| weights[n] * apart(n).powi(2)).sum::<f32>().sqrt() / UNIT
    }

    /// 1 for the same sound, towards 0 for what is far from it.
    pub fn similarity(&self, other: &Sound) -> f32 {
        1.0 / (1.0 + self.distance(other))
    }

    pub fn bytes(&self) -> [u8; DIMENSIONS] {
        self.0.map(i8::cast_unsigned)
    }

    pub fn of_bytes(bytes: &[u8]) -> Option<Sound> {
        let bytes: [u8; DIMENSIONS] = bytes.try_into().ok()?;
        Some(Sound(bytes.map(u8::cast_signed)))
    }

    /// The middle of several.
    pub fn middle(sounds: &[Sound]) -> Option<Sound> {
        let count = i32::try_from(sounds.len()).ok().filter(|count| *count > 0)?;
        let mean = |n: usize| sounds.iter().map(|sound| i32::from(sound.0[n])).sum::<i32>() / count;
        Some(Sound(std::array::from_fn(|n| mean(n) as i8)))
    }

    fn weighted(&self) -> [f32; DIMENSIONS] {
        let roots = &*ROOTS;
        std::array::from_fn(|n| f32::from(self.0[n]) / UNIT * roots[n])
    }
}

/// The straight way from one sound to another, in steps.
pub struct Way {
    from: [f32; DIMENSIONS],
    along: [f32; DIMENSIONS],
    length_squared: f32,
    steps: usize,
}

impl Way {
    /// With so many steps between the two, which are none themselves.
    pub fn new(from: &Sound, to: &Sound, steps: usize) -> Way {
        let (from, to) = (from.weighted(), to.weighted());
        let along: [f32; DIMENSIONS] = std::array::from_fn(|n| to[n] - from[n]);
        let length_squared = along.iter().map(|x| x * x).sum();
        Way { from, along, length_squared, steps }
    }

    /// The step that a sound lies nearest to, counted from 0, and how far it is from there; none before the first and
    /// behind the last.
    pub fn step(&self, sound: &Sound) -> Option<(usize, f32)> {
        let at = sound.weighted();
        let product: f32 = (0..DIMENSIONS).map(|n| (at[n] - self.from[n]) * self.along[n]).sum();
        let gaps = self.steps as f32 + 1.0;
        // Two that sound the same are in one place, and whatever is near is on the way.
        let place = if self.length_squared > 0.0 { product / self.length_squared * gaps } else { 1.0 };
        let step = place.round();
        if !(1.0..=self.steps as f32).contains(&step) {
            return None;
        }
        let off = |n: usize| at[n] - self.from[n] - self.along[n] * step / gaps;
        let distance = (0..DIMENSIONS).map(|n| off(n).powi(2)).sum::<f32>().sqrt();
        Some((step as usize - 1, distance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(seconds: u32, at: impl Fn(f32) -> f32) -> Vec<f32> {
        (0..seconds * RATE_HZ).map(|n| at(n as f32 / RATE_HZ as f32)).collect()
    }

    fn tone(hz: f32) -> Vec<f32> {
        samples(4, |s| 0.5 * (s * hz * std::f32::consts::TAU).sin())
    }

    fn at(value: i8) -> Sound {
        Sound([value; DIMENSIONS])
    }

    #[test]
    fn two_tones_are_nearer_to_each_other_than_to_noise() {
        let mut state = 1u32;
        let noise: Vec<f32> = (0..4 * RATE_HZ)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state as f32 / u32::MAX as f32 - 0.5
            })
            .collect();
        let [low, high, noise] = [tone(440.0), tone(470.0), noise].map(|heard| Sound::of(&heard).unwrap());
        assert!(low.similarity(&high) > low.similarity(&noise), "{low:?} {high:?} {noise:?}");
        assert_eq!(low.similarity(&low), 1.0);
    }

    #[test]
    fn what_cannot_be_heard_sounds_like_nothing() {
        for heard in [Vec::new(), tone(440.0)[..5000].to_vec(), samples(4, |_| 0.0), samples(4, |_| f32::NAN)] {
            assert_eq!(Sound::of(&heard), None);
        }
    }

    #[test]
    fn steps_of_a_way_come_in_its_order() {
        let way = Way::new(&at(-100), &at(100), 3);
        let steps: Vec<_> = [-100, -50, 0, 50, 100].map(|value| way.step(&at(value)).map(|(step, _)| step)).into();
        assert_eq!(steps, [None, Some(0), Some(1), Some(2), None]);
        let (_, on) = way.step(&at(0)).unwrap();
        let (_, off) = way.step(&Sound(std::array::from_fn(|n| if n == 1 { 60 } else { 0 }))).unwrap();
        assert!(on < 0.001 && off > on);
    }

    #[test]
    fn the_middle_lies_between() {
        assert_eq!(Sound::middle(&[at(-20), at(60)]), Some(at(20)));
        assert_eq!(Sound::middle(&[]), None);
    }
}
