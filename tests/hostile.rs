//! Bad input at every route: the door's own error comes back, nothing changes, and the server goes on.
//!
//! Each route's sample is bent in every way below, with the right credentials: what is refused is refused for itself.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use futures_util::StreamExt;
use openshelf::http::{Access, Face, Route, faces};
use openshelf::share::{Door, Shared, Wish};
use openshelf::store::library;
use openshelf::work::sharing;
use rusqlite::types::ValueRef;
use serde_json::{Value, json};

use crate::fixture::Fixture;
use crate::world::ask::{Answer, Ask, Body};
use crate::world::samples::sample;
use crate::world::{Target, World, an_address};

const AT_ONCE: usize = 16;
const MEGABYTE: usize = 1024 * 1024;

// Bending a request ---------------------------------------------------------------------------------------------------

/// Values that no parameter takes, or not where they stand.
fn odd_values(huge: usize) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("empty", Vec::new()),
        ("a word", b"abc".to_vec()),
        ("a negative number", b"-1".to_vec()),
        ("a number beyond 64 bits", b"99999999999999999999999".to_vec()),
        ("no number", b"NaN".to_vec()),
        ("long ago", b"1".to_vec()),
        ("no UTF-8", b"\xff\xfe".to_vec()),
        ("half a surrogate pair", b"\xed\xa0\x80".to_vec()),
        ("a NUL", b"a\0b".to_vec()),
        ("an id of nothing", b"f0123456789abcdef".to_vec()),
        ("a path", b"../../../etc/passwd".to_vec()),
        ("line breaks", b"a\r\nSet-Cookie: evil=1".to_vec()),
        ("markup", b"<script>alert(1)</script>&'\"".to_vec()),
        ("right-to-left and emoji", "\u{202e}\u{1f600}\u{0301}".as_bytes().to_vec()),
        ("huge", vec![b'x'; huge]),
    ]
}

fn odd_json() -> Vec<(&'static str, Value)> {
    vec![
        ("null", Value::Null),
        ("empty", json!("")),
        ("a word", json!("abc")),
        ("a negative number", json!(-1)),
        ("a number beyond 64 bits", json!(1e300)),
        ("a fraction", json!(0.5)),
        ("true", json!(true)),
        ("an empty list", json!([])),
        ("a list of lists", json!([[[]], 1, null])),
        ("an object", json!({"a": {"b": []}})),
        ("a NUL", json!("a\u{0}b")),
        ("an id of nothing", json!("f0123456789abcdef")),
        ("ids of nothing", json!(["f0123456789abcdef", "", "../.."])),
        ("a path", json!("cloudreve://my/../../etc/passwd")),
        ("markup", json!("<script>alert(1)</script>")),
        ("huge", json!("x".repeat(MEGABYTE))),
        ("ten thousand", json!(vec!["x"; 10_000])),
    ]
}

fn odd_bodies() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("no body", Vec::new()),
        ("half an object", b"{\"uri\": ".to_vec()),
        ("null", b"null".to_vec()),
        ("a list", b"[]".to_vec()),
        ("a text", b"\"x\"".to_vec()),
        ("no JSON", b"\xff\xfe\x00".to_vec()),
        ("half a surrogate pair", br#"{"uri": "\ud800", "name": "\udfff"}"#.to_vec()),
        ("deep JSON", [vec![b'['; 100_000], vec![b']'; 100_000]].concat()),
        ("deep objects", "{\"a\":".repeat(50_000).into_bytes()),
        ("twice the same field", br#"{"uri": "a", "uri": "b", "uris": 1, "uris": 2}"#.to_vec()),
    ]
}

const RANGES: [&str; 10] = [
    "bytes=99999999999999999999999-",
    "bytes=-99999999999999999999999",
    "bytes=5-1",
    "bytes=-",
    "bytes=",
    "bytes=a-b",
    "items=0-1",
    "bytes=0-18446744073709551615",
    "bytes=-0",
    "=0-",
];

/// The request in every bent form, each with what is odd about it.
fn bent(ask: &Ask, route: &Route, sends_bytes: bool) -> Vec<(String, Ask)> {
    let mut all = Vec::new();
    bend_fields(&ask.query, 24 * 1024, &mut all, |query| Ask { query, ..ask.clone() });
    if let Body::Form(form) = &ask.body {
        bend_fields(form, MEGABYTE, &mut all, |form| Ask { body: Body::Form(form), ..ask.clone() });
    }
    if let Body::Json(Value::Object(object)) = &ask.body {
        for (number, name) in object.keys().enumerate() {
            let mut with = |what: &str, change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
                let mut object = object.clone();
                change(&mut object);
                all.push((format!("{name} {what}"), Ask { body: Body::Json(Value::Object(object)), ..ask.clone() }));
            };
            with("missing", &|object| drop(object.remove(name)));
            // What is long is as long in any field.
            for (what, value) in odd_json().into_iter().filter(|(what, _)| number == 0 || *what != "huge") {
                with(what, &|object| drop(object.insert(name.clone(), value.clone())));
            }
        }
    }
    if matches!(ask.body, Body::Json(_) | Body::Bytes(..)) {
        for (what, bytes) in odd_bodies() {
            let kind = if let Body::Bytes(kind, _) = ask.body { kind } else { "application/json" };
            all.push((format!("body: {what}"), Ask { body: Body::Bytes(kind, bytes), ..ask.clone() }));
        }
        for kind in
            ["", "text/plain", "multipart/related", "multipart/form-data; boundary=", "application/xml; charset=utf-16"]
        {
            all.push((format!("content type {kind:?}"), ask.clone().header("content-type", kind)));
        }
    }
    for (number, (name, _)) in ask.parts.iter().enumerate().filter(|(_, (name, _))| route.path.contains(name)) {
        for (what, value) in odd_values(4 * 1024).into_iter().filter(|(_, value)| !value.is_empty()) {
            let odd = crate::world::ask::encode(&value);
            let mut parts = ask.parts.clone();
            parts[number].1 = "@".to_owned();
            let path = crate::world::samples::path_of(route.path, &parts).replace("%40", &odd);
            all.push((format!("{name} in the path {what}"), Ask { path, ..ask.clone() }));
        }
    }
    let ten_thousand: Vec<_> = (0..10_000).map(|_| ("id".to_owned(), Vec::new())).collect();
    all.push((
        "ten thousand parameters".to_owned(),
        Ask { query: [&ask.query[..], &ten_thousand].concat(), ..ask.clone() },
    ));
    let many = (0..1000).fold("bytes=".to_owned(), |many, n| format!("{many}{n}-{n},"));
    for range in RANGES.iter().copied().chain([many.as_str()]) {
        if sends_bytes {
            all.push((format!("Range: {range:.40}"), ask.clone().header("range", range)));
        }
    }
    all.push((
        "odd conditions".to_owned(),
        ask.clone().header("if-none-match", "*\"").header("if-range", "yesterday").header("if-modified-since", "0"),
    ));
    all.push((
        "an odd sign-in".to_owned(),
        ask.clone().header("authorization", "Negotiate ///").header("cookie", ";;=;a"),
    ));
    all
}

type Fields = Vec<(String, Vec<u8>)>;

fn bend_fields(fields: &Fields, huge: usize, all: &mut Vec<(String, Ask)>, with: impl Fn(Fields) -> Ask) {
    for (number, (name, value)) in fields.iter().enumerate() {
        // Who asks, and in what form the answer comes, is the samples' own business.
        if matches!(name.as_str(), "u" | "p" | "c") {
            continue;
        }
        let mut without = fields.clone();
        without.remove(number);
        all.push((format!("{name} missing"), with(without)));
        let mut twice = fields.clone();
        twice.insert(number, (name.clone(), b"another".to_vec()));
        twice.push((name.clone(), value.clone()));
        all.push((format!("{name} three times"), with(twice)));
        for (what, value) in odd_values(huge).into_iter().filter(|(what, _)| number == 0 || *what != "huge") {
            let mut odd = fields.clone();
            odd[number].1 = value;
            all.push((format!("{name} {what}"), with(odd)));
        }
    }
}

// What an answer may be -----------------------------------------------------------------------------------------------

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Outcome {
    Done,
    Refused,
}

/// What came of it; or why that is no answer of this door.
fn outcome(face: &Face, route: &Route, answer: &Answer) -> Result<Outcome, String> {
    let text = answer.text();
    if answer.status == 503 && answer.header("retry-after").is_some() {
        return Ok(Outcome::Refused);
    }
    if answer.status >= 500 {
        return Err(format!("a fault of ours: {text:.200}"));
    }
    // Before any door: the head was too long, or no such address.
    if matches!(answer.status, 414 | 431) || (matches!(answer.status, 404 | 405 | 400) && text.is_empty()) {
        return Ok(Outcome::Refused);
    }
    let bytes = matches!(answer.status, 206 | 304 | 416)
        || answer.header("accept-ranges").is_some()
        || answer.header("etag").is_some();
    match face.name {
        // Parts of a playlist are for players, which know statuses alone.
        "subsonic" if route.access == Access::Signed && answer.status == 404 => Ok(Outcome::Refused),
        "subsonic" => open_subsonic(answer, &text, bytes),
        "cloudreve" => cloudreve(answer, &text, bytes, route),
        "mycloud" => my_cloud_home(answer, &text),
        "webdav" => match answer.status {
            200..=399 => Ok(Outcome::Done),
            401 if answer.header("www-authenticate").is_none() => Err("it does not ask for a sign-in".to_owned()),
            _ => Ok(Outcome::Refused),
        },
        _ => match answer.status {
            // Uploads answer scripts.
            200 if text.starts_with('{') => Ok(Outcome::Done),
            _ if text.starts_with(r#"{"error":"#) => Ok(Outcome::Refused),
            // A form comes back with what is wrong in it; a new key is shown at once, and only then.
            200 if route.methods[0] == "POST" && route.name != "makeKey" => Ok(Outcome::Refused),
            200..=399 => Ok(Outcome::Done),
            _ if bytes => Ok(Outcome::Refused),
            _ if answer.header("x-content-type-options") == Some("nosniff") && text.contains("<html") => {
                Ok(Outcome::Refused)
            }
            _ => Err(format!("no page: {text:.200}")),
        },
    }
}

const SUBSONIC_CODES: [i64; 12] = [0, 10, 20, 30, 40, 41, 42, 43, 44, 50, 60, 70];

fn open_subsonic(answer: &Answer, text: &str, bytes: bool) -> Result<Outcome, String> {
    if bytes {
        return Ok(if answer.status == 416 { Outcome::Refused } else { Outcome::Done });
    }
    let kind = answer.header("content-type").unwrap_or_default();
    if answer.status == 200
        && (["image/", "audio/", "application/octet-stream", "application/vnd.apple.mpegurl"].iter())
            .any(|binary| kind.starts_with(binary))
    {
        return Ok(Outcome::Done);
    }
    if answer.status != 200 {
        return Err(format!("an envelope comes with 200: {text:.200}"));
    }
    if kind.starts_with("text/xml") || kind.starts_with("application/xml") {
        let has = |what: &str| text.contains(what);
        return match (
            has("<subsonic-response"),
            has("status=\"ok\""),
            has("status=\"failed\"") && has("<error code=\""),
        ) {
            (true, true, false) => Ok(Outcome::Done),
            (true, false, true) => Ok(Outcome::Refused),
            _ => Err(format!("no envelope: {text:.200}")),
        };
    }
    let body: Value = serde_json::from_str(text).map_err(|_| format!("no envelope: {text:.200}"))?;
    let envelope = &body["subsonic-response"];
    match (envelope["status"].as_str(), envelope["error"]["code"].as_i64()) {
        (Some("ok"), None) => Ok(Outcome::Done),
        (Some("failed"), Some(code)) if SUBSONIC_CODES.contains(&code) && envelope["error"]["message"].is_string() => {
            Ok(Outcome::Refused)
        }
        _ => Err(format!("no envelope: {text:.200}")),
    }
}

fn cloudreve(answer: &Answer, text: &str, bytes: bool, route: &Route) -> Result<Outcome, String> {
    if bytes || answer.status == 302 {
        return Ok(if answer.status == 416 { Outcome::Refused } else { Outcome::Done });
    }
    // An app asks for its tokens in OAuth's own words, without the envelope.
    if matches!(route.name, "postSessionOauthToken" | "getSessionOauthUserinfo") {
        let body: Value = serde_json::from_str(text).map_err(|_| format!("no JSON: {text:.200}"))?;
        return match (answer.status, body["error"].is_string(), body["code"].as_i64()) {
            (200, false, None) => Ok(Outcome::Done),
            (400, true, None) | (200, _, Some(_)) => Ok(Outcome::Refused),
            _ => Err(format!("neither OAuth nor an envelope: {text:.200}")),
        };
    }
    // Addresses that are opened without a client have a status of their own.
    let fits = answer.status == 200 || route.access == Access::Signed || route.name == "unknown";
    if route.methods[0] == "HEAD" && fits {
        return Ok(if answer.status < 400 { Outcome::Done } else { Outcome::Refused });
    }
    let body: Value = serde_json::from_str(text).map_err(|_| format!("no envelope: {text:.200}"))?;
    match (fits, body["code"].as_i64(), body["msg"].is_string()) {
        (true, Some(0), true) => Ok(Outcome::Done),
        (true, Some(_), true) if body["correlation_id"].is_string() => Ok(Outcome::Refused),
        _ => Err(format!("no envelope: {text:.200}")),
    }
}

fn my_cloud_home(answer: &Answer, text: &str) -> Result<Outcome, String> {
    if answer.status < 400 {
        return Ok(Outcome::Done);
    }
    if answer.status == 416 || answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
        return Ok(Outcome::Refused);
    }
    let body: Value = serde_json::from_str(text).map_err(|_| format!("no JSON: {text:.200}"))?;
    let is_one = body["key"].is_string() || body["error"]["label"].is_string() || body["error"].is_string();
    if is_one { Ok(Outcome::Refused) } else { Err(format!("no error of this door's: {text:.200}")) }
}

// What may not change -------------------------------------------------------------------------------------------------

/// Looks at the rows and files from outside, as they are committed.
struct Watch {
    rows: rusqlite::Connection,
    home: std::path::PathBuf,
    version: i64,
    seen: String,
}

/// Tables and what of them counts: not what a refused visit is noted in.
const WATCHED: &[(&str, &[&str])] = &[
    ("account", &[]),
    ("api_key", &["used_ms"]),
    ("rights", &[]),
    // Folders are touched by whatever happens in them, and the scan that follows writes that down.
    ("item", &["modified_ns", "size_bytes", "revision"]),
    ("playlist", &[]),
    ("playlist_entry", &[]),
    ("mark", &[]),
    ("share", &["views", "downloads", "visited_ms"]),
    ("share_item", &[]),
    ("direct_link", &["downloads"]),
    ("upload", &["received_bytes", "expires_ms"]),
    ("oauth_grant", &["used_ms"]),
    ("passkey", &["used_ms"]),
    ("preference", &[]),
];

impl Watch {
    fn new(world: &World) -> Watch {
        let rows = rusqlite::Connection::open(world.backend.file().unwrap()).unwrap();
        let mut watch = Watch { rows, home: world.home.clone(), version: -1, seen: String::new() };
        watch.changed();
        watch
    }

    /// What changed since it was asked last, with all that tasks did of what was asked for.
    fn changed(&mut self) -> Option<String> {
        const OPEN: &str = "SELECT COUNT(*) FROM task WHERE state IN ('queued', 'working')";
        while self.rows.query_row(OPEN, [], |row| row.get::<_, i64>(0)).unwrap() > 0 {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let version = self.rows.query_row("PRAGMA data_version", [], |row| row.get(0)).unwrap();
        let files = files(&self.home);
        if version == self.version && self.seen.ends_with(&files) {
            return None;
        }
        self.version = version;
        let now = self.dump() + &files;
        if now == self.seen {
            return None;
        }
        let before = std::mem::replace(&mut self.seen, now);
        let (old, new): (Vec<_>, Vec<_>) = (before.lines().collect(), self.seen.lines().collect());
        let gone = old.iter().filter(|line| !new.contains(line)).map(|line| format!("- {line:.300}\n"));
        let come = new.iter().filter(|line| !old.contains(line)).map(|line| format!("+ {line:.300}\n"));
        Some(gone.chain(come).take(6).collect())
    }

    fn dump(&self) -> String {
        let mut lines = Vec::new();
        for (table, ignored) in WATCHED {
            let mut statement = self.rows.prepare(&format!("SELECT * FROM {table}")).unwrap();
            let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
            let mut rows = statement.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let mut dump = (*table).to_owned();
                for (number, name) in names.iter().enumerate().filter(|(_, name)| !ignored.contains(&name.as_str())) {
                    match row.get_ref(number).unwrap() {
                        ValueRef::Blob(bytes) => {
                            write!(dump, " {name}={}", String::from_utf8_lossy(bytes).escape_debug())
                        }
                        ValueRef::Text(text) => {
                            write!(dump, " {name}={}", String::from_utf8_lossy(text).escape_debug())
                        }
                        other => write!(dump, " {name}={other:?}"),
                    }
                    .unwrap();
                }
                lines.push(dump + "\n");
            }
        }
        lines.sort();
        lines.concat()
    }
}

fn files(home: &std::path::Path) -> String {
    let entries = walkdir::WalkDir::new(home)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| entry.file_name() != ".openshelf");
    let mut files = String::new();
    for entry in entries.filter_map(Result::ok).filter(|entry| entry.file_type().is_file()) {
        let content = std::fs::read(entry.path()).unwrap_or_default();
        writeln!(files, "file {} {}", entry.path().display(), content.escape_ascii()).unwrap();
    }
    files
}

// The table -----------------------------------------------------------------------------------------------------------

/// Each route once: of addresses that mean the same, the first.
fn routes() -> Vec<(&'static Face, &'static Route)> {
    let mut all: Vec<(&Face, &Route)> = Vec::new();
    for face in faces() {
        for route in face.routes {
            if !all.iter().any(|(f, r)| f.name == face.name && r.name == route.name) {
                all.push((face, route));
            }
        }
    }
    // What takes things away comes last, so that the others have something to be asked about.
    let takes_away = |name: &str| {
        ["delete", "move", "revoke", "signOut", "putContent", "putFileContent", "post"]
            .iter()
            .any(|start| name.starts_with(start))
    };
    all.sort_by_key(|(_, route)| takes_away(route.name));
    all
}

/// Calls that only read, whatever they are asked.
fn only_reads(face: &Face, route: &Route) -> bool {
    let by_name = [
        "get",
        "search",
        "head",
        "list",
        "sdk",
        "ping",
        "healthz",
        "asset",
        "userinfo",
        "authorize",
        "stream",
        "download",
        "propfind",
        "options",
    ];
    match face.name {
        "page" | "desk" => route.methods[0] == "GET",
        _ => by_name.iter().any(|start| route.name.starts_with(start)),
    }
}

fn right(world: &World, face: &Face, route: &Route) -> Ask {
    let target = Target { share: world.open.share.clone(), ..Target::default() };
    let nobodys = Target::default();
    let target = if face.name == "cloudreve" && route.name != "getShareInfo" { &nobodys } else { &target };
    world.as_ann(face.name, sample(&world.things, target, face, route).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_gets_the_doors_own_error_and_changes_nothing() {
    let world = World::build().await;
    let mut watch = Watch::new(&world);
    let mut failures = Vec::new();
    let (mut tried, mut refused) = (0, 0);
    for (face, route) in routes() {
        let ask = right(&world, face, route);
        let what = |odd: &str, answer: &Answer| {
            format!("{} {} {} with {odd}: {}", face.name, ask.method, route.path, answer.status)
        };
        let send = async |ask: &Ask| {
            // A head that is too long may be hung up on before all of it was read.
            let answer = world.client.try_send(ask).await;
            answer.unwrap_or(Answer { status: 431, headers: Vec::new(), body: Vec::new() })
        };
        let probe = send(&ask).await;
        watch.changed();
        let mut bends = bent(&ask, route, probe.header("accept-ranges").is_some());
        // Not offered: it is refused before it is read.
        if ["not available on this server", "feature is not"].iter().any(|words| probe.text().contains(words)) {
            bends.truncate(5);
        }
        if only_reads(face, route) {
            let answers: Vec<(String, Answer)> = futures_util::stream::iter(&bends)
                .map(|(odd, ask)| async move { (odd.clone(), send(ask).await) })
                .buffer_unordered(AT_ONCE)
                .collect()
                .await;
            for (odd, answer) in answers {
                match outcome(face, route, &answer) {
                    Err(why) => failures.push(format!("{}: {why}", what(&odd, &answer))),
                    Ok(outcome) => refused += usize::from(outcome == Outcome::Refused),
                }
                tried += 1;
            }
            if let Some(change) = watch.changed() {
                failures.push(format!("{} {} reads, but something changed:\n{change}", face.name, route.path));
            }
            continue;
        }
        for (odd, ask) in &bends {
            let answer = send(ask).await;
            let outcome = outcome(face, route, &answer);
            let change = watch.changed();
            match (outcome, change) {
                (Err(why), _) => failures.push(format!("{}: {why}", what(odd, &answer))),
                (Ok(Outcome::Refused), Some(change)) => {
                    failures.push(format!("{} is refused, but changed:\n{change}", what(odd, &answer)))
                }
                (Ok(outcome), _) => refused += usize::from(outcome == Outcome::Refused),
            }
            tried += 1;
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {tried}:\n{}",
        failures.len(),
        failures.iter().take(60).cloned().collect::<Vec<_>>().join("\n")
    );
    assert!(tried > 3000 && refused > tried / 4, "{tried} tried, {refused} refused: the requests are not bad enough");
    assert_eq!(world.client.send(&Ask::get("/healthz")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_breaks_off_changes_nothing() {
    let world = World::build().await;
    let mut watch = Watch::new(&world);
    let mut failures = Vec::new();
    let mut tried = 0;
    for (face, route) in routes() {
        let ask = right(&world, face, route);
        let (kind, body) = ask.body_bytes();
        if body.is_empty() || only_reads(face, route) {
            continue;
        }
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: {}\r\nX-Forwarded-For: {}\r\n",
            ask.method,
            ask.target(),
            world.client.address(),
            an_address()
        );
        for (name, value) in ask
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .chain(kind.map(|kind| ("content-type", kind)))
        {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        let half = &body[..body.len() / 2];
        let chunked = [format!("{:x}\r\n", half.len()).as_bytes(), half, b"\r\n"].concat();
        let bad_chunk = [b"zz\r\n", half].concat();
        for (framing, sent) in [
            (format!("content-length: {}\r\n", body.len()), half.to_vec()),
            ("transfer-encoding: chunked\r\n".to_owned(), chunked),
            ("transfer-encoding: chunked\r\n".to_owned(), bad_chunk),
        ] {
            let request = [format!("{head}{framing}\r\n").as_bytes(), &sent[..]].concat();
            let answer = tokio::task::block_in_place(|| hang_up_after(world.client.address(), &request));
            if answer.starts_with("HTTP/1.1 5") {
                failures.push(format!("{} {} with {framing:?}: {answer:.200}", face.name, route.path));
            }
            // What came of an upload that can be resumed is kept.
            let is_kept = |change: &String| {
                route.name == "postFileResumable" && change.lines().all(|line| line.starts_with("+ upload "))
            };
            if let Some(change) = watch.changed().filter(|change| !is_kept(change)) {
                failures.push(format!("{} {} with {framing:?} changed:\n{change}", face.name, route.path));
            }
            tried += 1;
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(tried > 100, "only {tried} bodies broken off");
    assert_eq!(world.client.send(&Ask::get("/healthz")).await.status, 200);
}

/// Sends that much and no more, and reads what comes until the server has closed.
fn hang_up_after(address: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // The server may have closed already; then there is nothing to send to.
    if stream.write_all(request).is_ok() {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_methods_and_requests_are_refused() {
    let world = World::build().await;
    let mut watch = Watch::new(&world);
    let mut failures = Vec::new();
    for (face, route) in routes() {
        let right = right(&world, face, route);
        let odd = ["BREW", "TRACE", "PROPFIND", "LOCK", "MOVE"];
        // The others are WebDAV's own.
        for method in if face.name == "webdav" { &odd[..2] } else { &odd[..] } {
            let answer = world.client.send(&Ask { method: (*method).to_owned(), ..right.clone() }).await;
            if !matches!(answer.status, 404 | 405) {
                failures.push(format!("{method} {}: {}", right.path, answer.status));
            }
        }
    }
    for request in [
        "GET / HTTP/9.9\r\n\r\n",
        "GET\r\n\r\n",
        "\r\n\r\n\r\n",
        "GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET http://evil.example/ HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /app/sign-in HTTP/1.1\r\n\r\n",
        "GET /app/sign-in HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /app/sign-in HTTP/1.1\r\nHost: \"><script>\r\n\r\n",
        "POST /app/sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "POST /app/sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "POST /app/sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /app/sign-in HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        "GET /%zz%%%00 HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /s/%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n",
        "CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let answer = tokio::task::block_in_place(|| hang_up_after(world.client.address(), request.as_bytes()));
        if answer.starts_with("HTTP/1.1 5") || answer.contains("<script>") || answer.contains("root:x:0") {
            failures.push(format!("{request:?}: {answer:.200}"));
        }
    }
    failures.extend(watch.changed());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(world.client.send(&Ask::get("/healthz")).await.status, 200);
}

// What visitors' browsers are given -----------------------------------------------------------------------------------

const MARKUP: &str = "<img src=x onerror=alert(1)>";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn markup_in_names_and_files_stays_text() {
    let world = World::build().await;
    let fixture = Fixture { root: world.home.clone() };
    let names = [
        format!("{MARKUP}.txt"),
        "page.html".to_owned(),
        "picture.svg".to_owned(),
        "feed.xml".to_owned(),
        "x\r\nSet-Cookie: evil=1.txt".to_owned(),
        "a\"; b=\u{202e}.xhtml".to_owned(),
    ];
    for name in &names {
        fixture.write(&format!("odd/{name}"), b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>");
    }
    let owner = world.ann.clone();
    let home = world.server.app.db.read({
        let key = owner.key;
        move |tx| library::home_of(tx, key)
    });
    let home = home.await.unwrap().unwrap();
    tokio::task::block_in_place(|| world.server.scan(&home));
    let (folder, items) = world
        .server
        .app
        .db
        .read(move |tx| {
            let root = library::root_item(tx, home.key)?;
            let folder = library::child_shown(tx, root.key, "odd")?.unwrap();
            let items = library::children(tx, folder.key)?;
            Ok((folder, items))
        })
        .await
        .unwrap();
    assert_eq!(items.len(), names.len());
    let wish = Wish {
        title: Some(format!("{MARKUP} title")),
        description: Some(format!("{MARKUP}\"' description")),
        ..Wish::default()
    };
    let app = world.server.app.clone();
    let share = tokio::spawn(async move {
        sharing::create(&app, &owner, Door::Page, vec![Shared::Item(folder.key)], wish).await.unwrap()
    });
    let share = share.await.unwrap();

    let pages = [
        Ask::get(&format!("/s/{}", share.id)),
        world.as_ann("desk", Ask::get("/app/shares")),
        world.as_ann("desk", Ask::get(&format!("/app/shares/{}", share.id))),
        world.as_ann("desk", Ask::get(&format!("/app/shares/{}/revoke", share.id))),
        world.as_ann("desk", Ask::get("/app/files").q("in", &folder.id)),
        world.as_ann("desk", Ask::get("/app/shares/new").q("item", &items[0].id).q("item", &items[1].id)),
        Ask::get("/app/sign-in").q("next", "/app/\"><script>alert(1)</script>"),
        Ask::post("/app/sign-in").form(&[("user", "\"><script>alert(1)</script>"), ("password", "x")]),
        Ask::get(&format!("/s/{}", share.id)).q("in", "\"><script>alert(1)</script>"),
    ];
    for ask in pages {
        let answer = world.client.send(&ask).await;
        let text = answer.text();
        assert!(!text.contains("<img src=x") && !text.contains("<script>alert"), "{}: markup gets through", ask.path);
        let csp = answer.header("content-security-policy").unwrap_or_default();
        assert!(csp.contains("default-src 'none'") && !csp.contains("unsafe"), "{}: {csp:?}", ask.path);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{}", ask.path);
    }

    let token =
        world.client.send(&Ask::get(&format!("/shares/v1/shares/{}", share.id))).await.json()["data"]["shareToken"]
            .clone();
    let token = token.as_str().unwrap();
    for item in &items {
        let urls = json!({"uris": [format!("cloudreve://{}@share/{}", share.id, crate::world::part(&item.shown))]});
        let urls = world.client.send(&Ask::post("/api/v4/file/url").json(urls)).await.json();
        let signed = urls["data"]["urls"][0]["url"].as_str().unwrap_or_else(|| panic!("{urls}")).to_owned();
        let signed = signed.strip_prefix(&world.server.url).unwrap_or(&signed).to_owned();
        let asks = [
            Ask::get(&format!("/s/{}/-/file/{}", share.id, item.id)),
            Ask::get(&format!("/s/{}/-/file/{}?download=1", share.id, item.id)),
            Ask::get(&format!("/s/{}/-/play/{}", share.id, item.id)),
            Ask::get(&signed),
            Ask::get(&format!("/sdk/v2/files/{}/content?access_token={token}", item.id)),
            Ask::get(&format!("/sdk/v3/files/{}/content?download=true&access_token={token}", item.id)),
        ];
        for ask in asks {
            let answer = world.client.send(&ask).await;
            let what = format!("{:?} at {:.60}", item.shown, ask.path);
            assert_eq!(answer.status, 200, "{what}: {:.200}", answer.text());
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}");
            let csp = answer.header("content-security-policy").unwrap_or_default();
            assert!(csp.contains("sandbox"), "{what}: {csp:?}");
            let disposition = answer.header("content-disposition").unwrap_or_default();
            let is_text = item.shown.ends_with(".txt");
            assert!(is_text || disposition.starts_with("attachment"), "{what}: {disposition:?}");
            assert_eq!(answer.header("set-cookie"), None, "{what}: a name became a header");
            assert!(!disposition.contains(['\r', '\n']), "{what}");
        }
    }
}
