//! Uploads by the pages: an owner's into their own folders, a guest's into a drop box.
//!
//! Both sides take the same calls. A small file comes in one `PUT`. A large one is begun by a `POST`, then comes in parts,
//! in any order and several at once; whoever lost count asks what is missing. A form without any script posts files as
//! `multipart/form-data`, which goes to the disk as it comes. No request need be longer than [`CHUNK_BYTES`], which every
//! proxy lets pass.

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use multer::{Constraints, Multipart, SizeLimit};
use serde::Deserialize;
use serde_json::{Value, json};

use super::pages::{ReceiptPage, SentRow};
use super::visit::{own_address, remember, visitor};
use super::{encoded, lead_to, lead_within, page};
use crate::account::User;
use crate::account::token::random_base62;
use crate::error::{Error, Result, Thing};
use crate::http::digest::Whole;
use crate::http::fields::Fields;
use crate::http::{Call, Route};
use crate::library::Item;
use crate::share::visit::Visitor;
use crate::store::drop_boxes::Sent;
use crate::store::library;
use crate::work::drop_box::{self, Sender};
use crate::work::files::{self, Place};
use crate::work::upload::digest::Sha256;
use crate::work::upload::ranges::Ranges;
use crate::work::upload::{self, Begin, Content, OnConflict, Progress, Upload, Uploader};

/// What a script sends in one request at most.
pub const CHUNK_BYTES: u64 = 16 * 1024 * 1024;
/// Fields of a form that are not files.
const WORD_BYTES: u64 = 4096;

pub const USER_ROUTES: &[Route] = routes! {
    Person {
        "postFiles" POST "/app/files" User post_files;
    }
    Script {
        "beginUpload" POST "/app/uploads" User begin_own;
        "uploadWhole" PUT "/app/uploads" User put_own;
        "uploadState" GET "/app/uploads/{upload}" User own_state;
        "endUpload" DELETE "/app/uploads/{upload}" User end_own;
        "uploadPart" PUT "/app/uploads/{upload}/{offset}" User put_own_part;
    }
};

pub const GUEST_ROUTES: &[Route] = routes! {
    Person {
        "sendFiles" POST "/s/{id}/-/upload" Share send_files;
        "receipt" GET "/s/{id}/-/receipt" Share receipt;
    }
    Script {
        "beginSending" POST "/s/{id}/-/uploads" Share begin_sending;
        "sendWhole" PUT "/s/{id}/-/uploads" Share send_whole;
        "sendingState" GET "/s/{id}/-/uploads/{upload}" Share sending_state;
        "endSending" DELETE "/s/{id}/-/uploads/{upload}" Share end_sending;
        "sendPart" PUT "/s/{id}/-/uploads/{upload}/{offset}" Share send_part;
    }
};

// What both take ------------------------------------------------------------------------------------------------------

/// A file that is to come.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    name: String,
    size: Option<u64>,
    /// Unix milliseconds.
    modified: Option<i64>,
    /// Hexadecimal, of the whole.
    sha256: Option<String>,
    /// An owner's: the folder's item id, absent for their root.
    #[serde(rename = "in")]
    folder: Option<String>,
    /// An owner's: folders below that one, made where they are missing.
    path: Vec<String>,
    /// A guest's: what they call themselves.
    sender: Option<String>,
}

impl Asked {
    /// As it stands in the address of a file that comes whole.
    fn of_query(call: &Call) -> Result<Asked> {
        let query = Fields::of_query(call)?;
        let text = |name| query.get(name).map(str::to_owned);
        Ok(Asked {
            name: query.need("name")?.to_owned(),
            size: call.header(header::CONTENT_LENGTH).and_then(|length| length.parse().ok()),
            modified: query.number("modified")?,
            sha256: None,
            folder: text("in"),
            path: query.all("path"),
            sender: text("sender"),
        })
    }

    fn begin(&self, into: Place) -> Result<Begin> {
        if self.name.is_empty() {
            return Err(Error::Missing("name"));
        }
        Ok(Begin {
            size_bytes: self.size,
            // A clock that is wrong is no reason to refuse a file.
            modified_ms: self.modified.filter(|ms| *ms > 0),
            sha256: self.sha256.as_deref().map(sha256_in).transpose()?,
            // Nothing is ever written over by a page: what is meant to replace a file is named by a dialect.
            ..Begin::stream(into, self.name.clone(), OnConflict::Rename)
        })
    }
}

fn sha256_in(text: &str) -> Result<Sha256> {
    let wrong = || Error::invalid("sha256", "64 hexadecimal digits");
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut hash = [0; 32];
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| wrong())?;
    }
    Ok(hash)
}

fn hex(hash: &Sha256) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `missing` are the ranges of bytes that have to come, each as its start and its end.
fn state(upload: &Upload, ranges: &Ranges) -> Value {
    let missing: Vec<[u64; 2]> =
        ranges.gaps(0..upload.size_bytes.unwrap_or(0)).into_iter().map(|gap| [gap.start, gap.end]).collect();
    json!({
        "id": upload.id,
        "name": upload.name,
        "size": upload.size_bytes,
        "received": upload.received_bytes,
        "missing": missing,
        "chunk_bytes": CHUNK_BYTES,
        "expires_ms": upload.expires_ms,
    })
}

async fn state_of(call: &Call, who: Uploader) -> Result<Response> {
    let id = call.path("upload").to_owned();
    let (upload, ranges) = call.app.db.read(move |tx| upload::by_id(tx, who, &id)).await?;
    Ok(told(&state(&upload, &ranges)))
}

async fn put_part(call: &mut Call, who: Uploader, done: fn(&Item) -> Value) -> Result<Response> {
    let offset = call.path("offset").parse().map_err(|_| Error::invalid("offset", "it is a number"))?;
    let content = call.take_content(Whole::Part)?;
    let progress = upload::write_part_at(&call.app, who, call.path("upload"), offset, content).await?;
    Ok(told(&match progress {
        Progress::More { received_bytes } => json!({ "done": false, "received": received_bytes }),
        Progress::Done(item) => done(&item),
    }))
}

/// The files of a posted form, one after the other as they come, each to where the words before it say. Tells how many
/// there were, and those words.
async fn post(call: &mut Call, who: Uploader) -> Result<(u64, Vec<(String, String)>)> {
    let broken = |_| Error::invalid("form", "it cannot be read");
    let boundary = multer::parse_boundary(call.header(header::CONTENT_TYPE).unwrap_or_default()).map_err(broken)?;
    let words = ["in", "sender"].into_iter().fold(SizeLimit::new(), |limit, name| limit.for_field(name, WORD_BYTES));
    let body = call.take_body().into_data_stream();
    let mut form = Multipart::with_constraints(body, boundary, Constraints::new().size_limit(words));
    let (mut count, mut said) = (0, Vec::new());
    while let Some(field) = form.next_field().await.map_err(broken)? {
        match (field.name().unwrap_or_default(), field.file_name()) {
            // No file was chosen.
            ("file", None | Some("")) => {}
            ("file", Some(name)) => {
                // Some browsers name the folder as well.
                let name = name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
                let into = match &who {
                    Uploader::User(user) => folder(call, user, word(&said, "in"), &[]).await?,
                    Uploader::Sender(sender) => drop_box::place_for(&call.app, sender, word(&said, "sender")).await?,
                };
                let begin = Begin::stream(into, name, OnConflict::Rename);
                upload::whole(&call.app, who.clone(), begin, Body::from_stream(field)).await?;
                count += 1;
            }
            ("in" | "sender", None) => {
                let name = field.name().unwrap_or_default().to_owned();
                said.push((name, field.text().await.map_err(broken)?));
            }
            _ => {}
        }
    }
    Ok((count, said))
}

fn word<'a>(said: &'a [(String, String)], name: &str) -> Option<&'a str> {
    said.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
}

fn told(body: &Value) -> Response {
    super::json(StatusCode::OK, body)
}

// An owner's ----------------------------------------------------------------------------------------------------------

async fn folder(call: &Call, user: &User, id: Option<&str>, path: &[String]) -> Result<Place> {
    let place = match id {
        None => Place::Root,
        Some(id) => {
            let id = id.to_owned();
            let item = call.app.db.read(move |tx| library::item_by_id(tx, &id)).await?;
            Place::Item(item.ok_or(Error::NotFound(Thing::Folder))?)
        }
    };
    files::make_path(&call.app, user, place, path).await
}

fn done_of_owner(item: &Item) -> Value {
    json!({ "done": true, "id": item.id, "name": item.shown })
}

async fn begin_own(mut call: Call, user: User) -> Result<Response> {
    let asked: Asked = call.json().await?;
    asked.size.ok_or(Error::Missing("size"))?;
    let begin = asked.begin(folder(&call, &user, asked.folder.as_deref(), &asked.path).await?)?;
    if let Some(item) = upload::twin(&call.app, &user, &begin).await? {
        return Ok(told(&done_of_owner(&item)));
    }
    Ok(told(&state(&upload::begin(&call.app, &user, begin).await?, &Ranges::default())))
}

async fn put_own(mut call: Call, user: User) -> Result<Response> {
    let asked = Asked::of_query(&call)?;
    let begin = asked.begin(folder(&call, &user, asked.folder.as_deref(), &asked.path).await?)?;
    let content = call.take_content(Whole::File)?;
    Ok(told(&done_of_owner(&upload::whole(&call.app, &user, begin, content).await?)))
}

async fn own_state(call: Call, user: User) -> Result<Response> {
    state_of(&call, Uploader::User(user)).await
}

async fn put_own_part(mut call: Call, user: User) -> Result<Response> {
    put_part(&mut call, Uploader::User(user), done_of_owner).await
}

async fn end_own(call: Call, user: User) -> Result<Response> {
    upload::cancel(&call.app, &user, call.path("upload")).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn post_files(mut call: Call, user: User) -> Result<Response> {
    let (count, said) = post(&mut call, Uploader::User(user)).await?;
    let place = word(&said, "in").map(|id| format!("in={}&", encoded(id))).unwrap_or_default();
    Ok(lead_within(&call, &format!("/app/files?{place}uploaded={count}")))
}

// A guest's -----------------------------------------------------------------------------------------------------------

/// Whoever sends, and whether their browser has yet to be told who that is.
async fn sender(call: &Call) -> Result<(Sender, Ticket)> {
    let mut visitor = visitor(call).await?;
    let ticket = if visitor.known_as().is_none() { Ticket::New } else { Ticket::Known };
    if ticket == Ticket::New {
        visitor.ticket = Some(random_base62(22));
    }
    Ok((Sender { share_id: call.path("id").to_owned(), visitor }, ticket))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ticket {
    Known,
    New,
}

fn with_ticket(call: &Call, mut response: Response, visitor: &Visitor, ticket: Ticket) -> Response {
    if ticket == Ticket::New && response.status().as_u16() < 400 {
        remember(call, &mut response, visitor);
    }
    response
}

/// A guest learns that it came, and nothing of what is around it.
fn done_of_guest(_: &Item) -> Value {
    json!({ "done": true })
}

async fn begin_sending(mut call: Call) -> Result<Response> {
    let (sender, ticket) = sender(&call).await?;
    let asked: Asked = call.json().await?;
    asked.size.ok_or(Error::Missing("size"))?;
    let begin = asked.begin(drop_box::place_for(&call.app, &sender, asked.sender.as_deref()).await?)?;
    let begun = upload::begin(&call.app, &sender, begin).await?;
    Ok(with_ticket(&call, told(&state(&begun, &Ranges::default())), &sender.visitor, ticket))
}

async fn send_whole(mut call: Call) -> Result<Response> {
    let (sender, ticket) = sender(&call).await?;
    let asked = Asked::of_query(&call)?;
    let begin = asked.begin(drop_box::place_for(&call.app, &sender, asked.sender.as_deref()).await?)?;
    let content: Content = call.take_content(Whole::File)?;
    let item = upload::whole(&call.app, &sender, begin, content).await?;
    Ok(with_ticket(&call, told(&done_of_guest(&item)), &sender.visitor, ticket))
}

async fn sending_state(call: Call) -> Result<Response> {
    state_of(&call, Uploader::Sender(sender(&call).await?.0)).await
}

async fn send_part(mut call: Call) -> Result<Response> {
    let (sender, _) = sender(&call).await?;
    put_part(&mut call, Uploader::Sender(sender), done_of_guest).await
}

async fn end_sending(call: Call) -> Result<Response> {
    upload::cancel(&call.app, &sender(&call).await?.0, call.path("upload")).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn send_files(mut call: Call) -> Result<Response> {
    let (sender, ticket) = sender(&call).await?;
    post(&mut call, Uploader::Sender(sender.clone())).await?;
    let response = lead_to(&format!("{}/-/receipt", own_address(&call)));
    Ok(with_ticket(&call, response, &sender.visitor, ticket))
}

// The receipt ---------------------------------------------------------------------------------------------------------

async fn receipt(call: Call) -> Result<Response> {
    let sender = Sender { share_id: call.path("id").to_owned(), visitor: visitor(&call).await? };
    let notice = call.app.db.read(move |tx| drop_box::notice_by_id(tx, &sender)).await?;
    let wants_json = Fields::of_query(&call)?.get("form") == Some("json");
    if wants_json {
        let time = |ms| jiff::Timestamp::from_millisecond(ms).map_or_else(|_| String::new(), |at| at.to_string());
        let line = |sent: &Sent| {
            json!({
                "name": sent.name,
                "size": sent.size_bytes,
                "sha256": sent.sha256.as_ref().map(hex),
                "received": time(sent.sent_ms),
            })
        };
        let files: Vec<Value> = notice.sent.iter().map(line).collect();
        let receipt = json!({ "title": notice.title, "to": notice.owner, "from": notice.name, "files": files });
        return Ok(told(&receipt));
    }
    let row = |sent: Sent| SentRow {
        name: sent.name,
        size_bytes: sent.size_bytes,
        sha256: sent.sha256.as_ref().map(hex),
        sent_ms: sent.sent_ms,
    };
    let view = ReceiptPage {
        base: call.origin.prefix().to_owned(),
        id: call.path("id").to_owned(),
        title: notice.title,
        owner: notice.owner,
        sender: notice.name,
        sent: notice.sent.into_iter().map(row).collect(),
    };
    Ok(page(StatusCode::OK, &view))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let hash = [0xab; 32];
        assert_eq!(sha256_in(&hex(&hash)).unwrap(), hash);
        for wrong in ["", "ab", &"g".repeat(64), &"é".repeat(32), &"+1".repeat(32), &"a".repeat(65)] {
            assert!(sha256_in(wrong).is_err(), "{wrong}");
        }
    }
}
