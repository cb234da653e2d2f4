//! One engine behind every door's uploads.
//!
//! The bytes go to a temporary file beneath the library's own hidden folder, written in place at their offsets, by as many
//! requests at once as the client likes. What arrived is noted as ranges of bytes, each only after it is synced: a power
//! cut loses what no answer had acknowledged yet, and nothing else. Acknowledged bytes are never written again, so that a
//! late twin of a request cannot harm them. At the end the file gets its name in one step; until then nobody sees it.
//!
//! A small file that comes in one request has no session: it is written, synced and named on one blocking thread, and its
//! rows share their commit with others.

pub mod digest;
pub mod ranges;
mod twin;

use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::drop_box::{self, Sender};
use super::files::{
    Found, Place, by_rights, check_name, check_time, folder_of, look, on_disk, open, refresh_albums, room_bytes,
    store_rows, to_the_end, with_free_name,
};
use crate::account::User;
use crate::account::token::random_base62;
use crate::blob::disk::{Root, set_modified};
use crate::blob::{Existing, Kind, Stat, Temporary};
use crate::error::{Error, Result, Thing};
use crate::library::{Item, ItemKey, Library, Media};
use crate::share::grant::{Action, Grant};
use crate::store::drop_boxes::{self, Sent};
pub use crate::store::uploads::OnConflict;
use crate::store::uploads::{Guest, Session};
use crate::store::{Tx, contents, files, library, uploads};
use crate::{App, now_ms};
use digest::{Hashing, Sha256, Told};
use ranges::Ranges;
pub use twin::twin;

/// An upload ends when nothing arrived for this long.
const LASTS_MS: i64 = 24 * 60 * 60 * 1000;
/// Held of one body in memory at most, but for the last piece that came.
const BUFFER_BYTES: usize = 1024 * 1024;
const MOST_BYTES: u64 = i64::MAX as u64;
/// Uploads to one drop box that are under way at once, whoever sends them.
const MOST_OPEN_OF_BOX: u64 = 1000;
/// How often it is looked whether a guest may still send; what comes by a revoked share ends within five seconds.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Who brings a file, and by what right.
#[derive(Debug, Clone)]
pub enum Uploader {
    /// Somebody who may write there themselves.
    User(User),
    /// A guest of a drop box, whose files count as its owner's.
    Sender(Sender),
}

impl From<&User> for Uploader {
    fn from(user: &User) -> Uploader {
        Uploader::User(user.clone())
    }
}

impl From<&Sender> for Uploader {
    fn from(sender: &Sender) -> Uploader {
        Uploader::Sender(sender.clone())
    }
}

/// The bytes of one request, and what their client says of them.
pub struct Content {
    pub body: Body,
    pub told: Told,
}

impl From<Body> for Content {
    fn from(body: Body) -> Content {
        Content { body, told: Told::default() }
    }
}

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
    /// Of the whole, checked at the end.
    pub sha256: Option<Sha256>,
}

impl Begin {
    /// One stream, of which nothing is known before its end.
    pub fn stream(into: Place, name: String, on_conflict: OnConflict) -> Begin {
        Begin { into, name, size_bytes: None, chunk_bytes: 0, modified_ms: None, on_conflict, sha256: None }
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

/// One of the uploader's own, and what of it is there; `NotFound(Upload)` also for somebody else's.
pub fn by_id(tx: &mut Tx, who: impl Into<Uploader>, upload_id: &str) -> Result<(Upload, Ranges)> {
    let session = session_of(tx, &who.into(), upload_id)?;
    Ok((Upload::of(&session), uploads::ranges(tx, upload_id)?.into_iter().collect()))
}

/// All of the user's uploads that are under way.
pub fn list(tx: &mut Tx, user: &User) -> Result<Vec<Upload>> {
    Ok(uploads::list(tx, user.key, now_ms())?.iter().map(Upload::of).collect())
}

fn session_of(tx: &mut Tx, who: &Uploader, upload_id: &str) -> Result<Session> {
    match who {
        Uploader::User(user) => uploads::of_user(tx, user.key, upload_id, now_ms()),
        Uploader::Sender(sender) => {
            let opened = drop_box::open(tx, sender)?;
            let share = &opened.facts.share;
            let session = uploads::of_sender(tx, share.key, &opened.sender, upload_id, now_ms())?;
            let is_of_before = session.guest.as_ref().is_none_or(|guest| guest.epoch != share.epoch);
            if is_of_before { Err(Error::NotFound(Thing::Upload)) } else { Ok(session) }
        }
    }
}

/// Leave to make a file in a folder, and the user whose quota it costs.
fn may_create(tx: &mut Tx, who: &Uploader, folder: Item) -> Result<(Grant, User)> {
    match who {
        Uploader::User(user) => Ok((by_rights(tx, user, folder, Action::Create)?, user.clone())),
        Uploader::Sender(sender) => {
            let opened = drop_box::open(tx, sender)?;
            Ok((opened.grant(tx, &sender.visitor, folder)?, opened.facts.owner))
        }
    }
}

/// The place of a file of this name, for the one who may replace it. A guest replaces nothing.
fn may_update(tx: &mut Tx, who: &Uploader, item: Item) -> Result<Grant> {
    match who {
        Uploader::User(user) => by_rights(tx, user, item, Action::Update),
        Uploader::Sender(_) => Err(Error::Forbidden("only new files can be sent")),
    }
}

// Beginning ----------------------------------------------------------------------------------------------------------

/// Judges, and makes the session's row but for its temporary. What it replaces need not be in memory later: it is looked
/// up again at the end.
fn draft(tx: &mut Tx, who: &Uploader, begin: &Begin) -> Result<(Session, Library)> {
    let user = match who {
        Uploader::User(user) => user,
        Uploader::Sender(sender) => return draft_of_guest(tx, sender, begin),
    };
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
    let session = blank(user, folder, begin, replaces.as_ref());
    check_room(tx, user, folder.library(), &session, begin.size_bytes.unwrap_or(0), replaces.as_ref())?;
    Ok((session, folder.library().clone()))
}

fn blank(payer: &User, folder: &Grant, begin: &Begin, replaces: Option<&Item>) -> Session {
    Session {
        id: random_base62(22),
        account: payer.key,
        folder: folder.item().key,
        replaces: replaces.map(|item| item.key),
        name: begin.name.clone().into_bytes(),
        size_bytes: begin.size_bytes,
        chunk_bytes: begin.chunk_bytes,
        received_bytes: 0,
        modified_ms: begin.modified_ms,
        on_conflict: begin.on_conflict,
        temporary: String::new(),
        inode: 0,
        sha256: begin.sha256,
        expires_ms: now_ms().saturating_add(LASTS_MS),
        guest: None,
    }
}

/// A guest's file is always new: whether its name is taken is not for them to know.
fn draft_of_guest(tx: &mut Tx, sender: &Sender, begin: &Begin) -> Result<(Session, Library)> {
    let Place::Item(folder) = &begin.into else { return Err(Error::NotFound(Thing::Folder)) };
    let opened = drop_box::open(tx, sender)?;
    let folder = library::item(tx, folder.key)?.ok_or(Error::NotFound(Thing::Folder))?;
    let grant = opened.grant(tx, &sender.visitor, folder)?;
    let (share, owner) = (&opened.facts.share, &opened.facts.owner);
    if drop_boxes::open_uploads(tx, share.key)? >= MOST_OPEN_OF_BOX {
        return Err(Error::Forbidden("too many files are on their way to this box"));
    }
    let blank = blank(owner, &grant, begin, None);
    let session = Session {
        on_conflict: OnConflict::Rename,
        expires_ms: blank.expires_ms.min(share.terms.expires_ms.unwrap_or(i64::MAX)),
        guest: Some(Guest { share: share.key, epoch: share.epoch, sender: opened.sender.clone() }),
        ..blank
    };
    check_room(tx, owner, grant.library(), &session, begin.size_bytes.unwrap_or(0), None)?;
    Ok((session, grant.library().clone()))
}

/// `NoSpace` when the home would hold more than its quota, counting what other uploads are going to bring; and what a
/// drop box does not take.
fn check_room(
    tx: &mut Tx,
    payer: &User,
    library: &Library,
    session: &Session,
    size_bytes: u64,
    replaces: Option<&Item>,
) -> Result<()> {
    if let Some(guest) = &session.guest {
        let terms = drop_boxes::terms(tx, guest.share)?;
        terms.check_file(&String::from_utf8_lossy(&session.name), size_bytes)?;
        terms.check_room(drop_boxes::received(tx, guest.share, &session.id)?, size_bytes)?;
    }
    let room = room_bytes(tx, payer, library, &session.id)?;
    let freed = replaces.map_or(0, |item| item.size_bytes);
    match room {
        Some(room) if size_bytes > room.saturating_add(freed) => Err(Error::NoSpace),
        _ => Ok(()),
    }
}

/// The end that no quota and no drop box lets an upload pass.
fn most_bytes(tx: &mut Tx, payer: &User, library: &Library, session: &Session) -> Result<u64> {
    let freed = match session.replaces {
        Some(key) => library::item(tx, key)?.map_or(0, |item| item.size_bytes),
        None => 0,
    };
    let room = room_bytes(tx, payer, library, &session.id)?.map(|room| room.saturating_add(freed));
    let of_box = match &session.guest {
        Some(guest) => {
            let others = drop_boxes::received(tx, guest.share, &session.id)?;
            drop_boxes::terms(tx, guest.share)?.most_bytes(others)
        }
        None => None,
    };
    Ok([room, of_box].into_iter().flatten().fold(MOST_BYTES, u64::min))
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
pub async fn begin(app: &Arc<App>, who: impl Into<Uploader>, begin: Begin) -> Result<Upload> {
    check(&begin)?;
    let (app, who) = (app.clone(), who.into());
    to_the_end(async move {
        let size_bytes = begin.size_bytes.unwrap_or(0);
        let session = start(&app, size_bytes, move |tx| draft(tx, &who, &begin)).await?;
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
    let made = on_disk(move || {
        let temporary = open(&library)?.create_temporary(size_bytes)?;
        let inode = Stat::of(temporary.file())?.inode;
        Ok((temporary.keep(), inode))
    });
    let (temporary, inode) = made.await?;
    let name = temporary.clone();
    let started = app
        .db
        .write(move |tx| {
            let (session, _) = draft(tx)?;
            let session = Session { temporary: name, inode, ..session };
            uploads::insert(tx, &session, now_ms())?;
            Ok(session)
        })
        .await;
    if started.is_err() {
        on_disk(move || remove_temporary(&place, &temporary).map(drop)).await?;
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
    /// Acknowledged, or about to be.
    done: Ranges,
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

impl Live {
    fn know(&self, ranges: &Ranges) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        ranges.iter().for_each(|range| state.done.add(range.clone()));
    }

    fn write(&self, file: &File, at: u64, pieces: &[Bytes]) -> Result<()> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if state.is_closed {
            return Err(Error::NotFound(Thing::Upload));
        }
        let mut start = at;
        for piece in pieces {
            let end = start + piece.len() as u64;
            for gap in state.done.gaps(start..end) {
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
            state.done.add(range);
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
    ranges: Ranges,
    /// The end that no quota lets it pass.
    most_bytes: u64,
}

fn opened(tx: &mut Tx, who: &Uploader, upload_id: &str) -> Result<Opened> {
    let session = session_of(tx, who, upload_id)?;
    let folder = library::item(tx, session.folder)?.ok_or(Error::NotFound(Thing::Folder))?;
    // Rights may have been taken since it began.
    let (folder, payer) = may_create(tx, who, folder)?;
    let library = folder.library().clone();
    let most_bytes = match session.size_bytes {
        Some(_) => MOST_BYTES,
        None => most_bytes(tx, &payer, &library, &session)?,
    };
    let ranges = uploads::ranges(tx, upload_id)?.into_iter().collect();
    Ok(Opened { session, library, ranges, most_bytes })
}

async fn open_session(app: &App, who: &Uploader, upload_id: &str) -> Result<Opened> {
    let (who, id) = (who.clone(), upload_id.to_owned());
    app.db.read(move |tx| opened(tx, &who, &id)).await
}

/// Waits until a guest may no longer send, and tells why; for a user, who is asked at each request, it never ends.
async fn ended(app: &App, who: &Uploader, upload_id: &str) -> Error {
    let Uploader::Sender(_) = who else { return std::future::pending().await };
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        match open_session(app, who, upload_id).await {
            Err(error) if is_over(&error) => return error,
            Ok(_) | Err(_) => {}
        }
    }
}

/// Whether a guest's upload can never go on: its box was revoked, has expired, or takes no files any more.
fn is_over(error: &Error) -> bool {
    matches!(error, Error::NotFound(_) | Error::Forbidden(_) | Error::ShareLocked | Error::SignInNeeded)
}

/// Streams a body to its place; answers how many bytes came, and their hash if it is known. Nothing is noted yet.
async fn receive(
    live: &Arc<Live>,
    file: &Arc<File>,
    extent: Extent,
    most_end: u64,
    content: Content,
) -> Result<(u64, Option<Sha256>)> {
    let mut stream = content.body.into_data_stream();
    let mut hashing = Hashing::of(content.told);
    let (mut taken, mut written) = (0u64, 0u64);
    let mut pieces: Vec<Bytes> = Vec::new();
    let mut flush = async |pieces: &mut Vec<Bytes>, taken: u64, mut hashing: Hashing| {
        let (live, file, pieces, at) = (live.clone(), file.clone(), std::mem::take(pieces), extent.start + written);
        written = taken;
        on_disk(move || {
            live.write(&file, at, &pieces)?;
            pieces.iter().for_each(|piece| hashing.update(piece));
            Ok(hashing)
        })
        .await
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
            hashing = flush(&mut pieces, taken, hashing).await?;
        }
    }
    if taken < extent.least_bytes {
        return Err(bad_length(&extent));
    }
    if !pieces.is_empty() {
        hashing = flush(&mut pieces, taken, hashing).await?;
    }
    Ok((taken, hashing.finish()?))
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
    who: &Uploader,
    upload_id: &str,
    extent: impl FnOnce(&Session) -> Result<Extent>,
    content: Content,
) -> Result<Session> {
    // Before the rows are read: what is noted after that is then known here too.
    let live = live(upload_id);
    let Opened { mut session, library, ranges, most_bytes } = open_session(app, who, upload_id).await?;
    live.know(&ranges);
    let extent = extent(&session)?;
    let name = session.temporary.clone();
    let file = Arc::new(on_disk(move || temporary_file(&library, &name)).await?);
    let (taken, _) = tokio::select! {
        received = receive(&live, &file, extent, most_bytes, content) => received?,
        why = ended(app, who, upload_id) => {
            // Those who have no box any more cannot take their upload back themselves.
            give_up(app, upload_id).await;
            return Err(why);
        }
    };
    let range = extent.start..extent.start + taken;
    let noted = range.clone();
    on_disk(move || live.seal(&file, range)).await?;
    let (who, id) = (who.clone(), session.id.clone());
    let expires_ms = match session.guest {
        Some(_) => session.expires_ms,
        None => now_ms().saturating_add(LASTS_MS),
    };
    session.received_bytes = app
        .db
        .write(move |tx| {
            let now = opened(tx, &who, &id)?;
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
    who: impl Into<Uploader>,
    upload_id: &str,
    index: u64,
    content: impl Into<Content>,
    declared_bytes: Option<u64>,
) -> Result<Progress> {
    let who = who.into();
    let extent = |session: &Session| chunk_extent(session, index, declared_bytes);
    let session = write(app, &who, upload_id, extent, content.into()).await?;
    ended_or_more(app, who, session).await
}

async fn ended_or_more(app: &Arc<App>, who: Uploader, session: Session) -> Result<Progress> {
    match session.size_bytes {
        Some(size_bytes) if session.received_bytes >= size_bytes => {
            Ok(Progress::Done(finish(app, who, &session.id).await?))
        }
        _ => Ok(Progress::More { received_bytes: session.received_bytes }),
    }
}

/// Bytes at an offset of the client's choice; answers how many arrived in all. An empty body changes nothing.
pub async fn write_at(
    app: &Arc<App>,
    who: impl Into<Uploader>,
    upload_id: &str,
    offset: u64,
    content: impl Into<Content>,
) -> Result<u64> {
    let extent = |session: &Session| extent_at(session, offset);
    Ok(write(app, &who.into(), upload_id, extent, content.into()).await?.received_bytes)
}

/// The same for an upload whose size is known: the bytes that were missing last end it.
pub async fn write_part_at(
    app: &Arc<App>,
    who: impl Into<Uploader>,
    upload_id: &str,
    offset: u64,
    content: impl Into<Content>,
) -> Result<Progress> {
    let who = who.into();
    let extent = |session: &Session| extent_at(session, offset);
    let session = write(app, &who, upload_id, extent, content.into()).await?;
    ended_or_more(app, who, session).await
}

fn extent_at(session: &Session, offset: u64) -> Result<Extent> {
    let end = session.size_bytes.unwrap_or(MOST_BYTES);
    match end.checked_sub(offset) {
        Some(most_bytes) => Ok(Extent { start: offset, least_bytes: 0, most_bytes }),
        None => Err(Error::invalid("offset", "it lies beyond the end")),
    }
}

// Ending -------------------------------------------------------------------------------------------------------------

/// Gives the file its name. On an error the upload is as it was: what is missing may still come.
pub async fn finish(app: &Arc<App>, who: impl Into<Uploader>, upload_id: &str) -> Result<Item> {
    let (app, who, id) = (app.clone(), who.into(), upload_id.to_owned());
    to_the_end(async move {
        let live = live(&id);
        let Opened { session, ranges, .. } = open_session(&app, &who, &id).await?;
        let total = session.size_bytes.unwrap_or(ranges.end());
        if ranges.end() > total || !ranges.gaps(0..total).is_empty() {
            let missing = total.max(ranges.end()).saturating_sub(session.received_bytes);
            return Err(Error::invalid("upload", format!("{missing} bytes are missing")));
        }
        let landed = land(&app, &who, &live, session, total, Landing::default()).await;
        if let Err(Error::Invalid { what: "digest", .. }) = &landed {
            // Every byte was acknowledged, and they are not the file that was meant: nothing could mend that.
            give_up(&app, &id).await;
        }
        landed
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

/// What is known when an upload ends.
#[derive(Debug, Clone, Copy, Default)]
struct Landing {
    /// That of the file to be replaced, as its client saw it.
    revision: Option<i64>,
    /// Of what came, where it was hashed on its way.
    sha256: Option<Sha256>,
}

fn target(tx: &mut Tx, who: &Uploader, session: &Session, total: u64, revision: Option<i64>) -> Result<Target> {
    let replaced = match session.replaces {
        Some(key) => library::item(tx, key)?,
        None => None,
    };
    if let Some(item) = replaced {
        let grant = may_update(tx, who, item)?;
        let item = grant.item();
        let folder = item.parent.ok_or(Error::NotFound(Thing::File))?;
        if let Uploader::User(user) = who {
            check_room(tx, user, grant.library(), session, total, Some(item))?;
        }
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
    let (grant, payer) = may_create(tx, who, folder)?;
    check_room(tx, &payer, grant.library(), session, total, None)?;
    let mut path = grant.path().to_vec();
    path.push(session.name.clone());
    let existing = match session.on_conflict {
        OnConflict::Replace => {
            if let Some(item) = library::child_named(tx, session.folder, &session.name)? {
                may_update(tx, who, item)?;
            }
            Existing::Replace
        }
        OnConflict::Refuse | OnConflict::Rename => Existing::Refuse,
    };
    let numbered = session.on_conflict == OnConflict::Rename;
    Ok(Target { library: grant.library().clone(), folder: session.folder, path, existing, numbered })
}

/// The one step that makes a file of an upload: its name on the disk, then its rows.
async fn land(app: &App, who: &Uploader, live: &Live, session: Session, total: u64, landing: Landing) -> Result<Item> {
    if !live.close(Closed::Yes) {
        return Err(Error::Conflict(Thing::Upload));
    }
    let landed = land_closed(app, who, session, total, landing).await;
    if landed.is_err() {
        live.close(Closed::No);
    }
    let (item, library) = landed?;
    if item.media == Media::Audio {
        refresh_albums(app, library.key).await?;
    }
    Ok(item)
}

async fn land_closed(
    app: &App,
    who: &Uploader,
    session: Session,
    total: u64,
    landing: Landing,
) -> Result<(Item, Library)> {
    let (who, judged) = (who.clone(), session.clone());
    // Writes only when a revision is to be claimed.
    let revision = landing.revision;
    let target = move |tx: &mut Tx| target(tx, &who, &judged, total, revision);
    let target = if revision.is_some() { app.db.write(target).await? } else { app.db.read(target).await? };
    let (folder, library, landed) = (target.folder, target.library.clone(), session.clone());
    let (found, sha256) = on_disk(move || {
        let root = open(&target.library)?;
        let mut temporary = match root.resume_temporary(&session.temporary) {
            // The machine stopped between the name and the rows: the file is where it belongs.
            Err(Error::NotFound(_)) => return Ok((landed_before(&root, &target, &session, total)?, None)),
            other => other?,
        };
        let named = prepare(&temporary, total, session.modified_ms)
            .and_then(|()| verify(&temporary, landing.sha256, session.sha256))
            .and_then(|sha256| Ok((name_it(&root, &mut temporary, &target)?, sha256)));
        if named.is_err() {
            temporary.keep();
        }
        named
    })
    .await?;
    let key = library.key;
    // Without these rows the file is there for the next scan, and the session, whose temporary is gone, expires.
    let item = store_rows(app, key, move |tx| {
        uploads::remove(tx, &landed.id)?;
        let stamp = found.stamp;
        let item = found.store(tx, key, folder)?;
        if let Some(sha256) = &sha256 {
            contents::note(tx, item.key, &stamp, sha256)?;
        }
        if let Some(guest) = &landed.guest {
            drop_boxes::count(tx, guest.share, total)?;
            let name = drop_box::told_name(tx, guest.share, &landed.name, &item.shown)?;
            let sent = Sent { name, size_bytes: total, sha256, sent_ms: now_ms() };
            drop_boxes::note_sent(tx, guest.share, &guest.sender, &sent)?;
        }
        Ok(item)
    })
    .await?;
    Ok((item, library))
}

/// The file under its name, and what the disk says of it. On an error the temporary is as it was.
fn name_it(root: &Root, temporary: &mut Temporary, target: &Target) -> Result<Found> {
    let path = match target.numbered {
        false => {
            root.try_commit(temporary, &target.path, target.existing)?;
            target.path.clone()
        }
        true => {
            let (name, folder) = target.path.split_last().ok_or_else(|| Error::internal("upload", "no name"))?;
            with_free_name(folder, name, |path| root.try_commit(temporary, path, target.existing))?
        }
    };
    look(root, &path)
}

/// What a stop of the machine left between the name and the rows: the temporary's inode under another name.
fn landed_before(root: &Root, target: &Target, session: &Session, total: u64) -> Result<Found> {
    let gone = Error::NotFound(Thing::Upload);
    let (_, folder) = target.path.split_last().ok_or(gone.clone())?;
    let is_it = |stat: &Stat| stat.kind == Kind::File && stat.inode == session.inode && stat.size_bytes == total;
    let (name, _) = root.list(folder)?.into_iter().find(|(_, stat)| is_it(stat)).ok_or(gone)?;
    look(root, &[folder, &[name]].concat())
}

/// Holds the content against the hash that its client told when it began.
fn verify(temporary: &Temporary, known: Option<Sha256>, told: Option<Sha256>) -> Result<Option<Sha256>> {
    let sha256 = match (known, told) {
        (None, Some(_)) => Some(digest::of_file(temporary.file())?),
        (known, _) => known,
    };
    if told.is_some_and(|told| Some(told) != sha256) { Err(digest::mismatch()) } else { Ok(sha256) }
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
pub async fn cancel(app: &Arc<App>, who: impl Into<Uploader>, upload_id: &str) -> Result<()> {
    let (app, who, id) = (app.clone(), who.into(), upload_id.to_owned());
    to_the_end(async move {
        let (session, library) = app
            .db
            .write(move |tx| {
                let session = session_of(tx, &who, &id)?;
                // Also of a folder that went, or that may not be written to any more.
                let folder = files::library_of(tx, session.folder)?;
                uploads::remove(tx, &session.id)?;
                Ok((session, library::by_key(tx, folder)?))
            })
            .await?;
        live(&session.id).close(Closed::Yes);
        on_disk(move || remove_temporary(&library, &session.temporary).map(drop)).await
    })
    .await
}

/// The same by the server itself; what stays is swept.
async fn give_up(app: &App, upload_id: &str) {
    let id = upload_id.to_owned();
    let ended = app.db.write(move |tx| uploads::expire(tx, &id)).await;
    live(upload_id).close(Closed::Yes);
    if let Err(cause) = async { ended.and(sweep(app).await) }.await {
        tracing::warn!("an upload that ended stays for the next sweep: {cause}");
    }
}

/// Whether it was there.
fn remove_temporary(library: &Library, name: &str) -> Result<bool> {
    match open(library)?.resume_temporary(name) {
        // Dropped, it goes.
        Ok(_) => Ok(true),
        Err(Error::NotFound(_)) => Ok(false),
        Err(cause) => Err(cause),
    }
}

// In one request -----------------------------------------------------------------------------------------------------

/// A whole file in one request. A body that breaks off leaves nothing.
pub async fn whole(
    app: &Arc<App>,
    who: impl Into<Uploader>,
    begin: Begin,
    content: impl Into<Content>,
) -> Result<Item> {
    check(&begin)?;
    let (app, who, mut content) = (app.clone(), who.into(), content.into());
    to_the_end(async move {
        let is_large = content.body.size_hint().lower() > BUFFER_BYTES as u64;
        // A drop box counts what is on its way, which takes a session's row.
        if let (Uploader::User(_), false) = (&who, is_large) {
            let (pieces, rest) = first_of(content.body.into_data_stream()).await?;
            content.body = match rest {
                None => match at_once(&app, &who, &begin, &pieces, content.told).await? {
                    Some(item) => return Ok(item),
                    None => Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>))),
                },
                Some(rest) => Body::from_stream(stream::iter(pieces.into_iter().map(Ok)).chain(rest)),
            };
        }
        let (judge, size_bytes) = (who.clone(), begin.size_bytes.unwrap_or(0));
        let session = start(&app, size_bytes, move |tx| draft(tx, &judge, &begin)).await?;
        stream_in(&app, &who, session, content, None).await
    })
    .await
}

/// The beginning of a body, as much as is held of one in memory, and what follows, if there is more.
async fn first_of(mut body: BodyDataStream) -> Result<(Vec<Bytes>, Option<BodyDataStream>)> {
    let (mut pieces, mut taken) = (Vec::new(), 0);
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|_| Error::invalid("body", "it broke off"))?;
        taken += piece.len();
        pieces.push(piece);
        if taken > BUFFER_BYTES {
            return Ok((pieces, Some(body)));
        }
    }
    Ok((pieces, None))
}

/// A file whose bytes are all at hand: one look at the rows, one visit to the disk, one write. `None` where a quota counts
/// what is on its way, which takes a session's row.
async fn at_once(app: &App, who: &Uploader, begin: &Begin, pieces: &[Bytes], told: Told) -> Result<Option<Item>> {
    let total = pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
    if begin.size_bytes.is_some_and(|size_bytes| size_bytes != total) {
        let size_bytes = begin.size_bytes.unwrap_or(total);
        return Err(bad_length(&Extent { start: 0, least_bytes: size_bytes, most_bytes: size_bytes }));
    }
    let (who, begin) = (who.clone(), begin.clone());
    let (modified_ms, sha256) = (begin.modified_ms, begin.sha256);
    let aimed = app.db.read(move |tx| {
        let Uploader::User(user) = &who else { return Ok(None) };
        let (session, library) = draft(tx, &who, &begin)?;
        match room_bytes(tx, user, &library, "")? {
            None => target(tx, &who, &session, total, None).map(Some),
            Some(_) => Ok(None),
        }
    });
    let Some(target) = aimed.await? else { return Ok(None) };
    let (folder, library, pieces) = (target.folder, target.library.clone(), pieces.to_vec());
    let (found, sha256) = on_disk(move || {
        let mut hashing = Hashing::always(told);
        pieces.iter().for_each(|piece| hashing.update(piece));
        let known = hashing.finish()?;
        let root = open(&target.library)?;
        let mut temporary = root.create_temporary(total)?;
        let mut at = 0;
        for piece in &pieces {
            temporary.file().write_all_at(piece, at)?;
            at += piece.len() as u64;
        }
        prepare(&temporary, total, modified_ms)?;
        let known = verify(&temporary, known, sha256)?;
        Ok((name_it(&root, &mut temporary, &target)?, known))
    })
    .await?;
    let key = library.key;
    let item = store_rows(app, key, move |tx| {
        let stamp = found.stamp;
        let item = found.store(tx, key, folder)?;
        if let Some(sha256) = &sha256 {
            contents::note(tx, item.key, &stamp, sha256)?;
        }
        Ok(item)
    })
    .await?;
    if item.media == Media::Audio {
        refresh_albums(app, key).await?;
    }
    Ok(Some(item))
}

/// New content for a file. `Conflict(Version)` when it is not what the caller last saw.
pub async fn replace(
    app: &Arc<App>,
    user: &User,
    item_id: &str,
    previous_revision: Option<i64>,
    content: impl Into<Content>,
    modified_ms: Option<i64>,
) -> Result<Item> {
    modified_ms.map_or(Ok(()), check_time)?;
    let (app, user, id, content) = (app.clone(), user.clone(), item_id.to_owned(), content.into());
    to_the_end(async move {
        let size_bytes = content.body.size_hint().exact();
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
                size_bytes,
                modified_ms,
                ..Begin::stream(Place::Item(parent), String::new(), OnConflict::Replace)
            };
            let (mut session, library) = session(tx, &judge, &folder, &begin, Some(item.clone()))?;
            session.name = item.name.clone();
            Ok((session, library))
        })
        .await?;
        stream_in(&app, &Uploader::User(user), session, content, previous_revision).await
    })
    .await
}

/// The body of a session that lives as long as its one request. Nothing is noted on the way: it is all or nothing.
async fn stream_in(
    app: &Arc<App>,
    who: &Uploader,
    session: Session,
    content: Content,
    revision: Option<i64>,
) -> Result<Item> {
    let id = session.id.clone();
    let landed = async {
        let live = live(&id);
        let (judge, judged) = (who.clone(), session.clone());
        let (library, most_bytes) = app.db.read(move |tx| room_for(tx, &judge, &judged)).await?;
        let name = session.temporary.clone();
        let file = Arc::new(on_disk(move || temporary_file(&library, &name)).await?);
        let extent = match session.size_bytes {
            Some(size_bytes) => Extent { start: 0, least_bytes: size_bytes, most_bytes: size_bytes },
            None => Extent { start: 0, least_bytes: 0, most_bytes: MOST_BYTES },
        };
        let (total, sha256) = tokio::select! {
            received = receive(&live, &file, extent, most_bytes, content) => received?,
            why = ended(app, who, &id) => return Err(why),
        };
        if session.size_bytes.is_none() && most_bytes < MOST_BYTES {
            reserve(app, who, &session, total).await?;
        }
        land(app, who, &live, session, total, Landing { revision, sha256 }).await
    };
    let landed = landed.await;
    if landed.is_err() {
        // It may be gone already, when only what comes after the rows failed.
        give_up(app, &id).await;
    }
    landed
}

/// Where a session's file lies, and the end that it may not pass.
fn room_for(tx: &mut Tx, who: &Uploader, session: &Session) -> Result<(Library, u64)> {
    let library = files::library_of(tx, session.folder)?;
    let library = library::by_key(tx, library)?;
    let payer = match who {
        Uploader::User(user) => user.clone(),
        Uploader::Sender(sender) => drop_box::open(tx, sender)?.facts.owner,
    };
    let most_bytes = most_bytes(tx, &payer, &library, session)?;
    Ok((library, most_bytes))
}

/// Notes how long a stream became, which others now count with: of several that end at once, those have room that come
/// first.
async fn reserve(app: &App, who: &Uploader, session: &Session, total: u64) -> Result<()> {
    let (who, session) = (who.clone(), session.clone());
    app.db
        .write(move |tx| {
            if total > room_for(tx, &who, &session)?.1 {
                return Err(Error::NoSpace);
            }
            uploads::set_size(tx, &session.id, total)
        })
        .await
}

// Sweeping -----------------------------------------------------------------------------------------------------------

/// Removes what expired uploads left; at the start and every few seconds. Tells how many there were.
pub async fn sweep(app: &App) -> Result<usize> {
    // Two at once would each find gone what the other removed, and take it for a file that came.
    static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _one = ONE_AT_A_TIME.lock().await;
    let expired = app.db.read(|tx| {
        let expired = uploads::expired(tx, now_ms())?;
        let libraries = if expired.is_empty() { Vec::new() } else { library::all(tx)? };
        let at = |key| libraries.iter().find(|library| library.key == key).cloned();
        Ok(expired.into_iter().map(|(session, key)| (session, at(key))).collect::<Vec<_>>())
    });
    let expired = expired.await?;
    let count = expired.len();
    for (session, library) in expired {
        let mut is_gone = false;
        if let Some(library) = library {
            live(&session.id).close(Closed::Yes);
            let name = session.temporary.clone();
            // A library that is offline keeps it until the next start with it.
            match on_disk(move || remove_temporary(&library, &name)).await {
                Ok(was_there) => is_gone = !was_there,
                Err(cause) => tracing::warn!("an expired upload stays on the disk: {cause}"),
            }
        }
        let came = session.guest.filter(|_| is_gone).map(|guest| guest.share);
        app.db
            .write(move |tx| {
                // A stop of the machine kept the row of a file that has its name by now: it came, and is counted.
                if let Some(share) = came {
                    drop_boxes::count(tx, share, session.size_bytes.unwrap_or(session.received_bytes))?;
                }
                uploads::remove(tx, &session.id)
            })
            .await?;
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
