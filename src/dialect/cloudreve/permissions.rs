//! Rights of others on one's own files, and the groups that can be named.
//!
//! A permission setting on a file is a share of it that opens to whom the setting names and to nobody else: so it stands in
//! the list of its owner's shares, is revoked like any of them, and every door obeys it.

use serde::{Deserialize, Serialize};

use super::files::{own_item, some_uris};
use super::shares::WishedPermissions;
use super::uri::FileUri;
use super::{Failure, Outcome, data, done_but_for};
use crate::account::User;
use crate::error::{Error, Result};
use crate::http::Call;
use crate::share::{Bits, Subject};
use crate::store::groups;
use crate::work::sharing;

#[derive(Deserialize)]
struct Setting {
    uris: Option<Vec<String>>,
    setting: Option<WishedPermissions>,
}

pub async fn post_permission(mut call: Call, user: User) -> Outcome {
    let asked: Setting = call.json().await?;
    let uris = some_uris(asked.uris)?;
    let setting = asked.setting.ok_or(Error::Missing("setting"))?;
    let rows = call.app.db.read(move |tx| setting.rows(tx)).await?;
    set(&call, &user, uris, &rows).await
}

#[derive(Deserialize)]
struct Cleared {
    uris: Option<Vec<String>>,
}

pub async fn delete_permission(mut call: Call, user: User) -> Outcome {
    let asked: Cleared = call.json().await?;
    set(&call, &user, some_uris(asked.uris)?, &[]).await
}

async fn set(call: &Call, user: &User, uris: Vec<String>, rows: &[(Subject, Bits)]) -> Outcome {
    let mut failed = Vec::new();
    for uri in uris {
        if let Err(failure) = set_one(call, user, &uri, rows).await {
            failed.push((uri, failure));
        }
    }
    done_but_for(failed)
}

async fn set_one(call: &Call, user: &User, uri: &str, rows: &[(Subject, Bits)]) -> Result<(), Failure> {
    let item = own_item(call, user, &FileUri::parse(uri)?).await?;
    Ok(sharing::permit(&call.app, user, item.key, rows).await?)
}

#[derive(Serialize)]
struct Group {
    id: String,
    name: String,
}

pub async fn get_group_list(call: Call, _: User) -> Outcome {
    let groups = call.app.db.read(groups::names).await?;
    data(&groups.into_iter().map(|(id, name)| Group { id, name }).collect::<Vec<_>>())
}
