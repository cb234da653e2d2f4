//! Podcasts. Their episodes are heard by the id of their file, `streamId`, which other calls take like any song's.

use std::collections::HashMap;

use super::Asked;
use super::answers::*;
use super::envelope::Payload;
use super::of::{filled, seconds};
use crate::error::Result;
use crate::http::send::mime_of;
use crate::library::music::Track;
use crate::library::podcasts::{self, ChannelState, EpisodeState};
use crate::store::{music, podcasts as rows};
use crate::work::podcasts::{self as work, Episodes};

const MOST_NEWEST: u64 = 500;

/// The address is not asked before this answers; what comes of it is the channel's status.
pub async fn create_podcast_channel(asked: Asked) -> Result<Payload> {
    work::follow(&asked.call.app, &asked.user, asked.params.need("url")?).await.map(|()| Payload::Empty)
}

pub async fn delete_podcast_channel(asked: Asked) -> Result<Payload> {
    work::unfollow(&asked.call.app, &asked.user, asked.params.need("id")?).await.map(|()| Payload::Empty)
}

pub async fn delete_podcast_episode(asked: Asked) -> Result<Payload> {
    work::delete_episode(&asked.call.app, &asked.user, asked.params.need("id")?).await.map(|()| Payload::Empty)
}

pub async fn download_podcast_episode(asked: Asked) -> Result<Payload> {
    work::fetch(&asked.call.app, &asked.user, asked.params.need("id")?).await.map(|()| Payload::Empty)
}

pub async fn refresh_podcasts(asked: Asked) -> Result<Payload> {
    work::refresh(&asked.call.app, &asked.user).await.map(|()| Payload::Empty)
}

pub async fn get_podcasts(asked: Asked) -> Result<Payload> {
    let id = asked.params.get("id").filter(|id| !id.is_empty()).map(str::to_owned);
    let with = match asked.params.bool_of("includeEpisodes") {
        Some(false) => Episodes::LeftOut,
        Some(true) | None => Episodes::Listed,
    };
    let channels = work::channels(&asked.call.app, id, with).await?;
    let (channels, episodes): (Vec<_>, Vec<_>) = channels.into_iter().unzip();
    let counts: Vec<usize> = episodes.iter().map(Vec::len).collect();
    let mut told = told(&asked, episodes.concat()).await?.into_iter();
    let channel = channels
        .iter()
        .zip(counts)
        .map(|(channel, count)| PodcastChannel::of(channel, told.by_ref().take(count).collect()))
        .collect();
    Ok(Payload::Podcasts(Podcasts { channel }))
}

pub async fn get_newest_podcasts(asked: Asked) -> Result<Payload> {
    let count = asked.params.count("count", 20, MOST_NEWEST)?;
    let episodes = asked.read(move |tx, _| rows::newest_episodes(tx, count)).await?;
    Ok(Payload::NewestPodcasts(NewestPodcasts { episode: told(&asked, episodes).await? }))
}

pub async fn get_podcast_episode(asked: Asked) -> Result<Payload> {
    let id = asked.params.need("id")?.to_owned();
    let (episode, track) = asked
        .read(move |tx, scope| {
            let episode = rows::episode_by_id(tx, &id)?;
            let track = music::tracks(tx, scope, episode.item.as_slice())?.pop();
            Ok((episode, track))
        })
        .await?;
    Ok(Payload::PodcastEpisode(Box::new(PodcastEpisode::of(&episode, track.as_ref()))))
}

async fn told(asked: &Asked, episodes: Vec<podcasts::Episode>) -> Result<Vec<PodcastEpisode>> {
    asked
        .read(move |tx, scope| {
            let keys: Vec<_> = episodes.iter().filter_map(|episode| episode.item).collect();
            let tracks = music::tracks(tx, scope, &keys)?.into_iter().map(|track| (track.item.key, track));
            let tracks: HashMap<_, _> = tracks.collect();
            let track = |episode: &podcasts::Episode| episode.item.and_then(|item| tracks.get(&item));
            Ok(episodes.iter().map(|episode| PodcastEpisode::of(episode, track(episode))).collect())
        })
        .await
}

impl PodcastChannel {
    fn of(channel: &podcasts::Channel, episode: Vec<PodcastEpisode>) -> PodcastChannel {
        PodcastChannel {
            id: channel.id.clone(),
            url: channel.url.clone(),
            title: filled(&channel.title),
            description: filled(&channel.description),
            cover_art: channel.cover_id.clone(),
            original_image_url: channel.image_url.clone(),
            status: match channel.state {
                ChannelState::New => PodcastStatus::New,
                ChannelState::Read => PodcastStatus::Completed,
                ChannelState::Failed => PodcastStatus::Error,
            },
            error_message: channel.error.clone(),
            episode,
        }
    }
}

impl PodcastEpisode {
    fn of(episode: &podcasts::Episode, track: Option<&Track>) -> PodcastEpisode {
        let here = track.map(Child::of).unwrap_or_default().told_by(Some(episode));
        let child = Child {
            id: episode.id.clone(),
            size: here.size.or(episode.size_bytes),
            content_type: Some(mime_of(&format!("a.{}", episode.suffix)).to_owned()),
            suffix: Some(episode.suffix.clone()),
            duration: here.duration.filter(|s| *s > 0).or(episode.duration_ms.map(seconds)),
            created: Some(Date(episode.added_ms)),
            ..here
        };
        PodcastEpisode {
            child,
            stream_id: track.map(|track| track.item.id.clone()),
            channel_id: episode.channel_id.clone(),
            description: filled(&episode.description),
            status: match episode.state {
                EpisodeState::New => PodcastStatus::New,
                EpisodeState::Downloading => PodcastStatus::Downloading,
                EpisodeState::Completed => PodcastStatus::Completed,
                EpisodeState::Failed => PodcastStatus::Error,
                EpisodeState::Deleted => PodcastStatus::Deleted,
            },
            publish_date: episode.published_ms.map(Date),
        }
    }
}
