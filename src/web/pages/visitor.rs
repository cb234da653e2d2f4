//! What a visitor sees.

use askama::Template;

use super::filters;
use crate::web::{encoded, uploads};

/// A folder of a share, or its top.
///
/// Addresses that it links to, beneath `{base}/s/{id}`: `?in=ITEM` a folder, `&after=CURSOR` the next page of a long one;
/// `/-/file/ITEM` the bytes to look at, `/-/file/ITEM?download=1` to keep; `/-/play/ITEM` a track or film as it is;
/// `/-/stream/ITEM` a track and `/-/hls/ITEM/index.m3u8` a film as browsers can play them; `/-/waveform/ITEM` its peaks;
/// `/-/thumb/ITEM` a picture of at most some hundred pixels; `/-/cover/ITEM` the cover of a track, album or folder;
/// `/-/zip` and `/-/zip?in=ITEM` everything and everything beneath a folder.
#[derive(Debug, Clone, Template)]
#[template(path = "share.html")]
pub struct SharePage {
    pub base: String,
    /// The share's id or slug, as in the address that was asked for.
    pub id: String,
    /// `https://host/base`, only if known for certain; the card of a chat needs absolute addresses.
    pub public_url: Option<String>,
    pub title: String,
    /// The owner's display name.
    pub owner: String,
    pub description: Option<String>,
    /// Of the whole share, not of the folder that is shown.
    pub holds: Holds,
    pub expires_ms: Option<i64>,
    pub downloads_left: Option<u64>,
    /// From the first folder below the top to the folder that is shown; empty at the top.
    pub path: Vec<Crumb>,
    /// The album that the shown folder is, if its tracks form one.
    pub album: Option<Album>,
    pub folders: Vec<FolderRow>,
    /// The share is one file, and not a folder that holds one.
    pub is_one_file: bool,
    /// In playing order; not in `files` as well.
    pub tracks: Vec<TrackRow>,
    pub files: Vec<FileRow>,
    pub downloads: Downloads,
    pub renders: Renders,
    /// Cursor of the next page of this folder.
    pub after: Option<String>,
    /// Where the share takes files as well.
    pub upload: Option<UploadForm>,
    /// What it costs, for a visitor who has yet to pay: they see what there is, and no more.
    pub price: Option<Price>,
}

/// What a share costs. Posts `price`, as it is shown, to `/-/buy`, and `ticket` to `/-/ticket`.
#[derive(Debug, Clone, Copy)]
pub struct Price {
    pub points: i64,
    /// What a signed-in visitor can pay with.
    pub held: Option<i64>,
}

impl Price {
    fn is_affordable(&self) -> bool {
        self.held.is_some_and(|held| held >= self.points)
    }
}

/// A form that sends files: by itself as `multipart/form-data` to `action`, with the script in parts to `uploads`.
#[derive(Debug, Clone)]
pub struct UploadForm {
    pub action: String,
    pub uploads: String,
    pub of: UploadOf,
}

#[derive(Debug, Clone)]
pub enum UploadOf {
    /// The user's own folder; without an item id their root.
    Own { folder_item_id: Option<String> },
    /// A drop box, with what it asks.
    Box {
        asks_name: bool,
        /// What this sender called themselves before.
        name: String,
        most_file_bytes: Option<u64>,
        most_total_bytes: Option<u64>,
        most_files: Option<u64>,
        /// Endings of names.
        types: Vec<String>,
        receipt: String,
        /// Files that this sender sent so far.
        sent: u64,
    },
}

impl UploadForm {
    pub(super) fn chunk_bytes(&self) -> u64 {
        uploads::CHUNK_BYTES
    }

    /// For `<input accept>`.
    pub(super) fn accept(&self) -> String {
        match &self.of {
            UploadOf::Own { .. } => String::new(),
            UploadOf::Box { types, .. } => {
                types.iter().map(|ending| format!(".{ending}")).collect::<Vec<_>>().join(",")
            }
        }
    }
}

/// A drop box as a guest sees it: nothing of what is in it, nor what its folder is called.
#[derive(Debug, Clone, Template)]
#[template(path = "drop.html")]
pub struct DropPage {
    pub base: String,
    /// Empty where the owner gave none.
    pub title: String,
    /// The owner's display name.
    pub owner: String,
    pub description: Option<String>,
    pub expires_ms: Option<i64>,
    pub upload: UploadForm,
}

impl DropPage {
    fn heading(&self) -> String {
        if self.title.is_empty() { format!("Send files to {}", self.owner) } else { self.title.clone() }
    }
}

/// What a guest sent to a drop box.
#[derive(Debug, Clone, Template)]
#[template(path = "receipt.html")]
pub struct ReceiptPage {
    pub base: String,
    /// The share's id or slug, as in the address that was asked for.
    pub id: String,
    pub title: String,
    pub owner: String,
    /// What they called themselves.
    pub sender: Option<String>,
    pub sent: Vec<SentRow>,
}

#[derive(Debug, Clone)]
pub struct SentRow {
    pub name: String,
    pub size_bytes: u64,
    /// Hexadecimal, where it is known.
    pub sha256: Option<String>,
    pub sent_ms: i64,
}

/// Whether sound and films can be had in formats that every browser plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renders {
    Yes,
    No,
}

/// What a player gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Played {
    /// There is nothing else.
    Originals,
    /// The original where the browser plays it.
    Either,
    /// Nothing that spends a download, or that may not be kept.
    Renditions,
}

/// Of a folder or a share.
#[derive(Debug, Clone, Copy, Default)]
pub struct Holds {
    pub folders: u64,
    pub files: u64,
    pub size_bytes: u64,
    pub tracks: u64,
    pub duration_s: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Downloads {
    /// Bytes may be kept; the archive of the shown folder has this length (`None`: there is no archive to offer).
    Allowed { zip_size_bytes: Option<u64> },
    /// Files may be looked at and played.
    Refused,
    /// Only tracks may be played, and pictures seen as thumbnails.
    ListenOnly,
}

#[derive(Debug, Clone)]
pub struct Crumb {
    pub item_id: String,
    pub name: String,
}

#[derive(Debug, Clone)]
pub struct Album {
    pub title: String,
    pub artist: Option<String>,
    pub year: Option<u32>,
    /// The item whose cover it bears.
    pub cover_item_id: Option<String>,
}

#[derive(Debug, Clone)]
pub struct FolderRow {
    pub item_id: String,
    pub name: String,
    pub modified_ms: Option<i64>,
    /// Folders and files directly in it.
    pub entries: Option<u64>,
}

#[derive(Debug, Clone)]
pub struct TrackRow {
    pub item_id: String,
    /// On its album, else its place in the list.
    pub number: Option<u64>,
    pub disc: Option<u32>,
    /// The file's name if it has no title.
    pub title: String,
    pub artist: Option<String>,
    pub duration_ms: Option<u64>,
    pub size_bytes: u64,
    /// Of the original.
    pub mime: String,
    pub has_cover: bool,
}

impl TrackRow {
    fn duration_s(&self) -> Option<u64> {
        self.duration_ms.map(|ms| ms / 1000).filter(|seconds| *seconds > 0)
    }

    fn exact_duration_s(&self) -> Option<f64> {
        self.duration_ms.map(|ms| ms as f64 / 1000.0)
    }
}

#[derive(Debug, Clone)]
pub struct FileRow {
    pub item_id: String,
    pub name: String,
    pub size_bytes: u64,
    pub modified_ms: Option<i64>,
    /// Of the original.
    pub mime: String,
    pub kind: Kind,
}

/// What a file is, as far as its picture in a list is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Image,
    Audio,
    Video,
    Text,
    Pdf,
    Archive,
    Other,
}

impl Kind {
    /// By a MIME type such as `image/png`.
    pub fn of_mime(mime: &str) -> Kind {
        match mime.split_once('/') {
            Some(("image", "jpeg" | "png" | "gif" | "webp")) => Kind::Image,
            Some(("audio", _)) => Kind::Audio,
            Some(("video", _)) => Kind::Video,
            Some(("text", _)) => Kind::Text,
            Some(("application", "pdf")) => Kind::Pdf,
            Some((
                "application",
                "zip" | "gzip" | "x-tar" | "x-7z-compressed" | "x-xz" | "x-bzip2" | "zstd" | "vnd.rar"
                | "x-rar-compressed",
            )) => Kind::Archive,
            _ => Kind::Other,
        }
    }

    pub(super) fn icon(self) -> &'static str {
        match self {
            Kind::Image => "image",
            Kind::Audio => "audio",
            Kind::Video => "video",
            Kind::Text | Kind::Pdf => "text",
            Kind::Archive => "archive",
            Kind::Other => "file",
        }
    }

    pub(super) fn called(self) -> &'static str {
        match self {
            Kind::Image => "Image",
            Kind::Audio => "Audio",
            Kind::Video => "Video",
            Kind::Text => "Text",
            Kind::Pdf => "PDF",
            Kind::Archive => "Archive",
            Kind::Other => "File",
        }
    }
}

/// Of one page of a folder.
const FILMS_MAX: usize = 20;

impl SharePage {
    fn address(&self) -> String {
        format!("{}/s/{}", self.base, encoded(&self.id))
    }

    /// To be followed by an item's id.
    fn folder_address(&self) -> String {
        format!("{}?in=", self.address())
    }

    /// What the heading says: the share at its top, the album or the folder below.
    fn heading(&self) -> &str {
        match (&self.album, self.path.last()) {
            (_, None) => &self.title,
            (Some(album), Some(_)) => &album.title,
            (None, Some(folder)) => &folder.name,
        }
    }

    fn has_long_heading(&self) -> bool {
        self.heading().chars().count() > 48
    }

    /// The one file that a share is.
    fn only_file(&self) -> Option<&FileRow> {
        match (self.files.as_slice(), self.is_one_file) {
            ([file], true) => Some(file),
            _ => None,
        }
    }

    fn only_track(&self) -> Option<&TrackRow> {
        match (self.tracks.as_slice(), self.is_one_file) {
            ([track], true) => Some(track),
            _ => None,
        }
    }

    /// Id and size of the one file that a share is.
    fn only(&self) -> Option<(&str, u64)> {
        let track = self.only_track().map(|track| (track.item_id.as_str(), track.size_bytes));
        track.or(self.only_file().map(|file| (file.item_id.as_str(), file.size_bytes)))
    }

    /// Pictures are laid out as pictures when they are most of a folder, or all of a share.
    fn is_gallery(&self) -> bool {
        let images = self.files.iter().filter(|file| file.kind == Kind::Image).count();
        let is_picture = self.only_file().is_some_and(|file| file.kind == Kind::Image);
        is_picture || images >= 3 && images * 2 > self.files.len() + self.tracks.len()
    }

    fn pictures(&self) -> impl Iterator<Item = &FileRow> {
        let is_gallery = self.is_gallery();
        self.files.iter().filter(move |file| is_gallery && file.kind == Kind::Image)
    }

    fn plain_files(&self) -> impl Iterator<Item = &FileRow> {
        let is_gallery = self.is_gallery();
        self.files.iter().filter(move |file| !(is_gallery && file.kind == Kind::Image))
    }

    fn has_plain_rows(&self) -> bool {
        !self.folders.is_empty() || self.plain_files().next().is_some()
    }

    fn is_empty(&self) -> bool {
        self.folders.is_empty() && self.tracks.is_empty() && self.files.is_empty()
    }

    /// Whether a player may load a track before its turn: not where every track that is loaded spends a download.
    fn may_preload(&self) -> bool {
        self.downloads_left.is_none() || self.played() == Played::Renditions
    }

    fn played(&self) -> Played {
        match (self.renders, self.downloads, self.downloads_left) {
            (Renders::No, _, _) => Played::Originals,
            (Renders::Yes, Downloads::Allowed { .. }, None) => Played::Either,
            (Renders::Yes, _, _) => Played::Renditions,
        }
    }

    fn plays_originals(&self) -> bool {
        self.played() != Played::Renditions
    }

    fn plays_renditions(&self) -> bool {
        self.played() != Played::Originals
    }

    /// Films that are shown in the page: few enough that a picture of each may be made.
    fn films(&self) -> impl Iterator<Item = &FileRow> {
        let films = || self.files.iter().filter(|file| file.kind == Kind::Video);
        let shown = self.may_open() && films().count() <= FILMS_MAX;
        films().filter(move |_| shown)
    }

    fn may_keep(&self) -> bool {
        matches!(self.downloads, Downloads::Allowed { .. })
    }

    fn may_open(&self) -> bool {
        self.downloads != Downloads::ListenOnly
    }

    fn zip_size_bytes(&self) -> Option<u64> {
        match self.downloads {
            Downloads::Allowed { zip_size_bytes } => {
                zip_size_bytes.filter(|_| !self.is_empty() && self.only().is_none())
            }
            Downloads::Refused | Downloads::ListenOnly => None,
        }
    }

    fn cover_item_id(&self) -> Option<&str> {
        self.album.as_ref().and_then(|album| album.cover_item_id.as_deref())
    }

    /// The disc that begins with this track, if the page holds more than one.
    fn disc_at(&self, index: &usize) -> Option<u32> {
        let disc = self.tracks.get(*index)?.disc?;
        let before = index.checked_sub(1).and_then(|before| self.tracks.get(before)).and_then(|track| track.disc);
        let has_several = self.tracks.iter().any(|track| track.disc.is_some_and(|other| other != disc));
        (has_several && before != Some(disc)).then_some(disc)
    }

    /// The track's artist where it is not the album's.
    fn artist_of<'a>(&self, track: &'a TrackRow) -> Option<&'a str> {
        let album = self.album.as_ref().and_then(|album| album.artist.as_deref());
        track.artist.as_deref().filter(|artist| Some(*artist) != album)
    }

    /// The track's artist for the player, else the album's.
    fn player_artist<'a>(&'a self, track: &'a TrackRow) -> &'a str {
        let album = self.album.as_ref().and_then(|album| album.artist.as_deref());
        track.artist.as_deref().or(album).unwrap_or_default()
    }

    /// What there is in a few words: tracks, if nothing else.
    fn holdings(&self) -> String {
        let (n, unit) = match self.holds {
            Holds { tracks, files, .. } if tracks == files && tracks > 0 => (tracks, "track"),
            Holds { files, .. } => (files, "file"),
        };
        format!("{n} {unit}{}", if n == 1 { "" } else { "s" })
    }

    fn summary(&self) -> String {
        let description = self.description.as_deref().unwrap_or_default();
        match description.char_indices().nth(200) {
            Some((end, _)) => format!("{}…", &description[..end]),
            None if description.is_empty() => format!("{}, shared by {}", self.holdings(), self.owner),
            None => description.to_owned(),
        }
    }
}

/// The question for a share's password. Knows nothing of the share but its owner's display name.
///
/// Posts `password` and, if it came along, `in` to `{base}/s/{id}/-/unlock`.
#[derive(Debug, Clone, Template)]
#[template(path = "locked.html")]
pub struct LockedPage {
    pub base: String,
    /// As in the address that was asked for.
    pub id: String,
    pub owner: String,
    /// The folder that the address asked for, to be led to afterwards.
    pub folder_item_id: Option<String>,
    pub problem: Option<LockedProblem>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockedProblem {
    WrongPassword,
    Throttled { retry_after_s: u64 },
}

/// Unknown, expired, used up and revoked: the same bytes, so that nobody learns which.
#[derive(Debug, Clone, Template)]
#[template(path = "gone.html")]
pub struct GonePage {
    pub base: String,
}

#[derive(Debug, Clone, Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    pub base: String,
    pub status: u16,
    /// What happened, in a few words.
    pub title: String,
    /// What can be done about it.
    pub advice: String,
}
