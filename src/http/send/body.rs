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
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};
use rustix::fs::Advice;
use rustix::io::{Errno, ReadWriteFlags};
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinHandle};

use crate::error::Result;
use crate::media::zip::{Segment, ZipPlan};

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
    hang_up: Option<AbortHandle>,
    pub(super) sent_bytes: u64,
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

    pub(super) fn poll_cancelled(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
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

impl Drop for Transfer {
    fn drop(&mut self) {
        if let Some(waiting) = &self.hang_up {
            waiting.abort();
        }
        let how = if *self.revoked.borrow() { Finished::Cancelled } else { Finished::Broken };
        self.end(how);
    }
}

/// The ranges of `pieces` must lie inside the file. A file that meanwhile became shorter ends the body with an error, so
/// that the connection breaks and nobody takes the part for the whole.
pub(super) fn pieces_body(file: File, pieces: VecDeque<Piece>, transfer: Transfer) -> Body {
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

pub(super) enum Piece {
    Text(Bytes),
    File(Range<u64>),
}

impl Piece {
    pub(super) fn bytes(&self) -> u64 {
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
