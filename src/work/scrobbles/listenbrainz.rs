//! ListenBrainz: <https://listenbrainz.readthedocs.io/en/latest/users/api/core.html>. Others speak it, too.

use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{CALL, Refusal};
use crate::App;
use crate::outgoing::header_value;
use crate::store::scrobbles::Play;

/// Whose token it is.
pub(super) async fn name_of(app: &App, token: &str) -> Result<String, Refusal> {
    let said = call(app, Method::GET, "validate-token", token, String::new()).await?;
    match (&said["valid"], said["user_name"].as_str()) {
        (Value::Bool(true), Some(name)) => Ok(name.chars().take(100).collect()),
        _ => Err(Refusal::Secret),
    }
}

pub(super) async fn tell(app: &App, token: &str, plays: &[Play]) -> Result<(), Refusal> {
    let listens: Vec<Value> = plays.iter().map(listen).collect();
    let kind = if listens.len() == 1 { "single" } else { "import" };
    let body = json!({ "listen_type": kind, "payload": listens }).to_string();
    call(app, Method::POST, "submit-listens", token, body).await.map(drop)
}

fn listen(play: &Play) -> Value {
    let mut more = json!({
        "media_player": "Openshelf",
        "submission_client": "Openshelf",
        "submission_client_version": env!("CARGO_PKG_VERSION"),
        "duration_ms": play.duration_ms,
    });
    if let Some(number) = play.number {
        more["tracknumber"] = number.into();
    }
    if !play.musicbrainz_id.is_empty() {
        more["recording_mbid"] = play.musicbrainz_id.as_str().into();
    }
    let mut track = json!({ "artist_name": play.artist, "track_name": play.title, "additional_info": more });
    if !play.album.is_empty() {
        track["release_name"] = play.album.as_str().into();
    }
    json!({ "listened_at": play.played_ms.div_euclid(1000), "track_metadata": track })
}

async fn call(app: &App, method: Method, name: &str, token: &str, body: String) -> Result<Value, Refusal> {
    let mut headers = HeaderMap::new();
    let mut secret = header_value(&format!("Token {token}")).ok_or(Refusal::Secret)?;
    secret.set_sensitive(true);
    headers.insert(header::AUTHORIZATION, secret);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let address = format!("{}/1/{name}", app.config.listenbrainz_url);
    let answer = app.outgoing.call(method, &address, headers, body, CALL).await?;
    match answer.status {
        StatusCode::OK => serde_json::from_slice(&answer.whole().await?)
            .map_err(|_| Refusal::Later("its answer is not understood".to_owned())),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Refusal::Secret),
        StatusCode::BAD_REQUEST => Err(Refusal::Plays),
        status => Err(Refusal::Later(format!("it answers with status {}", status.as_u16()))),
    }
}
