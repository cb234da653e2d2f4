//! The accept loop: time limits on slow openers, and a drain that lets running answers finish.

use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
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
use crate::config::Config;
use crate::share::visit::network;

/// A client that has not sent a whole request head by then is let go; idle connections likewise.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
const HEAD_LIMIT_BYTES: usize = 64 * 1024;
const CONNECTIONS: usize = 4096;
/// Of one network, so that none takes all. A proxy that is not named as trusted has to do with them too.
const CONNECTIONS_OF_ONE: usize = CONNECTIONS / 4;
/// How long running answers may take to finish once the server is asked to stop.
const DRAIN: Duration = Duration::from_secs(20);

/// How many connections each network holds.
#[derive(Default)]
struct Held(Mutex<HashMap<String, usize>>);

impl Held {
    fn take(self: &Arc<Self>, address: IpAddr, most: usize) -> Option<Holding> {
        let network = network(address);
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(network.clone()).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Holding { held: Arc::clone(self), network })
    }
}

/// Gives its place back when it is dropped.
struct Holding {
    held: Arc<Held>,
    network: String,
}

impl Drop for Holding {
    fn drop(&mut self) {
        let mut held = self.held.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.network);
            }
        }
    }
}

/// Serves until `stop` comes, then drains.
pub async fn serve(router: Router, config: &Config, listener: TcpListener, stop: impl Future<Output = ()>) {
    let held = Arc::new(Held::default());
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
        let is_proxy = config.trusts(peer.ip());
        let most = if is_proxy { CONNECTIONS } else { CONNECTIONS_OF_ONE };
        let Some(holding) = held.take(peer.ip(), most) else { continue };
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
            drop((permit, holding));
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some answers were still running at the end of the drain");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_takes_no_more_than_its_part() {
        let held = Arc::new(Held::default());
        let take = |address: &str| held.take(address.parse().unwrap(), 2);
        let first = take("2001:db8:1:2::1");
        let _second = take("2001:db8:1:2::2");
        assert!(take("2001:db8:1:2:ffff::3").is_none(), "neighbours in one /64 are one");
        assert!(take("2001:db8:1:3::1").is_some());
        drop(first);
        assert!(take("2001:db8:1:2::4").is_some());
        assert_eq!(held.0.lock().unwrap().len(), 1, "who left is forgotten");
    }
}
