//! What an audio file says of itself: its tags and how it sounds, read by lofty, with what lofty gets wrong put right.

mod mpeg;
mod own;

use super::bounded::{self, Bounded};
use super::id3;
use super::names::{ending_at, shown};
use super::pictures::{picture_type, pictures};
use super::role::Role;
use lofty::config::ParseOptions;
use lofty::file::{AudioFile, FileType, TaggedFile, TaggedFileExt};
use lofty::id3::v2::{FrameFlags, SyncTextContentType, SynchronizedTextFrame, TimestampFormat};
use lofty::picture::{Picture, PictureType};
use lofty::probe::Probe;
use lofty::tag::{ItemKey, Tag};
use std::io::{self, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Comments and lyrics longer than this are cut.
const TEXT_LIMIT_BYTES: usize = 64 * 1024;
const LINE_LIMIT_BYTES: usize = 1024;
/// More people than any record names.
const CONTRIBUTIONS_MAX: usize = 200;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// From the tag, else the name of the file without its ending.
    pub title: String,
    pub sort_title: String,
    pub artists: Vec<Credit>,
    /// All artists as shown: "A feat. B".
    pub artist_name: String,
    pub album_artists: Vec<Credit>,
    pub album_artist_name: String,
    /// Of all roles but the two above.
    pub contributions: Vec<Contribution>,
    pub album: String,
    pub sort_album: String,
    pub disc: Option<i64>,
    pub disc_title: String,
    pub number: Option<i64>,
    pub year: Option<i64>,
    pub genres: Vec<String>,
    pub moods: Vec<String>,
    pub isrc: Vec<String>,
    pub bpm: Option<i64>,
    pub comment: String,
    /// Plain or LRC text.
    pub lyrics: String,
    pub is_compilation: bool,
    pub labels: Vec<String>,
    /// As far as it is told: `1999`, `1999-05`, `1999-05-04` or empty; so is the next.
    pub original_date: String,
    pub release_date: String,
    /// `explicit`, `clean` or empty.
    pub advisory: &'static str,
    /// Lower case as in MusicBrainz: album, ep, live…
    pub release_types: Vec<String>,
    pub musicbrainz_recording: String,
    pub musicbrainz_release: String,
    pub track_gain_db: Option<f64>,
    pub track_peak: Option<f64>,
    pub album_gain_db: Option<f64>,
    pub album_peak: Option<f64>,
    pub duration_ms: i64,
    pub bit_rate_kbps: i64,
    pub sample_rate_hz: i64,
    pub bit_depth: Option<i64>,
    pub channels: i64,
    pub has_cover: bool,
}

/// Somebody named in a tag. What the tag does not say is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Credit {
    pub name: String,
    pub sort_name: String,
    pub musicbrainz_id: String,
}

/// What somebody did for a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contribution {
    pub role: Role,
    /// Of a performer, the instrument; may be empty.
    pub part: String,
    pub credit: Credit,
}

/// What a file is, as far as its name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    None,
    Audio,
    Image,
    Video,
}

/// What a file's name says it is.
pub fn media_of(name: &[u8]) -> Media {
    const AUDIO: &[&str] = &[
        "mp3", "mp2", "flac", "ogg", "oga", "opus", "spx", "m4a", "m4b", "aac", "alac", "wav", "aif", "aiff", "aifc",
        "ape", "wv", "mpc", "wma", "dsf", "dff", "mka", "tta",
    ];
    const IMAGE: &[&str] =
        &["jpg", "jpeg", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff", "avif", "heic", "heif", "jxl"];
    const VIDEO: &[&str] =
        &["mp4", "m4v", "mkv", "webm", "mov", "avi", "mpg", "mpeg", "ogv", "wmv", "flv", "3gp", "mts", "m2ts"];
    let Some(suffix) = suffix_of(name) else { return Media::None };
    match suffix.as_str() {
        suffix if AUDIO.contains(&suffix) => Media::Audio,
        suffix if IMAGE.contains(&suffix) => Media::Image,
        suffix if VIDEO.contains(&suffix) => Media::Video,
        _ => Media::None,
    }
}

/// Whether a file is the picture of the album whose folder it lies in, and how much it is preferred (less is better).
pub fn cover_rank(name: &[u8]) -> Option<usize> {
    if media_of(name) != Media::Image {
        return None;
    }
    let stem = String::from_utf8_lossy(&name[..ending_at(name)]).to_lowercase();
    ["cover", "folder", "front"].iter().position(|known| *known == stem)
}

/// The number of the disc that a folder says to hold, as `CD1`, `Disc 2` and `disk_03 (Live)` do.
pub fn disc_of_folder(name: &str) -> Option<i64> {
    let name = name.to_lowercase();
    let rest = ["cd", "disc", "disk"].iter().find_map(|word| name.strip_prefix(word))?;
    let rest = rest.trim_start_matches([' ', '-', '_', '.', '#']);
    let (number, behind) = rest.split_at(rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len()));
    let is_word = !behind.starts_with(char::is_alphanumeric);
    number.parse().ok().filter(|number| is_word && (1..100).contains(number))
}

fn suffix_of(name: &[u8]) -> Option<String> {
    let ending = name[ending_at(name)..].strip_prefix(b".")?;
    std::str::from_utf8(ending).ok().map(str::to_ascii_lowercase)
}

/// What is left to say of a file whose content cannot be read.
pub fn facts_of_name(name: &[u8]) -> Facts {
    Facts { title: shown(&name[..ending_at(name)]), ..Facts::default() }
}

/// Why a file says no more than its name does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It is not what its name says: to read it again would not help.
    Broken(String),
    /// The disk did not give it, or not in time.
    Unread(String),
}

/// Reads an audio file. One that cannot be read gives what its name says, and the reason.
pub fn read(file: impl Read + Seek, name: &[u8]) -> (Facts, Option<Trouble>) {
    let mut reader = match Bounded::new(file, bounded::OF_A_FILE) {
        Ok(reader) => reader,
        Err(cause) => return (facts_of_name(name), Some(Trouble::Unread(cause.to_string()))),
    };
    // lofty had panics on malformed files before; one file must not end the scan.
    let why = match catch_unwind(AssertUnwindSafe(|| read_with_lofty(&mut reader, name))) {
        Ok(Ok(facts)) => return (facts, None),
        Ok(Err(why)) => why,
        Err(_) => "the tag reader gave up".to_owned(),
    };
    let trouble = reader.failure().map_or(Trouble::Broken(why), Trouble::Unread);
    (facts_of_name(name), Some(trouble))
}

/// The picture in an audio file, the front cover before others: its media type and bytes.
pub fn cover(file: impl Read + Seek, name: &[u8]) -> Option<(String, Vec<u8>)> {
    let mut reader = Bounded::new(file, bounded::OF_A_FILE).ok()?;
    let tagged = catch_unwind(AssertUnwindSafe(|| probe(&mut reader, name, Pictures::Read))).ok()?.ok()?;
    let pictures = || tagged.tags().iter().flat_map(Tag::pictures).filter(|picture| is_cover(picture));
    let front = pictures().find(|picture| picture.pic_type() == PictureType::CoverFront);
    let picture = front.or_else(|| pictures().next())?;
    Some((picture_type(picture.data())?.to_owned(), picture.data().to_vec()))
}

fn is_cover(picture: &Picture) -> bool {
    picture_type(picture.data()).is_some()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pictures {
    Read,
    Skip,
}

fn probe(reader: &mut (impl Read + Seek), name: &[u8], pictures: Pictures) -> Result<TaggedFile, String> {
    reader.seek(SeekFrom::Start(0)).map_err(|e| e.to_string())?;
    let mut probe = Probe::new(reader).guess_file_type().map_err(|e| e.to_string())?;
    if probe.file_type().is_none() {
        let by_name = suffix_of(name).and_then(FileType::from_ext).ok_or("not a known kind of audio")?;
        probe = probe.set_file_type(by_name);
    }
    let mut options = ParseOptions::new();
    options.read_cover_art(pictures == Pictures::Read);
    probe.options(options).read().map_err(|e| e.to_string())
}

fn read_with_lofty(reader: &mut Bounded<impl Read + Seek>, name: &[u8]) -> Result<Facts, String> {
    let told = pictures(reader).ok().flatten();
    let has_picture = told.as_ref().map(|pictures| pictures.are_there());
    let mut tagged = match told {
        Some(pictures) => {
            reader.leave_out(pictures.bytes);
            probe(reader, name, Pictures::Skip)?
        }
        // A picture larger than lofty's limit must not cost the tags.
        None => probe(reader, name, Pictures::Read).or_else(|_| probe(reader, name, Pictures::Skip))?,
    };
    let properties = tagged.properties();
    let mut facts = facts_of_name(name);
    facts.duration_ms = i64::try_from(properties.duration().as_millis()).unwrap_or(0);
    facts.bit_rate_kbps = properties.audio_bitrate().or(properties.overall_bitrate()).unwrap_or(0).into();
    facts.sample_rate_hz = properties.sample_rate().unwrap_or(0).into();
    facts.bit_depth = properties.bit_depth().filter(|depth| *depth > 0).map(i64::from);
    facts.channels = properties.channels().unwrap_or(0).into();
    match tagged.file_type() {
        FileType::Mpeg => {
            if let Ok(Some(stream)) = mpeg::stream(reader) {
                facts.duration_ms = stream.duration_ms;
                facts.bit_rate_kbps = stream.bit_rate_kbps;
            }
        }
        // lofty gives the nominal bit rate of Ogg streams, which may be five times the real one.
        FileType::Vorbis | FileType::Opus | FileType::Speex if facts.duration_ms > 0 => {
            let size_bytes = reader.seek(SeekFrom::End(0)).map_err(|e| e.to_string())? as i64;
            facts.bit_rate_kbps = size_bytes.saturating_mul(8) / facts.duration_ms;
        }
        _ => {}
    }
    fill_from_tags(&mut facts, &tagged);
    facts.has_cover = has_picture.unwrap_or_else(|| tagged.tags().iter().flat_map(Tag::pictures).any(is_cover));
    if let Some(tag) = tagged.remove(tagged.primary_tag_type()) {
        own::fill(&mut facts, tag);
    }
    if tagged.file_type() == FileType::Mpeg
        && let Ok(Some(timed)) = timed_lyrics(reader)
    {
        facts.lyrics = clean_text(&timed);
    }
    Ok(facts)
}

fn fill_from_tags(facts: &mut Facts, tagged: &TaggedFile) {
    // The tag that is native to the format first; ID3v1, cut at 30 characters, is asked last.
    let mut tags: Vec<&Tag> = tagged.tags().iter().collect();
    let primary = tagged.primary_tag_type();
    tags.sort_by_key(|tag| (tag.tag_type() != primary, tag.tag_type() == lofty::tag::TagType::Id3v1));
    let tags = Tags(tags);

    if let Some(title) = tags.line(ItemKey::TrackTitle) {
        facts.title = title;
    }
    facts.sort_title = tags.line(ItemKey::TrackTitleSortOrder).unwrap_or_default();
    facts.album = tags.line(ItemKey::AlbumTitle).unwrap_or_default();
    facts.sort_album = tags.line(ItemKey::AlbumTitleSortOrder).unwrap_or_default();
    (facts.artists, facts.artist_name) = tags.credits(
        ItemKey::TrackArtists,
        ItemKey::TrackArtist,
        ItemKey::TrackArtistSortOrder,
        Some(ItemKey::MusicBrainzArtistId),
    );
    (facts.album_artists, facts.album_artist_name) = tags.credits(
        ItemKey::AlbumArtists,
        ItemKey::AlbumArtist,
        ItemKey::AlbumArtistSortOrder,
        Some(ItemKey::MusicBrainzReleaseArtistId),
    );
    facts.contributions = tags.contributions();

    facts.disc = tags.number(ItemKey::DiscNumber);
    facts.disc_title = tags.line(ItemKey::SetSubtitle).unwrap_or_default();
    facts.number = tags.number(ItemKey::TrackNumber);
    facts.year = [ItemKey::RecordingDate, ItemKey::Year, ItemKey::ReleaseDate, ItemKey::OriginalReleaseDate]
        .into_iter()
        .find_map(|key| year_of(&tags.line(key)?));
    // What Picard writes as the date is that of this release.
    facts.release_date = [ItemKey::ReleaseDate, ItemKey::RecordingDate, ItemKey::Year]
        .into_iter()
        .map(|key| tags.date(key))
        .find(|date| !date.is_empty())
        .unwrap_or_default();
    facts.original_date = tags.date(ItemKey::OriginalReleaseDate);
    facts.genres = tags.lines(ItemKey::Genre);
    facts.labels = match tags.lines(ItemKey::Label) {
        labels if labels.is_empty() => tags.lines(ItemKey::Publisher),
        labels => labels,
    };
    facts.advisory = advisory_of(&tags.line(ItemKey::ParentalAdvisory).unwrap_or_default());
    facts.moods = tags.lines(ItemKey::Mood);
    facts.isrc = tags.lines(ItemKey::Isrc);
    facts.bpm = [ItemKey::IntegerBpm, ItemKey::Bpm].into_iter().find_map(|key| bpm_of(tags.line(key)?.parse().ok()?));
    facts.comment = tags.text(ItemKey::Comment).unwrap_or_default();
    facts.lyrics = tags.lyrics().unwrap_or_default();
    facts.is_compilation = tags
        .line(ItemKey::FlagCompilation)
        .is_some_and(|flag| matches!(flag.to_lowercase().as_str(), "1" | "true" | "yes"));
    facts.release_types = tags
        .lines(ItemKey::MusicBrainzReleaseType)
        .iter()
        .flat_map(|kinds| kinds.split(['/', ',']))
        .map(|kind| kind.trim().to_lowercase())
        .filter(|kind| !kind.is_empty())
        .collect();
    facts.musicbrainz_recording = tags.line(ItemKey::MusicBrainzRecordingId).unwrap_or_default();
    facts.musicbrainz_release = tags.line(ItemKey::MusicBrainzReleaseId).unwrap_or_default();

    facts.track_gain_db = tags.gain_db(ItemKey::ReplayGainTrackGain, ItemKey::R128TrackGain);
    facts.album_gain_db = tags.gain_db(ItemKey::ReplayGainAlbumGain, ItemKey::R128AlbumGain);
    facts.track_peak = tags.decimal(ItemKey::ReplayGainTrackPeak);
    facts.album_peak = tags.decimal(ItemKey::ReplayGainAlbumPeak);
}

/// Numbers of iTunes; 4 is what it wrote first.
fn advisory_of(text: &str) -> &'static str {
    match text.trim().to_lowercase().as_str() {
        "1" | "4" | "explicit" => "explicit",
        "2" | "clean" => "clean",
        _ => "",
    }
}

fn bpm_of(told: f64) -> Option<i64> {
    (1.0..1000.0).contains(&told).then(|| told.round() as i64)
}

/// One that is not there yet.
fn add(all: &mut Vec<Contribution>, one: Contribution) {
    if !one.credit.name.is_empty() && all.len() < CONTRIBUTIONS_MAX && !all.contains(&one) {
        all.push(one);
    }
}

/// The tags of one file, the most trusted first.
struct Tags<'a>(Vec<&'a Tag>);

impl Tags<'_> {
    /// All values of a key, of the first tag that has any.
    fn values(&self, key: ItemKey) -> Vec<String> {
        let of_tag = |tag: &&Tag| {
            let values: Vec<String> = tag
                .get_items(key)
                .filter_map(|item| item.value().text().or_else(|| item.value().locator()))
                .map(str::to_owned)
                .collect();
            (!values.is_empty()).then_some(values)
        };
        self.0.iter().find_map(of_tag).unwrap_or_default()
    }

    fn line(&self, key: ItemKey) -> Option<String> {
        self.values(key).iter().map(|value| clean_line(value)).find(|value| !value.is_empty())
    }

    fn text(&self, key: ItemKey) -> Option<String> {
        self.values(key).iter().map(|value| clean_text(value)).find(|value| !value.is_empty())
    }

    /// Values of a key that takes several. They are separate items, or joined by NUL (ID3v2.4) or `;` (what tools write
    /// into ID3v2.3). Not by `/`, `,` or `&`: AC/DC, "Tyler, The Creator" and "Simon & Garfunkel" are one artist each.
    fn lines(&self, key: ItemKey) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for value in self.values(key).iter().flat_map(|value| value.split(['\0', ';'])).map(clean_line) {
            if !value.is_empty() && !lines.contains(&value) {
                lines.push(value);
            }
        }
        lines
    }

    /// The single names of `each` where the file has them, else of `joined`; and how they are shown together.
    fn credits(&self, each: ItemKey, joined: ItemKey, sort: ItemKey, id: Option<ItemKey>) -> (Vec<Credit>, String) {
        let shown = self.lines(joined);
        let names = match (self.lines(each), shown.as_slice()) {
            (names, _) if !names.is_empty() => names,
            // Nothing in the file tells its artists apart but the way they are written.
            (_, [together]) => several(together),
            _ => shown.clone(),
        };
        // Sort names and ids belong to the names only when there is one for each.
        let matching = |key: ItemKey| Some(self.lines(key)).filter(|values| values.len() == names.len());
        let (sorts, ids) = (matching(sort), id.and_then(matching));
        let at = |values: &Option<Vec<String>>, i: usize| values.as_ref().map(|v| v[i].clone()).unwrap_or_default();
        let credit = |(i, name): (usize, &String)| Credit {
            name: name.clone(),
            sort_name: at(&sorts, i),
            musicbrainz_id: at(&ids, i),
        };
        let together = if shown.is_empty() { names.join(", ") } else { shown.join(", ") };
        (names.iter().enumerate().map(credit).collect(), together)
    }

    /// All who had a part in it but the artists.
    fn contributions(&self) -> Vec<Contribution> {
        // ID3v2 has one frame for the writer of words, which is read as both.
        let words = if self.lines(ItemKey::Lyricist).is_empty() { ItemKey::Writer } else { ItemKey::Lyricist };
        let keys = [
            (Role::Composer, ItemKey::Composer),
            (Role::Lyricist, words),
            (Role::Arranger, ItemKey::Arranger),
            (Role::Conductor, ItemKey::Conductor),
            (Role::Performer, ItemKey::Performer),
            (Role::Producer, ItemKey::Producer),
            (Role::Director, ItemKey::Director),
            (Role::Engineer, ItemKey::Engineer),
            (Role::Mixer, ItemKey::MixEngineer),
            (Role::Remixer, ItemKey::Remixer),
            (Role::DjMixer, ItemKey::MixDj),
        ];
        let mut found: Vec<Contribution> = Vec::new();
        for (role, key) in keys {
            let names: Vec<String> =
                self.lines(key).iter().flat_map(|line| line.split(" / ")).map(clean_line).collect();
            let sorts = match role {
                Role::Composer => self.lines(ItemKey::ComposerSortOrder),
                _ => Vec::new(),
            };
            let sort_of = |at: usize| if sorts.len() == names.len() { sorts[at].clone() } else { String::new() };
            for (at, name) in names.iter().enumerate() {
                let (name, part) = if role == Role::Performer { name_and_part(name) } else { (name.as_str(), "") };
                let credit = Credit { name: name.to_owned(), sort_name: sort_of(at), musicbrainz_id: String::new() };
                add(&mut found, Contribution { role, part: part.to_owned(), credit });
            }
        }
        found
    }

    /// With their language, where the tag names it, as LRC has it.
    fn lyrics(&self) -> Option<String> {
        let of_key = |key: ItemKey| {
            let items = self.0.iter().flat_map(move |tag| tag.get_items(key));
            let texts = items.filter_map(|item| Some((item.lang(), clean_text(item.value().text()?))));
            texts.filter(|(_, text)| !text.is_empty()).map(|(language, text)| in_language(language, &text)).next()
        };
        of_key(ItemKey::Lyrics).or_else(|| of_key(ItemKey::UnsyncLyrics))
    }

    /// The most exact of what is written.
    fn date(&self, key: ItemKey) -> String {
        let dates = self.values(key).into_iter().map(|value| date_of(&value));
        dates.max_by_key(String::len).unwrap_or_default()
    }

    /// "3" or "3/12".
    fn number(&self, key: ItemKey) -> Option<i64> {
        let line = self.line(key)?;
        line.split('/').next()?.trim().parse().ok().filter(|number| (0..=1_000_000).contains(number))
    }

    fn decimal(&self, key: ItemKey) -> Option<f64> {
        self.line(key)?.replace(',', ".").parse().ok().filter(|value: &f64| value.is_finite())
    }

    /// ReplayGain's "-7.30 dB"; else R128's gain in 1/256 dB, whose reference is 5 dB lower (RFC 7845).
    fn gain_db(&self, replay_gain: ItemKey, r128: ItemKey) -> Option<f64> {
        let of_replay_gain = self.line(replay_gain).and_then(|line| {
            let line = line.to_lowercase().replace(',', ".");
            line.trim_end_matches("db").trim().parse::<f64>().ok().filter(|gain| gain.is_finite())
        });
        of_replay_gain.or_else(|| self.line(r128)?.parse::<i16>().ok().map(|gain| f64::from(gain) / 256.0 + 5.0))
    }
}

/// Lyrics with times (SYLT) of an ID3v2 tag, as LRC: lofty's tag for all formats has no place for them.
fn timed_lyrics(reader: &mut (impl Read + Seek)) -> io::Result<Option<String>> {
    const FRAME_BYTES_MAX: u64 = 4 * TEXT_LIMIT_BYTES as u64;
    for frame in id3::frames(reader)? {
        if &frame.id == b"SYLT" && frame.size_bytes <= FRAME_BYTES_MAX {
            let mut content = Vec::new();
            reader.seek(SeekFrom::Start(frame.at))?;
            reader.take(frame.size_bytes).read_to_end(&mut content)?;
            let parsed = SynchronizedTextFrame::parse(&content, FrameFlags::default());
            if let Some(text) = parsed.ok().as_ref().and_then(lrc) {
                return Ok(Some(text));
            }
        }
    }
    Ok(None)
}

fn in_language(language: &[u8; 3], text: &str) -> String {
    let is_known = language.iter().all(u8::is_ascii_alphabetic) && !language.eq_ignore_ascii_case(b"xxx");
    if is_known { format!("[la:{}]\n{text}", String::from_utf8_lossy(language)) } else { text.to_owned() }
}

/// A frame's entries are lines, or, where some begin with a line break, words.
fn lrc(frame: &SynchronizedTextFrame) -> Option<String> {
    let is_lyrics = matches!(frame.content_type, SyncTextContentType::Lyrics | SyncTextContentType::TextTranscription);
    if !is_lyrics || frame.timestamp_format != TimestampFormat::MS || frame.content.is_empty() {
        return None;
    }
    let mut text = in_language(&frame.language, "");
    let are_words = frame.content.iter().any(|(_, entry)| entry.starts_with(['\n', '\r']));
    for (n, (at_ms, entry)) in frame.content.iter().enumerate() {
        let time = format!("{:02}:{:02}.{:03}", at_ms / 60_000, at_ms / 1000 % 60, at_ms % 1000);
        let begins = n == 0 || !are_words || entry.starts_with(['\n', '\r']);
        if begins {
            text.push_str(&format!("\n[{time}]"));
        }
        if are_words {
            text.push_str(&format!("<{time}>"));
        }
        text.push_str(&entry.trim_start_matches(['\n', '\r']).replace(['\n', '\r'], " "));
    }
    Some(text)
}

/// Artists that a tag of one value names, by what taggers write between them, as Navidrome takes it. Not `/` alone, `,` or
/// `&`: AC/DC, "Tyler, The Creator" and "Simon & Garfunkel" are one artist each.
fn several(together: &str) -> Vec<String> {
    const BETWEEN: [&str; 5] = [" / ", " feat. ", " feat ", " ft. ", " ft "];
    let lower = together.to_ascii_lowercase();
    let mut names: Vec<String> = Vec::new();
    let mut rest = 0;
    loop {
        let found =
            BETWEEN.iter().filter_map(|between| Some((lower[rest..].find(between)? + rest, between.len()))).min();
        let (end, next) = found.map_or((together.len(), None), |(at, length)| (at, Some(at + length)));
        let name = together[rest..end].trim().to_owned();
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
        match next {
            Some(next) => rest = next,
            None => return names,
        }
    }
}

/// "Somebody (violin)", as Vorbis comments have it.
fn name_and_part(text: &str) -> (&str, &str) {
    match text.strip_suffix(')').and_then(|text| text.rsplit_once(" (")) {
        Some((name, part)) if !name.trim().is_empty() => (name.trim(), part.trim()),
        _ => (text, ""),
    }
}

/// As much of a date as is one.
fn date_of(text: &str) -> String {
    let text = text.trim();
    let is_date = |text: &str| {
        let parts: Vec<&str> = text.split('-').collect();
        let fits = |part: &str, digits: usize, most: u16| {
            part.len() == digits && part.parse::<u16>().is_ok_and(|number| (1..=most).contains(&number))
        };
        fits(parts[0], 4, 9999) && parts[1..].iter().zip([12, 31]).all(|(part, most)| fits(part, 2, most))
    };
    let beginnings = [10, 7, 4].into_iter().filter_map(|length| text.get(..length));
    beginnings.into_iter().find(|text| is_date(text)).unwrap_or_default().to_owned()
}

fn year_of(date: &str) -> Option<i64> {
    let digits: String = date.chars().take_while(char::is_ascii_digit).take(4).collect();
    digits.parse().ok().filter(|_| digits.len() == 4).filter(|year| *year > 0)
}

/// One line: no control characters (PostgreSQL refuses NUL, XML most others), no space around.
fn clean_line(value: &str) -> String {
    let line: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    cut(line.trim(), LINE_LIMIT_BYTES).to_owned()
}

fn clean_text(value: &str) -> String {
    let text: String =
        value.replace("\r\n", "\n").chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    cut(text.trim(), TEXT_LIMIT_BYTES).to_owned()
}

fn cut(text: &str, limit_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(limit_bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn timed_lyrics_of_a_tag_are_told_by_line_or_by_word() {
        let frame = |content: &[(u32, &str)]| {
            let entries =
                content.iter().flat_map(|(at_ms, text)| [text.as_bytes(), b"\0", &at_ms.to_be_bytes()].concat());
            let body: Vec<u8> = b"\x03deu\x02\x01\0".iter().copied().chain(entries).collect();
            let mut tag = b"ID3\x04\0\0\0\0\x0f\x7fTIT2\0\0\0\x02\0\0\x03xSYLT".to_vec();
            tag.extend([0, 0, (body.len() >> 7) as u8, (body.len() & 0x7f) as u8, 0, 0]);
            tag.extend(body);
            timed_lyrics(&mut Cursor::new(tag)).unwrap()
        };
        assert_eq!(frame(&[(500, "one"), (61_000, "two")]).unwrap(), "[la:deu]\n\n[00:00.500]one\n[01:01.000]two");
        let words = frame(&[(0, "Hel"), (500, "lo"), (1000, "\nyou")]).unwrap();
        assert_eq!(words, "[la:deu]\n\n[00:00.000]<00:00.000>Hel<00:00.500>lo\n[00:01.000]<00:01.000>you");
        assert_eq!(frame(&[]), None);
        for broken in [
            &b"ID3\x04\0\0\0\0\x0f\x7fSYLT\x7f\x7f\x7f\x7f\0\0"[..],
            b"ID3\x03\0\0\0\0\x0f\x7fSYLT\xff\xff\xff\xff\0\0",
            b"ID3",
        ] {
            assert_eq!(timed_lyrics(&mut Cursor::new(broken)).unwrap(), None);
        }
    }

    #[test]
    fn a_broken_file_is_named_by_its_name() {
        let (facts, warning) = read(Cursor::new(b"not music at all"), b"07 Lost Song.flac");
        assert_eq!(facts.title, "07 Lost Song");
        assert!(matches!(warning, Some(Trouble::Broken(_))));
        assert_eq!(cover(Cursor::new(b"nor a picture"), b"a.mp3"), None);
    }

    #[test]
    fn discs_are_known_by_their_folders() {
        for (name, disc) in [
            ("CD1", 1),
            ("cd 02", 2),
            ("Disc 3", 3),
            ("DISK_4", 4),
            ("disc-5 (Live)", 5),
            ("Disc #6 - Demos", 6),
            ("CD.7", 7),
            ("cd99", 99),
        ] {
            assert_eq!(disc_of_folder(name), Some(disc), "{name}");
        }
        for name in
            ["", "CD", "Disco 2", "CD 1a", "Discs 1-2", "Abcd1", "CD 0", "CD 100", "disc 99999999999999999999", "1"]
        {
            assert_eq!(disc_of_folder(name), None, "{name}");
        }
    }

    #[test]
    fn covers_are_known_by_name() {
        assert_eq!(cover_rank(b"Cover.JPG"), Some(0));
        assert_eq!(cover_rank(b"front.png"), Some(2));
        assert_eq!(cover_rank(b"cover.txt"), None);
        assert_eq!(cover_rank(b"mycover.jpg"), None);
    }

    #[test]
    fn values_are_cut_at_whole_characters_and_lose_control_characters() {
        assert_eq!(clean_line(" a\0b\n"), "a b");
        assert_eq!(clean_text("a\r\nb\0"), "a\nb");
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(year_of("2003-05-01"), Some(2003));
        assert_eq!(year_of("03"), None);
    }

    #[test]
    fn artists_in_one_value_are_told_apart_as_navidrome_does_and_no_further() {
        for (together, names) in [
            ("A feat. B", vec!["A", "B"]),
            ("A Ft. B / C", vec!["A", "B", "C"]),
            ("AC/DC", vec!["AC/DC"]),
            ("Tyler, The Creator", vec!["Tyler, The Creator"]),
            ("Simon & Garfunkel", vec!["Simon & Garfunkel"]),
            ("Defeat. Us", vec!["Defeat. Us"]),
            ("İ feat. É", vec!["İ", "É"]),
        ] {
            assert_eq!(several(together), names, "{together}");
        }
    }

    #[test]
    fn dates_are_taken_as_far_as_they_are_dates() {
        for (text, date) in [
            ("1999-05-04T10:00:00", "1999-05-04"),
            ("1999-05", "1999-05"),
            ("1999-13-01", "1999"),
            ("1999/05", "1999"),
            ("99", ""),
            ("0000", ""),
            ("19é9", ""),
        ] {
            assert_eq!(date_of(text), date, "{text}");
        }
    }

    #[test]
    fn an_instrument_stands_behind_its_player() {
        assert_eq!(name_and_part("Ann (violin)"), ("Ann", "violin"));
        assert_eq!(name_and_part("(violin)"), ("(violin)", ""));
        assert_eq!(name_and_part("Ann"), ("Ann", ""));
    }
}
