//! Last.fm: <https://www.last.fm/api/scrobbling>, with the signature of <https://www.last.fm/api/desktopauth>.

use std::collections::BTreeMap;

use axum::http::Method;
use axum::http::header::{self, HeaderMap, HeaderValue};
use md5::{Digest, Md5};
use serde_json::Value;

use super::{CALL, Refusal};
use crate::App;
use crate::config::LastfmKey;
use crate::error::{Error, Result};
use crate::hex;
use crate::store::scrobbles::Play;

/// By the byte order of their names, as the signature wants them.
type Params = BTreeMap<String, String>;

pub(super) fn key(app: &App) -> Result<&LastfmKey> {
    let unset = || Error::invalid("service", "Last.fm needs --lastfm-key and --lastfm-secret of this server");
    app.config.lastfm_key.as_ref().ok_or_else(unset)
}

/// One that its holder may allow.
pub(super) async fn token(app: &App, key: &LastfmKey) -> Result<String, Refusal> {
    let said = call(app, key, "auth.getToken", Params::new()).await?;
    let token =
        said["token"].as_str().filter(|token| token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
    token.map(str::to_owned).ok_or_else(not_understood)
}

/// The name and the session key of whoever allowed the token.
pub(super) async fn session(app: &App, key: &LastfmKey, token: &str) -> Result<(String, String), Refusal> {
    let said = call(app, key, "auth.getSession", Params::from([("token".to_owned(), token.to_owned())])).await?;
    let session = &said["session"];
    match (session["name"].as_str(), session["key"].as_str()) {
        (Some(name), Some(key)) => Ok((name.chars().take(100).collect(), key.to_owned())),
        _ => Err(not_understood()),
    }
}

pub(super) async fn tell(app: &App, session: &str, plays: &[Play]) -> Result<(), Refusal> {
    let Some(key) = &app.config.lastfm_key else {
        return Err(Refusal::Later("this server has no key of its own there".to_owned()));
    };
    let mut params = Params::from([("sk".to_owned(), session.to_owned())]);
    for (at, play) in plays.iter().enumerate() {
        let mut put = |name: &str, value: String| {
            if !value.is_empty() {
                params.insert(format!("{name}[{at}]"), value);
            }
        };
        put("artist", play.artist.clone());
        put("track", play.title.clone());
        put("timestamp", play.played_ms.div_euclid(1000).to_string());
        put("album", play.album.clone());
        put("albumArtist", play.album_artist.clone());
        put("trackNumber", play.number.map(|number| number.to_string()).unwrap_or_default());
        put("duration", (play.duration_ms / 1000).to_string());
        put("mbid", play.musicbrainz_id.clone());
    }
    call(app, key, "track.scrobble", params).await.map(drop)
}

async fn call(app: &App, key: &LastfmKey, method: &str, mut params: Params) -> Result<Value, Refusal> {
    params.insert("method".to_owned(), method.to_owned());
    params.insert("api_key".to_owned(), key.key.clone());
    params.insert("api_sig".to_owned(), signature(&params, &key.secret));
    // Not signed.
    params.insert("format".to_owned(), "json".to_owned());
    let body = serde_html_form::to_string(&params).map_err(|_| not_understood())?;
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, form)]);
    let answer = app.outgoing.call(Method::POST, &app.config.lastfm_url, headers, body, CALL).await?;
    let status = answer.status;
    let said: Value = serde_json::from_slice(&answer.whole().await?).map_err(|_| not_understood())?;
    // Errors have a number of their own beside whatever status.
    match said["error"].as_i64() {
        None if status.is_success() => Ok(said),
        None => Err(Refusal::Later(format!("it answers with status {}", status.as_u16()))),
        Some(4 | 9 | 14 | 15 | 17) => Err(Refusal::Secret),
        Some(6 | 7) => Err(Refusal::Plays),
        Some(other) => Err(Refusal::Later(format!("it answers with error {other}"))),
    }
}

fn not_understood() -> Refusal {
    Refusal::Later("its answer is not understood".to_owned())
}

fn signature(params: &Params, secret: &str) -> String {
    let mut text: String = params.iter().map(|(name, value)| format!("{name}{value}")).collect();
    text.push_str(secret);
    hex(Md5::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_is_over_all_parameters_in_their_order_and_the_secret() {
        let params = [("token", "xxx"), ("method", "auth.getSession"), ("api_key", "yyy")];
        let params: Params = params.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let expected = hex(Md5::digest(b"api_keyyyymethodauth.getSessiontokenxxxmysecret"));
        assert_eq!(signature(&params, "mysecret"), expected);
    }
}
