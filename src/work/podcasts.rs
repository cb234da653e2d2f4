//! Podcasts: feeds that are followed and read again and again, and episodes that are fetched when somebody asks for them.
//!
//! A fetched episode is an item like any other, of a library that lists of music leave out: it is streamed, downloaded, shared
//! and shown by the same doors. What somebody asks for is a row first; those who work behind take rows up, so a crash
//! costs nothing but time.

mod download;
mod read;

use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Notify};

use crate::account::{Role, User};
use crate::blob::{Root, on_disk};
use crate::error::{Error, Result};
use crate::library::podcasts::{Channel, Episode, EpisodeState};
use crate::library::{Library, LibraryKind};
use crate::outgoing::Failure;
use crate::store::library::{self as libraries, NewLibrary};
use crate::store::podcasts as rows;
use crate::work::scan;
use crate::{App, now_ms};

/// Folder of the podcasts, beneath the storage folder.
const FOLDER: &str = "podcasts";
const NAME: &str = "Podcasts";
/// How often those who work behind look for themselves: for what another node was asked, and for what is due by time.
const LOOK_EVERY: Duration = Duration::from_secs(10);
const DOWNLOADS_AT_ONCE: usize = 2;

/// Wakes those who work behind.
#[derive(Default)]
pub struct Podcasts {
    feeds: Notify,
    downloads: Notify,
    /// Held by whoever adds a file, so that the space it takes is counted before the next comes.
    adding: Mutex<()>,
}

/// Follows a feed. It is read behind; what comes of that is the channel's state.
pub async fn follow(app: &App, user: &User, url: &str) -> Result<()> {
    user.may(Role::Podcast)?;
    let url = app.outgoing.address(url).map_err(|failure| Error::invalid("url", failure.to_string()))?;
    library(app).await?;
    let url = String::from(url);
    app.db.write(move |tx| rows::follow(tx, &url, now_ms())).await?;
    app.podcasts.feeds.notify_one();
    Ok(())
}

/// Reads all feeds again, behind.
pub async fn refresh(app: &App, user: &User) -> Result<()> {
    user.may(Role::Podcast)?;
    app.db.write(rows::refresh_all).await?;
    app.podcasts.feeds.notify_one();
    Ok(())
}

/// All channels or one, each with its episodes if they are asked for.
pub async fn channels(app: &App, id: Option<String>, with: Episodes) -> Result<Vec<(Channel, Vec<Episode>)>> {
    app.db
        .read(move |tx| {
            let channels = match id {
                Some(id) => vec![rows::channel_by_id(tx, &id)?],
                None => rows::channels(tx)?,
            };
            let with_episodes = channels.into_iter().map(|channel| {
                let episodes = match with {
                    Episodes::Listed => rows::episodes_of(tx, channel.key)?,
                    Episodes::LeftOut => Vec::new(),
                };
                Ok((channel, episodes))
            });
            with_episodes.collect()
        })
        .await
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Episodes {
    Listed,
    LeftOut,
}

/// Has an episode fetched, behind. One that is here, or on its way, stays as it is.
pub async fn fetch(app: &App, user: &User, episode_id: &str) -> Result<()> {
    user.may(Role::Podcast)?;
    let id = episode_id.to_owned();
    app.db
        .write(move |tx| {
            let episode = rows::episode_by_id(tx, &id)?;
            match episode.state {
                EpisodeState::Completed | EpisodeState::Downloading => Ok(()),
                EpisodeState::New | EpisodeState::Failed | EpisodeState::Deleted => rows::ask_for(tx, episode.key),
            }
        })
        .await?;
    app.podcasts.downloads.notify_one();
    Ok(())
}

/// Deletes an episode's file and stops its download; the episode stays known as deleted.
pub async fn delete_episode(app: &App, user: &User, episode_id: &str) -> Result<()> {
    user.may(Role::Podcast)?;
    let id = episode_id.to_owned();
    let leftover = app
        .db
        .write(move |tx| {
            let episode = rows::episode_by_id(tx, &id)?;
            rows::set_deleted(tx, episode.key)
        })
        .await?;
    let path = leftover.folder.zip(leftover.file_name).map(|(folder, file)| vec![folder, file]);
    let library = library(app).await?;
    remove(app, library, path, leftover.temporary.into_iter().collect()).await
}

/// Follows a channel no more and deletes what was fetched of it.
pub async fn unfollow(app: &App, user: &User, channel_id: &str) -> Result<()> {
    user.may(Role::Podcast)?;
    let id = channel_id.to_owned();
    let (folder, temporaries) = app
        .db
        .write(move |tx| {
            let channel = rows::channel_by_id(tx, &id)?;
            rows::remove_channel(tx, channel.key)
        })
        .await?;
    let library = library(app).await?;
    remove(app, library, folder.map(|folder| vec![folder]), temporaries).await
}

/// Removes what lies at a path, with its rows, and what came so far of downloads.
async fn remove(app: &App, library: Library, path: Option<Vec<String>>, temporaries: Vec<String>) -> Result<()> {
    let _alone = app.podcasts.adding.lock().await;
    let db = app.db.clone();
    on_disk(move || {
        let root = Root::open(&library.root)?;
        // A temporary that is resumed is gone once it is dropped.
        temporaries.iter().for_each(|name| drop(root.resume_temporary(name)));
        let Some(path) = path else { return Ok(()) };
        match root.remove(&path) {
            Ok(()) | Err(Error::NotFound(_)) => {}
            Err(cause) => return Err(cause),
        }
        match scan::scan_path(&db, library.key, &bytes(&path)) {
            // With its folder.
            Ok(_) | Err(Error::NotFound(_)) => Ok(()),
            Err(cause) => Err(cause),
        }
    })
    .await
}

fn bytes(path: &[String]) -> Vec<Vec<u8>> {
    path.iter().map(|name| name.clone().into_bytes()).collect()
}

/// Where episodes are kept; made when it is needed first.
async fn library(app: &App) -> Result<Library> {
    let storage = std::path::absolute(&app.config.storage)?;
    let root = storage.canonicalize().unwrap_or(storage).join(FOLDER);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&root)?;
    let at = root.clone();
    let known = app.db.read(libraries::podcasts).await?.filter(|library| library.root == at);
    if let Some(library) = known {
        return Ok(library);
    }
    let library = app
        .db
        .write(move |tx| match libraries::podcasts(tx)? {
            // Brought back from a backup of another place.
            Some(library) => {
                libraries::set_root(tx, library.key, &root)?;
                libraries::by_key(tx, library.key)
            }
            None => {
                let (name, kind) = (NAME.to_owned(), LibraryKind::Podcasts);
                let new = NewLibrary { name, kind, owner: None, root, only: None, writable: false };
                libraries::insert(tx, &new, now_ms())
            }
        })
        .await?;
    app.scanner.request(library.key);
    Ok(library)
}

/// Works on what is asked for, for as long as the server runs.
pub async fn tend(app: Arc<App>) {
    if let Err(cause) = begin(&app).await {
        tracing::warn!(%cause, "what downloads of podcasts left behind is not swept");
    }
    let downloads = (0..DOWNLOADS_AT_ONCE).map(|_| download::tend(&app));
    tokio::join!(read::tend(&app), futures_util::future::join_all(downloads));
}

async fn begin(app: &App) -> Result<()> {
    if app.db.read(libraries::podcasts).await?.is_none() {
        return Ok(());
    }
    let library = library(app).await?;
    app.db.write(rows::take_over).await?;
    let wanted = app.db.read(rows::temporaries).await?;
    on_disk(move || Root::open(&library.root)?.sweep_temporaries(|name| wanted.iter().any(|wanted| wanted == name)))
        .await?;
    Ok(())
}

/// Why a download or a reading ended.
#[derive(Debug)]
enum Trouble {
    /// There, and nothing that we do helps; or it may pass.
    Out(Failure),
    /// The text is no feed.
    NoFeed,
    NoSpace,
    /// Ours.
    Own(Error),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Out(failure)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        match error {
            Error::NoSpace => Trouble::NoSpace,
            error => Trouble::Own(error),
        }
    }
}

impl Trouble {
    /// For whoever manages podcasts to read.
    fn text(&self) -> String {
        match self {
            Trouble::Out(failure) => format!("The feed cannot be read: {failure}"),
            Trouble::NoFeed => "What is at this address is no podcast".to_owned(),
            Trouble::NoSpace => "No space left".to_owned(),
            Trouble::Own(_) => "Something went wrong on the server".to_owned(),
        }
    }
}

/// `first` after one failure, twice as long after each more, up to `most`.
fn back_off_ms(failures: i64, first: Duration, most: Duration) -> i64 {
    let doubled = first.saturating_mul(1 << failures.clamp(0, 16));
    i64::try_from(doubled.min(most).as_millis()).unwrap_or(i64::MAX)
}
