//! Making an archive of files: planned at once, then written as it is read.

use super::*;
use crate::media::zip::Reader;
use crate::share::Shared;
use crate::share::visit::Visitor;
use crate::work::archives::{self, Archive};
use crate::work::upload::{Begin, OnConflict};

pub(super) async fn work(
    app: &Arc<App>,
    task: &Task,
    sources: &[Named],
    into: &Target,
    name: &str,
    counter: &Arc<Counter>,
) -> Result<(), Trouble> {
    let user = judged(app, task).await?;
    let (who, sources) = (user.clone(), sources.to_vec());
    let files = app.db.read(move |tx| {
        let things = sources.iter().map(|named| Ok(Shared::Item(source(tx, &who, named)?.item().key)));
        let things = things.collect::<Result<Vec<_>>>()?;
        let visitor = Visitor::guest([127, 0, 0, 1].into(), "").with_user(who.clone());
        let part = archives::of_user(tx, &who, &visitor, &things)?;
        archives::files(tx, &[part])
    });
    let files = files.await?;
    let archive = Arc::new(on_disk(move || Archive::look(files)).await?);
    if archive.is_empty() {
        return Err(Trouble::Final("There is nothing to be packed".to_owned()));
    }
    let (files_total, size_bytes) = (archive.files() as u64, archive.size_bytes());
    counter.change(|progress| *progress = Progress { files_total, bytes_total: size_bytes, ..Progress::default() });
    let into = folder(app, &user, into).await?;
    let begin = Begin {
        size_bytes: Some(size_bytes),
        modified_ms: Some(task.created_ms),
        ..Begin::stream(into.clone(), name.to_owned(), OnConflict::Refuse)
    };
    let stop = StopsWhenDropped::default();
    let (of, key, with) = (archive.clone(), task.id.clone(), app.clone());
    let reader = on_disk(move || of.reader(&with, key)).await?;
    let (made, pieces) = mpsc::channel(PIECES);
    let (stopped, counting) = (stop.0.clone(), counter.clone());
    let making = tokio::task::spawn_blocking(move || make(reader, size_bytes, &made, &counting, &stopped));
    let landed = upload::whole(app, &user, begin, body_of(pieces)).await;
    match (landed, making.await) {
        (Ok(_), _) => {}
        // It says more than that the body broke off.
        (Err(Error::Invalid { what: "body", .. }), Ok(Err(cause))) => return Err(Trouble::Passing(cause.to_string())),
        (Err(Error::Exists(_)), _)
            if made_before(app, &user, &into, name, size_bytes, task.created_ms).await?.is_some() => {}
        (Err(error), _) => return Err(interrupted(task, error)),
    }
    counter.change(|progress| (progress.files, progress.bytes) = (files_total, size_bytes));
    Ok(())
}

fn make(
    mut reader: Reader,
    size_bytes: u64,
    made: &mpsc::Sender<Piece>,
    counter: &Counter,
    stop: &AtomicBool,
) -> std::io::Result<()> {
    let mut at = 0;
    while at < size_bytes && !stop.load(Ordering::Relaxed) {
        let mut block = vec![0; PIECE_BYTES];
        let count = reader.fill(at..size_bytes, &mut block)?;
        block.truncate(count);
        at += count as u64;
        counter.change(|progress| progress.bytes = at);
        // Nothing yet: checksums are being found.
        if count > 0 && made.blocking_send(Piece::Bytes(block.into())).is_err() {
            return Ok(());
        }
    }
    if at == size_bytes {
        let _ = made.blocking_send(Piece::End);
    }
    Ok(())
}
