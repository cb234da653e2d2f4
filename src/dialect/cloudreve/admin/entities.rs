//! Former contents of files, as far as the administrator may change the files by their own rights. The current content of a
//! file is the file.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::policies::PolicyEnt;
use super::{ListWish, Pages, audit, number, to_each};
use crate::account::User;
use crate::dialect::cloudreve::{Failure, Outcome, answers, content, data};
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::library::{Item, LibraryKey};
use crate::share::Bits;
use crate::store::shares::Direction;
use crate::store::versions::lists::{self, Kept, VersionKey};
use crate::store::{Tx, library, rights};
use crate::work::{policies, versions};

#[derive(Serialize)]
struct EntityEnt {
    id: i64,
    created_at: String,
    updated_at: String,
    /// 0: a version of the content. There are no other kinds.
    r#type: u8,
    /// What it is called by `/file/url`.
    source: String,
    size: u64,
    reference_count: u8,
    storage_policy_entities: i64,
    edges: Value,
    user_hash_id_map: Map<String, Value>,
}

impl EntityEnt {
    fn of(tx: &mut Tx, admin: &User, kept: &Kept) -> Result<EntityEnt> {
        let item = library::item(tx, kept.item)?.ok_or(Error::NotFound(Thing::Version))?;
        let library = library::by_key(tx, item.library)?;
        let policy = PolicyEnt::of(policies::of(tx, admin, &library, item.key)?);
        let owner = library.owner;
        let file = json!({ "id": item.key.0, "name": item.shown, "owner_id": owner.map_or(0, |owner| owner.0) });
        Ok(EntityEnt {
            id: kept.key.0,
            created_at: answers::time(kept.version.modified_ms),
            updated_at: answers::time(kept.kept_ms),
            r#type: 0,
            source: kept.version.id.clone(),
            size: kept.version.size_bytes,
            reference_count: 1,
            storage_policy_entities: policy.id(),
            edges: json!({ "file": [file], "storage_policy": policy }),
            user_hash_id_map: Map::new(),
        })
    }
}

#[derive(Serialize)]
struct Entities {
    entities: Vec<EntityEnt>,
    pagination: Pages,
}

/// Former contents are for those who may change the file.
fn changeable(tx: &mut Tx, admin: &User) -> Result<Vec<LibraryKey>> {
    let all = rights::of_user(tx, admin)?;
    Ok(all.into_iter().filter(|(_, bits)| bits.has(Bits::UPDATE)).map(|(library, _)| library).collect())
}

pub async fn post_list(mut call: Call, admin: User) -> Outcome {
    let asked: ListWish = call.json().await?;
    let page = asked.page()?;
    let way = if asked.is_descending() { Direction::Descending } else { Direction::Ascending };
    let listed = call.app.db.read(move |tx| {
        let libraries = changeable(tx, &admin)?;
        let (found, total) = lists::page(tx, &libraries, way, page)?;
        let entities = found.iter().map(|kept| EntityEnt::of(tx, &admin, kept)).collect::<Result<_>>()?;
        Ok(Entities { entities, pagination: Pages::of(page, total) })
    });
    data(&listed.await?)
}

/// The former content of a number with its file, if the administrator may see it.
fn find(tx: &mut Tx, admin: &User, number: i64) -> Result<(Kept, Item)> {
    let gone = || Error::NotFound(Thing::Version);
    let kept = lists::by_key(tx, VersionKey(number))?.ok_or_else(gone)?;
    let item = library::item(tx, kept.item)?.ok_or_else(gone)?;
    versions::find(tx, admin, &item, &kept.version.id).map_err(|error| match error {
        Error::Internal(_) => error,
        _ => gone(),
    })?;
    Ok((kept, item))
}

async fn found(call: &Call, admin: &User, number: i64) -> Result<(Kept, Item)> {
    let admin = admin.clone();
    call.app.db.read(move |tx| find(tx, &admin, number)).await
}

pub async fn get_one(call: Call, admin: User) -> Outcome {
    let (kept, _) = found(&call, &admin, number(&call)?).await?;
    data(&call.app.db.read(move |tx| EntityEnt::of(tx, &admin, &kept)).await?)
}

pub async fn get_url(call: Call, admin: User) -> Outcome {
    let (kept, item) = found(&call, &admin, number(&call)?).await?;
    data(&content::own_url(&call, &admin, &item, Some(kept.version.id)).await?)
}

pub async fn post_batch_delete(call: Call, admin: User) -> Outcome {
    to_each(call, admin, remove).await
}

async fn remove(call: &Call, admin: &User, id: i64) -> Result<(), Failure> {
    let (kept, item) = found(call, admin, id).await?;
    versions::remove(&call.app, admin, &item.id, &kept.version.id).await?;
    audit(admin, "removed a former content", &id.to_string());
    Ok(())
}
