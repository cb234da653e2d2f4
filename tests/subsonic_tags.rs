//! What apps are told of the tags of music, and how they find it in indexes.

use lofty::tag::ItemKey as Tag;
use serde_json::{Value, json};

use crate::both_engines;
use crate::kill::Installation;
use crate::subsonic_sound::{Shelf, names, text};

/// Groups of an index with the names in them.
fn groups(index: &Value) -> Vec<(String, Vec<String>)> {
    index.as_array().unwrap().iter().map(|group| (text(&group["name"]), names(&group["artist"]))).collect()
}

fn group(name: &str, artists: &[&str]) -> (String, Vec<String>) {
    (name.to_owned(), artists.iter().map(|artist| (*artist).to_owned()).collect())
}

both_engines! {
    async fn index_groups_are_letters_without_accents_and_a_hash_for_all_others(backend: Backend) {
        let artists = ["The Élan", "Øresund", "Łódź", "Ænima", "2Pac", "Ωmega", "Кино", "椎名林檎", "Zoë", "abba"];
        let paths: Vec<String> = artists.iter().map(|artist| format!("{artist}/1.flac")).collect();
        let mut tags: Vec<Vec<(Tag, &str)>> =
            artists.iter().map(|artist| vec![(Tag::TrackTitle, "x"), (Tag::TrackArtist, artist), (Tag::AlbumTitle, artist)]).collect();
        tags[7].push((Tag::TrackArtistSortOrder, "Shiina Ringo"));
        let tracks: Vec<(&str, &[(Tag, &str)])> = paths.iter().map(String::as_str).zip(tags.iter().map(Vec::as_slice)).collect();
        let shelf = Shelf::tagged(&backend, &tracks);
        let answer = shelf.ok("getArtists", &[]).await;
        assert_eq!(answer["artists"]["ignoredArticles"], "The El La Los Las Le Les Os As O A");
        let by_tags = groups(&answer["artists"]["index"]);
        assert_eq!(
            by_tags,
            [
                group("#", &["2Pac", "Ωmega", "Кино"]),
                group("A", &["abba", "Ænima"]),
                group("E", &["The Élan"]),
                group("L", &["Łódź"]),
                group("O", &["Øresund"]),
                group("S", &["椎名林檎"]),
                group("Z", &["Zoë"]),
            ]
        );
        let by_folders = groups(&shelf.ok("getIndexes", &[]).await["indexes"]["index"]);
        let letters: Vec<_> = by_folders.iter().map(|(letter, _)| letter.as_str()).collect();
        assert_eq!(letters, ["#", "A", "E", "L", "O", "Z"]);
    }

    async fn discs_in_folders_of_their_own_are_one_album_in_their_order(backend: Backend) {
        let track = |title, number, artist| {
            [(Tag::TrackTitle, title), (Tag::TrackArtist, artist), (Tag::AlbumTitle, "Both"), (Tag::TrackNumber, number)]
        };
        let tracks = [track("a", "1", "Ann"), track("b", "2", "Bea"), track("c", "1", "Ann"), track("d", "2", "Cid")];
        let shelf = Shelf::tagged(
            &backend,
            &[
                ("Both/CD1/1.flac", &tracks[0]),
                ("Both/CD1/2.flac", &tracks[1]),
                ("Both/CD 2 (Live)/1.flac", &tracks[2]),
                ("Both/CD 2 (Live)/2.flac", &tracks[3]),
                ("Both/Bonus/1.flac", &track("f", "1", "Ann")),
                ("Other/1.flac", &track("e", "1", "Ann")),
            ],
        );
        let albums = shelf.ok("getAlbumList2", &[("type", "alphabeticalByName")]).await["albumList2"]["album"].clone();
        assert_eq!(names(&albums), ["Both", "Both", "Both"], "what lies elsewhere is another");
        let found = albums.as_array().unwrap().iter().find(|album| album["songCount"] == 4).unwrap();
        let id = text(&found["id"]);
        let told = async || -> Vec<(String, Option<i64>)> {
            let album = shelf.ok("getAlbum", &[("id", &id)]).await["album"].clone();
            assert_eq!(album["artist"], "Various Artists");
            album["song"].as_array().unwrap().iter().map(|song| (text(&song["title"]), song["discNumber"].as_i64())).collect()
        };
        let discs = |of: &[(&str, i64)]| -> Vec<_> { of.iter().map(|(title, disc)| ((*title).to_owned(), Some(*disc))).collect() };
        assert_eq!(told().await, discs(&[("a", 1), ("b", 1), ("c", 2), ("d", 2)]));

        // A folder that becomes one of a disc brings its tracks to the others, with the scan after that which sees it.
        let both = shelf.root.path().join("Both");
        std::fs::rename(both.join("Bonus"), both.join("CD3")).unwrap();
        tokio::task::block_in_place(|| (0..2).for_each(|_| shelf.server.scan(&shelf.library)));
        assert_eq!(told().await, discs(&[("a", 1), ("b", 1), ("c", 2), ("d", 2), ("f", 3)]));
    }

    async fn another_list_of_articles_orders_all_artists_anew_and_its_absence_as_before(backend: Backend) {
        let installation = Installation::new(&backend);
        let group_of_the_band = async |running: &crate::kill::Running| {
            loop {
                let answer = running.remote().subsonic("getArtists", &[]).await.unwrap();
                let groups = groups(&answer["artists"]["index"]);
                if let Some((group, _)) = groups.iter().find(|(_, artists)| artists.contains(&"The Band".to_owned())) {
                    return (group.clone(), text(&answer["artists"]["ignoredArticles"]));
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        for (articles, group, said) in [
            (None, "B", "The El La Los Las Le Les Os As O A"),
            (Some("Der  Die"), "T", "Der Die"),
            (Some(""), "T", ""),
            (None, "B", "The El La Los Las Le Les Os As O A"),
        ] {
            let mut running = match articles {
                Some(words) => installation.start_with(&[("OPENSHELF_IGNORED_ARTICLES", words)]),
                None => installation.start(),
            };
            assert_eq!(group_of_the_band(&running).await, (group.to_owned(), said.to_owned()), "{articles:?}");
            running.kill();
        }
    }

    async fn all_that_tags_say_of_a_song_reaches_the_app(backend: Backend) {
        let vorbis = [
            (Tag::TrackTitle, "Song"),
            (Tag::TrackTitleSortOrder, "Song, A"),
            (Tag::TrackArtist, "Ann"),
            (Tag::AlbumArtist, "Band"),
            (Tag::AlbumTitle, "Record"),
            (Tag::AlbumTitleSortOrder, "Record, A"),
            (Tag::RecordingDate, "2009-09-09"),
            (Tag::OriginalReleaseDate, "1969-09"),
            (Tag::Genre, "Rock; Pop"),
            (Tag::Genre, "Folk"),
            (Tag::Mood, "calm"),
            (Tag::Bpm, "119.6"),
            (Tag::Isrc, "DEAB12345678"),
            (Tag::Label, "A Label"),
            (Tag::MusicBrainzReleaseType, "Album; Live"),
            (Tag::FlagCompilation, "1"),
            (Tag::DiscNumber, "2"),
            (Tag::SetSubtitle, "The Second"),
            (Tag::Composer, "Cole"),
            (Tag::Conductor, "Karl"),
            (Tag::Lyricist, "Lyra"),
            (Tag::Arranger, "Arno"),
            (Tag::Producer, "Pia"),
            (Tag::Performer, "Vio (violin)"),
            (Tag::Remixer, "Max"),
        ];
        let id3 = [
            (Tag::TrackTitle, "Loud"),
            (Tag::TrackArtist, "Ann feat. Bea"),
            (Tag::AlbumTitle, "Loud Record"),
            (Tag::ParentalAdvisory, "1"),
            (Tag::Producer, "Pia"),
            (Tag::Publisher, "A Publisher"),
            (Tag::Genre, "(17)"),
        ];
        let shelf = Shelf::tagged(&backend, &[("1.flac", &vorbis), ("2.mp3", &id3)]);
        let song = shelf.song("Song").await;
        for (field, value) in [
            ("sortName", json!("Song, A")),
            ("discNumber", json!(2)),
            ("year", json!(2009)),
            ("genre", json!("Rock")),
            ("genres", json!([{"name": "Rock"}, {"name": "Pop"}, {"name": "Folk"}])),
            ("moods", json!(["calm"])),
            ("bpm", json!(120)),
            ("isrc", json!(["DEAB12345678"])),
            ("displayComposer", json!("Cole")),
            ("explicitStatus", json!("")),
            ("samplingRate", json!(44_100)),
            ("bitDepth", json!(16)),
            ("channelCount", json!(2)),
        ] {
            assert_eq!(song[field], value, "{field}");
        }
        let contributors = song["contributors"].as_array().unwrap().iter();
        let mut contributors: Vec<_> =
            contributors.map(|one| (text(&one["role"]), one["subRole"].as_str().unwrap_or(""), text(&one["artist"]["name"]))).collect();
        contributors.sort_unstable();
        let expected = [
            ("arranger", "", "Arno"),
            ("composer", "", "Cole"),
            ("conductor", "", "Karl"),
            ("lyricist", "", "Lyra"),
            ("performer", "violin", "Vio"),
            ("producer", "", "Pia"),
            ("remixer", "", "Max"),
        ];
        assert_eq!(contributors, expected.map(|(role, part, name)| (role.to_owned(), part, name.to_owned())));

        let album = shelf.album("Record").await;
        for (field, value) in [
            ("sortName", json!("Record, A")),
            ("originalReleaseDate", json!({"year": 1969, "month": 9})),
            ("releaseDate", json!({"year": 2009, "month": 9, "day": 9})),
            ("recordLabels", json!([{"name": "A Label"}])),
            ("releaseTypes", json!(["album", "live"])),
            ("isCompilation", json!(true)),
            ("discTitles", json!([{"disc": 2, "title": "The Second"}])),
            ("explicitStatus", json!("")),
        ] {
            assert_eq!(album[field], value, "{field}");
        }

        let loud = shelf.song("Loud").await;
        assert_eq!(loud["explicitStatus"], "explicit");
        assert_eq!(loud["displayArtist"], "Ann feat. Bea");
        assert_eq!(names(&loud["artists"]), ["Ann", "Bea"], "as Navidrome takes them apart");
        assert_eq!(loud["genre"], "Rock", "a number of ID3v1 is the name that it stands for");
        assert_eq!(loud["contributors"][0]["role"], "producer");
        let album = shelf.album("Loud Record").await;
        assert_eq!((&album["explicitStatus"], &album["recordLabels"][0]["name"]), (&json!("explicit"), &json!("A Publisher")));
        assert_eq!(album["originalReleaseDate"], json!({}));

        let pia = shelf.ok("getArtist", &[("id", &shelf.artist_id("Pia").await)]).await;
        assert_eq!(pia["artist"]["roles"], json!(["producer"]));
    }

    async fn a_song_whose_tags_name_no_artist_of_its_album_has_those_that_the_album_was_given(backend: Backend) {
        let alone = [(Tag::TrackTitle, "Song"), (Tag::TrackArtist, "Ann"), (Tag::AlbumTitle, "Alone"), (Tag::DiscNumber, "2"), (Tag::TrackNumber, "3")];
        let among = [(Tag::TrackTitle, "Other"), (Tag::TrackArtist, "Ann"), (Tag::AlbumTitle, "Many"), (Tag::FlagCompilation, "1")];
        let shelf = Shelf::tagged(&backend, &[("1/1.flac", &alone), ("2/1.flac", &among)]);
        for (title, artist) in [("Song", "Ann"), ("Other", "Various Artists")] {
            let song = shelf.song(title).await;
            assert_eq!((names(&song["albumArtists"]), text(&song["displayAlbumArtist"])), (vec![artist.to_owned()], artist.to_owned()));
            assert_eq!(song["contributors"], json!([]));
        }
        assert_eq!(shelf.song("Song").await["path"], "Ann/Alone/02-03 - Song.flac", "songs of two discs do not share a path");
    }

    async fn when_a_song_was_last_played_is_told_to_its_player_alone(backend: Backend) {
        let shelf = Shelf::tagged(&backend, &[("1.flac", &[(Tag::TrackTitle, "Song"), (Tag::TrackArtist, "Ann")])]);
        tokio::task::block_in_place(|| shelf.server.add_user("bob"));
        let id = shelf.id("Song").await;
        shelf.ok("scrobble", &[("id", &id), ("time", "1700000000000")]).await;
        assert_eq!(shelf.song("Song").await["played"], "2023-11-14T22:13:20.000Z");
        let bobs = shelf.as_user("bob", "getSong", &[("id", &id)]).await;
        assert_eq!((&bobs["song"]["played"], &bobs["song"]["playCount"]), (&Value::Null, &json!(0)));
    }
}
