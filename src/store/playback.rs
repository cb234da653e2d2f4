//! SQL of what people's apps play, and of their queues.

use super::{Row, Tx, args};
use crate::account::UserKey;
use crate::error::{Error, Result};
use crate::library::ItemKey;
use crate::library::playback::{Play, PlayQueue, Playback, State};

const PLAYBACK: &str =
    "p.id, p.player, p.item_id, p.state, p.position_ms, p.rate, p.started_ms, p.told_ms, p.play, p.ends_ms";
/// Of one user. Apps give themselves names, so there might be any number.
const MOST_PLAYERS: i64 = 20;

/// A playback, and whose it is.
#[derive(Debug, Clone)]
pub struct NowPlaying {
    /// Stands for this user's app, as a number.
    pub player_id: i64,
    pub player: String,
    pub user_name: String,
    pub playback: Playback,
}

fn playback(row: &Row) -> Result<Playback> {
    Ok(Playback {
        item: ItemKey(row.get(2)?),
        state: match row.get::<String>(3)?.as_str() {
            "starting" => State::Starting,
            "playing" => State::Playing,
            "paused" => State::Paused,
            _ => State::Stopped,
        },
        position_ms: row.get(4)?,
        rate: row.get(5)?,
        started_ms: row.get(6)?,
        told_ms: row.get(7)?,
        play: match row.get::<String>(8)?.as_str() {
            "awaited" => Play::Awaited,
            "counted" => Play::Counted,
            _ => Play::Told,
        },
        ends_ms: row.get(9)?,
    })
}

fn state_text(state: State) -> &'static str {
    match state {
        State::Starting => "starting",
        State::Playing => "playing",
        State::Paused => "paused",
        State::Stopped => "stopped",
    }
}

fn play_text(play: Play) -> &'static str {
    match play {
        Play::Awaited => "awaited",
        Play::Counted => "counted",
        Play::Told => "told",
    }
}

/// What the user's app plays, or stopped playing lately.
pub fn of_player(tx: &mut Tx, user: UserKey, player: &str, now_ms: i64) -> Result<Option<Playback>> {
    tx.maybe(
        &format!("SELECT {PLAYBACK} FROM playback p WHERE p.account_id = $1 AND p.player = $2 AND p.ends_ms > $3"),
        args![user.0, player, now_ms],
        playback,
    )
}

/// In place of what that app played before.
pub fn save(tx: &mut Tx, user: UserKey, player: &str, playback: &Playback, now_ms: i64) -> Result<()> {
    tx.run(
        "INSERT INTO playback (account_id, player, item_id, state, position_ms, rate, started_ms, told_ms, ends_ms, play)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (account_id, player) DO UPDATE SET item_id = excluded.item_id, state = excluded.state,
            position_ms = excluded.position_ms, rate = excluded.rate, started_ms = excluded.started_ms,
            told_ms = excluded.told_ms, ends_ms = excluded.ends_ms, play = excluded.play",
        args![
            user.0,
            player,
            playback.item.0,
            state_text(playback.state),
            playback.position_ms,
            playback.rate,
            playback.started_ms,
            playback.told_ms,
            playback.ends_ms,
            play_text(playback.play)
        ],
    )?;
    tx.run("DELETE FROM playback WHERE ends_ms <= $1", args![now_ms])?;
    tx.run(
        "DELETE FROM playback WHERE account_id = $1 AND id NOT IN
            (SELECT id FROM playback WHERE account_id = $1 ORDER BY told_ms DESC, id DESC LIMIT $2)",
        args![user.0, MOST_PLAYERS],
    )?;
    Ok(())
}

/// Everybody's, the latest first.
pub fn now_playing(tx: &mut Tx, now_ms: i64) -> Result<Vec<NowPlaying>> {
    tx.all(
        &format!(
            "SELECT {PLAYBACK}, a.name FROM playback p JOIN account a ON a.id = p.account_id
             WHERE p.ends_ms > $1 AND p.state <> 'stopped' AND a.state = 'active' ORDER BY p.started_ms DESC, p.id DESC"
        ),
        args![now_ms],
        |row| {
            Ok(NowPlaying {
                player_id: row.get(0)?,
                player: row.get(1)?,
                user_name: row.get(10)?,
                playback: playback(row)?,
            })
        },
    )
}

// Queues --------------------------------------------------------------------------------------------------------------

pub fn queue(tx: &mut Tx, user: UserKey) -> Result<Option<PlayQueue>> {
    let found = tx.maybe(
        "SELECT items, place, position_ms, changed_ms, changed_by FROM play_queue WHERE account_id = $1",
        args![user.0],
        |row| Ok((row.get::<String>(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
    )?;
    let Some((items, current, position_ms, changed_ms, changed_by)) = found else { return Ok(None) };
    let items: Vec<i64> = serde_json::from_str(&items).map_err(|e| Error::internal("a play queue", e))?;
    let items = items.into_iter().map(ItemKey).collect();
    Ok(Some(PlayQueue { items, current, position_ms, changed_ms, changed_by }))
}

pub fn save_queue(tx: &mut Tx, user: UserKey, queue: &PlayQueue) -> Result<()> {
    let items: Vec<i64> = queue.items.iter().map(|item| item.0).collect();
    tx.run(
        "INSERT INTO play_queue (account_id, items, place, position_ms, changed_ms, changed_by)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (account_id) DO UPDATE SET items = excluded.items, place = excluded.place,
            position_ms = excluded.position_ms, changed_ms = excluded.changed_ms, changed_by = excluded.changed_by",
        args![user.0, format!("{items:?}"), queue.current, queue.position_ms, queue.changed_ms, &queue.changed_by],
    )?;
    Ok(())
}
