//! Listening to the music: in the background, one track after the other, behind everything else.
//!
//! What was heard is stored track by track, so that a server that is killed goes on where it was. A file that cannot be
//! listened to is not tried again until it changes; one that cannot be opened, as of a disk that is away, waits.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;

use super::roots;
use crate::App;
use crate::config::Switch;
use crate::error::{Error, Result};
use crate::library::ItemKey;
use crate::library::sound::{DIMENSIONS, Sound};
use crate::media::child::Child;
use crate::media::sound as media;
use crate::store::sounds::{self as rows, Unheard};
use crate::store::{Tx, library};

/// Between two looks at whether something came or changed.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Whether tracks are compared by their sound here.
pub fn is_on(app: &App) -> bool {
    app.config.sound_analysis == Switch::On && app.renditions.ffmpeg_program().is_some()
}

/// Listens for as long as the server runs.
pub async fn listen(app: Arc<App>) {
    let Some(ffmpeg) = app.renditions.ffmpeg_program().filter(|_| is_on(&app)) else { return };
    let mut heard = None;
    loop {
        match listen_to_new(&app, ffmpeg, heard).await {
            Ok(revision) => heard = revision,
            Err(cause) => tracing::warn!(%cause, "music is not listened to; it is tried again"),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Answers up to which state of the libraries all is heard.
async fn listen_to_new(app: &App, ffmpeg: &Path, heard: Option<i64>) -> Result<Option<i64>> {
    let revision = app.db.read(rows::libraries_revision).await?;
    if heard == Some(revision) || app.scanner.status().is_scanning {
        return Ok(heard);
    }
    let mut after = ItemKey(0);
    while let Some((tracks, last)) = app.db.read(move |tx| rows::unheard(tx, after)).await? {
        for track in tracks {
            listen_to(app, ffmpeg, track).await?;
        }
        after = last;
    }
    app.db.write(rows::forget_unused).await?;
    Ok(Some(revision))
}

async fn listen_to(app: &App, ffmpeg: &Path, track: Unheard) -> Result<()> {
    let place = move |tx: &mut Tx| match library::item(tx, track.item)? {
        Some(item) => Ok(library::place(tx, item, &[]).ok()),
        None => Ok(None),
    };
    let Some(placed) = app.db.read(place).await? else { return Ok(()) };
    let opened = spawn_blocking(move || roots::open(&placed.library)?.open_file(&placed.path)).await;
    let Ok(file) = opened.map_err(|cause| Error::internal("sound", cause))? else { return Ok(()) };
    let order = media::order(ffmpeg, media::start_s(track.duration_ms));
    let child = Child::start(&app.config.program, &order, file, media::LIMITS)
        .map_err(|failure| Error::internal("sound", failure))?;
    let sound = match child.read_all(DIMENSIONS).await {
        Ok(heard) => Sound::of_bytes(&heard),
        Err(failure) => {
            tracing::info!(%failure, item = track.item.0, "cannot be listened to");
            None
        }
    };
    app.db.write_repeatable(move |tx| rows::put(tx, track, sound)).await
}
