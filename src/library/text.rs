//! Searching what files say: what the words of a text are, what a query asks for, and where in a text that stands.
//!
//! Letters are folded as in names (`names::search_key`). A word is a run of letters and digits; of a script that writes no
//! spaces each character is one, so that what stands together in a query is found as it stands in the text, and two
//! characters are enough to be found by. Both engines are given the words alone: what their own parsers make of texts
//! and queries would differ.

use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::names::writes_no_spaces;

/// Of what is taken out of files, and how: raised when that changes, so that they are read again.
pub const VERSION: i64 = 1;
/// What is kept of one file: more than most books have.
pub const MOST_KEPT_BYTES: usize = 1 << 20;
/// A text is searched in parts: of one, PostgreSQL notes no more than 256 places of a word, nor any beyond the 16,383rd word.
const PART_BYTES: usize = 16_000;
const MOST_PLACES: u32 = 256;
/// Of one file: it is stored by one write. Only a text of a few words over and over would have more.
const MOST_PARTS: usize = 200;
/// Of a longer word the beginning counts, in texts and in queries.
const LONGEST_WORD_BYTES: usize = 64;
/// Of one query, and of one part of it.
const MOST_TERMS: usize = 16;
const MOST_WORDS: usize = 32;
/// Shorter words are found as they are; of longer ones the beginning is enough.
const OPEN_FROM_CHARS: usize = 3;
/// What is shown of a text around what was found.
const BEFORE_BYTES: usize = 80;
const EXCERPT_BYTES: usize = 300;

const SOFT_HYPHEN: char = '\u{ad}';

// Words ---------------------------------------------------------------------------------------------------------------

/// Hands out the words of a text, each folded and with the byte where it begins, until `each` has enough.
pub fn each_word(text: &str, mut each: impl FnMut(usize, &str) -> ControlFlow<()>) {
    let (mut word, mut begins) = (String::new(), 0);
    for (at, c) in text.char_indices() {
        let mut flow = ControlFlow::Continue(());
        fold(c, |c| {
            let is_alone = writes_no_spaces(c);
            if (is_alone || !c.is_alphanumeric()) && !word.is_empty() && flow.is_continue() {
                flow = each(begins, &word);
                word.clear();
            }
            if is_alone && c.is_alphanumeric() && flow.is_continue() {
                flow = each(at, c.encode_utf8(&mut [0; 4]));
            } else if c.is_alphanumeric() && word.len() + c.len_utf8() <= LONGEST_WORD_BYTES {
                if word.is_empty() {
                    begins = at;
                }
                word.push(c);
            }
        });
        if flow.is_break() {
            return;
        }
    }
    if !word.is_empty() {
        let _ = each(begins, &word);
    }
}

/// As `search_key` folds, character by character, so that places in the text are known.
fn fold(c: char, mut each: impl FnMut(char)) {
    if c.is_ascii() {
        each(c.to_ascii_lowercase());
    } else if c != SOFT_HYPHEN {
        std::iter::once(c).nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).for_each(each);
    }
}

fn words(text: &str, most: usize) -> Vec<String> {
    let mut words = Vec::new();
    each_word(text, |_, word| {
        words.push(word.to_owned());
        if words.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    words
}

/// A text in the parts that it is searched in, which end at lines or words where they can.
pub fn parts(mut text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    while parts.len() < MOST_PARTS && !text.trim().is_empty() {
        let most = &text[..most_in_part(text)];
        let gap = || {
            let line = most.rfind('\n').filter(|at| *at > most.len() / 2);
            line.or_else(|| most.rfind(char::is_whitespace)).filter(|at| *at > 0)
        };
        let end = if most.len() == text.len() { None } else { gap() };
        let (part, rest) = text.split_at(end.unwrap_or(most.len()));
        parts.push(part);
        text = rest;
    }
    parts
}

/// How much of the beginning of a text fits in one part.
fn most_in_part(text: &str) -> usize {
    let mut end = text.floor_char_boundary(PART_BYTES);
    let mut places: HashMap<String, u32> = HashMap::new();
    each_word(&text[..end], |at, word| {
        let count = match places.get_mut(word) {
            Some(count) => count,
            None => places.entry(word.to_owned()).or_default(),
        };
        *count += 1;
        if *count > MOST_PLACES {
            end = at;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    end
}

// Queries -------------------------------------------------------------------------------------------------------------

/// Words that stand next to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    pub words: Vec<String>,
    /// The last word may go on: "invoice" finds "invoices".
    pub is_open: bool,
}

/// What somebody looks for: all of these, anywhere in one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<Term>);

impl Query {
    /// What stands in quotes is found as it stands there, everything else by the beginnings of its words. No sign means
    /// anything but the quotes, and what is not a word counts for nothing.
    pub fn of(text: &str) -> Query {
        let mut terms = Vec::new();
        for (at, piece) in text.split(['"', '“', '”', '„', '‟']).enumerate() {
            if at % 2 == 1 {
                terms.push(Term { words: words(piece, MOST_WORDS), is_open: false });
                continue;
            }
            for word in piece.split_whitespace() {
                let words = words(word, MOST_WORDS);
                let is_open = words.last().is_some_and(|last| last.chars().count() >= OPEN_FROM_CHARS);
                terms.push(Term { words, is_open });
            }
        }
        terms.retain(|term| !term.words.is_empty());
        terms.truncate(MOST_TERMS);
        Query(terms)
    }

    pub fn terms(&self) -> &[Term] {
        &self.0
    }
}

impl Term {
    fn fits(&self, found: &VecDeque<(usize, String)>) -> bool {
        let last = self.words.len() - 1;
        found.len() == self.words.len()
            && self.words.iter().zip(found).enumerate().all(|(at, (wanted, (_, word)))| {
                match self.is_open && at == last {
                    true => word.starts_with(wanted.as_str()),
                    false => word == wanted,
                }
            })
    }

    /// The byte of a text where this stands for the first time.
    fn place_in(&self, text: &str) -> Option<usize> {
        let (mut last, mut place) = (VecDeque::with_capacity(self.words.len() + 1), None);
        each_word(text, |at, word| {
            last.push_back((at, word.to_owned()));
            if last.len() > self.words.len() {
                last.pop_front();
            }
            if self.fits(&last) {
                place = last.front().map(|(at, _)| *at);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        place
    }
}

// Excerpts ------------------------------------------------------------------------------------------------------------

/// What stands around a term in a text, on one line; `None` where it is not in there.
pub fn excerpt(text: &str, term: &Term) -> Option<String> {
    Some(around(text, term.place_in(text)?))
}

/// What stands around a place in a text.
pub fn around(text: &str, place: usize) -> String {
    let space = |c: char| c.is_whitespace();
    let from = text.ceil_char_boundary(place.saturating_sub(BEFORE_BYTES));
    // Whole words, where there are any.
    let from = match text[from..place].find(space) {
        Some(gap) if from > 0 => from + gap,
        _ => from,
    };
    let to = text.floor_char_boundary((from + EXCERPT_BYTES).min(text.len()));
    let to = match text[place..to].rfind(space) {
        Some(gap) if to < text.len() => place + gap,
        _ => to,
    };
    let line = text[from..to].split_whitespace().collect::<Vec<_>>().join(" ");
    let (before, after) = (!text[..from].trim().is_empty(), !text[to..].trim().is_empty());
    format!("{}{line}{}", if before { "… " } else { "" }, if after { " …" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::names::search_key;
    use proptest::prelude::*;

    fn term(words: &[&str], is_open: bool) -> Term {
        Term { words: words.iter().map(|word| (*word).to_owned()).collect(), is_open }
    }

    #[test]
    fn words_are_letters_and_digits_folded_as_names_are() {
        assert_eq!(
            words("Ärger: Café-Crème №1, snake_case\tＸ² Stra\u{ad}ße", 99),
            ["arger", "cafe", "creme", "no1", "snake", "case", "x2", "straße"]
        );
        assert_eq!(words("夜に駆ける abc", 99), ["夜", "に", "駆", "け", "る", "abc"]);
        assert_eq!(words("— \" ' * ()", 99), [""; 0]);
        assert_eq!(words(&"a".repeat(1000), 99), ["a".repeat(LONGEST_WORD_BYTES)]);
    }

    #[test]
    fn nothing_in_a_query_means_anything_but_quotes() {
        for (text, terms) in [
            ("", &[][..]),
            ("* \" ( ' -", &[]),
            ("Invoices to Ann", &[term(&["invoices"], true), term(&["to"], false), term(&["ann"], true)]),
            ("\"to be OR not\" AND", &[term(&["to", "be", "or", "not"], false), term(&["and"], true)]),
            ("a.b@example.org", &[term(&["a", "b", "example", "org"], true)]),
            (
                "NOT title:x^2 \"open end",
                &[term(&["not"], true), term(&["title", "x", "2"], false), term(&["open", "end"], false)],
            ),
            ("駆ける", &[term(&["駆", "け", "る"], false)]),
        ] {
            assert_eq!(Query::of(text).terms(), terms, "{text:?}");
        }
        assert_eq!(Query::of(&"word ".repeat(1000)).terms().len(), MOST_TERMS);
        assert_eq!(Query::of(&format!("\"{}\"", "word ".repeat(1000))).terms()[0].words.len(), MOST_WORDS);
    }

    #[test]
    fn an_excerpt_shows_what_was_found_and_whole_words_around_it() {
        let text = format!("{}the\n Quick  bröwn fox jumps{}", "before ".repeat(50), " after".repeat(90));
        let shown = excerpt(&text, &term(&["quick", "bro"], true)).unwrap();
        assert!(shown.starts_with("… before ") && shown.ends_with(" after …"), "{shown}");
        assert!(shown.contains(" the Quick bröwn fox jumps ") && shown.len() < EXCERPT_BYTES + 20, "{shown}");
        assert_eq!(excerpt(&text, &term(&["quick", "bro"], false)), None);
        assert_eq!(excerpt("a a b", &term(&["a", "b"], false)).unwrap(), "a a b");
        let dense = "語".repeat(5000) + "本";
        let shown = excerpt(&dense, &term(&["語", "本"], false)).unwrap();
        assert!(shown.ends_with("語本") && shown.len() < EXCERPT_BYTES + 20, "{shown}");
    }

    #[test]
    fn a_long_text_is_cut_at_its_lines_before_a_word_is_there_too_often() {
        let text: String = (0..5000).map(|n| format!("line {n} of it is one, like {}\n", n * 7919)).collect();
        let parts = parts(&text);
        assert!(parts.len() > 3 && parts.iter().all(|part| part.len() <= PART_BYTES));
        assert!(parts[1..].iter().all(|part| part.starts_with("\nline ")));
        assert_eq!(parts.concat().trim_end(), text.trim_end());
        for part in parts {
            assert!(words(part, usize::MAX).iter().filter(|word| *word == "of").count() <= MOST_PLACES as usize);
        }
    }

    proptest! {
        #[test]
        fn words_are_those_of_the_search_key(text in "\\PC{0,60}") {
            let text = text.replace(SOFT_HYPHEN, "");
            prop_assert_eq!(words(&text, 999), words(&search_key(&text), 999));
        }

        #[test]
        fn any_text_is_cut_into_parts_and_shown_anywhere(text in "(\\PC|\\s){0,200}", times in 1..300usize, at in 0..2000usize) {
            let text = text.repeat(times);
            for part in parts(&text) {
                prop_assert!(part.len() <= PART_BYTES);
            }
            let place = text.floor_char_boundary(at);
            prop_assert!(around(&text, place).len() <= EXCERPT_BYTES + 20);
        }
    }
}
