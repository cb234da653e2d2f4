//! Several requests in one: `multipart/mixed` of HTTP requests. One client deletes in this way.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::super::auth::{self, Caller};
use super::super::{device_error, said};
use super::{Chosen, MOST_IDS, describe, hand};
use crate::account::token::random_base62;
use crate::error::{Error, Result};
use crate::http::fields::Fields;
use crate::http::{Call, log_internal};
use crate::share::grant::Action;
use crate::store::Tx;

const LONGEST_BODY_BYTES: usize = 1024 * 1024;

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Get { id: String, query: String },
    Delete(String),
    Other,
}

/// A request of a body by its first line, and the token among its headers.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    wanted: Wanted,
    token: Option<String>,
}

fn requests(body: &str) -> Vec<Request> {
    let mut requests: Vec<Request> = Vec::new();
    for line in body.lines().map(str::trim) {
        if line.rsplit_once(' ').is_some_and(|(_, last)| last.starts_with("HTTP/1.")) {
            requests.push(Request { wanted: wanted(line), token: None });
        } else if let (Some(request), Some(token)) = (requests.last_mut(), token(line)) {
            request.token = Some(token.to_owned());
        }
    }
    requests
}

fn wanted(line: &str) -> Wanted {
    let mut words = line.split(' ').filter(|word| !word.is_empty());
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let id = path.rsplit_once("/sdk/v2/files/").map(|(_, id)| id).filter(|id| !id.is_empty() && !id.contains('/'));
    match (method, id) {
        ("GET", Some(id)) => Wanted::Get { id: id.to_owned(), query: query.to_owned() },
        ("DELETE", Some(id)) => Wanted::Delete(id.to_owned()),
        _ => Wanted::Other,
    }
}

fn token(line: &str) -> Option<&str> {
    let (name, value) = line.split_once(':')?;
    let (scheme, token) = value.trim().split_once(' ')?;
    (name.eq_ignore_ascii_case("authorization") && scheme.eq_ignore_ascii_case("bearer")).then(|| token.trim())
}

/// All that a body wants, with who wants it: the one who sends all, or, for a client that misspells the header outside and
/// has it right inside, the one that each names.
async fn requests_of(call: &mut Call) -> Result<Vec<(Caller, Wanted)>> {
    let sender = match auth::token_of(call) {
        Some(token) => Some(auth::caller_by(call, &token).await?),
        None => None,
    };
    let body = call.body_bytes(LONGEST_BODY_BYTES).await?;
    let all = requests(&String::from_utf8_lossy(&body));
    let count = all.len();
    let mut requests = Vec::new();
    for Request { wanted, token } in all.into_iter().take(MOST_IDS) {
        let caller = match (&sender, token) {
            (Some(sender), _) => sender.clone(),
            (None, Some(token)) => auth::caller_by(call, &token).await?,
            (None, None) => return Err(Error::SignInNeeded),
        };
        requests.push((caller, wanted));
    }
    match count {
        0 if sender.is_none() => Err(Error::SignInNeeded),
        1..=MOST_IDS => Ok(requests),
        _ => Err(Error::invalid("body", format!("1 to {MOST_IDS} HTTP requests as multipart/mixed"))),
    }
}

async fn run(call: &Call, caller: Caller, wanted: Wanted) -> Result<Option<Vec<u8>>> {
    match (wanted, caller) {
        (Wanted::Get { id, query }, caller) => {
            let chosen = Chosen::of(&Fields::parse(query.as_bytes())?);
            let find = move |tx: &mut Tx| chosen.cut(&describe(tx, caller, &id, &chosen)?);
            let file = call.app.db.read(find).await?;
            serde_json::to_vec(&file).map(Some).map_err(|e| Error::internal("file", e))
        }
        (Wanted::Delete(_), Caller::Holder { .. }) => Err(Error::Forbidden("a share can only be read")),
        (Wanted::Delete(id), caller) => {
            let target = call.app.db.read(move |tx| hand::find(tx, caller, &id, Action::Delete)).await?;
            target.hand.trash(&call.app, &target.item).await.map(|()| None)
        }
        (Wanted::Other, _) => Err(Error::Unsupported("anything but GET and DELETE of files in a batch")),
    }
}

pub async fn post_batch(mut call: Call) -> Result<Response> {
    let requests = requests_of(&mut call).await?;
    let boundary = random_base62(22);
    let mut answer = Vec::new();
    for (caller, wanted) in requests {
        let (status, body) = match run(&call, caller, wanted).await {
            Ok(Some(body)) => (StatusCode::OK, body),
            Ok(None) => (StatusCode::NO_CONTENT, Vec::new()),
            Err(error) => refused(&error),
        };
        answer.extend(part(&boundary, status, &body));
    }
    answer.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok(mixed(&boundary, answer))
}

fn mixed(boundary: &str, answer: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(answer));
    if let Ok(kind) = HeaderValue::from_str(&format!("multipart/mixed; boundary={boundary}")) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}

fn part(boundary: &str, status: StatusCode, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{boundary}\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body, b"\r\n"].concat()
}

fn refused(error: &Error) -> (StatusCode, Vec<u8>) {
    log_internal("postBatch", error);
    let (status, key) = device_error(error);
    (status, serde_json::json!({"key": key, "message": said(error)}).to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_found_whatever_their_headers_are_called() {
        let body = "--b\r\nContent-Id: 1\r\n\r\nDELETE /sdk/v2/files/f1 HTTP/1.1\r\nauthorizaiton: Bearer x\r\n\r\n--b\nContent-Type: a\n\n\
            GET /0c7e6a3e/sdk/v2/files/f2?fields=id HTTP/1.1\nAUTHORIZATION: bearer  y \n\n--b\r\n\r\nPUT /sdk/v2/files/f3/content HTTP/1.1\r\n\r\n--b--";
        let get = Wanted::Get { id: "f2".into(), query: "fields=id".into() };
        assert_eq!(
            requests(body),
            [
                Request { wanted: Wanted::Delete("f1".into()), token: None },
                Request { wanted: get, token: Some("y".into()) },
                Request { wanted: Wanted::Other, token: None },
            ]
        );
        assert!(requests("no request at all").is_empty());
    }
}
