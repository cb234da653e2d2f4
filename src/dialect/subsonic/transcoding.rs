//! The extension `transcoding`: a player says what it can play, and is told what it gets.

use axum::http::Method;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::Asked;
use super::answers::*;
use super::decision::{ClientInfo, Sound, decide};
use super::envelope::Payload;
use super::params::Params;
use super::play::CONTENT_DURATION;
use crate::account::token::Purpose;
use crate::error::{Error, Result};
use crate::http::{deliver, put_header};
use crate::library::music::Track;
use crate::media::ffmpeg;
use crate::media::transcode::{Codec, Limits, Profile};
use crate::now_ms;
use crate::share::grant::Action;
use crate::store::music;
use crate::work::look;
use crate::work::renditions::Rendition;

const CLIENT_BYTES_MAX: usize = 256 * 1024;
/// A player that decided may wait for the track's turn in its queue.
const PARAMS_LAST_MS: i64 = 24 * 60 * 60 * 1000;

/// What was decided, for the player to hand back.
#[derive(Serialize, Deserialize)]
struct Decided {
    item: String,
    codec: String,
    kbps: u32,
    limits: Limits,
    exp: i64,
}

/// Ids say themselves what they name: a song, or an episode that was fetched.
fn media_id(params: &Params) -> Result<String> {
    let id = params.need("mediaId")?;
    match params.need("mediaType")? {
        "song" | "podcast" => Ok(id.to_owned()),
        _ => Err(Error::invalid("mediaType", "it is song or podcast")),
    }
}

async fn track(asked: &Asked, id: String) -> Result<Track> {
    asked.read(move |tx, scope| music::track_by_id(tx, scope, &id)).await
}

pub async fn get_transcode_decision(mut asked: Asked) -> Result<Payload> {
    let id = media_id(&asked.params)?;
    let body = asked.call.body_bytes(CLIENT_BYTES_MAX).await?;
    let mut client: ClientInfo =
        serde_json::from_slice(&body).map_err(|error| Error::invalid("body", error.to_string()))?;
    let most = asked.user.kbps_at_most(None).map(|kbps| u64::from(kbps) * 1000);
    for wish in [&mut client.max_audio_bitrate, &mut client.max_transcoding_audio_bitrate] {
        *wish = wish.take().into_iter().chain(most).min();
    }
    let track = track(&asked, id.clone()).await?;
    if !asked.call.app.renditions.transcodes() {
        client.transcoding_profiles.clear();
    }
    let grant = look::own(&asked.call.app, &asked.user, &asked.visitor(), &id, Action::Stream).await?;
    // Without ffprobe, the name and the tags have to do.
    let probe = deliver::probe(&asked.call, &grant).await.unwrap_or_default();
    let source = Sound::of(&track, probe.sounds.first());
    let decision = decide(&source, &client);
    let can_transcode = decision.target.is_some();
    let transcode_params = decision.target.as_ref().map(|(profile, _)| {
        let decided = Decided {
            item: id,
            codec: profile.codec().suffix().to_owned(),
            kbps: profile.kbps(),
            limits: profile.limits(),
            exp: (now_ms() + PARAMS_LAST_MS) / 1000,
        };
        asked.call.app.keys.jwt(Purpose::Transcode, &decided)
    });
    let is_none = !decision.can_direct_play && !can_transcode;
    Ok(Payload::TranscodeDecision(Box::new(TranscodeDecision {
        can_direct_play: decision.can_direct_play,
        can_transcode,
        transcode_reason: decision.reasons.into_iter().map(str::to_owned).collect(),
        error_reason: is_none.then(|| "no profile of the player fits".to_owned()),
        transcode_params,
        source_stream: StreamDetails::of(&source),
        transcode_stream: decision.target.map(|(_, sound)| StreamDetails::of(&sound)),
    })))
}

/// What a decision promised. Players of streams know no envelope: an error is a status.
pub async fn get_transcode_stream(mut asked: Asked) -> Result<Response> {
    if asked.call.parts.method == Method::POST {
        asked.call.parts.method = Method::GET;
    }
    let id = media_id(&asked.params)?;
    let refused = || Error::invalid("transcodeParams", "it is not of a decision on this song, or too old");
    let decided: Option<Decided> =
        asked.call.app.keys.claims(Purpose::Transcode, asked.params.need("transcodeParams")?);
    let decided = decided.filter(|decided| decided.item == id && decided.exp * 1000 > now_ms()).ok_or_else(refused)?;
    let codec = Codec::of_format(&decided.codec).ok_or_else(refused)?;
    let kbps = asked.user.kbps_at_most(Some(decided.kbps));
    let profile = Profile::new(codec, kbps).limited(decided.limits).ok_or_else(refused)?;
    let start_s = u32::try_from(asked.params.offset("offset")?).unwrap_or(u32::MAX);
    let track = track(&asked, id.clone()).await?;
    let grant = look::own(&asked.call.app, &asked.user, &asked.visitor(), &id, Action::Stream).await?;
    let mut response = deliver::transcode(&asked.call, grant, Rendition::Audio { profile, start_s }, None).await?;
    let duration_s = (track.duration_ms / 1000).saturating_sub(u64::from(start_s));
    put_header(&mut response, CONTENT_DURATION, &duration_s.to_string());
    Ok(response)
}

impl Sound {
    fn of(track: &Track, probed: Option<&ffmpeg::Sound>) -> Sound {
        let container = track.item.suffix();
        let known = |number: u32| Some(number).filter(|number| *number > 0);
        let codec = match probed {
            Some(probed) if !probed.codec.is_empty() => probed.codec.clone(),
            _ => codec_by_name(&container, track.bit_depth.is_some()).to_owned(),
        };
        let bits_per_second = known(track.bit_rate_kbps).map(|kbps| u64::from(kbps) * 1000);
        let sound = Sound {
            container,
            codec,
            profile: probed.and_then(|probed| probed.profile.clone()),
            channels: known(track.channels).or_else(|| probed?.channels),
            bits_per_second: bits_per_second.or_else(|| probed?.bits_per_second),
            rate_hz: known(track.sample_rate_hz).or_else(|| probed?.rate_hz),
            bits: track.bit_depth.or_else(|| probed?.bits),
        };
        Sound { bits: sound.bits.filter(|_| sound.loses_nothing()), ..sound }
    }
}

/// Where nothing else is known.
fn codec_by_name(suffix: &str, has_depth: bool) -> &str {
    match suffix {
        "m4a" | "m4b" if has_depth => "alac",
        "m4a" | "m4b" => "aac",
        "ogg" | "oga" => "vorbis",
        "spx" => "speex",
        "wav" | "aif" | "aiff" | "aifc" => "pcm",
        "wv" => "wavpack",
        "mpc" => "musepack8",
        "wma" => "wmav2",
        "dsf" | "dff" => "dsd",
        other => other,
    }
}

impl StreamDetails {
    fn of(sound: &Sound) -> StreamDetails {
        StreamDetails {
            protocol: "http",
            container: sound.container.clone(),
            codec: sound.codec.clone(),
            audio_channels: sound.channels,
            audio_bitrate: sound.bits_per_second,
            audio_profile: sound.profile.clone(),
            audio_samplerate: sound.rate_hz,
            audio_bitdepth: sound.bits,
        }
    }
}
