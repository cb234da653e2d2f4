//! Brings the schema up to date: numbered texts, each run once, in order, in a transaction of its own.
//!
//! One text serves both engines. `{key}` stands for an integer primary key that counts up and never reuses a number,
//! `{bytes}` for a byte string, `{clustered}` for a table that lies in its primary key where the engine can have it so.

use sha2::{Digest, Sha256};

use super::{Access, Connection, Engine, Tx};
use crate::args;
use crate::error::Error;

struct Migration {
    number: i64,
    text: &'static str,
    /// What one engine needs beyond the common text, or nothing.
    sqlite: &'static str,
    postgres: &'static str,
    /// What no text can say: it runs after them, in their transaction.
    fill: Option<Fill>,
}

type Fill = fn(&mut Tx) -> Result<(), Error>;

impl Migration {
    const fn of(number: i64, text: &'static str) -> Migration {
        Migration { number, text, sqlite: "", postgres: "", fill: None }
    }
}

/// In order. A text that was released never changes; the next step is a new file.
const MIGRATIONS: &[Migration] = &[
    Migration::of(1, include_str!("../../migrations/001_start.sql")),
    Migration::of(2, include_str!("../../migrations/002_checksums.sql")),
    Migration::of(3, include_str!("../../migrations/003_rates.sql")),
    Migration::of(4, include_str!("../../migrations/004_drop.sql")),
    Migration::of(6, include_str!("../../migrations/006_lookups_and_leases.sql")),
    Migration::of(7, include_str!("../../migrations/007_state.sql")),
    Migration::of(8, include_str!("../../migrations/008_podcasts.sql")),
    Migration::of(9, include_str!("../../migrations/009_services.sql")),
    Migration::of(10, include_str!("../../migrations/010_films.sql")),
    Migration::of(13, include_str!("../../migrations/013_sounds.sql")),
    Migration::of(14, include_str!("../../migrations/014_more_tags.sql")),
    Migration {
        sqlite: include_str!("../../migrations/015_million.sqlite.sql"),
        postgres: include_str!("../../migrations/015_million.postgres.sql"),
        fill: Some(super::scan::sum_up),
        ..Migration::of(15, include_str!("../../migrations/015_million.sql"))
    },
    Migration { sqlite: include_str!("../../migrations/022_clustered.sqlite.sql"), ..Migration::of(22, "") },
    Migration { sqlite: include_str!("../../migrations/023_track_key.sqlite.sql"), ..Migration::of(23, "") },
    Migration::of(19, include_str!("../../migrations/019_dav.sql")),
    Migration::of(18, include_str!("../../migrations/018_tasks.sql")),
    Migration::of(20, include_str!("../../migrations/020_points.sql")),
    Migration::of(21, include_str!("../../migrations/021_changes_and_groups.sql")),
    Migration::of(16, include_str!("../../migrations/016_session.sql")),
    Migration::of(17, include_str!("../../migrations/017_files.sql")),
    Migration::of(24, include_str!("../../migrations/024_grants.sql")),
    Migration {
        sqlite: include_str!("../../migrations/025_credits.sqlite.sql"),
        postgres: include_str!("../../migrations/025_credits.postgres.sql"),
        fill: Some(super::credits::fill),
        ..Migration::of(25, "")
    },
    Migration::of(27, include_str!("../../migrations/027_openid.sql")),
    Migration {
        sqlite: include_str!("../../migrations/028_texts.sqlite.sql"),
        postgres: include_str!("../../migrations/028_texts.postgres.sql"),
        ..Migration::of(28, include_str!("../../migrations/028_texts.sql"))
    },
    Migration::of(29, include_str!("../../migrations/029_policies.sql")),
    Migration::of(30, include_str!("../../migrations/030_uploads.sql")),
];

pub(super) fn apply(connection: &mut Connection) -> Result<(), Error> {
    while step(connection).inspect_err(|_| connection.rollback())? {}
    Ok(())
}

/// Runs the first migration that has not run yet; false when there is none. Another node may have got there first, so
/// each step looks anew under the lock.
fn step(connection: &mut Connection) -> Result<bool, Error> {
    connection.begin(Access::Migrate)?;
    let engine = connection.engine();
    connection.script("CREATE TABLE IF NOT EXISTS migration (number BIGINT PRIMARY KEY, hash TEXT NOT NULL)")?;
    let mut tx = Tx::new(connection);
    let applied = tx.all("SELECT number, hash FROM migration ORDER BY number", args![], |row| {
        Ok((row.get::<i64>(0)?, row.get::<String>(1)?))
    })?;
    for (number, hash) in &applied {
        let Some(known) = MIGRATIONS.iter().find(|known| known.number == *number) else {
            return refuse(&format!("its schema has step {number}, which this older program does not know"));
        };
        if *hash != known.hash(engine) {
            return refuse(&format!("step {number} of its schema is not the one that this program knows"));
        }
    }
    let Some(next) = MIGRATIONS.iter().find(|known| applied.iter().all(|(number, _)| *number != known.number)) else {
        connection.rollback();
        return Ok(false);
    };
    connection.script(&for_engine(&next.full_text(engine), engine))?;
    let mut tx = Tx::new(connection);
    if let Some(fill) = next.fill {
        fill(&mut tx)?;
    }
    tx.run("INSERT INTO migration (number, hash) VALUES ($1, $2)", args![next.number, next.hash(engine)])?;
    connection.commit()?;
    Ok(true)
}

impl Migration {
    fn full_text(&self, engine: Engine) -> String {
        let twin = match engine {
            Engine::Sqlite => self.sqlite,
            Engine::Postgres => self.postgres,
        };
        format!("{}\n{twin}", self.text)
    }

    fn hash(&self, engine: Engine) -> String {
        crate::hex(Sha256::digest(self.full_text(engine)))
    }
}

fn for_engine(text: &str, engine: Engine) -> String {
    let (key, bytes, clustered) = match engine {
        Engine::Sqlite => ("INTEGER PRIMARY KEY AUTOINCREMENT", "BLOB", " WITHOUT ROWID"),
        Engine::Postgres => ("BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY", "BYTEA", ""),
    };
    text.replace("{key}", key).replace("{bytes}", bytes).replace("{clustered}", clustered)
}

fn refuse<T>(why: &str) -> Result<T, Error> {
    Err(Error::internal("this database is not for this version of Openshelf", why))
}
