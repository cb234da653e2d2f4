//! The share service.

mod body;

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use self::body::{Body, list, named_items, readers, restrict, text, wish_of};
use super::answers::{self, ShareAnswer, public_id, user_id};
use super::device::Ids;
use super::{answer_empty, answer_json, auth, device};
use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::http::fields::Fields;
use crate::share::visit::{Visitor, is_preview_crawler};
use crate::share::{Audience, Bits, Door, Share, Subject};
use crate::store::shares::{self, Direction, Order};
use crate::store::{Tx, accounts};
use crate::work::look::{self, Look};
use crate::work::sharing::{self, Contents};
use crate::work::signin;
use crate::{App, now_ms};

// What answers say -----------------------------------------------------------------------------------------------------

fn file_ids(contents: &Contents) -> Vec<String> {
    match contents {
        Contents::Folder(item) | Contents::File(item) => vec![item.id.clone()],
        Contents::Set(items) => items.iter().map(|item| item.id.clone()).collect(),
    }
}

/// A share as its owner sees it.
fn owners_answer(tx: &mut Tx, share: Share, owner: &User, ids: &Ids, base: &str) -> Result<ShareAnswer> {
    let visitor = Visitor::guest([127, 0, 0, 1].into(), "").with_user(owner.clone());
    let facts = shares::facts_of(tx, share, &visitor, now_ms())?;
    let file_ids = file_ids(&sharing::contents(tx, &facts)?);
    let device_id = ids.of_items(tx, &facts.share.items)?;
    let answer = ShareAnswer::of(&facts.share, owner, file_ids, &device_id, base);
    Ok(answer.for_owner(&facts.share, user_ids(tx, &facts.share)?))
}

fn user_ids(tx: &mut Tx, share: &Share) -> Result<Option<Vec<String>>> {
    if share.terms.audience != Audience::Listed {
        return Ok(None);
    }
    let mut ids = Vec::new();
    for (subject, bits) in &share.terms.permissions {
        if let (Subject::User(key), true) = (subject, bits.has(Bits::READ)) {
            ids.extend(accounts::by_key(tx, *key)?.map(|user| user_id(&user)));
        }
    }
    Ok(Some(ids))
}

async fn answer_owner(call: &Call, status: StatusCode, share: Share, owner: User) -> Result<Response> {
    let (ids, base) = (device::ids(&call.app).await?, call.origin.base.clone());
    let answer = call.app.db.read(move |tx| owners_answer(tx, share, &owner, &ids, &base)).await?;
    Ok(answer_json(status, &json!({"data": answer, "error": null})))
}

// Calls ---------------------------------------------------------------------------------------------------------------

pub async fn post_shares(mut call: Call) -> Result<Response> {
    let owner = auth::owner(&call).await?;
    let body: Body = call.json().await?;
    let device_id = text(&body, "deviceId")?.to_owned();
    let files = list(&body, "fileIds")?.filter(|files| !files.is_empty()).ok_or(Error::Missing("fileIds"))?;
    if public_id(text(&body, "ownerId")?) != owner.id {
        return Err(Error::invalid("ownerId", "it is not the user of the token"));
    }
    let mut wish = wish_of(&body)?;
    let users = list(&body, "userIds")?;
    let (of, ids) = (owner.clone(), device::ids(&call.app).await?);
    let resolve = move |tx: &mut Tx| {
        let device = ids.named(tx, &device_id)?.ok_or(Error::NotFound(Thing::Device))?;
        let items = named_items(tx, &of, &files)?;
        if device.library.is_some() && ids.of_items(tx, &items)? != device.id {
            return Err(Error::invalid("fileIds", "they are not on this device"));
        }
        Ok((items, users.map(|users| readers(tx, &users)).transpose()?))
    };
    let (items, readers) = call.app.db.read(resolve).await?;
    if let Some(readers) = readers {
        restrict(&mut wish, readers, Vec::new());
    }
    let made = sharing::create(&call.app, &owner, Door::MyCloud, items, wish).await;
    let share = made.map_err(about_files)?;
    answer_owner(&call, StatusCode::CREATED, share, owner).await
}

/// Files that are not the caller's to share are told by the name of the field they came in, whatever keeps them away.
fn about_files(error: Error) -> Error {
    match error {
        Error::Forbidden(_) => Error::invalid("fileIds", "they are not yours to share"),
        Error::Invalid { what: "id", why } => Error::invalid("fileIds", why),
        other => other,
    }
}

pub async fn get_share(call: Call) -> Result<Response> {
    if call.path("shareId").trim().is_empty() {
        return Err(Error::Missing("shareId"));
    }
    let mut visitor = call.guest();
    // A bad token is as none: it must not shut a share that is open to anyone.
    visitor.user = auth::user_if_any(&call).await?;
    let look = opened(&call, &mut visitor).await?;
    let facts = &look.facts;
    sharing::count_view(&call.app, facts, &visitor).await?;
    let (ids, of) = (device::ids(&call.app).await?, look.clone());
    let device_id = call.app.db.read(move |tx| ids.of_items(tx, &of.facts.share.items)).await?;
    let (token, claims) = auth::share_token(&call.app, &facts.share, &device_id, &visitor);
    carry_visit(&call.app, &facts.share, &visitor, claims.jti).await?;
    let base = &call.origin.base;
    let mut answer = ShareAnswer::of(&facts.share, &facts.owner, file_ids(&look.contents), &device_id, base);
    answer.device = Some(answers::public_device(&device_id, base));
    answer.share_token = Some(token);
    if facts.is_owned_by(&visitor) {
        let of = look.clone();
        let user_ids = call.app.db.read(move |tx| user_ids(tx, &of.facts.share)).await?;
        answer = answer.for_owner(&facts.share, user_ids);
    }
    Ok(answer_json(StatusCode::OK, &json!({"data": answer, "error": null})))
}

/// The share of the path, opened to the visitor; with the password of our own header where it has one. What waits for its
/// second step is told all the same: `fileIds` are what a client asks the second step for.
async fn opened(call: &Call, visitor: &mut Visitor) -> Result<Arc<Look>> {
    let id = call.path("shareId");
    let (look, admitted) = match (look::open(&call.app, id, visitor).await, call.header("x-share-password")) {
        (Err(Error::ShareLocked), Some(password)) => {
            signin::unlock(&call.app, id, password, visitor).await?;
            look::open(&call.app, id, visitor).await?
        }
        (answer, _) => answer?,
    };
    if sharing::is_gone(&look.facts, &look.contents) && !admitted.is_owner() {
        return Err(Error::NotFound(Thing::Share));
    }
    Ok(look)
}

/// The visitor who was just counted goes on under the token's name; without this the token of a share's last view would
/// open nothing.
async fn carry_visit(app: &App, share: &Share, visitor: &Visitor, jti: String) -> Result<()> {
    if share.terms.view_limit.is_none() || visitor.known_as().is_some() || is_preview_crawler(&visitor.agent) {
        return Ok(());
    }
    let (key, carried) = (share.key, visitor.clone().with_ticket(jti));
    app.db.write(move |tx| shares::know_visitor(tx, key, &carried, now_ms())).await
}

/// Ours: the caller's shares, newest first.
pub async fn get_shares(call: Call) -> Result<Response> {
    let owner = auth::owner(&call).await?;
    let query = Fields::of_query(&call)?;
    if query.get("ownerId").is_some_and(|id| public_id(id) != owner.id) {
        return Err(Error::invalid("ownerId", "it is not the user of the token"));
    }
    let (ids, on) = (device::ids(&call.app).await?, query.get("deviceId").map(str::to_owned));
    let limit = query.number("limit")?.unwrap_or(100_usize).clamp(1, 1000);
    let (after, base) = (query.get("pageToken").map(str::to_owned), call.origin.base.clone());
    let page = move |tx: &mut Tx| {
        let on = match on {
            Some(id) => Some(ids.named(tx, &id)?.ok_or(Error::NotFound(Thing::Device))?),
            None => None,
        };
        let mut page = page_of(tx, &owner, after.as_deref(), limit, &ids, &base)?;
        // A page that is not full is not the last one: that one has an empty pageToken.
        if let Some(device) = on.filter(|device| device.library.is_some()) {
            page.data.retain(|share| share.device_id == device.id);
        }
        Ok(json!({"data": page.data, "pageToken": page.token, "error": null}))
    };
    Ok(answer_json(StatusCode::OK, &call.app.db.read(page).await?))
}

struct Page {
    data: Vec<ShareAnswer>,
    /// Of the next page; empty where there is none.
    token: String,
}

fn page_of(tx: &mut Tx, owner: &User, after: Option<&str>, limit: usize, ids: &Ids, base: &str) -> Result<Page> {
    let after = match after {
        // The last share of a page may have been deleted since.
        Some(id) => {
            let last = shares::by_id_ever(tx, id)?.filter(|share| share.owner == owner.key);
            let last = last.ok_or(Error::invalid("pageToken", "it is of no page"))?;
            Some((last.key.0, last.key))
        }
        None => None,
    };
    let mut found = shares::page_of_owner(tx, owner.key, Order::Created, Direction::Descending, after, limit + 1)?;
    let goes_on = found.len() > limit;
    found.truncate(limit);
    let token = found.last().filter(|_| goes_on).map(|(_, share)| share.id.clone()).unwrap_or_default();
    let one = |(_, share)| owners_answer(tx, share, owner, ids, base);
    let data = found.into_iter().map(one).collect::<Result<_>>()?;
    Ok(Page { data, token })
}

/// What may be changed of a share; the terms in `openshelf` are ours throughout.
const CHANGEABLE: [&str; 5] = ["metadata", "useCache", "userIds", "fileIds", "openshelf"];

/// Ours: changes what is named and nothing else; `userIds: null` opens the share to anyone.
pub async fn patch_share(mut call: Call) -> Result<Response> {
    let owner = auth::owner(&call).await?;
    let body: Body = call.json().await?;
    if body.keys().any(|name| !CHANGEABLE.contains(&name.as_str())) {
        return Err(Error::invalid("body", format!("nothing but {} can be changed", CHANGEABLE.join(", "))));
    }
    let mut wish = wish_of(&body)?;
    match list(&body, "userIds")? {
        Some(users) => {
            let (key, id) = (owner.key, call.path("shareId").to_owned());
            let read = move |tx: &mut Tx| Ok((readers(tx, &users)?, shares::owned(tx, key, &id)?.terms.permissions));
            let (readers, before) = call.app.db.read(read).await?;
            restrict(&mut wish, readers, before);
        }
        None if body.contains_key("userIds") => {
            wish.audience = Some(Audience::Anyone);
            wish.permissions = Some(Vec::new());
        }
        None => {}
    }
    if body.contains_key("fileIds") {
        let files = list(&body, "fileIds")?.filter(|files| !files.is_empty()).ok_or(Error::Missing("fileIds"))?;
        let of = owner.clone();
        wish.items = Some(call.app.db.read(move |tx| named_items(tx, &of, &files)).await?);
    }
    let share = sharing::edit(&call.app, owner.key, call.path("shareId"), wish).await.map_err(about_files)?;
    answer_owner(&call, StatusCode::OK, share, owner).await
}

/// Ours: ends the share and its tokens, at every door.
pub async fn delete_share(call: Call) -> Result<Response> {
    let owner = auth::owner(&call).await?;
    sharing::revoke(&call.app, owner.key, call.path("shareId")).await?;
    Ok(answer_empty(StatusCode::NO_CONTENT))
}
