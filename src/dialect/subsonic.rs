//! The OpenSubsonic dialect: what music apps speak.
//!
//! Reference: <https://opensubsonic.netlify.app/docs/>; the XML of the older protocol follows the schema of version
//! 1.16.1 at <http://www.subsonic.org/pages/api.jsp>.
//!
//! All 87 calls have a row in [`FACE`]. Left out, and answered as not available once the caller has signed in:
//! jukebox, internet radio, chat, bookmarks and play queues, similar and top songs, artist and album notes, videos,
//! avatars and captions, decisions on transcoding, and the management of users. `stream` sends the original unless
//! `format`, `maxBitRate` or `timeOffset` ask for something else; of a film, and without ffmpeg, always.
//!
//! Where this server differs on purpose: an `expires` of 0 takes a share's time limit away, which no parameter could
//! otherwise; a share lists at most 2,000 tracks; a form post of `stream` is a GET and obeys Range, as py-opensonic has
//! it; parameters that are not UTF-8 are refused; a transcode that is whole has a length and obeys Range. Playlists of
//! `hls.m3u8` lead to addresses of ours, signed and good for some hours, since players repeat no parameters.

pub mod answers;
pub mod auth;
mod browse;
pub mod envelope;
mod lists;
mod mark;
mod of;
pub mod params;
mod play;
mod playlists;
mod podcasts;
mod search;
mod shares;
mod system;
pub mod xml;

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
    /// Reads rows, bounded by what the user may look through.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx, &Scope) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let user = self.user.clone();
        let bounded = move |tx: &mut Tx| {
            let scope = rights::scope(tx, &user)?;
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
        let user = self.user.clone();
        let bounded = move |tx: &mut Tx| {
            let scope = rights::scope(tx, &user)?;
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
    let by_address =
        Params::read(call.query(), b"").and_then(|params| Format::asked(&params).map_err(|(_, error)| error));
    let fallback = |error| (by_address.clone().unwrap_or(Format::Xml), error);
    let is_form =
        call.header(header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let form = if is_form { call.body_bytes(BODY_LIMIT_BYTES).await.map_err(fallback)? } else { Vec::new() };
    let params = Params::read(call.query(), &form).map_err(fallback)?;
    let format = Format::asked(&params)?;
    Ok((params, format))
}

fn envelope(format: &Format, outcome: Result<&Payload, &Failure>) -> Response {
    let rendered = render(format, outcome);
    let mut response = rendered.body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(rendered.content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The one call that needs no credentials: clients ask it before they know how to sign in.
async fn get_open_subsonic_extensions(mut call: Call) -> Response {
    match asked(&mut call).await {
        Ok((_, format)) => envelope(&format, Ok(&system::extensions())),
        Err((format, error)) => envelope(&format, Err(&Failure::from(&error))),
    }
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
                name: "hlsPart",
                methods: BINARY,
                path: "/rest/hls/{pass}/{stream}/{file}",
                access: Access::Signed,
                handler: crate::handle!(play::hls_part),
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

    "findSonicPath" PLAIN User not_offered;
    "getAlbum" PLAIN User browse::get_album;
    "getAlbumInfo" PLAIN User not_offered;
    "getAlbumInfo2" PLAIN User not_offered;
    "getArtist" PLAIN User browse::get_artist;
    "getArtistInfo" PLAIN User not_offered;
    "getArtistInfo2" PLAIN User not_offered;
    "getArtists" PLAIN User browse::get_artists;
    "getGenres" PLAIN User browse::get_genres;
    "getIndexes" PLAIN User browse::get_indexes;
    "getMusicDirectory" PLAIN User browse::get_music_directory;
    "getMusicFolders" PLAIN User browse::get_music_folders;
    "getPodcastEpisode" PLAIN User podcasts::get_podcast_episode;
    "getSimilarSongs" PLAIN User not_offered;
    "getSimilarSongs2" PLAIN User not_offered;
    "getSong" PLAIN User browse::get_song;
    "getSonicSimilarTracks" PLAIN User not_offered;
    "getTopSongs" PLAIN User not_offered;
    "getVideoInfo" PLAIN User not_offered;
    "getVideos" PLAIN User not_offered;

    "getAlbumList" PLAIN User lists::get_album_list;
    "getAlbumList2" PLAIN User lists::get_album_list2;
    "getNowPlaying" PLAIN User lists::get_now_playing;
    "getRandomSongs" PLAIN User lists::get_random_songs;
    "getSongsByGenre" PLAIN User lists::get_songs_by_genre;
    "getStarred" PLAIN User lists::get_starred;
    "getStarred2" PLAIN User lists::get_starred2;

    "search" PLAIN User not_offered;
    "search2" PLAIN User search::search2;
    "search3" PLAIN User search::search3;

    "createPlaylist" PLAIN User playlists::create_playlist;
    "deletePlaylist" PLAIN User playlists::delete_playlist;
    "getPlaylist" PLAIN User playlists::get_playlist;
    "getPlaylists" PLAIN User playlists::get_playlists;
    "updatePlaylist" PLAIN User playlists::update_playlist;

    "download" BINARY User play::download;
    "getAvatar" BINARY User not_offered;
    "getCaptions" BINARY User not_offered;
    "getCoverArt" BINARY User play::get_cover_art;
    "getLyrics" PLAIN User play::get_lyrics;
    "getLyricsBySongId" PLAIN User play::get_lyrics_by_song_id;
    "hls.m3u8" BINARY User play::hls;
    "stream" BINARY User play::stream;

    "getTranscodeDecision" POSTED User not_offered;
    "getTranscodeStream" BINARY User not_offered;

    "reportPlayback" PLAIN User not_offered;
    "scrobble" PLAIN User mark::scrobble;
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

    "jukeboxControl" PLAIN User not_offered;

    "createInternetRadioStation" PLAIN User not_offered;
    "deleteInternetRadioStation" PLAIN User not_offered;
    "getInternetRadioStations" PLAIN User not_offered;
    "updateInternetRadioStation" PLAIN User not_offered;

    "addChatMessage" PLAIN User not_offered;
    "getChatMessages" PLAIN User not_offered;

    "changePassword" PLAIN User not_offered;
    "createUser" PLAIN User not_offered;
    "deleteUser" PLAIN User not_offered;
    "getUser" PLAIN User system::get_user;
    "getUsers" PLAIN User not_offered;
    "updateUser" PLAIN User not_offered;

    "createBookmark" PLAIN User not_offered;
    "deleteBookmark" PLAIN User not_offered;
    "getBookmarks" PLAIN User not_offered;
    "getPlayQueue" PLAIN User not_offered;
    "getPlayQueueByIndex" PLAIN User not_offered;
    "savePlayQueue" PLAIN User not_offered;
    "savePlayQueueByIndex" PLAIN User not_offered;

    "getScanStatus" PLAIN User system::get_scan_status;
    "startScan" PLAIN Admin system::start_scan;
};

#[cfg(test)]
mod tests {
    use super::*;

    /// What is no call of the protocol.
    const OWN: [&str; 2] = ["unknown", "hlsPart"];

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
