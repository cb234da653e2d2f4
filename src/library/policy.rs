//! Storage policies: named sets of rules for what may be stored.
//!
//! There is one place for bytes, so a policy says nothing of where they go. What comes in is held against one policy: that
//! of the nearest folder that has one, else what its user's groups give, else the default, which lets everything through
//! as long as no administrator says otherwise.

use std::sync::LazyLock;

use quick_cache::sync::Cache;
use regex::{Regex, RegexBuilder};

use super::LibraryKind;
use super::names::ending;
use crate::error::{Error, Result};

/// The id of the default policy, by which clients knew it before there were others.
pub const DEFAULT_ID: &str = "local";

const MOST_ENDINGS: usize = 1000;
const LONGEST_ENDING_BYTES: usize = 64;
const LONGEST_PATTERN_BYTES: usize = 1000;
/// Of a compiled pattern: what an administrator writes may not take the server's memory.
const MOST_PATTERN_BYTES: usize = 1 << 20;
/// Compiled patterns that are kept: the one that writes is not to wait for them each time.
const KEPT_PATTERNS: usize = 32;
const LEAST_CHUNK_BYTES: u64 = 64 << 10;
const MOST_CHUNK_BYTES: u64 = 1 << 30;

/// Key of a policy inside this server. 0 for the default one as long as it has no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PolicyKey(pub i64);

/// What becomes of the files that a rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// They are taken, and no others.
    Taken,
    Refused,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub key: PolicyKey,
    /// Opaque id that clients see.
    pub id: String,
    pub name: String,
    /// Of one file.
    pub most_bytes: Option<u64>,
    /// Of names, in lower case and without a dot; none: any.
    pub endings: Vec<String>,
    pub endings_are: Listed,
    /// A regular expression that whole names are looked through for.
    pub pattern: Option<String>,
    pub pattern_is: Listed,
    /// What uploads come in, where their client leaves it to the server.
    pub chunk_bytes: Option<u64>,
    pub created_ms: i64,
    pub modified_ms: i64,
}

impl Policy {
    /// Without any rule.
    pub fn named(id: String, name: String) -> Policy {
        Policy {
            key: PolicyKey(0),
            id,
            name,
            most_bytes: None,
            endings: Vec::new(),
            endings_are: Listed::Taken,
            pattern: None,
            pattern_is: Listed::Taken,
            chunk_bytes: None,
            created_ms: 0,
            modified_ms: 0,
        }
    }

    /// The default one, as it is until somebody changes it.
    pub fn usual() -> Policy {
        Policy::named(DEFAULT_ID.to_owned(), "Openshelf".to_owned())
    }

    pub fn is_default(&self) -> bool {
        self.id == DEFAULT_ID
    }

    /// What an administrator wrote, in the form that is kept; `Invalid` where it is none.
    pub fn checked(mut self) -> Result<Policy> {
        self.name = self.name.trim().to_owned();
        if self.name.is_empty() || self.name.chars().count() > 64 || self.name.chars().any(char::is_control) {
            return Err(Error::invalid("name", "1 to 64 visible characters"));
        }
        for ending in &mut self.endings {
            *ending = ending.trim().trim_start_matches('.').to_lowercase();
        }
        self.endings.retain(|ending| !ending.is_empty());
        let is_wrong = |ending: &String| ending.len() > LONGEST_ENDING_BYTES || ending.contains(['/', '.', '\0']);
        if self.endings.len() > MOST_ENDINGS || self.endings.iter().any(is_wrong) {
            return Err(Error::invalid("file_type", "at most 1000 endings of names, without dots and slashes"));
        }
        if self.most_bytes.is_some_and(|most| i64::try_from(most).is_err()) {
            return Err(Error::invalid("max_size", "it is larger than any file"));
        }
        if self.chunk_bytes.is_some_and(|chunk| !(LEAST_CHUNK_BYTES..=MOST_CHUNK_BYTES).contains(&chunk)) {
            return Err(Error::invalid("chunk_size", "64 KiB to 1 GiB"));
        }
        self.rules()?;
        Ok(self)
    }

    pub fn rules(&self) -> Result<Rules> {
        let compiled = self.pattern.as_deref().map(compiled).transpose()?;
        Ok(Rules {
            most_bytes: self.most_bytes,
            endings: self.endings.clone(),
            endings_are: self.endings_are,
            pattern: compiled.map(|pattern| (pattern, self.pattern_is)),
        })
    }
}

fn compiled(pattern: &str) -> Result<Regex> {
    static KEPT: LazyLock<Cache<String, Regex>> = LazyLock::new(|| Cache::new(KEPT_PATTERNS));
    if pattern.len() > LONGEST_PATTERN_BYTES {
        return Err(Error::invalid("file_regexp", "at most 1000 bytes"));
    }
    let build = || RegexBuilder::new(pattern).size_limit(MOST_PATTERN_BYTES).dfa_size_limit(MOST_PATTERN_BYTES).build();
    let built = KEPT.get_or_insert_with(pattern, build);
    built.map_err(|_| Error::invalid("file_regexp", "it is no regular expression, or too large a one"))
}

/// Of one policy, ready to be asked about many files.
#[derive(Debug, Clone)]
pub struct Rules {
    most_bytes: Option<u64>,
    endings: Vec<String>,
    endings_are: Listed,
    pattern: Option<(Regex, Listed)>,
}

impl Rules {
    /// Whether they let everything through.
    pub fn is_empty(&self) -> bool {
        self.most_bytes.is_none() && self.endings.is_empty() && self.pattern.is_none()
    }

    /// `Invalid` for a name that is not taken, `TooLarge`. Of a file whose size is not known yet, the name alone: 0.
    pub fn check(&self, name: &str, size_bytes: u64) -> Result<()> {
        let is_listed = self.endings.contains(&ending(name));
        if !self.endings.is_empty() && is_listed != (self.endings_are == Listed::Taken) {
            return Err(Error::invalid("file type", format!("{name:?} has an ending that is not stored here")));
        }
        if let Some((pattern, listed)) = &self.pattern
            && pattern.is_match(name) != (*listed == Listed::Taken)
        {
            return Err(Error::invalid("file type", format!("files named as {name:?} are not stored here")));
        }
        match self.most_bytes {
            Some(limit_bytes) if size_bytes > limit_bytes => Err(Error::TooLarge { size_bytes, limit_bytes }),
            _ => Ok(()),
        }
    }
}

/// The policy that holds. `near`: of the file or folder and of those above it, the nearest first; `given`: those that
/// whoever stores there may store under, the one of their group or the default first.
///
/// What somebody chose for a folder of their home holds as long as it is theirs to choose: what a group takes away, it
/// takes away there as well. Elsewhere administrators choose, for everybody.
pub fn holding<'a>(near: &'a [Policy], of: LibraryKind, given: &'a [Policy]) -> Option<&'a Policy> {
    let is_given = |policy: &Policy| given.iter().any(|given| given.id == policy.id);
    near.iter().find(|policy| of != LibraryKind::Home || is_given(policy)).or(given.first())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(id: &str) -> Policy {
        Policy::named(id.to_owned(), id.to_owned())
    }

    fn with_endings(endings: &[&str], endings_are: Listed) -> Rules {
        let endings = endings.iter().map(|ending| (*ending).to_owned()).collect();
        Policy { endings, endings_are, ..policy("a") }.checked().unwrap().rules().unwrap()
    }

    #[test]
    fn endings_are_taken_or_refused_in_any_case() {
        let taken = with_endings(&[".JPG", " png ", ""], Listed::Taken);
        let refused = with_endings(&["exe"], Listed::Refused);
        for (name, is_taken, is_not_refused) in [
            ("a.jpg", true, true),
            ("a.b.PnG", true, true),
            ("a.EXE", false, false),
            ("jpg", false, true),
            ("exe", false, true),
            ("a.jpg.exe", false, false),
            ("a.", false, true),
        ] {
            assert_eq!(taken.check(name, 0).is_ok(), is_taken, "{name}");
            assert_eq!(refused.check(name, 0).is_ok(), is_not_refused, "{name}");
        }
    }

    #[test]
    fn a_pattern_and_a_size_are_rules_as_well() {
        let rules = |pattern: &str, pattern_is| {
            let pattern = Some(pattern.to_owned());
            Policy { pattern, pattern_is, most_bytes: Some(5), ..policy("a") }.checked().unwrap().rules().unwrap()
        };
        let (taken, refused) = (rules("^IMG_", Listed::Taken), rules("(?i)secret", Listed::Refused));
        assert!(taken.check("IMG_1.jpg", 5).is_ok() && taken.check("x.jpg", 1).is_err());
        assert!(refused.check("x.jpg", 5).is_ok() && refused.check("My Secret.txt", 1).is_err());
        assert!(matches!(taken.check("IMG_1.jpg", 6), Err(Error::TooLarge { limit_bytes: 5, .. })));
        assert!(policy("a").rules().unwrap().is_empty() && !taken.is_empty());
    }

    #[test]
    fn patterns_that_are_none_or_cost_too_much_are_refused() {
        for pattern in ["(", "a{1000}{1000}{1000}", &"a".repeat(2000), r"(\p{L}{200}){200}"] {
            let wish = Policy { pattern: Some(pattern.to_owned()), ..policy("a") };
            assert!(matches!(wish.checked(), Err(Error::Invalid { what: "file_regexp", .. })), "{pattern}");
        }
        for wish in [
            Policy { name: " ".to_owned(), ..policy("a") },
            Policy { endings: vec!["tar.gz".to_owned()], ..policy("a") },
            Policy { most_bytes: Some(u64::MAX), ..policy("a") },
            Policy { chunk_bytes: Some(1), ..policy("a") },
        ] {
            assert!(wish.clone().checked().is_err(), "{wish:?}");
        }
    }

    #[test]
    fn the_nearest_holds_then_what_is_given_first() {
        let (near, given) = ([policy("near"), policy("far")], [policy("first"), policy("far")]);
        let id = |near: &[Policy], of| holding(near, of, &given).unwrap().id.clone();
        assert_eq!(id(&near, LibraryKind::Folder), "near");
        assert_eq!(id(&near, LibraryKind::Home), "far", "near is not theirs to choose");
        assert_eq!(id(&[policy("near")], LibraryKind::Home), "first");
        assert_eq!(id(&[], LibraryKind::Folder), "first");
    }
}
