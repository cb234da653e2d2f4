//! Folders and files, as far as the administrator sees them by their own rights: accounts are managed, homes are not read.

use serde::{Deserialize, Serialize};

use super::{ListWish, Pages, audit, number, to_each};
use crate::account::User;
use crate::dialect::cloudreve::{Failure, Outcome, answers, content, data};
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::library::{Item, ItemKey};
use crate::share::grant::Action;
use crate::store::search::{self, Terms};
use crate::store::{Tx, library, rights};
use crate::work::{files, sharing};

#[derive(Serialize)]
struct FileEnt {
    id: i64,
    created_at: String,
    updated_at: String,
    /// 0 file, 1 folder.
    r#type: u8,
    name: String,
    size: u64,
    owner_id: i64,
    is_symbolic: bool,
    edges: serde_json::Map<String, serde_json::Value>,
    file_hash_id: String,
}

impl FileEnt {
    fn of(tx: &mut Tx, item: &Item) -> Result<FileEnt> {
        let owner = library::by_key(tx, item.library)?.owner;
        Ok(FileEnt {
            id: item.key.0,
            created_at: answers::time(item.added_ms),
            updated_at: answers::time(item.modified_ms),
            r#type: item.is_folder().into(),
            name: item.shown.clone(),
            size: if item.is_folder() { 0 } else { item.size_bytes },
            owner_id: owner.map_or(0, |owner| owner.0),
            is_symbolic: false,
            edges: serde_json::Map::new(),
            file_hash_id: item.id.clone(),
        })
    }
}

#[derive(Serialize)]
struct Files {
    files: Vec<FileEnt>,
    pagination: Pages,
}

/// Nobody counts a million names for a number at the foot of a list: it says whether there are more.
pub async fn post_list(mut call: Call, admin: User) -> Outcome {
    let asked: ListWish = call.json().await?;
    let page = asked.page()?;
    let terms = Terms::of(asked.condition("file_name").unwrap_or_default());
    let owner = asked.number("file_user")?;
    let visitor = call.guest().with_user(admin.clone());
    let listed = call.app.db.read(move |tx| {
        let scope = rights::scope(tx, &admin)?;
        let found = search::items(tx, &scope, &terms, page)?;
        let is_more = found.len() as u64 == page.limit;
        let total = page.offset + found.len() as u64 + u64::from(is_more);
        let mut files = Vec::with_capacity(found.len());
        for item in found {
            if sharing::own_item(tx, &admin, &visitor, item.clone(), Action::See).is_ok() {
                files.push(FileEnt::of(tx, &item)?);
            }
        }
        files.retain(|file| owner.is_none_or(|owner| file.owner_id == owner));
        Ok(Files { files, pagination: Pages::of(page, total) })
    });
    data(&listed.await?)
}

/// The item of a number, if the administrator may see it as anybody may: by their own rights.
async fn item_of(call: &Call, admin: &User, number: i64) -> Result<Item> {
    let (admin, visitor) = (admin.clone(), call.guest().with_user(admin.clone()));
    call.app
        .db
        .read(move |tx| {
            let item = library::item(tx, ItemKey(number))?.ok_or(Error::NotFound(Thing::File))?;
            Ok(sharing::own_item(tx, &admin, &visitor, item, Action::See)?.item().clone())
        })
        .await
}

async fn told(call: &Call, item: Item) -> Outcome {
    data(&call.app.db.read(move |tx| FileEnt::of(tx, &item)).await?)
}

pub async fn get_one(call: Call, admin: User) -> Outcome {
    let item = item_of(&call, &admin, number(&call)?).await?;
    told(&call, item).await
}

#[derive(Deserialize)]
struct Upsert {
    file: Option<Wished>,
}

#[derive(Deserialize)]
struct Wished {
    name: Option<String>,
}

/// A file's name is what can be another.
pub async fn put_one(mut call: Call, admin: User) -> Outcome {
    let number = number(&call)?;
    let asked: Upsert = call.json().await?;
    let name = asked.file.and_then(|file| file.name).ok_or(Error::Missing("name"))?;
    let item = item_of(&call, &admin, number).await?;
    let item = files::rename(&call.app, &admin, &item.id, &name).await?;
    audit(&admin, "renamed file", &number.to_string());
    told(&call, item).await
}

/// Into the trash, where their owners find them.
pub async fn post_batch_delete(call: Call, admin: User) -> Outcome {
    to_each(call, admin, trash).await
}

async fn trash(call: &Call, admin: &User, id: i64) -> Result<(), Failure> {
    let item = item_of(call, admin, id).await?;
    files::trash(&call.app, admin, &item.id).await?;
    audit(admin, "put file into the trash", &id.to_string());
    Ok(())
}

/// Of a file that the administrator may download by their own rights.
pub async fn get_url(call: Call, admin: User) -> Outcome {
    let item = item_of(&call, &admin, number(&call)?).await?;
    if item.is_folder() {
        return Err(Error::NotFound(Thing::File).into());
    }
    data(&content::own_url(&call, &admin, &item, None).await?)
}
