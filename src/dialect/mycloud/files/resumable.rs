//! Uploads in steps: of new files, which nobody sees before they are done, and into files that are there.

use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::super::{answer_empty, answer_json, auth, says};
use super::body::{Parts, Wanted, on_conflict};
use super::hand::{Target, into_folder, target};
use super::write::{changed, created};
use super::{Chosen, describe, item_id};
use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::http::digest::Whole;
use crate::http::fields::Fields;
use crate::library::Item;
use crate::now_ms;
use crate::share::grant::Action;
use crate::store::{Tx, upload_names};
use crate::work::by_share;
use crate::work::drop_box::Sender;
use crate::work::upload::{self, Begin, Beyond, Content, Uploader};

/// What one request adds to an upload.
struct Step {
    offset: u64,
    content: Option<Content>,
    is_last: bool,
    beyond: Beyond,
}

impl Step {
    fn of(query: &Fields, content: Option<Content>) -> Result<Step> {
        let beyond = if says(query, "truncate") { Beyond::Cut } else { Beyond::Kept };
        Ok(Step { offset: query.number("offset")?.unwrap_or(0), content, is_last: says(query, "done"), beyond })
    }
}

/// An upload under way.
struct Open {
    /// By which its client goes on with it: the id it was told, or that of the file whose content it changes, which is its
    /// session's alone. None where all comes in one request, which is then nobody else's to write to.
    name: Option<String>,
    upload_id: String,
    by: Uploader,
}

impl Open {
    async fn find(call: &Call, user: &User) -> Result<Option<Open>> {
        let (of, id, session) = (user.clone(), call.path("id").to_owned(), session(call)?);
        let find = move |tx: &mut Tx| {
            let name = match upload_names::upload(tx, of.key, &id)? {
                Some(upload_id) => return Ok(Some((id, upload_id))),
                None => name_over(&session, &item_id(tx, &of, &id)?),
            };
            Ok(upload_names::upload(tx, of.key, &name)?.map(|upload_id| (name, upload_id)))
        };
        let Some((name, upload_id)) = call.app.db.read(find).await? else { return Ok(None) };
        let visitor = call.guest().with_user(user.clone());
        let sender = Sender { share_id: String::new(), visitor };
        let by = by_share::sender_of(&call.app, &upload_id, sender).await?;
        let by = by.map_or_else(|| user.into(), Uploader::Sender);
        Ok(Some(Open { name: Some(name), upload_id, by }))
    }

    async fn begin(call: &Call, by: Uploader, begin: Begin) -> Result<Open> {
        let upload_id = upload::begin(&call.app, by.clone(), begin).await?.id;
        Ok(Open { name: None, upload_id, by })
    }

    /// Over a file as it is now: when another writes to it meanwhile, this comes to nothing.
    async fn over(call: &Call, target: Target, offset: u64) -> Result<Open> {
        let Target { hand, item, .. } = target;
        if item.is_folder() {
            return Err(Error::NotFound(Thing::File));
        }
        if offset > item.size_bytes {
            return Err(Error::invalid("offset", "it lies beyond the end"));
        }
        let by = hand.uploader();
        let upload_id = upload::begin_over(&call.app, by.clone(), &item.id, item.revision).await?.id;
        Ok(Open { name: None, upload_id, by })
    }

    /// The first step, after which others may come under this name.
    async fn start(&mut self, call: &Call, user: &User, name: &str, step: Step) -> Result<Option<Item>> {
        if !step.is_last {
            let (account, remembered, id) = (user.key, name.to_owned(), self.upload_id.clone());
            call.app.db.write(move |tx| upload_names::insert(tx, account, &remembered, &id, now_ms())).await?;
            self.name = Some(name.to_owned());
        }
        self.fill(call, user, step).await
    }

    /// Writes what came and, at the end, makes it the file. The empty request that only says so takes nothing away.
    async fn fill(&self, call: &Call, user: &User, step: Step) -> Result<Option<Item>> {
        if let Some(content) = step.content {
            upload::write_at(&call.app, self.by.clone(), &self.upload_id, step.offset, content).await?;
        }
        if !step.is_last {
            return Ok(None);
        }
        let (by, id) = (self.by.clone(), &self.upload_id);
        let item = upload::finish_over(&call.app, by, id, step.beyond, step.offset).await?;
        if let Some(name) = self.name.clone() {
            let (account, item_id) = (user.key, item.id.clone());
            call.app.db.write(move |tx| upload_names::finish(tx, account, &name, &item_id)).await?;
        }
        Ok(Some(item))
    }

    /// One more step. Over a file that another has written to meanwhile it comes to nothing, however often it is tried.
    async fn go_on(&self, call: &Call, user: &User, step: Step) -> Result<Option<Item>> {
        match self.fill(call, user, step).await {
            Err(error @ Error::Conflict(Thing::Version)) => self.give_up(call, error).await,
            filled => filled,
        }
    }

    /// For what nobody could go on with: its client never learned the name, or the file has changed.
    async fn give_up<T>(&self, call: &Call, error: Error) -> Result<T> {
        if let Err(Error::Internal(cause)) = upload::cancel(&call.app, self.by.clone(), &self.upload_id).await {
            tracing::warn!(cause, "an upload that failed stays until it expires");
        }
        Err(error)
    }
}

pub async fn post_resumable(mut call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let query = Fields::of_query(&call)?;
    let parts = Parts::of(&mut call).await?;
    let step = Step::of(&query, parts.content.map(Content::from))?;
    let wanted = Wanted::of(&parts.fields)?;
    if wanted.is_folder {
        return Err(Error::invalid("mimeType", "a folder has no content"));
    }
    let (hand, into) = into_folder(&call, &user, &wanted.parent_id).await?;
    let mut open = Open::begin(&call, hand.uploader(), wanted.begin(into, on_conflict(&query))).await?;
    let name = open.upload_id.clone();
    match open.start(&call, &user, &name, step).await {
        Ok(item) => Ok(told(&name, item)),
        Err(error) => open.give_up(&call, error).await,
    }
}

/// What an upload over a file is remembered by: of two devices of one user each writes to one of its own, and whoever ends
/// last is told that the file has changed.
fn name_over(session: &str, item_id: &str) -> String {
    format!("{session}.{item_id}")
}

/// Of the claims of a user's token, the one that tells their devices apart.
#[derive(Deserialize)]
struct Session {
    sid: String,
}

/// The session of a caller whose token was found good.
fn session(call: &Call) -> Result<String> {
    let claims = auth::token_of(call).and_then(|token| call.app.signing.claims::<Session>(&token));
    claims.map(|session| session.sid).ok_or(Error::SignInNeeded)
}

/// Where the file is, or where the upload of it goes on.
fn told(name: &str, item: Option<Item>) -> Response {
    match item {
        Some(item) => created(&item.id, Some(&item)),
        None => created(name, None),
    }
}

pub async fn put_resumable_content(mut call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let query = Fields::of_query(&call)?;
    let open = Open::find(&call, &user).await?.ok_or(Error::NotFound(Thing::Upload))?;
    let step = Step::of(&query, Some(call.take_content(Whole::Part)?))?;
    let item = open.go_on(&call, &user, step).await?;
    Ok(item.map_or_else(|| answer_empty(StatusCode::NO_CONTENT), |item| changed(&item)))
}

/// Bytes for a part of a file that is there, in one step or several; the rest of it stays as it is, unless `truncate` cuts
/// off what follows. One client writes so, a piece at a time, and lengthens and shortens files by it.
pub async fn post_file_resumable(mut call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let query = Fields::of_query(&call)?;
    let step = Step::of(&query, Some(call.take_content(Whole::Part)?))?;
    if let Some(open) = Open::find(&call, &user).await? {
        return open.go_on(&call, &user, step).await.map(|item| told(call.path("id"), item));
    }
    let target = target(&call, &user, Action::Update).await?;
    let (id, is_whole) = (target.item.id.clone(), step.is_last);
    let name = name_over(&session(&call)?, &id);
    let mut open = Open::over(&call, target, step.offset).await?;
    match open.start(&call, &user, &name, step).await {
        Ok(item) => Ok(told(&id, item)),
        Err(error) if is_whole => open.give_up(&call, error).await,
        Err(error) => Err(error),
    }
}

/// Ours: how much of an upload came, so that its client can go on at `offset` after whatever went wrong. Of a file that is
/// done, all of it.
pub async fn get_resumable(call: Call) -> Result<Response> {
    let user = auth::user(&call).await?;
    let Some(open) = Open::find(&call, &user).await? else {
        let (caller, id) = (auth::Caller::of_user(&call, &user), call.path("id").to_owned());
        let file = call.app.db.read(move |tx| describe(tx, caller, &id, &Chosen(Some(Vec::new())))).await?;
        return Ok(answer_json(StatusCode::OK, &json!({"id": file.id, "offset": file.size, "done": true})));
    };
    let (by, upload_id) = (open.by, open.upload_id);
    let (_, ranges) = call.app.db.read(move |tx| upload::by_id(tx, by, &upload_id)).await?;
    let offset = ranges.iter().next().filter(|first| first.start == 0).map_or(0, |first| first.end);
    Ok(answer_json(StatusCode::OK, &json!({"id": call.path("id"), "offset": offset, "done": false})))
}

/// Gives up the upload of the path's name, if it is of a new file; tells whether there was one.
pub async fn cancel(call: &Call, user: &User) -> Result<bool> {
    match Open::find(call, user).await?.filter(|open| open.name.as_ref() == Some(&open.upload_id)) {
        Some(open) => upload::cancel(&call.app, open.by, &open.upload_id).await.map(|()| true),
        None => Ok(false),
    }
}
