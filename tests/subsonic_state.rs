//! What music apps leave with the server and find there again: bookmarks, queues, what is playing, stations, chat, users.

use openshelf::account::{Allowed, Role, Roles};
use openshelf::store::backup::{self, Intake};
use openshelf::store::{accounts, chat, library};
use openshelf::{args, now_ms};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::both_engines;
use crate::engines::Backend;
use crate::fixture::{Fixture, flac};
use crate::server::{ADMIN, PASSWORD, Server};

struct Shelf {
    server: Server,
    fixture: Fixture,
    library: openshelf::library::Library,
    client: reqwest::Client,
    _folder: TempDir,
}

/// An app by its name, signed in as somebody.
struct App<'a> {
    shelf: &'a Shelf,
    login: String,
    password: String,
    name: &'static str,
}

impl Shelf {
    fn new(backend: &Backend) -> Shelf {
        let folder = TempDir::new().unwrap();
        let fixture = Fixture::build(folder.path());
        let server = Server::start(backend);
        let library = server.add_library("Shelf", &fixture.root);
        let client = server.client();
        Shelf { server, fixture, library, client, _folder: folder }
    }

    fn app(&self, login: &str) -> App<'_> {
        App { shelf: self, login: login.to_owned(), password: PASSWORD.to_owned(), name: "test" }
    }

    fn admin(&self) -> App<'_> {
        self.app(ADMIN)
    }

    async fn set(&self, sql: &'static str, by_ms: i64) {
        self.server.app.db.write(move |tx| tx.run(sql, args![by_ms]).map(drop)).await.unwrap();
    }

    /// So much later it is for all that plays.
    async fn later(&self, ms: i64) {
        let sql = "UPDATE playback SET started_ms = started_ms - $1, told_ms = told_ms - $1, ends_ms = ends_ms - $1";
        self.set(sql, ms).await;
    }

    /// What a user was allowed, changed at its centre.
    async fn allow(&self, login: &'static str, change: impl FnOnce(&mut Allowed) + Send + 'static) {
        let changed = self.server.app.db.write(move |tx| {
            let mut user = accounts::by_login(tx, login)?.unwrap();
            change(&mut user.allowed);
            accounts::set_allowed(tx, user.key, &user.allowed)
        });
        changed.await.unwrap();
    }

    /// A track in a user's home.
    async fn private_track(&self, login: &'static str) -> String {
        let home = self.server.app.db.read(move |tx| {
            let user = accounts::by_login(tx, login)?.unwrap();
            library::home_of(tx, user.key)
        });
        let home = home.await.unwrap().unwrap();
        std::fs::write(home.root.join("private.flac"), flac()).unwrap();
        self.server.scan(&home);
        self.app(login).song("private").await
    }
}

impl App<'_> {
    fn called(self, name: &'static str) -> Self {
        App { name, ..self }
    }

    fn with(self, password: &str) -> Self {
        App { password: password.to_owned(), ..self }
    }

    fn all<'b>(&'b self, query: &[(&'b str, &'b str)]) -> Vec<(&'b str, &'b str)> {
        let own = [("u", self.login.as_str()), ("p", &self.password), ("c", self.name), ("v", "1.16.1")];
        [&own, query].concat()
    }

    async fn raw(&self, call: &str, query: &[(&str, &str)]) -> reqwest::Response {
        let url = format!("{}/rest/{call}", self.shelf.server.url);
        self.shelf.client.get(url).query(&self.all(query)).send().await.unwrap()
    }

    async fn xml(&self, call: &str, query: &[(&str, &str)]) -> String {
        self.raw(call, query).await.text().await.unwrap()
    }

    async fn asked(&self, call: &str, query: &[(&str, &str)]) -> Value {
        let answer: Value = self.raw(call, &[query, &[("f", "json")]].concat()).await.json().await.unwrap();
        answer["subsonic-response"].clone()
    }

    async fn ok(&self, call: &str, query: &[(&str, &str)]) -> Value {
        let envelope = self.asked(call, query).await;
        assert_eq!(envelope["status"], "ok", "{call} {query:?}: {envelope}");
        envelope
    }

    /// As a form, to the older address.
    async fn post(&self, call: &str, query: &[(&str, &str)]) -> Value {
        let url = format!("{}/rest/{call}.view", self.shelf.server.url);
        let form = self.all(&[query, &[("f", "json")]].concat());
        let answer: Value = self.shelf.client.post(url).form(&form).send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["subsonic-response"]["status"], "ok", "{call} {query:?}: {answer}");
        answer["subsonic-response"].clone()
    }

    async fn code(&self, call: &str, query: &[(&str, &str)]) -> i64 {
        let envelope = self.asked(call, query).await;
        assert_eq!(envelope["status"], "failed", "{call} {query:?}: {envelope}");
        envelope["error"]["code"].as_i64().unwrap()
    }

    async fn is_let(&self, call: &str, query: &[(&str, &str)]) -> bool {
        let answer = self.raw(call, query).await;
        let is_envelope = answer.headers()["content-type"].to_str().unwrap().starts_with("text/xml");
        let text = String::from_utf8_lossy(&answer.bytes().await.unwrap()).into_owned();
        match is_envelope && text.contains("<error") {
            true if text.contains(r#"code="50""#) => false,
            true => panic!("{call} {query:?}: {text}"),
            false => true,
        }
    }

    async fn song(&self, title: &str) -> String {
        let found = self.ok("search3", &[("query", title), ("artistCount", "0"), ("albumCount", "0")]).await;
        let songs = found["searchResult3"]["song"].as_array().unwrap().clone();
        text(&songs.iter().find(|song| song["title"] == title).unwrap_or_else(|| panic!("no song {title}"))["id"])
    }

    async fn plays(&self, id: &str) -> i64 {
        self.ok("getSong", &[("id", id)]).await["song"]["playCount"].as_i64().unwrap()
    }

    async fn playing(&self) -> Vec<Value> {
        self.ok("getNowPlaying", &[]).await["nowPlaying"]["entry"].as_array().unwrap().clone()
    }

    async fn report(&self, id: &str, state: &str, position_ms: &str, more: &[(&str, &str)]) {
        let report = [("mediaId", id), ("mediaType", "song"), ("state", state), ("positionMs", position_ms)];
        self.ok("reportPlayback", &[&report, more].concat()).await;
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn titles(list: &Value) -> Vec<String> {
    list.as_array().unwrap_or_else(|| panic!("no list: {list}")).iter().map(|one| text(&one["title"])).collect()
}

fn hex(password: &str) -> String {
    format!("enc:{}", password.bytes().map(|byte| format!("{byte:02x}")).collect::<String>())
}

const MINUTE_MS: i64 = 60_000;

both_engines! {
    async fn a_bookmark_is_one_place_in_a_track_until_it_is_moved_or_deleted(backend: Backend) {
        let shelf = Shelf::new(&backend);
        shelf.server.add_user("bob");
        let (admin, bob) = (shelf.admin(), shelf.app("bob"));
        let (one, two) = (admin.song("One").await, admin.song("Two").await);
        assert_eq!(admin.ok("getBookmarks", &[]).await["bookmarks"], json!({"bookmark": []}));
        admin.post("createBookmark", &[("id", &one), ("position", "12345"), ("comment", "chapter <2>")]).await;
        shelf.set("UPDATE mark SET bookmark_created_ms = bookmark_created_ms - $1", MINUTE_MS).await;
        admin.ok("createBookmark", &[("id", &two), ("position", "1")]).await;
        admin.ok("createBookmark", &[("id", &one), ("position", "54321"), ("comment", "chapter <3>")]).await;
        let kept = admin.ok("getBookmarks", &[]).await["bookmarks"]["bookmark"].clone();
        let entries: Vec<_> = kept.as_array().unwrap().iter().map(|one| text(&one["entry"]["title"])).collect();
        assert_eq!(entries.len(), 2, "{kept}");
        let first = kept.as_array().unwrap().iter().find(|kept| kept["entry"]["id"] == *one).unwrap();
        assert_eq!((&first["position"], &first["comment"], &first["username"]), (&json!(54321), &json!("chapter <3>"), &json!(ADMIN)));
        assert!(text(&first["created"]) < text(&first["changed"]), "{first}");
        assert_eq!(first["entry"]["bookmarkPosition"], 54321);
        let xml = admin.xml("getBookmarks", &[]).await;
        assert!(xml.contains(r#"<bookmark position="54321" username="admin" comment="chapter &lt;3&gt;""#), "{xml}");
        assert!(xml.contains(&format!(r#"<entry id="{one}""#)), "{xml}");

        assert_eq!(bob.ok("getBookmarks", &[]).await["bookmarks"], json!({"bookmark": []}));
        assert_eq!(bob.ok("getSong", &[("id", &one)]).await["song"]["bookmarkPosition"], json!(null));
        assert_eq!(bob.code("deleteBookmark", &[("id", &one)]).await, 70);

        assert_eq!(admin.code("createBookmark", &[("id", &one)]).await, 10);
        assert_eq!(admin.code("createBookmark", &[("position", "1")]).await, 10);
        assert_eq!(admin.code("createBookmark", &[("id", &one), ("position", "-1")]).await, 0);
        assert_eq!(admin.code("createBookmark", &[("id", "f0000000000000000"), ("position", "1")]).await, 70);
        assert_eq!(admin.ok("getBookmarks", &[]).await["bookmarks"]["bookmark"], kept);

        std::fs::remove_file(shelf.fixture.path("Music/The Band/Double Album/CD1/01 One.flac")).unwrap();
        shelf.server.scan(&shelf.library);
        let left = admin.ok("getBookmarks", &[]).await["bookmarks"]["bookmark"].clone();
        assert_eq!((left.as_array().unwrap().len(), &left[0]["entry"]["title"]), (1, &json!("Two")));
        admin.ok("deleteBookmark", &[("id", &one)]).await;
        admin.post("deleteBookmark", &[("id", &two)]).await;
        assert_eq!(admin.code("deleteBookmark", &[("id", &two)]).await, 70);
        assert_eq!(admin.ok("getBookmarks", &[]).await["bookmarks"], json!({"bookmark": []}));
    }

    async fn py_opensonic_gets_a_queue_though_none_was_saved(backend: Backend) {
        let shelf = Shelf::new(&backend);
        for (call, key) in [("getPlayQueue", "playQueue"), ("getPlayQueueByIndex", "playQueueByIndex")] {
            let queue = shelf.admin().ok(call, &[]).await[key].clone();
            let expected = json!({
                "position": 0, "username": ADMIN, "changed": "1970-01-01T00:00:00.000Z", "changedBy": "", "entry": []
            });
            assert_eq!(queue, expected);
        }
    }

    async fn a_queue_saved_either_way_is_read_either_way(backend: Backend) {
        let shelf = Shelf::new(&backend);
        shelf.server.add_user("bob");
        let (phone, desktop) = (shelf.admin().called("phone"), shelf.admin().called("desktop"));
        let (one, two) = (phone.song("One").await, phone.song("Two").await);
        let by_index = [("id", one.as_str()), ("id", &two), ("id", &one), ("currentIndex", "2"), ("position", "700")];
        phone.post("savePlayQueueByIndex", &by_index).await;
        let queue = desktop.ok("getPlayQueueByIndex", &[]).await["playQueueByIndex"].clone();
        assert_eq!(titles(&queue["entry"]), ["One", "Two", "One"]);
        assert_eq!((&queue["currentIndex"], &queue["position"], &queue["changedBy"]), (&json!(2), &json!(700), &json!("phone")));
        let queue = desktop.ok("getPlayQueue", &[]).await["playQueue"].clone();
        assert_eq!((titles(&queue["entry"]).len(), &queue["current"]), (3, &json!(one)));
        let xml = desktop.xml("getPlayQueue", &[]).await;
        assert!(xml.contains(&format!(r#"<playQueue current="{one}" position="700" username="admin" changed=""#)), "{xml}");
        let xml = desktop.xml("getPlayQueueByIndex", &[]).await;
        assert!(xml.contains(r#"<playQueueByIndex currentIndex="2" position="700""#), "{xml}");

        desktop.ok("savePlayQueue", &[("id", &one), ("id", &two), ("current", &two), ("position", "5")]).await;
        let queue = phone.ok("getPlayQueueByIndex", &[]).await["playQueueByIndex"].clone();
        assert_eq!((titles(&queue["entry"]), &queue["currentIndex"]), (vec!["One".to_owned(), "Two".to_owned()], &json!(1)));
        assert_eq!(queue["changedBy"], "desktop");
        assert_eq!(shelf.app("bob").ok("getPlayQueue", &[]).await["playQueue"]["entry"], json!([]));

        for (call, key) in [("savePlayQueue", "playQueue"), ("savePlayQueueByIndex", "playQueueByIndex")] {
            phone.ok("savePlayQueue", &[("id", &one)]).await;
            phone.ok(call, &[]).await;
            let queue = phone.ok(&key.replace("play", "getPlay"), &[]).await[key].clone();
            assert_eq!((&queue["entry"], &queue["current"], &queue["currentIndex"]), (&json!([]), &json!(null), &json!(null)));
        }
    }

    async fn a_queue_that_is_too_long_for_an_address_is_saved_by_a_form(backend: Backend) {
        const ENTRIES: usize = 4000;
        let shelf = Shelf::new(&backend);
        let admin = shelf.admin();
        let (one, two) = (admin.song("One").await, admin.song("Two").await);
        let ids = |last: &'static str| [one.as_str(), &two].into_iter().cycle().take(ENTRIES).map(|id| ("id", id)).chain([("position", last)]);
        let by_id: Vec<_> = ids("5").chain([("current", two.as_str())]).collect();
        assert!(by_id.iter().map(|(name, value)| name.len() + value.len() + 2).sum::<usize>() > 64 * 1024);
        admin.post("savePlayQueue", &by_id).await;
        let queue = admin.ok("getPlayQueueByIndex", &[]).await["playQueueByIndex"].clone();
        assert_eq!((&queue["currentIndex"], &queue["position"]), (&json!(1), &json!(5)));
        assert_eq!(titles(&queue["entry"]), ["One", "Two"].repeat(ENTRIES / 2));
        let by_index: Vec<_> = ids("7").chain([("currentIndex", "3998")]).collect();
        admin.post("savePlayQueueByIndex", &by_index).await;
        let queue = admin.ok("getPlayQueueByIndex", &[]).await["playQueueByIndex"].clone();
        assert_eq!((&queue["currentIndex"], queue["entry"].as_array().unwrap().len()), (&json!(3998), ENTRIES));
    }

    async fn a_queue_that_makes_no_sense_changes_nothing(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let admin = shelf.admin();
        let (one, two) = (admin.song("One").await, admin.song("Two").await);
        admin.ok("savePlayQueue", &[("id", &one)]).await;
        let before = admin.ok("getPlayQueue", &[]).await["playQueue"].clone();
        for index in [&[("currentIndex", "2")][..], &[("currentIndex", "-1")], &[], &[("currentIndex", "99999999999")]] {
            assert_eq!(admin.code("savePlayQueueByIndex", &[&[("id", one.as_str()), ("id", &two)], index].concat()).await, 10);
        }
        assert_eq!(admin.code("savePlayQueueByIndex", &[("currentIndex", "0")]).await, 10);
        assert_eq!(admin.code("savePlayQueue", &[("id", &one), ("current", &two)]).await, 0);
        assert_eq!(admin.code("savePlayQueue", &[("current", &two)]).await, 10);
        assert_eq!(admin.code("savePlayQueue", &[("id", &two), ("position", "-5")]).await, 0);
        assert_eq!(admin.code("savePlayQueue", &[("id", "f0000000000000000")]).await, 70);
        assert_eq!(admin.ok("getPlayQueue", &[]).await["playQueue"], before);
    }

    async fn py_opensonic_leaves_the_current_track_out_and_begins_with_the_first(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let admin = shelf.admin();
        let (one, two) = (admin.song("One").await, admin.song("Two").await);
        admin.post("savePlayQueue", &[("id", &two), ("id", &one)]).await;
        assert_eq!(admin.ok("getPlayQueue", &[]).await["playQueue"]["current"], json!(two));
    }

    async fn a_queue_goes_on_without_what_is_unknown_or_went(backend: Backend) {
        let shelf = Shelf::new(&backend);
        shelf.server.add_user("bob");
        let admin = shelf.admin();
        let private = shelf.private_track("bob").await;
        let (one, two) = (admin.song("One").await, admin.song("Two").await);
        let query = [("id", private.as_str()), ("id", &one), ("id", "f0"), ("id", &two), ("currentIndex", "3"), ("position", "9")];
        admin.ok("savePlayQueueByIndex", &query).await;
        let queue = admin.ok("getPlayQueueByIndex", &[]).await["playQueueByIndex"].clone();
        assert_eq!((titles(&queue["entry"]), &queue["currentIndex"]), (vec!["One".to_owned(), "Two".to_owned()], &json!(1)));
        assert_eq!(queue["position"], 9);
        std::fs::remove_file(shelf.fixture.path("Music/The Band/Double Album/CD2/01 Two.flac")).unwrap();
        shelf.server.scan(&shelf.library);
        let queue = admin.ok("getPlayQueueByIndex", &[]).await["playQueueByIndex"].clone();
        assert_eq!((titles(&queue["entry"]), &queue["currentIndex"]), (vec!["One".to_owned()], &json!(0)));
        assert_eq!(queue["position"], 0);
    }

    async fn apps_of_old_say_what_begins_and_everybody_who_may_hear_it_sees_it(backend: Backend) {
        let shelf = Shelf::new(&backend);
        shelf.server.add_user("bob");
        let (admin, bob) = (shelf.admin().called("DSub"), shelf.app("bob"));
        let one = admin.song("One").await;
        admin.post("scrobble", &[("id", &one), ("submission", "false")]).await;
        let seen = bob.playing().await;
        assert_eq!(seen.len(), 1);
        assert_eq!((&seen[0]["id"], &seen[0]["username"], &seen[0]["playerName"]), (&json!(one), &json!(ADMIN), &json!("DSub")));
        assert_eq!((&seen[0]["minutesAgo"], &seen[0]["state"], &seen[0]["playbackRate"]), (&json!(0), &json!("playing"), &json!(1.0)));
        assert!(seen[0]["playerId"].is_i64() && seen[0]["positionMs"].is_i64(), "{}", seen[0]);
        let xml = bob.xml("getNowPlaying", &[]).await;
        assert!(xml.contains(r#"username="admin" minutesAgo="0""#) && xml.contains(r#"state="playing""#), "{xml}");
        assert_eq!(admin.plays(&one).await, 0);
        admin.ok("scrobble", &[("id", &one), ("submission", "true")]).await;
        admin.ok("scrobble", &[("id", &one)]).await;
        assert_eq!(admin.plays(&one).await, 2);
        shelf.later(5000).await;
        assert_eq!(bob.playing().await, [json!(null); 0]);

        let private = shelf.private_track("bob").await;
        bob.ok("scrobble", &[("id", &private), ("submission", "false")]).await;
        assert_eq!((bob.playing().await.len(), admin.playing().await.len()), (1, 0));
    }

    async fn a_player_is_where_it_must_be_by_now_until_it_stops_or_is_dead(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let admin = shelf.admin();
        let one = admin.song("One").await;
        shelf.set("UPDATE track SET duration_ms = $1", 10 * MINUTE_MS).await;
        let at = async || {
            let seen = admin.playing().await.remove(0);
            (text(&seen["state"]), seen["positionMs"].as_i64().unwrap() / MINUTE_MS)
        };
        admin.report(&one, "starting", "60000", &[]).await;
        shelf.later(3 * MINUTE_MS).await;
        assert_eq!(at().await, ("starting".to_owned(), 1));
        admin.report(&one, "playing", "60000", &[("playbackRate", "2.0")]).await;
        shelf.later(3 * MINUTE_MS).await;
        assert_eq!(at().await, ("playing".to_owned(), 7));
        assert_eq!((&admin.playing().await[0]["minutesAgo"], &admin.playing().await[0]["playbackRate"]), (&json!(6), &json!(2.0)));
        admin.report(&one, "paused", "420000", &[]).await;
        shelf.later(20 * MINUTE_MS).await;
        assert_eq!(at().await, ("paused".to_owned(), 7));
        admin.report(&one, "playing", "420000", &[]).await;
        // The app may be late: the end that was planned is no end.
        shelf.later(32 * MINUTE_MS).await;
        assert_eq!(at().await, ("playing".to_owned(), 10));
        shelf.later(2 * MINUTE_MS).await;
        assert_eq!(admin.playing().await, [json!(null); 0]);
        admin.report(&one, "starting", "0", &[]).await;
        assert_eq!(at().await, ("starting".to_owned(), 0));
        admin.report(&one, "stopped", "5000", &[]).await;
        assert_eq!(admin.playing().await, [json!(null); 0]);
    }

    async fn one_playback_counts_once_however_often_it_is_told(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let (admin, other) = (shelf.admin(), shelf.admin().called("another app"));
        let one = admin.song("One").await;
        shelf.set("UPDATE track SET duration_ms = $1", 2 * MINUTE_MS).await;
        admin.report(&one, "starting", "0", &[]).await;
        admin.report(&one, "playing", "0", &[]).await;
        admin.report(&one, "playing", "59000", &[]).await;
        assert_eq!(admin.plays(&one).await, 0);
        for state in ["playing", "paused", "playing", "stopped", "stopped"] {
            admin.report(&one, state, "61000", &[]).await;
            assert_eq!(admin.plays(&one).await, 1, "{state}");
        }
        // An app that reports and scrobbles as well means the same play.
        admin.ok("scrobble", &[("id", &one)]).await;
        assert_eq!(admin.plays(&one).await, 1);
        // The same track from its beginning is another play, and so is another app's.
        admin.report(&one, "starting", "0", &[]).await;
        admin.ok("scrobble", &[("id", &one)]).await;
        admin.report(&one, "stopped", "120000", &[]).await;
        assert_eq!(admin.plays(&one).await, 2);
        other.report(&one, "starting", "0", &[("ignoreScrobble", "true")]).await;
        other.report(&one, "stopped", "120000", &[("ignoreScrobble", "true")]).await;
        assert_eq!(admin.plays(&one).await, 2);
        other.ok("scrobble", &[("id", &one)]).await;
        assert_eq!(admin.plays(&one).await, 3);
        // What was heard long ago, and is told now, is yet another.
        other.ok("scrobble", &[("id", &one), ("time", "1700000000000")]).await;
        assert_eq!(admin.plays(&one).await, 4);
    }

    async fn a_report_that_makes_no_sense_is_refused(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let admin = shelf.admin();
        let one = admin.song("One").await;
        let right = [("mediaId", one.as_str()), ("mediaType", "song"), ("state", "playing"), ("positionMs", "0")];
        for missing in 0..right.len() {
            let mut query = right.to_vec();
            let (name, _) = query.remove(missing);
            assert_eq!(admin.code("reportPlayback", &query).await, 10, "{name}");
        }
        for (at, wrong) in [(0, "f0000000000000000"), (1, "film"), (2, "completed"), (3, "-1")] {
            let mut query = right.to_vec();
            query[at].1 = wrong;
            assert_eq!(admin.code("reportPlayback", &query).await, if at == 0 { 70 } else { 0 }, "{wrong}");
        }
        for rate in ["0", "-1", "NaN", "inf", "fast"] {
            assert_eq!(admin.code("reportPlayback", &[&right[..], &[("playbackRate", rate)]].concat()).await, 0, "{rate}");
        }
        assert_eq!(admin.playing().await, [json!(null); 0]);
    }

    async fn players_of_one_user_do_not_pile_up(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let admin = shelf.admin();
        let one = admin.song("One").await;
        shelf.set("UPDATE track SET duration_ms = $1", 10 * MINUTE_MS).await;
        let url = format!("{}/rest/scrobble", shelf.server.url);
        for number in 0..25 {
            let name = format!("app {number}");
            let query = [("u", ADMIN), ("p", PASSWORD), ("c", &name), ("id", &one), ("submission", "false")];
            shelf.client.get(&url).query(&query).send().await.unwrap();
        }
        let seen = admin.playing().await;
        assert_eq!((seen.len(), &seen[0]["playerName"]), (20, &json!("app 24")));
    }

    async fn stations_are_heard_by_all_and_kept_by_admins(backend: Backend) {
        let shelf = Shelf::new(&backend);
        shelf.server.add_user("bob");
        let (admin, bob) = (shelf.admin(), shelf.app("bob"));
        let list = async || bob.ok("getInternetRadioStations", &[]).await["internetRadioStations"]["internetRadioStation"].clone();
        assert_eq!(list().await, json!([]));
        let station = [("name", "Jazz & more"), ("streamUrl", "http://radio.example/jazz"), ("homepageUrl", "https://radio.example/")];
        admin.post("createInternetRadioStation", &station).await;
        admin.ok("createInternetRadioStation", &[("name", "A talk"), ("streamUrl", "https://[::1]:8000/talk")]).await;
        let seen = list().await;
        assert_eq!((&seen[0]["name"], &seen[0]["homePageUrl"]), (&json!("A talk"), &json!(null)));
        assert_eq!((&seen[1]["streamUrl"], &seen[1]["homePageUrl"]), (&json!("http://radio.example/jazz"), &json!("https://radio.example/")));
        let xml = bob.xml("getInternetRadioStations", &[]).await;
        assert!(xml.contains(r#"name="Jazz &amp; more" streamUrl="http://radio.example/jazz" homePageUrl="https://radio.example/""#), "{xml}");

        let id = text(&seen[1]["id"]);
        for (call, query) in [
            ("createInternetRadioStation", &station[..]),
            ("updateInternetRadioStation", &[&station[..], &[("id", id.as_str())]].concat()),
            ("deleteInternetRadioStation", &[("id", id.as_str())]),
        ] {
            assert_eq!(bob.code(call, query).await, 50, "{call}");
        }
        for url in ["javascript:alert(1)", "file:///etc/passwd", "http://", "http:// a", "radio.example"] {
            assert_eq!(admin.code("createInternetRadioStation", &[("name", "x"), ("streamUrl", url)]).await, 0, "{url}");
        }
        assert_eq!(admin.code("createInternetRadioStation", &[("name", "x")]).await, 10);
        assert_eq!(admin.code("updateInternetRadioStation", &[("id", "s0000000000000000"), ("name", "x"), ("streamUrl", "http://a")]).await, 70);
        assert_eq!(list().await, seen);

        admin.ok("updateInternetRadioStation", &[("id", &id), ("name", "Jazz"), ("streamUrl", "http://radio.example/2")]).await;
        let now = list().await[1].clone();
        assert_eq!((&now["name"], &now["streamUrl"], &now["homePageUrl"]), (&json!("Jazz"), &json!("http://radio.example/2"), &json!("https://radio.example/")));
        admin.post("updateInternetRadioStation", &[("id", &id), ("name", "Jazz"), ("streamUrl", "http://radio.example/2"), ("homepageUrl", "")]).await;
        assert_eq!(list().await[1]["homePageUrl"], json!(null));
        admin.ok("deleteInternetRadioStation", &[("id", &id)]).await;
        assert_eq!(admin.code("deleteInternetRadioStation", &[("id", &id)]).await, 70);
        assert_eq!(list().await.as_array().unwrap().len(), 1);
    }

    async fn ultrasonic_turns_the_chat_round_and_asks_for_what_is_new(backend: Backend) {
        let shelf = Shelf::new(&backend);
        shelf.server.add_user("bob");
        let (admin, bob) = (shelf.admin(), shelf.app("bob"));
        admin.post("addChatMessage", &[("message", "hello <all>")]).await;
        shelf.set("UPDATE chat_message SET sent_ms = sent_ms - $1", MINUTE_MS).await;
        bob.ok("addChatMessage", &[("message", "hello")]).await;
        let read = async |query: &[(&str, &str)]| bob.ok("getChatMessages", query).await["chatMessages"]["chatMessage"].clone();
        let all = read(&[]).await;
        assert_eq!((&all[0]["username"], &all[0]["message"]), (&json!("bob"), &json!("hello")));
        assert_eq!((&all[1]["username"], &all[1]["message"]), (&json!(ADMIN), &json!("hello <all>")));
        let first_ms = all[1]["time"].as_i64().unwrap();
        assert!((now_ms() - first_ms - MINUTE_MS).abs() < MINUTE_MS);
        assert_eq!(read(&[("since", &first_ms.to_string())]).await, json!([all[0]]));
        assert_eq!(read(&[("since", &now_ms().to_string())]).await, json!([]));
        let xml = bob.xml("getChatMessages", &[]).await;
        assert!(xml.contains(&format!(r#"<chatMessage username="admin" time="{first_ms}" message="hello &lt;all&gt;"/>"#)), "{xml}");
        assert_eq!(bob.code("addChatMessage", &[]).await, 10);
        assert_eq!(bob.code("addChatMessage", &[("message", " ")]).await, 10);
        assert_eq!(bob.code("addChatMessage", &[("message", &"x".repeat(1001))]).await, 0);
        assert_eq!(bob.code("getChatMessages", &[("since", "-1")]).await, 0);
    }

    async fn chat_forgets_what_is_old_and_what_is_too_much(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let admin = shelf.admin();
        admin.ok("addChatMessage", &[("message", "old")]).await;
        shelf.set("UPDATE chat_message SET sent_ms = sent_ms - $1", 8 * 24 * 60 * MINUTE_MS).await;
        assert_eq!(admin.ok("getChatMessages", &[]).await["chatMessages"], json!({"chatMessage": []}));
        let flood = shelf.server.app.db.write(|tx| {
            let user = accounts::by_login(tx, ADMIN)?.unwrap().key;
            for number in 0..501 {
                chat::add(tx, user, &format!("message {number}"), now_ms())?;
            }
            tx.one("SELECT COUNT(*) FROM chat_message", args![], |row| row.get::<i64>(0))
        });
        assert_eq!(flood.await.unwrap(), 500);
        let all = admin.ok("getChatMessages", &[]).await["chatMessages"]["chatMessage"].clone();
        assert_eq!((&all[0]["message"], &all[499]["message"]), (&json!("message 500"), &json!("message 1")));
    }

    async fn an_admin_makes_changes_and_removes_users(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let admin = shelf.admin();
        let new = [("username", "cleo"), ("password", &hex("cleo's päss"))].map(|(a, b)| (a, b.to_owned()));
        let new: Vec<(&str, &str)> = new.iter().map(|(a, b)| (*a, b.as_str())).chain([("email", "cleo@example.org")]).collect();
        admin.post("createUser", &new).await;
        let cleo = shelf.app("cleo").with("cleo's päss");
        let user = cleo.ok("getUser", &[("username", "cleo")]).await["user"].clone();
        for (role, has) in [
            ("adminRole", false), ("settingsRole", true), ("streamRole", true), ("jukeboxRole", false),
            ("downloadRole", false), ("uploadRole", false), ("playlistRole", true), ("coverArtRole", false),
            ("commentRole", false), ("podcastRole", false), ("shareRole", false), ("videoConversionRole", false),
            ("scrobblingEnabled", true),
        ] {
            assert_eq!(user[role], has, "{role}");
        }
        assert_eq!((&user["email"], &user["maxBitRate"]), (&json!("cleo@example.org"), &json!(null)));
        let xml = admin.xml("getUsers", &[]).await;
        let number = shelf.library.key.0;
        assert!(xml.contains(r#"<user username="cleo" email="cleo@example.org""#), "{xml}");
        assert!(xml.contains(&format!("<folder>{number}</folder>")), "{xml}");
        let users = admin.ok("getUsers", &[]).await["users"]["user"].clone();
        assert_eq!(users.as_array().unwrap().len(), 2);
        assert_eq!(users[1], user);

        assert_eq!(admin.code("createUser", &new).await, 0);
        assert_eq!(admin.code("createUser", &new[..2]).await, 10);
        assert_eq!(admin.code("createUser", &[("username", "dan"), ("password", "x"), ("email", "dan@example.org")]).await, 0);
        let ldap = [("username", "dan"), ("password", PASSWORD), ("email", "dan@example.org"), ("ldapAuthenticated", "true")];
        assert_eq!(admin.code("createUser", &ldap).await, 0);
        assert_eq!(admin.code("getUser", &[("username", "dan")]).await, 70);

        let update = [("username", "cleo"), ("email", "c@example.org"), ("podcastRole", "true"), ("streamRole", "false"), ("maxBitRate", "128")];
        admin.ok("updateUser", &update).await;
        let now = cleo.ok("getUser", &[("username", "c@example.org")]).await["user"].clone();
        assert_eq!((&now["podcastRole"], &now["streamRole"], &now["settingsRole"]), (&json!(true), &json!(false), &json!(true)));
        assert_eq!((&now["email"], &now["maxBitRate"]), (&json!("c@example.org"), &json!(128)));
        admin.ok("updateUser", &[("username", "cleo"), ("maxBitRate", "0")]).await;
        assert_eq!(cleo.ok("getUser", &[("username", "cleo")]).await["user"]["maxBitRate"], json!(null));
        assert_eq!(admin.code("updateUser", &[("username", "cleo"), ("maxBitRate", "100")]).await, 0);
        assert_eq!(admin.code("updateUser", &[("username", "cleo"), ("email", "admin@openshelf.local"), ("shareRole", "true")]).await, 0);
        assert_eq!(admin.code("updateUser", &[("username", "dan")]).await, 70);
        assert_eq!(cleo.ok("getUser", &[("username", "cleo")]).await["user"]["shareRole"], false);
        admin.ok("updateUser", &[("username", "cleo"), ("password", "another one")]).await;
        assert_eq!(cleo.code("ping", &[]).await, 40);

        let cleo = cleo.with("another one");
        for (call, query) in [
            ("getUsers", &[][..]), ("createUser", &new), ("updateUser", &[("username", "cleo"), ("adminRole", "true")]),
            ("deleteUser", &[("username", "cleo")]), ("getUser", &[("username", ADMIN)]),
            ("changePassword", &[("username", ADMIN), ("password", "taken over")]),
        ] {
            assert_eq!(cleo.code(call, query).await, 50, "{call}");
        }
        assert_eq!(admin.code("deleteUser", &[("username", "dan")]).await, 70);
        admin.post("deleteUser", &[("username", "cleo")]).await;
        assert_eq!(cleo.code("ping", &[]).await, 40);
        assert_eq!(admin.ok("getUsers", &[]).await["users"]["user"].as_array().unwrap().len(), 1);
    }

    async fn a_removed_user_takes_along_all_that_was_theirs(backend: Backend) {
        let shelf = Shelf::new(&backend);
        shelf.server.add_user("bob");
        let (admin, bob) = (shelf.admin(), shelf.app("bob"));
        let one = bob.song("One").await;
        let private = shelf.private_track("bob").await;
        bob.ok("createBookmark", &[("id", &one), ("position", "1")]).await;
        bob.ok("savePlayQueue", &[("id", &one)]).await;
        bob.ok("scrobble", &[("id", &one), ("submission", "false")]).await;
        bob.ok("addChatMessage", &[("message", "hello")]).await;
        bob.ok("createPlaylist", &[("name", "mix"), ("songId", &one)]).await;
        let share = text(&bob.ok("createShare", &[("id", &private)]).await["shares"]["share"][0]["url"]);
        assert_eq!(shelf.client.get(share.replace("/share/", "/s/")).send().await.unwrap().status(), 200);
        admin.ok("deleteUser", &[("username", "bob")]).await;
        assert_eq!(admin.playing().await, [json!(null); 0]);
        assert_eq!(admin.ok("getChatMessages", &[]).await["chatMessages"]["chatMessage"], json!([]));
        assert_eq!(shelf.client.get(share.replace("/share/", "/s/")).send().await.unwrap().status(), 404);
        // Somebody of the same name is somebody else.
        shelf.server.add_user("bob");
        assert_eq!(bob.ok("getBookmarks", &[]).await["bookmarks"]["bookmark"], json!([]));
        assert_eq!(bob.ok("getPlayQueue", &[]).await["playQueue"]["entry"], json!([]));
        assert_eq!(bob.ok("getPlaylists", &[]).await["playlists"]["playlist"], json!([]));
        assert_eq!(bob.code("getSong", &[("id", &private)]).await, 70);
        let left = shelf.server.app.db.read(|tx| {
            let mut left = 0;
            for table in ["play_queue", "playback", "chat_message", "playlist", "mark", "share"] {
                left += tx.one(&format!("SELECT COUNT(*) FROM {table}"), args![], |row| row.get::<i64>(0))?;
            }
            Ok(left)
        });
        assert_eq!(left.await.unwrap(), 0);
    }

    async fn the_last_admin_stays_one(backend: Backend) {
        let shelf = Shelf::new(&backend);
        shelf.server.add_user("bob");
        let (admin, bob) = (shelf.admin(), shelf.app("bob"));
        assert_eq!(admin.code("deleteUser", &[("username", ADMIN)]).await, 50);
        assert_eq!(admin.code("updateUser", &[("username", ADMIN), ("adminRole", "false"), ("streamRole", "false")]).await, 50);
        let now = admin.ok("getUser", &[("username", ADMIN)]).await["user"].clone();
        assert_eq!((&now["adminRole"], &now["streamRole"]), (&json!(true), &json!(true)));
        admin.ok("updateUser", &[("username", "bob"), ("adminRole", "true")]).await;
        bob.ok("updateUser", &[("username", ADMIN), ("adminRole", "false")]).await;
        assert_eq!(admin.code("getUsers", &[]).await, 50);
        assert_eq!(bob.code("deleteUser", &[("username", "bob")]).await, 50);
        bob.ok("deleteUser", &[("username", ADMIN)]).await;
        assert_eq!(admin.code("ping", &[]).await, 40);
    }

    async fn ones_own_password_is_changed_by_whoever_may_change_settings(backend: Backend) {
        let shelf = Shelf::new(&backend);
        shelf.server.add_user("bob");
        let (admin, bob) = (shelf.admin(), shelf.app("bob"));
        bob.post("changePassword", &[("username", "bob"), ("password", &hex("bob's own"))]).await;
        assert_eq!(bob.code("ping", &[]).await, 40);
        let bob = bob.with("bob's own");
        bob.ok("ping", &[]).await;
        assert_eq!(bob.code("changePassword", &[("username", "bob"), ("password", "short")]).await, 0);
        assert_eq!(bob.code("changePassword", &[("username", "bob")]).await, 10);
        admin.ok("updateUser", &[("username", "bob"), ("settingsRole", "false")]).await;
        assert_eq!(bob.code("changePassword", &[("username", "bob"), ("password", "yet another")]).await, 50);
        bob.ok("ping", &[]).await;
        admin.ok("changePassword", &[("username", "bob"), ("password", "by the admin")]).await;
        bob.with("by the admin").ok("ping", &[]).await;
        assert_eq!(admin.code("changePassword", &[("username", "dan"), ("password", "by the admin")]).await, 70);
    }

    async fn each_role_is_asked_for_where_it_counts(backend: Backend) {
        let shelf = Shelf::new(&backend);
        shelf.server.add_user("bob");
        let bob = shelf.app("bob");
        let one = bob.song("One").await;
        let playlist = text(&bob.ok("createPlaylist", &[("name", "mix"), ("songId", &one)]).await["playlist"]["id"]);
        type Call<'a> = (&'a str, Role, &'a [(&'a str, &'a str)]);
        let calls: [Call; 9] = [
            ("stream", Role::Stream, &[("id", &one)]),
            ("download", Role::Download, &[("id", &one)]),
            ("download", Role::Download, &[("id", &playlist)]),
            ("createPlaylist", Role::Playlist, &[("name", "another")]),
            ("updatePlaylist", Role::Playlist, &[("playlistId", &playlist), ("comment", "words")]),
            ("setRating", Role::Comment, &[("id", &one), ("rating", "3")]),
            ("createShare", Role::Share, &[("id", &one)]),
            ("createShare", Role::Share, &[("id", &playlist)]),
            ("changePassword", Role::Settings, &[("username", "bob"), ("password", PASSWORD)]),
        ];
        for (call, role, query) in calls {
            assert!(bob.is_let(call, query).await, "{call}");
            shelf.allow("bob", move |allowed| allowed.roles = Roles::USER.without(role)).await;
            assert!(!bob.is_let(call, query).await, "{call} without {role:?}");
            shelf.allow("bob", move |allowed| allowed.roles = Roles::NONE.with(role)).await;
            assert!(bob.is_let(call, query).await, "{call} with {role:?} alone");
            shelf.allow("bob", |allowed| allowed.roles = Roles::USER).await;
        }
    }

    async fn a_share_lets_guests_do_what_its_owner_may_do_now(backend: Backend) {
        let shelf = Shelf::new(&backend);
        shelf.server.add_user("bob");
        let bob = shelf.app("bob");
        let one = bob.song("One").await;
        let made = text(&bob.ok("createShare", &[("id", &one)]).await["shares"]["share"][0]["id"]);
        let page = format!("{}/s/{made}", shelf.server.url);
        let (play, file) = (format!("{page}/-/play/{one}"), format!("{page}/-/file/{one}?download=1"));
        let status = async |url: &str| shelf.client.get(url).send().await.unwrap().status().as_u16();
        assert_eq!((status(&page).await, status(&play).await, status(&file).await), (200, 200, 200));
        shelf.allow("bob", |allowed| allowed.roles = Roles::USER.without(Role::Download)).await;
        assert_eq!((status(&page).await, status(&play).await, status(&file).await), (200, 200, 403));
        shelf.allow("bob", |allowed| allowed.roles = Roles::USER.without(Role::Stream)).await;
        assert_eq!((status(&page).await, status(&play).await, status(&file).await), (200, 403, 200));
        shelf.allow("bob", |allowed| allowed.roles = Roles::USER.without(Role::Share)).await;
        assert_eq!((status(&page).await, status(&play).await, status(&file).await), (404, 404, 404));
        shelf.allow("bob", |allowed| allowed.roles = Roles::USER).await;
        assert_eq!(status(&page).await, 200);
    }

    async fn without_the_role_nothing_is_uploaded_at_any_door(backend: Backend) {
        let shelf = Shelf::new(&backend);
        shelf.server.add_user("bob");
        let url = &shelf.server.url;
        let form = [("user", "bob"), ("password", PASSWORD)];
        let signed = shelf.client.post(format!("{url}/app/sign-in")).header("origin", url).form(&form).send().await.unwrap();
        let cookie = signed.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let by_page = async |name: &str| {
            let put = shelf.client.put(format!("{url}/app/uploads?name={name}")).header("origin", url).header("cookie", &cookie);
            put.body("words").send().await.unwrap().status().as_u16()
        };
        let signed = json!({"email": "bob", "password": PASSWORD});
        let signed = shelf.client.post(format!("{url}/api/v4/session/token")).json(&signed).send().await.unwrap();
        let token = text(&signed.json::<Value>().await.unwrap()["data"]["token"]["access_token"]);
        let by_drive = async |name: &str| {
            let made = json!({"uri": format!("cloudreve://my/{name}"), "type": "folder"});
            let made = shelf.client.post(format!("{url}/api/v4/file/create")).bearer_auth(&token).json(&made).send();
            made.await.unwrap().json::<Value>().await.unwrap()["code"].as_i64().unwrap()
        };
        assert!(by_page("a.txt").await < 300);
        assert_eq!(by_drive("a").await, 0);
        shelf.allow("bob", |allowed| allowed.roles = Roles::USER.without(Role::Upload)).await;
        assert_eq!(by_page("b.txt").await, 403);
        assert_eq!(by_drive("b").await, 403);
    }

    async fn a_user_sees_the_folders_that_they_are_allowed_and_their_home(backend: Backend) {
        let shelf = Shelf::new(&backend);
        shelf.server.add_user("bob");
        let other = TempDir::new().unwrap();
        std::fs::write(other.path().join("elsewhere.flac"), flac()).unwrap();
        let second = shelf.server.add_library("Second", other.path()).key.0.to_string();
        let (admin, bob) = (shelf.admin(), shelf.app("bob"));
        let first = shelf.library.key.0.to_string();
        let (one, elsewhere) = (bob.song("One").await, bob.song("elsewhere").await);
        let private = shelf.private_track("bob").await;
        let before = bob.ok("getUser", &[("username", "bob")]).await["user"]["folder"].as_array().unwrap().clone();
        assert_eq!(before.len(), 3);

        admin.post("updateUser", &[("username", "bob"), ("musicFolderId", &second)]).await;
        let folders = bob.ok("getUser", &[("username", "bob")]).await["user"]["folder"].as_array().unwrap().clone();
        assert_eq!(folders.len(), 2);
        assert!(folders.contains(&json!(second.parse::<i64>().unwrap())));
        assert_eq!(bob.code("getSong", &[("id", &one)]).await, 70);
        assert_eq!(bob.code("stream", &[("id", &one)]).await, 70);
        assert_eq!(bob.code("getArtists", &[("musicFolderId", &first)]).await, 70);
        bob.ok("getSong", &[("id", &elsewhere)]).await;
        bob.ok("getSong", &[("id", &private)]).await;
        // What comes later is not allowed by itself.
        let third = TempDir::new().unwrap();
        std::fs::write(third.path().join("later.flac"), flac()).unwrap();
        let third = shelf.server.add_library("Third", third.path()).key.0.to_string();
        assert_eq!(bob.code("getArtists", &[("musicFolderId", &third)]).await, 70);

        // An app sends back all that it was shown, a home among it.
        let shown: Vec<String> = before.iter().map(ToString::to_string).chain([third]).collect();
        let mut all = vec![("username", "bob")];
        all.extend(shown.iter().map(|number| ("musicFolderId", number.as_str())));
        admin.ok("updateUser", &all).await;
        bob.ok("getSong", &[("id", &one)]).await;
        assert_eq!(admin.code("updateUser", &[("username", "bob"), ("musicFolderId", "999")]).await, 70);
        let user = [("username", "dan"), ("password", PASSWORD), ("email", "dan@example.org"), ("musicFolderId", &second)];
        admin.ok("createUser", &user).await;
        assert_eq!(shelf.app("dan").code("getSong", &[("id", &one)]).await, 70);
        shelf.app("dan").ok("getSong", &[("id", &elsewhere)]).await;
    }

    async fn a_users_bit_rate_holds_for_raw_streams_and_playlists_too(backend: Backend) {
        let shelf = Shelf::new(&backend);
        shelf.server.add_user("bob");
        let (admin, bob) = (shelf.admin(), shelf.app("bob"));
        let one = bob.song("One").await;
        let original = std::fs::read(shelf.fixture.path("Music/The Band/Double Album/CD1/01 One.flac")).unwrap();
        let streamed = async |query: &[(&str, &str)]| {
            let answer = bob.raw("stream", &[&[("id", one.as_str())], query].concat()).await;
            let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
            (kind, answer.bytes().await.unwrap().to_vec())
        };
        // As if it were a long track of a high rate.
        shelf.set("UPDATE track SET bit_rate_kbps = $1", 900).await;
        assert_eq!(streamed(&[]).await, ("audio/flac".to_owned(), original.clone()));
        // What lists tell is what a bare stream sends to whoever asks.
        let told = async |app: &App<'_>| {
            let found = app.ok("search3", &[("query", "One")]).await["searchResult3"]["song"].clone();
            let found = found.as_array().unwrap().iter().find(|song| song["id"] == one.as_str()).unwrap().clone();
            let alone = app.ok("getSong", &[("id", &one)]).await["song"].clone();
            assert_eq!((&alone["suffix"], &alone["contentType"]), (&json!("flac"), &json!("audio/flac")));
            assert_eq!(found["transcodedSuffix"], alone["transcodedSuffix"]);
            (alone["transcodedSuffix"].clone(), alone["transcodedContentType"].clone())
        };
        assert_eq!(told(&bob).await, (Value::Null, Value::Null));
        admin.ok("updateUser", &[("username", "bob"), ("maxBitRate", "64")]).await;
        for query in [&[][..], &[("format", "raw")], &[("maxBitRate", "320")], &[("maxBitRate", "0")]] {
            assert_eq!(streamed(query).await.0, "audio/mpeg", "{query:?}");
        }
        assert_eq!(told(&bob).await, (json!("mp3"), json!("audio/mpeg")));
        assert_eq!(told(&admin).await, (Value::Null, Value::Null));
        let list = bob.xml("hls.m3u8", &[("id", &one), ("bitRate", "256")]).await;
        let segment = list.lines().find(|line| line.ends_with(".aac")).unwrap();
        let url = format!("{}/rest/{segment}", shelf.server.url);
        assert!(segment.contains("/a64/"), "{list}");
        assert_eq!(shelf.client.get(&url).send().await.unwrap().status(), 200);
        assert_eq!(shelf.client.get(url.replace("/a64/", "/a256/")).send().await.unwrap().status(), 404);
        assert_eq!(bob.raw("download", &[("id", &one)]).await.bytes().await.unwrap(), original);
        admin.ok("updateUser", &[("username", "bob"), ("maxBitRate", "0")]).await;
        assert_eq!(streamed(&[]).await.1, original);
    }

    async fn an_account_of_an_older_backup_may_do_what_it_could(backend: Backend) {
        let server = Server::start(&backend);
        let (row, account) = server.run({
            let app = server.app.clone();
            async move {
                app.db.write(|tx| {
                    let mut rows = Vec::new();
                    let account = backup::TABLES.iter().find(|(table, _)| *table == "account").unwrap();
                    backup::dump(tx, *account, |row| {
                        rows.push(row.clone());
                        Ok(())
                    })?;
                    let mut row = rows.remove(0);
                    let columns = row.as_object_mut().unwrap();
                    for column in ["roles", "most_kbps", "folders"] {
                        columns.remove(column).unwrap();
                    }
                    for (column, value) in [("id", json!(99)), ("public_id", json!("u99")), ("role", json!("user")),
                        ("name", json!("old")), ("name_key", json!("old")), ("mail_key", json!("old@example.org"))] {
                        columns.insert(column.to_owned(), value);
                    }
                    Intake::default().row(tx, account.0, &row)?;
                    Ok((row, accounts::by_login(tx, "old")?.unwrap()))
                }).await.unwrap()
            }
        });
        assert_eq!(account.allowed, Allowed::of(Roles::USER), "{row}");
    }

    async fn an_avatar_is_the_picture_that_its_user_chose(backend: Backend) {
        let shelf = Shelf::new(&backend);
        shelf.server.add_user("bob");
        let (admin, bob) = (shelf.admin(), shelf.app("bob"));
        let avatar = async || admin.raw("getAvatar", &[("username", "bob")]).await.bytes().await.unwrap();
        let pattern = avatar().await;
        assert!(pattern.starts_with(b"\xff\xd8\xff"), "who chose none has a pattern");
        assert_ne!(admin.raw("getAvatar", &[("username", ADMIN)]).await.bytes().await.unwrap(), pattern);
        assert_eq!(admin.code("getAvatar", &[("username", "nobody")]).await, 70);
        assert_eq!(admin.code("getAvatar", &[]).await, 10);
        let picture = std::fs::read(shelf.fixture.path("Music/The Band/First Album/cover.png")).unwrap();
        let url = &shelf.server.url;
        let form = [("user", "bob"), ("password", PASSWORD)];
        let signed = shelf.client.post(format!("{url}/app/sign-in")).header("origin", url).form(&form).send().await.unwrap();
        let cookie = signed.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let page = format!("{url}/app/account");
        let post = async |origin: &str, path: &str, picture: &[u8]| {
            let body = [&b"--x\r\nContent-Disposition: form-data; name=\"picture\"; filename=\"p\"\r\n\r\n"[..], picture, b"\r\n--x--\r\n"];
            let post = shelf.client.post(format!("{page}{path}")).header("origin", origin).header("cookie", &cookie);
            let post = post.header("content-type", "multipart/form-data; boundary=x").body(body.concat());
            post.send().await.unwrap().status().as_u16()
        };
        for (origin, refused, status) in [(url.as_str(), &b"no picture"[..], 400), (url, b"", 400), ("https://evil.example", &picture, 403)] {
            assert_eq!(post(origin, "/picture", refused).await, status);
        }
        assert_eq!(post(url, "/picture", &vec![0; 11 * 1024 * 1024]).await, 413);
        assert_eq!(avatar().await, pattern);
        assert_eq!(post(url, "/picture", &picture).await, 303);
        let shown = shelf.client.get(&page).header("cookie", &cookie).send().await.unwrap().text().await.unwrap();
        assert!(shown.contains("/app/account/picture?at="), "{shown}");
        let own = shelf.client.get(format!("{page}/picture")).header("cookie", &cookie).send().await.unwrap();
        assert_eq!(own.headers()["content-type"], "image/jpeg");
        let seen = admin.raw("getAvatar", &[("username", "BOB")]).await;
        assert_eq!((seen.headers()["content-type"].to_str().unwrap(), seen.headers()["x-content-type-options"].to_str().unwrap()), ("image/jpeg", "nosniff"));
        let seen = seen.bytes().await.unwrap();
        assert!(seen.starts_with(b"\xff\xd8\xff") && seen != pattern);
        assert!(bob.ok("getUser", &[("username", "bob")]).await["user"]["avatarLastChanged"].is_string());
        assert_eq!(admin.ok("getUser", &[("username", ADMIN)]).await["user"]["avatarLastChanged"], json!(null));

        shelf.allow("bob", |allowed| allowed.roles = Roles::USER.without(Role::Settings)).await;
        assert_eq!(post(url, "/picture", &picture).await, 403);
        shelf.allow("bob", |allowed| allowed.roles = Roles::USER).await;
        assert_eq!(post(url, "/picture/remove", b"").await, 303);
        assert_eq!(avatar().await, pattern);
    }
}
