//! The server itself and its scans.

use super::Asked;
use super::answers::*;
use super::auth::Means;
use super::envelope::Payload;
use crate::App;
use crate::error::{Error, Result};
use crate::store::music;
use crate::work::scan::Status;
use crate::work::sounds;

pub async fn ping(_: Asked) -> Result<Payload> {
    Ok(Payload::Empty)
}

pub async fn get_license(_: Asked) -> Result<Payload> {
    Ok(Payload::License(License { valid: true }))
}

/// What of OpenSubsonic's additions works here.
pub fn extensions(app: &App) -> Payload {
    let extension =
        |(name, versions): (&str, &[u32])| OpenSubsonicExtension { name: name.to_owned(), versions: versions.to_vec() };
    let sonic = sounds::is_on(app).then_some(("sonicSimilarity", &[1][..]));
    let always: [(&str, &[u32]); 9] = [
        ("apiKeyAuthentication", &[1]),
        ("formPost", &[1]),
        ("getPodcastEpisode", &[1]),
        ("indexBasedQueue", &[1]),
        ("playbackReport", &[1]),
        ("songLyrics", &[1, 2]),
        ("topSongsByArtistId", &[1]),
        ("transcodeOffset", &[1]),
        ("transcoding", &[1]),
    ];
    Payload::OpenSubsonicExtensions(always.into_iter().chain(sonic).map(extension).collect())
}

/// Whose key it is. One who came without a key did not send what is asked about.
pub async fn token_info(asked: Asked) -> Result<Payload> {
    match asked.means {
        Means::ApiKey => Ok(Payload::TokenInfo(TokenInfo { username: asked.user.name })),
        Means::Password | Means::Token => Err(Error::Missing("apiKey")),
    }
}

pub async fn get_scan_status(asked: Asked) -> Result<Payload> {
    let status = asked.call.app.scanner.status();
    scan_status(&asked, status).await
}

/// It was begun, so says the answer, though a small library may be through by now.
pub async fn start_scan(asked: Asked) -> Result<Payload> {
    let scanner = &asked.call.app.scanner;
    scanner.request_all();
    let status = Status { is_scanning: true, ..scanner.status() };
    scan_status(&asked, status).await
}

/// Counts tracks: what is shown as the size of the collection.
async fn scan_status(asked: &Asked, status: Status) -> Result<Payload> {
    let count = asked.read(music::track_count).await?;
    Ok(Payload::ScanStatus(ScanStatus { scanning: status.is_scanning, count: Some(count) }))
}
