//! A visitor's pages: all beneath `/s/`, so that one prefix can be opened in front of a sign-on proxy.
//!
//! A visitor carries one cookie per share: a random ticket that names them in visits and leases, and the proof of the
//! password, both signed. A password in an address is exchanged for it and led away at once.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::desk::DOOR;
use super::pages::{
    Album, Crumb, Downloads, DropPage, FileRow, FolderRow, Holds, Kind, LockedPage, LockedProblem, Price, Renders,
    SharePage, TrackRow, UploadForm, UploadOf,
};
use super::{encoded, error_page, interface, lead_to, page, refuse_foreign_post};
use crate::account::token::{Purpose, random_base62, same};
use crate::error::{Error, Result, Thing};
use crate::handle;
use crate::http::deliver::Hls;
use crate::http::fields::Fields;
use crate::http::send::{Disposition, mime_of};
use crate::http::{Access, Call, Cookie, Route, deliver, put_header, set_cookie};
use crate::library::music::{Album as MusicAlbum, Track};
use crate::library::{Item, ItemKey, Media};
use crate::media::hls::Stream;
use crate::media::transcode::{Codec, Profile};
use crate::now_ms;
use crate::share::grant::{Action, Admitted, Grant, Scope, ShareFacts, Through, admit, admit_sender, authorize};
use crate::share::visit::{Visitor, is_preview_crawler};
use crate::share::{Bits, Mode, Share, ShareKey, Shared};
use crate::store::folders::Start;
use crate::store::scan::UNKNOWN_ARTIST;
use crate::store::{Tx, Weighed, library, music, rights, shares};
use crate::work::archives;
use crate::work::drop_box::{self, Notice};
use crate::work::folders::{self, BY_NAME};
use crate::work::look::{self, Look};
use crate::work::purchases;
use crate::work::renditions::Rendition;
use crate::work::sharing::{self, Contents};
use crate::work::signin;

const GET: &[Method] = &[Method::GET, Method::HEAD];
const POST: &[Method] = &[Method::POST];

pub const ROUTES: &[Route] = &[
    Route { name: "asset", methods: GET, path: "/s/-/{asset}", access: Access::Open, handler: handle!(asset) },
    Route { name: "share", methods: GET, path: "/s/{id}", access: Access::Share, handler: handle!(share) },
    Route { name: "share", methods: GET, path: "/s/{id}/", access: Access::Share, handler: handle!(share) },
    Route { name: "unlock", methods: POST, path: "/s/{id}/-/unlock", access: Access::Share, handler: handle!(unlock) },
    Route { name: "buy", methods: POST, path: "/s/{id}/-/buy", access: Access::Share, handler: handle!(buy) },
    Route {
        name: "useTicket",
        methods: POST,
        path: "/s/{id}/-/ticket",
        access: Access::Share,
        handler: handle!(use_ticket),
    },
    Route { name: "file", methods: GET, path: "/s/{id}/-/file/{item}", access: Access::Share, handler: handle!(file) },
    Route { name: "play", methods: GET, path: "/s/{id}/-/play/{item}", access: Access::Share, handler: handle!(play) },
    Route {
        name: "stream",
        methods: GET,
        path: "/s/{id}/-/stream/{item}",
        access: Access::Share,
        handler: handle!(stream),
    },
    Route {
        name: "waveform",
        methods: GET,
        path: "/s/{id}/-/waveform/{item}",
        access: Access::Share,
        handler: handle!(waveform),
    },
    Route {
        name: "hls",
        methods: GET,
        path: "/s/{id}/-/hls/{item}/index.m3u8",
        access: Access::Share,
        handler: handle!(film),
    },
    Route {
        name: "hlsPart",
        methods: GET,
        path: "/s/{id}/-/hls/{item}/{stream}/{file}",
        access: Access::Share,
        handler: handle!(film_part),
    },
    Route {
        name: "thumb",
        methods: GET,
        path: "/s/{id}/-/thumb/{item}",
        access: Access::Share,
        handler: handle!(thumb),
    },
    Route {
        name: "cover",
        methods: GET,
        path: "/s/{id}/-/cover/{item}",
        access: Access::Share,
        handler: handle!(cover),
    },
    Route { name: "zip", methods: GET, path: "/s/{id}/-/zip", access: Access::Share, handler: handle!(zip) },
    Route {
        name: "unlockByAddress",
        methods: GET,
        path: "/s/{id}/{password}",
        access: Access::Share,
        handler: handle!(unlock_by_address),
    },
    Route { name: "shareLink", methods: GET, path: "/share/{id}", access: Access::Share, handler: handle!(share_link) },
    Route {
        name: "actionShare",
        methods: GET,
        path: "/action/share/{id}",
        access: Access::Share,
        handler: handle!(action_share),
    },
];

/// Rows of one page of a long folder.
const PAGE_ROWS: usize = 500;
/// Pages behind longer tokens, which only a made-up name has, are not kept in memory.
const KEPT_TOKEN_BYTES: usize = 1024;
const THUMB_PX: u32 = 384;
const COVER_PX: u32 = 768;
/// How long a browser remembers that it visited, and the password that it proved.
const COOKIE_S: i64 = 30 * 24 * 60 * 60;
const COOKIE: &str = "openshelf-visit";
/// A guest's proof that they, or somebody for them, paid.
const TICKET_COOKIE: &str = "openshelf-ticket";
pub const SESSION_COOKIE: &str = "openshelf-session";

async fn asset(call: Call) -> Response {
    let Some((mime, bytes)) = super::assets::find(call.parts.uri.path()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut response = bytes.into_response();
    put_header(&mut response, header::CONTENT_TYPE, mime);
    put_header(&mut response, header::CACHE_CONTROL, super::assets::CACHE_CONTROL);
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

// The visitor ---------------------------------------------------------------------------------------------------------

/// Of the share that the address names, as it names it.
pub(super) fn own_address(call: &Call) -> String {
    format!("{}/s/{}", call.origin.prefix(), encoded(call.path("id")))
}

/// Whoever comes to a share's page: the signed-in owner or user of the pages, else the holder of this share's cookie.
pub(super) async fn visitor(call: &Call) -> Result<Visitor> {
    let mut visitor = call.guest();
    if let Some(cookie) = call.cookie(SESSION_COOKIE)
        && let Some(user) = signin::session_by_secret(&call.app, DOOR, cookie).await?
    {
        visitor.user = Some(user);
    }
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

pub(super) fn know(call: &Call, response: &mut Response, visitor: &Visitor) {
    let Some(ticket) = &visitor.ticket else { return };
    let (key, epoch) = visitor.unlocked.last().map_or((0, 0), |(key, epoch)| (key.0, *epoch));
    let signed = format!("{ticket}.{key}.{epoch}");
    let signature = URL_SAFE_NO_PAD.encode(call.app.keys.sign(Purpose::ShareCookie, signed.as_bytes()));
    let (value, path) = (format!("{signed}.{signature}"), own_address(call));
    set_cookie(call, response, &Cookie { name: COOKIE, value: &value, path: &path, lasts_s: COOKIE_S });
}

// The share's page ----------------------------------------------------------------------------------------------------

async fn share(call: Call) -> Response {
    if let Some(led) = interface::lead(&call, None).await {
        return led;
    }
    match share_page(&call).await {
        Ok(response) => response,
        Err(error) => error_page("share", call.origin.prefix(), &error),
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
            page(StatusCode::OK, &SharePage { upload: form, ..view(call, facts, &shown, &visitor) })
        }
        (None, Some(notice), Some(form)) => page(StatusCode::OK, &drop_page(call, notice, form)),
        (None, ..) => return Err(Error::NotFound(Thing::Share)),
    };
    if is_new {
        know(call, &mut response, &visitor);
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

fn drop_page(call: &Call, notice: Notice, upload: UploadForm) -> DropPage {
    DropPage {
        base: call.origin.prefix().to_owned(),
        title: notice.title,
        owner: notice.owner,
        description: Some(notice.description).filter(|text| !text.is_empty()),
        expires_ms: notice.expires_ms,
        upload,
    }
}

fn upload_form(call: &Call, notice: &Notice) -> UploadForm {
    let share = format!("{}/-", own_address(call));
    let terms = &notice.terms;
    UploadForm {
        action: format!("{share}/upload"),
        uploads: format!("{share}/uploads"),
        of: UploadOf::Box {
            asks_name: terms.asks_name,
            name: notice.name.clone().unwrap_or_default(),
            most_file_bytes: terms.most_file_bytes,
            most_total_bytes: terms.most_total_bytes,
            most_files: terms.most_files,
            types: terms.types.clone(),
            receipt: format!("{share}/receipt"),
            sent: notice.sent.len() as u64,
        },
    }
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
    page(status, &view)
}

/// After what a page begins: how many rows those are, by which tracks are numbered, and the token of the last one. What
/// stands in the share's own order goes on by the number alone.
#[derive(Default)]
struct After {
    rows: u32,
    token: Option<String>,
}

impl After {
    fn of(query: &Fields) -> Result<After> {
        let Some(text) = query.get("after") else { return Ok(After::default()) };
        let (rows, token) = text.split_once('.').map_or((text, None), |(rows, token)| (rows, Some(token.to_owned())));
        let rows = rows.parse().map_err(|_| Error::invalid("after", "it was not made for this page"))?;
        Ok(After { rows, token })
    }

    fn start(&self, tx: &mut Tx) -> Result<Start> {
        match &self.token {
            Some(token) => folders::start_after(tx, BY_NAME, "after", token),
            None => Ok(Start::At(u64::from(self.rows))),
        }
    }
}

/// What there is to list.
enum Listed {
    Folder(Item),
    /// In the share's own order.
    Few(Vec<Item>),
}

impl Listed {
    /// A page, and after what the next one begins.
    fn page(self, tx: &mut Tx, after: &After) -> Result<(Vec<Item>, Option<String>)> {
        let (before, next) = (after.rows as usize, after.rows as usize + PAGE_ROWS);
        Ok(match self {
            Listed::Folder(folder) => {
                let start = after.start(tx)?;
                let mut lines = folders::page_in(tx, &folder, BY_NAME, &start, PAGE_ROWS + 1)?;
                let token = folders::cut_page(&mut lines, BY_NAME, PAGE_ROWS);
                (lines.into_iter().map(|line| line.item).collect(), token.map(|token| format!("{next}.{token}")))
            }
            Listed::Few(items) => {
                let goes_on = (items.len() > next).then(|| next.to_string());
                (items.into_iter().skip(before).take(PAGE_ROWS).collect(), goes_on)
            }
        })
    }
}

/// What one page of a share shows.
struct Shown {
    path: Vec<Item>,
    items: Vec<Item>,
    /// How much is in each folder that is not empty.
    entries: HashMap<ItemKey, u64>,
    tracks: Vec<Track>,
    album: Option<MusicAlbum>,
    holds: Holds,
    size_here_bytes: u64,
    /// How many rows come before those that are shown.
    before: u32,
    after: Option<String>,
    heading: String,
    is_one_file: bool,
}

impl Weighed for Shown {
    fn bytes(&self) -> usize {
        self.items.len() * size_of::<Item>() * 2 + self.tracks.len() * size_of::<Track>() * 2
    }
}

/// From memory, if nothing was committed since and no limit or single right tells visitors apart.
async fn shown_now(
    call: &Call,
    look: &Arc<Look>,
    visitor: &Visitor,
    folder: Option<String>,
    after: After,
) -> Result<Arc<Shown>> {
    let differs = look.facts.share.is_limited() || look.facts.share.two_step;
    let token = after.token.as_deref().unwrap_or_default();
    let is_kept = !differs && token.len() <= KEPT_TOKEN_BYTES;
    let place = folder.as_deref().unwrap_or_default();
    let key = format!("{} {place} {} {token}", look.facts.share.key.0, after.rows);
    let (look, visitor) = (look.clone(), visitor.clone());
    let read = move |tx: &mut Tx| shown(tx, &look.facts, &visitor, folder.as_deref(), &after);
    match is_kept {
        true => call.app.db.recall("page", &key, read).await,
        false => call.app.db.read(read).await.map(Arc::new),
    }
}

fn shown(tx: &mut Tx, facts: &ShareFacts, visitor: &Visitor, folder: Option<&str>, after: &After) -> Result<Shown> {
    let contents = sharing::contents_for(tx, facts, visitor)?;
    let tops = match &contents {
        Contents::Folder(folder) => vec![folder.clone()],
        Contents::File(file) => vec![file.clone()],
        Contents::Set(items) => items.clone(),
    };
    let heading = match &contents {
        Contents::Folder(item) | Contents::File(item) => item.shown.clone(),
        Contents::Set(_) => sharing::name_of_set(tx, facts)?,
    };
    let is_one_file = matches!(contents, Contents::File(_));
    let mut holds = Holds::default();
    for top in &tops {
        let totals = library::totals(tx, top.key)?;
        let own_folder = u64::from(top.is_folder() && matches!(contents, Contents::Set(_)));
        holds.folders += totals.folders + own_folder;
        holds.files += totals.files;
        holds.size_bytes += totals.size_bytes;
        holds.tracks += totals.tracks;
        holds.duration_s += totals.duration_ms / 1000;
    }
    let (path, listed, size_here_bytes) = match folder {
        Some(folder) => {
            let item =
                library::item_by_id(tx, folder)?.filter(Item::is_folder).ok_or(Error::NotFound(Thing::Folder))?;
            let placed = library::place(tx, item, &[])?;
            let chain = placed.chain.clone();
            let grant = authorize(Through::Share(facts), visitor, placed, Action::List, now_ms())?;
            let path = path_within(tx, &facts.share, &chain)?;
            let size_bytes = library::totals(tx, grant.item().key)?.size_bytes;
            (path, Listed::Folder(grant.item().clone()), size_bytes)
        }
        None => match contents {
            Contents::Folder(folder) => (Vec::new(), Listed::Folder(folder), holds.size_bytes),
            Contents::File(file) => (Vec::new(), Listed::Few(vec![file]), holds.size_bytes),
            Contents::Set(items) => (Vec::new(), Listed::Few(items), holds.size_bytes),
        },
    };
    let before = after.rows;
    let (items, after) = listed.page(tx, after)?;
    let folders = items.iter().filter(|item| item.is_folder()).map(|item| item.key);
    let entries = library::child_counts(tx, &folders.collect::<Vec<_>>())?;
    let audio: Vec<ItemKey> = items.iter().filter(|item| item.media == Media::Audio).map(|item| item.key).collect();
    let scope = rights::scope(tx, &facts.owner)?;
    let tracks = music::tracks(tx, &scope, &audio)?;
    let album = album_of(tx, &scope, &tracks)?;
    let heading = match tracks.as_slice() {
        [track] if is_one_file && !track.title.is_empty() => track.title.clone(),
        _ => heading,
    };
    Ok(Shown { path, items, entries, tracks, album, holds, size_here_bytes, after, heading, is_one_file, before })
}

/// The folders from below the share's own top down to the one that is shown.
fn path_within(tx: &mut Tx, share: &Share, chain: &[ItemKey]) -> Result<Vec<Item>> {
    let is_top = |key: &ItemKey| share.items.contains(&Shared::Item(*key));
    let single = share.items.len() == 1;
    let mut path = Vec::new();
    for key in chain {
        if single && is_top(key) {
            break;
        }
        path.extend(library::item(tx, *key)?);
        if is_top(key) {
            break;
        }
    }
    path.reverse();
    Ok(path)
}

/// The album that the tracks of a page form, if all are of one.
fn album_of(tx: &mut Tx, scope: &Scope, tracks: &[Track]) -> Result<Option<MusicAlbum>> {
    let key = |track: &Track| track.album.as_ref().map(|album| album.key);
    let Some(album) = tracks.first().and_then(key) else { return Ok(None) };
    if tracks.iter().any(|track| key(track) != Some(album)) {
        return Ok(None);
    }
    Ok(music::albums(tx, scope, &[album])?.pop())
}

fn view(call: &Call, facts: &ShareFacts, shown: &Shown, visitor: &Visitor) -> SharePage {
    let share = &facts.share;
    let terms = &share.terms;
    let held = visitor.user.as_ref().map(|user| user.points);
    let price = facts.check_paid(visitor).err().map(|_| Price { points: terms.price, held });
    // What is not paid for cannot be played, and is listed like any other file.
    let tracks: &[Track] = if price.is_some() { &[] } else { &shown.tracks };
    let album = shown.album.as_ref().map(|album| Album {
        title: album.name.clone(),
        artist: shown_artist(&album.artist_name),
        year: album.year.and_then(|year| u32::try_from(year).ok()),
        cover_item_id: shown.tracks.iter().find(|track| track.has_cover).map(|track| track.item.id.clone()),
    });
    let mut page = SharePage {
        base: call.origin.prefix().to_owned(),
        id: call.path("id").to_owned(),
        public_url: Some(call.origin.base.clone()),
        title: if share.title.is_empty() { shown.heading.clone() } else { share.title.clone() },
        owner: facts.owner.display_name.clone(),
        description: Some(share.description.clone()).filter(|text| !text.is_empty()),
        holds: shown.holds,
        expires_ms: terms.expires_ms,
        downloads_left: share.downloads_left().map(|n| n.unsigned_abs()),
        path: shown.path.iter().map(|item| Crumb { item_id: item.id.clone(), name: item.shown.clone() }).collect(),
        album,
        folders: Vec::new(),
        is_one_file: shown.is_one_file,
        tracks: Vec::new(),
        files: Vec::new(),
        downloads: match (terms.mode, terms.downloads_allowed) {
            (Mode::Listen, _) => Downloads::ListenOnly,
            _ if price.is_some() => Downloads::ListenOnly,
            (Mode::Read | Mode::Drop | Mode::ReadDrop, false) => Downloads::Refused,
            (Mode::Read | Mode::Drop | Mode::ReadDrop, true) => {
                Downloads::Allowed { zip_size_bytes: Some(shown.size_here_bytes) }
            }
        },
        renders: match call.app.renditions.transcodes() {
            true => Renders::Yes,
            false => Renders::No,
        },
        after: shown.after.clone(),
        upload: None,
        price,
    };
    for (place, track) in (u64::from(shown.before) + 1..).zip(tracks) {
        let row = track_row(track);
        // Away from its album a track's number tells nothing: two may bear the same.
        page.tracks.push(match page.album {
            Some(_) => row,
            None => TrackRow { number: Some(place), disc: None, ..row },
        });
    }
    for item in &shown.items {
        if item.is_folder() {
            page.folders.push(FolderRow {
                item_id: item.id.clone(),
                name: item.shown.clone(),
                modified_ms: Some(item.modified_ms),
                entries: Some(shown.entries.get(&item.key).copied().unwrap_or(0)),
            });
        } else if !tracks.iter().any(|track| track.item.key == item.key) {
            page.files.push(FileRow {
                item_id: item.id.clone(),
                name: item.shown.clone(),
                size_bytes: item.size_bytes,
                modified_ms: Some(item.modified_ms),
                mime: mime_of(&item.shown).to_owned(),
                kind: Kind::of_mime(mime_of(&item.shown)),
            });
        }
    }
    page
}

/// An artist whom the tags name; the stand-in that lists need says nothing on a page.
fn shown_artist(name: &str) -> Option<String> {
    Some(name.to_owned()).filter(|name| !name.is_empty() && name != UNKNOWN_ARTIST)
}

fn track_row(track: &Track) -> TrackRow {
    TrackRow {
        item_id: track.item.id.clone(),
        number: track.number.map(u64::from),
        disc: track.disc,
        title: if track.title.is_empty() { track.item.shown.clone() } else { track.title.clone() },
        artist: shown_artist(&track.artist_name),
        duration_ms: Some(track.duration_ms).filter(|ms| *ms > 0),
        mime: mime_of(&track.item.shown).to_owned(),
        size_bytes: track.item.size_bytes,
        has_cover: track.has_cover,
    }
}

// Unlocking -----------------------------------------------------------------------------------------------------------

async fn unlock(mut call: Call) -> Response {
    let form = match refuse_foreign_post(&call) {
        Ok(()) => Fields::of_form(&mut call).await,
        Err(error) => Err(error),
    };
    match form {
        Ok(form) => {
            let folder = form.get("in").map(str::to_owned);
            try_password(&call, form.get("password").unwrap_or_default(), folder).await
        }
        Err(error) => error_page("unlock", call.origin.prefix(), &error),
    }
}

async fn unlock_by_address(call: Call) -> Response {
    if let Some(led) = interface::lead(&call, Some(call.path("password"))).await {
        return led;
    }
    try_password(&call, call.path("password"), None).await
}

/// A right password becomes a cookie, a wrong one a page that asks again; neither stays in the address.
async fn try_password(call: &Call, password: &str, folder: Option<String>) -> Response {
    match exchange(call, password, folder).await {
        Ok(response) => response,
        Err(error) => error_page("unlock", call.origin.prefix(), &error),
    }
}

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
    know(call, &mut response, &visitor);
    Ok(response)
}

// Buying --------------------------------------------------------------------------------------------------------------

async fn buy(mut call: Call) -> Response {
    bought(&mut call).await.unwrap_or_else(|error| error_page("buy", call.origin.prefix(), &error))
}

/// With the points of the account that is signed in to the pages, at the price that its form showed.
async fn bought(call: &mut Call) -> Result<Response> {
    refuse_foreign_post(call)?;
    let form = Fields::of_form(call).await?;
    let price = form.number("price")?.ok_or(Error::Missing("price"))?;
    let visitor = visitor(call).await?;
    look::open(&call.app, call.path("id"), &visitor).await?;
    let buyer = visitor.user.clone().ok_or(Error::SignInNeeded)?;
    purchases::buy(&call.app, &buyer, &visitor, call.path("id"), Some(price)).await?;
    Ok(lead_to(&own_address(call)))
}

async fn use_ticket(mut call: Call) -> Response {
    shown_ticket(&mut call).await.unwrap_or_else(|error| error_page("useTicket", call.origin.prefix(), &error))
}

/// Keeps the ticket in a cookie of this share's pages, if it is one of this share's.
async fn shown_ticket(call: &mut Call) -> Result<Response> {
    refuse_foreign_post(call)?;
    let form = Fields::of_form(call).await?;
    let ticket = form.need("ticket")?.trim();
    let mut visitor = visitor(call).await?;
    visitor.paid_by = purchases::hash_of(ticket);
    let (look, _) = look::open(&call.app, call.path("id"), &visitor).await?;
    if look.facts.check_paid(&visitor).is_err() {
        return Err(purchases::wrong_ticket(&call.app, &visitor).await);
    }
    let mut response = lead_to(&own_address(call));
    let (value, path) = (encoded(ticket), own_address(call));
    set_cookie(call, &mut response, &Cookie { name: TICKET_COOKIE, value: &value, path: &path, lasts_s: COOKIE_S });
    Ok(response)
}

// Bytes ---------------------------------------------------------------------------------------------------------------

async fn bytes(call: &Call, action: Action, disposition: Disposition) -> Result<Response> {
    let visitor = visitor(call).await?;
    let grant = look::fetch(&call.app, call.path("id"), &visitor, call.path("item"), action, call.wanted()).await?;
    deliver::file(call, grant, disposition).await
}

async fn file(call: Call) -> Response {
    let keep = Fields::of_query(&call).is_ok_and(|query| query.get("download") == Some("1"));
    let answer = match keep {
        true => bytes(&call, Action::Download, Disposition::Attachment).await,
        false => bytes(&call, Action::Play, Disposition::Inline).await,
    };
    answer.unwrap_or_else(|error| error_page("file", call.origin.prefix(), &error))
}

async fn play(call: Call) -> Response {
    let answer = bytes(&call, Action::Play, Disposition::Inline).await;
    answer.unwrap_or_else(|error| error_page("play", call.origin.prefix(), &error))
}

/// For what is made of the item that the address names, and spends nothing.
async fn reached(call: &Call, action: Action) -> Result<Grant> {
    let visitor = visitor(call).await?;
    let (id, item) = (call.path("id").to_owned(), call.path("item").to_owned());
    call.app.db.read(move |tx| sharing::reach(tx, &id, &visitor, &item, action)).await
}

/// The sound of a track in a format that every browser plays.
async fn stream(call: Call) -> Response {
    let answer = async {
        let grant = reached(&call, Action::Stream).await?;
        let mp3 = Rendition::Audio { profile: Profile::new(Codec::Mp3, None), start_s: 0 };
        deliver::transcode(&call, grant, mp3, None).await
    };
    answer.await.unwrap_or_else(|error| error_page("stream", call.origin.prefix(), &error))
}

async fn waveform(call: Call) -> Response {
    let answer = async { deliver::waveform(&call, reached(&call, Action::Preview).await?).await };
    answer.await.unwrap_or_else(|error| error_page("waveform", call.origin.prefix(), &error))
}

async fn film(call: Call) -> Response {
    let all = Hls::Master(vec![Stream::sound(None)], 0);
    let answer = async { deliver::hls(&call, reached(&call, Action::Stream).await?, all, "").await };
    answer.await.unwrap_or_else(|error| error_page("hls", call.origin.prefix(), &error))
}

async fn film_part(call: Call) -> Response {
    let answer = async {
        let wanted = Hls::of_path(call.path("stream"), call.path("file")).ok_or(Error::NotFound(Thing::File))?;
        deliver::hls(&call, reached(&call, Action::Stream).await?, wanted, "").await
    };
    answer.await.unwrap_or_else(|error| error_page("hlsPart", call.origin.prefix(), &error))
}

async fn picture(call: &Call, size_px: u32) -> Result<Response> {
    deliver::cover(call, reached(call, Action::Preview).await?, Some(size_px)).await
}

async fn thumb(call: Call) -> Response {
    match picture(&call, THUMB_PX).await {
        Ok(response) => response,
        Err(Error::NotFound(Thing::Cover)) => no_picture(),
        Err(error) => error_page("thumb", call.origin.prefix(), &error),
    }
}

/// Still not found, but a gallery shows it in the place of a picture that cannot be read.
fn no_picture() -> Response {
    let mut response = (StatusCode::NOT_FOUND, super::assets::NO_PICTURE).into_response();
    put_header(&mut response, header::CONTENT_TYPE, "image/svg+xml");
    put_header(&mut response, header::CACHE_CONTROL, "private, no-store");
    put_header(&mut response, header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'");
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn cover(call: Call) -> Response {
    picture(&call, COVER_PX).await.unwrap_or_else(|error| error_page("cover", call.origin.prefix(), &error))
}

async fn zip(call: Call) -> Response {
    let answer = match Fields::of_query(&call) {
        Ok(query) => archive(&call, query.get("in").map(str::to_owned)).await,
        Err(error) => Err(error),
    };
    answer.unwrap_or_else(|error| error_page("zip", call.origin.prefix(), &error))
}

async fn archive(call: &Call, folder: Option<String>) -> Result<Response> {
    let visitor = visitor(call).await?;
    let (id, wanted) = (call.path("id").to_owned(), call.wanted());
    let picked = folder.map(|folder| vec![folder]);
    let part = move |tx: &mut Tx| archives::of_share(tx, &id, &visitor, picked.as_deref(), wanted);
    let part = call.app.db.write(part).await?;
    deliver::zip(call, vec![part]).await
}

// Other addresses of the same page ------------------------------------------------------------------------------------

/// The form that music apps print and rebuild.
async fn share_link(call: Call) -> Response {
    lead_to(&own_address(&call))
}

/// My Cloud Home's form. Programs that fetch a link for its bytes get them; browsers get the page, and chat programs
/// that look at a link spend nothing.
async fn action_share(call: Call) -> Response {
    let asked = Fields::of_query(&call).is_ok_and(|query| query.get("download") == Some("1"));
    let agent = call.agent().to_ascii_lowercase();
    let fetches = agent.starts_with("curl/") || agent.starts_with("wget/") || takes_no_page(&call);
    if !(asked || fetches) {
        return share_link(call).await;
    }
    let answer = whole(&call).await;
    answer.unwrap_or_else(|error| error_page("actionShare", call.origin.prefix(), &error))
}

/// Whether a program says that a page is nothing to it. Those that draw cards of links say so as well, and get the page.
fn takes_no_page(call: &Call) -> bool {
    const PAGES: [&str; 4] = ["text/html", "application/xhtml+xml", "text/*", "*/*"];
    let Some(accept) = call.header(header::ACCEPT).filter(|accept| !accept.trim().is_empty()) else { return false };
    let mut kinds =
        accept.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    !kinds.any(|kind| PAGES.contains(&kind.as_str())) && !is_preview_crawler(call.agent())
}

/// The one file of a share, else all of it in an archive. Not opened first: to whom the last download was given, the share
/// opens by their lease alone.
async fn whole(call: &Call) -> Result<Response> {
    let visitor = visitor(call).await?;
    let (id, wanted) = (call.path("id"), call.wanted());
    match &look::at(&call.app, id, &visitor).await?.contents {
        Contents::File(item) => {
            let grant = look::fetch(&call.app, id, &visitor, &item.id, Action::Download, wanted).await?;
            deliver::file(call, grant, Disposition::Attachment).await
        }
        Contents::Folder(_) | Contents::Set(_) => {
            let id = id.to_owned();
            let part = call.app.db.write(move |tx| archives::of_share(tx, &id, &visitor, None, wanted)).await?;
            deliver::zip(call, vec![part]).await
        }
    }
}
