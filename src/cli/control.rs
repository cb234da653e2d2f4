//! The control socket: how commands reach the server that runs on a data folder.
//!
//! `control.sock` in the data folder, for its owner only. A command sends one line of JSON, an [`Order`]; lines of
//! [`Message`] come back, the last of which is `Done` or `Failed`.

use std::fs::File;
use std::future::Future;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::unbounded_channel;

use super::order::{self, Order, Progress, Reply};
use crate::App;

const SOCKET: &str = "control.sock";
const LONGEST_ORDER_BYTES: u64 = 1024 * 1024;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Message {
    Progress(Progress),
    /// `base` is what links begin with.
    Done {
        base: String,
        reply: Box<Reply>,
    },
    Failed(String),
}

/// A folder open so that a socket in it can be named, however long the folder's own path is: addresses of sockets hold
/// 107 bytes.
struct Folder {
    handle: File,
}

impl Folder {
    fn open(data: &Path) -> std::io::Result<Folder> {
        Ok(Folder { handle: File::open(data)? })
    }

    fn socket(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", self.handle.as_raw_fd()))
    }
}

/// The server that runs on a data folder.
pub struct Server {
    stream: UnixStream,
}

impl Server {
    /// `None` when none runs there.
    pub fn find(data: &Path) -> anyhow::Result<Option<Server>> {
        let folder = match Folder::open(data) {
            Ok(folder) => folder,
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(cause).with_context(|| format!("cannot open {}", data.display())),
        };
        match UnixStream::connect(folder.socket()) {
            Ok(stream) => Ok(Some(Server { stream })),
            // A file without a listener is what a killed server left behind.
            Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(None),
            Err(cause) => Err(cause).with_context(|| format!("cannot reach the server of {}", data.display())),
        }
    }

    /// Has the order carried out there. Answers what links begin with, and the reply.
    pub fn run(mut self, order: &Order, progress: impl Fn(Progress)) -> anyhow::Result<(String, Reply)> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        self.stream.write_all(&line)?;
        for line in BufReader::new(self.stream).lines() {
            let message = serde_json::from_str(&line?).context("the server speaks another version of Openshelf")?;
            match message {
                Message::Progress(now) => progress(now),
                Message::Done { base, reply } => return Ok((base, *reply)),
                Message::Failed(why) => bail!(why),
            }
        }
        bail!("the server went away; its log says why");
    }
}

/// The one claim on a data folder: whoever holds it may serve from there.
pub struct Claim {
    folder: Folder,
}

impl Claim {
    /// Fails when a server runs there.
    pub fn new(data: &Path) -> anyhow::Result<Claim> {
        let folder = Folder::open(data).with_context(|| format!("cannot open {}", data.display()))?;
        let taken = match flock(&folder.handle, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => true,
            // Not every file system has locks on folders; the socket tells as well.
            Ok(()) | Err(_) => UnixStream::connect(folder.socket()).is_ok(),
        };
        if taken {
            let url = Server::find(data)?.and_then(|server| server.run(&Order::Status, |_| ()).ok());
            let at = url.map(|(base, _)| format!(" at {base}")).unwrap_or_default();
            bail!("a server runs on {} already{at}", data.display());
        }
        Ok(Claim { folder })
    }

    /// Listens for orders. Needs the async runtime.
    pub fn listen(self) -> anyhow::Result<Control> {
        let path = self.folder.socket();
        if let Err(cause) = std::fs::remove_file(&path)
            && cause.kind() != ErrorKind::NotFound
        {
            return Err(cause).context("cannot replace the control socket of a server that is gone");
        }
        let listener = tokio::net::UnixListener::bind(&path).context("cannot make the control socket")?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Control { listener, claim: self })
    }
}

pub struct Control {
    listener: tokio::net::UnixListener,
    claim: Claim,
}

impl Control {
    /// Carries out orders for as long as it is polled.
    pub async fn serve(&self, app: Arc<App>, base: String) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let answer = answer(Arc::clone(&app), base.clone(), stream);
                    tokio::spawn(async move {
                        if let Err(cause) = answer.await {
                            tracing::debug!(%cause, "a command went away");
                        }
                    });
                }
                Err(cause) => {
                    tracing::warn!(%cause, "control socket");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.claim.folder.socket());
    }
}

async fn answer(app: Arc<App>, base: String, stream: tokio::net::UnixStream) -> anyhow::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    tokio::io::BufReader::new(reader.take(LONGEST_ORDER_BYTES)).read_line(&mut line).await?;
    let order = match serde_json::from_str(&line) {
        Ok(order) => order,
        Err(_) => {
            let why = "the server speaks another version of Openshelf".to_owned();
            return send(&mut writer, &Message::Failed(why)).await;
        }
    };
    let (tell, mut told) = unbounded_channel();
    let progress = move |now| {
        // Nobody listens any more: the order is carried out all the same.
        let _ = tell.send(now);
    };
    let mut outcome = Box::pin(order::run(&app, order, progress));
    let mut listening = true;
    let outcome = loop {
        tokio::select! {
            outcome = &mut outcome => break outcome,
            Some(now) = told.recv(), if listening => listening = send(&mut writer, &Message::Progress(now)).await.is_ok(),
        }
    };
    let last = match outcome {
        Ok(reply) => Message::Done { base, reply: Box::new(reply) },
        Err(error) => {
            crate::http::log_internal("command", &error);
            Message::Failed(error.to_string())
        }
    };
    send(&mut writer, &last).await
}

fn send<'a>(
    writer: &'a mut tokio::net::unix::OwnedWriteHalf,
    message: &Message,
) -> impl Future<Output = anyhow::Result<()>> + use<'a> {
    let line = serde_json::to_vec(message);
    async move {
        let mut line = line?;
        line.push(b'\n');
        Ok(writer.write_all(&line).await?)
    }
}
