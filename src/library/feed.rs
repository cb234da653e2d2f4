//! What a podcast's feed says: RSS or Atom, by strangers.

use std::io::Read;

use feed_rs::model;
use quick_xml::Reader;
use quick_xml::encoding::DecodingReader;
use quick_xml::events::Event;

use super::podcasts::suffix_of;

/// Feeds of two thousand episodes with long notes take ten megabytes.
pub const LARGEST_BYTES: u64 = 16 << 20;
/// Episodes of one feed that are known at most: the newest.
pub const MOST_EPISODES: usize = 5000;
const LONGEST_TITLE_CHARS: usize = 500;
const LONGEST_TEXT_CHARS: usize = 20_000;
const LONGEST_ADDRESS_BYTES: usize = 2048;
const LONGEST_GUID_BYTES: usize = 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    pub title: String,
    pub description: String,
    pub image_url: Option<String>,
    /// Those that have something to hear or see, the newest first.
    pub episodes: Vec<FeedEpisode>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEpisode {
    /// What makes it the same episode in the feed's next version.
    pub guid: String,
    pub title: String,
    pub description: String,
    pub url: String,
    /// Of the file, without its dot; one of sound or film.
    pub suffix: String,
    pub size_bytes: Option<u64>,
    pub duration_ms: Option<u64>,
    pub published_ms: Option<i64>,
}

/// None for what is no feed, and for one that is made to be expensive.
pub fn read(bytes: &[u8], address: &str) -> Option<Feed> {
    let durations = look_through(bytes)?;
    let parser = feed_rs::parser::Builder::new().base_uri(Some(address)).build();
    let feed = parser.parse(bytes).ok()?;
    let title = text(feed.title.as_ref(), LONGEST_TITLE_CHARS);
    let known = durations.into_iter().chain(std::iter::repeat(None));
    let mut episodes: Vec<FeedEpisode> =
        feed.entries.iter().zip(known).filter_map(|(entry, duration_ms)| episode(entry, duration_ms)).collect();
    episodes.sort_by_key(|episode| std::cmp::Reverse(episode.published_ms));
    episodes.truncate(MOST_EPISODES);
    let image = feed.logo.or(feed.icon).map(|image| image.uri).filter(|uri| uri.len() <= LONGEST_ADDRESS_BYTES);
    Some(Feed {
        title: if title.is_empty() { "Podcast".to_owned() } else { title },
        description: text(feed.description.as_ref(), LONGEST_TEXT_CHARS),
        image_url: image,
        episodes,
    })
}

fn episode(entry: &model::Entry, duration_ms: Option<u64>) -> Option<FeedEpisode> {
    let contents = entry.media.iter().flat_map(|media| &media.content).filter_map(|content| {
        let kind = content.content_type.as_ref().map(ToString::to_string);
        Some((content.url.as_ref()?.to_string(), kind, content.size))
    });
    let links = entry.links.iter().filter(|link| link.rel.as_deref() == Some("enclosure"));
    let links = links.map(|link| (link.href.clone(), link.media_type.clone(), link.length));
    let (url, suffix, size_bytes) = contents.chain(links).find_map(|(url, kind, size)| {
        let fits = url.len() <= LONGEST_ADDRESS_BYTES && (url.starts_with("https://") || url.starts_with("http://"));
        let suffix = suffix_of(&url, kind.as_deref()).filter(|_| fits)?;
        Some((url, suffix, size.filter(|size| *size > 0)))
    })?;
    let title = text(entry.title.as_ref(), LONGEST_TITLE_CHARS);
    let description = [
        text(entry.summary.as_ref(), LONGEST_TEXT_CHARS),
        cleaned(entry.content.as_ref().and_then(|content| content.body.as_deref()).unwrap_or(""), LONGEST_TEXT_CHARS),
        text(entry.media.iter().find_map(|media| media.description.as_ref()), LONGEST_TEXT_CHARS),
    ];
    Some(FeedEpisode {
        guid: Some(cleaned(&entry.id, usize::MAX))
            .filter(|guid| !guid.is_empty() && guid.len() <= LONGEST_GUID_BYTES)
            .unwrap_or_else(|| url.clone()),
        title: if title.is_empty() { "Episode".to_owned() } else { title },
        description: description.into_iter().find(|text| !text.is_empty()).unwrap_or_default(),
        url,
        suffix,
        size_bytes,
        duration_ms,
        published_ms: entry.published.or(entry.updated).map(|at| at.timestamp_millis()),
    })
}

/// Seconds, minutes before them and hours before those, as iTunes has it: `3723`, `62:03`, `1:02:03`.
fn duration_ms(text: &str) -> Option<u64> {
    const LONGEST_S: u64 = 7 * 24 * 60 * 60;
    let whole = text.trim().split('.').next().unwrap_or_default();
    let parts: Vec<u64> = whole.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let total_s = parts.iter().try_fold(0u64, |total, part| total.checked_mul(60)?.checked_add(*part))?;
    (parts.len() <= 3 && (1..=LONGEST_S).contains(&total_s)).then_some(total_s * 1000)
}

fn text(text: Option<&model::Text>, most_chars: usize) -> String {
    cleaned(text.map_or("", |text| &text.content), most_chars)
}

/// Without what no column and no XML can hold.
fn cleaned(text: &str, most_chars: usize) -> String {
    text.trim().chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).take(most_chars).collect()
}

/// A first look: how long each entry lasts, as the parser loses a duration that stands alone and takes `62:03` for a minute.
///
/// None where reading it would cost more than its length lets expect. The parser calls itself for each category in a category,
/// keeps an address for each level of `xml:base`, compares the attributes of an element with each other, looks through
/// all namespaces for each name, and takes a kilobyte for an entry of thirteen bytes.
fn look_through(bytes: &[u8]) -> Option<Vec<Option<u64>>> {
    const MOST_DEPTH: usize = 50;
    const MOST_ELEMENTS: usize = 500_000;
    const MOST_ENTRIES: usize = 20_000;
    const MOST_NAMESPACES: usize = 500;
    const LONGEST_TAG_BYTES: usize = 16 << 10;
    // A feed of JSON is none that podcasts have.
    bytes.iter().find(|byte| matches!(byte, b'<' | b'{')).filter(|first| **first == b'<')?;
    let mut reader = Reader::from_reader(DecodingReader::new(bytes.take(LARGEST_BYTES)));
    let (mut depth, mut elements, mut namespaces) = (0usize, 0, 0);
    let (mut durations, mut is_duration) = (Vec::new(), false);
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let tag = match reader.read_event_into(&mut buffer) {
            Ok(Event::Start(tag)) => {
                depth += 1;
                tag
            }
            Ok(Event::Empty(tag)) => tag,
            Ok(Event::End(_)) => {
                depth = depth.saturating_sub(1);
                is_duration = false;
                continue;
            }
            Ok(Event::Text(text)) => {
                if let Some(duration) = durations.last_mut().filter(|_| is_duration) {
                    *duration = duration_ms(&text);
                }
                continue;
            }
            Ok(Event::Eof) => return Some(durations),
            Ok(_) => continue,
            Err(_) => return None,
        };
        elements += 1;
        match tag.local_name().as_ref() {
            "item" | "entry" => durations.push(None),
            name => is_duration = name == "duration",
        }
        namespaces += tag.matches("xmlns").count();
        let is_wild = depth > MOST_DEPTH
            || elements > MOST_ELEMENTS
            || durations.len() > MOST_ENTRIES
            || namespaces > MOST_NAMESPACES
            || tag.len() > LONGEST_TAG_BYTES;
        if is_wild {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "https://pod.example/feed/all.xml";

    fn rss(items: &str) -> String {
        format!(
            r#"<?xml version="1.0"?><rss version="2.0" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"><channel>
               <title> Talk &amp; more </title><description>About it</description>
               <itunes:image href="https://pod.example/cover.jpg"/>{items}</channel></rss>"#
        )
    }

    fn read_text(text: &str) -> Option<Feed> {
        read(text.as_bytes(), ADDRESS)
    }

    #[test]
    fn rss_is_read_with_its_newest_episode_first() {
        let feed =
            read_text(&rss(r#"<item><title>One</title><guid>1</guid><pubDate>Mon, 06 Jan 2025 10:00:00 GMT</pubDate>
                 <enclosure url="https://pod.example/1.mp3?t=x" length="100" type="audio/mpeg"/>
                 <itunes:duration>1:02:03</itunes:duration><description>First</description></item>
               <item><title>Two</title><pubDate>Tue, 07 Jan 2025 10:00:00 +0100</pubDate>
                 <enclosure url="/2" type="audio/x-m4a"/></item>
               <item><title>Words only</title></item>
               <item><title>A page</title><enclosure url="https://pod.example/x.html" type="text/html"/></item>"#))
            .unwrap();
        assert_eq!((feed.title.as_str(), feed.description.as_str()), ("Talk & more", "About it"));
        assert_eq!(feed.image_url.as_deref(), Some("https://pod.example/cover.jpg"));
        let [two, one] = feed.episodes.as_slice() else { panic!("{feed:?}") };
        assert_eq!(
            (two.title.as_str(), two.url.as_str(), two.suffix.as_str()),
            ("Two", "https://pod.example/2", "m4a")
        );
        assert_eq!((one.guid.as_str(), one.size_bytes, one.duration_ms), ("1", Some(100), Some(3_723_000)));
        assert_eq!((one.published_ms, one.description.as_str()), (Some(1_736_157_600_000), "First"));
    }

    #[test]
    fn durations_come_as_seconds_and_as_clocks() {
        for (text, seconds) in
            [("3723", 3723), (" 62:03 ", 3723), ("1:02:03", 3723), ("01:02:03.5", 3723), ("0:59", 59)]
        {
            assert_eq!(duration_ms(text), Some(seconds * 1000), "{text}");
        }
        for text in
            ["", "0", "-1", "1:2:3:4", "an hour", "99999999999999999999", "9999999:00:00", "18446744073709551615:00"]
        {
            assert_eq!(duration_ms(text), None, "{text}");
        }
    }

    #[test]
    fn atom_is_read_by_its_enclosures() {
        let feed = read_text(
            r#"<feed xmlns="http://www.w3.org/2005/Atom"><title>A</title><id>x</id><updated>2025-01-06T10:00:00Z</updated>
               <entry><id>e1</id><title>One</title><published>2025-01-06T10:00:00Z</published>
               <link rel="enclosure" href="https://pod.example/1.ogg" type="audio/ogg" length="7"/></entry></feed>"#,
        )
        .unwrap();
        assert_eq!((feed.episodes[0].guid.as_str(), feed.episodes[0].suffix.as_str()), ("e1", "ogg"));
    }

    #[test]
    fn what_is_no_feed_is_none() {
        for text in [
            "",
            "hello",
            "<html><body>no</body></html>",
            "{\"version\": \"https://jsonfeed.org/version/1\"}",
            "<rss",
            "<rss><channel>",
        ] {
            assert_eq!(read_text(text), None, "{text}");
        }
    }

    #[test]
    fn feeds_that_are_made_to_be_expensive_are_none() {
        let bomb = r#"<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
                      <rss version="2.0"><channel><title>&b;</title></channel></rss>"#;
        assert!(read_text(bomb).is_none_or(|feed| feed.title.len() < 100), "entities stay what they are");
        let deep = "<itunes:category text=\"a\">".repeat(100_000) + &"</itunes:category>".repeat(100_000);
        assert_eq!(read_text(&rss(&deep)), None);
        let based = "<a xml:base=\"aaaaaaaa/\">".repeat(100_000) + &"</a>".repeat(100_000);
        assert_eq!(read_text(&rss(&based)), None);
        let wide: String = (0..100_000).map(|n| format!(" a{n}=''")).collect();
        assert_eq!(read_text(&rss(&format!("<item{wide}/>"))), None);
        assert_eq!(read_text(&rss(&"<item/>".repeat(1_000_000))), None);
        assert_eq!(read_text(&rss(&"<a xmlns:b=''/>".repeat(1000))), None);
    }

    #[test]
    fn text_holds_nothing_that_no_answer_can_hold() {
        let feed =
            read_text(&rss("<item><title>A\u{85}b&#x1;</title><enclosure url='https://pod.example/1.mp3'/></item>"));
        assert!(feed.is_none_or(|feed| feed.episodes[0].title == "Ab"));
    }
}
