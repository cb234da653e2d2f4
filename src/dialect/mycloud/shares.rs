//! The share service, and the permissions that open files to a share's holders.

mod body;

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use self::body::{Body, list, named_items, readers, restrict, text, wish_of};
use super::answers::{self, ShareAnswer, public_id, user_id};
use super::{answer_empty, answer_json, auth, device};
use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::http::fields::Fields;
use crate::library::ItemKey;
use crate::share::grant::Action;
use crate::share::visit::{Visitor, is_preview_crawler};
use crate::share::{Audience, Bits, Door, Share, Subject};
use crate::store::shares::{self, Direction, Order};
use crate::store::{Tx, accounts, upload_names};
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
fn owners_answer(tx: &mut Tx, share: Share, owner: &User, device_id: &str, base: &str) -> Result<ShareAnswer> {
    let visitor = Visitor::guest([127, 0, 0, 1].into(), "").with_user(owner.clone());
    let facts = shares::facts_of(tx, share, &visitor, now_ms())?;
    let file_ids = file_ids(&sharing::contents(tx, &facts)?);
    let answer = ShareAnswer::of(&facts.share, owner, file_ids, device_id, base);
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
    let of = owner.clone();
    let resolve =
        move |tx: &mut Tx| Ok((named_items(tx, &of, &files)?, users.map(|users| readers(tx, &users)).transpose()?));
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
    let device_id = device::id(&call.app).await?;
    let (token, claims) = auth::share_token(&call.app, &facts.share, &device_id, &visitor);
    carry_visit(&call.app, &facts.share, &visitor, claims.jti).await?;
    let base = &call.origin.base;
    let mut answer = ShareAnswer::of(&facts.share, &facts.owner, file_ids(&look.contents), &device_id, base);
    answer.device = Some(answers::public_device(&device_id, base));
    answer.share_token = Some(token);
    if visitor.user.as_ref().is_some_and(|user| user.key == facts.share.owner) {
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
    let page_token = found.last().filter(|_| goes_on).map(|(_, share)| share.id.clone()).unwrap_or_default();
    let data: Vec<_> =
        found.into_iter().map(|(_, share)| owners_answer(tx, share, owner, device_id, base)).collect::<Result<_>>()?;
    Ok(json!({"data": data, "pageToken": page_token, "error": null}))
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
        Some(users) => restrict(&mut wish, call.app.db.read(move |tx| readers(tx, &users)).await?),
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

// Permissions ---------------------------------------------------------------------------------------------------------

/// What a permission names: the file and the share's `authId`.
struct Permission {
    file_id: String,
    auth_id: String,
}

impl Permission {
    fn of(body: &Body) -> Result<Permission> {
        let file_id = text(body, "fileID")?.to_owned();
        let entity = body.get("entity").and_then(Value::as_object).ok_or(Error::Missing("entity"))?;
        let auth_id = text(entity, "id")?.to_owned();
        match text(entity, "type")? {
            "cloudShare" => {}
            "user" => return Err(Error::Unsupported("a permission for one user")),
            _ => return Err(Error::invalid("type", "cloudShare")),
        }
        match body.get("value").and_then(Value::as_str) {
            None | Some("ReadFile") => Ok(Permission { file_id, auth_id }),
            Some("WriteFile" | "FileOwner") => Err(Error::Unsupported("any permission but ReadFile")),
            Some(_) => Err(Error::invalid("value", "ReadFile")),
        }
    }

    /// The item, if it is the user's to share, and so is the share.
    fn resolve(&self, tx: &mut Tx, user: &User, visitor: &Visitor) -> Result<ItemKey> {
        let share = shares::by_auth_id(tx, &self.auth_id)?.filter(|share| share.owner == user.key && !share.revoked);
        share.ok_or(Error::NotFound(Thing::Share))?;
        let uploaded = upload_names::item(tx, user.key, &self.file_id)?;
        let file_id = uploaded.as_deref().unwrap_or(&self.file_id);
        Ok(sharing::own(tx, user, visitor, file_id, Action::Share)?.item().key)
    }
}

pub async fn post_file_perms(mut call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let body: Body = call.json().await?;
    text(&body, "value")?;
    let permission = Permission::of(&body)?;
    let visitor = call.guest().with_user(user.clone());
    let grant = move |tx: &mut Tx| {
        let item = permission.resolve(tx, &user, &visitor)?;
        shares::grant_item(tx, &permission.auth_id, item, Bits::READ)
    };
    call.app.db.write(grant).await?;
    Ok(answer_json(StatusCode::CREATED, &body))
}

/// Ours: takes a permission back. Named in a body like the one that gave it, or by `fileID` and `entityID`.
pub async fn delete_file_perms(mut call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let query = Fields::of_query(&call)?;
    let permission = match (query.get("fileID"), query.get("entityID")) {
        (Some(file_id), Some(auth_id)) => Permission { file_id: file_id.to_owned(), auth_id: auth_id.to_owned() },
        _ => Permission::of(&call.json().await?)?,
    };
    let visitor = call.guest().with_user(user.clone());
    let withdraw = move |tx: &mut Tx| {
        let item = permission.resolve(tx, &user, &visitor)?;
        shares::ungrant_item(tx, &permission.auth_id, item)
    };
    match call.app.db.write(withdraw).await? {
        0 => Err(Error::NotFound(Thing::File)),
        _ => Ok(answer_empty(StatusCode::NO_CONTENT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(value: Value) -> Body {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn permission_that_would_not_be_enforced_is_refused() {
        let of = |entity: &str, value: &str| {
            Permission::of(&body(json!({"fileID": "f", "entity": {"id": "a", "type": entity}, "value": value})))
        };
        assert!(of("cloudShare", "ReadFile").is_ok());
        assert!(matches!(of("user", "ReadFile"), Err(Error::Unsupported(_))));
        assert!(matches!(of("cloudShare", "WriteFile"), Err(Error::Unsupported(_))));
        assert!(matches!(of("cloudShare", "FileOwner"), Err(Error::Unsupported(_))));
        assert!(matches!(of("cloudShare", "x"), Err(Error::Invalid { .. })));
        assert!(matches!(of("", "ReadFile"), Err(Error::Missing("type"))));
    }
}
