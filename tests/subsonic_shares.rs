//! Sharing by music apps: what the protocol leaves open, as the dialect's README decides it.

use openshelf::now_ms;
use serde_json::{Value, json};

use crate::both_engines;
use crate::cloudreve::{data, encoded, names};
use crate::server::{ADMIN, PASSWORD};
use crate::shelf::{Shelf, all, text};

/// What a browser is answered in the end.
async fn opened(url: &str) -> u16 {
    crate::server::http().build().unwrap().get(url).send().await.unwrap().status().as_u16()
}

impl Shelf {
    async fn share(&self, query: &[(&str, &str)]) -> Value {
        self.ok("createShare", query).await["shares"]["share"][0].clone()
    }

    /// As its owner sees it now.
    async fn shared(&self, id: &str) -> Value {
        let shares = self.ok("getShares", &[]).await["shares"]["share"].clone();
        let found = shares.as_array().unwrap().iter().find(|share| share["id"] == id).cloned();
        found.unwrap_or_else(|| panic!("no share {id}"))
    }
}

both_engines! {
    async fn a_share_of_a_playlist_shows_what_the_playlist_holds_now(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let (first, second) = (text(&shelf.song("Opening").await["id"]), text(&shelf.song("Last").await["id"]));
        let playlist = shelf.ok("createPlaylist", &[("name", "Mix"), ("songId", &first)]).await["playlist"].clone();
        let playlist = text(&playlist["id"]);
        let id = text(&shelf.share(&[("id", &playlist)]).await["id"]);
        shelf.ok("updatePlaylist", &[("playlistId", &playlist), ("songIdToAdd", &second)]).await;
        assert_eq!(all(&shelf.shared(&id).await["entry"], "title"), ["Opening", "Last"]);
        shelf.ok("deletePlaylist", &[("id", &playlist)]).await;
        assert_eq!(shelf.shared(&id).await["entry"], json!([]), "the share stands, and holds nothing");
    }

    async fn a_track_that_vanished_is_missing_from_its_share_until_it_is_back(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let songs = all(&shelf.album("Sampler").await["song"], "id");
        let id = text(&shelf.share(&[("id", &songs[0]), ("id", &songs[1])]).await["id"]);
        let path = shelf.fixture.path("Music/Sampler/01 A.flac");
        let aside = path.with_extension("aside");
        std::fs::rename(&path, &aside).unwrap();
        shelf.server.scan(&shelf.library);
        assert_eq!(all(&shelf.shared(&id).await["entry"], "title"), ["B"]);
        std::fs::rename(&aside, &path).unwrap();
        shelf.server.scan(&shelf.library);
        assert_eq!(all(&shelf.shared(&id).await["entry"], "title"), ["A", "B"]);
    }

    async fn a_time_limit_is_of_milliseconds_and_none_is_none(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let song = text(&shelf.song("Opening").await["id"]);
        assert_eq!(shelf.share(&[("id", &song)]).await["expires"], Value::Null);
        let never = shelf.share(&[("id", &song), ("expires", "0")]).await;
        assert_eq!(never["expires"], Value::Null, "what Resonus has no value for elsewhere");
        let at = now_ms() + 90 * 60 * 1000;
        let share = shelf.share(&[("id", &song), ("expires", &at.to_string())]).await;
        let told: jiff::Timestamp = text(&share["expires"]).parse().unwrap();
        assert_eq!(told.as_millisecond(), at, "a share of minutes is no share of days");
    }

    async fn an_expired_share_is_listed_for_its_owner_and_dead_for_others(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let song = text(&shelf.song("Opening").await["id"]);
        let at = (now_ms() + 3_600_000).to_string();
        let share = shelf.share(&[("id", &song), ("expires", &at)]).await;
        let (id, url) = (text(&share["id"]), text(&share["url"]));
        let sql = "UPDATE share SET expires_ms = 1 WHERE public_id = $1";
        let row = id.clone();
        shelf.server.app.db.write(move |tx| tx.run(sql, openshelf::args![row])).await.unwrap();
        assert_eq!(text(&shelf.shared(&id).await["expires"]), "1970-01-01T00:00:00.001Z");
        assert_eq!(opened(&url).await, 404);
        shelf.ok("updateShare", &[("id", &id), ("expires", "0")]).await;
        assert_eq!(opened(&url).await, 200, "its owner may prolong it");
    }

    async fn visits_are_those_of_guests_to_the_page_and_no_streams(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let song = text(&shelf.song("Opening").await["id"]);
        let share = shelf.share(&[("id", &song)]).await;
        let (id, url) = (text(&share["id"]), text(&share["url"]));
        assert_eq!((&share["visitCount"], &share["lastVisited"]), (&json!(0), &Value::Null));
        let guest = crate::server::http().cookie_store(true).build().unwrap();
        assert_eq!(guest.get(&url).send().await.unwrap().status(), 200);
        for _ in 0..3 {
            let play = format!("{}/s/{id}/-/play/{song}", shelf.server.url);
            let played = guest.get(play).header("range", "bytes=0-9").send().await.unwrap();
            assert!(played.status().is_success(), "{}", played.status());
        }
        shelf.bytes("stream", &[("id", &song)]).await;
        let seen = shelf.shared(&id).await;
        assert_eq!(seen["visitCount"], json!(1));
        assert!(seen["lastVisited"].is_string());
    }

    async fn an_administrator_is_shown_their_own_shares_alone(backend: Backend) {
        let mut shelf = Shelf::new(&backend);
        let ann = shelf.server.add_user("ann");
        shelf.sign_in_as("ann");
        let song = text(&shelf.song("Opening").await["id"]);
        let id = text(&shelf.share(&[("id", &song)]).await["id"]);
        assert_eq!(shelf.shared(&id).await["username"], json!(ann.name));
        shelf.sign_in_as(ADMIN);
        assert_eq!(shelf.ok("getShares", &[]).await["shares"], json!({"share": []}));
        assert_eq!(shelf.code("deleteShare", &[("id", &id)]).await, 70);
    }

    async fn dsub_feishin_and_substreamer_build_a_link_that_opens_from_the_id_alone(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let song = text(&shelf.song("Opening").await["id"]);
        let share = shelf.share(&[("id", &song)]).await;
        let (id, url) = (text(&share["id"]), text(&share["url"]));
        let kept = url.rsplit_once("/share/").unwrap().1;
        assert_eq!(kept, id);
        assert!(id.len() >= 11 && id.bytes().all(|c| c.is_ascii_alphanumeric()), "64 random bits at least: {id}");
        for link in [format!("{}/share/{kept}", shelf.server.url), url] {
            assert_eq!(opened(&link).await, 200, "{link}");
        }
    }

    async fn psysonic_opens_others_links_and_a_program_reads_without_an_account_what_they_hold(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let album = text(&shelf.album("First Album").await["id"]);
        let share = shelf.share(&[("id", &album), ("description", "For you")]).await;
        let id = text(&share["id"]);
        assert_eq!(opened(&text(&share["url"])).await, 200);
        let ask = async |path: &str| {
            let url = format!("{}/api/v4{path}", shelf.server.url);
            let answer = shelf.client.get(url).header("origin", "https://player.example").send().await.unwrap();
            assert_eq!(answer.headers()["access-control-allow-origin"], "*", "{path}");
            data(answer.json().await.unwrap())
        };
        assert_eq!(ask(&format!("/share/info/{id}")).await["id"], id.as_str());
        let listed = ask(&format!("/file?uri={}", encoded(&format!("cloudreve://{id}@share")))).await;
        assert_eq!(names(&listed), ["01 Opening.flac", "02 Middle.mp3", "10 Last.wav"]);
    }

    async fn knuckles_sends_times_with_a_fraction_and_py_sonic_a_time_for_a_name(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let song = text(&shelf.song("Opening").await["id"]);
        let at = now_ms() + 3_600_000;
        let share = shelf.share(&[("id", &song), ("expires", &format!("{at}.75"))]).await;
        let told: jiff::Timestamp = text(&share["expires"]).parse().unwrap();
        assert_eq!(told.as_millisecond(), at);
        let id = text(&share["id"]);
        shelf.ok("updateShare", &[("id", &id), ("1700000000", "1700000000000")]).await;
        assert_eq!(shelf.shared(&id).await["expires"], share["expires"]);
    }

    async fn an_answer_about_shares_is_an_envelope_whatever_went_wrong(backend: Backend) {
        let shelf = Shelf::new(&backend);
        for (call, query, code) in [
            ("createShare", &[][..], 10),
            ("createShare", &[("id", "nothing")], 70),
            ("updateShare", &[], 10),
            ("updateShare", &[("id", "nothing")], 70),
            ("deleteShare", &[], 10),
            ("deleteShare", &[("id", "nothing")], 70),
        ] {
            let login = [("u", ADMIN), ("p", PASSWORD), ("f", "json")];
            let answer = shelf.raw(call, &[&login, query].concat()).await;
            assert_eq!(answer.status(), 200, "Melodee's clients know no other: {call}");
            let answer: Value = answer.json().await.unwrap();
            assert_eq!(answer["subsonic-response"]["error"]["code"], json!(code), "{call} {query:?}");
        }
    }
}
