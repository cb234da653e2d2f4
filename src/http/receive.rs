//! Bodies on their way in.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};

/// A body that breaks off when nothing of it comes for too long.
pub struct Unstalled {
    body: Body,
    patience: Duration,
    /// Set while somebody waits.
    limit: Option<Pin<Box<Sleep>>>,
}

impl Unstalled {
    pub fn new(body: Body, patience: Duration) -> Unstalled {
        Unstalled { body, patience, limit: None }
    }
}

impl hyper::body::Body for Unstalled {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.limit = None;
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
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_body_that_stalls_breaks_off_after_what_came() {
        let begun = stream::iter([Ok::<_, io::Error>("first"), Ok("second")]);
        let stalls = Body::from_stream(begun.chain(stream::pending()));
        let mut stalls = Unstalled::new(stalls, Duration::from_millis(1));
        for expected in ["first", "second"] {
            assert_eq!(stalls.frame().await.unwrap().unwrap().into_data().unwrap(), expected);
        }
        assert!(stalls.frame().await.unwrap().is_err());

        let whole = Unstalled::new(Body::from("whole"), Duration::from_secs(3600));
        assert_eq!(hyper::body::Body::size_hint(&whole).exact(), Some(5), "what was declared is still known");
        assert_eq!(whole.collect().await.unwrap().to_bytes(), "whole");
    }
}
