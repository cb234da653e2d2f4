//! One engine behind every door's uploads.
//!
//! The bytes go to a temporary file beneath the library's own hidden folder, written in place at their offsets, by as many
//! requests at once as the client likes. What arrived is noted as ranges of bytes, each only after it is synced: a power
//! cut loses what no answer had acknowledged yet, and nothing else. Acknowledged bytes are never written again, so that a
//! late twin of a request cannot harm them. At the end the file gets its name in one step; until then nobody sees it.

use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock, Weak};

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;

use super::files::{
    Found, Place, by_rights, check_name, check_time, folder_of, look, on_disk, open, refresh_albums, room_bytes,
    store_rows, to_the_end, with_free_name,
};
use crate::account::User;
use crate::account::token::random_base62;
use crate::blob::disk::set_modified;
use crate::blob::{Existing, Stat, Temporary};
use crate::error::{Error, Result, Thing};
use crate::library::{Item, ItemKey, Library};
use crate::share::grant::{Action, Grant};
pub use crate::store::uploads::OnConflict;
use crate::store::uploads::Session;
use crate::store::{Tx, files, library, uploads};
use crate::{App, now_ms};

/// An upload ends when nothing arrived for this long.
const LASTS_MS: i64 = 24 * 60 * 60 * 1000;
/// Held of one body in memory at most, but for the last piece that came.
const BUFFER_BYTES: usize = 1024 * 1024;
/// Uploads of one user that are under way at once.
pub const MOST_OPEN: usize = 1000;
const MOST_BYTES: u64 = i64::MAX as u64;

/// What is to be uploaded.
#[derive(Debug, Clone)]
pub struct Begin {
    pub into: Place,
    pub name: String,
    /// `None` where the client says so only at the end.
    pub size_bytes: Option<u64>,
    /// 0: one stream at offsets of the client's choice.
    pub chunk_bytes: u64,
    pub modified_ms: Option<i64>,
    pub on_conflict: OnConflict,
}

impl Begin {
    /// One stream, of which nothing is known before its end.
    pub fn stream(into: Place, name: String, on_conflict: OnConflict) -> Begin {
        Begin { into, name, size_bytes: None, chunk_bytes: 0, modified_ms: None, on_conflict }
    }
}

/// An upload under way.
#[derive(Debug, Clone)]
pub struct Upload {
    pub id: String,
    pub size_bytes: Option<u64>,
    pub chunk_bytes: u64,
    pub received_bytes: u64,
    pub expires_ms: i64,
    pub name: String,
    pub into_folder: ItemKey,
}

impl Upload {
    fn of(session: &Session) -> Upload {
        Upload {
            id: session.id.clone(),
            size_bytes: session.size_bytes,
            chunk_bytes: session.chunk_bytes,
            received_bytes: session.received_bytes,
            expires_ms: session.expires_ms,
            name: String::from_utf8_lossy(&session.name).into_owned(),
            into_folder: session.folder,
        }
    }
}

#[derive(Debug, Clone)]
pub enum Progress {
    More {
        received_bytes: u64,
    },
    /// It was the last one that was missing.
    Done(Item),
}

/// One of the user's uploads; `NotFound(Upload)` also for somebody else's.
pub fn by_id(tx: &mut Tx, user: &User, upload_id: &str) -> Result<Upload> {
    Ok(Upload::of(&uploads::of_user(tx, user.key, upload_id, now_ms())?))
}

/// All of the user's uploads that are under way.
pub fn list(tx: &mut Tx, user: &User) -> Result<Vec<Upload>> {
    Ok(uploads::list(tx, user.key, now_ms())?.iter().map(Upload::of).collect())
}

// Beginning ----------------------------------------------------------------------------------------------------------

/// Judges, and makes the session's row but for its temporary. What it replaces need not be in memory later: it is looked
/// up again at the end.
fn draft(tx: &mut Tx, user: &User, begin: &Begin) -> Result<(Session, Library)> {
    let folder = folder_of(tx, user, &begin.into, Action::Create)?;
    let there = match library::child_named(tx, folder.item().key, begin.name.as_bytes())? {
        Some(item) => Some(item),
        None => library::child_shown(tx, folder.item().key, &begin.name)?,
    };
    let replaces = match (there, begin.on_conflict) {
        (None, _) | (Some(_), OnConflict::Rename) => None,
        (Some(item), OnConflict::Replace) if !item.is_folder() => {
            by_rights(tx, user, item.clone(), Action::Update)?;
            Some(item)
        }
        (Some(_), OnConflict::Refuse | OnConflict::Replace) => return Err(Error::Exists(begin.name.clone())),
    };
    session(tx, user, &folder, begin, replaces)
}

fn session(
    tx: &mut Tx,
    user: &User,
    folder: &Grant,
    begin: &Begin,
    replaces: Option<Item>,
) -> Result<(Session, Library)> {
    let session = Session {
        id: random_base62(22),
        account: user.key,
        folder: folder.item().key,
        replaces: replaces.as_ref().map(|item| item.key),
        name: begin.name.clone().into_bytes(),
        size_bytes: begin.size_bytes,
        chunk_bytes: begin.chunk_bytes,
        received_bytes: 0,
        modified_ms: begin.modified_ms,
        on_conflict: begin.on_conflict,
        temporary: String::new(),
        expires_ms: now_ms().saturating_add(LASTS_MS),
    };
    if uploads::count(tx, user.key, now_ms())? >= MOST_OPEN {
        return Err(Error::Forbidden("too many uploads are under way; finish or cancel some"));
    }
    check_quota(tx, user, folder.library(), &session, begin.size_bytes.unwrap_or(0), replaces.as_ref())?;
    Ok((session, folder.library().clone()))
}

/// `NoSpace` when the home would hold more than its quota, counting what other uploads are going to bring.
fn check_quota(
    tx: &mut Tx,
    user: &User,
    library: &Library,
    session: &Session,
    size_bytes: u64,
    replaces: Option<&Item>,
) -> Result<()> {
    let room = room_bytes(tx, user, library, &session.id)?;
    let freed = replaces.map_or(0, |item| item.size_bytes);
    match room {
        Some(room) if size_bytes > room.saturating_add(freed) => Err(Error::NoSpace),
        _ => Ok(()),
    }
}

fn check(begin: &Begin) -> Result<()> {
    check_name(&begin.name)?;
    begin.modified_ms.map_or(Ok(()), check_time)?;
    match begin.size_bytes.unwrap_or(0).max(begin.chunk_bytes) {
        size_bytes if size_bytes > MOST_BYTES => Err(Error::TooLarge { size_bytes, limit_bytes: MOST_BYTES }),
        _ => Ok(()),
    }
}

/// Opens a session. `Exists`, `NoSpace`, `TooLarge`, `Invalid`, `NotFound`, `Forbidden`.
pub async fn begin(app: &Arc<App>, user: &User, begin: Begin) -> Result<Upload> {
    check(&begin)?;
    let (app, user) = (app.clone(), user.clone());
    to_the_end(async move {
        let size_bytes = begin.size_bytes.unwrap_or(0);
        let session = start(&app, size_bytes, move |tx| draft(tx, &user, &begin)).await?;
        Ok(Upload::of(&session))
    })
    .await
}

/// Makes the temporary, then the row. `draft` judges twice: before anything is made, and in the transaction that makes it.
async fn start(
    app: &App,
    size_bytes: u64,
    draft: impl Fn(&mut Tx) -> Result<(Session, Library)> + Send + Sync + 'static,
) -> Result<Session> {
    let draft = Arc::new(draft);
    let first = draft.clone();
    let (_, library) = app.db.read(move |tx| first(tx)).await?;
    let place = library.clone();
    let temporary = on_disk(move || Ok(open(&library)?.create_temporary(size_bytes)?.keep())).await?;
    let name = temporary.clone();
    let started = app
        .db
        .write(move |tx| {
            let (session, _) = draft(tx)?;
            let session = Session { temporary: name, ..session };
            uploads::insert(tx, &session, now_ms())?;
            Ok(session)
        })
        .await;
    if started.is_err() {
        on_disk(move || remove_temporary(&place, &temporary)).await?;
    }
    started
}

// Receiving ----------------------------------------------------------------------------------------------------------

/// What requests of one upload know of each other, in this process. On another node a twin of a request could still write
/// bytes that are acknowledged; clients send the same bytes again, if any.
#[derive(Default)]
struct Live {
    state: RwLock<LiveState>,
}

#[derive(Default)]
struct LiveState {
    /// Acknowledged, or about to be; sorted, apart from each other.
    done: Vec<Range<u64>>,
    /// The file is getting its name, and is not ours to write any more.
    is_closed: bool,
}

static LIVE: LazyLock<Mutex<HashMap<String, Weak<Live>>>> = LazyLock::new(Mutex::default);

fn live(upload_id: &str) -> Arc<Live> {
    let mut all = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(live) = all.get(upload_id).and_then(Weak::upgrade) {
        return live;
    }
    all.retain(|_, live| live.strong_count() > 0);
    let live = Arc::new(Live::default());
    all.insert(upload_id.to_owned(), Arc::downgrade(&live));
    live
}

impl LiveState {
    fn add(&mut self, range: Range<u64>) {
        let (touching, mut apart): (Vec<_>, Vec<_>) =
            self.done.drain(..).partition(|done| done.start <= range.end && range.start <= done.end);
        let merged = touching.into_iter().fold(range, |all, done| all.start.min(done.start)..all.end.max(done.end));
        let place = apart.partition_point(|done| done.start < merged.start);
        apart.insert(place, merged);
        self.done = apart;
    }

    /// The parts of a range that nothing acknowledged covers.
    fn gaps(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let mut gaps = Vec::new();
        let mut at = range.start;
        for done in &self.done {
            if done.start >= range.end {
                break;
            }
            if done.start > at {
                gaps.push(at..done.start);
            }
            at = at.max(done.end);
        }
        if at < range.end {
            gaps.push(at..range.end);
        }
        gaps
    }
}

impl Live {
    fn know(&self, ranges: Vec<Range<u64>>) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        ranges.into_iter().for_each(|range| state.add(range));
    }

    fn write(&self, file: &File, at: u64, pieces: &[Bytes]) -> Result<()> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if state.is_closed {
            return Err(Error::NotFound(Thing::Upload));
        }
        let mut start = at;
        for piece in pieces {
            let end = start + piece.len() as u64;
            for gap in state.gaps(start..end) {
                let part = &piece[(gap.start - start) as usize..(gap.end - start) as usize];
                file.write_all_at(part, gap.start)?;
            }
            start = end;
        }
        Ok(())
    }

    /// From here on the bytes stay as they are, and are on the disk when this returns.
    fn seal(&self, file: &File, range: Range<u64>) -> Result<()> {
        {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            if state.is_closed {
                return Err(Error::NotFound(Thing::Upload));
            }
            if !range.is_empty() {
                state.add(range);
            }
        }
        file.sync_data().map_err(|cause| {
            // After a failed sync nobody knows what is on the disk. Nothing was noted: those who try again begin anew.
            self.close(Closed::Yes);
            cause.into()
        })
    }

    /// Whether it was open before.
    fn close(&self, closed: Closed) -> bool {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        !std::mem::replace(&mut state.is_closed, closed == Closed::Yes)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closed {
    Yes,
    No,
}

/// Where a body goes, and how long it has to be.
#[derive(Debug, Clone, Copy)]
struct Extent {
    start: u64,
    least_bytes: u64,
    most_bytes: u64,
}

fn chunk_extent(session: &Session, index: u64, declared_bytes: Option<u64>) -> Result<Extent> {
    let bad_index = || Error::invalid("chunk index", "there is no such chunk");
    let chunk_bytes = match (session.chunk_bytes, session.size_bytes) {
        (0, None) => return Err(Error::invalid("chunk index", "this upload has no chunks")),
        (0, Some(size_bytes)) => size_bytes,
        (chunk_bytes, _) => chunk_bytes,
    };
    let start = index.checked_mul(chunk_bytes).filter(|start| *start <= MOST_BYTES).ok_or_else(bad_index)?;
    let extent = match session.size_bytes {
        Some(size_bytes) => {
            if start >= size_bytes && index > 0 {
                return Err(bad_index());
            }
            let expected = chunk_bytes.min(size_bytes - start);
            Extent { start, least_bytes: expected, most_bytes: expected }
        }
        None => Extent { start, least_bytes: 0, most_bytes: chunk_bytes },
    };
    match declared_bytes {
        Some(declared) if !(extent.least_bytes..=extent.most_bytes).contains(&declared) => Err(bad_length(&extent)),
        Some(declared) => Ok(Extent { least_bytes: declared, most_bytes: declared, ..extent }),
        None => Ok(extent),
    }
}

fn bad_length(extent: &Extent) -> Error {
    match extent.least_bytes == extent.most_bytes {
        true => Error::invalid("chunk length", format!("it has to be {} bytes", extent.most_bytes)),
        false => Error::invalid("chunk length", format!("at most {} bytes", extent.most_bytes)),
    }
}

/// A session with what is needed to write to it.
struct Opened {
    session: Session,
    library: Library,
    ranges: Vec<Range<u64>>,
    /// The end that no quota lets it pass.
    most_bytes: u64,
}

fn opened(tx: &mut Tx, user: &User, upload_id: &str) -> Result<Opened> {
    let session = uploads::of_user(tx, user.key, upload_id, now_ms())?;
    let folder = library::item(tx, session.folder)?.ok_or(Error::NotFound(Thing::Folder))?;
    // Rights may have been taken since it began.
    let folder = by_rights(tx, user, folder, Action::Create)?;
    let library = folder.library().clone();
    let room = match session.size_bytes {
        Some(_) => None,
        None => room_bytes(tx, user, &library, upload_id)?,
    };
    let ranges = uploads::ranges(tx, upload_id)?;
    Ok(Opened { session, library, ranges, most_bytes: room.unwrap_or(MOST_BYTES).min(MOST_BYTES) })
}

async fn open_session(app: &App, user: &User, upload_id: &str) -> Result<Opened> {
    let (user, id) = (user.clone(), upload_id.to_owned());
    app.db.read(move |tx| opened(tx, &user, &id)).await
}

/// Streams a body to its place; answers how many bytes came. Nothing is noted yet.
async fn receive(live: &Arc<Live>, file: &Arc<File>, extent: Extent, most_end: u64, body: Body) -> Result<u64> {
    let mut stream = body.into_data_stream();
    let (mut taken, mut written) = (0u64, 0u64);
    let mut pieces: Vec<Bytes> = Vec::new();
    let mut flush = async |pieces: &mut Vec<Bytes>, taken: u64| {
        let (live, file, pieces, at) = (live.clone(), file.clone(), std::mem::take(pieces), extent.start + written);
        written = taken;
        on_disk(move || live.write(&file, at, &pieces)).await
    };
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|_| Error::invalid("body", "it broke off"))?;
        taken = taken.saturating_add(piece.len() as u64);
        if taken > extent.most_bytes {
            return Err(bad_length(&extent));
        }
        if extent.start.saturating_add(taken) > most_end {
            return Err(Error::NoSpace);
        }
        pieces.push(piece);
        if pieces.iter().map(Bytes::len).sum::<usize>() >= BUFFER_BYTES {
            flush(&mut pieces, taken).await?;
        }
    }
    if taken < extent.least_bytes {
        return Err(bad_length(&extent));
    }
    if !pieces.is_empty() {
        flush(&mut pieces, taken).await?;
    }
    Ok(taken)
}

/// The file of a session, for as many writers as there are; whoever is done with it leaves it where it is.
fn temporary_file(library: &Library, name: &str) -> Result<File> {
    let temporary = open(library)?.resume_temporary(name)?;
    let file = temporary.file().try_clone();
    temporary.keep();
    Ok(file?)
}

/// Receives, syncs, then notes: answers the session as it is now.
async fn write(
    app: &App,
    user: &User,
    upload_id: &str,
    extent: impl FnOnce(&Session) -> Result<Extent>,
    body: Body,
) -> Result<Session> {
    // Before the rows are read: what is noted after that is then known here too.
    let live = live(upload_id);
    let Opened { mut session, library, ranges, most_bytes } = open_session(app, user, upload_id).await?;
    live.know(ranges);
    let extent = extent(&session)?;
    let name = session.temporary.clone();
    let file = Arc::new(on_disk(move || temporary_file(&library, &name)).await?);
    let taken = receive(&live, &file, extent, most_bytes, body).await?;
    let range = extent.start..extent.start + taken;
    let noted = range.clone();
    on_disk(move || live.seal(&file, range)).await?;
    let (user, id) = (user.clone(), session.id.clone());
    let expires_ms = now_ms().saturating_add(LASTS_MS);
    session.received_bytes = app
        .db
        .write(move |tx| {
            let now = opened(tx, &user, &id)?;
            let received_bytes = uploads::record(tx, &id, noted, expires_ms)?;
            // The running total, whatever else came meanwhile.
            if received_bytes > now.most_bytes {
                return Err(Error::NoSpace);
            }
            Ok(received_bytes)
        })
        .await?;
    session.expires_ms = expires_ms;
    Ok(session)
}

/// One chunk, in any order, as many at once as wanted. The last one that was missing ends the upload. A chunk that was
/// acknowledged may come again and changes nothing.
pub async fn write_chunk(
    app: &Arc<App>,
    user: &User,
    upload_id: &str,
    index: u64,
    body: Body,
    declared_bytes: Option<u64>,
) -> Result<Progress> {
    let session = write(app, user, upload_id, |session| chunk_extent(session, index, declared_bytes), body).await?;
    match session.size_bytes {
        Some(size_bytes) if session.received_bytes >= size_bytes => {
            Ok(Progress::Done(finish(app, user, upload_id).await?))
        }
        _ => Ok(Progress::More { received_bytes: session.received_bytes }),
    }
}

/// Bytes at an offset of the client's choice; answers how many arrived in all. An empty body changes nothing.
pub async fn write_at(app: &Arc<App>, user: &User, upload_id: &str, offset: u64, body: Body) -> Result<u64> {
    let extent = |session: &Session| {
        let end = session.size_bytes.unwrap_or(MOST_BYTES);
        match end.checked_sub(offset) {
            Some(most_bytes) => Ok(Extent { start: offset, least_bytes: 0, most_bytes }),
            None => Err(Error::invalid("offset", "it lies beyond the end")),
        }
    };
    Ok(write(app, user, upload_id, extent, body).await?.received_bytes)
}

// Ending -------------------------------------------------------------------------------------------------------------

/// Gives the file its name. On an error the upload is as it was: what is missing may still come.
pub async fn finish(app: &Arc<App>, user: &User, upload_id: &str) -> Result<Item> {
    let (app, user, id) = (app.clone(), user.clone(), upload_id.to_owned());
    to_the_end(async move {
        let live = live(&id);
        let Opened { session, ranges, .. } = open_session(&app, &user, &id).await?;
        let end = ranges.last().map_or(0, |range| range.end);
        let total = session.size_bytes.unwrap_or(end);
        let is_whole = matches!(ranges.as_slice(), [all] if *all == (0..total)) || ranges.is_empty() && total == 0;
        if !is_whole {
            let missing = total.max(end).saturating_sub(session.received_bytes);
            return Err(Error::invalid("upload", format!("{missing} bytes are missing")));
        }
        land(&app, &user, &live, session, total, None).await
    })
    .await
}

/// Where an upload goes in the end.
struct Target {
    library: Library,
    folder: ItemKey,
    path: Vec<Vec<u8>>,
    existing: Existing,
    /// Its name is taken: another is found.
    numbered: bool,
}

fn target(tx: &mut Tx, user: &User, session: &Session, total: u64, revision: Option<i64>) -> Result<Target> {
    let replaced = match session.replaces {
        Some(key) => library::item(tx, key)?,
        None => None,
    };
    if let Some(item) = replaced {
        let grant = by_rights(tx, user, item, Action::Update)?;
        let item = grant.item();
        let folder = item.parent.ok_or(Error::NotFound(Thing::File))?;
        check_quota(tx, user, grant.library(), session, total, Some(item))?;
        if let Some(revision) = revision {
            files::claim(tx, item.key, revision)?;
        }
        let (library, path) = (grant.library().clone(), grant.path().to_vec());
        return Ok(Target { library, folder, path, existing: Existing::Replace, numbered: false });
    }
    if revision.is_some() {
        return Err(Error::NotFound(Thing::File));
    }
    let folder = library::item(tx, session.folder)?.ok_or(Error::NotFound(Thing::Folder))?;
    let grant = by_rights(tx, user, folder, Action::Create)?;
    check_quota(tx, user, grant.library(), session, total, None)?;
    let mut path = grant.path().to_vec();
    path.push(session.name.clone());
    let existing = match session.on_conflict {
        OnConflict::Replace => {
            if let Some(item) = library::child_named(tx, session.folder, &session.name)? {
                by_rights(tx, user, item, Action::Update)?;
            }
            Existing::Replace
        }
        OnConflict::Refuse | OnConflict::Rename => Existing::Refuse,
    };
    let numbered = session.on_conflict == OnConflict::Rename;
    Ok(Target { library: grant.library().clone(), folder: session.folder, path, existing, numbered })
}

/// The one step that makes a file of an upload: its name on the disk, then its rows.
async fn land(
    app: &App,
    user: &User,
    live: &Live,
    session: Session,
    total: u64,
    revision: Option<i64>,
) -> Result<Item> {
    if !live.close(Closed::Yes) {
        return Err(Error::Conflict(Thing::Upload));
    }
    let landed = land_closed(app, user, session, total, revision).await;
    if landed.is_err() {
        live.close(Closed::No);
    }
    let (item, library) = landed?;
    if item.media == crate::library::Media::Audio {
        refresh_albums(app, library.key).await?;
    }
    Ok(item)
}

async fn land_closed(
    app: &App,
    user: &User,
    session: Session,
    total: u64,
    revision: Option<i64>,
) -> Result<(Item, Library)> {
    let (user, judged) = (user.clone(), session.clone());
    // Writes only when a revision is to be claimed.
    let target = move |tx: &mut Tx| target(tx, &user, &judged, total, revision);
    let target = if revision.is_some() { app.db.write(target).await? } else { app.db.read(target).await? };
    let (folder, library) = (target.folder, target.library.clone());
    let (name, modified_ms) = (session.temporary.clone(), session.modified_ms);
    let found: Found = on_disk(move || {
        let root = open(&target.library)?;
        let mut temporary = root.resume_temporary(&name)?;
        let named = prepare(&temporary, total, modified_ms).and_then(|()| match target.numbered {
            false => root.try_commit(&mut temporary, &target.path, target.existing).map(|()| target.path.clone()),
            true => {
                let (name, folder) = target.path.split_last().ok_or_else(|| Error::internal("upload", "no name"))?;
                with_free_name(folder, name, |path| root.try_commit(&mut temporary, path, target.existing))
            }
        });
        match named {
            Ok(path) => look(&root, &path),
            Err(cause) => {
                temporary.keep();
                Err(cause)
            }
        }
    })
    .await?;
    let key = library.key;
    // Without these rows the file is there for the next scan, and the session, whose temporary is gone, expires.
    let item = store_rows(app, key, move |tx| {
        uploads::remove(tx, &session.id)?;
        found.store(tx, key, folder)
    })
    .await?;
    Ok((item, library))
}

fn prepare(temporary: &Temporary, total: u64, modified_ms: Option<i64>) -> Result<()> {
    let size_bytes = Stat::of(temporary.file())?.size_bytes;
    if size_bytes < total {
        return Err(Error::internal("upload", format!("{size_bytes} bytes of {total} are on the disk")));
    }
    if size_bytes > total {
        // What a body that broke off left behind.
        temporary.file().set_len(total)?;
    }
    modified_ms.map_or(Ok(()), |modified_ms| set_modified(temporary.file(), modified_ms))
}

/// Gives an upload up; what came is removed.
pub async fn cancel(app: &Arc<App>, user: &User, upload_id: &str) -> Result<()> {
    let (app, user, id) = (app.clone(), user.clone(), upload_id.to_owned());
    to_the_end(async move {
        let owner = user.key;
        let (session, library) = app
            .db
            .write(move |tx| {
                let session = uploads::of_user(tx, owner, &id, now_ms())?;
                // Also of a folder that went, or that may not be written to any more.
                let folder = files::library_of(tx, session.folder)?;
                uploads::remove(tx, &session.id)?;
                Ok((session, library::by_key(tx, folder)?))
            })
            .await?;
        live(&session.id).close(Closed::Yes);
        on_disk(move || remove_temporary(&library, &session.temporary)).await
    })
    .await
}

fn remove_temporary(library: &Library, name: &str) -> Result<()> {
    match open(library)?.resume_temporary(name) {
        // Dropped, it goes.
        Ok(_) | Err(Error::NotFound(_)) => Ok(()),
        Err(cause) => Err(cause),
    }
}

// In one request -----------------------------------------------------------------------------------------------------

/// A whole file in one request. A body that breaks off leaves nothing.
pub async fn whole(app: &Arc<App>, user: &User, begin: Begin, body: Body) -> Result<Item> {
    check(&begin)?;
    let (app, user) = (app.clone(), user.clone());
    to_the_end(async move {
        let (judge, size_bytes) = (user.clone(), begin.size_bytes.unwrap_or(0));
        let session = start(&app, size_bytes, move |tx| draft(tx, &judge, &begin)).await?;
        stream(&app, &user, session, body, None).await
    })
    .await
}

/// New content for a file. `Conflict(Version)` when it is not what the caller last saw.
pub async fn replace(
    app: &Arc<App>,
    user: &User,
    item_id: &str,
    previous_revision: Option<i64>,
    body: Body,
    modified_ms: Option<i64>,
) -> Result<Item> {
    modified_ms.map_or(Ok(()), check_time)?;
    let (app, user, id) = (app.clone(), user.clone(), item_id.to_owned());
    to_the_end(async move {
        let size_bytes = axum::body::HttpBody::size_hint(&body).exact();
        let judge = user.clone();
        let session = start(&app, size_bytes.unwrap_or(0), move |tx| {
            let item =
                library::item_by_id(tx, &id)?.filter(|item| !item.is_folder()).ok_or(Error::NotFound(Thing::File))?;
            let grant = by_rights(tx, &judge, item, Action::Update)?;
            let item = grant.item();
            if previous_revision.is_some_and(|revision| revision != item.revision) {
                return Err(Error::Conflict(Thing::Version));
            }
            let parent = library::item(tx, item.parent.ok_or(Error::NotFound(Thing::File))?)?;
            let parent = parent.ok_or(Error::NotFound(Thing::Folder))?;
            let folder = by_rights(tx, &judge, parent.clone(), Action::List)?;
            let begin = Begin {
                into: Place::Item(parent),
                name: String::new(),
                size_bytes,
                chunk_bytes: 0,
                modified_ms,
                on_conflict: OnConflict::Replace,
            };
            let (mut session, library) = session(tx, &judge, &folder, &begin, Some(item.clone()))?;
            session.name = item.name.clone();
            Ok((session, library))
        })
        .await?;
        stream(&app, &user, session, body, previous_revision).await
    })
    .await
}

/// The body of a session that lives as long as its one request. Nothing is noted on the way: it is all or nothing.
async fn stream(app: &Arc<App>, user: &User, session: Session, body: Body, revision: Option<i64>) -> Result<Item> {
    let id = session.id.clone();
    let landed = async {
        let live = live(&id);
        let (judge, upload) = (user.clone(), session.id.clone());
        let (library, most_bytes) = app
            .db
            .read(move |tx| {
                let session = uploads::of_user(tx, judge.key, &upload, now_ms())?;
                let library = files::library_of(tx, session.folder)?;
                let library = library::by_key(tx, library)?;
                let freed = match session.replaces {
                    Some(key) => library::item(tx, key)?.map_or(0, |item| item.size_bytes),
                    None => 0,
                };
                let room = room_bytes(tx, &judge, &library, &upload)?.map(|room| room.saturating_add(freed));
                Ok((library, room.unwrap_or(MOST_BYTES).min(MOST_BYTES)))
            })
            .await?;
        let name = session.temporary.clone();
        let file = Arc::new(on_disk(move || temporary_file(&library, &name)).await?);
        let extent = match session.size_bytes {
            Some(size_bytes) => Extent { start: 0, least_bytes: size_bytes, most_bytes: size_bytes },
            None => Extent { start: 0, least_bytes: 0, most_bytes: MOST_BYTES },
        };
        let total = receive(&live, &file, extent, most_bytes, body).await?;
        land(app, user, &live, session, total, revision).await
    };
    let landed = landed.await;
    if landed.is_err() {
        // It may be gone already, when only what comes after the rows failed.
        let _ = cancel(app, user, &id).await;
    }
    landed
}

// Sweeping -----------------------------------------------------------------------------------------------------------

/// Removes what expired uploads left; at the start and each hour. Tells how many there were.
pub async fn sweep(app: &Arc<App>) -> Result<usize> {
    let expired = app.db.read(|tx| {
        let libraries = library::all(tx)?;
        let at = |key| libraries.iter().find(|library| library.key == key).cloned();
        Ok(uploads::expired(tx, now_ms())?.into_iter().map(|(id, name, key)| (id, name, at(key))).collect::<Vec<_>>())
    });
    let expired = expired.await?;
    let count = expired.len();
    for (id, temporary, library) in expired {
        if let Some(library) = library {
            live(&id).close(Closed::Yes);
            // A library that is offline keeps it until the next start with it.
            if let Err(cause) = on_disk(move || remove_temporary(&library, &temporary)).await {
                tracing::warn!("an expired upload stays on the disk: {cause}");
            }
        }
        app.db.write(move |tx| uploads::remove(tx, &id)).await?;
    }
    Ok(count)
}

/// Before the first request: also what a crash left behind, temporaries that no upload waits for among it.
pub async fn sweep_at_start(app: &Arc<App>) -> Result<()> {
    sweep(app).await?;
    let libraries = app.db.read(library::all).await?;
    for library in libraries.into_iter().filter(|library| library.writable && library.only.is_none()) {
        let key = library.key;
        let wanted = app.db.read(move |tx| uploads::temporaries(tx, key)).await?;
        let here = library.clone();
        let swept =
            on_disk(move || open(&here)?.sweep_temporaries(|name| wanted.iter().any(|wanted| wanted == name))).await;
        let mended = match swept {
            Ok(_) => super::files::mend_trash(app, &library).await,
            Err(cause) => Err(cause),
        };
        if let Err(cause) = mended {
            tracing::warn!(library = library.name, "not swept: {cause}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn gaps_and_what_is_done_make_up_the_whole(ranges in proptest::collection::vec((0u64..60, 1u64..20), 0..12)) {
            let mut state = LiveState::default();
            let mut bytes = [false; 100];
            for (start, length) in ranges {
                state.add(start..start + length);
                bytes[start as usize..(start + length) as usize].fill(true);
            }
            prop_assert!(state.done.windows(2).all(|pair| pair[0].end < pair[1].start));
            let mut gaps = [true; 100];
            state.gaps(0..100).into_iter().for_each(|gap| gaps[gap.start as usize..gap.end as usize].fill(false));
            prop_assert_eq!(bytes, gaps);
        }
    }
}
