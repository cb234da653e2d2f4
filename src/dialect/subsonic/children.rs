//! Items as the protocol's children, whatever they are: for lists that mix them.

use std::collections::{BTreeSet, HashMap};

use super::answers::Child;
use crate::error::Result;
use crate::library::music::{Mark, Marked};
use crate::library::{Item, ItemKey, Media};
use crate::share::grant::Scope;
use crate::store::{Tx, library, marks, music};

/// Folders, tracks, episodes and films, each with the folder that it lies in; those beyond the scope are left out.
pub fn children(tx: &mut Tx, scope: &Scope, keys: &[ItemKey]) -> Result<HashMap<ItemKey, Child>> {
    // A list may hold one of them many times.
    let keys = &Vec::from_iter(BTreeSet::from_iter(keys.iter().copied()));
    let tracks = music::tracks(tx, scope, keys)?;
    let mut found: HashMap<ItemKey, Child> = tracks.iter().map(|track| (track.item.key, Child::of(track))).collect();
    let others: Vec<ItemKey> = keys.iter().copied().filter(|key| !found.contains_key(key)).collect();
    let mut others = items(tx, scope, &others)?;
    others.retain(|item| item.media != Media::Audio);
    let marks = marks_of(tx, scope, &others)?;
    let parents: BTreeSet<ItemKey> = others.iter().filter_map(|item| item.parent).collect();
    let parents = library::items(tx, &Vec::from_iter(parents))?;
    let parents: HashMap<_, _> = parents.into_iter().map(|folder| (folder.key, folder.id)).collect();
    for item in &others {
        let mark = marks.get(&Marked::Item(item.key)).copied().unwrap_or_default();
        let folder = item.parent.and_then(|parent| parents.get(&parent));
        found.insert(item.key, Child::of_item(item, folder.map(String::as_str), &mark));
    }
    Ok(found)
}

pub fn items(tx: &mut Tx, scope: &Scope, keys: &[ItemKey]) -> Result<Vec<Item>> {
    let mut items = library::items(tx, keys)?;
    items.retain(|item| scope.libraries().contains(&item.library));
    Ok(items)
}

pub fn marks_of(tx: &mut Tx, scope: &Scope, items: &[Item]) -> Result<HashMap<Marked, Mark>> {
    let marked: Vec<Marked> = items.iter().map(|item| Marked::Item(item.key)).collect();
    Ok(marks::of(tx, scope.user(), &marked)?.into_iter().collect())
}
