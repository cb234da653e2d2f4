//! The objects that answers hold, named and ordered as the protocol names them; XML needs the order of its schema.
//!
//! What an answer lacks is left out, never null: clients read a null or an empty date as a value. Lists are always sent,
//! as clients take `["shares"]["share"]` for granted. A field that OpenSubsonic added is always sent, empty if need be:
//! its presence is how clients find out that a server knows it.
//!
//! Ids are strings, but those of music folders are integers, as typed clients insist.

use std::fmt;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// A moment in milliseconds since 1970, sent as RFC 3339 in UTC with milliseconds and `Z`: the one form that every
/// client parses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(pub i64);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Years 0001 to 9999: what both four-digit years and clients' date types hold.
        let shown_ms = self.0.clamp(-62_135_596_800_000, 253_402_207_200_000);
        write!(f, "{:.3}", Timestamp::from_millisecond(shown_ms).unwrap_or_default())
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The text of an element in XML, the member `value` in JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename = "xml:text")]
pub struct Text(pub String);

/// JSON has no NaN: it would become null.
fn unknown(number: &Option<f64>) -> bool {
    !number.is_some_and(f64::is_finite)
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MusicFolders {
    pub music_folder: Vec<MusicFolder>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MusicFolder {
    pub id: i64,
    pub name: String,
}

/// An artist in the folder view: a folder below the root.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Artist {
    pub id: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starred: Option<Date>,
    /// 1 to 5; 0 is not legal on the wire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_rating: Option<u8>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Directory {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starred: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_rating: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub play_count: Option<u64>,
    pub child: Vec<Child>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Genres {
    pub genre: Vec<Genre>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Genre {
    pub value: Text,
    pub song_count: u64,
    pub album_count: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ArtistID3 {
    pub id: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cover_art: Option<String>,
    pub album_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starred: Option<Date>,
    /// As Navidrome has it: the documents know no other place where the rating of an artist could be read back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_rating: Option<u8>,
    pub music_brainz_id: String,
    pub sort_name: String,
    /// `albumartist`, `artist`, `composer` and the like.
    pub roles: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ArtistWithAlbumsID3 {
    #[serde(flatten)]
    pub artist: ArtistID3,
    pub album: Vec<AlbumID3>,
}

/// An artist where only the id and the name are told: beside a song, an album or a contribution.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ArtistRef {
    pub id: String,
    pub name: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlbumID3 {
    pub id: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artist: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artist_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cover_art: Option<String>,
    pub song_count: u64,
    /// Seconds.
    pub duration: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub play_count: Option<u64>,
    pub created: Date,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starred: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub year: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub genre: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub played: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_rating: Option<u8>,
    pub record_labels: Vec<RecordLabel>,
    pub music_brainz_id: String,
    pub genres: Vec<ItemGenre>,
    pub artists: Vec<ArtistRef>,
    pub display_artist: String,
    pub release_types: Vec<String>,
    pub moods: Vec<String>,
    pub sort_name: String,
    pub original_release_date: ItemDate,
    pub release_date: ItemDate,
    pub is_compilation: bool,
    /// `explicit`, `clean` or empty.
    pub explicit_status: String,
    pub disc_titles: Vec<DiscTitle>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlbumID3WithSongs {
    #[serde(flatten)]
    pub album: AlbumID3,
    pub song: Vec<Child>,
}

/// A song, or anything else that stands in a folder, an album, a playlist or a share.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Child {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    pub is_dir: bool,
    pub title: String,
    /// Of an album in a list of folders: py-opensonic and Navidrome's clients read it like an album of the other lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub song_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub album: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artist: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub year: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub genre: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cover_art: Option<String>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// Of what `stream` sends where no format is named, if that is not the original.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcoded_content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcoded_suffix: Option<String>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<u64>,
    /// Kilobits per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bit_rate: Option<u32>,
    /// Bits, 0 when unknown; so are the next two.
    pub bit_depth: u32,
    /// Hertz.
    pub sampling_rate: u32,
    pub channel_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    pub is_video: bool,
    /// 1 to 5; 0 is not legal on the wire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_rating: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub play_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disc_number: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starred: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub album_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artist_id: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<MediaKind>,
    /// What the MusicBrainz id means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub played: Option<Date>,
    /// Milliseconds, as `createBookmark` takes them, whatever the documents say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bookmark_position: Option<i64>,
    /// 0 when unknown.
    pub bpm: u32,
    pub comment: String,
    pub sort_name: String,
    pub music_brainz_id: String,
    pub isrc: Vec<String>,
    pub genres: Vec<ItemGenre>,
    pub artists: Vec<ArtistRef>,
    pub display_artist: String,
    pub album_artists: Vec<ArtistRef>,
    pub display_album_artist: String,
    pub contributors: Vec<Contributor>,
    pub display_composer: String,
    pub moods: Vec<String>,
    pub replay_gain: ReplayGain,
    /// `explicit`, `clean` or empty.
    pub explicit_status: String,
}

/// The field `type` of a [`Child`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    Music,
    Podcast,
    Video,
}

/// The field `mediaType` of a [`Child`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaType {
    Song,
    Album,
    Artist,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Contributor {
    pub role: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_role: Option<String>,
    pub artist: ArtistRef,
}

/// Decibels and linear peaks.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", rename = "xml:omit-empty")]
pub struct ReplayGain {
    #[serde(skip_serializing_if = "unknown")]
    pub track_gain: Option<f64>,
    #[serde(skip_serializing_if = "unknown")]
    pub album_gain: Option<f64>,
    #[serde(skip_serializing_if = "unknown")]
    pub track_peak: Option<f64>,
    #[serde(skip_serializing_if = "unknown")]
    pub album_peak: Option<f64>,
    #[serde(skip_serializing_if = "unknown")]
    pub base_gain: Option<f64>,
    #[serde(skip_serializing_if = "unknown")]
    pub fallback_gain: Option<f64>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemGenre {
    pub name: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", rename = "xml:omit-empty")]
pub struct ItemDate {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub year: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub month: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day: Option<u8>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DiscTitle {
    pub disc: u32,
    pub title: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordLabel {
    pub name: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Playlists {
    pub playlist: Vec<Playlist>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Playlist {
    pub id: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    pub public: bool,
    pub song_count: u64,
    /// Seconds.
    pub duration: u64,
    pub created: Date,
    pub changed: Date,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cover_art: Option<String>,
    /// Whether the caller may not change it.
    pub readonly: bool,
    pub allowed_user: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaylistWithSongs {
    #[serde(flatten)]
    pub playlist: Playlist,
    pub entry: Vec<Child>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shares {
    pub share: Vec<Share>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    /// Also the last part of the URL: some clients build the link from it.
    pub id: String,
    pub url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub username: String,
    pub created: Date,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_visited: Option<Date>,
    pub visit_count: u64,
    pub entry: Vec<Child>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    pub username: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    pub scrobbling_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bit_rate: Option<u32>,
    pub admin_role: bool,
    pub settings_role: bool,
    pub download_role: bool,
    pub upload_role: bool,
    pub playlist_role: bool,
    pub cover_art_role: bool,
    pub comment_role: bool,
    pub podcast_role: bool,
    pub stream_role: bool,
    pub jukebox_role: bool,
    pub share_role: bool,
    pub video_conversion_role: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar_last_changed: Option<Date>,
    pub folder: Vec<i64>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Users {
    pub user: Vec<User>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct License {
    pub valid: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScanStatus {
    pub scanning: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenSubsonicExtension {
    pub name: String,
    pub versions: Vec<u32>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenInfo {
    pub username: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lyrics {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artist: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    pub value: Text,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LyricsList {
    pub structured_lyrics: Vec<StructuredLyrics>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StructuredLyrics {
    /// `und` when unknown.
    pub lang: String,
    pub synced: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_artist: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_title: Option<String>,
    /// Milliseconds; more is earlier.
    pub offset: i64,
    pub line: Vec<Line>,
    /// `main`. This and what follows is for clients that ask for it: others read each entry as lyrics of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agents: Option<Agents>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cue_line: Option<Vec<CueLine>>,
}

/// Navidrome's name of the elements in XML.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename = "xml:each:agent")]
pub struct Agents(pub Vec<Agent>);

/// A voice.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Agent {
    pub id: String,
    /// `main`, `voice` or `bg`.
    pub role: &'static str,
}

/// A line, or what one voice sings of it, by words.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CueLine {
    /// Of the line.
    pub index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<i64>,
    pub value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    pub cue: Vec<Cue>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cue {
    pub start: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<i64>,
    /// Of its line's value in UTF-8; both ends belong to it.
    pub byte_start: usize,
    pub byte_end: usize,
    pub value: Text,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// Milliseconds, where the lyrics are synced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<i64>,
    pub value: Text,
}

// What is playing, and where users go on -------------------------------------------------------------------------------

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NowPlaying {
    pub entry: Vec<NowPlayingEntry>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NowPlayingEntry {
    #[serde(flatten)]
    pub child: Child,
    pub username: String,
    pub minutes_ago: i64,
    pub player_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub player_name: Option<String>,
    pub state: &'static str,
    pub position_ms: i64,
    pub playback_rate: f64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bookmarks {
    pub bookmark: Vec<Bookmark>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bookmark {
    /// Milliseconds.
    pub position: i64,
    pub username: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    pub created: Date,
    pub changed: Date,
    pub entry: Child,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlayQueue {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// Milliseconds.
    pub position: i64,
    pub username: String,
    pub changed: Date,
    pub changed_by: String,
    pub entry: Vec<Child>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlayQueueByIndex {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_index: Option<usize>,
    /// Milliseconds.
    pub position: i64,
    pub username: String,
    pub changed: Date,
    pub changed_by: String,
    pub entry: Vec<Child>,
}

// Radio and chat -------------------------------------------------------------------------------------------------------

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InternetRadioStations {
    pub internet_radio_station: Vec<InternetRadioStation>,
}

/// The parameter is `homepageUrl`, the field has another capital letter.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InternetRadioStation {
    pub id: String,
    pub name: String,
    pub stream_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home_page_url: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChatMessages {
    pub chat_message: Vec<ChatMessage>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChatMessage {
    pub username: String,
    /// Milliseconds since 1970.
    pub time: i64,
    pub message: String,
}

// What is alike, and what is told of artists and albums -----------------------------------------------------------------

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Songs {
    pub song: Vec<Child>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchResult {
    pub offset: u64,
    pub total_hits: usize,
    #[serde(rename = "match")]
    pub found: Vec<Child>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", rename = "xml:children")]
pub struct SonicMatch {
    pub entry: Child,
    /// 1 for the same sound, towards 0 for what is far from it; -1 where one of the two is not known by its sound.
    pub similarity: f64,
}

/// Addresses of pictures are whole: apps load them as they stand.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", rename = "xml:children")]
pub struct ArtistInfo<A> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub biography: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub music_brainz_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_fm_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub small_image_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub medium_image_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub large_image_url: Option<String>,
    pub similar_artist: Vec<A>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", rename = "xml:children")]
pub struct AlbumInfo {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub music_brainz_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_fm_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub small_image_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub medium_image_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub large_image_url: Option<String>,
}

// Films, decisions, the jukebox -----------------------------------------------------------------------------------------

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Videos {
    pub video: Vec<Child>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VideoInfo {
    pub id: String,
    pub captions: Vec<Captions>,
    pub audio_track: Vec<AudioTrack>,
    pub conversion: Vec<Conversion>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Captions {
    pub id: String,
    pub name: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AudioTrack {
    pub id: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language_code: Option<String>,
}

/// What `stream` makes of a film with `converted`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Conversion {
    pub id: String,
    /// Kilobits per second.
    pub bit_rate: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TranscodeDecision {
    pub can_direct_play: bool,
    pub can_transcode: bool,
    pub transcode_reason: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcode_params: Option<String>,
    pub source_stream: StreamDetails,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcode_stream: Option<StreamDetails>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamDetails {
    pub protocol: &'static str,
    pub container: String,
    pub codec: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_channels: Option<u32>,
    /// Bits per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_bitrate: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_profile: Option<String>,
    /// Hertz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_samplerate: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_bitdepth: Option<u32>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JukeboxStatus {
    pub current_index: usize,
    pub playing: bool,
    /// From 0 to 1.
    pub gain: f64,
    /// The same under the name that OpenAPI has for it, and that the crate opensubsonic insists on.
    pub volume: f64,
    /// Seconds.
    pub position: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct JukeboxPlaylist {
    #[serde(flatten)]
    pub status: JukeboxStatus,
    pub entry: Vec<Child>,
}

// Podcasts -----------------------------------------------------------------------------------------------------------

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Podcasts {
    pub channel: Vec<PodcastChannel>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodcastChannel {
    pub id: String,
    pub url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cover_art: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_image_url: Option<String>,
    pub status: PodcastStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    pub episode: Vec<PodcastEpisode>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewestPodcasts {
    pub episode: Vec<PodcastEpisode>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodcastEpisode {
    #[serde(flatten)]
    pub child: Child,
    /// By which it is heard; absent until its file is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<String>,
    pub channel_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub status: PodcastStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish_date: Option<Date>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PodcastStatus {
    New,
    Downloading,
    Completed,
    Error,
    Deleted,
}
