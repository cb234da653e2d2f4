//! Drop boxes: guests send, and see nothing; what is limited is limited whoever comes at once.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use openshelf::account::User;
use openshelf::share::drop_box::{DropWish, types_in};
use openshelf::share::{Change, Door, Mode, Share, Shared, Wish};
use openshelf::store::{library, shares};
use openshelf::work::sharing;
use openshelf::{args, now_ms};
use reqwest::{Client, RequestBuilder, StatusCode, header};
use serde_json::{Value, json};

use crate::both_engines;
use crate::engines::Backend;
use crate::server::{PASSWORD, PATIENCE, Server};

const SECRET_NAME: &str = "what-ann-keeps.txt";
const SECRET: &str = "the bytes that ann keeps";

/// Ann's home with a folder `inbox`, in which something lies already.
struct House {
    server: Server,
    ann: User,
    home: PathBuf,
}

impl House {
    async fn new(backend: &Backend) -> House {
        let server = Server::start(backend);
        let ann = server.add_user("ann");
        let owner = ann.key;
        let home = server.app.db.read(move |tx| library::home_of(tx, owner)).await.unwrap().unwrap();
        fs::create_dir(home.root.join("inbox")).unwrap();
        fs::write(home.root.join("inbox").join(SECRET_NAME), SECRET).unwrap();
        server.scan(&home);
        House { server, ann, home: home.root }
    }

    /// A share of the inbox.
    async fn share(&self, mode: Mode, drop_box: DropWish, wish: Wish) -> Share {
        let owner = self.ann.key;
        let inbox = self.server.app.db.read(move |tx| {
            let home = library::home_of(tx, owner)?.unwrap();
            let root = library::root_item(tx, home.key)?;
            library::child_shown(tx, root.key, "inbox")
        });
        let inbox = inbox.await.unwrap().unwrap();
        let wish = Wish { mode: Some(mode), drop_box, ..wish };
        sharing::create(&self.server.app, &self.ann, Door::Page, vec![Shared::Item(inbox.key)], wish).await.unwrap()
    }

    async fn drop_box(&self, drop_box: DropWish) -> Share {
        self.share(Mode::Drop, drop_box, Wish::default()).await
    }

    fn guest(&self, share: &Share) -> Guest {
        let client = crate::server::http().cookie_store(true).redirect(reqwest::redirect::Policy::none());
        Guest { client: client.build().unwrap(), base: format!("{}/s/{}", self.server.url, share.id) }
    }

    /// What lies in the inbox besides Ann's own, folders by their files.
    fn inbox(&self) -> BTreeSet<String> {
        let files = walkdir::WalkDir::new(self.home.join("inbox")).into_iter().map(Result::unwrap);
        let files = files.filter(|entry| entry.file_type().is_file());
        let inbox = self.home.join("inbox");
        let names = files.map(|entry| entry.path().strip_prefix(&inbox).unwrap().to_str().unwrap().to_owned());
        names.filter(|name| name != SECRET_NAME).collect()
    }

    /// Waits until nothing is half done any more.
    async fn is_swept(&self) {
        let hidden = self.home.join(".openshelf");
        tokio::time::timeout(PATIENCE, async {
            while fs::read_dir(&hidden).is_ok_and(|files| files.count() > 0) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await
        .expect("nothing half done stays");
    }
}

/// One browser.
struct Guest {
    client: Client,
    base: String,
}

impl Guest {
    fn put(&self, name: &str, bytes: impl Into<reqwest::Body>) -> RequestBuilder {
        let address = format!("{}/-/uploads", self.base);
        self.client.put(address).query(&[("name", name)]).body(bytes.into())
    }

    async fn sends(&self, name: &str, bytes: &'static str) -> StatusCode {
        self.put(name, bytes).send().await.unwrap().status()
    }

    async fn begins(&self, name: &str, size: u64) -> Result<String, StatusCode> {
        let begun = self.client.post(format!("{}/-/uploads", self.base)).json(&json!({"name": name, "size": size}));
        let begun = begun.send().await.unwrap();
        match begun.status() {
            StatusCode::OK => Ok(begun.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned()),
            refused => Err(refused),
        }
    }

    fn upload(&self, id: &str) -> String {
        format!("{}/-/uploads/{id}", self.base)
    }

    async fn receipt(&self) -> Value {
        let receipt = self.client.get(format!("{}/-/receipt?form=json", self.base)).send().await.unwrap();
        assert_eq!(receipt.status(), StatusCode::OK);
        receipt.json().await.unwrap()
    }
}

fn names(receipt: &Value) -> Vec<&str> {
    receipt["files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap()).collect()
}

/// A body of which only the beginning ever comes.
fn endless(first: &'static str) -> reqwest::Body {
    let begun = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(first.as_bytes()))]);
    reqwest::Body::wrap_stream(begun.chain(stream::pending()))
}

fn at_most(files: u64) -> DropWish {
    DropWish { most_files: Change::Set(files), ..DropWish::default() }
}

both_engines! {
    async fn what_a_guest_sends_lies_in_the_folder_and_on_their_receipt(backend: Backend) {
        let house = House::new(&backend).await;
        let share = house.drop_box(DropWish::default()).await;
        let guest = house.guest(&share);
        let page = guest.client.get(&guest.base).send().await.unwrap();
        assert_eq!(page.status(), StatusCode::OK);
        let page = page.text().await.unwrap();
        assert!(page.contains("Send files to ann") && !page.contains("inbox") && !page.contains(SECRET_NAME), "{page}");
        assert_eq!(guest.sends("a.txt", "one").await, StatusCode::OK);
        let id = guest.begins("b.bin", 6).await.unwrap();
        let upload = guest.upload(&id);
        assert_eq!(guest.client.put(format!("{upload}/3")).body("def").send().await.unwrap().status(), StatusCode::OK);
        let state: Value = guest.client.get(&upload).send().await.unwrap().json().await.unwrap();
        assert_eq!(state["missing"], json!([[0, 3]]));
        let last: Value = guest.client.put(format!("{upload}/0")).body("abc").send().await.unwrap().json().await.unwrap();
        assert_eq!(last, json!({"done": true}), "and nothing of what is around it");
        let form = reqwest::header::HeaderValue::from_static("multipart/form-data; boundary=x");
        let body = "--x\r\nContent-Disposition: form-data; name=\"sender\"\r\n\r\nMira\r\n\
                    --x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../../c.txt\"\r\n\r\nfrom a form\r\n\
                    --x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"d.txt\"\r\n\r\n\r\n--x--\r\n";
        let posted = guest.client.post(format!("{}/-/upload", guest.base)).header(header::CONTENT_TYPE, form).body(body);
        let posted = posted.send().await.unwrap();
        assert_eq!(posted.status(), StatusCode::SEE_OTHER);
        assert!(posted.headers()[header::LOCATION].to_str().unwrap().ends_with("/-/receipt"));
        assert_eq!(house.inbox(), ["a.txt", "b.bin", "c.txt", "d.txt"].map(str::to_owned).into());
        assert_eq!(fs::read(house.home.join("inbox/b.bin")).unwrap(), b"abcdef");
        assert_eq!(fs::read(house.home.join("inbox/c.txt")).unwrap(), b"from a form");
        let receipt = guest.receipt().await;
        assert_eq!(names(&receipt), ["a.txt", "b.bin", "c.txt", "d.txt"]);
        assert_eq!((&receipt["to"], &receipt["from"]), (&json!("ann"), &json!("Mira")));
        let page = guest.client.get(format!("{}/-/receipt", guest.base)).send().await.unwrap().text().await.unwrap();
        assert!(page.contains("Thank you") && page.contains("b.bin"), "{page}");
        let stranger = house.guest(&share);
        assert!(names(&stranger.receipt().await).is_empty(), "a receipt is its sender's alone");
    }

    async fn of_a_hundred_senders_at_once_seven_fit_into_a_box_of_seven(backend: Backend) {
        let house = House::new(&backend).await;
        let share = house.drop_box(at_most(7)).await;
        let guests: Vec<Guest> = (0..100).map(|_| house.guest(&share)).collect();
        let sent = join_all(guests.iter().enumerate().map(async |(at, guest)| match at % 2 {
            0 => guest.sends("twin.txt", "one file").await,
            _ => match guest.begins("twin.txt", 8).await {
                Err(refused) => refused,
                Ok(id) => {
                    let put = guest.client.put(format!("{}/0", guest.upload(&id))).body("one file");
                    put.send().await.unwrap().status()
                }
            },
        }));
        let sent = sent.await;
        let came = sent.iter().filter(|status| **status == StatusCode::OK).count();
        assert_eq!(came, 7, "{sent:?}");
        assert!(sent.iter().all(|status| [StatusCode::OK, StatusCode::FORBIDDEN].contains(status)), "{sent:?}");
        assert_eq!(house.inbox().len(), 7);
        for file in house.inbox() {
            assert_eq!(fs::read(house.home.join("inbox").join(file)).unwrap(), b"one file");
        }
        assert_eq!(house.guest(&share).sends("late.txt", "x").await, StatusCode::FORBIDDEN);
        house.is_swept().await;
    }

    async fn all_that_comes_at_once_stays_within_the_limit_on_all(backend: Backend) {
        let house = House::new(&backend).await;
        let most_total_bytes = Change::Set(1000);
        let share = house.drop_box(DropWish { most_total_bytes, ..DropWish::default() }).await;
        let guests: Vec<Guest> = (0..40).map(|_| house.guest(&share)).collect();
        let sent = join_all(guests.iter().enumerate().map(async |(at, guest)| {
            let bytes = "x".repeat(100);
            // Half of them do not say how much is going to come.
            let body = match at % 2 {
                0 => reqwest::Body::from(bytes),
                _ => reqwest::Body::wrap_stream(stream::iter(bytes.into_bytes().chunks(10).map(|part| {
                    Ok::<_, std::io::Error>(Bytes::copy_from_slice(part))
                }).collect::<Vec<_>>())),
            };
            guest.put(&format!("{at}.txt"), body).send().await.unwrap().status()
        }));
        let sent = sent.await;
        let size: u64 = house.inbox().iter().map(|name| fs::metadata(house.home.join("inbox").join(name)).unwrap().len()).sum();
        let came = sent.iter().filter(|status| **status == StatusCode::OK).count() as u64;
        assert_eq!(size, came * 100, "{sent:?}");
        assert!((1..=10).contains(&came), "{came} came");
        let rest = house.guest(&share);
        for n in came..10 {
            assert_eq!(rest.sends(&format!("rest {n}"), Box::leak("y".repeat(100).into_boxed_str())).await, StatusCode::OK);
        }
        assert_eq!(rest.sends("late.txt", "x").await, StatusCode::FORBIDDEN);
        house.is_swept().await;
    }

    async fn a_taken_name_is_numbered_and_nobody_learns_it(backend: Backend) {
        let house = House::new(&backend).await;
        let share = house.drop_box(DropWish::default()).await;
        let (first, second) = (house.guest(&share), house.guest(&share));
        let free = first.put("free.txt", "1").send().await.unwrap();
        let taken = second.put(SECRET_NAME, "2").send().await.unwrap();
        assert_eq!((free.status(), free.text().await.unwrap()), (taken.status(), taken.text().await.unwrap()));
        assert_eq!(names(&second.receipt().await), [SECRET_NAME], "as it was sent");
        assert_eq!(house.inbox(), ["free.txt", "what-ann-keeps (2).txt"].map(str::to_owned).into());
        assert_eq!(fs::read_to_string(house.home.join("inbox").join(SECRET_NAME)).unwrap(), SECRET);
    }

    async fn what_a_box_does_not_take_leaves_nothing(backend: Backend) {
        let house = House::new(&backend).await;
        let terms = DropWish {
            asks_name: Some(true),
            most_file_bytes: Change::Set(5),
            types: Some(types_in("txt, jpg")),
            ..DropWish::default()
        };
        let share = house.drop_box(terms).await;
        let guest = house.guest(&share);
        let put = |name: &str, sender: &str, bytes: &'static str| {
            guest.put(name, bytes).query(&[("sender", sender)]).send()
        };
        assert_eq!(put("a.txt", "", "1").await.unwrap().status(), StatusCode::BAD_REQUEST, "it asks for a name");
        for sender in ["\n", "\u{7}bell", &"x".repeat(81)] {
            assert_eq!(put("a.txt", sender, "1").await.unwrap().status(), StatusCode::BAD_REQUEST, "{sender:?}");
        }
        for name in ["a.exe", "a", "a.txt.exe", ".txt", "", "..", "../a.txt", "a/b.txt", "a\0.txt", "a\n.txt", &format!("{}.txt", "x".repeat(300))] {
            assert_eq!(put(name, "Mira", "1").await.unwrap().status(), StatusCode::BAD_REQUEST, "{name:?}");
        }
        assert_eq!(put("a.txt", "Mira", "123456").await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert!(house.inbox().is_empty());
        house.is_swept().await;
        assert_eq!(put("A.TXT", "Mira", "12345").await.unwrap().status(), StatusCode::OK);
        assert_eq!(guest.sends("b.jpg", "2").await, StatusCode::OK, "who told their name is known");
        assert_eq!(guest.begins("a.txt", 6).await, Err(StatusCode::PAYLOAD_TOO_LARGE));
        assert_eq!(guest.begins("a.txt", u64::MAX).await, Err(StatusCode::PAYLOAD_TOO_LARGE));
    }

    async fn a_share_on_terms_of_a_later_version_opens_to_nobody(backend: Backend) {
        let house = House::new(&backend).await;
        for (column, later) in [("mode", "browse"), ("audience", "friends"), ("door", "fax")] {
            let share = house.drop_box(DropWish::default()).await;
            let guest = house.guest(&share);
            assert_eq!(guest.client.get(&guest.base).send().await.unwrap().status(), StatusCode::OK);
            let set = format!("UPDATE share SET {column} = $1 WHERE public_id = $2");
            house.server.app.db.write(move |tx| tx.run(&set, args![later, share.id])).await.unwrap();
            for asked in [guest.client.get(&guest.base), guest.put("a.txt", "1")] {
                let refused = asked.send().await.unwrap();
                assert_eq!(refused.status(), StatusCode::INTERNAL_SERVER_ERROR, "{column}");
                assert!(!refused.text().await.unwrap().contains(SECRET_NAME), "{column}");
            }
        }
        assert_eq!(house.inbox(), BTreeSet::new());
    }

    async fn each_sender_has_a_folder_of_their_own(backend: Backend) {
        let house = House::new(&backend).await;
        let terms = DropWish { asks_name: Some(true), folder_per_sender: Some(true), ..DropWish::default() };
        let share = house.drop_box(terms).await;
        for sender in ["Dr. Mira", "Dr. Mira", "../../up", ".openshelf"] {
            let guest = house.guest(&share);
            guest.client.get(&guest.base).send().await.unwrap();
            let sent = join_all(["a.txt", "a.txt", "b.txt"].map(|name| {
                guest.put(name, "x").query(&[("sender", sender)]).send()
            }));
            assert!(sent.await.into_iter().all(|sent| sent.unwrap().status() == StatusCode::OK));
            let receipt = guest.receipt().await;
            let own: BTreeSet<_> = names(&receipt).into_iter().collect();
            assert_eq!(own, BTreeSet::from(["a.txt", "a (2).txt", "b.txt"]), "among their own");
        }
        let day = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
        let folders: BTreeSet<String> = house.inbox().iter().map(|file| file.split('/').next().unwrap().to_owned()).collect();
        let expected = [format!("Dr. Mira {day}"), format!("Dr. Mira {day} (2)"), format!("up {day}"), format!("openshelf {day}")];
        assert_eq!(folders, expected.into());
        assert_eq!(house.inbox().len(), 12);
    }

    async fn nobody_goes_on_with_the_upload_of_another(backend: Backend) {
        let house = House::new(&backend).await;
        let share = house.drop_box(DropWish::default()).await;
        let other_box = house.drop_box(DropWish::default()).await;
        let (guest, other) = (house.guest(&share), house.guest(&share));
        other.client.get(&other.base).send().await.unwrap();
        let id = guest.begins("a.txt", 3).await.unwrap();
        let elsewhere = Guest { client: guest.client.clone(), base: format!("{}/s/{}", house.server.url, other_box.id) };
        for stranger in [&other, &elsewhere] {
            let upload = stranger.upload(&id);
            let tries = [
                stranger.client.get(&upload),
                stranger.client.put(format!("{upload}/0")).body("bad"),
                stranger.client.delete(&upload),
            ];
            for request in tries {
                assert_eq!(request.send().await.unwrap().status(), StatusCode::NOT_FOUND);
            }
        }
        let put = guest.client.put(format!("{}/0", guest.upload(&id))).body("abc");
        assert_eq!(put.send().await.unwrap().status(), StatusCode::OK);
        assert_eq!(fs::read(house.home.join("inbox/a.txt")).unwrap(), b"abc");
    }

    async fn a_box_that_ends_takes_what_is_half_done_along(backend: Backend) {
        let house = House::new(&backend).await;
        let password = |word: &str| Wish { password: Change::Set(word.to_owned()), ..Wish::default() };
        for end in ["revoked", "another password", "expired", "only read", "the owner may not write"] {
            let share = house.drop_box(DropWish::default()).await;
            let guest = house.guest(&share);
            guest.client.get(&guest.base).send().await.unwrap();
            let id = guest.begins("parts.bin", 100).await.unwrap();
            let parts = guest.client.put(format!("{}/0", guest.upload(&id))).body(endless("half"));
            let whole = guest.put("whole.bin", endless("half"));
            let running = tokio::spawn(async move { tokio::join!(parts.send(), whole.send()) });
            // Both have come as far as the disk.
            let hidden = house.home.join(".openshelf");
            while fs::read_dir(&hidden).map_or(0, Iterator::count) < 2 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let (app, owner, share_id) = (house.server.app.clone(), house.ann.key, share.id.clone());
            match end {
                "revoked" => sharing::revoke(&app, owner, &share_id).await.unwrap(),
                "another password" => drop(sharing::edit(&app, owner, &share_id, password("other1")).await.unwrap()),
                "only read" => {
                    let wish = Wish { mode: Some(Mode::Read), ..Wish::default() };
                    drop(sharing::edit(&app, owner, &share_id, wish).await.unwrap());
                }
                "expired" => {
                    let sql = "UPDATE share SET expires_ms = $1 WHERE public_id = $2";
                    app.db.write(move |tx| tx.run(sql, args![now_ms() - 1, share_id])).await.map(drop).unwrap();
                }
                _ => {
                    let sql = "UPDATE library SET writable = 0 WHERE kind = 'home'";
                    app.db.write(move |tx| tx.run(sql, args![])).await.map(drop).unwrap();
                }
            }
            let ended = tokio::time::timeout(PATIENCE, running).await.expect("what runs ends").unwrap();
            for answer in [ended.0, ended.1].into_iter().flatten() {
                assert!(answer.status().is_client_error(), "{end}: {}", answer.status());
            }
            let again = guest.client.put(format!("{}/0", guest.upload(&id))).body("x".repeat(100));
            assert!(again.send().await.unwrap().status().is_client_error(), "{end}");
            house.is_swept().await;
            assert!(house.inbox().is_empty(), "{end}");
            if end == "the owner may not write" {
                assert_eq!(house.guest(&share).sends("a.txt", "1").await, StatusCode::FORBIDDEN);
            }
        }
    }

    async fn a_sender_who_vanishes_gives_their_place_back(backend: Backend) {
        let house = House::new(&backend).await;
        let share = house.drop_box(at_most(1)).await;
        let guest = house.guest(&share);
        let whole = guest.put("whole.bin", endless("half"));
        let running = tokio::spawn(whole.send());
        let count = async || {
            let rows = house.server.app.db.read(|tx| tx.one("SELECT COUNT(*) FROM upload", args![], |row| row.get::<i64>(0)));
            rows.await.unwrap()
        };
        while count().await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(house.guest(&share).sends("a.txt", "1").await, StatusCode::FORBIDDEN);
        running.abort();
        let _ = running.await;
        house.is_swept().await;
        assert_eq!(house.guest(&share).sends("a.txt", "1").await, StatusCode::OK);
    }

    async fn a_guests_files_count_as_the_owners(backend: Backend) {
        let house = House::new(&backend).await;
        let share = house.drop_box(DropWish::default()).await;
        let owner = house.ann.key;
        let quota = SECRET.len() + 5;
        let sql = "UPDATE account SET quota_bytes = $1 WHERE id = $2";
        house.server.app.db.write(move |tx| tx.run(sql, args![quota, owner.0])).await.unwrap();
        let guest = house.guest(&share);
        assert_eq!(guest.sends("six.txt", "123456").await, StatusCode::INSUFFICIENT_STORAGE);
        assert_eq!(guest.sends("five.txt", "12345").await, StatusCode::OK);
        assert_eq!(guest.sends("one.txt", "1").await, StatusCode::INSUFFICIENT_STORAGE);
        assert_eq!(house.inbox(), ["five.txt".to_owned()].into());
        house.is_swept().await;
    }

    async fn a_box_that_may_be_read_shows_what_is_there_and_takes_more(backend: Backend) {
        let house = House::new(&backend).await;
        let share = house.share(Mode::ReadDrop, DropWish::default(), Wish::default()).await;
        let guest = house.guest(&share);
        assert_eq!(guest.sends("a.txt", "new").await, StatusCode::OK);
        let page = guest.client.get(&guest.base).send().await.unwrap().text().await.unwrap();
        assert!(page.contains(SECRET_NAME) && page.contains("a.txt") && page.contains("Send files"), "{page}");
        let read_only = house.share(Mode::Read, DropWish::default(), Wish::default()).await;
        assert_eq!(house.guest(&read_only).sends("b.txt", "new").await, StatusCode::FORBIDDEN);
    }

    async fn a_locked_box_takes_nothing_before_its_password(backend: Backend) {
        let house = House::new(&backend).await;
        let wish = Wish { password: Change::Set("word1".to_owned()), ..Wish::default() };
        let share = house.share(Mode::Drop, DropWish::default(), wish).await;
        let guest = house.guest(&share);
        assert_eq!(guest.sends("a.txt", "1").await, StatusCode::NOT_FOUND);
        let page = guest.client.get(&guest.base).send().await.unwrap().text().await.unwrap();
        assert!(page.contains("needs a password"), "{page}");
        let unlock = guest.client.post(format!("{}/-/unlock", guest.base)).form(&[("password", "word1")]);
        assert_eq!(unlock.send().await.unwrap().status(), StatusCode::SEE_OTHER);
        assert_eq!(guest.sends("a.txt", "1").await, StatusCode::OK);
        assert_eq!(house.inbox(), ["a.txt".to_owned()].into());
    }

    async fn terms_of_a_box_survive_doors_that_have_no_word_for_them(backend: Backend) {
        let house = House::new(&backend).await;
        let terms = DropWish { folder_per_sender: Some(true), types: Some(types_in("txt")), ..at_most(3) };
        let share = house.drop_box(terms).await;
        let sign_in = [("u", "ann"), ("p", PASSWORD), ("v", "1.16.1"), ("c", "test"), ("f", "json")];
        let edit = [("id", share.id.as_str()), ("description", "other words")];
        let call = |name: &str| house.server.client().get(format!("{}/rest/{name}", house.server.url)).query(&sign_in);
        let edited: Value = call("updateShare").query(&edit).send().await.unwrap().json().await.unwrap();
        assert_eq!(edited["subsonic-response"]["status"], "ok", "{edited}");
        let listed: Value = call("getShares").send().await.unwrap().json().await.unwrap();
        assert_eq!(listed["subsonic-response"]["shares"]["share"][0]["id"], json!(share.id));
        let id = share.id.clone();
        let now = house.server.app.db.read(move |tx| shares::by_id(tx, &id)).await.unwrap().unwrap();
        assert_eq!((now.description.as_str(), now.terms.mode), ("other words", Mode::Drop));
        assert_eq!(now.terms.drop_box, share.terms.drop_box);
        assert_eq!(now.terms.drop_box.most_files, Some(3));
    }

    async fn only_a_folder_that_its_owner_may_write_to_takes_files(backend: Backend) {
        let house = House::new(&backend).await;
        let (app, ann) = (&house.server.app, &house.ann);
        let shelf = tempfile::TempDir::new().unwrap();
        fs::create_dir(shelf.path().join("box")).unwrap();
        let shelf = house.server.add_library("Shelf", shelf.path());
        let owner = ann.key;
        let found = app.db.read(move |tx| {
            let root = library::root_item(tx, shelf.key)?;
            let read_only = library::child_shown(tx, root.key, "box")?.unwrap();
            let home = library::home_of(tx, owner)?.unwrap();
            let home = library::root_item(tx, home.key)?;
            let inbox = library::child_shown(tx, home.key, "inbox")?.unwrap();
            let file = library::child_shown(tx, inbox.key, SECRET_NAME)?.unwrap();
            Ok((read_only.key, inbox.key, file.key))
        });
        let (read_only, inbox, file) = found.await.unwrap();
        let wish = || Wish { mode: Some(Mode::Drop), ..Wish::default() };
        for items in [vec![read_only], vec![file], vec![inbox, read_only]] {
            let items = items.into_iter().map(Shared::Item).collect();
            let made = sharing::create(app, ann, Door::Page, items, wish()).await;
            assert!(made.is_err_and(|error| error.to_string().contains("mode")));
        }
        let plain = sharing::create(app, ann, Door::Page, vec![Shared::Item(read_only)], Wish::default()).await.unwrap();
        assert!(sharing::edit(app, ann.key, &plain.id, wish()).await.is_err());
        let limits = Wish { drop_box: at_most(3), ..Wish::default() };
        assert!(sharing::edit(app, ann.key, &plain.id, limits).await.is_err(), "a term that nothing enforces is refused");
    }
}
