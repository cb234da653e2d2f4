//! What users have the server do behind: it is done, whoever comes between, and nothing else is.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use openshelf::account::{Role, Roles, User, UserState};
use openshelf::args;
use openshelf::store::{accounts, library};
use openshelf::work::{tasks, users};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::both_engines;
use crate::engines::Backend;
use crate::packed::{
    MADE_S, SEVEN, SEVEN_LOCKED, SEVEN_LOCKED_CONTENT, base64, end, file, gz, head as tar_head, tar, zip,
};
use crate::podcasts::until;
use crate::server::{PASSWORD, Server};
use crate::stand_in::{StandIn, for_ever, head, redirect, reply};

/// A server that may ask this machine, and Ann, who is signed in at Cloudreve's door and may have files fetched.
struct House {
    server: Server,
    client: Client,
    ann: User,
    token: String,
    home: PathBuf,
}

impl House {
    async fn new(backend: &Backend) -> House {
        let server = Server::start_with(backend, |given| given.outgoing_networks = vec!["127.0.0.1/32".to_owned()]);
        let (client, ann) = (server.client(), server.add_user("ann"));
        let key = ann.key;
        let home = server.app.db.read(move |tx| library::home_of(tx, key)).await.unwrap().unwrap().root;
        let mut house = House { server, client, ann, token: String::new(), home };
        house.allow(Roles::USER.with(Role::Fetch)).await;
        house.token = house.sign_in("ann").await;
        house
    }

    async fn sign_in(&self, name: &str) -> String {
        let body = json!({"email": name, "password": PASSWORD});
        let signed = self.client.post(format!("{}/api/v4/session/token", self.server.url)).json(&body);
        text(&envelope(signed.send().await.unwrap()).await["data"]["token"]["access_token"])
    }

    async fn allow(&self, roles: Roles) {
        let (key, mut allowed) = (self.ann.key, self.ann.allowed.clone());
        allowed.roles = roles;
        self.server.app.db.write(move |tx| accounts::set_allowed(tx, key, &allowed)).await.unwrap();
    }

    async fn set_quota(&self, bytes: u64) {
        let (key, sql) = (self.ann.key, "UPDATE account SET quota_bytes = $1 WHERE id = $2");
        self.server.app.db.write(move |tx| tx.run(sql, args![bytes, key.0])).await.unwrap();
    }

    async fn call_as(&self, token: &str, method: Method, path: &str, body: Value) -> Value {
        let request = self.client.request(method, format!("{}/api/v4{path}", self.server.url)).bearer_auth(token);
        envelope(request.json(&body).send().await.unwrap()).await
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> Value {
        self.call_as(&self.token, method, path, body).await
    }

    async fn get(&self, path: &str) -> Value {
        self.call(Method::GET, path, Value::Null).await
    }

    async fn put(&self, path: &str, content: impl Into<Vec<u8>>) {
        let url = format!("{}/api/v4/file/content?uri={}", self.server.url, encoded(&my(path)));
        let sent = self.client.put(url).bearer_auth(&self.token).body(content.into()).send().await.unwrap();
        data(envelope(sent).await);
    }

    /// A task that was asked for, by its id.
    async fn ask(&self, what: &str, body: Value) -> String {
        let made = data(self.call(Method::POST, &format!("/workflow/{what}"), body).await);
        text(&if what == "download" { made[0].clone() } else { made }["id"])
    }

    async fn task(&self, id: &str) -> Value {
        for category in ["general", "downloading", "downloaded"] {
            let found = data(self.get(&format!("/workflow?page_size=100&category={category}")).await);
            if let Some(task) = found["tasks"].as_array().unwrap().iter().find(|task| task["id"] == id) {
                return task.clone();
            }
        }
        panic!("no task {id}");
    }

    /// The task, once it has ended.
    async fn ended(&self, id: &str) -> Value {
        until("the task ends", async || {
            let task = self.task(id).await;
            matches!(task["status"].as_str(), Some("completed" | "error" | "canceled")).then_some(task)
        })
        .await
    }

    async fn done(&self, what: &str, body: Value) -> Value {
        let task = self.ended(&self.ask(what, body).await).await;
        assert_eq!(task["status"], "completed", "{task}");
        task
    }

    async fn failed(&self, what: &str, body: Value) -> String {
        let task = self.ended(&self.ask(what, body).await).await;
        assert_eq!(task["status"], "error", "{task}");
        text(&task["error"])
    }

    /// Unpacks these bytes into a new folder, and tells what became of the task and what is there.
    async fn unpacked(&self, name: &str, archive: Vec<u8>, more: Value) -> (Value, BTreeMap<String, Vec<u8>>) {
        self.put(name, archive).await;
        let into = format!("from {name}");
        let mut body = json!({"src": [my(name)], "dst": my(&into)});
        body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        let task = self.ended(&self.ask("extract", body).await).await;
        let files = files(&self.home.join(into));
        // What is there is what the rows say.
        for name in files.keys() {
            assert_eq!(
                self.get(&format!("/file/info?uri={}", encoded(&my(&format!("from {}/{name}", task_name(&task))))))
                    .await["code"],
                0,
                "{name}"
            );
        }
        (task, files)
    }

    /// A download of which something has come.
    async fn coming(&self, asked: Value) -> String {
        let id = self.ask("download", asked).await;
        let is_known = async || (!self.task(&id).await["summary"]["props"]["download"].is_null()).then_some(());
        until("it comes", is_known).await;
        id
    }

    /// Nothing is on its way into the home.
    async fn is_at_rest(&self) {
        until("nothing is on its way", async || {
            let waiting = files(&self.home.join(".openshelf")).len();
            let rows =
                self.server.app.db.read(|tx| tx.one("SELECT COUNT(*) FROM upload", args![], |row| row.get::<i64>(0)));
            (waiting == 0 && rows.await.unwrap() == 0).then_some(())
        })
        .await;
    }
}

fn task_name(task: &Value) -> String {
    text(&task["summary"]["props"]["src"]).rsplit('/').next().unwrap().replace("%20", " ")
}

fn my(path: &str) -> String {
    let parts: Vec<String> = path.split('/').map(encoded).collect();
    format!("cloudreve://my/{}", parts.join("/"))
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

async fn envelope(response: Response) -> Value {
    assert_eq!(response.status(), 200);
    response.json().await.unwrap()
}

fn data(envelope: Value) -> Value {
    assert_eq!(envelope["code"], 0, "{envelope}");
    envelope["data"].clone()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// Every file beneath a folder, by its path.
fn files(folder: &std::path::Path) -> BTreeMap<String, Vec<u8>> {
    let entries = walkdir::WalkDir::new(folder).into_iter().filter_map(Result::ok);
    entries
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let path = entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            (path, std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

fn noise(count: usize) -> Vec<u8> {
    let mut state = 1u32;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as u8
        })
        .collect()
}

both_engines! {
    async fn a_folder_is_packed_and_what_is_packed_is_unpacked(backend: Backend) {
        let house = House::new(&backend).await;
        let large = noise(3_000_000);
        for (path, content) in [("a/one.txt", &b"1"[..]), ("a/b/two.txt", b"22"), ("a/b/Größe.bin", &large), ("c.txt", b"")] {
            house.put(path, content).await;
        }
        let asked = json!({"src": [my("a"), my("c.txt")], "dst": my("all.zip")});
        let made = data(house.call(Method::POST, "/workflow/archive", asked.clone()).await);
        assert_eq!((&made["type"], &made["node"]["type"]), (&json!("create_archive"), &json!("master")));
        assert_eq!(made["summary"]["props"], json!({"src_multiple": ["cloudreve://my/a", "cloudreve://my/c.txt"], "dst": "cloudreve://my/all.zip", "failed": 0}));
        let done = house.ended(&text(&made["id"])).await;
        assert_eq!(done["status"], "completed", "{done}");
        assert!(done["duration"].is_i64() && done.get("error").is_none());
        assert_eq!(data(house.get(&format!("/file/info?uri={}", encoded(&my("all.zip")))).await)["type"], 0);

        house.done("extract", json!({"src": [my("all.zip")], "dst": my("out/deep")})).await;
        let mut found = files(&house.home.join("out/deep"));
        assert_eq!(found.remove("a/b/Größe.bin").unwrap(), large);
        let small = [("a/b/two.txt", &b"22"[..]), ("a/one.txt", b"1"), ("c.txt", b"")];
        assert_eq!(found, small.map(|(path, content)| (path.to_owned(), content.to_vec())).into());
        assert_eq!(house.call(Method::POST, "/workflow/archive", asked).await["code"], 40004);
        house.is_at_rest().await;
    }

    async fn folders_that_hold_nothing_are_packed_and_unpacked(backend: Backend) {
        let house = House::new(&backend).await;
        house.put("a/one.txt", "1").await;
        for folder in ["a/b/nothing", "alone"] {
            data(house.call(Method::POST, "/file/create", json!({"uri": my(folder), "type": "folder"})).await);
        }
        house.done("archive", json!({"src": [my("a"), my("alone")], "dst": my("all.zip")})).await;
        house.done("archive", json!({"src": [my("alone")], "dst": my("alone.zip")})).await;
        for (archive, into, there) in
            [("all.zip", "out", vec!["a", "a/b", "a/b/nothing", "alone"]), ("alone.zip", "out2", vec!["alone"])]
        {
            house.done("extract", json!({"src": [my(archive)], "dst": my(into)})).await;
            let folder = house.home.join(into);
            let entries = walkdir::WalkDir::new(&folder).min_depth(1).sort_by_file_name().into_iter().map(Result::unwrap);
            let folders = entries.filter(|entry| entry.file_type().is_dir());
            let found: Vec<String> =
                folders.map(|entry| entry.path().strip_prefix(&folder).unwrap().to_str().unwrap().to_owned()).collect();
            assert_eq!(found, there, "{archive}");
        }
        house.is_at_rest().await;
    }

    async fn tasks_are_listed_by_their_owner_alone(backend: Backend) {
        let house = House::new(&backend).await;
        house.server.add_user("bob");
        let bob = house.sign_in("bob").await;
        house.put("a.txt", "a").await;
        let mut ids = Vec::new();
        for number in 0..12 {
            ids.push(house.ask("archive", json!({"src": [my("a.txt")], "dst": my(&format!("{number}.zip"))})).await);
        }
        for id in &ids {
            house.ended(id).await;
        }
        let first = data(house.get("/workflow?page_size=10&category=general&next_page_token=").await);
        let token = text(&first["pagination"]["next_token"]);
        let second = data(house.get(&format!("/workflow?page_size=10&category=general&next_page_token={token}")).await);
        let listed = [&first, &second].map(|page| page["tasks"].as_array().unwrap().clone()).concat();
        let listed: Vec<String> = listed.iter().map(|task| text(&task["id"])).collect();
        assert_eq!(listed, ids.iter().rev().cloned().collect::<Vec<_>>());
        assert!(second["pagination"].get("next_token").is_none());
        assert_eq!(data(house.get("/workflow?page_size=10&category=downloaded").await)["tasks"], json!([]));
        assert_eq!(house.get("/workflow?page_size=10&category=others").await["code"], 40001);

        let progress = format!("/workflow/progress/{}", ids[0]);
        assert_eq!(house.get(&progress).await, json!({"code": 0, "msg": ""}));
        assert_eq!(house.call_as(&bob, Method::GET, &progress, Value::Null).await["code"], 404);
        let bobs = house.call_as(&bob, Method::GET, "/workflow?page_size=10", Value::Null).await;
        assert_eq!(data(bobs)["tasks"], json!([]));
        let cancel = format!("/workflow/download/{}", ids[0]);
        assert_eq!(house.call_as(&bob, Method::DELETE, &cancel, Value::Null).await["code"], 404);
        assert_eq!(house.call(Method::DELETE, &cancel, Value::Null).await["code"], 404, "it has ended");
    }

    async fn what_cannot_be_done_is_refused_at_once(backend: Backend) {
        let house = House::new(&backend).await;
        house.put("a.txt", "a").await;
        house.put("f/b.txt", "b").await;
        let url = "http://127.0.0.1:9/x";
        for (what, body, code) in [
            ("archive", json!({"src": [my("no")], "dst": my("x.zip")}), 40016),
            ("archive", json!({"src": [my("a.txt")], "dst": "cloudreve://my"}), 40053),
            ("archive", json!({"src": ["cloudreve://my"], "dst": my("x.zip")}), 40053),
            ("archive", json!({"src": [my("a.txt")], "dst": my("a.txt/x.zip")}), 40016),
            ("archive", json!({"src": [my("a.txt")], "dst": my("f/b.txt")}), 40004),
            ("archive", json!({"src": [my("a.txt")], "dst": my(".hidden")}), 40052),
            ("archive", json!({"src": [], "dst": my("x.zip")}), 40001),
            ("archive", json!({"src": [my("a.txt")], "dst": "cloudreve://x@share"}), 403),
            ("archive", json!({"src": [my("a.txt")], "dst": my("x.zip"), "password": "x"}), 40019),
            ("archive", json!({"src": vec![my("a.txt"); 1001], "dst": my("x.zip")}), 40074),
            ("extract", json!({"src": [my("f")], "dst": my("out")}), 40016),
            ("extract", json!({"src": [my("a.txt"), my("f/b.txt")], "dst": my("out")}), 40001),
            ("extract", json!({"src": [my("a.txt")], "dst": my("out"), "encoding": "klingon"}), 40001),
            ("download", json!({"src": ["file:///etc/passwd"], "dst": my("")}), 40001),
            ("download", json!({"src": ["http://10.0.0.1/x"], "dst": my("")}), 40001),
            ("download", json!({"src": ["magnet:?xt=urn:btih:00"], "dst": my("")}), 40019),
            ("download", json!({"src_file": my("a.torrent"), "dst": my("")}), 40019),
            ("download", json!({"src": [url], "dst": my("a.txt")}), 40016),
            ("download", json!({"src": [url]}), 40001),
        ] {
            let answer = house.call(Method::POST, &format!("/workflow/{what}"), body.clone()).await;
            assert_eq!(answer["code"], code, "{what} {body}: {answer}");
        }
        house.allow(Roles::USER).await;
        let asked = json!({"src": [url], "dst": my("")});
        assert_eq!(house.call(Method::POST, "/workflow/download", asked).await["code"], 40007);
        for category in ["general", "downloading", "downloaded"] {
            assert_eq!(data(house.get(&format!("/workflow?page_size=10&category={category}")).await)["tasks"], json!([]));
        }
        assert_eq!(files(&house.home).len(), 2);
    }

    async fn the_group_tells_what_a_user_may(backend: Backend) {
        let house = House::new(&backend).await;
        let may = async |bit: u32| {
            let permission = text(&data(house.get("/user/me").await)["group"]["permission"]);
            let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, permission).unwrap();
            bytes.get(bit as usize / 8).is_some_and(|byte| byte & 1 << (bit % 8) != 0)
        };
        assert!(may(5).await && may(9).await);
        house.allow(Roles::USER).await;
        assert!(may(5).await && !may(9).await, "not unless somebody allows it");
        house.allow(Roles::USER.without(Role::Upload)).await;
        assert!(!may(5).await);
    }

    async fn archives_that_mean_harm_do_none(backend: Backend) {
        let house = House::new(&backend).await;
        house.put("kept.txt", "mine").await;
        let outside = house.home.parent().unwrap().join("evil.txt");
        let good = file("good.txt", "good");
        let (link, device) = (0o120_777, 0o020_644);
        for (name, archive, there, failed) in [
            ("slip.zip", zip(&[file("../evil.txt", "x"), file("a/../../evil.txt", "x"), good.clone()]), &["good.txt"][..], 2),
            ("backslip.zip", zip(&[file(r"..\..\evil.txt", "x"), file(r"w\in.txt", "x"), good.clone()]), &["good.txt", "w/in.txt"], 1),
            ("absolute.zip", zip(&[file("/etc/evil.txt", "x"), file("C:/evil.txt", "x"), good.clone()]), &["good.txt"], 2),
            ("link.zip", zip(&[file("l", "/etc").with_mode(link), file("l/evil.txt", "x"), good.clone()]), &["good.txt", "l/evil.txt"], 1),
            ("device.zip", zip(&[file("d", "").with_mode(device), good.clone()]), &["good.txt"], 1),
            ("twice.zip", zip(&[file("good.txt", "good"), file("good.txt", "twin!")]), &["good.txt"], 1),
            ("hidden.zip", zip(&[file(".bashrc", "x"), file("a/.ssh/key", "x"), file(".openshelf/x", "x"), good.clone()]), &["good.txt"], 3),
            ("clash.zip", zip(&[file("a", "file"), file("a/b.txt", "x"), good.clone()]), &["a", "good.txt"], 1),
            ("control.zip", zip(&[file("a\nb", "x"), file("a\0b", "x"), good.clone()]), &["good.txt"], 2),
            ("short.zip", zip(&[file("s", "four").claiming(3), file("l", "four").claiming(9), good.clone()]), &["good.txt"], 2),
            ("sum.zip", zip(&[file("s", "four").with_sum(1), good.clone()]), &["good.txt"], 1),
            ("method.zip", zip(&[file("m", "four").with_method(97), good.clone()]), &["good.txt"], 1),
            ("nested.zip", zip(&[file("in.zip", zip(&[file("deep.txt", "x")])), good.clone()]), &["good.txt", "in.zip"], 0),
            ("slip.tar", tar(&[(b'0', "../evil.txt", b"x"), (b'0', "/evil.txt", b"x"), (b'0', "good.txt", b"good")]), &["good.txt"], 2),
            ("links.tar", tar(&[(b'2', "l", b""), (b'1', "h", b""), (b'3', "c", b""), (b'6', "p", b""), (b'0', "l/good.txt", b"good")]), &["l/good.txt"], 4),
        ] {
            let (task, found) = house.unpacked(name, archive, json!({})).await;
            assert_eq!(task["status"], "completed", "{name}: {task}");
            assert_eq!(found.keys().collect::<Vec<_>>(), there, "{name}");
            assert_eq!(task["summary"]["props"].get("failed").unwrap_or(&json!(0)), failed, "{name}");
            assert!(found.iter().filter(|(path, _)| path.ends_with("good.txt")).all(|(_, content)| content == b"good"), "{name}");
        }
        assert!(!outside.exists() && files(&house.home)["kept.txt"] == b"mine");
        house.is_at_rest().await;
    }

    async fn archives_that_are_none_or_too_much_are_refused_whole(backend: Backend) {
        let house = House::new(&backend).await;
        let whole = zip(&[file("a.txt", noise(5000))]);
        let zeros = zip(&[file("zeros", vec![0; 80 << 20]).deflated()]);
        assert!(zeros.len() < 100_000);
        let mut lies = zip(&[file("a.txt", "a")]);
        let start = lies.len() - 22;
        lies.truncate(start);
        lies.extend(end(u16::MAX, 51, 36));
        let many = zip(&(0..60_000).map(|number| file(format!("{number}"), "").claiming(u32::MAX)).collect::<Vec<_>>());
        let long_name = [tar_head(b'L', b"././@LongLink", 1 << 40), vec![b'a'; 4096]].concat();
        let too_many: Vec<String> = (0..100_001).map(|number| number.to_string()).collect();
        let too_many: Vec<_> = too_many.iter().map(|name| (b'2', name.as_str(), &b""[..])).collect();
        let too_many = gz(&tar(&too_many));
        for (name, archive, why) in [
            ("text.zip", b"not an archive at all".to_vec(), "no archive"),
            ("empty.zip", Vec::new(), "no archive"),
            ("cut.zip", whole[..whole.len() - 30].to_vec(), "table of contents"),
            ("lies.zip", lies, "damaged"),
            ("zeros.zip", zeros.clone(), "far larger"),
            ("zeros.tar.gz", gz(&tar(&[(b'0', "zeros", &vec![0; 80 << 20])])), "far larger"),
            ("claims.zip", many, "far larger"),
            ("cut.tar.gz", gz(&tar(&[(b'0', "a", &noise(5000))]))[..2000].to_vec(), "damaged"),
            ("cut.tar", tar(&[(b'0', "a", &noise(5000))])[..2000].to_vec(), "ends too early"),
            ("name.tar", long_name, "name is too long"),
            ("many.tar.gz", too_many, "more than 100000"),
            ("huge.tar", tar_head(b'0', b"huge", 1 << 42), "far larger"),
        ] {
            let (task, found) = house.unpacked(name, archive, json!({})).await;
            assert_eq!(task["status"], "error", "{name}: {task}");
            assert!(text(&task["error"]).contains(why), "{name}: {task}");
            assert!(found.is_empty(), "{name}: {:?}", found.keys());
        }
        let (_, found) = house.unpacked("front.zip", [b"MZ a program stands in front".to_vec(), whole].concat(), json!({})).await;
        assert_eq!(found["a.txt"], noise(5000));
        house.is_at_rest().await;
    }

    async fn a_quota_holds_for_all_that_tasks_make(backend: Backend) {
        let house = House::new(&backend).await;
        let parts: Vec<_> = (0..4).map(|number| file(format!("{number}.bin"), vec![number; 300_000]).deflated()).collect();
        house.put("four.zip", zip(&parts)).await;
        house.put("half.bin", noise(400_000)).await;
        house.put("four.tar.gz", gz(&tar(&[(b'0', "1", &[1; 300_000]), (b'0', "2", &[2; 300_000]), (b'0', "3", &[3; 300_000])]))).await;
        house.set_quota(1_000_000).await;
        let why = house.failed("extract", json!({"src": [my("four.zip")], "dst": my("out")})).await;
        assert!(why.contains("no room"), "{why}");
        assert!(files(&house.home.join("out")).is_empty(), "it was known beforehand");
        house.failed("extract", json!({"src": [my("four.tar.gz")], "dst": my("out")})).await;
        assert!(files(&house.home.join("out")).len() <= 1);
        let twice = json!({"src": [my("half.bin"), my("out"), my("half.bin")], "dst": my("x.zip")});
        assert!(house.failed("archive", twice).await.contains("No space"));
        let endless = StandIn::start(|_, stream| for_ever(stream, b"", &[7; 1000]));
        let large = StandIn::start(|_, stream| head(stream, 200, "Content-Length: 900000000\r\n"));
        for url in [&endless.url, &large.url] {
            assert!(house.failed("download", json!({"src": [url], "dst": my("")})).await.contains("No space"), "{url}");
        }
        let used = data(house.get("/user/capacity").await)["used"].as_u64().unwrap();
        assert!(used <= 1_000_000, "{used}");
        house.is_at_rest().await;
    }

    async fn names_are_read_in_what_they_are_written_in(backend: Backend) {
        let house = House::new(&backend).await;
        let japanese = encoding_rs::SHIFT_JIS.encode("夜に.txt").0.into_owned();
        let archive = zip(&[file(&japanese, "a")]);
        let (_, found) = house.unpacked("sjis.zip", archive, json!({"encoding": "shift_jis"})).await;
        assert_eq!(found.keys().collect::<Vec<_>>(), ["夜に.txt"]);
        let (_, found) = house.unpacked("plain.zip", zip(&[file("夜.txt", "a"), file("é.txt", "b").in_utf8()]), json!({"encoding": null})).await;
        assert_eq!(found.keys().collect::<Vec<_>>(), ["é.txt", "夜.txt"]);
        let (_, found) = house.unpacked("old.zip", zip(&[file(b"Gr\x94\xe1e.txt", "a")]), json!({})).await;
        assert_eq!(found.keys().collect::<Vec<_>>(), ["Größe.txt"]);
        let listed = data(house.get(&format!("/file/archive?uri={}&text_encoding=shift_jis", encoded(&my("sjis.zip")))).await);
        assert_eq!(listed["files"][0]["name"], "夜に.txt");
    }

    async fn a_locked_archive_opens_with_its_password(backend: Backend) {
        let house = House::new(&backend).await;
        let archive = zip(&[file("a.txt", "secret").locked("open it"), file("b.txt", vec![b'b'; 9000]).deflated().locked("open it")]);
        house.put("locked.zip", archive).await;
        let ask = |password: Value| json!({"src": [my("locked.zip")], "dst": my("out"), "password": password});
        assert!(house.failed("extract", ask(Value::Null)).await.contains("needs a password"));
        assert!(house.failed("extract", ask(json!("wrong"))).await.contains("another one"));
        house.done("extract", ask(json!("open it"))).await;
        let found = files(&house.home.join("out"));
        assert_eq!((found["a.txt"].as_slice(), found["b.txt"].len()), (&b"secret"[..], 9000));
        let kept = house.server.app.db.read(|tx| {
            tx.one("SELECT COUNT(*) FROM task WHERE secret_sealed IS NOT NULL OR wish LIKE '%open it%'", args![], |row| row.get::<i64>(0))
        });
        assert_eq!(kept.await.unwrap(), 0, "a password goes with its task's end");
    }

    async fn a_7z_archive_is_unpacked_and_looked_into(backend: Backend) {
        let house = House::new(&backend).await;
        let (task, found) = house.unpacked("plain.7z", base64(SEVEN), json!({})).await;
        assert_eq!((&task["status"], &task["summary"]["props"]["failed"]), (&json!("completed"), &json!(1)), "{task}");
        let expected = BTreeMap::from([("b.txt".to_owned(), vec![b'b'; 9000]), ("d/a.txt".to_owned(), b"four".to_vec())]);
        assert_eq!(found, expected);
        let (_, found) = house.unpacked("some.7z", base64(SEVEN), json!({"file_mask": ["d"]})).await;
        assert_eq!(found.keys().collect::<Vec<_>>(), ["d/a.txt"]);
        let list = |path: &str| format!("/file/archive?uri={}", encoded(&my(path)));
        let listed = data(house.get(&list("plain.7z")).await)["files"].clone();
        let listed: BTreeMap<String, u64> = listed.as_array().unwrap().iter().map(|file| (text(&file["name"]), file["size"].as_u64().unwrap())).collect();
        assert_eq!(listed, [("b.txt", 9000), ("d", 0), ("d/a.txt", 4), ("l", 4)].map(|(name, size)| (name.to_owned(), size)).into());

        for (name, archive) in [("locked.7z", SEVEN_LOCKED), ("content.7z", SEVEN_LOCKED_CONTENT)] {
            house.put(name, base64(archive)).await;
            let into = format!("out of {name}");
            let ask = |password: Value| json!({"src": [my(name)], "dst": my(&into), "password": password});
            assert!(house.failed("extract", ask(Value::Null)).await.contains("needs a password"), "{name}");
            let why = house.failed("extract", ask(json!("wrong"))).await;
            assert!(why.contains("another one"), "{name}: {why}");
            assert!(files(&house.home.join(&into)).is_empty(), "{name}");
            house.done("extract", ask(json!("open it"))).await;
            assert_eq!(files(&house.home.join(&into)), expected, "{name}");
        }
        assert_eq!((house.get(&list("locked.7z")).await["code"].clone(), house.get(&list("content.7z")).await["code"].clone()), (json!(40001), json!(0)));
        let whole = base64(SEVEN);
        for (at, cut) in [(0, 40), (1, 100), (2, whole.len() - 1)] {
            let (task, found) = house.unpacked(&format!("cut{at}.7z"), whole[..cut].to_vec(), json!({})).await;
            assert_eq!((&task["status"], found.len()), (&json!("error"), 0), "{task}");
        }
    }

    async fn only_what_is_asked_for_is_unpacked(backend: Backend) {
        let house = House::new(&backend).await;
        let archive = zip(&[file("a/x.txt", "1"), file("ab.txt", "2"), file("c.txt", "3"), file("../c.txt", "4")]);
        let (task, found) = house.unpacked("some.zip", archive, json!({"file_mask": ["a", "c.txt"]})).await;
        assert_eq!(task["status"], "completed", "{task}");
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a/x.txt", "c.txt"]);
        let archive = zip(&[file("a.txt", "1")]);
        let (task, found) = house.unpacked("none.zip", archive, json!({"file_mask": ["../a.txt"]})).await;
        assert_eq!((&task["status"], found.len()), (&json!("completed"), 0), "nothing is not everything");
        let listing = [(b'5', "d/", &b""[..]), (b'0', "d/a.txt", b"1"), (b'0', "e/b.txt", b"2")];
        for (name, archive) in [("some.tar", tar(&listing)), ("some.tar.gz", gz(&tar(&listing)))] {
            let (_, found) = house.unpacked(name, archive.clone(), json!({"file_mask": ["d"]})).await;
            assert_eq!(found.keys().collect::<Vec<_>>(), ["d/a.txt"], "{name}");
            house.done("extract", json!({"src": [my(name)], "dst": my(&format!("all {name}"))})).await;
            let there = house.home.join(format!("all {name}/e/b.txt"));
            let modified = there.metadata().unwrap().modified().unwrap();
            assert_eq!(modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(), MADE_S);
        }
    }

    async fn long_names_and_large_files_of_every_tar_are_read(backend: Backend) {
        let house = House::new(&backend).await;
        let long = format!("{}/{}.txt", "f".repeat(120), "n".repeat(120));
        let padded = |mut bytes: Vec<u8>| {
            bytes.resize(bytes.len().next_multiple_of(512), 0);
            bytes
        };
        let gnu = [tar_head(b'L', b"././@LongLink", long.len() as u64 + 1), padded([long.as_bytes(), b"\0"].concat())];
        let gnu = [gnu.concat(), tar(&[(b'0', "short", b"content")])].concat();
        let record = |key: &str, value: &str| {
            let rest = format!(" {key}={value}\n");
            let length = (rest.len() + 1..).find(|length| length.to_string().len() + rest.len() == *length).unwrap();
            format!("{length}{rest}")
        };
        let said = [record("path", &long), record("mtime", "1704110400.5"), record("size", "7")].concat();
        let pax = [tar_head(b'x', b"PaxHeaders/x", said.len() as u64), padded(said.into_bytes()), tar_head(b'0', b"short", 0), padded(b"content".to_vec()), vec![0; 1024]].concat();
        for (name, archive) in [("gnu.tar", gnu), ("pax.tar", pax)] {
            let (task, found) = house.unpacked(name, archive, json!({})).await;
            assert_eq!(found.get(&long).map(Vec::as_slice), Some(&b"content"[..]), "{name}: {task}");
        }
    }

    async fn what_is_in_an_archive_is_told_to_those_who_may_see_it(backend: Backend) {
        let house = House::new(&backend).await;
        house.put("a.zip", zip(&[file("d/", ""), file("d/a.txt", "four").deflated(), file("../up", "x")])).await;
        house.put("a.tar", tar(&[(b'0', "a", b"x")])).await;
        house.put("cut.zip", &zip(&[file("a", "x")])[..40]).await;
        let list = |uri: &str| format!("/file/archive?uri={}", encoded(uri));
        let expected = json!([
            {"name": "d", "size": 0, "updated_at": "2024-01-01T12:00:00Z", "is_directory": true},
            {"name": "d/a.txt", "size": 4, "updated_at": "2024-01-01T12:00:00Z", "is_directory": false},
            {"name": "../up", "size": 1, "updated_at": "2024-01-01T12:00:00Z", "is_directory": false},
        ]);
        assert_eq!(data(house.get(&list(&my("a.zip"))).await)["files"], expected);
        let info = data(house.get(&format!("/file/info?uri={}", encoded(&my("a.zip")))).await);
        let entity = text(&info["primary_entity"]);
        assert_eq!(house.get(&format!("{}&entity={entity}", list(&my("a.zip")))).await["code"], 0);
        assert_eq!(house.get(&format!("{}&entity=other", list(&my("a.zip")))).await["code"], 40077);
        for (path, code) in [("a.tar", 40056), ("cut.zip", 40001), ("none.zip", 40016)] {
            assert_eq!(house.get(&list(&my(path))).await["code"], code, "{path}");
        }

        let shared = text(&data(house.call(Method::PUT, "/share", json!({"uri": my("a.zip"), "is_private": true, "password": "pass"})).await));
        let id = shared.split("/s/").nth(1).unwrap().split('/').next().unwrap().to_owned();
        let guest = async |uri: String| envelope(house.client.get(format!("{}/api/v4{}", house.server.url, list(&uri))).send().await.unwrap()).await;
        assert_eq!(data(guest(format!("cloudreve://{id}:pass@share/a.zip")).await)["files"], expected);
        assert_eq!(guest(format!("cloudreve://{id}@share/a.zip")).await["code"], 40069);
        assert_eq!(guest(my("a.zip")).await["code"], 401);

        // What it was before is told to who may change it.
        data(house.call(Method::PATCH, "/user/setting", json!({"version_retention_enabled": true})).await);
        house.put("a.zip", zip(&[file("new.txt", "x")])).await;
        let listed = async |entity: &str| {
            let listed = data(house.get(&format!("{}&entity={entity}", list(&my("a.zip")))).await);
            listed["files"].as_array().unwrap().iter().map(|file| text(&file["name"])).collect::<Vec<_>>()
        };
        assert_eq!((listed("").await, listed(&entity).await), (vec!["new.txt".into()], vec!["d".into(), "d/a.txt".into(), "../up".into()]));
        let in_share = format!("{}&entity={entity}", list(&format!("cloudreve://{id}:pass@share/a.zip")));
        let refused = house.client.get(format!("{}/api/v4{in_share}", house.server.url)).send().await.unwrap();
        assert_eq!(envelope(refused).await["code"], 40077, "visitors have what is shared now");
        assert_eq!(house.call(Method::DELETE, &format!("/share/{id}"), Value::Null).await["code"], 0);
        assert_eq!(guest(format!("cloudreve://{id}:pass@share/a.zip")).await["code"], 404);
    }

    async fn files_are_fetched_under_safe_names(backend: Backend) {
        let house = House::new(&backend).await;
        let there = StandIn::start(|asked, stream| match asked.path.as_str() {
            "/plain.bin?x=1" => reply(stream, 200, "", b"plain"),
            "/named" => reply(stream, 200, "Content-Disposition: attachment; filename=\"../../e vil.txt\"\r\n", b"named"),
            "/from" => redirect(stream, "/to%20there.txt"),
            "/to%20there.txt" => reply(stream, 200, "", b"there"),
            "/" => reply(stream, 200, "Content-Disposition: attachment; filename=.hidden\r\n", b"root"),
            "/empty" => reply(stream, 200, "", b""),
            _ => reply(stream, 404, "", b"nothing"),
        });
        let urls: Vec<String> = ["/plain.bin?x=1", "/plain.bin?x=1", "/named", "/from", "/", "/empty"].map(|path| format!("{}{path}", there.url)).into();
        let made = data(house.call(Method::POST, "/workflow/download", json!({"src": urls, "dst": my("in/here")})).await);
        assert_eq!(made.as_array().unwrap().len(), 6);
        assert_eq!(made[0]["summary"]["props"], json!({"src": "", "src_str": urls[0], "dst": my("in/here"), "failed": 0, "download": null}));
        for task in made.as_array().unwrap() {
            let task = house.ended(&text(&task["id"])).await;
            assert_eq!((&task["status"], &task["type"]), (&json!("completed"), &json!("remote_download")), "{task}");
            let download = &task["summary"]["props"]["download"];
            assert_eq!((&download["state"], &download["downloaded"]), (&json!("completed"), &download["total"]), "{task}");
        }
        let found = files(&house.home.join("in/here"));
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(names, ["e vil.txt", "empty", "hidden", "plain (2).bin", "plain.bin", "to there.txt"]);
        assert_eq!(found["to there.txt"], b"there");
        assert!(house.failed("download", json!({"src": [format!("{}/gone", there.url)], "dst": my("")})).await.contains("404"));
        house.is_at_rest().await;
    }

    async fn a_redirect_leads_into_no_private_network(backend: Backend) {
        let house = House::new(&backend).await;
        let secret = StandIn::start_at("127.0.0.2", |_, stream| reply(stream, 200, "", b"secret"));
        let to = format!("http://127.0.0.2:{}/", secret.port());
        let there = StandIn::start(move |_, stream| redirect(stream, &to));
        let why = house.failed("download", json!({"src": [there.url], "dst": my("")})).await;
        assert!(why.contains("network") && secret.asked().is_empty(), "{why}");
        assert!(files(&house.home).is_empty());
    }

    async fn what_breaks_off_goes_on_where_it_was(backend: Backend) {
        let house = House::new(&backend).await;
        let content = Arc::new(noise(9 << 20));
        let there = StandIn::start({
            let (content, tries) = (content.clone(), AtomicUsize::new(0));
            move |asked, stream| {
                let range = asked.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
                let start = range.filter(|_| asked.header("if-range").as_deref() == Some("\"one\"")).unwrap_or(0);
                let end = if tries.fetch_add(1, Ordering::Relaxed) < 2 { start + (4 << 20) + 1000 } else { content.len() };
                let length = content.len() - start;
                match start {
                    0 => head(stream, 200, &format!("ETag: \"one\"\r\nContent-Length: {length}\r\n"))?,
                    _ => head(stream, 206, &format!("Content-Range: bytes {start}-{}/{}\r\nContent-Length: {length}\r\n", content.len() - 1, content.len()))?,
                }
                stream.write_all(&content[start..end.min(content.len())])
            }
        });
        let task = house.done("download", json!({"src": [format!("{}/large.bin", there.url)], "dst": my("")})).await;
        assert_eq!(files(&house.home)["large.bin"], *content, "{task}");
        let from: Vec<Option<String>> = there.asked().iter().map(|asked| asked.header("range")).collect();
        assert_eq!(from.len(), 3, "{from:?}");
        assert!(from[1..].iter().all(Option::is_some), "{from:?}");
        house.is_at_rest().await;
    }

    async fn what_changed_meanwhile_comes_anew(backend: Backend) {
        let house = House::new(&backend).await;
        let there = StandIn::start({
            let tries = AtomicUsize::new(0);
            move |_, stream| match tries.fetch_add(1, Ordering::Relaxed) {
                0 => {
                    head(stream, 200, "ETag: \"one\"\r\nContent-Length: 9000000\r\n")?;
                    stream.write_all(&[1; 5_000_000])
                }
                _ => reply(stream, 200, "ETag: \"two\"\r\n", &[2; 1000]),
            }
        });
        house.done("download", json!({"src": [format!("{}/x.bin", there.url)], "dst": my("")})).await;
        assert_eq!(files(&house.home), BTreeMap::from([("x.bin".to_owned(), vec![2; 1000])]));
        house.is_at_rest().await;
    }

    async fn a_download_is_shown_as_it_comes_and_ends_when_it_is_canceled(backend: Backend) {
        let house = House::new(&backend).await;
        let there = StandIn::start(|_, stream| {
            head(stream, 200, "Content-Length: 90000000\r\n")?;
            loop {
                stream.write_all(&[3; 10_000])?;
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let id = house.ask("download", json!({"src": [format!("{}/slow.bin", there.url)], "dst": my("")})).await;
        let shown = until("it comes", async || {
            let task = house.task(&id).await;
            (task["summary"]["props"]["download"]["download_speed"].as_u64() > Some(0)).then_some(task)
        })
        .await;
        let download = &shown["summary"]["props"]["download"];
        assert_eq!((&shown["status"], &shown["summary"]["phase"]), (&json!("processing"), &json!("monitor")));
        assert_eq!((&download["name"], &download["total"], &download["files"][0]["index"]), (&json!("slow.bin"), &json!(90_000_000), &json!(1)));
        let progress = data(house.get(&format!("/workflow/progress/{id}")).await);
        assert_eq!(progress["download"]["total"], 90_000_000);
        assert!(progress["download"]["current"].as_u64() > Some(0), "{progress}");

        let path = format!("/workflow/download/{id}");
        let choose = async |index: i64, download: bool| {
            house.call(Method::PATCH, &path, json!({"files": [{"index": index, "download": download}]})).await["code"].clone()
        };
        assert_eq!((choose(1, true).await, choose(1, false).await, choose(2, true).await), (json!(0), json!(40001), json!(40001)));
        assert_eq!(house.call(Method::DELETE, &path, Value::Null).await, json!({"code": 0, "msg": ""}));
        assert_eq!(house.task(&id).await["status"], "canceled");
        assert_eq!(choose(1, true).await, 404);
        house.is_at_rest().await;
        assert!(files(&house.home).is_empty());
    }

    async fn tasks_end_with_their_owners_rights(backend: Backend) {
        let mut house = House::new(&backend).await;
        let there = StandIn::start(|_, stream| {
            head(stream, 200, "Content-Length: 90000000\r\n")?;
            loop {
                stream.write_all(&[3; 10_000])?;
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let ask = json!({"src": [format!("{}/slow.bin", there.url)], "dst": my("")});
        let id = house.coming(ask.clone()).await;
        house.allow(Roles::USER).await;
        let task = house.ended(&id).await;
        assert_eq!(task["status"], "error");
        assert!(text(&task["error"]).contains("fetched"), "{task}");
        house.allow(Roles::USER.with(Role::Fetch)).await;

        let id = house.coming(ask.clone()).await;
        let (key, app) = (house.ann.key, house.server.app.clone());
        let set_state = async |state| app.db.write(move |tx| accounts::set_state(tx, key, state)).await.unwrap();
        set_state(UserState::Banned).await;
        let states = async || {
            let all = |tx: &mut openshelf::store::Tx| tx.all("SELECT state FROM task ORDER BY id", args![], |row| row.get::<String>(0));
            app.db.read(all).await.unwrap()
        };
        until("it ends", async || (states().await == ["failed", "failed"]).then_some(())).await;
        house.is_at_rest().await;
        set_state(UserState::Active).await;
        house.token = house.sign_in("ann").await;
        assert!(text(&house.task(&id).await["error"]).contains("closed"));

        house.coming(ask).await;
        users::remove(&house.server.app, key).await.unwrap();
        assert!(states().await.is_empty());
        let asked = there.asked().len();
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!((states().await.len(), there.asked().len()), (0, asked), "nobody goes on with it");
        assert_eq!(files(&house.home).keys().filter(|path| !path.starts_with('.')).count(), 0);
    }

    async fn one_user_takes_no_more_than_their_part(backend: Backend) {
        let house = House::new(&backend).await;
        let (open, is_free) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let there = StandIn::start({
            let (open, is_free) = (open.clone(), is_free.clone());
            move |asked, stream| {
                open.fetch_add(1, Ordering::Relaxed);
                head(stream, 200, "Content-Length: 4\r\n")?;
                while asked.path.starts_with("/slow") && !is_free.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(10));
                }
                stream.write_all(b"done")
            }
        });
        let urls = |name: &str, count: usize| (0..count).map(|number| format!("{}/{name}{number}", there.url)).collect::<Vec<_>>();
        let made = data(house.call(Method::POST, "/workflow/download", json!({"src": urls("slow", 100), "dst": my("")})).await);
        assert_eq!(house.call(Method::POST, "/workflow/download", json!({"src": urls("x", 1), "dst": my("")})).await["code"], 40015);
        until("two are asked for", async || (open.load(Ordering::Relaxed) == 2).then_some(())).await;
        house.server.add_user("bob");
        let app = house.server.app.clone();
        let bob = app.db.read(|tx| accounts::by_login(tx, "bob")).await.unwrap().unwrap();
        let mut allowed = bob.allowed.clone();
        allowed.roles = Roles::USER.with(Role::Fetch);
        let key = bob.key;
        app.db.write(move |tx| accounts::set_allowed(tx, key, &allowed)).await.unwrap();
        let bob = app.db.read(move |tx| accounts::by_key(tx, key)).await.unwrap().unwrap();
        let quick = tasks::fetch(&app, &bob, urls("quick", 1), Vec::new()).await.unwrap();
        until("Bob's is done", async || {
            (tasks::by_id(&app, &bob, &quick[0].id).await.unwrap().state == tasks::State::Completed).then_some(())
        })
        .await;
        assert_eq!(open.load(Ordering::Relaxed), 3, "Ann's others wait");
        is_free.store(true, Ordering::Relaxed);
        for task in made.as_array().unwrap() {
            assert_eq!(house.ended(&text(&task["id"])).await["status"], "completed");
        }
    }
}
