//! A shelf of music, and an app that speaks OpenSubsonic to it.

use std::path::Path;

use openshelf::library::Library;
use serde_json::Value;
use tempfile::TempDir;

use crate::engines::Backend;
use crate::fixture::Fixture;
use crate::server::{ADMIN, PASSWORD, Server};

/// A server with the fixture's music as library "Shelf", and an app signed in to it as admin.
pub struct Shelf {
    pub server: Server,
    pub fixture: Fixture,
    pub library: Library,
    pub login: String,
    pub client: reqwest::Client,
    _folder: TempDir,
}

impl Shelf {
    pub fn new(backend: &Backend) -> Shelf {
        Shelf::of(backend, Fixture::build)
    }

    /// Without a file.
    pub fn empty(backend: &Backend) -> Shelf {
        Shelf::of(backend, |folder| {
            let root = folder.join("root");
            std::fs::create_dir(&root).unwrap();
            Fixture { root }
        })
    }

    fn of(backend: &Backend, fixture: impl FnOnce(&Path) -> Fixture) -> Shelf {
        let folder = TempDir::new().unwrap();
        let fixture = fixture(folder.path());
        let server = Server::start(backend);
        let library = server.add_library("Shelf", &fixture.root);
        let client = server.client();
        Shelf { server, fixture, library, login: ADMIN.to_owned(), client, _folder: folder }
    }

    pub fn sign_in_as(&mut self, login: &str) {
        self.login = login.to_owned();
    }

    pub async fn raw(&self, call: &str, query: &[(&str, &str)]) -> reqwest::Response {
        let url = format!("{}/rest/{call}", self.server.url);
        self.client.get(url).query(&[("c", "test"), ("v", "1.16.1")]).query(query).send().await.unwrap()
    }

    /// The envelope of a call without credentials of its own.
    pub async fn envelope(&self, call: &str, query: &[(&str, &str)]) -> Value {
        let response = self.raw(call, &[&[("f", "json")], query].concat()).await;
        assert_eq!(response.status(), 200, "{call}");
        assert_eq!(response.headers()["content-type"], "application/json", "{call}");
        let answer: Value = response.json().await.unwrap();
        let envelope = answer["subsonic-response"].clone();
        assert_eq!(envelope["openSubsonic"], true);
        envelope
    }

    pub async fn signed_in(&self, call: &str, query: &[(&str, &str)]) -> Value {
        self.envelope(call, &[&[("u", self.login.as_str()), ("p", PASSWORD)], query].concat()).await
    }

    pub async fn ok(&self, call: &str, query: &[(&str, &str)]) -> Value {
        let envelope = self.signed_in(call, query).await;
        assert_eq!(envelope["status"], "ok", "{call} {query:?}: {envelope}");
        envelope
    }

    /// The same as a form to the older address, as py-opensonic sends all that it asks.
    pub async fn posted(&self, call: &str, query: &[(&str, &str)]) -> Value {
        let own = [("u", self.login.as_str()), ("p", PASSWORD), ("c", "test"), ("v", "1.16.1"), ("f", "json")];
        let form = [&own, query].concat();
        let url = format!("{}/rest/{call}.view", self.server.url);
        let answer: Value = self.client.post(url).form(&form).send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["subsonic-response"]["status"], "ok", "{call} {query:?}: {answer}");
        answer["subsonic-response"].clone()
    }

    pub async fn code(&self, call: &str, query: &[(&str, &str)]) -> i64 {
        let envelope = self.signed_in(call, query).await;
        assert_eq!(envelope["status"], "failed", "{call} {query:?}: {envelope}");
        envelope["error"]["code"].as_i64().unwrap()
    }

    pub async fn bytes(&self, call: &str, query: &[(&str, &str)]) -> reqwest::Response {
        self.raw(call, &[&[("u", self.login.as_str()), ("p", PASSWORD)], query].concat()).await
    }

    pub async fn album(&self, name: &str) -> Value {
        let found = self.ok("search3", &[("query", name), ("albumCount", "1")]).await;
        let id = text(&found["searchResult3"]["album"][0]["id"]);
        self.ok("getAlbum", &[("id", &id)]).await["album"].clone()
    }

    pub async fn song(&self, title: &str) -> Value {
        let found = self.ok("search3", &[("query", title), ("artistCount", "0"), ("albumCount", "0")]).await;
        found["searchResult3"]["song"]
            .as_array()
            .unwrap()
            .iter()
            .find(|song| song["title"] == title)
            .unwrap_or_else(|| panic!("no song {title}"))
            .clone()
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

pub fn all(list: &Value, field: &str) -> Vec<String> {
    list.as_array().unwrap_or_else(|| panic!("no list: {list}")).iter().map(|one| text(&one[field])).collect()
}
