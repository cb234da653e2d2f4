//! The envelope around every answer, in the form that the caller asked for, and the protocol's error codes.

use serde::Serialize;

use super::answers::*;
use super::params::Params;
use super::xml;
use crate::error::{Error, Result};

/// The protocol's version that answers claim.
pub const VERSION: &str = "1.16.1";

/// The form of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    Xml,
    Json,
    Jsonp(Callback),
}

impl Format {
    /// What `f` and `callback` ask for, XML by default. An unusable wish comes back with the form to refuse it in.
    pub fn asked(params: &Params) -> Result<Format, (Format, Error)> {
        let f = params.get("f").unwrap_or_default();
        if f.is_empty() || f.eq_ignore_ascii_case("xml") {
            Ok(Format::Xml)
        } else if f.eq_ignore_ascii_case("json") {
            Ok(Format::Json)
        } else if f.eq_ignore_ascii_case("jsonp") {
            let callback = params.need("callback").and_then(Callback::read);
            callback.map(Format::Jsonp).map_err(|refused| (Format::Json, refused))
        } else {
            Err((Format::Xml, Error::invalid("f", "it is xml, json or jsonp")))
        }
    }
}

/// The name of a script's function. Nothing else may stand there: the answer runs in the page that asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback(String);

impl Callback {
    const MAX_BYTES: usize = 64;

    fn read(name: &str) -> Result<Callback> {
        let letter = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '$';
        let identifier = |part: &str| part.starts_with(letter) && part.chars().all(|c| letter(c) || c.is_ascii_digit());
        if name.len() <= Self::MAX_BYTES && name.split('.').all(identifier) {
            Ok(Callback(name.to_owned()))
        } else {
            Err(Error::invalid("callback", "it is not the name of a function"))
        }
    }
}

/// What a call answers when it went well. The variant's name is the key in the envelope.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Payload {
    /// Nothing but `ok`.
    #[serde(skip)]
    Empty,
    MusicFolders(MusicFolders),
    Indexes(Indexes),
    Directory(Directory),
    Genres(Genres),
    Artists(ArtistsID3),
    Artist(ArtistWithAlbumsID3),
    Album(Box<AlbumID3WithSongs>),
    Song(Box<Child>),
    AlbumList(AlbumList),
    AlbumList2(AlbumList2),
    RandomSongs(Songs),
    SongsByGenre(Songs),
    NowPlaying(NowPlaying),
    Starred(SearchResult2),
    Starred2(SearchResult3),
    SearchResult2(SearchResult2),
    SearchResult3(SearchResult3),
    Playlists(Playlists),
    Playlist(PlaylistWithSongs),
    Shares(Shares),
    Lyrics(Lyrics),
    LyricsList(LyricsList),
    User(User),
    License(License),
    ScanStatus(ScanStatus),
    /// A bare list on the envelope, without an object around it.
    OpenSubsonicExtensions(Vec<OpenSubsonicExtension>),
    TokenInfo(TokenInfo),
    Podcasts(Podcasts),
    NewestPodcasts(NewestPodcasts),
    PodcastEpisode(Box<PodcastEpisode>),
}

/// What a call answers when it failed: the protocol's `error`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    pub code: u8,
    pub message: String,
    /// Where the user can put it right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help_url: Option<String>,
}

/// Why a sign-in was not even tried; wrong credentials are [`Error::WrongCredentials`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthRefusal {
    /// `t` and `s` came, but this user's password cannot be checked that way.
    TokensOff = 41,
    /// A password or a key came, and that kind of sign-in is off.
    MechanismOff = 42,
    /// Two kinds of sign-in at once, or a user name beside a key.
    Conflicting = 43,
    BadApiKey = 44,
}

impl From<AuthRefusal> for Failure {
    fn from(refusal: AuthRefusal) -> Failure {
        let message = match refusal {
            AuthRefusal::TokensOff => "Token sign-in is not available for this user",
            AuthRefusal::MechanismOff => "This kind of sign-in is not available",
            AuthRefusal::Conflicting => "Send one kind of credentials only",
            AuthRefusal::BadApiKey => "Invalid API key",
        };
        Failure { code: refusal as u8, message: message.to_owned(), help_url: None }
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Failure {
        let (code, message) = error_of(error);
        Failure { code, message, help_url: None }
    }
}

/// The protocol's code and what the user reads. A fault of ours shows nothing of itself.
pub fn error_of(error: &Error) -> (u8, String) {
    const GENERIC: u8 = 0;
    let code = match error {
        Error::Missing(_) => 10,
        // Credentials are parameters here; the protocol has no code of its own for their absence.
        Error::SignInNeeded => return (10, "Required parameter 'u' or 'apiKey' is missing".to_owned()),
        Error::WrongCredentials => 40,
        Error::Forbidden(_) | Error::ShareLocked => 50,
        Error::NotFound(_) => 70,
        Error::Invalid { .. }
        | Error::Throttled { .. }
        | Error::Exists(_)
        | Error::Conflict(_)
        | Error::TooLarge { .. }
        | Error::NoSpace
        | Error::Unsupported(_)
        | Error::Busy => GENERIC,
        Error::Internal(_) => return (GENERIC, "Something went wrong on the server".to_owned()),
    };
    (code, error.to_string())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    status: &'static str,
    version: &'static str,
    r#type: &'static str,
    server_version: &'static str,
    open_subsonic: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Failure>,
    #[serde(flatten)]
    payload: Option<&'a Payload>,
}

#[derive(Serialize)]
struct JsonDocument<'a> {
    #[serde(rename = "subsonic-response")]
    envelope: Envelope<'a>,
}

#[derive(Serialize)]
struct XmlRoot<'a> {
    xmlns: &'static str,
    #[serde(flatten)]
    envelope: Envelope<'a>,
}

/// An answer ready to send. Its HTTP status is 200 also when it tells of a failure: clients take any other for a broken
/// connection and never read the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub content_type: &'static str,
    pub body: String,
}

/// The envelope of either outcome in the given form.
pub fn render(format: &Format, outcome: Result<&Payload, &Failure>) -> Rendered {
    let envelope = Envelope {
        status: if outcome.is_ok() { "ok" } else { "failed" },
        version: VERSION,
        r#type: "openshelf",
        server_version: env!("CARGO_PKG_VERSION"),
        open_subsonic: true,
        error: outcome.err(),
        payload: outcome.ok().filter(|payload| !matches!(payload, Payload::Empty)),
    };
    match format {
        Format::Xml => Rendered {
            content_type: "text/xml; charset=utf-8",
            body: xml::document("subsonic-response", &XmlRoot { xmlns: "http://subsonic.org/restapi", envelope })
                .expect("answers hold only shapes that XML has"),
        },
        Format::Json => Rendered { content_type: "application/json", body: json(envelope) },
        Format::Jsonp(Callback(name)) => Rendered {
            content_type: "application/javascript",
            // Two characters that JSON allows raw ended a line, and so a string, in scripts before ECMAScript 2019.
            body: format!("{name}({});", json(envelope).replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")),
        },
    }
}

fn json(envelope: Envelope<'_>) -> String {
    serde_json::to_string(&JsonDocument { envelope }).expect("answers have string keys only")
}

#[cfg(test)]
mod tests;
