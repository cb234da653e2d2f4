//! Signing in by the OpenID provider of the settings, and linking an account to who its user is there.

use axum::http::{StatusCode, header};
use axum::response::Response;

use super::account::{self, AccountProblem};
use super::pages::{LeadOnPage, SignInProblem};
use super::sign_in::{DOOR, after_first_step, ask_to_sign_in, local_path, user_of};
use super::{lead_within, page};
use crate::account::User;
use crate::error::{Error, Result};
use crate::http::fields::Fields;
use crate::http::{Call, Cookie, Route, put_header, set_cookie};
use crate::work::openid::{self, Beginner, Bringer, Brought, COOKIE, LASTS_MS, Present, Problem, Return};

pub const ROUTES: &[Route] = routes! {
    Person {
        "signInByOpenId" POST "/app/sign-in/openid" Open sign_in;
        // What finishes a sign-in is not tried by HEAD.
        "backFromOpenId" GET_ALONE CALLBACK Open back;
        "linkOpenId" POST "/app/account/openid" User link;
        "unlinkOpenId" POST "/app/account/openid/unlink" User unlink;
    }
};

/// Where the provider sends browsers back to, beneath what links begin with.
pub const CALLBACK: &str = "/app/openid";

async fn sign_in(mut call: Call) -> Result<Response> {
    let fields = Fields::of_form(&mut call).await?;
    lead_on(&call, None, local_path(fields.get("next"))).await
}

async fn link(call: Call, user: User) -> Result<Response> {
    lead_on(&call, Some(&user), None).await
}

/// A page that leads on by itself: browsers let no form of ours lead to another site at once.
async fn lead_on(call: &Call, user: Option<&User>, next: Option<String>) -> Result<Response> {
    let redirect_uri = format!("{}{CALLBACK}", call.origin.base);
    let back = Return { door: DOOR, begun_by: Beginner::Browser, redirect_uri, next: next.clone(), hint: None };
    let begun = match openid::begin(&call.app, user, back).await {
        Ok(begun) => begun,
        Err(problem) => return failed(call, problem, next).await,
    };
    let name = call.app.openid.as_ref().map_or("", |provider| provider.name()).to_owned();
    let view = LeadOnPage { base: call.origin.prefix().to_owned(), name, address: begun.address };
    let mut response = page(StatusCode::OK, &view);
    put_header(&mut response, header::REFRESH, &format!("0; url={}", view.address));
    keep(call, &mut response, begun.cookie.as_deref().unwrap_or_default(), LASTS_MS / 1000);
    Ok(response)
}

fn keep(call: &Call, response: &mut Response, value: &str, lasts_s: i64) {
    let path = format!("{}{CALLBACK}", call.origin.prefix());
    set_cookie(call, response, &Cookie { name: COOKIE, value, path: &path, lasts_s });
}

async fn back(call: Call) -> Result<Response> {
    match finished(&call).await {
        Ok(mut response) => {
            keep(&call, &mut response, "", 0);
            Ok(response)
        }
        // The cookie stays: another site that leads here ends nothing that is under way.
        Err(problem) => {
            let query = Fields::of_query(&call).ok();
            let next = query.and_then(|query| openid::next(&call.app, query.get("state")?));
            failed(&call, problem, next).await
        }
    }
}

async fn finished(call: &Call) -> Result<Response, Problem> {
    let query = Fields::of_query(call)?;
    if query.get("error").is_some() {
        return Err(Problem::Declined);
    }
    let (state, code) = (query.need("state")?, query.need("code")?);
    let user = user_of(call).await?;
    let present = user.as_ref().map_or(Present::Nobody, Present::User);
    let brought = Brought { door: DOOR, state, code, by: Bringer::Browser(call.cookie(COOKIE)), present };
    let finished = openid::finish(&call.app, brought, &call.guest()).await?;
    match finished.step {
        Some(step) => Ok(after_first_step(call, step, finished.next).await?),
        None => Ok(lead_within(call, "/app/account")),
    }
}

/// The page that they came from, with what happened.
async fn failed(call: &Call, problem: Problem, next: Option<String>) -> Result<Response> {
    let (status, shown) = match &problem {
        Problem::Off => (StatusCode::NOT_FOUND, problem.to_string()),
        Problem::Of(Error::WrongCredentials) => (StatusCode::FORBIDDEN, "Your account is closed".to_owned()),
        Problem::Of(Error::Throttled { .. }) => (StatusCode::TOO_MANY_REQUESTS, problem.to_string()),
        Problem::Of(error) => return Err(error.clone()),
        Problem::Unreachable(_) => (StatusCode::BAD_GATEWAY, problem.to_string()),
        _ => (StatusCode::FORBIDDEN, problem.to_string()),
    };
    match user_of(call).await? {
        Some(user) => account::shown(call, &user, status, AccountProblem::OpenId(shown)).await,
        None => Ok(ask_to_sign_in(call, status, String::new(), next, Some(SignInProblem::OpenId(shown)))),
    }
}

async fn unlink(call: Call, user: User) -> Result<Response> {
    match openid::unlink(&call.app, &user).await {
        Ok(()) => Ok(lead_within(&call, "/app/account")),
        Err(problem) => failed(&call, problem, None).await,
    }
}
