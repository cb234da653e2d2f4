//! The house's rules, read off the source: who may name whom, where SQL lies, who opens files, who makes grants.
//!
//! Each rule is a function of a file's path and text, so that it is tried on a text that breaks it as well.

use std::fs;
use std::path::Path;

/// A source file without its comments and its unit tests.
struct Source {
    /// Beneath `src/`, with slashes.
    path: String,
    /// Code by lines; of strings only the quotes.
    code: Vec<String>,
    /// Content of strings, each with the line where it begins.
    strings: Vec<(usize, String)>,
}

#[derive(Debug, PartialEq, Eq)]
struct Violation {
    at: String,
    what: String,
}

impl Source {
    fn read(path: &str, text: &str) -> Source {
        let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
        let mut source = Source { path: path.to_owned(), code: vec![String::new()], strings: Vec::new() };
        let chars: Vec<char> = text.chars().collect();
        let starts = |at: usize, what: &str| what.chars().enumerate().all(|(n, c)| chars.get(at + n) == Some(&c));
        let mut at = 0;
        while at < chars.len() {
            let before = at.checked_sub(1).map(|n| chars[n]);
            let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
            if starts(at, "//") {
                while at < chars.len() && chars[at] != '\n' {
                    at += 1;
                }
            } else if starts(at, "/*") {
                while at < chars.len() && !starts(at, "*/") {
                    source.newline_at(chars[at]);
                    at += 1;
                }
                at += 2;
            } else if let Some((open, close)) = (!in_word).then(|| raw_string(&chars[at..])).flatten() {
                at = source.string(&chars, at + open, &close, false);
            } else if chars[at] == '"' {
                at = source.string(&chars, at + 1, "\"", true);
            } else if chars[at] == '\'' && (chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\'')) {
                // A character, not a lifetime.
                at += if chars[at + 1] == '\\' { 3 } else { 2 };
                while at < chars.len() && chars[at] != '\'' {
                    at += 1;
                }
                at += 1;
                source.push(' ');
            } else {
                source.newline_at(chars[at]);
                if chars[at] != '\n' {
                    source.push(chars[at]);
                }
                at += 1;
            }
        }
        source
    }

    fn push(&mut self, c: char) {
        self.code.last_mut().unwrap().push(c);
    }

    fn newline_at(&mut self, c: char) {
        if c == '\n' {
            self.code.push(String::new());
        }
    }

    /// Reads a string's content from `at` on; returns where the code goes on.
    fn string(&mut self, chars: &[char], mut at: usize, close: &str, escapes: bool) -> usize {
        let line = self.code.len();
        let close: Vec<char> = close.chars().collect();
        let mut content = String::new();
        self.push('"');
        while at < chars.len() && !chars[at..].starts_with(&close) {
            if escapes && chars[at] == '\\' && at + 1 < chars.len() {
                self.newline_at(chars[at + 1]);
                content.push(' ');
                at += 2;
                continue;
            }
            self.newline_at(chars[at]);
            content.push(chars[at]);
            at += 1;
        }
        self.push('"');
        self.strings.push((line, content));
        at + close.len()
    }

    fn violation(&self, line: usize, what: impl Into<String>) -> Violation {
        Violation { at: format!("src/{}:{line}", self.path), what: what.into() }
    }

    /// Lines of code, counted from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.iter().enumerate().map(|(n, line)| (n + 1, line.as_str()))
    }

    /// The same, with an import of several lines as one.
    fn statements(&self) -> Vec<(usize, String)> {
        let mut all: Vec<(usize, String)> = Vec::new();
        let mut goes_on = false;
        for (number, line) in self.lines() {
            match all.last_mut().filter(|_| goes_on) {
                Some((_, import)) => import.push_str(line.trim()),
                None => all.push((number, line.to_owned())),
            }
            let import = all.last().map_or("", |(_, line)| line.trim_start());
            goes_on = (import.starts_with("use ") || import.starts_with("pub use ")) && !import.contains(';');
        }
        all
    }

    fn is_under(&self, places: &[&str]) -> bool {
        places.iter().any(|place| match place.strip_suffix('/') {
            Some(folder) => self.path.starts_with(&format!("{folder}/")),
            None => self.path == *place,
        })
    }

    /// The first components of the paths that are named in a line: `crate::store::Tx` gives `store`, `axum::body` gives
    /// `axum`. Imports are read as a whole, with what they list in braces.
    fn names(&self) -> Vec<(usize, String)> {
        let mut names = Vec::new();
        for (number, line) in self.statements() {
            let line = line.as_str();
            for (at, _) in line.match_indices("::") {
                let word = last_word(&line[..at]);
                let starts_path = !line[..at - word.len()].ends_with("::");
                if starts_path && !matches!(word, "crate" | "super" | "self") {
                    names.push((number, word.to_owned()));
                }
                if word == "crate" {
                    names.extend(first_of_list(&line[at + 2..]).into_iter().map(|word| (number, word)));
                }
            }
            if let Some(what) = line.trim_start().strip_prefix("use ") {
                names.push((number, what.split(|c: char| !is_word(c)).next().unwrap_or_default().to_owned()));
            }
        }
        names.sort();
        names.dedup();
        names
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn last_word(text: &str) -> &str {
    let at = text.rfind(|c| !is_word(c)).map_or(0, |at| at + text[at..].chars().next().unwrap().len_utf8());
    &text[at..]
}

/// `a::b` gives `a`; `{a::b, c}` gives `a` and `c`.
fn first_of_list(text: &str) -> Vec<String> {
    let word = |text: &str| text.trim().chars().take_while(|c| is_word(*c)).collect::<String>();
    let Some(list) = text.strip_prefix('{') else { return vec![word(text)] };
    let mut depth = 0;
    let mut parts = vec![String::new()];
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().unwrap().push(c);
    }
    parts.iter().map(|part| word(part)).filter(|word| !word.is_empty()).collect()
}

/// Where a raw string's content begins, and what ends it.
fn raw_string(chars: &[char]) -> Option<(usize, String)> {
    let after_b = usize::from(chars.first() == Some(&'b'));
    if chars.get(after_b) != Some(&'r') {
        return None;
    }
    let hashes = chars[after_b + 1..].iter().take_while(|c| **c == '#').count();
    let open = after_b + 1 + hashes;
    (chars.get(open) == Some(&'"')).then(|| (open + 1, format!("\"{}", "#".repeat(hashes))))
}

// The rules -----------------------------------------------------------------------------------------------------------

const CENTRE: [&str; 6] = ["share.rs", "share/", "library.rs", "library/", "account.rs", "account/"];
const DIALECTS: [&str; 4] = ["subsonic", "cloudreve", "mycloud", "webdav"];

/// The centre holds rules on plain data: it knows neither faces nor rows nor their crates.
fn centre_names_nobody(source: &Source) -> Vec<Violation> {
    const FORBIDDEN: [&str; 14] = [
        "http", "store", "dialect", "web", "cli", "work", "outgoing", "axum", "hyper", "reqwest", "rusqlite",
        "postgres", "askama", "tower",
    ];
    if !source.is_under(&CENTRE) {
        return Vec::new();
    }
    let bad = source.names().into_iter().filter(|(_, name)| FORBIDDEN.contains(&name.as_str()));
    bad.map(|(line, name)| source.violation(line, format!("the centre names `{name}`"))).collect()
}

/// One text for both engines, in one place.
fn sql_lies_under_store(source: &Source) -> Vec<Violation> {
    if source.is_under(&["store.rs", "store/"]) {
        return Vec::new();
    }
    const BEGINNINGS: [&str; 7] =
        ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "CREATE TABLE ", "CREATE SCHEMA ", "WITH "];
    let is_sql = |text: &str| BEGINNINGS.iter().any(|start| text.trim_start().starts_with(start));
    let bad = source.strings.iter().filter(|(_, text)| is_sql(text));
    bad.map(|(line, text)| source.violation(*line, format!("SQL outside store: {text:.40}"))).collect()
}

/// Whoever wants another engine changes these files and no other.
fn engines_are_named_by_the_seam_alone(source: &Source) -> Vec<Violation> {
    let seam = ["store.rs", "store/sqlite.rs", "store/postgres.rs", "store/value.rs", "store/migration.rs"];
    if source.is_under(&seam) {
        return Vec::new();
    }
    let is_engine = |name: &str| name == "rusqlite" || name == "postgres" || name == "tokio_postgres";
    let bad = source.names().into_iter().filter(|(_, name)| is_engine(name));
    bad.map(|(line, name)| source.violation(line, format!("names the engine `{name}`"))).collect()
}

/// Addresses come from users: one client, which judges where they lead, asks for all.
fn others_are_asked_by_one_client(source: &Source) -> Vec<Violation> {
    if source.is_under(&["outgoing.rs", "outgoing/"]) {
        return Vec::new();
    }
    let is_way_out = |name: &str| matches!(name, "reqwest" | "rustls" | "ureq" | "hyper_rustls" | "lettre");
    let bad = source.names().into_iter().filter(|(_, name)| is_way_out(name));
    bad.map(|(line, name)| source.violation(line, format!("asks others by `{name}`; only outgoing.rs does"))).collect()
}

/// Dialects do not know each other, nor the pages; the route assembly alone knows them all.
fn dialects_are_strangers(source: &Source) -> Vec<Violation> {
    let own =
        DIALECTS.iter().find(|name| source.is_under(&[&format!("dialect/{name}.rs"), &format!("dialect/{name}/")]));
    let mut bad = Vec::new();
    for (number, line) in source.lines() {
        let says_face = line.contains("::FACE") || line.contains("{FACE") || line.contains("use FACE");
        if says_face && source.path != "http.rs" {
            bad.push(source.violation(number, "only the route assembly names a dialect's FACE"));
        }
        let Some(own) = own else { continue };
        for other in DIALECTS.iter().filter(|name| name != &own) {
            if line.contains(&format!("{other}::")) || line.contains(&format!("dialect::{other}")) {
                bad.push(source.violation(number, format!("{own} names {other}")));
            }
        }
    }
    if own.is_some() {
        let pages = source.names().into_iter().filter(|(_, name)| name == "web" || name == "askama");
        bad.extend(pages.map(|(line, name)| source.violation(line, format!("a dialect names `{name}`"))));
    }
    bad
}

/// What `authorize` decided can be made nowhere else.
fn grants_are_made_in_one_place(source: &Source) -> Vec<Violation> {
    if source.path == "share/grant.rs" {
        return Vec::new();
    }
    let made = |line: &str| ["Grant {", "Admitted {", "Scope {"].iter().any(|text| is_made(line, text));
    let bad = source.lines().filter(|(_, line)| made(line));
    bad.map(|(line, _)| source.violation(line, "makes what only share/grant.rs may make")).collect()
}

/// `text` as an expression: not in a type's own definition, and not the end of a longer name.
fn is_made(line: &str, text: &str) -> bool {
    line.match_indices(text).any(|(at, _)| {
        let before = &line[..at];
        let is_definition = ["struct ", "impl ", "for ", "enum ", "-> "].iter().any(|word| before.ends_with(word));
        !is_definition && !before.ends_with(is_word)
    })
}

/// Bytes leave by one door. The others that touch a disk keep it, scan it, fill it or back it up; none of them answers.
fn files_are_opened_by_few(source: &Source) -> Vec<Violation> {
    const DOOR: [&str; 2] = ["http/deliver.rs", "http/deliver/"];
    const KEEPERS: [&str; 18] = [
        "blob.rs",
        "blob/",
        "work/archives/",
        "work/scan.rs",
        "work/sounds.rs",
        "work/texts.rs",
        "work/roots.rs",
        "work/files.rs",
        "work/files/",
        "work/upload.rs",
        "work/upload/",
        "work/versions.rs",
        "work/libraries.rs",
        "work/podcasts.rs",
        "work/podcasts/",
        "work/tasks/",
        "cli/",
        "store/sqlite.rs",
    ];
    // The settings' file, the master key, the data folder, the program of a page: nothing of a user's.
    const OWN: [&str; 4] = ["config.rs", "account/token.rs", "lib.rs", "web/interface.rs"];
    if source.is_under(&DOOR) || source.is_under(&KEEPERS) || source.is_under(&OWN) {
        return Vec::new();
    }
    const OPENS: [&str; 10] = [
        "Root::open",
        ".open_file(",
        ".open_version(",
        "File::open",
        "File::create",
        "OpenOptions::new",
        "fs::read",
        "fs::write",
        "tokio::fs",
        "read_dir(",
    ];
    let mut bad = Vec::new();
    for (line, code) in source.lines() {
        for text in OPENS.iter().filter(|text| code.contains(**text)) {
            bad.push(
                source.violation(line, format!("opens files (`{text}`); only http/deliver.rs does so for an answer")),
            );
        }
    }
    bad
}

/// Wire structs are twins, built from the domain: a field that is added to a rule's type never leaks by itself.
fn domain_types_have_no_wire_form(source: &Source) -> Vec<Violation> {
    if !source.is_under(&CENTRE) {
        return Vec::new();
    }
    let bad = source
        .lines()
        .filter(|(_, line)| line.contains("derive(") && line.contains("Serialize") && !line.contains("Deserialize)"));
    bad.map(|(line, _)| source.violation(line, "a domain type derives Serialize")).collect()
}

/// `path` is beneath `src/`. A name for each rule, what it says, and a text that breaks it.
type Rule = (fn(&Source) -> Vec<Violation>, &'static str, &'static str);

const RULES: [Rule; 8] = [
    (centre_names_nobody, "share/x.rs", "use crate::{error::Error, store::{Tx, shares}};\n"),
    (sql_lies_under_store, "work/x.rs", "fn f() {\n    tx.run(\"DELETE FROM share\", &[]);\n}\n"),
    (engines_are_named_by_the_seam_alone, "store/shares.rs", "fn f(c: rusqlite::Connection) {}\n"),
    (others_are_asked_by_one_client, "work/x.rs", "use reqwest::Client;\n"),
    (dialects_are_strangers, "dialect/mycloud/x.rs", "use crate::dialect::cloudreve::uri::FileUri;\n"),
    (grants_are_made_in_one_place, "work/x.rs", "fn f() -> Grant {\n    Grant { placed, action }\n}\n"),
    (files_are_opened_by_few, "dialect/subsonic/x.rs", "fn f() {\n    let r = Root::open(&library.root);\n}\n"),
    (domain_types_have_no_wire_form, "share.rs", "#[derive(Debug, Serialize)]\nstruct Share;\n"),
];

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = walkdir::WalkDir::new(&root).sort_by_file_name().into_iter().map(Result::unwrap);
    files
        .filter(|entry| entry.path().extension().is_some_and(|suffix| suffix == "rs"))
        .map(|entry| {
            let path = entry.path().strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            Source::read(&path, &fs::read_to_string(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn the_house_keeps_its_rules() {
    let sources = sources();
    assert!(sources.len() > 50, "only {} files found", sources.len());
    let broken: Vec<String> = sources
        .iter()
        .flat_map(|source| RULES.iter().flat_map(move |(rule, ..)| rule(source)))
        .map(|violation| format!("{}: {}", violation.at, violation.what))
        .collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn each_rule_catches_who_breaks_it() {
    for (rule, path, text) in RULES {
        let found = rule(&Source::read(path, text));
        assert_eq!(found.len(), 1, "{path}: {text}");
        let line = if text.starts_with("fn") && text.lines().count() > 1 { 2 } else { 1 };
        assert_eq!(found[0].at, format!("src/{path}:{line}"));
    }
    let more: [Rule; 7] = [
        (centre_names_nobody, "library/x.rs", "fn f() -> axum::http::StatusCode {}\n"),
        (centre_names_nobody, "account.rs", "use hyper::Request;\n"),
        (sql_lies_under_store, "web/x.rs", "const A: &str = r#\"SELECT \"x\" FROM y\"#;\n"),
        (dialects_are_strangers, "dialect/subsonic/x.rs", "use crate::web::page;\n"),
        (dialects_are_strangers, "work/x.rs", "let f = crate::dialect::subsonic::FACE;\n"),
        (files_are_opened_by_few, "web/x.rs", "let f = std::fs::File::open(p);\n"),
        (grants_are_made_in_one_place, "store/x.rs", "let s = Scope { libraries, user };\n"),
    ];
    for (rule, path, text) in more {
        assert_eq!(rule(&Source::read(path, text)).len(), 1, "{path}: {text}");
    }
}

#[test]
fn comments_strings_and_tests_break_no_rule() {
    let text = "//! crate::store is elsewhere\n/* use axum::body; */\nlet c = '\"'; let s = \"crate::store::x\";\n\
                fn f<'a>(x: &'a str) {}\n#[cfg(test)]\nmod tests {\n    use crate::store::Db;\n}\n";
    assert_eq!(centre_names_nobody(&Source::read("share/x.rs", text)), []);
    assert_eq!(sql_lies_under_store(&Source::read("work/x.rs", "// SELECT 1\nlet a = \"a SELECT of things\";\n")), []);
    assert_eq!(grants_are_made_in_one_place(&Source::read("work/x.rs", "fn f(g: Grant) -> Grant {\n    g\n}\n")), []);
}
