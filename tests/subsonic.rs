//! The OpenSubsonic door, as a music app meets it.

use std::collections::BTreeSet;

use lofty::tag::ItemKey as Tag;
use md5::{Digest, Md5};
use openshelf::dialect::subsonic::FACE;
use openshelf::http::Access;
use openshelf::store::Tx;
use openshelf::work::signin;
use serde_json::{Value, json};

use crate::both_engines;
use crate::fixture::{Fixture, flac};
use crate::podcasts::until;
use crate::server::{ADMIN, ADMIN_MAIL, PASSWORD, Server};
use crate::shelf::{Shelf, all, text};

fn token(password: &str, salt: &str) -> String {
    Md5::digest(format!("{password}{salt}")).iter().map(|byte| format!("{byte:02x}")).collect()
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

both_engines! {
    async fn every_way_to_sign_in_works_and_every_wrong_one_has_its_code(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let app = shelf.server.app.clone();
        let key = shelf.server.run(async move {
            let admin = signin::by_password(&app, ADMIN, PASSWORD, &openshelf::share::visit::Visitor::guest([127, 0, 0, 1].into(), "")).await.unwrap();
            signin::add_api_key(&app, admin.key, "test").await.unwrap().key
        });
        let hex: String = PASSWORD.bytes().map(|byte| format!("{byte:02x}")).collect();
        let (encoded, fits, wrong) = (format!("enc:{hex}"), token(PASSWORD, "salted"), token("other", "salted"));
        let right: [&[(&str, &str)]; 6] = [
            &[("u", ADMIN), ("p", PASSWORD)],
            &[("u", ADMIN_MAIL), ("p", PASSWORD)],
            &[("u", ADMIN), ("p", &encoded)],
            &[("u", ADMIN), ("t", &fits), ("s", "salted")],
            &[("apiKey", &key)],
            &[("u", ADMIN), ("p", &key)],
        ];
        for credentials in right {
            assert_eq!(shelf.envelope("ping.view", credentials).await["status"], "ok", "{credentials:?}");
        }
        let bearer = shelf.client.get(format!("{}/rest/ping?f=json", shelf.server.url)).bearer_auth(&key).send().await.unwrap();
        assert!(bearer.text().await.unwrap().contains(r#""status":"ok""#));

        let refused: [(&[(&str, &str)], i64); 8] = [
            (&[], 10),
            (&[("u", ADMIN)], 10),
            (&[("u", ADMIN), ("p", "wrong")], 40),
            (&[("u", "nobody"), ("p", PASSWORD)], 40),
            (&[("u", ADMIN), ("t", &wrong), ("s", "salted")], 40),
            (&[("u", ADMIN), ("p", PASSWORD), ("t", &fits), ("s", "salted")], 43),
            (&[("u", ADMIN), ("apiKey", &key)], 43),
            (&[("apiKey", "wrong")], 44),
        ];
        for (credentials, code) in refused {
            assert_eq!(shelf.envelope("ping", credentials).await["error"]["code"], code, "{credentials:?}");
        }
        let help = &shelf.envelope("ping", &[("apiKey", "wrong")]).await["error"]["helpUrl"];
        assert_eq!(*help, format!("{}/app/keys", shelf.server.url));
        assert_eq!(shelf.envelope("tokenInfo", &[("apiKey", &key)]).await["tokenInfo"]["username"], ADMIN);
        assert_eq!(shelf.code("tokenInfo", &[]).await, 10);
    }

    async fn token_login_that_is_off_says_so(backend: Backend) {
        let server = Server::start_with(&backend, |given| given.token_login = Some(openshelf::config::Switch::Off));
        let (t, url) = (token(PASSWORD, "salted"), format!("{}/rest/ping", server.url));
        let query = [("u", ADMIN), ("t", t.as_str()), ("s", "salted"), ("f", "json")];
        let answer: Value = server.client().get(url).query(&query).send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["subsonic-response"]["error"]["code"], 41);
        assert!(answer["subsonic-response"]["error"]["helpUrl"].is_string());
    }

    async fn strangers_learn_of_extensions_and_of_nothing_else(backend: Backend) {
        let shelf = Shelf::new(&backend);
        // Signed addresses are for players, which know statuses alone.
        for route in FACE.routes.iter().filter(|route| route.access != Access::Signed) {
            let call = route.path.strip_prefix("/rest/").unwrap().replace("{*rest}", "getNothing");
            let url = format!("{}/rest/{call}?f=json&id=1", shelf.server.url);
            let response = match route.methods.contains(&reqwest::Method::GET) {
                true => shelf.client.get(url).send().await.unwrap(),
                false => shelf.client.post(url).send().await.unwrap(),
            };
            assert_eq!(response.headers()["access-control-allow-origin"], "*", "{call}");
            // The one whose errors are statuses.
            if route.name == "getTranscodeStream" {
                assert_eq!(response.status(), 401);
                continue;
            }
            let answer: Value = response.json().await.unwrap();
            let expected = match route.access {
                Access::Open => &json!(null),
                _ => &json!(10),
            };
            assert_eq!(answer["subsonic-response"]["error"]["code"], *expected, "{call}");
        }
        let extensions = shelf.envelope("getOpenSubsonicExtensions", &[]).await;
        assert_eq!(
            all(&extensions["openSubsonicExtensions"], "name"),
            [
                "apiKeyAuthentication",
                "formPost",
                "getPodcastEpisode",
                "indexBasedQueue",
                "playbackReport",
                "songLyrics",
                "topSongsByArtistId",
                "transcodeOffset",
                "transcoding"
            ]
        );
        assert_eq!(shelf.code("getNothing", &[]).await, 0);
    }

    async fn parameters_may_come_in_a_form_and_answers_in_three_forms(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let url = format!("{}/rest/getArtists.view", shelf.server.url);
        let form = [("u", ADMIN), ("p", PASSWORD), ("f", "json")];
        let posted: Value = shelf.client.post(&url).form(&form).send().await.unwrap().json().await.unwrap();
        assert_eq!(posted["subsonic-response"], shelf.ok("getArtists", &[]).await);
        let xml = shelf.bytes("getMusicFolders", &[]).await;
        assert_eq!(xml.headers()["content-type"], "text/xml; charset=utf-8");
        let xml = xml.text().await.unwrap();
        assert!(xml.contains(r#"name="Shelf""#) && xml.contains("<subsonic-response xmlns="), "{xml}");
        let script = shelf.bytes("ping", &[("f", "jsonp"), ("callback", "got")]).await.text().await.unwrap();
        assert!(script.starts_with("got({"), "{script}");
    }

    async fn music_is_browsed_by_tags(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let index = shelf.ok("getArtists", &[]).await["artists"]["index"].clone();
        let b = index.as_array().unwrap().iter().find(|group| group["name"] == "B").unwrap();
        let band = &b["artist"][0];
        assert_eq!((&band["name"], &band["albumCount"]), (&json!("The Band"), &json!(2)));
        let artist = shelf.ok("getArtist", &[("id", &text(&band["id"]))]).await["artist"].clone();
        assert_eq!(artist["albumCount"], artist["album"].as_array().unwrap().len());
        assert_eq!(all(&artist["album"], "name"), ["First Album", "Double Album"]);

        let album = shelf.ok("getAlbum", &[("id", &text(&artist["album"][0]["id"]))]).await["album"].clone();
        assert_eq!(all(&album["song"], "title"), ["Opening", "Middle", "Last"]);
        assert_eq!((&album["songCount"], &album["year"]), (&json!(3), &json!(1999)));
        let song = shelf.ok("getSong", &[("id", &text(&album["song"][0]["id"]))]).await["song"].clone();
        assert_eq!(song, album["song"][0]);
        assert_eq!(all(&song["artists"], "name"), ["The Band", "Guest", "Other Guest"]);
        assert_eq!(all(&song["genres"], "name"), ["Rock", "Pop"]);
        assert_eq!((&song["suffix"], &song["contentType"], &song["duration"]), (&json!("flac"), &json!("audio/flac"), &json!(1)));
        assert_eq!(song["replayGain"]["trackGain"], -7.3);
        assert_eq!(song["displayComposer"], "A Composer");

        let guest = text(&song["artists"][1]["id"]);
        let guest = shelf.ok("getArtist", &[("id", &guest)]).await["artist"].clone();
        assert_eq!((all(&guest["album"], "name"), &guest["albumCount"]), (vec!["First Album".to_owned()], &json!(1)));

        let genres = shelf.ok("getGenres", &[]).await["genres"]["genre"].clone();
        assert_eq!(all(&genres, "value"), ["Pop", "Rock"]);
        assert_eq!((&genres[1]["songCount"], &genres[1]["albumCount"]), (&json!(1), &json!(1)));
        assert_eq!(shelf.code("getAlbum", &[("id", &text(&song["id"]))]).await, 70);
        assert_eq!(shelf.code("getSong", &[]).await, 10);
    }

    async fn music_is_browsed_by_folders(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let folders = shelf.ok("getMusicFolders", &[]).await["musicFolders"]["musicFolder"].clone();
        let shelf_folder = folders.as_array().unwrap().iter().find(|folder| folder["name"] == "Shelf").unwrap();
        let number = shelf_folder["id"].as_i64().unwrap().to_string();
        let indexes = shelf.ok("getIndexes", &[("musicFolderId", &number)]).await["indexes"].clone();
        let names: Vec<String> =
            indexes["index"].as_array().unwrap().iter().flat_map(|group| all(&group["artist"], "name")).collect();
        assert_eq!(names, ["Music", "Names", "pub", "pub-secret"]);
        let since = indexes["lastModified"].as_i64().unwrap().to_string();
        let unchanged = shelf.ok("getIndexes", &[("musicFolderId", &number), ("ifModifiedSince", &since)]).await;
        assert_eq!(unchanged["indexes"]["index"], json!([]));

        let root = shelf.ok("getMusicDirectory", &[("id", &number)]).await["directory"].clone();
        assert_eq!(root["name"], "Shelf");
        let mut id = text(&root["id"]);
        for name in ["Music", "The Band", "First Album"] {
            let directory = shelf.ok("getMusicDirectory", &[("id", &id)]).await["directory"].clone();
            let child = directory["child"].as_array().unwrap().iter().find(|child| child["title"] == name).unwrap();
            assert_eq!((&child["isDir"], &child["parent"]), (&json!(true), &directory["id"]));
            id = text(&child["id"]);
        }
        let album = shelf.ok("getMusicDirectory", &[("id", &id)]).await["directory"].clone();
        assert_eq!(all(&album["child"], "title"), ["Opening", "Middle", "Last"]);
        let by_tags = shelf.album("First Album").await;
        let by_id = shelf.ok("getMusicDirectory", &[("id", &text(&by_tags["id"]))]).await;
        assert_eq!(by_id["directory"]["child"], by_tags["song"]);
        // Apps of folders open what searches and lists name: artists lead to albums, those to songs and back.
        assert_eq!(by_id["directory"]["parent"], by_tags["artistId"]);
        let band = shelf.ok("getMusicDirectory", &[("id", &text(&by_tags["artistId"]))]).await["directory"].clone();
        assert_eq!((&band["id"], &band["name"]), (&by_tags["artistId"], &json!("The Band")));
        assert_eq!(all(&band["child"], "title"), ["First Album", "Double Album"]);
        let child = &band["child"][0];
        assert_eq!((&child["id"], &child["isDir"], &child["parent"]), (&by_tags["id"], &json!(true), &band["id"]));
        assert_eq!(shelf.code("getMusicDirectory", &[("id", "999")]).await, 70);
    }

    async fn a_search_for_two_quotes_pages_over_everything_once(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let mut seen = Vec::new();
        for offset in 0..=Fixture::TRACKS {
            let offset = offset.to_string();
            let query =
                [("query", "\"\""), ("artistCount", "0"), ("albumCount", "0"), ("songCount", "1"), ("songOffset", &offset)];
            let found = shelf.ok("search3", &query).await["searchResult3"].clone();
            assert_eq!((&found["artist"], &found["album"]), (&json!([]), &json!([])));
            seen.extend(all(&found["song"], "id"));
        }
        let distinct: BTreeSet<_> = seen.iter().collect();
        assert_eq!((seen.len(), distinct.len()), (Fixture::TRACKS, Fixture::TRACKS));
        for query in [&[][..], &[("query", "")]] {
            let found = shelf.ok("search3", query).await["searchResult3"].clone();
            assert_eq!(found["song"].as_array().unwrap().len(), Fixture::TRACKS);
            assert_eq!(found["album"].as_array().unwrap().len(), 5);
        }
        let found = shelf.ok("search3", &[("query", "BAND op*"), ("songCount", "999999999")]).await["searchResult3"].clone();
        assert_eq!(all(&found["song"], "title"), ["Opening"]);
        assert_eq!(found["album"], json!([]));
        let none = shelf.ok("search2", &[("query", "100%")]).await["searchResult2"].clone();
        assert_eq!(none, json!({"artist": [], "album": [], "song": []}));
    }

    async fn lists_of_albums_have_their_orders_and_bounds(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let list = async |query: &[(&str, &str)]| {
            all(&shelf.ok("getAlbumList2", query).await["albumList2"]["album"], "name")
        };
        // More than a list has of itself.
        for year in 2001..=2007 {
            let (path, name, date) = (format!("Music/{year}/1.flac"), format!("Year {year}"), year.to_string());
            shelf.fixture.song(&path, &[(Tag::AlbumTitle, &name), (Tag::TrackArtist, "Ann"), (Tag::RecordingDate, &date)]);
        }
        shelf.server.scan(&shelf.library);
        let by_name = [
            "Broken", "Double Album", "First Album", "Sampler", "Untagged", "Year 2001", "Year 2002", "Year 2003", "Year 2004",
            "Year 2005", "Year 2006", "Year 2007",
        ];
        let whole = |mut names: Vec<String>| {
            names.sort();
            names == by_name
        };
        assert_eq!(list(&[("type", "alphabeticalByName")]).await, by_name[..10]);
        assert_eq!(list(&[("type", "alphabeticalByName"), ("size", "500")]).await, by_name);
        assert_eq!(list(&[("type", "alphabeticalByName"), ("size", "2"), ("offset", "1")]).await, by_name[1..3]);
        assert_eq!(list(&[("type", "alphabeticalByName"), ("size", "0")]).await, [""; 0]);
        assert!(whole(list(&[("type", "random"), ("size", "999999")]).await));
        let newest = list(&[("type", "newest"), ("size", "999999")]).await;
        assert!(newest[..7].iter().all(|name| name.starts_with("Year")) && whole(newest));
        assert_eq!(list(&[("type", "newest")]).await.len(), 10);
        let years = ["First Album", "Year 2001", "Year 2002"];
        assert_eq!(list(&[("type", "byYear"), ("fromYear", "1990"), ("toYear", "2002")]).await, years);
        let back: Vec<&str> = years.into_iter().rev().collect();
        assert_eq!(list(&[("type", "byYear"), ("fromYear", "2002"), ("toYear", "1990")]).await, back);
        assert_eq!(list(&[("type", "byGenre"), ("genre", "rock")]).await, ["First Album"]);
        for kind in ["highest", "frequent", "recent", "starred"] {
            assert_eq!(list(&[("type", kind)]).await, [""; 0], "{kind}");
        }
        let by_artist = list(&[("type", "alphabeticalByArtist"), ("size", "500")]).await;
        let at = |album: &str| by_artist.iter().position(|name| name == album).unwrap();
        assert!(at("Year 2007") < at("Double Album") && at("First Album") < at("Sampler"), "Ann, The Band, Various: {by_artist:?}");
        assert!(whole(by_artist));
        let folders = shelf.ok("getAlbumList", &[("type", "byGenre"), ("genre", "Pop")]).await;
        assert_eq!(folders["albumList"]["album"][0]["isDir"], true);
        assert_eq!(shelf.code("getAlbumList2", &[("type", "best")]).await, 0);
        assert_eq!(shelf.code("getAlbumList2", &[("type", "byYear")]).await, 10);
        assert_eq!(shelf.code("getAlbumList2", &[("type", "newest"), ("musicFolderId", "999")]).await, 70);

        let random = shelf.ok("getRandomSongs", &[("size", "500")]).await["randomSongs"]["song"].clone();
        assert_eq!(all(&random, "id").into_iter().collect::<BTreeSet<_>>().len(), Fixture::TRACKS + 7);
        let random = shelf.ok("getRandomSongs", &[("fromYear", "1999"), ("toYear", "1999"), ("genre", "Rock")]).await;
        assert_eq!(all(&random["randomSongs"]["song"], "title"), ["Opening"]);
        let of_genre = shelf.ok("getSongsByGenre", &[("genre", "Pop")]).await;
        assert_eq!(all(&of_genre["songsByGenre"]["song"], "title"), ["Opening"]);
    }

    async fn stars_ratings_and_plays_show_for_who_made_them(backend: Backend) {
        let mut shelf = Shelf::new(&backend);
        shelf.server.add_user("bob");
        let album = shelf.album("First Album").await;
        let (song, id) = (text(&album["song"][0]["id"]), text(&album["id"]));
        let artist = text(&album["artistId"]);
        shelf.ok("star", &[("id", &song), ("albumId", &id), ("artistId", &artist)]).await;
        let starred = shelf.ok("getStarred2", &[]).await["starred2"].clone();
        for kind in ["artist", "album", "song"] {
            assert_eq!(starred[kind].as_array().unwrap().len(), 1, "{kind}");
            assert!(starred[kind][0]["starred"].is_string());
        }
        assert_eq!(shelf.ok("getStarred", &[]).await["starred"]["album"][0]["isDir"], true);
        assert_eq!(shelf.code("star", &[("id", &song), ("id", "f0000000000000000")]).await, 70);
        assert_eq!(shelf.code("star", &[]).await, 10);
        shelf.ok("unstar", &[("id", &song)]).await;
        assert_eq!(shelf.ok("getStarred2", &[]).await["starred2"]["song"], json!([]));

        shelf.ok("setRating", &[("id", &id), ("rating", "4")]).await;
        assert_eq!(shelf.album("First Album").await["userRating"], 4);
        shelf.ok("setRating", &[("id", &artist), ("rating", "3")]).await;
        assert_eq!(shelf.ok("getArtist", &[("id", &artist)]).await["artist"]["userRating"], 3);
        assert_eq!(shelf.code("setRating", &[("id", &id), ("rating", "6")]).await, 0);
        assert_eq!(shelf.code("setRating", &[("id", &id)]).await, 10);
        shelf.ok("setRating", &[("id", &id), ("rating", "0")]).await;
        assert_eq!(shelf.album("First Album").await["userRating"], json!(null));

        shelf.ok("scrobble", &[("id", &song), ("time", "1700000000000")]).await;
        shelf.ok("scrobble", &[("id", &song), ("id", "unknown"), ("submission", "true")]).await;
        shelf.ok("scrobble", &[("id", &song), ("submission", "false")]).await;
        assert_eq!(shelf.code("scrobble", &[("id", &song), ("time", "1"), ("time", "2")]).await, 0);
        let played = shelf.ok("getSong", &[("id", &song)]).await["song"].clone();
        assert_eq!(played["playCount"], 2);
        assert!(text(&played["played"]).as_str() > "2023-11-15");
        let frequent = shelf.ok("getAlbumList2", &[("type", "frequent")]).await["albumList2"]["album"].clone();
        assert_eq!((all(&frequent, "name"), &frequent[0]["playCount"]), (vec!["First Album".to_owned()], &json!(2)));

        shelf.sign_in_as("bob");
        assert_eq!(shelf.ok("getSong", &[("id", &song)]).await["song"]["playCount"], 0);
        assert_eq!(shelf.ok("getStarred2", &[]).await["starred2"], json!({"artist": [], "album": [], "song": []}));
    }

    async fn playlists_are_changed_by_their_owner_alone(backend: Backend) {
        let mut shelf = Shelf::new(&backend);
        shelf.server.add_user("bob");
        let album = shelf.album("First Album").await;
        let songs = all(&album["song"], "id");
        let query = [("name", "Mix"), ("songId", &songs[0]), ("songId", &songs[1]), ("songId", &songs[0])];
        let made = shelf.ok("createPlaylist", &query).await["playlist"].clone();
        assert_eq!(all(&made["entry"], "title"), ["Opening", "Middle", "Opening"]);
        assert_eq!((&made["songCount"], &made["readonly"]), (&json!(3), &json!(false)));
        let id = text(&made["id"]);
        let update = [
            ("playlistId", id.as_str()),
            ("name", "Mixed"),
            ("comment", "for you"),
            ("songIndexToRemove", "0"),
            ("songIndexToRemove", "1"),
            ("songIdToAdd", &songs[2]),
        ];
        shelf.ok("updatePlaylist", &update).await;
        let now = shelf.ok("getPlaylist", &[("id", &id)]).await["playlist"].clone();
        assert_eq!(all(&now["entry"], "title"), ["Opening", "Last"]);
        assert_eq!((&now["name"], &now["comment"]), (&json!("Mixed"), &json!("for you")));
        assert_eq!(shelf.code("updatePlaylist", &[("playlistId", &id), ("songIndexToRemove", "2")]).await, 0);
        assert_eq!(shelf.code("updatePlaylist", &[("playlistId", &id), ("name", "x"), ("songIdToAdd", "f0")]).await, 70);
        assert_eq!(shelf.ok("getPlaylist", &[("id", &id)]).await["playlist"], now);

        shelf.sign_in_as("bob");
        for call in ["getPlaylist", "deletePlaylist"] {
            assert_eq!(shelf.code(call, &[("id", &id)]).await, 70, "{call}");
        }
        shelf.sign_in_as(ADMIN);
        shelf.ok("updatePlaylist", &[("playlistId", &id), ("public", "true"), ("comment", "")]).await;
        shelf.sign_in_as("bob");
        let seen = shelf.ok("getPlaylists", &[]).await["playlists"]["playlist"][0].clone();
        assert_eq!((&seen["readonly"], &seen["owner"], &seen["comment"]), (&json!(true), &json!(ADMIN), &json!(null)));
        assert_eq!(shelf.code("deletePlaylist", &[("id", &id)]).await, 50);
        assert_eq!(shelf.code("updatePlaylist", &[("playlistId", &id), ("name", "x")]).await, 50);
        assert_eq!(shelf.code("createPlaylist", &[("playlistId", &id), ("songId", &songs[0])]).await, 50);
        assert_eq!(shelf.code("getPlaylists", &[("username", ADMIN)]).await, 50);

        shelf.sign_in_as(ADMIN);
        let replaced = shelf.ok("createPlaylist", &[("playlistId", &id), ("songId", &songs[1])]).await["playlist"].clone();
        assert_eq!((all(&replaced["entry"], "title"), &replaced["name"]), (vec!["Middle".to_owned()], &json!("Mixed")));
        assert_eq!(shelf.code("createPlaylist", &[("songId", &songs[1])]).await, 10);
        shelf.ok("deletePlaylist", &[("id", &id)]).await;
        assert_eq!(shelf.ok("getPlaylists", &[]).await["playlists"]["playlist"], json!([]));
    }

    async fn an_administrator_is_shown_of_others_playlists_what_is_public(backend: Backend) {
        let mut shelf = Shelf::new(&backend);
        shelf.server.add_user("bob");
        let song = text(&shelf.album("First Album").await["song"][0]["id"]);
        shelf.sign_in_as("bob");
        let mut ids = Vec::new();
        for name in ["Private", "Public"] {
            let made = shelf.ok("createPlaylist", &[("name", name), ("songId", &song)]).await["playlist"].clone();
            ids.push(text(&made["id"]));
        }
        shelf.ok("updatePlaylist", &[("playlistId", &ids[1]), ("public", "true")]).await;
        shelf.sign_in_as(ADMIN);
        let listed = shelf.ok("getPlaylists", &[("username", "bob")]).await["playlists"]["playlist"].clone();
        assert_eq!((all(&listed, "name"), &listed[0]["readonly"]), (vec!["Public".to_owned()], &json!(true)));
        assert_eq!(shelf.ok("getPlaylists", &[("username", "nobody")]).await["playlists"]["playlist"], json!([]));
        for call in ["getPlaylist", "deletePlaylist"] {
            assert_eq!(shelf.code(call, &[("id", &ids[0])]).await, 70, "{call}");
        }
        assert_eq!(shelf.code("deletePlaylist", &[("id", &ids[1])]).await, 50);
    }

    async fn a_share_takes_ids_of_every_kind_and_shows_their_tracks_in_order(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let album = shelf.album("First Album").await;
        let double = shelf.album("Double Album").await;
        let (song, album_id, artist) = (text(&album["song"][2]["id"]), text(&album["id"]), text(&album["artistId"]));
        let folder = text(&double["song"][0]["parent"]);
        let playlist = shelf.ok("createPlaylist", &[("name", "Mix"), ("songId", &song)]).await["playlist"]["id"].clone();
        let query = [
            ("id", song.as_str()),
            ("id", &folder),
            ("id", playlist.as_str().unwrap()),
            ("id", &album_id),
            ("id", &song),
            ("description", "two"),
        ];
        let made = shelf.ok("createShare", &query).await["shares"]["share"][0].clone();
        let expected = ["Last", "One", "Last", "Opening", "Middle", "Last", "Last"];
        assert_eq!(all(&made["entry"], "title"), expected);
        assert_eq!((&made["username"], &made["visitCount"], &made["description"]), (&json!(ADMIN), &json!(0), &json!("two")));
        assert_eq!(made["url"], format!("{}/share/{}", shelf.server.url, text(&made["id"])));
        let by_artist = shelf.ok("createShare", &[("id", &artist)]).await["shares"]["share"][0].clone();
        assert_eq!(by_artist["entry"].as_array().unwrap().len(), 5, "Tempo's users miss that elsewhere");
        assert_eq!(by_artist["description"], json!(null));
        let number = shelf.library.key.0.to_string();
        let whole = shelf.ok("createShare", &[("id", &number)]).await["shares"]["share"][0].clone();
        assert_eq!(whole["entry"].as_array().unwrap().len(), Fixture::TRACKS);

        let shares = shelf.ok("getShares", &[]).await["shares"]["share"].clone();
        assert_eq!(all(&shares, "id"), [text(&whole["id"]), text(&by_artist["id"]), text(&made["id"])]);
        assert_eq!(shares[2], made);
        for refused in [&[("id", "f0000000000000000")][..], &[("id", &song), ("id", "a0000000000000000")], &[("id", "999")]] {
            assert_eq!(shelf.code("createShare", refused).await, 70, "{refused:?}");
        }
        assert_eq!(shelf.code("createShare", &[]).await, 10);
        assert_eq!(shelf.ok("getShares", &[]).await["shares"]["share"].as_array().unwrap().len(), 3);
    }

    async fn a_share_without_music_has_no_entry(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let root = shelf.ok("getMusicDirectory", &[("id", &shelf.library.key.0.to_string())]).await["directory"].clone();
        let names = root["child"].as_array().unwrap().iter().find(|child| child["title"] == "Names").unwrap();
        let made = shelf.ok("createShare", &[("id", &text(&names["id"]))]).await["shares"]["share"][0].clone();
        assert_eq!(made["entry"], json!([]));
    }

    async fn what_an_update_does_not_say_stays(backend: Backend) {
        let mut shelf = Shelf::new(&backend);
        shelf.server.add_user("bob");
        let song = text(&shelf.song("Opening").await["id"]);
        let at = openshelf::now_ms() + DAY_MS;
        let later = at.to_string();
        let float = format!("{later}.0");
        let made = shelf.ok("createShare", &[("id", &song), ("description", "d"), ("expires", &float)]).await;
        let made = made["shares"]["share"][0].clone();
        let id = text(&made["id"]);
        let expires: jiff::Timestamp = text(&made["expires"]).parse().unwrap();
        assert_eq!(expires.as_millisecond(), at);
        let now = async || shelf.ok("getShares", &[]).await["shares"]["share"][0].clone();
        shelf.ok("updateShare", &[("id", &id)]).await;
        assert_eq!(now().await, made);
        shelf.ok("updateShare", &[("id", &id), ("description", "")]).await;
        assert_eq!((&now().await["description"], &now().await["expires"]), (&json!(null), &made["expires"]));
        shelf.ok("updateShare", &[("id", &id), ("expires", "0")]).await;
        assert_eq!(now().await["expires"], json!(null));
        assert_eq!(shelf.code("updateShare", &[("id", &id), ("expires", "1")]).await, 0);
        assert_eq!(shelf.code("createShare", &[("id", &song), ("expires", "1")]).await, 0);

        shelf.sign_in_as("bob");
        for foreign in [id.as_str(), "0000000000000000000000"] {
            assert_eq!(shelf.code("updateShare", &[("id", foreign), ("description", "x")]).await, 70);
            assert_eq!(shelf.code("deleteShare", &[("id", foreign)]).await, 70);
        }
        assert_eq!(shelf.ok("getShares", &[]).await["shares"], json!({"share": []}));
        shelf.sign_in_as(ADMIN);
        shelf.ok("deleteShare", &[("id", &id)]).await;
        assert_eq!(shelf.code("deleteShare", &[("id", &id)]).await, 70);
        assert_eq!(shelf.ok("getShares", &[]).await["shares"], json!({"share": []}));
    }

    async fn bytes_are_the_original_ones(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let song = shelf.song("One").await;
        let id = text(&song["id"]);
        let original = std::fs::read(shelf.fixture.path("Music/The Band/Double Album/CD1/01 One.flac")).unwrap();
        assert_eq!(song["size"], original.len());
        let streamed = shelf.bytes("stream", &[("id", &id), ("format", "raw"), ("maxBitRate", "64")]).await;
        assert_eq!(streamed.headers()["content-type"], "audio/flac");
        assert_eq!(streamed.bytes().await.unwrap(), original);
        let saved = shelf.bytes("download", &[("id", &id)]).await;
        assert!(saved.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
        assert_eq!(saved.bytes().await.unwrap(), original);
        let url = format!("{}/rest/stream?u={ADMIN}&p=enc:{}&id={id}", shelf.server.url, "636f727265637420686f727365");
        let part = shelf.client.get(&url).header("range", "bytes=4-7").send().await.unwrap();
        assert_eq!(part.status(), 206);
        assert_eq!(part.bytes().await.unwrap(), original[4..8]);
        let head = shelf.client.head(&url).send().await.unwrap();
        assert_eq!(head.headers()["content-length"], original.len().to_string().as_str());
        assert_eq!(shelf.ok("getSong", &[("id", &id)]).await["song"]["playCount"], 0);
        assert_eq!(shelf.code("stream", &[("id", "f0000000000000000")]).await, 70);
        assert_eq!(shelf.code("stream", &[]).await, 10);
    }

    async fn covers_are_found_by_any_id_that_has_one(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let album = shelf.album("First Album").await;
        let song = &album["song"][1];
        let playlist = shelf.ok("createPlaylist", &[("name", "Mix"), ("songId", &text(&song["id"]))]).await["playlist"].clone();
        let mut ids: Vec<String> = [&album["id"], &album["artistId"], &song["id"], &song["parent"], &playlist["id"]]
            .into_iter()
            .map(text)
            .collect();
        ids.extend([&album["coverArt"], &song["coverArt"], &playlist["coverArt"]].map(text));
        for id in ids {
            let cover = shelf.bytes("getCoverArt", &[("id", &id), ("size", "64")]).await;
            assert!(cover.headers()["content-type"].to_str().unwrap().starts_with("image/"), "{id}");
        }
        let without = shelf.album("Untagged").await;
        assert_eq!(without["coverArt"], json!(null));
        assert_eq!(shelf.code("getCoverArt", &[("id", &text(&without["id"]))]).await, 70);
        assert_eq!(shelf.code("getCoverArt", &[("id", "nothing")]).await, 70);
    }

    async fn music_of_others_homes_never_shows(backend: Backend) {
        let mut shelf = Shelf::new(&backend);
        shelf.server.add_user("bob");
        let app = shelf.server.app.clone();
        let home = shelf.server.run(async move {
            let home = app.db.read(|tx| {
                let bob = openshelf::store::accounts::by_login(tx, "bob")?.unwrap();
                openshelf::store::library::home_of(tx, bob.key)
            });
            home.await.unwrap().unwrap()
        });
        std::fs::write(home.root.join("private.flac"), flac()).unwrap();
        shelf.server.scan(&home);
        shelf.sign_in_as("bob");
        let own = shelf.song("private").await;
        let (id, album) = (text(&own["id"]), text(&own["albumId"]));
        let number = home.key.0.to_string();
        let share = shelf.ok("createShare", &[("id", &id)]).await["shares"]["share"][0].clone();
        assert_eq!(share["entry"][0]["id"], own["id"]);

        shelf.sign_in_as(ADMIN);
        for (call, id) in [
            ("getSong", &id),
            ("getAlbum", &album),
            ("getMusicDirectory", &number),
            ("getMusicDirectory", &album),
            ("stream", &id),
            ("download", &id),
            ("getCoverArt", &id),
            ("getLyricsBySongId", &id),
            ("createShare", &id),
            ("createShare", &album),
            ("star", &id),
        ] {
            assert_eq!(shelf.code(call, &[("id", id)]).await, 70, "{call}");
        }
        assert_eq!(shelf.code("createPlaylist", &[("name", "x"), ("songId", &id)]).await, 70);
        let everything = shelf.ok("search3", &[]).await["searchResult3"].clone();
        assert!(!all(&everything["song"], "id").contains(&id));
        assert!(!all(&everything["album"], "id").contains(&album));
        assert_eq!(shelf.ok("getScanStatus", &[]).await["scanStatus"]["count"], Fixture::TRACKS);
    }

    async fn missing_tracks_show_nowhere(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let album = shelf.album("Sampler").await;
        let songs = all(&album["song"], "id");
        let playlist = shelf.ok("createPlaylist", &[("name", "Mix"), ("songId", &songs[0]), ("songId", &songs[1])]).await;
        let playlist = text(&playlist["playlist"]["id"]);
        shelf.ok("star", &[("id", &songs[0])]).await;
        std::fs::remove_file(shelf.fixture.path("Music/Sampler/01 A.flac")).unwrap();
        shelf.server.scan(&shelf.library);
        let left = shelf.album("Sampler").await;
        assert_eq!((all(&left["song"], "title"), &left["songCount"]), (vec!["B".to_owned()], &json!(1)));
        assert_eq!(shelf.ok("getStarred2", &[]).await["starred2"]["song"], json!([]));
        let seen = shelf.ok("getPlaylist", &[("id", &playlist)]).await["playlist"].clone();
        assert_eq!((all(&seen["entry"], "title"), &seen["songCount"]), (vec!["B".to_owned()], &json!(1)));
        assert_eq!(shelf.code("stream", &[("id", &songs[0])]).await, 70);
        // Places in the list are those that the app sees.
        shelf.ok("updatePlaylist", &[("playlistId", &playlist), ("songIndexToRemove", "0")]).await;
        shelf.fixture.song("Music/Sampler/01 A.flac", &[]);
        assert_eq!(shelf.ok("getPlaylist", &[("id", &playlist)]).await["playlist"]["songCount"], 0);

        std::fs::remove_dir_all(shelf.fixture.path("Music/Sampler")).unwrap();
        shelf.server.scan(&shelf.library);
        assert_eq!(shelf.code("getAlbum", &[("id", &text(&album["id"]))]).await, 70);
        assert_eq!(shelf.ok("getAlbumList2", &[("type", "newest")]).await["albumList2"]["album"].as_array().unwrap().len(), 4);
    }

    async fn lyrics_come_plain_and_by_line(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let id = text(&shelf.song("Opening").await["id"]);
        let lyrics = shelf.ok("getLyricsBySongId", &[("id", &id)]).await["lyricsList"]["structuredLyrics"][0].clone();
        assert_eq!((all(&lyrics["line"], "value"), &lyrics["synced"]), (vec!["la".to_owned(); 2], &json!(false)));
        let by_name = shelf.ok("getLyrics", &[("title", "opening")]).await["lyrics"].clone();
        assert_eq!(by_name["value"], "la\nla");
        assert_eq!(shelf.ok("getLyrics", &[("artist", "x"), ("title", "Opening")]).await["lyrics"], json!({"value": ""}));
        let none = text(&shelf.song("Middle").await["id"]);
        assert_eq!(shelf.ok("getLyricsBySongId", &[("id", &none)]).await["lyricsList"], json!({"structuredLyrics": []}));
    }

    async fn a_scan_is_begun_at_once_finds_what_no_watch_reported_and_is_told_of_while_it_lasts(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let status = async |call| shelf.ok(call, &[]).await["scanStatus"].clone();
        let ended = async || until("the scan ends", async || (status("getScanStatus").await["scanning"] == false).then_some(())).await;
        // A folder that is gone is watched no more, nor is one that comes back.
        let (root, aside) = (&shelf.fixture.root, shelf.fixture.root.with_file_name("aside"));
        std::fs::rename(root, &aside).unwrap();
        assert_eq!(status("startScan").await["scanning"], true);
        ended().await;
        Fixture { root: aside.clone() }.song("Music/New.flac", &[(Tag::TrackTitle, "New")]);
        std::fs::rename(&aside, root).unwrap();

        // Nothing is stored before this write ends, so the scan lasts as long.
        let (held, begun) = tokio::sync::oneshot::channel();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let hold = move |_: &mut Tx| {
            let _ = held.send(());
            let _ = released.recv();
            Ok(())
        };
        let holding = tokio::spawn({
            let app = shelf.server.app.clone();
            async move { app.db.write(hold).await }
        });
        begun.await.unwrap();
        assert_eq!(status("startScan").await["scanning"], true);
        for _ in 0..5 {
            assert_eq!(status("getScanStatus").await, json!({"scanning": true, "count": Fixture::TRACKS}));
        }
        release.send(()).unwrap();
        holding.await.unwrap().unwrap();
        ended().await;
        assert_eq!(shelf.song("New").await["title"], "New");
        assert_eq!(status("getScanStatus").await["count"], Fixture::TRACKS + 1);
    }

    async fn users_learn_of_themselves_and_admins_of_others(backend: Backend) {
        let mut shelf = Shelf::new(&backend);
        shelf.server.add_user("bob");
        let bob = shelf.ok("getUser", &[("username", "bob")]).await["user"].clone();
        assert_eq!((&bob["adminRole"], &bob["shareRole"]), (&json!(false), &json!(true)));
        assert!(bob["folder"].as_array().unwrap().contains(&json!(shelf.library.key.0)));
        shelf.ok("startScan", &[]).await;
        shelf.sign_in_as("bob");
        assert_eq!(shelf.ok("getUser", &[("username", "BOB")]).await["user"], bob);
        assert_eq!(shelf.code("getUser", &[("username", ADMIN)]).await, 50);
        assert_eq!(shelf.code("startScan", &[]).await, 50);
        assert_eq!(shelf.ok("getLicense", &[]).await["license"]["valid"], true);
        assert_eq!(shelf.ok("getNowPlaying", &[]).await["nowPlaying"], json!({"entry": []}));
    }
}
