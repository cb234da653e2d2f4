//! Reading what files say, so that it can be searched: in the background, one file after the other, behind everything else;
//! and searching it.
//!
//! What was read is stored file by file, so that a server that is killed goes on where it was. A file that says nothing is not
//! read again until it changes; one that cannot be opened or read, as of a disk that is away, waits.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc, watch};

use super::files::{Place, by_rights};
use super::folders::{self, Line};
use super::roots;
use crate::App;
use crate::account::User;
use crate::blob::on_disk;
use crate::config::Switch;
use crate::error::{Error, Result};
use crate::library::text::{Query, around, excerpt};
use crate::library::{ItemKey, LibraryKey};
use crate::media::child::Child;
use crate::media::document::{self, Format};
use crate::share::grant::{Action, Placed};
use crate::store::texts::{self as rows, Unread};
use crate::store::{Tx, library};

/// Between two looks at whether something came or changed.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// What looking may take of the time.
const LOOKING_IS_AT_MOST: u32 = 20;
/// Files that are placed by one read.
const AT_ONCE: usize = 50;
/// What is stored by one write, so that the writer is never held for long: of texts, and of files.
const MOST_BYTES: usize = 256 << 10;
const MOST_FILES: usize = 50;
/// Behind those who serve, and behind those who scan.
const NICENESS: i32 = 10;

/// Whether files are searched by what they say.
pub fn is_on(app: &App) -> bool {
    app.config.full_text == Switch::On
}

/// How far the reading is, for those who wait for it.
pub struct Texts {
    /// How often all was asked to be looked at again.
    asked: AtomicU64,
    wake: Notify,
    /// Up to which of those it was.
    done: watch::Sender<u64>,
}

impl Default for Texts {
    fn default() -> Texts {
        Texts { asked: AtomicU64::new(0), wake: Notify::new(), done: watch::Sender::new(0) }
    }
}

impl Texts {
    /// Has every file looked at, and returns once that is so.
    pub async fn look_at_all(&self) {
        let mine = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
        self.wake.notify_one();
        // It goes on for as long as the server does.
        let _ = self.done.subscribe().wait_for(|done| *done >= mine).await;
    }
}

// Reading -------------------------------------------------------------------------------------------------------------

/// Reads for as long as the server runs.
pub async fn tend(app: Arc<App>) {
    if !is_on(&app) {
        return;
    }
    let (mut known, mut asked) = (HashMap::new(), 0);
    loop {
        let now = app.texts.asked.load(Ordering::Acquire);
        if now != asked {
            known.clear();
        }
        asked = now;
        let pause = match read_new(&app, &mut known).await {
            Ok(Some(looked)) => {
                app.texts.done.send_replace(asked);
                LOOK_EVERY.max(looked * LOOKING_IS_AT_MOST)
            }
            Ok(None) => LOOK_EVERY,
            Err(cause) => {
                tracing::warn!(%cause, "files are not read for searching; it is tried again");
                LOOK_EVERY
            }
        };
        let _ = tokio::time::timeout(pause, app.texts.wake.notified()).await;
    }
}

/// Reads what changed since a library was as it is in `known`; answers how long looking for that took. None while a scan
/// has yet to tell what is there, and as soon as one begins: what is left is read after it.
async fn read_new(app: &App, known: &mut HashMap<LibraryKey, i64>) -> Result<Option<Duration>> {
    let mut looked = Duration::ZERO;
    let libraries = app.db.read(rows::libraries).await?;
    // One that was away is looked at again.
    known.retain(|known, _| libraries.iter().any(|(library, _)| library == known));
    for (library, revision) in libraries {
        if known.get(&library) == Some(&revision) {
            continue;
        }
        let mut after = ItemKey(0);
        loop {
            if app.scanner.status().is_scanning {
                return Ok(None);
            }
            let began = Instant::now();
            let next = app.db.read(move |tx| rows::unread(tx, library, after)).await?;
            let looking = began.elapsed();
            let Some((unread, last)) = next else {
                looked += looking;
                break;
            };
            let mut kept = 0;
            let (mut files, gone) = readable(app, unread);
            if !gone.is_empty() {
                kept += gone.len();
                let forget = move |tx: &mut Tx| gone.iter().try_for_each(|item| rows::forget(tx, *item));
                app.db.write_repeatable(forget).await?;
            }
            while !files.is_empty() {
                if app.scanner.status().is_scanning {
                    return Ok(None);
                }
                let rest = files.split_off(files.len().min(AT_ONCE));
                kept += read_files(app, std::mem::replace(&mut files, rest)).await?;
            }
            // What cannot be read is tried each time, and so is part of looking.
            looked += if kept > 0 { looking } else { began.elapsed() };
            after = last;
        }
        if is_there(app, library).await? {
            known.insert(library, revision);
        }
    }
    Ok(Some(looked))
}

/// Whether its folder can be opened: a scan has yet to tell that it went.
async fn is_there(app: &App, library: LibraryKey) -> Result<bool> {
    let library = app.db.read(move |tx| library::by_key(tx, library)).await?;
    Ok(on_disk(move || roots::open(&library)).await.is_ok())
}

/// Those that may say something, as far as their names tell; and of the others those that did. Without pdftotext no PDF does,
/// until it is there.
fn readable(app: &App, unread: Vec<Unread>) -> (Vec<(Unread, Format)>, Vec<ItemKey>) {
    let reads_pdf = app.renditions.pdftotext_program().is_some();
    let (mut files, mut gone) = (Vec::new(), Vec::new());
    for unread in unread {
        match Format::of_name(&unread.shown).filter(|format| reads_pdf || *format != Format::Pdf) {
            Some(format) => files.push((unread, format)),
            None if unread.was_read => gone.push(unread.item),
            None => {}
        }
    }
    (files, gone)
}

/// How many files of all libraries are yet to be read.
pub async fn count_unread(app: &App) -> Result<u64> {
    let mut count = 0;
    for (library, _) in app.db.read(rows::libraries).await? {
        let mut after = ItemKey(0);
        while let Some((unread, last)) = app.db.read(move |tx| rows::unread(tx, library, after)).await? {
            let (files, gone) = readable(app, unread);
            count += (files.len() + gone.len()) as u64;
            after = last;
        }
    }
    Ok(count)
}

struct Job {
    unread: Unread,
    format: Format,
    placed: Placed,
}

/// Answers of how many it is known what they say.
async fn read_files(app: &App, files: Vec<(Unread, Format)>) -> Result<usize> {
    let place = move |tx: &mut Tx| {
        let mut jobs = Vec::new();
        for (unread, format) in files {
            let Some(item) = library::item(tx, unread.item)? else { continue };
            if let Ok(placed) = library::place(tx, item, &[]) {
                jobs.push(Job { unread, format, placed });
            }
        }
        Ok(jobs)
    };
    let jobs = app.db.read(place).await?;
    let (pages, documents): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(|job| job.format == Format::Pdf);
    let mut keeping = Keeping { app, texts: Vec::new(), bytes: 0, count: 0 };
    let (said, mut texts) = mpsc::channel(4);
    // A thread of its own, since it stays behind the others for good.
    thread::Builder::new()
        .name("texts".to_owned())
        .spawn(move || read_quietly(documents, &said))
        .map_err(|cause| Error::internal("a thread", cause))?;
    while let Some((unread, text)) = texts.recv().await {
        keeping.take(unread, text).await?;
    }
    for job in pages {
        if let Some(text) = pdf(app, job.placed).await {
            keeping.take(job.unread, text).await?;
        }
    }
    keeping.flush().await?;
    Ok(keeping.count)
}

fn read_quietly(jobs: Vec<Job>, said: &mpsc::Sender<(Unread, String)>) {
    let _ = rustix::process::nice(NICENESS);
    for Job { unread, format, placed } in jobs {
        let Ok(file) = roots::open(&placed.library).and_then(|root| root.open_file(&placed.path)) else { continue };
        // Strangers wrote it; whatever it does to its reader, it is not read for that again and again.
        let read = catch_unwind(AssertUnwindSafe(|| document::text_of(format, file)));
        let text = match read {
            Ok(Ok(text)) => text,
            Ok(Err(cause)) => {
                tracing::info!(%cause, item = unread.item.0, "cannot be read for searching now");
                continue;
            }
            Err(_) => {
                tracing::warn!(item = unread.item.0, "its text is not found, by a fault of this program");
                String::new()
            }
        };
        if said.blocking_send((unread, text)).is_err() {
            return;
        }
    }
}

/// None for one that cannot be opened, or that nothing reads now.
async fn pdf(app: &App, placed: Placed) -> Option<String> {
    let program = app.renditions.pdftotext_program()?;
    let opened = on_disk(move || roots::open(&placed.library)?.open_file(&placed.path)).await;
    let started = Child::start(program, &document::of_pdf(), opened.ok()?, document::PDF_LIMITS);
    let mut child = started.inspect_err(|cause| tracing::warn!(%cause, "a PDF is not read for searching now")).ok()?;
    let mut said = Vec::new();
    // What it said until it failed, or until it was enough, is what the file says.
    while said.len() < document::MOST_SAID_BYTES
        && let Ok(Some(block)) = child.read().await
    {
        said.extend_from_slice(&block);
    }
    Some(document::said_of_pdf(&said))
}

/// Texts on their way to the database, several by one write.
struct Keeping<'a> {
    app: &'a App,
    texts: Vec<(Unread, String)>,
    bytes: usize,
    /// Of all that were taken.
    count: usize,
}

impl Keeping<'_> {
    async fn take(&mut self, unread: Unread, text: String) -> Result<()> {
        if self.bytes + text.len() > MOST_BYTES || self.texts.len() >= MOST_FILES {
            self.flush().await?;
        }
        self.bytes += text.len();
        self.count += 1;
        self.texts.push((unread, text));
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        self.bytes = 0;
        let texts = std::mem::take(&mut self.texts);
        if texts.is_empty() {
            return Ok(());
        }
        let put = move |tx: &mut Tx| texts.iter().try_for_each(|(unread, text)| rows::put(tx, unread, text));
        self.app.db.write_repeatable(put).await
    }
}

// Searching -----------------------------------------------------------------------------------------------------------

/// A file that says what was asked for, and what stands around that.
#[derive(Debug)]
pub struct Hit {
    pub line: Line,
    pub excerpt: String,
}

/// A part of what the user has that says all that is asked for, and how much there is: those changed last first. Looked
/// through is what a search of names looks through; more than [`rows::MOST_FOUND`] is not found.
pub fn search(tx: &mut Tx, user: &User, query: &Query, offset: usize, limit: usize) -> Result<(Vec<Hit>, usize)> {
    let lines = folders::field(tx, user, &Place::Root)?.that_say(tx, query)?;
    let total = lines.len();
    let mut hits = Vec::new();
    for line in lines.into_iter().skip(offset).take(limit) {
        let grant = match by_rights(tx, user, line.item.clone(), Action::Preview) {
            Ok(grant) => grant,
            // It went, or another rule than that of its library keeps it: the others are found all the same.
            Err(Error::NotFound(_) | Error::Forbidden(_)) => continue,
            Err(error) => return Err(error),
        };
        let excerpt = excerpt_of(tx, grant.item().key, query)?;
        hits.push(Hit { line, excerpt });
    }
    Ok((hits, total))
}

/// Around the first of the words that the file says; what it begins with, where it says something else by now.
fn excerpt_of(tx: &mut Tx, item: ItemKey, query: &Query) -> Result<String> {
    if let Some(term) = query.terms().first()
        && let Some(part) = rows::part_with(tx, item, term)?
    {
        return Ok(excerpt(&part, term).unwrap_or_else(|| around(&part, 0)));
    }
    Ok(rows::first_part(tx, item)?.map_or_else(String::new, |part| around(&part, 0)))
}
