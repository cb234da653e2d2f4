//! The seam to rows: one database, SQLite or PostgreSQL, behind `read` and `write`.
//!
//! Both engines block, and `postgres` panics on a thread of the async runtime, so threads of our own hold the
//! connections. `read` and `write` send a closure there and wait for its answer: one hop for a request's whole reading,
//! one transaction for its whole writing.
//!
//! A process has one writer thread. It takes all the writes that wait, runs each under a savepoint of one transaction,
//! commits once and only then answers: an acknowledged write is on disk, and many writers share one sync. PostgreSQL
//! takes an advisory lock per transaction, so that the nodes of an installation write one after the other, just as
//! SQLite's writers do: a closure that reads and then writes needs no further locking on either engine.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use crate::error::Error;

pub mod accounts;
pub mod backup;
pub mod changes;
pub mod chat;
pub mod checksums;
pub mod contents;
mod credits;
pub mod dav_accounts;
mod draw;
pub mod drop_boxes;
pub mod files;
pub mod folders;
pub mod groups;
mod inserts;
pub mod library;
pub mod links;
mod list;
pub mod locks;
pub mod marks;
pub mod metadata;
pub mod metrics;
mod migration;
pub mod music;
pub mod notes;
pub mod oauth;
pub mod openid;
pub mod passkeys;
pub mod playback;
pub mod playlists;
pub mod podcasts;
pub mod points;
pub mod policies;
mod postgres;
pub mod preferences;
pub mod properties;
pub mod purchases;
pub mod radio;
mod recall;
pub mod reports;
pub mod rights;
pub mod scan;
pub mod scrobbles;
pub mod search;
pub mod second_factors;
pub mod settings;
pub mod shares;
pub mod site;
pub mod slips;
pub mod sounds;
mod sqlite;
pub mod tasks;
pub mod texts;
pub mod upload_names;
pub mod uploads;
mod value;
pub mod versions;
pub mod views;
mod words;

pub use crate::args;
pub use changes::Asker;
pub use recall::Weighed;
pub use value::{Cell, FromValue, Value};

/// Units of work that may wait in each of the two queues; one more is answered `Error::Busy`.
pub const QUEUE_LENGTH: usize = 1024;
/// Writes that share one commit at most.
const BATCH_LENGTH: usize = 64;
const POSTGRES_READERS: usize = 4;

/// Where the rows live.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// The file, made when absent; its folder must be there, on a local disk.
    Sqlite(PathBuf),
    /// `postgres://user:password@host:port/name?options` (a socket's folder percent-encoded as host) or
    /// `host=/folder user=… dbname=…`.
    Postgres(String),
}

/// Leaves the address of PostgreSQL out, which may hold a password.
impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Database::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Database::Postgres(_) => f.write_str("Postgres(…)"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// An open database; clones share its threads. The threads finish what is queued and end when the last clone is dropped.
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    recall: recall::Recall,
    queues: RwLock<Option<Queues>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Queues {
    reads: SyncSender<Box<dyn Job>>,
    writes: SyncSender<Box<dyn Job>>,
}

impl Db {
    /// Opens the database and brings its schema up to date. Blocks until then.
    ///
    /// Fails when the database cannot be reached, cannot keep a write-ahead log (SQLite), or holds a schema that this
    /// program does not know.
    pub fn open(database: &Database) -> Result<Db, Error> {
        let mut writer = Connection::new(database, Access::Write)?;
        let engine = writer.engine();
        let readers = match engine {
            Engine::Sqlite => thread::available_parallelism().map_or(2, usize::from).clamp(2, 4),
            Engine::Postgres => POSTGRES_READERS,
        };
        let (writes, write_queue) = sync_channel(QUEUE_LENGTH);
        let (opened, outcome) = sync_channel(1);
        let mut threads = vec![spawn("db-writer", move || {
            let schema = migration::apply(&mut writer);
            let usable = schema.is_ok();
            if opened.send(schema).is_ok() && usable {
                write_all(writer, write_queue);
            }
        })?];
        outcome.recv().unwrap_or_else(|_| Err(ended()))?;

        let (reads, read_queue) = sync_channel(QUEUE_LENGTH);
        let read_queue = Arc::new(Mutex::new(read_queue));
        let waypoints = Arc::new(list::Waypoints::default());
        for _ in 0..readers {
            let connection = Connection::new(database, Access::Read)?;
            let (queue, waypoints) = (Arc::clone(&read_queue), Arc::clone(&waypoints));
            threads.push(spawn("db-reader", move || read_all(connection, &queue, &waypoints))?);
        }
        let watch = match engine {
            Engine::Sqlite => Some(Connection::new(database, Access::Read)?),
            Engine::Postgres => None,
        };
        let queues = RwLock::new(Some(Queues { reads, writes }));
        let recall = recall::Recall::new(watch);
        Ok(Db { inner: Arc::new(Inner { engine, recall, queues, threads: Mutex::new(threads) }) })
    }

    pub fn engine(&self) -> Engine {
        self.inner.engine
    }

    /// Runs `work` on one snapshot of the database, where it cannot write.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.submit(Access::Read, work)?.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Runs `work` in a transaction and answers when that is on disk. An error or a panic of `work` undoes it alone. A
    /// caller who no longer waits does not stop it once it is queued.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.submit(Access::Write, work)?.await.unwrap_or_else(|_| Err(ended()))
    }

    /// `write` for what its caller would find to do again: it is kept as soon as something else is written, or within
    /// seconds. Until then a machine that loses its power may undo it, in the order in which it was written.
    pub async fn write_repeatable<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.submit(Access::WriteRepeatable, work)?.await.unwrap_or_else(|_| Err(ended()))
    }

    /// `read` for plain threads; panics within the async runtime.
    pub fn read_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.submit(Access::Read, work)?.blocking_recv().unwrap_or_else(|_| Err(ended()))
    }

    /// `write` for plain threads; panics within the async runtime.
    pub fn write_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.submit(Access::Write, work)?.blocking_recv().unwrap_or_else(|_| Err(ended()))
    }

    /// Refuses new work with `Error::Busy`, blocks until all queued work is answered and the connections are closed. Not
    /// to be called from inside a `read` or `write`.
    pub fn close(&self) {
        self.inner.queues.write().unwrap_or_else(PoisonError::into_inner).take();
        self.inner.recall.close();
        for thread in lock(&self.inner.threads).drain(..) {
            if thread.join().is_err() {
                tracing::error!("a database thread panicked");
            }
        }
    }

    /// `write_repeatable` for plain threads; panics within the async runtime.
    pub fn write_repeatable_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.submit(Access::WriteRepeatable, work)?.blocking_recv().unwrap_or_else(|_| Err(ended()))
    }

    fn submit<T: Send + 'static>(
        &self,
        access: Access,
        work: impl FnOnce(&mut Tx) -> Result<T, Error> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, Error>>, Error> {
        let (caller, answer) = oneshot::channel();
        let asked_by = Asker::current();
        let job = Box::new(Unit { access, work: Some(work), outcome: None, caller, asked_by });
        let queues = self.inner.queues.read().unwrap_or_else(PoisonError::into_inner);
        let queue = match (queues.as_ref(), access) {
            (None, _) => return Err(Error::Busy),
            (Some(queues), Access::Read) => &queues.reads,
            (Some(queues), Access::Write | Access::WriteRepeatable | Access::Migrate) => &queues.writes,
        };
        match queue.try_send(job) {
            Ok(()) => Ok(answer),
            Err(TrySendError::Full(_)) => Err(Error::Busy),
            Err(TrySendError::Disconnected(_)) => Err(ended()),
        }
    }
}

/// One transaction. After a statement failed, every further one answers the same error and the transaction is undone, even
/// when the closure goes on: PostgreSQL demands that, and both engines shall behave alike. Where a clash is expected, say
/// `ON CONFLICT` or look first.
pub struct Tx<'a> {
    connection: &'a mut Connection,
    failed: Option<Error>,
    /// Not in a transaction that writes: what it reads may be undone.
    waypoints: Option<&'a list::Waypoints>,
    asked_by: Arc<Asker>,
}

impl<'a> Tx<'a> {
    /// On nobody's behalf.
    fn new(connection: &'a mut Connection) -> Tx<'a> {
        Tx { connection, failed: None, waypoints: None, asked_by: Arc::default() }
    }

    fn asked_by(&self) -> Arc<Asker> {
        Arc::clone(&self.asked_by)
    }

    pub fn engine(&self) -> Engine {
        self.connection.engine()
    }

    /// Rows changed. A statement with `RETURNING` belongs to `all`, `maybe` or `one`.
    pub fn run(&mut self, sql: &str, args: &[Value]) -> Result<u64, Error> {
        self.admit(args)?;
        let changed = match self.connection {
            Connection::Sqlite(session) => session.run(sql, args),
            Connection::Postgres(session) => session.run(sql, args),
        };
        self.note(changed)
    }

    pub fn all<T>(
        &mut self,
        sql: &str,
        args: &[Value],
        mut row: impl FnMut(&Row) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut found = Vec::new();
        self.query(sql, args, &mut |next| {
            found.push(row(next)?);
            Ok(Next::Row)
        })?;
        Ok(found)
    }

    /// The first row, if there is one.
    pub fn maybe<T>(
        &mut self,
        sql: &str,
        args: &[Value],
        row: impl FnOnce(&Row) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let mut row = Some(row);
        let mut found = None;
        self.query(sql, args, &mut |next| {
            found = row.take().map(|row| row(next)).transpose()?;
            Ok(Next::Stop)
        })?;
        Ok(found)
    }

    /// The first row; none is `Error::Internal`.
    pub fn one<T>(
        &mut self,
        sql: &str,
        args: &[Value],
        row: impl FnOnce(&Row) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.maybe(sql, args, row)?.ok_or_else(|| Error::internal("database: no row from", sql))
    }

    fn query(
        &mut self,
        sql: &str,
        args: &[Value],
        each: &mut dyn FnMut(&Row) -> Result<Next, Error>,
    ) -> Result<(), Error> {
        self.admit(args)?;
        let done = match self.connection {
            Connection::Sqlite(session) => session.query(sql, args, each),
            Connection::Postgres(session) => session.query(sql, args, each),
        };
        self.note(done)
    }

    /// Text with a NUL comes from outside and is a caller's mistake; PostgreSQL cannot store it and SQLite would.
    fn admit(&self, args: &[Value]) -> Result<(), Error> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        if args.iter().any(|arg| matches!(arg, Value::Text(text) if text.contains('\0'))) {
            return Err(Error::invalid("text", "it holds a NUL character"));
        }
        Ok(())
    }

    fn note<T>(&mut self, outcome: Result<T, Error>) -> Result<T, Error> {
        if let Err(failed) = &outcome {
            self.failed = Some(failed.clone());
        }
        outcome
    }
}

enum Next {
    Row,
    Stop,
}

/// One row of an answer, valid while its closure runs.
pub struct Row<'a> {
    source: Source<'a>,
}

enum Source<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a ::postgres::Row),
}

impl Row<'_> {
    /// Column `column`, counted from 0. A value of another kind, or NULL where `T` is no `Option`, is `Error::Internal`.
    pub fn get<T: FromValue>(&self, column: usize) -> Result<T, Error> {
        let cell = match self.source {
            Source::Sqlite(row) => sqlite::cell(row, column),
            Source::Postgres(row) => postgres::cell(row, column),
        }?;
        T::from_cell(cell).ok_or_else(|| {
            let wanted = std::any::type_name::<T>();
            Error::Internal(format!("database: column {column} holds {}, not {wanted}", cell.kind()))
        })
    }
}

/// Keys that one statement names at most: SQLite takes 32,766 arguments, PostgreSQL twice as many.
const KEYS_AT_ONCE: usize = 1000;

/// Adds an argument and gives its placeholder.
fn bind(args: &mut Vec<Value>, value: impl Into<Value>) -> String {
    args.push(value.into());
    format!("${}", args.len())
}

/// The same for the list of an `IN (…)`. An empty one gives `NULL`, so that `IN` is never true; do not negate that.
pub fn bind_all(args: &mut Vec<Value>, values: impl IntoIterator<Item = impl Into<Value>>) -> String {
    let placeholders: Vec<String> = values.into_iter().map(|value| bind(args, value)).collect();
    if placeholders.is_empty() { "NULL".to_owned() } else { placeholders.join(",") }
}

/// Whether what somebody works on is still to be done: it may have been canceled or deleted meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Yes,
    No,
}

impl Wanted {
    /// As long as its row is there and fits.
    fn if_changed(tx: &mut Tx, sql: &str, args: &[Value]) -> Result<Wanted, Error> {
        Ok(if tx.run(sql, args)? > 0 { Wanted::Yes } else { Wanted::No })
    }
}

/// What a transaction is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
    /// As `Write`, but its commit does not wait for the disk.
    WriteRepeatable,
    /// As `Write`, but waits for the other nodes as long as their migration takes.
    Migrate,
}

/// A connection of either engine; made without touching the database, opened and reopened by `begin`.
enum Connection {
    Sqlite(sqlite::Session),
    Postgres(Box<postgres::Session>),
}

impl Connection {
    fn new(database: &Database, access: Access) -> Result<Connection, Error> {
        Ok(match database {
            Database::Sqlite(path) => Connection::Sqlite(sqlite::Session::new(path.clone(), access)),
            Database::Postgres(address) => Connection::Postgres(Box::new(postgres::Session::new(address)?)),
        })
    }

    fn engine(&self) -> Engine {
        match self {
            Connection::Sqlite(_) => Engine::Sqlite,
            Connection::Postgres(_) => Engine::Postgres,
        }
    }

    fn begin(&mut self, access: Access) -> Result<(), Error> {
        match self {
            Connection::Sqlite(session) => session.begin(access),
            Connection::Postgres(session) => session.begin(access),
        }
    }

    /// A number that is another one after any commit of any connection; none where the engine has no such number.
    fn version(&mut self) -> Option<i64> {
        match self {
            Connection::Sqlite(session) => session.version(),
            Connection::Postgres(_) => None,
        }
    }

    /// Statements without arguments or answers, separated by `;`.
    fn script(&mut self, sql: &str) -> Result<(), Error> {
        match self {
            Connection::Sqlite(session) => session.script(sql),
            Connection::Postgres(session) => session.script(sql),
        }
    }

    /// Ends a transaction without keeping it; a connection that cannot do even that is closed.
    fn rollback(&mut self) {
        match self {
            Connection::Sqlite(session) => session.rollback(),
            Connection::Postgres(session) => session.rollback(),
        }
    }

    fn commit(&mut self) -> Result<(), Error> {
        self.script("COMMIT").map_err(|cause| match cause {
            // The answer was lost, not necessarily the commit: "try again" would be wrong.
            Error::Busy => Error::Internal("database: lost during a commit, whose outcome is unknown".to_owned()),
            cause => cause,
        })
    }
}

/// A unit of work whose type its queue need not know.
trait Job: Send {
    fn access(&self) -> Access;
    fn run(&mut self, connection: &mut Connection, waypoints: Option<&list::Waypoints>) -> Result<(), Error>;
    fn answer(self: Box<Self>, verdict: Result<(), Error>);
    fn is_awaited(&self) -> bool;
}

struct Unit<T, F> {
    access: Access,
    work: Option<F>,
    outcome: Option<T>,
    caller: oneshot::Sender<Result<T, Error>>,
    asked_by: Arc<Asker>,
}

impl<T: Send, F: FnOnce(&mut Tx) -> Result<T, Error> + Send> Job for Unit<T, F> {
    fn access(&self) -> Access {
        self.access
    }

    fn run(&mut self, connection: &mut Connection, waypoints: Option<&list::Waypoints>) -> Result<(), Error> {
        let work = self.work.take().ok_or_else(ended)?;
        let asked_by = Arc::clone(&self.asked_by);
        let mut tx = Tx { connection, failed: None, waypoints, asked_by };
        let outcome = catch_unwind(AssertUnwindSafe(|| work(&mut tx))).unwrap_or_else(|panic| {
            let said = panic.downcast_ref::<&str>().copied();
            let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            Err(Error::internal("database: work panicked", said.unwrap_or("without a message")))
        });
        match (outcome, tx.failed) {
            (Err(error), _) | (Ok(_), Some(error)) => Err(error),
            (Ok(outcome), None) => {
                self.outcome = Some(outcome);
                Ok(())
            }
        }
    }

    fn answer(self: Box<Self>, verdict: Result<(), Error>) {
        let Unit { outcome, caller, .. } = *self;
        // A caller who left hears nothing.
        let _ = caller.send(verdict.and_then(|()| outcome.ok_or_else(ended)));
    }

    fn is_awaited(&self) -> bool {
        !self.caller.is_closed()
    }
}

fn read_all(mut connection: Connection, queue: &Mutex<Receiver<Box<dyn Job>>>, waypoints: &list::Waypoints) {
    loop {
        let next = lock(queue).recv();
        let Ok(mut job) = next else { return };
        if !job.is_awaited() {
            continue;
        }
        let verdict = connection.begin(Access::Read).and_then(|()| job.run(&mut connection, Some(waypoints)));
        answer(job, verdict);
        connection.rollback();
    }
}

fn write_all(mut connection: Connection, queue: Receiver<Box<dyn Job>>) {
    while let Ok(first) = queue.recv() {
        let mut jobs: Vec<_> = std::iter::once(first).chain(queue.try_iter()).take(BATCH_LENGTH).collect();
        match write_batch(&mut connection, &mut jobs) {
            Ok(verdicts) => jobs.into_iter().zip(verdicts).for_each(|(job, verdict)| answer(job, verdict)),
            Err(error) => {
                connection.rollback();
                jobs.into_iter().for_each(|job| answer(job, Err(error.clone())));
            }
        }
    }
}

/// One transaction for all; `Err` means that nothing of it is kept.
fn write_batch(connection: &mut Connection, jobs: &mut [Box<dyn Job>]) -> Result<Vec<Result<(), Error>>, Error> {
    let waits_for_disk = jobs.iter().any(|job| job.access() != Access::WriteRepeatable);
    connection.begin(if waits_for_disk { Access::Write } else { Access::WriteRepeatable })?;
    if let [alone] = jobs {
        alone.run(connection, None)?;
        connection.commit()?;
        return Ok(vec![Ok(())]);
    }
    connection.script("SAVEPOINT unit")?;
    let mut verdicts = Vec::with_capacity(jobs.len());
    for job in jobs {
        let verdict = job.run(connection, None);
        match &verdict {
            Ok(()) => connection.script("RELEASE SAVEPOINT unit; SAVEPOINT unit")?,
            // SQLite ends the whole transaction by itself when the disk is full; then all callers hear that.
            Err(Error::NoSpace) => {
                connection.script("ROLLBACK TO SAVEPOINT unit").map_err(|_| Error::NoSpace)?;
            }
            Err(_) => connection.script("ROLLBACK TO SAVEPOINT unit")?,
        }
        verdicts.push(verdict);
    }
    connection.commit()?;
    Ok(verdicts)
}

/// Dropping what a caller left behind may panic, which must not take the thread along.
fn answer(job: Box<dyn Job>, verdict: Result<(), Error>) {
    if catch_unwind(AssertUnwindSafe(|| job.answer(verdict))).is_err() {
        tracing::error!("a value read from the database panicked when dropped");
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    Ok(thread::Builder::new().name(name.to_owned()).spawn(work)?)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ended() -> Error {
    Error::Internal("database: its thread has ended".to_owned())
}
