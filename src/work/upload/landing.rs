//! The end of an upload: its name on the disk, then its rows; or nothing of it.

use super::*;
use crate::library::versions::{Retention, Version};
use crate::library::{ItemKind, LibraryKey};
use crate::store::versions as rows;

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
        let landing = Landing { revision: session.replaces_revision, sha256: None };
        let landed = land(&app, &who, &live, session, total, landing).await;
        if let Err(Error::Invalid { what: "digest", .. }) = &landed {
            // Every byte was acknowledged, and they are not the file that was meant: nothing could mend that.
            give_up(&app, &id).await;
        }
        landed
    })
    .await
}

/// Where an upload goes in the end.
pub(super) struct Target {
    pub(super) library: Library,
    pub(super) folder: ItemKey,
    pub(super) path: Vec<Vec<u8>>,
    pub(super) existing: Existing,
    /// Its name is taken: another is found.
    pub(super) numbered: bool,
    /// What is kept of the file that has its name.
    pub(super) former: Option<versions::Former>,
}

/// A file that has its name, and what was kept of the one that had it before.
pub(super) struct Named {
    pub(super) found: Found,
    pub(super) kept: Option<Version>,
    /// How many of those may stay, where one came.
    pub(super) retention: Option<Retention>,
}

impl Named {
    pub(super) fn store(self, tx: &mut Tx, library: LibraryKey, folder: ItemKey) -> Result<Item> {
        let item = self.found.store(tx, library, folder)?;
        self.kept.iter().try_for_each(|kept| rows::insert(tx, item.key, kept, now_ms()))?;
        Ok(item)
    }
}

/// What is known when an upload ends.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Landing {
    /// That of the file to be replaced, as its client saw it.
    pub(super) revision: Option<i64>,
    /// Of what came, where it was hashed on its way.
    pub(super) sha256: Option<Sha256>,
}

pub(super) fn target(
    tx: &mut Tx,
    who: &Uploader,
    session: &Session,
    total: u64,
    revision: Option<i64>,
) -> Result<Target> {
    let replaced = match session.replaces {
        Some(key) => library::item(tx, key)?,
        None => None,
    };
    if let Some(item) = replaced {
        let (grant, payer) = may_update(tx, who, item)?;
        let item = grant.item();
        let folder = item.parent.ok_or(Error::NotFound(Thing::File))?;
        check_room(tx, &payer, grant.library(), session, total, Some(item))?;
        let former = versions::former(tx, grant.library(), item, &payer)?;
        if let Some(revision) = revision {
            files::claim(tx, item.key, revision)?;
            uploads::set_replaced(tx, &session.id, revision + 1)?;
            // Others count with all of it from now on, also with what did not come but was carried over.
            uploads::set_size(tx, &session.id, total)?;
        }
        let (library, path) = (grant.library().clone(), grant.path().to_vec());
        return Ok(Target { library, folder, path, existing: Existing::Replace, numbered: false, former });
    }
    if revision.is_some() {
        return Err(Error::NotFound(Thing::File));
    }
    let folder = library::item(tx, session.folder)?.ok_or(Error::NotFound(Thing::Folder))?;
    let (grant, payer) = may_create(tx, who, folder)?;
    check_room(tx, &payer, grant.library(), session, total, None)?;
    let mut path = grant.path().to_vec();
    path.push(session.name.clone());
    let mut former = None;
    let existing = match session.on_conflict {
        OnConflict::Replace => {
            if let Some(item) = library::child_named(tx, session.folder, &session.name)? {
                let there = may_update(tx, who, item)?;
                former = versions::former(tx, grant.library(), there.0.item(), &payer)?;
            }
            Existing::Replace
        }
        OnConflict::Refuse | OnConflict::Rename => Existing::Refuse,
    };
    let numbered = session.on_conflict == OnConflict::Rename;
    Ok(Target { library: grant.library().clone(), folder: session.folder, path, existing, numbered, former })
}

/// The one step that makes a file of an upload: its name on the disk, then its rows.
pub(super) async fn land(
    app: &App,
    who: &Uploader,
    live: &Live,
    session: Session,
    total: u64,
    landing: Landing,
) -> Result<Item> {
    if !live.close(Closed::Yes) {
        return Err(Error::Conflict(Thing::Upload));
    }
    let landed = land_closed(app, who, session, total, landing).await;
    if landed.is_err() {
        live.close(Closed::No);
    }
    landed
}

/// The same for whoever closed it to all others.
pub(super) async fn land_closed(
    app: &App,
    who: &Uploader,
    session: Session,
    total: u64,
    landing: Landing,
) -> Result<Item> {
    let (who, judged) = (who.clone(), session.clone());
    // Writes only when a revision is to be claimed.
    let revision = landing.revision;
    let target = move |tx: &mut Tx| target(tx, &who, &judged, total, revision);
    let target = if revision.is_some() { app.db.write(target).await? } else { app.db.read(target).await? };
    let (folder, library, landed) = (target.folder, target.library.clone(), session.clone());
    let (named, sha256) = on_disk(move || {
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
    let retention = named.retention.clone();
    // Without these rows the file is there for the next scan, and the session, whose temporary is gone, expires.
    let item = store_rows(app, key, move |tx| {
        uploads::remove(tx, &landed.id)?;
        let stamp = named.found.stamp;
        let item = named.store(tx, key, folder)?;
        metadata::note(tx, &item, &landed.metadata)?;
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
    if let Some(retention) = retention {
        versions::prune(app, &item, retention).await?;
    }
    if item.media == Media::Audio {
        refresh_albums(app, key).await?;
    }
    Ok(item)
}

/// The file under its name, and what the disk says of it. On an error the temporary is as it was.
pub(super) fn name_it(root: &Root, temporary: &mut Temporary, target: &Target) -> Result<Named> {
    if target.numbered {
        let (name, folder) = target.path.split_last().ok_or_else(|| Error::internal("upload", "no name"))?;
        let path =
            with_free_name(folder, (name, ItemKind::File), |path| root.try_commit(temporary, path, target.existing))?;
        return Ok(Named { found: look(root, &path)?, kept: None, retention: None });
    }
    let commit = || root.try_commit(temporary, &target.path, target.existing);
    let ((), kept) = versions::keeping(root, target.former.as_ref(), &target.path, commit)?;
    let retention = target.former.as_ref().filter(|_| kept.is_some()).map(|former| former.retention.clone());
    Ok(Named { found: look(root, &target.path)?, kept, retention })
}

/// What a stop of the machine left between the name and the rows: the temporary's inode under another name.
fn landed_before(root: &Root, target: &Target, session: &Session, total: u64) -> Result<Named> {
    let gone = Error::NotFound(Thing::Upload);
    let (_, folder) = target.path.split_last().ok_or(gone.clone())?;
    let is_it = |stat: &Stat| stat.kind == Kind::File && stat.inode == session.inode && stat.size_bytes == total;
    let (name, _) = root.list(folder)?.into_iter().find(|(_, stat)| is_it(stat)).ok_or(gone)?;
    // What that kept, the start found.
    Ok(Named { found: look(root, &[folder, &[name]].concat())?, kept: None, retention: None })
}

/// Holds the content against the hash that its client told when it began.
pub(super) fn verify(temporary: &Temporary, known: Option<Sha256>, told: Option<Sha256>) -> Result<Option<Sha256>> {
    let sha256 = match (known, told) {
        (None, Some(_)) => Some(digest::of_file(temporary.file())?),
        (known, _) => known,
    };
    if told.is_some_and(|told| Some(told) != sha256) { Err(digest::mismatch()) } else { Ok(sha256) }
}

pub(super) fn prepare(temporary: &Temporary, total: u64, modified_ms: Option<i64>) -> Result<()> {
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
pub(super) async fn give_up(app: &App, upload_id: &str) {
    let id = upload_id.to_owned();
    let ended = app.db.write(move |tx| uploads::expire(tx, &id)).await;
    live(upload_id).close(Closed::Yes);
    if let Err(cause) = async { ended.and(sweep(app).await) }.await {
        tracing::warn!("an upload that ended stays for the next sweep: {cause}");
    }
}

/// Whether it was there.
pub(super) fn remove_temporary(library: &Library, name: &str) -> Result<bool> {
    match open(library)?.resume_temporary(name) {
        // Dropped, it goes.
        Ok(_) => Ok(true),
        Err(Error::NotFound(_)) => Ok(false),
        Err(cause) => Err(cause),
    }
}
