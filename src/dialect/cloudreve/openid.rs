//! Signing in by the OpenID provider of the settings, which this protocol numbers 2: 0 and 1 are services of their own.

use axum::http::header;
use serde::{Deserialize, Serialize};

use super::{Failure, Outcome, WRONG_CREDENTIAL, answers, data, done, session};
use crate::account::User;
use crate::error::{Error, Result};
use crate::http::{Call, Cookie, set_cookie};
use crate::work::openid::{self, Beginner, Bringer, Brought, COOKIE, LASTS_MS, Present, Problem, Return};

const OPENID_CONNECT: u8 = 2;
const CALLS: &str = "/api/v4/session/openid";
const OTHER_PROVIDER: Error = Error::Unsupported("This provider");
const LONGEST_HINT_BYTES: usize = 254;

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        let code = |code, message| Failure::Code(code, message);
        match problem {
            Problem::Off => Error::Unsupported("Signing in by OpenID").into(),
            Problem::Over | Problem::Declined => code(40023, "This sign-in took too long, or is over; begin again"),
            Problem::Elsewhere => code(40023, "This sign-in was begun in another browser; begin again"),
            Problem::Unreachable(_) => code(50007, "The provider cannot be asked now; try again later"),
            Problem::Unconfirmed(_) => code(40020, "The provider did not confirm who you are; begin again"),
            Problem::NobodyLinked(_) => code(40068, "No account here is linked with yours there; sign in, and link it"),
            Problem::Taken => code(40032, "An account has your mail address or name already; sign in, and link it"),
            Problem::AlreadyLinked => code(40066, "Your account is linked already"),
            Problem::LinkedElsewhere(_) => code(40067, "Another account is linked with yours there"),
            Problem::NotLinked => code(40068, "Your account is not linked"),
            Problem::NoPassword => code(40084, "Your account has no password to sign in with in its place"),
            Problem::Of(Error::WrongCredentials) => WRONG_CREDENTIAL,
            Problem::Of(error) => error.into(),
        }
    }
}

/// One that a user is linked at.
#[derive(Serialize)]
pub struct Linked {
    provider: u8,
    linked_at: String,
}

impl Linked {
    pub fn since(linked_ms: i64) -> Linked {
        Linked { provider: OPENID_CONNECT, linked_at: answers::time(linked_ms) }
    }
}

#[derive(Deserialize)]
struct Prepare {
    provider: Option<i64>,
    linking: Option<bool>,
    hint: Option<String>,
}

fn check(provider: Option<i64>) -> Result<()> {
    if provider.is_none_or(|provider| provider == i64::from(OPENID_CONNECT)) { Ok(()) } else { Err(OTHER_PROVIDER) }
}

/// Browsers say one of the two with what a page's script puts or posts; scripts cannot leave both out.
fn is_browser(call: &Call) -> bool {
    call.header("sec-fetch-site").is_some() || call.header(header::ORIGIN).is_some()
}

pub async fn put_session_openid(mut call: Call, user: Option<User>) -> Outcome {
    let asked: Prepare = call.json().await?;
    check(asked.provider)?;
    let user = match (asked.linking, user) {
        (Some(true), None) => return Err(Error::SignInNeeded.into()),
        (Some(true), user) => user,
        _ => None,
    };
    let hint = asked.hint.filter(|hint| !hint.is_empty() && hint.len() <= LONGEST_HINT_BYTES);
    let redirect_uri = format!("{}/callback/openid/{OPENID_CONNECT}", call.origin.base);
    let begun_by = if is_browser(&call) { Beginner::Browser } else { Beginner::Program };
    let back = Return { door: session::DOOR, begun_by, redirect_uri, next: None, hint };
    let begun = openid::begin(&call.app, user.as_ref(), back).await?;
    let mut response = data(&begun.address)?;
    if let Some(value) = &begun.cookie {
        let path = format!("{}{CALLS}", call.origin.prefix());
        set_cookie(&call, &mut response, &Cookie { name: COOKIE, value, path: &path, lasts_s: LASTS_MS / 1000 });
    }
    Ok(response)
}

#[derive(Deserialize)]
struct Finish {
    code: Option<String>,
    session_id: Option<String>,
    provider_id: Option<i64>,
}

pub async fn post_session_openid(mut call: Call, user: Option<User>) -> Outcome {
    let brought: Finish = call.json().await?;
    check(brought.provider_id)?;
    let code = brought.code.filter(|code| !code.is_empty()).ok_or(Error::Missing("code"))?;
    let state = brought.session_id.filter(|state| !state.is_empty()).ok_or(Error::Missing("session_id"))?;
    let by = if is_browser(&call) { Bringer::Browser(call.cookie(COOKIE)) } else { Bringer::Program };
    let present = match (&user, call.bearer()) {
        (Some(user), _) => Present::User(user),
        (None, Some(_)) => Present::Nobody,
        (None, None) => Present::Untold,
    };
    let brought = Brought { door: session::DOOR, state: &state, code: &code, by, present };
    match openid::finish(&call.app, brought, &call.guest()).await?.step {
        Some(step) => session::after_first_step(&call, step).await,
        None => done(),
    }
}

pub async fn delete_session_openid(call: Call, user: User) -> Outcome {
    check(Some(call.path("id").parse().map_err(|_| Error::invalid("provider_id", "a number"))?))?;
    openid::unlink(&call.app, &user).await?;
    done()
}
