//! The accept loop: time limits on slow openers, and a drain that lets running answers finish.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::ServiceExt;

use super::address::Connection;
use super::send::HangUp;

/// A client that has not sent a whole request head by then is let go; idle connections likewise.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
const HEAD_LIMIT_BYTES: usize = 64 * 1024;
const CONNECTIONS: usize = 4096;
/// How long running answers may take to finish once the server is asked to stop.
const DRAIN: Duration = Duration::from_secs(20);

/// Serves until `stop` comes, then drains.
pub async fn serve(router: Router, listener: TcpListener, stop: impl Future<Output = ()>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let permit = Arc::clone(&room).acquire_owned();
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = async { (permit.await, listener.accept().await) } => accepted,
        };
        let (Ok(permit), Ok((stream, peer))) = accepted else {
            // Out of file descriptors, most likely: accepting again at once would only spin.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(local) = stream.local_addr() else { continue };
        let _ = stream.set_nodelay(true);
        let connection = Connection { peer, local };
        let router = router.clone();
        let hang_up = HangUp::default();
        let asked = hang_up.clone();
        let service = hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(connection);
            request.extensions_mut().insert(hang_up.clone());
            router.clone().oneshot(request.map(axum::body::Body::new))
        });
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_LIMIT_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        let served = graceful.watch(served);
        tokio::spawn(async move {
            tokio::select! {
                ended = served => if let Err(cause) = ended {
                    tracing::debug!(%cause, "connection ended");
                },
                () = asked.asked() => {}
            }
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some answers were still running at the end of the drain");
    }
}
