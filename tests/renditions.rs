//! What is made of files: once for all, in time, within its limits, and never more than a guest may have.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use openshelf::library::Library;
use reqwest::{Method, StatusCode, header};
use tempfile::TempDir;

use crate::both_engines;
use crate::engines::Backend;
use crate::server::{ADMIN, PASSWORD, Server};
use crate::strangers::{Answer, Desk, Guest, Owner, Shareable, item};

/// For what the server does after its answer.
const PATIENCE: Duration = Duration::from_secs(20);
const TRACK_S: u32 = 20;

/// Runs ffmpeg to make something for a test.
pub fn ffmpeg(words: &str, to: &Path) {
    let made = Command::new("ffmpeg").args(["-v", "error", "-nostdin", "-y"]).args(words.split(' ')).arg(to).status();
    assert!(made.unwrap().success(), "{words}");
}

/// A sound that is nowhere silent and nowhere the same.
fn track(to: &Path, seconds: u32) {
    ffmpeg(&format!("-f lavfi -i aevalsrc=0.4*sin(2*PI*t*(300+20*t))|0.3*sin(660*2*PI*t):s=44100:d={seconds}"), to);
}

/// One word of what ffprobe says of some bytes.
fn probed(bytes: &[u8], entry: &str) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let words = ["-v", "error", "-of", "default=nk=1:nw=1", "-show_entries", entry];
    let said = Command::new("ffprobe").args(words).arg(file.path()).output().unwrap();
    String::from_utf8(said.stdout).unwrap().lines().next().unwrap_or_default().to_owned()
}

fn seconds(bytes: &[u8]) -> f64 {
    probed(bytes, "format=duration").parse().unwrap_or_else(|_| panic!("no duration in {} bytes", bytes.len()))
}

struct Stage {
    server: Server,
    library: Library,
    owner: Owner,
    shared: Shareable,
    root: PathBuf,
    _folder: TempDir,
}

impl Stage {
    async fn set(backend: &Backend, fill: impl FnOnce(&Path)) -> Stage {
        let folder = TempDir::new().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("box")).unwrap();
        fill(&root.join("box"));
        let server = Server::start(backend);
        let library = server.add_library("Shelf", &root);
        let owner = Owner::sign_in(&server, ADMIN).await;
        let shared = Shareable::of(&server, &library, "box").await;
        Stage { server, library, owner, shared, root, _folder: folder }
    }

    async fn id(&self, name: &str) -> String {
        item(&self.server, &self.library, &format!("box/{name}")).await.id
    }

    async fn share(&self, terms: &[(&str, &str)]) -> String {
        let id = self.owner.make(Desk::Page, &self.shared).await;
        self.owner.post(&format!("/app/shares/{id}"), terms).await;
        id
    }

    fn guest(&self) -> Guest {
        Guest::new(&self.server, "guest")
    }

    /// `stream` with these parameters more.
    async fn stream(&self, item_id: &str, more: &[(&str, &str)]) -> Answer {
        self.ranged_stream(item_id, more, None).await
    }

    async fn ranged_stream(&self, item_id: &str, more: &[(&str, &str)], range: Option<&str>) -> Answer {
        let own = [("u", ADMIN), ("p", PASSWORD), ("v", "1.16.1"), ("c", "proof"), ("id", item_id)];
        let request = self.server.client().get(format!("{}/rest/stream", self.server.url)).query(&own).query(more);
        Answer::of(if let Some(range) = range { request.header(header::RANGE, range) } else { request }).await
    }

    fn cached(&self) -> Vec<PathBuf> {
        files(&self.server.app.config.data.join("cache"))
    }

    fn growing(&self) -> Vec<PathBuf> {
        files(&self.server.app.config.data.join("cache/growing"))
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_file()).collect()
}

/// Waits for what gives no signal of its own.
async fn until(what: &str, ready: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !ready() {
        assert!(Instant::now() < end, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

both_engines! {
    async fn pictures_of_all_kinds_are_made_once_and_kept(backend: Backend) {
        let stage = Stage::set(&backend, |folder| {
            ffmpeg("-f lavfi -i testsrc2=s=1600x900:d=20:r=10 -c:v libx264 -preset ultrafast", &folder.join("film.mp4"));
            for name in ["photo.jpg", "photo.png", "photo.tiff", "photo.bmp"] {
                ffmpeg("-f lavfi -i testsrc2=s=1600x900 -frames:v 1", &folder.join(name));
            }
            std::fs::write(folder.join("page.pdf"), PDF).unwrap();
            std::fs::write(folder.join("words.txt"), "only words").unwrap();
        }).await;
        let share = stage.share(&[("downloads", "allowed"), ("download_limit", "1")]).await;
        for name in ["film.mp4", "photo.jpg", "photo.png", "photo.tiff", "photo.bmp", "page.pdf"] {
            let address = format!("/s/{share}/-/thumb/{}", stage.id(name).await);
            let before = stage.cached().len();
            let first = stage.guest().get(&address).await;
            assert_eq!(first.status, StatusCode::OK, "{name}");
            assert_eq!(first.header(header::CONTENT_TYPE), "image/jpeg", "{name}");
            let sides = [probed(&first.body, "stream=width"), probed(&first.body, "stream=height")];
            let sides = sides.map(|side| side.parse::<u32>().unwrap());
            assert!(*sides.iter().max().unwrap() == 384, "{name}: {sides:?}");
            until("kept", || stage.cached().len() == before + 1 && stage.growing().is_empty()).await;
            let again = stage.guest().get(&address).await;
            assert!(again.body == first.body, "{name}");
            assert_eq!(stage.cached().len(), before + 1, "{name}");
            let same = stage.guest().request(Method::GET, &address).header(header::IF_NONE_MATCH, first.header(header::ETAG));
            assert_eq!(Answer::of(same).await.status, StatusCode::NOT_MODIFIED);
        }
        let none = stage.guest().get(&format!("/s/{share}/-/thumb/{}", stage.id("words.txt").await)).await;
        assert_eq!(none.status, StatusCode::NOT_FOUND);
        assert_eq!(stage.owner.downloads(&share).await, 0);

        // A file that changed has another picture, without a scan.
        let address = format!("/s/{share}/-/thumb/{}", stage.id("photo.jpg").await);
        let before = stage.guest().get(&address).await;
        ffmpeg("-f lavfi -i color=red:s=1600x900 -frames:v 1", &stage.root.join("box/photo.jpg"));
        let after = stage.guest().get(&address).await;
        assert!(after.body != before.body && after.header(header::ETAG) != before.header(header::ETAG));
    }

    async fn a_stream_is_in_the_format_and_below_the_bit_rate_that_are_asked_for(backend: Backend) {
        let stage = Stage::set(&backend, |folder| track(&folder.join("song.flac"), TRACK_S)).await;
        let id = stage.id("song.flac").await;
        let original = std::fs::read(stage.root.join("box/song.flac")).unwrap();
        for same in [&[][..], &[("format", "raw")], &[("format", "raw"), ("maxBitRate", "64")], &[("format", "flac")],
            &[("maxBitRate", "0")], &[("maxBitRate", "9999")], &[("format", "unheard-of")]]
        {
            let answer = stage.stream(&id, same).await;
            assert!(answer.body == original, "{same:?}");
            assert_eq!(answer.header(header::ACCEPT_RANGES), "bytes");
        }
        for (more, codec, mime, kbps) in [
            (&[("maxBitRate", "140")][..], "mp3", "audio/mpeg", Some(128)),
            (&[("format", "mp3")], "mp3", "audio/mpeg", Some(192)),
            (&[("format", "mp3"), ("maxBitRate", "1000")], "mp3", "audio/mpeg", Some(320)),
            (&[("format", "opus"), ("maxBitRate", "100")], "opus", "audio/ogg", None),
            (&[("format", "aac"), ("maxBitRate", "96")], "aac", "audio/aac", None),
            (&[("format", "flac"), ("timeOffset", "5")], "flac", "audio/flac", None),
        ] {
            let answer = stage.stream(&id, more).await;
            assert_eq!((answer.status, answer.header(header::CONTENT_TYPE)), (StatusCode::OK, mime), "{more:?}");
            assert_eq!(probed(&answer.body, "stream=codec_name"), codec);
            if let Some(kbps) = kbps {
                assert_eq!(probed(&answer.body, "stream=bit_rate"), (kbps * 1000).to_string(), "{more:?}");
            }
            let start_s = if more.iter().any(|(name, _)| *name == "timeOffset") { 5.0 } else { 0.0 };
            let decoded_s = decoded(&answer.body).len() as f64 / 2.0 / 44100.0;
            assert!((decoded_s - (f64::from(TRACK_S) - start_s)).abs() < 0.2, "{more:?}: {decoded_s} s");
        }
        assert!(stage.growing().is_empty());
    }

    async fn a_transcode_has_a_length_and_parts_once_it_is_whole(backend: Backend) {
        let stage = Stage::set(&backend, |folder| track(&folder.join("song.flac"), TRACK_S)).await;
        let id = stage.id("song.flac").await;
        let more = [("format", "mp3"), ("maxBitRate", "128")];
        let part = stage.ranged_stream(&id, &more, Some("bytes=0-1")).await;
        assert_eq!(part.status, StatusCode::PARTIAL_CONTENT, "Safari asks so before it plays anything");
        let whole = stage.stream(&id, &more).await;
        assert_eq!(whole.header(header::CONTENT_LENGTH), whole.body.len().to_string());
        assert_eq!(part.header(header::CONTENT_RANGE), format!("bytes 0-1/{}", whole.body.len()));
        let middle = stage.ranged_stream(&id, &more, Some("bytes=1000-1999")).await;
        assert!(middle.body == whole.body[1000..2000]);

        let estimated = stage.stream(&id, &[("format", "mp3"), ("maxBitRate", "96"), ("estimateContentLength", "true")]).await;
        assert_eq!(estimated.header(header::CONTENT_LENGTH), estimated.body.len().to_string(), "a promised length is kept");
        let made = stage.stream(&id, &[("format", "mp3"), ("maxBitRate", "96")]).await;
        assert!(estimated.body.starts_with(&made.body), "nothing is cut");
    }

    async fn ten_guests_cost_one_transcode(backend: Backend) {
        let stage = Stage::set(&backend, |folder| track(&folder.join("song.flac"), 120)).await;
        let id = stage.id("song.flac").await;
        let more = [("format", "mp3")];
        let mut all = join_all((0..10).map(|_| stage.stream(&id, &more))).await;
        let first = all.pop().unwrap().body;
        assert!((seconds(&first) - 120.0).abs() < 1.0);
        assert!(all.iter().all(|answer| answer.body == first));
        until("kept", || stage.growing().is_empty()).await;
        assert_eq!(stage.cached().len(), 1);
    }
}

/// As 44,100 samples a second of two bytes.
fn decoded(bytes: &[u8]) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let words = ["-v", "error", "-nostdin", "-i"];
    let to = ["-ac", "1", "-ar", "44100", "-f", "s16le", "-"];
    Command::new("ffmpeg").args(words).arg(file.path()).args(to).output().unwrap().stdout
}

/// One page, black from its edge to its middle.
const PDF: &str = "%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 300]/Contents 4 0 R>>endobj
4 0 obj<</Length 18>>stream
0 0 100 150 re f
endstream endobj
trailer<</Root 1 0 R>>
";
