//! Former contents of a file: what of them is kept.

use super::{Item, LibraryKey};

/// What a user wishes to be kept of files that are written over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Retention {
    pub is_on: bool,
    /// Endings of names, in small letters; none given: files of any kind.
    pub suffixes: Option<Vec<String>>,
    /// Of one file, the current content not counted; none given: any number.
    pub most: Option<u32>,
}

impl Retention {
    pub fn keeps(&self, file: &Item) -> bool {
        let is_of_kind = self.suffixes.as_ref().is_none_or(|suffixes| suffixes.contains(&file.suffix()));
        self.is_on && is_of_kind && self.most != Some(0)
    }

    /// Of the versions of a file, the oldest first, those that are too many.
    pub fn surplus<'a>(&self, versions: &'a [Version]) -> &'a [Version] {
        let most = self.most.map_or(usize::MAX, |most| most as usize);
        &versions[..versions.len().saturating_sub(most)]
    }
}

/// A former content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// What the content was called while it was current: the item's validator of then.
    pub id: String,
    /// Beneath whose hidden folder the bytes lie; not the item's library once that moved to another.
    pub library: LibraryKey,
    pub size_bytes: u64,
    pub modified_ms: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(id: &str) -> Version {
        Version { id: id.to_owned(), library: LibraryKey(1), size_bytes: 1, modified_ms: 0 }
    }

    #[test]
    fn the_oldest_of_too_many_versions_go_first() {
        let all = ["f-1", "f-2", "f-3"].map(version);
        let at_most = |most| Retention { is_on: true, suffixes: None, most };
        assert!(at_most(None).surplus(&all).is_empty());
        assert!(at_most(Some(3)).surplus(&all).is_empty());
        assert_eq!(at_most(Some(1)).surplus(&all), &all[..2]);
        assert_eq!(at_most(Some(0)).surplus(&all), &all[..]);
    }
}
