//! Server-sent events: a stream of named events, for as long as somebody listens.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::stream;
use tokio::sync::mpsc::{Sender, channel};

use super::Call;
use super::send::HangUp;

/// Events that are made and not taken yet.
const WAITING: usize = 4;
/// How long a reader may take nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where events go.
pub struct Stream {
    reader: Sender<Bytes>,
    connection: Option<HangUp>,
}

/// Nobody reads any more.
#[derive(Debug)]
pub struct Gone;

impl Stream {
    /// A stream, and the answer that carries it. It ends when the stream is dropped.
    pub fn open(call: &Call) -> (Stream, Response) {
        let (reader, events) = channel(WAITING);
        let body = stream::unfold(events, async |mut events| {
            events.recv().await.map(|event| (Ok::<Bytes, Infallible>(event), events))
        });
        let mut response = Response::new(Body::from_stream(body));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        // Proxies that gather an answer before they pass it on would hold each event back.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        (Stream { reader, connection: call.parts.extensions.get().cloned() }, response)
    }

    /// Sends an event. `data` holds no line break. A reader who takes nothing for a minute is let go.
    pub async fn send(&self, name: &str, data: &str) -> Result<(), Gone> {
        let event = Bytes::from(format!("event: {name}\ndata: {data}\n\n"));
        match tokio::time::timeout(PATIENCE, self.reader.send(event)).await {
            Ok(sent) => sent.map_err(|_| Gone),
            Err(_) => {
                if let Some(connection) = &self.connection {
                    connection.ask();
                }
                Err(Gone)
            }
        }
    }

    /// Returns when the reader is gone.
    pub async fn left(&self) {
        self.reader.closed().await;
    }
}
