//! SQL of radio stations, which everybody hears and administrators manage.

use super::{Tx, args};
use crate::account::token::random_base62;
use crate::error::{Error, Result, Thing};
use crate::library::IdKind;
use crate::library::names::sort_key;

/// Every app lists them all.
const MOST: i64 = 1000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Station {
    pub id: String,
    pub name: String,
    pub stream_url: String,
    pub homepage_url: Option<String>,
}

/// By name.
pub fn list(tx: &mut Tx) -> Result<Vec<Station>> {
    let mut stations =
        tx.all("SELECT public_id, name, stream_url, homepage_url FROM radio_station ORDER BY id", args![], |row| {
            Ok(Station { id: row.get(0)?, name: row.get(1)?, stream_url: row.get(2)?, homepage_url: row.get(3)? })
        })?;
    stations.sort_by_cached_key(|station| sort_key(&station.name));
    Ok(stations)
}

pub fn insert(tx: &mut Tx, name: &str, stream_url: &str, homepage_url: Option<&str>) -> Result<()> {
    let count: i64 = tx.one("SELECT COUNT(*) FROM radio_station", args![], |row| row.get(0))?;
    if count >= MOST {
        return Err(Error::invalid("name", format!("there are {MOST} stations; delete some")));
    }
    tx.run(
        "INSERT INTO radio_station (public_id, name, stream_url, homepage_url) VALUES ($1, $2, $3, $4)",
        args![format!("{}{}", IdKind::Station.letter(), random_base62(16)), name, stream_url, homepage_url],
    )?;
    Ok(())
}

pub fn by_id(tx: &mut Tx, id: &str) -> Result<Station> {
    list(tx)?.into_iter().find(|station| station.id == id).ok_or(Error::NotFound(Thing::Station))
}

pub fn update(tx: &mut Tx, station: &Station) -> Result<()> {
    tx.run(
        "UPDATE radio_station SET name = $2, stream_url = $3, homepage_url = $4 WHERE public_id = $1",
        args![&station.id, &station.name, &station.stream_url, station.homepage_url.clone()],
    )?;
    Ok(())
}

pub fn remove(tx: &mut Tx, id: &str) -> Result<()> {
    match tx.run("DELETE FROM radio_station WHERE public_id = $1", args![id])? {
        0 => Err(Error::NotFound(Thing::Station)),
        _ => Ok(()),
    }
}
