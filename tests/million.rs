//! A large library serves as a small one does: every list at any offset, search, answers that go out as they are read; and
//! what is kept summed up is what the rows say.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use lofty::tag::ItemKey as Tagged;
use openshelf::account::User;
use openshelf::library::music::Marked;
use openshelf::library::names::{Articles, beginnings, search_key, sort_key};
use openshelf::library::{ArtistKey, Library, LibraryKey};
use openshelf::share::{Bits, Subject};
use openshelf::store::library::Access;
use openshelf::store::{Db, Tx, Value as Sql, accounts, library, marks, rights, scan};
use openshelf::work::files::{self, Place};
use openshelf::work::libraries;
use serde_json::Value;
use tempfile::TempDir;

use crate::both_engines;
use crate::engines::Backend;
use crate::fixture::{Fixture, flac};
use crate::server::{ADMIN, PASSWORD, Server};

#[path = "../bench/seed/rows.rs"]
mod rows;

/// More albums and far more tracks than lie between two places that a list keeps.
const TRACKS: usize = 2730;
const ALBUMS: usize = 273;

struct Music {
    server: Server,
    login: String,
    client: reqwest::Client,
}

fn find(db: &Db, login: &str) -> User {
    let login = login.to_owned();
    db.read_blocking(move |tx| accounts::by_login(tx, &login)).unwrap().unwrap()
}

impl Music {
    fn new(backend: &Backend) -> Music {
        let server = Server::start(backend);
        let client = server.client();
        Music { server, login: ADMIN.to_owned(), client }
    }

    /// Rows of a library, and of what the admin said of it.
    async fn fill(&self, name: &'static str, tracks: usize) -> LibraryKey {
        let db = self.server.app.db.clone();
        let root = std::path::PathBuf::from(format!("/nowhere/{name}"));
        tokio::task::spawn_blocking(move || rows::fill(&db, name, &root, tracks, |_| ()).unwrap()).await.unwrap()
    }

    async fn with<T: Send + 'static>(&self, work: impl FnOnce(&Db) -> T + Send + 'static) -> T {
        let db = self.server.app.db.clone();
        tokio::task::spawn_blocking(move || work(&db)).await.unwrap()
    }

    async fn text(&self, call: &str, query: &[(&str, &str)]) -> String {
        let known = [("u", self.login.as_str()), ("p", PASSWORD), ("c", "test"), ("v", "1.16.1")];
        let url = format!("{}/rest/{call}", self.server.url);
        let response = self.client.get(url).query(&known).query(query).send().await.unwrap();
        assert_eq!(response.status(), 200, "{call}");
        response.text().await.unwrap()
    }

    async fn ok(&self, call: &str, query: &[(&str, &str)]) -> Value {
        let text = self.text(call, &[query, &[("f", "json")]].concat()).await;
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["subsonic-response"]["status"], "ok", "{call} {query:?}: {answer:.300}");
        answer["subsonic-response"].clone()
    }

    /// A list in pages of `size`, until one is empty; no page but the last is short.
    async fn paged(
        &self,
        call: &str,
        lists: [&str; 2],
        counts: [&str; 2],
        size: usize,
        query: &[(&str, &str)],
    ) -> Vec<Value> {
        let mut found: Vec<Value> = Vec::new();
        loop {
            let (size_text, offset) = (size.to_string(), found.len().to_string());
            let page = [query, &[(counts[0], size_text.as_str()), (counts[1], offset.as_str())]].concat();
            let page = self.ok(call, &page).await[lists[0]][lists[1]].as_array().unwrap().clone();
            let is_last = page.len() < size;
            found.extend(page);
            if is_last {
                return found;
            }
        }
    }

    async fn albums(&self, size: usize, query: &[(&str, &str)]) -> Vec<Value> {
        self.paged("getAlbumList2", ["albumList2", "album"], ["size", "offset"], size, query).await
    }

    async fn search(&self, query: &str) -> BTreeMap<&'static str, Vec<String>> {
        let counts = [("query", query), ("artistCount", "9999"), ("albumCount", "9999"), ("songCount", "9999")];
        let found = self.ok("search3", &counts).await["searchResult3"].clone();
        [("artist", "name"), ("album", "name"), ("song", "title")]
            .map(|(kind, name)| (kind, all(&found[kind], name)))
            .into()
    }
}

fn all(list: &Value, field: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|one| one[field].as_str().unwrap_or_default().to_owned()).collect()
}

fn ids(list: &[Value]) -> Vec<String> {
    list.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

fn are_distinct(ids: &[String]) {
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "something came twice");
}

fn is_sorted<K: PartialOrd>(list: &[Value], key: impl Fn(&Value) -> K) {
    assert!(list.iter().map(key).is_sorted());
}

// What is summed up --------------------------------------------------------------------------------------------------

fn table(tx: &mut Tx, columns: usize, sql: &str) -> Vec<Vec<String>> {
    tx.all(sql, &[], |row| (0..columns).map(|at| Ok(format!("{:?}", row.get::<Sql>(at)?))).collect()).unwrap()
}

fn same(tx: &mut Tx, what: &str, columns: usize, kept: &str, true_: &str) {
    let (kept, true_) = (table(tx, columns, kept), table(tx, columns, true_));
    assert_eq!(kept, true_, "{what}");
}

/// Compares all that is kept with what it is made from.
fn is_summed_up(tx: &mut Tx) {
    same(
        tx,
        "where tracks are listed",
        2,
        "SELECT item_id, listed_in FROM track ORDER BY 1",
        "SELECT t.item_id, CASE WHEN i.missing_ms IS NULL AND i.trashed_ms IS NULL THEN i.library_id END
         FROM track t JOIN item i ON i.id = t.item_id ORDER BY 1",
    );
    same(
        tx,
        "where genres of tracks are listed",
        3,
        "SELECT item_id, position, listed_in FROM track_genre ORDER BY 1, 2",
        "SELECT g.item_id, g.position, t.listed_in FROM track_genre g JOIN track t ON t.item_id = g.item_id ORDER BY 1, 2",
    );
    same(
        tx,
        "albums' tracks",
        3,
        "SELECT id, track_count, duration_ms FROM album ORDER BY 1",
        "SELECT a.id, COUNT(t.item_id), CAST(COALESCE(SUM(t.duration_ms), 0) AS BIGINT) FROM album a
         LEFT JOIN track t ON t.album_id = a.id AND t.listed_in IS NOT NULL GROUP BY a.id ORDER BY 1",
    );
    let of_genres = "FROM album a JOIN track t ON t.album_id = a.id JOIN track_genre g ON g.item_id = t.item_id
                     WHERE t.listed_in IS NOT NULL";
    same(
        tx,
        "albums' genres",
        5,
        "SELECT album_id, genre_id, library_id, sort, track_count FROM album_genre ORDER BY 1, 2",
        &format!(
            "SELECT a.id, g.genre_id, a.library_id, a.sort, COUNT(DISTINCT t.item_id) {of_genres}
             GROUP BY a.id, g.genre_id, a.library_id, a.sort ORDER BY 1, 2"
        ),
    );
    same(
        tx,
        "sums of genres",
        4,
        "SELECT genre_id, library_id, track_count, album_count FROM genre_in WHERE album_count > 0 ORDER BY 1, 2",
        &format!(
            "SELECT g.genre_id, a.library_id, COUNT(DISTINCT t.item_id), COUNT(DISTINCT a.id) {of_genres}
             GROUP BY g.genre_id, a.library_id ORDER BY 1, 2"
        ),
    );
    let led = "(SELECT COUNT(DISTINCT a.id) FROM album_credit c JOIN album a ON a.id = c.album_id
                WHERE c.artist_id = ar.id AND a.library_id = l.id AND a.track_count > 0)";
    let role = |role: &str| {
        format!(
            "CASE WHEN EXISTS (SELECT 1 FROM track_credit c JOIN track t ON t.item_id = c.item_id
             WHERE c.artist_id = ar.id AND c.role = '{role}' AND t.listed_in = l.id) THEN 1 ELSE 0 END"
        )
    };
    let played = "(SELECT COUNT(DISTINCT t.album_id) FROM track_credit c JOIN track t ON t.item_id = c.item_id
                   WHERE c.artist_id = ar.id AND c.role = 'artist' AND t.listed_in = l.id)";
    same(
        tx,
        "artists",
        9,
        "SELECT library_id, artist_id, sort, led, played, is_artist, is_album_artist, is_composer, stale FROM artist_in
         ORDER BY 1, 2",
        &format!(
            "SELECT * FROM (SELECT l.id AS library, ar.id AS artist, ar.sort, {led} AS led, {played} AS played, {} AS a,
                {} AS b, {} AS c, 0 AS d FROM artist ar CROSS JOIN library l) AS sums
             WHERE led > 0 OR a > 0 OR b > 0 OR c > 0 ORDER BY 1, 2",
            role("artist"),
            role("albumartist"),
            role("composer")
        ),
    );
    is_told_by_tracks(tx);
    let mut words = BTreeSet::new();
    for (kind, sql) in [
        "SELECT s.library_id, s.artist_id, ar.search FROM artist_in s JOIN artist ar ON ar.id = s.artist_id",
        "SELECT library_id, id, search FROM album WHERE track_count > 0",
        "SELECT i.library_id, i.id, t.title FROM track t JOIN item i ON i.id = t.item_id",
    ]
    .into_iter()
    .enumerate()
    {
        let named = |row: &openshelf::store::Row| Ok((row.get::<i64>(0)?, row.get::<i64>(1)?, row.get::<String>(2)?));
        for (library, key, name) in tx.all(sql, &[], named).unwrap() {
            for word in beginnings(&search_key(&name)) {
                words.insert((library, kind as i64, word.as_bytes().to_vec(), key));
            }
        }
    }
    let kept = tx.all("SELECT library_id, kind, word, object_id FROM word", &[], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    });
    assert_eq!(kept.unwrap().into_iter().collect::<BTreeSet<_>>(), words, "words");
}

/// A row of a track tells the same of its credits and genres as theirs do.
fn is_told_by_tracks(tx: &mut Tx) {
    type Names = BTreeMap<i64, (Vec<Value>, Vec<String>)>;
    let told = tx.all("SELECT item_id, credits, genres FROM track", &[], |row| {
        let json = |column| serde_json::from_str(&row.get::<String>(column).unwrap()).unwrap();
        let (credits, genres): (Value, Value) = (json(1), json(2));
        let genres = genres.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
        Ok((row.get::<i64>(0)?, (credits.as_array().unwrap().clone(), genres)))
    });
    let mut true_: Names = BTreeMap::new();
    let credits = "SELECT c.item_id, c.role, c.part, a.id, a.public_id, a.name FROM track_credit c
                   JOIN artist a ON a.id = c.artist_id ORDER BY c.item_id, c.role, c.position";
    let credits = tx.all(credits, &[], |row| {
        let told: (String, String, i64, String, String) =
            (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?);
        Ok((row.get::<i64>(0)?, serde_json::json!(told)))
    });
    for (track, credit) in credits.unwrap() {
        true_.entry(track).or_default().0.push(credit);
    }
    let genres = "SELECT t.item_id, g.name FROM track_genre t JOIN genre g ON g.id = t.genre_id ORDER BY 1, t.position";
    for (track, genre) in tx.all(genres, &[], |row| Ok((row.get::<i64>(0)?, row.get::<String>(1)?))).unwrap() {
        true_.entry(track).or_default().1.push(genre);
    }
    assert_eq!(told.unwrap().into_iter().collect::<Names>(), true_, "credits and genres of tracks");
}

// The seed -----------------------------------------------------------------------------------------------------------

/// What is stored of music, without keys, random ids, times and what only bytes of sound tell.
fn stored(tx: &mut Tx, library: LibraryKey) -> BTreeMap<&'static str, Vec<Vec<String>>> {
    let below = format!("i.library_id = {}", library.0);
    let path = "(SELECT g.shown FROM item f JOIN item g ON g.id = f.parent_id WHERE f.id = i.parent_id) AS artist,
                (SELECT f.shown FROM item f WHERE f.id = i.parent_id) AS album, i.shown";
    let track = "title, sort_title, t.sort, t.search, artist_name, album_artist_name, album_name, album_sort_name,
        album_musicbrainz_id, compilation, release_types, disc, disc_title, number, year, bpm, comment, isrc,
        moods, musicbrainz_id, track_gain_db, lyrics, unsorted";
    let queries: [(&'static str, usize, String); 6] = [
        (
            "items",
            7,
            format!("SELECT {path}, i.kind, i.media, i.sort, i.search FROM item i WHERE {below} ORDER BY 1, 2, 3"),
        ),
        (
            "tracks",
            26,
            format!(
                "SELECT {path}, {track} FROM track t JOIN item i ON i.id = t.item_id WHERE {below} ORDER BY 1, 2, 3"
            ),
        ),
        (
            "albums",
            11,
            format!(
                "SELECT i.name, i.sort_name, i.sort, i.search, artist_name, artist_sort, year, compilation, track_count,
                    genres, CASE WHEN i.stale = 0 THEN 'fresh' END FROM album i WHERE {below} ORDER BY 1, 3"
            ),
        ),
        (
            "credits",
            7,
            format!(
                "SELECT {path}, c.role, c.position, ar.name, ar.sort FROM track_credit c JOIN item i ON i.id = c.item_id
                 JOIN artist ar ON ar.id = c.artist_id WHERE {below} ORDER BY 1, 2, 3, 4, 5"
            ),
        ),
        (
            "artists",
            6,
            format!(
                "SELECT ar.name, i.led, i.played, i.is_artist, i.is_album_artist, i.is_composer FROM artist_in i
                 JOIN artist ar ON ar.id = i.artist_id WHERE {below} ORDER BY 1"
            ),
        ),
        (
            "genres",
            3,
            format!(
                "SELECT g.name, i.track_count, i.album_count FROM genre_in i JOIN genre g ON g.id = i.genre_id
                 WHERE {below} ORDER BY 1"
            ),
        ),
    ];
    queries.into_iter().map(|(what, columns, sql)| (what, table(tx, columns, &sql))).collect()
}

both_engines! {
    async fn the_seed_of_the_bench_stores_what_a_scan_of_such_files_does(backend: Backend) {
        const FEW: usize = 120;
        let folder = TempDir::new().unwrap();
        let fixture = Fixture { root: folder.path().to_owned() };
        for track in 0..FEW {
            let (facts, [artist, album, file]) = (rows::facts(track), rows::path(track));
            let (number, year) = (facts.number.unwrap().to_string(), facts.year.unwrap().to_string());
            let mut tags = vec![
                (Tagged::TrackTitle, facts.title.as_str()),
                (Tagged::TrackArtist, &facts.artist_name),
                (Tagged::AlbumArtist, &facts.album_artist_name),
                (Tagged::AlbumTitle, &facts.album),
                (Tagged::TrackNumber, &number),
                (Tagged::RecordingDate, &year),
            ];
            tags.extend(facts.artists.iter().map(|credit| (Tagged::TrackArtists, credit.name.as_str())));
            tags.extend(facts.contributions.iter().map(|by| (Tagged::Composer, by.credit.name.as_str())));
            tags.extend(facts.genres.iter().map(|genre| (Tagged::Genre, genre.as_str())));
            fixture.song(&format!("{artist}/{album}/{file}"), &tags);
        }
        let music = Music::new(&backend);
        let scanned = music.server.add_library("Scanned", folder.path()).key;
        let seeded = music.fill("Seeded", FEW).await;
        let (mut scanned, mut seeded) = music
            .with(move |db| db.read_blocking(move |tx| Ok((stored(tx, scanned), stored(tx, seeded)))).unwrap())
            .await;
        // The root bears the library's name.
        for items in [&mut scanned, &mut seeded] {
            items.get_mut("items").unwrap().retain(|item| !item.iter().any(|text| text.contains("Scanned") || text.contains("Seeded")));
        }
        assert_eq!(scanned["tracks"].len(), FEW);
        for (what, rows) in &scanned {
            assert_eq!(*rows, seeded[what], "{what}");
        }
    }

    async fn every_list_of_albums_pages_in_its_order_without_gaps_or_doubles(backend: Backend) {
        let music = Music::new(&backend);
        music.fill("Large", TRACKS).await;
        music.with(|db| {
            is_summed_up_in(db);
            rows::mark(db, find(db, ADMIN).key, TRACKS).unwrap();
        }).await;
        let name = |album: &Value| sort_key(album["name"].as_str().unwrap());
        let year = |album: &Value| album["year"].as_i64().unwrap();

        let by_name = music.albums(100, &[("type", "alphabeticalByName")]).await;
        is_sorted(&by_name, name);
        assert_eq!(by_name.len(), ALBUMS);
        let everything: BTreeSet<String> = ids(&by_name).into_iter().collect();
        type Order = fn(&Value) -> (i64, i64);
        type Asked<'a> = &'a [(&'a str, &'a str)];
        let lists: [(Asked, usize, Order); 9] = [
            (&[("type", "newest")], ALBUMS, |album| (-time(&album["created"]), 0)),
            (&[("type", "alphabeticalByName")], ALBUMS, |_| (0, 0)),
            (&[("type", "alphabeticalByArtist")], ALBUMS, |_| (0, 0)),
            (&[("type", "byYear"), ("fromYear", "1900"), ("toYear", "2100")], ALBUMS, |album| (album["year"].as_i64().unwrap(), 0)),
            (&[("type", "byYear"), ("fromYear", "2100"), ("toYear", "1900")], ALBUMS, |album| (-album["year"].as_i64().unwrap(), 0)),
            (&[("type", "highest")], ALBUMS.div_ceil(20), |album| (-album["userRating"].as_i64().unwrap(), 0)),
            (&[("type", "frequent")], ALBUMS.div_ceil(4), |album| (-album["playCount"].as_i64().unwrap(), 0)),
            (&[("type", "recent")], ALBUMS.div_ceil(4), |album| (-time(&album["played"]), 0)),
            (&[("type", "starred")], ALBUMS.div_ceil(30), |album| (-time(&album["starred"]), 0)),
        ];
        for (query, count, key) in lists {
            let whole = music.albums(500, query).await;
            is_sorted(&whole, key);
            assert_eq!(whole.len(), count, "{query:?}");
            for size in [7, 100] {
                let paged = music.albums(size, query).await;
                assert_eq!(ids(&paged), ids(&whole), "{query:?}");
            }
            are_distinct(&ids(&whole));
            assert!(ids(&whole).iter().all(|id| everything.contains(id)));
            let beyond = [query, &[("offset", "100000")]].concat();
            assert_eq!(music.ok("getAlbumList2", &beyond).await["albumList2"]["album"].as_array().unwrap().len(), 0);
        }
        let by_artist = music.albums(100, &[("type", "alphabeticalByArtist")]).await;
        is_sorted(&by_artist, |album| {
            (sort_key(Articles::default().without(album["artist"].as_str().unwrap())), name(album))
        });
        let between = [("type", "byYear"), ("fromYear", "1970"), ("toYear", "1990")];
        let some: BTreeSet<String> = ids(&music.albums(20, &between).await).into_iter().collect();
        let wanted: Vec<Value> = by_name.iter().filter(|album| (1970..=1990).contains(&year(album))).cloned().collect();
        assert_eq!(some, ids(&wanted).into_iter().collect());
        for genre in music.ok("getGenres", &[]).await["genres"]["genre"].as_array().unwrap() {
            let value = genre["value"].as_str().unwrap();
            let albums = music.albums(50, &[("type", "byGenre"), ("genre", value)]).await;
            is_sorted(&albums, name);
            assert_eq!(albums.len() as u64, genre["albumCount"].as_u64().unwrap(), "{genre}");
            let songs = music.paged("getSongsByGenre", ["songsByGenre", "song"], ["count", "offset"], 50, &[("genre", value)]).await;
            are_distinct(&ids(&songs));
            assert_eq!(songs.len() as u64, genre["songCount"].as_u64().unwrap(), "{genre}");
        }
        let random = music.ok("getAlbumList2", &[("type", "random"), ("size", "60")]).await["albumList2"]["album"].clone();
        are_distinct(&ids(random.as_array().unwrap()));
        assert_eq!(random.as_array().unwrap().len(), 60);
    }

    async fn an_empty_search_pages_over_everything_and_gives_it_at_once_in_every_form(backend: Backend) {
        let music = Music::new(&backend);
        music.fill("Large", TRACKS).await;
        let nothing = [("artistCount", "0"), ("albumCount", "0"), ("songCount", "0")];
        let kinds = [("artist", ["artistCount", "artistOffset"]), ("album", ["albumCount", "albumOffset"]), ("song", ["songCount", "songOffset"])];
        for (kind, counts) in kinds {
            let others: Vec<_> = nothing.iter().filter(|(name, _)| *name != counts[0]).copied().collect();
            let paged = music.paged("search3", ["searchResult3", kind], counts, 300, &[&others[..], &[("query", "\"\"")]].concat()).await;
            are_distinct(&ids(&paged));
            let whole = [&others[..], &[("query", ""), (counts[0], "999999999")]].concat();
            let at_once = music.ok("search3", &whole).await["searchResult3"][kind].clone();
            assert_eq!(*at_once.as_array().unwrap(), paged, "{kind}");
            let xml = music.text("search3", &whole).await;
            is_well_formed(&xml);
            assert_eq!(elements(&xml, kind), paged.len());
        }
        let songs = music.ok("search3", &[("artistCount", "0"), ("albumCount", "0"), ("songCount", "999999999")]).await;
        assert_eq!(songs["searchResult3"]["song"].as_array().unwrap().len(), TRACKS);
        // A script whose strings no line separator breaks.
        let script = music.text("search3", &[("songCount", "999999999"), ("f", "jsonp"), ("callback", "got")]).await;
        let json = script.strip_prefix("got(").and_then(|rest| rest.strip_suffix(");")).unwrap();
        assert_eq!(serde_json::from_str::<Value>(json).unwrap()["subsonic-response"]["searchResult3"]["song"].as_array().unwrap().len(), TRACKS);
    }

    async fn no_list_is_longer_than_the_protocol_has_it_and_no_share_than_an_app_can_take(backend: Backend) {
        const MOST: usize = 500;
        const MOST_OF_A_SHARE: usize = 2000;
        let music = Music::new(&backend);
        let key = music.fill("Large", (MOST + 1) * rows::TRACKS_OF_ALBUM).await;
        let all_of_one_genre = "INSERT INTO track_genre (item_id, position, genre_id, listed_in)
            SELECT item_id, 99, (SELECT MIN(id) FROM genre), listed_in FROM track
            WHERE item_id NOT IN (SELECT item_id FROM track_genre WHERE genre_id = (SELECT MIN(id) FROM genre))";
        let genre = music.with(move |db| db.write_blocking(move |tx| {
            tx.run(all_of_one_genre, &[])?;
            tx.one("SELECT name FROM genre ORDER BY id LIMIT 1", &[], |row| row.get::<String>(0))
        }).unwrap()).await;
        for (call, lists, count, query) in [
            ("getAlbumList", ["albumList", "album"], "size", &[("type", "alphabeticalByName")][..]),
            ("getAlbumList2", ["albumList2", "album"], "size", &[("type", "newest")]),
            ("getAlbumList2", ["albumList2", "album"], "size", &[("type", "random")]),
            ("getRandomSongs", ["randomSongs", "song"], "size", &[]),
            ("getSongsByGenre", ["songsByGenre", "song"], "count", &[("genre", &genre)]),
        ] {
            for asked in ["501", "999999999"] {
                let found = music.ok(call, &[query, &[(count, asked)]].concat()).await[lists[0]][lists[1]].clone();
                let ids = ids(found.as_array().unwrap());
                assert_eq!(ids.len(), MOST, "{call} {query:?}");
                are_distinct(&ids);
            }
        }
        let number = key.0.to_string();
        let whole = music.ok("createShare", &[("id", &number)]).await["shares"]["share"][0].clone();
        let entries = ids(whole["entry"].as_array().unwrap());
        assert_eq!(entries.len(), MOST_OF_A_SHARE);
        are_distinct(&entries);
        let twice = music.ok("createShare", &[("id", &entries[0]), ("id", &number)]).await["shares"]["share"][0].clone();
        let shares = music.ok("getShares", &[]).await["shares"]["share"].clone();
        assert_eq!((&shares[0], &shares[1]), (&twice, &whole), "each share has its own");
        let twice = ids(twice["entry"].as_array().unwrap());
        assert_eq!((&twice[0], &twice[1..]), (&entries[0], &entries[..MOST_OF_A_SHARE - 1]), "the first that there are");
    }

    async fn long_lists_of_artists_folders_and_stars_go_out_whole(backend: Backend) {
        let music = Music::new(&backend);
        let artists = 450;
        music.fill("Large", TRACKS).await;
        // Artists of one track each, beyond what is read at once.
        let folder = TempDir::new().unwrap();
        let fixture = Fixture { root: folder.path().to_owned() };
        let letters = ["The Élan", "Zoo", "2nd", "Ωmega", "Bee"];
        for number in 0..artists {
            let name = format!("{} {number}", letters[number % letters.len()]);
            fixture.song(&format!("{name}/1.flac"), &[(Tagged::TrackArtist, &name), (Tagged::AlbumTitle, &name), (Tagged::TrackTitle, &name)]);
        }
        fixture.song("loose.flac", &[(Tagged::TrackTitle, "Loose")]);
        let small = music.server.add_library("Small", folder.path());
        let seen = music.ok("getArtists", &[("musicFolderId", &small.key.0.to_string())]).await["artists"].clone();
        let groups = seen["index"].as_array().unwrap();
        assert_eq!(all(&seen["index"], "name"), ["#", "B", "E", "Z"]);
        let names: Vec<String> = groups.iter().flat_map(|group| all(&group["artist"], "name")).collect();
        assert_eq!(names.len(), artists + 1, "and one who is not known");
        assert!(names.iter().position(|name| name == "The Élan 0").unwrap() > names.iter().position(|name| name == "Bee 4").unwrap());
        is_well_formed(&music.text("getArtists", &[]).await);

        let indexes = music.ok("getIndexes", &[("musicFolderId", &small.key.0.to_string())]).await["indexes"].clone();
        assert_eq!(all(&indexes["index"], "name"), ["#", "B", "E", "Z"]);
        let names: usize = indexes["index"].as_array().unwrap().iter().map(|group| group["artist"].as_array().unwrap().len()).sum();
        assert_eq!((names, all(&indexes["child"], "title")), (artists, vec!["Loose".to_owned()]));
        is_well_formed(&music.text("getIndexes", &[]).await);
        let known = indexes["lastModified"].as_i64().unwrap().to_string();
        let unchanged = music.ok("getIndexes", &[("ifModifiedSince", &known), ("musicFolderId", &small.key.0.to_string())]).await;
        assert_eq!(unchanged["indexes"]["index"], Value::Array(Vec::new()));

        music.with(move |db| {
            let user = find(db, ADMIN).key;
            db.write_blocking(move |tx| {
                for key in tx.all("SELECT artist_id FROM artist_in ORDER BY 1", &[], |row| row.get(0))? {
                    marks::star(tx, user, Marked::Artist(ArtistKey(key)), key)?;
                }
                Ok(())
            }).unwrap();
        }).await;
        let starred = music.ok("getStarred2", &[]).await["starred2"]["artist"].as_array().unwrap().clone();
        assert_eq!(starred.len(), artists + 1 + TRACKS.div_ceil(50));
        are_distinct(&ids(&starred));
        let xml = music.text("getStarred", &[]).await;
        is_well_formed(&xml);
        assert_eq!(elements(&xml, "artist"), starred.len());
        // Refused before the first byte.
        let refused = music.text("getArtists", &[("musicFolderId", "999")]).await;
        assert!(refused.contains(r#"status="failed""#), "{refused}");
    }

    async fn random_songs_are_distinct_and_of_the_years_and_genre_that_were_asked(backend: Backend) {
        let music = Music::new(&backend);
        music.fill("Large", TRACKS).await;
        let draw = async |query: &[(&str, &str)]| music.ok("getRandomSongs", query).await["randomSongs"]["song"].as_array().unwrap().clone();
        let (once, again) = (draw(&[("size", "200")]).await, draw(&[("size", "200")]).await);
        for drawn in [&once, &again] {
            are_distinct(&ids(drawn));
            assert_eq!(drawn.len(), 200);
        }
        assert_ne!(ids(&once), ids(&again));
        // All over the library, not from a corner of it: by a corner's chance 1 in 10^30 is misjudged.
        let albums: BTreeSet<_> = once.iter().map(|song| song["albumId"].to_string()).collect();
        assert!(albums.len() > 80, "{}", albums.len());
        let years = draw(&[("size", "500"), ("fromYear", "1980"), ("toYear", "1984")]).await;
        assert!(!years.is_empty() && years.iter().all(|song| (1980..=1984).contains(&song["year"].as_i64().unwrap())));
        let genre = music.ok("getGenres", &[]).await["genres"]["genre"][0].clone();
        let value = genre["value"].as_str().unwrap();
        let of_genre = draw(&[("size", "500"), ("genre", value)]).await;
        assert_eq!(of_genre.len() as u64, genre["songCount"].as_u64().unwrap());
        let in_year = of_genre[0]["year"].clone();
        let year = in_year.to_string();
        let both = draw(&[("size", "500"), ("genre", value), ("fromYear", &year), ("toYear", &year)]).await;
        assert!(!both.is_empty() && both.iter().all(|song| song["year"] == in_year));
        assert_eq!(draw(&[("genre", "no such genre")]).await.len(), 0);
    }

    async fn lists_hold_what_their_reader_may_see_and_nothing_else(backend: Backend) {
        let mut music = Music::new(&backend);
        let open = music.fill("Open", 400).await;
        let closed = music.fill("Closed", 700).await;
        music.server.add_user("bob");
        music.with(move |db| {
            db.write_blocking(move |tx| rights::set(tx, closed, &Subject::Everyone, Bits::NONE)).unwrap();
            let admin = find(db, ADMIN).key;
            db.write_blocking(move |tx| rights::set(tx, closed, &Subject::User(admin), Bits::READ)).unwrap();
        }).await;
        let songs = async |music: &Music, folder: &[(&str, &str)]| {
            let none = [("artistCount", "0"), ("albumCount", "0")];
            let found = music.paged("search3", ["searchResult3", "song"], ["songCount", "songOffset"], 90, &[&none[..], folder].concat()).await;
            are_distinct(&ids(&found));
            found.len()
        };
        let counts = async |music: &Music, folder: &[(&str, &str)]| {
            let by_name = music.albums(30, &[&[("type", "alphabeticalByName")], folder].concat()).await;
            is_sorted(&by_name, |album| sort_key(album["name"].as_str().unwrap()));
            let newest = music.albums(30, &[&[("type", "newest")], folder].concat()).await;
            assert_eq!(ids(&by_name).into_iter().collect::<BTreeSet<_>>(), ids(&newest).into_iter().collect());
            let artists = music.ok("getArtists", folder).await["artists"]["index"].clone();
            let artists: usize = artists.as_array().unwrap().iter().map(|group| group["artist"].as_array().unwrap().len()).sum();
            let drawn = music.ok("getRandomSongs", &[&[("size", "500")], folder].concat()).await["randomSongs"]["song"].as_array().unwrap().len();
            (by_name.len(), songs(music, folder).await, artists, drawn)
        };
        let (open_id, closed_id) = (open.0.to_string(), closed.0.to_string());
        assert_eq!(counts(&music, &[]).await, (110, 1100, 14, 500), "artists of both are one");
        assert_eq!(counts(&music, &[("musicFolderId", &closed_id)]).await, (70, 700, 14, 500));
        assert_eq!(counts(&music, &[("musicFolderId", &open_id)]).await, (40, 400, 8, 400));
        let admin_genres = music.ok("getGenres", &[]).await;
        music.login = "bob".to_owned();
        assert_eq!(counts(&music, &[]).await, (40, 400, 8, 400));
        let refused = music.text("getAlbumList2", &[("type", "newest"), ("musicFolderId", &closed_id), ("f", "json")]).await;
        assert!(refused.contains(r#""code":70"#), "{refused}");
        let total = |genres: &Value| genres["genres"]["genre"].as_array().unwrap().iter().map(|genre| genre["albumCount"].as_u64().unwrap()).sum::<u64>();
        assert!(total(&music.ok("getGenres", &[]).await) < total(&admin_genres));
        // A word that stands in the closed library alone, for some of its titles.
        let last = rows::facts(650).title;
        let found = music.search(&last).await;
        assert!(!found["song"].contains(&last) || (0..400).any(|track| rows::facts(track).title == last));
    }

    async fn searches_find_all_words_by_their_beginnings(backend: Backend) {
        let folder = TempDir::new().unwrap();
        let fixture = Fixture { root: folder.path().to_owned() };
        let songs = [
            ("Yesterday", "The Beatles", "Help!"),
            ("Help!", "The Beatles", "Help!"),
            ("I Need Help (Live)", "Other", "Elsewhere"),
            ("夜に駆ける", "YOASOBI", "THE BOOK"),
            ("Größe", "Björk", "Élan vital"),
            ("Back in Black", "AC/DC", "Back in Black"),
            ("Blackbird", "The Beatles", "White Album"),
            ("Black", "Pearl Jam", "Ten"),
            ("100% Sure_Thing", "Someone", "Percent"),
        ];
        for (number, (title, artist, album)) in songs.into_iter().enumerate() {
            let tags = [(Tagged::TrackTitle, title), (Tagged::TrackArtist, artist), (Tagged::AlbumTitle, album), (Tagged::AlbumArtist, artist)];
            fixture.song(&format!("{number}.flac"), &tags);
        }
        let music = Music::new(&backend);
        music.server.add_library("Search", folder.path());
        let found = async |query: &str, kind: &str| music.search(query).await[kind].clone();
        assert_eq!(found("yest", "song").await, ["Yesterday"]);
        assert_eq!(found("beatles yest*", "song").await, ["Yesterday"]);
        assert_eq!(found("YESTERDAY beat", "song").await, ["Yesterday"]);
        assert_eq!(found("esterday", "song").await, [""; 0]);
        assert_eq!(found("yesterday nobody", "song").await, [""; 0]);
        // The very word before longer ones; by their titles before by their albums.
        let black = found("black", "song").await;
        assert_eq!((black.len(), black[2].as_str()), (3, "Blackbird"));
        for query in ["help", "help!"] {
            let help = found(query, "song").await;
            assert!(help.contains(&"Help!".to_owned()) && help.last().unwrap() == "Yesterday", "{help:?}");
        }
        assert_eq!(found("help", "song").await.len(), 3);
        assert_eq!(found("live", "song").await, ["I Need Help (Live)"]);
        assert_eq!(found("駆ける", "song").await, ["夜に駆ける"]);
        assert_eq!(found("grosse", "song").await, [""; 0], "ß is a letter of its own");
        assert_eq!(found("große", "song").await, ["Größe"]);
        assert_eq!(found("dc", "artist").await, ["AC/DC"]);
        assert_eq!(found("ac/dc", "song").await, ["Back in Black"]);
        assert_eq!(found("elan", "album").await, ["Élan vital"]);
        assert_eq!(found("bjork vital", "album").await, ["Élan vital"]);
        assert_eq!(found("beatles", "album").await.len(), 2);
        assert_eq!(found("beatles", "artist").await, ["The Beatles"]);
        assert_eq!(found("b", "artist").await, ["The Beatles", "Björk"]);
        assert_eq!(found("100%", "song").await, ["100% Sure_Thing"]);
        assert_eq!(found("thing", "song").await, ["100% Sure_Thing"]);
        for query in ["", "\"\"", "*"] {
            assert_eq!(found(query, "song").await.len(), songs.len(), "{query}");
        }
        // Page by page the same as at once.
        let whole = music.ok("search3", &[("query", "b"), ("songCount", "99")]).await["searchResult3"]["song"].clone();
        let paged = music.paged("search3", ["searchResult3", "song"], ["songCount", "songOffset"], 1, &[("query", "b")]).await;
        assert_eq!(*whole.as_array().unwrap(), paged);
        assert!(paged.len() >= 6, "{paged:?}");
        let lyrics = music.ok("getLyrics", &[("artist", "beatles, the"), ("title", "help!")]).await;
        assert_eq!(lyrics["lyrics"]["title"], Value::Null);
        assert_eq!(music.ok("getLyrics", &[("artist", "the beatles"), ("title", "help!")]).await["lyrics"]["title"], "Help!");
    }

    async fn what_is_summed_up_follows_every_change(backend: Backend) {
        let folder = TempDir::new().unwrap();
        let served = Fixture::build(folder.path());
        let band = Fixture { root: folder.path().join("band") };
        band.song("here.flac", &[(Tagged::TrackTitle, "Here"), (Tagged::Genre, "Rock"), (Tagged::AlbumTitle, "Band's")]);
        let music = Music::new(&backend);
        let library = music.server.add_library("Shelf", &served.root);
        let app = music.server.app.clone();
        let root = band.root.clone();
        let band_library: Library = music.server.run(async move { libraries::add_folder(&app, &root, Some("Band"), Access::Writable).await.unwrap() });
        music.with(move |db| {
            let admin = find(db, ADMIN).key;
            db.write_blocking(move |tx| rights::set(tx, band_library.key, &Subject::User(admin), Bits::ALL)).unwrap();
        }).await;
        let app = music.server.app.clone();
        let home = music.server.run(async move {
            let admin = app.db.read(|tx| accounts::by_login(tx, ADMIN)).await.unwrap().unwrap();
            libraries::make_home(&app, &admin).await.unwrap()
        });
        let mine = Fixture { root: home.root.clone() };
        for number in 0..3 {
            let title = format!("Mine {number}");
            let tags = [(Tagged::TrackTitle, title.as_str()), (Tagged::Genre, "Rock; rock; Pop"), (Tagged::AlbumTitle, "Mine"), (Tagged::TrackArtist, &title)];
            mine.song(&format!("mine/{number}.flac"), &tags);
        }
        let steps = async |what: &'static str| {
            music.with(move |db| {
                // A scan that heard of the change may be at it as well.
                while db.read_blocking(is_unfinished).unwrap() {
                    std::thread::yield_now();
                }
                println!("{what}");
                is_summed_up_in(db);
            }).await;
        };
        music.server.scan(&home);
        music.server.scan(&library_named(&music, "Band").await);
        steps("scanned").await;

        served.song("Music/Sampler/01 A.flac", &[(Tagged::TrackTitle, "Another"), (Tagged::TrackArtist, "Somebody Else"), (Tagged::Genre, "Jazz")]);
        fs::rename(served.path("Music/The Band/First Album/10 Last.wav"), served.path("Music/moved.wav")).unwrap();
        fs::rename(served.path("Music/The Band/Double Album/CD1/01 One.flac"), served.path("Music/no-music.txt")).unwrap();
        music.server.scan(&library);
        steps("retagged, moved, renamed").await;
        fs::rename(served.path("Music"), folder.path().join("away")).unwrap();
        music.server.scan(&library);
        steps("missing").await;
        assert_eq!(music.search("opening").await["song"], [""; 0]);
        fs::rename(folder.path().join("away"), served.path("Music")).unwrap();
        music.server.scan(&library);
        steps("back").await;
        assert_eq!(music.search("opening").await["song"], ["Opening"]);

        let admin = music.with(|db| find(db, ADMIN)).await;
        let at = async |path: &'static [&'static str]| {
            let user = admin.clone();
            let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
            let app = music.server.app.clone();
            match app.db.read(move |tx| files::by_path(tx, &user, &path)).await.unwrap() {
                Place::Item(item) => item,
                other => panic!("{other:?}"),
            }
        };
        let mine = at(&["mine"]).await;
        let band = at(&["Band"]).await;
        let one = at(&["mine", "0.flac"]).await;
        let app = music.server.app.clone();
        let user = admin.clone();
        let id = one.id.clone();
        music.server.run(async move { files::trash(&app, &user, &id).await.unwrap() });
        steps("one in the trash").await;
        assert_eq!(music.search("mine").await["song"], ["Mine 1", "Mine 2"]);
        let (app, user, id) = (music.server.app.clone(), admin.clone(), one.id.clone());
        music.server.run(async move { files::restore(&app, &user, &id).await.unwrap() });
        steps("restored").await;
        let (app, user, id) = (music.server.app.clone(), admin.clone(), mine.id.clone());
        music.server.run(async move { files::move_into(&app, &user, &id, &Place::Item(band)).await.unwrap() });
        steps("in another library").await;
        assert_eq!(music.search("mine").await["song"], ["Mine 0", "Mine 1", "Mine 2"]);
        let (app, user, id) = (music.server.app.clone(), admin.clone(), one.id.clone());
        music.server.run(async move { files::purge(&app, &user, &id).await.unwrap() });
        steps("purged").await;
        let app = music.server.app.clone();
        music.server.run(async move { libraries::remove(&app, "Shelf").await.unwrap() });
        steps("a library gone").await;
        assert_eq!(music.ok("getGenres", &[]).await["genres"]["genre"].as_array().unwrap().len(), 2);
    }

    async fn a_list_shows_what_was_added_a_moment_ago(backend: Backend) {
        let folder = TempDir::new().unwrap();
        let music = Music::new(&backend);
        music.fill("Large", TRACKS).await;
        fs::write(folder.path().join("0.flac"), flac()).unwrap();
        let library = music.server.add_library("Small", folder.path());
        let last = async || {
            let count = music.ok("getScanStatus", &[]).await["scanStatus"]["count"].as_u64().unwrap();
            let offset = (count - 1).to_string();
            let found = music.ok("search3", &[("songCount", "10"), ("songOffset", &offset)]).await["searchResult3"]["song"].clone();
            (count, all(&found, "title"))
        };
        assert_eq!(last().await, (TRACKS as u64 + 1, vec!["0".to_owned()]));
        fs::write(folder.path().join("1.flac"), flac()).unwrap();
        music.server.scan(&library);
        assert_eq!(last().await, (TRACKS as u64 + 2, vec!["1".to_owned()]));
        fs::remove_file(folder.path().join("1.flac")).unwrap();
        music.server.scan(&library);
        assert_eq!(last().await, (TRACKS as u64 + 1, vec!["0".to_owned()]));
    }

    async fn a_database_from_before_is_filled_when_it_is_opened(backend: Backend) {
        is_filled_when_opened_after(take_back, &backend).await;
    }

    async fn tracks_of_a_database_from_before_tell_their_credits_when_it_is_opened(backend: Backend) {
        is_filled_when_opened_after(take_credits_back, &backend).await;
    }

    async fn songs_are_drawn_alike_however_the_numbers_of_their_rows_lie(backend: Backend) {
        const DRAWS: usize = 60;
        let music = Music::new(&backend);
        // Among far more that is not drawn from, and beside folders, which have such numbers too.
        music.fill("Others", 2000).await;
        let few = music.fill("Few", 400).await;
        let folder = few.0.to_string();
        for (query, there) in [(&[("size", "40")][..], 2400), (&[("size", "40"), ("musicFolderId", &folder)], 400)] {
            let mut songs: BTreeMap<String, usize> = BTreeMap::new();
            for _ in 0..DRAWS {
                let drawn = music.ok("getRandomSongs", query).await["randomSongs"]["song"].as_array().unwrap().clone();
                assert_eq!(drawn.len(), 40);
                are_distinct(&ids(&drawn));
                for id in ids(&drawn) {
                    *songs.entry(id).or_default() += 1;
                }
            }
            // By chance so many never come; no more than ten deviations from it.
            let never = f64::from(there) * (-((DRAWS * 40) as f64) / f64::from(there)).exp();
            let least = f64::from(there) - never - 10.0 * never.sqrt();
            assert!(songs.len() as f64 > least, "{} of {there}", songs.len());
            let most = songs.values().max().unwrap();
            assert!(*most < 30, "one of {there} was drawn {most} times");
        }
    }
}

/// Opens a database from which `take_back` took something.
async fn is_filled_when_opened_after(take_back: fn(&mut Tx) -> openshelf::error::Result<()>, backend: &Backend) {
    let folder = TempDir::new().unwrap();
    let fixture = Fixture::build(folder.path());
    {
        let server = Server::start(backend);
        server.add_library("Shelf", &fixture.root);
        let db = server.app.db.clone();
        tokio::task::spawn_blocking(move || db.write_blocking(take_back).unwrap()).await.unwrap();
    }
    let db = tokio::task::spawn_blocking({
        let database = backend.database().clone();
        move || Db::open(&database).unwrap()
    })
    .await
    .unwrap();
    tokio::task::spawn_blocking(move || {
        is_summed_up_in(&db);
        let genres = db.read_blocking(|tx| Ok(table(tx, 2, "SELECT track_count, album_count FROM genre_in"))).unwrap();
        assert_eq!(genres.len(), 2);
        db.close();
    })
    .await
    .unwrap();
}

/// Makes of a database one whose tracks do not tell their credits yet.
fn take_credits_back(tx: &mut Tx) -> openshelf::error::Result<()> {
    let mut statements = vec!["UPDATE track SET credits = '[]', genres = '[]'"];
    if tx.engine() == openshelf::store::Engine::Postgres {
        statements.extend(["ALTER TABLE track DROP COLUMN credits", "ALTER TABLE track DROP COLUMN genres"]);
    }
    statements.push("DELETE FROM migration WHERE number = 25");
    statements.into_iter().try_for_each(|sql| tx.run(sql, &[]).map(|_| ()))
}

fn is_summed_up_in(db: &Db) {
    db.read_blocking(|tx| {
        is_summed_up(tx);
        Ok(())
    })
    .unwrap();
}

fn is_unfinished(tx: &mut Tx) -> openshelf::error::Result<bool> {
    let libraries = library::all(tx)?;
    Ok(libraries.iter().any(|library| scan::is_unfinished(tx, library.key).unwrap()))
}

async fn library_named(music: &Music, name: &'static str) -> Library {
    let all = music.with(|db| db.read_blocking(library::all).unwrap()).await;
    all.into_iter().find(|library| library.name == name).unwrap()
}

/// Makes of a database one that the step with the sums has not seen yet.
fn take_back(tx: &mut Tx) -> openshelf::error::Result<()> {
    let engine = tx.engine();
    let trigger = match engine {
        openshelf::store::Engine::Sqlite => "DROP TRIGGER item_listed",
        openshelf::store::Engine::Postgres => "DROP TRIGGER item_listed ON item",
    };
    let mut statements = vec![trigger];
    if engine == openshelf::store::Engine::Postgres {
        statements.push("DROP FUNCTION list_item");
    }
    statements.extend([
        "DROP INDEX track_listed",
        "DROP INDEX track_year",
        "DROP INDEX track_genre_listed",
        "ALTER TABLE track DROP COLUMN listed_in",
        "ALTER TABLE track_genre DROP COLUMN listed_in",
        "CREATE INDEX track_genre_genre ON track_genre (genre_id)",
        "DROP INDEX album_by_name",
        "DROP INDEX album_by_artist",
        "DROP INDEX album_by_time",
        "DROP INDEX album_by_year",
        "ALTER TABLE album DROP COLUMN genres",
        "ALTER TABLE album DROP COLUMN moods",
        "ALTER TABLE album DROP COLUMN disc_titles",
        "CREATE INDEX album_sort ON album (sort, id)",
        "CREATE INDEX album_artist_sort ON album (artist_sort, sort, id)",
        "CREATE INDEX album_added ON album (added_ms, id)",
        "CREATE INDEX album_year ON album (year, id)",
        "DROP TABLE album_genre",
        "DROP TABLE genre_in",
        "DROP TABLE artist_in",
        "DROP TABLE word",
        "DROP INDEX artist_initial",
        "DROP INDEX mark_starred",
        "DROP INDEX mark_rating",
        "DROP INDEX mark_plays",
        "DROP INDEX mark_played",
        "ALTER TABLE account DROP COLUMN marks",
        "DELETE FROM migration WHERE number = 15",
    ]);
    statements.into_iter().try_for_each(|sql| tx.run(sql, &[]).map(|_| ()))
}

fn time(date: &Value) -> i64 {
    date.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

fn elements(xml: &str, name: &str) -> usize {
    xml.matches(&format!("<{name} ")).count()
}

/// Every element that is opened is closed, in order, and nothing stands outside the root.
fn is_well_formed(xml: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = xml.strip_prefix(r#"<?xml version="1.0" encoding="UTF-8"?>"#).unwrap();
    while let Some(at) = rest.find('<') {
        let end = at + rest[at..].find('>').unwrap();
        let tag = &rest[at + 1..end];
        match tag.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), Some(closed)),
            None if tag.ends_with('/') => assert!(!open.is_empty()),
            None => open.push(tag.split(' ').next().unwrap()),
        }
        rest = &rest[end + 1..];
        assert!(rest.is_empty() || !open.is_empty(), "something follows the root");
    }
    assert_eq!((open.len(), rest), (0, ""));
}
