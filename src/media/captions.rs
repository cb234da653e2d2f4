//! Captions of films: SubRip (`.srt`) and WebVTT (`.vtt`), made into one another.

use std::fmt::Write;

/// Larger files are no captions.
pub const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
const CUES_MAX: usize = 50_000;
/// So that its hours have no more digits than are read.
const LONGEST_S: u64 = 99_999 * 3600;
/// What both forms have; WebVTT shows any other as text, and some players of SubRip as well.
const TAGS: [&str; 6] = ["<i>", "</i>", "<b>", "</b>", "<u>", "</u>"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    SubRip,
    WebVtt,
}

impl Form {
    /// By a file's suffix, or by what music apps call it.
    pub fn of(name: &str) -> Option<Form> {
        match name {
            "srt" => Some(Form::SubRip),
            "vtt" => Some(Form::WebVtt),
            _ => None,
        }
    }

    pub fn mime(self) -> &'static str {
        match self {
            Form::SubRip => "application/x-subrip; charset=utf-8",
            Form::WebVtt => "text/vtt; charset=utf-8",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Cue {
    start_ms: u64,
    end_ms: u64,
    text: String,
}

/// Captions of either form in this one; where there is no caption in the text, none.
pub fn made(text: &str, form: Form) -> String {
    let mut out = String::new();
    if form == Form::WebVtt {
        out.push_str("WEBVTT\n\n");
    }
    for (n, cue) in cues(text).iter().enumerate() {
        let (start, end) = (clock(cue.start_ms, form), clock(cue.end_ms, form));
        let _ = match form {
            Form::SubRip => write!(out, "{}\r\n{start} --> {end}\r\n{}\r\n\r\n", n + 1, cue.text.replace('\n', "\r\n")),
            Form::WebVtt => write!(out, "{start} --> {end}\n{}\n\n", escaped(&cue.text)),
        };
    }
    out
}

fn clock(ms: u64, form: Form) -> String {
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    let point = if form == Form::SubRip { ',' } else { '.' };
    format!("{hours:02}:{minutes:02}:{seconds:02}{point}{:03}", ms % 1000)
}

/// In the order of the text, as plain text with the few tags that are in both forms.
fn cues(text: &str) -> Vec<Cue> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let is_vtt = text.starts_with("WEBVTT");
    let mut lines = text.lines().peekable();
    let mut cues = Vec::new();
    while let Some(line) = lines.next() {
        let Some((start_ms, end_ms)) = times(line) else { continue };
        let mut said: Vec<String> = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.trim().is_empty()) {
            let line = if is_vtt { plain(&unescaped(&plain(line))) } else { plain(line) };
            // An empty line would be the end of the cue for whoever reads it.
            if !line.trim().is_empty() {
                said.push(line);
            }
        }
        let text = said.join("\n").trim().to_owned();
        if cues.len() < CUES_MAX && !text.is_empty() {
            cues.push(Cue { start_ms, end_ms: end_ms.max(start_ms), text });
        }
    }
    cues
}

/// `00:01:02,500 --> 00:01:04,000` and what of settings follows; hours may be left out, and the point a comma.
fn times(line: &str) -> Option<(u64, u64)> {
    let (start, rest) = line.split_once("-->")?;
    let end = rest.split_whitespace().next()?;
    Some((time_ms(start.trim())?, time_ms(end)?))
}

fn time_ms(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once([',', '.']).unwrap_or((text, "0"));
    let number = |text: &str| {
        let is_number = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { text.parse::<u64>().ok() } else { None }
    };
    let seconds = whole.split(':').map(number).collect::<Option<Vec<u64>>>()?;
    let whole_s = match seconds.as_slice() {
        [minutes, seconds] => minutes * 60 + seconds,
        [hours, minutes, seconds] => hours * 3600 + minutes * 60 + seconds,
        _ => return None,
    };
    let digits: String = part.chars().chain("000".chars()).take(3).collect();
    Some(whole_s.min(LONGEST_S) * 1000 + number(&digits)?)
}

/// What is left once nothing more can be taken for a tag: taking one out may make another of what was around it.
fn plain(line: &str) -> String {
    const ROUNDS_MAX: usize = 4;
    let mut line = line.to_owned();
    for _ in 0..ROUNDS_MAX {
        let less = without_tags(&line);
        if less == line {
            return line;
        }
        line = less;
    }
    line.replace(['<', '>', '{', '}'], "")
}

/// Without tags but those of both forms, and without braces of the kind `{\an8}` that tell a place.
fn without_tags(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(['<', '{']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let close = if rest.starts_with('<') { '>' } else { '}' };
        let is_tag = if close == '>' {
            rest[1..].starts_with(|c: char| c == '/' || c.is_ascii_alphanumeric())
        } else {
            rest.starts_with("{\\")
        };
        match rest.find(close).filter(|_| is_tag) {
            Some(end) => {
                let tag = rest[..=end].to_ascii_lowercase();
                if TAGS.contains(&tag.as_str()) {
                    text.push_str(&tag);
                }
                rest = &rest[end + 1..];
            }
            None => {
                text.push_str(&rest[..1]);
                rest = &rest[1..];
            }
        }
    }
    text + rest
}

fn unescaped(text: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&nbsp;", "\u{a0}"), ("&lrm;", ""), ("&rlm;", ""), ("&amp;", "&")];
    entities.iter().fold(text.to_owned(), |text, (entity, meant)| text.replace(entity, meant))
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' if !TAGS.iter().any(|tag| text[at..].starts_with(tag)) => out.push_str("&lt;"),
            // A cue's text must not look like the times of another.
            '>' if text[..at].ends_with("--") => out.push_str("&gt;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SRT: &str = "\u{feff}1\r\n00:00:01,500 --> 00:00:02,750\r\n<i>Tom & Jerry</i>\r\n<font color=red>1 < 2</font>\r\n\r\n\
                       2\r\n01:00:00,000 --> 01:00:01,000 X1:0\r\n{\\an8}a --> b\r\n";
    const VTT: &str = "WEBVTT - a film\n\nSTYLE\n::cue { color: red }\n\nNOTE nothing\n\nintro\n00:01.500 --> 00:02.750 align:start\n\
                       <i>Tom &amp; Jerry</i>\n<v Ann>1 &lt; 2</v>\n\n01:00:00.000 --> 01:00:01.000\na --&gt; b\n";

    #[test]
    fn each_form_is_made_of_the_other() {
        assert_eq!(
            made(SRT, Form::WebVtt),
            "WEBVTT\n\n00:00:01.500 --> 00:00:02.750\n<i>Tom &amp; Jerry</i>\n1 &lt; 2\n\n\
             01:00:00.000 --> 01:00:01.000\na --&gt; b\n\n"
        );
        let srt = "1\r\n00:00:01,500 --> 00:00:02,750\r\n<i>Tom & Jerry</i>\r\n1 < 2\r\n\r\n\
                   2\r\n01:00:00,000 --> 01:00:01,000\r\na --> b\r\n\r\n";
        assert_eq!(made(VTT, Form::SubRip), srt);
        assert_eq!(made(SRT, Form::SubRip), srt);
        assert_eq!(made(&made(VTT, Form::WebVtt), Form::SubRip), srt);
    }

    #[test]
    fn what_is_broken_is_passed_over() {
        for text in
            ["", "WEBVTT", "-->", "0 --> 1\nx", "00:00:01,0 -->\nx", "99999999:00 --> 1:00\nx", "1:2:3:4 --> 1:0\nx"]
        {
            assert_eq!(made(text, Form::SubRip), "", "{text}");
        }
        for text in ["00:01.0 --> 00:00.5\n<", "00:01.é --> 00:02\nx", "00:01 --> 00:02\n<b", "00:01 --> 00:02\n{\\é"]
        {
            made(text, Form::WebVtt);
        }
    }
}
