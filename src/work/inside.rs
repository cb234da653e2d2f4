//! What lies at a path in a share, for doors that name things by paths.

use super::files::Entry;
use super::sharing::{self, Contents};
use crate::error::{Error, Result, Thing};
use crate::library::Item;
use crate::media::zip::unique_names;
use crate::share::grant::{Action, ShareFacts};
use crate::share::visit::Visitor;
use crate::store::{Tx, library};

pub struct InShare {
    pub facts: ShareFacts,
    pub is_owner: bool,
    /// Who looks at it.
    pub visitor: Visitor,
    pub at: At,
}

/// Where in a share.
#[derive(Clone)]
pub enum At {
    Item(Item),
    /// The root of a share of one file: shows that file and nothing beside it.
    Only(Item),
    /// The root of a share of several things.
    Set(Vec<Entry>),
}

/// What lies at a path of shown names from the share's root, if the visitor may do `action` with it.
pub fn by_path(tx: &mut Tx, id: &str, path: &[String], visitor: &Visitor, action: Action) -> Result<InShare> {
    let (facts, admitted) = sharing::open(tx, id, visitor)?;
    let contents = sharing::contents_for(tx, &facts, visitor)?;
    let at = match (contents, path) {
        (Contents::Folder(folder), path) => At::Item(descend(tx, folder, path)?),
        (Contents::File(file), []) => At::Only(file),
        (Contents::File(file), [name]) if *name == file.shown => At::Item(file),
        (Contents::File(_), _) => return Err(Error::NotFound(Thing::File)),
        (Contents::Set(items), []) => At::Set(named(items)),
        (Contents::Set(items), [name, rest @ ..]) => {
            let entry = named(items).into_iter().find(|entry| entry.shown == *name);
            At::Item(descend(tx, entry.ok_or(Error::NotFound(Thing::File))?.item, rest)?)
        }
    };
    let at = match at {
        At::Item(item) => At::Item(reach(tx, &facts, visitor, &item, action)?),
        At::Only(item) => At::Only(reach(tx, &facts, visitor, &item, Action::See)?),
        At::Set(entries) => At::Set(
            entries.into_iter().filter(|entry| reach(tx, &facts, visitor, &entry.item, Action::See).is_ok()).collect(),
        ),
    };
    Ok(InShare { facts, is_owner: admitted.is_owner(), visitor: visitor.clone(), at })
}

fn reach(tx: &mut Tx, facts: &ShareFacts, visitor: &Visitor, item: &Item, action: Action) -> Result<Item> {
    Ok(sharing::reach(tx, &facts.share.id, visitor, &item.id, action)?.item().clone())
}

/// The same names for the same things as in the share's archive.
fn named(items: Vec<Item>) -> Vec<Entry> {
    let shown: Vec<&str> = items.iter().map(|item| item.shown.as_str()).collect();
    let names = unique_names(&shown);
    items.into_iter().zip(names).map(|(item, shown)| Entry { item, shown }).collect()
}

fn descend(tx: &mut Tx, from: Item, path: &[String]) -> Result<Item> {
    path.iter()
        .try_fold(from, |folder, name| library::child_shown(tx, folder.key, name)?.ok_or(Error::NotFound(Thing::File)))
}
