//! The OpenSubsonic dialect: what music apps speak.
//!
//! Reference: <https://opensubsonic.netlify.app/docs/>; the XML of the older protocol follows the schema of version
//! 1.16.1 at <http://www.subsonic.org/pages/api.jsp>.
//!
//! All 87 calls have a row in [`FACE`]; what the protocol leaves open is decided in `README.md` beside this file.
//! `stream` sends the original unless `format`, `maxBitRate`, `timeOffset`, the user's own bit rate, or of a film `size`
//! or `converted`, ask for something else; without ffmpeg always. Films are made into MP4, whatever else is asked for.
//! What is like what is told by the sound, once it was listened to; without ffmpeg, or where that is turned off, by
//! genre, artist and year, and the two calls that are about sound alone are not available.
//!
//! Where this server differs on purpose: an `expires` of 0 takes a share's time limit away, which no parameter could
//! otherwise; a share lists at most 2,000 tracks; a form post of `stream` is a GET and obeys Range, as py-opensonic has
//! it; parameters that are not UTF-8 are refused; a transcode that is whole has a length and obeys Range; `getCaptions`
//! takes the ids that `getVideoInfo` tells as well as a film's; the jukebox's `set` lets go on what plays, as Airsonic has
//! it, and its status tells `gain` as `volume`, too, on which the crate opensubsonic insists. Playlists of
//! `hls.m3u8` lead to addresses of ours, signed and good for some hours, since players repeat no parameters. Of a play
//! queue, tracks that are not known are passed over. `playlistRole` has an effect, but a new user has it unless told
//! otherwise, since it had none for years; `musicFolderId` of all folders allows those to come as well.

pub mod answers;
pub mod auth;
mod browse;
mod chat;
mod children;
mod decision;
pub mod envelope;
mod info;
mod jukebox;
mod lists;
mod long;
mod lyrics;
mod mark;
mod of;
pub mod params;
mod play;
mod playing;
mod playlists;
mod podcasts;
mod queues;
mod radio;
mod search;
mod shares;
mod similar;
mod system;
mod transcoding;
mod users;
mod video;
pub mod xml;

use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;

use crate::account::User;
use crate::error::{Error, Result};
use crate::http::{Access, BODY_LIMIT_BYTES, Call, Cors, Face, Route, log_internal, put_header};
use crate::library::LibraryKey;
use crate::share::grant::Scope;
use crate::share::visit::Visitor;
use crate::store::{Tx, rights};
use auth::{Credentials, Means, Refusal};
use envelope::{Failure, Format, Payload, render};
use params::Params;

const PLAIN: &[Method] = &[Method::GET, Method::POST];
const BINARY: &[Method] = &[Method::GET, Method::HEAD, Method::POST];
const POSTED: &[Method] = &[Method::POST];

/// A signed-in user's call.
pub struct Asked {
    pub call: Call,
    pub params: Params,
    pub user: User,
    pub means: Means,
}

impl Asked {
    /// What the user may look through, and how they hear it.
    fn scope(&self) -> impl Fn(&mut Tx) -> Result<Scope> + Send + 'static {
        let user = self.user.clone();
        let most_kbps = user.kbps_at_most(None).filter(|_| self.call.app.renditions.transcodes());
        move |tx| Ok(rights::scope(tx, &user)?.heard_at(most_kbps))
    }

    /// Reads rows, bounded by what the user may look through.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx, &Scope) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let scope = self.scope();
        let bounded = move |tx: &mut Tx| {
            let scope = scope(tx)?;
            work(tx, &scope)
        };
        self.call.app.db.read(bounded).await
    }

    /// The same, within the music folder that the call names, if it names one.
    async fn read_folder<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx, &Scope) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        match self.params.int("musicFolderId")? {
            None => self.read(work).await,
            Some(number) => self.read(move |tx, scope| work(tx, &scope.only(LibraryKey(number))?)).await,
        }
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx, &Scope) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let scope = self.scope();
        let bounded = move |tx: &mut Tx| {
            let scope = scope(tx)?;
            work(tx, &scope)
        };
        self.call.app.db.write(bounded).await
    }

    fn visitor(&self) -> Visitor {
        self.call.guest().with_user(self.user.clone())
    }
}

/// What a handler answers: an envelope's payload, or bytes.
enum Answer {
    Payload(Payload),
    Bytes(Response),
}

impl From<Payload> for Answer {
    fn from(payload: Payload) -> Answer {
        Answer::Payload(payload)
    }
}

impl From<Response> for Answer {
    fn from(response: Response) -> Answer {
        Answer::Bytes(response)
    }
}

type Answering = fn(Asked) -> BoxFuture<'static, Result<Answer>>;

/// Signs the caller in, lets the handler work, and wraps what comes of it. The form of the answer is known before.
async fn answered(mut call: Call, name: &'static str, access: Access, handler: Answering) -> Response {
    let (params, format) = match asked(&mut call).await {
        Ok(asked) => asked,
        Err((format, error)) => return envelope(&format, Err(&Failure::from(&error))),
    };
    let base = call.origin.base.clone();
    match answer(call, params, access, handler).await {
        Ok(Answer::Payload(payload)) => envelope(&format, Ok(&payload)),
        Ok(Answer::Bytes(response)) => response,
        Err(refusal) => {
            if let Refusal::Error(error) = &refusal {
                log_internal(name, error);
            }
            let mut response = envelope(&format, Err(&refusal.failure(&base)));
            // The protocol has no code for it; proxies and libraries beneath the apps know the status.
            if let Refusal::Error(Error::Busy) = refusal {
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                put_header(&mut response, header::RETRY_AFTER, "1");
            }
            response
        }
    }
}

async fn answer(call: Call, params: Params, access: Access, handler: Answering) -> Result<Answer, Refusal> {
    let credentials = Credentials::read(&params, call.bearer())?;
    let means = credentials.means();
    let user = auth::authenticate(&call, credentials).await?;
    if access == Access::Admin && !user.is_admin() {
        return Err(Error::Forbidden("only administrators may").into());
    }
    Ok(handler(Asked { call, params, user, means }).await?)
}

/// The parameters of address and form, and the form of the answer; where they cannot be read, how to say so.
async fn asked(call: &mut Call) -> Result<(Params, Format), (Format, Error)> {
    let is_form =
        call.header(header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let form = if is_form { call.body_bytes(BODY_LIMIT_BYTES).await } else { Ok(Vec::new()) };
    let (params, read) = Params::read(call.query(), form.as_deref().unwrap_or_default());
    let format = Format::asked(&params)?;
    match form.and(read) {
        Ok(()) => Ok((params, format)),
        Err(error) => Err((format, error)),
    }
}

fn envelope(format: &Format, outcome: Result<&Payload, &Failure>) -> Response {
    let rendered = render(format, outcome);
    respond(rendered.content_type, Body::from(rendered.body))
}

fn respond(content_type: &'static str, body: Body) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The one call that needs no credentials: clients ask it before they know how to sign in.
async fn get_open_subsonic_extensions(mut call: Call) -> Response {
    match asked(&mut call).await {
        Ok((_, format)) => envelope(&format, Ok(&system::extensions(&call.app))),
        Err((format, error)) => envelope(&format, Err(&Failure::from(&error))),
    }
}

/// The one call of the protocol whose errors are statuses: players read its answer, and know no envelope.
async fn get_transcode_stream(mut call: Call) -> Response {
    let outcome = match asked(&mut call).await {
        Ok((params, _)) => {
            let handler: Answering =
                |asked| Box::pin(async move { transcoding::get_transcode_stream(asked).await.map(Answer::from) });
            answer(call, params, Access::User, handler).await
        }
        Err((_, error)) => Err(error.into()),
    };
    let error = match outcome {
        Ok(Answer::Bytes(response)) => return response,
        Ok(Answer::Payload(_)) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Err(Refusal::Error(error)) => error,
        Err(_) => return StatusCode::UNAUTHORIZED.into_response(),
    };
    log_internal("getTranscodeStream", &error);
    let status = match error {
        Error::SignInNeeded | Error::WrongCredentials => StatusCode::UNAUTHORIZED,
        Error::Forbidden(_) | Error::ShareLocked | Error::PurchaseNeeded { .. } | Error::NotEnoughPoints => {
            StatusCode::FORBIDDEN
        }
        Error::NotFound(_) => StatusCode::NOT_FOUND,
        Error::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Error::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        Error::Missing(_)
        | Error::Invalid { .. }
        | Error::Exists(_)
        | Error::Conflict(_)
        | Error::Locked(_)
        | Error::TooLarge { .. }
        | Error::Unsupported(_) => StatusCode::BAD_REQUEST,
    };
    let mut response = status.into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        put_header(&mut response, header::RETRY_AFTER, "1");
    }
    response
}

/// Known or unknown to the protocol, not offered here. Strangers learn not even that: they have signed in before.
async fn not_offered(_: Asked) -> Result<Payload> {
    Err(Error::Unsupported("this call"))
}

macro_rules! answer {
    ($name:literal, $access:expr, $handler:path) => {
        |call| {
            Box::pin(answered(call, $name, $access, |asked| {
                Box::pin(async move { $handler(asked).await.map(Answer::from) })
            }))
        }
    };
}

/// Two rows of each call: clients of old append `.view` to its name.
macro_rules! routes {
    ($($name:literal $methods:ident $access:ident $handler:path;)+) => {
        &[
            Route {
                name: "getOpenSubsonicExtensions",
                methods: PLAIN,
                path: "/rest/getOpenSubsonicExtensions",
                access: Access::Open,
                handler: crate::handle!(get_open_subsonic_extensions),
            },
            Route {
                name: "getOpenSubsonicExtensions",
                methods: PLAIN,
                path: "/rest/getOpenSubsonicExtensions.view",
                access: Access::Open,
                handler: crate::handle!(get_open_subsonic_extensions),
            },
            $(
                Route {
                    name: $name,
                    methods: $methods,
                    path: concat!("/rest/", $name),
                    access: Access::$access,
                    handler: answer!($name, Access::$access, $handler),
                },
                Route {
                    name: $name,
                    methods: $methods,
                    path: concat!("/rest/", $name, ".view"),
                    access: Access::$access,
                    handler: answer!($name, Access::$access, $handler),
                },
            )+
            Route {
                name: "getTranscodeStream",
                methods: BINARY,
                path: "/rest/getTranscodeStream",
                access: Access::User,
                handler: crate::handle!(get_transcode_stream),
            },
            Route {
                name: "getTranscodeStream",
                methods: BINARY,
                path: "/rest/getTranscodeStream.view",
                access: Access::User,
                handler: crate::handle!(get_transcode_stream),
            },
            Route {
                name: "hlsPart",
                methods: BINARY,
                path: "/rest/hls/{pass}/{stream}/{file}",
                access: Access::Signed,
                handler: crate::handle!(play::hls_part),
            },
            Route {
                name: "picture",
                methods: BINARY,
                path: "/rest/picture/{pass}/{size}",
                access: Access::Signed,
                handler: crate::handle!(info::picture),
            },
            Route {
                name: "unknown",
                methods: PLAIN,
                path: "/rest/{*rest}",
                access: Access::User,
                handler: answer!("unknown", Access::User, not_offered),
            },
        ]
    };
}

pub static FACE: Face = Face { name: "subsonic", routes: ROUTES, cors: Cors::AnyOrigin };

static ROUTES: &[Route] = routes! {
    "getLicense" PLAIN User system::get_license;
    "ping" PLAIN User system::ping;
    "tokenInfo" PLAIN User system::token_info;

    "findSonicPath" PLAIN User similar::find_sonic_path;
    "getAlbum" PLAIN User browse::get_album;
    "getAlbumInfo" PLAIN User info::get_album_info;
    "getAlbumInfo2" PLAIN User info::get_album_info;
    "getArtist" PLAIN User browse::get_artist;
    "getArtistInfo" PLAIN User info::get_artist_info;
    "getArtistInfo2" PLAIN User info::get_artist_info2;
    "getArtists" PLAIN User browse::get_artists;
    "getGenres" PLAIN User browse::get_genres;
    "getIndexes" PLAIN User browse::get_indexes;
    "getMusicDirectory" PLAIN User browse::get_music_directory;
    "getMusicFolders" PLAIN User browse::get_music_folders;
    "getPodcastEpisode" PLAIN User podcasts::get_podcast_episode;
    "getSimilarSongs" PLAIN User similar::get_similar_songs;
    "getSimilarSongs2" PLAIN User similar::get_similar_songs2;
    "getSong" PLAIN User browse::get_song;
    "getSonicSimilarTracks" PLAIN User similar::get_sonic_similar_tracks;
    "getTopSongs" PLAIN User similar::get_top_songs;
    "getVideoInfo" PLAIN User video::get_video_info;
    "getVideos" PLAIN User video::get_videos;

    "getAlbumList" PLAIN User lists::get_album_list;
    "getAlbumList2" PLAIN User lists::get_album_list2;
    "getNowPlaying" PLAIN User playing::get_now_playing;
    "getRandomSongs" PLAIN User lists::get_random_songs;
    "getSongsByGenre" PLAIN User lists::get_songs_by_genre;
    "getStarred" PLAIN User lists::get_starred;
    "getStarred2" PLAIN User lists::get_starred2;

    "search" PLAIN User search::search;
    "search2" PLAIN User search::search2;
    "search3" PLAIN User search::search3;

    "createPlaylist" PLAIN User playlists::create_playlist;
    "deletePlaylist" PLAIN User playlists::delete_playlist;
    "getPlaylist" PLAIN User playlists::get_playlist;
    "getPlaylists" PLAIN User playlists::get_playlists;
    "updatePlaylist" PLAIN User playlists::update_playlist;

    "download" BINARY User play::download;
    "getAvatar" BINARY User users::get_avatar;
    "getCaptions" BINARY User video::get_captions;
    "getCoverArt" BINARY User play::get_cover_art;
    "getLyrics" PLAIN User lyrics::get_lyrics;
    "getLyricsBySongId" PLAIN User lyrics::get_lyrics_by_song_id;
    "hls.m3u8" BINARY User play::hls;
    "stream" BINARY User play::stream;

    "getTranscodeDecision" POSTED User transcoding::get_transcode_decision;

    "reportPlayback" PLAIN User playing::report_playback;
    "scrobble" PLAIN User playing::scrobble;
    "setRating" PLAIN User mark::set_rating;
    "star" PLAIN User mark::star;
    "unstar" PLAIN User mark::unstar;

    "createShare" PLAIN User shares::create_share;
    "deleteShare" PLAIN User shares::delete_share;
    "getShares" PLAIN User shares::get_shares;
    "updateShare" PLAIN User shares::update_share;

    "createPodcastChannel" PLAIN User podcasts::create_podcast_channel;
    "deletePodcastChannel" PLAIN User podcasts::delete_podcast_channel;
    "deletePodcastEpisode" PLAIN User podcasts::delete_podcast_episode;
    "downloadPodcastEpisode" PLAIN User podcasts::download_podcast_episode;
    "getNewestPodcasts" PLAIN User podcasts::get_newest_podcasts;
    "getPodcasts" PLAIN User podcasts::get_podcasts;
    "refreshPodcasts" PLAIN User podcasts::refresh_podcasts;

    "jukeboxControl" PLAIN User jukebox::jukebox_control;

    "createInternetRadioStation" PLAIN Admin radio::create_internet_radio_station;
    "deleteInternetRadioStation" PLAIN Admin radio::delete_internet_radio_station;
    "getInternetRadioStations" PLAIN User radio::get_internet_radio_stations;
    "updateInternetRadioStation" PLAIN Admin radio::update_internet_radio_station;

    "addChatMessage" PLAIN User chat::add_chat_message;
    "getChatMessages" PLAIN User chat::get_chat_messages;

    "changePassword" PLAIN User users::change_password;
    "createUser" PLAIN Admin users::create_user;
    "deleteUser" PLAIN Admin users::delete_user;
    "getUser" PLAIN User users::get_user;
    "getUsers" PLAIN Admin users::get_users;
    "updateUser" PLAIN Admin users::update_user;

    "createBookmark" PLAIN User queues::create_bookmark;
    "deleteBookmark" PLAIN User queues::delete_bookmark;
    "getBookmarks" PLAIN User queues::get_bookmarks;
    "getPlayQueue" PLAIN User queues::get_play_queue;
    "getPlayQueueByIndex" PLAIN User queues::get_play_queue_by_index;
    "savePlayQueue" PLAIN User queues::save_play_queue;
    "savePlayQueueByIndex" PLAIN User queues::save_play_queue_by_index;

    "getScanStatus" PLAIN User system::get_scan_status;
    "startScan" PLAIN Admin system::start_scan;
};

#[cfg(test)]
mod tests {
    use super::*;

    /// What is no call of the protocol.
    const OWN: [&str; 3] = ["unknown", "hlsPart", "picture"];

    #[test]
    fn every_call_of_the_protocol_has_its_two_addresses() {
        let mut names: Vec<_> = ROUTES.iter().map(|route| route.name).filter(|name| !OWN.contains(name)).collect();
        assert_eq!(names.len(), 2 * 87);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 87);
        for route in ROUTES.iter().filter(|route| !OWN.contains(&route.name)) {
            let method = route.path.strip_prefix("/rest/").unwrap();
            assert_eq!(method.strip_suffix(".view").unwrap_or(method), route.name);
        }
    }
}
