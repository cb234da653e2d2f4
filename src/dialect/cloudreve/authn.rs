//! Passkeys: making and removing them, and signing in by one.

use serde::{Deserialize, Serialize};

use super::{Failure, Outcome, WRONG_CREDENTIAL, answers, data, done, query, session};
use crate::account::User;
use crate::error::{Error, Result};
use crate::http::Call;
use crate::store::site;
use crate::work::passkeys::{self, Party};

const SIGN_IN_OVER: Failure = Failure::Code(40023, "This sign-in took too long; begin again");
const NOT_MADE: Failure = Failure::Code(40025, "The passkey is not valid here");

async fn party(call: &Call) -> Result<Option<Party>> {
    let site = call.app.db.recall("site", "", site::read).await?;
    Ok(passkeys::party(&call.origin.base, &site.title))
}

pub async fn put_user_authn(call: Call, user: User) -> Outcome {
    let party = party(&call).await?;
    data(&passkeys::offer(&call.app, &user, party).await?)
}

#[derive(Deserialize)]
struct Made {
    /// What the browser made, as JSON within a string.
    response: Option<String>,
    /// May hold `{os}` and `{browser}`, which `ua` tells.
    name: Option<String>,
    ua: Option<String>,
}

pub async fn post_user_authn(mut call: Call, user: User) -> Outcome {
    let made: Made = call.json().await?;
    let response = made.response.ok_or(Error::Missing("response"))?;
    let agent = made.ua.unwrap_or_default();
    let name =
        made.name.unwrap_or_default().replace("{os}", system_of(&agent)).replace("{browser}", browser_of(&agent));
    let party = party(&call).await?;
    match passkeys::add(&call.app, &user, party, &response, &name).await? {
        Some(passkey) => data(&answers::Passkey::of(&passkey)),
        None => Err(NOT_MADE),
    }
}

/// What a browser says that it runs on. One name may stand in another's: the first that fits is meant.
fn system_of(agent: &str) -> &'static str {
    const SYSTEMS: [(&str, &str); 6] = [
        ("Windows", "Windows"),
        ("Android", "Android"),
        ("iPhone", "iOS"),
        ("iPad", "iPadOS"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ];
    SYSTEMS.iter().find(|(word, _)| agent.contains(word)).map_or("a device", |(_, name)| name)
}

fn browser_of(agent: &str) -> &'static str {
    const BROWSERS: [(&str, &str); 5] =
        [("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari")];
    BROWSERS.iter().find(|(word, _)| agent.contains(word)).map_or("A browser", |(_, name)| name)
}

pub async fn delete_user_authn(call: Call, user: User) -> Outcome {
    let id = query(&call)?.need("id")?.to_owned();
    passkeys::remove(&call.app, &user, &id).await?;
    done()
}

#[derive(Serialize)]
struct Begun<T> {
    options: T,
    session_id: String,
}

pub async fn put_session_authn(call: Call, _: Option<User>) -> Outcome {
    let party = party(&call).await?;
    let (options, session_id) = passkeys::begin(&call.app, party)?;
    data(&Begun { options, session_id })
}

#[derive(Deserialize)]
struct Shown {
    response: Option<String>,
    session_id: Option<String>,
}

pub async fn post_session_authn(mut call: Call, _: Option<User>) -> Outcome {
    let shown: Shown = call.json().await?;
    let response = shown.response.ok_or(Error::Missing("response"))?;
    let begun = shown.session_id.ok_or(Error::Missing("session_id"))?;
    let party = party(&call).await?;
    match passkeys::finish(&call.app, party, &begun, &response).await {
        Ok(Some(user)) => session::signed_in(&call, &user).await,
        Ok(None) => Err(SIGN_IN_OVER),
        Err(Error::WrongCredentials) => Err(WRONG_CREDENTIAL),
        Err(error) => Err(error.into()),
    }
}
