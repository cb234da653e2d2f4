//! Every route with every wrong credential: nothing of Ann's comes out, whatever is asked.
//!
//! The requests come from the route tables, so a route that is added without a sample fails here.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use futures_util::StreamExt;
use openshelf::http::{Access, Face, Route, faces};
use serde_json::json;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::server::PASSWORD;
use crate::world::ask::{Answer, Ask, Body};
use crate::world::samples::{TELLING, path_of, sample};
use crate::world::{
    Canary, OPEN_BYTES, Pass, SINGLE_BYTES, Target, World, an_address, basic, foreign, part, password_of, signed_in,
    subsonic_token, unsigned,
};

/// Requests under way at a time.
const AT_ONCE: usize = 16;
const CORRELATION: &str = "3f0c2a52-0b1e-4c57-9d0e-2b7d1f3a9c11";

// Wrong credentials ---------------------------------------------------------------------------------------------------

/// One way to come that opens nothing of Ann's.
#[derive(Clone)]
struct Wrong {
    name: String,
    puts: Vec<Put>,
}

#[derive(Clone)]
enum Put {
    Bearer(String),
    Cookie(&'static str, String),
    Query(&'static str, String),
    SharePassword(String),
    Basic(String, String),
}

impl Put {
    fn onto(&self, face: &str, mut ask: Ask) -> Ask {
        match self {
            Put::Bearer(token) => ask.header("authorization", &format!("Bearer {token}")),
            Put::Cookie(name, value) => ask.header("cookie", &format!("{name}={value}")),
            Put::Query(name, value) => match &mut ask.body {
                Body::Form(fields) if face == "subsonic" => {
                    fields.push(((*name).to_owned(), value.clone().into_bytes()));
                    ask
                }
                _ => ask.q(name, value),
            },
            Put::SharePassword(word) if face == "webdav" => ask.header("authorization", &basic("guest", word)),
            Put::SharePassword(word) => with_share_password(ask, word),
            Put::Basic(name, password) => ask.header("authorization", &basic(name, password)),
        }
    }
}

/// Wherever a share's password can stand.
fn with_share_password(mut ask: Ask, word: &str) -> Ask {
    let locked = |text: &str| text.replace("@share", &format!(":{word}@share"));
    for (_, value) in &mut ask.query {
        *value = locked(&String::from_utf8_lossy(value)).into_bytes();
    }
    if let Body::Json(body) = &mut ask.body {
        *body = serde_json::from_str(&locked(&body.to_string())).unwrap();
    }
    ask.q("password", word).header("x-share-password", word)
}

/// What does not fit at this face, and at this target.
fn wrong_credentials(world: &World, face: &Face, target: &Target) -> Vec<Wrong> {
    let mut all = Vec::new();
    let mut add = |name: &str, puts: Vec<Put>| all.push(Wrong { name: name.to_owned(), puts });
    let bearer = |token: &str| vec![Put::Bearer(token.to_owned())];
    let session = |value: &str| vec![Put::Cookie("openshelf-session", value.to_owned())];
    let is_page = matches!(face.name, "page" | "desk");
    let (ann, ended) = (&world.anns, &world.ended);

    add("nothing", Vec::new());
    add("a wrong share password", vec![Put::SharePassword("wrongWord9".to_owned())]);
    add("an empty bearer", bearer(""));
    add("a garbled bearer", bearer("not.a.token"));
    add("a token of a share that is open", bearer(world.open.token.as_ref().unwrap()));
    add("the cookie of a share that is open", vec![Put::Cookie("openshelf-visit", world.open.cookie.clone().unwrap())]);
    if let Some(token) = &target.token {
        add("the share's token of before", bearer(token));
    }
    if let Some(cookie) = &target.cookie {
        add("the share's cookie of before", vec![Put::Cookie("openshelf-visit", cookie.clone())]);
    }

    let mut tokens = |own: &str, refresh: &str, ended: &str| {
        add("an expired token", bearer(&world.resigned(own, |claims| claims["exp"] = json!(1_000_000_000))));
        add("a token that another installation signed", bearer(&foreign(own)));
        add("a token that nobody signed", bearer(&unsigned(own)));
        add("a token cut short", bearer(&own[..own.len() - 3]));
        add("a refresh token", bearer(refresh));
        add("a token of a session that ended", bearer(ended));
        add(
            "a token of a password that was changed",
            bearer(&world.resigned(own, |claims| claims["epoch"] = json!(0))),
        );
    };
    match face.name {
        "cloudreve" => tokens(&ann.cloudreve, &ann.cloudreve_refresh, &ended.cloudreve),
        "mycloud" => tokens(&ann.mycloud, &ann.mycloud_refresh, &ended.mycloud),
        _ => {}
    }
    if face.name == "mycloud" {
        // Players are given addresses: tokens count there as well.
        let mut in_address = |name: &str, token: &str| add(name, vec![Put::Query("access_token", token.to_owned())]);
        in_address("a token that another installation signed, in the address", &foreign(&ann.mycloud));
        in_address("a refresh token, in the address", &ann.mycloud_refresh);
        in_address("another user's token, in the address", &world.bobs.mycloud);
    }
    if face.name != "cloudreve" {
        add("her token of Cloudreve's door", bearer(&ann.cloudreve));
    }
    if face.name != "mycloud" {
        add("her token of My Cloud Home's door", bearer(&ann.mycloud));
    }
    if face.name != "subsonic" {
        add("her API key", bearer(&ann.api_key));
    }
    if is_page {
        let (id, _) = ann.page.split_once('.').unwrap();
        add("a session's id with another secret", session(&format!("{id}.{}", "x".repeat(22))));
        add("a session's id alone", session(id));
        add("a session that ended", session(&ended.page));
    } else {
        add("her cookie of the pages", session(&ann.page));
    }
    if face.name == "subsonic" {
        let mut sign_in = |name: &str, pairs: &[(&'static str, &str)]| {
            add(name, pairs.iter().map(|(key, value)| Put::Query(key, (*value).to_owned())).collect());
        };
        let (right, salt) = (password_of("ann"), "pepper");
        sign_in("a wrong password", &[("u", "ann"), ("p", "wrong horse")]);
        sign_in("an unknown user", &[("u", "nobody"), ("p", &right)]);
        sign_in("an empty password", &[("u", "ann"), ("p", "")]);
        sign_in("the token of an empty password", &[("u", "ann"), ("t", &subsonic_token("", salt)), ("s", salt)]);
        sign_in("a token of another salt", &[("u", "ann"), ("t", &subsonic_token(&right, salt)), ("s", "salt")]);
        sign_in("an unknown user's empty token", &[("u", "nobody"), ("t", &subsonic_token("", salt)), ("s", salt)]);
        sign_in("a revoked API key", &[("apiKey", &ended.api_key)]);
        sign_in("a garbled API key", &[("apiKey", "0123456789abcdefghijABCDEFGHIJ01")]);
        sign_in("an API key and a name", &[("u", "ann"), ("apiKey", &ann.api_key)]);
        sign_in("another user's key under her name", &[("u", "ann"), ("p", &world.bobs.api_key)]);
    }
    if face.name == "webdav" {
        let mut sign_in = |name: &str, login: &str, password: &str| {
            add(name, vec![Put::Basic(login.to_owned(), password.to_owned())]);
        };
        sign_in("a wrong password", "ann", "wrong horse");
        sign_in("an empty password", "ann", "");
        sign_in("an unknown user", "nobody", &password_of("ann"));
        sign_in("nobody's name", "", &password_of("ann"));
        sign_in("another user's password", "ann", PASSWORD);
        sign_in("her API key for a password", "ann", &ann.api_key);
        sign_in("another user's app account", "ann", &world.bobs_app);
        sign_in("an app account that was removed", "ann", &world.ended_app);
        sign_in("her app account under another name", "bob", &world.anns_app);
    }
    // Right ones, of somebody else. Cloudreve's cookies and tokens of a listed share are of this kind as well.
    for (name, pass) in [("another user", &world.bobs), ("the admin", &world.admins)] {
        add(name, of_user(face.name, pass));
    }
    all
}

fn of_user(face: &str, pass: &Pass) -> Vec<Put> {
    match face {
        "subsonic" => vec![Put::Query("u", pass.name.clone()), Put::Query("p", pass.password.clone())],
        "cloudreve" => vec![Put::Bearer(pass.cloudreve.clone())],
        "mycloud" => vec![Put::Bearer(pass.mycloud.clone())],
        "webdav" => vec![Put::Basic(pass.name.clone(), pass.password.clone())],
        _ => vec![Put::Cookie("openshelf-session", pass.page.clone())],
    }
}

// The log -------------------------------------------------------------------------------------------------------------

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

/// All that this test process logs, the server's own words down to the least.
fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        let filter = EnvFilter::new("info,openshelf=trace");
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(log.clone()).init();
        log
    })
}

// The matrix ----------------------------------------------------------------------------------------------------------

/// What the answer holds that it should not.
fn leaks<'a>(canaries: &'a [Canary], ask: &Ask, target: &Target, answer: &Answer) -> Vec<&'a Canary> {
    let all = answer.all();
    let found: Vec<&Canary> = canaries.iter().filter(|canary| all.contains(&canary.word)).collect();
    // What an answer only repeats, and what the share's holder may know.
    let said = if found.is_empty() { String::new() } else { ask.says() };
    found.into_iter().filter(|canary| !said.contains(&canary.word) && !target.allowed.contains(&canary.word)).collect()
}

/// The targets that a route is tried with: those that take no share have nothing but Ann's own.
fn targets<'a>(world: &'a World, nobodys: &'a Target, face: &Face, route: &Route) -> Vec<&'a Target> {
    if route.access != Access::Share {
        return vec![nobodys];
    }
    let mut all: Vec<&Target> = world.targets.iter().collect();
    if face.name == "cloudreve" && !route.name.starts_with("getShareInfo") {
        all.push(nobodys);
    }
    all
}

fn is_first(world: &World, target: &Target) -> bool {
    world.targets.first().is_some_and(|first| first.name == target.name)
}

fn each_route() -> impl Iterator<Item = (&'static Face, &'static Route)> {
    faces().into_iter().flat_map(|face| face.routes.iter().map(move |route| (face, route)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_route_gives_anything_away_to_a_wrong_credential() {
    let log = log();
    let world = World::build().await;
    let nobodys = Target { name: "Ann's own", ..Target::default() };
    let mut asks = Vec::new();
    let mut wrongs: BTreeMap<(&str, &str), Vec<Wrong>> = BTreeMap::new();
    for (face, route) in each_route() {
        for target in targets(&world, &nobodys, face, route) {
            let wrongs =
                wrongs.entry((face.name, target.name)).or_insert_with(|| wrong_credentials(&world, face, target));
            let blank = sample(&world.things, target, face, route);
            let blank =
                blank.unwrap_or_else(|| panic!("{} {} has no sample in tests/world/samples.rs", face.name, route.name));
            // A call that names no share differs between shares only in what their visitors carried away.
            let names_it = target.share.is_empty() || blank.says().contains(&target.share);
            for wrong in
                wrongs.iter().filter(|wrong| names_it || wrong.name.ends_with("of before") || is_first(&world, target))
            {
                let ask = wrong.puts.iter().fold(blank.clone(), |ask, put| put.onto(face.name, ask));
                asks.push((face, route, target, wrong.name.clone(), ask));
            }
            asks.extend(
                signed(&world, face, route, target, &blank)
                    .into_iter()
                    .map(|(name, ask)| (face, route, target, name, ask)),
            );
        }
    }
    assert!(asks.len() > 2000, "only {} requests: the matrix is not what it was", asks.len());

    let (client, canaries) = (&world.client, &world.canaries);
    let failures: Vec<String> = futures_util::stream::iter(&asks)
        .map(|(face, route, target, wrong, ask)| async move {
            let answer = client.send(ask).await;
            let mut found = Vec::new();
            let what = format!(
                "{} {} {} [{}] with {wrong}: {}",
                face.name, ask.method, route.path, target.name, answer.status
            );
            if answer.status >= 500 {
                found.push(format!("{what}: {:.200}", answer.text()));
            }
            for canary in leaks(canaries, ask, target, &answer) {
                // Accounts are what admins manage; what lies in them is not.
                if wrong == "the admin" && canary.what == "mail address" {
                    continue;
                }
                found.push(format!("{what} shows the {}", canary.what));
            }
            found
        })
        .buffer_unordered(AT_ONCE)
        .flat_map(futures_util::stream::iter)
        .collect()
        .await;
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), asks.len(), summary(&failures));

    the_matrix_would_see_it(&world, &nobodys).await;
    nothing_changed_hands(&world).await;

    let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(logged.contains("answered"), "the log is not heard");
    let told: BTreeSet<_> =
        world.secrets.iter().filter(|secret| logged.contains(&secret.word)).map(|s| &s.what).collect();
    let line = |what: &str| {
        let secret = world.secrets.iter().find(|secret| secret.what == what && logged.contains(&secret.word)).unwrap();
        logged.lines().find(|line| line.contains(&secret.word)).unwrap_or_default().to_owned()
    };
    assert!(
        told.is_empty(),
        "the log tells secrets: {:#?}",
        told.iter().map(|what| (what, line(what))).collect::<Vec<_>>()
    );
}

/// Many failures of one cause are one line.
fn summary(failures: &[String]) -> String {
    let mut lines: Vec<_> = failures.iter().take(60).cloned().collect();
    lines.sort();
    lines.join("\n")
}

/// Signed addresses: without a signature, with another's, and with one of before.
fn signed(world: &World, face: &Face, route: &Route, target: &Target, blank: &Ask) -> Vec<(String, Ask)> {
    if face.name != "cloudreve"
        || !route.name.ends_with("FileContent")
        || route.access != Access::Signed
        || !target.share.is_empty()
    {
        return Vec::new();
    }
    let mut asks = Vec::new();
    let mut unsigned = blank.clone();
    unsigned.query.clear();
    asks.push(("no signature".to_owned(), unsigned.clone()));
    let sign = |target: &Target| target.signed.as_ref().and_then(|url| url.split("sign=").nth(1)).map(str::to_owned);
    let open = sign(&world.open).unwrap();
    asks.push(("the signature of another file".to_owned(), unsigned.clone().q("sign", &open)));
    asks.push(("a token for a signature".to_owned(), unsigned.clone().q("sign", &world.anns.cloudreve)));
    for target in &world.targets {
        if let Some(sign) = sign(target) {
            asks.push((format!("the signature of a share that is {}", target.name), unsigned.clone().q("sign", &sign)));
        }
    }
    asks
}

/// With the right credentials the same requests show canaries: what the matrix looks for is there to be found.
async fn the_matrix_would_see_it(world: &World, nobodys: &Target) {
    let mut silent = Vec::new();
    let mut told = BTreeSet::new();
    for (face, route) in each_route().filter(|(face, route)| TELLING.contains(&(face.name, route.name))) {
        let ask = world.as_ann(face.name, sample(&world.things, nobodys, face, route).unwrap());
        let answer = world.client.send(&ask).await;
        match leaks(&world.canaries, &ask, nobodys, &answer).is_empty() {
            true => silent.push(format!("{} {}: {} {:.200}", face.name, route.path, answer.status, answer.text())),
            false => drop(told.insert((face.name, route.name))),
        }
    }
    assert!(silent.is_empty(), "right credentials show nothing either:\n{}", silent.join("\n"));
    let missing: Vec<_> = TELLING.iter().filter(|row| !told.contains(*row)).collect();
    assert!(missing.is_empty(), "no such routes: {missing:?}");
}

/// After all those calls Ann still has what she had.
async fn nothing_changed_hands(world: &World) {
    let file = world.home.join(&world.things.folder_name).join(&world.things.file_name);
    let bytes = world.canaries.iter().find(|canary| canary.what == "bytes of a file").unwrap();
    assert_eq!(std::fs::read_to_string(file).unwrap(), bytes.word);
    let ask = world.as_ann("subsonic", Ask::get("/rest/getShares").q("f", "json"));
    let shares = world.client.send(&ask).await.text();
    assert!(shares.contains(&world.things.share), "her share is gone: {shares}");
    let keys = world.client.send(&world.as_ann("desk", Ask::get("/app/keys"))).await.text();
    assert!(keys.contains(&world.things.key), "her API key is gone");
}

// Dead shares look alike ----------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_expired_used_up_and_revoked_shares_look_alike() {
    let world = World::build().await;
    let gone: Vec<&Target> = world.targets.iter().filter(|target| target.is_gone).collect();
    assert!(gone.len() >= 5);
    let mut different = Vec::new();
    let mut tried = 0;
    for (face, route) in each_route().filter(|(_, route)| route.access == Access::Share) {
        let credentials = [
            ("nothing", Vec::new()),
            ("a wrong password", vec![Put::SharePassword("wrongWord9".to_owned())]),
            ("the password of before", vec![Put::SharePassword("oldShareWord7".to_owned())]),
            ("another user", of_user(face.name, &world.bobs)),
        ];
        for (name, puts) in credentials {
            let mut looks: BTreeMap<String, Vec<&str>> = BTreeMap::new();
            for target in &gone {
                let ask =
                    sample(&world.things, target, face, route).unwrap().header("x-cr-correlation-id", CORRELATION);
                let ask = puts.iter().fold(ask, |ask, put| put.onto(face.name, ask));
                if !ask.says().contains(&target.share) {
                    // A call that names its share by the token that it comes with.
                    continue;
                }
                let answer = world.client.send(&ask).await;
                looks.entry(look(&answer, target)).or_default().push(target.name);
                tried += 1;
            }
            if looks.len() > 1 {
                different.push(format!("{} {} with {name}: {looks:#?}", face.name, route.path));
            }
        }
    }
    assert!(tried > 300, "only {tried} answers compared");
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// The answer without what differs in any two: the moment, and the id that was asked for.
fn look(answer: &Answer, target: &Target) -> String {
    let headers: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| name != "date")
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    format!("{} {headers:?} {}", answer.status, answer.text()).replace(&target.share, "{id}")
}

// Signing in to OpenSubsonic ------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_subsonic_takes_no_half_of_a_sign_in() {
    let world = World::build().await;
    let right = password_of("ann");
    let hex: String = right.bytes().map(|byte| format!("{byte:02x}")).collect();
    let (encoded, wrongly_encoded) = (format!("enc:{hex}"), format!("enc:{hex}0"));
    let (t, t_empty, t_nobody) =
        (subsonic_token(&right, "salt1"), subsonic_token("", "salt1"), subsonic_token("x", "salt1"));
    let (key, dead) = (world.anns.api_key.clone(), world.ended.api_key.clone());
    let cases: &[(&[(&str, &str)], i64)] = &[
        (&[("u", "ann"), ("p", &right)], 0),
        (&[("u", "ANN"), ("p", &right)], 0),
        (&[("u", &world.ann.mail), ("p", &right)], 0),
        (&[("u", "ann"), ("p", &encoded)], 0),
        (&[("u", "ann"), ("t", &t), ("s", "salt1")], 0),
        (&[("u", "ann"), ("t", &t.to_uppercase()), ("s", "salt1")], 0),
        (&[("u", "ann"), ("p", &key)], 0),
        (&[("apiKey", &key)], 0),
        (&[], 10),
        (&[("u", "ann")], 10),
        (&[("p", &right)], 10),
        (&[("u", ""), ("p", "")], 10),
        (&[("u", "ann"), ("p", "")], 10),
        (&[("u", "ann"), ("t", &t)], 10),
        (&[("u", "ann"), ("s", "salt1")], 10),
        (&[("t", &t), ("s", "salt1")], 10),
        (&[("u", "ann"), ("t", ""), ("s", "")], 10),
        (&[("u", "ann"), ("p", "wrong horse")], 40),
        (&[("u", "ann"), ("p", "enc:")], 40),
        (&[("u", "ann"), ("p", &wrongly_encoded)], 40),
        (&[("u", "nobody"), ("p", &right)], 40),
        (&[("u", "nobody"), ("p", "enc:")], 40),
        (&[("u", "ann"), ("t", &t_empty), ("s", "salt1")], 40),
        (&[("u", "nobody"), ("t", &t_empty), ("s", "salt1")], 40),
        (&[("u", "nobody"), ("t", &t_nobody), ("s", "salt1")], 40),
        (&[("u", "ann"), ("t", &t), ("s", "salt2")], 40),
        (&[("u", "bob"), ("t", &t), ("s", "salt1")], 40),
        (&[("u", "bob"), ("p", &key)], 40),
        (&[("u", "ann"), ("p", &right), ("t", &t), ("s", "salt1")], 43),
        (&[("apiKey", &key), ("u", "ann")], 43),
        (&[("apiKey", &key), ("u", "ann"), ("p", &right)], 43),
        (&[("apiKey", &dead)], 44),
        (&[("apiKey", "x")], 44),
    ];
    let mut wrong = Vec::new();
    for (pairs, expected) in cases {
        for method in ["GET", "POST"] {
            let mut ask = Ask::new(method, "/rest/ping.view");
            let fields: Vec<_> =
                [("v", "1.16.1"), ("c", "test"), ("f", "json")].iter().chain(*pairs).copied().collect();
            ask = match method {
                "GET" => fields.iter().fold(ask, |ask, (name, value)| ask.q(name, value)),
                _ => ask.form(&fields),
            };
            let answer = world.client.send(&ask).await;
            let body = &answer.json()["subsonic-response"];
            let code = body["error"]["code"].as_i64().unwrap_or(0);
            let is_ok = body["status"] == "ok";
            if answer.status != 200 || code != *expected || is_ok != (*expected == 0) {
                wrong.push(format!("{method} {pairs:?}: {code} and not {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// A missing claim is a refusal ----------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_lacks_a_claim_opens_nothing() {
    let world = World::build().await;
    let doors = [
        ("/api/v4/user/me", &world.anns.cloudreve, &["token_type", "sub", "sid", "gen", "epoch", "exp", "nbf"][..]),
        ("/authrouter/userinfo", &world.anns.mycloud, &["sid", "gen", "epoch", "exp", "use"][..]),
    ];
    for (path, token, claims) in doors {
        let signs_in = async |token: &str| {
            let answer = world.client.send(&Ask::get(path).header("authorization", &format!("Bearer {token}"))).await;
            answer.text().contains(&world.ann.mail)
        };
        assert!(signs_in(&world.resigned(token, |_| ())).await, "{path}: the whole token is good");
        for claim in claims {
            let poorer = world.resigned(token, |all| drop(all.as_object_mut().unwrap().remove(*claim)));
            assert!(!signs_in(&poorer).await, "{path} does without {claim}");
        }
    }
    let token = world.open.token.as_ref().unwrap();
    let path = format!("/sdk/v2/filesSearch/parents?ids={}", folder_of(&world, &["pub"]).await);
    let opens = async |token: &str| {
        let answer = world.client.send(&Ask::get(&path).header("authorization", &format!("Bearer {token}"))).await;
        answer.status == 200
    };
    assert!(opens(&world.resigned(token, |_| ())).await);
    for claim in ["jti", "share", "epoch", "customClaims", "exp"] {
        let poorer = world.resigned(token, |all| drop(all.as_object_mut().unwrap().remove(claim)));
        assert!(!opens(&poorer).await, "a share's token does without {claim}");
    }
}

/// The id of a folder or file in Ann's home, as her own listing tells it.
async fn folder_of(world: &World, path: &[&str]) -> String {
    let mut id = "root".to_owned();
    for name in path {
        let ask = Ask::get("/sdk/v2/filesSearch/parentAndName").q("parentID", &id).q("name", name);
        let found = world.client.send(&world.as_ann("mycloud", ask)).await.json();
        id = found["id"].as_str().unwrap_or_else(|| panic!("{name}: {found}")).to_owned();
    }
    id
}

// Siblings of what is shared ------------------------------------------------------------------------------------------

/// Paths that lead nowhere in a share of `pub`, though one step beside it there is something.
const ODD_PATHS: &[&str] = &[
    "..",
    "../",
    "../pub-secret",
    "../pub-secret/",
    "../public",
    "../pub2",
    "..%2fpub-secret",
    "..%2Fpub-secret%2F",
    "%2e%2e/pub-secret",
    "%2e%2e%2fpub-secret",
    "%252e%252e%252fpub-secret",
    "./../pub-secret",
    ".//../pub-secret",
    "/../pub-secret",
    "//pub-secret",
    "///pub-secret",
    "/pub-secret",
    "pub-secret",
    "-secret",
    "..\\pub-secret",
    "..%5cpub-secret",
    "inner/../../pub-secret",
    "inner/..",
    "inner/../..",
    "open.txt/..",
    "open.txt/../../pub-secret",
    "..;/pub-secret",
    "..%00/pub-secret",
    "%2e%2e%00",
    "\u{ff0e}\u{ff0e}/pub-secret",
    "..%c0%afpub-secret",
    "%c0%ae%c0%ae/pub-secret",
    "~",
    "~/",
    ".",
    "./.",
    "...",
    "..../pub-secret",
    "OPEN.TXT",
    "Open.txt",
    "open.txt.",
    "open.txt/",
    "open.txt%20",
    "open.txt%00",
    "open.txt%00.png",
    "open.txt::$DATA",
    "INNER",
    "inner.",
    "inner%20",
    "o%CC%81pen.txt",
    "%EF%BD%8Fpen.txt",
    "*",
    "?",
    "open.tx?",
    "o*",
    ".openshelf",
    ".git",
    "file:///etc/passwd",
    "C:\\",
    "C:",
    "CON",
    "%2fetc%2fpasswd",
    "/etc/passwd",
    "../../../../etc/passwd",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_beside_a_share_is_reached_through_it() {
    let world = World::build().await;
    let open = world.open.share.clone();
    let secret_folder = folder_of(&world, &["pub-secret"]).await;
    let secret_file = {
        let ask = Ask::get("/sdk/v2/filesSearch/parents").q("ids", &secret_folder);
        let found = world.client.send(&world.as_ann("mycloud", ask)).await.json();
        found["files"][0]["id"].as_str().unwrap().to_owned()
    };
    let secret_name = {
        let found =
            world.client.send(&world.as_ann("mycloud", Ask::get(&format!("/sdk/v2/files/{secret_file}")))).await.json();
        found["name"].as_str().unwrap().to_owned()
    };
    let home = folder_of(&world, &[]).await;
    let open_file = folder_of(&world, &["pub", "open.txt"]).await;
    let single_file = folder_of(&world, &["pub", "single.txt"]).await;
    let (shared_folder, inner) = (folder_of(&world, &["pub"]).await, folder_of(&world, &["pub", "inner"]).await);

    let by_token =
        |ask: Ask, target: &Target| ask.header("authorization", &format!("Bearer {}", target.token.as_ref().unwrap()));
    let mut asks: Vec<(Ask, &Target)> = Vec::new();
    let outside = [&secret_folder, &secret_file, &world.things.folder, &world.things.file, &world.things.song, &home];
    for (target, id) in [(&world.open, &open), (&world.single, &world.single.share)] {
        let beside: Vec<&String> = match target.name {
            "single" => outside.iter().copied().chain([&open_file, &shared_folder, &inner]).collect(),
            _ => outside.to_vec(),
        };
        for item in beside {
            for kind in ["file", "play", "thumb", "cover"] {
                asks.push((Ask::get(&format!("/s/{id}/-/{kind}/{item}")).q("download", "1"), target));
            }
            asks.push((Ask::get(&format!("/s/{id}")).q("in", item), target));
            asks.push((Ask::get(&format!("/s/{id}/-/zip")).q("in", item), target));
            for path in [
                format!("/sdk/v2/files/{item}"),
                format!("/sdk/v2/files/{item}/content"),
                format!("/sdk/v3/files/{item}/content"),
            ] {
                asks.push((by_token(Ask::get(&path), target), target));
            }
            asks.push((by_token(Ask::get("/sdk/v2/filesSearch/parents").q("ids", item), target), target));
            asks.push((by_token(Ask::get("/sdk/v1/filesZip").q("ids", item), target), target));
            for name in [&secret_name, &world.things.file_name, "..", "open.txt", "inner"] {
                let ask = Ask::get("/sdk/v2/filesSearch/parentAndName").q("parentID", item).q("name", name);
                asks.push((by_token(ask, target), target));
            }
            asks.push((by_token(Ask::get("/sdk/v2/filesSearch/text").q("q", "Canary"), target), target));
        }
        let names = ["pub-secret", "public", "pub2", secret_name.as_str()];
        for odd in ODD_PATHS.iter().copied().chain(names) {
            for tail in ["", "/", &format!("/{secret_name}")] {
                for uri in
                    [format!("cloudreve://{id}@share/{odd}{tail}"), format!("cloudreve://{id}@share//{odd}{tail}")]
                {
                    asks.push((Ask::get("/api/v4/file").q("uri", &uri), target));
                    asks.push((Ask::get("/api/v4/file/info").q("uri", &uri), target));
                    asks.push((Ask::post("/api/v4/file/url").json(json!({"uris": [uri], "download": true})), target));
                }
            }
            asks.push((Ask::get(&format!("/s/{id}")).q("in", odd), target));
            asks.push((Ask::get(&format!("/s/{id}/-/zip")).q("in", odd), target));
            asks.push((Ask::get(&format!("/s/{id}/-/file/{}", part(odd))), target));
            let parent = if target.name == "single" { &single_file } else { &shared_folder };
            let ask = Ask::get("/sdk/v2/filesSearch/parentAndName").q("parentID", parent).q("name", odd);
            asks.push((by_token(ask, target), target));
            asks.push((by_token(Ask::get(&format!("/sdk/v2/files/{}/content", part(odd))), target), target));
        }
    }
    let (client, canaries) = (&world.client, &world.canaries);
    let failures: Vec<String> = futures_util::stream::iter(&asks)
        .map(|(ask, target)| async move {
            let answer = client.send(ask).await;
            let what = format!(
                "{} {} [{}]: {}",
                ask.method,
                ask.says().lines().nth(1).unwrap_or_default(),
                target.name,
                answer.status
            );
            let mut found: Vec<_> = leaks(canaries, ask, target, &answer)
                .iter()
                .map(|canary| format!("{what} shows the {}", canary.what))
                .collect();
            if answer.status >= 500 {
                found.push(what.clone());
            }
            if target.name == "single" && answer.text().contains(OPEN_BYTES) {
                found.push(format!("{what} gives the file beside the shared one"));
            }
            if answer.text().contains("root:x:0") {
                found.push(format!("{what} gives a file of the system"));
            }
            found
        })
        .buffer_unordered(AT_ONCE)
        .flat_map(futures_util::stream::iter)
        .collect()
        .await;
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), asks.len(), summary(&failures));

    // And what is shared is there, at each door, so that the test above asks in the right way.
    let zip = client.send(&Ask::get(&format!("/s/{open}/-/zip"))).await;
    for bytes in [OPEN_BYTES, SINGLE_BYTES, "below"] {
        assert!(zip.text().contains(bytes), "the archive lacks {bytes:?}");
    }
    let page = client.send(&Ask::get(&format!("/s/{open}/-/file/{open_file}"))).await;
    assert_eq!(page.text(), OPEN_BYTES);
    let device = client.send(&by_token(Ask::get(&format!("/sdk/v2/files/{open_file}/content")), &world.open)).await;
    assert_eq!(device.text(), OPEN_BYTES);
    let drive = client.send(&Ask::get(world.open.signed.as_ref().unwrap())).await;
    assert_eq!(drive.text(), OPEN_BYTES);
    let single = client.send(&Ask::get(world.single.signed.as_ref().unwrap())).await;
    assert_eq!(single.text(), SINGLE_BYTES);
    assert!(
        client.send(&Ask::get(&format!("/s/{}/-/file/{single_file}", world.single.share))).await.text() == SINGLE_BYTES
    );
}

// Posts from elsewhere ------------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_refuse_what_another_site_posts() {
    let world = World::build().await;
    let nobodys = Target { share: world.open.share.clone(), ..Target::default() };
    let elsewhere: [&[(&str, &str)]; 5] = [
        &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")],
        &[("sec-fetch-site", "same-site"), ("origin", "https://evil.example")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
    ];
    let state = async || {
        let shares = world.client.send(&world.as_ann("desk", Ask::get("/app/shares"))).await.text();
        let keys = world.client.send(&world.as_ann("desk", Ask::get("/app/keys"))).await.text();
        (shares, keys)
    };
    let before = state().await;
    let mut posts = 0;
    for (face, route) in each_route().filter(|(face, _)| matches!(face.name, "page" | "desk")) {
        if route.methods.iter().all(|method| *method == "GET" || *method == "HEAD") {
            continue;
        }
        for headers in elsewhere {
            let ask = world.as_ann(face.name, sample(&world.things, &nobodys, face, route).unwrap());
            let ask = headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value));
            let answer = world.client.send(&ask).await;
            assert_eq!(answer.status, 403, "{} with {headers:?}", route.path);
            assert_eq!(answer.header("set-cookie"), None, "{} with {headers:?}", route.path);
            posts += 1;
        }
    }
    assert!(posts >= 5 * 8, "only {posts} posts tried");
    assert!(state().await == before, "a post from elsewhere changed something");

    let form = Ask::post("/app/sign-in").form(&[("user", "ann"), ("password", &password_of("ann"))]);
    let signed_in = world.client.send(&form.header("origin", &format!("http://{}", world.client.address()))).await;
    let cookie = signed_in.header("set-cookie").expect("our own page's post is taken").to_lowercase();
    assert!(
        cookie.contains("httponly") && cookie.contains("samesite=lax") || cookie.contains("samesite=strict"),
        "{cookie}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sign_in_page_leads_nowhere_else() {
    let world = World::build().await;
    for next in [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/app/\r\nx: y",
        "/app//evil.example",
        "javascript:alert(1)",
        "/app/../../x",
        "/app/%2E./../x",
        "/app/\t/evil.example",
    ] {
        let form =
            Ask::post("/app/sign-in").form(&[("user", "ann"), ("password", &password_of("ann")), ("next", next)]);
        let answer = world.client.send(&form).await;
        let location = answer.header("location").unwrap_or_default();
        assert!(
            location.starts_with("/app/")
                && !location.contains("evil")
                && !location.contains("..")
                && !location.contains("%2E"),
            "{next:?} leads to {location:?}"
        );
    }
}

// One door's way is not another's -------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_tried_no_faster_at_one_door_than_at_another() {
    let world = World::build().await;
    let address = an_address();
    let wrong = async |n: usize| {
        let ask = match n % 3 {
            0 => Ask::post("/app/sign-in").form(&[("user", "ann"), ("password", "wrong horse")]),
            1 => Ask::post("/api/v4/session/token").json(json!({"email": "ann", "password": "wrong horse"})),
            _ => Ask::post("/authrouter/oauth/ro").json(json!({"username": "ann", "password": "wrong horse"})),
        };
        world.client.send(&ask.header("x-forwarded-for", &address)).await;
    };
    for n in 0..6 {
        wrong(n).await;
    }
    let right = |face: &str| match face {
        "subsonic" => signed_in("subsonic", Ask::get("/rest/ping").q("f", "json"), &world.anns),
        "cloudreve" => {
            Ask::post("/api/v4/session/token").json(json!({"email": "ann", "password": world.anns.password}))
        }
        "mycloud" => {
            Ask::post("/authrouter/oauth/ro").json(json!({"username": "ann", "password": world.anns.password}))
        }
        _ => Ask::post("/app/sign-in").form(&[("user", "ann"), ("password", &world.anns.password)]),
    };
    // A fresh password would have to wait everywhere; this one is known to be right, so only wrong ones wait.
    let ask = Ask::get("/rest/ping").q("u", "ann").q("p", "another wrong one").q("f", "json");
    let answer = world.client.send(&ask.header("x-forwarded-for", &address)).await.text();
    assert!(answer.contains("Too many") || answer.contains("again"), "OpenSubsonic's door counts for itself: {answer}");
    for face in ["subsonic", "cloudreve", "mycloud", "page"] {
        let answer = world.client.send(&right(face)).await;
        assert!(answer.status < 400, "{face}: another address is locked out");
    }
}

// Every route has its row ---------------------------------------------------------------------------------------------

#[test]
fn every_route_has_a_sample() {
    let target = Target::default();
    let things = crate::world::Things::default();
    let missing: Vec<_> = each_route()
        .filter(|(face, route)| sample(&things, &target, face, route).is_none())
        .map(|(face, route)| format!("{} {}", face.name, route.name))
        .collect();
    assert!(missing.is_empty(), "add rows to tests/world/samples.rs for {missing:#?}");
    let stranger = Face { name: "stranger", routes: &[], cors: openshelf::http::Cors::SameOrigin };
    let (_, route) = each_route().next().unwrap();
    assert!(sample(&things, &target, &stranger, route).is_none(), "a face without rows has no samples");
    assert_eq!(path_of("/s/{id}/-/x", &[("id", "a/b".to_owned())]), "/s/a%2Fb/-/x");
}
