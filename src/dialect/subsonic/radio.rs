//! Internet radio: a list of addresses that apps play by themselves. Administrators keep it.

use super::Asked;
use super::answers::*;
use super::envelope::Payload;
use super::playlists::named;
use crate::error::{Error, Result};
use crate::store::radio;

const LONGEST_URL_BYTES: usize = 2048;

/// Apps open what stands there: nothing but the web's own addresses.
fn address(what: &'static str, url: &str) -> Result<String> {
    let url = url.trim();
    let rest = ["http://", "https://"].into_iter().find_map(|scheme| {
        let (head, rest) = url.split_at_checked(scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then_some(rest)
    });
    let fits = url.len() <= LONGEST_URL_BYTES
        && rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_alphanumeric() || c == '['))
        && !url.contains(|c: char| c.is_whitespace() || c.is_control());
    if fits {
        Ok(url.to_owned())
    } else {
        Err(Error::invalid(what, "it is no address that begins with http:// or https://"))
    }
}

/// An empty one is none.
fn homepage(asked: &Asked) -> Result<Option<String>> {
    let url = asked.params.get("homepageUrl").filter(|url| !url.is_empty());
    url.map(|url| address("homepageUrl", url)).transpose()
}

pub async fn get_internet_radio_stations(asked: Asked) -> Result<Payload> {
    let stations = asked.call.app.db.read(radio::list).await?;
    let internet_radio_station = stations.into_iter().map(InternetRadioStation::of).collect();
    Ok(Payload::InternetRadioStations(InternetRadioStations { internet_radio_station }))
}

pub async fn create_internet_radio_station(asked: Asked) -> Result<Payload> {
    let stream_url = address("streamUrl", asked.params.need("streamUrl")?)?;
    let name = named(asked.params.need("name")?)?;
    let homepage_url = homepage(&asked)?;
    let made = asked.call.app.db.write(move |tx| radio::insert(tx, &name, &stream_url, homepage_url.as_deref()));
    made.await.map(|()| Payload::Empty)
}

/// A home page that is not named stays.
pub async fn update_internet_radio_station(asked: Asked) -> Result<Payload> {
    let id = asked.params.need("id")?.to_owned();
    let stream_url = address("streamUrl", asked.params.need("streamUrl")?)?;
    let name = named(asked.params.need("name")?)?;
    let (says, homepage_url) = (asked.params.get("homepageUrl").is_some(), homepage(&asked)?);
    let updated = asked.call.app.db.write(move |tx| {
        let before = radio::by_id(tx, &id)?;
        let homepage_url = if says { homepage_url } else { before.homepage_url };
        radio::update(tx, &radio::Station { id, name, stream_url, homepage_url })
    });
    updated.await.map(|()| Payload::Empty)
}

pub async fn delete_internet_radio_station(asked: Asked) -> Result<Payload> {
    let id = asked.params.need("id")?.to_owned();
    asked.call.app.db.write(move |tx| radio::remove(tx, &id)).await.map(|()| Payload::Empty)
}
