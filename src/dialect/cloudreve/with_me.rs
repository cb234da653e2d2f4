//! What others share with a user by name, and the shortcuts to shares that they saved.

use super::answers::{File, Files, Owned, Pagination, Props};
use super::list::PAGE_MOST;
use super::metadata::{SHORTCUT, SHORTCUT_OWNER};
use super::uri::{FileUri, Space};
use super::{answers, boolset};
use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::now_ms;
use crate::share::grant::{ShareFacts, admit};
use crate::share::visit::Visitor;
use crate::store::{Tx, shares};
use crate::work::files;
use crate::work::metadata;
use crate::work::sharing::{self, Contents};

/// Shares and shortcuts of one list.
const MOST: usize = 500;
/// Download, list, enter.
const MAY: u64 = boolset::of(&[7, 9, 23]);

/// The whole list: only its root can be listed.
pub fn list(tx: &mut Tx, uri: FileUri, user: &User, visitor: &Visitor) -> Result<Files> {
    if !uri.path.is_empty() {
        return Err(Error::NotFound(Thing::Folder));
    }
    let mut all = Vec::new();
    for share in shares::naming(tx, user, MOST)? {
        let facts = shares::facts_of(tx, share, visitor, now_ms())?;
        if admit(&facts, visitor, now_ms()).is_ok() {
            all.extend(shared(tx, &facts, visitor)?);
        }
    }
    for (item, leads_to) in metadata::with_field(tx, user, SHORTCUT, MOST)? {
        let path = FileUri::my(files::path_of(tx, user, &item)?);
        let mut file = File::of(&item, &item.shown, path.to_string(), MAY, Owned::Mine);
        file.metadata = Some([(SHORTCUT.to_owned(), leads_to)].into());
        all.push(file);
    }
    Ok(Files {
        pagination: Pagination { page: 0, page_size: all.len(), next_token: None, is_cursor: true },
        files: all,
        parent: File::root(uri.to_string(), MAY, Owned::Mine),
        props: Props {
            capability: boolset::write(MAY),
            max_page_size: PAGE_MOST,
            order_by_options: ["name", "size", "updated_at", "created_at"],
            order_direction_options: ["asc", "desc"],
        },
        context_hint: None,
        mixed_type: false,
        recursion_limit_reached: false,
        single_file_view: false,
        storage_policy: None,
        view: None,
    })
}

/// What clients follow to the share; nothing of one whose files are gone.
fn shared(tx: &mut Tx, facts: &ShareFacts, visitor: &Visitor) -> Result<Option<File>> {
    let share = &facts.share;
    let contents = match sharing::contents_for(tx, facts, visitor) {
        Err(Error::NotFound(_)) => return Ok(None),
        contents => contents?,
    };
    let root = FileUri { space: Space::Share, id: Some(share.id.clone()), password: None, ..FileUri::my(Vec::new()) };
    let mut file = match &contents {
        Contents::Folder(item) => File::of(item, &item.shown, root.to_string(), MAY, Owned::Others),
        Contents::File(item) => File::of(item, &item.shown, root.child(&item.shown).to_string(), MAY, Owned::Others),
        Contents::Set(_) => {
            let name = if share.title.is_empty() { sharing::name_of_set(tx, facts)? } else { share.title.clone() };
            let (created_at, updated_at) = (answers::time(share.created_ms), answers::time(share.modified_ms));
            File { name, created_at, updated_at, ..File::root(root.to_string(), MAY, Owned::Others) }
        }
    };
    let owner = (SHORTCUT_OWNER.to_owned(), facts.owner.id.clone());
    file.metadata = Some([(SHORTCUT.to_owned(), root.to_string()), owner].into());
    Ok(Some(file))
}
