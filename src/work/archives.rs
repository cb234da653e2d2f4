//! What goes into an archive: things of a share or of a user's own, found and paid for first, walked through afterwards.
//! So the writer is held for the lease alone, however much there is.

mod on_disk;

pub use on_disk::{Archive, Plans};

use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::library::{Item, LibraryKey};
use crate::media::zip::unique_names;
use crate::now_ms;
use crate::share::grant::{Action, Grant, Placed, ShareFacts, Through, admit, authorize};
use crate::share::visit::{Lease, Visitor, Wanted};
use crate::share::{Bits, ShareKey, Shared};
use crate::store::{Tx, library, music, rights, shares};
use crate::work::sharing::{Contents, contents_for, lease_for, name_of, name_of_set, own_item, place_in, playlists_of};

/// What an archive of several things is called.
pub const SEVERAL: &str = "files";

/// Things for one archive that come by one right.
pub struct Part {
    name: String,
    /// How many were asked for; fewer may be there.
    things: usize,
    tops: Vec<Item>,
    by: By,
    visitor: Visitor,
    action: Action,
}

enum By {
    Share(Box<ShareFacts>),
    /// What the user may do in each library.
    Own(Vec<(LibraryKey, Bits)>),
}

impl Part {
    /// What an archive of this alone is called, without its suffix.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The share it comes by, and the epoch at which that was opened.
    pub fn share(&self) -> Option<(ShareKey, i64)> {
        match &self.by {
            By::Share(facts) => Some((facts.share.key, facts.share.epoch)),
            By::Own(_) => None,
        }
    }

    /// The share it comes by and how many bytes that hands out per second, if that has a limit.
    pub fn rate(&self) -> Option<(ShareKey, i64)> {
        match &self.by {
            By::Share(facts) => Some(facts.share.key).zip(facts.share.terms.rate_bytes_s),
            By::Own(_) => None,
        }
    }

    /// The download that was paid for it.
    pub fn lease(&self) -> Option<Lease> {
        match &self.by {
            By::Share(facts) if self.action.hands_out_originals() => facts.lease,
            By::Share(_) | By::Own(_) => None,
        }
    }

    /// All that decides what goes into it but the rows of files and the disk: another one whenever other things are asked
    /// for, or others may be had.
    pub fn key(&self) -> String {
        let by = match &self.by {
            By::Share(facts) => {
                let share = &facts.share;
                format!("{:?}", (share.key, share.epoch, share.modified_ms, &facts.granted, &facts.owner_rights))
            }
            By::Own(rights) => format!("{rights:?}"),
        };
        let tops: Vec<i64> = self.tops.iter().map(|item| item.key.0).collect();
        let user = self.visitor.user.as_ref().map(|user| user.key);
        format!("{by} {user:?} {:?} {} {tops:?}", self.action, self.things)
    }

    fn place(&self, tx: &mut Tx, item: Item) -> Result<Placed> {
        match &self.by {
            By::Share(facts) => library::place(tx, item, &playlists_of(&facts.share)),
            By::Own(_) => library::place(tx, item, &[]),
        }
    }

    fn grant(&self, placed: Placed) -> Result<Grant> {
        let through = match &self.by {
            By::Share(facts) => Through::Share(facts),
            By::Own(rights) => Through::Library(bits(rights, placed.item.library)),
        };
        authorize(through, &self.visitor, placed, self.action, now_ms())
    }
}

fn bits(rights: &[(LibraryKey, Bits)], library: LibraryKey) -> Bits {
    rights.iter().find(|(key, _)| *key == library).map_or(Bits::NONE, |(_, bits)| *bits)
}

/// Things in a share by their ids, or all of it: leased as one item. In one transaction the share is opened, the download
/// leased and the things authorized: whatever refuses takes the lease back with it. Needs a writing transaction. A look
/// at the head alone leases nothing.
pub fn of_share(tx: &mut Tx, id: &str, visitor: &Visitor, ids: Option<&[String]>, wanted: Wanted) -> Result<Part> {
    let now = now_ms();
    let mut facts = shares::facts(tx, id, visitor, now)?;
    let named = match ids {
        Some(ids) => Some(ids.iter().map(|id| place_in(tx, &facts.share, id)).collect::<Result<Vec<_>>>()?),
        None => None,
    };
    let action = match wanted {
        Wanted::Head => Action::Preview,
        Wanted::From(start) => {
            let keys = named.iter().flatten().map(|placed| placed.item.key.0.to_string());
            let object = format!("zip {}", keys.collect::<Vec<_>>().join(","));
            lease_for(tx, &mut facts, visitor, object.trim_end(), start, now)?;
            Action::Download
        }
    };
    admit(&facts, visitor, now)?;
    if action == Action::Download {
        facts.check_paid(visitor)?;
    }
    let title = Some(&facts.share.title).filter(|title| !title.is_empty() && named.is_none()).cloned();
    let (named, name) = match named {
        Some(named) => {
            let name = if let [one] = named.as_slice() { one.item.shown.clone() } else { SEVERAL.to_owned() };
            (named, name)
        }
        None => match contents_for(tx, &facts, visitor)? {
            Contents::Folder(item) | Contents::File(item) => {
                (vec![place_in(tx, &facts.share, &item.id)?], title.unwrap_or(item.shown))
            }
            // Each is authorized when it is walked to.
            Contents::Set(tops) => {
                let name = title.map_or_else(|| name_of_set(tx, &facts), Ok)?;
                let things = facts.share.items.len();
                return Ok(Part {
                    name,
                    things,
                    tops,
                    by: By::Share(Box::new(facts)),
                    visitor: visitor.clone(),
                    action,
                });
            }
        },
    };
    let things = named.len();
    let mut tops = Vec::with_capacity(things);
    for placed in named {
        tops.push(authorize(Through::Share(&facts), visitor, placed, action, now)?.item().clone());
    }
    Ok(Part { name, things, tops, by: By::Share(Box::new(facts)), visitor: visitor.clone(), action })
}

/// The user's own things by their own rights; of albums, artists and playlists the tracks that they may read.
pub fn of_user(tx: &mut Tx, user: &User, visitor: &Visitor, things: &[Shared]) -> Result<Part> {
    let rights = rights::of_user(tx, user)?;
    let name = if let [thing] = things { name_of(tx, user, *thing)? } else { None };
    let mut tops = Vec::new();
    for thing in things {
        match thing {
            Shared::Item(key) => {
                let item = library::item(tx, *key)?.ok_or(Error::NotFound(Thing::File))?;
                tops.push(own_item(tx, user, visitor, item, Action::Download)?.item().clone());
            }
            Shared::Album(_) | Shared::Artist(_) | Shared::Playlist(_) => {
                let tracks = music::tracks_of(tx, *thing)?.into_iter();
                tops.extend(tracks.filter(|track| bits(&rights, track.library).has(Bits::READ)));
            }
        }
    }
    let name = name.unwrap_or_else(|| SEVERAL.to_owned());
    let things = things.len();
    Ok(Part { name, things, tops, by: By::Own(rights), visitor: visitor.clone(), action: Action::Download })
}

/// Every file of these parts in order, under its path in the archive, authorized each, and every folder that holds nothing,
/// under a path that ends in a slash. The names are not yet made safe.
///
/// A folder alone gives what is in it, without its own name, and its name where that is nothing. Several things may lie anywhere and bear one name; they are
/// told apart as in a share's virtual folder.
pub fn files(tx: &mut Tx, parts: &[Part]) -> Result<Vec<(String, Grant)>> {
    let tops: Vec<(&Part, &Item)> =
        parts.iter().flat_map(|part| part.tops.iter().map(move |item| (part, item))).collect();
    let names = match tops.as_slice() {
        [(part, folder)] if part.things == 1 && folder.is_folder() => vec![String::new()],
        tops => unique_names(&tops.iter().map(|(_, item)| item.shown.as_str()).collect::<Vec<_>>()),
    };
    let mut files = Vec::new();
    for ((part, item), name) in tops.into_iter().zip(names) {
        let Some(placed) = if_there(part.place(tx, item.clone()))? else { continue };
        let mut below = if item.is_folder() { library::files_below(tx, &placed)? } else { Vec::new() };
        let name = if below.is_empty() && name.is_empty() { item.shown.clone() } else { name };
        if below.is_empty() {
            below.push((String::new(), placed));
        }
        for (path, placed) in below {
            // At the top one of the two is empty.
            let path = format!("{name}/{path}").trim_matches('/').to_owned();
            let path = if placed.item.is_folder() { path + "/" } else { path };
            files.extend(if_there(part.grant(placed))?.map(|grant| (path, grant)));
        }
    }
    Ok(files)
}

/// What could not be had alone is left out; that the share itself has closed is told.
fn if_there<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Err(Error::NotFound(Thing::File | Thing::Folder)) => Ok(None),
        found => found.map(Some),
    }
}
