//! What people's apps play and keep in their queues: where it must be by now, when nobody believes it any more, when it
//! counts as a play.

use std::collections::HashSet;

use super::ItemKey;

/// What an app says of its player. It says so at each change, and may say it again and again in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// From here on it is another playback, though it be of the same track. It may be loading for a while.
    Starting,
    Playing,
    Paused,
    Stopped,
}

/// Who counts it as a play, and whether that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Play {
    /// We do, once enough of it was heard.
    Awaited,
    Counted,
    /// The app itself tells when it counts.
    Told,
}

/// One playback in one app, as it was last told.
#[derive(Debug, Clone, PartialEq)]
pub struct Playback {
    pub item: ItemKey,
    pub state: State,
    /// When it was told.
    pub position_ms: i64,
    pub rate: f64,
    pub started_ms: i64,
    pub told_ms: i64,
    pub play: Play,
    /// Dead from then on.
    pub ends_ms: i64,
}

/// Players are late, and some run at another rate than they say.
const GRACE_MS: i64 = 30 * 60 * 1000;
/// At however small a rate.
const LONGEST_MS: i64 = 24 * 60 * 60 * 1000;
/// So much of a long track is as good as half of it, as Last.fm has it.
const HEARD_MS: i64 = 4 * 60 * 1000;

impl Playback {
    pub fn begin(item: ItemKey, play: Play, now_ms: i64) -> Playback {
        Playback {
            item,
            state: State::Starting,
            position_ms: 0,
            rate: 1.0,
            started_ms: now_ms,
            told_ms: now_ms,
            play,
            ends_ms: now_ms,
        }
    }

    pub fn tell(&mut self, state: State, position_ms: i64, rate: f64, duration_ms: u64, now_ms: i64) {
        (self.state, self.position_ms, self.rate, self.told_ms) = (state, position_ms, rate, now_ms);
        let left_ms = match state {
            State::Stopped => 0,
            _ => ((whole(duration_ms) - position_ms).max(0) as f64 / rate) as i64,
        };
        // An app that tells of nothing but beginnings does not tell of a pause either.
        let grace_ms = if self.play == Play::Told { 0 } else { GRACE_MS };
        self.ends_ms = now_ms.saturating_add(left_ms.min(LONGEST_MS) + grace_ms);
    }

    /// Only what plays moves on, and never beyond the end.
    pub fn position_at(&self, duration_ms: u64, now_ms: i64) -> i64 {
        if self.state != State::Playing {
            return self.position_ms;
        }
        let moved_ms = ((now_ms - self.told_ms).max(0) as f64 * self.rate) as i64;
        self.position_ms.saturating_add(moved_ms).min(whole(duration_ms).max(self.position_ms))
    }

    /// Whether it counts as a play at what was just told: once, however often it is told.
    pub fn is_to_count(&self, duration_ms: u64) -> bool {
        let enough_ms = (whole(duration_ms) / 2).min(HEARD_MS);
        self.play == Play::Awaited && self.state != State::Starting && self.position_ms >= enough_ms
    }
}

fn whole(duration_ms: u64) -> i64 {
    i64::try_from(duration_ms).unwrap_or(i64::MAX)
}

/// What an app would go on with, on this device or another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayQueue {
    /// One may stand there more than once.
    pub items: Vec<ItemKey>,
    /// A place among them.
    pub current: usize,
    pub position_ms: i64,
    pub changed_ms: i64,
    /// The app that saved it.
    pub changed_by: String,
}

impl PlayQueue {
    /// Without what is not there. Where that is the current one, the next begins, or else the last.
    pub fn of_those(mut self, there: &HashSet<ItemKey>) -> PlayQueue {
        if !self.items.get(self.current).is_some_and(|item| there.contains(item)) {
            self.position_ms = 0;
        }
        let before = self.items.iter().take(self.current).filter(|item| there.contains(item)).count();
        self.items.retain(|item| there.contains(item));
        self.current = before.min(self.items.len().saturating_sub(1));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: i64 = 60_000;
    const TRACK_MS: u64 = 180_000;

    fn told(state: State, position_ms: i64, rate: f64) -> Playback {
        let mut playback = Playback::begin(ItemKey(1), Play::Awaited, 0);
        playback.tell(state, position_ms, rate, TRACK_MS, 0);
        playback
    }

    #[test]
    fn only_what_plays_moves_at_its_rate_and_never_beyond_the_end() {
        assert_eq!(told(State::Playing, 1000, 1.0).position_at(TRACK_MS, MINUTE_MS), 61_000);
        assert_eq!(told(State::Playing, 1000, 1.5).position_at(TRACK_MS, MINUTE_MS), 91_000);
        assert_eq!(told(State::Playing, 1000, 1.0).position_at(TRACK_MS, 99 * MINUTE_MS), 180_000);
        for state in [State::Starting, State::Paused, State::Stopped] {
            assert_eq!(told(state, 1000, 1.0).position_at(TRACK_MS, MINUTE_MS), 1000);
        }
    }

    #[test]
    fn playback_is_dead_half_an_hour_after_its_planned_end() {
        assert_eq!(told(State::Playing, 0, 1.0).ends_ms, 33 * MINUTE_MS);
        assert_eq!(told(State::Playing, 60_000, 2.0).ends_ms, 31 * MINUTE_MS);
        assert_eq!(told(State::Stopped, 60_000, 2.0).ends_ms, 30 * MINUTE_MS);
        assert_eq!(told(State::Playing, 0, 1e-300).ends_ms, LONGEST_MS + GRACE_MS);
        let mut of_old = Playback::begin(ItemKey(1), Play::Told, 0);
        of_old.tell(State::Playing, 0, 1.0, TRACK_MS, 0);
        assert_eq!(of_old.ends_ms, 3 * MINUTE_MS);
    }

    #[test]
    fn half_of_a_track_or_four_minutes_of_it_are_a_play() {
        assert!(!told(State::Playing, 89_999, 1.0).is_to_count(TRACK_MS));
        assert!(told(State::Paused, 90_000, 1.0).is_to_count(TRACK_MS));
        assert!(told(State::Stopped, 240_000, 1.0).is_to_count(3_600_000));
        assert!(!told(State::Starting, 90_000, 1.0).is_to_count(TRACK_MS));
        for play in [Play::Counted, Play::Told] {
            assert!(!Playback { play, ..told(State::Stopped, 90_000, 1.0) }.is_to_count(TRACK_MS));
        }
    }

    #[test]
    fn queue_goes_on_with_what_is_left_of_it() {
        let queue = PlayQueue {
            items: [1, 2, 1, 3].map(ItemKey).to_vec(),
            current: 2,
            position_ms: 5,
            changed_ms: 0,
            changed_by: String::new(),
        };
        let left = |keys: &[i64]| {
            let queue = queue.clone().of_those(&keys.iter().copied().map(ItemKey).collect());
            (queue.items.iter().map(|item| item.0).collect::<Vec<_>>(), queue.current, queue.position_ms)
        };
        assert_eq!(left(&[1, 2, 3]), (vec![1, 2, 1, 3], 2, 5));
        assert_eq!(left(&[1, 3]), (vec![1, 1, 3], 1, 5));
        assert_eq!(left(&[2, 3]), (vec![2, 3], 1, 0));
        assert_eq!(left(&[2]), (vec![2], 0, 0));
        assert_eq!(left(&[]), (vec![], 0, 0));
    }
}
