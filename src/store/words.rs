//! SQL of the words that music is searched by: for each artist, album and track in a library the beginnings of the words in
//! its name. One mechanism on both engines: what begins with a word lies side by side in the order of bytes.

use super::inserts::Inserts;
use super::{Tx, Value, bind};
use crate::args;
use crate::error::Result;
use crate::library::names::beginnings;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Artist = 0,
    Album = 1,
    Track = 2,
}

/// Has a thing found by one text instead of another, both folded; empty is none.
pub(super) fn change(tx: &mut Tx, library: i64, kind: Kind, key: i64, before: &str, after: &str) -> Result<()> {
    let (before, after) = (beginnings(before), beginnings(after));
    for word in before.difference(&after) {
        tx.run(
            "DELETE FROM word WHERE library_id = $1 AND kind = $2 AND word = $3 AND object_id = $4",
            args![library, kind as i64, word.as_bytes(), key],
        )?;
    }
    let mut args = args![library, kind as i64, key].to_vec();
    let new = after.difference(&before).map(|word| format!("($1, $2, {}, $3)", bind(&mut args, word.as_bytes())));
    let new: Vec<String> = new.collect();
    if !new.is_empty() {
        tx.run(&format!("{INTO} VALUES {} {ONCE}", new.join(", ")), &args)?;
    }
    Ok(())
}

const INTO: &str = "INSERT INTO word (library_id, kind, word, object_id)";
const ONCE: &str = "ON CONFLICT DO NOTHING";

/// Words of many things that are new.
pub(super) fn inserts() -> Inserts<4> {
    Inserts::new(INTO, ONCE)
}

/// Has a new thing found by a text, which is folded, once they are flushed.
pub(super) fn add(inserts: &mut Inserts<4>, library: i64, kind: Kind, key: i64, text: &str) {
    for word in beginnings(text) {
        inserts.add([Value::from(library), Value::from(kind as i64), Value::from(word.as_bytes()), Value::from(key)]);
    }
}
