//! Versions of a file: which one is current, and which go.

use serde::Deserialize;

use super::files::own_item;
use super::uri::FileUri;
use super::{Outcome, done, query};
use crate::account::User;
use crate::error::Error;
use crate::http::Call;
use crate::work::versions;

#[derive(Deserialize)]
struct Asked {
    uri: Option<String>,
    version: Option<String>,
}

impl Asked {
    /// The document has them in the address, clients in a body.
    async fn of(call: &mut Call) -> Result<(FileUri, String), Error> {
        let query = query(call)?;
        let asked = match query.get("uri") {
            Some(uri) => Asked { uri: Some(uri.to_owned()), version: query.get("version").map(str::to_owned) },
            None => call.json().await?,
        };
        let uri = FileUri::parse(asked.uri.as_deref().ok_or(Error::Missing("uri"))?)?;
        Ok((uri, asked.version.filter(|version| !version.is_empty()).ok_or(Error::Missing("version"))?))
    }
}

pub async fn post_current(mut call: Call, user: User) -> Outcome {
    let (uri, version) = Asked::of(&mut call).await?;
    let item = own_item(&call, &user, &uri).await?;
    versions::make_current(&call.app, &user, &item.id, &version).await?;
    done()
}

pub async fn delete_version(mut call: Call, user: User) -> Outcome {
    let (uri, version) = Asked::of(&mut call).await?;
    let item = own_item(&call, &user, &uri).await?;
    versions::remove(&call.app, &user, &item.id, &version).await?;
    done()
}
