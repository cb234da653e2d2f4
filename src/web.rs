//! The pages that people see: a visitor's share, an owner's desk.
//!
//! `pages` are views: plain fields in, escaped HTML out; they know no store and no request. The others are the handlers
//! that fill them, all behind one wrapper ([`answer`]). Addresses all begin with a `base`, because the server may stand
//! beneath a path of a proxy.
//! Nothing inline, neither script nor style, so that [`CSP`] can refuse both.

/// A table of routes: for people who look at pages, or for scripts on these. A handler is an `async fn` from `Call` to
/// `Result<Response>`; where the access is `User`, it takes the user as well.
macro_rules! routes {
    ($($to:ident { $($name:literal $methods:ident $path:tt $access:ident $handler:path;)* })*) => {
        &[$($(routes!(@row $to $name $methods $path $access $handler),)*)*]
    };
    (@row $to:ident $name:literal $methods:ident $path:tt User $handler:path) => {
        routes!(@route $to $name $methods $path User (User(|call, user| Box::pin($handler(call, user)))))
    };
    (@row $to:ident $name:literal $methods:ident $path:tt $access:ident $handler:path) => {
        routes!(@route $to $name $methods $path $access (Anyone(|call| Box::pin($handler(call)))))
    };
    (@route $to:ident $name:literal $methods:ident $path:tt $access:ident ($door:ident($handler:expr))) => {
        $crate::http::Route {
            name: $name,
            methods: $crate::web::$methods,
            path: $path,
            access: $crate::http::Access::$access,
            handler: |call| {
                let handler = $crate::web::Handler::$door($handler);
                Box::pin($crate::web::answer($crate::web::To::$to, $name, call, handler))
            },
        }
    };
}

pub mod account;
pub mod assets;
pub mod authorize;
pub mod desk;
pub mod devices;
pub mod interface;
pub mod keys;
pub mod mail_links;
pub mod openid;
pub mod pages;
pub mod share_form;
pub mod sign_in;
pub mod uploads;
pub mod visit;

use askama::Template;
use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::account::User;
use crate::error::{Error, Result};
use crate::http::{Call, Cors, Face, put_header};
use pages::{ErrorPage, GonePage};

/// The `Content-Security-Policy` that every page is sent with.
pub const CSP: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; media-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub static VISIT: Face = Face { name: "page", routes: visit::ROUTES, cors: Cors::SameOrigin };
pub static DESK: Face = Face { name: "desk", routes: desk::ROUTES, cors: Cors::SameOrigin };
pub static ACCOUNT: Face = Face { name: "desk", routes: account::ROUTES, cors: Cors::SameOrigin };
pub static SIGN_IN: Face = Face { name: "desk", routes: sign_in::ROUTES, cors: Cors::SameOrigin };
pub static KEYS: Face = Face { name: "desk", routes: keys::ROUTES, cors: Cors::SameOrigin };
pub static INTERFACE: Face = Face { name: "interface", routes: interface::ROUTES, cors: Cors::SameOrigin };
pub static AUTHORIZE: Face = Face { name: "desk", routes: authorize::ROUTES, cors: Cors::SameOrigin };
pub static DEVICES: Face = Face { name: "desk", routes: devices::ROUTES, cors: Cors::SameOrigin };
pub static MAIL_LINKS: Face = Face { name: "desk", routes: mail_links::ROUTES, cors: Cors::SameOrigin };
pub static OPENID: Face = Face { name: "desk", routes: openid::ROUTES, cors: Cors::SameOrigin };
pub static VISIT_UPLOADS: Face = Face { name: "page", routes: uploads::GUEST_ROUTES, cors: Cors::SameOrigin };
pub static DESK_UPLOADS: Face = Face { name: "desk", routes: uploads::USER_ROUTES, cors: Cors::SameOrigin };

// Methods as the tables name them.
const GET: &[Method] = &[Method::GET, Method::HEAD];
const GET_ALONE: &[Method] = &[Method::GET];
const POST: &[Method] = &[Method::POST];
const PUT: &[Method] = &[Method::PUT];
const DELETE: &[Method] = &[Method::DELETE];

/// Who reads an answer, and is told by it what went wrong.
#[derive(Debug, Clone, Copy)]
enum To {
    Person,
    Script,
}

enum Handler {
    Anyone(fn(Call) -> BoxFuture<'static, Result<Response>>),
    User(fn(Call, User) -> BoxFuture<'static, Result<Response>>),
}

/// What every call of the pages goes through: what another site's page sent is refused, and people who have to sign in
/// are led to do so.
async fn answer(to: To, name: &'static str, call: Call, handler: Handler) -> Response {
    let base = call.origin.prefix().to_owned();
    let answered = async {
        if !matches!(call.parts.method, Method::GET | Method::HEAD) {
            refuse_foreign_post(&call)?;
        }
        match handler {
            Handler::Anyone(handler) => handler(call).await,
            Handler::User(handler) => match (sign_in::user_of(&call).await?, to) {
                (Some(user), _) => handler(call, user).await,
                (None, To::Person) => Ok(sign_in::lead_to_sign_in(&call)),
                (None, To::Script) => Err(Error::SignInNeeded),
            },
        }
    };
    answered.await.unwrap_or_else(|error| match to {
        To::Person => error_page(name, &base, &error),
        To::Script => error_json(name, &error),
    })
}

/// A page, with the headers that keep it to its reader: no cache keeps it, no other site learns its address.
pub fn page(status: StatusCode, view: &impl Template) -> Response {
    let Ok(html) = view.render() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    response
}

/// All but RFC 3986's unreserved characters: a browser returns a cookie only to the path that it was set for, letter by
/// letter, and `-` is not `%2D` there.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as one segment of a path or one value of a query.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// To another page of ours, by GET.
pub fn lead_to(address: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    put_header(&mut response, header::LOCATION, address);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// The same, beneath the deployment's prefix.
fn lead_within(call: &Call, path: &str) -> Response {
    lead_to(&format!("{}{path}", call.origin.prefix()))
}

/// What happened, as a page. Whatever is not there for the visitor is the same page, byte by byte.
fn error_page(call_name: &str, base: &str, error: &Error) -> Response {
    crate::http::log_internal(call_name, error);
    let (status, title, advice) = explain(error);
    if status == StatusCode::NOT_FOUND {
        return page(status, &GonePage { base: base.to_owned() });
    }
    let view = ErrorPage { base: base.to_owned(), status: status.as_u16(), title: title.to_owned(), advice };
    let mut response = page(status, &view);
    retry_later(&mut response, error);
    response
}

/// The same for a script: `{"error": …}`.
fn error_json(call_name: &str, error: &Error) -> Response {
    crate::http::log_internal(call_name, error);
    let (status, _, advice) = explain(error);
    // Words for people, who know no parameters.
    let advice = if let Error::Invalid { why, .. } = error { why.clone() } else { advice };
    let mut response = json(status, &serde_json::json!({ "error": advice }));
    retry_later(&mut response, error);
    response
}

/// An answer to a script of ours.
pub fn json(status: StatusCode, body: &serde_json::Value) -> Response {
    let mut response = (status, body.to_string()).into_response();
    put_header(&mut response, header::CONTENT_TYPE, "application/json");
    put_header(&mut response, header::CACHE_CONTROL, "private, no-store");
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Status, what happened in a few words, and what can be done about it.
fn explain(error: &Error) -> (StatusCode, &'static str, String) {
    match error {
        Error::NotFound(_) | Error::ShareLocked => {
            (StatusCode::NOT_FOUND, "Not here", String::from("There is nothing at this address."))
        }
        Error::Missing(_) | Error::Invalid { .. } => (StatusCode::BAD_REQUEST, "That did not work", error.to_string()),
        Error::SignInNeeded | Error::WrongCredentials => {
            (StatusCode::UNAUTHORIZED, "Sign in first", String::from("Sign in, then open the link again."))
        }
        Error::Forbidden(_) => (StatusCode::FORBIDDEN, "Not allowed", error.to_string()),
        Error::PurchaseNeeded { .. } => (StatusCode::PAYMENT_REQUIRED, "Not bought yet", format!("{error}.")),
        Error::NotEnoughPoints => (StatusCode::PAYMENT_REQUIRED, "Not enough points", error.to_string()),
        Error::Throttled { .. } => (StatusCode::TOO_MANY_REQUESTS, "Too many tries", error.to_string()),
        Error::Exists(_) | Error::Conflict(_) | Error::Locked(_) => {
            (StatusCode::CONFLICT, "That did not work", error.to_string())
        }
        Error::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "Too large", error.to_string()),
        Error::NoSpace => {
            (StatusCode::INSUFFICIENT_STORAGE, "No space left", String::from("Ask the owner to make room."))
        }
        Error::Unsupported(_) => (StatusCode::NOT_IMPLEMENTED, "Not available", error.to_string()),
        Error::Busy => (StatusCode::SERVICE_UNAVAILABLE, "Busy", String::from("Try again in a moment.")),
        Error::Internal(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "Something went wrong",
            String::from("It has been noted. Try again later."),
        ),
    }
}

fn retry_later(response: &mut Response, error: &Error) {
    match error {
        Error::Busy => put_header(response, header::RETRY_AFTER, "1"),
        Error::Throttled { retry_after_s } => put_header(response, header::RETRY_AFTER, &retry_after_s.to_string()),
        _ => {}
    }
}

/// Refuses a form that another site's page posts. Browsers say so in Sec-Fetch-Site or, where the connection is not
/// secure, in Origin alone; programs that send neither carry no cookie of anybody's.
fn refuse_foreign_post(call: &Call) -> Result<()> {
    let foreign = Err(Error::Forbidden("another site sent this form"));
    match call.header("sec-fetch-site") {
        Some("same-origin" | "none") => return Ok(()),
        Some(_) => return foreign,
        None => {}
    }
    let Some(origin) = call.header(header::ORIGIN) else { return Ok(()) };
    let authority = origin.split_once("://").map_or("", |(_, authority)| authority);
    let hosts = [call.header(header::HOST), call.header("x-forwarded-host")];
    let ours =
        origin == call.origin.site() || hosts.into_iter().flatten().any(|host| host.eq_ignore_ascii_case(authority));
    if ours { Ok(()) } else { foreign }
}
