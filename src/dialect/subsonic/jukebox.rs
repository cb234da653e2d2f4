//! The jukebox: what plays on the server's own speakers.

use std::collections::HashMap;

use super::Asked;
use super::answers::*;
use super::envelope::Payload;
use super::params::Params;
use crate::account::Role;
use crate::error::{Error, Result, Thing};
use crate::http::deliver;
use crate::library::music::Track;
use crate::store::music;
use crate::work::jukebox::{Entry, Order, Status};

pub async fn jukebox_control(asked: Asked) -> Result<Payload> {
    let action = asked.params.need("action")?.to_owned();
    // One pair of speakers is nobody's own.
    asked.user.may(Role::Jukebox)?;
    let order = match action.as_str() {
        "get" | "status" => Order::Status,
        "start" => Order::Start,
        "stop" => Order::Stop,
        "clear" => Order::Clear,
        "shuffle" => Order::Shuffle,
        "skip" => {
            let offset_s = u32::try_from(asked.params.offset("offset")?).unwrap_or(u32::MAX);
            Order::Skip { index: index(&asked.params)?, offset_s }
        }
        "remove" => Order::Remove(index(&asked.params)?),
        "set" => Order::Set(entries(&asked).await?),
        "add" => Order::Add(entries(&asked).await?),
        "setGain" => Order::Gain(gain(&asked.params)?),
        _ => return Err(Error::invalid("action", "the jukebox does not know it")),
    };
    let app = &asked.call.app;
    let status = app.jukebox.obey(order, deliver::to_jukebox(app)).await?;
    let told = JukeboxStatus {
        current_index: status.index,
        playing: status.is_playing,
        gain: status.gain,
        volume: status.gain,
        position: status.position_s,
    };
    Ok(match action.as_str() {
        "get" => Payload::JukeboxPlaylist(JukeboxPlaylist { status: told, entry: shown(&asked, status).await? }),
        _ => Payload::JukeboxStatus(told),
    })
}

fn index(params: &Params) -> Result<usize> {
    let index = params.ms("index")?.ok_or(Error::Missing("index"))?;
    usize::try_from(index).map_err(|_| Error::invalid("index", "it is too large"))
}

fn gain(params: &Params) -> Result<f64> {
    let gain = params.need("gain")?.trim().parse::<f64>().ok().filter(|gain| (0.0..=1.0).contains(gain));
    gain.ok_or_else(|| Error::invalid("gain", "it is a number from 0 to 1"))
}

/// All of the tracks that are named, or none.
async fn entries(asked: &Asked) -> Result<Vec<Entry>> {
    let ids: Vec<String> = asked.params.all("id").into_iter().map(str::to_owned).collect();
    let user_id = asked.user.id.clone();
    asked
        .read(move |tx, scope| {
            let found = music::tracks_named(tx, scope, &ids)?;
            if found.iter().any(Option::is_none) {
                return Err(Error::NotFound(Thing::Track));
            }
            Ok(ids.into_iter().map(|item_id| Entry { item_id, user_id: user_id.clone() }).collect())
        })
        .await
}

/// One child for each entry, since `currentIndex` counts them. Of a track that went, or that the caller may not see,
/// only that it is there.
async fn shown(asked: &Asked, status: Status) -> Result<Vec<Child>> {
    asked
        .read(move |tx, scope| {
            let ids: Vec<String> = status.entries.into_iter().map(|entry| entry.item_id).collect();
            let keys: Vec<_> =
                music::tracks_named(tx, scope, &ids)?.into_iter().flatten().map(|(key, _)| key).collect();
            let tracks = music::tracks(tx, scope, &keys)?;
            let tracks: HashMap<&str, &Track> = tracks.iter().map(|track| (track.item.id.as_str(), track)).collect();
            let child = |id: &String| match tracks.get(id.as_str()) {
                Some(track) => Child::of(track),
                None => Child { id: id.clone(), title: "Not available".to_owned(), ..Child::default() },
            };
            Ok(ids.iter().map(child).collect())
        })
        .await
}
