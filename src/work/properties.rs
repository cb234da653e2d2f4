//! What WebDAV clients note about files and folders: kept as it came, within bounds, and lost with what it is about.

use super::files::by_rights;
use crate::App;
use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::library::ItemKey;
use crate::share::grant::Action;
use crate::store::library;
use crate::store::properties::{self, Property};

/// About one item.
const MOST: u64 = 200;
const LONGEST_NAME_BYTES: usize = 1024;
const LONGEST_XML_BYTES: usize = 64 * 1024;

#[derive(Debug, Clone)]
pub enum Change {
    Set(Property),
    Remove { namespace: String, name: String },
}

/// What is noted about one item, noted about its copy as well.
pub async fn copy(app: &App, from: ItemKey, to: ItemKey) -> Result<()> {
    app.db.write(move |tx| properties::copy(tx, from, to)).await
}

/// All of it or nothing, in the order given. `NoSpace` where it would be too much.
pub async fn change(app: &App, user: &User, item_id: &str, changes: Vec<Change>) -> Result<()> {
    let (user, id) = (user.clone(), item_id.to_owned());
    app.db
        .write(move |tx| {
            let item = library::item_by_id(tx, &id)?.ok_or(Error::NotFound(Thing::File))?;
            let key = by_rights(tx, &user, item, Action::Update)?.item().key;
            for change in &changes {
                match change {
                    Change::Set(property) => {
                        let is_long = property.namespace.len().max(property.name.len()) > LONGEST_NAME_BYTES;
                        if is_long || property.xml.len() > LONGEST_XML_BYTES {
                            return Err(Error::NoSpace);
                        }
                        properties::set(tx, key, property)?;
                    }
                    Change::Remove { namespace, name } => properties::remove(tx, key, namespace, name)?,
                }
            }
            if properties::count(tx, key)? > MOST { Err(Error::NoSpace) } else { Ok(()) }
        })
        .await
}
