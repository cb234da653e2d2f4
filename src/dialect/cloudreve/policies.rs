//! Putting folders under a storage policy.

use serde::Deserialize;

use super::files::own_item;
use super::uri::FileUri;
use super::{Failure, Outcome, ROOT_PROTECTED, done};
use crate::account::User;
use crate::error::Error;
use crate::http::Call;
use crate::work::files::Place;
use crate::work::policies;

#[derive(Deserialize)]
struct Asked {
    uri: Option<String>,
    policy_id: Option<String>,
}

/// An empty id takes the folder back under what is above it.
pub async fn patch_policy(mut call: Call, user: User) -> Outcome {
    let asked: Asked = call.json().await?;
    let uri = FileUri::parse(asked.uri.as_deref().ok_or(Error::Missing("uri"))?)?;
    let id = Some(asked.policy_id.ok_or(Error::Missing("policy_id"))?).filter(|id| !id.is_empty());
    let place = match own_item(&call, &user, &uri).await {
        Ok(item) => Place::Item(item),
        Err(Failure::Code(code, _)) if code == ROOT_PROTECTED.code() => Place::Root,
        Err(failure) => return Err(failure),
    };
    call.app.db.write(move |tx| policies::set_of_folder(tx, &user, &place, id.as_deref())).await?;
    done()
}
