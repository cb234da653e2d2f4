//! How folders are looked at, and what is pinned to the side.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answers::{self, Pinned};
use super::tree::{self, At, Spot};
use super::uri::{FileUri, Space};
use super::{Outcome, done};
use crate::App;
use crate::account::{User, UserKey};
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::library::ItemKey;
use crate::share::grant::Action;
use crate::share::visit::Visitor;
use crate::store::views::{self as rows, Pin};
use crate::store::{Tx, preferences};
use crate::work::files::home_root;

const MOST_COLUMNS: usize = 1000;
const LONGEST_VIEW_BYTES: usize = 64 * 1024;
const MOST_PINS: usize = 100;
const LONGEST_PIN_BYTES: usize = 4096;
const LONGEST_NAME_BYTES: usize = 255;

/// As a client told it and is told it again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
    fn check(&self) -> Result<()> {
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
        if json.len() > LONGEST_VIEW_BYTES { Err(wrong("it is too long")) } else { Ok(()) }
    }
}

/// What is kept with a folder. Spaces that are no folders have no row, so the root of the user's own files holds theirs.
#[derive(Default, PartialEq, Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    own: View,
    #[serde(skip_serializing_if = "Option::is_none")]
    trash: Option<View>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_with_me: Option<View>,
}

impl Kept {
    fn read(json: Option<String>) -> Result<Kept> {
        let kept = json.map(|json| serde_json::from_str(&json)).transpose();
        Ok(kept.map_err(|cause| Error::internal("view", cause))?.unwrap_or_default())
    }

    fn place(&mut self, space: Space) -> Option<&mut Option<View>> {
        match space {
            Space::Trash => Some(&mut self.trash),
            Space::SharedWithMe => Some(&mut self.shared_with_me),
            Space::My | Space::Share => None,
        }
    }
}

/// How a user looks at a folder, if that is kept.
pub fn of_folder(tx: &mut Tx, user: UserKey, folder: ItemKey) -> Result<Option<View>> {
    let kept = Kept::read(rows::of_folder(tx, user, folder)?)?;
    Ok(Some(kept.own).filter(|view| *view != View::default()))
}

/// How a user looks at a space that is no folder.
pub fn of_space(tx: &mut Tx, user: &User, space: Space) -> Result<Option<View>> {
    let Some(root) = tree::own_root(tx, user)? else { return Ok(None) };
    let mut kept = Kept::read(rows::of_folder(tx, user.key, root.key)?)?;
    Ok(kept.place(space).and_then(Option::take))
}

#[derive(Deserialize)]
struct Asked {
    uri: Option<String>,
    view: Option<View>,
}

pub async fn patch_view(mut call: Call, user: User) -> Outcome {
    let asked: Asked = call.json().await?;
    let uri = FileUri::parse(asked.uri.as_deref().ok_or(Error::Missing("uri"))?)?;
    asked.view.iter().try_for_each(View::check)?;
    let visitor = tree::visitor(&call, Some(&user), &uri).await?;
    let set = call.app.db.write(move |tx| {
        let folder = folder_at(tx, &user, &uri, &visitor)?;
        let mut kept = Kept::read(rows::stored(tx, user.key, folder)?)?;
        match kept.place(uri.space) {
            Some(of_space) => *of_space = asked.view,
            None => kept.own = asked.view.unwrap_or_default(),
        }
        if kept == Kept::default() {
            return rows::clear(tx, user.key, folder);
        }
        let json = serde_json::to_string(&kept).map_err(|cause| Error::internal("view", cause))?;
        rows::set(tx, user.key, folder, &json)
    });
    set.await?;
    done()
}

/// The folder that the view of a place is kept with. In a share only its owner says how it is looked at.
fn folder_at(tx: &mut Tx, user: &User, uri: &FileUri, visitor: &Visitor) -> Result<ItemKey> {
    let none = Error::NotFound(Thing::Folder);
    let folder = match uri.space {
        Space::Trash | Space::SharedWithMe if !uri.path.is_empty() => return Err(none),
        Space::Trash | Space::SharedWithMe => home_root(tx, user)?,
        Space::My | Space::Share => match tree::spot(tx, uri, visitor, Action::See)? {
            Spot::Root => home_root(tx, user)?,
            Spot::Own(item) => item,
            Spot::Shared(found) if !found.is_owner => return Err(Error::Forbidden("only its owner can set that")),
            Spot::Shared(found) => match found.at {
                At::Item(item) => item,
                At::Only(_) | At::Set(_) => return Err(none),
            },
        },
    };
    if folder.is_folder() { Ok(folder.key) } else { Err(none) }
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
