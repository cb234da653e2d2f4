//! What Cloudreve's clients see of spaces that are no folders: the trash, what others share, the root, a share's own folder.

use openshelf::args;
use reqwest::Method;
use serde_json::{Value, json};

use crate::both_engines;
use crate::cloudreve::{Drive, data, encoded, envelope, names, text};

const TRASH: &str = "cloudreve://trash";
const WITH_ME: &str = "cloudreve://shared_with_me";

/// Somebody who is signed in beside the admin.
struct Friend<'a> {
    drive: &'a Drive,
    id: String,
    token: String,
}

impl<'a> Friend<'a> {
    async fn of(drive: &'a Drive, name: &str) -> Friend<'a> {
        let id = drive.server.add_user(name).id;
        let token = text(&drive.sign_in(name).await["token"]["access_token"]);
        Friend { drive, id, token }
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> Value {
        envelope(self.drive.send(Some(&self.token), method, path, Some(body)).await).await
    }

    async fn list(&self, uri: &str, more: &str) -> Value {
        data(self.call(Method::GET, &format!("/file?uri={}{more}", encoded(uri)), json!({})).await)
    }
}

impl Drive {
    async fn set_view(&self, uri: &str, view: &Value) -> Value {
        self.call(Method::PATCH, "/file/view", json!({"uri": uri, "view": view})).await["code"].clone()
    }

    async fn throw_away(&self, uris: &[&str]) {
        assert_eq!(self.call(Method::DELETE, "/file", json!({"uris": uris})).await["code"], 0);
    }

    async fn note(&self, uri: &str, key: &str, value: &str) -> Value {
        let patches = json!([{"key": key, "value": value}]);
        self.call(Method::PATCH, "/file/metadata", json!({"uris": [uri], "patches": patches})).await["code"].clone()
    }
}

fn bits(value: &Value) -> Vec<usize> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text(value)).unwrap();
    (0..bytes.len() * 8).filter(|bit| bytes[bit / 8] & (1 << (bit % 8)) != 0).collect()
}

both_engines! {
    async fn each_space_is_looked_at_in_its_own_way(backend: Backend) {
        let drive = Drive::new(&backend).await;
        drive.put("cloudreve://my/a/one.txt", "one").await;
        let view = |order: &str| json!({"page_size": 50, "order": order, "order_direction": "desc", "view": "list"});
        for (uri, order) in [("cloudreve://my", "name"), (TRASH, "size"), (WITH_ME, "updated_at")] {
            assert_eq!(drive.set_view(uri, &view(order)).await, 0, "{uri}");
        }
        for (uri, order) in [("cloudreve://my", "name"), (TRASH, "size"), (WITH_ME, "updated_at")] {
            assert_eq!(drive.list(uri, "").await["view"], view(order), "{uri}");
        }
        assert_eq!(drive.list(TRASH, "").await["pagination"]["page_size"], 50);
        assert_eq!(drive.set_view("cloudreve://my", &Value::Null).await, 0);
        assert!(drive.list("cloudreve://my", "").await.get("view").is_none());
        assert_eq!(drive.list(TRASH, "").await["view"], view("size"), "what is cleared takes nothing else along");
        let synced = |disabled: bool| json!({"disable_view_sync": disabled});
        assert_eq!(drive.call(Method::PATCH, "/user/setting", synced(true)).await["code"], 0);
        assert!(drive.list(TRASH, "").await.get("view").is_none());
        assert_eq!(drive.set_view(WITH_ME, &view("name")).await, 0);
        assert_eq!(drive.call(Method::PATCH, "/user/setting", synced(false)).await["code"], 0);
        assert_eq!(drive.list(TRASH, "").await["view"], view("size"), "it was only not told");

        let share = drive.share(json!({"uri": "cloudreve://my/a"})).await;
        let root = format!("cloudreve://{share}@share");
        assert_eq!(drive.set_view(&root, &view("size")).await, 0, "one's own share is one's own folder");
        assert_eq!(drive.list("cloudreve://my/a", "").await["view"], view("size"));
        assert_eq!(drive.list(&root, "").await["view"], view("size"));
        let bob = Friend::of(&drive, "bob").await;
        let his = bob.call(Method::PATCH, "/file/view", json!({"uri": root, "view": view("name")})).await;
        assert_eq!(his["code"], 403, "visitors do not say how its owner looks at it");
        assert!(bob.list(TRASH, "").await.get("view").is_none(), "bob's trash is bob's");
        for (uri, code) in [("cloudreve://trash/x", 40016), ("cloudreve://shared_with_me/x", 40016), (&format!("{root}/one.txt"), 40016)] {
            assert_eq!(drive.set_view(uri, &view("name")).await, code, "{uri}");
        }
    }

    async fn the_trash_is_searched(backend: Backend) {
        let drive = Drive::new(&backend).await;
        for (name, size) in [("deep/One.txt", 3), ("deep/two.png", 500), ("folder/inside.txt", 1)] {
            drive.put(&format!("cloudreve://my/{name}"), &"x".repeat(size)).await;
        }
        drive.put("cloudreve://my/gr ö/three.txt", "three").await;
        assert_eq!(drive.note("cloudreve://my/deep/two.png", "tag:seen", "#fff").await, 0);
        drive.throw_away(&["cloudreve://my/deep/One.txt", "cloudreve://my/deep/two.png", "cloudreve://my/folder", "cloudreve://my/gr%20%C3%B6/three.txt"]).await;
        let found = async |search: &str| {
            let mut found = names(&drive.list(&format!("{TRASH}?{search}"), "").await);
            found.sort();
            found
        };
        let none = [] as [&str; 0];
        assert_eq!(found("name=One").await, ["One.txt"]);
        assert_eq!(found("name=one").await, none, "letters are told apart");
        assert_eq!(found("name=one&case_folding=").await, ["One.txt"]);
        assert_eq!(found("name=two&name=One&name_op_or=").await, ["One.txt", "two.png"]);
        assert_eq!(found("type=folder").await, ["folder"]);
        assert_eq!(found("type=file").await, ["One.txt", "three.txt", "two.png"]);
        assert_eq!(found("size_gte=4&size_lte=500").await, ["three.txt", "two.png"], "a folder has no size");
        assert_eq!(found("category=image").await, ["two.png"]);
        assert_eq!(found("category=document").await, ["One.txt", "three.txt"]);
        assert_eq!(found("created_lte=1000000000").await, none);
        assert_eq!(found("updated_gte=1000000000").await.len(), 4);
        assert_eq!(found("meta_tag%3Aseen").await, ["two.png"]);
        assert_eq!(found("exact_meta_tag%3Aseen=%23000").await, none);
        // As the interface searches it: by where a thing lay.
        assert_eq!(found("meta_sys%3Arestore_uri=one&case_folding=").await, ["One.txt"]);
        assert_eq!(found("meta_sys%3Arestore_uri=one").await, none);
        assert_eq!(found("meta_sys%3Arestore_uri=deep/").await, ["One.txt", "two.png"]);
        assert_eq!(found("meta_sys%3Arestore_uri=gr%20%C3%B6").await, ["three.txt"], "names are not searched as they are encoded");
        assert_eq!(found("meta_sys%3Arestore_uri=two&name=One&use_or=").await, ["One.txt", "two.png"]);
        let page = drive.list(&format!("{TRASH}?type=file"), "&page_size=2").await;
        let next = drive.list(&format!("{TRASH}?type=file"), &format!("&page_size=2&next_page_token={}", text(&page["pagination"]["next_token"]))).await;
        assert_eq!((names(&page).len(), names(&next).len()), (2, 1));
        let bob = Friend::of(&drive, "bob").await;
        assert_eq!(names(&bob.list(&format!("{TRASH}?name=One"), "").await), none);
    }

    async fn what_lies_in_the_trash_tells_of_itself(backend: Backend) {
        let drive = Drive::new(&backend).await;
        drive.put("cloudreve://my/a/note.txt", "12345").await;
        drive.throw_away(&["cloudreve://my/a/note.txt"]).await;
        let entry = drive.list(TRASH, "").await["files"][0].clone();
        assert!(bits(&entry["capability"]).contains(&19));
        let path = text(&entry["path"]);
        let info = drive.info(&path).await;
        for field in ["id", "name", "path", "size", "capability", "metadata", "type"] {
            assert_eq!(info[field], entry[field], "{field}");
        }
        assert!(text(&info["metadata"]["sys:restore_uri"]).ends_with("@my/a/note.txt"));
        assert_eq!(info["extended_info"]["storage_used"], 5);
        let root = data(drive.get(&format!("/file/info?uri={}", encoded(TRASH))).await);
        assert_eq!((&root["type"], &root["path"]), (&json!(1), &json!(TRASH)));
        let bob = Friend::of(&drive, "bob").await;
        let ask = format!("/file/info?extended=true&uri={}", encoded(&path));
        assert_eq!(bob.call(Method::GET, &ask, json!({})).await["code"], 40016, "another's trash holds nothing for him");
        for uri in ["cloudreve://trash/none", "cloudreve://trash/a/b"] {
            assert_eq!(drive.get(&format!("/file/info?uri={}", encoded(uri))).await["code"], 40016, "{uri}");
        }
        assert_eq!(drive.guest_get(&ask).await["code"], 401);
    }

    async fn a_share_is_called_as_before_when_its_source_is_thrown_away(backend: Backend) {
        let drive = Drive::new(&backend).await;
        drive.put("cloudreve://my/a/note.txt", "12345").await;
        let (file, folder) = (drive.share(json!({"uri": "cloudreve://my/a/note.txt"})).await, drive.share(json!({"uri": "cloudreve://my/a"})).await);
        drive.throw_away(&["cloudreve://my/a/note.txt", "cloudreve://my/a"]).await;
        let mine = data(drive.get("/share?page_size=10").await)["shares"].clone();
        let of = |id: &str| mine.as_array().unwrap().iter().find(|share| share["id"] == id).unwrap().clone();
        let told = |share: &Value| (share["name"].clone(), share["source_type"].clone(), share["expired"].clone());
        assert_eq!(told(&of(&file)), (json!("note.txt"), json!(0), json!(true)));
        assert_eq!(told(&of(&folder)), (json!("a"), json!(1), json!(true)));
        assert_eq!(drive.guest_get(&format!("/share/info/{file}")).await["code"], 404, "to others it is gone");
    }

    async fn what_others_share_comes_in_pages_and_in_the_asked_order(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let bob = Friend::of(&drive, "bob").await;
        for n in 0..25 {
            drive.put(&format!("cloudreve://my/many/{n:02}.txt"), &"x".repeat(100 - n)).await;
            let permissions = json!({"user_explicit": {bob.id.clone(): "AQ=="}});
            drive.share(json!({"uri": format!("cloudreve://my/many/{n:02}.txt"), "permissions": permissions})).await;
        }
        let saved = json!({
            "uri": "cloudreve://my/Saved", "type": "folder",
            "metadata": {"sys:shared_redirect": "cloudreve://abc@share", "sys:shared_owner": "u1"},
        });
        assert_eq!(bob.call(Method::POST, "/file/create", saved).await["code"], 0);
        let all = async |more: &str| {
            let (mut seen, mut token) = (Vec::new(), String::new());
            loop {
                let after = if token.is_empty() { String::new() } else { format!("&next_page_token={token}") };
                let page = bob.list(WITH_ME, &format!("{more}&page_size=10{after}")).await;
                assert_eq!(page["pagination"]["page_size"], 10);
                seen.extend(names(&page));
                match page["pagination"]["next_token"].as_str() {
                    Some(next) => assert_ne!(std::mem::replace(&mut token, next.to_owned()), next),
                    None => return seen,
                }
            }
        };
        let sorted: Vec<String> = (0..25).map(|n| format!("{n:02}.txt")).collect();
        let folder_first = |files: Vec<String>| [vec!["Saved".to_owned()], files].concat();
        assert_eq!(all("&order_by=name&order_direction=asc").await, folder_first(sorted.clone()));
        let reversed: Vec<String> = sorted.iter().rev().cloned().collect();
        assert_eq!(all("&order_by=name&order_direction=desc").await, folder_first(reversed.clone()));
        assert_eq!(all("&order_by=size&order_direction=asc").await, folder_first(reversed));
        assert_eq!(names(&bob.list(WITH_ME, "&order_by=name&page=2&page_size=10").await), sorted[19..]);
        let whole = bob.list(WITH_ME, "").await;
        assert_eq!((names(&whole).len(), &whole["pagination"]["page_size"]), (26, &json!(100)));
        let odd = format!("/file?uri={}&next_page_token=odd", encoded(WITH_ME));
        assert_eq!(bob.call(Method::GET, &odd, json!({})).await["code"], 40001);
    }

    async fn a_saved_share_keeps_what_its_holder_noted_on_it(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let saved = json!({
            "uri": "cloudreve://my/Saved", "type": "folder",
            "metadata": {"sys:shared_redirect": "cloudreve://abc@share", "sys:shared_owner": "u1"},
        });
        assert_eq!(drive.call(Method::POST, "/file/create", saved).await["code"], 0);
        assert_eq!(drive.note("cloudreve://my/Saved", "tag:later", "#fff").await, 0);
        assert_eq!(drive.note("cloudreve://my/Saved", "customize:icon_color", "#ff0000").await, 0, "as the interface calls it");
        let expected = json!({
            "sys:shared_redirect": "cloudreve://abc@share", "sys:shared_owner": "u1", "tag:later": "#fff",
            "customize:icon_color": "#ff0000",
        });
        assert_eq!(drive.list(WITH_ME, "").await["files"][0]["metadata"], expected);
        assert_eq!(drive.info("cloudreve://my/Saved").await["metadata"], expected);
    }

    async fn the_parent_of_a_list_tells_what_the_folder_tells(backend: Backend) {
        let drive = Drive::new(&backend).await;
        drive.put("cloudreve://my/a/b/one.txt", "one").await;
        for (key, value) in [("customize:icon_color", "#ff0000"), ("tag:private", "#fff")] {
            assert_eq!(drive.note("cloudreve://my/a", key, value).await, 0);
        }
        assert!(drive.list("cloudreve://my/a", "").await["parent"].get("shared").is_none());
        let share = drive.share(json!({"uri": "cloudreve://my/a"})).await;
        let parent = drive.list("cloudreve://my/a", "").await["parent"].clone();
        assert_eq!(parent["metadata"], json!({"customize:icon_color": "#ff0000", "tag:private": "#fff"}));
        assert_eq!(parent["shared"], true);
        let guests = data(drive.guest_list(&format!("cloudreve://{share}@share")).await)["parent"].clone();
        assert_eq!(guests["metadata"], json!({"customize:icon_color": "#ff0000"}), "tags are the owner's");
        assert!(guests.get("shared").is_none());
    }

    async fn the_root_tells_of_itself_and_offers_nothing_that_is_refused(backend: Backend) {
        let drive = Drive::new(&backend).await;
        for name in ["a/one.txt", "two.txt"] {
            drive.put(&format!("cloudreve://my/{name}"), "12345").await;
        }
        let root = data(drive.get("/file/info?uri=cloudreve%3A%2F%2Fmy&extended=true&folder_summary=true").await);
        let sum = &root["folder_summary"];
        assert_eq!((&sum["size"], &sum["files"], &sum["folders"]), (&json!(10), &json!(2), &json!(1)));
        assert_eq!(root["extended_info"]["storage_policy"]["type"], "local");
        let listed = drive.list("cloudreve://my", "").await;
        assert_eq!(listed["parent"]["capability"], root["capability"]);
        let may = bits(&root["capability"]);
        assert!([0, 6, 7, 9, 19, 23, 24].iter().all(|bit| may.contains(bit)), "{may:?}");
        for (bit, method, path, body) in [
            (18, Method::PUT, "/share", json!({"uri": "cloudreve://my"})),
            (1, Method::POST, "/file/rename", json!({"uri": "cloudreve://my", "new_name": "x"})),
        ] {
            assert_eq!(drive.call(method, path, body).await["code"], 40053);
            assert!(!may.contains(&bit), "{bit}: {may:?}");
        }
        // Whoever has no home yet hears that there is nothing, and no fault.
        let key = drive.admin().await.key;
        let gone = "UPDATE library SET owner_id = NULL, kind = 'folder' WHERE kind = 'home' AND owner_id = $1";
        drive.server.app.db.write(move |tx| tx.run(gone, args![key.0])).await.unwrap();
        assert_eq!(drive.get("/file/info?uri=cloudreve%3A%2F%2Fmy&extended=true&folder_summary=true").await["code"], 0);
    }
}
