//! What a user sees in a folder, page by page, and what they find beneath one.

use std::collections::HashMap;

use super::files::{Entry, Place, folder_of, home_root, is_home_root, libraries_of, name_in_root, names};
use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::library::text::Query;
use crate::library::{Item, ItemKey, LibraryKind};
use crate::share::grant::Action;
use crate::store::folders::{self, Mark, Order, Rank, Start, Wanted, Where};
use crate::store::{Tx, library, rights, texts};

/// Windows looked through at most when results are filtered out.
const MOST_WINDOWS: usize = 4;

/// A line of a list: what, under which names from the listed folder on, and its place in the order.
#[derive(Debug, Clone)]
pub struct Line {
    pub item: Item,
    pub path: Vec<String>,
    pub mark: Mark,
}

impl Line {
    pub fn name(&self) -> &str {
        self.path.last().map_or(&self.item.shown, String::as_str)
    }

    fn shown((mark, item): (Mark, Item)) -> Line {
        Line { path: vec![item.shown.clone()], item, mark }
    }
}

// Pages ---------------------------------------------------------------------------------------------------------------

/// A page of a folder of the user's tree.
pub fn page(tx: &mut Tx, user: &User, place: &Place, order: Order, start: &Start, limit: usize) -> Result<Vec<Line>> {
    match place {
        Place::Root => page_of_root(tx, user, order, start, limit),
        Place::Item(_) => {
            let folder = folder_of(tx, user, place, Action::List)?;
            match is_home_root(&folder, user) {
                true => page_of_root(tx, user, order, start, limit),
                false => page_in(tx, folder.item(), order, start, limit),
            }
        }
    }
}

/// A page of a folder that the caller may list.
pub fn page_in(tx: &mut Tx, folder: &Item, order: Order, start: &Start, limit: usize) -> Result<Vec<Line>> {
    Ok(folders::page(tx, folder.key, order, start, limit)?.into_iter().map(Line::shown).collect())
}

/// Of a list that is at hand as a whole.
pub fn page_of(entries: Vec<Entry>, order: Order, start: &Start, limit: usize) -> Vec<Line> {
    let line = |Entry { item, shown }: Entry| {
        let mark = Mark { kind: item.kind, rank: Rank::of(order.by, &item, &shown), key: item.key };
        Line { path: vec![shown], item, mark }
    };
    let mut lines: Vec<Line> = entries.into_iter().map(line).collect();
    lines.sort_by(|a, b| order.is_after(&a.mark, &b.mark).cmp(&order.is_after(&b.mark, &a.mark)));
    cut(lines, order, start, limit)
}

fn cut(lines: Vec<Line>, order: Order, start: &Start, limit: usize) -> Vec<Line> {
    match start {
        Start::At(offset) => {
            let offset = usize::try_from(*offset).unwrap_or(usize::MAX);
            lines.into_iter().skip(offset).take(limit).collect()
        }
        Start::After(mark) => lines.into_iter().filter(|line| order.is_after(&line.mark, mark)).take(limit).collect(),
    }
}

/// The libraries among what is in the home.
fn page_of_root(tx: &mut Tx, user: &User, order: Order, start: &Start, limit: usize) -> Result<Vec<Line>> {
    let libraries = libraries_of(tx, user)?;
    let home = home_root(tx, user)?;
    if libraries.is_empty() {
        return page_in(tx, &home, order, start, limit);
    }
    // Among them a number is found by counting from the first; a place is not.
    let (from, most) = match start {
        Start::At(offset) => (Start::At(0), limit.saturating_add(usize::try_from(*offset).unwrap_or(usize::MAX))),
        Start::After(mark) => (Start::After(mark.clone()), limit),
    };
    let mut own = page_in(tx, &home, order, &from, most)?;
    let names = names(&libraries);
    for line in &mut own {
        line.path = vec![name_in_root(tx, home.key, &names, &line.item.shown)?];
    }
    let mut lines = page_of(libraries, order, &from, usize::MAX);
    lines.append(&mut own);
    lines.sort_by(|a, b| order.is_after(&a.mark, &b.mark).cmp(&order.is_after(&b.mark, &a.mark)));
    Ok(cut(lines, order, start, limit))
}

// Searches ------------------------------------------------------------------------------------------------------------

/// Where a search begins, and how what it finds is called from there on.
pub struct Field {
    place: Where,
    tops: HashMap<ItemKey, Vec<String>>,
    /// Names of the home's own that a library has as well.
    twins: HashMap<ItemKey, String>,
}

/// Beneath a folder of the user's tree.
pub fn field(tx: &mut Tx, user: &User, place: &Place) -> Result<Field> {
    let folder = folder_of(tx, user, place, Action::List)?;
    if !is_home_root(&folder, user) {
        let is_whole = folder.path().is_empty() && folder.library().kind != LibraryKind::Single;
        let below = Field::below(folder.item());
        return Ok(match is_whole {
            true => Field { place: Where::Libraries(vec![folder.library().key]), ..below },
            false => below,
        });
    }
    let (libraries, home) = (libraries_of(tx, user)?, folder.item().clone());
    let scope = rights::scope(tx, user)?;
    let mut field = Field::below(&home);
    let mut keys = vec![home.library];
    for library in &libraries {
        keys.push(library.item.library);
        field.tops.insert(library.item.key, vec![library.shown.clone()]);
        if let Some(twin) = library::child_shown(tx, home.key, &library.shown)? {
            let name = name_in_root(tx, home.key, &names(&libraries), &twin.shown)?;
            field.twins.insert(twin.key, name);
        }
    }
    keys.retain(|key| scope.libraries().contains(key));
    Ok(Field { place: Where::Libraries(keys), ..field })
}

impl Field {
    /// Beneath a folder that the caller may list.
    pub fn below(folder: &Item) -> Field {
        let tops = HashMap::from([(folder.key, Vec::new())]);
        Field { place: Where::Below(folder.key), tops, twins: HashMap::new() }
    }

    /// Among these and beneath them.
    pub fn among(entries: &[Entry]) -> Field {
        let tops = entries.iter().map(|entry| (entry.item.key, vec![entry.shown.clone()])).collect();
        let keys = entries.iter().map(|entry| entry.item.key).collect();
        Field { place: Where::Among(keys), tops, twins: HashMap::new() }
    }

    pub fn page(&self, tx: &mut Tx, wanted: &Wanted, order: Order, start: &Start, limit: usize) -> Result<Vec<Line>> {
        let found = folders::search(tx, &self.place, wanted, order, start, limit)?;
        self.lines(tx, found)
    }

    /// Files that say all that is asked for, those changed last first; none but where whole libraries are looked through.
    pub fn that_say(&self, tx: &mut Tx, query: &Query) -> Result<Vec<Line>> {
        let Where::Libraries(libraries) = &self.place else { return Ok(Vec::new()) };
        let mut lines = Vec::new();
        // What lies below folders that went is found as well, and left out only then.
        for window in 0..MOST_WINDOWS {
            let found = texts::search(tx, libraries, query, window * texts::MOST_FOUND)?;
            let is_last = found.len() < texts::MOST_FOUND;
            lines.append(&mut self.lines(tx, found)?);
            if is_last || lines.len() >= texts::MOST_FOUND {
                break;
            }
        }
        lines.truncate(texts::MOST_FOUND);
        Ok(lines)
    }

    fn lines(&self, tx: &mut Tx, found: Vec<(Mark, Item)>) -> Result<Vec<Line>> {
        let mut known = self.tops.clone();
        let mut lines = Vec::new();
        for (mark, item) in found {
            match self.path_of(tx, &mut known, &item) {
                Ok(path) => lines.push(Line { path, item, mark }),
                // A folder above it went.
                Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(lines)
    }

    pub fn is_beyond(&self, tx: &mut Tx) -> Result<bool> {
        folders::is_beyond_search(tx, &self.place)
    }

    fn path_of(&self, tx: &mut Tx, known: &mut HashMap<ItemKey, Vec<String>>, item: &Item) -> Result<Vec<String>> {
        let mut open = Vec::new();
        let mut at = item.clone();
        let mut path = loop {
            if let Some(path) = known.get(&at.key) {
                break path.clone();
            }
            let gone = Error::NotFound(Thing::Folder);
            let parent = at.parent.ok_or(gone.clone())?;
            open.push((at.key, self.twins.get(&at.key).cloned().unwrap_or(at.shown)));
            if known.contains_key(&parent) {
                break known.get(&parent).cloned().unwrap_or_default();
            }
            at = library::item(tx, parent)?.ok_or(gone)?;
        };
        for (key, name) in open.into_iter().rev() {
            path.push(name);
            if key != item.key {
                known.insert(key, path.clone());
            }
        }
        Ok(path)
    }
}
