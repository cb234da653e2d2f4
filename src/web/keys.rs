//! A user's API keys.

use axum::http::StatusCode;
use axum::response::Response;

use super::pages::{KeyRow, KeysPage, MadeKey};
use super::{lead_within, page};
use crate::account::User;
use crate::error::Result;
use crate::http::fields::Fields;
use crate::http::{Call, Route};
use crate::work::signin;

pub const ROUTES: &[Route] = routes! {
    Person {
        "keysPage" GET "/app/keys" User keys_page;
        "makeKey" POST "/app/keys" User make_key;
        "revokeKey" POST "/app/keys/{id}/revoke" User revoke_key;
    }
};

async fn keys_page(call: Call, user: User) -> Result<Response> {
    shown(&call, &user, None, None).await
}

async fn shown(call: &Call, user: &User, made: Option<MadeKey>, problem: Option<String>) -> Result<Response> {
    let keys = signin::api_keys(&call.app, user.key).await?;
    let view = KeysPage {
        base: call.origin.prefix().to_owned(),
        user: user.display_name.clone(),
        keys: keys
            .into_iter()
            .map(|key| KeyRow { id: key.id, name: key.name, created_ms: key.created_ms, last_used_ms: key.used_ms })
            .collect(),
        made,
        problem,
    };
    Ok(page(StatusCode::OK, &view))
}

async fn make_key(mut call: Call, user: User) -> Result<Response> {
    let fields = Fields::of_form(&mut call).await?;
    let Some(name) = fields.get("name") else {
        return shown(&call, &user, None, Some("Give the key a name.".to_owned())).await;
    };
    let key = signin::add_api_key(&call.app, user.key, name).await?;
    shown(&call, &user, Some(MadeKey { name: key.name, secret: key.key }), None).await
}

async fn revoke_key(call: Call, user: User) -> Result<Response> {
    signin::remove_api_key(&call.app, user.key, call.path("id")).await?;
    Ok(lead_within(&call, "/app/keys"))
}
