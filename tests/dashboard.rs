//! What the dashboard of administrators tells of tasks, former contents and apps, and what it changes of them.

use std::io::{Read, Write};

use openshelf::account::{Allowed, Role, Roles};
use openshelf::store::accounts;
use reqwest::Method;
use serde_json::{Value, json};

use crate::both_engines;
use crate::cloudreve::{data, encoded, text};
use crate::drive::Drive;
use crate::engines::Backend;
use crate::podcasts::until;
use crate::server::{ADMIN, Server};
use crate::session::registering::Mailbox;
use crate::stand_in::{StandIn, head};

fn list() -> Value {
    json!({"page": 1, "page_size": 50, "order_by": "", "order_direction": "asc", "conditions": {}, "searches": {}})
}

fn list_of(condition: &str, value: &str) -> Value {
    json!({"page": 1, "page_size": 50, "conditions": {condition: value}})
}

/// An administrator, and Bob, who may have files fetched from this machine.
struct Office {
    server: Server,
    admin: Drive,
    bob: Drive,
}

impl Office {
    async fn new(backend: &Backend) -> Office {
        let server = Server::start_with(backend, |given| given.outgoing_networks = vec!["127.0.0.1/32".to_owned()]);
        let key = server.add_user("bob").key;
        let allowed = Allowed::of(Roles::ALL.without(Role::Admin));
        server.app.db.write(move |tx| accounts::set_allowed(tx, key, &allowed)).await.unwrap();
        let (admin, bob) = (Drive::sign_in(&server, ADMIN).await, Drive::sign_in(&server, "bob").await);
        Office { server, admin, bob }
    }

    async fn written(&self, who: &Drive, uri: &str, contents: &[&str]) {
        data(who.post("/file/create", json!({"uri": uri, "type": "file"})).await);
        for content in contents {
            who.write(uri, content).await;
        }
    }

    async fn tasks(&self, asked: Value) -> Vec<Value> {
        data(self.admin.post("/admin/queue", asked).await)["tasks"].as_array().unwrap().clone()
    }

    async fn metric(&self, queue: &str, count: &str) -> u64 {
        let all = data(self.admin.get("/admin/queue/metrics").await);
        all.as_array().unwrap().iter().find(|one| one["name"] == queue).unwrap()[count].as_u64().unwrap()
    }

    async fn entities(&self) -> Vec<Value> {
        data(self.admin.post("/admin/entity", list()).await)["entities"].as_array().unwrap().clone()
    }
}

async fn with_mail(backend: &Backend, url: &str) -> (Server, Drive) {
    let server = Server::start_with(backend, |given| {
        given.mail_server = Some(url.to_owned());
        given.mail_from = Some("Shelf <shelf@example.org>".to_owned());
    });
    let admin = Drive::sign_in(&server, ADMIN).await;
    (server, admin)
}

async fn general(drive: &Drive) -> Vec<Value> {
    data(drive.get("/workflow?page_size=10&category=general").await)["tasks"].as_array().unwrap().clone()
}

async fn all_ended(drive: &Drive) -> bool {
    general(drive).await.iter().all(|task| task["status"] == "completed")
}

both_engines! {
    async fn tasks_of_all_are_counted_listed_and_removed_and_only_ones_own_are_told_about(backend: Backend) {
        let office = Office::new(&backend).await;
        office.written(&office.bob, "cloudreve://my/Diary.txt", &["dear diary"]).await;
        office.written(&office.admin, "cloudreve://my/Report.txt", &["all is well"]).await;
        let pack = |name: &str, into: &str| json!({"src": [format!("cloudreve://my/{name}")], "dst": format!("cloudreve://my/{into}")});
        let of_bob = data(office.bob.post("/workflow/archive", pack("Diary.txt", "Memoirs.zip")).await);
        data(office.admin.post("/workflow/archive", pack("Report.txt", "Reports.zip")).await);
        until("both are packed", async || (all_ended(&office.bob).await && all_ended(&office.admin).await).then_some(())).await;

        let tasks = office.tasks(list()).await;
        let facts = |task: &Value| [&task["edges"]["user"]["nick"], &task["type"], &task["status"], &task["task_hash_id"]].map(text);
        assert_eq!(facts(&tasks[0])[..3], ["bob", "create_archive", "completed"]);
        assert_eq!(facts(&tasks[1])[..3], [ADMIN, "create_archive", "completed"]);
        assert_eq!(tasks[0]["task_hash_id"], of_bob["id"]);
        assert_eq!(tasks[0]["summary"], json!({"phase": "upload_archive", "props": {"failed": 0}}));
        assert_eq!(tasks[1]["summary"]["props"]["src_multiple"], json!(["cloudreve://my/Report.txt"]));
        let path = format!("/admin/queue/{}", tasks[0]["id"]);
        let said = json!([tasks[0], data(office.admin.get(&path).await)]).to_string();
        assert!(!said.contains("Diary") && !said.contains("Memoirs"), "{said}");
        let numbers = |tasks: &[Value]| tasks.iter().map(|task| task["id"].clone()).collect::<Vec<_>>();
        let (bobs, mine) = (vec![tasks[0]["id"].clone()], vec![tasks[1]["id"].clone()]);
        let bob = tasks[0]["user_tasks"].to_string();
        for (asked, found) in [
            (list_of("task_user_id", &bob), bobs.clone()),
            (list_of("task_type", "create_archive"), [bobs.clone(), mine.clone()].concat().into_iter().rev().collect()),
            (list_of("task_type", "media_meta"), vec![]),
            (list_of("task_status", "completed"), [mine.clone(), bobs.clone()].concat()),
            (list_of("task_status", "queued"), vec![]),
            (json!({"page": 2, "page_size": 1, "order_direction": "asc"}), mine.clone()),
        ] {
            assert_eq!(numbers(&office.tasks(asked.clone()).await), found, "{asked}");
        }
        assert_eq!(office.admin.post("/admin/queue", list_of("task_user_id", "bob")).await["code"], 40001);
        assert_eq!(office.metric("io_intense", "success_tasks").await, 2);
        assert_eq!(office.metric("io_intense", "submitted_tasks").await, 2);
        assert_eq!(office.metric("remote_download", "submitted_tasks").await, 0);

        let gone = office.admin.post("/admin/queue/batch/delete", json!({"ids": [bobs[0], 999_999]})).await;
        assert_eq!((&gone["code"], &gone["aggregated_error"]["999999"]["code"]), (&json!(40081), &json!(404)));
        assert_eq!(office.admin.get(&path).await["code"], 404);
        assert!(general(&office.bob).await.is_empty());
        for (body, code, left) in [
            (json!({}), 40001, 1),
            (json!({"not_after": "yesterday"}), 40001, 1),
            (json!({"not_after": "2020-01-01T00:00:00Z"}), 0, 1),
            (json!({"not_after": "2199-01-01T00:00:00Z", "types": ["media_meta"]}), 0, 1),
            (json!({"not_after": "2199-01-01T00:00:00Z", "status": ["error"]}), 0, 1),
            (json!({"not_after": "2199-01-01T00:00:00Z", "types": ["create_archive"], "status": ["completed"]}), 0, 0),
        ] {
            assert_eq!(office.admin.post("/admin/queue/cleanup", body.clone()).await["code"], code, "{body}");
            assert_eq!(office.tasks(list()).await.len(), left, "{body}");
        }
    }

    async fn a_task_that_is_removed_under_way_ends_and_leaves_nothing(backend: Backend) {
        let office = Office::new(&backend).await;
        // It begins, and then says nothing until the other side hangs up.
        let slow = StandIn::start(|_, stream| {
            head(stream, 200, "Content-Length: 1000\r\n")?;
            stream.write_all(b"begun")?;
            stream.read(&mut [0; 1]).map(drop)
        });
        let wish = json!({"src": [slow.url], "dst": "cloudreve://my"});
        data(office.bob.post("/workflow/download", wish).await);
        until("it is fetched", async || (office.metric("remote_download", "busy_workers").await == 1).then_some(())).await;
        let number = office.tasks(list_of("task_status", "processing")).await[0]["id"].clone();
        assert_eq!(office.admin.post("/admin/queue/cleanup", json!({"not_after": "2199-01-01T00:00:00Z"})).await["code"], 0);
        assert_eq!(office.tasks(list()).await.len(), 1, "what is under way stays");
        data(office.admin.post("/admin/queue/batch/delete", json!({"ids": [number]})).await);
        assert!(office.tasks(list()).await.is_empty());
        until("nothing is left", async || (data(office.bob.get("/user/capacity").await)["used"] == 0).then_some(())).await;
        assert_eq!(data(office.bob.get("/file?uri=cloudreve%3A%2F%2Fmy").await)["files"], json!([]));
    }

    async fn former_contents_are_shown_and_removed_by_the_right_to_change_the_file(backend: Backend) {
        let office = Office::new(&backend).await;
        for who in [&office.admin, &office.bob] {
            data(who.call(Method::PATCH, "/user/setting", json!({"version_retention_enabled": true})).await);
            office.written(who, "cloudreve://my/Diary.txt", &["1", "22", "333"]).await;
        }
        let counted = data(office.admin.get("/admin/summary?generate=true").await)["metrics_summary"].clone();
        assert_eq!((&counted["file_total"], &counted["entities_total"], &counted["bytes_total"]), (&json!(2), &json!(8), &json!(12)));

        let entities = office.entities().await;
        let sizes: Vec<u64> = entities.iter().map(|entity| entity["size"].as_u64().unwrap()).collect();
        assert_eq!(sizes, [0, 1, 2], "those of the administrator's own file, the oldest first");
        assert_eq!(entities[1]["edges"]["file"][0]["name"], "Diary.txt");
        let latest = data(office.admin.post("/admin/entity", json!({"page": 1, "page_size": 1, "order_direction": "desc"})).await);
        assert_eq!((&latest["entities"][0]["size"], &latest["pagination"]["total_items"]), (&json!(2), &json!(3)));
        let number = entities[1]["id"].as_i64().unwrap();
        assert_eq!(data(office.admin.get(&format!("/admin/entity/{number}")).await)["source"], entities[1]["source"]);
        let url = text(&data(office.admin.get(&format!("/admin/entity/url/{number}")).await));
        assert_eq!(office.server.client().get(url.as_str()).send().await.unwrap().text().await.unwrap(), "1");

        // Bob's are as near by their numbers, and none of the administrator's business.
        let all = number + 10;
        for other in (1..all).filter(|other| entities.iter().all(|entity| entity["id"] != json!(other))) {
            for path in [format!("/admin/entity/{other}"), format!("/admin/entity/url/{other}")] {
                assert_eq!(office.admin.get(&path).await["code"], 40077, "{path}");
            }
            let answer = office.admin.post("/admin/entity/batch/delete", json!({"ids": [other]})).await;
            assert_eq!(answer["aggregated_error"][other.to_string()]["code"], 40077);
        }
        let info = data(office.bob.get(&format!("/file/info?uri={}&extended=true", encoded("cloudreve://my/Diary.txt"))).await);
        assert_eq!(info["extended_info"]["entities"].as_array().unwrap().len(), 4);

        data(office.admin.post("/admin/entity/batch/delete", json!({"ids": [number]})).await);
        assert_eq!(office.entities().await.len(), 2);
        assert_ne!(office.server.client().get(url.as_str()).send().await.unwrap().status(), 200);
        data(office.admin.call(Method::DELETE, "/file", json!({"uris": ["cloudreve://my/Diary.txt"]})).await);
        assert!(office.entities().await.is_empty(), "in the trash they wait with their file");
    }

    async fn apps_are_registered_changed_and_removed_and_their_secret_is_told_once(backend: Backend) {
        let office = Office::new(&backend).await;
        let built_in = data(office.admin.post("/admin/oauthClient", list()).await);
        assert_eq!((&built_in["clients"][0]["is_system"], &built_in["pagination"]["total_items"]), (&json!(true), &json!(2)));
        let wish = json!({"client": {
            "name": "Notes", "homepage_url": "https://notes.example", "redirect_uris": ["https://notes.example/back"],
            "scopes": ["openid", "Files.Read"], "props": {"icon": "https://notes.example/i.svg"}, "is_enabled": true,
        }});
        let made = data(office.admin.put("/admin/oauthClient", wish).await);
        let (id, secret) = (text(&made["id"]), text(&made["secret"]));
        let path = format!("/admin/oauthClient/{id}");
        let told = data(office.admin.get(&path).await);
        assert_eq!((&told["scopes"], &told["props"]["icon"]), (&json!(["openid", "Files.Read"]), &json!("https://notes.example/i.svg")));
        let found = data(office.admin.post("/admin/oauthClient", list_of("oauth_client_name", "note")).await);
        assert_eq!(found["clients"], json!([told]));
        assert!(!found.to_string().contains(&secret) && told.get("secret").is_none());

        let let_in = async |secret: &str, scope: &str| {
            let asks = json!({"client_id": id, "response_type": "code", "redirect_uri": "https://notes.example/back", "scope": scope});
            let consented = office.bob.post("/session/oauth/consent", asks).await;
            if consented["code"] != 0 {
                return Err(consented["code"].clone());
            }
            let code = text(&consented["data"]["code"]);
            let form = [("grant_type", "authorization_code"), ("client_id", &id), ("client_secret", secret), ("code", &code)];
            let url = format!("{}/api/v4/session/oauth/token", office.server.url);
            let answer: Value = office.server.client().post(url).form(&form).send().await.unwrap().json().await.unwrap();
            let token = answer["access_token"].as_str().ok_or(answer["error"].clone())?;
            Ok(Drive::guest(&office.server).with_token(token))
        };
        let app = let_in(&secret, "Files.Read").await.ok().unwrap();
        let root = "/file?uri=cloudreve%3A%2F%2Fmy";
        assert_eq!(app.get(root).await["code"], 0);
        assert_eq!(data(office.admin.get(&path).await)["total_grants"], 1);

        let changed = data(office.admin.put(&path, json!({"client": {"name": "Reader"}})).await);
        assert_eq!((&changed["name"], &changed["scopes"]), (&json!("Reader"), &told["scopes"]), "what is not said stays");
        assert_eq!(app.get(root).await["code"], 0);
        data(office.admin.put(&path, json!({"client": {"scopes": ["openid"]}})).await);
        assert_eq!(app.get(root).await["code"], 401, "it was let in for more than it may ask for now");
        assert_eq!(let_in(&secret, "Files.Read").await.err().unwrap(), 40001);
        let app = let_in(&secret, "openid").await.ok().unwrap();
        data(office.admin.put(&path, json!({"client": {"secret": "another secret of its own".replace(' ', "-")}})).await);
        assert_eq!(app.get("/session/oauth/userinfo").await["code"], 401, "who knew the secret of before is out");
        assert_eq!(let_in(&secret, "openid").await.err().unwrap(), "invalid_grant");
        let app = let_in("another-secret-of-its-own", "openid").await.ok().unwrap();

        for wrong in [
            json!({}),
            json!({"client": {"scopes": ["openid"], "redirect_uris": ["https://a.example/"]}}),
            json!({"client": {"name": "A", "redirect_uris": ["https://a.example/"]}}),
            json!({"client": {"name": "A", "scopes": ["openid"]}}),
            json!({"client": {"name": "A", "scopes": ["everything"], "redirect_uris": ["https://a.example/"]}}),
            json!({"client": {"name": "A\nB", "scopes": ["openid"], "redirect_uris": ["https://a.example/"]}}),
            json!({"client": {"name": "A", "scopes": ["openid"], "redirect_uris": ["https://a.example/"], "is_enabled": false}}),
            json!({"client": {"name": "A", "scopes": ["openid"], "redirect_uris": ["https://a.example/"], "secret": "short"}}),
            json!({"client": {"name": "A", "scopes": ["openid"], "redirect_uris": ["https://a.example/"], "homepage_url": "javascript:x"}}),
        ] {
            assert_eq!(office.admin.put("/admin/oauthClient", wrong.clone()).await["code"], 40001, "{wrong}");
        }
        for uri in ["javascript:alert(1)", "data:text/html,x", "/callback", "https://", "https:///x", "https://a.example/#x", "app:x", "https://a b", "http://a.example/", ""] {
            let wrong = json!({"client": {"redirect_uris": [uri]}});
            assert_eq!(office.admin.put(&path, wrong).await["code"], 40001, "{uri}");
        }
        let own = json!(["org.example.app:/back", "http://127.0.0.1:7000/back"]);
        let wish = json!({"client": {"redirect_uris": own}});
        assert_eq!(data(office.admin.put(&path, wish).await)["redirect_uris"], own);

        let desktop = text(&built_in["clients"][0]["id"]);
        assert_eq!(office.admin.call(Method::DELETE, "/admin/oauthClient/mycloud", json!({})).await["code"], 403);
        let path_of_desktop = format!("/admin/oauthClient/{desktop}");
        assert_eq!(office.admin.put(&path_of_desktop, json!({"client": {"secret": "sixteen-characters"}})).await["code"], 403);
        assert_eq!(office.admin.call(Method::DELETE, &path_of_desktop, json!({})).await["code"], 403);
        let answer = office.admin.post("/admin/oauthClient/batch/delete", json!({"ids": [id, desktop, 7]})).await;
        let errors = &answer["aggregated_error"];
        assert_eq!((&answer["code"], &errors[&desktop]["code"], &errors["7"]["code"]), (&json!(40081), &json!(403), &json!(404)));
        assert_eq!(office.admin.get(&path).await["code"], 404);
        assert_eq!(office.admin.call(Method::DELETE, &path, json!({})).await["code"], 404);
        assert_eq!(app.get("/session/oauth/userinfo").await["code"], 401);
    }

    async fn a_test_mail_is_sent_by_the_server_that_was_named_at_the_start(backend: Backend) {
        let mailbox = Mailbox::open();
        let (server, admin) = with_mail(&backend, &mailbox.url).await;
        let test = json!({"to": "somebody@example.org", "settings": {"smtpHost": "elsewhere.example"}});
        assert_eq!(admin.post("/admin/tool/mail", test).await["code"], 0);
        let (to, mail) = mailbox.next();
        assert!(to == "somebody@example.org" && mail.contains("This is a test") && mail.contains(&server.url), "{to} {mail}");
        for (body, code) in [(json!({}), 40001), (json!({"to": "nobody at all"}), 40028)] {
            assert_eq!(admin.post("/admin/tool/mail", body.clone()).await["code"], code, "{body}");
        }
    }

    async fn a_test_mail_that_nobody_takes_says_so(backend: Backend) {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (_server, admin) = with_mail(&backend, &format!("smtp://{closed}")).await;
        let answer = admin.post("/admin/tool/mail", json!({"to": "somebody@example.org"})).await;
        assert!(answer["code"] == 40028 && text(&answer["msg"]).contains("reached"), "{answer}");
    }
}
