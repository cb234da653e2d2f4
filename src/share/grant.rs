//! The one door to bytes: `authorize` decides, and what it decided is a [`Grant`]. A grant can be made nowhere else, and
//! nothing opens a file, zip or cover without one. Listings, searches and writes pass here as well.

use std::sync::Arc;

use super::visit::{Lease, Visitor};
use super::{Audience, Bits, Mode, Share, ShareKey, Shared, State, Subject};
use crate::account::{GroupKey, Role, User, UserKey};
use crate::error::{Error, Result, Thing};
use crate::library::{AlbumKey, ArtistKey, Item, ItemKey, Library, LibraryKey, LibraryKind, Media, PlaylistKey};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Know that it is there: its name, size, tags.
    See,
    List,
    /// A cover, a thumbnail, a rendered text: something made from the content. Spends nothing.
    Preview,
    /// Sound or film from beginning to end, made from the content. Spends nothing.
    Stream,
    /// The original bytes, to be shown or played in place.
    Play,
    /// The original bytes, to be kept.
    Download,
    Create,
    /// Put other content in its place.
    Update,
    /// Give it another name or another folder.
    Relocate,
    Delete,
    /// Make a share of it.
    Share,
}

impl Action {
    fn needs(self) -> Bits {
        match self {
            Action::See | Action::List | Action::Preview | Action::Stream | Action::Play | Action::Download => {
                Bits::READ
            }
            Action::Create => Bits::CREATE,
            Action::Update | Action::Relocate => Bits::UPDATE,
            Action::Delete => Bits::DELETE,
            Action::Share => Bits::READ.and(Bits::SHARE),
        }
    }

    /// The role without which nobody gets this of the item. Those that make a right vain are in [`rights_in`].
    fn role(self, item: &Item) -> Option<Role> {
        match self {
            Action::Download => Some(Role::Download),
            Action::Stream | Action::Play => matches!(item.media, Media::Audio | Media::Video).then_some(Role::Stream),
            _ => None,
        }
    }

    /// Whether it changes what is there.
    pub fn writes(self) -> bool {
        Bits::WRITE.has(self.needs())
    }

    /// Whether original bytes leave by it.
    pub fn hands_out_originals(self) -> bool {
        matches!(self, Action::Play | Action::Download)
    }
}

/// An item with all that decides whether somebody may have it.
#[derive(Debug, Clone)]
pub struct Placed {
    pub item: Item,
    pub library: Arc<Library>,
    /// Names from the library's root to the item, as on disk. Empty for the root itself.
    pub path: Vec<Vec<u8>>,
    /// The item, its folder, and so on up to the library's root.
    pub chain: Vec<ItemKey>,
    pub album: Option<AlbumKey>,
    pub artists: Vec<ArtistKey>,
    /// Of the playlists that were asked about, those that hold the item.
    pub playlists: Vec<PlaylistKey>,
}

/// A share with all that decides whether it opens.
#[derive(Debug, Clone)]
pub struct ShareFacts {
    pub share: Share,
    pub owner: User,
    /// What the owner may do now in each library that was asked about.
    pub owner_rights: Vec<(LibraryKey, Bits)>,
    /// Items on which `auth_id` was given rights.
    pub granted: Vec<ItemKey>,
    /// A download of this visitor that is paid for.
    pub lease: Option<Lease>,
    /// This visitor's view is counted already.
    pub admitted: bool,
    /// This visitor paid its price.
    pub bought: bool,
}

impl ShareFacts {
    /// A share grants at most what its owner may do now: read in that library, and share what is there.
    pub fn owner_may_share(&self, library: LibraryKey) -> bool {
        self.owner_may(library, Action::Share)
    }

    fn owner_may(&self, library: LibraryKey, action: Action) -> bool {
        self.rights_of_owner(library).has(action.needs())
    }

    fn rights_of_owner(&self, library: LibraryKey) -> Bits {
        self.owner_rights.iter().find(|(key, _)| *key == library).map_or(Bits::NONE, |(_, bits)| *bits)
    }

    pub fn is_owned_by(&self, visitor: &Visitor) -> bool {
        visitor.user.as_ref().is_some_and(|user| user.key == self.share.owner && user.is_active())
    }

    /// `PurchaseNeeded` for whoever has yet to pay the price.
    pub fn check_paid(&self, visitor: &Visitor) -> Result<()> {
        match self.share.terms.price {
            points if points > 0 && !self.bought && !self.is_owned_by(visitor) => Err(Error::PurchaseNeeded { points }),
            _ => Ok(()),
        }
    }

    /// Whether this visitor may send new files, be it a drop box or by its permissions. Says nothing of whether it opens.
    pub fn takes_files_from(&self, visitor: &Visitor) -> bool {
        self.share.terms.mode.takes_files() || (!self.is_owned_by(visitor) && bits_for(self, visitor).has(Bits::CREATE))
    }

    /// What its permissions let this visitor change, as far as its owner may do so in that library now; its owner may all
    /// that anybody can be let. What is shared itself, at the top, keeps its name and place all the same.
    pub fn rights_by(&self, visitor: &Visitor, library: LibraryKey) -> Bits {
        let given = if self.is_owned_by(visitor) { Bits::BY_SHARE } else { bits_for(self, visitor) };
        given.within(self.rights_of_owner(library))
    }
}

/// What somebody comes by.
#[derive(Debug, Clone, Copy)]
pub enum Through<'a> {
    /// Their own rights in the library: what they may do there now.
    Library(Bits),
    Share(&'a ShareFacts),
}

/// Proof that `authorize` said yes to one action on one item. Holds what is needed to reach its bytes.
#[derive(Debug, Clone)]
pub struct Grant {
    placed: Placed,
    action: Action,
    share: Option<(ShareKey, i64)>,
    rate_bytes_s: Option<i64>,
    lease: Option<Lease>,
    user: Option<(UserKey, i64)>,
}

impl Grant {
    pub fn item(&self) -> &Item {
        &self.placed.item
    }

    pub fn library(&self) -> &Library {
        &self.placed.library
    }

    pub fn path(&self) -> &[Vec<u8>] {
        &self.placed.path
    }

    /// The item, its folder, and so on up to the library's root.
    pub fn chain(&self) -> &[ItemKey] {
        &self.placed.chain
    }

    pub fn action(&self) -> Action {
        self.action
    }

    /// The share it came by, and the epoch at which it holds.
    pub fn share(&self) -> Option<(ShareKey, i64)> {
        self.share
    }

    /// The share it came by and how many bytes it hands out per second, if that has a limit.
    pub fn rate(&self) -> Option<(ShareKey, i64)> {
        self.share.map(|(share, _)| share).zip(self.rate_bytes_s)
    }

    /// The user it was given to, and the epoch at which it holds.
    pub fn user(&self) -> Option<(UserKey, i64)> {
        self.user
    }

    pub fn lease(&self) -> Option<Lease> {
        self.lease
    }
}

/// The share is open to this visitor. Proof that [`admit`] said yes.
#[derive(Debug, Clone, Copy)]
pub struct Admitted {
    is_owner: bool,
}

impl Admitted {
    pub fn is_owner(&self) -> bool {
        self.is_owner
    }
}

/// Whether the share opens to this visitor at all. Unknown, expired, used up and revoked are one answer; a missing
/// password is another, since a link's holder may know that it exists. A drop box is blind: whatever shows or tells
/// something comes by here, and finds nothing unless it is for the owner.
pub fn admit(facts: &ShareFacts, visitor: &Visitor, now_ms: i64) -> Result<Admitted> {
    let entered = enter(facts, visitor, now_ms);
    let is_owner = matches!(entered, Ok(Admitted { is_owner: true }));
    if facts.share.terms.mode == Mode::Drop && !is_owner { Err(Error::NotFound(Thing::Share)) } else { entered }
}

/// Whether the share takes files from this visitor. Errors as of [`admit`]; `Forbidden` for a share that is only read.
pub fn admit_sender(facts: &ShareFacts, visitor: &Visitor, now_ms: i64) -> Result<Admitted> {
    let entered = enter(facts, visitor, now_ms)?;
    if facts.takes_files_from(visitor) { Ok(entered) } else { Err(ONLY_READ) }
}

const ONLY_READ: Error = Error::Forbidden("a share of this kind can only be read");

fn enter(facts: &ShareFacts, visitor: &Visitor, now_ms: i64) -> Result<Admitted> {
    let share = &facts.share;
    let gone = || Error::NotFound(Thing::Share);
    let is_owner = facts.is_owned_by(visitor);
    if share.state(now_ms) == State::Revoked || !facts.owner.is_active() {
        return Err(gone());
    }
    if is_owner {
        return Ok(Admitted { is_owner });
    }
    match share.state(now_ms) {
        State::Active => {}
        State::UsedUp => {
            let views_open = facts.admitted || share.terms.view_limit.is_none_or(|n| share.views < n);
            let downloads_open =
                facts.lease.is_some() || share.terms.download_limit.is_none_or(|n| share.downloads < n);
            if !(views_open && downloads_open) {
                return Err(gone());
            }
        }
        State::NotYet | State::Expired | State::Revoked => return Err(gone()),
    }
    if !bits_for(facts, visitor).has(Bits::READ) {
        return Err(match visitor.user {
            None if share.terms.audience == Audience::Listed => Error::SignInNeeded,
            _ => gone(),
        });
    }
    if share.terms.has_password && !visitor.has_unlocked(share.key, share.epoch) {
        return Err(Error::ShareLocked);
    }
    Ok(Admitted { is_owner })
}

/// What the share's permissions give this visitor. The nearest row decides: the user's own, their groups' together, then
/// "same group", "other" or "anonymous", then "everyone"; a share for anyone without any row may be read.
fn bits_for(facts: &ShareFacts, visitor: &Visitor) -> Bits {
    let rows = &facts.share.terms.permissions;
    let row = |subject: &Subject| rows.iter().find(|(s, _)| s == subject).map(|(_, bits)| *bits);
    let nearest = match &visitor.user {
        Some(user) => row(&Subject::User(user.key))
            .or_else(|| {
                let of_groups: Vec<Bits> = user.groups.iter().filter_map(|g| row(&Subject::Group(*g))).collect();
                of_groups.into_iter().reduce(Bits::and)
            })
            .or_else(|| {
                let together = user.groups.iter().any(|g: &GroupKey| facts.owner.groups.contains(g));
                if together { row(&Subject::SameGroup) } else { None }
            })
            .or_else(|| row(&Subject::Other)),
        None => row(&Subject::Anonymous),
    };
    nearest.or_else(|| row(&Subject::Everyone)).unwrap_or(match facts.share.terms.audience {
        Audience::Anyone => Bits::READ,
        Audience::Listed => Bits::NONE,
    })
}

/// What a user may do in a library: all in their own home, else what rows of theirs, their groups' and everyone's say of
/// the folders that they are allowed. Who may not upload or share may do so nowhere.
pub fn rights_in(user: &User, library: &Library, rows: &[(Subject, Bits)]) -> Bits {
    if !user.is_active() || user.within.is_some_and(|one| one != library.key) {
        return Bits::NONE;
    }
    let mut bits = match library.kind {
        LibraryKind::Home | LibraryKind::Single if library.owner == Some(user.key) => Bits::ALL,
        LibraryKind::Home | LibraryKind::Single => Bits::NONE,
        LibraryKind::Folder if user.allowed.folders.as_ref().is_some_and(|some| !some.contains(&library.key)) => {
            Bits::NONE
        }
        LibraryKind::Podcasts => Bits::READ.and(Bits::SHARE),
        LibraryKind::Folder => rows
            .iter()
            .filter(|(subject, _)| match subject {
                Subject::User(key) => *key == user.key,
                Subject::Group(key) => user.groups.contains(key),
                Subject::Everyone => true,
                Subject::SameGroup | Subject::Other | Subject::Anonymous | Subject::Auth(_) => false,
            })
            .fold(Bits::NONE, |all, (_, bits)| all.and(*bits)),
    };
    if !library.writable {
        bits = bits.without(Bits::WRITE);
    }
    for (role, right) in [(Role::Upload, Bits::CREATE), (Role::Share, Bits::SHARE)] {
        if !user.has(role) {
            bits = bits.without(right);
        }
    }
    bits
}

/// What is given to whom, on one object.
pub type Rows = Vec<(Subject, Bits)>;

/// The libraries that somebody may look through: what lists and searches are bounded by. Made only by [`scope`].
#[derive(Debug, Clone)]
pub struct Scope {
    libraries: Vec<LibraryKey>,
    /// Not looked through: what is in there is found by its id alone.
    podcasts: Vec<LibraryKey>,
    user: UserKey,
    most_kbps: Option<u32>,
}

impl Scope {
    pub fn libraries(&self) -> &[LibraryKey] {
        &self.libraries
    }

    pub fn user(&self) -> UserKey {
        self.user
    }

    /// Narrowed to one of its libraries.
    pub fn only(&self, library: LibraryKey) -> Result<Scope> {
        if self.libraries.contains(&library) {
            Ok(Scope { libraries: vec![library], podcasts: Vec::new(), ..self.clone() })
        } else {
            Err(Error::NotFound(Thing::Library))
        }
    }

    /// For what is named by its id: podcasts as well.
    pub fn by_id(&self) -> Scope {
        let mut whole = self.clone();
        whole.libraries.extend(self.podcasts.iter().filter(|library| !self.libraries.contains(library)));
        whole
    }

    /// For a listener who is sent so many kilobits per second at most, and of a track that has more another format.
    pub fn heard_at(self, most_kbps: Option<u32>) -> Scope {
        Scope { most_kbps, ..self }
    }

    pub fn most_kbps(&self) -> Option<u32> {
        self.most_kbps
    }

    pub fn is_of_podcasts(&self, library: LibraryKey) -> bool {
        self.podcasts.contains(&library)
    }
}

/// Where a user may do this, of all libraries with their rows: `See` bounds what they look through, `Share` what they
/// make shares of.
pub fn scope(user: &User, libraries: &[(Library, Rows)], action: Action) -> Scope {
    let allowed = |(library, rows): &&(Library, Rows)| rights_in(user, library, rows).has(action.needs());
    let (podcasts, others): (Vec<&Library>, Vec<&Library>) = libraries
        .iter()
        .filter(allowed)
        .map(|(library, _)| library)
        .partition(|library| library.kind == LibraryKind::Podcasts);
    let keys = |libraries: Vec<&Library>| libraries.iter().map(|library| library.key).collect();
    Scope { libraries: keys(others), podcasts: keys(podcasts), user: user.key, most_kbps: None }
}

/// May this visitor do this to this item, coming this way?
///
/// By a library: they need the right there. By a share: it must be open to them, the item must lie in it, its owner must
/// be able to share it now, and the terms must allow the action. What is not merely seen must be paid for. Writing by a
/// share is sending new files into a folder of a drop box, or what its permissions give, where its owner may do so now.
/// Without it: `NotFound`, as for an item that does not exist; `Forbidden` only to those who may see the item.
pub fn authorize(through: Through, visitor: &Visitor, placed: Placed, action: Action, now_ms: i64) -> Result<Grant> {
    let (share, rate_bytes_s, lease) = match through {
        Through::Library(rights) => {
            check_rights(rights, visitor, &placed, action)?;
            (None, None, None)
        }
        Through::Share(facts) => {
            let share = Some((facts.share.key, facts.share.epoch));
            let terms = &facts.share.terms;
            if action == Action::Create && terms.mode.takes_files() {
                check_sending(facts, visitor, &placed, now_ms)?;
                (share, None, None)
            } else {
                check_visit(facts, visitor, &placed, action, now_ms)?;
                (share, terms.rate_bytes_s, facts.lease.filter(|_| !facts.is_owned_by(visitor)))
            }
        }
    };
    let user = visitor.user.as_ref().map(|user| (user.key, user.epoch));
    Ok(Grant { placed, action, share, rate_bytes_s, lease, user })
}

fn check_rights(rights: Bits, visitor: &Visitor, placed: &Placed, action: Action) -> Result<()> {
    if !rights.has(Bits::READ) {
        return Err(missing(&placed.item));
    }
    if !rights.has(action.needs()) {
        return Err(Error::Forbidden("you may only read this"));
    }
    match (&visitor.user, action.role(&placed.item)) {
        (Some(user), Some(role)) => user.may(role),
        _ => Ok(()),
    }
}

/// Into a drop box.
fn check_sending(facts: &ShareFacts, visitor: &Visitor, placed: &Placed, now_ms: i64) -> Result<()> {
    let admitted = admit_sender(facts, visitor, now_ms)?;
    check_place(facts, &admitted, placed, Action::Create)?;
    match placed.item.is_folder() && facts.owner_may(placed.item.library, Action::Create) {
        true => Ok(()),
        false => Err(Error::Forbidden("nothing can be sent there now")),
    }
}

fn check_visit(facts: &ShareFacts, visitor: &Visitor, placed: &Placed, action: Action, now_ms: i64) -> Result<()> {
    let admitted = admit(facts, visitor, now_ms)?;
    check_place(facts, &admitted, placed, action)?;
    if action == Action::Share {
        return Err(ONLY_READ);
    }
    if action.writes() {
        may_write(facts, visitor, placed, action)?;
    }
    if admitted.is_owner || matches!(action, Action::See | Action::List | Action::Preview) {
        return Ok(());
    }
    facts.check_paid(visitor)?;
    check_terms(facts, placed, action)
}

/// Whether the item lies in the share for this visitor, and its owner may hand it out.
fn check_place(facts: &ShareFacts, admitted: &Admitted, placed: &Placed, action: Action) -> Result<()> {
    let given = !facts.share.two_step || placed.chain.iter().any(|key| facts.granted.contains(key));
    let owner_may = facts.owner_may_share(placed.item.library);
    if !owner_may || !within(&facts.share, placed) || !(given || admitted.is_owner) {
        return Err(missing(&placed.item));
    }
    match action.role(&placed.item) {
        Some(role) if !facts.owner.has(role) => Err(Error::Forbidden("the owner of this share may not hand that out")),
        _ => Ok(()),
    }
}

/// What may be had of a share in bytes.
fn check_terms(facts: &ShareFacts, placed: &Placed, action: Action) -> Result<()> {
    let terms = &facts.share.terms;
    let listens = terms.mode == Mode::Listen;
    match action {
        Action::Stream | Action::Play if listens && placed.item.media != Media::Audio => {
            Err(Error::Forbidden("this share is for listening only"))
        }
        Action::Download if listens || !terms.downloads_allowed => {
            Err(Error::Forbidden("this share offers no downloads"))
        }
        Action::Play | Action::Download if facts.lease.is_none() => Err(Error::NotFound(Thing::Share)),
        _ => Ok(()),
    }
}

/// What permissions of a share let a visitor change: what lies in a shared folder, and the content of a shared file.
fn may_write(facts: &ShareFacts, visitor: &Visitor, placed: &Placed, action: Action) -> Result<()> {
    let is_shared = |key: &ItemKey| facts.share.items.contains(&Shared::Item(*key));
    if !facts.is_owned_by(visitor) && !bits_for(facts, visitor).has(action.needs()) {
        return Err(ONLY_READ);
    }
    if !placed.chain.iter().any(is_shared) {
        return Err(Error::Forbidden("only what lies in a shared folder can be changed"));
    }
    if is_shared(&placed.item.key) && matches!(action, Action::Relocate | Action::Delete) {
        return Err(Error::Forbidden("what is shared itself keeps its name and place"));
    }
    if !facts.owner_may(placed.item.library, action) {
        return Err(Error::Forbidden("the owner of this share may not change that now"));
    }
    match action == Action::Create && !placed.item.is_folder() {
        true => Err(Error::NotFound(Thing::Folder)),
        false => Ok(()),
    }
}

/// Whether an item is shared: itself, beneath a shared folder, or by a shared album, artist or playlist.
fn within(share: &Share, placed: &Placed) -> bool {
    share.items.iter().any(|shared| match shared {
        Shared::Item(key) => placed.chain.contains(key),
        Shared::Album(key) => placed.album == Some(*key),
        Shared::Artist(key) => placed.artists.contains(key),
        Shared::Playlist(key) => placed.playlists.contains(key),
    })
}

fn missing(item: &Item) -> Error {
    Error::NotFound(if item.is_folder() { Thing::Folder } else { Thing::File })
}

#[cfg(test)]
mod tests;
