//! The views of the pages, one struct each. Texts are what people wrote, unescaped; times are Unix milliseconds, shown in
//! UTC; item ids are the public ones.
//!
//! `base` is the path that the server stands beneath, without a slash at the end (`""` or `"/shelf"`).

use askama::Template;

use super::encoded;

/// Own filters of the templates.
mod filters {
    use askama::{Result, Values};

    /// Content-hashed address of a built-in asset, to be put behind `base`.
    #[askama::filter_fn]
    pub fn asset(name: &str, _: &dyn Values) -> Result<String> {
        Ok(crate::web::assets::href(name))
    }

    /// A text that somebody wrote, without the characters that reorder what stands around them: they make `exe.jpg` out of
    /// `gpj.exe`.
    #[askama::filter_fn]
    pub fn shown(text: impl AsRef<str>, _: &dyn Values) -> Result<String> {
        let reorders = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        Ok(text.as_ref().replace(reorders, "\u{fffd}"))
    }

    fn utc(ms: i64, format: &str) -> String {
        jiff::Timestamp::from_millisecond(ms).map(|time| time.strftime(format).to_string()).unwrap_or_default()
    }

    /// `3 Dec 2026`
    #[askama::filter_fn]
    pub fn day(ms: &i64, _: &dyn Values) -> Result<String> {
        Ok(utc(*ms, "%-d %b %Y"))
    }

    /// `3 Dec 2026, 14:05 UTC`
    #[askama::filter_fn]
    pub fn moment(ms: &i64, _: &dyn Values) -> Result<String> {
        Ok(utc(*ms, "%-d %b %Y, %H:%M UTC"))
    }

    /// For `<time datetime>`.
    #[askama::filter_fn]
    pub fn iso(ms: &i64, _: &dyn Values) -> Result<String> {
        Ok(utc(*ms, "%Y-%m-%dT%H:%M:%SZ"))
    }

    /// Length of a track: `3:07`, `1:02:03`.
    #[askama::filter_fn]
    pub fn clock(seconds: &u64, _: &dyn Values) -> Result<String> {
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        Ok(if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") })
    }

    /// Length of an album: `48 min`, `2 h 5 min`; less than a minute in seconds.
    #[askama::filter_fn]
    pub fn span(seconds: &u64, _: &dyn Values) -> Result<String> {
        Ok(match seconds {
            0..60 => format!("{seconds} s"),
            60..3600 => format!("{} min", seconds / 60),
            _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        })
    }

    /// A wait: `40 seconds`, `3 minutes`, rounded up.
    #[askama::filter_fn]
    pub fn wait(seconds: &u64, _: &dyn Values) -> Result<String> {
        let (n, unit) = if *seconds < 100 { (*seconds, "second") } else { (seconds.div_ceil(60), "minute") };
        Ok(format!("{n} {unit}{}", if n == 1 { "" } else { "s" }))
    }
}

// ---- What a visitor sees ----

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
    fn chunk_bytes(&self) -> u64 {
        super::uploads::CHUNK_BYTES
    }

    /// For `<input accept>`.
    fn accept(&self) -> String {
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

    fn icon(self) -> &'static str {
        match self {
            Kind::Image => "image",
            Kind::Audio => "audio",
            Kind::Video => "video",
            Kind::Text | Kind::Pdf => "text",
            Kind::Archive => "archive",
            Kind::Other => "file",
        }
    }

    fn called(self) -> &'static str {
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

// ---- What an owner sees ----

/// Posts `user`, `password` and `next` to `{base}/app/sign-in`.
#[derive(Debug, Clone, Template)]
#[template(path = "sign_in.html")]
pub struct SignInPage {
    pub base: String,
    /// What was typed, after a failure.
    pub user: String,
    /// Local path to go to afterwards, beneath `base`; the handler checks it when it comes back.
    pub next: Option<String>,
    /// The provider by which users may sign in as well, by a post of `next` to `{base}/app/sign-in/openid`.
    pub openid: Option<String>,
    pub problem: Option<SignInProblem>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignInProblem {
    WrongCredentials,
    Throttled {
        retry_after_s: u64,
    },
    /// The session ended in between.
    Expired,
    /// They registered, and the address in their mail was not opened yet.
    NotActivated,
    /// A sentence without its end.
    OpenId(String),
}

/// Leads a browser on to a provider, at an address of the web.
#[derive(Clone, Template)]
#[template(path = "lead_on.html")]
pub struct LeadOnPage {
    pub base: String,
    pub name: String,
    pub address: String,
}

/// The second step of signing in. Posts `step`, `code` and `next` to `{base}/app/sign-in/code`.
#[derive(Clone, Template)]
#[template(path = "sign_in_code.html")]
pub struct CodePage {
    pub base: String,
    /// Stands for the first step, which was right.
    pub step: String,
    pub next: Option<String>,
    pub problem: Option<CodeProblem>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeProblem {
    Wrong,
    Throttled { retry_after_s: u64 },
}

/// `{base}/app/shares`: what the signed-in user shares.
#[derive(Debug, Clone, Template)]
#[template(path = "shares.html")]
pub struct SharesPage {
    pub base: String,
    /// The signed-in user's display name.
    pub user: String,
    pub notice: Option<String>,
    /// Newest first.
    pub shares: Vec<ShareRow>,
    /// The share that was just made, to be put before the others.
    pub made: Option<MadeShare>,
    /// Cursor of the next page.
    pub after: Option<String>,
}

#[derive(Debug, Clone)]
pub struct MadeShare {
    pub title: String,
    /// Absolute.
    pub link: String,
    pub has_password: bool,
}

#[derive(Debug, Clone)]
pub struct ShareRow {
    pub id: String,
    pub title: String,
    /// Absolute.
    pub link: String,
    pub created_ms: i64,
    pub expires_ms: Option<i64>,
    pub views: u64,
    pub view_limit: Option<u64>,
    pub downloads: u64,
    pub download_limit: Option<u64>,
    pub has_password: bool,
    pub state: ShareState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShareState {
    Open,
    NotYet,
    Expired,
    UsedUp,
    /// Its items are away, or its owner may not read them now.
    Unavailable,
}

impl ShareState {
    fn called(self) -> &'static str {
        match self {
            ShareState::Open => "Open",
            ShareState::NotYet => "Not open yet",
            ShareState::Expired => "Expired",
            ShareState::UsedUp => "Used up",
            ShareState::Unavailable => "Unavailable",
        }
    }

    fn is_open(self) -> bool {
        self == ShareState::Open
    }
}

/// `{base}/app/files?in=ITEM`: the user's own root, to pick from. Its form leads to `{base}/app/shares/new?item=ITEM&item=…`.
#[derive(Debug, Clone, Template)]
#[template(path = "files.html")]
pub struct FilesPage {
    pub base: String,
    pub user: String,
    /// From the first folder below the root to the folder that is shown; empty at the root.
    pub path: Vec<Crumb>,
    pub folders: Vec<FolderRow>,
    pub files: Vec<FileRow>,
    pub after: Option<String>,
    /// The form came back without anything ticked.
    pub nothing_ticked: bool,
    /// Where the user may put files here.
    pub upload: Option<UploadForm>,
    /// Files that a form without the script just brought.
    pub uploaded: Option<u64>,
}

impl FilesPage {
    fn address(&self) -> String {
        format!("{}/app/files", self.base)
    }

    /// To be followed by an item's id.
    fn folder_address(&self) -> String {
        format!("{}?in=", self.address())
    }
}

/// The form of a new share (posts to `{base}/app/shares`) or of one that is there (`{base}/app/shares/{id}`).
///
/// Fields: `item` (repeated, new only), `title`, `description`, `slug`, `password_is` (`keep`, `set`, `clear`), `password`,
/// `expires` (`YYYY-MM-DDTHH:MM`, UTC, or empty), `view_limit`, `download_limit` (number or empty), `rate` (`2M` or
/// empty), `mode` (`read`, `listen`, `drop`, `read-drop`), `downloads` (`allowed`, or absent); of a drop box `ask_name`,
/// `sender_folders` (`yes`, or absent), `max_file`, `max_total` (a size such as `2G`, or empty), `max_files` (number or
/// empty), `types` (endings by comma).
#[derive(Debug, Clone, Template)]
#[template(path = "share_form.html")]
pub struct ShareFormPage {
    pub base: String,
    pub user: String,
    pub of: FormOf,
    /// Names of the items that it shares.
    pub item_names: Vec<String>,
    pub has_password: bool,
    pub fields: ShareFields,
    /// What was wrong with the form as it came, to be put right.
    pub problem: Option<FormProblem>,
}

/// The texts of the form's fields, as they are to be shown: a share's own, or what was typed when that has to be put right.
#[derive(Clone)]
pub struct ShareFields {
    pub title: String,
    pub description: String,
    pub slug: String,
    pub password_is: PasswordIs,
    pub password: String,
    pub expires: String,
    pub view_limit: String,
    pub download_limit: String,
    /// Bytes per second.
    pub rate: String,
    pub mode: FormMode,
    pub downloads_allowed: bool,
    pub drop_box: DropFields,
}

/// Texts of the fields of a drop box.
#[derive(Debug, Clone, Default)]
pub struct DropFields {
    pub asks_name: bool,
    pub folder_per_sender: bool,
    pub most_file: String,
    pub most_total: String,
    pub most_files: String,
    pub types: String,
}

/// A password that was typed is not printed.
impl std::fmt::Debug for ShareFields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShareFields").field("title", &self.title).finish_non_exhaustive()
    }
}

/// What the form does to the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordIs {
    Kept,
    Set,
    Cleared,
}

/// A time as the value of `<input type=datetime-local>`, in UTC.
pub fn local_time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map(|time| time.strftime("%Y-%m-%dT%H:%M").to_string()).unwrap_or_default()
}

#[derive(Debug, Clone)]
pub enum FormOf {
    New {
        item_ids: Vec<String>,
    },
    Edit {
        id: String,
        /// Absolute.
        link: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormMode {
    Read,
    Listen,
    Drop,
    ReadDrop,
}

#[derive(Debug, Clone)]
pub struct FormProblem {
    /// Name of the form's field, such as `slug`; empty if it is about the whole.
    pub field: String,
    pub message: String,
}

impl ShareFormPage {
    fn is_new(&self) -> bool {
        matches!(self.of, FormOf::New { .. })
    }

    fn problem_of(&self, field: &str) -> Option<&str> {
        self.problem.as_ref().filter(|problem| problem.field == field).map(|problem| problem.message.as_str())
    }

    fn is_mode(&self, mode: FormMode) -> bool {
        self.fields.mode == mode
    }

    fn sets_password(&self) -> bool {
        self.fields.password_is == PasswordIs::Set
    }

    fn clears_password(&self) -> bool {
        self.fields.password_is == PasswordIs::Cleared
    }
}

/// `{base}/app/shares/{id}/revoke`, asked before it is done; posts to the same address.
#[derive(Debug, Clone, Template)]
#[template(path = "revoke.html")]
pub struct RevokePage {
    pub base: String,
    pub user: String,
    pub id: String,
    pub title: String,
    /// Absolute.
    pub link: String,
    pub views: u64,
    pub downloads: u64,
}

/// `{base}/app/account`. Posts a form with the file `picture` to `{base}/app/account/picture`, and nothing to its `/remove`.
#[derive(Debug, Clone, Template)]
#[template(path = "account.html")]
pub struct AccountPage {
    pub base: String,
    pub user: String,
    /// When it was last another, of one who has a picture.
    pub picture: Option<i64>,
    pub has_second_factor: bool,
    pub openid: Option<LinkedOpenId>,
    pub apps: Vec<LetInApp>,
    /// With the picture.
    pub problem: Option<String>,
}

/// Who the user is at a provider. Posts to `{base}/app/account/openid`, or to its `/unlink`.
#[derive(Debug, Clone)]
pub struct LinkedOpenId {
    pub name: String,
    pub linked_ms: Option<i64>,
    /// A sentence without its end.
    pub problem: Option<String>,
}

/// An app that the user let in. Its form posts `app` to `{base}/app/account/apps/shut-out`.
#[derive(Debug, Clone)]
pub struct LetInApp {
    pub id: String,
    pub name: String,
}

/// `{base}/app/authorize`: whether an app is let in. Posts its fields back, with `answer` (`allow`, `deny`).
#[derive(Debug, Clone, Template)]
#[template(path = "authorize.html")]
pub struct AuthorizePage {
    pub base: String,
    pub user: String,
    /// What the app is called.
    pub app: String,
    pub description: String,
    /// Where it waits for the answer, unless that is a page of ours.
    pub waits_at: Option<String>,
    /// What it would be allowed, each to go on after "to".
    pub permits: Vec<&'static str>,
    pub fields: Vec<(&'static str, String)>,
}

/// Leads on to an app that a user let in, or did not.
#[derive(Debug, Clone, Template)]
#[template(path = "callback.html")]
pub struct CallbackPage {
    pub base: String,
    /// Of the app's own scheme.
    pub address: String,
    pub is_let_in: bool,
}

/// A QR code: the path of its dark squares, in a square of this many.
#[derive(Clone)]
pub struct Drawn {
    pub size: usize,
    pub squares: String,
}

/// A second factor that is to be turned on. Posts `code` to `{base}/app/account/second-factor/on`.
#[derive(Clone, Template)]
#[template(path = "second_factor.html")]
pub struct SecondFactorPage {
    pub base: String,
    pub user: String,
    /// What a phone reads.
    pub code: Drawn,
    /// The same for typing.
    pub secret: String,
}

/// An address that signs in another device of the same user, once.
#[derive(Clone, Template)]
#[template(path = "device.html")]
pub struct DevicePage {
    pub base: String,
    pub user: String,
    pub code: Drawn,
    pub address: String,
}

/// Where an address in a mail leads. Posts `id`, `slip` and, for a new password, `password` to the same path.
#[derive(Clone, Template)]
#[template(path = "mail_link.html")]
pub struct MailLinkPage {
    pub base: String,
    pub of: MailLink,
    pub id: String,
    pub slip: String,
    pub problem: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailLink {
    Activate,
    Reset,
    Done,
    /// It was used, or is too old.
    Over,
}

/// `{base}/app/keys`. Posts `name` to it to make a key, and to `{base}/app/keys/{id}/revoke` to end one.
#[derive(Debug, Clone, Template)]
#[template(path = "keys.html")]
pub struct KeysPage {
    pub base: String,
    pub user: String,
    pub keys: Vec<KeyRow>,
    /// The key that was just made; shown this once.
    pub made: Option<MadeKey>,
    pub problem: Option<String>,
}

#[derive(Debug, Clone)]
pub struct KeyRow {
    pub id: String,
    pub name: String,
    pub created_ms: i64,
    pub last_used_ms: Option<i64>,
}

#[derive(Clone)]
pub struct MadeKey {
    pub name: String,
    pub secret: String,
}

impl std::fmt::Debug for MadeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MadeKey").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u{202e}";

    fn hostile() -> String {
        HOSTILE.to_owned()
    }

    fn share() -> SharePage {
        SharePage {
            base: "/shelf".to_owned(),
            id: "4fJ8sKq2LmN0pQrStUvWxY".to_owned(),
            public_url: Some("https://files.example/shelf".to_owned()),
            title: "Summer demos".to_owned(),
            owner: "Mira".to_owned(),
            description: Some("Rough mixes".to_owned()),
            holds: Holds { folders: 1, files: 2, size_bytes: 2_500_000, tracks: 1, duration_s: 61 },
            expires_ms: Some(1_796_306_700_000),
            downloads_left: Some(1),
            path: vec![],
            album: Some(Album {
                title: "Demos".to_owned(),
                artist: Some("The Low Tide".to_owned()),
                year: Some(2026),
                cover_item_id: Some("aCover".to_owned()),
            }),
            folders: vec![FolderRow {
                item_id: "dMore".to_owned(),
                name: "More".to_owned(),
                modified_ms: None,
                entries: Some(1),
            }],
            tracks: vec![track("Salt")],
            files: vec![file("notes.txt", Kind::Text)],
            downloads: Downloads::Allowed { zip_size_bytes: Some(2_600_000) },
            is_one_file: false,
            renders: Renders::No,
            after: None,
            upload: None,
            price: None,
        }
    }

    fn track(title: &str) -> TrackRow {
        TrackRow {
            item_id: "fTrack".to_owned(),
            number: Some(1),
            disc: None,
            title: title.to_owned(),
            artist: Some("The Low Tide".to_owned()),
            duration_ms: Some(61_250),
            mime: "audio/flac".to_owned(),
            size_bytes: 1_000_000,
            has_cover: true,
        }
    }

    fn file(name: &str, kind: Kind) -> FileRow {
        FileRow {
            item_id: "fFile".to_owned(),
            name: name.to_owned(),
            size_bytes: 1_500_000,
            modified_ms: Some(0),
            mime: "text/plain".to_owned(),
            kind,
        }
    }

    fn drop_box() -> UploadForm {
        UploadForm {
            action: "/s/a/-/upload".to_owned(),
            uploads: "/s/a/-/uploads".to_owned(),
            of: UploadOf::Box {
                asks_name: true,
                name: hostile(),
                most_file_bytes: Some(2_000_000),
                most_total_bytes: Some(1),
                most_files: Some(7),
                types: vec!["jpg".to_owned()],
                receipt: "/s/a/-/receipt".to_owned(),
                sent: 2,
            },
        }
    }

    /// Whether the page holds only tags of its own and no text that leaves its place.
    fn assert_tame(page: &str) {
        assert!(!page.contains("<script>"), "a script came through: {page}");
        assert!(!page.contains("<img src=x"), "an element came through: {page}");
        assert!(!page.contains("\"'>"), "an attribute was closed: {page}");
        assert!(!page.contains('\u{202e}'), "text can be reordered: {page}");
        assert!(page.contains("&#60;script&#62;"), "the text itself is gone: {page}");
        assert!(!page.contains(" style="), "the policy refuses inline style: {page}");
    }

    #[test]
    fn hostile_texts_of_a_share_appear_as_text() {
        let page = SharePage {
            id: hostile(),
            title: hostile(),
            owner: hostile(),
            description: Some(hostile()),
            path: vec![Crumb { item_id: hostile(), name: hostile() }, Crumb { item_id: hostile(), name: hostile() }],
            album: Some(Album {
                title: hostile(),
                artist: Some(hostile()),
                year: None,
                cover_item_id: Some(hostile()),
            }),
            folders: vec![FolderRow {
                item_id: hostile(),
                name: hostile(),
                modified_ms: Some(i64::MAX),
                entries: None,
            }],
            tracks: vec![TrackRow { item_id: hostile(), artist: Some(format!("2 {HOSTILE}")), ..track(HOSTILE) }],
            files: vec![FileRow { item_id: hostile(), ..file(HOSTILE, Kind::Other) }],
            after: Some(hostile()),
            ..share()
        };
        assert_tame(&page.render().unwrap());
        let top = SharePage { path: vec![], album: None, ..page };
        assert_tame(&top.render().unwrap());
        let files: Vec<FileRow> =
            (0..4).map(|_| FileRow { item_id: hostile(), ..file(HOSTILE, Kind::Image) }).collect();
        assert_tame(&SharePage { tracks: vec![], files, ..top }.render().unwrap());
    }

    #[test]
    fn hostile_texts_appear_as_text_on_the_owners_pages() {
        let row = ShareRow {
            id: hostile(),
            title: hostile(),
            link: hostile(),
            created_ms: 0,
            expires_ms: None,
            views: 0,
            view_limit: None,
            downloads: 0,
            download_limit: None,
            has_password: false,
            state: ShareState::Open,
        };
        let shares = SharesPage {
            base: String::new(),
            user: hostile(),
            notice: Some(HOSTILE.trim_end_matches('\u{202e}').to_owned()),
            shares: vec![ShareRow { link: "https://files.example/s/a".to_owned(), ..row }],
            made: Some(MadeShare {
                title: hostile(),
                link: "https://files.example/s/a".to_owned(),
                has_password: false,
            }),
            after: Some(hostile()),
        };
        assert_tame(&shares.render().unwrap());
        let files = FilesPage {
            base: String::new(),
            user: hostile(),
            path: vec![Crumb { item_id: "d".to_owned(), name: hostile() }],
            folders: vec![],
            files: vec![file(HOSTILE, Kind::Other)],
            after: None,
            nothing_ticked: false,
            upload: Some(UploadForm {
                action: "/app/files".to_owned(),
                uploads: "/app/uploads".to_owned(),
                of: UploadOf::Own { folder_item_id: Some("d".to_owned()) },
            }),
            uploaded: Some(1),
        };
        assert_tame(&files.render().unwrap());
        let drop = DropPage {
            base: String::new(),
            title: hostile(),
            owner: hostile(),
            description: Some(hostile()),
            expires_ms: Some(0),
            upload: drop_box(),
        };
        assert_tame(&drop.render().unwrap());
        assert_tame(&DropPage { title: String::new(), ..drop }.render().unwrap());
        let sent = SentRow { name: hostile(), size_bytes: 1, sha256: Some("ab".to_owned()), sent_ms: 0 };
        let receipt = ReceiptPage {
            base: String::new(),
            id: hostile(),
            title: hostile(),
            owner: hostile(),
            sender: Some(hostile()),
            sent: vec![sent],
        };
        assert_tame(&receipt.render().unwrap());
        let keys = KeysPage {
            base: String::new(),
            user: hostile(),
            keys: vec![KeyRow { id: hostile(), name: hostile(), created_ms: 0, last_used_ms: None }],
            made: None,
            problem: None,
        };
        assert_tame(&keys.render().unwrap());
        let account = AccountPage {
            base: String::new(),
            user: hostile(),
            picture: Some(0),
            has_second_factor: true,
            openid: Some(LinkedOpenId { name: hostile(), linked_ms: Some(0), problem: Some(hostile()) }),
            apps: vec![LetInApp { id: "app".to_owned(), name: hostile() }],
            problem: Some(hostile()),
        };
        assert_tame(&account.render().unwrap());
    }

    #[test]
    fn a_form_gives_back_what_was_typed_to_the_letter() {
        let page = ShareFormPage {
            base: String::new(),
            user: "Mira".to_owned(),
            of: FormOf::New { item_ids: vec!["fFile".to_owned()] },
            item_names: vec![],
            has_password: true,
            fields: ShareFields {
                title: "a \"b\" <c>\u{202e}".to_owned(),
                description: "</textarea>".to_owned(),
                slug: String::new(),
                password_is: PasswordIs::Set,
                password: "Secret1".to_owned(),
                expires: local_time(1_796_306_700_000),
                view_limit: "many".to_owned(),
                download_limit: "5".to_owned(),
                rate: "2M".to_owned(),
                mode: FormMode::Listen,
                downloads_allowed: false,
                drop_box: DropFields { most_file: "many\"".to_owned(), ..DropFields::default() },
            },
            problem: Some(FormProblem { field: "slug".to_owned(), message: "Taken".to_owned() }),
        }
        .render()
        .unwrap();
        assert!(page.contains("value=\"a &#34;b&#34; &#60;c&#62;\u{202e}\""));
        assert!(page.contains(">&#60;/textarea&#62;</textarea>"));
        assert!(page.contains("value=\"2026-12-03T14:05\""));
        assert!(page.contains("id=\"slug-problem\">Taken"));
        assert!(page.contains("value=\"set\" checked") && page.contains("value=\"Secret1\""));
        assert!(page.contains("value=\"many\"") && page.contains("value=\"5\"") && page.contains("value=\"2M\""));
        assert!(page.contains("value=\"listen\" checked"));
    }

    #[test]
    fn a_locked_page_knows_only_the_owners_name() {
        let page = LockedPage {
            base: "/shelf".to_owned(),
            id: "4fJ8sKq2LmN0pQrStUvWxY".to_owned(),
            owner: "Mira".to_owned(),
            folder_item_id: None,
            problem: Some(LockedProblem::Throttled { retry_after_s: 130 }),
        }
        .render()
        .unwrap();
        assert!(page.contains("Mira") && page.contains("Wait 3 minutes"));
        assert!(page.contains("action=\"/shelf/s/4fJ8sKq2LmN0pQrStUvWxY/-/unlock\""));
        let card: Vec<&str> =
            page.lines().filter(|line| line.contains("og:title") || line.contains("<title>")).collect();
        assert_eq!(
            card,
            ["<title>Shared with you</title>", "<meta property=\"og:title\" content=\"Shared with you\">"]
        );
        for told in ["og:image", "og:description", "description\"", "/-/cover", "/-/zip", "track", "<template"] {
            assert!(!page.contains(told), "{told} on a locked page");
        }
    }

    #[test]
    fn the_gone_page_is_the_same_every_time_and_names_no_share() {
        let gone = || GonePage { base: String::new() }.render().unwrap();
        assert_eq!(gone(), gone());
        for rest in gone().split("href=\"").skip(1) {
            assert!(rest.starts_with('#') || rest.starts_with("/s/-/"), "{rest}");
        }
    }

    #[test]
    fn every_address_of_a_share_lies_beneath_the_base() {
        let page = share().render().unwrap();
        for attribute in ["href=\"", "src=\"", "action=\"", "data-cover=\""] {
            for rest in page.split(attribute).skip(1) {
                let address = rest.split('"').next().unwrap();
                let is_inside = ["/shelf/s/4fJ8sKq2LmN0pQrStUvWxY", "/shelf/s/-/", "#"].iter();
                assert!(is_inside.clone().any(|start| address.starts_with(start)), "{attribute}{address}");
            }
        }
        assert!(page.contains("content=\"https://files.example/shelf/s/4fJ8sKq2LmN0pQrStUvWxY/-/cover/aCover\""));
        assert!(page.contains("Open until <time datetime=\"2026-12-03T14:05:00Z\">3 Dec 2026, 14:05 UTC</time>"));
        assert!(page.contains("1 track, 1 min") && page.contains("1 download left") && page.contains("(zip, 2.6 MB)"));
    }

    #[test]
    fn without_downloads_no_address_offers_one() {
        let refused = SharePage { downloads: Downloads::Refused, ..share() }.render().unwrap();
        assert!(!refused.contains("download=1") && !refused.contains("/-/zip"));
        assert!(refused.contains("/-/file/fFile") && refused.contains("/-/play/fTrack"));
        let listen = SharePage { downloads: Downloads::ListenOnly, ..share() }.render().unwrap();
        assert!(!listen.contains("/-/file/") && !listen.contains("/-/zip"));
        assert!(listen.contains("/-/play/fTrack") && listen.contains("notes.txt"));
    }

    #[test]
    fn a_share_of_one_file_offers_the_file_and_no_archive() {
        let one = SharePage { folders: vec![], files: vec![], is_one_file: true, ..share() }.render().unwrap();
        assert!(!one.contains("/-/zip"));
        assert!(one.contains("/-/file/fTrack?download=1") && one.contains(">Play<"));
        let empty = SharePage { folders: vec![], tracks: vec![], files: vec![], ..share() }.render().unwrap();
        assert!(!empty.contains("/-/zip"));
    }

    #[test]
    fn a_player_loads_nothing_ahead_where_that_spends_downloads() {
        assert!(!share().render().unwrap().contains("data-preload"));
        assert!(SharePage { downloads_left: None, ..share() }.render().unwrap().contains("data-preload"));
    }

    #[test]
    fn a_player_gets_what_spends_nothing_where_there_is_a_limit_and_the_original_where_there_is_none() {
        let with = SharePage {
            renders: Renders::Yes,
            files: vec![FileRow { mime: "video/mp4".to_owned(), ..file("film.mp4", Kind::Video) }],
            ..share()
        };
        let limited = with.clone().render().unwrap();
        assert!(
            !limited.contains("/-/play/") && limited.contains("/-/stream/fTrack") && limited.contains("data-preload")
        );
        assert!(limited.contains("/-/hls/fFile/index.m3u8"));
        let refused =
            SharePage { downloads: Downloads::Refused, downloads_left: None, ..with.clone() }.render().unwrap();
        assert!(!refused.contains("/-/play/") && refused.contains("/-/stream/fTrack"));
        let free = SharePage { downloads_left: None, ..with.clone() }.render().unwrap();
        assert!(free.contains("/-/play/fTrack") && free.contains("/-/stream/fTrack") && free.contains("/-/play/fFile"));
        let listen = SharePage { downloads: Downloads::ListenOnly, ..with }.render().unwrap();
        assert!(!listen.contains("/-/play/") && listen.contains("/-/stream/fTrack"));
        assert!(!listen.contains("/-/hls/") && listen.contains("film.mp4"));
        let without = SharePage { downloads_left: None, ..share() }.render().unwrap();
        assert!(without.contains("/-/play/fTrack") && !without.contains("/-/stream/") && !without.contains("waveform"));
    }

    #[test]
    fn pictures_become_a_gallery_when_they_are_most_of_a_folder() {
        let page = |images: usize, others: usize| {
            let images = (0..images).map(|_| file("a.jpg", Kind::Image));
            let files = images.chain((0..others).map(|_| file("b.txt", Kind::Text))).collect();
            SharePage { tracks: vec![], files, ..share() }.render().unwrap()
        };
        let only = SharePage {
            folders: vec![],
            tracks: vec![],
            files: vec![file("a.jpg", Kind::Image)],
            is_one_file: true,
            ..share()
        };
        assert!(only.render().unwrap().contains("class=\"gallery one\""));
        assert!(page(4, 3).contains("class=\"gallery\""));
        assert!(!page(4, 4).contains("class=\"gallery\""));
        assert!(!page(2, 0).contains("class=\"gallery\""));
    }

    #[test]
    fn discs_are_named_where_they_begin_if_there_are_several() {
        let page = |discs: &[u32]| {
            let tracks = discs.iter().map(|disc| TrackRow { disc: Some(*disc), ..track("Salt") }).collect();
            SharePage { tracks, ..share() }.render().unwrap()
        };
        assert_eq!(page(&[1, 1, 2, 2]).matches("class=\"disc\"").count(), 2);
        assert_eq!(page(&[1, 1]).matches("class=\"disc\"").count(), 0);
    }

    #[test]
    fn every_asset_that_a_template_names_is_built_in() {
        let pages = [
            share().render().unwrap(),
            SharePage { upload: Some(drop_box()), ..share() }.render().unwrap(),
            GonePage { base: String::new() }.render().unwrap(),
            SharesPage {
                base: String::new(),
                user: String::new(),
                notice: None,
                shares: vec![],
                made: None,
                after: None,
            }
            .render()
            .unwrap(),
        ];
        for page in pages {
            let hrefs = page.split(['"', '\'']).filter_map(|part| part.find("/s/-/").map(|at| &part[at..]));
            assert!(hrefs.clone().count() >= 2);
            for href in hrefs {
                assert!(crate::web::assets::find(href).is_some(), "{href}");
            }
            // An asset with no name leaves the bare base behind.
            assert!(!page.contains("href=\"\"") && !page.contains("src=\"\"") && !page.contains("src=\"/shelf\""));
        }
    }

    #[test]
    fn a_kind_follows_the_mime_type_and_never_calls_svg_a_picture() {
        assert_eq!(Kind::of_mime("image/png"), Kind::Image);
        assert_eq!(Kind::of_mime("image/svg+xml"), Kind::Other);
        assert_eq!(Kind::of_mime("audio/flac"), Kind::Audio);
        assert_eq!(Kind::of_mime("application/zip"), Kind::Archive);
        assert_eq!(Kind::of_mime(""), Kind::Other);
    }
}
