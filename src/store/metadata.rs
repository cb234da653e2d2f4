//! Rows of what users note on their items: tags, icons, fields of their own.

use std::collections::{BTreeMap, HashMap};

use super::library::{ITEM_COLUMNS, item_of};
use super::{KEYS_AT_ONCE, Tx, Value, bind_all};
use crate::account::UserKey;
use crate::args;
use crate::error::Result;
use crate::library::{Item, ItemKey};

/// By name.
pub type Metadata = BTreeMap<String, String>;

pub fn set(tx: &mut Tx, item: ItemKey, name: &str, value: &str) -> Result<()> {
    tx.run(
        "INSERT INTO item_metadata (item_id, name, value) VALUES ($1, $2, $3)
         ON CONFLICT (item_id, name) DO UPDATE SET value = excluded.value",
        args![item.0, name, value],
    )?;
    Ok(())
}

pub fn remove(tx: &mut Tx, item: ItemKey, name: &str) -> Result<()> {
    tx.run("DELETE FROM item_metadata WHERE item_id = $1 AND name = $2", args![item.0, name])?;
    Ok(())
}

pub fn get(tx: &mut Tx, item: ItemKey, name: &str) -> Result<Option<String>> {
    tx.maybe("SELECT value FROM item_metadata WHERE item_id = $1 AND name = $2", args![item.0, name], |row| row.get(0))
}

pub fn count(tx: &mut Tx, item: ItemKey) -> Result<usize> {
    tx.one("SELECT COUNT(*) FROM item_metadata WHERE item_id = $1", args![item.0], |row| row.get(0))
}

/// Of each of these items that has some.
pub fn of_items(tx: &mut Tx, items: &[ItemKey]) -> Result<HashMap<ItemKey, Metadata>> {
    let mut found: HashMap<ItemKey, Metadata> = HashMap::new();
    for part in items.chunks(KEYS_AT_ONCE) {
        let mut args: Vec<Value> = Vec::new();
        let keys = bind_all(&mut args, part.iter().map(|key| key.0));
        let sql = format!("SELECT item_id, name, value FROM item_metadata WHERE item_id IN ({keys})");
        let rows = tx.all(&sql, &args, |row| Ok((ItemKey(row.get(0)?), row.get(1)?, row.get(2)?)))?;
        for (item, name, value) in rows {
            found.entry(item).or_default().insert(name, value);
        }
    }
    Ok(found)
}

/// Items with metadata, of one and all below it.
pub fn below(tx: &mut Tx, top: ItemKey) -> Result<Vec<ItemKey>> {
    let sql = "SELECT DISTINCT item_id FROM item_metadata WHERE item_id IN (SELECT id FROM below)";
    tx.all(&format!("{} {sql}", super::files::BELOW), args![top.0], |row| Ok(ItemKey(row.get(0)?)))
}

/// Gives an item what another has.
pub fn copy(tx: &mut Tx, from: ItemKey, to: ItemKey) -> Result<()> {
    tx.run(
        "INSERT INTO item_metadata (item_id, name, value) SELECT CAST($2 AS BIGINT), name, value FROM item_metadata
         WHERE item_id = $1
         ON CONFLICT (item_id, name) DO NOTHING",
        args![from.0, to.0],
    )?;
    Ok(())
}

/// Of these tracks, what their tags say, under the names that clients know.
pub fn of_music(tx: &mut Tx, tracks: &[ItemKey]) -> Result<HashMap<ItemKey, Metadata>> {
    let mut found = HashMap::new();
    for part in tracks.chunks(KEYS_AT_ONCE) {
        let mut args: Vec<Value> = Vec::new();
        let keys = bind_all(&mut args, part.iter().map(|key| key.0));
        let sql = format!(
            "SELECT item_id, title, artist_name, album_name, album_artist_name, year, number, disc, duration_ms FROM track
             WHERE item_id IN ({keys})"
        );
        found.extend(tx.all(&sql, &args, |row| {
            let number = |column| Ok::<_, crate::error::Error>(row.get::<Option<i64>>(column)?.map(|n| n.to_string()));
            let seconds = row.get::<i64>(8)? as f64 / 1000.0;
            let known = [
                ("music:title", Some(row.get::<String>(1)?)),
                ("music:artist", Some(row.get(2)?)),
                ("music:album", Some(row.get(3)?)),
                ("music:album_artists", Some(row.get(4)?)),
                ("music:year", number(5)?),
                ("music:track", number(6)?),
                ("music:disc", number(7)?),
                ("stream:duration", Some(seconds.to_string())),
            ];
            let known = known.into_iter().filter_map(|(name, value)| Some((name, value.filter(|v| !v.is_empty())?)));
            Ok((ItemKey(row.get(0)?), known.map(|(name, value)| (name.to_owned(), value)).collect::<Metadata>()))
        })?);
    }
    Ok(found)
}

/// Items in a user's home that have a field, with what it says; the last that came first.
pub fn in_home_with(tx: &mut Tx, owner: UserKey, name: &str, most: usize) -> Result<Vec<(Item, String)>> {
    let sql = format!(
        "SELECT {ITEM_COLUMNS}, (SELECT m.value FROM item_metadata m WHERE m.item_id = item.id AND m.name = $2) FROM item
         WHERE id IN (SELECT item_id FROM item_metadata WHERE name = $2) AND missing_ms IS NULL AND trashed_ms IS NULL
             AND library_id IN (SELECT id FROM library WHERE kind = 'home' AND owner_id = $1)
         ORDER BY id DESC LIMIT $3"
    );
    tx.all(&sql, args![owner.0, name, most], |row| Ok((item_of(row)?, row.get(12)?)))
}
