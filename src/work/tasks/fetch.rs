//! Fetching what is at an address, block by block, and again from where it broke off.

use axum::http::StatusCode;

use super::*;
use crate::library::names::safe_file_name;
use crate::outgoing::{Answer, Limits, Rest};
use crate::work::upload::{Begin, OnConflict};

const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// What is written and noted at once; a kill costs no more than that has to come again.
const BLOCK_BYTES: usize = 4 << 20;
/// However little came until then.
const BLOCK_EVERY: Duration = Duration::from_secs(2);

/// A file that is on its way.
struct Part {
    upload_id: String,
    received_bytes: u64,
}

pub(super) async fn work(
    app: &Arc<App>,
    task: &Task,
    url: &str,
    into: &Target,
    counter: &Arc<Counter>,
) -> Result<(), Trouble> {
    let user = judged(app, task).await?;
    let here = here(app, &user, task).await?;
    if task.is_landing {
        return match here {
            Some(part) => land(app, task, counter, &part.upload_id).await,
            // Its row went with the upload's, at the end of that.
            None => Ok(()),
        };
    }
    let into = folder(app, &user, into).await?;
    let received = here.as_ref().map_or(0, |part| part.received_bytes);
    let room = room(app, &user, &into, task.upload_id.as_deref().unwrap_or_default()).await?;
    let most_bytes = room.quota_bytes.min(room.disk_bytes.saturating_add(received));
    let limits = Limits { size_bytes: most_bytes, time: LONGEST };
    let (start, mut answer) = match app.outgoing.get_rest(url, received, task.validator.as_deref(), limits).await? {
        Rest::From(start, answer) => (start, answer),
        Rest::Refused(status) => {
            // What is here is of no use to its server.
            if let Some(part) =
                here.filter(|_| matches!(status, StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::PARTIAL_CONTENT))
            {
                give_up(app, &user, &part.upload_id).await?;
            }
            return Err(Failure::Status(status.as_u16()).into());
        }
    };
    let total = answer.length_bytes().map(|length| start.saturating_add(length));
    if total.is_some_and(|total| total > most_bytes) {
        return Err(Error::NoSpace.into());
    }
    counter.change(|progress| (progress.bytes, progress.bytes_total) = (start, total.unwrap_or(0)));
    let part = match here {
        Some(part) if start > 0 => part,
        here => begin(app, &user, task, here, into, total, &answer).await?,
    };
    receive(app, task, &part.upload_id, start, &mut answer, counter).await?;
    land(app, task, counter, &part.upload_id).await
}

/// What came so far, if it is there still and without a gap.
async fn here(app: &App, user: &User, task: &Task) -> Result<Option<Part>> {
    let Some(upload_id) = task.upload_id.clone() else { return Ok(None) };
    let (user, id) = (user.clone(), upload_id.clone());
    match app.db.read(move |tx| upload::by_id(tx, &user, &id)).await {
        Ok((_, ranges)) => {
            Ok(Some(Part { upload_id, received_bytes: ranges.gaps(0..u64::MAX).first().map_or(0, |gap| gap.start) }))
        }
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// An upload for what comes from its beginning, known from the task's row or not at all.
async fn begin(
    app: &Arc<App>,
    user: &User,
    task: &Task,
    before: Option<Part>,
    into: Place,
    size_bytes: Option<u64>,
    answer: &Answer,
) -> Result<Part, Trouble> {
    let name = safe_file_name(&answer.file_name().unwrap_or_default(), "download");
    let validator = answer.validator();
    let (app, user, key) = (app.clone(), user.clone(), task.key);
    files::to_the_end(async move {
        if let Some(part) = before {
            give_up(&app, &user, &part.upload_id).await?;
        }
        let begin = Begin { size_bytes, ..Begin::stream(into, name.clone(), OnConflict::Rename) };
        let upload = upload::begin(&app, &user, begin).await?;
        let id = upload.id.clone();
        let noted = app.db.write(move |tx| rows::set_fetching(tx, key, &id, &name, validator.as_deref())).await;
        if !matches!(noted, Ok(Wanted::Yes)) {
            give_up(&app, &user, &upload.id).await?;
        }
        Ok((noted? == Wanted::Yes).then_some(Part { upload_id: upload.id, received_bytes: 0 }))
    })
    .await?
    .ok_or(Trouble::NotWanted)
}

async fn receive(
    app: &Arc<App>,
    task: &Task,
    upload_id: &str,
    start: u64,
    answer: &mut Answer,
    counter: &Counter,
) -> Result<(), Trouble> {
    let (mut at, mut block, mut since) = (start, Vec::new(), Instant::now());
    loop {
        let next = answer.next().await;
        let is_over = !matches!(next, Ok(Some(_)));
        if let Ok(Some(bytes)) = &next {
            block.extend_from_slice(bytes);
            counter.change(|progress| progress.bytes += bytes.len() as u64);
        }
        if !block.is_empty() && (is_over || block.len() >= BLOCK_BYTES || since.elapsed() >= BLOCK_EVERY) {
            let (full, user) = (std::mem::take(&mut block), judged(app, task).await?);
            let length = full.len() as u64;
            upload::write_at(app, &user, upload_id, at, Body::from(full)).await.map_err(gone)?;
            (at, since) = (at + length, Instant::now());
        }
        match next {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(()),
            Err(Failure::TooLarge { .. }) => return Err(Error::NoSpace.into()),
            Err(failure) => return Err(failure.into()),
        }
    }
}

/// Somebody took the upload away, in the middle of it.
fn gone(error: Error) -> Trouble {
    match error {
        Error::NotFound(Thing::Upload) => Trouble::Final("What came of it was taken away".to_owned()),
        error => error.into(),
    }
}

/// Gives what came its name. That it is to be is noted first: afterwards nothing tells that it was.
async fn land(app: &Arc<App>, task: &Task, counter: &Counter, upload_id: &str) -> Result<(), Trouble> {
    let key = task.key;
    if app.db.write(move |tx| rows::set_landing(tx, key)).await? == Wanted::No {
        return Err(Trouble::NotWanted);
    }
    let user = judged(app, task).await?;
    let item = upload::finish(app, &user, upload_id).await.map_err(gone)?;
    counter.change(|progress| {
        (progress.files, progress.files_total) = (1, 1);
        (progress.bytes, progress.bytes_total) = (item.size_bytes, item.size_bytes);
    });
    Ok(())
}
