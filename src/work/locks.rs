//! Locks: WebDAV's clients take them, every door obeys them.
//!
//! They are rows, judged where rights are judged and in the same transaction: all nodes know them, and a lock that was
//! taken holds after a kill, as its client believes it does. Each ends by itself within the hour unless it is renewed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::files::{by_rights, path_of};
use crate::account::User;
use crate::error::{Error, InTheWay, Result};
use crate::library::lock::{Depth, Hold, Lock, go_together, in_the_way};
use crate::library::{Item, ItemKey, LibraryKey, LibraryKind};
use crate::share::grant::{Action, Grant};
use crate::store::{Tx, library, locks};
use crate::{App, now_ms};

/// Of one user at a time.
const MOST_LOCKS: u64 = 1000;
/// Clients renew theirs long before; what a client left behind ends with it.
const LONGEST_MS: i64 = 60 * 60 * 1000;
/// Lists tell it for each file beneath the lock.
const LONGEST_OWNER_BYTES: usize = 512;
/// Shared ones, on one item: lists tell each of them too.
const MOST_ON_ONE: usize = 16;

/// What somebody wants to lock.
#[derive(Debug, Clone)]
pub struct Wish {
    pub hold: Hold,
    pub depth: Depth,
    pub owner: String,
    /// `None` for as long as can be had.
    pub lasts_ms: Option<i64>,
}

impl Wish {
    pub fn check(&self) -> Result<()> {
        match self.owner.len() {
            length if length > LONGEST_OWNER_BYTES => {
                Err(Error::invalid("owner", format!("at most {LONGEST_OWNER_BYTES} bytes")))
            }
            _ => Ok(()),
        }
    }
}

fn lasting(wish_ms: Option<i64>) -> i64 {
    wish_ms.unwrap_or(LONGEST_MS).clamp(1000, LONGEST_MS)
}

/// Refuses what a lock keeps this user from. `Locked` tells by which.
pub(super) fn obey(tx: &mut Tx, user: &User, grant: &Grant) -> Result<()> {
    let locks = locks::in_library(tx, grant.library().key, now_ms())?;
    if locks.is_empty() {
        return Ok(());
    }
    let mut touched = Vec::new();
    for lock in locks {
        if touches(tx, &lock, grant)? {
            touched.push(lock);
        }
    }
    refuse(tx, user, grant, &in_the_way(&touched, user))
}

/// The same of what goes from its folder under the right to change it: a lock on the folder keeps the names in it.
pub(super) fn obey_leaving(tx: &mut Tx, user: &User, grant: &Grant) -> Result<()> {
    let locks = locks::in_library(tx, grant.library().key, now_ms())?;
    let of_folder: Vec<Lock> = locks.into_iter().filter(|lock| grant.chain().get(1) == Some(&lock.item)).collect();
    refuse(tx, user, grant, &in_the_way(&of_folder, user))
}

/// Whether what is granted changes something that the lock locks.
fn touches(tx: &mut Tx, lock: &Lock, grant: &Grant) -> Result<bool> {
    let (item, chain) = (grant.item(), grant.chain());
    if lock.covers(chain) {
        return Ok(true);
    }
    match grant.action() {
        // Its name goes from its folder, and all in it goes along.
        Action::Delete if chain.get(1) == Some(&lock.item) => Ok(true),
        Action::Update | Action::Relocate | Action::Delete if item.is_folder() => {
            locks::is_below(tx, lock.item, item.key)
        }
        _ => Ok(false),
    }
}

fn refuse(tx: &mut Tx, user: &User, grant: &Grant, locks: &[&Lock]) -> Result<()> {
    let mut all = Vec::with_capacity(locks.len());
    for lock in locks {
        let Some(item) = library::item(tx, lock.item)? else { continue };
        let (path, is_folder) = (path_of(tx, user, &item).unwrap_or_default(), item.is_folder());
        let may_break = lock.maker == user.key || is_owner(user, grant);
        let token = may_break.then(|| lock.token.clone());
        all.push(InTheWay { path, is_folder, owner: lock.owner.clone(), token });
    }
    if all.is_empty() { Ok(()) } else { Err(Error::Locked(all)) }
}

fn is_owner(user: &User, grant: &Grant) -> bool {
    grant.library().kind == LibraryKind::Home && grant.library().owner == Some(user.key)
}

/// Locks what the user may change. `Locked` where another lock is in the way.
pub async fn take(app: &App, user: &User, item_id: &str, wish: Wish) -> Result<Lock> {
    wish.check()?;
    let (user, id) = (user.clone(), item_id.to_owned());
    app.db.write(move |tx| take_now(tx, &user, &id, wish)).await
}

fn take_now(tx: &mut Tx, user: &User, id: &str, wish: Wish) -> Result<Lock> {
    let now = now_ms();
    locks::remove_expired(tx, now)?;
    if locks::count(tx, user.key)? >= MOST_LOCKS {
        return Err(Error::Forbidden("too many locks; give some back"));
    }
    let grant = super::files::lockable(tx, user, id)?;
    let key = grant.item().key;
    let mut others = Vec::new();
    let mut on_it = 0;
    for lock in locks::in_library(tx, grant.library().key, now)? {
        let meets = lock.covers(grant.chain()) || (wish.depth == Depth::Tree && locks::is_below(tx, lock.item, key)?);
        on_it += usize::from(lock.covers(grant.chain()));
        if meets && !go_together(lock.hold, wish.hold) {
            others.push(lock);
        }
    }
    refuse(tx, user, &grant, &others.iter().collect::<Vec<_>>())?;
    if on_it >= MOST_ON_ONE {
        return Err(Error::Forbidden("it has too many locks; give some back"));
    }
    let lasts_ms = lasting(wish.lasts_ms);
    let lock = Lock {
        token: format!("urn:uuid:{}", uuid::Uuid::new_v4()),
        item: key,
        maker: user.key,
        hold: wish.hold,
        depth: wish.depth,
        owner: wish.owner,
        lasts_ms,
        expires_ms: now.saturating_add(lasts_ms),
    };
    locks::insert(tx, grant.library().key, &lock)?;
    Ok(lock)
}

/// The locks that lie on each of these items that the user may see, its own and those of folders around it.
pub fn on_each(tx: &mut Tx, user: &User, items: &[Item]) -> Result<HashMap<ItemKey, Vec<Lock>>> {
    let mut all: HashMap<LibraryKey, Vec<Lock>> = HashMap::new();
    let mut found = HashMap::new();
    for item in items {
        let locks = match all.entry(item.library) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(locks::in_library(tx, item.library, now_ms())?),
        };
        if locks.is_empty() {
            continue;
        }
        let grant = by_rights(tx, user, item.clone(), Action::See)?;
        found.insert(item.key, locks.iter().filter(|lock| lock.covers(grant.chain())).cloned().collect());
    }
    Ok(found)
}

fn on(tx: &mut Tx, grant: &Grant) -> Result<Vec<Lock>> {
    let all = locks::in_library(tx, grant.library().key, now_ms())?;
    Ok(all.into_iter().filter(|lock| lock.covers(grant.chain())).collect())
}

/// Lets the user's lock on an item last on. `None` where they have none of that token there.
pub async fn renew(app: &App, user: &User, item_id: &str, token: &str, lasts_ms: Option<i64>) -> Result<Option<Lock>> {
    let (user, id, token) = (user.clone(), item_id.to_owned(), token.to_owned());
    app.db
        .write(move |tx| {
            let Some(mut lock) = own(tx, &user, &id, &token)? else { return Ok(None) };
            lock.lasts_ms = lasting(lasts_ms);
            lock.expires_ms = now_ms().saturating_add(lock.lasts_ms);
            locks::renew(tx, &token, lock.lasts_ms, lock.expires_ms)?;
            Ok(Some(lock))
        })
        .await
}

fn own(tx: &mut Tx, user: &User, id: &str, token: &str) -> Result<Option<Lock>> {
    let Some(item) = library::item_by_id(tx, id)? else { return Ok(None) };
    let grant = by_rights(tx, user, item, Action::See)?;
    Ok(on(tx, &grant)?.into_iter().find(|lock| lock.token == token && lock.maker == user.key))
}

/// Gives the user's lock on an item back. Whether there was one.
pub async fn give_back(app: &App, user: &User, item_id: &str, token: &str) -> Result<bool> {
    let (user, id, token) = (user.clone(), item_id.to_owned(), token.to_owned());
    app.db
        .write(move |tx| match own(tx, &user, &id, &token)? {
            Some(lock) => locks::remove(tx, &lock.token).map(|()| true),
            None => Ok(false),
        })
        .await
}

/// Ends a lock by its token alone, as who made it may, and whose file it is. Whether it was theirs to end.
pub async fn break_open(app: &App, user: &User, token: &str) -> Result<bool> {
    let (user, token) = (user.clone(), token.to_owned());
    app.db
        .write(move |tx| {
            let Some(lock) = locks::by_token(tx, &token, now_ms())? else { return Ok(false) };
            if lock.maker != user.key && !owns(tx, &user, lock.item)? {
                return Ok(false);
            }
            locks::remove(tx, &token).map(|()| true)
        })
        .await
}

fn owns(tx: &mut Tx, user: &User, item: ItemKey) -> Result<bool> {
    let Some(item) = library::item(tx, item)? else { return Ok(false) };
    Ok(by_rights(tx, user, item, Action::See).is_ok_and(|grant| is_owner(user, &grant)))
}
