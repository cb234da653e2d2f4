//! SQL of what services say of artists and albums.

use super::Tx;
use crate::args;
use crate::error::{Error, Result};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// Without markup; empty where the service knows nothing.
    pub text: String,
    /// Of its page over there.
    pub url: String,
    pub musicbrainz_id: String,
    /// Names of artists.
    pub similar: Vec<String>,
}

/// What was fetched no earlier than `since_ms`.
pub fn get(tx: &mut Tx, subject: &str, since_ms: i64) -> Result<Option<Notes>> {
    let found = tx.maybe(
        "SELECT text, url, musicbrainz_id, similar_names FROM note WHERE subject = $1 AND fetched_ms >= $2",
        args![subject, since_ms],
        |row| {
            let notes = Notes { text: row.get(0)?, url: row.get(1)?, musicbrainz_id: row.get(2)?, similar: Vec::new() };
            Ok((notes, row.get::<String>(3)?))
        },
    )?;
    let Some((notes, similar)) = found else { return Ok(None) };
    let similar = serde_json::from_str(&similar).map_err(|cause| Error::internal("notes", cause))?;
    Ok(Some(Notes { similar, ..notes }))
}

pub fn put(tx: &mut Tx, subject: &str, notes: &Notes, now_ms: i64) -> Result<()> {
    let similar = serde_json::to_string(&notes.similar).map_err(|cause| Error::internal("notes", cause))?;
    tx.run(
        "INSERT INTO note (subject, text, url, musicbrainz_id, similar_names, fetched_ms) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (subject) DO UPDATE SET text = excluded.text, url = excluded.url,
             musicbrainz_id = excluded.musicbrainz_id, similar_names = excluded.similar_names,
             fetched_ms = excluded.fetched_ms",
        args![subject, &notes.text, &notes.url, &notes.musicbrainz_id, similar, now_ms],
    )?;
    Ok(())
}
