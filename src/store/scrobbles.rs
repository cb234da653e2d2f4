//! SQL of scrobbles: the services that users' plays are told to, and the plays that are still to be told.

use super::{Row, Tx, bind_all};
use crate::account::UserKey;
use crate::args;
use crate::error::{Error, Result, Thing};
use crate::library::ItemKey;

/// Plays that wait for one service at most; later ones are not kept.
const MOST_WAITING: i64 = 10_000;

/// A service that plays are told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    ListenBrainz,
    Lastfm,
}

impl Target {
    pub const fn text(self) -> &'static str {
        match self {
            Target::ListenBrainz => "listenbrainz",
            Target::Lastfm => "lastfm",
        }
    }

    fn of(text: &str) -> Result<Target> {
        [Target::ListenBrainz, Target::Lastfm]
            .into_iter()
            .find(|target| target.text() == text)
            .ok_or_else(|| Error::internal("scrobbles: unknown target", text))
    }
}

/// A user's account at a service. Its secret is sealed.
#[derive(Debug, Clone)]
pub struct Link {
    pub user: UserKey,
    /// Public id of the user.
    pub user_id: String,
    pub user_name: String,
    pub target: Target,
    /// Of the user, over there.
    pub name: String,
    pub secret_sealed: Vec<u8>,
    /// The service takes the secret no more.
    pub is_refused: bool,
    /// After each other.
    pub failures: i64,
}

const LINK: &str = "SELECT l.account_id, a.public_id, l.target, l.name, l.secret_sealed, l.refused, l.failures, a.name
                    FROM scrobble_link l JOIN account a ON a.id = l.account_id";

fn link_of(row: &Row) -> Result<Link> {
    Ok(Link {
        user: UserKey(row.get(0)?),
        user_id: row.get(1)?,
        target: Target::of(&row.get::<String>(2)?)?,
        name: row.get(3)?,
        secret_sealed: row.get(4)?,
        is_refused: row.get(5)?,
        failures: row.get(6)?,
        user_name: row.get(7)?,
    })
}

/// In place of the link that there was; what waits for the service stays.
pub fn link(tx: &mut Tx, user: UserKey, target: Target, name: &str, sealed: Vec<u8>, now_ms: i64) -> Result<()> {
    tx.run(
        "INSERT INTO scrobble_link (account_id, target, name, secret_sealed, refused, failures, due_ms, created_ms)
         VALUES ($1, $2, $3, $4, 0, 0, 0, $5)
         ON CONFLICT (account_id, target) DO UPDATE SET name = excluded.name, secret_sealed = excluded.secret_sealed,
             refused = 0, failures = 0, due_ms = 0",
        args![user.0, target.text(), name, sealed, now_ms],
    )?;
    Ok(())
}

/// Forgets what waits for the service as well.
pub fn unlink(tx: &mut Tx, user: UserKey, target: Target) -> Result<()> {
    let sql = "DELETE FROM scrobble_link WHERE account_id = $1 AND target = $2";
    match tx.run(sql, args![user.0, target.text()])? {
        0 => Err(Error::NotFound(Thing::Link)),
        _ => Ok(()),
    }
}

/// All links with how many plays wait for them, by user.
pub fn links(tx: &mut Tx) -> Result<Vec<(Link, u64)>> {
    let links = tx.all(&format!("{LINK} ORDER BY a.name_key, l.target"), args![], link_of)?;
    links
        .into_iter()
        .map(|link| {
            let waiting = waiting(tx, link.user, link.target)?;
            Ok((link, waiting))
        })
        .collect()
}

fn waiting(tx: &mut Tx, user: UserKey, target: Target) -> Result<u64> {
    let sql = "SELECT COUNT(*) FROM scrobble WHERE account_id = $1 AND target = $2";
    tx.one(sql, args![user.0, target.text()], |row| row.get(0))
}

/// A play as services are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Play {
    pub key: i64,
    pub played_ms: i64,
    pub title: String,
    pub artist: String,
    pub album: String,
    pub album_artist: String,
    pub number: Option<u32>,
    pub duration_ms: u64,
    pub musicbrainz_id: String,
}

/// Keeps a play of a track for each service that the user's plays are told to. Podcasts and what nobody is named for are
/// no music to tell of.
pub fn keep(tx: &mut Tx, user: UserKey, track: ItemKey, played_ms: i64) -> Result<()> {
    let sql = "SELECT target FROM scrobble_link WHERE account_id = $1";
    for target in tx.all(sql, args![user.0], |row| Target::of(&row.get::<String>(0)?))? {
        if waiting(tx, user, target)? >= MOST_WAITING.unsigned_abs() {
            continue;
        }
        tx.run(
            "INSERT INTO scrobble (account_id, target, played_ms, title, artist, album, album_artist, number, duration_ms,
                                   musicbrainz_id)
             SELECT l.account_id, l.target, CAST($1 AS BIGINT), t.title, t.artist_name, t.album_name, t.album_artist_name,
                    t.number, t.duration_ms, t.musicbrainz_id
             FROM scrobble_link l, track t JOIN item i ON i.id = t.item_id JOIN library b ON b.id = i.library_id
             WHERE l.account_id = $2 AND l.target = $3 AND t.item_id = $4 AND b.kind <> 'podcasts'
               AND t.title <> '' AND t.artist_name <> ''",
            args![played_ms, user.0, target.text(), track.0],
        )?;
    }
    Ok(())
}

const WAITS: &str = "l.refused = 0
                     AND EXISTS (SELECT 1 FROM scrobble s WHERE s.account_id = l.account_id AND s.target = l.target)";

/// When something is to be sent next.
pub fn next_due_ms(tx: &mut Tx) -> Result<Option<i64>> {
    let sql = format!("SELECT MIN(l.due_ms) FROM scrobble_link l WHERE {WAITS}");
    tx.one(&sql, args![], |row| row.get(0))
}

/// What waits for one service, the first at most `most`, or a single one after a failure, so that one that the service
/// does not take stops no others. Nobody else sends it until `again_ms`.
pub fn take(tx: &mut Tx, now_ms: i64, again_ms: i64, most: i64) -> Result<Option<(Link, Vec<Play>)>> {
    let sql = format!("{LINK} WHERE l.due_ms <= $1 AND {WAITS} ORDER BY l.due_ms, l.account_id, l.target LIMIT 1");
    let Some(link) = tx.maybe(&sql, args![now_ms], link_of)? else { return Ok(None) };
    set_due(tx, &link, again_ms)?;
    let most = if link.failures > 0 { 1 } else { most };
    let plays = tx.all(
        "SELECT id, played_ms, title, artist, album, album_artist, number, duration_ms, musicbrainz_id FROM scrobble
         WHERE account_id = $1 AND target = $2 ORDER BY id LIMIT $3",
        args![link.user.0, link.target.text(), most],
        |row| {
            Ok(Play {
                key: row.get(0)?,
                played_ms: row.get(1)?,
                title: row.get(2)?,
                artist: row.get(3)?,
                album: row.get(4)?,
                album_artist: row.get(5)?,
                number: row.get::<Option<i64>>(6)?.and_then(|number| u32::try_from(number).ok()),
                duration_ms: row.get(7)?,
                musicbrainz_id: row.get(8)?,
            })
        },
    )?;
    Ok(Some((link, plays)))
}

fn set_due(tx: &mut Tx, link: &Link, due_ms: i64) -> Result<()> {
    let sql = "UPDATE scrobble_link SET due_ms = $1 WHERE account_id = $2 AND target = $3";
    tx.run(sql, args![due_ms, link.user.0, link.target.text()]).map(drop)
}

/// The service knows them.
pub fn set_told(tx: &mut Tx, link: &Link, plays: &[i64]) -> Result<()> {
    let mut args = Vec::new();
    let keys = bind_all(&mut args, plays.iter().copied());
    tx.run(&format!("DELETE FROM scrobble WHERE id IN ({keys})"), &args)?;
    let sql = "UPDATE scrobble_link SET due_ms = 0, failures = 0 WHERE account_id = $1 AND target = $2";
    tx.run(sql, args![link.user.0, link.target.text()]).map(drop)
}

pub fn set_failed(tx: &mut Tx, link: &Link, due_ms: i64) -> Result<()> {
    let sql = "UPDATE scrobble_link SET due_ms = $1, failures = failures + 1 WHERE account_id = $2 AND target = $3";
    tx.run(sql, args![due_ms, link.user.0, link.target.text()]).map(drop)
}

pub fn set_refused(tx: &mut Tx, link: &Link) -> Result<()> {
    let sql = "UPDATE scrobble_link SET refused = 1 WHERE account_id = $1 AND target = $2";
    tx.run(sql, args![link.user.0, link.target.text()]).map(drop)
}
