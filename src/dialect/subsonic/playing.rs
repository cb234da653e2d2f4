//! What is playing: told by apps of old at its beginning, by others at each change of their player; seen by everybody.

use std::collections::HashMap;

use super::Asked;
use super::answers::*;
use super::envelope::Payload;
use super::params::Params;
use crate::error::{Error, Result};
use crate::library::music::Track;
use crate::library::playback::State;
use crate::now_ms;
use crate::share::grant::Scope;
use crate::store::{Tx, music, playback};
use crate::work::playback::{self as playing, Counting, Heard, Report};

const LONGEST_NAME_CHARS: usize = 64;

/// The app by the name that it gives itself; the protocol knows players by nothing else.
pub(super) fn player(params: &Params) -> String {
    params.get("c").unwrap_or_default().chars().take(LONGEST_NAME_CHARS).collect()
}

fn heard(track: &Track) -> Heard {
    Heard { item: track.item.key, album: track.album.as_ref().map(|album| album.key), duration_ms: track.duration_ms }
}

/// Counts plays of tracks and of their albums. Unknown ids are passed over: apps report late what they played from their
/// own copies. `submission=false` only says what is playing now.
pub async fn scrobble(asked: Asked) -> Result<Payload> {
    let ids: Vec<String> = asked.params.need_all("id")?.into_iter().map(str::to_owned).collect();
    let times = asked.params.ints("time")?;
    if !times.is_empty() && times.len() != ids.len() {
        return Err(Error::invalid("time", "one for each id, or none"));
    }
    let player = player(&asked.params);
    if asked.params.bool_of("submission") == Some(false) {
        return begins(&asked, player, ids).await;
    }
    let played = move |tx: &mut Tx, scope: &Scope| {
        let now = now_ms();
        for (at, track) in music::tracks_named(tx, scope, &ids)?.into_iter().enumerate() {
            let Some(track) = track else { continue };
            playing::played(tx, scope.user(), &player, track, times.get(at).copied(), now)?;
        }
        Ok(Payload::Empty)
    };
    let answer = asked.write(played).await?;
    asked.call.app.scrobbles.wake();
    Ok(answer)
}

/// Of several only one can be playing: the last that is known.
async fn begins(asked: &Asked, player: String, ids: Vec<String>) -> Result<Payload> {
    let begun = move |tx: &mut Tx, scope: &Scope| {
        let named = music::tracks_named(tx, scope, &ids)?.into_iter().flatten().next_back();
        let Some((key, _)) = named else { return Ok(Payload::Empty) };
        if let Some(track) = music::tracks(tx, scope, &[key])?.pop() {
            playing::begins(tx, scope.user(), &player, heard(&track), now_ms())?;
        }
        Ok(Payload::Empty)
    };
    asked.write(begun).await
}

pub async fn report_playback(asked: Asked) -> Result<Payload> {
    let params = &asked.params;
    let id = params.need("mediaId")?.to_owned();
    // Ids say themselves what they name.
    if !["song", "podcast"].contains(&params.need("mediaType")?) {
        return Err(Error::invalid("mediaType", "it is song or podcast"));
    }
    let report = Report {
        position_ms: params.ms("positionMs")?.ok_or(Error::Missing("positionMs"))?,
        state: match params.need("state")? {
            "starting" => State::Starting,
            "playing" => State::Playing,
            "paused" => State::Paused,
            "stopped" => State::Stopped,
            _ => return Err(Error::invalid("state", "it is starting, playing, paused or stopped")),
        },
        rate: match params.get("playbackRate").filter(|rate| !rate.is_empty()) {
            None => 1.0,
            Some(rate) => rate
                .parse::<f64>()
                .ok()
                .filter(|rate| rate.is_finite() && *rate > 0.0)
                .ok_or_else(|| Error::invalid("playbackRate", "it is a number above 0"))?,
        },
        counting: match params.bool_of("ignoreScrobble") {
            Some(true) => Counting::Shows,
            _ => Counting::Counts,
        },
    };
    let player = player(params);
    let reported = move |tx: &mut Tx, scope: &Scope| {
        let track = music::track_by_id(tx, scope, &id)?;
        playing::report(tx, scope.user(), &player, heard(&track), report, now_ms())
    };
    asked.write(reported).await?;
    asked.call.app.scrobbles.wake();
    Ok(Payload::Empty)
}

/// Everybody's, of what the caller may hear as well.
pub async fn get_now_playing(asked: Asked) -> Result<Payload> {
    let seen = asked.read(|tx, scope| {
        let now = now_ms();
        let playing = playback::now_playing(tx, now)?;
        let keys: Vec<_> = playing.iter().map(|one| one.playback.item).collect();
        let tracks = music::tracks(tx, scope, &keys)?;
        let tracks: HashMap<_, _> = tracks.iter().map(|track| (track.item.key, track)).collect();
        let seen = |one| Some(NowPlayingEntry::of(one, tracks.get(&one.playback.item)?, now));
        Ok(NowPlaying { entry: playing.iter().filter_map(seen).collect() })
    });
    Ok(Payload::NowPlaying(seen.await?))
}
