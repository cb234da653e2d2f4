//! The load: HTTP/1.1 over kept connections, from one thread, at the least cost, so that the server is what is measured.
//!
//! `load PLAN` reads a [`Plan`] as JSON and prints an [`Outcome`] as JSON. Bodies of answers are dropped inside the kernel
//! (`MSG_TRUNC`), bodies of requests go out by `sendfile`. An answer of another status or length than the plan says ends
//! the run with an error.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use serde::{Deserialize, Serialize};

/// What to ask of whom. The requests are asked in order, and from the first again, by whichever connection is free.
#[derive(Deserialize)]
struct Plan {
    address: SocketAddr,
    connections: usize,
    /// Ends the run, like `seconds`; whichever is there and comes first. What is under way is finished and counted.
    count: Option<u64>,
    seconds: Option<f64>,
    requests: Vec<PlannedRequest>,
    /// Hand back every single latency, by group.
    #[serde(default)]
    every_latency: bool,
}

#[derive(Deserialize)]
struct PlannedRequest {
    method: String,
    target: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<PlannedBody>,
    #[serde(default = "ok")]
    status: u16,
    /// Of the answer's body; any, if it is not given.
    bytes: Option<u64>,
    #[serde(default)]
    group: String,
}

fn ok() -> u16 {
    200
}

#[derive(Deserialize)]
#[serde(untagged)]
enum PlannedBody {
    Text { text: String },
    Part { file: PathBuf, offset: u64, bytes: u64 },
}

#[derive(Serialize)]
struct Outcome {
    requests: u64,
    /// Of bodies, both ways.
    bytes: u64,
    elapsed_s: f64,
    /// Near `elapsed_s`, it was this program that was measured.
    client_cpu_s: f64,
    reconnects: u64,
    latency: Latency,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    groups: BTreeMap<String, Vec<u32>>,
}

#[derive(Serialize)]
struct Latency {
    median_us: u32,
    p90_us: u32,
    p99_us: u32,
    most_us: u32,
}

impl Latency {
    fn of(mut all_us: Vec<u32>) -> Latency {
        all_us.sort_unstable();
        let at = |share: f64| all_us[((all_us.len() - 1) as f64 * share) as usize];
        Latency { median_us: at(0.5), p90_us: at(0.9), p99_us: at(0.99), most_us: at(1.0) }
    }
}

/// A request as it goes over the wire.
struct Request {
    head: Vec<u8>,
    part: Option<Part>,
    status: u16,
    bytes: Option<u64>,
    has_no_body: bool,
    group: String,
    shown: String,
}

struct Part {
    file: Arc<File>,
    offset: u64,
    bytes: u64,
}

impl Request {
    fn of(
        planned: PlannedRequest,
        host: SocketAddr,
        files: &mut HashMap<PathBuf, Arc<File>>,
    ) -> anyhow::Result<Request> {
        let shown = format!("{} {}", planned.method, planned.target);
        let mut head = format!("{shown} HTTP/1.1\r\nHost: {host}\r\n");
        for (name, value) in &planned.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let (text, part) = match planned.body {
            None => (String::new(), None),
            Some(PlannedBody::Text { text }) => {
                head.push_str(&format!("Content-Length: {}\r\n", text.len()));
                (text, None)
            }
            Some(PlannedBody::Part { file: path, offset, bytes }) => {
                head.push_str(&format!("Content-Length: {bytes}\r\n"));
                let file = match files.get(&path) {
                    Some(file) => Arc::clone(file),
                    None => {
                        let file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
                        Arc::clone(files.entry(path).or_insert(Arc::new(file)))
                    }
                };
                (String::new(), Some(Part { file, offset, bytes }))
            }
        };
        head.push_str("\r\n");
        head.push_str(&text);
        Ok(Request {
            head: head.into_bytes(),
            part,
            status: planned.status,
            bytes: planned.bytes,
            has_no_body: planned.method == "HEAD",
            group: planned.group,
            shown,
        })
    }
}

/// Room for a head, and for a small answer whole.
const HEAD_BYTES: usize = 64 * 1024;
/// Asked for at once where the kernel drops the bytes.
const DROP_BYTES: usize = 4 * 1024 * 1024;

struct Connection {
    stream: TcpStream,
    /// Index of the request under way.
    request: Option<usize>,
    began: Instant,
    sent_bytes: u64,
    head: Vec<u8>,
    /// Of the answer's body, as far as it is known.
    body_bytes: u64,
    awaited: Awaited,
    closes: bool,
    waits_to_send: bool,
    answers: u64,
}

impl Connection {
    fn open(address: SocketAddr) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Connection {
            stream,
            request: None,
            began: Instant::now(),
            sent_bytes: 0,
            head: Vec::with_capacity(HEAD_BYTES),
            body_bytes: 0,
            awaited: Awaited::Head,
            closes: false,
            waits_to_send: false,
            answers: 0,
        })
    }

    /// Sends what the socket takes; true once all is sent.
    fn send(&mut self, request: &Request) -> anyhow::Result<bool> {
        let head_bytes = request.head.len() as u64;
        let total_bytes = head_bytes + request.part.as_ref().map_or(0, |part| part.bytes);
        while self.sent_bytes < total_bytes {
            let sent = match &request.part {
                Some(part) if self.sent_bytes >= head_bytes => {
                    let mut offset = part.offset + (self.sent_bytes - head_bytes);
                    let left_bytes = (total_bytes - self.sent_bytes) as usize;
                    rustix::fs::sendfile(&self.stream, &part.file, Some(&mut offset), left_bytes)
                }
                part => {
                    let flags = if part.is_some() { SendFlags::MORE } else { SendFlags::empty() };
                    let head = &request.head[self.sent_bytes as usize..];
                    rustix::net::send(&self.stream, head, flags | SendFlags::NOSIGNAL)
                }
            };
            match sent {
                Ok(0) => bail!("{}: its file is too short", request.shown),
                Ok(count) => self.sent_bytes += count as u64,
                Err(Errno::AGAIN) => return Ok(false),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(io::Error::from(errno).into()),
            }
        }
        Ok(true)
    }

    /// Reads what has come.
    fn receive(&mut self, request: &Request, scratch: &mut [u8]) -> anyhow::Result<Received> {
        loop {
            let (asked, flags) = match &self.awaited {
                Awaited::Nothing => return Ok(Received::Whole),
                Awaited::Bytes(left_bytes) => ((*left_bytes).min(DROP_BYTES as u64) as usize, RecvFlags::TRUNC),
                Awaited::Head | Awaited::Chunks(_) => (HEAD_BYTES, RecvFlags::empty()),
            };
            let count = match rustix::net::recv(&self.stream, &mut scratch[..asked], flags) {
                Ok((_, 0)) if self.head.is_empty() => return Ok(Received::Closed),
                Ok((_, 0)) => bail!("{}: the answer broke off", request.shown),
                Ok((_, count)) => count,
                Err(Errno::AGAIN) => return Ok(Received::Part),
                Err(Errno::INTR) => continue,
                Err(Errno::CONNRESET) if self.head.is_empty() => return Ok(Received::Closed),
                Err(errno) => return Err(io::Error::from(errno)).context(request.shown.clone()),
            };
            match &mut self.awaited {
                Awaited::Nothing => {}
                Awaited::Bytes(left_bytes) => self.awaited = Awaited::bytes(*left_bytes - count as u64),
                Awaited::Chunks(_) => self.read_chunks(&scratch[..count])?,
                Awaited::Head => {
                    self.head.extend_from_slice(&scratch[..count]);
                    self.read_head(request)?;
                }
            }
            // Less than was asked for: the socket is empty, and asking it again would only cost a call.
            if count < asked && !matches!(self.awaited, Awaited::Nothing) {
                return Ok(Received::Part);
            }
        }
    }

    fn read_head(&mut self, request: &Request) -> anyhow::Result<()> {
        let Some(end) = self.head.windows(4).position(|four| four == b"\r\n\r\n") else {
            ensure!(self.head.len() < HEAD_BYTES, "{}: the head of the answer does not end", request.shown);
            return Ok(());
        };
        let head = String::from_utf8_lossy(&self.head[..end]);
        let mut lines = head.split("\r\n");
        let status: u16 =
            lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok()).unwrap_or(0);
        if status == 100 {
            self.head.drain(..end + 4);
            return if self.head.is_empty() { Ok(()) } else { self.read_head(request) };
        }
        if status != request.status {
            let body = String::from_utf8_lossy(&self.head[end + 4..]);
            bail!("{}: {status}, not {}: {head}\n{body}", request.shown, request.status);
        }
        let (mut length, mut is_chunked) = (matches!(status, 204 | 304).then_some(0), false);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") && !request.has_no_body {
                length = value.trim().parse().ok();
            }
            is_chunked |= name.eq_ignore_ascii_case("transfer-encoding") && value.trim().eq_ignore_ascii_case("chunked");
            self.closes |= name.eq_ignore_ascii_case("connection") && value.trim().eq_ignore_ascii_case("close");
        }
        if request.has_no_body {
            length = Some(0);
        }
        if is_chunked && length.is_none() {
            self.body_bytes = 0;
            self.awaited = Awaited::Chunks(Chunks::default());
            let begun = self.head.split_off(end + 4);
            return self.read_chunks(&begun);
        }
        let length: u64 = length.with_context(|| format!("{}: an answer without a length: {head}", request.shown))?;
        if let Some(wanted) = request.bytes {
            ensure!(length == wanted, "{}: {length} bytes, not {wanted}", request.shown);
        }
        let here = (self.head.len() - end - 4) as u64;
        ensure!(here <= length, "{}: more bytes than its length says", request.shown);
        self.body_bytes = length;
        self.awaited = Awaited::bytes(length - here);
        Ok(())
    }

    fn read_chunks(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let Awaited::Chunks(chunks) = &mut self.awaited else { return Ok(()) };
        self.body_bytes += chunks.read(bytes)?;
        if chunks.is_over {
            self.awaited = Awaited::Nothing;
        }
        Ok(())
    }
}

/// What of an answer is still to come.
enum Awaited {
    Head,
    Bytes(u64),
    Chunks(Chunks),
    Nothing,
}

impl Awaited {
    fn bytes(left_bytes: u64) -> Awaited {
        if left_bytes == 0 { Awaited::Nothing } else { Awaited::Bytes(left_bytes) }
    }
}

/// A body that comes in chunks.
#[derive(Default)]
struct Chunks {
    /// Of the chunk that is being read.
    left_bytes: u64,
    line: Vec<u8>,
    is_last: bool,
    is_over: bool,
}

impl Chunks {
    /// How many of these bytes are the body's.
    fn read(&mut self, mut bytes: &[u8]) -> anyhow::Result<u64> {
        let mut body_bytes = 0;
        while let [first, rest @ ..] = bytes {
            if self.left_bytes > 0 {
                let count = self.left_bytes.min(bytes.len() as u64);
                self.left_bytes -= count;
                body_bytes += count;
                bytes = &bytes[count as usize..];
                continue;
            }
            bytes = rest;
            if *first != b'\n' {
                self.line.push(*first);
                continue;
            }
            let line = std::mem::take(&mut self.line);
            // The end of a chunk's bytes is an empty line; so is the end of all, after the chunk of none.
            match line.trim_ascii() {
                [] => self.is_over = self.is_last,
                _ if self.is_last => {}
                size => {
                    let size = size.split(|byte| *byte == b';').next().unwrap_or_default();
                    self.left_bytes = u64::from_str_radix(std::str::from_utf8(size)?.trim(), 16)?;
                    self.is_last = self.left_bytes == 0;
                }
            }
        }
        Ok(body_bytes)
    }
}

enum Received {
    Whole,
    Part,
    Closed,
}

struct Run {
    address: SocketAddr,
    requests: Vec<Request>,
    connections: Vec<Connection>,
    epoll: std::os::fd::OwnedFd,
    scratch: Vec<u8>,
    most: u64,
    deadline: Option<Instant>,
    asked: u64,
    done: u64,
    bytes: u64,
    reconnects: u64,
    latencies_us: Vec<u32>,
    groups: Option<BTreeMap<String, Vec<u32>>>,
}

impl Run {
    fn new(plan: Plan) -> anyhow::Result<Run> {
        ensure!(!plan.requests.is_empty() && plan.connections > 0, "a plan needs requests and connections");
        let mut files = HashMap::new();
        let requests: Result<Vec<_>, _> =
            plan.requests.into_iter().map(|planned| Request::of(planned, plan.address, &mut files)).collect();
        let connections: Result<Vec<_>, _> = (0..plan.connections).map(|_| Connection::open(plan.address)).collect();
        Ok(Run {
            address: plan.address,
            requests: requests?,
            connections: connections?,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            scratch: vec![0; DROP_BYTES.max(HEAD_BYTES)],
            most: plan.count.unwrap_or(u64::MAX),
            deadline: plan.seconds.map(|seconds| Instant::now() + Duration::from_secs_f64(seconds)),
            asked: 0,
            done: 0,
            bytes: 0,
            reconnects: 0,
            latencies_us: Vec::new(),
            groups: plan.every_latency.then(BTreeMap::new),
        })
    }

    fn is_over(&self) -> bool {
        self.asked >= self.most || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    fn watch(&self, at: usize, anew: bool) -> io::Result<()> {
        let connection = &self.connections[at];
        let mut events = epoll::EventFlags::IN;
        events.set(epoll::EventFlags::OUT, connection.waits_to_send);
        let data = epoll::EventData::new_u64(at as u64);
        match anew {
            true => epoll::add(&self.epoll, connection.stream.as_fd(), data, events)?,
            false => epoll::modify(&self.epoll, connection.stream.as_fd(), data, events)?,
        }
        Ok(())
    }

    fn begin_next(&mut self, at: usize) -> anyhow::Result<()> {
        if self.is_over() {
            return Ok(());
        }
        let request = (self.asked % self.requests.len() as u64) as usize;
        self.asked += 1;
        self.begin(at, request)
    }

    fn begin(&mut self, at: usize, request: usize) -> anyhow::Result<()> {
        let connection = &mut self.connections[at];
        connection.request = Some(request);
        connection.began = Instant::now();
        connection.sent_bytes = 0;
        connection.head.clear();
        connection.awaited = Awaited::Head;
        self.go_on_sending(at)
    }

    fn go_on_sending(&mut self, at: usize) -> anyhow::Result<()> {
        let connection = &mut self.connections[at];
        let Some(request) = connection.request else { return Ok(()) };
        let waits = !connection.send(&self.requests[request])?;
        if waits != connection.waits_to_send {
            connection.waits_to_send = waits;
            self.watch(at, false)?;
        }
        Ok(())
    }

    fn go_on_receiving(&mut self, at: usize) -> anyhow::Result<()> {
        let connection = &mut self.connections[at];
        let Some(index) = connection.request else { return self.reopen(at) };
        let request = &self.requests[index];
        match connection.receive(request, &mut self.scratch)? {
            Received::Part => Ok(()),
            // A server may close a kept connection at any time; asked again on a new one, it has to answer.
            Received::Closed if connection.answers > 0 => {
                self.reopen(at)?;
                self.begin(at, index)
            }
            Received::Closed => bail!("{}: closed without an answer", request.shown),
            Received::Whole => {
                ensure!(!connection.waits_to_send, "{}: answered before all was sent", request.shown);
                let latency_us = u32::try_from(connection.began.elapsed().as_micros()).unwrap_or(u32::MAX);
                self.bytes += connection.body_bytes + request.part.as_ref().map_or(0, |part| part.bytes);
                self.latencies_us.push(latency_us);
                if let Some(groups) = &mut self.groups {
                    groups.entry(request.group.clone()).or_default().push(latency_us);
                }
                self.done += 1;
                connection.answers += 1;
                connection.request = None;
                if connection.closes {
                    self.reopen(at)?;
                }
                self.begin_next(at)
            }
        }
    }

    fn reopen(&mut self, at: usize) -> anyhow::Result<()> {
        self.reconnects += 1;
        self.connections[at] = Connection::open(self.address)?;
        Ok(self.watch(at, true)?)
    }

    fn go(mut self) -> anyhow::Result<Outcome> {
        let began = Instant::now();
        for at in 0..self.connections.len() {
            self.watch(at, true)?;
            self.begin_next(at)?;
        }
        let mut events = Vec::with_capacity(256);
        while self.connections.iter().any(|connection| connection.request.is_some()) {
            events.clear();
            let patience = Timespec { tv_sec: 60, tv_nsec: 0 };
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&patience)) {
                Ok(0) => bail!("no answer for {} s", patience.tv_sec),
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(io::Error::from(errno).into()),
            }
            for event in &events {
                let (at, flags) = (event.data.u64() as usize, event.flags);
                if flags.contains(epoll::EventFlags::OUT) {
                    self.go_on_sending(at)?;
                }
                if flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR) {
                    self.go_on_receiving(at)?;
                }
            }
        }
        let elapsed_s = began.elapsed().as_secs_f64();
        let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Ok(Outcome {
            requests: self.done,
            bytes: self.bytes,
            elapsed_s,
            client_cpu_s: cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9,
            reconnects: self.reconnects,
            latency: Latency::of(self.latencies_us),
            groups: self.groups.unwrap_or_default(),
        })
    }
}

fn run() -> anyhow::Result<Outcome> {
    let path = std::env::args().nth(1).context("load PLAN")?;
    let plan = std::fs::read(&path).with_context(|| format!("cannot read {path}"))?;
    let plan: Plan = serde_json::from_slice(&plan).with_context(|| format!("{path} is no plan"))?;
    Run::new(plan)?.go()
}

fn main() -> ExitCode {
    match run().and_then(|outcome| Ok(serde_json::to_string(&outcome)?)) {
        Ok(outcome) => {
            println!("{outcome}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
