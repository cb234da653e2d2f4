//! The server itself, its users and its scans.

use super::Asked;
use super::answers::*;
use super::auth::Means;
use super::envelope::Payload;
use crate::account::name_key;
use crate::error::{Error, Result, Thing};
use crate::store::{accounts, music, rights};
use crate::work::scan::Status;

pub async fn ping(_: Asked) -> Result<Payload> {
    Ok(Payload::Empty)
}

pub async fn get_license(_: Asked) -> Result<Payload> {
    Ok(Payload::License(License { valid: true }))
}

/// What of OpenSubsonic's additions works here.
pub fn extensions() -> Payload {
    let extension = |name: &str| OpenSubsonicExtension { name: name.to_owned(), versions: vec![1] };
    Payload::OpenSubsonicExtensions(
        ["apiKeyAuthentication", "formPost", "getPodcastEpisode", "songLyrics", "transcodeOffset"]
            .map(extension)
            .into(),
    )
}

/// Whose key it is. One who came without a key did not send what is asked about.
pub async fn token_info(asked: Asked) -> Result<Payload> {
    match asked.means {
        Means::ApiKey => Ok(Payload::TokenInfo(TokenInfo { username: asked.user.name })),
        Means::Password | Means::Token => Err(Error::Missing("apiKey")),
    }
}

/// The caller; administrators may ask about others.
pub async fn get_user(asked: Asked) -> Result<Payload> {
    let login = asked.params.need("username")?.to_owned();
    let own = [&asked.user.name, &asked.user.mail].into_iter().any(|name| name_key(name) == name_key(&login));
    if !own && !asked.user.is_admin() {
        return Err(Error::Forbidden("this is somebody else"));
    }
    let find = move |tx: &mut crate::store::Tx| {
        let user = accounts::by_login(tx, &login)?.ok_or(Error::NotFound(Thing::User))?;
        let scope = rights::scope(tx, &user)?;
        Ok(User::of(&user, scope.libraries().iter().map(|library| library.0).collect()))
    };
    Ok(Payload::User(asked.call.app.db.read(find).await?))
}

pub async fn get_scan_status(asked: Asked) -> Result<Payload> {
    let status = asked.call.app.scanner.status();
    scan_status(&asked, status).await
}

pub async fn start_scan(asked: Asked) -> Result<Payload> {
    asked.call.app.scanner.request_all();
    let status = asked.call.app.scanner.status();
    scan_status(&asked, status).await
}

/// Counts tracks: what is shown as the size of the collection.
async fn scan_status(asked: &Asked, status: Status) -> Result<Payload> {
    let count = asked.read(music::track_count).await?;
    Ok(Payload::ScanStatus(ScanStatus { scanning: status.is_scanning, count: Some(count) }))
}
