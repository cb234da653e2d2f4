//! The devices: this server as one, or each library by itself, as the device service and a device's own `/sdk/v1/device`
//! describe them; and the address book.
//!
//! The id of the server as a whole is good in either case, so that neither links nor apps break when the setting changes.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use uuid::{Builder, Uuid};

use super::answer_json;
use super::answers::{self, public_id, user_id};
use super::auth::{self, Caller};
use crate::App;
use crate::account::User;
use crate::account::token::{Keys, Purpose, random_base62};
use crate::config::Devices;
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::http::fields::Fields;
use crate::library::{LibraryKey, LibraryKind};
use crate::share::Shared;
use crate::store::{Tx, Weighed, library, rights, settings, shares};
use crate::work::files;

const SETTING: &str = "mycloud-device";

struct Known(Option<String>);

impl Weighed for Known {}

/// The id by which clients know this server, for as long as its database lives.
async fn own_id(app: &App) -> Result<String> {
    let known = app.db.recall("device", "", |tx| Ok(Known(settings::get(tx, SETTING)?))).await?;
    if let Some(id) = &known.0 {
        return Ok(id.clone());
    }
    app.db.write(|tx| settings::get_or_insert(tx, SETTING, &Uuid::new_v4().to_string())).await
}

/// By which ids clients know what is here.
#[derive(Debug, Clone)]
pub struct Ids {
    /// The server as a whole.
    server: String,
    devices: Devices,
    keys: Keys,
}

pub async fn ids(app: &App) -> Result<Ids> {
    Ok(Ids { server: own_id(app).await?, devices: app.config.mycloud_devices, keys: app.keys.clone() })
}

impl Ids {
    /// Of a library that is a device of its own: the same on every node, for as long as both live. Nobody can count on to
    /// the next.
    fn of_library(&self, key: LibraryKey) -> String {
        let digest = self.keys.sign(Purpose::Device, format!("{} {}", self.server, key.0).as_bytes());
        let bytes: [u8; 16] = digest[..16].try_into().expect("a signature is longer");
        Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// The device on which all of these lie.
    pub fn of_items(&self, tx: &mut Tx, items: &[Shared]) -> Result<String> {
        if self.devices == Devices::One || items.iter().any(|shared| !matches!(shared, Shared::Item(_))) {
            return Ok(self.server.clone());
        }
        Ok(match library::holding(tx, items)?.as_slice() {
            [one] => self.of_library(*one),
            _ => self.server.clone(),
        })
    }

    /// None of a share that is not there.
    pub fn of_share(&self, tx: &mut Tx, id: &str) -> Result<Option<String>> {
        shares::by_id(tx, id)?.map(|share| self.of_items(tx, &share.items)).transpose()
    }

    /// What a device's id stands for: one library, or all. None where it is no device's.
    pub fn named(&self, tx: &mut Tx, id: &str) -> Result<Option<Device>> {
        if id.eq_ignore_ascii_case(&self.server) {
            return Ok(Some(Device { id: self.server.clone(), library: None, name: answers::DEVICE_NAME.to_owned() }));
        }
        if self.devices == Devices::One {
            return Ok(None);
        }
        let all = library::all(tx)?.into_iter().map(|library| self.device_of(library.key, library.name));
        Ok(all.into_iter().find(|device| device.id.eq_ignore_ascii_case(id)))
    }

    fn device_of(&self, key: LibraryKey, name: String) -> Device {
        Device { id: self.of_library(key), library: Some(key), name }
    }

    /// Those that a user sees, their home first.
    fn of_user(&self, tx: &mut Tx, user: &User) -> Result<Vec<Device>> {
        if self.devices == Devices::One {
            return Ok(self.named(tx, &self.server)?.into_iter().collect());
        }
        let scope = rights::scope(tx, user)?;
        let mut seen = library::reachable(tx, user.key)?;
        seen.retain(|library| scope.libraries().contains(&library.key));
        seen.sort_by_key(|library| (library.kind != LibraryKind::Home, library.key.0));
        Ok(seen.into_iter().map(|library| self.device_of(library.key, library.name)).collect())
    }
}

#[derive(Debug, Clone)]
pub struct Device {
    pub id: String,
    pub name: String,
    /// Its root is the device's. None of the server as a whole.
    pub library: Option<LibraryKey>,
}

/// Notes in a call to a device which one its path names; the server as a whole where it names none.
pub async fn find(call: &mut Call) -> Result<()> {
    let ids = ids(&call.app).await?;
    let named = call.path("deviceId").to_ascii_lowercase();
    let wanted = if named.is_empty() { ids.server.clone() } else { named.clone() };
    let found = call.app.db.recall("device named", &named, move |tx| Ok(Found(ids.named(tx, &wanted)?))).await?;
    let device = found.0.clone().ok_or(Error::NotFound(Thing::Device))?;
    call.parts.extensions.insert(device);
    Ok(())
}

struct Found(Option<Device>);

impl Weighed for Found {}

/// The device that is called; none in calls to the cloud.
pub fn called(call: &Call) -> Option<&Device> {
    call.parts.extensions.get()
}

pub async fn get_config(call: Call) -> Result<Response> {
    Ok(answer_json(StatusCode::OK, &answers::config(&call.origin.base)))
}

/// How full a device is, in bytes, and how much it can hold.
fn storage(tx: &mut Tx, user: &User, device: &Device) -> Result<(u64, u64)> {
    match device.library {
        Some(key) if library::by_key(tx, key)?.kind != LibraryKind::Home => {
            let root = library::root_item(tx, key)?;
            let size_bytes = library::totals(tx, root.key)?.size_bytes;
            Ok((size_bytes, size_bytes))
        }
        _ => {
            let usage = files::usage(tx, user)?;
            Ok((usage.used_bytes, usage.total_bytes))
        }
    }
}

fn describe(tx: &mut Tx, user: &User, device: &Device, base: &str) -> Result<Value> {
    let (used_bytes, total_bytes) = storage(tx, user, device)?;
    let used_percent = used_bytes.saturating_mul(100).checked_div(total_bytes).unwrap_or(0).min(100);
    Ok(answers::device(&device.id, &device.name, base, user.created_ms, used_percent))
}

pub async fn get_devices_of_user(call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    if public_id(call.path("userId")) != user.id {
        return Err(Error::NotFound(Thing::User));
    }
    let is_first_page = Fields::of_query(&call)?.get("pageToken").is_none();
    let (ids, base) = (ids(&call.app).await?, call.origin.base.clone());
    let all = move |tx: &mut Tx| -> Result<Vec<Value>> {
        let devices = if is_first_page { ids.of_user(tx, &user)? } else { Vec::new() };
        devices.iter().map(|device| describe(tx, &user, device, &base)).collect()
    };
    let devices = call.app.db.read(all).await?;
    Ok(answer_json(StatusCode::OK, &json!({"data": devices})))
}

/// The device of the path, if the user sees it. The server as a whole is everybody's.
fn seen(tx: &mut Tx, ids: &Ids, user: &User, id: &str) -> Result<Device> {
    let found = ids.named(tx, id)?.ok_or(Error::NotFound(Thing::Device))?;
    let is_seen = found.library.is_none() || ids.of_user(tx, user)?.iter().any(|device| device.id == found.id);
    if is_seen { Ok(found) } else { Err(Error::NotFound(Thing::Device)) }
}

pub async fn get_device(call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let (ids, base, id) = (ids(&call.app).await?, call.origin.base.clone(), call.path("deviceId").to_owned());
    let one = move |tx: &mut Tx| {
        let device = seen(tx, &ids, &user, &id)?;
        describe(tx, &user, &device, &base)
    };
    Ok(answer_json(StatusCode::OK, &json!({"data": call.app.db.read(one).await?})))
}

/// The caller alone: who else has an account here is not theirs to know.
pub async fn get_users_of_device(call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let (ids, of, id) = (ids(&call.app).await?, user.clone(), call.path("deviceId").to_owned());
    call.app.db.read(move |tx| seen(tx, &ids, &of, &id).map(drop)).await?;
    let mut entry = answers::account(&user);
    entry["userId"] = json!(user_id(&user));
    entry["attachedStatus"] = json!("APPROVED");
    Ok(answer_json(StatusCode::OK, &json!({"data": [entry]})))
}

/// The device of itself. A share's holder learns nothing of how it is called and how full it is.
pub async fn get_sdk_device(call: Call) -> Result<Response> {
    let caller = auth::caller(&call).await?;
    let (ids, device) = (ids(&call.app).await?, called(&call).cloned().ok_or(Error::NotFound(Thing::Device))?);
    let mut answer = json!({
        "id": device.id,
        "name": answers::DEVICE_NAME,
        "version": env!("CARGO_PKG_VERSION"),
        "type": "monarch",
    });
    if let Caller::User { user, .. } = caller {
        let look = move |tx: &mut Tx| {
            let device = seen(tx, &ids, &user, &device.id)?;
            Ok((storage(tx, &user, &device)?, device.name))
        };
        let ((used_bytes, total_bytes), name) = call.app.db.read(look).await?;
        answer["name"] = json!(name);
        answer["storage"] = json!({"capacity": total_bytes, "usage": used_bytes});
    }
    Ok(answer_json(StatusCode::OK, &answer))
}

/// Clients mark a run of requests with the tag that they get here; nothing depends on it.
pub async fn post_activity_start(call: Call) -> Result<Response> {
    auth::caller(&call).await?;
    Ok(answer_json(StatusCode::OK, &json!({"tag": random_base62(16)})))
}
