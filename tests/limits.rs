//! Limits hold to the last one, whoever comes, however many at once, by whichever door.

use std::fs::File;
use std::path::PathBuf;

use futures_util::future::join_all;
use openshelf::library::Library;
use reqwest::{Method, StatusCode, header};
use serde_json::json;
use tempfile::TempDir;

use crate::both_engines;
use crate::engines::Backend;
use crate::server::{ADMIN, Server};
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
        let folder = TempDir::new().unwrap();
        let content: Vec<u8> = (0..500_000u32).map(|i| (i / 7) as u8).collect();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("box")).unwrap();
        std::fs::write(root.join("box/large.bin"), content).unwrap();
        std::fs::create_dir(root.join("wide")).unwrap();
        File::create(root.join("wide/huge.bin")).unwrap().set_len(HUGE_BYTES).unwrap();
        std::fs::write(root.join("box/small.txt"), "a small one").unwrap();
        let server = Server::start(backend);
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
}
