//! Sharing: make, edit, revoke, open, and reach what is inside. Each door calls the same few functions.

use serde::Deserialize;

use super::drop_box;
use crate::account::password;
use crate::account::token::random_base62;
use crate::account::{Role, User, UserKey};
use crate::config::Granting;
use crate::error::{Error, Result, Thing};
use crate::library::{Item, ItemKey, PlaylistKey};
use crate::share::grant::{Action, Admitted, Grant, Placed, ShareFacts, Through, admit, authorize};
use crate::share::visit::{Lease, Visitor, Wanted};
use crate::share::{Audience, Bits, Change, Door, Mode, Share, Shared, Subject, Wish};
use crate::store::shares::{NewShare, PasswordChange, SharePassword};
use crate::store::{Tx, accounts, library, music, playlists, rights, shares};
use crate::{App, now_ms};

/// Entries of one share at most; more is a folder's or a playlist's work.
const MOST_ENTRIES: usize = 1000;

/// What fills a new share's terms where its maker's door has no word for them; never a password.
#[derive(Debug, Clone, Default, Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DefaultTerms {
    pub expire_after_s: Option<i64>,
    pub view_limit: Option<i64>,
    pub download_limit: Option<i64>,
    pub downloads_allowed: Option<bool>,
    pub listen_only: Option<bool>,
}

impl DefaultTerms {
    fn fill(&self, wish: &mut Wish, now_ms: i64) {
        let unsaid = |change: &mut Change<i64>, default: Option<i64>| {
            if let (Change::Keep, Some(value)) = (&change, default) {
                *change = Change::Set(value);
            }
        };
        unsaid(&mut wish.expires_ms, self.expire_after_s.map(|s| now_ms.saturating_add(s.saturating_mul(1000))));
        unsaid(&mut wish.view_limit, self.view_limit);
        unsaid(&mut wish.download_limit, self.download_limit);
        wish.downloads_allowed = wish.downloads_allowed.or(self.downloads_allowed);
        wish.mode = wish.mode.or(self.listen_only.map(|only| if only { Mode::Listen } else { Mode::Read }));
    }
}

/// Replaces what fills the terms of the owner's new shares.
pub async fn set_default_terms(app: &App, owner: UserKey, defaults: &DefaultTerms) -> Result<()> {
    let json = serde_json::to_string(defaults).map_err(|e| Error::internal("default terms", e))?;
    app.db.write(move |tx| accounts::set_default_terms(tx, owner, &json)).await
}

fn seal_of(share_id: &str) -> String {
    format!("password of share {share_id}")
}

fn stored_password(app: &App, share_id: &str, password: &str) -> Result<SharePassword> {
    password::check_share(password)?;
    let hash = tokio::task::block_in_place(|| password::hash(password))?;
    Ok(SharePassword { hash, sealed: app.keys.seal(&seal_of(share_id), password) })
}

fn check_count(items: &[Shared]) -> Result<()> {
    match items.len() {
        0 => Err(Error::Missing("id")),
        1..=MOST_ENTRIES => Ok(()),
        _ => Err(Error::invalid("id", format!("at most {MOST_ENTRIES} entries"))),
    }
}

/// Makes a share of what its owner may share, all entries or none. The first of `NotFound`, `Forbidden` and `Invalid`
/// that applies leaves nothing behind.
pub async fn create(app: &App, owner: &User, door: Door, items: Vec<Shared>, mut wish: Wish) -> Result<Share> {
    owner.may(Role::Share)?;
    check_count(&items)?;
    let now = now_ms();
    wish.check(now)?;
    let id = random_base62(crate::share::ID_CHARS);
    let password = match &wish.password {
        Change::Set(password) => Some(stored_password(app, &id, password)?),
        Change::Keep | Change::Clear => None,
    };
    let owner = owner.clone();
    let granting = app.config.mycloud_grants;
    app.db
        .write(move |tx| {
            let defaults = accounts::default_terms(tx, owner.key)?;
            let defaults: DefaultTerms =
                serde_json::from_str(&defaults).map_err(|e| Error::internal("default terms", e))?;
            defaults.fill(&mut wish, now);
            may_share_all(tx, &owner, &items, now)?;
            let auth_id = uuid::Uuid::new_v4().to_string();
            let slug = wish.slug.clone();
            let mut draft = Share::blank(id.clone(), owner.key, now);
            let of_box = wish.drop_box.clone();
            wish.apply(&mut draft);
            of_box.check_mode(draft.terms.mode)?;
            if draft.terms.mode.takes_files() {
                drop_box::check_place(tx, &owner, &items)?;
            }
            let new = NewShare {
                id: &id,
                auth_id: &auth_id,
                slug: if let Change::Set(slug) = &slug { Some(slug) } else { None },
                owner: owner.key,
                door,
                // A share of My Cloud Home's own contract opens only once files are granted to its holders.
                two_step: i64::from(door == Door::MyCloud),
                title: &draft.title,
                description: &draft.description,
                items: &items,
                terms: &draft.terms,
                password: password.as_ref(),
                now_ms: now,
            };
            let key = shares::insert(tx, &new)?;
            let share = shares::by_key(tx, key)?.ok_or(Error::NotFound(Thing::Share))?;
            if share.two_step && granting == Granting::AtOnce {
                shares::grant_unasked(tx, &share.auth_id, &share.items)?;
            }
            Ok(share)
        })
        .await
}

fn may_share_all(tx: &mut Tx, owner: &User, items: &[Shared], now_ms: i64) -> Result<()> {
    let visitor = Visitor::guest([127, 0, 0, 1].into(), "").with_user(owner.clone());
    items.iter().try_for_each(|shared| may_share(tx, &visitor, owner, *shared, now_ms))
}

/// Whether the owner may share it: what they cannot see is not found, what they may only see is forbidden.
fn may_share(tx: &mut Tx, visitor: &Visitor, owner: &User, shared: Shared, now_ms: i64) -> Result<()> {
    match shared {
        Shared::Item(key) => {
            let item = library::item(tx, key)?.ok_or(Error::NotFound(Thing::File))?;
            let placed = library::place(tx, item, &[])?;
            let bits = rights::in_library(tx, owner, placed.item.library)?;
            authorize(Through::Library(bits), visitor, placed, Action::Share, now_ms)?;
            Ok(())
        }
        Shared::Album(key) => {
            let (seen, shareable) = (rights::scope(tx, owner)?, rights::shareable(tx, owner)?);
            match music::is_album_in(tx, &seen, key)? {
                true if music::is_album_in(tx, &shareable, key)? => Ok(()),
                true => Err(Error::Forbidden("you may only read this")),
                false => Err(Error::NotFound(Thing::Album)),
            }
        }
        Shared::Artist(key) => {
            let (seen, shareable) = (rights::scope(tx, owner)?, rights::shareable(tx, owner)?);
            match music::is_artist_in(tx, &seen, key)? {
                true if music::is_artist_in(tx, &shareable, key)? => Ok(()),
                true => Err(Error::Forbidden("you may only read this")),
                false => Err(Error::NotFound(Thing::Artist)),
            }
        }
        Shared::Playlist(key) => {
            if music::may_read_playlist(tx, owner.key, key)? {
                Ok(())
            } else {
                Err(Error::NotFound(Thing::Playlist))
            }
        }
    }
}

/// Edits a share of the owner's; what the wish does not say stays.
pub async fn edit(app: &App, owner: UserKey, id: &str, wish: Wish) -> Result<Share> {
    let now = now_ms();
    wish.check(now)?;
    wish.items.as_deref().map(check_count).transpose()?;
    let wanted = id.to_owned();
    let share = app.db.read(move |tx| shares::owned(tx, owner, &wanted)).await?;
    let password = match &wish.password {
        Change::Keep => PasswordChange::Keep,
        Change::Clear if share.terms.has_password => PasswordChange::Clear,
        Change::Clear => PasswordChange::Keep,
        Change::Set(password) => PasswordChange::Set(stored_password(app, &share.id, password)?),
    };
    let granting = app.config.mycloud_grants;
    app.db
        .write(move |tx| {
            let owner = accounts::by_key(tx, owner)?.ok_or(Error::NotFound(Thing::User))?;
            let mut share = shares::owned(tx, owner.key, &share.id)?;
            let (took_files, of_box) = (share.terms.mode.takes_files(), wish.drop_box.clone());
            let (held, holds_others) = (share.items.clone(), wish.items.is_some());
            wish.apply(&mut share);
            of_box.check_mode(share.terms.mode)?;
            if share.terms.mode.takes_files() && (!took_files || holds_others) {
                drop_box::check_place(tx, &owner, &share.items)?;
            }
            if holds_others {
                owner.may(Role::Share)?;
                may_share_all(tx, &owner, &share.items, now)?;
                shares::set_items(tx, share.key, &share.items)?;
                // What was granted is granted to what it held: what comes back is granted anew, what stays is not.
                let (left, new) = (without(&held, &share.items), without(&share.items, &held));
                shares::ungrant_items(tx, &share.auth_id, &left)?;
                if share.two_step && granting == Granting::AtOnce {
                    shares::grant_unasked(tx, &share.auth_id, &new)?;
                }
            }
            shares::update(tx, &share, &password, now)?;
            shares::by_key(tx, share.key)?.ok_or(Error::NotFound(Thing::Share))
        })
        .await
}

fn without(items: &[Shared], others: &[Shared]) -> Vec<Shared> {
    items.iter().filter(|item| !others.contains(item)).copied().collect()
}

/// Kills a share of the owner's for good, at every door.
pub async fn revoke(app: &App, owner: UserKey, id: &str) -> Result<()> {
    let id = id.to_owned();
    app.db
        .write(move |tx| {
            let share = shares::owned(tx, owner, &id)?;
            shares::revoke(tx, share.key, now_ms())
        })
        .await
}

/// Shares by which the owner gave others rights on an item: they open to those alone.
pub fn of_permissions(tx: &mut Tx, owner: UserKey, item: ItemKey) -> Result<Vec<Share>> {
    let is_one = |share: &Share| {
        share.door == Door::Cloudreve && share.terms.audience == Audience::Listed && share.items == [Shared::Item(item)]
    };
    Ok(shares::lists::holding(tx, owner, item)?.into_iter().filter(is_one).collect())
}

/// Gives others these rights on an item of the owner's, in place of those they were given before; with none, takes them
/// back.
pub async fn permit(app: &App, owner: &User, item: ItemKey, rows: &[(Subject, Bits)]) -> Result<()> {
    let key = owner.key;
    let there = app.db.read(move |tx| of_permissions(tx, key, item)).await?;
    if there.is_empty() && !rows.is_empty() {
        make_permission(app, owner, item, rows.to_vec()).await?;
    }
    for share in there {
        match rows.is_empty() {
            true => revoke(app, key, &share.id).await?,
            false => {
                let wish = Wish { permissions: Some(rows.to_vec()), ..Wish::default() };
                edit(app, key, &share.id, wish).await?;
            }
        }
    }
    Ok(())
}

async fn make_permission(app: &App, owner: &User, item: ItemKey, rows: Vec<(Subject, Bits)>) -> Result<Share> {
    let wish = Wish {
        audience: Some(Audience::Listed),
        permissions: Some(rows),
        // None of these can be said of a permission.
        expires_ms: Change::Clear,
        view_limit: Change::Clear,
        download_limit: Change::Clear,
        ..Wish::default()
    };
    create(app, owner, Door::Cloudreve, vec![Shared::Item(item)], wish).await
}

/// Gives one more subject these rights on an item of the owner's, beside what others have. `Exists` where it has them.
pub async fn permit_one(app: &App, owner: &User, item: ItemKey, subject: Subject, bits: Bits) -> Result<()> {
    let (key, row) = (owner.key, (subject, bits));
    let added = row.clone();
    let join = move |tx: &mut Tx| {
        let shares = of_permissions(tx, key, item)?;
        let has = |share: &Share| share.terms.permissions.iter().any(|(s, b)| *s == row.0 && b.has(row.1));
        if shares.iter().any(has) {
            return Err(Error::Exists("permission".to_owned()));
        }
        let Some(mut share) = shares.into_iter().next() else { return Ok(false) };
        share.terms.permissions.retain(|(subject, _)| *subject != row.0);
        share.terms.permissions.push(row);
        shares::update(tx, &share, &PasswordChange::Keep, now_ms()).map(|()| true)
    };
    match app.db.write(join).await? {
        true => Ok(()),
        false => make_permission(app, owner, item, vec![added]).await.map(drop),
    }
}

/// Takes back what one subject was given on an item of the owner's. `NotFound` where that was nothing.
pub async fn forbid_one(app: &App, owner: UserKey, item: ItemKey, subject: Subject) -> Result<()> {
    let leave = move |tx: &mut Tx| {
        let mut had = false;
        for mut share in of_permissions(tx, owner, item)? {
            let before = share.terms.permissions.len();
            share.terms.permissions.retain(|(named, _)| *named != subject);
            match share.terms.permissions.len() {
                after if after == before => continue,
                0 => shares::revoke(tx, share.key, now_ms())?,
                _ => shares::update(tx, &share, &PasswordChange::Keep, now_ms())?,
            }
            had = true;
        }
        if had { Ok(()) } else { Err(Error::NotFound(Thing::File)) }
    };
    app.db.write(leave).await
}

/// The newest share by which others let a user do this to an item.
pub fn permitting(tx: &mut Tx, user: &User, visitor: &Visitor, item_id: &str, action: Action) -> Result<String> {
    const MOST_TRIED: usize = 100;
    let gone = || Error::NotFound(Thing::File);
    let item = library::item_by_id(tx, item_id)?;
    let item = item.filter(|item| user.within.is_none_or(|one| one == item.library)).ok_or_else(gone)?;
    let chain = library::place(tx, item, &[])?.chain;
    for share in shares::naming_of(tx, user, &chain, MOST_TRIED)? {
        match check_served(tx, &share.id, visitor, item_id, action) {
            Ok(()) => return Ok(share.id),
            Err(fault @ Error::Internal(_)) => return Err(fault),
            Err(_) => {}
        }
    }
    Err(gone())
}

/// As [`reach`]; original bytes would be leased when they go.
fn check_served(tx: &mut Tx, id: &str, visitor: &Visitor, item_id: &str, action: Action) -> Result<()> {
    let (mut facts, _) = open(tx, id, visitor)?;
    if action.hands_out_originals() {
        facts.lease = facts.lease.or(Some(Lease::GoesOn));
    }
    let placed = place_in(tx, &facts.share, item_id)?;
    authorize(Through::Share(&facts), visitor, placed, action, now_ms()).map(drop)
}

/// The password in clear, for its owner's own answers only.
pub async fn password_for_owner(app: &App, share: &Share) -> Result<Option<String>> {
    if !share.terms.has_password {
        return Ok(None);
    }
    let key = share.key;
    let stored = app.db.read(move |tx| shares::password(tx, key)).await?;
    stored.map(|stored| app.keys.open(&seal_of(&share.id), &stored.sealed)).transpose()
}

/// What a share's page or listing shows at its root.
#[derive(Debug, Clone)]
pub enum Contents {
    /// One folder: its children are the root's.
    Folder(Item),
    /// One file and nothing beside it.
    File(Item),
    /// Folders and files from anywhere, and the tracks of albums, artists and playlists, in the share's order. Names are
    /// the caller's to make unique.
    Set(Vec<Item>),
}

/// What a share holds now. Items that went, or that the owner may no longer share, are left out.
pub fn contents(tx: &mut Tx, facts: &ShareFacts) -> Result<Contents> {
    let offered = |item: &Item| facts.owner_may_share(item.library);
    let mut items = Vec::new();
    for shared in &facts.share.items {
        match shared {
            Shared::Item(key) => items.extend(library::item(tx, *key)?.filter(offered)),
            Shared::Album(_) | Shared::Artist(_) | Shared::Playlist(_) => {
                items.extend(music::tracks_of(tx, *shared)?.into_iter().filter(offered));
            }
        }
    }
    Ok(match (facts.share.items.as_slice(), items.as_slice()) {
        ([Shared::Item(_)], [item]) if item.is_folder() => Contents::Folder(item.clone()),
        ([Shared::Item(_)], [item]) => Contents::File(item.clone()),
        _ => Contents::Set(items),
    })
}

/// The same as far as this visitor may see it. A share of items is gone when none of them is there for the visitor: they
/// were removed, its owner may no longer read them, or its holders were given no right to them yet.
pub fn contents_for(tx: &mut Tx, facts: &ShareFacts, visitor: &Visitor) -> Result<Contents> {
    let all = match contents(tx, facts)? {
        // Only rights that are given item by item make a difference among what a share holds.
        contents if !facts.share.two_step => contents,
        Contents::Folder(item) if sees(tx, facts, visitor, &item)? => Contents::Folder(item),
        Contents::File(item) if sees(tx, facts, visitor, &item)? => Contents::File(item),
        Contents::Folder(_) | Contents::File(_) => Contents::Set(Vec::new()),
        Contents::Set(items) => {
            let mut seen = Vec::new();
            for item in items {
                if sees(tx, facts, visitor, &item)? {
                    seen.push(item);
                }
            }
            Contents::Set(seen)
        }
    };
    if is_gone(facts, &all) { Err(Error::NotFound(Thing::Share)) } else { Ok(all) }
}

/// Whether nothing is left of a share of items. Albums, artists and playlists may well be empty for a while.
pub fn is_gone(facts: &ShareFacts, contents: &Contents) -> bool {
    let is_of_items = facts.share.items.iter().all(|shared| matches!(shared, Shared::Item(_)));
    is_of_items && matches!(contents, Contents::Set(items) if items.is_empty())
}

fn sees(tx: &mut Tx, facts: &ShareFacts, visitor: &Visitor, item: &Item) -> Result<bool> {
    let placed = library::place(tx, item.clone(), &playlists_of(&facts.share))?;
    Ok(authorize(Through::Share(facts), visitor, placed, Action::See, now_ms()).is_ok())
}

/// What an album, artist or playlist is called, as far as the owner may see it; an item, by its shown name.
pub fn name_of(tx: &mut Tx, owner: &User, shared: Shared) -> Result<Option<String>> {
    let scope = rights::scope(tx, owner)?;
    Ok(match shared {
        Shared::Item(key) => library::item(tx, key)?.map(|item| item.shown),
        Shared::Album(key) => music::albums(tx, &scope, &[key])?.pop().map(|album| album.name),
        Shared::Artist(key) => music::artists(tx, &scope, &[key])?.pop().map(|artist| artist.name),
        Shared::Playlist(key) => {
            playlists::list(tx, &scope)?.into_iter().find(|list| list.key == key).map(|list| list.name)
        }
    })
}

/// What the owner calls a share: by its title, else after what it holds. `None` when nothing of it is there.
pub fn title_of(tx: &mut Tx, owner: &User, share: &Share) -> Result<Option<String>> {
    let names = names_of(tx, owner, share)?;
    Ok(if share.title.is_empty() || names.is_empty() { joined(&names) } else { Some(share.title.clone()) })
}

/// What visitors see a set called that has no title. Of a two-step share not every entry need be granted, so none is
/// named.
pub fn name_of_set(tx: &mut Tx, facts: &ShareFacts) -> Result<String> {
    let names = if facts.share.two_step { Vec::new() } else { names_of(tx, &facts.owner, &facts.share)? };
    Ok(joined(&names).unwrap_or_else(|| "Shared files".to_owned()))
}

/// Names of the entries that are there.
pub fn names_of(tx: &mut Tx, owner: &User, share: &Share) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for shared in &share.items {
        names.extend(name_of(tx, owner, *shared)?);
    }
    Ok(names)
}

fn joined(names: &[String]) -> Option<String> {
    match names {
        [] => None,
        [one] => Some(one.clone()),
        [first, rest @ ..] => Some(format!("{first} and {} more", rest.len())),
    }
}

/// The share, if it opens to this visitor.
pub fn open(tx: &mut Tx, id: &str, visitor: &Visitor) -> Result<(ShareFacts, Admitted)> {
    let now = now_ms();
    let facts = shares::facts(tx, id, visitor, now)?;
    let admitted = admit(&facts, visitor, now)?;
    Ok((facts, admitted))
}

pub(super) fn playlists_of(share: &Share) -> Vec<PlaylistKey> {
    share.items.iter().filter_map(|shared| if let Shared::Playlist(key) = shared { Some(*key) } else { None }).collect()
}

pub(super) fn place_in(tx: &mut Tx, share: &Share, item_id: &str) -> Result<Placed> {
    let item = library::item_by_id(tx, item_id)?.ok_or(Error::NotFound(Thing::File))?;
    library::place(tx, item, &playlists_of(share))
}

/// An item of a share, for what spends nothing: seeing, listing, previews.
pub fn reach(tx: &mut Tx, id: &str, visitor: &Visitor, item_id: &str, action: Action) -> Result<Grant> {
    let (facts, _) = open(tx, id, visitor)?;
    let placed = place_in(tx, &facts.share, item_id)?;
    authorize(Through::Share(&facts), visitor, placed, action, now_ms())
}

/// Original bytes of one item of a share. In one transaction the share is opened, the download leased and the item
/// authorized: whatever refuses takes the lease back with it. Needs a writing transaction. A look at the head alone
/// leases nothing, and of a share without limits a download is counted only when its bytes go: see `look::fetch`.
pub fn fetch(tx: &mut Tx, id: &str, visitor: &Visitor, item_id: &str, action: Action, wanted: Wanted) -> Result<Grant> {
    let now = now_ms();
    let mut facts = shares::facts(tx, id, visitor, now)?;
    let placed = place_in(tx, &facts.share, item_id)?;
    if placed.item.is_folder() {
        return Err(Error::NotFound(Thing::File));
    }
    let Wanted::From(start) = wanted else {
        return authorize(Through::Share(&facts), visitor, placed, Action::Preview, now);
    };
    if facts.share.is_limited() {
        lease_for(tx, &mut facts, visitor, &format!("item {}", placed.item.key.0), start, now)?;
    } else {
        facts.lease = Some(Lease::GoesOn);
    }
    authorize(Through::Share(&facts), visitor, placed, action, now)
}

/// Opens the share and leases one download of `object`, unless the visitor is its owner, who pays nothing.
pub(super) fn lease_for(
    tx: &mut Tx,
    facts: &mut ShareFacts,
    visitor: &Visitor,
    object: &str,
    range_start: u64,
    now_ms: i64,
) -> Result<()> {
    if facts.is_owned_by(visitor) {
        return Ok(());
    }
    let before = facts.lease;
    // The lease comes first: a share with none left is dead to all but those who hold one.
    let taken = shares::lease(tx, &facts.share, visitor, object, range_start, now_ms)?;
    facts.lease = Some(before.unwrap_or(Lease::Row(taken)));
    admit(facts, visitor, now_ms)?;
    facts.lease = Some(Lease::Row(taken));
    // Whoever takes the bytes has seen the share, whatever it says it is and however it learned where they lie.
    if facts.share.terms.view_limit.is_some() && !facts.admitted {
        shares::count_view(tx, facts.share.key, visitor, now_ms)?;
    }
    Ok(())
}

/// Counts a visitor's first visit; the owner's and a preview crawler's are none.
pub async fn count_view(app: &App, facts: &ShareFacts, visitor: &Visitor) -> Result<()> {
    if !counts(facts, visitor) {
        return Ok(());
    }
    if super::look::has_visited(app, facts.share.key, visitor).await? {
        return Ok(());
    }
    let (key, visitor) = (facts.share.key, visitor.clone());
    app.db.write(move |tx| shares::count_view(tx, key, &visitor, now_ms())).await
}

/// Counts a view because a client says so; the owner's and a preview crawler's are none.
pub async fn count_call(app: &App, facts: &ShareFacts, visitor: &Visitor) -> Result<()> {
    if !counts(facts, visitor) {
        return Ok(());
    }
    let (key, visitor) = (facts.share.key, visitor.clone());
    app.db.write(move |tx| shares::count_call(tx, key, &visitor, now_ms())).await
}

fn counts(facts: &ShareFacts, visitor: &Visitor) -> bool {
    !facts.is_owned_by(visitor) && !crate::share::visit::is_preview_crawler(&visitor.agent)
}

/// An item by the user's own rights in its library.
pub fn own(tx: &mut Tx, user: &User, visitor: &Visitor, item_id: &str, action: Action) -> Result<Grant> {
    let item = library::item_by_id(tx, item_id)?.ok_or(Error::NotFound(Thing::File))?;
    own_item(tx, user, visitor, item, action)
}

pub fn own_item(tx: &mut Tx, user: &User, visitor: &Visitor, item: Item, action: Action) -> Result<Grant> {
    let placed = library::place(tx, item, &[])?;
    let bits = rights::in_library(tx, user, placed.item.library)?;
    authorize(Through::Library(bits), visitor, placed, action, now_ms())
}
