//! The one device: this server, as the device service and its own `/sdk/v1/device` describe it, and the address book.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;
use uuid::Uuid;

use super::answer_json;
use super::answers::{self, public_id, user_id};
use super::auth::{self, Caller};
use crate::App;
use crate::account::User;
use crate::account::token::random_base62;
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::http::fields::Fields;
use crate::store::{Weighed, settings};
use crate::work::files;

const SETTING: &str = "mycloud-device";

struct Known(Option<String>);

impl Weighed for Known {}

/// The id by which clients know this server, for as long as its database lives.
pub async fn id(app: &App) -> Result<String> {
    let known = app.db.recall("device", "", |tx| Ok(Known(settings::get(tx, SETTING)?))).await?;
    if let Some(id) = &known.0 {
        return Ok(id.clone());
    }
    app.db.write(|tx| settings::get_or_insert(tx, SETTING, &Uuid::new_v4().to_string())).await
}

/// Refuses a path that names another device. One that names none is for the only one there is.
pub async fn is_this(call: &Call) -> Result<()> {
    let named = call.path("deviceId");
    if named.is_empty() || id(&call.app).await?.eq_ignore_ascii_case(named) {
        Ok(())
    } else {
        Err(Error::NotFound(Thing::Device))
    }
}

pub async fn get_config(call: Call) -> Result<Response> {
    Ok(answer_json(StatusCode::OK, &answers::config(&call.origin.base)))
}

async fn describe(call: &Call, user: &User) -> Result<serde_json::Value> {
    let (id, of) = (id(&call.app).await?, user.clone());
    let usage = call.app.db.read(move |tx| files::usage(tx, &of)).await?;
    let used_percent = (usage.used_bytes.saturating_mul(100)).checked_div(usage.total_bytes).unwrap_or(0).min(100);
    Ok(answers::device(&id, &call.origin.base, user.created_ms, used_percent))
}

pub async fn get_devices_of_user(call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    if public_id(call.path("userId")) != user.id {
        return Err(Error::NotFound(Thing::User));
    }
    let is_first_page = Fields::of_query(&call)?.get("pageToken").is_none();
    let devices = if is_first_page { vec![describe(&call, &user).await?] } else { Vec::new() };
    Ok(answer_json(StatusCode::OK, &json!({"data": devices})))
}

pub async fn get_device(call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    is_this(&call).await?;
    Ok(answer_json(StatusCode::OK, &json!({"data": describe(&call, &user).await?})))
}

/// The caller alone: who else has an account here is not theirs to know.
pub async fn get_users_of_device(call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    is_this(&call).await?;
    let mut entry = answers::account(&user);
    entry["userId"] = json!(user_id(&user));
    entry["attachedStatus"] = json!("APPROVED");
    Ok(answer_json(StatusCode::OK, &json!({"data": [entry]})))
}

/// The device of itself. A share's holder learns nothing of how full it is.
pub async fn get_sdk_device(call: Call) -> Result<Response> {
    let caller = auth::caller(&call).await?;
    let mut answer = json!({
        "id": id(&call.app).await?,
        "name": answers::DEVICE_NAME,
        "version": env!("CARGO_PKG_VERSION"),
        "type": "monarch",
    });
    if let Caller::User { user, .. } = caller {
        let usage = call.app.db.read(move |tx| files::usage(tx, &user)).await?;
        answer["storage"] = json!({"capacity": usage.total_bytes, "usage": usage.used_bytes});
    }
    Ok(answer_json(StatusCode::OK, &answer))
}

/// Clients mark a run of requests with the tag that they get here; nothing depends on it.
pub async fn post_activity_start(call: Call) -> Result<Response> {
    auth::caller(&call).await?;
    Ok(answer_json(StatusCode::OK, &json!({"tag": random_base62(16)})))
}
