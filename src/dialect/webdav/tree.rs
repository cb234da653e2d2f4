//! Who comes to which tree, and what lies at a path of it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::path::{Base, Path};
use super::{Failure, basic};
use crate::App;
use crate::account::User;
use crate::account::token::Purpose;
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::library::Item;
use crate::now_ms;
use crate::share::Mode;
use crate::share::grant::{Action, admit_sender};
use crate::share::visit::Visitor;
use crate::store::{Tx, shares};
use crate::work::files::{Entry, Place, by_path};
use crate::work::inside::{self, At};
use crate::work::list::Listing;
use crate::work::{dav_accounts, look, sharing, signin};

/// A request's tree and the path in it that it names.
#[derive(Clone)]
pub struct Mount {
    pub tree: Tree,
    pub visitor: Visitor,
    pub base: Base,
    pub path: Path,
}

#[derive(Clone)]
pub enum Tree {
    /// The user's own, from one of their folders on.
    Own {
        user: Box<User>,
        root: Vec<String>,
        read_only: bool,
    },
    Share {
        id: String,
        mode: Mode,
        sender: Option<String>,
    },
}

/// What lies at a path.
pub enum Node {
    /// The root of the user's own tree.
    Root,
    Item(Item),
    /// The root of a share of several things, or of one file.
    Set(Vec<Entry>),
    /// The root of a drop box, for whoever sends to it.
    Box,
}

impl Node {
    pub fn is_folder(&self) -> bool {
        if let Node::Item(item) = self { item.is_folder() } else { true }
    }

    pub fn item(&self) -> Option<&Item> {
        if let Node::Item(item) = self { Some(item) } else { None }
    }
}

/// How many components `/dav` and `/s/{id}/-/dav` have.
const OWN_TOP: usize = 1;
const SHARE_TOP: usize = 4;

impl Mount {
    /// Signs whoever calls in.
    pub async fn of(call: &Call) -> Result<Mount, Failure> {
        if call.path.iter().any(|(_, value)| value.contains('\0')) {
            return Err(Error::invalid("path", "it holds a NUL").into());
        }
        if call.path("id").is_empty() { Mount::own(call).await } else { Mount::share(call).await }
    }

    async fn own(call: &Call) -> Result<Mount, Failure> {
        let (base, path) = Base::of(call, OWN_TOP)?;
        let (name, password) = basic(call).ok_or(Error::SignInNeeded)?;
        let visitor = call.guest();
        let signed_in = dav_accounts::sign_in(&call.app, &name, &password, &visitor).await?;
        let (root, read_only) = signed_in.terms.map_or_else(Default::default, |terms| (terms.root, terms.read_only));
        let visitor = visitor.with_user(signed_in.user.clone());
        Ok(Mount { tree: Tree::Own { user: Box::new(signed_in.user), root, read_only }, visitor, base, path })
    }

    /// A guest, with the share's password beside any name; or a user, where only users may come.
    async fn share(call: &Call) -> Result<Mount, Failure> {
        let (base, path) = Base::of(call, SHARE_TOP)?;
        let (id, credentials) = (call.path("id").to_owned(), basic(call));
        let name = credentials.as_ref().map(|(name, _)| name.clone()).unwrap_or_default();
        let mut visitor = call.guest();
        let mut opened = enter(&call.app, &id, &visitor).await;
        if let (Err(error), Some((name, password))) = (&opened, &credentials) {
            match error {
                Error::ShareLocked => signin::unlock(&call.app, &id, password, &mut visitor).await?,
                Error::SignInNeeded => {
                    let signed_in = dav_accounts::sign_in(&call.app, name, password, &visitor).await?;
                    // What an app may see of one tree says nothing of others'.
                    if signed_in.terms.is_some_and(|terms| terms.read_only || !terms.root.is_empty()) {
                        return Err(Error::Forbidden("this app was let into a part of your own files only").into());
                    }
                    visitor.user = Some(signed_in.user);
                }
                _ => {}
            }
            opened = enter(&call.app, &id, &visitor).await;
        }
        let mode = opened?;
        let sender = Some(name).filter(|name| !name.trim().is_empty());
        Ok(Mount { tree: Tree::Share { id, mode, sender }, visitor, base, path })
    }

    /// The mount's tree at another path.
    pub fn at(&self, path: Path) -> Mount {
        Mount { path, ..self.clone() }
    }

    /// The user and names from their root on, where they may write. Shares are read by their terms; a box takes new files.
    pub fn writer(&self) -> Result<(&User, Vec<String>)> {
        match &self.tree {
            Tree::Own { read_only: true, .. } => Err(Error::Forbidden("this app account may only read")),
            Tree::Own { user, root, .. } => Ok((user.as_ref(), [root.as_slice(), &self.path.names].concat())),
            Tree::Share { .. } => Err(Error::Forbidden("a share can only be read here")),
        }
    }

    /// Shows locks of the user's own to everything that is done in this tree from now on.
    pub fn show(&mut self, tokens: Vec<String>) {
        if let Tree::Own { user, .. } = &mut self.tree {
            user.lock_tokens = tokens;
        }
    }

    pub async fn node(&self, app: &App, action: Action) -> Result<Node> {
        let mount = self.clone();
        app.db.read(move |tx| mount.look(tx, action)).await
    }

    /// What lies at the path, if whoever came may do `action` with it.
    pub fn look(&self, tx: &mut Tx, action: Action) -> Result<Node> {
        match &self.tree {
            Tree::Own { user, root, .. } => {
                let names = [root.as_slice(), &self.path.names].concat();
                match by_path(tx, user, &names)? {
                    Place::Root => Ok(Node::Root),
                    Place::Item(item) => {
                        let grant = sharing::own_item(tx, user, &self.visitor, item, action)?;
                        Ok(Node::Item(grant.item().clone()))
                    }
                }
            }
            Tree::Share { id, mode: Mode::Drop, .. } => {
                let facts = shares::facts(tx, id, &self.visitor, now_ms())?;
                admit_sender(&facts, &self.visitor, now_ms())?;
                if self.path.names.is_empty() { Ok(Node::Box) } else { Err(Error::NotFound(Thing::File)) }
            }
            Tree::Share { id, .. } => {
                let found = inside::by_path(tx, id, &self.path.names, &self.visitor, action)?;
                Ok(match found.at {
                    At::Item(item) => Node::Item(item),
                    At::Only(file) => Node::Set(vec![Entry { shown: file.shown.clone(), item: file }]),
                    At::Set(entries) => Node::Set(entries),
                })
            }
        }
    }

    /// What is in the folder at the path.
    pub fn list(&self, tx: &mut Tx) -> Result<Listing> {
        match self.look(tx, Action::List)? {
            Node::Root => match &self.tree {
                Tree::Own { user, .. } => Listing::own(tx, user, &Place::Root),
                Tree::Share { .. } => Ok(Listing::default()),
            },
            Node::Item(item) => match &self.tree {
                Tree::Own { user, .. } => Listing::own(tx, user, &Place::Item(item)),
                Tree::Share { .. } => Listing::folder(tx, item.key),
            },
            Node::Set(entries) => Ok(Listing::of(entries)),
            Node::Box => Ok(Listing::default()),
        }
    }
}

/// Whether the share opens, and what may be done there.
async fn enter(app: &App, id: &str, visitor: &Visitor) -> Result<Mode> {
    let look = look::at(app, id, visitor).await?;
    let mode = look.facts.share.terms.mode;
    match mode.takes_files() {
        true => admit_sender(&look.facts, visitor, now_ms())?,
        false => look::open_whole(app, id, visitor).await?.1,
    };
    Ok(mode)
}

/// What a sender is known by. These clients keep no cookie: whoever comes from one network under one name is one. Signed,
/// so that nobody elsewhere can call themselves the same; nothing is ever shown to them by it.
pub fn sender_ticket(call: &Call, share: &str, name: &str) -> String {
    let said = format!("webdav\0{share}\0{}\0{}\0{name}", call.guest().network(), call.agent());
    URL_SAFE_NO_PAD.encode(call.app.keys.sign(Purpose::ShareCookie, said.as_bytes()))
}
