//! What is alike, and what is liked most.

use super::Asked;
use super::answers::*;
use super::envelope::Payload;
use crate::error::{Error, Result};
use crate::library::ArtistKey;
use crate::store::{Tx, music};
use crate::work::similar::{self, By, Match};
use crate::work::sounds;

const MOST: u64 = 500;

impl Asked {
    fn count_of(&self, default: u64) -> Result<usize> {
        Ok(usize::try_from(self.params.count("count", default, MOST)?).unwrap_or(0))
    }

    pub(super) fn compares_by(&self) -> By {
        if sounds::is_on(&self.call.app) { By::SoundAndFacts } else { By::Facts }
    }
}

fn need_sounds(asked: &Asked) -> Result<()> {
    match asked.compares_by() {
        By::SoundAndFacts => Ok(()),
        By::Facts => Err(Error::Unsupported("sonicSimilarity")),
    }
}

fn shown(matches: &[Match]) -> Payload {
    let shown = |found: &Match| SonicMatch {
        entry: Child::of(&found.track),
        // No ear hears more digits.
        similarity: found.similarity.map_or(-1.0, |similarity| (f64::from(similarity) * 10_000.0).round() / 10_000.0),
    };
    Payload::SonicMatch(matches.iter().map(shown).collect())
}

/// Nothing is like what was not listened to yet.
pub async fn get_sonic_similar_tracks(asked: Asked) -> Result<Payload> {
    need_sounds(&asked)?;
    let (id, count) = (asked.params.need("id")?.to_owned(), asked.count_of(10)?);
    let found = asked.read(move |tx, scope| similar::sonic_matches(tx, scope, &id, count)).await?;
    Ok(shown(&found))
}

pub async fn find_sonic_path(asked: Asked) -> Result<Payload> {
    need_sounds(&asked)?;
    let (from, to) = (asked.params.need("startSongId")?.to_owned(), asked.params.need("endSongId")?.to_owned());
    let count = asked.count_of(25)?;
    let found = asked.read(move |tx, scope| similar::sonic_path(tx, scope, &from, &to, count)).await?;
    Ok(shown(&found))
}

async fn similar_songs(asked: &Asked) -> Result<Songs> {
    let (id, count) = (asked.params.need("id")?.to_owned(), asked.count_of(50)?);
    let by = asked.compares_by();
    let tracks = asked.read(move |tx, scope| similar::songs(tx, scope, &id, count, by)).await?;
    Ok(Songs { song: tracks.iter().map(Child::of).collect() })
}

pub async fn get_similar_songs(asked: Asked) -> Result<Payload> {
    similar_songs(&asked).await.map(Payload::SimilarSongs)
}

pub async fn get_similar_songs2(asked: Asked) -> Result<Payload> {
    similar_songs(&asked).await.map(Payload::SimilarSongs2)
}

/// By `id`, which the extension topSongsByArtistId added and which goes before the name. A name that nobody has is no
/// failure: apps ask for whomever they show.
pub async fn get_top_songs(asked: Asked) -> Result<Payload> {
    let count = asked.count_of(50)?;
    let id = asked.params.get("id").filter(|id| !id.is_empty()).map(str::to_owned);
    let name = match &id {
        Some(_) => String::new(),
        None => asked.params.need("artist")?.to_owned(),
    };
    let artist = move |tx: &mut Tx, scope: &_| -> Result<Option<ArtistKey>> {
        match id {
            Some(id) => Ok(Some(music::artist_by_id(tx, scope, &id)?.key)),
            None => music::artist_named(tx, &name),
        }
    };
    let tracks = asked
        .read(move |tx, scope| match artist(tx, scope)? {
            Some(artist) => similar::top_songs(tx, scope, artist, count),
            None => Ok(Vec::new()),
        })
        .await?;
    Ok(Payload::TopSongs(Songs { song: tracks.iter().map(Child::of).collect() }))
}
