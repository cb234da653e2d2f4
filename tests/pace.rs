//! Many readers at once, slow ones among them.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;

use reqwest::StatusCode;
use serde_json::Value;

use crate::both_engines;
use crate::kill::Installation;
use crate::strangers::text;

const GUESTS: usize = 200;
const HUGE_BYTES: u64 = 10_000_000_000;
/// Far less than what the guests take.
const MOST_GROWTH_BYTES: u64 = 64 << 20;

/// Memory that a process has in use, shared pages left out.
fn memory_bytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn take(line: &mut TcpStream, bytes: usize) {
    let mut buffer = vec![0; 64 * 1024];
    let mut left = bytes;
    while left > 0 {
        let count = line.read(&mut buffer[..left.min(64 * 1024)]).unwrap();
        assert!(count > 0, "the server let a reader go");
        left -= count;
    }
}

both_engines! {
    async fn two_hundred_slow_guests_cost_no_memory_by_what_they_take_and_hold_nobody_up(backend: Backend) {
        let installation = Installation::new(&backend);
        let folder = installation.fixture.path("Huge");
        std::fs::create_dir(&folder).unwrap();
        File::create(folder.join("huge.flac")).unwrap().set_len(HUGE_BYTES).unwrap();
        let running = installation.start();
        installation.command(&["scan"], None);
        let (huge, song) = (running.remote().song_called("huge").await, running.remote().song().await);
        let shared = |path| {
            let made = installation.command(&["share", "--json"], Some(path));
            text(&serde_json::from_slice::<Value>(&made.stdout).unwrap()["id"])
        };
        let album = installation.fixture.path("Music/The Band/First Album");
        let content = std::fs::read(album.join("01 Opening.flac")).unwrap();
        let (slow, quick) = (shared(&folder), shared(&album));

        let address = running.url.strip_prefix("http://").unwrap();
        let mut lines: Vec<TcpStream> = (0..GUESTS)
            .map(|_| {
                let mut line = TcpStream::connect(address).unwrap();
                write!(line, "GET /s/{slow}/-/file/{huge}?download=1 HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
                take(&mut line, 256 * 1024);
                line
            })
            .collect();
        let before = memory_bytes(running.process_id());
        for line in &mut lines {
            take(line, 4 << 20);
        }
        let after = memory_bytes(running.process_id());
        assert!(after.saturating_sub(before) < MOST_GROWTH_BYTES, "from {before} to {after} bytes");

        // They stand still now, and another does not wait for them.
        let got = running.remote().get(&format!("/s/{quick}/-/file/{song}?download=1")).await.unwrap();
        assert!(got == (StatusCode::OK, content));
    }
}
