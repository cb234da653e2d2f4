//! Fetching episodes, one block after the other, and again from where it broke off.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::header;

use super::read::make_folder;
use super::{LOOK_EVERY, Trouble, back_off_ms, bytes, library, on_disk};
use crate::blob::{Existing, Root, Temporary};
use crate::error::{Error, Result};
use crate::library::{EpisodeKey, Library};
use crate::outgoing::{Answer, Failure, Limits, Rest};
use crate::store::Wanted;
use crate::store::files;
use crate::store::podcasts::{self as rows, Download};
use crate::work::scan;
use crate::{App, now_ms};

/// Whoever gave no sign of life for as long is gone.
const ALIVE_MS: i64 = 10_000;
const SIGN_EVERY: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);
const MOST_TRIES: i64 = 6;
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(10 * 60);
/// What is written at once.
const BLOCK_BYTES: usize = 256 << 10;

pub(super) async fn tend(app: &App) {
    loop {
        let pause = match take_next(app).await {
            Ok(Next::Fetch(download)) => {
                // There may be more, for another one.
                app.podcasts.downloads.notify_one();
                attempt(app, download).await;
                continue;
            }
            Ok(Next::Wait(pause)) => pause,
            Err(cause) => {
                tracing::warn!(%cause, "podcasts are not downloaded");
                LOOK_EVERY
            }
        };
        let _ = tokio::time::timeout(pause, app.podcasts.downloads.notified()).await;
    }
}

enum Next {
    Fetch(Download),
    Wait(Duration),
}

async fn take_next(app: &App) -> Result<Next> {
    let now = now_ms();
    let due_ms = app.db.read(move |tx| rows::next_download_ms(tx, now - ALIVE_MS)).await?;
    match due_ms.map(|due_ms| due_ms - now) {
        Some(wait_ms) if wait_ms > 0 => Ok(Next::Wait(LOOK_EVERY.min(Duration::from_millis(wait_ms.unsigned_abs())))),
        Some(_) => {
            let taken = app.db.write(move |tx| rows::take_download(tx, now, now - ALIVE_MS)).await?;
            Ok(taken.map_or(Next::Wait(LOOK_EVERY), Next::Fetch))
        }
        None => Ok(Next::Wait(LOOK_EVERY)),
    }
}

async fn attempt(app: &App, download: Download) {
    let (episode, tries) = (download.episode, download.tries);
    let Err(trouble) = fetch(app, download).await else { return };
    if let Trouble::Own(cause) = &trouble {
        tracing::warn!(episode = episode.0, %cause, "an episode is not downloaded");
    }
    let outcome = match may_pass(&trouble) && tries + 1 < MOST_TRIES {
        true => {
            let due_ms = now_ms() + back_off_ms(tries, FIRST_PAUSE, LONGEST_PAUSE);
            app.db.write(move |tx| rows::set_broken(tx, episode, due_ms)).await
        }
        false => give_up(app, episode).await,
    };
    if let Err(cause) = outcome {
        tracing::warn!(episode = episode.0, %cause, "what became of an episode is not kept");
    }
}

fn may_pass(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Out(Failure::Status(status)) => matches!(status, 408 | 416 | 429 | 500..),
        Trouble::Out(failure) => matches!(failure, Failure::Unreachable | Failure::TooSlow | Failure::Broken),
        Trouble::Own(_) => true,
        Trouble::NoSpace | Trouble::NoFeed => false,
    }
}

async fn give_up(app: &App, episode: EpisodeKey) -> Result<()> {
    let library = library(app).await?;
    let temporary = app.db.write(move |tx| rows::set_download_failed(tx, episode)).await?;
    let Some(temporary) = temporary else { return Ok(()) };
    // What is resumed is gone once it is dropped.
    on_disk(move || {
        drop(Root::open(&library.root)?.resume_temporary(&temporary));
        Ok(())
    })
    .await
}

/// What came so far. It stays on the disk for the next try, whatever ends this one.
struct Part(Option<Temporary>);

impl Drop for Part {
    fn drop(&mut self) {
        self.0.take().map(Temporary::keep);
    }
}

impl Part {
    fn file(&self) -> Result<Arc<File>> {
        let temporary = self.0.as_ref().ok_or_else(|| Error::internal("podcasts", "a part without a file"))?;
        Ok(Arc::new(temporary.file().try_clone()?))
    }

    fn discard(mut self) {
        drop(self.0.take());
    }
}

/// What is there of an episode.
enum Here {
    /// All: it had its name when its row was not written any more.
    Whole,
    Some(Part, u64),
    Nothing,
}

async fn fetch(app: &App, download: Download) -> Result<(), Trouble> {
    let library = library(app).await?;
    let path = vec![download.folder.clone(), download.file_name.clone()];
    let (here, received) = match here(&library, &path, download.temporary.clone()).await? {
        Here::Whole => return complete(app, &library, download.episode, path, None).await,
        Here::Some(part, received) => (Some(part), received),
        Here::Nothing => (None, 0),
    };
    let key = library.key;
    let used = app.db.read(move |tx| files::used_bytes(tx, key)).await?;
    let room = app.config.podcast_space_bytes.checked_sub(used).filter(|room| *room > received);
    let room = room.ok_or(Trouble::NoSpace)?;

    let limits = Limits { size_bytes: room, time: LONGEST };
    let rest = app.outgoing.get_rest(&download.url, received, download.validator.as_deref(), limits).await?;
    let (start, answer) = match rest {
        Rest::From(start, answer) => (start, answer),
        Rest::Refused(status) => {
            // What is here is of no use to this server.
            here.into_iter().for_each(Part::discard);
            return Err(Failure::Status(status.as_u16()).into());
        }
    };
    // A page that asks to sign in, and the like.
    if answer.header(header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/")) {
        return Err(Trouble::NoFeed);
    }
    if answer.length_bytes().is_some_and(|length| start + length > room) {
        return Err(Trouble::NoSpace);
    }
    let part = match here {
        Some(part) if start > 0 => part,
        here => match renew(app, &library, &download, here, &answer).await? {
            Some(part) => part,
            None => return Ok(()),
        },
    };
    match receive(app, &download, &part, start, room, answer).await? {
        Wanted::Yes => complete(app, &library, download.episode, path, Some(part)).await,
        Wanted::No => {
            part.discard();
            Ok(())
        }
    }
}

async fn here(library: &Library, path: &[String], temporary: Option<String>) -> Result<Here> {
    let (root, path) = (library.root.clone(), path.to_vec());
    on_disk(move || {
        let root = Root::open(&root)?;
        match temporary.map(|name| root.resume_temporary(&name)) {
            Some(Ok(part)) => {
                let received = part.file().metadata()?.len();
                Ok(Here::Some(Part(Some(part)), received))
            }
            Some(Err(Error::NotFound(_))) | None => match root.stat(&path) {
                Ok(_) => Ok(Here::Whole),
                Err(Error::NotFound(_)) => Ok(Here::Nothing),
                Err(cause) => Err(cause),
            },
            Some(Err(cause)) => Err(cause),
        }
    })
    .await
}

/// An empty part for what comes from its beginning; none when it is not wanted any more.
async fn renew(
    app: &App,
    library: &Library,
    download: &Download,
    here: Option<Part>,
    answer: &Answer,
) -> Result<Option<Part>> {
    let (root, length) = (library.root.clone(), answer.length_bytes().unwrap_or(0));
    here.into_iter().for_each(Part::discard);
    let part = on_disk(move || Ok(Part(Some(Root::open(&root)?.create_temporary(length)?)))).await?;
    // Its name is known from its row, or not at all: a crash leaves nothing behind that is not swept.
    let name = part.0.as_ref().map(Temporary::name).unwrap_or_default().to_owned();
    let (episode, validator) = (download.episode, answer.validator());
    let wanted = app.db.write(move |tx| rows::set_temporary(tx, episode, &name, validator.as_deref())).await?;
    match wanted {
        Wanted::Yes => Ok(Some(part)),
        Wanted::No => {
            part.discard();
            Ok(None)
        }
    }
}

async fn receive(
    app: &App,
    download: &Download,
    part: &Part,
    start: u64,
    room: u64,
    mut answer: Answer,
) -> Result<Wanted, Trouble> {
    let file = part.file()?;
    let (mut at, mut block, mut sign) = (start, Vec::with_capacity(BLOCK_BYTES), Instant::now());
    loop {
        let next = answer.next().await;
        let ended = !matches!(next, Ok(Some(_)));
        if let Ok(Some(bytes)) = &next {
            block.extend_from_slice(bytes);
        }
        if at + block.len() as u64 > room {
            return Err(Trouble::NoSpace);
        }
        if block.len() >= BLOCK_BYTES || ended {
            let (file, full) = (Arc::clone(&file), std::mem::take(&mut block));
            let length = full.len() as u64;
            on_disk(move || Ok(file.write_all_at(&full, at)?)).await?;
            at += length;
        }
        match next {
            Ok(Some(_)) => {}
            Ok(None) if at == 0 => return Err(Failure::Broken.into()),
            Ok(None) => return Ok(Wanted::Yes),
            Err(Failure::TooLarge { .. }) => return Err(Trouble::NoSpace),
            Err(failure) => return Err(failure.into()),
        }
        if sign.elapsed() >= SIGN_EVERY {
            sign = Instant::now();
            let (episode, now) = (download.episode, now_ms());
            if app.db.write(move |tx| rows::sign_of_life(tx, episode, now)).await? == Wanted::No {
                return Ok(Wanted::No);
            }
        }
    }
}

/// Gives what came its name, unless it has it already, and makes an item of it.
async fn complete(
    app: &App,
    library: &Library,
    episode: EpisodeKey,
    path: Vec<String>,
    part: Option<Part>,
) -> Result<(), Trouble> {
    let _alone = app.podcasts.adding.lock().await;
    let (key, now) = (library.key, now_ms());
    let (used, wanted) =
        app.db.write(move |tx| Ok((files::used_bytes(tx, key)?, rows::sign_of_life(tx, episode, now)?))).await?;
    let (db, root, most, at) = (app.db.clone(), library.root.clone(), app.config.podcast_space_bytes, path.clone());
    let item = on_disk(move || {
        let root = Root::open(&root)?;
        if let Some(mut part) = part {
            let came = part.file()?.metadata()?.len();
            let Some(temporary) = part.0.take().filter(|_| wanted == Wanted::Yes) else { return Ok(None) };
            if used.saturating_add(came) > most {
                return Err(Error::NoSpace);
            }
            make_folder(&root, &at[0])?;
            root.commit(temporary, &at, Existing::Replace)?;
        }
        scan::scan_path(&db, key, &bytes(&at))
    })
    .await?;
    let Some(item) = item else { return Ok(()) };
    if app.db.write(move |tx| rows::set_completed(tx, episode, item.key)).await? == Wanted::No {
        let (db, root) = (app.db.clone(), library.root.clone());
        on_disk(move || {
            Root::open(&root)?.remove(&path)?;
            scan::scan_path(&db, key, &bytes(&path)).map(drop)
        })
        .await?;
    }
    Ok(())
}
