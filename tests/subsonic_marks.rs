//! What users say of their music by an app: of many things at once, of one music folder, of a part of a playlist.

use std::collections::BTreeSet;

use lofty::tag::ItemKey as Tag;
use openshelf::now_ms;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::both_engines;
use crate::fixture::Fixture;
use crate::shelf::{Shelf, all, text};

impl Shelf {
    /// The ids of all that is starred: artists, albums, songs.
    async fn stars(&self) -> [BTreeSet<String>; 3] {
        let starred = self.ok("getStarred2", &[]).await["starred2"].clone();
        ["artist", "album", "song"].map(|kind| all(&starred[kind], "id").into_iter().collect())
    }

    /// How often a song was played, and when last.
    async fn plays(&self, id: &str) -> (i64, i64) {
        let song = self.ok("getSong", &[("id", id)]).await["song"].clone();
        let last: jiff::Timestamp = text(&song["played"]).parse().unwrap();
        (song["playCount"].as_i64().unwrap(), last.as_millisecond())
    }
}

fn one_of_each(at: usize, of: &[&[String; 3]; 3]) -> [BTreeSet<String>; 3] {
    of.map(|ids| BTreeSet::from([ids[at].clone()]))
}

both_engines! {
    async fn stars_of_every_kind_come_and_go_by_any_of_their_parameters_however_many_there_are(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let (first, double) = (shelf.album("First Album").await, shelf.album("Double Album").await);
        let albums = [text(&first["id"]), text(&double["id"]), text(&shelf.album("Sampler").await["id"])];
        let songs = [text(&first["song"][0]["id"]), text(&first["song"][1]["id"]), text(&double["song"][0]["id"])];
        let artists: [String; 3] = all(&first["song"][0]["artists"], "id").try_into().unwrap();
        let everything = [&artists, &albums, &songs].map(|ids| ids.iter().cloned().collect::<BTreeSet<_>>());
        // Albums and artists by `id` as well, as apps have them that know nothing but folders.
        let gone = [
            ("id", songs[0].as_str()),
            ("id", &albums[0]),
            ("artistId", &artists[1]),
            ("id", &artists[0]),
            ("albumId", &albums[1]),
            ("id", &songs[1]),
        ];
        let left = [("albumId", albums[2].as_str()), ("artistId", &artists[2]), ("id", &songs[2])];
        let both = [&gone[..], &left].concat();

        shelf.ok("star", &both).await;
        assert_eq!(shelf.stars().await, everything);
        shelf.posted("unstar", &gone).await;
        assert_eq!(shelf.stars().await, one_of_each(2, &[&artists, &albums, &songs]));
        shelf.posted("star", &gone).await;
        assert_eq!(shelf.stars().await, everything);
        shelf.ok("unstar", &gone).await;
        assert_eq!(shelf.stars().await, one_of_each(2, &[&artists, &albums, &songs]));
        shelf.ok("unstar", &left.map(|(_, id)| ("id", id))).await;
        assert_eq!(shelf.stars().await, [(); 3].map(|()| BTreeSet::new()));
    }

    async fn each_song_of_a_scrobble_counts_at_its_own_time_though_gonic_reads_the_first_alone(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let (one, two) = (text(&shelf.song("One").await["id"]), text(&shelf.song("Two").await["id"]));
        let unknown_between = [
            ("id", one.as_str()), ("id", "unknown"), ("id", &two),
            ("time", "1600000000000"), ("time", "1650000000000"), ("time", "1500000000000"),
        ];
        shelf.posted("scrobble", &unknown_between).await;
        assert_eq!(shelf.plays(&one).await, (1, 1_600_000_000_000));
        assert_eq!(shelf.plays(&two).await, (1, 1_500_000_000_000));
        let other_order = [("id", two.as_str()), ("time", "1700000000000"), ("id", &one), ("time", "1710000000000")];
        shelf.ok("scrobble", &other_order).await;
        assert_eq!(shelf.plays(&one).await, (2, 1_710_000_000_000));
        assert_eq!(shelf.plays(&two).await, (2, 1_700_000_000_000));
        let before_ms = now_ms();
        shelf.ok("scrobble", &[("id", &one), ("id", &two)]).await;
        for id in [&one, &two] {
            let (count, last_ms) = shelf.plays(id).await;
            assert!(count == 3 && last_ms >= before_ms, "without times it is now: {count}, {last_ms}");
        }
        assert_eq!(shelf.album("Double Album").await["playCount"], 6);
    }

    async fn what_is_starred_and_what_is_of_a_genre_is_told_of_one_music_folder_too(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let other = TempDir::new().unwrap();
        let tags = [(Tag::TrackTitle, "Elsewhere"), (Tag::TrackArtist, "Ann"), (Tag::AlbumTitle, "Far"), (Tag::Genre, "Pop")];
        Fixture { root: other.path().to_owned() }.song("Far Away/1.flac", &tags);
        let second = shelf.server.add_library("Second", other.path());
        let mut stars = Vec::new();
        for title in ["Opening", "Elsewhere"] {
            let song = shelf.song(title).await;
            stars.extend(["id", "parent", "albumId", "artistId"].map(|field| text(&song[field])));
        }
        shelf.ok("star", &stars.iter().map(|id| ("id", id.as_str())).collect::<Vec<_>>()).await;

        let names = |list: &Value, field| all(list, field).into_iter().collect::<BTreeSet<_>>();
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let (here, there) = (shelf.library.key.0.to_string(), second.key.0.to_string());
        for (folder, song, artist, albums) in [
            (Some(&here), &["Opening"][..], &["The Band"][..], &["First Album"][..]),
            (Some(&there), &["Elsewhere"], &["Ann"], &["Far", "Far Away"]),
            (None, &["Opening", "Elsewhere"], &["The Band", "Ann"], &["First Album", "Far", "Far Away"]),
        ] {
            let folder: Vec<(&str, &str)> = folder.into_iter().map(|number| ("musicFolderId", number.as_str())).collect();
            let of_genre = [&folder[..], &[("genre", "Pop")]].concat();
            for by_form in [false, true] {
                let ask = async |call, query: &[(&str, &str)]| match by_form {
                    true => shelf.posted(call, query).await,
                    false => shelf.ok(call, query).await,
                };
                let starred = ask("getStarred", &folder).await["starred"].clone();
                assert_eq!((names(&starred["song"], "title"), names(&starred["artist"], "name")), (set(song), set(artist)));
                assert_eq!(names(&starred["album"], "title"), set(albums), "folders among them");
                let starred = ask("getStarred2", &folder).await["starred2"].clone();
                assert_eq!((names(&starred["song"], "title"), names(&starred["artist"], "name")), (set(song), set(artist)));
                assert!(names(&starred["album"], "name").is_subset(&set(albums)) && !starred["album"][0].is_null());
                let found = ask("getSongsByGenre", &of_genre).await["songsByGenre"].clone();
                assert_eq!(names(&found["song"], "title"), set(song));
            }
        }
        for call in ["getStarred", "getStarred2", "getSongsByGenre"] {
            assert_eq!(shelf.code(call, &[("musicFolderId", "999"), ("genre", "Pop")]).await, 70, "{call}");
        }
    }

    async fn an_update_of_a_playlist_leaves_alone_what_it_does_not_say(backend: Backend) {
        let shelf = Shelf::new(&backend);
        let songs = all(&shelf.album("First Album").await["song"], "id");
        let made = shelf.ok("createPlaylist", &[("name", "Mix"), ("songId", &songs[0])]).await["playlist"].clone();
        assert_eq!((&made["comment"], &made["public"]), (&Value::Null, &json!(false)));
        let id = text(&made["id"]);
        let update = async |said: &[(&str, &str)]| {
            shelf.posted("updatePlaylist", &[&[("playlistId", id.as_str())], said].concat()).await;
            let now = shelf.ok("getPlaylist", &[("id", &id)]).await["playlist"].clone();
            (all(&now["entry"], "title").concat(), text(&now["name"]), now["comment"].clone(), now["public"] == true)
        };
        let is = |songs: &str, name: &str, comment: Value, public| (songs.to_owned(), name.to_owned(), comment, public);
        assert_eq!(update(&[("comment", "for you")]).await, is("Opening", "Mix", json!("for you"), false));
        assert_eq!(update(&[("public", "true")]).await, is("Opening", "Mix", json!("for you"), true));
        assert_eq!(update(&[]).await, is("Opening", "Mix", json!("for you"), true));
        assert_eq!(update(&[("songIdToAdd", &songs[1])]).await, is("OpeningMiddle", "Mix", json!("for you"), true));
        assert_eq!(update(&[("songIndexToRemove", "0")]).await, is("Middle", "Mix", json!("for you"), true));
        assert_eq!(update(&[("name", "Mixed")]).await, is("Middle", "Mixed", json!("for you"), true));
        shelf.ok("createPlaylist", &[("playlistId", &id), ("songId", &songs[2])]).await;
        assert_eq!(update(&[]).await, is("Last", "Mixed", json!("for you"), true), "other songs, and nothing else");
        assert_eq!(update(&[("public", "false")]).await, is("Last", "Mixed", json!("for you"), false));
        assert_eq!(update(&[("comment", "")]).await, is("Last", "Mixed", Value::Null, false), "an empty one is none");
    }
}
