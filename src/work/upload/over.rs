//! Bytes for a part of a file: the rest is carried over from what is there, when the upload ends.
//!
//! One reader never sees half of it: the new content is a file of its own, as that of any upload. What is carried over is
//! copied inside the file system, which shares the blocks where it can.

use std::io::{Read, Seek, SeekFrom};

use super::*;

/// What becomes of the bytes of the file that lie beyond those that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    Kept,
    Cut,
}

/// Fills the gaps of an upload that replaces a file with the bytes of that file. It ends at `least_end`, where the last
/// byte that came lies, or where the file ends. An upload of a new file stays as it is. `Invalid` where the file has no
/// bytes for a gap.
pub async fn carry_over(
    app: &Arc<App>,
    who: impl Into<Uploader>,
    upload_id: &str,
    beyond: Beyond,
    least_end: u64,
) -> Result<()> {
    let (app, who, id) = (app.clone(), who.into(), upload_id.to_owned());
    to_the_end(async move {
        let live = live(&id);
        let Opened { session, library, ranges, most_bytes } = open_session(&app, &who, &id).await?;
        let Some(replaced) = session.replaces else { return Ok(()) };
        let (judge, name) = (who.clone(), session.temporary.clone());
        let there = app.db.read(move |tx| place_of(tx, &judge, replaced)).await?;
        live.know(&ranges);
        let filling = live.clone();
        let end = on_disk(move || {
            let source = open(there.library())?.open_file(there.path())?;
            let size_bytes = Stat::of(&source)?.size_bytes;
            let end = match beyond {
                Beyond::Kept => ranges.end().max(least_end).max(size_bytes),
                Beyond::Cut => ranges.end().max(least_end),
            };
            if end > most_bytes {
                return Err(Error::NoSpace);
            }
            let file = temporary_file(&library, &name)?;
            for gap in ranges.gaps(0..end) {
                if gap.end > size_bytes {
                    return Err(Error::invalid("offset", "it lies beyond the end"));
                }
                copy(&source, &file, gap)?;
            }
            filling.seal(&file, 0..end)?;
            Ok(end)
        })
        .await?;
        let expires_ms = now_ms().saturating_add(LASTS_MS);
        app.db.write(move |tx| uploads::record(tx, &id, 0..end, expires_ms)).await?;
        Ok(())
    })
    .await
}

fn place_of(tx: &mut Tx, who: &Uploader, replaced: ItemKey) -> Result<Grant> {
    let item = library::item(tx, replaced)?.ok_or(Error::NotFound(Thing::File))?;
    Ok(may_update(tx, who, item)?.0)
}

fn copy(mut source: &File, mut file: &File, range: Range<u64>) -> Result<()> {
    source.seek(SeekFrom::Start(range.start))?;
    file.seek(SeekFrom::Start(range.start))?;
    let length = range.end - range.start;
    // Inside the kernel, where both lie on one file system.
    match std::io::copy(&mut source.take(length), &mut file)? {
        copied if copied == length => Ok(()),
        // Somebody shortened it meanwhile.
        _ => Err(Error::Conflict(Thing::Version)),
    }
}
