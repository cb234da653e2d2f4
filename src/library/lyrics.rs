//! Lyrics as text brings them: plain, by line (LRC), or by word (the enhanced LRC of A2 and its voices).
//!
//! `[mm:ss.xx]` before a line tells when it begins, and a refrain has several; `<mm:ss.xx>` within a line tells when a
//! word does. `v2:` at a line's beginning names a voice, `[bg: …]` after a line is sung behind it. `[offset:ms]` shows all
//! earlier. What is none of that is text. Nothing is refused: a text without times has lines without times.

use std::ops::Range;

/// Longer texts are cut.
pub const TEXT_BYTES_MAX: usize = 256 * 1024;
/// A line that is written once with thousands of times must not become thousands of long lines.
const STARTS_MAX: usize = 100;
const LINES_MAX: usize = 10_000;
const LINES_BYTES_MAX: usize = 1024 * 1024;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lyrics {
    /// As the text says; often it does not.
    pub lang: Option<String>,
    /// How much earlier than their times lines are shown.
    pub offset_ms: i64,
    /// Whether lines have times: then all have, and stand in their order.
    pub is_synced: bool,
    pub lines: Vec<Line>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    pub start_ms: Option<i64>,
    /// All that is sung, of all voices.
    pub text: String,
    /// Voices whose words have times, the leading one first.
    pub layers: Vec<Layer>,
}

/// What one voice sings of a line, by words or syllables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    pub voice: Voice,
    pub text: String,
    /// In order, none before the end of the one before it; at least one.
    pub cues: Vec<Cue>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Voice {
    /// As where nobody is named.
    Lead,
    Numbered(u8),
    Background,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cue {
    pub start_ms: i64,
    /// Of all cues of a layer or of none.
    pub end_ms: Option<i64>,
    /// Where it stands in the text of its layer; never empty.
    pub bytes: Range<usize>,
}

impl Lyrics {
    pub fn parse(text: &str) -> Lyrics {
        let text = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
        let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
        let mut lyrics = Lyrics::default();
        let mut timed = Vec::new();
        let mut plain = Vec::new();
        let mut bytes = 0;
        for line in text.lines().map(str::trim) {
            if let Some((name, value)) = tag(line) {
                match name.as_str() {
                    "offset" => lyrics.offset_ms = value.parse().unwrap_or(0),
                    "la" | "lang" | "language" => lyrics.lang = language(value),
                    "bg" => add_background(&mut timed, value),
                    _ => {}
                }
                continue;
            }
            let (starts, rest) = starts_of(line);
            for start_ms in &starts {
                bytes += rest.len();
                if timed.len() < LINES_MAX && bytes < LINES_BYTES_MAX {
                    // The words of a refrain have the times of its first turn.
                    timed.push(sung(rest, *start_ms, start_ms - starts[0]));
                }
            }
            if starts.is_empty() && plain.len() < LINES_MAX {
                plain.push(Line { text: line.to_owned(), ..Line::default() });
            }
        }
        lyrics.is_synced = !timed.is_empty();
        timed.sort_by_key(|line| line.start_ms);
        lyrics.lines = if lyrics.is_synced { timed } else { within(plain) };
        lyrics
    }

    pub fn is_empty(&self) -> bool {
        self.lines.iter().all(|line| line.text.is_empty())
    }

    /// The lines alone. A refrain stands where it is sung.
    pub fn plain(&self) -> String {
        self.lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n")
    }
}

/// Without the empty lines around.
fn within(mut lines: Vec<Line>) -> Vec<Line> {
    let is_empty = |line: &Line| line.text.is_empty();
    while lines.last().is_some_and(is_empty) {
        lines.pop();
    }
    let first = lines.iter().position(|line| !is_empty(line)).unwrap_or(0);
    lines.drain(..first);
    lines
}

/// `[ar:Somebody]`: a fact about the text. Only by names that are in use: `[Bridge: all]` is a line.
fn tag(line: &str) -> Option<(String, &str)> {
    const NAMES: [&str; 20] = [
        "al", "ar", "au", "bg", "by", "encoding", "hash", "id", "la", "lang", "language", "length", "lr", "offset",
        "re", "sign", "ti", "tool", "total", "ve",
    ];
    let (name, value) = line.strip_prefix('[')?.strip_suffix(']')?.split_once(':')?;
    let name = name.trim().to_ascii_lowercase();
    NAMES.contains(&name.as_str()).then_some((name, value.trim()))
}

fn language(word: &str) -> Option<String> {
    let is_code =
        (2..=16).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_code.then(|| word.to_ascii_lowercase())
}

/// The times before a line, and the line.
fn starts_of(line: &str) -> (Vec<i64>, &str) {
    let mut starts = Vec::new();
    let mut rest = line;
    while let Some((start_ms, after)) = time(rest, '[', ']') {
        if starts.len() < STARTS_MAX {
            starts.push(start_ms);
        }
        rest = after.trim_start();
    }
    (starts, rest)
}

/// `mm:ss`, `mm:ss.xx` or `mm:ss:xx` in brackets, in milliseconds, and what follows.
fn time(text: &str, open: char, close: char) -> Option<(i64, &str)> {
    let (time, rest) = text.strip_prefix(open)?.split_once(close)?;
    let (minutes, seconds) = time.split_once(':')?;
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.len() <= 6 && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { text.parse::<i64>().ok() } else { None }
    };
    let (whole, part) = seconds.split_once(['.', ':']).unwrap_or((seconds, ""));
    let digits: String = part.chars().chain("000".chars()).take(3).collect();
    Some((number(minutes)? * 60_000 + number(whole)? * 1000 + number(&digits)?, rest))
}

/// A line at its time. Times of words are moved by `later_ms`.
fn sung(line: &str, start_ms: i64, later_ms: i64) -> Line {
    let (voice, words) = voice_of(line);
    let text = without_times(words);
    let layer = layer_of(words, voice, start_ms - later_ms, later_ms);
    Line { start_ms: Some(start_ms), text, layers: layer.into_iter().collect() }
}

/// `v1:` and the like, where words have times; elsewhere it is text.
fn voice_of(line: &str) -> (Voice, &str) {
    let numbered = line.strip_prefix(['v', 'V']).and_then(|rest| rest.split_once(':'));
    match numbered {
        Some((digit, words)) if words.contains('<') => match digit.parse::<u8>() {
            Ok(number @ 1..=9) => (Voice::Numbered(number), words.trim_start()),
            _ => (Voice::Lead, line),
        },
        _ => (Voice::Lead, line),
    }
}

/// What is sung behind the line before it.
fn add_background(timed: &mut [Line], words: &str) {
    let Some(line) = timed.last_mut() else { return };
    let text = without_times(words);
    if text.is_empty() || line.text.len() + text.len() > TEXT_BYTES_MAX {
        return;
    }
    line.layers.extend(layer_of(words, Voice::Background, line.start_ms.unwrap_or(0), 0));
    if !line.text.is_empty() {
        line.text.push(' ');
    }
    line.text.push_str(&text);
}

/// Pieces of a line, each with the time before it; the first has none unless the line begins with one.
fn pieces(words: &str) -> Vec<(Option<i64>, &str)> {
    let mut pieces = Vec::new();
    let (mut start_ms, mut from, mut at) = (None, 0, 0);
    while let Some(next) = words[at..].find('<').map(|offset| at + offset) {
        match time(&words[next..], '<', '>') {
            Some((time_ms, rest)) => {
                pieces.push((start_ms, &words[from..next]));
                start_ms = Some(time_ms);
                from = words.len() - rest.len();
                at = from;
            }
            None => at = next + 1,
        }
    }
    pieces.push((start_ms, &words[from..]));
    pieces
}

fn without_times(words: &str) -> String {
    let mut text = String::new();
    for (_, piece) in pieces(words) {
        push_piece(&mut text, piece);
    }
    text.truncate(text.trim_end().len());
    text
}

/// Times stand between words with or without a space on either side: one is enough. Gives where the piece begins.
fn push_piece<'a>(text: &mut String, piece: &'a str) -> (usize, &'a str) {
    let piece = if text.is_empty() || text.ends_with(char::is_whitespace) { piece.trim_start() } else { piece };
    let from = text.len();
    text.push_str(piece);
    (from, piece)
}

fn layer_of(words: &str, voice: Voice, start_ms: i64, later_ms: i64) -> Option<Layer> {
    let pieces = pieces(words);
    if pieces.len() < 2 {
        return None;
    }
    let mut text = String::new();
    let mut cues: Vec<Cue> = Vec::new();
    for (time_ms, piece) in pieces {
        let earliest_ms = cues.last().map_or(i64::MIN, |cue| cue.end_ms.unwrap_or(cue.start_ms));
        let time_ms = (time_ms.unwrap_or(start_ms) + later_ms).max(earliest_ms);
        let (from, piece) = push_piece(&mut text, piece);
        let word = piece.trim();
        if !word.is_empty() {
            let from = from + piece.len() - piece.trim_start().len();
            cues.push(Cue { start_ms: time_ms, end_ms: None, bytes: from..from + word.len() });
        } else if let Some(before) = cues.last_mut() {
            // A time without a word ends the word before it.
            before.end_ms.get_or_insert(time_ms);
        }
    }
    text.truncate(text.trim_end().len());
    fill_ends(&mut cues);
    (!cues.is_empty()).then_some(Layer { voice, text, cues })
}

/// All cues have an end, or none: one lasts until the next.
fn fill_ends(cues: &mut [Cue]) {
    let is_whole = cues.last().is_some_and(|last| last.end_ms.is_some());
    let starts: Vec<i64> = cues.iter().map(|cue| cue.start_ms).collect();
    for (n, cue) in cues.iter_mut().enumerate() {
        cue.end_ms = if is_whole { cue.end_ms.or(starts.get(n + 1).copied()) } else { None };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(text: &str) -> Vec<(Option<i64>, String)> {
        Lyrics::parse(text).lines.into_iter().map(|line| (line.start_ms, line.text)).collect()
    }

    fn words(layer: &Layer) -> Vec<(i64, Option<i64>, &str)> {
        layer.cues.iter().map(|cue| (cue.start_ms, cue.end_ms, &layer.text[cue.bytes.clone()])).collect()
    }

    #[test]
    fn times_of_lines_come_in_several_forms() {
        for (line, start_ms) in [
            ("[01:02]a", 62_000),
            ("[01:02.5]a", 62_500),
            ("[01:02.34]a", 62_340),
            ("[00:00:07] a", 70),
            ("[100:00.000]a", 6_000_000),
        ] {
            assert_eq!(starts(line), [(Some(start_ms), "a".to_owned())], "{line}");
        }
        for line in ["a", "[Chorus]", "[:]", "[1:]", "[-1:00]a", "[+1:00]a", "[99999999:00]", "[1:٣]a"] {
            assert_eq!(starts(line), [(None, line.to_owned())], "{line}");
        }
    }

    #[test]
    fn a_refrain_is_sung_at_each_of_its_times_and_lines_stand_in_order() {
        let lyrics = Lyrics::parse("[ar:X]\r\n[00:09][00:01] la la\n[00:05]verse\n[Chorus]\n[00:07]");
        assert_eq!(lyrics.plain(), "la la\nverse\n\nla la");
        assert!(lyrics.is_synced);
    }

    #[test]
    fn offset_and_language_are_told_and_nonsense_in_them_is_none() {
        let lyrics = Lyrics::parse("[offset:+250]\n[la:DE]\n[00:01]a");
        assert_eq!((lyrics.offset_ms, lyrics.lang.as_deref()), (250, Some("de")));
        let lyrics = Lyrics::parse("[offset:soon]\n[la:<script>]\n[00:01]a");
        assert_eq!((lyrics.offset_ms, lyrics.lang), (0, None));
        assert_eq!(Lyrics::parse("[offset:-99999999999999999999]").offset_ms, 0);
    }

    #[test]
    fn plain_text_keeps_its_lines_and_what_only_looks_like_a_tag() {
        let lyrics = Lyrics::parse("\u{feff}\n[ar:X]\none\n\n[Bridge: all]\n<3 you\n\n");
        assert_eq!((lyrics.plain().as_str(), lyrics.is_synced), ("one\n\n[Bridge: all]\n<3 you", false));
        assert!(Lyrics::parse("\n \n[by:nobody]\n").is_empty());
    }

    #[test]
    fn words_have_times_and_places_in_bytes() {
        let line = &Lyrics::parse("[00:01.00]<00:01.00> Grüß <00:01.50> dich<00:02.00>!").lines[0];
        assert_eq!(line.text, "Grüß dich!");
        assert_eq!(words(&line.layers[0]), [(1000, None, "Grüß"), (1500, None, "dich"), (2000, None, "!")]);
        assert_eq!(line.layers[0].cues[0].bytes, 0..6);
        assert_eq!(line.layers[0].cues[1].bytes, 7..11);
        let late = &Lyrics::parse("[00:01.00]Oh <00:01.50>my").lines[0];
        assert_eq!(words(&late.layers[0]), [(1000, None, "Oh"), (1500, None, "my")]);
        assert!(Lyrics::parse("[00:01.00]no words <3 here>").lines[0].layers.is_empty());
    }

    #[test]
    fn ends_are_told_of_all_words_or_of_none_and_words_never_overlap() {
        let of = |text: &str| Lyrics::parse(text).lines[0].layers[0].clone();
        let ended = of("[00:01]<00:01>a <00:02>b<00:03>");
        assert_eq!(words(&ended), [(1000, Some(2000), "a"), (2000, Some(3000), "b")]);
        let early = of("[00:01]<00:01>a<00:01.5> <00:02>b");
        assert_eq!(words(&early), [(1000, None, "a"), (2000, None, "b")]);
        let back = of("[00:05]<00:05>a <00:01>b <00:06>c<00:02>");
        assert_eq!(words(&back), [(5000, Some(5000), "a"), (5000, Some(6000), "b"), (6000, Some(6000), "c")]);
    }

    #[test]
    fn voices_and_what_is_sung_behind_are_layers_of_their_own() {
        let lyrics = Lyrics::parse(
            "[00:01]v1: <00:01>Hello\n[bg: <00:02>(oh)]\n[00:03]v2: <00:03>you\n[00:04]v3: a film of 1982",
        );
        let voices: Vec<Vec<Voice>> =
            lyrics.lines.iter().map(|line| line.layers.iter().map(|layer| layer.voice).collect()).collect();
        assert_eq!(voices, [vec![Voice::Numbered(1), Voice::Background], vec![Voice::Numbered(2)], vec![]]);
        assert_eq!(lyrics.plain(), "Hello (oh)\nyou\nv3: a film of 1982");
    }

    #[test]
    fn the_words_of_a_refrain_move_with_it() {
        let lyrics = Lyrics::parse("[00:01][00:11]<00:01>la <00:02>la");
        assert_eq!(words(&lyrics.lines[1].layers[0]), [(11_000, None, "la"), (12_000, None, "la")]);
    }

    #[test]
    fn hostile_text_stays_within_bounds() {
        let many = format!("{}{}", "[00:01]".repeat(20_000), "x".repeat(100_000));
        let lyrics = Lyrics::parse(&many);
        assert!(lyrics.lines.iter().map(|line| line.text.len()).sum::<usize>() <= LINES_BYTES_MAX);
        let long = "é\n".repeat(TEXT_BYTES_MAX);
        assert!(Lyrics::parse(&long).lines.len() <= LINES_MAX);
        for odd in [
            "[00:01]<",
            "[00:01]<00:",
            "[00:01]<00:01",
            "[[[[",
            "[00:01]]]",
            "[bg:]",
            "[bg:<00:01>x]",
            "[00:01]v:<00:01>é",
        ] {
            Lyrics::parse(odd);
        }
    }
}
