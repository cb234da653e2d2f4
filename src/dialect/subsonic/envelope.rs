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

/// What a call answers when it went well, of what is never long. The variant's name is the key in the envelope.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Payload {
    /// Nothing but `ok`.
    #[serde(skip)]
    Empty,
    MusicFolders(MusicFolders),
    Directory(Directory),
    Genres(Genres),
    Artist(ArtistWithAlbumsID3),
    Album(Box<AlbumID3WithSongs>),
    Song(Box<Child>),
    SimilarSongs(Songs),
    SimilarSongs2(Songs),
    TopSongs(Songs),
    /// A bare list, like the extensions.
    SonicMatch(Vec<SonicMatch>),
    ArtistInfo(ArtistInfo<Artist>),
    ArtistInfo2(ArtistInfo<ArtistID3>),
    AlbumInfo(AlbumInfo),
    NowPlaying(NowPlaying),
    SearchResult(SearchResult),
    Playlists(Playlists),
    Playlist(PlaylistWithSongs),
    Shares(Shares),
    Lyrics(Lyrics),
    LyricsList(LyricsList),
    Videos(Videos),
    VideoInfo(VideoInfo),
    TranscodeDecision(Box<TranscodeDecision>),
    JukeboxStatus(JukeboxStatus),
    JukeboxPlaylist(JukeboxPlaylist),
    User(User),
    Users(Users),
    Bookmarks(Bookmarks),
    PlayQueue(PlayQueue),
    PlayQueueByIndex(PlayQueueByIndex),
    InternetRadioStations(InternetRadioStations),
    ChatMessages(ChatMessages),
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
        // The extension `indexBasedQueue` demands it for a place that is not in the queue.
        Error::Invalid { what: super::queues::INDEX, .. } => 10,
        // Credentials are parameters here; the protocol has no code of its own for their absence.
        Error::SignInNeeded => return (10, "Required parameter 'u' or 'apiKey' is missing".to_owned()),
        Error::WrongCredentials => 40,
        Error::Forbidden(_) | Error::ShareLocked | Error::PurchaseNeeded { .. } | Error::NotEnoughPoints => 50,
        Error::NotFound(_) => 70,
        Error::Invalid { .. }
        | Error::Throttled { .. }
        | Error::Exists(_)
        | Error::Conflict(_)
        | Error::Locked(_)
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

impl Envelope<'_> {
    fn of(status: &'static str) -> Self {
        Envelope {
            status,
            version: VERSION,
            r#type: "openshelf",
            server_version: env!("CARGO_PKG_VERSION"),
            open_subsonic: true,
            error: None,
            payload: None,
        }
    }
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

impl Format {
    pub fn content_type(&self) -> &'static str {
        match self {
            Format::Xml => "text/xml; charset=utf-8",
            Format::Json => "application/json",
            Format::Jsonp(_) => "application/javascript",
        }
    }
}

/// The envelope of either outcome in the given form.
pub fn render(format: &Format, outcome: Result<&Payload, &Failure>) -> Rendered {
    let envelope = Envelope {
        error: outcome.err(),
        payload: outcome.ok().filter(|payload| !matches!(payload, Payload::Empty)),
        ..Envelope::of(if outcome.is_ok() { "ok" } else { "failed" })
    };
    let body = match format {
        Format::Xml => xml::document("subsonic-response", &XmlRoot { xmlns: NAMESPACE, envelope }).expect(SHAPES),
        Format::Json => json(&JsonDocument { envelope }),
        Format::Jsonp(Callback(name)) => format!("{name}({});", for_script(json(&JsonDocument { envelope }))),
    };
    Rendered { content_type: format.content_type(), body }
}

const NAMESPACE: &str = "http://subsonic.org/restapi";
const SHAPES: &str = "answers hold only shapes that XML has";

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("answers have string keys only")
}

/// Two characters that JSON allows raw ended a line, and so a string, in scripts before ECMAScript 2019.
fn for_script(json: String) -> String {
    json.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// Writes an envelope piece by piece, as [`render`] writes it at once.
pub struct Writer {
    format: Format,
    text: String,
    open: Vec<Open>,
}

/// What is not closed yet.
struct Open {
    name: String,
    is_list: bool,
    is_empty: bool,
}

impl Writer {
    /// The envelope of an answer that went well.
    pub fn new(format: Format) -> Writer {
        let envelope = Envelope::of("ok");
        let (text, root) = match &format {
            Format::Xml => {
                let root = XmlRoot { xmlns: NAMESPACE, envelope };
                (unclosed(xml::document("subsonic-response", &root).expect(SHAPES)), "subsonic-response")
            }
            // Two are open: the response is a member itself.
            Format::Json => (unclosed(unclosed(json(&JsonDocument { envelope }))), ""),
            Format::Jsonp(Callback(name)) => {
                (format!("{name}({}", unclosed(unclosed(json(&JsonDocument { envelope })))), "")
            }
        };
        Writer { format, text, open: vec![Open { name: root.to_owned(), is_list: false, is_empty: false }] }
    }

    /// Opens an object; `attributes` has none but scalars.
    pub fn object(&mut self, name: &str, attributes: &impl Serialize) {
        self.member(name);
        self.begin(name, attributes);
    }

    /// Opens a list.
    pub fn list(&mut self, name: &str) {
        self.member(name);
        if !matches!(self.format, Format::Xml) {
            self.text.push('[');
        }
        self.open.push(Open { name: name.to_owned(), is_list: true, is_empty: true });
    }

    /// Opens an object in a list; as of [`Self::object`].
    pub fn entry(&mut self, attributes: &impl Serialize) {
        let name = self.comma();
        self.begin(&name, attributes);
    }

    /// An object in a list.
    pub fn item(&mut self, item: &impl Serialize) {
        let name = self.comma();
        let item = match self.format {
            Format::Xml => xml::element(&name, item).expect(SHAPES),
            Format::Json | Format::Jsonp(_) => json(item),
        };
        self.text.push_str(&item);
    }

    /// Closes what was opened last; after all, the envelope.
    pub fn close(&mut self) {
        let Some(closed) = self.open.pop() else { return };
        match (&self.format, closed.is_list) {
            (Format::Xml, true) => {}
            (Format::Xml, false) => self.text.push_str(&format!("</{}>", closed.name)),
            (Format::Json | Format::Jsonp(_), is_list) => self.text.push(if is_list { ']' } else { '}' }),
        }
        if self.open.is_empty() {
            self.text.push_str(match self.format {
                Format::Xml => "",
                Format::Json => "}",
                Format::Jsonp(_) => "});",
            });
        }
    }

    /// What was written since it was taken last.
    pub fn take(&mut self) -> String {
        let text = std::mem::take(&mut self.text);
        if matches!(self.format, Format::Jsonp(_)) { for_script(text) } else { text }
    }

    fn begin(&mut self, name: &str, attributes: &impl Serialize) {
        let (begun, is_empty) = match self.format {
            Format::Xml => (unclosed(xml::element(name, attributes).expect(SHAPES)), false),
            Format::Json | Format::Jsonp(_) => {
                let begun = unclosed(json(attributes));
                let is_empty = begun == "{";
                (begun, is_empty)
            }
        };
        self.text.push_str(&begun);
        self.open.push(Open { name: name.to_owned(), is_list: false, is_empty });
    }

    fn member(&mut self, name: &str) {
        self.comma();
        if !matches!(self.format, Format::Xml) {
            self.text.push_str(&format!("\"{name}\":"));
        }
    }

    /// Parts what comes from what was before; tells the name of what is open.
    fn comma(&mut self) -> String {
        let Some(open) = self.open.last_mut() else { return String::new() };
        if !open.is_empty && !matches!(self.format, Format::Xml) {
            self.text.push(',');
        }
        open.is_empty = false;
        open.name.clone()
    }
}

/// Without its end, for more to follow: `{…}` or `<… />`.
fn unclosed(mut text: String) -> String {
    if text.ends_with("/>") {
        text.truncate(text.len() - 2);
        text.push('>');
    } else {
        text.pop();
    }
    text
}

#[cfg(test)]
mod tests;
