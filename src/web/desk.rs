//! An owner's pages, beneath `/app/`: their shares, made, edited and revoked, and the files to pick from.

use axum::http::StatusCode;
use axum::response::Response;

use super::pages::{
    Crumb, FileRow, FilesPage, FolderRow, FormOf, FormProblem, Kind, MadeShare, RevokePage, ShareFields, ShareFormPage,
    ShareRow, ShareState, SharesPage, UploadForm, UploadOf, local_time,
};
use super::share_form::{blank, fields_of, problem_of, typed, wish_of};
use super::{encoded, interface, lead_within, page};
use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::http::fields::Fields;
use crate::http::send::mime_of;
use crate::http::{Call, Route};
use crate::now_ms;
use crate::share::grant::Action;
use crate::share::{Change, Door, Share, ShareKey, Shared, State};
use crate::store::folders::Start;
use crate::store::shares::{Direction, Order};
use crate::store::{library, shares};
use crate::work::files::{self, Place};
use crate::work::folders::{self, BY_NAME};
use crate::work::sharing;

pub const ROUTES: &[Route] = routes! {
    Person {
        "home" GET "/" Open home;
        "home" GET "/app" Open home;
        "home" GET "/app/" Open home;
        "sharesPage" GET "/app/shares" User shares_page;
        "makeShare" POST "/app/shares" User make_share;
        "newSharePage" GET "/app/shares/new" User new_share_page;
        "editSharePage" GET "/app/shares/{id}" User edit_share_page;
        "editShare" POST "/app/shares/{id}" User edit_share;
        "revokePage" GET "/app/shares/{id}/revoke" User revoke_page;
        "revoke" POST "/app/shares/{id}/revoke" User revoke;
        "filesPage" GET "/app/files" User files_page;
    }
};

const PAGE_SHARES: usize = 100;
const PAGE_ENTRIES: usize = 500;

async fn home(call: Call) -> Result<Response> {
    if call.app.interface.is_some() && call.parts.uri.path() == "/" {
        return Ok(interface::index(&call).await);
    }
    Ok(lead_within(&call, "/app/shares"))
}

// Shares --------------------------------------------------------------------------------------------------------------

/// Where guests find a share: its slug reads better than its id.
pub fn link_of(call: &Call, share: &Share) -> String {
    format!("{}/s/{}", call.origin.base, share.slug.as_deref().unwrap_or(&share.id))
}

async fn shares_page(call: Call, user: User) -> Result<Response> {
    let query = Fields::of_query(&call)?;
    let after = query.get("after").and_then(|after| after.parse().ok()).map(|key: i64| (key, ShareKey(key)));
    let made = query.get("made").map(str::to_owned);
    let owner = user.clone();
    let (rows, made) = call
        .app
        .db
        .read(move |tx| {
            let page =
                shares::page_of_owner(tx, owner.key, Order::Created, Direction::Descending, after, PAGE_SHARES + 1)?;
            let mut rows = Vec::new();
            for (_, share) in page {
                let title = sharing::title_of(tx, &owner, &share)?;
                rows.push((share, title));
            }
            let made = match made {
                Some(id) => shares::owned(tx, owner.key, &id).ok(),
                None => None,
            };
            let made = match made {
                Some(share) => Some((sharing::title_of(tx, &owner, &share)?, share)),
                None => None,
            };
            Ok((rows, made))
        })
        .await?;
    let more = rows.len() > PAGE_SHARES;
    let after = rows.get(PAGE_SHARES - 1).filter(|_| more).map(|(share, _)| share.key.0.to_string());
    let view = SharesPage {
        base: call.origin.prefix().to_owned(),
        user: user.display_name,
        notice: query.get("revoked").map(|_| "The share is revoked: its link is dead.".to_owned()),
        shares: rows.into_iter().take(PAGE_SHARES).map(|(share, title)| row(&call, share, title)).collect(),
        made: made.map(|(title, share)| MadeShare {
            title: title.unwrap_or_default(),
            link: link_of(&call, &share),
            has_password: share.terms.has_password,
        }),
        after,
    };
    Ok(page(StatusCode::OK, &view))
}

fn row(call: &Call, share: Share, title: Option<String>) -> ShareRow {
    let count = |n: i64| n.max(0).unsigned_abs();
    ShareRow {
        link: link_of(call, &share),
        state: match share.state(now_ms()) {
            _ if title.is_none() => ShareState::Unavailable,
            State::Active => ShareState::Open,
            State::NotYet => ShareState::NotYet,
            State::Expired => ShareState::Expired,
            State::UsedUp => ShareState::UsedUp,
            State::Revoked => ShareState::Unavailable,
        },
        title: title.unwrap_or_else(|| "(no longer there)".to_owned()),
        created_ms: share.created_ms,
        expires_ms: share.terms.expires_ms,
        views: count(share.views),
        view_limit: share.terms.view_limit.map(count),
        downloads: count(share.downloads),
        download_limit: share.terms.download_limit.map(count),
        has_password: share.terms.has_password,
        id: share.id,
    }
}

async fn new_share_page(call: Call, user: User) -> Result<Response> {
    let query = Fields::of_query(&call)?;
    let item_ids = query.all("item");
    if item_ids.is_empty() {
        let folder = query.get("in").map(|id| format!("in={}&", encoded(id))).unwrap_or_default();
        return Ok(lead_within(&call, &format!("/app/files?{folder}ticked=0")));
    }
    new_form(&call, &user, item_ids, blank(), None).await
}

async fn new_form(
    call: &Call,
    user: &User,
    item_ids: Vec<String>,
    fields: ShareFields,
    problem: Option<FormProblem>,
) -> Result<Response> {
    let (owner, visitor, ids) = (user.clone(), call.guest().with_user(user.clone()), item_ids.clone());
    let item_names = call
        .app
        .db
        .read(move |tx| {
            let see = |id: &String| {
                sharing::own(tx, &owner, &visitor, id, Action::Share).map(|grant| grant.item().shown.clone())
            };
            ids.iter().map(see).collect::<Result<Vec<_>>>()
        })
        .await?;
    let view = ShareFormPage {
        base: call.origin.prefix().to_owned(),
        user: user.display_name.clone(),
        of: FormOf::New { item_ids },
        item_names,
        has_password: false,
        fields,
        problem,
    };
    Ok(page(form_status(&view), &view))
}

fn form_status(view: &ShareFormPage) -> StatusCode {
    if view.problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }
}

async fn make_share(mut call: Call, user: User) -> Result<Response> {
    let fields = Fields::of_form(&mut call).await?;
    let share = match create(&call, &user, &fields).await {
        Ok(share) => share,
        Err(error) => {
            let problem = problem_of(&error).ok_or(error)?;
            return new_form(&call, &user, fields.all("item"), typed(&fields), Some(problem)).await;
        }
    };
    Ok(lead_within(&call, &format!("/app/shares?made={}", share.id)))
}

async fn create(call: &Call, user: &User, fields: &Fields) -> Result<Share> {
    let ids = fields.all("item");
    let wish = wish_of(fields)?;
    let items = call
        .app
        .db
        .read(move |tx| {
            ids.iter()
                .map(|id| Ok(Shared::Item(library::item_by_id(tx, id)?.ok_or(Error::NotFound(Thing::File))?.key)))
                .collect::<Result<Vec<_>>>()
        })
        .await?;
    sharing::create(&call.app, user, Door::Page, items, wish).await
}

async fn edit_share_page(call: Call, user: User) -> Result<Response> {
    edit_form(&call, &user, None).await
}

/// The form of a share as it is, or as it was typed.
async fn edit_form(call: &Call, user: &User, typed: Option<(ShareFields, FormProblem)>) -> Result<Response> {
    let (owner, id) = (user.clone(), call.path("id").to_owned());
    let (share, item_names) = call
        .app
        .db
        .read(move |tx| {
            let share = shares::owned(tx, owner.key, &id)?;
            let names = sharing::names_of(tx, &owner, &share)?;
            Ok((share, names))
        })
        .await?;
    let (fields, problem) = match typed {
        Some((fields, problem)) => (fields, Some(problem)),
        None => (fields_of(&share), None),
    };
    let view = ShareFormPage {
        base: call.origin.prefix().to_owned(),
        user: user.display_name.clone(),
        of: FormOf::Edit { id: share.id.clone(), link: link_of(call, &share) },
        item_names,
        has_password: share.terms.has_password,
        fields,
        problem,
    };
    Ok(page(form_status(&view), &view))
}

async fn edit_share(mut call: Call, user: User) -> Result<Response> {
    let fields = Fields::of_form(&mut call).await?;
    if let Err(error) = edit(&call, &user, &fields).await {
        let problem = problem_of(&error).ok_or(error)?;
        return edit_form(&call, &user, Some((typed(&fields), problem))).await;
    }
    Ok(lead_within(&call, "/app/shares"))
}

async fn edit(call: &Call, user: &User, fields: &Fields) -> Result<()> {
    let mut wish = wish_of(fields)?;
    let (owner, id) = (user.key, call.path("id").to_owned());
    let share = call.app.db.read(move |tx| shares::owned(tx, owner, &id)).await?;
    // The field knows minutes only, and a share that has expired may still be given another title.
    if fields.get("expires").is_some() && fields.get("expires") == share.terms.expires_ms.map(local_time).as_deref() {
        wish.expires_ms = Change::Keep;
    }
    sharing::edit(&call.app, owner, &share.id, wish).await?;
    Ok(())
}

async fn revoke_page(call: Call, user: User) -> Result<Response> {
    let (owner, id) = (user.clone(), call.path("id").to_owned());
    let read = call.app.db.read(move |tx| {
        let share = shares::owned(tx, owner.key, &id)?;
        let title = sharing::title_of(tx, &owner, &share)?;
        Ok((share, title))
    });
    let (share, title) = read.await?;
    let view = RevokePage {
        base: call.origin.prefix().to_owned(),
        user: user.display_name,
        link: link_of(&call, &share),
        title: title.unwrap_or_else(|| "(no longer there)".to_owned()),
        views: share.views.max(0).unsigned_abs(),
        downloads: share.downloads.max(0).unsigned_abs(),
        id: share.id,
    };
    Ok(page(StatusCode::OK, &view))
}

async fn revoke(call: Call, user: User) -> Result<Response> {
    sharing::revoke(&call.app, user.key, call.path("id")).await?;
    Ok(lead_within(&call, "/app/shares?revoked=1"))
}

// Files to pick from --------------------------------------------------------------------------------------------------

async fn files_page(call: Call, user: User) -> Result<Response> {
    let query = Fields::of_query(&call)?;
    let folder = query.get("in").map(str::to_owned);
    let after = query.get("after").map(str::to_owned);
    let owner = user.clone();
    let (path, lines, after, may_write) = call
        .app
        .db
        .read(move |tx| {
            let place = match folder {
                None => Place::Root,
                Some(id) => Place::Item(
                    library::item_by_id(tx, &id)?
                        .filter(|item| item.is_folder())
                        .ok_or(Error::NotFound(Thing::Folder))?,
                ),
            };
            let start = match after {
                Some(token) => folders::start_after(tx, BY_NAME, "after", &token)?,
                None => Start::At(0),
            };
            let mut lines = folders::page(tx, &owner, &place, BY_NAME, &start, PAGE_ENTRIES + 1)?;
            let after = folders::cut_page(&mut lines, BY_NAME, PAGE_ENTRIES);
            let may_write = files::may_create_in(tx, &owner, &place);
            let mut path = Vec::new();
            let mut at = place;
            while let Place::Item(item) = at {
                at = files::parent_of(tx, &owner, &item)?;
                path.push(Crumb { item_id: item.id, name: item.shown });
            }
            path.reverse();
            Ok((path, lines, after, may_write))
        })
        .await?;
    let (mut folders, mut rows) = (Vec::new(), Vec::new());
    for line in lines {
        let (name, item) = (line.name().to_owned(), line.item);
        if item.is_folder() {
            folders.push(FolderRow { item_id: item.id, name, modified_ms: None, entries: None });
        } else {
            let mime = mime_of(&name).to_owned();
            rows.push(FileRow {
                item_id: item.id,
                name,
                size_bytes: item.size_bytes,
                modified_ms: Some(item.modified_ms),
                kind: Kind::of_mime(&mime),
                mime,
            });
        }
    }
    let view = FilesPage {
        base: call.origin.prefix().to_owned(),
        user: user.display_name,
        upload: may_write.then(|| UploadForm {
            action: format!("{}/app/files", call.origin.prefix()),
            uploads: format!("{}/app/uploads", call.origin.prefix()),
            of: UploadOf::Own { folder_item_id: path.last().map(|crumb: &Crumb| crumb.item_id.clone()) },
        }),
        uploaded: query.get("uploaded").and_then(|count| count.parse().ok()),
        path,
        folders,
        files: rows,
        after,
        nothing_ticked: query.get("ticked") == Some("0"),
    };
    Ok(page(StatusCode::OK, &view))
}
