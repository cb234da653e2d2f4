//! What users note on their items: tags, icons, fields of their own. An item's metadata is one, whoever looks at it.

use super::files::{by_id, by_rights};
use crate::App;
use crate::account::User;
use crate::error::{Error, Result};
use crate::library::Item;
use crate::share::grant::Action;
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
        let value_bytes = self.value.as_ref().map_or(0, String::len);
        match self.name.len() {
            0 => Err(Error::invalid("metadata", "a field has no name")),
            bytes if bytes > LONGEST_NAME_BYTES => Err(Error::invalid("metadata", "a name is longer than 255 bytes")),
            _ if value_bytes > LONGEST_VALUE_BYTES => {
                Err(Error::invalid("metadata", "a value is longer than 4096 bytes"))
            }
            _ => Ok(()),
        }
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
    match metadata::count(tx, item.key)? {
        count if count > MOST_FIELDS => Err(Error::invalid("metadata", "an item holds 100 fields at most")),
        _ => Ok(()),
    }
}

/// The folders of the user's home that stand for something elsewhere, by the field that says so; at most so many.
pub fn with_field(tx: &mut Tx, user: &User, name: &str, most: usize) -> Result<Vec<(Item, String)>> {
    let found = metadata::in_home_with(tx, user.key, name, most)?;
    let seen = |tx: &mut Tx, item: &Item| by_rights(tx, user, item.clone(), Action::See).is_ok();
    Ok(found.into_iter().filter(|(item, _)| seen(tx, item)).collect())
}
