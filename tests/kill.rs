//! The real program, killed in the middle of its work: what it acknowledged is there when it starts again.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use futures_util::{StreamExt, stream};
use openshelf::account::Preferences;
use openshelf::store::{Database, accounts, preferences};
use reqwest::{Body, Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::both_engines;
use crate::cloudreve::{data, names};
use crate::cloudreve_uploads::CHUNK;
use crate::drive::Drive;
use crate::engines::Backend;
use crate::fixture::Fixture;
use crate::renditions::{files, long_track, until, workers};
use crate::server::{ADMIN, PASSWORD};
use crate::strangers::text;

const WRITERS: usize = 200;
const DOWNLOAD_LIMIT: usize = 30;
const HUGE_BYTES: u64 = 5_000_000_000;

/// An installation that is started more than once.
pub struct Installation<'a> {
    folder: TempDir,
    pub fixture: Fixture,
    backend: &'a Backend,
}

impl<'a> Installation<'a> {
    pub fn new(backend: &'a Backend) -> Installation<'a> {
        let folder = TempDir::new().unwrap();
        let fixture = Fixture::build(folder.path());
        Installation { folder, fixture, backend }
    }

    fn program(&self) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_openshelf"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OPENSHELF_")) {
            program.env_remove(name);
        }
        program.env("OPENSHELF_DATA", self.data()).env("OPENSHELF_ADMIN_PASSWORD", PASSWORD);
        program.env("OPENSHELF_LOG", "off").env("OPENSHELF_SOUND_ANALYSIS", "off").env("OPENSHELF_FULL_TEXT", "off");
        // Of SQLite, the file that the program makes for itself.
        if let Database::Postgres(address) = self.backend.database() {
            program.env("OPENSHELF_DATABASE", address);
        }
        program
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn start(&self) -> Running {
        self.start_as(self.program())
    }

    /// With settings of its own, by their names in the environment.
    pub fn start_with(&self, settings: &[(&str, &str)]) -> Running {
        let mut program = self.program();
        program.envs(settings.iter().copied());
        self.start_as(program)
    }

    fn start_as(&self, mut program: Command) -> Running {
        program.args(["serve", "--listen", "127.0.0.1:0"]).arg(&self.fixture.root);
        let mut process = program.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
        let said =
            BufReader::new(process.stdout.take().unwrap()).lines().next().expect("one line when it is ready").unwrap();
        let url = said.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
        Running { process, url, client: crate::server::http().build().unwrap() }
    }

    /// Runs a command, which reaches the server that runs.
    pub fn command(&self, args: &[&str], path: Option<&Path>) -> Output {
        let output = self.program().args(args).args(path).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }
}

pub struct Running {
    process: Child,
    pub url: String,
    client: Client,
}

impl Running {
    /// As `kill -9`: nothing of the program runs any more when this returns.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    pub fn remote(&self) -> Remote {
        Remote { client: self.client.clone(), url: self.url.clone() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The server as its users reach it.
pub struct Remote {
    client: Client,
    url: String,
}

impl Remote {
    /// The envelope's content; `None` when the answer did not come whole.
    pub async fn subsonic(&self, call: &str, params: &[(&str, &str)]) -> Option<Value> {
        let own = [("u", ADMIN), ("p", PASSWORD), ("v", "1.16.1"), ("c", "proof"), ("f", "json")];
        let request = self.client.get(format!("{}/rest/{call}", self.url)).query(&own).query(params);
        let answer: Value = request.send().await.ok()?.json().await.ok()?;
        Some(answer["subsonic-response"].clone())
    }

    /// The cookie that a visit of the share leaves.
    async fn visit(&self, share: &str) -> String {
        let page = self.client.get(format!("{}/s/{share}", self.url)).send().await.unwrap();
        let cookie = page.headers()["set-cookie"].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    /// Begins a download; the answer is there, and not its body.
    async fn begin(&self, path: &str, cookie: &str, range: &str) -> Response {
        let request = self.client.get(format!("{}{path}", self.url));
        let request = if cookie.is_empty() { request } else { request.header("cookie", cookie) };
        let request = if range.is_empty() { request } else { request.header("range", range) };
        request.send().await.unwrap()
    }

    /// Status and whole body; `None` when the answer did not come whole.
    pub async fn get(&self, path: &str) -> Option<(StatusCode, Vec<u8>)> {
        let answer = self.client.get(format!("{}{path}", self.url)).send().await.ok()?;
        Some((answer.status(), answer.bytes().await.ok()?.to_vec()))
    }

    async fn shares(&self) -> Vec<Value> {
        let answer = self.subsonic("getShares", &[]).await.unwrap();
        assert_eq!(answer["status"], "ok", "{answer}");
        answer["shares"]["share"].as_array().cloned().unwrap_or_default()
    }

    pub async fn song(&self) -> String {
        self.song_called("Opening").await
    }

    pub async fn song_called(&self, title: &str) -> String {
        let found = self.subsonic("search3", &[("query", title)]).await.unwrap();
        text(&found["searchResult3"]["song"][0]["id"])
    }
}

/// What a writer was told.
enum Acknowledged {
    Made(String),
    /// The share of this id has this description.
    Edited(String, u64),
}

/// Writes, one after another, until the server is gone.
async fn write(server: Remote, number: usize, own: String, song: String, told: mpsc::Sender<Acknowledged>) {
    for turn in 1u64.. {
        let description = turn.to_string();
        let is_edit = number % 2 == 1;
        let (call, id) = if is_edit { ("updateShare", &own) } else { ("createShare", &song) };
        let Some(answer) = server.subsonic(call, &[("id", id), ("description", &description)]).await else { return };
        if answer["status"] != "ok" {
            // A full queue says so and has kept nothing.
            assert_ne!(answer["error"]["code"], 70, "{answer}");
            continue;
        }
        let acknowledged = match is_edit {
            true => Acknowledged::Edited(own.clone(), turn),
            false => Acknowledged::Made(text(&answer["shares"]["share"][0]["id"])),
        };
        told.send(acknowledged).await.unwrap();
    }
}

both_engines! {
    async fn a_kill_in_the_middle_of_two_hundred_writers_loses_no_acknowledged_write(backend: Backend) {
        let installation = Installation::new(&backend);
        let mut running = installation.start();
        installation.command(&["scan"], None);
        let song = running.remote().song().await;
        let mut own = Vec::new();
        for _ in 0..WRITERS / 2 {
            let made = running.remote().subsonic("createShare", &[("id", &song), ("description", "0")]).await.unwrap();
            own.push(text(&made["shares"]["share"][0]["id"]));
        }
        let (told, mut hear) = mpsc::channel(10_000);
        for number in 0..WRITERS {
            let (remote, own, song) = (running.remote(), own[number / 2].clone(), song.clone());
            tokio::spawn(write(remote, number, own, song, told.clone()));
        }
        drop(told);
        let (mut made, mut edited) = (HashSet::new(), HashMap::new());
        let mut heard = 0;
        // The writers end when the server is gone, and with the last of them this does.
        while let Some(acknowledged) = hear.recv().await {
            match acknowledged {
                Acknowledged::Made(id) => drop(made.insert(id)),
                Acknowledged::Edited(id, turn) => drop(edited.insert(id, turn)),
            }
            heard += 1;
            if heard == WRITERS {
                running.kill();
            }
        }
        assert!(heard >= WRITERS && !made.is_empty() && !edited.is_empty());

        let running = installation.start();
        let shares = running.remote().shares().await;
        let there: HashMap<String, &Value> = shares.iter().map(|share| (text(&share["id"]), share)).collect();
        for id in &made {
            let share = there.get(id).unwrap_or_else(|| panic!("{id} was acknowledged"));
            assert_eq!(share["entry"][0]["id"], song.as_str(), "a share is there with all that it holds");
        }
        for (id, turn) in &edited {
            let kept: u64 = text(&there[id]["description"]).parse().unwrap();
            assert!(kept >= *turn, "{id} was acknowledged with {turn} and has {kept}");
        }
    }

    async fn a_kill_among_downloads_never_makes_them_more_than_the_limit(backend: Backend) {
        let installation = Installation::new(&backend);
        let path = installation.fixture.path("Music/The Band/First Album");
        let content = std::fs::read(path.join("01 Opening.flac")).unwrap();
        let mut running = installation.start();
        installation.command(&["scan"], None);
        let song = running.remote().song().await;
        let limit = DOWNLOAD_LIMIT.to_string();
        let made = installation.command(&["share", "--json", "--downloads", &limit], Some(&path));
        let made: Value = serde_json::from_slice(&made.stdout).unwrap();
        let share = text(&made["id"]);

        let mut acknowledged = 0;
        for is_first in [true, false] {
            let (told, mut hear) = mpsc::channel(10_000);
            for _ in 0..20 {
                let (remote, told) = (running.remote(), told.clone());
                let (address, content) = (format!("/s/{share}/-/file/{song}?download=1"), content.clone());
                tokio::spawn(async move {
                    while let Some((StatusCode::OK, body)) = remote.get(&address).await {
                        assert!(body == content);
                        told.send(()).await.unwrap();
                    }
                });
            }
            drop(told);
            while let Some(()) = hear.recv().await {
                acknowledged += 1;
                if is_first && acknowledged == 5 {
                    running.kill();
                }
            }
            if is_first {
                running = installation.start();
            }
        }
        assert!((5..=DOWNLOAD_LIMIT).contains(&acknowledged), "{acknowledged} downloads of {DOWNLOAD_LIMIT}");
        let after = running.remote().get(&format!("/s/{share}/-/file/{song}")).await;
        assert!(matches!(after, Some((StatusCode::NOT_FOUND, _))));
        let shown = installation.command(&["shares", "show", &share], None);
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.contains(&format!("{DOWNLOAD_LIMIT} of {DOWNLOAD_LIMIT}")), "{shown}");
    }

    async fn a_kill_among_renditions_leaves_no_program_running_and_no_part_for_the_whole(backend: Backend) {
        let installation = Installation::new(&backend);
        let long = installation.fixture.path("Music/long.wav");
        long_track(&long);
        let mut running = installation.start();
        installation.command(&["scan"], None);
        let long_id = running.remote().song_called("long").await;
        let address = format!("{}/rest/stream?u={ADMIN}&p={PASSWORD}&v=1.16.1&c=x&format=mp3&id={long_id}", running.url);
        let mut stream = running.client.get(address).send().await.unwrap();
        assert!(!stream.chunk().await.unwrap().unwrap().is_empty());
        let [worker] = workers(&long)[..] else { panic!("nobody works") };
        running.kill();
        until("the program ends", || !workers(&long).contains(&worker)).await;
        let cache = installation.data().join("cache");
        assert_eq!(files(&cache.join("growing")).len(), 1, "the part lies where parts lie");
        let _running = installation.start();
        until("the part is swept", || files(&cache.join("growing")).is_empty()).await;
        assert!(files(&cache).is_empty());
    }

    async fn without_ffmpeg_music_apps_get_the_original_and_pages_offer_nothing_else(backend: Backend) {
        let installation = Installation::new(&backend);
        let mut program = installation.program();
        program.env("PATH", "/nowhere");
        let running = installation.start_as(program);
        installation.command(&["scan"], None);
        let path = installation.fixture.path("Music/The Band/First Album");
        let content = std::fs::read(path.join("01 Opening.flac")).unwrap();
        let song = running.remote().song().await;
        let own = format!("u={ADMIN}&p={PASSWORD}&v=1.16.1&c=x&f=json&id={song}");
        let stream = running.remote().get(&format!("/rest/stream?{own}&format=mp3&maxBitRate=64")).await;
        assert!(stream == Some((StatusCode::OK, content)));
        let failed = running.remote().subsonic("hls.m3u8", &[("id", &song)]).await.unwrap();
        assert_eq!(failed["error"]["code"], 70, "{failed}");
        let made = installation.command(&["share", "--json"], Some(&path));
        let share = text(&serde_json::from_slice::<Value>(&made.stdout).unwrap()["id"]);
        let (_, page) = running.remote().get(&format!("/s/{share}")).await.unwrap();
        let page = String::from_utf8(page).unwrap();
        assert!(page.contains("/-/play/") && !page.contains("/-/stream/") && !page.contains("/-/waveform/"));
        for rendition in ["stream", "waveform"] {
            let (status, _) = running.remote().get(&format!("/s/{share}/-/{rendition}/{song}")).await.unwrap();
            assert_eq!(status, StatusCode::NOT_FOUND, "{rendition}");
        }
    }

    async fn a_kill_in_the_middle_of_an_upload_loses_no_acknowledged_part(backend: Backend) {
        const PART_BYTES: usize = 100_000;
        const PARTS: usize = 200;
        let installation = Installation::new(&backend);
        let mut running = installation.start();
        let cookie = crate::uploads::sign_in(&running.url, ADMIN).await;
        let bytes: Vec<u8> = (0..PARTS * PART_BYTES).map(|at| (at / 7 % 251) as u8).collect();
        let ask = |running: &Running, method: &str, path: String| {
            let request = running.client.request(method.parse().unwrap(), format!("{}{path}", running.url));
            request.header("cookie", &cookie)
        };
        let about = serde_json::json!({"name": "killed.bin", "size": bytes.len()});
        let begun = ask(&running, "POST", "/app/uploads".to_owned()).json(&about).send().await.unwrap();
        let id = text(&begun.json::<Value>().await.unwrap()["id"]);
        let (told, mut hear) = mpsc::channel(PARTS);
        for worker in 0..4 {
            let put = |at: usize| {
                let part = bytes[at..at + PART_BYTES].to_vec();
                (at, ask(&running, "PUT", format!("/app/uploads/{id}/{at}")).body(part))
            };
            let parts: Vec<_> = (worker..PARTS).step_by(4).map(|part| put(part * PART_BYTES)).collect();
            let told = told.clone();
            tokio::spawn(async move {
                for (at, put) in parts {
                    match put.send().await {
                        Ok(answer) if answer.status() == StatusCode::OK => told.send(at as u64).await.unwrap(),
                        _ => return,
                    }
                }
            });
        }
        drop(told);
        let mut acknowledged = Vec::new();
        while let Some(at) = hear.recv().await {
            acknowledged.push(at);
            if acknowledged.len() == PARTS / 4 {
                running.kill();
            }
        }
        assert!((PARTS / 4..PARTS).contains(&acknowledged.len()), "killed in the middle");
        let running = installation.start();
        let state = ask(&running, "GET", format!("/app/uploads/{id}")).send().await.unwrap().json::<Value>().await.unwrap();
        let missing: Vec<(u64, u64)> = serde_json::from_value(state["missing"].clone()).unwrap();
        let is_missing = |at: &u64| missing.iter().any(|(start, end)| start < &(at + PART_BYTES as u64) && at < end);
        assert!(!acknowledged.iter().any(is_missing), "{missing:?}");
        let mut last = Value::Null;
        for (start, end) in missing {
            let part = bytes[start as usize..end as usize].to_vec();
            let put = ask(&running, "PUT", format!("/app/uploads/{id}/{start}")).body(part).send().await.unwrap();
            last = put.json().await.unwrap();
        }
        assert_eq!(last["done"], true, "{last}");
        let homes = walkdir::WalkDir::new(installation.data()).into_iter().map(Result::unwrap);
        let file = homes.into_iter().find(|entry| entry.file_name() == "killed.bin").expect("it is there");
        assert!(std::fs::read(file.path()).unwrap() == bytes, "byte by byte");
    }

    async fn a_kill_in_the_middle_of_a_chunk_costs_that_chunk_and_its_client_goes_on(backend: Backend) {
        let installation = Installation::new(&backend);
        let mut running = installation.start();
        let drive = Drive::at(&running.url, running.client.clone()).signed_in(ADMIN, PASSWORD).await;
        let content: Vec<u8> = (0..CHUNK + 1000).map(|at| (at / 7 % 251) as u8).collect();
        let wish = |name: &str| json!({"uri": format!("cloudreve://my/{name}"), "size": content.len()});
        let mut begun = Vec::new();
        for name in ["killed.bin", "given up.bin"] {
            let session = text(&data(drive.put("/file/upload", wish(name)).await)["session_id"]);
            let chunk = drive.chunk(&session, 1, content[CHUNK..].to_vec()).await.unwrap();
            assert_eq!(chunk["code"], 0, "{chunk}");
            begun.push(session);
        }
        // Half of the other chunk comes, of other bytes than its client sends in the end.
        let half = stream::iter([Ok::<_, std::io::Error>(vec![b'x'; CHUNK / 2])]).chain(stream::pending());
        let (sender, session) = (drive.clone(), begun[0].clone());
        let coming = tokio::spawn(async move { sender.chunk(&session, 0, Body::wrap_stream(half)).await });
        let half_done = || -> Vec<PathBuf> {
            let all = walkdir::WalkDir::new(installation.data()).into_iter().filter_map(Result::ok);
            let all = all.filter(|entry| entry.path().parent().unwrap().ends_with(".openshelf"));
            all.filter(|entry| entry.file_type().is_file()).map(|entry| entry.into_path()).collect()
        };
        let has_come = |file: &PathBuf| std::fs::File::open(file).is_ok_and(|file| {
            let mut head = [0; 4];
            std::os::unix::fs::FileExt::read_exact_at(&file, &mut head, 1_000_000).is_ok() && head == *b"xxxx"
        });
        until("a part of the chunk is on the disk", || half_done().iter().any(has_come)).await;
        running.kill();
        assert_eq!(coming.await.unwrap(), None, "nobody acknowledged it");

        let running = installation.start();
        let drive = Drive::at(&running.url, running.client.clone()).with_token(&drive.token);
        assert_eq!(half_done().len(), 2, "what can go on stays");
        assert_eq!(drive.put("/file/upload", wish("killed.bin")).await["code"], 40054, "its client may be about to go on");
        let listed = async || names(&data(drive.get("/file?uri=cloudreve%3A%2F%2Fmy").await));
        let before = listed().await;
        assert!(!before.iter().any(|name| name.ends_with(".bin")), "{before:?}");
        let rest = drive.chunk(&begun[0], 0, content[..CHUNK].to_vec()).await.unwrap();
        assert_eq!(rest["code"], 0, "the chunk that nobody acknowledged is all that is missing: {rest}");
        let file = walkdir::WalkDir::new(installation.data()).into_iter().map(Result::unwrap);
        let file = file.into_iter().find(|entry| entry.file_name() == "killed.bin").expect("it is there");
        assert!(std::fs::read(file.path()).unwrap() == content, "byte by byte");
        let cancel = json!({"id": begun[1], "uri": "cloudreve://my/given up.bin"});
        assert_eq!(drive.call(Method::DELETE, "/file/upload", cancel).await["code"], 0);
        assert!(half_done().is_empty(), "nothing of it stays");
        assert_eq!(listed().await, [before, vec!["killed.bin".to_owned()]].concat());
        let again = text(&data(drive.put("/file/upload", wish("given up.bin")).await)["session_id"]);
        assert!(!begun.contains(&again), "the name is free for another try");
    }

    async fn a_kill_in_the_middle_of_downloads_neither_loses_nor_doubles_one(backend: Backend) {
        let installation = Installation::new(&backend);
        let folder = installation.fixture.path("Huge");
        std::fs::create_dir(&folder).unwrap();
        std::fs::File::create(folder.join("huge.flac")).unwrap().set_len(HUGE_BYTES).unwrap();
        let mut running = installation.start();
        installation.command(&["scan"], None);
        let song = running.remote().song_called("huge").await;
        let made = installation.command(&["share", "--json", "--downloads", "3"], Some(&folder));
        let made: Value = serde_json::from_slice(&made.stdout).unwrap();
        let share = text(&made["id"]);
        let (file, zip) = (format!("/s/{share}/-/file/{song}?download=1"), format!("/s/{share}/-/zip"));

        // One whole file, parts of one, and an archive.
        let kinds = [(&file, "", 200), (&file, "bytes=0-1999999,4000000000-", 206), (&zip, "", 200)];
        let mut guests = Vec::new();
        for (address, range, status) in kinds {
            let cookie = running.remote().visit(&share).await;
            let mut answer = running.remote().begin(address, &cookie, range).await;
            assert_eq!(answer.status(), status, "{address} {range}");
            let mut came_bytes = 0;
            while came_bytes < 1_000_000 {
                came_bytes += answer.chunk().await.unwrap().expect("more").len();
            }
            guests.push((address, cookie, answer));
        }
        running.kill();
        for (_, _, answer) in &mut guests {
            while let Ok(Some(_)) = answer.chunk().await {}
        }

        let running = installation.start();
        let counted = || {
            let shown = installation.command(&["shares", "show", &share], None);
            let shown = String::from_utf8(shown.stdout).unwrap();
            shown.lines().find_map(|line| line.strip_prefix("Downloads")).unwrap().trim().to_owned()
        };
        assert_eq!(counted(), "3 of 3");
        for address in [&file, &zip] {
            let late = running.remote().begin(address, "", "").await;
            assert_eq!(late.status(), StatusCode::NOT_FOUND, "one more of {address}");
        }
        // Each goes on with what it paid for, leaves in the middle of it, and comes back.
        for _ in 0..2 {
            for (address, cookie, _) in &guests {
                let mut answer = running.remote().begin(address, cookie, "bytes=1000000-").await;
                assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT, "{address}");
                assert!(answer.chunk().await.unwrap().is_some());
            }
            assert_eq!(counted(), "3 of 3");
        }
    }

    async fn a_kill_among_writers_over_one_file_loses_no_content_that_was_acknowledged(backend: Backend) {
        let installation = Installation::new(&backend);
        let mut running = installation.start();
        let database = match backend.file() {
            Some(_) => Database::Sqlite(installation.data().join("openshelf.sqlite")),
            None => backend.database().clone(),
        };
        let keep = tokio::task::spawn_blocking(move || {
            let db = openshelf::store::Db::open(&database).unwrap();
            db.write_blocking(|tx| {
                let wish = Preferences { keeps_versions: true, ..Preferences::default() };
                let all = accounts::list(tx)?;
                all.iter().try_for_each(|user| preferences::set(tx, user.key, &wish))
            })
            .unwrap();
            db.close();
        });
        keep.await.unwrap();
        let mut acknowledged = HashSet::new();
        for round in 0..3 {
            let signed = running.client.post(format!("{}/api/v4/session/token", running.url));
            let signed = signed.json(&serde_json::json!({"email": ADMIN, "password": PASSWORD})).send().await.unwrap();
            let token = text(&signed.json::<Value>().await.unwrap()["data"]["token"]["access_token"]);
            let (told, mut hear) = mpsc::channel(1000);
            for writer in 0..4 {
                let (client, url, token, told) = (running.client.clone(), running.url.clone(), token.clone(), told.clone());
                tokio::spawn(async move {
                    for number in 0.. {
                        let content = format!("round {round}, writer {writer}, number {number}");
                        let put = client.put(format!("{url}/api/v4/file/content?uri=cloudreve://my/one.txt"));
                        let Ok(answer) = put.bearer_auth(&token).body(content.clone()).send().await else { return };
                        let Ok(answer) = answer.json::<Value>().await else { return };
                        // Of those who begin while there is no file one makes it.
                        if answer["code"] == 0 && told.send(content).await.is_err() {
                            return;
                        }
                    }
                });
            }
            drop(told);
            let before = acknowledged.len();
            while let Some(content) = hear.recv().await {
                acknowledged.insert(content);
                if acknowledged.len() == before + 15 {
                    running.kill();
                }
            }
            running = installation.start();
        }
        let home = walkdir::WalkDir::new(installation.data()).into_iter().map(Result::unwrap);
        let file = home.into_iter().find(|entry| entry.file_name() == "one.txt").expect("it is there").into_path();
        let versions = file.with_file_name(".openshelf").join("versions");
        let kept: Vec<PathBuf> = std::fs::read_dir(&versions).unwrap().map(|entry| entry.unwrap().path()).collect();
        // A kill may come after the current content was given its second name, and before another took its first.
        let inode = |path: &PathBuf| path.metadata().unwrap().ino();
        let former = kept.iter().filter(|path| inode(path) != inode(&file)).count();
        let there: HashSet<String> = kept.into_iter().chain([file]).map(|path| std::fs::read_to_string(path).unwrap()).collect();
        let lost: Vec<&String> = acknowledged.difference(&there).collect();
        assert!(lost.is_empty(), "{lost:?}");
        // And clients are told of each.
        let signed = running.client.post(format!("{}/api/v4/session/token", running.url));
        let signed = signed.json(&serde_json::json!({"email": ADMIN, "password": PASSWORD})).send().await.unwrap();
        let token = text(&signed.json::<Value>().await.unwrap()["data"]["token"]["access_token"]);
        let info = format!("{}/api/v4/file/info?extended=true&uri=cloudreve://my/one.txt", running.url);
        let info = running.client.get(info).bearer_auth(token).send().await.unwrap().json::<Value>().await.unwrap();
        let told = info["data"]["extended_info"]["entities"].as_array().unwrap().len();
        assert_eq!(told, 1 + former);
    }
}
