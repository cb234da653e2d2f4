//! mpv, as a player on this machine's own speakers: one that idles, and is told by JSON lines what to do.
//!
//! The lines go over a pair of sockets, one end of which is its standard input, so there is no address that others could
//! reach. It quits when the other end closes: with its [`Player`], and when the server dies without a word. It sees open
//! files alone, and opens only formats that hold their own content.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::ffmpeg::FORMATS;
use crate::error::{Error, Result};

/// It answers at once, or hangs.
const PATIENCE: Duration = Duration::from_secs(5);
const LINE_BYTES_MAX: u64 = 1024 * 1024;
/// What programs need to find where sound goes; nothing else of the server's environment.
const ENVIRONMENT: [&str; 6] =
    ["HOME", "XDG_RUNTIME_DIR", "PULSE_SERVER", "PULSE_RUNTIME_PATH", "PIPEWIRE_REMOTE", "DBUS_SESSION_BUS_ADDRESS"];

/// What it tells without being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A file came to its end, or could not be played on.
    Ended(Loaded),
    /// It is gone.
    Quit,
}

/// One time that a file was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded(i64);

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Result<Value>>>>>;

pub struct Player {
    _process: Child,
    out: OwnedWriteHalf,
    waiting: Waiting,
    asked: u64,
}

impl Player {
    /// Starts it. `output` is one of its audio outputs, unless it may choose.
    pub fn start(program: &Path, output: Option<&str>) -> Result<(Player, mpsc::UnboundedReceiver<Event>)> {
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new(program);
        command
            .args(["--idle=yes", "--input-ipc-client=fd://0", "--no-config", "--no-terminal", "--no-video"])
            .args(["--load-scripts=no", "--ytdl=no", "--autoload-files=no", "--access-references=no"])
            .args(["--load-unsafe-playlists=no", "--audio-client-name=Openshelf", "--volume-max=100"])
            .args(["--demuxer=lavf", "--demuxer-lavf-o-append=protocol_whitelist=file,pipe"])
            .arg(format!("--demuxer-lavf-o-append=format_whitelist={}", FORMATS.replace(' ', "")))
            .args(output.map(|output| format!("--ao={output}")))
            .env_clear()
            .envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
        let process = command.spawn().map_err(|cause| Error::internal("mpv", cause))?;
        let (read, out) = UnixStream::from_std(ours)?.into_split();
        let (tell, events) = mpsc::unbounded_channel();
        let waiting = Waiting::default();
        tokio::spawn(listen(read, Arc::clone(&waiting), tell));
        Ok((Player { _process: process, out, waiting, asked: 0 }, events))
    }

    /// Plays a file from this second on. The file must stay open for as long as it plays.
    pub async fn load(&mut self, file: &File, start_s: u32) -> Result<Loaded> {
        let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
        self.pause(Pause::Off).await?;
        let options = json!({"start": start_s.to_string()});
        let load = json!({"name": "loadfile", "url": path, "flags": "replace", "options": options});
        let loaded = self.ask(load).await?;
        loaded["playlist_entry_id"].as_i64().map(Loaded).ok_or_else(|| Error::internal("mpv", "it names no entry"))
    }

    pub async fn unload(&mut self) -> Result<()> {
        self.ask(json!(["stop"])).await.map(drop)
    }

    pub async fn pause(&mut self, pause: Pause) -> Result<()> {
        self.ask(json!(["set_property", "pause", pause == Pause::On])).await.map(drop)
    }

    /// From 0 to 1.
    pub async fn set_gain(&mut self, gain: f64) -> Result<()> {
        self.ask(json!(["set_property", "volume", gain * 100.0])).await.map(drop)
    }

    /// 0 where nothing plays.
    pub async fn position_s(&mut self) -> u32 {
        let position = self.ask(json!(["get_property", "time-pos"])).await;
        position.ok().and_then(|seconds| seconds.as_f64()).map_or(0, |seconds| seconds.max(0.0) as u32)
    }

    async fn ask(&mut self, command: Value) -> Result<Value> {
        self.asked += 1;
        let (tell, told) = oneshot::channel();
        let id = self.asked;
        lock(&self.waiting).insert(id, tell);
        let line = format!("{}\n", json!({"command": command, "request_id": id, "async": false}));
        let asked = async {
            self.out.write_all(line.as_bytes()).await?;
            told.await.map_err(|_| Error::internal("mpv", "it is gone"))?
        };
        let answer = timeout(PATIENCE, asked).await;
        lock(&self.waiting).remove(&id);
        answer.unwrap_or_else(|_| Err(Error::internal("mpv", "it does not answer")))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    On,
    Off,
}

fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<Result<Value>>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Deserialize)]
struct Message {
    request_id: Option<u64>,
    error: Option<String>,
    #[serde(default)]
    data: Value,
    event: Option<String>,
    reason: Option<String>,
    playlist_entry_id: Option<i64>,
}

async fn listen(read: OwnedReadHalf, waiting: Waiting, tell: mpsc::UnboundedSender<Event>) {
    let mut read = BufReader::new(read);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut read).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => break,
        }
        let Ok(message) = serde_json::from_slice::<Message>(&line) else { continue };
        match message {
            Message { event: None, request_id: Some(id), error, data, .. } => {
                let Some(asker) = lock(&waiting).remove(&id) else { continue };
                let answer = match error.as_deref() {
                    None | Some("success") => Ok(data),
                    Some(why) => Err(Error::internal("mpv", why)),
                };
                let _ = asker.send(answer);
            }
            Message { event: Some(event), reason, playlist_entry_id: Some(entry), .. } if event == "end-file" => {
                // A file that is stopped or replaced ends by our own word.
                if matches!(reason.as_deref(), Some("eof" | "error" | "unknown")) {
                    let _ = tell.send(Event::Ended(Loaded(entry)));
                }
            }
            _ => {}
        }
    }
    lock(&waiting).clear();
    let _ = tell.send(Event::Quit);
}
