//! What clients of Cloudreve hold a server to, each fact by the client that trips over it.
//!
//! Facts that other tests show: a locked share is `unlocked:false` and its files 40069 (`a_share_tells_its_owner_all_…`,
//! `a_guest_lists_and_downloads_…`); a share of one file shows that file, and its `source_uri` is the folder
//! (`a_share_of_one_file_…`); one download of a limit of one (`each_address_of_a_limited_share_…`); no edit changes a password
//! (`an_edit_clears_its_limits_…`); pages are full and tokens may be empty (`pages_are_full_and_stable_…`); a bad token makes a
//! guest (`a_broken_token_…`); addresses are inline unless a download was asked for (`an_address_of_content_…`); times of
//! viewer sessions are milliseconds (`viewers_are_told_…`).

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::ControlFlow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use openshelf::media::unpack::{Archive, Entry, EntryKind, How, Opened, Source};
use reqwest::Method;
use serde_json::{Value, json};

use crate::both_engines;
use crate::cloudreve::{Drive, OPEN_TXT, SHELF, data, encoded, envelope, names, text};
use crate::server::{ADMIN_MAIL, PASSWORD};

fn bits(value: &Value) -> Vec<usize> {
    let bytes = STANDARD.decode(text(value)).expect("standard base64 with its padding");
    (0..bytes.len() * 8).filter(|bit| bytes[bit / 8] & (1 << (bit % 8)) != 0).collect()
}

/// The files of an archive and what they hold; folders are left out.
fn unzipped(zip: &[u8]) -> BTreeMap<String, String> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(zip).unwrap();
    let (how, mut files) = (How::default(), BTreeMap::new());
    let archive = Archive::open(Source::new(file).unwrap(), &how).unwrap();
    let mut visit = |entry: &Entry, content: Opened| {
        if entry.kind == EntryKind::File {
            let mut text = String::new();
            content.unwrap_or_else(|trouble| panic!("{}: {trouble}", entry.name)).read_to_string(&mut text).unwrap();
            files.insert(entry.name.clone(), text);
        }
        ControlFlow::Continue(())
    };
    archive.each(&how, &mut visit).unwrap();
    files
}

both_engines! {
    async fn sdk_contract_of_share_limits(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let id = drive.share(json!({"uri": OPEN_TXT, "downloads": 5, "expire": 600})).await;
        let edit = json!({"uri": OPEN_TXT, "downloads": 0, "expire": 0});
        assert_eq!(drive.call(Method::POST, &format!("/share/{id}"), edit).await["code"], 0);
        let info = data(drive.guest_get(&format!("/share/info/{id}")).await);
        assert!(info.get("expires").is_none() && info.get("remain_downloads").is_none(), "zeros clear both: {info}");

        let short = drive.share(json!({"uri": OPEN_TXT, "expire": 5})).await;
        assert_eq!(drive.guest_url(&format!("cloudreve://{short}@share/open.txt")).await["code"], 0);
        tokio::time::sleep(std::time::Duration::from_millis(5500)).await;
        assert_eq!(drive.guest_url(&format!("cloudreve://{short}@share/open.txt")).await["code"], 404);
        assert_eq!(drive.guest_get(&format!("/share/info/{short}")).await["code"], 404);
        let mine = data(drive.get("/share?page_size=10").await);
        assert_eq!((&mine["shares"][0]["id"], &mine["shares"][0]["expired"]), (&json!(short), &json!(true)));
    }

    async fn sdk_contract_of_a_guests_archive(backend: Backend) {
        let drive = Drive::new(&backend).await;
        for name in ["a/one.txt", "a/b/two.txt"] {
            drive.put(&format!("cloudreve://my/{name}"), name).await;
        }
        let id = drive.share(json!({"uri": "cloudreve://my/a"})).await;
        let uris = json!([format!("cloudreve://{id}@share/one.txt"), format!("cloudreve://{id}@share/b")]);
        let urls = data(drive.guest(Method::POST, "/file/url", json!({"uris": uris, "archive": true})).await);
        assert_eq!(urls["urls"].as_array().unwrap().len(), 1, "one address for all");
        let zip = drive.client.get(text(&urls["urls"][0]["url"])).send().await.unwrap().bytes().await.unwrap();
        let expected = [("b/two.txt", "a/b/two.txt"), ("one.txt", "a/one.txt")];
        assert_eq!(unzipped(&zip), expected.map(|(name, content)| (name.to_owned(), content.to_owned())).into(), "what lies in folders too");
    }

    async fn every_answer_is_an_envelope_with_its_code_and_message(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let done = drive.call(Method::POST, "/file/create", json!({"uri": "cloudreve://my/a", "type": "folder"})).await;
        assert_eq!((&done["code"], &done["msg"]), (&json!(0), &json!("")));
        let gone = drive.call(Method::DELETE, "/file", json!({"uris": ["cloudreve://my/a"]})).await;
        assert_eq!((gone.get("data"), &gone["msg"]), (None, &json!("")), "a success without data has none");
        let refused = drive.get("/file/info?uri=cloudreve%3A%2F%2Fmy%2Fnone").await;
        assert!(refused["code"] == 40016 && !text(&refused["msg"]).is_empty() && refused["correlation_id"].is_string());
        let id = "3f0c2a52-0b1e-4c57-9d0e-2b7d1f3a9c11";
        let asked = drive.client.get(format!("{}/api/v4/file/info?uri=x", drive.server.url));
        let answer = envelope(asked.bearer_auth(&drive.token).header("x-cr-correlation-id", id).send().await.unwrap()).await;
        assert_eq!(answer["correlation_id"], id);
        for path in ["/site/config/basic", "/user/me", "/file/info?uri=x", "/share/info/none", "/no/such/call"] {
            let answer = drive.send(Some(&drive.token), Method::GET, path, None).await;
            assert_eq!(answer.headers()["cache-control"], "private, no-cache", "{path}");
        }
    }

    async fn the_python_sdk_sends_nulls_unknown_fields_and_its_own_booleans(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let nulls = json!({"uri": OPEN_TXT, "is_private": null, "downloads": null, "expire": null, "password": null, "share_view": null, "show_readme": null, "from": "the future"});
        assert!(drive.call(Method::PUT, "/share", nulls).await["data"].is_string());
        drive.put("cloudreve://my/x.txt", "x").await;
        let info = data(drive.get(&format!("/file/info?extended=True&folder_summary=False&uri={}", encoded("cloudreve://my/x.txt"))).await);
        assert!(info["extended_info"].is_object());
        let listed = drive.list(SHELF, "&page=0&page_size=50&order_by=name&order=desc").await;
        assert_eq!(listed["storage_policy"]["type"], "local");
        let upload = json!({"uri": "cloudreve://my/up.bin", "size": 0, "policy_id": "local", "last_modified": null, "mime_type": null, "metadata": null, "entity_type": null});
        let begun = data(drive.call(Method::PUT, "/file/upload", upload).await);
        assert!(begun["chunk_size"].as_u64().unwrap() > 0, "else it sends nothing");
        assert!((1_500_000_000..10_000_000_000).contains(&begun["expires"].as_i64().unwrap()), "seconds: {begun}");
        assert_eq!(drive.chunk(&text(&begun["session_id"]), "0", "").await["code"], 0, "a file of no bytes is one empty chunk");
        let gone = json!({"uris": ["cloudreve://my/up.bin"], "unlink": false, "skip_soft_delete": false, "trash_bin": true});
        assert_eq!(drive.call(Method::DELETE, "/file", gone).await["code"], 0);
    }

    async fn openlist_mounts_lists_and_writes(backend: Backend) {
        let drive = Drive::new(&backend).await;
        assert_eq!(data(drive.guest_get("/site/config/login").await)["login_captcha"], false);
        let prepared = data(drive.guest_get(&format!("/session/prepare?email={ADMIN_MAIL}")).await);
        assert_eq!((&prepared["webauthn_enabled"], &prepared["password_enabled"]), (&json!(false), &json!(true)), "it gives up at passkeys");
        let signed = data(drive.guest(Method::POST, "/session/token", json!({"email": ADMIN_MAIL, "password": PASSWORD})).await);
        let token = text(&signed["token"]["access_token"]);
        let parts: Vec<&str> = token.split('.').collect();
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
        assert!(parts.len() == 3 && claims["exp"].as_i64().unwrap() * 1000 > openshelf::now_ms() + 600_000, "more than ten minutes");
        for n in 0..205 {
            let make = json!({"uri": format!("cloudreve://my/Many/{n}"), "type": "file", "error_on_conflict": true});
            assert_eq!(drive.call(Method::POST, "/file/create", make).await["code"], 0);
        }
        // It stops at the first page that is not full.
        let (mut seen, mut token) = (0, String::new());
        loop {
            let page = drive.list("cloudreve://my/Many", &format!("&page=0&page_size=100&order_by=&order_direction=asc&next_page_token={token}")).await;
            let count = page["files"].as_array().unwrap().len();
            seen += count;
            let Some(next) = page["pagination"]["next_token"].as_str().filter(|_| count == 100) else { break };
            token = next.to_owned();
        }
        assert_eq!(seen, 205);
        let again = json!({"uri": "cloudreve://my/Many", "type": "folder", "error_on_conflict": true});
        assert_eq!(drive.call(Method::POST, "/file/create", again).await["code"], 0, "a folder that is there is answered");
        let strict = json!({"uri": "cloudreve://my/Many", "type": "folder", "err_on_conflict": true});
        assert_eq!(drive.call(Method::POST, "/file/create", strict).await["code"], 40004);
        let urls = data(drive.call(Method::POST, "/file/url", json!({"uris": ["cloudreve://my/Many/7"], "download": true})).await);
        assert!(text(&urls["expires"]).parse::<jiff::Timestamp>().is_ok());
        let gone = json!({"uris": ["cloudreve://my/Many"], "unlink": false, "skip_soft_delete": true});
        assert_eq!(drive.call(Method::DELETE, "/file", gone).await["code"], 0);
        assert_eq!(drive.get("/file?uri=cloudreve%3A%2F%2Fmy%2FMany").await["code"], 40016);
        // A share is mounted by nobody in particular.
        let id = drive.share(json!({"uri": SHELF})).await;
        let listed = data(drive.guest_get(&format!("/file?uri={}&page=0&page_size=100", encoded(&format!("cloudreve://{id}@share")))).await);
        assert!(names(&listed).contains(&"README.md".to_owned()));
        // Of a locked one the root path holds the password, and what is listed leads on with it.
        let id = drive.share(json!({"uri": SHELF, "is_private": true, "password": "Word1"})).await;
        let mount = async |root: &str| drive.guest_get(&format!("/file?uri={}&page=0&page_size=100", encoded(root))).await;
        for root in [format!("cloudreve://{id}@share"), format!("cloudreve://{id}:wrong@share")] {
            assert_eq!(mount(&root).await["code"], 40069, "{root}");
        }
        let listed = data(mount(&format!("cloudreve://{id}:Word1@share")).await);
        let folder = listed["files"].as_array().unwrap().iter().find(|file| file["name"] == "pub").expect("the folder");
        let inside = data(mount(&text(&folder["path"])).await);
        let urls = data(drive.guest_url(&text(&inside["files"][0]["path"])).await);
        assert_eq!(drive.client.get(text(&urls["urls"][0]["url"])).send().await.unwrap().text().await.unwrap(), "open");
    }

    async fn the_official_interface_as_a_guest_of_a_share(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let guest = data(drive.guest_get("/site/config/basic").await)["user"].clone();
        assert!(bits(&guest["group"]["permission"]).contains(&7), "guests open shares: {guest}");
        let themes = data(drive.guest_get("/site/config/basic").await);
        let themes = (text(&themes["themes"]), text(&themes["default_theme"]));
        assert!(serde_json::from_str::<Value>(&themes.0).unwrap().get(&themes.1).is_some(), "JSON within a string");
        let icons = text(&data(drive.guest_get("/site/config/explorer").await)["icons"]);
        assert!(serde_json::from_str::<Value>(&icons).unwrap().is_array(), "and so are these: {icons}");
        assert_eq!(drive.guest_get("/site/config/basic").await, drive.guest_get("/site/config/of_the_future").await);
        let id = drive.share(json!({"uri": SHELF, "show_readme": true, "is_private": true, "password": "Word1"})).await;
        assert!(id.bytes().all(|b| b.is_ascii_alphanumeric()), "ids survive browsers' URL parsers");
        for query in ["?password=Word1", "?password=Word1&count_views=true"] {
            assert_eq!(data(drive.guest_get(&format!("/share/info/{id}{query}")).await)["show_readme"], true);
        }
        let root = format!("cloudreve://{id}:Word1@share");
        // A stale token of another session is a guest's.
        let path = format!("/file?uri={}", encoded(&root));
        let listed = data(envelope(drive.send(Some("not.a.token"), Method::GET, &path, None).await).await);
        let may = bits(&listed["props"]["capability"]);
        assert_eq!(may, [7, 9, 10, 19, 23], "guests lock nothing and see no versions");
        assert!(listed["context_hint"].is_null() && listed["parent"].is_object());
        for file in listed["files"].as_array().unwrap() {
            let code = drive.guest_get(&format!("/file/thumb?uri={}", encoded(&text(&file["path"])))).await["code"].clone();
            assert!(![json!(401), json!(40020)].contains(&code), "an optional call never signs a guest out: {code}");
        }
        // What the owner may do more, their own address tells.
        let own = drive.list("cloudreve://my", "").await;
        assert_eq!(bits(&own["props"]["capability"]), [0, 1, 6, 7, 8, 9, 10, 14, 15, 16, 18, 19, 20, 23, 24]);
        assert_eq!(bits(&own["parent"]["capability"]), [0, 6, 7, 9, 10, 19, 23, 24], "the root itself stays as it is");
    }

    async fn nobody_is_offered_to_unlink_a_file_which_is_always_refused(backend: Backend) {
        const ADVANCED_DELETE: usize = 12;
        let drive = Drive::new(&backend).await;
        drive.put("cloudreve://my/a.txt", "a").await;
        let me = data(drive.get("/user/me").await);
        assert!(!bits(&me["group"]["permission"]).contains(&ADVANCED_DELETE), "{me}");
        let unlink = json!({"uris": ["cloudreve://my/a.txt"], "unlink": true});
        assert_eq!(drive.call(Method::DELETE, "/file", unlink).await["code"], 40019);
        // Past the trash goes whoever asks for it.
        let purge = json!({"uris": ["cloudreve://my/a.txt"], "skip_soft_delete": true});
        assert_eq!(drive.call(Method::DELETE, "/file", purge).await["code"], 0);
        assert_eq!(names(&drive.list("cloudreve://trash", "").await), [] as [&str; 0]);
    }

    async fn an_owner_needs_no_password_for_their_own_share(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let id = drive.share(json!({"uri": SHELF, "is_private": true, "password": "Word1"})).await;
        for query in ["", "&password=wrong", "&password=Word1"] {
            let info = data(drive.get(&format!("/share/info/{id}?owner_extended=true{query}")).await);
            assert!(text(&info["source_uri"]).ends_with("@my/Shelf"));
        }
        for uri in [format!("cloudreve://{id}@share"), format!("cloudreve://{id}:wrong@share")] {
            assert_eq!(drive.get(&format!("/file?uri={}", encoded(&uri))).await["code"], 0);
        }
    }

    async fn a_preview_is_a_download_of_a_limited_share(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let id = drive.share(json!({"uri": SHELF, "downloads": 2, "show_readme": true})).await;
        let readme = json!({"uris": [format!("cloudreve://{id}@share/README.md")]});
        let left = async || data(drive.guest_get(&format!("/share/info/{id}")).await)["remain_downloads"].clone();
        assert_eq!(drive.guest(Method::POST, "/file/url", readme).await["code"], 0);
        assert_eq!(left().await, 1, "its bytes leave, whoever opens them");
        data(drive.guest_list(&format!("cloudreve://{id}@share")).await);
        drive.guest_get(&format!("/file/thumb?uri={}", encoded(&format!("cloudreve://{id}@share/README.md")))).await;
        assert_eq!(left().await, 1, "a list and a picture are none");
    }

    async fn a_context_hint_of_before_opens_nothing(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let id = drive.share(json!({"uri": SHELF, "is_private": true, "password": "Word1"})).await;
        let hint = "6f1a9f1e-7a5e-4d0c-9a55-0f5a0c6c1d2e";
        let ask = async |uri: String| {
            let asked = drive.client.get(format!("{}/api/v4/file?uri={}", drive.server.url, encoded(&uri)));
            envelope(asked.header("x-cr-context-hint", hint).send().await.unwrap()).await["code"].clone()
        };
        assert_eq!(ask(format!("cloudreve://{id}:Word1@share")).await, 0);
        assert_eq!(ask(format!("cloudreve://{id}@share")).await, 40069, "each request is judged by itself");
        assert_eq!(drive.call(Method::DELETE, &format!("/share/{id}"), json!({})).await["code"], 0);
        assert_eq!(ask(format!("cloudreve://{id}:Word1@share")).await, 404);
    }

    async fn lists_of_shares_take_ten_to_a_hundred(backend: Backend) {
        let drive = Drive::new(&backend).await;
        for _ in 0..101 {
            drive.share(json!({"uri": OPEN_TXT})).await;
        }
        for (asked, told) in [("1", 10), ("50", 50), ("100", 100), ("9999", 100)] {
            let page = data(drive.get(&format!("/share?page_size={asked}&order_direction=desc&next_page_token=")).await);
            assert_eq!((page["shares"].as_array().unwrap().len(), &page["pagination"]["page_size"]), (told, &json!(told)), "{asked}");
            assert!(page["pagination"]["next_token"].is_string(), "{asked}: {}", page["pagination"]);
        }
    }

    async fn a_name_that_is_none_has_a_code_of_its_own(backend: Backend) {
        let drive = Drive::new(&backend).await;
        drive.put("cloudreve://my/a.txt", "a").await;
        let long = "x".repeat(300);
        for name in ["x/y", "..", "a\nb", long.as_str(), ".hidden"] {
            let rename = json!({"uri": "cloudreve://my/a.txt", "new_name": name});
            assert_eq!(drive.call(Method::POST, "/file/rename", rename).await["code"], 40052, "{name}");
        }
        for name in ["a%0Ab", long.as_str(), ".hidden"] {
            let uri = format!("cloudreve://my/{name}");
            assert_eq!(drive.call(Method::PUT, "/file/upload", json!({"uri": uri, "size": 1})).await["code"], 40052, "{name}");
            assert_eq!(drive.put_over(&uri, "x", None).await["code"], 40052, "{name}");
            for kind in ["file", "folder"] {
                let create = json!({"uri": uri, "type": kind});
                assert_eq!(drive.call(Method::POST, "/file/create", create).await["code"], 40052, "{kind} {name}");
            }
        }
        assert_eq!(names(&drive.list("cloudreve://my", "&order_by=name").await), ["Shelf", "a.txt"]);
        let app = json!({"uri": "cloudreve://my", "name": "\n"});
        assert_eq!(drive.call(Method::PUT, "/devices/dav", app).await["code"], 40001, "what is no file has no file's name");
    }

    async fn what_is_to_be_made_and_is_there_already_is_answered(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let there = drive.put("cloudreve://my/a/one.txt", "one").await;
        let create = |uri: &str, kind: &str, strict: bool| json!({"uri": uri, "type": kind, "err_on_conflict": strict});
        let again = data(drive.call(Method::POST, "/file/create", create("cloudreve://my/a/one.txt", "file", false)).await);
        assert_eq!((&again["id"], &again["size"]), (&there["id"], &json!(3)), "nothing of it was touched");
        for (uri, kind, strict) in [
            ("cloudreve://my/a/one.txt", "file", true), ("cloudreve://my/a/one.txt", "folder", false), ("cloudreve://my/a", "file", false),
        ] {
            assert_eq!(drive.call(Method::POST, "/file/create", create(uri, kind, strict)).await["code"], 40004, "{uri} {kind}");
        }
        std::os::unix::fs::symlink("one.txt", drive.home().await.join("a/link.txt")).unwrap();
        let unseen = create("cloudreve://my/a/link.txt", "file", false);
        assert_eq!(drive.call(Method::POST, "/file/create", unseen).await["code"], 40004, "what nobody is shown is in the way");
        let id = drive.share(json!({"uri": "cloudreve://my/a", "permissions": {"everyone": "Dw=="}})).await;
        let shared = format!("cloudreve://{id}@share/one.txt");
        let again = data(drive.guest(Method::POST, "/file/create", create(&shared, "file", false)).await);
        assert_eq!((&again["id"], &again["path"]), (&there["id"], &json!(shared)));
        assert_eq!(drive.guest(Method::POST, "/file/create", create(&shared, "file", true)).await["code"], 40004);
    }

    async fn the_interface_is_told_what_it_can_open_and_make(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let site = data(drive.guest_get("/site/config/explorer").await);
        let viewer = |id: &str| {
            let all = site["file_viewers"][0]["viewers"].as_array().unwrap();
            all.iter().find(|viewer| viewer["id"] == id).unwrap_or_else(|| panic!("no {id}")).clone()
        };
        let archive = json!({"id": "archive", "type": "builtin", "display_name": "fileManager.archivePreview", "exts": ["zip", "7z"]});
        assert_eq!(viewer("archive"), archive);
        for (id, ext) in [("excalidraw", "excalidraw"), ("markdown", "md"), ("monaco", "txt")] {
            assert_eq!(viewer(id)["templates"][0]["ext"], ext);
            assert!(viewer(id)["templates"][0]["display_name"].is_string());
        }
        let emojis = text(&data(drive.guest_get("/site/config/emojis").await)["emoji_preset"]);
        let emojis: std::collections::BTreeMap<String, Vec<String>> = serde_json::from_str(&emojis).unwrap();
        assert!(emojis.len() > 3 && emojis.values().all(|all| all.len() > 10 && all.iter().all(|one| !one.is_ascii())), "{emojis:?}");
        // What is picked there can be noted.
        drive.put("cloudreve://my/a.png", "x").await;
        let one = emojis.values().next().unwrap()[0].clone();
        let patch = json!({"uris": ["cloudreve://my/a.png"], "patches": [{"key": "customize:emoji", "value": one}]});
        assert_eq!(drive.call(Method::PATCH, "/file/metadata", patch).await["code"], 0);
        let thumb = data(drive.get(&format!("/file/thumb?uri={}", encoded("cloudreve://my/a.png"))).await);
        assert_eq!(thumb["obfuscated"], false, "one client insists on it");
    }
}
