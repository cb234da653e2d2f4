//! What became of files, and how it is told to somebody who listens to a part of them.

use super::{ItemKey, LibraryKey};
use crate::account::UserKey;

/// A folder or file on the way from a library's root to an item: its key and its shown name.
pub type Step = (ItemKey, String);

/// From the root of a library to an item, both included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(pub Vec<Step>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Create,
    /// Its content is another.
    Modify,
    Rename,
    Move,
    /// Gone from the disk, or into the trash.
    Delete,
    /// Back from the trash, or found again.
    Restore,
}

impl Kind {
    pub const EACH: [Kind; 6] = [Kind::Create, Kind::Modify, Kind::Rename, Kind::Move, Kind::Delete, Kind::Restore];

    pub fn text(self) -> &'static str {
        match self {
            Kind::Create => "create",
            Kind::Modify => "modify",
            Kind::Rename => "rename",
            Kind::Move => "move",
            Kind::Delete => "delete",
            Kind::Restore => "restore",
        }
    }
}

#[derive(Debug, Clone)]
pub enum What {
    Item {
        key: ItemKey,
        id: String,
        kind: Kind,
        before: Option<Place>,
        after: Option<Place>,
    },
    /// More at once than is told one by one: whoever knows this library looks at it anew.
    Many,
}

/// Who did it, as far as that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct By {
    pub user: Option<UserKey>,
    /// What the app calls itself.
    pub client: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Change {
    /// Changes count up in the order in which they were committed.
    pub number: i64,
    pub library: LibraryKey,
    pub what: What,
    pub by: By,
    pub at_ms: i64,
}

/// Something that is listened to, with all that lies in it, and the path that the listener knows it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    pub item: ItemKey,
    pub library: LibraryKey,
    pub path: Vec<String>,
}

/// The names of a place as the listener knows it; nothing of a place outside what they listen to, nor of the very top.
pub fn path_under(place: &Place, watched: &[Watched]) -> Option<Vec<String>> {
    let (depth, top) = place
        .0
        .iter()
        .enumerate()
        .rev()
        .find_map(|(depth, (key, _))| Some((depth, watched.iter().find(|watched| watched.item == *key)?)))?;
    let names = place.0[depth + 1..].iter().map(|(_, name)| name.clone());
    Some(top.path.iter().cloned().chain(names).collect()).filter(|path: &Vec<String>| !path.is_empty())
}

/// A change as a listener hears of it: paths are from what they listen to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub id: String,
    pub news: News,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    Create { at: Vec<String> },
    Modify { at: Vec<String> },
    Rename { from: Vec<String>, to: Vec<String> },
    Delete { from: Vec<String> },
}

/// What a listener hears of a change; nothing of one outside what they listen to.
pub fn told(change: &Change, watched: &[Watched]) -> Option<Told> {
    let What::Item { id, before, after, .. } = &change.what else { return None };
    let under = |place: &Option<Place>| place.as_ref().and_then(|place| path_under(place, watched));
    let news = match (under(before), under(after)) {
        (None, None) => return None,
        (None, Some(at)) => News::Create { at },
        (Some(from), None) => News::Delete { from },
        (Some(at), Some(to)) if at == to => News::Modify { at },
        (Some(from), Some(to)) => News::Rename { from, to },
    };
    Some(Told { id: id.clone(), news })
}

/// The same in fewer words: of each item what it came to, where one word can say that.
pub fn merged(all: Vec<Told>) -> Vec<Told> {
    let mut merged: Vec<Told> = Vec::with_capacity(all.len());
    for next in all {
        let Some(at) = merged.iter().rposition(|told| told.id == next.id) else {
            merged.push(next);
            continue;
        };
        match both(&merged[at].news, &next.news) {
            Both::One(news) => merged[at].news = news,
            Both::Nothing => drop(merged.remove(at)),
            Both::Two => merged.push(next),
        }
    }
    merged
}

enum Both {
    One(News),
    Nothing,
    Two,
}

/// What two pieces of news of one item, one after the other, come to.
fn both(first: &News, second: &News) -> Both {
    use News::{Create, Delete, Modify, Rename};
    match (first, second) {
        (Create { .. } | Modify { .. }, Modify { .. }) => Both::One(first.clone()),
        (Create { .. }, Rename { to, .. }) => Both::One(Create { at: to.clone() }),
        (Create { .. }, Delete { .. }) => Both::Nothing,
        (Rename { from, .. }, Rename { to, .. }) if from == to => Both::Nothing,
        (Rename { from, .. }, Rename { to, .. }) => Both::One(Rename { from: from.clone(), to: to.clone() }),
        (Rename { from, .. }, Delete { .. }) => Both::One(Delete { from: from.clone() }),
        (Modify { .. }, Delete { .. }) => Both::One(second.clone()),
        (Delete { from }, Create { at }) if from == at => Both::One(Modify { at: at.clone() }),
        _ => Both::Two,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(steps: &[(i64, &str)]) -> Option<Place> {
        Some(Place(steps.iter().map(|(key, name)| (ItemKey(*key), (*name).to_owned())).collect()))
    }

    fn change(before: Option<Place>, after: Option<Place>) -> Change {
        let what = What::Item { key: ItemKey(9), id: "f9".to_owned(), kind: Kind::Move, before, after };
        Change { number: 1, library: LibraryKey(1), what, by: By::default(), at_ms: 0 }
    }

    fn watched(item: i64, path: &[&str]) -> Watched {
        Watched { item: ItemKey(item), library: LibraryKey(1), path: names(path) }
    }

    fn names(path: &[&str]) -> Vec<String> {
        path.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_move_is_told_as_far_as_the_listener_sees() {
        let (inside, outside) = (place(&[(1, "Lib"), (2, "a"), (9, "x")]), place(&[(1, "Lib"), (3, "b"), (9, "x")]));
        let news = |change: &Change, all: &[Watched]| told(change, all).map(|told| told.news);
        let moved = change(inside.clone(), outside.clone());
        assert_eq!(
            news(&moved, &[watched(1, &["Lib"])]),
            Some(News::Rename { from: names(&["Lib", "a", "x"]), to: names(&["Lib", "b", "x"]) })
        );
        assert_eq!(news(&moved, &[watched(2, &[])]), Some(News::Delete { from: names(&["x"]) }));
        assert_eq!(news(&moved, &[watched(3, &[])]), Some(News::Create { at: names(&["x"]) }));
        assert_eq!(news(&moved, &[watched(4, &[])]), None);
    }

    #[test]
    fn who_listens_to_one_file_hears_of_it_alone() {
        let file = [watched(9, &["x"])];
        let same = place(&[(1, "Lib"), (9, "x")]);
        let heard = told(&change(same.clone(), same), &file).unwrap();
        assert_eq!(heard.news, News::Modify { at: names(&["x"]) });
        let sibling = place(&[(1, "Lib"), (8, "y")]);
        assert_eq!(told(&change(sibling.clone(), sibling), &file), None);
    }

    #[test]
    fn what_becomes_of_one_item_is_told_in_one_word_where_one_says_it() {
        let at = |name: &str| names(&[name]);
        let create = || News::Create { at: at("a") };
        let modify = || News::Modify { at: at("a") };
        let rename = |from: &str, to: &str| News::Rename { from: at(from), to: at(to) };
        let delete = |from: &str| News::Delete { from: at(from) };
        let come_to = |all: Vec<News>| -> Vec<News> {
            let all = all.into_iter().map(|news| Told { id: "f".to_owned(), news }).collect();
            merged(all).into_iter().map(|told| told.news).collect()
        };
        assert_eq!(come_to(vec![create(), modify(), modify()]), [create()]);
        assert_eq!(come_to(vec![create(), modify(), delete("a")]), []);
        assert_eq!(come_to(vec![create(), rename("a", "b")]), [News::Create { at: at("b") }]);
        assert_eq!(come_to(vec![rename("a", "b"), rename("b", "c")]), [rename("a", "c")]);
        assert_eq!(come_to(vec![rename("a", "b"), rename("b", "a")]), []);
        assert_eq!(come_to(vec![rename("a", "b"), delete("b")]), [delete("a")]);
        assert_eq!(come_to(vec![delete("a"), create()]), [modify()]);
        assert_eq!(come_to(vec![modify(), rename("a", "b")]), [modify(), rename("a", "b")]);
    }
}
