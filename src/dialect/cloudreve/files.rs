//! Folders and files: lists, facts, and what changes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::answers::{self, Entity, ExtendedInfo, File, FolderSummary, Owned, StoragePolicy};
use super::site::MOST_URIS;
use super::tree::{self, At, InShare, Spot};
use super::uri::{FileUri, Space};
use super::{
    Failure, Outcome, ROOT_PROTECTED, TOO_MANY_URIS, boolset, by_share, content, data, done_but_for, is_set, metadata,
    query, shares, views,
};
use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::library::versions::Version;
use crate::library::{Item, ItemKind, LibraryKey};
use crate::now_ms;
use crate::share::grant::Action;
use crate::share::visit::Visitor;
use crate::share::{Bits, Mode, Shared};
use crate::store::folders::{Sum, sum};
use crate::store::{Tx, links, rights};
use crate::work::files::{Place, by_path, trashed};
use crate::work::policies::{self, Inherited};
use crate::work::upload::OnConflict;
use crate::work::{files, metadata as noted, sharing, versions};

/// What clients offer to do with a file, by its capability: see it, list it, draw it, read it, enter it.
const MAY_READ: u64 = boolset::of(&[7, 9, 10, 19, 23]);
/// Create, rename, upload, edit metadata, delete, break locks, put in the trash, see versions.
const MAY_WRITE: u64 = boolset::of(&[0, 1, 6, 8, 14, 15, 16, 20]);
/// Say how folders are looked at.
const MAY_VIEW: u64 = boolset::of(&[24]);
/// By a share, one by one: create and upload; rename; delete and put in the trash.
const BY_RIGHT: [(Bits, u64); 3] =
    [(Bits::CREATE, boolset::of(&[0, 6])), (Bits::UPDATE, boolset::of(&[1])), (Bits::DELETE, boolset::of(&[14, 16]))];
const MAY_SHARE: u64 = boolset::of(&[18]);
/// In a share that offers no downloads.
pub const MAY_SEE: u64 = boolset::of(&[9, 10, 19, 23]);
/// What can be done with the root too: it is not renamed, noted on, locked, shared or thrown away.
pub const AT_ROOT: u64 = !boolset::of(&[1, 8, 14, 15, 16, 18, 20]);
/// List, delete, restore, see.
pub const IN_TRASH: u64 = boolset::of(&[9, 14, 17, 19]);

/// What may be done with the files of one answer.
pub enum Rights {
    Own(Vec<(LibraryKey, Bits)>),
    Shared(Box<InShare>),
    Trash,
}

impl Rights {
    pub fn of(&self, item: &Item) -> u64 {
        match self {
            Rights::Own(all) => {
                let bits = all.iter().find(|(key, _)| *key == item.library).map_or(Bits::NONE, |(_, bits)| *bits);
                let part = |needed, may| if bits.has(needed) { may } else { 0 };
                part(Bits::READ, MAY_READ | MAY_VIEW) | part(Bits::WRITE, MAY_WRITE) | part(Bits::SHARE, MAY_SHARE)
            }
            Rights::Shared(found) => by_share(found, item),
            Rights::Trash => IN_TRASH,
        }
    }

    pub fn owned(&self) -> Owned {
        match self {
            Rights::Own(_) | Rights::Trash => Owned::Mine,
            Rights::Shared(found) if found.is_owner => Owned::Mine,
            Rights::Shared(_) => Owned::Others,
        }
    }

    pub fn file(&self, item: &Item, name: &str, uri: &FileUri) -> File {
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
    let space = uri.space;
    let (item, mut file) = call.app.db.read(move |tx| look(tx, uri, &visitor)).await?;
    // What lies in a folder of the trash is in no sum.
    if let Some(folder) = item.as_ref().filter(|item| is_summed && item.is_folder() && space != Space::Trash) {
        file.folder_summary = Some(summary(&call, folder).await?);
    }
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

fn look(tx: &mut Tx, uri: FileUri, visitor: &Visitor) -> Result<(Option<Item>, File)> {
    if let (Space::Trash, Some(user)) = (uri.space, &visitor.user) {
        return look_in_trash(tx, uri, user);
    }
    let (item, rights, uri) = match tree::spot(tx, &uri, visitor, Action::See)? {
        Spot::Root => {
            let user = visitor.user.as_ref().ok_or(Error::SignInNeeded)?;
            let (root, rights) = (tree::own_root(tx, user)?, Rights::Own(rights::of_user(tx, user)?));
            let may = root.as_ref().map_or(MAY_SEE, |root| rights.of(root) & AT_ROOT);
            return Ok((root, File::root(uri.to_string(), may, Owned::Mine)));
        }
        Spot::Own(item) => {
            let user = visitor.user.as_ref().ok_or(Error::SignInNeeded)?;
            (item, Rights::Own(rights::of_user(tx, user)?), uri)
        }
        Spot::Shared(found) => {
            let at = found.at.clone();
            let rights = Rights::Shared(found);
            match at {
                At::Item(item) => (item, rights, uri),
                At::Only(item) => {
                    let uri = uri.child(&item.shown);
                    (item, rights, uri)
                }
                At::Set(_) => return Ok((None, File::root(uri.to_string(), MAY_SEE, rights.owned()))),
            }
        }
    };
    let mut file = rights.file(&item, uri.path.last().unwrap_or(&item.shown), &uri);
    file.metadata = metadata::of_item(tx, &item, rights.owned())?;
    Ok((Some(item), file))
}

/// Something that was thrown away, by its id; without one the trash itself.
fn look_in_trash(tx: &mut Tx, uri: FileUri, user: &User) -> Result<(Option<Item>, File)> {
    if uri.path.is_empty() {
        return Ok((None, File::root(uri.to_string(), IN_TRASH, Owned::Mine)));
    }
    let id = in_trash(&uri)?.to_owned();
    let item = trashed(tx, user)?.into_iter().find(|item| item.id == id).ok_or(Error::NotFound(Thing::File))?;
    let mut fields = metadata::of_item(tx, &item, Owned::Mine)?.unwrap_or_default();
    fields.extend(metadata::of_trashed(tx, user, &item)?);
    let file = Rights::Trash.file(&item, &item.shown, &uri);
    Ok((Some(item), File { metadata: (!fields.is_empty()).then_some(fields), ..file }))
}

/// Counted once for all who ask, until something changes.
async fn summary(call: &Call, folder: &Item) -> Result<FolderSummary> {
    let key = folder.key;
    let sum: Arc<Sum> = call.app.db.recall("folder sum", &key.0.to_string(), move |tx| sum(tx, key)).await?;
    Ok(FolderSummary {
        size: sum.size_bytes,
        files: sum.files,
        folders: sum.folders,
        completed: sum.is_whole,
        calculated_at: answers::time(now_ms()),
    })
}

/// What only its owner is told of a folder or file.
async fn extended(call: &Call, user: &User, item: &Item) -> Result<ExtendedInfo, Failure> {
    let (of, owner) = (item.clone(), user.clone());
    let (of_item, permissions, direct, former, view, (policy, inherited)) = call
        .app
        .db
        .read(move |tx| {
            let all = crate::store::shares::of_owner(tx, owner.key)?;
            let of_item =
                all.into_iter().filter(|share| share.items.contains(&Shared::Item(of.key))).collect::<Vec<_>>();
            let given = sharing::of_permissions(tx, owner.key, of.key)?;
            let permissions = given.first().map(|share| shares::permissions(tx, share)).transpose()?;
            // Who may only read a file sees what it is, not what it was.
            let former = if of.is_folder() { Vec::new() } else { versions::list(tx, &owner, &of).unwrap_or_default() };
            let direct = links::of_item(tx, owner.key, of.key)?;
            let policy = policies::told(tx, &owner, &of)?;
            Ok((of_item, permissions, direct, former, views::of_folder(tx, owner.key, of.key)?, policy))
        })
        .await?;
    let former_bytes: u64 = former.iter().map(|version| version.size_bytes).sum();
    let policy = StoragePolicy::of(policy);
    Ok(ExtendedInfo {
        storage_policy: Some(policy.clone()),
        storage_policy_inherited: inherited == Inherited::Yes,
        storage_used: item.size_bytes.saturating_add(former_bytes),
        permissions,
        shares: shares::for_owner(&call.app, user, of_item, &call.origin.base).await?,
        entities: if item.is_folder() { Vec::new() } else { entities(item, &former, &policy) },
        view,
        direct_links: direct.iter().map(|link| content::direct_link(call, link, &item.shown)).collect(),
    })
}

/// The current content, then the former ones, the newest first.
fn entities(item: &Item, former: &[Version], policy: &StoragePolicy) -> Vec<Entity> {
    let entity = |id: String, size, modified_ms| Entity {
        id,
        r#type: 0,
        size,
        created_at: answers::time(modified_ms),
        storage_policy: policy.clone(),
    };
    let current = entity(item.etag(), item.size_bytes, item.modified_ms);
    let former = former.iter().rev().map(|version| entity(version.id.clone(), version.size_bytes, version.modified_ms));
    std::iter::once(current).chain(former).collect()
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
    let (uri, item) = (uri.clone(), item.clone());
    let file = call.app.db.read(move |tx| {
        let rights = Rights::Own(rights::of_user(tx, &user)?);
        let mut file = rights.file(&item, uri.path.last().unwrap_or(&item.shown), &uri);
        file.metadata = metadata::of_item(tx, &item, Owned::Mine)?;
        Ok(file)
    });
    data(&file.await?)
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
            Err(Error::NotFound(_)) => files::make_path(&call.app, user, place, &path[depth - 1..depth]).await?,
            Err(error) => return Err(error),
        };
    }
    Ok(place)
}

#[derive(Deserialize)]
struct Create {
    uri: Option<String>,
    r#type: Option<String>,
    metadata: Option<BTreeMap<String, String>>,
    err_on_conflict: Option<bool>,
}

pub async fn post_create(mut call: Call, user: Option<User>) -> Outcome {
    let asked: Create = call.json().await?;
    let fields = metadata::of_new(asked.metadata)?;
    let uri = FileUri::parse(asked.uri.as_deref().ok_or(Error::Missing("uri"))?)?;
    if uri.space == Space::Share {
        let on_conflict = if asked.err_on_conflict == Some(true) { OnConflict::Refuse } else { OnConflict::Replace };
        return by_share::create(&call, user, &uri, asked.r#type.as_deref(), on_conflict).await;
    }
    let user = user.ok_or(Error::SignInNeeded)?;
    tree::own_path(&user, &uri)?;
    let kind = kind_of(asked.r#type.as_deref())?;
    let (folder, name) = uri.split().ok_or(ROOT_PROTECTED)?;
    let into = folder_at(&call, &user, &folder.path).await?;
    let made = match kind {
        ItemKind::File => files::create_file(&call.app, &user, &into, name).await,
        ItemKind::Folder => files::create_folder(&call.app, &user, &into, name).await,
    };
    let item = match made {
        Err(Error::Exists(name)) if asked.err_on_conflict != Some(true) => {
            of_kind(kind, name, own_item(&call, &user, &uri).await)?
        }
        made => made?,
    };
    if !fields.is_empty() {
        noted::patch(&call.app, &user, &item.id, fields).await?;
    }
    changed(&call, user, &folder.child(&item.shown), &item).await
}

/// What is to be made.
pub fn kind_of(asked: Option<&str>) -> Result<ItemKind> {
    match asked {
        Some("file") => Ok(ItemKind::File),
        Some("folder") => Ok(ItemKind::Folder),
        _ => Err(Error::invalid("type", "it is file or folder")),
    }
}

/// What is there already in place of what was to be made. Of the other kind, or not known yet, it is in the way.
pub fn of_kind(kind: ItemKind, name: String, there: Result<Item, Failure>) -> Result<Item, Failure> {
    match there {
        Ok(item) if item.kind == kind => Ok(item),
        Ok(_) | Err(Failure::Of(Error::NotFound(_))) => Err(Error::Exists(name).into()),
        Err(other) => Err(other),
    }
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
