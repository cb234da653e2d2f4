//! Several requests in one: `multipart/mixed` of HTTP requests. One client deletes in this way.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::super::auth::{self, Caller};
use super::super::{device_error, said};
use super::{MOST_IDS, describe, item_id};
use crate::account::token::random_base62;
use crate::error::{Error, Result};
use crate::http::{Call, log_internal};
use crate::work::files;

const LONGEST_BODY_BYTES: usize = 1024 * 1024;

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Get(String),
    Delete(String),
    Other,
}

/// The requests of a body, by their first lines. What stands in their headers is left alone: the outer request's token
/// speaks for all, and the client that sends one inside misspells its name.
fn requests(body: &str) -> Vec<Wanted> {
    let lines = body
        .lines()
        .map(str::trim)
        .filter(|line| line.rsplit_once(' ').is_some_and(|(_, last)| last.starts_with("HTTP/1.")));
    lines.map(wanted).collect()
}

fn wanted(line: &str) -> Wanted {
    let mut words = line.split(' ').filter(|word| !word.is_empty());
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = path.split('?').next().unwrap_or_default();
    let id = path.rsplit_once("/sdk/v2/files/").map(|(_, id)| id).filter(|id| !id.is_empty() && !id.contains('/'));
    match (method, id) {
        ("GET", Some(id)) => Wanted::Get(id.to_owned()),
        ("DELETE", Some(id)) => Wanted::Delete(id.to_owned()),
        _ => Wanted::Other,
    }
}

async fn run(call: &Call, caller: &Caller, wanted: Wanted) -> Result<Option<Vec<u8>>> {
    match (wanted, caller) {
        (Wanted::Get(id), _) => {
            let caller = caller.clone();
            let file = call.app.db.read(move |tx| describe(tx, &caller, &id)).await?;
            serde_json::to_vec(&file).map(Some).map_err(|e| Error::internal("file", e))
        }
        (Wanted::Delete(id), Caller::User { user, .. }) => {
            let of = user.clone();
            let id = call.app.db.read(move |tx| item_id(tx, &of, &id)).await?;
            files::trash(&call.app, user, &id).await.map(|()| None)
        }
        (Wanted::Delete(_), Caller::Holder { .. }) => Err(Error::Forbidden("a share can only be read")),
        (Wanted::Other, _) => Err(Error::Unsupported("anything but GET and DELETE of files in a batch")),
    }
}

pub async fn post_batch(mut call: Call) -> Result<Response> {
    let caller = auth::caller(&call).await?;
    let body = call.body_bytes(LONGEST_BODY_BYTES).await?;
    let requests = requests(&String::from_utf8_lossy(&body));
    if requests.is_empty() || requests.len() > MOST_IDS {
        return Err(Error::invalid("body", format!("1 to {MOST_IDS} HTTP requests as multipart/mixed")));
    }
    let boundary = random_base62(22);
    let mut answer = Vec::new();
    for wanted in requests {
        let (status, body) = match run(&call, &caller, wanted).await {
            Ok(Some(body)) => (StatusCode::OK, body),
            Ok(None) => (StatusCode::NO_CONTENT, Vec::new()),
            Err(error) => refused(&error),
        };
        answer.extend(part(&boundary, status, &body));
    }
    answer.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let mut response = Response::new(Body::from(answer));
    if let Ok(kind) = HeaderValue::from_str(&format!("multipart/mixed; boundary={boundary}")) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    Ok(response)
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
            GET /0c7e6a3e/sdk/v2/files/f2?fields=id HTTP/1.1\n\n--b\r\n\r\nPUT /sdk/v2/files/f3/content HTTP/1.1\r\n\r\n--b--";
        assert_eq!(requests(body), [Wanted::Delete("f1".into()), Wanted::Get("f2".into()), Wanted::Other]);
        assert!(requests("no request at all").is_empty());
    }
}
