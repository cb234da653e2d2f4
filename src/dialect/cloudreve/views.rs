//! How folders are looked at, and what is pinned to the side.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answers::{self, Pinned};
use super::files::own_item;
use super::tree;
use super::uri::FileUri;
use super::{Failure, Outcome, ROOT_PROTECTED, done};
use crate::App;
use crate::account::{User, UserKey};
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::library::ItemKey;
use crate::store::views::{self as rows, Pin};
use crate::store::{Tx, preferences};
use crate::work::files::home_root;

const MOST_COLUMNS: usize = 1000;
const LONGEST_VIEW_BYTES: usize = 64 * 1024;
const MOST_PINS: usize = 100;
const LONGEST_PIN_BYTES: usize = 4096;
const LONGEST_NAME_BYTES: usize = 255;

/// As a client told it and is told it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct View {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_direction: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    view: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thumbnail: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gallery_width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<Value>>,
}

impl View {
    /// As JSON.
    fn checked(&self) -> Result<String> {
        let wrong = |why: &str| Error::invalid("view", why);
        if self.page_size.is_some_and(|size| !(50..=super::list::PAGE_MOST).contains(&size)) {
            return Err(wrong("a page has 50 to 2000 files"));
        }
        if self.order_direction.as_deref().is_some_and(|way| !["asc", "desc"].contains(&way)) {
            return Err(wrong("its direction is asc or desc"));
        }
        if self.view.as_deref().is_some_and(|view| !["list", "grid", "gallery"].contains(&view)) {
            return Err(wrong("it is a list, a grid or a gallery"));
        }
        if self.gallery_width.is_some_and(|width| !(50..=500).contains(&width)) {
            return Err(wrong("a picture of a gallery is 50 to 500 wide"));
        }
        if self.columns.as_ref().is_some_and(|columns| columns.len() > MOST_COLUMNS) {
            return Err(wrong("it has too many columns"));
        }
        let json = serde_json::to_string(self).map_err(|cause| Error::internal("view", cause))?;
        if json.len() > LONGEST_VIEW_BYTES { Err(wrong("it is too long")) } else { Ok(json) }
    }
}

/// How a user looks at a folder, if that is kept.
pub fn of_folder(tx: &mut Tx, user: UserKey, folder: ItemKey) -> Result<Option<View>> {
    let json = rows::of_folder(tx, user, folder)?;
    json.map(|json| serde_json::from_str(&json)).transpose().map_err(|cause| Error::internal("view", cause))
}

#[derive(Deserialize)]
struct Asked {
    uri: Option<String>,
    view: Option<View>,
}

pub async fn patch_view(mut call: Call, user: User) -> Outcome {
    let asked: Asked = call.json().await?;
    let uri = FileUri::parse(asked.uri.as_deref().ok_or(Error::Missing("uri"))?)?;
    let view = asked.view.map(|view| view.checked()).transpose()?;
    tree::own_path(&user, &uri)?;
    let folder = match own_item(&call, &user, &uri).await {
        Ok(item) if !item.is_folder() => return Err(Error::NotFound(Thing::Folder).into()),
        Ok(item) => Some(item.key),
        Err(Failure::Code(code, _)) if code == ROOT_PROTECTED.code() => None,
        Err(failure) => return Err(failure),
    };
    let set = call.app.db.write(move |tx| {
        let folder = match folder {
            Some(folder) => folder,
            None => home_root(tx, &user)?.key,
        };
        match view {
            Some(json) => rows::set(tx, user.key, folder, &json),
            None => rows::clear(tx, user.key, folder),
        }
    });
    set.await?;
    done()
}

// Pins ----------------------------------------------------------------------------------------------------------------

#[derive(Deserialize)]
struct AskedPin {
    uri: Option<String>,
    name: Option<String>,
}

impl AskedPin {
    /// Without the password that a share's URI may have: it opens no share by itself.
    fn pin(self) -> Result<Pin> {
        let text = self.uri.filter(|uri| !uri.is_empty()).ok_or(Error::Missing("uri"))?;
        let mut uri = FileUri::parse(&text)?;
        let name = self.name.filter(|name| !name.is_empty());
        if text.len() > LONGEST_PIN_BYTES || name.as_ref().is_some_and(|name| name.len() > LONGEST_NAME_BYTES) {
            return Err(Error::invalid("uri", "it is too long to be pinned"));
        }
        let uri = match uri.password.take() {
            None => text,
            Some(_) => {
                let search = text.split_once('?').map_or(String::new(), |(_, search)| format!("?{search}"));
                format!("{uri}{search}")
            }
        };
        Ok(Pin { uri, name })
    }
}

pub async fn put_pin(mut call: Call, user: User) -> Outcome {
    let pin = call.json::<AskedPin>().await?.pin()?;
    let pinned = call.app.db.write(move |tx| {
        rows::pin(tx, user.key, &pin)?;
        match rows::pins(tx, user.key)?.len() {
            count if count > MOST_PINS => Err(Error::Forbidden("100 pins at most")),
            _ => Ok(()),
        }
    });
    pinned.await?;
    done()
}

pub async fn delete_pin(mut call: Call, user: User) -> Outcome {
    let pin = call.json::<AskedPin>().await?.pin()?;
    call.app.db.write(move |tx| rows::unpin(tx, user.key, &pin.uri)).await?;
    done()
}

/// The user as they see themselves, with what they pinned.
pub async fn own(app: &App, user: &User) -> Result<answers::User> {
    let key = user.key;
    let (pins, preferences) = app.db.read(move |tx| Ok((rows::pins(tx, key)?, preferences::of(tx, key)?))).await?;
    let pined = pins.into_iter().map(|pin| Pinned { uri: pin.uri, name: pin.name }).collect();
    Ok(answers::User { pined: Some(pined), ..answers::User::own(user, &preferences) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_keeps_no_password() {
        let pin = |uri: &str| AskedPin { uri: Some(uri.to_owned()), name: None }.pin().map(|pin| pin.uri);
        assert_eq!(pin("cloudreve://abc:Word1@share/a%20b").unwrap(), "cloudreve://abc@share/a%20b");
        assert_eq!(pin("cloudreve://my/?category=image").unwrap(), "cloudreve://my/?category=image");
        assert!(pin("http://elsewhere").is_err());
    }
}
