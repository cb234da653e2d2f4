//! What is made of files: once for all, in time, within its limits, and never more than a guest may have.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use lofty::config::WriteOptions;
use lofty::picture::{MimeType, Picture, PictureType};
use lofty::probe::Probe;
use lofty::tag::{Tag, TagExt};
use openshelf::config::Given;
use openshelf::library::tags::{endings_of, media_of};
use openshelf::library::{Library, Media};
use openshelf::store::accounts;
use openshelf::work::signin;
use reqwest::{Method, StatusCode, header};
use serde_json::Value;
use tempfile::TempDir;

use crate::both_engines;
use crate::engines::Backend;
use crate::fixture::png;
use crate::server::{ADMIN, PASSWORD, PATIENCE, Server};
use crate::strangers::{Answer, Desk, Guest, Owner, Shareable, item};

const TRACK_S: u32 = 20;
/// How long a transfer may outlive its share.
const PROMISED: Duration = Duration::from_secs(5);

/// Runs ffmpeg to make something for a test.
pub fn ffmpeg(words: &str, to: &Path) {
    let made = Command::new("ffmpeg").args(["-v", "error", "-nostdin", "-y"]).args(words.split(' ')).arg(to).status();
    assert!(made.unwrap().success(), "{words}");
}

/// A sound that is nowhere silent and nowhere the same.
pub fn track(to: &Path, seconds: u32) {
    ffmpeg(&format!("-f lavfi -i aevalsrc=0.4*sin(2*PI*t*(300+20*t))|0.3*sin(660*2*PI*t):s=44100:d={seconds}"), to);
}

/// One word of what ffprobe says of some bytes.
pub fn probed(bytes: &[u8], entry: &str) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let words = ["-v", "error", "-of", "default=nk=1:nw=1", "-show_entries", entry];
    let said = Command::new("ffprobe").args(words).arg(file.path()).output().unwrap();
    String::from_utf8(said.stdout).unwrap().lines().next().unwrap_or_default().to_owned()
}

pub fn seconds(bytes: &[u8]) -> f64 {
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
        Stage::set_with(backend, |_| (), fill).await
    }

    async fn set_with(backend: &Backend, settings: impl FnOnce(&mut Given), fill: impl FnOnce(&Path)) -> Stage {
        let folder = TempDir::new().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("box")).unwrap();
        fill(&root.join("box"));
        let server = Server::start_with(backend, settings);
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

    /// A call of the music apps' protocol about an item.
    async fn rest(&self, call: &str, item_id: &str, more: &[(&str, &str)]) -> Answer {
        let own = [("u", ADMIN), ("p", PASSWORD), ("v", "1.16.1"), ("c", "proof"), ("id", item_id)];
        Answer::of(self.server.client().get(format!("{}/rest/{call}", self.server.url)).query(&own).query(more)).await
    }

    /// All segments of a playlist, one behind the other.
    async fn joined(&self, base: &str, playlist: &str) -> Vec<u8> {
        let mut joined = Vec::new();
        for line in lines(playlist) {
            let segment = self.guest().get(&format!("{base}{line}")).await;
            assert_eq!(segment.status, StatusCode::OK, "{line}");
            // Of sound, without the tag that tells its time: a bare row of frames is what players make of it.
            let tag = if segment.body.starts_with(b"ID3") { 73 } else { 0 };
            joined.extend_from_slice(&segment.body[tag..]);
        }
        joined
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

pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_file()).collect()
}

/// Waits for what gives no signal of its own.
pub async fn until(what: &str, ready: impl Fn() -> bool) {
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

    async fn each_ending_that_pictures_are_promised_for_is_drawn(backend: Backend) {
        let name = |ending: &str| format!("sample-{ending}.{ending}");
        let stage = Stage::set(&backend, |folder| {
            let known = [Media::Audio, Media::Image, Media::Video].into_iter().flat_map(endings_of);
            known.chain(&["pdf"]).for_each(|ending| sample(&folder.join(name(ending))));
        }).await;
        let told: Value = serde_json::from_slice(&stage.guest().get("/api/v4/site/config/thumb").await.body).unwrap();
        let endings: Vec<String> = serde_json::from_value(told["data"]["thumb_exts"].clone()).unwrap();
        for known in ["jpg", "heic", "mp4", "mkv", "mp3", "pdf"] {
            assert!(endings.iter().any(|ending| ending == known), "{known}: {endings:?}");
        }
        let made: Vec<&String> = endings.iter().filter(|ending| stage.root.join("box").join(name(ending)).exists()).collect();
        assert_eq!(made.len(), endings.len() - UNWRITTEN.len(), "{endings:?}");
        let share = stage.share(&[("downloads", "allowed")]).await;
        let mut undrawn = Vec::new();
        for ending in made {
            let address = format!("/api/v4/file/thumb?uri=cloudreve://{share}@share/{}", name(ending));
            let told: Value = serde_json::from_slice(&stage.guest().get(&address).await.body).unwrap();
            let url = told["data"]["url"].as_str().unwrap_or_else(|| panic!("{ending}: {told}"));
            let picture = stage.guest().get(url.strip_prefix(&stage.server.url).unwrap()).await;
            if picture.status != StatusCode::OK || !picture.header(header::CONTENT_TYPE).starts_with("image/") {
                undrawn.push(ending);
            }
        }
        assert_eq!(undrawn, [] as [&String; 0]);
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

        // LMS promised too little and too much: players cut the end off, or hung. It and Airsonic came to fill up with zeros.
        let estimated = stage.stream(&id, &[("format", "mp3"), ("maxBitRate", "96"), ("estimateContentLength", "true")]).await;
        assert_eq!(estimated.header(header::CONTENT_LENGTH), estimated.body.len().to_string(), "a promised length is kept");
        let made = stage.stream(&id, &[("format", "mp3"), ("maxBitRate", "96")]).await;
        assert!(estimated.body.starts_with(&made.body), "nothing is cut");
        assert!(estimated.body[made.body.len()..].iter().all(|byte| *byte == 0), "what is added is no sound");
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

    async fn the_first_bytes_come_before_the_last_are_made_and_who_leaves_ends_the_work(backend: Backend) {
        let stage = Stage::set(&backend, |folder| long_track(&folder.join("long.wav"))).await;
        let share = stage.share(&[("downloads", "allowed")]).await;
        let address = format!("/s/{share}/-/stream/{}", stage.id("long.wav").await);
        let file = stage.root.join("box/long.wav");
        let mut running = stage.guest().request(Method::GET, &address).send().await.unwrap();
        assert_eq!(running.status(), StatusCode::OK);
        assert_eq!(running.headers()[header::ACCEPT_RANGES], "none");
        assert!(!running.headers().contains_key(header::CONTENT_LENGTH));
        assert!(!running.chunk().await.unwrap().unwrap().is_empty());
        assert_eq!((workers(&file).len(), stage.growing().len()), (1, 1), "it is still being made");
        let mut second = stage.guest().request(Method::GET, &address).send().await.unwrap();
        assert!(!second.chunk().await.unwrap().unwrap().is_empty());
        assert_eq!(workers(&file).len(), 1, "the second guest reads along");
        drop(running);
        assert!(!second.chunk().await.unwrap().unwrap().is_empty());
        assert_eq!(workers(&file).len(), 1, "one still listens");
        drop(second);
        until("the work ends", || workers(&file).is_empty() && stage.growing().is_empty()).await;
        assert!(stage.cached().is_empty(), "no part is taken for the whole");
    }

    async fn a_killed_ffmpeg_breaks_the_transfer_and_the_next_request_starts_anew(backend: Backend) {
        let stage = Stage::set(&backend, |folder| long_track(&folder.join("long.wav"))).await;
        let share = stage.share(&[("downloads", "allowed")]).await;
        let address = format!("/s/{share}/-/stream/{}", stage.id("long.wav").await);
        let file = stage.root.join("box/long.wav");
        let mut running = stage.guest().request(Method::GET, &address).send().await.unwrap();
        assert!(!running.chunk().await.unwrap().unwrap().is_empty());
        let [worker] = workers(&file)[..] else { panic!("no worker") };
        assert!(Command::new("kill").args(["-9", &worker.to_string()]).status().unwrap().success());
        let broken = loop {
            match running.chunk().await {
                Ok(Some(_)) => {}
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        assert!(broken, "a part was given out as the whole");
        until("nothing remains", || stage.growing().is_empty()).await;
        assert!(stage.cached().is_empty());
        let mut again = stage.guest().request(Method::GET, &address).send().await.unwrap();
        assert!(!again.chunk().await.unwrap().unwrap().is_empty());
        assert_eq!(workers(&file).len(), 1);
    }

    async fn a_revoke_ends_a_running_rendition(backend: Backend) {
        let stage = Stage::set(&backend, |folder| long_track(&folder.join("long.wav"))).await;
        let share = stage.share(&[("downloads", "allowed")]).await;
        let address = format!("/s/{share}/-/stream/{}", stage.id("long.wav").await);
        let file = stage.root.join("box/long.wav");
        let mut running = stage.guest().request(Method::GET, &address).send().await.unwrap();
        assert!(!running.chunk().await.unwrap().unwrap().is_empty());
        let revoked = Instant::now();
        stage.owner.revoke(Desk::Page, &share).await;
        while let Ok(Some(_)) = running.chunk().await {}
        assert!(revoked.elapsed() < PROMISED, "it went on for {:?}", revoked.elapsed());
        assert_eq!(stage.guest().get(&address).await.status, StatusCode::NOT_FOUND);
        until("the work ends", || workers(&file).is_empty()).await;
    }

    async fn renditions_spend_no_download_and_a_used_up_share_gives_none(backend: Backend) {
        let stage = Stage::set(&backend, |folder| {
            track(&folder.join("song.flac"), TRACK_S);
            film(&folder.join("film.mkv"), 8);
        }).await;
        let share = stage.share(&[("downloads", "allowed"), ("download_limit", "1")]).await;
        let (song, film) = (stage.id("song.flac").await, stage.id("film.mkv").await);
        let renditions = [
            format!("stream/{song}"), format!("waveform/{song}"), format!("thumb/{film}"), format!("cover/{film}"),
            format!("hls/{film}/index.m3u8"), format!("hls/{film}/v360/index.m3u8"), format!("hls/{film}/v360/0.ts"),
            format!("hls/{film}/a128/0.aac"),
        ].map(|rendition| format!("/s/{share}/-/{rendition}"));
        for address in &renditions {
            assert_eq!(stage.guest().get(address).await.status, StatusCode::OK, "{address}");
        }
        let peaks = stage.guest().get(&renditions[1]).await.json();
        let peaks = peaks["peaks"].as_array().unwrap();
        assert_eq!(peaks.len(), TRACK_S as usize * 20);
        assert!(peaks.iter().all(|peak| (20..256).contains(&peak.as_u64().unwrap())), "{peaks:?}");
        assert_eq!(stage.owner.downloads(&share).await, 0);
        let original = stage.guest().get(&format!("/s/{share}/-/file/{song}?download=1")).await;
        assert_eq!(original.status, StatusCode::OK);
        for address in &renditions {
            assert_eq!(stage.guest().get(address).await.status, StatusCode::NOT_FOUND, "{address}");
        }
    }

    async fn a_share_for_listening_gives_sound_and_no_film(backend: Backend) {
        let stage = Stage::set(&backend, |folder| {
            track(&folder.join("song.flac"), TRACK_S);
            track(&folder.join("song.opus"), TRACK_S);
            film(&folder.join("film.mkv"), 8);
        }).await;
        let share = stage.share(&[("mode", "listen")]).await;
        // Opus as well, which Safari did not play from LMS.
        for song in ["song.flac", "song.opus"] {
            let stream = stage.guest().get(&format!("/s/{share}/-/stream/{}", stage.id(song).await)).await;
            assert_eq!((stream.status, stream.header(header::CONTENT_TYPE)), (StatusCode::OK, "audio/mpeg"), "{song}");
            assert_eq!(probed(&stream.body, "stream=codec_name"), "mp3", "{song}");
            assert!((seconds(&stream.body) - f64::from(TRACK_S)).abs() < 0.2, "{song}");
        }
        let film = stage.id("film.mkv").await;
        for rendition in ["index.m3u8", "v360/index.m3u8", "v360/0.ts", "a128/0.aac"] {
            let answer = stage.guest().get(&format!("/s/{share}/-/hls/{film}/{rendition}")).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{rendition}");
        }
    }

    async fn segments_of_sound_join_without_a_gap(backend: Backend) {
        const SECONDS: u32 = 43;
        let stage = Stage::set(&backend, |folder| {
            for name in ["a.flac", "b.mp3", "c.ogg", "d.m4a"] {
                track(&folder.join(name), SECONDS);
            }
        }).await;
        for name in ["a.flac", "b.mp3", "c.ogg", "d.m4a"] {
            let id = stage.id(name).await;
            let playlist = stage.rest("hls.m3u8", &id, &[("bitRate", "200")]).await;
            assert_eq!(playlist.header(header::CONTENT_TYPE), "application/vnd.apple.mpegurl");
            let joined = stage.joined(&format!("{}/rest/", stage.server.url), &playlist.text()).await;
            assert!((lengths(&playlist.text()) - f64::from(SECONDS)).abs() < 0.2, "{name}");
            let straight = tempfile::Builder::new().suffix(".aac").tempfile().unwrap();
            let source = stage.root.join("box").join(name);
            ffmpeg(&format!("-i {} -ar 48000 -ac 2 -c:a aac -aac_coder fast -b:a 192k", source.display()), straight.path());
            let (joined, straight) = (samples(&joined), samples(&std::fs::read(straight.path()).unwrap()));
            assert_eq!(joined.len(), straight.len(), "{name}");
            // Two encoders that began at different places differ by what they rounded, everywhere alike.
            let worst = joined.iter().zip(&straight).map(|(a, b)| (a - b).abs()).max().unwrap();
            assert!(worst < 200, "{name}: they are {worst} apart");
        }
    }

    async fn a_film_is_cut_into_segments_that_begin_with_a_whole_picture(backend: Backend) {
        let stage = Stage::set(&backend, |folder| film(&folder.join("film.mkv"), 15)).await;
        let share = stage.share(&[]).await;
        let base = format!("{}/s/{share}/-/hls/{}/", stage.server.url, stage.id("film.mkv").await);
        let master = stage.guest().get(&format!("{base}index.m3u8")).await;
        let streams: Vec<String> = lines(&master.text());
        assert_eq!(streams, ["v360/index.m3u8", "v720/index.m3u8"], "{}", master.text());
        assert!(master.text().contains("URI=\"a128/index.m3u8\""));
        let playlist = stage.guest().get(&format!("{base}v360/index.m3u8")).await.text();
        assert_eq!(lines(&playlist), ["0.ts", "1.ts", "2.ts"]);
        for segment in lines(&playlist) {
            let segment = stage.guest().get(&format!("{base}v360/{segment}")).await;
            assert_eq!(segment.header(header::CONTENT_TYPE), "video/mp2t");
            assert_eq!(probed(&segment.body, "stream=codec_name"), "h264");
            assert_eq!(probed(&segment.body, "stream=height"), "360");
            assert_eq!(probed(&segment.body, "packet=flags").chars().next(), Some('K'));
        }
        let joined = stage.joined(&format!("{base}v360/"), &playlist).await;
        assert!((seconds(&joined) - 15.0).abs() < 0.1, "{}", seconds(&joined));
        for none in ["v360/3.ts", "v1080/../x", "v240/index.m3u8", "v360/0.aac", "a128/-1.aac", "a128/99999999999.aac", "a128/2.aac"] {
            assert_eq!(stage.guest().get(&format!("{base}{none}")).await.status, StatusCode::NOT_FOUND, "{none}");
        }
    }

    async fn playlists_of_music_apps_lead_to_signed_parts_that_die_with_the_password(backend: Backend) {
        let stage = Stage::set(&backend, |folder| track(&folder.join("song.flac"), TRACK_S)).await;
        let id = stage.id("song.flac").await;
        let master = stage.rest("hls.m3u8", &id, &[("bitRate", "128"), ("bitRate", "64@480x360")]).await.text();
        let variants = lines(&master);
        assert_eq!(variants.len(), 2, "{master}");
        let base = format!("{}/rest/", stage.server.url);
        let variant = format!("{base}{}", variants[0]);
        let playlist = stage.guest().get(&variant).await;
        assert_eq!(playlist.status, StatusCode::OK);
        let part = format!("{}/{}", variant.rsplit_once('/').unwrap().0, lines(&playlist.text())[0]);
        assert_eq!(stage.guest().get(&part).await.status, StatusCode::OK);
        let end = part.rfind("/a128").unwrap();
        let forged = [
            part.replacen("/a128", "x/a128", 1),
            format!("{}{}", &part[..end - 1], &part[end..]),
        ];
        for forged in forged {
            assert_eq!(stage.guest().get(&forged).await.status, StatusCode::NOT_FOUND, "{forged}");
        }
        let app = std::sync::Arc::clone(&stage.server.app);
        stage.server.run(async move {
            let find = |tx: &mut openshelf::store::Tx| accounts::by_login(tx, ADMIN);
            let user = app.db.read(find).await.unwrap().unwrap();
            signin::set_password(&app, user.key, "another horse").await.unwrap();
        });
        for dead in [&variant, &part] {
            assert_eq!(stage.guest().get(dead).await.status, StatusCode::NOT_FOUND);
        }
    }

    async fn hostile_files_give_nothing_of_others_and_ask_nobody(backend: Backend) {
        let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        elsewhere.set_nonblocking(true).unwrap();
        let port = elsewhere.local_addr().unwrap().port();
        let stage = Stage::set(&backend, |folder| {
            let secret = folder.parent().unwrap().parent().unwrap().join("secret.wav");
            track(&secret, 3);
            let secret = secret.display();
            let tricks = [
                format!("ffconcat version 1.0\nfile '{secret}'\n"),
                format!("ffconcat version 1.0\nfile file:{secret}\n"),
                format!("#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nfile://{secret}\n#EXT-X-ENDLIST\n"),
                format!("#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n"),
                format!("#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:3,\nconcat:file:{secret}|file:{secret}\n"),
                format!("v=0\nc=IN IP4 127.0.0.1\nm=audio {port} RTP/AVP 0\n"),
                format!("[playlist]\nFile1={secret}\n"),
                format!("<svg xmlns=\"http://www.w3.org/2000/svg\"><image href=\"http://127.0.0.1:{port}/a.png\"/></svg>"),
                "only words, and no film at all\n".repeat(1000),
            ];
            for (n, trick) in tricks.iter().enumerate() {
                for suffix in ["mp3", "mp4", "jpg", "pdf", "heic"] {
                    std::fs::write(folder.join(format!("trick{n}.{suffix}")), trick).unwrap();
                }
            }
            film(&folder.join("whole.mp4"), 4);
            let whole = std::fs::read(folder.join("whole.mp4")).unwrap();
            for (name, part) in [("cut", &whole[..whole.len() / 2]), ("head", &whole[..64]), ("none", &whole[..0])] {
                std::fs::write(folder.join(format!("{name}.mp4")), part).unwrap();
                std::fs::write(folder.join(format!("{name}.mp3")), part).unwrap();
                std::fs::write(folder.join(format!("{name}.png")), part).unwrap();
            }
            let noise: Vec<u8> = (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
            for suffix in ["mp3", "mp4", "jpg", "pdf", "flac", "tiff"] {
                std::fs::write(folder.join(format!("noise.{suffix}")), &noise).unwrap();
            }
            std::fs::remove_file(folder.join("whole.mp4")).unwrap();
        }).await;
        let share = stage.share(&[("downloads", "allowed")]).await;
        let mut asked = 0;
        for file in files(&stage.root.join("box")) {
            let name = file.file_name().unwrap().to_str().unwrap();
            let id = stage.id(name).await;
            for rendition in ["stream", "waveform", "thumb", "hls"] {
                let end = if rendition == "hls" { "/index.m3u8" } else { "" };
                let answer = stage.guest().get(&format!("/s/{share}/-/{rendition}/{id}{end}")).await;
                // A sound that is broken may still have a beginning; what was never one has none.
                let is_refused = answer.status == StatusCode::NOT_FOUND;
                let may_be_part = !name.starts_with("trick") && answer.status == StatusCode::OK;
                assert!(is_refused || may_be_part, "{name}: {rendition} answers {}", answer.status);
                asked += 1;
            }
        }
        assert!(asked > 200);
        let nobody = elsewhere.accept().map(|_| ()).unwrap_err();
        assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
        until("all ends", || stage.growing().is_empty()).await;
    }

    async fn the_cache_keeps_within_its_quota(backend: Backend) {
        let small = |given: &mut Given| given.cache_size = Some("1M".to_owned());
        let stage = Stage::set_with(&backend, small, |folder| track(&folder.join("song.flac"), TRACK_S)).await;
        let id = stage.id("song.flac").await;
        for kbps in ["64", "96", "128", "192", "256"] {
            let answer = stage.stream(&id, &[("format", "mp3"), ("maxBitRate", kbps)]).await;
            assert!((seconds(&answer.body) - f64::from(TRACK_S)).abs() < 0.2, "{kbps}");
        }
        until("all is kept", || stage.growing().is_empty()).await;
        let held: u64 = stage.cached().iter().map(|path| path.metadata().unwrap().len()).sum();
        assert!(held > 0 && held <= 1 << 20, "{held}");
        assert!(stage.cached().len() < 5);
    }

    async fn a_full_disk_is_a_clean_error_and_leaves_nothing(backend: Backend) {
        let mut mount = None;
        let on_small_disk = |given: &mut Given| mount = SmallDisk::mount(&given.data.as_ref().unwrap().join("cache"));
        let stage = Stage::set_with(&backend, on_small_disk, |folder| {
            track(&folder.join("song.flac"), 120);
            ffmpeg("-f lavfi -i testsrc2=s=1600x900 -frames:v 1", &folder.join("photo.png"));
        }).await;
        let Some(_mount) = mount else {
            eprintln!("not run: a small disk needs root");
            return;
        };
        let share = stage.share(&[]).await;
        let address = format!("/s/{share}/-/stream/{}", stage.id("song.flac").await);
        let mut running = stage.guest().request(Method::GET, &address).send().await.unwrap();
        let broken = loop {
            match running.chunk().await {
                Ok(Some(_)) => {}
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        assert!(broken || running.status() != StatusCode::OK, "a part was given out as the whole");
        until("nothing remains", || stage.growing().is_empty()).await;
        assert!(stage.cached().is_empty());
        let thumb = stage.guest().get(&format!("/s/{share}/-/thumb/{}", stage.id("photo.png").await)).await;
        assert_eq!(thumb.status, StatusCode::OK, "what fits is made");
    }
}

/// A disk of one megabyte in the place of a folder.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<SmallDisk> {
        std::fs::create_dir_all(at).unwrap();
        let words = ["-t", "tmpfs", "-o", "size=1m", "tmpfs"];
        let mounted = Command::new("mount").args(words).arg(at).output().ok()?;
        mounted.status.success().then(|| SmallDisk(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Processes that read this file as their input.
pub fn workers(file: &Path) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| std::fs::read_link(format!("/proc/{pid}/fd/0")).is_ok_and(|input| input == file)).collect()
}

/// Takes many seconds to transcode, and no time to make.
pub fn long_track(to: &Path) {
    ffmpeg("-f lavfi -i sine=f=500:d=7200:r=16000 -ac 1 -c:a pcm_s16le", to);
}

pub fn film(to: &Path, seconds: u32) {
    let picture = format!("-f lavfi -i testsrc2=s=1280x720:r=25:d={seconds}");
    let sound = format!("-f lavfi -i sine=f=500:d={seconds}");
    ffmpeg(&format!("{picture} {sound} -c:v libx264 -preset ultrafast -g 250 -c:a aac"), to);
}

/// The addresses in a playlist.
pub fn lines(playlist: &str) -> Vec<String> {
    playlist.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

/// All segments' lengths together, in seconds.
fn lengths(playlist: &str) -> f64 {
    let lengths = playlist.lines().filter_map(|line| line.strip_prefix("#EXTINF:")?.strip_suffix(','));
    lengths.map(|length| length.parse::<f64>().unwrap()).sum()
}

fn samples(bytes: &[u8]) -> Vec<i32> {
    let bytes = decoded(bytes);
    bytes.chunks_exact(2).map(|two| i32::from(i16::from_le_bytes([two[0], two[1]]))).collect()
}

/// As 44,100 samples a second of two bytes.
fn decoded(bytes: &[u8]) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let words = ["-v", "error", "-nostdin", "-i"];
    let to = ["-ac", "1", "-ar", "44100", "-f", "s16le", "-"];
    Command::new("ffmpeg").args(words).arg(file.path()).args(to).output().unwrap().stdout
}

/// Endings of which there are pictures, and that nothing here writes.
const UNWRITTEN: [&str; 4] = ["ape", "mpc", "heic", "heif"];

/// Something with a picture, in the format that its name says; nothing where that cannot be.
fn sample(to: &Path) {
    const FILM: &str = "-f lavfi -i testsrc2=s=176x144:r=25:d=1";
    const SOUND: &str = "-f lavfi -i sine=r=16000:d=1";
    match (media_of(to.as_os_str().as_bytes()), to.extension().unwrap().to_str().unwrap()) {
        (_, ending) if UNWRITTEN.contains(&ending) => return,
        (_, "wma" | "dsf" | "dff" | "mka" | "tta" | "wv") => return,
        (Media::None, _) => std::fs::write(to, PDF).unwrap(),
        (Media::Image, "jfif") => ffmpeg(&format!("{FILM} -frames:v 1 -c:v mjpeg -f image2"), to),
        (Media::Image, "avif") => {
            ffmpeg(&format!("{FILM} -frames:v 1 -c:v libaom-av1 -cpu-used 8 -still-picture 1"), to)
        }
        (Media::Image, _) => ffmpeg(&format!("{FILM} -frames:v 1"), to),
        (Media::Video, "m4v") => ffmpeg(&format!("{FILM} -f mp4"), to),
        (Media::Video, "mts" | "m2ts") => ffmpeg(&format!("{FILM} -f mpegts"), to),
        (Media::Video, _) => ffmpeg(FILM, to),
        (Media::Audio, "oga") => ffmpeg(&format!("{SOUND} -c:a libvorbis"), to),
        (Media::Audio, "alac") => ffmpeg(&format!("{SOUND} -c:a alac -f ipod"), to),
        (Media::Audio, _) => ffmpeg(SOUND, to),
    }
    if media_of(to.as_os_str().as_bytes()) == Media::Audio {
        let kind = Probe::open(to).unwrap().guess_file_type().unwrap().file_type().unwrap();
        let mut tag = Tag::new(kind.primary_tag_type());
        tag.push_picture(Picture::unchecked(png()).pic_type(PictureType::CoverFront).mime_type(MimeType::Png).build());
        tag.save_to_path(to, WriteOptions::default()).unwrap();
    }
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
