//! How names are compared, ordered, grouped and shown. Pure functions on text.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Leading words that do not count when artists are ordered, as Navidrome has them.
const ARTICLES: &str = "The El La Los Las Le Les Os As O A";

/// Leading words that do not count when artists are ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Articles(String);

impl Default for Articles {
    fn default() -> Articles {
        Articles(ARTICLES.to_owned())
    }
}

impl Articles {
    /// Of words with spaces between them, which may be none.
    pub fn of(words: &str) -> Articles {
        Articles(words.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// As they are written: the list that OpenSubsonic answers name.
    pub fn words(&self) -> &str {
        &self.0
    }

    /// The name without its leading article: "The Beatles" is found under B.
    pub fn without<'a>(&self, name: &'a str) -> &'a str {
        let name = name.trim();
        match name.split_once(char::is_whitespace) {
            Some((first, rest)) if self.0.split(' ').any(|article| same_letters(article, first)) => rest.trim_start(),
            _ => name,
        }
    }

    /// The group of an index that a name belongs to: `A`…`Z`, and `#` for all others. Letters that are Latin ones with
    /// something to them stand with those.
    pub fn initial(&self, name: &str) -> char {
        let first = search_key(self.without(name)).chars().next().unwrap_or('#');
        match first {
            'a'..='z' => first.to_ascii_uppercase(),
            'æ' | 'ɐ' => 'A',
            'đ' | 'ð' => 'D',
            'ħ' => 'H',
            'ı' => 'I',
            'ł' => 'L',
            'ŋ' => 'N',
            'ø' | 'œ' => 'O',
            'ß' => 'S',
            'þ' | 'ŧ' => 'T',
            _ => '#',
        }
    }
}

fn same_letters(a: &str, b: &str) -> bool {
    search_key(a) == search_key(b)
}

/// The form in which text is searched: compatibility forms resolved, diacritics gone, lower case, single spaces.
pub fn search_key(text: &str) -> String {
    // Most names are; the tables of Unicode say the same of them at many times the cost.
    let folded: String = if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
    };
    let mut key = String::with_capacity(folded.len());
    for word in folded.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !key.is_empty() {
            key.push(' ');
        }
        key.push_str(word);
    }
    key
}

/// Longer beginnings of words are cut: what follows is compared with the text itself.
const BEGINNING_BYTES: usize = 16;
/// Beginnings of one text; a title of more is found by these.
const MOST_BEGINNINGS: usize = 32;

/// From where on a text is found, given its search key: each word, each letter or digit in it that follows none ("live" in
/// "(live)"), and each character of a script that writes no spaces.
fn places(key: &str) -> impl Iterator<Item = &str> {
    key.split(' ').flat_map(|word| {
        let before = std::iter::once(None).chain(word.chars().map(Some));
        before.zip(word.char_indices()).filter_map(move |(before, (at, c))| {
            let begins = before.is_none_or(|before| {
                c.is_alphanumeric() && !before.is_alphanumeric() || writes_no_spaces(c) || writes_no_spaces(before)
            });
            begins.then(|| &word[at..])
        })
    })
}

pub(super) fn writes_no_spaces(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}'
        | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3134f}')
}

/// The beginning of a word as it is stored and looked up: without the signs at its end, unless it is nothing else.
pub fn beginning(word: &str) -> &str {
    let begins = &word[..word.floor_char_boundary(BEGINNING_BYTES)];
    match begins.trim_end_matches(|c: char| !c.is_alphanumeric()) {
        "" => begins,
        word => word,
    }
}

/// All that a text is found by, given its search key.
pub fn beginnings(key: &str) -> BTreeSet<&str> {
    places(key).map(beginning).filter(|word| !word.is_empty()).take(MOST_BEGINNINGS).collect()
}

/// Whether a word of a search, folded, begins somewhere in a search key.
pub fn holds(key: &str, word: &str) -> bool {
    places(key).any(|place| place.starts_with(word))
}

/// Bytes that order like a person would: folded, and runs of digits by their value ("9" before "10").
///
/// A run of digits becomes `0`, the number of its digits without leading zeros, and those digits, so that a longer number
/// is a greater one; it stays among the digits of ASCII, after space and punctuation and before letters. What folding
/// made alike keeps a stable order by the text itself.
pub fn sort_key(text: &str) -> Vec<u8> {
    let folded = search_key(text);
    let mut key = Vec::with_capacity(folded.len() + text.len() + 8);
    let mut rest = folded.as_bytes();
    while let Some(&byte) = rest.first() {
        if !byte.is_ascii_digit() {
            key.push(byte);
            rest = &rest[1..];
            continue;
        }
        let run = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let zeros = rest[..run].iter().take_while(|b| **b == b'0').count();
        let digits = &rest[zeros..run];
        key.push(b'0');
        key.push(digits.len().min(255) as u8);
        key.extend_from_slice(digits);
        rest = &rest[run..];
    }
    key.push(0);
    key.extend_from_slice(text.as_bytes());
    key
}

/// A name on disk as people see it: composed Unicode, what cannot be shown replaced. Never empty, never `.` or `..`, no `/`.
pub fn shown(name: &[u8]) -> String {
    let unseen = |c: char| c.is_control() || c == '/' || is_direction_mark(c);
    let text: String =
        String::from_utf8_lossy(name).nfc().map(|c| if unseen(c) { char::REPLACEMENT_CHARACTER } else { c }).collect();
    match text.as_str() {
        "" | "." | ".." => char::REPLACEMENT_CHARACTER.to_string(),
        _ => text,
    }
}

/// Marks that turn the direction of text around: `gpj.exe` would be read as `exe.jpg`.
pub fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Where the ending of a name begins, with its dot. A name that has none, as `.profile`, ends there.
pub fn ending_at(name: impl AsRef<[u8]>) -> usize {
    let name = name.as_ref();
    name.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > 0).unwrap_or(name.len())
}

/// The ending of a name in small letters, without its dot; empty where there is none.
pub fn ending(name: &str) -> String {
    name[ending_at(name)..].strip_prefix('.').unwrap_or_default().to_lowercase()
}

/// Bytes of a name that file systems take.
pub const LONGEST_NAME_BYTES: usize = 255;
/// What is longer is no ending, but a name with a dot in it.
const LONGEST_ENDING_BYTES: usize = 127;

/// A name with a number before its ending, dot included. Number 1 is the name as it is, any other has at most 255 bytes:
/// the stem gives way, text not inside a character.
pub fn numbered(stem: &[u8], ending: &[u8], number: u64) -> Vec<u8> {
    let name = [stem, ending].concat();
    if number <= 1 {
        return name;
    }
    let (stem, ending) = if ending.len() > LONGEST_ENDING_BYTES { (&name[..], &b""[..]) } else { (stem, ending) };
    let number = format!(" ({number})");
    let most = (LONGEST_NAME_BYTES - number.len() - ending.len()).min(stem.len());
    let cut = match std::str::from_utf8(stem) {
        Ok(text) => text.floor_char_boundary(most),
        Err(_) => most,
    };
    [&stem[..cut], number.as_bytes(), ending].concat()
}

/// The same, of text.
pub fn numbered_text(stem: &str, ending: &str, number: u64) -> String {
    String::from_utf8_lossy(&numbered(stem.as_bytes(), ending.as_bytes(), number)).into_owned()
}

/// `shown`, or with a number before its ending where a sibling is shown like that already.
pub fn unique_shown<E>(shown: String, mut is_taken: impl FnMut(&str) -> Result<bool, E>) -> Result<String, E> {
    if !is_taken(&shown)? {
        return Ok(shown);
    }
    let (stem, ending) = shown.split_at(ending_at(&shown));
    let mut number = 2;
    loop {
        let candidate = numbered_text(stem, ending, number);
        if !is_taken(&candidate)? {
            return Ok(candidate);
        }
        number += 1;
    }
}

/// Whether a name stays out of every library: dotfiles (Openshelf's own folder among them) and what systems leave behind.
pub fn is_left_out(name: &[u8]) -> bool {
    const LEFT_BEHIND: [&[u8]; 5] = [b"lost+found", b"Thumbs.db", b"desktop.ini", b"@eaDir", b"$RECYCLE.BIN"];
    name.first() == Some(&b'.') || LEFT_BEHIND.contains(&name)
}

/// What file systems take, less room for a number and an ending.
const LONGEST_TITLE_BYTES: usize = 180;

/// A title as a file's name, on any system that a library may be carried to; `empty` where nothing is left of it.
pub fn safe_file_name(title: &str, empty: &str) -> String {
    let clean: String = shown(title.as_bytes())
        .chars()
        .map(|c| {
            if matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | char::REPLACEMENT_CHARACTER) {
                '_'
            } else {
                c
            }
        })
        .collect();
    let cut = &clean[..clean.floor_char_boundary(LONGEST_TITLE_BYTES)];
    match cut.trim_matches(['.', ' ']) {
        "" => empty.to_owned(),
        name if is_left_out(name.as_bytes()) => format!("_{name}"),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ascii_is_folded_as_all_text_is() {
        for byte in 0..128u8 {
            let text = format!("A{}b", char::from(byte));
            let slowly = search_key(&format!("{text}\u{301}"));
            assert_eq!(search_key(&text), slowly, "{text:?}");
        }
    }

    #[test]
    fn search_ignores_case_accents_width_and_spacing() {
        assert_eq!(search_key("  Björk —\tÉTÉ\n Ｎｏ. ① "), "bjork — ete no. 1");
        assert_eq!(search_key("cafe\u{301}"), search_key("CAFÉ"));
    }

    #[test]
    fn words_are_found_by_their_beginnings_and_scripts_without_spaces_anywhere() {
        let key = search_key("AC/DC — Let There Be Rock (Live) 夜に駆ける");
        for word in ["ac/dc", "dc", "the", "live", "live)", "(live", "—", "夜に", "駆け", "る"] {
            assert!(holds(&key, word), "{word}");
            assert!(beginnings(&key).iter().any(|begins| begins.starts_with(beginning(word))), "{word}");
        }
        for word in ["c", "ock", "here", "夜駆"] {
            assert!(!holds(&key, word), "{word}");
        }
        assert_eq!(
            beginnings(&search_key("Supercalifragilistic")).into_iter().collect::<Vec<_>>(),
            ["supercalifragili"]
        );
    }

    #[test]
    fn numbers_are_ordered_by_value() {
        let mut names =
            vec!["Track 10", "track 9", "Track 1", "Track 09b", "Élan", "Zebra", "(live)", "eland", "Track"];
        names.sort_by_key(|name| sort_key(name));
        assert_eq!(names, ["(live)", "Élan", "eland", "Track", "Track 1", "track 9", "Track 09b", "Track 10", "Zebra"]);
    }

    #[test]
    fn a_digit_sorts_before_letters_whatever_its_value() {
        assert!(sort_key("99999999999999999999 luftballons") < sort_key("a"));
        assert!(sort_key("0") < sort_key("1"));
    }

    #[test]
    fn leading_articles_do_not_count_unless_they_are_the_whole_name() {
        let articles = Articles::default();
        for (name, rest) in [
            ("The Beatles", "Beatles"),
            ("los Lobos", "Lobos"),
            ("The", "The"),
            ("Theodore", "Theodore"),
            ("A The B", "The B"),
        ] {
            assert_eq!(articles.without(name), rest);
        }
        assert_eq!(Articles::of(" der  DIE ").without("Die Ärzte"), "Ärzte");
        assert_eq!(Articles::of("").without("The Beatles"), "The Beatles");
    }

    #[test]
    fn initials_are_letters_or_a_hash() {
        let initials = [
            ("The Élan", 'E'),
            ("Øresund", 'O'),
            ("Łódź", 'L'),
            ("Ænima", 'A'),
            ("2Pac", '#'),
            ("Ωmega", '#'),
            ("", '#'),
        ];
        for (name, initial) in initials {
            assert_eq!(Articles::default().initial(name), initial, "{name}");
        }
    }

    #[test]
    fn shown_names_are_composed_and_harmless() {
        assert_eq!(shown("cafe\u{301}.txt".as_bytes()), "café.txt");
        assert_eq!(shown(b"a\nb"), "a\u{fffd}b");
        assert_eq!(shown(b"\xffx"), "\u{fffd}x");
        assert_eq!(shown("gnp\u{202e}.exe".as_bytes()), "gnp\u{fffd}.exe");
        assert_eq!(shown(b".."), "\u{fffd}");
    }

    #[test]
    fn a_name_shown_twice_is_numbered_before_its_ending() {
        let taken = ["a.txt", "a (2).txt", ".env", "b"];
        let unique = |name: &str| unique_shown::<()>(name.to_owned(), |n| Ok(taken.contains(&n))).unwrap();
        assert_eq!(unique("a.txt"), "a (3).txt");
        assert_eq!(unique(".env"), ".env (2)");
        assert_eq!(unique("b"), "b (2)");
        assert_eq!(unique("c"), "c");
    }

    #[test]
    fn an_ending_follows_the_last_dot_unless_the_name_begins_with_it() {
        for (name, stem, known_by) in [
            ("a.TXT", "a", "txt"),
            ("a.tar.gz", "a.tar", "gz"),
            (".profile", ".profile", ""),
            ("b", "b", ""),
            ("c.", "c", ""),
        ] {
            assert_eq!((&name[..ending_at(name)], ending(name).as_str()), (stem, known_by));
        }
        assert_eq!(ending_at(b"\xff.\xfe"), 1);
        assert_eq!((ending_at(""), ending_at(".")), (0, 1));
    }

    #[test]
    fn a_numbered_name_fits_and_keeps_its_ending_and_whole_characters() {
        assert_eq!(numbered_text("a", ".txt", 1), "a.txt");
        assert_eq!(numbered_text("a", ".txt", 2), "a (2).txt");
        assert_eq!(numbered_text("a.b", "", 2), "a.b (2)");
        let long = |bytes: usize| "x".repeat(bytes);
        assert_eq!(numbered_text(&long(247), ".txt", 2), format!("{} (2).txt", long(247)), "255 bytes fit");
        assert_eq!(numbered_text(&long(248), ".txt", 2), format!("{} (2).txt", long(247)));
        assert_eq!(numbered_text(&long(251), ".txt", 10), format!("{} (10).txt", long(246)));
        assert_eq!(numbered_text(&"ü".repeat(125), ".txt", 2), format!("{} (2).txt", "ü".repeat(123)));
        assert_eq!(numbered(&[0xff; 255], b"", 2), [&[0xff; 251][..], b" (2)"].concat());
        let ending = |bytes: usize| format!(".{}", "e".repeat(bytes - 1));
        assert_eq!(numbered_text(&long(128), &ending(127), 2), format!("{} (2){}", long(124), ending(127)));
        assert_eq!(numbered_text("a", &ending(254), 2), format!("a{} (2)", ending(250)), "too long for an ending");
    }

    proptest! {
        #[test]
        fn numbered_names_fit_are_text_and_differ(name in "\\PC{1,300}", number in 2u64..u64::MAX) {
            let (stem, ending) = name.split_at(ending_at(&name));
            let [this, next] = [number, number + 1].map(|number| numbered(stem.as_bytes(), ending.as_bytes(), number));
            prop_assert!(this.len() <= LONGEST_NAME_BYTES && this != next);
            prop_assert_eq!(String::from_utf8(this).unwrap(), numbered_text(stem, ending, number));
        }

        #[test]
        fn numbers_in_names_compare_as_numbers(a in 0u64.., b in 0u64.., pad in 0usize..4) {
            let (left, right) = (format!("x{}{a}", "0".repeat(pad)), format!("x{b}"));
            if a != b {
                prop_assert_eq!(sort_key(&left).cmp(&sort_key(&right)), a.cmp(&b));
            }
        }

        #[test]
        fn any_bytes_can_be_shown(name in proptest::collection::vec(any::<u8>(), 0..300)) {
            let shown = shown(&name);
            prop_assert!(!shown.is_empty() && !shown.contains(['/', '\0', '\n']));
        }
    }
}
