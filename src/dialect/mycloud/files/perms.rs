//! Permissions on files: what a share's holders may read, and what other users may do with one's own files.
//!
//! A share's is a right of its `authId`, by which a share in two steps opens. A user's is a share of the file that opens to
//! whom it names, as every door knows it. `WriteFile` lets them add and change, `FileOwner` also delete; handing it on stays
//! its owner's.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::super::answers::{public_id, user_id};
use super::super::{answer_empty, answer_json, auth};
use super::body::{Object, text};
use super::item_id;
use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::http::fields::Fields;
use crate::library::ItemKey;
use crate::share::grant::Action;
use crate::share::{Bits, Subject};
use crate::store::{Tx, accounts, shares};
use crate::work::sharing;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    User,
    CloudShare,
}

/// To whom.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entity {
    kind: Kind,
    id: String,
}

impl Entity {
    fn of(body: &Object) -> Result<Entity> {
        let entity = body.get("entity").and_then(Value::as_object).ok_or(Error::Missing("entity"))?;
        let id = text(entity, "id")?.filter(|id| !id.is_empty()).ok_or(Error::Missing("id"))?.to_owned();
        let kind = match text(entity, "type")?.filter(|kind| !kind.is_empty()).ok_or(Error::Missing("type"))? {
            "cloudShare" => Kind::CloudShare,
            "user" => Kind::User,
            _ => return Err(Error::invalid("type", "user or cloudShare")),
        };
        Ok(Entity { kind, id })
    }

    /// Its owner's share, or another user: to be given something only one who is not blocked, and all have it taken back.
    fn subject(&self, tx: &mut Tx, owner: &User, is_eligible: fn(&User) -> bool) -> Result<Subject> {
        match self.kind {
            Kind::CloudShare => {
                let share = shares::by_auth_id(tx, &self.id)?;
                let own = share.filter(|share| share.owner == owner.key && !share.revoked);
                own.map(|share| Subject::Auth(share.auth_id)).ok_or(Error::NotFound(Thing::Share))
            }
            Kind::User => {
                let user = accounts::by_id(tx, public_id(&self.id))?.filter(is_eligible);
                match user.ok_or(Error::NotFound(Thing::User))? {
                    user if user.key == owner.key => Err(Error::invalid("entity", "it is your own file")),
                    user => Ok(Subject::User(user.key)),
                }
            }
        }
    }
}

const CHANGE: Bits = Bits::READ.and(Bits::UPDATE).and(Bits::CREATE);
const VALUES: [(&str, Bits); 3] = [("ReadFile", Bits::READ), ("WriteFile", CHANGE), ("FileOwner", Bits::BY_SHARE)];

fn bits_of(value: &str) -> Result<Bits> {
    let found = VALUES.iter().find(|(name, _)| *name == value);
    found.map(|(_, bits)| *bits).ok_or_else(|| Error::invalid("value", "ReadFile, WriteFile or FileOwner"))
}

/// The most that these are.
fn value_of(bits: Bits) -> &'static str {
    VALUES.iter().rev().find(|(_, all)| bits.has(*all)).map_or("ReadFile", |(name, _)| name)
}

/// The item, if it is the user's to share, and to whom.
async fn resolved(
    call: &Call,
    user: &User,
    file_id: &str,
    entity: &Entity,
    is_eligible: fn(&User) -> bool,
) -> Result<(ItemKey, Subject)> {
    let (user, visitor) = (user.clone(), call.guest().with_user(user.clone()));
    let (file_id, entity) = (file_id.to_owned(), entity.clone());
    let find = move |tx: &mut Tx| {
        let subject = entity.subject(tx, &user, is_eligible)?;
        let id = item_id(tx, &user, &file_id)?;
        Ok((sharing::own(tx, &user, &visitor, &id, Action::Share)?.item().key, subject))
    };
    call.app.db.read(find).await
}

/// One permission, as it is told and as it is named when it is to go.
fn told(file_id: &str, kind: Kind, id: &str, value: &str) -> Value {
    let (mark, kind) = if kind == Kind::User { ("u", "user") } else { ("s", "cloudShare") };
    let name = format!("{file_id}.{mark}.{}", public_id(id));
    json!({"id": name, "fileID": file_id, "entity": {"id": id, "type": kind}, "value": value})
}

/// Those that the caller gave on one file.
pub async fn get_file_perms(call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let file_id = Fields::of_query(&call)?.need("fileID")?.to_owned();
    let visitor = call.guest().with_user(user.clone());
    let list = move |tx: &mut Tx| {
        let id = item_id(tx, &user, &file_id)?;
        let item = sharing::own(tx, &user, &visitor, &id, Action::See)?.item().clone();
        let shares = shares::granted_on(tx, user.key, item.key)?;
        let mut all: Vec<Value> =
            shares.iter().map(|auth_id| told(&item.id, Kind::CloudShare, auth_id, "ReadFile")).collect();
        for share in sharing::of_permissions(tx, user.key, item.key)? {
            for (subject, bits) in share.terms.permissions {
                if let Subject::User(key) = subject
                    && let Some(user) = accounts::by_key(tx, key)?
                {
                    all.push(told(&item.id, Kind::User, &user_id(&user), value_of(bits)));
                }
            }
        }
        Ok(json!({"filePerms": all, "pageToken": ""}))
    };
    Ok(answer_json(StatusCode::OK, &call.app.db.read(list).await?))
}

pub async fn post_file_perms(mut call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let body: Object = call.json().await?;
    let file_id = text(&body, "fileID")?.filter(|id| !id.is_empty()).ok_or(Error::Missing("fileID"))?;
    let value = text(&body, "value")?.filter(|value| !value.is_empty()).ok_or(Error::Missing("value"))?;
    let (entity, bits) = (Entity::of(&body)?, bits_of(value)?);
    let (item, subject) = resolved(&call, &user, file_id, &entity, User::is_active).await?;
    match subject {
        Subject::Auth(_) if bits != Bits::READ => {
            return Err(Error::Unsupported("any permission for a share but ReadFile"));
        }
        Subject::Auth(auth_id) => {
            call.app.db.write(move |tx| shares::grant_item(tx, &auth_id, item, Bits::READ)).await?;
        }
        subject => sharing::permit_one(&call.app, &user, item, subject, bits).await?,
    }
    Ok(answer_json(StatusCode::CREATED, &told(file_id, entity.kind, &entity.id, value)))
}

async fn withdraw(call: &Call, user: &User, file_id: &str, entity: &Entity) -> Result<Response> {
    let (item, subject) = resolved(call, user, file_id, entity, |_| true).await?;
    match subject {
        Subject::Auth(auth_id) => {
            let gone = call.app.db.write(move |tx| shares::ungrant_item(tx, &auth_id, item)).await?;
            if gone == 0 {
                return Err(Error::NotFound(Thing::File));
            }
        }
        subject => sharing::forbid_one(&call.app, user.key, item, subject).await?,
    }
    Ok(answer_empty(StatusCode::NO_CONTENT))
}

/// Ours: named in a body like the one that gave it, or by `fileID` and `entityID`, which is then a share's `authId`.
pub async fn delete_file_perms(mut call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let query = Fields::of_query(&call)?;
    if let (Some(file_id), Some(auth_id)) = (query.get("fileID"), query.get("entityID")) {
        let entity = Entity { kind: Kind::CloudShare, id: auth_id.to_owned() };
        return withdraw(&call, &user, file_id, &entity).await;
    }
    let body: Object = call.json().await?;
    let file_id = text(&body, "fileID")?.filter(|id| !id.is_empty()).ok_or(Error::Missing("fileID"))?;
    withdraw(&call, &user, file_id, &Entity::of(&body)?).await
}

/// By the id that it was told with.
pub async fn delete_file_perm(call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let no_such = || Error::NotFound(Thing::File);
    let (file_id, entity) = call.path("id").split_once('.').ok_or_else(no_such)?;
    let entity = match entity.split_once('.') {
        Some(("u", id)) => Entity { kind: Kind::User, id: id.to_owned() },
        Some(("s", id)) => Entity { kind: Kind::CloudShare, id: id.to_owned() },
        _ => return Err(no_such()),
    };
    withdraw(&call, &user, file_id, &entity).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_as_they_were_given() {
        for (value, bits) in VALUES {
            assert_eq!((bits_of(value).unwrap(), value_of(bits)), (bits, value));
        }
        assert_eq!(value_of(Bits::READ.and(Bits::UPDATE)), "ReadFile");
        assert!(bits_of("readfile").is_err());
    }

    #[test]
    fn entities_are_users_and_shares_and_nothing_else() {
        let of = |entity: Value| Entity::of(json!({"entity": entity}).as_object().unwrap());
        assert_eq!(of(json!({"id": "a", "type": "user"})).unwrap(), Entity { kind: Kind::User, id: "a".into() });
        assert!(of(json!({"id": "a", "type": "cloudShare"})).is_ok());
        assert!(matches!(of(json!({"id": "a", "type": ""})), Err(Error::Missing("type"))));
        assert!(matches!(of(json!({"id": "", "type": "user"})), Err(Error::Missing("id"))));
        assert!(matches!(of(json!({"id": "a", "type": "group"})), Err(Error::Invalid { .. })));
        assert!(matches!(of(json!("a")), Err(Error::Missing("entity"))));
    }
}
