//! What users note on their items: tags, icons, fields of their own. An item's metadata is one, whoever looks at it.

use super::files::{by_id, by_rights};
use crate::App;
use crate::account::User;
use crate::error::{Error, Result};
use crate::library::Item;
use crate::share::grant::Action;
use crate::store::metadata::Metadata;
use crate::store::{Tx, metadata};

/// Of one item.
pub const MOST_FIELDS: usize = 100;
const LONGEST_NAME_BYTES: usize = 255;
const LONGEST_VALUE_BYTES: usize = 4096;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    pub name: String,
    /// None removes the field.
    pub value: Option<String>,
}

impl Patch {
    fn check(&self) -> Result<()> {
        check(&self.name, self.value.as_deref().unwrap_or_default())
    }
}

fn check(name: &str, value: &str) -> Result<()> {
    match name.len() {
        0 => Err(Error::invalid("metadata", "a field has no name")),
        bytes if bytes > LONGEST_NAME_BYTES => Err(Error::invalid("metadata", "a name is longer than 255 bytes")),
        _ if value.len() > LONGEST_VALUE_BYTES => Err(Error::invalid("metadata", "a value is longer than 4096 bytes")),
        _ => Ok(()),
    }
}

fn check_count(count: usize) -> Result<()> {
    match count {
        count if count > MOST_FIELDS => Err(Error::invalid("metadata", "an item holds 100 fields at most")),
        _ => Ok(()),
    }
}

/// Changes fields of one item, all or none.
pub async fn patch(app: &App, user: &User, item_id: &str, patches: Vec<Patch>) -> Result<()> {
    patches.iter().try_for_each(Patch::check)?;
    let (user, id) = (user.clone(), item_id.to_owned());
    app.db
        .write(move |tx| {
            let item = by_id(tx, &user, &id, Action::Update)?.item().clone();
            apply(tx, &item, &patches)
        })
        .await
}

fn apply(tx: &mut Tx, item: &Item, patches: &[Patch]) -> Result<()> {
    for Patch { name, value } in patches {
        match value {
            Some(value) => metadata::set(tx, item.key, name, value)?,
            None => metadata::remove(tx, item.key, name)?,
        }
    }
    check_count(metadata::count(tx, item.key)?)
}

/// Judges what comes with an upload before the first byte of it: at its end the file is there, and nothing can be refused.
pub(super) fn check_coming(tx: &mut Tx, coming: &Metadata, replaces: Option<&Item>) -> Result<()> {
    coming.iter().try_for_each(|(name, value)| check(name, value))?;
    let there = match replaces {
        Some(item) => metadata::of_items(tx, &[item.key])?.remove(&item.key).unwrap_or_default(),
        None => Metadata::new(),
    };
    check_count(there.len() + coming.keys().filter(|name| !there.contains_key(*name)).count())
}

pub(super) fn note(tx: &mut Tx, item: &Item, coming: &Metadata) -> Result<()> {
    coming.iter().try_for_each(|(name, value)| metadata::set(tx, item.key, name, value))
}

/// The folders of the user's home that stand for something elsewhere, by the field that says so; at most so many.
pub fn with_field(tx: &mut Tx, user: &User, name: &str, most: usize) -> Result<Vec<(Item, String)>> {
    let found = metadata::in_home_with(tx, user.key, name, most)?;
    let seen = |tx: &mut Tx, item: &Item| by_rights(tx, user, item.clone(), Action::See).is_ok();
    Ok(found.into_iter().filter(|(item, _)| seen(tx, item)).collect())
}
