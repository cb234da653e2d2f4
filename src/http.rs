//! Faces meet HTTP here: route tables become a router, a request becomes a [`Call`].
//!
//! Routes are data. The router, the names in the log and the tests that try every route with every wrong credential all
//! come from the same tables.

pub mod address;
pub mod deliver;
pub mod digest;
pub mod events;
pub mod fields;
mod receive;
pub mod send;
pub mod serve;

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{RawPathParams, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, any, on};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;

use crate::App;
use crate::error::{Error, Result};
use crate::share::visit::{Visitor, Wanted};
use crate::store::Asker;
use crate::work::purchases;
use address::{Connection, Origin};

/// Who may call a route; what the face's own authentication then enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone; gives away nothing of anybody's.
    Open,
    /// Whoever a share opens to, by its id in the path, address or token.
    Share,
    /// Signed in by the dialect's own credentials.
    User,
    Admin,
    /// Whoever holds an address that this server signed.
    Signed,
}

/// What every handler is to the router: one type, so that routing is compiled once and not for each of hundreds.
pub type Handler = fn(Call) -> BoxFuture<'static, Response>;

pub struct Route {
    /// The protocol's own name of the call; stands in the log in place of the address, which may hold secrets.
    pub name: &'static str,
    pub methods: &'static [Method],
    pub path: &'static str,
    pub access: Access,
    pub handler: Handler,
}

/// A route table and how browsers of other origins may use it.
pub struct Face {
    pub name: &'static str,
    pub routes: &'static [Route],
    pub cors: Cors,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cors {
    /// Pages of this server only.
    SameOrigin,
    /// Any page may call; credentials travel in headers or parameters, never in cookies.
    AnyOrigin,
}

/// One request on its way to a handler.
pub struct Call {
    pub app: Arc<App>,
    pub parts: Parts,
    /// A body may be sent between threads but not seen by two, and handlers lend their call across awaits.
    body: Mutex<Body>,
    /// Values of the path's `{names}`, decoded.
    pub path: Vec<(String, String)>,
    /// Where it came from and what links in the answer begin with.
    pub origin: Origin,
}

/// Forms and JSON bodies are at most this long.
pub const BODY_LIMIT_BYTES: usize = 10 * 1024 * 1024;
/// And come within this time: whoever sends a byte now and then would hold a connection for ever.
const BODY_TIMEOUT: Duration = Duration::from_secs(120);

/// A body of which not a byte comes for so long breaks off: an upload is resumed, and does not hold a connection.
const BODY_STALL: Duration = Duration::from_secs(60);

impl Call {
    /// A value of the route's path.
    pub fn path(&self, name: &str) -> &str {
        self.path.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }

    /// The token of `Authorization: Bearer`.
    pub fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header(header::AUTHORIZATION)?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    pub fn query(&self) -> &str {
        self.parts.uri.query().unwrap_or_default()
    }

    pub fn agent(&self) -> &str {
        self.header(header::USER_AGENT).unwrap_or_default()
    }

    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.parts
            .headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// The visitor as far as address, agent and a purchase ticket tell.
    pub fn guest(&self) -> Visitor {
        let mut visitor = Visitor::guest(self.origin.address, self.agent());
        visitor.paid_by = self.header("x-cr-purchase-ticket").and_then(purchases::hash_of);
        visitor
    }

    /// Which part of an item the request wants: all of it without a Range.
    pub fn wanted(&self) -> Wanted {
        if self.parts.method == Method::HEAD {
            return Wanted::Head;
        }
        let range = self.header(header::RANGE).and_then(|r| r.strip_prefix("bytes="));
        Wanted::From(range.and_then(|r| r.split(['-', ',']).next()?.trim().parse().ok()).unwrap_or(0))
    }

    /// The body, to be read as it comes; once.
    pub fn take_body(&mut self) -> Body {
        std::mem::take(self.body.get_mut().unwrap_or_else(PoisonError::into_inner))
    }

    /// The whole body, up to `limit_bytes`; a body that breaks off is an invalid one.
    pub async fn body_bytes(&mut self, limit_bytes: usize) -> Result<Vec<u8>> {
        whole(self.take_body(), limit_bytes, BODY_TIMEOUT).await
    }

    /// A JSON body, whatever its Content-Type calls it.
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T> {
        let bytes = self.body_bytes(BODY_LIMIT_BYTES).await?;
        // No text column holds a NUL, and no name or word has one.
        if bytes.windows(6).any(|part| part == br"\u0000") {
            return Err(Error::invalid("body", "it holds a NUL"));
        }
        serde_json::from_slice(&bytes).map_err(|error| Error::invalid("body", error.to_string()))
    }
}

async fn whole(body: Body, limit_bytes: usize, limit: Duration) -> Result<Vec<u8>> {
    use http_body_util::{BodyExt, LengthLimitError, Limited};
    match tokio::time::timeout(limit, Limited::new(body, limit_bytes).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes().to_vec()),
        Ok(Err(cause)) if cause.is::<LengthLimitError>() => {
            Err(Error::TooLarge { size_bytes: limit_bytes as u64 + 1, limit_bytes: limit_bytes as u64 })
        }
        Ok(Err(_)) => Err(Error::invalid("body", "it broke off")),
        Err(_) => Err(Error::invalid("body", "it took too long")),
    }
}

/// Turns an async handler into a [`Handler`]: `handle!(ping)`.
#[macro_export]
macro_rules! handle {
    ($handler:expr) => {
        |call| Box::pin(async move { axum::response::IntoResponse::into_response($handler(call).await) })
    };
}

async fn healthz(_: Call) -> &'static str {
    "ok\n"
}

static OWN: Face = Face {
    name: "server",
    routes: &[Route {
        name: "healthz",
        methods: &[Method::GET],
        path: "/healthz",
        access: Access::Open,
        handler: handle!(healthz),
    }],
    cors: Cors::SameOrigin,
};

/// All faces of the server. The only place that knows every dialect.
pub fn faces() -> Vec<&'static Face> {
    vec![
        &OWN,
        &crate::dialect::subsonic::FACE,
        &crate::dialect::cloudreve::FACE,
        &crate::dialect::mycloud::FACE,
        &crate::dialect::webdav::FACE,
        &crate::web::VISIT,
        &crate::web::SIGN_IN,
        &crate::web::DESK,
        &crate::web::KEYS,
        &crate::web::ACCOUNT,
        &crate::web::AUTHORIZE,
        &crate::web::DEVICES,
        &crate::web::MAIL_LINKS,
        &crate::web::OPENID,
        &crate::web::VISIT_UPLOADS,
        &crate::web::DESK_UPLOADS,
        &crate::web::INTERFACE,
    ]
}

/// A route's methods as the router knows them.
fn filter(route: &Route) -> Option<MethodFilter> {
    let known = route.methods.iter().map(|method| MethodFilter::try_from(method.clone()).ok());
    known.reduce(|all, one| Some(all?.or(one?))).flatten()
}

pub fn router(app: Arc<App>) -> Router {
    let mut router = Router::new();
    for face in faces() {
        // WebDAV's methods are none that the router knows: on paths with such, the table is asked for each.
        let mut beyond: BTreeMap<&str, Vec<&'static Route>> = BTreeMap::new();
        for route in face.routes.iter().filter(|route| filter(route).is_none()) {
            beyond.entry(route.path).or_default();
        }
        for route in face.routes {
            match (beyond.get_mut(route.path), filter(route)) {
                (None, Some(methods)) => {
                    let run = move |state, params, request| run(face, route, state, params, request);
                    router = router.route(route.path, on(methods, run));
                }
                (Some(routes), _) => routes.push(route),
                (None, None) => {}
            }
        }
        for (path, routes) in beyond {
            let run = move |state, params, request: Request<Body>| {
                let route = routes.iter().copied().find(|route| route.methods.contains(request.method()));
                async move {
                    match route {
                        Some(route) => run(face, route, state, params, request).await,
                        None => StatusCode::METHOD_NOT_ALLOWED.into_response(),
                    }
                }
            };
            router = router.route(path, any(run));
        }
        if face.cors == Cors::AnyOrigin {
            let mut paths: Vec<_> = face.routes.iter().map(|route| route.path).collect();
            paths.sort_unstable();
            paths.dedup();
            for path in paths {
                router = router.route(path, on(MethodFilter::OPTIONS, preflight));
            }
        }
    }
    router.fallback(otherwise).with_state(app)
}

/// What an address is that no row of any table has: the interface's, where there is one.
static OTHERWISE: Route = Route {
    name: "otherwise",
    methods: &[],
    path: "",
    access: Access::Open,
    handler: handle!(crate::web::interface::answer),
};

async fn otherwise(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    match app.interface {
        Some(_) => answered(&crate::web::INTERFACE, &OTHERWISE, app, Vec::new(), request).await,
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn run(
    face: &'static Face,
    route: &'static Route,
    State(app): State<Arc<App>>,
    params: Result<RawPathParams, axum::extract::rejection::RawPathParamsRejection>,
    request: Request<Body>,
) -> Response {
    let Ok(params) = params else { return StatusCode::BAD_REQUEST.into_response() };
    let path = params.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    answered(face, route, app, path, request).await
}

async fn answered(
    face: &'static Face,
    route: &'static Route,
    app: Arc<App>,
    path: Vec<(String, String)>,
    request: Request<Body>,
) -> Response {
    let began = Instant::now();
    let (parts, body) = request.into_parts();
    let method = parts.method.clone();
    let Some(connection) = parts.extensions.get::<Connection>() else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let origin = Origin::of(&app.config, *connection, &parts.headers);
    let address = origin.address;
    let body = Body::new(receive::Received::new(&parts.headers, body, BODY_STALL));
    let call = Call { app, parts, body: Mutex::new(body), path, origin };
    let asker = Asker::of_client(call.header("x-cr-client-id").map(|id| id.chars().take(64).collect()));
    let work = asker.about(async move { (route.handler)(call).await });
    let answer = AssertUnwindSafe(ToTheEnd(Some(Box::pin(work)))).catch_unwind().await;
    let mut response = answer.unwrap_or_else(|_| {
        tracing::error!(call = route.name, face = face.name, "handler panicked");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    });
    if face.cors == Cors::AnyOrigin {
        allow_any_origin(response.headers_mut());
    }
    tracing::info!(
        face = face.name,
        call = route.name,
        %method,
        status = response.status().as_u16(),
        ms = began.elapsed().as_millis() as u64,
        %address,
        "answered"
    );
    response
}

/// The work for a request, which goes on without its client: one who hangs up in the middle would leave behind what was
/// begun, such as a download that is leased and that nobody gives back.
struct ToTheEnd(Option<BoxFuture<'static, Response>>);

impl Future for ToTheEnd {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        let Some(mut work) = self.0.take() else { return Poll::Pending };
        // Work that panics is not taken up again.
        let response = work.as_mut().poll(cx);
        if response.is_pending() {
            self.0 = Some(work);
        }
        response
    }
}

impl Drop for ToTheEnd {
    fn drop(&mut self) {
        if let (Some(work), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}

/// Browsers ask before they send a header of their own. `Authorization` must be named, `*` does not cover it.
async fn preflight() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    allow_any_origin(headers);
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(
            "authorization, content-type, correlationid, x-correlation-id, x-activity-tag, x-cr-correlation-id, \
             x-cr-context-hint, x-cr-purchase-ticket, x-cr-client-id, x-share-password, range, if-match, if-none-match",
        ),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

fn allow_any_origin(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("location, etag, content-range, content-disposition, content-length"),
    );
}

/// Adds a header whose value is ours; one that cannot stand in a header is left out.
pub fn put_header(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// What a browser is to keep, and to bring along to a path: neither scripts nor forms of other sites get at it.
pub struct Cookie<'a> {
    pub name: &'a str,
    pub value: &'a str,
    /// As in addresses, with the deployment's prefix.
    pub path: &'a str,
    /// 0 ends one that was set.
    pub lasts_s: i64,
}

/// Beside those that the answer sets already.
pub fn set_cookie(call: &Call, response: &mut Response, cookie: &Cookie) {
    let Cookie { name, value, path, lasts_s } = cookie;
    let secure = if call.origin.is_secure() { "; Secure" } else { "" };
    // Lax: links on other sites lead to pages of ours, and a provider's page leads back.
    let text = format!("{name}={value}; Path={path}; Max-Age={lasts_s}; HttpOnly; SameSite=Lax{secure}");
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// Logs what a client must not see, once, at the face that answers it.
pub fn log_internal(call: &str, error: &Error) {
    if let Error::Internal(cause) = error {
        tracing::error!(call, cause, "internal error");
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};

    use super::*;

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        let begun = stream::iter([Ok::<_, std::io::Error>("user=")]);
        let body = Body::from_stream(begun.chain(stream::pending()));
        let answer = whole(body, BODY_LIMIT_BYTES, Duration::from_millis(20)).await;
        assert!(matches!(answer, Err(Error::Invalid { what: "body", .. })), "{answer:?}");
    }
}
