//! What becomes of files: told as it happens, to whoever may see it now, and kept as history.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use openshelf::account::User;
use openshelf::library::Library;
use openshelf::share::{Bits, Subject};
use openshelf::store::{accounts, files as rows, library, rights};
use openshelf::work::dav_accounts::{self, Terms};
use openshelf::work::signin;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::both_engines;
use crate::cloudreve::{data, encoded, text};
use crate::drive::{Drive, Ears};
use crate::engines::Backend;
use crate::fixture::Fixture;
use crate::server::{ADMIN, PATIENCE, Server};

const PHONE: &str = "0b6e4d0a-2f5c-4a39-9b5e-1f6f9d1c0a01";
const LAPTOP: &str = "0b6e4d0a-2f5c-4a39-9b5e-1f6f9d1c0a02";

/// A server with a small library "Shelf" that everyone may read.
struct Place {
    server: Server,
    shelf: Library,
    fixture: Fixture,
    _folder: TempDir,
}

impl Place {
    fn new(backend: &Backend) -> Place {
        let folder = TempDir::new().unwrap();
        let fixture = Fixture { root: folder.path().to_owned() };
        fixture.write("notes/open.txt", b"open");
        fixture.write("notes/Secret-Plan.txt", b"secret");
        let server = Server::start(backend);
        let shelf = server.add_library("Shelf", &fixture.root);
        Place { server, shelf, fixture, _folder: folder }
    }

    async fn user(&self, login: &str) -> User {
        let login = login.to_owned();
        self.server.app.db.read(move |tx| accounts::by_login(tx, &login)).await.unwrap().unwrap()
    }

    /// The home of a user, and the folder where it lies.
    async fn home(&self, login: &str) -> (Library, PathBuf) {
        let user = self.user(login).await;
        let home = self.server.app.db.read(move |tx| library::home_of(tx, user.key)).await.unwrap().unwrap();
        let root = home.root.clone();
        (home, root)
    }

    async fn share(&self, drive: &Drive, uri: &str) -> String {
        let link = text(&data(drive.put("/share", json!({ "uri": uri })).await));
        link.rsplit('/').next().unwrap().to_owned()
    }
}

async fn make(drive: &Drive, uri: &str, kind: &str) {
    data(drive.post("/file/create", json!({ "uri": uri, "type": kind })).await);
}

both_engines! {
    async fn what_apps_and_scans_do_is_told_once_each_by_the_listeners_own_paths(backend: Backend) {
        let place = Place::new(&backend);
        let drive = Drive::sign_in(&place.server, ADMIN).await;
        let laptop = drive.by_app(LAPTOP);
        let mut ears = drive.by_app(PHONE).listen("cloudreve://my").await;
        assert_eq!(ears.name().await, "subscribed");

        make(&laptop, "cloudreve://my/made", "folder").await;
        assert_eq!(ears.changes().await, ["create /made"]);
        make(&laptop, "cloudreve://my/made/a.txt", "file").await;
        assert_eq!(ears.changes().await, ["create /made/a.txt"]);
        laptop.write("cloudreve://my/made/a.txt", "words").await;
        assert_eq!(ears.changes().await, ["modify /made/a.txt"]);
        data(laptop.post("/file/rename", json!({"uri": "cloudreve://my/made/a.txt", "new_name": "b.txt"})).await);
        assert_eq!(ears.changes().await, ["rename /made/a.txt /made/b.txt"]);
        data(laptop.post("/file/move", json!({"uris": ["cloudreve://my/made/b.txt"], "dst": "cloudreve://my"})).await);
        assert_eq!(ears.changes().await, ["rename /made/b.txt /b.txt"]);
        let id = text(&data(laptop.get(&format!("/file/info?uri={}", encoded("cloudreve://my/b.txt"))).await)["id"]);
        data(laptop.call(Method::DELETE, "/file", json!({"uris": ["cloudreve://my/b.txt"]})).await);
        assert_eq!(ears.changes().await, ["delete /b.txt"]);
        data(laptop.post("/file/restore", json!({"uris": [format!("cloudreve://trash/{id}")]})).await);
        assert_eq!(ears.changes().await, ["create /b.txt"]);

        place.fixture.write("notes/new.txt", b"by another program");
        place.server.scan(&place.shelf);
        assert_eq!(ears.changes().await, ["create /Shelf/notes/new.txt"]);
        place.fixture.write("notes/new.txt", b"by another program, and longer");
        place.server.scan(&place.shelf);
        assert_eq!(ears.changes().await, ["modify /Shelf/notes/new.txt"]);
        std::fs::rename(place.fixture.root.join("notes"), place.fixture.root.join("papers")).unwrap();
        place.server.scan(&place.shelf);
        assert_eq!(ears.changes().await, ["rename /Shelf/notes /Shelf/papers"]);
        std::fs::remove_file(place.fixture.root.join("papers/new.txt")).unwrap();
        place.server.scan(&place.shelf);
        assert_eq!(ears.changes().await, ["delete /Shelf/papers/new.txt"]);
    }

    async fn an_app_hears_what_another_of_the_same_user_did_and_not_what_it_did_itself(backend: Backend) {
        let place = Place::new(&backend);
        let drive = Drive::sign_in(&place.server, ADMIN).await;
        let (phone, laptop) = (drive.by_app(PHONE), drive.by_app(LAPTOP));
        let mut ears = phone.listen("cloudreve://my").await;
        assert_eq!(ears.name().await, "subscribed");
        make(&phone, "cloudreve://my/mine", "folder").await;
        make(&laptop, "cloudreve://my/its", "folder").await;
        assert_eq!(ears.changes().await, ["create /its"]);
    }

    async fn of_many_who_write_at_once_each_listener_hears_everything_once(backend: Backend) {
        let place = Place::new(&backend);
        let drive = Drive::sign_in(&place.server, ADMIN).await;
        let mut ears = Vec::new();
        for _ in 0..10 {
            let app = uuid::Uuid::new_v4().to_string();
            let mut one = drive.by_app(&app).listen("cloudreve://my").await;
            assert_eq!(one.name().await, "subscribed");
            ears.push(one);
        }
        let writers: Vec<_> = (0..40)
            .map(|number| {
                let drive = drive.by_app(LAPTOP);
                tokio::spawn(async move { make(&drive, &format!("cloudreve://my/{number:02}"), "folder").await })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
        let expected: Vec<String> = (0..40).map(|number| format!("create /{number:02}")).collect();
        for mut one in ears {
            let mut heard = Vec::new();
            while heard.len() < expected.len() {
                heard.extend(one.changes().await);
            }
            heard.sort();
            assert_eq!(heard, expected);
        }
    }

    async fn a_listener_of_a_folder_hears_of_what_lies_in_it_alone(backend: Backend) {
        let place = Place::new(&backend);
        let drive = Drive::sign_in(&place.server, ADMIN).await;
        make(&drive, "cloudreve://my/in", "folder").await;
        let mut ears = drive.by_app(PHONE).listen("cloudreve://my/in").await;
        assert_eq!(ears.name().await, "subscribed");
        make(&drive, "cloudreve://my/outside", "file").await;
        make(&drive, "cloudreve://my/in/x", "file").await;
        assert_eq!(ears.changes().await, ["create /x"]);
        data(drive.post("/file/move", json!({"uris": ["cloudreve://my/outside"], "dst": "cloudreve://my/in"})).await);
        assert_eq!(ears.changes().await, ["create /outside"]);
        data(drive.post("/file/move", json!({"uris": ["cloudreve://my/in/x"], "dst": "cloudreve://my"})).await);
        assert_eq!(ears.changes().await, ["delete /x"]);
    }

    // GHSA-w8x7-h2px-xmq8
    async fn who_listens_to_a_share_of_one_file_never_hears_of_its_siblings(backend: Backend) {
        let place = Place::new(&backend);
        place.server.add_user("bob");
        let (drive, bob) = (Drive::sign_in(&place.server, ADMIN).await, Drive::sign_in(&place.server, "bob").await);
        make(&drive, "cloudreve://my/private", "folder").await;
        for name in ["open.txt", "Secret-Plan.txt"] {
            make(&drive, &format!("cloudreve://my/private/{name}"), "file").await;
        }
        let id = place.share(&drive, "cloudreve://my/private/open.txt").await;
        let mut ears = bob.by_app(PHONE).listen(&format!("cloudreve://{id}@share")).await;
        let mut by_name = bob.by_app(LAPTOP).listen(&format!("cloudreve://{id}@share/open.txt")).await;
        assert_eq!((ears.name().await, by_name.name().await), ("subscribed".to_owned(), "subscribed".to_owned()));
        let other = encoded(&format!("cloudreve://{id}@share/Secret-Plan.txt"));
        assert_eq!(bob.by_app(PHONE).get(&format!("/file/events?uri={other}")).await["code"], 40016);

        drive.write("cloudreve://my/private/Secret-Plan.txt", "plan").await;
        let renamed = json!({"uri": "cloudreve://my/private/Secret-Plan.txt", "new_name": "Secret-2.txt"});
        data(drive.post("/file/rename", renamed).await);
        make(&drive, "cloudreve://my/private/another", "file").await;
        drive.write("cloudreve://my/private/open.txt", "words").await;
        assert_eq!(ears.changes().await, ["modify /open.txt"]);
        assert_eq!(by_name.changes().await, ["modify /open.txt"]);
    }

    async fn what_is_taken_away_ends_the_stream(backend: Backend) {
        let place = Place::new(&backend);
        let drive = Drive::sign_in(&place.server, ADMIN).await;
        let files = "cloudreve://my/Shelf/notes";
        let id = place.share(&drive, files).await;
        let bob = place.server.add_user("bob");
        let theirs = Drive::sign_in(&place.server, &bob.name).await.by_app(PHONE);
        let mut ears = theirs.listen(&format!("cloudreve://{id}@share")).await;
        assert_eq!(ears.name().await, "subscribed");
        data(drive.call(Method::DELETE, &format!("/share/{id}"), json!({})).await);
        ends(&mut ears, "share").await;
        let again = theirs.get(&format!("/file/events?uri={}", encoded(&format!("cloudreve://{id}@share")))).await;
        assert_eq!(again["code"], 404, "{again}");
        let id = place.share(&drive, files).await;
        what_is_taken_from_users(&place, &id).await;
    }

    async fn who_comes_back_goes_on_where_they_left(backend: Backend) {
        let place = Place::new(&backend);
        let drive = Drive::sign_in(&place.server, ADMIN).await;
        let mut ears = drive.by_app(PHONE).listen("cloudreve://my").await;
        assert_eq!(ears.name().await, "subscribed");
        make(&drive, "cloudreve://my/first", "folder").await;
        assert_eq!(ears.changes().await, ["create /first"]);
        drop(ears);
        // The server notices at the next thing that it has to tell.
        make(&drive, "cloudreve://my/second", "folder").await;
        let began = Instant::now();
        let heard = loop {
            let mut ears = drive.by_app(PHONE).listen("cloudreve://my").await;
            if ears.name().await == "resumed" {
                break ears.until("create /second").await;
            }
            assert!(began.elapsed() < PATIENCE, "it is never known again");
        };
        // What was told last may not have arrived: it is told again.
        assert!(heard.iter().all(|told| told == "create /first" || told == "create /second"), "{heard:?}");
        let mut other = drive.by_app(LAPTOP).listen("cloudreve://my").await;
        assert_eq!(other.name().await, "subscribed");
    }

    async fn after_too_much_at_once_a_listener_looks_at_everything_anew(backend: Backend) {
        let place = Place::new(&backend);
        let drive = Drive::sign_in(&place.server, ADMIN).await;
        let mut ears = drive.by_app(PHONE).listen("cloudreve://my").await;
        assert_eq!(ears.name().await, "subscribed");
        for number in 0..300 {
            place.fixture.write(&format!("many/{number}.txt"), b"x");
        }
        place.server.scan(&place.shelf);
        assert_eq!(ears.name().await, "reconnect-required");
        assert_eq!(ears.next().await, None);
        let kept: i64 = place.server.app.db.read(|tx| tx.one("SELECT COUNT(*) FROM file_change", openshelf::args![], |row| row.get(0))).await.unwrap();
        assert!(kept < 200, "{kept} changes are kept of 300 at once");
        let mut again = drive.by_app(PHONE).listen("cloudreve://my").await;
        assert_eq!(again.name().await, "subscribed");
    }

    async fn what_another_process_writes_is_told_as_well(backend: Backend) {
        let place = Place::new(&backend);
        let drive = Drive::sign_in(&place.server, ADMIN).await;
        make(&drive, "cloudreve://my/doomed", "file").await;
        let mut ears = drive.by_app(PHONE).listen("cloudreve://my").await;
        assert_eq!(ears.name().await, "subscribed");
        let (home, _) = place.home(ADMIN).await;
        let other = backend.open();
        other.write(move |tx| {
            let root = library::root_item(tx, home.key)?;
            let item = library::child_shown(tx, root.key, "doomed")?.unwrap();
            rows::trash(tx, item.key, home.key, openshelf::now_ms())
        }).await.unwrap();
        assert_eq!(ears.changes().await, ["delete /doomed"]);
        tokio::task::spawn_blocking(move || other.close()).await.unwrap();
    }

    async fn a_listener_is_told_that_the_stream_goes_on_where_nothing_happens(backend: Backend) {
        let place = Place::new(&backend);
        let mut ears = Drive::sign_in(&place.server, ADMIN).await.by_app(PHONE).listen("cloudreve://my").await;
        assert_eq!(ears.name().await, "subscribed");
        for _ in 0..2 {
            assert_eq!(ears.any().await, Some(("keep-alive".to_owned(), Value::Null)), "and nothing else");
        }
    }

    async fn who_may_not_listen_is_told_why(backend: Backend) {
        let place = Place::new(&backend);
        let bob = place.server.add_user("bob");
        let (guest, drive) = (Drive::guest(&place.server), Drive::sign_in(&place.server, ADMIN).await);
        let path = |uri: &str| format!("/file/events?uri={}", encoded(uri));
        assert_eq!(guest.by_app(PHONE).get(&path("cloudreve://my")).await["code"], 401);
        assert_eq!(drive.get(&path("cloudreve://my")).await["code"], 40001, "without a client's id");
        assert_eq!(drive.by_app("phone").get(&path("cloudreve://my")).await["code"], 40001, "which is a UUID");
        let phone = drive.by_app(PHONE);
        assert_eq!(phone.get(&path(&format!("cloudreve://{}@my", bob.id))).await["code"], 403, "another's files");
        assert_eq!(phone.get(&path("cloudreve://my/none")).await["code"], 40016);
        assert_eq!(phone.get(&path("nothing")).await["code"], 40001);
        let id = place.share(&drive, "cloudreve://my/Shelf/notes/open.txt").await;
        assert_eq!(guest.by_app(PHONE).get(&path(&format!("cloudreve://{id}@share"))).await["code"], 401);
    }

    async fn open_streams_do_not_hold_up_a_server_that_stops(backend: Backend) {
        let place = Place::new(&backend);
        let drive = Drive::sign_in(&place.server, ADMIN).await;
        let mut ears = drive.by_app(PHONE).listen("cloudreve://my").await;
        assert_eq!(ears.name().await, "subscribed");
        let began = Instant::now();
        tokio::task::spawn_blocking(move || drop(place)).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        assert_eq!(ears.name().await, "reconnect-required");
        assert_eq!(ears.next().await, None);
    }

    async fn the_history_of_a_file_says_what_became_of_it_and_who_did_it(backend: Backend) {
        let place = Place::new(&backend);
        let drive = Drive::sign_in(&place.server, ADMIN).await;
        make(&drive, "cloudreve://my/box", "folder").await;
        make(&drive, "cloudreve://my/a.txt", "file").await;
        drive.write("cloudreve://my/a.txt", "words").await;
        data(drive.post("/file/rename", json!({"uri": "cloudreve://my/a.txt", "new_name": "b.txt"})).await);
        data(drive.post("/file/move", json!({"uris": ["cloudreve://my/b.txt"], "dst": "cloudreve://my/box"})).await);
        let (home, root) = place.home(ADMIN).await;
        std::fs::write(root.join("box/b.txt"), "written by another program").unwrap();
        place.server.scan(&home);

        let uri = encoded("cloudreve://my/box/b.txt");
        let page = data(drive.get(&format!("/file/activities?uri={uri}&page_size=50")).await);
        let all = page["activities"].as_array().unwrap();
        let kinds: Vec<_> = all.iter().map(|one| one["content"]["category"].as_i64().unwrap()).collect();
        assert_eq!(kinds, [7, 10, 8, 14, 10]);
        let rename = &all[2]["content"];
        assert_eq!((&rename["original_name"], &rename["new_name"]), (&json!("a.txt"), &json!("b.txt")));
        assert_eq!(rename["from"], "cloudreve://my/a.txt");
        assert_eq!(all[3]["content"]["to"], "cloudreve://my/box/b.txt");
        let users: Vec<_> = all.iter().map(|one| one["user"]["nickname"].as_str()).collect();
        assert_eq!(users, [Some(ADMIN), Some(ADMIN), Some(ADMIN), Some(ADMIN), None], "a scan is nobody");

        let mine = data(drive.get(&format!("/file/activities?uri={uri}&page_size=10&filter=my&order_direction=desc")).await);
        let kinds: Vec<_> = mine["activities"].as_array().unwrap().iter().map(|one| one["content"]["category"].as_i64().unwrap()).collect();
        assert_eq!(kinds, [14, 8, 10, 7]);
        let reads = data(drive.get(&format!("/file/activities?uri={uri}&page_size=10&filter=reads")).await);
        assert_eq!(reads["activities"], json!([]));

        for _ in 0..12 {
            drive.write("cloudreve://my/box/b.txt", &openshelf::account::token::random_base62(9)).await;
        }
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let page = data(drive.get(&format!("/file/activities?uri={uri}&page_size=10&next_page_token={token}")).await);
            seen.extend(page["activities"].as_array().unwrap().iter().map(|one| text(&one["id"])));
            token = text(&page["pagination"]["next_token"]);
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(seen.len(), 17, "{seen:?}");
        let once: std::collections::HashSet<_> = seen.iter().collect();
        assert_eq!(once.len(), 17);
    }

    async fn history_is_for_those_whose_files_they_are(backend: Backend) {
        let place = Place::new(&backend);
        place.server.add_user("bob");
        let (drive, bob) = (Drive::sign_in(&place.server, ADMIN).await, Drive::sign_in(&place.server, "bob").await);
        let id = place.share(&drive, "cloudreve://my/Shelf/notes").await;
        let path = |uri: &str| format!("/file/activities?uri={}&page_size=50", encoded(uri));
        let shared = format!("cloudreve://{id}@share/open.txt");
        assert_eq!(bob.get(&path(&shared)).await["code"], 40082);
        assert_eq!(Drive::guest(&place.server).get(&path(&shared)).await["code"], 401);
        assert_eq!(bob.get(&path("cloudreve://my/none")).await["code"], 40016);
        assert_eq!(bob.get(&path("cloudreve://my")).await["code"], 40001);
        let short = format!("/file/activities?uri={}&page_size=5", encoded("cloudreve://my/Shelf"));
        assert_eq!(bob.get(&short).await["code"], 40001);
        data(bob.get(&path("cloudreve://my/Shelf/notes/open.txt")).await);
    }

    async fn what_doors_besides_this_one_do_has_its_author(backend: Backend) {
        let place = Place::new(&backend);
        let drive = Drive::sign_in(&place.server, ADMIN).await;
        let app = place.server.app.clone();
        let admin = place.user(ADMIN).await;
        // A page's session names its user as this door's token does.
        let opened = signin::open_session(&app, &admin, "page", "test", 60_000).await.unwrap();
        let cookie = format!("openshelf-session={}.{}", opened.id, opened.secret);
        let client = place.server.client();
        let sent = client
            .put(format!("{}/app/uploads?name=by-page.txt", place.server.url))
            .header("cookie", cookie)
            .header("origin", &place.server.url)
            .header("content-type", "application/octet-stream")
            .body("words")
            .send()
            .await
            .unwrap();
        assert!(sent.status().is_success(), "{}", sent.text().await.unwrap());
        let terms = Terms { name: "an app".into(), root: Vec::new(), read_only: false, proxy: false, no_system_files: false };
        let password = dav_accounts::add(&app, admin.key, terms).await.unwrap().password;
        let put = client.put(format!("{}/dav/by-app.txt", place.server.url)).basic_auth(ADMIN, Some(password));
        let sent = put.body("words").send().await.unwrap();
        assert!(sent.status().is_success(), "{}", sent.text().await.unwrap());
        for name in ["by-page.txt", "by-app.txt"] {
            let uri = encoded(&format!("cloudreve://my/{name}"));
            let page = data(drive.get(&format!("/file/activities?uri={uri}&page_size=50")).await);
            assert_eq!(page["activities"][0]["user"]["nickname"], ADMIN, "{page}");
        }
    }
}

async fn what_is_taken_from_users(place: &Place, id: &str) {
    let app = place.server.app.clone();
    for taken in ["session", "password", "ban", "library"] {
        let user = place.server.add_user(&format!("{taken}less"));
        let theirs = Drive::sign_in(&place.server, &user.name).await.by_app(PHONE);
        let files = "cloudreve://my/Shelf/notes".to_owned();
        let uri = if taken == "library" { files } else { format!("cloudreve://{id}@share") };
        let mut ears = theirs.listen(&uri).await;
        assert_eq!(ears.name().await, "subscribed", "{taken}");
        let (key, shelf) = (user.key, place.shelf.key);
        let done = match taken {
            "session" => {
                app.db
                    .write(move |tx| {
                        tx.run("DELETE FROM session WHERE account_id = $1", openshelf::args![key.0]).map(drop)
                    })
                    .await
            }
            "password" => {
                let app = app.clone();
                tokio::spawn(async move { signin::set_password(&app, key, "another horse").await }).await.unwrap()
            }
            "ban" => app.db.write(move |tx| accounts::set_state(tx, key, openshelf::account::UserState::Banned)).await,
            _ => app.db.write(move |tx| rights::set(tx, shelf, &Subject::Everyone, Bits::NONE)).await,
        };
        done.unwrap();
        ends(&mut ears, taken).await;
        let again = theirs.get(&format!("/file/events?uri={}", encoded(&uri))).await;
        let code = if taken == "library" { 40016 } else { 401 };
        assert_eq!(again["code"], code, "{taken}: {again}");
    }
}

/// Within the five seconds that are promised.
async fn ends(ears: &mut Ears, taken: &str) {
    let began = Instant::now();
    assert_eq!(ears.next().await, Some(("reconnect-required".to_owned(), Value::Null)), "{taken}");
    assert!(began.elapsed() < Duration::from_secs(5), "{taken}: {:?}", began.elapsed());
    assert_eq!(ears.next().await, None, "{taken}");
}
