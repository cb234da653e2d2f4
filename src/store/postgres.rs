//! PostgreSQL: a few connections, opened when first needed and again when lost.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::time::Duration;

use ::postgres::error::{DbError, SqlState};

use ::postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use ::postgres::{Client, Config, NoTls, Statement};
use bytes::BytesMut;

use super::{Access, Cell, Next, Row, Source, Value};
use crate::error::Error;

const CACHED_STATEMENTS: usize = 256;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A server that vanished without a word is noticed after about a minute, not after the kernel's two hours.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);
const PROBE_INTERVAL: Duration = Duration::from_secs(10);

/// A node that hangs in the middle of a transaction holds up the others for a minute at most. An acknowledged write is on
/// disk, so a server told to be lax is corrected, a stricter one left alone.
const SESSION: &str = "SET client_min_messages = warning;
    SET lock_timeout = '10s';
    SET idle_in_transaction_session_timeout = '60s';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// READ COMMITTED, so that every statement after the lock sees what the previous holder wrote. The numbers name this
/// program; the schema tells installations in one database apart.
const BEGIN_WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
    SELECT pg_advisory_xact_lock(1869639027, hashtext(current_schema()))";
const BEGIN_WRITE_REPEATABLE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
    SET LOCAL synchronous_commit = off;
    SELECT pg_advisory_xact_lock(1869639027, hashtext(current_schema()))";
const BEGIN_MIGRATE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
    SET LOCAL lock_timeout = 0;
    SELECT pg_advisory_xact_lock(1869639027, hashtext(current_schema()))";

pub(super) struct Session {
    config: Config,
    client: Option<Client>,
    statements: HashMap<String, Statement>,
}

impl Session {
    pub(super) fn new(address: &str) -> Result<Session, Error> {
        let mut config: Config =
            address.parse().map_err(|cause: ::postgres::Error| Error::invalid("database", with_source(&cause)))?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE_TIMEOUT);
        }
        if config.get_application_name().is_none() {
            config.application_name("openshelf");
        }
        config.keepalives_idle(SILENCE_TIMEOUT).keepalives_interval(PROBE_INTERVAL);
        Ok(Session { config, client: None, statements: HashMap::new() })
    }

    /// Nothing has been done yet, so a lost connection is replaced without anybody hearing of it.
    pub(super) fn begin(&mut self, access: Access) -> Result<(), Error> {
        let sql = match access {
            Access::Read => BEGIN_READ,
            Access::Write => BEGIN_WRITE,
            Access::WriteRepeatable => BEGIN_WRITE_REPEATABLE,
            Access::Migrate => BEGIN_MIGRATE,
        };
        if let Some(client) = &mut self.client {
            match client.batch_execute(sql) {
                Err(cause) if client.is_closed() || is_lost(&cause) => self.close(),
                outcome => return outcome.map_err(error),
            }
        }
        let mut client = self.config.connect(NoTls).map_err(|cause| {
            tracing::warn!(cause = with_source(&cause), "cannot connect to PostgreSQL");
            match access {
                Access::Migrate => Error::internal("cannot connect to PostgreSQL", with_source(&cause)),
                Access::Read | Access::Write | Access::WriteRepeatable => Error::Busy,
            }
        })?;
        client.batch_execute(SESSION).map_err(error)?;
        client.batch_execute(sql).map_err(error)?;
        self.client = Some(client);
        Ok(())
    }

    pub(super) fn script(&mut self, sql: &str) -> Result<(), Error> {
        self.client()?.batch_execute(sql).map_err(error)
    }

    pub(super) fn rollback(&mut self) {
        if let Some(client) = &mut self.client
            && client.batch_execute("ROLLBACK").is_err()
        {
            self.close();
        }
    }

    pub(super) fn run(&mut self, sql: &str, args: &[Value]) -> Result<u64, Error> {
        let statement = self.prepare(sql)?;
        self.client()?.execute(&statement, &parameters(args)).map_err(error)
    }

    pub(super) fn query(
        &mut self,
        sql: &str,
        args: &[Value],
        each: &mut dyn FnMut(&Row) -> Result<Next, Error>,
    ) -> Result<(), Error> {
        let statement = self.prepare(sql)?;
        for row in self.client()?.query(&statement, &parameters(args)).map_err(error)? {
            if let Next::Stop = each(&Row { source: Source::Postgres(&row) })? {
                break;
            }
        }
        Ok(())
    }

    fn prepare(&mut self, sql: &str) -> Result<Statement, Error> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client()?.prepare(sql).map_err(error)?;
        if self.statements.len() >= CACHED_STATEMENTS {
            self.statements.clear();
        }
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    fn client(&mut self) -> Result<&mut Client, Error> {
        self.client.as_mut().ok_or(Error::Busy)
    }

    fn close(&mut self) {
        self.statements.clear();
        self.client = None;
    }
}

fn parameters(args: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    args.iter().map(|arg| arg as &(dyn ToSql + Sync)).collect()
}

/// The server infers a parameter's type from its place in the statement; the value is written as that type.
impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match (self, ty) {
            (Value::Null, _) => Ok(IsNull::Yes),
            (Value::Int(value), &Type::INT8) => value.to_sql(ty, out),
            (Value::Int(value), &Type::INT4) => i32::try_from(*value)?.to_sql(ty, out),
            (Value::Int(value), &Type::INT2) => i16::try_from(*value)?.to_sql(ty, out),
            (Value::Int(value), &Type::FLOAT8) => (*value as f64).to_sql(ty, out),
            (Value::Real(value), &Type::FLOAT8) => value.to_sql(ty, out),
            (Value::Text(value), _) if <&str as ToSql>::accepts(ty) => value.as_str().to_sql(ty, out),
            (Value::Bytes(value), &Type::BYTEA) => value.as_slice().to_sql(ty, out),
            (Value::Int(_), _) => Err(format!("an integer where {ty} belongs").into()),
            (Value::Real(_), _) => Err(format!("a floating-point number where {ty} belongs").into()),
            (Value::Text(_), _) => Err(format!("text where {ty} belongs").into()),
            (Value::Bytes(_), _) => Err(format!("bytes where {ty} belongs").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Cell<'a> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Cell<'a>, Box<dyn StdError + Sync + Send>> {
        Ok(match *ty {
            Type::INT8 => Cell::Int(i64::from_sql(ty, raw)?),
            Type::INT4 => Cell::Int(i32::from_sql(ty, raw)?.into()),
            Type::INT2 => Cell::Int(i16::from_sql(ty, raw)?.into()),
            Type::BOOL => Cell::Int(bool::from_sql(ty, raw)?.into()),
            Type::FLOAT8 => Cell::Real(f64::from_sql(ty, raw)?),
            Type::FLOAT4 => Cell::Real(f32::from_sql(ty, raw)?.into()),
            Type::BYTEA => Cell::Bytes(raw),
            _ => Cell::Text(<&str>::from_sql(ty, raw)?),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Cell<'a>, Box<dyn StdError + Sync + Send>> {
        Ok(Cell::Null)
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT8 | Type::INT4 | Type::INT2 | Type::BOOL | Type::FLOAT8 | Type::FLOAT4 | Type::BYTEA)
            || <&str as FromSql>::accepts(ty)
    }
}

pub(super) fn cell(row: &::postgres::Row, column: usize) -> Result<Cell<'_>, Error> {
    row.try_get(column).map_err(error)
}

fn error(cause: ::postgres::Error) -> Error {
    if is_lost(&cause) {
        tracing::warn!(cause = with_source(&cause), "lost PostgreSQL");
        return Error::Busy;
    }
    match cause.as_db_error() {
        Some(said) if *said.code() == SqlState::UNIQUE_VIOLATION => Error::Exists(clash(said)),
        Some(said) if *said.code() == SqlState::DISK_FULL => Error::NoSpace,
        Some(said) if is_passing(said.code()) => Error::Busy,
        // The message alone: the details quote values.
        Some(said) => Error::internal("database", said.message()),
        None => Error::internal("database", with_source(&cause)),
    }
}

fn is_lost(cause: &::postgres::Error) -> bool {
    match cause.code() {
        Some(code) => {
            code.code().starts_with("08")
                || [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW].contains(code)
                || [SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT].contains(code)
        }
        None => cause.is_closed() || cause.source().is_some_and(|source| source.is::<std::io::Error>()),
    }
}

fn is_passing(code: &SqlState) -> bool {
    [
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::TOO_MANY_CONNECTIONS,
    ]
    .contains(code)
}

/// Names the clash as SQLite does: `table.column, table.column`, or the index where it is one on expressions.
fn clash(said: &DbError) -> String {
    let plain = |column: &str| column.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    // "Key (owner, slug)=(…) already exists."
    let columns = said.detail().and_then(|detail| Some(detail.split_once('(')?.1.split_once(")=(")?.0));
    match (said.table(), columns) {
        (Some(table), Some(columns)) if columns.split(", ").all(plain) => {
            columns.split(", ").map(|column| format!("{table}.{column}")).collect::<Vec<_>>().join(", ")
        }
        _ => said.constraint().unwrap_or_default().to_owned(),
    }
}

/// This crate's errors name their kind; what happened is one level down.
fn with_source(cause: &::postgres::Error) -> String {
    match (cause.as_db_error(), cause.source()) {
        (Some(said), _) => said.message().to_owned(),
        (None, Some(source)) => format!("{cause}: {source}"),
        (None, None) => cause.to_string(),
    }
}
