//! A user's file that they have already: nothing of it need be sent again.
//!
//! The bytes are cloned where the file system can share them (`FICLONE`), else copied inside it. Never hard-linked: folders
//! are served in place, other programs write into their files, and times can be set through us, so that a change of one
//! would be a change of its twin. Only what the user may download themselves counts, so that nobody learns what is in
//! others' folders.

use std::io::Seek;

use super::*;

/// The file at once, if the user can read one of that content on the same file system; else `None`, and it has to be sent.
pub async fn twin(app: &Arc<App>, user: &User, begin: &Begin) -> Result<Option<Item>> {
    let (Some(sha256), Some(size_bytes)) = (begin.sha256, begin.size_bytes) else { return Ok(None) };
    check(begin)?;
    let (app, user, begin) = (app.clone(), user.clone(), begin.clone());
    let reader = user.clone();
    let twins = app.db.read(move |tx| readable(tx, &reader, &sha256, size_bytes)).await?;
    if twins.is_empty() {
        return Ok(None);
    }
    to_the_end(async move {
        let who = Uploader::User(user);
        let judge = who.clone();
        let session = start(&app, size_bytes, move |tx| draft(tx, &judge, &begin)).await?;
        let (id, temporary, folder) = (session.id.clone(), session.temporary.clone(), session.folder);
        let library = app.db.read(move |tx| {
            let key = files::library_of(tx, folder)?;
            library::by_key(tx, key)
        });
        let library = library.await?;
        let is_filled = on_disk(move || {
            let file = temporary_file(&library, &temporary)?;
            Ok(twins.iter().any(|twin| fill(&file, twin, size_bytes, &sha256).unwrap_or(false)))
        });
        let landed = match is_filled.await {
            Ok(true) => {
                let landing = Landing { revision: None, sha256: Some(sha256) };
                land(&app, &who, &live(&id), session, size_bytes, landing).await.map(Some)
            }
            Ok(false) => Ok(None),
            Err(error) => Err(error),
        };
        if !matches!(landed, Ok(Some(_))) {
            give_up(&app, &id).await;
        }
        landed
    })
    .await
}

/// Files of that content, as far as the rows know, that the user may have.
fn readable(tx: &mut Tx, user: &User, sha256: &Sha256, size_bytes: u64) -> Result<Vec<Grant>> {
    let mut grants = Vec::new();
    for key in contents::items_with(tx, sha256, size_bytes)? {
        if let Some(item) = library::item(tx, key)? {
            grants.extend(by_rights(tx, user, item, Action::Download).ok());
        }
    }
    Ok(grants)
}

/// Whether `file` holds that content now. What a row says of a file was true once; its hash tells whether it still is.
fn fill(mut file: &File, twin: &Grant, size_bytes: u64, sha256: &Sha256) -> Result<bool> {
    let source = open(twin.library())?.open_file(twin.path())?;
    if Stat::of(&source)?.size_bytes != size_bytes {
        return Ok(false);
    }
    file.set_len(0)?;
    file.rewind()?;
    taken::copy(&source, file, size_bytes, |_| Ok(()))?;
    Ok(digest::of_file(file)? == *sha256)
}
