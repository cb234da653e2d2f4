//! What others share with a user by name, and the shortcuts to shares that they saved.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::answers::{self, File, Files, Owned, Pagination, Props};
use super::list::PageWish;
use super::metadata::{SHORTCUT, SHORTCUT_OWNER};
use super::uri::{FileUri, Space};
use super::{boolset, metadata, views};
use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::library::names::sort_key;
use crate::library::{Item, ItemKind};
use crate::now_ms;
use crate::share::grant::{ShareFacts, admit};
use crate::share::visit::Visitor;
use crate::store::folders::{By, Order, Rank};
use crate::store::{Tx, shares};
use crate::work::sharing::{self, Contents};
use crate::work::{files, metadata as noted};

/// Shares, and shortcuts, that are looked at for one list.
const MOST: usize = 500;
/// Download, list, enter.
const MAY: u64 = boolset::of(&[7, 9, 23]);

/// One of the list, with its place in the asked order.
struct Entry {
    kind: ItemKind,
    rank: Rank,
    file: File,
}

impl Entry {
    fn of(item: &Item, by: By, file: File) -> Entry {
        Entry { kind: item.kind, rank: Rank::of(by, item, &item.shown), file }
    }
}

/// A page of all: only the root can be listed.
pub fn list(tx: &mut Tx, uri: FileUri, user: &User, visitor: &Visitor, wish: &PageWish) -> Result<Files> {
    if !uri.path.is_empty() {
        return Err(Error::NotFound(Thing::Folder));
    }
    let view = views::of_space(tx, user, Space::SharedWithMe)?;
    let (order, size) = wish.order(view.as_ref());
    let start = match &wish.after {
        Some(token) => read_token(order, token)?,
        None => wish.page.saturating_mul(size),
    };
    let (given, saved) = (shares::naming(tx, user, MOST + 1)?, noted::with_field(tx, user, SHORTCUT, MOST + 1)?);
    let is_cut = given.len() > MOST || saved.len() > MOST;
    let mut all = Vec::new();
    for share in given.into_iter().take(MOST) {
        let facts = shares::facts_of(tx, share, visitor, now_ms())?;
        if admit(&facts, visitor, now_ms()).is_ok() {
            all.extend(shared(tx, &facts, visitor, order.by)?);
        }
    }
    let saved: Vec<Item> = saved.into_iter().take(MOST).map(|(item, _)| item).collect();
    let mut fields = metadata::of_page(tx, &saved.iter().collect::<Vec<_>>(), Owned::Mine)?;
    for item in &saved {
        let path = FileUri::my(files::path_of(tx, user, item)?);
        let file = File::of(item, &item.shown, path.to_string(), MAY, Owned::Mine);
        all.push(Entry::of(item, order.by, File { metadata: fields.remove(&item.key), ..file }));
    }
    sort(&mut all, order);
    let end = start.saturating_add(size);
    let next_token = (all.len() > end).then(|| token(order, end));
    Ok(Files {
        pagination: Pagination { page: wish.page, page_size: size, next_token, is_cursor: true },
        files: all.into_iter().skip(start).take(size).map(|entry| entry.file).collect(),
        parent: File::root(uri.to_string(), MAY, Owned::Mine),
        props: Props::of(MAY),
        context_hint: None,
        mixed_type: false,
        recursion_limit_reached: is_cut,
        single_file_view: false,
        storage_policy: None,
        view,
    })
}

/// Folders first; what is equal stays as it came, the newest first.
fn sort(entries: &mut [Entry], order: Order) {
    entries.sort_by(|one, other| {
        let ranks = one.rank.cmp(&other.rank);
        let kinds = (other.kind == ItemKind::Folder).cmp(&(one.kind == ItemKind::Folder));
        kinds.then(if order.is_descending { ranks.reverse() } else { ranks })
    });
}

/// A place in the list, which is put together for each page. It goes with its order.
fn token(order: Order, place: usize) -> String {
    URL_SAFE_NO_PAD.encode(format!("{order:?} {place}"))
}

fn read_token(order: Order, token: &str) -> Result<usize> {
    let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let place = text.and_then(|text| text.strip_prefix(&format!("{order:?} "))?.parse().ok());
    place.ok_or(Error::invalid("next_page_token", "it was not made for this list"))
}

/// What clients follow to the share; nothing of one whose files are gone.
fn shared(tx: &mut Tx, facts: &ShareFacts, visitor: &Visitor, by: By) -> Result<Option<Entry>> {
    let share = &facts.share;
    let contents = match sharing::contents_for(tx, facts, visitor) {
        Err(Error::NotFound(_)) => return Ok(None),
        contents => contents?,
    };
    let root = FileUri { space: Space::Share, id: Some(share.id.clone()), password: None, ..FileUri::my(Vec::new()) };
    let mut entry = match &contents {
        Contents::Folder(item) | Contents::File(item) => {
            let path = if item.is_folder() { root.clone() } else { root.child(&item.shown) };
            let file = File::of(item, &item.shown, path.to_string(), MAY, Owned::Others);
            let metadata = metadata::of_item(tx, item, Owned::Others)?;
            Entry::of(item, by, File { metadata, ..file })
        }
        Contents::Set(_) => {
            let name = if share.title.is_empty() { sharing::name_of_set(tx, facts)? } else { share.title.clone() };
            let rank = match by {
                By::Name => Rank::Text(sort_key(&name)),
                By::Size => Rank::Number(0),
                By::Modified => Rank::Number(share.modified_ms.saturating_mul(1_000_000)),
                By::Added => Rank::Number(share.created_ms),
            };
            let (created_at, updated_at) = (answers::time(share.created_ms), answers::time(share.modified_ms));
            let file = File { name, created_at, updated_at, ..File::root(root.to_string(), MAY, Owned::Others) };
            Entry { kind: ItemKind::Folder, rank, file }
        }
    };
    let fields = entry.file.metadata.get_or_insert_default();
    fields.insert(SHORTCUT.to_owned(), root.to_string());
    fields.insert(SHORTCUT_OWNER.to_owned(), facts.owner.id.clone());
    Ok(Some(entry))
}
