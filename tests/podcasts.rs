//! Podcasts, with a stand-in for those who publish them.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use openshelf::config::Given;
use serde_json::{Value, json};

use crate::both_engines;
use crate::engines::Backend;
use crate::fixture::{mp3, png};
use crate::kill::Installation;
use crate::server::{ADMIN, PASSWORD, PATIENCE, Server};
use crate::stand_in::{Asked, StandIn, for_ever, head, redirect, reply};

/// A server that may ask this machine, and somebody signed in to it.
struct Listener {
    server: Server,
    client: reqwest::Client,
    login: String,
}

impl Listener {
    fn new(backend: &Backend, settings: impl FnOnce(&mut Given)) -> Listener {
        let server = Server::start_with(backend, |given| {
            given.outgoing_networks = vec!["127.0.0.1/32".to_owned()];
            settings(given);
        });
        let client = server.client();
        Listener { server, client, login: ADMIN.to_owned() }
    }

    async fn bytes(&self, call: &str, query: &[(&str, &str)]) -> reqwest::Response {
        bytes(&self.client, &self.server.url, &self.login, call, query).await
    }

    async fn ask(&self, call: &str, query: &[(&str, &str)]) -> Value {
        let answer: Value = self.bytes(call, &[&[("f", "json")], query].concat()).await.json().await.unwrap();
        answer["subsonic-response"].clone()
    }

    async fn ok(&self, call: &str, query: &[(&str, &str)]) -> Value {
        let answer = self.ask(call, query).await;
        assert_eq!(answer["status"], "ok", "{call} {query:?}: {answer}");
        answer
    }

    async fn code(&self, call: &str, query: &[(&str, &str)]) -> i64 {
        let answer = self.ask(call, query).await;
        answer["error"]["code"].as_i64().unwrap_or_else(|| panic!("{call} {query:?}: {answer}"))
    }

    /// The channel of this feed, once it was read, whatever came of that.
    async fn followed(&self, url: &str) -> Value {
        self.ok("createPodcastChannel", &[("url", url)]).await;
        let of_feed = |all: &Value| {
            let channels = all["podcasts"]["channel"].as_array().unwrap().clone();
            channels.into_iter().find(|channel| channel["url"] == url && channel["status"] != "new")
        };
        until("the feed is read", async || of_feed(&self.ok("getPodcasts", &[]).await)).await
    }

    /// The episode, once it has this status.
    async fn episode(&self, id: &str, status: &str) -> Value {
        until(status, async || {
            let episode = self.ok("getPodcastEpisode", &[("id", id)]).await["podcastEpisode"].clone();
            (episode["status"] == status).then_some(episode)
        })
        .await
    }
}

async fn bytes(
    client: &reqwest::Client,
    url: &str,
    login: &str,
    call: &str,
    query: &[(&str, &str)],
) -> reqwest::Response {
    let own = [("u", login), ("p", PASSWORD), ("v", "1.16.1"), ("c", "test")];
    client.get(format!("{url}/rest/{call}")).query(&own).query(query).send().await.unwrap()
}

/// Waits for what gives no signal of its own.
pub async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn titles(channel: &Value) -> Vec<String> {
    channel["episode"].as_array().unwrap().iter().map(|episode| text(&episode["title"])).collect()
}

/// A feed with an episode for each of these addresses, the last the newest.
fn feed(base: &str, files: &[&str]) -> String {
    let items: String = files
        .iter()
        .enumerate()
        .map(|(at, file)| {
            format!(
                r#"<item><title>Episode {at}</title><guid>{at}</guid><description>Notes {at}</description>
                   <pubDate>{:02} Jan 2025 10:00:00 GMT</pubDate>
                   <enclosure url="{base}{file}" length="123" type="audio/mpeg"/></item>"#,
                at + 1
            )
        })
        .collect();
    format!(
        r#"<?xml version="1.0"?><rss version="2.0" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"><channel>
           <title>Talk</title><description>About it</description><itunes:image href="{base}/cover.png"/>{items}
           <item><title>Words without sound</title></item></channel></rss>"#
    )
}

fn audio() -> Vec<u8> {
    mp3([9; 400])
}

fn base_of(asked: &Asked) -> String {
    format!("http://{}", asked.header("host").unwrap())
}

/// One who publishes `files` properly.
fn publisher(files: &'static [&'static str]) -> StandIn {
    StandIn::start(move |asked, stream| match asked.path.as_str() {
        "/feed" if asked.header("if-none-match").as_deref() == Some("\"1\"") => reply(stream, 304, "", b""),
        "/feed" => reply(stream, 200, "ETag: \"1\"\r\n", feed(&base_of(asked), files).as_bytes()),
        "/cover.png" => reply(stream, 200, "Content-Type: image/png\r\n", &png()),
        path if path.ends_with(".mp3") => reply(stream, 200, "Content-Type: audio/mpeg\r\n", &audio()),
        _ => reply(stream, 404, "", b""),
    })
}

both_engines! {
    async fn a_followed_feed_is_shown_and_its_episodes_are_fetched_heard_and_deleted(backend: Backend) {
        let there = publisher(&["/0.mp3", "/1.mp3", "/gone.mp3x"]);
        let listener = Listener::new(&backend, |_| ());
        let channel = listener.followed(&format!("{}/feed", there.url)).await;
        assert_eq!((&channel["title"], &channel["description"], &channel["status"]), (&json!("Talk"), &json!("About it"), &json!("completed")));
        assert_eq!(titles(&channel), ["Episode 2", "Episode 1", "Episode 0"]);
        let episode = &channel["episode"][1];
        assert_eq!((&episode["status"], &episode["type"], &episode["isDir"]), (&json!("new"), &json!("podcast"), &json!(false)));
        assert_eq!((&episode["channelId"], &episode["description"]), (&channel["id"], &json!("Notes 1")));
        assert_eq!(episode["publishDate"], "2025-01-02T10:00:00.000Z");
        assert_eq!(episode["streamId"], json!(null));
        let id = text(&channel["id"]);
        let short = listener.ok("getPodcasts", &[("id", &id), ("includeEpisodes", "false")]).await;
        assert_eq!(short["podcasts"]["channel"][0]["episode"], json!([]));
        let newest = listener.ok("getNewestPodcasts", &[("count", "2")]).await["newestPodcasts"].clone();
        assert_eq!(titles(&newest), ["Episode 2", "Episode 1"]);

        let episode_id = text(&episode["id"]);
        listener.ok("downloadPodcastEpisode", &[("id", &episode_id)]).await;
        let episode = listener.episode(&episode_id, "completed").await;
        assert_eq!((&episode["title"], &episode["album"], &episode["suffix"]), (&json!("Episode 1"), &json!("Talk"), &json!("mp3")));
        assert_eq!(episode["size"], audio().len());
        let stream_id = text(&episode["streamId"]);
        for call in ["stream", "download"] {
            let heard = listener.bytes(call, &[("id", &stream_id)]).await;
            assert_eq!(heard.headers()["content-type"], "audio/mpeg", "{call}");
            assert_eq!(heard.bytes().await.unwrap(), audio(), "{call}");
        }
        let until_cover = async || listener.ok("getPodcasts", &[("id", &id)]).await["podcasts"]["channel"][0]["coverArt"].as_str().map(str::to_owned);
        let cover = until("the picture is there", until_cover).await;
        for cover in [&cover, &text(&listener.episode(&episode_id, "completed").await["coverArt"])] {
            let picture = listener.bytes("getCoverArt", &[("id", cover)]).await;
            assert!(picture.headers()["content-type"].to_str().unwrap().starts_with("image/"), "{cover}");
        }
        let xml = listener.bytes("getPodcasts", &[("id", &id)]).await.text().await.unwrap();
        assert!(xml.contains("<podcasts><channel id=") && xml.contains("status=\"completed\""), "{xml:.600}");

        for id in [&stream_id, &episode_id] {
            let song = listener.ok("getSong", &[("id", id)]).await["song"].clone();
            assert_eq!((&song["type"], &song["title"], &song["album"]), (&json!("podcast"), &json!("Episode 1"), &json!("Talk")));
            assert_eq!((&song["coverArt"], &song["albumId"]), (&json!(cover), &json!(null)));
            let report = [("mediaId", id.as_str()), ("mediaType", "podcast"), ("positionMs", "0"), ("state", "starting")];
            listener.ok("reportPlayback", &report).await;
        }
        listener.ok("createBookmark", &[("id", &stream_id), ("position", "2000")]).await;
        let bookmark = listener.ok("getBookmarks", &[]).await["bookmarks"]["bookmark"][0].clone();
        assert_eq!((&bookmark["position"], &bookmark["entry"]["type"]), (&json!(2000), &json!("podcast")));
        listener.ok("star", &[("id", &stream_id)]).await;
        for (call, list) in [("getStarred", "starred"), ("getStarred2", "starred2")] {
            assert_eq!(listener.ok(call, &[]).await[list]["song"][0]["title"], "Episode 1", "{call}");
        }
        let playlist = listener.ok("createPlaylist", &[("name", "Talks"), ("songId", &stream_id), ("songId", &episode_id)]).await["playlist"].clone();
        assert_eq!((&playlist["songCount"], playlist["entry"].as_array().unwrap().len()), (&json!(2), 2));

        listener.ok("downloadPodcastEpisode", &[("id", &episode_id)]).await;
        assert_eq!(there.asked().iter().filter(|asked| asked.path == "/1.mp3").count(), 1, "what is here is not fetched again");
        listener.ok("deletePodcastEpisode", &[("id", &episode_id)]).await;
        listener.episode(&episode_id, "deleted").await;
        assert_eq!(listener.code("stream", &[("id", &stream_id)]).await, 70);
        listener.ok("downloadPodcastEpisode", &[("id", &episode_id)]).await;
        listener.episode(&episode_id, "completed").await;

        let folder = listener.server.app.config.storage.join("podcasts/Talk");
        assert!(folder.join("2025-01-02 Episode 1.mp3").exists());
        listener.ok("deletePodcastChannel", &[("id", &id)]).await;
        assert!(!folder.exists());
        assert_eq!(listener.ok("getPodcasts", &[]).await["podcasts"], json!({"channel": []}));
        for call in ["getPodcasts", "deletePodcastChannel"] {
            assert_eq!(listener.code(call, &[("id", &id)]).await, 70, "{call}");
        }
        for call in ["getPodcastEpisode", "downloadPodcastEpisode", "deletePodcastEpisode"] {
            assert_eq!(listener.code(call, &[("id", &episode_id)]).await, 70, "{call}");
            assert_eq!(listener.code(call, &[]).await, 10, "{call}");
        }
    }

    async fn an_unchanged_feed_is_not_sent_again_and_a_deleted_episode_stays_deleted(backend: Backend) {
        let there = publisher(&["/0.mp3"]);
        let listener = Listener::new(&backend, |_| ());
        let channel = listener.followed(&format!("{}/feed", there.url)).await;
        let episode = text(&channel["episode"][0]["id"]);
        listener.ok("deletePodcastEpisode", &[("id", &episode)]).await;
        let asked = || there.asked().into_iter().filter(|asked| asked.path == "/feed").collect::<Vec<_>>();
        listener.ok("refreshPodcasts", &[]).await;
        let again = until("the feed is asked for again", async || asked().into_iter().nth(1)).await;
        assert_eq!(again.header("if-none-match").as_deref(), Some("\"1\""));
        // Followed once more it is read once more, and stays one.
        let channel = listener.followed(&format!("{}/feed", there.url)).await;
        assert_eq!(channel["episode"][0]["status"], "deleted");
        assert_eq!(listener.ok("getPodcasts", &[]).await["podcasts"]["channel"].as_array().unwrap().len(), 1);
        assert_eq!(listener.ok("getNewestPodcasts", &[]).await["newestPodcasts"]["episode"], json!([]));
    }

    async fn feeds_that_are_none_or_mean_no_good_leave_an_error_and_nothing_else(backend: Backend) {
        let inside = StandIn::start_at("127.0.0.2", |_, stream| reply(stream, 200, "", b"inside"));
        let to = format!("http://127.0.0.2:{}/", inside.port());
        let there = StandIn::start(move |asked, stream| match asked.path.as_str() {
            "/inside" => redirect(stream, &to),
            "/metadata" => redirect(stream, "http://169.254.169.254/"),
            "/huge" => head(stream, 200, "Content-Length: 100000000\r\n"),
            "/endless" => for_ever(stream, b"<rss version=\"2.0\"><channel><title>", b"for ever "),
            "/broken" => reply(stream, 200, "", b"<rss version=\"2.0\"><channel><item>"),
            "/bomb" => reply(stream, 200, "", bomb().as_bytes()),
            "/deep" => reply(stream, 200, "", format!("<rss><channel>{}", "<itunes:category>".repeat(500_000)).as_bytes()),
            "/page" => reply(stream, 200, "Content-Type: text/html\r\n", b"<html><body>Sign in</body></html>"),
            "/empty" => reply(stream, 200, "", b""),
            _ => reply(stream, 404, "", b""),
        });
        let listener = Listener::new(&backend, |_| ());
        for path in ["/inside", "/metadata", "/huge", "/endless", "/broken", "/deep", "/page", "/empty", "/missing"] {
            let channel = listener.followed(&format!("{}{path}", there.url)).await;
            assert_eq!((&channel["status"], &channel["episode"]), (&json!("error"), &json!([])), "{path}");
            let why = text(&channel["errorMessage"]);
            assert!(!why.contains("127.0.0") && !why.contains("169.254"), "{path}: {why}");
        }
        assert!(inside.asked().is_empty());
        let bomb = listener.followed(&format!("{}/bomb", there.url)).await;
        assert!(bomb.to_string().len() < 2000, "entities are not expanded: {bomb:.300}");
        for url in ["file:///etc/passwd", "feed", "ftp://a.example/x", "http://10.0.0.1/feed", "http://[::1]/feed", "http://2130706434/"] {
            assert_eq!(listener.code("createPodcastChannel", &[("url", url)]).await, 0, "{url}");
        }
        assert_eq!(listener.code("createPodcastChannel", &[]).await, 10);
        assert_eq!(listener.ok("getPodcasts", &[]).await["podcasts"]["channel"].as_array().unwrap().len(), 10);
    }

    async fn only_those_who_manage_podcasts_change_them_and_everyone_hears_them(backend: Backend) {
        let there = publisher(&["/0.mp3"]);
        let mut listener = Listener::new(&backend, |_| ());
        listener.server.add_user("guest");
        let channel = listener.followed(&format!("{}/feed", there.url)).await;
        let (id, episode) = (text(&channel["id"]), text(&channel["episode"][0]["id"]));
        listener.ok("downloadPodcastEpisode", &[("id", &episode)]).await;
        listener.episode(&episode, "completed").await;
        listener.login = "guest".to_owned();
        for (call, query) in [
            ("createPodcastChannel", ("url", "https://pod.example/feed")),
            ("deletePodcastChannel", ("id", id.as_str())),
            ("deletePodcastEpisode", ("id", episode.as_str())),
            ("downloadPodcastEpisode", ("id", episode.as_str())),
            ("refreshPodcasts", ("", "")),
        ] {
            assert_eq!(listener.code(call, &[query]).await, 50, "{call}");
        }
        let stream_id = text(&listener.episode(&episode, "completed").await["streamId"]);
        assert_eq!(listener.bytes("stream", &[("id", &stream_id)]).await.bytes().await.unwrap(), audio());
        let shared = listener.ok("createShare", &[("id", &stream_id)]).await["shares"]["share"][0].clone();
        assert_eq!(shared["entry"][0]["id"], stream_id.as_str());
        let page = listener.client.get(format!("{}/s/{}", listener.server.url, text(&shared["id"]))).send().await.unwrap();
        assert!(page.text().await.unwrap().contains("Episode 0"));

        // Lists of music are for music.
        let found = listener.ok("search3", &[("query", "")]).await["searchResult3"].clone();
        assert_eq!(found, json!({"artist": [], "album": [], "song": []}));
        assert_eq!(listener.ok("getRandomSongs", &[]).await["randomSongs"]["song"], json!([]));
        assert_eq!(listener.ok("getAlbumList2", &[("type", "newest")]).await["albumList2"]["album"], json!([]));
        let folders = listener.ok("getMusicFolders", &[]).await["musicFolders"].to_string();
        assert!(!folders.contains("Podcasts"), "{folders}");
    }

    async fn a_download_that_breaks_off_goes_on_where_it_was(backend: Backend) {
        let tries = Arc::new(AtomicUsize::new(0));
        let there = StandIn::start(move |asked, stream| match asked.path.as_str() {
            "/feed" => reply(stream, 200, "", feed(&base_of(asked), &["/long.mp3"]).as_bytes()),
            "/long.mp3" if tries.fetch_add(1, Ordering::Relaxed) == 0 => half(stream),
            "/long.mp3" => the_rest(asked, stream),
            _ => reply(stream, 404, "", b""),
        });
        let listener = Listener::new(&backend, |_| ());
        let channel = listener.followed(&format!("{}/feed", there.url)).await;
        let episode = text(&channel["episode"][0]["id"]);
        listener.ok("downloadPodcastEpisode", &[("id", &episode)]).await;
        let stream_id = text(&listener.episode(&episode, "completed").await["streamId"]);
        assert_eq!(listener.bytes("download", &[("id", &stream_id)]).await.bytes().await.unwrap(), long());
        let asked: Vec<_> = there.asked().into_iter().filter(|asked| asked.path == "/long.mp3").collect();
        let second = asked[1].header("range").expect("the rest alone is asked for");
        assert_ne!(second, "bytes=0-");
        assert_eq!((asked.len(), asked[1].header("if-range").as_deref()), (2, Some("\"long\"")));
    }

    async fn a_file_that_is_no_episode_and_one_that_has_no_room_are_not_kept(backend: Backend) {
        let there = StandIn::start(|asked, stream| match asked.path.as_str() {
            "/feed" => reply(stream, 200, "", feed(&base_of(asked), &["/page.mp3", "/large.mp3", "/endless.mp3", "/gone.mp3", "/inside.mp3", "/fits.mp3"]).as_bytes()),
            "/page.mp3" => reply(stream, 200, "Content-Type: text/html\r\n", b"<html>Pay first</html>"),
            "/large.mp3" => reply(stream, 200, "", &[0; 400_000]),
            "/endless.mp3" => for_ever(stream, b"", b"la"),
            "/inside.mp3" => redirect(stream, "http://127.0.0.3/"),
            "/fits.mp3" => reply(stream, 200, "", &audio()),
            _ => reply(stream, 404, "", b""),
        });
        let listener = Listener::new(&backend, |given| given.podcast_space = Some("300K".to_owned()));
        let channel = listener.followed(&format!("{}/feed", there.url)).await;
        let ids: Vec<String> = channel["episode"].as_array().unwrap().iter().map(|episode| text(&episode["id"])).collect();
        let (fits, bad) = ids.split_first().unwrap();
        for id in bad {
            listener.ok("downloadPodcastEpisode", &[("id", id)]).await;
        }
        for id in bad {
            let episode = listener.episode(id, "error").await;
            assert_eq!(episode["streamId"], json!(null), "{episode}");
        }
        listener.ok("downloadPodcastEpisode", &[("id", fits)]).await;
        // More than half of the room: what failed takes none.
        listener.episode(fits, "completed").await;
        let root = listener.server.app.config.storage.join("podcasts");
        let files = walkdir::WalkDir::new(root).into_iter().map(Result::unwrap).filter(|entry| entry.file_type().is_file());
        let names: Vec<_> = files.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        assert_eq!(names, ["2025-01-06 Episode 5.mp3"]);
    }

    async fn a_download_in_the_middle_of_which_the_server_is_killed_is_finished_by_the_next(backend: Backend) {
        let is_killed = Arc::new(AtomicBool::new(false));
        let after = Arc::clone(&is_killed);
        let there = StandIn::start(move |asked, stream| match asked.path.as_str() {
            "/feed" => reply(stream, 200, "", feed(&base_of(asked), &["/long.mp3"]).as_bytes()),
            "/long.mp3" if after.load(Ordering::Relaxed) => the_rest(asked, stream),
            "/long.mp3" => {
                use std::io::{Read, Write};
                head(stream, 200, &format!("ETag: \"long\"\r\nContent-Length: {}\r\n", long().len()))?;
                stream.write_all(&long()[..LONG_BYTES / 2])?;
                // Until the other side is gone.
                stream.read(&mut [0]).map(drop)
            }
            _ => reply(stream, 404, "", b""),
        });
        let installation = Installation::new(&backend);
        let settings = [("OPENSHELF_OUTGOING_NETWORKS", "127.0.0.1/32")];
        let mut running = installation.start_with(&settings);
        let client = crate::server::http().build().unwrap();
        let ask = async |url: &str, call: &str, query: &[(&str, &str)]| {
            let answer = bytes(&client, url, ADMIN, call, &[&[("f", "json")], query].concat()).await;
            answer.json::<Value>().await.unwrap()["subsonic-response"].clone()
        };
        ask(&running.url, "createPodcastChannel", &[("url", &format!("{}/feed", there.url))]).await;
        let id = until("the feed is read", async || {
            let all = ask(&running.url, "getPodcasts", &[]).await;
            all["podcasts"]["channel"][0]["episode"][0]["id"].as_str().map(str::to_owned)
        })
        .await;
        ask(&running.url, "downloadPodcastEpisode", &[("id", &id)]).await;
        let parts = installation.data().join("podcasts/.openshelf");
        let has_part = || {
            let files = std::fs::read_dir(&parts).ok()?.filter_map(Result::ok);
            files.map(|file| file.metadata().map_or(0, |metadata| metadata.len())).find(|length| *length > 0)
        };
        until("a part of it is on the disk", async || has_part()).await;
        running.kill();
        is_killed.store(true, Ordering::Relaxed);

        let running = installation.start_with(&settings);
        let stream_id = until("the episode is here", async || {
            let episode = ask(&running.url, "getPodcastEpisode", &[("id", &id)]).await["podcastEpisode"].clone();
            (episode["status"] == "completed").then(|| text(&episode["streamId"]))
        })
        .await;
        let heard = bytes(&client, &running.url, ADMIN, "stream", &[("id", &stream_id)]).await;
        assert_eq!(heard.bytes().await.unwrap(), long());
        let last = there.asked().pop().unwrap();
        assert!(last.header("range").is_some_and(|range| range != "bytes=0-"), "{last:?}");
        assert_eq!(std::fs::read_dir(&parts).unwrap().count(), 0);
    }
}

const LONG_BYTES: usize = 2 << 20;

fn long() -> Vec<u8> {
    let mut long = audio();
    long.extend((0..LONG_BYTES - long.len()).map(|at| (at % 251) as u8));
    long
}

fn half(stream: &mut TcpStream) -> std::io::Result<()> {
    use std::io::Write;
    head(stream, 200, &format!("ETag: \"long\"\r\nContent-Length: {LONG_BYTES}\r\n"))?;
    stream.write_all(&long()[..LONG_BYTES / 2])
}

fn the_rest(asked: &Asked, stream: &mut TcpStream) -> std::io::Result<()> {
    let range = asked.header("range").unwrap_or_default();
    let start =
        range.strip_prefix("bytes=").and_then(|range| range.strip_suffix('-')).and_then(|start| start.parse().ok());
    match start {
        Some(start) => {
            let told = format!("ETag: \"long\"\r\nContent-Range: bytes {start}-{}/{LONG_BYTES}\r\n", LONG_BYTES - 1);
            reply(stream, 206, &told, &long()[start..])
        }
        None => reply(stream, 200, "ETag: \"long\"\r\n", &long()),
    }
}

/// A billion laughs.
fn bomb() -> String {
    let entities: String =
        (1..10).map(|at| format!("<!ENTITY e{at} \"{}\">", format!("&e{};", at - 1).repeat(10))).collect();
    format!(
        "<?xml version=\"1.0\"?><!DOCTYPE rss [<!ENTITY e0 \"ha\">{entities}]>\
         <rss version=\"2.0\"><channel><title>&e9;</title></channel></rss>"
    )
}
