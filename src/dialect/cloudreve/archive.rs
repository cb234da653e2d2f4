//! Archives: several files as one, by an address that is signed for them; and what is in one that lies here.

use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::content::{Wanted, visitor_of};
use super::tree::{self, At, InShare, Spot};
use super::uri::FileUri;
use super::{BAD_SIGNATURE, Failure, Outcome, TOO_MANY_URIS, URL_EXPIRED, answers, data, query};
use crate::account::User;
use crate::account::token::{Keys, Purpose};
use crate::error::{Error, Result, Thing};
use crate::http::{Call, deliver};
use crate::library::versions::Version;
use crate::library::{Item, Library};
use crate::media::unpack::{self, EntryKind};
use crate::now_ms;
use crate::share::Shared;
use crate::share::grant::{Action, Grant};
use crate::share::visit::{self, Visitor};
use crate::store::{Tx, library, shares};
use crate::work::archives::{self, Part};
use crate::work::{sharing, tasks, versions};

/// Things of one archive at most: all of them stand in its address, and proxies take no more than 8 KB of that.
const MOST_THINGS: usize = 200;

const UNKNOWN_ARCHIVE: Failure = Failure::Code(40056, "This kind of archive cannot be looked into");

/// What this server signs into an archive's address. `session` names the visitor whose downloads were leased when it was
/// made.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct ArchivePass {
    session: String,
    own: Vec<String>,
    shares: Vec<OfShare>,
    /// Id and epoch of the user it was made for.
    user: Option<(String, i64)>,
    /// Hash of the purchase ticket that opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paid_by: Option<Vec<u8>>,
    expires_s: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct OfShare {
    id: String,
    epoch: i64,
    /// None: all of it.
    items: Option<Vec<String>>,
}

impl ArchivePass {
    fn url(&self, keys: &Keys, base: &str) -> String {
        let sign = keys.jwt(Purpose::SignedUrl, self);
        format!("{base}/api/v4/file/archive/{}/archive.zip?sign={sign}", self.session)
    }

    fn read(call: &Call) -> Result<ArchivePass, Failure> {
        let query = query(call)?;
        let pass: Option<ArchivePass> = call.app.keys.claims(Purpose::SignedUrl, query.get("sign").unwrap_or_default());
        let pass = pass.filter(|pass| pass.session == call.path("session")).ok_or(BAD_SIGNATURE)?;
        if pass.expires_s * 1000 <= now_ms() { Err(URL_EXPIRED) } else { Ok(pass) }
    }

    /// Needs a writing transaction: a share's download may have to be leased anew.
    fn parts(&self, tx: &mut Tx, guest: Visitor, wanted: visit::Wanted) -> Result<Vec<Part>> {
        let visitor = visitor_of(tx, self.user.as_ref(), guest)?;
        let mut parts = Vec::new();
        if !self.own.is_empty() {
            let user = visitor.user.clone().ok_or(Error::NotFound(Thing::Link))?;
            let thing = |id: &String| Ok(Shared::Item(item(tx, id)?.key));
            let things = self.own.iter().map(thing).collect::<Result<Vec<_>>>()?;
            parts.push(archives::of_user(tx, &user, &visitor, &things)?);
        }
        for of in &self.shares {
            let share = shares::by_id(tx, &of.id)?.filter(|share| share.epoch == of.epoch);
            let share = share.ok_or(Error::NotFound(Thing::Share))?;
            let mut holder = visitor.clone().with_ticket(&self.session);
            // Whoever holds the address proved the password of this epoch to get it.
            holder.unlocked.push((share.key, of.epoch));
            holder.paid_by = self.paid_by.clone();
            parts.push(archives::of_share(tx, &of.id, &holder, of.items.as_deref(), wanted)?);
        }
        Ok(parts)
    }
}

fn item(tx: &mut Tx, id: &str) -> Result<Item> {
    library::item_by_id(tx, id)?.ok_or(Error::NotFound(Thing::File))
}

/// The address of an archive of all of these. Downloads of shares are leased now, one for each share.
pub async fn make_url(call: &Call, wanted: Vec<Wanted>, session: String, expires_ms: i64) -> Result<String, Failure> {
    if wanted.len() > MOST_THINGS {
        return Err(TOO_MANY_URIS);
    }
    let (keys, base) = (call.app.keys.clone(), call.origin.base.clone());
    let made = call.app.db.write(move |tx| {
        let mut pass = ArchivePass {
            session,
            own: Vec::new(),
            shares: Vec::new(),
            user: None,
            paid_by: None,
            expires_s: expires_ms / 1000,
        };
        let mut guest = None;
        for Wanted { uri, visitor } in wanted {
            pass.user = visitor.user.as_ref().map(|user| (user.id.clone(), user.epoch));
            match tree::spot(tx, &uri, &visitor, Action::See)? {
                Spot::Own(item) => pass.own.push(item.id),
                Spot::Shared(found) => {
                    know_holder(tx, &found, &visitor, &pass.session)?;
                    if found.facts.share.terms.price > 0 {
                        pass.paid_by = visitor.paid_by.clone();
                    }
                    add(&mut pass.shares, *found);
                }
                Spot::Root => return Err(Error::NotFound(Thing::File)),
            }
            guest.get_or_insert(Visitor::guest(visitor.address, visitor.agent));
        }
        if let Some(guest) = guest {
            for lease in pass.parts(tx, guest, visit::Wanted::From(0))?.iter().filter_map(Part::lease) {
                shares::reserve(tx, lease)?;
            }
        }
        Ok(pass)
    });
    Ok(made.await?.url(&keys, &base))
}

/// Their view is counted; the address knows them by its ticket alone.
fn know_holder(tx: &mut Tx, found: &InShare, visitor: &Visitor, ticket: &str) -> Result<()> {
    let share = &found.facts.share;
    if share.terms.view_limit.is_some() && shares::has_visited(tx, share.key, visitor, now_ms())? {
        shares::know_visitor(tx, share.key, &visitor.clone().with_ticket(ticket), now_ms())?;
    }
    Ok(())
}

fn add(all: &mut Vec<OfShare>, found: InShare) {
    let share = found.facts.share;
    let at = all.iter().position(|of| of.id == share.id).unwrap_or_else(|| {
        all.push(OfShare { id: share.id, epoch: share.epoch, items: Some(Vec::new()) });
        all.len() - 1
    });
    match found.at {
        At::Item(item) | At::Only(item) => all[at].items.iter_mut().for_each(|items| items.push(item.id.clone())),
        At::Set(_) => all[at].items = None,
    }
}

#[derive(Serialize)]
struct Archived {
    files: Vec<ArchivedFile>,
}

#[derive(Serialize)]
struct ArchivedFile {
    name: String,
    size: u64,
    updated_at: String,
    is_directory: bool,
}

impl ArchivedFile {
    fn of(entry: unpack::Entry) -> ArchivedFile {
        ArchivedFile {
            name: entry.name.trim_end_matches('/').to_owned(),
            size: entry.size_bytes,
            updated_at: answers::time(entry.modified_ms.unwrap_or(0)),
            is_directory: entry.kind == EntryKind::Folder,
        }
    }
}

/// What is in an archive that lies here. As with a thumbnail, nothing of it is downloaded by that.
pub async fn get_list(call: Call, user: Option<User>) -> Outcome {
    let query = query(&call)?;
    let uri = FileUri::parse(query.need("uri")?)?;
    let encoding = tasks::encoding_of(query.get("text_encoding"))?;
    let entity = query.get("entity").filter(|entity| !entity.is_empty()).map(str::to_owned);
    let visitor = tree::visitor(&call, user.as_ref(), &uri).await?;
    let (grant, former) = call
        .app
        .db
        .read(move |tx| {
            let grant = preview(tx, &uri, &visitor)?;
            let former = entity.filter(|entity| *entity != grant.item().etag());
            let former = former.map(|entity| find_former(tx, &visitor, grant.item(), &entity)).transpose()?;
            Ok((grant, former))
        })
        .await?;
    match deliver::archived(grant, former, encoding).await {
        Err(Error::Unsupported(_)) => Err(UNKNOWN_ARCHIVE),
        listed => data(&Archived { files: listed?.into_iter().map(ArchivedFile::of).collect() }),
    }
}

/// Visitors of a share have what is shared now.
fn find_former(tx: &mut Tx, visitor: &Visitor, item: &Item, id: &str) -> Result<(Version, Library)> {
    let user = visitor.user.as_ref().ok_or(Error::NotFound(Thing::Version))?;
    versions::find(tx, user, item, id)
}

fn preview(tx: &mut Tx, uri: &FileUri, visitor: &Visitor) -> Result<Grant> {
    let not_a_file = || Error::NotFound(Thing::File);
    match tree::spot(tx, uri, visitor, Action::See)? {
        Spot::Root => Err(not_a_file()),
        Spot::Own(item) => {
            let user = visitor.user.as_ref().ok_or(Error::SignInNeeded)?;
            sharing::own_item(tx, user, visitor, item, Action::Preview)
        }
        Spot::Shared(found) => match found.at {
            At::Item(item) | At::Only(item) => {
                // What is in an archive is what is sold.
                found.facts.check_paid(visitor)?;
                sharing::reach(tx, &found.facts.share.id, visitor, &item.id, Action::Preview)
            }
            At::Set(_) => Err(not_a_file()),
        },
    }
}

pub async fn get_archive(call: Call, _: Option<User>) -> Outcome {
    let pass = ArchivePass::read(&call)?;
    let (guest, wanted) = (call.guest(), call.wanted());
    let parts = call.app.db.write(move |tx| pass.parts(tx, guest, wanted)).await?;
    let archive: Response = deliver::zip(&call, parts).await?;
    Ok(archive)
}
