//! A file of this machine: nothing of it is sent. Its blocks are shared where the file system can do so, else copied.

use std::io::{Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::ioctl_ficlone;

use super::*;

/// Copied before it is looked again whether anybody still waits.
const STEP_BYTES: u64 = 8 << 20;

/// As [`whole`]. `copied` is told how much there is; `stop` ends it without a file. `Conflict(File)` where the source
/// changes meanwhile.
pub async fn take(
    app: &Arc<App>,
    user: &User,
    begin: Begin,
    source: File,
    copied: impl Fn(u64) + Send + 'static,
    stop: Arc<AtomicBool>,
) -> Result<Item> {
    check(&begin)?;
    let (app, who, size_bytes) = (app.clone(), Uploader::from(user), begin.size_bytes.unwrap_or(0));
    to_the_end(async move {
        let judge = who.clone();
        let session = start(&app, size_bytes, move |tx| draft(tx, &judge, &begin).map(for_one_request)).await?;
        let id = session.id.clone();
        let landed = async {
            let (judge, judged) = (who.clone(), session.clone());
            let (library, _) = app.db.read(move |tx| room_for(tx, &judge, &judged)).await?;
            let name = session.temporary.clone();
            on_disk(move || {
                let file = temporary_file(&library, &name)?;
                let before = Stat::of(&source)?;
                copy(&source, &file, size_bytes, |bytes| {
                    copied(bytes);
                    if stop.load(Ordering::Relaxed) { Err(Error::NotFound(Thing::Upload)) } else { Ok(()) }
                })?;
                let is_same = before.size_bytes == size_bytes && before == Stat::of(&source)?;
                if is_same { Ok(()) } else { Err(Error::Conflict(Thing::File)) }
            })
            .await?;
            land(&app, &who, &live(&id), session, size_bytes, Landing::default()).await
        };
        let landed = tokio::select! {
            landed = landed => landed,
            never = keep(&app, &id) => match never {},
        };
        if landed.is_err() {
            give_up(&app, &id).await;
        }
        landed
    })
    .await
}

/// Fills an empty file. `each` is told how much came, and may end it. `Conflict(File)` where there is less.
pub(super) fn copy(
    mut source: &File,
    mut file: &File,
    size_bytes: u64,
    mut each: impl FnMut(u64) -> Result<()>,
) -> Result<()> {
    if ioctl_ficlone(file, source).is_ok() {
        return each(size_bytes);
    }
    source.seek(SeekFrom::Start(0))?;
    let mut at = 0;
    while at < size_bytes {
        each(at)?;
        // Inside the kernel, where both lie on one file system.
        match std::io::copy(&mut source.take(STEP_BYTES.min(size_bytes - at)), &mut file)? {
            0 => return Err(Error::Conflict(Thing::File)),
            count => at += count,
        }
    }
    each(at)
}
