//! Tasks: what users have the server do behind, such as packing, unpacking and fetching files.
//!
//! A task is a row before anything is done; those who work behind take rows up, so a crash costs nothing but time. Whoever
//! works on one gives signs of life, and with each it is judged again whether its owner may have it done. What comes
//! of a task lands by the engine of uploads: its names, quotas and rows are those of any other file, and until its last
//! byte nobody sees it.

mod asking;
mod fetch;
mod import;
mod pack;
mod relocate;
mod reread;
mod unpack;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use tokio::sync::{Notify, mpsc};

use self::asking::sealed_as;
pub use self::asking::{FromDisk, Unpack, by_id, cancel, fetch, import, list, pack, relocate, remove, reread, unpack};
pub use self::unpack::encoding_of;
use super::files::{self, Place, by_rights, check_name, folder_of, room_bytes};
use super::roots::open;
use super::{node, policies, upload};
use crate::account::{Role, User};
use crate::blob::on_disk;
use crate::error::{Error, Result, Thing};
use crate::library::Item;
use crate::outgoing::Failure;
use crate::share::grant::{Action, Grant};
use crate::store::tasks::{self as rows, Target};
pub use crate::store::tasks::{Kind, Named, Progress, State, Task, Which, Wish};
use crate::store::{Tx, Wanted, accounts, library};
use crate::{App, now_ms};

/// Tasks of one user that wait or are worked on.
pub const MOST_OPEN: usize = 100;
/// Why another one is refused.
pub const TOO_MANY: &str = "too many of your tasks are under way";
/// Things of one task, and addresses of one call.
pub const MOST_THINGS: usize = 1000;
const LONGEST_PASSWORD_BYTES: usize = 1024;
/// Whoever gave no sign of life for as long is gone.
const ALIVE_MS: i64 = 10_000;
const SIGN_EVERY: Duration = Duration::from_secs(2);
/// How often those who work behind look for themselves: for what another node was asked, and for what is due by time.
const LOOK_EVERY: Duration = Duration::from_secs(10);
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);
const KEPT_MS: i64 = 30 * 24 * 60 * 60 * 1000;
/// Tries without progress before a task fails. They last longer than what a kill left behind counts in quotas.
const MOST_TRIES: i64 = 9;
const FIRST_PAUSE_MS: i64 = 2_000;
const LONGEST_PAUSE_MS: i64 = 10 * 60 * 1000;

/// What is worked on side by side.
struct Lane {
    kinds: &'static [Kind],
    at_once: usize,
    /// So that nobody waits for one user's alone.
    most_of_user: usize,
}

static LANES: [Lane; 3] = [
    Lane { kinds: &[Kind::Fetch], at_once: 3, most_of_user: 2 },
    Lane { kinds: &[Kind::Pack, Kind::Unpack, Kind::Relocate, Kind::Import], at_once: 2, most_of_user: 1 },
    Lane { kinds: &[Kind::Reread], at_once: 1, most_of_user: 1 },
];

/// Wakes those who work behind, by lane.
#[derive(Default)]
pub struct Tasks {
    lanes: [Notify; LANES.len()],
}

impl Tasks {
    fn wake(&self) {
        self.lanes.iter().for_each(Notify::notify_one);
    }
}

// Judging ------------------------------------------------------------------------------------------------------------

/// Whether a user may have this done, as things are now.
fn judge(tx: &mut Tx, user: &User, wish: &Wish) -> Result<()> {
    node::check(tx, wish.kind())?;
    let (whose, into) = match wish {
        Wish::Pack { sources, into, .. } => {
            sources.iter().try_for_each(|named| source(tx, user, named).map(drop))?;
            (user.clone(), into)
        }
        Wish::Unpack { source: named, into, .. } => {
            source(tx, user, named)?;
            (user.clone(), into)
        }
        Wish::Fetch { into, .. } => {
            user.may(Role::Fetch)?;
            (user.clone(), into)
        }
        Wish::Relocate { sources, policy } => {
            policies::choose(tx, user, policy)?;
            return sources.iter().try_for_each(|named| relocate::source(tx, user, named).map(drop));
        }
        Wish::Reread => return user.may(Role::Admin),
        Wish::Import(wish) => {
            user.may(Role::Admin)?;
            (import::receiver(tx, &wish.receiver)?, &wish.into)
        }
    };
    place(tx, &whose, into).map(drop)
}

fn source(tx: &mut Tx, user: &User, named: &Named) -> Result<Grant> {
    let item = library::item_by_id(tx, &named.id)?.ok_or(Error::NotFound(Thing::File))?;
    by_rights(tx, user, item, Action::Download)
}

fn place(tx: &mut Tx, user: &User, target: &Target) -> Result<(Place, Grant)> {
    let place = match &target.folder {
        None => Place::Root,
        Some(id) => Place::Item(library::item_by_id(tx, id)?.ok_or(Error::NotFound(Thing::Folder))?),
    };
    let folder = folder_of(tx, user, &place, Action::Create)?;
    Ok((place, folder))
}

fn owner(tx: &mut Tx, task: &Task) -> Result<User> {
    let user = accounts::by_key(tx, task.owner)?.filter(User::is_active);
    user.ok_or(Error::Forbidden("this account is closed"))
}

/// The task's owner as they are now, if they may have it done.
async fn judged(app: &App, task: &Task) -> Result<User> {
    let task = task.clone();
    app.db
        .read(move |tx| {
            let user = owner(tx, &task)?;
            judge(tx, &user, &task.wish)?;
            Ok(user)
        })
        .await
}

/// The folder that a task's files go to, made where it is not there.
async fn folder(app: &Arc<App>, user: &User, target: &Target) -> Result<Place> {
    let (who, wanted) = (user.clone(), target.clone());
    let (place, _) = app.db.read(move |tx| place(tx, &who, &wanted)).await?;
    files::make_path(app, user, place, &target.below).await
}

/// What may still come into a folder.
struct Room {
    /// Without what an upload of the task itself takes already.
    quota_bytes: u64,
    /// All but a tenth of what is free.
    disk_bytes: u64,
}

async fn room(app: &App, user: &User, into: &Place, upload_id: &str) -> Result<Room> {
    let (user, into, except) = (user.clone(), into.clone(), upload_id.to_owned());
    let (library, quota) = app
        .db
        .read(move |tx| {
            let library = folder_of(tx, &user, &into, Action::Create)?.library().clone();
            let quota = room_bytes(tx, &user, &library, &except)?;
            Ok((library, quota))
        })
        .await?;
    let free = on_disk(move || open(&library)?.free_bytes()).await?;
    Ok(Room { quota_bytes: quota.unwrap_or(u64::MAX), disk_bytes: free - free / 10 })
}

// Working ------------------------------------------------------------------------------------------------------------

/// Works on what is asked for, for as long as the server runs.
pub async fn tend(app: Arc<App>) {
    if let Err(cause) = app.db.write(rows::take_over).await {
        tracing::warn!(%cause, "tasks that were worked on wait for their turn");
    }
    let workers = LANES.iter().enumerate().flat_map(|(at, lane)| (0..lane.at_once).map(move |_| (at, lane)));
    let workers = workers.map(|(at, lane)| work_in(&app, lane, &app.tasks.lanes[at]));
    tokio::join!(join_all(workers), sweep(&app));
}

async fn sweep(app: &App) {
    loop {
        if let Err(cause) = app.db.write(|tx| rows::sweep(tx, now_ms() - KEPT_MS)).await {
            tracing::warn!(%cause, "old tasks stay for the next sweep");
        }
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}

async fn work_in(app: &Arc<App>, lane: &'static Lane, wake: &Notify) {
    loop {
        let pause = match take_next(app, lane).await {
            Ok(Next::Work(task)) => {
                // There may be more, for another one.
                wake.notify_one();
                attempt(app, *task).await;
                continue;
            }
            Ok(Next::Wait(pause)) => pause,
            Err(cause) => {
                tracing::warn!(%cause, "tasks are not worked on");
                LOOK_EVERY
            }
        };
        let _ = tokio::time::timeout(pause, wake.notified()).await;
    }
}

enum Next {
    Work(Box<Task>),
    Wait(Duration),
}

async fn take_next(app: &App, lane: &'static Lane) -> Result<Next> {
    let now = now_ms();
    let due_ms = app.db.read(move |tx| rows::next_due_ms(tx, lane.kinds, now - ALIVE_MS)).await?;
    match due_ms.map(|due_ms| due_ms - now) {
        Some(wait_ms) if wait_ms > 0 => Ok(Next::Wait(LOOK_EVERY.min(Duration::from_millis(wait_ms.unsigned_abs())))),
        Some(_) => {
            let take = move |tx: &mut Tx| rows::take(tx, lane.kinds, lane.most_of_user, now, now - ALIVE_MS);
            let taken = app.db.write(take).await?;
            Ok(taken.map_or(Next::Wait(LOOK_EVERY), |task| Next::Work(Box::new(task))))
        }
        None => Ok(Next::Wait(LOOK_EVERY)),
    }
}

/// Why a task is not done.
#[derive(Debug)]
enum Trouble {
    /// It may pass.
    Passing(String),
    Final(String),
    /// It was canceled, or is gone with its owner.
    NotWanted,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        match error {
            Error::Internal(_) => {
                tracing::warn!(cause = %error, "a task failed");
                Trouble::Passing("Something went wrong on the server".to_owned())
            }
            Error::Busy => Trouble::Passing(error.to_string()),
            error => Trouble::Final(error.to_string()),
        }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        let text = format!("It cannot be fetched: {failure}");
        match failure {
            Failure::Status(206 | 408 | 416 | 425 | 429 | 500..)
            | Failure::Unreachable
            | Failure::TooSlow
            | Failure::Broken => Trouble::Passing(text),
            Failure::BadAddress
            | Failure::Refused
            | Failure::TooLarge { .. }
            | Failure::TooManyRedirects
            | Failure::Status(_) => Trouble::Final(text),
        }
    }
}

/// How far a task is, told by whoever works on it. One lock, held for no time.
struct Counter {
    progress: Mutex<Progress>,
    /// Of bytes, at the last sign of life.
    last: AtomicU64,
}

impl Counter {
    fn of(progress: Progress) -> Counter {
        Counter { progress: Mutex::new(progress), last: AtomicU64::new(progress.bytes) }
    }

    fn change(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn now(&self) -> Progress {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As it is now, with the speed since the last sign of life.
    fn sign(&self, since: Duration) -> Progress {
        let now = self.now();
        let last = self.last.swap(now.bytes, Ordering::Relaxed);
        let rate_bytes_s = (now.bytes.saturating_sub(last) as f64 / since.as_secs_f64().max(0.001)) as u64;
        Progress { rate_bytes_s, ..now }
    }
}

async fn attempt(app: &Arc<App>, task: Task) {
    let (counter, began) = (Arc::new(Counter::of(task.progress)), Instant::now());
    let worked_ms = || task.worked_ms.saturating_add(i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX));
    let outcome = tokio::select! {
        outcome = work(app, &task, &counter) => outcome,
        trouble = watch(app, &task, &counter, &worked_ms) => Err(trouble),
    };
    let (key, came) = (task.key, counter.now());
    let (progress, worked_ms) = (Progress { rate_bytes_s: 0, ..came }, worked_ms());
    let told = app.db.write(move |tx| rows::sign_of_life(tx, key, progress, worked_ms, now_ms())).await;
    // Whoever got on does not run out of tries.
    let tries = if came.bytes > task.progress.bytes { 1 } else { task.tries + 1 };
    let kept = match (outcome, told) {
        (_, Err(cause)) => Err(cause),
        (Ok(told), _) => close(app, &task, State::Completed, told).await.map(drop),
        (Err(Trouble::Passing(why)), _) if tries < MOST_TRIES => {
            let due_ms = now_ms() + (FIRST_PAUSE_MS << (tries - 1)).min(LONGEST_PAUSE_MS);
            app.db.write(move |tx| rows::set_waiting(tx, key, &why, tries, due_ms, now_ms())).await
        }
        (Err(Trouble::Passing(why) | Trouble::Final(why)), _) => {
            close(app, &task, State::Failed, Some(why)).await.map(drop)
        }
        (Err(Trouble::NotWanted), _) => Ok(()),
    };
    if let Err(cause) = kept {
        tracing::warn!(task = key.0, %cause, "what became of a task is not kept");
    }
}

/// Done, with what there is to say about it.
async fn work(app: &Arc<App>, task: &Task, counter: &Arc<Counter>) -> Result<Option<String>, Trouble> {
    judged(app, task).await?;
    let done = match &task.wish {
        Wish::Pack { sources, into, name } => pack::work(app, task, sources, into, name, counter).await,
        Wish::Unpack { source, into, encoding, only } => {
            let encoding = unpack::encoding_of(encoding.as_deref())?;
            unpack::work(app, task, source, into, encoding, only, counter).await
        }
        Wish::Fetch { url, into } => fetch::work(app, task, url, into, counter).await,
        Wish::Relocate { sources, policy } => return relocate::work(app, task, sources, policy, counter).await,
        Wish::Import(wish) => return import::work(app, task, wish, counter).await,
        Wish::Reread => reread::work(app, task, counter).await,
    };
    done.map(|()| None)
}

/// Names of what a task could not do, as many as somebody reads.
#[derive(Default)]
struct LeftOut {
    names: Vec<String>,
    count: usize,
}

impl LeftOut {
    const MOST_NAMED: usize = 20;

    fn add(&mut self, name: &str) {
        self.count += 1;
        if self.names.len() < Self::MOST_NAMED {
            self.names.push(name.to_owned());
        }
    }

    fn told(&self) -> String {
        let more = if self.count > self.names.len() { ", …" } else { "" };
        format!("{} left out: {}{more}", self.count, self.names.join(", "))
    }
}

/// Gives signs of life until the task may not go on, and tells why.
async fn watch(app: &App, task: &Task, counter: &Counter, worked_ms: &impl Fn() -> i64) -> Trouble {
    loop {
        let since = Instant::now();
        tokio::time::sleep(SIGN_EVERY).await;
        let (key, progress, worked_ms) = (task.key, counter.sign(since.elapsed()), worked_ms());
        let signed = app.db.write(move |tx| rows::sign_of_life(tx, key, progress, worked_ms, now_ms())).await;
        let refused = match signed {
            Ok(Wanted::No) => return Trouble::NotWanted,
            Ok(Wanted::Yes) => judged(app, task).await.err().map(Trouble::from),
            Err(error) => Some(error.into()),
        };
        match refused {
            Some(trouble @ Trouble::Final(_)) => return trouble,
            // What may pass is looked at again.
            Some(Trouble::Passing(_) | Trouble::NotWanted) | None => {}
        }
    }
}

/// Ends a task, and what of a file is under way for it.
async fn close(app: &Arc<App>, task: &Task, state: State, error: Option<String>) -> Result<Wanted> {
    let (key, owner, id) = (task.key, task.owner, task.id.clone());
    let (wanted, user, upload_id) = app
        .db
        .write(move |tx| {
            let Some(user) = accounts::by_key(tx, owner)? else { return Ok((Wanted::No, None, None)) };
            let upload_id = rows::by_id(tx, owner, &id)?.upload_id;
            Ok((rows::end(tx, key, state, error.as_deref(), now_ms())?, Some(user), upload_id))
        })
        .await?;
    if let (Some(user), Some(upload_id)) = (user, upload_id) {
        give_up(app, &user, &upload_id).await?;
    }
    Ok(wanted)
}

/// What came of a file goes; it may have gone before.
async fn give_up(app: &Arc<App>, user: &User, upload_id: &str) -> Result<()> {
    match upload::cancel(app, user, upload_id).await {
        Ok(()) | Err(Error::NotFound(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// A task that was taken up again may find that what a kill left behind still counts in a quota, for five minutes.
fn interrupted(task: &Task, error: Error) -> Trouble {
    match error {
        Error::NoSpace if task.worked_ms > 0 => Trouble::Passing(error.to_string()),
        error => error.into(),
    }
}

// Content ------------------------------------------------------------------------------------------------------------

/// Pieces of a file that are on their way from the thread that makes them.
const PIECES: usize = 4;
const PIECE_BYTES: usize = 256 << 10;

enum Piece {
    Bytes(Bytes),
    /// All of it came.
    End,
}

/// A body that ends where its maker says so; one whose maker goes away breaks off.
fn body_of(pieces: mpsc::Receiver<Piece>) -> Body {
    Body::from_stream(stream::unfold(Some(pieces), async |pieces| {
        let mut pieces = pieces?;
        match pieces.recv().await {
            Some(Piece::Bytes(bytes)) => Some((Ok(bytes), Some(pieces))),
            Some(Piece::End) => None,
            None => Some((Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe)), None)),
        }
    }))
}

/// Tells the thread that works for a task that nobody waits for it any more.
#[derive(Default)]
struct StopsWhenDropped(Arc<AtomicBool>);

impl Drop for StopsWhenDropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The file that is there under a name, if it is the one that a task made before it was interrupted: of its size and its
/// time, which whoever makes it sets.
async fn made_before(
    app: &App,
    user: &User,
    into: &Place,
    name: &str,
    size_bytes: u64,
    modified_ms: i64,
) -> Result<Option<Item>> {
    let (user, into, name) = (user.clone(), into.clone(), name.to_owned());
    app.db
        .read(move |tx| {
            let folder = folder_of(tx, &user, &into, Action::Create)?;
            let there = library::child_shown(tx, folder.item().key, &name)?;
            let is_it = |item: &Item| {
                !item.is_folder()
                    && item.size_bytes == size_bytes
                    && item.modified_ms.div_euclid(1000) == modified_ms.div_euclid(1000)
            };
            Ok(there.filter(is_it))
        })
        .await
}
