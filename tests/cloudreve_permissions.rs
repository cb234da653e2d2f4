//! What the permissions of a share, and of a file, let others do; and that they let them do no more.

use std::time::Duration;

use openshelf::args;
use openshelf::dialect::cloudreve::boolset;
use reqwest::Method;
use serde_json::{Value, json};

use crate::both_engines;
use crate::cloudreve_pro::{ADA, Market, NOBODY, code, data, encoded, envelope, names, text};

const GOODS: &str = "cloudreve://my/goods";
const READ: &str = "AQ==";
const READ_CREATE: &str = "BQ==";
const READ_UPDATE: &str = "Aw==";
const ALL: &str = "Dw==";
const MAY_CREATE: u64 = boolset::of(&[0, 6]);
const MAY_RENAME: u64 = boolset::of(&[1]);
const MAY_DELETE: u64 = boolset::of(&[14, 16]);

impl Market {
    async fn create(&self, who: &str, uri: &str, kind: &str) -> u64 {
        code(&self.ask(who, Method::POST, "/file/create", json!({"uri": uri, "type": kind})).await)
    }

    async fn rename(&self, who: &str, uri: &str, name: &str) -> u64 {
        code(&self.ask(who, Method::POST, "/file/rename", json!({"uri": uri, "new_name": name})).await)
    }

    /// The code of a batch of one is the one of its only failure.
    async fn relocate(&self, who: &str, from: &str, to: &str, copy: bool) -> u64 {
        let body = json!({"uris": [from], "dst": to, "copy": copy});
        self.only(from, self.ask(who, Method::POST, "/file/move", body).await)
    }

    async fn delete(&self, who: &str, uri: &str) -> u64 {
        let body = json!({"uris": [uri], "skip_soft_delete": true});
        self.only(uri, self.ask(who, Method::DELETE, "/file", body).await)
    }

    fn only(&self, uri: &str, answer: Value) -> u64 {
        match code(&answer) {
            40081 => code(&answer["aggregated_error"][uri]),
            other => other,
        }
    }

    async fn begin(&self, who: &str, uri: &str, size: usize, version: bool) -> Value {
        let kind = if version { json!("version") } else { Value::Null };
        let body = json!({"uri": uri, "size": size, "policy_id": "", "entity_type": kind});
        self.ask(who, Method::PUT, "/file/upload", body).await
    }

    async fn chunk(&self, who: &str, session: &str, bytes: &str) -> u64 {
        let path = format!("{}/api/v4/file/upload/{session}/0", self.server.url);
        let sent = self.signed(who, self.client.post(path)).body(bytes.to_owned()).send().await.unwrap();
        code(&envelope(sent).await)
    }

    async fn upload(&self, who: &str, uri: &str, bytes: &str) -> u64 {
        let begun = self.begin(who, uri, bytes.len(), false).await;
        match code(&begun) {
            0 => self.chunk(who, &text(&begun["data"]["session_id"]), bytes).await,
            refused => refused,
        }
    }

    async fn content(&self, uri: &str) -> String {
        let urls = data(self.ask(ADA, Method::POST, "/file/url", json!({"uris": [uri]})).await);
        self.client.get(text(&urls["urls"][0]["url"])).send().await.unwrap().text().await.unwrap()
    }
}

both_engines! {
    async fn who_is_given_all_changes_what_lies_in_the_folder_and_nobody_else_does(backend: Backend) {
        let market = Market::open(&backend).await;
        let bob = market.user("bob").id.clone();
        let wish = json!({"uri": GOODS, "permissions": {"everyone": READ, "user_explicit": {bob: ALL}}});
        let id = market.share(wish).await;
        let root = format!("cloudreve://{id}@share");
        let at = |path: &str| format!("{root}/{path}");

        for who in ["cy", NOBODY] {
            assert_eq!(names(&data(market.list(who, &root).await)), ["deep", "song.txt"]);
            for refused in [
                market.create(who, &at("made"), "folder").await,
                market.create(who, &at("made.txt"), "file").await,
                market.rename(who, &at("song.txt"), "x.txt").await,
                market.relocate(who, &at("song.txt"), &at("deep"), false).await,
                market.relocate(who, &at("song.txt"), &at("deep"), true).await,
                market.delete(who, &at("song.txt")).await,
                market.upload(who, &at("up.txt"), "12345").await,
                code(&market.put(who, &at("song.txt"), "new").await),
                code(&market.put(who, &at("new.txt"), "new").await),
                code(&market.begin(who, &at("song.txt"), 3, true).await),
            ] {
                assert_eq!(refused, 403, "{who}");
            }
            let (may, permission) = market.capability(who, &at("song.txt")).await;
            assert_eq!((may & (MAY_CREATE | MAY_RENAME | MAY_DELETE), permission.as_str()), (0, READ));
        }
        assert_eq!(names(&data(market.list(ADA, GOODS).await)), ["deep", "song.txt"], "nothing came of all that");

        let (may, permission) = market.capability("bob", &at("song.txt")).await;
        assert_eq!((may & (MAY_CREATE | MAY_RENAME | MAY_DELETE), permission.as_str()), (MAY_CREATE | MAY_RENAME | MAY_DELETE, ALL));
        assert_eq!(market.capability("bob", &root).await.0 & (MAY_RENAME | MAY_DELETE), 0, "the folder itself stays");
        assert_eq!(market.create("bob", &at("made/below"), "folder").await, 0);
        assert_eq!(market.create("bob", &at("made/empty.txt"), "file").await, 0);
        assert_eq!(market.create("bob", &at("made/empty.txt"), "file").await, 0, "what is there is answered");
        assert_eq!(market.create("bob", &at("made/empty.txt"), "folder").await, 40004);
        assert_eq!(market.upload("bob", &at("made/up.txt"), "12345").await, 0);
        assert_eq!(market.upload("bob", &at("made/up.txt"), "12345").await, 40004);
        assert_eq!(market.rename("bob", &at("made/up.txt"), "Größe.txt").await, 0);
        assert_eq!(market.relocate("bob", &at("made/Größe.txt"), &at("made/below"), false).await, 0);
        assert_eq!(market.relocate("bob", &at("song.txt"), &at("made"), true).await, 0);
        let written = data(market.put("bob", &at("song.txt"), "another song").await);
        assert_eq!((text(&written["path"]), &written["size"]), (at("song.txt"), &json!(12)));
        assert_eq!(code(&market.put("bob", &at("fresh/page.txt"), "anew").await), 0);
        let version = market.begin("bob", &at("song.txt"), 3, true).await;
        assert_eq!(market.chunk("bob", &text(&version["data"]["session_id"]), "abc").await, 0);

        // All of it is Ada's, where she has it.
        assert_eq!(names(&data(market.list(ADA, GOODS).await)), ["deep", "fresh", "made", "song.txt"]);
        assert_eq!(market.content("cloudreve://my/goods/song.txt").await, "abc");
        assert_eq!(market.content("cloudreve://my/goods/made/song.txt").await, "la la la", "the copy of before");
        assert_eq!(market.content("cloudreve://my/goods/made/below/Größe.txt").await, "12345");

        // What is deleted by a share goes to its owner's trash, whatever its visitor asks for.
        assert_eq!(market.delete("bob", &at("made")).await, 0);
        assert_eq!(names(&data(market.list(ADA, GOODS).await)), ["deep", "fresh", "song.txt"]);
        assert_eq!(names(&data(market.list(ADA, "cloudreve://trash").await)), ["made"]);
        assert_eq!(names(&data(market.list("bob", "cloudreve://trash").await)), Vec::<String>::new());
    }

    async fn nothing_is_changed_beside_a_share_nor_carried_in_or_out(backend: Backend) {
        let market = Market::open(&backend).await;
        let id = market.share(json!({"uri": GOODS, "permissions": {"everyone": ALL}})).await;
        let other = market.share(json!({"uri": "cloudreve://my/goods/deep", "permissions": {"everyone": ALL}})).await;
        let (root, other) = (format!("cloudreve://{id}@share"), format!("cloudreve://{other}@share"));
        let song = format!("{root}/song.txt");
        data(market.put("bob", "cloudreve://my/bobs.txt", "bob's").await);

        // The shared folder itself.
        for uri in [&root, &other] {
            assert_eq!(market.rename("bob", uri, "mine").await, 403);
            assert_eq!(market.delete("bob", uri).await, 403);
            assert_eq!(market.relocate("bob", uri, &format!("{root}/deep"), false).await, 403);
            assert_eq!(code(&market.put("bob", uri, "bytes").await), 40016);
        }
        // Between shares, and between a share and one's own files.
        for (from, to) in [(&*song, &*other), (&*song, "cloudreve://my"), ("cloudreve://my/bobs.txt", &*root)] {
            for copy in [true, false] {
                assert_eq!(market.relocate("bob", from, to, copy).await, 403, "{from} to {to}");
            }
        }
        for path in ["..", "../secret.txt", "%2e%2e/secret.txt", "a%2Fb", "."] {
            assert_eq!(market.create("bob", &format!("{root}/{path}"), "folder").await, 40001, "{path}");
            assert_eq!(market.upload("bob", &format!("{root}/{path}"), "x").await, 40001, "{path}");
        }
        for name in ["..", "a/b", "\u{1}", ".hidden", &"x".repeat(300)] {
            assert_eq!(market.rename("bob", &song, name).await, 40052, "{name:?}");
        }
        assert_eq!(market.rename("bob", &song, "").await, 40001);
        assert_eq!(market.relocate("bob", &format!("{root}/deep"), &format!("{root}/deep"), false).await, 40001);
        assert_eq!(names(&data(market.list(ADA, "cloudreve://my").await)), ["goods", "secret.txt"]);
        assert_eq!(names(&data(market.list(ADA, GOODS).await)), ["deep", "song.txt"]);
        assert_eq!(names(&data(market.list("bob", "cloudreve://my").await)), ["bobs.txt"]);
    }

    async fn a_shared_file_takes_new_content_and_nothing_else(backend: Backend) {
        let market = Market::open(&backend).await;
        let wish = json!({"uri": "cloudreve://my/goods/song.txt", "permissions": {"everyone": ALL}});
        let id = market.share(wish).await;
        let (root, song) = (format!("cloudreve://{id}@share"), format!("cloudreve://{id}@share/song.txt"));
        let info = data(market.get(NOBODY, &format!("/file/info?uri={}", encoded(&song))).await);
        let entity = text(&info["primary_entity"]);
        let over = format!("/file/content?uri={}&previous={entity}", encoded(&song));
        let put = async || {
            let request = market.client.put(format!("{}/api/v4{over}", market.server.url)).body("second");
            code(&envelope(request.send().await.unwrap()).await)
        };
        assert_eq!(put().await, 0);
        assert_eq!(put().await, 40076, "it is another version by now");
        assert_eq!(market.content("cloudreve://my/goods/song.txt").await, "second");
        assert_eq!(market.rename(NOBODY, &song, "x.txt").await, 403);
        assert_eq!(market.delete(NOBODY, &song).await, 403);
        assert_eq!(market.create(NOBODY, &format!("{root}/beside.txt"), "file").await, 40053);
        assert_ne!(market.upload(NOBODY, &format!("{root}/beside.txt"), "x").await, 0);
        assert_eq!(names(&data(market.list(ADA, GOODS).await)), ["deep", "song.txt"]);
    }

    async fn the_nearest_row_decides(backend: Backend) {
        let market = Market::open(&backend).await;
        market.group("crew", &["bob", ADA]).await;
        market.group("staff", &["bob", "cy"]).await;
        let user = |name: &str| market.user(name).id.clone();
        let only = |id: String, bits: &str| json!({id: bits});
        // What each may do: bob is in two groups, one of them the owner's; cy in one; dan in none.
        for (setting, bob, cy, dan, guest) in [
            (json!({}), READ, READ, READ, READ),
            (json!({"everyone": READ_CREATE}), READ_CREATE, READ_CREATE, READ_CREATE, READ_CREATE),
            (json!({"everyone": READ_CREATE, "anonymous": READ}), READ_CREATE, READ_CREATE, READ_CREATE, READ),
            (json!({"everyone": READ, "other": READ_CREATE}), READ_CREATE, READ_CREATE, READ_CREATE, READ),
            (json!({"other": READ, "same_group": READ_UPDATE}), READ_UPDATE, READ, READ, READ),
            (json!({"same_group": ALL, "group_explicit": {"staff": READ}}), READ, READ, READ, READ),
            (json!({"group_explicit": {"staff": READ_CREATE, "crew": READ_UPDATE}}), "Bw==", READ_CREATE, READ, READ),
            (json!({"group_explicit": {"staff": ALL}, "user_explicit": only(user("bob"), READ)}), READ, ALL, READ, READ),
        ] {
            let id = market.share(json!({"uri": GOODS, "permissions": setting})).await;
            let song = format!("cloudreve://{id}@share/song.txt");
            for (who, expected) in [("bob", bob), ("cy", cy), ("dan", dan), (NOBODY, guest)] {
                assert_eq!(market.capability(who, &song).await.1, expected, "{who} by {setting}");
                let bits = boolset::read("x", expected).unwrap();
                let made = market.create(who, &format!("cloudreve://{id}@share/{who}"), "folder").await;
                assert_eq!(made, if bits & 4 != 0 { 0 } else { 403 }, "{who} by {setting}");
                let written = code(&market.put(who, &song, "la la la").await);
                assert_eq!(written, if bits & 2 != 0 { 0 } else { 403 }, "{who} by {setting}");
            }
        }
        // Without the right to read, a share is gone.
        let id = market.share(json!({"uri": GOODS, "permissions": {"everyone": READ, "anonymous": "AA=="}})).await;
        assert_eq!(code(&market.list(NOBODY, &format!("cloudreve://{id}@share")).await), 404);
        assert_eq!(code(&market.list("cy", &format!("cloudreve://{id}@share")).await), 0);
        for setting in [json!({"everyone": "EA=="}), json!({"everyone": "////"}), json!({"everyone": "no set"}),
            json!({"user_explicit": {"u0000000000000000": READ}}), json!({"group_explicit": {"nobodys": READ}})] {
            let refused = market.ask(ADA, Method::PUT, "/share", json!({"uri": GOODS, "permissions": setting})).await;
            assert_eq!(code(&refused), 40001, "{setting}");
        }
        let groups = data(market.get("dan", "/group/list").await);
        assert_eq!(groups, json!([{"id": "crew", "name": "crew"}, {"id": "staff", "name": "staff"}]));
        assert_eq!(code(&market.get(NOBODY, "/group/list").await), 401);
    }

    async fn writing_by_a_share_is_bounded_by_what_its_owner_may_do_now(backend: Backend) {
        let market = Market::open(&backend).await;
        let id = market.share(json!({"uri": GOODS, "permissions": {"everyone": ALL}, "is_private": true, "password": "Word1"})).await;
        let (open, locked) = (format!("cloudreve://{id}:Word1@share"), format!("cloudreve://{id}@share"));
        assert_eq!(market.create(NOBODY, &format!("{locked}/x"), "folder").await, 40069);
        assert_eq!(market.delete(NOBODY, &format!("{locked}/song.txt")).await, 40069);
        assert_eq!(market.upload(NOBODY, &format!("{open}/guest.txt"), "from a guest").await, 0);
        assert_eq!(market.content("cloudreve://my/goods/guest.txt").await, "from a guest");

        // Her quota, whoever sends.
        market.set("UPDATE account SET quota_bytes = 40 WHERE id = $1", market.user(ADA).key.0).await;
        assert_eq!(market.upload("bob", &format!("{open}/large.txt"), &"x".repeat(100)).await, 40051);
        assert_eq!(code(&market.put("bob", &format!("{open}/large.txt"), &"x".repeat(100)).await), 40051);
        assert_eq!(code(&market.put("bob", &format!("{open}/guest.txt"), &"x".repeat(100)).await), 40051);
        market.set("UPDATE account SET quota_bytes = NULL WHERE id = $1", market.user(ADA).key.0).await;

        // An upload that is under way when its share ends.
        let session = text(&data(market.begin(NOBODY, &format!("{open}/late.txt"), 4, false).await)["session_id"]);
        let others = text(&data(market.begin("bob", &format!("{open}/bobs.txt"), 4, false).await)["session_id"]);
        assert_eq!(market.chunk("cy", &others, "1234").await, 40011, "somebody else's upload");
        assert_eq!(market.chunk(NOBODY, &others, "1234").await, 401);
        data(market.ask(ADA, Method::DELETE, &format!("/share/{id}"), json!({})).await);
        assert_ne!(market.chunk(NOBODY, &session, "1234").await, 0);
        assert_ne!(market.chunk("bob", &others, "1234").await, 0);
        assert_eq!(names(&data(market.list(ADA, GOODS).await)), ["deep", "guest.txt", "song.txt"]);

        // A drop box counts its files as they are sent: nothing comes in beside that.
        let id = market.share(json!({"uri": GOODS, "permissions": {"everyone": ALL}})).await;
        market.set("UPDATE share SET mode = 'read-drop' WHERE CAST($1 AS BIGINT) = 0 AND id = (SELECT MAX(id) FROM share)", 0).await;
        for (uri, kind) in [("x", "folder"), ("x.exe", "file"), ("x/y", "folder")] {
            assert_eq!(market.create(NOBODY, &format!("cloudreve://{id}@share/{uri}"), kind).await, 403, "{uri}");
        }
        assert_eq!(market.rename("bob", &format!("cloudreve://{id}@share/song.txt"), "x.txt").await, 403);
        assert_eq!(market.delete("bob", &format!("cloudreve://{id}@share/song.txt")).await, 403);
        assert_eq!(market.upload(NOBODY, &format!("cloudreve://{id}@share/song.txt"), "another").await, 0);
        assert_eq!(names(&data(market.list(ADA, GOODS).await)), ["deep", "guest.txt", "song (2).txt", "song.txt"]);

        // A library that is read only, which everybody may read and share.
        let folder = tempfile::TempDir::new().unwrap();
        std::fs::write(folder.path().join("a.txt"), "a").unwrap();
        tokio::task::block_in_place(|| market.server.add_library("Shelf", folder.path()));
        let id = market.share(json!({"uri": "cloudreve://my/Shelf", "permissions": {"everyone": ALL}})).await;
        let file = format!("cloudreve://{id}@share/a.txt");
        assert_eq!(market.capability("bob", &file).await.1, READ);
        for refused in [market.rename("bob", &file, "b.txt").await, market.delete("bob", &file).await,
            market.upload("bob", &format!("cloudreve://{id}@share/up.txt"), "x").await, code(&market.put("bob", &file, "b").await)] {
            assert_eq!(refused, 403);
        }
    }

    async fn an_upload_by_a_share_ends_when_the_right_does(backend: Backend) {
        let market = Market::open(&backend).await;
        let id = market.share(json!({"uri": GOODS, "permissions": {"everyone": READ_CREATE}})).await;
        let target = format!("cloudreve://{id}@share/slow.txt");
        let session = text(&data(market.begin("bob", &target, 4, false).await)["session_id"]);
        let edit = json!({"uri": GOODS, "permissions": {"everyone": READ}});
        data(market.ask(ADA, Method::POST, &format!("/share/{id}"), edit).await);
        assert_ne!(market.chunk("bob", &session, "1234").await, 0);
        let begun = market.begin("bob", &target, 4, false).await;
        assert_eq!(code(&begun), 403);
        let noting = json!({"uri": target, "size": 4, "policy_id": "", "metadata": {"tag:x": "#fff"}});
        assert_eq!(code(&market.ask("bob", Method::PUT, "/file/upload", noting).await), 40019, "visitors note nothing");
        // Whoever gives up an upload of theirs leaves nothing behind.
        data(market.ask(ADA, Method::POST, &format!("/share/{id}"), json!({"uri": GOODS, "permissions": {"everyone": READ_CREATE}})).await);
        let session = text(&data(market.begin(NOBODY, &target, 4, false).await)["session_id"]);
        let cancel = json!({"id": session, "uri": target});
        assert_eq!(code(&market.ask(NOBODY, Method::DELETE, "/file/upload", cancel).await), 0);
        assert_eq!(market.chunk(NOBODY, &session, "1234").await, 401);
        assert_eq!(names(&data(market.list(ADA, GOODS).await)), ["deep", "song.txt"]);
    }

    async fn a_page_takes_files_where_permissions_do(backend: Backend) {
        let market = Market::open(&backend).await;
        let id = market.share(json!({"uri": GOODS, "permissions": {"everyone": READ_CREATE}})).await;
        let address = format!("{}/s/{id}", market.server.url);
        let seen = market.client.get(&address).send().await.unwrap();
        let cookie = seen.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        assert!(seen.text().await.unwrap().contains("Send files"));
        let sent = market.client.put(format!("{address}/-/uploads?name=page.txt")).header("cookie", &cookie).body("by page");
        assert_eq!(sent.send().await.unwrap().status(), 200);
        assert_eq!(market.content("cloudreve://my/goods/page.txt").await, "by page");
        let wish = json!({"uri": "cloudreve://my/goods/song.txt", "permissions": {"everyone": ALL}});
        let single = format!("{}/s/{}", market.server.url, market.share(wish).await);
        let single = market.client.get(single).send().await.unwrap();
        assert_eq!(single.status(), 200);
        assert!(!single.text().await.unwrap().contains("Send files"), "beside a file nothing is put");
        let only_read = market.share(json!({"uri": GOODS})).await;
        let refused = market.client.put(format!("{}/s/{only_read}/-/uploads?name=no.txt", market.server.url)).header("cookie", &cookie);
        assert!(refused.body("x").send().await.unwrap().status().is_client_error());
        let page = market.client.get(format!("{}/s/{only_read}", market.server.url)).send().await.unwrap().text().await.unwrap();
        assert!(!page.contains("Send files"));
    }

    async fn a_permission_on_a_file_opens_it_to_those_whom_it_names(backend: Backend) {
        let market = Market::open(&backend).await;
        let bob = market.user("bob").id.clone();
        let song = "cloudreve://my/goods/song.txt";
        let setting = json!({"user_explicit": {bob.clone(): READ_UPDATE}});
        data(market.ask(ADA, Method::POST, "/file/permission", json!({"uris": [song], "setting": setting})).await);
        let info = data(market.get(ADA, &format!("/file/info?uri={}&extended=true", encoded(song))).await);
        assert_eq!(info["extended_info"]["permissions"]["user_explicit"], json!({bob.clone(): READ_UPDATE}));
        let id = text(&info["extended_info"]["shares"][0]["id"]);
        let place = format!("cloudreve://{id}@share/song.txt");
        assert_eq!(code(&market.put("bob", &place, "bob's words").await), 0);
        assert_eq!(market.content(song).await, "bob's words");
        assert_eq!(code(&market.list("cy", &place).await), 404);
        assert_eq!(code(&market.list(NOBODY, &place).await), 40088);

        // Set again, it is another setting of the same; taken back, it is gone.
        let setting = json!({"user_explicit": {bob: READ}});
        data(market.ask(ADA, Method::POST, "/file/permission", json!({"uris": [song], "setting": setting})).await);
        assert_eq!(code(&market.put("bob", &place, "more").await), 403);
        assert_eq!(data(market.get(ADA, "/share?page_size=10").await)["shares"].as_array().unwrap().len(), 1);
        data(market.ask(ADA, Method::DELETE, "/file/permission", json!({"uris": [song]})).await);
        assert_eq!(code(&market.get("bob", &format!("/file/info?uri={}", encoded(&place))).await), 404);
        assert_eq!(data(market.get(ADA, "/share?page_size=10").await)["shares"], json!([]));

        let odd = json!({"uris": [song, "cloudreve://my/none", "cloudreve://my"], "setting": {"other": READ}});
        let batch = market.ask(ADA, Method::POST, "/file/permission", odd).await;
        assert_eq!(code(&batch), 40081);
        assert_eq!(code(&batch["aggregated_error"]["cloudreve://my/none"]), 40016);
        assert_eq!(code(&batch["aggregated_error"]["cloudreve://my"]), 40053);
        for body in [json!({}), json!({"uris": []}), json!({"uris": [song]}), json!({"uris": [song], "setting": {"user_explicit": {"nobody": READ}}})] {
            assert_eq!(code(&market.ask(ADA, Method::POST, "/file/permission", body.clone()).await), 40001, "{body}");
        }
        let adas = format!("cloudreve://{}@my/goods/song.txt", market.user(ADA).id);
        for other in [adas.as_str(), "cloudreve://my/goods/song.txt"] {
            let body = json!({"uris": [other], "setting": {"everyone": ALL}});
            assert_eq!(code(&market.ask("bob", Method::POST, "/file/permission", body).await), 40081);
        }
    }

    async fn a_report_is_kept_without_secrets_and_many_have_to_wait(backend: Backend) {
        let market = Market::open(&backend).await;
        let id = market.share(json!({"uri": GOODS, "is_private": true, "password": "Word1"})).await;
        let uri = format!("cloudreve://{id}:Word1@share/deep");
        let report = json!({"category": 2, "share_id": id, "file_uri": uri, "description": "not his to share", "captcha": null, "ticket": null});
        data(market.ask(NOBODY, Method::POST, "/site/abuse", report).await);
        let bob = market.user("bob").id.clone();
        data(market.ask("cy", Method::POST, "/site/abuse", json!({"category": 0, "user_id": bob})).await);
        for (body, expected) in [
            (json!({}), 40001),
            (json!({"category": 4, "user_id": bob}), 40001),
            (json!({"category": 1.5, "user_id": bob}), 40001),
            (json!({"category": 1, "user_id": bob, "description": "x".repeat(513)}), 40001),
        ] {
            assert_eq!(code(&market.ask(NOBODY, Method::POST, "/site/abuse", body.clone()).await), expected, "{body}");
        }
        assert_eq!(code(&market.ask(NOBODY, Method::POST, "/site/abuse", json!({"category": 1})).await), 40001);
        assert_eq!(code(&market.ask(NOBODY, Method::POST, "/site/abuse", json!({"category": 1, "share_id": "none"})).await), 404);
        let reports = market.server.app.db.read(openshelf::store::reports::list).await.unwrap();
        assert_eq!(reports.len(), 2);
        assert_eq!((reports[1].place.as_str(), reports[1].owner.as_deref()), (format!("cloudreve://{id}@share/deep").as_str(), Some(ADA)));
        assert!(!format!("{reports:?}").contains("Word1"));
        let mut waits = false;
        for _ in 0..6 {
            let more = market.ask(NOBODY, Method::POST, "/site/abuse", json!({"category": 1, "user_id": bob})).await;
            waits |= code(&more) == 403 && text(&more["msg"]).contains("Try again in");
        }
        assert!(waits);
        let sql = "SELECT COUNT(*) FROM abuse_report";
        let kept = market.server.app.db.read(move |tx| tx.one(sql, args![], |row| row.get::<i64>(0))).await.unwrap();
        assert!(kept < 8, "{kept}");
    }
}

/// A writer whose right is taken in the middle of one long request is let go within seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_on_its_way_breaks_off_when_its_share_is_revoked() {
    let market = Market::open(&crate::engines::Backend::sqlite()).await;
    let id = market.share(json!({"uri": GOODS, "permissions": {"everyone": ALL}})).await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<&'static str, std::io::Error>>(1);
    sender.send(Ok("the first bytes")).await.unwrap();
    let pieces = futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|piece| (piece, receiver))
    });
    let uri = encoded(&format!("cloudreve://{id}@share/song.txt"));
    let request = market.client.put(format!("{}/api/v4/file/content?uri={uri}", market.server.url));
    let sent = tokio::spawn(request.body(reqwest::Body::wrap_stream(pieces)).send());
    // It is under way as soon as its row is there.
    let sql = "SELECT COUNT(*) FROM upload";
    while market.server.app.db.read(move |tx| tx.one(sql, args![], |row| row.get::<i64>(0))).await.unwrap() == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    data(market.ask(ADA, Method::DELETE, &format!("/share/{id}"), json!({})).await);
    let answer = tokio::time::timeout(Duration::from_secs(8), sent).await.expect("it ends").unwrap();
    assert!(answer.is_err() || code(&envelope(answer.unwrap()).await) != 0);
    drop(sender);
    assert_eq!(market.content("cloudreve://my/goods/song.txt").await, "la la la");
}
