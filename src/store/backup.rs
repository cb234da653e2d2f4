//! SQL of backups: every table as rows of named columns, alike on both engines.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value as Json};

use super::{Engine, Tx, Value};
use crate::args;
use crate::error::{Error, Result};

/// Each table with the columns that order its rows; one that is referred to stands before those that refer to it.
pub const TABLES: &[(&str, &str)] = &[
    ("setting", "name"),
    ("account", "id"),
    ("user_group", "id"),
    ("group_member", "group_id, account_id"),
    ("session", "id"),
    ("api_key", "id"),
    ("throttle", "subject"),
    ("oauth_client", "id"),
    ("oauth_grant", "account_id, client_id"),
    ("spent_slip", "hash"),
    ("second_factor", "account_id"),
    ("passkey", "id"),
    ("passkey_offer", "account_id"),
    ("openid_link", "issuer, subject"),
    ("preference", "account_id"),
    ("rights", "object_kind, object_id, subject_kind, subject_id"),
    ("library", "id"),
    (ITEM, "id"),
    ("checksum", "item_id"),
    ("file_version", "id"),
    ("storage_policy", "id"),
    ("group_policy", "group_id, policy_id"),
    ("item_policy", "item_id"),
    ("item_metadata", "item_id, name"),
    ("folder_view", "account_id, item_id"),
    ("pin", "id"),
    ("artist", "id"),
    ("album", "id"),
    ("album_credit", "album_id, position"),
    ("track", "item_id"),
    ("track_credit", "item_id, role, position"),
    ("genre", "id"),
    ("track_genre", "item_id, position"),
    ("sound_block", "block"),
    ("playlist", "id"),
    ("playlist_entry", "playlist_id, position"),
    ("mark", "account_id, object_kind, object_id"),
    ("avatar", "account_id"),
    ("play_queue", "account_id"),
    ("playback", "id"),
    ("radio_station", "id"),
    ("chat_message", "id"),
    ("share", "id"),
    ("share_item", "share_id, position"),
    ("drop_box", "share_id"),
    ("drop_sender", "share_id, sender"),
    ("drop_file", "id"),
    ("visit", "share_id, visitor"),
    ("lease", "id"),
    ("direct_link", "id"),
    ("upload", "id"),
    ("content_hash", "item_id"),
    ("upload_chunk", "upload_id, position"),
    ("upload_name", "account_id, name"),
    ("podcast_channel", "id"),
    ("podcast_episode", "id"),
    ("scrobble_link", "account_id, target"),
    ("scrobble", "id"),
    ("note", "subject"),
    ("dav_account", "id"),
    ("dav_property", "item_id, namespace, name"),
    ("file_lock", "token"),
    ("task", "id"),
    ("purse", "id"),
    ("point_transfer", "id"),
    ("point_entry", "id"),
    ("payment", "id"),
    ("purchase", "id"),
    ("gift_code", "id"),
    ("abuse_report", "id"),
    ("file_change", "id"),
];
/// Made from the others or from the files, and made anew where those are put back.
pub const DERIVED: &[&str] = &["album_genre", "genre_in", "artist_in", "word", "text_read", "text_part"];
const ITEM: &str = "item";
/// Rows that are in memory at once.
const PAGE: usize = 5000;

/// The number of the last step that the schema has gone through.
pub fn schema(tx: &mut Tx) -> Result<i64> {
    tx.one("SELECT MAX(number) FROM migration", args![], |row| row.get(0))
}

/// Names of all tables but that of the migrations, which a new installation fills by itself.
pub fn tables(tx: &mut Tx) -> Result<Vec<String>> {
    let sql = match tx.engine() {
        // The index of words is tables of SQLite's own making.
        Engine::Sqlite => {
            "SELECT name FROM sqlite_schema
             WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'text_words%'"
        }
        Engine::Postgres => {
            "SELECT CAST(table_name AS TEXT) FROM information_schema.tables WHERE table_schema = current_schema()"
        }
    };
    let all = tx.all(sql, args![], |row| row.get::<String>(0))?;
    Ok(all.into_iter().filter(|name| name != "migration").collect())
}

fn columns(tx: &mut Tx, table: &str) -> Result<Vec<String>> {
    let sql = match tx.engine() {
        Engine::Sqlite => "SELECT name FROM pragma_table_info($1) ORDER BY cid",
        Engine::Postgres => {
            "SELECT CAST(column_name AS TEXT) FROM information_schema.columns
             WHERE table_schema = current_schema() AND CAST(table_name AS TEXT) = $1 ORDER BY ordinal_position"
        }
    };
    tx.all(sql, args![table], |row| row.get(0))
}

/// Hands out the rows of a table of [`TABLES`], each an object of its columns; bytes are `{"base64": …}`.
pub fn dump(tx: &mut Tx, (table, order): (&str, &str), mut each: impl FnMut(&Json) -> Result<()>) -> Result<()> {
    let columns = columns(tx, table)?;
    let sql = format!("SELECT {} FROM {table} ORDER BY {order} LIMIT $1 OFFSET $2", columns.join(", "));
    let mut offset = 0;
    loop {
        let rows = tx.all(&sql, args![PAGE, offset], |row| {
            let mut object = Map::new();
            for (at, name) in columns.iter().enumerate() {
                object.insert(name.clone(), to_json(row.get(at)?));
            }
            Ok(Json::Object(object))
        })?;
        rows.iter().try_for_each(&mut each)?;
        if rows.len() < PAGE {
            return Ok(());
        }
        offset += PAGE;
    }
}

fn to_json(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Int(number) => number.into(),
        Value::Real(number) => Number::from_f64(number).map_or(Json::Null, Json::Number),
        Value::Text(text) => text.into(),
        Value::Bytes(bytes) => serde_json::json!({ "base64": STANDARD.encode(bytes) }),
    }
}

fn of_json(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => Value::Null,
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Real(number.as_f64()?),
        },
        Json::String(text) => Value::Text(text.clone()),
        Json::Object(object) => Value::Bytes(STANDARD.decode(object.get("base64")?.as_str()?).ok()?),
        Json::Bool(_) | Json::Array(_) => return None,
    })
}

/// Whether no table holds a row.
pub fn is_empty(tx: &mut Tx) -> Result<bool> {
    for (table, _) in TABLES {
        if tx.maybe(&format!("SELECT 1 FROM {table} LIMIT 1"), args![], |_| Ok(()))?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes rows in, table by table in the order of [`TABLES`].
#[derive(Default)]
pub struct Intake {
    columns: Vec<String>,
    table: &'static str,
    sql: String,
    /// Folders of items. An item may be older than the folder that it was moved to, so they are told once all are there.
    parents: Vec<(i64, i64)>,
}

impl Intake {
    /// `Invalid` for a table or column that this version does not have.
    pub fn row(&mut self, tx: &mut Tx, table: &'static str, row: &Json) -> Result<()> {
        let wrong = |why: &str| Error::invalid("backup", format!("a row of {table} {why}"));
        let Json::Object(row) = row else { return Err(wrong("is no object")) };
        if self.table != table {
            self.table = table;
            let known = columns(tx, table)?;
            if let Some(unknown) = row.keys().find(|name| !known.contains(name)) {
                return Err(wrong(&format!("has a column {unknown:?} that this version does not know")));
            }
            // What an older version did not have begins as a migration would begin it.
            self.columns = known.into_iter().filter(|name| row.contains_key(name)).collect();
            let numbers: Vec<_> = (1..=self.columns.len()).map(|number| format!("${number}")).collect();
            self.sql = format!("INSERT INTO {table} ({}) VALUES ({})", self.columns.join(", "), numbers.join(", "));
        }
        if row.len() != self.columns.len() {
            return Err(wrong("has other columns than the one before it"));
        }
        let mut values = Vec::with_capacity(self.columns.len());
        for name in &self.columns {
            let value = row.get(name).ok_or_else(|| wrong("has other columns than the one before it"))?;
            values.push(of_json(value).ok_or_else(|| wrong("holds what is no value"))?);
        }
        if table == ITEM {
            self.hold_parent(&mut values);
        }
        tx.run(&self.sql, &values)?;
        Ok(())
    }

    fn hold_parent(&mut self, values: &mut [Value]) {
        let at = |wanted: &str| self.columns.iter().position(|name| name == wanted);
        let (Some(id), Some(parent)) = (at("id"), at("parent_id")) else { return };
        if let (Value::Int(id), Value::Int(above)) = (&values[id], &values[parent]) {
            self.parents.push((*id, *above));
            values[parent] = Value::Null;
        }
    }

    /// Ties up what could not be told row by row.
    pub fn finish(self, tx: &mut Tx) -> Result<()> {
        for (id, parent) in self.parents {
            tx.run("UPDATE item SET parent_id = $1 WHERE id = $2", args![parent, id])?;
        }
        super::credits::fill(tx)?;
        super::scan::sum_up(tx)?;
        // SQLite counts on by itself.
        if tx.engine() == Engine::Postgres {
            for (table, order) in TABLES.iter().filter(|(table, order)| *order == "id" && !has_text_key(table)) {
                tx.one(
                    &format!(
                        "SELECT setval(pg_get_serial_sequence('{table}', '{order}'),
                                       (SELECT COALESCE(MAX({order}), 0) + 1 FROM {table}), false)"
                    ),
                    args![],
                    |row| row.get::<i64>(0),
                )?;
            }
        }
        Ok(())
    }
}

fn has_text_key(table: &str) -> bool {
    matches!(table, "session" | "upload" | "oauth_client" | "passkey")
}

/// Roots of the homes with the ids of their owners.
pub fn homes(tx: &mut Tx) -> Result<Vec<(String, Vec<u8>)>> {
    tx.all(
        "SELECT a.public_id, l.root FROM library l JOIN account a ON a.id = l.owner_id WHERE l.kind = 'home' ORDER BY l.id",
        args![],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Says where a user's home lies now.
pub fn set_home(tx: &mut Tx, owner_id: &str, root: &[u8]) -> Result<()> {
    tx.run(
        "UPDATE library SET root = $1
         WHERE kind = 'home' AND owner_id = (SELECT id FROM account WHERE public_id = $2)",
        args![root, owner_id],
    )?;
    Ok(())
}
