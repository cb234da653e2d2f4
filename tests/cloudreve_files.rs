//! What Cloudreve's clients do with files beyond their bytes: versions, metadata, views, lists of any size.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use openshelf::account::Preferences;
use openshelf::args;
use openshelf::store::{accounts, library, preferences};
use reqwest::Method;
use serde_json::{Value, json};

use crate::both_engines;
use crate::cloudreve::{Drive, OPEN_TXT, SHELF, data, encoded, envelope, names, text};
use crate::renditions::until;
use crate::server::ADMIN;

impl Drive {
    /// Writes a file of the admin's own whole, over what is there.
    pub async fn put(&self, uri: &str, content: &str) -> Value {
        data(self.put_over(uri, content, None).await)
    }

    pub async fn put_over(&self, uri: &str, content: &str, previous: Option<&str>) -> Value {
        let previous = previous.map_or(String::new(), |entity| format!("&previous={entity}"));
        let path = format!("{}/api/v4/file/content?uri={}{previous}", self.server.url, encoded(uri));
        envelope(self.client.put(path).bearer_auth(&self.token).body(content.to_owned()).send().await.unwrap()).await
    }

    pub async fn list(&self, uri: &str, more: &str) -> Value {
        data(self.get(&format!("/file?uri={}{more}", encoded(uri))).await)
    }

    pub async fn info(&self, uri: &str) -> Value {
        data(self.get(&format!("/file/info?extended=true&uri={}", encoded(uri))).await)
    }

    /// Ids of a file's contents, the current one first.
    async fn entities(&self, uri: &str) -> Vec<String> {
        let info = self.info(uri).await;
        info["extended_info"]["entities"].as_array().unwrap().iter().map(|entity| text(&entity["id"])).collect()
    }

    async fn content(&self, uri: &str, entity: Option<&str>) -> Value {
        let asked = json!({"uris": [uri], "entity": entity});
        let answer = self.call(Method::POST, "/file/url", asked).await;
        if answer["code"] != 0 {
            return answer["code"].clone();
        }
        let url = text(&answer["data"]["urls"][0]["url"]);
        self.client.get(url).send().await.unwrap().text().await.unwrap().into()
    }

    /// The user of the admin's, asked of the rows.
    pub async fn admin(&self) -> openshelf::account::User {
        self.server.app.db.read(|tx| accounts::by_login(tx, ADMIN)).await.unwrap().unwrap()
    }

    pub async fn home(&self) -> PathBuf {
        let key = self.admin().await.key;
        self.server.app.db.read(move |tx| library::home_of(tx, key)).await.unwrap().unwrap().root
    }

    pub async fn keep_versions(&self, most: Option<u32>, suffixes: Option<&[&str]>) {
        let key = self.admin().await.key;
        let version_endings = suffixes.unwrap_or_default().iter().map(|suffix| (*suffix).to_owned()).collect();
        let most_versions = most.map(i64::from);
        let wish = Preferences { keeps_versions: true, version_endings, most_versions, ..Preferences::default() };
        self.server.app.db.write(move |tx| preferences::set(tx, key, &wish)).await.unwrap();
    }
}

/// Names of what is kept beneath a home's hidden folder.
pub fn kept(home: &Path) -> BTreeSet<String> {
    match std::fs::read_dir(home.join(".openshelf/versions")) {
        Ok(files) => files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect(),
        Err(_) => BTreeSet::new(),
    }
}

const NOTE: &str = "cloudreve://my/note.txt";

both_engines! {
    async fn what_is_written_over_is_kept_where_the_user_says_so(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let home = drive.home().await;
        drive.put(NOTE, "one").await;
        drive.put(NOTE, "two").await;
        assert_eq!(drive.entities(NOTE).await.len(), 1, "nothing is kept unless its user says so");
        assert!(kept(&home).is_empty());

        drive.keep_versions(Some(2), Some(&["txt"])).await;
        let second = text(&drive.info(NOTE).await["primary_entity"]);
        drive.put(NOTE, "three").await;
        let now = drive.entities(NOTE).await;
        assert_eq!(now[1..], [second.as_str()], "it keeps the name that its client knew");
        assert_eq!(drive.content(NOTE, Some(&second)).await, "two");
        assert_eq!(drive.content(NOTE, Some(&now[0])).await, "three");
        assert_eq!(drive.content(NOTE, None).await, "three");

        drive.put(NOTE, "four").await;
        drive.put(NOTE, "five!").await;
        let now = drive.entities(NOTE).await;
        assert_eq!(now.len(), 3, "the current one and two more");
        assert_eq!(drive.content(NOTE, Some(&second)).await, 40077, "the oldest went");
        assert_eq!(kept(&home), now[1..].iter().cloned().collect());
        let info = drive.info(NOTE).await;
        assert_eq!(info["extended_info"]["storage_used"], 5 + 4 + 5);
        assert_eq!(data(drive.get("/user/capacity").await)["used"], 5 + 4 + 5, "what is kept takes room");

        drive.put("cloudreve://my/note.bin", "one").await;
        drive.put("cloudreve://my/note.bin", "two").await;
        assert_eq!(drive.entities("cloudreve://my/note.bin").await.len(), 1, "of another kind");
    }

    async fn a_version_is_made_current_and_deleted_and_the_current_one_is_not(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let home = drive.home().await;
        drive.keep_versions(None, None).await;
        for content in ["one", "two", "three"] {
            drive.put(NOTE, content).await;
        }
        let all = drive.entities(NOTE).await;
        let ask = |version: &str| json!({"uri": NOTE, "version": version});
        assert_eq!(drive.call(Method::DELETE, "/file/version", ask(&all[0])).await["code"], 403);
        assert_eq!(drive.call(Method::POST, "/file/version/current", ask(&all[2])).await["code"], 0);
        assert_eq!(drive.content(NOTE, None).await, "one");
        assert_eq!(std::fs::read(home.join("note.txt")).unwrap(), b"one");
        let now = drive.entities(NOTE).await;
        assert_eq!(now[1..], [all[0].clone(), all[1].clone()], "what was current is kept, whatever the retention");
        assert_eq!(drive.call(Method::POST, "/file/version/current", ask(&now[0])).await["code"], 0, "it is already");
        assert_eq!(drive.call(Method::DELETE, "/file/version", ask(&all[1])).await["code"], 0);
        assert_eq!(drive.content(NOTE, Some(&all[1])).await, 40077);
        assert_eq!(kept(&home), [all[0].clone()].into());
        for version in [all[1].as_str(), "f0000000000000000-1", "../../x", "'", "-"] {
            assert_eq!(drive.call(Method::POST, "/file/version/current", ask(version)).await["code"], 40077, "{version}");
            let by_address = format!("/file/version?uri={}&version={}", encoded(NOTE), encoded(version));
            assert_eq!(drive.call(Method::DELETE, &by_address, json!({})).await["code"], 40077, "{version}");
        }
        // With the file they go: first to the trash, then for good.
        let gone = json!({"uris": [NOTE]});
        assert_eq!(drive.call(Method::DELETE, "/file", gone).await["code"], 0);
        assert_eq!(kept(&home).len(), 1);
        assert_eq!(drive.call(Method::DELETE, "/file/trash", json!({})).await["code"], 0);
        assert!(kept(&home).is_empty());
        assert_eq!(data(drive.get("/user/capacity").await)["used"], 0);
    }

    async fn versions_are_for_those_who_may_change_the_file(backend: Backend) {
        let drive = Drive::new(&backend).await;
        drive.keep_versions(None, None).await;
        drive.put("cloudreve://my/a/note.txt", "secret").await;
        drive.put("cloudreve://my/a/note.txt", "public").await;
        let former = drive.entities("cloudreve://my/a/note.txt").await.pop().unwrap();
        let id = drive.share(json!({"uri": "cloudreve://my/a"})).await;
        let asked = json!({"uris": [format!("cloudreve://{id}@share/note.txt")], "entity": former});
        assert_eq!(drive.guest(Method::POST, "/file/url", asked.clone()).await["code"], 40077);
        let bob = drive.server.add_user("bob");
        let bobs = text(&drive.sign_in(&bob.name).await["token"]["access_token"]);
        assert_eq!(envelope(drive.send(Some(&bobs), Method::POST, "/file/url", Some(asked.clone())).await).await["code"], 40016);
        let own = data(drive.call(Method::POST, "/file/url", asked).await);
        let url = text(&own["urls"][0]["url"]);
        assert_eq!(drive.client.get(&url).send().await.unwrap().text().await.unwrap(), "secret");
        let info = format!("/file/info?extended=true&uri={}", encoded(&format!("cloudreve://{id}@share/note.txt")));
        assert!(drive.guest_get(&info).await["data"].get("extended_info").is_none());
        // The address dies with the content.
        let gone = json!({"uri": "cloudreve://my/a/note.txt", "version": former});
        assert_eq!(drive.call(Method::DELETE, "/file/version", gone).await["code"], 0);
        assert_eq!(drive.client.get(&url).send().await.unwrap().status(), 404);
    }

    async fn of_many_who_write_over_a_file_at_once_each_content_is_kept(backend: Backend) {
        let drive = Drive::new(&backend).await;
        drive.keep_versions(None, None).await;
        drive.put(NOTE, "first").await;
        let contents: Vec<String> = (0..12).map(|n| format!("content {n}")).collect();
        futures_util::future::join_all(contents.iter().map(|content| drive.put(NOTE, content))).await;
        let mut seen = BTreeSet::new();
        for entity in drive.entities(NOTE).await {
            seen.insert(text(&drive.content(NOTE, Some(&entity)).await));
        }
        let mut expected: BTreeSet<String> = contents.into_iter().collect();
        expected.insert("first".to_owned());
        assert_eq!(seen, expected);
    }

    async fn other_doors_keep_what_they_write_over(backend: Backend) {
        let drive = Drive::new(&backend).await;
        drive.keep_versions(None, None).await;
        let first = drive.put(NOTE, "one").await;
        let grant = json!({"grant_type": "password", "username": ADMIN, "password": crate::server::PASSWORD});
        let token = drive.client.post(format!("{}/authrouter/oauth/token", drive.server.url)).json(&grant).send().await.unwrap();
        let token = text(&token.json::<Value>().await.unwrap()["access_token"]);
        let path = format!("{}/sdk/v2/files/{}/content", drive.server.url, text(&first["id"]));
        let put = drive.client.put(path).bearer_auth(token).body("two").send().await.unwrap();
        assert!(put.status().is_success(), "{}", put.status());
        let all = drive.entities(NOTE).await;
        assert_eq!((all.len(), drive.content(NOTE, Some(&all[1])).await), (2, json!("one")));
    }

    async fn what_is_kept_counts_in_the_quota_and_what_goes_gives_room(backend: Backend) {
        let drive = Drive::new(&backend).await;
        drive.keep_versions(Some(1), None).await;
        let key = drive.admin().await.key;
        let set = "UPDATE account SET quota_bytes = 25 WHERE id = $1";
        drive.server.app.db.write(move |tx| tx.run(set, args![key.0])).await.unwrap();
        drive.put(NOTE, "0123456789").await;
        drive.put(NOTE, "9876543210").await;
        // Of three contents of ten bytes one goes, and two have room.
        drive.put(NOTE, "abcdefghij").await;
        assert_eq!(data(drive.get("/user/capacity").await)["used"], 20);
        let full = drive.put_over(NOTE, "0123456789abcdef", None).await;
        assert_eq!(full["code"], 40051, "with the one that stays it would be 26");
        assert_eq!(drive.content(NOTE, None).await, "abcdefghij");
        assert_eq!(drive.entities(NOTE).await.len(), 2);
        assert_eq!(kept(&drive.home().await).len(), 1, "a refusal leaves nothing");
    }

    async fn what_a_kill_left_between_disk_and_rows_is_mended_at_the_start(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let home = drive.home().await;
        drive.keep_versions(None, None).await;
        let file = drive.put(NOTE, "one").await;
        let (id, entity) = (text(&file["id"]), text(&file["primary_entity"]));
        let versions = home.join(".openshelf/versions");
        std::fs::create_dir_all(&versions).unwrap();
        // It was to be written over, and never was; it was, and the rows do not know; nobody knows the file.
        std::fs::hard_link(home.join("note.txt"), versions.join(&entity)).unwrap();
        std::fs::write(versions.join(format!("{id}-99")), "lost and found").unwrap();
        std::fs::write(versions.join("fNobodysFile00000-1"), "nobody's").unwrap();
        let app = std::sync::Arc::clone(&drive.server.app);
        drive.server.run(async move { openshelf::work::upload::sweep_at_start(&app).await.unwrap() });
        assert_eq!(kept(&home), [entity.clone(), format!("{id}-99")].into(), "the first waits for being written over");
        assert_eq!(drive.entities(NOTE).await, [entity, format!("{id}-99")]);
        assert_eq!(drive.content(NOTE, Some(&format!("{id}-99"))).await, "lost and found");
        // Where the whole disk is away, nothing is forgotten.
        let aside = home.with_extension("aside");
        std::fs::rename(&home, &aside).unwrap();
        std::fs::create_dir(&home).unwrap();
        let app = std::sync::Arc::clone(&drive.server.app);
        drive.server.run(async move { openshelf::work::upload::sweep_at_start(&app).await.unwrap() });
        std::fs::remove_dir(&home).or_else(|_| std::fs::remove_dir_all(&home)).unwrap();
        std::fs::rename(&aside, &home).unwrap();
        assert_eq!(drive.entities(NOTE).await.len(), 2);
    }

    async fn metadata_is_noted_found_copied_and_gone_with_its_item(backend: Backend) {
        let drive = Drive::new(&backend).await;
        for name in ["a/one.txt", "a/two.txt", "a/three.txt"] {
            drive.put(&format!("cloudreve://my/{name}"), name).await;
        }
        let patch = |uris: Value, patches: Value| json!({"uris": uris, "patches": patches});
        let tag = json!([{"key": "tag:work", "value": "#f00"}, {"key": "customize:emoji", "value": "🎈"}]);
        let uris = json!(["cloudreve://my/a/one.txt", "cloudreve://my/a/two.txt", "cloudreve://my/a/none", OPEN_TXT]);
        let partly = drive.call(Method::PATCH, "/file/metadata", patch(uris, tag)).await;
        assert_eq!(partly["code"], 40081);
        let failed = partly["aggregated_error"].as_object().unwrap();
        assert_eq!((failed.len(), &failed["cloudreve://my/a/none"]["code"], &failed[OPEN_TXT]["code"]), (2, &json!(40016), &json!(403)));
        let one = drive.info("cloudreve://my/a/one.txt").await;
        assert_eq!(one["metadata"], json!({"tag:work": "#f00", "customize:emoji": "🎈"}));
        let listed = drive.list("cloudreve://my/a", "").await;
        assert_eq!(listed["files"][0]["metadata"]["tag:work"], "#f00", "{listed}");

        let found = async |search: &str| names(&drive.list(&format!("cloudreve://my?{search}"), "").await);
        assert_eq!(found("meta_tag%3Awork=").await, ["one.txt", "two.txt"]);
        assert_eq!(found("meta_tag:work=f0&name=one").await, ["one.txt"]);
        assert_eq!(found("exact_meta_tag:work=f0").await, [] as [&str; 0]);
        assert_eq!(found("exact_meta_tag:work=%23f00").await, ["one.txt", "two.txt"]);
        assert_eq!(found("use_or&name=three&exact_meta_tag:work=%23f00").await, ["one.txt", "three.txt", "two.txt"]);

        let copy = json!({"uris": ["cloudreve://my/a"], "dst": "cloudreve://my/b", "copy": true});
        assert_eq!(drive.call(Method::POST, "/file/create", json!({"uri": "cloudreve://my/b", "type": "folder"})).await["code"], 0);
        assert_eq!(drive.call(Method::POST, "/file/move", copy).await["code"], 0);
        assert_eq!(drive.info("cloudreve://my/b/a/two.txt").await["metadata"]["tag:work"], "#f00");
        assert!(drive.info("cloudreve://my/b/a/three.txt").await["metadata"].is_null());
        let untag = patch(json!(["cloudreve://my/a/two.txt"]), json!([{"key": "tag:work", "remove": true}]));
        assert_eq!(drive.call(Method::PATCH, "/file/metadata", untag).await["code"], 0);
        assert_eq!(found("meta_tag:work=&name=two").await, ["two.txt"], "the copy has its own");

        for (key, value, code) in [
            ("sys:shared_redirect", "x", 403), ("dav:x", "x", 40001), ("", "x", 40001), ("tag:", "x", 40001),
            ("music:title", "x", 40001), (&format!("tag:{}", "x".repeat(300)), "x", 40001), ("tag:x", &"x".repeat(5000), 40001),
        ] {
            let asked = patch(json!(["cloudreve://my/a/one.txt"]), json!([{"key": key, "value": value}]));
            let answer = drive.call(Method::PATCH, "/file/metadata", asked).await;
            let inner = answer["aggregated_error"]["cloudreve://my/a/one.txt"]["code"].clone();
            assert_eq!(if inner.is_null() { &answer["code"] } else { &inner }, code, "{key}: {answer}");
        }
        for batch in 0..3 {
            let many: Vec<Value> = (0..49).map(|n| json!({"key": format!("props:{batch}-{n}"), "value": "x"})).collect();
            let answer = drive.call(Method::PATCH, "/file/metadata", patch(json!(["cloudreve://my/a/one.txt"]), json!(many))).await;
            assert_eq!(answer["code"], if batch < 2 { 0 } else { 40081 }, "an item holds so many and no more");
        }
        assert_eq!(drive.info("cloudreve://my/a/one.txt").await["metadata"].as_object().unwrap().len(), 2 + 98);

        let gone = json!({"uris": ["cloudreve://my/a", "cloudreve://my/b"], "skip_soft_delete": true});
        assert_eq!(drive.call(Method::DELETE, "/file", gone).await["code"], 0);
        let left = drive.server.app.db.read(|tx| tx.one("SELECT COUNT(*) FROM item_metadata", args![], |row| row.get::<i64>(0)));
        assert_eq!(left.await.unwrap(), 0);
    }

    async fn visitors_see_icons_and_music_but_no_tags_and_do_not_find_by_them(backend: Backend) {
        let drive = Drive::new(&backend).await;
        drive.put("cloudreve://my/a/one.txt", "one").await;
        let patches = json!([{"key": "tag:unpaid", "value": ""}, {"key": "customize:icon", "value": "file"}, {"key": "props:1", "value": "x"}]);
        let asked = json!({"uris": ["cloudreve://my/a/one.txt"], "patches": patches});
        assert_eq!(drive.call(Method::PATCH, "/file/metadata", asked).await["code"], 0);
        let id = drive.share(json!({"uri": "cloudreve://my/a"})).await;
        let root = format!("cloudreve://{id}@share");
        let listed = data(drive.guest_list(&root).await);
        assert_eq!(listed["files"][0]["metadata"], json!({"customize:icon": "file"}));
        for (search, count) in [("meta_tag:unpaid=", 0), ("exact_meta_props:1=x", 0), ("meta_customize:icon=fi", 1)] {
            let found = data(drive.guest_list(&format!("{root}?{search}")).await);
            assert_eq!(names(&found).len(), count, "{search}");
        }
        let own = drive.list(&format!("{root}?meta_tag:unpaid="), "").await;
        assert_eq!(names(&own), ["one.txt"], "its owner finds it there as well");
        let music = drive.list(&format!("{SHELF}?category=audio"), "&page_size=1").await;
        assert!(music["files"][0]["metadata"]["music:title"].is_string(), "{music}");
        let artist = text(&music["files"][0]["metadata"]["music:artist"]);
        let of_artist = drive.list(&format!("{SHELF}?exact_meta_music:artist={}", encoded(&artist)), "").await;
        assert!(!names(&of_artist).is_empty());
    }

    async fn a_search_knows_sizes_times_and_kinds_in_any_listed_space(backend: Backend) {
        let drive = Drive::new(&backend).await;
        for (name, size) in [("a/zsmall.txt", 1), ("a/b/zmiddle.TXT", 500), ("a/b/zlarge.bin", 5000)] {
            drive.put(&format!("cloudreve://my/{name}"), &"x".repeat(size)).await;
        }
        let old = std::fs::File::options().write(true).open(drive.home().await.join("a/b/zlarge.bin")).unwrap();
        old.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000)).unwrap();
        let key = drive.admin().await.key;
        let home = drive.server.app.db.read(move |tx| library::home_of(tx, key)).await.unwrap().unwrap();
        tokio::task::block_in_place(|| drive.server.scan(&home));
        let id = drive.share(json!({"uri": "cloudreve://my/a"})).await;
        for root in ["cloudreve://my".to_owned(), "cloudreve://my/a".to_owned(), format!("cloudreve://{id}@share")] {
            let found = async |search: &str| {
                let mut names = names(&drive.list(&format!("{root}?{search}"), "").await);
                names.sort();
                names
            };
            assert_eq!(found("size_gte=500&size_lte=500").await, ["zmiddle.TXT"], "{root}");
            assert_eq!(found("size_gte=501&name=large").await, ["zlarge.bin"], "{root}");
            assert_eq!(found("updated_lte=1000000000&updated_gte=1000000000").await, ["zlarge.bin"]);
            assert_eq!(found("created_lte=1000000000").await, [] as [&str; 0]);
            assert_eq!(found("name=txt&name=z&type=file").await, ["zsmall.txt"], "letters are told apart");
            assert_eq!(found("name=txt&name=z&case_folding").await, ["zmiddle.TXT", "zsmall.txt"]);
            assert_eq!(found("name=small&name=large&name_op_or").await, ["zlarge.bin", "zsmall.txt"]);
            assert_eq!(found("name=small&name=large").await, [] as [&str; 0]);
            assert_eq!(found("name=z%25&case_folding").await, [] as [&str; 0], "a sign of LIKE is a letter");
            assert!(found("type=folder").await.contains(&"b".to_owned()), "{root}");
            assert_eq!(found("category=document&name=zm&name=zs&name_op_or").await, ["zmiddle.TXT", "zsmall.txt"]);
        }
        let found = drive.list("cloudreve://my?name=large", "").await;
        assert_eq!((&found["files"][0]["path"], &found["mixed_type"]), (&json!("cloudreve://my/a/b/zlarge.bin"), &json!(true)));
        let shared = data(drive.guest_list(&format!("cloudreve://{id}@share?name=large")).await);
        assert_eq!(shared["files"][0]["path"], format!("cloudreve://{id}@share/b/zlarge.bin"));
        let open = drive.list("cloudreve://my?name=open.txt", "").await;
        assert!(open["files"].as_array().unwrap().iter().any(|file| file["path"] == OPEN_TXT), "{open}");
        assert_eq!(drive.get(&format!("/file?uri={}", encoded("cloudreve://my?size_gte=big"))).await["code"], 40001);
        assert_eq!(drive.get(&format!("/file?uri={}", encoded("cloudreve://my?colour=red"))).await["code"], 40001);
    }

    async fn pages_are_full_and_stable_in_every_order_while_files_come_and_go(backend: Backend) {
        let drive = Drive::new(&backend).await;
        for n in 0..23 {
            drive.put(&format!("cloudreve://my/a/file {n}.txt"), &"x".repeat(n % 5)).await;
        }
        for n in 0..7 {
            let make = json!({"uri": format!("cloudreve://my/a/folder {n}"), "type": "folder"});
            assert_eq!(drive.call(Method::POST, "/file/create", make).await["code"], 0);
        }
        for root in ["cloudreve://my/a", "cloudreve://my/a?name="] {
            for order in ["name", "size", "updated_at", "created_at"] {
                for way in ["asc", "desc"] {
                    let (mut seen, mut token) = (Vec::new(), String::new());
                    loop {
                        let page = drive.list(root, &format!("&page_size=4&order_by={order}&order_direction={way}&next_page_token={token}")).await;
                        seen.extend(names(&page));
                        let Some(next) = page["pagination"]["next_token"].as_str() else { break };
                        assert_eq!(page["files"].as_array().unwrap().len(), 4, "OpenList stops at a page that is not full");
                        token = next.to_owned();
                    }
                    let each: BTreeSet<&String> = seen.iter().collect();
                    assert_eq!((seen.len(), each.len()), (30, 30), "{root} {order} {way}");
                    if root == "cloudreve://my/a" {
                        assert!(seen[..7].iter().all(|name| name.starts_with("folder")), "{order} {way}: {seen:?}");
                    }
                }
            }
        }
        let by_number = names(&drive.list("cloudreve://my/a", "&page_size=10&page=2&order_by=name").await);
        assert_eq!(by_number[0], "file 13.txt");
        // What comes before the place and what went at it shift nothing.
        let page = drive.list("cloudreve://my/a", "&page_size=10&order_by=name").await;
        assert_eq!(names(&page)[9], "file 2.txt");
        drive.put("cloudreve://my/a/file 0 new.txt", "x").await;
        let gone = json!({"uris": ["cloudreve://my/a/file 2.txt"], "skip_soft_delete": true});
        assert_eq!(drive.call(Method::DELETE, "/file", gone).await["code"], 0);
        let token = text(&page["pagination"]["next_token"]);
        let next = drive.list("cloudreve://my/a", &format!("&page_size=10&order_by=name&next_page_token={token}")).await;
        assert_eq!(names(&next)[0], "file 3.txt");
        for (token, order) in [(token.as_str(), "size"), ("bm8", "name"), ("!", "name")] {
            let path = format!("/file?uri={}&order_by={order}&next_page_token={token}", encoded("cloudreve://my/a"));
            assert_eq!(drive.get(&path).await["code"], 40001, "a token goes with its order");
        }
    }

    async fn in_the_root_pages_hold_libraries_among_the_homes_own(backend: Backend) {
        let drive = Drive::new(&backend).await;
        for name in ["Alpha", "Shelf", "Zulu"] {
            let make = json!({"uri": format!("cloudreve://my/{name}/x"), "type": "folder"});
            let made = drive.call(Method::POST, "/file/create", make).await["code"].clone();
            assert_eq!(made, if name == "Shelf" { 403 } else { 0 }, "the library has the name");
        }
        std::fs::create_dir(drive.home().await.join("Shelf")).unwrap();
        let key = drive.admin().await.key;
        let home = drive.server.app.db.read(move |tx| library::home_of(tx, key)).await.unwrap().unwrap();
        tokio::task::block_in_place(|| drive.server.scan(&home));
        drive.put("cloudreve://my/b.txt", "x").await;
        for way in ["asc", "desc"] {
            let (mut seen, mut token) = (Vec::new(), String::new());
            loop {
                let page = drive.list("cloudreve://my", &format!("&page_size=2&order_direction={way}&next_page_token={token}")).await;
                seen.extend(names(&page));
                let Some(next) = page["pagination"]["next_token"].as_str() else { break };
                token = next.to_owned();
            }
            let mut expected = vec!["Alpha", "Shelf", "Shelf (2)", "Zulu"];
            if way == "desc" {
                expected.reverse();
            }
            expected.push("b.txt");
            if way == "desc" { seen[1..3].sort_by(|a, b| b.cmp(a)) } else { seen[1..3].sort() }
            assert_eq!(seen, expected);
        }
    }

    async fn a_folder_of_a_hundred_thousand_files_is_paged_by_its_pages(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let folder = data(drive.call(Method::POST, "/file/create", json!({"uri": "cloudreve://my/many", "type": "folder"})).await);
        let id = text(&folder["id"]);
        // No scan is due when what no disk holds is put into the rows: that which heard of the folder is over, as are all others.
        let (made_ms, scanner) = (openshelf::now_ms(), &drive.server.app.scanner);
        // Whatever is heard of it is due by then, and one who asks for all scans asks for that as well.
        until("what is heard to be due", || openshelf::now_ms() > made_ms + 2500).await;
        scanner.request_all();
        until("all scans", || !scanner.status().is_scanning).await;
        drive.server.app.db.write(move |tx| {
            let parent = library::item_by_id(tx, &id)?.unwrap();
            for batch in 0..100i64 {
                let (mut rows, mut values) = (Vec::new(), Vec::new());
                for n in batch * 1000..(batch + 1) * 1000 {
                    let (first, name) = (values.len() + 1, format!("{n:06}"));
                    let numbers: Vec<String> = (first..first + 9).map(|number| format!("${number}")).collect();
                    rows.push(format!("({}, 1, 0, 0, NULL, 1, {}, {})", numbers.join(", "), n, n / 3));
                    values.extend_from_slice(args![
                        format!("f{n:016}"), parent.library.0, parent.key.0, name.as_bytes(), &name, name.as_bytes(), &name,
                        n % 1000, n * 7
                    ]);
                }
                let sql = format!(
                    "INSERT INTO item (public_id, library_id, parent_id, name, shown, sort, search, size_bytes, modified_ns,
                         kind, media, device, birth_ns, revision, inode, added_ms) VALUES {}", rows.join(", "));
                tx.run(&sql, &values)?;
            }
            Ok(())
        }).await.unwrap();
        // The plan of each order reads along an index and sorts nothing.
        let key = drive.server.app.db.read(|tx| tx.one("SELECT id FROM item WHERE shown = 'many'", args![], |row| row.get::<i64>(0))).await.unwrap();
        if backend.file().is_some() {
            for column in ["sort", "size_bytes", "modified_ns", "added_ms"] {
                for way in ["", " DESC"] {
                    let compare = if way.is_empty() { ">" } else { "<" };
                    let sql = format!(
                        "EXPLAIN QUERY PLAN SELECT id FROM item WHERE parent_id = {key} AND kind = 1 AND missing_ms IS NULL
                         AND trashed_ms IS NULL AND ({column}, id) {compare} (5, 5) ORDER BY {column}{way}, id{way} LIMIT 100");
                    let plan = drive.server.app.db.read(move |tx| tx.all(&sql, args![], |row| row.get::<String>(3))).await.unwrap();
                    assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{column}{way}: {plan:?}");
                    assert!(plan.iter().any(|step| step.contains(column)), "{column}{way}: {plan:?}");
                }
            }
        }
        for order in ["name", "size", "updated_at", "created_at"] {
            let (mut token, mut count, mut last) = (String::new(), 0, String::new());
            for _ in 0..5 {
                let page = drive.list("cloudreve://my/many", &format!("&page_size=2000&order_by={order}&next_page_token={token}")).await;
                count += page["files"].as_array().unwrap().len();
                last = names(&page).pop().unwrap();
                token = text(&page["pagination"]["next_token"]);
            }
            assert_eq!(count, 10_000);
            assert_eq!(last, match order { "size" => "099099".to_owned(), _ => "009999".to_owned() }, "{order}");
        }
    }
}
