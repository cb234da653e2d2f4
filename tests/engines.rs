//! A fresh, empty database of each engine for one test.
//!
//! PostgreSQL is found through `OPENSHELF_TEST_POSTGRES`, the address of a scratch database. Each test makes a schema of
//! its own there and drops it. Without that variable the PostgreSQL half of a test says loudly that it was skipped; under
//! `CI=true` it fails.

use std::env;
use std::io::{Write, stderr};
use std::path::Path;
use std::thread;

use openshelf::store::{Database, Db};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use postgres::{Client, NoTls};
use tempfile::TempDir;

pub struct Backend {
    database: Database,
    _place: Place,
}

/// What goes away with the backend.
enum Place {
    Folder { _folder: TempDir },
    Schema { _schema: Schema },
}

struct Schema {
    address: String,
    name: String,
}

impl Backend {
    pub fn sqlite() -> Backend {
        let folder = TempDir::new().unwrap();
        let database = Database::Sqlite(folder.path().join("openshelf.db"));
        Backend { database, _place: Place::Folder { _folder: folder } }
    }

    pub fn postgres() -> Option<Backend> {
        let Ok(address) = env::var("OPENSHELF_TEST_POSTGRES") else {
            assert!(env::var("CI").as_deref() != Ok("true"), "OPENSHELF_TEST_POSTGRES is not set");
            // Written straight to the stream: the harness swallows what a passing test prints.
            let _ = writeln!(stderr(), "SKIPPED: no PostgreSQL (set OPENSHELF_TEST_POSTGRES)");
            return None;
        };
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        execute(&address, &format!("CREATE SCHEMA {name}"));
        let database = Database::Postgres(in_schema(&address, &name));
        Some(Backend { database, _place: Place::Schema { _schema: Schema { address, name } } })
    }

    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Another `Db` on the same rows, as a second node would have.
    pub fn open(&self) -> Db {
        Db::open(&self.database).unwrap()
    }

    /// The database file, where there is one.
    pub fn file(&self) -> Option<&Path> {
        match &self.database {
            Database::Sqlite(path) => Some(path),
            Database::Postgres(_) => None,
        }
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        execute(&self.address, &format!("DROP SCHEMA {} CASCADE", self.name));
    }
}

/// `address` as a URL or as `key=value` words, with `schema` as its search path.
fn in_schema(address: &str, schema: &str) -> String {
    let options = format!("-c search_path={schema}");
    if address.contains("://") {
        let separator = if address.contains('?') { '&' } else { '?' };
        format!("{address}{separator}options={}", utf8_percent_encode(&options, NON_ALPHANUMERIC))
    } else {
        format!("{address} options='{options}'")
    }
}

/// On a thread of its own: `postgres` panics on a thread of the async runtime.
fn execute(address: &str, sql: &str) {
    thread::scope(|scope| {
        scope.spawn(|| Client::connect(address, NoTls).unwrap().batch_execute(sql).unwrap()).join().unwrap();
    });
}

/// Makes of each `async fn name(backend: Backend)` a test on SQLite and one on PostgreSQL: `name::sqlite`, `name::postgres`.
#[macro_export]
macro_rules! both_engines {
    ($($(#[$attribute:meta])* async fn $name:ident($backend:ident: Backend) $body:block)+) => {
        $($(#[$attribute])* mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn test($backend: $crate::engines::Backend) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                test($crate::engines::Backend::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(backend) = $crate::engines::Backend::postgres() {
                    test(backend).await;
                }
            }
        })+
    };
}
