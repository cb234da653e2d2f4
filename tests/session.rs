//! Signing in to the Cloudreve door in every way that there is, and what users set for themselves there.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openshelf::account::oauth::{Client as OauthClient, Secret};
use openshelf::account::permit::Permits;
use openshelf::account::site::{Captchas, Site};
use openshelf::account::slip::{self, Errand};
use openshelf::account::token::sha256;
use openshelf::account::{User, UserState};
use openshelf::dialect::cloudreve::FACE;
use openshelf::http::Access;
use openshelf::now_ms;
use openshelf::store::{Tx, oauth, site};
use openshelf::work::signin;
use openshelf::work::users::{self, UserWish};
use reqwest::{Client, Method, Response};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use totp_rs::{Builder, Secret as TotpSecret};

use crate::both_engines;
use crate::engines::Backend;
use crate::server::{ADMIN, ADMIN_MAIL, PASSWORD, PATIENCE, Server};
use crate::world::claims_of;

const DESKTOP: &str = "393a1839-f52e-498e-9972-e77cc2241eee";
const DESKTOP_SECRET: &str = "8GaQIu3lOSdqYoDHi9cR8IZ4pvuMH8ya";
const IOS: &str = "220db97a-44a3-44f7-99b6-d767262b4daa";
const IOS_SECRET: &str = "1kxOW4IyVOkPlsKCnTwzfHyP8XrbpfaF";
const DESKTOP_SCOPE: &str =
    "profile email openid offline_access UserInfo.Write Workflow.Write Files.Write Shares.Write";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

struct Place {
    server: Server,
    client: Client,
}

/// One who calls, by a token or without.
#[derive(Clone)]
struct As(Option<String>);

const GUEST: As = As(None);

impl Place {
    fn new(backend: &Backend) -> Place {
        Place::with(Server::start(backend))
    }

    fn with(server: Server) -> Place {
        let client = server.client();
        Place { server, client }
    }

    async fn raw(&self, who: &As, method: Method, path: &str, body: Option<Value>) -> Response {
        let mut request = self.client.request(method, format!("{}/api/v4{path}", self.server.url));
        if let Some(token) = &who.0 {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    async fn call(&self, who: &As, method: Method, path: &str, body: Value) -> Value {
        envelope(self.raw(who, method, path, Some(body)).await).await
    }

    async fn get(&self, who: &As, path: &str) -> Value {
        envelope(self.raw(who, Method::GET, path, None).await).await
    }

    async fn sign_in(&self, name: &str, password: &str) -> Value {
        self.call(&GUEST, Method::POST, "/session/token", json!({"email": name, "password": password})).await
    }

    async fn user(&self, name: &str) -> As {
        As(Some(text(&data(self.sign_in(name, PASSWORD).await)["token"]["access_token"])))
    }

    /// The code of a user's consent to what the desktop client asks for, with changes.
    async fn consent(&self, who: &As, changes: Value) -> Value {
        let mut body = json!({
            "client_id": DESKTOP, "response_type": "code", "redirect_uri": "/callback/desktop", "state": "s",
            "scope": DESKTOP_SCOPE, "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        });
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.call(who, Method::POST, "/session/oauth/consent", body).await
    }

    async fn code(&self, who: &As, scope: &str) -> String {
        text(&data(self.consent(who, json!({"scope": scope})).await)["code"])
    }

    async fn token_form(&self, fields: &[(&str, &str)]) -> (u16, Value) {
        let url = format!("{}/api/v4/session/oauth/token", self.server.url);
        let answer = self.client.post(url).form(fields).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn exchange(&self, code: &str) -> (u16, Value) {
        self.token_form(&[
            ("grant_type", "authorization_code"),
            ("client_id", DESKTOP),
            ("client_secret", DESKTOP_SECRET),
            ("code", code),
            ("redirect_uri", "/callback/desktop"),
            ("code_verifier", VERIFIER),
        ])
        .await
    }

    /// An app with these permits in the user's name.
    async fn app(&self, who: &As, scope: &str) -> As {
        let (status, token) = self.exchange(&self.code(who, scope).await).await;
        assert_eq!(status, 200, "{token}");
        As(Some(text(&token["access_token"])))
    }

    async fn page(&self, path: &str, cookie: Option<&str>) -> Response {
        let mut request = self.client.get(format!("{}{path}", self.server.url));
        if let Some(cookie) = cookie {
            request = request.header("cookie", format!("openshelf-session={cookie}"));
        }
        request.send().await.unwrap()
    }

    async fn post_page(&self, path: &str, cookie: Option<&str>, fields: &[(&str, &str)]) -> Response {
        let mut request = self.client.post(format!("{}{path}", self.server.url)).form(fields);
        if let Some(cookie) = cookie {
            request = request.header("cookie", format!("openshelf-session={cookie}"));
        }
        request.send().await.unwrap()
    }

    async fn set_site(&self, site: Site) {
        self.server.app.db.write(move |tx| site::set(tx, &site)).await.unwrap();
    }
}

async fn envelope(response: Response) -> Value {
    assert_eq!(response.status(), 200, "clients take any other status for a broken connection");
    response.json().await.unwrap()
}

fn data(envelope: Value) -> Value {
    assert_eq!(envelope["code"], 0, "{envelope}");
    envelope["data"].clone()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn location(response: &Response) -> String {
    response.headers()["location"].to_str().unwrap().to_owned()
}

fn cookie(response: &Response) -> String {
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    cookie.strip_prefix("openshelf-session=").unwrap().split(';').next().unwrap().to_owned()
}

fn parameter(address: &str, name: &str) -> Option<String> {
    let query = address.split_once('?')?.1;
    let pair = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")))?;
    Some(percent_encoding::percent_decode_str(pair).decode_utf8().unwrap().into_owned())
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn names(listed: &Value) -> Vec<String> {
    listed["files"].as_array().unwrap().iter().map(|file| text(&file["name"])).collect()
}

// Apps that are let in ------------------------------------------------------------------------------------------------

both_engines! {
    async fn the_desktop_client_is_let_in_by_a_page_and_syncs(backend: Backend) {
        let site = Place::new(&backend);
        // The browser that the client opens.
        let asked = format!(
            "/session/authorize?response_type=code&client_id={DESKTOP}&scope={}&redirect_uri=%2Fcallback%2Fdesktop&\
             code_challenge={CHALLENGE}&code_challenge_method=S256&state=st%26te",
            encoded(DESKTOP_SCOPE)
        );
        let led = location(&site.page(&asked, None).await);
        assert!(led.starts_with("/app/authorize?"), "{led}");
        let to_sign_in = location(&site.page(&led, None).await);
        let next = parameter(&to_sign_in, "next").unwrap();
        let signed_in =
            site.post_page("/app/sign-in", None, &[("user", ADMIN), ("password", PASSWORD), ("next", &next)]).await;
        let session = cookie(&signed_in);
        assert_eq!(location(&signed_in), next);
        let page = site.page(&next, Some(&session)).await;
        let csp = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(csp.contains("frame-ancestors 'none'") && csp.contains("default-src 'none'"), "{csp}");
        let html = page.text().await.unwrap();
        assert!(html.contains("Cloudreve Desktop") && html.contains("see, change and delete your files"), "{html}");
        assert!(!html.contains("administer"));
        let fields = [
            ("client_id", DESKTOP),
            ("response_type", "code"),
            ("redirect_uri", "/callback/desktop"),
            ("scope", DESKTOP_SCOPE),
            ("state", "st&te"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("answer", "allow"),
        ];
        assert!(fields[..7].iter().all(|(name, _)| html.contains(&format!("name=\"{name}\""))));
        let allowed = site.post_page("/app/authorize", Some(&session), &fields).await;
        let callback = location(&allowed);
        assert_eq!(parameter(&callback, "state").unwrap(), "st&te");
        let html = site.page(&callback, Some(&session)).await.text().await.unwrap();
        let link = html.split("href=\"cloudreve://mount?").nth(1).expect("a link to the app").split('"').next().unwrap();
        let link = format!("?{}", link.replace("&#38;", "&").replace("&amp;", "&"));
        assert_eq!(parameter(&link, "path").unwrap(), "cloudreve://my");
        assert_eq!(parameter(&link, "code"), parameter(&callback, "code"));

        // The client.
        let (status, token) = site.exchange(&parameter(&link, "code").unwrap()).await;
        assert_eq!((status, &token["token_type"]), (200, &json!("Bearer")));
        assert!(token["expires_in"].as_i64().unwrap() > 600 && token["refresh_token_expires_in"].as_i64().unwrap() > 600);
        let app = As(Some(text(&token["access_token"])));
        let claims = claims_of(app.0.as_ref().unwrap());
        assert_eq!(claims["client_id"], DESKTOP);
        assert_eq!(claims["scopes"].as_array().unwrap().len(), 8, "{claims}");
        assert_eq!(claims["sub"], parameter(&link, "user_id").unwrap());
        let ping = data(site.get(&app, "/site/ping").await);
        let numbers: Vec<u32> = text(&ping).split('.').map(|number| number.parse().expect("plain semver")).collect();
        assert!(numbers.len() == 3 && numbers[0] == 4, "{ping}");
        assert!(data(site.get(&app, "/user/capacity").await)["total"].is_u64());
        assert_eq!(data(site.get(&app, "/user/me").await)["email"], ADMIN_MAIL);
        let my = encoded("cloudreve://my");
        assert_eq!(names(&data(site.get(&app, &format!("/file?uri={my}&page_size=100")).await)), [""; 0]);
        let made = json!({"uri": "cloudreve://my/docs", "type": "folder", "err_on_conflict": true});
        data(site.call(&app, Method::POST, "/file/create", made).await);
        let wish = json!({"uri": "cloudreve://my/docs/a.txt", "size": 5, "last_modified": 1_700_000_000_000_i64});
        let begun = data(site.call(&app, Method::PUT, "/file/upload", wish).await);
        let chunk = format!("{}/api/v4/file/upload/{}/0", site.server.url, text(&begun["session_id"]));
        let sent = site.client.post(chunk).bearer_auth(app.0.as_ref().unwrap()).body("12345").send().await.unwrap();
        assert_eq!(envelope(sent).await["code"], 0);
        let info = format!("/file/info?uri={}", encoded("cloudreve://my/docs/a.txt"));
        assert_eq!(data(site.get(&app, &info).await)["size"], 5);
        let renamed = json!({"uri": "cloudreve://my/docs/a.txt", "new_name": "b.txt"});
        data(site.call(&app, Method::POST, "/file/rename", renamed).await);
        let moved = json!({"uris": ["cloudreve://my/docs/b.txt"], "dst": "cloudreve://my", "copy": false});
        assert_eq!(site.call(&app, Method::POST, "/file/move", moved).await["code"], 0);
        let url = json!({"uris": ["cloudreve://my/b.txt"]});
        let url = text(&data(site.call(&app, Method::POST, "/file/url", url).await)["urls"][0]["url"]);
        assert_eq!(site.client.get(url).send().await.unwrap().text().await.unwrap(), "12345");
        let gone = json!({"uris": ["cloudreve://my/b.txt", "cloudreve://my/docs"]});
        assert_eq!(site.call(&app, Method::DELETE, "/file", gone).await["code"], 0);

        // It renews its tokens as everybody does, and as OAuth has it; a token that comes back ends the session.
        let first = text(&token["refresh_token"]);
        let renewed =
            data(site.call(&GUEST, Method::POST, "/session/token/refresh", json!({"refresh_token": first})).await);
        assert_eq!(claims_of(&text(&renewed["access_token"]))["scopes"], claims["scopes"]);
        let second = text(&renewed["refresh_token"]);
        let (status, third) = site.token_form(&[
            ("grant_type", "refresh_token"), ("client_id", DESKTOP), ("client_secret", DESKTOP_SECRET),
            ("refresh_token", &second),
        ]).await;
        assert_eq!(status, 200, "{third}");
        let app = As(Some(text(&third["access_token"])));
        assert_eq!(site.get(&app, "/user/me").await["code"], 0);
        let stolen = site.call(&GUEST, Method::POST, "/session/token/refresh", json!({"refresh_token": second})).await;
        assert_eq!(stolen["code"], 40020);
        assert_eq!(site.get(&app, "/user/me").await["code"], 401);
    }

    async fn the_phone_client_is_let_in_by_its_own_page_and_lists(backend: Backend) {
        let site = Place::new(&backend);
        let admin = site.user(ADMIN).await;
        let changes = json!({"client_id": IOS, "redirect_uri": "/callback/ios", "state": "st&te"});
        let asked_for = data(site.get(&admin, &format!("/session/oauth/app/{IOS}")).await);
        assert_eq!(asked_for["name"], "Cloudreve for iOS", "{asked_for}");
        let code = text(&data(site.consent(&admin, changes).await)["code"]);
        // The browser follows to the page, which hands the code on to the app, whoever is signed in there.
        let callback = format!("/callback/ios?code={}&state=st%26te", encoded(&code));
        let page = site.page(&callback, None).await;
        assert_eq!(page.status(), 200);
        assert_eq!(page.headers()["referrer-policy"], "no-referrer", "its address holds the code");
        let html = page.text().await.unwrap();
        let link = html.split("href=\"cloudreve://").nth(1).expect("a link to the app").split('"').next().unwrap();
        let link = link.replace("&#38;", "&").replace("&amp;", "&");
        assert_eq!((parameter(&link, "code").unwrap(), parameter(&link, "state").unwrap()), (code.clone(), "st&te".to_owned()), "{link}");
        let form = |secret: &'static str, redirect: &'static str, code: &str| {
            [("grant_type", "authorization_code"), ("client_id", IOS), ("client_secret", secret), ("code", code),
                ("redirect_uri", redirect), ("code_verifier", VERIFIER)].map(|(name, value)| (name, value.to_owned()))
        };
        let exchange = async |form: [(&'static str, String); 6]| {
            site.token_form(&form.each_ref().map(|(name, value)| (*name, value.as_str()))).await
        };
        let (status, token) = exchange(form(IOS_SECRET, "/callback/ios", &code)).await;
        assert_eq!(status, 200, "{token}");
        let app = As(Some(text(&token["access_token"])));
        assert_eq!(claims_of(app.0.as_ref().unwrap())["client_id"], IOS);
        assert_eq!(names(&data(site.get(&app, &format!("/file?uri={}", encoded("cloudreve://my"))).await)), [""; 0]);
        for (secret, redirect) in [(DESKTOP_SECRET, "/callback/ios"), (IOS_SECRET, "/callback/desktop")] {
            let code = text(&data(site.consent(&admin, json!({"client_id": IOS, "redirect_uri": "/callback/ios"})).await)["code"]);
            assert_eq!(exchange(form(secret, redirect, &code)).await.0, 400, "{redirect}");
        }
        let foreign = site.consent(&admin, json!({"client_id": IOS, "redirect_uri": "/callback/desktop"})).await;
        assert_eq!(foreign["code"], 40001, "each client has its own page");
    }

    async fn the_desktop_client_listens_keeps_versions_and_restores(backend: Backend) {
        let site = Place::new(&backend);
        let app = site.app(&site.user(ADMIN).await, DESKTOP_SCOPE).await;
        let call = async |method: Method, path: &str, body: Value| site.call(&app, method, path, body).await;
        let note = "cloudreve://my/note.txt";
        let token = app.0.clone().unwrap();
        let heard = site.client.get(format!("{}/api/v4/file/events?uri={}", site.server.url, encoded("cloudreve://my")));
        let heard = heard.bearer_auth(&token).header("x-cr-client-id", "6f1a9f1e-7a5e-4d0c-9a55-0f5a0c6c1d2e");
        let mut heard = heard.send().await.unwrap();
        assert_eq!(heard.headers()["content-type"], "text/event-stream");
        let mut said = String::new();
        let mut hear = async |what: &str| while !said.contains(what) {
            let part = tokio::time::timeout(PATIENCE, heard.chunk()).await.expect("it is told");
            said += std::str::from_utf8(&part.unwrap().expect("the stream goes on")).unwrap();
        };
        hear("event: subscribed").await;

        let keeps = json!({"version_retention_enabled": true});
        assert_eq!(call(Method::PATCH, "/user/setting", keeps).await["code"], 0);
        for (content, entity_type, previous) in [("first", Value::Null, ""), ("later", json!("version"), "first")] {
            let info = site.get(&app, &format!("/file/info?uri={}", encoded(note))).await;
            let seen = if previous.is_empty() { json!("") } else { info["data"]["primary_entity"].clone() };
            let wish = json!({"uri": note, "size": 5, "policy_id": "local", "entity_type": entity_type, "previous": seen, "encryption_supported": ["aes-256-ctr"]});
            let begun = data(call(Method::PUT, "/file/upload", wish).await);
            let chunk = format!("{}/api/v4/file/upload/{}/0", site.server.url, text(&begun["session_id"]));
            let sent = site.client.post(chunk).bearer_auth(&token).header("x-cr-purchase-ticket", "none").body(content);
            assert_eq!(envelope(sent.send().await.unwrap()).await["code"], 0);
        }
        hear("note.txt").await;
        let info = async |uri: &str| site.get(&app, &format!("/file/info?extended=true&uri={}", encoded(uri))).await;
        let entities = data(info(note).await)["extended_info"]["entities"].clone();
        let version = json!({"uri": note, "version": entities[1]["id"]});
        assert_eq!(call(Method::POST, "/file/version/current", version).await["code"], 0);
        let urls = data(call(Method::POST, "/file/url", json!({"uris": [note]})).await);
        let content = site.client.get(text(&urls["urls"][0]["url"])).send().await.unwrap();
        assert_eq!(content.text().await.unwrap(), "first");
        let later = json!({"uri": note, "version": data(info(note).await)["extended_info"]["entities"][1]["id"]});
        assert_eq!(call(Method::DELETE, "/file/version", later).await["code"], 0);
        assert_eq!(data(info(note).await)["extended_info"]["entities"].as_array().unwrap().len(), 1);

        let marked = json!({"uris": [note], "patches": [{"key": "customize:emoji", "value": "📁"}]});
        assert_eq!(call(Method::PATCH, "/file/metadata", marked).await["code"], 0);
        assert_eq!(data(info(note).await)["metadata"]["customize:emoji"], "📁");
        let thumb = site.get(&app, &format!("/file/thumb?uri={}", encoded(note))).await;
        assert_eq!(thumb["code"], 40077, "it draws its own picture then");
        let unlocked = call(Method::DELETE, "/file/lock", json!({"tokens": ["urn:uuid:none"]})).await;
        assert_eq!(unlocked["aggregated_error"]["urn:uuid:none"]["code"], 40073);

        assert_eq!(call(Method::DELETE, "/file", json!({"uris": [note]})).await["code"], 0);
        hear(r#""type":"delete""#).await;
        assert_eq!(info(note).await["code"], 40016);
        let trash = data(site.get(&app, &format!("/file?uri={}", encoded("cloudreve://trash"))).await);
        let restored = json!({"uris": [trash["files"][0]["path"]]});
        assert_eq!(call(Method::POST, "/file/restore", restored).await["code"], 0);
        assert_eq!(data(info(note).await)["size"], 5);
        // What it was not let in for it hears of by its own code.
        assert_eq!(site.get(&app, "/devices/dav?page_size=10").await["code"], 40089);
        assert_eq!(site.get(&app, "/admin/summary").await["code"], 40089);
    }

    async fn a_code_is_good_once_and_for_whoever_it_was_made_for(backend: Backend) {
        let site = Place::new(&backend);
        let admin = site.user(ADMIN).await;
        let code = site.code(&admin, "openid").await;
        let form = |changed: &'static str, value: &'static str, code: &str| -> Vec<(&'static str, String)> {
            let all = [
                ("grant_type", "authorization_code"),
                ("client_id", DESKTOP),
                ("client_secret", DESKTOP_SECRET),
                ("code", code),
                ("redirect_uri", "/callback/desktop"),
                ("code_verifier", VERIFIER),
            ];
            all.into_iter().map(|(name, own)| (name, if name == changed { value } else { own }.to_owned())).collect()
        };
        let wrong = [
            ("client_id", IOS),
            ("client_id", "nobody"),
            ("client_secret", "wrong"),
            ("redirect_uri", "/callback/ios"),
            ("code_verifier", "another-verifier-that-is-long-enough-to-be-one-at-all"),
            ("code_verifier", ""),
            ("code", "no.such.code"),
        ];
        for (name, value) in wrong {
            let fresh = site.code(&admin, "openid").await;
            let fields = form(name, value, &fresh);
            let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let (status, refused) = site.token_form(&fields).await;
            assert_eq!((status, &refused["error"]), (400, &json!("invalid_grant")), "{name} {value}: {refused}");
            assert_eq!(refused["error_codes"], json!([40020]));
            // Whoever shows it wrongly has used it up.
            if name != "code" {
                assert_eq!(site.exchange(&fresh).await.0, 400, "{name} {value}");
            }
        }
        let (status, _) = site.exchange(&code).await;
        assert_eq!(status, 200);
        assert_eq!(site.exchange(&code).await.0, 400, "a second time");

        let unknown = site.token_form(&[("grant_type", "password"), ("client_id", "x"), ("client_secret", "x")]).await;
        assert_eq!((unknown.0, &unknown.1["error"]), (400, &json!("unsupported_grant_type")));
        let bare = site.token_form(&[("grant_type", "authorization_code")]).await;
        assert_eq!((bare.0, &bare.1["error"]), (400, &json!("invalid_request")));
        for changes in [
            json!({"redirect_uri": "https://evil.example/callback/desktop"}),
            json!({"redirect_uri": "/callback/desktop?x"}),
            json!({"scope": "openid Admin.Write"}),
            json!({"scope": ""}),
            json!({"response_type": "token"}),
            json!({"code_challenge": ""}),
            json!({"code_challenge_method": "plain"}),
        ] {
            assert_eq!(site.consent(&admin, changes.clone()).await["code"], 40001, "{changes}");
        }
        assert_eq!(site.consent(&admin, json!({"client_id": "nobody"})).await["code"], 404);
        assert_eq!(site.consent(&GUEST, json!({})).await["code"], 401);
    }

    async fn of_many_that_show_one_code_one_gets_tokens(backend: Backend) {
        let site = Place::new(&backend);
        let admin = site.user(ADMIN).await;
        let code = site.code(&admin, "openid").await;
        let all = futures_util::future::join_all((0..20).map(|_| site.exchange(&code))).await;
        assert_eq!(all.iter().filter(|(status, _)| *status == 200).count(), 1);
    }

    async fn an_app_does_what_it_was_let_in_for_and_nothing_else(backend: Backend) {
        let site = Place::new(&backend);
        let admin = site.user(ADMIN).await;
        let known = site.app(&admin, "openid").await;
        let mut tried = 0;
        for route in FACE.routes.iter().filter(|route| route.access == Access::User && route.path.starts_with("/api/v4")) {
            let path = route.path.strip_prefix("/api/v4").unwrap().replace(['{', '}'], "");
            let answer = site.raw(&known, route.methods[0].clone(), &path, Some(json!({}))).await;
            let answer: Value = answer.json().await.unwrap();
            let is_own = route.name == "getSessionOauthUserinfo";
            let expected = if is_own { Value::Null } else { json!(40089) };
            assert_eq!(answer["code"], expected, "{} {}: {answer}", route.methods[0], route.path);
            tried += 1;
        }
        assert!(tried > 40, "only {tried} routes tried");

        let reader = site.app(&admin, "openid Files.Read").await;
        let my = encoded("cloudreve://my");
        assert_eq!(site.get(&reader, &format!("/file?uri={my}")).await["code"], 0);
        let made = json!({"uri": "cloudreve://my/x", "type": "folder"});
        assert_eq!(site.call(&reader, Method::POST, "/file/create", made.clone()).await["code"], 40089);
        assert_eq!(site.call(&reader, Method::PUT, "/share", json!({"uri": "cloudreve://my/x"})).await["code"], 40089);
        assert_eq!(site.get(&reader, "/user/me").await["code"], 40089);
        let writer = site.app(&admin, "openid profile Files.Write UserInfo.Write").await;
        assert_eq!(site.call(&writer, Method::POST, "/file/create", made).await["code"], 0);
        assert_eq!(site.get(&writer, &format!("/file?uri={my}")).await["code"], 0);
        // Settings of how one signs in are more than settings.
        let password = json!({"current_password": PASSWORD, "new_password": "another password"});
        assert_eq!(site.call(&writer, Method::PATCH, "/user/setting", password).await["code"], 40089);
        assert_eq!(site.get(&writer, "/user/setting/2fa").await["code"], 40089);
        // An app lets nobody in, not even itself for more.
        assert_eq!(site.consent(&writer, json!({})).await["code"], 40089);
        // Who signed in themselves has no limit.
        assert_eq!(site.get(&admin, "/user/setting/2fa").await["code"], 0);

        let info = |who: As| {
            let (client, url) = (site.client.clone(), format!("{}/api/v4/session/oauth/userinfo", site.server.url));
            async move { client.get(url).bearer_auth(who.0.unwrap()).send().await.unwrap().json::<Value>().await.unwrap() }
        };
        let told = info(writer).await;
        assert!(told["sub"].is_string() && told["name"] == "admin" && told.get("email").is_none(), "{told}");
        let told = info(reader).await;
        assert!(told["sub"].is_string() && told.get("name").is_none() && told.get("email").is_none(), "{told}");
        // Nothing to stay with was asked for.
        let (_, token) = site.exchange(&site.code(&admin, "openid").await).await;
        assert!(token.get("refresh_token").is_none(), "{token}");
    }

    async fn an_app_that_is_shut_out_is_out_at_once(backend: Backend) {
        let site = Place::new(&backend);
        let admin = site.user(ADMIN).await;
        let registration = format!("/session/oauth/app/{DESKTOP}");
        assert!(data(site.get(&admin, &registration).await).get("consented_scopes").is_none());
        let (_, token) = site.exchange(&site.code(&admin, DESKTOP_SCOPE).await).await;
        let app = As(Some(text(&token["access_token"])));
        let waiting = site.code(&admin, DESKTOP_SCOPE).await;
        assert_eq!(data(site.get(&admin, &registration).await)["consented_scopes"].as_array().unwrap().len(), 8);
        assert!(data(site.get(&GUEST, &registration).await).get("consented_scopes").is_none());
        let setting = data(site.get(&admin, "/user/setting").await);
        assert_eq!(setting["oauth_grants"][0]["client_id"], DESKTOP);
        assert!(setting["oauth_grants"][0]["last_used_at"].is_string());

        let grant = format!("/session/oauth/grant/{DESKTOP}");
        assert_eq!(site.call(&admin, Method::DELETE, &grant, json!({})).await["code"], 0);
        assert_eq!(site.get(&app, "/user/me").await["code"], 401);
        let refresh = json!({"refresh_token": token["refresh_token"]});
        assert_eq!(site.call(&GUEST, Method::POST, "/session/token/refresh", refresh).await["code"], 40020);
        assert_eq!(site.exchange(&waiting).await.0, 400, "a code of before");
        assert_eq!(site.call(&admin, Method::DELETE, &grant, json!({})).await["code"], 404);
        assert_eq!(site.get(&admin, "/user/me").await["code"], 0, "her own session stays");
    }

    async fn an_app_that_an_administrator_registers_gets_in_with_its_own_secret(backend: Backend) {
        let site = Place::new(&backend);
        let own = OauthClient {
            id: "6f9619ff-8b86-4d01-b42d-00cf4fc964ff".to_owned(),
            name: "Own <b>app</b>".to_owned(),
            description: String::new(),
            icon: String::new(),
            homepage: String::new(),
            redirect_uris: vec!["https://app.example/cb?a=1".to_owned()],
            permits: Permits::parse("openid Files.Read").unwrap(),
            secret: Secret::Hash(sha256("its own secret")),
            created_ms: 1,
        };
        let (id, stored) = (own.id.clone(), own.clone());
        site.server.app.db.write(move |tx| oauth::put_client(tx, &stored)).await.unwrap();
        assert_eq!(site.server.app.db.read(oauth::clients).await.unwrap().len(), 3);
        let admin = site.user(ADMIN).await;
        let asks = json!({
            "client_id": id, "redirect_uri": "https://app.example/cb?a=1", "scope": "openid Files.Read",
            "code_challenge": "", "code_challenge_method": "",
        });
        let code = text(&data(site.consent(&admin, asks.clone()).await)["code"]);
        let form = |secret: &'static str, code: String| vec![
            ("grant_type", "authorization_code".to_owned()), ("client_id", id.clone()),
            ("client_secret", secret.to_owned()), ("code", code),
        ];
        let send = |form: Vec<(&'static str, String)>| {
            let url = format!("{}/api/v4/session/oauth/token", site.server.url);
            let client = site.client.clone();
            async move { client.post(url).form(&form).send().await.unwrap().status().as_u16() }
        };
        assert_eq!(send(form(DESKTOP_SECRET, code)).await, 400);
        let code = text(&data(site.consent(&admin, asks).await)["code"]);
        assert_eq!(send(form("its own secret", code)).await, 200);

        let session = cookie(&site.post_page("/app/sign-in", None, &[("user", ADMIN), ("password", PASSWORD)]).await);
        let asked = format!("/app/authorize?response_type=code&client_id={id}&scope=openid&redirect_uri={}",
            encoded("https://app.example/cb?a=1"));
        let page = site.page(&asked, Some(&session)).await;
        let csp = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(csp.contains("form-action 'self' https://app.example;"), "{csp}");
        assert!(!page.text().await.unwrap().contains("<b>app"));
        let fields = [("client_id", id.as_str()), ("response_type", "code"), ("scope", "openid"),
            ("redirect_uri", "https://app.example/cb?a=1"), ("state", "x y"), ("answer", "deny")];
        let denied = location(&site.post_page("/app/authorize", Some(&session), &fields).await);
        assert_eq!(denied, "https://app.example/cb?a=1&error=access_denied&state=x%20y");
        site.server.app.db.write(move |tx| oauth::remove_client(tx, &id)).await.unwrap();
    }

    async fn the_page_that_asks_leads_nowhere_that_nobody_registered(backend: Backend) {
        let site = Place::new(&backend);
        let session = cookie(&site.post_page("/app/sign-in", None, &[("user", ADMIN), ("password", PASSWORD)]).await);
        let good = [("client_id", DESKTOP), ("response_type", "code"), ("redirect_uri", "/callback/desktop"),
            ("scope", "openid"), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
        for (name, value) in [
            ("redirect_uri", "https://evil.example/"), ("redirect_uri", "//evil.example"), ("redirect_uri", "javascript:alert(1)"),
            ("client_id", "nobody"), ("scope", "openid root"), ("code_challenge", ""), ("response_type", "token"),
        ] {
            let mut fields: Vec<(&str, &str)> =
                good.iter().map(|(own, old)| (*own, if *own == name { value } else { old })).collect();
            let query: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
            let page = site.page(&format!("/app/authorize?{}", query.join("&")), Some(&session)).await;
            assert!(page.status().is_client_error(), "{name}={value}: {}", page.status());
            for answer in ["allow", "deny"] {
                fields.push(("answer", answer));
                let posted = site.post_page("/app/authorize", Some(&session), &fields).await;
                assert!(posted.status().is_client_error() && !posted.headers().contains_key("location"), "{name}={value}");
                fields.pop();
            }
        }
        let mut fields = good.to_vec();
        fields.push(("answer", "allow"));
        let foreign = site.client.post(format!("{}/app/authorize", site.server.url)).form(&fields)
            .header("cookie", format!("openshelf-session={session}")).header("origin", "https://evil.example");
        assert_eq!(foreign.send().await.unwrap().status(), 403);
        assert_eq!(location(&site.post_page("/app/authorize", None, &fields).await).split('?').next().unwrap(), "/app/sign-in");
    }
}

// A driver that mounts the drive --------------------------------------------------------------------------------------

both_engines! {
    async fn a_driver_as_openlists_signs_in_lists_uploads_and_deletes(backend: Backend) {
        let site = Place::new(&backend);
        let config = data(site.get(&GUEST, "/site/config/login").await);
        assert_eq!(config["login_captcha"], false);
        let prepared = data(site.get(&GUEST, &format!("/session/prepare?email={}", encoded(ADMIN_MAIL))).await);
        assert_eq!((&prepared["webauthn_enabled"], &prepared["password_enabled"]), (&json!(false), &json!(true)));
        let signed = data(site.sign_in(ADMIN_MAIL, PASSWORD).await);
        let token = text(&signed["token"]["access_token"]);
        assert_eq!(token.split('.').count(), 3);
        assert!(claims_of(&token)["exp"].as_i64().unwrap() > now_ms() / 1000 + 600);
        assert!(claims_of(&token).get("scopes").is_none(), "a session of one's own has no limit");
        let me = As(Some(token));
        for number in 0..120 {
            let uri = format!("cloudreve://my/f{number:03}");
            let made = json!({"uri": uri, "type": "folder", "error_on_conflict": true});
            assert_eq!(site.call(&me, Method::POST, "/file/create", made).await["code"], 0);
        }
        // The driver stops at a page that is not full, whatever token comes with it.
        let (mut seen, mut next) = (Vec::new(), String::new());
        loop {
            let path = format!("/file?uri={}&page=0&page_size=100&order_by=name&order_direction=asc&next_page_token={next}",
                encoded("cloudreve://my"));
            let page = data(site.get(&me, &path).await);
            seen.extend(names(&page));
            let count = page["files"].as_array().unwrap().len();
            match page["pagination"]["next_token"].as_str() {
                Some(token) if count == 100 => next = token.to_owned(),
                _ => break,
            }
        }
        assert_eq!(seen.len(), 120);
        let wish = json!({"uri": "cloudreve://my/up.bin", "size": 6, "policy_id": "local", "last_modified": 0,
            "mime_type": "application/octet-stream"});
        let begun = data(site.call(&me, Method::PUT, "/file/upload", wish).await);
        assert!(begun["chunk_size"].as_u64().unwrap() > 0);
        let chunk = format!("{}/api/v4/file/upload/{}/0", site.server.url, text(&begun["session_id"]));
        let sent = site.client.post(chunk).bearer_auth(me.0.as_ref().unwrap()).body("abcdef").send().await.unwrap();
        assert_eq!(envelope(sent).await["code"], 0);
        let urls = json!({"uris": ["cloudreve://my/up.bin"], "download": true});
        let urls = data(site.call(&me, Method::POST, "/file/url", urls).await);
        assert!(text(&urls["expires"]).contains('T'));
        let part = site.client.get(text(&urls["urls"][0]["url"])).header("range", "bytes=2-3").bearer_auth(me.0.as_ref().unwrap());
        assert_eq!(part.send().await.unwrap().text().await.unwrap(), "cd");
        let gone = json!({"uris": ["cloudreve://my/up.bin"], "unlink": false, "skip_soft_delete": true});
        assert_eq!(site.call(&me, Method::DELETE, "/file", gone).await["code"], 0);
        let trash = data(site.get(&me, &format!("/file?uri={}", encoded("cloudreve://trash"))).await);
        assert_eq!(names(&trash), [""; 0]);
        let refresh = json!({"refresh_token": signed["token"]["refresh_token"]});
        let renewed = data(site.call(&GUEST, Method::POST, "/session/token/refresh", refresh).await);
        assert_eq!(site.get(&As(Some(text(&renewed["access_token"]))), "/user/me").await["code"], 0);
    }
}

// A second factor -----------------------------------------------------------------------------------------------------

/// An app on a phone, which shows each code once.
struct Phone {
    secret: String,
    last_step: u64,
}

fn step_of_now() -> u64 {
    u64::try_from(now_ms()).unwrap() / 30_000
}

impl Phone {
    fn code(&mut self) -> String {
        let now = step_of_now();
        self.last_step = (self.last_step + 1).max(now - 1);
        assert!(self.last_step <= now + 1, "more codes than there are");
        self.shown()
    }

    /// The code of before.
    fn shown(&self) -> String {
        let secret = TotpSecret::try_from_base32(&self.secret).unwrap();
        Builder::new().with_secret(secret).build().unwrap().generate(self.last_step * 30).to_string()
    }
}

impl Place {
    async fn with_second_factor(&self, who: &As) -> Phone {
        let secret = text(&data(self.get(who, "/user/setting/2fa").await));
        let mut phone = Phone { secret, last_step: 0 };
        let wrong = json!({"two_fa_enabled": true, "two_fa_code": "000000"});
        assert_eq!(self.call(who, Method::PATCH, "/user/setting", wrong).await["code"], 40022);
        assert_eq!(data(self.get(who, "/user/setting").await)["two_fa_enabled"], false);
        // The oldest of the three codes that count, so that two are left to show. It may grow too old on its way.
        loop {
            let right = json!({"two_fa_enabled": true, "two_fa_code": phone.code()});
            let answer = self.call(who, Method::PATCH, "/user/setting", right).await;
            if answer["code"] == 0 {
                break;
            }
            assert!(phone.last_step + 1 < step_of_now(), "{answer}");
        }
        assert_eq!(data(self.get(who, "/user/setting").await)["two_fa_enabled"], true);
        phone
    }

    async fn second_step(&self, step: &str, code: &str) -> Value {
        self.call(&GUEST, Method::POST, "/session/token/2fa", json!({"otp": code, "session_id": step})).await
    }
}

both_engines! {
    async fn whoever_has_a_second_factor_shows_a_code_of_it_once(backend: Backend) {
        let site = Place::new(&backend);
        let admin = site.user(ADMIN).await;
        let mut phone = site.with_second_factor(&admin).await;
        assert_eq!(site.get(&admin, "/user/setting/2fa").await["code"], 403, "no new secret while one is on");

        assert_eq!(site.sign_in(ADMIN, "wrong").await["code"], 40080);
        let first = site.sign_in(ADMIN, PASSWORD).await;
        assert_eq!(first["code"], 203, "{first}");
        let step = text(&first["data"]);
        assert_eq!(site.second_step(&step, &phone.shown()).await["code"], 40022, "the code that turned it on");
        assert_eq!(site.second_step("no.such.step", &phone.shown()).await["code"], 40023);
        let code = phone.code();
        let done = site.second_step(&step, &code).await;
        assert!(text(&data(done)["token"]["access_token"]).contains('.'));
        assert_eq!(site.second_step(&step, &code).await["code"], 40022, "the same code again");
        let again = text(&site.sign_in(ADMIN, PASSWORD).await["data"]);
        assert_eq!(site.second_step(&again, &code).await["code"], 40022, "the same code for another sign-in");
        let last = phone.code();
        assert_eq!(site.second_step(&step, &last).await["code"], 40023, "the same first step again");
    }

    async fn of_many_that_show_one_code_of_a_phone_one_comes_in(backend: Backend) {
        let site = Place::new(&backend);
        let mut phone = site.with_second_factor(&site.user(ADMIN).await).await;
        let step = text(&site.sign_in(ADMIN, PASSWORD).await["data"]);
        let code = phone.code();
        let all = futures_util::future::join_all((0..10).map(|_| site.second_step(&step, &code))).await;
        assert_eq!(all.iter().filter(|answer| answer["code"] == 0).count(), 1, "{all:?}");
    }

    async fn a_code_is_tried_no_faster_than_a_password(backend: Backend) {
        let site = Place::new(&backend);
        let mut phone = site.with_second_factor(&site.user(ADMIN).await).await;
        let step = text(&site.sign_in(ADMIN, PASSWORD).await["data"]);
        let codes: Vec<String> = (0..12).map(|n| format!("{n:06}")).collect();
        let began = std::time::Instant::now();
        let tries = futures_util::future::join_all(codes.iter().map(|code| site.second_step(&step, code))).await;
        let count = |code: i64| tries.iter().filter(|answer| answer["code"] == code).count();
        assert_eq!(count(40022) + count(403), codes.len(), "{tries:?}");
        // After five, one waits a second, and each of the next twice as long.
        let judged = u32::try_from(count(40022)).unwrap();
        assert!(judged <= 5 + (began.elapsed().as_secs() + 1).ilog2(), "{tries:?}");
        // As of now: how long all of that took is the machine's affair.
        let sql = "UPDATE throttle SET failures = 20, last_ms = $1 WHERE subject LIKE 'second factor %'";
        let counted = site.server.app.db.write(|tx| tx.run(sql, openshelf::args![now_ms()])).await.unwrap();
        assert_eq!(counted, 1);
        assert_eq!(site.second_step(&step, &phone.code()).await["code"], 403, "the right one waits as well");
    }

    async fn no_door_is_a_way_round_the_second_factor(backend: Backend) {
        let site = Place::new(&backend);
        let admin = site.user(ADMIN).await;
        let subsonic = async |query: String| {
            let url = format!("{}/rest/ping.view?v=1.16.1&c=t&f=json&{query}", site.server.url);
            let answer: Value = site.client.get(url).send().await.unwrap().json().await.unwrap();
            answer["subsonic-response"].clone()
        };
        let md5 = crate::world::subsonic_token(PASSWORD, "salt1");
        let by_password = format!("u=admin&p={}", encoded(PASSWORD));
        let by_token = format!("u=admin&t={md5}&s=salt1");
        assert_eq!(subsonic(by_password.clone()).await["status"], "ok");
        assert_eq!(subsonic(by_token.clone()).await["status"], "ok");

        let mut phone = site.with_second_factor(&admin).await;
        for query in [by_password, by_token] {
            let refused = subsonic(query.clone()).await;
            assert_eq!((&refused["status"], &refused["error"]["code"]), (&json!("failed"), &json!(50)), "{query}: {refused}");
            assert!(text(&refused["error"]["message"]).contains("API key"), "{refused}");
        }
        let mycloud = async |password: String| {
            let body = json!({"grant_type": "password", "username": ADMIN, "password": password});
            let url = format!("{}/authrouter/oauth/token", site.server.url);
            site.client.post(url).json(&body).send().await.unwrap().status().as_u16()
        };
        assert!(mycloud(PASSWORD.to_owned()).await >= 400);
        let app = site.server.app.clone();
        let key = site.server.run(async move {
            let admin = app.db.read(|tx| openshelf::store::accounts::by_login(tx, ADMIN)).await.unwrap().unwrap();
            signin::add_api_key(&app, admin.key, "app").await.unwrap().key
        });
        assert_eq!(subsonic(format!("u=admin&p={key}")).await["status"], "ok");
        assert_eq!(subsonic(format!("apiKey={key}")).await["status"], "ok");
        assert_eq!(mycloud(key.clone()).await, 200);
        assert!(mycloud("x".repeat(32)).await >= 400);

        let form = [("user", ADMIN), ("password", PASSWORD), ("next", "/app/keys")];
        let asked = site.post_page("/app/sign-in", None, &form).await;
        assert!(!asked.headers().contains_key("set-cookie"));
        let html = asked.text().await.unwrap();
        let step = html.split("name=\"step\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let wrong = site.post_page("/app/sign-in/code", None, &[("step", &step), ("code", "000000")]).await;
        assert_eq!(wrong.status(), 403);
        assert!(!wrong.headers().contains_key("set-cookie"));
        let code = phone.code();
        let right = site.post_page("/app/sign-in/code", None, &[("step", &step), ("code", &code), ("next", "/app/keys")]).await;
        assert_eq!(location(&right), "/app/keys");
        assert_eq!(site.page("/app/keys", Some(&cookie(&right))).await.status(), 200);

        let off = json!({"two_fa_enabled": false, "two_fa_code": phone.code()});
        assert_eq!(site.call(&admin, Method::PATCH, "/user/setting", off).await["code"], 0);
        assert_eq!(site.sign_in(ADMIN, PASSWORD).await["code"], 0);
    }
}

// What users set ------------------------------------------------------------------------------------------------------

both_engines! {
    async fn what_a_user_sets_is_kept_and_what_is_not_said_stays(backend: Backend) {
        let site = Place::new(&backend);
        let admin = site.user(ADMIN).await;
        let patch = json!({"nick": " Ädmin ", "language": "de-DE", "disable_view_sync": true, "version_retention_enabled": true,
            "version_retention_ext": ["txt", "md"], "version_retention_max": 5, "share_links_in_profile": "all_share",
            "preferred_theme": null, "unknown_field": 1});
        assert_eq!(site.call(&admin, Method::PATCH, "/user/setting", patch).await["code"], 0);
        assert_eq!(site.call(&admin, Method::PATCH, "/user/setting", json!({"nick": null})).await["code"], 0);
        let me = data(site.get(&admin, "/user/me").await);
        assert_eq!((&me["nickname"], &me["language"], &me["disable_view_sync"]), (&json!("Ädmin"), &json!("de-DE"), &json!(true)));
        let setting = data(site.get(&admin, "/user/setting").await);
        assert_eq!(setting["version_retention_ext"], json!(["txt", "md"]));
        assert_eq!((&setting["version_retention_enabled"], &setting["version_retention_max"]), (&json!(true), &json!(5)));
        assert_eq!(setting["share_links_in_profile"], "all_share");
        for bad in [
            json!({"nick": "  "}), json!({"nick": "x".repeat(256)}), json!({"nick": "a\nb"}), json!({"language": "d e"}),
            json!({"preferred_theme": "#000000"}), json!({"version_retention_max": -1}),
            json!({"version_retention_ext": ["a/b"]}), json!({"share_links_in_profile": "some"}),
            json!({"two_fa_enabled": true}), json!({"new_password": "another password"}),
            json!({"current_password": PASSWORD, "new_password": "short"}),
        ] {
            assert_eq!(site.call(&admin, Method::PATCH, "/user/setting", bad.clone()).await["code"], 40001, "{bad}");
        }
        assert_eq!(data(site.get(&admin, "/user/me").await)["nickname"], "Ädmin");
        assert_eq!(data(site.get(&admin, "/user/setting/policies").await)[0]["type"], "local");
        assert_eq!(data(site.get(&admin, "/user/setting/nodes").await)[0]["type"], "master");
    }

    async fn a_new_password_needs_the_old_one_and_ends_all_sessions(backend: Backend) {
        let site = Place::new(&backend);
        let admin = site.user(ADMIN).await;
        let wrong = json!({"current_password": "wrong", "new_password": "another password"});
        assert_eq!(site.call(&admin, Method::PATCH, "/user/setting", wrong).await["code"], 40069);
        let right = json!({"current_password": PASSWORD, "new_password": "another password"});
        assert_eq!(site.call(&admin, Method::PATCH, "/user/setting", right).await["code"], 0);
        assert_eq!(site.get(&admin, "/user/me").await["code"], 401);
        assert_eq!(site.sign_in(ADMIN, PASSWORD).await["code"], 40080);
        assert_eq!(site.sign_in(ADMIN, "another password").await["code"], 0);
    }

    async fn a_picture_is_shown_to_whoever_knows_its_user(backend: Backend) {
        let site = Place::new(&backend);
        let admin = site.user(ADMIN).await;
        let id = text(&data(site.get(&admin, "/user/me").await)["id"]);
        assert_eq!(site.raw(&GUEST, Method::GET, &format!("/user/avatar/{id}"), None).await.status(), 404);
        assert!(data(site.get(&admin, "/user/me").await)["avatar"].is_null());
        let put = async |body: Vec<u8>| {
            let url = format!("{}/api/v4/user/setting/avatar", site.server.url);
            envelope(site.client.put(url).bearer_auth(admin.0.as_ref().unwrap()).body(body).send().await.unwrap()).await
        };
        assert_eq!(put(b"no picture".to_vec()).await["code"], 40001);
        assert_eq!(put(crate::fixture::png()).await["code"], 0);
        assert_eq!(data(site.get(&admin, "/user/me").await)["avatar"], "file");
        assert_eq!(data(site.get(&GUEST, &format!("/user/info/{id}")).await)["avatar"], "file");
        let shown = site.raw(&GUEST, Method::GET, &format!("/user/avatar/{id}?nocache=1"), None).await;
        assert_eq!((shown.status().as_u16(), shown.headers()["content-type"].to_str().unwrap()), (200, "image/jpeg"));
        assert_eq!(put(Vec::new()).await["code"], 0);
        assert_eq!(site.raw(&GUEST, Method::GET, &format!("/user/avatar/{id}"), None).await.status(), 404);
    }

    async fn users_are_found_by_a_part_of_their_name_and_told_without_their_mail(backend: Backend) {
        let site = Place::new(&backend);
        let admin = site.user(ADMIN).await;
        for name in ["anna", "annette", "bob", "b%b"] {
            site.server.add_user(name);
        }
        let found = async |keyword: &str| -> Vec<String> {
            let found = data(site.get(&admin, &format!("/user/search?keyword={}", encoded(keyword))).await);
            assert!(!found.to_string().contains('@'), "{found}");
            found.as_array().unwrap().iter().map(|user| text(&user["nickname"])).collect()
        };
        assert_eq!(found("NN").await, ["anna", "annette"]);
        assert_eq!(found("bob@openshelf.local").await, ["bob"]);
        assert_eq!(found("openshelf").await, [""; 0], "parts of addresses tell nothing");
        assert_eq!(found("b%").await, ["b%b"]);
        for number in 0..12 {
            site.server.add_user(&format!("many{number:02}"));
        }
        assert_eq!(found("many").await.len(), 10);
        assert_eq!(site.get(&admin, "/user/search?keyword=a").await["code"], 40001);
        assert_eq!(site.get(&GUEST, "/user/search?keyword=anna").await["code"], 401);
    }
}

// Registering ---------------------------------------------------------------------------------------------------------

/// Takes mail as a server would, and hands it out.
pub struct Mailbox {
    pub url: String,
    mails: Receiver<(String, String)>,
}

impl Mailbox {
    pub fn open() -> Mailbox {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let (sender, mails) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut out = stream.try_clone().unwrap();
                let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
                let _ = out.write_all(b"220 stand-in\r\n");
                let mut to = String::new();
                while let Some(line) = lines.next() {
                    let word = line.split([' ', ':']).next().unwrap().to_ascii_uppercase();
                    let answer: &[u8] = match word.as_str() {
                        "EHLO" => b"250 stand-in\r\n",
                        "RCPT" => {
                            to = line.split(['<', '>']).nth(1).unwrap().to_owned();
                            b"250 fine\r\n"
                        }
                        "DATA" => {
                            let _ = out.write_all(b"354 go on\r\n");
                            let mail: Vec<String> = lines.by_ref().take_while(|line| line != ".").collect();
                            let mail = mail.join("\n").replace("=\n", "").replace("=3D", "=");
                            let _ = sender.send((to.clone(), mail));
                            b"250 taken\r\n"
                        }
                        "QUIT" => break,
                        _ => b"250 fine\r\n",
                    };
                    if out.write_all(answer).is_err() {
                        break;
                    }
                }
            }
        });
        Mailbox { url, mails }
    }

    /// The next mail: to whom, and what it says.
    pub fn next(&self) -> (String, String) {
        tokio::task::block_in_place(|| self.mails.recv_timeout(PATIENCE)).expect("a mail")
    }

    fn link(&self, to: &str, start: &str) -> String {
        let (recipient, mail) = self.next();
        assert_eq!(recipient, to);
        let at = mail.find(start).unwrap_or_else(|| panic!("no {start} in {mail}"));
        mail[at..].split_whitespace().next().unwrap().to_owned()
    }
}

impl Place {
    async fn open_to_all(backend: &Backend) -> (Place, Mailbox) {
        let mailbox = Mailbox::open();
        let url = mailbox.url.clone();
        let site = Place::with(Server::start_with(backend, move |given| {
            given.mail_server = Some(url);
            given.mail_from = Some("Shelf <shelf@example.org>".to_owned());
        }));
        site.set_site(Site { registers: true, ..Site::default() }).await;
        (site, mailbox)
    }

    async fn register(&self, mail: &str, password: &str) -> Value {
        let mut answer = self
            .call(&GUEST, Method::POST, "/user", json!({"email": mail, "password": password, "language": "en-US"}))
            .await;
        answer.as_object_mut().unwrap().remove("correlation_id");
        answer
    }
}

both_engines! {
    async fn nobody_registers_unless_an_administrator_lets_them(backend: Backend) {
        let site = Place::new(&backend);
        assert_eq!(data(site.get(&GUEST, "/site/config/login").await)["register_enabled"], false);
        assert_eq!(site.register("new@example.org", "a good password").await["code"], 40019);
        assert_eq!(site.call(&GUEST, Method::POST, "/user/reset", json!({"email": ADMIN_MAIL})).await["code"], 40019);
        // Without mail an administrator activates.
        site.set_site(Site { registers: true, title: "Ours".to_owned(), ..Site::default() }).await;
        assert_eq!(data(site.get(&GUEST, "/site/config/basic").await)["title"], "Ours");
        assert_eq!(site.register("new@example.org", "a good password").await["code"], 203);
        assert_eq!(site.sign_in("new@example.org", "a good password").await["code"], 40018);
        assert_eq!(site.sign_in("new@example.org", "a wrong password").await["code"], 40080);
        let app = site.server.app.clone();
        site.server.run(async move {
            let new = app.db.read(|tx| openshelf::store::accounts::by_login(tx, "new@example.org")).await.unwrap().unwrap();
            openshelf::work::registration::activate(&app, new.key).await.unwrap();
        });
        let signed = data(site.sign_in("new@example.org", "a good password").await);
        let new = As(Some(text(&signed["token"]["access_token"])));
        assert_eq!(site.get(&new, &format!("/file?uri={}", encoded("cloudreve://my"))).await["code"], 0);
    }

    async fn a_mail_activates_the_password_of_its_own_registration_and_no_other(backend: Backend) {
        let (site, mailbox) = Place::open_to_all(&backend).await;
        let start = format!("{}/session/activate?", site.server.url);
        let register = async |mail: &str, password: &str| {
            assert_eq!(site.register(mail, password).await["code"], 203);
            mailbox.link(mail, &start)
        };
        let activate = async |link: &str| {
            let (id, sign) = (parameter(link, "id").unwrap(), parameter(link, "sign").unwrap());
            site.get(&GUEST, &format!("/user/activate/{id}?sign={}", encoded(&sign))).await
        };
        // A stranger knows the address, and registers with it before its owner does; in the other case, after them.
        for (mail, first, second) in [
            ("ann@example.org", "a stranger's word", "her own password"),
            ("eve@example.org", "her own password", "a stranger's word"),
        ] {
            let (of_first, of_second) = (register(mail, first).await, register(mail, second).await);
            assert_eq!(site.sign_in(mail, first).await["code"], 40018);
            assert_eq!(site.sign_in(mail, second).await["code"], 40080, "nobody changes a password that waits");
            let (hers, strange) = if first.starts_with('h') { (of_first, of_second) } else { (of_second, of_first) };
            // Our page asks for the password of the registration: whoever has both mails opens no account for the other.
            let page = async |link: &str, password: &str| {
                let (id, slip) = (parameter(link, "id").unwrap(), parameter(link, "sign").unwrap());
                let form = [("id", id.as_str()), ("slip", slip.as_str()), ("password", password)];
                site.client.post(format!("{}/session/activate", site.server.url)).form(&form).send().await.unwrap().status()
            };
            assert_eq!(page(&strange, "her own password").await, reqwest::StatusCode::FORBIDDEN);
            match mail.starts_with('a') {
                true => assert_eq!(data(activate(&hers).await)["email"], mail),
                false => assert_eq!(page(&hers, "her own password").await, reqwest::StatusCode::OK),
            }
            for link in [&hers, &strange] {
                assert_eq!(activate(link).await["code"], 40029, "there is nothing left to activate");
            }
            assert_eq!(site.sign_in(mail, "a stranger's word").await["code"], 40080);
            assert_eq!(site.sign_in(mail, "her own password").await["code"], 0);
            let (known, password) = ([("u", mail), ("v", "1.16.1"), ("c", "test")], ("p", "her own password"));
            let ping = site.client.get(format!("{}/rest/ping", site.server.url)).query(&known).query(&[password]);
            assert!(ping.send().await.unwrap().text().await.unwrap().contains(r#"status="ok""#), "at every door");
        }
        for bad in ["", "nobody", "a b@example.org", &format!("{}@example.org", "x".repeat(60))] {
            assert_eq!(site.register(bad, "a good password").await["code"], 40001, "{bad}");
        }
        assert_eq!(site.register("other@example.org", "short").await["code"], 40001);
    }

    async fn who_was_in_their_account_is_never_made_to_wait_for_activation(backend: Backend) {
        let (site, _mailbox) = Place::open_to_all(&backend).await;
        let app = &site.server.app;
        let state = |state| move |_: &mut Tx, _: &User| Ok(UserWish { state: Some(state), ..UserWish::default() });
        // A stranger could register with their address, and set their password so.
        assert!(users::edit(app, ADMIN, None, state(UserState::Inactive)).await.is_err());
        assert_eq!(site.sign_in(ADMIN, PASSWORD).await["code"], 0);

        assert_eq!(site.register("new@example.org", "a good password").await["code"], 203);
        users::edit(app, "new@example.org", None, state(UserState::Active)).await.unwrap();
        let new = As(Some(text(&data(site.sign_in("new@example.org", "a good password").await)["token"]["access_token"])));
        assert_eq!(site.get(&new, "/user/capacity").await["code"], 0, "they have a home");
        assert!(users::edit(app, "new@example.org", None, state(UserState::Inactive)).await.is_err());
        assert_eq!(site.register("new@example.org", "a stranger's word").await["code"], 203);
        assert_eq!(site.sign_in("new@example.org", "a good password").await["code"], 0);
    }

    async fn a_forgotten_password_is_set_by_a_mail_and_no_answer_tells_who_has_an_account(backend: Backend) {
        let (site, mailbox) = Place::open_to_all(&backend).await;
        let new = site.register("new@example.org", "a good password").await;
        mailbox.next();
        let known = site.register(ADMIN_MAIL, "a good password").await;
        assert_eq!(new, known);
        let (to, mail) = mailbox.next();
        assert!(to == ADMIN_MAIL && mail.contains("has an account already") && !mail.contains("sign="), "{to} {mail}");
        let forgot = async |mail: &str| site.call(&GUEST, Method::POST, "/user/reset", json!({"email": mail})).await;
        assert_eq!(forgot("nobody@example.org").await["code"], 0);
        assert_eq!(forgot("new@example.org").await["code"], 0, "not activated: no mail either");
        assert_eq!(forgot(ADMIN_MAIL).await["code"], 0);
        let link = mailbox.link(ADMIN_MAIL, &format!("{}/session/reset?", site.server.url));
        let session = site.user(ADMIN).await;
        let (id, secret) = (parameter(&link, "id").unwrap(), parameter(&link, "secret").unwrap());
        let set = async |secret: &str, password: &str| {
            site.call(&GUEST, Method::PATCH, &format!("/user/reset/{id}"), json!({"password": password, "secret": secret})).await
        };
        assert_eq!(set(&secret, "short").await["code"], 40001);
        assert_eq!(set("no.such.secret", "another password").await["code"], 40029);
        assert_eq!(data(set(&secret, "another password").await)["email"], ADMIN_MAIL);
        assert_eq!(site.get(&session, "/user/me").await["code"], 401, "sessions of before are over");
        assert_eq!(set(&secret, "a third password").await["code"], 40029);
        assert_eq!(site.sign_in(ADMIN, "another password").await["code"], 0);
        // Tries from one place wait after each other.
        let mut last = Value::Null;
        for _ in 0..6 {
            last = forgot("nobody@example.org").await;
        }
        assert_eq!(last["code"], 403, "{last}");
    }

    async fn a_picture_is_to_be_read_where_an_administrator_wants_it(backend: Backend) {
        let site = Place::new(&backend);
        let captcha = Captchas { at_sign_in: true, at_registration: true, at_reset: false };
        site.set_site(Site { registers: true, captcha, ..Site::default() }).await;
        let config = data(site.get(&GUEST, "/site/config/login").await);
        assert_eq!((&config["login_captcha"], &config["reg_captcha"], &config["forget_captcha"]), (&json!(true), &json!(true), &json!(false)));
        let shown = async || {
            let shown = data(site.get(&GUEST, "/site/captcha").await);
            assert!(text(&shown["image"]).starts_with("data:image/png;base64,"));
            let ticket = text(&shown["ticket"]);
            // The test reads what a person would see.
            let read = slip::read::<String>(&site.server.app.keys, Errand::Captcha, &ticket, now_ms());
            (ticket, read.unwrap().data)
        };
        let sign_in = async |answer: &str, ticket: &str| {
            let body = json!({"email": ADMIN, "password": PASSWORD, "captcha": answer, "ticket": ticket});
            site.call(&GUEST, Method::POST, "/session/token", body).await
        };
        let refused = site.sign_in(ADMIN, PASSWORD).await;
        assert_eq!((&refused["code"], &refused["msg"]), (&json!(40026), &json!("CAPTCHA not match.")));
        let (ticket, word) = shown().await;
        assert_eq!(sign_in("wrong", &ticket).await["code"], 40026);
        assert_eq!(sign_in(&word, &ticket).await["code"], 40026, "a picture is good for one answer");
        let (ticket, word) = shown().await;
        assert_eq!(sign_in(&word.to_lowercase(), &ticket).await["code"], 0);
        assert_eq!(sign_in(&word, &ticket).await["code"], 40026);
        assert_eq!(site.register("new@example.org", "a good password").await["code"], 40026);
    }

    async fn a_session_is_taken_along_to_another_device_once(backend: Backend) {
        let site = Place::new(&backend);
        let session = cookie(&site.post_page("/app/sign-in", None, &[("user", ADMIN), ("password", PASSWORD)]).await);
        let shown = site.post_page("/app/account/device", Some(&session), &[]).await.text().await.unwrap();
        let start = format!("{}/api/v4/user/session/copy/", site.server.url);
        let link = shown[shown.find(&start).unwrap()..].split(['"', '<']).next().unwrap().to_owned();
        let taken: Value = site.client.get(&link).send().await.unwrap().json().await.unwrap();
        let token = text(&data(taken)["token"]["access_token"]);
        assert_eq!(data(site.get(&As(Some(token)), "/user/me").await)["email"], ADMIN_MAIL);
        let again: Value = site.client.get(&link).send().await.unwrap().json().await.unwrap();
        assert_eq!(again["code"], 40029);
    }
}

// Passkeys ------------------------------------------------------------------------------------------------------------

/// An authenticator that keeps one passkey, and asks nobody for a finger.
struct Authenticator {
    key: EcdsaKeyPair,
    id: [u8; 16],
    user_handle: String,
    signed: u32,
    origin: String,
}

impl Authenticator {
    fn new(origin: &str) -> Authenticator {
        let chance = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &chance).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &chance).unwrap();
        let id = openshelf::account::token::random_bytes();
        Authenticator { key, id, user_handle: String::new(), signed: 0, origin: origin.to_owned() }
    }

    fn client_data(&self, kind: &str, challenge: &Value) -> Vec<u8> {
        json!({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false})
            .to_string()
            .into_bytes()
    }

    /// RP, flags, counter: WebAuthn, 6.1. The flags say that somebody was there, and who it was.
    fn data(&self, flags: u8) -> Vec<u8> {
        [&sha256("localhost")[..], &[flags], &self.signed.to_be_bytes()].concat()
    }

    /// What a browser sends for `options`, as JSON within a string.
    fn make(&mut self, options: &Value) -> String {
        let asked = &options["publicKey"];
        self.user_handle = text(&asked["user"]["id"]);
        let point = self.key.public_key().as_ref();
        // A COSE key of P-256: {1: 2, 3: -7, -1: 1, -2: x, -3: y}
        let cose =
            [&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32][..], &point[1..33], &[0x22, 0x58, 32], &point[33..]]
                .concat();
        let credential = [&[0; 16][..], &[0, 16], &self.id, &cose].concat();
        let data = [self.data(0x45), credential].concat();
        // {"fmt": "none", "attStmt": {}, "authData": …}
        let length = u8::try_from(data.len()).unwrap();
        let attestation = [&b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58"[..], &[length], &data].concat();
        self.answer(json!({
            "attestationObject": URL_SAFE_NO_PAD.encode(attestation),
            "clientDataJSON": URL_SAFE_NO_PAD.encode(self.client_data("webauthn.create", &asked["challenge"])),
        }))
    }

    fn show(&mut self, options: &Value) -> String {
        self.signed += 1;
        let data = self.data(0x05);
        let client = self.client_data("webauthn.get", &options["publicKey"]["challenge"]);
        let signed = [&data[..], ring::digest::digest(&ring::digest::SHA256, &client).as_ref()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        self.answer(json!({
            "attestationObject": "",
            "clientDataJSON": URL_SAFE_NO_PAD.encode(client),
            "authenticatorData": URL_SAFE_NO_PAD.encode(data),
            "signature": URL_SAFE_NO_PAD.encode(signature),
            "userHandle": self.user_handle,
        }))
    }

    fn answer(&self, response: Value) -> String {
        let id = URL_SAFE_NO_PAD.encode(self.id);
        json!({"id": id, "rawId": id, "type": "public-key", "response": response}).to_string()
    }
}

impl Place {
    /// At a host that browsers make passkeys for.
    fn at_localhost(mut self) -> Place {
        self.server.url = self.server.url.replace("127.0.0.1", "localhost");
        self
    }

    async fn begin_with_passkey(&self) -> (Value, String) {
        let begun = data(self.call(&GUEST, Method::PUT, "/session/authn", json!({})).await);
        (begun["options"].clone(), text(&begun["session_id"]))
    }

    async fn finish_with_passkey(&self, session_id: &str, response: &str) -> Value {
        self.call(&GUEST, Method::POST, "/session/authn", json!({"session_id": session_id, "response": response})).await
    }
}

both_engines! {
    async fn a_passkey_signs_in_in_place_of_password_and_code(backend: Backend) {
        let site = Place::new(&backend).at_localhost();
        assert_eq!(data(site.get(&GUEST, "/site/config/login").await)["authn"], true);
        let admin = site.user(ADMIN).await;
        site.with_second_factor(&admin).await;
        let mut key = Authenticator::new(&site.server.url);
        let options = data(site.call(&admin, Method::PUT, "/user/authn", json!({})).await);
        assert_eq!(options["publicKey"]["rp"]["id"], "localhost");
        let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        let made = json!({"response": key.make(&options), "name": "{browser} on {os}", "ua": agent});
        let passkey = data(site.call(&admin, Method::POST, "/user/authn", made.clone()).await);
        assert_eq!(passkey["name"], "Firefox on Linux");
        assert_eq!(site.call(&admin, Method::POST, "/user/authn", made).await["code"], 40025, "one offer, one passkey");
        assert_eq!(data(site.get(&admin, "/user/setting").await)["passkeys"][0]["id"], passkey["id"]);
        let prepared = data(site.get(&GUEST, "/session/prepare?email=admin").await);
        assert_eq!(prepared["webauthn_enabled"], false, "a driver would give up");

        let (options, session) = site.begin_with_passkey().await;
        let shown = key.show(&options);
        let signed = data(site.finish_with_passkey(&session, &shown).await);
        let me = As(Some(text(&signed["token"]["access_token"])));
        assert_eq!(data(site.get(&me, "/user/me").await)["email"], ADMIN_MAIL);
        assert_eq!(site.finish_with_passkey(&session, &shown).await["code"], 40023, "an answer is good once");
        let (_, other) = site.begin_with_passkey().await;
        assert_eq!(site.finish_with_passkey(&other, &shown).await["code"], 40020, "and for what was asked");
        assert!(data(site.get(&me, "/user/setting").await)["passkeys"][0]["used_at"].is_string());

        let (options, session) = site.begin_with_passkey().await;
        let mut stranger = Authenticator::new(&site.server.url);
        (stranger.id, stranger.user_handle) = (key.id, key.user_handle.clone());
        assert_eq!(site.finish_with_passkey(&session, &stranger.show(&options)).await["code"], 40020, "another key");
        let (options, session) = site.begin_with_passkey().await;
        key.origin = "http://evil.example".to_owned();
        assert_eq!(site.finish_with_passkey(&session, &key.show(&options)).await["code"], 40020, "at another site");
        assert_eq!(site.finish_with_passkey(&session, "").await["code"], 40001);

        key.origin = site.server.url.clone();
        let id = format!("/user/authn?id={}", encoded(&text(&passkey["id"])));
        assert_eq!(site.call(&me, Method::DELETE, &id, json!({})).await["code"], 0);
        let (options, session) = site.begin_with_passkey().await;
        assert_eq!(site.finish_with_passkey(&session, &key.show(&options)).await["code"], 40020, "it was removed");
        assert_eq!(site.call(&me, Method::DELETE, &id, json!({})).await["code"], 404);
    }

    async fn no_passkey_is_asked_for_where_browsers_make_none(backend: Backend) {
        let site = Place::new(&backend);
        assert_eq!(data(site.get(&GUEST, "/site/config/login").await)["authn"], false);
        let admin = site.user(ADMIN).await;
        assert_eq!(site.call(&admin, Method::PUT, "/user/authn", json!({})).await["code"], 40019);
        assert_eq!(site.call(&GUEST, Method::PUT, "/session/authn", json!({})).await["code"], 40019);
    }
}
