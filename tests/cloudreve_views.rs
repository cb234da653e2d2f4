//! How Cloudreve's clients look at files: views and pins, sums, what others share, the trash, links and viewers.

use openshelf::account::token::Purpose;
use openshelf::args;
use reqwest::Method;
use serde_json::{Value, json};

use crate::both_engines;
use crate::cloudreve::{Drive, OPEN_TXT, SHELF, data, encoded, envelope, names, text};
use crate::world::{claims_of, unsigned};

impl Drive {
    async fn make_folder(&self, uri: &str) -> Value {
        data(self.call(Method::POST, "/file/create", json!({"uri": uri, "type": "folder"})).await)
    }

    /// The envelope of somebody else's call.
    async fn as_user(&self, token: &str, method: Method, path: &str, body: Value) -> Value {
        envelope(self.send(Some(token), method, path, Some(body)).await).await
    }
}

fn view() -> Value {
    json!({
        "page_size": 50, "order": "size", "order_direction": "desc", "view": "gallery", "thumbnail": true, "gallery_width": 220,
        "columns": [{"type": 0, "width": 200}, {"type": 3, "props": {"metadata_key": "tag:x"}}],
    })
}

both_engines! {
    async fn a_folders_view_is_its_users_and_visitors_see_it_where_the_share_says_so(backend: Backend) {
        let drive = Drive::new(&backend).await;
        for (name, size) in [("small", 1), ("large", 100)] {
            drive.put(&format!("cloudreve://my/a/{name}"), &"x".repeat(size)).await;
        }
        let set = |uri: &str, view: Value| json!({"uri": uri, "view": view});
        assert_eq!(drive.call(Method::PATCH, "/file/view", set("cloudreve://my/a", view())).await["code"], 0);
        assert_eq!(drive.call(Method::PATCH, "/file/view", set("cloudreve://my", view())).await["code"], 0);
        let listed = drive.list("cloudreve://my/a", "").await;
        assert_eq!(listed["view"], view());
        assert_eq!((names(&listed), &listed["pagination"]["page_size"]), (vec!["large".into(), "small".into()], &json!(50)));
        let asked = drive.list("cloudreve://my/a", "&page_size=10&order_by=name&order_direction=asc").await;
        assert_eq!((names(&asked)[0].as_str(), &asked["pagination"]["page_size"]), ("large", &json!(10)), "what is asked for wins");
        assert_eq!(drive.list("cloudreve://my", "").await["view"], view());
        assert_eq!(drive.info("cloudreve://my/a").await["extended_info"]["view"], view());

        for (share_view, seen) in [(true, view()), (false, Value::Null)] {
            let id = drive.share(json!({"uri": "cloudreve://my/a", "share_view": share_view})).await;
            assert_eq!(data(drive.guest_list(&format!("cloudreve://{id}@share")).await)["view"], seen);
        }
        let bob = drive.server.add_user("bob");
        let bobs = text(&drive.sign_in(&bob.name).await["token"]["access_token"]);
        let shelf = set(SHELF, view());
        assert_eq!(drive.as_user(&bobs, Method::PATCH, "/file/view", shelf).await["code"], 0, "to look takes no right to write");
        assert!(drive.list(SHELF, "").await["view"].is_null(), "bob's view is bob's");

        let synced = |disabled: bool| json!({"disable_view_sync": disabled});
        assert_eq!(drive.call(Method::PATCH, "/user/setting", synced(true)).await["code"], 0);
        assert!(drive.list("cloudreve://my/a", "").await["view"].is_null(), "each client keeps its own");
        assert_eq!(data(drive.get("/user/me").await)["disable_view_sync"], true);
        assert_eq!(drive.call(Method::PATCH, "/user/setting", synced(false)).await["code"], 0);
        assert_eq!(drive.call(Method::PATCH, "/file/view", set("cloudreve://my/a", Value::Null)).await["code"], 0);
        assert!(drive.list("cloudreve://my/a", "").await["view"].is_null());

        for (name, value) in [
            ("page_size", json!(49)), ("page_size", json!(1_000_000)), ("order_direction", json!("up")), ("view", json!("cube")),
            ("gallery_width", json!(9999)), ("columns", json!(vec![json!({"type": 0}); 1001])), ("order", json!("x".repeat(70_000))),
        ] {
            let mut odd = view();
            odd[name] = value;
            assert_eq!(drive.call(Method::PATCH, "/file/view", set("cloudreve://my/a", odd)).await["code"], 40001, "{name}");
        }
        for (uri, code) in [("cloudreve://my/a/small", 40016), ("cloudreve://my/none", 40016)] {
            assert_eq!(drive.call(Method::PATCH, "/file/view", set(uri, view())).await["code"], code, "{uri}");
        }
    }

    async fn pins_stand_in_the_user_object_and_keep_no_password(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let pin = async |method: Method, body: Value| drive.call(method, "/file/pin", body).await["code"].clone();
        let pinned = async || data(drive.get("/user/me").await)["pined"].clone();
        assert_eq!(pinned().await, json!([]));
        for (uri, name) in [("cloudreve://my/a%20b", json!("Mine")), ("cloudreve://my?category=image", json!(null)), ("cloudreve://abc:Word1@share", json!(""))] {
            assert_eq!(pin(Method::PUT, json!({"uri": uri, "name": name})).await, 0);
        }
        assert_eq!(pin(Method::PUT, json!({"uri": "cloudreve://my/a%20b", "name": "Ours"})).await, 0);
        let expected = json!([
            {"uri": "cloudreve://my/a%20b", "name": "Ours"}, {"uri": "cloudreve://my?category=image"}, {"uri": "cloudreve://abc@share"},
        ]);
        assert_eq!(pinned().await, expected);
        let signed_in = drive.sign_in("admin").await;
        assert_eq!(signed_in["user"]["pined"], expected, "clients read it when they sign in");
        for uri in ["cloudreve://abc:Word1@share", "cloudreve://my?category=image", "cloudreve://my/never"] {
            assert_eq!(pin(Method::DELETE, json!({"uri": uri})).await, 0);
        }
        assert_eq!(pinned().await.as_array().unwrap().len(), 1);
        for body in [json!({}), json!({"uri": ""}), json!({"uri": "http://x"}), json!({"uri": format!("cloudreve://my/{}", "x".repeat(5000))})] {
            assert_eq!(pin(Method::PUT, body).await, 40001);
        }
        for n in 0..99 {
            assert_eq!(pin(Method::PUT, json!({"uri": format!("cloudreve://my/{n}")})).await, 0);
        }
        assert_eq!(pin(Method::PUT, json!({"uri": "cloudreve://my/more"})).await, 403);
        assert_eq!(pinned().await.as_array().unwrap().len(), 100);
    }

    async fn a_folder_is_summed_up_and_its_facts_are_whole(backend: Backend) {
        let drive = Drive::new(&backend).await;
        for name in ["a/one.txt", "a/b/two.txt", "a/b/c/three.txt"] {
            drive.put(&format!("cloudreve://my/{name}"), "12345").await;
        }
        let sum = data(drive.get(&format!("/file/info?folder_summary=true&uri={}", encoded("cloudreve://my/a"))).await);
        let of = |name: &str| sum["folder_summary"][name].clone();
        assert_eq!((of("size"), of("files"), of("folders"), of("completed")), (json!(15), json!(3), json!(2), json!(true)));
        let again = async || data(drive.get(&format!("/file/info?folder_summary=1&uri={}", encoded("cloudreve://my/a"))).await);
        drive.put("cloudreve://my/a/four.txt", "1").await;
        assert_eq!(again().await["folder_summary"]["size"], 16, "what is remembered is never older than the last change");

        let share = drive.share(json!({"uri": "cloudreve://my/a/one.txt"})).await;
        let made = data(drive.call(Method::PUT, "/file/source", json!({"uris": ["cloudreve://my/a/one.txt"]})).await);
        let info = drive.info("cloudreve://my/a/one.txt").await;
        let extended = &info["extended_info"];
        assert_eq!((&extended["shares"][0]["id"], &info["shared"]), (&json!(share), &json!(true)));
        assert_eq!((&extended["direct_links"][0]["url"], &extended["storage_used"]), (&made[0]["link"], &json!(5)));
        assert_eq!((&extended["entities"][0]["id"], &extended["entities"][0]["size"]), (&info["primary_entity"], &json!(5)));
        let listed = drive.list("cloudreve://my/a", "&order_by=name").await;
        let shared: Vec<bool> = listed["files"].as_array().unwrap().iter().map(|file| file["shared"] == true).collect();
        assert_eq!((names(&listed)[2].as_str(), shared), ("one.txt", vec![false, false, true]), "{listed}");
        let by_id = data(drive.get(&format!("/file/info?id={}", text(&info["id"]))).await);
        assert_eq!(by_id["path"], "cloudreve://my/a/one.txt");
        let bob = drive.server.add_user("bob");
        let bobs = text(&drive.sign_in(&bob.name).await["token"]["access_token"]);
        let path = format!("/file/info?id={}", text(&info["id"]));
        assert_eq!(drive.as_user(&bobs, Method::GET, &path, json!({})).await["code"], 40016);
    }

    async fn what_names_a_user_and_the_shortcuts_that_they_saved_is_shared_with_them(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let bob = drive.server.add_user("bob");
        let bobs = text(&drive.sign_in(&bob.name).await["token"]["access_token"]);
        let with_me = "/file?uri=cloudreve%3A%2F%2Fshared_with_me";
        assert_eq!(data(drive.as_user(&bobs, Method::GET, with_me, json!({})).await)["files"], json!([]));
        drive.put("cloudreve://my/a/one.txt", "one").await;
        let permissions = json!({"user_explicit": {bob.id.clone(): "AQ=="}});
        let folder = drive.share(json!({"uri": "cloudreve://my/a", "permissions": permissions})).await;
        let file = drive.share(json!({"uri": "cloudreve://my/a/one.txt", "permissions": permissions})).await;
        let open = drive.share(json!({"uri": SHELF})).await;
        let save = json!({
            "uri": "cloudreve://my/Saved", "type": "folder",
            "metadata": {"sys:shared_redirect": format!("cloudreve://{open}@share"), "sys:shared_owner": "u1"},
        });
        let saved = data(drive.as_user(&bobs, Method::POST, "/file/create", save).await);
        assert_eq!(saved["metadata"]["sys:shared_redirect"], format!("cloudreve://{open}@share"));
        let listed = data(drive.as_user(&bobs, Method::GET, with_me, json!({})).await);
        let told: Vec<(String, i64, String)> = listed["files"].as_array().unwrap().iter().map(|file| {
            (text(&file["name"]), file["type"].as_i64().unwrap(), text(&file["metadata"]["sys:shared_redirect"]))
        }).collect();
        assert_eq!(told, [
            ("a".to_owned(), 1, format!("cloudreve://{folder}@share")),
            ("Saved".to_owned(), 1, format!("cloudreve://{open}@share")),
            ("one.txt".to_owned(), 0, format!("cloudreve://{file}@share")),
        ]);
        // What is told is what opens.
        let path = text(&listed["files"][2]["path"]);
        assert_eq!(drive.as_user(&bobs, Method::POST, "/file/url", json!({"uris": [path]})).await["code"], 0);
        assert_eq!(data(drive.get(with_me).await)["files"], json!([]), "one's own shares are no news");
        assert_eq!(drive.call(Method::DELETE, &format!("/share/{folder}"), json!({})).await["code"], 0);
        assert_eq!(names(&data(drive.as_user(&bobs, Method::GET, with_me, json!({})).await)), ["Saved", "one.txt"]);
        assert_eq!(drive.guest_get(with_me).await["code"], 401);
        // A shortcut is no folder to be shared, and leads nowhere but to shares.
        let share = json!({"uri": "cloudreve://my/Saved"});
        assert_eq!(drive.as_user(&bobs, Method::PUT, "/share", share).await["code"], 403);
        for to in ["cloudreve://my/a", "https://elsewhere", "x"] {
            let save = json!({"uri": "cloudreve://my/Odd", "type": "folder", "metadata": {"sys:shared_redirect": to}});
            assert_eq!(drive.as_user(&bobs, Method::POST, "/file/create", save).await["code"], 40001, "{to}");
        }
        let odd = json!({"uri": "cloudreve://my/Odd", "type": "folder", "metadata": {"sys:restore_uri": "x"}});
        assert_eq!(drive.as_user(&bobs, Method::POST, "/file/create", odd).await["code"], 403);
        assert_eq!(drive.as_user(&bobs, Method::GET, "/file/info?uri=cloudreve%3A%2F%2Fmy%2FOdd", json!({})).await["code"], 40016);
    }

    async fn the_trash_tells_where_things_lay_and_gives_them_back(backend: Backend) {
        let drive = Drive::new(&backend).await;
        for name in ["a/note.txt", "b/note.txt"] {
            drive.put(&format!("cloudreve://my/{name}"), name).await;
        }
        let both = json!({"uris": ["cloudreve://my/a/note.txt", "cloudreve://my/b/note.txt"]});
        assert_eq!(drive.call(Method::DELETE, "/file", both).await["code"], 0);
        let trash = drive.list("cloudreve://trash", "").await;
        assert_eq!(names(&trash), ["note.txt", "note.txt"]);
        let me = text(&data(drive.get("/user/me").await)["id"]);
        let mut from: Vec<String> =
            trash["files"].as_array().unwrap().iter().map(|file| text(&file["metadata"]["sys:restore_uri"])).collect();
        from.sort();
        assert_eq!(from, [format!("cloudreve://{me}@my/a/note.txt"), format!("cloudreve://{me}@my/b/note.txt")]);
        let paths: Vec<String> = trash["files"].as_array().unwrap().iter().map(|file| text(&file["path"])).collect();
        let restore = json!({"uris": [&paths[0], "cloudreve://trash/none", "cloudreve://my/a"]});
        let partly = drive.call(Method::POST, "/file/restore", restore).await;
        assert_eq!((&partly["code"], partly["aggregated_error"].as_object().unwrap().len()), (&json!(40081), 2));
        assert_eq!(names(&drive.list("cloudreve://trash", "").await).len(), 1);
        let gone = json!({"uris": [&paths[1], "cloudreve://trash/none"]});
        assert_eq!(drive.call(Method::DELETE, "/file", gone).await["aggregated_error"].as_object().unwrap().len(), 1);
        assert!(names(&drive.list("cloudreve://trash", "").await).is_empty());
    }

    async fn direct_links_come_in_order_and_in_part(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let uris: Vec<String> = (0..4).map(|n| format!("cloudreve://my/{n}.txt")).collect();
        for uri in &uris {
            drive.put(uri, uri).await;
        }
        let made = data(drive.call(Method::PUT, "/file/source", json!({"uris": [&uris[2], &uris[0], &uris[3]]})).await);
        let of: Vec<&Value> = made.as_array().unwrap().iter().map(|link| &link["file_url"]).collect();
        assert_eq!(of, [&uris[2], &uris[0], &uris[3]]);
        let partly = drive.call(Method::PUT, "/file/source", json!({"uris": [&uris[1], "cloudreve://my/none", &uris[0]]})).await;
        assert_eq!((&partly["code"], partly["data"].as_array().unwrap().len()), (&json!(40081), 2), "{partly}");
        assert_eq!(partly["aggregated_error"]["cloudreve://my/none"]["code"], 40016);
        assert_eq!(partly["data"][1]["link"], made[1]["link"], "one link to a file");
        let none = drive.call(Method::PUT, "/file/source", json!({"uris": ["cloudreve://my/none"]})).await;
        assert_eq!((&none["code"], none.get("data")), (&json!(40081), None));
        let many: Vec<&String> = std::iter::repeat_n(&uris[0], 101).collect();
        assert_eq!(drive.call(Method::PUT, "/file/source", json!({"uris": many})).await["code"], 40014);
        let share = drive.share(json!({"uri": "cloudreve://my/0.txt"})).await;
        let others = json!({"uris": [format!("cloudreve://{share}@share/0.txt")]});
        assert_eq!(drive.call(Method::PUT, "/file/source", others).await["aggregated_error"].as_object().unwrap().values().next().unwrap()["code"], 40082);
        let link = text(&made[0]["link"]).replacen("/f/", "/f/d/", 1);
        let led = drive.client.get(&link).send().await.unwrap();
        let url = led.headers()["location"].to_str().unwrap().to_owned();
        let got = drive.client.get(&url).send().await.unwrap();
        assert!(got.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
        let bob = drive.server.add_user("bob");
        let bobs = text(&drive.sign_in(&bob.name).await["token"]["access_token"]);
        let id = link.rsplit('/').nth(1).unwrap();
        assert_eq!(drive.as_user(&bobs, Method::DELETE, &format!("/file/source/{id}"), json!({})).await["code"], 404);
        assert_eq!(drive.client.get(&url).send().await.unwrap().status(), 200);
        let missing = drive.client.get(format!("{}/f/lNone/x", drive.server.url)).send().await.unwrap();
        assert_eq!((missing.status().as_u16(), missing.json::<Value>().await.unwrap()["code"].clone()), (404, json!(404)));
    }

    async fn an_address_of_content_is_what_the_protocol_says_it_is(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let ask = async |body: Value| drive.call(Method::POST, "/file/url", body).await;
        let answer = data(ask(json!({"uris": [OPEN_TXT], "no_cache": true, "use_primary_site_url": true})).await);
        let url = text(&answer["urls"][0]["url"]);
        assert!(text(&answer["expires"]).parse::<jiff::Timestamp>().is_ok());
        assert!(url.contains("/0/open.txt?sign="), "no speed limit: {url}");
        let got = drive.client.get(&url).header("origin", "https://elsewhere.example").send().await.unwrap();
        let header = |name: &str| got.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("access-control-allow-origin"), "*");
        assert!(header("content-security-policy").starts_with("sandbox"));
        assert!(header("content-disposition").starts_with("inline"));
        let etag = header("etag");
        for (name, value, status) in [("if-none-match", etag.as_str(), 304), ("range", "bytes=1-2", 206), ("range", "bytes=9-", 416)] {
            assert_eq!(drive.client.get(&url).header(name, value).send().await.unwrap().status(), status, "{name}: {value}");
        }
        let same = drive.client.get(&url).header("range", "bytes=1-2").header("if-range", &etag);
        assert_eq!(same.send().await.unwrap().status(), 206);
        let another = drive.client.get(&url).header("range", "bytes=1-2").header("if-range", "\"another\"");
        assert_eq!(another.send().await.unwrap().status(), 200);
        let with_token = drive.client.get(&url).bearer_auth("any.thing.else").send().await.unwrap();
        assert_eq!(with_token.status(), 200, "clients send theirs along");
        assert_eq!(drive.client.head(&url).send().await.unwrap().headers()["content-length"], "4");
        assert_eq!(drive.client.get(url.replacen("/0/open", "/9000000/open", 1)).send().await.unwrap().status(), 404);

        let redirect = drive.send(Some(&drive.token), Method::POST, "/file/url", Some(json!({"uris": [OPEN_TXT], "redirect": true}))).await;
        assert_eq!(redirect.status(), 302);
        assert_eq!(ask(json!({"uris": [OPEN_TXT, OPEN_TXT], "entity": "x"})).await["code"], 40001);
        assert_eq!(ask(json!({"uris": [OPEN_TXT], "entity": "x"})).await["code"], 403, "who may only read has no versions");
        let own = drive.put("cloudreve://my/x.txt", "x").await;
        assert_eq!(ask(json!({"uris": ["cloudreve://my/x.txt"], "entity": own["primary_entity"]})).await["code"], 0);
        assert_eq!(ask(json!({"uris": ["cloudreve://my/x.txt"], "entity": "x"})).await["code"], 40077);
        assert_eq!(ask(json!({"uris": []})).await["code"], 40001);
    }

    async fn an_address_past_its_time_and_one_that_nobody_signed_say_so_by_their_own_codes(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let id = drive.share(json!({"uri": SHELF})).await;
        let signed = async |uri: &str, archive: bool| {
            let answer = data(drive.call(Method::POST, "/file/url", json!({"uris": [uri], "archive": archive})).await);
            text(&answer["urls"][0]["url"])
        };
        // Status, and the code of an envelope where it is one.
        let open = async |url: &str| {
            let answer = drive.client.get(url).send().await.unwrap();
            let (status, body) = (answer.status().as_u16(), answer.bytes().await.unwrap());
            (status, serde_json::from_slice::<Value>(&body).map_or(0, |envelope| envelope["code"].as_u64().unwrap()))
        };
        let shared = format!("cloudreve://{id}@share/pub/open.txt");
        for (uri, archive) in [(OPEN_TXT, false), (&shared, false), (SHELF, true), (&format!("cloudreve://{id}@share"), true)] {
            let url = signed(uri, archive).await;
            let (path, sign) = url.split_once("?sign=").unwrap();
            let expires_s = claims_of(sign)["expires_s"].as_i64().unwrap();
            assert!((3590..=3600).contains(&(expires_s - openshelf::now_ms() / 1000)), "an hour: {expires_s}");
            let lasting_until = |expires_s: i64| {
                let mut claims = claims_of(sign);
                claims["expires_s"] = json!(expires_s);
                format!("{path}?sign={}", drive.server.app.keys.jwt(Purpose::SignedUrl, &claims))
            };
            let now_s = openshelf::now_ms() / 1000;
            assert_eq!(open(&url).await, (200, 0), "{uri}");
            assert_eq!(open(&lasting_until(now_s + 60)).await, (200, 0), "{uri}");
            for past_s in [now_s - 1, 0, -1] {
                assert_eq!(open(&lasting_until(past_s)).await, (404, 40005), "{uri} until {past_s}");
            }
            let (start, rest) = path.split_once("/file/").unwrap();
            let (kind, of) = rest.split_once('/').unwrap();
            let foreign = drive.server.app.keys.jwt(Purpose::Token, &claims_of(sign));
            for odd in [
                path.to_owned(), format!("{path}?sign="), format!("{path}?sign=a.b.c"), format!("{path}?sign={foreign}"),
                format!("{path}?sign={}", unsigned(sign)), format!("{start}/file/{kind}/x{of}?sign={sign}"),
            ] {
                assert_eq!(open(&odd).await, (404, 40071), "{odd}");
            }
        }
    }

    async fn a_shares_own_rate_stands_in_its_addresses_and_holds(backend: Backend) {
        let drive = Drive::new(&backend).await;
        drive.put("cloudreve://my/slow.bin", &"x".repeat(60_000)).await;
        let id = drive.share(json!({"uri": "cloudreve://my/slow.bin"})).await;
        let set = "UPDATE share SET rate_bytes_s = 40000 WHERE public_id = $1";
        let share = id.clone();
        drive.server.app.db.write(move |tx| tx.run(set, args![share])).await.unwrap();
        let url = text(&data(drive.guest_url(&format!("cloudreve://{id}@share/slow.bin")).await)["urls"][0]["url"]);
        assert!(url.contains("/40000/slow.bin?sign="), "{url}");
        let began = std::time::Instant::now();
        assert_eq!(drive.client.get(&url).send().await.unwrap().bytes().await.unwrap().len(), 60_000);
        assert!(began.elapsed().as_millis() > 1000, "{:?}", began.elapsed());
        let faster = url.replacen("/40000/", "/0/", 1);
        assert_eq!(drive.client.get(faster).send().await.unwrap().status(), 404, "the signature covers it");
    }

    async fn a_client_that_found_no_picture_is_not_offered_one_again(backend: Backend) {
        let drive = Drive::new(&backend).await;
        drive.put("cloudreve://my/a.png", "whether one can be made shows when it is fetched").await;
        let thumb = async || drive.get(&format!("/file/thumb?uri={}", encoded("cloudreve://my/a.png"))).await["code"].clone();
        assert_eq!(thumb().await, 0);
        let patch = |remove: bool| json!({"uris": ["cloudreve://my/a.png"], "patches": [{"key": "thumb:disabled", "value": "", "remove": remove}]});
        assert_eq!(drive.call(Method::PATCH, "/file/metadata", patch(false)).await["code"], 0);
        assert_eq!(thumb().await, 40077);
        assert_eq!(drive.call(Method::PATCH, "/file/metadata", patch(true)).await["code"], 0);
        assert_eq!(thumb().await, 0);
    }

    async fn viewers_are_told_and_a_session_of_one_opens_nothing_more(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let site = data(drive.guest_get("/site/config/explorer").await);
        assert_eq!(site["default_viewer_mapping"]["md"], "markdown");
        let viewers = site["file_viewers"][0]["viewers"].as_array().unwrap();
        assert!(viewers.iter().all(|viewer| viewer["type"] == "builtin"));
        drive.put("cloudreve://my/a.txt", "x").await;
        let ask = |uri: &str, viewer: &str, action: &str| json!({"uri": uri, "version": null, "viewer_id": viewer, "preferred_action": action});
        let opened = data(drive.call(Method::PUT, "/file/viewerSession", ask("cloudreve://my/a.txt", "monaco", "edit")).await);
        let session = &opened["session"];
        assert!(session["expires"].as_i64().unwrap() > 1_600_000_000_000, "milliseconds: {session}");
        assert!(opened.get("wopi_src").is_none());
        let token = text(&session["access_token"]);
        let me = envelope(drive.send(Some(&token), Method::GET, "/user/me", None).await).await;
        assert_eq!(me["code"], 401);
        let id = drive.share(json!({"uri": "cloudreve://my/a.txt", "downloads": 1})).await;
        let shared = format!("cloudreve://{id}@share/a.txt");
        let guests = async |body: Value| drive.guest(Method::PUT, "/file/viewerSession", body).await["code"].clone();
        assert_eq!(guests(ask(&shared, "monaco", "view")).await, 0);
        assert_eq!(guests(ask(&shared, "monaco", "edit")).await, 403);
        assert_eq!(guests(ask(&format!("cloudreve://{id}@share"), "monaco", "edit")).await, 403);
        assert_eq!(guests(ask("cloudreve://my/a.txt", "monaco", "view")).await, 401);
        assert_eq!(data(drive.guest_get(&format!("/share/info/{id}")).await)["remain_downloads"], 1, "it spends nothing");
        let writable = drive.share(json!({"uri": "cloudreve://my/a.txt", "permissions": {"everyone": "Aw=="}})).await;
        for uri in [format!("cloudreve://{writable}@share"), format!("cloudreve://{writable}@share/a.txt")] {
            assert_eq!(guests(ask(&uri, "monaco", "edit")).await, 0, "who may write may open it to write: {uri}");
        }
        for (uri, viewer, action, code) in [
            ("cloudreve://my/a.txt", "office", "view", 40001), ("cloudreve://my/a.txt", "monaco", "print", 40001),
            ("cloudreve://my", "monaco", "view", 40016), (SHELF, "monaco", "view", 40016), (OPEN_TXT, "monaco", "edit", 403),
        ] {
            assert_eq!(drive.call(Method::PUT, "/file/viewerSession", ask(uri, viewer, action)).await["code"], code, "{uri} {viewer} {action}");
        }
    }

    async fn batches_tell_what_failed_and_do_the_rest(backend: Backend) {
        let drive = Drive::new(&backend).await;
        for name in ["a", "b"] {
            drive.put(&format!("cloudreve://my/{name}.txt"), name).await;
        }
        drive.make_folder("cloudreve://my/to").await;
        drive.put("cloudreve://my/to/b.txt", "there").await;
        let moved = json!({"uris": ["cloudreve://my/a.txt", "cloudreve://my/b.txt", "cloudreve://my/none", "nothing", "cloudreve://my"], "dst": "cloudreve://my/to"});
        let partly = drive.call(Method::POST, "/file/move", moved).await;
        let codes: Vec<(String, i64)> = partly["aggregated_error"].as_object().unwrap().iter()
            .map(|(uri, inner)| (uri.clone(), inner["code"].as_i64().unwrap())).collect();
        assert_eq!(codes, [
            ("cloudreve://my".to_owned(), 40053), ("cloudreve://my/b.txt".to_owned(), 40004),
            ("cloudreve://my/none".to_owned(), 40016), ("nothing".to_owned(), 40001),
        ]);
        assert!(partly["correlation_id"].is_string());
        assert_eq!(names(&drive.list("cloudreve://my/to", "").await), ["a.txt", "b.txt"]);
        let many: Vec<&str> = std::iter::repeat_n("cloudreve://my/a.txt", 3001).collect();
        for (method, path) in [(Method::DELETE, "/file"), (Method::POST, "/file/restore"), (Method::PUT, "/file/source")] {
            assert_eq!(drive.call(method, path, json!({"uris": many})).await["code"], 40074, "{path}");
        }
        let patches = json!([{"key": "tag:x", "value": ""}]);
        assert_eq!(drive.call(Method::PATCH, "/file/metadata", json!({"uris": many, "patches": patches})).await["code"], 40074);
        assert_eq!(drive.call(Method::POST, "/file/move", json!({"uris": many, "dst": "cloudreve://my/to"})).await["code"], 40074);
    }
}
