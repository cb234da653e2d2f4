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

/// As [`finish`]; the gaps of an upload that replaces a file are filled with the bytes of that file. It ends at
/// `least_end`, where the last byte that came lies, or where the file ends. `Invalid` where the file has no bytes for a gap.
///
/// Whoever still writes then is refused, and stays so if this fails: old bytes may lie where theirs did.
pub async fn finish_over(
    app: &Arc<App>,
    who: impl Into<Uploader>,
    upload_id: &str,
    beyond: Beyond,
    least_end: u64,
) -> Result<Item> {
    let (app, who, id) = (app.clone(), who.into(), upload_id.to_owned());
    to_the_end(async move {
        let live = live(&id);
        let opened = open_session(&app, &who, &id).await?;
        let Some(replaced) = opened.session.replaces else { return finish(&app, who, &id).await };
        let judge = who.clone();
        let there = app.db.read(move |tx| place_of(tx, &judge, replaced)).await?;
        live.know(&opened.ranges);
        let came = live.end()?;
        let session = opened.session.clone();
        let total = on_disk(move || fill(&came, &opened, &there, beyond, least_end)).await?;
        let landing = Landing { revision: session.replaces_revision, sha256: None };
        land_closed(&app, &who, session, total, landing).await
    })
    .await
}

/// Copies what did not come, and syncs; answers where the new content ends.
fn fill(ranges: &Ranges, opened: &Opened, there: &Grant, beyond: Beyond, least_end: u64) -> Result<u64> {
    let source = open(there.library())?.open_file(there.path())?;
    let size_bytes = Stat::of(&source)?.size_bytes;
    let came = ranges.end().max(least_end);
    let end = if beyond == Beyond::Kept { came.max(size_bytes) } else { came };
    opened.bound.check(end)?;
    let file = temporary_file(&opened.library, &opened.session.temporary)?;
    for gap in ranges.gaps(0..end) {
        if gap.end > size_bytes {
            return Err(Error::invalid("offset", "it lies beyond the end"));
        }
        copy(&source, &file, gap)?;
    }
    file.sync_data()?;
    Ok(end)
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
