//! What administrators manage, by the dashboard's calls and by commands; and who may not.

use std::sync::Arc;

use openshelf::account::{User, UserState};
use openshelf::cli::order::{self, Banned, Given, Order, Reply, Right};
use openshelf::dialect::cloudreve::FACE;
use openshelf::http::Access;
use openshelf::library::LibraryKind;
use openshelf::store::{accounts, library};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::both_engines;
use crate::cloudreve::{data, encoded, text};
use crate::drive::Drive;
use crate::engines::Backend;
use crate::fixture::Fixture;
use crate::server::{ADMIN, ADMIN_MAIL, PASSWORD, Server};

async fn user(server: &Server, login: &str) -> User {
    let login = login.to_owned();
    server.app.db.read(move |tx| accounts::by_login(tx, &login)).await.unwrap().unwrap()
}

fn list() -> Value {
    json!({"page": 1, "page_size": 50, "order_by": "", "order_direction": "asc", "conditions": {}, "searches": {}})
}

fn list_of(condition: &str, value: &str) -> Value {
    json!({"page": 1, "page_size": 50, "conditions": {condition: value}})
}

fn names(list: &Value, field: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|one| text(&one[field])).collect()
}

/// Bob and Carl with a home each; a file of Bob's, and his share of it.
struct Office {
    server: Server,
    admin: Drive,
    bob: Drive,
    share: String,
}

impl Office {
    async fn new(backend: &Backend) -> Office {
        let server = Server::start(backend);
        for name in ["bob", "carl"] {
            server.add_user(name);
        }
        let (admin, bob) = (Drive::sign_in(&server, ADMIN).await, Drive::sign_in(&server, "bob").await);
        data(bob.post("/file/create", json!({"uri": "cloudreve://my/Diary.txt", "type": "file"})).await);
        bob.write("cloudreve://my/Diary.txt", "dear diary").await;
        let wish = json!({"uri": "cloudreve://my/Diary.txt", "is_private": true, "password": "Word1"});
        let link = text(&data(bob.put("/share", wish).await));
        let share = link.split("/s/").nth(1).unwrap().split('/').next().unwrap().to_owned();
        Office { server, admin, bob, share }
    }

    async fn number(&self, login: &str) -> i64 {
        user(&self.server, login).await.key.0
    }
}

both_engines! {
    async fn every_call_of_the_administration_is_for_administrators_who_are_signed_in(backend: Backend) {
        let office = Office::new(&backend).await;
        let guest = Drive::guest(&office.server);
        office.server.add_user("former");
        let former = user(&office.server, "former").await;
        let (key, app) = (former.key, office.server.app.clone());
        let banned = Drive::sign_in(&office.server, "former").await;
        let allowed = openshelf::account::Allowed::of(openshelf::account::Roles::ALL);
        app.db.write(move |tx| accounts::set_allowed(tx, key, &allowed)).await.unwrap();
        assert_eq!(banned.get("/admin/summary").await["code"], 0);
        app.db.write(move |tx| accounts::set_state(tx, key, UserState::Banned)).await.unwrap();

        let mut tried = 0;
        for route in FACE.routes.iter().filter(|route| route.access == Access::Admin) {
            let path = route.path.strip_prefix("/api/v4").unwrap().replace("{id}", "1");
            for (who, drive, code) in [("guest", &guest, 401), ("user", &office.bob, 40008), ("banned admin", &banned, 401)] {
                let answer = drive.call(route.methods[0].clone(), &path, json!({})).await;
                assert_eq!(answer["code"], code, "{who} {} {path}: {answer}", route.methods[0]);
            }
            tried += 1;
        }
        assert_eq!(tried, 61, "the reference has 59; importing and reading all anew are for administrators as well");
        assert_eq!(user(&office.server, ADMIN).await.mail, ADMIN_MAIL, "and nothing was changed");
    }

    async fn users_are_listed_by_pages_and_found_by_what_they_are(backend: Backend) {
        let office = Office::new(&backend).await;
        let all = data(office.admin.post("/admin/user", list()).await);
        assert_eq!(names(&all["users"], "nick"), [ADMIN, "bob", "carl"]);
        assert_eq!(all["pagination"]["total_items"], 3);
        assert_eq!(all["users"][1]["storage"], 10, "bytes of his diary");
        let second = json!({"page": 2, "page_size": 2, "order_direction": "asc"});
        assert_eq!(names(&data(office.admin.post("/admin/user", second).await)["users"], "nick"), ["carl"]);
        for (condition, value, found) in [
            ("user_nick", "CAR", vec!["carl"]),
            ("user_nick", "%", vec![]),
            ("user_email", "bob@", vec!["bob"]),
            ("user_group", "1", vec![ADMIN]),
            ("user_group", "2", vec!["carl", "bob"]),
            ("user_status", "manual_banned", vec![]),
        ] {
            let listed = data(office.admin.post("/admin/user", list_of(condition, value)).await);
            assert_eq!(names(&listed["users"], "nick"), found, "{condition} {value}");
        }
        for (body, code) in [
            (json!({"page": 0, "page_size": 50}), 40001),
            (json!({"page": 1, "page_size": 1_000_000}), 40001),
            (json!({"page": -1, "page_size": 50}), 40001),
            (list_of("user_group", "77"), 0),
            (list_of("user_group", "x"), 40001),
            (list_of("user_status", "odd"), 40001),
        ] {
            assert_eq!(office.admin.post("/admin/user", body.clone()).await["code"], code, "{body}");
        }
    }

    async fn an_account_is_made_changed_banned_and_removed(backend: Backend) {
        let office = Office::new(&backend).await;
        let made = json!({"user": {"id": 0, "email": "dora@example.org", "nick": "Dora", "status": "active", "group_users": 2,
            "max_storage": 1000, "edges": {}, "settings": null}, "password": "a new password"});
        let dora = data(office.admin.put("/admin/user", made.clone()).await);
        assert_eq!((&dora["nick"], &dora["group_users"], &dora["max_storage"]), (&json!("Dora"), &json!(2), &json!(1000)));
        let hers = Drive::sign_in_by(&office.server, "dora@example.org", "a new password").await;
        assert_eq!(data(hers.get("/user/capacity").await)["total"], 1000);
        assert_eq!(office.admin.put("/admin/user", made).await["code"], 40032, "the address is taken");
        let (path, id) = (format!("/admin/user/{}", dora["id"]), dora["id"].clone());

        let edit = json!({"user": {"id": id, "email": "d@example.org", "nick": "Theodora", "max_storage": 0}, "password": "another password"});
        let edited = data(office.admin.put(&path, edit).await);
        assert_eq!((&edited["nick"], &edited["email"]), (&json!("Theodora"), &json!("d@example.org")));
        assert_eq!(hers.get("/user/me").await["code"], 401, "a new password signs out");
        let hers = Drive::sign_in_by(&office.server, "d@example.org", "another password").await;

        data(office.admin.put(&path, json!({"user": {"id": id, "status": "manual_banned"}})).await);
        assert_eq!(hers.get("/user/me").await["code"], 401);
        let again = json!({"email": "d@example.org", "password": "another password"});
        assert_eq!(hers.post("/session/token", again.clone()).await["code"], 40080);
        data(office.admin.put(&path, json!({"user": {"id": id, "status": "active"}})).await);
        assert_eq!(hers.post("/session/token", again).await["code"], 0);

        for (body, code) in [
            (json!({"user": {"id": 1}}), 40001),
            (json!({}), 40001),
            (json!({"user": {"id": id, "status": "odd"}}), 40001),
            (json!({"user": {"id": id, "email": "no address"}}), 40001),
            (json!({"user": {"id": id, "email": "bob@openshelf.local"}}), 40032),
            (json!({"user": {"id": id, "group_users": 99}}), 40039),
            (json!({"user": {"id": id, "group_users": 3}}), 40040),
            (json!({"user": {"id": id, "nick": "x"}, "password": "short"}), 40001),
        ] {
            assert_eq!(office.admin.put(&path, body.clone()).await["code"], code, "{body}");
        }
        assert_eq!(data(office.admin.get(&path).await)["nick"], "Theodora", "what is refused changes nothing");
        let gone = json!({"ids": [id, 999_999]});
        let answer = office.admin.post("/admin/user/batch/delete", gone).await;
        assert_eq!((&answer["code"], &answer["aggregated_error"]["999999"]["code"]), (&json!(40081), &json!(40021)));
        assert_eq!(office.admin.get(&path).await["code"], 40021);
        assert_eq!(office.admin.get("/admin/user/abc").await["code"], 40001);
    }

    async fn there_is_always_an_administrator_and_nobody_removes_themselves(backend: Backend) {
        let office = Office::new(&backend).await;
        let (me, bob) = (office.number(ADMIN).await, office.number("bob").await);
        let mine = format!("/admin/user/{me}");
        assert_eq!(office.admin.put(&mine, json!({"user": {"group_users": 2}})).await["code"], 40042);
        assert_eq!(office.admin.put(&mine, json!({"user": {"status": "manual_banned"}})).await["code"], 40043);
        let answer = office.admin.post("/admin/user/batch/delete", json!({"ids": [me]})).await;
        assert_eq!(answer["aggregated_error"][me.to_string()]["code"], 40043);

        data(office.admin.put(&format!("/admin/user/{bob}"), json!({"user": {"group_users": 1}})).await);
        assert_eq!(data(office.bob.get("/admin/summary").await)["version"]["pro"], false);
        assert_eq!(data(office.bob.get("/user/me").await)["group"]["name"], "Admin");
        data(office.bob.put(&mine, json!({"user": {"group_users": 2}})).await);
        assert_eq!(office.admin.get("/admin/summary").await["code"], 40008);
        assert_eq!(office.bob.put(&format!("/admin/user/{bob}"), json!({"user": {"group_users": 2}})).await["code"], 40042);
    }

    async fn a_group_gives_its_members_what_it_says_now(backend: Backend) {
        let office = Office::new(&backend).await;
        let bob = office.number("bob").await;
        // Open shares, and no more: neither make shares (2) nor have archives made (4).
        let made = json!({"group": {"id": 0, "name": "Readers", "permissions": "gA==", "max_storage": 500, "speed_limit": 0, "edges": {}}});
        let group = data(office.admin.put("/admin/group", made.clone()).await);
        assert_eq!((&group["name"], &group["max_storage"]), (&json!("Readers"), &json!(500)));
        let (id, path) = (group["id"].clone(), format!("/admin/group/{}", group["id"]));
        assert_eq!(office.admin.put("/admin/group", made).await["code"], 40004);

        data(office.admin.put(&format!("/admin/user/{bob}"), json!({"user": {"group_users": id}})).await);
        let share = json!({"uri": "cloudreve://my/Diary.txt"});
        assert_eq!(office.bob.put("/share", share.clone()).await["code"], 40007);
        assert_eq!(data(office.bob.get("/user/capacity").await)["total"], 500);
        let bits = text(&data(office.bob.get("/user/me").await)["group"]["permission"]);
        assert_eq!(bits, "qA==", "WebDAV, tasks, open shares");
        assert_eq!(data(office.admin.get(&format!("/admin/user/{bob}")).await)["edges"]["group"]["name"], "Readers");
        assert_eq!(data(office.admin.get(&format!("{path}?countUser=true")).await)["total_users"], 1);
        let listed = data(office.admin.post("/admin/group", list()).await);
        assert_eq!(names(&listed["groups"], "name"), ["Admin", "User", "Anonymous", "Readers"]);
        let second = data(office.admin.post("/admin/group", json!({"page": 2, "page_size": 2})).await);
        assert_eq!(names(&second["groups"], "name"), ["Anonymous", "Readers"]);
        assert_eq!(names(&data(office.bob.get("/group/list").await), "name"), ["Readers"]);

        let edit = json!({"group": {"id": id, "name": "Members", "permissions": "hA==", "max_storage": 0}});
        data(office.admin.put(&path, edit).await);
        assert_eq!(office.bob.put("/share", share).await["code"], 0, "members have it at once");

        for (method, path, body, code) in [
            (Method::DELETE, path.clone(), json!({}), 40041),
            (Method::DELETE, "/admin/group/1".to_owned(), json!({}), 40040),
            (Method::PUT, "/admin/group/2".to_owned(), json!({"group": {"name": "Others"}}), 40040),
            (Method::DELETE, "/admin/group/77".to_owned(), json!({}), 40039),
            (Method::GET, "/admin/group/77".to_owned(), json!({}), 40039),
            (Method::PUT, path.clone(), json!({"group": {"speed_limit": 5}}), 40001),
            (Method::PUT, path.clone(), json!({"group": {"permissions": "AQ=="}}), 40001),
            (Method::PUT, path.clone(), json!({"group": {"permissions": "no set"}}), 40001),
            (Method::PUT, "/admin/group".to_owned(), json!({"group": {}}), 40001),
        ] {
            let answer = office.admin.call(method.clone(), &path, body.clone()).await;
            assert_eq!(answer["code"], code, "{method} {path} {body}: {answer}");
        }
        data(office.admin.put(&format!("/admin/user/{bob}"), json!({"user": {"group_users": 2}})).await);
        assert_eq!(office.admin.call(Method::DELETE, &path, json!({})).await["code"], 0);
        assert_eq!(data(office.bob.get("/group/list").await), json!([]));
    }

    async fn administrators_see_that_there_are_shares_and_end_them_and_do_not_get_in(backend: Backend) {
        let office = Office::new(&backend).await;
        let carl = Drive::sign_in(&office.server, "carl").await;
        data(office.admin.post("/file/create", json!({"uri": "cloudreve://my/own.txt", "type": "file"})).await);
        let own = text(&data(office.admin.put("/share", json!({"uri": "cloudreve://my/own.txt"})).await));
        let listed = data(office.admin.post("/admin/share", list()).await);
        let shares = listed["shares"].as_array().unwrap();
        assert_eq!(shares.len(), 2);
        assert_eq!((&shares[0]["edges"]["user"]["nick"], &shares[0]["password_protected"]), (&json!("bob"), &json!(true)));
        assert_eq!(shares[1]["share_link"], own);
        let said = listed.to_string();
        for secret in [office.share.as_str(), "Word1", "Diary"] {
            assert!(!said.contains(secret), "{secret} in {said}");
        }
        let of_carl = list_of("share_user", &office.number("carl").await.to_string());
        assert_eq!(data(office.admin.post("/admin/share", of_carl).await)["shares"], json!([]));

        let info = format!("/share/info/{}?password=Word1", office.share);
        assert_eq!(data(carl.get(&info).await)["unlocked"], true);
        let number = &shares[0]["id"];
        assert_eq!(data(office.admin.get(&format!("/admin/share/{number}")).await)["views"], 0);
        let answer = office.admin.post("/admin/share/batch/delete", json!({"ids": [number, 999]})).await;
        assert_eq!(answer["aggregated_error"]["999"]["code"], 404);
        assert_eq!(carl.get(&info).await["code"], 404);
        assert_eq!(office.admin.get(&format!("/admin/share/{number}")).await["code"], 404);
    }

    async fn administrators_find_and_change_files_by_their_own_rights_alone(backend: Backend) {
        let office = Office::new(&backend).await;
        let folder = TempDir::new().unwrap();
        Fixture { root: folder.path().to_owned() }.write("Report.txt", b"report");
        office.server.add_library("Shelf", folder.path());
        data(office.admin.post("/file/create", json!({"uri": "cloudreve://my/own.txt", "type": "file"})).await);
        let listed = data(office.admin.post("/admin/file", list()).await);
        let mut found = names(&listed["files"], "name");
        found.sort();
        assert_eq!(found, ["Report.txt", "own.txt"]);
        let report = data(office.admin.post("/admin/file", list_of("file_name", "report")).await)["files"][0].clone();
        assert_eq!((&report["name"], &report["size"]), (&json!("Report.txt"), &json!(6)));
        assert_eq!(office.admin.get(&format!("/admin/file/url/{}", report["id"])).await["code"], 0);

        let bob = user(&office.server, "bob").await;
        let diary = office.server.app.db.read(move |tx| {
            let home = library::home_of(tx, bob.key)?.unwrap();
            assert_eq!(home.kind, LibraryKind::Home);
            let root = library::root_item(tx, home.key)?;
            Ok(library::child_shown(tx, root.key, "Diary.txt")?.unwrap().key.0)
        }).await.unwrap();
        for (method, path, body) in [
            (Method::GET, format!("/admin/file/{diary}"), json!({})),
            (Method::GET, format!("/admin/file/url/{diary}"), json!({})),
            (Method::PUT, format!("/admin/file/{diary}"), json!({"file": {"name": "Read.txt"}})),
        ] {
            assert_eq!(office.admin.call(method, &path, body).await["code"], 40016, "{path}");
        }
        let answer = office.admin.post("/admin/file/batch/delete", json!({"ids": [diary]})).await;
        assert_eq!(answer["aggregated_error"][diary.to_string()]["code"], 40016);
        data(office.bob.get(&format!("/file/info?uri={}", encoded("cloudreve://my/Diary.txt"))).await);

        let own = data(office.admin.post("/admin/file", list_of("file_name", "own")).await)["files"][0]["id"].clone();
        let renamed = office.admin.put(&format!("/admin/file/{own}"), json!({"file": {"name": "other.txt"}})).await;
        assert_eq!(data(renamed)["name"], "other.txt");
        let read_only = format!("/admin/file/{}", report["id"]);
        assert_eq!(office.admin.put(&read_only, json!({"file": {"name": "x.txt"}})).await["code"], 403);
        data(office.admin.post("/admin/file/batch/delete", json!({"ids": [own]})).await);
        assert_eq!(office.admin.get(&format!("/admin/file/{own}")).await["code"], 40016);
    }

    async fn settings_that_do_something_are_set_and_others_refused(backend: Backend) {
        let office = Office::new(&backend).await;
        let asked = json!({"keys": ["siteName", "siteDes", "siteURL", "hash_id_salt", "secret_key", "mail_password"]});
        let before = data(office.admin.post("/admin/settings", asked.clone()).await);
        assert_eq!(before, json!({"siteName": "Openshelf", "siteDes": "Shared files", "siteURL": office.server.url}));
        let patch = json!({"settings": {"siteName": "Our Shelf", "siteDes": "of the band"}});
        data(office.admin.call(Method::PATCH, "/admin/settings", patch).await);
        assert_eq!(data(Drive::guest(&office.server).get("/site/config/basic").await)["title"], "Our Shelf");
        assert_eq!(data(office.admin.post("/admin/settings", asked.clone()).await)["siteDes"], "of the band");
        for wrong in [
            json!({"settings": {"siteName": "Other", "secret_key": "mine"}}),
            json!({"settings": {"siteName": "Other", "siteURL": "https://evil.example"}}),
            json!({"settings": {"siteName": "x".repeat(65)}}),
            json!({"settings": {"siteName": "a\nb"}}),
            json!({"settings": {"siteName": 7}}),
            json!({}),
        ] {
            assert_eq!(office.admin.call(Method::PATCH, "/admin/settings", wrong.clone()).await["code"], 40001, "{wrong}");
        }
        assert_eq!(data(office.admin.post("/admin/settings", asked).await)["siteName"], "Our Shelf");
    }

    async fn the_summary_counts_when_it_is_asked_to(backend: Backend) {
        let office = Office::new(&backend).await;
        let before = data(office.admin.get("/admin/summary").await);
        assert_eq!((&before["metrics_summary"], &before["site_urls"]), (&Value::Null, &json!([office.server.url])));
        let counted = data(office.admin.get("/admin/summary?generate=true").await)["metrics_summary"].clone();
        assert_eq!((&counted["file_total"], &counted["bytes_total"]), (&json!(1), &json!(10)));
        assert_eq!((&counted["user_total"], &counted["share_total"]), (&json!(3), &json!(1)));
        let days = counted["users"].as_array().unwrap();
        assert_eq!((days.len(), days.last()), (12, Some(&json!(3))));
        office.server.add_user("dora");
        let kept = data(office.admin.get("/admin/summary").await)["metrics_summary"].clone();
        assert_eq!(kept, counted, "it is what was counted");
    }

    async fn what_there_is_one_of_or_none_is_shown_and_stays(backend: Backend) {
        let office = Office::new(&backend).await;
        let admin = &office.admin;
        assert_eq!(data(admin.post("/admin/policy", list()).await)["policies"][0]["type"], "local");
        assert_eq!(data(admin.get("/admin/policy/1?countEntity=true").await)["id"], 1);
        assert_eq!(data(admin.post("/admin/node", list()).await)["nodes"][0]["type"], "master");
        for (method, path, code) in [
            (Method::GET, "/admin/policy/2", 40035),
            (Method::DELETE, "/admin/policy/1", 40036),
            (Method::DELETE, "/admin/policy/2", 40035),
            (Method::POST, "/admin/policy/cors", 40001),
            (Method::POST, "/admin/policy/oauth/signin", 40006),
            (Method::GET, "/admin/node/1", 0),
            (Method::DELETE, "/admin/node/1", 40046),
            (Method::PUT, "/admin/node", 40046),
            (Method::POST, "/admin/node/test", 40046),
            (Method::DELETE, "/admin/tool/entityUrlCache", 0),
            (Method::GET, "/admin/tool/wopi", 40019),
            (Method::POST, "/admin/tool/mail", 40019),
        ] {
            assert_eq!(admin.call(method.clone(), path, json!({})).await["code"], code, "{method} {path}");
        }
        let calibrated = data(admin.post(&format!("/admin/user/{}/calibrate", office.number("bob").await), json!({})).await);
        assert_eq!(calibrated["capacity"]["used"], 10);
    }

    async fn no_answer_of_the_administration_holds_what_is_stored_of_a_password(backend: Backend) {
        let office = Office::new(&backend).await;
        let bob = office.number("bob").await;
        let mut said = String::new();
        for path in ["user", "group", "share", "file", "policy", "node", "queue", "entity", "oauthClient"] {
            said += &office.admin.post(&format!("/admin/{path}"), list()).await.to_string();
        }
        said += &office.admin.get(&format!("/admin/user/{bob}")).await.to_string();
        let key = user(&office.server, "bob").await.key;
        let stored = office.server.app.db.read(move |tx| accounts::password(tx, key)).await.unwrap();
        assert!(stored.hash.starts_with("$argon2"));
        for secret in [stored.hash.as_str(), "$argon2", PASSWORD, "Word1", &office.share] {
            assert!(!said.contains(secret), "{secret} in {said}");
        }
    }

    async fn commands_ban_users_and_give_libraries_to_groups(backend: Backend) {
        let office = Office::new(&backend).await;
        let folder = TempDir::new().unwrap();
        Fixture { root: folder.path().to_owned() }.write("Report.txt", b"report");
        office.server.add_library("Shelf", folder.path());
        let order = async |order| {
            let app = Arc::clone(&office.server.app);
            tokio::spawn(async move { order::run(&app, order, |_| ()).await }).await.unwrap()
        };
        let give = |to: Given, rights: &[Right]| Order::GiveLibrary { name: "Shelf".to_owned(), to, rights: rights.to_vec() };
        let group = || "band".to_owned();
        let sees = async || data(office.bob.get("/file?uri=cloudreve%3A%2F%2Fmy").await).to_string().contains("Shelf");
        assert!(sees().await, "a new library is everyone's");
        order(give(Given::Everyone, &[])).await.unwrap();
        assert!(!sees().await);

        order(Order::AddGroup { name: group() }).await.unwrap();
        order(Order::JoinGroup { group: group(), users: vec!["bob".to_owned()] }).await.unwrap();
        order(give(Given::Group(group()), &[Right::Read])).await.unwrap();
        assert!(sees().await);
        let share = json!({"uri": "cloudreve://my/Shelf/Report.txt"});
        assert_eq!(office.bob.put("/share", share.clone()).await["code"], 403, "reading is not sharing");
        order(give(Given::User("bob".to_owned()), &[Right::Share])).await.unwrap();
        assert_eq!(office.bob.put("/share", share).await["code"], 0);
        let Reply::Groups(groups) = order(Order::Groups).await.unwrap() else { panic!() };
        assert_eq!((groups[0].name.as_str(), &groups[0].members[..]), ("band", &["bob".to_owned()][..]));
        assert!(order(Order::RemoveGroup { name: group() }).await.is_err(), "bob is in it");
        order(Order::LeaveGroup { group: group(), users: vec!["bob".to_owned()] }).await.unwrap();
        order(Order::RemoveGroup { name: group() }).await.unwrap();
        assert!(order(give(Given::Group(group()), &[Right::Read])).await.is_err());

        let link = format!("/share/info/{}?password=Word1", office.share);
        let carl = Drive::sign_in(&office.server, "carl").await;
        let ban = |banned| Order::SetBanned { name: "bob".to_owned(), banned };
        order(ban(Banned::Yes)).await.unwrap();
        assert_eq!(office.bob.get("/user/me").await["code"], 401);
        assert_eq!(carl.get(&link).await["code"], 404);
        order(ban(Banned::No)).await.unwrap();
        assert_eq!(data(carl.get(&link).await)["unlocked"], true);
        Drive::sign_in(&office.server, "bob").await;
        assert!(order(Order::SetBanned { name: ADMIN.to_owned(), banned: Banned::Yes }).await.is_err());
    }
}
