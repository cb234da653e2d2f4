//! The Cloudreve door of the real server, as its clients call it.

use futures_util::future::join_all;
use openshelf::share::Door;
use openshelf::share::{Shared, Wish};
use openshelf::store::library;
use openshelf::work::sharing;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::both_engines;
use crate::engines::Backend;
use crate::fixture::Fixture;
use crate::server::{ADMIN, ADMIN_MAIL, PASSWORD, Server};

/// A server with the fixture as library "Shelf", and its admin signed in.
pub struct Drive {
    pub server: Server,
    pub client: Client,
    pub token: String,
    refresh: String,
    _folder: tempfile::TempDir,
}

pub const SHELF: &str = "cloudreve://my/Shelf";
pub const OPEN_TXT: &str = "cloudreve://my/Shelf/pub/open.txt";

impl Drive {
    pub async fn new(backend: &Backend) -> Drive {
        let folder = tempfile::TempDir::new().unwrap();
        let fixture = Fixture::build(folder.path());
        let server = Server::start(backend);
        server.add_library("Shelf", &fixture.root);
        let client = server.client();
        let mut drive = Drive { server, client, token: String::new(), refresh: String::new(), _folder: folder };
        let signed_in = drive.sign_in(ADMIN).await;
        drive.token = text(&signed_in["token"]["access_token"]);
        drive.refresh = text(&signed_in["token"]["refresh_token"]);
        drive
    }

    pub async fn sign_in(&self, name: &str) -> Value {
        data(self.guest(Method::POST, "/session/token", json!({"email": name, "password": PASSWORD})).await)
    }

    pub async fn send(&self, token: Option<&str>, method: Method, path: &str, body: Option<Value>) -> Response {
        let mut request = self.client.request(method, format!("{}/api/v4{path}", self.server.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    /// The envelope of a call with the admin's token.
    pub async fn call(&self, method: Method, path: &str, body: Value) -> Value {
        envelope(self.send(Some(&self.token), method, path, Some(body)).await).await
    }

    pub async fn guest(&self, method: Method, path: &str, body: Value) -> Value {
        envelope(self.send(None, method, path, Some(body)).await).await
    }

    pub async fn get(&self, path: &str) -> Value {
        envelope(self.send(Some(&self.token), Method::GET, path, None).await).await
    }

    pub async fn guest_get(&self, path: &str) -> Value {
        envelope(self.send(None, Method::GET, path, None).await).await
    }

    /// Makes a share; its id.
    pub async fn share(&self, wish: Value) -> String {
        let link = text(&data(self.call(Method::PUT, "/share", wish).await));
        let rest = link.strip_prefix(&format!("{}/s/", self.server.url)).expect("a link of this server");
        rest.split('/').next().unwrap().to_owned()
    }

    pub async fn guest_list(&self, uri: &str) -> Value {
        self.guest_get(&format!("/file?uri={}", encoded(uri))).await
    }

    pub async fn guest_url(&self, uri: &str) -> Value {
        self.guest(Method::POST, "/file/url", json!({"uris": [uri], "download": true})).await
    }
}

pub fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

pub async fn envelope(response: Response) -> Value {
    assert_eq!(response.status(), 200, "clients take any other status for a broken connection");
    let envelope: Value = response.json().await.unwrap();
    assert!(envelope["code"].is_u64() && envelope["msg"].is_string(), "{envelope}");
    envelope
}

pub fn data(envelope: Value) -> Value {
    assert_eq!(envelope["code"], 0, "{envelope}");
    envelope["data"].clone()
}

pub fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

pub fn names(listed: &Value) -> Vec<String> {
    listed["files"].as_array().unwrap().iter().map(|file| text(&file["name"])).collect()
}

both_engines! {
    async fn a_user_signs_in_by_name_or_mail_and_renews_once_per_token(backend: Backend) {
        let drive = Drive::new(&backend).await;
        assert_eq!(drive.sign_in(ADMIN_MAIL).await["user"]["anonymous"], false);
        let wrong = drive.guest(Method::POST, "/session/token", json!({"email": ADMIN, "password": "wrong"})).await;
        assert_eq!(wrong["code"], 40080);

        let body = json!({"refresh_token": drive.refresh});
        let renewed = data(drive.guest(Method::POST, "/session/token/refresh", body.clone()).await);
        let access = text(&renewed["access_token"]);
        let me = envelope(drive.send(Some(&access), Method::GET, "/user/me", None).await).await;
        assert_eq!(me["code"], 0);
        // The old token coming back ends the session, with all its tokens.
        assert_eq!(drive.guest(Method::POST, "/session/token/refresh", body).await["code"], 40020);
        let me = envelope(drive.send(Some(&access), Method::GET, "/user/me", None).await).await;
        assert_eq!(me["code"], 401);
    }

    async fn a_broken_token_makes_a_guest_and_a_refresh_token_is_no_access_token(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let open = envelope(drive.send(Some("a.b.c"), Method::GET, "/site/config/basic", None).await).await;
        assert_eq!(data(open)["user"]["anonymous"], true);
        assert_eq!(envelope(drive.send(Some("a.b.c"), Method::GET, "/user/me", None).await).await["code"], 401);
        assert_eq!(envelope(drive.send(Some(&drive.refresh), Method::GET, "/user/me", None).await).await["code"], 40020);
    }

    async fn a_share_tells_its_owner_all_and_without_the_password_nothing(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let uri = "cloudreve://my/Shelf/Music";
        let wish = json!({"uri": uri, "is_private": true, "password": "gcqzfaze", "expire": 3600, "downloads": 5,
            "share_view": true, "permissions": {"everyone": "AQ==", "same_group": null, "other": ""}});
        let id = drive.share(wish).await;

        let owner = data(drive.get(&format!("/share/info/{id}?owner_extended=True")).await);
        assert_eq!(owner["password"], "gcqzfaze");
        assert_eq!(owner["url"], format!("{}/s/{id}/gcqzfaze", drive.server.url));
        assert_eq!(owner["permission_setting"]["everyone"], "AQ==");
        assert_eq!((&owner["is_private"], &owner["share_view"], &owner["price"]), (&json!(true), &json!(true), &json!(0)));
        let me = text(&data(drive.get("/user/me").await)["id"]);
        assert_eq!(owner["source_uri"], format!("cloudreve://{me}@my/Shelf/Music"));
        let source = data(drive.get(&format!("/file/info?uri={}", encoded(&text(&owner["source_uri"])))).await);
        assert_eq!((&source["name"], &source["type"]), (&json!("Music"), &json!(1)), "clients ask what lies there");

        for query in ["", "?password=wrong", "?count_views=true"] {
            let locked = data(drive.guest_get(&format!("/share/info/{id}{query}")).await);
            assert_eq!(locked["unlocked"], false);
            assert_eq!((&locked["name"], &locked["visited"], &locked["size"]), (&json!(""), &json!(0), &json!(0)));
            for hidden in ["expires", "remain_downloads", "password", "permission_setting", "source_uri"] {
                assert!(locked.get(hidden).is_none(), "{hidden} in {locked}");
            }
            assert!(!locked.to_string().contains("Music"));
        }
        let open = data(drive.guest_get(&format!("/share/info/{id}?password=gcqzfaze&count_views=1")).await);
        assert_eq!((&open["unlocked"], &open["name"], &open["remain_downloads"]), (&json!(true), &json!("Music"), &json!(5)));
        assert_eq!(open["visited"], 0);
        assert!(open.get("password").is_none());
        data(drive.guest_get(&format!("/share/info/{id}?password=gcqzfaze&count_views=true")).await);
        data(drive.get(&format!("/share/info/{id}?count_views=true")).await);
        assert_eq!(data(drive.get(&format!("/share/info/{id}")).await)["visited"], 2);
    }

    async fn a_guest_lists_and_downloads_with_the_password_only(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let id = drive.share(json!({"uri": "cloudreve://my/Shelf/pub", "is_private": true, "password": "Word1"})).await;
        assert_eq!(drive.guest_list(&format!("cloudreve://{id}@share")).await["code"], 40069);
        assert_eq!(drive.guest_list(&format!("cloudreve://{id}:no@share")).await["code"], 40069);
        let root = format!("cloudreve://{id}:Word1@share");
        let listed = data(drive.guest_list(&root).await);
        assert_eq!(names(&listed), ["open.txt"]);
        let file = text(&listed["files"][0]["path"]);
        assert_eq!(file, format!("{root}/open.txt"));
        assert_eq!(drive.guest_list(&format!("{root}/none")).await["code"], 40016);

        let url = text(&data(drive.guest_url(&file).await)["urls"][0]["url"]);
        let answer = drive.client.get(&url).send().await.unwrap();
        assert!(answer.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
        assert_eq!(answer.text().await.unwrap(), "open");
        let part = drive.client.get(&url).header("range", "bytes=1-2").send().await.unwrap();
        assert_eq!((part.status().as_u16(), part.text().await.unwrap().as_str()), (206, "pe"));
        let other = url.replacen("/file/content/f", "/file/content/g", 1);
        assert_eq!(drive.client.get(&other).send().await.unwrap().status(), 404);

        assert_eq!(drive.call(Method::DELETE, &format!("/share/{id}"), json!({})).await["code"], 0);
        assert_eq!(drive.client.get(&url).send().await.unwrap().status(), 404);
        assert_eq!(drive.guest_list(&root).await["code"], 404);
    }

    async fn a_share_of_one_file_shows_that_file_and_nothing_beside_it(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let id = drive.share(json!({"uri": OPEN_TXT, "downloads": null, "expire": null, "password": null})).await;
        let listed = data(drive.guest_list(&format!("cloudreve://{id}@share")).await);
        assert_eq!((names(&listed), &listed["single_file_view"]), (vec!["open.txt".to_owned()], &json!(true)));
        assert_eq!(drive.guest_list(&format!("cloudreve://{id}@share/hidden.txt")).await["code"], 40016);
        let info = data(drive.get(&format!("/share/info/{id}?owner_extended=true")).await);
        let me = text(&data(drive.get("/user/me").await)["id"]);
        assert_eq!(info["source_uri"], format!("cloudreve://{me}@my/Shelf/pub"), "the folder around it");
        // Clients add the name themselves.
        for (uri, kind, name) in [(text(&info["source_uri"]), 1, "pub"), (format!("{}/{}", text(&info["source_uri"]), text(&info["name"])), 0, "open.txt")] {
            let source = data(drive.get(&format!("/file/info?uri={}", encoded(&uri))).await);
            assert_eq!((&source["type"], &source["name"]), (&json!(kind), &json!(name)), "{uri}");
        }
        assert_eq!((&info["source_type"], &info["size"]), (&json!(0), &json!(4)));
    }

    async fn each_address_of_a_limited_share_costs_one_download(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let id = drive.share(json!({"uri": OPEN_TXT, "downloads": 1})).await;
        let file = format!("cloudreve://{id}@share/open.txt");
        let url = text(&data(drive.guest_url(&file).await)["urls"][0]["url"]);
        assert_eq!(drive.guest_url(&file).await["code"], 404);
        for _ in 0..2 {
            assert_eq!(drive.client.get(&url).send().await.unwrap().text().await.unwrap(), "open");
        }
        let mine = data(drive.get("/share?page_size=10&next_page_token=").await);
        assert_eq!((&mine["shares"][0]["downloaded"], &mine["shares"][0]["expired"]), (&json!(1), &json!(true)));
        // An edit says how many are left.
        let edit = drive.call(Method::POST, &format!("/share/{id}"), json!({"uri": OPEN_TXT, "downloads": 2})).await;
        assert_eq!(text(&data(edit)), format!("{}/s/{id}", drive.server.url));
        assert_eq!(data(drive.guest_get(&format!("/share/info/{id}")).await)["remain_downloads"], 2);
    }

    async fn a_batch_that_fails_in_part_costs_no_download(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let id = drive.share(json!({"uri": "cloudreve://my/Shelf/pub", "downloads": 3})).await;
        let uris = json!([format!("cloudreve://{id}@share/open.txt"), format!("cloudreve://{id}@share/none")]);
        let all = drive.guest(Method::POST, "/file/url", json!({"uris": uris})).await;
        assert_eq!(all["code"], 40016);
        assert_eq!(data(drive.guest_get(&format!("/share/info/{id}")).await)["remain_downloads"], 3);
        let some = data(drive.guest(Method::POST, "/file/url", json!({"uris": uris, "skip_error": true})).await);
        assert!(some["urls"][0]["url"].is_string(), "{some}");
        assert_eq!(some["urls"][1], json!({}), "an empty object, in its place");
        assert_eq!(data(drive.guest_get(&format!("/share/info/{id}")).await)["remain_downloads"], 2);
        let many: Vec<&str> = std::iter::repeat_n(OPEN_TXT, 3001).collect();
        assert_eq!(drive.call(Method::POST, "/file/url", json!({"uris": many})).await["code"], 40074);
    }

    async fn a_batch_of_more_files_than_a_share_has_downloads_left_never_gives_more(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let names = ["one", "two", "three"];
        for name in names {
            drive.put(&format!("cloudreve://my/few/{name}.txt"), name).await;
        }
        let share = async |downloads: i64| drive.share(json!({"uri": "cloudreve://my/few", "downloads": downloads})).await;
        let left = async |id: &str| data(drive.guest_get(&format!("/share/info/{id}")).await)["remain_downloads"].clone();
        let ask = async |id: &str, count: usize, skip_error: bool| {
            let uris: Vec<String> = names[..count].iter().map(|name| format!("cloudreve://{id}@share/{name}.txt")).collect();
            drive.guest(Method::POST, "/file/url", json!({"uris": uris, "skip_error": skip_error})).await
        };
        let urls = |answer: &Value| -> Vec<String> {
            let all = answer["data"]["urls"].as_array().into_iter().flatten();
            all.filter_map(|url| url["url"].as_str().map(str::to_owned)).collect()
        };
        let two = share(2).await;
        assert_eq!(ask(&two, 3, false).await["code"], 404, "all or none");
        assert_eq!(left(&two).await, 2, "a refusal takes nothing");
        let some = data(ask(&two, 3, true).await)["urls"].clone();
        assert!(some[0]["url"].is_string() && some[1]["url"].is_string() && some[2] == json!({}), "{some}");
        assert_eq!(ask(&two, 1, false).await["code"], 404, "they were the last");
        for (name, url) in names.iter().zip(some.as_array().unwrap()).take(2) {
            assert_eq!(drive.client.get(text(&url["url"])).send().await.unwrap().text().await.unwrap(), *name);
        }

        // The same by ten at once, of whom the last few find less than they ask for.
        for (skip_error, count, given, rest) in [(false, 3, 6, 1), (true, 3, 7, 0), (false, 2, 6, 1)] {
            let id = share(7).await;
            let answers = join_all((0..10).map(|_| ask(&id, count, skip_error))).await;
            let all: Vec<String> = answers.iter().flat_map(urls).collect();
            assert_eq!(all.len(), given, "{answers:?}");
            let refused = answers.iter().filter(|answer| answer["code"] == 404).count();
            assert_eq!(refused, if skip_error { 0 } else { 10 - given / count }, "{answers:?}");
            let mine = data(drive.get("/share?page_size=10").await)["shares"][0].clone();
            assert_eq!((&mine["id"], &mine["downloaded"], &mine["remain_downloads"]), (&json!(id), &json!(given), &json!(rest)));
            for url in all {
                assert_eq!(drive.client.get(url).send().await.unwrap().status(), 200, "an address gives what it promises");
            }
        }
    }

    async fn an_edit_clears_its_limits_and_keeps_the_password(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let wish = json!({"uri": SHELF, "is_private": true, "password": "Word1", "expire": 60, "downloads": 2});
        let id = drive.share(wish).await;
        let edit = json!({"uri": SHELF, "is_private": false, "password": "Other"});
        let link = text(&data(drive.call(Method::POST, &format!("/share/{id}"), edit).await));
        assert_eq!(link, format!("{}/s/{id}/Word1", drive.server.url));
        let info = data(drive.get(&format!("/share/info/{id}")).await);
        assert!(info.get("expires").is_none() && info.get("remain_downloads").is_none(), "{info}");
        let other = json!({"uri": OPEN_TXT});
        assert_eq!(drive.call(Method::POST, &format!("/share/{id}"), other).await["code"], 404);
    }

    async fn an_edit_says_all_that_it_may_say_anew_and_counters_stay(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let id = drive.share(json!({"uri": SHELF, "expire": 60, "downloads": 9})).await;
        data(drive.guest_get(&format!("/share/info/{id}?count_views=true")).await);
        data(drive.guest_url(&format!("cloudreve://{id}@share/README.md")).await);
        let an_hour_ago = "UPDATE share SET created_ms = created_ms - 3600000";
        drive.server.app.db.write(move |tx| tx.run(an_hour_ago, openshelf::args![])).await.unwrap();
        // What is told of it after an edit, and how long it lasts from then on.
        let edited = async |wish: Value| {
            let now_ms = openshelf::now_ms();
            data(drive.call(Method::POST, &format!("/share/{id}"), wish).await);
            let info = data(drive.get(&format!("/share/info/{id}")).await);
            assert_eq!((&info["visited"], &info["downloaded"]), (&json!(1), &json!(1)), "{info}");
            let expires = info["expires"].as_str().map(|time| time.parse::<jiff::Timestamp>().unwrap());
            (info, expires.map(|expires| (expires.as_millisecond() - now_ms) / 1000))
        };
        let all = json!({"uri": SHELF, "share_view": true, "show_readme": true, "expire": 7200, "downloads": 3});
        let (info, lasts_s) = edited(all).await;
        assert_eq!((&info["share_view"], &info["show_readme"], &info["remain_downloads"]), (&json!(true), &json!(true), &json!(3)));
        assert!((7199..7230).contains(&lasts_s.unwrap()), "from now on: {lasts_s:?}");
        let (info, lasts_s) = edited(json!({"uri": SHELF, "share_view": true, "expire": 600})).await;
        assert_eq!((&info["share_view"], info.get("show_readme")), (&json!(true), None), "what is not said is not so: {info}");
        assert!((599..630).contains(&lasts_s.unwrap()), "{lasts_s:?}");
        let (info, lasts_s) = edited(json!({"uri": SHELF, "show_readme": true, "share_view": null})).await;
        assert_eq!((info.get("share_view"), &info["show_readme"], lasts_s), (None, &json!(true), None), "{info}");
    }

    async fn what_no_share_can_keep_is_refused(backend: Backend) {
        let drive = Drive::new(&backend).await;
        for (wish, code) in [
            (json!({}), 40001),
            (json!({"uri": "nothing"}), 40001),
            (json!({"uri": 7}), 40001),
            (json!({"uri": "cloudreve://my"}), 40053),
            (json!({"uri": "cloudreve://my/none"}), 40016),
            (json!({"uri": "cloudreve://my/Shelf/../x"}), 40001),
            (json!({"uri": SHELF, "price": -5}), 40001),
            (json!({"uri": SHELF, "is_private": true, "password": "a b"}), 40001),
            (json!({"uri": SHELF, "expire": i64::MAX}), 40001),
            (json!({"uri": SHELF, "permissions": {"everyone": "Hw=="}}), 40001),
            (json!({"uri": "cloudreve://my/a\u{0}b"}), 40001),
        ] {
            assert_eq!(drive.call(Method::PUT, "/share", wish.clone()).await["code"], code, "{wish}");
        }
        assert_eq!(data(drive.get("/share?page_size=50").await)["shares"], json!([]));
    }

    async fn pages_of_shares_have_neither_gaps_nor_repeats_in_any_order(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let mut made = Vec::new();
        for number in 0..25 {
            let wish = json!({"uri": SHELF, "downloads": number % 3 * 10, "price": number % 4, "expire": number * 3 % 5 * 1000});
            made.push(drive.share(wish).await);
            let (id, views, downloads) = (made[number].clone(), number * 7 % 6, number * 11 % 7);
            let count = "UPDATE share SET views = $1, downloads = $2 WHERE public_id = $3";
            drive.server.app.db.write(move |tx| tx.run(count, openshelf::args![views, downloads, id])).await.unwrap();
        }
        // What has no limit comes after all that has.
        let number = |share: &Value, field: &str| share.get(field).map_or(i64::MAX, |value| value.as_i64().unwrap());
        let place = |share: &Value, order: &str| match order {
            "views" => share["visited"].as_i64().unwrap(),
            "downloads" => share["downloaded"].as_i64().unwrap_or(0),
            "remain_downloads" => number(share, "remain_downloads"),
            "expires" => share["expires"].as_str().map_or(i64::MAX, |time| time.parse::<jiff::Timestamp>().unwrap().as_millisecond()),
            "price" => share["price"].as_i64().unwrap(),
            _ => 0,
        };
        for order in ["id", "created_at", "views", "downloads", "remain_downloads", "expires", "price"] {
            for way in ["asc", "desc"] {
                let (mut seen, mut token) = (Vec::new(), String::new());
                loop {
                    let path = format!("/share?page_size=10&order_by={order}&order_direction={way}&next_page_token={token}");
                    let page = data(drive.get(&path).await);
                    seen.extend(page["shares"].as_array().unwrap().iter().map(|share| {
                        (place(share, order), made.iter().position(|id| *id == share["id"]).expect("one of these"))
                    }));
                    let Some(next) = page["pagination"]["next_token"].as_str() else { break };
                    token = next.to_owned();
                }
                assert_eq!(seen.len(), 25, "{order} {way}");
                if way == "desc" {
                    seen.reverse();
                }
                // Of equal ones the first that was made is the first, so none comes twice.
                assert!(seen.is_sorted_by(|one, next| one < next), "{order} {way}: {seen:?}");
                let values: std::collections::BTreeSet<i64> = seen.iter().map(|(value, _)| *value).collect();
                assert!(order == "id" || order == "created_at" || values.len() > 2, "{order}: {values:?}");
            }
        }
    }

    async fn files_are_made_renamed_moved_and_deleted(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let make = json!({"uri": "cloudreve://my/a/b", "type": "folder"});
        assert_eq!(data(drive.call(Method::POST, "/file/create", make.clone()).await)["path"], "cloudreve://my/a/b");
        assert_eq!(drive.call(Method::POST, "/file/create", make).await["code"], 0);
        let wish = json!({"uri": "cloudreve://my/a/up.txt", "size": 5, "policy_id": "local", "mime_type": null});
        let begun = data(drive.call(Method::PUT, "/file/upload", wish).await);
        assert_eq!(begun["storage_policy"]["type"], "local");
        let chunk = format!("{}/api/v4/file/upload/{}/0", drive.server.url, text(&begun["session_id"]));
        let sent = drive.client.post(&chunk).bearer_auth(&drive.token).body("12345").send().await.unwrap();
        assert_eq!(envelope(sent).await["code"], 0);
        let renamed = json!({"uri": "cloudreve://my/a/up.txt", "new_name": "Größe +1.txt"});
        assert_eq!(data(drive.call(Method::POST, "/file/rename", renamed).await)["name"], "Größe +1.txt");
        let moved = json!({"uris": ["cloudreve://my/a/Größe +1.txt"], "dst": "cloudreve://my/a/b", "copy": true});
        assert_eq!(drive.call(Method::POST, "/file/move", moved).await["code"], 0);
        let listed = data(drive.get(&format!("/file?uri={}", encoded("cloudreve://my/a/b"))).await);
        assert_eq!(names(&listed), ["Größe +1.txt"]);
        let gone = json!({"uris": ["cloudreve://my/a", "cloudreve://my/none"]});
        let failed = drive.call(Method::DELETE, "/file", gone).await;
        assert_eq!(failed["code"], 40081);
        assert_eq!(failed["aggregated_error"]["cloudreve://my/none"]["code"], 40016);
        assert_eq!(drive.get("/file/info?uri=cloudreve://my/a").await["code"], 40016);
        let read_only = json!({"uris": [OPEN_TXT]});
        let refused = drive.call(Method::DELETE, "/file", read_only).await;
        assert_eq!(refused["aggregated_error"][OPEN_TXT]["code"], 403);
    }

    async fn a_folder_lists_its_pages_without_gaps(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let path = format!("/file?uri={}&page=0&page_size=2&order_by=name&next_page_token={token}", encoded(SHELF));
            let page = data(drive.get(&path).await);
            seen.extend(names(&page));
            let Some(next) = page["pagination"]["next_token"].as_str() else { break };
            assert_eq!(page["files"].as_array().unwrap().len(), 2);
            token = next.to_owned();
        }
        assert_eq!(seen, ["Music", "Names", "pub", "pub-secret", "README.md"]);
        let found = data(drive.get(&format!("/file?uri={}", encoded("cloudreve://my/Shelf?name=open"))).await);
        assert!(names(&found).contains(&"open.txt".to_owned()), "{found}");
    }

    async fn a_direct_link_opens_until_it_is_taken_back(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let made = data(drive.call(Method::PUT, "/file/source", json!({"uris": [OPEN_TXT]})).await);
        let link = text(&made[0]["link"]);
        let led = drive.client.get(&link).send().await.unwrap();
        assert_eq!(led.status(), 302);
        let url = led.headers()["location"].to_str().unwrap().to_owned();
        assert_eq!(drive.client.get(&url).send().await.unwrap().text().await.unwrap(), "open");
        let id = link.rsplit('/').nth(1).unwrap();
        assert_eq!(drive.call(Method::DELETE, &format!("/file/source/{id}"), json!({})).await["code"], 0);
        assert_eq!(drive.client.get(&link).send().await.unwrap().status(), 404);
        assert_eq!(drive.client.get(&url).send().await.unwrap().status(), 404);
    }

    async fn a_share_of_several_things_is_a_virtual_folder(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let app = std::sync::Arc::clone(&drive.server.app);
        let share = drive.server.run(async move {
            let admin = app.db.read(|tx| openshelf::store::accounts::by_login(tx, ADMIN)).await.unwrap().unwrap();
            let shelf = app.db.read(|tx| {
                let library = library::all(tx)?.into_iter().find(|library| library.name == "Shelf").unwrap();
                let root = library::root_item(tx, library.key)?;
                library::children(tx, root.key)
            });
            let items = shelf.await.unwrap().iter().filter(|item| ["pub", "README.md"].contains(&item.shown.as_str()))
                .map(|item| Shared::Item(item.key)).collect();
            sharing::create(&app, &admin, Door::Page, items, Wish::default()).await.unwrap()
        });
        let uri = format!("cloudreve://my/.shares/{}", share.id);
        let info = data(drive.get(&format!("/share/info/{}?owner_extended=true", share.id)).await);
        assert_eq!(info["source_type"], 1);
        assert!(text(&info["source_uri"]).ends_with(&format!("@my/.shares/{}", share.id)));
        assert_eq!(names(&data(drive.get(&format!("/file?uri={}", encoded(&uri))).await)), ["pub", "README.md"]);
        let listed = data(drive.guest_list(&format!("cloudreve://{}@share/pub", share.id)).await);
        assert_eq!(names(&listed), ["open.txt"]);
        assert_eq!(drive.guest_list(&uri).await["code"], 401);
    }

    async fn known_calls_that_are_not_offered_say_so_and_unknown_ones_are_not_found(backend: Backend) {
        let drive = Drive::new(&backend).await;
        assert_eq!(drive.guest_get("/workflow?page_size=10").await["code"], 401);
        assert_eq!(drive.guest(Method::PUT, "/session/openid", json!({"provider": 0})).await["code"], 40019);
        let unknown = drive.send(None, Method::GET, "/no/such/call", None).await;
        assert_eq!(unknown.status(), 404);
        assert_eq!(unknown.json::<Value>().await.unwrap()["code"], 404);
        let broken = drive.client.put(format!("{}/api/v4/share", drive.server.url)).bearer_auth(&drive.token);
        assert_eq!(envelope(broken.body("{\"uri\": \u{7}").send().await.unwrap()).await["code"], 40001);
    }

    async fn a_user_shows_others_only_the_shares_that_they_open(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let open = drive.share(json!({"uri": OPEN_TXT})).await;
        let locked = drive.share(json!({"uri": SHELF, "is_private": true})).await;
        let me = text(&data(drive.get("/user/me").await)["id"]);
        let list = format!("/user/shares/{me}?page_size=10");
        assert_eq!(drive.guest_get(&list).await["code"], 40001);
        for (choice, ids) in [("", vec![&open]), ("all_share", vec![&locked, &open])] {
            let set = drive.call(Method::PATCH, "/user/setting", json!({"share_links_in_profile": choice})).await;
            assert_eq!(set["code"], 0);
            let shares = data(drive.guest_get(&list).await)["shares"].clone();
            let seen: Vec<String> = shares.as_array().unwrap().iter().map(|share| text(&share["id"])).collect();
            assert_eq!(seen.iter().collect::<Vec<_>>(), ids);
            assert!(shares.as_array().unwrap().iter().all(|share| share["unlocked"] == false));
            assert!(!shares.to_string().contains("Shelf"));
        }
    }
}
