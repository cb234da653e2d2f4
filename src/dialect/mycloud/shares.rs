//! The share service, and the permissions that open files to a share's holders.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::answers::{self, ShareAnswer, public_id, user_id};
use super::{answer_empty, answer_json, auth, device};
use crate::account::{User, UserKey};
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::http::fields::Fields;
use crate::share::visit::{Visitor, is_preview_crawler};
use crate::share::{Audience, Bits, Change, Door, Share, ShareKey, Shared, Subject, Wish};
use crate::store::shares::{self, Direction, Order};
use crate::store::{Tx, accounts, library};
use crate::work::look::{self, Look};
use crate::work::sharing::{self, Contents};
use crate::work::signin;
use crate::{App, now_ms};

// What bodies say ------------------------------------------------------------------------------------------------------

type Body = Map<String, Value>;

fn text<'a>(body: &'a Body, name: &'static str) -> Result<&'a str> {
    body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).ok_or(Error::Missing(name))
}

/// A list of ids; `None` where the field is absent, which is not the same as empty.
fn list(body: &Body, name: &'static str) -> Result<Option<Vec<String>>> {
    let not_ids = || Error::invalid(name, "a list of ids");
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(all)) => {
            all.iter().map(|id| id.as_str().map(str::to_owned).ok_or_else(not_ids)).collect::<Result<_>>().map(Some)
        }
        Some(_) => Err(not_ids()),
    }
}

/// What a body says of a share, besides who may read it.
fn wish_of(body: &Body) -> Result<Wish> {
    let metadata = match body.get("metadata") {
        None => Change::Keep,
        Some(Value::Null) => Change::Clear,
        Some(Value::Object(fields)) => Change::Set(Value::Object(fields.clone()).to_string()),
        Some(_) => return Err(Error::invalid("metadata", "an object")),
    };
    let use_cache = match body.get("useCache") {
        None | Some(Value::Null) => None,
        Some(Value::Bool(use_cache)) => Some(*use_cache),
        Some(_) => return Err(Error::invalid("useCache", "true or false")),
    };
    Ok(Wish { metadata, use_cache, ..Wish::default() })
}

/// Only those who are named may read. An empty list names nobody: a client that computed one must not publish by it.
fn restrict(wish: &mut Wish, readers: Vec<UserKey>) {
    wish.audience = Some(Audience::Listed);
    wish.permissions = Some(readers.into_iter().map(|key| (Subject::User(key), Bits::READ)).collect());
}

fn readers(tx: &mut Tx, user_ids: &[String]) -> Result<Vec<UserKey>> {
    let mut keys = Vec::new();
    for id in user_ids {
        let user = accounts::by_id(tx, public_id(id))?.filter(User::is_active).ok_or(Error::NotFound(Thing::User))?;
        if !keys.contains(&user.key) {
            keys.push(user.key);
        }
    }
    Ok(keys)
}

fn named_items(tx: &mut Tx, file_ids: &[String]) -> Result<Vec<Shared>> {
    let mut items = Vec::new();
    for id in file_ids {
        let shared = Shared::Item(library::item_by_id(tx, id)?.ok_or(Error::NotFound(Thing::File))?.key);
        if !items.contains(&shared) {
            items.push(shared);
        }
    }
    Ok(items)
}

// What answers say -----------------------------------------------------------------------------------------------------

fn file_ids(contents: &Contents) -> Vec<String> {
    match contents {
        Contents::Folder(item) | Contents::File(item) => vec![item.id.clone()],
        Contents::Set(items) => items.iter().map(|item| item.id.clone()).collect(),
    }
}

/// A share as its owner sees it.
fn owners_answer(tx: &mut Tx, share: Share, owner: &User, device_id: &str, base: &str) -> Result<ShareAnswer> {
    let visitor = Visitor::guest([127, 0, 0, 1].into(), "").with_user(owner.clone());
    let facts = shares::facts_of(tx, share, &visitor, now_ms())?;
    let file_ids = file_ids(&sharing::contents(tx, &facts)?);
    let mut answer = ShareAnswer::of(&facts.share, owner, file_ids, device_id, base);
    answer.user_ids = user_ids(tx, &facts.share)?;
    Ok(answer)
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
    let (device_id, base) = (device::id(&call.app).await?, call.origin.base.clone());
    let answer = call.app.db.read(move |tx| owners_answer(tx, share, &owner, &device_id, &base)).await?;
    Ok(answer_json(status, &json!({"data": answer, "error": null})))
}

// Calls ---------------------------------------------------------------------------------------------------------------

pub async fn post_shares(mut call: Call) -> Result<Response> {
    let owner = auth::owner(&call).await?;
    let body: Body = call.json().await?;
    if !text(&body, "deviceId")?.eq_ignore_ascii_case(&device::id(&call.app).await?) {
        return Err(Error::NotFound(Thing::Device));
    }
    let files = list(&body, "fileIds")?.filter(|files| !files.is_empty()).ok_or(Error::Missing("fileIds"))?;
    if public_id(text(&body, "ownerId")?) != owner.id {
        return Err(Error::invalid("ownerId", "it is not the user of the token"));
    }
    let mut wish = wish_of(&body)?;
    let users = list(&body, "userIds")?;
    let resolve =
        move |tx: &mut Tx| Ok((named_items(tx, &files)?, users.map(|users| readers(tx, &users)).transpose()?));
    let (items, readers) = call.app.db.read(resolve).await?;
    if let Some(readers) = readers {
        restrict(&mut wish, readers);
    }
    let made = sharing::create(&call.app, &owner, Door::MyCloud, items, wish).await;
    let share = made.map_err(about_files)?;
    answer_owner(&call, StatusCode::CREATED, share, owner).await
}

/// Files that are not the caller's to share are told by the name of the field they came in, whatever keeps them away.
fn about_files(error: Error) -> Error {
    match error {
        Error::Forbidden(_) | Error::Invalid { what: "id", .. } => {
            Error::invalid("fileIds", "they are not yours to share")
        }
        other => other,
    }
}

pub async fn get_share(call: Call) -> Result<Response> {
    let mut visitor = call.guest();
    // A bad token is as none: it must not shut a share that is open to anyone.
    visitor.user = auth::user_if_any(&call).await?;
    let look = opened(&call, &mut visitor).await?;
    let facts = &look.facts;
    sharing::count_view(&call.app, facts, &visitor).await?;
    let device_id = device::id(&call.app).await?;
    let (token, claims) = auth::share_token(&call.app, &facts.share, &device_id, &visitor);
    carry_visit(&call.app, &facts.share, &visitor, claims.jti).await?;
    let base = &call.origin.base;
    let mut answer = ShareAnswer::of(&facts.share, &facts.owner, file_ids(&look.contents), &device_id, base);
    answer.device = Some(answers::public_device(&device_id, base));
    answer.share_token = Some(token);
    if visitor.user.as_ref().is_some_and(|user| user.key == facts.share.owner) {
        let look = look.clone();
        answer.user_ids = call.app.db.read(move |tx| user_ids(tx, &look.facts.share)).await?;
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
    let device_id = device::id(&call.app).await?;
    if query.get("deviceId").is_some_and(|id| !id.eq_ignore_ascii_case(&device_id)) {
        return Err(Error::NotFound(Thing::Device));
    }
    let limit = query.number("limit")?.unwrap_or(100_usize).clamp(1, 1000);
    let (after, base) = (query.get("pageToken").map(str::to_owned), call.origin.base.clone());
    let page = move |tx: &mut Tx| page_of(tx, &owner, after.as_deref(), limit, &device_id, &base);
    Ok(answer_json(StatusCode::OK, &call.app.db.read(page).await?))
}

fn page_of(tx: &mut Tx, owner: &User, after: Option<&str>, limit: usize, device_id: &str, base: &str) -> Result<Value> {
    let after = match after {
        Some(id) => {
            let ShareKey(key) =
                shares::owned(tx, owner.key, id).map_err(|_| Error::invalid("pageToken", "it is of no page"))?.key;
            Some((key, ShareKey(key)))
        }
        None => None,
    };
    let mut found = shares::page_of_owner(tx, owner.key, Order::Created, Direction::Descending, after, limit + 1)?;
    let goes_on = found.len() > limit;
    found.truncate(limit);
    let page_token = found.last().filter(|_| goes_on).map(|(_, share)| share.id.clone()).unwrap_or_default();
    let data: Vec<_> =
        found.into_iter().map(|(_, share)| owners_answer(tx, share, owner, device_id, base)).collect::<Result<_>>()?;
    Ok(json!({"data": data, "pageToken": page_token, "error": null}))
}

/// Ours: metadata, useCache and userIds; `userIds: null` opens the share to anyone.
pub async fn patch_share(mut call: Call) -> Result<Response> {
    let owner = auth::owner(&call).await?;
    let body: Body = call.json().await?;
    if body.keys().any(|name| !matches!(name.as_str(), "metadata" | "useCache" | "userIds")) {
        return Err(Error::invalid("body", "only metadata, useCache and userIds can be changed"));
    }
    let mut wish = wish_of(&body)?;
    match list(&body, "userIds")? {
        Some(users) => restrict(&mut wish, call.app.db.read(move |tx| readers(tx, &users)).await?),
        None if body.contains_key("userIds") => {
            wish.audience = Some(Audience::Anyone);
            wish.permissions = Some(Vec::new());
        }
        None => {}
    }
    let share = sharing::edit(&call.app, owner.key, call.path("shareId"), wish).await?;
    answer_owner(&call, StatusCode::OK, share, owner).await
}

/// Ours: ends the share and its tokens, at every door.
pub async fn delete_share(call: Call) -> Result<Response> {
    let owner = auth::owner(&call).await?;
    sharing::revoke(&call.app, owner.key, call.path("shareId")).await?;
    Ok(answer_empty(StatusCode::NO_CONTENT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(value: Value) -> Body {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn empty_list_of_users_restricts_and_an_absent_one_does_not() {
        assert_eq!(list(&body(json!({"userIds": []})), "userIds").unwrap(), Some(Vec::new()));
        assert_eq!(list(&body(json!({})), "userIds").unwrap(), None);
        assert!(list(&body(json!({"userIds": "auth0|u"})), "userIds").is_err());
        assert!(list(&body(json!({"userIds": [1]})), "userIds").is_err());
        let mut wish = Wish::default();
        restrict(&mut wish, Vec::new());
        assert_eq!((wish.audience, wish.permissions), (Some(Audience::Listed), Some(Vec::new())));
    }
}
