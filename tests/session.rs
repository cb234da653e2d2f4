//! Signing in to the Cloudreve door in every way that there is, and what users set for themselves there.

mod passkeys;
pub mod registering;
mod second_factor;

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
