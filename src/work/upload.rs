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
mod landing;
mod over;
pub mod ranges;
mod receiving;
mod taken;
mod twin;

use std::collections::HashMap;
use std::convert::Infallible;
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
    Found, Place, by_rights, check_name, check_time, folder_of, look, refresh_albums, room_bytes, store_rows,
    to_the_end, with_free_name,
};
use super::roots::open;
use super::{metadata, policies, versions};
use crate::account::User;
use crate::account::token::random_base62;
use crate::blob::disk::{Root, set_modified};
use crate::blob::{Existing, Kind, Stat, Temporary, on_disk};
use crate::error::{Error, Result, Thing};
use crate::library::policy::Policy;
use crate::library::{Item, ItemKey, Library, Media};
use crate::share::grant::{Action, Grant};
use crate::store::drop_boxes::{self, Sent};
use crate::store::metadata::Metadata;
pub use crate::store::uploads::OnConflict;
use crate::store::uploads::{Guest, Session};
use crate::store::{Tx, accounts, contents, files, library, uploads};
use crate::{App, now_ms};
use digest::{Hashing, Sha256, Told};
use landing::{Landing, give_up, land, land_closed, name_it, prepare, remove_temporary, target, verify};
pub use landing::{cancel, finish};
pub use over::{Beyond, finish_over};
use ranges::Ranges;
use receiving::{Closed, Extent, Live, Opened, bad_length, ended, live, open_session, receive, temporary_file};
pub use receiving::{write_at, write_chunk, write_part_at};
pub use taken::take;
pub use twin::twin;

/// An upload ends when nothing arrived for this long.
const LASTS_MS: i64 = 24 * 60 * 60 * 1000;
/// One of which nothing came for so long stands in nobody's way: whoever ends first gets the name.
const COMING_MS: i64 = 15 * 60 * 1000;
/// One that lives as long as its one request is kept so much longer at a time: nobody can go on with it after a kill, and
/// its place in quotas and drop boxes is free again soon.
const KEPT_MS: i64 = 5 * 60 * 1000;
const KEEP_EVERY: Duration = Duration::from_secs(60);
/// Held of one body in memory at most, but for the last piece that came.
const BUFFER_BYTES: usize = 1024 * 1024;
/// Uploads of one user that are under way at once.
pub const MOST_OPEN: usize = 1000;
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
    /// A visitor of a drop box, or of a share whose permissions let them write. Their files count as its owner's.
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
    /// The revision of the file to be replaced, as its client saw it.
    pub previous: Option<i64>,
    /// The storage policy that its client believes to hold there, by its id.
    pub policy: Option<String>,
    /// To be noted on what it becomes.
    pub metadata: Metadata,
}

impl Begin {
    /// One stream, of which nothing is known before its end.
    pub fn stream(into: Place, name: String, on_conflict: OnConflict) -> Begin {
        Begin {
            into,
            name,
            size_bytes: None,
            chunk_bytes: 0,
            modified_ms: None,
            on_conflict,
            sha256: None,
            previous: None,
            policy: None,
            metadata: Metadata::new(),
        }
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
    /// Nothing is missing any more.
    Done(Item),
}

/// One of the uploader's own, and what of it is there; `NotFound(Upload)` also for somebody else's.
pub fn by_id(tx: &mut Tx, who: impl Into<Uploader>, upload_id: &str) -> Result<(Upload, Ranges)> {
    let session = session_of(tx, &who.into(), upload_id)?;
    Ok((Upload::of(&session), uploads::ranges(tx, upload_id)?.into_iter().collect()))
}

/// The storage policy that it comes in by.
pub fn policy(tx: &mut Tx, upload_id: &str) -> Result<Policy> {
    let session = uploads::by_id(tx, upload_id, now_ms())?.ok_or(Error::NotFound(Thing::Upload))?;
    let payer = accounts::by_key(tx, session.account)?.ok_or(Error::NotFound(Thing::User))?;
    let library = files::library_of(tx, session.folder)?;
    let library = library::by_key(tx, library)?;
    policies::of(tx, &payer, &library, session.replaces.unwrap_or(session.folder))
}

/// All of the user's uploads that are under way.
pub fn list(tx: &mut Tx, user: &User) -> Result<Vec<Upload>> {
    Ok(uploads::list(tx, user.key, now_ms())?.iter().map(Upload::of).collect())
}

fn session_of(tx: &mut Tx, who: &Uploader, upload_id: &str) -> Result<Session> {
    match who {
        Uploader::User(user) => uploads::of_user(tx, user.key, upload_id, now_ms()),
        Uploader::Sender(sender) => {
            let opened = drop_box::enter(tx, sender)?;
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
            let opened = drop_box::enter(tx, sender)?;
            Ok((opened.grant(tx, &sender.visitor, folder, Action::Create)?, opened.facts.owner))
        }
    }
}

/// The place of a file, for the one who may replace it, and the user whose quota it costs.
fn may_update(tx: &mut Tx, who: &Uploader, item: Item) -> Result<(Grant, User)> {
    match who {
        Uploader::User(user) => Ok((by_rights(tx, user, item, Action::Update)?, user.clone())),
        Uploader::Sender(sender) => {
            let opened = drop_box::enter(tx, sender)?;
            Ok((opened.grant(tx, &sender.visitor, item, Action::Update)?, opened.facts.owner))
        }
    }
}

// Beginning ----------------------------------------------------------------------------------------------------------

/// Judges, and makes the session's row but for its temporary. What it replaces need not be in memory later: it is looked
/// up again at the end.
fn draft(tx: &mut Tx, who: &Uploader, begin: &Begin) -> Result<(Session, Library)> {
    let (folder, payer) = match (who, &begin.into) {
        (Uploader::User(user), into) => (folder_of(tx, user, into, Action::Create)?, user.clone()),
        (Uploader::Sender(_), Place::Item(folder)) => {
            let folder = library::item(tx, folder.key)?.ok_or(Error::NotFound(Thing::Folder))?;
            may_create(tx, who, folder)?
        }
        (Uploader::Sender(_), Place::Root) => return Err(Error::NotFound(Thing::Folder)),
    };
    if is_to_box(tx, who)? {
        // A guest's file is always new: whether its name is taken is not for them to know.
        let begin = Begin { on_conflict: OnConflict::Rename, ..begin.clone() };
        return session(tx, who, &payer, (folder.item().key, folder.library()), &begin, None);
    }
    let there = match library::child_named(tx, folder.item().key, begin.name.as_bytes())? {
        Some(item) => Some(item),
        None => library::child_shown(tx, folder.item().key, &begin.name)?,
    };
    let replaces = match (there, begin.on_conflict) {
        (None, _) | (Some(_), OnConflict::Rename) => None,
        (Some(item), OnConflict::Replace) if !item.is_folder() => {
            may_update(tx, who, item.clone())?;
            if begin.previous.is_some_and(|revision| revision != item.revision) {
                return Err(Error::Conflict(Thing::Version));
            }
            Some(item)
        }
        (Some(_), OnConflict::Refuse | OnConflict::Replace) => return Err(Error::Exists(begin.name.clone())),
    };
    session(tx, who, &payer, (folder.item().key, folder.library()), begin, replaces)
}

/// The same for new content of a file that is there. `Conflict(Version)` when it is not of this revision.
fn draft_over(
    tx: &mut Tx,
    who: &Uploader,
    item_id: &str,
    size_bytes: Option<u64>,
    previous: Option<i64>,
) -> Result<(Session, Library)> {
    let item = library::item_by_id(tx, item_id)?.filter(|item| !item.is_folder());
    let (grant, payer) = may_update(tx, who, item.ok_or(Error::NotFound(Thing::File))?)?;
    let item = grant.item();
    if previous.is_some_and(|revision| revision != item.revision) {
        return Err(Error::Conflict(Thing::Version));
    }
    let parent = item.parent.ok_or(Error::NotFound(Thing::File))?;
    let into = Place::Item(library::item(tx, parent)?.ok_or(Error::NotFound(Thing::Folder))?);
    let name = String::from_utf8_lossy(&item.name).into_owned();
    let begin = Begin { size_bytes, previous, ..Begin::stream(into, name, OnConflict::Replace) };
    let (session, library) = session(tx, who, &payer, (parent, grant.library()), &begin, Some(item.clone()))?;
    Ok((Session { name: item.name.clone(), ..session }, library))
}

fn is_to_box(tx: &mut Tx, who: &Uploader) -> Result<bool> {
    match who {
        Uploader::User(_) => Ok(false),
        Uploader::Sender(sender) => Ok(drop_box::enter(tx, sender)?.facts.share.terms.mode.takes_files()),
    }
}

/// A session of one who may bring the file into that folder of that library.
fn session(
    tx: &mut Tx,
    who: &Uploader,
    payer: &User,
    (folder, library): (ItemKey, &Library),
    begin: &Begin,
    replaces: Option<Item>,
) -> Result<(Session, Library)> {
    let chunk_bytes = agree(tx, payer, library, replaces.as_ref().map_or(folder, |item| item.key), begin)?;
    let blank = Session { chunk_bytes, ..blank(payer, folder, begin, replaces.as_ref()) };
    let session = match who {
        Uploader::User(user) => {
            if uploads::count(tx, user.key, now_ms())? >= MOST_OPEN {
                return Err(Error::Forbidden("too many uploads are under way; finish or cancel some"));
            }
            blank
        }
        Uploader::Sender(sender) => {
            let drop_box::Sending { facts, sender } = drop_box::enter(tx, sender)?;
            let share = facts.share;
            if drop_boxes::open_uploads(tx, share.key)? >= MOST_OPEN_OF_BOX {
                return Err(Error::Forbidden("too many files are on their way to this share"));
            }
            Session {
                expires_ms: blank.expires_ms.min(share.terms.expires_ms.unwrap_or(i64::MAX)),
                guest: Some(Guest { share: share.key, epoch: share.epoch, sender }),
                ..blank
            }
        }
    };
    check_room(tx, payer, library, &session, begin.size_bytes.unwrap_or(0), replaces.as_ref())?;
    metadata::check_coming(tx, &begin.metadata, replaces.as_ref())?;
    Ok((session, library.clone()))
}

/// How long chunks are. `Conflict(Policy)` where another storage policy holds than the client believes.
fn agree(tx: &mut Tx, payer: &User, library: &Library, at: ItemKey, begin: &Begin) -> Result<u64> {
    if begin.policy.is_none() && begin.chunk_bytes == 0 {
        return Ok(0);
    }
    let policy = policies::of(tx, payer, library, at)?;
    if begin.policy.as_ref().is_some_and(|seen| *seen != policy.id) {
        return Err(Error::Conflict(Thing::Policy));
    }
    Ok(policy.chunk_bytes.filter(|_| begin.chunk_bytes > 0).unwrap_or(begin.chunk_bytes))
}

fn blank(payer: &User, folder: ItemKey, begin: &Begin, replaces: Option<&Item>) -> Session {
    Session {
        id: random_base62(22),
        account: payer.key,
        folder,
        replaces: replaces.map(|item| item.key),
        replaces_revision: begin.previous,
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
        metadata: begin.metadata.clone(),
    }
}

/// `NoSpace` when the home would hold more than its quota, counting what other uploads are going to bring; and what a
/// drop box or the storage policy does not take.
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
    let (at, name) = replaces.map_or((session.folder, &session.name), |item| (item.key, &item.name));
    policies::check(tx, payer, library, at, &String::from_utf8_lossy(name), size_bytes)?;
    let room = room_bytes(tx, payer, library, &session.id)?;
    let freed = replaces.map_or(Ok(0), |item| versions::freed_bytes(tx, library, item, payer))?;
    match room {
        Some(room) if size_bytes > room.saturating_add(freed) => Err(Error::NoSpace),
        _ => Ok(()),
    }
}

/// The end that an upload may not pass.
#[derive(Debug, Clone, Copy)]
struct Bound {
    /// By the quota and the drop box.
    room_bytes: u64,
    /// By the storage policy.
    file_bytes: u64,
}

impl Bound {
    const NONE: Bound = Bound { room_bytes: MOST_BYTES, file_bytes: MOST_BYTES };

    fn check(&self, end: u64) -> Result<()> {
        if end > self.file_bytes {
            return Err(Error::TooLarge { size_bytes: end, limit_bytes: self.file_bytes });
        }
        if end > self.room_bytes { Err(Error::NoSpace) } else { Ok(()) }
    }
}

fn bound(tx: &mut Tx, payer: &User, library: &Library, session: &Session) -> Result<Bound> {
    let replaced = session.replaces.map(|key| library::item(tx, key)).transpose()?.flatten();
    let policy = policies::of(tx, payer, library, replaced.as_ref().map_or(session.folder, |item| item.key))?;
    let freed = replaced.map_or(Ok(0), |item| versions::freed_bytes(tx, library, &item, payer))?;
    let room = room_bytes(tx, payer, library, &session.id)?.map(|room| room.saturating_add(freed));
    let of_box = match &session.guest {
        Some(guest) => {
            let others = drop_boxes::received(tx, guest.share, &session.id)?;
            drop_boxes::terms(tx, guest.share)?.most_bytes(others)
        }
        None => None,
    };
    let room_bytes = [room, of_box].into_iter().flatten().fold(MOST_BYTES, u64::min);
    Ok(Bound { room_bytes, file_bytes: policy.most_bytes.unwrap_or(MOST_BYTES) })
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

/// The same over a file by its id, as it is now: it comes to nothing when another writes to it meanwhile.
pub async fn begin_over(app: &Arc<App>, who: impl Into<Uploader>, item_id: &str, revision: i64) -> Result<Upload> {
    let (app, who, id) = (app.clone(), who.into(), item_id.to_owned());
    to_the_end(async move {
        let session = start(&app, 0, move |tx| draft_over(tx, &who, &id, None, Some(revision))).await?;
        Ok(Upload::of(&session))
    })
    .await
}

/// As [`begin`], and `Conflict(Upload)` where a file of that name is on its way there already.
pub async fn begin_alone(app: &Arc<App>, who: impl Into<Uploader>, begin: Begin) -> Result<Upload> {
    check(&begin)?;
    let (app, who) = (app.clone(), who.into());
    to_the_end(async move {
        let size_bytes = begin.size_bytes.unwrap_or(0);
        let alone = move |tx: &mut Tx| {
            let (session, library) = draft(tx, &who, &begin)?;
            let lately_ms = now_ms().saturating_add(LASTS_MS - COMING_MS);
            match uploads::is_coming(tx, session.folder, &session.name, lately_ms)? {
                true => Err(Error::Conflict(Thing::Upload)),
                false => Ok((session, library)),
            }
        };
        Ok(Upload::of(&start(&app, size_bytes, alone).await?))
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
        let session = start(&app, size_bytes, move |tx| draft(tx, &judge, &begin).map(for_one_request)).await?;
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
    let Uploader::User(user) = who else { return Ok(None) };
    let (who, begin, payer) = (who.clone(), begin.clone(), user.clone());
    let (modified_ms, sha256, noted) = (begin.modified_ms, begin.sha256, begin.metadata.clone());
    let aimed = app.db.read(move |tx| {
        let (session, library) = draft(tx, &who, &begin)?;
        match room_bytes(tx, &payer, &library, "")? {
            None => target(tx, &who, &session, total, None).map(Some),
            Some(_) => Ok(None),
        }
    });
    let Some(target) = aimed.await? else { return Ok(None) };
    let (folder, library, pieces) = (target.folder, target.library.clone(), pieces.to_vec());
    let (named, sha256) = on_disk(move || {
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
    let retention = named.retention.clone();
    let item = store_rows(app, key, move |tx| {
        let stamp = named.found.stamp;
        let item = named.store(tx, key, folder)?;
        metadata::note(tx, &item, &noted)?;
        if let Some(sha256) = &sha256 {
            contents::note(tx, item.key, &stamp, sha256)?;
        }
        Ok(item)
    })
    .await?;
    if let Some(retention) = retention {
        versions::prune(app, &item, retention).await?;
    }
    if item.media == Media::Audio {
        refresh_albums(app, key).await?;
    }
    Ok(Some(item))
}

/// New content for a file. `Conflict(Version)` when it is not what the caller last saw.
pub async fn replace(
    app: &Arc<App>,
    who: impl Into<Uploader>,
    item_id: &str,
    previous_revision: Option<i64>,
    content: impl Into<Content>,
    modified_ms: Option<i64>,
) -> Result<Item> {
    modified_ms.map_or(Ok(()), check_time)?;
    let (app, who, id, content) = (app.clone(), who.into(), item_id.to_owned(), content.into());
    to_the_end(async move {
        let size_bytes = content.body.size_hint().exact();
        let judge = who.clone();
        let session = start(&app, size_bytes.unwrap_or(0), move |tx| {
            let (session, library) = draft_over(tx, &judge, &id, size_bytes, previous_revision)?;
            Ok(for_one_request((Session { modified_ms, ..session }, library)))
        })
        .await?;
        stream_in(&app, &who, session, content, previous_revision).await
    })
    .await
}

fn for_one_request((session, library): (Session, Library)) -> (Session, Library) {
    let expires_ms = session.expires_ms.min(now_ms().saturating_add(KEPT_MS));
    (Session { expires_ms, ..session }, library)
}

/// Keeps the session of a request for as long as this is polled.
async fn keep(app: &App, upload_id: &str) -> Infallible {
    loop {
        tokio::time::sleep(KEEP_EVERY).await;
        let (id, now) = (upload_id.to_owned(), now_ms());
        if let Err(error) = app.db.write(move |tx| uploads::keep(tx, &id, now, now.saturating_add(KEPT_MS))).await {
            tracing::warn!(%error, "an upload could not be kept; it will be tried again");
        }
    }
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
        let (library, bound) = app.db.read(move |tx| room_for(tx, &judge, &judged)).await?;
        let name = session.temporary.clone();
        let file = Arc::new(on_disk(move || temporary_file(&library, &name)).await?);
        let extent = match session.size_bytes {
            Some(size_bytes) => Extent { start: 0, least_bytes: size_bytes, most_bytes: size_bytes },
            None => Extent { start: 0, least_bytes: 0, most_bytes: MOST_BYTES },
        };
        let (total, sha256) = tokio::select! {
            received = receive(&live, &file, extent, bound, content) => received?,
            why = ended(app, who, &id) => return Err(why),
        };
        if session.size_bytes.is_none() && bound.room_bytes < MOST_BYTES {
            reserve(app, who, &session, total).await?;
        }
        land(app, who, &live, session, total, Landing { revision, sha256 }).await
    };
    let landed = tokio::select! {
        landed = landed => landed,
        never = keep(app, &id) => match never {},
    };
    if landed.is_err() {
        // It may be gone already, when only what comes after the rows failed.
        give_up(app, &id).await;
    }
    landed
}

/// Where a session's file lies, and the end that it may not pass.
fn room_for(tx: &mut Tx, who: &Uploader, session: &Session) -> Result<(Library, Bound)> {
    let library = files::library_of(tx, session.folder)?;
    let library = library::by_key(tx, library)?;
    let payer = match who {
        Uploader::User(user) => user.clone(),
        Uploader::Sender(sender) => drop_box::enter(tx, sender)?.facts.owner,
    };
    let bound = bound(tx, &payer, &library, session)?;
    Ok((library, bound))
}

/// Notes how long a stream became, which others now count with: of several that end at once, those have room that come
/// first.
async fn reserve(app: &App, who: &Uploader, session: &Session, total: u64) -> Result<()> {
    let (who, session) = (who.clone(), session.clone());
    app.db
        .write(move |tx| {
            room_for(tx, &who, &session)?.1.check(total)?;
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
        let mended = match mended {
            Ok(()) => super::versions::mend(app, &library).await,
            failed => failed,
        };
        if let Err(cause) = mended {
            tracing::warn!(library = library.name, "not swept: {cause}");
        }
    }
    Ok(())
}
