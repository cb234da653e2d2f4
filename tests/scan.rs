//! Scans of a real folder into rows of both engines.

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lofty::tag::ItemKey as Field;
use openshelf::args;
use openshelf::error::{Error, Result};
use openshelf::library::{Item, ItemKey, Library, LibraryKind, Media};
use openshelf::store::library::{Access, NewLibrary, Totals};
use openshelf::store::{Db, Tx, library};
use openshelf::work::scan::{Ended, Outcome, Scanner, scan, scan_path};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use tempfile::TempDir;

use crate::both_engines;
use crate::engines::Backend;
use crate::fixture::{self, Fixture};
use crate::server::PATIENCE;

/// On a thread of its own, as scans are in the server; tests of both engines are async.
fn plain(test: impl FnOnce() + Send) {
    thread::scope(|scope| scope.spawn(test).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
}

struct Shelf {
    db: Db,
    library: Library,
    fixture: Fixture,
    _folder: TempDir,
}

impl Shelf {
    /// The fixture, scanned.
    fn new(backend: &Backend) -> Shelf {
        let shelf = Shelf::unscanned(backend);
        let outcome = shelf.scan();
        assert_eq!(outcome.ended, Ended::Complete);
        shelf
    }

    fn unscanned(backend: &Backend) -> Shelf {
        let folder = TempDir::new().unwrap();
        let fixture = Fixture::build(folder.path());
        let db = backend.open();
        let root = fixture.root.clone();
        let library = insert(&db, NewLibrary { root, ..new_library("Shelf") }).unwrap();
        Shelf { db, library, fixture, _folder: folder }
    }

    fn scan(&self) -> Outcome {
        scan(&self.db, self.library.key, |_| ControlFlow::Continue(())).unwrap()
    }

    /// As a server that is not root: what it may not read, it cannot.
    fn scan_unprivileged(&self) -> Outcome {
        thread::scope(|scope| {
            let scanned = scope.spawn(|| {
                let mut mine = capabilities(None).unwrap();
                mine.effective.remove(CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH);
                set_capabilities(None, mine).unwrap();
                self.scan()
            });
            scanned.join().unwrap()
        })
    }

    fn read<T: Send + 'static>(&self, work: impl FnOnce(&mut Tx) -> Result<T> + Send + 'static) -> T {
        self.db.read_blocking(work).unwrap()
    }

    /// The item at a path as shown.
    fn find(&self, path: &str) -> Option<Item> {
        let (key, path) = (self.library.key, path.to_owned());
        self.read(move |tx| {
            let mut item = Some(library::root_item(tx, key)?);
            for name in path.split('/').filter(|name| !name.is_empty()) {
                item = match item {
                    Some(folder) => library::child_shown(tx, folder.key, name)?,
                    None => None,
                };
            }
            Ok(item)
        })
    }

    #[track_caller]
    fn item(&self, path: &str) -> Item {
        self.find(path).unwrap_or_else(|| panic!("{path} is not there"))
    }

    fn totals(&self) -> Totals {
        let root = self.item("").key;
        self.read(move |tx| library::totals(tx, root))
    }

    /// Name → (id, artist, tracks, compilation, key of the cover), of albums with tracks.
    fn albums(&self) -> HashMap<String, (String, String, i64, bool, Option<i64>)> {
        self.read(|tx| {
            tx.all(
                "SELECT name, public_id, artist_name, track_count, compilation, cover_item_id FROM album
                 WHERE track_count > 0",
                args![],
                |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))),
            )
        })
        .into_iter()
        .collect()
    }

    fn revision(&self) -> i64 {
        let key = self.library.key;
        self.read(move |tx| library::by_key(tx, key)).revision
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.fixture.path(path)
    }
}

fn new_library(name: &str) -> NewLibrary {
    NewLibrary {
        name: name.to_owned(),
        kind: LibraryKind::Folder,
        owner: None,
        root: "/nowhere".into(),
        only: None,
        writable: false,
    }
}

fn insert(db: &Db, new: NewLibrary) -> Result<Library> {
    db.write_blocking(move |tx| library::insert(tx, &new, 1))
}

/// Past the coarse clock of the file system, so that a change shows in a file's time.
fn set_modified(path: &Path, seconds: u64) {
    let time = std::time::UNIX_EPOCH + Duration::new(1_000_000_000 + seconds, 123_456_789);
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

both_engines! {
    async fn first_scan_finds_all_and_a_second_writes_nothing(backend: Backend) {
        plain(|| {
            let shelf = Shelf::unscanned(&backend);
            let outcome = shelf.scan();
            assert_eq!((outcome.ended, outcome.broken), (Ended::Complete, Fixture::BROKEN));
            let totals = shelf.totals();
            assert_eq!((totals.files + totals.folders) as usize, Fixture::ITEMS);
            assert_eq!(totals.tracks as usize, Fixture::TRACKS);
            let revision = shelf.revision();
            let again = shelf.scan();
            assert_eq!((again.ended, again.changed), (Ended::Complete, 0));
            assert_eq!(shelf.revision(), revision);
        });
    }

    async fn what_stays_out_of_a_library_is_not_found(backend: Backend) {
        plain(|| {
            let shelf = Shelf::new(&backend);
            for path in [".hidden", ".openshelf", "Thumbs.db", "@eaDir", "escape", "inside", "escape/secret.txt"] {
                assert!(shelf.find(path).is_none(), "{path}");
            }
        });
    }

    async fn odd_names_are_shown_once_each_and_kept_as_bytes(backend: Backend) {
        plain(|| {
            let shelf = Shelf::new(&backend);
            assert_eq!(shelf.item("Names/\u{fffd}\u{fffd}.bin").name, b"\xff\xfe.bin");
            assert_eq!(shelf.item("Names/line\u{fffd}break.txt").name, b"line\nbreak.txt");
            let twins = ["Names/caf\u{e9}.txt", "Names/caf\u{e9} (2).txt"].map(|path| shelf.item(path).name);
            assert_ne!(twins[0], twins[1]);
            let key = shelf.item("Names").key;
            let shown: Vec<String> =
                shelf.read(move |tx| library::children(tx, key)).into_iter().map(|item| item.shown).collect();
            assert_eq!(shown.len(), 8);
            assert_eq!(shown[0], "100% sure \"quoted\" & <b>.txt");
        });
    }

    async fn tags_become_tracks_albums_and_artists(backend: Backend) {
        plain(|| {
            let shelf = Shelf::new(&backend);
            let albums = shelf.albums();
            let names: Vec<&String> = { let mut n: Vec<_> = albums.keys().collect(); n.sort(); n };
            assert_eq!(names, ["Broken", "Double Album", "First Album", "Sampler", "Untagged"]);
            let key = |path: &str| Some(shelf.item(path).key.0);
            let (_, artist, tracks, _, cover) = &albums["First Album"];
            assert_eq!((artist.as_str(), *tracks, *cover), ("The Band", 3, key("Music/The Band/First Album/cover.png")));
            let (_, _, tracks, _, cover) = &albums["Double Album"];
            assert_eq!((*tracks, *cover), (2, key("Music/The Band/Double Album/front.jpg")));
            let (_, artist, tracks, compilation, _) = &albums["Sampler"];
            assert_eq!((artist.as_str(), *tracks, *compilation), ("Various Artists", 2, true));

            let opening = shelf.item("Music/The Band/First Album/01 Opening.flac");
            assert_eq!(opening.media, Media::Audio);
            let credits: Vec<String> = shelf.read(move |tx| tx.all(
                "SELECT a.name FROM track_credit c JOIN artist a ON a.id = c.artist_id
                 WHERE c.item_id = $1 AND c.role = 'artist' ORDER BY c.position",
                args![opening.key.0],
                |row| row.get(0),
            ));
            assert_eq!(credits, ["The Band", "Guest", "Other Guest"]);
            let facts = shelf.read(move |tx| tx.one(
                "SELECT title, sort_title, year, duration_ms, sample_rate_hz, bit_depth, channels, track_gain_db, isrc,
                        lyrics, musicbrainz_id FROM track WHERE item_id = $1",
                args![opening.key.0],
                |row| Ok((
                    (row.get::<String>(0)?, row.get::<String>(1)?, row.get::<i64>(2)?, row.get::<i64>(3)?),
                    (row.get::<i64>(4)?, row.get::<i64>(5)?, row.get::<i64>(6)?, row.get::<f64>(7)?),
                    (row.get::<String>(8)?, row.get::<String>(9)?, row.get::<String>(10)?),
                )),
            ));
            assert_eq!(facts.0, ("Opening".to_owned(), "Opening, The".to_owned(), 1999, 1000));
            assert_eq!(facts.1, (44_100, 16, 2, -7.3));
            assert_eq!(facts.2.0, r#"["DEAB12345678"]"#);
            assert_eq!(facts.2.1, "la\nla");
            assert_eq!(facts.2.2, "11111111-2222-3333-4444-555555555555");
            let genres: Vec<String> =
                shelf.read(|tx| tx.all("SELECT name FROM genre ORDER BY name", args![], |row| row.get(0)));
            assert_eq!(genres, ["Pop", "Rock"]);
            let band: (String, String) = shelf.read(|tx| tx.one(
                "SELECT initial, search FROM artist WHERE name = 'The Band'",
                args![],
                |row| Ok((row.get(0)?, row.get(1)?)),
            ));
            assert_eq!(band, ("B".to_owned(), "the band".to_owned()));
        });
    }

    async fn a_stream_without_a_length_is_measured(backend: Backend) {
        plain(|| {
            let shelf = Shelf::new(&backend);
            let vbr = shelf.item("Music/Broken/vbr.mp3");
            let (duration_ms, kbps): (i64, i64) = shelf.read(move |tx| tx.one(
                "SELECT duration_ms, bit_rate_kbps FROM track WHERE item_id = $1",
                args![vbr.key.0],
                |row| Ok((row.get(0)?, row.get(1)?)),
            ));
            assert_eq!(duration_ms as u64, Fixture::VBR_FRAMES * 1152 * 1000 / 44_100);
            assert!((126..=129).contains(&kbps), "{kbps}");
        });
    }

    async fn a_rename_and_a_move_keep_ids_of_files_and_folders(backend: Backend) {
        plain(|| {
            let shelf = Shelf::new(&backend);
            let song = shelf.item("Music/The Band/First Album/10 Last.wav");
            let folder = shelf.item("Music/The Band");
            let readme = shelf.item("README.md");
            let album = shelf.albums()["First Album"].0.clone();
            fs::rename(shelf.path("Music/The Band"), shelf.path("Band")).unwrap();
            fs::rename(shelf.path("README.md"), shelf.path("pub/READ.txt")).unwrap();
            let outcome = shelf.scan();
            // The two, and the folders whose time changed: the root, Music and pub.
            assert_eq!(outcome.changed, 5);
            assert_eq!(shelf.item("Band").id, folder.id);
            let moved = shelf.item("Band/First Album/10 Last.wav");
            assert_eq!((moved.id, moved.revision), (song.id, song.revision));
            assert_eq!(shelf.item("pub/READ.txt").id, readme.id);
            assert!(shelf.find("README.md").is_none());
            assert_eq!(shelf.albums()["First Album"].0, album);
        });
    }

    async fn two_files_that_swap_names_keep_their_ids(backend: Backend) {
        plain(|| {
            let shelf = Shelf::new(&backend);
            shelf.fixture.write("pub/other.txt", b"the other");
            shelf.scan();
            let (open, other) = (shelf.item("pub/open.txt"), shelf.item("pub/other.txt"));
            fs::rename(shelf.path("pub/open.txt"), shelf.path("pub/x")).unwrap();
            fs::rename(shelf.path("pub/other.txt"), shelf.path("pub/open.txt")).unwrap();
            fs::rename(shelf.path("pub/x"), shelf.path("pub/other.txt")).unwrap();
            shelf.scan();
            // Without birth times (some file systems) a path stands for its item, and its content has changed.
            if shelf.item("pub/open.txt").revision == other.revision {
                assert_eq!(shelf.item("pub/open.txt").id, other.id);
                assert_eq!(shelf.item("pub/other.txt").id, open.id);
            } else {
                assert_eq!(shelf.item("pub/open.txt").id, open.id);
            }
            assert_eq!(shelf.scan().changed, 0);
        });
    }

    async fn a_save_keeps_the_id_and_raises_the_revision(backend: Backend) {
        plain(|| {
            let shelf = Shelf::new(&backend);
            let before = shelf.item("README.md");
            shelf.fixture.write("README.md.tmp", b"# Changed\n");
            fs::rename(shelf.path("README.md.tmp"), shelf.path("README.md")).unwrap();
            shelf.scan();
            let after = shelf.item("README.md");
            assert_eq!((&after.id, after.revision), (&before.id, before.revision + 1));
            assert_ne!(after.etag(), before.etag());
        });
    }

    async fn a_path_seen_absent_is_the_same_item_only_with_the_same_content(backend: Backend) {
        plain(|| {
            let shelf = Shelf::new(&backend);
            let path = shelf.path("README.md");
            set_modified(&path, 1);
            shelf.scan();
            let before = shelf.item("README.md");
            let content = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            shelf.scan();
            assert!(shelf.find("README.md").is_none());
            let id = before.id.clone();
            assert!(shelf.read(move |tx| library::item_by_id(tx, &id)).is_none());

            fs::write(&path, &content).unwrap();
            set_modified(&path, 1);
            shelf.scan();
            assert_eq!(shelf.item("README.md").id, before.id, "restored");

            fs::remove_file(&path).unwrap();
            shelf.scan();
            fs::write(&path, "something else").unwrap();
            shelf.scan();
            assert_ne!(shelf.item("README.md").id, before.id, "another file");
        });
    }

    async fn an_unreachable_or_suddenly_empty_root_takes_nothing_away(backend: Backend) {
        plain(|| {
            let shelf = Shelf::new(&backend);
            let (totals, key) = (shelf.totals(), shelf.library.key);
            let online = || shelf.read(move |tx| library::by_key(tx, key)).online;
            let away = shelf.fixture.root.with_extension("away");
            fs::rename(&shelf.fixture.root, &away).unwrap();
            assert_eq!(shelf.scan().ended, Ended::Offline);
            assert!(!online());
            fs::create_dir(&shelf.fixture.root).unwrap();
            assert_eq!(shelf.scan().ended, Ended::Offline);
            assert_eq!(shelf.totals(), totals);
            fs::remove_dir(&shelf.fixture.root).unwrap();
            fs::rename(&away, &shelf.fixture.root).unwrap();
            let back = shelf.scan();
            assert_eq!((back.ended, back.changed), (Ended::Complete, 0));
            assert!(online());
        });
    }

    async fn a_retagged_album_keeps_its_id(backend: Backend) {
        plain(|| {
            let shelf = Shelf::new(&backend);
            let before = shelf.albums()["Double Album"].0.clone();
            for (disc, title) in [("1", "One"), ("2", "Two")] {
                let path = format!("Music/The Band/Double Album/CD{disc}/01 {title}.flac");
                let tags = [(Field::TrackTitle, title), (Field::AlbumTitle, "Corrected"), (Field::AlbumArtist, "The Band")];
                shelf.fixture.song(&path, &tags);
                set_modified(&shelf.path(&path), 7);
            }
            shelf.scan();
            let albums = shelf.albums();
            assert_eq!(albums["Corrected"].0, before);
            assert!(!albums.contains_key("Double Album"));
        });
    }

    async fn a_track_that_leaves_an_album_leaves_its_id_there(backend: Backend) {
        plain(|| {
            let shelf = Shelf::new(&backend);
            let before = shelf.albums()["First Album"].0.clone();
            let path = "Music/The Band/First Album/01 Opening.flac";
            shelf.fixture.song(path, &[(Field::TrackTitle, "Opening"), (Field::AlbumTitle, "Single")]);
            set_modified(&shelf.path(path), 7);
            shelf.scan();
            let albums = shelf.albums();
            assert_eq!((&albums["First Album"].0, albums["First Album"].2), (&before, 2));
            assert_ne!(albums["Single"].0, before);
            let genres: i64 = shelf.read(|tx| tx.one("SELECT COUNT(*) FROM genre", args![], |row| row.get(0)));
            assert_eq!(genres, 0, "nothing names them any more");
        });
    }

    async fn an_album_waits_for_its_missing_tracks(backend: Backend) {
        plain(|| {
            let shelf = Shelf::new(&backend);
            let before = shelf.albums()["Sampler"].0.clone();
            fs::rename(shelf.path("Music/Sampler"), shelf.path(".away")).unwrap();
            shelf.scan();
            assert!(!shelf.albums().contains_key("Sampler"));
            fs::rename(shelf.path(".away"), shelf.path("Music/Sampler")).unwrap();
            shelf.scan();
            assert_eq!((&shelf.albums()["Sampler"].0, shelf.albums()["Sampler"].2), (&before, 2));
        });
    }

    async fn a_scan_that_was_stopped_is_finished_by_the_next(backend: Backend) {
        plain(|| {
            let shelf = Shelf::unscanned(&backend);
            // More than one part of a chunk, so that it stops with some stored.
            for number in 0..300 {
                shelf.fixture.write(&format!("many/{number}.txt"), b"x");
            }
            let stop_after = |changes: u64| {
                scan(&shelf.db, shelf.library.key, |progress| match progress.changed >= changes {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                })
                .unwrap()
            };
            assert_eq!(stop_after(1).ended, Ended::Stopped);
            let totals = shelf.totals();
            assert!(totals.files > 0 && (totals.files as usize) < Fixture::ITEMS + 300);
            let early = shelf.item("README.md").id;
            assert_eq!(shelf.scan().ended, Ended::Complete);
            assert_eq!(shelf.totals().tracks as usize, Fixture::TRACKS);
            assert_eq!(shelf.item("README.md").id, early);
            assert_eq!(shelf.albums()["First Album"].2, 3);
            assert_eq!(shelf.scan().changed, 0);
        });
    }

    async fn huge_files_that_lie_about_what_is_in_them_hold_no_scan(backend: Backend) {
        plain(|| {
            let shelf = Shelf::unscanned(&backend);
            let flac = [b"fLaC".as_slice(), &[0x04, 0xff, 0xff, 0xff], &[0xff; 64]].concat();
            let heads: [(&str, &[u8]); 8] = [
                ("huge.mp3", b"ID3\x04\0\0\x7f\x7f\x7f\x7fTIT2\x7f\x7f\x7f\x7f\0\0\x03"),
                ("silent.mp3", b""),
                ("huge.flac", &flac),
                ("huge.ogg", b"OggS\0\x02\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\xff"),
                ("huge.m4a", b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42isom\0\0\0\x01moov\0\0\0\xe8\xd4\xa5\x10\0"),
                ("huge.wav", b"RIFF\xff\xff\xff\xffWAVELIST\xf0\xff\xff\xffINFOINAM\xe0\xff\xff\xff"),
                ("huge.aiff", b"FORM\xff\xff\xff\xffAIFFNAME\xf0\xff\xff\xff"),
                ("huge.ape", b"MAC \x9c\x0f\0\0"),
            ];
            for (name, head) in heads {
                shelf.fixture.write(name, head);
                let file = fs::File::options().write(true).open(shelf.path(name)).unwrap();
                file.set_len(1 << 40).unwrap();
            }
            assert_eq!(shelf.scan().ended, Ended::Complete);
            let (found, albums) = (shelf.totals(), shelf.albums());
            assert_eq!(found.tracks as usize, Fixture::TRACKS + heads.len());
            assert_eq!(albums["First Album"].2, 3);
            assert_eq!(shelf.item("huge.flac").size_bytes, 1 << 40);
            assert_eq!(shelf.scan().changed, 0);
        });
    }

    async fn a_file_that_vanishes_in_the_middle_of_a_scan_takes_nothing_with_it(backend: Backend) {
        plain(|| {
            let shelf = Shelf::new(&backend);
            let known = "Music/The Band/First Album/02 Middle.mp3";
            let before = shelf.item(known);
            let bytes = fs::read(shelf.path(known)).unwrap();
            fs::write(shelf.path(known), &bytes).unwrap();
            set_modified(&shelf.path(known), 70);
            shelf.fixture.write("Music/New/01 Fleeting.mp3", &bytes);
            shelf.fixture.write("Music/New/02 Lasting.mp3", &bytes);
            // All was seen, and nothing was read yet.
            let outcome = scan(&shelf.db, shelf.library.key, |progress| {
                if progress.total > 0 && progress.changed == 0 {
                    fs::remove_file(shelf.path(known)).unwrap();
                    fs::remove_file(shelf.path("Music/New/01 Fleeting.mp3")).unwrap();
                }
                ControlFlow::Continue(())
            });
            assert_eq!(outcome.unwrap().ended, Ended::Complete);
            assert_eq!(shelf.item(known).revision, before.revision);
            assert!(shelf.find("Music/New/01 Fleeting.mp3").is_none());
            shelf.item("Music/New/02 Lasting.mp3");
            fs::write(shelf.path(known), &bytes).unwrap();
            shelf.scan();
            assert_eq!(shelf.item(known).id, before.id);
            assert_eq!(shelf.albums()["First Album"].2, 4);
        });
    }

    async fn what_the_disk_does_not_give_keeps_its_tags_and_is_read_when_it_does(backend: Backend) {
        plain(|| {
            let shelf = Shelf::new(&backend);
            let known = "Music/The Band/First Album/02 Middle.mp3";
            let (before, bytes) = (shelf.item(known), fs::read(shelf.path(known)).unwrap());
            set_modified(&shelf.path(known), 80);
            shelf.fixture.write("Music/New/05 Middle.mp3", &bytes);
            let (old, new) = (shelf.path(known), shelf.path("Music/New/05 Middle.mp3"));
            let allow = |mode| [&old, &new].map(|path| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap());
            allow(0o000);
            let title = |path: &str| {
                let key = shelf.item(path).key.0;
                shelf.read(move |tx| {
                    tx.one("SELECT title FROM track WHERE item_id = $1", args![key], |row| row.get::<String>(0))
                })
            };
            let outcome = shelf.scan_unprivileged();
            assert_eq!((outcome.ended, outcome.broken), (Ended::Complete, 2));
            assert_eq!((title(known).as_str(), title("Music/New/05 Middle.mp3").as_str()), ("Middle", "05 Middle"));
            assert_eq!(shelf.item(known).revision, before.revision);
            let revision = shelf.revision();
            assert_eq!(shelf.scan_unprivileged().changed, 0);
            assert_eq!(shelf.revision(), revision, "to try again changes nothing");
            allow(0o644);
            shelf.scan();
            assert_eq!((title(known).as_str(), title("Music/New/05 Middle.mp3").as_str()), ("Middle", "Middle"));
            assert!(shelf.item(known).revision > before.revision);
            assert_eq!(shelf.scan().changed, 0);
        });
    }

    async fn one_path_is_indexed_at_once(backend: Backend) {
        plain(|| {
            let shelf = Shelf::new(&backend);
            let index = |path: &str| {
                let path: Vec<Vec<u8>> = path.split('/').map(|name| name.as_bytes().to_vec()).collect();
                scan_path(&shelf.db, shelf.library.key, &path).unwrap()
            };
            shelf.fixture.song("new/deep/song.flac", &[(Field::TrackTitle, "New"), (Field::AlbumTitle, "New Album")]);
            let song = index("new/deep/song.flac").unwrap();
            assert_eq!(shelf.item("new/deep/song.flac").id, song.id);
            assert_eq!(shelf.albums()["New Album"].2, 1);

            fs::rename(shelf.path("new/deep"), shelf.path("pub/moved")).unwrap();
            index("pub/moved").unwrap();
            assert_eq!(shelf.item("pub/moved/song.flac").id, song.id);
            assert!(shelf.find("new/deep").is_none());

            fs::remove_dir_all(shelf.path("pub/moved")).unwrap();
            assert!(index("pub/moved").is_none());
            assert!(shelf.find("pub/moved").is_none());
            assert!(index("pub/.hidden").is_none());
            assert!(!shelf.albums().contains_key("New Album"));
            let missing = scan_path(&shelf.db, shelf.library.key, &[b"nowhere".to_vec(), b"x".to_vec()]);
            assert!(matches!(missing, Err(Error::NotFound(_))));
            assert_eq!(shelf.item("pub/open.txt").revision, 1);
            // The folder "new" and the root changed their times; nothing else is left to do.
            assert!(shelf.scan().changed <= 2);
        });
    }

    async fn placed_items_know_their_way_up(backend: Backend) {
        plain(|| {
            let shelf = Shelf::new(&backend);
            let song = shelf.item("Music/The Band/First Album/01 Opening.flac");
            let placed = { let song = song.clone(); shelf.read(move |tx| library::place(tx, song, &[])) };
            let names: [&[u8]; 4] = [b"Music", b"The Band", b"First Album", b"01 Opening.flac"];
            assert_eq!(placed.path, names);
            let chain = [&song, &shelf.item("Music/The Band/First Album"), &shelf.item("Music/The Band"),
                         &shelf.item("Music"), &shelf.item("")].map(|item| item.key);
            assert_eq!(placed.chain, chain);
            assert_eq!(placed.artists.len(), 3);
            assert!(placed.album.is_some());
            let folder = shelf.item("Music/The Band");
            shelf.db.write_blocking(move |tx| {
                tx.run("UPDATE item SET trashed_ms = 1 WHERE id = $1", args![folder.key.0])
            }).unwrap();
            let hidden = shelf.db.read_blocking(move |tx| library::place(tx, song, &[]));
            assert!(matches!(hidden, Err(Error::NotFound(_))), "its folder is in the trash");
        });
    }

    async fn a_single_item_is_all_of_its_library(backend: Backend) {
        plain(|| {
            let shelf = Shelf::unscanned(&backend);
            let new = NewLibrary {
                kind: LibraryKind::Single,
                root: shelf.fixture.root.clone(),
                only: Some(b"pub".to_vec()),
                ..new_library("pub")
            };
            let single = insert(&shelf.db, new).unwrap();
            scan(&shelf.db, single.key, |_| ControlFlow::Continue(())).unwrap();
            let totals = shelf.read(move |tx| {
                let root = library::root_item(tx, single.key)?;
                library::totals(tx, root.key)
            });
            assert_eq!((totals.folders, totals.files), (1, 1));
        });
    }

    async fn libraries_are_named_once_and_removed_whole(backend: Backend) {
        plain(|| {
            let shelf = Shelf::new(&backend);
            assert!(matches!(insert(&shelf.db, new_library("SHELF")), Err(Error::Exists(_))));
            let key = shelf.library.key;
            shelf.db.write_blocking(move |tx| library::update(tx, key, "Renamed", Access::Writable, 2)).unwrap();
            assert_eq!(shelf.item("").shown, "Renamed");
            shelf.db.write_blocking(move |tx| library::remove(tx, key)).unwrap();
            let left: i64 = shelf.read(|tx| tx.one(
                "SELECT (SELECT COUNT(*) FROM item) + (SELECT COUNT(*) FROM album) + (SELECT COUNT(*) FROM artist)
                      + (SELECT COUNT(*) FROM track) + (SELECT COUNT(*) FROM rights)",
                args![],
                |row| row.get(0),
            ));
            assert_eq!(left, 0);
        });
    }

    async fn the_scanner_scans_when_asked_and_when_it_hears_of_changes(backend: Backend) {
        plain(|| {
            let shelf = Shelf::unscanned(&backend);
            let scanner = Scanner::start(shelf.db.clone(), Duration::from_secs(3600)).unwrap();
            // Whoever looks without a pause keeps the scan from the processor.
            let until = |what: &str, is_so: &dyn Fn() -> bool| {
                let patience = Instant::now() + PATIENCE;
                while !is_so() || scanner.status().is_scanning {
                    assert!(Instant::now() < patience, "{what}");
                    thread::sleep(Duration::from_millis(10));
                }
            };
            until("the first scan", &|| shelf.find("pub/open.txt").is_some());
            assert_eq!(scanner.status().count as usize, Fixture::ITEMS + 1);
            assert!(scanner.status().last_ms.is_some());
            let is_heard = |path: &str| {
                shelf.fixture.write(path, b"heard");
                until(path, &|| shelf.find(path).is_some());
            };
            is_heard("pub/heard.txt");
            is_heard("pub/new/folder/first.txt");
            is_heard("pub/new/folder/second.txt");
            fs::rename(shelf.fixture.path("pub/new"), shelf.fixture.path("moved")).unwrap();
            is_heard("moved/folder/third.txt");
            is_heard("moved/folder/within/fourth.txt");
            is_heard("moved/folder/within/fifth.txt");
        });
    }
}

#[test]
fn pictures_are_taken_out_of_audio_files() {
    let folder = TempDir::new().unwrap();
    let fixture = Fixture::build(folder.path());
    let open = |path: &str| fs::File::open(fixture.path(path)).unwrap();
    let found = openshelf::library::tags::cover(open("Music/The Band/First Album/02 Middle.mp3"), b"02 Middle.mp3");
    assert_eq!(found, Some(("image/png".to_owned(), fixture::png())));
    let none = openshelf::library::tags::cover(open("Music/The Band/First Album/01 Opening.flac"), b"01 Opening.flac");
    assert_eq!(none, None);
}

#[test]
fn progress_only_grows() {
    let backend = Backend::sqlite();
    let shelf = Shelf::unscanned(&backend);
    let last = AtomicU64::new(0);
    scan(&shelf.db, shelf.library.key, |progress| {
        assert!(progress.changed >= last.swap(progress.changed, Ordering::Relaxed));
        assert!(progress.total == 0 || progress.changed <= progress.total);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(last.load(Ordering::Relaxed) as usize >= Fixture::ITEMS);
    let _: ItemKey = shelf.item("pub").key;
}
