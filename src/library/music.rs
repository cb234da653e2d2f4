//! Music as it is read back: tracks, albums, artists, genres and playlists, each with what its reader said of it.

use super::podcasts::Episode;
pub use super::role::Role;
use super::{AlbumKey, ArtistKey, Item, ItemKey, PlaylistKey};
use crate::account::UserKey;

/// What one user said of a track, folder, album or artist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark {
    pub starred_ms: Option<i64>,
    /// 1 to 5.
    pub rating: Option<u8>,
    pub plays: u64,
    pub played_ms: Option<i64>,
    /// Where in it they will go on.
    pub bookmark_ms: Option<i64>,
}

/// A place in a track or film where its user will go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bookmark {
    pub item: ItemKey,
    pub position_ms: i64,
    pub comment: String,
    pub created_ms: i64,
    pub changed_ms: i64,
}

/// What can be marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Marked {
    Item(ItemKey),
    Album(AlbumKey),
    Artist(ArtistKey),
}

/// An artist where one is only named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtistName {
    pub key: ArtistKey,
    pub id: String,
    pub name: String,
}

/// Somebody's part in a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credited {
    pub role: Role,
    /// Of a performer, the instrument; may be empty.
    pub part: String,
    pub artist: ArtistName,
}

/// The album of a track, where it is only named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlbumName {
    pub key: AlbumKey,
    pub id: String,
    pub name: String,
    /// All its artists as shown.
    pub artist_name: String,
    pub has_cover: bool,
}

#[derive(Debug, Clone)]
pub struct Track {
    pub item: Item,
    /// Public id of the folder it lies in.
    pub folder_id: Option<String>,
    pub album: Option<AlbumName>,
    pub title: String,
    pub sort_title: String,
    /// All artists as shown.
    pub artist_name: String,
    /// Of the tags; where they name nobody, of the album.
    pub album_artist_name: String,
    /// In the order of the tags; where they name no artist of the album, with those that it has.
    pub credits: Vec<Credited>,
    pub genres: Vec<String>,
    pub disc: Option<u32>,
    pub number: Option<u32>,
    pub year: Option<i32>,
    pub duration_ms: u64,
    pub bit_rate_kbps: u32,
    pub sample_rate_hz: u32,
    pub bit_depth: Option<u32>,
    pub channels: u32,
    pub bpm: Option<u32>,
    pub comment: String,
    pub isrc: Vec<String>,
    pub moods: Vec<String>,
    /// Of the recording; may be empty.
    pub musicbrainz_id: String,
    pub track_gain_db: Option<f64>,
    pub track_peak: Option<f64>,
    pub album_gain_db: Option<f64>,
    pub album_peak: Option<f64>,
    /// Whether the file itself holds a picture.
    pub has_cover: bool,
    /// `explicit`, `clean` or empty.
    pub advisory: String,
    pub mark: Mark,
    /// Where it is one, what the feed says of it.
    pub episode: Option<Box<Episode>>,
    /// Whether its listener is sent another format where they name none, by [`Scope::heard_at`].
    pub is_transcoded: bool,
}

impl Track {
    pub fn credited(&self, role: Role) -> impl Iterator<Item = &ArtistName> {
        self.credits.iter().filter(move |credit| credit.role == role).map(|credit| &credit.artist)
    }
}

#[derive(Debug, Clone)]
pub struct Album {
    pub key: AlbumKey,
    pub id: String,
    pub name: String,
    pub sort_name: String,
    pub artist_name: String,
    pub artists: Vec<ArtistName>,
    pub year: Option<i32>,
    pub is_compilation: bool,
    pub release_types: Vec<String>,
    pub musicbrainz_id: String,
    /// Of its tracks, each once, the most frequent first.
    pub genres: Vec<String>,
    pub moods: Vec<String>,
    pub disc_titles: Vec<(u32, String)>,
    pub labels: Vec<String>,
    /// As far as it is known: `1999`, `1999-05`, `1999-05-04` or empty; so is the next.
    pub original_date: String,
    pub release_date: String,
    /// `explicit` if a track is, else `clean` if one is, else empty.
    pub advisory: String,
    pub has_cover: bool,
    /// Tracks that are there now.
    pub track_count: u64,
    pub duration_ms: u64,
    pub added_ms: i64,
    pub mark: Mark,
}

#[derive(Debug, Clone)]
pub struct Artist {
    pub key: ArtistKey,
    pub id: String,
    pub name: String,
    pub sort_name: String,
    /// The group of an index it belongs to: `A`…`Z` or `#`.
    pub initial: String,
    pub musicbrainz_id: String,
    pub roles: Vec<Role>,
    pub album_count: u64,
    pub has_cover: bool,
    pub mark: Mark,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genre {
    pub name: String,
    pub track_count: u64,
    pub album_count: u64,
}

#[derive(Debug, Clone)]
pub struct Playlist {
    pub key: PlaylistKey,
    pub id: String,
    pub owner: UserKey,
    pub owner_name: String,
    pub name: String,
    pub comment: String,
    pub is_public: bool,
    /// Tracks that are there now and that its reader may hear.
    pub track_count: u64,
    pub duration_ms: u64,
    pub created_ms: i64,
    pub changed_ms: i64,
}

/// Which albums a list shows, and in which order. All orders are total.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlbumList {
    Random,
    Newest,
    /// By the reader's rating.
    Highest,
    /// By the reader's plays.
    Frequent,
    /// By the reader's last play.
    Recent,
    ByName,
    ByArtist,
    Starred,
    /// From a year to another, both included; backwards when the first is the later one.
    ByYear {
        from: i64,
        to: i64,
    },
    ByGenre(String),
}

/// Which tracks may be drawn at random.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrackFilter {
    pub genre: Option<String>,
    pub from_year: Option<i64>,
    pub to_year: Option<i64>,
}
