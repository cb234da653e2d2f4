//! Searches: the query of a URI that is listed.

use percent_encoding::percent_decode_str;

use super::metadata;
use crate::error::{Error, Result};
use crate::library::names::search_key;
use crate::library::{Item, ItemKind, Media};
use crate::store::folders::{Between, Case, Category, Holds, Is, Wanted};
use crate::store::metadata::Metadata;

/// Conditions of one search; each costs a comparison of every item.
const MOST_CONDITIONS: usize = 50;
/// Longer than any name; a database compares no pattern of any length.
const LONGEST_BYTES: usize = 1024;

fn category(name: &str) -> Result<Category> {
    Ok(match name {
        "image" => Category::Of(Media::Image),
        "video" => Category::Of(Media::Video),
        "audio" => Category::Of(Media::Audio),
        "document" => Category::Document,
        _ => return Err(Error::invalid("category", "no such category")),
    })
}

fn number(value: &str) -> Result<i64> {
    value.parse().map_err(|_| Error::invalid("search", "sizes and times are whole numbers"))
}

/// Whose files are looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seeker {
    Owner,
    /// Finds nothing by what they are not shown.
    Visitor,
}

/// `None` where the query says nothing.
pub fn wanted(pairs: &[(String, String)], seeker: Seeker) -> Result<Option<Wanted>> {
    if pairs.len() > MOST_CONDITIONS {
        return Err(Error::invalid("search", "it has too many conditions"));
    }
    if pairs.iter().any(|(key, value)| key.len() > LONGEST_BYTES || value.len() > LONGEST_BYTES) {
        return Err(Error::invalid("search", "a condition is too long"));
    }
    let mut wanted = Wanted::default();
    for (key, value) in pairs {
        let seconds = || Ok::<_, Error>(Some(number(value)?.saturating_mul(1000)));
        let end = || Ok::<_, Error>(Some(number(value)?.saturating_mul(1000).saturating_add(999)));
        match key.as_str() {
            "name" => wanted.names.push(value.clone()),
            "name_op_or" => wanted.of_names = Holds::Any,
            "use_or" => wanted.of_these = Holds::Any,
            "case_folding" => wanted.case = Case::Ignored,
            "type" => wanted.kind = Some(if value == "folder" { ItemKind::Folder } else { ItemKind::File }),
            "category" => wanted.category = Some(category(value)?),
            "size_gte" => wanted.size_bytes.0 = Some(number(value)?),
            "size_lte" => wanted.size_bytes.1 = Some(number(value)?),
            "created_gte" => wanted.added_ms.0 = seconds()?,
            "created_lte" => wanted.added_ms.1 = end()?,
            "updated_gte" => wanted.modified_ms.0 = seconds()?,
            "updated_lte" => wanted.modified_ms.1 = end()?,
            _ => {
                let (name, is) = match (key.strip_prefix("exact_meta_"), key.strip_prefix("meta_")) {
                    (Some(name), _) if !value.is_empty() => (name, Is::Exactly(value.clone())),
                    (None, Some(name)) if !value.is_empty() => (name, Is::With(value.clone())),
                    (Some(name), _) | (None, Some(name)) => (name, Is::There),
                    (None, None) => return Err(Error::invalid("search", "it has a condition that is none")),
                };
                let is_shown = seeker == Seeker::Owner || metadata::is_for_visitors(name);
                wanted.metadata.push((name.to_owned(), if is_shown { is } else { Is::Unknowable }));
            }
        }
    }
    Ok((wanted != Wanted::default()).then_some(wanted))
}

/// Whether an entry of the trash with this metadata is what is looked for. Places are compared as they read, not as a URI
/// writes them.
pub fn fits(wanted: &Wanted, item: &Item, noted: &Metadata) -> bool {
    let holds = |text: &str, part: &str| match wanted.case {
        Case::Told => text.contains(part),
        Case::Ignored => search_key(text).contains(&search_key(part)),
    };
    let mut names = wanted.names.iter().map(|name| holds(&item.shown, name));
    let named = match wanted.of_names {
        Holds::All => names.all(|fits| fits),
        Holds::Any => names.any(|fits| fits),
    };
    let mut said: Vec<bool> = if wanted.names.is_empty() { Vec::new() } else { vec![named] };
    said.extend(wanted.metadata.iter().map(|(name, is)| match (noted.get(name), is) {
        (None, _) | (_, Is::Unknowable) => false,
        (Some(_), Is::There) => true,
        (Some(value), Is::Exactly(text)) => value == text,
        (Some(value), Is::With(text)) if name == metadata::RESTORE_URI => {
            holds(&percent_decode_str(value).decode_utf8_lossy(), text)
        }
        (Some(value), Is::With(text)) => value.contains(text),
    }));
    let said =
        said.is_empty() || if wanted.of_these == Holds::Any { said.contains(&true) } else { !said.contains(&false) };
    let within = |value: i64, (least, most): Between| {
        least.is_none_or(|least| value >= least) && most.is_none_or(|most| value <= most)
    };
    let has_size = wanted.size_bytes == (None, None) || !item.is_folder();
    said && has_size
        && wanted.kind.is_none_or(|kind| item.kind == kind)
        && wanted.category.is_none_or(|category| category.holds(item))
        && within(i64::try_from(item.size_bytes).unwrap_or(i64::MAX), wanted.size_bytes)
        && within(item.added_ms, wanted.added_ms)
        && within(item.modified_ms, wanted.modified_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)], seeker: Seeker) -> Result<Option<Wanted>> {
        wanted(&pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>(), seeker)
    }

    #[test]
    fn times_are_whole_seconds_to_their_ends() {
        let wanted = of(&[("created_gte", "5"), ("created_lte", "5")], Seeker::Owner).unwrap().unwrap();
        assert_eq!(wanted.added_ms, (Some(5000), Some(5999)));
    }

    #[test]
    fn a_visitor_learns_nothing_of_tags_by_searching_for_them() {
        for pair in [("meta_tag:secret", ""), ("exact_meta_props:1", "x")] {
            let wanted = of(&[pair], Seeker::Visitor).unwrap().unwrap();
            assert_eq!(wanted.metadata[0].1, Is::Unknowable);
        }
        let wanted = of(&[("meta_music:artist", "Ann")], Seeker::Visitor).unwrap().unwrap();
        assert_eq!(wanted.metadata[0], ("music:artist".to_owned(), Is::With("Ann".to_owned())));
    }

    #[test]
    fn what_says_nothing_is_no_search_and_what_is_unknown_is_refused() {
        assert_eq!(of(&[], Seeker::Owner).unwrap(), None);
        for pair in [("size_gte", "big"), ("colour", "red"), ("category", "x"), ("name", "%".repeat(2000).as_str())] {
            assert!(of(&[pair], Seeker::Owner).is_err(), "{pair:?}");
        }
    }
}
