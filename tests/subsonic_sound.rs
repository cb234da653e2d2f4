//! What is alike, liked most and told of artists and albums, as a music app asks for it.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use lofty::tag::ItemKey as Tag;
use openshelf::config::Switch;
use openshelf::library::{ItemKey, Library};
use openshelf::store::sounds;
use serde_json::Value;
use tempfile::TempDir;

use crate::both_engines;
use crate::engines::Backend;
use crate::fixture::Fixture;
use crate::kill::Installation;
use crate::server::{ADMIN, PASSWORD, PATIENCE, Server};

/// What tracks are made of, for ffmpeg. Two of each kind are alike.
const LOW_HUM: &str = "aevalsrc=0.4*sin(2*PI*220*t)*(0.8+0.2*sin(2*PI*t)):s=44100:d=6";
const HUM: &str = "aevalsrc=0.4*sin(2*PI*247*t)*(0.8+0.2*sin(2*PI*t)):s=44100:d=6";
const NOISE: &str = "anoisesrc=d=6:c=white:r=44100:a=0.4:seed=1";
const OTHER_NOISE: &str = "anoisesrc=d=6:c=white:r=44100:a=0.35:seed=2";
const DRUM: &str = "aevalsrc=0.8*random(0)*exp(-18*mod(t\\,0.5))+0.5*sin(2*PI*70*t)*exp(-9*mod(t\\,0.5)):s=44100:d=6";
const SILENCE: &str = "anullsrc=r=44100:cl=mono:d=6";

fn sing(to: &Path, sound: &str, tags: &[(&str, &str)]) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", sound]);
    for (name, value) in tags {
        ffmpeg.args(["-metadata", &format!("{name}={value}")]);
    }
    let made = ffmpeg.arg("-t").arg("6").arg(to).status().unwrap();
    assert!(made.success(), "{sound}");
}

/// A library of tracks that ffmpeg made, and an app signed in to it.
pub struct Shelf {
    pub server: Server,
    pub library: Library,
    client: reqwest::Client,
    pub root: TempDir,
}

impl Shelf {
    /// `tracks` are titles, which name the files, with their sounds and artists.
    fn of(backend: &Backend, analysis: Switch, tracks: &[(&str, &str, &str)]) -> Shelf {
        let root = TempDir::new().unwrap();
        for (title, sound, artist) in tracks {
            let tags = [("title", *title), ("artist", artist), ("album", &format!("Record of {artist}"))];
            sing(&root.path().join(format!("{artist}/{title}.flac")), sound, &tags);
        }
        Shelf::serving(backend, analysis, root)
    }

    fn serving(backend: &Backend, analysis: Switch, root: TempDir) -> Shelf {
        let server = Server::start_with(backend, |given| given.sound_analysis = Some(analysis));
        let library = server.add_library("Shelf", root.path());
        let client = server.client();
        Shelf { server, library, client, root }
    }

    pub fn tagged(backend: &Backend, tracks: &[(&str, &[(Tag, &str)])]) -> Shelf {
        let root = TempDir::new().unwrap();
        let fixture = Fixture { root: root.path().to_owned() };
        for (path, tags) in tracks {
            fixture.song(path, tags);
        }
        Shelf::serving(backend, Switch::Off, root)
    }

    async fn heard(&self) {
        let end = Instant::now() + PATIENCE;
        while self.unheard().await > 0 {
            assert!(Instant::now() < end, "not all is listened to");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn unheard(&self) -> usize {
        let all = self.server.app.db.read(|tx| {
            let (mut count, mut after) = (0, ItemKey(0));
            while let Some((tracks, last)) = sounds::unheard(tx, after)? {
                count += tracks.len();
                after = last;
            }
            Ok(count)
        });
        all.await.unwrap()
    }

    async fn raw(&self, login: &str, call: &str, query: &[(&str, &str)]) -> String {
        let own = [("u", login), ("p", PASSWORD), ("v", "1.16.1"), ("c", "test")];
        let url = format!("{}/rest/{call}", self.server.url);
        self.client.get(url).query(&own).query(query).send().await.unwrap().text().await.unwrap()
    }

    pub async fn as_user(&self, login: &str, call: &str, query: &[(&str, &str)]) -> Value {
        let answer = self.raw(login, call, &[&[("f", "json")], query].concat()).await;
        serde_json::from_str::<Value>(&answer).unwrap()["subsonic-response"].clone()
    }

    pub async fn ok(&self, call: &str, query: &[(&str, &str)]) -> Value {
        let envelope = self.as_user(ADMIN, call, query).await;
        assert_eq!(envelope["status"], "ok", "{call} {query:?}: {envelope}");
        envelope
    }

    async fn code(&self, call: &str, query: &[(&str, &str)]) -> i64 {
        let envelope = self.as_user(ADMIN, call, query).await;
        assert_eq!(envelope["status"], "failed", "{call} {query:?}: {envelope}");
        envelope["error"]["code"].as_i64().unwrap()
    }

    pub async fn song(&self, title: &str) -> Value {
        let found = self.ok("search3", &[("query", title)]).await;
        let songs = found["searchResult3"]["song"].as_array().unwrap();
        songs.iter().find(|song| song["title"] == title).unwrap_or_else(|| panic!("no song {title}")).clone()
    }

    pub async fn id(&self, title: &str) -> String {
        text(&self.song(title).await["id"])
    }

    pub async fn artist_id(&self, name: &str) -> String {
        let found = self.ok("search3", &[("query", name)]).await;
        let artists = found["searchResult3"]["artist"].as_array().unwrap();
        text(&artists.iter().find(|artist| artist["name"] == name).unwrap_or_else(|| panic!("no {name}"))["id"])
    }

    pub async fn album(&self, name: &str) -> Value {
        let found = self.ok("search3", &[("query", name)]).await;
        let albums = found["searchResult3"]["album"].as_array().unwrap();
        let album = albums.iter().find(|album| album["name"] == name).unwrap_or_else(|| panic!("no {name}"));
        self.ok("getAlbum", &[("id", album["id"].as_str().unwrap())]).await["album"].clone()
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn titles(list: &Value) -> Vec<String> {
    list.as_array().unwrap_or_else(|| panic!("no list: {list}")).iter().map(|song| text(&song["title"])).collect()
}

fn matched(list: &Value) -> Vec<(String, f64)> {
    let list = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    list.iter().map(|one| (text(&one["entry"]["title"]), one["similarity"].as_f64().unwrap())).collect()
}

pub fn names(list: &Value) -> Vec<String> {
    list.as_array().unwrap_or_else(|| panic!("no list: {list}")).iter().map(|one| text(&one["name"])).collect()
}

const SOUNDS: [(&str, &str, &str); 5] = [
    ("Low Hum", LOW_HUM, "Ann"),
    ("Hum", HUM, "Bea"),
    ("Noise", NOISE, "Cid"),
    ("Other Noise", OTHER_NOISE, "Dan"),
    ("Drum", DRUM, "Eve"),
];

both_engines! {
    async fn what_sounds_alike_comes_first(backend: Backend) {
        let shelf = Shelf::of(&backend, Switch::On, &SOUNDS);
        shelf.heard().await;
        for (title, like_it) in [("Low Hum", "Hum"), ("Noise", "Other Noise"), ("Other Noise", "Noise")] {
            let id = shelf.id(title).await;
            let found = matched(&shelf.ok("getSonicSimilarTracks", &[("id", &id)]).await["sonicMatch"]);
            assert_eq!((found.len(), found[0].0.as_str()), (4, like_it), "{title}: {found:?}");
            assert!(found.is_sorted_by(|a, b| a.1 >= b.1) && found.iter().all(|(_, s)| (0.0..=1.0).contains(s)), "{found:?}");
            let two = shelf.ok("getSonicSimilarTracks", &[("id", &id), ("count", "2")]).await;
            assert_eq!(matched(&two["sonicMatch"]), found[..2]);
            assert_eq!(shelf.ok("getSonicSimilarTracks", &[("id", &id), ("count", "0")]).await["sonicMatch"], Value::Array(Vec::new()));

            let similar = shelf.ok("getSimilarSongs2", &[("id", &id), ("count", "1")]).await;
            assert_eq!(titles(&similar["similarSongs2"]["song"]), [like_it]);
        }
        let xml = shelf.raw(ADMIN, "getSonicSimilarTracks", &[("id", &shelf.id("Hum").await), ("count", "1")]).await;
        assert!(xml.contains("<sonicMatch><entry ") && xml.contains("</similarity></sonicMatch>"), "{xml}");
        assert!(xml.contains("</entry><similarity>0.") || xml.contains("/><similarity>0."), "{xml}");

        let ann = shelf.artist_id("Ann").await;
        let radio = shelf.ok("getSimilarSongs", &[("id", &ann), ("count", "2")]).await;
        assert_eq!(titles(&radio["similarSongs"]["song"]), ["Low Hum", "Hum"], "an artist's own songs are among it");
        let info = shelf.ok("getArtistInfo2", &[("id", &ann), ("count", "1")]).await;
        assert_eq!(names(&info["artistInfo2"]["similarArtist"]), ["Bea"]);
        let extensions = shelf.ok("getOpenSubsonicExtensions", &[]).await;
        assert!(names(&extensions["openSubsonicExtensions"]).contains(&"sonicSimilarity".to_owned()));
    }

    async fn a_sonic_path_begins_and_ends_with_the_given_songs(backend: Backend) {
        let between: Vec<(String, String)> = (1..6)
            .map(|n| {
                let (tone, noise) = (0.4 - 0.066 * f64::from(n), 0.066 * f64::from(n));
                (format!("Mix {n}"), format!("aevalsrc={tone:.3}*sin(2*PI*220*t)+{noise:.3}*(2*random(0)-1):s=44100:d=6"))
            })
            .collect();
        let mut tracks = vec![("Tone", LOW_HUM, "Ann"), ("Noise", NOISE, "Bea")];
        tracks.extend(between.iter().map(|(title, sound)| (title.as_str(), sound.as_str(), "Cid")));
        let shelf = Shelf::of(&backend, Switch::On, &tracks);
        shelf.heard().await;
        let (from, to) = (shelf.id("Tone").await, shelf.id("Noise").await);
        let path = shelf.ok("findSonicPath", &[("startSongId", &from), ("endSongId", &to), ("count", "5")]).await;
        let path = matched(&path["sonicMatch"]);
        assert_eq!((path[0].0.as_str(), path[path.len() - 1].0.as_str()), ("Tone", "Noise"), "{path:?}");
        assert!((3..=5).contains(&path.len()), "{path:?}");
        assert_eq!(path[0].1, 1.0);
        let mut songs: Vec<_> = path.iter().map(|(title, _)| title).collect();
        songs.sort_unstable();
        songs.dedup();
        assert_eq!(songs.len(), path.len(), "no song comes twice");

        let back = shelf.ok("findSonicPath", &[("startSongId", &to), ("endSongId", &from), ("count", "1")]).await;
        assert_eq!(matched(&back["sonicMatch"]).iter().map(|(title, _)| title.as_str()).collect::<Vec<_>>(), ["Noise", "Tone"]);
        let same = shelf.ok("findSonicPath", &[("startSongId", &from), ("endSongId", &from)]).await;
        assert_eq!(matched(&same["sonicMatch"]), [("Tone".to_owned(), 1.0)]);
        assert_eq!(shelf.code("findSonicPath", &[("startSongId", &from)]).await, 10);
        assert_eq!(shelf.code("findSonicPath", &[("startSongId", &from), ("endSongId", "nobody")]).await, 70);
    }

    async fn what_cannot_be_heard_is_tried_once_and_again_when_it_changes(backend: Backend) {
        let shelf = Shelf::of(&backend, Switch::On, &[("Hum", HUM, "Ann"), ("Low Hum", LOW_HUM, "Ann"), ("Nothing", SILENCE, "Ann")]);
        let broken = shelf.root.path().join("Ann/Broken.flac");
        std::fs::write(&broken, crate::fixture::flac()).unwrap();
        shelf.server.scan(&shelf.library);
        shelf.heard().await;
        for silent in ["Nothing", "Broken"] {
            let id = shelf.id(silent).await;
            let found = shelf.ok("getSonicSimilarTracks", &[("id", &id)]).await;
            assert_eq!(found["sonicMatch"], Value::Array(Vec::new()), "{silent}");
            let path = shelf.ok("findSonicPath", &[("startSongId", &id), ("endSongId", &shelf.id("Hum").await)]).await;
            assert_eq!(matched(&path["sonicMatch"]).iter().map(|(_, s)| *s).collect::<Vec<_>>(), [-1.0, -1.0]);
        }
        sing(&broken, HUM, &[("title", "Broken"), ("artist", "Ann")]);
        shelf.server.scan(&shelf.library);
        assert_eq!(shelf.unheard().await, 1, "what changed, and nothing else");
        shelf.heard().await;
        let found = shelf.ok("getSonicSimilarTracks", &[("id", &shelf.id("Broken").await)]).await;
        assert_eq!(matched(&found["sonicMatch"])[0].0, "Hum");

        std::fs::remove_file(shelf.root.path().join("Ann/Hum.flac")).unwrap();
        shelf.server.scan(&shelf.library);
        let found = shelf.ok("getSonicSimilarTracks", &[("id", &shelf.id("Broken").await)]).await;
        assert_eq!(matched(&found["sonicMatch"]).len(), 1, "what is missing is not shown");
    }

    async fn a_killed_server_goes_on_listening_where_it_was(backend: Backend) {
        const TRACKS: usize = 8;
        let installation = Installation::new(&backend);
        for n in 0..TRACKS {
            let sound = format!("aevalsrc=0.4*sin(2*PI*{}*t):s=44100:d=6", 200 + 20 * n);
            let tags = [("title", &*format!("Tone {n}")), ("artist", "Ann")];
            sing(&installation.fixture.root.join(format!("Tones/{n}.flac")), &sound, &tags);
        }
        let like_first = async |remote: &crate::kill::Remote| {
            let found = remote.subsonic("search3", &[("query", "Tone 0")]).await?;
            let id = found["searchResult3"]["song"][0]["id"].as_str()?.to_owned();
            let found = remote.subsonic("getSonicSimilarTracks", &[("id", &id), ("count", "500")]).await?;
            Some(found["sonicMatch"].as_array()?.len())
        };
        let reached = async |remote: &crate::kill::Remote, wanted: usize| {
            let end = Instant::now() + PATIENCE;
            loop {
                let found = like_first(remote).await.unwrap_or(0);
                if found >= wanted {
                    return found;
                }
                assert!(Instant::now() < end, "{found} of {wanted}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let mut running = installation.start_with(&[("OPENSHELF_SOUND_ANALYSIS", "on")]);
        let before = reached(&running.remote(), 2).await;
        running.kill();
        assert!(before < TRACKS - 1, "it was killed in the middle");
        let running = installation.start_with(&[("OPENSHELF_SOUND_ANALYSIS", "on")]);
        let after = like_first(&running.remote()).await.expect("an answer");
        assert!(after >= before, "{after} of {before} that were stored");
        reached(&running.remote(), TRACKS - 1).await;
    }

    async fn without_analysis_what_is_alike_is_told_by_genre_artist_and_year(backend: Backend) {
        let track = |title, artist, genre, year| {
            [(Tag::TrackTitle, title), (Tag::TrackArtist, artist), (Tag::Genre, genre), (Tag::RecordingDate, year), (Tag::AlbumTitle, artist)]
        };
        let rock = track("Rock", "Ann", "Rock", "1970");
        let near = track("Near Rock", "Bea", "Rock", "1972");
        let late = track("Late Rock", "Cid", "Rock", "2020");
        let folk = track("Folk", "Ann", "Folk", "1970");
        let jazz = track("Jazz", "Dan", "Jazz", "1970");
        let shelf = Shelf::tagged(
            &backend,
            &[("1.flac", &rock), ("2.flac", &near), ("3.flac", &late), ("4.flac", &folk), ("5.flac", &jazz)],
        );
        let id = shelf.id("Rock").await;
        let similar = shelf.ok("getSimilarSongs", &[("id", &id)]).await;
        assert_eq!(titles(&similar["similarSongs"]["song"]), ["Folk", "Near Rock", "Late Rock"]);
        let info = shelf.ok("getArtistInfo", &[("id", &shelf.artist_id("Ann").await)]).await;
        let mut like_ann = names(&info["artistInfo"]["similarArtist"]);
        like_ann.sort_unstable();
        assert_eq!(like_ann, ["Bea", "Cid"]);

        for call in ["getSonicSimilarTracks", "findSonicPath"] {
            let query = [("id", id.as_str()), ("startSongId", &id), ("endSongId", &id)];
            assert_eq!(shelf.code(call, &query).await, 0, "{call}");
        }
        let extensions = shelf.ok("getOpenSubsonicExtensions", &[]).await;
        let extensions = names(&extensions["openSubsonicExtensions"]);
        assert!(!extensions.contains(&"sonicSimilarity".to_owned()), "{extensions:?}");
        assert!(extensions.contains(&"topSongsByArtistId".to_owned()), "{extensions:?}");
        for call in ["getSimilarSongs", "getSimilarSongs2", "getArtistInfo", "getArtistInfo2", "getAlbumInfo", "getAlbumInfo2"] {
            assert_eq!(shelf.code(call, &[]).await, 10, "{call}");
            assert_eq!(shelf.code(call, &[("id", "nobody")]).await, 70, "{call}");
        }
    }

    async fn nobody_hears_of_tracks_in_others_homes(backend: Backend) {
        let shelf = Shelf::of(&backend, Switch::On, &[("Hum", HUM, "Ann")]);
        let bob = tokio::task::block_in_place(|| shelf.server.add_user("bob"));
        let home = shelf.server.app.db.read(move |tx| openshelf::store::library::home_of(tx, bob.key)).await.unwrap().unwrap();
        sing(&home.root.join("secret.flac"), LOW_HUM, &[("title", "Secret Hum"), ("artist", "Bob")]);
        tokio::task::block_in_place(|| shelf.server.scan(&home));
        shelf.heard().await;
        let id = shelf.id("Hum").await;
        let bobs = shelf.as_user("bob", "getSonicSimilarTracks", &[("id", &id)]).await;
        assert_eq!(matched(&bobs["sonicMatch"])[0].0, "Secret Hum");
        assert_eq!(shelf.ok("getSonicSimilarTracks", &[("id", &id)]).await["sonicMatch"], Value::Array(Vec::new()));
        assert_eq!(titles(&shelf.ok("getSimilarSongs", &[("id", &id)]).await["similarSongs"]["song"]), Vec::<String>::new());
        assert_eq!(titles(&shelf.ok("getTopSongs", &[("artist", "Bob")]).await["topSongs"]["song"]), Vec::<String>::new());
        let secret = text(&matched_id(&bobs));
        for (call, name) in [("getSonicSimilarTracks", "id"), ("getSimilarSongs", "id"), ("getArtistInfo", "id"), ("getAlbumInfo", "id")] {
            assert_eq!(shelf.code(call, &[(name, &secret)]).await, 70, "{call}");
        }
    }

    async fn top_songs_are_what_all_users_like_and_hits_where_nobody_listened_yet(backend: Backend) {
        let track = |title, album, artist| {
            [(Tag::TrackTitle, title), (Tag::AlbumTitle, album), (Tag::TrackArtist, artist), (Tag::AlbumArtist, artist)]
        };
        let tracks = [
            ("a/1.flac", track("Filler", "First", "Ann")),
            ("a/2.flac", track("Hit", "First", "Ann")),
            ("b/1.flac", track("Hit", "Best of", "Ann")),
            ("b/2.flac", track("Rare", "Best of", "Ann")),
            ("c/1.flac", track("Others'", "Other", "Bea")),
        ];
        let tracks: Vec<(&str, &[(Tag, &str)])> = tracks.iter().map(|(path, tags)| (*path, &tags[..])).collect();
        let shelf = Shelf::tagged(&backend, &tracks);
        tokio::task::block_in_place(|| shelf.server.add_user("bob"));
        let top = async |query: &[(&str, &str)]| titles(&shelf.ok("getTopSongs", query).await["topSongs"]["song"]);
        let unplayed = top(&[("artist", "ann")]).await;
        assert_eq!((unplayed.len(), unplayed[0].as_str()), (3, "Hit"), "{unplayed:?}");

        let (rare, filler) = (shelf.id("Rare").await, shelf.id("Filler").await);
        shelf.as_user("bob", "scrobble", &[("id", &rare)]).await;
        shelf.as_user("bob", "scrobble", &[("id", &rare)]).await;
        shelf.ok("scrobble", &[("id", &filler)]).await;
        assert_eq!(top(&[("artist", "Ann")]).await, ["Rare", "Filler", "Hit"]);
        shelf.as_user("bob", "star", &[("id", &filler)]).await;
        assert_eq!(top(&[("artist", "Ann"), ("count", "1")]).await, ["Filler"]);
        shelf.ok("setRating", &[("id", &filler), ("rating", "1")]).await;
        let ann = shelf.artist_id("Ann").await;
        assert_eq!(top(&[("id", &ann), ("artist", "Bea")]).await, ["Rare", "Hit", "Filler"], "the id goes before the name");

        assert_eq!(top(&[("artist", "Nobody")]).await, Vec::<String>::new());
        assert_eq!(shelf.code("getTopSongs", &[("id", "nobody")]).await, 70);
        assert_eq!(shelf.code("getTopSongs", &[]).await, 10);
    }

    async fn pictures_of_artists_and_albums_load_by_their_address_alone_until_the_password_changes(backend: Backend) {
        let tags = [
            (Tag::TrackTitle, "Song"),
            (Tag::TrackArtist, "Ann"),
            (Tag::AlbumTitle, "Record"),
            (Tag::MusicBrainzReleaseId, "11111111-2222-3333-4444-555555555555"),
            (Tag::MusicBrainzArtistId, "66666666-2222-3333-4444-555555555555"),
        ];
        let shelf = Shelf::tagged(&backend, &[("Ann/1.flac", &tags)]);
        std::fs::write(shelf.root.path().join("Ann/cover.png"), crate::fixture::png()).unwrap();
        tokio::task::block_in_place(|| shelf.server.scan(&shelf.library));
        let song = shelf.id("Song").await;
        let album = shelf.ok("getAlbumInfo", &[("id", &song)]).await["albumInfo"].clone();
        let artist = shelf.ok("getArtistInfo2", &[("id", &song)]).await["artistInfo2"].clone();
        assert_eq!(album["musicBrainzId"], "11111111-2222-3333-4444-555555555555");
        assert_eq!(artist["musicBrainzId"], "66666666-2222-3333-4444-555555555555");
        let xml = shelf.raw(ADMIN, "getArtistInfo2", &[("id", &song)]).await;
        assert!(xml.contains("<artistInfo2><musicBrainzId>6666"), "{xml}");
        let status = async |url: &str| shelf.client.get(url).send().await.unwrap().status().as_u16();
        let mut urls = Vec::new();
        for (info, name) in [(&album, "smallImageUrl"), (&album, "largeImageUrl"), (&artist, "mediumImageUrl")] {
            let url = text(&info[name]);
            let loaded = shelf.client.get(&url).send().await.unwrap();
            assert_eq!((loaded.status().as_u16(), loaded.headers()["content-type"].to_str().unwrap()), (200, "image/png"));
            assert!(!url.contains(PASSWORD), "{url}");
            urls.push(url);
        }
        let size = urls[0].rfind('/').unwrap();
        for bent in [urls[0].replace("/picture/", "/picture/x"), format!("{}/x", &urls[0][..size])] {
            assert_eq!(status(&bent).await, 404, "{bent}");
        }
        let app = shelf.server.app.clone();
        let changed = shelf.server.app.db.write(|tx| tx.run("UPDATE account SET epoch = epoch + 1", openshelf::args![]));
        changed.await.unwrap();
        drop(app);
        assert_eq!(status(&urls[0]).await, 404);
    }

    async fn the_oldest_search_tells_fields_apart(backend: Backend) {
        let track = |title, artist, album| [(Tag::TrackTitle, title), (Tag::TrackArtist, artist), (Tag::AlbumTitle, album)];
        let shelf = Shelf::tagged(&backend, &[
            ("1.flac", &track("Élan", "Ann", "Bea")),
            ("2.flac", &track("Bea", "Ann", "Cid")),
            ("3.flac", &track("Cid", "Bea", "Élan")),
        ]);
        let found = async |query: &[(&str, &str)]| {
            let result = shelf.ok("search", query).await["searchResult"].clone();
            (titles(&result["match"]), result["totalHits"].as_i64().unwrap(), result["offset"].as_i64().unwrap())
        };
        let one = |title: &str| (vec![title.to_owned()], 1, 0);
        assert_eq!(found(&[("artist", "bea")]).await, one("Cid"));
        assert_eq!(found(&[("album", "bea")]).await, one("Élan"));
        assert_eq!(found(&[("title", "bea")]).await, one("Bea"));
        assert_eq!(found(&[("artist", "ann"), ("title", "elan")]).await, one("Élan"));
        assert_eq!(found(&[("any", "cid")]).await, (vec!["Bea".to_owned(), "Cid".to_owned()], 2, 0));
        assert_eq!(found(&[("count", "1"), ("offset", "1")]).await, (vec!["Cid".to_owned()], 3, 1));
        assert_eq!(found(&[("newerThan", "4073000000000")]).await, (Vec::new(), 0, 0));
        assert_eq!(found(&[("newerThan", "1000")]).await.1, 3);
        let xml = shelf.raw(ADMIN, "search", &[("title", "cid")]).await;
        assert!(xml.contains(r#"<searchResult offset="0" totalHits="1"><match "#), "{xml}");
        assert_eq!(shelf.code("search", &[("count", "-1")]).await, 0);
    }
}

fn matched_id(envelope: &Value) -> Value {
    envelope["sonicMatch"][0]["entry"]["id"].clone()
}
