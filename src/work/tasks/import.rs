//! Bringing files of this machine into a user's folder. Only what lies in the folders that were named where the server was
//! started, and no link leads out of them. Each file lands as an upload does: copied, on a disk that can share its blocks.

use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

use super::*;
use crate::blob::{Kind as DiskKind, Root, Stat};
use crate::config::Config;
use crate::library::names::{ending_at, is_left_out, numbered_text};
use crate::refuse_own;
use crate::store::tasks::Import;
use crate::work::upload::{Begin, OnConflict, take};

/// Of one name, until one is free.
const MOST_NUMBERS: u64 = 10_000;

/// A folder that may be imported from, and names below it. `NotFound` for any other place of the machine, and for what is
/// hidden there.
pub(super) fn place_in(allowed: &[PathBuf], source: &str) -> Result<(PathBuf, Vec<Vec<u8>>)> {
    let gone = Error::NotFound(Thing::Folder);
    let below = |folder: &PathBuf| Some((folder.clone(), Path::new(source).strip_prefix(folder).ok()?));
    let (folder, rest) = allowed.iter().filter_map(below).next().ok_or(gone.clone())?;
    let name = |part: Component| match part {
        Component::Normal(name) if !is_left_out(name.as_encoded_bytes()) => Ok(name.as_encoded_bytes().to_vec()),
        _ => Err(gone.clone()),
    };
    Ok((folder, rest.components().map(name).collect::<Result<_>>()?))
}

/// The folder that may be imported from, and the names below it, if that is there and none of our own by now: at the start it
/// may have been away, or a link to elsewhere.
pub(super) fn open_source(config: &Config, source: &str) -> Result<(Root, Vec<Vec<u8>>)> {
    let (folder, names) = place_in(&config.import_from, source)?;
    let real = folder.canonicalize().map_err(|cause| match cause.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Error::NotFound(Thing::Folder),
        _ => cause.into(),
    })?;
    refuse_own(&real, config)?;
    let root = Root::open(&real)?;
    match root.stat(&names) {
        Ok(stat) if stat.kind == DiskKind::Folder => Ok((root, names)),
        Ok(_) | Err(Error::NotFound(_)) => Err(Error::NotFound(Thing::Folder)),
        Err(error) => Err(error),
    }
}

/// Whose folder it goes to, as they are now.
pub(super) fn receiver(tx: &mut Tx, id: &str) -> Result<User> {
    accounts::by_id(tx, id)?.filter(User::is_active).ok_or(Error::NotFound(Thing::User))
}

pub(super) async fn work(
    app: &Arc<App>,
    task: &Task,
    wish: &Import,
    counter: &Arc<Counter>,
) -> Result<Option<String>, Trouble> {
    judged(app, task).await?;
    let (judge, source) = (app.clone(), wish.source.clone());
    let (root, top) = on_disk(move || open_source(&judge.config, &source)).await?;
    let root = Arc::new(root);
    let into = receiving(app, wish).await?;
    let (there, at) = (root.clone(), top.clone());
    if into == OnDisk::of(&on_disk(move || there.stat(&at)).await?) {
        return Err(Error::invalid("target", "it is the folder itself").into());
    }
    counter.change(|progress| *progress = Progress::default());
    let stop = StopsWhenDropped::default();
    let (wished, counted, from, stopped) = (wish.clone(), root.clone(), top.clone(), stop.0.clone());
    let (files_total, bytes_total) = on_disk(move || count(&wished, &counted, from, into, &stopped)).await?;
    counter.change(|progress| (progress.files_total, progress.bytes_total) = (files_total, bytes_total));
    let importing = Importing { app, task, wish, root, into, counter, stop: stop.0.clone() };
    let mut left = LeftOut::default();
    let mut folders = vec![(top, Vec::new())];
    while let Some((folder, below)) = folders.pop() {
        folders.extend(importing.folder(folder, below, &mut left).await?);
    }
    match counter.now() {
        Progress { files: 0, files_failed: 1.., .. } => Err(Trouble::Final(left.told())),
        Progress { files_failed: 0, .. } => Ok(None),
        _ => Ok(Some(left.told())),
    }
}

/// What tells a folder from all others, by whatever path it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct OnDisk {
    device: u64,
    inode: u64,
}

impl OnDisk {
    fn of(stat: &Stat) -> OnDisk {
        OnDisk { device: stat.device, inode: stat.inode }
    }
}

/// The folder that all goes to.
async fn receiving(app: &Arc<App>, wish: &Import) -> Result<OnDisk> {
    let id = wish.receiver.clone();
    let user = app.db.read(move |tx| receiver(tx, &id)).await?;
    let into = folder(app, &user, &wish.into).await?;
    let folder = app.db.read(move |tx| folder_of(tx, &user, &into, Action::Create)).await?;
    on_disk(move || open(folder.library())?.stat(folder.path()).map(|stat| OnDisk::of(&stat))).await
}

/// What is imported of a folder. Without the one that it goes to, which would be filled with itself and never end.
fn entries(root: &Root, folder: &[Vec<u8>], into: OnDisk) -> Result<Vec<(Vec<u8>, Stat)>> {
    let mut entries = root.list(folder)?;
    entries.retain(|(name, stat)| !is_left_out(name) && OnDisk::of(stat) != into);
    Ok(entries)
}

/// How many files there are, and bytes in them, for whoever waits. What vanishes meanwhile is passed over.
fn count(wish: &Import, root: &Root, top: Vec<Vec<u8>>, into: OnDisk, stop: &AtomicBool) -> Result<(u64, u64)> {
    let (mut files, mut bytes, mut folders) = (0, 0u64, vec![top]);
    while let Some(folder) = folders.pop().filter(|_| !stop.load(Ordering::Relaxed)) {
        for (name, stat) in entries(root, &folder, into).unwrap_or_default() {
            match stat.kind {
                DiskKind::Folder if wish.recursive => folders.push([folder.as_slice(), &[name]].concat()),
                DiskKind::Folder => {}
                DiskKind::File => (files, bytes) = (files + 1, bytes.saturating_add(stat.size_bytes)),
            }
        }
    }
    Ok((files, bytes))
}

struct Importing<'a> {
    app: &'a Arc<App>,
    task: &'a Task,
    wish: &'a Import,
    root: Arc<Root>,
    into: OnDisk,
    counter: &'a Arc<Counter>,
    stop: Arc<AtomicBool>,
}

type Below = (Vec<Vec<u8>>, Vec<String>);

impl Importing<'_> {
    async fn receiver(&self) -> Result<User> {
        let id = self.wish.receiver.clone();
        self.app.db.read(move |tx| receiver(tx, &id)).await
    }

    /// The files of one folder; answers the folders in it.
    async fn folder(
        &self,
        folder: Vec<Vec<u8>>,
        below: Vec<String>,
        left: &mut LeftOut,
    ) -> Result<Vec<Below>, Trouble> {
        judged(self.app, self.task).await?;
        let user = self.receiver().await?;
        let named = |below: &[String]| below.last().cloned().unwrap_or_default();
        let (root, at, into) = (self.root.clone(), folder.clone(), self.into);
        let Ok(entries) = on_disk(move || entries(&root, &at, into)).await else {
            self.leave_out(&named(&below), left);
            return Ok(Vec::new());
        };
        let top = self::folder(self.app, &user, &self.wish.into).await?;
        let into = match files::make_path(self.app, &user, top, &below).await {
            Err(Error::Invalid { .. } | Error::Exists(_)) => {
                self.leave_out(&named(&below), left);
                return Ok(Vec::new());
            }
            made => made?,
        };
        let mut folders = Vec::new();
        for (name, stat) in entries {
            let path: Vec<Vec<u8>> = [folder.as_slice(), std::slice::from_ref(&name)].concat();
            let Ok(name) = String::from_utf8(name.clone()) else {
                self.leave_out(&String::from_utf8_lossy(&name), left);
                continue;
            };
            match stat.kind {
                DiskKind::Folder if self.wish.recursive => {
                    folders.push((path, [below.as_slice(), &[name]].concat()));
                }
                DiskKind::Folder => {}
                DiskKind::File => self.file(&into, path, name, left).await?,
            }
        }
        Ok(folders)
    }

    fn leave_out(&self, name: &str, left: &mut LeftOut) {
        left.add(name);
        self.counter.change(|progress| progress.files_failed += 1);
    }

    async fn file(&self, into: &Place, path: Vec<Vec<u8>>, name: String, left: &mut LeftOut) -> Result<(), Trouble> {
        let root = self.root.clone();
        let opened = on_disk(move || {
            let file = root.open_file(&path)?;
            let stat = Stat::of(&file)?;
            Ok((file, stat))
        });
        // It vanished, or the server may not read it.
        let Ok((file, stat)) = opened.await else {
            self.leave_out(&name, left);
            return Ok(());
        };
        match self.bring(into, file, &stat, &name).await {
            Ok(()) => self.counter.change(|progress| progress.files += 1),
            Err(Error::Invalid { .. } | Error::TooLarge { .. } | Error::Conflict(_) | Error::Exists(_)) => {
                self.leave_out(&name, left);
            }
            Err(error) => return Err(interrupted(self.task, error)),
        }
        Ok(())
    }

    /// Under its name, or the first with a number that no other file has. One of its content is the file itself, brought
    /// before a kill or by another import.
    async fn bring(&self, into: &Place, file: std::fs::File, stat: &Stat, name: &str) -> Result<()> {
        check_name(name)?;
        let user = self.receiver().await?;
        let (size_bytes, modified_ms) = (stat.size_bytes, stat.modified_ms.max(0));
        let before = self.counter.now().bytes;
        let (stem, ending) = name.split_at(ending_at(name));
        for number in 1..=MOST_NUMBERS {
            let name = numbered_text(stem, ending, number);
            let begin = Begin {
                size_bytes: Some(size_bytes),
                modified_ms: Some(modified_ms),
                ..Begin::stream(into.clone(), name.clone(), OnConflict::Refuse)
            };
            let (counter, source) = (self.counter.clone(), file.try_clone()?);
            let copied = move |bytes| counter.change(|progress| progress.bytes = before + bytes);
            match take(self.app, &user, begin, source, copied, self.stop.clone()).await {
                Err(Error::Exists(_)) => {}
                taken => return taken.map(drop),
            }
            // Its row may be missing where a kill came between.
            files::adopt(self.app, &user, into, &name).await?;
            if self.is_same(&user, into, name, file.try_clone()?).await? {
                self.counter.change(|progress| progress.bytes = before + size_bytes);
                return Ok(());
            }
        }
        Err(Error::Exists(name.to_owned()))
    }

    /// Whether what has a name is of this very content. Size and time would not tell two files that one program made.
    async fn is_same(&self, user: &User, into: &Place, name: String, source: std::fs::File) -> Result<bool> {
        let (user, into) = (user.clone(), into.clone());
        let folder = self.app.db.read(move |tx| folder_of(tx, &user, &into, Action::Create)).await?;
        let stop = self.stop.clone();
        on_disk(move || {
            let path: Vec<Vec<u8>> = [folder.path(), &[name.into_bytes()]].concat();
            match open(folder.library())?.open_file(&path) {
                Ok(there) => same_content(&there, &source, &stop),
                // A folder, or it went meanwhile.
                Err(Error::NotFound(_)) => Ok(false),
                Err(error) => Err(error),
            }
        })
        .await
    }
}

fn same_content(one: &std::fs::File, other: &std::fs::File, stop: &AtomicBool) -> Result<bool> {
    let size_bytes = Stat::of(one)?.size_bytes;
    if size_bytes != Stat::of(other)?.size_bytes {
        return Ok(false);
    }
    let (mut at, mut block, mut twin) = (0, vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
    while at < size_bytes {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::NotFound(Thing::Upload));
        }
        let length = usize::try_from(size_bytes - at).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        one.read_exact_at(&mut block[..length], at)?;
        other.read_exact_at(&mut twin[..length], at)?;
        if block[..length] != twin[..length] {
            return Ok(false);
        }
        at += length as u64;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_in_a_named_folder_is_found() {
        let allowed = [PathBuf::from("/media/disk"), PathBuf::from("/srv/in")];
        let names = |source| place_in(&allowed, source).map(|(folder, names)| (folder, names.len())).ok();
        assert_eq!(names("/media/disk"), Some((allowed[0].clone(), 0)));
        assert_eq!(names("/media/disk/"), Some((allowed[0].clone(), 0)));
        assert_eq!(names("/srv/in/a//b/./c"), Some((allowed[1].clone(), 3)));
        for source in ["", "/", "/etc", "/media", "/media/diskette", "/media/disk/../../etc", "media/disk", "a"] {
            assert_eq!(names(source), None, "{source}");
        }
        for hidden in ["/media/disk/.git", "/media/disk/a/.openshelf/b", "/media/disk/lost+found"] {
            assert_eq!(names(hidden), None, "{hidden}");
        }
        let named = [PathBuf::from("/srv/.snapshots")];
        assert!(place_in(&named, "/srv/.snapshots/a").is_ok(), "the operator named it");
    }
}
