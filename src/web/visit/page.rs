//! What a share's page shows: a folder of it, and the form to send files.

use std::collections::HashMap;
use std::sync::Arc;

use super::own_address;
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::http::fields::Fields;
use crate::http::send::mime_of;
use crate::library::music::{Album as MusicAlbum, Track};
use crate::library::{Item, ItemKey, Media};
use crate::now_ms;
use crate::share::grant::{Action, Scope, ShareFacts, Through, authorize};
use crate::share::visit::Visitor;
use crate::share::{Mode, Share, Shared};
use crate::store::folders::Start;
use crate::store::scan::UNKNOWN_ARTIST;
use crate::store::{Tx, Weighed, library, music, rights};
use crate::web::pages::{
    Album, Crumb, Downloads, DropPage, FileRow, FolderRow, Holds, Kind, Price, Renders, SharePage, TrackRow,
    UploadForm, UploadOf,
};
use crate::work::drop_box::Notice;
use crate::work::folders::{self, BY_NAME};
use crate::work::look::Look;
use crate::work::sharing::{self, Contents};

/// Rows of one page of a long folder.
const PAGE_ROWS: usize = 500;
/// Pages behind longer tokens, which only a made-up name has, are not kept in memory.
const KEPT_TOKEN_BYTES: usize = 1024;

/// After what a page begins: how many rows those are, by which tracks are numbered, and the token of the last one. What
/// stands in the share's own order goes on by the number alone.
#[derive(Default)]
pub struct After {
    rows: u32,
    token: Option<String>,
}

impl After {
    pub fn of(query: &Fields) -> Result<After> {
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
pub struct Shown {
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
pub async fn shown_now(
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

pub fn view(call: &Call, facts: &ShareFacts, shown: &Shown, visitor: &Visitor) -> SharePage {
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

// To send files -------------------------------------------------------------------------------------------------------

pub fn drop_page(call: &Call, notice: Notice, upload: UploadForm) -> DropPage {
    DropPage {
        base: call.origin.prefix().to_owned(),
        title: notice.title,
        owner: notice.owner,
        description: Some(notice.description).filter(|text| !text.is_empty()),
        expires_ms: notice.expires_ms,
        upload,
    }
}

pub fn upload_form(call: &Call, notice: &Notice) -> UploadForm {
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
