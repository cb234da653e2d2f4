//! Bytes on their way: written in place, synced, then noted.

use super::*;

/// What requests of one upload know of each other, in this process. On another node a twin of a request could still write
/// bytes that are acknowledged; clients send the same bytes again, if any.
#[derive(Default)]
pub(super) struct Live {
    state: RwLock<LiveState>,
    /// What became of it, once a chunk has ended it. Held by the one that is about to.
    landed: Arc<tokio::sync::Mutex<Option<Item>>>,
}

#[derive(Default)]
struct LiveState {
    /// Acknowledged, or about to be.
    done: Ranges,
    /// The file is getting its name, and is not ours to write any more.
    is_closed: bool,
}

static LIVE: LazyLock<Mutex<HashMap<String, Weak<Live>>>> = LazyLock::new(Mutex::default);

pub(super) fn live(upload_id: &str) -> Arc<Live> {
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
    pub(super) fn know(&self, ranges: &Ranges) {
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
    pub(super) fn seal(&self, file: &File, range: Range<u64>) -> Result<()> {
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

    /// Closes it for good, and tells what was acknowledged or is about to be; `Conflict` where somebody else did so.
    pub(super) fn end(&self) -> Result<Ranges> {
        match self.close(Closed::Yes) {
            true => Ok(self.state.read().unwrap_or_else(PoisonError::into_inner).done.clone()),
            false => Err(Error::Conflict(Thing::Upload)),
        }
    }

    /// Whether it was open before.
    pub(super) fn close(&self, closed: Closed) -> bool {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        !std::mem::replace(&mut state.is_closed, closed == Closed::Yes)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    Yes,
    No,
}

/// Where a body goes, and how long it has to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) start: u64,
    pub(super) least_bytes: u64,
    pub(super) most_bytes: u64,
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

pub(super) fn bad_length(extent: &Extent) -> Error {
    match extent.least_bytes == extent.most_bytes {
        true => Error::invalid("chunk length", format!("it has to be {} bytes", extent.most_bytes)),
        false => Error::invalid("chunk length", format!("at most {} bytes", extent.most_bytes)),
    }
}

/// A session with what is needed to write to it.
pub(super) struct Opened {
    pub(super) session: Session,
    pub(super) library: Library,
    pub(super) ranges: Ranges,
    pub(super) bound: Bound,
}

fn opened(tx: &mut Tx, who: &Uploader, upload_id: &str) -> Result<Opened> {
    let session = session_of(tx, who, upload_id)?;
    let folder = library::item(tx, session.folder)?.ok_or(Error::NotFound(Thing::Folder))?;
    // Rights may have been taken since it began.
    let replaced = session.replaces.map(|key| library::item(tx, key)).transpose()?.flatten();
    let (grant, payer) = match replaced {
        Some(item) => may_update(tx, who, item)?,
        None => may_create(tx, who, folder)?,
    };
    let library = grant.library().clone();
    let bound = match session.size_bytes {
        Some(_) => Bound::NONE,
        None => bound(tx, &payer, &library, &session)?,
    };
    let ranges = uploads::ranges(tx, upload_id)?.into_iter().collect();
    Ok(Opened { session, library, ranges, bound })
}

pub(super) async fn open_session(app: &App, who: &Uploader, upload_id: &str) -> Result<Opened> {
    let (who, id) = (who.clone(), upload_id.to_owned());
    app.db.read(move |tx| opened(tx, &who, &id)).await
}

/// Waits until a guest may no longer send, and tells why; for a user, who is asked at each request, it never ends.
pub(super) async fn ended(app: &App, who: &Uploader, upload_id: &str) -> Error {
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
pub(super) async fn receive(
    live: &Arc<Live>,
    file: &Arc<File>,
    extent: Extent,
    bound: Bound,
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
        bound.check(extent.start.saturating_add(taken))?;
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
pub(super) fn temporary_file(library: &Library, name: &str) -> Result<File> {
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
    let Opened { mut session, library, ranges, bound } = open_session(app, who, upload_id).await?;
    live.know(&ranges);
    let extent = extent(&session)?;
    let name = session.temporary.clone();
    let file = Arc::new(on_disk(move || temporary_file(&library, &name)).await?);
    let (taken, _) = tokio::select! {
        received = receive(&live, &file, extent, bound, content) => received?,
        why = ended(app, who, upload_id) => {
            // Those who have no box any more cannot take their upload back themselves.
            give_up(app, upload_id).await;
            return Err(why);
        }
    };
    let range = extent.start..extent.start + taken;
    let noted = range.clone();
    // Ours until the bytes are noted: one that begins anew before that would not know of them.
    let sealing = live.clone();
    on_disk(move || sealing.seal(&file, range)).await?;
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
            now.bound.check(received_bytes)?;
            Ok(received_bytes)
        })
        .await?;
    drop(live);
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
    let live = live(upload_id);
    let extent = |session: &Session| chunk_extent(session, index, declared_bytes);
    let session = write(app, &who, upload_id, extent, content.into()).await?;
    ended_or_more(app, who, &live, session).await
}

/// Where a chunk came twice, several requests find the upload whole. One of them ends it, also when its client is gone, and
/// the others hear what became of it.
async fn ended_or_more(app: &Arc<App>, who: Uploader, live: &Live, session: Session) -> Result<Progress> {
    if session.size_bytes.is_none_or(|size_bytes| session.received_bytes < size_bytes) {
        return Ok(Progress::More { received_bytes: session.received_bytes });
    }
    let (app, landed) = (app.clone(), live.landed.clone());
    to_the_end(async move {
        let mut landed = landed.lock_owned().await;
        let item = match &*landed {
            Some(item) => item.clone(),
            None => finish(&app, who, &session.id).await?,
        };
        Ok(Progress::Done(landed.insert(item).clone()))
    })
    .await
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
    let live = live(upload_id);
    let extent = |session: &Session| extent_at(session, offset);
    let session = write(app, &who, upload_id, extent, content.into()).await?;
    ended_or_more(app, who, &live, session).await
}

fn extent_at(session: &Session, offset: u64) -> Result<Extent> {
    let end = session.size_bytes.unwrap_or(MOST_BYTES);
    match end.checked_sub(offset) {
        Some(most_bytes) => Ok(Extent { start: offset, least_bytes: 0, most_bytes }),
        None => Err(Error::invalid("offset", "it lies beyond the end")),
    }
}
