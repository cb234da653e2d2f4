//! The pages of long folders: a page goes on behind the last row of the one before, whatever comes or goes.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use openshelf::library::{Item, Library};
use openshelf::share::{Door, Shared, Wish};
use openshelf::store::{Tx, accounts, library};
use openshelf::work::sharing;
use reqwest::{Client, StatusCode, header};
use tempfile::TempDir;

use crate::both_engines;
use crate::engines::Backend;
use crate::server::{ADMIN, Server};
use crate::uploads::sign_in;

/// Three pages of the folder `long`, one of `short`.
const FILES: usize = 1030;
const FOLDERS: usize = 30;

struct Shelf {
    server: Server,
    folder: TempDir,
    client: Client,
    cookie: String,
    _backend: Backend,
}

impl Shelf {
    async fn new(backend: Backend) -> Shelf {
        let folder = TempDir::new().unwrap();
        for n in 0..FOLDERS {
            fs::create_dir_all(folder.path().join(format!("long/folder-{n:04}/inner"))).unwrap();
        }
        for n in 0..FILES {
            fs::write(folder.path().join(format!("long/file-{n:04}.txt")), "x").unwrap();
        }
        fs::create_dir(folder.path().join("long/empty")).unwrap();
        let server = Server::start(&backend);
        server.add_library("shelf", folder.path());
        let (client, cookie) = (server.client(), sign_in(&server.url, ADMIN).await);
        Shelf { server, folder, client, cookie, _backend: backend }
    }

    async fn page(&self, address: &str) -> (StatusCode, String) {
        let ask = self.client.get(format!("{}{address}", self.server.url)).header(header::COOKIE, &self.cookie);
        let answer = ask.send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    /// What the pages from this address on show, each with the names on it.
    async fn walk(&self, address: &str, meanwhile: impl Fn(&[Vec<String>])) -> Vec<Vec<String>> {
        let (mut pages, mut next) = (Vec::new(), Some(address.to_owned()));
        while let Some(address) = next {
            let (status, text) = self.page(&address).await;
            assert_eq!(status, StatusCode::OK, "{address}: {text}");
            pages.push(names_in(&text));
            meanwhile(&pages);
            next = next_of(&text);
            assert!(pages.len() < 9, "the pages have no end: {next:?}");
        }
        pages
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("long/{name}.txt"))
    }

    async fn item(&self, name: &str) -> Item {
        let library = library_of(&self.server);
        let name = name.to_owned();
        let read = move |tx: &mut Tx| {
            let root = library::root_item(tx, library.key)?;
            Ok(library::child_shown(tx, root.key, &name)?.unwrap())
        };
        self.server.app.db.read(read).await.unwrap()
    }

    /// The address of a share of this folder.
    async fn share(&self, name: &str) -> String {
        let folder = self.item(name).await;
        let app = self.server.app.clone();
        let share = self.server.run(async move {
            let owner = app.db.read(|tx| accounts::by_login(tx, ADMIN)).await.unwrap().unwrap();
            sharing::create(&app, &owner, Door::Page, vec![Shared::Item(folder.key)], Wish::default()).await.unwrap()
        });
        format!("/s/{}", share.id)
    }
}

fn library_of(server: &Server) -> Library {
    let app = server.app.clone();
    let all = server.run(async move { app.db.read(library::all).await.unwrap() });
    all.into_iter().find(|library| library.name == "shelf").unwrap()
}

/// Names of files and folders that a page shows, in its order; each once, however often it stands there.
fn names_in(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for beginning in ["folder-", "file-"] {
        for (at, _) in text.match_indices(beginning) {
            let name: String = text[at..].chars().take(beginning.len() + 4).collect();
            if name[beginning.len()..].bytes().all(|byte| byte.is_ascii_digit()) && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

fn next_of(text: &str) -> Option<String> {
    let before = text.split("\">Show more</a>").next().filter(|before| before.len() < text.len())?;
    Some(before.rsplit("href=\"").next()?.replace("&amp;", "&").replace("%2E", "."))
}

fn all() -> Vec<String> {
    let folders = (0..FOLDERS).map(|n| format!("folder-{n:04}"));
    folders.chain((0..FILES).map(|n| format!("file-{n:04}"))).collect()
}

both_engines! {
    async fn a_long_folder_is_walked_whole_and_without_doubles(backend: Backend) {
        let shelf = Shelf::new(backend).await;
        let own = format!("/app/files?in={}", shelf.item("long").await.id);
        for address in [own, shelf.share("long").await] {
            let pages = shelf.walk(&address, |_| ()).await;
            assert_eq!(pages.len(), 3, "{address}");
            assert_eq!(pages.concat(), all(), "{address}");
        }
    }

    async fn what_goes_between_two_pages_shifts_nothing(backend: Backend) {
        let shelf = Shelf::new(backend).await;
        let own = format!("/app/files?in={}", shelf.item("long").await.id);
        let share = shelf.share("long").await;
        for address in [own, share] {
            // Of the first page the first files and the last one, behind which the next page begins.
            let meanwhile = |pages: &[Vec<String>]| {
                let [page] = pages else { return };
                let files: Vec<_> = page.iter().filter(|name| name.starts_with("file")).collect();
                for name in files[..9].iter().chain(files.last()) {
                    fs::remove_file(shelf.file(name)).unwrap();
                }
                let library = library_of(&shelf.server);
                shelf.server.scan(&library);
            };
            let pages = shelf.walk(&address, meanwhile).await;
            let shown = pages.concat();
            assert_eq!(shown.iter().collect::<BTreeSet<_>>().len(), shown.len(), "{address}: a double");
            let there = |name: &String| name.starts_with("folder") || shelf.file(name).exists();
            let missing: Vec<_> = all().into_iter().filter(|name| there(name) && !shown.contains(name)).collect();
            assert!(missing.is_empty(), "{address}: {missing:?}");
        }
    }

    async fn a_place_that_nobody_gave_out_is_refused_or_a_page(backend: Backend) {
        let shelf = Shelf::new(backend).await;
        let own = format!("/app/files?in={}", shelf.item("long").await.id);
        let share = shelf.share("long").await;
        let next = next_of(&shelf.page(&share).await.1).unwrap();
        let token = next.split("after=500.").nth(1).unwrap().to_owned();
        let places = [
            "18446744073709551615", "18446744073709551616", "9223372036854775807", "4294967295", "-1", "1e9", "x", ".",
            "500.", "500.x", "500..", "4294967295.x", "%00", "%2e", "999999999999999999999.x", "\u{fffd}", &"y".repeat(20_000),
            &format!("18446744073709551615.{token}"), &format!("4294967295.{token}"), &format!("x.{token}"), &token,
        ].map(str::to_owned);
        for address in [format!("{own}&"), format!("{share}?"), "/app/files?".to_owned()] {
            for place in &places {
                let (status, text) = shelf.page(&format!("{address}after={place}")).await;
                let is_told = [StatusCode::OK, StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND].contains(&status);
                assert!(is_told, "{address}after={place:.60}: {status} {text:.300}");
            }
        }
        // Nobody goes on in one folder by the other's numbers alone.
        assert_eq!(shelf.page(&format!("{share}?after=18446744073709551615")).await.0, StatusCode::BAD_REQUEST);
        let (status, text) = shelf.page(&format!("{share}?after=4294967295.{token}")).await;
        assert_eq!((status, names_in(&text).len()), (StatusCode::OK, 500));
    }
}
