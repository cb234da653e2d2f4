//! Storage policies: which one holds where, who may choose which, and what administrators make of them.
//!
//! [`check`] is asked wherever something gets a name: by the engine behind all uploads, when one begins and again when it
//! ends, and by what makes, renames, copies and moves files. What other programs put into a folder is found by a scan as
//! ever: the rules are for the doors.

use super::files::{self, Place};
use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::library::policy::{Policy, PolicyKey, holding};
use crate::library::{Item, ItemKey, Library, LibraryKind, Page};
use crate::now_ms;
use crate::share::grant::{Action, Grant};
use crate::store::{Tx, library, policies};

/// Why a policy is not removed.
pub const HAS_FILES: &str = "folders or files are under this storage policy";
pub const HAS_GROUPS: &str = "groups give this storage policy";
/// Beside the default one.
const MOST_POLICIES: u64 = 1000;

/// Those that a user may store under; the one that holds where they choose nothing is the first. Administrators choose
/// among all.
pub fn given(tx: &mut Tx, user: &User) -> Result<Vec<Policy>> {
    let mut given = if user.groups.is_empty() { Vec::new() } else { policies::of_user(tx, user.key)? };
    if given.is_empty() {
        given.push(policies::default(tx)?);
    }
    if user.is_admin() {
        given.push(policies::default(tx)?);
        given.extend(policies::page(tx, Page { offset: 0, limit: MOST_POLICIES })?);
    }
    let mut known = Vec::with_capacity(given.len());
    given.retain(|policy| {
        let is_new = !known.contains(&policy.id);
        known.push(policy.id.clone());
        is_new
    });
    Ok(given)
}

/// The policy that holds for an item, and for what comes into it: of what `payer` stores there, at the cost of their quota.
pub fn of(tx: &mut Tx, payer: &User, library: &Library, item: ItemKey) -> Result<Policy> {
    let (near, given) = (policies::near(tx, item)?, given(tx, payer)?);
    holding(&near, library.kind, &given).cloned().ok_or(Error::NotFound(Thing::Policy))
}

/// Whether a file of that name and size may be stored as this item, or in this folder. The number that a taken name gets is
/// not judged: it leaves the ending as it is, and a file that came whole is not refused for what another is called.
pub fn check(tx: &mut Tx, payer: &User, library: &Library, at: ItemKey, name: &str, size_bytes: u64) -> Result<()> {
    of(tx, payer, library, at)?.rules()?.check(name, size_bytes)
}

/// The same for what moves within its library. What stays under one policy came in by it, and what lies below keeps its own.
pub(super) fn check_moved(tx: &mut Tx, user: &User, from: &Grant, to: &Grant, name: &str) -> Result<()> {
    let item = from.item();
    let policy = of(tx, user, to.library(), to.item().key)?;
    if of(tx, user, from.library(), item.key)?.id != policy.id {
        return check_brought(tx, user, item, to, name);
    }
    if item.is_folder() { Ok(()) } else { policy.rules()?.check(name, 0) }
}

/// The same for what is copied, or brought along from another library, with all that lies in it: its own policies stay
/// behind.
pub(super) fn check_brought(tx: &mut Tx, user: &User, item: &Item, to: &Grant, name: &str) -> Result<()> {
    let rules = of(tx, user, to.library(), to.item().key)?.rules()?;
    if rules.is_empty() {
        return Ok(());
    }
    if !item.is_folder() {
        return rules.check(name, item.size_bytes);
    }
    let mut folders = vec![item.key];
    while let Some(folder) = folders.pop() {
        for child in library::children(tx, folder)? {
            match child.is_folder() {
                true => folders.push(child.key),
                false => rules.check(&child.shown, child.size_bytes)?,
            }
        }
    }
    Ok(())
}

// Choosing ------------------------------------------------------------------------------------------------------------

/// The one of that id, if the user may store under it.
pub(super) fn choose(tx: &mut Tx, user: &User, id: &str) -> Result<Policy> {
    given(tx, user)?.into_iter().find(|policy| policy.id == id).ok_or(Error::NotFound(Thing::Policy))
}

/// Puts a folder under a policy, or with none of its own back under what is above it: in a home its owner, elsewhere an
/// administrator who may write there.
pub fn set_of_folder(tx: &mut Tx, user: &User, place: &Place, id: Option<&str>) -> Result<()> {
    let folder = files::folder_of(tx, user, place, Action::Update)?;
    may_choose(user, folder.library())?;
    match id {
        None => policies::clear_of_item(tx, folder.item().key),
        Some(id) => {
            let policy = choose(tx, user, id)?;
            policies::set_of_item(tx, folder.item().key, &policy, now_ms())
        }
    }
}

pub(super) fn may_choose(user: &User, library: &Library) -> Result<()> {
    match library.kind {
        LibraryKind::Home if library.owner == Some(user.key) => Ok(()),
        LibraryKind::Home => Err(Error::Forbidden("whose files they are chooses what they are stored under")),
        _ if user.is_admin() => Ok(()),
        _ => Err(Error::Forbidden("administrators choose what is stored here")),
    }
}

/// What holds for an item of the user's own, and whether it is the item's own.
pub fn told(tx: &mut Tx, user: &User, item: &Item) -> Result<(Policy, Inherited)> {
    let library = library::by_key(tx, item.library)?;
    let inherited = if policies::of_item(tx, item.key)?.is_some() { Inherited::No } else { Inherited::Yes };
    Ok((of(tx, user, &library, item.key)?, inherited))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inherited {
    Yes,
    No,
}

// Administering -------------------------------------------------------------------------------------------------------

/// One without an id is made; another gets what the wish says. `Invalid`, `NotFound`.
pub fn save(tx: &mut Tx, wish: Policy) -> Result<Policy> {
    let wish = wish.checked()?;
    if !wish.id.is_empty() {
        return policies::update(tx, &wish, now_ms());
    }
    if policies::count(tx)? >= MOST_POLICIES {
        return Err(Error::Forbidden("there are too many storage policies"));
    }
    policies::insert(tx, &wish, now_ms())
}

/// Any but the default one, which has no key for this. `Forbidden` while it is in use.
pub fn remove(tx: &mut Tx, key: PolicyKey) -> Result<()> {
    let policy = policies::by_key(tx, key)?;
    match policies::uses(tx, policy.key)? {
        policies::Uses { items: 1.., .. } => Err(Error::Forbidden(HAS_FILES)),
        policies::Uses { groups: 1.., .. } => Err(Error::Forbidden(HAS_GROUPS)),
        _ => policies::remove(tx, policy.key),
    }
}
