//! Plays that are told to others, with stand-ins for those.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use md5::{Digest, Md5};
use openshelf::config::{Given, Switch};
use openshelf::store::scrobbles as rows;
use openshelf::work::scrobbles;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::both_engines;
use crate::engines::Backend;
use crate::fixture::Fixture;
use crate::renditions::until;
use crate::server::{ADMIN, PASSWORD, Server};
use crate::stand_in::{Asked, StandIn, reply};

const TOKEN: &str = "0b0c1a2d-secret";

struct Player {
    server: Server,
    client: reqwest::Client,
    _folder: TempDir,
}

impl Player {
    fn new(backend: &Backend, settings: impl FnOnce(&mut Given)) -> Player {
        let folder = TempDir::new().unwrap();
        let fixture = Fixture::build(folder.path());
        let server = Server::start_with(backend, |given| {
            given.outgoing_networks = vec!["127.0.0.1".to_owned()];
            settings(given);
        });
        server.add_library("Shelf", &fixture.root);
        let client = server.client();
        Player { server, client, _folder: folder }
    }

    async fn ask(&self, login: &str, call: &str, query: &[(&str, &str)]) -> Value {
        let own = [("u", login), ("p", PASSWORD), ("v", "1.16.1"), ("c", "test"), ("f", "json")];
        let request = self.client.get(format!("{}/rest/{call}", self.server.url)).query(&own).query(query);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["subsonic-response"]["status"], "ok", "{answer}");
        answer["subsonic-response"].clone()
    }

    async fn about(&self, artist: &str) -> Value {
        let found = self.ask(ADMIN, "search3", &[("query", artist)]).await;
        let artists = found["searchResult3"]["artist"].as_array().unwrap();
        let id = artists.iter().find(|found| found["name"] == artist).unwrap()["id"].as_str().unwrap().to_owned();
        self.ask(ADMIN, "getArtistInfo2", &[("id", &id)]).await["artistInfo2"].clone()
    }

    async fn plays(&self, login: &str, title: &str, at_ms: i64) {
        let found = self.ask(login, "search3", &[("query", title)]).await;
        let id = found["searchResult3"]["song"][0]["id"].as_str().unwrap().to_owned();
        self.ask(login, "scrobble", &[("id", &id), ("time", &at_ms.to_string())]).await;
    }

    /// The links, with how many plays wait.
    fn links(&self) -> Vec<(rows::Link, u64)> {
        let app = Arc::clone(&self.server.app);
        self.server.run(async move { app.db.read(rows::links).await.unwrap() })
    }

    fn link_listenbrainz(&self, token: &'static str) -> openshelf::error::Result<String> {
        let app = Arc::clone(&self.server.app);
        self.server.run(async move {
            let user = app.db.read(|tx| openshelf::store::accounts::by_login(tx, ADMIN)).await?.unwrap();
            scrobbles::link_listenbrainz(&app, &user, token).await
        })
    }
}

/// What takes listens while it is `there`, and hangs up on everybody otherwise.
fn listenbrainz(there: Arc<AtomicBool>) -> StandIn {
    StandIn::start(move |asked, stream| {
        let knows = asked.header("authorization").as_deref() == Some(&format!("Token {TOKEN}"));
        match asked.path.as_str() {
            _ if !there.load(Ordering::Relaxed) => Ok(()),
            "/1/validate-token" if knows => {
                reply(stream, 200, "", br#"{"code": 200, "valid": true, "user_name": "ann"}"#)
            }
            "/1/validate-token" => reply(stream, 200, "", br#"{"code": 200, "valid": false}"#),
            "/1/submit-listens" if knows => reply(stream, 200, "", br#"{"status": "ok"}"#),
            _ => reply(stream, 401, "", br#"{"code": 401}"#),
        }
    })
}

fn listens(asked: &[Asked]) -> Vec<(String, String, i64)> {
    let bodies = asked.iter().filter(|asked| asked.path == "/1/submit-listens").map(|asked| asked.body.as_str());
    let sent =
        bodies.flat_map(|body| serde_json::from_str::<Value>(body).unwrap()["payload"].as_array().unwrap().clone());
    sent.map(|listen| {
        let track = &listen["track_metadata"];
        let text = |name: &str| track[name].as_str().unwrap_or_default().to_owned();
        (text("artist_name"), text("track_name"), listen["listened_at"].as_i64().unwrap())
    })
    .collect()
}

both_engines! {
    async fn plays_wait_while_a_service_is_away_and_are_told_once_when_it_is_back(backend: Backend) {
        let is_there = Arc::new(AtomicBool::new(true));
        let there = listenbrainz(Arc::clone(&is_there));
        let player = Player::new(&backend, |given| given.listenbrainz_url = Some(there.url.clone() + "/"));
        player.plays(ADMIN, "Opening", 1_700_000_000_000).await;
        assert!(player.link_listenbrainz("wrong").is_err());
        assert!(player.links().is_empty());
        assert_eq!(player.link_listenbrainz(TOKEN).unwrap(), "ann");
        let link = player.links().remove(0).0;
        assert!(!String::from_utf8_lossy(&link.secret_sealed).contains("secret"));

        is_there.store(false, Ordering::Relaxed);
        player.plays(ADMIN, "Middle", 1_700_000_100_000).await;
        player.plays(ADMIN, "Last", 1_700_000_200_000).await;
        until("it was tried", || player.links()[0].0.failures > 0).await;
        assert_eq!(player.links()[0].1, 2);
        is_there.store(true, Ordering::Relaxed);
        until("all is told", || player.links()[0].1 == 0).await;
        let mut told = listens(&there.asked());
        // What was sent and not taken was asked as well.
        told.sort();
        told.dedup();
        let band = |title: &str, at| ("The Band".to_owned(), title.to_owned(), at);
        assert_eq!(told, [band("Last", 1_700_000_200), band("Middle", 1_700_000_100)], "nothing from before the link");
        let before = there.asked().len();
        player.server.add_user("other");
        player.plays("other", "Opening", 1_700_000_300_000).await;
        player.plays(ADMIN, "Opening", 1_700_000_400_000).await;
        until("the next is told", || player.links()[0].1 == 0 && there.asked().len() > before).await;
        let after = listens(&there.asked()[before..]);
        assert_eq!(after.iter().map(|(_, title, at)| (title.as_str(), *at)).collect::<Vec<_>>(), [("Opening", 1_700_000_400)]);
    }

    async fn a_token_that_is_taken_no_more_is_not_tried_again_and_unlinking_forgets(backend: Backend) {
        let is_known = Arc::new(AtomicBool::new(true));
        let known = Arc::clone(&is_known);
        let there = StandIn::start(move |asked, stream| match asked.path.as_str() {
            "/1/validate-token" => reply(stream, 200, "", br#"{"valid": true, "user_name": "ann"}"#),
            _ if known.load(Ordering::Relaxed) => reply(stream, 200, "", b"{}"),
            _ => reply(stream, 401, "", b"{}"),
        });
        let player = Player::new(&backend, |given| given.listenbrainz_url = Some(there.url.clone()));
        player.link_listenbrainz(TOKEN).unwrap();
        is_known.store(false, Ordering::Relaxed);
        player.plays(ADMIN, "Opening", 1_700_000_000_000).await;
        until("it is refused", || player.links()[0].0.is_refused).await;
        player.plays(ADMIN, "Middle", 1_700_000_100_000).await;
        assert_eq!(player.links()[0].1, 2, "kept until it is linked anew");
        is_known.store(true, Ordering::Relaxed);
        player.link_listenbrainz(TOKEN).unwrap();
        until("all is told", || player.links()[0].1 == 0).await;
        assert_eq!(listens(&there.asked()[2..]).len(), 2);
        let app = Arc::clone(&player.server.app);
        player.server.run(async move {
            let user = app.db.read(|tx| openshelf::store::accounts::by_login(tx, ADMIN)).await.unwrap().unwrap();
            scrobbles::unlink(&app, &user, rows::Target::ListenBrainz).await.unwrap();
            assert!(scrobbles::unlink(&app, &user, rows::Target::ListenBrainz).await.is_err());
        });
        let before = there.asked().len();
        player.plays(ADMIN, "Opening", 1_700_000_300_000).await;
        assert_eq!((player.links().len(), there.asked().len()), (0, before));
    }

    async fn last_fm_is_linked_by_its_own_page_and_told_with_signatures(backend: Backend) {
        let there = StandIn::start(|asked, stream| {
            let params: BTreeMap<String, String> = serde_html_form::from_str(&asked.body).unwrap();
            let signed: String =
                params.iter().filter(|(name, _)| !matches!(name.as_str(), "api_sig" | "format")).map(|(name, value)| format!("{name}{value}")).collect();
            let expected: String = Md5::digest(format!("{signed}shared-secret")).iter().map(|byte| format!("{byte:02x}")).collect();
            let answer = match params["method"].as_str() {
                _ if params["api_sig"] != expected => json!({"error": 13, "message": "Invalid method signature supplied"}),
                "auth.getToken" => json!({"token": "allow-me"}),
                "auth.getSession" if params["token"] == "allow-me" => json!({"session": {"name": "ann", "key": "session-key", "subscriber": 0}}),
                "track.scrobble" if params["sk"] == "session-key" => json!({"scrobbles": {"@attr": {"accepted": 1, "ignored": 0}}}),
                _ => json!({"error": 9, "message": "Invalid session key"}),
            };
            reply(stream, if answer["error"].is_null() { 200 } else { 403 }, "", answer.to_string().as_bytes())
        });
        let player = Player::new(&backend, |given| {
            given.lastfm_url = Some(format!("{}/2.0/", there.url));
            given.lastfm_key = Some("api-key".to_owned());
            given.lastfm_secret = Some("shared-secret".to_owned());
        });
        let app = Arc::clone(&player.server.app);
        let name = player.server.run(async move {
            let user = app.db.read(|tx| openshelf::store::accounts::by_login(tx, ADMIN)).await.unwrap().unwrap();
            let (token, address) = scrobbles::begin_lastfm(&app).await.unwrap();
            assert_eq!(address, "https://www.last.fm/api/auth/?api_key=api-key&token=allow-me");
            assert!(scrobbles::link_lastfm(&app, &user, "another").await.is_err());
            scrobbles::link_lastfm(&app, &user, &token).await.unwrap()
        });
        assert_eq!(name, "ann");
        player.plays(ADMIN, "Opening", 1_700_000_000_000).await;
        until("it is told", || there.asked().iter().any(|asked| asked.body.contains("track.scrobble"))).await;
        until("it is forgotten", || player.links()[0].1 == 0).await;
        let sent = there.asked().pop().unwrap();
        assert_eq!((sent.method.as_str(), sent.path.as_str()), ("POST", "/2.0/"));
        let params: BTreeMap<String, String> = serde_html_form::from_str(&sent.body).unwrap();
        assert_eq!((params["track[0]"].as_str(), params["artist[0]"].as_str()), ("Opening", "The Band, Guest, Other Guest"));
        assert_eq!(params["timestamp[0]"], "1700000000");
    }

    async fn words_about_artists_are_asked_for_once_where_that_is_on(backend: Backend) {
        let (there, player) = with_words_about(&backend, Switch::On);
        for _ in 0..3 {
            let info = player.about("The Band").await;
            assert_eq!((&info["biography"], &info["lastFmUrl"]), (&json!("Plays."), &json!("https://last.example/X")));
        }
        assert_eq!(there.asked().len(), 1);
        for _ in 0..3 {
            assert_eq!(player.about("Guest").await["biography"], Value::Null);
        }
        assert_eq!(there.asked().len(), 2, "that nothing is known is kept as well");
    }

    async fn nobody_is_asked_about_artists_where_that_is_off(backend: Backend) {
        let (there, player) = with_words_about(&backend, Switch::Off);
        assert_eq!(player.about("The Band").await["biography"], Value::Null);
        assert_eq!(there.asked().len(), 0);
    }
}

fn with_words_about(backend: &Backend, switch: Switch) -> (StandIn, Player) {
    let there = StandIn::start(|asked, stream| match asked.path.contains("artist=Guest") {
        true => reply(stream, 404, "", br#"{"error": 6, "message": "The artist you supplied could not be found"}"#),
        false => {
            let said = br#"{"artist": {"name": "X", "url": "https://last.example/X", "bio": {"summary": "Plays."}}}"#;
            reply(stream, 200, "", said)
        }
    });
    let player = Player::new(backend, |given| {
        given.lastfm_url = Some(there.url.clone());
        given.lastfm_key = Some("api-key".to_owned());
        given.lastfm_secret = Some("shared-secret".to_owned());
        given.notes = Some(switch);
    });
    (there, player)
}
