//! Scrobbles: what users play is told to the services that they linked. Nothing is told of those who linked none.
//!
//! A play is kept as a row with its commit, and forgotten when the service has taken it; while the service is away it waits.

mod lastfm;
mod listenbrainz;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::account::User;
use crate::error::{Error, Result};
use crate::outgoing::{Failure, Limits};
use crate::store::scrobbles::{self as rows, Link, Play, Target};
use crate::{App, now_ms};

const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Nobody else sends the same for as long.
const CLAIM_MS: i64 = 2 * 60 * 1000;
const MOST_AT_ONCE: i64 = 50;
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);
const CALL: Limits = Limits { size_bytes: 1 << 20, time: Duration::from_secs(60) };

/// Wakes whoever sends.
#[derive(Default)]
pub struct Scrobbles {
    kept: Notify,
}

impl Scrobbles {
    /// Something was kept, perhaps.
    pub fn wake(&self) {
        self.kept.notify_one();
    }
}

/// Why a service did not take what it was sent.
#[derive(Debug)]
enum Refusal {
    /// It takes the user's secret no more.
    Secret,
    /// It takes these plays never.
    Plays,
    /// It may take them later.
    Later(String),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Refusal {
        Refusal::Later(failure.to_string())
    }
}

/// Links the user's account at ListenBrainz by its token. Tells what they are called there.
pub async fn link_listenbrainz(app: &App, user: &User, token: &str) -> Result<String> {
    let name = listenbrainz::name_of(app, token).await.map_err(|refusal| cannot_link("token", refusal))?;
    link(app, user, Target::ListenBrainz, &name, token).await?;
    Ok(name)
}

/// Begins to link an account at Last.fm: a token, and the address where its holder allows it.
pub async fn begin_lastfm(app: &App) -> Result<(String, String)> {
    let key = lastfm::key(app)?;
    let token = lastfm::token(app, key).await.map_err(|refusal| cannot_link("token", refusal))?;
    let address = format!("https://www.last.fm/api/auth/?api_key={}&token={token}", key.key);
    Ok((token, address))
}

/// Links the account at Last.fm that allowed the token. Tells what the user is called there.
pub async fn link_lastfm(app: &App, user: &User, token: &str) -> Result<String> {
    let key = lastfm::key(app)?;
    let (name, session) = lastfm::session(app, key, token).await.map_err(|refusal| cannot_link("token", refusal))?;
    link(app, user, Target::Lastfm, &name, &session).await?;
    Ok(name)
}

fn cannot_link(what: &'static str, refusal: Refusal) -> Error {
    Error::invalid(
        what,
        match refusal {
            Refusal::Secret | Refusal::Plays => "the service does not take it".to_owned(),
            Refusal::Later(why) => format!("the service cannot be asked: {why}"),
        },
    )
}

async fn link(app: &App, user: &User, target: Target, name: &str, secret: &str) -> Result<()> {
    let sealed = app.keys.seal(&seal_of(&user.id, target), secret);
    let (key, name) = (user.key, name.to_owned());
    app.db.write(move |tx| rows::link(tx, key, target, &name, sealed, now_ms())).await?;
    app.scrobbles.wake();
    Ok(())
}

/// What waits for the service is forgotten.
pub async fn unlink(app: &App, user: &User, target: Target) -> Result<()> {
    let key = user.key;
    app.db.write(move |tx| rows::unlink(tx, key, target)).await
}

fn seal_of(user_id: &str, target: Target) -> String {
    format!("{} of user {user_id}", target.text())
}

/// Tells services what waits for them, for as long as the server runs.
pub async fn tend(app: Arc<App>) {
    loop {
        let pause = match send_next(&app).await {
            Ok(Some(pause)) => pause,
            Ok(None) => continue,
            Err(cause) => {
                tracing::warn!(%cause, "plays are not told");
                LOOK_EVERY
            }
        };
        let _ = tokio::time::timeout(pause, app.scrobbles.kept.notified()).await;
    }
}

/// Sends what is due, if anything is; else tells how long there is nothing to do.
async fn send_next(app: &App) -> Result<Option<Duration>> {
    let now = now_ms();
    match app.db.read(rows::next_due_ms).await? {
        None => return Ok(Some(LOOK_EVERY)),
        Some(due_ms) if due_ms > now => {
            return Ok(Some(LOOK_EVERY.min(Duration::from_millis((due_ms - now).unsigned_abs()))));
        }
        Some(_) => {}
    }
    let taken = app.db.write(move |tx| rows::take(tx, now, now + CLAIM_MS, MOST_AT_ONCE)).await?;
    let Some((link, plays)) = taken else { return Ok(Some(LOOK_EVERY)) };
    let secret = app.keys.open(&seal_of(&link.user_id, link.target), &link.secret_sealed)?;
    let told = match link.target {
        Target::ListenBrainz => listenbrainz::tell(app, &secret, &plays).await,
        Target::Lastfm => lastfm::tell(app, &secret, &plays).await,
    };
    settle(app, link, &plays, told).await?;
    Ok(None)
}

async fn settle(app: &App, link: Link, plays: &[Play], told: Result<(), Refusal>) -> Result<()> {
    let keys: Vec<i64> = plays.iter().map(|play| play.key).collect();
    let service = link.target.text();
    let why = match told {
        Ok(()) => return app.db.write(move |tx| rows::set_told(tx, &link, &keys)).await,
        Err(Refusal::Plays) if keys.len() == 1 => {
            tracing::warn!(service, "a play is not taken, and forgotten");
            return app.db.write(move |tx| rows::set_told(tx, &link, &keys)).await;
        }
        Err(Refusal::Secret) => {
            tracing::warn!(service, user = link.user.0, "a linked account is refused; link it anew");
            return app.db.write(move |tx| rows::set_refused(tx, &link)).await;
        }
        Err(Refusal::Plays) => "one of the plays is not taken".to_owned(),
        Err(Refusal::Later(why)) => why,
    };
    tracing::info!(service, why, "plays wait");
    let doubled = FIRST_PAUSE.saturating_mul(1 << link.failures.clamp(0, 16)).min(LONGEST_PAUSE);
    let due_ms = now_ms() + doubled.as_millis() as i64;
    app.db.write(move |tx| rows::set_failed(tx, &link, due_ms)).await
}
