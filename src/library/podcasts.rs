//! Podcasts: channels that are followed, and their episodes.

use super::names::{ending, safe_file_name};
use super::tags::media_of;
use super::{ChannelKey, EpisodeKey, ItemKey, Media};

/// How it stands with reading a channel's feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelState {
    /// Not read yet.
    New,
    Read,
    Failed,
}

#[derive(Debug, Clone)]
pub struct Channel {
    pub key: ChannelKey,
    pub id: String,
    /// Of its feed. It may hold a subscriber's secret.
    pub url: String,
    pub title: String,
    pub description: String,
    pub image_url: Option<String>,
    /// Public id of its picture.
    pub cover_id: Option<String>,
    pub state: ChannelState,
    /// Why the feed could not be read.
    pub error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpisodeState {
    /// Known, and not here.
    New,
    /// Asked for: on its way, or waiting for its turn.
    Downloading,
    Completed,
    Failed,
    /// Was here, and was deleted by somebody.
    Deleted,
}

#[derive(Debug, Clone)]
pub struct Episode {
    pub key: EpisodeKey,
    pub id: String,
    pub channel: ChannelKey,
    pub channel_id: String,
    pub channel_title: String,
    pub cover_id: Option<String>,
    pub title: String,
    pub description: String,
    pub suffix: String,
    /// As the feed has it.
    pub size_bytes: Option<u64>,
    pub duration_ms: Option<u64>,
    pub published_ms: Option<i64>,
    pub added_ms: i64,
    pub state: EpisodeState,
    /// Its file, while that is here.
    pub item: Option<ItemKey>,
}

/// The ending of an episode's file: by its address, else by what its feed or server calls it. None for what is neither sound
/// nor film.
pub fn suffix_of(url: &str, content_type: Option<&str>) -> Option<String> {
    let is_media = |suffix: &String| matches!(media_of(format!("a.{suffix}").as_bytes()), Media::Audio | Media::Video);
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    Some(ending(name)).filter(is_media).or_else(|| {
        let kind = content_type?.split(';').next()?.trim().to_ascii_lowercase();
        let suffix = match kind.as_str() {
            "audio/mpeg" | "audio/mp3" | "audio/x-mp3" | "audio/mpeg3" => "mp3",
            "audio/mp4" | "audio/m4a" | "audio/x-m4a" => "m4a",
            "audio/aac" | "audio/aacp" => "aac",
            "audio/ogg" | "application/ogg" => "ogg",
            "audio/opus" => "opus",
            "audio/flac" | "audio/x-flac" => "flac",
            "audio/wav" | "audio/x-wav" => "wav",
            "video/mp4" | "video/x-m4v" => "mp4",
            "video/quicktime" => "mov",
            "video/webm" => "webm",
            _ => return None,
        };
        Some(suffix.to_owned())
    })
}

/// What a channel's folder is called.
pub fn folder_name(title: &str) -> String {
    safe_file_name(title, "Podcast")
}

/// What an episode's file is called, the day first so that files lie in order.
pub fn file_name(title: &str, published_ms: Option<i64>, suffix: &str) -> String {
    let day = published_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let day = day.map(|at| format!("{} ", at.strftime("%Y-%m-%d"))).unwrap_or_default();
    format!("{day}{}.{suffix}", safe_file_name(title, "Episode"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::names::is_left_out;

    #[test]
    fn endings_are_those_of_sound_and_film_alone() {
        let suffix = |url, kind| suffix_of(url, kind);
        assert_eq!(suffix("https://a.example/1.MP3?x=.html", None).as_deref(), Some("mp3"));
        assert_eq!(suffix("https://a.example/1.m4a", Some("audio/mpeg")).as_deref(), Some("m4a"));
        assert_eq!(suffix("https://a.example/play", Some("audio/mpeg; charset=x")).as_deref(), Some("mp3"));
        for (url, kind) in [
            ("https://a.example/1.html", None),
            ("https://a.example/1.jpg", Some("image/jpeg")),
            ("https://a.example/x", Some("application/octet-stream")),
            ("https://a.example/", None),
        ] {
            assert_eq!(suffix(url, kind), None, "{url}");
        }
    }

    #[test]
    fn names_of_files_are_names_whatever_titles_are() {
        for title in
            ["", "..", "../../etc/passwd", ".hidden", "a/b\\c:d", "\n\0", "@eaDir", &"é".repeat(300), "nul\u{202e}gpj"]
        {
            for name in [file_name(title, Some(0), "mp3"), file_name(title, None, "mp3"), folder_name(title)] {
                assert!(!name.contains(['/', '\0', '\n']) && !name.is_empty() && name.len() < 220, "{name}");
                assert!(!is_left_out(name.as_bytes()), "{name}");
            }
        }
        assert_eq!(file_name("One: two", Some(1_736_157_600_000), "mp3"), "2025-01-06 One_ two.mp3");
    }
}
