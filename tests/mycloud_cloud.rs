//! My Cloud Home's cloud: the share service row by row, its errors, its permissions in one step or two, and signing in.

use std::collections::BTreeSet;

use openshelf::account::signing::{SigningKey, new_pair};
use openshelf::account::token::Purpose;
use openshelf::account::{Allowed, Roles};
use openshelf::config::{Devices, Given, Granting};
use openshelf::library::Library;
use openshelf::share::{Bits, Subject, Wish};
use openshelf::store::{Tx, accounts, rights, settings, shares};
use openshelf::work::{second_factor, sharing, signin};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use totp_rs::{Builder, Secret as TotpSecret};

use crate::both_engines;
use crate::engines::Backend;
use crate::server::{ADMIN, PASSWORD, Server};
use crate::strangers::{Answer, Guest, Owner, contains, item, text};

/// A server with a library `shelf`: `album/one.txt` ("one"), `album/two.txt` ("two!") and `alone.txt` ("alone").
struct Cloud {
    server: Server,
    shelf: Library,
    _folder: TempDir,
    _backend: Backend,
}

impl Cloud {
    fn new(backend: Backend, settings: impl FnOnce(&mut Given)) -> Cloud {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("album")).unwrap();
        for (path, content) in [("album/one.txt", "one"), ("album/two.txt", "two!"), ("alone.txt", "alone")] {
            std::fs::write(folder.path().join(path), content).unwrap();
        }
        let server = Server::start_with(&backend, settings);
        let shelf = server.add_library("shelf", folder.path());
        Cloud { server, shelf, _folder: folder, _backend: backend }
    }

    fn sqlite() -> Cloud {
        Cloud::new(Backend::sqlite(), |_| ())
    }

    async fn owner(&self, name: &str) -> Owner {
        Owner::sign_in(&self.server, name).await
    }

    async fn id(&self, path: &str) -> String {
        item(&self.server, &self.shelf, path).await.id
    }

    fn guest(&self) -> Guest {
        Guest::new(&self.server, "recipient")
    }
}

fn path_of(share: &Value) -> String {
    format!("/shares/v1/shares/{}", text(&share["shareId"]))
}

/// The body that shares these files.
fn asking(owner: &Owner, files: &[&str]) -> Value {
    json!({"deviceId": owner.device_id, "ownerId": owner.mycloud_id, "fileIds": files})
}

fn with(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

async fn make(owner: &Owner, body: Value) -> Value {
    let made = owner.mycloud(Method::POST, "/shares/v1/shares", Some(body)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    assert_eq!(made.json()["error"], Value::Null);
    made.json()["data"].clone()
}

async fn permit(owner: &Owner, method: Method, share: &Value, file: &str) -> StatusCode {
    let entity = json!({"id": share["authId"], "type": "cloudShare"});
    let body = json!({"fileID": file, "entity": entity, "value": "ReadFile"});
    owner.mycloud(method, "/sdk/v1/filePerms", Some(body)).await.status
}

/// What the share service answers to somebody with this token or none.
async fn open(cloud: &Cloud, share: &Value, token: Option<&str>) -> Answer {
    let request = cloud.guest().request(Method::GET, &path_of(share));
    Answer::of(if let Some(token) = token { request.bearer_auth(token) } else { request }).await
}

async fn reads(cloud: &Cloud, token: &str, file: &str) -> StatusCode {
    let request = cloud.guest().request(Method::GET, &format!("/sdk/v2/files/{file}/content")).bearer_auth(token);
    Answer::of(request).await.status
}

#[track_caller]
fn refused(answer: &Answer, status: u16, label: &str, message: &str) {
    let body = answer.json();
    assert_eq!(answer.status.as_u16(), status, "{body}");
    assert_eq!(body["data"], Value::Null, "{body}");
    assert_eq!(body["error"]["label"], label, "{body}");
    assert!(text(&body["message"]).starts_with(message), "{body}");
    assert_eq!(body["message"], body["error"]["message"], "it stands in both places");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
}

fn claims(token: &str) -> Value {
    part(token, 1)
}

/// The head (0) or the claims (1) of a JWT.
fn part(token: &str, number: usize) -> Value {
    use base64::Engine as _;
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(parts.len(), 3, "{token}");
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(parts[number]).unwrap()).unwrap()
}

// What comes back ------------------------------------------------------------------------------------------------------

both_engines! {
    async fn a_share_is_told_with_every_field_of_the_documents_to_its_maker_and_to_a_stranger(backend: Backend) {
        let cloud = Cloud::new(backend, |_| ());
        let admin = cloud.owner(ADMIN).await;
        let (album, alone) = (cloud.id("album").await, cloud.id("alone.txt").await);
        let metadata = json!({"a": [1, null, {"b": "ü"}], "c": ""});
        let body = with(with(asking(&admin, &[&album, &alone]), "metadata", metadata.clone()), "useCache", json!(true));
        let made = make(&admin, body).await;
        for (name, value) in [
            ("deviceId", json!(admin.device_id)), ("ownerId", json!(admin.mycloud_id)), ("fileIds", json!([album, alone])),
            ("metadata", metadata.clone()), ("useCache", json!(true)), ("cacheUrl", json!("")),
            ("url", json!(format!("{}/action/share/{}", cloud.server.url, text(&made["shareId"])))),
        ] {
            assert_eq!(made[name], value, "{name}: {made}");
        }
        assert_ne!(made["authId"], made["shareId"]);
        assert!(made["dateCreated"].as_i64().unwrap() > 1_600_000_000_000, "milliseconds");
        assert!(made["lastModified"].is_i64());
        assert!(made.get("userIds").is_none(), "it is open to anyone");

        let opened = open(&cloud, &made, None).await;
        let data = opened.json()["data"].clone();
        assert_eq!(opened.json()["error"], Value::Null);
        for name in ["shareId", "deviceId", "ownerId", "authId", "fileIds", "useCache", "cacheUrl", "url", "metadata",
            "dateCreated", "lastModified"] {
            assert_eq!(data[name], made[name], "{name}");
        }
        let base = format!("{}/{}", cloud.server.url, admin.device_id);
        let network = json!({"proxyURL": base, "externalURI": base, "internalURL": base});
        let device = json!({"deviceId": admin.device_id, "name": "Openshelf", "network": network});
        assert_eq!(data["device"], device, "nothing else of the device is a stranger's business");
        for private in ["userIds", "openshelf"] {
            assert!(data.get(private).is_none(), "{private} is the owner's");
        }
        let owners = open(&cloud, &made, Some(&admin.mycloud)).await.json()["data"].clone();
        assert_eq!(owners["openshelf"]["views"], 1, "the stranger's look was one, the owner's was none");

        // Nothing was said of these.
        let bare = make(&admin, asking(&admin, &[&alone])).await;
        assert_eq!((&bare["metadata"], &bare["useCache"]), (&Value::Null, &json!(false)));
        assert_eq!(open(&cloud, &bare, None).await.json()["data"]["metadata"], Value::Null);
    }

    async fn a_share_token_says_what_it_is_and_nothing_of_users(backend: Backend) {
        let cloud = Cloud::new(backend, |_| ());
        let admin = cloud.owner(ADMIN).await;
        let share = make(&admin, asking(&admin, &[&cloud.id("alone.txt").await])).await;
        let token = text(&open(&cloud, &share, None).await.json()["data"]["shareToken"]);
        let told = claims(&token);
        for (name, value) in [("sub", "public_share"), ("aud", "keystone"), ("iss", "m2m-token-service"), ("scopes", "nas_read_only")] {
            assert_eq!(told[name], value, "{name}");
        }
        assert_eq!(told["customClaims"], json!({"deviceId": admin.device_id, "auth_id": share["authId"]}));
        let lasts_s = told["exp"].as_i64().unwrap() - told["iat"].as_i64().unwrap();
        assert_eq!(lasts_s, 3600);
        let again = text(&open(&cloud, &share, None).await.json()["data"]["shareToken"]);
        assert_ne!(told["jti"], claims(&again)["jti"], "each is another visitor's");
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)), "it stands in addresses");
        assert!(token.len() < 700, "{} bytes in an address", token.len());
    }

    async fn shares_are_listed_changed_and_deleted_by_their_owner_alone(backend: Backend) {
        let cloud = Cloud::new(backend, |_| ());
        cloud.server.add_user("ann");
        let (admin, ann) = (cloud.owner(ADMIN).await, cloud.owner("ann").await);
        let alone = cloud.id("alone.txt").await;
        let mut made = Vec::new();
        for _ in 0..5 {
            made.push(text(&make(&admin, asking(&admin, &[&alone])).await["shareId"]));
        }
        // Page by page, newest first; the last share of a page goes before the next page is asked for.
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let page = admin.mycloud(Method::GET, &format!("/v1/shares?limit=2&pageToken={token}"), None).await.json();
            let ids: Vec<String> = page["data"].as_array().unwrap().iter().map(|share| text(&share["shareId"])).collect();
            assert_eq!(page["error"], Value::Null);
            token = text(&page["pageToken"]);
            if let (2, last) = (ids.len(), ids.last().unwrap()) {
                assert_eq!(admin.mycloud(Method::DELETE, &format!("/v1/shares/{last}"), None).await.status, StatusCode::NO_CONTENT);
            }
            seen.extend(ids);
            if token.is_empty() {
                break;
            }
        }
        made.reverse();
        assert_eq!(seen, made);
        let of_device = format!("/shares/v1/shares?ownerId={}&deviceId={}", admin.mycloud_id.replace('|', "%7C"), admin.device_id);
        assert_eq!(admin.mycloud(Method::GET, &of_device, None).await.json()["data"].as_array().unwrap().len(), 3);
        assert_eq!(ann.mycloud(Method::GET, "/v1/shares", None).await.json()["data"], json!([]));
        for (query, name) in [
            (format!("ownerId={}", ann.mycloud_id), "ownerId"), ("deviceId=0c7e6a3e-9a5b-4b55-8a9f-6a2d9f0f1e01".to_owned(), "deviceId"),
            ("limit=many".to_owned(), "limit"), ("pageToken=x".to_owned(), "pageToken"),
        ] {
            let answer = admin.mycloud(Method::GET, &format!("/v1/shares?{query}"), None).await;
            refused(&answer, 400, "GENERAL_INVALID_PARAMETER_LIST", &format!("400 Bad Request Required parameter {name} is not valid"));
        }
        // Another's share is as none, whatever is asked of it.
        let path = format!("/v1/shares/{}", made[0]);
        for method in [Method::PATCH, Method::DELETE] {
            let answer = ann.mycloud(method, &path, Some(json!({"useCache": true}))).await;
            refused(&answer, 404, "SHARE_NOT_FOUND", "404 Not Found Could not find share");
        }
        assert_eq!(cloud.guest().get(&path).await.json()["data"]["useCache"], false);
    }

    async fn a_patch_changes_what_it_names_and_leaves_the_rest(backend: Backend) {
        let cloud = Cloud::new(backend, |_| ());
        cloud.server.add_user("ann");
        let (admin, ann) = (cloud.owner(ADMIN).await, cloud.owner("ann").await);
        let (one, alone) = (cloud.id("album/one.txt").await, cloud.id("alone.txt").await);
        let until = openshelf::now_ms() + 3_600_000;
        let terms = json!({"title": "Letters", "expires": until, "downloadLimit": 9, "password": "Sesame1"});
        let share = make(&admin, with(with(asking(&admin, &[&alone]), "openshelf", terms), "metadata", json!({"a": 1}))).await;
        let told = json!({"title": "Letters", "hasPassword": true, "expires": until, "viewLimit": null, "downloadLimit": 9,
            "views": 0, "downloads": 0});
        assert_eq!(share["openshelf"], told);
        let patch = async |body: Value| admin.mycloud(Method::PATCH, &path_of(&share), Some(body)).await;

        let after = patch(json!({"useCache": true})).await.json()["data"].clone();
        assert_eq!((&after["useCache"], &after["metadata"], &after["openshelf"]), (&json!(true), &json!({"a": 1}), &told));
        let after = patch(json!({"openshelf": {"expires": null, "password": null, "viewLimit": 5}, "metadata": null})).await.json();
        assert_eq!(after["data"]["openshelf"], json!({"title": "Letters", "hasPassword": false, "expires": null, "viewLimit": 5,
            "downloadLimit": 9, "views": 0, "downloads": 0}));
        assert_eq!((&after["data"]["metadata"], &after["data"]["useCache"]), (&Value::Null, &json!(true)));
        assert!(after["data"]["lastModified"].as_i64() >= share["lastModified"].as_i64());

        // Who may read: only Ann, then nobody, then anyone.
        assert_eq!(patch(json!({"userIds": [ann.mycloud_id]})).await.json()["data"]["userIds"], json!([ann.mycloud_id]));
        assert_eq!(open(&cloud, &share, None).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(open(&cloud, &share, Some(&ann.mycloud)).await.status, StatusCode::OK);
        patch(json!({"userIds": []})).await;
        assert_eq!(open(&cloud, &share, Some(&ann.mycloud)).await.status, StatusCode::NOT_FOUND);
        patch(json!({"userIds": null})).await;
        assert_eq!(open(&cloud, &share, None).await.status, StatusCode::OK);

        // What the share gave before stays: rights beyond reading, and those of whom this service has no word for.
        let (app, id) = (cloud.server.app.clone(), text(&share["shareId"]));
        let rights = async || {
            let id = id.clone();
            app.db.read(move |tx| Ok(shares::by_id(tx, &id)?.unwrap().terms.permissions)).await.unwrap()
        };
        patch(json!({"userIds": [ann.mycloud_id]})).await;
        let [(who, _)] = &rights().await[..] else { panic!("one right") };
        let mut given = vec![(Subject::Other, Bits::READ), (who.clone(), Bits::READ.and(Bits::UPDATE))];
        let wish = Wish { permissions: Some(given.clone()), ..Wish::default() };
        let owner = app.db.read(|tx| accounts::by_login(tx, ADMIN)).await.unwrap().unwrap();
        sharing::edit(&app, owner.key, &text(&share["shareId"]), wish).await.unwrap();
        patch(json!({"userIds": [ann.mycloud_id]})).await;
        let mut kept = rights().await;
        for all in [&mut given, &mut kept] {
            all.sort_by_key(|(who, _)| matches!(who, Subject::User(_)));
        }
        assert_eq!(kept, given);
        patch(json!({"userIds": null})).await;

        // What it holds: the file that left is closed to tokens that are out already, and if it comes back it is granted anew.
        assert_eq!(permit(&admin, Method::POST, &share, &alone).await, StatusCode::CREATED);
        let token = text(&open(&cloud, &share, None).await.json()["data"]["shareToken"]);
        assert_eq!(reads(&cloud, &token, &alone).await, StatusCode::OK);
        assert_eq!(patch(json!({"fileIds": [one]})).await.json()["data"]["fileIds"], json!([one]));
        assert_eq!(reads(&cloud, &token, &alone).await, StatusCode::NOT_FOUND);
        assert_eq!(reads(&cloud, &token, &one).await, StatusCode::NOT_FOUND, "it waits for its own second step");
        patch(json!({"fileIds": [alone, one]})).await;
        assert_eq!(reads(&cloud, &token, &alone).await, StatusCode::NOT_FOUND, "it left and came back");
        patch(json!({"fileIds": [one]})).await;
        assert_eq!(permit(&admin, Method::POST, &share, &one).await, StatusCode::CREATED);
        assert_eq!(reads(&cloud, &token, &one).await, StatusCode::OK);

        for (body, label, name) in [
            (json!({"fileIds": []}), "GENERAL_INSUFFICIENT_PARAMETERS", "fileIds"),
            (json!({"fileIds": ["f0000000000000000"]}), "GENERAL_INVALID_PARAMETER_LIST", "fileIds"),
            (json!({"userIds": ["auth0|nobody"]}), "GENERAL_INVALID_PARAMETER_LIST", "userIds"),
            (json!({"ownerId": ann.mycloud_id}), "GENERAL_INVALID_PARAMETER_LIST", "body"),
            (json!({"openshelf": {"expires": 1}}), "GENERAL_INVALID_PARAMETER_LIST", "expires"),
            (json!({"openshelf": {"downloadLimit": 0}}), "GENERAL_INVALID_PARAMETER_LIST", "downloads"),
            (json!({"openshelf": {"password": "no such word"}}), "GENERAL_INVALID_PARAMETER_LIST", "password"),
            (json!({"openshelf": {"price": 5}}), "GENERAL_INVALID_PARAMETER_LIST", "openshelf"),
            (json!([1]), "GENERAL_INVALID_PARAMETER_LIST", "body"),
        ] {
            let before = open(&cloud, &share, Some(&admin.mycloud)).await.json()["data"]["lastModified"].clone();
            let answer = patch(body).await;
            refused(&answer, 400, label, &format!("400 Bad Request Required parameter {name} "));
            let now = open(&cloud, &share, Some(&admin.mycloud)).await.json()["data"].clone();
            assert_eq!((&now["lastModified"], &now["fileIds"]), (&before, &json!([one])), "it changed nothing");
        }
    }
}

// Errors --------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn every_documented_error_has_its_status_its_label_and_its_message_in_both_places() {
    const INSUFFICIENT: &str = "GENERAL_INSUFFICIENT_PARAMETERS";
    let cloud = Cloud::sqlite();
    let admin = cloud.owner(ADMIN).await;
    let alone = cloud.id("alone.txt").await;
    let good = asking(&admin, &[&alone]);
    for base in ["/shares/v1/shares", "/v1/shares"] {
        for name in ["deviceId", "fileIds", "ownerId"] {
            for value in [Value::Null, json!(""), json!([])] {
                let answer = admin.mycloud(Method::POST, base, Some(with(good.clone(), name, value.clone()))).await;
                let (label, said) = match (name, &value) {
                    // A text where a list belongs is not absent, it is wrong.
                    ("fileIds", Value::String(_)) => ("GENERAL_INVALID_PARAMETER_LIST", "is not valid"),
                    _ => (INSUFFICIENT, "not present, invalid or empty"),
                };
                refused(&answer, 400, label, &format!("400 Bad Request Required parameter {name} {said}"));
            }
        }
        let request = || cloud.guest().request(Method::POST, base).json(&good);
        let absent = Answer::of(request()).await;
        refused(&absent, 400, INSUFFICIENT, "400 Bad Request Required parameter accessToken not present or empty");
        for bad in ["bad", "a.b.c", &admin.mycloud_refresh] {
            refused(&Answer::of(request().bearer_auth(bad)).await, 401, "UNAUTHORIZED", "401 Unauthorized");
        }
        for id in ["0123456789abcdefghijkl", "5f0c0a52-0b1e-4c57-9d0e-2b7d1f3a9c11", "x"] {
            let answer = cloud.guest().get(&format!("{base}/{id}")).await;
            refused(&answer, 404, "SHARE_NOT_FOUND", "404 Not Found Could not find share");
            assert!(answer.json()["message"] == "404 Not Found Could not find share");
        }
    }
    for none in ["/shares/v1/shares/", "/shares/v1/shares/%20", "/v1/shares/%20"] {
        let answer = cloud.guest().get(none).await;
        refused(&answer, 400, INSUFFICIENT, "400 Bad Request Required parameter shareId not present, invalid or empty");
    }
}

#[tokio::test]
async fn errors_of_the_other_services_say_what_each_of_their_clients_looks_for() {
    let cloud = Cloud::sqlite();
    let admin = cloud.owner(ADMIN).await;
    let ask = async |method: Method, path: &str, token: Option<&str>| {
        let request = cloud.guest().request(method, path);
        Answer::of(if let Some(token) = token { request.bearer_auth(token) } else { request }).await
    };
    // An object in the cloud, a string at sign-in, a key at the device.
    for path in ["/device/v1/user/auth0%7Cx", "/authservice/v1/user/userinfo", "/authservice/v2/auth0/user?email=a"] {
        for token in [None, Some("x")] {
            let answer = ask(Method::GET, path, token).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
            assert_eq!(answer.json()["error"]["label"], "UNAUTHORIZED");
        }
    }
    let answer = ask(Method::GET, "/authrouter/userinfo", None).await;
    assert_eq!((answer.status, &answer.json()["error"]), (StatusCode::UNAUTHORIZED, &json!("unauthorized")));
    let answer = ask(Method::GET, "/sdk/v1/device", None).await;
    assert_eq!((answer.status, &answer.json()["key"]), (StatusCode::UNAUTHORIZED, &json!("unauthenticated")));
    // Success has no `error` there: a client looks into it without a check.
    for path in [
        &format!("/device/v1/user/{}", admin.mycloud_id.replace('|', "%7C")),
        "/authservice/v1/user/userinfo",
        "/config/v1/config",
    ] {
        let answer = admin.mycloud(Method::GET, path, None).await;
        assert!(answer.status == StatusCode::OK && answer.json().get("error").is_none(), "{path}");
    }
    let missing = admin.mycloud(Method::GET, "/device/v1/device/0c7e6a3e-9a5b-4b55-8a9f-6a2d9f0f1e01", None).await;
    assert_eq!(
        (missing.status, &missing.json()["error"]["label"]),
        (StatusCode::NOT_FOUND, &json!("DEVICE_NOT_FOUND"))
    );
    let missing = admin.mycloud(Method::GET, "/device/v1/user/auth0%7Cnobody", None).await;
    assert_eq!((missing.status, &missing.json()["error"]["label"]), (StatusCode::NOT_FOUND, &json!("USER_NOT_FOUND")));
}

#[tokio::test]
async fn every_status_that_clients_act_on_comes_where_they_expect_it() {
    let cloud = Cloud::sqlite();
    let admin = cloud.owner(ADMIN).await;
    let alone = cloud.id("alone.txt").await;
    let content = format!("/sdk/v2/files/{alone}/content");
    let get = |path: &str, headers: &[(&'static str, &str)]| {
        let request = cloud.guest().request(Method::GET, path).bearer_auth(&admin.mycloud);
        Answer::of(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
    };
    let whole = get(&content, &[]).await;
    assert_eq!((whole.status.as_u16(), whole.text().as_str()), (200, "alone"));
    let part = get(&content, &[("range", "bytes=1-2")]).await;
    assert_eq!((part.status.as_u16(), part.text().as_str(), part.header("content-range")), (206, "lo", "bytes 1-2/5"));
    assert_eq!(get(&content, &[("range", "bytes=5-")]).await.status.as_u16(), 416, "past the end");
    let listing = "/sdk/v2/filesSearch/parents?ids=root&limit=10&pageToken=";
    let listed = get(listing, &[]).await;
    assert_eq!(get(listing, &[("if-none-match", listed.header("etag"))]).await.status.as_u16(), 304);
    let share = make(&admin, asking(&admin, &[&alone])).await;
    assert_eq!(permit(&admin, Method::POST, &share, &alone).await.as_u16(), 201);
    assert_eq!(permit(&admin, Method::POST, &share, &alone).await.as_u16(), 409, "it is there already");
    assert_eq!(admin.mycloud(Method::DELETE, &path_of(&share), None).await.status.as_u16(), 204);
    assert_eq!(admin.mycloud(Method::DELETE, &path_of(&share), None).await.status.as_u16(), 404);
    assert_eq!(admin.mycloud(Method::DELETE, "/sdk/v2/files/f0000000000000000", None).await.status.as_u16(), 404);
    let request = cloud.guest().request(Method::PUT, &content).bearer_auth(&admin.mycloud);
    let stale = Answer::of(request.header("if-match", "\"another\"").body("x")).await;
    assert!(
        matches!(stale.status.as_u16(), 403 | 412),
        "a library that is read-only, or a stale tag: {}",
        stale.status
    );
}

// Who may read --------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_public_share_opens_whatever_token_comes_along() {
    let cloud = Cloud::sqlite();
    let admin = cloud.owner(ADMIN).await;
    let share = make(&admin, asking(&admin, &[&cloud.id("alone.txt").await])).await;
    let mut expired = claims(&admin.mycloud);
    expired["exp"] = json!(1_000_000_000);
    let expired = cloud.server.app.signing.jwt(&expired);
    let own = text(&open(&cloud, &share, None).await.json()["data"]["shareToken"]);
    for token in ["", "x", "a.b.c", &expired, &admin.mycloud_refresh, &own, &admin.cloudreve] {
        assert_eq!(open(&cloud, &share, Some(token)).await.status, StatusCode::OK, "{token}");
    }
    let request = cloud.guest().request(Method::GET, &path_of(&share)).basic_auth("ann", Some("x"));
    assert_eq!(Answer::of(request).await.status, StatusCode::OK, "another kind of sign-in");
    let request = cloud.guest().request(Method::GET, &path_of(&share)).header("content-type", "application/json");
    assert_eq!(Answer::of(request).await.status, StatusCode::OK, "a kind of body, and none");
}

both_engines! {
    async fn a_restricted_share_opens_to_its_owner_and_to_those_it_names(backend: Backend) {
        let cloud = Cloud::new(backend, |_| ());
        cloud.server.add_user("ann");
        cloud.server.add_user("bob");
        let (admin, ann, bob) = (cloud.owner(ADMIN).await, cloud.owner("ann").await, cloud.owner("bob").await);
        let alone = cloud.id("alone.txt").await;
        for (user_ids, ann_comes_in) in [(json!([ann.mycloud_id]), true), (json!([ann.mycloud_id, ann.mycloud_id]), true), (json!([]), false)] {
            let share = make(&admin, with(asking(&admin, &[&alone]), "userIds", user_ids.clone())).await;
            let told: BTreeSet<String> = share["userIds"].as_array().unwrap().iter().map(text).collect();
            assert_eq!(told.contains(&ann.mycloud_id), ann_comes_in, "{user_ids}");
            assert_eq!(permit(&admin, Method::POST, &share, &alone).await, StatusCode::CREATED);
            refused(&open(&cloud, &share, None).await, 401, "UNAUTHORIZED", "401 Unauthorized");
            refused(&open(&cloud, &share, Some("bad")).await, 401, "UNAUTHORIZED", "401 Unauthorized");
            refused(&open(&cloud, &share, Some(&bob.mycloud)).await, 404, "SHARE_NOT_FOUND", "404 Not Found");
            let owners = open(&cloud, &share, Some(&admin.mycloud)).await;
            assert_eq!((owners.status, &owners.json()["data"]["userIds"]), (StatusCode::OK, &share["userIds"]));
            let anns = open(&cloud, &share, Some(&ann.mycloud)).await;
            match ann_comes_in {
                true => {
                    assert!(anns.json()["data"].get("userIds").is_none(), "who else is named is not hers to know");
                    let token = text(&anns.json()["data"]["shareToken"]);
                    assert_eq!(reads(&cloud, &token, &alone).await, StatusCode::OK);
                    // Taken off the list, her token is worth nothing.
                    let patched = admin.mycloud(Method::PATCH, &path_of(&share), Some(json!({"userIds": []}))).await;
                    assert_eq!(patched.status, StatusCode::OK);
                    assert_ne!(reads(&cloud, &token, &alone).await, StatusCode::OK);
                }
                false => refused(&anns, 404, "SHARE_NOT_FOUND", "404 Not Found"),
            }
        }
    }

    async fn nobody_shares_what_they_cannot_read_and_a_right_that_is_lost_closes_the_share(backend: Backend) {
        let cloud = Cloud::new(backend, |_| ());
        cloud.server.add_user("ann");
        let (admin, ann) = (cloud.owner(ADMIN).await, cloud.owner("ann").await);
        let alone = cloud.id("alone.txt").await;
        // Admin's own home is nobody else's.
        let made = "--x\n\n{\"name\":\"own\",\"mimeType\":\"application/x.wd.dir\"}\n--x--";
        let request = cloud.guest().request(Method::POST, "/sdk/v2/files").bearer_auth(&admin.mycloud);
        let made = Answer::of(request.header("content-type", "multipart/related; boundary=x").body(made)).await;
        let own = made.header("location").rsplit('/').next().unwrap().to_owned();
        for files in [vec![own.as_str()], vec![alone.as_str(), own.as_str()]] {
            let answer = ann.mycloud(Method::POST, "/v1/shares", Some(asking(&ann, &files))).await;
            refused(&answer, 400, "GENERAL_INVALID_PARAMETER_LIST", "400 Bad Request Required parameter fileIds is not valid");
        }
        assert_eq!(make(&ann, asking(&ann, &[&alone, &alone])).await["fileIds"], json!([alone]), "named twice, held once");
        let many = vec![alone.as_str(); 1001];
        let answer = ann.mycloud(Method::POST, "/v1/shares", Some(asking(&ann, &many))).await;
        refused(&answer, 400, "GENERAL_INVALID_PARAMETER_LIST", "400 Bad Request Required parameter fileIds is not valid");
        let share = make(&ann, asking(&ann, &[&alone])).await;
        assert_eq!(permit(&ann, Method::POST, &share, &alone).await, StatusCode::CREATED);
        let token = text(&open(&cloud, &share, None).await.json()["data"]["shareToken"]);
        assert_eq!(reads(&cloud, &token, &alone).await, StatusCode::OK);
        let key = cloud.shelf.key;
        let shut = cloud.server.app.db.write(move |tx: &mut Tx| rights::set(tx, key, &Subject::Everyone, Bits::NONE));
        shut.await.unwrap();
        assert_ne!(reads(&cloud, &token, &alone).await, StatusCode::OK, "it is judged at each fetch");
    }
}

// One step or two -----------------------------------------------------------------------------------------------------

both_engines! {
    async fn a_share_of_two_steps_opens_file_by_file_and_one_of_one_step_at_once(backend: Backend) {
        let cloud = Cloud::new(backend, |_| ());
        let admin = cloud.owner(ADMIN).await;
        let (album, one, alone) = (cloud.id("album").await, cloud.id("album/one.txt").await, cloud.id("alone.txt").await);
        let share = make(&admin, asking(&admin, &[&album, &alone])).await;
        let token = text(&open(&cloud, &share, None).await.json()["data"]["shareToken"]);
        assert_eq!(reads(&cloud, &token, &alone).await, StatusCode::NOT_FOUND);
        assert_eq!(permit(&admin, Method::POST, &share, &album).await, StatusCode::CREATED);
        assert_eq!(reads(&cloud, &token, &one).await, StatusCode::OK, "a right to a folder covers what is in it");
        assert_eq!(reads(&cloud, &token, &alone).await, StatusCode::NOT_FOUND);
        assert_eq!(permit(&admin, Method::DELETE, &share, &album).await, StatusCode::NO_CONTENT);
        assert_eq!(reads(&cloud, &token, &one).await, StatusCode::NOT_FOUND);
    }

    async fn rights_that_were_given_at_once_are_asked_for_once_and_taken_back(backend: Backend) {
        let cloud = Cloud::new(backend, |given| given.mycloud_grants = Some(Granting::AtOnce));
        let admin = cloud.owner(ADMIN).await;
        let (album, one, alone) = (cloud.id("album").await, cloud.id("album/one.txt").await, cloud.id("alone.txt").await);
        let share = make(&admin, asking(&admin, &[&album])).await;
        let token = text(&open(&cloud, &share, None).await.json()["data"]["shareToken"]);
        assert_eq!(reads(&cloud, &token, &one).await, StatusCode::OK, "no second step was needed");
        // A client that takes the second step all the same hears what it waits for.
        assert_eq!(permit(&admin, Method::POST, &share, &album).await, StatusCode::CREATED);
        assert_eq!(permit(&admin, Method::POST, &share, &album).await, StatusCode::CONFLICT);
        assert_eq!(permit(&admin, Method::DELETE, &share, &album).await, StatusCode::NO_CONTENT);
        assert_eq!(reads(&cloud, &token, &one).await, StatusCode::NOT_FOUND);
        admin.mycloud(Method::PATCH, &path_of(&share), Some(json!({"fileIds": [album, alone]}))).await;
        assert_eq!(reads(&cloud, &token, &one).await, StatusCode::NOT_FOUND, "what was taken back is not given by what comes");
        let patched = admin.mycloud(Method::PATCH, &path_of(&share), Some(json!({"fileIds": [alone]}))).await;
        assert_eq!(patched.status, StatusCode::OK);
        assert_eq!(reads(&cloud, &token, &alone).await, StatusCode::OK, "what is added later opens at once as well");
    }
}

#[tokio::test]
async fn a_deleted_share_takes_its_tokens_and_its_permissions_with_it() {
    let cloud = Cloud::sqlite();
    let admin = cloud.owner(ADMIN).await;
    let alone = cloud.id("alone.txt").await;
    let share = make(&admin, asking(&admin, &[&alone])).await;
    assert_eq!(permit(&admin, Method::POST, &share, &alone).await, StatusCode::CREATED);
    let token = text(&open(&cloud, &share, None).await.json()["data"]["shareToken"]);
    assert_eq!(reads(&cloud, &token, &alone).await, StatusCode::OK);
    assert_eq!(admin.mycloud(Method::DELETE, &path_of(&share), None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(reads(&cloud, &token, &alone).await, StatusCode::UNAUTHORIZED);
    refused(&open(&cloud, &share, None).await, 404, "SHARE_NOT_FOUND", "404 Not Found Could not find share");
    assert_eq!(permit(&admin, Method::POST, &share, &alone).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_file_is_shared_by_the_id_that_its_upload_began_with() {
    let cloud = Cloud::sqlite();
    let admin = cloud.owner(ADMIN).await;
    let send = async |method: Method, path: &str, body: &'static str| {
        let request = cloud.guest().request(method, path).bearer_auth(&admin.mycloud);
        Answer::of(request.header("content-type", "multipart/related; boundary=x").body(body)).await
    };
    let begun = send(Method::POST, "/sdk/v2/files/resumable?done=false", "--x\n\n{\"name\":\"new.txt\"}\n--x--").await;
    let at = begun.header("location").to_owned();
    let begun_as = at.rsplit('/').next().unwrap();
    assert_eq!(
        send(Method::PUT, &format!("{at}/resumable/content?done=true"), "new").await.status,
        StatusCode::NO_CONTENT
    );
    let share = make(&admin, asking(&admin, &[begun_as])).await;
    assert_eq!(permit(&admin, Method::POST, &share, begun_as).await, StatusCode::CREATED);
    let token = text(&open(&cloud, &share, None).await.json()["data"]["shareToken"]);
    assert_eq!(reads(&cloud, &token, &text(&share["fileIds"][0])).await, StatusCode::OK);
}

// Browsers of other origins -------------------------------------------------------------------------------------------

#[tokio::test]
async fn pages_of_other_origins_may_ask_with_the_headers_that_clients_send_and_without_cookies() {
    let cloud = Cloud::sqlite();
    let admin = cloud.owner(ADMIN).await;
    let listed = |headers: &HeaderMap, name: &str| -> BTreeSet<String> {
        let all = headers[name].to_str().unwrap().split(',');
        all.map(|one| one.trim().to_ascii_lowercase()).collect()
    };
    let share = make(&admin, asking(&admin, &[&cloud.id("alone.txt").await])).await;
    let device = format!("/{}/sdk/v2/files/x", admin.device_id);
    for path in [
        "/config/v1/config",
        "/authrouter/oauth/token",
        "/authrouter/.well-known/jwks.json",
        &path_of(&share),
        "/v1/shares",
        &device,
    ] {
        let request = cloud.guest().request(Method::OPTIONS, path).header("origin", "https://page.example");
        let asked =
            "authorization,content-type,correlationid,x-correlation-id,x-activity-tag,range,if-match,if-none-match";
        let request =
            request.header("access-control-request-method", "GET").header("access-control-request-headers", asked);
        let answer = Answer::of(request).await;
        assert!(answer.status.is_success(), "{path}");
        let allowed = listed(&answer.headers, "access-control-allow-headers");
        for name in asked.split(',') {
            assert!(allowed.contains(name), "{path}: {name}");
        }
        let methods = listed(&answer.headers, "access-control-allow-methods");
        assert!(["get", "post", "put", "patch", "delete"].iter().all(|method| methods.contains(*method)), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert!(!answer.headers.contains_key("access-control-allow-credentials"), "{path}");
    }
    let opened =
        Answer::of(cloud.guest().request(Method::GET, &path_of(&share)).header("origin", "https://page.example")).await;
    assert_eq!(opened.header("access-control-allow-origin"), "*");
    assert!(!opened.headers.contains_key("access-control-allow-credentials"));
    let exposed = listed(&opened.headers, "access-control-expose-headers");
    for name in ["location", "etag", "content-range", "content-disposition"] {
        assert!(exposed.contains(name), "{name}");
    }
    // A cookie of the pages is nobody here.
    let with_cookie = cloud.guest().request(Method::GET, "/authrouter/userinfo").header("cookie", &admin.page);
    assert_eq!(Answer::of(with_cookie).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_correlation_id_is_taken_under_either_name_and_refuses_nothing() {
    let cloud = Cloud::sqlite();
    let admin = cloud.owner(ADMIN).await;
    let share = make(&admin, asking(&admin, &[&cloud.id("alone.txt").await])).await;
    let long = "x".repeat(8000);
    for name in ["X-Correlation-ID", "correlationID"] {
        for value in ["w_g:3f0c2a52-0b1e-4c57-9d0e-2b7d1f3a9c11", "", "%00\t\"{}", &long] {
            let request = cloud.guest().request(Method::GET, &path_of(&share)).header(name, value);
            assert_eq!(Answer::of(request).await.status, StatusCode::OK, "{name}: {value:.40}");
        }
    }
}

// Signing in ----------------------------------------------------------------------------------------------------------

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const OWN_SCHEME: &str = "org.example.music://signed-in";

/// Asks for tokens with a body as it stands.
async fn token(cloud: &Cloud, kind: Option<&str>, body: impl Into<String>) -> Answer {
    let request = cloud.guest().request(Method::POST, "/authrouter/oauth/token").body(body.into());
    Answer::of(if let Some(kind) = kind { request.header("content-type", kind) } else { request }).await
}

/// The path that an app's browser is led to at first, whatever was asked: one of our own.
async fn led(cloud: &Cloud, query: &[(&str, &str)]) -> String {
    let answer = Answer::of(cloud.guest().request(Method::GET, "/authrouter/authorize").query(query)).await;
    assert_eq!(answer.status, StatusCode::FOUND);
    let path = answer.header("location").strip_prefix(&cloud.server.url).unwrap().to_owned();
    assert!(path.starts_with("/app/authorize?"), "{path}");
    path
}

fn asks<'a>(redirect_uri: &'a str, state: &'a str) -> Vec<(&'a str, &'a str)> {
    // As the iOS kit asks.
    vec![
        ("client_id", "9B0Gi617tROKHc2rS95sT1yJzR6MkQDm"),
        ("redirect_uri", redirect_uri),
        ("response_type", "code"),
        ("scope", "openid offline_access nas_read_write"),
        ("state", state),
        ("audience", "mycloud.com"),
        ("connection", "Username-Password-Authentication"),
        ("protocol", "oauth2"),
        ("sso", "false"),
    ]
}

/// The code for which a signed-in user lets such an app in, and the address that the browser was led to.
async fn let_in(cloud: &Cloud, user: &Owner, query: &[(&str, &str)]) -> (String, String) {
    let to = led(cloud, query).await;
    let page = user.page(&to).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    let fields: Vec<(String, String)> =
        reqwest::Url::parse(&format!("http://x{to}")).unwrap().query_pairs().into_owned().collect();
    let mut form: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    form.push(("answer", "allow"));
    let answered = user.post("/app/authorize", &form).await.header("location").to_owned();
    let code = answered.split(['?', '&']).find_map(|pair| pair.strip_prefix("code=")).unwrap().to_owned();
    (code, answered)
}

fn exchange(code: &str) -> Value {
    json!({"grant_type": "authorization_code", "code": code, "client_id": "9B0Gi617tROKHc2rS95sT1yJzR6MkQDm", "client_secret": "any",
        "redirect_uri": OWN_SCHEME})
}

async fn userinfo(cloud: &Cloud, token: &Value) -> StatusCode {
    let request = cloud.guest().request(Method::GET, "/authrouter/userinfo").bearer_auth(text(token));
    Answer::of(request).await.status
}

both_engines! {
    async fn an_app_is_let_in_by_a_page_and_gets_tokens_for_a_code_once(backend: Backend) {
        let cloud = Cloud::new(backend, |_| ());
        cloud.server.add_user("ann");
        let ann = cloud.owner("ann").await;
        let first = led(&cloud, &asks(OWN_SCHEME, "s t&a=te")).await;
        // Who is not signed in does so first, and comes back to the question.
        let stranger = cloud.guest().get(&first).await;
        assert!(stranger.header("location").starts_with("/app/sign-in?next=%2Fapp%2Fauthorize"), "{}", stranger.header("location"));
        let page = ann.page(&first).await.text();
        for shown in ["My Cloud Home", OWN_SCHEME, "see, change and delete your files"] {
            assert!(page.contains(shown), "{shown}");
        }
        let (code, answered) = let_in(&cloud, &ann, &asks(OWN_SCHEME, "s t&a=te")).await;
        assert!(answered.starts_with(&format!("{OWN_SCHEME}?code=")) && answered.ends_with("&state=s%20t%26a%3Dte"), "{answered}");

        let json_kind = Some("application/json");
        // The kit escapes its slashes twice.
        let body = exchange(&code).to_string().replace("://", ":\\\\/\\\\/");
        let tokens = token(&cloud, json_kind, body).await;
        assert_eq!(tokens.status, StatusCode::OK, "{}", tokens.text());
        let tokens = tokens.json();
        assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(86400)));
        assert_eq!(claims(&text(&tokens["id_token"]))["aud"], "9B0Gi617tROKHc2rS95sT1yJzR6MkQDm");
        for kind in ["access_token", "id_token"] {
            let told = claims(&text(&tokens[kind]));
            assert_eq!((&told["sub"], &told["email"]), (&json!(ann.mycloud_id), &json!("ann@openshelf.local")), "{kind}");
            assert_eq!(userinfo(&cloud, &tokens[kind]).await, StatusCode::OK, "{kind}");
        }
        assert_eq!(token(&cloud, json_kind, exchange(&code).to_string()).await.status, StatusCode::FORBIDDEN, "a code is good once");
        // Its sessions are this door's, and they end when the user shuts such apps out.
        let (code, _) = let_in(&cloud, &ann, &asks(OWN_SCHEME, "")).await;
        let elsewhere = [("grant_type", "authorization_code"), ("code", &code), ("client_id", "mycloud"), ("client_secret", "any")];
        let request = cloud.guest().request(Method::POST, "/api/v4/session/oauth/token").form(&elsewhere);
        assert_eq!(Answer::of(request).await.json()["error"], "invalid_grant", "it opens no other door");
        let page = ann.page("/app/account").await.text();
        assert!(page.contains("My Cloud Home"), "the user sees whom they let in");
        ann.post("/app/account/apps/shut-out", &[("app", "mycloud")]).await;
        assert_eq!(userinfo(&cloud, &tokens["access_token"]).await, StatusCode::UNAUTHORIZED);
        let again = json!({"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}).to_string();
        assert_eq!(token(&cloud, json_kind, again).await.status, StatusCode::FORBIDDEN);
        assert!(!ann.page("/app/account").await.text().contains("My Cloud Home"));
        assert_eq!(userinfo(&cloud, &json!(ann.mycloud)).await, StatusCode::OK, "what she signed in to by password stays");
    }
}

#[tokio::test]
async fn no_code_is_sent_to_a_site_that_no_administrator_listed() {
    let listed = "https://app.example.org/callback";
    let cloud = Cloud::new(Backend::sqlite(), |given| {
        given.mycloud_redirects = vec![listed.to_owned(), "wdapp://back".to_owned()]
    });
    let admin = cloud.owner(ADMIN).await;
    for good in [OWN_SCHEME, "http://127.0.0.1:5000/back?x=1", "http://localhost:1/", listed, "wdapp://back"] {
        let (_, answered) = let_in(&cloud, &admin, &asks(good, "x")).await;
        let separator = if good.contains('?') { '&' } else { '?' };
        assert!(answered.starts_with(&format!("{good}{separator}code=")), "{answered}");
    }
    for bad in [
        "https://evil.example/",
        "https://app.example.org/callback/../evil",
        "http://127.0.0.1@evil.example/",
        "//evil.example",
        "/app/shares",
        "javascript:alert(1)",
        "wdapp://other",
        "http://127.0.0.1.evil.example/",
        "",
        "data:text/html,x",
    ] {
        let to = led(&cloud, &asks(bad, "x")).await;
        let page = admin.page(&to).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{bad}");
        let form = [("client_id", "mycloud"), ("response_type", "code"), ("redirect_uri", bad), ("answer", "allow")];
        let request = cloud.guest().request(Method::POST, "/app/authorize").header("cookie", &admin.page).form(&form);
        let posted = Answer::of(request).await;
        assert!(posted.status == StatusCode::BAD_REQUEST && posted.header("location").is_empty(), "{bad}");
    }
    // Who says no is led back without a code, and another site's form does nothing.
    let form = [
        ("client_id", "mycloud"),
        ("response_type", "code"),
        ("redirect_uri", OWN_SCHEME),
        ("state", "x"),
        ("answer", "deny"),
    ];
    let denied = admin.post("/app/authorize", &form).await;
    assert_eq!(denied.header("location"), format!("{OWN_SCHEME}?error=access_denied&state=x"));
    let request = cloud.guest().request(Method::POST, "/app/authorize").header("cookie", &admin.page).form(&form);
    let foreign = Answer::of(request.header("sec-fetch-site", "cross-site")).await;
    assert!(foreign.status == StatusCode::FORBIDDEN && foreign.header("location").is_empty());
}

#[tokio::test]
async fn a_code_with_a_challenge_is_for_whoever_knows_its_verifier() {
    let cloud = Cloud::sqlite();
    let admin = cloud.owner(ADMIN).await;
    let proven =
        [&asks(OWN_SCHEME, "x")[..], &[("code_challenge", CHALLENGE), ("code_challenge_method", "S256")]].concat();
    let plain =
        [&asks(OWN_SCHEME, "x")[..], &[("code_challenge", VERIFIER), ("code_challenge_method", "plain")]].concat();
    assert_eq!(admin.page(&led(&cloud, &plain).await).await.status, StatusCode::BAD_REQUEST);
    for (name, value, good) in [
        ("code_verifier", VERIFIER, true),
        ("code_verifier", &VERIFIER.replace('d', "e"), false),
        ("code_verifier", "", false),
        ("redirect_uri", "org.example.other://", false),
    ] {
        let (code, _) = let_in(&cloud, &admin, &proven).await;
        let body = with(with(exchange(&code), "code_verifier", json!(VERIFIER)), name, json!(value));
        let status = token(&cloud, Some("application/json"), body.to_string()).await.status;
        assert_eq!(status == StatusCode::OK, good, "{name} {value}: {status}");
    }
}

/// What a phone shows.
fn code_at(secret: &str, at_ms: i64) -> String {
    let secret = TotpSecret::try_from_base32(secret).unwrap();
    Builder::new().with_secret(secret).build().unwrap().generate(at_ms.unsigned_abs() / 1000).to_string()
}

#[tokio::test]
async fn whoever_has_a_second_factor_signs_in_by_the_page_and_not_by_password_alone() {
    let cloud = Cloud::sqlite();
    let user = cloud.server.add_user("ann");
    let admin = cloud.owner("ann").await;
    let app = std::sync::Arc::clone(&cloud.server.app);
    let of = user.clone();
    let secret = cloud.server.run(async move {
        let secret = second_factor::offer(&app, &of).await.unwrap();
        assert!(second_factor::turn_on(&app, &of, &code_at(&secret, openshelf::now_ms() - 30_000)).await.unwrap());
        secret
    });
    let body = json!({"grant_type": "password", "username": "ann", "password": PASSWORD}).to_string();
    let refused = token(&cloud, Some("application/json"), body).await;
    assert_eq!((refused.status, &refused.json()["error"]), (StatusCode::FORBIDDEN, &json!("access_denied")));
    // The page asks for both, and leads on to the app's question.
    let to = led(&cloud, &asks(OWN_SCHEME, "x")).await;
    let form = [("user", "ann"), ("password", PASSWORD), ("next", &to)];
    let asked = Answer::of(cloud.guest().request(Method::POST, "/app/sign-in").form(&form)).await;
    let step = asked.text().split("name=\"step\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let code = code_at(&secret, openshelf::now_ms() + 30_000);
    let form = [("step", step.as_str()), ("code", &code), ("next", &to)];
    let signed = Answer::of(cloud.guest().request(Method::POST, "/app/sign-in/code").form(&form)).await;
    assert_eq!((signed.status, signed.header("location")), (StatusCode::SEE_OTHER, to.as_str()));
    let (code, _) = let_in(&cloud, &admin, &asks(OWN_SCHEME, "x")).await;
    let tokens = token(&cloud, Some("application/json"), exchange(&code).to_string()).await;
    assert_eq!(tokens.status, StatusCode::OK);
}

both_engines! {
    async fn access_and_id_tokens_are_checked_by_the_published_keys_which_all_nodes_share(backend: Backend) {
        let database = backend.database().clone();
        let cloud = Cloud::new(backend, |_| ());
        let admin = cloud.owner(ADMIN).await;
        let ask = async |path: &str| cloud.guest().get(path).await.json();
        let known = ask("/authrouter/.well-known/openid-configuration").await;
        let issuer = format!("{}/authrouter/", cloud.server.url);
        assert_eq!(known["issuer"], issuer);
        assert_eq!(claims(&admin.mycloud)["iss"], issuer);
        for (name, path) in [("authorization_endpoint", "authorize"), ("token_endpoint", "oauth/token"), ("userinfo_endpoint", "userinfo"),
            ("jwks_uri", ".well-known/jwks.json")] {
            assert_eq!(known[name], format!("{issuer}{path}"));
        }
        let keys = ask("/authrouter/.well-known/jwks.json").await;
        let key = &keys["keys"][0];
        assert_eq!((&key["kty"], &key["crv"], &key["alg"]), (&json!("EC"), &json!("P-256"), &json!("ES256")));
        assert!(key.get("d").is_none(), "the private half is nobody's");
        let body = json!({"grant_type": "password", "username": ADMIN, "password": PASSWORD}).to_string();
        let tokens = token(&cloud, None, body).await.json();
        for kind in ["access_token", "id_token"] {
            let jwt = text(&tokens[kind]);
            assert_eq!((&part(&jwt, 0)["alg"], &part(&jwt, 0)["kid"]), (&json!("ES256"), &key["kid"]));
            assert!(is_signed_by(&jwt, key), "{kind}");
            let (head, signature) = jwt.rsplit_once('.').unwrap();
            assert!(!is_signed_by(&format!("{head}x.{signature}"), key));
        }
        // What other keys signed is nobody's: another installation's, this server's for refresh tokens, or none.
        let own = claims(&admin.mycloud);
        let other = SigningKey::parse(&new_pair()).unwrap();
        for bad in [other.jwt(&own), cloud.server.app.keys.jwt(Purpose::Token, &own)] {
            assert_eq!(userinfo(&cloud, &json!(bad)).await, StatusCode::UNAUTHORIZED);
        }
        // A second node on the same rows takes the same key, and the rows do not tell it.
        let stored = cloud.server.app.db.read(|tx| settings::get(tx, "signing-key")).await.unwrap().unwrap();
        assert!(SigningKey::parse(&stored).is_none(), "it is sealed");
        let node = TempDir::new().unwrap();
        std::fs::create_dir(node.path().join("data")).unwrap();
        std::fs::copy(cloud.server.app.config.data.join("master.key"), node.path().join("data/master.key")).unwrap();
        let given = Given { data: Some(node.path().join("data")), ..Given::default() };
        let mut config = given.resolve(None).unwrap();
        config.database = database;
        let second = std::thread::spawn(move || openshelf::App::open(config).unwrap()).join().unwrap();
        assert_eq!(second.signing.key_set(), keys);
        std::thread::spawn(move || second.db.close()).join().unwrap();
    }
}

fn is_signed_by(jwt: &str, key: &Value) -> bool {
    use base64::Engine as _;
    let decoded = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap();
    let point = [vec![4], decoded(&text(&key["x"])), decoded(&text(&key["y"]))].concat();
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    let public = ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_FIXED, point);
    public.verify(signed.as_bytes(), &decoded(signature)).is_ok()
}

#[tokio::test]
async fn sign_in_bodies_are_json_or_forms_by_their_kind_and_else_by_their_looks() {
    let cloud = Cloud::sqlite();
    let plus = std::sync::Arc::clone(&cloud.server.app);
    cloud.server.run(async move {
        signin::add_user(&plus, "plus", "a+b@example.org", PASSWORD, Allowed::of(Roles::USER)).await.unwrap();
    });
    let form = |name: &str| format!("grant_type=password&username={name}&password={}", PASSWORD.replace(' ', "+"));
    let object = |name: &str| {
        format!("\n {{\"grant_type\":\"password\",\"username\":\"{name}\",\"password\":\"{PASSWORD}\",\"scope\":7}}")
    };
    let (json_kind, form_kind) = (Some("application/json; charset=utf-8"), Some("application/x-www-form-urlencoded"));
    for (kind, body) in [
        (json_kind, object(ADMIN)),
        (None, object(ADMIN)),
        (Some("text/plain"), object(ADMIN)),
        (form_kind, object(ADMIN)),
        (form_kind, form(ADMIN)),
        (None, form(ADMIN)),
        (Some("text/plain"), form(ADMIN)),
        (form_kind, form("a%2Bb%40example.org")),
        (json_kind, object("a+b@example.org")),
        (json_kind, object("admin@openshelf.local").replace("password\"", "\\u0070assword\"")),
    ] {
        assert_eq!(token(&cloud, kind, body.clone()).await.status, StatusCode::OK, "{kind:?} {body}");
    }
    let realm = r#"{"grant_type":"http:\/\/auth0.com\/oauth\/grant-type\/password-realm","username":"admin","password":"correct horse"}"#;
    assert_eq!(token(&cloud, json_kind, realm).await.status, StatusCode::OK, "with escaped slashes");
    for (kind, body) in [
        (json_kind, form(ADMIN)),
        (json_kind, "[]".to_owned()),
        (None, String::new()),
        (form_kind, "{".to_owned()),
        (None, "grant_type=x".to_owned()),
        (json_kind, object("nu\\u0000l")),
        (None, "x".repeat(70_000)),
    ] {
        let answer = token(&cloud, kind, body.clone()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{kind:?} {body:.60}: {}", answer.text());
        assert!(answer.json()["error"].is_string() && answer.json()["error_description"].is_string());
    }
    // The address of a user with a plus, as a client sends it: as it is.
    let tokens = token(&cloud, None, object("plus")).await.json();
    let owner = Answer::of(
        cloud.guest().request(Method::GET, "/authrouter/userinfo").bearer_auth(text(&tokens["access_token"])),
    )
    .await
    .json();
    for query in ["email=a+b@example.org", "email=a%2Bb%40example.org"] {
        let request = cloud.guest().request(Method::GET, &format!("/authservice/v2/auth0/user?{query}"));
        let found = Answer::of(request.bearer_auth(text(&tokens["access_token"]))).await.json();
        assert_eq!(found["data"][0]["user_id"], owner["sub"], "{query}");
    }
}

both_engines! {
    async fn a_refresh_token_goes_on_whatever_stands_in_the_header_until_its_session_ends(backend: Backend) {
        let cloud = Cloud::new(backend, |_| ());
        let admin = cloud.owner(ADMIN).await;
        let body = json!({"grant_type": "refresh_token", "refresh_token": admin.mycloud_refresh, "client_id": "x", "audience": "mycloud.com"});
        for bearer in [admin.mycloud.as_str(), "an.expired.one", ""] {
            let request = cloud.guest().request(Method::POST, "/authrouter/oauth/token").bearer_auth(bearer).json(&body);
            let renewed = Answer::of(request).await;
            assert_eq!(renewed.status, StatusCode::OK, "{}", renewed.text());
            assert_eq!(renewed.json()["refresh_token"], admin.mycloud_refresh, "clients keep the first one");
            assert_eq!(userinfo(&cloud, &renewed.json()["access_token"]).await, StatusCode::OK);
        }
        for wrong in [&admin.mycloud, "x", &admin.cloudreve_refresh] {
            let answer = token(&cloud, None, json!({"grant_type": "refresh_token", "refresh_token": wrong}).to_string()).await;
            assert_eq!((answer.status, &answer.json()["error"]), (StatusCode::FORBIDDEN, &json!("invalid_grant")));
        }
        // A year after the first sign-in, of one who came back in between.
        let mut old = claims(&admin.mycloud_refresh);
        old["exp"] = json!(1);
        let old = cloud.server.app.keys.jwt(Purpose::Token, &old);
        let answer = token(&cloud, None, json!({"grant_type": "refresh_token", "refresh_token": old}).to_string()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let mut old = claims(&admin.mycloud);
        old["exp"] = json!(1);
        assert_eq!(userinfo(&cloud, &json!(cloud.server.app.signing.jwt(&old))).await, StatusCode::UNAUTHORIZED);
        let session = text(&claims(&admin.mycloud)["sid"]);
        let ends_ms = async || {
            let id = session.clone();
            let found = cloud.server.app.db.read(move |tx| accounts::session(tx, &id)).await.unwrap();
            found.unwrap().0.expires_ms
        };
        let id = session.clone();
        let soon = openshelf::now_ms() + 60_000;
        cloud.server.app.db.write(move |tx| accounts::renew_session(tx, &id, 1, soon)).await.unwrap();
        assert_eq!(ends_ms().await, soon);
        assert_eq!(token(&cloud, None, body.to_string()).await.status, StatusCode::OK);
        assert!(ends_ms().await > soon + 86_400_000, "whoever comes back stays signed in");

        let (app, id) = (std::sync::Arc::clone(&cloud.server.app), session.clone());
        cloud.server.run(async move { signin::end_session(&app, &id).await.unwrap() });
        assert_eq!(userinfo(&cloud, &json!(admin.mycloud)).await, StatusCode::UNAUTHORIZED);
        let answer = token(&cloud, None, body.to_string()).await;
        assert_eq!((answer.status, &answer.json()["error"]), (StatusCode::FORBIDDEN, &json!("invalid_grant")));
    }
}

#[tokio::test]
async fn a_wrong_password_is_a_403_and_many_of_them_a_429_at_both_calls() {
    for path in ["/authrouter/oauth/token", "/authrouter/oauth/ro"] {
        let cloud = Cloud::sqlite();
        cloud.server.add_user("ann");
        let try_as = async |name: &str, password: &str| {
            let body = json!({"grant_type": "password", "connection": "Username-Password-Authentication", "device": "x", "scope": "openid",
                "username": name, "password": password});
            Answer::of(cloud.guest().request(Method::POST, path).json(&body)).await
        };
        for name in ["ann", "nobody"] {
            let wrong = try_as(name, "wrong horse").await;
            assert_eq!(
                (wrong.status, &wrong.json()["error"]),
                (StatusCode::FORBIDDEN, &json!("invalid_grant")),
                "{path}"
            );
        }
        let mut last = try_as("ann", "wrong horse 0").await;
        for n in 1..30 {
            last = try_as("ann", &format!("wrong horse {n}")).await;
            if last.status == StatusCode::TOO_MANY_REQUESTS {
                break;
            }
        }
        assert_eq!(
            (last.status, &last.json()["error"]),
            (StatusCode::TOO_MANY_REQUESTS, &json!("too_many_attempts")),
            "{path}"
        );
        assert!(last.header("retry-after").parse::<u64>().unwrap() > 0);
        assert_eq!(try_as(ADMIN, PASSWORD).await.status, StatusCode::OK, "others sign in as before");
    }
}

#[tokio::test]
async fn a_user_id_is_understood_with_its_bar_raw_and_encoded_and_is_its_owners_alone() {
    let cloud = Cloud::sqlite();
    cloud.server.add_user("ann");
    let (admin, ann) = (cloud.owner(ADMIN).await, cloud.owner("ann").await);
    let bare = admin.mycloud_id.strip_prefix("auth0|").unwrap();
    let raw = |user: &str| {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(cloud.server.url.strip_prefix("http://").unwrap()).unwrap();
        let head = format!(
            "GET /device/v1/user/{user}?limit=5 HTTP/1.1\r\nHost: localhost\r\nauthorization: bearer {}\r\nconnection: close\r\n\r\n",
            admin.mycloud
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    for user in [format!("auth0|{bare}"), format!("auth0%7C{bare}"), format!("auth0%7c{bare}"), bare.to_owned()] {
        let answer = raw(&user);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(&admin.device_id), "{user}: {answer}");
    }
    assert!(raw(&ann.mycloud_id).starts_with("HTTP/1.1 404"), "whoever else has an account is nobody's business");
}

// The link itself -----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_link_is_a_page_to_browsers_and_the_file_or_an_archive_to_programs() {
    const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    const PAGES: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let cloud = Cloud::sqlite();
    let admin = cloud.owner(ADMIN).await;
    let (album, alone) = (cloud.id("album").await, cloud.id("alone.txt").await);
    let (one, folder, both) = (
        make(&admin, asking(&admin, &[&alone])).await,
        make(&admin, asking(&admin, &[&album])).await,
        make(&admin, asking(&admin, &[&album, &alone])).await,
    );
    let ask = async |share: &Value, query: &str, agent: &str, accept: Option<&str>| {
        let guest = Guest::new(&cloud.server, agent);
        let request = guest.request(Method::GET, &format!("/action/share/{}{query}", text(&share["shareId"])));
        Answer::of(if let Some(accept) = accept { request.header("accept", accept) } else { request }).await
    };
    // Nothing is granted yet: there is nothing for anybody, and no address tells more than another.
    for agent in ["curl/8.5.0", BROWSER] {
        let answer = ask(&one, "?download=1", agent, None).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{agent}");
    }
    for (share, files) in [(&one, vec![&alone]), (&folder, vec![&album]), (&both, vec![&album, &alone])] {
        for file in files {
            assert_eq!(permit(&admin, Method::POST, share, file).await, StatusCode::CREATED);
        }
    }
    for (query, agent, accept) in [
        ("", "curl/8.5.0", Some("*/*")),
        ("", "Wget/1.25.0", Some("*/*")),
        ("", "Wget/1.25.0", None),
        ("?download=1", BROWSER, Some(PAGES)),
        ("", "python-requests/2.32", Some("application/octet-stream")),
        ("", "tool", Some("application/zip, audio/*;q=0.5")),
    ] {
        let answer = ask(&one, query, agent, accept).await;
        assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, "alone"), "{agent} {accept:?}");
        assert!(answer.header("content-disposition").starts_with("attachment"), "{agent} {accept:?}");
        for (share, name) in [(&folder, "one.txt"), (&both, "album/two.txt")] {
            let answer = ask(share, query, agent, accept).await;
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (StatusCode::OK, "application/zip"),
                "{agent} {accept:?}"
            );
            assert!(answer.body.starts_with(b"PK") && contains(&answer.body, name.as_bytes()), "{agent} {accept:?}");
        }
    }
    for (agent, accept) in [
        (BROWSER, Some(PAGES)),
        (BROWSER, None),
        ("python-requests/2.32", Some("*/*")),
        ("WhatsApp/2.23", Some("image/png")),
        ("tool", Some("")),
        ("tool", Some("text/*")),
    ] {
        for share in [&one, &folder, &both] {
            let answer = ask(share, "", agent, accept).await;
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{agent} {accept:?}");
            let page = Guest::new(&cloud.server, agent).get(answer.header("location")).await;
            assert!(page.header("content-type").starts_with("text/html"), "{agent} {accept:?}");
        }
    }
}

// Several devices -----------------------------------------------------------------------------------------------------

both_engines! {
    async fn each_library_is_a_device_of_its_own_where_the_settings_say_so(backend: Backend) {
        let cloud = Cloud::new(backend, |given| given.mycloud_devices = Some(Devices::EachLibrary));
        let attic_folder = TempDir::new().unwrap();
        std::fs::write(attic_folder.path().join("old alone.txt"), "old").unwrap();
        let attic = cloud.server.add_library("attic", attic_folder.path());
        cloud.server.add_user("ann");
        let (admin, ann) = (cloud.owner(ADMIN).await, cloud.owner("ann").await);
        let (album, alone) = (cloud.id("album").await, cloud.id("alone.txt").await);
        let old = item(&cloud.server, &attic, "old alone.txt").await.id;

        let devices = async |owner: &Owner| {
            let listed = owner.mycloud(Method::GET, &format!("/device/v1/user/{}", owner.mycloud_id.replace('|', "%7C")), None).await.json();
            let all = listed["data"].as_array().unwrap().iter();
            all.map(|device| (text(&device["name"]), text(&device["deviceId"]))).collect::<Vec<_>>()
        };
        let admins = devices(&admin).await;
        let (home, shelf, attic) = match admins.as_slice() {
            [(_, home), (one, shelf), (two, attic)] if one == "shelf" && two == "attic" => (home.clone(), shelf.clone(), attic.clone()),
            other => panic!("{other:?}"),
        };
        assert_eq!(admins, devices(&admin).await, "ids stay");
        assert!([&home, &shelf, &attic].iter().all(|id| id.len() == 36));
        assert_eq!(devices(&ann).await[1..], admins[1..], "the same libraries by the same ids");
        assert_ne!(devices(&ann).await[0].1, home, "her own home");
        for (owner, id, status) in [(&admin, &home, 200), (&ann, &home, 404), (&ann, &shelf, 200), (&ann, &"0c7e6a3e-9a5b-4b55-8a9f-6a2d9f0f1e01".to_owned(), 404)] {
            let answer = owner.mycloud(Method::GET, &format!("/device/v1/device/{id}"), None).await;
            assert_eq!(answer.status.as_u16(), status, "{id}");
            if status == 200 {
                let network = &answer.json()["data"]["network"];
                assert_eq!(network["proxyURL"], format!("{}/{id}", cloud.server.url));
            }
        }

        // A library's root is the device's, and nothing beside it is there.
        let ask = async |device: &str, path: &str| admin.mycloud(Method::GET, &format!("/{device}/sdk/{path}"), None).await;
        let names = async |device: &str| {
            let listed = ask(device, "v2/filesSearch/parents?ids=root&limit=100&pageToken=").await.json();
            let all: Vec<_> = listed["files"].as_array().unwrap().iter().map(|file| (text(&file["name"]), text(&file["parentID"]))).collect();
            all
        };
        let in_root = |name: &str| (name.to_owned(), "root".to_owned());
        assert_eq!(names(&shelf).await, [in_root("album"), in_root("alone.txt")]);
        assert_eq!(names(&attic).await, [in_root("old alone.txt")]);
        assert_eq!(names(&home).await, []);
        let root = ask(&shelf, "v2/files/root").await.json();
        assert_eq!((&root["id"], &root["childCount"]), (&json!("root"), &json!(2)));
        assert_eq!(ask(&shelf, &format!("v2/files/{alone}")).await.json()["parentID"], "root");
        for (device, id, status) in [(&shelf, &alone, 200), (&shelf, &old, 404), (&attic, &old, 200), (&attic, &alone, 404), (&home, &alone, 404)] {
            for path in [format!("v2/files/{id}"), format!("v3/files/{id}/content"), format!("v1/filesZip?ids={id}")] {
                assert_eq!(ask(device, &path).await.status.as_u16(), status, "{path} of {device}");
            }
        }
        let inside = format!("v2/filesSearch/parents?ids={album}");
        assert_eq!((ask(&shelf, &inside).await.status, ask(&attic, &inside).await.status), (StatusCode::OK, StatusCode::NOT_FOUND));
        assert_eq!(ask(&attic, &format!("v2/files/{alone}/content")).await.status, StatusCode::NOT_FOUND);
        assert_eq!(ask(&shelf, &format!("v2/files/{alone}/content")).await.text(), "alone");
        assert_eq!(ask(&attic, &format!("v2/files/{alone}/content")).await.status, StatusCode::NOT_FOUND, "nor after it was read elsewhere");
        let found = ask(&attic, "v2/filesSearch/text?q=alone").await.json();
        assert_eq!(found["matches"].as_array().unwrap().len(), 1, "{found}");
        assert_eq!(ask(&shelf, "v1/device").await.json()["name"], "shelf");

        // What is made at a device lies in its library.
        let send = async |device: &str, name: &str| {
            let body = format!("--x\n\n{{\"name\":\"{name}\"}}\n--x\n\nnew\n--x--");
            let request = cloud.guest().request(Method::POST, &format!("/{device}/sdk/v2/files")).bearer_auth(&admin.mycloud);
            Answer::of(request.header("content-type", "multipart/related; boundary=x").body(body)).await.status
        };
        assert_eq!(send(&home, "new.txt").await, StatusCode::CREATED);
        assert_eq!(names(&home).await, [in_root("new.txt")]);
        assert_eq!(send(&shelf, "new.txt").await, StatusCode::FORBIDDEN, "that library is read-only");
        for (device, name, status) in [(&shelf, "album", 200), (&attic, "album", 404), (&home, "new.txt", 200), (&shelf, "new.txt", 404), (&home, "shelf", 404)] {
            let found = ask(device, &format!("v2/filesSearch/parentAndName?name={name}")).await;
            assert_eq!(found.status.as_u16(), status, "{name} of {device}");
        }

        // Without a device's id, and by that of the server as a whole, all is there as it is with one device.
        let server = cloud.server.app.db.read(|tx| settings::get(tx, "mycloud-device")).await.unwrap().unwrap();
        for path in [format!("/sdk/v2/files/{old}"), format!("/{server}/sdk/v2/files/{alone}")] {
            assert_eq!(admin.mycloud(Method::GET, &path, None).await.status, StatusCode::OK, "{path}");
        }
    }

    async fn a_share_is_of_the_device_on_which_its_files_lie(backend: Backend) {
        let cloud = Cloud::new(backend, |given| given.mycloud_devices = Some(Devices::EachLibrary));
        let attic_folder = TempDir::new().unwrap();
        std::fs::write(attic_folder.path().join("old.txt"), "old").unwrap();
        let attic = cloud.server.add_library("attic", attic_folder.path());
        let admin = cloud.owner(ADMIN).await;
        let (alone, old) = (cloud.id("alone.txt").await, item(&cloud.server, &attic, "old.txt").await.id);
        let listed = admin.mycloud(Method::GET, &format!("/device/v1/user/{}", admin.mycloud_id.replace('|', "%7C")), None).await.json();
        let id_of = |name: &str| {
            let found = listed["data"].as_array().unwrap().iter().find(|device| device["name"] == name);
            text(&found.unwrap()["deviceId"])
        };
        let (shelf, attic) = (id_of("shelf"), id_of("attic"));
        let on = |device: &str, files: &[&str]| with(asking(&admin, files), "deviceId", json!(device));
        for files in [vec![old.as_str()], vec![alone.as_str(), old.as_str()]] {
            let answer = admin.mycloud(Method::POST, "/v1/shares", Some(on(&shelf, &files))).await;
            refused(&answer, 400, "GENERAL_INVALID_PARAMETER_LIST", "400 Bad Request Required parameter fileIds is not valid");
        }
        let share = make(&admin, on(&shelf, &[&alone])).await;
        assert_eq!(share["deviceId"], shelf);
        assert_eq!(permit(&admin, Method::POST, &share, &alone).await, StatusCode::CREATED);
        let data = open(&cloud, &share, None).await.json()["data"].clone();
        assert_eq!((&data["deviceId"], &data["device"]["deviceId"], &data["device"]["name"]), (&json!(shelf), &json!(shelf), &json!("Openshelf")));
        assert_eq!(data["device"]["network"]["proxyURL"], format!("{}/{shelf}", cloud.server.url));
        let token = text(&data["shareToken"]);
        assert_eq!(claims(&token)["customClaims"]["deviceId"], shelf);
        let at = async |device: &str| {
            let request = cloud.guest().request(Method::GET, &format!("/{device}/sdk/v2/files/{alone}/content"));
            Answer::of(request.bearer_auth(&token)).await.status
        };
        assert_eq!((at(&shelf).await, at(&attic).await), (StatusCode::OK, StatusCode::UNAUTHORIZED));
        let count = async |device: &str| {
            let page = admin.mycloud(Method::GET, &format!("/v1/shares?deviceId={device}"), None).await.json();
            page["data"].as_array().unwrap().len()
        };
        assert_eq!((count(&shelf).await, count(&attic).await), (1, 0));
        // Moved to another library's files, it is of that one.
        let patched = admin.mycloud(Method::PATCH, &path_of(&share), Some(json!({"fileIds": [old]}))).await;
        assert_eq!(patched.json()["data"]["deviceId"], attic);
        assert_ne!(at(&shelf).await, StatusCode::OK);
    }
}
