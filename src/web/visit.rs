//! A visitor's pages: all beneath `/s/`, so that one prefix can be opened in front of a sign-on proxy.
//!
//! A visitor carries one cookie per share: a random ticket that names them in visits and leases, and the proof of the
//! password, both signed. A password in an address is exchanged for it and led away at once.

mod bytes;
mod page;

use std::sync::Arc;

use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use self::page::{After, drop_page, shown_now, upload_form, view};
use super::pages::{LockedPage, LockedProblem, SharePage};
use super::{assets, encoded, interface, lead_to, sign_in};
use crate::account::token::{Purpose, random_base62, same};
use crate::error::{Error, Result, Thing};
use crate::http::fields::Fields;
use crate::http::{Call, Cookie, Route, put_header, set_cookie};
use crate::now_ms;
use crate::share::grant::{Admitted, ShareFacts, admit, admit_sender};
use crate::share::visit::{Visitor, is_preview_crawler};
use crate::share::{Bits, Mode, ShareKey};
use crate::store::shares;
use crate::work::drop_box::{self, Notice};
use crate::work::look::{self, Look};
use crate::work::purchases;
use crate::work::sharing::{self, Contents};
use crate::work::signin;

pub const ROUTES: &[Route] = routes! {
    Person {
        "asset" GET "/s/-/{asset}" Open asset;
        "share" GET "/s/{id}" Share share;
        "share" GET "/s/{id}/" Share share;
        "unlock" POST "/s/{id}/-/unlock" Share unlock;
        "buy" POST "/s/{id}/-/buy" Share buy;
        "useTicket" POST "/s/{id}/-/ticket" Share use_ticket;
        "file" GET "/s/{id}/-/file/{item}" Share bytes::file;
        "play" GET "/s/{id}/-/play/{item}" Share bytes::play;
        "stream" GET "/s/{id}/-/stream/{item}" Share bytes::stream;
        "waveform" GET "/s/{id}/-/waveform/{item}" Share bytes::waveform;
        "hls" GET "/s/{id}/-/hls/{item}/index.m3u8" Share bytes::film;
        "hlsPart" GET "/s/{id}/-/hls/{item}/{stream}/{file}" Share bytes::film_part;
        "thumb" GET "/s/{id}/-/thumb/{item}" Share bytes::thumb;
        "cover" GET "/s/{id}/-/cover/{item}" Share bytes::cover;
        "zip" GET "/s/{id}/-/zip" Share bytes::zip;
        "unlockByAddress" GET "/s/{id}/{password}" Share unlock_by_address;
        "shareLink" GET "/share/{id}" Share share_link;
        "actionShare" GET "/action/share/{id}" Share action_share;
    }
};

/// How long a browser remembers that it visited, and the password that it proved.
const COOKIE_S: i64 = 30 * 24 * 60 * 60;
const COOKIE: &str = "openshelf-visit";
/// A guest's proof that they, or somebody for them, paid.
const TICKET_COOKIE: &str = "openshelf-ticket";

async fn asset(call: Call) -> Result<Response> {
    let Some((mime, bytes)) = assets::find(call.parts.uri.path()) else {
        return Ok(StatusCode::NOT_FOUND.into_response());
    };
    let mut response = bytes.into_response();
    put_header(&mut response, header::CONTENT_TYPE, mime);
    put_header(&mut response, header::CACHE_CONTROL, assets::CACHE_CONTROL);
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

// The visitor ---------------------------------------------------------------------------------------------------------

/// Of the share that the address names, as it names it.
pub(super) fn own_address(call: &Call) -> String {
    format!("{}/s/{}", call.origin.prefix(), encoded(call.path("id")))
}

/// Whoever comes to a share's page: the signed-in owner or user of the pages, else the holder of this share's cookie.
pub(super) async fn visitor(call: &Call) -> Result<Visitor> {
    let mut visitor = call.guest();
    visitor.user = sign_in::user_of(call).await?;
    if let Some((ticket, unlocked)) = call.cookie(COOKIE).and_then(|cookie| read_cookie(call, cookie)) {
        visitor.ticket = Some(ticket);
        visitor.unlocked.extend(unlocked);
    }
    if let Some(ticket) = call.cookie(TICKET_COOKIE) {
        visitor.paid_by = purchases::hash_of(ticket);
    }
    Ok(visitor)
}

/// `{ticket}.{share key}.{epoch}.{signature}`; key and epoch are 0 where no password was proven.
fn read_cookie(call: &Call, cookie: &str) -> Option<(String, Option<(ShareKey, i64)>)> {
    let (signed, signature) = cookie.rsplit_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    if !same(&signature, &call.app.keys.sign(Purpose::ShareCookie, signed.as_bytes())) {
        return None;
    }
    let mut parts = signed.split('.');
    let ticket = parts.next()?.to_owned();
    let (key, epoch) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some((ticket, (key != 0).then_some((ShareKey(key), epoch))))
}

pub(super) fn remember(call: &Call, response: &mut Response, visitor: &Visitor) {
    let Some(ticket) = &visitor.ticket else { return };
    let (key, epoch) = visitor.unlocked.last().map_or((0, 0), |(key, epoch)| (key.0, *epoch));
    let signed = format!("{ticket}.{key}.{epoch}");
    let signature = URL_SAFE_NO_PAD.encode(call.app.keys.sign(Purpose::ShareCookie, signed.as_bytes()));
    let (value, path) = (format!("{signed}.{signature}"), own_address(call));
    set_cookie(call, response, &Cookie { name: COOKIE, value: &value, path: &path, lasts_s: COOKIE_S });
}

// The share's page ----------------------------------------------------------------------------------------------------

async fn share(call: Call) -> Result<Response> {
    match interface::lead(&call, None).await {
        Some(led) => Ok(led),
        None => share_page(&call).await,
    }
}

async fn share_page(call: &Call) -> Result<Response> {
    let mut visitor = visitor(call).await?;
    let query = Fields::of_query(call)?;
    let folder = query.get("in").map(str::to_owned);
    let after = After::of(&query)?;
    let look = look::at(&call.app, call.path("id"), &visitor).await?;
    let is_owner = match enter(&look.facts, &visitor) {
        Ok(admitted) => admitted.is_owner(),
        Err(Error::ShareLocked) => {
            let owner = look.facts.owner.display_name.clone();
            return Ok(locked(call, owner, folder, None));
        }
        Err(error) => return Err(error),
    };
    let facts = &look.facts;
    let mode = facts.share.terms.mode;
    let takes = if takes_files(&look, &visitor) { Some(noticed(call, &look, &visitor).await?) } else { None };
    let shown = match mode {
        Mode::Drop if !is_owner => None,
        _ => Some(shown_now(call, &look, &visitor, folder, after).await?),
    };
    let visits = call.parts.method == Method::GET && !is_preview_crawler(&visitor.agent);
    let is_new = visits && visitor.ticket.is_none() && visitor.user.is_none();
    if visits {
        sharing::count_view(&call.app, facts, &visitor).await?;
    }
    if is_new {
        visitor.ticket = Some(random_base62(22));
        let (key, known_as) = (facts.share.key, visitor.clone());
        call.app.db.write(move |tx| shares::know_visitor(tx, key, &known_as, now_ms())).await?;
    }
    let form = takes.as_ref().map(|notice| upload_form(call, notice));
    let mut response = match (shown, takes, form) {
        (Some(shown), _, form) => {
            super::page(StatusCode::OK, &SharePage { upload: form, ..view(call, facts, &shown, &visitor) })
        }
        (None, Some(notice), Some(form)) => super::page(StatusCode::OK, &drop_page(call, notice, form)),
        (None, ..) => return Err(Error::NotFound(Thing::Share)),
    };
    if is_new {
        remember(call, &mut response, &visitor);
    }
    Ok(response)
}

/// Whether the page opens to the visitor: of a drop box it takes files, though nothing is to be seen.
fn enter(facts: &ShareFacts, visitor: &Visitor) -> Result<Admitted> {
    match facts.share.terms.mode.takes_files() {
        true => admit_sender(facts, visitor, now_ms()),
        false => admit(facts, visitor, now_ms()),
    }
}

/// Whether the page has a form to send files: a drop box, or a folder into which permissions let this visitor send.
fn takes_files(look: &Look, visitor: &Visitor) -> bool {
    let facts = &look.facts;
    match &look.contents {
        _ if facts.share.terms.mode.takes_files() => true,
        Contents::Folder(folder) => {
            facts.takes_files_from(visitor)
                && facts.rights_by(visitor, folder.library).has(Bits::CREATE)
                && facts.check_paid(visitor).is_ok()
        }
        Contents::File(_) | Contents::Set(_) => false,
    }
}

async fn noticed(call: &Call, look: &Arc<Look>, visitor: &Visitor) -> Result<Notice> {
    let (look, visitor) = (look.clone(), visitor.clone());
    call.app.db.read(move |tx| drop_box::notice(tx, &look.facts, &visitor)).await
}

fn locked(call: &Call, owner: String, folder: Option<String>, problem: Option<LockedProblem>) -> Response {
    let view = LockedPage {
        base: call.origin.prefix().to_owned(),
        id: call.path("id").to_owned(),
        owner,
        folder_item_id: folder,
        problem,
    };
    let status = match problem {
        Some(LockedProblem::Throttled { .. }) => StatusCode::TOO_MANY_REQUESTS,
        Some(LockedProblem::WrongPassword) => StatusCode::FORBIDDEN,
        None => StatusCode::OK,
    };
    super::page(status, &view)
}

// Unlocking -----------------------------------------------------------------------------------------------------------

async fn unlock(mut call: Call) -> Result<Response> {
    let form = Fields::of_form(&mut call).await?;
    exchange(&call, form.get("password").unwrap_or_default(), form.get("in").map(str::to_owned)).await
}

async fn unlock_by_address(call: Call) -> Result<Response> {
    match interface::lead(&call, Some(call.path("password"))).await {
        Some(led) => Ok(led),
        None => exchange(&call, call.path("password"), None).await,
    }
}

/// A right password becomes a cookie, a wrong one a page that asks again; neither stays in the address.
async fn exchange(call: &Call, password: &str, folder: Option<String>) -> Result<Response> {
    let mut visitor = visitor(call).await?;
    // Only a share that would open asks for its password: a dead one is gone, with the right password too.
    let (id, seen_by) = (call.path("id").to_owned(), visitor.clone());
    let owner = call
        .app
        .db
        .read(move |tx| {
            let facts = shares::facts(tx, &id, &seen_by, now_ms())?;
            match enter(&facts, &seen_by) {
                Ok(_) => Ok(None),
                Err(Error::ShareLocked) => Ok(Some(facts.owner.display_name)),
                Err(error) => Err(error),
            }
        })
        .await?;
    let place = match &folder {
        Some(folder) => format!("?in={}", encoded(folder)),
        None => String::new(),
    };
    let address = format!("{}{place}", own_address(call));
    let Some(owner) = owner else { return Ok(lead_to(&address)) };
    match signin::unlock(&call.app, call.path("id"), password, &mut visitor).await {
        Ok(()) => {}
        Err(Error::ShareLocked) => return Ok(locked(call, owner, folder, Some(LockedProblem::WrongPassword))),
        Err(Error::Throttled { retry_after_s }) => {
            return Ok(locked(call, owner, folder, Some(LockedProblem::Throttled { retry_after_s })));
        }
        Err(error) => return Err(error),
    }
    visitor.ticket.get_or_insert_with(|| random_base62(22));
    let mut response = lead_to(&address);
    remember(call, &mut response, &visitor);
    Ok(response)
}

// Buying --------------------------------------------------------------------------------------------------------------

/// With the points of the account that is signed in to the pages, at the price that its form showed.
async fn buy(mut call: Call) -> Result<Response> {
    let form = Fields::of_form(&mut call).await?;
    let price = form.number("price")?.ok_or(Error::Missing("price"))?;
    let visitor = visitor(&call).await?;
    look::open(&call.app, call.path("id"), &visitor).await?;
    let buyer = visitor.user.clone().ok_or(Error::SignInNeeded)?;
    purchases::buy(&call.app, &buyer, &visitor, call.path("id"), Some(price)).await?;
    Ok(lead_to(&own_address(&call)))
}

/// Keeps the ticket in a cookie of this share's pages, if it is one of this share's.
async fn use_ticket(mut call: Call) -> Result<Response> {
    let form = Fields::of_form(&mut call).await?;
    let ticket = form.need("ticket")?.trim();
    let mut visitor = visitor(&call).await?;
    visitor.paid_by = purchases::hash_of(ticket);
    let (look, _) = look::open(&call.app, call.path("id"), &visitor).await?;
    if look.facts.check_paid(&visitor).is_err() {
        return Err(purchases::wrong_ticket(&call.app, &visitor).await);
    }
    let mut response = lead_to(&own_address(&call));
    let (value, path) = (encoded(ticket), own_address(&call));
    set_cookie(&call, &mut response, &Cookie { name: TICKET_COOKIE, value: &value, path: &path, lasts_s: COOKIE_S });
    Ok(response)
}

// Other addresses of the same page ------------------------------------------------------------------------------------

/// The form that music apps print and rebuild.
async fn share_link(call: Call) -> Result<Response> {
    Ok(lead_to(&own_address(&call)))
}

/// My Cloud Home's form. Programs that fetch a link for its bytes get them; browsers get the page, and chat programs
/// that look at a link spend nothing.
async fn action_share(call: Call) -> Result<Response> {
    let asked = Fields::of_query(&call).is_ok_and(|query| query.get("download") == Some("1"));
    let agent = call.agent().to_ascii_lowercase();
    let fetches = agent.starts_with("curl/") || agent.starts_with("wget/") || takes_no_page(&call);
    match asked || fetches {
        true => bytes::whole(&call).await,
        false => share_link(call).await,
    }
}

/// Whether a program says that a page is nothing to it. Those that draw cards of links say so as well, and get the page.
fn takes_no_page(call: &Call) -> bool {
    const PAGES: [&str; 4] = ["text/html", "application/xhtml+xml", "text/*", "*/*"];
    let Some(accept) = call.header(header::ACCEPT).filter(|accept| !accept.trim().is_empty()) else { return false };
    let mut kinds =
        accept.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    !kinds.any(|kind| PAGES.contains(&kind.as_str())) && !is_preview_crawler(call.agent())
}
