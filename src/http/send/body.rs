//! Bodies that read one block at a time when the connection asks for it, so memory stays flat however large the file and
//! however slow the reader; and what becomes of a transfer.

use std::collections::VecDeque;
use std::fs::File;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};
use rustix::fs::Advice;
use rustix::io::{Errno, ReadWriteFlags};
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinHandle};

use super::Source;
use crate::media::zip::Reader;
use crate::work::pace::Turns;

/// Large enough that system calls do not count, small enough that a thousand transfers fit into memory.
pub(super) const BLOCK_BYTES: usize = 256 * 1024;

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
    connection: Option<(HangUp, Duration)>,
    hang_up: Option<AbortHandle>,
    /// How often the connection asked for more.
    asked: Arc<AtomicU64>,
    turns: Option<Turns>,
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
            connection: None,
            hang_up: None,
            asked: Arc::default(),
            turns: None,
            sent_bytes: 0,
            on_end: Some(Box::new(on_end)),
        }
    }

    /// Closes the connection too when the transfer is cancelled, or its reader takes nothing for `patience`, at the latest
    /// after twice that. A body is not asked while its reader takes nothing, so without this a stalled reader would keep
    /// what is already buffered, its connection and its lease. Needs a tokio runtime.
    pub fn hanging_up(mut self, connection: HangUp, patience: Duration) -> Transfer {
        self.connection = Some((connection, patience));
        self
    }

    /// Begins to look after the connection. A body of one block needs no such look: it is handed over in one go.
    fn watch(&mut self) {
        let Some((connection, patience)) = self.connection.take() else { return };
        let revoked = turned_true(self.revoked.clone());
        let stalled = no_longer_counts(Arc::clone(&self.asked), patience);
        let waiting = tokio::spawn(async move {
            tokio::select! {
                () = revoked => {}
                () = stalled => {}
            }
            connection.ask();
        });
        self.hang_up = Some(waiting.abort_handle());
    }

    /// Waits for its turns, where there are caps.
    pub fn paced(mut self, turns: Option<Turns>) -> Transfer {
        self.turns = turns;
        self
    }

    /// How many of these bytes may be read and sent now.
    fn poll_turn(&mut self, cx: &mut Context<'_>, left_bytes: u64) -> Poll<u64> {
        match &mut self.turns {
            None => Poll::Ready(left_bytes),
            Some(turns) => turns.poll(cx, self.sent_bytes, left_bytes),
        }
    }

    fn poll_cancelled(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        ready!(self.cancelled.as_mut().poll(cx));
        self.end(Finished::Cancelled);
        Poll::Ready(io::Error::other("the transfer was cancelled"))
    }

    pub(super) fn end(&mut self, how: Finished) {
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

/// Ends once the count stays what it was from one look to the next.
async fn no_longer_counts(count: Arc<AtomicU64>, between_looks: Duration) {
    let mut before = None;
    loop {
        let now = count.load(Ordering::Relaxed);
        if before == Some(now) {
            return;
        }
        before = Some(now);
        tokio::time::sleep(between_looks).await;
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

/// The ranges of `pieces` must lie inside the source. A source that meanwhile became another ends the body with an error,
/// so that the connection breaks and nobody takes the part for the whole.
pub(super) fn pieces_body(source: Source, pieces: VecDeque<Piece>, mut transfer: Transfer) -> Body {
    let left_bytes: u64 = pieces.iter().map(Piece::bytes).sum();
    if left_bytes > BLOCK_BYTES as u64 {
        transfer.watch();
    }
    let source = match source {
        Source::File(file) => {
            if left_bytes > BLOCK_BYTES as u64 {
                // Only a hint: a file system that cannot read ahead still reads.
                let _ = rustix::fs::fadvise(&file, 0, None, Advice::Sequential);
            }
            Open::File(OpenFile { file: Arc::new(file), reading: None })
        }
        Source::Zip(reader) => Open::Zip(OpenZip { reader: Some(reader), reading: None }),
    };
    let mut body = PiecesBody { source, pieces, left_bytes, spare: Spare::default(), transfer };
    body.skip_empty();
    Body::new(body)
}

pub(super) enum Piece {
    Text(Bytes),
    Part(Range<u64>),
}

impl Piece {
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Piece::Text(text) => text.len() as u64,
            Piece::Part(range) => range.end.saturating_sub(range.start),
        }
    }
}

/// Blocks given out, whose memory is used again once the connection let go of them.
#[derive(Default)]
struct Spare(VecDeque<Bytes>);

impl Spare {
    fn buffer(&mut self, wanted_bytes: u64) -> Vec<u8> {
        let mut buffer = match self.0.front() {
            Some(block) if block.is_unique() => self.0.pop_front().map(Vec::from).unwrap_or_default(),
            _ => Vec::new(),
        };
        buffer.resize(wanted_bytes.min(BLOCK_BYTES as u64) as usize, 0);
        buffer
    }

    fn keep(&mut self, block: Bytes) {
        self.0.push_back(block);
        // The connection holds one block while it asks for the next.
        if self.0.len() > 2 {
            self.0.pop_front();
        }
    }
}

enum Open {
    File(OpenFile),
    Zip(OpenZip),
}

struct OpenFile {
    file: Arc<File>,
    reading: Option<JoinHandle<io::Result<Vec<u8>>>>,
}

impl OpenFile {
    /// The beginning of a range, without waiting if its pages are in memory.
    fn poll_block(&mut self, range: Range<u64>, spare: &mut Spare, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if self.reading.is_none() {
            let mut buffer = spare.buffer(range.end - range.start);
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
                file.read_exact_at(&mut buffer, range.start).map_err(|cause| match cause.kind() {
                    io::ErrorKind::UnexpectedEof => shrunk(),
                    _ => cause,
                })?;
                Ok(buffer)
            }));
        }
        let Some(reading) = self.reading.as_mut() else { return Poll::Pending };
        let block = ready!(Pin::new(reading).poll(cx)).map_err(io::Error::other).flatten();
        self.reading = None;
        Poll::Ready(block.map(Bytes::from))
    }
}

fn shrunk() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was sent")
}

type ZipBlock = (Box<Reader>, io::Result<Vec<u8>>);

struct OpenZip {
    /// Here or, while it reads, on a blocking thread.
    reader: Option<Box<Reader>>,
    reading: Option<JoinHandle<ZipBlock>>,
}

impl OpenZip {
    /// The beginning of a range, or none of it yet.
    fn poll_block(&mut self, range: Range<u64>, spare: &mut Spare, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        self.read_ahead(range, spare);
        let Some(reading) = self.reading.as_mut() else {
            return Poll::Ready(Err(io::Error::other("the archive broke off")));
        };
        let done = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        let (reader, block) = done.map_err(io::Error::other)?;
        // One that failed is not asked again.
        let block = block?;
        self.reader = Some(reader);
        Poll::Ready(Ok(Bytes::from(block)))
    }

    /// Starts on a block, so that the disk works while the connection sends.
    fn read_ahead(&mut self, range: Range<u64>, spare: &mut Spare) {
        if self.reading.is_none()
            && let Some(mut reader) = self.reader.take()
        {
            let mut buffer = spare.buffer(range.end - range.start);
            self.reading = Some(tokio::task::spawn_blocking(move || {
                let filled = reader.fill(range, &mut buffer);
                let block = filled.map(|count| {
                    buffer.truncate(count);
                    buffer
                });
                (reader, block)
            }));
        }
    }
}

struct PiecesBody {
    source: Open,
    pieces: VecDeque<Piece>,
    left_bytes: u64,
    spare: Spare,
    transfer: Transfer,
}

impl PiecesBody {
    fn skip_empty(&mut self) {
        while self.pieces.front().is_some_and(|piece| piece.bytes() == 0) {
            self.pieces.pop_front();
        }
        if self.pieces.is_empty() {
            self.transfer.end(Finished::Whole);
        }
    }

    /// The next block of the piece in front. An empty one means "not yet": the same is to be asked again.
    fn poll_block(&mut self, may_bytes: u64, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let range = match self.pieces.front() {
            Some(Piece::Part(range)) => range.start..range.end.min(range.start.saturating_add(may_bytes)),
            Some(Piece::Text(text)) => return Poll::Ready(Ok(text.clone())),
            None => return Poll::Ready(Ok(Bytes::new())),
        };
        match &mut self.source {
            Open::File(file) => file.poll_block(range, &mut self.spare, cx),
            Open::Zip(zip) => zip.poll_block(range, &mut self.spare, cx),
        }
    }

    fn given(&mut self, block: &Bytes) {
        let count = block.len() as u64;
        match self.pieces.front_mut() {
            Some(Piece::Part(range)) => {
                range.start += count;
                self.spare.keep(block.clone());
            }
            _ => _ = self.pieces.pop_front(),
        }
        self.left_bytes -= count;
        self.transfer.sent_bytes += count;
        self.skip_empty();
        if let (Open::Zip(zip), Some(Piece::Part(range))) = (&mut self.source, self.pieces.front()) {
            zip.read_ahead(range.clone(), &mut self.spare);
        }
    }
}

impl hyper::body::Body for PiecesBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        while !this.pieces.is_empty() {
            if let Poll::Ready(cause) = this.transfer.poll_cancelled(cx) {
                return Poll::Ready(Some(Err(cause)));
            }
            let may_bytes = ready!(this.transfer.poll_turn(cx, this.left_bytes.min(BLOCK_BYTES as u64)));
            match ready!(this.poll_block(may_bytes, cx)) {
                Ok(block) if block.is_empty() => {}
                Ok(block) => {
                    this.given(&block);
                    return Poll::Ready(Some(Ok(Frame::data(block))));
                }
                Err(cause) => {
                    this.transfer.end(Finished::Broken);
                    return Poll::Ready(Some(Err(cause)));
                }
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left_bytes)
    }
}
