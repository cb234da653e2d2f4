//! What users do with their own files, on real rows and a real disk.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use openshelf::App;
use openshelf::account::{Allowed, Roles, User};
use openshelf::args;
use openshelf::config::Given;
use openshelf::error::{Error, Result, Thing};
use openshelf::library::{Item, Library, LibraryKind, Media};
use openshelf::share::{Bits, Subject};
use openshelf::store::accounts::{self, NewUser, StoredPassword};
use openshelf::store::library::{NewLibrary, Totals};
use openshelf::store::{Tx, library, rights, uploads};
use openshelf::work::files::{self, Place};
use openshelf::work::scan::scan;
use openshelf::work::upload::{self, Begin, OnConflict, Progress};
use tempfile::TempDir;

use crate::engines::Backend;
use crate::{both_engines, fixture};

/// Two users with homes, one library to read and one that the first user may write to.
struct House {
    app: Arc<App>,
    user: User,
    other: User,
    folder: TempDir,
}

async fn open(backend: &Backend, data: &Path) -> Arc<App> {
    let given = Given { data: Some(data.to_owned()), ..Given::default() };
    let mut config = given.resolve(None).unwrap();
    config.database = backend.database().clone();
    tokio::task::spawn_blocking(|| App::open(config).unwrap()).await.unwrap()
}

impl House {
    async fn new(backend: &Backend) -> House {
        let folder = TempDir::new().unwrap();
        for name in ["user", "other", "music", "band", "data"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let app = open(backend, &folder.path().join("data")).await;
        let roots = ["user", "other", "music", "band"].map(|name| folder.path().join(name));
        let (user, other) =
            app.db.write(move |tx| Ok((person(tx, "user", &roots)?, person(tx, "other", &roots)?))).await.unwrap();
        let key = user.key;
        let roots = ["music", "band"].map(|name| (name, folder.path().join(name)));
        app.db
            .write(move |tx| {
                for (name, root) in roots {
                    let made = library::insert(tx, &new_library(name, root, LibraryKind::Folder, name == "band"), 1)?;
                    rights::set(tx, made.key, &Subject::User(key), Bits::ALL)?;
                }
                Ok(())
            })
            .await
            .unwrap();
        House { app, user, other, folder }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    async fn read<T: Send + 'static>(&self, work: impl FnOnce(&mut Tx) -> Result<T> + Send + 'static) -> Result<T> {
        self.app.db.read(work).await
    }

    async fn at(&self, path: &str) -> Result<Place> {
        let (user, path) =
            (self.user.clone(), path.split('/').filter(|n| !n.is_empty()).map(str::to_owned).collect::<Vec<_>>());
        self.read(move |tx| files::by_path(tx, &user, &path)).await
    }

    async fn item(&self, path: &str) -> Item {
        match self.at(path).await {
            Ok(Place::Item(item)) => item,
            other => panic!("{path}: {other:?}"),
        }
    }

    async fn names(&self, path: &str) -> Vec<String> {
        let (user, place) = (self.user.clone(), self.at(path).await.unwrap());
        let entries = self.read(move |tx| files::children_of(tx, &user, &place)).await.unwrap();
        entries.into_iter().map(|entry| entry.shown).collect()
    }

    async fn put(&self, path: &str, content: &str) -> Item {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let begin = Begin { into: self.at(folder).await.unwrap(), name: name.to_owned(), ..begin(content.len()) };
        upload::whole(&self.app, &self.user, begin, Body::from(content.to_owned())).await.unwrap()
    }

    async fn folder(&self, path: &str) -> Item {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        files::create_folder(&self.app, &self.user, &self.at(folder).await.unwrap(), name).await.unwrap()
    }

    /// What the home's hidden folder holds besides the trash.
    fn temporaries(&self) -> usize {
        match fs::read_dir(self.path("user/.openshelf")) {
            Ok(entries) => entries.filter(|entry| entry.as_ref().unwrap().file_name() != "trash").count(),
            Err(_) => 0,
        }
    }

    /// Public id, name, folder, size and revision of all that is there.
    async fn rows(&self) -> BTreeMap<String, (String, Option<i64>, i64, i64, Option<i64>)> {
        let rows = self.read(|tx| {
            tx.all(
                "SELECT public_id, shown, parent_id, size_bytes, revision, trashed_ms FROM item
                 WHERE missing_ms IS NULL AND kind = 1 ORDER BY id",
                args![],
                |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))),
            )
        });
        rows.await.unwrap().into_iter().collect()
    }

    /// What was written to the rows is what a scan finds on the disk.
    async fn assert_rows_are_the_disk(&self) {
        let before = self.rows().await;
        let libraries = self.read(library::all).await.unwrap();
        let db = self.app.db.clone();
        tokio::task::spawn_blocking(move || {
            for library in libraries {
                scan(&db, library.key, |_| ControlFlow::Continue(())).unwrap();
            }
        })
        .await
        .unwrap();
        assert_eq!(self.rows().await, before);
    }
}

fn person(tx: &mut Tx, name: &str, roots: &[PathBuf]) -> Result<User> {
    let password = StoredPassword { hash: String::new(), sealed: None };
    let mail = format!("{name}@example.org");
    let id = format!("u{name:0>16}");
    let allowed = Allowed::of(Roles::USER);
    let new =
        NewUser { id: &id, name, mail: &mail, display_name: name, allowed: &allowed, password: &password, now_ms: 1 };
    let key = accounts::insert(tx, &new)?;
    let root = roots.iter().find(|root| root.ends_with(name)).unwrap();
    let home = NewLibrary { owner: Some(key), ..new_library(name, root.clone(), LibraryKind::Home, true) };
    library::insert(tx, &home, 1)?;
    Ok(accounts::by_key(tx, key)?.unwrap())
}

fn new_library(name: &str, root: PathBuf, kind: LibraryKind, writable: bool) -> NewLibrary {
    NewLibrary { name: name.to_owned(), kind, owner: None, root, only: None, writable }
}

fn begin(size_bytes: usize) -> Begin {
    let stream = Begin::stream(Place::Root, "file.bin".to_owned(), OnConflict::Refuse);
    Begin { size_bytes: Some(size_bytes as u64), chunk_bytes: 4, ..stream }
}

fn unsized_begin() -> Begin {
    Begin { size_bytes: None, chunk_bytes: 0, ..begin(0) }
}

/// Says some bytes, then dies.
fn broken(bytes: &'static str) -> Body {
    Body::from_stream(stream::iter([Ok(Bytes::from_static(bytes.as_bytes())), Err(io::Error::other("gone"))]))
}

fn received(progress: Progress) -> u64 {
    match progress {
        Progress::More { received_bytes } => received_bytes,
        Progress::Done(item) => panic!("done: {item:?}"),
    }
}

fn done(progress: Progress) -> Item {
    match progress {
        Progress::Done(item) => item,
        more => panic!("{more:?}"),
    }
}

#[track_caller]
fn is_invalid<T: std::fmt::Debug>(answer: Result<T>, expected: &str) {
    assert!(matches!(&answer, Err(Error::Invalid { what, .. }) if *what == expected), "{answer:?}");
}

#[track_caller]
fn is_missing<T: std::fmt::Debug>(answer: Result<T>, expected: Thing) {
    assert!(matches!(&answer, Err(Error::NotFound(thing)) if *thing == expected), "{answer:?}");
}

#[track_caller]
fn exists<T: std::fmt::Debug>(answer: Result<T>) {
    assert!(matches!(answer, Err(Error::Exists(_))), "{answer:?}");
}

#[track_caller]
fn is_forbidden<T: std::fmt::Debug>(answer: Result<T>) {
    assert!(matches!(answer, Err(Error::Forbidden(_))), "{answer:?}");
}

#[track_caller]
fn is_full<T: std::fmt::Debug>(answer: Result<T>) {
    assert!(matches!(answer, Err(Error::NoSpace)), "{answer:?}");
}

both_engines! {
    async fn a_user_has_so_many_uploads_under_way_and_no_more(backend: Backend) {
        let house = House::new(&backend).await;
        let first = upload::begin(&house.app, &house.user, begin(10)).await.unwrap();
        let user = house.user.key;
        let more = move |tx: &mut Tx| {
            let begun = uploads::list(tx, user, openshelf::now_ms())?.remove(0);
            (1..upload::MOST_OPEN).try_for_each(|number| {
                let another = uploads::Session { id: format!("another{number}"), ..begun.clone() };
                uploads::insert(tx, &another, openshelf::now_ms())
            })
        };
        house.app.db.write(more).await.unwrap();
        let one_more = upload::begin(&house.app, &house.user, begin(10)).await;
        assert!(matches!(one_more, Err(Error::Forbidden(_))), "{one_more:?}");
        let whole = upload::whole(&house.app, &house.user, begin(1), Body::from("a")).await;
        assert!(matches!(whole, Err(Error::Forbidden(_))), "{whole:?}");
        upload::cancel(&house.app, &house.user, &first.id).await.unwrap();
        upload::begin(&house.app, &house.user, begin(10)).await.unwrap();
    }

    async fn chunks_come_in_any_order_and_at_once(backend: Backend) {
        let house = House::new(&backend).await;
        let content: Vec<u8> = (0..100_003u32).map(|n| (n % 251) as u8).collect();
        let begin = Begin { chunk_bytes: 9_000, modified_ms: Some(1_000_000_000_123), ..begin(content.len()) };
        let open = upload::begin(&house.app, &house.user, begin).await.unwrap();
        let chunks: Vec<(u64, Body)> =
            content.chunks(9_000).enumerate().rev().map(|(index, part)| (index as u64, Body::from(part.to_vec()))).collect();
        let sent = chunks.into_iter().map(|(index, body)| {
            let (app, user, id) = (&house.app, &house.user, &open.id);
            async move { upload::write_chunk(app, user, id, index, body, None).await.unwrap() }
        });
        let ends: Vec<Item> = join_all(sent)
            .await
            .into_iter()
            .filter_map(|progress| if let Progress::Done(item) = progress { Some(item) } else { None })
            .collect();
        assert_eq!(ends.len(), 1);
        assert_eq!((ends[0].size_bytes, ends[0].modified_ms), (100_003, 1_000_000_000_123));
        assert_eq!(fs::read(house.path("user/file.bin")).unwrap(), content);
        assert_eq!(house.temporaries(), 0);
        let user = house.user.clone();
        assert!(house.read(move |tx| upload::list(tx, &user)).await.unwrap().is_empty());
        house.assert_rows_are_the_disk().await;
    }

    async fn an_upload_goes_on_after_a_restart(backend: Backend) {
        let mut house = House::new(&backend).await;
        let open_upload = upload::begin(&house.app, &house.user, begin(10)).await.unwrap();
        let id = open_upload.id.as_str();
        let sent = upload::write_chunk(&house.app, &house.user, id, 2, Body::from("89"), Some(2)).await.unwrap();
        assert_eq!(received(sent), 2);
        house.app.db.close();
        house.app = open(&backend, &house.path("data")).await;
        upload::sweep_at_start(&house.app).await.unwrap();
        let (user, wanted) = (house.user.clone(), id.to_owned());
        let (again, _) = house.read(move |tx| upload::by_id(tx, &user, &wanted)).await.unwrap();
        assert_eq!((again.received_bytes, again.size_bytes, again.chunk_bytes), (2, Some(10), 4));
        let sent = upload::write_chunk(&house.app, &house.user, id, 0, Body::from("0123"), None).await.unwrap();
        assert_eq!(received(sent), 6);
        is_invalid(upload::finish(&house.app, &house.user, id).await, "upload");
        let sent = upload::write_chunk(&house.app, &house.user, id, 1, Body::from("4567"), None).await.unwrap();
        assert_eq!(done(sent).size_bytes, 10);
        assert_eq!(fs::read(house.path("user/file.bin")).unwrap(), b"0123456789");
    }

    async fn a_file_of_no_bytes_is_a_file(backend: Backend) {
        let house = House::new(&backend).await;
        let open = upload::begin(&house.app, &house.user, begin(0)).await.unwrap();
        let sent = upload::write_chunk(&house.app, &house.user, &open.id, 0, Body::empty(), Some(0)).await.unwrap();
        assert_eq!(done(sent).size_bytes, 0);
        assert_eq!(house.put("whole", "").await.size_bytes, 0);
        let made = files::create_file(&house.app, &house.user, &Place::Root, "made").await.unwrap();
        assert_eq!((made.size_bytes, made.shown.as_str()), (0, "made"));
        assert_eq!(house.names("").await, ["band", "music", "file.bin", "made", "whole"]);
        house.assert_rows_are_the_disk().await;
    }

    async fn a_bad_chunk_changes_nothing(backend: Backend) {
        let house = House::new(&backend).await;
        let open = upload::begin(&house.app, &house.user, begin(10)).await.unwrap();
        let send = async |index: u64, body: Body, declared: Option<u64>| {
            upload::write_chunk(&house.app, &house.user, &open.id, index, body, declared).await
        };
        assert_eq!(received(send(1, Body::from("4567"), Some(4)).await.unwrap()), 4);
        is_invalid(send(0, Body::from("012"), None).await, "chunk length");
        is_invalid(send(0, Body::from("01234"), None).await, "chunk length");
        is_invalid(send(0, Body::from("0123"), Some(3)).await, "chunk length");
        is_invalid(send(0, Body::from("012"), Some(4)).await, "chunk length");
        is_invalid(send(2, Body::from("8901"), None).await, "chunk length");
        is_invalid(send(3, Body::empty(), None).await, "chunk index");
        is_invalid(send(u64::MAX, Body::from("0123"), None).await, "chunk index");
        is_invalid(send(u64::MAX / 4, Body::from("0123"), None).await, "chunk index");
        is_invalid(send(0, broken("xy"), None).await, "body");
        is_invalid(send(0, broken("xyzu"), None).await, "body");
        let (user, id) = (house.user.clone(), open.id.clone());
        let (still, _) = house.read(move |tx| upload::by_id(tx, &user, &id)).await.unwrap();
        assert_eq!(still.received_bytes, 4);
        // What was acknowledged stays, whatever comes in its place later.
        assert_eq!(received(send(1, Body::from("XXXX"), None).await.unwrap()), 4);
        is_invalid(send(1, broken("YY"), None).await, "body");
        send(2, Body::from("89"), None).await.unwrap();
        done(send(0, Body::from("0123"), None).await.unwrap());
        assert_eq!(fs::read(house.path("user/file.bin")).unwrap(), b"0123456789");
        is_missing(send(0, Body::from("0123"), None).await, Thing::Upload);
        assert_eq!(house.temporaries(), 0);
    }

    async fn a_stream_at_offsets_ends_when_its_client_says_so(backend: Backend) {
        let house = House::new(&backend).await;
        let open = upload::begin(&house.app, &house.user, unsized_begin()).await.unwrap();
        let write = async |offset: u64, body: Body| upload::write_at(&house.app, &house.user, &open.id, offset, body).await;
        assert_eq!(write(0, Body::from("hello ")).await.unwrap(), 6);
        is_invalid(write(6, broken("wor and much more than that")).await, "body");
        assert_eq!(write(6, Body::from("world")).await.unwrap(), 11);
        assert_eq!(write(0, Body::empty()).await.unwrap(), 11);
        is_invalid(write(u64::MAX, Body::from("x")).await, "offset");
        assert_eq!(write(20, Body::from("far")).await.unwrap(), 14);
        is_invalid(upload::finish(&house.app, &house.user, &open.id).await, "upload");
        assert_eq!(write(11, Body::from(", and so ")).await.unwrap(), 23);
        is_invalid(upload::write_chunk(&house.app, &house.user, &open.id, 0, Body::empty(), None).await, "chunk index");
        let item = upload::finish(&house.app, &house.user, &open.id).await.unwrap();
        assert_eq!(item.size_bytes, 23);
        assert_eq!(fs::read(house.path("user/file.bin")).unwrap(), b"hello world, and so far");
        is_missing(upload::finish(&house.app, &house.user, &open.id).await, Thing::Upload);
    }

    async fn a_stop_between_the_name_and_the_rows_loses_nothing(backend: Backend) {
        let house = House::new(&backend).await;
        let open = upload::begin(&house.app, &house.user, unsized_begin()).await.unwrap();
        upload::write_at(&house.app, &house.user, &open.id, 0, Body::from("whole")).await.unwrap();
        let hidden = fs::read_dir(house.path("user/.openshelf")).unwrap().map(|entry| entry.unwrap().path());
        let temporary = hidden.into_iter().find(|path| path.is_file()).unwrap();
        fs::rename(temporary, house.path("user/file (2).bin")).unwrap();
        let item = upload::finish(&house.app, &house.user, &open.id).await.unwrap();
        assert_eq!(item.shown, "file (2).bin", "as it was called before the machine stopped");
        assert_eq!(fs::read(house.path("user/file (2).bin")).unwrap(), b"whole");
        house.assert_rows_are_the_disk().await;
        is_missing(upload::finish(&house.app, &house.user, &open.id).await, Thing::Upload);
    }

    async fn what_a_broken_body_left_is_cut_off(backend: Backend) {
        let house = House::new(&backend).await;
        let open = upload::begin(&house.app, &house.user, unsized_begin()).await.unwrap();
        // More than is held in memory, so that some of it was written.
        let pieces = (0..3).map(|_| Ok(Bytes::from(vec![b'x'; 700_000]))).chain([Err(io::Error::other("gone"))]);
        let body = Body::from_stream(stream::iter(pieces.collect::<Vec<_>>()));
        is_invalid(upload::write_at(&house.app, &house.user, &open.id, 0, body).await, "body");
        upload::write_at(&house.app, &house.user, &open.id, 0, Body::from("short")).await.unwrap();
        upload::finish(&house.app, &house.user, &open.id).await.unwrap();
        assert_eq!(fs::read(house.path("user/file.bin")).unwrap(), b"short");
    }

    async fn sizes_that_cannot_be_are_refused(backend: Backend) {
        let house = House::new(&backend).await;
        for (size_bytes, chunk_bytes) in [(Some(u64::MAX), 4), (Some(4), u64::MAX), (Some(1 << 63), 0)] {
            let begun = upload::begin(&house.app, &house.user, Begin { size_bytes, chunk_bytes, ..begin(0) }).await;
            assert!(matches!(begun, Err(Error::TooLarge { .. })), "{begun:?}");
        }
        is_full(upload::begin(&house.app, &house.user, Begin { size_bytes: Some(1 << 62), ..begin(0) }).await);
        for modified_ms in [-1, i64::MAX, i64::MIN] {
            let begun = upload::begin(&house.app, &house.user, Begin { modified_ms: Some(modified_ms), ..begin(1) }).await;
            is_invalid(begun, "modified");
        }
        let short = upload::whole(&house.app, &house.user, begin(5), Body::from("1234")).await;
        is_invalid(short, "chunk length");
        is_invalid(upload::whole(&house.app, &house.user, begin(5), Body::from("123456")).await, "chunk length");
        is_invalid(upload::whole(&house.app, &house.user, begin(5), broken("12345")).await, "body");
        assert_eq!(house.temporaries(), 0);
        let left = fs::read_dir(house.path("user")).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(left.into_iter().all(|name| name == ".openshelf"), "nothing but the hidden folder");
        assert_eq!(house.names("").await, ["band", "music"]);
    }

    async fn a_quota_counts_the_home_and_what_is_on_its_way(backend: Backend) {
        let mut house = House::new(&backend).await;
        house.put("ten", "0123456789").await;
        house.user.quota_bytes = Some(20);
        let user = house.user.clone();
        let usage = house.read(move |tx| files::usage(tx, &user)).await.unwrap();
        assert_eq!((usage.used_bytes, usage.total_bytes), (10, 20));
        is_full(upload::begin(&house.app, &house.user, begin(11)).await);
        let open = upload::begin(&house.app, &house.user, begin(6)).await.unwrap();
        is_full(upload::whole(&house.app, &house.user, Begin { name: "more".to_owned(), ..begin(5) }, Body::from("12345")).await);
        let stream = upload::begin(&house.app, &house.user, Begin { name: "s".to_owned(), ..unsized_begin() }).await.unwrap();
        let write = async |offset: u64, text: &'static str| {
            upload::write_at(&house.app, &house.user, &stream.id, offset, Body::from(text)).await
        };
        assert_eq!(write(0, "123").await.unwrap(), 3);
        is_full(write(3, "45").await);
        is_full(write(1_000_000, "4").await);
        assert_eq!(write(3, "4").await.unwrap(), 4);
        let unsized_whole = Begin { name: "w".to_owned(), ..unsized_begin() };
        is_full(upload::whole(&house.app, &house.user, unsized_whole, Body::from("1")).await);
        let ten = house.item("ten").await;
        let copy = files::copy_into(&house.app, &house.user, &ten.id, &house.at("band").await.unwrap()).await.unwrap();
        let copy = files::rename(&house.app, &house.user, &copy.id, "copy").await.unwrap();
        is_full(files::copy_into(&house.app, &house.user, &copy.id, &Place::Root).await);
        is_full(files::move_into(&house.app, &house.user, &copy.id, &Place::Root).await);
        upload::cancel(&house.app, &house.user, &open.id).await.unwrap();
        upload::cancel(&house.app, &house.user, &stream.id).await.unwrap();
        assert_eq!(house.put("last", "0123456789").await.size_bytes, 10);
        let item = house.item("last").await;
        let replaced = upload::replace(&house.app, &house.user, &item.id, None, Body::from("9876543210"), None).await;
        assert_eq!(replaced.unwrap().id, item.id, "a file of the same size takes the place of the old one");
        is_full(upload::replace(&house.app, &house.user, &item.id, None, Body::from("98765432101"), None).await);
        assert_eq!(fs::read(house.path("user/last")).unwrap(), b"9876543210");
        assert_eq!(house.temporaries(), 0);
    }

    async fn nobody_reaches_the_upload_or_files_of_another(backend: Backend) {
        let house = House::new(&backend).await;
        let open = upload::begin(&house.app, &house.user, begin(4)).await.unwrap();
        let other = &house.other;
        is_missing(upload::write_chunk(&house.app, other, &open.id, 0, Body::from("0123"), None).await, Thing::Upload);
        is_missing(upload::write_at(&house.app, other, &open.id, 0, Body::from("0123")).await, Thing::Upload);
        is_missing(upload::finish(&house.app, other, &open.id).await, Thing::Upload);
        is_missing(upload::cancel(&house.app, other, &open.id).await, Thing::Upload);
        let (user, id) = (other.clone(), open.id.clone());
        is_missing(house.read(move |tx| upload::by_id(tx, &user, &id)).await, Thing::Upload);
        done(upload::write_chunk(&house.app, &house.user, &open.id, 0, Body::from("0123"), None).await.unwrap());

        let item = house.item("file.bin").await;
        let folder = house.folder("private").await;
        is_missing(files::rename(&house.app, other, &item.id, "mine").await, Thing::File);
        is_missing(files::move_into(&house.app, other, &item.id, &Place::Root).await, Thing::File);
        is_missing(files::copy_into(&house.app, other, &item.id, &Place::Root).await, Thing::File);
        is_missing(files::trash(&house.app, other, &item.id).await, Thing::File);
        is_missing(files::purge(&house.app, other, &item.id).await, Thing::File);
        is_missing(files::set_modified(&house.app, other, &item.id, 1).await, Thing::File);
        is_missing(upload::replace(&house.app, other, &item.id, None, Body::from("x"), None).await, Thing::File);
        let into = Place::Item(folder.clone());
        is_missing(files::create_folder(&house.app, other, &into, "x").await, Thing::Folder);
        is_missing(upload::begin(&house.app, other, Begin { into, ..begin(1) }).await, Thing::Folder);
        files::trash(&house.app, &house.user, &item.id).await.unwrap();
        is_missing(files::restore(&house.app, other, &item.id).await, Thing::File);
        is_missing(files::purge(&house.app, other, &item.id).await, Thing::File);
        let user = other.clone();
        assert!(house.read(move |tx| files::trashed(tx, &user)).await.unwrap().is_empty());
        files::restore(&house.app, &house.user, &item.id).await.unwrap();
        assert_eq!(fs::read(house.path("user/file.bin")).unwrap(), b"0123");
    }

    async fn a_library_that_may_only_be_read_is_only_read(backend: Backend) {
        let house = House::new(&backend).await;
        let music = house.at("music").await.unwrap();
        is_forbidden(files::create_folder(&house.app, &house.user, &music, "x").await);
        is_forbidden(upload::begin(&house.app, &house.user, Begin { into: music, ..begin(1) }).await);
        for name in ["music", "band"] {
            let root = house.item(name).await;
            is_forbidden(files::rename(&house.app, &house.user, &root.id, "x").await);
            is_forbidden(files::move_into(&house.app, &house.user, &root.id, &Place::Root).await);
            is_forbidden(files::trash(&house.app, &house.user, &root.id).await);
            is_forbidden(files::purge(&house.app, &house.user, &root.id).await);
        }
        let user = house.user.clone();
        let home = house.read(move |tx| files::home_root(tx, &user)).await.unwrap();
        is_forbidden(files::trash(&house.app, &house.user, &home.id).await);
        assert!(house.path("user").exists() && house.path("band").exists());
    }

    async fn what_happens_to_a_taken_name_is_the_clients_choice(backend: Backend) {
        let house = House::new(&backend).await;
        let first = house.put("song.txt", "one").await;
        let send = async |on_conflict: OnConflict, text: &'static str| {
            let begin = Begin { name: "song.txt".to_owned(), on_conflict, ..begin(text.len()) };
            upload::whole(&house.app, &house.user, begin, Body::from(text)).await
        };
        exists(send(OnConflict::Refuse, "two").await);
        assert_eq!(fs::read(house.path("user/song.txt")).unwrap(), b"one");
        let numbered = send(OnConflict::Rename, "three").await.unwrap();
        assert_eq!(numbered.shown, "song (2).txt");
        let both = join_all([send(OnConflict::Rename, "four"), send(OnConflict::Rename, "five")]).await;
        let mut names: Vec<String> = both.into_iter().map(|item| item.unwrap().shown).collect();
        names.sort();
        assert_eq!(names, ["song (3).txt", "song (4).txt"]);
        let replaced = send(OnConflict::Replace, "six").await.unwrap();
        assert_eq!(replaced.id, first.id);
        assert!(replaced.revision > first.revision);
        assert_eq!(fs::read(house.path("user/song.txt")).unwrap(), b"six");
        house.folder("folder").await;
        let onto = Begin { name: "folder".to_owned(), on_conflict: OnConflict::Replace, ..begin(1) };
        exists(upload::whole(&house.app, &house.user, onto, Body::from("x")).await);

        // A name that is taken while the upload goes on: the upload waits for its client to decide.
        let open = upload::begin(&house.app, &house.user, Begin { name: "late".to_owned(), ..begin(4) }).await.unwrap();
        house.put("late", "x").await;
        exists(upload::write_chunk(&house.app, &house.user, &open.id, 0, Body::from("0123"), None).await);
        exists(upload::finish(&house.app, &house.user, &open.id).await);
        let late = house.item("late").await;
        files::rename(&house.app, &house.user, &late.id, "early").await.unwrap();
        assert_eq!(upload::finish(&house.app, &house.user, &open.id).await.unwrap().shown, "late");
        assert_eq!(fs::read(house.path("user/late")).unwrap(), b"0123");
        house.assert_rows_are_the_disk().await;
    }

    async fn of_two_who_replace_what_they_saw_one_does(backend: Backend) {
        let house = House::new(&backend).await;
        let seen = house.put("note", "old").await;
        let replace = async |text: &'static str| {
            let body = Body::from_stream(stream::iter([Ok::<_, io::Error>(Bytes::from_static(text.as_bytes()))]));
            upload::replace(&house.app, &house.user, &seen.id, Some(seen.revision), body, Some(5_000)).await
        };
        let answers = join_all([replace("left"), replace("right")]).await;
        let (good, bad): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert!(matches!(bad[..], [Err(Error::Conflict(Thing::Version))]), "{bad:?}");
        let now = good.into_iter().next().unwrap().unwrap();
        assert_eq!((now.id.as_str(), now.modified_ms), (seen.id.as_str(), 5_000));
        assert!(now.revision > seen.revision);
        assert!(matches!(replace("late").await, Err(Error::Conflict(Thing::Version))));
        let content = fs::read_to_string(house.path("user/note")).unwrap();
        assert_eq!(content.len() as u64, now.size_bytes);
        assert!(["left", "right"].contains(&content.as_str()));
        assert_eq!(house.temporaries(), 0);
        house.assert_rows_are_the_disk().await;
    }

    async fn hostile_names_make_nothing(backend: Backend) {
        let house = House::new(&backend).await;
        let item = house.put("file", "x").await;
        let long = "x".repeat(256);
        for name in ["", ".", "..", "a/b", "/", "../up", "nul\0", "line\nbreak", "tab\t", "\u{85}", ".hidden", ".openshelf", &long] {
            is_invalid(files::create_folder(&house.app, &house.user, &Place::Root, name).await, "file name");
            is_invalid(files::create_file(&house.app, &house.user, &Place::Root, name).await, "file name");
            is_invalid(files::rename(&house.app, &house.user, &item.id, name).await, "file name");
            let begin = Begin { name: name.to_owned(), ..begin(1) };
            is_invalid(upload::begin(&house.app, &house.user, begin.clone()).await, "file name");
            is_invalid(upload::whole(&house.app, &house.user, begin, Body::from("x")).await, "file name");
        }
        for name in ["back\\slash", "100% \"it's\" <b>", "c:", &long[1..], "\u{1f600}"] {
            assert_eq!(house.put(name, "x").await.shown, name);
        }
        assert_eq!(fs::read_dir(house.path("user")).unwrap().count(), 7);
        assert_eq!(fs::read_dir(house.folder.path()).unwrap().count(), 5);
    }

    async fn a_folder_that_is_made_here_is_no_other_one_to_the_next_scan(backend: Backend) {
        let house = House::new(&backend).await;
        house.folder("outer").await;
        let inner = house.folder("outer/inner").await;
        let (db, library) = (house.app.db.clone(), inner.library);
        let scanned = async || {
            let db = db.clone();
            tokio::task::spawn_blocking(move || scan(&db, library, |_| ControlFlow::Continue(())).unwrap()).await.unwrap()
        };
        // The two folders around a new one have other times by it; the disk's clock may stand still for so long.
        for around in ["user", "user/outer"] {
            let times = fs::FileTimes::new().set_modified(std::time::SystemTime::UNIX_EPOCH);
            fs::File::open(house.path(around)).unwrap().set_times(times).unwrap();
        }
        assert_eq!(scanned().await.changed, 2);
        assert_eq!(house.item("outer/inner").await.revision, inner.revision);
        assert_eq!(scanned().await.changed, 0);
    }

    async fn a_rename_keeps_the_item_and_never_overwrites(backend: Backend) {
        let house = House::new(&backend).await;
        let folder = house.folder("folder").await;
        let inside = house.put("folder/inside.txt", "inside").await;
        let other = house.put("other", "other").await;
        exists(files::rename(&house.app, &house.user, &folder.id, "other").await);
        exists(files::create_folder(&house.app, &house.user, &Place::Root, "folder").await);
        exists(files::create_file(&house.app, &house.user, &Place::Root, "other").await);
        // There on the disk, not yet in the rows.
        fs::write(house.path("user/unseen"), "unseen").unwrap();
        exists(files::rename(&house.app, &house.user, &other.id, "unseen").await);
        assert_eq!(fs::read(house.path("user/unseen")).unwrap(), b"unseen");
        fs::remove_file(house.path("user/unseen")).unwrap();
        let renamed = files::rename(&house.app, &house.user, &folder.id, "new name").await.unwrap();
        assert_eq!((renamed.id, renamed.shown.as_str()), (folder.id, "new name"));
        assert_eq!(house.item("new name/inside.txt").await.id, inside.id);
        assert!(house.path("user/new name/inside.txt").exists());
        is_missing(house.at("folder").await, Thing::File);
        let same = files::rename(&house.app, &house.user, &inside.id, "inside.txt").await.unwrap();
        assert_eq!((same.id, same.revision), (inside.id, inside.revision));
        let dated = files::set_modified(&house.app, &house.user, &other.id, 1_234_567_890_123).await.unwrap();
        assert_eq!((dated.modified_ms, dated.revision), (1_234_567_890_123, other.revision));
        house.assert_rows_are_the_disk().await;
    }

    async fn a_move_keeps_the_items_within_and_across_libraries(backend: Backend) {
        let house = House::new(&backend).await;
        let folder = house.folder("folder").await;
        let deep = house.folder("folder/deep").await;
        let song = house.put("folder/deep/song.txt", "la").await;
        fs::write(house.path("user/folder/.hidden"), "dot").unwrap();
        let target = house.folder("target").await;
        is_invalid(files::move_into(&house.app, &house.user, &folder.id, &Place::Item(deep.clone())).await, "target");
        is_invalid(files::move_into(&house.app, &house.user, &folder.id, &Place::Item(folder.clone())).await, "target");
        is_invalid(files::copy_into(&house.app, &house.user, &folder.id, &Place::Item(deep)).await, "target");
        is_missing(files::move_into(&house.app, &house.user, &folder.id, &Place::Item(song.clone())).await, Thing::Folder);
        let moved = files::move_into(&house.app, &house.user, &folder.id, &Place::Item(target)).await.unwrap();
        assert_eq!(moved.id, folder.id);
        assert_eq!(house.item("target/folder/deep/song.txt").await.id, song.id);
        house.assert_rows_are_the_disk().await;

        let band = house.at("band").await.unwrap();
        let away = files::move_into(&house.app, &house.user, &folder.id, &band).await.unwrap();
        assert_eq!(away.id, folder.id);
        assert_ne!(away.library, folder.library);
        let there = house.item("band/folder/deep/song.txt").await;
        assert_eq!((there.id, there.size_bytes, there.modified_ms), (song.id.clone(), 2, song.modified_ms));
        assert!(!house.path("user/target/folder").exists());
        assert_eq!(fs::read(house.path("band/folder/.hidden")).unwrap(), b"dot");
        house.assert_rows_are_the_disk().await;

        let copy = files::copy_into(&house.app, &house.user, &folder.id, &Place::Root).await.unwrap();
        assert_ne!(copy.id, folder.id);
        assert_ne!(house.item("folder/deep/song.txt").await.id, song.id);
        assert!(!house.path("user/folder/.hidden").exists(), "what is not served is not copied");
        assert!(house.path("band/folder/deep/song.txt").exists());
        exists(files::copy_into(&house.app, &house.user, &folder.id, &Place::Root).await);
        exists(files::move_into(&house.app, &house.user, &folder.id, &Place::Root).await);
        let music = house.at("music").await.unwrap();
        is_forbidden(files::move_into(&house.app, &house.user, &folder.id, &music).await);
        is_forbidden(files::copy_into(&house.app, &house.user, &folder.id, &music).await);
        house.assert_rows_are_the_disk().await;
    }

    async fn trash_hides_restore_revives_and_purge_is_final(backend: Backend) {
        let house = House::new(&backend).await;
        let folder = house.folder("folder").await;
        let file = house.put("folder/file.txt", "first").await;
        let single = house.put("folder/single.txt", "single").await;
        files::trash(&house.app, &house.user, &single.id).await.unwrap();
        files::trash(&house.app, &house.user, &folder.id).await.unwrap();
        assert_eq!(house.names("").await, ["band", "music"]);
        let id = file.id.clone();
        assert!(house.read(move |tx| library::item_by_id(tx, &id)).await.unwrap().is_none());
        is_missing(files::rename(&house.app, &house.user, &file.id, "x").await, Thing::File);
        let user = house.user.clone();
        let listed = house.read(move |tx| files::trashed(tx, &user)).await.unwrap();
        assert_eq!(listed.iter().map(|item| &item.id).collect::<Vec<_>>(), [&folder.id, &single.id]);
        house.assert_rows_are_the_disk().await;
        assert!(!house.path("user/folder").exists());

        // Its folder is in the trash: it comes back to the root of the library.
        house.put("single.txt", "new").await;
        let restored = files::restore(&house.app, &house.user, &single.id).await.unwrap();
        assert_eq!((restored.id, restored.shown.as_str()), (single.id.clone(), "single (2).txt"));
        assert_eq!(fs::read(house.path("user/single (2).txt")).unwrap(), b"single");
        let back = files::restore(&house.app, &house.user, &folder.id).await.unwrap();
        assert_eq!(back.id, folder.id);
        let there = house.item("folder/file.txt").await;
        assert_eq!((there.id, there.revision), (file.id.clone(), file.revision));
        is_missing(files::restore(&house.app, &house.user, &folder.id).await, Thing::File);
        house.assert_rows_are_the_disk().await;

        files::trash(&house.app, &house.user, &file.id).await.unwrap();
        let again = files::restore(&house.app, &house.user, &file.id).await.unwrap();
        assert_eq!(again.parent, Some(folder.key), "back where it lay");
        files::trash(&house.app, &house.user, &folder.id).await.unwrap();
        files::purge(&house.app, &house.user, &folder.id).await.unwrap();
        files::purge(&house.app, &house.user, &single.id).await.unwrap();
        is_missing(files::restore(&house.app, &house.user, &folder.id).await, Thing::File);
        is_missing(files::purge(&house.app, &house.user, &folder.id).await, Thing::File);
        assert_eq!(fs::read_dir(house.path("user/.openshelf/trash")).unwrap().count(), 0);
        assert_eq!(house.names("").await, ["band", "music", "single.txt"]);
        house.assert_rows_are_the_disk().await;
        assert_eq!(house.rows().await.len(), 1);
    }

    async fn what_a_crash_left_in_the_trash_is_mended_at_the_start(backend: Backend) {
        let house = House::new(&backend).await;
        let file = house.put("file", "content").await;
        let trash = house.path("user/.openshelf/trash");
        fs::create_dir_all(&trash).unwrap();
        fs::rename(house.path("user/file"), trash.join(&file.id)).unwrap();
        fs::write(trash.join("f0000000000000000"), "nobody's").unwrap();
        fs::write(house.path("user/.openshelf").join("0".repeat(32)), "half").unwrap();
        house.app.db.write(|tx| tx.run("UPDATE item SET missing_ms = 5 WHERE kind = 1", args![])).await.unwrap();
        upload::sweep_at_start(&house.app).await.unwrap();
        assert_eq!(fs::read_dir(&trash).unwrap().count(), 1);
        assert_eq!(house.temporaries(), 0);
        let restored = files::restore(&house.app, &house.user, &file.id).await.unwrap();
        assert_eq!(restored.id, file.id);
        assert_eq!(fs::read(house.path("user/file")).unwrap(), b"content");
        house.assert_rows_are_the_disk().await;
    }

    async fn an_upload_that_nobody_goes_on_with_ends(backend: Backend) {
        let house = House::new(&backend).await;
        let old = upload::begin(&house.app, &house.user, begin(10)).await.unwrap();
        upload::write_chunk(&house.app, &house.user, &old.id, 0, Body::from("0123"), None).await.unwrap();
        let new = upload::begin(&house.app, &house.user, Begin { name: "new".to_owned(), ..begin(10) }).await.unwrap();
        assert_eq!(house.temporaries(), 2);
        let id = old.id.clone();
        house.app.db.write(move |tx| tx.run("UPDATE upload SET expires_ms = 7 WHERE id = $1", args![id])).await.unwrap();
        is_missing(upload::write_chunk(&house.app, &house.user, &old.id, 1, Body::from("4567"), None).await, Thing::Upload);
        assert_eq!(upload::sweep(&house.app).await.unwrap(), 1);
        assert_eq!(upload::sweep(&house.app).await.unwrap(), 0);
        assert_eq!(house.temporaries(), 1);
        upload::cancel(&house.app, &house.user, &new.id).await.unwrap();
        is_missing(upload::cancel(&house.app, &house.user, &new.id).await, Thing::Upload);
        assert_eq!(house.temporaries(), 0);
        let left = house.read(|tx| tx.one("SELECT COUNT(*) FROM upload_chunk", args![], |row| row.get::<i64>(0))).await;
        assert_eq!(left.unwrap(), 0);
    }

    async fn in_a_users_root_a_librarys_name_wins(backend: Backend) {
        let house = House::new(&backend).await;
        house.folder("Albums").await;
        let twin = house.folder("music").await;
        house.folder("music (2)").await;
        house.put("note.txt", "x").await;
        assert_eq!(house.names("").await, ["Albums", "band", "music", "music (2)", "music (3)", "note.txt"]);
        assert_eq!(house.item("music (3)").await.id, twin.id);
        assert_ne!(house.item("music").await.id, twin.id);
        // The twin is reached by its number as a folder as well.
        let inside = files::create_file(&house.app, &house.user, &Place::Item(twin.clone()), "inside").await.unwrap();
        assert_eq!(house.item("music (3)/inside").await.id, inside.id);
        for path in ["Albums", "band", "music", "music (2)", "music (3)", "music (3)/inside", "note.txt"] {
            let (user, item) = (house.user.clone(), house.item(path).await);
            let (names, parent) = house
                .read(move |tx| Ok((files::path_of(tx, &user, &item)?, files::parent_of(tx, &user, &item)?)))
                .await
                .unwrap();
            assert_eq!(names.join("/"), path);
            assert_eq!(matches!(parent, Place::Root), !path.contains('/'), "{path}");
        }
        let user = house.user.clone();
        let home = house.read(move |tx| {
            let home = files::home_root(tx, &user)?;
            let entries = files::children_of(tx, &user, &Place::Item(home.clone()))?;
            Ok((files::path_of(tx, &user, &home)?, entries.len()))
        });
        assert_eq!(home.await.unwrap(), (Vec::<String>::new(), 6));
        is_missing(house.at("nothing").await, Thing::File);
        is_missing(house.at("note.txt/x").await, Thing::File);
        let user = house.other.clone();
        let others: Vec<String> = house
            .read(move |tx| files::children_of(tx, &user, &Place::Root))
            .await
            .unwrap()
            .into_iter()
            .map(|entry| entry.shown)
            .collect();
        assert_eq!(others, ["band", "music"]);
    }

    async fn music_is_music_as_soon_as_it_is_there(backend: Backend) {
        let house = House::new(&backend).await;
        let wav = fixture::wav();
        let album = house.folder("Some Album").await;
        let begin = Begin { into: Place::Item(album.clone()), name: "01 Song.wav".to_owned(), ..begin(wav.len()) };
        let song = upload::whole(&house.app, &house.user, begin, Body::from(wav)).await.unwrap();
        assert_eq!(song.media, Media::Audio);
        let albums = async || {
            let sql = "SELECT name, track_count FROM album WHERE track_count > 0";
            let all = house.read(move |tx| tx.all(sql, args![], |row| Ok((row.get::<String>(0)?, row.get::<i64>(1)?))));
            all.await.unwrap()
        };
        assert_eq!(albums().await, [("Some Album".to_owned(), 1)]);
        files::trash(&house.app, &house.user, &album.id).await.unwrap();
        assert!(albums().await.is_empty());
        files::restore(&house.app, &house.user, &album.id).await.unwrap();
        assert_eq!(albums().await, [("Some Album".to_owned(), 1)]);
        let band = house.at("band").await.unwrap();
        files::move_into(&house.app, &house.user, &album.id, &band).await.unwrap();
        assert_eq!(albums().await, [("Some Album".to_owned(), 1)]);
        let key = album.key;
        let totals: Totals = house.read(move |tx| library::totals(tx, key)).await.unwrap();
        assert_eq!(totals.tracks, 1);
        house.assert_rows_are_the_disk().await;
        files::rename(&house.app, &house.user, &song.id, "notes.txt").await.unwrap();
        assert!(albums().await.is_empty());
        files::purge(&house.app, &house.user, &album.id).await.unwrap();
        house.assert_rows_are_the_disk().await;
    }

    async fn a_user_who_may_no_longer_write_ends_no_upload(backend: Backend) {
        let house = House::new(&backend).await;
        let into = house.at("band").await.unwrap();
        let open = upload::begin(&house.app, &house.user, Begin { into, ..begin(4) }).await.unwrap();
        let key = house.user.key;
        house
            .app
            .db
            .write(move |tx| {
                let band: Library = library::all(tx)?.into_iter().find(|library| library.name == "band").unwrap();
                rights::set(tx, band.key, &Subject::User(key), Bits::READ)
            })
            .await
            .unwrap();
        is_forbidden(upload::write_chunk(&house.app, &house.user, &open.id, 0, Body::from("0123"), None).await);
        is_forbidden(upload::finish(&house.app, &house.user, &open.id).await);
        upload::cancel(&house.app, &house.user, &open.id).await.unwrap();
        assert_eq!(fs::read_dir(house.path("band/.openshelf")).unwrap().count(), 0);
    }
}
