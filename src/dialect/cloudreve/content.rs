//! Bytes: addresses that this server signs, what they give, and direct links.

use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::answers::{self, SourceLink, Thumb, Url, Urls};
use super::files::{own_item, some_uris};
use super::metadata::NO_THUMB;
use super::tree::{self, At, Spot};
use super::uri::{FileUri, Space, encode};
use super::{BAD_SIGNATURE, Failure, OWNER_ONLY, Outcome, URL_EXPIRED, archive, data, done, query};
use crate::account::User;
use crate::account::token::{Keys, Purpose, random_base62};
use crate::error::{Error, Result, Thing};
use crate::http::send::Disposition;
use crate::http::{Call, deliver};
use crate::library::Item;
use crate::share::grant::{Action, Grant};
use crate::share::visit::{self, Visitor};
use crate::store::links::{self, DirectLink};
use crate::store::{Tx, accounts, library, metadata, shares};
use crate::work::look;
use crate::work::sharing;
use crate::work::versions;
use crate::{App, now_ms};

/// Most direct links that one call makes.
pub const DIRECT_LINKS_AT_ONCE: usize = 100;
const TOO_MANY_LINKS: Failure = Failure::Code(40014, "Too many direct links at once");
const URL_LASTS_MS: i64 = 60 * 60 * 1000;
const THUMB_PX: u32 = 400;

// Signed addresses ----------------------------------------------------------------------------------------------------

/// What a signed address gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Gives {
    Inline,
    Attachment,
    Cover,
}

impl Gives {
    fn disposition(self) -> Disposition {
        if self == Gives::Attachment { Disposition::Attachment } else { Disposition::Inline }
    }

    fn action(self) -> Action {
        match self {
            Gives::Inline => Action::Play,
            Gives::Attachment => Action::Download,
            Gives::Cover => Action::Preview,
        }
    }
}

/// By what right it gives it: looked up again at each request, so that an address dies with what it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum By {
    Own,
    Share {
        id: String,
        epoch: i64,
        ticket: String,
        /// Hash of the purchase ticket that opened it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        paid_by: Option<Vec<u8>>,
    },
    DirectLink(String),
}

/// What this server signs into an address. `ticket` names the visitor whose download was leased when it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Pass {
    item: String,
    /// A content of the file that need not be the current one.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// Bytes per second; 0: as fast as may be. What it tells clients is in force all the same: the share's own rate.
    speed: i64,
    gives: Gives,
    by: By,
    /// Id and epoch of the user it was made for.
    user: Option<(String, i64)>,
    expires_s: i64,
}

impl Pass {
    fn of(grant: &Grant, gives: Gives, by: By, visitor: &Visitor, expires_ms: i64) -> Pass {
        let user = visitor.user.as_ref().map(|user| (user.id.clone(), user.epoch));
        let speed = grant.rate().map_or(0, |(_, rate_bytes_s)| rate_bytes_s);
        let item = grant.item().id.clone();
        Pass { item, version: None, speed, gives, by, user, expires_s: expires_ms / 1000 }
    }

    fn url(&self, keys: &Keys, base: &str, name: &str) -> String {
        let sign = keys.jwt(Purpose::SignedUrl, self);
        format!("{base}/api/v4/file/content/{}/{}/{}?sign={sign}", self.item, self.speed, encode(name))
    }

    fn read(call: &Call) -> Result<Pass, Failure> {
        let query = query(call)?;
        let pass: Option<Pass> = call.app.keys.claims(Purpose::SignedUrl, query.get("sign").unwrap_or_default());
        let is_it = |pass: &Pass| pass.item == call.path("id") && pass.speed.to_string() == call.path("speed");
        let pass = pass.filter(is_it).ok_or(BAD_SIGNATURE)?;
        if pass.expires_s * 1000 <= now_ms() { Err(URL_EXPIRED) } else { Ok(pass) }
    }

    /// A share's download is leased, if that was not done when the address was made.
    async fn grant(&self, app: &App, guest: Visitor, wanted: visit::Wanted) -> Result<Grant> {
        let user = self.user.clone();
        let mut visitor = match user {
            None => guest,
            Some(user) => app.db.read(move |tx| visitor_of(tx, Some(&user), guest)).await?,
        };
        let action = self.gives.action();
        match &self.by {
            By::Own => {
                let user = visitor.user.clone().ok_or(Error::NotFound(Thing::Link))?;
                look::own(app, &user, &visitor, &self.item, action).await
            }
            By::Share { id, epoch, ticket, paid_by } => {
                visitor.paid_by = paid_by.clone();
                let look = look::at(app, id, &visitor).await?;
                let share = &look.facts.share;
                if share.epoch != *epoch {
                    return Err(Error::NotFound(Thing::Share));
                }
                // Whoever holds the address proved the password of this epoch to get it.
                visitor.unlocked.push((share.key, *epoch));
                let visitor = visitor.with_ticket(ticket);
                let (id, item) = (id.clone(), self.item.clone());
                match self.gives {
                    Gives::Cover => app.db.read(move |tx| sharing::reach(tx, &id, &visitor, &item, action)).await,
                    Gives::Inline | Gives::Attachment => look::fetch(app, &id, &visitor, &item, action, wanted).await,
                }
            }
            By::DirectLink(id) => {
                let id = id.clone();
                let read = move |tx: &mut Tx| {
                    let (_, owner, item) = linked(tx, &id)?;
                    sharing::own_item(tx, &owner, &visitor.with_user(owner.clone()), item, action)
                };
                app.db.read(read).await
            }
        }
    }
}

/// The visitor as an address knows them, by id and epoch of the user it was made for.
pub fn visitor_of(tx: &mut Tx, user: Option<&(String, i64)>, mut visitor: Visitor) -> Result<Visitor> {
    if let Some((id, epoch)) = user {
        let user = accounts::by_id(tx, id)?.filter(|user| user.is_active() && user.epoch == *epoch);
        visitor.user = Some(user.ok_or(Error::NotFound(Thing::Link))?);
    }
    Ok(visitor)
}

pub async fn get_content(call: Call, _: Option<User>) -> Outcome {
    let pass = Pass::read(&call)?;
    let grant = pass.grant(&call.app, call.guest(), call.wanted()).await?;
    if let Some(version) = pass.version.clone().filter(|version| *version != grant.item().etag()) {
        let (id, item) = (pass.user.clone(), grant.item().clone());
        let find = move |tx: &mut Tx| {
            let user = visitor_of(tx, id.as_ref(), Visitor::guest([127, 0, 0, 1].into(), ""))?.user;
            versions::find(tx, &user.ok_or(Error::NotFound(Thing::Version))?, &item, &version)
        };
        let (version, library) = call.app.db.read(find).await?;
        return Ok(deliver::version(&call, grant, version, library, pass.gives.disposition()).await?);
    }
    Ok(match pass.gives {
        Gives::Cover => deliver::cover(&call, grant, Some(THUMB_PX)).await?,
        Gives::Inline | Gives::Attachment => deliver::file(&call, grant, pass.gives.disposition()).await?,
    })
}

/// The address of a former content of an own file.
pub async fn own_url(call: &Call, user: &User, item: &Item, version: Option<String>) -> Result<String> {
    let terms = Terms::new(Gives::Attachment);
    let (user, visitor, id) = (user.clone(), call.guest().with_user(user.clone()), item.id.clone());
    let pass = call.app.db.read(move |tx| {
        let grant = sharing::own(tx, &user, &visitor, &id, terms.gives.action())?;
        let pass = Pass::of(&grant, terms.gives, By::Own, &visitor, terms.expires_ms);
        Ok(Pass { version, ..pass })
    });
    Ok(pass.await?.url(&call.app.keys, &call.origin.base, &item.shown))
}

// Asking for them -----------------------------------------------------------------------------------------------------

#[derive(Deserialize)]
struct UrlRequest {
    uris: Option<Vec<String>>,
    download: Option<bool>,
    redirect: Option<bool>,
    skip_error: Option<bool>,
    archive: Option<bool>,
    entity: Option<String>,
}

/// A URI with who asks for it.
pub struct Wanted {
    pub uri: FileUri,
    pub visitor: Visitor,
}

/// What the addresses of one call have in common.
#[derive(Clone)]
struct Terms {
    gives: Gives,
    /// The content that is wished for, by its id; the current one where none is.
    version: Option<String>,
    ticket: String,
    expires_ms: i64,
}

impl Terms {
    fn new(gives: Gives) -> Terms {
        Terms { gives, version: None, ticket: random_base62(22), expires_ms: now_ms() + URL_LASTS_MS }
    }
}

/// Each file's address. A share's download is leased now, so that whoever holds an address gets what it promises.
pub async fn post_url(mut call: Call, user: Option<User>) -> Outcome {
    let asked: UrlRequest = call.json().await?;
    let uris = some_uris(asked.uris)?;
    let version = asked.entity.filter(|entity| !entity.is_empty());
    if version.is_some() && (uris.len() > 1 || asked.archive == Some(true)) {
        return Err(Error::invalid("entity", "it is one of one file").into());
    }
    let gives = if asked.download == Some(true) { Gives::Attachment } else { Gives::Inline };
    let terms = Terms { version, ..Terms::new(gives) };
    let urls = match (asked.archive, asked.skip_error) {
        (Some(true), _) => {
            let wanted = wanted(&call, user.as_ref(), uris).await?;
            vec![Some(archive::make_url(&call, wanted, terms.ticket, terms.expires_ms).await?)]
        }
        (_, Some(true)) => make_what_can_be(&call, user.as_ref(), uris, &terms).await,
        _ => make_urls(&call, user.as_ref(), uris, &terms).await?.into_iter().map(Some).collect(),
    };
    if let ([Some(url)], Some(true)) = (urls.as_slice(), asked.redirect) {
        return redirect(url);
    }
    let expires = answers::time(terms.expires_ms);
    data(&Urls { urls: urls.into_iter().map(|url| Url { url }).collect(), expires })
}

async fn make_what_can_be(call: &Call, user: Option<&User>, uris: Vec<String>, terms: &Terms) -> Vec<Option<String>> {
    let mut urls = Vec::with_capacity(uris.len());
    for uri in uris {
        let made = make_urls(call, user, vec![uri], terms).await;
        urls.push(made.ok().and_then(|mut made| made.pop()));
    }
    urls
}

fn redirect(to: &str) -> Outcome {
    let to = HeaderValue::from_str(to).map_err(|error| Error::internal("address of a file", error))?;
    let headers = [(header::LOCATION, to), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::FOUND, headers).into_response())
}

/// All or none: one transaction, so that a refusal gives back what was leased for the others.
async fn make_urls(call: &Call, user: Option<&User>, uris: Vec<String>, terms: &Terms) -> Result<Vec<String>, Failure> {
    let wanted = wanted(call, user, uris).await?;
    let (keys, base, terms) = (call.app.keys.clone(), call.origin.base.clone(), terms.clone());
    let urls = call.app.db.write(move |tx| {
        let url = |wanted: Wanted| {
            let (item, pass) = pass_for(tx, wanted, &terms)?;
            Ok(pass.url(&keys, &base, &item.shown))
        };
        wanted.into_iter().map(url).collect::<Result<Vec<_>>>()
    });
    Ok(urls.await?)
}

async fn wanted(call: &Call, user: Option<&User>, uris: Vec<String>) -> Result<Vec<Wanted>, Failure> {
    let mut wanted: Vec<Wanted> = Vec::with_capacity(uris.len());
    for uri in uris {
        let uri = FileUri::parse(&uri)?;
        // Those of one batch are mostly of one share: its password is proven once.
        let same = |known: &&Wanted| {
            (known.uri.space, &known.uri.id, &known.uri.password) == (uri.space, &uri.id, &uri.password)
        };
        let visitor = match wanted.last().filter(same).filter(|_| uri.space == Space::Share) {
            Some(known) => known.visitor.clone(),
            None => tree::visitor(call, user, &uri).await?,
        };
        wanted.push(Wanted { uri, visitor });
    }
    Ok(wanted)
}

fn pass_for(tx: &mut Tx, wanted: Wanted, terms: &Terms) -> Result<(Item, Pass)> {
    let Wanted { uri, visitor } = wanted;
    let Terms { gives, ref ticket, expires_ms, .. } = *terms;
    let (item, pass) = match tree::spot(tx, &uri, &visitor, Action::See)? {
        Spot::Own(item) if !item.is_folder() => {
            let user = visitor.user.clone().ok_or(Error::SignInNeeded)?;
            let grant = sharing::own(tx, &user, &visitor, &item.id, gives.action())?;
            let pass = Pass::of(&grant, gives, By::Own, &visitor, expires_ms);
            (item, pass)
        }
        Spot::Shared(found) => {
            let (At::Item(item) | At::Only(item)) = found.at else { return Err(Error::NotFound(Thing::File)) };
            let share = found.facts.share;
            if item.is_folder() {
                return Err(Error::NotFound(Thing::File));
            }
            let holder = visitor.clone().with_ticket(ticket);
            // Their view is counted; the address knows them by its ticket alone.
            if share.terms.view_limit.is_some() && shares::has_visited(tx, share.key, &visitor, now_ms())? {
                shares::know_visitor(tx, share.key, &holder, now_ms())?;
            }
            let grant = match gives {
                Gives::Cover => sharing::reach(tx, &share.id, &holder, &item.id, gives.action())?,
                Gives::Inline | Gives::Attachment => {
                    sharing::fetch(tx, &share.id, &holder, &item.id, gives.action(), visit::Wanted::From(0))?
                }
            };
            if let Some(lease) = grant.lease() {
                shares::reserve(tx, lease)?;
            }
            let paid_by = holder.paid_by.filter(|_| share.terms.price > 0);
            let by = By::Share { id: share.id, epoch: share.epoch, ticket: ticket.clone(), paid_by };
            let pass = Pass::of(&grant, gives, by, &visitor, expires_ms);
            (item, pass)
        }
        Spot::Root | Spot::Own(_) => return Err(Error::NotFound(Thing::File)),
    };
    if let Some(version) = terms.version.as_deref().filter(|version| *version != item.etag()) {
        // Visitors of a share have what is shared now.
        let user = visitor.user.as_ref().ok_or(Error::NotFound(Thing::Version))?;
        versions::find(tx, user, &item, version)?;
    }
    Ok((item, Pass { version: terms.version.clone(), ..pass }))
}

/// The address of a picture, where one can be made: of images, films, documents, and of music that holds its cover.
pub async fn get_thumb(call: Call, user: Option<User>) -> Outcome {
    let query = query(&call)?;
    let uri = FileUri::parse(query.need("uri")?)?;
    let visitor = tree::visitor(&call, user.as_ref(), &uri).await?;
    let terms = Terms::new(Gives::Cover);
    let expires = answers::time(terms.expires_ms);
    let (keys, base) = (call.app.keys.clone(), call.origin.base.clone());
    let renditions = Arc::clone(&call.app.renditions);
    let url = call.app.db.write(move |tx| {
        let (item, pass) = pass_for(tx, Wanted { uri, visitor }, &terms)?;
        if renditions.draws(&item) && metadata::get(tx, item.key, NO_THUMB)?.is_none() {
            Ok(pass.url(&keys, &base, &item.shown))
        } else {
            Err(Error::NotFound(Thing::Cover))
        }
    });
    data(&Thumb { url: url.await?, expires, obfuscated: false })
}

// Direct links --------------------------------------------------------------------------------------------------------

/// A link with the file and the user it stands for, while there are both.
fn linked(tx: &mut Tx, id: &str) -> Result<(DirectLink, User, Item)> {
    let gone = Error::NotFound(Thing::Link);
    let link = links::by_id(tx, id)?.ok_or(gone.clone())?;
    let owner = accounts::by_key(tx, link.owner)?.filter(User::is_active).ok_or(gone.clone())?;
    let item = library::item(tx, link.item)?.ok_or(gone)?;
    Ok((link, owner, item))
}

fn address(base: &str, link: &DirectLink, name: &str) -> String {
    format!("{base}/f/{}/{}", link.id, encode(name))
}

pub fn direct_link(call: &Call, link: &DirectLink, name: &str) -> answers::DirectLink {
    answers::DirectLink {
        id: link.id.clone(),
        url: address(&call.origin.base, link, name),
        downloaded: link.downloads,
        created_at: answers::time(link.created_ms),
    }
}

#[derive(Deserialize)]
struct Sources {
    uris: Option<Vec<String>>,
}

pub async fn put_source(mut call: Call, user: User) -> Outcome {
    let asked: Sources = call.json().await?;
    let uris = some_uris(asked.uris)?;
    if uris.len() > DIRECT_LINKS_AT_ONCE {
        return Err(TOO_MANY_LINKS);
    }
    let (mut made, mut failed) = (Vec::new(), Vec::new());
    for uri in uris {
        match make_link(&call, &user, &uri).await {
            Ok(link) => made.push(SourceLink { link, file_url: uri }),
            Err(failure) => failed.push((uri, failure)),
        }
    }
    match (made.as_slice(), failed.is_empty()) {
        (_, true) => data(&made),
        ([], false) => Err(Failure::Batch(failed)),
        (_, false) => {
            let made = serde_json::to_value(&made).map_err(|cause| Error::internal("direct links", cause))?;
            Err(Failure::Partly(made, failed))
        }
    }
}

/// Gives a file to whoever has the address, so it takes the right to share it.
async fn make_link(call: &Call, user: &User, uri: &str) -> Result<String, Failure> {
    let uri = FileUri::parse(uri)?;
    if uri.in_share().is_some() {
        return Err(OWNER_ONLY);
    }
    let item = own_item(call, user, &uri).await?;
    if item.is_folder() {
        return Err(Error::NotFound(Thing::File).into());
    }
    let (name, user, visitor) = (item.shown.clone(), user.clone(), call.guest().with_user(user.clone()));
    let link = call.app.db.write(move |tx| {
        let grant = sharing::own_item(tx, &user, &visitor, item, Action::Share)?;
        links::make(tx, user.key, grant.item().key, now_ms())
    });
    Ok(address(&call.origin.base, &link.await?, &name))
}

pub async fn delete_source(call: Call, user: User) -> Outcome {
    let id = call.path("id").to_owned();
    call.app.db.write(move |tx| links::remove(tx, user.key, &id)).await?;
    done()
}

pub async fn get_direct_link(call: Call, _: Option<User>) -> Outcome {
    follow(call, Gives::Inline).await
}

pub async fn get_direct_link_download(call: Call, _: Option<User>) -> Outcome {
    follow(call, Gives::Attachment).await
}

async fn follow(call: Call, gives: Gives) -> Result<Response, Failure> {
    let (id, visitor) = (call.path("id").to_owned(), call.guest());
    let expires_ms = now_ms() + URL_LASTS_MS;
    let (name, pass) = call
        .app
        .db
        .write(move |tx| {
            let (link, owner, item) = linked(tx, &id)?;
            let grant = sharing::own_item(tx, &owner, &visitor.clone().with_user(owner.clone()), item, gives.action())?;
            links::count(tx, &link.id)?;
            let name = grant.item().shown.clone();
            Ok((name, Pass::of(&grant, gives, By::DirectLink(link.id), &visitor, expires_ms)))
        })
        .await?;
    redirect(&pass.url(&call.app.keys, &call.origin.base, &name))
}
