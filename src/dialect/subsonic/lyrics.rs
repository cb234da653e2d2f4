//! Lyrics: of files beside a track, and of its tags.

use super::Asked;
use super::answers::*;
use super::envelope::Payload;
use super::of::filled;
use crate::account::User;
use crate::error::Result;
use crate::http::deliver;
use crate::library::Item;
use crate::library::lyrics::{self, Layer, TEXT_BYTES_MAX, Voice};
use crate::library::music::Track;
use crate::library::names::ending_at;
use crate::share::grant::{Action, Grant};
use crate::share::visit::Visitor;
use crate::store::{Tx, library, music};
use crate::work::sharing;

/// A track and where its lyrics are.
struct Sung {
    track: Track,
    /// Each with the language that its name tells.
    beside: Vec<(Grant, Option<String>)>,
    stored: String,
}

impl Sung {
    fn of(tx: &mut Tx, user: &User, visitor: &Visitor, track: Track) -> Result<Sung> {
        let mut beside: Vec<(usize, Item, Option<String>)> = library::beside(tx, &track.item)?
            .into_iter()
            .filter_map(|item| {
                let (rank, language) = kind(&track.item.name, &item.name)?;
                Some((rank, item, language))
            })
            .collect();
        beside.sort_by_key(|(rank, ..)| *rank);
        let mut granted = Vec::new();
        for (_, item, language) in beside {
            granted.push((sharing::own_item(tx, user, visitor, item, Action::Preview)?, language));
        }
        let stored = music::lyrics(tx, track.item.key)?;
        Ok(Sung { track, beside: granted, stored })
    }

    /// The most exact first. A file that cannot be read is as if it were not there.
    async fn lyrics(&self) -> Vec<lyrics::Lyrics> {
        let mut all: Vec<lyrics::Lyrics> = Vec::new();
        let mut add = |text: lyrics::Lyrics| {
            if !text.is_empty() && !all.contains(&text) {
                all.push(text);
            }
        };
        for (grant, language) in &self.beside {
            match deliver::text(grant, TEXT_BYTES_MAX as u64).await {
                Ok(text) => {
                    let text = lyrics::Lyrics::parse(&text);
                    add(lyrics::Lyrics { lang: text.lang.clone().or_else(|| language.clone()), ..text });
                }
                Err(error) => tracing::info!(%error, item = grant.item().id, "no lyrics"),
            }
        }
        add(lyrics::Lyrics::parse(&self.stored));
        all
    }
}

/// Whether `name` holds lyrics of `track`, and in which language: `Song.lrc`, `Song.de.lrc` beside `Song.flac`. Those by
/// words before those by lines, and these before plain ones.
fn kind(track: &[u8], name: &[u8]) -> Option<(usize, Option<String>)> {
    let rest = std::str::from_utf8(name.get(ending_at(track) + 1..)?).ok()?.to_ascii_lowercase();
    let (language, suffix) = rest.rsplit_once('.').map_or((None, rest.as_str()), |(word, suffix)| (Some(word), suffix));
    let rank = ["elrc", "lrc", "txt"].iter().position(|known| *known == suffix)?;
    let is_language = |word: &str| {
        let code = word.split('-').next().unwrap_or_default();
        (2..=3).contains(&code.len()) && word.len() <= 11 && word.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
    };
    language.is_none_or(is_language).then(|| (rank, language.map(str::to_owned)))
}

/// An unknown song has empty lyrics; that is no failure.
pub async fn get_lyrics(asked: Asked) -> Result<Payload> {
    let wanted = |name| asked.params.get(name).unwrap_or_default().to_owned();
    let (artist, title) = (wanted("artist"), wanted("title"));
    if title.is_empty() {
        return Ok(Payload::Lyrics(Lyrics::default()));
    }
    let (user, visitor) = (asked.user.clone(), asked.visitor());
    let found = asked
        .read(move |tx, scope| match music::track_titled(tx, scope, &artist, &title)? {
            Some(track) => Sung::of(tx, &user, &visitor, track).map(Some),
            None => Ok(None),
        })
        .await?;
    let Some(sung) = found else { return Ok(Payload::Lyrics(Lyrics::default())) };
    let text = sung.lyrics().await.first().map(lyrics::Lyrics::plain).unwrap_or_default();
    let (artist, title) = (Some(sung.track.artist_name), Some(sung.track.title));
    Ok(Payload::Lyrics(Lyrics { artist, title, value: Text(text) }))
}

pub async fn get_lyrics_by_song_id(asked: Asked) -> Result<Payload> {
    let id = asked.params.need("id")?.to_owned();
    let detail = if asked.params.bool_of("enhanced") == Some(true) { Detail::Words } else { Detail::Lines };
    let (user, visitor) = (asked.user.clone(), asked.visitor());
    let sung = asked
        .read(move |tx, scope| {
            let track = music::track_by_id(tx, scope, &id)?;
            Sung::of(tx, &user, &visitor, track)
        })
        .await?;
    let structured_lyrics =
        sung.lyrics().await.iter().map(|text| StructuredLyrics::of(&sung.track, text, detail)).collect();
    Ok(Payload::LyricsList(LyricsList { structured_lyrics }))
}

/// What a client asked for: version 1 of the extension, or with `enhanced` version 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    Lines,
    Words,
}

impl StructuredLyrics {
    fn of(track: &Track, text: &lyrics::Lyrics, detail: Detail) -> StructuredLyrics {
        let line = |line: &lyrics::Line| Line { start: line.start_ms, value: Text(line.text.clone()) };
        let whole = StructuredLyrics {
            lang: text.lang.clone().unwrap_or_else(|| "und".to_owned()),
            synced: text.is_synced,
            display_artist: filled(&track.artist_name),
            display_title: filled(&track.title),
            offset: text.offset_ms,
            line: text.lines.iter().map(line).collect(),
            ..StructuredLyrics::default()
        };
        match detail {
            Detail::Lines => whole,
            Detail::Words => StructuredLyrics { kind: Some("main"), ..whole }.by_words(text),
        }
    }

    fn by_words(self, text: &lyrics::Lyrics) -> StructuredLyrics {
        let layers = || text.lines.iter().flat_map(|line| &line.layers);
        if layers().next().is_none() {
            return self;
        }
        let mut voices: Vec<Voice> = layers().map(|layer| layer.voice).collect();
        voices.sort_unstable();
        voices.dedup();
        // Where nobody is named, there are no agents; else exactly one of them leads.
        let is_named = voices != [Voice::Lead];
        let leading = voices.iter().copied().find(|voice| *voice != Voice::Background).unwrap_or(Voice::Lead);
        voices.retain(|voice| *voice != leading);
        voices.insert(0, leading);
        let agent = |voice: &Voice| Agent { id: agent_id(*voice), role: role(*voice, leading) };
        let mut cue_line = Vec::new();
        for (index, line) in text.lines.iter().enumerate() {
            let mut layers: Vec<&Layer> = line.layers.iter().collect();
            layers.sort_by_key(|layer| layer.voice != leading);
            cue_line.extend(layers.into_iter().map(|layer| CueLine::of(index, layer, is_named)));
        }
        let agents = is_named.then(|| Agents(voices.iter().map(agent).collect()));
        StructuredLyrics { agents, cue_line: Some(cue_line), ..self }
    }
}

fn agent_id(voice: Voice) -> String {
    match voice {
        Voice::Lead => "lead".to_owned(),
        Voice::Numbered(number) => format!("v{number}"),
        Voice::Background => "bg".to_owned(),
    }
}

fn role(voice: Voice, leading: Voice) -> &'static str {
    match voice {
        voice if voice == leading => "main",
        Voice::Background => "bg",
        Voice::Lead | Voice::Numbered(_) => "voice",
    }
}

impl CueLine {
    fn of(index: usize, layer: &Layer, is_named: bool) -> CueLine {
        let cue = |cue: &lyrics::Cue| Cue {
            start: cue.start_ms,
            end: cue.end_ms,
            byte_start: cue.bytes.start,
            byte_end: cue.bytes.end - 1,
            value: Text(layer.text[cue.bytes.clone()].to_owned()),
        };
        CueLine {
            index,
            start: layer.cues.first().map(|cue| cue.start_ms),
            end: layer.cues.last().and_then(|cue| cue.end_ms),
            value: layer.text.clone(),
            agent_id: is_named.then(|| agent_id(layer.voice)),
            cue: layer.cues.iter().map(cue).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_lyrics_are_known_by_their_names() {
        let kind = |name: &str| kind(b"Song.1.flac", name.as_bytes());
        assert_eq!(kind("Song.1.lrc"), Some((1, None)));
        assert_eq!(kind("Song.1.pt-BR.ELRC"), Some((0, Some("pt-br".to_owned()))));
        for other in ["Song.1.Live.lrc", "Song.1.lrc.bak", "Song.1.mp3", "Song.1.", "Song.1.2.lrc", "S"] {
            assert_eq!(kind(other), None, "{other}");
        }
    }
}
