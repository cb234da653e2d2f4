//! SQL of what the installation remembers of itself.

use super::Tx;
use crate::args;
use crate::error::Result;

pub fn get(tx: &mut Tx, name: &str) -> Result<Option<String>> {
    tx.maybe("SELECT value FROM setting WHERE name = $1", args![name], |row| row.get(0))
}

pub fn set(tx: &mut Tx, name: &str, value: &str) -> Result<()> {
    tx.run(
        "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        args![name, value],
    )?;
    Ok(())
}

/// What is stored under the name, which is `value` if nothing was: of many that insert at once, one wins.
pub fn get_or_insert(tx: &mut Tx, name: &str, value: &str) -> Result<String> {
    tx.run("INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", args![name, value])?;
    tx.one("SELECT value FROM setting WHERE name = $1", args![name], |row| row.get(0))
}
