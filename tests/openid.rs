//! Signing in by an OpenID provider, with a stand-in for it, and what it must not let anybody do.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use openshelf::account::site::Site;
use openshelf::account::slip::{self, Errand, Holder};
use openshelf::account::token::sha256;
use openshelf::account::{Role, User, UserState};
use openshelf::config::Given;
use openshelf::now_ms;
use openshelf::store::{accounts, library, openid as rows, second_factors, site};
use openshelf::work::{registration, second_factor};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Method, Response};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;
use totp_rs::{Builder, Secret as TotpSecret};

use crate::both_engines;
use crate::engines::Backend;
use crate::server::{ADMIN, ADMIN_MAIL, PASSWORD, Server};
use crate::stand_in::{Asked, StandIn, reply};

const CLIENT_ID: &str = "shelf of ann";
const SECRET: &str = "a:secret-of_0.1 or 100%";
const NAME: &str = "Home";
const ACCESS: &str = "access0815";
/// Of nobody: made for this test. PKCS #1.
const RSA: &str = "\
     MIIEowIBAAKCAQEAtiBli6scNEAbDtCodMgsOcdAUqkteTFqe1vzObvaJvcG/KXZCojSXdlASEqYtfeQaJfraYxiSg/9NWYfLTqe/ZDRJZsymG\
     fvKHcyu7AGfpB8cB1rZeuP3m7zIlAS+L7ZQEwNPtvdzEU3WIcP1Kd1nngIGMN2AFfUrqsgFiB33SVIFqnDUKLb8zjC2aDeDWyJrQ4UEmCKAyUQ\
     /5In8Q8RxRh789LtGJUmXQe22R96/EXH0tl1u4BcMBBo+NdPhO0tL7xBhrDS3yHCBgQjukkqN3pjsUkQevmgFsKQO9gvV2sSpFc64XwmtGkSNo\
     5P0nlg8i/WQW9GwvKFDbNQaNYLgwIDAQABAoIBAEPFEVQj80ZEFm1wWka+V6qWSIqZtjiTGUbW4843Zwk5wYlQo08ms3TFiwR7cZDAkqVA5pHr\
     cYWSpotwuSgo2JGNCi4+rliE0DrUA/ZQHVKKLCvB3r1ZprrDuUgq2Kxjw86HniQmR0Wj+eDAvTTJrVwu2QBx9x5QkG0Ac1uYcFHC0+134toyoi\
     pc9Dr6BuphBqQM4bFVKB8YhcBasGQY4HthPFiQgNfaK8LBoWZLxN9CMs+jMQW1xsoEAWIgqtYKRpVk4soA6AP0bWVz5H98P1ppmw8prtAg6pOw\
     HfCXIgQ1bjKSMusqqFSAwF2Jic7YM8FQuZKJ6zYLT9Zn/cNJCr0CgYEA+BVqYXcO9WyGYAIPR8Fy9EGF3bJSDQcDcBy54GKRDaUUL8ewB+kMKv\
     KfDzlaRB1bAr12VllU3hLIlHZ0kb7h6YZZJJSqSE31KXvwejB+DcnIgHFfZJ9MQXJV+TCyIqupEj5e5bzW2neI+eJ9nCW4dFlAJueCujjja3SF\
     rQ8UOcUCgYEAu/AuMGO4oLjqiBacAdHN6dSeQTztjBVC2YmrEwCn/W913mwGvzObpqHpK48RIETlN0SNjWDkK/++Ei5vjywrORVjDFQvyUP5sc\
     rpioY7bTtwIC4jRZ+1C+otxAYNIIYJA31m3K85TxS59WZZDDqIxCUJoDCgYt05365FD83ErKcCgYAdVULn1VECeduFnJi77kauVNUEOqJzAeJJ\
     LkxYGK94Ao3ZfG328XpL1bYy8aAXr7TkJQzJ9vQO8f+fdkYgOYayuvztU1qzA+y6A/qSKAuvi61WapFR73fvwRojRbu6V7u8+Xz1AxgQatPaYA\
     pkHR2rPCZWs0cEx9c0DGoF5WOJ1QKBgBskd/dDH7IOosiew0879sozi9uOKhyWIX57dHqdGKXwiAxke6D3mh45ugwxcF7BtH0D6JGnkayNFe1Y\
     SYJa9a8b2J86NWCS8afsz0fTVRfUgsATCcMPar1ax9tMqG6vDPQ1EzsCD3vNWYIIkwnCFmiFlNtOyoscujQE3jKHHEV3AoGBAPCbaSeS3jGZFp\
     eG5hzGOYep4tCO0F5tOKUBXiAYZahev2DRE5BIOKy+M8d4v++dlGV7IIKvUihEuWy3Gn/55hsSjBZ0HC4f+p7b3ipStz/YHWU4F0uay/qmFGMf\
     iKjzgrwh9QAsNHd56Pq95XI43wt9gdMf85jH0ICG1UY1jkVd\
";

// The provider --------------------------------------------------------------------------------------------------------

/// How a token is signed.
enum Signer {
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
    EdDsa(Ed25519KeyPair),
    /// By no key, with the last of these for a public one.
    Unsigned(Box<Signer>),
    /// As if the public key were a secret that both know.
    ByPublicKey(Box<Signer>),
}

impl Signer {
    fn es256() -> Signer {
        let (random, kind) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let document = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        Signer::Es256(EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random).unwrap())
    }

    fn rs256() -> Signer {
        Signer::Rs256(RsaKeyPair::from_der(&STANDARD.decode(RSA.trim()).unwrap()).unwrap())
    }

    fn ed_dsa() -> Signer {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Signer::EdDsa(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap())
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Signer::Es256(_) => "ES256",
            Signer::Rs256(_) => "RS256",
            Signer::EdDsa(_) => "EdDSA",
            Signer::Unsigned(_) => "none",
            Signer::ByPublicKey(_) => "HS256",
        }
    }

    fn sign(&self, text: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Signer::Es256(pair) => pair.sign(&random, text).unwrap().as_ref().to_vec(),
            Signer::Rs256(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature).unwrap();
                signature
            }
            Signer::EdDsa(pair) => pair.sign(text).as_ref().to_vec(),
            Signer::Unsigned(_) => Vec::new(),
            Signer::ByPublicKey(of) => {
                let mut mac = Hmac::<Sha256>::new_from_slice(&of.public()).unwrap();
                mac.update(text);
                mac.finalize().into_bytes().to_vec()
            }
        }
    }

    fn public(&self) -> Vec<u8> {
        match self {
            Signer::Es256(pair) => pair.public_key().as_ref().to_vec(),
            Signer::Rs256(pair) => pair.public().as_ref().to_vec(),
            Signer::EdDsa(pair) => pair.public_key().as_ref().to_vec(),
            Signer::Unsigned(of) | Signer::ByPublicKey(of) => of.public(),
        }
    }

    fn key(&self, id: &str) -> Value {
        let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Signer::Es256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "kid": id, "x": encoded(x), "y": encoded(y)})
            }
            Signer::Rs256(pair) => {
                let RsaPublicKeyComponents::<Vec<u8>> { n, e } = pair.public().into();
                json!({"kty": "RSA", "kid": id, "use": "sig", "alg": "RS256", "n": encoded(&n), "e": encoded(&e)})
            }
            Signer::EdDsa(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": encoded(pair.public_key().as_ref())})
            }
            Signer::Unsigned(of) | Signer::ByPublicKey(of) => of.key(id),
        }
    }
}

/// What somebody signs in there for.
#[derive(Clone)]
struct Grant {
    redirect_uri: String,
    challenge: String,
    nonce: String,
    subject: String,
}

struct Says {
    signer: Signer,
    key_id: String,
    /// What it tells of everybody beside, or otherwise.
    claims: Value,
    /// What it tells at its other address.
    userinfo: Option<Value>,
    grants: BTreeMap<String, Grant>,
    /// In place of its document, and of its keys.
    document: Option<Value>,
    shown: Option<Value>,
    is_away: bool,
}

struct There {
    stand_in: StandIn,
    says: Arc<Mutex<Says>>,
    codes: AtomicU64,
}

impl There {
    fn start() -> There {
        let says = Arc::new(Mutex::new(Says {
            signer: Signer::es256(),
            key_id: "first".to_owned(),
            claims: json!({}),
            userinfo: None,
            grants: BTreeMap::new(),
            document: None,
            shown: None,
            is_away: false,
        }));
        let told = Arc::clone(&says);
        let stand_in = StandIn::start(move |asked, stream| {
            let mut says = told.lock().unwrap();
            if says.is_away {
                return Ok(());
            }
            answer(&mut says, asked, stream)
        });
        There { stand_in, says, codes: AtomicU64::new(0) }
    }

    fn says(&self, change: impl FnOnce(&mut Says)) {
        change(&mut self.says.lock().unwrap());
    }

    /// Somebody signs in there: where their browser is led back to.
    fn signs_in(&self, address: &str, subject: &str) -> String {
        let asked = |name: &str| parameter(address, name).unwrap_or_else(|| panic!("no {name} in {address}"));
        assert!(address.starts_with(&format!("{}/authorize?", self.stand_in.url)), "{address}");
        assert_eq!((asked("response_type"), asked("client_id")), ("code".to_owned(), CLIENT_ID.to_owned()));
        assert_eq!((asked("scope"), asked("code_challenge_method")), ("openid profile email".into(), "S256".into()));
        let code = format!("code {} & more", self.codes.fetch_add(1, Ordering::Relaxed));
        let grant = Grant {
            redirect_uri: asked("redirect_uri"),
            challenge: asked("code_challenge"),
            nonce: asked("nonce"),
            subject: subject.to_owned(),
        };
        let back = format!("{}?code={}&state={}", grant.redirect_uri, encoded(&code), encoded(&asked("state")));
        self.says(|says| drop(says.grants.insert(code, grant)));
        back
    }

    fn times_asked(&self, path: &str) -> usize {
        self.stand_in.asked().iter().filter(|asked| asked.path == path).count()
    }
}

fn answer(says: &mut Says, asked: &Asked, stream: &mut TcpStream) -> std::io::Result<()> {
    let url = format!("http://{}", asked.header("host").unwrap_or_default());
    let said = match asked.path.as_str() {
        "/.well-known/openid-configuration" => Some(says.document.clone().unwrap_or_else(|| {
            let userinfo = says.userinfo.as_ref().map(|_| format!("{url}/userinfo"));
            json!({
                "issuer": url, "authorization_endpoint": format!("{url}/authorize"), "token_endpoint": format!("{url}/token"),
                "jwks_uri": format!("{url}/keys"), "userinfo_endpoint": userinfo,
            })
        })),
        "/keys" => Some(says.shown.clone().unwrap_or_else(|| json!({"keys": [says.signer.key(&says.key_id)]}))),
        "/token" => token(says, asked, &url),
        "/closed" => return reply(stream, 401, "", br#"{"error": "invalid_client"}"#),
        "/userinfo" => says.userinfo.clone().filter(|_| asked.header("authorization") == Some(format!("Bearer {ACCESS}"))),
        _ => None,
    };
    match said {
        Some(said) => reply(stream, 200, "Content-Type: application/json\r\n", said.to_string().as_bytes()),
        None => reply(stream, 400, "", br#"{"error": "invalid_grant"}"#),
    }
}

/// For a code once, for whoever shows the client's secret and what its challenge was made of.
fn token(says: &mut Says, asked: &Asked, issuer: &str) -> Option<Value> {
    let both = format!("{}:{}", encoded(CLIENT_ID), encoded(SECRET));
    let field = |name: &str| parameter(&format!("?{}", asked.body), name);
    let grant = says.grants.remove(&field("code")?)?;
    let is_right = asked.header("authorization")? == format!("Basic {}", STANDARD.encode(both))
        && field("redirect_uri")? == grant.redirect_uri
        && field("grant_type")? == "authorization_code"
        && URL_SAFE_NO_PAD.encode(sha256(&field("code_verifier")?)) == grant.challenge;
    let mut claims = json!({
        "iss": issuer, "sub": grant.subject, "aud": CLIENT_ID, "exp": now_ms() / 1000 + 300, "nonce": grant.nonce,
    });
    for (name, value) in says.claims.as_object()? {
        claims[name] = value.clone();
    }
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({"alg": says.signer.algorithm(), "kid": says.key_id});
    let signed = format!("{}.{}", part(&header), part(&claims));
    let signature = URL_SAFE_NO_PAD.encode(says.signer.sign(signed.as_bytes()));
    is_right
        .then(|| json!({"id_token": format!("{signed}.{signature}"), "access_token": ACCESS, "token_type": "Bearer"}))
}

// The server ----------------------------------------------------------------------------------------------------------

struct Place {
    server: Server,
    client: Client,
    there: There,
}

/// What a browser keeps.
#[derive(Clone, Default)]
struct Jar(BTreeMap<String, String>);

impl Jar {
    fn take(&mut self, response: &Response) {
        for set in response.headers().get_all("set-cookie") {
            let (name, value) = set.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.0.insert(name.to_owned(), value.to_owned());
        }
    }

    fn header(&self) -> String {
        let pairs: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }
}

impl Place {
    fn new(backend: &Backend) -> Place {
        Place::with(backend, |_| ())
    }

    fn with(backend: &Backend, settings: impl FnOnce(&mut Given)) -> Place {
        let there = There::start();
        let server = Server::start_with(backend, |given| {
            given.openid_issuer = Some(there.stand_in.url.clone());
            given.openid_client_id = Some(CLIENT_ID.to_owned());
            given.openid_secret = Some(SECRET.to_owned());
            given.openid_name = Some(NAME.to_owned());
            settings(given);
        });
        let client = server.client();
        Place { server, client, there }
    }

    async fn get(&self, jar: &mut Jar, path: &str) -> Response {
        let url = if path.starts_with('/') { format!("{}{path}", self.server.url) } else { path.to_owned() };
        let response = self.client.get(url).header("cookie", jar.header()).send().await.unwrap();
        jar.take(&response);
        response
    }

    async fn post(&self, jar: &mut Jar, path: &str, fields: &[(&str, &str)]) -> Response {
        let request = self.client.post(format!("{}{path}", self.server.url)).form(fields);
        let response = request.header("cookie", jar.header()).send().await.unwrap();
        jar.take(&response);
        response
    }

    async fn by_password(&self, name: &str) -> Jar {
        let mut jar = Jar::default();
        let answer = self.post(&mut jar, "/app/sign-in", &[("user", name), ("password", PASSWORD)]).await;
        assert_eq!(answer.status(), 303);
        jar
    }

    /// Where the page leads to that a form of ours is answered with.
    async fn led_on(&self, jar: &mut Jar, path: &str, fields: &[(&str, &str)]) -> String {
        let answer = self.post(jar, path, fields).await;
        assert_eq!(answer.status(), 200);
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        assert!(cookie.contains("HttpOnly; SameSite=Lax") && cookie.contains("Path=/app/openid"), "{cookie}");
        let refresh = answer.headers()["refresh"].to_str().unwrap().to_owned();
        let address = refresh.strip_prefix("0; url=").unwrap().to_owned();
        let html = answer.text().await.unwrap().replace("&#38;", "&");
        assert!(html.contains(&format!("href=\"{address}\"")), "{html}");
        address
    }

    /// By the pages, from the button until the browser is back.
    async fn signs_in(&self, jar: &mut Jar, subject: &str) -> Response {
        let address = self.led_on(jar, "/app/sign-in/openid", &[("next", "/app/keys")]).await;
        let back = self.there.signs_in(&address, subject);
        self.get(jar, &back).await
    }

    async fn links(&self, name: &str, subject: &str) -> Response {
        let mut jar = self.by_password(name).await;
        let address = self.led_on(&mut jar, "/app/account/openid", &[]).await;
        let back = self.there.signs_in(&address, subject);
        self.get(&mut jar, &back).await
    }

    /// The words of the page that whoever is not signed in sees.
    async fn refused(&self, subject: &str) -> (u16, String) {
        let mut jar = Jar::default();
        let answer = self.signs_in(&mut jar, subject).await;
        assert!(!jar.0.contains_key("openshelf-session"), "{subject} is signed in");
        problem(answer).await
    }

    async fn call(&self, token: Option<&str>, method: Method, path: &str, body: Value) -> Value {
        call(&self.client, &self.server.url, token, method, path, body).await
    }

    async fn token(&self, name: &str) -> String {
        let login = json!({"email": name, "password": PASSWORD});
        let signed_in = self.call(None, Method::POST, "/session/token", login).await;
        signed_in["data"]["token"]["access_token"].as_str().unwrap().to_owned()
    }

    /// By Cloudreve's calls, until the provider leads back: what the client then brings.
    async fn prepared(&self, token: Option<&str>, linking: bool, subject: &str) -> Value {
        let wish = json!({"provider": 2, "linking": linking});
        let begun = self.call(token, Method::PUT, "/session/openid", wish).await;
        assert_eq!(begun["code"], 0, "{begun}");
        let back = self.there.signs_in(begun["data"].as_str().unwrap(), subject);
        assert!(back.starts_with(&format!("{}/callback/openid/2?", self.server.url)), "{back}");
        let (code, state) = (parameter(&back, "code").unwrap(), parameter(&back, "state").unwrap());
        json!({"code": code, "session_id": state, "provider_id": 2})
    }

    async fn finished(&self, brought: Value) -> Value {
        self.call(None, Method::POST, "/session/openid", brought).await
    }

    async fn user(&self, name: &str) -> User {
        let name = name.to_owned();
        self.server.app.db.read(move |tx| accounts::by_login(tx, &name)).await.unwrap().unwrap()
    }

    async fn all_users(&self) -> Vec<User> {
        self.server.app.db.read(accounts::list).await.unwrap()
    }

    async fn is_linked(&self, name: &str) -> bool {
        let (user, issuer) = (self.user(name).await, self.there.stand_in.url.clone());
        self.server.app.db.read(move |tx| rows::linked_ms(tx, user.key, &issuer)).await.unwrap().is_some()
    }

    async fn set_registers(&self, registers: bool) {
        self.server.app.db.write(move |tx| site::set(tx, &Site { registers, ..Site::default() })).await.unwrap();
    }
}

async fn call(client: &Client, url: &str, token: Option<&str>, method: Method, path: &str, body: Value) -> Value {
    let mut request = client.request(method, format!("{url}/api/v4{path}")).json(&body);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.send().await.unwrap().json().await.unwrap()
}

fn encoded(text: &str) -> String {
    const IN_FORMS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');
    utf8_percent_encode(text, IN_FORMS).to_string()
}

fn parameter(address: &str, name: &str) -> Option<String> {
    let query = address.split_once('?')?.1;
    let pairs: Vec<(String, String)> = serde_html_form::from_str(query).ok()?;
    pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

fn led_to(answer: &Response) -> (u16, &str) {
    (answer.status().as_u16(), answer.headers().get("location").map_or("", |to| to.to_str().unwrap()))
}

async fn problem(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let html = answer.text().await.unwrap();
    let words = html.split("role=\"alert\"").nth(1).and_then(|rest| rest.split_once('>')).map_or("", |(_, rest)| rest);
    (status, words.split("</p>").next().unwrap_or_default().to_owned())
}

// Signing in and linking ----------------------------------------------------------------------------------------------

both_engines! {
    async fn a_linked_account_is_signed_in_by_the_pages(backend: Backend) {
        let place = Place::new(&backend);
        let page = place.get(&mut Jar::default(), "/app/sign-in?next=/app/keys").await.text().await.unwrap();
        assert!(page.contains("Sign in with Home") && page.contains("action=\"/app/sign-in/openid\""), "{page}");
        let (status, words) = place.refused("ann's subject").await;
        assert_eq!(status, 403);
        assert!(words.contains("No account here is linked with yours at Home"), "{words}");

        let linked = place.links(ADMIN, "ann's subject").await;
        assert_eq!(led_to(&linked), (303, "/app/account"));
        let mut jar = place.by_password(ADMIN).await;
        let page = place.get(&mut jar, "/app/account").await.text().await.unwrap();
        assert!(page.contains("You can sign in with Home, since") && page.contains("/app/account/openid/unlink"), "{page}");

        let mut jar = Jar::default();
        for signer in [Signer::es256(), Signer::rs256(), Signer::ed_dsa()] {
            place.there.says(|says| says.signer = signer);
            jar = Jar::default();
            let back = place.signs_in(&mut jar, "ann's subject").await;
            assert_eq!(led_to(&back), (303, "/app/keys"));
            assert_eq!(jar.0["openshelf-openid"], "", "the cookie is taken back");
            assert!(place.get(&mut jar, "/app/keys").await.status().is_success());
        }

        let unlinked = place.post(&mut jar, "/app/account/openid/unlink", &[]).await;
        assert_eq!(led_to(&unlinked), (303, "/app/account"));
        assert_eq!(place.refused("ann's subject").await.0, 403);
        assert!(!place.is_linked(ADMIN).await);
        assert!(place.get(&mut jar, "/app/keys").await.status().is_redirection(), "whoever came in by it is out");
        let mut jar = place.by_password(ADMIN).await;
        let (status, words) = problem(place.post(&mut jar, "/app/account/openid/unlink", &[]).await).await;
        assert_eq!((status, words.as_str()), (403, "Your account is not linked."));
    }

    async fn a_linked_account_is_signed_in_by_the_drives_calls(backend: Backend) {
        let place = Place::new(&backend);
        let config = place.call(None, Method::GET, "/site/config/login", Value::Null).await;
        assert_eq!((&config["data"]["oidc_enabled"], &config["data"]["oidc_display_name"]), (&json!(true), &json!(NAME)));
        let (token, setting) = (place.token(ADMIN).await, "/user/setting");
        assert_eq!(place.call(Some(&token), Method::GET, setting, Value::Null).await["data"]["open_id"], json!([]));
        let nobodys = place.prepared(None, false, "ann's subject").await;
        assert_eq!(place.finished(nobodys).await["code"], 40068);

        let brought = place.prepared(Some(&token), true, "ann's subject").await;
        let linked = place.finished(brought).await;
        assert_eq!((&linked["code"], &linked["data"]), (&json!(0), &Value::Null));
        let told = place.call(Some(&token), Method::GET, setting, Value::Null).await["data"].clone();
        assert_eq!((&told["open_id"][0]["provider"], &told["passwordless"]), (&json!(2), &json!(false)));
        assert!(told["open_id"][0]["linked_at"].as_str().unwrap().starts_with("20"), "{told}");

        let signed_in = place.finished(place.prepared(None, false, "ann's subject").await).await;
        assert_eq!(signed_in["data"]["user"]["email"], ADMIN_MAIL);
        let by_openid = signed_in["data"]["token"]["access_token"].as_str().unwrap().to_owned();
        assert_eq!(place.call(Some(&by_openid), Method::GET, "/user/me", Value::Null).await["code"], 0);

        let again = place.prepared(Some(&token), true, "another of ann's").await;
        assert_eq!(place.finished(again).await["code"], 40066);
        assert_eq!(place.call(Some(&token), Method::DELETE, "/session/openid/2", Value::Null).await["code"], 0);
        for ended in [&token, &by_openid] {
            assert_eq!(place.call(Some(ended), Method::GET, "/user/setting", Value::Null).await["code"], 401);
        }
        let token = place.token(ADMIN).await;
        assert_eq!(place.call(Some(&token), Method::DELETE, "/session/openid/2", Value::Null).await["code"], 40068);
        assert_eq!(place.finished(place.prepared(None, false, "ann's subject").await).await["code"], 40068);

        for (method, path, body, code) in [
            (Method::PUT, "/session/openid", json!({"provider": 2, "linking": true}), 401),
            (Method::PUT, "/session/openid", json!({"provider": 0}), 40019),
            (Method::POST, "/session/openid", json!({"provider_id": 1, "code": "x", "session_id": "x"}), 40019),
            (Method::POST, "/session/openid", json!({"provider_id": 2, "session_id": "x"}), 40001),
            (Method::POST, "/session/openid", json!({"provider_id": 2, "code": "x", "session_id": "x"}), 40023),
            (Method::DELETE, "/session/openid/2", Value::Null, 401),
        ] {
            assert_eq!(place.call(None, method.clone(), path, body.clone()).await["code"], code, "{method} {body}");
        }
        let hint = json!({"provider": 2, "hint": "ann@example.org"});
        let begun = place.call(None, Method::PUT, "/session/openid", hint).await;
        assert_eq!(parameter(begun["data"].as_str().unwrap(), "login_hint").unwrap(), "ann@example.org");
    }

    async fn two_accounts_never_share_one_subject(backend: Backend) {
        let place = Place::new(&backend);
        place.server.add_user("bob");
        let (anns, bobs) = (place.token(ADMIN).await, place.token("bob").await);
        let brought = [place.prepared(Some(&anns), true, "one").await, place.prepared(Some(&bobs), true, "one").await];
        let codes: Vec<Value> = futures_util::future::join_all(brought.map(|brought| place.finished(brought))).await;
        let mut codes: Vec<i64> = codes.iter().map(|answer| answer["code"].as_i64().unwrap()).collect();
        codes.sort_unstable();
        assert_eq!(codes, [0, 40067]);
        let (first, second) = if place.is_linked(ADMIN).await { (ADMIN, "bob") } else { ("bob", ADMIN) };
        assert!(!place.is_linked(second).await);
        let (status, words) = problem(place.links(second, "one").await).await;
        assert_eq!((status, words.as_str()), (403, "Another account is linked with yours at Home."));
        let (status, words) = problem(place.links(first, "two").await).await;
        assert_eq!((status, words.as_str()), (403, "Your account is linked already. Unlink it first."));
        let signed_in = place.finished(place.prepared(None, false, "one").await).await;
        assert_eq!(signed_in["data"]["user"]["id"], json!(place.user(first).await.id));
        assert_eq!(place.links(second, "two").await.status(), 303, "a refused one is nobody's");

        // The account goes, and the one that is made for somebody else later is not theirs.
        let key = place.user("bob").await.key;
        place.server.app.db.write(move |tx| accounts::remove(tx, key)).await.unwrap();
        let bobs_subject = if first == "bob" { "one" } else { "two" };
        assert_eq!(place.refused(bobs_subject).await.0, 403);
    }

    async fn whoever_is_held_up_at_other_doors_is_held_up_here(backend: Backend) {
        let place = Place::new(&backend);
        let bob = place.server.add_user("bob");
        assert_eq!(place.links("bob", "bob's").await.status(), 303);
        let set_state = |state| place.server.app.db.write(move |tx| accounts::set_state(tx, bob.key, state));

        set_state(UserState::Banned).await.unwrap();
        assert_eq!(place.refused("bob's").await, (403, "Your account is closed.".to_owned()));
        assert_eq!(place.finished(place.prepared(None, false, "bob's").await).await["code"], 40020);
        set_state(UserState::Inactive).await.unwrap();
        let (status, words) = place.refused("bob's").await;
        assert!(status == 403 && words.contains("not activated"), "{words}");
        assert_eq!(place.finished(place.prepared(None, false, "bob's").await).await["code"], 40018);
        set_state(UserState::Active).await.unwrap();
        assert_eq!(place.signs_in(&mut Jar::default(), "bob's").await.status(), 303);

        // A right code of the second factor is asked for all the same.
        let (app, bob) = (Arc::clone(&place.server.app), place.user("bob").await);
        let secret = second_factor::offer(&app, &bob).await.unwrap();
        assert!(second_factor::turn_on(&app, &bob, &code_of(&secret, -1)).await.unwrap());
        let mut jar = Jar::default();
        let asked = place.signs_in(&mut jar, "bob's").await;
        assert_eq!(asked.status(), 200);
        assert!(!jar.0.contains_key("openshelf-session"));
        let html = asked.text().await.unwrap();
        let value = |name: &str| {
            let rest = html.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap();
            rest.split('"').next().unwrap().to_owned()
        };
        let fields = [("step", value("step")), ("next", value("next")), ("code", code_of(&secret, 0))];
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let signed_in = place.post(&mut jar, "/app/sign-in/code", &fields).await;
        assert_eq!(led_to(&signed_in), (303, "/app/keys"));
        let brought = place.prepared(None, false, "bob's").await;
        let asked = place.finished(brought).await;
        assert_eq!(asked["code"], 203, "{asked}");
        let step = json!({"session_id": asked["data"], "otp": code_of(&secret, 1)});
        assert_eq!(place.call(None, Method::POST, "/session/token/2fa", step).await["code"], 0);

        // Who may not change their settings may not link either, nor unlink.
        let kept = openshelf::account::Allowed::of(bob.allowed.roles.without(Role::Settings));
        place.server.app.db.write(move |tx| {
            second_factors::remove(tx, bob.key)?;
            accounts::set_allowed(tx, bob.key, &kept)
        }).await.unwrap();
        let mut jar = place.by_password("bob").await;
        assert_eq!(place.post(&mut jar, "/app/account/openid", &[]).await.status(), 403);
        assert_eq!(place.post(&mut jar, "/app/account/openid/unlink", &[]).await.status(), 403);
        assert!(place.is_linked("bob").await);
    }
}

fn code_of(secret: &str, steps_from_now: i64) -> String {
    let step = u64::try_from(now_ms() / 30_000 + steps_from_now).unwrap();
    let secret = TotpSecret::try_from_base32(secret).unwrap();
    Builder::new().with_secret(secret).build().unwrap().generate(step * 30).to_string()
}

// What signs nobody in ------------------------------------------------------------------------------------------------

both_engines! {
    async fn a_token_of_another_sign_in_another_server_or_another_hand_signs_nobody_in(backend: Backend) {
        let place = Place::new(&backend);
        assert_eq!(place.links(ADMIN, "ann's").await.status(), 303);
        let past_s = now_ms() / 1000 - 120;
        for claims in [
            json!({"nonce": "of another sign-in"}),
            json!({"nonce": null}),
            json!({"aud": "another client"}),
            json!({"aud": [CLIENT_ID, "another client"]}),
            json!({"azp": "another client"}),
            json!({"iss": "https://auth.example.org"}),
            json!({"iss": format!("{}/", place.there.stand_in.url)}),
            json!({"exp": past_s}),
            json!({"exp": null}),
            json!({"sub": ""}),
        ] {
            place.there.says(|says| says.claims = claims.clone());
            let (status, words) = place.refused("ann's").await;
            assert_eq!((status, words.as_str()), (403, "Home did not confirm who you are. Begin again."), "{claims}");
            forgive(&place).await;
        }
        place.there.says(|says| says.claims = json!({}));
        let forgers: [fn(Signer) -> Signer; 3] = [
            |_| Signer::es256(),
            |own| Signer::Unsigned(Box::new(own)),
            |own| Signer::ByPublicKey(Box::new(own)),
        ];
        for forge in forgers {
            // The keys that it shows stay those that the server has read.
            place.there.says(|says| says.signer = Signer::es256());
            assert_eq!(place.signs_in(&mut Jar::default(), "ann's").await.status(), 303);
            let shown = place.there.says.lock().unwrap().signer.key("first");
            place.there.says(|says| {
                let own = std::mem::replace(&mut says.signer, Signer::es256());
                says.signer = forge(own);
                says.shown = Some(json!({"keys": [shown]}));
            });
            let (status, words) = place.refused("ann's").await;
            assert_eq!((status, words.as_str()), (403, "Home did not confirm who you are. Begin again."));
            let brought = place.prepared(None, false, "ann's").await;
            assert_eq!(place.finished(brought).await["code"], 40020);
            forgive(&place).await;
            place.there.says(|says| says.shown = None);
        }
    }

    async fn keys_that_were_changed_are_read_once_more(backend: Backend) {
        let place = Place::new(&backend);
        assert_eq!(place.links(ADMIN, "ann's").await.status(), 303);
        assert_eq!(place.signs_in(&mut Jar::default(), "ann's").await.status(), 303);
        assert_eq!(place.there.times_asked("/keys"), 1);
        place.there.says(|says| (says.signer, says.key_id) = (Signer::rs256(), "second".to_owned()));
        assert_eq!(place.signs_in(&mut Jar::default(), "ann's").await.status(), 303);
        assert_eq!(place.signs_in(&mut Jar::default(), "ann's").await.status(), 303);
        assert_eq!(place.there.times_asked("/keys"), 2);
        // A wrong one has them read, and is wrong.
        place.there.says(|says| {
            says.shown = Some(json!({"keys": [says.signer.key("second")]}));
            says.signer = Signer::es256();
        });
        assert_eq!(place.refused("ann's").await.0, 403);
        assert_eq!(place.there.times_asked("/keys"), 3);
        assert_eq!(place.there.times_asked("/.well-known/openid-configuration"), 1);
    }

    async fn what_was_begun_is_finished_once_and_by_whoever_began_it(backend: Backend) {
        let place = Place::new(&backend);
        assert_eq!(place.links(ADMIN, "ann's").await.status(), 303);
        let begun_in_another = "This sign-in was begun in another browser, or its cookie is gone. Begin again.";
        let over = "This sign-in took too long, or was finished before. Begin again.";

        // Somebody leads Bob's browser to finish what they began as themselves: he would upload into their account.
        let mut mallorys = Jar::default();
        let address = place.led_on(&mut mallorys, "/app/sign-in/openid", &[]).await;
        let back = place.there.signs_in(&address, "ann's");
        for mut bobs in [Jar::default(), Jar(BTreeMap::from([("openshelf-openid".to_owned(), "x".to_owned())]))] {
            let (status, words) = problem(place.get(&mut bobs, &back).await).await;
            assert_eq!((status, words.as_str()), (403, begun_in_another));
            assert!(!bobs.0.contains_key("openshelf-session"));
        }
        // Nor has Bob's account linked with who they are themselves.
        place.server.add_user("bob");
        let mut bobs = place.by_password("bob").await;
        let link = place.led_on(&mut Jar(mallorys.0.clone()), "/app/sign-in/openid", &[]).await;
        assert_eq!(problem(place.get(&mut bobs, &place.there.signs_in(&link, "mallory's")).await).await.0, 403);
        assert!(!place.is_linked("bob").await);

        // What the pages began is not finished past the cookie, by calls that ask programs for none.
        let (code, state) = (parameter(&back, "code").unwrap(), parameter(&back, "state").unwrap());
        let brought = json!({"code": code, "session_id": state, "provider_id": 2});
        assert_eq!(place.finished(brought).await["code"], 40023);

        // Only once, and none but what was sealed here.
        let cookie = mallorys.clone();
        assert_eq!(place.get(&mut mallorys, &back).await.status(), 303);
        let (status, words) = problem(place.get(&mut cookie.clone(), &back).await).await;
        assert_eq!((status, words.as_str()), (403, over));
        let state = parameter(&back, "state").unwrap();
        let other = if state.starts_with('A') { "B" } else { "A" };
        for state in [String::new(), "x".to_owned(), format!("{other}{}", &state[1..]), "x".repeat(20_000)] {
            let answer = place.get(&mut cookie.clone(), &format!("/app/openid?code=x&state={state}")).await;
            assert!(matches!(answer.status().as_u16(), 400 | 403), "{state:.20}");
        }
        assert_eq!(place.get(&mut cookie.clone(), "/app/openid?state=x").await.status(), 400);
        let declined = format!("/app/openid?error=access_denied&error_description=%3Cb%3E&state={state}");
        let (status, words) = problem(place.get(&mut cookie.clone(), &declined).await).await;
        assert_eq!((status, words.as_str()), (403, "Nobody signed in there."));

        // Of many at once that bring the same, one is signed in.
        let mut jar = Jar::default();
        let address = place.led_on(&mut jar, "/app/sign-in/openid", &[]).await;
        let back = place.there.signs_in(&address, "ann's");
        let tries = (0..4).map(|_| async { place.get(&mut jar.clone(), &back).await.status().as_u16() });
        let came = futures_util::future::join_all(tries).await;
        assert_eq!(came.iter().filter(|status| **status == 303).count(), 1, "{came:?}");
    }

    async fn the_drives_calls_finish_in_no_other_browser_than_they_began(backend: Backend) {
        let place = Place::new(&backend);
        assert_eq!(place.links(ADMIN, "ann's").await.status(), 303);
        let url = format!("{}/api/v4/session/openid", place.server.url);
        let finish = |brought: Value, browser: [(&'static str, String); 2]| {
            let mut request = place.client.post(&url).json(&brought);
            for (name, value) in browser {
                request = request.header(name, value);
            }
            async move { request.send().await.unwrap().json::<Value>().await.unwrap()["code"].clone() }
        };
        for sign in [("sec-fetch-site", "same-origin".to_owned()), ("origin", place.server.url.clone())] {
            let begun = place.client.put(&url).header(sign.0, &sign.1).json(&json!({"provider": 2}));
            let begun = begun.send().await.unwrap();
            let set = begun.headers()["set-cookie"].to_str().unwrap().to_owned();
            assert!(set.contains("Path=/api/v4/session/openid; ") && set.contains("HttpOnly; SameSite=Lax"), "{set}");
            let cookie = set.split(';').next().unwrap().to_owned();
            let begun: Value = begun.json().await.unwrap();
            let back = place.there.signs_in(begun["data"].as_str().unwrap(), "ann's");
            let (code, state) = (parameter(&back, "code").unwrap(), parameter(&back, "state").unwrap());
            let brought = json!({"code": code, "session_id": state, "provider_id": 2});
            let none = ("x-none", String::new());
            assert_eq!(finish(brought.clone(), [sign.clone(), none.clone()]).await, 40023);
            assert_eq!(finish(brought.clone(), [none.clone(), none]).await, 40023, "nor does a program");
            assert_eq!(finish(brought.clone(), [sign.clone(), ("cookie", "openshelf-openid=x".to_owned())]).await, 40023);
            assert_eq!(finish(brought.clone(), [sign.clone(), ("cookie", cookie.clone())]).await, 0);
            assert_eq!(finish(brought.clone(), [sign.clone(), ("cookie", cookie)]).await, 40023);
            // Nor does a browser finish what a program began.
            let brought = place.prepared(None, false, "ann's").await;
            let made_up = ("cookie", "openshelf-openid=x".to_owned());
            assert_eq!(finish(brought.clone(), [sign, made_up]).await, 40023);
            assert_eq!(place.finished(brought).await["code"], 0);
        }
    }

    async fn a_linking_is_finished_by_whoever_began_it_while_they_are_signed_in(backend: Backend) {
        let place = Place::new(&backend);
        place.server.add_user("bob");
        for other in [None, Some("bob")] {
            let mut jar = place.by_password(ADMIN).await;
            let address = place.led_on(&mut jar, "/app/account/openid", &[]).await;
            let back = place.there.signs_in(&address, "mallory's");
            jar.0.remove("openshelf-session");
            if let Some(other) = other {
                jar.0.extend(place.by_password(other).await.0);
            }
            assert_eq!(place.get(&mut jar, &back).await.status(), 403, "{other:?}");
        }
        let (token, bobs) = (place.token(ADMIN).await, place.token("bob").await);
        let brought = place.prepared(Some(&token), true, "ann's").await;
        for other in [bobs.as_str(), "of nobody"] {
            let finished = place.call(Some(other), Method::POST, "/session/openid", brought.clone()).await;
            assert_eq!(finished["code"], 40023);
        }
        assert!(!place.is_linked(ADMIN).await && !place.is_linked("bob").await);
        assert_eq!(place.call(Some(&token), Method::POST, "/session/openid", brought).await["code"], 0);
        assert!(place.is_linked(ADMIN).await);
    }

    async fn what_went_wrong_keeps_the_cookie_and_the_way_on(backend: Backend) {
        let place = Place::new(&backend);
        assert_eq!(place.links(ADMIN, "ann's").await.status(), 303);
        let mut jar = Jar::default();
        let address = place.led_on(&mut jar, "/app/sign-in/openid", &[("next", "/app/keys")]).await;
        let back = place.there.signs_in(&address, "ann's");
        // Another site leads the browser here meanwhile.
        assert_eq!(place.get(&mut jar, "/app/openid?code=x&state=x").await.status(), 403);
        assert_ne!(jar.0["openshelf-openid"], "");
        let state = parameter(&back, "state").unwrap();
        let declined = place.get(&mut jar, &format!("/app/openid?error=access_denied&state={state}")).await;
        assert!(declined.text().await.unwrap().contains("value=\"/app/keys\""));
        assert_eq!(led_to(&place.get(&mut jar, &back).await), (303, "/app/keys"));
    }

    async fn a_password_set_by_mail_unlinks_the_account(backend: Backend) {
        let place = Place::new(&backend);
        assert_eq!(place.links(ADMIN, "mallory's").await.status(), 303);
        let (app, user) = (Arc::clone(&place.server.app), place.user(ADMIN).await);
        let text = slip::write(&app.keys, Errand::NewPassword, Holder::of(&user), now_ms() + 60_000);
        assert!(registration::set_password_by_mail(&app, &user.id, &text, "another horse").await.unwrap().is_some());
        assert!(!place.is_linked(ADMIN).await);
        assert_eq!(place.refused("mallory's").await.0, 403);
    }

    async fn a_home_that_was_not_made_is_made_at_the_next_sign_in(backend: Backend) {
        let place = Place::new(&backend);
        let key = place.server.add_user("bob").key;
        assert_eq!(place.links("bob", "bob's").await.status(), 303);
        let db = &place.server.app.db;
        db.write(move |tx| match library::home_of(tx, key)? {
            Some(home) => library::remove(tx, home.key),
            None => Ok(()),
        }).await.unwrap();
        assert!(db.read(move |tx| library::home_of(tx, key)).await.unwrap().is_none());
        assert_eq!(place.signs_in(&mut Jar::default(), "bob's").await.status(), 303);
        assert!(db.read(move |tx| library::home_of(tx, key)).await.unwrap().is_some());
    }

    async fn a_new_password_ends_a_linking_that_was_begun_before(backend: Backend) {
        let place = Place::new(&backend);
        let token = place.token(ADMIN).await;
        let brought = place.prepared(Some(&token), true, "mallory's").await;
        let key = place.user(ADMIN).await.key;
        let app = Arc::clone(&place.server.app);
        openshelf::work::signin::set_password(&app, key, "another horse").await.unwrap();
        assert_eq!(place.finished(brought).await["code"], 40023);
        assert!(!place.is_linked(ADMIN).await);
    }

    async fn a_provider_that_refuses_or_is_away_is_told_as_such(backend: Backend) {
        let place = Place::new(&backend);
        let away = "Home cannot be asked now. Try again later, or sign in with your password.";
        // From the beginning.
        place.there.says(|says| says.is_away = true);
        let (status, words) = problem(place.post(&mut Jar::default(), "/app/sign-in/openid", &[]).await).await;
        assert_eq!((status, words.as_str()), (502, away));
        let wish = json!({"provider": 2});
        assert_eq!(place.call(None, Method::PUT, "/session/openid", wish.clone()).await["code"], 50007);
        // It is not who it should be, or leads where everybody reads along.
        let url = place.there.stand_in.url.clone();
        let document = |issuer: &str, token: &str| {
            json!({"issuer": issuer, "authorization_endpoint": format!("{url}/authorize"), "token_endpoint": token,
                "jwks_uri": format!("{url}/keys")})
        };
        for (issuer, token) in [("https://auth.example.org", "https://a.example/t"), (url.as_str(), "http://a.example/t")] {
            let document = document(issuer, token);
            place.there.says(|says| (says.is_away, says.document) = (false, Some(document)));
            assert_eq!(place.call(None, Method::PUT, "/session/openid", wish.clone()).await["code"], 50007);
        }
        place.there.says(|says| says.document = Some(json!(["no document"])));
        assert_eq!(place.call(None, Method::PUT, "/session/openid", wish.clone()).await["code"], 50007);
        place.there.says(|says| says.document = None);

        // In the middle.
        let mut jar = Jar::default();
        let address = place.led_on(&mut jar, "/app/sign-in/openid", &[]).await;
        let back = place.there.signs_in(&address, "ann's");
        place.there.says(|says| says.is_away = true);
        let (status, words) = problem(place.get(&mut jar, &back).await).await;
        assert_eq!((status, words.as_str()), (502, away));
        place.there.says(|says| says.is_away = false);
        // A code that it did not give.
        let mut brought = place.prepared(None, false, "ann's").await;
        brought["code"] = json!("made up");
        assert_eq!(place.finished(brought).await["code"], 40020);
        // It is asked for each, so whoever tries many waits.
        let mut codes = Vec::new();
        for _ in 0..8 {
            let mut brought = place.prepared(None, false, "ann's").await;
            brought["code"] = json!("made up");
            codes.push(place.finished(brought).await["code"].clone());
        }
        assert!(codes.contains(&json!(403)), "{codes:?}");
        assert!(place.there.times_asked("/token") < 8);
    }

    async fn many_who_come_at_once_ask_the_provider_once(backend: Backend) {
        let place = Place::new(&backend);
        let begin = || place.call(None, Method::PUT, "/session/openid", json!({"provider": 2}));
        let begun = futures_util::future::join_all((0..8).map(|_| begin())).await;
        assert!(begun.iter().all(|begun| begun["code"] == 0), "{begun:?}");
        assert_eq!(place.there.times_asked("/.well-known/openid-configuration"), 1);
    }

    async fn a_provider_that_does_not_know_this_server_is_not_told_as_the_users_mistake(backend: Backend) {
        let place = Place::new(&backend);
        let url = place.there.stand_in.url.clone();
        let document = json!({"issuer": url, "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/closed"), "jwks_uri": format!("{url}/keys")});
        place.there.says(|says| says.document = Some(document));
        let mut brought = place.prepared(None, false, "ann's").await;
        assert_eq!(place.finished(brought.clone()).await["code"], 50007);
        assert_eq!(place.there.times_asked("/closed"), 1);
        // A code that none gives is not asked about.
        brought = place.prepared(None, false, "ann's").await;
        brought["code"] = json!("x".repeat(4097));
        assert_eq!(place.finished(brought).await["code"], 40020);
        assert_eq!(place.there.times_asked("/closed"), 1);
    }

    async fn a_provider_leads_into_no_private_network_but_its_own_host(backend: Backend) {
        let place = Place::new(&backend);
        let there = StandIn::start_at("127.0.0.2", |_, stream| reply(stream, 200, "", b"{}"));
        let url = place.there.stand_in.url.clone();
        let document = json!({"issuer": url, "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{}/token", there.url), "jwks_uri": format!("{url}/keys")});
        place.there.says(|says| says.document = Some(document));
        let brought = place.prepared(None, false, "ann's").await;
        assert_eq!(place.finished(brought).await["code"], 50007);
        assert!(there.asked().is_empty());
    }

    async fn nothing_is_offered_where_there_is_no_provider(backend: Backend) {
        let server = Server::start(&backend);
        let client = server.client();
        let page = client.get(format!("{}/app/sign-in", server.url)).send().await.unwrap().text().await.unwrap();
        assert!(!page.contains("openid"));
        let asked = client.post(format!("{}/app/sign-in/openid", server.url)).form(&[("next", "")]).send().await.unwrap();
        assert_eq!(asked.status(), 404);
        let url = format!("{}/api/v4", server.url);
        let config: Value = client.get(format!("{url}/site/config/login")).send().await.unwrap().json().await.unwrap();
        assert_eq!(config["data"]["oidc_enabled"], false);
        let begun = client.put(format!("{url}/session/openid")).json(&json!({"provider": 2})).send().await.unwrap();
        assert_eq!(begun.json::<Value>().await.unwrap()["code"], 40019);
    }
}

async fn forgive(place: &Place) {
    place.server.app.db.write(|tx| tx.run("DELETE FROM throttle", openshelf::args![]).map(drop)).await.unwrap();
}

// Accounts that are made ----------------------------------------------------------------------------------------------

both_engines! {
    async fn an_account_is_made_where_people_may_register(backend: Backend) {
        let place = Place::new(&backend);
        place.there.says(|says| {
            says.claims = json!({"email": "cleo@example.org", "email_verified": true, "preferred_username": "cleo",
                "name": "Cleo\u{7} of Home"});
        });
        assert_eq!(place.refused("cleo's").await.0, 403, "nobody may register");
        assert_eq!(place.all_users().await.len(), 1);
        place.set_registers(true).await;
        let brought = [place.prepared(None, false, "cleo's").await, place.prepared(None, false, "cleo's").await];
        let both = futures_util::future::join_all(brought.map(|brought| place.finished(brought))).await;
        assert!(both.iter().all(|answer| answer["code"] == 0), "{both:?}");
        assert_eq!(both[0]["data"]["user"]["id"], both[1]["data"]["user"]["id"], "one account for two at once");
        let cleo = place.user("cleo").await;
        let told = (cleo.mail.as_str(), cleo.display_name.as_str(), cleo.state, cleo.is_admin());
        assert_eq!(told, ("cleo@example.org", "Cleo of Home", UserState::Active, false));
        // With a home to put something into.
        let token = both[0]["data"]["token"]["access_token"].as_str().unwrap();
        let made = json!({"uri": "cloudreve://my/docs", "type": "folder", "err_on_conflict": true});
        assert_eq!(place.call(Some(token), Method::POST, "/file/create", made).await["code"], 0);
        // No password opens it, and it stays somebody's.
        assert_eq!(place.call(Some(token), Method::GET, "/user/setting", Value::Null).await["data"]["passwordless"], true);
        assert_eq!(place.call(Some(token), Method::DELETE, "/session/openid/2", Value::Null).await["code"], 40084);
        for password in ["", "x", PASSWORD] {
            let mut jar = Jar::default();
            let tried = place.post(&mut jar, "/app/sign-in", &[("user", "cleo"), ("password", password)]).await;
            assert_eq!(tried.status(), 403);
        }
        // What the provider calls her by now changes nothing.
        place.there.says(|says| says.claims = json!({"email": ADMIN_MAIL, "email_verified": true, "name": "Admin"}));
        let again = place.finished(place.prepared(None, false, "cleo's").await).await;
        assert_eq!((&again["data"]["user"]["email"], place.all_users().await.len()), (&json!("cleo@example.org"), 2));
    }

    async fn no_name_or_address_that_a_provider_tells_opens_somebody_elses_account(backend: Backend) {
        let place = Place::new(&backend);
        place.set_registers(true).await;
        let taken = "There is an account with your mail address or name already. If it is yours, sign in with your \
                     password, and link it on the page Account.";
        place.there.says(|says| says.claims = json!({"email": "ADMIN@openshelf.local", "email_verified": true}));
        assert_eq!(place.refused("mallory's").await, (403, taken.to_owned()));
        assert_eq!(place.finished(place.prepared(None, false, "mallory's").await).await["code"], 40032);
        assert_eq!((place.all_users().await.len(), place.is_linked(ADMIN).await), (1, false));
        // An address that may be anybody's is taken for none, and a name that somebody has, or that is an address, neither.
        for (subject, claims) in [
            ("a", json!({"email": ADMIN_MAIL, "email_verified": false, "preferred_username": ADMIN})),
            ("b", json!({"email": ADMIN_MAIL, "preferred_username": "bob@example.org"})),
            ("c", json!({"preferred_username": "  Admin ", "name": "\u{0}"})),
        ] {
            place.there.says(|says| says.claims = claims);
            let signed_in = place.finished(place.prepared(None, false, subject).await).await;
            let mail = signed_in["data"]["user"]["email"].as_str().unwrap().to_owned();
            assert!(mail.ends_with("@openid.unmanaged"), "{mail}");
            assert_eq!(place.user(&mail).await.name, mail);
        }
        assert_eq!((place.all_users().await.len(), place.is_linked(ADMIN).await), (4, false));
    }

    async fn who_registered_with_an_address_and_never_showed_it_gives_way_to_its_owner(backend: Backend) {
        let place = Place::new(&backend);
        place.set_registers(true).await;
        let squatter = place.server.add_user("cleo");
        let key = squatter.key;
        let set_state = |state| place.server.app.db.write(move |tx| accounts::set_state(tx, key, state));
        set_state(UserState::Inactive).await.unwrap();
        let claims = |verified: bool| json!({"email": "Cleo@openshelf.local", "email_verified": verified});
        place.there.says(|says| says.claims = claims(false));
        assert_eq!(place.signs_in(&mut Jar::default(), "mallory's").await.status(), 303);
        assert_eq!(place.user("cleo").await.id, squatter.id, "it is not known to be theirs");
        place.there.says(|says| says.claims = claims(true));
        assert_eq!(place.signs_in(&mut Jar::default(), "cleo's").await.status(), 303);
        let cleo = place.user("cleo@openshelf.local").await;
        assert_ne!(cleo.id, squatter.id);
        assert_eq!((cleo.state, place.all_users().await.len()), (UserState::Active, 3));
    }

    async fn an_address_that_is_too_long_for_a_name_is_kept_all_the_same(backend: Backend) {
        let place = Place::new(&backend);
        place.set_registers(true).await;
        let mail = format!("dora@{}.example.org", "x".repeat(60));
        place.there.says(|says| says.claims = json!({"email": mail, "email_verified": true}));
        assert_eq!(place.signs_in(&mut Jar::default(), "dora's").await.status(), 303);
        let dora = place.user(&mail).await;
        assert_eq!((dora.mail.as_str(), dora.name.as_str(), dora.display_name.as_str()), (mail.as_str(), dora.id.as_str(), "dora"));
    }

    async fn who_somebody_is_may_be_told_at_the_providers_other_address(backend: Backend) {
        let place = Place::new(&backend);
        place.set_registers(true).await;
        let told = json!({"sub": "dora's", "email": "dora@example.org", "email_verified": true, "preferred_username": "dora"});
        place.there.says(|says| says.userinfo = Some(told));
        assert_eq!(place.refused("cleo's").await.0, 403, "it is about somebody else");
        assert_eq!(place.signs_in(&mut Jar::default(), "dora's").await.status(), 303);
        assert_eq!(place.user("dora").await.mail, "dora@example.org");
        assert_eq!(place.all_users().await.len(), 2);
        let asked = place.there.times_asked("/userinfo");
        assert_eq!(place.signs_in(&mut Jar::default(), "dora's").await.status(), 303);
        assert_eq!(place.there.times_asked("/userinfo"), asked, "it is asked about nobody who is known");
    }
}

// The program ---------------------------------------------------------------------------------------------------------

fn program(folder: &TempDir, there: &There) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_openshelf"));
    let data = folder.path().join("data");
    program.env_clear().env("HOME", folder.path()).env("OPENSHELF_DATA", data).env("OPENSHELF_LISTEN", "127.0.0.1:0");
    program.env("OPENSHELF_ADMIN_PASSWORD", PASSWORD).env("OPENSHELF_LOG", "trace");
    program.args(["--openid-issuer", &there.stand_in.url, "--openid-client-id", CLIENT_ID]);
    program.env("OPENSHELF_OPENID_SECRET", SECRET).env("OPENSHELF_OPENID_NAME", NAME);
    program
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_programs_log_tells_no_secret_and_its_doctor_that_the_provider_answers() {
    let (folder, there) = (TempDir::new().unwrap(), There::start());
    there.says(|says| says.userinfo = Some(json!({"sub": "ann's"})));
    let log = folder.path().join("log");
    let mut serves = program(&folder, &there);
    let mut server = serves.arg("serve").stdout(Stdio::piped()).stderr(File::create(&log).unwrap()).spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let url = ready.trim().rsplit(' ').next().unwrap().to_owned();
    let client = crate::server::http().build().unwrap();

    let mut secrets = vec![SECRET.to_owned(), encoded(SECRET), ACCESS.to_owned(), "eyJ".to_owned()];
    let login = json!({"email": ADMIN, "password": PASSWORD});
    let signed_in = call(&client, &url, None, Method::POST, "/session/token", login).await;
    let token = signed_in["data"]["token"]["access_token"].as_str().unwrap();
    for (token, subject, code) in [(Some(token), "ann's", 0), (None, "ann's", 0), (None, "bob's", 40068)] {
        let wish = json!({"provider": 2, "linking": token.is_some()});
        let begun = call(&client, &url, token, Method::PUT, "/session/openid", wish).await;
        let address = begun["data"].as_str().unwrap();
        let back = there.signs_in(address, subject);
        let (given, state) = (parameter(&back, "code").unwrap(), parameter(&back, "state").unwrap());
        secrets.extend([given.clone(), encoded(&given), state.clone(), parameter(address, "nonce").unwrap()]);
        let brought = json!({"code": given, "session_id": state, "provider_id": 2});
        let finished = call(&client, &url, None, Method::POST, "/session/openid", brought.clone()).await;
        assert_eq!(finished["code"], code, "{finished}");
        assert_eq!(call(&client, &url, None, Method::POST, "/session/openid", brought).await["code"], 40023);
    }
    let doctor = program(&folder, &there).arg("doctor").output().unwrap();
    let said = String::from_utf8(doctor.stdout).unwrap();
    assert!(said.contains(&format!("✓ OpenID provider: {} answers", there.stand_in.url)), "{said}");
    there.says(|says| says.document = Some(json!({"issuer": "https://auth.example.org"})));
    let doctor = program(&folder, &there).arg("doctor").output().unwrap();
    assert!(String::from_utf8(doctor.stdout).unwrap().contains("✗ OpenID provider"));
    there.says(|says| (says.document, says.shown) = (None, Some(json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}))));
    let doctor = program(&folder, &there).arg("doctor").output().unwrap();
    assert!(String::from_utf8(doctor.stdout).unwrap().contains("none of its keys is for an algorithm that is taken"));

    server.kill().unwrap();
    server.wait().unwrap();
    let logged = fs::read_to_string(log).unwrap();
    assert!(logged.contains("postSessionOpenid"), "{logged}");
    let told: Vec<&String> = secrets.iter().filter(|secret| logged.contains(secret.as_str())).collect();
    assert!(told.is_empty(), "{told:?}");
}
