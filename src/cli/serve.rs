//! Serving: from an opened installation to the last answer.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use super::control::Claim;
use crate::config::Config;
use crate::store::library::Access;
use crate::work::{changes, libraries, podcasts, scrobbles, sounds, tally, tasks, texts, transfers, upload};
use crate::{App, http};

/// What guests send by a share that is revoked ends within five seconds, and leaves nothing.
const SWEEP_EVERY: Duration = Duration::from_secs(4);

/// Serves, with all that goes on behind, until `stop` comes; then drains.
pub async fn run(app: Arc<App>, listener: TcpListener, stop: impl Future<Output = ()>) {
    if let Err(cause) = upload::sweep_at_start(&app).await {
        tracing::warn!(%cause, "what uploads left behind is not swept");
    }
    if let Err(cause) = app.renditions.cache().sweep() {
        tracing::warn!(%cause, "what renditions left behind is not swept");
    }
    let mut behind = JoinSet::new();
    let renditions = Arc::clone(&app.renditions);
    behind.spawn_blocking(move || {
        if let Err(cause) = renditions.cache().keep_quota() {
            tracing::warn!(%cause, "the cache may be beyond its quota");
        }
    });
    behind.spawn(transfers::watch_revocations(Arc::clone(&app)));
    behind.spawn(transfers::tend_leases(Arc::clone(&app)));
    behind.spawn(tally::keep(Arc::clone(&app)));
    behind.spawn(sweep_uploads(Arc::clone(&app)));
    behind.spawn(changes::tend(Arc::clone(&app)));
    behind.spawn(sounds::listen(Arc::clone(&app)));
    behind.spawn(podcasts::tend(Arc::clone(&app)));
    behind.spawn(scrobbles::tend(Arc::clone(&app)));
    behind.spawn(tasks::tend(Arc::clone(&app)));
    behind.spawn(texts::tend(Arc::clone(&app)));
    // Streams of changes have no end of their own that a drain could wait for.
    let stop = async {
        stop.await;
        app.listeners.close();
    };
    http::serve::serve(http::router(Arc::clone(&app)), &app.config, listener, stop).await;
    if let Err(cause) = tally::settle(&app).await {
        tracing::warn!(%cause, "the last downloads are not counted");
    }
}

async fn sweep_uploads(app: Arc<App>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        if let Err(cause) = upload::sweep(&app).await {
            tracing::warn!(%cause, "expired uploads are not swept");
        }
    }
}

/// A server about to serve: it holds its address and its data folder.
pub struct Started {
    pub app: Arc<App>,
    /// What links begin with.
    pub base: String,
    listener: std::net::TcpListener,
    claim: Claim,
}

impl Started {
    /// Opens the installation, which a first start makes. Blocks; not for async code.
    pub fn new(config: Config, runtime: &tokio::runtime::Runtime) -> anyhow::Result<Started> {
        make_data_folder(&config.data)?;
        let claim = Claim::new(&config.data)?;
        let listen = config.listen;
        let listener = std::net::TcpListener::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
        listener.set_nonblocking(true)?;
        let base = match &config.public_url {
            Some(url) => url.clone(),
            None => format!("http://{}", reachable(listener.local_addr()?)),
        };
        let app = open(config, runtime)?;
        Ok(Started { app, base, listener, claim })
    }

    /// Serves until SIGTERM or SIGINT, and orders of other commands with it. `ready` runs once all is listening.
    pub async fn serve(self, ready: impl FnOnce()) -> anyhow::Result<()> {
        let control = self.claim.listen()?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("stopping: running answers may finish");
        };
        let listener = TcpListener::from_std(self.listener)?;
        let orders = control.serve(Arc::clone(&self.app), self.base);
        ready();
        tokio::select! {
            () = run(Arc::clone(&self.app), listener, stop) => {}
            () = orders => {}
        }
        Ok(())
    }
}

/// `openshelf serve`
pub fn serve(config: Config, folders: &[PathBuf], runtime: &tokio::runtime::Runtime) -> anyhow::Result<()> {
    let started = Started::new(config, runtime)?;
    let app = Arc::clone(&started.app);
    for folder in folders {
        let library = runtime.block_on(libraries::add_folder(&app, folder, None, Access::ReadOnly))?;
        app.scanner.request(library.key);
    }
    // Where it listens, not what links begin with: a proxy may stand in between.
    let address = reachable(started.listener.local_addr()?);
    runtime.block_on(started.serve(|| println!("Openshelf is ready on http://{address}")))?;
    close(app);
    Ok(())
}

/// Ends what is open of an installation.
pub fn close(app: Arc<App>) {
    let db = app.db.clone();
    // The scanner, which writes, goes first.
    drop(app);
    db.close();
}

/// Opens the installation; a first start makes its admin, whose made-up password is shown once, on standard error so
/// that standard output stays what scripts read.
pub fn open(config: Config, runtime: &tokio::runtime::Runtime) -> anyhow::Result<Arc<App>> {
    make_data_folder(&config.data)?;
    let app = App::open(config)?;
    if let Some(password) = runtime.block_on(libraries::first_start(&app))? {
        eprintln!("First start: user {:?}, password {password} (shown this once)", libraries::FIRST_USER);
    }
    Ok(app)
}

fn make_data_folder(data: &Path) -> anyhow::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| format!("cannot make {}", data.display()))
}

/// The address under which others reach what listens on `bound`: a listener on all addresses has none of its own.
pub fn reachable(bound: SocketAddr) -> SocketAddr {
    if !bound.ip().is_unspecified() {
        return bound;
    }
    SocketAddr::new(outgoing_address().unwrap_or(Ipv4Addr::LOCALHOST.into()), bound.port())
}

/// The address of the interface that leads to other networks. Connecting a UDP socket only picks it; nothing is sent.
fn outgoing_address() -> Option<IpAddr> {
    let towards = |from: IpAddr, to: IpAddr| {
        let socket = UdpSocket::bind((from, 0)).ok()?;
        socket.connect((to, 9)).ok()?;
        let address = socket.local_addr().ok()?.ip();
        (!address.is_unspecified()).then_some(address)
    };
    // Addresses set aside for documentation: routed like any other, reached by nobody.
    towards(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into())
        .or_else(|| towards(Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()))
}
