//! What music apps play: formats that they decide on, films, lyrics, covers, and the jukebox.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use lofty::tag::ItemKey as TagKey;
use openshelf::config::Given;
use openshelf::library::Library;
use openshelf::media::child::Programs;
use reqwest::header;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::both_engines;
use crate::engines::Backend;
use crate::fixture::{Fixture, mp3};
use crate::renditions::{ffmpeg, film, lines, probed, seconds, track, until};
use crate::server::{ADMIN, PASSWORD, PATIENCE, Server};
use crate::strangers::{Answer, item};

struct App {
    server: Server,
    library: Library,
    fixture: Fixture,
    user: &'static str,
    _folder: TempDir,
}

impl App {
    fn new(backend: &Backend, fill: impl FnOnce(&Fixture)) -> App {
        App::with(backend, |_| (), fill)
    }

    fn with(backend: &Backend, settings: impl FnOnce(&mut Given), fill: impl FnOnce(&Fixture)) -> App {
        let folder = TempDir::new().unwrap();
        let fixture = Fixture { root: folder.path().join("root") };
        std::fs::create_dir(&fixture.root).unwrap();
        fill(&fixture);
        let server = Server::start_with(backend, settings);
        let library = server.add_library("Shelf", &fixture.root);
        App { server, library, fixture, user: ADMIN, _folder: folder }
    }

    async fn id(&self, path: &str) -> String {
        item(&self.server, &self.library, path).await.id
    }

    fn url(&self, call: &str) -> String {
        format!("{}/rest/{call}", self.server.url)
    }

    async fn raw(&self, call: &str, query: &[(&str, &str)]) -> Answer {
        let own = [("u", self.user), ("p", PASSWORD), ("v", "1.16.1"), ("c", "test")];
        Answer::of(self.server.client().get(self.url(call)).query(&own).query(query)).await
    }

    async fn json(&self, call: &str, query: &[(&str, &str)]) -> Value {
        self.raw(call, &[&[("f", "json")], query].concat()).await.json()["subsonic-response"].clone()
    }

    async fn ok(&self, call: &str, query: &[(&str, &str)]) -> Value {
        let answer = self.json(call, query).await;
        assert_eq!(answer["status"], "ok", "{call} {query:?}: {answer}");
        answer
    }

    async fn code(&self, call: &str, query: &[(&str, &str)]) -> i64 {
        let answer = self.json(call, query).await;
        assert_eq!(answer["status"], "failed", "{call} {query:?}: {answer}");
        answer["error"]["code"].as_i64().unwrap()
    }

    async fn lyrics(&self, id: &str, more: &[(&str, &str)]) -> Vec<Value> {
        let answer = self.ok("getLyricsBySongId", &[&[("id", id)], more].concat()).await;
        answer["lyricsList"]["structuredLyrics"].as_array().unwrap().clone()
    }

    async fn decide(&self, id: &str, client: &Value) -> Value {
        let own = [("u", self.user), ("p", PASSWORD), ("v", "1.16.1"), ("c", "test"), ("f", "json")];
        let asked = [("mediaId", id), ("mediaType", "song")];
        let request = self.server.client().post(self.url("getTranscodeDecision")).query(&own).query(&asked);
        Answer::of(request.json(client)).await.json()["subsonic-response"].clone()
    }

    async fn jukebox(&self, action: &str, more: &[(&str, &str)]) -> Value {
        let answer = self.ok("jukeboxControl", &[&[("action", action)], more].concat()).await;
        answer[if action == "get" { "jukeboxPlaylist" } else { "jukeboxStatus" }].clone()
    }

    /// Waits until the jukebox is like that.
    async fn jukebox_until(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let status = self.jukebox("status", &[]).await;
            if is(&status) {
                return status;
            }
            assert!(Instant::now() < end, "{what}: {status}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn values(lines: &Value) -> Vec<&str> {
    lines.as_array().unwrap().iter().map(|line| line["value"].as_str().unwrap()).collect()
}

const MP3: &str = r#"{"container":"mp3","audioCodec":"mp3","protocol":"http"}"#;

fn client(direct: &str, more: Value) -> Value {
    let mut client = json!({
        "name": "test", "platform": "test",
        "directPlayProfiles": [{"containers": [direct], "audioCodecs": [direct], "protocols": ["http"]}],
        "transcodingProfiles": [serde_json::from_str::<Value>(MP3).unwrap()],
    });
    client.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client
}

both_engines! {
    async fn a_player_gets_what_it_was_decided_to_get(backend: Backend) {
        let app = App::new(&backend, |shelf| {
            track(&shelf.path("song.flac"), 12);
            track(&shelf.path("other.flac"), 3);
        });
        let (song, other) = (app.id("song.flac").await, app.id("other.flac").await);
        let direct = app.decide(&song, &client("flac", json!({}))).await["transcodeDecision"].clone();
        assert_eq!((&direct["canDirectPlay"], &direct["canTranscode"]), (&json!(true), &json!(false)), "{direct}");
        let source = &direct["sourceStream"];
        assert_eq!((&source["container"], &source["codec"]), (&json!("flac"), &json!("flac")));
        assert_eq!((&source["audioSamplerate"], &source["audioChannels"]), (&json!(44_100), &json!(2)));
        assert!(source["audioBitrate"].as_u64().unwrap() > 100_000, "bits per second: {source}");

        let slow = client("flac", json!({"maxAudioBitrate": 140_000}));
        let decision = app.decide(&song, &slow).await["transcodeDecision"].clone();
        assert_eq!((&decision["canDirectPlay"], &decision["canTranscode"]), (&json!(false), &json!(true)), "{decision}");
        assert_eq!(decision["transcodeReason"], json!(["audio bitrate not supported"]));
        assert_eq!(decision["transcodeStream"]["audioBitrate"], 128_000);
        let params = decision["transcodeParams"].as_str().unwrap();
        assert!(params.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "URL-safe: {params}");
        let asked = [("mediaId", song.as_str()), ("mediaType", "song"), ("transcodeParams", params)];
        let stream = app.raw("getTranscodeStream", &asked).await;
        assert_eq!((stream.status.as_u16(), stream.header(header::CONTENT_TYPE)), (200, "audio/mpeg"));
        assert_eq!((probed(&stream.body, "stream=codec_name").as_str(), probed(&stream.body, "stream=bit_rate").as_str()), ("mp3", "128000"));
        assert!((seconds(&stream.body) - 12.0).abs() < 0.2);
        let later = app.raw("getTranscodeStream", &[&asked[..], &[("offset", "5")]].concat()).await;
        assert!((seconds(&later.body) - 7.0).abs() < 0.2);
        assert_eq!(later.header("x-content-duration"), "7");

        // Errors are statuses, as players of streams read no envelope.
        let mut forged = params.to_owned();
        forged.replace_range(..10, "eyJhbGciOi");
        forged.push('x');
        for (status, id, kind, params) in [
            (400, &song, "song", forged.as_str()),
            (400, &other, "song", params),
            (400, &song, "smell", params),
            (400, &song, "song", ""),
        ] {
            let answer = app.raw("getTranscodeStream", &[("mediaId", id), ("mediaType", kind), ("transcodeParams", params)]).await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (status, 0), "{kind} {params}");
        }
        let stranger = Answer::of(app.server.client().get(app.url("getTranscodeStream")).query(&asked).query(&[("u", ADMIN), ("p", "wrong")]));
        assert_eq!(stranger.await.status.as_u16(), 401);
        std::fs::remove_file(app.fixture.path("song.flac")).unwrap();
        app.server.scan(&app.library);
        assert_eq!(app.raw("getTranscodeStream", &asked).await.status.as_u16(), 404);
    }

    async fn limits_of_a_codec_are_in_what_comes(backend: Backend) {
        let app = App::new(&backend, |shelf| ffmpeg("-f lavfi -i sine=d=4:r=96000 -ac 2 -c:a flac -sample_fmt s32", &shelf.path("song.flac")));
        let song = app.id("song.flac").await;
        let limit = |name: &str, values: &str| json!({"name": name, "comparison": "LessThanEqual", "values": [values], "required": true});
        let limits = json!([limit("audioSamplerate", "48000"), limit("audioBitdepth", "16"), limit("audioChannels", "1")]);
        let profiles = json!([{"type": "AudioCodec", "name": "flac", "limitations": limits}]);
        let flac = json!([{"container": "flac", "audioCodec": "flac", "protocol": "http"}]);
        let decision = app.decide(&song, &client("flac", json!({"codecProfiles": profiles, "transcodingProfiles": flac}))).await["transcodeDecision"].clone();
        assert_eq!(decision["transcodeReason"], json!(["audio samplerate not supported"]));
        let params = decision["transcodeParams"].as_str().unwrap();
        let stream = app.raw("getTranscodeStream", &[("mediaId", &song), ("mediaType", "song"), ("transcodeParams", params)]).await;
        for (entry, is) in [("codec_name", "flac"), ("sample_rate", "48000"), ("channels", "1"), ("bits_per_raw_sample", "16")] {
            assert_eq!(probed(&stream.body, &format!("stream={entry}")), is, "{entry}");
        }
        let mp4 = json!([{"container": "mp4", "audioCodec": "aac", "protocol": "http"}]);
        let decision = app.decide(&song, &client("mp3", json!({"transcodingProfiles": mp4}))).await["transcodeDecision"].clone();
        let params = decision["transcodeParams"].as_str().unwrap();
        let stream = app.raw("getTranscodeStream", &[("mediaId", &song), ("mediaType", "song"), ("transcodeParams", params)]).await;
        assert_eq!((stream.header(header::CONTENT_TYPE), probed(&stream.body, "stream=codec_name").as_str()), ("audio/mp4", "aac"));
        assert!((seconds(&stream.body) - 4.0).abs() < 0.2);
    }

    async fn a_decision_that_cannot_be_made_is_an_error_or_says_why(backend: Backend) {
        let app = App::new(&backend, |shelf| track(&shelf.path("song.flac"), 2));
        let song = app.id("song.flac").await;
        let nothing = app.decide(&song, &json!({"name": "x", "platform": "y"})).await["transcodeDecision"].clone();
        assert_eq!((&nothing["canDirectPlay"], &nothing["canTranscode"]), (&json!(false), &json!(false)));
        assert!(nothing["errorReason"].is_string() && nothing.get("transcodeParams").is_none(), "{nothing}");
        assert_eq!(app.decide(&song, &json!("a song")).await["error"]["code"], 0);
        assert_eq!(app.decide("f0123456789abcdef", &json!({})).await["error"]["code"], 70);
        let post = app.server.client().post(app.url("getTranscodeDecision")).query(&[("u", ADMIN), ("p", PASSWORD), ("f", "json")]);
        assert_eq!(Answer::of(post.json(&json!({}))).await.json()["subsonic-response"]["error"]["code"], 10);
    }

    async fn a_film_is_as_small_as_an_app_asks_for(backend: Backend) {
        let app = App::new(&backend, |shelf| film(&shelf.path("film.mkv"), 8));
        let id = app.id("film.mkv").await;
        let original = std::fs::read(app.fixture.path("film.mkv")).unwrap();
        for same in [&[][..], &[("format", "raw"), ("size", "320x180")], &[("size", "1920x1080")], &[("maxBitRate", "0")]] {
            let answer = app.raw("stream", &[&[("id", id.as_str())], same].concat()).await;
            assert!(answer.body == original, "{same:?}");
        }
        for (more, height, length_s) in [
            (&[("size", "640x360")][..], "360", 8.0),
            (&[("maxBitRate", "1000")], "360", 8.0),
            (&[("converted", "true")], "720", 8.0),
            (&[("format", "mp4"), ("timeOffset", "3")], "720", 5.0),
        ] {
            let answer = app.raw("stream", &[&[("id", id.as_str())], more].concat()).await;
            assert_eq!(answer.header(header::CONTENT_TYPE), "video/mp4", "{more:?}");
            assert_eq!(probed(&answer.body, "stream=height"), height, "{more:?}");
            assert_eq!(probed(&answer.body, "stream=codec_name"), "h264", "{more:?}");
            assert!((seconds(&answer.body) - length_s).abs() < 0.3, "{more:?}: {}", seconds(&answer.body));
        }
        assert_eq!(app.code("stream", &[("id", &id), ("size", "large")]).await, 0);

        let master = app.raw("hls.m3u8", &[("id", &id), ("bitRate", "5000@640x360"), ("bitRate", "5000"), ("bitRate", "1@1x1")]).await.text();
        let names: Vec<String> = lines(&master).iter().map(|line| line.rsplit('/').nth(1).unwrap().to_owned()).collect();
        assert_eq!(names, ["v360", "v720"], "{master}");
        for wrong in [("bitRate", "many"), ("bitRate", "1000@large"), ("audioTrack", "-1"), ("audioTrack", "x")] {
            assert_eq!(app.code("hls.m3u8", &[("id", &id), wrong]).await, 0, "{wrong:?}");
        }
        assert_eq!(app.code("hls.m3u8", &[("id", &id), ("audioTrack", "1")]).await, 70);
    }

    async fn films_tell_their_languages_and_captions(backend: Backend) {
        let app = App::new(&backend, |shelf| {
            let sounds = "-f lavfi -i testsrc2=s=320x180:r=10:d=4 -f lavfi -i sine=f=300:d=4 -f lavfi -i sine=f=900:d=4";
            let languages = "-map 0 -map 1 -map 2 -metadata:s:a:0 language=eng -metadata:s:a:1 language=ger -metadata:s:a:1 title=Deutsch";
            ffmpeg(&format!("{sounds} {languages} -c:v libx264 -preset ultrafast -c:a aac"), &shelf.path("A Film.mkv"));
            shelf.write("A Film.de.srt", b"1\r\n00:00:01,000 --> 00:00:02,000\r\nSch\xf6n & gut\r\n");
            shelf.write("A Film.vtt", b"WEBVTT\n\n00:01.000 --> 00:02.000\nNice\n");
            shelf.write("A Film 2.srt", b"of another");
            track(&shelf.path("song.flac"), 1);
        });
        let id = app.id("A Film.mkv").await;
        let videos = app.ok("getVideos", &[]).await["videos"]["video"].clone();
        assert_eq!(videos.as_array().unwrap().len(), 1);
        assert_eq!((&videos[0]["id"], &videos[0]["isVideo"], &videos[0]["contentType"]), (&json!(id), &json!(true), &json!("video/x-matroska")));
        let info = app.ok("getVideoInfo", &[("id", &id)]).await["videoInfo"].clone();
        let names: Vec<&str> = info["captions"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["A Film", "de"]);
        assert_eq!(info["audioTrack"], json!([
            {"id": "0", "name": "eng", "languageCode": "eng"}, {"id": "1", "name": "Deutsch", "languageCode": "ger"},
        ]));
        assert_eq!(info["conversion"][0]["id"], "v360");
        let xml = app.raw("getVideoInfo", &[("id", &id)]).await.text();
        assert!(xml.contains(r#"<audioTrack id="1" name="Deutsch" languageCode="ger"/>"#), "{xml}");

        let captions = app.raw("getCaptions", &[("id", &id), ("format", "srt")]).await;
        assert_eq!((captions.header(header::CONTENT_TYPE), captions.text().as_str()), ("application/x-subrip; charset=utf-8", "1\r\n00:00:01,000 --> 00:00:02,000\r\nSchön & gut\r\n\r\n"));
        let unnamed = app.raw("getCaptions", &[("id", &id)]).await;
        assert!(unnamed.text().contains("Nice"), "what names no language goes before what does");
        let german = info["captions"][1]["id"].as_str().unwrap();
        let captions = app.raw("getCaptions", &[("id", german), ("format", "vtt")]).await;
        assert_eq!((captions.header(header::CONTENT_TYPE), captions.text().as_str()), ("text/vtt; charset=utf-8", "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nSchön &amp; gut\n\n"));
        let song = app.id("song.flac").await;
        assert_eq!(app.code("getCaptions", &[("id", &id), ("format", "ass")]).await, 0);
        for (call, id) in [("getCaptions", song.as_str()), ("getVideoInfo", &song), ("getVideoInfo", "nothing"), ("getCaptions", "nothing")] {
            assert_eq!(app.code(call, &[("id", id)]).await, 70, "{call} {id}");
        }

        // Segments of sound in the language that is asked for.
        let master = app.raw("hls.m3u8", &[("id", &id), ("audioTrack", "1")]).await.text();
        assert!(master.contains("/a128-1/index.m3u8"), "{master}");
        let cover = app.raw("getCoverArt", &[("id", &id), ("size", "100")]).await;
        assert_eq!(cover.header(header::CONTENT_TYPE), "image/jpeg");
    }

    async fn what_lies_in_others_homes_is_not_played(backend: Backend) {
        let mut app = App::new(&backend, |_| ());
        app.server.add_user("bob");
        let bob = app.server.app.clone();
        let home = app.server.run(async move {
            bob.db.read(|tx| {
                let bob = openshelf::store::accounts::by_login(tx, "bob")?.unwrap();
                openshelf::store::library::home_of(tx, bob.key)
            }).await.unwrap().unwrap()
        });
        track(&home.root.join("song.flac"), 2);
        film(&home.root.join("film.mkv"), 2);
        std::fs::write(home.root.join("film.srt"), "1\n00:00:01,000 --> 00:00:02,000\nsecret\n").unwrap();
        std::fs::write(home.root.join("song.lrc"), "[00:01]secret").unwrap();
        app.server.scan(&home);
        let [song, film, captions] = ["song.flac", "film.mkv", "film.srt"].map(|name| item(&app.server, &home, name));
        let (song, film, captions) = (song.await.id, film.await.id, captions.await.id);
        assert_eq!(app.ok("getVideos", &[]).await["videos"], json!({"video": []}));
        for (call, id) in [("getVideoInfo", &film), ("getCaptions", &film), ("getCaptions", &captions), ("getLyricsBySongId", &song), ("hls.m3u8", &film)] {
            assert_eq!(app.code(call, &[("id", id)]).await, 70, "{call}");
        }
        assert_eq!(app.decide(&song, &json!({})).await["error"]["code"], 70);
        app.user = "bob";
        assert_eq!(app.ok("getVideos", &[]).await["videos"]["video"].as_array().unwrap().len(), 1);
        assert_eq!(values(&app.lyrics(&song, &[]).await[0]["line"]), ["secret"]);
    }

    async fn lyrics_of_files_come_before_those_of_tags_each_in_its_language(backend: Backend) {
        let app = App::new(&backend, |shelf| {
            let tags = [(TagKey::TrackTitle, "Song"), (TagKey::TrackArtist, "Ann"), (TagKey::Lyrics, "of the tag")];
            shelf.song("song.flac", &tags);
            shelf.write("song.lrc", b"\xef\xbb\xbf[ar:Ann]\r\n[offset:+250]\r\n[00:02.50][00:01]la\r\n[00:02]verse\r\n");
            shelf.write("song.de.lrc", b"[00:01]sch\xf6n\n");
            shelf.write("song.txt", b"plain\n\nwords\n");
            shelf.write("song.Live.lrc", b"[00:01]of another song\n");
            shelf.song("none.flac", &[]);
            shelf.write("none.lrc", b"");
        });
        let id = app.id("song.flac").await;
        let all = app.lyrics(&id, &[]).await;
        let told: Vec<(&str, bool, Vec<&str>)> = all.iter().map(|one| {
            (one["lang"].as_str().unwrap(), one["synced"].as_bool().unwrap(), values(&one["line"]))
        }).collect();
        assert_eq!(told, [
            ("de", true, vec!["schön"]),
            ("und", true, vec!["la", "verse", "la"]),
            ("und", false, vec!["plain", "", "words"]),
            ("und", false, vec!["of the tag"]),
        ]);
        assert_eq!((&all[1]["offset"], &all[1]["line"][2]["start"], &all[1]["displayArtist"]), (&json!(250), &json!(2500), &json!("Ann")));
        let by_name = app.ok("getLyrics", &[("artist", "ann"), ("title", "song")]).await["lyrics"].clone();
        assert_eq!(by_name, json!({"artist": "Ann", "title": "Song", "value": "schön"}));
        assert_eq!(app.lyrics(&app.id("none.flac").await, &[]).await, Vec::<Value>::new());

        // A file that changed is read anew, without a scan; one that went is as if it were not there.
        app.fixture.write("song.de.lrc", b"[00:01]neu\n");
        assert_eq!(values(&app.lyrics(&id, &[]).await[0]["line"]), ["neu"]);
        std::fs::remove_file(app.fixture.path("song.de.lrc")).unwrap();
        assert_eq!(values(&app.lyrics(&id, &[]).await[0]["line"]), ["la", "verse", "la"]);
    }

    async fn clients_of_the_first_version_of_lyrics_like_symfonium_get_no_byte_of_the_second(backend: Backend) {
        let app = App::new(&backend, |shelf| {
            shelf.song("song.flac", &[(TagKey::TrackTitle, "Song")]);
            shelf.write("song.elrc", "[00:01]v1: <00:01> Grüß <00:01.5>dich<00:02>\n[bg: <00:02>(ja)]\n[00:03]plain\n[00:04]v2:<00:04>you".as_bytes());
            shelf.song("lines.flac", &[(TagKey::Lyrics, "[00:01]only lines")]);
        });
        let id = app.id("song.flac").await;
        let plain = app.raw("getLyricsBySongId", &[("id", &id), ("f", "json")]).await.text();
        let declined = app.raw("getLyricsBySongId", &[("id", &id), ("f", "json"), ("enhanced", "false")]).await.text();
        assert_eq!(plain, declined);
        assert!(["kind", "agent", "cue", "<00"].iter().all(|word| !plain.contains(word)), "{plain}");
        assert_eq!(values(&app.lyrics(&id, &[]).await[0]["line"]), ["Grüß dich (ja)", "plain", "you"]);

        let enhanced = app.lyrics(&id, &[("enhanced", "true")]).await[0].clone();
        assert_eq!((&enhanced["kind"], &enhanced["line"]), (&json!("main"), &app.lyrics(&id, &[]).await[0]["line"]));
        assert_eq!(enhanced["agents"], json!([{"id": "v1", "role": "main"}, {"id": "v2", "role": "voice"}, {"id": "bg", "role": "bg"}]));
        assert_eq!(enhanced["cueLine"], json!([
            {"index": 0, "start": 1000, "end": 2000, "value": "Grüß dich", "agentId": "v1", "cue": [
                {"start": 1000, "end": 1500, "byteStart": 0, "byteEnd": 5, "value": "Grüß"},
                {"start": 1500, "end": 2000, "byteStart": 7, "byteEnd": 10, "value": "dich"},
            ]},
            {"index": 0, "start": 2000, "value": "(ja)", "agentId": "bg", "cue": [{"start": 2000, "byteStart": 0, "byteEnd": 3, "value": "(ja)"}]},
            {"index": 2, "start": 4000, "value": "you", "agentId": "v2", "cue": [{"start": 4000, "byteStart": 0, "byteEnd": 2, "value": "you"}]},
        ]));
        let xml = app.raw("getLyricsBySongId", &[("id", &id), ("enhanced", "true")]).await.text();
        assert!(xml.contains(r#"<agent id="v1" role="main"/>"#) && xml.contains(r#"byteEnd="5">Grüß</cue>"#), "{xml}");
        let lines = app.lyrics(&app.id("lines.flac").await, &[("enhanced", "true")]).await[0].clone();
        assert_eq!((lines.get("cueLine"), lines.get("agents"), &lines["kind"]), (None, None, &json!("main")));
    }

    async fn timed_lyrics_of_an_id3_tag_are_found(backend: Backend) {
        let app = App::new(&backend, |shelf| {
            let body = [&b"\x03deu\x02\x01\0eins\0\0\0\x03\xe8zwei\0\0\0\x07\xd0"[..]].concat();
            let frame = [b"SYLT\0\0\0", &[body.len() as u8][..], b"\0\0", &body].concat();
            let tag = [b"ID3\x04\0\0\0\0\0", &[frame.len() as u8][..], &frame].concat();
            shelf.write("song.mp3", &[tag, mp3([9; 40])].concat());
        });
        let lyrics = app.lyrics(&app.id("song.mp3").await, &[]).await[0].clone();
        assert_eq!((&lyrics["lang"], &lyrics["synced"]), (&json!("deu"), &json!(true)));
        assert_eq!(lyrics["line"], json!([{"start": 1000, "value": "eins"}, {"start": 2000, "value": "zwei"}]));
    }

    async fn lyrics_of_an_id3_tag_are_in_the_language_that_it_names(backend: Backend) {
        let app = App::new(&backend, |shelf| {
            let body = b"\x03deu\0eins\nzwei";
            let frame = [b"USLT\0\0\0", &[body.len() as u8][..], b"\0\0", &body[..]].concat();
            let tag = [b"ID3\x04\0\0\0\0\0", &[frame.len() as u8][..], &frame].concat();
            shelf.write("song.mp3", &[tag, mp3([9; 40])].concat());
        });
        let lyrics = app.lyrics(&app.id("song.mp3").await, &[]).await[0].clone();
        assert_eq!((&lyrics["lang"], &lyrics["synced"]), (&json!("deu"), &json!(false)));
        assert_eq!(values(&lyrics["line"]), ["eins", "zwei"]);
    }

    async fn ultrasonic_stars_folders_and_films_and_finds_them_again(backend: Backend) {
        let app = App::new(&backend, |shelf| {
            shelf.write("Films/Night.mkv", b"no film");
            shelf.write("Band/notes.txt", b"");
        });
        let (folder, film, band) = (app.id("Films").await, app.id("Films/Night.mkv").await, app.id("Band").await);
        app.ok("star", &[("id", &folder), ("id", &film), ("id", &band)]).await;
        let starred = app.ok("getStarred", &[]).await["starred"].clone();
        let named = |list: &str| -> Vec<(String, bool)> {
            let list = starred[list].as_array().unwrap().iter();
            list.map(|one| (one["title"].as_str().unwrap().to_owned(), one["isDir"].as_bool().unwrap())).collect()
        };
        let mut folders = named("album");
        folders.sort();
        assert_eq!(folders, [("Band".to_owned(), true), ("Films".to_owned(), true)]);
        assert_eq!(named("song"), [("Night.mkv".to_owned(), false)]);
        let number = app.library.key.0.to_string();
        let root = app.ok("getMusicDirectory", &[("id", &number)]).await["directory"]["id"].clone();
        let song = &starred["song"][0];
        assert_eq!((&song["parent"], &song["isVideo"]), (&json!(folder), &json!(true)));
        assert_eq!(starred["album"][0]["parent"], root);
        assert!(song["starred"].is_string());
        assert_eq!(app.ok("getStarred2", &[]).await["starred2"], json!({"artist": [], "album": [], "song": []}));

        std::fs::remove_dir_all(app.fixture.path("Films")).unwrap();
        tokio::task::block_in_place(|| app.server.scan(&app.library));
        let starred = app.ok("getStarred", &[]).await["starred"].clone();
        assert_eq!((starred["album"].as_array().unwrap().len(), &starred["song"]), (1, &json!([])), "what went is not there");
        app.ok("unstar", &[("id", &band)]).await;
        assert_eq!(app.ok("getStarred", &[]).await["starred"]["album"], json!([]));
    }

    async fn a_share_lists_its_films_among_its_tracks(backend: Backend) {
        let app = App::new(&backend, |shelf| {
            shelf.write("Mixed/Night.mkv", b"no film");
            shelf.write("Mixed/deep/Day.mp4", b"no film");
            shelf.write("Mixed/deep/notes.txt", b"");
            shelf.song("Mixed/Morning.flac", &[(TagKey::TrackTitle, "Morning")]);
        });
        let (mixed, film) = (app.id("Mixed").await, app.id("Mixed/Night.mkv").await);
        let (song, notes) = (app.id("Mixed/Morning.flac").await, app.id("Mixed/deep/notes.txt").await);
        let shared = async |ids: &[(&str, &str)]| app.ok("createShare", ids).await["shares"]["share"][0].clone();
        let shown = |share: &Value| -> Vec<(String, bool)> {
            let entries = share["entry"].as_array().unwrap().iter();
            entries.map(|one| (one["title"].as_str().unwrap().to_owned(), one["isVideo"].as_bool().unwrap())).collect()
        };
        let one = shared(&[("id", &film)]).await;
        assert_eq!(shown(&one), [("Night.mkv".to_owned(), true)]);
        assert_eq!((&one["entry"][0]["type"], &one["entry"][0]["parent"]), (&json!("video"), &json!(mixed)));
        let three = shared(&[("id", &song), ("id", &film), ("id", &song)]).await;
        let morning = || ("Morning".to_owned(), false);
        assert_eq!(shown(&three), [morning(), ("Night.mkv".to_owned(), true), morning()]);
        let folder = shared(&[("id", &mixed)]).await;
        assert_eq!(shown(&folder), [("Day.mp4".to_owned(), true), morning(), ("Night.mkv".to_owned(), true)]);
        let text = shared(&[("id", &notes)]).await;
        assert_eq!(text["entry"], json!([]), "no music app plays it; the page shows it");
        let all = app.ok("getShares", &[]).await["shares"]["share"].clone();
        assert_eq!(all, json!([text, folder, three, one]));
    }

    async fn a_player_that_looks_at_a_transcode_first_is_not_told_that_it_is_empty(backend: Backend) {
        let app = App::new(&backend, |shelf| track(&shelf.path("song.flac"), 3));
        let id = app.id("song.flac").await;
        let query = [("u", ADMIN), ("p", PASSWORD), ("v", "1.16.1"), ("c", "test"), ("id", id.as_str()), ("format", "mp3")];
        let head = app.server.client().head(app.url("stream")).query(&query).send().await.unwrap();
        assert_eq!((head.status().as_u16(), head.headers().get("content-length")), (200, None));
    }

    async fn a_cover_is_as_large_as_asked_for_or_as_it_is_and_never_bent(backend: Backend) {
        let app = App::new(&backend, |shelf| {
            shelf.song("wide/song.flac", &[(TagKey::AlbumTitle, "Wide")]);
            ffmpeg("-f lavfi -i testsrc2=s=600x400 -frames:v 1", &shelf.path("wide/cover.png"));
            shelf.song("tall/song.flac", &[(TagKey::AlbumTitle, "Tall")]);
            ffmpeg("-f lavfi -i testsrc2=s=200x500 -frames:v 1", &shelf.path("tall/cover.png"));
        });
        for (folder, size, is) in [
            ("wide", Some("64"), (64, 42)), ("wide", Some("100"), (128, 85)), ("wide", Some("300"), (384, 256)),
            ("wide", Some("600"), (600, 400)), ("wide", Some("5000"), (600, 400)), ("wide", None, (600, 400)),
            ("tall", Some("256"), (102, 256)), ("tall", Some("0"), (200, 500)),
        ] {
            let id = app.id(&format!("{folder}/song.flac")).await;
            let cover = app.ok("getSong", &[("id", &id)]).await["song"]["coverArt"].as_str().unwrap().to_owned();
            let size: Vec<(&str, &str)> = size.into_iter().map(|size| ("size", size)).collect();
            let answer = app.raw("getCoverArt", &[&[("id", cover.as_str())], size.as_slice()].concat()).await;
            assert_eq!(image::load_from_memory(&answer.body).unwrap().to_rgb8().dimensions(), is, "{folder} {size:?}");
            let original = std::fs::read(app.fixture.path(&format!("{folder}/cover.png"))).unwrap();
            assert_eq!(answer.body == original, is == (600, 400) || is == (200, 500), "{folder} {size:?}");
        }
    }

    async fn a_page_of_navidrome_asked_for_84_covers_at_once_and_here_the_rest_goes_on_meanwhile(backend: Backend) {
        const COVERS: u32 = 84;
        let colour = |n: u32| image::Rgb([(n * 3) as u8, 255 - (n * 3) as u8, 128]);
        let app = App::new(&backend, |shelf| {
            for n in 0..COVERS {
                shelf.song(&format!("{n}/song.flac"), &[(TagKey::AlbumTitle, &format!("Album {n}"))]);
                image::RgbImage::from_pixel(300, 200, colour(n)).save(shelf.path(&format!("{n}/cover.png"))).unwrap();
            }
        });
        let mut asked = Vec::new();
        for n in 0..COVERS {
            let id = app.id(&format!("{n}/song.flac")).await;
            let query = [("u", ADMIN), ("p", PASSWORD), ("c", "test"), ("id", id.as_str()), ("size", "100")];
            asked.push(app.server.client().get(app.url("getCoverArt")).query(&query));
        }
        // Nobody has signed in since the start: right credentials that come 84 times at once are no 84 guesses.
        let covers = tokio::spawn(join_all(asked.into_iter().map(Answer::of)));
        for _ in 0..3 {
            app.ok("ping", &[]).await;
        }
        assert!(!covers.is_finished(), "who asks for something else does not wait for pictures");
        for (n, cover) in (0..COVERS).zip(covers.await.unwrap()) {
            assert_eq!((cover.status.as_u16(), cover.header(header::CONTENT_TYPE)), (200, "image/jpeg"), "{n}");
            let picture = image::load_from_memory(&cover.body).unwrap().to_rgb8();
            let (seen, wanted) = (picture.get_pixel(50, 50).0, colour(n).0);
            assert!(seen.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) <= 6), "{n}: {seen:?}, not {wanted:?}");
            assert_eq!(picture.dimensions(), (128, 85));
        }
    }

    async fn a_playlist_of_four_albums_is_shown_by_four_covers(backend: Backend) {
        const COLOURS: [(&str, [u8; 3]); 4] = [("red", [254, 0, 0]), ("lime", [0, 255, 1]), ("blue", [0, 0, 254]), ("white", [255; 3])];
        let app = App::new(&backend, |shelf| {
            for (colour, _) in COLOURS {
                shelf.song(&format!("{colour}/song.flac"), &[(TagKey::AlbumTitle, colour), (TagKey::TrackTitle, colour)]);
                ffmpeg(&format!("-f lavfi -i color={colour}:s=600x400 -frames:v 1"), &shelf.path(&format!("{colour}/cover.png")));
            }
        });
        let mut songs = Vec::new();
        for (colour, _) in COLOURS {
            songs.push(app.id(&format!("{colour}/song.flac")).await);
        }
        let named = |count: usize| {
            let ids = songs[..count].iter().map(|id| ("songId", id.as_str()));
            [("name", "Mix")].into_iter().chain(ids).collect::<Vec<_>>()
        };
        let list = app.ok("createPlaylist", &named(4)).await["playlist"]["id"].as_str().unwrap().to_owned();
        for (size, side) in [(None, 512), (Some("100"), 128)] {
            let size: Vec<(&str, &str)> = size.into_iter().map(|size| ("size", size)).collect();
            let cover = app.raw("getCoverArt", &[&[("id", list.as_str())], size.as_slice()].concat()).await;
            assert_eq!(cover.header(header::CONTENT_TYPE), "image/jpeg");
            let picture = image::load_from_memory(&cover.body).unwrap().to_rgb8();
            assert_eq!(picture.dimensions(), (side, side));
            for (n, (colour, [r, g, b])) in COLOURS.iter().enumerate() {
                let (x, y) = (side / 4 + side / 2 * (n as u32 % 2), side / 4 + side / 2 * (n as u32 / 2));
                let [seen_r, seen_g, seen_b] = picture.get_pixel(x, y).0;
                let far = [(seen_r, r), (seen_g, g), (seen_b, b)].iter().any(|(a, b)| a.abs_diff(**b) > 12);
                assert!(!far, "{colour} at {x}, {y}: {:?}", picture.get_pixel(x, y));
            }
            let again = app.server.client().get(app.url("getCoverArt")).query(&[("u", ADMIN), ("p", PASSWORD), ("id", &list)]).query(&size);
            let again = Answer::of(again.header(header::IF_NONE_MATCH, cover.header(header::ETAG))).await;
            assert_eq!(again.status.as_u16(), 304);
        }
        let short = app.ok("createPlaylist", &named(2)).await["playlist"]["id"].as_str().unwrap().to_owned();
        let cover = app.raw("getCoverArt", &[("id", &short), ("size", "64")]).await;
        let picture = image::load_from_memory(&cover.body).unwrap().to_rgb8();
        assert!(picture.dimensions().0 == 64 && picture.get_pixel(32, 20).0[0] > 200, "the first album's");
        let empty = app.ok("createPlaylist", &[("name", "Empty")]).await["playlist"]["id"].as_str().unwrap().to_owned();
        for none in [empty.as_str(), "ra-1", "pd-1", "c0123456789abcdef", ""] {
            let code = if none.is_empty() { 10 } else { 70 };
            assert_eq!(app.code("getCoverArt", &[("id", none)]).await, code, "{none}");
        }
    }

    async fn the_jukebox_is_off_unless_it_is_turned_on(backend: Backend) {
        let mut app = App::new(&backend, |_| ());
        app.server.add_user("bob");
        let answer = app.json("jukeboxControl", &[("action", "get")]).await;
        assert_eq!(answer["error"]["code"], 0);
        assert!(answer["error"]["message"].as_str().unwrap().contains("--jukebox"), "{answer}");
        assert_eq!(app.code("jukeboxControl", &[]).await, 10);
        app.user = "bob";
        assert_eq!(app.code("jukeboxControl", &[("action", "get")]).await, 50);
    }

    async fn the_jukebox_plays_its_list_and_ends_with_the_server(backend: Backend) {
        if !has_mpv() {
            return;
        }
        let app = App::with(&backend, |given| given.jukebox = Some("null".to_owned()), |shelf| {
            for (name, seconds) in [("a.flac", 60), ("b.flac", 2), ("c.flac", 60)] {
                track(&shelf.path(name), seconds);
            }
            shelf.write("trick.mp3", format!("#EXTM3U\n{}\n", shelf.path("a.flac").display()).as_bytes());
        });
        let [a, b, c, trick] = ["a.flac", "b.flac", "c.flac", "trick.mp3"].map(|name| app.id(name));
        let (a, b, c, trick) = (a.await, b.await, c.await, trick.await);
        let files = ["a.flac", "b.flac", "c.flac"].map(|name| app.fixture.path(name));
        let playing = |n: usize| !players(&files[n]).is_empty();

        let empty = app.jukebox("get", &[]).await;
        assert_eq!(empty, json!({"currentIndex": 0, "playing": false, "gain": 0.75, "volume": 0.75, "position": 0, "entry": []}));
        app.jukebox("start", &[]).await;
        let set = app.jukebox("set", &[("id", &a), ("id", &b), ("id", &c)]).await;
        assert_eq!((&set["currentIndex"], &set["playing"]), (&json!(0), &json!(false)));
        assert_eq!(app.jukebox("start", &[]).await["playing"], true);
        until("the first plays", || playing(0)).await;
        app.jukebox_until("it moves", |status| status["position"].as_u64().unwrap() >= 1).await;
        assert_eq!(app.jukebox("stop", &[]).await["playing"], false);
        assert_eq!(app.jukebox("start", &[]).await["playing"], true, "it goes on where it was");
        assert!(app.jukebox("status", &[]).await["position"].as_u64().unwrap() >= 1);
        let later = app.jukebox("skip", &[("index", "0"), ("offset", "30")]).await;
        assert_eq!(later["playing"], true);
        app.jukebox_until("it is further on", |status| status["position"].as_u64().unwrap() >= 30).await;

        // One that comes to its end is followed by the next.
        app.jukebox("skip", &[("index", "1")]).await;
        app.jukebox_until("the next plays", |status| status["currentIndex"] == 2 && status["playing"] == true).await;
        until("the third plays", || playing(2) && !playing(1)).await;
        // The crate opensubsonic fails without a `volume`, all others know `gain`.
        let gain = app.jukebox("setGain", &[("gain", "0.25")]).await;
        assert_eq!((&gain["gain"], &gain["volume"]), (&json!(0.25), &json!(0.25)));

        // What plays goes on when the list is another.
        let other = app.jukebox("set", &[("id", &b), ("id", &c)]).await;
        assert_eq!((&other["currentIndex"], &other["playing"]), (&json!(1), &json!(true)));
        app.jukebox("add", &[("id", &a)]).await;
        let list = app.jukebox("get", &[]).await;
        let ids: Vec<&str> = list["entry"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
        assert_eq!(ids, [b.as_str(), &c, &a]);
        assert_eq!(app.jukebox("shuffle", &[]).await["currentIndex"], 0);
        assert_eq!(app.jukebox("get", &[]).await["entry"][0]["id"], c.as_str(), "what plays is on top");
        let removed = app.jukebox("remove", &[("index", "0")]).await;
        assert_eq!((&removed["currentIndex"], &removed["playing"]), (&json!(0), &json!(true)));
        until("the removed is still", || !playing(2)).await;

        for (code, wrong) in [
            (0, &[("action", "dance")][..]), (0, &[("action", "skip"), ("index", "9")]), (0, &[("action", "skip"), ("index", "-1")]),
            (10, &[("action", "remove")]), (0, &[("action", "setGain"), ("gain", "2")]), (0, &[("action", "setGain"), ("gain", "NaN")]),
            (10, &[("action", "setGain")]), (70, &[("action", "add"), ("id", "nothing")]),
        ] {
            assert_eq!(app.code("jukeboxControl", wrong).await, code, "{wrong:?}");
        }
        assert_eq!(app.jukebox("get", &[]).await["entry"].as_array().unwrap().len(), 2, "what was wrong changed nothing");

        // A player that was killed is started anew, one that is hostile names no other file.
        app.jukebox("set", &[("id", &a), ("id", &trick)]).await;
        app.jukebox("skip", &[("index", "0")]).await;
        until("the first plays", || playing(0)).await;
        let [player] = players(&files[0])[..] else { panic!("one player") };
        assert!(Command::new("kill").args(["-9", &player.to_string()]).status().unwrap().success());
        app.jukebox_until("it is known to be dead", |status| status["playing"] == false).await;
        assert_eq!(app.jukebox("start", &[]).await["playing"], true);
        until("it plays again", || playing(0)).await;
        app.jukebox("skip", &[("index", "1")]).await;
        app.jukebox_until("the trick is over", |status| status["playing"] == false).await;
        assert!(!playing(0), "the file that it names is not opened");

        app.jukebox("set", &[("id", &a)]).await;
        app.jukebox("start", &[]).await;
        until("the first plays", || playing(0)).await;
        assert_eq!(app.jukebox("clear", &[]).await["playing"], false);
        until("nothing plays", || !playing(0)).await;
        app.jukebox("set", &[("id", &a)]).await;
        app.jukebox("start", &[]).await;
        until("the first plays", || playing(0)).await;
        drop(app);
        until("the player ends with its server", || !playing(0)).await;
    }
}

fn has_mpv() -> bool {
    let found = Programs::find().mpv.is_some();
    assert!(found || std::env::var("CI").as_deref() != Ok("true"), "mpv is not installed");
    if !found {
        eprintln!("SKIPPED: the jukebox needs mpv");
    }
    found
}

/// Processes called mpv that hold this file open.
fn players(file: &Path) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_mpv =
        |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "mpv");
    let holds = |pid: &u32| {
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        open.filter_map(|entry| std::fs::read_link(entry.path()).ok()).any(|path: PathBuf| path == file)
    };
    pids.filter(is_mpv).filter(holds).collect()
}
