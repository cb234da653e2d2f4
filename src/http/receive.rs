//! Bodies on their way in.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

/// How long a client may go on sending what nobody will read.
const LINGER: Duration = Duration::from_secs(10);

/// A body that breaks off when nothing of it comes for too long, and whose rest is taken in when nobody wants it.
///
/// A client that is answered in the middle of its body mostly reads the answer when it has sent all. A connection that is
/// closed before takes the answer with it, and a browser shows a broken connection instead of the reason
/// (`tests/uploads.rs: a_refusal_reaches_a_client_that_goes_on_sending`).
pub struct Received {
    body: Body,
    patience: Duration,
    /// Set while somebody waits.
    limit: Option<Pin<Box<Sleep>>>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The client sends nothing until it is asked to (`Expect: 100-continue`).
    HeldBack,
    Coming,
    Ended,
}

impl Received {
    pub fn new(headers: &HeaderMap, body: Body, patience: Duration) -> Received {
        let state = if headers.contains_key(header::EXPECT) { State::HeldBack } else { State::Coming };
        Received { body, patience, limit: None, state }
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if self.state != State::Coming || self.body.is_end_stream() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let mut rest = std::mem::take(&mut self.body);
        runtime.spawn(tokio::time::timeout(LINGER, async move { while let Some(Ok(_)) = rest.frame().await {} }));
    }
}

impl hyper::body::Body for Received {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        this.state = State::Coming;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.limit = None;
            if !matches!(frame, Some(Ok(_))) {
                this.state = State::Ended;
            }
            return Poll::Ready(frame);
        }
        let until = || Box::pin(tokio::time::sleep_until(Instant::now() + this.patience));
        let limit = this.limit.get_or_insert_with(until);
        match limit.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Some(Err(axum::Error::new(io::Error::from(io::ErrorKind::TimedOut))))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};

    use super::*;

    #[tokio::test]
    async fn a_body_that_stalls_breaks_off_after_what_came() {
        let begun = stream::iter([Ok::<_, io::Error>("first"), Ok("second")]);
        let stalls = Body::from_stream(begun.chain(stream::pending()));
        let mut stalls = Received::new(&HeaderMap::new(), stalls, Duration::from_millis(1));
        for expected in ["first", "second"] {
            assert_eq!(stalls.frame().await.unwrap().unwrap().into_data().unwrap(), expected);
        }
        assert!(stalls.frame().await.unwrap().is_err());

        let whole = Received::new(&HeaderMap::new(), Body::from("whole"), Duration::from_secs(3600));
        assert_eq!(hyper::body::Body::size_hint(&whole).exact(), Some(5), "what was declared is still known");
        assert_eq!(whole.collect().await.unwrap().to_bytes(), "whole");
    }
}
