//! SQL of shares: what they are, and what decides whether they open.

use super::{KEYS_AT_ONCE, Row, Tx, Value, Weighed, accounts, bind_all, drop_boxes, purchases, uploads};
use crate::account::{GroupKey, User, UserKey};
use crate::args;
use crate::error::{Error, Result, Thing};
use crate::library::{AlbumKey, ArtistKey, ItemKey, PlaylistKey};
use crate::share::drop_box::DropBox;
use crate::share::grant::ShareFacts;
use crate::share::visit::{Lease, LeaseKey, Visitor};
use crate::share::{Audience, Bits, Door, Mode, Share, ShareKey, Shared, Subject, Terms};

mod counting;
mod item_rights;
pub mod lists;

pub use counting::{
    LeaseEnd, add_downloads, count_call, count_view, end_transfer, give_back_reserved, has_unused_reservations,
    has_visited, is_counted, keep_leases, know_visitor, lease, no_longer_standing, reserve, seen_ms,
};
use item_rights::granted;
pub use item_rights::{grant_item, grant_unasked, granted_on, ungrant_item, ungrant_items};

const SHARE: &str = "s.id, s.public_id, s.slug, s.auth_id, s.owner_id, s.door, s.two_step, s.title, s.description,
    CASE WHEN s.password_hash IS NULL THEN 0 ELSE 1 END, s.not_before_ms, s.expires_ms, s.view_limit, s.download_limit,
    s.downloads_allowed, s.mode, s.audience, s.show_readme, s.share_view, s.use_cache, s.metadata, s.views, s.downloads,
    s.created_ms, s.modified_ms, s.visited_ms, s.epoch, s.revoked_ms, s.rate_bytes_s, s.price";

fn share(row: &Row) -> Result<Share> {
    Ok(Share {
        key: ShareKey(row.get(0)?),
        id: row.get(1)?,
        slug: row.get(2)?,
        auth_id: row.get(3)?,
        owner: UserKey(row.get(4)?),
        door: door_of(&row.get::<String>(5)?)?,
        two_step: row.get(6)?,
        title: row.get(7)?,
        description: row.get(8)?,
        items: Vec::new(),
        terms: Terms {
            has_password: row.get(9)?,
            not_before_ms: row.get(10)?,
            expires_ms: row.get(11)?,
            view_limit: row.get(12)?,
            download_limit: row.get(13)?,
            downloads_allowed: row.get(14)?,
            rate_bytes_s: row.get(28)?,
            mode: mode_of(&row.get::<String>(15)?)?,
            drop_box: DropBox::default(),
            audience: audience_of(&row.get::<String>(16)?)?,
            permissions: Vec::new(),
            price: row.get(29)?,
            show_readme: row.get(17)?,
            share_view: row.get(18)?,
            use_cache: row.get(19)?,
            metadata: row.get(20)?,
        },
        views: row.get(21)?,
        downloads: row.get(22)?,
        created_ms: row.get(23)?,
        modified_ms: row.get(24)?,
        visited_ms: row.get(25)?,
        epoch: row.get(26)?,
        revoked: row.get::<Option<i64>>(27)?.is_some(),
    })
}

fn door_of(text: &str) -> Result<Door> {
    Ok(match text {
        "page" => Door::Page,
        "command-line" => Door::CommandLine,
        "subsonic" => Door::Subsonic,
        "cloudreve" => Door::Cloudreve,
        "mycloud" => Door::MyCloud,
        _ => return Err(Error::internal("share: unknown door", text)),
    })
}

fn door_text(door: Door) -> &'static str {
    match door {
        Door::Page => "page",
        Door::CommandLine => "command-line",
        Door::Subsonic => "subsonic",
        Door::Cloudreve => "cloudreve",
        Door::MyCloud => "mycloud",
    }
}

/// Of a mode that a later version wrote nobody knows what it keeps closed.
fn mode_of(text: &str) -> Result<Mode> {
    Ok(match text {
        "read" => Mode::Read,
        "listen" => Mode::Listen,
        "drop" => Mode::Drop,
        "read-drop" => Mode::ReadDrop,
        _ => return Err(Error::internal("share: unknown mode", text)),
    })
}

fn mode_text(mode: Mode) -> &'static str {
    match mode {
        Mode::Read => "read",
        Mode::Listen => "listen",
        Mode::Drop => "drop",
        Mode::ReadDrop => "read-drop",
    }
}

fn audience_of(text: &str) -> Result<Audience> {
    Ok(match text {
        "anyone" => Audience::Anyone,
        "listed" => Audience::Listed,
        _ => return Err(Error::internal("share: unknown audience", text)),
    })
}

fn audience_text(audience: Audience) -> &'static str {
    match audience {
        Audience::Anyone => "anyone",
        Audience::Listed => "listed",
    }
}

fn shared_of(kind: &str, key: i64) -> Result<Shared> {
    Ok(match kind {
        "item" => Shared::Item(ItemKey(key)),
        "album" => Shared::Album(AlbumKey(key)),
        "artist" => Shared::Artist(ArtistKey(key)),
        "playlist" => Shared::Playlist(PlaylistKey(key)),
        _ => return Err(Error::internal("share: unknown kind of entry", kind)),
    })
}

fn shared_columns(shared: Shared) -> (&'static str, i64) {
    match shared {
        Shared::Item(key) => ("item", key.0),
        Shared::Album(key) => ("album", key.0),
        Shared::Artist(key) => ("artist", key.0),
        Shared::Playlist(key) => ("playlist", key.0),
    }
}

/// `kind` and `id` of a rights row's subject.
pub fn subject_columns(subject: &Subject) -> (&'static str, String) {
    match subject {
        Subject::User(key) => ("user", key.0.to_string()),
        Subject::Group(key) => ("group", key.0.to_string()),
        Subject::SameGroup => ("same_group", String::new()),
        Subject::Other => ("other", String::new()),
        Subject::Anonymous => ("anonymous", String::new()),
        Subject::Everyone => ("everyone", String::new()),
        Subject::Auth(id) => ("auth", id.clone()),
    }
}

/// The inverse of [`subject_columns`].
pub fn subject_of(kind: &str, id: String) -> Result<Subject> {
    let key = || id.parse::<i64>().map_err(|e| Error::internal("subject of a rights row", e));
    Ok(match kind {
        "user" => Subject::User(UserKey(key()?)),
        "group" => Subject::Group(GroupKey(key()?)),
        "same_group" => Subject::SameGroup,
        "other" => Subject::Other,
        "anonymous" => Subject::Anonymous,
        "everyone" => Subject::Everyone,
        "auth" => Subject::Auth(id),
        _ => return Err(Error::Internal(format!("unknown subject kind {kind} in rights"))),
    })
}

/// Items and permissions of shares that were just read, in two queries however many they are.
fn complete(tx: &mut Tx, mut shares: Vec<Share>) -> Result<Vec<Share>> {
    for part in shares.chunks_mut(KEYS_AT_ONCE) {
        let mut args = Vec::new();
        let list = bind_all(&mut args, part.iter().map(|share| share.key.0));
        let items = tx.all(
            &format!("SELECT share_id, kind, object_id FROM share_item WHERE share_id IN ({list}) ORDER BY share_id, position"),
            &args,
            |row| Ok((row.get::<i64>(0)?, shared_of(&row.get::<String>(1)?, row.get(2)?)?)),
        )?;
        let rights = tx.all(
            &format!(
                "SELECT object_id, subject_kind, subject_id, bits FROM rights
                 WHERE object_kind = 'share' AND object_id IN ({list}) ORDER BY subject_kind, subject_id"
            ),
            &args,
            |row| Ok((row.get::<i64>(0)?, subject_of(&row.get::<String>(1)?, row.get(2)?)?, Bits(row.get(3)?))),
        )?;
        for share in part {
            share.items = items.iter().filter(|(key, _)| *key == share.key.0).map(|(_, shared)| *shared).collect();
            share.terms.permissions = rights
                .iter()
                .filter(|(key, _, _)| *key == share.key.0)
                .map(|(_, s, bits)| (s.clone(), *bits))
                .collect();
            if share.terms.mode.takes_files() {
                share.terms.drop_box = drop_boxes::terms(tx, share.key)?;
            }
        }
    }
    Ok(shares)
}

fn only_one(tx: &mut Tx, found: Option<Share>) -> Result<Option<Share>> {
    Ok(complete(tx, found.into_iter().collect())?.pop())
}

/// A share's password as it is stored.
#[derive(Debug, Clone)]
pub struct SharePassword {
    pub hash: String,
    pub sealed: Vec<u8>,
}

/// By its id or slug. A revoked one is as one that never was, in the time that it takes as well.
pub fn by_id(tx: &mut Tx, id: &str) -> Result<Option<Share>> {
    let standing = "s.revoked_ms IS NULL";
    let found =
        tx.maybe(&format!("SELECT {SHARE} FROM share s WHERE s.public_id = $1 AND {standing}"), args![id], share)?;
    let found = match found {
        Some(found) => Some(found),
        None => tx.maybe(&format!("SELECT {SHARE} FROM share s WHERE s.slug = $1 AND {standing}"), args![id], share)?,
    };
    only_one(tx, found)
}

/// By its id, revoked or not.
pub fn by_id_ever(tx: &mut Tx, id: &str) -> Result<Option<Share>> {
    let found = tx.maybe(&format!("SELECT {SHARE} FROM share s WHERE s.public_id = $1"), args![id], share)?;
    only_one(tx, found)
}

pub fn by_key(tx: &mut Tx, key: ShareKey) -> Result<Option<Share>> {
    let found = tx.maybe(&format!("SELECT {SHARE} FROM share s WHERE s.id = $1"), args![key.0], share)?;
    only_one(tx, found)
}

pub fn by_auth_id(tx: &mut Tx, auth_id: &str) -> Result<Option<Share>> {
    let found = tx.maybe(&format!("SELECT {SHARE} FROM share s WHERE s.auth_id = $1"), args![auth_id], share)?;
    only_one(tx, found)
}

/// A share of this owner that is not revoked; anything else is not found.
pub fn owned(tx: &mut Tx, owner: UserKey, id: &str) -> Result<Share> {
    by_id(tx, id)?.filter(|share| share.owner == owner).ok_or(Error::NotFound(Thing::Share))
}

/// All shares of an owner that are not revoked, newest first.
pub fn of_owner(tx: &mut Tx, owner: UserKey) -> Result<Vec<Share>> {
    let shares = tx.all(
        &format!("SELECT {SHARE} FROM share s WHERE s.owner_id = $1 AND s.revoked_ms IS NULL ORDER BY s.id DESC"),
        args![owner.0],
        share,
    )?;
    complete(tx, shares)
}

/// Of these items, those that this owner's shares hold by themselves.
pub fn shared_items(tx: &mut Tx, owner: UserKey, items: &[ItemKey]) -> Result<Vec<ItemKey>> {
    let mut found = Vec::new();
    for part in items.chunks(KEYS_AT_ONCE) {
        let mut args: Vec<Value> = vec![owner.0.into()];
        let keys = bind_all(&mut args, part.iter().map(|key| key.0));
        let sql = format!(
            "SELECT DISTINCT i.object_id FROM share_item i JOIN share s ON s.id = i.share_id
             WHERE i.kind = 'item' AND s.owner_id = $1 AND s.revoked_ms IS NULL AND i.object_id IN ({keys})"
        );
        found.extend(tx.all(&sql, &args, |row| Ok(ItemKey(row.get(0)?)))?);
    }
    Ok(found)
}

/// Others' shares whose permissions name this user or a group of theirs, the newest first; at most so many.
pub fn naming(tx: &mut Tx, user: &User, most: usize) -> Result<Vec<Share>> {
    named(tx, user, &[], most)
}

/// Of those, the ones that hold one of these items.
pub fn naming_of(tx: &mut Tx, user: &User, items: &[ItemKey], most: usize) -> Result<Vec<Share>> {
    if items.is_empty() { Ok(Vec::new()) } else { named(tx, user, items, most) }
}

fn named(tx: &mut Tx, user: &User, items: &[ItemKey], most: usize) -> Result<Vec<Share>> {
    let mut args: Vec<Value> = vec![user.key.0.into(), user.key.0.to_string().into(), most.into()];
    let groups = bind_all(&mut args, user.groups.iter().map(|group| group.0.to_string()));
    let holding = match items {
        [] => String::new(),
        items => format!(
            " AND EXISTS (SELECT 1 FROM share_item i WHERE i.share_id = s.id AND i.kind = 'item' AND i.object_id IN ({}))",
            bind_all(&mut args, items.iter().map(|item| item.0))
        ),
    };
    let sql = format!(
        "SELECT {SHARE} FROM share s WHERE s.revoked_ms IS NULL AND s.owner_id <> $1 AND EXISTS (
             SELECT 1 FROM rights r WHERE r.object_kind = 'share' AND r.object_id = s.id
             AND (r.subject_kind = 'user' AND r.subject_id = $2 OR r.subject_kind = 'group' AND r.subject_id IN ({groups})))
         {holding} ORDER BY s.id DESC LIMIT $3"
    );
    let shares = tx.all(&sql, &args, share)?;
    complete(tx, shares)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Created,
    Views,
    Downloads,
    DownloadsLeft,
    Expires,
    Price,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

impl Direction {
    /// What a later row compares by, and how they are ordered.
    pub(super) fn sql(self) -> (&'static str, &'static str) {
        match self {
            Direction::Ascending => (">", "ASC"),
            Direction::Descending => ("<", "DESC"),
        }
    }
}

/// One page of an owner's shares in a total order: by `order`, then by key. `after` is the last row of the page before.
pub fn page_of_owner(
    tx: &mut Tx,
    owner: UserKey,
    order: Order,
    direction: Direction,
    after: Option<(i64, ShareKey)>,
    limit: usize,
) -> Result<Vec<(i64, Share)>> {
    let by = match order {
        Order::Created => "s.id",
        Order::Views => "s.views",
        Order::Downloads => "s.downloads",
        Order::DownloadsLeft => "COALESCE(s.download_limit - s.downloads, 9223372036854775807)",
        Order::Expires => "COALESCE(s.expires_ms, 9223372036854775807)",
        Order::Price => "s.price",
    };
    let (compare, way) = direction.sql();
    let (value, key) = after.map_or((0, 0), |(value, key)| (value, key.0));
    let from = if after.is_some() {
        format!("AND ({by} {compare} $2 OR ({by} = $2 AND s.id {compare} $3))")
    } else {
        String::from("AND CAST($2 AS BIGINT) = CAST($3 AS BIGINT)")
    };
    let rows = tx.all(
        &format!(
            "SELECT {SHARE}, {by} FROM share s WHERE s.owner_id = $1 AND s.revoked_ms IS NULL {from}
             ORDER BY {by} {way}, s.id {way} LIMIT $4"
        ),
        args![owner.0, value, key, limit],
        |row| Ok((row.get::<i64>(30)?, share(row)?)),
    )?;
    let (values, shares): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    Ok(values.into_iter().zip(complete(tx, shares)?).collect())
}

pub struct NewShare<'a> {
    pub id: &'a str,
    pub auth_id: &'a str,
    pub slug: Option<&'a str>,
    pub owner: UserKey,
    pub door: Door,
    pub two_step: i64,
    pub title: &'a str,
    pub description: &'a str,
    pub items: &'a [Shared],
    pub terms: &'a Terms,
    pub password: Option<&'a SharePassword>,
    pub now_ms: i64,
}

/// `Exists` when the slug is another share's id or slug, revoked ones included.
pub fn insert(tx: &mut Tx, new: &NewShare) -> Result<ShareKey> {
    if let Some(slug) = new.slug {
        refuse_taken_slug(tx, slug, None)?;
    }
    let t = new.terms;
    let key = tx.one(
        "INSERT INTO share (public_id, slug, auth_id, owner_id, door, two_step, title, description, password_hash,
            password_sealed, not_before_ms, expires_ms, view_limit, download_limit, downloads_allowed, mode, audience,
            show_readme, share_view, use_cache, metadata, rate_bytes_s, views, downloads, created_ms, modified_ms, epoch, price)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, 0, 0, $23,
            $23, 1, $24)
         RETURNING id",
        args![
            new.id,
            new.slug,
            new.auth_id,
            new.owner.0,
            door_text(new.door),
            new.two_step,
            new.title,
            new.description,
            new.password.map(|p| p.hash.clone()),
            new.password.map(|p| p.sealed.clone()),
            t.not_before_ms,
            t.expires_ms,
            t.view_limit,
            t.download_limit,
            t.downloads_allowed,
            mode_text(t.mode),
            audience_text(t.audience),
            t.show_readme,
            t.share_view,
            t.use_cache,
            t.metadata.clone(),
            t.rate_bytes_s,
            new.now_ms,
            t.price
        ],
        |row| Ok(ShareKey(row.get(0)?)),
    )?;
    set_items(tx, key, new.items)?;
    set_permissions(tx, key, &t.permissions)?;
    if t.mode.takes_files() {
        drop_boxes::set_terms(tx, key, &t.drop_box)?;
    }
    Ok(key)
}

fn refuse_taken_slug(tx: &mut Tx, slug: &str, own: Option<ShareKey>) -> Result<()> {
    let taken = tx.maybe(
        "SELECT id FROM share WHERE (public_id = $1 OR slug = $1) AND id <> $2",
        args![slug, own.map_or(0, |key| key.0)],
        |row| row.get::<i64>(0),
    )?;
    if taken.is_some() { Err(Error::Exists(slug.to_owned())) } else { Ok(()) }
}

pub fn set_items(tx: &mut Tx, key: ShareKey, items: &[Shared]) -> Result<()> {
    tx.run("DELETE FROM share_item WHERE share_id = $1", args![key.0])?;
    for (position, shared) in items.iter().enumerate() {
        let (kind, object) = shared_columns(*shared);
        tx.run(
            "INSERT INTO share_item (share_id, position, kind, object_id) VALUES ($1, $2, $3, $4)",
            args![key.0, position, kind, object],
        )?;
    }
    Ok(())
}

fn set_permissions(tx: &mut Tx, key: ShareKey, permissions: &[(Subject, Bits)]) -> Result<()> {
    tx.run("DELETE FROM rights WHERE object_kind = 'share' AND object_id = $1", args![key.0])?;
    for (subject, bits) in permissions {
        let (kind, id) = subject_columns(subject);
        tx.run(
            "INSERT INTO rights (subject_kind, subject_id, object_kind, object_id, bits) VALUES ($1, $2, 'share', $3, $4)",
            args![kind, id, key.0, bits.0],
        )?;
    }
    Ok(())
}

/// What becomes of the password at an edit.
#[derive(Debug, Clone)]
pub enum PasswordChange {
    Keep,
    Clear,
    Set(SharePassword),
}

/// Writes title, description, slug and terms of a share as they now are. A changed password raises the epoch.
pub fn update(tx: &mut Tx, edited: &Share, password: &PasswordChange, now_ms: i64) -> Result<()> {
    if let Some(slug) = &edited.slug {
        refuse_taken_slug(tx, slug, Some(edited.key))?;
    }
    let t = &edited.terms;
    let took_files: bool = tx.one("SELECT mode FROM share WHERE id = $1", args![edited.key.0], |row| {
        Ok(mode_of(&row.get::<String>(0)?)?.takes_files())
    })?;
    tx.run(
        "UPDATE share SET slug = $2, title = $3, description = $4, not_before_ms = $5, expires_ms = $6, view_limit = $7,
            download_limit = $8, downloads_allowed = $9, mode = $10, audience = $11, show_readme = $12, share_view = $13,
            use_cache = $14, metadata = $15, rate_bytes_s = $16, modified_ms = $17, price = $18 WHERE id = $1",
        args![
            edited.key.0,
            edited.slug.clone(),
            &edited.title,
            &edited.description,
            t.not_before_ms,
            t.expires_ms,
            t.view_limit,
            t.download_limit,
            t.downloads_allowed,
            mode_text(t.mode),
            audience_text(t.audience),
            t.show_readme,
            t.share_view,
            t.use_cache,
            t.metadata.clone(),
            t.rate_bytes_s,
            now_ms,
            t.price
        ],
    )?;
    set_permissions(tx, edited.key, &t.permissions)?;
    match t.mode.takes_files() {
        true => drop_boxes::set_terms(tx, edited.key, &t.drop_box)?,
        false if took_files => uploads::expire_of_share(tx, edited.key)?,
        false => {}
    }
    let (hash, sealed) = match password {
        PasswordChange::Keep => return Ok(()),
        PasswordChange::Clear => (None, None),
        PasswordChange::Set(new) => (Some(new.hash.clone()), Some(new.sealed.clone())),
    };
    tx.run(
        "UPDATE share SET password_hash = $2, password_sealed = $3, epoch = epoch + 1 WHERE id = $1",
        args![edited.key.0, hash, sealed],
    )?;
    uploads::expire_of_share(tx, edited.key)
}

pub fn password(tx: &mut Tx, key: ShareKey) -> Result<Option<SharePassword>> {
    let stored = tx.maybe("SELECT password_hash, password_sealed FROM share WHERE id = $1", args![key.0], |row| {
        Ok((row.get::<Option<String>>(0)?, row.get::<Option<Vec<u8>>>(1)?))
    })?;
    Ok(match stored {
        Some((Some(hash), Some(sealed))) => Some(SharePassword { hash, sealed }),
        _ => None,
    })
}

/// For good: the row stays, so that the id is never another share's.
pub fn revoke(tx: &mut Tx, key: ShareKey, now_ms: i64) -> Result<()> {
    tx.run(
        "UPDATE share SET revoked_ms = $2, modified_ms = $2, epoch = epoch + 1, password_hash = NULL, password_sealed = NULL
         WHERE id = $1 AND revoked_ms IS NULL",
        args![key.0, now_ms],
    )?;
    tx.run("DELETE FROM share_item WHERE share_id = $1", args![key.0])?;
    tx.run("DELETE FROM rights WHERE object_kind = 'share' AND object_id = $1", args![key.0])?;
    tx.run(
        "DELETE FROM rights WHERE subject_kind = 'auth' AND subject_id = (SELECT auth_id FROM share WHERE id = $1)",
        args![key.0],
    )?;
    tx.run("DELETE FROM lease WHERE share_id = $1", args![key.0])?;
    tx.run("DELETE FROM visit WHERE share_id = $1", args![key.0])?;
    drop_boxes::forget(tx, key)?;
    purchases::forget(tx, key)?;
    uploads::expire_of_share(tx, key)
}

/// All that decides whether a share opens to this visitor. `NotFound` for an unknown one.
pub fn facts(tx: &mut Tx, id: &str, visitor: &Visitor, now_ms: i64) -> Result<ShareFacts> {
    let share = by_id(tx, id)?.ok_or(Error::NotFound(Thing::Share))?;
    facts_of(tx, share, visitor, now_ms)
}

pub fn facts_of(tx: &mut Tx, share: Share, visitor: &Visitor, now_ms: i64) -> Result<ShareFacts> {
    let mut facts = for_nobody(tx, share)?;
    add_visitor(tx, &mut facts, visitor, now_ms)?;
    Ok(facts)
}

/// What is so of a share whoever asks: a visitor who never came and holds nothing.
pub fn facts_for_nobody(tx: &mut Tx, id: &str) -> Result<Option<ShareFacts>> {
    by_id(tx, id)?.map(|share| for_nobody(tx, share)).transpose()
}

fn for_nobody(tx: &mut Tx, share: Share) -> Result<ShareFacts> {
    let owner = accounts::by_key(tx, share.owner)?.ok_or(Error::NotFound(Thing::Share))?;
    let granted = if share.two_step { granted(tx, &share.auth_id)? } else { Vec::new() };
    let owner_rights = super::rights::of_share(tx, &owner, &share.items)?;
    Ok(ShareFacts { share, owner, owner_rights, granted, lease: None, admitted: false, bought: false })
}

/// What the visitor did and holds, which matters only where something is limited or has a price.
fn add_visitor(tx: &mut Tx, facts: &mut ShareFacts, visitor: &Visitor, now_ms: i64) -> Result<()> {
    if facts.share.terms.price > 0 {
        facts.bought = purchases::has_bought(tx, &facts.share, visitor, now_ms)?;
    }
    if !facts.share.is_limited() {
        return Ok(());
    }
    facts.admitted = has_visited(tx, facts.share.key, visitor, now_ms)?;
    if let Some(known_as) = visitor.known_as() {
        facts.lease = tx.maybe(
            "SELECT id FROM lease WHERE share_id = $1 AND visitor = $2 AND expires_ms > $3 ORDER BY id LIMIT 1",
            args![facts.share.key.0, known_as, now_ms],
            |row| Ok(Lease::Row(LeaseKey(row.get(0)?))),
        )?;
    }
    Ok(())
}

impl Weighed for ShareFacts {
    fn bytes(&self) -> usize {
        let share = &self.share;
        let text = share.title.len() + share.description.len() + share.terms.metadata.as_ref().map_or(0, String::len);
        text + 16 * share.items.len()
            + 64 * share.terms.permissions.len()
            + 8 * self.granted.len()
            + 16 * self.owner_rights.len()
    }
}
