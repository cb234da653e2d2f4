//! Finding files by their names.

use axum::http::StatusCode;
use axum::response::Response;
use unicode_normalization::UnicodeNormalization;

use super::super::answer_json;
use super::super::answers::{Fragment, Location, Match, Matches, ROOT};
use super::super::auth::{self, Caller};
use super::{Chosen, ROOTS, answer_tagged, describe, list};
use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::http::fields::Fields;
use crate::library::Item;
use crate::library::Page;
use crate::share::grant::Action;
use crate::share::visit::Visitor;
use crate::store::search::{self, Terms};
use crate::store::{Tx, library, rights};
use crate::work::files::{self, Place};
use crate::work::sharing;

/// The child of this very name.
fn child(tx: &mut Tx, caller: Caller, parent: &str, name: &str) -> Result<(Caller, list::Listed)> {
    let name: String = name.nfc().collect();
    if let Caller::User { user, .. } = &caller
        && ROOTS.contains(&parent)
    {
        let Place::Item(item) = files::by_path(tx, user, std::slice::from_ref(&name))? else {
            return Err(Error::NotFound(Thing::File));
        };
        return Ok((caller, list::Listed { item, shown: name, parent_id: ROOT.to_owned() }));
    }
    let (caller, parent) = caller.having(tx, parent, Action::List)?;
    let folder = caller.reach(tx, &parent, Action::List)?.item().clone();
    let item = library::child_shown(tx, folder.key, &name)?.ok_or(Error::NotFound(Thing::File))?;
    let item = caller.reach(tx, &item.id, Action::See)?.item().clone();
    Ok((caller, list::Listed { item, shown: name, parent_id: folder.id }))
}

pub async fn get_search_parent_and_name(call: Call) -> Result<Response> {
    let caller = auth::caller(&call).await?;
    let query = Fields::of_query(&call)?;
    let name = query.need("name")?.to_owned();
    let parent = query.get("parentID").unwrap_or("sysroot").to_owned();
    let chosen = Chosen::of(&query);
    let find = move |tx: &mut Tx| {
        let (caller, listed) = child(tx, caller, &parent, &name)?;
        let file = list::described(tx, &caller, vec![listed], &chosen)?.pop().ok_or(Error::NotFound(Thing::File))?;
        Ok((chosen.cut(&file)?, file.e_tag))
    };
    let (file, tag) = call.app.db.read(find).await?;
    answer_tagged(&call, &tag, &file)
}

/// By name alone, in all that the user may read. A page begins at a number.
pub async fn get_search_text(call: Call) -> Result<Response> {
    const MOST: u64 = 500;
    let user = auth::user(&call).await?;
    let query = Fields::of_query(&call)?;
    let text = query.get("q").or(query.get("text")).ok_or(Error::Missing("q"))?.to_owned();
    let limit = query.number("limit")?.unwrap_or(100).clamp(1, MOST);
    let offset = query.number::<u32>("pageToken")?.unwrap_or(0).into();
    let (caller, chosen) = (Caller::of_user(&call, &user), Chosen::of(&query));
    let find = move |tx: &mut Tx| {
        let scope = rights::scope(tx, &user)?;
        let found = search::items(tx, &scope, &Terms::of(&text), Page { offset, limit: limit + 1 })?;
        let goes_on = found.len() as u64 > limit;
        let page_token = if goes_on { (offset + limit).to_string() } else { String::new() };
        let mut matches = Vec::new();
        for item in found.into_iter().take(limit as usize) {
            if is_there(tx, &user, &caller, &item)? {
                matches.push(a_match(tx, &caller, &item, &text, &chosen)?);
            }
        }
        Ok(Matches { page_token, matches })
    };
    Ok(answer_json(StatusCode::OK, &call.app.db.read(find).await?))
}

/// A folder above it may be in the trash.
fn is_there(tx: &mut Tx, user: &User, caller: &Caller, item: &Item) -> Result<bool> {
    let visitor: &Visitor = match caller {
        Caller::User { visitor, .. } | Caller::Holder { visitor, .. } => visitor,
    };
    match sharing::own_item(tx, user, visitor, item.clone(), Action::See) {
        Ok(_) => Ok(true),
        Err(Error::NotFound(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

fn a_match(tx: &mut Tx, caller: &Caller, item: &Item, text: &str, chosen: &Chosen) -> Result<Match> {
    let file = describe(tx, caller.clone(), &item.id, chosen)?;
    let (name, sought) = (file.name.to_lowercase(), text.to_lowercase());
    let locations =
        name.find(&sought).map(|at| Location { index: name[..at].chars().count(), length: sought.chars().count() });
    let fragments = vec![Fragment { text: file.name.clone(), locations: locations.into_iter().collect() }];
    Ok(Match { fragments, file: chosen.cut(&file)? })
}
