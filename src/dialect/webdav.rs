//! WebDAV, classes 1 and 2: what file managers, rclone and office programs mount.
//!
//! Reference: RFC 4918, 4331 (quota). `/dav` is the caller's own tree, by Basic: name or mail address, and the password of
//! an app account or their own. `/s/{share id}/-/dav` is what a share holds, for anyone, or by the share's password, whatever
//! the name beside it; a drop box takes files there and shows nothing.
//!
//! Where this server differs on purpose: `Depth: infinity` is refused to PROPFIND; what is deleted or overwritten by COPY and
//! MOVE goes to the trash; a copied folder takes its own notes (dead properties) along, not those of what is in it; locks
//! end within the hour unless they are renewed; hidden files, Finder's `._` among them, are refused.

mod change;
mod conditions;
mod locks;
mod path;
mod propfind;
mod props;
mod tree;
mod xml;

use std::sync::LazyLock;

use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, Result, Thing};
use crate::http::send::Disposition;
use crate::http::{Access, Call, Cors, Face, Handler, Route, deliver, log_internal, put_header};
use crate::share::grant::Action;
use crate::work::look;
use tree::{Mount, Node, Tree};

/// Bodies in XML are at most this long.
const XML_LIMIT_BYTES: usize = 256 * 1024;

// Failures ------------------------------------------------------------------------------------------------------------

pub type Outcome = Result<Response, Failure>;

#[derive(Debug)]
pub enum Failure {
    Of(Error),
    /// With the name of the condition that does not hold, as RFC 4918 calls it.
    Status(StatusCode, Option<&'static str>),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Of(error)
    }
}

impl From<StatusCode> for Failure {
    fn from(status: StatusCode) -> Failure {
        Failure::Status(status, None)
    }
}

pub fn status_of(error: &Error) -> StatusCode {
    match error {
        // Names that are refused: clients try again what they were told is a bad request.
        Error::Invalid { what: "file name" | "target", .. } => StatusCode::FORBIDDEN,
        Error::Missing(_) | Error::Invalid { .. } => StatusCode::BAD_REQUEST,
        Error::NotFound(_) => StatusCode::NOT_FOUND,
        Error::SignInNeeded | Error::WrongCredentials | Error::ShareLocked => StatusCode::UNAUTHORIZED,
        Error::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::PurchaseNeeded { .. } => StatusCode::PAYMENT_REQUIRED,
        Error::Forbidden(_) | Error::NotEnoughPoints => StatusCode::FORBIDDEN,
        Error::Exists(_) | Error::Conflict(Thing::Version) => StatusCode::PRECONDITION_FAILED,
        Error::Conflict(_) => StatusCode::CONFLICT,
        Error::Locked(_) => StatusCode::LOCKED,
        Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Error::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
        // Not a 5xx: clients would try those again and again.
        Error::Unsupported(_) => StatusCode::FORBIDDEN,
        Error::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl Failure {
    fn answer(&self, call: &'static str) -> Response {
        let (status, condition) = match self {
            Failure::Of(error) => {
                log_internal(call, error);
                let condition = if let Error::Locked(_) = error { Some("lock-token-submitted") } else { None };
                (status_of(error), condition)
            }
            Failure::Status(status, condition) => (*status, *condition),
        };
        let mut response = match condition {
            Some(name) => xml_answer(status, format!("<D:error xmlns:D=\"DAV:\"><D:{name}/></D:error>").into()),
            None => status.into_response(),
        };
        match self {
            Failure::Of(Error::Throttled { retry_after_s }) => {
                put_header(&mut response, header::RETRY_AFTER, &retry_after_s.to_string());
            }
            Failure::Of(Error::Busy) => put_header(&mut response, header::RETRY_AFTER, "1"),
            _ => {}
        }
        if status == StatusCode::UNAUTHORIZED {
            let asks = "Basic realm=\"Openshelf\", charset=\"UTF-8\"";
            put_header(&mut response, header::WWW_AUTHENTICATE, asks);
        }
        if status == StatusCode::METHOD_NOT_ALLOWED {
            put_header(&mut response, header::ALLOW, ALLOWED);
        }
        response
    }
}

fn xml_answer(status: StatusCode, body: Body) -> Response {
    let declaration =
        futures_util::stream::iter([Ok::<_, axum::Error>("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n".into())]);
    let body = futures_util::StreamExt::chain(declaration, body.into_data_stream());
    let mut response = Response::new(Body::from_stream(body));
    *response.status_mut() = status;
    put_header(&mut response, header::CONTENT_TYPE, "application/xml; charset=utf-8");
    put_header(&mut response, header::CACHE_CONTROL, "private, no-cache");
    put_header(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    response
}

// Calls ---------------------------------------------------------------------------------------------------------------

/// Name and password of `Authorization: Basic`.
fn basic(call: &Call) -> Option<(String, String)> {
    let (scheme, encoded) = call.header(header::AUTHORIZATION)?.split_once(' ')?;
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':').filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    (!text.contains('\0')).then(|| (name.to_owned(), password.to_owned()))
}

async fn run<F>(name: &'static str, call: Call, handler: impl FnOnce(Call, Mount) -> F) -> Response
where
    F: Future<Output = Outcome>,
{
    let outcome = match Mount::of(&call).await {
        Ok(mount) => handler(call, mount).await,
        Err(failure) => Err(failure),
    };
    outcome.unwrap_or_else(|failure| failure.answer(name))
}

const ALLOWED: &str = "OPTIONS, GET, HEAD, PUT, DELETE, MKCOL, COPY, MOVE, PROPFIND, PROPPATCH, LOCK, UNLOCK";

/// What is spoken here. Asked before anybody signs in; Windows takes no server for one of these without the last header.
async fn options(_: Call) -> Response {
    let mut response = StatusCode::OK.into_response();
    for (name, value) in [("dav", "1, 2"), ("ms-author-via", "DAV"), ("allow", ALLOWED), ("content-length", "0")] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn get(call: Call, mount: Mount) -> Outcome {
    let Node::Item(item) = mount.node(&call.app, Action::See).await? else {
        return Err(StatusCode::METHOD_NOT_ALLOWED.into());
    };
    if item.is_folder() {
        return Err(StatusCode::METHOD_NOT_ALLOWED.into());
    }
    let grant = match &mount.tree {
        Tree::Own { user, .. } => look::own(&call.app, user, &mount.visitor, &item.id, Action::Download).await?,
        Tree::Share { id, .. } => {
            look::fetch(&call.app, id, &mount.visitor, &item.id, Action::Download, call.wanted()).await?
        }
    };
    Ok(deliver::file(&call, grant, Disposition::Inline).await?)
}

// Routes --------------------------------------------------------------------------------------------------------------

const OWN_PATHS: [&str; 3] = ["/dav/{*path}", "/dav", "/dav/"];
const SHARE_PATHS: [&str; 3] = ["/s/{id}/-/dav/{*path}", "/s/{id}/-/dav", "/s/{id}/-/dav/"];

macro_rules! calls {
    ($($name:literal $method:literal $handler:path;)*) => {
        [$(($name, $method, (|call| Box::pin(run($name, call, $handler))) as Handler)),*]
    };
}

/// Every method at every path; the methods of its own are none that could stand in a constant.
pub static FACE: LazyLock<Face> = LazyLock::new(|| {
    let calls = calls! {
        "get" "GET" get;
        "head" "HEAD" get;
        "put" "PUT" change::put;
        "delete" "DELETE" change::delete;
        "mkcol" "MKCOL" change::mkcol;
        "copy" "COPY" change::copy;
        "move" "MOVE" change::relocate;
        "propfind" "PROPFIND" propfind::propfind;
        "proppatch" "PROPPATCH" props::proppatch;
        "lock" "LOCK" locks::lock;
        "unlock" "UNLOCK" locks::unlock;
    };
    let method = |name: &str| -> &'static [Method] {
        let method = Method::from_bytes(name.as_bytes()).expect("the names above are methods");
        Box::leak(Box::new([method]))
    };
    let mut routes = Vec::new();
    for (paths, access, suffix) in [(OWN_PATHS, Access::User, ""), (SHARE_PATHS, Access::Share, "InShare")] {
        let named = |name: &str| -> &'static str { format!("{name}{suffix}").leak() };
        for path in paths {
            let open: Handler = |call| Box::pin(options(call));
            let (name, methods) = (named("options"), method("OPTIONS"));
            routes.push(Route { name, methods, path, access: Access::Open, handler: open });
            for (name, says, handler) in calls {
                routes.push(Route { name: named(name), methods: method(says), path, access, handler });
            }
        }
    }
    Face { name: "webdav", routes: routes.leak(), cors: Cors::SameOrigin }
});
