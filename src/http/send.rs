//! Bytes on their way out: whole files, ranges of them, and archives. RFC 9110 (conditions, ranges), 6266 and 8187 (names).
//!
//! A body reads one block at a time when the connection asks for it, so memory stays flat however large the file and
//! however slow the reader.

use std::collections::VecDeque;
use std::fs::File;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::fs::Advice;
use rustix::io::{Errno, ReadWriteFlags};
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinHandle};

use crate::error::Result;
use crate::media::zip::{Segment, ZipPlan, is_deceptive};

/// Large enough that system calls do not count, small enough that a thousand transfers fit into memory.
const BLOCK_BYTES: usize = 256 * 1024;
/// More ranges than this are answered with the whole: no player asks for them, only attackers do.
const RANGES_MAX: usize = 16;
/// Two ranges nearer than this are one, for a part's own header costs more than the gap.
const GAP_BYTES: u64 = 80;
/// The last second of the year 9999, beyond which HTTP has no date.
const LAST_DATE_S: u64 = 253_402_300_799;

/// What a request asks to be true, and which part it wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
    if_modified_since: Option<SystemTime>,
    if_unmodified_since: Option<SystemTime>,
    if_range: Option<Tags>,
    ranges: Vec<Wanted>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Tags {
    Any,
    Listed(Vec<Tag>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Tag {
    weak: bool,
    opaque: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    From(u64),
    Between(u64, u64),
    Last(u64),
}

/// Which answer the conditions lead to. Ranges are half open, ascending and inside the size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Full,
    Partial(Range<u64>),
    Multi(Vec<Range<u64>>),
    NotModified,
    PreconditionFailed,
    Unsatisfiable,
}

impl Conditions {
    /// What cannot be understood is as if it were not there.
    pub fn of(headers: &HeaderMap) -> Conditions {
        let date = |name| {
            let text = headers.get(name)?.to_str().ok()?;
            httpdate::parse_http_date(text).ok()
        };
        let mut ranges = headers.get_all(header::RANGE).iter();
        let ranges = match (ranges.next(), ranges.next()) {
            (Some(value), None) => value.to_str().ok().and_then(parse_ranges).unwrap_or_default(),
            _ => Vec::new(),
        };
        Conditions {
            if_match: tags(headers, header::IF_MATCH),
            if_none_match: tags(headers, header::IF_NONE_MATCH),
            if_modified_since: date(header::IF_MODIFIED_SINCE),
            if_unmodified_since: date(header::IF_UNMODIFIED_SINCE),
            if_range: tags(headers, header::IF_RANGE),
            ranges,
        }
    }
}

impl Tags {
    fn match_strongly(&self, etag: &str) -> bool {
        match self {
            Tags::Any => true,
            Tags::Listed(tags) => tags.iter().any(|tag| !tag.weak && tag.opaque == etag),
        }
    }

    fn match_weakly(&self, etag: &str) -> bool {
        match self {
            Tags::Any => true,
            Tags::Listed(tags) => tags.iter().any(|tag| tag.opaque == etag),
        }
    }
}

fn tags(headers: &HeaderMap, name: HeaderName) -> Option<Tags> {
    let mut listed = Vec::new();
    for value in headers.get_all(&name) {
        let mut rest = String::from_utf8_lossy(value.as_bytes()).into_owned();
        if rest.trim() == "*" {
            return Some(Tags::Any);
        }
        loop {
            let text = rest.trim_start_matches([' ', '\t', ',']);
            let (weak, text) = text.strip_prefix("W/").map_or((false, text), |text| (true, text));
            let Some((opaque, after)) = text.strip_prefix('"').and_then(|text| text.split_once('"')) else { break };
            listed.push(Tag { weak, opaque: opaque.to_owned() });
            rest = after.to_owned();
        }
    }
    headers.contains_key(&name).then_some(Tags::Listed(listed))
}

/// None if any of it is malformed.
fn parse_ranges(value: &str) -> Option<Vec<Wanted>> {
    let (unit, list) = value.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    list.split(',').map(str::trim).filter(|one| !one.is_empty()).map(parse_range).collect()
}

fn parse_range(one: &str) -> Option<Wanted> {
    let (first, last) = one.split_once('-')?;
    match (first.trim_end(), last.trim_start()) {
        ("", count) => Some(Wanted::Last(number(count)?)),
        (first, "") => Some(Wanted::From(number(first)?)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Wanted::Between(first, last))
        }
    }
}

/// A number of any length; those beyond all sizes are equal to each other.
fn number(digits: &str) -> Option<u64> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// `etag` is the strong tag without its quotes.
pub fn decide(conditions: &Conditions, etag: &str, modified_ms: i64, size_bytes: u64) -> Decision {
    let modified = modified_time(modified_ms);
    match (&conditions.if_match, conditions.if_unmodified_since) {
        (Some(tags), _) if !tags.match_strongly(etag) => return Decision::PreconditionFailed,
        (None, Some(date)) if modified.is_some_and(|modified| modified > date) => return Decision::PreconditionFailed,
        _ => {}
    }
    match (&conditions.if_none_match, conditions.if_modified_since) {
        (Some(tags), _) if tags.match_weakly(etag) => return Decision::NotModified,
        (None, Some(date)) if modified.is_some_and(|modified| modified <= date) => return Decision::NotModified,
        _ => {}
    }
    // A date in If-Range never matches: it cannot tell two versions of one second apart, and the whole is always right.
    let same = match &conditions.if_range {
        None => true,
        Some(Tags::Any) => false,
        Some(tags) => tags.match_strongly(etag),
    };
    if conditions.ranges.is_empty() || !same || size_bytes == 0 {
        // Players send `bytes=0-` whatever the file is; an empty one is no reason for an error.
        return Decision::Full;
    }
    let mut ranges: Vec<Range<u64>> = conditions.ranges.iter().filter_map(|one| one.within(size_bytes)).collect();
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(GAP_BYTES) => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    match merged.len() {
        0 => Decision::Unsatisfiable,
        1 => Decision::Partial(merged.remove(0)),
        2..=RANGES_MAX => Decision::Multi(merged),
        _ => Decision::Full,
    }
}

impl Wanted {
    fn within(self, size_bytes: u64) -> Option<Range<u64>> {
        let range = match self {
            Wanted::From(first) => first..size_bytes,
            Wanted::Between(first, last) => first..last.saturating_add(1).min(size_bytes),
            Wanted::Last(count) => size_bytes.saturating_sub(count)..size_bytes,
        };
        (range.start < range.end).then_some(range)
    }
}

/// In whole seconds, as HTTP tells it; none where HTTP has no date.
fn modified_time(modified_ms: i64) -> Option<SystemTime> {
    let seconds = u64::try_from(modified_ms.div_euclid(1000)).ok()?;
    (seconds <= LAST_DATE_S).then(|| UNIX_EPOCH + Duration::from_secs(seconds))
}

/// How a transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// Every byte was handed to the connection.
    Whole,
    /// The reader left, or the file could not be read to its end.
    Broken,
    /// It was revoked meanwhile.
    Cancelled,
    /// The answer had no content: HEAD, not modified, or an unsatisfied condition.
    Unsent,
}

/// Closes one connection at once. The accept loop puts it into the extensions of each request of that connection, and
/// drops the connection when [`HangUp::asked`] returns.
#[derive(Debug, Clone, Default)]
pub struct HangUp(Arc<Notify>);

impl HangUp {
    pub fn ask(&self) {
        self.0.notify_one();
    }

    pub async fn asked(&self) {
        self.0.notified().await;
    }
}

/// What the caller learns of a transfer, and how it can end one.
pub struct Transfer {
    cancelled: Pin<Box<dyn Future<Output = ()> + Send>>,
    revoked: watch::Receiver<bool>,
    hang_up: Option<AbortHandle>,
    sent_bytes: u64,
    on_end: Option<Box<dyn FnOnce(u64, Finished) + Send>>,
}

impl Transfer {
    /// `cancelled` ends the transfer with an error once it is true. `on_end` is called exactly once, with the bytes of
    /// the body that were handed to the connection; it must not block.
    pub fn new(cancelled: watch::Receiver<bool>, on_end: impl FnOnce(u64, Finished) + Send + 'static) -> Transfer {
        Transfer {
            cancelled: Box::pin(turned_true(cancelled.clone())),
            revoked: cancelled,
            hang_up: None,
            sent_bytes: 0,
            on_end: Some(Box::new(on_end)),
        }
    }

    /// Closes the connection too when the transfer is cancelled. A body is not asked while its reader takes nothing, so
    /// without this a stalled reader would keep what is already buffered. Needs a tokio runtime.
    pub fn hanging_up(mut self, connection: HangUp) -> Transfer {
        let revoked = turned_true(self.revoked.clone());
        let waiting = tokio::spawn(async move {
            revoked.await;
            connection.ask();
        });
        self.hang_up = Some(waiting.abort_handle());
        self
    }

    fn poll_cancelled(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        ready!(self.cancelled.as_mut().poll(cx));
        self.end(Finished::Cancelled);
        Poll::Ready(io::Error::other("the transfer was cancelled"))
    }

    fn end(&mut self, how: Finished) {
        if let Some(on_end) = self.on_end.take() {
            on_end(self.sent_bytes, how);
        }
    }
}

/// Never, if the sender went away without saying so.
async fn turned_true(mut signal: watch::Receiver<bool>) {
    if signal.wait_for(|cancelled| *cancelled).await.is_err() {
        std::future::pending().await
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        if let Some(waiting) = &self.hang_up {
            waiting.abort();
        }
        let how = if *self.revoked.borrow() { Finished::Cancelled } else { Finished::Broken };
        self.end(how);
    }
}

/// The bytes of `range`, which must lie inside the file. A file that meanwhile became shorter ends the body with an
/// error, so that the connection breaks and nobody takes the part for the whole.
pub fn file_body(file: File, range: Range<u64>, transfer: Transfer) -> Body {
    pieces_body(file, VecDeque::from([Piece::File(range)]), transfer)
}

fn pieces_body(file: File, pieces: VecDeque<Piece>, transfer: Transfer) -> Body {
    let left_bytes = pieces.iter().map(Piece::bytes).sum();
    if left_bytes > BLOCK_BYTES as u64 {
        // Only a hint: a file system that cannot read ahead still reads.
        let _ = rustix::fs::fadvise(&file, 0, None, Advice::Sequential);
    }
    let mut body =
        FileBody { file: Arc::new(file), pieces, left_bytes, reading: None, spare: VecDeque::new(), transfer };
    body.skip_empty();
    Body::new(body)
}

enum Piece {
    Text(Bytes),
    File(Range<u64>),
}

impl Piece {
    fn bytes(&self) -> u64 {
        match self {
            Piece::Text(text) => text.len() as u64,
            Piece::File(range) => range.end.saturating_sub(range.start),
        }
    }
}

struct FileBody {
    file: Arc<File>,
    pieces: VecDeque<Piece>,
    left_bytes: u64,
    reading: Option<JoinHandle<io::Result<Vec<u8>>>>,
    /// Blocks given out, whose memory is used again once the connection let go of them.
    spare: VecDeque<Bytes>,
    transfer: Transfer,
}

impl FileBody {
    fn skip_empty(&mut self) {
        while self.pieces.front().is_some_and(|piece| piece.bytes() == 0) {
            self.pieces.pop_front();
        }
        if self.pieces.is_empty() {
            self.transfer.end(Finished::Whole);
        }
    }

    fn buffer(&mut self, length: usize) -> Vec<u8> {
        let mut buffer = match self.spare.front() {
            Some(block) if block.is_unique() => self.spare.pop_front().map(Vec::from).unwrap_or_default(),
            _ => Vec::new(),
        };
        buffer.resize(length, 0);
        buffer
    }

    /// The next block of the piece in front, without waiting if its pages are in memory.
    fn poll_block(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let range = match self.pieces.front() {
            Some(Piece::File(range)) => range.clone(),
            Some(Piece::Text(text)) => return Poll::Ready(Ok(text.clone())),
            None => return Poll::Ready(Ok(Bytes::new())),
        };
        if self.reading.is_none() {
            let length = (range.end - range.start).min(BLOCK_BYTES as u64) as usize;
            let mut buffer = self.buffer(length);
            let slices = &mut [io::IoSliceMut::new(&mut buffer)];
            match rustix::io::preadv2(&*self.file, slices, range.start, ReadWriteFlags::NOWAIT) {
                Ok(0) => return Poll::Ready(Err(shrunk())),
                Ok(count) => {
                    buffer.truncate(count);
                    return Poll::Ready(Ok(Bytes::from(buffer)));
                }
                // Not in memory, or a file system that cannot tell: a thread may wait for the disk, this one may not.
                Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS | Errno::INTR) => {}
                Err(cause) => return Poll::Ready(Err(cause.into())),
            }
            let file = self.file.clone();
            self.reading = Some(tokio::task::spawn_blocking(move || {
                read_exact(&file, &mut buffer, range.start)?;
                Ok(buffer)
            }));
        }
        let Some(reading) = self.reading.as_mut() else { return Poll::Pending };
        let block = ready!(Pin::new(reading).poll(cx)).map_err(io::Error::other).flatten();
        self.reading = None;
        Poll::Ready(block.map(Bytes::from))
    }

    fn given(&mut self, block: &Bytes) {
        let count = block.len() as u64;
        match self.pieces.front_mut() {
            Some(Piece::File(range)) => {
                range.start += count;
                self.spare.push_back(block.clone());
                // The connection holds one block while it asks for the next.
                if self.spare.len() > 2 {
                    self.spare.pop_front();
                }
            }
            _ => _ = self.pieces.pop_front(),
        }
        self.left_bytes -= count;
        self.transfer.sent_bytes += count;
        self.skip_empty();
    }
}

fn shrunk() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was sent")
}

fn read_exact(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    file.read_exact_at(buffer, offset).map_err(|cause| match cause.kind() {
        io::ErrorKind::UnexpectedEof => shrunk(),
        _ => cause,
    })
}

impl hyper::body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        if this.pieces.is_empty() {
            return Poll::Ready(None);
        }
        if let Poll::Ready(cause) = this.transfer.poll_cancelled(cx) {
            return Poll::Ready(Some(Err(cause)));
        }
        let block = ready!(this.poll_block(cx));
        match &block {
            Ok(block) => this.given(block),
            Err(_) => this.transfer.end(Finished::Broken),
        }
        Poll::Ready(Some(block.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left_bytes)
    }
}

/// An archive, read source by source as the connection asks for it. `opener` gives the file of a source number and runs
/// on a blocking thread. A source that is gone or has another size than planned ends the body with an error.
pub fn zip_body(plan: ZipPlan, opener: impl FnMut(usize) -> Result<File> + Send + 'static, transfer: Transfer) -> Body {
    let left_bytes = plan.total_bytes();
    let reader = Box::new(ZipReader {
        checksums: vec![0; plan.entries().len()],
        plan,
        opener: Box::new(opener),
        next: 0,
        current: None,
    });
    Body::new(ZipBody { reader: Some(reader), reading: None, left_bytes, transfer })
}

struct ZipReader {
    plan: ZipPlan,
    opener: Box<dyn FnMut(usize) -> Result<File> + Send>,
    /// Index of the segment that comes next.
    next: usize,
    current: Option<Source>,
    checksums: Vec<u32>,
}

struct Source {
    entry: usize,
    file: File,
    at: u64,
    size_bytes: u64,
    sum: crc32fast::Hasher,
}

impl ZipReader {
    /// One block; shorter only at the end of the archive.
    fn block(&mut self) -> io::Result<Vec<u8>> {
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        while block.len() < BLOCK_BYTES {
            if let Some(source) = &mut self.current {
                let start = block.len();
                let count = (source.size_bytes - source.at).min((BLOCK_BYTES - start) as u64);
                block.resize(start + count as usize, 0);
                read_exact(&source.file, &mut block[start..], source.at)?;
                source.sum.update(&block[start..]);
                source.at += count;
                if source.at == source.size_bytes {
                    self.checksums[source.entry] = source.sum.clone().finalize();
                    self.current = None;
                }
                continue;
            }
            let Some(segment) = self.plan.segment(self.next) else { break };
            self.next += 1;
            match segment {
                // Also empty files are looked at, for one may have grown. Folders have no source.
                Segment::Content { entry, source, size_bytes } if !self.plan.entries()[entry].name.ends_with('/') => {
                    let file = (self.opener)(source).map_err(io::Error::other)?;
                    if file.metadata()?.len() != size_bytes {
                        return Err(io::Error::other("a file of the archive changed its size"));
                    }
                    let opened = Source { entry, file, at: 0, size_bytes, sum: crc32fast::Hasher::new() };
                    self.current = (size_bytes > 0).then_some(opened);
                }
                segment => self.plan.write(segment, &self.checksums, &mut block),
            }
        }
        Ok(block)
    }
}

type ZipBlock = (Box<ZipReader>, io::Result<Vec<u8>>);

struct ZipBody {
    /// Here or, while it reads, on a blocking thread.
    reader: Option<Box<ZipReader>>,
    reading: Option<JoinHandle<ZipBlock>>,
    left_bytes: u64,
    transfer: Transfer,
}

impl ZipBody {
    fn poll_block(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        self.read_ahead();
        let Some(reading) = self.reading.as_mut() else {
            return Poll::Ready(Err(io::Error::other("the archive broke off")));
        };
        let done = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        let (reader, block) = done.map_err(io::Error::other)?;
        let block = block?;
        self.reader = Some(reader);
        match block.len() as u64 {
            count if count > 0 && count <= self.left_bytes => Poll::Ready(Ok(block)),
            _ => Poll::Ready(Err(io::Error::other("the archive is not as long as planned"))),
        }
    }

    /// Starts the next block, so that the disk works while the connection sends.
    fn read_ahead(&mut self) {
        if self.reading.is_none()
            && let Some(mut reader) = self.reader.take()
        {
            self.reading = Some(tokio::task::spawn_blocking(move || {
                let block = reader.block();
                (reader, block)
            }));
        }
    }
}

impl hyper::body::Body for ZipBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        if this.left_bytes == 0 {
            return Poll::Ready(None);
        }
        if let Poll::Ready(cause) = this.transfer.poll_cancelled(cx) {
            return Poll::Ready(Some(Err(cause)));
        }
        let block = ready!(this.poll_block(cx));
        match &block {
            Ok(block) => {
                let count = block.len() as u64;
                this.left_bytes -= count;
                this.transfer.sent_bytes += count;
                if this.left_bytes > 0 {
                    this.read_ahead();
                } else {
                    this.transfer.end(Finished::Whole);
                }
            }
            Err(_) => this.transfer.end(Finished::Broken),
        }
        Poll::Ready(Some(block.map(|block| Frame::data(Bytes::from(block)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left_bytes == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left_bytes)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// The browser stores it.
    Attachment,
    /// The browser may show it, if it is of a kind that cannot act; else as `Attachment`.
    Inline,
}

/// A file that is ready to be sent.
#[derive(Debug)]
pub struct Content {
    pub file: File,
    pub size_bytes: u64,
    pub modified_ms: i64,
    /// Strong, without quotes: another one whenever a byte may differ.
    pub etag: String,
    /// As the reader shall store it; any text.
    pub name: String,
    pub mime: String,
    pub disposition: Disposition,
}

/// The answer to a request for a file. Conditions hold for GET and HEAD, ranges for GET alone; to any other method, as in
/// form posts of music apps, the whole is sent.
pub fn respond(method: &Method, headers: &HeaderMap, content: Content, mut transfer: Transfer) -> Response {
    let Content { file, size_bytes, modified_ms, etag, name, mime, disposition } = content;
    let decision = match *method {
        Method::GET => decide(&Conditions::of(headers), &etag, modified_ms, size_bytes),
        Method::HEAD => decide(&without_range(Conditions::of(headers)), &etag, modified_ms, size_bytes),
        _ => Decision::Full,
    };
    let mut answer = safe_headers(&name, &mime, disposition);
    answer.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    insert(&mut answer, header::ETAG, &format!("\"{etag}\""));
    if let Some(modified) = modified_time(modified_ms) {
        insert(&mut answer, header::LAST_MODIFIED, &httpdate::fmt_http_date(modified));
    }
    let (status, pieces) = match decision {
        Decision::Full => (StatusCode::OK, VecDeque::from([Piece::File(0..size_bytes)])),
        Decision::Partial(range) => {
            insert(&mut answer, header::CONTENT_RANGE, &content_range(&range, size_bytes));
            (StatusCode::PARTIAL_CONTENT, VecDeque::from([Piece::File(range)]))
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
        pieces_body(file, pieces, transfer)
    } else {
        transfer.end(Finished::Unsent);
        Body::empty()
    };
    answered(status, answer, body)
}

/// The answer to a request for an archive; `name` is that of the archive.
pub fn respond_zip(
    method: &Method,
    plan: ZipPlan,
    name: &str,
    opener: impl FnMut(usize) -> Result<File> + Send + 'static,
    mut transfer: Transfer,
) -> Response {
    let mut answer = safe_headers(name, "application/zip", Disposition::Attachment);
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    answer.insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
    answer.insert(header::CONTENT_LENGTH, HeaderValue::from(plan.total_bytes()));
    let body = if method == Method::HEAD {
        transfer.end(Finished::Unsent);
        Body::empty()
    } else {
        zip_body(plan, opener, transfer)
    };
    answered(StatusCode::OK, answer, body)
}

fn answered(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn without_range(conditions: Conditions) -> Conditions {
    Conditions { ranges: Vec::new(), ..conditions }
}

fn content_range(range: &Range<u64>, size_bytes: u64) -> String {
    format!("bytes {}-{}/{size_bytes}", range.start, range.end - 1)
}

/// The same for the same question, so that every node gives the same bytes.
fn boundary(etag: &str, ranges: &[Range<u64>]) -> String {
    let sum = Sha256::digest(format!("{etag} {ranges:?}"));
    sum.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn parts(ranges: &[Range<u64>], size_bytes: u64, boundary: &str, mime: &str) -> VecDeque<Piece> {
    let mut pieces = VecDeque::new();
    let mut line_end = "";
    for range in ranges {
        let place = content_range(range, size_bytes);
        let head = format!("{line_end}--{boundary}\r\nContent-Type: {mime}\r\nContent-Range: {place}\r\n\r\n");
        pieces.push_back(Piece::Text(Bytes::from(head)));
        pieces.push_back(Piece::File(range.clone()));
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
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    match extension.as_str() {
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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::mpsc;

    use http_body_util::BodyExt;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::error::{Error, Thing};
    use crate::media::zip::ZipEntry;

    fn asking(headers: &[(HeaderName, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    fn decided(headers: &[(HeaderName, &str)], size_bytes: u64) -> Decision {
        decide(&Conditions::of(&asking(headers)), "tag", 1_234_567_890_500, size_bytes)
    }

    fn bytes_of(length: usize) -> Vec<u8> {
        (0..length).map(|index| (index / 7 % 251) as u8).collect()
    }

    fn file_of(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    struct Watched {
        cancel: watch::Sender<bool>,
        ended: mpsc::Receiver<(u64, Finished)>,
    }

    fn watched() -> (Transfer, Watched) {
        let (cancel, cancelled) = watch::channel(false);
        let (end, ended) = mpsc::channel();
        (Transfer::new(cancelled, move |sent, how| _ = end.send((sent, how))), Watched { cancel, ended })
    }

    fn content(bytes: &[u8]) -> Content {
        Content {
            file: file_of(bytes),
            size_bytes: bytes.len() as u64,
            modified_ms: 1_234_567_890_500,
            etag: "tag".to_owned(),
            name: "song.flac".to_owned(),
            mime: mime_of("song.flac").to_owned(),
            disposition: Disposition::Inline,
        }
    }

    async fn collected(body: Body) -> Result<Vec<u8>, axum::Error> {
        Ok(body.collect().await?.to_bytes().to_vec())
    }

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let multi = |ranges: &[Range<u64>]| Decision::Multi(ranges.to_vec());
        let table = [
            ("bytes=0-0", Decision::Partial(0..1)),
            ("bytes=0-", Decision::Partial(0..1000)),
            ("bytes=990-2000", Decision::Partial(990..1000)),
            ("bytes=-1", Decision::Partial(999..1000)),
            ("bytes=-5000", Decision::Partial(0..1000)),
            ("Bytes = 5-6", Decision::Partial(5..7)),
            ("bytes=0-99999999999999999999999999", Decision::Partial(0..1000)),
            ("bytes=0-18446744073709551615", Decision::Partial(0..1000)),
            ("bytes=1000-", Decision::Unsatisfiable),
            ("bytes=-0", Decision::Unsatisfiable),
            ("bytes=99999999999999999999999999-", Decision::Unsatisfiable),
            ("bytes=2000-3000,4000-", Decision::Unsatisfiable),
            ("bytes=2000-3000,5-9", Decision::Partial(5..10)),
            ("bytes=0-9,500-509", multi(&[0..10, 500..510])),
            ("bytes=500-509 , ,0-9", multi(&[0..10, 500..510])),
            ("bytes=0-499,100-600", Decision::Partial(0..601)),
            ("bytes=0-9,20-29", Decision::Partial(0..30)),
            ("bytes=5-4", Decision::Full),
            ("bytes=", Decision::Full),
            ("bytes=a-b", Decision::Full),
            ("bytes=-", Decision::Full),
            ("bytes=+1-2", Decision::Full),
            ("bytes=1-2,x", Decision::Full),
            ("bytes=1--2", Decision::Full),
            ("lines=1-2", Decision::Full),
            ("bytes 1-2", Decision::Full),
        ];
        for (value, expected) in table {
            assert_eq!(decided(&[(header::RANGE, value)], 1000), expected, "{value}");
        }
        let two = [(header::RANGE, "bytes=0-1"), (header::RANGE, "bytes=2-3")];
        assert_eq!(decided(&two, 1000), Decision::Full);
        assert_eq!(decided(&[(header::RANGE, "bytes=0-")], 0), Decision::Full);
    }

    #[test]
    fn many_tiny_ranges_are_answered_with_the_whole() {
        let ranges = |count: usize| {
            let list: Vec<_> = (0..count).map(|index| format!("{0}-{0}", index * 1000)).collect();
            decided(&[(header::RANGE, &format!("bytes={}", list.join(",")))], 10_000_000)
        };
        assert!(matches!(ranges(16), Decision::Multi(ranges) if ranges.len() == 16));
        assert_eq!(ranges(17), Decision::Full);
        assert_eq!(ranges(5000), Decision::Full);
        let same = decided(&[(header::RANGE, &format!("bytes={}", vec!["0-5"; 5000].join(",")))], 10_000_000);
        assert_eq!(same, Decision::Partial(0..6));
    }

    #[test]
    fn conditions_are_read_as_the_standard_says() {
        use header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE};
        let (same, before) = ("Fri, 13 Feb 2009 23:31:30 GMT", "Fri, 13 Feb 2009 23:31:29 GMT");
        let part = (RANGE, "bytes=0-4");
        let table: &[(&[(HeaderName, &str)], Decision)] = &[
            (&[(IF_MATCH, "\"tag\"")], Decision::Full),
            (&[(IF_MATCH, "*")], Decision::Full),
            (&[(IF_MATCH, "\"a\", \"tag\"")], Decision::Full),
            (&[(IF_MATCH, "\"a\""), (IF_MATCH, "\"tag\"")], Decision::Full),
            (&[(IF_MATCH, "W/\"tag\"")], Decision::PreconditionFailed),
            (&[(IF_MATCH, "\"a,tag\"")], Decision::PreconditionFailed),
            (&[(IF_MATCH, "tag")], Decision::PreconditionFailed),
            (&[(IF_MATCH, "\"a\""), part.clone()], Decision::PreconditionFailed),
            (&[(IF_UNMODIFIED_SINCE, same)], Decision::Full),
            (&[(IF_UNMODIFIED_SINCE, before)], Decision::PreconditionFailed),
            (&[(IF_MATCH, "\"tag\""), (IF_UNMODIFIED_SINCE, before)], Decision::Full),
            (&[(IF_UNMODIFIED_SINCE, "yesterday")], Decision::Full),
            (&[(IF_NONE_MATCH, "\"tag\"")], Decision::NotModified),
            (&[(IF_NONE_MATCH, "W/\"tag\"")], Decision::NotModified),
            (&[(IF_NONE_MATCH, "*")], Decision::NotModified),
            (&[(IF_NONE_MATCH, "\"a\", W/\"b\"")], Decision::Full),
            (&[(IF_NONE_MATCH, "\"tag\""), part.clone()], Decision::NotModified),
            (&[(IF_MODIFIED_SINCE, same)], Decision::NotModified),
            (&[(IF_MODIFIED_SINCE, before)], Decision::Full),
            (&[(IF_NONE_MATCH, "\"a\""), (IF_MODIFIED_SINCE, same)], Decision::Full),
            (&[(IF_RANGE, "\"tag\""), part.clone()], Decision::Partial(0..5)),
            (&[(IF_RANGE, "\"other\""), part.clone()], Decision::Full),
            (&[(IF_RANGE, "W/\"tag\""), part.clone()], Decision::Full),
            (&[(IF_RANGE, same), part.clone()], Decision::Full),
            (&[(IF_RANGE, "*"), part.clone()], Decision::Full),
        ];
        for (headers, expected) in table {
            assert_eq!(decided(headers, 1000), *expected, "{headers:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_asked_ranges_lie_inside_the_file(
            range in prop_oneof!["bytes=[0-9,-]{0,40}", "\\PC{0,40}", "bytes=([0-9]{0,21}-[0-9]{0,21},){0,20}"],
            tags in "[\"W/a*, ]{0,9}",
            size_bytes in prop_oneof![0u64..2000, any::<u64>()],
            modified_ms: i64,
        ) {
            let mut headers = HeaderMap::new();
            for (name, value) in [(header::RANGE, &range), (header::IF_RANGE, &tags), (header::IF_NONE_MATCH, &tags)] {
                if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                    headers.insert(name, value);
                }
            }
            for name in [None, Some(header::IF_RANGE), Some(header::IF_NONE_MATCH)] {
                if let Some(name) = name {
                    headers.remove(name);
                }
                let ranges = match decide(&Conditions::of(&headers), "a", modified_ms, size_bytes) {
                    Decision::Partial(range) => vec![range],
                    Decision::Multi(ranges) => ranges,
                    _ => continue,
                };
                prop_assert!(ranges.len() <= RANGES_MAX);
                prop_assert!(ranges.iter().all(|range| range.start < range.end && range.end <= size_bytes));
                prop_assert!(ranges.windows(2).all(|two| two[0].end < two[1].start));
            }
        }

        #[test]
        fn any_name_makes_a_valid_header_and_the_true_name_can_be_read_back(name in "\\PC{0,40}|[a-z\"%\\\\\r\n]{0,9}") {
            let headers = safe_headers(&name, UNKNOWN, Disposition::Attachment);
            let value = headers[header::CONTENT_DISPOSITION].to_str().unwrap();
            let (plain, encoded) = value.split_once("; filename*=UTF-8''").unwrap_or((value, ""));
            let plain = plain.strip_prefix("attachment; filename=\"").unwrap().strip_suffix('"').unwrap();
            prop_assert!(!plain.contains(['"', '\\', '/']));
            let read = if encoded.is_empty() {
                plain.to_owned()
            } else {
                percent_encoding::percent_decode_str(encoded).decode_utf8().unwrap().into_owned()
            };
            prop_assert_eq!(read.chars().count(), name.chars().count());
            prop_assert!(read.chars().zip(name.chars()).all(|(read, given)| read == given || read == '_'));
        }
    }

    #[tokio::test]
    async fn a_file_arrives_whole_in_blocks_and_is_reported_once() {
        for length in [0, 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 77] {
            let expected = bytes_of(length);
            let (transfer, watched) = watched();
            let answer = respond(&Method::GET, &HeaderMap::new(), content(&expected), transfer);
            assert_eq!(answer.status(), StatusCode::OK);
            assert_eq!(answer.headers()[header::CONTENT_LENGTH], length.to_string().as_str());
            assert_eq!(answer.headers()[header::ETAG], "\"tag\"");
            assert_eq!(answer.headers()[header::LAST_MODIFIED], "Fri, 13 Feb 2009 23:31:30 GMT");
            assert_eq!(answer.headers()[header::CONTENT_TYPE], "audio/flac");
            assert!(collected(answer.into_body()).await.unwrap() == expected);
            assert_eq!(watched.ended.iter().collect::<Vec<_>>(), [(length as u64, Finished::Whole)]);
        }
    }

    #[tokio::test]
    async fn a_file_that_is_not_in_memory_arrives_too() {
        let expected = bytes_of(5 * BLOCK_BYTES);
        let file = file_of(&expected);
        file.sync_all().unwrap();
        rustix::fs::fadvise(&file, 0, None, Advice::DontNeed).unwrap();
        let range = 1000..expected.len() as u64 - 1000;
        let body = file_body(file, range, watched().0);
        assert!(collected(body).await.unwrap() == expected[1000..expected.len() - 1000]);
    }

    #[tokio::test]
    async fn blocks_are_not_overwritten_while_somebody_holds_them() {
        let expected = bytes_of(6 * BLOCK_BYTES);
        let mut body = file_body(file_of(&expected), 0..expected.len() as u64, watched().0);
        let mut held = Vec::new();
        while let Some(frame) = body.frame().await {
            held.push(frame.unwrap().into_data().unwrap());
        }
        assert!(held.concat() == expected);
        let mut body = file_body(file_of(&expected), 0..expected.len() as u64, watched().0);
        let mut copied = Vec::new();
        while let Some(frame) = body.frame().await {
            copied.extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
        assert!(copied == expected);
    }

    #[tokio::test]
    async fn one_range_and_several_bring_the_bytes_asked_for() {
        let bytes = bytes_of(1_000_000);
        let (transfer, seen) = watched();
        let headers = asking(&[(header::RANGE, "bytes=300000-899999")]);
        let answer = respond(&Method::GET, &headers, content(&bytes), transfer);
        assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(answer.headers()[header::CONTENT_RANGE], "bytes 300000-899999/1000000");
        assert_eq!(answer.headers()[header::CONTENT_LENGTH], "600000");
        assert!(collected(answer.into_body()).await.unwrap() == bytes[300_000..900_000]);
        assert_eq!(seen.ended.recv(), Ok((600_000, Finished::Whole)));

        let headers = asking(&[(header::RANGE, "bytes=0-9,-10")]);
        let answer = respond(&Method::GET, &headers, content(&bytes), watched().0);
        assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
        let kind = answer.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        let length = answer.headers()[header::CONTENT_LENGTH].to_str().unwrap().to_owned();
        let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
        let part = |range: Range<usize>| {
            let head = format!(
                "--{boundary}\r\nContent-Type: audio/flac\r\nContent-Range: bytes {}-{}/1000000\r\n\r\n",
                range.start,
                range.end - 1
            );
            [head.as_bytes(), &bytes[range]].concat()
        };
        let end = format!("\r\n--{boundary}--\r\n");
        let expected = [part(0..10), b"\r\n".to_vec(), part(999_990..1_000_000), end.into_bytes()].concat();
        let body = collected(answer.into_body()).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&body), String::from_utf8_lossy(&expected));
        assert_eq!(length, expected.len().to_string());
    }

    #[tokio::test]
    async fn head_and_failed_conditions_send_headers_only() {
        let bytes = bytes_of(100);
        let part = (header::RANGE, "bytes=5-9");
        let table = [
            (Method::HEAD, part.clone(), StatusCode::OK, Some("100")),
            (Method::HEAD, (header::IF_NONE_MATCH, "\"tag\""), StatusCode::NOT_MODIFIED, None),
            (Method::GET, (header::IF_NONE_MATCH, "\"tag\""), StatusCode::NOT_MODIFIED, None),
            (Method::GET, (header::IF_MATCH, "\"x\""), StatusCode::PRECONDITION_FAILED, Some("0")),
            (Method::GET, (header::RANGE, "bytes=100-"), StatusCode::RANGE_NOT_SATISFIABLE, Some("0")),
        ];
        for (method, asked, status, length) in table {
            let (transfer, seen) = watched();
            let answer = respond(&method, &asking(&[asked]), content(&bytes), transfer);
            assert_eq!(answer.status(), status);
            assert_eq!(answer.headers().get(header::CONTENT_LENGTH).map(|value| value.to_str().unwrap()), length);
            assert_eq!(answer.headers()[header::ETAG], "\"tag\"");
            if status == StatusCode::RANGE_NOT_SATISFIABLE {
                assert_eq!(answer.headers()[header::CONTENT_RANGE], "bytes */100");
            }
            assert!(collected(answer.into_body()).await.unwrap().is_empty());
            assert_eq!(seen.ended.iter().collect::<Vec<_>>(), [(0, Finished::Unsent)]);
        }
        let answer = respond(&Method::POST, &asking(&[part]), content(&bytes), watched().0);
        assert_eq!(collected(answer.into_body()).await.unwrap(), bytes);
    }

    #[tokio::test]
    async fn a_file_that_shrinks_breaks_the_transfer() {
        let bytes = bytes_of(4 * BLOCK_BYTES);
        let file = file_of(&bytes);
        let (transfer, seen) = watched();
        let mut body = file_body(file.try_clone().unwrap(), 0..bytes.len() as u64, transfer);
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap().len();
        file.set_len(first as u64 + 10).unwrap();
        assert!(collected(body).await.is_err());
        assert_eq!(seen.ended.iter().collect::<Vec<_>>(), [(first as u64 + 10, Finished::Broken)]);
    }

    #[tokio::test]
    async fn a_cancelled_transfer_ends_with_an_error_and_a_dropped_one_is_reported() {
        let bytes = bytes_of(4 * BLOCK_BYTES);
        let start = |transfer| file_body(file_of(&bytes), 0..bytes.len() as u64, transfer);
        let (transfer, seen) = watched();
        let mut body = start(transfer);
        let sent = body.frame().await.unwrap().unwrap().into_data().unwrap().len() as u64;
        seen.cancel.send(true).unwrap();
        assert!(body.frame().await.unwrap().is_err());
        assert_eq!(seen.ended.recv(), Ok((sent, Finished::Cancelled)));

        let (transfer, seen) = watched();
        let mut body = start(transfer);
        let sent = body.frame().await.unwrap().unwrap().into_data().unwrap().len() as u64;
        drop(body);
        assert_eq!(seen.ended.iter().collect::<Vec<_>>(), [(sent, Finished::Broken)]);

        let (transfer, seen) = watched();
        drop(seen.cancel);
        assert!(collected(start(transfer)).await.unwrap() == bytes);
        assert_eq!(seen.ended.recv(), Ok((bytes.len() as u64, Finished::Whole)));
    }

    #[tokio::test]
    async fn a_reader_that_takes_nothing_is_cut_off_when_its_transfer_is_cancelled() {
        let bytes = bytes_of(4 * 1024 * 1024);
        let (transfer, seen) = watched();
        let connection = HangUp::default();
        let prepared = std::sync::Mutex::new(Some((content(&bytes), transfer.hanging_up(connection.clone()))));
        // Both ends live on this one thread, so after some turns the server has written all that the pipe takes.
        let (mut client, stream) = tokio::io::duplex(64 * 1024);
        let server = tokio::spawn(async move {
            let service = hyper::service::service_fn(move |_| {
                let (content, transfer) = prepared.lock().unwrap().take().unwrap();
                let answer = respond(&Method::GET, &HeaderMap::new(), content, transfer);
                std::future::ready(Ok::<_, std::convert::Infallible>(answer))
            });
            let serving = hyper::server::conn::http1::Builder::new()
                .serve_connection(hyper_util::rt::TokioIo::new(stream), service);
            tokio::select! {
                ended = serving => panic!("the reader was not stalled: {ended:?}"),
                () = connection.asked() => {}
            }
        });
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        client.read_u8().await.unwrap();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        seen.cancel.send(true).unwrap();
        tokio::time::timeout(Duration::from_secs(1), server).await.expect("still open").unwrap();
        let (sent_bytes, how) = seen.ended.recv().unwrap();
        assert!(how == Finished::Cancelled && sent_bytes < bytes.len() as u64, "{sent_bytes} {how:?}");
    }

    fn plan(sizes: &[u64]) -> ZipPlan {
        let entry = |(source, size_bytes): (usize, &u64)| ZipEntry {
            name: format!("album/{source}"),
            size_bytes: *size_bytes,
            modified_ms: 0,
            source,
        };
        let folder = ZipEntry { name: "album/".to_owned(), size_bytes: 0, modified_ms: 0, source: usize::MAX };
        ZipPlan::new(std::iter::once(folder).chain(sizes.iter().enumerate().map(entry)).collect()).unwrap()
    }

    #[tokio::test]
    async fn an_archive_arrives_with_the_length_announced_and_checksums_that_hold() {
        let contents = [bytes_of(10), bytes_of(0), bytes_of(3 * BLOCK_BYTES), bytes_of(999)];
        let plan = plan(&contents.each_ref().map(|content| content.len() as u64));
        let (expected, sources) = (plan.total_bytes(), contents.clone());
        let (transfer, seen) = watched();
        let opener = move |source: usize| Ok(file_of(&sources[source]));
        let answer = respond_zip(&Method::GET, plan, "album.zip", opener, transfer);
        assert_eq!(answer.headers()[header::CONTENT_LENGTH], expected.to_string().as_str());
        let body = collected(answer.into_body()).await.unwrap();
        assert_eq!(body.len() as u64, expected);
        assert_eq!(seen.ended.iter().collect::<Vec<_>>(), [(expected, Finished::Whole)]);
        for content in contents.iter().filter(|content| !content.is_empty()) {
            let sum = crc32fast::hash(content).to_le_bytes();
            let descriptor = [content.as_slice(), b"PK\x07\x08", &sum].concat();
            assert!(body.windows(descriptor.len()).any(|stretch| stretch == descriptor));
            assert_eq!(body.windows(4).filter(|stretch| *stretch == sum).count(), 2);
        }
    }

    #[tokio::test]
    async fn an_archive_breaks_off_when_a_source_is_gone_or_has_another_size() {
        let planned = [10, 0, 600_000];
        for (odd, size) in [(0, 9), (0, 11), (1, 1), (2, 599_999), (2, 600_001)] {
            let (transfer, seen) = watched();
            let opener = move |source: usize| {
                Ok(file_of(&bytes_of(if source == odd { size } else { planned[source] as usize })))
            };
            assert!(collected(zip_body(plan(&planned), opener, transfer)).await.is_err());
            assert!(matches!(seen.ended.recv(), Ok((_, Finished::Broken))));
        }
        let gone = |_| Err(Error::NotFound(Thing::File));
        assert!(collected(zip_body(plan(&planned), gone, watched().0)).await.is_err());
        let (transfer, seen) = watched();
        seen.cancel.send(true).unwrap();
        assert!(collected(zip_body(plan(&planned), gone, transfer)).await.is_err());
        assert_eq!(seen.ended.recv(), Ok((0, Finished::Cancelled)));
    }

    #[test]
    fn only_what_cannot_act_is_shown_inline() {
        let shown = |mime: &str| {
            let headers = safe_headers("name", mime, Disposition::Inline);
            let value = |name| headers[name].to_str().unwrap().to_owned();
            assert_eq!(value(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
            assert_eq!(value(header::CONTENT_SECURITY_POLICY), "sandbox; default-src 'none'");
            assert_eq!(value(header::REFERRER_POLICY), "no-referrer");
            assert_eq!(value(header::CACHE_CONTROL), "private, no-cache");
            (value(header::CONTENT_DISPOSITION).starts_with("inline"), value(header::CONTENT_TYPE))
        };
        for mime in ["image/png", "image/jpeg", "image/webp", "audio/flac", "audio/mpeg", "video/mp4"] {
            assert_eq!(shown(mime), (true, mime.to_owned()));
        }
        for mime in ["text/plain", "text/markdown", "text/css", "text/x-rust", "TEXT/PLAIN; charset=utf-16"] {
            assert_eq!(shown(mime), (true, "text/plain; charset=utf-8".to_owned()));
        }
        let never = [
            "text/html",
            "TEXT/HTML; charset=x",
            "application/xhtml+xml",
            "image/svg+xml",
            "text/xml",
            "application/xml",
            "application/epub+zip",
            "application/pdf",
            "audio/x-mpegurl",
            "application/octet-stream",
            "multipart/mixed",
            "nonsense",
        ];
        for mime in never {
            assert_eq!(shown(mime), (false, mime.to_owned()));
        }
        assert_eq!(shown("application/javascript"), (false, "text/plain".to_owned()));
        assert_eq!(shown("text/html\r\nX: y"), (false, UNKNOWN.to_owned()));
        let stored = safe_headers("name", "image/png", Disposition::Attachment);
        assert_eq!(stored[header::CONTENT_DISPOSITION], "attachment; filename=\"name\"");
    }

    #[test]
    fn names_reach_old_and_new_readers() {
        let table = [
            ("song.mp3", "attachment; filename=\"song.mp3\""),
            ("Zoë.mp3", "attachment; filename=\"Zo_.mp3\"; filename*=UTF-8''Zo%C3%AB.mp3"),
            ("a\"b\\c.txt", "attachment; filename=\"a_b_c.txt\"; filename*=UTF-8''a%22b_c.txt"),
            ("100%.txt", "attachment; filename=\"100_.txt\"; filename*=UTF-8''100%25.txt"),
            ("a\r\nSet-Cookie: x", "attachment; filename=\"a__Set-Cookie: x\""),
            ("../x", "attachment; filename=\".._x\""),
        ];
        for (name, expected) in table {
            let headers = safe_headers(name, UNKNOWN, Disposition::Attachment);
            assert_eq!(headers[header::CONTENT_DISPOSITION], expected, "{name:?}");
        }
    }

    #[test]
    fn music_has_the_types_that_players_know() {
        let table = [
            ("a.flac", "audio/flac"),
            ("a.OPUS", "audio/ogg"),
            ("a.ogg", "audio/ogg"),
            ("a.m4a", "audio/mp4"),
            ("a.mp3", "audio/mpeg"),
            ("a.b.mka", "audio/x-matroska"),
            ("a.jpg", "image/jpeg"),
            ("a.svg", "image/svg+xml"),
            ("a.pdf", "application/pdf"),
            ("flac", UNKNOWN),
            ("", UNKNOWN),
            ("a.nothing known", UNKNOWN),
        ];
        for (name, mime) in table {
            assert_eq!(mime_of(name), mime, "{name}");
        }
    }
}
