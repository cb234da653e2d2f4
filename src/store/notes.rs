//! SQL of what services say of artists and albums.

use super::Tx;
use crate::args;
use crate::error::Result;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// Without markup; empty where the service knows nothing.
    pub text: String,
    /// Of its page over there.
    pub url: String,
    pub musicbrainz_id: String,
}

/// What was fetched no earlier than `since_ms`.
pub fn get(tx: &mut Tx, subject: &str, since_ms: i64) -> Result<Option<Notes>> {
    let sql = "SELECT text, url, musicbrainz_id FROM note WHERE subject = $1 AND fetched_ms >= $2";
    tx.maybe(sql, args![subject, since_ms], |row| {
        Ok(Notes { text: row.get(0)?, url: row.get(1)?, musicbrainz_id: row.get(2)? })
    })
}

pub fn put(tx: &mut Tx, subject: &str, notes: &Notes, now_ms: i64) -> Result<()> {
    tx.run(
        "INSERT INTO note (subject, text, url, musicbrainz_id, fetched_ms) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (subject) DO UPDATE SET text = excluded.text, url = excluded.url,
             musicbrainz_id = excluded.musicbrainz_id, fetched_ms = excluded.fetched_ms",
        args![subject, &notes.text, &notes.url, &notes.musicbrainz_id, now_ms],
    )?;
    Ok(())
}
