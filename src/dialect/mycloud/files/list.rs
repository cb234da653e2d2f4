//! Listing, page by page.

use axum::response::Response;
use sha2::{Digest, Sha256};

use super::super::answers::{Audio, File, Listing, ROOT};
use super::super::auth::{self, Caller};
use super::{Chosen, ROOTS, TRASH, answer_tagged, folder, ids_of, place};
use crate::error::{Error, Result};
use crate::hex;
use crate::http::Call;
use crate::http::fields::Fields;
use crate::library::{Item, ItemKey, Media};
use crate::share::grant::Action;
use crate::store::folders::{By, Order, Start};
use crate::store::{Tx, library, music, rights};
use crate::work::files::{self, Entry, Place};
use crate::work::folders::{self, Line};

/// Files on one page.
const MOST: usize = 1000;
/// On the one page of a client that names no limit: those ask for no other.
const MOST_UNASKED: usize = 10_000;

/// An item as it stands in one folder.
pub struct Listed {
    pub item: Item,
    pub shown: String,
    pub parent_id: String,
}

/// Which part of a listing is asked for.
struct Page {
    order: Order,
    limit: usize,
    after: Option<String>,
}

impl Page {
    fn of(query: &Fields) -> Result<Page> {
        let by = match query.get("orderBy").unwrap_or("name") {
            // Folders come first in every order, so that kinds are apart already.
            "name" | "mimeType" | "extension" => By::Name,
            "mTime" => By::Modified,
            "cTime" => By::Added,
            "size" => By::Size,
            _ => return Err(Error::invalid("orderBy", "name, mTime, cTime, size or mimeType")),
        };
        // One client sends "asc;".
        let is_descending = match query.get("order").map(|order| order.trim_end_matches(';')) {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(_) => return Err(Error::invalid("order", "asc or desc")),
        };
        let limit = query.number("limit")?.map_or(MOST_UNASKED, |limit: usize| limit.clamp(1, MOST));
        let order = Order { by, is_descending };
        Ok(Page { order, limit, after: query.get("pageToken").map(str::to_owned) })
    }

    fn start(&self, tx: &mut Tx) -> Result<Start> {
        match &self.after {
            Some(token) => folders::start_after(tx, self.order, "pageToken", token),
            None => Ok(Start::At(0)),
        }
    }
}

/// A page of the folder of this id, and the id that its files name as their parent. A file holds nothing.
fn lines(
    tx: &mut Tx,
    caller: &Caller,
    id: &str,
    order: Order,
    start: &Start,
    limit: usize,
) -> Result<(String, Vec<Line>)> {
    let of_user = if let Caller::User { user, visitor } = caller { Some((user, visitor)) } else { None };
    if let Some((user, _)) = of_user.filter(|_| id == TRASH) {
        let all = files::trashed(tx, user)?.into_iter().map(|item| Entry { shown: item.shown.clone(), item }).collect();
        return Ok((TRASH.to_owned(), folders::page_of(all, order, start, limit)));
    }
    if let Some((user, _)) = of_user.filter(|_| ROOTS.contains(&id)) {
        return Ok((ROOT.to_owned(), folders::page(tx, user, &Place::Root, order, start, limit)?));
    }
    let (caller, id) = caller.clone().having(tx, id, Action::List)?;
    if let Caller::User { user, visitor } = &caller {
        let place = place(tx, user, visitor, &id)?;
        return Ok((id, folders::page(tx, user, &place, order, start, limit)?));
    }
    let item = caller.reach(tx, &id, Action::List)?.item().clone();
    let lines = if item.is_folder() { folders::page_in(tx, &folder(item)?, order, start, limit)? } else { Vec::new() };
    Ok((id, lines))
}

/// A page of what lies in several folders, as if they were one.
fn list(tx: &mut Tx, caller: &Caller, ids: &[String], page: &Page, chosen: &Chosen) -> Result<Listing> {
    let mut all = Vec::new();
    let start = page.start(tx)?;
    for id in ids {
        let (parent_id, lines) = lines(tx, caller, id, page.order, &start, page.limit + 1)?;
        all.extend(lines.into_iter().map(|line| (parent_id.clone(), line)));
        if ids.len() > 1 {
            let order = page.order;
            all.sort_by(|(_, a), (_, b)| order.is_after(&a.mark, &b.mark).cmp(&order.is_after(&b.mark, &a.mark)));
            all.dedup_by_key(|(_, line)| line.item.key);
            all.truncate(page.limit + 1);
        }
    }
    let goes_on = all.len() > page.limit;
    all.truncate(page.limit);
    let page_token = all.last().filter(|_| goes_on).map(|(_, line)| line.token(page.order)).unwrap_or_default();
    let listed =
        all.into_iter().map(|(parent_id, line)| Listed { shown: line.name().to_owned(), item: line.item, parent_id });
    let files = described(tx, caller, listed.collect(), chosen)?;
    let files = files.iter().map(|file| chosen.cut(file)).collect::<Result<_>>()?;
    Ok(Listing { files, page_token })
}

/// What is told of each of these.
pub fn described(tx: &mut Tx, caller: &Caller, all: Vec<Listed>, chosen: &Chosen) -> Result<Vec<File>> {
    let folders = all.iter().map(|listed| &listed.item).filter(|item| item.is_folder());
    let counts = library::child_counts(tx, &folders.map(|item| item.key).collect::<Vec<_>>())?;
    let mut tracks = match caller {
        Caller::User { user, .. } if chosen.has("audio") => {
            let audio = all.iter().map(|listed| &listed.item).filter(|item| item.media == Media::Audio);
            let keys: Vec<ItemKey> = audio.map(|item| item.key).collect();
            let scope = rights::scope(tx, user)?;
            if keys.is_empty() { Vec::new() } else { music::tracks(tx, &scope, &keys)? }
        }
        Caller::User { .. } | Caller::Holder { .. } => Vec::new(),
    }
    .into_iter()
    .map(|track| (track.item.key, Audio::of(track)))
    .collect::<std::collections::HashMap<_, _>>();
    let file = |Listed { item, shown, parent_id }| {
        let trashed = parent_id == TRASH;
        let count = counts.get(&item.key).copied().unwrap_or(0);
        File { trashed, audio: tracks.remove(&item.key), ..File::of(&item, shown, parent_id, count) }
    };
    Ok(all.into_iter().map(file).collect())
}

pub async fn get_search_parents(call: Call) -> Result<Response> {
    let caller = auth::caller(&call).await?;
    let query = Fields::of_query(&call)?;
    let (ids, page, chosen) = (ids_of(&query)?, Page::of(&query)?, Chosen::of(&query));
    let listing = call.app.db.read(move |tx| list(tx, &caller, &ids, &page, &chosen)).await?;
    let text = serde_json::to_vec(&listing).map_err(|e| Error::internal("listing", e))?;
    let tag = hex(&Sha256::digest(&text)[..12]);
    answer_tagged(&call, &format!("\"{tag}\""), &listing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> Result<Page> {
        Page::of(&Fields::parse(query.as_bytes()).unwrap())
    }

    #[test]
    fn what_is_no_order_is_refused() {
        for query in ["order=up", "orderBy=colour", "limit=x"] {
            assert!(page(query).is_err(), "{query}");
        }
        for query in ["pageToken=&order=&limit=0", "order=asc;", "order=desc;&orderBy=extension"] {
            assert!(page(query).is_ok(), "{query}");
        }
        assert_eq!((page("").unwrap().limit, page("limit=0").unwrap().limit), (MOST_UNASKED, 1));
    }
}
