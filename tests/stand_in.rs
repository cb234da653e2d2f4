//! A foreign server on this machine, which answers as a test wants, well or badly.

use std::io::{Read, Result, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What it was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    head: String,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<String> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned()).next()
    }
}

pub struct StandIn {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    stopping: Arc<AtomicBool>,
    address: SocketAddr,
}

impl StandIn {
    /// Each connection is answered once, by this, and closed.
    pub fn start(answer: impl Fn(&Asked, &mut TcpStream) -> Result<()> + Send + Sync + 'static) -> StandIn {
        StandIn::start_at("127.0.0.1", answer)
    }

    pub fn start_at(
        host: &str,
        answer: impl Fn(&Asked, &mut TcpStream) -> Result<()> + Send + Sync + 'static,
    ) -> StandIn {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, stopping) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (heard, stop, answer) = (Arc::clone(&asked), Arc::clone(&stopping), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let (heard, answer) = (Arc::clone(&heard), Arc::clone(&answer));
                thread::spawn(move || {
                    let mut stream = stream;
                    let Ok(request) = read(&mut stream) else { return };
                    heard.lock().unwrap().push(request.clone());
                    // Whoever hangs up in the middle is let go.
                    let _ = answer(&request, &mut stream);
                });
            }
        });
        StandIn { url: format!("http://{address}"), asked, stopping, address }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn read(stream: &mut TcpStream) -> Result<Asked> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut bytes = Vec::new();
    let mut block = [0; 4096];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        let count = stream.read(&mut block)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&block[..count]);
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut words = head.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut asked = Asked { method, path, head, body: String::new() };
    let length: usize = asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while bytes.len() < end + length {
        let count = stream.read(&mut block)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&block[..count]);
    }
    asked.body = String::from_utf8_lossy(&bytes[end..]).into_owned();
    Ok(asked)
}

/// A whole answer. `headers` are lines, each with its end.
pub fn reply(stream: &mut TcpStream, status: u16, headers: &str, body: &[u8]) -> Result<()> {
    head(stream, status, &format!("Content-Length: {}\r\n{headers}", body.len()))?;
    stream.write_all(body)
}

pub fn redirect(stream: &mut TcpStream, to: &str) -> Result<()> {
    reply(stream, 302, &format!("Location: {to}\r\n"), b"")
}

pub fn head(stream: &mut TcpStream, status: u16, headers: &str) -> Result<()> {
    write!(stream, "HTTP/1.1 {status} Said\r\nConnection: close\r\n{headers}\r\n")
}

/// Goes on until the other side has enough.
pub fn for_ever(stream: &mut TcpStream, begin: &[u8], again: &[u8]) -> Result<()> {
    head(stream, 200, "")?;
    stream.write_all(begin)?;
    let block = again.repeat(1 + 65536 / again.len());
    loop {
        stream.write_all(&block)?;
    }
}
