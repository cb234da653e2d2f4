//! Foreign programs that read other people's files: how one is started, held to its limits, and ended.
//!
//! A program gets the opened file as its standard input and writes to a pipe of ours. It sees no name, no environment and
//! no shell; its arguments come from this crate alone. It dies with its [`Child`], and when the server dies without a
//! word, at the next write to a pipe that nobody reads, or when its processor time is used up.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, prlimit, setpriority_process};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

/// The file that a program was given, by a path that it can open again and seek in.
pub const INPUT: &str = "/proc/self/fd/0";
/// How much of what a program says of its failure is kept.
const SAID_BYTES: usize = 2000;
const BLOCK_BYTES: usize = 64 * 1024;
/// Behind those who serve: a transcode must not slow the bytes that need none.
const NICENESS: i32 = 10;

/// The foreign programs that are on this machine, by their full paths.
#[derive(Debug, Clone, Default)]
pub struct Programs {
    pub ffmpeg: Option<PathBuf>,
    pub ffprobe: Option<PathBuf>,
    pub pdftoppm: Option<PathBuf>,
    pub pdftotext: Option<PathBuf>,
    pub mpv: Option<PathBuf>,
}

impl Programs {
    /// Looks for them where the system looks for programs.
    pub fn find() -> Programs {
        let folders: Vec<PathBuf> =
            std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
        let find = |name: &str| folders.iter().map(|folder| folder.join(name)).find(|path| is_program(path));
        Programs {
            ffmpeg: find("ffmpeg"),
            ffprobe: find("ffprobe"),
            pdftoppm: find("pdftoppm"),
            pdftotext: find("pdftotext"),
            mpv: find("mpv"),
        }
    }
}

fn is_program(path: &Path) -> bool {
    path.is_absolute() && path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// What a program may use before it is ended.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub processor_s: u64,
    pub clock: Duration,
    pub memory_bytes: u64,
}

/// Why a program made nothing: for the log, and nobody else.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{program}: {why}")]
pub struct Failure {
    program: String,
    why: String,
}

type Result<T, E = Failure> = std::result::Result<T, E>;

/// A running program. Dropping it kills it.
pub struct Child {
    name: String,
    process: tokio::process::Child,
    output: ChildStdout,
    said: JoinHandle<String>,
    deadline: Instant,
}

impl Child {
    /// Starts `program` on a file. Needs a tokio runtime.
    pub fn start(program: &Path, arguments: &[String], input: File, limits: Limits) -> Result<Child> {
        let name = program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut process = Command::new(program)
            .args(arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(input))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|cause| failure(&name, cause))?;
        let broken = || failure(&name, "it has no pipe");
        let output = process.stdout.take().ok_or_else(broken)?;
        let said = tokio::spawn(tail(process.stderr.take().ok_or_else(broken)?));
        let child = Child { name, process, output, said, deadline: Instant::now() + limits.clock };
        child.limit(limits)?;
        Ok(child)
    }

    /// From outside, as nothing may run between fork and exec without unsafe code. Until then it has only begun to load.
    fn limit(&self, limits: Limits) -> Result<()> {
        let Some(pid) = self.pid() else { return Ok(()) };
        let set = |resource, most| prlimit(Some(pid), resource, Rlimit { current: Some(most), maximum: Some(most) });
        set(Resource::Cpu, limits.processor_s)
            .and_then(|_| set(Resource::As, limits.memory_bytes))
            .and_then(|_| set(Resource::Core, 0))
            .and_then(|_| set(Resource::Fsize, 0))
            .map_err(|cause| self.failure(cause))?;
        let _ = setpriority_process(Some(pid), NICENESS);
        Ok(())
    }

    fn failure(&self, why: impl std::fmt::Display) -> Failure {
        failure(&self.name, why)
    }

    /// None once it ended and was waited for: its number may be another's by then.
    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.process.id()?).ok()?)
    }

    /// The next bytes of its output; none at the end, which is not yet to say that it went well: see [`Child::end`].
    pub async fn read(&mut self) -> Result<Option<Vec<u8>>> {
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        match timeout_at(self.deadline, self.output.read_buf(&mut block)).await {
            Ok(Ok(0)) => Ok(None),
            Ok(Ok(_)) => Ok(Some(block)),
            Ok(Err(cause)) => Err(self.failure(cause)),
            Err(_) => Err(self.failure("it took too long")),
        }
    }

    /// All of its output, up to `most_bytes`, and its good end.
    pub async fn read_all(mut self, most_bytes: usize) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(block) = self.read().await? {
            if all.len() + block.len() > most_bytes {
                return Err(self.failure("it wrote too much"));
            }
            all.extend_from_slice(&block);
        }
        self.end().await?;
        Ok(all)
    }

    /// Waits for its end; one that is not a success is an error, with the last that the program said.
    pub async fn end(mut self) -> Result<()> {
        let ended = timeout_at(self.deadline, self.process.wait()).await;
        match ended {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => {
                let said = (&mut self.said).await.unwrap_or_default();
                Err(self.failure(format!("{status}: {}", said.trim())))
            }
            Ok(Err(cause)) => Err(self.failure(cause)),
            Err(_) => Err(self.failure("it took too long")),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        self.said.abort();
    }
}

/// What a program of FFmpeg's calls its version.
pub async fn version(program: &Path) -> Result<String> {
    const LIMITS: Limits = Limits { processor_s: 5, clock: Duration::from_secs(5), memory_bytes: 1 << 30 };
    let (nothing, _) = std::io::pipe().map_err(|cause| failure("a pipe", cause))?;
    let nothing = File::from(OwnedFd::from(nothing));
    let said = Child::start(program, &["-version".to_owned()], nothing, LIMITS)?.read_all(64 * 1024).await?;
    // "ffmpeg version 6.1.1 Copyright …"
    let said = String::from_utf8_lossy(&said);
    let version = said.split_whitespace().skip_while(|word| *word != "version").nth(1);
    version.map(str::to_owned).ok_or_else(|| failure(&program.to_string_lossy(), "it tells no version"))
}

fn failure(program: &str, why: impl std::fmt::Display) -> Failure {
    Failure { program: program.to_owned(), why: why.to_string() }
}

async fn tail(mut stderr: impl AsyncRead + Unpin) -> String {
    let mut kept = Vec::new();
    let mut block = [0; 4096];
    while let Ok(count @ 1..) = stderr.read(&mut block).await {
        kept.extend_from_slice(&block[..count]);
        kept.drain(..kept.len().saturating_sub(SAID_BYTES));
    }
    String::from_utf8_lossy(&kept).into_owned()
}
