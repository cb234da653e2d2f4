//! SQL of what files say. The one part of SQL where the engines differ: words are found by FTS5 in SQLite, by `tsvector` in
//! PostgreSQL. Both are given the words that `library::text` makes, and nothing to parse.

use std::ops::ControlFlow;

use super::folders::{By, Mark, Order};
use super::library::ITEM_COLUMNS;
use super::{Engine, Tx, Value, bind, bind_all};
use crate::args;
use crate::error::Result;
use crate::library::text::{Query, Term, VERSION, each_word, parts};
use crate::library::{Item, ItemKey, LibraryKey};

/// Files that are looked at by one statement.
const WINDOW: usize = 1000;
const THERE: &str = "missing_ms IS NULL AND trashed_ms IS NULL";

// Reading -------------------------------------------------------------------------------------------------------------

/// A file that was not read yet as it is now.
#[derive(Debug, Clone)]
pub struct Unread {
    pub item: ItemKey,
    pub revision: i64,
    pub shown: String,
    /// As it was before, or by other rules.
    pub was_read: bool,
}

/// The libraries whose files are searched and can be read now, and a number that is another one after each change of theirs.
pub fn libraries(tx: &mut Tx) -> Result<Vec<(LibraryKey, i64)>> {
    let sql = "SELECT id, revision FROM library WHERE kind IN ('folder', 'home') AND online = 1 ORDER BY id";
    tx.all(sql, args![], |row| Ok((LibraryKey(row.get(0)?), row.get(1)?)))
}

/// Those to be read among the next files of a library after `after`, and where to go on; none at the end. What their names
/// say of them is left to the caller. The signs keep SQLite from another index, which has all that is music as well.
pub fn unread(tx: &mut Tx, library: LibraryKey, after: ItemKey) -> Result<Option<(Vec<Unread>, ItemKey)>> {
    let sql = "SELECT i.id, i.revision, i.shown, t.revision, t.version
         FROM (SELECT id, revision, shown FROM item
               WHERE kind = 1 AND media = 0 AND library_id = $1 AND id > $2
                 AND +missing_ms IS NULL AND +trashed_ms IS NULL ORDER BY id LIMIT $3) AS i
         LEFT JOIN text_read t ON t.item_id = i.id ORDER BY i.id";
    let rows = tx.all(sql, args![library.0, after.0, WINDOW], |row| {
        let read: (Option<i64>, Option<i64>) = (row.get(3)?, row.get(4)?);
        let was_read = read.0.is_some();
        let unread = Unread { item: ItemKey(row.get(0)?), revision: row.get(1)?, shown: row.get(2)?, was_read };
        let is_read = read == (Some(unread.revision), Some(VERSION));
        Ok((unread, is_read))
    })?;
    let Some((last, _)) = rows.last() else { return Ok(None) };
    let last = last.item;
    Ok(Some((rows.into_iter().filter(|(_, is_read)| !is_read).map(|(unread, _)| unread).collect(), last)))
}

/// Keeps what a file says, in place of what it said before; an empty text where it says nothing.
pub fn put(tx: &mut Tx, read: &Unread, text: &str) -> Result<()> {
    tx.run("DELETE FROM text_part WHERE item_id = $1", args![read.item.0])?;
    // It may have gone meanwhile.
    let is_there = tx.maybe("SELECT 1 FROM item WHERE id = $1", args![read.item.0], |_| Ok(()))?.is_some();
    if !is_there {
        return Ok(());
    }
    for (number, part) in parts(text).into_iter().enumerate() {
        match tx.engine() {
            Engine::Sqlite => {
                let sql = "INSERT INTO text_part (item_id, number, text) VALUES ($1, $2, $3) RETURNING id";
                let id: i64 = tx.one(sql, args![read.item.0, number, part], |row| row.get(0))?;
                tx.run("INSERT INTO text_words (rowid, words) VALUES ($1, $2)", args![id, spaced(part)])?;
            }
            Engine::Postgres => {
                let sql = "INSERT INTO text_part (item_id, number, text, words)
                           VALUES ($1, $2, $3, CAST(CAST($4 AS TEXT) AS tsvector))";
                tx.run(sql, args![read.item.0, number, part, numbered(part)])?;
            }
        }
    }
    tx.run(
        "INSERT INTO text_read (item_id, revision, version) VALUES ($1, $2, $3)
         ON CONFLICT (item_id) DO UPDATE SET revision = excluded.revision, version = excluded.version",
        args![read.item.0, read.revision, VERSION],
    )?;
    Ok(())
}

/// Forgets what a file said, and that it was read.
pub fn forget(tx: &mut Tx, item: ItemKey) -> Result<()> {
    tx.run("DELETE FROM text_part WHERE item_id = $1", args![item.0])?;
    tx.run("DELETE FROM text_read WHERE item_id = $1", args![item.0])?;
    Ok(())
}

/// Words with spaces between them.
fn spaced(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    each_word(text, |_, word| {
        words.push_str(word);
        words.push(' ');
        ControlFlow::Continue(())
    });
    words
}

/// Words as PostgreSQL writes them, each with its place. No word has a sign that means something there.
fn numbered(text: &str) -> String {
    let (mut words, mut place) = (String::with_capacity(text.len() * 2), 0);
    each_word(text, |_, word| {
        place += 1;
        words.push_str(&format!("'{word}':{place} "));
        ControlFlow::Continue(())
    });
    words
}

/// How many files were read.
pub fn count_read(tx: &mut Tx) -> Result<u64> {
    tx.one("SELECT COUNT(*) FROM text_read", args![], |row| row.get(0))
}

/// Forgets what up to `most` files say; false once there is no more.
pub fn forget_some(tx: &mut Tx, most: usize) -> Result<bool> {
    let items: Vec<i64> =
        tx.all("SELECT item_id FROM text_read ORDER BY item_id LIMIT $1", args![most], |row| row.get(0))?;
    if items.is_empty() {
        // What a damaged index still holds.
        if tx.engine() == Engine::Sqlite {
            tx.run("INSERT INTO text_words (text_words) VALUES ('delete-all')", args![])?;
        }
        return Ok(false);
    }
    for table in ["text_part", "text_read"] {
        let mut args = Vec::new();
        let keys = bind_all(&mut args, items.iter().copied());
        tx.run(&format!("DELETE FROM {table} WHERE item_id IN ({keys})"), &args)?;
    }
    Ok(true)
}

// Searching -----------------------------------------------------------------------------------------------------------

/// Files that a search is content with.
pub const MOST_FOUND: usize = 1000;

/// Up to [`MOST_FOUND`] files of these libraries, from this one on, that say all that is asked for, those changed last first. A
/// folder above one may be in the trash.
pub fn search(tx: &mut Tx, libraries: &[LibraryKey], query: &Query, offset: usize) -> Result<Vec<(Mark, Item)>> {
    let Some((lead, others)) = query.terms().split_first().filter(|_| !libraries.is_empty()) else {
        return Ok(Vec::new());
    };
    let mut args = Vec::new();
    let lead = items_with(tx.engine(), &mut args, lead);
    let others: String =
        others.iter().map(|term| format!(" AND f.item_id IN ({})", items_with(tx.engine(), &mut args, term))).collect();
    let libraries = bind_all(&mut args, libraries.iter().map(|library| library.0));
    let order = Order { by: By::Modified, is_descending: true };
    let sql = format!(
        "SELECT {ITEM_COLUMNS}, modified_ns FROM ({lead}) AS f CROSS JOIN item WHERE id = f.item_id{others}
           AND +library_id IN ({libraries}) AND media = 0 AND {THERE}
         ORDER BY modified_ns DESC, id DESC LIMIT {} OFFSET {}",
        bind(&mut args, MOST_FOUND),
        bind(&mut args, offset)
    );
    tx.all(&sql, &args, |row| order.row(row))
}

/// The files, each once, that say this in one of their parts. SQLite would read the parts themselves, were the index not named.
fn items_with(engine: Engine, args: &mut Vec<Value>, term: &Term) -> String {
    let words = bind(args, asked(engine, term));
    match engine {
        Engine::Sqlite => format!(
            "SELECT DISTINCT p.item_id FROM text_part p INDEXED BY text_part_item
             WHERE p.id IN (SELECT rowid FROM text_words WHERE text_words MATCH {words})"
        ),
        Engine::Postgres => format!(
            "SELECT DISTINCT p.item_id FROM text_part p WHERE p.words @@ CAST(CAST({words} AS TEXT) AS tsquery)"
        ),
    }
}

/// A term as each engine has it written.
fn asked(engine: Engine, term: &Term) -> String {
    match engine {
        Engine::Sqlite => format!("\"{}\"{}", term.words.join(" "), if term.is_open { " *" } else { "" }),
        Engine::Postgres => {
            let words: Vec<String> = term.words.iter().map(|word| format!("'{word}'")).collect();
            format!("{}{}", words.join(" <-> "), if term.is_open { ":*" } else { "" })
        }
    }
}

/// The first part of a file that says this.
pub fn part_with(tx: &mut Tx, item: ItemKey, term: &Term) -> Result<Option<String>> {
    let says = match tx.engine() {
        Engine::Sqlite => "EXISTS (SELECT 1 FROM text_words WHERE text_words MATCH $2 AND rowid = p.id)",
        Engine::Postgres => "p.words @@ CAST(CAST($2 AS TEXT) AS tsquery)",
    };
    let sql = format!("SELECT p.text FROM text_part p WHERE p.item_id = $1 AND {says} ORDER BY p.number LIMIT 1");
    let words = asked(tx.engine(), term);
    tx.maybe(&sql, args![item.0, words], |row| row.get(0))
}

/// What a file begins with.
pub fn first_part(tx: &mut Tx, item: ItemKey) -> Result<Option<String>> {
    let sql = "SELECT text FROM text_part WHERE item_id = $1 AND number = 0";
    tx.maybe(sql, args![item.0], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_written_as_each_engine_reads_them() {
        assert_eq!(spaced("It's 'quoted', \\and\\ \"so\" on; 語"), "it s quoted and so on 語 ");
        assert_eq!(numbered("a'); b a"), "'a':1 'b':2 'a':3 ");
        let term = Term { words: vec!["to".to_owned(), "be".to_owned()], is_open: true };
        assert_eq!(asked(Engine::Sqlite, &term), "\"to be\" *");
        assert_eq!(asked(Engine::Postgres, &term), "'to' <-> 'be':*");
    }
}
