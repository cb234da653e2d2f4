//! Storage policies: what they refuse is refused at every door, and leaves nothing. Putting files under another one,
//! importing from the server's disk, and what the node does.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use openshelf::args;
use openshelf::share::{Bits, Door, Mode, Shared, Subject, Wish};
use openshelf::store::{accounts, library, rights};
use openshelf::work::sharing;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::both_engines;
use crate::cloudreve::{data, encoded, text};
use crate::drive::Drive;
use crate::engines::Backend;
use crate::kill::Installation;
use crate::mycloud_device::Device;
use crate::podcasts::until;
use crate::server::{ADMIN, PASSWORD, Server};
use crate::world::basic;

/// The administrator and Bob, who is nobody special, each with a home.
struct House {
    server: Server,
    admin: Drive,
    bob: Drive,
    home: PathBuf,
}

impl House {
    async fn new(backend: &Backend) -> House {
        House::importing(backend, &[]).await
    }

    async fn importing(backend: &Backend, from: &[&Path]) -> House {
        let server = Server::start_with(backend, |given| given.import_from = from.iter().map(PathBuf::from).collect());
        server.add_user("bob");
        let (admin, bob) = (Drive::sign_in(&server, ADMIN).await, Drive::sign_in(&server, "bob").await);
        let home = home_of(&server, "bob").await;
        House { server, admin, bob, home }
    }

    /// A new policy, by its number and its id.
    async fn policy(&self, name: &str, settings: Value, max_size: u64) -> (i64, String) {
        let wish = json!({"policy": {"id": 0, "name": name, "type": "local", "max_size": max_size, "settings": settings,
            "dir_name_rule": "uploads/{uid}/{path}", "edges": {}}});
        let made = data(self.admin.put("/admin/policy", wish).await);
        (made["id"].as_i64().unwrap(), text(&made["hash_id"]))
    }

    /// A new group that gives these, with Bob in it; by its number.
    async fn group_of_bob(&self, policies: Value) -> i64 {
        let wish = json!({"group": {"name": "Staff", "edges": {"storage_policies": policies}}});
        let group = data(self.admin.put("/admin/group", wish).await)["id"].as_i64().unwrap();
        let key = self.number("bob").await;
        data(self.admin.put(&format!("/admin/user/{key}"), json!({"user": {"group_users": group}})).await);
        group
    }

    async fn number(&self, login: &'static str) -> i64 {
        self.server.app.db.read(move |tx| accounts::by_login(tx, login)).await.unwrap().unwrap().key.0
    }

    async fn id_of_bob(&self) -> String {
        self.server.app.db.read(|tx| accounts::by_login(tx, "bob")).await.unwrap().unwrap().id
    }

    async fn begin(&self, name: &str, size: usize, policy: &str) -> Value {
        let wish = json!({"uri": my(name), "size": size, "policy_id": policy});
        self.bob.put("/file/upload", wish).await
    }

    async fn mount(&self, folder: &str, policy: &str) -> Value {
        self.bob.call(Method::PATCH, "/file/policy", json!({"uri": my(folder), "policy_id": policy})).await["code"]
            .clone()
    }

    async fn create(&self, name: &str, kind: &str) -> Value {
        self.bob.post("/file/create", json!({"uri": my(name), "type": kind, "err_on_conflict": true})).await["code"]
            .clone()
    }

    /// What a user is told that an item is under, and whether that is its folder's.
    async fn told(&self, name: &str) -> (String, bool) {
        let info = data(self.bob.get(&format!("/file/info?extended=true&uri={}", encoded(&my(name)))).await);
        let extended = &info["extended_info"];
        (text(&extended["storage_policy"]["name"]), extended["storage_policy_inherited"].as_bool().unwrap())
    }

    fn names(&self) -> BTreeSet<String> {
        names(&self.home)
    }

    fn half_done(&self) -> usize {
        let hidden = fs::read_dir(self.home.join(".openshelf"));
        hidden.map_or(0, |files| files.filter(|file| file.as_ref().unwrap().file_type().unwrap().is_file()).count())
    }

    async fn uploads(&self) -> i64 {
        self.server.app.db.read(|tx| tx.one("SELECT COUNT(*) FROM upload", args![], |row| row.get(0))).await.unwrap()
    }

    async fn ended(&self, who: &Drive, asked: Value) -> Value {
        let id = text(&data(asked)["id"]);
        ended(async || data(who.get("/workflow?page_size=50").await), &id).await
    }
}

async fn ended(list: impl AsyncFn() -> Value, id: &str) -> Value {
    until("the task ends", async || {
        let listed = list().await;
        let task = listed["tasks"].as_array().unwrap().iter().find(|task| task["id"] == id).unwrap().clone();
        matches!(task["status"].as_str(), Some("completed" | "error" | "canceled")).then_some(task)
    })
    .await
}

async fn home_of(server: &Server, login: &'static str) -> PathBuf {
    let home = server.app.db.read(move |tx| {
        let user = accounts::by_login(tx, login)?.unwrap();
        library::home_of(tx, user.key)
    });
    home.await.unwrap().unwrap().root
}

fn my(path: &str) -> String {
    let parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(encoded).collect();
    format!("cloudreve://my/{}", parts.join("/"))
}

/// Files and folders beneath a folder, by their path, but for what is hidden.
fn names(folder: &Path) -> BTreeSet<String> {
    let visible =
        |entry: &walkdir::DirEntry| !entry.file_name().to_string_lossy().starts_with('.') || entry.depth() == 0;
    let found = walkdir::WalkDir::new(folder).min_depth(1).into_iter().filter_entry(visible).map(Result::unwrap);
    found.map(|entry| entry.path().strip_prefix(folder).unwrap().to_string_lossy().into_owned()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

const NO_PROGRAMS: &str = r#"{"file_type": ["exe", ".BAT"], "is_file_type_deny_list": true}"#;

fn no_programs() -> Value {
    serde_json::from_str(NO_PROGRAMS).unwrap()
}

both_engines! {
    async fn what_a_policy_refuses_is_refused_at_every_door_and_leaves_nothing(backend: Backend) {
        let house = House::new(&backend).await;
        let (url, client) = (house.server.url.clone(), house.server.client());
        assert_eq!(house.create("there.txt", "file").await, 0);
        assert_eq!(house.create("box", "folder").await, 0);
        let wish = json!({"policy": {"name": "Openshelf", "max_size": 10, "settings": no_programs()}});
        data(house.admin.put("/admin/policy/1", wish).await);
        let before = house.names();

        // Cloudreve's own.
        assert_eq!(house.begin("a.EXE", 5, "").await["code"], 40050);
        assert_eq!(house.begin("a.txt", 11, "local").await["code"], 40049);
        for (name, content, code) in [("a.exe", "short", 40050), ("a.txt", "longer than ten", 40049)] {
            let put = client.put(format!("{url}/api/v4/file/content?uri={}", encoded(&my(name)))).bearer_auth(&house.bob.token);
            let answer: Value = put.body(content).send().await.unwrap().json().await.unwrap();
            assert_eq!(answer["code"], code, "{name}: {answer}");
        }
        let over = client.put(format!("{url}/api/v4/file/content?uri={}", encoded(&my("there.txt")))).bearer_auth(&house.bob.token);
        let over: Value = over.body("longer than ten").send().await.unwrap().json().await.unwrap();
        assert_eq!(over["code"], 40049);
        assert_eq!(house.create("a.bat", "file").await, 40050);
        let renamed = house.bob.post("/file/rename", json!({"uri": my("there.txt"), "new_name": "there.exe"})).await;
        assert_eq!(renamed["code"], 40050);

        // WebDAV.
        let who = basic("bob", PASSWORD);
        for (name, content) in [("a.exe", "short"), ("a.txt", "longer than ten"), ("there.txt", "longer than ten")] {
            let put = client.put(format!("{url}/dav/{name}")).header("authorization", &who).body(content);
            let status = put.send().await.unwrap().status();
            assert!(status.is_client_error(), "{name}: {status}");
        }
        for method in ["MOVE", "COPY"] {
            let request = client.request(method.parse().unwrap(), format!("{url}/dav/there.txt")).header("authorization", &who);
            let status = request.header("destination", format!("{url}/dav/there.exe")).send().await.unwrap().status();
            assert!(status.is_client_error(), "{method}: {status}");
        }

        // The pages.
        let cookie = crate::uploads::sign_in(&url, "bob").await;
        for (name, content) in [("a.exe", "short"), ("a.txt", "longer than ten")] {
            let put = client.put(format!("{url}/app/uploads")).query(&[("name", name)]).header("cookie", &cookie);
            let status = put.body(content).send().await.unwrap().status();
            assert!(status.is_client_error(), "{name}: {status}");
            let begin = client.post(format!("{url}/app/uploads")).header("cookie", &cookie);
            let status = begin.json(&json!({"name": name, "size": content.len()})).send().await.unwrap().status();
            assert!(status.is_client_error(), "{name}: {status}");
        }

        // My Cloud Home.
        let device = Device::of(client.clone(), &url, "bob").await;
        for (name, content) in [("a.exe", "short"), ("a.txt", "longer than ten")] {
            let fields = json!({"name": name, "parentID": "root"}).to_string();
            for path in ["/sdk/v2/files", "/sdk/v2/files/resumable?done=true"] {
                let status = device.multipart(path, &[&fields, content]).await.status();
                assert!(status.is_client_error() || status == 507, "{path} {name}: {status}");
            }
        }

        // A guest's, into a drop box: what holds is the owner's.
        let app = house.server.app.clone();
        let shared = app.db.read(|tx| {
            let bob = accounts::by_login(tx, "bob")?.unwrap();
            let home = library::home_of(tx, bob.key)?.unwrap();
            let root = library::root_item(tx, home.key)?;
            Ok((bob, library::child_shown(tx, root.key, "box")?.unwrap()))
        });
        let (bob, folder) = shared.await.unwrap();
        let wish = Wish { mode: Some(Mode::Drop), ..Wish::default() };
        let share = sharing::create(&app, &bob, Door::Page, vec![Shared::Item(folder.key)], wish).await.unwrap();
        for (name, content) in [("a.exe", "short"), ("a.txt", "longer than ten")] {
            let put = client.put(format!("{url}/s/{}/-/uploads", share.id)).query(&[("name", name)]).body(content);
            let status = put.send().await.unwrap().status();
            assert!(status.is_client_error(), "{name}: {status}");
        }

        assert_eq!((house.names(), house.half_done(), house.uploads().await), (before, 0, 0));
        assert_eq!(fs::read(house.home.join("there.txt")).unwrap(), b"");
        // What it takes comes by the same doors.
        let put = client.put(format!("{url}/s/{}/-/uploads", share.id)).query(&[("name", "g.txt")]).body("short");
        assert!(put.send().await.unwrap().status().is_success());
        let put = client.put(format!("{url}/dav/d.txt")).header("authorization", &who).body("short");
        assert!(put.send().await.unwrap().status().is_success());
        let fields = json!({"name": "m.txt", "parentID": "root"}).to_string();
        assert!(device.multipart("/sdk/v2/files", &[&fields, "short"]).await.status().is_success());
        assert_eq!(house.names(), set(&["box", "box/g.txt", "d.txt", "m.txt", "there.txt"]));
    }

    async fn the_nearest_folder_decides_then_the_group_then_the_default(backend: Backend) {
        let house = House::new(&backend).await;
        let (tight, tight_id) = house.policy("Tight", json!({}), 3).await;
        let (pictures, pictures_id) = house.policy("Pictures", json!({"file_type": ["png"], "chunk_size": 65536}), 0).await;
        let (_, other_id) = house.policy("Other", json!({}), 0).await;
        for folder in ["a", "a/b", "a/b/c"] {
            assert_eq!(house.create(folder, "folder").await, 0);
        }
        // Without a group there is the default and nothing to choose.
        let given = data(house.bob.get("/user/setting/policies").await);
        assert_eq!(given, json!([{"id": "local", "name": "Openshelf", "type": "local", "max_size": 0}]));
        assert_eq!(house.mount("a", &tight_id).await, 40035);
        let group = house.group_of_bob(json!([{"id": tight}, {"id": pictures}])).await;
        let given = data(house.bob.get("/user/setting/policies").await);
        assert_eq!(given.as_array().unwrap().iter().map(|one| text(&one["name"])).collect::<Vec<_>>(), ["Tight", "Pictures"]);
        assert_eq!(given[1]["allowed_suffix"], json!(["png"]));

        assert_eq!(house.begin("x.txt", 4, "").await["code"], 40049, "the group's first");
        assert_eq!(house.mount("a", &other_id).await, 40035, "not theirs to choose");
        assert_eq!(house.mount("a", "no such").await, 40035);
        assert_eq!(house.mount("none", &tight_id).await, 40016);
        assert_eq!(house.mount("a", &pictures_id).await, 0);
        assert_eq!(house.mount("a/b", &tight_id).await, 0);
        assert_eq!(house.begin("a/x.txt", 2, "").await["code"], 40050);
        let begun = house.begin("a/x.png", 400_000, &pictures_id).await;
        assert_eq!((&begun["code"], &begun["data"]["chunk_size"]), (&json!(0), &json!(65536)), "{begun}");
        assert_eq!(begun["data"]["storage_policy"]["id"], pictures_id.as_str());
        assert_eq!(house.begin("a/b/c/x.png", 4, "").await["code"], 40049, "the nearest is far above, and nearer than a");
        assert_eq!(house.begin("a/b/c/x.txt", 3, "").await["code"], 0);
        assert_eq!(house.begin("a/y.png", 4, &tight_id).await["code"], 40057, "another holds than the client believes");
        let listed = data(house.bob.get(&format!("/file?uri={}", encoded(&my("a")))).await);
        assert_eq!(listed["storage_policy"]["name"], "Pictures");
        assert_eq!((house.told("a").await, house.told("a/b/c").await), (("Pictures".into(), false), ("Tight".into(), true)));

        // What is brought along from elsewhere is held against what holds there, with all that is in it.
        assert_eq!(house.create("d", "folder").await, 0);
        house.put("d/note.txt", "1").await;
        for copy in [true, false] {
            let moved = house.bob.post("/file/move", json!({"uris": [my("d")], "dst": my("a"), "copy": copy})).await;
            assert_eq!(moved["aggregated_error"][my("d")]["code"], 40050, "{moved}");
        }
        data(house.bob.post("/file/move", json!({"uris": [my("d")], "dst": my("a/b"), "copy": true})).await);

        // What the group takes away, it takes away from folders as well.
        let wish = json!({"group": {"edges": {"storage_policies": {"id": tight}}}});
        data(house.admin.put(&format!("/admin/group/{group}"), wish).await);
        assert_eq!(house.begin("a/z.txt", 3, "").await["code"], 0, "Pictures are no more");
        assert_eq!(house.begin("a/z.png", 4, "").await["code"], 40049);
        assert_eq!(house.mount("a/b", "").await, 0);
        assert_eq!(house.told("a/b").await, ("Tight".into(), true));
        // Another's home is its owner's to decide on, and libraries are an administrator's.
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("in")).unwrap();
        house.server.add_library("Shelf", folder.path());
        assert_eq!(house.mount("Shelf/in", &tight_id).await, 403);
    }

    async fn policies_are_made_changed_and_removed_unless_they_are_in_use(backend: Backend) {
        let house = House::new(&backend).await;
        let admin = &house.admin;
        for (body, code) in [
            (json!({}), 40001),
            (json!({"policy": {"type": "local"}}), 40001),
            (json!({"policy": {"name": "x", "type": "s3"}}), 40006),
            (json!({"policy": {"name": "x", "type": "remote"}}), 40006),
            (json!({"policy": {"name": "x", "settings": {"file_regexp": "("}}}), 40001),
            (json!({"policy": {"name": "x", "settings": {"file_regexp": r"(\p{L}{200}){200}"}}}), 40001),
            (json!({"policy": {"name": "x", "settings": {"chunk_size": 1}}}), 40001),
            (json!({"policy": {"name": "x", "settings": {"encryption": true}}}), 40001),
            (json!({"policy": {"name": "x", "max_size": u64::MAX}}), 40001),
        ] {
            assert_eq!(admin.put("/admin/policy", body.clone()).await["code"], code, "{body}");
        }
        for (kind, code) in [("local", 0), ("s3", 40006)] {
            assert_eq!(admin.post("/admin/policy/cors", json!({"policy": {"type": kind}})).await["code"], code, "{kind}");
        }
        let (number, id) = house.policy("Names", json!({"file_regexp": "^[a-z]+\\.txt$"}), 0).await;
        let listed = data(admin.post("/admin/policy", json!({"page": 1, "page_size": 10})).await);
        assert_eq!(listed["pagination"]["total_items"], 2);
        assert_eq!((&listed["policies"][0]["id"], &listed["policies"][1]["id"]), (&json!(1), &json!(number)));
        let second = data(admin.post("/admin/policy", json!({"page": 2, "page_size": 1})).await);
        assert_eq!(second["policies"][0]["name"], "Names");

        let group = house.group_of_bob(json!({"id": number})).await;
        assert_eq!(data(admin.get(&format!("/admin/group/{group}")).await)["edges"]["storage_policies"]["name"], "Names");
        let path = format!("/admin/policy/{number}");
        assert_eq!(admin.call(Method::DELETE, &path, json!({})).await["code"], 40038);
        assert_eq!(house.begin("UP.txt", 1, "").await["code"], 40050);
        assert_eq!(house.create("folder", "folder").await, 0);
        assert_eq!(house.mount("folder", &id).await, 0);
        assert_eq!(admin.call(Method::DELETE, &path, json!({})).await["code"], 40037);
        let told = data(admin.get(&format!("{path}?countEntity=true")).await);
        assert_eq!((&told["items_count"], &told["groups_count"]), (&json!(1), &json!(1)));

        // An upload that began by other rules is held against those that are there when it ends.
        let begun = data(house.begin("folder/slow.txt", 4, &id).await);
        data(admin.put(&path, json!({"policy": {"id": number, "max_size": 3}})).await);
        let last = house.chunk(&begun, "four").await;
        assert_eq!(last["code"], 40049, "{last}");
        let session = json!({"id": begun["session_id"], "uri": my("folder/slow.txt")});
        data(house.bob.call(Method::DELETE, "/file/upload", session).await);
        assert_eq!((house.names(), house.half_done(), house.uploads().await), (set(&["folder"]), 0, 0));

        // One that is removed while an upload is under way has no say in it any more.
        let begun = data(house.begin("folder/three.txt", 3, &id).await);
        assert_eq!(house.mount("folder", "").await, 0);
        data(admin.put(&format!("/admin/group/{group}"), json!({"group": {"edges": {"storage_policies": {"id": 1}}}})).await);
        assert_eq!(admin.call(Method::DELETE, &path, json!({})).await["code"], 0);
        assert_eq!(admin.call(Method::DELETE, &path, json!({})).await["code"], 40035);
        assert_eq!(house.chunk(&begun, "abc").await["code"], 0);
        assert_eq!(house.begin("folder/more.txt", 3, &id).await["code"], 40057);
        assert_eq!(house.names(), set(&["folder", "folder/three.txt"]));

        // The default one gets what is said of it, and stays.
        assert_eq!(data(admin.put("/admin/policy/1", json!({"policy": {"name": "House", "max_size": 5}})).await)["name"], "House");
        assert_eq!(admin.call(Method::DELETE, "/admin/policy/1", json!({})).await["code"], 40036);
        assert_eq!(house.begin("six.txt", 6, "local").await["code"], 40049);
        let counts = async || {
            let sql = "SELECT COUNT(*) FROM storage_policy";
            house.server.app.db.read(move |tx| tx.one(sql, args![], |row| row.get::<i64>(0))).await.unwrap()
        };
        assert_eq!(counts().await, 1);
        let said = house.bob.put("/admin/policy", json!({"policy": {"name": "mine"}})).await;
        assert_eq!((said["code"].clone(), counts().await), (json!(40008), 1));
    }

    async fn files_are_put_under_another_policy_but_for_those_that_do_not_fit(backend: Backend) {
        let house = House::new(&backend).await;
        let (small, small_id) = house.policy("Small", no_programs(), 4).await;
        let (wide, wide_id) = house.policy("Wide", json!({}), 0).await;
        house.group_of_bob(json!([{"id": wide}, {"id": small}])).await;
        for folder in ["a", "a/b"] {
            assert_eq!(house.create(folder, "folder").await, 0);
        }
        for (name, content) in [("a/1.txt", "1"), ("a/b/2.txt", "22"), ("a/b/large.txt", "large"), ("a/p.exe", "p"), ("alone.exe", "x")] {
            house.put(name, content).await;
        }
        assert_eq!(house.mount("a/b", &wide_id).await, 0);
        let asked = json!({"src": [my("a")], "dst_policy_id": small_id});
        let task = house.ended(&house.bob, house.bob.post("/workflow/relocate", asked).await).await;
        assert_eq!((&task["type"], &task["status"], &task["summary"]["props"]["failed"]), (&json!("relocate"), &json!("completed"), &json!(2)));
        assert_eq!(task["summary"]["props"]["dst_policy_id"], small_id.as_str());
        let left = text(&task["error"]);
        assert!(left.contains("large.txt") && left.contains("p.exe") && left.starts_with("2 "), "{left}");
        for (name, expected) in [("a", ("Small", false)), ("a/b", ("Small", true)), ("a/1.txt", ("Small", true)),
            ("a/b/2.txt", ("Small", true)), ("a/b/large.txt", ("Wide", false)), ("a/p.exe", ("Wide", false))] {
            assert_eq!(house.told(name).await, (expected.0.to_owned(), expected.1), "{name}");
        }
        // A file that did not fit goes on as before; new ones are held against the new rules.
        house.put("a/b/large.txt", "larger still").await;
        assert_eq!(house.begin("a/b/new.txt", 5, "").await["code"], 40049);

        let asked = json!({"src": [my("alone.exe")], "dst_policy_id": small_id});
        let task = house.ended(&house.bob, house.bob.post("/workflow/relocate", asked).await).await;
        assert_eq!(task["status"], "error", "nothing of it fits: {task}");
        for (body, code) in [
            (json!({"src": [my("a")]}), 40001),
            (json!({"src": [], "dst_policy_id": small_id}), 40001),
            (json!({"src": [my("none")], "dst_policy_id": small_id}), 40016),
            (json!({"src": [my("a")], "dst_policy_id": "local"}), 40035),
            (json!({"src": [my("a")], "dst_policy_id": "none"}), 40035),
        ] {
            assert_eq!(house.bob.post("/workflow/relocate", body.clone()).await["code"], code, "{body}");
        }
        // With the folder's files gone for good, the policy is free.
        assert_eq!(house.admin.call(Method::DELETE, &format!("/admin/policy/{small}"), json!({})).await["code"], 40037);
    }

    async fn what_the_node_does_not_do_is_refused_and_ends(backend: Backend) {
        let house = House::new(&backend).await;
        house.put("a.txt", "a").await;
        assert_eq!(data(house.bob.get("/user/setting/nodes").await)[0]["capabilities"], "Hg==");
        for (body, code) in [
            (json!({}), 40001),
            (json!({"node": {"name": ""}}), 40001),
            (json!({"node": {"capabilities": "!"}}), 40001),
            (json!({"node": {"capabilities": "/w=="}}), 40001),
            (json!({"node": {"status": "suspended"}}), 40046),
            (json!({"node": {"type": "slave"}}), 40046),
        ] {
            assert_eq!(house.admin.put("/admin/node/1", body.clone()).await["code"], code, "{body}");
        }
        assert_eq!(house.admin.put("/admin/node/2", json!({"node": {"name": "x"}})).await["code"], 404);
        assert_eq!(house.bob.put("/admin/node/1", json!({"node": {"name": "x"}})).await["code"], 40008);
        // Fetching alone.
        let changed = data(house.admin.put("/admin/node/1", json!({"node": {"name": "Attic", "capabilities": "CA=="}})).await);
        assert_eq!((&changed["name"], &changed["capabilities"]), (&json!("Attic"), &json!("CA==")));
        assert_eq!(data(house.admin.get("/admin/node/1").await), changed);
        let packed = json!({"src": [my("a.txt")], "dst": my("a.zip")});
        for (path, body) in [
            ("archive", packed.clone()),
            ("extract", json!({"src": [my("a.txt")], "dst": my("")})),
            ("relocate", json!({"src": [my("a.txt")], "dst_policy_id": "local"})),
        ] {
            assert_eq!(house.bob.post(&format!("/workflow/{path}"), body).await["code"], 40019, "{path}");
        }
        let told = data(house.bob.get("/user/setting/nodes").await);
        assert_eq!((&told[0]["name"], &told[0]["capabilities"]), (&json!("Attic"), &json!("CA==")));
        data(house.admin.put("/admin/node/1", json!({"node": {"capabilities": "Hg=="}})).await);
        let task = house.ended(&house.bob, house.bob.post("/workflow/archive", packed).await).await;
        assert_eq!((&task["status"], &task["node"]["name"]), (&json!("completed"), &json!("Attic")));
        assert_eq!(data(house.admin.post("/admin/node/test/downloader", json!({})).await), concat!("Openshelf ", env!("CARGO_PKG_VERSION")));
    }

    async fn programs_are_told_of_and_never_chosen(backend: Backend) {
        let house = House::new(&backend).await;
        let ask = async |body: Value| house.admin.post("/admin/tool/thumbExecutable", body).await;
        let version = data(ask(json!({"name": "ffmpeg", "executable": "ffmpeg"})).await);
        assert!(text(&version).chars().any(|c| c.is_ascii_digit()), "{version}");
        assert_eq!(data(ask(json!({"name": "ffmpeg", "executable": ""})).await), version);
        data(ask(json!({"name": "ffprobe"})).await);
        let folder = TempDir::new().unwrap();
        let (program, trace) = (folder.path().join("ffmpeg"), folder.path().join("ran"));
        fs::write(&program, format!("#!/bin/sh\ntouch {}\necho ffmpeg version 1\n", trace.display())).unwrap();
        fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        assert_eq!(ask(json!({"name": "ffmpeg", "executable": program})).await["code"], 40001);
        assert_eq!(ask(json!({"name": "sh", "executable": "/bin/sh"})).await["code"], 40019);
        assert_eq!(ask(json!({"name": "vips"})).await["code"], 40019);
        assert!(!trace.exists(), "it was not run");
    }

    async fn an_administrator_reads_by_their_own_rights_and_ends_any_share(backend: Backend) {
        let house = House::new(&backend).await;
        house.put("bobs.txt", "his").await;
        data(house.admin.post("/file/create", json!({"uri": my("own.txt"), "type": "file"})).await);
        house.admin.write(&my("own.txt"), "mine").await;
        let key = async |name: &'static str| {
            let sql = "SELECT id FROM item WHERE shown = $1";
            house.server.app.db.read(move |tx| tx.one(sql, args![name], |row| row.get::<i64>(0))).await.unwrap()
        };
        let address = text(&data(house.admin.get(&format!("/admin/file/url/{}", key("own.txt").await)).await));
        let content = house.server.client().get(address).send().await.unwrap().text().await.unwrap();
        assert_eq!(content, "mine");
        assert_eq!(house.admin.get(&format!("/admin/file/url/{}", key("bobs.txt").await)).await["code"], 40016);
        assert_eq!(house.bob.get(&format!("/admin/file/url/{}", key("bobs.txt").await)).await["code"], 40008);

        let link = text(&data(house.bob.put("/share", json!({"uri": my("bobs.txt")})).await));
        let share = link.split("/s/").nth(1).unwrap().split('/').next().unwrap().to_owned();
        let path = format!("/share/{share}");
        house.server.add_user("carl");
        let carl = Drive::sign_in(&house.server, "carl").await;
        assert_eq!(carl.call(Method::DELETE, &path, json!({})).await["code"], 404);
        assert_eq!(house.admin.call(Method::DELETE, &path, json!({})).await["code"], 0);
        assert_eq!(house.bob.get(&format!("/share/info/{share}")).await["code"], 404);
        assert_eq!(house.admin.call(Method::DELETE, &path, json!({})).await["code"], 404);
    }

    async fn files_are_imported_from_where_the_operator_says_and_from_nowhere_else(backend: Backend) {
        let disk = TempDir::new().unwrap();
        let (from, secret) = (disk.path().join("in"), disk.path().join("secret"));
        fs::create_dir_all(from.join("Größe/deep")).unwrap();
        fs::create_dir(&secret).unwrap();
        fs::write(secret.join("key.txt"), "secret").unwrap();
        for (name, content) in [("a.txt", "a"), ("Größe/b.txt", "bb"), ("Größe/deep/c.txt", "ccc"), (".hidden", "h"), ("taken.txt", "new")] {
            fs::write(from.join(name), content).unwrap();
        }
        symlink(secret.join("key.txt"), from.join("link.txt")).unwrap();
        symlink(&secret, from.join("linked")).unwrap();
        let house = House::importing(&backend, &[&from]).await;
        house.put("got/taken.txt", "old").await;
        let bob = house.id_of_bob().await;
        let wish = |src: &Path, policy: i64| json!({"src": src, "dst": "/got", "user_id": bob, "recursive": true,
            "extract_media_meta": false, "policy_id": policy});
        for src in [&secret, &from.join("linked"), &from.join("../secret"), &from.join("none"), &PathBuf::from("/etc"), &PathBuf::from("in")] {
            assert_eq!(house.admin.post("/workflow/import", wish(src, 1)).await["code"], 40016, "{}", src.display());
        }
        let (number, _) = house.policy("Other", json!({}), 0).await;
        for (body, code) in [
            (wish(&from, number), 40057),
            (wish(&from, 77), 40035),
            (json!({"src": from, "dst": "/", "user_id": "nobody", "policy_id": 1}), 40021),
            (json!({"src": from, "dst": "/../x", "user_id": bob, "policy_id": 1}), 40052),
            (json!({"dst": "/", "user_id": bob, "policy_id": 1}), 40001),
        ] {
            assert_eq!(house.admin.post("/workflow/import", body.clone()).await["code"], code, "{body}");
        }
        assert_eq!(house.bob.post("/workflow/import", wish(&from, 1)).await["code"], 40008);

        let task = house.ended(&house.admin, house.admin.post("/workflow/import", wish(&from, 1)).await).await;
        assert_eq!((&task["type"], &task["status"]), (&json!("import"), &json!("completed")), "{task}");
        assert_eq!(task["summary"]["props"]["dst"], format!("cloudreve://{bob}@my/got"));
        let got = ["got", "got/Größe", "got/Größe/b.txt", "got/Größe/deep", "got/Größe/deep/c.txt", "got/a.txt", "got/taken (2).txt", "got/taken.txt"];
        assert_eq!(house.names(), set(&got));
        assert_eq!(fs::read(house.home.join("got/taken (2).txt")).unwrap(), b"new");
        assert_eq!(fs::read(house.home.join("got/taken.txt")).unwrap(), b"old");
        let time = |path: PathBuf| fs::metadata(path).unwrap().modified().unwrap();
        let since = |path| time(path).duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
        assert_eq!(since(house.home.join("got/a.txt")), since(from.join("a.txt")));
        assert_eq!(house.bob.get(&format!("/file/info?uri={}", encoded(&my("got/Größe/deep/c.txt")))).await["code"], 0);
        // A change of the one is none of the other, and another import brings nothing twice.
        fs::write(from.join("a.txt"), "changed").unwrap();
        assert_eq!(fs::read(house.home.join("got/a.txt")).unwrap(), b"a");
        house.ended(&house.admin, house.admin.post("/workflow/import", wish(&from, 1)).await).await;
        assert_eq!(house.names(), &set(&got) | &set(&["got/a (2).txt"]));
        assert_eq!(data(house.bob.get("/workflow?page_size=50").await)["tasks"], json!([]), "it is the administrator's task");

        let without = House::new(&Backend::sqlite()).await;
        let wish = json!({"src": from, "dst": "/", "user_id": without.id_of_bob().await, "policy_id": 1});
        assert_eq!(without.admin.post("/workflow/import", wish).await["code"], 40019);
    }

    async fn an_import_obeys_the_quota_and_the_policy_survives_what_vanishes_and_ends_when_it_is_canceled(backend: Backend) {
        let disk = TempDir::new().unwrap();
        for (name, size) in [("1.bin", 1000), ("2.bin", 1000), ("3.exe", 10)] {
            fs::write(disk.path().join(name), vec![1; size]).unwrap();
        }
        let house = House::importing(&backend, &[disk.path()]).await;
        let bob = house.id_of_bob().await;
        let wish = json!({"src": disk.path(), "dst": "cloudreve://my/in", "user_id": bob, "policy_id": 1});
        data(house.admin.put("/admin/policy/1", json!({"policy": {"settings": no_programs()}})).await);
        let task = house.ended(&house.admin, house.admin.post("/workflow/import", wish.clone()).await).await;
        assert_eq!((&task["status"], &task["summary"]["props"]["failed"]), (&json!("completed"), &json!(1)), "{task}");
        assert!(text(&task["error"]).contains("3.exe"), "{task}");
        assert_eq!(house.names(), set(&["in", "in/1.bin", "in/2.bin"]));

        let quota = json!({"user": {"max_storage": 3500}});
        data(house.admin.put(&format!("/admin/user/{}", house.number("bob").await), quota).await);
        let again = json!({"src": disk.path(), "dst": "/again", "user_id": bob, "policy_id": 1});
        let task = house.ended(&house.admin, house.admin.post("/workflow/import", again).await).await;
        assert_eq!((&task["status"], &task["error"]), (&json!("error"), &json!("No space left")), "{task}");
        assert_eq!(house.names().iter().filter(|name| name.starts_with("again/")).count(), 1, "what had room came");
        assert_eq!((house.half_done(), house.uploads().await), (0, 0));

        // What vanishes on its way is left out, and told.
        data(house.admin.put(&format!("/admin/user/{}", house.number("bob").await), json!({"user": {"max_storage": 0}})).await);
        let files = |folder: &str| house.names().iter().filter(|name| name.starts_with(&format!("{folder}/"))).count();
        let gone = disk.path().join("gone");
        fs::create_dir(&gone).unwrap();
        (0..60).for_each(|number| fs::write(gone.join(format!("{number}.txt")), number.to_string()).unwrap());
        let import = async |from: &Path, to: &str| {
            let wish = json!({"src": from, "dst": to, "user_id": bob, "policy_id": 1});
            house.admin.post("/workflow/import", wish).await
        };
        let asked = import(&gone, "/gone").await;
        until("one came", async || (files("gone") > 0).then_some(())).await;
        fs::remove_dir_all(&gone).unwrap();
        let task = house.ended(&house.admin, asked).await;
        assert_eq!(task["status"], "completed", "{task}");
        assert_eq!(files("gone") as u64 + task["summary"]["props"]["failed"].as_u64().unwrap(), 60, "{task}");

        let many = disk.path().join("many");
        fs::create_dir(&many).unwrap();
        (0..2000).for_each(|number| fs::write(many.join(format!("{number}.txt")), number.to_string()).unwrap());
        let asked = import(&many, "/many").await;
        let id = text(&data(asked.clone())["id"]);
        until("one came", async || (files("many") > 0).then_some(())).await;
        data(house.admin.call(Method::DELETE, &format!("/workflow/download/{id}"), json!({})).await);
        assert_eq!(house.ended(&house.admin, asked).await["status"], "canceled");
        let is_at_rest = async || (house.half_done() == 0 && house.uploads().await == 0).then_some(());
        until("nothing is under way", is_at_rest).await;
        assert!(files("many") < 2000, "it ended in the middle");

        // An administrator who is none any more imports nothing.
        house.server.add_user("dora");
        let dora = house.number("dora").await;
        data(house.admin.put(&format!("/admin/user/{dora}"), json!({"user": {"group_users": 1}})).await);
        let hers = Drive::sign_in(&house.server, "dora").await;
        data(house.admin.put(&format!("/admin/user/{dora}"), json!({"user": {"group_users": 2}})).await);
        assert_eq!(hers.post("/workflow/import", wish).await["code"], 40008);
    }

    async fn what_comes_into_another_library_leaves_its_own_policies_behind(backend: Backend) {
        let house = House::new(&backend).await;
        let (wide, wide_id) = house.policy("Wide", json!({}), 0).await;
        let (tight, tight_id) = house.policy("Tight", json!({}), 3).await;
        house.group_of_bob(json!([{"id": wide}, {"id": tight}])).await;
        let shelf = TempDir::new().unwrap();
        fs::create_dir(shelf.path().join("in")).unwrap();
        house.add_writable("Shelf", shelf.path()).await;
        let wish = json!({"uri": my("Shelf/in"), "policy_id": tight_id});
        assert_eq!(house.admin.call(Method::PATCH, "/file/policy", wish).await["code"], 0);
        let put_into = async |name: &str, target: &str, copy: bool| {
            house.bob.post("/file/move", json!({"uris": [my(name)], "dst": my(target), "copy": copy})).await
        };
        for folder in ["box", "box/deep"] {
            assert_eq!(house.create(folder, "folder").await, 0);
            assert_eq!(house.mount(folder, &wide_id).await, 0);
        }
        house.put("box/deep/a.txt", "a").await;
        data(put_into("box", "Shelf/in", false).await);
        for folder in ["box", "box/deep"] {
            assert_eq!(house.begin(&format!("Shelf/in/{folder}/x.txt"), 4, "").await["code"], 40049, "{folder}");
            assert_eq!(house.begin(&format!("Shelf/in/{folder}/x.txt"), 3, "").await["code"], 0, "{folder}");
        }

        // Within one library they go along, but not with a copy: that is held against what holds where it comes.
        for (folder, policy) in [("kit", &tight_id), ("kit/wide", &wide_id), ("there", &tight_id)] {
            assert_eq!(house.create(folder, "folder").await, 0);
            assert_eq!(house.mount(folder, policy).await, 0);
        }
        house.put("kit/wide/large.txt", "large").await;
        let copied = put_into("kit", "there", true).await;
        assert_eq!(copied["aggregated_error"][my("kit")]["code"], 40049, "{copied}");
        data(put_into("kit", "there", false).await);
        assert_eq!(house.begin("there/kit/wide/x.txt", 4, "").await["code"], 0);
        assert_eq!(house.begin("there/kit/x.txt", 4, "").await["code"], 40049);
    }

    async fn an_import_into_what_is_imported_ends(backend: Backend) {
        let media = TempDir::new().unwrap();
        let shared = media.path().join("shared");
        fs::create_dir_all(shared.join("in")).unwrap();
        fs::create_dir(media.path().join("deep")).unwrap();
        for name in ["a.txt", "deep/b.txt", "shared/c.txt"] {
            fs::write(media.path().join(name), name).unwrap();
        }
        let house = House::importing(&backend, &[media.path()]).await;
        house.add_writable("Shelf", &shared).await;
        let bob = house.id_of_bob().await;
        let import = async |from: &Path| {
            let wish = json!({"src": from, "dst": "/Shelf/in", "user_id": bob, "recursive": true, "policy_id": 1});
            house.ended(&house.admin, house.admin.post("/workflow/import", wish).await).await
        };
        let expected = set(&["a.txt", "deep", "deep/b.txt", "shared", "shared/c.txt"]);
        for _ in 0..2 {
            let task = import(media.path()).await;
            assert_eq!((&task["status"], &task["summary"]["props"]["failed"]), (&json!("completed"), &json!(0)), "{task}");
            assert_eq!(names(&shared.join("in")), expected);
        }
        assert_eq!(import(&shared.join("in")).await["status"], "error");
        assert_eq!(names(&shared.join("in")), expected);
    }

    async fn a_folder_to_import_from_may_be_away_at_the_start_and_is_never_our_own(backend: Backend) {
        let disk = TempDir::new().unwrap();
        let from = disk.path().join("usb");
        let house = House::importing(&backend, &[&from]).await;
        let bob = house.id_of_bob().await;
        let import = async || {
            let wish = json!({"src": from, "dst": "/got", "user_id": bob, "recursive": true, "policy_id": 1});
            house.admin.post("/workflow/import", wish).await
        };
        assert_eq!(import().await["code"], 40016);

        let homes = house.home.parent().unwrap();
        fs::write(homes.join("secret.txt"), "secret").unwrap();
        symlink(homes, &from).unwrap();
        let refused = import().await;
        assert_eq!(refused["code"], 40001, "{refused}");
        assert!(refused.to_string().contains("own data"), "{refused}");
        assert_eq!(house.names(), set(&[]));

        fs::remove_file(&from).unwrap();
        fs::create_dir(&from).unwrap();
        fs::write(from.join("a.txt"), "a").unwrap();
        assert_eq!(house.ended(&house.admin, import().await).await["status"], "completed");
        assert_eq!(house.names(), set(&["got", "got/a.txt"]));
    }

    async fn a_kill_in_the_middle_of_an_import_neither_loses_nor_doubles_a_file(backend: Backend) {
        const FILES: usize = 120;
        let disk = TempDir::new().unwrap();
        for number in 0..FILES {
            fs::create_dir_all(disk.path().join(format!("f{}", number % 7))).unwrap();
            fs::write(disk.path().join(format!("f{}/{number}.bin", number % 7)), number.to_string().repeat(1000)).unwrap();
        }
        let installation = Installation::new(&backend);
        let settings = [("OPENSHELF_IMPORT_FROM", disk.path().to_str().unwrap())];
        let mut running = installation.start_with(&settings);
        let client = crate::server::http().build().unwrap();
        let (token, id) = sign_in(&client, &running.url).await;
        let ask = async |url: &str, method: Method, path: &str, body: Value| -> Value {
            let request = client.request(method, format!("{url}/api/v4{path}")).bearer_auth(&token).json(&body);
            request.send().await.unwrap().json().await.unwrap()
        };
        // One that is in the way, of other content.
        let taken = json!({"uri": "cloudreve://my/got/f0/0.bin", "type": "file"});
        data(ask(&running.url, Method::POST, "/file/create", taken).await);
        let wish = json!({"src": disk.path(), "dst": "/got", "user_id": id, "recursive": true, "policy_id": 1});
        let task = text(&data(ask(&running.url, Method::POST, "/workflow/import", wish).await)["id"]);
        until("some of it is there", async || (imported(&installation).len() > FILES / 4).then_some(())).await;
        running.kill();
        let before = imported(&installation).len();
        assert!(before <= FILES, "killed in the middle: {before}");
        let running = installation.start_with(&settings);
        let list = async || data(ask(&running.url, Method::GET, "/workflow?page_size=50", Value::Null).await);
        let ended = ended(list, &task).await;
        assert_eq!((&ended["status"], &ended["summary"]["props"]["failed"]), (&json!("completed"), &json!(0)), "{ended}");
        let mut expected: BTreeSet<String> = (0..FILES).map(|number| format!("f{}/{number}.bin", number % 7)).collect();
        expected.insert("f0/0 (2).bin".to_owned());
        let home = imported_home(&installation);
        let there: BTreeSet<String> = names(&home).into_iter().filter(|name| name.ends_with(".bin")).collect();
        assert_eq!(there, expected);
        for name in expected.iter().filter(|name| *name != "f0/0.bin") {
            let source = disk.path().join(name.replace(" (2)", ""));
            assert!(fs::read(home.join(name)).unwrap() == fs::read(source).unwrap(), "{name}");
            let info = ask(&running.url, Method::GET, &format!("/file/info?uri={}", encoded(&my(&format!("got/{name}")))), Value::Null).await;
            assert_eq!(info["code"], 0, "{name} has its row");
        }
    }
}

async fn sign_in(client: &Client, url: &str) -> (String, String) {
    let body = json!({"email": ADMIN, "password": PASSWORD});
    let signed: Value =
        client.post(format!("{url}/api/v4/session/token")).json(&body).send().await.unwrap().json().await.unwrap();
    let signed = data(signed);
    (text(&signed["token"]["access_token"]), text(&signed["user"]["id"]))
}

/// The folder `got` in the home.
fn imported_home(installation: &Installation) -> PathBuf {
    let found = walkdir::WalkDir::new(installation.data()).into_iter().filter_map(Result::ok);
    found.into_iter().find(|entry| entry.file_name() == "got").map(|entry| entry.path().to_owned()).unwrap_or_default()
}

fn imported(installation: &Installation) -> Vec<String> {
    let home = imported_home(installation);
    if home.as_os_str().is_empty() {
        return Vec::new();
    }
    let found = walkdir::WalkDir::new(home).into_iter().filter_map(Result::ok);
    found
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

impl House {
    /// Writes a file of Bob's, with the folders above it.
    async fn put(&self, name: &str, content: &'static str) {
        let address = format!("{}/api/v4/file/content?uri={}", self.server.url, encoded(&my(name)));
        let put = self.server.client().put(address).bearer_auth(&self.bob.token).body(content);
        if let Some((folder, _)) = name.rsplit_once('/') {
            self.create(folder, "folder").await;
        }
        data(put.send().await.unwrap().json().await.unwrap());
    }

    /// A library that everybody may write to.
    async fn add_writable(&self, name: &'static str, path: &Path) {
        let key = tokio::task::block_in_place(|| self.server.add_library(name, path)).key;
        let opened = self.server.app.db.write(move |tx| {
            library::update(tx, key, name, library::Access::Writable, openshelf::now_ms())?;
            rights::set(tx, key, &Subject::Everyone, Bits::ALL)
        });
        opened.await.unwrap();
    }

    /// The only chunk of an upload.
    async fn chunk(&self, begun: &Value, content: &'static str) -> Value {
        let address = format!("{}/api/v4/file/upload/{}/0", self.server.url, text(&begun["session_id"]));
        let sent = self.server.client().post(address).bearer_auth(&self.bob.token).body(content).send().await.unwrap();
        sent.json().await.unwrap()
    }
}
