//! What a user sees in a folder, page by page, and what they find beneath one.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::files::{Entry, Place, folder_of, home_root, is_home_root, libraries_of, name_in_root, names};
use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::library::text::Query;
use crate::library::{Item, ItemKey, ItemKind, LibraryKind};
use crate::share::grant::Action;
use crate::store::folders::{self, By, Mark, Order, Rank, Start, Wanted, Where};
use crate::store::{Tx, library, rights, texts};

/// Of a list that lets nobody choose.
pub const BY_NAME: Order = Order { by: By::Name, is_descending: false };

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
    let home = match home_root(tx, user) {
        // Whoever has no home has a root all the same.
        Err(Error::NotFound(Thing::Library)) => return Ok(page_of(libraries, order, start, limit)),
        root => root?,
    };
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

// Tokens --------------------------------------------------------------------------------------------------------------

/// Cuts a page that was read one line longer than it is to be. Answers the token by which the next one goes on.
pub fn cut_page(lines: &mut Vec<Line>, order: Order, limit: usize) -> Option<String> {
    let has_more = lines.len() > limit;
    lines.truncate(limit);
    lines.last().filter(|_| has_more).map(|line| line.token(order))
}

impl Line {
    /// Its place and its id, which say nothing of how many there are.
    pub fn token(&self, order: Order) -> String {
        let kind = if self.mark.kind == ItemKind::Folder { 'd' } else { 'f' };
        let rank = match &self.mark.rank {
            Rank::Number(number) => number.to_string(),
            Rank::Text(text) => URL_SAFE_NO_PAD.encode(text),
        };
        URL_SAFE_NO_PAD.encode(format!("{}.{kind}.{rank}.{}", name_of(order), self.item.id))
    }
}

/// Behind the line of a token, which came in a field of this name.
pub fn start_after(tx: &mut Tx, order: Order, field: &'static str, token: &str) -> Result<Start> {
    let told = told_by(order, token).ok_or(Error::invalid(field, "it was not made for this list"))?;
    let (kind, rank, id) = told;
    // Of a line that went for good the rank is left, and what has the same one comes again.
    let gone = ItemKey(if order.is_descending { i64::MAX } else { -1 });
    let key = folders::key_of(tx, &id)?.unwrap_or(gone);
    Ok(Start::After(Mark { kind, rank, key }))
}

fn told_by(order: Order, token: &str) -> Option<(ItemKind, Rank, String)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let [of, kind, rank, id] = text.split('.').collect::<Vec<_>>().try_into().ok()?;
    let kind = match kind {
        "d" => ItemKind::Folder,
        "f" => ItemKind::File,
        _ => return None,
    };
    let rank = match order.by {
        By::Name => Rank::Text(URL_SAFE_NO_PAD.decode(rank).ok()?),
        By::Size | By::Modified | By::Added => Rank::Number(rank.parse().ok()?),
    };
    (of == name_of(order) && !id.contains('\0')).then(|| (kind, rank, id.to_owned()))
}

/// A token goes with its order.
fn name_of(order: Order) -> String {
    format!("{:?}{}", order.by, if order.is_descending { "-" } else { "+" })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::{LibraryKey, Media};

    fn line(kind: ItemKind, rank: Rank) -> Line {
        let item = Item {
            key: ItemKey(7),
            id: "f42".to_owned(),
            library: LibraryKey(1),
            parent: None,
            kind,
            name: b"a".to_vec(),
            shown: "a".to_owned(),
            size_bytes: 0,
            modified_ms: 0,
            revision: 0,
            added_ms: 0,
            media: Media::Audio,
        };
        Line { path: Vec::new(), mark: Mark { kind, rank, key: item.key }, item }
    }

    #[test]
    fn a_token_tells_the_place_that_it_was_made_of_in_its_own_order_alone() {
        let orders = [By::Name, By::Size, By::Modified, By::Added]
            .map(|by| [false, true].map(|is_descending| Order { by, is_descending }));
        for order in orders.as_flattened() {
            let rank = match order.by {
                By::Name => Rank::Text(b"a.b\xff".to_vec()),
                By::Size | By::Modified | By::Added => Rank::Number(-7),
            };
            for kind in [ItemKind::Folder, ItemKind::File] {
                let token = line(kind, rank.clone()).token(*order);
                for other in orders.as_flattened() {
                    let told = (order == other).then(|| (kind, rank.clone(), "f42".to_owned()));
                    assert_eq!(told_by(*other, &token), told, "{order:?} {other:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_token_tells_nothing() {
        let made_up = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let all = ["", "a", "*", "YQ", "18446744073709551615"].map(str::to_owned).into_iter();
        let more = ["Name+.d.YQ", "Name+.x.YQ.f1", "Name+.d.*.f1", "Name+.d.YQ.f\0", "Name+.d.YQ.f1.x", "Size+.d.1.f1"];
        for token in all.chain(more.map(made_up)) {
            assert_eq!(told_by(BY_NAME, &token), None, "{token}");
        }
        assert!(told_by(BY_NAME, &made_up("Name+.d.YQ.f1")).is_some());
    }
}
