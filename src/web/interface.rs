//! A build of Cloudreve's own interface, where the owner of this server put one in front (`--cloudreve-ui`).
//!
//! It takes all addresses that are nobody else's, as a page of one address does, and `/s/{id}`, which leads into it. What
//! stays ours: everything beneath `/s/{id}/-/` and `/app`, the dialects, and the pages of shares that take files, which that
//! interface could not show. Chat programs that fetch a link to draw a card get our own page of the share.

use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{assets, encoded, lead_within};
use crate::account::site::Site;
use crate::blob::{Root, on_disk};
use crate::error::{Error, Result, Thing};
use crate::http::fields::Fields;
use crate::http::send::{Content, Disposition, Source, Transfer, mime_of, respond};
use crate::http::{Call, Route, put_header};
use crate::share::visit::is_preview_crawler;
use crate::store::site;
use crate::work::look;

pub const ROUTES: &[Route] = routes! {
    Person {
        "manifest" GET "/manifest.json" Open manifest;
    }
};

/// First components of addresses that are never the interface's.
const OURS: [&str; 13] = [
    "action",
    "api",
    "app",
    "authrouter",
    "authservice",
    "config",
    "dav",
    "device",
    "f",
    "healthz",
    "rest",
    "s",
    "sdk",
];
const INDEX: &str = "index.html";
const LARGEST_INDEX_BYTES: u64 = 1 << 20;
const COLOUR: &str = "#1976d2";

/// The folder of the build. Nothing outside of it is reached, by no name and no link.
pub struct Interface(Arc<Root>);

impl Interface {
    /// Fails where there is no build.
    pub fn open(folder: &Path) -> Result<Interface> {
        let root = Root::open(folder)?;
        root.stat(&[INDEX])?;
        Ok(Interface(Arc::new(root)))
    }
}

/// What an address names in the build, if it could be a file there: no name with a dot in front, nothing that leads upwards.
fn names_of(path: &str) -> Option<Vec<String>> {
    let name = |part: &str| -> Option<String> {
        let name = percent_decode_str(part).decode_utf8().ok()?;
        let is_one = !name.starts_with('.') && !name.contains(['/', '\\', '\0']);
        is_one.then(|| name.into_owned())
    };
    path.split('/').filter(|part| !part.is_empty()).map(name).collect()
}

/// The answer to an address that is no route's.
pub async fn answer(call: Call) -> Response {
    let path = call.parts.uri.path().to_owned();
    let first = path.split('/').find(|part| !part.is_empty()).unwrap_or_default();
    let reads = matches!(call.parts.method, Method::GET | Method::HEAD);
    let Some(interface) = call.app.interface.as_ref().filter(|_| reads && !OURS.contains(&first)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if let Some(led) = lead_crawler(&call, &path) {
        return led;
    }
    let root = Arc::clone(&interface.0);
    let found = match names_of(&path).filter(|names| !names.is_empty() && names.as_slice() != [INDEX]) {
        Some(names) => file(&call, root, names).await,
        None => Err(Error::NotFound(Thing::File)),
    };
    match found {
        // A part of the build that is gone is not the page: a browser would run that as a script.
        Err(_) if first == "assets" => StatusCode::NOT_FOUND.into_response(),
        Err(_) => index(&call).await,
        Ok(response) => response,
    }
}

async fn file(call: &Call, root: Arc<Root>, names: Vec<String>) -> Result<Response> {
    let is_asset = names[0] == "assets";
    let name = names.last().cloned().unwrap_or_default();
    let (file, stat) = on_disk(move || root.open_with_stat(&names)).await?;
    let (id, cancelled) = call.app.transfers.begin(Vec::new(), Vec::new());
    let app = Arc::clone(&call.app);
    let transfer = Transfer::new(cancelled, move |_, _| app.transfers.end(id));
    let mime = mime_of(&name);
    let content = Content {
        source: Source::File(file),
        size_bytes: stat.size_bytes,
        modified_ms: Some(stat.modified_ms),
        etag: format!("{:x}-{:x}", stat.modified_ns, stat.size_bytes),
        name,
        mime: mime.to_owned(),
        disposition: Disposition::Inline,
    };
    let mut response = respond(&call.parts.method, &call.parts.headers, content, transfer);
    // What users bring is sent harmless; this is the owner's own program, and is to run.
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_DISPOSITION);
    headers.remove(header::CONTENT_SECURITY_POLICY);
    if headers.contains_key(header::CONTENT_TYPE) {
        let is_text = mime.starts_with("text/") || mime.ends_with("javascript") || mime.ends_with("json");
        let mime = if is_text { format!("{mime}; charset=utf-8") } else { mime.to_owned() };
        put_header(&mut response, header::CONTENT_TYPE, &mime);
    }
    let keeps = if is_asset { assets::CACHE_CONTROL } else { "no-cache" };
    put_header(&mut response, header::CACHE_CONTROL, keeps);
    Ok(response)
}

// The page ------------------------------------------------------------------------------------------------------------

/// The interface's one page, with what it leaves to its server filled in.
pub async fn index(call: &Call) -> Response {
    let Some(interface) = &call.app.interface else { return StatusCode::NOT_FOUND.into_response() };
    let text = match page_text(call, Arc::clone(&interface.0)).await {
        Ok(text) => text,
        Err(error) => {
            tracing::error!(%error, "the interface's page cannot be read");
            return StatusCode::NOT_FOUND.into_response();
        }
    };
    let policy = policy(&text);
    let mut response = Response::new(Body::from(text));
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CONTENT_SECURITY_POLICY, &policy),
    ] {
        put_header(&mut response, name, value);
    }
    response
}

async fn page_text(call: &Call, root: Arc<Root>) -> Result<String> {
    let site = call.app.db.recall("site", "", site::read).await?;
    let text = on_disk(move || {
        let (file, stat) = root.open_with_stat(&[INDEX])?;
        if stat.size_bytes > LARGEST_INDEX_BYTES {
            return Err(Error::TooLarge { size_bytes: stat.size_bytes, limit_bytes: LARGEST_INDEX_BYTES });
        }
        Ok(std::io::read_to_string(file)?)
    });
    Ok(filled(&text.await?, &site, call.origin.prefix()))
}

fn filled(text: &str, site: &Site, prefix: &str) -> String {
    let icon = escaped(&format!("{prefix}{}", assets::href("icon.svg")));
    [
        ("{siteName}", escaped(&site.title).as_str()),
        ("{siteDes}", escaped(&site.description).as_str()),
        ("{siteScript}", ""),
        ("{pwa_small_icon}", &icon),
        ("{pwa_medium_icon}", &icon),
        ("var(--defaultThemeColor)", COLOUR),
    ]
    .iter()
    .fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// Lets the interface run: its own scripts and those that stand in its page, by what they are; styles as its framework
/// writes them; players and editors in workers and blobs. No other site frames it, and none is sent anything.
fn policy(page: &str) -> String {
    let scripts: String = inline_scripts(page)
        .map(|script| format!(" 'sha256-{}'", STANDARD.encode(Sha256::digest(script.as_bytes()))))
        .collect();
    format!(
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval' blob:{scripts}; style-src 'self' 'unsafe-inline'; \
         img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self' blob: data:; \
         worker-src 'self' blob:; frame-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; \
         frame-ancestors 'self'"
    )
}

/// What stands between `<script>` and its end, where no address is named.
fn inline_scripts(page: &str) -> impl Iterator<Item = &str> {
    page.split("<script").skip(1).filter_map(|rest| {
        let (attributes, rest) = rest.split_once('>')?;
        let (script, _) = rest.split_once("</script")?;
        (!attributes.contains("src=") && !script.is_empty()).then_some(script)
    })
}

async fn manifest(call: Call) -> Result<Response> {
    if call.app.interface.is_none() {
        return Ok(StatusCode::NOT_FOUND.into_response());
    }
    let site = call.app.db.recall("site", "", site::read).await?;
    let prefix = call.origin.prefix();
    let icon = json!({"src": format!("{prefix}{}", assets::href("icon.svg")), "sizes": "any", "type": "image/svg+xml"});
    let manifest = json!({
        "short_name": site.title, "name": site.title, "description": site.description, "icons": [icon], "start_url": format!("{prefix}/home"), "display": "standalone",
        "theme_color": COLOUR, "background_color": "#ffffff",
    });
    let mut response = manifest.to_string().into_response();
    put_header(&mut response, header::CONTENT_TYPE, "application/manifest+json");
    put_header(&mut response, header::CACHE_CONTROL, "no-cache");
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

// Links ---------------------------------------------------------------------------------------------------------------

/// What `encodeURIComponent` encodes.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// From a share's link into the interface. `None` where our own page is the one to show.
pub async fn lead(call: &Call, password: Option<&str>) -> Option<Response> {
    call.app.interface.as_ref()?;
    if is_preview_crawler(call.agent()) || takes_files(call).await {
        return None;
    }
    let query = Fields::of_query(call).ok()?;
    let part = |text: &str| utf8_percent_encode(text, COMPONENT).to_string();
    let password = password.map(|word| format!(":{}", part(word))).unwrap_or_default();
    let mut uri = format!("cloudreve://{}{password}@share", part(call.path("id")));
    for name in query.get("path").unwrap_or_default().split('/').filter(|name| !name.is_empty()) {
        uri = format!("{uri}/{}", part(name));
    }
    let mut address = format!("{}/home?path={}", call.origin.prefix(), part(&uri));
    for (name, value) in query.values().filter(|(name, _)| *name != "path") {
        address.push_str(&format!("&{}={}", part(name), part(value)));
    }
    let mut response = StatusCode::FOUND.into_response();
    for (name, value) in [
        (header::LOCATION, address.as_str()),
        (header::CACHE_CONTROL, "private, no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        put_header(&mut response, name, value);
    }
    Some(response)
}

async fn takes_files(call: &Call) -> bool {
    let look = look::at(&call.app, call.path("id"), &call.guest()).await;
    look.is_ok_and(|look| look.facts.share.terms.mode.takes_files())
}

/// A chat program that was given the interface's own address of a share: our page of it has what a card is drawn from.
fn lead_crawler(call: &Call, path: &str) -> Option<Response> {
    if path != "/home" || !is_preview_crawler(call.agent()) {
        return None;
    }
    let query = Fields::of_query(call).ok()?;
    let (share, _) = query.get("path")?.strip_prefix("cloudreve://")?.split_once("@share")?;
    let id = share.split(':').next()?;
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_id.then(|| lead_within(call, &format!("/s/{}", encoded(id))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_elsewhere_is_none_of_the_build() {
        assert_eq!(names_of("/assets/a%20b.js"), Some(vec!["assets".to_owned(), "a b.js".to_owned()]));
        for path in
            ["/../x", "/%2e%2e/x", "/a/%2e%2e/x", "/a%2fb", "/a%5cb", "/.git/config", "/%00", "/%ff", "/a/..%2f"]
        {
            assert_eq!(names_of(path), None, "{path}");
        }
    }

    #[test]
    fn scripts_in_the_page_run_by_what_they_are() {
        let page = "<script>a</script><script type=\"module\" src=\"/assets/x.js\"></script><script></script>";
        assert_eq!(inline_scripts(page).collect::<Vec<_>>(), ["a"]);
        assert!(policy(page).contains("'sha256-ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs='"));
        assert!(!policy(page).contains("unsafe-eval'; style"), "no text becomes a script");
    }
}
