//! Bytes: music, films, covers.

use axum::http::{HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::Asked;
use super::params::Params;
use crate::account::User as Account;
use crate::account::token::Purpose;
use crate::error::{Error, Result, Thing};
use crate::http::deliver::Hls;
use crate::http::send::Disposition;
use crate::http::{Call, deliver, log_internal, put_header};
use crate::library::Media;
use crate::library::music::Track;
use crate::media::hls::{FilmLimits, Stream};
use crate::media::transcode::{Codec, Profile};
use crate::now_ms;
use crate::share::Shared;
use crate::share::grant::{Action, Grant};
use crate::store::{accounts, library, music};
use crate::work::archives::{self, Part};
use crate::work::look;
use crate::work::renditions::Rendition;
use crate::work::sharing;

/// What is sent where the original may not be, and no format is named.
pub const UNNAMED: Codec = Codec::Mp3;

async fn granted(asked: &Asked, action: Action) -> Result<Grant> {
    look::own(&asked.call.app, &asked.user, &asked.visitor(), asked.params.need("id")?, action).await
}

/// The original, or another format where one is asked for: what music apps do on a metered line. Without ffmpeg it is
/// always the original.
pub async fn stream(mut asked: Asked) -> Result<Response> {
    // In this protocol a form post is another spelling of GET: py-opensonic posts, and asks for ranges.
    if asked.call.parts.method == Method::POST {
        asked.call.parts.method = Method::GET;
    }
    let wish = Wish::of(&asked.params, &asked.user)?;
    let grant = granted(&asked, Action::Play).await?;
    let transcodes = asked.call.app.renditions.transcodes();
    let made = match grant.item().media {
        Media::Audio if transcodes && wish.is_of_another_sound() => another_sound(&asked, &grant, &wish).await?,
        Media::Video if transcodes && wish.is_of_another_film() => another_film(&asked, &grant, &wish).await?,
        Media::Audio | Media::Video => None,
        Media::Image | Media::None => return Err(Error::NotFound(Thing::Track)),
    };
    let Some(Made { rendition, duration_s, promised_bytes }) = made else {
        return deliver::file(&asked.call, grant, Disposition::Inline).await;
    };
    let grant = granted(&asked, Action::Stream).await?;
    let mut response = deliver::transcode(&asked.call, grant, rendition, promised_bytes).await?;
    put_header(&mut response, CONTENT_DURATION, &duration_s.to_string());
    Ok(response)
}

/// In seconds; players that are told no length go by it.
pub const CONTENT_DURATION: HeaderName = HeaderName::from_static("x-content-duration");

/// What goes out in the original's place.
struct Made {
    rendition: Rendition,
    duration_s: u64,
    promised_bytes: Option<u64>,
}

async fn another_sound(asked: &Asked, grant: &Grant, wish: &Wish) -> Result<Option<Made>> {
    let key = grant.item().key;
    let track = asked.read(move |tx, scope| Ok(music::tracks(tx, scope, &[key])?.pop())).await?;
    let track = track.ok_or(Error::NotFound(Thing::Track))?;
    Ok(wish.profile(&track).map(|profile| {
        let duration_s = (track.duration_ms / 1000).saturating_sub(u64::from(wish.start_s));
        Made {
            rendition: Rendition::Audio { profile, start_s: wish.start_s },
            duration_s,
            promised_bytes: if wish.estimate { profile.bytes_at_most(duration_s) } else { None },
        }
    }))
}

/// MP4, whatever other format is named: no bit rate of a film is known well enough to promise a length.
async fn another_film(asked: &Asked, grant: &Grant, wish: &Wish) -> Result<Option<Made>> {
    // What ffprobe cannot read, ffmpeg cannot make anything of.
    let Ok(probe) = deliver::probe(&asked.call, grant).await else { return Ok(None) };
    let item = grant.item();
    let has_kbps = (item.size_bytes as f64 / 125.0 / probe.duration_s.max(1.0)) as u64;
    let is_within = wish.max_kbps.is_none_or(|most| has_kbps <= u64::from(most))
        && wish.height_px.is_none_or(|most| probe.height_px.is_none_or(|height_px| height_px <= most));
    let is_same = !wish.converted && (wish.codec != Some(Codec::M4a) || item.suffix() == "mp4");
    if is_within && is_same && wish.start_s == 0 {
        return Ok(None);
    }
    let limits = FilmLimits { kbps: wish.max_kbps, height_px: wish.height_px };
    Ok(Stream::film_within(&probe, limits).map(|stream| Made {
        rendition: Rendition::Film { stream, start_s: wish.start_s },
        duration_s: (probe.duration_s as u64).saturating_sub(u64::from(wish.start_s)),
        promised_bytes: None,
    }))
}

/// What `stream` was asked for, within what the caller may have.
struct Wish {
    /// One that is not known here is as if it were not named.
    codec: Option<Codec>,
    max_kbps: Option<u32>,
    /// Of a film.
    height_px: Option<u32>,
    start_s: u32,
    estimate: bool,
    /// One of the conversions that `getVideoInfo` tells of.
    converted: bool,
}

impl Wish {
    /// `raw` is the original, unless the caller's own bit rate is too small for it.
    fn of(params: &Params, user: &Account) -> Result<Wish> {
        let format = params.get("format").unwrap_or_default();
        let number = |name| Ok::<_, Error>(params.ms(name)?.map(|n| u32::try_from(n).unwrap_or(u32::MAX)));
        let (max_kbps, start_s) = (number("maxBitRate")?.filter(|kbps| *kbps > 0), number("timeOffset")?.unwrap_or(0));
        let is_raw = format == "raw";
        Ok(Wish {
            codec: Codec::of_format(format),
            max_kbps: user.kbps_at_most(max_kbps.filter(|_| !is_raw)),
            height_px: params
                .get("size")
                .filter(|size| !size.is_empty() && !is_raw)
                .map(|size| height_px("size", size))
                .transpose()?,
            start_s: if is_raw { 0 } else { start_s },
            estimate: params.bool_of("estimateContentLength") == Some(true),
            converted: !is_raw && params.bool_of("converted") == Some(true),
        })
    }

    fn is_of_another_sound(&self) -> bool {
        self.codec.is_some() || self.max_kbps.is_some() || self.start_s > 0
    }

    fn is_of_another_film(&self) -> bool {
        self.is_of_another_sound() || self.height_px.is_some() || self.converted
    }

    /// None where the original is what is asked for: of that format already, and within the bit rate.
    fn profile(&self, track: &Track) -> Option<Profile> {
        let suffix = track.item.suffix();
        let is_within = self.max_kbps.is_none_or(|most| track.bit_rate_kbps <= most);
        let is_same = self.codec.is_none_or(|codec| codec.suffix() == suffix);
        if is_within && is_same && self.start_s == 0 {
            return None;
        }
        let codec = self.codec.unwrap_or(UNNAMED);
        // More than the original has would be wasted.
        let has_kbps = Some(track.bit_rate_kbps).filter(|kbps| *kbps > 0);
        let most_kbps = self.max_kbps.into_iter().chain(has_kbps.filter(|_| self.codec.is_none())).min();
        Some(Profile::new(codec, most_kbps))
    }
}

/// Of `640x360`, the second.
fn height_px(what: &'static str, size: &str) -> Result<u32> {
    let sides = size.split_once(['x', 'X']).map(|(width, height)| (width.parse::<u32>(), height.parse::<u32>()));
    match sides {
        Some((Ok(1..), Ok(height_px @ 1..))) => Ok(height_px),
        _ => Err(Error::invalid(what, "a size is written as 640x360")),
    }
}

/// What a download gives.
enum Given {
    File(Grant),
    Archive(Part),
}

/// A file as it is; of folders, albums, artists and playlists an archive, as Navidrome gives it.
pub async fn download(asked: Asked) -> Result<Response> {
    let id = asked.params.need("id")?.to_owned();
    let (user, visitor) = (asked.user.clone(), asked.visitor());
    let given = asked.read(move |tx, scope| {
        let thing = music::named(tx, scope, &id)?;
        if let Shared::Item(key) = thing
            && let Some(item) = library::item(tx, key)?.filter(|item| !item.is_folder())
        {
            return Ok(Given::File(sharing::own_item(tx, &user, &visitor, item, Action::Download)?));
        }
        archives::of_user(tx, &user, &visitor, &[thing]).map(Given::Archive)
    });
    match given.await? {
        Given::File(grant) => deliver::file(&asked.call, grant, Disposition::Attachment).await,
        Given::Archive(part) => deliver::zip(&asked.call, vec![part]).await,
    }
}

/// How long a player may go on by one playlist.
const PLAYLIST_LASTS_MS: i64 = 12 * 60 * 60 * 1000;

/// What stands in the addresses of a playlist: players ask for its parts with nothing else.
#[derive(Serialize, Deserialize)]
struct Pass {
    item: String,
    user: String,
    epoch: i64,
    exp: i64,
}

/// One bit rate is a playlist of segments, several are a playlist of playlists; so is a film, at all of its sizes.
pub async fn hls(asked: Asked) -> Result<Response> {
    let grant = granted(&asked, Action::Stream).await?;
    let pass = Pass {
        item: grant.item().id.clone(),
        user: asked.user.id.clone(),
        epoch: asked.user.epoch,
        exp: (now_ms() + PLAYLIST_LASTS_MS) / 1000,
    };
    let before = format!("hls/{}/", asked.call.app.keys.jwt(Purpose::Playlist, &pass));
    let track = match asked.params.get("audioTrack").filter(|track| !track.is_empty()) {
        Some(track) => track.parse::<u8>().map_err(|_| Error::invalid("audioTrack", "there is no such track"))?,
        None => 0,
    };
    let mut limits = Vec::new();
    for wish in asked.params.all("bitRate") {
        let (kbps, size) = wish.split_once('@').map_or((wish, None), |(kbps, size)| (kbps, Some(size)));
        let kbps = kbps.parse::<u32>().map_err(|_| Error::invalid("bitRate", "it is not a number"))?;
        let height_px = size.map(|size| height_px("bitRate", size)).transpose()?;
        limits.push(FilmLimits { kbps: asked.user.kbps_at_most(Some(kbps).filter(|kbps| *kbps > 0)), height_px });
    }
    let mut streams = Vec::new();
    match grant.item().media {
        Media::Audio => {
            // A size is a film's.
            streams.extend(limits.iter().map(|limits| Stream::sound(limits.kbps).of_track(track)));
        }
        Media::Video if !limits.is_empty() => {
            let probe = deliver::probe(&asked.call, &grant).await?;
            streams.extend(limits.into_iter().filter_map(|limits| Stream::film_within(&probe, limits)));
        }
        Media::Video => {}
        Media::Image | Media::None => return Err(Error::NotFound(Thing::Track)),
    }
    let mut seen = Vec::new();
    streams.retain(|stream| {
        !seen.contains(stream) && {
            seen.push(*stream);
            true
        }
    });
    match (grant.item().media, streams.as_slice()) {
        (Media::Audio, [] | [_]) => {
            let stream = streams.pop().unwrap_or(Stream::sound(asked.user.kbps_at_most(None)).of_track(track));
            let before = format!("{before}{}/", stream.name());
            deliver::hls(&asked.call, grant, Hls::Playlist(stream), &before).await
        }
        _ => deliver::hls(&asked.call, grant, Hls::Master(streams, track), &before).await,
    }
}

/// What playlists lead to. Players know no envelope: an error is a status.
pub async fn hls_part(call: Call) -> Response {
    let error = match part(&call).await {
        Ok(response) => return response,
        Err(error) => error,
    };
    log_internal("hls", &error);
    let status = match error {
        Error::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Error::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::NOT_FOUND,
    };
    let mut response = status.into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        put_header(&mut response, header::RETRY_AFTER, "1");
    }
    response
}

async fn part(call: &Call) -> Result<Response> {
    let gone = || Error::NotFound(Thing::Link);
    let pass: Option<Pass> = call.app.keys.claims(Purpose::Playlist, call.path("pass"));
    let pass = pass.filter(|pass| pass.exp * 1000 > now_ms()).ok_or_else(gone)?;
    let wanted = Hls::of_path(call.path("stream"), call.path("file")).ok_or_else(gone)?;
    let stream = Stream::of_name(call.path("stream"));
    let guest = call.guest();
    let grant = call.app.db.read(move |tx| {
        let user = accounts::by_id(tx, &pass.user)?.filter(|user| user.is_active() && user.epoch == pass.epoch);
        let user = user.ok_or_else(gone)?;
        let grant = sharing::own(tx, &user, &guest.with_user(user.clone()), &pass.item, Action::Stream)?;
        let is_sound = grant.item().media == Media::Audio;
        if is_sound && stream.is_some_and(|stream| stream.is_beyond(user.allowed.most_kbps)) {
            return Err(gone());
        }
        Ok(grant)
    });
    deliver::hls(call, grant.await?, wanted, "").await
}

/// Takes the ids of covers as answers name them, and those of whatever has a cover, as clients of old send them. A
/// playlist of several albums is shown by four of them.
pub async fn get_cover_art(asked: Asked) -> Result<Response> {
    let id = asked.params.need("id")?.to_owned();
    let size_px = asked.params.ms("size")?.filter(|size| *size > 0).map(|size| u32::try_from(size).unwrap_or(u32::MAX));
    let (user, visitor) = (asked.user.clone(), asked.visitor());
    let mut grants = asked
        .read(move |tx, scope| {
            let named = music::named(tx, scope, &id)?;
            let covers = match named {
                Shared::Playlist(key) => music::covers_of_playlist(tx, scope, key)?,
                _ => Vec::new(),
            };
            let covers = match covers.len() {
                4 => covers,
                _ => music::cover_of(tx, scope, named)?.into_iter().collect(),
            };
            let mut grants = Vec::new();
            for cover in covers {
                let item = library::item(tx, cover)?.ok_or(Error::NotFound(Thing::Cover))?;
                grants.push(sharing::own_item(tx, &user, &visitor, item, Action::Preview)?);
            }
            Ok(grants)
        })
        .await?;
    match grants.len() {
        0 | 1 => deliver::cover(&asked.call, grants.pop().ok_or(Error::NotFound(Thing::Cover))?, size_px).await,
        _ => deliver::mosaic(&asked.call, &grants, size_px).await,
    }
}
