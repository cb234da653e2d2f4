//! What users do with their own files: look, make, rename, move, copy, throw away. Every door calls these.
//!
//! A user's tree has one root: the content of their home, and beside it the libraries that they may read. Writes judge
//! first, then change the disk, then the rows. When the rows fail, or the machine does in between, the disk is right and
//! the next scan brings the rows in line. A write that began runs to its end even when its caller goes away.

use super::roots::stamp_of;
use crate::App;
use crate::blob::Root;
use crate::error::{Error, Result};
use crate::library::names::{ending_at, is_left_out, numbered};
use crate::library::scan::{Content, Stamp};
use crate::library::{Item, ItemKey, ItemKind, LibraryKey, Media, tags};
use crate::now_ms;
use crate::share::grant::Grant;
use crate::store::scan::{Fate, Left, Track};
use crate::store::{Asker, Tx, files, library};

mod making;
mod moving;
mod trash;
mod tree;

pub(super) use making::adopt;
pub use making::{create_file, create_folder, make_path, set_modified};
pub use moving::{copy_as, copy_into, move_as, move_into, rename};
pub(super) use trash::mend_trash;
pub use trash::{count_trashed, is_in_trash, purge, restore, trash, trashed};
pub(super) use tree::{
    by_id, by_rights, folder_of, is_home_root, libraries_of, lockable, name_in_root, names, room_bytes,
};
pub use tree::{by_path, children_of, count_in_root, home_root, may_create_in, parent_of, path_of, usage};

/// The last moment of the year 9999; later ones have no place in what clients print.
const LATEST_MS: i64 = 253_402_300_799_999;

/// A place in a user's own tree.
#[derive(Debug, Clone)]
pub enum Place {
    /// The user's root: what is in their home, and their libraries. What is written here goes to the home.
    Root,
    Item(Item),
}

/// A child of a place. `shown` is unique in its folder.
#[derive(Debug, Clone)]
pub struct Entry {
    pub item: Item,
    pub shown: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    pub used_bytes: u64,
    /// The user's quota; without one, what is used and what is free on the disk of the home.
    pub total_bytes: u64,
}

/// Refuses what cannot be a file's name here. Hidden files are not served, so none are made.
pub(super) fn check_name(name: &str) -> Result<()> {
    let why = match name {
        "" => "it is empty",
        "." | ".." => "it is not a name",
        _ if name.len() > 255 => "it is longer than 255 bytes",
        _ if name.contains('/') => "it holds a slash",
        _ if name.chars().any(char::is_control) => "it holds control characters",
        _ if is_left_out(name.as_bytes()) => "files of that name are not served",
        _ => return Ok(()),
    };
    Err(Error::invalid("file name", why))
}

pub(super) fn check_time(modified_ms: i64) -> Result<()> {
    match (0..=LATEST_MS).contains(&modified_ms) {
        true => Ok(()),
        false => Err(Error::invalid("modified", "it lies outside the years 1970 to 9999")),
    }
}

/// Runs to its end whether or not the caller still waits: a request that is dropped must not stop between disk and rows.
pub(super) async fn to_the_end<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let work = Asker::current().about(work);
    tokio::spawn(work).await.unwrap_or_else(|cause| Err(Error::internal("file work", cause)))
}

/// What is at a path now, as the rows are to say it.
#[derive(Debug)]
pub(super) struct Found {
    pub name: Vec<u8>,
    pub stamp: Stamp,
    pub track: Track,
}

/// Looks at what was just written, its tags included.
pub(super) fn look(root: &Root, path: &[Vec<u8>]) -> Result<Found> {
    let name = path.last().cloned().unwrap_or_default();
    let stamp = stamp_of(&root.stat(path)?);
    let is_audio = stamp.kind == ItemKind::File && tags::media_of(&name) == Media::Audio;
    let track = match is_audio {
        true => Track::Facts(Box::new(tags::read(root.open_file(path)?, &name).0)),
        false => Track::None,
    };
    Ok(Found { name, stamp, track })
}

impl Found {
    /// Its row in a folder: the one that stands there already, or a new one. A scan may have seen it before us.
    pub(super) fn store(self, tx: &mut Tx, library: LibraryKey, folder: ItemKey) -> Result<Item> {
        let fate = match library::child_named(tx, folder, &self.name)?.filter(|item| item.kind == self.stamp.kind) {
            Some(item) if files::stamp(tx, item.key)? == self.stamp => return Ok(item),
            Some(item) => Fate::Stays { key: item.key, content: Content::Changed },
            None => Fate::Added,
        };
        files::put(tx, library, files::change(folder, self.name, self.stamp, fate, self.track), now_ms())
    }
}

/// The rows of what the disk has already. When they fail, a scan is asked to bring them in line.
pub(super) async fn store_rows<T: Send + 'static>(
    app: &App,
    library: LibraryKey,
    rows: impl FnOnce(&mut Tx) -> Result<T> + Send + 'static,
) -> Result<T> {
    let stored = app.db.write(rows).await;
    if stored.is_err() {
        app.scanner.request(library);
    }
    stored
}

/// Brings albums up to date in short steps. What is left undone stands in the rows, and the next scan does it.
pub(super) async fn refresh_albums(app: &App, library: LibraryKey) -> Result<()> {
    while app.db.write(move |tx| files::refresh_albums(tx, library, now_ms())).await? == Left::More {}
    Ok(())
}

fn below(folder: &Grant, name: &[u8]) -> Vec<Vec<u8>> {
    let mut path = folder.path().to_vec();
    path.push(name.to_vec());
    path
}

/// Whether something is shown by that name already: a file whose name differs in its bytes only would confuse everybody.
pub(super) fn refuse_taken(tx: &mut Tx, folder: ItemKey, name: &str, except: Option<ItemKey>) -> Result<()> {
    match library::child_shown(tx, folder, name)? {
        Some(item) if Some(item.key) != except => Err(Error::Exists(name.to_owned())),
        _ => Ok(()),
    }
}

/// The folder of an item; the root of a library cannot be renamed, moved, copied onto or deleted.
pub(super) fn not_a_root(grant: &Grant) -> Result<ItemKey> {
    let is_only = grant.library().only.is_some() && grant.path().len() <= 1;
    grant.item().parent.filter(|_| !is_only).ok_or(Error::Forbidden("the root of a library stays as it is"))
}

/// Tries a name, then the same with a number, until one is free; tells the path that was. A file's number stands before
/// its ending; a folder has none.
pub(super) fn with_free_name(
    folder: &[Vec<u8>],
    (name, kind): (&[u8], ItemKind),
    mut attempt: impl FnMut(&[Vec<u8>]) -> Result<()>,
) -> Result<Vec<Vec<u8>>> {
    const MOST_TRIES: u64 = 10_000;
    let (stem, ending) = match kind {
        ItemKind::File => name.split_at(ending_at(name)),
        ItemKind::Folder => (name, &b""[..]),
    };
    for number in 1..=MOST_TRIES {
        let path = [folder, &[numbered(stem, ending, number)]].concat();
        match attempt(&path) {
            Ok(()) => return Ok(path),
            Err(Error::Exists(_)) => {}
            Err(other) => return Err(other),
        }
    }
    Err(Error::Exists(String::from_utf8_lossy(name).into_owned()))
}
