//! A build of Cloudreve's interface in front: here a small one of our own making.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;

use openshelf::account::site::Site;
use openshelf::share::{Change, Door, Mode, Shared, Wish};
use openshelf::store::{library, site};
use openshelf::work::sharing;
use reqwest::Response;
use tempfile::TempDir;

use crate::both_engines;
use crate::engines::Backend;
use crate::fixture::Fixture;
use crate::server::{ADMIN, Server};

const INDEX: &str = r#"<!doctype html><html><head><title>{siteName}</title><meta name="description" content="{siteDes}">
<link rel="icon" href="{pwa_small_icon}"><link rel="apple-touch-icon" href="{pwa_medium_icon}">{siteScript}
<style>.x { color: var(--defaultThemeColor) }</style><script>boot()</script>
<script type="module" src="/assets/main.1.js"></script></head><body></body></html>"#;

struct Front {
    server: Server,
    client: reqwest::Client,
    folder: TempDir,
}

impl Front {
    fn new(backend: &Backend, public_url: Option<&str>) -> Front {
        let folder = TempDir::new().unwrap();
        let build = folder.path().join("build");
        fs::create_dir_all(build.join("assets")).unwrap();
        for (name, content) in [
            ("index.html", INDEX),
            ("assets/main.1.js", "run()"),
            ("assets/main.1.css", "a {}"),
            ("sw.js", "worker()"),
            (".env", "secret of the build"),
            ("robots.txt", "none"),
        ] {
            fs::write(build.join(name), content).unwrap();
        }
        fs::write(folder.path().join("outside.txt"), "outside of the build").unwrap();
        symlink(folder.path().join("outside.txt"), build.join("link.txt")).unwrap();
        symlink(folder.path(), build.join("up")).unwrap();
        let public_url = public_url.map(str::to_owned);
        let server = Server::start_with(backend, |given| {
            given.cloudreve_ui = Some(build);
            given.public_url = public_url;
        });
        Front { client: server.client(), server, folder }
    }

    async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.server.url)).send().await.unwrap()
    }

    async fn as_crawler(&self, path: &str) -> Response {
        let url = format!("{}{path}", self.server.url);
        self.client.get(url).header("user-agent", "TelegramBot (like TwitterBot)").send().await.unwrap()
    }

    /// As it stands: a client would tidy the path up.
    fn raw(&self, path: &str) -> String {
        let host = self.server.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    async fn share(&self, wish: Wish) -> String {
        let music = self.folder.path().join("music");
        fs::create_dir(&music).unwrap();
        let fixture = Fixture::build(&music);
        let server = &self.server;
        let library = tokio::task::block_in_place(|| server.add_library("Shelf", &fixture.root));
        let key = library.key;
        server
            .app
            .db
            .write(move |tx| {
                library::update(tx, key, "Shelf", library::Access::Writable, openshelf::now_ms())?;
                let everyone = openshelf::share::Subject::Everyone;
                openshelf::store::rights::set(tx, key, &everyone, openshelf::share::Bits::ALL)
            })
            .await
            .unwrap();
        let (item, admin) = server
            .app
            .db
            .read(move |tx| {
                let root = library::root_item(tx, key)?;
                let admin = openshelf::store::accounts::by_login(tx, ADMIN)?.unwrap();
                Ok((library::child_shown(tx, root.key, "pub")?.unwrap(), admin))
            })
            .await
            .unwrap();
        let app = server.app.clone();
        let made = tokio::spawn(async move {
            sharing::create(&app, &admin, Door::Page, vec![Shared::Item(item.key)], wish).await.unwrap()
        });
        made.await.unwrap().id
    }
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

both_engines! {
    async fn the_interface_is_one_page_at_all_addresses_that_are_nobody_elses(backend: Backend) {
        let front = Front::new(&backend, None);
        for path in ["/", "/home", "/home?path=cloudreve%3A%2F%2Fmy", "/session", "/settings/profile", "/shares", "/index.html"] {
            let page = front.get(path).await;
            assert_eq!((page.status().as_u16(), header(&page, "cache-control")), (200, "no-cache"), "{path}");
            assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8");
            let policy = header(&page, "content-security-policy").to_owned();
            let scripts = policy.split(';').find(|part| part.trim().starts_with("script-src")).unwrap().to_owned();
            assert!(scripts.contains("'self'") && scripts.contains("'sha256-") && !scripts.contains("unsafe-inline"), "{scripts}");
            assert!(policy.contains("frame-ancestors 'self'") && policy.contains("object-src 'none'"), "{policy}");
            let text = page.text().await.unwrap();
            assert!(text.contains("<title>Openshelf</title>") && text.contains("color: #1976d2"), "{text}");
            for left in ["{site", "{pwa", "var(--"] {
                assert!(!text.contains(left), "{left} is not filled in: {text}");
            }
        }
        let script = front.get("/assets/main.1.js").await;
        assert!(header(&script, "content-type").contains("javascript") && header(&script, "cache-control").contains("immutable"));
        assert_eq!((header(&script, "content-disposition"), header(&script, "content-security-policy")), ("", ""));
        assert_eq!(script.text().await.unwrap(), "run()");
        assert_eq!(front.get("/assets/gone.js").await.status(), 404, "a page is no script");
        let worker = front.get("/sw.js").await;
        assert_eq!((header(&worker, "cache-control"), worker.status().as_u16()), ("no-cache", 200));
        let manifest = front.get("/manifest.json").await;
        assert_eq!(manifest.status(), 200);
        let manifest: serde_json::Value = manifest.json().await.unwrap();
        assert!(manifest["icons"][0]["src"].as_str().unwrap().starts_with("/s/-/icon."), "{manifest}");
        let icon = front.get(manifest["icons"][0]["src"].as_str().unwrap()).await;
        assert_eq!(icon.status(), 200);

        let said = Site { title: "Our <Shelf>".to_owned(), description: "of the \"band\"".to_owned(), ..Site::default() };
        front.server.app.db.write(move |tx| site::set(tx, &said)).await.unwrap();
        let page = front.get("/home").await.text().await.unwrap();
        assert!(page.contains("<title>Our &lt;Shelf&gt;</title>"), "{page}");
        assert!(page.contains(r#"content="of the &quot;band&quot;""#), "{page}");
        let manifest: serde_json::Value = front.get("/manifest.json").await.json().await.unwrap();
        assert_eq!((&manifest["name"], &manifest["description"]), (&"Our <Shelf>".into(), &"of the \"band\"".into()));

        // What is ours stays ours.
        for (path, status) in [
            ("/app/sign-in", 200), ("/app", 303), ("/healthz", 200), ("/api/v4/site/ping", 200), ("/api/v4/none", 404), ("/api/none", 404),
            ("/rest/ping", 200), ("/dav/", 401), ("/f/none", 404), ("/app/none", 404), ("/s/none/-/zip", 404),
        ] {
            let said = front.get(path).await;
            assert_eq!(said.status().as_u16(), status, "{path}");
            assert!(!said.text().await.unwrap().contains("main.1.js"), "{path}");
        }
        let post = front.client.post(format!("{}/home", front.server.url)).send().await.unwrap();
        assert_eq!(post.status(), 404);
    }

    async fn nothing_outside_of_the_build_is_reached(backend: Backend) {
        let front = Front::new(&backend, None);
        for path in [
            "/../outside.txt", "/%2e%2e/outside.txt", "/assets/../../outside.txt", "/assets/%2e%2e/%2e%2e/outside.txt", "/..%2foutside.txt",
            "/assets/..%5c..%5coutside.txt", "/%252e%252e/outside.txt", "//outside.txt", "/link.txt", "/up/outside.txt", "/.env", "/%2eenv",
            "/assets/%00", "/etc/passwd", "//etc/passwd", "/proc/self/environ",
        ] {
            let answer = tokio::task::block_in_place(|| front.raw(path));
            assert!(!answer.contains("outside of the build") && !answer.contains("secret of the build"), "{path}: {answer}");
            assert!(!answer.contains("root:x:") && !answer.starts_with("HTTP/1.1 5"), "{path}: {answer}");
        }
    }

    async fn a_shares_link_leads_into_the_interface(backend: Backend) {
        let front = Front::new(&backend, Some("https://shelf.example/x"));
        let id = front.share(Wish { password: Change::Set("Word1".into()), ..Wish::default() }).await;
        for (path, expected) in [
            (format!("/s/{id}"), format!("/x/home?path=cloudreve%3A%2F%2F{id}%40share")),
            (format!("/s/{id}/Word1"), format!("/x/home?path=cloudreve%3A%2F%2F{id}%3AWord1%40share")),
            (format!("/s/{id}/?path=/a%20b/c&x=1"), format!("/x/home?path=cloudreve%3A%2F%2F{id}%40share%2Fa%2520b%2Fc&x=1")),
            ("/s/none".to_owned(), "/x/home?path=cloudreve%3A%2F%2Fnone%40share".to_owned()),
        ] {
            let led = front.get(&path).await;
            assert_eq!((led.status().as_u16(), header(&led, "location")), (302, expected.as_str()), "{path}");
            assert_eq!((header(&led, "referrer-policy"), header(&led, "set-cookie")), ("no-referrer", ""));
        }
        // A card is drawn from our own page, which tells nothing of what is locked.
        for path in [format!("/s/{id}"), format!("/home?path=cloudreve%3A%2F%2F{id}%40share")] {
            let mut card = front.as_crawler(&path).await;
            if card.status() == 303 {
                card = front.as_crawler(header(&card, "location").strip_prefix("/x").unwrap()).await;
            }
            let card = card.text().await.unwrap();
            assert!(card.contains("og:title") && !card.contains("main.1.js") && !card.contains("open.txt"), "{card}");
            assert!(!card.contains("content=\"pub"), "{card}");
        }
    }

    async fn a_drop_box_keeps_its_own_page(backend: Backend) {
        let front = Front::new(&backend, None);
        let id = front.share(Wish { mode: Some(Mode::Drop), ..Wish::default() }).await;
        let page = front.get(&format!("/s/{id}")).await;
        assert_eq!(page.status(), 200);
        assert!(page.text().await.unwrap().contains("upload"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_build_the_pages_are_ours() {
    let server = tokio::task::block_in_place(|| Server::start(&Backend::sqlite()));
    let get =
        async |path: &str| server.client().get(format!("{}{path}", server.url)).send().await.unwrap().status().as_u16();
    assert_eq!(
        (get("/").await, get("/home").await, get("/manifest.json").await, get("/s/none").await),
        (303, 404, 404, 404)
    );
}
