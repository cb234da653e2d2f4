//! Owners and guests as other people's programs are: each door by plain HTTP, as its clients speak it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use openshelf::App;
use openshelf::cli::order::{self, DiskPath, Order, Reply, ShareLine};
use openshelf::library::{Item, Library};
use openshelf::store::library;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{self, HeaderMap};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::server::{PASSWORD, PATIENCE, Server};

/// Where a share is made, edited and revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Desk {
    Page,
    Subsonic,
    Cloudreve,
    MyCloud,
    CommandLine,
}

pub const DESKS: [Desk; 5] = [Desk::Subsonic, Desk::Cloudreve, Desk::MyCloud, Desk::Page, Desk::CommandLine];

/// Where a guest gets bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// With the cookie that the page gives.
    Page,
    /// Straight to the file, with nothing to be known by.
    Bare,
    Cloudreve,
    MyCloud,
}

pub const DOORS: [Door; 4] = [Door::Page, Door::Bare, Door::Cloudreve, Door::MyCloud];

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub async fn of(request: RequestBuilder) -> Answer {
        Answer::read(request.send().await.unwrap()).await.unwrap()
    }

    pub async fn read(response: Response) -> reqwest::Result<Answer> {
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer { status, headers, body: response.bytes().await?.to_vec() })
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|cause| panic!("{cause}: {}", self.text()))
    }

    pub fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The bytes of a whole file.
    pub fn whole(self) -> Option<Vec<u8>> {
        (self.status == StatusCode::OK).then_some(self.body)
    }

    /// `name=value` of the cookie that it sets.
    fn cookie(&self) -> Option<String> {
        let cookie = self.headers.get(header::SET_COOKIE)?.to_str().unwrap();
        cookie.split(';').next().map(str::to_owned)
    }
}

pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// The item at a path of a library.
pub async fn item(server: &Server, of: &Library, path: &str) -> Item {
    let (key, names) = (of.key, path.split('/').map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>());
    let found = server.app.db.read(move |tx| {
        let mut at = library::root_item(tx, key)?;
        for name in &names {
            at = library::child_named(tx, at.key, name)?.expect("it was scanned");
        }
        Ok(at)
    });
    found.await.unwrap()
}

/// An item as each desk names it.
#[derive(Debug, Clone)]
pub struct Shareable {
    pub item: Item,
    pub drive_uri: String,
    pub disk: PathBuf,
}

impl Shareable {
    pub async fn of(server: &Server, of: &Library, path: &str) -> Shareable {
        let uri: Vec<String> = path.split('/').map(encoded).collect();
        Shareable {
            item: item(server, of, path).await,
            drive_uri: format!("cloudreve://my/{}/{}", encoded(&of.name), uri.join("/")),
            disk: of.root.join(path),
        }
    }
}

/// A file that guests ask for, in a shared folder.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub item_id: String,
    pub name: String,
    pub content: Vec<u8>,
}

impl Wanted {
    pub async fn of(server: &Server, of: &Library, root: &Path, path: &str) -> Wanted {
        Wanted {
            item_id: item(server, of, path).await.id,
            name: path.rsplit('/').next().unwrap().to_owned(),
            content: std::fs::read(root.join(path)).unwrap(),
        }
    }
}

// Owners --------------------------------------------------------------------------------------------------------------

/// A user who is signed in at every door.
pub struct Owner {
    app: Arc<App>,
    client: Client,
    url: String,
    pub name: String,
    /// The page's cookie.
    pub page: String,
    pub cloudreve: String,
    pub cloudreve_refresh: String,
    pub cloudreve_id: String,
    pub mycloud: String,
    pub mycloud_refresh: String,
    pub mycloud_id: String,
    pub device_id: String,
}

impl Owner {
    pub async fn sign_in(server: &Server, name: &str) -> Owner {
        let (client, url) = (server.client(), server.url.clone());
        let page = client.post(format!("{url}/app/sign-in")).form(&[("user", name), ("password", PASSWORD)]);
        let page = Answer::of(page).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text());
        let body = json!({"email": name, "password": PASSWORD});
        let drive = Answer::of(client.post(format!("{url}/api/v4/session/token")).json(&body)).await.json();
        assert_eq!(drive["code"], 0, "{drive}");
        let realm = json!({
            "grant_type": "http://auth0.com/oauth/grant-type/password-realm",
            "realm": "Username-Password-Authentication",
            "username": name,
            "password": PASSWORD,
        });
        let cloud = Answer::of(client.post(format!("{url}/authrouter/oauth/token")).json(&realm)).await.json();
        let token = text(&cloud["access_token"]);
        let info = client.get(format!("{url}/authrouter/userinfo")).bearer_auth(&token);
        let mycloud_id = text(&Answer::of(info).await.json()["sub"]);
        let devices = client.get(format!("{url}/device/v1/user/{}", encoded(&mycloud_id))).bearer_auth(&token);
        let device_id = text(&Answer::of(devices).await.json()["data"][0]["deviceId"]);
        Owner {
            app: Arc::clone(&server.app),
            client,
            url,
            name: name.to_owned(),
            page: page.cookie().unwrap(),
            cloudreve: text(&drive["data"]["token"]["access_token"]),
            cloudreve_refresh: text(&drive["data"]["token"]["refresh_token"]),
            cloudreve_id: text(&drive["data"]["user"]["id"]),
            mycloud: token,
            mycloud_refresh: text(&cloud["refresh_token"]),
            mycloud_id,
            device_id,
        }
    }

    /// What stands in the envelope, failed or not.
    pub async fn subsonic_as_it_is(&self, call: &str, params: &[(&str, &str)]) -> Value {
        let own = [("u", self.name.as_str()), ("p", PASSWORD), ("v", "1.16.1"), ("c", "proof"), ("f", "json")];
        let request = self.client.get(format!("{}/rest/{call}", self.url)).query(&own).query(params);
        Answer::of(request).await.json()["subsonic-response"].clone()
    }

    pub async fn subsonic(&self, call: &str, params: &[(&str, &str)]) -> Value {
        let answer = self.subsonic_as_it_is(call, params).await;
        assert_eq!(answer["status"], "ok", "{call}: {answer}");
        answer
    }

    pub async fn cloudreve_as_it_is(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let request = self.client.request(method, format!("{}{path}", self.url)).bearer_auth(&self.cloudreve);
        let request = if let Some(body) = &body { request.json(body) } else { request };
        Answer::of(request).await.json()
    }

    /// `data` of an answer without an error.
    pub async fn cloudreve(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let answer = self.cloudreve_as_it_is(method, path, body).await;
        assert_eq!(answer["code"], 0, "{path}: {answer}");
        answer["data"].clone()
    }

    pub async fn mycloud(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = self.client.request(method, format!("{}{path}", self.url)).bearer_auth(&self.mycloud);
        Answer::of(if let Some(body) = &body { request.json(body) } else { request }).await
    }

    pub async fn page(&self, path: &str) -> Answer {
        Answer::of(self.client.get(format!("{}{path}", self.url)).header(header::COOKIE, &self.page)).await
    }

    /// Fills in a form of the pages and sends it.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let request = self.client.post(format!("{}{path}", self.url)).header(header::COOKIE, &self.page).form(fields);
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path} {fields:?}: {}", answer.text());
        answer
    }

    /// What a command asks of the server that runs.
    async fn order(&self, order: Order) -> Reply {
        let app = Arc::clone(&self.app);
        // On a worker: hashing a password blocks in place.
        tokio::spawn(async move { order::run(&app, order, |_| ()).await }).await.unwrap().unwrap()
    }

    /// Shares an item at this desk, as far as the desk's first call goes, and answers its id.
    pub async fn make(&self, desk: Desk, what: &Shareable) -> String {
        let item = &what.item;
        match desk {
            Desk::Page => {
                let made = self.post("/app/shares", &[("item", &item.id), ("downloads", "allowed")]).await;
                made.header(header::LOCATION).split_once("made=").unwrap().1.to_owned()
            }
            Desk::Subsonic => {
                let made = self.subsonic("createShare", &[("id", &item.id)]).await;
                text(&made["shares"]["share"][0]["id"])
            }
            Desk::Cloudreve => {
                let made = self.cloudreve(Method::PUT, "/api/v4/share", Some(json!({"uri": what.drive_uri}))).await;
                text(&made).rsplit_once("/s/").unwrap().1.to_owned()
            }
            Desk::MyCloud => {
                let body = json!({"deviceId": self.device_id, "ownerId": self.mycloud_id, "fileIds": [item.id]});
                let made = self.mycloud(Method::POST, "/shares/v1/shares", Some(body)).await;
                assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
                text(&made.json()["data"]["shareId"])
            }
            Desk::CommandLine => {
                let paths = vec![DiskPath(what.disk.clone())];
                match self.order(Order::Share { paths, terms: order::Terms::default(), user: None }).await {
                    Reply::Share(made) => made.id,
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    /// My Cloud Home's second step.
    pub async fn permit(&self, share: &str, item_id: &str) {
        let seen = self.mycloud(Method::GET, &format!("/shares/v1/shares/{share}"), None).await.json();
        let entity = json!({"id": seen["data"]["authId"], "type": "cloudShare"});
        let body = json!({"fileID": item_id, "entity": entity, "value": "ReadFile"});
        let permitted = self.mycloud(Method::POST, &format!("/{}/sdk/v1/filePerms", self.device_id), Some(body)).await;
        assert_eq!(permitted.status, StatusCode::CREATED, "{}", permitted.text());
    }

    pub async fn revoke(&self, desk: Desk, share: &str) {
        match desk {
            Desk::Page => drop(self.post(&format!("/app/shares/{share}/revoke"), &[]).await),
            Desk::Subsonic => drop(self.subsonic("deleteShare", &[("id", share)]).await),
            Desk::Cloudreve => drop(self.cloudreve(Method::DELETE, &format!("/api/v4/share/{share}"), None).await),
            Desk::MyCloud => {
                let gone = self.mycloud(Method::DELETE, &format!("/shares/v1/shares/{share}"), None).await;
                assert_eq!(gone.status, StatusCode::NO_CONTENT, "{}", gone.text());
            }
            Desk::CommandLine => drop(self.order(Order::RevokeShare { id: share.to_owned() }).await),
        }
    }

    /// Their shares as music apps list them.
    pub async fn subsonic_share(&self, share: &str) -> Option<Value> {
        let all = self.subsonic("getShares", &[]).await;
        let all = all["shares"]["share"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|one| one["id"] == share)
    }

    pub async fn cloudreve_share(&self, share: &str) -> Option<Value> {
        let all = self.cloudreve(Method::GET, "/api/v4/share?page_size=100", None).await;
        all["shares"].as_array().unwrap().iter().find(|one| one["id"] == share).cloned()
    }

    pub async fn mycloud_share(&self, share: &str) -> Option<Value> {
        let all = self.mycloud(Method::GET, "/shares/v1/shares", None).await.json();
        all["data"].as_array().unwrap().iter().find(|one| one["shareId"] == share).cloned()
    }

    pub async fn command_line_share(&self, share: &str) -> Option<ShareLine> {
        match self.order(Order::Shares).await {
            Reply::Shares(all) => all.into_iter().find(|one| one.id == share),
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the share has so many: what a transfer came to is known only after its last byte.
    pub async fn downloads_settle_at(&self, share: &str, expected: i64) {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.downloads(share).await {
                counted if counted == expected => return,
                counted => assert!(Instant::now() < until, "{counted} downloads, not {expected}"),
            }
        }
    }

    /// How many downloads are counted.
    pub async fn downloads(&self, share: &str) -> i64 {
        self.cloudreve_share(share).await.unwrap()["downloaded"].as_i64().unwrap_or(0)
    }

    pub async fn views(&self, share: &str) -> i64 {
        self.cloudreve_share(share).await.unwrap()["visited"].as_i64().unwrap()
    }
}

#[track_caller]
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

// Guests --------------------------------------------------------------------------------------------------------------

/// Somebody with a link and one program.
#[derive(Clone)]
pub struct Guest {
    client: Client,
    url: String,
    agent: String,
    pub cookie: Option<String>,
    pub password: Option<String>,
}

impl Guest {
    pub fn new(server: &Server, agent: &str) -> Guest {
        Guest {
            client: server.client(),
            url: server.url.clone(),
            agent: agent.to_owned(),
            cookie: None,
            password: None,
        }
    }

    /// The same person at another address of this machine.
    pub fn at(mut self, address: [u8; 4]) -> Guest {
        let client = crate::server::http().redirect(reqwest::redirect::Policy::none());
        self.client = client.local_address(IpAddr::from(address)).build().unwrap();
        self
    }

    pub fn knowing(mut self, password: &str) -> Guest {
        self.password = Some(password.to_owned());
        self
    }

    /// A request to an address of this server, or to one that it gave.
    pub fn request(&self, method: Method, address: &str) -> RequestBuilder {
        let address = if address.starts_with('/') { format!("{}{address}", self.url) } else { address.to_owned() };
        let request = self.client.request(method, address).header(header::USER_AGENT, &self.agent);
        if let Some(cookie) = &self.cookie { request.header(header::COOKIE, cookie) } else { request }
    }

    pub async fn get(&self, address: &str) -> Answer {
        Answer::of(self.request(Method::GET, address)).await
    }

    pub async fn range(&self, address: &str, range: &str) -> Answer {
        Answer::of(self.request(Method::GET, address).header(header::RANGE, range)).await
    }

    /// Opens the share's page, proves the password if there is one to prove, and keeps the cookie.
    pub async fn visit(&mut self, share: &str) -> Answer {
        let page = match self.password.clone() {
            Some(password) => self.unlock(share, &password).await,
            None => self.get(&format!("/s/{share}")).await,
        };
        self.cookie = page.cookie().or(self.cookie.take());
        page
    }

    pub async fn unlock(&self, share: &str, password: &str) -> Answer {
        Answer::of(self.request(Method::POST, &format!("/s/{share}/-/unlock")).form(&[("password", password)])).await
    }

    pub async fn page_file(&self, share: &str, item_id: &str) -> Answer {
        self.get(&format!("/s/{share}/-/file/{item_id}?download=1")).await
    }

    pub fn drive_uri(&self, share: &str, path: &str) -> String {
        let password = self.password.as_ref().map(|password| format!(":{password}")).unwrap_or_default();
        format!("cloudreve://{share}{password}@share/{path}")
    }

    pub async fn cloudreve(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let request = self.request(method, path);
        Answer::of(if let Some(body) = &body { request.json(body) } else { request }).await.json()
    }

    /// Asks for the address of a file in a shared folder; the envelope, failed or not.
    pub async fn drive_url(&self, share: &str, name: &str) -> Value {
        let uris = json!({"uris": [self.drive_uri(share, &encoded(name))], "download": true});
        self.cloudreve(Method::POST, "/api/v4/file/url", Some(uris)).await
    }

    /// A share as My Cloud Home's recipients ask for it.
    pub async fn mycloud_share(&self, share: &str) -> Answer {
        let request = self.request(Method::GET, &format!("/shares/v1/shares/{share}"));
        Answer::of(if let Some(word) = &self.password { request.header("x-share-password", word) } else { request })
            .await
    }

    pub async fn mycloud_token(&self, share: &str) -> Option<String> {
        let answer = self.mycloud_share(share).await;
        (answer.status == StatusCode::OK).then(|| text(&answer.json()["data"]["shareToken"]))
    }

    pub async fn mycloud_file(&self, token: &str, item_id: &str) -> Answer {
        self.get(&mycloud_content(token, item_id)).await
    }

    /// The whole file, as a guest of this door gets it, or nothing.
    pub async fn download(&mut self, door: Door, share: &str, wanted: &Wanted) -> Option<Vec<u8>> {
        match door {
            Door::Page => {
                self.visit(share).await;
                self.page_file(share, &wanted.item_id).await.whole()
            }
            Door::Bare => self.page_file(share, &wanted.item_id).await.whole(),
            Door::Cloudreve => {
                let urls = self.drive_url(share, &wanted.name).await;
                let url = urls["data"]["urls"][0]["url"].as_str()?;
                self.get(url).await.whole()
            }
            Door::MyCloud => {
                let token = self.mycloud_token(share).await?;
                self.mycloud_file(&token, &wanted.item_id).await.whole()
            }
        }
    }
}

pub fn mycloud_content(token: &str, item_id: &str) -> String {
    format!("/sdk/v2/files/{item_id}/content?download=true&access_token={token}")
}

/// Whether an archive that stores its files holds this one.
pub fn contains(all: &[u8], part: &[u8]) -> bool {
    let first = part[0];
    let starts = all.iter().enumerate().filter(|(_, byte)| **byte == first).map(|(start, _)| start);
    starts.into_iter().any(|start| all[start..].starts_with(part))
}
