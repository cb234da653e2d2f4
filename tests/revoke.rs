//! What was revoked is dead at once, and what runs ends within seconds.

use std::fs::File;
use std::time::{Duration, Instant};

use openshelf::account::UserState;
use openshelf::library::Library;
use openshelf::store::accounts;
use openshelf::work::{libraries, signin};
use reqwest::{Method, Response, StatusCode, header};
use serde_json::json;
use tempfile::TempDir;

use crate::both_engines;
use crate::engines::Backend;
use crate::server::{ADMIN, PASSWORD, Server};
use crate::strangers::{
    Answer, DESKS, DOORS, Desk, Door, Guest, Owner, Shareable, Wanted, encoded, mycloud_content, text,
};

/// How long a transfer may outlive its share.
const PROMISED: Duration = Duration::from_secs(5);
const SECRET: &str = "s3cretWord";
/// No reader on this machine is through with it in the seconds that a test takes. It takes no room on the disk.
const HUGE_BYTES: u64 = 200 << 30;

struct Stage {
    server: Server,
    library: Library,
    owner: Owner,
    shared: Shareable,
    small: Wanted,
    _folder: TempDir,
}

impl Stage {
    /// The shared folder's owner is no admin, so that they may be banned.
    async fn set(backend: &Backend) -> Stage {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("box")).unwrap();
        File::create(folder.path().join("box/huge.bin")).unwrap().set_len(HUGE_BYTES).unwrap();
        std::fs::write(folder.path().join("box/small.txt"), "a small one").unwrap();
        let server = Server::start(backend);
        let library = server.add_library("Shelf", folder.path());
        server.add_user("ann");
        let owner = Owner::sign_in(&server, "ann").await;
        let shared = Shareable::of(&server, &library, "box").await;
        let small = Wanted::of(&server, &library, folder.path(), "box/small.txt").await;
        Stage { server, library, owner, shared, small, _folder: folder }
    }

    fn guest(&self, agent: &str) -> Guest {
        Guest::new(&self.server, agent)
    }

    /// A guest who has all that a share gives out: cookie, token and a signed address.
    async fn holder(&self, share: &str, password: Option<&str>) -> Holder {
        let mut guest = self.guest("holder");
        guest.password = password.map(str::to_owned);
        guest.visit(share).await;
        let token = guest.mycloud_token(share).await.unwrap();
        let url = guest.drive_url(share, &self.small.name).await;
        let addresses = vec![
            format!("/s/{share}/-/file/{}?download=1", self.small.item_id),
            format!("/s/{share}/-/zip"),
            mycloud_content(&token, &self.small.item_id),
            format!("/sdk/v2/files/{}?access_token={token}", self.small.item_id),
            text(&url["data"]["urls"][0]["url"]),
        ];
        Holder { guest, addresses }
    }
}

struct Holder {
    guest: Guest,
    addresses: Vec<String>,
}

impl Holder {
    async fn opens_all(&self) {
        for address in self.addresses.iter().filter(|address| !address.ends_with("/zip")) {
            assert_eq!(self.guest.get(address).await.status, StatusCode::OK, "{address}");
        }
    }

    async fn opens_nothing(&self, why: &str) {
        for address in &self.addresses {
            let answer = self.guest.get(address).await;
            assert!(answer.status.is_client_error(), "{why}: {address} answers {}", answer.status);
            assert!(!answer.text().contains("a small one"), "{why}: {address}");
        }
    }
}

/// Reads on until the server ends it, and answers when that was.
async fn cut(mut running: Response) -> Instant {
    loop {
        match running.chunk().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the transfer ended as if it were whole"),
            Err(_) => return Instant::now(),
        }
    }
}

both_engines! {
    async fn running_transfers_end_within_five_seconds_of_a_revoke(backend: Backend) {
        let stage = Stage::set(&backend).await;
        let share = stage.owner.make(Desk::Subsonic, &stage.shared).await;
        let huge = stage.shared_file("huge.bin").await;
        let mut guest = stage.guest("guest");
        guest.visit(&share).await;
        let token = guest.mycloud_token(&share).await.unwrap();
        let signed = text(&guest.drive_url(&share, "huge.bin").await["data"]["urls"][0]["url"]);
        let page = format!("/s/{share}/-/file/{huge}?download=1");
        let addresses = [page.clone(), mycloud_content(&token, &huge), signed, page];
        let mut running = Vec::new();
        for address in &addresses {
            let mut response = guest.request(Method::GET, address).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::OK, "{address}");
            assert_eq!(response.content_length(), Some(HUGE_BYTES));
            assert!(!response.chunk().await.unwrap().unwrap().is_empty());
            running.push(response);
        }
        // One who reads nothing holds no more than what lies in the sockets.
        let mut stalled = running.pop().unwrap();

        stage.owner.revoke(Desk::Cloudreve, &share).await;
        let revoked = Instant::now();

        let readers: Vec<_> = running.into_iter().map(|response| tokio::spawn(cut(response))).collect();
        for (reader, address) in readers.into_iter().zip(&addresses) {
            let ended = tokio::time::timeout(4 * PROMISED, reader).await.expect("it ends").unwrap();
            assert!(ended - revoked < PROMISED, "{address} went on for {:?}", ended - revoked);
        }
        let mut rest_bytes = 0;
        while let Ok(Some(chunk)) = stalled.chunk().await {
            rest_bytes += chunk.len();
            assert!(rest_bytes < 256 << 20, "somebody sends to a reader who was cut");
        }
    }

    async fn everything_given_out_dies_with_its_share(backend: Backend) {
        let stage = Stage::set(&backend).await;
        for desk in DESKS.into_iter().filter(|desk| *desk != Desk::CommandLine) {
            let share = stage.owner.make(Desk::Page, &stage.shared).await;
            let holder = stage.holder(&share, None).await;
            holder.opens_all().await;
            stage.owner.revoke(desk, &share).await;
            holder.opens_nothing(&format!("revoked at {desk:?}")).await;
        }
    }

    async fn a_new_password_ends_what_the_old_one_opened(backend: Backend) {
        let stage = Stage::set(&backend).await;
        let share = stage.owner.make(Desk::Page, &stage.shared).await;
        let edit = format!("/app/shares/{share}");
        let before = stage.holder(&share, None).await;
        before.opens_all().await;
        let lock = |password: &'static str| [("password_is", "set"), ("password", password), ("downloads", "allowed")];
        stage.owner.post(&edit, &lock(SECRET)).await;
        before.opens_nothing("a password where there was none").await;

        let unlocked = stage.holder(&share, Some(SECRET)).await;
        unlocked.opens_all().await;
        stage.owner.post(&edit, &[("password_is", "keep"), ("title", "kept"), ("downloads", "allowed")]).await;
        unlocked.opens_all().await;
        stage.owner.post(&edit, &lock("an0ther")).await;
        unlocked.opens_nothing("another password").await;
        for door in DOORS {
            let by_old = stage.guest("old").knowing(SECRET).download(door, &share, &stage.small).await;
            assert!(by_old.is_none(), "{door:?}");
        }
        for door in [Door::Page, Door::Cloudreve, Door::MyCloud] {
            let by_new = stage.guest("new").knowing("an0ther").download(door, &share, &stage.small).await;
            assert_eq!(by_new.as_deref(), Some(&b"a small one"[..]), "{door:?}");
        }
    }

    async fn shares_die_with_their_owners_account_and_rights(backend: Backend) {
        let stage = Stage::set(&backend).await;
        let share = stage.owner.make(Desk::Page, &stage.shared).await;
        let holder = stage.holder(&share, None).await;
        holder.opens_all().await;
        stage.set_state(UserState::Banned).await;
        holder.opens_nothing("its owner is banned").await;
        stage.is_gone_everywhere(&share).await;
        assert_ne!(stage.owner.subsonic_as_it_is("ping", &[]).await["status"], "ok");

        stage.set_state(UserState::Active).await;
        stage.holder(&share, None).await.opens_all().await;
        let (app, name) = (stage.server.app.clone(), stage.library.name.clone());
        let holder = stage.holder(&share, None).await;
        stage.server.run(async move { libraries::remove(&app, &name).await.unwrap() });
        holder.opens_nothing("its library is gone").await;
        stage.is_gone_everywhere(&share).await;
    }

    async fn running_transfers_end_when_their_owner_is_banned(backend: Backend) {
        let stage = Stage::set(&backend).await;
        let share = stage.owner.make(Desk::Page, &stage.shared).await;
        let huge = stage.shared_file("huge.bin").await;
        let mut running = stage.guest("guest").request(Method::GET, &format!("/s/{share}/-/file/{huge}")).send().await.unwrap();
        assert!(running.chunk().await.unwrap().is_some());
        stage.set_state(UserState::Banned).await;
        let banned = Instant::now();
        let ended = tokio::time::timeout(4 * PROMISED, cut(running)).await.expect("it ends");
        assert!(ended - banned < PROMISED, "{:?}", ended - banned);
    }

    async fn a_new_password_of_a_user_ends_their_sessions_at_every_door(backend: Backend) {
        let stage = Stage::set(&backend).await;
        let owner = &stage.owner;
        assert_eq!(owner.page("/app/shares").await.status, StatusCode::OK);
        assert_eq!(owner.cloudreve_as_it_is(Method::GET, "/api/v4/user/me", None).await["code"], 0);
        assert_eq!(owner.mycloud(Method::GET, "/authrouter/userinfo", None).await.status, StatusCode::OK);
        owner.subsonic("ping", &[]).await;

        let app = stage.server.app.clone();
        stage.server.run(async move {
            let user = app.db.read(|tx| accounts::by_login(tx, "ann")).await.unwrap().unwrap();
            signin::set_password(&app, user.key, "another horse").await.unwrap();
        });

        let page = owner.page("/app/shares").await;
        assert_eq!(page.status, StatusCode::SEE_OTHER);
        assert!(page.header(header::LOCATION).contains("/app/sign-in"));
        assert_eq!(owner.cloudreve_as_it_is(Method::GET, "/api/v4/user/me", None).await["code"], 401);
        assert_eq!(owner.mycloud(Method::GET, "/authrouter/userinfo", None).await.status, StatusCode::UNAUTHORIZED);
        let refused = owner.subsonic_as_it_is("ping", &[]).await;
        assert_eq!(refused["error"]["code"], 40, "{refused}");
        let guest = stage.guest("app");
        let refresh = json!({"refresh_token": owner.cloudreve_refresh});
        let again = guest.cloudreve(Method::POST, "/api/v4/session/token/refresh", Some(refresh)).await;
        assert_ne!(again["code"], 0, "{again}");
        let refresh = json!({"grant_type": "refresh_token", "refresh_token": owner.mycloud_refresh});
        let again = Answer::of(guest.request(Method::POST, "/authrouter/oauth/token").json(&refresh)).await;
        assert!(again.status.is_client_error(), "{}", again.text());
        let sign_in = guest.request(Method::POST, "/app/sign-in").form(&[("user", "ann"), ("password", PASSWORD)]);
        assert_eq!(Answer::of(sign_in).await.status, StatusCode::FORBIDDEN);
        assert_eq!(Owner::sign_in(&stage.server, ADMIN).await.name, ADMIN, "others stay as they are");
    }
}

impl Stage {
    async fn shared_file(&self, name: &str) -> String {
        crate::strangers::item(&self.server, &self.library, &format!("box/{name}")).await.id
    }

    async fn set_state(&self, state: UserState) {
        let change = self.server.app.db.write(move |tx| {
            let user = accounts::by_login(tx, "ann")?.unwrap();
            accounts::set_state(tx, user.key, state)
        });
        change.await.unwrap();
    }

    async fn is_gone_everywhere(&self, share: &str) {
        for door in DOORS {
            assert!(self.guest("late").download(door, share, &self.small).await.is_none(), "{door:?}");
        }
        let guest = self.guest("late");
        let page = guest.get(&format!("/s/{share}")).await;
        let info = guest.cloudreve(Method::GET, &format!("/api/v4/share/info/{share}"), None).await;
        let uri = encoded(&format!("cloudreve://{share}@share"));
        let listing = guest.cloudreve(Method::GET, &format!("/api/v4/file?uri={uri}"), None).await;
        let recipient = guest.mycloud_share(share).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{}", page.text());
        assert_eq!(info["code"], 404, "{info}");
        assert_ne!(listing["code"], 0, "{listing}");
        assert_eq!(recipient.status, StatusCode::NOT_FOUND, "{}", recipient.text());
    }
}
