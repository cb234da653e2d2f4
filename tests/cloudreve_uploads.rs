//! What goes wrong with uploads of Cloudreve's clients: the documented code, and nothing lost or left behind.

use futures_util::future::join_all;
use reqwest::{Body, Method};
use serde_json::{Value, json};

use crate::both_engines;
use crate::cloudreve::{Drive, data, encoded, envelope, names, text};
use crate::cloudreve_files::kept;
use crate::renditions::until;
use crate::uploads::Mounted;

const MIB: usize = 1024 * 1024;
/// As few bytes as a storage policy may make a chunk of.
const SMALL_CHUNK: usize = 64 * 1024;
/// As clients are told.
pub const CHUNK: usize = 25 * MIB;

impl Drive {
    pub async fn begin(&self, uri: &str, size: usize) -> Value {
        self.call(Method::PUT, "/file/upload", json!({"uri": uri, "size": size, "policy_id": "local"})).await
    }

    /// The envelope of one chunk of an upload.
    pub async fn chunk(&self, session: &str, index: &str, body: impl Into<Body>) -> Value {
        let path = format!("{}/api/v4/file/upload/{session}/{index}", self.server.url);
        envelope(self.client.post(path).bearer_auth(&self.token).body(body).send().await.unwrap()).await
    }

    async fn cancel(&self, session: &str, uri: &str) -> Value {
        self.call(Method::DELETE, "/file/upload", json!({"id": session, "uri": uri})).await["code"].clone()
    }

    /// How many files the home's hidden folder holds that are half done.
    async fn half_done(&self) -> usize {
        let hidden = std::fs::read_dir(self.home().await.join(".openshelf"));
        hidden.map_or(0, |files| files.filter(|file| file.as_ref().unwrap().file_type().unwrap().is_file()).count())
    }

    async fn set_quota(&self, quota_bytes: i64) {
        let key = self.admin().await.key;
        let sql = "UPDATE account SET quota_bytes = $1 WHERE id = $2";
        self.server.app.db.write(move |tx| tx.run(sql, openshelf::args![quota_bytes, key.0])).await.unwrap();
    }
}

fn session(begun: &Value) -> String {
    assert_eq!(begun["code"], 0, "{begun}");
    text(&begun["data"]["session_id"])
}

const FILE: &str = "cloudreve://my/up/file.bin";

both_engines! {
    async fn of_two_who_upload_one_name_at_once_the_second_hears_of_the_first(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let (first, second) = tokio::join!(drive.begin(FILE, 5), drive.begin(FILE, 5));
        let mut codes = [first["code"].as_i64().unwrap(), second["code"].as_i64().unwrap()];
        codes.sort_unstable();
        assert_eq!(codes, [0, 40054]);
        let first = if first["code"] == 0 { first } else { second };
        assert_eq!(drive.half_done().await, 1, "who was refused left nothing");
        // Another name and another folder are nobody's business.
        let other = session(&drive.begin("cloudreve://my/up/other.bin", 5).await);
        let elsewhere = session(&drive.begin("cloudreve://my/file.bin", 5).await);
        assert_eq!(drive.chunk(&session(&first), "0", "12345").await["code"], 0);
        assert_eq!(drive.begin(FILE, 5).await["code"], 40004, "now it is there");
        for (id, uri) in [(&other, "cloudreve://my/up/other.bin"), (&elsewhere, "cloudreve://my/file.bin")] {
            assert_eq!(drive.cancel(id, uri).await, 0);
        }
        assert_eq!(drive.half_done().await, 0);
        assert_eq!(names(&drive.list("cloudreve://my/up", "").await), ["file.bin"]);
    }

    async fn what_comes_with_an_upload_is_noted_on_the_file_that_it_becomes(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let begin = async |kind: &str, metadata: Value| {
            let wish = json!({"uri": FILE, "size": 5, "policy_id": "local", "entity_type": kind, "metadata": metadata});
            drive.call(Method::PUT, "/file/upload", wish).await
        };
        let noted = async || data(drive.get(&format!("/file/info?uri={}", encoded(FILE))).await)["metadata"].clone();
        let many = |from: usize, to: usize| (from..to).map(|n| (format!("props:{n}"), json!("x"))).collect::<Value>();
        for (metadata, code) in [
            (json!({"sys:restore_uri": "x"}), 403), (json!({"sys:shared_redirect": "cloudreve://a@share"}), 403),
            (json!({"odd": "x"}), 40001), (json!({"tag:x": 1}), 40001), (json!({"tag:x": "x".repeat(4097)}), 40001),
            (many(0, 101), 40001),
        ] {
            assert_eq!(begin("", metadata.clone()).await["code"], code, "{metadata}");
        }
        for kind in ["live_photo", "anything"] {
            assert_eq!(begin(kind, json!({})).await["code"], 40019, "{kind}");
        }
        assert_eq!(drive.half_done().await, 0);

        let begun = session(&begin("", json!({"tag:x": "#fff", "props:taken": "in May"})).await);
        assert_eq!(drive.chunk(&begun, "0", "12345").await["code"], 0);
        assert_eq!(noted().await, json!({"tag:x": "#fff", "props:taken": "in May"}));
        // New content brings its own, and what it says nothing of stays.
        let begun = session(&begin("version", json!({"tag:x": "#000"})).await);
        assert_eq!(noted().await["tag:x"], "#fff", "not before it is there");
        assert_eq!(drive.chunk(&begun, "0", "67890").await["code"], 0);
        assert_eq!(noted().await, json!({"tag:x": "#000", "props:taken": "in May"}));
        let begun = session(&begin("version", json!({"tag:y": "#fff"})).await);
        assert_eq!(drive.cancel(&begun, FILE).await, 0);
        assert_eq!(noted().await, json!({"tag:x": "#000", "props:taken": "in May"}), "nothing came of that");

        assert_eq!(begin("version", many(0, 99)).await["code"], 40001, "with those that are there it would be too many");
        let most = session(&begin("version", many(0, 98)).await);
        assert_eq!(drive.chunk(&most, "0", "67890").await["code"], 0);
        let again = session(&begin("version", many(0, 98)).await);
        assert_eq!(drive.cancel(&again, FILE).await, 0, "they are there, so there are no more of them");
        assert_eq!(noted().await.as_object().unwrap().len(), 100);
    }

    async fn an_upload_that_nobody_goes_on_with_is_in_nobodys_way(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let first = session(&drive.begin(FILE, 5).await);
        let quiet = "UPDATE upload SET expires_ms = expires_ms - 16 * 60 * 1000";
        drive.server.app.db.write(move |tx| tx.run(quiet, openshelf::args![])).await.unwrap();
        let second = session(&drive.begin(FILE, 3).await);
        assert_eq!(drive.chunk(&second, "0", "new").await["code"], 0);
        assert_eq!(drive.chunk(&first, "0", "older").await["code"], 40004, "whoever ends first has the name");
        assert_eq!(std::fs::read(drive.home().await.join("up/file.bin")).unwrap(), b"new");
        assert_eq!(drive.cancel(&first, FILE).await, 0);
        assert_eq!(drive.half_done().await, 0);
    }

    async fn a_new_version_of_what_changed_meanwhile_is_refused_at_the_beginning_and_at_the_end(backend: Backend) {
        let drive = Drive::new(&backend).await;
        drive.keep_versions(None, None).await;
        let seen = text(&drive.put(FILE, "first").await["primary_entity"]);
        let wish = |previous: &str| json!({"uri": FILE, "size": 5, "entity_type": "version", "previous": previous});
        let begun = drive.call(Method::PUT, "/file/upload", wish(&seen)).await;
        let now = text(&drive.put_over(FILE, "other", Some(&seen)).await["data"]["primary_entity"]);
        assert_eq!(drive.put_over(FILE, "stale", Some(&seen)).await["code"], 40076);
        assert_eq!(drive.put_over(FILE, "stale", Some(&format!("{seen}-2"))).await["code"], 40076);
        for previous in ["f0000000000000000-1", "bogus", &format!("{seen}x")] {
            assert_eq!(drive.put_over(FILE, "wrong", Some(previous)).await["code"], 40076, "what is not the current one is stale: {previous}");
            assert_eq!(drive.call(Method::PUT, "/file/upload", wish(previous)).await["code"], 40076, "{previous}");
        }
        assert_eq!(drive.chunk(&session(&begun), "0", "stale").await["code"], 40076);
        assert_eq!(drive.cancel(&session(&begun), FILE).await, 0);
        assert_eq!(drive.call(Method::PUT, "/file/upload", wish(&seen)).await["code"], 40076);
        let begun = drive.call(Method::PUT, "/file/upload", wish(&now)).await;
        assert_eq!(drive.chunk(&session(&begun), "0", "third").await["code"], 0);
        assert_eq!(std::fs::read(drive.home().await.join("up/file.bin")).unwrap(), b"third");
        let entities = drive.info(FILE).await["extended_info"]["entities"].as_array().unwrap().len();
        assert_eq!((entities, kept(&drive.home().await).len()), (3, 2), "each content that was written over is kept");
        assert_eq!(drive.half_done().await, 0);
    }

    async fn chunks_come_all_at_once_and_some_of_them_twice(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let settings = json!({"policy": {"id": 0, "name": "Small chunks", "type": "local", "max_size": 0,
            "settings": {"chunk_size": SMALL_CHUNK}, "dir_name_rule": "uploads/{uid}/{path}", "edges": {}}});
        let policy = text(&data(drive.call(Method::PUT, "/admin/policy", settings).await)["hash_id"]);
        data(drive.call(Method::POST, "/file/create", json!({"uri": "cloudreve://my/up", "type": "folder"})).await);
        let under = json!({"uri": "cloudreve://my/up", "policy_id": policy});
        data(drive.call(Method::PATCH, "/file/policy", under).await);
        let content: Vec<u8> = (0..30 * SMALL_CHUNK + 1000).map(|n| (n / 7 % 251) as u8).collect();
        let wish = json!({"uri": FILE, "size": content.len(), "policy_id": policy});
        let begun = drive.call(Method::PUT, "/file/upload", wish).await;
        assert_eq!(begun["data"]["chunk_size"], SMALL_CHUNK, "{begun}");
        let id = session(&begun);
        let chunks: Vec<&[u8]> = content.chunks(SMALL_CHUNK).collect();
        let all = (0..2 * chunks.len()).map(|number| {
            // The last ones among the first, and each with its twin beside it.
            let (drive, id, index) = (&drive, &id, number / 2 * 7 % chunks.len());
            let body = chunks[index].to_vec();
            async move { (index, drive.chunk(id, &index.to_string(), body).await["code"].as_u64().unwrap()) }
        });
        let told = join_all(all).await;
        for index in 0..chunks.len() {
            let mut codes: Vec<u64> = told.iter().filter(|(of, _)| *of == index).map(|(_, code)| *code).collect();
            codes.sort_unstable();
            // Of twins one may come when the file is there already.
            assert!(codes.len() == 2 && codes[0] == 0 && [0, 40011].contains(&codes[1]), "{index}: {codes:?}");
        }
        assert_eq!(std::fs::read(drive.home().await.join("up/file.bin")).unwrap(), content);
        assert_eq!(names(&drive.list("cloudreve://my/up", "").await), ["file.bin"]);
        assert_eq!(drive.half_done().await, 0);
    }

    async fn chunks_of_a_wrong_number_or_length_change_nothing(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let content: Vec<u8> = (0..CHUNK + 1000).map(|n| (n * 7 % 251) as u8).collect();
        let id = session(&drive.begin(FILE, content.len()).await);
        for (index, code) in [("2", 40012), ("9999999999", 40012), ("18446744073709551615", 40012), ("-1", 40012), ("x", 40012)] {
            assert_eq!(drive.chunk(&id, index, "x").await["code"], code, "{index}");
        }
        // Too short, too long, empty; with a length and without one.
        for (index, length) in [("1", 999), ("1", 1001), ("1", 0), ("0", 1000)] {
            let body = vec![b'x'; length];
            assert_eq!(drive.chunk(&id, index, body.clone()).await["code"], 40013, "{index}: {length}");
            let parts: Vec<_> = body.chunks(100).map(|part| Ok::<_, std::io::Error>(part.to_vec())).collect();
            let stream = Body::wrap_stream(futures_util::stream::iter(parts));
            assert_eq!(drive.chunk(&id, index, stream).await["code"], 40013, "{index}: a stream of {length}");
        }
        // The last one first; the first one twice, the second time with other bytes.
        assert_eq!(drive.chunk(&id, "1", content[CHUNK..].to_vec()).await["code"], 0);
        assert!(names(&drive.list("cloudreve://my/up", "").await).is_empty(), "nobody sees half a file");
        assert_eq!(drive.chunk(&id, "0", content[..CHUNK].to_vec()).await["code"], 0);
        assert_eq!(drive.chunk(&id, "0", vec![b'x'; CHUNK]).await["code"], 40011, "it is done");
        assert_eq!(std::fs::read(drive.home().await.join("up/file.bin")).unwrap(), content);
        for unknown in [id.as_str(), "noSuchSession", "..%2f..", "'"] {
            assert_eq!(drive.chunk(unknown, "0", "x").await["code"], 40011, "{unknown}");
        }
        assert_eq!(drive.cancel(&id, FILE).await, 40011);
        assert_eq!(drive.half_done().await, 0);
    }

    async fn a_body_that_breaks_off_is_sent_again_and_a_cancelled_upload_leaves_nothing(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let content: Vec<u8> = (0..3 * MIB).map(|n| (n / 7 % 251) as u8).collect();
        let id = session(&drive.begin(FILE, content.len()).await);
        let address = drive.server.url.strip_prefix("http://").unwrap().to_owned();
        let request = format!(
            "POST /api/v4/file/upload/{id}/0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n",
            drive.token, content.len()
        );
        let mut line = std::net::TcpStream::connect(address).unwrap();
        std::io::Write::write_all(&mut line, &[request.as_bytes(), &vec![b'x'; 3 * MIB / 2]].concat()).unwrap();
        let home = drive.home().await;
        let coming = crate::renditions::files(&home.join(".openshelf")).pop().unwrap();
        until("a part of it is on the disk", || std::fs::read(&coming).unwrap().starts_with(&[b'x'; MIB])).await;
        drop(line);
        assert!(!home.join("up/file.bin").exists(), "half a file has no name");
        assert_eq!(drive.get(&format!("/file/info?uri={}", encoded(FILE))).await["code"], 40016);
        assert_eq!(drive.chunk(&id, "0", content.clone()).await["code"], 0);
        assert_eq!(std::fs::read(home.join("up/file.bin")).unwrap(), content, "of what broke off nothing is in it");
        let other = session(&drive.begin("cloudreve://my/up/other.bin", 5).await);
        assert_eq!(drive.half_done().await, 1);
        assert_eq!(drive.cancel(&other, "cloudreve://my/up/other.bin").await, 0);
        assert_eq!((drive.half_done().await, drive.chunk(&other, "0", "12345").await["code"].clone()), (0, json!(40011)));
        let expired = session(&drive.begin("cloudreve://my/up/late.bin", 5).await);
        drive.server.app.db.write(|tx| tx.run("UPDATE upload SET expires_ms = 1", openshelf::args![])).await.unwrap();
        assert_eq!(drive.chunk(&expired, "0", "12345").await["code"], 40011, "nothing came for too long");
        let app = std::sync::Arc::clone(&drive.server.app);
        drive.server.run(async move { openshelf::work::upload::sweep(&app).await.unwrap() });
        assert_eq!(drive.half_done().await, 0);
    }

    async fn an_exhausted_quota_is_told_at_the_beginning_and_counts_what_is_on_its_way(backend: Backend) {
        let drive = Drive::new(&backend).await;
        drive.set_quota(10).await;
        assert_eq!(drive.begin(FILE, 11).await["code"], 40051);
        let first = session(&drive.begin(FILE, 6).await);
        assert_eq!(drive.begin("cloudreve://my/up/other.bin", 6).await["code"], 40051, "both together are too much");
        assert_eq!(drive.put_over("cloudreve://my/up/other.bin", "123456", None).await["code"], 40051);
        // The quota shrinks while it comes.
        drive.set_quota(5).await;
        assert_eq!(drive.chunk(&first, "0", "123456").await["code"], 40051);
        assert!(names(&drive.list("cloudreve://my/up", "").await).is_empty());
        drive.set_quota(10).await;
        assert_eq!(drive.chunk(&first, "0", "123456").await["code"], 0, "what was acknowledged ends once there is room");
        assert_eq!(data(drive.get("/user/capacity").await), json!({"used": 6, "free": 4, "total": 10, "storage_pack_total": 0}));
        assert_eq!(drive.half_done().await, 0);
        let huge = drive.call(Method::PUT, "/file/upload", json!({"uri": FILE, "size": 1_u64 << 63})).await;
        assert_eq!(huge["code"], 40049);
        for size in [json!(-1), json!(1.5), json!("5"), json!(null)] {
            let asked = json!({"uri": "cloudreve://my/up/x", "size": size});
            assert_eq!(drive.call(Method::PUT, "/file/upload", asked).await["code"], 40001, "{size}");
        }
    }

    async fn a_full_disk_is_told_and_breaks_nothing_that_is_there(backend: Backend) {
        let Some(small) = Mounted::of_4_mib() else { return };
        let drive = Drive::new(&backend).await;
        let (key, root) = (drive.admin().await.key, small.path().as_os_str().as_encoded_bytes().to_vec());
        let sql = "UPDATE library SET root = $1 WHERE kind = 'home' AND owner_id = $2";
        drive.server.app.db.write(move |tx| tx.run(sql, openshelf::args![root, key.0])).await.unwrap();
        drive.keep_versions(None, None).await;
        let there = "x".repeat(2 * MIB);
        drive.put("cloudreve://my/there.bin", &there).await;
        assert_eq!(drive.begin("cloudreve://my/large.bin", 8 * MIB).await["code"], 40051);
        // Two that fit one by one, and not together.
        let first = session(&drive.begin("cloudreve://my/one.bin", MIB).await);
        let second = session(&drive.begin("cloudreve://my/two.bin", 3 * MIB / 2).await);
        assert_eq!(drive.chunk(&first, "0", vec![b'1'; MIB]).await["code"], 0);
        assert_eq!(drive.chunk(&second, "0", vec![b'2'; 3 * MIB / 2]).await["code"], 40051);
        assert_eq!(drive.put_over("cloudreve://my/there.bin", &"y".repeat(3 * MIB / 2), None).await["code"], 40051);
        assert_eq!(std::fs::read(small.path().join("there.bin")).unwrap(), there.as_bytes());
        assert!(kept(small.path()).is_empty(), "what was not written over is no version");
        assert_eq!(drive.cancel(&second, "cloudreve://my/two.bin").await, 0);
        assert_eq!(drive.half_done().await, 0);
        assert_eq!(names(&drive.list("cloudreve://my", "&page_size=50").await).len(), 3, "and the library");
    }

    async fn a_text_is_written_only_over_what_its_editor_saw(backend: Backend) {
        let drive = Drive::new(&backend).await;
        let uri = "cloudreve://my/new/note.md";
        let made = drive.put(uri, "# one").await;
        assert_eq!((&made["name"], &made["size"]), (&json!("note.md"), &json!(5)));
        let seen = text(&made["primary_entity"]);
        let (one, two) = tokio::join!(drive.put_over(uri, "ann's", Some(&seen)), drive.put_over(uri, "bob's", Some(&seen)));
        let mut codes = [one["code"].as_i64().unwrap(), two["code"].as_i64().unwrap()];
        codes.sort_unstable();
        assert_eq!(codes, [0, 40076], "of two who saw the same one saves");
        let path = format!("{}/api/v4/file/content?uri={}", drive.server.url, encoded("cloudreve://my/new"));
        let folder = envelope(drive.client.put(path).bearer_auth(&drive.token).body("x").send().await.unwrap()).await;
        assert_ne!(folder["code"], 0, "a folder is no text");
    }
}
