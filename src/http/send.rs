//! Bytes on their way out: whole files, ranges of them, and archives, under headers that make them harmless. RFC 9110
//! (conditions, ranges), 6266 and 8187 (names).

mod body;
pub mod conditions;
mod growing;
#[cfg(test)]
mod tests;

pub use body::{Finished, HangUp, Transfer};
pub use growing::respond_growing;

use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::hex;
use crate::library::names::ending;
use crate::media::zip::{Reader, is_deceptive};
use body::{Piece, pieces_body};
use conditions::{Conditions, Decision, decide, modified_time};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// The browser stores it.
    Attachment,
    /// The browser may show it, if it is of a kind that cannot act; else as `Attachment`.
    Inline,
}

/// Where the bytes are read.
pub enum Source {
    File(File),
    Zip(Box<Reader>),
}

/// A file or an archive that is ready to be sent.
pub struct Content {
    pub source: Source,
    pub size_bytes: u64,
    /// None for what changes without one, such as an archive that a file was taken from.
    pub modified_ms: Option<i64>,
    /// Strong, without quotes: another one whenever a byte may differ.
    pub etag: String,
    /// As the reader shall store it; any text.
    pub name: String,
    pub mime: String,
    pub disposition: Disposition,
}

/// The answer to a request for it. Conditions hold for GET and HEAD, ranges for GET alone; to any other method, as in
/// form posts of music apps, the whole is sent.
pub fn respond(method: &Method, headers: &HeaderMap, content: Content, mut transfer: Transfer) -> Response {
    let Content { source, size_bytes, modified_ms, etag, name, mime, disposition } = content;
    let decision = match *method {
        Method::GET => decide(&Conditions::of(headers), &etag, modified_ms, size_bytes),
        Method::HEAD => decide(&Conditions::of(headers).without_range(), &etag, modified_ms, size_bytes),
        _ => Decision::Full,
    };
    let mut answer = safe_headers(&name, &mime, disposition);
    answer.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    insert(&mut answer, header::ETAG, &format!("\"{etag}\""));
    if let Some(modified) = modified_ms.and_then(modified_time) {
        insert(&mut answer, header::LAST_MODIFIED, &httpdate::fmt_http_date(modified));
    }
    let (status, pieces) = match decision {
        Decision::Full => (StatusCode::OK, VecDeque::from([Piece::Part(0..size_bytes)])),
        Decision::Partial(range) => {
            insert(&mut answer, header::CONTENT_RANGE, &content_range(&range, size_bytes));
            (StatusCode::PARTIAL_CONTENT, VecDeque::from([Piece::Part(range)]))
        }
        Decision::Multi(ranges) => {
            let boundary = boundary(&etag, &ranges);
            let part_type = answer.remove(header::CONTENT_TYPE);
            let part_type = part_type.as_ref().and_then(|value| value.to_str().ok()).unwrap_or(UNKNOWN);
            let pieces = parts(&ranges, size_bytes, &boundary, part_type);
            insert(&mut answer, header::CONTENT_TYPE, &format!("multipart/byteranges; boundary={boundary}"));
            (StatusCode::PARTIAL_CONTENT, pieces)
        }
        Decision::NotModified => (StatusCode::NOT_MODIFIED, VecDeque::new()),
        Decision::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, VecDeque::new()),
        Decision::Unsatisfiable => {
            insert(&mut answer, header::CONTENT_RANGE, &format!("bytes */{size_bytes}"));
            (StatusCode::RANGE_NOT_SATISFIABLE, VecDeque::new())
        }
    };
    if status != StatusCode::NOT_MODIFIED {
        let length: u64 = pieces.iter().map(Piece::bytes).sum();
        answer.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    let body = if status.is_success() && method != Method::HEAD {
        pieces_body(source, pieces, transfer)
    } else {
        transfer.end(Finished::Unsent);
        Body::empty()
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = answer;
    response
}

fn content_range(range: &Range<u64>, size_bytes: u64) -> String {
    format!("bytes {}-{}/{size_bytes}", range.start, range.end - 1)
}

/// The same for the same question, so that every node gives the same bytes.
fn boundary(etag: &str, ranges: &[Range<u64>]) -> String {
    let sum = Sha256::digest(format!("{etag} {ranges:?}"));
    hex(&sum[..16])
}

fn parts(ranges: &[Range<u64>], size_bytes: u64, boundary: &str, mime: &str) -> VecDeque<Piece> {
    let mut pieces = VecDeque::new();
    let mut line_end = "";
    for range in ranges {
        let place = content_range(range, size_bytes);
        let head = format!("{line_end}--{boundary}\r\nContent-Type: {mime}\r\nContent-Range: {place}\r\n\r\n");
        pieces.push_back(Piece::Text(Bytes::from(head)));
        pieces.push_back(Piece::Part(range.clone()));
        line_end = "\r\n";
    }
    pieces.push_back(Piece::Text(Bytes::from(format!("\r\n--{boundary}--\r\n"))));
    pieces
}

const UNKNOWN: &str = "application/octet-stream";

/// The headers that make other people's bytes harmless in a browser, and no cache a leak.
pub fn safe_headers(name: &str, mime: &str, disposition: Disposition) -> HeaderMap {
    let shown = if disposition == Disposition::Inline { inline_type(mime) } else { None };
    let (kind, mime) = match &shown {
        Some(mime) => ("inline", mime.as_str()),
        // A page could run a script whatever the disposition says; as text it cannot.
        None if essence(mime).contains("javascript") || essence(mime).contains("ecmascript") => {
            ("attachment", "text/plain")
        }
        None => ("attachment", mime),
    };
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(mime).unwrap_or(HeaderValue::from_static(UNKNOWN)));
    insert(&mut headers, header::CONTENT_DISPOSITION, &content_disposition(kind, name));
    for (header, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
        // Asked anew each time, so that what is revoked is gone; kept by no cache that others share.
        (header::CACHE_CONTROL, "private, no-cache"),
    ] {
        headers.insert(header, HeaderValue::from_static(value));
    }
    headers
}

fn essence(mime: &str) -> String {
    mime.split(';').next().unwrap_or(mime).trim().to_ascii_lowercase()
}

/// As what a browser may show it. Not PDF, HTML, SVG, XML or EPUB, which can hold scripts, and not playlists, which make
/// a player fetch what they name.
fn inline_type(mime: &str) -> Option<String> {
    let essence = essence(mime);
    let (family, kind) = essence.split_once('/')?;
    match (family, kind) {
        (_, kind) if ["xml", "html", "svg", "mpegurl", "scpls", "pls"].iter().any(|word| kind.contains(word)) => None,
        ("image", "png" | "apng" | "jpeg" | "gif" | "webp" | "avif" | "bmp" | "heic" | "heif" | "jxl" | "tiff") => {
            Some(essence)
        }
        ("image", "x-icon" | "vnd.microsoft.icon") | ("audio" | "video", _) => Some(essence),
        ("text", _) => Some("text/plain; charset=utf-8".to_owned()),
        _ => None,
    }
}

/// What RFC 8187 leaves as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// A plain name for old readers, and the true one beside it where they differ.
fn content_disposition(kind: &str, name: &str) -> String {
    let name: String = name.chars().map(|c| if is_deceptive(c) || matches!(c, '/' | '\\') { '_' } else { c }).collect();
    // Some readers take `%41` in the plain form for an A.
    let plain: String =
        name.chars().map(|c| if matches!(c, ' '..='~') && !matches!(c, '"' | '%') { c } else { '_' }).collect();
    if plain == name {
        return format!("{kind}; filename=\"{plain}\"");
    }
    format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{}", utf8_percent_encode(&name, PLAIN))
}

/// Leaves the header out where the text cannot be one.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// By the extension alone.
pub fn mime_of(name: &str) -> &'static str {
    match ending(name).as_str() {
        "flac" => "audio/flac",
        "ogg" | "oga" | "opus" | "spx" => "audio/ogg",
        "m4a" | "m4b" | "alac" => "audio/mp4",
        "mp3" => "audio/mpeg",
        "aac" => "audio/aac",
        "wav" => "audio/wav",
        "aif" | "aiff" | "aifc" => "audio/aiff",
        "wma" => "audio/x-ms-wma",
        "wv" => "audio/x-wavpack",
        "ape" => "audio/x-ape",
        "mpc" => "audio/x-musepack",
        "dsf" => "audio/x-dsf",
        "dff" => "audio/x-dff",
        "mka" => "audio/x-matroska",
        "weba" => "audio/webm",
        "mkv" => "video/x-matroska",
        "m4v" => "video/mp4",
        "ogv" => "video/ogg",
        "lrc" => "text/plain",
        extension => mime_guess::from_ext(extension).first_raw().unwrap_or(UNKNOWN),
    }
}
