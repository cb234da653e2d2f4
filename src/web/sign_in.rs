//! Signing in to the pages and out again; who is signed in.

use axum::http::{Method, StatusCode};
use axum::response::Response;

use super::pages::{CodePage, CodeProblem, SignInPage, SignInProblem};
use super::{encoded, lead_within, page};
use crate::account::User;
use crate::error::{Error, Result};
use crate::http::fields::Fields;
use crate::http::{Call, Cookie, Route, set_cookie};
use crate::work::second_factor::{self, Step};
use crate::work::signin::{self, FirstStep};

pub const ROUTES: &[Route] = routes! {
    Person {
        "signInPage" GET "/app/sign-in" Open sign_in_page;
        "signIn" POST "/app/sign-in" Open sign_in;
        "signInCode" POST "/app/sign-in/code" Open sign_in_code;
        "signOut" POST "/app/sign-out" Open sign_out;
    }
};

/// Of sessions that begin here.
pub(super) const DOOR: &str = "page";
const SESSION_COOKIE: &str = "openshelf-session";
const SESSION_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// Where those are led who say no other page of ours.
const HOME: &str = "/app/shares";

/// Who is signed in to the pages.
pub(super) async fn user_of(call: &Call) -> Result<Option<User>> {
    match call.cookie(SESSION_COOKIE) {
        Some(cookie) => signin::session_by_secret(&call.app, DOOR, cookie).await,
        None => Ok(None),
    }
}

/// To the sign-in page, and back.
pub(super) fn lead_to_sign_in(call: &Call) -> Response {
    let here = call.parts.uri.path_and_query().map_or(HOME, |path| path.as_str());
    let next = if call.parts.method == Method::POST { HOME } else { here };
    lead_within(call, &format!("/app/sign-in?next={}", encoded(next)))
}

/// A path of our own pages, or none: nobody is led elsewhere by a link to the sign-in page.
pub(super) fn local_path(next: Option<&str>) -> Option<String> {
    let leads_on = |path: &&str| {
        let (names, _) = path.split_once(['?', '#']).unwrap_or((path, ""));
        (names.starts_with("/app/") || names.starts_with("/s/"))
            // Browsers drop tabs and line ends from an address, and climb at dots, also at encoded ones.
            && !path.contains(|c: char| c == '\\' || c.is_control())
            && !names.contains("//")
            && !names.to_ascii_lowercase().replace("%2e", ".").split('/').any(|name| name == ".." || name == ".")
    };
    next.filter(leads_on).map(str::to_owned)
}

async fn sign_in_page(call: Call) -> Result<Response> {
    let next = Fields::of_query(&call).ok().and_then(|query| local_path(query.get("next")));
    Ok(ask_to_sign_in(&call, StatusCode::OK, String::new(), next, None))
}

pub(super) fn ask_to_sign_in(
    call: &Call,
    status: StatusCode,
    user: String,
    next: Option<String>,
    problem: Option<SignInProblem>,
) -> Response {
    let openid = call.app.openid.as_ref().map(|provider| provider.name().to_owned());
    page(status, &SignInPage { base: call.origin.prefix().to_owned(), user, next, openid, problem })
}

async fn sign_in(mut call: Call) -> Result<Response> {
    let fields = Fields::of_form(&mut call).await?;
    let (name, next) = (fields.get("user").unwrap_or_default(), local_path(fields.get("next")));
    let password = fields.get("password").unwrap_or_default();
    let (status, problem) = match signin::first_step(&call.app, name, password, &call.guest()).await {
        Ok(step) => return after_first_step(&call, step, next).await,
        Err(Error::WrongCredentials) => (StatusCode::FORBIDDEN, SignInProblem::WrongCredentials),
        Err(Error::Throttled { retry_after_s }) => {
            (StatusCode::TOO_MANY_REQUESTS, SignInProblem::Throttled { retry_after_s })
        }
        Err(error) => return Err(error),
    };
    Ok(ask_to_sign_in(&call, status, name.to_owned(), next, Some(problem)))
}

pub(super) async fn after_first_step(call: &Call, step: FirstStep, next: Option<String>) -> Result<Response> {
    match step {
        FirstStep::Done(user) => signed_in(call, &user, next).await,
        FirstStep::NeedsCode(user) => Ok(ask_for_code(call, second_factor::second_step(&call.app, &user), next, None)),
        FirstStep::NotActivated => {
            let problem = Some(SignInProblem::NotActivated);
            Ok(ask_to_sign_in(call, StatusCode::FORBIDDEN, String::new(), next, problem))
        }
    }
}

fn ask_for_code(call: &Call, step: String, next: Option<String>, problem: Option<CodeProblem>) -> Response {
    let status = match &problem {
        None => StatusCode::OK,
        Some(CodeProblem::Wrong) => StatusCode::FORBIDDEN,
        Some(CodeProblem::Throttled { .. }) => StatusCode::TOO_MANY_REQUESTS,
    };
    page(status, &CodePage { base: call.origin.prefix().to_owned(), step, next, problem })
}

/// The second step: a code of the user's second factor.
async fn sign_in_code(mut call: Call) -> Result<Response> {
    let fields = Fields::of_form(&mut call).await?;
    let (step, code) = (fields.get("step").unwrap_or_default(), fields.get("code").unwrap_or_default());
    let next = local_path(fields.get("next"));
    let problem = match second_factor::finish(&call.app, step, code).await {
        Ok(Step::Done(user)) => return signed_in(&call, &user, next).await,
        Ok(Step::WrongCode) => CodeProblem::Wrong,
        Ok(Step::Over) => {
            let problem = Some(SignInProblem::Expired);
            return Ok(ask_to_sign_in(&call, StatusCode::FORBIDDEN, String::new(), next, problem));
        }
        Err(Error::Throttled { retry_after_s }) => CodeProblem::Throttled { retry_after_s },
        Err(error) => return Err(error),
    };
    Ok(ask_for_code(&call, step.to_owned(), next, Some(problem)))
}

async fn signed_in(call: &Call, user: &User, next: Option<String>) -> Result<Response> {
    let opened = signin::open_session(&call.app, user, DOOR, call.agent(), SESSION_MS).await?;
    let mut response = lead_within(call, next.as_deref().unwrap_or(HOME));
    set_session(call, &mut response, &format!("{}.{}", opened.id, opened.secret), SESSION_MS / 1000);
    Ok(response)
}

fn set_session(call: &Call, response: &mut Response, value: &str, lasts_s: i64) {
    let path = format!("{}/", call.origin.prefix());
    set_cookie(call, response, &Cookie { name: SESSION_COOKIE, value, path: &path, lasts_s });
}

async fn sign_out(call: Call) -> Result<Response> {
    if let Some((id, _)) = call.cookie(SESSION_COOKIE).and_then(|cookie| cookie.split_once('.'))
        && let Ok(Some(_)) = user_of(&call).await
    {
        signin::end_session(&call.app, id).await?;
    }
    let mut response = lead_within(&call, "/app/sign-in");
    set_session(&call, &mut response, "", 0);
    Ok(response)
}
