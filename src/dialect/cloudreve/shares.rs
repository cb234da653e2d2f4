//! Shares: make, edit, list, end, and what visitors are told of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::answers::{ForOwner, Pagination, PermissionSetting, Share as Answer, Shares, Source, rights_text};
use super::site::MOST_URIS;
use super::tree::{self, Spot};
use super::uri::{FileUri, Space, encode, is_id};
use super::{
    Failure, GROUP_DENIED, Outcome, ROOT_PROTECTED, TOO_MANY_URIS, boolset, data, done, done_but_for, is_set, metadata,
    query,
};
use crate::account::token::random_bytes;
use crate::account::{Profile, Role, User};
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::http::fields::Fields;
use crate::library::{Item, ItemKind};
use crate::share::grant::{Action, ShareFacts};
use crate::share::visit::Visitor;
use crate::share::{Bits, Change, Door, Share, Shared, Subject, Wish};
use crate::store::shares::{Direction, Order};
use crate::store::{Tx, accounts, groups, library, rights, shares};
use crate::work::files;
use crate::work::look::{self, Look};
use crate::work::sharing::{self, Contents};
use crate::{App, now_ms};

// Wishes --------------------------------------------------------------------------------------------------------------

/// Of both making and editing. One client sends `null` for whatever was not given.
#[derive(Deserialize)]
struct ShareWish {
    uri: Option<String>,
    is_private: Option<bool>,
    password: Option<String>,
    downloads: Option<i64>,
    expire: Option<i64>,
    share_view: Option<bool>,
    show_readme: Option<bool>,
    price: Option<i64>,
    permissions: Option<WishedPermissions>,
}

#[derive(Deserialize)]
pub struct WishedPermissions {
    user_explicit: Option<BTreeMap<String, Option<String>>>,
    group_explicit: Option<BTreeMap<String, Option<String>>>,
    same_group: Option<String>,
    other: Option<String>,
    anonymous: Option<String>,
    everyone: Option<String>,
}

/// No time limit of a share lies further off.
const LONGEST_S: i64 = 100 * 366 * 24 * 60 * 60;

impl ShareWish {
    fn uri(&self) -> Result<FileUri> {
        FileUri::parse(self.uri.as_deref().filter(|uri| !uri.is_empty()).ok_or(Error::Missing("uri"))?)
    }

    /// All but the password, which only making sets. `spent` downloads are those that the counter shows already: the
    /// protocol says how many are left, the share how many there are in all. What could have been said and was not is
    /// no limit.
    fn terms(&self, tx: &mut Tx, spent: i64) -> Result<Wish> {
        let seconds = self.expire.filter(|seconds| *seconds > 0);
        if seconds.is_some_and(|seconds| seconds > LONGEST_S) {
            return Err(Error::invalid("expire", "it is too far off"));
        }
        let downloads = self.downloads.filter(|count| *count > 0);
        Ok(Wish {
            expires_ms: Change::or_clear(seconds.map(|seconds| now_ms() + seconds * 1000)),
            download_limit: Change::or_clear(downloads.map(|count| count.saturating_add(spent))),
            share_view: Some(self.share_view.unwrap_or(false)),
            show_readme: Some(self.show_readme.unwrap_or(false)),
            permissions: self.permissions.as_ref().map(|wished| wished.rows(tx)).transpose()?,
            // A client that knows of no prices takes none away.
            price: self.price,
            ..Wish::default()
        })
    }

    /// A password is wished for by `is_private`; a blank one is for the server to make up. One that comes without a word
    /// on privacy is meant all the same.
    fn password(&self) -> Change<String> {
        let given = self.password.as_deref().filter(|password| !password.is_empty());
        match (self.is_private, given) {
            (Some(false), _) | (None, None) => Change::Keep,
            (_, Some(password)) => Change::Set(password.to_owned()),
            (Some(true), None) => Change::Set(random_letters()),
        }
    }
}

/// Eight small letters, as clients expect of a made-up password.
fn random_letters() -> String {
    let mut letters = String::new();
    while letters.len() < 8 {
        // 234 is the largest multiple of 26 below 256: what lies above would favour the first letters.
        let fair = random_bytes::<16>().into_iter().filter(|byte| *byte < 234);
        letters.extend(fair.take(8 - letters.len()).map(|byte| char::from(b'a' + byte % 26)));
    }
    letters
}

impl WishedPermissions {
    /// Rows of rights. An empty text says nothing: one client sends it for every entry.
    pub fn rows(&self, tx: &mut Tx) -> Result<Vec<(Subject, Bits)>> {
        let mut rows = Vec::new();
        let fixed = [
            (Subject::SameGroup, &self.same_group),
            (Subject::Other, &self.other),
            (Subject::Anonymous, &self.anonymous),
            (Subject::Everyone, &self.everyone),
        ];
        for (subject, text) in fixed {
            rows.extend(said(text)?.map(|bits| (subject, bits)));
        }
        for (id, text) in self.user_explicit.iter().flatten() {
            if let Some(bits) = said(text)? {
                let user = accounts::by_id(tx, id)?.ok_or(Error::invalid("permissions", "no such user"))?;
                rows.push((Subject::User(user.key), bits));
            }
        }
        for (id, text) in self.group_explicit.iter().flatten() {
            if let Some(bits) = said(text)? {
                let group = groups::by_id(tx, id)?.ok_or(Error::invalid("permissions", "no such group"))?;
                rows.push((Subject::Group(group), bits));
            }
        }
        Ok(rows)
    }
}

fn said(text: &Option<String>) -> Result<Option<Bits>> {
    let Some(text) = text.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
    let set = boolset::read("permissions", text)?;
    let bits = i64::try_from(set).map_err(|_| Error::invalid("permissions", "it holds unknown rights"))?;
    Ok(Some(Bits(bits)))
}

// Making and editing --------------------------------------------------------------------------------------------------

/// What a URI of the user's own names, as something to share.
async fn shared_at(call: &Call, user: &User, uri: &FileUri) -> Result<Shared, Failure> {
    tree::own_path(user, uri)?;
    let (uri, visitor) = (uri.clone(), call.guest().with_user(user.clone()));
    let found = call.app.db.read(move |tx| {
        let spot = tree::spot(tx, &uri, &visitor, Action::See)?;
        match &spot {
            Spot::Own(item) if metadata::is_shortcut(tx, item)? => {
                Err(Error::Forbidden("share what the shortcut leads to"))
            }
            _ => Ok(spot),
        }
    });
    match found.await? {
        Spot::Own(item) => Ok(Shared::Item(item.key)),
        Spot::Root | Spot::Shared(_) => Err(ROOT_PROTECTED),
    }
}

async fn link_of(app: &App, share: &Share, base: &str) -> Result<String> {
    let password = sharing::password_for_owner(app, share).await?;
    let password = password.map_or_else(String::new, |password| format!("/{}", encode(&password)));
    Ok(format!("{base}/s/{}{password}", share.id))
}

pub async fn put_share(mut call: Call, user: User) -> Outcome {
    if !user.has(Role::Share) {
        return Err(GROUP_DENIED);
    }
    let asked: ShareWish = call.json().await?;
    let shared = shared_at(&call, &user, &asked.uri()?).await?;
    let password = asked.password();
    let wish = call.app.db.read(move |tx| asked.terms(tx, 0)).await?;
    let wish = Wish { password, ..wish };
    let share = sharing::create(&call.app, &user, Door::Cloudreve, vec![shared], wish).await?;
    data(&link_of(&call.app, &share, &call.origin.base).await?)
}

pub async fn post_share(mut call: Call, user: User) -> Outcome {
    let asked: ShareWish = call.json().await?;
    let (id, owner) = (call.path("id").to_owned(), user.key);
    let share = call.app.db.read(move |tx| shares::owned(tx, owner, &id)).await?;
    check_same_source(&call, &user, &share, &asked.uri()?).await?;
    let spent = share.downloads;
    let wish = call.app.db.read(move |tx| asked.terms(tx, spent)).await?;
    let share = sharing::edit(&call.app, user.key, &share.id, wish).await?;
    data(&link_of(&call.app, &share, &call.origin.base).await?)
}

/// An edit names what the share is of, and changes nothing about that.
async fn check_same_source(call: &Call, user: &User, share: &Share, uri: &FileUri) -> Result<(), Failure> {
    tree::check_owner(user, uri)?;
    let is_same = match uri.in_share() {
        Some(place) => uri.space == Space::My && place.id == share.id && place.path.is_empty(),
        None => share.items == [shared_at(call, user, uri).await?],
    };
    if is_same { Ok(()) } else { Err(Error::NotFound(Thing::Share).into()) }
}

/// One's own; an administrator ends anybody's.
pub async fn delete_share(call: Call, user: User) -> Outcome {
    let id = call.path("id").to_owned();
    let owner = match user.is_admin() {
        false => user.key,
        true => {
            let found = call.app.db.read(move |tx| shares::by_id(tx, &id)).await?;
            found.map_or(user.key, |share| share.owner)
        }
    };
    sharing::revoke(&call.app, owner, call.path("id")).await?;
    if owner != user.key {
        tracing::info!(admin = user.name, owner = owner.0, "a share was revoked by an administrator");
    }
    done()
}

#[derive(Deserialize)]
struct Ids {
    ids: Option<Vec<String>>,
}

pub async fn delete_shares(mut call: Call, user: User) -> Outcome {
    let asked: Ids = call.json().await?;
    let ids = asked.ids.filter(|ids| !ids.is_empty()).ok_or(Error::Missing("ids"))?;
    if ids.len() > MOST_URIS {
        return Err(TOO_MANY_URIS);
    }
    let mut failed = Vec::new();
    for id in ids {
        if let Err(error) = sharing::revoke(&call.app, user.key, &id).await {
            failed.push((id, error.into()));
        }
    }
    done_but_for(failed)
}

// What is told of a share ---------------------------------------------------------------------------------------------

/// Name and size of what is shared.
fn source(tx: &mut Tx, facts: &ShareFacts) -> Result<Source> {
    let contents = sharing::contents(tx, facts)?;
    if let Some(source) = source_of(facts, &contents) {
        return Ok(source);
    }
    let is_gone = sharing::is_gone(facts, &contents);
    Ok(match gone_alone(tx, facts)?.filter(|_| is_gone) {
        Some(item) => Source { file_bytes: (!item.is_folder()).then_some(item.size_bytes), name: item.shown, is_gone },
        None => Source { name: name_of_set(tx, facts)?, file_bytes: None, is_gone },
    })
}

/// The one thing that was shared, if it is known still: it may lie in the trash.
fn gone_alone(tx: &mut Tx, facts: &ShareFacts) -> Result<Option<Item>> {
    let [Shared::Item(key)] = facts.share.items.as_slice() else { return Ok(None) };
    Ok(library::item_ever(tx, *key)?.filter(|item| facts.owner_may_share(item.library)))
}

/// The same where it needs no look at what several things are called.
fn source_of(facts: &ShareFacts, contents: &Contents) -> Option<Source> {
    let is_gone = sharing::is_gone(facts, contents);
    match contents {
        Contents::Folder(item) => Some(Source { name: item.shown.clone(), file_bytes: None, is_gone }),
        Contents::File(item) => Some(Source { name: item.shown.clone(), file_bytes: Some(item.size_bytes), is_gone }),
        Contents::Set(_) => None,
    }
}

/// A share of several things is called as its maker called it, else after the first of them.
fn name_of_set(tx: &mut Tx, facts: &ShareFacts) -> Result<String> {
    let called = [&facts.share.title, &facts.share.description].into_iter().find(|text| !text.trim().is_empty());
    if let Some(text) = called {
        return Ok(text.lines().next().unwrap_or_default().chars().take(255).collect());
    }
    sharing::name_of_set(tx, facts)
}

/// Where the owner finds what is shared; of a single file the folder around it, to which clients add the name.
fn source_uri(tx: &mut Tx, facts: &ShareFacts) -> Result<String> {
    let owner = &facts.owner;
    let (item, is_file) = match sharing::contents(tx, facts)? {
        Contents::Folder(item) => (Some(item), false),
        Contents::File(item) => (Some(item), true),
        Contents::Set(_) => (None, false),
    };
    let path = item.and_then(|item| files::path_of(tx, owner, &item).ok());
    let uri = match path {
        Some(mut path) => {
            if is_file {
                path.pop();
            }
            FileUri::my(path)
        }
        // What was shared from outside every library lies nowhere in its owner's tree either.
        None => FileUri::of_share_for_owner(&facts.share.id),
    };
    Ok(uri.owned_by(&owner.id).to_string())
}

pub fn permissions(tx: &mut Tx, share: &Share) -> Result<PermissionSetting> {
    let mut setting = PermissionSetting::default();
    for (subject, bits) in &share.terms.permissions {
        let text = rights_text(*bits);
        match subject {
            Subject::SameGroup => setting.same_group = Some(text),
            Subject::Other => setting.other = Some(text),
            Subject::Anonymous => setting.anonymous = Some(text),
            Subject::Everyone => setting.everyone = Some(text),
            Subject::User(key) => {
                setting.user_explicit.extend(accounts::by_key(tx, *key)?.map(|user| (user.id, text)));
            }
            Subject::Group(key) => {
                setting.group_explicit.extend(groups::id_of(tx, *key)?.map(|id| (id, text)));
            }
            Subject::Auth(_) => {}
        }
    }
    Ok(setting)
}

/// Shares of one owner with all that decides what they hold.
fn facts_of_owner(tx: &mut Tx, owner: &User, all: Vec<Share>) -> Result<Vec<ShareFacts>> {
    let owner_rights = rights::of_user(tx, owner)?;
    let facts = |share| ShareFacts {
        share,
        owner: owner.clone(),
        owner_rights: owner_rights.clone(),
        granted: Vec::new(),
        lease: None,
        admitted: false,
        bought: false,
    };
    Ok(all.into_iter().map(facts).collect())
}

/// Shares as their owner sees them in a list.
pub async fn for_owner(app: &App, owner: &User, all: Vec<Share>, base: &str) -> Result<Vec<Answer>> {
    let who = owner.clone();
    let told = app
        .db
        .read(move |tx| {
            let all = facts_of_owner(tx, &who, all)?;
            let tell = |facts: ShareFacts| Ok((source(tx, &facts)?, permissions(tx, &facts.share)?, facts.share));
            all.into_iter().map(tell).collect::<Result<Vec<_>>>()
        })
        .await?;
    let mut answers = Vec::with_capacity(told.len());
    for (source, permissions, share) in told {
        let password = sharing::password_for_owner(app, &share).await?;
        let told = ForOwner { password, source_uri: None, permissions };
        answers.push(Answer::unlocked(&share, owner, &source, base, now_ms()).for_owner(&share, owner, told));
    }
    Ok(answers)
}

pub async fn get_info(call: Call, user: Option<User>) -> Outcome {
    let query = query(&call)?;
    let counts = is_set(&query, "count_views")?;
    let detail = if is_set(&query, "owner_extended")? { Detail::Extended } else { Detail::Plain };
    let (id, base) = (call.path("id"), &call.origin.base);
    if !is_id(id) {
        return Err(Error::invalid("id", "it is none").into());
    }
    let mut guest = call.guest();
    guest.user = user;
    let visitor = match tree::unlocked(&call.app, guest, id, query.get("password")).await {
        Err(Failure::Of(Error::ShareLocked)) => return data(&locked(&call, id).await?),
        opened => opened?,
    };
    let told = tell(&call.app, id, &visitor, detail).await?;
    if counts {
        sharing::count_call(&call.app, &told.look.facts, &visitor).await?;
    }
    let (share, owner) = (&told.look.facts.share, &told.look.facts.owner);
    let answer = Answer::unlocked(share, owner, &told.source, base, now_ms());
    match told.for_owner {
        Some(for_owner) => data(&answer.for_owner(share, owner, for_owner)),
        None => data(&answer),
    }
}

async fn locked(call: &Call, id: &str) -> Result<Answer> {
    let look = look::at(&call.app, id, &call.guest()).await?;
    let kind = if let Contents::File(_) = look.contents { ItemKind::File } else { ItemKind::Folder };
    Ok(Answer::locked(&look.facts.share, &look.facts.owner, kind, &call.origin.base))
}

/// How much an owner wishes to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    Plain,
    /// With the address of what is shared.
    Extended,
}

struct Told {
    look: Arc<Look>,
    source: Source,
    for_owner: Option<ForOwner>,
}

/// What a visitor to whom the share is open is told of it, and what its owner is.
async fn tell(app: &App, id: &str, visitor: &Visitor, detail: Detail) -> Result<Told> {
    let (look, admitted) = look::open_whole(app, id, visitor).await?;
    let source = match source_of(&look.facts, &look.contents) {
        Some(source) => source,
        None => {
            let look = look.clone();
            app.db.read(move |tx| source(tx, &look.facts)).await?
        }
    };
    let for_owner = if admitted.is_owner() { Some(told_to_owner(app, &look, detail).await?) } else { None };
    Ok(Told { look, source, for_owner })
}

async fn told_to_owner(app: &App, look: &Arc<Look>, detail: Detail) -> Result<ForOwner> {
    let password = sharing::password_for_owner(app, &look.facts.share).await?;
    let look = look.clone();
    let read = move |tx: &mut Tx| {
        let source_uri = if detail == Detail::Extended { Some(source_uri(tx, &look.facts)?) } else { None };
        Ok(ForOwner { password, source_uri, permissions: permissions(tx, &look.facts.share)? })
    };
    app.db.read(read).await
}

// Lists ---------------------------------------------------------------------------------------------------------------

const SMALLEST_PAGE: i64 = 10;
const LARGEST_PAGE: i64 = 100;
const DEFAULT_PAGE: i64 = 50;

/// What of a list of shares is wished for.
struct ListWish {
    size: usize,
    order: Order,
    direction: Direction,
    after: Option<Cursor>,
}

/// The last share of the page before, and its place in the order. By id, since that says nothing of how many there are.
struct Cursor {
    place: i64,
    id: String,
}

impl ListWish {
    fn of(query: &Fields) -> Result<ListWish> {
        let size = query.number("page_size")?.unwrap_or(DEFAULT_PAGE).clamp(SMALLEST_PAGE, LARGEST_PAGE);
        let order = match query.get("order_by") {
            Some("views") => Order::Views,
            Some("downloads") => Order::Downloads,
            Some("remain_downloads") => Order::DownloadsLeft,
            Some("expires") => Order::Expires,
            Some("price") => Order::Price,
            _ => Order::Created,
        };
        let direction = match query.get("order_direction").or(query.get("order")) {
            Some(way) if way.eq_ignore_ascii_case("asc") => Direction::Ascending,
            _ => Direction::Descending,
        };
        let mut wish = ListWish { size: usize::try_from(size).unwrap_or(0), order, direction, after: None };
        if let Some(token) = query.get("next_page_token") {
            let bad = || Error::invalid("next_page_token", "it was not made for this list");
            let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| bad())?;
            let text = String::from_utf8(bytes).map_err(|_| bad())?;
            let rest = text.strip_prefix(wish.prefix().as_str()).ok_or_else(bad)?;
            let (place, id) = rest.split_once('.').ok_or_else(bad)?;
            wish.after = Some(Cursor { place: place.parse().map_err(|_| bad())?, id: id.to_owned() });
        }
        Ok(wish)
    }

    /// A token goes with its order.
    fn prefix(&self) -> String {
        format!("{:?}.{:?}.", self.order, self.direction)
    }

    fn token(&self, place: i64, share: &Share) -> String {
        let place = if self.order == Order::Created { 0 } else { place };
        URL_SAFE_NO_PAD.encode(format!("{}{place}.{}", self.prefix(), share.id))
    }

    /// As many shares as the page takes of those that are to be shown, with the token of the next one.
    fn page(&self, tx: &mut Tx, owner: &User, shows: impl Fn(&Share) -> bool) -> Result<(Vec<Share>, Option<String>)> {
        let mut after = match &self.after {
            None => None,
            Some(cursor) => {
                let last = shares::by_id_ever(tx, &cursor.id)?.filter(|share| share.owner == owner.key);
                let key = last.ok_or(Error::invalid("next_page_token", "it was not made for this list"))?.key;
                Some((if self.order == Order::Created { key.0 } else { cursor.place }, key))
            }
        };
        let mut page = Vec::new();
        loop {
            let rows = shares::page_of_owner(tx, owner.key, self.order, self.direction, after, self.size + 1)?;
            let is_last = rows.len() <= self.size;
            for (place, share) in rows {
                after = Some((place, share.key));
                if shows(&share) {
                    page.push((place, share));
                }
            }
            if is_last || page.len() > self.size {
                break;
            }
        }
        let has_more = page.len() > self.size;
        page.truncate(self.size);
        let token = page.last().filter(|_| has_more).map(|(place, share)| self.token(*place, share));
        Ok((page.into_iter().map(|(_, share)| share).collect(), token))
    }

    fn pagination(&self, next_token: Option<String>) -> Pagination {
        Pagination { page: 0, page_size: self.size, next_token, is_cursor: true }
    }
}

pub async fn get_share(call: Call, user: User) -> Outcome {
    let wish = ListWish::of(&query(&call)?)?;
    let owner = user.clone();
    let (page, token, wish) = call
        .app
        .db
        .read(move |tx| {
            let (page, token) = wish.page(tx, &owner, |_| true)?;
            Ok((page, token, wish))
        })
        .await?;
    let shares = for_owner(&call.app, &user, page, &call.origin.base).await?;
    data(&Shares { shares, pagination: wish.pagination(token) })
}

/// What a user lets others see. A hidden list and one of nobody look alike.
pub async fn get_user_shares(call: Call, _: Option<User>) -> Outcome {
    let wish = ListWish::of(&query(&call)?)?;
    let (id, base) = (call.path("id").to_owned(), call.origin.base.clone());
    let list = call.app.db.read(move |tx| {
        let owner = accounts::by_id(tx, &id)?.filter(|user| user.is_active() && user.profile != Profile::Hidden);
        let owner = owner.ok_or(Error::invalid("id", "this list is not open"))?;
        let now = now_ms();
        let (page, token) = wish.page(tx, &owner, |share| share.is_listed_for_others(owner.profile, now))?;
        let mut shares = Vec::with_capacity(page.len());
        for facts in facts_of_owner(tx, &owner, page)? {
            let source = source(tx, &facts)?;
            shares.push(Answer::listed(&facts.share, &owner, &source, &base, now));
        }
        Ok(Shares { shares, pagination: wish.pagination(token) })
    });
    data(&list.await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(json: &str) -> ShareWish {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_password_is_set_only_where_one_is_wished_for() {
        assert_eq!(wish(r#"{"uri": "x"}"#).password(), Change::Keep);
        assert_eq!(wish(r#"{"is_private": false, "password": "old"}"#).password(), Change::Keep);
        assert_eq!(wish(r#"{"is_private": true, "password": "Word1"}"#).password(), Change::Set("Word1".into()));
        assert_eq!(wish(r#"{"password": "Word1"}"#).password(), Change::Set("Word1".into()));
        assert_eq!(wish(r#"{"is_private": null, "password": null}"#).password(), Change::Keep);
        let Change::Set(made) = wish(r#"{"is_private": true, "password": ""}"#).password() else { panic!("none made") };
        assert!(made.len() == 8 && made.bytes().all(|b| b.is_ascii_lowercase()), "{made}");
    }

    #[test]
    fn permissions_that_say_nothing_are_none() {
        for nothing in [None, Some(String::new())] {
            assert_eq!(said(&nothing).unwrap(), None);
        }
        assert_eq!(said(&Some("AQ==".into())).unwrap(), Some(Bits::READ));
        assert_eq!(said(&Some("AA==".into())).unwrap(), Some(Bits::NONE));
        assert!(said(&Some("?".into())).is_err());
    }
}
