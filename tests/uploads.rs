//! Uploads by the pages, and what the one engine behind all doors promises: what was acknowledged is there, what was
//! refused left nothing.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{Write, stderr};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use openshelf::account::User;
use openshelf::store::library;
use reqwest::{Client, RequestBuilder, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha512};

use crate::both_engines;
use crate::engines::Backend;
use crate::server::{PASSWORD, Server};

struct House {
    server: Server,
}

/// Somebody signed in to the pages, and their home.
struct Desk {
    client: Client,
    url: String,
    cookie: String,
    home: PathBuf,
}

impl House {
    fn new(backend: &Backend) -> House {
        House { server: Server::start(backend) }
    }

    async fn desk(&self, user: &User) -> Desk {
        let key = user.key;
        let home = self.server.app.db.read(move |tx| library::home_of(tx, key)).await.unwrap().unwrap().root;
        // A server that refuses a body need not read it to its end, and then ends the connection.
        let client = crate::server::http().redirect(reqwest::redirect::Policy::none()).pool_max_idle_per_host(0);
        let client = client.build().unwrap();
        let cookie = sign_in(&self.server.url, &user.name).await;
        Desk { client, url: self.server.url.clone(), cookie, home }
    }
}

/// The cookie of the pages.
pub async fn sign_in(url: &str, user: &str) -> String {
    let client = crate::server::http().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let form = [("user", user), ("password", PASSWORD)];
    let answer = client.post(format!("{url}/app/sign-in")).form(&form).send().await.unwrap();
    let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

impl Desk {
    fn ask(&self, method: &str, path: &str) -> RequestBuilder {
        let method = method.parse().unwrap();
        self.client.request(method, format!("{}{path}", self.url)).header(header::COOKIE, &self.cookie)
    }

    async fn told(&self, ask: RequestBuilder) -> Value {
        let answer = ask.send().await.unwrap();
        let status = answer.status();
        let told = answer.text().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{told}");
        serde_json::from_str(&told).unwrap()
    }

    fn put(&self, name: &str, bytes: impl Into<reqwest::Body>) -> RequestBuilder {
        self.ask("PUT", "/app/uploads").query(&[("name", name)]).body(bytes.into())
    }

    async fn begin(&self, about: Value) -> Value {
        self.told(self.ask("POST", "/app/uploads").json(&about)).await
    }

    fn part(&self, id: &str, offset: u64, bytes: &[u8]) -> RequestBuilder {
        self.ask("PUT", &format!("/app/uploads/{id}/{offset}")).body(bytes.to_vec())
    }

    fn content(&self, name: &str) -> Vec<u8> {
        fs::read(self.home.join(name)).unwrap()
    }

    fn names(&self) -> BTreeSet<String> {
        names(&self.home)
    }

    fn half_done(&self) -> usize {
        let hidden = fs::read_dir(self.home.join(".openshelf"));
        hidden.map_or(0, |files| files.filter(|file| file.as_ref().unwrap().file_type().unwrap().is_file()).count())
    }
}

/// What lies in a folder, but for what is hidden.
fn names(folder: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.starts_with('.')).collect()
}

fn digest(bytes: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(bytes)))
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes that no two places share.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(size).collect()
}

both_engines! {
    async fn a_file_comes_whole_or_in_parts(backend: Backend) {
        let house = House::new(&backend);
        let ann = house.desk(&house.server.add_user("ann")).await;
        let put = ann.put("a.txt", "small").query(&[("modified", "1000000000000")]);
        let told = ann.told(put).await;
        assert_eq!((&told["done"], &told["name"]), (&json!(true), &json!("a.txt")));
        let modified = fs::metadata(ann.home.join("a.txt")).unwrap().modified().unwrap();
        assert_eq!(modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis(), 1_000_000_000_000);
        ann.told(ann.put("a.txt", "another")).await;
        assert_eq!(ann.content("a (2).txt"), b"another", "nothing is written over");

        let bytes = noise(3_000_000);
        let begun = ann.begin(json!({"name": "b.bin", "size": bytes.len()})).await;
        let id = begun["id"].as_str().unwrap();
        assert_eq!(begun["missing"], json!([[0, 3_000_000]]));
        assert!(begun["chunk_bytes"].as_u64().unwrap() < 95_000_000);
        ann.told(ann.part(id, 2_000_000, &bytes[2_000_000..])).await;
        ann.told(ann.part(id, 500_000, &bytes[500_000..1_200_000])).await;
        let state = ann.told(ann.ask("GET", &format!("/app/uploads/{id}"))).await;
        assert_eq!(state["missing"], json!([[0, 500_000], [1_200_000, 2_000_000]]));
        assert_eq!(ann.names(), ["a.txt", "a (2).txt"].map(str::to_owned).into(), "nobody sees it before its end");
        let (first, second) = (ann.part(id, 0, &bytes[..500_000]), ann.part(id, 1_000_000, &bytes[1_000_000..2_000_000]));
        let (first, second) = tokio::join!(ann.told(first), ann.told(second));
        assert_eq!([&first, &second].iter().filter(|told| told["done"] == true).count(), 1);
        assert_eq!(ann.content("b.bin"), bytes);
        assert_eq!(ann.half_done(), 0);
        let gone = ann.part(id, 0, b"late").send().await.unwrap();
        assert_eq!(gone.status(), StatusCode::NOT_FOUND);
        assert_eq!(ann.content("b.bin"), bytes);
    }

    async fn an_upload_is_its_users_alone_and_ends_when_they_say(backend: Backend) {
        let house = House::new(&backend);
        let ann = house.desk(&house.server.add_user("ann")).await;
        let bob = house.desk(&house.server.add_user("bob")).await;
        let begun = ann.begin(json!({"name": "a.bin", "size": 10})).await;
        let id = begun["id"].as_str().unwrap();
        let address = format!("/app/uploads/{id}");
        for ask in [bob.ask("GET", &address), bob.part(id, 0, b"bad"), bob.ask("DELETE", &address)] {
            assert_eq!(ask.send().await.unwrap().status(), StatusCode::NOT_FOUND);
        }
        let from_elsewhere = ann.part(id, 0, b"0123456789").header("sec-fetch-site", "cross-site");
        assert_eq!(from_elsewhere.send().await.unwrap().status(), StatusCode::FORBIDDEN);
        let nobodys = ann.client.put(format!("{}{address}/0", ann.url)).body("0123456789").send().await.unwrap();
        assert_eq!(nobodys.status(), StatusCode::UNAUTHORIZED);
        for (offset, bytes) in [(11, &b"x"[..]), (5, b"123456"), (u64::MAX, b"")] {
            assert_eq!(ann.part(id, offset, bytes).send().await.unwrap().status(), StatusCode::BAD_REQUEST, "{offset}");
        }
        assert_eq!(ann.half_done(), 1);
        assert_eq!(ann.ask("DELETE", &address).send().await.unwrap().status(), StatusCode::NO_CONTENT);
        assert_eq!(ann.half_done(), 0);
        assert_eq!(ann.ask("GET", &address).send().await.unwrap().status(), StatusCode::NOT_FOUND);
        assert!(ann.names().is_empty());
    }

    async fn a_digest_that_does_not_fit_leaves_nothing(backend: Backend) {
        let house = House::new(&backend);
        let ann = house.desk(&house.server.add_user("ann")).await;
        let sha512 = format!("sha-512=:{}:", STANDARD.encode(Sha512::digest(b"right")));
        for (name, value) in [
            ("content-digest", digest(b"wrong")),
            ("repr-digest", digest(b"wrong")),
            ("content-digest", format!("{}, {sha512}", digest(b"wrong"))),
            ("content-digest", format!("{}, {}", digest(b"right"), sha512.replace("512=:", "512=:A"))),
            ("content-digest", "sha-256=:short:".to_owned()),
            ("content-digest", "not a digest".to_owned()),
        ] {
            let put = ann.put("a.txt", "right").header(name, &value).send().await.unwrap();
            assert_eq!(put.status(), StatusCode::BAD_REQUEST, "{name}: {value}");
        }
        let large = noise(2_000_000);
        let put = ann.put("large.bin", large.clone()).header("content-digest", digest(b"wrong")).send().await.unwrap();
        assert_eq!(put.status(), StatusCode::BAD_REQUEST);
        assert!(ann.names().is_empty() && ann.half_done() == 0);
        ann.told(ann.put("a.txt", "right").header("content-digest", format!("{}, {sha512}", digest(b"right")))).await;
        ann.told(ann.put("large.bin", large.clone()).header("repr-digest", digest(&large))).await;

        let begun = ann.begin(json!({"name": "b.bin", "size": 10, "sha256": hex(b"0123456789")})).await;
        let id = begun["id"].as_str().unwrap();
        let wrong = ann.part(id, 0, b"01x34").header("content-digest", digest(b"01234")).send().await.unwrap();
        assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
        let state = ann.told(ann.ask("GET", &format!("/app/uploads/{id}"))).await;
        assert_eq!(state["missing"], json!([[0, 10]]), "nothing of it is noted");
        ann.told(ann.part(id, 0, b"01234").header("content-digest", digest(b"01234"))).await;
        ann.told(ann.part(id, 5, b"56789")).await;
        assert_eq!(ann.content("b.bin"), b"0123456789");

        let begun = ann.begin(json!({"name": "c.bin", "size": 3, "sha256": hex(b"abc")})).await;
        let last = ann.part(begun["id"].as_str().unwrap(), 0, b"abd").send().await.unwrap();
        assert_eq!(last.status(), StatusCode::BAD_REQUEST, "the whole is not what was told at its beginning");
        assert_eq!(ann.names(), ["a.txt", "b.bin", "large.bin"].map(str::to_owned).into());
        assert_eq!(ann.half_done(), 0);
    }

    async fn a_twin_is_there_at_once_and_stands_by_itself(backend: Backend) {
        let house = House::new(&backend);
        let ann = house.desk(&house.server.add_user("ann")).await;
        let bob = house.desk(&house.server.add_user("bob")).await;
        let bytes = noise(2_000_000);
        let about = |name: &str| json!({"name": name, "size": bytes.len(), "sha256": hex(&bytes)});
        assert_eq!(ann.begin(about("first.bin")).await["done"], Value::Null, "nobody has it yet");
        ann.told(ann.put("first.bin", bytes.clone()).header("content-digest", digest(&bytes))).await;
        let twin = ann.begin(about("second.bin")).await;
        assert_eq!((&twin["done"], &twin["name"]), (&json!(true), &json!("second.bin")));
        assert_eq!(ann.content("second.bin"), bytes);
        assert_eq!(bob.begin(about("mine.bin")).await["done"], Value::Null, "what others have is not for bob to know");
        let first = fs::File::options().write(true).open(ann.home.join("first.bin")).unwrap();
        first.write_all_at(b"changed", 0).unwrap();
        assert_eq!(ann.content("second.bin"), bytes, "a change of one is no change of the other");
        assert_eq!(ann.begin(about("third.bin")).await["done"], json!(true));
        assert_eq!(ann.content("third.bin"), bytes, "of the one that is still what it was");
        for name in ["second.bin", "third.bin"] {
            let kept = fs::metadata(ann.home.join(name)).unwrap().modified().unwrap();
            let file = fs::File::options().write(true).open(ann.home.join(name)).unwrap();
            file.write_all_at(b"changed", 1_000_000).unwrap();
            // Even where its size and its time are those of before.
            file.set_modified(kept).unwrap();
        }
        assert_eq!(ann.begin(about("fourth.bin")).await["done"], Value::Null);
        let odd = [json!("x"), json!("g".repeat(64)), json!("a".repeat(63))];
        for sha256 in odd {
            let begun = ann.ask("POST", "/app/uploads").json(&json!({"name": "a", "size": 1, "sha256": sha256}));
            assert_eq!(begun.send().await.unwrap().status(), StatusCode::BAD_REQUEST);
        }
    }

    async fn folders_of_an_upload_are_made_once(backend: Backend) {
        let house = House::new(&backend);
        let ann = house.desk(&house.server.add_user("ann")).await;
        let put = |n: usize| {
            ann.put(&format!("{n}.txt"), n.to_string()).query(&[("path", "album"), ("path", "disc")])
        };
        join_all((0..20).map(|n| ann.told(put(n)))).await;
        assert_eq!(ann.names(), ["album".to_owned()].into());
        assert_eq!(names(&ann.home.join("album")), ["disc".to_owned()].into());
        assert_eq!(names(&ann.home.join("album/disc")).len(), 20);
        for odd in ["..", ".", "a/b", ".hidden", "a\0b", &"x".repeat(300)] {
            let put = ann.put("a.txt", "x").query(&[("path", odd)]).send().await.unwrap();
            assert_eq!(put.status(), StatusCode::BAD_REQUEST, "{odd:?}");
        }
        let taken = ann.put("a.txt", "x").query(&[("path", "album"), ("path", "disc"), ("path", "1.txt")]);
        assert_eq!(taken.send().await.unwrap().status(), StatusCode::CONFLICT, "a file is no folder");
    }

    async fn a_form_without_a_script_brings_files(backend: Backend) {
        let house = House::new(&backend);
        let ann = house.desk(&house.server.add_user("ann")).await;
        ann.told(ann.put("x", "x").query(&[("path", "album")])).await;
        let page = ann.ask("GET", "/app/files").send().await.unwrap().text().await.unwrap();
        assert!(page.contains("action=\"/app/files\""), "{page}");
        let folder = page.split("/app/files?in=").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let large = "z".repeat(3_000_000);
        let body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"in\"\r\n\r\n{folder}\r\n\
             --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"C:\\fake\\one.txt\"\r\n\r\none\r\n\
             --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"two.txt\"\r\n\r\n{large}\r\n\
             --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\"\r\n\r\n\r\n--b--\r\n"
        );
        let post = |body: String| {
            ann.ask("POST", "/app/files").header(header::CONTENT_TYPE, "multipart/form-data; boundary=b").body(body)
        };
        let posted = post(body.clone()).send().await.unwrap();
        assert_eq!(posted.status(), StatusCode::SEE_OTHER);
        assert_eq!(posted.headers()[header::LOCATION], format!("/app/files?in={folder}&uploaded=2"));
        assert_eq!(names(&ann.home.join("album")), ["one.txt", "two.txt", "x"].map(str::to_owned).into());
        assert_eq!(fs::read(ann.home.join("album/two.txt")).unwrap(), large.as_bytes());
        let foreign = post(body.clone()).header("sec-fetch-site", "cross-site").send().await.unwrap();
        assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
        for broken in ["", "--b", "--b\r\n\r\n", &body[..body.len() - 40], "no form at all"] {
            let posted = post(broken.replace("one.txt", "three.txt")).send().await.unwrap();
            assert!(posted.status().is_client_error() || posted.status() == StatusCode::SEE_OTHER, "{broken:.40}");
        }
        let words = format!("--b\r\nContent-Disposition: form-data; name=\"in\"\r\n\r\n{}\r\n--b--\r\n", "x".repeat(1_000_000));
        assert_eq!(post(words).send().await.unwrap().status(), StatusCode::BAD_REQUEST);
        assert_eq!(ann.half_done(), 0);
    }

    async fn a_refusal_reaches_a_client_that_goes_on_sending(backend: Backend) {
        let house = House::new(&backend);
        let ann = house.desk(&house.server.add_user("ann")).await;
        for _ in 0..20 {
            let put = ann.put("large.bin", noise(8_000_000)).header("sec-fetch-site", "cross-site");
            assert_eq!(put.send().await.unwrap().status(), StatusCode::FORBIDDEN);
        }
        assert_eq!(ann.names(), BTreeSet::new());
    }

    async fn a_full_disk_is_told_and_nothing_stays(backend: Backend) {
        let Some(small) = Mounted::of_4_mib() else { return };
        let house = House::new(&backend);
        let user = house.server.add_user("ann");
        let (key, root) = (user.key, small.path().as_os_str().as_encoded_bytes().to_vec());
        let sql = "UPDATE library SET root = $1 WHERE kind = 'home' AND owner_id = $2";
        house.server.app.db.write(move |tx| tx.run(sql, openshelf::args![root, key.0])).await.unwrap();
        let ann = house.desk(&user).await;
        assert_eq!(ann.home, small.path());
        ann.told(ann.put("fits.bin", noise(1_000_000))).await;
        let told = ann.put("large.bin", noise(8_000_000)).send().await.unwrap();
        assert_eq!(told.status(), StatusCode::INSUFFICIENT_STORAGE, "it says how much is to come");
        let body = futures_util::stream::iter(noise(8_000_000).chunks(100_000).map(|part| {
            Ok::<_, std::io::Error>(bytes::Bytes::copy_from_slice(part))
        }).collect::<Vec<_>>());
        let told = ann.put("stream.bin", reqwest::Body::wrap_stream(body)).send().await.unwrap();
        assert_eq!(told.status(), StatusCode::INSUFFICIENT_STORAGE);
        assert_eq!(ann.names(), ["fits.bin".to_owned()].into());
        // Two that fit one by one, and not together.
        let begun = ann.begin(json!({"name": "one.bin", "size": 2_500_000})).await;
        let other = ann.begin(json!({"name": "two.bin", "size": 2_500_000})).await;
        let (id, other) = (begun["id"].as_str().unwrap(), other["id"].as_str().unwrap());
        ann.told(ann.part(id, 0, &noise(2_000_000))).await;
        let full = ann.part(other, 0, &noise(2_500_000)).send().await.unwrap();
        assert_eq!(full.status(), StatusCode::INSUFFICIENT_STORAGE);
        let state = ann.told(ann.ask("GET", &format!("/app/uploads/{other}"))).await;
        assert_eq!(state["received"], json!(0));
        assert_eq!(ann.ask("DELETE", &format!("/app/uploads/{other}")).send().await.unwrap().status(), StatusCode::NO_CONTENT);
        let rest = ann.told(ann.part(id, 2_000_000, &noise(500_000))).await;
        assert_eq!(rest["done"], json!(true), "what was acknowledged goes on once there is room");
        assert_eq!(ann.half_done(), 0);
    }
}

/// A file system of its own, as long as this lives.
pub struct Mounted(tempfile::TempDir);

impl Mounted {
    /// `None`, told loudly, where that cannot be; where everything must run, it fails.
    pub fn of_4_mib() -> Option<Mounted> {
        let folder = tempfile::TempDir::new().unwrap();
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(folder.path())
            .output();
        if mount.is_ok_and(|mount| mount.status.success()) {
            return Some(Mounted(folder));
        }
        assert!(env::var("CI").as_deref() != Ok("true"), "a small disk can be mounted by root only");
        // Written straight to the stream: the harness swallows what a passing test prints.
        let _ = writeln!(stderr(), "SKIPPED: a small disk can be mounted by root only");
        None
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}
