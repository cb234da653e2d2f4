//! Unpacking an archive: a thread reads it and hands out what it finds; each file lands as an upload does.

use std::io::Read;
use std::ops::ControlFlow;

use encoding_rs::Encoding;

use super::*;
use crate::media::unpack::{Archive, Entry, EntryKind, How, Opened, Source, Trouble as Unreadable, path_of};
use crate::work::upload::{Begin, OnConflict};

/// What an archive may become, by its own size. Zeros alone are packed better than that.
const MOST_RATIO: u64 = 250;
/// However small it is.
const ALWAYS_BYTES: u64 = 64 << 20;

/// By any of its names on the web.
pub fn encoding_of(label: Option<&str>) -> Result<Option<&'static Encoding>> {
    match label.filter(|label| !label.is_empty()) {
        None => Ok(None),
        Some(label) => match Encoding::for_label(label.as_bytes()) {
            None => Err(Error::invalid("encoding", "there is no such encoding")),
            encoding => Ok(encoding),
        },
    }
}

/// What the thread finds.
enum Found {
    /// What is to come, where that can be told.
    Total {
        files: u64,
        bytes: u64,
    },
    Folder(Vec<String>),
    File {
        path: Vec<String>,
        size_bytes: u64,
        modified_ms: Option<i64>,
        content: mpsc::Receiver<Piece>,
    },
    /// Neither, or not to be had.
    LeftOut,
}

pub(super) async fn work(
    app: &Arc<App>,
    task: &Task,
    named: &Named,
    into: &Target,
    encoding: Option<&'static Encoding>,
    only: &[String],
    counter: &Arc<Counter>,
) -> Result<(), Trouble> {
    let user = judged(app, task).await?;
    let (who, named) = (user.clone(), named.clone());
    let grant = app.db.read(move |tx| source(tx, &who, &named)).await?;
    let password =
        task.secret_sealed.as_deref().map(|sealed| app.keys.open(&sealed_as(&task.id), sealed)).transpose()?;
    let into = folder(app, &user, into).await?;
    let room = room(app, &user, &into, "").await?;
    let room_bytes = room.quota_bytes.min(room.disk_bytes);
    let file = on_disk(move || Ok(Source::new(open(grant.library())?.open_file(grant.path())?)?)).await?;
    let stop = StopsWhenDropped(file.stop());
    counter.change(|progress| *progress = Progress::default());

    let (found, mut finds) = mpsc::channel(1);
    // A path that leads nowhere names nothing, which is not all.
    let paths = || only.iter().filter_map(|path| path_of(path.trim_start_matches('/'))).collect();
    let only = (!only.is_empty()).then(paths);
    let how = How { encoding, password };
    let reading =
        Reading { found, only, room_bytes, counter: counter.clone(), stop: stop.0.clone(), unpacked: 0, most: 0 };
    let reading = tokio::task::spawn_blocking(move || reading.all(file, &how));
    let mut landing = Landing { app, task, counter, root: into, last: None };
    while let Some(found) = finds.recv().await {
        landing.take(found).await?;
    }
    match reading.await {
        Ok(Ok(())) => {}
        Ok(Err(Unreadable::Io(cause))) => return Err(Error::from(cause).into()),
        Ok(Err(trouble)) => return Err(Trouble::Final(format!("The archive cannot be unpacked: {trouble}"))),
        Err(cause) => return Err(Error::internal("unpacking", cause).into()),
    }
    match counter.now() {
        Progress { files: 0, files_failed: 1.., .. } => {
            Err(Trouble::Final("Nothing of the archive could be unpacked".to_owned()))
        }
        _ => Ok(()),
    }
}

/// The side that writes.
struct Landing<'a> {
    app: &'a Arc<App>,
    task: &'a Task,
    counter: &'a Counter,
    root: Place,
    /// The folder of the last file: files of one folder follow each other.
    last: Option<(Vec<String>, Place)>,
}

impl Landing<'_> {
    async fn take(&mut self, found: Found) -> Result<(), Trouble> {
        let landed = match found {
            Found::Total { files, bytes } => {
                self.counter.change(|progress| (progress.files_total, progress.bytes_total) = (files, bytes));
                return Ok(());
            }
            Found::LeftOut => Ok(false),
            Found::Folder(path) => self.folder(path).await.map(|_| true),
            Found::File { mut path, size_bytes, modified_ms, content } => {
                let name = path.pop().unwrap_or_default();
                self.file(path, name, size_bytes, modified_ms, content).await
            }
        };
        let is_done = match landed {
            Ok(is_done) => is_done,
            // A name that is not served here, or one that a file or folder has already; content that breaks off.
            Err(Error::Invalid { .. } | Error::Exists(_)) => false,
            Err(error) => return Err(interrupted(self.task, error)),
        };
        self.counter.change(|progress| match is_done {
            true => progress.files += 1,
            false => progress.files_failed += 1,
        });
        Ok(())
    }

    async fn folder(&mut self, path: Vec<String>) -> Result<Place> {
        if let Some((_, place)) = self.last.as_ref().filter(|(last, _)| *last == path) {
            return Ok(place.clone());
        }
        let user = judged(self.app, self.task).await?;
        let place = files::make_path(self.app, &user, self.root.clone(), &path).await?;
        self.last = Some((path, place.clone()));
        Ok(place)
    }

    /// False: its name is taken by another.
    async fn file(
        &mut self,
        folder: Vec<String>,
        name: String,
        size_bytes: u64,
        modified_ms: Option<i64>,
        content: mpsc::Receiver<Piece>,
    ) -> Result<bool> {
        check_name(&name)?;
        let into = self.folder(folder).await?;
        let user = judged(self.app, self.task).await?;
        let modified_ms = modified_ms.filter(|ms| files::check_time(*ms).is_ok());
        let begin = Begin {
            size_bytes: Some(size_bytes),
            modified_ms,
            ..Begin::stream(into.clone(), name.clone(), OnConflict::Refuse)
        };
        match upload::whole(self.app, &user, begin, body_of(content)).await {
            Ok(_) => Ok(true),
            Err(Error::Exists(_)) => match modified_ms {
                Some(time) => Ok(made_before(self.app, &user, &into, &name, size_bytes, time).await?.is_some()),
                None => Ok(false),
            },
            Err(error) => Err(error),
        }
    }
}

/// The side that reads, on a thread of its own.
struct Reading {
    found: mpsc::Sender<Found>,
    /// What these paths name; none: everything.
    only: Option<Vec<Vec<String>>>,
    room_bytes: u64,
    counter: Arc<Counter>,
    stop: Arc<AtomicBool>,
    unpacked: u64,
    most: u64,
}

impl Reading {
    fn all(mut self, source: Source, how: &How) -> Result<(), Unreadable> {
        self.most = source.size_bytes().saturating_mul(MOST_RATIO).max(ALWAYS_BYTES);
        let archive = Archive::open(source, how)?;
        if let Some(entries) = archive.entries() {
            let wanted = entries.filter(|entry| path_of(&entry.name).is_some_and(|path| self.is_wanted(&path)));
            let (files, bytes) =
                wanted.fold((0, 0u64), |(files, bytes), entry| (files + 1, bytes.saturating_add(entry.size_bytes)));
            self.check(bytes)?;
            let _ = self.found.blocking_send(Found::Total { files, bytes });
        }
        let mut ended = Ok(());
        let read = archive.each(how, &mut |entry, content| match self.one(entry, content) {
            Ok(flow) => flow,
            Err(trouble) => {
                ended = Err(trouble);
                ControlFlow::Break(())
            }
        });
        ended.and(read)
    }

    /// What is packed too well is a trap, and what has no room is refused before its first byte.
    fn check(&self, bytes: u64) -> Result<(), Unreadable> {
        match bytes {
            _ if bytes > self.most => Err(Unreadable::Damaged("it becomes far larger than an archive can be meant to")),
            _ if bytes > self.room_bytes => Err(Unreadable::NoRoom),
            _ => Ok(()),
        }
    }

    fn is_wanted(&self, path: &[String]) -> bool {
        self.only.as_ref().is_none_or(|only| only.iter().any(|wanted| path.starts_with(wanted)))
    }

    fn one(&mut self, entry: &Entry, content: Opened) -> Result<ControlFlow<()>, Unreadable> {
        let path = match path_of(&entry.name) {
            Some(path) if self.is_wanted(&path) => path,
            Some(_) => return Ok(ControlFlow::Continue(())),
            None if self.only.is_none() => return Ok(self.tell(Found::LeftOut)),
            None => return Ok(ControlFlow::Continue(())),
        };
        match (entry.kind, content) {
            (EntryKind::Folder, _) => Ok(self.tell(Found::Folder(path))),
            (EntryKind::Other, _) => Ok(self.tell(Found::LeftOut)),
            (EntryKind::File, Err(trouble @ (Unreadable::PasswordNeeded | Unreadable::WrongPassword))) => Err(trouble),
            (EntryKind::File, Err(_)) => Ok(self.tell(Found::LeftOut)),
            (EntryKind::File, Ok(content)) => {
                self.unpacked = self.unpacked.saturating_add(entry.size_bytes);
                self.check(self.unpacked)?;
                let (pieces, receiver) = mpsc::channel(PIECES);
                let (size_bytes, modified_ms) = (entry.size_bytes, entry.modified_ms);
                let flow = self.tell(Found::File { path, size_bytes, modified_ms, content: receiver });
                self.send(content, size_bytes, &pieces);
                Ok(flow)
            }
        }
    }

    fn tell(&self, found: Found) -> ControlFlow<()> {
        match self.found.blocking_send(found) {
            Ok(()) if !self.stop.load(Ordering::Relaxed) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }

    /// Content that cannot be read to its end ends without a word, and its file breaks off.
    fn send(&self, content: &mut dyn Read, size_bytes: u64, pieces: &mpsc::Sender<Piece>) {
        // One more tells a file that is longer than it says.
        let mut content = content.take(size_bytes.saturating_add(1));
        loop {
            let mut block = Vec::with_capacity(PIECE_BYTES.min(size_bytes as usize + 1));
            let Ok(count) = (&mut content).take(PIECE_BYTES as u64).read_to_end(&mut block) else { return };
            if count == 0 {
                let _ = pieces.blocking_send(Piece::End);
                return;
            }
            self.counter.change(|progress| progress.bytes += count as u64);
            if pieces.blocking_send(Piece::Bytes(block.into())).is_err() {
                return;
            }
        }
    }
}
