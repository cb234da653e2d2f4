//! What is in a folder of any length: a plan of keys, read at once, and what they name some of it at a time. So a list
//! takes eight bytes an entry, and holds no reader while its client takes its time.

use std::collections::VecDeque;

use super::files::{Entry, Place, folder_of, is_home_root, libraries_of, name_in_root, names};
use crate::account::User;
use crate::error::Result;
use crate::library::ItemKey;
use crate::share::grant::Action;
use crate::store::{Tx, library};

#[derive(Default)]
pub struct Listing {
    /// Those that are known already.
    known: VecDeque<Entry>,
    keys: VecDeque<ItemKey>,
    folder: Option<ItemKey>,
    /// Names that those in a home give way to.
    libraries: Vec<String>,
}

impl Listing {
    /// Of a folder of the user's own tree.
    pub fn own(tx: &mut Tx, user: &User, place: &Place) -> Result<Listing> {
        let folder = folder_of(tx, user, place, Action::List)?;
        let mut listing = Listing::folder(tx, folder.item().key)?;
        if is_home_root(&folder, user) {
            let libraries = libraries_of(tx, user)?;
            listing.libraries = names(&libraries);
            listing.known = libraries.into();
        }
        Ok(listing)
    }

    /// Of a folder that the caller has leave to list.
    pub fn folder(tx: &mut Tx, folder: ItemKey) -> Result<Listing> {
        let keys = library::child_keys(tx, folder)?.into();
        Ok(Listing { keys, folder: Some(folder), ..Listing::default() })
    }

    /// Of what is at hand.
    pub fn of(entries: Vec<Entry>) -> Listing {
        Listing { known: entries.into(), ..Listing::default() }
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty() && self.keys.is_empty()
    }

    /// Some more of it, as it is now: what went meanwhile is left out.
    pub fn next(&mut self, tx: &mut Tx, most: usize) -> Result<Vec<Entry>> {
        let mut entries: Vec<Entry> = self.known.drain(..most.min(self.known.len())).collect();
        let keys: Vec<ItemKey> = self.keys.drain(..(most - entries.len()).min(self.keys.len())).collect();
        for item in library::items(tx, &keys)? {
            let Some(folder) = self.folder.filter(|folder| item.parent == Some(*folder)) else { continue };
            let shown = name_in_root(tx, folder, &self.libraries, &item.shown)?;
            entries.push(Entry { item, shown });
        }
        Ok(entries)
    }
}
