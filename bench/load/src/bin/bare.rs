//! Servers without a purpose, to tell what the parts cost that Openshelf is made of: axum on the same accept loop.
//!
//! `bare bytes FILE TYPE` answers any request with the content of FILE from memory; `bare folder DIR` is tower-http's
//! `ServeDir`. Both print their address, on a free port, once they listen.

use std::time::Duration;

use anyhow::{Context, bail};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, header};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tower::ServiceExt;
use tower_http::services::ServeDir;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let router = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["bytes", file, kind] => same_bytes(std::fs::read(file).with_context(|| format!("cannot read {file}"))?, kind)?,
        ["folder", folder] => Router::new().fallback_service(ServeDir::new(folder)),
        _ => bail!("bare bytes FILE TYPE, or bare folder DIR"),
    };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(router))
}

fn same_bytes(bytes: Vec<u8>, kind: &str) -> anyhow::Result<Router> {
    let (bytes, kind) = (Bytes::from(bytes), HeaderValue::from_str(kind)?);
    let answer = move || {
        let mut response = Response::new(Body::from(bytes.clone()));
        response.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
        std::future::ready(response)
    };
    Ok(Router::new().fallback(answer))
}

/// The settings of Openshelf's own accept loop.
async fn serve(router: Router) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("Listening on http://{}", listener.local_addr()?);
    let graceful = GracefulShutdown::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let router = router.clone();
        let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            router.clone().oneshot(request.map(Body::new))
        });
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(30))
            .max_buf_size(64 * 1024)
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(graceful.watch(served));
    }
}
