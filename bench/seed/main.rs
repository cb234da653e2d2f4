//! `seed DATABASE TRACKS`: fills an SQLite database that `openshelf serve` made with a library of so many tracks, and has its
//! first user mark some.

mod rows;

use std::path::PathBuf;

use anyhow::{Context, Result};
use openshelf::account::UserKey;
use openshelf::store::{Database, Db};

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let database = PathBuf::from(arguments.next().context("which database?")?);
    let tracks: usize = arguments.next().and_then(|text| text.to_str()?.parse().ok()).context("how many tracks?")?;
    let root = database.with_file_name("nowhere");
    let db = Db::open(&Database::Sqlite(database))?;
    let user = db.read_blocking(|tx| tx.one("SELECT MIN(id) FROM account", &[], |row| Ok(UserKey(row.get(0)?))))?;
    rows::fill(&db, "Seeded", &root, tracks, |done| {
        if done % 50_000 == 0 {
            eprintln!("{done} tracks");
        }
    })?;
    rows::mark(&db, user, tracks)?;
    db.close();
    Ok(())
}
