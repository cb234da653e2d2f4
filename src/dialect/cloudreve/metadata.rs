//! Metadata: what clients note on files, and what tags of music say.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::answers::Owned;
use super::files::{own_item, some_uris};
use super::uri::FileUri;
use super::{Failure, Outcome, done_but_for};
use crate::account::User;
use crate::error::{Error, Result};
use crate::http::Call;
use crate::library::{Item, ItemKey, Media};
use crate::store::metadata::{self as rows, Metadata};
use crate::store::{Tx, files as file_rows, library};
use crate::work::files;
use crate::work::metadata::{self, Patch};

/// Says that a folder stands for a share, by the share's URI.
pub const SHORTCUT: &str = "sys:shared_redirect";
/// Whose share that is.
pub const SHORTCUT_OWNER: &str = "sys:shared_owner";
/// Where a client found that there is no picture.
pub const NO_THUMB: &str = "thumb:disabled";
/// Where something in the trash would go back to.
pub const RESTORE_URI: &str = "sys:restore_uri";
/// Fields that one call changes.
const MOST_PATCHES: usize = 100;

/// What a share's visitors see of it and find by it. Tags and own fields are for those whose files they are.
pub fn is_for_visitors(name: &str) -> bool {
    name == NO_THUMB || ["customize:", "music:", "stream:"].iter().any(|prefix| name.starts_with(prefix))
}

/// What may be noted; `sys:` is the server's own.
fn check_name(name: &str) -> Result<()> {
    let (prefix, rest) = name.split_once(':').ok_or(Error::invalid("metadata", "a name has a prefix"))?;
    match (prefix, rest) {
        ("tag" | "props", rest) if !rest.is_empty() => Ok(()),
        ("customize", "icon" | "icon_color" | "emoji") | ("thumb", "disabled") => Ok(()),
        ("sys", _) => Err(Error::Forbidden("these fields are the server's own")),
        _ => Err(Error::invalid("metadata", "there is no such field")),
    }
}

/// The metadata of each item of a page that has some.
pub fn of_page(tx: &mut Tx, items: &[&Item], owned: Owned) -> Result<HashMap<ItemKey, Metadata>> {
    let keys: Vec<ItemKey> = items.iter().map(|item| item.key).collect();
    let mut all = rows::of_items(tx, &keys)?;
    if owned == Owned::Others {
        all.values_mut().for_each(|fields| fields.retain(|name, _| is_for_visitors(name)));
    }
    let tracks: Vec<ItemKey> = items.iter().filter(|item| item.media == Media::Audio).map(|item| item.key).collect();
    for (track, said) in rows::of_music(tx, &tracks)? {
        all.entry(track).or_default().extend(said);
    }
    all.retain(|_, fields| !fields.is_empty());
    Ok(all)
}

pub fn of_item(tx: &mut Tx, item: &Item, owned: Owned) -> Result<Option<Metadata>> {
    Ok(of_page(tx, &[item], owned)?.remove(&item.key))
}

/// Whether it stands for a share that is somewhere else.
pub fn is_shortcut(tx: &mut Tx, item: &Item) -> Result<bool> {
    Ok(item.is_folder() && rows::get(tx, item.key, SHORTCUT)?.is_some())
}

/// Where something in the trash would go back to.
pub fn of_trashed(tx: &mut Tx, user: &User, item: &Item) -> Result<Option<(String, String)>> {
    let Some((_, from)) = file_rows::trashed_by_id(tx, &item.id)? else { return Ok(None) };
    let folder = match library::item_by_id(tx, &from)? {
        Some(folder) => folder,
        None => library::root_item(tx, item.library)?,
    };
    // Where its folder went as well, the server finds another place.
    let Ok(path) = files::path_of(tx, user, &folder) else { return Ok(None) };
    let uri = FileUri::my(path).child(&item.shown).owned_by(&user.id);
    Ok(Some((RESTORE_URI.to_owned(), uri.to_string())))
}

#[derive(Deserialize)]
struct Asked {
    uris: Option<Vec<String>>,
    patches: Option<Vec<AskedPatch>>,
}

#[derive(Deserialize)]
struct AskedPatch {
    key: String,
    value: Option<String>,
    remove: Option<bool>,
}

pub async fn patch_metadata(mut call: Call, user: User) -> Outcome {
    let asked: Asked = call.json().await?;
    let patches = asked.patches.filter(|patches| !patches.is_empty()).ok_or(Error::Missing("patches"))?;
    if patches.len() > MOST_PATCHES {
        return Err(Error::invalid("patches", "too many at once").into());
    }
    let mut wished = Vec::with_capacity(patches.len());
    for AskedPatch { key, value, remove } in patches {
        check_name(&key)?;
        wished.push(Patch { name: key, value: value.or(Some(String::new())).filter(|_| remove != Some(true)) });
    }
    let mut failed = Vec::new();
    for uri in some_uris(asked.uris)? {
        if let Err(failure) = patch_one(&call, &user, &uri, wished.clone()).await {
            failed.push((uri, failure));
        }
    }
    done_but_for(failed)
}

async fn patch_one(call: &Call, user: &User, uri: &str, patches: Vec<Patch>) -> Result<(), Failure> {
    let item = own_item(call, user, &FileUri::parse(uri)?).await?;
    Ok(metadata::patch(&call.app, user, &item.id, patches).await?)
}

/// Of what is about to be made; also what a folder stands for, if it stands for a share.
pub fn of_new(asked: Option<BTreeMap<String, String>>) -> Result<Vec<Patch>> {
    let mut patches = Vec::new();
    for (name, value) in asked.into_iter().flatten() {
        match name.as_str() {
            SHORTCUT if FileUri::parse(&value)?.in_share().is_none() => {
                return Err(Error::invalid("metadata", "a shortcut leads to a share"));
            }
            SHORTCUT | SHORTCUT_OWNER => {}
            _ => check_name(&name)?,
        }
        patches.push(Patch { name, value: Some(value) });
    }
    Ok(patches)
}

/// Of a file that is about to be uploaded.
pub fn of_upload(asked: Option<BTreeMap<String, String>>) -> Result<Metadata> {
    let asked = asked.unwrap_or_default();
    asked.keys().try_for_each(|name| check_name(name))?;
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_note_tags_and_icons_and_nothing_that_is_the_servers() {
        for name in
            ["tag:work", "props:size", "customize:icon", "customize:icon_color", "customize:emoji", "thumb:disabled"]
        {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["sys:restore_uri", "sys:shared_redirect"] {
            assert!(matches!(check_name(name), Err(Error::Forbidden(_))), "{name}");
        }
        for name in ["", "tag", "tag:", "customize:css", "music:title", "dav:x", "thumb:x"] {
            assert!(matches!(check_name(name), Err(Error::Invalid { .. })), "{name}");
        }
    }

    #[test]
    fn visitors_see_icons_and_music_and_no_tags() {
        assert!(is_for_visitors("customize:icon") && is_for_visitors("music:title"));
        assert!(!is_for_visitors("tag:unpaid") && !is_for_visitors("props:1") && !is_for_visitors(SHORTCUT));
    }
}
