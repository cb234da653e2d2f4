//! An answer whose content is still being made: what there is of it goes out at once, the rest as it comes.

use std::future::poll_fn;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::task::Poll;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Method, header};
use axum::response::Response;
use futures_util::stream::{empty, unfold};
use rustix::io::ReadWriteFlags;

use super::body::{BLOCK_BYTES, Finished, Transfer};
use super::{Disposition, safe_headers};
use crate::blob::cache::{Growing, Progress};

/// Without a length, unless one is promised: then content that is shorter ends in zeros, and what is longer is cut.
pub fn respond_growing(
    method: &Method,
    growing: Arc<Growing>,
    name: &str,
    mime: &str,
    promised_bytes: Option<u64>,
    mut transfer: Transfer,
) -> Response {
    let mut headers = safe_headers(name, mime, Disposition::Inline);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
    if let Some(bytes) = promised_bytes {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    }
    let body = if method == Method::HEAD {
        transfer.end(Finished::Unsent);
        // A body that is known to be empty would say that the content is.
        Body::from_stream(empty::<io::Result<Bytes>>())
    } else {
        transfer.watch();
        let reading = Reading { growing, at: 0, promised_bytes, transfer };
        Body::from_stream(unfold(Some(reading), next))
    };
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    response
}

struct Reading {
    growing: Arc<Growing>,
    at: u64,
    promised_bytes: Option<u64>,
    transfer: Transfer,
}

async fn next(reading: Option<Reading>) -> Option<(io::Result<Bytes>, Option<Reading>)> {
    let mut reading = reading?;
    match reading.block().await {
        Ok(Some(block)) => {
            reading.at += block.len() as u64;
            reading.transfer.sent_bytes = reading.at;
            Some((Ok(block), Some(reading)))
        }
        Ok(None) => {
            reading.transfer.end(Finished::Whole);
            None
        }
        Err(cause) => {
            reading.transfer.end(Finished::Broken);
            Some((Err(cause), None))
        }
    }
}

impl Reading {
    async fn block(&mut self) -> io::Result<Option<Bytes>> {
        let left = self.promised_bytes.map_or(u64::MAX, |promised| promised.saturating_sub(self.at));
        let progress = tokio::select! {
            biased;
            cause = poll_fn(|cx| self.transfer.poll_cancelled(cx)) => return Err(cause),
            progress = self.growing.beyond(self.at) => progress,
        };
        let there = match progress {
            _ if left == 0 => return Ok(None),
            Progress::Growing { bytes } | Progress::Whole { bytes } => bytes - self.at,
            Progress::Failed(error) => return Err(io::Error::other(error)),
        };
        let most = left.min(BLOCK_BYTES as u64);
        let most = match (there, self.promised_bytes) {
            (0, None) => return Ok(None),
            (0, Some(_)) => most,
            _ => most.min(there),
        };
        let turn = poll_fn(|cx| match self.transfer.poll_cancelled(cx) {
            Poll::Ready(cause) => Poll::Ready(Err(cause)),
            Poll::Pending => self.transfer.poll_turn(cx, most).map(Ok),
        });
        let turn = turn.await?;
        let length = most.min(turn) as usize;
        if there == 0 { Ok(Some(Bytes::from(vec![0; length]))) } else { self.read(length).await.map(Some) }
    }

    async fn read(&mut self, length: usize) -> io::Result<Bytes> {
        let mut buffer = vec![0; length];
        let slices = &mut [io::IoSliceMut::new(&mut buffer)];
        if let Ok(count @ 1..) = rustix::io::preadv2(&**self.growing.file(), slices, self.at, ReadWriteFlags::NOWAIT) {
            buffer.truncate(count);
            return Ok(Bytes::from(buffer));
        }
        let (file, at) = (Arc::clone(self.growing.file()), self.at);
        let read = tokio::task::spawn_blocking(move || file.read_exact_at(&mut buffer, at).map(|()| buffer));
        read.await.map_err(io::Error::other)?.map(Bytes::from)
    }
}
