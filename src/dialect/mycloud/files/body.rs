//! What bodies say of files, and multipart bodies as they come in.

use std::ops::Range;

use axum::body::{Body, Bytes};
use axum::http::header;
use futures_util::{StreamExt, stream};
use serde_json::{Map, Value};

use super::super::answers::{FOLDER_TYPE, ROOT};
use super::super::says;
use super::multipart::{Arrived, Delimiter, HEAD_LIMIT_BYTES, Head, boundary_in, boundary_of, head};
use crate::error::{Error, Result};
use crate::http::Call;
use crate::http::fields::Fields;
use crate::work::files::Place;
use crate::work::upload::{Begin, OnConflict};

pub type Object = Map<String, Value>;

pub fn text<'a>(fields: &'a Object, name: &'static str) -> Result<Option<&'a str>> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::invalid(name, "a text")),
    }
}

pub fn modified_ms(fields: &Object) -> Result<Option<i64>> {
    let Some(text) = text(fields, "mTime")? else { return Ok(None) };
    let bad = |why: &str| Error::invalid("mTime", why);
    let time: jiff::Timestamp = text.parse().map_err(|_| bad("a time such as 2024-01-02T03:04:05.000Z"))?;
    match time.as_millisecond() {
        before if before < 0 => Err(bad("it lies before 1970")),
        modified_ms => Ok(Some(modified_ms)),
    }
}

/// A file or folder to be.
pub struct Wanted {
    pub name: String,
    pub parent_id: String,
    pub is_folder: bool,
    pub modified_ms: Option<i64>,
}

impl Wanted {
    pub fn of(fields: &Object) -> Result<Wanted> {
        Ok(Wanted {
            name: text(fields, "name")?.filter(|name| !name.is_empty()).ok_or(Error::Missing("name"))?.to_owned(),
            parent_id: text(fields, "parentID")?.filter(|id| !id.is_empty()).unwrap_or(ROOT).to_owned(),
            is_folder: text(fields, "mimeType")? == Some(FOLDER_TYPE),
            modified_ms: modified_ms(fields)?,
        })
    }

    /// Its size is not taken from the JSON: clients write there what they like, and content tells.
    pub fn begin(self, into: Place, on_conflict: OnConflict) -> Begin {
        Begin { modified_ms: self.modified_ms, ..Begin::stream(into, self.name, on_conflict) }
    }
}

pub fn on_conflict(query: &Fields) -> OnConflict {
    if says(query, "resolveNameConflict") { OnConflict::Rename } else { OnConflict::Refuse }
}

/// Its first byte, and what ends it.
type Content = Option<(usize, Delimiter)>;

/// A multipart body: its JSON, and its content still on the way.
pub struct Parts {
    pub fields: Object,
    pub content: Option<Body>,
}

impl Parts {
    pub async fn of(call: &mut Call) -> Result<Parts> {
        let named = boundary_of(call.header(header::CONTENT_TYPE).unwrap_or_default());
        let mut incoming = call.take_body().into_data_stream();
        let (mut so_far, mut look_at_bytes) = (Vec::new(), 0);
        loop {
            let piece = incoming.next().await.transpose().map_err(|_| Error::invalid("body", "it broke off"))?;
            so_far.extend_from_slice(piece.as_deref().unwrap_or_default());
            // Not at each of many small pieces: looking begins at the first byte every time.
            if piece.is_some() && so_far.len() < look_at_bytes.min(HEAD_LIMIT_BYTES) {
                continue;
            }
            look_at_bytes = 2 * so_far.len();
            if let Some((json, content)) = looked_at(named.as_deref(), &so_far, Arrived::with(piece))? {
                let fields = object(so_far[json].trim_ascii())?;
                let content =
                    content.map(|(start, delimiter)| rest_of(so_far.split_off(start).into(), delimiter, incoming));
                return Ok(Parts { fields, content });
            }
        }
    }
}

/// Where the JSON lies and where the content begins, once that has come.
fn looked_at(named: Option<&str>, so_far: &[u8], arrived: Arrived) -> Result<Option<(Range<usize>, Content)>> {
    let is_too_long = so_far.len() > HEAD_LIMIT_BYTES;
    let boundary = named.map(str::to_owned).or_else(|| boundary_in(so_far));
    match boundary.map(|boundary| head(&boundary, so_far, arrived)).transpose()? {
        Some(Head::Whole { json, content }) => Ok(Some((json, content))),
        None if arrived == Arrived::Whole || is_too_long => Err(Error::invalid("body", "it is not multipart")),
        Some(Head::Unfinished) if is_too_long => {
            Err(Error::TooLarge { size_bytes: so_far.len() as u64, limit_bytes: HEAD_LIMIT_BYTES as u64 })
        }
        Some(Head::Unfinished) | None => Ok(None),
    }
}

/// No name and no id holds a NUL, and no text column takes one.
fn object(json: &[u8]) -> Result<Object> {
    let holds_nul = json.windows(6).any(|part| part == br"\u0000");
    let object = serde_json::from_slice(json).ok().filter(|_| !holds_nul);
    object.ok_or_else(|| Error::invalid("body", "its first part is not a JSON object"))
}

/// The content of a body whose head was read, as it comes in. What follows its delimiter is read and dropped.
fn rest_of(first: Bytes, delimiter: Delimiter, incoming: axum::body::BodyDataStream) -> Body {
    let pieces = stream::once(async move { Ok(first) }).chain(incoming);
    let state = Some((delimiter, Box::pin(pieces)));
    Body::from_stream(stream::unfold(state, |state| async move {
        let (mut delimiter, mut pieces) = state?;
        let (content, goes_on) = match pieces.next().await {
            Some(Ok(piece)) => (Ok(delimiter.push(&piece)), true),
            Some(Err(cause)) => (Err(std::io::Error::other(cause)), false),
            None => (delimiter.finish().map_err(std::io::Error::other), false),
        };
        Some((content.map(Bytes::from), goes_on.then_some((delimiter, pieces))))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(value: Value) -> Object {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn times_are_read_to_the_millisecond_and_other_texts_refused() {
        let read = |time: &str| modified_ms(&fields(serde_json::json!({"mTime": time})));
        assert_eq!(read("2023-11-14T22:13:20.123Z").unwrap(), Some(1_700_000_000_123));
        assert_eq!(read("2023-11-14T23:13:20+01:00").unwrap(), Some(1_700_000_000_000));
        assert!(read("yesterday").is_err());
        assert!(read("1969-12-31T23:59:59.999Z").is_err());
        assert_eq!(modified_ms(&fields(serde_json::json!({}))).unwrap(), None);
    }

    #[tokio::test]
    async fn content_behind_the_json_is_passed_on_piece_by_piece_and_a_broken_one_fails() {
        let read = async |body: &'static str| {
            let pieces = stream::iter(
                body.as_bytes().chunks(3).skip(1).map(|piece| Ok::<_, std::io::Error>(Bytes::from_static(piece))),
            );
            let so_far = &body.as_bytes()[..3];
            let incoming = Body::from_stream(pieces).into_data_stream();
            // The delimiter's own state comes from a head that ends where this content begins.
            let Head::Whole { content: Some((_, delimiter)), .. } =
                head("b", b"--b\n\n{}\n--b\n\nxx", Arrived::Part).unwrap()
            else {
                panic!()
            };
            axum::body::to_bytes(rest_of(Bytes::from_static(so_far), delimiter, incoming), 1000).await
        };
        assert_eq!(&read("content of any kind\n--b--\n").await.unwrap()[..], b"content of any kind");
        assert!(read("content that breaks off").await.is_err());
    }
}
