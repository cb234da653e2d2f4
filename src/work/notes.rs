//! What Last.fm says of artists and albums, where the settings turn that on: fetched when somebody asks, and kept for a month.
//!
//! Reference: <https://www.last.fm/api/show/artist.getInfo>, `album.getInfo` beside it.

use std::time::Duration;

use axum::http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

use crate::config::Switch;
use crate::error::{Error, Result};
use crate::library::names::search_key;
use crate::outgoing::{Failure, Limits};
use crate::store::notes as rows;
use crate::{App, now_ms};

pub use crate::store::notes::Notes;

const KEPT_MS: i64 = 30 * 24 * 60 * 60 * 1000;
/// Somebody waits for it.
const CALL: Limits = Limits { size_bytes: 1 << 20, time: Duration::from_secs(5) };
const LONGEST_TEXT_CHARS: usize = 20_000;

/// Of an artist. None where this is off, nothing is known, or the service does not answer in time.
pub async fn of_artist(app: &App, artist: &str) -> Option<Notes> {
    let subject = format!("artist {}", search_key(artist));
    of(app, subject, "artist.getInfo", &[("artist", artist)]).await
}

/// Of an album, by its artist's name and its own.
pub async fn of_album(app: &App, artist: &str, album: &str) -> Option<Notes> {
    let subject = format!("album {}\n{}", search_key(artist), search_key(album));
    of(app, subject, "album.getInfo", &[("artist", artist), ("album", album)]).await
}

async fn of(app: &App, subject: String, method: &str, about: &[(&str, &str)]) -> Option<Notes> {
    if app.config.notes == Switch::Off || about.iter().any(|(_, name)| name.is_empty() || name.len() > 1024) {
        return None;
    }
    let known = look_up(app, subject, method, about).await;
    let known = known.inspect_err(|cause| tracing::warn!(%cause, "what is said of an artist or album is not fetched"));
    known.ok().flatten().filter(|notes| *notes != Notes::default())
}

async fn look_up(app: &App, subject: String, method: &str, about: &[(&str, &str)]) -> Result<Option<Notes>> {
    let Some(key) = &app.config.lastfm_key else { return Ok(None) };
    let (name, since_ms) = (subject.clone(), now_ms() - KEPT_MS);
    if let Some(known) = app.db.read(move |tx| rows::get(tx, &name, since_ms)).await? {
        return Ok(Some(known));
    }
    let own = [("method", method), ("api_key", &key.key), ("autocorrect", "1"), ("format", "json")];
    let query = serde_html_form::to_string([own.as_slice(), about].concat())
        .map_err(|cause| Error::internal("notes", cause))?;
    let Ok(said) = ask(app, &format!("{}?{query}", app.config.lastfm_url)).await else { return Ok(None) };
    // One that the service does not know is error 6, which is kept as well.
    if said["error"].as_i64().is_some_and(|error| error != 6) {
        return Ok(None);
    }
    let notes = read(&said);
    let kept = notes.clone();
    app.db.write(move |tx| rows::put(tx, &subject, &kept, now_ms())).await?;
    Ok(Some(notes))
}

async fn ask(app: &App, address: &str) -> Result<Value, Failure> {
    let answer = app.outgoing.call(Method::GET, address, HeaderMap::new(), String::new(), CALL).await?;
    if !matches!(answer.status, StatusCode::OK | StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND) {
        return Err(Failure::Status(answer.status.as_u16()));
    }
    serde_json::from_slice(&answer.whole().await?).map_err(|_| Failure::Broken)
}

fn read(said: &Value) -> Notes {
    let (artist, album) = (&said["artist"], &said["album"]);
    let about = if artist.is_object() { artist } else { album };
    let words = if artist.is_object() { &artist["bio"] } else { &album["wiki"] };
    let text = |value: &Value, most: usize| -> String {
        value.as_str().unwrap_or_default().chars().filter(|c| !c.is_control() || *c == '\n').take(most).collect()
    };
    // It ends with a link in HTML to its page, which `url` has as well.
    let summary = text(&words["summary"], LONGEST_TEXT_CHARS);
    let url = text(&about["url"], 1024);
    Notes {
        text: summary.split("<a href").next().unwrap_or_default().trim().to_owned(),
        url: if url.starts_with("https://") { url } else { String::new() },
        musicbrainz_id: text(&about["mbid"], 36),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_about_artists_and_albums_are_read_without_their_markup() {
        let artist = json!({"artist": {
            "name": "Cher", "mbid": "bfcc6d75", "url": "https://www.last.fm/music/Cher",
            "bio": {"summary": "Cher sings. <a href=\"https://www.last.fm/music/Cher\">Read more on Last.fm</a>"}
        }});
        let notes = read(&artist);
        assert_eq!((notes.text.as_str(), notes.url.as_str()), ("Cher sings.", "https://www.last.fm/music/Cher"));
        assert_eq!(notes.musicbrainz_id, "bfcc6d75");
        let album = json!({"album": {"name": "Believe", "url": "javascript:x", "wiki": {"summary": "An album."}}});
        assert_eq!(read(&album), Notes { text: "An album.".to_owned(), ..Notes::default() });
        assert_eq!(read(&json!({"error": 6})), Notes::default());
        assert_eq!(read(&json!([1])), Notes::default());
    }
}
