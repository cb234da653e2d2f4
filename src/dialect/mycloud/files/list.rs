//! Listing and searching.

use axum::http::{StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::super::answers::{File, Fragment, Listing, Location, Match, Matches};
use super::super::auth::{self, Caller};
use super::super::{answer_empty, answer_json};
use super::{ROOTS, TRASH, child_count, describe, ids_of, place};
use crate::error::{Error, Result, Thing};
use crate::http::fields::Fields;
use crate::http::{Call, put_header};
use crate::library::{Item, music, names};
use crate::share::grant::Action;
use crate::store::search::{self, Terms};
use crate::store::{Tx, library, rights};
use crate::work::files::{self, Place};
use crate::work::sharing;

/// An item as it stands in one folder.
struct Listed {
    item: Item,
    shown: String,
    parent_id: String,
}

/// What lies in the folder of this id, for its caller. A file holds nothing.
fn children(tx: &mut Tx, caller: &Caller, id: &str) -> Result<Vec<Listed>> {
    let under =
        |item: Item, parent_id: &str| Listed { shown: item.shown.clone(), item, parent_id: parent_id.to_owned() };
    match caller {
        Caller::User { user, .. } => {
            if id == TRASH {
                return Ok(files::trashed(tx, user)?.into_iter().map(|item| under(item, TRASH)).collect());
            }
            let place = place(tx, caller, id)?;
            let parent_id = if let Place::Item(folder) = &place { folder.id.clone() } else { ROOTS[0].to_owned() };
            let entries = files::children_of(tx, user, &place)?;
            Ok(entries
                .into_iter()
                .map(|e| Listed { item: e.item, shown: e.shown, parent_id: parent_id.clone() })
                .collect())
        }
        Caller::Holder { .. } => {
            let folder = caller.reach(tx, id, Action::List)?.item().clone();
            let children = if folder.is_folder() { library::children(tx, folder.key)? } else { Vec::new() };
            Ok(children.into_iter().map(|item| under(item, &folder.id)).collect())
        }
    }
}

fn file(tx: &mut Tx, listed: Listed) -> Result<File> {
    let count = child_count(tx, &listed.item)?;
    Ok(File::of(&listed.item, listed.shown, listed.parent_id, count))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Name,
    Modified,
    Created,
    Size,
    Type,
}

/// Which part of a listing is asked for.
struct Page {
    by: By,
    descending: bool,
    limit: usize,
    /// Place in the order behind which the page begins.
    after: Option<Vec<u8>>,
}

impl Page {
    fn of(query: &Fields) -> Result<Page> {
        let by = match query.get("orderBy").unwrap_or("name") {
            "name" => By::Name,
            "mTime" => By::Modified,
            "cTime" => By::Created,
            "size" => By::Size,
            "mimeType" | "extension" => By::Type,
            _ => return Err(Error::invalid("orderBy", "name, mTime, cTime, size or mimeType")),
        };
        // One client sends "asc;".
        let descending = match query.get("order").map(|order| order.trim_end_matches(';')) {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(_) => return Err(Error::invalid("order", "asc or desc")),
        };
        let limit = query.number("limit")?.unwrap_or(100_usize).clamp(1, 1000);
        let after = query.get("pageToken").map(|token| URL_SAFE_NO_PAD.decode(token)).transpose();
        let after = after.map_err(|_| Error::invalid("pageToken", "it is of no page"))?;
        Ok(Page { by, descending, limit, after })
    }

    /// Where an item stands in the order: a total one, so that pages neither skip nor repeat while a folder changes.
    fn key(&self, listed: &Listed) -> Vec<u8> {
        let number = |value: i64| (value ^ i64::MIN).to_be_bytes().to_vec();
        let item = &listed.item;
        let mut key = match self.by {
            By::Name => Vec::new(),
            By::Modified => number(item.modified_ms),
            By::Created => number(item.added_ms),
            By::Size => number(if item.is_folder() { 0 } else { i64::try_from(item.size_bytes).unwrap_or(i64::MAX) }),
            By::Type => [item.suffix().as_bytes(), b"\0"].concat(),
        };
        key.extend(names::sort_key(&listed.shown));
        key.push(0);
        key.extend_from_slice(item.id.as_bytes());
        key
    }

    /// The page, and the token of the next or an empty one.
    fn cut(&self, all: Vec<Listed>) -> (Vec<Listed>, String) {
        let mut keyed: Vec<(Vec<u8>, Listed)> = all.into_iter().map(|listed| (self.key(&listed), listed)).collect();
        keyed.sort_by(|(a, _), (b, _)| if self.descending { b.cmp(a) } else { a.cmp(b) });
        if let Some(after) = &self.after {
            keyed.retain(|(key, _)| if self.descending { key < after } else { key > after });
        }
        let goes_on = keyed.len() > self.limit;
        keyed.truncate(self.limit);
        let token = keyed.last().filter(|_| goes_on).map(|(key, _)| URL_SAFE_NO_PAD.encode(key)).unwrap_or_default();
        (keyed.into_iter().map(|(_, listed)| listed).collect(), token)
    }
}

fn list(tx: &mut Tx, caller: &Caller, ids: &[String], page: &Page) -> Result<Listing> {
    let mut all = Vec::new();
    for id in ids {
        all.extend(children(tx, caller, id)?);
    }
    let (part, page_token) = page.cut(all);
    let files = part.into_iter().map(|listed| file(tx, listed)).collect::<Result<_>>()?;
    Ok(Listing { files, page_token })
}

/// `fields` is accepted and all fields are answered: more than was asked for harms no client.
pub async fn get_search_parents(call: Call) -> Result<Response> {
    let caller = auth::caller(&call).await?;
    let query = Fields::of_query(&call)?;
    let (ids, page) = (ids_of(&query)?, Page::of(&query)?);
    let listing = call.app.db.read(move |tx| list(tx, &caller, &ids, &page)).await?;
    let text = serde_json::to_vec(&listing).map_err(|e| Error::internal("listing", e))?;
    let etag: String = Sha256::digest(&text).iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    let unchanged = call.header(header::IF_NONE_MATCH).is_some_and(|tags| tags.contains(&etag));
    let mut response =
        if unchanged { answer_empty(StatusCode::NOT_MODIFIED) } else { answer_json(StatusCode::OK, &listing) };
    put_header(&mut response, header::ETAG, &format!("\"{etag}\""));
    Ok(response)
}

pub async fn get_search_parent_and_name(call: Call) -> Result<Response> {
    let caller = auth::caller(&call).await?;
    let query = Fields::of_query(&call)?;
    let name = query.need("name")?.to_owned();
    let parent = query.get("parentID").unwrap_or("sysroot").to_owned();
    let find = move |tx: &mut Tx| {
        use unicode_normalization::UnicodeNormalization;
        let name: String = name.nfc().collect();
        let found = children(tx, &caller, &parent)?.into_iter().find(|listed| listed.shown == name);
        file(tx, found.ok_or(Error::NotFound(Thing::File))?)
    };
    Ok(answer_json(StatusCode::OK, &call.app.db.read(find).await?))
}

/// By name alone, in all that the user may read.
pub async fn get_search_text(call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let visitor = call.guest().with_user(user.clone());
    let query = Fields::of_query(&call)?;
    let text = query.get("q").or(query.get("text")).ok_or(Error::Missing("q"))?.to_owned();
    let limit = query.number("limit")?.unwrap_or(100_u64).clamp(1, 500).cast_signed();
    let find = move |tx: &mut Tx| {
        let scope = rights::scope(tx, &user)?;
        let found = search::items(tx, &scope, &Terms::of(&text), music::Page { offset: 0, limit })?;
        let caller = Caller::User { user: Box::new(user.clone()), visitor: visitor.clone() };
        let mut matches = Vec::new();
        for item in found {
            // A folder above it may be in the trash.
            match sharing::own(tx, &user, &visitor, &item.id, Action::See) {
                Ok(_) => matches.push(a_match(describe(tx, &caller, &item.id)?, &text)),
                Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Matches { page_token: String::new(), matches })
    };
    Ok(answer_json(StatusCode::OK, &call.app.db.read(find).await?))
}

fn a_match(file: File, text: &str) -> Match {
    let (name, sought) = (file.name.to_lowercase(), text.to_lowercase());
    let locations =
        name.find(&sought).map(|at| Location { index: name[..at].chars().count(), length: sought.chars().count() });
    Match { fragments: vec![Fragment { text: file.name.clone(), locations: locations.into_iter().collect() }], file }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::{ItemKey, ItemKind, LibraryKey, Media};

    fn listed(n: i64, name: &str) -> Listed {
        let item = Item {
            key: ItemKey(n),
            id: format!("f{n:016}"),
            library: LibraryKey(1),
            parent: None,
            kind: ItemKind::File,
            media: Media::None,
            name: name.as_bytes().to_vec(),
            shown: name.into(),
            size_bytes: n.unsigned_abs(),
            modified_ms: -n,
            revision: 1,
            added_ms: 0,
        };
        Listed { shown: name.into(), item, parent_id: "root".into() }
    }

    fn page(query: &str) -> Result<Page> {
        Page::of(&Fields::parse(query.as_bytes()).unwrap())
    }

    fn all() -> Vec<Listed> {
        ["b", "a", "c", "a10", "a9"].iter().zip(1..).map(|(name, n)| listed(n, name)).collect()
    }

    #[test]
    fn pages_follow_each_other_without_gap_in_every_order() {
        for order in ["asc", "desc", "asc;"] {
            for by in ["name", "mTime", "cTime", "size", "mimeType"] {
                let whole = page(&format!("order={order}&orderBy={by}&limit=9")).unwrap().cut(all()).0;
                let mut token = String::new();
                let mut names = Vec::new();
                loop {
                    let (part, next) =
                        page(&format!("order={order}&orderBy={by}&limit=2&pageToken={token}")).unwrap().cut(all());
                    names.extend(part.into_iter().map(|l| l.shown));
                    if next.is_empty() {
                        break;
                    }
                    token = next;
                }
                assert_eq!(names, whole.into_iter().map(|l| l.shown).collect::<Vec<_>>(), "{order} {by}");
            }
        }
    }

    #[test]
    fn sizes_and_times_are_ordered_as_numbers() {
        let ids = |query| page(query).unwrap().cut(all()).0.into_iter().map(|l| l.item.key.0).collect::<Vec<_>>();
        assert_eq!(ids("orderBy=size&order=desc"), [5, 4, 3, 2, 1]);
        assert_eq!(ids("orderBy=mTime"), [5, 4, 3, 2, 1]);
    }

    #[test]
    fn what_is_no_order_and_no_page_is_refused() {
        for query in ["order=up", "orderBy=colour", "limit=x", "pageToken=%20*"] {
            assert!(page(query).is_err(), "{query}");
        }
        assert!(page("pageToken=&order=&limit=0").is_ok());
    }
}
