//! Orders about who is told what users play.

use super::{Reply, ScrobbleLine, Secret, Service, users};
use crate::App;
use crate::error::Result;
use crate::store::scrobbles as rows;
use crate::work::scrobbles;

pub(super) async fn list(app: &App) -> Result<Reply> {
    let links = app.db.read(rows::links).await?;
    Ok(Reply::Scrobbles(links.into_iter().map(line).collect()))
}

fn line((link, waiting): (rows::Link, u64)) -> ScrobbleLine {
    ScrobbleLine {
        user: link.user_name,
        service: link.target.text().to_owned(),
        name: link.name,
        refused: link.is_refused,
        waiting,
    }
}

pub(super) async fn link_listenbrainz(app: &App, name: String, token: &Secret) -> Result<Reply> {
    let user = users::named(app, name).await?;
    let there = scrobbles::link_listenbrainz(app, &user, &token.0).await?;
    Ok(Reply::Done(format!("What {:?} plays is told to ListenBrainz, as {there:?}.", user.name)))
}

pub(super) async fn begin_lastfm(app: &App) -> Result<Reply> {
    let (token, address) = scrobbles::begin_lastfm(app).await?;
    Ok(Reply::Allow { token: Secret(token), address })
}

pub(super) async fn link_lastfm(app: &App, name: String, token: &Secret) -> Result<Reply> {
    let user = users::named(app, name).await?;
    let there = scrobbles::link_lastfm(app, &user, &token.0).await?;
    Ok(Reply::Done(format!("What {:?} plays is told to Last.fm, as {there:?}.", user.name)))
}

pub(super) async fn unlink(app: &App, name: String, service: Service) -> Result<Reply> {
    let user = users::named(app, name).await?;
    scrobbles::unlink(app, &user, service.target()).await?;
    Ok(Reply::Done(format!("What {:?} plays is told to nobody there.", user.name)))
}
