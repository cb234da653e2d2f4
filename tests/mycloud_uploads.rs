//! Uploads to the device that go wrong: bodies that nobody should send, lengths that lie, quotas that end, servers that are
//! killed. What was acknowledged is there, what was refused left nothing.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use openshelf::args;
use openshelf::store::{Tx, accounts, library};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::both_engines;
use crate::engines::Backend;
use crate::kill::{Installation, Running};
use crate::mycloud_device::{Device, id_in, text};
use crate::podcasts::until;
use crate::server::{ADMIN, Server};

struct Home {
    server: Server,
    device: Device,
    files: PathBuf,
}

impl Home {
    async fn new(backend: &Backend) -> Home {
        let server = Server::start(backend);
        let device = Device::of(server.client(), &server.url, ADMIN).await;
        let files = server.app.db.read(|tx| {
            let user = accounts::by_login(tx, ADMIN)?.unwrap();
            Ok(library::home_of(tx, user.key)?.unwrap().root)
        });
        let files = files.await.unwrap();
        Home { server, device, files }
    }

    async fn names(&self) -> Vec<String> {
        names(&self.device).await
    }

    async fn uploads(&self) -> u64 {
        self.server
            .app
            .db
            .read(|tx: &mut Tx| tx.one("SELECT COUNT(*) FROM upload", args![], |row| row.get(0)))
            .await
            .unwrap()
    }

    /// What is answered to a body that is as long as its head says.
    fn send(&self, head: &str, body: &[u8]) -> String {
        let mut answer = Vec::new();
        self.begin(head, body).read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn begin(&self, head: &str, body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.server.url.strip_prefix("http://").unwrap()).unwrap();
        let bearer = format!("Connection: close\r\nAuthorization: Bearer {}", self.device.token);
        stream.write_all(format!("POST /sdk/v2/{head}\r\nHost: localhost\r\n{bearer}\r\n\r\n").as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        stream
    }

    async fn set_quota(&self, bytes: Option<i64>) {
        let sql = "UPDATE account SET quota_bytes = $1 WHERE name = $2";
        self.server.app.db.write(move |tx| tx.run(sql, args![bytes, ADMIN])).await.unwrap();
    }
}

async fn names(device: &Device) -> Vec<String> {
    let listed: Value = device.get("/sdk/v2/filesSearch/parents?ids=root").await.json().await.unwrap();
    listed["files"].as_array().unwrap().iter().map(|file| text(&file["name"])).collect()
}

/// What lies in the hidden folder of a home.
fn temporaries(home: &Path) -> Vec<PathBuf> {
    let Ok(hidden) = fs::read_dir(home.join(".openshelf")) else { return Vec::new() };
    hidden.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
}

fn fields(name: &str) -> String {
    json!({"name": name, "parentID": "root"}).to_string()
}

/// An upload of a new file in steps, begun: its place.
async fn begin(device: &Device, name: &str) -> String {
    format!("/sdk/v2/files/{}", id_in(&device.multipart("/sdk/v2/files/resumable?done=false", &[&fields(name)]).await))
}

async fn offset(device: &Device, place: &str) -> (u64, bool) {
    let told: Value = device.get(&format!("{place}/resumable")).await.json().await.unwrap();
    (told["offset"].as_u64().unwrap(), told["done"].as_bool().unwrap())
}

const KIND: &str = "Content-Type: multipart/related;boundary=b";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_real_clients_become_files_whatever_their_lines_end_in() {
    let home = Home::new(&Backend::sqlite()).await;
    let bodies: [(&str, &[u8]); 9] = [
        ("--b\n\n{F}\n--b\n\nabc\n--b--\n", b"abc"),
        ("\n--b\n\n{F}\n--b\n\n--b--\n", b""),
        ("\n--b\n\n{F}\n--b--\n", b""),
        (
            "--b\r\nContent-Type: application/json\r\n\r\n{F}\r\n--b\r\nContent-Type: a/b\r\n\r\nabc\r\n--b\r\nContent-Type: image/jpeg\r\n\r\npreview\r\n--b--",
            b"abc",
        ),
        ("--b\n\r\n\r{F}\n\r--b\n\r\n\rabc\n\r--b--\n\r", b"abc"),
        ("a preamble\r\nof two lines\r\n--b\r\n\r\n{F}\r\n--b\r\n\r\nabc\r\n--b--", b"abc"),
        ("--b\r\n{F}\r\n--b\r\nabc\r\n--b--", b"abc"),
        ("--b\r\n\r\n{F}\r\n--b\r\n\r\n\r\n--b--", b""),
        ("--b\r\n\r\n{F}\r\n--b\r\n\r\n--bob\r\n--b\x01\r\n-- b--\r\n--b--", b"--bob\r\n--b\x01\r\n-- b--"),
    ];
    for (n, (body, content)) in bodies.into_iter().enumerate() {
        let name = format!("{n}.txt");
        let body = body.replace("{F}", &fields(&name));
        for (head, sent) in [
            (format!("files?n HTTP/1.1\r\n{KIND}\r\nContent-Length: {}", body.len()), body.clone().into_bytes()),
            (
                format!("files?n&resolveNameConflict=1 HTTP/1.1\r\n{KIND}\r\nTransfer-Encoding: chunked"),
                chunked(body.as_bytes()),
            ),
            (
                format!("files?n&resolveNameConflict=1 HTTP/1.1\r\nContent-Length: {}", body.len()),
                body.clone().into_bytes(),
            ),
        ] {
            let answer = home.send(&head, &sent);
            // Only the first delimiter of all tells what it is, where no header does.
            if body.starts_with("a preamble") && !head.contains(KIND) {
                assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
            } else {
                assert!(answer.starts_with("HTTP/1.1 201"), "{body:?}: {answer}");
            }
        }
        assert_eq!(fs::read(home.files.join(&name)).unwrap(), content, "{body:?}");
        assert_eq!(fs::read(home.files.join(format!("{n} (2).txt"))).unwrap(), content, "byte by byte: {body:?}");
    }
    assert!(temporaries(&home.files).is_empty());
}

/// A chunk for each byte.
fn chunked(body: &[u8]) -> Vec<u8> {
    let mut chunked: Vec<u8> = body.iter().flat_map(|byte| [b"1\r\n", [*byte].as_slice(), b"\r\n"].concat()).collect();
    chunked.extend_from_slice(b"0\r\n\r\n");
    chunked
}

both_engines! {
    async fn bodies_that_break_off_or_lie_are_refused_and_leave_nothing(backend: Backend) {
        let home = Home::new(&backend).await;
        let large = format!("--b\r\n\r\n{}\r\n--b\r\n\r\n{}\r\n--b--\r\n", fields("x.txt"), "x".repeat(3 << 20));
        let small = format!("--b\r\n\r\n{}\r\n--b\r\n\r\nxyz\r\n--b--\r\n", fields("x.txt"));
        let head = |kind: &str, length: usize| format!("n HTTP/1.1\r\n{kind}\r\nContent-Length: {length}");
        let deep = format!("--b\r\n\r\n{}{}\r\n--b--", "[".repeat(30_000), "]".repeat(30_000));
        let endless = "x".repeat(70_000);
        for path in ["files?", "files/resumable?done=true&"] {
            for (length, body) in [
                // 10 GB are announced, and a little of it comes; or all but the end.
                (10_000_000_000, large.as_str()),
                (10_000_000_000, &large[..30]),
                (large.len(), &large[..large.len() - 5]),
                (small.len(), &small[..small.len() - 10]),
            ] {
                drop(home.begin(&format!("{path}{}", head(KIND, length)), body.as_bytes()));
            }
            for (kind, body) in [
                (KIND, &large[..large.len() - 10]),
                (KIND, &small[..small.len() - 10]),
                (KIND, &small[..30]),
                (KIND, ""),
                (KIND, "{}"),
                // Another delimiter than the header names, and something behind one.
                ("Content-Type: multipart/related; boundary=c", &small),
                (KIND, "--b x\r\n\r\n{}\r\n--b--"),
                // Headers and JSON without end.
                (KIND, &format!("--b\r\nContent-Type: {endless}")),
                (KIND, &format!("--b\r\n\r\n{{\"name\":\"{endless}\"}}\r\n--b--")),
                (KIND, &deep),
                (KIND, "--b\r\n\r\n{\"name\":\"x.txt\",\"parentID\":\"a\\u0000b\"}\r\n--b--"),
                (KIND, "--b\r\n\r\n{\"name\":\"../x\"}\r\n--b--"),
            ] {
                let answer = home.send(&format!("{path}{}", head(kind, body.len())), body.as_bytes());
                let is_refused = answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.1 413");
                assert!(is_refused && answer.contains("\"key\""), "{path} {body:.60}: {answer}");
            }
        }
        // A body that broke off ends when the server has noticed.
        let is_clean = async || (home.uploads().await == 0 && temporaries(&home.files).is_empty()).then_some(());
        until("what came of them is removed", is_clean).await;
        assert!(home.names().await.is_empty());
        assert!(fs::read_dir(&home.files).unwrap().all(|entry| entry.unwrap().file_name() == ".openshelf"));
        home.device.multipart("/sdk/v2/files", &[&fields("after.txt"), "goes on"]).await;
        assert_eq!(home.names().await, ["after.txt"]);
    }

    async fn quotas_and_disks_that_end_are_told_and_leave_nothing(backend: Backend) {
        let home = Home::new(&backend).await;
        home.set_quota(Some(1000)).await;
        let device = &home.device;
        let too_much = "x".repeat(1001);
        assert_eq!(device.multipart("/sdk/v2/files", &[&fields("a"), &too_much]).await.status(), StatusCode::INSUFFICIENT_STORAGE);
        let at_once = device.multipart("/sdk/v2/files/resumable?done=true", &[&fields("b"), &too_much]).await;
        assert_eq!(at_once.status(), StatusCode::INSUFFICIENT_STORAGE);
        assert_eq!((home.uploads().await, temporaries(&home.files).len()), (0, 0));
        // In steps the upload stays, with what was acknowledged of it.
        let place = begin(device, "c").await;
        assert_eq!(device.put(&format!("{place}/resumable/content"), "y".repeat(900)).await.status(), StatusCode::NO_CONTENT);
        let over = device.put(&format!("{place}/resumable/content?offset=900"), "y".repeat(101)).await;
        assert_eq!(over.status(), StatusCode::INSUFFICIENT_STORAGE);
        assert_eq!(offset(device, &place).await, (900, false));
        assert_eq!(device.put(&format!("{place}/resumable/content?offset=900&done=true"), "z".repeat(100)).await.status(), StatusCode::NO_CONTENT);
        assert_eq!((offset(device, &place).await, home.names().await), ((1000, true), vec!["c".to_owned()]));
        // Over the file: what it had gives room, and nothing more.
        let over = |query: &str, body: String| device.ask(Method::POST, &format!("{place}/resumable?done=true&{query}")).body(body).send();
        assert_eq!(over("offset=1000", "x".to_owned()).await.unwrap().status(), StatusCode::INSUFFICIENT_STORAGE);
        assert_eq!(over("offset=500", "x".repeat(500)).await.unwrap().status(), StatusCode::CREATED);
        assert_eq!(fs::read_to_string(home.files.join("c")).unwrap(), "y".repeat(500) + &"x".repeat(500));
        assert_eq!((home.uploads().await, temporaries(&home.files).len()), (0, 0));
    }

    async fn writers_at_once_lose_nothing_that_was_acknowledged(backend: Backend) {
        let home = Home::new(&backend).await;
        let device = &home.device;
        let content: Vec<u8> = (0..16 * 5000u32).map(|n| (n % 239) as u8).collect();
        // Pieces of one upload in any order, some of them twice.
        let place = begin(device, "pieces").await;
        let put = |n: usize| device.put_at(&place, n * 5000, content[n * 5000..(n + 1) * 5000].to_vec());
        let answers = join_all((0..16).rev().chain(3..9).map(put)).await;
        assert!(answers.into_iter().all(|status| status == StatusCode::NO_CONTENT));
        let done = device.put(&format!("{place}/resumable/content?done=true"), "").await;
        assert_eq!(done.status(), StatusCode::NO_CONTENT);
        assert_eq!(fs::read(home.files.join("pieces")).unwrap(), content);

        // Each a whole write into the same file: one of those at once may be told to try again, but none is lost.
        let id = text(&device.get(&place).await.json::<Value>().await.unwrap()["id"]);
        let write = async |n: usize| {
            let path = format!("/sdk/v2/files/{id}/resumable?done=true&offset={}", n * 5000);
            (n, device.ask(Method::POST, &path).body(vec![255 - n as u8; 5000]).send().await.unwrap().status().as_u16())
        };
        let told = join_all((0..8).map(write)).await;
        let now = fs::read(home.files.join("pieces")).unwrap();
        assert_eq!(now.len(), content.len());
        assert!(told.iter().any(|(_, status)| *status == 201));
        for (n, status) in told {
            let range = n * 5000..(n + 1) * 5000;
            match status {
                201 => assert!(now[range].iter().all(|byte| *byte == 255 - n as u8), "{n} was acknowledged"),
                412 => assert_eq!(now[range.clone()], content[range], "{n} was refused"),
                other => panic!("{n}: {other}"),
            }
        }
        assert_eq!((home.uploads().await, temporaries(&home.files).len()), (0, 0));
    }

    async fn what_is_acknowledged_of_an_upload_over_a_file_is_in_it_however_it_ends(backend: Backend) {
        const PIECE: usize = 100_000;
        let home = Home::new(&backend).await;
        let device = &home.device;
        let id = id_in(&device.multipart("/sdk/v2/files", &[&fields("f"), &"o".repeat(40 * PIECE)]).await);
        let place = format!("/sdk/v2/files/{id}");
        for round in 0..10u8 {
            let begun = device.ask(Method::POST, &format!("{place}/resumable?done=false")).body(vec![round; 10]).send().await;
            assert_eq!(begun.unwrap().status(), StatusCode::CREATED);
            let before = fs::read(home.files.join("f")).unwrap();
            // Whoever ends it does so twice at once, while others still write.
            let end = || async { device.put(&format!("{place}/resumable/content?done=true"), "").await.status() };
            let piece = |n: usize| device.put_at(&place, n * PIECE, vec![round; PIECE]);
            let pieces = join_all((1..20).map(piece));
            let late = async {
                let ends = futures_util::future::join(end(), end()).await;
                [ends.0, ends.1]
            };
            let (told, ends) = futures_util::future::join(pieces, late).await;
            assert!(ends.contains(&StatusCode::NO_CONTENT), "{ends:?}");
            let now = fs::read(home.files.join("f")).unwrap();
            assert_eq!(now.len(), before.len());
            for (n, status) in (1..20).zip(told) {
                let range = n * PIECE..(n + 1) * PIECE;
                match status.as_u16() {
                    204 => assert!(now[range].iter().all(|byte| *byte == round), "{n} was acknowledged"),
                    404 | 409 => {}
                    other => panic!("{n}: {other}"),
                }
            }
        }
        assert_eq!((home.uploads().await, temporaries(&home.files).len()), (0, 0));
    }

    async fn uploads_of_two_devices_over_one_file_do_not_mix(backend: Backend) {
        let home = Home::new(&backend).await;
        let other = Device::of(home.server.client(), &home.server.url, ADMIN).await;
        let id = id_in(&home.device.multipart("/sdk/v2/files", &[&fields("f"), "what was there"]).await);
        let write = async |device: &Device, query: &str, body: &'static str| {
            let path = format!("/sdk/v2/files/{id}/resumable?{query}");
            device.ask(Method::POST, &path).body(body).send().await.unwrap().status().as_u16()
        };
        assert_eq!(write(&home.device, "done=false", "WHAT").await, 201);
        assert_eq!(write(&other, "offset=4&done=true", "!").await, 201);
        assert_eq!(home.device.content(&id).await, "what!was there");
        assert_eq!(write(&home.device, "offset=5&done=true", "WAS").await, 412);
        assert_eq!(home.device.content(&id).await, "what!was there");
        assert_eq!(write(&home.device, "offset=5&done=true", "WAS").await, 201);
        assert_eq!(home.device.content(&id).await, "what!WAS there");
        assert_eq!((home.uploads().await, temporaries(&home.files).len()), (0, 0));
    }

    async fn a_file_is_written_in_steps_under_the_id_of_its_upload_too(backend: Backend) {
        let home = Home::new(&backend).await;
        let device = &home.device;
        let place = begin(device, "f").await;
        device.put(&format!("{place}/resumable/content?done=true"), "what was there").await;
        for (query, body, at) in [("done=false", "WHAT", (4, false)), ("offset=5&done=true", "WAS", (14, true))] {
            let written = device.ask(Method::POST, &format!("{place}/resumable?{query}")).body(body).send().await.unwrap();
            assert_eq!((written.status(), offset(device, &place).await), (StatusCode::CREATED, at));
        }
        assert_eq!(fs::read_to_string(home.files.join("f")).unwrap(), "WHAT WAS there");
        assert_eq!((home.uploads().await, temporaries(&home.files).len()), (0, 0));
    }

    async fn an_upload_that_is_given_up_is_gone_and_a_foreign_one_is_nothing(backend: Backend) {
        let home = Home::new(&backend).await;
        home.server.add_user("ann");
        let ann = Device::of(home.server.client(), &home.server.url, "ann").await;
        let place = begin(&home.device, "mine").await;
        home.device.put(&format!("{place}/resumable/content"), "abc").await;
        for status in [
            ann.put(&format!("{place}/resumable/content?offset=0&done=true"), "x").await.status(),
            ann.get(&format!("{place}/resumable")).await.status(),
            ann.ask(Method::DELETE, &place).send().await.unwrap().status(),
        ] {
            assert_eq!(status, StatusCode::NOT_FOUND);
        }
        assert_eq!(home.device.get(&place).await.status(), StatusCode::NOT_FOUND, "it is no file yet");
        assert_eq!(home.device.ask(Method::DELETE, &place).send().await.unwrap().status(), StatusCode::NO_CONTENT);
        assert_eq!(home.device.ask(Method::DELETE, &place).send().await.unwrap().status(), StatusCode::NOT_FOUND);
        assert_eq!((home.uploads().await, temporaries(&home.files).len()), (0, 0));
    }

    async fn uploads_go_on_from_their_offset_after_a_kill(backend: Backend) {
        const PIECE: usize = 1 << 20;
        let installation = Installation::new(&backend);
        let mut running = installation.start();
        let device = signed_in(&running).await;
        let old = id_in(&device.multipart("/sdk/v2/files", &[&fields("old.txt"), "what was there"]).await);
        let content: Vec<u8> = (0..4 * PIECE as u32).map(|n| (n % 233) as u8).collect();
        let place = begin(&device, "big").await;
        for n in [0, 1] {
            assert_eq!(device.put_at(&place, n * PIECE, content[n * PIECE..(n + 1) * PIECE].to_vec()).await, StatusCode::NO_CONTENT);
        }
        let over = device.ask(Method::POST, &format!("/sdk/v2/files/{old}/resumable?done=false")).body("WHAT").send();
        assert_eq!(over.await.unwrap().status(), StatusCode::CREATED);
        // The third piece is on its way, and never comes to its end.
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let first = content[2 * PIECE..2 * PIECE + 4096].to_vec();
        let pieces = stream::once(async move {
            begun.send(()).unwrap();
            Ok::<_, std::io::Error>(first)
        });
        let path = format!("{place}/resumable/content?offset={}&done=true", 2 * PIECE);
        let third = device.ask(Method::PUT, &path).body(reqwest::Body::wrap_stream(pieces.chain(stream::pending())));
        let third = tokio::spawn(third.send());
        has_begun.await.unwrap();
        running.kill();
        assert!(third.await.unwrap().is_err());

        let running = installation.start();
        // What was written into a file goes on in the same session alone.
        let (token, mut device) = (device.token, signed_in(&running).await);
        device.token = token;
        assert_eq!(names(&device).await.iter().filter(|name| *name == "big").count(), 0, "nobody sees it");
        assert_eq!(device.content(&old).await, "what was there");
        assert_eq!(offset(&device, &place).await, (2 * PIECE as u64, false));
        let rest = device.put(&format!("{place}/resumable/content?offset={}", 2 * PIECE), content[2 * PIECE..].to_vec()).await;
        assert_eq!(rest.status(), StatusCode::NO_CONTENT);
        let done = device.put(&format!("{place}/resumable/content?done=true"), "").await;
        assert_eq!(done.status(), StatusCode::NO_CONTENT);
        let got = device.get(&format!("{place}/content")).await.bytes().await.unwrap();
        assert!(got == content, "the empty request at the end took nothing away");
        let over = device.ask(Method::POST, &format!("/sdk/v2/files/{old}/resumable?offset=4&done=true")).body("!").send();
        assert_eq!(over.await.unwrap().status(), StatusCode::CREATED);
        assert_eq!(device.content(&old).await, "WHAT!was there");
        let home = fs::read_dir(installation.data().join("homes")).unwrap().next().unwrap().unwrap().path();
        assert!(temporaries(&home).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_behind_the_json_is_never_held_as_a_whole() {
    const MIB: usize = 1 << 20;
    let backend = Backend::sqlite();
    let installation = Installation::new(&backend);
    let running = installation.start();
    let device = signed_in(&running).await;
    device.multipart("/sdk/v2/files", &[&fields("first"), &"x".repeat(MIB)]).await;
    let before = peak_bytes(&running);
    let head = format!("--b\r\n\r\n{}\r\n--b\r\n\r\n", fields("large"));
    let pieces =
        std::iter::once(head.into_bytes()).chain((0..96).map(|n| vec![n as u8; MIB])).chain([b"\r\n--b--".to_vec()]);
    let body = reqwest::Body::wrap_stream(stream::iter(pieces.map(Ok::<_, std::io::Error>)));
    let request = device.ask(Method::POST, "/sdk/v2/files").header("content-type", "multipart/related; boundary=b");
    let id = id_in(&request.body(body).send().await.unwrap());
    assert_eq!(
        device.get(&format!("/sdk/v2/files/{id}?fields=size")).await.json::<Value>().await.unwrap()["size"],
        96 * MIB
    );
    let grown = peak_bytes(&running) - before;
    assert!(grown < 24 * MIB as u64, "{grown} bytes more were held");
}

/// The most memory that the program has had.
fn peak_bytes(running: &Running) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", running.process_id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

async fn signed_in(running: &Running) -> Device {
    let client = crate::server::http().pool_max_idle_per_host(0).build().unwrap();
    Device::of(client, &running.url, ADMIN).await
}

impl Device {
    async fn put_at(&self, place: &str, offset: usize, bytes: Vec<u8>) -> StatusCode {
        self.put(&format!("{place}/resumable/content?offset={offset}&done=false"), bytes).await.status()
    }
}
