//! What broke real music apps on other servers, each with the app's name.

use std::collections::BTreeSet;

use md5::{Digest, Md5};
use serde_json::{Value, json};

use crate::both_engines;
use crate::fixture::Fixture;
use crate::server::{ADMIN, PASSWORD};
use crate::shelf::{Shelf, all, text};

/// Every value of every object, however deep, with the name of its field.
fn walk(value: &Value, field: &str, seen: &mut impl FnMut(&str, &Value)) {
    seen(field, value);
    match value {
        Value::Array(list) => list.iter().for_each(|one| walk(one, field, seen)),
        Value::Object(object) => object.iter().for_each(|(name, one)| walk(one, name, seen)),
        _ => {}
    }
}

/// Answers about everything that the fixture's library holds.
async fn answers(shelf: &Shelf) -> Vec<Value> {
    let song = shelf.song("Opening").await;
    let (song_id, album_id, artist_id) = (text(&song["id"]), text(&song["albumId"]), text(&song["artistId"]));
    shelf.ok("star", &[("id", &song_id), ("albumId", &album_id), ("artistId", &artist_id)]).await;
    shelf.ok("scrobble", &[("id", &song_id)]).await;
    shelf.ok("createPlaylist", &[("name", "Mix"), ("songId", &song_id)]).await;
    shelf.ok("createShare", &[("id", &album_id)]).await;
    let mut answers = Vec::new();
    for (call, query) in [
        ("getMusicFolders", &[][..]),
        ("getIndexes", &[]),
        ("getArtists", &[]),
        ("getArtist", &[("id", artist_id.as_str())]),
        ("getAlbum", &[("id", &album_id)]),
        ("getSong", &[("id", &song_id)]),
        ("getMusicDirectory", &[("id", &text(&song["parent"]))]),
        ("getAlbumList", &[("type", "newest")]),
        ("getAlbumList2", &[("type", "newest")]),
        ("getStarred", &[]),
        ("getStarred2", &[]),
        ("search2", &[("query", "")]),
        ("search3", &[("query", "")]),
        ("getPlaylists", &[]),
        ("getShares", &[]),
        ("getGenres", &[]),
        ("getUser", &[("username", ADMIN)]),
        ("getScanStatus", &[]),
    ] {
        answers.push(shelf.ok(call, query).await);
    }
    answers
}

both_engines! {
    async fn knuckles_and_submusic_find_each_list_where_it_belongs_though_nothing_is_in_it(backend: Backend) {
        let mut shelf = Shelf::empty(&backend);
        let list = text(&shelf.ok("createPlaylist", &[("name", "Empty")]).await["playlist"]["id"]);
        shelf.ok("updatePlaylist", &[("playlistId", &list), ("public", "true")]).await;
        let number = shelf.library.key.0.to_string();
        shelf.server.add_user("new");
        shelf.sign_in_as("new");
        for (call, query, outer, inner) in [
            ("getIndexes", &[][..], "indexes", &["shortcut", "index", "child"][..]),
            ("getArtists", &[], "artists", &["index"]),
            ("getGenres", &[], "genres", &["genre"]),
            ("getMusicDirectory", &[("id", number.as_str())], "directory", &["child"]),
            ("getVideos", &[], "videos", &["video"]),
            ("getTopSongs", &[("artist", "zzzzzz")], "topSongs", &["song"]),
            ("getAlbumList", &[("type", "newest")], "albumList", &["album"]),
            ("getAlbumList2", &[("type", "newest")], "albumList2", &["album"]),
            ("getRandomSongs", &[], "randomSongs", &["song"]),
            ("getSongsByGenre", &[("genre", "zzzzzz")], "songsByGenre", &["song"]),
            ("getNowPlaying", &[], "nowPlaying", &["entry"]),
            ("getStarred", &[], "starred", &["artist", "album", "song"]),
            ("getStarred2", &[], "starred2", &["artist", "album", "song"]),
            ("search", &[("any", "zzzzzz")], "searchResult", &["match"]),
            ("search2", &[("query", "zzzzzz")], "searchResult2", &["artist", "album", "song"]),
            ("search3", &[("query", "zzzzzz")], "searchResult3", &["artist", "album", "song"]),
            ("getPlaylist", &[("id", &list)], "playlist", &["entry"]),
            ("getShares", &[], "shares", &["share"]),
            ("getPodcasts", &[], "podcasts", &["channel"]),
            ("getNewestPodcasts", &[], "newestPodcasts", &["episode"]),
            ("getInternetRadioStations", &[], "internetRadioStations", &["internetRadioStation"]),
            ("getChatMessages", &[], "chatMessages", &["chatMessage"]),
            ("getBookmarks", &[], "bookmarks", &["bookmark"]),
            ("getPlayQueue", &[], "playQueue", &["entry"]),
            ("getPlayQueueByIndex", &[], "playQueueByIndex", &["entry"]),
        ] {
            let answer = shelf.ok(call, query).await;
            for inner in inner {
                assert_eq!(answer[outer][inner], json!([]), "{call}: {answer}");
            }
        }
        shelf.sign_in_as(ADMIN);
        shelf.ok("deletePlaylist", &[("id", &list)]).await;
        assert_eq!(shelf.ok("getPlaylists", &[]).await["playlists"]["playlist"], json!([]));
    }

    async fn navidrome_calls_a_library_without_music_not_found_and_here_it_is_empty(backend: Backend) {
        let shelf = Shelf::empty(&backend);
        let number = shelf.library.key.0.to_string();
        let folders = shelf.ok("getMusicFolders", &[]).await["musicFolders"]["musicFolder"].clone();
        assert!(all(&folders, "name").contains(&"Shelf".to_owned()), "{folders}");
        for folder in [&[][..], &[("musicFolderId", number.as_str())]] {
            let indexes = shelf.ok("getIndexes", folder).await["indexes"].clone();
            assert_eq!((&indexes["index"], &indexes["child"]), (&json!([]), &json!([])));
            assert!(indexes["ignoredArticles"].is_string() && indexes["lastModified"].is_i64(), "{indexes}");
            let artists = shelf.ok("getArtists", folder).await["artists"].clone();
            assert!(artists["index"] == json!([]) && artists["ignoredArticles"].is_string(), "{artists}");
            for call in ["getAlbumList2", "getRandomSongs", "search3", "getStarred2"] {
                shelf.ok(call, &[folder, &[("type", "newest")]].concat()).await;
            }
        }
        assert_eq!(shelf.ok("getGenres", &[]).await["genres"], json!({"genre": []}));
        assert_eq!(shelf.ok("getScanStatus", &[]).await["scanStatus"]["count"], 0);
    }

    async fn ultrasonic_reads_numbers_where_folders_are_and_text_where_all_else_is(backend: Backend) {
        let shelf = Shelf::new(&backend);
        for folder in shelf.ok("getMusicFolders", &[]).await["musicFolders"]["musicFolder"].as_array().unwrap() {
            assert!(folder["id"].is_i64(), "{folder}");
        }
        for answer in answers(&shelf).await {
            if answer["musicFolders"].is_object() {
                continue;
            }
            // Those of playlists too, which Nextcloud Music had as numbers and Aurial wanted so.
            walk(&answer, "", &mut |field, value| {
                if matches!(field, "id" | "parent" | "albumId" | "artistId" | "coverArt") && !value.is_array() {
                    assert!(value.is_string(), "{field}: {value}");
                }
            });
        }
        let song = text(&shelf.song("Opening").await["id"]);
        assert_eq!(shelf.code("getAlbum", &[("id", &song)]).await, 70, "it asks for albums by ids of songs");
    }

    async fn dsub_strips_a_prefix_that_no_id_has_and_sees_that_it_may_share(backend: Backend) {
        let shelf = Shelf::new(&backend);
        for answer in answers(&shelf).await {
            walk(&answer, "", &mut |field, value| {
                if let (true, Some(id)) = (field == "id", value.as_str()) {
                    assert!(id.bytes().all(|c| c.is_ascii_alphanumeric()), "{id}");
                }
            });
        }
        assert_eq!(shelf.ok("getUser", &[("username", ADMIN)]).await["user"]["shareRole"], json!(true));
    }

    async fn supersonic_and_subsonic_api_read_dates_with_a_zone_or_none_at_all(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let dates = BTreeSet::from(["created", "changed", "starred", "played", "expires", "lastVisited", "lastScan"]);
        let mut found = 0;
        for answer in answers(&shelf).await {
            walk(&answer, "", &mut |field, value| {
                assert!(!value.is_null(), "{field}: a null is worse than an absent key");
                if dates.contains(field) && !value.is_object() {
                    let date = text(value);
                    assert!(date.len() == 24 && date.ends_with('Z') && date.as_bytes()[19] == b'.', "{field}: {date}");
                    assert!(date.parse::<jiff::Timestamp>().is_ok(), "{field}: {date}");
                    found += 1;
                }
            });
        }
        assert!(found > 20, "{found}");
    }

    async fn mopidy_and_py_sonic_take_one_song_for_an_object_and_one_entry_for_a_list(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let song = text(&shelf.song("Opening").await["id"]);
        assert!(shelf.ok("getSong", &[("id", &song)]).await["song"].is_object());
        let playlist = shelf.ok("createPlaylist", &[("name", "One"), ("songId", &song)]).await["playlist"].clone();
        assert!(playlist.is_object() && playlist["entry"].is_array(), "{playlist}");
        for index in shelf.ok("getIndexes", &[]).await["indexes"]["index"].as_array().unwrap() {
            assert!(index["artist"].is_array(), "{index}");
        }
    }

    async fn music_assistant_plays_no_album_of_octo_for_want_of_the_time_it_came(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let mut found = 0;
        for answer in answers(&shelf).await {
            walk(&answer, "", &mut |_, value| {
                let bears = |field: &str| value.get(field).is_some();
                // An album, also as a folder, or a playlist.
                if bears("id") && bears("songCount") {
                    let created = text(&value["created"]);
                    assert!(created.parse::<jiff::Timestamp>().is_ok() && value["duration"].is_u64(), "{value}");
                    found += 1;
                }
            });
        }
        assert!(found >= 20, "{found}");
    }

    async fn airsonic_refix_and_feishin_ask_from_a_page_of_another_origin(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let song = text(&shelf.song("One").await["id"]);
        let from = [("origin", "https://player.example"), ("access-control-request-method", "POST")];
        let ask = |method: &str, call: &str| {
            let request = shelf.client.request(method.parse().unwrap(), format!("{}/rest/{call}", shelf.server.url));
            from.iter().fold(request, |request, (name, value)| request.header(*name, *value))
        };
        for call in ["ping.view", "getTranscodeDecision", "stream", "getCoverArt.view"] {
            let asked = ask("OPTIONS", call).header("access-control-request-headers", "content-type, range");
            let answer = asked.send().await.unwrap();
            assert_eq!(answer.status(), 204, "{call}");
            let told = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
            assert_eq!(told("access-control-allow-origin"), "*");
            assert!(told("access-control-allow-methods").contains("POST"), "{call}");
            let headers = told("access-control-allow-headers");
            assert!(["authorization", "content-type", "range"].iter().all(|name| headers.contains(name)), "{headers}");
        }
        for (call, password) in [("stream", PASSWORD), ("getSong", PASSWORD), ("getSong", "wrong")] {
            let known = [("u", ADMIN), ("p", password), ("c", "web"), ("f", "json"), ("id", song.as_str())];
            let answer = ask("GET", call).query(&known).send().await.unwrap();
            assert_eq!(answer.headers()["access-control-allow-origin"], "*", "{call}");
            let exposed = answer.headers()["access-control-expose-headers"].to_str().unwrap();
            assert!(exposed.contains("content-range"), "{exposed}");
        }
    }

    async fn mb_subsonic_asks_for_a_directory_by_the_number_of_a_music_folder(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let number = shelf.library.key.0.to_string();
        let directory = shelf.ok("getMusicDirectory", &[("id", &number)]).await["directory"].clone();
        assert!(!directory["child"].as_array().unwrap().is_empty(), "{directory}");
    }

    /// koel and DroppedNeedle looked for the quotes, and showed it an empty library.
    async fn symfonium_syncs_by_searching_for_two_quotes(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let page = |kind: &'static str, offset: String| {
            let shelf = &shelf;
            async move {
                let (count, skip) = (format!("{kind}Count"), format!("{kind}Offset"));
                let none = ["artistCount", "albumCount", "songCount"].into_iter().filter(|name| **name != count);
                let mut query: Vec<(&str, &str)> = none.map(|name| (name, "0")).collect();
                query.extend([("query", "\"\""), ("v", "1.13.0"), (count.as_str(), "3"), (skip.as_str(), &offset)]);
                let found = shelf.ok("search3", &query).await["searchResult3"].clone();
                for other in ["artist", "album", "song"].into_iter().filter(|other| *other != kind) {
                    assert_eq!(found[other], json!([]), "a count of none is none");
                }
                all(&found[kind], "id")
            }
        };
        for kind in ["artist", "album", "song"] {
            let (mut ids, mut offset) = (Vec::new(), 0);
            loop {
                let more = page(kind, offset.to_string()).await;
                offset += 3;
                if more.is_empty() {
                    break;
                }
                ids.extend(more);
            }
            assert!(ids.len() > 3, "{kind}");
            assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{kind}: none twice");
        }
    }

    async fn aonsoku_asks_for_a_billion_songs_and_gets_what_there_is(backend: Backend) {
        let shelf = Shelf::new(&backend);
        // More than any list has where no number is named.
        for number in 0..20 {
            shelf.fixture.song(&format!("Music/More/{number}.flac"), &[]);
        }
        shelf.server.scan(&shelf.library);
        let found = shelf.ok("search3", &[("query", ""), ("songCount", "999999999")]).await;
        let random = shelf.ok("getRandomSongs", &[("size", "999999999")]).await;
        for songs in [&found["searchResult3"]["song"], &random["randomSongs"]["song"]] {
            assert_eq!(all(songs, "id").into_iter().collect::<BTreeSet<_>>().len(), Fixture::TRACKS + 20);
        }
    }

    /// As Lucene wanted it; Navidrome strips it as well.
    async fn old_habits_put_a_star_behind_a_word(backend: Backend) {
        let shelf = Shelf::new(&backend);
        for query in ["openi*", "Opening*", "opening *"] {
            let found = shelf.ok("search3", &[("query", query)]).await;
            assert!(all(&found["searchResult3"]["song"], "title").contains(&"Opening".to_owned()), "{query}");
        }
    }

    async fn kima_hub_syncs_with_hundreds_of_calls_a_minute_and_none_is_refused(backend: Backend) {
        let shelf = Shelf::new(&backend);
        for _ in 0..400 {
            shelf.ok("ping", &[]).await;
        }
    }

    async fn old_dsub_isub_and_symfonium_name_old_versions_and_are_served(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let hex: String = PASSWORD.bytes().map(|byte| format!("{byte:02x}")).collect();
        let salt = "c19b2d";
        let token: String = Md5::digest(format!("{PASSWORD}{salt}")).iter().map(|byte| format!("{byte:02x}")).collect();
        for (version, login) in [
            ("1.2.0", vec![("p", format!("enc:{hex}"))]),
            ("1.0.0", vec![("p", PASSWORD.to_owned())]),
            ("1.13.0", vec![("t", token), ("s", salt.to_owned())]),
        ] {
            let url = format!("{}/rest/ping.view", shelf.server.url);
            let query = [("u", ADMIN), ("v", version), ("c", "DSub"), ("f", "json")];
            let answer = shelf.client.get(url).query(&query).query(&login).send().await.unwrap();
            let answer: Value = answer.json().await.unwrap();
            assert_eq!(answer["subsonic-response"]["status"], json!("ok"), "{version}: {answer}");
        }
    }

    async fn py_sonic_and_the_crate_opensubsonic_know_an_error_from_bytes_by_its_type(backend: Backend) {
        let shelf = Shelf::new(&backend);
        for call in ["stream", "download", "getCoverArt", "getAvatar", "getCaptions", "hls.m3u8"] {
            for (form, expected) in [("json", "application/json"), ("xml", "text/xml; charset=utf-8")] {
                let answer = shelf.bytes(call, &[("id", "unknown0"), ("username", "unknown0"), ("f", form)]).await;
                assert_eq!(answer.status(), 200, "{call}");
                assert_eq!(answer.headers()["content-type"], expected, "{call}");
            }
        }
    }

    async fn the_official_example_of_a_key_sends_a_name_as_well_and_is_told_so(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let envelope = shelf.envelope("ping", &[("u", "joe"), ("apiKey", "nonsense")]).await;
        assert_eq!(envelope["error"]["code"], json!(43), "{envelope}");
    }
}
