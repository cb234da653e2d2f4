//! What changed in a library: compares what is known of it with what was seen on its disk. Pure; the walk and the rows are
//! the caller's.
//!
//! Who is who, when names and files do not agree:
//! - A path that is there keeps its item, whatever was put there (an editor's save replaces the file). Only when the
//!   file system shows that both files went somewhere else (a swap, a rotation) do items follow their files.
//! - Something new is an item that vanished since the last scan, if it is the same file (inode and birth time), or looks
//!   the same (size, exact time and either the name or no other candidate). What is in a folder follows it.
//! - An item that a scan has seen absent comes back only if its content does: another file at its old path is another item.

use super::{ItemKey, ItemKind};
use std::cell::OnceCell;
use std::collections::HashMap;

/// What the file system says of a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub kind: ItemKind,
    pub size_bytes: u64,
    pub modified_ns: i64,
    pub device: i64,
    pub inode: i64,
    /// Not every file system has it.
    pub birth_ns: Option<i64>,
}

impl Stamp {
    /// The same in a lifetime of the file system; an inode number alone is soon used again.
    fn identity(&self) -> Option<(i64, i64)> {
        self.birth_ns.map(|birth_ns| (self.inode, birth_ns))
    }

    fn looks_like(&self, other: &Stamp) -> bool {
        self.kind == other.kind && self.size_bytes == other.size_bytes && self.modified_ns == other.modified_ns
    }

    /// Whether two files at one path, one after the other, have the same content. One that was replaced may not, even
    /// where size and time agree: tools keep them.
    fn same_content(&self, other: &Stamp) -> bool {
        let replaced = matches!((self.identity(), other.identity()), (Some(a), Some(b)) if a != b);
        self.kind == other.kind && (self.kind == ItemKind::Folder || self.looks_like(other) && !replaced)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It was there at the last scan.
    Here,
    /// It was absent at the last scan.
    Missing,
    /// Outside the part that was walked, and gone from its path: it may be what now turns up in that part.
    Elsewhere,
}

/// An item as the rows have it.
#[derive(Debug, Clone)]
pub struct Known {
    pub key: ItemKey,
    pub parent: Option<ItemKey>,
    pub name: Vec<u8>,
    pub stamp: Stamp,
    pub state: State,
}

/// A file or folder as the walk met it. The walk lists a folder before what is in it; entry 0 is where it began.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Entry of its folder; of entry 0, itself.
    pub parent: usize,
    pub name: Vec<u8>,
    pub stamp: Stamp,
    /// A folder that could not be read: nothing is concluded of what is in it.
    pub unread: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// An item that was not known.
    Added { at: usize },
    /// A known item of which something differs.
    Kept { key: ItemKey, at: usize, moved: bool, back: bool, content: Content },
    /// Not there any more.
    Missing { key: ItemKey },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    Same,
    Changed,
}

/// How what was seen compares with what is known.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    /// What differs: first what is missing, then the rest, folders before what is in them. Nothing in an unchanged library.
    pub changes: Vec<Change>,
    /// Which item each entry of the walk is; `None` for new ones.
    pub keys: Vec<Option<ItemKey>>,
}

/// Compares the rows at and below `root` with what was seen there. `seen[0]` is `root` itself.
pub fn compare(root: ItemKey, known: &[Known], seen: &[Seen]) -> Comparison {
    let Some(root) = known.iter().position(|item| item.key == root) else { return Comparison::default() };
    let mut matching = Matching::new(known, seen);
    matching.pair(0, root);
    matching.by_path(0);
    matching.by_identity();
    matching.by_looks();
    matching.leftover_paths();
    matching.finish()
}

/// Indexes into `known` and `seen` that belong together.
struct Matching<'a> {
    known: &'a [Known],
    seen: &'a [Seen],
    children_known: HashMap<ItemKey, Vec<usize>>,
    children_seen: Vec<Vec<usize>>,
    /// Made when something is not at its path, which is rare.
    identity_known: OnceCell<HashMap<(i64, i64), usize>>,
    identity_seen: OnceCell<HashMap<(i64, i64), usize>>,
    of_known: Vec<Option<usize>>,
    of_seen: Vec<Option<usize>>,
    /// Pairs at one path whose files may both have gone elsewhere.
    contested: Vec<(usize, usize)>,
    /// Known items of which nothing can be said.
    unsure: Vec<bool>,
}

impl<'a> Matching<'a> {
    fn new(known: &'a [Known], seen: &'a [Seen]) -> Matching<'a> {
        let mut children_known: HashMap<ItemKey, Vec<usize>> = HashMap::new();
        for (index, item) in known.iter().enumerate() {
            if let Some(parent) = item.parent {
                children_known.entry(parent).or_default().push(index);
            }
        }
        let mut children_seen = vec![Vec::new(); seen.len()];
        for (index, entry) in seen.iter().enumerate().skip(1) {
            children_seen[entry.parent].push(index);
        }
        Matching {
            known,
            seen,
            children_known,
            children_seen,
            identity_known: OnceCell::new(),
            identity_seen: OnceCell::new(),
            of_known: vec![None; known.len()],
            of_seen: vec![None; seen.len()],
            contested: Vec::new(),
            unsure: vec![false; known.len()],
        }
    }

    fn identity_known(&self) -> &HashMap<(i64, i64), usize> {
        self.identity_known.get_or_init(|| {
            let mut found = HashMap::with_capacity(self.known.len());
            for (index, item) in self.known.iter().enumerate() {
                // One that is here goes before one that has long been missing.
                if let Some(identity) = item.stamp.identity()
                    && (item.state != State::Missing || !found.contains_key(&identity))
                {
                    found.insert(identity, index);
                }
            }
            found
        })
    }

    fn identity_seen(&self) -> &HashMap<(i64, i64), usize> {
        self.identity_seen.get_or_init(|| {
            let mut found = HashMap::with_capacity(self.seen.len());
            for (index, entry) in self.seen.iter().enumerate().skip(1) {
                if let Some(identity) = entry.stamp.identity() {
                    found.entry(identity).or_insert(index);
                }
            }
            found
        })
    }

    fn pair(&mut self, seen: usize, known: usize) {
        self.of_seen[seen] = Some(known);
        self.of_known[known] = Some(seen);
    }

    /// Pairs what lies below a paired folder at the same paths.
    fn by_path(&mut self, folder: usize) {
        let mut folders = vec![folder];
        while let Some(folder) = folders.pop() {
            let Some(known_folder) = self.of_seen[folder] else { continue };
            let key = self.known[known_folder].key;
            if self.seen[folder].unread {
                self.leave_alone(key);
                continue;
            }
            let here: HashMap<&[u8], usize> = self
                .children_known
                .get(&key)
                .into_iter()
                .flatten()
                .filter(|index| self.known[**index].state == State::Here)
                .map(|index| (self.known[*index].name.as_slice(), *index))
                .collect();
            for entry in self.children_seen[folder].clone() {
                let Some(&item) = here.get(self.seen[entry].name.as_slice()) else { continue };
                if self.of_known[item].is_some()
                    || self.of_seen[entry].is_some()
                    || self.known[item].stamp.kind != self.seen[entry].stamp.kind
                {
                    continue;
                }
                if self.both_went_elsewhere(entry, item) {
                    self.contested.push((entry, item));
                    continue;
                }
                self.pair(entry, item);
                folders.push(entry);
            }
        }
    }

    fn both_went_elsewhere(&self, entry: usize, item: usize) -> bool {
        let (Some(now), Some(before)) = (self.seen[entry].stamp.identity(), self.known[item].stamp.identity()) else {
            return false;
        };
        now != before && self.identity_known().contains_key(&now) && self.identity_seen().contains_key(&before)
    }

    fn leave_alone(&mut self, folder: ItemKey) {
        let mut folders = vec![folder];
        while let Some(folder) = folders.pop() {
            for &index in self.children_known.get(&folder).into_iter().flatten() {
                self.unsure[index] = true;
                folders.push(self.known[index].key);
            }
        }
    }

    fn may_pair(&self, entry: usize, item: usize) -> bool {
        self.of_seen[entry].is_none()
            && self.of_known[item].is_none()
            && !self.unsure[item]
            && self.seen[entry].stamp.kind == self.known[item].stamp.kind
    }

    /// Folders come before their content in `seen`, so that what is in a moved folder is met at its path.
    fn by_identity(&mut self) {
        for entry in 1..self.seen.len() {
            if self.of_seen[entry].is_some() {
                continue;
            }
            let stamp = &self.seen[entry].stamp;
            let found = stamp.identity().and_then(|identity| self.identity_known().get(&identity).copied());
            let Some(item) = found.filter(|item| self.may_pair(entry, *item)) else { continue };
            let item_stamp = &self.known[item].stamp;
            let is_file = stamp.kind == ItemKind::File;
            if is_file && self.known[item].state == State::Missing && !stamp.looks_like(item_stamp) {
                continue;
            }
            self.pair(entry, item);
            self.by_path(entry);
        }
    }

    /// Copies from elsewhere, restored backups, file systems without birth times.
    fn by_looks(&mut self) {
        let mut items: HashMap<(u64, i64), Vec<usize>> = HashMap::new();
        for (index, item) in self.known.iter().enumerate() {
            if item.stamp.kind == ItemKind::File && self.of_known[index].is_none() && !self.unsure[index] {
                items.entry((item.stamp.size_bytes, item.stamp.modified_ns)).or_default().push(index);
            }
        }
        let mut entries: HashMap<(u64, i64), usize> = HashMap::new();
        let free = |entry: usize, of_seen: &[Option<usize>]| of_seen[entry].is_none();
        for (index, entry) in self.seen.iter().enumerate() {
            if entry.stamp.kind == ItemKind::File && free(index, &self.of_seen) {
                *entries.entry((entry.stamp.size_bytes, entry.stamp.modified_ns)).or_default() += 1;
            }
        }
        let looks = |stamp: &Stamp| (stamp.size_bytes, stamp.modified_ns);
        // Those that also have the name, then those that nothing else looks like.
        for by_name in [true, false] {
            for entry in 1..self.seen.len() {
                let stamp = &self.seen[entry].stamp;
                if stamp.kind != ItemKind::File || self.of_seen[entry].is_some() {
                    continue;
                }
                let Some(candidates) = items.get(&looks(stamp)) else { continue };
                // Archives unpack to whole seconds, where many files look alike, and empty files all do.
                let is_exact = stamp.modified_ns % 1_000_000_000 != 0 && stamp.size_bytes > 0;
                let alone = candidates.len() == 1 && entries.get(&looks(stamp)) == Some(&1) && is_exact;
                let mut fitting = candidates.iter().copied().filter(|item| {
                    self.may_pair(entry, *item) && (alone || by_name && self.known[*item].name == self.seen[entry].name)
                });
                // The one that lay in this very folder first.
                let folder = self.of_seen[self.seen[entry].parent].map(|known| self.known[known].key);
                let chosen = fitting.clone().find(|item| self.known[*item].parent == folder).or_else(|| fitting.next());
                if let Some(item) = chosen {
                    self.pair(entry, item);
                }
            }
        }
        self.folders_that_came_back();
    }

    /// A folder that was restored has a new inode. It is the same if something that lay directly in it lies in it again.
    fn folders_that_came_back(&mut self) {
        if self.of_seen.iter().all(Option::is_some) {
            return;
        }
        let places: HashMap<ItemKey, usize> =
            self.known.iter().enumerate().map(|(index, item)| (item.key, index)).collect();
        for entry in (1..self.seen.len()).rev() {
            if self.seen[entry].stamp.kind != ItemKind::Folder || self.of_seen[entry].is_some() {
                continue;
            }
            let known = self.known;
            let of_child = |child: &usize| self.of_seen[*child].and_then(|item| known[item].parent);
            let Some(parent) = self.children_seen[entry].iter().find_map(of_child) else { continue };
            let Some(&item) = places.get(&parent) else { continue };
            if self.may_pair(entry, item) && known[item].name == self.seen[entry].name {
                self.pair(entry, item);
            }
        }
    }

    fn leftover_paths(&mut self) {
        while let Some((entry, item)) = self.contested.pop() {
            if self.may_pair(entry, item) {
                self.pair(entry, item);
                self.by_path(entry);
            }
        }
    }

    fn finish(self) -> Comparison {
        let mut changes = Vec::new();
        for (index, item) in self.known.iter().enumerate() {
            if item.state == State::Here && self.of_known[index].is_none() && !self.unsure[index] {
                changes.push(Change::Missing { key: item.key });
            }
        }
        for (at, entry) in self.seen.iter().enumerate() {
            let Some(item) = self.of_seen[at].map(|index| &self.known[index]) else {
                changes.push(Change::Added { at });
                continue;
            };
            let parent = self.of_seen[entry.parent].map(|index| self.known[index].key);
            let moved = at != 0 && (item.parent != parent || item.name != entry.name);
            let back = item.state == State::Missing;
            let same_path_content = item.stamp.same_content(&entry.stamp);
            // What was recognised by its looks is no replacement.
            let same = same_path_content || (moved || back) && item.stamp.looks_like(&entry.stamp);
            let content = if same { Content::Same } else { Content::Changed };
            if moved || back || content == Content::Changed || item.stamp != entry.stamp {
                changes.push(Change::Kept { key: item.key, at, moved, back, content });
            }
        }
        let keys = self.of_seen.iter().map(|index| index.map(|index| self.known[index].key)).collect();
        Comparison { changes, keys }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (path, inode, content): a file whose content is a number, or a folder when there is none. Birth time = inode.
    type Entry = (&'static str, i64, Option<i64>);

    fn stamp(inode: i64, content: Option<i64>) -> Stamp {
        Stamp {
            kind: if content.is_some() { ItemKind::File } else { ItemKind::Folder },
            size_bytes: 10,
            modified_ns: content.unwrap_or(0) * 1_000_000_001,
            device: 1,
            inode,
            birth_ns: Some(inode),
        }
    }

    fn seen(entries: &[Entry]) -> Vec<Seen> {
        let mut seen = vec![Seen { parent: 0, name: Vec::new(), stamp: stamp(1, None), unread: false }];
        let mut at: HashMap<&str, usize> = HashMap::from([("", 0)]);
        for (path, inode, content) in entries {
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            at.insert(path, seen.len());
            seen.push(Seen {
                parent: at[folder],
                name: name.as_bytes().to_vec(),
                stamp: stamp(*inode, *content),
                unread: false,
            });
        }
        seen
    }

    /// The same as rows; keys are 100 + the place in the list.
    fn known(entries: &[Entry]) -> Vec<Known> {
        let seen = seen(entries);
        let key = |index: usize| ItemKey(100 + index as i64);
        let row = |(index, entry): (usize, &Seen)| Known {
            key: key(index),
            parent: (index > 0).then(|| key(entry.parent)),
            name: entry.name.clone(),
            stamp: entry.stamp,
            state: State::Here,
        };
        seen.iter().enumerate().map(row).collect()
    }

    fn diff(before: &[Known], after: &[Seen]) -> Vec<Change> {
        compare(ItemKey(100), before, after).changes
    }

    fn kept(key: i64, at: usize) -> (ItemKey, usize) {
        (ItemKey(key), at)
    }

    #[track_caller]
    fn assert_moved(change: Change, expected: (ItemKey, usize), expected_content: Content) {
        match change {
            Change::Kept { key, at, moved: true, content, .. } => {
                assert_eq!(((key, at), content), (expected, expected_content))
            }
            other => panic!("{other:?}"),
        }
    }

    const TREE: [Entry; 4] = [("a", 2, None), ("a/x", 3, Some(1)), ("a/y", 4, Some(2)), ("b", 5, None)];

    #[test]
    fn nothing_changed_gives_nothing() {
        assert_eq!(diff(&known(&TREE), &seen(&TREE)), []);
    }

    #[test]
    fn a_save_in_place_or_by_replacement_keeps_the_item() {
        for inode in [3, 33] {
            let mut after = TREE;
            after[1] = ("a/x", inode, Some(9));
            let expected =
                Change::Kept { key: ItemKey(102), at: 2, moved: false, back: false, content: Content::Changed };
            assert_eq!(diff(&known(&TREE), &seen(&after)), [expected]);
        }
    }

    #[test]
    fn a_save_that_keeps_the_old_file_as_a_backup_keeps_the_item_at_its_path() {
        let after = [("a", 2, None), ("a/x", 33, Some(9)), ("a/x~", 3, Some(1)), ("a/y", 4, Some(2)), ("b", 5, None)];
        let found = diff(&known(&TREE), &seen(&after));
        assert!(matches!(
            found[..],
            [Change::Kept { key: ItemKey(102), at: 2, moved: false, .. }, Change::Added { at: 3 }]
        ));
    }

    #[test]
    fn a_renamed_and_moved_file_keeps_its_item_even_if_it_was_edited() {
        for (content, expected) in [(1, Content::Same), (7, Content::Changed)] {
            let after = [("a", 2, None), ("a/y", 4, Some(2)), ("b", 5, None), ("b/z", 3, Some(content))];
            let found = diff(&known(&TREE), &seen(&after));
            assert_eq!(found.len(), 1);
            assert_moved(found[0], kept(102, 4), expected);
        }
    }

    #[test]
    fn a_renamed_folder_takes_its_content_along_without_a_change_to_it() {
        let after = [("b", 5, None), ("b/c", 2, None), ("b/c/x", 3, Some(1)), ("b/c/y", 4, Some(2))];
        let found = diff(&known(&TREE), &seen(&after));
        assert_eq!(found.len(), 1);
        assert_moved(found[0], kept(101, 2), Content::Same);
    }

    #[test]
    fn two_files_that_swap_names_swap_paths() {
        let after = [("a", 2, None), ("a/x", 4, Some(2)), ("a/y", 3, Some(1)), ("b", 5, None)];
        let found = diff(&known(&TREE), &seen(&after));
        assert_eq!(found.len(), 2);
        assert_moved(found[0], kept(103, 2), Content::Same);
        assert_moved(found[1], kept(102, 3), Content::Same);
    }

    #[test]
    fn a_temporary_file_that_was_seen_and_then_renamed_over_another_is_a_save() {
        let before = [("f", 2, Some(1)), ("f.tmp", 3, Some(2))];
        let found = diff(&known(&before), &seen(&[("f", 3, Some(2))]));
        assert!(matches!(
            found[..],
            [Change::Missing { key: ItemKey(102) }, Change::Kept { key: ItemKey(101), content: Content::Changed, .. }]
        ));
    }

    #[test]
    fn a_path_seen_absent_comes_back_only_with_its_content() {
        let mut before = known(&TREE);
        before[2].state = State::Missing;
        for (inode, content, comes_back) in [(3, 1, true), (44, 1, true), (44, 8, false), (3, 8, false)] {
            let mut after = TREE;
            after[1] = ("a/x", inode, Some(content));
            let found = diff(&before, &seen(&after));
            let expected = match comes_back {
                true => Change::Kept { key: ItemKey(102), at: 2, moved: false, back: true, content: Content::Same },
                false => Change::Added { at: 2 },
            };
            assert_eq!(found, [expected], "{inode} {content}");
        }
    }

    #[test]
    fn a_restored_folder_comes_back_with_what_was_in_it() {
        let mut before = known(&TREE);
        before[1..4].iter_mut().for_each(|item| item.state = State::Missing);
        let after = [("a", 20, None), ("a/x", 30, Some(1)), ("a/y", 40, Some(2)), ("b", 5, None)];
        let found = diff(&before, &seen(&after));
        let keys: Vec<i64> = found
            .iter()
            .map(|change| match change {
                Change::Kept { key, moved: false, back: true, content: Content::Same, .. } => key.0,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(keys, [101, 102, 103]);
        let other = [("a", 20, None), ("a/x", 30, Some(6)), ("b", 5, None)];
        assert_eq!(diff(&before, &seen(&other)), [Change::Added { at: 1 }, Change::Added { at: 2 }]);
    }

    #[test]
    fn files_of_whole_seconds_are_not_told_apart_by_looks_alone() {
        let mut before = known(&[("a", 2, Some(1))]);
        let mut after = seen(&[("b", 9, Some(1))]);
        assert_eq!(diff(&before, &after).len(), 1, "the exact time is enough");
        before[1].stamp.modified_ns = 5_000_000_000;
        after[1].stamp.modified_ns = 5_000_000_000;
        assert_eq!(diff(&before, &after), [Change::Missing { key: ItemKey(101) }, Change::Added { at: 1 }]);
    }

    #[test]
    fn a_file_that_became_a_folder_is_another_item() {
        let found = diff(&known(&[("a", 2, Some(1))]), &seen(&[("a", 3, None)]));
        assert_eq!(found, [Change::Missing { key: ItemKey(101) }, Change::Added { at: 1 }]);
    }

    #[test]
    fn nothing_is_concluded_of_a_folder_that_cannot_be_read() {
        let mut after = seen(&[("a", 2, None), ("b", 5, None)]);
        after[1].unread = true;
        assert_eq!(diff(&known(&TREE), &after), []);
    }

    #[test]
    fn items_from_elsewhere_may_turn_up_and_are_never_missed() {
        let mut before = known(&TREE);
        before[2].state = State::Elsewhere;
        let mut found =
            diff(&before, &seen(&[("a", 2, None), ("a/y", 4, Some(2)), ("b", 5, None), ("b/x", 3, Some(1))]));
        assert_moved(found.remove(0), kept(102, 4), Content::Same);
        assert_eq!(diff(&before, &seen(&[("a", 2, None), ("a/y", 4, Some(2)), ("b", 5, None)])), []);
    }
}
