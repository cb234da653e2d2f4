//! SQL of tasks: what users have the server do behind.

pub mod lists;

use serde::{Deserialize, Serialize};

use super::library::new_id;
use super::{Engine, Row, Tx, Wanted};
use crate::account::UserKey;
use crate::args;
use crate::error::{Error, Result, Thing};
use crate::library::IdKind;

/// Of what is to be done, as it is kept.
const LONGEST_WISH_BYTES: usize = 1 << 20;

/// Key of a task inside this server; never leaves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TaskKey(pub i64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Makes an archive.
    Pack,
    Unpack,
    /// Fetches what is at an address.
    Fetch,
    /// Puts files under another storage policy.
    Relocate,
    /// Brings files of this machine into a user's folder.
    Import,
    /// Reads anew what all files say.
    Reread,
}

impl Kind {
    pub const EACH: [Kind; 6] = [Kind::Pack, Kind::Unpack, Kind::Fetch, Kind::Relocate, Kind::Import, Kind::Reread];

    pub const fn text(self) -> &'static str {
        match self {
            Kind::Pack => "pack",
            Kind::Unpack => "unpack",
            Kind::Fetch => "fetch",
            Kind::Relocate => "relocate",
            Kind::Import => "import",
            Kind::Reread => "reread",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Queued,
    Working,
    /// It broke off, and is tried again.
    Waiting,
    Failed,
    Canceled,
    Completed,
}

impl State {
    pub const EACH: [State; 6] =
        [State::Queued, State::Working, State::Waiting, State::Failed, State::Canceled, State::Completed];

    const fn text(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Working => "working",
            State::Waiting => "waiting",
            State::Failed => "failed",
            State::Canceled => "canceled",
            State::Completed => "completed",
        }
    }

    pub fn is_open(self) -> bool {
        matches!(self, State::Queued | State::Working | State::Waiting)
    }
}

/// An item by its id, and the names by which its user named it, from their root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    pub id: String,
    pub path: Vec<String>,
}

/// A folder by the names by which its user named it: the last that was there when it was named, or their root; the names
/// below that are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub folder: Option<String>,
    pub below: Vec<String>,
    pub path: Vec<String>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wish {
    Pack {
        sources: Vec<Named>,
        into: Target,
        name: String,
    },
    Unpack {
        source: Named,
        into: Target,
        /// What names are written in.
        encoding: Option<String>,
        /// Only what these paths name; none: all.
        only: Vec<String>,
    },
    Fetch {
        url: String,
        into: Target,
    },
    Relocate {
        sources: Vec<Named>,
        /// By its id.
        policy: String,
    },
    Import(Import),
    Reread,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// A folder of this machine.
    pub source: String,
    /// With the folders in it.
    pub recursive: bool,
    /// Whose files they become, by their id.
    pub receiver: String,
    /// In the receiver's own files.
    pub into: Target,
    /// The storage policy that has to hold there, by its id.
    pub policy: String,
}

impl Wish {
    pub fn kind(&self) -> Kind {
        match self {
            Wish::Pack { .. } => Kind::Pack,
            Wish::Unpack { .. } => Kind::Unpack,
            Wish::Fetch { .. } => Kind::Fetch,
            Wish::Relocate { .. } => Kind::Relocate,
            Wish::Import(_) => Kind::Import,
            Wish::Reread => Kind::Reread,
        }
    }
}

/// How far it is. A total of 0 is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    pub files: u64,
    pub files_total: u64,
    pub files_failed: u64,
    pub bytes: u64,
    pub bytes_total: u64,
    pub rate_bytes_s: u64,
}

#[derive(Debug, Clone)]
pub struct Task {
    pub key: TaskKey,
    pub id: String,
    pub owner: UserKey,
    pub wish: Wish,
    pub secret_sealed: Option<Vec<u8>>,
    pub state: State,
    /// For its owner to read.
    pub error: Option<String>,
    pub upload_id: Option<String>,
    pub file_name: Option<String>,
    pub validator: Option<String>,
    pub is_landing: bool,
    pub progress: Progress,
    pub tries: i64,
    pub due_ms: i64,
    pub worked_ms: i64,
    pub created_ms: i64,
    pub updated_ms: i64,
}

const TASK: &str = "SELECT id, public_id, account_id, wish, secret_sealed, state, error, upload_id, file_name, validator,
                           is_landing, files, files_total, files_failed, bytes, bytes_total, rate_bytes_s, tries, due_ms,
                           worked_ms, created_ms, updated_ms
                    FROM task";
const IS_OPEN: &str = "state IN ('queued', 'working', 'waiting')";

fn task_of(row: &Row) -> Result<Task> {
    let (wish, state): (String, String) = (row.get(3)?, row.get(5)?);
    let unknown = || Error::internal("tasks: unknown state", &state);
    Ok(Task {
        key: TaskKey(row.get(0)?),
        id: row.get(1)?,
        owner: UserKey(row.get(2)?),
        wish: serde_json::from_str(&wish).map_err(|cause| Error::internal("tasks: unknown wish", cause))?,
        secret_sealed: row.get(4)?,
        state: State::EACH.into_iter().find(|known| known.text() == state).ok_or_else(unknown)?,
        error: row.get(6)?,
        upload_id: row.get(7)?,
        file_name: row.get(8)?,
        validator: row.get(9)?,
        is_landing: row.get(10)?,
        progress: Progress {
            files: row.get(11)?,
            files_total: row.get(12)?,
            files_failed: row.get(13)?,
            bytes: row.get(14)?,
            bytes_total: row.get(15)?,
            rate_bytes_s: row.get(16)?,
        },
        tries: row.get(17)?,
        due_ms: row.get(18)?,
        worked_ms: row.get(19)?,
        created_ms: row.get(20)?,
        updated_ms: row.get(21)?,
    })
}

// Asking -------------------------------------------------------------------------------------------------------------

/// `seal` is given the new task's id, which its secret is sealed with.
pub fn insert(
    tx: &mut Tx,
    owner: UserKey,
    wish: &Wish,
    seal: impl FnOnce(&str) -> Option<Vec<u8>>,
    now_ms: i64,
) -> Result<Task> {
    let id = new_id(IdKind::Task);
    let text = serde_json::to_string(wish).map_err(|cause| Error::internal("tasks: wish", cause))?;
    if text.len() > LONGEST_WISH_BYTES {
        return Err(Error::invalid("task", "it names too much"));
    }
    tx.run(
        "INSERT INTO task (public_id, account_id, kind, wish, secret_sealed, state, is_landing, files, files_total, files_failed,
                           bytes, bytes_total, rate_bytes_s, tries, due_ms, busy_ms, worked_ms, created_ms, updated_ms)
         VALUES ($1, $2, $3, $4, $5, 'queued', 0, 0, 0, 0, 0, 0, 0, 0, $6, 0, 0, $6, $6)",
        args![&id, owner.0, wish.kind().text(), text, seal(&id), now_ms],
    )?;
    by_id(tx, owner, &id)
}

/// One of the user's own; somebody else's does not exist.
pub fn by_id(tx: &mut Tx, owner: UserKey, id: &str) -> Result<Task> {
    let sql = format!("{TASK} WHERE public_id = $1 AND account_id = $2");
    tx.maybe(&sql, args![id, owner.0], task_of)?.ok_or(Error::NotFound(Thing::Task))
}

/// Which tasks a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All but what is fetched.
    General,
    Fetching,
    Fetched,
}

/// The newest first, from after `after` on.
pub fn page(tx: &mut Tx, owner: UserKey, which: Which, after: Option<&str>, count: usize) -> Result<Vec<Task>> {
    let which = match which {
        Which::General => "kind <> 'fetch'".to_owned(),
        Which::Fetching => format!("kind = 'fetch' AND {IS_OPEN}"),
        Which::Fetched => format!("kind = 'fetch' AND NOT {IS_OPEN}"),
    };
    // One that was swept meanwhile ends the list: it was among the oldest.
    let sql = format!(
        "{TASK} WHERE account_id = $1 AND {which}
           AND ($2 = '' OR id < (SELECT t.id FROM task t WHERE t.public_id = $2 AND t.account_id = $1))
         ORDER BY id DESC LIMIT $3"
    );
    tx.all(&sql, args![owner.0, after.unwrap_or_default(), count], task_of)
}

/// How many of a user's wait or are worked on.
pub fn count_open(tx: &mut Tx, owner: UserKey) -> Result<usize> {
    let sql = format!("SELECT COUNT(*) FROM task WHERE account_id = $1 AND {IS_OPEN}");
    tx.one(&sql, args![owner.0], |row| row.get(0))
}

// Working ------------------------------------------------------------------------------------------------------------

fn in_kinds(kinds: &[Kind]) -> String {
    let each: Vec<String> = kinds.iter().map(|kind| format!("'{}'", kind.text())).collect();
    format!("kind IN ({})", each.join(", "))
}

/// When the next of these kinds is due, of those that nobody has given a sign of since `alive_ms`.
pub fn next_due_ms(tx: &mut Tx, kinds: &[Kind], alive_ms: i64) -> Result<Option<i64>> {
    let sql = format!("SELECT MIN(due_ms) FROM task WHERE {IS_OPEN} AND busy_ms < $1 AND {}", in_kinds(kinds));
    tx.one(&sql, args![alive_ms], |row| row.get(0))
}

/// Takes one up that nobody has given a sign of since `alive_ms`, of a user of whom fewer than `most_of_user` of these
/// kinds are worked on.
pub fn take(tx: &mut Tx, kinds: &[Kind], most_of_user: usize, now_ms: i64, alive_ms: i64) -> Result<Option<Task>> {
    let kinds = in_kinds(kinds);
    let sql = format!(
        "{TASK} WHERE {IS_OPEN} AND due_ms <= $1 AND busy_ms < $2 AND {kinds}
           AND (SELECT COUNT(*) FROM task o WHERE o.account_id = task.account_id AND o.busy_ms >= $2 AND o.{IS_OPEN}
                AND o.{kinds}) < $3
         ORDER BY due_ms, id LIMIT 1"
    );
    let Some(task) = tx.maybe(&sql, args![now_ms, alive_ms, most_of_user], task_of)? else { return Ok(None) };
    tx.run(
        "UPDATE task SET state = 'working', error = NULL, busy_ms = $1, updated_ms = $1 WHERE id = $2",
        args![now_ms, task.key.0],
    )?;
    Ok(Some(Task { state: State::Working, error: None, ..task }))
}

/// A sign of life of whoever works on it, and how far they are.
pub fn sign_of_life(tx: &mut Tx, key: TaskKey, progress: Progress, worked_ms: i64, now_ms: i64) -> Result<Wanted> {
    Wanted::if_changed(
        tx,
        "UPDATE task SET busy_ms = $1, updated_ms = $1, files = $2, files_total = $3, files_failed = $4, bytes = $5,
                         bytes_total = $6, rate_bytes_s = $7, worked_ms = $8
         WHERE id = $9 AND state = 'working'",
        args![
            now_ms,
            progress.files,
            progress.files_total,
            progress.files_failed,
            progress.bytes,
            progress.bytes_total,
            progress.rate_bytes_s,
            worked_ms,
            key.0
        ],
    )
}

/// What is known of a file that is fetched, before its first byte.
pub fn set_fetching(tx: &mut Tx, key: TaskKey, upload_id: &str, name: &str, validator: Option<&str>) -> Result<Wanted> {
    Wanted::if_changed(
        tx,
        "UPDATE task SET upload_id = $1, file_name = $2, validator = $3, is_landing = 0 WHERE id = $4 AND state = 'working'",
        args![upload_id, name, validator.map(str::to_owned), key.0],
    )
}

/// All of it came.
pub fn set_landing(tx: &mut Tx, key: TaskKey) -> Result<Wanted> {
    Wanted::if_changed(tx, "UPDATE task SET is_landing = 1 WHERE id = $1 AND state = 'working'", args![key.0])
}

/// It broke off, and is tried again. `tries`: since something came.
pub fn set_waiting(tx: &mut Tx, key: TaskKey, why: &str, tries: i64, due_ms: i64, now_ms: i64) -> Result<()> {
    tx.run(
        "UPDATE task SET state = 'waiting', error = $1, tries = $2, due_ms = $3, busy_ms = 0, rate_bytes_s = 0, updated_ms = $4
         WHERE id = $5 AND state = 'working'",
        args![why, tries, due_ms, now_ms, key.0],
    )?;
    Ok(())
}

/// It ends. `Wanted::No`: it had ended before.
pub fn end(tx: &mut Tx, key: TaskKey, state: State, error: Option<&str>, now_ms: i64) -> Result<Wanted> {
    let sql = format!(
        "UPDATE task SET state = $1, error = $2, secret_sealed = NULL, upload_id = NULL, busy_ms = 0, rate_bytes_s = 0,
                         updated_ms = $3
         WHERE id = $4 AND {IS_OPEN}"
    );
    Wanted::if_changed(tx, &sql, args![state.text(), error.map(str::to_owned), now_ms, key.0])
}

/// After a start, where no other process works on the same rows: nobody is at work on any of them.
pub fn take_over(tx: &mut Tx) -> Result<()> {
    match tx.engine() {
        Engine::Sqlite => tx.run("UPDATE task SET busy_ms = 0 WHERE state = 'working'", args![]).map(drop),
        Engine::Postgres => Ok(()),
    }
}

/// Forgets those that ended before then.
pub fn sweep(tx: &mut Tx, before_ms: i64) -> Result<()> {
    let sql = format!("DELETE FROM task WHERE NOT ({IS_OPEN}) AND updated_ms < $1");
    tx.run(&sql, args![before_ms])?;
    Ok(())
}
