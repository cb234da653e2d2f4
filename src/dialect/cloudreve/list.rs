//! Lists of folders, page by page, and of what a search finds.

use std::collections::HashMap;

use super::answers::{File, Files, Owned, Pagination, Props, StoragePolicy};
use super::files::{AT_ROOT, IN_TRASH, MAY_SEE, Rights};
use super::metadata::RESTORE_URI;
use super::search::{self, Seeker};
use super::tree::{self, At, InShare, Spot};
use super::uri::{FileUri, Space};
use super::{Outcome, data, metadata, query, views, with_me};
use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::http::fields::Fields;
use crate::library::Item;
use crate::share::grant::{Action, ShareFacts};
use crate::share::visit::Visitor;
use crate::store::folders::{By, Order, Start, Wanted};
use crate::store::{Tx, rights, shares};
use crate::work::files::{Entry, Place, home_root, trashed};
use crate::work::folders::{self, Field, Line};
use crate::work::{policies, sharing};

const PAGE_DEFAULT: usize = 100;
pub const PAGE_MOST: usize = 2000;

// Pages ---------------------------------------------------------------------------------------------------------------

/// What of a list is wished for.
pub struct PageWish {
    pub page: usize,
    size: Option<usize>,
    pub after: Option<String>,
    order_by: Option<String>,
    direction: Option<String>,
}

/// The same, with what the folder's view adds.
struct PagePlan {
    page: usize,
    size: usize,
    order: Order,
    start: Start,
}

impl PageWish {
    fn of(query: &Fields) -> Result<PageWish> {
        let number = |name| Ok::<_, Error>(query.number::<i64>(name)?.and_then(|n| usize::try_from(n).ok()));
        // One client calls the direction `order`.
        let direction = query.get("order_direction").or(query.get("order"));
        Ok(PageWish {
            page: number("page")?.unwrap_or(0),
            size: number("page_size")?.filter(|n| *n > 0),
            after: query.get("next_page_token").map(str::to_owned),
            order_by: query.get("order_by").map(str::to_owned),
            direction: direction.map(str::to_owned),
        })
    }

    /// In which order, and how much. What the client does not say, the view says.
    pub fn order(&self, view: Option<&views::View>) -> (Order, usize) {
        let by = self.order_by.as_deref().or(view.and_then(|view| view.order.as_deref()));
        let direction = self.direction.as_deref().or(view.and_then(|view| view.order_direction.as_deref()));
        let order = Order {
            by: match by {
                Some("size") => By::Size,
                Some("updated_at") => By::Modified,
                Some("created_at") => By::Added,
                _ => By::Name,
            },
            is_descending: direction.is_some_and(|way| way.eq_ignore_ascii_case("desc")),
        };
        let size = self.size.or(view.and_then(|view| view.page_size)).unwrap_or(PAGE_DEFAULT).min(PAGE_MOST);
        (order, size)
    }

    fn plan(&self, tx: &mut Tx, view: Option<&views::View>) -> Result<PagePlan> {
        let (order, size) = self.order(view);
        let start = match &self.after {
            Some(token) => folders::start_after(tx, order, "next_page_token", token)?,
            None => Start::At(self.page.saturating_mul(size) as u64),
        };
        Ok(PagePlan { page: self.page, size, order, start })
    }
}

// Lists ---------------------------------------------------------------------------------------------------------------

/// Where the lines of a list come from.
enum Source {
    Own(Place),
    /// A folder that the caller may list.
    Folder(Item),
    /// All that there is.
    Few(Vec<Entry>),
}

/// What is listed, before its page is cut.
struct Listed {
    uri: FileUri,
    parent: File,
    may: u64,
    rights: Rights,
    source: Source,
    is_single: bool,
    share: Option<ShareFacts>,
    view: Option<views::View>,
}

pub async fn get_file(call: Call, user: Option<User>) -> Outcome {
    let query = query(&call)?;
    let uri = FileUri::parse(query.need("uri")?)?;
    let wish = PageWish::of(&query)?;
    let visitor = tree::visitor(&call, user.as_ref(), &uri).await?;
    let who = visitor.clone();
    let (files, share) = call.app.db.read(move |tx| list(tx, uri, &who, &wish)).await?;
    if let Some(facts) = &share {
        sharing::count_view(&call.app, facts, &visitor).await?;
    }
    data(&files)
}

fn list(tx: &mut Tx, mut uri: FileUri, visitor: &Visitor, wish: &PageWish) -> Result<(Files, Option<ShareFacts>)> {
    let asked = std::mem::take(&mut uri.search);
    let user = visitor.user.as_ref();
    let signed_in = || user.ok_or(Error::SignInNeeded);
    if uri.space == Space::SharedWithMe {
        return Ok((with_me::list(tx, uri, signed_in()?, visitor, wish)?, None));
    }
    let listed = match uri.space {
        Space::Trash | Space::SharedWithMe => in_trash(tx, uri, signed_in()?)?,
        Space::My | Space::Share => match tree::spot(tx, &uri, visitor, Action::List)? {
            Spot::Root => own(tx, uri, signed_in()?, None)?,
            Spot::Own(item) => own(tx, uri, signed_in()?, Some(item))?,
            Spot::Shared(found) => shared(tx, uri, user, *found)?,
        },
    };
    let seeker = if listed.rights.owned() == Owned::Mine { Seeker::Owner } else { Seeker::Visitor };
    let wanted = search::wanted(&asked, seeker)?;
    let plan = wish.plan(tx, listed.view.as_ref())?;
    let share = listed.share.clone();
    Ok((listed.page(tx, user, wanted, plan)?, share))
}

impl Listed {
    fn page(self, tx: &mut Tx, user: Option<&User>, wanted: Option<Wanted>, plan: PagePlan) -> Result<Files> {
        let PagePlan { page, size, order, start } = plan;
        let is_search = wanted.is_some();
        let (mut lines, reached_limit) = match wanted {
            None => (self.lines(tx, user, order, &start, size + 1)?, false),
            Some(wanted) if matches!(self.rights, Rights::Trash) => {
                (folders::page_of(self.trashed(tx, user, &wanted)?, order, &start, size + 1), false)
            }
            Some(wanted) => {
                let field = self.field(tx, user)?;
                (field.page(tx, &wanted, order, &start, size + 1)?, field.is_beyond(tx)?)
            }
        };
        let next_token = folders::cut_page(&mut lines, order, size);
        Ok(Files {
            storage_policy: self.policy(tx, user)?,
            files: self.files(tx, user, &lines)?,
            parent: self.parent,
            pagination: Pagination { page, page_size: size, next_token, is_cursor: true },
            props: Props::of(self.may),
            context_hint: None,
            mixed_type: is_search,
            recursion_limit_reached: reached_limit,
            single_file_view: self.is_single,
            view: self.view,
        })
    }

    fn lines(&self, tx: &mut Tx, user: Option<&User>, order: Order, start: &Start, limit: usize) -> Result<Vec<Line>> {
        match &self.source {
            Source::Own(place) => folders::page(tx, user.ok_or(Error::SignInNeeded)?, place, order, start, limit),
            Source::Folder(folder) => folders::page_in(tx, folder, order, start, limit),
            Source::Few(entries) => Ok(folders::page_of(entries.clone(), order, start, limit)),
        }
    }

    /// Of what is in the trash, what is looked for.
    fn trashed(&self, tx: &mut Tx, user: Option<&User>, wanted: &Wanted) -> Result<Vec<Entry>> {
        let (Source::Few(entries), Some(user)) = (&self.source, user) else { return Ok(Vec::new()) };
        let items: Vec<&Item> = entries.iter().map(|entry| &entry.item).collect();
        let mut noted = match wanted.metadata.is_empty() {
            true => HashMap::new(),
            false => metadata::of_page(tx, &items, Owned::Mine)?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let mut fields = noted.remove(&entry.item.key).unwrap_or_default();
            if wanted.metadata.iter().any(|(name, _)| name == RESTORE_URI) {
                fields.extend(metadata::of_trashed(tx, user, &entry.item)?);
            }
            if search::fits(wanted, &entry.item, &fields) {
                found.push(entry.clone());
            }
        }
        Ok(found)
    }

    /// What uploads go by, in one's own folders.
    fn policy(&self, tx: &mut Tx, user: Option<&User>) -> Result<Option<StoragePolicy>> {
        let (Rights::Own(_), Source::Own(place), Some(user)) = (&self.rights, &self.source, user) else {
            return Ok(None);
        };
        let folder = match place {
            Place::Item(item) => item.clone(),
            Place::Root => match tree::own_root(tx, user)? {
                None => return Ok(None),
                Some(root) => root,
            },
        };
        Ok(Some(StoragePolicy::of(policies::told(tx, user, &folder)?.0)))
    }

    fn field(&self, tx: &mut Tx, user: Option<&User>) -> Result<Field> {
        match &self.source {
            Source::Own(place) => folders::field(tx, user.ok_or(Error::SignInNeeded)?, place),
            Source::Folder(folder) => Ok(Field::below(folder)),
            Source::Few(entries) => Ok(Field::among(entries)),
        }
    }

    fn files(&self, tx: &mut Tx, user: Option<&User>, lines: &[Line]) -> Result<Vec<File>> {
        let items: Vec<&Item> = lines.iter().map(|line| &line.item).collect();
        let mut noted = metadata::of_page(tx, &items, self.rights.owned())?;
        let shared = match user.filter(|_| self.rights.owned() == Owned::Mine) {
            Some(user) => shares::shared_items(tx, user.key, &items.iter().map(|item| item.key).collect::<Vec<_>>())?,
            None => Vec::new(),
        };
        let in_trash = matches!(self.rights, Rights::Trash);
        let mut files = Vec::with_capacity(lines.len());
        for line in lines {
            // The trash may hold several of one name.
            let uri = match in_trash {
                true => self.uri.child(&line.item.id),
                false => line.path.iter().fold(self.uri.clone(), |uri, name| uri.child(name)),
            };
            let mut file = self.rights.file(&line.item, line.name(), &uri);
            let mut fields = noted.remove(&line.item.key).unwrap_or_default();
            if let (true, Some(user)) = (in_trash, user) {
                fields.extend(metadata::of_trashed(tx, user, &line.item)?);
            }
            file.metadata = (!fields.is_empty()).then_some(fields);
            file.shared = shared.contains(&line.item.key);
            files.push(file);
        }
        Ok(files)
    }
}

fn own(tx: &mut Tx, uri: FileUri, user: &User, folder: Option<Item>) -> Result<Listed> {
    let rights = Rights::Own(rights::of_user(tx, user)?);
    let (place, parent, may, key) = match folder {
        Some(item) if !item.is_folder() => return Err(Error::NotFound(Thing::Folder)),
        Some(item) => {
            let (parent, may) = (parent(tx, &rights, Some(user), &item, &uri)?, rights.of(&item));
            (Place::Item(item.clone()), parent, may, item.key)
        }
        None => {
            let home = home_root(tx, user)?;
            let may = rights.of(&home);
            (Place::Root, File::root(uri.to_string(), may & AT_ROOT, Owned::Mine), may, home.key)
        }
    };
    let view = views::of_folder(tx, user.key, key)?;
    Ok(Listed { uri, parent, may, rights, source: Source::Own(place), is_single: false, share: None, view })
}

/// A listed folder, as its own parent's list tells of it.
fn parent(tx: &mut Tx, rights: &Rights, user: Option<&User>, folder: &Item, uri: &FileUri) -> Result<File> {
    let shared = match user.filter(|_| rights.owned() == Owned::Mine) {
        Some(user) => !shares::shared_items(tx, user.key, &[folder.key])?.is_empty(),
        None => false,
    };
    let metadata = metadata::of_item(tx, folder, rights.owned())?;
    Ok(File { shared, metadata, ..rights.file(folder, &folder.shown, uri) })
}

/// Of the user's own, by their names from the root of all that they have.
pub fn own_files(tx: &mut Tx, user: &User, lines: &[Line]) -> Result<Vec<File>> {
    own(tx, FileUri::my(Vec::new()), user, None)?.files(tx, Some(user), lines)
}

fn shared(tx: &mut Tx, uri: FileUri, user: Option<&User>, found: InShare) -> Result<Listed> {
    let (at, facts, is_owner) = (found.at.clone(), found.facts.clone(), found.is_owner);
    let rights = Rights::Shared(Box::new(found));
    let owned = rights.owned();
    let root = |uri: &FileUri, may| File::root(uri.to_string(), may, owned);
    let mut view = None;
    let (parent, may, source, is_single) = match at {
        At::Item(item) if !item.is_folder() => return Err(Error::NotFound(Thing::Folder)),
        At::Item(folder) => {
            if facts.share.terms.share_view || is_owner {
                view = views::of_folder(tx, facts.share.owner, folder.key)?;
            }
            (parent(tx, &rights, user, &folder, &uri)?, rights.of(&folder), Source::Folder(folder), false)
        }
        At::Only(file) => {
            let may = rights.of(&file);
            (root(&uri, may), may, Source::Few(vec![Entry { shown: file.shown.clone(), item: file }]), true)
        }
        At::Set(entries) => (root(&uri, MAY_SEE), MAY_SEE, Source::Few(entries), false),
    };
    Ok(Listed { uri, parent, may, rights, source, is_single, share: Some(facts), view })
}

/// Its entries are named by id, since several may have one name.
fn in_trash(tx: &mut Tx, uri: FileUri, user: &User) -> Result<Listed> {
    if !uri.path.is_empty() {
        return Err(Error::NotFound(Thing::Folder));
    }
    let entries = trashed(tx, user)?.into_iter().map(|item| Entry { shown: item.shown.clone(), item }).collect();
    let parent = File::root(uri.to_string(), IN_TRASH, Owned::Mine);
    let (rights, source) = (Rights::Trash, Source::Few(entries));
    let view = views::of_space(tx, user, Space::Trash)?;
    Ok(Listed { uri, parent, may: IN_TRASH, rights, source, is_single: false, share: None, view })
}
