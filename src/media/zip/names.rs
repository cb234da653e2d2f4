//! Names in an archive that unpack anywhere and nowhere else.

use std::collections::{HashMap, HashSet};

use unicode_normalization::UnicodeNormalization;

use crate::library::names::{LONGEST_NAME_BYTES, ending_at, is_direction_mark, numbered_text};

/// Names for an archive that unpack anywhere and nowhere else: one for each given, in order.
///
/// Names are paths with `/`; one that ends in `/` is a folder. Within a folder, names that some file system holds to be equal
/// are told apart as [`unique_names`] does. A folder given twice is one folder.
pub fn safe_names<N: AsRef<str>>(names: &[N]) -> Vec<String> {
    struct Folder {
        /// The folder around it and its place there; none for the top.
        place: Option<(usize, usize)>,
        names: Vec<String>,
    }
    let mut folders = vec![Folder { place: None, names: Vec::new() }];
    let mut known: HashMap<(usize, &str), usize> = HashMap::new();
    let mut places = Vec::with_capacity(names.len());
    for name in names {
        let name = name.as_ref();
        let mut parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty()).collect();
        let file = if name.ends_with('/') && !parts.is_empty() { None } else { Some(parts.pop().unwrap_or("")) };
        let mut folder = 0;
        for part in parts {
            folder = *known.entry((folder, part)).or_insert_with(|| {
                let place = (folder, folders[folder].names.len());
                folders[folder].names.push(safe_component(part));
                folders.push(Folder { place: Some(place), names: Vec::new() });
                folders.len() - 1
            });
        }
        places.push(match file {
            Some(file) => {
                folders[folder].names.push(safe_component(file));
                (folder, Some(folders[folder].names.len() - 1))
            }
            None => (folder, None),
        });
    }
    for folder in &mut folders {
        folder.names = unique_names(&folder.names);
    }
    // A folder comes after the one around it, so its path is there already.
    let mut paths: Vec<String> = Vec::with_capacity(folders.len());
    for folder in &folders {
        paths.push(
            folder.place.map_or_else(String::new, |(around, place)| {
                format!("{}{}/", paths[around], folders[around].names[place])
            }),
        );
    }
    places
        .into_iter()
        .map(|(folder, file)| match file {
            Some(file) => format!("{}{}", paths[folder], folders[folder].names[file]),
            None => paths[folder].clone(),
        })
        .collect()
}

/// The same names, but those that are equal by letter case or Unicode form become `name (2).ext`, `name (3).ext`, …
/// The first of equals keeps its name, and so does every name that is not a double.
pub fn unique_names<N: AsRef<str>>(names: &[N]) -> Vec<String> {
    let mut taken: HashSet<String> = HashSet::with_capacity(names.len());
    let first: Vec<bool> = names.iter().map(|name| taken.insert(folded(name.as_ref()))).collect();
    let mut next: HashMap<String, u64> = HashMap::new();
    names
        .iter()
        .zip(first)
        .map(|(name, first)| {
            let name = name.as_ref();
            if first {
                return name.to_owned();
            }
            let number = next.entry(folded(name)).or_insert(2);
            loop {
                let candidate = numbered(name, *number);
                *number += 1;
                if taken.insert(folded(&candidate)) {
                    return candidate;
                }
            }
        })
        .collect()
}

/// Upper case first, since one letter may have several lower ones (ς and σ) or grow (ß).
fn folded(name: &str) -> String {
    // Comes to the same, and of many names most are plain.
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    name.nfc().collect::<String>().to_uppercase().to_lowercase().nfc().collect()
}

fn numbered(name: &str, number: u64) -> String {
    let (stem, extension) = split_extension(name);
    numbered_text(stem, extension, number)
}

/// The extension with its dot; none in `Live 1.5` or `.profile`.
fn split_extension(name: &str) -> (&str, &str) {
    let (stem, extension) = name.split_at(ending_at(name));
    let is_plain = extension.len() <= 11 && extension.bytes().skip(1).all(|b| b.is_ascii_alphanumeric());
    if is_plain && extension.bytes().any(|b| b.is_ascii_alphabetic()) { (stem, extension) } else { (name, "") }
}

/// Characters that act on what is around them: line breaks, terminal codes, reversed text that hides an extension.
pub fn is_deceptive(character: char) -> bool {
    character.is_control() || is_direction_mark(character) || matches!(character, '\u{2028}' | '\u{2029}')
}

fn safe_component(name: &str) -> String {
    let replaced: String = name
        .chars()
        .map(|c| match c {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
            c if is_deceptive(c) => '_',
            c => c,
        })
        .collect();
    let mut name = trimmed(&replaced).to_owned();
    if name.is_empty() {
        return "_".to_owned();
    }
    if is_device(&name) {
        name.insert(0, '_');
    }
    if name.len() > LONGEST_NAME_BYTES {
        let (stem, extension) = split_extension(&name);
        let stem = &stem[..stem.floor_char_boundary(LONGEST_NAME_BYTES - extension.len())];
        name = trimmed(&format!("{stem}{extension}")).to_owned();
    }
    name
}

/// Windows drops dots and spaces at the end; a name of dots only would lead out of its folder.
fn trimmed(name: &str) -> &str {
    name.trim_end_matches(['.', ' '])
}

/// Names that open a device on Windows, whatever their extension.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_uppercase();
    match stem.as_str() {
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" => true,
        stem => ["COM", "LPT"].iter().any(|port| {
            stem.strip_prefix(port)
                .is_some_and(|rest| matches!(rest, "¹" | "²" | "³") || matches!(rest.as_bytes(), [b'0'..=b'9']))
        }),
    }
}

pub(super) fn is_safe(name: &str) -> bool {
    let parts = name.strip_suffix('/').unwrap_or(name);
    name.len() <= usize::from(u16::MAX) && parts.split('/').all(|part| !part.is_empty() && part == safe_component(part))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_become_safe_to_unpack() {
        let table = [
            ("a.txt", "a.txt"),
            ("../../etc/passwd", "_/_/etc/passwd"),
            ("/etc/passwd", "etc/passwd"),
            ("..\\..\\x", ".._.._x"),
            ("C:\\x", "C__x"),
            ("line\nbreak\u{1b}[2J", "line_break_[2J"),
            ("CON", "_CON"),
            ("nul.tar.gz", "_nul.tar.gz"),
            ("com1", "_com1"),
            ("LPT²", "_LPT²"),
            ("console", "console"),
            ("end. . ", "end"),
            ("...", "_"),
            (" ", "_"),
            ("", "_"),
            ("song\u{202e}gpj.exe", "song_gpj.exe"),
            ("a\u{61c}b\u{200f}c\u{2066}d\u{7f}e", "a_b_c_d_e"),
            ("aux .txt", "_aux .txt"),
            ("folder./", "folder/"),
            ("a//b/", "a/b/"),
            ("/", "_"),
        ];
        for (name, expected) in table {
            assert_eq!(safe_names(&[name]), [expected], "{name:?}");
        }
        let long = format!("{}.flac", "ü".repeat(300));
        assert_eq!(safe_names(&[long]), [format!("{}.flac", "ü".repeat(125))]);
    }

    #[test]
    fn doubles_are_numbered_and_the_first_keeps_its_name() {
        let names =
            ["a.txt", "A.TXT", "a.txt", "a (2).txt", "Caf\u{e9}", "Cafe\u{301}", "Live 1.5", "Live 1.5", "Σς", "σσ"];
        let expected = [
            "a.txt",
            "A (3).TXT",
            "a (4).txt",
            "a (2).txt",
            "Caf\u{e9}",
            "Cafe\u{301} (2)",
            "Live 1.5",
            "Live 1.5 (2)",
            "Σς",
            "σσ (2)",
        ];
        assert_eq!(unique_names(&names), expected);
        let names = ["x/a", "x/a?", "x/a*", "y", "y/b", "y/", "y/c"];
        assert_eq!(safe_names(&names), ["x/a", "x/a_", "x/a_ (2)", "y", "y (2)/b", "y (2)/", "y (2)/c"]);
    }

    #[test]
    fn a_hundred_thousand_equal_names_are_told_apart_in_no_time() {
        let names = unique_names(&vec!["same"; 100_000]);
        assert_eq!(names[99_999], "same (100000)");
    }

    fn odd_name() -> impl Strategy<Value = String> {
        prop_oneof!["[aA./\\\\: (2)éE\u{301}\n]{0,9}", "\\PC{0,300}", "(con|nul|a|A)(\\.| |/){0,3}[a-c]?"]
    }

    proptest! {
        #[test]
        fn any_names_become_safe_and_different(names in prop::collection::vec(odd_name(), 0..30)) {
            let safe = safe_names(&names);
            prop_assert_eq!(safe.len(), names.len());
            let mut files = HashSet::new();
            for name in &safe {
                prop_assert!(is_safe(name), "{:?}", name);
                for part in name.trim_end_matches('/').split('/') {
                    prop_assert!(part.len() <= 255 && part != ".." && part != ".");
                    prop_assert!(!part.contains(['\\', ':']) && !part.contains(char::is_control));
                }
                if !name.ends_with('/') {
                    prop_assert!(files.insert(folded(name)), "twice: {:?}", name);
                }
            }
            for name in &safe {
                for (slash, _) in name.match_indices('/') {
                    prop_assert!(!files.contains(&folded(&name[..slash])), "file and folder: {:?}", name);
                }
            }
        }

        #[test]
        fn any_names_become_unique(names in prop::collection::vec(odd_name(), 0..30)) {
            let unique = unique_names(&names);
            prop_assert_eq!(unique.iter().map(|name| folded(name)).collect::<HashSet<_>>().len(), names.len());
        }
    }
}
