//! Archives: the same bytes whichever way and how often they are fetched, or a broken connection; one download each.

use std::collections::HashSet;
use std::fs::{self, File, FileTimes};
use std::path::PathBuf;
use std::time::{Duration, Instant, UNIX_EPOCH};

use futures_util::future::join_all;
use openshelf::args;
use openshelf::library::Library;
use openshelf::store::Tx;
use openshelf::store::checksums;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::both_engines;
use crate::engines::Backend;
use crate::fixture::Fixture;
use crate::server::{ADMIN, PATIENCE, Server};
use crate::strangers::{Answer, Desk, Guest, Owner, Shareable, contains, item, text};

/// More than the sockets of this machine hold, so that a reader who stops stops the server too.
const LONG_BYTES: u64 = 64 << 20;

/// A folder of files of many sizes, shared, and its owner.
struct Stage {
    server: Server,
    library: Library,
    owner: Owner,
    root: PathBuf,
    _folder: TempDir,
}

impl Stage {
    async fn set(backend: &Backend) -> Stage {
        let folder = TempDir::new().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("many/below")).unwrap();
        for number in 0..40u32 {
            let place = if number % 3 == 0 { "many/below" } else { "many" };
            let size = [0, 1, 700, 30_000, 300_000][number as usize % 5] + number;
            let content: Vec<u8> = (0..size - number % 2).map(|at| (at / 3 + number) as u8).collect();
            fs::write(root.join(place).join(format!("{number:02}.bin")), content).unwrap();
        }
        fs::create_dir(root.join("long")).unwrap();
        File::create(root.join("long/a.bin")).unwrap().set_len(LONG_BYTES).unwrap();
        fs::write(root.join("long/b.bin"), vec![7; 100_000]).unwrap();
        let server = Server::start(backend);
        let library = server.add_library("Shelf", &root);
        let owner = Owner::sign_in(&server, ADMIN).await;
        Stage { server, library, owner, root, _folder: folder }
    }

    async fn share(&self, path: &str, terms: &[(&str, &str)]) -> String {
        let shared = Shareable::of(&self.server, &self.library, path).await;
        let id = self.owner.make(Desk::Page, &shared).await;
        self.owner.post(&format!("/app/shares/{id}"), &[&[("downloads", "allowed")], terms].concat()).await;
        id
    }

    fn guest(&self, agent: &str) -> Guest {
        Guest::new(&self.server, agent)
    }

    /// How many checksums of files in a folder are kept, once there are as many as expected.
    async fn sums_settle_at(&self, expected: usize) {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.run(|tx| tx.one("SELECT COUNT(*) FROM checksum", args![], |row| row.get::<usize>(0))).await {
                kept if kept == expected => return,
                kept => assert!(Instant::now() < until, "{kept} checksums, not {expected}"),
            }
        }
    }

    /// Looks by the writer, which nobody holds up here.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx) -> openshelf::error::Result<T> + Send + 'static,
    ) -> T {
        self.server.app.db.write(work).await.unwrap()
    }

    async fn downloads_settle_at(&self, share: &str, expected: i64) {
        let until = Instant::now() + PATIENCE;
        loop {
            let id = share.to_owned();
            let counted = self.run(move |tx| {
                tx.one("SELECT downloads FROM share WHERE public_id = $1", args![id], |row| row.get::<i64>(0))
            });
            match counted.await {
                counted if counted == expected => return,
                counted => assert!(Instant::now() < until, "{counted} downloads, not {expected}"),
            }
        }
    }

    fn etag(answer: &Answer) -> String {
        let etag = answer.header(header::ETAG).to_owned();
        assert!(etag.starts_with('"') && etag.len() > 10, "{etag}");
        etag
    }
}

/// What becomes of a file, and how.
type Change<'a> = (&'a str, &'a dyn Fn(&PathBuf));

/// What the table of contents of a zip archive says, in the order of names.
fn names_in(archive: &[u8]) -> Vec<String> {
    let number = |at: usize| usize::from(u16::from_le_bytes([archive[at], archive[at + 1]]));
    let count = number(archive.len() - 12);
    let mut at = archive.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    let mut names = Vec::new();
    for _ in 0..count {
        assert_eq!(&archive[at..at + 4], b"PK\x01\x02");
        let length = number(at + 28);
        names.push(String::from_utf8(archive[at + 46..at + 46 + length].to_vec()).unwrap());
        at += 46 + length + number(at + 30) + number(at + 32);
    }
    names.sort();
    names
}

fn zip(share: &str) -> String {
    format!("/s/{share}/-/zip")
}

/// Parts of something so long, the same at each run of the test.
fn parts(length: usize, count: usize) -> Vec<(usize, usize)> {
    let mut runner = TestRunner::deterministic();
    let place =
        (0..length, prop_oneof![1..200usize, 1..length]).prop_map(move |(at, long)| (at, (at + long).min(length)));
    (0..count).map(|_| place.new_tree(&mut runner).unwrap().current()).collect()
}

async fn part(guest: &Guest, address: &str, (start, end): (usize, usize)) -> Vec<u8> {
    let answer = guest.range(address, &format!("bytes={start}-{}", end - 1)).await;
    assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT, "{start}..{end}");
    answer.body
}

fn set_modified(path: &PathBuf, seconds: u64) {
    let times = FileTimes::new().set_modified(UNIX_EPOCH + Duration::from_secs(seconds));
    File::options().write(true).open(path).unwrap().set_times(times).unwrap();
}

both_engines! {
    async fn any_part_is_that_part_of_the_whole_whatever_is_known_of_it(backend: Backend) {
        let stage = Stage::set(&backend).await;
        let (share, guest) = (stage.share("many", &[]).await, stage.guest("any"));
        let address = zip(&share);
        // Nothing is known yet: the table of contents needs each file.
        let head = Answer::of(guest.request(Method::HEAD, &address)).await;
        let length: usize = head.header(header::CONTENT_LENGTH).parse().unwrap();
        let end = part(&guest, &address, (length - 3000, length)).await;
        let whole = guest.get(&address).await;
        assert_eq!((whole.body.len(), Stage::etag(&whole)), (length, Stage::etag(&head)));
        let whole = whole.body;
        assert!(end == whole[length - 3000..]);
        // One of the forty is empty.
        stage.sums_settle_at(39).await;
        for (round, forget) in [
            "DELETE FROM checksum WHERE item_id < 0",
            "DELETE FROM checksum WHERE item_id % 2 = 0",
            "UPDATE checksum SET crc32 = 0, modified_ns = modified_ns - 1",
        ].into_iter().enumerate() {
            for place in parts(length, 25) {
                stage.run(move |tx| tx.run(forget, args![])).await;
                assert!(part(&guest, &address, place).await == whole[place.0..place.1], "round {round}: {place:?}");
            }
        }
        let several = guest.range(&address, "bytes=10-1009,-50").await;
        assert_eq!(several.status, StatusCode::PARTIAL_CONTENT);
        assert!(several.header(header::CONTENT_TYPE).starts_with("multipart/byteranges"));
        assert!(contains(&several.body, &whole[10..1010]) && contains(&several.body, &whole[length - 50..]));
        let absurd = guest.range(&address, "bytes=99999999999-").await;
        assert_eq!(absurd.status, StatusCode::RANGE_NOT_SATISFIABLE);
    }

    async fn a_changed_file_is_another_archive(backend: Backend) {
        let stage = Stage::set(&backend).await;
        let (share, guest) = (stage.share("many", &[]).await, stage.guest("any"));
        let (address, path) = (zip(&share), stage.root.join("many/below/03.bin"));
        let size = fs::metadata(&path).unwrap().len() as usize;
        let mut known = HashSet::new();
        let mut before = None;
        for round in 0..4 {
            match round {
                1 => fs::write(&path, vec![round; size]).unwrap(),
                // As a tool does that keeps times: another file, of the same size and time.
                2 => {
                    let beside = path.with_extension("new");
                    fs::write(&beside, vec![round; size]).unwrap();
                    let modified = fs::metadata(&path).unwrap().modified().unwrap();
                    File::options().write(true).open(&beside).unwrap().set_modified(modified).unwrap();
                    fs::rename(beside, &path).unwrap();
                }
                3 => fs::remove_file(&path).unwrap(),
                _ => {}
            }
            let answer = guest.get(&address).await;
            assert_eq!(answer.status, StatusCode::OK);
            assert!(known.insert(Stage::etag(&answer)), "round {round}: the tag of before");
            assert_eq!(contains(&answer.body, b"03.bin"), round < 3, "what is gone is left out");
            let ask = |name, tag: &str| guest.request(Method::GET, &address).header(header::RANGE, "bytes=5-").header(name, tag);
            if let Some(before) = before.replace(Stage::etag(&answer)) {
                let stale = Answer::of(ask(header::IF_RANGE, &before)).await;
                assert_eq!(stale.status, StatusCode::OK, "a resume of what is no more is the whole");
                assert!(stale.body == answer.body);
            }
            let fresh = Answer::of(ask(header::IF_RANGE, &Stage::etag(&answer))).await;
            assert_eq!(fresh.status, StatusCode::PARTIAL_CONTENT);
            assert!(fresh.body == answer.body[5..]);
            assert_eq!(Answer::of(ask(header::IF_NONE_MATCH, &Stage::etag(&answer))).await.status, StatusCode::NOT_MODIFIED);
        }
    }

    async fn parts_are_of_one_plan_until_what_they_need_is_another(backend: Backend) {
        let stage = Stage::set(&backend).await;
        let (share, guest) = (stage.share("many", &[]).await, stage.guest("any"));
        let address = zip(&share);
        let first = guest.get(&address).await;
        let (tag, whole) = (Stage::etag(&first), first.body);
        let ask = |range: &str| guest.request(Method::GET, &address).header(header::RANGE, range.to_owned());
        // A file that was not read for a part may go, and the part is still of what its client has.
        let gone = stage.root.join("many/below/27.bin");
        fs::remove_file(&gone).unwrap();
        let part = Answer::of(ask("bytes=-100")).await;
        assert_eq!((part.status, Stage::etag(&part)), (StatusCode::PARTIAL_CONTENT, tag.clone()));
        assert!(part.body == whole[whole.len() - 100..]);
        let broken = ask("bytes=1-").send().await.unwrap();
        assert!(broken.bytes().await.is_err(), "a part that needs it breaks");
        let anew = Answer::of(ask("bytes=-100")).await;
        assert_ne!(Stage::etag(&anew), tag, "and is the end of that plan");
        // Whoever asks from the beginning, or for another tag, gets what is there now.
        fs::write(&gone, b"back").unwrap();
        let other = Answer::of(ask("bytes=5-").header(header::IF_RANGE, &tag)).await;
        assert_eq!(other.status, StatusCode::OK);
        assert!(contains(&other.body, b"27.bin"));
        fs::remove_file(&gone).unwrap();
        let start = Answer::of(ask("bytes=0-99")).await;
        assert_eq!(Stage::etag(&start), Stage::etag(&anew));
        stage.owner.revoke(Desk::Page, &share).await;
        assert_eq!(Answer::of(ask("bytes=-100")).await.status, StatusCode::NOT_FOUND, "a plan opens no share");
    }

    async fn a_file_that_changes_in_mid_transfer_breaks_the_connection(backend: Backend) {
        let stage = Stage::set(&backend).await;
        let (share, guest) = (stage.share("long", &[]).await, stage.guest("any"));
        let [a, b] = ["long/a.bin", "long/b.bin"].map(|path| stage.root.join(path));
        let restore = || {
            File::create(&a).unwrap().set_len(LONG_BYTES).unwrap();
            fs::write(&b, vec![7; 100_000]).unwrap();
            set_modified(&a, 1_000_000_000);
            set_modified(&b, 1_000_000_000);
        };
        let truncate = |path: &PathBuf| File::options().write(true).open(path).unwrap().set_len(10).unwrap();
        let replace = |path: &PathBuf| {
            let beside = path.with_extension("new");
            File::create(&beside).unwrap().set_len(fs::metadata(path).unwrap().len()).unwrap();
            set_modified(&beside, 1_000_000_000);
            fs::rename(beside, path).unwrap();
        };
        let touch = |path: &PathBuf| set_modified(path, 1_000_000_001);
        let grow = |path: &PathBuf| File::options().write(true).open(path).unwrap().set_len(LONG_BYTES + 1).unwrap();
        let remove = |path: &PathBuf| fs::remove_file(path).unwrap();
        let changes: [Change; 5] =
            [("truncated", &truncate), ("replaced", &replace), ("touched", &touch), ("grown", &grow), ("removed", &remove)];
        for (what, change) in changes {
            for path in [&a, &b] {
                restore();
                let mut answer = guest.request(Method::GET, &zip(&share)).send().await.unwrap();
                assert_eq!(answer.status(), StatusCode::OK);
                answer.chunk().await.unwrap().unwrap();
                change(path);
                let broken = loop {
                    match answer.chunk().await {
                        Ok(Some(_)) => {}
                        Ok(None) => break false,
                        Err(_) => break true,
                    }
                };
                assert!(broken, "{} is {what}, and the archive comes as if it were whole", path.display());
            }
        }
        let key = item(&stage.server, &stage.library, "long/b.bin").await.key;
        let kept = stage.run(move |tx| checksums::of_items(tx, &[key])).await;
        assert!(kept.is_empty(), "of a file that changed nothing is kept: {kept:?}");
    }

    async fn a_resume_without_a_cookie_is_the_same_download(backend: Backend) {
        let stage = Stage::set(&backend).await;
        for address in ["/s/{}/-/zip", "/action/share/{}"] {
            let share = stage.share("long", &[("download_limit", "1")]).await;
            let address = address.replace("{}", &share);
            let curl = || stage.guest("curl/8.0");
            let mut broken = curl().request(Method::GET, &address).send().await.unwrap();
            let etag = broken.headers()[header::ETAG].to_str().unwrap().to_owned();
            let length: usize = broken.headers()[header::CONTENT_LENGTH].to_str().unwrap().parse().unwrap();
            let first = broken.chunk().await.unwrap().unwrap();
            let elsewhere = curl().at([127, 0, 0, 2]).range(&address, "bytes=100-199").await;
            assert_eq!(elsewhere.status, StatusCode::NOT_FOUND);
            assert_eq!(curl().get(&address).await.status, StatusCode::NOT_FOUND, "from the start it is a new one");
            drop(broken);
            let rest = curl().range(&address, &format!("bytes={}-", first.len())).await;
            assert_eq!((rest.status, Stage::etag(&rest)), (StatusCode::PARTIAL_CONTENT, etag));
            assert_eq!(first.len() + rest.body.len(), length);
            stage.downloads_settle_at(&share, 1).await;
            assert_eq!(curl().range(&address, "bytes=100-199").await.status, StatusCode::NOT_FOUND, "it was finished");
        }
    }

    async fn whoever_is_known_resumes_under_the_same_download(backend: Backend) {
        let stage = Stage::set(&backend).await;
        let share = stage.share("many", &[("download_limit", "1")]).await;
        let (address, mut known) = (zip(&share), stage.guest("browser"));
        known.visit(&share).await;
        let whole = known.get(&address).await.whole().unwrap();
        for place in [(0, 100), (100, whole.len()), (whole.len() - 7, whole.len())] {
            assert!(part(&known, &address, place).await == whole[place.0..place.1]);
        }
        stage.downloads_settle_at(&share, 1).await;
        assert_eq!(stage.guest("other").range(&address, "bytes=100-").await.status, StatusCode::NOT_FOUND);
    }

    async fn a_revoke_ends_the_search_for_checksums_too(backend: Backend) {
        let stage = Stage::set(&backend).await;
        // Nothing of it is known, and reading it all takes far longer than a revoke may.
        fs::create_dir(stage.root.join("huge")).unwrap();
        File::create(stage.root.join("huge/huge.bin")).unwrap().set_len(200 << 30).unwrap();
        stage.server.scan(&stage.library);
        let share = stage.share("huge", &[]).await;
        let head = Answer::of(stage.guest("any").request(Method::HEAD, &zip(&share))).await;
        let length: usize = head.header(header::CONTENT_LENGTH).parse().unwrap();
        let last = stage.guest("any").request(Method::GET, &zip(&share)).header(header::RANGE, format!("bytes={}-", length - 200));
        let answer = last.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
        stage.owner.revoke(Desk::Page, &share).await;
        assert!(answer.bytes().await.is_err(), "the end of an archive came although its share is gone");
        stage.sums_settle_at(0).await;
    }

    async fn looks_at_an_archive_spend_nothing(backend: Backend) {
        let stage = Stage::set(&backend).await;
        let (share, empty) = (stage.share("many", &[("download_limit", "2")]).await, stage.root.join("empty"));
        let address = zip(&share);
        let head = Answer::of(stage.guest("head").request(Method::HEAD, &address)).await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
        let same = stage.guest("again").request(Method::GET, &address).header(header::IF_NONE_MATCH, Stage::etag(&head));
        assert_eq!(Answer::of(same).await.status, StatusCode::NOT_MODIFIED);
        assert_eq!(stage.guest("beyond").range(&address, "bytes=99999999999-").await.status, StatusCode::RANGE_NOT_SATISFIABLE);
        stage.downloads_settle_at(&share, 0).await;
        fs::create_dir(empty).unwrap();
        stage.server.scan(&stage.library);
        let nothing = stage.share("empty", &[("download_limit", "1")]).await;
        for _ in 0..2 {
            let archive = stage.guest("any").get(&zip(&nothing)).await;
            assert_eq!(archive.status, StatusCode::OK);
            assert!(contains(&archive.body, b"empty/"), "a folder that holds nothing is in it by its name");
            // An archive of nothing costs nothing.
            stage.downloads_settle_at(&nothing, 0).await;
        }
    }

    async fn folders_that_hold_nothing_are_in_an_archive_too(backend: Backend) {
        let stage = Stage::set(&backend).await;
        for name in ["few/deep/nothing", "few/Odd ö", "few/full"] {
            fs::create_dir_all(stage.root.join(name)).unwrap();
        }
        fs::write(stage.root.join("few/full/a.txt"), "a").unwrap();
        stage.server.scan(&stage.library);
        let (share, guest) = (stage.share("few", &[]).await, stage.guest("any"));
        let address = zip(&share);
        let whole = guest.get(&address).await;
        let held = names_in(&whole.body);
        assert_eq!(held, ["Odd ö/", "deep/nothing/", "full/a.txt"], "a folder with files is told by them");
        let length = whole.body.len();
        for place in parts(length, 25) {
            assert!(part(&guest, &address, place).await == whole.body[place.0..place.1], "{place:?}");
        }
        // One that is gone, or is none any more, is left out.
        fs::remove_dir(stage.root.join("few/Odd ö")).unwrap();
        fs::remove_dir(stage.root.join("few/deep/nothing")).unwrap();
        fs::write(stage.root.join("few/deep/nothing"), "a file by now").unwrap();
        let later = guest.get(&address).await;
        assert_eq!(names_in(&later.body), ["full/a.txt"]);
        assert_ne!(Stage::etag(&later), Stage::etag(&whole));
    }

    async fn a_limit_holds_for_archives_under_a_hundred_guests(backend: Backend) {
        const LIMIT: usize = 7;
        let stage = Stage::set(&backend).await;
        let folder = Shareable::of(&stage.server, &stage.library, "many").await.item.id;
        let share = stage.share("many", &[("download_limit", &LIMIT.to_string())]).await;
        let tries = (0..100).map(|number| {
            let (mut guest, share, folder) = (stage.guest(&format!("guest {number}")), share.clone(), folder.clone());
            tokio::spawn(async move {
                let address = match number % 4 {
                    0 => zip(&share),
                    1 => {
                        guest.visit(&share).await;
                        zip(&share)
                    }
                    2 => {
                        let token = guest.mycloud_token(&share).await?;
                        format!("/sdk/v1/filesZip?ids={folder}&access_token={token}")
                    }
                    _ => drive_archive(&guest, &[guest.drive_uri(&share, "")]).await.ok()?,
                };
                guest.get(&address).await.whole()
            })
        });
        let mut whole: Option<Vec<u8>> = None;
        let mut served = 0;
        for got in join_all(tries).await {
            if let Some(bytes) = got.unwrap() {
                served += 1;
                assert!(*whole.get_or_insert(bytes.clone()) == bytes, "a whole archive or none");
            }
        }
        assert_eq!(served, LIMIT);
        stage.downloads_settle_at(&share, LIMIT as i64).await;
        assert_eq!(stage.guest("late").get(&zip(&share)).await.status, StatusCode::NOT_FOUND);
    }

    async fn each_door_gives_its_users_archives(backend: Backend) {
        let folder = TempDir::new().unwrap();
        let fixture = Fixture::build(folder.path());
        let server = Server::start(&backend);
        let library = server.add_library("Shelf", &fixture.root);
        let owner = Owner::sign_in(&server, ADMIN).await;
        let guest = Guest::new(&server, "browser");
        let is_archive = |answer: &Answer, name: &str, holds: &[&str], lacks: &[&str]| {
            assert_eq!((answer.status, answer.header(header::CONTENT_TYPE)), (StatusCode::OK, "application/zip"), "{}", answer.text());
            assert_eq!(answer.header(header::CONTENT_DISPOSITION), format!("attachment; filename=\"{name}.zip\""));
            for held in holds {
                assert!(contains(&answer.body, held.as_bytes()), "{name} lacks {held}");
            }
            for lacking in lacks {
                assert!(!contains(&answer.body, lacking.as_bytes()), "{name} holds {lacking}");
            }
        };

        // Music apps: whatever has an id.
        let found = owner.subsonic("search3", &[("query", "")]).await;
        let id = |kind: &str, name: &str| {
            let all = found["searchResult3"][kind].as_array().unwrap();
            text(&all.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("{all:?}"))["id"])
        };
        let (album, artist) = (id("album", "First Album"), id("artist", "The Band"));
        let songs = owner.subsonic("getAlbum", &[("id", &album)]).await;
        let song = text(&songs["album"]["song"][0]["id"]);
        let list = owner.subsonic("createPlaylist", &[("name", "Mix"), ("songId", &song)]).await;
        let list = text(&list["playlist"]["id"]);
        let music = item(&server, &library, "Music").await.id;
        for (id, name, holds, lacks) in [
            (&album, "First Album", ["01 Opening.flac", "10 Last.wav"], ["One.flac"]),
            (&artist, "The Band", ["01 Opening.flac", "01 One.flac"], ["notes.txt"]),
            (&list, "Mix", ["01 Opening.flac", "PK"], ["10 Last.wav"]),
            (&music, "Music", ["The Band/Double Album/CD2/01 Two.flac", "notes.txt"], ["README.md"]),
        ] {
            let address = format!("/rest/download?u={ADMIN}&p={}&v=1.16.1&c=test&id={id}", crate::server::PASSWORD.replace(' ', "%20"));
            let answer = guest.get(&address).await;
            is_archive(&answer, name, &holds, &lacks);
            assert!(guest.range(&address, "bytes=7-99").await.body == answer.body[7..100]);
        }

        // Drives: own files and those of shares, in one address.
        let shared = Shareable::of(&server, &library, "pub").await;
        let share = owner.make(Desk::Page, &shared).await;
        owner.post(&format!("/app/shares/{share}"), &[("downloads", "allowed"), ("download_limit", "1")]).await;
        let uris = ["cloudreve://my/Shelf/Music/notes.txt", "cloudreve://my/Shelf/Names"].map(str::to_owned);
        let asked = json!({"uris": uris, "archive": true, "download": true});
        let urls = owner.cloudreve(Method::POST, "/api/v4/file/url", Some(asked)).await;
        assert_eq!(urls["urls"].as_array().unwrap().len(), 1);
        let answer = guest.get(&text(&urls["urls"][0]["url"])).await;
        is_archive(&answer, "files", &["notes.txt", "Names/plus+and space#hash_.txt", "break.txt", "Names/empty"], &["README.md"]);
        let address = drive_archive(&guest, &[guest.drive_uri(&share, "open.txt")]).await.unwrap();
        assert!(guest.get(&zip(&share)).await.status == StatusCode::NOT_FOUND, "the last download is reserved");
        is_archive(&guest.get(&address).await, "open.txt", &["open.txt"], &["hidden"]);
        assert!(guest.range(&address, "bytes=7-20").await.status == StatusCode::PARTIAL_CONTENT);
        assert_eq!(owner.downloads(&share).await, 1);
        assert_eq!(guest.get(&address.replace("sign=", "sign=x")).await.status, StatusCode::NOT_FOUND);
        let foreign = drive_archive(&guest, &uris).await.unwrap_err();
        assert_eq!(foreign["code"], 401, "{foreign}");
        owner.revoke(Desk::Page, &share).await;
        assert_eq!(guest.get(&address).await.status, StatusCode::NOT_FOUND);

        // Cloud apps: several ids.
        let names = item(&server, &library, "Names").await.id;
        let readme = item(&server, &library, "README.md").await.id;
        let answer = owner.mycloud(Method::GET, &format!("/sdk/v1/filesZip?ids={names},{readme}"), None).await;
        is_archive(&answer, "files", &["Names/empty", "README.md"], &["notes.txt"]);
        let answer = owner.mycloud(Method::GET, &format!("/sdk/v1/filesZip?ids={names}"), None).await;
        is_archive(&answer, "Names", &["empty"], &["Names/empty"]);
    }
}

/// The one address of an archive of these, or the envelope of a refusal.
async fn drive_archive(guest: &Guest, uris: &[String]) -> Result<String, Value> {
    let asked = json!({"uris": uris, "archive": true});
    let envelope = guest.cloudreve(Method::POST, "/api/v4/file/url", Some(asked)).await;
    match envelope["code"] == 0 {
        true => Ok(text(&envelope["data"]["urls"][0]["url"])),
        false => Err(envelope),
    }
}
