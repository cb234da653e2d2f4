//! The device's file API, as each of its clients uses it: the requests of their sources, in their order.

use std::fs;

use openshelf::args;
use openshelf::share::{Bits, Subject};
use openshelf::store::{Tx, accounts, library, rights};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::both_engines;
use crate::engines::Backend;
use crate::server::{ADMIN, PASSWORD, Server};

const FOLDER_TYPE: &str = "application/x.wd.dir";

/// A server with a library `music`: `album/one.txt` ("one"), `album/two.txt` ("two!") and `alone.txt` ("alone").
struct Home {
    server: Server,
    folder: TempDir,
    _backend: Backend,
}

impl Home {
    fn new(backend: Backend) -> Home {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("album")).unwrap();
        for (path, content) in [("album/one.txt", "one"), ("album/two.txt", "two!"), ("alone.txt", "alone")] {
            fs::write(folder.path().join(path), content).unwrap();
        }
        let server = Server::start(&backend);
        server.add_library("music", folder.path());
        Home { server, folder, _backend: backend }
    }

    async fn device(&self, name: &str) -> Device {
        Device::of(self.server.client(), &self.server.url, name).await
    }
}

/// The device as somebody who is signed in reaches it.
pub struct Device {
    client: Client,
    base: String,
    pub token: String,
    pub id_token: String,
    pub user_id: String,
}

impl Device {
    pub async fn of(client: Client, url: &str, name: &str) -> Device {
        // The older sign-in, by which two clients come.
        let asked = json!({"client_id": "any", "connection": "Username-Password-Authentication", "device": "123456789",
            "grant_type": "password", "password": PASSWORD, "username": name, "scope": "openid offline_access"});
        let answer = client.post(format!("{url}/authrouter/oauth/ro")).json(&asked).send().await.unwrap();
        let tokens: Value = answer.json().await.unwrap();
        let (token, id_token) = (text(&tokens["access_token"]), text(&tokens["id_token"]));
        let account = client.get(format!("{url}/authservice/v1/user/userinfo")).bearer_auth(&token);
        let account: Value = account.send().await.unwrap().json().await.unwrap();
        let user_id = text(&account["data"]["user_id"]);
        let devices = client.get(format!("{url}/device/v1/user/{user_id}")).bearer_auth(&token);
        let devices: Value = devices.send().await.unwrap().json().await.unwrap();
        let base = text(&devices["data"][0]["network"]["externalURI"]);
        Device { client, base, token, id_token, user_id }
    }

    pub fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    pub async fn get(&self, path: &str) -> Response {
        self.ask(Method::GET, path).send().await.unwrap()
    }

    async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.json().await.unwrap()
    }

    pub async fn put(&self, path: &str, body: impl Into<reqwest::Body>) -> Response {
        self.ask(Method::PUT, path).body(body).send().await.unwrap()
    }

    async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Response {
        self.ask(Method::POST, path).body(body).send().await.unwrap()
    }

    async fn patch(&self, path: &str, body: Value) -> Response {
        self.ask(Method::PATCH, path).json(&body).send().await.unwrap()
    }

    async fn delete(&self, path: &str) -> StatusCode {
        self.ask(Method::DELETE, path).send().await.unwrap().status()
    }

    pub async fn multipart(&self, path: &str, parts: &[&str]) -> Response {
        let body: String = parts.iter().map(|part| format!("--foo\r\n\r\n{part}\r\n")).collect();
        let request = self.ask(Method::POST, path).header("content-type", "multipart/related;boundary=foo");
        request.body(format!("{body}--foo--")).send().await.unwrap()
    }

    /// The id of a new folder.
    async fn folder(&self, parent: &str, name: &str) -> String {
        let fields = json!({"name": name, "parentID": parent, "mimeType": FOLDER_TYPE}).to_string();
        id_in(&self.multipart("/sdk/v2/files", &[&fields]).await)
    }

    /// The id of a new file.
    async fn file(&self, parent: &str, name: &str, content: &str) -> String {
        let fields = json!({"name": name, "parentID": parent}).to_string();
        id_in(&self.multipart("/sdk/v2/files", &[&fields, content]).await)
    }

    async fn names(&self, query: &str) -> Vec<String> {
        let listed = self.json(&format!("/sdk/v2/filesSearch/parents?{query}")).await;
        listed["files"].as_array().unwrap().iter().map(|file| text(&file["name"])).collect()
    }

    async fn find(&self, parent: &str, name: &str) -> Value {
        self.json(&format!("/sdk/v2/filesSearch/parentAndName?parentID={parent}&name={name}")).await
    }

    pub async fn content(&self, id: &str) -> String {
        let answer = self.get(&format!("/sdk/v2/files/{id}/content")).await;
        assert_eq!(answer.status(), StatusCode::OK);
        answer.text().await.unwrap()
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// The id at the end of where something was made.
pub fn id_in(made: &Response) -> String {
    assert_eq!(made.status(), StatusCode::CREATED);
    made.headers()["location"].to_str().unwrap().strip_prefix("/sdk/v2/files/").unwrap().to_owned()
}

both_engines! {
    async fn mchfuse_mounts_reads_writes_in_place_truncates_and_keeps_a_full_folder(backend: Backend) {
        const FIELDS: &str = "fields=id,eTag,parentID,childCount,mimeType,name,size,mTime,cTime";
        let home = Home::new(backend);
        let mch = home.device(ADMIN).await;
        let root = mch.json(&format!("/sdk/v2/files/root?{FIELDS}")).await;
        assert_eq!((&root["id"], &root["childCount"]), (&json!("root"), &json!(1)));
        let mut fields: Vec<&String> = root.as_object().unwrap().keys().collect();
        fields.sort();
        assert_eq!(fields, ["cTime", "childCount", "eTag", "id", "mTime", "mimeType", "name", "parentID", "size"]);

        // mkdir, then the new folder by the end of its Location.
        let made = mch.multipart("/sdk/v2/files", &[&json!({"parentID": "root", "name": "mnt", "mimeType": FOLDER_TYPE}).to_string()]).await;
        let folder = id_in(&made);
        assert_eq!(mch.json(&format!("/sdk/v2/files/{folder}?{FIELDS}")).await["name"], "mnt");

        // An empty file in one step, then pieces of it, each a request that is done.
        let made = mch.multipart("/sdk/v2/files/resumable?done=true", &[&json!({"parentID": folder, "name": "log"}).to_string()]).await;
        let file = id_in(&made);
        let id = text(&mch.json(&format!("/sdk/v2/files/{file}?{FIELDS}")).await["id"]);
        let write = async |offset: usize, bytes: Vec<u8>| {
            let answer = mch.post(&format!("/sdk/v2/files/{id}/resumable?done=true&offset={offset}"), bytes).await;
            (answer.status().as_u16(), answer.headers().contains_key("etag"))
        };
        let content: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
        for (n, piece) in content.chunks(128 * 1024).enumerate() {
            assert_eq!(write(n * 128 * 1024, piece.to_vec()).await, (201, true));
        }
        // In the middle: what follows stays. Beyond the end: nothing is there to stand before it.
        assert_eq!(write(100_000, vec![255; 1000]).await, (201, true));
        assert_eq!(write(300_001, vec![1]).await, (400, false));
        let mut wanted = content.clone();
        wanted[100_000..101_000].fill(255);
        let read = async |range: &str| {
            let answer = mch.ask(Method::GET, &format!("/sdk/v3/files/{id}/content")).header("range", range).send().await.unwrap();
            (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
        };
        assert_eq!(read("bytes=0-131071").await, (206, wanted[..131_072].to_vec()));
        assert_eq!(read("bytes=262144-299999").await, (206, wanted[262_144..].to_vec()));
        assert_eq!(read("bytes=300000-300010").await.0, 416);

        // ftruncate is a request without a body.
        let truncate = async |offset: usize| {
            let path = format!("/sdk/v2/files/{id}/resumable?done=true&truncate=true&offset={offset}");
            mch.ask(Method::POST, &path).send().await.unwrap().status()
        };
        assert_eq!(truncate(100_010).await, StatusCode::CREATED);
        assert_eq!(read("bytes=100000-100020").await, (206, vec![255; 10]));
        assert_eq!(truncate(0).await, StatusCode::CREATED);
        assert_eq!(mch.json(&format!("/sdk/v2/files/{id}?{FIELDS}")).await["size"], 0);
        assert_eq!(truncate(1).await, StatusCode::BAD_REQUEST);

        // Folder and name in one request; the time by itself; rmdir asks for the count first.
        let moved = mch.patch(&format!("/sdk/v2/files/{id}"), json!({"parentID": "root", "name": "log.txt"})).await;
        assert_eq!(moved.status(), StatusCode::NO_CONTENT);
        let meta = mch.patch(&format!("/sdk/v2/files/{id}"), json!({"mTime": "2020-01-02T03:04:05.678Z"})).await;
        assert_eq!(meta.status(), StatusCode::NO_CONTENT);
        let found = mch.find("root", "log.txt").await;
        assert_eq!((&found["id"], &found["mTime"]), (&json!(id), &json!("2020-01-02T03:04:05.678Z")));
        assert_eq!(mch.json(&format!("/sdk/v2/files/{folder}?fields=name")).await["childCount"], 0, "whatever is asked for");
        for status in [204, 404] {
            assert_eq!(mch.delete(&format!("/sdk/v2/files/{folder}")).await.as_u16(), status);
        }
    }

    async fn wdfs_probes_lists_with_tags_writes_reads_past_the_end_and_patches_as_text(backend: Backend) {
        let home = Home::new(backend);
        let mut wdfs = home.device(ADMIN).await;
        // It bears the id token, and finds headers by their lower-case names.
        wdfs.token = wdfs.id_token.clone();
        let probe = home.server.client().request(Method::OPTIONS, format!("{}/sdk/v1/device", home.server.url));
        assert!(probe.send().await.unwrap().status().is_success());

        let listing = "/sdk/v2/filesSearch/parents?ids=root&fields=id,mimeType,name,size&pretty=false&orderBy=name&order=asc;";
        let unchanged = async |path: &str, tag: &str| {
            wdfs.ask(Method::GET, path).header("if-none-match", tag).send().await.unwrap().status().as_u16()
        };
        let listed = wdfs.get(listing).await;
        let tag = listed.headers()["etag"].to_str().unwrap().to_owned();
        let files = listed.json::<Value>().await.unwrap()["files"].clone();
        assert_eq!((&files[0]["name"], files[0].get("eTag")), (&json!("music"), None));
        assert_eq!(unchanged(listing, &tag).await, 304);

        let made = wdfs.ask(Method::POST, "/sdk/v2/files?resolveNameConflict=true");
        let fields = json!({"name": "dir", "parentID": "root", "mimeType": FOLDER_TYPE});
        let body = format!("--287032381131322\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{fields}\r\n--287032381131322--");
        let made = made.header("content-type", "multipart/related; boundary=287032381131322").body(body).send().await.unwrap();
        let folder = id_in(&made);
        assert_eq!(unchanged(listing, &tag).await, 200, "a folder more");

        // A file is opened, written at offsets, and closed by a PUT without a body.
        let fields = json!({"name": "f.bin", "parentID": folder, "mTime": "2024-05-06T07:08:09+02:00"}).to_string();
        let opened = wdfs.multipart("/sdk/v2/files/resumable?resolveNameConflict=0&done=false", &[&fields]).await;
        let file = id_in(&opened);
        for (offset, bytes) in [(3, "def"), (0, "abc")] {
            let path = format!("/sdk/v2/files/{file}/resumable/content?offset={offset}&done=false");
            assert_eq!(wdfs.put(&path, bytes).await.status(), StatusCode::NO_CONTENT);
        }
        let closed = wdfs.ask(Method::PUT, &format!("/sdk/v2/files/{file}/resumable/content?done=true")).send().await.unwrap();
        assert_eq!(closed.status(), StatusCode::NO_CONTENT);
        let again = wdfs.multipart("/sdk/v2/files/resumable?resolveNameConflict=0&done=false", &[&fields]).await;
        assert_eq!(again.status(), StatusCode::CONFLICT);

        let size = format!("/sdk/v2/files/{file}?pretty=false&fields=size");
        let answer = wdfs.get(&size).await;
        let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
        assert_eq!(answer.json::<Value>().await.unwrap()["size"], 6);
        assert_eq!(unchanged(&size, &tag).await, 304);
        for (range, status, bytes) in [("bytes=0-4095", 206, "abcdef"), ("bytes=6-4101", 416, "")] {
            let read = wdfs.ask(Method::GET, &format!("/sdk/v2/files/{file}/content?download=true")).header("range", range);
            let read = read.send().await.unwrap();
            assert_eq!(read.status().as_u16(), status);
            assert_eq!(if status == 206 { read.text().await.unwrap() } else { String::new() }, bytes);
        }

        // JSON that calls itself text, in the older form of the call.
        let patch = async |body: Value| {
            let request = wdfs.ask(Method::POST, &format!("/sdk/v2/files/{file}/patch"));
            let request = request.header("content-type", "text/plain;charset=UTF-8").body(body.to_string());
            request.send().await.unwrap().status().as_u16()
        };
        assert_eq!(patch(json!({"name": "g.bin", "mTime": "2024-01-01T00:00:00+00:00"})).await, 204);
        assert_eq!(patch(json!({"parentID": "root"})).await, 204);
        assert_eq!(wdfs.names("ids=root&order=desc;").await, ["music", "dir", "g.bin"]);
        assert_eq!(wdfs.delete(&format!("/sdk/v2/files/{file}")).await, StatusCode::NO_CONTENT);
    }
}

#[tokio::test]
async fn wd_bridge_starts_an_activity_uploads_in_blocks_and_deletes_by_a_batch_that_misspells_its_token() {
    let home = Home::new(Backend::sqlite());
    let bridge = home.device(ADMIN).await;
    let tag = text(&bridge.post("/sdk/v1/activityStart", "").await.json::<Value>().await.unwrap()["tag"]);
    let fields = json!({"name": "block.bin", "parentID": "root", "mTime": "2024-05-06T07:08:09+02:00"}).to_string();
    let begun = bridge.multipart("/sdk/v2/files/resumable?resolveNameConflict=1&done=false", &[&fields, ""]).await;
    let location = begun.headers()["location"].to_str().unwrap().to_owned();
    let content: Vec<u8> = (0..50_000u32).map(|n| (n % 241) as u8).collect();
    for (n, block) in content.chunks(20_480).enumerate() {
        let is_done = block.len() < 20_480;
        let path = format!("{location}/resumable/content?offset={}&done={is_done}", n * 20_480);
        let put =
            bridge.ask(Method::PUT, &path).header("x-activity-tag", &tag).body(block.to_vec()).send().await.unwrap();
        assert_eq!(put.status(), StatusCode::NO_CONTENT);
    }
    let id = location.rsplit('/').next().unwrap();
    assert_eq!(bridge.json(&format!("{location}?pretty=false&fields=size")).await["size"], 50_000);
    let direct = format!("{}{location}/content?download=true&access_token={}", bridge.base, bridge.id_token);
    assert_eq!(home.server.client().get(direct).send().await.unwrap().bytes().await.unwrap(), content);

    // Outside the header is misspelt, inside it is right.
    let batch = async |inner: &str| {
        let body = format!(
            "--b\r\nContent-Id: 0\r\n\r\nDELETE /sdk/v2/files/{id} HTTP/1.1\r\nHost: x.remotewd.com\r\n{inner}\r\n\r\n\r\n--b--"
        );
        let request = home.server.client().post(format!("{}/sdk/v1/batch", home.server.url));
        let request = request.header("authorizaiton", format!("Bearer {}", bridge.id_token));
        let answer = request.header("content-type", "multipart/mixed; boundary=b").body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    for wrong in ["", "Authorization: Bearer no.good.token", "Authorization: Basic eA=="] {
        assert_eq!(batch(wrong).await.0, 401, "{wrong}: it signs in again by that");
    }
    assert!(bridge.names("ids=root").await.contains(&"block.bin".to_owned()));
    let (status, answer) = batch(&format!("Authorization: Bearer {}", bridge.id_token)).await;
    assert_eq!(status, 200);
    assert!(answer.contains("HTTP/1.1 204"), "{answer}");
    assert!(!bridge.names("ids=root").await.contains(&"block.bin".to_owned()));
}

#[tokio::test]
async fn objective_c_sdk_pages_by_a_hundred_and_plays_from_addresses_alone() {
    let home = Home::new(Backend::sqlite());
    let sdk = home.device(ADMIN).await;
    let many = home.folder.path().join("many");
    fs::create_dir(&many).unwrap();
    for n in 0..250 {
        fs::write(many.join(format!("{n:03}.txt")), n.to_string()).unwrap();
    }
    let library = home.server.add_library("more", &many);
    home.server.scan(&library);
    let folder = text(&sdk.find("root", "more").await["id"]);
    let (mut token, mut names, mut pages) = (String::new(), Vec::new(), 0);
    loop {
        let page = sdk.json(&format!("/sdk/v2/filesSearch/parents?ids={folder}&limit=100&pageToken={token}")).await;
        names.extend(page["files"].as_array().unwrap().iter().map(|file| text(&file["name"])));
        (token, pages) = (text(&page["pageToken"]), pages + 1);
        if token.is_empty() {
            break;
        }
    }
    assert_eq!((pages, names), (3, (0..250).map(|n| format!("{n:03}.txt")).collect::<Vec<_>>()));
    // A client that asks for no limit asks for no second page.
    assert_eq!(sdk.names(&format!("ids={folder}")).await.len(), 250);

    let alone = text(&sdk.find(&text(&sdk.find("root", "music").await["id"]), "alone.txt").await["id"]);
    let direct = |token: &str| {
        let address = format!("{}/sdk/v2/files/{alone}/content?access_token={token}", sdk.base);
        home.server.client().get(address).header("range", "bytes=1-2").send()
    };
    let part = direct(&sdk.token).await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.headers()["referrer-policy"], "no-referrer");
    assert_eq!(part.text().await.unwrap(), "lo");
    // On this it gets itself a new token.
    assert_eq!(direct("gone").await.unwrap().status(), StatusCode::UNAUTHORIZED);

    // A file is made empty, its lines beginning with an empty one, and filled by a form that is none.
    let made = sdk.ask(Method::POST, "/sdk/v2/files").header("content-type", "multipart/related;boundary=B0-1");
    let body =
        "\r\n--B0-1\r\n\r\n{\"name\":\"song.mp3\",\"parentID\":\"root\",\"mimeType\":\"audio/mpeg\"}\r\n--B0-1--";
    let id = id_in(&made.body(body).send().await.unwrap());
    let put = sdk.ask(Method::PUT, &format!("/sdk/v2/files/{id}/content"));
    let put = put.header("content-type", "application/x-www-form-urlencoded").body("a=1&b").send().await.unwrap();
    assert!(put.status().is_success());
    let file = sdk.json(&format!("/sdk/v2/files/{id}")).await;
    assert_eq!(
        (&file["name"], &file["size"], &file["mimeType"]),
        (&json!("song.mp3"), &json!(5), &json!("audio/mpeg"))
    );
    assert_eq!(sdk.content(&id).await, "a=1&b");
}

#[tokio::test]
async fn wd_demo_writes_crooked_lines_splits_the_location_and_meets_a_conflict() {
    let home = Home::new(Backend::sqlite());
    let demo = home.device(ADMIN).await;
    let send = async |name: &str| {
        let fields = json!({"name": name, "parentID": "root"});
        let body = format!("--x\n\rContent-Type: application/json\n\r\n\r{fields}\n\r--x\n\r\n\rcontent\n\r--x--\n\r");
        let request = demo.ask(Method::POST, "/sdk/v2/files").header("content-type", "multipart/related;boundary=x");
        request.body(body).send().await.unwrap()
    };
    let made = send("demo.txt").await;
    let location = made.headers()["location"].to_str().unwrap().to_owned();
    let id = location.split("files/").nth(1).unwrap();
    assert_eq!(demo.content(id).await, "content");
    assert_eq!(send("demo.txt").await.status(), StatusCode::CONFLICT);
    let replaced = demo.ask(Method::PUT, &format!("/sdk/v2/files/{id}/content"));
    let replaced =
        replaced.header("content-type", "application/x-www-form-urlencoded").body("a=b&c").send().await.unwrap();
    assert_eq!(replaced.status(), StatusCode::NO_CONTENT);
    assert_eq!(demo.content(id).await, "a=b&c");
    assert_eq!(demo.delete(&format!("/sdk/v2/files/{id}")).await, StatusCode::NO_CONTENT);
}

both_engines! {
    async fn several_folders_are_listed_as_one_in_every_order_page_by_page(backend: Backend) {
        let home = Home::new(backend);
        let admin = home.device(ADMIN).await;
        let (a, b) = (admin.folder("root", "a").await, admin.folder("root", "b").await);
        for (parent, name, content) in [(&a, "n10", "1"), (&b, "n9", "333"), (&a, "N1", "22"), (&b, "x.zip", "4444")] {
            admin.file(parent, name, content).await;
        }
        admin.folder(&b, "z").await;
        for (order, wanted) in [
            ("orderBy=name&order=asc;", ["z", "N1", "n9", "n10", "x.zip"]),
            ("orderBy=name&order=desc", ["z", "x.zip", "n10", "n9", "N1"]),
            ("orderBy=size", ["z", "n10", "N1", "n9", "x.zip"]),
            ("orderBy=cTime&order=asc", ["z", "n10", "n9", "N1", "x.zip"]),
            ("orderBy=mimeType", ["z", "N1", "n9", "n10", "x.zip"]),
        ] {
            let query = format!("ids={a},{b}&{order}");
            assert_eq!(admin.names(&query).await, wanted, "{order}");
            let (mut token, mut names) = (String::new(), Vec::new());
            loop {
                let page = admin.json(&format!("/sdk/v2/filesSearch/parents?{query}&limit=2&pretty=1&pageToken={token}")).await;
                for file in page["files"].as_array().unwrap() {
                    names.push(text(&file["name"]));
                    let parent = if ["n10", "N1"].contains(&names.last().unwrap().as_str()) { &a } else { &b };
                    assert_eq!(&file["parentID"], parent);
                }
                token = text(&page["pageToken"]);
                if token.is_empty() {
                    break;
                }
            }
            assert_eq!(names, wanted, "{order}");
        }
        // What came meanwhile shifts nothing.
        let page = admin.json(&format!("/sdk/v2/filesSearch/parents?ids={a}&limit=1")).await;
        admin.file(&a, "A first", "").await;
        let rest = format!("ids={a}&limit=9&pageToken={}", text(&page["pageToken"]));
        assert_eq!((text(&page["files"][0]["name"]), admin.names(&rest).await), ("N1".to_owned(), vec!["n10".to_owned()]));
        for bad in ["ids=", "ids=root&orderBy=x", "ids=root&order=up", "ids=root&pageToken=x", "ids=root&limit=-1"] {
            let answer = admin.get(&format!("/sdk/v2/filesSearch/parents?{bad}")).await;
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{bad}");
        }
    }

    async fn a_listing_goes_on_behind_a_file_that_was_purged(backend: Backend) {
        let home = Home::new(backend);
        let admin = home.device(ADMIN).await;
        for (order, rest) in [("asc", ["c", "d"]), ("desc", ["b", "a"])] {
            for by in ["name", "size", "cTime"] {
                let folder = admin.folder("root", &format!("{by} {order}")).await;
                for (n, name) in ["a", "b", "c", "d"].iter().enumerate() {
                    admin.file(&folder, name, &"x".repeat(n)).await;
                }
                let query = format!("ids={folder}&orderBy={by}&order={order}&limit=2");
                let page = admin.json(&format!("/sdk/v2/filesSearch/parents?{query}")).await;
                let last = text(&page["files"][1]["id"]);
                for how in ["", "?purge=true"] {
                    assert_eq!(admin.delete(&format!("/sdk/v2/files/{last}{how}")).await, StatusCode::NO_CONTENT);
                }
                let shown = admin.names(&format!("{query}&pageToken={}", text(&page["pageToken"]))).await;
                assert_eq!(shown, rest, "{by} {order}");
            }
        }
    }

    async fn trash_is_listed_given_back_and_purged_only_when_that_is_said(backend: Backend) {
        let home = Home::new(backend);
        let admin = home.device(ADMIN).await;
        let folder = admin.folder("root", "box").await;
        let (kept, lost) = (admin.file(&folder, "kept.txt", "k").await, admin.file(&folder, "lost.txt", "l").await);
        for id in [&kept, &lost] {
            assert_eq!(admin.delete(&format!("/sdk/v2/files/{id}")).await, StatusCode::NO_CONTENT);
            // A client that repeats itself purges nothing.
            assert_eq!(admin.delete(&format!("/sdk/v2/files/{id}")).await, StatusCode::NOT_FOUND);
        }
        let listed = admin.json("/sdk/v2/filesSearch/parents?ids=trash").await;
        assert_eq!(listed["files"].as_array().unwrap().len(), 2);
        assert_eq!((&listed["files"][0]["trashed"], &listed["files"][0]["parentID"]), (&json!(true), &json!("trash")));
        assert_eq!(admin.json("/sdk/v2/files/trash").await["childCount"], 2);

        let renamed = admin.patch(&format!("/sdk/v2/files/{kept}"), json!({"name": "x"})).await;
        assert_eq!(renamed.status(), StatusCode::FORBIDDEN);
        let back = admin.patch(&format!("/sdk/v2/files/{kept}"), json!({"trashed": false})).await;
        assert_eq!(back.status(), StatusCode::NO_CONTENT);
        assert_eq!(admin.names(&format!("ids={folder}")).await, ["kept.txt"]);
        assert_eq!(admin.delete(&format!("/sdk/v2/files/{kept}")).await, StatusCode::NO_CONTENT);
        let back = admin.patch(&format!("/sdk/v2/files/{kept}"), json!({"parentID": "root", "name": "here.txt"})).await;
        assert_eq!(back.status(), StatusCode::NO_CONTENT);
        assert_eq!((admin.content(&kept).await, admin.names("ids=trash").await), ("k".to_owned(), vec!["lost.txt".to_owned()]));
        let taken = admin.patch(&format!("/sdk/v2/files/{lost}"), json!({"parentID": "root", "name": "here.txt"})).await;
        assert_eq!(taken.status(), StatusCode::CONFLICT);
        assert_eq!(admin.names("ids=trash").await, ["lost.txt"], "where it was");
        assert!(admin.names(&format!("ids={folder}")).await.is_empty());

        // Another user's trash is nothing to anybody.
        home.server.add_user("ann");
        let ann = home.device("ann").await;
        for status in [ann.patch(&format!("/sdk/v2/files/{lost}"), json!({"trashed": false})).await.status(),
            ann.delete(&format!("/sdk/v2/files/{lost}?purge=true")).await] {
            assert_eq!(status, StatusCode::NOT_FOUND);
        }
        assert_eq!(admin.delete(&format!("/sdk/v2/files/{lost}?purge=true")).await, StatusCode::NO_CONTENT);
        assert_eq!(admin.delete(&format!("/sdk/v2/files/{kept}?purge=1")).await, StatusCode::NO_CONTENT);
        assert!(admin.names("ids=trash").await.is_empty());
        assert_eq!(admin.delete("/sdk/v2/files/trash").await, StatusCode::FORBIDDEN);
    }

    async fn permissions_of_users_open_what_they_say_and_close_when_they_go(backend: Backend) {
        let home = Home::new(backend);
        home.server.add_user("ann");
        home.server.add_user("bob");
        let (admin, ann, bob) = (home.device(ADMIN).await, home.device("ann").await, home.device("bob").await);
        let folder = admin.folder("root", "given").await;
        let file = admin.file(&folder, "in.txt", "inside").await;
        let path = format!("/sdk/v2/files/{file}");
        let perm = |device: &Device, value: &str| json!({"fileID": folder, "entity": {"id": device.user_id, "type": "user"}, "value": value});
        let give = async |device: &Device, value: &str| admin.post("/sdk/v1/filePerms", perm(device, value).to_string()).await.status().as_u16();
        assert_eq!(ann.get(&path).await.status(), StatusCode::NOT_FOUND);

        // To read: seen, listed, fetched and zipped; not changed, and not for others.
        assert_eq!((give(&ann, "ReadFile").await, give(&ann, "ReadFile").await), (201, 409));
        assert_eq!(ann.json(&path).await["parentID"], folder.as_str());
        assert_eq!(ann.json(&format!("/sdk/v2/files/{folder}")).await["parentID"], "", "what lies above is nobody's business");
        assert_eq!(ann.names(&format!("ids={folder}")).await, ["in.txt"]);
        assert_eq!(ann.find(&folder, "in.txt").await["id"], file.as_str());
        assert_eq!(ann.content(&file).await, "inside");
        assert_eq!(ann.get(&format!("/sdk/v1/filesZip?ids={folder}")).await.status(), StatusCode::OK);
        assert_eq!(ann.put(&format!("{path}/content"), "x").await.status(), StatusCode::FORBIDDEN);
        assert_eq!(ann.delete(&path).await, StatusCode::FORBIDDEN);
        assert_eq!(bob.get(&path).await.status(), StatusCode::NOT_FOUND);

        // To change as well: new content, new files, other names; deleting is more.
        assert_eq!(give(&ann, "WriteFile").await, 201);
        assert_eq!(ann.put(&format!("{path}/content"), "written").await.status(), StatusCode::NO_CONTENT);
        assert_eq!(admin.content(&file).await, "written");
        let sent = ann.file(&folder, "sent.txt", "from ann").await;
        assert_eq!(admin.content(&sent).await, "from ann");
        let fields = json!({"name": "steps.txt", "parentID": folder}).to_string();
        let steps = id_in(&ann.multipart("/sdk/v2/files/resumable?done=false", &[&fields]).await);
        let put = ann.put(&format!("/sdk/v2/files/{steps}/resumable/content?done=true"), "in steps").await;
        assert_eq!(put.status(), StatusCode::NO_CONTENT);
        assert_eq!(ann.content(&steps).await, "in steps");
        assert_eq!(ann.patch(&path, json!({"name": "renamed.txt"})).await.status(), StatusCode::NO_CONTENT);
        assert_eq!(ann.delete(&path).await, StatusCode::FORBIDDEN);
        assert_eq!(give(&bob, "FileOwner").await, 201);
        assert_eq!(bob.delete(&format!("/sdk/v2/files/{sent}")).await, StatusCode::NO_CONTENT);
        assert_eq!(admin.names("ids=trash").await, ["sent.txt"], "its owner takes it back");
        // Nobody hands on what is not theirs, nor gives themselves more.
        let on = json!({"fileID": folder, "entity": {"id": bob.user_id, "type": "user"}, "value": "FileOwner"});
        assert_eq!(ann.post("/sdk/v1/filePerms", on.to_string()).await.status(), StatusCode::NOT_FOUND);

        let listed = admin.json(&format!("/sdk/v1/filePerms?fileID={folder}")).await;
        let all: Vec<(String, String)> = listed["filePerms"].as_array().unwrap().iter()
            .map(|perm| (text(&perm["entity"]["id"]), text(&perm["value"]))).collect();
        assert_eq!(all, [(ann.user_id.clone(), "WriteFile".to_owned()), (bob.user_id.clone(), "FileOwner".to_owned())]);
        let name = text(&listed["filePerms"][0]["id"]);
        assert_eq!(admin.delete(&format!("/sdk/v1/filePerms/{name}")).await, StatusCode::NO_CONTENT);
        assert_eq!(admin.delete(&format!("/sdk/v1/filePerms/{name}")).await, StatusCode::NOT_FOUND);
        assert_eq!(ann.get(&path).await.status(), StatusCode::NOT_FOUND);
        assert_eq!(bob.content(&file).await, "written", "the other stays");
        let gone = admin.ask(Method::DELETE, "/sdk/v1/filePerms").json(&perm(&bob, "FileOwner")).send().await.unwrap();
        assert_eq!(gone.status(), StatusCode::NO_CONTENT);
        assert_eq!(bob.get(&path).await.status(), StatusCode::NOT_FOUND);
    }

    async fn a_permission_serves_whatever_else_was_shared(backend: Backend) {
        let home = Home::new(backend);
        home.server.add_user("ann");
        let (admin, ann) = (home.device(ADMIN).await, home.device("ann").await);
        let folder = admin.folder("root", "given").await;
        let (file, alone) = (admin.file(&folder, "in.txt", "inside").await, admin.file("root", "alone.txt", "alone").await);
        let give = async |file: &str, value: &str| {
            let perm = json!({"fileID": file, "entity": {"id": ann.user_id, "type": "user"}, "value": value});
            assert_eq!(admin.post("/sdk/v1/filePerms", perm.to_string()).await.status(), StatusCode::CREATED);
        };
        give(&folder, "WriteFile").await;
        give(&alone, "WriteFile").await;
        // The newest share of the file only lets it be read.
        give(&file, "ReadFile").await;
        let path = format!("/sdk/v2/files/{file}");
        assert_eq!(ann.put(&format!("{path}/content"), "written").await.status(), StatusCode::NO_CONTENT);
        assert_eq!(ann.post(&format!("{path}/resumable?done=true&offset=1"), "R").await.status(), StatusCode::CREATED);
        let patched = json!({"name": "other.txt", "mTime": "2020-01-02T03:04:05.678Z"});
        assert_eq!(ann.patch(&path, patched).await.status(), StatusCode::NO_CONTENT);
        let found = admin.find(&folder, "other.txt").await;
        assert_eq!((&found["id"], &found["mTime"]), (&json!(file), &json!("2020-01-02T03:04:05.678Z")));
        assert_eq!((admin.content(&file).await, ann.content(&file).await), ("wRitten".to_owned(), "wRitten".to_owned()));
        let fields = json!({"name": "new", "parentID": folder, "mimeType": FOLDER_TYPE, "mTime": "2020-01-02T03:04:05.678Z"});
        let made = id_in(&ann.multipart("/sdk/v2/files", &[&fields.to_string()]).await);
        assert_eq!(admin.json(&format!("/sdk/v2/files/{made}")).await["mTime"], "2020-01-02T03:04:05.678Z");
        assert_eq!(ann.delete(&path).await, StatusCode::FORBIDDEN);

        // Of a file that is shared by itself nothing but the content is theirs to change.
        let path = format!("/sdk/v2/files/{alone}");
        assert_eq!(ann.post(&format!("{path}/resumable?done=false"), "AL").await.status(), StatusCode::CREATED);
        // Who else is permitted meanwhile ends nothing of hers.
        home.server.add_user("bob");
        let perm = json!({"fileID": alone, "entity": {"id": home.device("bob").await.user_id, "type": "user"}, "value": "ReadFile"});
        assert_eq!(admin.post("/sdk/v1/filePerms", perm.to_string()).await.status(), StatusCode::CREATED);
        assert_eq!(ann.post(&format!("{path}/resumable?done=true&offset=2"), "ONE").await.status(), StatusCode::CREATED);
        assert_eq!(admin.content(&alone).await, "ALONE");
        assert_eq!(ann.patch(&path, json!({"name": "x"})).await.status(), StatusCode::FORBIDDEN);
    }

    async fn what_is_priced_or_only_read_hides_no_share_that_serves(backend: Backend) {
        let home = Home::new(backend);
        home.server.add_user("ann");
        let (admin, ann) = (home.device(ADMIN).await, home.device("ann").await);
        let folder = admin.folder("root", "given").await;
        let file = admin.file(&folder, "in.txt", "inside").await;
        let perm = json!({"fileID": folder, "entity": {"id": ann.user_id, "type": "user"}, "value": "ReadFile"});
        admin.post("/sdk/v1/filePerms", perm.to_string()).await;
        let perm = json!({"fileID": file, "entity": {"id": ann.user_id, "type": "user"}, "value": "ReadFile"});
        admin.post("/sdk/v1/filePerms", perm.to_string()).await;
        let price = "UPDATE share SET price = 5 WHERE id = (SELECT MAX(id) FROM share)";
        home.server.app.db.write(move |tx| tx.run(price, args![])).await.unwrap();
        assert_eq!(ann.content(&file).await, "inside");

        // Ann may read the library by her own right, and write into one file of it by a permission.
        let make_writable = |tx: &mut Tx| {
            let music = library::all(tx)?.into_iter().find(|library| library.name == "music").unwrap();
            library::update(tx, music.key, "music", library::Access::Writable, 0)?;
            let admin = accounts::by_login(tx, ADMIN)?.unwrap();
            rights::set(tx, music.key, &Subject::User(admin.key), Bits::ALL)
        };
        home.server.app.db.write(make_writable).await.unwrap();
        let admin_file = admin.find(&text(&admin.find("root", "music").await["id"]), "alone.txt").await;
        let path = format!("/sdk/v2/files/{}", text(&admin_file["id"]));
        assert_eq!(ann.put(&format!("{path}/content"), "x").await.status(), StatusCode::FORBIDDEN);
        let perm = json!({"fileID": admin_file["id"], "entity": {"id": ann.user_id, "type": "user"}, "value": "WriteFile"});
        assert_eq!(admin.post("/sdk/v1/filePerms", perm.to_string()).await.status(), StatusCode::CREATED);
        assert_eq!(ann.put(&format!("{path}/content"), "x").await.status(), StatusCode::NO_CONTENT);
    }

    async fn whoever_is_blocked_is_given_nothing_and_has_all_taken_back(backend: Backend) {
        let home = Home::new(backend);
        home.server.add_user("ann");
        let (admin, ann) = (home.device(ADMIN).await, home.device("ann").await);
        let (file, other) = (admin.file("root", "f.txt", "f").await, admin.file("root", "g.txt", "g").await);
        let give = async |file: &str| {
            let perm = json!({"fileID": file, "entity": {"id": ann.user_id, "type": "user"}, "value": "FileOwner"});
            admin.post("/sdk/v1/filePerms", perm.to_string()).await.status()
        };
        assert_eq!(give(&file).await, StatusCode::CREATED);
        let block = "UPDATE account SET state = 'banned' WHERE name = 'ann'";
        home.server.app.db.write(move |tx| tx.run(block, args![])).await.unwrap();
        assert_eq!(give(&other).await, StatusCode::NOT_FOUND);
        let listed = admin.json(&format!("/sdk/v1/filePerms?fileID={file}")).await;
        let name = text(&listed["filePerms"][0]["id"]);
        assert_eq!(admin.delete(&format!("/sdk/v1/filePerms/{name}")).await, StatusCode::NO_CONTENT);
        assert_eq!(admin.json(&format!("/sdk/v1/filePerms?fileID={file}")).await["filePerms"], json!([]));
    }

    async fn what_was_permitted_is_deleted_in_a_batch_and_zipped_beside_ones_own(backend: Backend) {
        let home = Home::new(backend);
        home.server.add_user("ann");
        home.server.add_user("bob");
        let (admin, ann, bob) = (home.device(ADMIN).await, home.device("ann").await, home.device("bob").await);
        let folder = admin.folder("root", "given").await;
        let mut ids = vec![ann.file("root", "own.txt", "own").await, admin.file(&folder, "in.txt", "inside").await];
        ids.push(bob.file("root", "bobs.txt", "bob's").await);
        for (giver, id, value) in [(&admin, &folder, "FileOwner"), (&bob, &ids[2], "ReadFile")] {
            let perm = json!({"fileID": id, "entity": {"id": ann.user_id, "type": "user"}, "value": value});
            assert_eq!(giver.post("/sdk/v1/filePerms", perm.to_string()).await.status(), StatusCode::CREATED);
        }
        // The id that an upload began with, behind others'.
        let fields = json!({"name": "steps.txt", "parentID": "root"}).to_string();
        let steps = id_in(&ann.multipart("/sdk/v2/files/resumable?done=false", &[&fields]).await);
        ann.put(&format!("/sdk/v2/files/{steps}/resumable/content?done=true"), "in steps").await;
        ids.push(steps);
        let zip = ann.get(&format!("/sdk/v1/filesZip?ids={}", ids.join(","))).await;
        assert_eq!(zip.status(), StatusCode::OK);
        let mut names = names_in(&zip.bytes().await.unwrap());
        names.sort();
        assert_eq!(names, ["bobs.txt", "in.txt", "own.txt", "steps.txt"]);

        let batch = async |ids: &[String]| {
            let parts = ids.iter().map(|id| format!("--b\r\n\r\nDELETE /sdk/v2/files/{id} HTTP/1.1\r\n\r\n"));
            let answer = ann.post("/sdk/v1/batch", format!("{}--b--", parts.collect::<String>())).await;
            let answer = answer.text().await.unwrap();
            answer.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ")).map(|line| line[..3].to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(batch(&ids).await, ["204", "204", "403", "204"]);
        assert_eq!(batch(&ids[..2]).await, ["404", "404"]);
        assert_eq!(admin.names("ids=trash").await, ["in.txt"], "its owner takes it back");
    }

    async fn permissions_given_at_once_are_all_there(backend: Backend) {
        let home = Home::new(backend);
        let admin = home.device(ADMIN).await;
        let file = admin.file("root", "f.txt", "f").await;
        let names: Vec<String> = (0..8).map(|n| format!("user{n}")).collect();
        let mut users = Vec::new();
        for name in &names {
            home.server.add_user(name);
            users.push(home.device(name).await);
        }
        let give = |user: &Device| {
            let perm = json!({"fileID": file, "entity": {"id": user.user_id, "type": "user"}, "value": "ReadFile"});
            admin.ask(Method::POST, "/sdk/v1/filePerms").json(&perm).send()
        };
        let given = futures_util::future::join_all(users.iter().map(give)).await;
        assert!(given.into_iter().all(|answer| answer.unwrap().status() == StatusCode::CREATED));
        for user in &users {
            assert_eq!(user.content(&file).await, "f");
        }
    }

    async fn copies_are_all_made_or_none(backend: Backend) {
        let home = Home::new(backend);
        let admin = home.device(ADMIN).await;
        let (from, to) = (admin.folder("root", "from").await, admin.folder("root", "to").await);
        let (one, two) = (admin.file(&from, "one.txt", "1").await, admin.file(&from, "two.txt", "2").await);
        let copy = async |ids: &[&str], query: &str| {
            let body = json!({"sourceIDs": ids, "targetID": to});
            admin.post(&format!("/sdk/v2/fileCopies{query}"), body.to_string()).await
        };
        let made = copy(&[&one, &two], "").await;
        assert_eq!(made.status(), StatusCode::CREATED);
        let told = admin.json(made.headers()["location"].to_str().unwrap()).await;
        assert_eq!((&told["status"], told["fileIDs"].as_array().unwrap().len()), (&json!("done"), 2));
        assert_eq!(admin.content(&text(&told["fileIDs"][1])).await, "2");
        // The second name is taken: the first copy goes again.
        let three = admin.file(&from, "three.txt", "3").await;
        assert_eq!(copy(&[&three, &two], "").await.status(), StatusCode::CONFLICT);
        assert_eq!(copy(&[&three, "f0000000000000000"], "").await.status(), StatusCode::NOT_FOUND);
        assert_eq!(admin.names(&format!("ids={to}")).await, ["one.txt", "two.txt"]);
        assert!(admin.names("ids=trash").await.is_empty());
        assert_eq!(copy(&[&two, &from], "?resolveNameConflict=1").await.status(), StatusCode::CREATED);
        assert_eq!(admin.names(&format!("ids={to}")).await, ["from", "one.txt", "two (2).txt", "two.txt"]);
        let single = json!({"destinationParentID": to}).to_string();
        let path = format!("/sdk/v2/files/{one}/copy");
        assert_eq!(admin.post(&path, single.clone()).await.status(), StatusCode::CONFLICT);
        let numbered = admin.post(&format!("{path}?resolveNameConflict=true"), single.clone()).await;
        assert_eq!(admin.json(&format!("/sdk/v2/files/{}", id_in(&numbered))).await["name"], "one (2).txt");
        // A name of full length gives way to its number.
        for letters in [246, 251] {
            let long = admin.file(&to, &format!("{}.txt", "x".repeat(letters)), "long").await;
            let copy = admin.post(&format!("/sdk/v2/files/{long}/copy?resolveNameConflict=1"), single.clone()).await;
            assert_eq!(copy.status(), StatusCode::CREATED, "{letters}");
            let copy = admin.json(&format!("/sdk/v2/files/{}", id_in(&copy))).await;
            assert_eq!(copy["name"], format!("{} (2).txt", "x".repeat(letters.min(247))));
        }
        for bad in [json!({}), json!({"sourceIDs": [], "targetID": to}), json!({"sourceIDs": [1], "targetID": to}), json!({"sourceIDs": [one]})] {
            assert_eq!(admin.post("/sdk/v2/fileCopies", bad.to_string()).await.status(), StatusCode::BAD_REQUEST, "{bad}");
        }
    }
}

#[tokio::test]
async fn tags_spare_what_is_known_and_stop_what_would_overwrite_others() {
    let home = Home::new(Backend::sqlite());
    let admin = home.device(ADMIN).await;
    let folder = admin.folder("root", "d").await;
    let file = admin.file(&folder, "a.txt", "abc").await;
    let path = format!("/sdk/v2/files/{file}");
    for path in [
        path.clone(),
        format!("{path}/content"),
        format!("/sdk/v3/files/{file}/content"),
        format!("/sdk/v2/files/{folder}"),
        "/sdk/v2/files/root".to_owned(),
        format!("/sdk/v2/filesSearch/parents?ids={folder}"),
        format!("/sdk/v2/filesSearch/parentAndName?parentID={folder}&name=a.txt"),
    ] {
        let tag = admin.get(&path).await.headers()["etag"].to_str().unwrap().to_owned();
        let with = async |name: &str, tag: &str| admin.ask(Method::GET, &path).header(name, tag).send().await.unwrap();
        for tags in [&tag, "*", &format!("W/{tag}"), &format!("\"x\", {tag}")] {
            let answer = with("if-none-match", tags).await;
            assert_eq!(
                (answer.status().as_u16(), answer.headers()["etag"].to_str().unwrap()),
                (304, tag.as_str()),
                "{path} {tags}"
            );
            assert!(answer.bytes().await.unwrap().is_empty());
        }
        assert_eq!(with("if-none-match", "\"x\"").await.status(), StatusCode::OK, "{path}");
        assert_eq!(with("if-match", "\"x\"").await.status(), StatusCode::PRECONDITION_FAILED, "{path}");
        assert_eq!(with("if-match", &tag).await.status(), StatusCode::OK, "{path}");
        let head = admin.ask(Method::HEAD, &path).send().await.unwrap();
        assert_eq!((head.status(), head.headers()["etag"].to_str().unwrap()), (StatusCode::OK, tag.as_str()), "{path}");
    }
    // A folder's tag is another when something comes or goes.
    let tag_of = async |path: &str| admin.get(path).await.headers()["etag"].to_str().unwrap().to_owned();
    let of_folder = format!("/sdk/v2/files/{folder}");
    let before = tag_of(&of_folder).await;
    admin.file(&folder, "b.txt", "b").await;
    assert_ne!(tag_of(&of_folder).await, before);

    let tag = tag_of(&path).await;
    let writes = |tag: &str| {
        let with = |method, path: String, body: &str| {
            admin.ask(method, &path).header("if-match", tag).body(body.to_owned()).send()
        };
        [
            with(Method::PATCH, path.clone(), r#"{"name": "c.txt"}"#),
            with(Method::POST, format!("{path}/patch"), r#"{"name": "c.txt"}"#),
            with(Method::PUT, format!("{path}/content"), "new"),
            with(Method::POST, format!("{path}/resumable?done=true"), "new"),
            with(Method::POST, format!("{path}/copy"), r#"{"destinationParentID": "root"}"#),
            with(Method::DELETE, path.clone(), ""),
        ]
    };
    for write in writes("\"x\", \"y\"") {
        assert_eq!(write.await.unwrap().status(), StatusCode::PRECONDITION_FAILED);
    }
    assert_eq!(
        (admin.content(&file).await, admin.find(&folder, "a.txt").await["id"].clone()),
        ("abc".to_owned(), json!(file))
    );
    let put =
        admin.ask(Method::PUT, &format!("{path}/content")).header("if-match", &tag).body("new").send().await.unwrap();
    assert_eq!(put.status(), StatusCode::NO_CONTENT);
    assert_eq!(
        put.headers()["etag"].to_str().unwrap(),
        tag_of(&path).await,
        "what the change says is what is asked next"
    );
    let content_tag = tag_of(&format!("{path}/content")).await;
    let delete = admin.ask(Method::DELETE, &path).header("if-match", content_tag).send().await.unwrap();
    assert_eq!(delete.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn changes_are_whole_or_not_at_all() {
    let home = Home::new(Backend::sqlite());
    let admin = home.device(ADMIN).await;
    let (a, b) = (admin.folder("root", "a").await, admin.folder("root", "b").await);
    let file = admin.file(&a, "f.txt", "f").await;
    admin.file(&b, "taken.txt", "t").await;
    let path = format!("/sdk/v2/files/{file}");
    for (change, status) in [
        (json!({"parentID": b, "name": "taken.txt"}), 409),
        (json!({"parentID": b, "name": "a/b"}), 400),
        (json!({"parentID": b, "mTime": "1950-01-01T00:00:00Z"}), 400),
        (json!({"parentID": b, "mTime": "soon"}), 400),
        (json!({"parentID": file, "name": "g.txt"}), 400),
        (json!({"parentID": "f0000000000000000", "name": "g.txt"}), 404),
        (json!({"name": 7}), 400),
    ] {
        assert_eq!(admin.patch(&path, change.clone()).await.status().as_u16(), status, "{change}");
        assert_eq!(admin.names(&format!("ids={a}")).await, ["f.txt"], "{change}");
    }
    // A name that is taken where it was and free where it goes.
    admin.file(&a, "new.txt", "n").await;
    let moved = admin.patch(&path, json!({"parentID": b, "name": "new.txt", "hidden": "none", "size": "1"})).await;
    assert_eq!(moved.status(), StatusCode::NO_CONTENT);
    assert_eq!(admin.names(&format!("ids={b}")).await, ["new.txt", "taken.txt"]);
    // A full folder goes with all that is in it.
    assert_eq!(admin.delete(&format!("/sdk/v2/files/{b}")).await, StatusCode::NO_CONTENT);
    assert_eq!(admin.get(&path).await.status(), StatusCode::NOT_FOUND);
}

/// A picture without any pattern, in the plainest format there is.
fn bmp(width: u32, height: u32) -> Vec<u8> {
    let pixels: Vec<u8> = (0..width * height * 3).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let header =
        [[54 + pixels.len() as u32, 0, 54, 40].as_slice(), &[width, height, 1 | 24 << 16, 0, 0, 0, 0, 0, 0]].concat();
    [b"BM", header.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>().as_slice(), &pixels].concat()
}

#[tokio::test]
async fn pictures_come_at_the_size_that_is_asked_for_and_originals_where_there_are_none() {
    let home = Home::new(Backend::sqlite());
    let admin = home.device(ADMIN).await;
    let picture = bmp(400, 300);
    let fields = json!({"name": "p.bmp", "parentID": "root"}).to_string();
    let begun = id_in(&admin.multipart("/sdk/v2/files/resumable?done=false", &[&fields]).await);
    admin.put(&format!("/sdk/v2/files/{begun}/resumable/content?done=true"), picture.clone()).await;
    let note = admin.file("root", "n.bin", "note").await;
    let asked = async |id: &str, query: &str| {
        let answer = admin.get(&format!("/sdk/v3/files/{id}/content?{query}")).await;
        let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
        (answer.status().as_u16(), kind.unwrap_or_default(), answer.bytes().await.unwrap().to_vec())
    };
    let (status, kind, small) = asked(&begun, "minWidth=64&minHeight=32").await;
    assert_eq!((status, kind.as_str()), (200, "image/jpeg"));
    let (_, _, large) = asked(&begun, "minHeight=256").await;
    assert!(small.len() < large.len() && large.len() < picture.len());
    assert_eq!(asked(&begun, "download=true").await.2, picture);
    assert_eq!(asked(&note, "minWidth=128").await.2, b"note");
    assert_eq!(asked(&note, "minWidth=128&allowOriginal=false").await.0, 404);
    assert_eq!(asked(&note, "minWidth=wide").await.0, 400);
}

/// Names of an archive's directory, in order.
fn names_in(archive: &[u8]) -> Vec<String> {
    let begins = (0..archive.len()).filter(|at| archive[*at..].starts_with(b"PK\x01\x02"));
    let mut names: Vec<String> = begins
        .map(|at| {
            let length = usize::from(u16::from_le_bytes([archive[at + 28], archive[at + 29]]));
            String::from_utf8(archive[at + 46..][..length].to_vec()).unwrap()
        })
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_zip_holds_several_files_and_the_whole_root() {
    let home = Home::new(Backend::sqlite());
    let admin = home.device(ADMIN).await;
    let (one, two) = (admin.file("root", "one.txt", "1").await, admin.file("root", "two.txt", "22").await);
    let names = async |ids: &str| {
        let answer = admin.get(&format!("/sdk/v1/filesZip?ids={ids}")).await;
        assert_eq!(answer.status(), StatusCode::OK, "{ids}");
        names_in(&answer.bytes().await.unwrap())
    };
    assert_eq!(names(&format!("{one},{two}")).await, ["one.txt", "two.txt"]);
    assert_eq!(
        names("root").await,
        ["music/album/one.txt", "music/album/two.txt", "music/alone.txt", "one.txt", "two.txt"]
    );
    assert_eq!(admin.get("/sdk/v1/filesZip?ids=f0000000000000000").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_told_of_files_is_what_is_asked_for() {
    let home = Home::new(Backend::sqlite());
    let songs = TempDir::new().unwrap();
    crate::fixture::Fixture::build(songs.path());
    let library = home.server.add_library("songs", songs.path());
    home.server.scan(&library);
    let admin = home.device(ADMIN).await;
    let found = admin.json("/sdk/v2/filesSearch/text?q=Opening&limit=1").await;
    let track = &found["matches"][0]["file"];
    assert_eq!((&track["audio"]["title"], &track["extension"]), (&json!("Opening"), &json!(".flac")));
    assert_eq!(track["mimeTypes"], json!([track["mimeType"]]));
    let path = format!("/sdk/v2/files/{}", text(&track["id"]));
    assert_eq!(admin.json(&path).await, *track);
    assert_eq!(
        admin.json(&format!("{path}?fields=name,nonsense")).await,
        json!({"id": track["id"], "name": track["name"]})
    );
    // Page by page, found things come once each.
    let (mut token, mut ids) = ("0".to_owned(), Vec::new());
    while !token.is_empty() {
        let page = admin.json(&format!("/sdk/v2/filesSearch/text?q=o&limit=3&pageToken={token}")).await;
        ids.extend(page["matches"].as_array().unwrap().iter().map(|found| text(&found["file"]["id"])));
        token = text(&page["pageToken"]);
    }
    let whole = admin.json("/sdk/v2/filesSearch/text?q=o&limit=500").await;
    let whole: Vec<String> =
        whole["matches"].as_array().unwrap().iter().map(|found| text(&found["file"]["id"])).collect();
    assert!(whole.len() > 6);
    assert_eq!(ids, whole);
}
