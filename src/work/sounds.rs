//! Listening to the music: in the background, one track after the other, behind everything else.
//!
//! What was heard is stored track by track, so that a server that is killed goes on where it was. A file that cannot be
//! listened to is not tried again until it changes; one that cannot be opened, as of a disk that is away, waits.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::process::setpriority_process;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use super::scan;
use crate::App;
use crate::config::Switch;
use crate::error::{Error, Result};
use crate::library::ItemKey;
use crate::library::sound::Sound;
use crate::media::child::{Child, Failure};
use crate::media::sound as media;
use crate::store::sounds::{self as rows, Unheard};
use crate::store::{Tx, library};

/// Between two looks at whether something came or changed.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The thread that listens, and those that it starts, take what nobody else needs.
const NICENESS: i32 = 19;

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
    let opened = spawn_blocking(move || scan::open(&placed.library)?.open_file(&placed.path)).await;
    let Ok(file) = opened.map_err(|cause| Error::internal("sound", cause))? else { return Ok(()) };
    let start_s = media::start_s(track.duration_ms);
    let mut samples = decoded(ffmpeg, &file, start_s).await?;
    if samples.is_empty() && start_s > 0.0 {
        // It is shorter than its tags say.
        samples = decoded(ffmpeg, &file, 0.0).await?;
    }
    let sound = heard(samples).await?;
    if sound.is_none() {
        tracing::info!(item = track.item.0, "cannot be listened to");
    }
    app.db.write(move |tx| rows::put(tx, track, sound)).await
}

/// What ffmpeg could read of it, which of a broken file may be nothing.
async fn decoded(ffmpeg: &Path, file: &File, start_s: f64) -> Result<Vec<f32>> {
    let unstarted = |failure: Failure| Error::internal("sound", failure);
    let mut child =
        Child::start(ffmpeg, &media::arguments(start_s), file.try_clone()?, media::LIMITS).map_err(unstarted)?;
    let mut bytes = Vec::new();
    while let Ok(Some(block)) = child.read().await {
        bytes.extend_from_slice(&block);
        if bytes.len() > media::OUTPUT_BYTES_MAX {
            break;
        }
    }
    Ok(media::samples(&bytes))
}

/// On a thread of its own, since only that has a priority of its own.
async fn heard(samples: Vec<f32>) -> Result<Option<Sound>> {
    let (answer, answered) = oneshot::channel();
    thread::Builder::new().name("sound".to_owned()).spawn(move || {
        let _ = setpriority_process(None, NICENESS);
        let _ = answer.send(Sound::of(&samples));
    })?;
    answered.await.map_err(|cause| Error::internal("sound", cause))
}
