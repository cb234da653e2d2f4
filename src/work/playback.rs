//! Playing, as apps tell of it: by reports of their player, or by a word at the beginning and one when it counts.

use crate::account::UserKey;
use crate::error::Result;
use crate::library::music::Marked;
use crate::library::playback::{Play, Playback, State};
use crate::library::{AlbumKey, ItemKey};
use crate::store::{Tx, marks, playback, scrobbles};

/// A track that is played, as far as counting it goes.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    pub item: ItemKey,
    pub album: Option<AlbumKey>,
    pub duration_ms: u64,
}

/// What a player reports.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    pub state: State,
    pub position_ms: i64,
    pub rate: f64,
    pub counting: Counting,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// Counts as a play once enough was heard.
    Counts,
    /// Shows what is playing, no more.
    Shows,
}

pub fn report(tx: &mut Tx, user: UserKey, player: &str, heard: Heard, report: Report, now_ms: i64) -> Result<()> {
    let goes_on = |before: &Playback| before.item == heard.item && report.state != State::Starting;
    let before = playback::of_player(tx, user, player, now_ms)?.filter(goes_on);
    let mut now = before.unwrap_or_else(|| Playback::begin(heard.item, Play::Awaited, now_ms));
    now.tell(report.state, report.position_ms, report.rate, heard.duration_ms, now_ms);
    if report.counting == Counting::Counts && now.is_to_count(heard.duration_ms) {
        now.play = Play::Counted;
        count(tx, user, heard.item, heard.album, now_ms)?;
    }
    playback::save(tx, user, player, &now, now_ms)
}

/// An app that does not report says that it begins a track.
pub fn begins(tx: &mut Tx, user: UserKey, player: &str, heard: Heard, now_ms: i64) -> Result<()> {
    let before = playback::of_player(tx, user, player, now_ms)?.filter(|before| before.item == heard.item);
    let play = before.map_or(Play::Told, |before| before.play);
    let mut now = Playback::begin(heard.item, play, now_ms);
    now.tell(State::Playing, 0, 1.0, heard.duration_ms, now_ms);
    playback::save(tx, user, player, &now, now_ms)
}

/// An app says that a track was played; `played_ms` where it says when. What the same app's reports counted, or will,
/// counts once.
pub fn played(
    tx: &mut Tx,
    user: UserKey,
    player: &str,
    (item, album): (ItemKey, Option<AlbumKey>),
    played_ms: Option<i64>,
    now_ms: i64,
) -> Result<()> {
    let is_it = |playback: &Playback| {
        playback.item == item
            && playback.play != Play::Told
            && played_ms.is_none_or(|played_ms| played_ms >= playback.started_ms)
    };
    if let Some(mut reported) = playback::of_player(tx, user, player, now_ms)?.filter(is_it) {
        if reported.play == Play::Counted {
            return Ok(());
        }
        reported.play = Play::Counted;
        playback::save(tx, user, player, &reported, now_ms)?;
    }
    count(tx, user, item, album, played_ms.unwrap_or(now_ms).clamp(0, now_ms))
}

fn count(tx: &mut Tx, user: UserKey, item: ItemKey, album: Option<AlbumKey>, played_ms: i64) -> Result<()> {
    for marked in [Some(Marked::Item(item)), album.map(Marked::Album)].into_iter().flatten() {
        marks::play(tx, user, marked, played_ms)?;
    }
    scrobbles::keep(tx, user, item, played_ms)
}
