//! SQL of what WebDAV clients note about a file or folder.

use std::collections::HashMap;

use super::{KEYS_AT_ONCE, Tx, bind_all};
use crate::args;
use crate::error::Result;
use crate::library::ItemKey;

/// One note: its namespace and name, and the whole XML element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    pub namespace: String,
    pub name: String,
    pub xml: String,
}

pub fn set(tx: &mut Tx, item: ItemKey, property: &Property) -> Result<()> {
    tx.run(
        "INSERT INTO dav_property (item_id, namespace, name, xml) VALUES ($1, $2, $3, $4)
         ON CONFLICT (item_id, namespace, name) DO UPDATE SET xml = excluded.xml",
        args![item.0, &property.namespace, &property.name, &property.xml],
    )?;
    Ok(())
}

pub fn remove(tx: &mut Tx, item: ItemKey, namespace: &str, name: &str) -> Result<()> {
    let sql = "DELETE FROM dav_property WHERE item_id = $1 AND namespace = $2 AND name = $3";
    tx.run(sql, args![item.0, namespace, name])?;
    Ok(())
}

pub fn count(tx: &mut Tx, item: ItemKey) -> Result<u64> {
    tx.one("SELECT COUNT(*) FROM dav_property WHERE item_id = $1", args![item.0], |row| row.get(0))
}

/// What is noted about each.
pub fn of(tx: &mut Tx, items: &[ItemKey]) -> Result<HashMap<ItemKey, Vec<Property>>> {
    let mut all: HashMap<ItemKey, Vec<Property>> = HashMap::new();
    for part in items.chunks(KEYS_AT_ONCE) {
        let mut args = Vec::new();
        let keys = bind_all(&mut args, part.iter().map(|key| key.0));
        let sql = format!(
            "SELECT item_id, namespace, name, xml FROM dav_property WHERE item_id IN ({keys}) ORDER BY namespace, name"
        );
        let rows = tx.all(&sql, &args, |row| {
            let property = Property { namespace: row.get(1)?, name: row.get(2)?, xml: row.get(3)? };
            Ok((ItemKey(row.get(0)?), property))
        })?;
        for (item, property) in rows {
            all.entry(item).or_default().push(property);
        }
    }
    Ok(all)
}

/// What is noted about one, noted about another as well.
pub fn copy(tx: &mut Tx, from: ItemKey, to: ItemKey) -> Result<()> {
    tx.run(
        "INSERT INTO dav_property (item_id, namespace, name, xml)
         SELECT $2, namespace, name, xml FROM dav_property WHERE item_id = $1
         ON CONFLICT (item_id, namespace, name) DO NOTHING",
        args![from.0, to.0],
    )?;
    Ok(())
}
