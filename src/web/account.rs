//! What users change of themselves: the picture that others see of them.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use multer::Multipart;

use super::pages::{AccountPage, LetInApp, LinkedOpenId};
use super::{lead_within, page};
use crate::account::User;
use crate::account::oauth::Client;
use crate::error::{Error, Result, Thing};
use crate::http::send::{Disposition, safe_headers};
use crate::http::{Call, Route};
use crate::store::{accounts, second_factors};
use crate::work::users::{self, PICTURE_BYTES};
use crate::work::{oauth, openid};

pub const ROUTES: &[Route] = routes! {
    Person {
        "accountPage" GET "/app/account" User account_page;
        "ownPicture" GET "/app/account/picture" User own_picture;
        "setPicture" POST "/app/account/picture" User set_picture;
        "removePicture" POST "/app/account/picture/remove" User remove_picture;
    }
};

/// Of a form around a picture.
const FRAME_BYTES: usize = 64 * 1024;

async fn account_page(call: Call, user: User) -> Result<Response> {
    shown(&call, &user, StatusCode::OK, AccountProblem::None).await
}

/// What a form of the page came to.
pub(super) enum AccountProblem {
    None,
    Picture(String),
    OpenId(String),
}

pub(super) async fn shown(call: &Call, user: &User, status: StatusCode, problem: AccountProblem) -> Result<Response> {
    let key = user.key;
    let (problem, openid_problem) = match problem {
        AccountProblem::None => (None, None),
        AccountProblem::Picture(why) => (Some(why), None),
        AccountProblem::OpenId(why) => (None, Some(why)),
    };
    let view = AccountPage {
        base: call.origin.prefix().to_owned(),
        user: user.display_name.clone(),
        // Part of the address, so that a browser does not show the one before.
        picture: user.picture_ms,
        has_second_factor: call.app.db.read(move |tx| second_factors::is_on(tx, key)).await?,
        openid: linked(call, user, openid_problem).await?,
        apps: oauth::all_let_in(&call.app, user).await?.into_iter().map(of_client).collect(),
        problem,
    };
    Ok(page(status, &view))
}

async fn linked(call: &Call, user: &User, problem: Option<String>) -> Result<Option<LinkedOpenId>> {
    let Some(provider) = &call.app.openid else { return Ok(None) };
    let (app, user) = (Arc::clone(&call.app), user.clone());
    let linked_ms = call.app.db.read(move |tx| openid::linked_ms(tx, &app, &user)).await?;
    Ok(Some(LinkedOpenId { name: provider.name().to_owned(), linked_ms, problem }))
}

fn of_client(client: Client) -> LetInApp {
    LetInApp { id: client.id, name: client.name }
}

async fn own_picture(call: Call, user: User) -> Result<Response> {
    let picture =
        call.app.db.read(move |tx| accounts::avatar(tx, user.key)).await?.ok_or(Error::NotFound(Thing::Avatar))?;
    let mut response = Body::from(picture).into_response();
    *response.headers_mut() = safe_headers("avatar.jpg", "image/jpeg", Disposition::Inline);
    Ok(response)
}

async fn set_picture(mut call: Call, user: User) -> Result<Response> {
    let set = async {
        let picture = posted(&mut call).await?;
        users::set_avatar(&call.app, &user, picture).await
    };
    match set.await {
        Ok(()) => Ok(lead_within(&call, "/app/account")),
        Err(Error::Invalid { what: "picture", why }) => with_picture_problem(&call, &user, why).await,
        Err(Error::Missing(_)) => with_picture_problem(&call, &user, "choose one first".to_owned()).await,
        Err(error) => Err(error),
    }
}

async fn with_picture_problem(call: &Call, user: &User, why: String) -> Result<Response> {
    shown(call, user, StatusCode::BAD_REQUEST, AccountProblem::Picture(why)).await
}

/// The picture of a posted form.
async fn posted(call: &mut Call) -> Result<Vec<u8>> {
    let broken = |_| Error::invalid("form", "it cannot be read");
    let boundary = multer::parse_boundary(call.header(header::CONTENT_TYPE).unwrap_or_default()).map_err(broken)?;
    let body = Bytes::from(call.body_bytes(PICTURE_BYTES + FRAME_BYTES).await?);
    let mut form = Multipart::new(stream::iter([Ok::<_, Infallible>(body)]), boundary);
    while let Some(field) = form.next_field().await.map_err(broken)? {
        if field.name() == Some("picture") {
            let picture = field.bytes().await.map_err(broken)?;
            return if picture.is_empty() { Err(Error::Missing("picture")) } else { Ok(picture.to_vec()) };
        }
    }
    Err(Error::Missing("picture"))
}

async fn remove_picture(call: Call, user: User) -> Result<Response> {
    users::remove_avatar(&call.app, &user).await?;
    Ok(lead_within(&call, "/app/account"))
}
