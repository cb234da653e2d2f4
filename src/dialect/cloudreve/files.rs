//! Folders and files: lists, facts, and what changes them.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::answers::{self, Entity, ExtendedInfo, File, Files, FolderSummary, LOCAL, Owned, Pagination, Props};
use super::site::MOST_URIS;
use super::tree::{self, At, InShare, Spot};
use super::uri::{FileUri, Space};
use super::{
    Failure, Outcome, ROOT_PROTECTED, TOO_MANY_URIS, boolset, by_share, content, data, done_but_for, is_set, query,
    shares,
};
use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::http::fields::Fields;
use crate::library::names::sort_key;
use crate::library::{Item, ItemKind, LibraryKey, Media};
use crate::now_ms;
use crate::share::grant::{Action, ShareFacts};
use crate::share::{Bits, Mode, Shared};
use crate::store::{Tx, library, links, rights};
use crate::work::files::{Place, by_path, children_of, home_root, trashed};
use crate::work::upload::OnConflict;
use crate::work::{files, sharing};

const PAGE_DEFAULT: usize = 100;
const PAGE_MOST: usize = 2000;
/// How many folders and files one search looks at.
const MOST_WALKED: usize = 20_000;

/// What clients offer to do with a file, by its capability: see it, list it, draw it, read it, enter it.
const MAY_READ: u64 = boolset::of(&[7, 9, 10, 19, 23]);
/// Create, rename, upload, delete, put in the trash.
const MAY_WRITE: u64 = boolset::of(&[0, 1, 6, 14, 16]);
/// The same one by one: create and upload; rename; delete and put in the trash.
const BY_RIGHT: [(Bits, u64); 3] =
    [(Bits::CREATE, boolset::of(&[0, 6])), (Bits::UPDATE, boolset::of(&[1])), (Bits::DELETE, boolset::of(&[14, 16]))];
const MAY_SHARE: u64 = boolset::of(&[18]);
/// In a share that offers no downloads.
const MAY_SEE: u64 = boolset::of(&[9, 10, 19, 23]);
/// List, delete, restore, see.
const IN_TRASH: u64 = boolset::of(&[9, 14, 17, 19]);

/// What may be done with the files of one answer.
enum Rights {
    Own(Vec<(LibraryKey, Bits)>),
    Shared(Box<InShare>),
    Trash,
}

impl Rights {
    fn of(&self, item: &Item) -> u64 {
        match self {
            Rights::Own(all) => {
                let bits = all.iter().find(|(key, _)| *key == item.library).map_or(Bits::NONE, |(_, bits)| *bits);
                let part = |needed, may| if bits.has(needed) { may } else { 0 };
                part(Bits::READ, MAY_READ) | part(Bits::WRITE, MAY_WRITE) | part(Bits::SHARE, MAY_SHARE)
            }
            Rights::Shared(found) => by_share(found, item),
            Rights::Trash => IN_TRASH,
        }
    }

    fn owned(&self) -> Owned {
        match self {
            Rights::Own(_) | Rights::Trash => Owned::Mine,
            Rights::Shared(found) if found.is_owner => Owned::Mine,
            Rights::Shared(_) => Owned::Others,
        }
    }

    fn file(&self, item: &Item, name: &str, uri: &FileUri) -> File {
        let permission = match self {
            Rights::Shared(found) => Some(answers::rights_text(found.facts.rights_by(&found.visitor, item.library))),
            Rights::Own(_) | Rights::Trash => None,
        };
        File { permission, ..File::of(item, name, uri.to_string(), self.of(item), self.owned()) }
    }
}

/// What clients may offer this visitor to do with an item of a share.
fn by_share(found: &InShare, item: &Item) -> u64 {
    let terms = &found.facts.share.terms;
    let keeps = found.is_owner || (terms.downloads_allowed && terms.mode != Mode::Listen);
    if found.facts.check_paid(&found.visitor).is_err() {
        return MAY_SEE;
    }
    let rights = found.facts.rights_by(&found.visitor, item.library);
    let is_top = found.facts.share.items.contains(&Shared::Item(item.key));
    let rights = if is_top { rights.without(Bits::UPDATE).without(Bits::DELETE) } else { rights };
    let writes = BY_RIGHT.iter().filter(|(right, _)| rights.has(*right)).map(|(_, may)| may);
    writes.fold(if keeps { MAY_READ } else { MAY_SEE }, |all, may| all | may)
}

// Lists ---------------------------------------------------------------------------------------------------------------

/// A line of a list: what, under which name, and where beneath the listed folder.
struct Row {
    item: Item,
    name: String,
    path: Vec<String>,
}

/// A folder's whole list, before it is cut into pages.
struct Listed {
    uri: FileUri,
    parent: File,
    may: u64,
    rights: Rights,
    rows: Vec<Row>,
    is_search: bool,
    reached_limit: bool,
    is_single: bool,
    share: Option<ShareFacts>,
}

/// What of a list is wished for.
struct PageWish {
    page: usize,
    size: usize,
    after: Option<String>,
    order_by: Option<String>,
    is_descending: bool,
}

impl PageWish {
    fn of(query: &Fields) -> Result<PageWish> {
        let number = |name| Ok::<_, Error>(query.number::<i64>(name)?.and_then(|n| usize::try_from(n).ok()));
        // One client calls the direction `order`.
        let direction = query.get("order_direction").or(query.get("order")).unwrap_or("asc");
        Ok(PageWish {
            page: number("page")?.unwrap_or(0),
            size: number("page_size")?.filter(|n| *n > 0).unwrap_or(PAGE_DEFAULT).min(PAGE_MOST),
            after: query.get("next_page_token").map(str::to_owned),
            order_by: query.get("order_by").map(str::to_owned),
            is_descending: direction.eq_ignore_ascii_case("desc"),
        })
    }

    /// Folders come first, whatever the order; without a known one the list stays as it is.
    fn sort(&self, rows: &mut [Row]) {
        match self.order_by.as_deref() {
            Some("name") => rows.sort_by_cached_key(|row| sort_key(&row.name)),
            Some("size") => rows.sort_by_key(|row| row.item.size_bytes),
            Some("updated_at") => rows.sort_by_key(|row| row.item.modified_ms),
            Some("created_at") => rows.sort_by_key(|row| row.item.added_ms),
            _ => {}
        }
        if self.is_descending {
            rows.reverse();
        }
        rows.sort_by_key(|row| !row.item.is_folder());
    }

    /// Where the page begins. A token names the last line of the page before, so that lines which came or went in between
    /// shift nothing.
    fn first(&self, rows: &[Row]) -> Result<usize> {
        let Some(token) = &self.after else { return Ok(self.page.saturating_mul(self.size).min(rows.len())) };
        let bad = || Error::invalid("next_page_token", "it was not made by this server");
        let text =
            URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(bad)?;
        let (count, id) = text.split_once('.').ok_or_else(bad)?;
        let count: usize = count.parse().map_err(|_| bad())?;
        let is_last = |row: &Row| row.item.id == id;
        if count > 0 && rows.get(count - 1).is_some_and(is_last) {
            return Ok(count);
        }
        Ok(rows.iter().position(is_last).map_or(count.min(rows.len()), |at| at + 1))
    }
}

fn token_after(count: usize, rows: &[Row]) -> Option<String> {
    let last = rows.get(count.checked_sub(1)?)?;
    (count < rows.len()).then(|| URL_SAFE_NO_PAD.encode(format!("{count}.{}", last.item.id)))
}

pub async fn get_file(call: Call, user: Option<User>) -> Outcome {
    let query = query(&call)?;
    let uri = FileUri::parse(query.need("uri")?)?;
    let wish = PageWish::of(&query)?;
    let visitor = tree::visitor(&call, user.as_ref(), &uri).await?;
    let who = visitor.clone();
    let listed = call.app.db.read(move |tx| list(tx, uri, &who)).await?;
    if let Some(facts) = &listed.share {
        sharing::count_view(&call.app, facts, &visitor).await?;
    }
    data(&listed.page(&wish)?)
}

impl Listed {
    fn page(mut self, wish: &PageWish) -> Result<Files> {
        wish.sort(&mut self.rows);
        let first = wish.first(&self.rows)?;
        let end = first.saturating_add(wish.size).min(self.rows.len());
        let file = |row: &Row| {
            let uri = row.path.iter().fold(self.uri.clone(), |uri, name| uri.child(name));
            self.rights.file(&row.item, &row.name, &uri)
        };
        Ok(Files {
            files: self.rows[first..end].iter().map(file).collect(),
            parent: self.parent,
            pagination: Pagination {
                page: wish.page,
                page_size: wish.size,
                next_token: token_after(end, &self.rows),
                is_cursor: true,
            },
            props: Props {
                capability: boolset::write(self.may),
                max_page_size: PAGE_MOST,
                order_by_options: ["name", "size", "updated_at", "created_at"],
                order_direction_options: ["asc", "desc"],
            },
            context_hint: None,
            mixed_type: self.is_search,
            recursion_limit_reached: self.reached_limit,
            single_file_view: self.is_single,
            storage_policy: matches!(self.rights, Rights::Own(_)).then_some(LOCAL),
        })
    }

    fn in_folder(uri: FileUri, parent: File, may: u64, rights: Rights, entries: Vec<files::Entry>) -> Listed {
        let row = |entry: files::Entry| Row { path: vec![entry.shown.clone()], name: entry.shown, item: entry.item };
        Listed {
            uri,
            parent,
            may,
            rights,
            rows: entries.into_iter().map(row).collect(),
            is_search: false,
            reached_limit: false,
            is_single: false,
            share: None,
        }
    }
}

fn list(tx: &mut Tx, mut uri: FileUri, visitor: &crate::share::visit::Visitor) -> Result<Listed> {
    let search = Search::of(&std::mem::take(&mut uri.search))?;
    let user = visitor.user.as_ref();
    let mut listed = match uri.space {
        Space::Trash | Space::SharedWithMe => list_flat(tx, uri, user.ok_or(Error::SignInNeeded)?)?,
        Space::My | Space::Share => match tree::spot(tx, &uri, visitor, Action::List)? {
            Spot::Root => list_own(tx, uri, user.ok_or(Error::SignInNeeded)?, None)?,
            Spot::Own(item) => list_own(tx, uri, user.ok_or(Error::SignInNeeded)?, Some(item))?,
            Spot::Shared(found) => list_shared(tx, uri, *found)?,
        },
    };
    if let Some(search) = search {
        search.narrow(tx, &mut listed)?;
    }
    Ok(listed)
}

fn list_own(tx: &mut Tx, uri: FileUri, user: &User, folder: Option<Item>) -> Result<Listed> {
    let rights = Rights::Own(rights::of_user(tx, user)?);
    let (place, parent, may) = match folder {
        Some(item) if !item.is_folder() => return Err(Error::NotFound(Thing::Folder)),
        Some(item) => {
            let (parent, may) = (rights.file(&item, &item.shown, &uri), rights.of(&item));
            (Place::Item(item), parent, may)
        }
        None => {
            let may = rights.of(&home_root(tx, user)?);
            (Place::Root, File::root(uri.to_string(), may, Owned::Mine), may)
        }
    };
    let entries = children_of(tx, user, &place)?;
    Ok(Listed::in_folder(uri, parent, may, rights, entries))
}

fn list_shared(tx: &mut Tx, uri: FileUri, found: InShare) -> Result<Listed> {
    let (at, facts) = (found.at.clone(), found.facts.clone());
    let rights = Rights::Shared(Box::new(found));
    let owned = rights.owned();
    let root = |uri: &FileUri, may| File::root(uri.to_string(), may, owned);
    let (parent, may, entries, is_single) = match at {
        At::Item(item) if !item.is_folder() => return Err(Error::NotFound(Thing::Folder)),
        At::Item(folder) => {
            let children = library::children(tx, folder.key)?;
            let entry = |item: Item| files::Entry { shown: item.shown.clone(), item };
            let entries = children.into_iter().map(entry).collect();
            (rights.file(&folder, &folder.shown, &uri), rights.of(&folder), entries, false)
        }
        At::Only(file) => {
            let may = rights.of(&file);
            (root(&uri, may), may, vec![files::Entry { shown: file.shown.clone(), item: file }], true)
        }
        At::Set(entries) => (root(&uri, MAY_SEE), MAY_SEE, entries, false),
    };
    let listed = Listed::in_folder(uri, parent, may, rights, entries);
    Ok(Listed { is_single, share: Some(facts), ..listed })
}

/// The trash, whose entries are named by id since several may have one name; and what others shared with one's account,
/// which this server has no list of.
fn list_flat(tx: &mut Tx, uri: FileUri, user: &User) -> Result<Listed> {
    if !uri.path.is_empty() {
        return Err(Error::NotFound(Thing::Folder));
    }
    let items = if uri.space == Space::Trash { trashed(tx, user)? } else { Vec::new() };
    let parent = File::root(uri.to_string(), IN_TRASH, Owned::Mine);
    let mut listed = Listed::in_folder(uri, parent, IN_TRASH, Rights::Trash, Vec::new());
    listed.rows =
        items.into_iter().map(|item| Row { name: item.shown.clone(), path: vec![item.id.clone()], item }).collect();
    Ok(listed)
}

// Searches ------------------------------------------------------------------------------------------------------------

/// What a search looks for, beneath a folder.
struct Search {
    names: Vec<String>,
    is_any: bool,
    ignores_case: bool,
    kind: Option<ItemKind>,
    category: Option<Category>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Category {
    Of(Media),
    Document,
}

const DOCUMENTS: [&str; 16] = [
    "csv", "doc", "docx", "epub", "key", "md", "numbers", "odp", "ods", "odt", "pages", "pdf", "ppt", "pptx", "txt",
    "xlsx",
];

impl Search {
    /// `None` where the URI's query says nothing.
    fn of(pairs: &[(String, String)]) -> Result<Option<Search>> {
        let mut search = Search { names: Vec::new(), is_any: false, ignores_case: false, kind: None, category: None };
        for (key, value) in pairs {
            match key.as_str() {
                "name" => search.names.push(value.clone()),
                "name_op_or" => search.is_any = true,
                "case_folding" => search.ignores_case = true,
                "use_or" => {}
                "type" => search.kind = Some(if value == "folder" { ItemKind::Folder } else { ItemKind::File }),
                "category" => search.category = Some(category(value)?),
                _ => return Err(Error::Unsupported("This kind of search")),
            }
        }
        let is_search = !search.names.is_empty() || search.kind.is_some() || search.category.is_some();
        Ok(is_search.then_some(search))
    }

    fn fits(&self, row: &Row) -> bool {
        let fold = |text: &str| if self.ignores_case { text.to_lowercase() } else { text.to_owned() };
        let name = fold(&row.name);
        let has = |term: &String| name.contains(&fold(term));
        let named = match self.is_any {
            true => self.names.is_empty() || self.names.iter().any(has),
            false => self.names.iter().all(has),
        };
        let of_category = match self.category {
            None => true,
            Some(Category::Of(media)) => row.item.media == media,
            Some(Category::Document) => !row.item.is_folder() && DOCUMENTS.contains(&row.item.suffix().as_str()),
        };
        named && of_category && self.kind.is_none_or(|kind| row.item.kind == kind)
    }

    /// Puts what fits, at any depth beneath the list, in the list's place.
    fn narrow(&self, tx: &mut Tx, listed: &mut Listed) -> Result<()> {
        let mut open = VecDeque::from(std::mem::take(&mut listed.rows));
        let mut walked = 0;
        while let Some(row) = open.pop_front() {
            walked += 1;
            if walked > MOST_WALKED {
                listed.reached_limit = true;
                break;
            }
            if row.item.is_folder() && !matches!(listed.rights, Rights::Trash) {
                for item in library::children(tx, row.item.key)? {
                    let path = row.path.iter().chain([&item.shown]).cloned().collect();
                    open.push_back(Row { name: item.shown.clone(), path, item });
                }
            }
            if self.fits(&row) {
                listed.rows.push(row);
            }
        }
        listed.is_search = true;
        Ok(())
    }
}

fn category(name: &str) -> Result<Category> {
    Ok(match name {
        "image" => Category::Of(Media::Image),
        "video" => Category::Of(Media::Video),
        "audio" => Category::Of(Media::Audio),
        "document" => Category::Document,
        _ => return Err(Error::invalid("category", "no such category")),
    })
}

// Facts ---------------------------------------------------------------------------------------------------------------

pub async fn get_file_info(call: Call, user: Option<User>) -> Outcome {
    let query = query(&call)?;
    let (is_extended, is_summed) = (is_set(&query, "extended")?, is_set(&query, "folder_summary")?);
    let uri = match (query.get("uri"), query.get("id")) {
        (Some(uri), _) => FileUri::parse(uri)?,
        (None, Some(id)) => uri_of_own(&call, user.clone(), id).await?,
        (None, None) => return Err(Error::Missing("uri").into()),
    };
    let visitor = tree::visitor(&call, user.as_ref(), &uri).await?;
    let looked = call.app.db.read(move |tx| {
        let (item, mut file) = look(tx, uri, &visitor)?;
        let folder = item.as_ref().filter(|item| is_summed && item.is_folder());
        file.folder_summary = folder.map(|folder| summary(tx, folder)).transpose()?;
        Ok((item, file))
    });
    let (item, mut file) = looked.await?;
    if let (true, Some(user), Some(item)) = (is_extended && file.owned, &user, item) {
        let info = extended(&call, user, &item).await?;
        file.shared = !info.shares.is_empty();
        file.extended_info = Some(info);
    }
    data(&file)
}

async fn uri_of_own(call: &Call, user: Option<User>, id: &str) -> Result<FileUri, Failure> {
    let (user, id, visitor) = (user.ok_or(Error::SignInNeeded)?, id.to_owned(), call.guest());
    let path = call.app.db.read(move |tx| {
        let grant = sharing::own(tx, &user, &visitor.with_user(user.clone()), &id, Action::See)?;
        files::path_of(tx, &user, grant.item())
    });
    Ok(FileUri::my(path.await?))
}

fn look(tx: &mut Tx, uri: FileUri, visitor: &crate::share::visit::Visitor) -> Result<(Option<Item>, File)> {
    let own = |tx: &mut Tx| {
        Ok::<_, Error>(Rights::Own(match &visitor.user {
            Some(user) => rights::of_user(tx, user)?,
            None => Vec::new(),
        }))
    };
    match tree::spot(tx, &uri, visitor, Action::See)? {
        Spot::Root => Ok((None, File::root(uri.to_string(), MAY_READ | MAY_WRITE, Owned::Mine))),
        Spot::Own(item) => {
            let file = own(tx)?.file(&item, uri.path.last().unwrap_or(&item.shown), &uri);
            Ok((Some(item), file))
        }
        Spot::Shared(found) => {
            let at = found.at.clone();
            let rights = Rights::Shared(found);
            Ok(match at {
                At::Item(item) => {
                    let file = rights.file(&item, uri.path.last().unwrap_or(&item.shown), &uri);
                    (Some(item), file)
                }
                At::Only(item) => {
                    let file = rights.file(&item, &item.shown, &uri.child(&item.shown));
                    (Some(item), file)
                }
                At::Set(_) => (None, File::root(uri.to_string(), MAY_SEE, rights.owned())),
            })
        }
    }
}

fn summary(tx: &mut Tx, folder: &Item) -> Result<FolderSummary> {
    let totals = library::totals(tx, folder.key)?;
    Ok(FolderSummary {
        size: totals.size_bytes,
        files: totals.files,
        folders: totals.folders,
        completed: true,
        calculated_at: answers::time(now_ms()),
    })
}

/// What only its owner is told of a folder or file.
async fn extended(call: &Call, user: &User, item: &Item) -> Result<ExtendedInfo, Failure> {
    let (key, owner) = (item.key, user.key);
    let (of_item, permissions, direct) = call
        .app
        .db
        .read(move |tx| {
            let all = crate::store::shares::of_owner(tx, owner)?;
            let of_item = all.into_iter().filter(|share| share.items.contains(&Shared::Item(key))).collect::<Vec<_>>();
            let given = sharing::of_permissions(tx, owner, key)?;
            let permissions = given.first().map(|share| shares::permissions(tx, share)).transpose()?;
            Ok((of_item, permissions, links::of_item(tx, owner, key)?))
        })
        .await?;
    Ok(ExtendedInfo {
        storage_policy: Some(LOCAL),
        storage_used: item.size_bytes,
        permissions,
        shares: shares::for_owner(&call.app, user, of_item, &call.origin.base).await?,
        entities: match item.is_folder() {
            true => Vec::new(),
            false => vec![Entity {
                id: item.etag(),
                r#type: 0,
                size: item.size_bytes,
                created_at: answers::time(item.modified_ms),
            }],
        },
        direct_links: direct.iter().map(|link| content::direct_link(call, link, &item.shown)).collect(),
    })
}

// Changes -------------------------------------------------------------------------------------------------------------

/// The item at a URI of the user's own; the root is none.
pub async fn own_item(call: &Call, user: &User, uri: &FileUri) -> Result<Item, Failure> {
    let path = tree::own_path(user, uri)?.to_vec();
    let user = user.clone();
    match call.app.db.read(move |tx| by_path(tx, &user, &path)).await? {
        Place::Root => Err(ROOT_PROTECTED),
        Place::Item(item) => Ok(item),
    }
}

/// An own file as it is after a change.
pub async fn changed(call: &Call, user: User, uri: &FileUri, item: &Item) -> Outcome {
    let rights = call.app.db.read(move |tx| rights::of_user(tx, &user)).await?;
    data(&Rights::Own(rights).file(item, uri.path.last().unwrap_or(&item.shown), uri))
}

/// The same of a file in a share, as this visitor sees it.
pub fn changed_in_share(found: InShare, uri: &FileUri, item: &Item) -> Outcome {
    data(&Rights::Shared(Box::new(found)).file(item, uri.path.last().unwrap_or(&item.shown), uri))
}

/// The folder at that path, made if it is not there: clients that upload a tree never make its folders.
pub async fn folder_at(call: &Call, user: &User, path: &[String]) -> Result<Place> {
    let mut place = Place::Root;
    for depth in 1..=path.len() {
        let (who, part) = (user.clone(), path[..depth].to_vec());
        place = match call.app.db.read(move |tx| by_path(tx, &who, &part)).await {
            Ok(Place::Item(item)) if !item.is_folder() => return Err(Error::Exists(item.shown)),
            Ok(found) => found,
            Err(Error::NotFound(_)) => {
                Place::Item(files::create_folder(&call.app, user, &place, &path[depth - 1]).await?)
            }
            Err(error) => return Err(error),
        };
    }
    Ok(place)
}

#[derive(Deserialize)]
struct Create {
    uri: Option<String>,
    r#type: Option<String>,
    metadata: Option<serde_json::Map<String, serde_json::Value>>,
    err_on_conflict: Option<bool>,
}

pub async fn post_create(mut call: Call, user: Option<User>) -> Outcome {
    let asked: Create = call.json().await?;
    if asked.metadata.is_some_and(|metadata| !metadata.is_empty()) {
        return Err(Error::Unsupported("Metadata").into());
    }
    let uri = FileUri::parse(asked.uri.as_deref().ok_or(Error::Missing("uri"))?)?;
    if uri.space == Space::Share {
        let on_conflict = if asked.err_on_conflict == Some(true) { OnConflict::Refuse } else { OnConflict::Replace };
        return by_share::create(&call, user, &uri, asked.r#type.as_deref(), on_conflict).await;
    }
    let user = user.ok_or(Error::SignInNeeded)?;
    tree::own_path(&user, &uri)?;
    let (folder, name) = uri.split().ok_or(ROOT_PROTECTED)?;
    let into = folder_at(&call, &user, &folder.path).await?;
    let item = match asked.r#type.as_deref() {
        Some("file") => files::create_file(&call.app, &user, &into, name).await?,
        Some("folder") => match files::create_folder(&call.app, &user, &into, name).await {
            Err(Error::Exists(_)) if asked.err_on_conflict != Some(true) => own_folder(&call, &user, &uri).await?,
            made => made?,
        },
        _ => return Err(Error::invalid("type", "it is file or folder").into()),
    };
    changed(&call, user, &folder.child(&item.shown), &item).await
}

/// The folder that is there already; a file in its place is in the way.
async fn own_folder(call: &Call, user: &User, uri: &FileUri) -> Result<Item, Failure> {
    let item = own_item(call, user, uri).await?;
    if item.is_folder() { Ok(item) } else { Err(Error::Exists(item.shown).into()) }
}

#[derive(Deserialize)]
struct Rename {
    uri: Option<String>,
    new_name: Option<String>,
}

pub async fn post_rename(mut call: Call, user: Option<User>) -> Outcome {
    let asked: Rename = call.json().await?;
    let uri = FileUri::parse(asked.uri.as_deref().ok_or(Error::Missing("uri"))?)?;
    let name = asked.new_name.filter(|name| !name.is_empty()).ok_or(Error::Missing("new_name"))?;
    if uri.space == Space::Share {
        return by_share::rename(&call, user, &uri, &name).await;
    }
    let user = user.ok_or(Error::SignInNeeded)?;
    let item = own_item(&call, &user, &uri).await?;
    let item = files::rename(&call.app, &user, &item.id, &name).await?;
    let (folder, _) = uri.split().ok_or(ROOT_PROTECTED)?;
    changed(&call, user, &folder.child(&item.shown), &item).await
}

/// The URIs of one call: some, and not too many.
pub fn some_uris(uris: Option<Vec<String>>) -> Result<Vec<String>, Failure> {
    let uris = uris.filter(|uris| !uris.is_empty()).ok_or(Error::Missing("uris"))?;
    if uris.len() > MOST_URIS { Err(TOO_MANY_URIS) } else { Ok(uris) }
}

#[derive(Deserialize)]
struct Move {
    uris: Option<Vec<String>>,
    dst: Option<String>,
    copy: Option<bool>,
}

pub async fn post_move(mut call: Call, user: Option<User>) -> Outcome {
    let mut asked: Move = call.json().await?;
    let uris = some_uris(asked.uris.take())?;
    let to = FileUri::parse(asked.dst.as_deref().ok_or(Error::Missing("dst"))?)?;
    if to.space == Space::Share {
        let how = if asked.copy == Some(true) { by_share::How::Copy } else { by_share::How::Move };
        return by_share::relocate(&call, user, uris, &to, how).await;
    }
    let user = user.ok_or(Error::SignInNeeded)?;
    let (path, who) = (tree::own_path(&user, &to)?.to_vec(), user.clone());
    let into = call.app.db.read(move |tx| by_path(tx, &who, &path)).await?;
    let mut failed = Vec::new();
    for uri in uris {
        if let Err(failure) = move_one(&call, &user, &asked, &uri, &into).await {
            failed.push((uri, failure));
        }
    }
    done_but_for(failed)
}

async fn move_one(call: &Call, user: &User, asked: &Move, uri: &str, into: &Place) -> Result<(), Failure> {
    let item = own_item(call, user, &FileUri::parse(uri)?).await?;
    match asked.copy == Some(true) {
        true => files::copy_into(&call.app, user, &item.id, into).await?,
        false => files::move_into(&call.app, user, &item.id, into).await?,
    };
    Ok(())
}

#[derive(Deserialize)]
struct Delete {
    uris: Option<Vec<String>>,
    unlink: Option<bool>,
    skip_soft_delete: Option<bool>,
}

pub async fn delete_file(mut call: Call, user: Option<User>) -> Outcome {
    let mut asked: Delete = call.json().await?;
    if asked.unlink == Some(true) {
        // It would keep the bytes, which here are the file.
        return Err(Error::Unsupported("Unlinking").into());
    }
    let mut failed = Vec::new();
    for uri in some_uris(asked.uris.take())? {
        if let Err(failure) = delete_one(&call, user.as_ref(), &asked, &uri).await {
            failed.push((uri, failure));
        }
    }
    done_but_for(failed)
}

async fn delete_one(call: &Call, user: Option<&User>, asked: &Delete, uri: &str) -> Result<(), Failure> {
    let uri = FileUri::parse(uri)?;
    if uri.space == Space::Share {
        return by_share::delete(call, user, &uri).await;
    }
    let user = user.ok_or(Error::SignInNeeded)?;
    if uri.space == Space::Trash {
        files::purge(&call.app, user, in_trash(&uri)?).await?;
        return Ok(());
    }
    let item = own_item(call, user, &uri).await?;
    match asked.skip_soft_delete == Some(true) {
        true => files::purge(&call.app, user, &item.id).await?,
        false => files::trash(&call.app, user, &item.id).await?,
    }
    Ok(())
}

/// The id that an entry of the trash is named by.
fn in_trash(uri: &FileUri) -> Result<&str> {
    match (uri.space, uri.path.as_slice()) {
        (Space::Trash, [id]) => Ok(id),
        _ => Err(Error::NotFound(Thing::File)),
    }
}

pub async fn delete_trash(call: Call, user: User) -> Outcome {
    let who = user.clone();
    let mut failed = Vec::new();
    for item in call.app.db.read(move |tx| trashed(tx, &who)).await? {
        if let Err(error) = files::purge(&call.app, &user, &item.id).await {
            failed.push((format!("cloudreve://trash/{}", item.id), error.into()));
        }
    }
    done_but_for(failed)
}

#[derive(Deserialize)]
struct Restore {
    uris: Option<Vec<String>>,
}

pub async fn post_restore(mut call: Call, user: User) -> Outcome {
    let asked: Restore = call.json().await?;
    let mut failed = Vec::new();
    for uri in some_uris(asked.uris)? {
        let restored = match FileUri::parse(&uri).as_ref().map_err(Clone::clone).and_then(in_trash) {
            Ok(id) => files::restore(&call.app, &user, id).await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = restored {
            failed.push((uri, error.into()));
        }
    }
    done_but_for(failed)
}
