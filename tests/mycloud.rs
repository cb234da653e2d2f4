//! My Cloud Home's door, as its clients knock: the recorded session of the PyPI client, the share downloader's requests,
//! the documented errors, and the spellings that trip servers over.

use std::io::{Read, Write};
use std::net::TcpStream;

use openshelf::share::{Change, Door, Shared, Wish};
use openshelf::work::sharing;
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::engines::Backend;
use crate::server::{ADMIN, ADMIN_MAIL, PASSWORD, Server};

const FOLDER_TYPE: &str = "application/x.wd.dir";

/// A server with a library `music`: `album/one.txt` ("one"), `album/two.txt` ("two!") and `alone.txt` ("alone").
struct Home {
    server: Server,
    client: Client,
    _folder: TempDir,
    _backend: Backend,
}

impl Home {
    fn new(backend: Backend) -> Home {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("album")).unwrap();
        for (path, content) in [("album/one.txt", "one"), ("album/two.txt", "two!"), ("alone.txt", "alone")] {
            std::fs::write(folder.path().join(path), content).unwrap();
        }
        let server = Server::start(&backend);
        server.add_library("music", folder.path());
        let client = server.client();
        Home { server, client, _folder: folder, _backend: backend }
    }

    fn sqlite() -> Home {
        Home::new(Backend::sqlite())
    }

    async fn token(&self, name: &str) -> String {
        let asked = json!({"grant_type": "http://auth0.com/oauth/grant-type/password-realm", "username": name, "password": PASSWORD,
            "realm": "Username-Password-Authentication", "client_id": "any", "client_secret": "any"});
        let answer =
            self.client.post(format!("{}/authrouter/oauth/token", self.server.url)).json(&asked).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json::<Value>().await.unwrap()["access_token"].as_str().unwrap().to_owned()
    }

    async fn session(&self, name: &str) -> Session<'_> {
        let token = self.token(name).await;
        let url = format!("{}/authservice/v1/user/userinfo", self.server.url);
        let account: Value = self.client.get(url).bearer_auth(&token).send().await.unwrap().json().await.unwrap();
        let user_id = account["data"]["user_id"].as_str().unwrap().to_owned();
        let url = format!("{}/device/v1/user/{user_id}", self.server.url);
        let devices: Value = self.client.get(url).bearer_auth(&token).send().await.unwrap().json().await.unwrap();
        let device = devices["data"][0]["deviceId"].as_str().unwrap().to_owned();
        Session { home: self, token, user_id, device }
    }
}

/// Somebody with a token, at the device or the share service.
struct Session<'a> {
    home: &'a Home,
    token: String,
    user_id: String,
    device: String,
}

impl Session<'_> {
    async fn ask(&self, method: Method, path: &str) -> Response {
        self.home.client.request(method, self.url(path)).bearer_auth(&self.token).send().await.unwrap()
    }

    async fn send(&self, method: Method, path: &str, body: impl Into<reqwest::Body>) -> Response {
        self.home.client.request(method, self.url(path)).bearer_auth(&self.token).body(body).send().await.unwrap()
    }

    async fn multipart(&self, path: &str, body: &str) -> Response {
        let request = self.home.client.post(self.url(path)).bearer_auth(&self.token);
        request.header("content-type", "multipart/related; boundary=foo").body(body.to_owned()).send().await.unwrap()
    }

    fn url(&self, path: &str) -> String {
        match path.starts_with("/sdk") {
            true => format!("{}/{}{path}", self.home.server.url, self.device),
            false => format!("{}{path}", self.home.server.url),
        }
    }

    async fn list(&self, parent: &str) -> Vec<Value> {
        let answer = self
            .ask(
                Method::GET,
                &format!(
                    "/sdk/v2/filesSearch/parents?ids={parent}&limit=100&order=desc&orderBy=name&pretty=true&pageToken="
                ),
            )
            .await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(answer.headers().contains_key("etag"));
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["pageToken"], "");
        body["files"].as_array().unwrap().clone()
    }

    async fn find(&self, parent: &str, name: &str) -> Value {
        self.list(parent).await.into_iter().find(|file| file["name"] == name).unwrap_or_else(|| panic!("no {name}"))
    }

    /// The id at the end of a path of names beneath the root.
    async fn id(&self, path: &str) -> String {
        let mut id = String::from("root");
        for name in path.split('/') {
            id = self.find(&id, name).await["id"].as_str().unwrap().to_owned();
        }
        id
    }

    async fn share(&self, body: Value) -> Response {
        let url = format!("{}/shares/v1/shares", self.home.server.url);
        self.home.client.post(url).bearer_auth(&self.token).json(&body).send().await.unwrap()
    }

    /// A share of these files, as its service answered it.
    async fn shared(&self, files: &[&str]) -> Value {
        let made = self.share(json!({"deviceId": self.device, "ownerId": self.user_id, "fileIds": files})).await;
        assert_eq!(made.status(), StatusCode::CREATED);
        let body: Value = made.json().await.unwrap();
        assert_eq!(body["error"], Value::Null);
        body["data"].clone()
    }

    async fn permit(&self, method: Method, file: &str, auth_id: &Value) -> StatusCode {
        let body = json!({"fileID": file, "entity": {"id": auth_id, "type": "cloudShare"}, "value": "ReadFile"});
        self.send(method, "/sdk/v1/filePerms", body.to_string()).await.status()
    }

    async fn holder(&self, share: &Value) -> Session<'_> {
        let opened = self.home.open(share, None).await;
        assert_eq!(opened.0, StatusCode::OK);
        let token = opened.1["data"]["shareToken"].as_str().unwrap().to_owned();
        Session { home: self.home, token, user_id: String::new(), device: self.device.clone() }
    }
}

impl Home {
    /// What the share service answers to somebody with this token or none.
    async fn open(&self, share: &Value, token: Option<&str>) -> (StatusCode, Value) {
        let request =
            self.client.get(format!("{}/shares/v1/shares/{}", self.server.url, share["shareId"].as_str().unwrap()));
        let answer = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let answer = answer.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    /// A request written by hand: its head, without an empty line at the end.
    fn raw(&self, head: &str) -> String {
        let mut stream = TcpStream::connect(self.server.url.strip_prefix("http://").unwrap()).unwrap();
        stream.write_all(format!("{head}\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

async fn golden_session(home: Home) {
    // 1-4: what the client reads at login.
    let config: Value =
        home.client.get(format!("{}/config/v1/config", home.server.url)).send().await.unwrap().json().await.unwrap();
    let urls = &config["data"]["componentMap"]["cloud.service.urls"];
    assert_eq!(urls["service.auth0.url"], format!("{}/authrouter", home.server.url));
    let admin = home.session(ADMIN_MAIL).await;
    let found: Value =
        admin.ask(Method::GET, &format!("/authservice/v2/auth0/user?email={ADMIN_MAIL}")).await.json().await.unwrap();
    assert_eq!(found["data"][0]["user_id"], admin.user_id.as_str());
    let encoded = admin.user_id.replace('|', "%7C");
    let devices: Value =
        admin.ask(Method::GET, &format!("/device/v1/user/{encoded}?pretty=true")).await.json().await.unwrap();
    assert_eq!(devices["data"][0]["deviceId"], admin.device.as_str());
    assert!(devices.get("error").is_none());

    // 5-6: a folder.
    let body =
        "\n--foo\n\n{\"name\":\"Outside\",\"parentID\":\"root\",\"mimeType\":\"application/x.wd.dir\"}\n--foo--\n";
    let made = admin.multipart("/sdk/v2/files?resolveNameConflict=1", body).await;
    assert_eq!(made.status(), StatusCode::CREATED);
    let folder = made.headers()["location"].to_str().unwrap().strip_prefix("/sdk/v2/files/").unwrap().to_owned();
    let listed = admin.find("root", "Outside").await;
    assert_eq!(
        (&listed["id"], &listed["childCount"], &listed["mimeType"]),
        (&json!(folder), &json!(0), &json!(FOLDER_TYPE))
    );

    // 7-10: an upload, invisible until it is done; the empty last request takes nothing away.
    let body = format!("\n--foo\n\n{{\"name\":\"note.txt\",\"parentID\":\"{folder}\"}}\n--foo\n\n--foo--\n");
    let begun = admin.multipart("/sdk/v2/files/resumable?resolveNameConflict=1&done=false", &body).await;
    assert_eq!(begun.status(), StatusCode::CREATED);
    let location = begun.headers()["location"].to_str().unwrap().to_owned();
    assert!(location.starts_with("/sdk/v2/files/"));
    let content: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
    assert!(
        admin.send(Method::PUT, &format!("{location}/resumable/content"), content.clone()).await.status().is_success()
    );
    assert!(admin.list(&folder).await.is_empty());
    assert_eq!(
        admin.ask(Method::PUT, &format!("{location}/resumable/content?done=true")).await.status(),
        StatusCode::NO_CONTENT
    );

    // 11-13: the listing; the id that the upload was told is the file's from now on.
    let file = admin.find(&folder, "note.txt").await;
    assert_eq!((&file["size"], file.get("childCount")), (&json!(300_000), None));
    let id = file["id"].as_str().unwrap();
    let again: Value = admin.ask(Method::GET, &format!("{location}?pretty=true")).await.json().await.unwrap();
    assert_eq!(again["id"], id);
    let root: Value = admin.ask(Method::GET, "/sdk/v2/files/root").await.json().await.unwrap();
    assert_eq!((&root["id"], &root["mimeType"]), (&json!("root"), &json!(FOLDER_TYPE)));
    let described: Value =
        admin.ask(Method::GET, &format!("/sdk/v2/files/{folder}?pretty=true")).await.json().await.unwrap();
    assert_eq!((&described["childCount"], &described["parentID"]), (&json!(1), &json!("root")));

    // 14-18: the download, whole and in part.
    let whole = admin.ask(Method::GET, &format!("/sdk/v3/files/{id}/content")).await;
    assert_eq!(whole.status(), StatusCode::OK);
    assert_eq!(whole.bytes().await.unwrap(), content);
    let part = home.client.get(admin.url(&format!("/sdk/v3/files/{id}/content?access_token={}", admin.token)));
    let part = part.header("range", "bytes=10-19").send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.bytes().await.unwrap(), &content[10..20]);

    // 19-24: rename and move, in either spelling of the call.
    let renamed = admin.send(Method::POST, &format!("/sdk/v2/files/{id}/patch"), r#"{"name": "letter.txt"}"#).await;
    assert_eq!(renamed.status(), StatusCode::NO_CONTENT);
    assert!(renamed.headers().contains_key("etag"));
    let moved = admin
        .send(
            Method::PATCH,
            &format!("/sdk/v2/files/{id}"),
            r#"{"parentID": "root", "mTime": "2020-01-02T03:04:05.678Z"}"#,
        )
        .await;
    assert_eq!(moved.status(), StatusCode::NO_CONTENT);
    let file = admin.find("root", "letter.txt").await;
    assert_eq!((&file["id"], &file["mTime"]), (&json!(id), &json!("2020-01-02T03:04:05.678Z")));

    // 25-26: gone.
    assert_eq!(admin.ask(Method::DELETE, &format!("/sdk/v2/files/{id}")).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(admin.ask(Method::GET, &format!("/sdk/v2/files/{id}")).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(admin.ask(Method::DELETE, &format!("/sdk/v2/files/{id}")).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn recorded_session_of_the_command_line_client_runs_through() {
    golden_session(Home::sqlite()).await;
}

#[tokio::test]
async fn recorded_session_runs_through_on_postgresql() {
    if let Some(backend) = Backend::postgres() {
        golden_session(Home::new(backend)).await;
    }
}

#[tokio::test]
async fn recipient_without_account_gets_what_was_granted_and_nothing_else() {
    let home = Home::sqlite();
    let admin = home.session(ADMIN).await;
    let (album, alone) = (admin.id("music/album").await, admin.id("music/alone.txt").await);
    let share = admin.shared(&[&album, &alone]).await;
    assert_eq!(share["fileIds"], json!([album, alone]));

    // Two steps: the share opens, its files do not yet.
    let early = admin.holder(&share).await;
    assert_eq!(early.ask(Method::GET, &format!("/sdk/v2/files/{alone}")).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(admin.permit(Method::POST, &album, &share["authId"]).await, StatusCode::CREATED);
    assert_eq!(admin.permit(Method::POST, &album, &share["authId"]).await, StatusCode::CONFLICT);
    assert_eq!(early.ask(Method::GET, &format!("/sdk/v2/files/{alone}")).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(admin.permit(Method::POST, &alone, &share["authId"]).await, StatusCode::CREATED);

    let (status, opened) = home.open(&share, Some("no.good.token")).await;
    assert_eq!(status, StatusCode::OK);
    let data = &opened["data"];
    assert_eq!(data["device"]["network"]["proxyURL"], format!("{}/{}", home.server.url, admin.device));
    assert!(data["device"].get("mac").is_none() && data.get("userIds").is_none());
    let guest = admin.holder(&share).await;
    let file: Value = guest.ask(Method::GET, &format!("/sdk/v2/files/{alone}")).await.json().await.unwrap();
    assert_eq!((&file["name"], &file["size"], file.get("childCount")), (&json!("alone.txt"), &json!(5), None));
    assert_eq!(file["parentID"], "", "what lies above a share is nobody's business");
    let by_query = |path: String| home.client.get(guest.url(&format!("{path}access_token={}", guest.token))).send();
    let content = by_query(format!("/sdk/v2/files/{alone}/content?download=true&")).await.unwrap();
    assert_eq!(content.status(), StatusCode::OK);
    assert!(content.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
    assert_eq!(content.headers()["referrer-policy"], "no-referrer");
    assert_eq!(content.bytes().await.unwrap(), "alone");
    let folder: Value = guest.ask(Method::GET, &format!("/sdk/v2/files/{album}")).await.json().await.unwrap();
    assert_eq!((&folder["childCount"], &folder["mimeType"]), (&json!(2), &json!(FOLDER_TYPE)));
    let names: Vec<_> = guest.list(&album).await.into_iter().map(|file| file["name"].clone()).collect();
    assert_eq!(names, ["two.txt", "one.txt"]);
    let zip = by_query(format!("/sdk/v1/filesZip?ids={album}&")).await.unwrap();
    assert_eq!(zip.status(), StatusCode::OK);
    assert!(zip.bytes().await.unwrap().starts_with(b"PK"));

    // Neither upwards nor to write nor as a user.
    let music = admin.id("music").await;
    for (method, path) in [
        (Method::GET, format!("/sdk/v2/files/{music}")),
        (Method::GET, String::from("/sdk/v2/files/root")),
        (Method::GET, format!("/sdk/v2/filesSearch/parents?ids={music}")),
        (Method::DELETE, format!("/sdk/v2/files/{alone}")),
        (Method::PATCH, format!("/sdk/v2/files/{alone}")),
        (Method::PUT, format!("/sdk/v2/files/{alone}/content")),
        (Method::POST, String::from("/sdk/v2/files")),
        (Method::GET, String::from("/authrouter/userinfo")),
        (Method::GET, String::from("/shares/v1/shares")),
    ] {
        let status = guest.send(method.clone(), &path, "{}").await.status();
        assert!(matches!(status.as_u16(), 401 | 404), "{method} {path}: {status}");
    }

    // A permission that is taken back closes the file, and a share that is deleted its token.
    assert_eq!(admin.permit(Method::DELETE, &alone, &share["authId"]).await, StatusCode::NO_CONTENT);
    assert_eq!(guest.ask(Method::GET, &format!("/sdk/v2/files/{alone}")).await.status(), StatusCode::NOT_FOUND);
    let path = format!("/v1/shares/{}", share["shareId"].as_str().unwrap());
    assert_eq!(admin.ask(Method::DELETE, &path).await.status(), StatusCode::NO_CONTENT);
    let dead = guest.ask(Method::GET, &format!("/sdk/v2/files/{album}")).await;
    assert_eq!(dead.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(dead.json::<Value>().await.unwrap()["key"], "unauthenticated");
    assert_eq!(home.open(&share, None).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn restricted_share_opens_to_its_owner_and_the_listed_alone() {
    let home = Home::sqlite();
    home.server.add_user("ann");
    home.server.add_user("bob");
    let (admin, ann, bob) = (home.session(ADMIN).await, home.session("ann").await, home.session("bob").await);
    let alone = admin.id("music/alone.txt").await;
    let body =
        json!({"deviceId": admin.device, "ownerId": admin.user_id, "fileIds": [alone], "userIds": [ann.user_id]});
    let share = admin.share(body).await.json::<Value>().await.unwrap()["data"].clone();
    assert_eq!(share["userIds"], json!([ann.user_id]));
    assert_eq!(admin.permit(Method::POST, &alone, &share["authId"]).await, StatusCode::CREATED);

    let (status, body) = home.open(&share, None).await;
    assert_eq!((status, &body["error"]["label"]), (StatusCode::UNAUTHORIZED, &json!("UNAUTHORIZED")));
    let (status, body) = home.open(&share, Some(&bob.token)).await;
    assert_eq!((status, &body["error"]["label"]), (StatusCode::NOT_FOUND, &json!("SHARE_NOT_FOUND")));
    assert_eq!(home.open(&share, Some(&admin.token)).await.0, StatusCode::OK);
    let (status, body) = home.open(&share, Some(&ann.token)).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body["data"].get("userIds").is_none(), "who else may read is the owner's to know");
    let token = body["data"]["shareToken"].as_str().unwrap().to_owned();
    let listed = Session { home: &home, token, user_id: String::new(), device: admin.device.clone() };
    assert_eq!(listed.ask(Method::GET, &format!("/sdk/v2/files/{alone}/content")).await.text().await.unwrap(), "alone");

    // An empty list is nobody, and taking the list away is everybody.
    let path = format!("/shares/v1/shares/{}", share["shareId"].as_str().unwrap());
    assert_eq!(admin.send(Method::PATCH, &path, r#"{"userIds": []}"#).await.status(), StatusCode::OK);
    assert_eq!(home.open(&share, Some(&ann.token)).await.0, StatusCode::NOT_FOUND);
    assert_eq!(
        admin.send(Method::PATCH, &path, r#"{"userIds": null, "metadata": {"a": 1}}"#).await.status(),
        StatusCode::OK
    );
    let (status, body) = home.open(&share, None).await;
    assert_eq!((status, &body["data"]["metadata"]), (StatusCode::OK, &json!({"a": 1})));
}

#[tokio::test]
async fn what_cannot_be_shared_is_refused_by_the_name_of_its_field() {
    let home = Home::sqlite();
    home.server.add_user("ann");
    let (admin, ann) = (home.session(ADMIN).await, home.session("ann").await);
    let alone = admin.id("music/alone.txt").await;
    let made = admin
        .multipart("/sdk/v2/files", "--foo\n\n{\"name\":\"own\",\"mimeType\":\"application/x.wd.dir\"}\n--foo--")
        .await;
    let own = made.headers()["location"].to_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let good = json!({"deviceId": admin.device, "ownerId": admin.user_id, "fileIds": [alone]});
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    const INSUFFICIENT: &str = "GENERAL_INSUFFICIENT_PARAMETERS";
    const INVALID: &str = "GENERAL_INVALID_PARAMETER_LIST";
    for (body, label, name) in [
        (with("deviceId", Value::Null), INSUFFICIENT, "deviceId"),
        (with("deviceId", json!("0c7e6a3e-9a5b-4b55-8a9f-6a2d9f0f1e01")), INVALID, "deviceId"),
        (with("ownerId", json!("")), INSUFFICIENT, "ownerId"),
        (with("ownerId", json!(ann.user_id)), INVALID, "ownerId"),
        (with("fileIds", json!([])), INSUFFICIENT, "fileIds"),
        (with("fileIds", json!("x")), INVALID, "fileIds"),
        (with("fileIds", json!(["f0000000000000000"])), INVALID, "fileIds"),
        (with("userIds", json!(["auth0|nobody"])), INVALID, "userIds"),
        (with("metadata", json!("text")), INVALID, "metadata"),
        (with("useCache", json!("yes")), INVALID, "useCache"),
    ] {
        let answer = admin.share(body.clone()).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{body}");
        let said: Value = answer.json().await.unwrap();
        assert_eq!((&said["error"]["label"], &said["data"]), (&json!(label), &Value::Null), "{body}");
        assert!(said["message"].as_str().unwrap().contains(&format!("parameter {name} ")), "{said}");
        assert_eq!(said["message"], said["error"]["message"]);
    }
    // Another user's home is not there for others, and its owner's shares are not theirs to change.
    let foreign = json!({"deviceId": admin.device, "ownerId": ann.user_id, "fileIds": [own]});
    let said: Value = ann.share(foreign).await.json().await.unwrap();
    assert_eq!(said["error"]["label"], INVALID);
    let share = admin.shared(&[&own]).await;
    assert_eq!(ann.permit(Method::POST, &own, &share["authId"]).await, StatusCode::NOT_FOUND);
    let path = format!("/shares/v1/shares/{}", share["shareId"].as_str().unwrap());
    assert_eq!(ann.ask(Method::DELETE, &path).await.status(), StatusCode::NOT_FOUND);
    let listed: Value = admin.ask(Method::GET, "/v1/shares?limit=1").await.json().await.unwrap();
    assert_eq!((listed["data"].as_array().unwrap().len(), &listed["data"][0]["shareId"]), (1, &share["shareId"]));

    // No token at all is a missing parameter, a bad one is not.
    let url = format!("{}/v1/shares", home.server.url);
    let answer = home.client.post(&url).json(&good).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let said: Value = answer.json().await.unwrap();
    assert_eq!(said["message"], "400 Bad Request Required parameter accessToken not present or empty");
    let answer = home.client.post(&url).bearer_auth("bad").json(&good).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn share_of_another_door_shows_its_files_keeps_its_password_and_ends_with_it() {
    let home = Home::sqlite();
    let admin = home.session(ADMIN).await;
    let (album, app) = (admin.id("music/album").await, home.server.app.clone());
    let of = album.clone();
    let share_id = home.server.run(async move {
        let find = move |tx: &mut openshelf::store::Tx| {
            let user = openshelf::store::accounts::by_login(tx, ADMIN)?.unwrap();
            let item = openshelf::store::library::item_by_id(tx, &of)?.unwrap();
            Ok((user, item))
        };
        let (user, item) = app.db.read(find).await.unwrap();
        let wish = Wish { password: Change::Set("Sesame1".into()), view_limit: Change::Set(1), ..Wish::default() };
        sharing::create(&app, &user, Door::Page, vec![Shared::Item(item.key)], wish).await.unwrap().id
    });
    let url = format!("{}/shares/v1/shares/{share_id}", home.server.url);
    let locked = home.client.get(&url).send().await.unwrap();
    assert_eq!(locked.status(), StatusCode::UNAUTHORIZED);
    assert!(!locked.text().await.unwrap().contains(&album), "locked, it gives nothing away");
    let wrong = home.client.get(&url).header("x-share-password", "wrong").send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    let answer = home.client.get(&url).header("x-share-password", "Sesame1").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let opened: Value = answer.json().await.unwrap();
    assert_eq!(opened["data"]["fileIds"], json!([album]));
    // That was the last view; its token goes on, and others stay out.
    let token = opened["data"]["shareToken"].as_str().unwrap().to_owned();
    let guest = Session { home: &home, token, user_id: String::new(), device: admin.device.clone() };
    let one = guest.find(&album, "one.txt").await["id"].as_str().unwrap().to_owned();
    assert_eq!(guest.ask(Method::GET, &format!("/sdk/v2/files/{one}/content")).await.text().await.unwrap(), "one");
    let other = home
        .client
        .get(&url)
        .header("x-share-password", "Sesame1")
        .header("user-agent", "another")
        .send()
        .await
        .unwrap();
    assert_eq!(other.status(), StatusCode::NOT_FOUND);
    assert_eq!(admin.ask(Method::DELETE, &format!("/v1/shares/{share_id}")).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(guest.ask(Method::GET, &format!("/sdk/v2/files/{one}")).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn sign_in_takes_json_and_forms_refreshes_and_says_no_as_auth0_did() {
    let home = Home::sqlite();
    let url = format!("{}/authrouter/oauth/token", home.server.url);
    let form = [("grant_type", "password"), ("username", ADMIN), ("password", PASSWORD)];
    let tokens: Value = home.client.post(&url).form(&form).send().await.unwrap().json().await.unwrap();
    assert_eq!(tokens["token_type"], "Bearer");
    let asked = format!(r#"{{"grant_type":"refresh_token","refresh_token":{}}}"#, tokens["refresh_token"]);
    for _ in 0..2 {
        // Clients keep the first refresh token for ever.
        let again = home.client.post(&url).body(asked.clone()).send().await.unwrap();
        assert_eq!(again.status(), StatusCode::OK);
    }
    let ask = |token: &Value| {
        home.client.get(format!("{}/authrouter/userinfo", home.server.url)).bearer_auth(token.as_str().unwrap()).send()
    };
    for (kind, status) in [("access_token", 200), ("id_token", 200), ("refresh_token", 401)] {
        assert_eq!(ask(&tokens[kind]).await.unwrap().status().as_u16(), status, "{kind}");
    }
    let ro = format!("{}/authrouter/oauth/ro", home.server.url);
    let answer = home.client.post(&ro).json(&json!({"username": ADMIN, "password": PASSWORD})).send().await.unwrap();
    assert!(answer.json::<Value>().await.unwrap()["id_token"].is_string());
    let wrong = home
        .client
        .post(&url)
        .form(&[("grant_type", "password"), ("username", ADMIN), ("password", "no")])
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status(), StatusCode::FORBIDDEN);
    assert_eq!(wrong.json::<Value>().await.unwrap()["error"], "invalid_grant");
    for body in [
        r#"{"grant_type":"refresh_token","refresh_token":"a.b.c"}"#,
        r#"{"grant_type":"authorization_code","code":"x"}"#,
    ] {
        assert_eq!(home.client.post(&url).body(body).send().await.unwrap().status(), StatusCode::FORBIDDEN);
    }
    for body in ["", "{", "grant_type=other", "{}"] {
        let answer = home.client.post(&url).body(body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{body}");
        assert!(answer.json::<Value>().await.unwrap()["error"].is_string());
    }
    // Nobody learns who else has an account.
    home.server.add_user("ann");
    let ann = home.session("ann").await;
    let other = ann.ask(Method::GET, &format!("/authservice/v2/auth0/user?email={ADMIN_MAIL}")).await;
    assert_eq!(other.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn odd_spellings_of_addresses_reach_their_call() {
    let home = Home::sqlite();
    let admin = home.session(ADMIN).await;
    let bearer = format!("Authorization: Bearer {}", admin.token);
    for user in [admin.user_id.clone(), admin.user_id.replace('|', "%7C")] {
        let answer = home.raw(&format!("GET /device/v1/user/{user}?pretty=true HTTP/1.1\r\n{bearer}"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{user}: {answer}");
    }
    let absolute =
        home.raw(&format!("GET https://prod.example.test/{}/sdk/v2/files/root HTTP/1.1\r\n{bearer}", admin.device));
    assert!(absolute.starts_with("HTTP/1.1 200"), "{absolute}");
    let bare =
        home.raw(&format!("GET /sdk/v2/filesSearch/parents?ids=root&order=asc;&orderBy=name HTTP/1.1\r\n{bearer}"));
    assert!(bare.starts_with("HTTP/1.1 200"), "{bare}");
    let other = home.raw(&format!("GET /0c7e6a3e-9a5b-4b55-8a9f-6a2d9f0f1e01/sdk/v2/files/root HTTP/1.1\r\n{bearer}"));
    assert!(other.starts_with("HTTP/1.1 404"), "{other}");
    let probe = home.raw("OPTIONS /sdk/v1/device HTTP/1.1");
    assert!(probe.starts_with("HTTP/1.1 204"), "{probe}");
    let nobody = home.raw("GET /sdk/v1/device HTTP/1.1");
    assert!(nobody.starts_with("HTTP/1.1 401") && nobody.contains("unauthenticated"), "{nobody}");
}

#[tokio::test]
async fn files_are_made_replaced_conditionally_copied_and_deleted_in_a_batch() {
    let home = Home::sqlite();
    let admin = home.session(ADMIN).await;
    let body = "--foo\r\nContent-Type: application/json\r\n\r\n{\"name\":\"a.txt\",\"parentID\":\"root\",\"size\":\"3\"}\r\n--foo\r\nContent-Type: text/plain\r\n\r\nabc\r\n--foo--\r\n";
    let made = admin.multipart("/sdk/v2/files", body).await;
    assert_eq!(made.status(), StatusCode::CREATED);
    let id = made.headers()["location"].to_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let first_tag = made.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(admin.multipart("/sdk/v2/files?resolveNameConflict=0", body).await.status(), StatusCode::CONFLICT);
    assert_eq!(admin.multipart("/sdk/v2/files?resolveNameConflict=true", body).await.status(), StatusCode::CREATED);
    assert_eq!(
        admin.list("root").await.iter().filter(|file| file["name"].as_str().unwrap().starts_with('a')).count(),
        2
    );

    let put = |tag: &str| {
        let request = home.client.put(admin.url(&format!("/sdk/v2/files/{id}/content"))).bearer_auth(&admin.token);
        request
            .header("content-type", "application/x-www-form-urlencoded")
            .header("if-match", tag)
            .body("longer than before")
            .send()
    };
    assert_eq!(put(&first_tag).await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(put(&first_tag).await.unwrap().status(), StatusCode::PRECONDITION_FAILED);
    let read = async || admin.ask(Method::GET, &format!("/sdk/v2/files/{id}/content")).await.text().await.unwrap();
    assert_eq!(read().await, "longer than before");

    // New content for a file, in steps under its own id.
    let begun = admin.send(Method::POST, &format!("/sdk/v2/files/{id}/resumable?done=false"), "new").await;
    assert_eq!(begun.status(), StatusCode::CREATED);
    assert_eq!(read().await, "longer than before");
    let last = format!("/sdk/v2/files/{id}/resumable/content?offset=3&truncate=true&done=true");
    assert_eq!(admin.send(Method::PUT, &last, "er").await.status(), StatusCode::NO_CONTENT);
    assert_eq!(read().await, "newer");
    let middle = admin.send(Method::POST, &format!("/sdk/v2/files/{id}/resumable?offset=3&done=true"), "x").await;
    assert_eq!(middle.status(), StatusCode::CREATED);
    assert_eq!(read().await, "newxr", "what stands around it stays");

    let folder = admin
        .multipart("/sdk/v2/files", "--foo\n\n{\"name\":\"d\",\"mimeType\":\"application/x.wd.dir\"}\n--foo--")
        .await;
    let folder = folder.headers()["location"].to_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let copy = admin
        .send(Method::POST, &format!("/sdk/v2/files/{id}/copy"), format!(r#"{{"destinationParentID":"{folder}"}}"#))
        .await;
    assert_eq!(copy.status(), StatusCode::CREATED);
    let found =
        admin.ask(Method::GET, &format!("/sdk/v2/filesSearch/parentAndName?parentID={folder}&name=a.txt")).await;
    assert_eq!(found.status(), StatusCode::OK);
    let found: Value = admin.ask(Method::GET, "/sdk/v2/filesSearch/text?q=ALONE").await.json().await.unwrap();
    assert_eq!(found["matches"][0]["file"]["name"], "alone.txt");
    assert_eq!(found["matches"][0]["fragments"][0]["locations"][0], json!({"index": 0, "length": 5}));

    let batch = format!(
        "--x\r\n\r\nDELETE /sdk/v2/files/{id} HTTP/1.1\r\nauthorizaiton: Bearer\r\n\r\n--x\r\n\r\nDELETE /sdk/v2/files/f0000000000000000 HTTP/1.1\r\n\r\n--x--"
    );
    let answer = admin.send(Method::POST, "/sdk/v1/batch", batch).await.text().await.unwrap();
    assert!(answer.contains("HTTP/1.1 204") && answer.contains("HTTP/1.1 404"), "{answer}");
    assert_eq!(admin.ask(Method::GET, &format!("/sdk/v2/files/{id}")).await.status(), StatusCode::NOT_FOUND);
    // A library that is served in place is read-only.
    let alone = admin.id("music/alone.txt").await;
    assert_eq!(admin.ask(Method::DELETE, &format!("/sdk/v2/files/{alone}")).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(admin.ask(Method::DELETE, "/sdk/v2/files/root").await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn unreadable_bodies_of_uploads_are_refused_and_leave_nothing() {
    let home = Home::sqlite();
    let admin = home.session(ADMIN).await;
    for body in [
        "",
        "--foo",
        "{}",
        "--foo\n\n[]\n--foo--",
        "--foo\n\n{\"parentID\":\"root\"}\n--foo--",
        "--foo\n\n{\"name\":\"b\"}\n--foo\n\nbroken off",
    ] {
        let answer = admin.multipart("/sdk/v2/files", body).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{body:?}");
        assert!(answer.json::<Value>().await.unwrap()["key"].is_string());
    }
    assert_eq!(admin.list("root").await.len(), 1, "the library alone");
}
