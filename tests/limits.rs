//! Limits hold to the last one, whoever comes, however many at once, by whichever door.

use std::fs::File;
use std::path::PathBuf;
use std::time::Instant;

use futures_util::future::join_all;
use openshelf::config::Given;
use openshelf::library::Library;
use openshelf::store::QUEUE_LENGTH;
use reqwest::{Method, StatusCode, header};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::both_engines;
use crate::engines::Backend;
use crate::server::{ADMIN, PASSWORD, PATIENCE, Server};
use crate::store::{Gate, queued};
use crate::strangers::{Answer, DOORS, Desk, Door, Guest, Owner, Shareable, Wanted, contains, mycloud_content, text};
use openshelf::share::visit::LEASE_MS;
use openshelf::work::transfers;

const LIMIT: usize = 7;
const GUESTS: usize = 100;

const HUGE_BYTES: u64 = 8 << 30;

/// A folder with a file of half a megabyte and a small one; elsewhere, a file that takes long, and no room on the disk.
struct Stage {
    server: Server,
    library: Library,
    owner: Owner,
    folder: TempDir,
    root: PathBuf,
    shared: Shareable,
    large: Wanted,
}

impl Stage {
    async fn set(backend: &Backend) -> Stage {
        Stage::set_with(backend, |_| ()).await
    }

    async fn set_with(backend: &Backend, settings: impl FnOnce(&mut Given)) -> Stage {
        let folder = TempDir::new().unwrap();
        let content: Vec<u8> = (0..500_000u32).map(|i| (i / 7) as u8).collect();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("box")).unwrap();
        std::fs::write(root.join("box/large.bin"), content).unwrap();
        std::fs::create_dir(root.join("wide")).unwrap();
        File::create(root.join("wide/huge.bin")).unwrap().set_len(HUGE_BYTES).unwrap();
        std::fs::write(root.join("box/small.txt"), "a small one").unwrap();
        let server = Server::start_with(backend, settings);
        let library = server.add_library("Shelf", &root);
        let owner = Owner::sign_in(&server, ADMIN).await;
        let shared = Shareable::of(&server, &library, "box").await;
        let large = Wanted::of(&server, &library, &root, "box/large.bin").await;
        Stage { server, library, owner, folder, root, shared, large }
    }

    /// A share with these terms, as the page's form names them.
    async fn share(&self, terms: &[(&str, &str)]) -> String {
        self.share_of(&self.shared, terms).await
    }

    async fn share_of(&self, shared: &Shareable, terms: &[(&str, &str)]) -> String {
        let id = self.owner.make(Desk::Page, shared).await;
        let fields = [&[("downloads", "allowed")], terms].concat();
        self.owner.post(&format!("/app/shares/{id}"), &fields).await;
        id
    }

    fn guest(&self, agent: &str) -> Guest {
        Guest::new(&self.server, agent)
    }

    /// A hundred guests at once, each their own, by these doors in turn; how many had the whole file.
    async fn served(&self, share: &str, doors: &[Door]) -> usize {
        let tries = (0..GUESTS).map(|number| {
            let (mut guest, door) = (self.guest(&format!("guest {number}")), doors[number % doors.len()]);
            let (share, large) = (share.to_owned(), self.large.clone());
            tokio::spawn(async move { guest.download(door, &share, &large).await })
        });
        let mut served = 0;
        for got in join_all(tries).await {
            if let Some(bytes) = got.unwrap() {
                assert!(bytes == self.large.content, "a whole file or none");
                served += 1;
            }
        }
        served
    }
}

fn file(share: &str, item_id: &str) -> String {
    format!("/s/{share}/-/file/{item_id}?download=1")
}

both_engines! {
    async fn a_limit_under_a_hundred_guests_serves_exactly_that_many(backend: Backend) {
        let stage = Stage::set(&backend).await;
        let rounds: [(&str, &[Door]); 5] = [
            ("with cookies", &[Door::Page]),
            ("without", &[Door::Bare]),
            ("drives", &[Door::Cloudreve]),
            ("recipients", &[Door::MyCloud]),
            ("all at once", &DOORS),
        ];
        for (name, doors) in rounds {
            let share = stage.share(&[("download_limit", &LIMIT.to_string())]).await;
            assert_eq!(stage.served(&share, doors).await, LIMIT, "{name}");
            stage.owner.downloads_settle_at(&share, LIMIT as i64).await;
            for door in DOORS {
                let late = stage.guest("late").download(door, &share, &stage.large).await;
                assert!(late.is_none(), "{name}: {door:?} serves one more");
            }
        }
    }

    async fn a_resume_is_the_same_download_for_the_same_visitor_only(backend: Backend) {
        let stage = Stage::set(&backend).await;
        let (share, content) = (stage.share(&[("download_limit", "2")]).await, &stage.large.content);
        let address = file(&share, &stage.large.item_id);
        let (mut first, mut other) = (stage.guest("first"), stage.guest("other"));
        first.visit(&share).await;
        other.visit(&share).await;
        for (range, expected) in [("bytes=0-99", &content[..100]), ("bytes=100-", &content[100..]), ("bytes=-5", &content[content.len() - 5..])] {
            let part = first.range(&address, range).await;
            assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
            assert!(part.body == expected, "{range}");
        }
        assert_eq!(stage.owner.downloads(&share).await, 1, "one visitor, one file");
        assert_eq!(other.range(&address, "bytes=100-").await.status, StatusCode::PARTIAL_CONTENT);
        assert_eq!(stage.owner.downloads(&share).await, 2, "somebody else's resume is a download of theirs");
        assert_eq!(stage.guest("third").range(&address, "bytes=100-").await.status, StatusCode::NOT_FOUND);
        assert!(first.get(&address).await.whole().is_some(), "a used-up share stands for whoever has one open");
    }

    async fn a_resume_without_a_cookie_is_taken_up_from_the_same_address_only(backend: Backend) {
        let stage = Stage::set(&backend).await;
        // What lies in the sockets of this machine counts as sent; of this file that is a small part.
        let huge = Shareable::of(&stage.server, &stage.library, "wide/huge.bin").await;
        let share = stage.share_of(&huge, &[("download_limit", "1")]).await;
        let address = file(&share, &huge.item.id);
        let mut broken = stage.guest("wget").request(Method::GET, &address).send().await.unwrap();
        assert!(!broken.chunk().await.unwrap().unwrap().is_empty());
        let elsewhere = stage.guest("wget").at([127, 0, 0, 2]);
        assert_eq!(elsewhere.range(&address, "bytes=100-199").await.status, StatusCode::NOT_FOUND);
        assert_eq!(stage.guest("wget").get(&address).await.status, StatusCode::NOT_FOUND, "from the start it is a new one");
        drop(broken);
        let rest = stage.guest("wget").range(&address, "bytes=100-199").await;
        assert_eq!(rest.status, StatusCode::PARTIAL_CONTENT);
        assert!(rest.body == [0; 100]);
        assert_eq!(stage.owner.downloads(&share).await, 1);
    }

    async fn heads_and_unchanged_files_spend_nothing(backend: Backend) {
        let stage = Stage::set(&backend).await;
        let share = stage.share(&[("download_limit", "3")]).await;
        let address = file(&share, &stage.large.item_id);
        for _ in 0..3 {
            let head = Answer::of(stage.guest("head").request(Method::HEAD, &address)).await;
            assert_eq!(head.status, StatusCode::OK);
            assert_eq!(head.header(header::CONTENT_LENGTH), stage.large.content.len().to_string());
            stage.owner.downloads_settle_at(&share, 0).await;
        }
        let etag = stage.guest("first").get(&address).await.header(header::ETAG).to_owned();
        stage.owner.downloads_settle_at(&share, 1).await;
        for _ in 0..3 {
            let same = stage.guest("again").request(Method::GET, &address).header(header::IF_NONE_MATCH, &etag);
            assert_eq!(Answer::of(same).await.status, StatusCode::NOT_MODIFIED);
            stage.owner.downloads_settle_at(&share, 1).await;
        }
        let beyond = stage.guest("beyond").range(&address, "bytes=99999999-").await;
        assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
        stage.owner.downloads_settle_at(&share, 1).await;
        let token = stage.guest("cloud").mycloud_token(&share).await.unwrap();
        let head = Answer::of(stage.guest("cloud").request(Method::HEAD, &mycloud_content(&token, &stage.large.item_id))).await;
        assert!(head.body.is_empty());
        stage.owner.downloads_settle_at(&share, 1).await;
    }

    async fn a_file_that_vanished_gives_its_download_back(backend: Backend) {
        let stage = Stage::set(&backend).await;
        let share = stage.share(&[("download_limit", "1")]).await;
        let alone = Shareable::of(&stage.server, &stage.library, "box/large.bin").await;
        let share_alone = stage.share_of(&alone, &[("download_limit", "1")]).await;
        let path = stage.root.join("box/large.bin");
        let aside = stage.folder.path().join("aside");
        std::fs::rename(&path, &aside).unwrap();
        for door in DOORS {
            let got = stage.guest("unlucky").download(door, &share, &stage.large).await;
            assert!(got.is_none(), "{door:?}");
        }
        let zip = stage.guest("unlucky").get(&format!("/s/{share_alone}/-/zip")).await;
        assert_eq!(zip.status, StatusCode::NOT_FOUND, "an archive of nothing that is there");
        stage.owner.downloads_settle_at(&share_alone, 0).await;
        stage.owner.downloads_settle_at(&share, 0).await;
        std::fs::rename(&aside, &path).unwrap();
        stage.server.scan(&stage.library);
        let lucky = Wanted::of(&stage.server, &stage.library, &stage.root, "box/large.bin").await;
        assert!(stage.guest("lucky").download(Door::Page, &share, &lucky).await.is_some());
        assert!(stage.guest("late").download(Door::Page, &share, &lucky).await.is_none());
    }

    async fn a_reserved_download_that_nobody_fetches_is_given_back_in_time(backend: Backend) {
        let stage = Stage::set(&backend).await;
        let share = stage.share(&[("download_limit", "1")]).await;
        let reserved = stage.guest("reserves").drive_url(&share, "large.bin").await;
        assert_eq!(reserved["code"], 0, "{reserved}");
        assert!(stage.guest("late").download(Door::Page, &share, &stage.large).await.is_none());
        let soon = openshelf::now_ms() + LEASE_MS / 2;
        let later = openshelf::now_ms() + LEASE_MS + 1000;
        let app = std::sync::Arc::clone(&stage.server.app);
        transfers::tend_once(&app, soon).await.unwrap();
        stage.owner.downloads_settle_at(&share, 1).await;
        transfers::tend_once(&app, later).await.unwrap();
        stage.owner.downloads_settle_at(&share, 0).await;
        assert!(stage.guest("late").download(Door::Page, &share, &stage.large).await.is_some());
    }

    async fn a_view_limit_counts_visitors_at_all_doors(backend: Backend) {
        let stage = Stage::set(&backend).await;
        let share = stage.share(&[("view_limit", "3")]).await;
        let mut first = stage.guest("first");
        for _ in 0..3 {
            assert_eq!(first.visit(&share).await.status, StatusCode::OK);
        }
        assert_eq!(stage.owner.views(&share).await, 1, "one visitor is one view");
        let counting = format!("/api/v4/share/info/{share}?count_views=true");
        assert_eq!(stage.guest("drive").cloudreve(Method::GET, &counting, None).await["code"], 0);
        assert_eq!(stage.owner.views(&share).await, 2);
        let token = stage.guest("recipient").mycloud_token(&share).await.unwrap();
        assert_eq!(stage.owner.views(&share).await, 3);

        assert_eq!(stage.guest("fourth").get(&format!("/s/{share}")).await.status, StatusCode::NOT_FOUND);
        assert_eq!(stage.guest("fourth").mycloud_share(&share).await.status, StatusCode::NOT_FOUND);
        let info = format!("/api/v4/share/info/{share}");
        assert_eq!(stage.guest("fourth").cloudreve(Method::GET, &info, None).await["code"], 404);
        assert!(stage.guest("fourth").download(Door::Bare, &share, &stage.large).await.is_none());
        assert_eq!(first.visit(&share).await.status, StatusCode::OK, "who was counted may come again");
        assert!(first.page_file(&share, &stage.large.item_id).await.whole().is_some());
        let recipient = stage.guest("recipient").mycloud_file(&token, &stage.large.item_id).await;
        assert!(recipient.whole().is_some(), "the token of the last view opens the share");
    }

    async fn a_view_limit_under_a_hundred_guests_lets_exactly_that_many_in(backend: Backend) {
        let stage = Stage::set(&backend).await;
        let share = stage.share(&[("view_limit", &LIMIT.to_string())]).await;
        let visits = (0..GUESTS).map(|number| {
            let (mut guest, share) = (stage.guest(&format!("guest {number}")), share.clone());
            tokio::spawn(async move { guest.visit(&share).await.status })
        });
        let statuses: Vec<StatusCode> = join_all(visits).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(statuses.iter().filter(|status| **status == StatusCode::OK).count(), LIMIT);
        assert_eq!(statuses.iter().filter(|status| **status == StatusCode::NOT_FOUND).count(), GUESTS - LIMIT);
        assert_eq!(stage.owner.views(&share).await, LIMIT as i64);
    }

    async fn looks_of_chat_programs_and_of_the_owner_spend_nothing(backend: Backend) {
        let stage = Stage::set(&backend).await;
        let share = stage.share(&[("view_limit", "1"), ("download_limit", "1")]).await;
        for agent in ["facebookexternalhit/1.1", "Slackbot-LinkExpanding 1.0", "WhatsApp/2.0", "TelegramBot (like TwitterBot)"] {
            let mut crawler = stage.guest(agent);
            assert_eq!(crawler.visit(&share).await.status, StatusCode::OK);
            assert!(crawler.cookie.is_none(), "{agent}");
            let link = crawler.get(&format!("/action/share/{share}")).await;
            assert_eq!(link.status, StatusCode::SEE_OTHER, "{agent} gets a page, and no bytes");
        }
        let owner = &stage.owner;
        assert_eq!(owner.page(&format!("/s/{share}")).await.status, StatusCode::OK);
        let own = owner.page(&file(&share, &stage.large.item_id)).await;
        assert!(own.whole().is_some());
        let path = format!("/sdk/v2/files/{}/content", stage.large.item_id);
        assert!(owner.mycloud(Method::GET, &path, None).await.whole().is_some());
        assert_eq!(owner.mycloud(Method::GET, &format!("/v1/shares/{share}"), None).await.status, StatusCode::OK);
        owner.cloudreve(Method::GET, &format!("/api/v4/share/info/{share}?count_views=true"), None).await;
        let uri = stage.guest("any").drive_uri(&share, "large.bin");
        let urls = owner.cloudreve(Method::POST, "/api/v4/file/url", Some(json!({"uris": [uri]}))).await;
        let url = text(&urls["urls"][0]["url"]);
        assert!(stage.guest("owner's browser").get(&url).await.whole().is_some());
        stage.owner.downloads_settle_at(&share, 0).await;
        assert_eq!(owner.views(&share).await, 0);

        assert!(stage.guest("somebody").download(Door::Page, &share, &stage.large).await.is_some());
        assert_eq!((owner.views(&share).await, owner.downloads(&share).await), (1, 1));
    }

    async fn whoever_takes_the_bytes_has_seen_the_share(backend: Backend) {
        let stage = Stage::set(&backend).await;
        for object in [format!("file/{}", stage.large.item_id), "zip".to_owned()] {
            let share = stage.share(&[("view_limit", "1")]).await;
            let crawler = stage.guest("Discordbot");
            assert_eq!(crawler.get(&format!("/s/{share}")).await.status, StatusCode::OK);
            assert_eq!(stage.owner.views(&share).await, 0);
            let address = format!("/s/{share}/-/{object}");
            assert_eq!(crawler.get(&address).await.status, StatusCode::OK);
            assert_eq!(stage.owner.views(&share).await, 1);
            assert_eq!(crawler.get(&address).await.status, StatusCode::OK, "the same visitor goes on");
            assert_eq!(stage.guest("second").get(&address).await.status, StatusCode::NOT_FOUND);
            assert_eq!(stage.guest("second").get(&format!("/s/{share}")).await.status, StatusCode::NOT_FOUND);
        }
    }

    async fn an_archive_counts_as_one(backend: Backend) {
        let stage = Stage::set(&backend).await;
        let share = stage.share(&[("download_limit", "2")]).await;
        let address = format!("/s/{share}/-/zip");
        let zip = stage.guest("first").get(&address).await;
        assert_eq!((zip.status, zip.header(header::CONTENT_TYPE)), (StatusCode::OK, "application/zip"));
        assert!(contains(&zip.body, &stage.large.content) && contains(&zip.body, b"a small one"));
        stage.owner.downloads_settle_at(&share, 1).await;
        let token = stage.guest("second").mycloud_token(&share).await.unwrap();
        let zip = format!("/sdk/v1/filesZip?ids={}&access_token={token}", stage.shared.item.id);
        let zip = stage.guest("second").get(&zip).await;
        assert_eq!(zip.status, StatusCode::OK, "{}", zip.text());
        assert!(contains(&zip.body, &stage.large.content));
        stage.owner.downloads_settle_at(&share, 2).await;
        assert_eq!(stage.guest("third").get(&address).await.status, StatusCode::NOT_FOUND);
        assert!(stage.guest("third").download(Door::Bare, &share, &stage.large).await.is_none());
    }

    async fn a_limit_under_a_hundred_guests_holds_for_every_kind_of_transfer(backend: Backend) {
        let stage = Stage::set(&backend).await;
        let file = format!("file/{}?download=1", stage.large.item_id);
        let kinds = [
            ("a file in two goes", file.as_str(), "bytes=0-99999"),
            ("two parts of a file", &file, "bytes=0-99,300000-300099"),
            ("an archive", "zip", "bytes=0-"),
            ("an archive in two goes", "zip", "bytes=0-99999"),
        ];
        for (name, object, range) in kinds {
            let share = stage.share(&[("download_limit", &LIMIT.to_string())]).await;
            let tries = (0..GUESTS).map(|number| {
                let (mut guest, share, address) = (stage.guest(&format!("guest {number}")), share.clone(), format!("/s/{share}/-/{object}"));
                tokio::spawn(async move {
                    guest.visit(&share).await;
                    let first = guest.range(&address, range).await.status;
                    let rest = guest.range(&address, "bytes=100000-").await.status;
                    assert_eq!(first, rest, "who began may finish, and nobody else");
                    first
                })
            });
            let statuses: Vec<StatusCode> = join_all(tries).await.into_iter().map(Result::unwrap).collect();
            let served = statuses.iter().filter(|status| **status == StatusCode::PARTIAL_CONTENT).count();
            assert_eq!(served, LIMIT, "{name}: {statuses:?}");
            stage.owner.downloads_settle_at(&share, LIMIT as i64).await;
        }
    }

    async fn who_hangs_up_before_the_first_byte_spends_nothing(backend: Backend) {
        let stage = Stage::set(&backend).await;
        for object in [format!("file/{}?download=1", stage.large.item_id), "zip".to_owned()] {
            let share = stage.share(&[("download_limit", "1")]).await;
            let gate = Gate::close(&stage.server.app.db).await;
            let address = stage.server.url.strip_prefix("http://").unwrap();
            let mut line = TcpStream::connect(address).await.unwrap();
            let request = format!("GET /s/{share}/-/{object} HTTP/1.1\r\nHost: {address}\r\n\r\n");
            line.write_all(request.as_bytes()).await.unwrap();
            line.shutdown().await.unwrap();
            // The server closes its side as soon as it has let the request go.
            let mut answer = Vec::new();
            let _ = line.read_to_end(&mut answer).await;
            assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
            gate.open().await;

            let until = Instant::now() + PATIENCE;
            while stage.guest("next").download(Door::Page, &share, &stage.large).await.is_none() {
                assert!(Instant::now() < until, "{object}: the download of nobody stays spent");
            }
            stage.owner.downloads_settle_at(&share, 1).await;
        }
    }

    async fn a_capped_server_and_a_capped_share_hand_out_every_byte(backend: Backend) {
        let stage = Stage::set_with(&backend, |given| given.max_rate = Some("20M".to_owned())).await;
        let share = stage.share(&[("rate", "10M")]).await;
        for door in DOORS {
            let got = stage.guest("patient").download(door, &share, &stage.large).await;
            assert!(got.as_ref() == Some(&stage.large.content), "{door:?}");
        }
        let parts = stage.guest("patient").range(&file(&share, &stage.large.item_id), "bytes=5-9,300000-").await;
        assert_eq!(parts.status, StatusCode::PARTIAL_CONTENT);
        assert!(contains(&parts.body, &stage.large.content[300_000..]));
        let zip = stage.guest("patient").get(&format!("/s/{share}/-/zip")).await;
        assert!(contains(&zip.body, &stage.large.content));
    }

    async fn full_queues_answer_503_and_when_to_try_again_at_every_door(backend: Backend) {
        let stage = Stage::set(&backend).await;
        let share = stage.share(&[("download_limit", "100")]).await;
        let guest = stage.guest("guest");
        let token = guest.mycloud_token(&share).await.unwrap();
        let subsonic = [("u", ADMIN), ("p", PASSWORD), ("v", "1.16.1"), ("c", "proof"), ("name", "a list"), ("f", "json")];
        let uris = json!({"uris": [guest.drive_uri(&share, "large.bin")], "download": true});
        let requests = [
            ("page", guest.request(Method::GET, &file(&share, &stage.large.item_id))),
            ("My Cloud Home", guest.request(Method::GET, &mycloud_content(&token, &stage.large.item_id))),
            ("Cloudreve", guest.request(Method::POST, "/api/v4/file/url").json(&uris)),
            ("OpenSubsonic", guest.request(Method::GET, "/rest/createPlaylist").query(&subsonic)),
        ];
        let db = &stage.server.app.db;
        let gate = Gate::close(db).await;
        let waiting: Vec<_> = (0..QUEUE_LENGTH).map_while(|_| queued(db, |_| Ok(())).ok()).collect();
        for (door, request) in requests {
            let answer = Answer::of(request).await;
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{door}: {}", answer.text());
            assert_eq!(answer.header(header::RETRY_AFTER), "1", "{door}");
        }
        drop(waiting);
        gate.open().await;
        assert!(stage.guest("later").download(Door::Page, &share, &stage.large).await.is_some());
        stage.owner.downloads_settle_at(&share, 1).await;
    }
}
