//! The WebDAV door of the real server: what its clients do, what they may not, and locks that every door obeys.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use openshelf::account::User;
use openshelf::share::drop_box::DropWish;
use openshelf::share::{Audience, Change, Door, Mode, Share, Shared, Wish};
use openshelf::store::library;
use openshelf::work::dav_accounts::{self, Terms};
use openshelf::work::sharing;
use openshelf::{args, now_ms};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::both_engines;
use crate::engines::Backend;
use crate::server::{PASSWORD, Server};
use crate::world::basic;

/// Ann with an empty home, and her app account for all of it.
struct House {
    server: Server,
    client: Client,
    ann: User,
    home: PathBuf,
    app: String,
}

const EXCLUSIVE: &str = r#"<?xml version="1.0"?><lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope>
    <locktype><write/></locktype><owner><href>Ann at home</href></owner></lockinfo>"#;

fn everything() -> Terms {
    Terms { name: "an app".into(), root: Vec::new(), read_only: false, proxy: false, no_system_files: false }
}

/// A request's answer, read whole.
#[derive(Debug)]
struct Said {
    status: u16,
    head: Vec<(String, String)>,
    text: String,
}

impl Said {
    async fn of(response: Response) -> Said {
        let status = response.status().as_u16();
        let head = response.headers().iter();
        let head = head.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        Said { status, head: head.collect(), text: response.text().await.unwrap() }
    }

    fn header(&self, name: &str) -> &str {
        self.head.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

impl House {
    async fn new(backend: &Backend) -> House {
        House::at(Server::start(backend)).await
    }

    async fn at(server: Server) -> House {
        let ann = server.add_user("ann");
        let owner = ann.key;
        let home = server.app.db.read(move |tx| library::home_of(tx, owner)).await.unwrap().unwrap().root;
        let app = dav_accounts::add(&server.app, owner, everything()).await.unwrap().password;
        House { client: server.client(), server, ann, home, app }
    }

    async fn app_account(&self, root: &[&str], read_only: bool) -> String {
        let root = root.iter().map(|name| (*name).to_owned()).collect();
        dav_accounts::add(&self.server.app, self.ann.key, Terms { root, read_only, ..everything() })
            .await
            .unwrap()
            .password
    }

    async fn send(&self, method: &str, path: &str, head: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Said {
        self.send_as(&basic("ann", &self.app), method, path, head, body).await
    }

    async fn send_as(
        &self,
        who: &str,
        method: &str,
        path: &str,
        head: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Said {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.client.request(method, format!("{}{path}", self.server.url)).body(body);
        if !who.is_empty() {
            request = request.header("authorization", who);
        }
        for (name, value) in head {
            request = request.header(*name, *value);
        }
        Said::of(request.send().await.unwrap()).await
    }

    /// Status alone.
    async fn status(&self, method: &str, path: &str, head: &[(&str, &str)], body: &str) -> u16 {
        self.send(method, path, head, body.to_owned()).await.status
    }

    /// As it stands: clients of the tests would tidy the path up.
    fn raw(&self, who: &str, method: &str, path: &str, head: &str) -> String {
        tokio::task::block_in_place(|| {
            let host = self.server.url.strip_prefix("http://").unwrap();
            let mut stream = TcpStream::connect(host).unwrap();
            write!(
                stream,
                "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {who}\r\nConnection: close\r\n{head}\r\n"
            )
            .unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        })
    }

    async fn hrefs(&self, path: &str) -> Vec<String> {
        hrefs(&self.send("PROPFIND", path, &[("depth", "1")], "").await)
    }

    async fn share(&self, names: &[&str], wish: Wish) -> Share {
        let (owner, names) = (self.ann.key, names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        let shared = self.server.app.db.read(move |tx| {
            let home = library::home_of(tx, owner)?.unwrap();
            let root = library::root_item(tx, home.key)?;
            names
                .iter()
                .map(|name| Ok(Shared::Item(library::child_shown(tx, root.key, name)?.unwrap().key)))
                .collect::<openshelf::error::Result<Vec<_>>>()
        });
        let (app, ann, shared) = (self.server.app.clone(), self.ann.clone(), shared.await.unwrap());
        tokio::spawn(async move { sharing::create(&app, &ann, Door::Page, shared, wish).await.unwrap() }).await.unwrap()
    }

    async fn token(&self) -> String {
        let asked = json!({"email": "ann", "password": PASSWORD});
        let url = format!("{}/api/v4/session/token", self.server.url);
        let answer: Value = self.client.post(url).json(&asked).send().await.unwrap().json().await.unwrap();
        answer["data"]["token"]["access_token"].as_str().unwrap().to_owned()
    }

    async fn cloudreve(&self, token: &str, method: Method, path: &str, body: Value) -> Value {
        let url = format!("{}/api/v4{path}", self.server.url);
        self.client.request(method, url).bearer_auth(token).json(&body).send().await.unwrap().json().await.unwrap()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.home.join(name)).unwrap()
    }

    /// Names in the home and below, hidden ones too, but for what is in the trash.
    fn names(&self) -> Vec<String> {
        names_in(&self.home)
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = walkdir::WalkDir::new(folder)
        .min_depth(1)
        .into_iter()
        .filter_entry(|entry| entry.file_name() != ".openshelf")
        .map(|entry| entry.unwrap().path().strip_prefix(folder).unwrap().display().to_string())
        .collect();
    names.sort();
    names
}

fn hrefs(said: &Said) -> Vec<String> {
    assert_eq!(said.status, 207, "{}", said.text);
    let all = said.text.split("<D:response><D:href>").skip(1);
    all.map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
}

fn lock_token(said: &Said) -> String {
    said.header("lock-token").trim_matches(['<', '>']).to_owned()
}

both_engines! {
    async fn a_file_is_put_read_in_parts_and_replaced(backend: Backend) {
        let house = House::new(&backend).await;
        let put = house.send("PUT", "/dav/a.txt", &[], "first").await;
        assert_eq!((put.status, house.read("a.txt").as_str()), (201, "first"));
        let got = house.send("GET", "/dav/a.txt", &[("range", "bytes=1-2")], "").await;
        assert_eq!((got.status, got.text.as_str(), got.header("etag")), (206, "ir", put.header("etag")));
        let seen = house.send("PROPFIND", "/dav/a.txt", &[("depth", "0")], "").await.text;
        let etag = put.header("etag");
        assert!(seen.contains(&format!("<D:getetag>{etag}</D:getetag>")), "{seen}");
        assert!(seen.contains("<D:getcontentlength>5</D:getcontentlength>"), "{seen}");

        let again = house.send("PUT", "/dav/a.txt", &[("if-match", etag), ("x-oc-mtime", "1700000000")], "second").await;
        assert_eq!((again.status, again.header("x-oc-mtime")), (204, "accepted"));
        let modified = fs::metadata(house.home.join("a.txt")).unwrap().modified().unwrap();
        assert_eq!(modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(), 1_700_000_000);
        for (head, status) in [
            (("if-match", etag), 412),
            (("if-none-match", "*"), 412),
            (("content-range", "bytes 0-1/5"), 400),
            (("if", "(<urn:uuid:0>)"), 412),
            (("if", "(["), 400),
            (("x-oc-mtime", "yesterday"), 400),
            (("content-digest", "sha-256=:AAAA:"), 400),
        ] {
            assert_eq!(house.status("PUT", "/dav/a.txt", &[head], "third").await, status, "{head:?}");
        }
        assert_eq!(house.read("a.txt"), "second");
        assert_eq!(house.status("PUT", "/dav/b.txt", &[("if-match", "*")], "").await, 412);
        assert_eq!(house.status("PUT", "/dav/b.txt", &[("if-none-match", "*")], "b").await, 201);
        assert_eq!(house.status("PUT", "/dav/none/b.txt", &[], "b").await, 409);
        assert_eq!(house.status("PUT", "/dav/a.txt/b.txt", &[], "b").await, 409);
        assert_eq!(house.status("PUT", "/dav/", &[], "b").await, 405);
        assert_eq!(house.status("GET", "/dav/", &[], "").await, 405);
        for hidden in [".DS_Store", "._a.txt", ".hidden", "%0a"] {
            assert_eq!(house.status("PUT", &format!("/dav/{hidden}"), &[], "x").await, 403, "{hidden}");
        }
        assert_eq!(house.names(), ["a.txt", "b.txt"]);
    }

    async fn names_that_would_be_told_for_each_file_are_short(backend: Backend) {
        let house = House::new(&backend).await;
        house.send("PUT", "/dav/a.txt", &[], "a").await;
        let asked = |namespace: &str, name: &str| {
            format!(r#"<D:propfind xmlns:D="DAV:" xmlns="{namespace}"><D:prop><{name}/></D:prop></D:propfind>"#)
        };
        let depth = [("depth", "1")];
        assert_eq!(house.status("PROPFIND", "/dav/", &depth, &asked("urn:short", "name")).await, 207);
        assert_eq!(house.status("PROPFIND", "/dav/", &depth, &asked(&"n".repeat(200_000), "name")).await, 400);
        assert_eq!(house.status("PROPFIND", "/dav/", &depth, &asked("urn:short", &"n".repeat(1000))).await, 400);
        let shared = EXCLUSIVE.replace("exclusive", "shared");
        let owned = shared.replace("Ann at home", &"o".repeat(1000));
        assert_eq!(house.status("LOCK", "/dav/a.txt", &[], &owned).await, 400);
        for _ in 0..16 {
            assert_eq!(house.status("LOCK", "/dav/a.txt", &[], &shared).await, 200);
        }
        assert_eq!(house.status("LOCK", "/dav/a.txt", &[], &shared).await, 403);
    }

    async fn an_app_that_sees_a_part_of_its_users_files_sees_no_more_by_shares(backend: Backend) {
        let house = House::new(&backend).await;
        house.send("MKCOL", "/dav/inbox", &[], "").await;
        house.send("PUT", "/dav/inbox/a.txt", &[], "a").await;
        let listed = Wish { audience: Some(Audience::Listed), ..Wish::default() };
        let path = format!("/s/{}/-/dav/a.txt", house.share(&["inbox"], listed).await.id);
        for (root, read_only, status) in [(&["other"][..], false, 403), (&[], true, 403), (&[], false, 200)] {
            let who = basic("ann", &house.app_account(root, read_only).await);
            assert_eq!(house.send_as(&who, "GET", &path, &[], "").await.status, status);
        }
    }

    async fn a_body_that_breaks_off_leaves_nothing(backend: Backend) {
        let house = House::new(&backend).await;
        house.send("PUT", "/dav/a.txt", &[], "whole").await;
        let who = basic("ann", &house.app);
        tokio::task::block_in_place(|| {
            for (path, framing) in [
                ("/dav/a.txt", "Content-Length: 3000000\r\n\r\nhalf"),
                ("/dav/new.txt", "Content-Length: 10\r\n\r\nhalf"),
                ("/dav/new.txt", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
            ] {
                let host = house.server.url.strip_prefix("http://").unwrap();
                let mut stream = TcpStream::connect(host).unwrap();
                write!(stream, "PUT {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {who}\r\n{framing}").unwrap();
                stream.shutdown(std::net::Shutdown::Write).unwrap();
                let mut answer = String::new();
                let _ = stream.read_to_string(&mut answer);
                assert!(!answer.starts_with("HTTP/1.1 2") && !answer.starts_with("HTTP/1.1 5"), "{answer}");
            }
        });
        assert_eq!((house.read("a.txt").as_str(), house.names().len()), ("whole", 1));
    }

    async fn nobody_signs_in_by_half_a_sign_in(backend: Backend) {
        let house = House::new(&backend).await;
        for (name, password) in [("ann", PASSWORD), ("ANN", &house.app), ("ann@openshelf.local", &house.app)] {
            let said = house.send_as(&basic(name, password), "PROPFIND", "/dav", &[("depth", "0")], "").await;
            assert_eq!(said.status, 207, "{name}");
        }
        house.server.add_user("bob");
        for who in [
            String::new(),
            basic("bob", &house.app),
            basic("", &house.app),
            basic("ann", ""),
            basic("ann", "wrong horse"),
            basic("nobody", PASSWORD),
            "Basic".to_owned(),
            "Basic !!!".to_owned(),
            format!("Bearer {}", house.app),
        ] {
            let said = house.send_as(&who, "PROPFIND", "/dav/", &[("depth", "0")], "").await;
            assert_eq!(said.status, 401, "{who}");
            assert!(said.header("www-authenticate").starts_with("Basic realm="));
        }
        let options = house.send_as("", "OPTIONS", "/dav/", &[], "").await;
        assert_eq!((options.status, options.header("dav"), options.header("ms-author-via")), (200, "1, 2", "DAV"));
        for _ in 0..5 {
            house.send_as(&basic("ann", "wrong horse"), "GET", "/dav/a", &[], "").await;
        }
        let said = house.send_as(&basic("ann", "another wrong one"), "GET", "/dav/a", &[], "").await;
        assert_eq!(said.status, 429, "tries are counted at this door too");
        assert!(!said.header("retry-after").is_empty());
        assert_eq!(house.status("PROPFIND", "/dav", &[("depth", "0")], "").await, 207, "who is signed in stays so");
    }

    async fn an_app_account_sees_its_folder_alone_and_writes_only_if_it_may(backend: Backend) {
        let house = House::new(&backend).await;
        for folder in ["/dav/in", "/dav/in/deep", "/dav/out"] {
            assert_eq!(house.status("MKCOL", folder, &[], "").await, 201);
        }
        house.send("PUT", "/dav/out/secret.txt", &[], "secret").await;
        house.send("PUT", "/dav/in/own.txt", &[], "own").await;
        let (writer, reader) = (house.app_account(&["in"], false).await, house.app_account(&["in"], true).await);
        let (writer, reader) = (basic("ann", &writer), basic("ann", &reader));
        let seen = house.send_as(&reader, "PROPFIND", "/dav", &[("depth", "1")], "").await;
        assert_eq!(hrefs(&seen), ["/dav/", "/dav/deep/", "/dav/own.txt"]);
        assert_eq!(house.send_as(&reader, "GET", "/dav/own.txt", &[], "").await.text, "own");
        let to = ("destination", "/dav/b.txt");
        for (method, path, body) in [
            ("PUT", "/dav/own.txt", "x"), ("PUT", "/dav/new.txt", "x"), ("MKCOL", "/dav/new", ""), ("DELETE", "/dav/own.txt", ""),
            ("COPY", "/dav/own.txt", ""), ("MOVE", "/dav/own.txt", ""), ("LOCK", "/dav/own.txt", EXCLUSIVE),
        ] {
            assert_eq!(house.send_as(&reader, method, path, &[to], body).await.status, 403, "{method}");
        }
        assert_eq!(house.send_as(&writer, "PUT", "/dav/new.txt", &[], "new").await.status, 201);
        assert_eq!(house.read("in/new.txt"), "new");
        assert_eq!(house.send_as(&writer, "DELETE", "/dav/", &[], "").await.status, 403, "its root stays");

        // The way out that another server left open.
        for path in [
            "/dav/%2e%2e/out/secret.txt", "/dav/../out/secret.txt", "/dav/deep/%2e%2e/%2e%2e/out/secret.txt", "/dav/..%2fout/secret.txt",
            "/dav/%252e%252e/out/secret.txt", "/dav/.%2e/out/secret.txt", "/dav//out/secret.txt", "/dav/%00/../out/secret.txt",
            "/dav/..;/out/secret.txt", "/dav/deep/..%5c../out/secret.txt", "/dav/%c0%ae%c0%ae/out/secret.txt", "/dav/out/secret.txt",
            "/dav/ann/out/secret.txt", "/DAV/out/secret.txt", "/dav/%2fout/secret.txt",
        ] {
            for method in ["GET", "PROPFIND", "DELETE", "COPY", "MOVE", "PUT", "PROPPATCH", "LOCK", "MKCOL", "UNLOCK"] {
                let head = "Depth: 0\r\nDestination: /dav/copied.txt\r\nContent-Length: 0\r\n";
                let answer = house.raw(&writer, method, path, head);
                assert!(answer.starts_with("HTTP/1.1 4"), "{method} {path}: {answer}");
            }
        }
        for to in ["/dav/%2e%2e/out/x", "/dav/../out/x", "/dav/..%2fout/x", "/dav/none/../../out/x", "/dav/%00"] {
            let answer = house.raw(&writer, "COPY", "/dav/own.txt", &format!("Destination: {to}\r\n"));
            assert!(answer.starts_with("HTTP/1.1 400"), "to {to}: {answer}");
        }
        assert_eq!(house.names(), ["in", "in/deep", "in/new.txt", "in/own.txt", "out", "out/secret.txt"]);
        assert_eq!(house.read("out/secret.txt"), "secret");
        house.send("DELETE", "/dav/in", &[], "").await;
        assert_eq!(house.send_as(&writer, "PROPFIND", "/dav/", &[("depth", "0")], "").await.status, 404);
    }

    async fn a_destination_leads_nowhere_else(backend: Backend) {
        let server = Server::start_with(&backend, |given| given.public_url = Some("https://shelf.example/x/".into()));
        let house = House::at(server).await;
        house.send("PUT", "/dav/a.txt", &[], "a").await;
        assert_eq!(house.hrefs("/dav/").await, ["/x/dav/", "/x/dav/a.txt"]);
        let host = house.server.url.clone();
        for (to, status) in [
            ("https://evil.example/x/dav/b.txt", 403),
            ("//evil.example/x/dav/b.txt", 403),
            ("https://shelf.example/dav/b.txt", 403),
            ("/dav/b.txt", 403),
            ("/x/davb.txt", 403),
            ("/x/dav/../../etc/b.txt", 400),
            ("/x/dav/%2e%2e/b.txt", 400),
            ("/x/dav/b%00.txt", 400),
            ("/x/dav/b.txt%2f..", 400),
            ("/x/s/share/-/dav/b.txt", 403),
            ("b.txt", 403),
            ("", 403),
            ("/x/dav", 403),
            ("/x/dav/none/b.txt", 409),
            ("/x/dav/.hidden", 403),
            ("https://shelf.example/x/dav/a.txt", 403),
            ("https://SHELF.example:443/x/dav/b.txt", 201),
            (&format!("{host}/x/dav/b.txt"), 204),
            ("/x/dav/b.txt?query#fragment", 204),
        ] {
            assert_eq!(house.status("COPY", "/dav/a.txt", &[("destination", to)], "").await, status, "{to}");
        }
        assert_eq!(house.status("COPY", "/dav/a.txt", &[], "").await, 400);
        assert_eq!(house.names(), ["a.txt", "b.txt"]);
    }

    async fn what_is_moved_stays_itself_and_what_it_replaces_can_be_had_back(backend: Backend) {
        let house = House::new(&backend).await;
        for folder in ["/dav/from", "/dav/from/sub", "/dav/to"] {
            house.send("MKCOL", folder, &[], "").await;
        }
        house.send("PUT", "/dav/from/sub/a.txt", &[], "a").await;
        house.send("PUT", "/dav/to/from", &[], "in the way").await;
        let share = house.share(&["from"], Wish::default()).await;
        let to = ("destination", "/dav/to/from");
        assert_eq!(house.status("MOVE", "/dav/from", &[to, ("overwrite", "F")], "").await, 412);
        assert_eq!(house.status("MOVE", "/dav/from", &[to, ("overwrite", "maybe")], "").await, 400);
        assert_eq!(house.status("MOVE", "/dav/from", &[to], "").await, 204);
        assert_eq!(house.names(), ["to", "to/from", "to/from/sub", "to/from/sub/a.txt"]);
        let shared = house.send_as("", "GET", &format!("/s/{}/-/dav/sub/a.txt", share.id), &[], "").await;
        assert_eq!(shared.text, "a", "its holders still have it");
        let token = house.token().await;
        let trash = house.cloudreve(&token, Method::GET, "/file?uri=cloudreve%3A%2F%2Ftrash", Value::Null).await;
        assert_eq!(trash["data"]["files"][0]["name"], "from", "{trash}");

        for (from, to) in [("/dav/to", "/dav/to/from/to"), ("/dav/to/from/sub", "/dav/to"), ("/dav/to", "/dav/to")] {
            for method in ["COPY", "MOVE"] {
                let status = house.status(method, from, &[("destination", to)], "").await;
                assert_eq!(status, 403, "{method} {from} {to}");
            }
        }
        assert_eq!(house.status("COPY", "/dav/to", &[("destination", "/dav/alone"), ("depth", "0")], "").await, 201);
        assert_eq!(house.status("COPY", "/dav/to", &[("destination", "/dav/all")], "").await, 201);
        assert_eq!(house.status("COPY", "/dav/to", &[("destination", "/dav/x"), ("depth", "1")], "").await, 400);
        assert_eq!(house.names()[..5], ["all", "all/from", "all/from/sub", "all/from/sub/a.txt", "alone"]);
        assert_eq!(house.status("MOVE", "/dav/alone", &[("destination", "/dav/Alone")], "").await, 201);
        assert_eq!(house.status("DELETE", "/dav/all", &[("depth", "0")], "").await, 400);
        assert_eq!(house.status("DELETE", "/dav/all", &[], "").await, 204);
        assert_eq!(house.status("DELETE", "/dav/all", &[], "").await, 404);
    }

    async fn a_lock_keeps_every_door_out_until_it_is_given_back_or_broken(backend: Backend) {
        let house = House::new(&backend).await;
        house.send("MKCOL", "/dav/docs", &[], "").await;
        house.send("PUT", "/dav/docs/a.txt", &[], "a").await;
        let locked = house.send("LOCK", "/dav/docs/a.txt", &[("timeout", "Second-99999")], EXCLUSIVE).await;
        assert_eq!(locked.status, 200);
        let lock = lock_token(&locked);
        assert!(locked.text.contains("<D:timeout>Second-3600</D:timeout>") && locked.text.contains("Ann at home"));
        let shown = format!("(<{lock}>)");

        let to = ("destination", "/dav/b.txt");
        for (method, path, body) in [
            ("PUT", "/dav/docs/a.txt", "b"), ("DELETE", "/dav/docs/a.txt", ""), ("DELETE", "/dav/docs", ""), ("MOVE", "/dav/docs", ""),
            ("MOVE", "/dav/docs/a.txt", ""), ("LOCK", "/dav/docs/a.txt", EXCLUSIVE), ("LOCK", "/dav/docs", EXCLUSIVE),
        ] {
            assert_eq!(house.status(method, path, &[to], body).await, 423, "{method} {path}");
        }
        let set = r#"<propertyupdate xmlns="DAV:"><set><prop><a xmlns="urn:x">b</a></prop></set></propertyupdate>"#;
        assert_eq!(house.status("PROPPATCH", "/dav/docs/a.txt", &[], set).await, 423);
        assert_eq!(house.status("PUT", "/dav/docs/other.txt", &[], "o").await, 201, "what is beside it is free");
        assert_eq!(house.status("PUT", "/dav/docs/a.txt", &[("if", &shown)], "b").await, 204);

        let token = house.token().await;
        let uri = "cloudreve://my/docs/a.txt";
        let calls = [
            (Method::POST, "/file/rename", json!({"uri": uri, "new_name": "c.txt"})),
            (Method::PUT, "/file/upload", json!({"uri": uri, "size": 3, "entity_type": "version"})),
            (Method::PUT, "/file/content?uri=cloudreve%3A%2F%2Fmy%2Fdocs%2Fa.txt", json!("x")),
        ];
        for (method, path, body) in calls {
            let said = house.cloudreve(&token, method, path, body).await;
            assert_eq!((&said["code"], &said["msg"]), (&json!(40073), &json!("Lock conflict")), "{path}: {said}");
            assert_eq!((&said["data"][0]["token"], &said["data"][0]["path"]), (&json!(lock), &json!(uri)), "{said}");
            let owner = &said["data"][0]["owner"]["application"];
            assert!(owner["type"] == "dav" && owner["inner_xml"].as_str().unwrap().contains("Ann at home"), "{said}");
        }
        // Clients look for the lock of a batch at the top as well.
        let patches = json!([{"key": "tag:x", "value": ""}]);
        for (method, path, body) in [
            (Method::DELETE, "/file", json!({"uris": [uri]})),
            (Method::DELETE, "/file", json!({"uris": [uri, "cloudreve://my/docs"]})),
            (Method::POST, "/file/move", json!({"uris": [uri], "dst": "cloudreve://my"})),
            (Method::PATCH, "/file/metadata", json!({"uris": [uri], "patches": patches})),
            (Method::DELETE, "/file", json!({"uris": ["cloudreve://my/docs"], "skip_soft_delete": true})),
        ] {
            let said = house.cloudreve(&token, method, path, body).await;
            assert_eq!((&said["code"], &said["msg"]), (&json!(40073), &json!("Lock conflict")), "{path}: {said}");
            let locks = said["data"].as_array().unwrap();
            assert_eq!((locks.len(), &locks[0]["token"]), (1, &json!(lock)), "{said}");
        }
        let mixed = json!({"uris": [uri, "cloudreve://my/none"]});
        let said = house.cloudreve(&token, Method::DELETE, "/file", mixed).await;
        assert_eq!(said["code"], 40081, "{said}");
        assert_eq!((&said["aggregated_error"][uri]["code"], &said["aggregated_error"][uri]["data"][0]["token"]), (&json!(40073), &json!(lock)));
        assert_eq!(said["aggregated_error"]["cloudreve://my/none"]["code"], 40016);
        assert_eq!(house.read("docs/a.txt"), "b");

        let unknown = json!({"tokens": ["urn:uuid:0"]});
        assert_ne!(house.cloudreve(&token, Method::DELETE, "/file/lock", unknown).await["code"], 0);
        let tokens = json!({"tokens": [lock]});
        assert_eq!(house.cloudreve(&token, Method::DELETE, "/file/lock", tokens).await["code"], 0);
        let renamed = json!({"uri": uri, "new_name": "c.txt"});
        assert_eq!(house.cloudreve(&token, Method::POST, "/file/rename", renamed).await["code"], 0);
        assert_eq!(house.status("UNLOCK", "/dav/docs/c.txt", &[("lock-token", &format!("<{lock}>"))], "").await, 409);
    }

    async fn openlist_deletes_what_is_locked_by_the_token_that_it_is_told(backend: Backend) {
        let house = House::new(&backend).await;
        house.send("MKCOL", "/dav/docs", &[], "").await;
        house.send("PUT", "/dav/docs/a.txt", &[], "a").await;
        house.send("LOCK", "/dav/docs/a.txt", &[], EXCLUSIVE).await;
        let token = house.token().await;
        for uri in ["cloudreve://my/docs/a.txt", "cloudreve://my/docs"] {
            let delete = json!({"uris": [uri], "unlink": false, "skip_soft_delete": true});
            let mut said = house.cloudreve(&token, Method::DELETE, "/file", delete.clone()).await;
            if uri.ends_with(".txt") {
                assert_eq!((&said["code"], &said["msg"]), (&json!(40073), &json!("Lock conflict")), "{said}");
                assert_eq!(house.read("docs/a.txt"), "a", "nothing happened yet");
                let tokens: Vec<&Value> = said["data"].as_array().unwrap().iter().map(|lock| &lock["token"]).collect();
                let unlocked = house.cloudreve(&token, Method::DELETE, "/file/lock", json!({"tokens": tokens})).await;
                assert_eq!(unlocked["code"], 0, "{unlocked}");
                said = house.cloudreve(&token, Method::DELETE, "/file", delete).await;
            }
            assert_eq!(said["code"], 0, "{uri}: {said}");
        }
        assert_eq!(house.names(), [""; 0]);
    }

    async fn a_lock_on_a_folder_covers_what_is_in_it_and_ends_by_itself(backend: Backend) {
        let house = House::new(&backend).await;
        house.send("MKCOL", "/dav/docs", &[], "").await;
        house.send("PUT", "/dav/docs/a.txt", &[], "a").await;
        let deep = lock_token(&house.send("LOCK", "/dav/docs", &[], EXCLUSIVE).await);
        assert_eq!(house.status("PUT", "/dav/docs/new.txt", &[], "n").await, 423);
        assert_eq!(house.status("PUT", "/dav/docs/a.txt", &[], "n").await, 423);
        assert_eq!(house.status("UNLOCK", "/dav/docs/a.txt", &[("lock-token", &format!("<{deep}>"))], "").await, 204);

        let flat = lock_token(&house.send("LOCK", "/dav/docs", &[("depth", "0")], EXCLUSIVE).await);
        assert_eq!(house.status("PUT", "/dav/docs/a.txt", &[], "still").await, 204, "a flat one leaves contents alone");
        for (method, path) in [("PUT", "/dav/docs/new.txt"), ("DELETE", "/dav/docs/a.txt"), ("MOVE", "/dav/docs/a.txt")] {
            let status = house.status(method, path, &[("destination", "/dav/b.txt")], "").await;
            assert_eq!(status, 423, "{method}: but not the names in it");
        }
        let renewed = house.send("LOCK", "/dav/docs", &[("if", &format!("(<{flat}>)")), ("timeout", "Second-60")], "").await;
        assert!(renewed.status == 200 && renewed.text.contains("Second-60"), "{renewed:?}");
        let soon = now_ms() - 1;
        house.server.app.db.write(move |tx| tx.run("UPDATE file_lock SET expires_ms = $1", args![soon])).await.unwrap();
        assert_eq!(house.status("PUT", "/dav/docs/new.txt", &[], "n").await, 201);
        assert_eq!(house.status("LOCK", "/dav/docs", &[("if", &format!("(<{flat}>)"))], "").await, 412);

        let empty = house.send("LOCK", "/dav/docs/unmapped.txt", &[], EXCLUSIVE).await;
        assert_eq!((empty.status, house.read("docs/unmapped.txt").as_str()), (201, ""));
        assert_eq!(house.status("LOCK", "/dav/none/x.txt", &[], EXCLUSIVE).await, 409);
        assert_eq!(house.status("LOCK", "/dav/docs", &[("depth", "1")], EXCLUSIVE).await, 400);
        let moved = [("destination", "/dav/moved.txt"), ("if", &*format!("(<{}>)", lock_token(&empty)))];
        assert_eq!(house.status("MOVE", "/dav/docs/unmapped.txt", &moved, "").await, 201);
        assert_eq!(house.status("PUT", "/dav/moved.txt", &[], "free").await, 204, "a lock does not move along");
    }

    async fn of_many_who_lock_at_once_one_does(backend: Backend) {
        let house = House::new(&backend).await;
        house.send("PUT", "/dav/a.txt", &[], "a").await;
        let all = join_all((0..16).map(|_| house.status("LOCK", "/dav/a.txt", &[], EXCLUSIVE))).await;
        assert_eq!((all.iter().filter(|s| **s == 200).count(), all.iter().filter(|s| **s == 423).count()), (1, 15));
    }

    async fn another_user_is_not_told_whose_lock_it_is_by_its_token(backend: Backend) {
        let house = House::new(&backend).await;
        let folder = tempfile::TempDir::new().unwrap();
        fs::write(folder.path().join("a.txt"), "a").unwrap();
        let library = house.server.add_library("Common", folder.path());
        let key = library.key;
        house.server.app.db.write(move |tx| {
            library::update(tx, key, "Common", library::Access::Writable, now_ms())?;
            openshelf::store::rights::set(tx, key, &openshelf::share::Subject::Everyone, openshelf::share::Bits::ALL)
        }).await.unwrap();
        house.server.add_user("bob");
        let bob = basic("bob", PASSWORD);
        let lock = lock_token(&house.send("LOCK", "/dav/Common/a.txt", &[], EXCLUSIVE).await);
        let seen = house.send_as(&bob, "PROPFIND", "/dav/Common/a.txt", &[("depth", "0")], "").await.text;
        assert!(seen.contains("Ann at home") && !seen.contains(&lock), "{seen}");
        let shown = format!("(<{lock}>)");
        assert_eq!(house.send_as(&bob, "PUT", "/dav/Common/a.txt", &[("if", &shown)], "b").await.status, 423);
        let held = format!("<{lock}>");
        assert_eq!(house.send_as(&bob, "UNLOCK", "/dav/Common/a.txt", &[("lock-token", &held)], "").await.status, 409);
        assert_eq!(fs::read_to_string(folder.path().join("a.txt")).unwrap(), "a");
    }

    async fn a_share_is_mounted_by_its_terms(backend: Backend) {
        let house = House::new(&backend).await;
        house.send("MKCOL", "/dav/pub", &[], "").await;
        house.send("PUT", "/dav/pub/a.txt", &[], "a").await;
        house.send("PUT", "/dav/beside.txt", &[], "beside").await;
        let open = format!("/s/{}/-/dav", house.share(&["pub"], Wish::default()).await.id);
        let seen = house.send_as("", "PROPFIND", &open, &[("depth", "1")], "").await;
        assert_eq!(hrefs(&seen), [format!("{open}/"), format!("{open}/a.txt")]);
        assert!(!seen.text.contains("lock"), "nobody locks in a share");
        assert_eq!(house.send_as("", "GET", &format!("{open}/a.txt"), &[], "").await.text, "a");
        let head = house.send_as("", "HEAD", &format!("{open}/a.txt"), &[], "").await;
        assert_eq!((head.status, head.header("content-length")), (200, "1"));
        for (method, body) in [("PUT", "x"), ("DELETE", ""), ("MKCOL", ""), ("COPY", ""), ("MOVE", ""), ("LOCK", EXCLUSIVE), ("UNLOCK", "")] {
            for path in [format!("{open}/a.txt"), format!("{open}/new")] {
                let to = format!("{open}/b.txt");
                for who in [String::new(), basic("ann", &house.app)] {
                    let status = house.send_as(&who, method, &path, &[("destination", &to)], body).await.status;
                    assert!(matches!(status, 403 | 404), "{method} {path}: {status}");
                }
            }
        }
        assert_eq!(house.names(), ["beside.txt", "pub", "pub/a.txt"]);

        let with_password = Wish { password: Change::Set("Word1".into()), ..Wish::default() };
        let locked = format!("/s/{}/-/dav/", house.share(&["pub"], with_password).await.id);
        for (who, status) in [(String::new(), 401), (basic("x", "wrong"), 401), (basic("", "Word1"), 207), (basic("any", "Word1"), 207)] {
            let said = house.send_as(&who, "PROPFIND", &locked, &[("depth", "1")], "").await;
            assert_eq!(said.status, status, "{who}");
            assert_eq!(said.text.contains("a.txt"), status == 207);
        }

        let once = Wish { download_limit: Change::Set(1), ..Wish::default() };
        let once = format!("/s/{}/-/dav/a.txt", house.share(&["pub"], once).await.id);
        assert_eq!(house.send_as("", "GET", &once, &[], "").await.status, 200);
        assert_eq!(house.send_as("", "GET", &once, &[], "").await.status, 404);

        let set = house.share(&["pub", "beside.txt"], Wish::default()).await;
        let root = format!("/s/{}/-/dav", set.id);
        let seen = house.send_as("", "PROPFIND", &root, &[("depth", "1")], "").await;
        assert_eq!(hrefs(&seen), [format!("{root}/"), format!("{root}/pub/"), format!("{root}/beside.txt")]);
        let single = format!("/s/{}/-/dav", house.share(&["beside.txt"], Wish::default()).await.id);
        let seen = house.send_as("", "PROPFIND", &single, &[("depth", "1")], "").await;
        assert_eq!(hrefs(&seen), [format!("{single}/"), format!("{single}/beside.txt")]);

        let no_downloads = Wish { downloads_allowed: Some(false), ..Wish::default() };
        let shown = format!("/s/{}/-/dav/a.txt", house.share(&["pub"], no_downloads).await.id);
        assert_eq!(house.send_as("", "GET", &shown, &[], "").await.status, 403);

        let (app, ann, id) = (house.server.app.clone(), house.ann.key, set.id.clone());
        sharing::revoke(&app, ann, &id).await.unwrap();
        assert_eq!(house.send_as("", "PROPFIND", &root, &[("depth", "1")], "").await.status, 404);
    }

    async fn a_drop_box_takes_files_and_shows_nothing(backend: Backend) {
        let house = House::new(&backend).await;
        house.send("MKCOL", "/dav/inbox", &[], "").await;
        house.send("PUT", "/dav/inbox/kept.txt", &[], "kept").await;
        let terms = DropWish { most_file_bytes: Change::Set(10), asks_name: Some(true), ..DropWish::default() };
        let wish = Wish { mode: Some(Mode::Drop), drop_box: terms, ..Wish::default() };
        let drop_box = format!("/s/{}/-/dav", house.share(&["inbox"], wish).await.id);
        let mira = basic("Mira", "");
        assert_eq!(house.send_as("", "PUT", &format!("{drop_box}/a.txt"), &[], "a").await.status, 401, "it asks for a name");
        assert_eq!(house.send_as(&mira, "PUT", &format!("{drop_box}/kept.txt"), &[], "hers").await.status, 201);
        assert_eq!(house.send_as(&mira, "PUT", &format!("{drop_box}/big.txt"), &[], "far too much of it").await.status, 413);
        assert_eq!((house.read("inbox/kept.txt").as_str(), house.read("inbox/kept (2).txt").as_str()), ("kept", "hers"));
        let seen = house.send_as(&mira, "PROPFIND", &drop_box, &[("depth", "1")], "").await;
        assert_eq!(hrefs(&seen), [format!("{drop_box}/")]);
        for (method, status) in [("GET", 404), ("PROPFIND", 404), ("DELETE", 403), ("MKCOL", 403), ("COPY", 403), ("LOCK", 403)] {
            for name in ["kept.txt", "kept%20(2).txt", "none.txt"] {
                let path = format!("{drop_box}/{name}");
                let head = [("depth", "0"), ("destination", path.as_str())];
                assert_eq!(house.send_as(&mira, method, &path, &head, "").await.status, status, "{method} {name}");
            }
        }
        let both = Wish { mode: Some(Mode::ReadDrop), ..Wish::default() };
        let both = format!("/s/{}/-/dav", house.share(&["inbox"], both).await.id);
        assert_eq!(house.send_as("", "PUT", &format!("{both}/kept.txt"), &[], "third").await.status, 201);
        assert_eq!(house.send_as("", "GET", &format!("{both}/kept%20(3).txt"), &[], "").await.text, "third");
        let held = house.send("LOCK", "/dav/inbox", &[], EXCLUSIVE).await;
        let refused = house.send_as("", "PUT", &format!("{both}/x.txt"), &[], "x").await;
        assert_eq!(refused.status, 423);
        assert!(!refused.text.contains(&lock_token(&held)), "a guest learns of no lock");
    }

    async fn notes_of_clients_are_kept_within_bounds_and_go_along(backend: Backend) {
        let house = House::new(&backend).await;
        house.send("PUT", "/dav/a.txt", &[], "a").await;
        let update = |inside: &str| format!(r#"<D:propertyupdate xmlns:D="DAV:" xmlns:x="urn:x">{inside}</D:propertyupdate>"#);
        let set = update("<D:set><D:prop><x:note l='1'>a &amp; <b/></x:note><x:gone/></D:prop></D:set><D:remove><D:prop><x:gone/></D:prop></D:remove>");
        let said = house.send("PROPPATCH", "/dav/a.txt", &[], set).await;
        assert!(said.status == 207 && !said.text.contains("HTTP/1.1 4"), "{}", said.text);
        let kept = r#"<note xmlns="urn:x" l="1">a &amp; <b xmlns=""/></note>"#;
        house.send("COPY", "/dav/a.txt", &[("destination", "/dav/b.txt")], "").await;
        house.send("MOVE", "/dav/a.txt", &[("destination", "/dav/c.txt")], "").await;
        for path in ["/dav/b.txt", "/dav/c.txt"] {
            let asked = r#"<propfind xmlns="DAV:"><prop><note xmlns="urn:x"/><gone xmlns="urn:x"/><getetag/></prop></propfind>"#;
            let seen = house.send("PROPFIND", path, &[("depth", "0")], asked).await.text;
            assert!(seen.contains(kept) && seen.contains(r#"<gone xmlns="urn:x"/></D:prop><D:status>HTTP/1.1 404"#), "{seen}");
        }
        let live = update("<D:set><D:prop><D:getetag>x</D:getetag><x:note>other</x:note></D:prop></D:set>");
        let said = house.send("PROPPATCH", "/dav/c.txt", &[], live).await.text;
        assert!(said.contains("403 Forbidden") && said.contains("424 Failed Dependency"), "{said}");
        let many: String = (0..201).map(|n| format!("<x:n{n}/>")).collect();
        for inside in [many, format!("<x:long>{}</x:long>", "x".repeat(70_000))] {
            let said = house.send("PROPPATCH", "/dav/c.txt", &[], update(&format!("<D:set><D:prop>{inside}</D:prop></D:set>"))).await;
            assert!(said.text.contains("507 Insufficient Storage"), "{}", said.text);
        }
        let names = house.send("PROPFIND", "/dav/c.txt", &[("depth", "0")], r#"<propfind xmlns="DAV:"><propname/></propfind>"#).await.text;
        assert!(names.contains(r#"<note xmlns="urn:x"/>"#) && !names.contains("n17") && !names.contains("a &amp;"), "{names}");
        let times = update(r#"<D:set><D:prop><w:Win32LastModifiedTime xmlns:w="urn:schemas-microsoft-com:">Tue, 14 Nov 2023 22:13:20 GMT</w:Win32LastModifiedTime></D:prop></D:set>"#);
        assert_eq!(house.status("PROPPATCH", "/dav/c.txt", &[], &times).await, 207);
        let modified = fs::metadata(house.home.join("c.txt")).unwrap().modified().unwrap();
        assert_eq!(modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(), 1_700_000_000);
    }

    async fn hostile_documents_are_refused(backend: Backend) {
        let house = House::new(&backend).await;
        house.send("PUT", "/dav/a.txt", &[], "a").await;
        let bomb = "<!DOCTYPE a [<!ENTITY x \"xxxxxxxx\"><!ENTITY y \"&x;&x;&x;\">]><propfind xmlns=\"DAV:\"><prop>&y;</prop></propfind>";
        let outside = "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><propfind xmlns='DAV:'><allprop/></propfind>";
        let many = format!("<propfind xmlns='DAV:'><prop>{}</prop></propfind>", "<a/>".repeat(101));
        let deep = format!("{}{}", "<a>".repeat(40), "</a>".repeat(40));
        for body in [bomb, outside, &many, &deep, "<propfind", "<propfind xmlns='DAV:'/>", "{}", "<lockinfo xmlns='DAV:'/>"] {
            for method in ["PROPFIND", "PROPPATCH", "LOCK"] {
                let said = house.send(method, "/dav/a.txt", &[("depth", "0")], body.to_owned()).await;
                assert_eq!(said.status, 400, "{method} {body:.50}");
                assert!(!said.text.contains("root:"));
            }
        }
        assert_eq!(house.status("PROPFIND", "/dav/", &[("depth", "1")], &"x".repeat(300_000)).await, 413);
        for depth in [&[("depth", "infinity")][..], &[]] {
            let said = house.send("PROPFIND", "/dav/", depth, "").await;
            assert_eq!(said.status, 403);
            assert!(said.text.contains("<D:propfind-finite-depth/>"), "{}", said.text);
        }
        assert_eq!(house.status("MKCOL", "/dav/x", &[], "<a/>").await, 415);
        assert_eq!(house.status("SEARCH", "/dav/", &[], "").await, 405);
    }

    async fn a_long_folder_is_listed_whole(backend: Backend) {
        let house = House::new(&backend).await;
        let key = house.ann.key;
        fs::create_dir(house.home.join("long")).unwrap();
        for number in 0..1001 {
            fs::write(house.home.join(format!("long/ä {number:04} & <x>.txt")), "").unwrap();
        }
        let home = house.server.app.db.read(move |tx| library::home_of(tx, key)).await.unwrap().unwrap();
        tokio::task::block_in_place(|| house.server.scan(&home));
        let mut seen = house.hrefs("/dav/long").await;
        assert_eq!((seen.len(), seen[1].as_str()), (1002, "/dav/long/%C3%A4%200000%20%26%20%3Cx%3E.txt"));
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 1002);
        let text = house.send("PROPFIND", "/dav/long", &[("depth", "1")], "").await.text;
        assert!(text.contains("<D:displayname>ä 1000 &amp; &lt;x&gt;.txt</D:displayname>") && text.ends_with("</D:multistatus>\n"));
    }

    async fn a_library_and_a_file_of_one_name_are_both_there(backend: Backend) {
        let house = House::new(&backend).await;
        house.send("PUT", "/dav/Common", &[], "the file").await;
        let folder = tempfile::TempDir::new().unwrap();
        fs::write(folder.path().join("a.txt"), "in the library").unwrap();
        house.server.add_library("Common", folder.path());
        assert_eq!(house.hrefs("/dav/").await, ["/dav/", "/dav/Common/", "/dav/Common%20%282%29"]);
        assert_eq!(house.send("GET", "/dav/Common%20(2)", &[], "").await.text, "the file");
        assert_eq!(house.send("GET", "/dav/Common/a.txt", &[], "").await.text, "in the library");
        assert_eq!(house.status("PUT", "/dav/Common/a.txt", &[], "x").await, 403);
        assert_eq!(house.status("DELETE", "/dav/Common", &[], "").await, 403);
    }

    async fn a_quota_is_obeyed_and_told(backend: Backend) {
        let house = House::new(&backend).await;
        let key = house.ann.key;
        house.server.app.db.write(move |tx| tx.run("UPDATE account SET quota_bytes = 10 WHERE id = $1", args![key.0])).await.unwrap();
        assert_eq!(house.status("PUT", "/dav/a.txt", &[], "1234567").await, 201);
        assert_eq!(house.status("PUT", "/dav/b.txt", &[], "1234567").await, 507);
        let pieces = futures_util::stream::iter(["1234", "567"].map(Ok::<_, std::io::Error>));
        let chunked = house.send("PUT", "/dav/b.txt", &[], reqwest::Body::wrap_stream(pieces)).await;
        assert_eq!(chunked.status, 507);
        assert_eq!(house.names(), ["a.txt"]);
        let asked = r#"<propfind xmlns="DAV:"><prop><quota-used-bytes/><quota-available-bytes/></prop></propfind>"#;
        let told = house.send("PROPFIND", "/dav/", &[("depth", "0")], asked).await.text;
        assert!(told.contains("<D:quota-used-bytes>7<") && told.contains("<D:quota-available-bytes>3<"), "{told}");
    }

    async fn app_accounts_are_made_listed_changed_and_removed(backend: Backend) {
        let house = House::new(&backend).await;
        let token = house.token().await;
        house.send("MKCOL", "/dav/Photos", &[], "").await;
        let wish = json!({"uri": "cloudreve://my/Photos", "name": "phone", "readonly": true, "proxy": true, "other": null});
        let made = house.cloudreve(&token, Method::PUT, "/devices/dav", wish.clone()).await["data"].clone();
        assert_eq!((&made["uri"], &made["name"], &made["options"]), (&wish["uri"], &wish["name"], &json!("Aw==")), "{made}");
        let (id, password) = (made["id"].as_str().unwrap(), made["password"].as_str().unwrap().to_owned());
        let phone = basic("ann", &password);
        assert_eq!(house.send_as(&phone, "PUT", "/dav/x.txt", &[], "x").await.status, 403);
        let wider = json!({"uri": "cloudreve://my", "name": "phone 2", "readonly": false, "disable_sys_files": true});
        let changed = house.cloudreve(&token, Method::PATCH, &format!("/devices/dav/{id}"), wider).await["data"].clone();
        assert_eq!((&changed["password"], &changed["options"]), (&json!(password), &json!("BA==")), "{changed}");
        assert_eq!(house.send_as(&phone, "PUT", "/dav/Photos/x.txt", &[], "x").await.status, 201);

        for number in 0..11 {
            let wish = json!({"uri": "cloudreve://my", "name": format!("app {number}")});
            house.cloudreve(&token, Method::PUT, "/devices/dav", wish).await;
        }
        let mut names = Vec::new();
        let mut next = String::new();
        loop {
            let path = format!("/devices/dav?page_size=10&next_page_token={next}");
            let page = house.cloudreve(&token, Method::GET, &path, Value::Null).await["data"].clone();
            names.extend(page["accounts"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()));
            let Some(token) = page["pagination"]["next_token"].as_str() else { break };
            next = token.to_owned();
        }
        assert_eq!((names.len(), names[0].as_str(), names[11].as_str()), (13, "app 10", "phone 2"));

        for (method, path, body) in [
            (Method::GET, "/devices/dav".to_owned(), json!(null)),
            (Method::GET, "/devices/dav?page_size=9".to_owned(), json!(null)),
            (Method::GET, "/devices/dav?page_size=101".to_owned(), json!(null)),
            (Method::GET, "/devices/dav?page_size=10&next_page_token=x".to_owned(), json!(null)),
            (Method::PUT, "/devices/dav".to_owned(), json!({"name": "x"})),
            (Method::PUT, "/devices/dav".to_owned(), json!({"uri": "cloudreve://my"})),
            (Method::PUT, "/devices/dav".to_owned(), json!({"uri": "cloudreve://my", "name": " "})),
            (Method::PUT, "/devices/dav".to_owned(), json!({"uri": "cloudreve://my/..", "name": "x"})),
        ] {
            let said = house.cloudreve(&token, method, &path, body.clone()).await;
            assert_eq!(said["code"], 40001, "{path} {body}: {said}");
        }
        for uri in ["cloudreve://abc@share", "cloudreve://trash", "cloudreve://u0000000000000000@my"] {
            let said = house.cloudreve(&token, Method::PUT, "/devices/dav", json!({"uri": uri, "name": "x"})).await;
            assert_eq!(said["code"], 403, "{uri}: {said}");
        }
        house.server.add_user("bob");
        let asked = json!({"email": "bob", "password": PASSWORD});
        let bobs = house.cloudreve("", Method::POST, "/session/token", asked).await;
        let bobs = bobs["data"]["token"]["access_token"].as_str().unwrap();
        for method in [Method::DELETE, Method::PATCH] {
            let wish = json!({"uri": "cloudreve://my", "name": "taken"});
            let said = house.cloudreve(bobs, method, &format!("/devices/dav/{id}"), wish).await;
            assert_eq!(said["code"], 404, "it is none of his: {said}");
        }
        assert_eq!(house.cloudreve(&token, Method::DELETE, &format!("/devices/dav/{id}"), json!(null)).await["code"], 0);
        assert_eq!(house.send_as(&phone, "PROPFIND", "/dav", &[("depth", "0")], "").await.status, 401);
    }
}
