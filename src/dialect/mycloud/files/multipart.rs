//! `multipart/related` and `multipart/mixed` as My Cloud Home's clients write them, which is seldom as RFC 2046 has it.
//!
//! Seen: line ends of LF, CRLF and LF CR; an empty line before the first delimiter; parts without headers, with and
//! without the empty line that ends them; no second part, or an empty one. What is not tolerated is a content that stops
//! before its delimiter: that is an upload that broke off.

use crate::error::{Error, Result};

/// JSON and headers before the content are at most this long.
pub const HEAD_LIMIT_BYTES: usize = 64 * 1024;

/// The delimiter that a Content-Type names, without its dashes.
pub fn boundary_of(content_type: &str) -> Option<String> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("boundary") && !value.is_empty() && value.len() <= 200)
            .then(|| value.to_owned())
    })
}

/// The delimiter that a body begins with, for clients whose Content-Type does not name it. `None` until its line has ended.
pub fn boundary_in(body: &[u8]) -> Option<String> {
    let start = body.iter().position(|byte| !byte.is_ascii_whitespace())?;
    let end = body[start..].iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
    let line = &body[start..start + end];
    let name = std::str::from_utf8(line.strip_prefix(b"--")?).ok()?.trim_end();
    (!name.is_empty() && name.len() <= 200).then(|| name.to_owned())
}

/// How this body ends its lines, as its first delimiter does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineEnd {
    Lf,
    CrLf,
    LfCr,
}

impl LineEnd {
    fn of(bytes: &[u8]) -> LineEnd {
        match bytes {
            [b'\r', b'\n', ..] => LineEnd::CrLf,
            [b'\n', b'\r', ..] => LineEnd::LfCr,
            _ => LineEnd::Lf,
        }
    }

    /// Length of a line end that these bytes begin with.
    fn leading(self, bytes: &[u8]) -> Option<usize> {
        match (self, bytes) {
            (LineEnd::LfCr, [b'\n', b'\r', ..]) | (_, [b'\r', b'\n', ..]) => Some(2),
            (_, [b'\n', ..]) => Some(1),
            _ => None,
        }
    }

    /// Length of the line end that belongs to a delimiter after these bytes. A body of LF lines may well have content
    /// that ends in CR.
    fn trailing(self, bytes: &[u8]) -> Option<usize> {
        match (self, bytes) {
            (LineEnd::LfCr, [.., b'\n', b'\r']) | (LineEnd::CrLf | LineEnd::LfCr, [.., b'\r', b'\n']) => Some(2),
            (_, [.., b'\n']) => Some(1),
            _ => None,
        }
    }
}

/// How much of a body has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrived {
    Part,
    Whole,
}

impl Arrived {
    /// With this piece, or none where there are no more.
    pub fn with<T>(piece: Option<T>) -> Arrived {
        if piece.is_some() { Arrived::Part } else { Arrived::Whole }
    }

    fn is_whole(self) -> bool {
        self == Arrived::Whole
    }
}

/// Where the parts of a body lie, as far as it is known.
#[derive(Debug, PartialEq, Eq)]
pub enum Head {
    /// More bytes are needed to tell.
    Unfinished,
    Whole {
        json: std::ops::Range<usize>,
        /// Where the content begins and what ends it; `None` where there is no second part.
        content: Option<(usize, Delimiter)>,
    },
}

/// Finds a body's JSON and where its content begins, in as much of it as has come.
pub fn head(boundary: &str, so_far: &[u8], arrived: Arrived) -> Result<Head> {
    let broken = || Error::invalid("body", "it is not multipart with a JSON part first");
    let unfinished = || if arrived.is_whole() { Err(broken()) } else { Ok(Head::Unfinished) };
    let dashed = dashed(boundary);
    let Some(first) = find_delimiter(&dashed, so_far, 0, arrived) else { return unfinished() };
    let after = first + dashed.len();
    let line = after + so_far[after..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    // Two bytes tell how lines end.
    if so_far.len() < line + 2 {
        return unfinished();
    }
    let line_end = LineEnd::of(&so_far[line..]);
    let Some(json_start) = part_start(line_end, so_far, line, arrived)? else { return unfinished() };
    let Some(second) = find_delimiter(&dashed, so_far, json_start, arrived) else {
        // Without any further delimiter the rest is the JSON, if that is what it is.
        let only = arrived.is_whole() && so_far[json_start..].iter().any(|byte| !byte.is_ascii_whitespace());
        return if only { Ok(Head::Whole { json: json_start..so_far.len(), content: None }) } else { unfinished() };
    };
    let json = json_start..second;
    let rest = second + dashed.len();
    if so_far[rest..].starts_with(b"--") || (arrived.is_whole() && so_far[rest..].trim_ascii().is_empty()) {
        return Ok(Head::Whole { json, content: None });
    }
    let rest = rest + so_far[rest..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    if so_far.len() < rest + 2 {
        return unfinished();
    }
    let Some(content) = part_start(line_end, so_far, rest, arrived)? else { return unfinished() };
    Ok(Head::Whole { json, content: Some((content, Delimiter::new(boundary, line_end))) })
}

fn dashed(boundary: &str) -> Vec<u8> {
    [b"--", boundary.as_bytes()].concat()
}

/// A delimiter at the start of a line or of the body, and not merely a longer word that begins like it.
fn find_delimiter(dashed: &[u8], bytes: &[u8], from: usize, arrived: Arrived) -> Option<usize> {
    let mut at = from;
    while at + dashed.len() <= bytes.len() {
        at += bytes[at..].windows(dashed.len()).position(|window| window == dashed)?;
        let next = bytes.get(at + dashed.len());
        let starts_line = at == from || matches!(bytes[at - 1], b'\n' | b'\r');
        match next {
            Some(b'-' | b'\r' | b'\n' | b' ' | b'\t') if starts_line => return Some(at),
            None if starts_line && arrived.is_whole() => return Some(at),
            _ => at += 1,
        }
    }
    None
}

/// Where a part's content begins, after its headers and the empty line that ends them; `line` is where the delimiter's
/// own line ends. `None` when more bytes are needed.
fn part_start(line_end: LineEnd, bytes: &[u8], line: usize, arrived: Arrived) -> Result<Option<usize>> {
    let broken = || Error::invalid("body", "something stands behind a delimiter");
    let mut at = line + line_end.leading(&bytes[line..]).ok_or_else(broken)?;
    loop {
        let rest = &bytes[at..];
        if let Some(empty) = line_end.leading(rest).filter(|_| rest.len() >= 2 || arrived.is_whole()) {
            return Ok(Some(at + empty));
        }
        // A header's name is looked for in its first bytes: a content without headers need not have lines at all.
        const NAME: &[u8] = b"content-";
        let begins = |name: &[u8]| rest.len() >= name.len() && rest[..name.len()].eq_ignore_ascii_case(name);
        if rest.len() < NAME.len() && !arrived.is_whole() {
            let may_become_one = NAME.len() >= rest.len() && NAME[..rest.len()].eq_ignore_ascii_case(rest);
            return Ok(if may_become_one || rest.len() < 2 { None } else { Some(at) });
        }
        if !begins(NAME) && !begins(b"mime-ver") {
            return Ok(Some(at));
        }
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            return if arrived.is_whole() { Err(broken()) } else { Ok(None) };
        };
        at += match (line_end, rest.get(end + 1)) {
            (LineEnd::LfCr, Some(b'\r')) => end + 2,
            (LineEnd::LfCr, None) if !arrived.is_whole() => return Ok(None),
            _ => end + 1,
        };
    }
}

/// Watches a content go by until its delimiter.
#[derive(Debug, PartialEq, Eq)]
pub struct Delimiter {
    dashed: Vec<u8>,
    line_end: LineEnd,
    /// The last bytes, which may be the beginning of the delimiter.
    held: Vec<u8>,
    at_start: bool,
    found: bool,
}

impl Delimiter {
    fn new(boundary: &str, line_end: LineEnd) -> Delimiter {
        Delimiter { dashed: dashed(boundary), line_end, held: Vec::new(), at_start: true, found: false }
    }

    /// Of what has come, what surely is content. Empty after the delimiter.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.found {
            return Vec::new();
        }
        self.held.extend_from_slice(bytes);
        match self.end_of_content(Arrived::Part) {
            Some(end) => self.close(end),
            None => {
                // A line end, the delimiter and the byte behind it may still be on their way.
                let sure = self.held.len().saturating_sub(self.dashed.len() + 3);
                self.at_start &= sure == 0;
                self.held.drain(..sure).collect()
            }
        }
    }

    /// The rest, when no more comes.
    pub fn finish(&mut self) -> Result<Vec<u8>> {
        if self.found {
            return Ok(Vec::new());
        }
        match self.end_of_content(Arrived::Whole) {
            Some(end) => Ok(self.close(end)),
            None => Err(Error::invalid("body", "it stops before its last delimiter")),
        }
    }

    fn close(&mut self, end: usize) -> Vec<u8> {
        self.found = true;
        let mut content = std::mem::take(&mut self.held);
        content.truncate(end);
        content
    }

    fn end_of_content(&self, arrived: Arrived) -> Option<usize> {
        let mut from = 0;
        while let Some(at) = find_anywhere(&self.dashed, &self.held, from) {
            let closes = match self.held.get(at + self.dashed.len()) {
                Some(b'-' | b'\r' | b'\n' | b' ' | b'\t') => true,
                Some(_) => false,
                None => arrived.is_whole(),
            };
            match self.line_end.trailing(&self.held[..at]) {
                Some(length) if closes => return Some(at - length),
                None if closes && at == 0 && self.at_start => return Some(0),
                _ => from = at + 1,
            }
        }
        None
    }
}

fn find_anywhere(needle: &[u8], bytes: &[u8], from: usize) -> Option<usize> {
    bytes.get(from..)?.windows(needle.len()).position(|window| window == needle).map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// JSON and content of a body that comes in pieces of `step` bytes.
    fn read(boundary: &str, body: &[u8], step: usize) -> Result<(Vec<u8>, Option<Vec<u8>>)> {
        let mut pieces = body.chunks(step.max(1));
        let mut so_far = Vec::new();
        loop {
            let piece = pieces.next();
            so_far.extend_from_slice(piece.unwrap_or_default());
            match head(boundary, &so_far, Arrived::with(piece))? {
                Head::Unfinished => assert!(piece.is_some(), "an ended body is never unfinished"),
                Head::Whole { json, content: None } => return Ok((so_far[json].trim_ascii().to_vec(), None)),
                Head::Whole { json, content: Some((start, mut delimiter)) } => {
                    let mut content = delimiter.push(&so_far[start..]);
                    for piece in pieces.by_ref() {
                        content.extend(delimiter.push(piece));
                    }
                    content.extend(delimiter.finish()?);
                    return Ok((so_far[json].trim_ascii().to_vec(), Some(content)));
                }
            }
        }
    }

    #[test]
    fn bodies_of_real_clients_are_read_in_pieces_of_any_size() {
        let json = br#"{"name":"a"}"#;
        let corpus: [(&[u8], Option<&[u8]>); 14] = [
            // A folder and the start of an upload, as the PyPI client sends them: LF, no part headers.
            (b"\n--b\n\n{\"name\":\"a\"}\n--b--\n", None),
            (b"\n--b\n\n{\"name\":\"a\"}\n--b\n\n--b--\n", Some(b"")),
            // As RFC 2046 has it, with and without a preview as third part.
            (
                b"--b\r\nContent-Type: application/json\r\n\r\n{\"name\":\"a\"}\r\n--b\r\n\r\nxyz\r\n--b--\r\n",
                Some(b"xyz"),
            ),
            (
                b"--b\r\n\r\n{\"name\":\"a\"}\r\n--b\r\n\r\nxyz\r\n--b\r\nContent-Type: image/jpeg\r\n\r\n..\r\n--b--",
                Some(b"xyz"),
            ),
            (b"preamble\r\n--b\r\n\r\n{\"name\":\"a\"}\r\n--b\r\nContent-Type: a/b\r\n\r\nxyz\r\n--b--", Some(b"xyz")),
            // The maker's own demonstration in Java.
            (
                b"--b\n\rContent-Type: application/json\n\r\n\r{\"name\":\"a\"}\n\r--b\n\r\n\rxyz\n\r--b--\n\r",
                Some(b"xyz"),
            ),
            (b"--b\n\r\n\r{\"name\":\"a\"}\n\r--b--", None),
            // No empty line where there are no headers.
            (b"--b\r\n{\"name\":\"a\"}\r\n--b\r\nxyz\r\n--b--", Some(b"xyz")),
            (b"--b\n{\"name\":\"a\"}\n--b\nxyz\n--b--", Some(b"xyz")),
            // Content that looks like line ends and delimiters.
            (b"--b\n\n{\"name\":\"a\"}\n--b\n\nx\r\n--b--\n", Some(b"x\r")),
            (b"--b\r\n\r\n{\"name\":\"a\"}\r\n--b\r\n\r\nx\n\r\n--b--\r\n", Some(b"x\n")),
            (b"--b\r\n\r\n{\"name\":\"a\"}\r\n--b\r\n\r\n--bob --b\r\n--bb\r\n--b--", Some(b"--bob --b\r\n--bb")),
            (b"--b\r\n\r\n{\"name\":\"a\"}\r\n--b\r\n\r\n\r\n--b--", Some(b"")),
            // JSON alone, never closed.
            (b"--b\r\n\r\n{\"name\":\"a\"}\r\n", None),
        ];
        for (body, content) in corpus {
            for step in [1, 2, 3, 7, body.len()] {
                let read =
                    read("b", body, step).unwrap_or_else(|e| panic!("{e} in {:?}", String::from_utf8_lossy(body)));
                let shown = String::from_utf8_lossy(body);
                assert_eq!((read.0.as_slice(), read.1.as_deref()), (&json[..], content), "{shown:?} by {step}");
            }
        }
    }

    #[test]
    fn upload_that_breaks_off_is_refused() {
        let body = b"--b\r\n\r\n{}\r\n--b\r\n\r\nhalf of it";
        assert!(read("b", body, body.len()).is_err());
        assert!(read("b", b"", 1).is_err());
        assert!(read("b", b"{}", 1).is_err());
    }

    #[test]
    fn boundary_is_found_in_any_spelling_and_in_the_body_where_no_header_names_it() {
        for header in
            ["multipart/related; boundary=x", "multipart/related;boundary=x", "multipart/related; Boundary=\"x\"; a=b"]
        {
            assert_eq!(boundary_of(header).as_deref(), Some("x"));
        }
        assert_eq!(boundary_of("multipart/related"), None);
        assert_eq!(boundary_of("multipart/related; boundary="), None);
        assert_eq!(boundary_in(b"\r\n--x\r\n\r\n{}").as_deref(), Some("x"));
        assert_eq!(boundary_in(b"{}\n"), None);
        assert_eq!(boundary_in(b"--x"), None);
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in prop::collection::vec(prop::sample::select(b"-b\r\n{} c:".to_vec()), 0..80), step in 1usize..9) {
            let _ = read("b", &body, step);
            let _ = boundary_in(&body);
        }

        #[test]
        fn content_comes_out_as_it_went_in(content in prop::collection::vec(any::<u8>(), 0..300), step in 1usize..50) {
            let boundary = "f1a9c2d7e0b45688";
            let mut body = format!("--{boundary}\r\n\r\n{{}}\r\n--{boundary}\r\nContent-Type: a/b\r\n\r\n").into_bytes();
            body.extend_from_slice(&content);
            body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
            prop_assert_eq!(read(boundary, &body, step).unwrap().1, Some(content));
        }
    }
}
