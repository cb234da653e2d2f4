//! SQLite: a write-ahead log, one writing connection, several read-only ones.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags, Statement, ToSql, ffi};

use super::{Access, Cell, Next, Row, Source, Value};
use crate::error::Error;

const CACHED_STATEMENTS: usize = 256;
/// How long a writer waits for another process, such as a backup, before it is `Error::Busy`.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct Session {
    path: PathBuf,
    access: Access,
    connection: Option<Connection>,
}

impl Session {
    pub(super) fn new(path: PathBuf, access: Access) -> Session {
        Session { path, access, connection: None }
    }

    pub(super) fn begin(&mut self, access: Access) -> Result<(), Error> {
        if self.connection.is_none() {
            self.connection = Some(self.open()?);
        }
        // What a statement would have to take back is kept in memory, not in a file that is written for nothing; but an index
        // that a migration makes is sorted in files.
        self.script(match access {
            Access::Read => "BEGIN",
            Access::Migrate => "PRAGMA synchronous = FULL; BEGIN IMMEDIATE",
            Access::Write => "PRAGMA temp_store = MEMORY; PRAGMA synchronous = FULL; BEGIN IMMEDIATE",
            Access::WriteRepeatable => "PRAGMA temp_store = MEMORY; PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE",
        })
    }

    /// Of the database as this connection sees it now; none if it cannot be told.
    pub(super) fn version(&mut self) -> Option<i64> {
        if self.connection.is_none() {
            self.connection = Some(self.open().ok()?);
        }
        let connection = self.connection.as_ref()?;
        connection.prepare_cached("PRAGMA data_version").ok()?.query_row([], |row| row.get(0)).ok()
    }

    pub(super) fn script(&mut self, sql: &str) -> Result<(), Error> {
        self.connection()?.execute_batch(sql).map_err(error)
    }

    pub(super) fn rollback(&mut self) {
        if let Some(connection) = &self.connection
            && !connection.is_autocommit()
            && let Err(cause) = connection.execute_batch("ROLLBACK")
        {
            tracing::warn!(%cause, "closing a database connection that could not roll back");
            self.connection = None;
        }
    }

    pub(super) fn run(&mut self, sql: &str, args: &[Value]) -> Result<u64, Error> {
        let mut statement = self.prepare(sql)?;
        bind(&mut statement, args)?;
        Ok(statement.raw_execute().map_err(error)? as u64)
    }

    pub(super) fn query(
        &mut self,
        sql: &str,
        args: &[Value],
        each: &mut dyn FnMut(&Row) -> Result<Next, Error>,
    ) -> Result<(), Error> {
        let mut statement = self.prepare(sql)?;
        bind(&mut statement, args)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(error)? {
            if let Next::Stop = each(&Row { source: Source::Sqlite(row) })? {
                break;
            }
        }
        Ok(())
    }

    /// To SQLite `$2` is a name, which it numbers by first appearance; `?2` is the second argument.
    fn prepare(&self, sql: &str) -> Result<CachedStatement<'_>, Error> {
        self.connection()?.prepare_cached(&sql.replace('$', "?")).map_err(error)
    }

    fn connection(&self) -> Result<&Connection, Error> {
        self.connection.as_ref().ok_or_else(|| Error::Internal("database: not open".to_owned()))
    }

    fn open(&self) -> Result<Connection, Error> {
        let failed = |cause: &dyn std::fmt::Display| {
            Error::internal(&format!("cannot open the database {}", self.path.display()), cause)
        };
        let flags = match self.access {
            Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Access::Write | Access::WriteRepeatable | Access::Migrate => {
                // It holds secrets. SQLite gives its log the same mode. A file that is there is not opened: closing it
                // would end the locks that this process has on it.
                match OpenOptions::new().create_new(true).write(true).mode(0o600).open(&self.path) {
                    Ok(_) => {}
                    Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => {}
                    Err(cause) => return Err(failed(&cause)),
                }
                OpenFlags::SQLITE_OPEN_READ_WRITE
            }
        };
        // An absolute path is only a path; SQLite gives some relative ones, such as ":memory:", a meaning.
        let path = self.path.canonicalize().map_err(|cause| failed(&cause))?;
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .and_then(|connection| connection.busy_timeout(BUSY_TIMEOUT).map(|()| connection))
            .map_err(|cause| failed(&cause))?;
        connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
        // Else each new value of an argument that the planner looked at has the statement prepared anew.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(|cause| failed(&cause))?;
        if self.access != Access::Read {
            keep_log(&connection).map_err(|cause| failed(&cause))?;
        }
        connection.execute_batch("PRAGMA foreign_keys = ON").map_err(|cause| failed(&cause))?;
        // Room for the inner pages of the trees of a million tracks; half as much has them read again for each row. To SQLite
        // it is a statement that reads the schema, and may find the database busy as any other.
        connection.execute_batch("PRAGMA cache_size = -12000").map_err(error)?;
        // Pages of the log until it is written back, for which the writer waits for the disk twice: a scan changes the same
        // pages again and again.
        connection.execute_batch("PRAGMA wal_autocheckpoint = 4000").map_err(error)?;
        Ok(connection)
    }
}

/// Readers and the writer do not wait for each other only with a write-ahead log.
fn keep_log(connection: &Connection) -> Result<(), Error> {
    let until = Instant::now() + BUSY_TIMEOUT;
    let mode: String = loop {
        match connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(error) {
            // Two that begin a log at once refuse each other without waiting, whatever their time-out.
            Err(Error::Busy) if Instant::now() < until => std::thread::sleep(Duration::from_millis(10)),
            answered => break answered?,
        }
    };
    if mode != "wal" {
        return Err(Error::Internal(format!(
            "it cannot keep a write-ahead log here (journal mode {mode}); put it on a local disk"
        )));
    }
    Ok(())
}

fn bind(statement: &mut Statement, args: &[Value]) -> Result<(), Error> {
    let wanted = args.get(..statement.parameter_count());
    let wanted =
        wanted.ok_or_else(|| Error::Internal("database: a statement wants an argument that is not there".into()))?;
    for (index, arg) in wanted.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, arg).map_err(error)?;
    }
    Ok(())
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Int(value) => ValueRef::Integer(*value),
            Value::Real(value) => ValueRef::Real(*value),
            Value::Text(value) => ValueRef::Text(value.as_bytes()),
            Value::Bytes(value) => ValueRef::Blob(value),
        }))
    }
}

pub(super) fn cell<'a>(row: &'a rusqlite::Row<'_>, column: usize) -> Result<Cell<'a>, Error> {
    Ok(match row.get_ref(column).map_err(error)? {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(value) => Cell::Int(value),
        ValueRef::Real(value) => Cell::Real(value),
        ValueRef::Text(value) => {
            Cell::Text(std::str::from_utf8(value).map_err(|cause| Error::internal("database", cause))?)
        }
        ValueRef::Blob(value) => Cell::Bytes(value),
    })
}

fn error(cause: rusqlite::Error) -> Error {
    if let rusqlite::Error::SqliteFailure(failure, message) = &cause {
        match (failure.code, failure.extended_code) {
            (_, ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => {
                // "UNIQUE constraint failed: a.x, a.y" or, for an index on expressions, "…: index 'name'".
                let clash =
                    message.as_deref().and_then(|message| message.split_once(": ")).map_or("", |(_, clash)| clash);
                let index = clash.strip_prefix("index '").and_then(|name| name.strip_suffix('\''));
                return Error::Exists(index.unwrap_or(clash).to_owned());
            }
            (ErrorCode::DiskFull, _) => return Error::NoSpace,
            (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => return Error::Busy,
            _ => {}
        }
    }
    Error::internal("database", cause)
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, OpenFlags};

    use super::keep_log;

    #[test]
    fn file_system_without_shared_memory_is_refused() {
        let folder = tempfile::TempDir::new().unwrap();
        // Locks by files, as for network file systems, which leaves no room for the log's shared memory.
        let connection =
            Connection::open_with_flags_and_vfs(folder.path().join("db"), OpenFlags::default(), c"unix-dotfile")
                .unwrap();
        let refusal = keep_log(&connection).unwrap_err().to_string();
        assert!(refusal.contains("local disk"), "{refusal}");
    }
}
