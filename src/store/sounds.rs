//! SQL of how tracks sound.
//!
//! A search for what is alike compares with every track there is. So sounds lie 512 to a row, at a place that the item's
//! key gives, each in a slot of 32 bytes: a hundred thousand tracks are two hundred rows, read a few at a time. An item's
//! key is never used again, and what is gone is left out when its track is looked up.
//!
//! | bytes of a slot | |
//! |---|---|
//! | 1 | [`VERSION`] of the analysis; 0: not listened to yet |
//! | 4 | library |
//! | 4 | revision of the item that was listened to |
//! | 23 | the sound; all -128 where the file cannot be listened to |

use std::ops::Range;

use super::Tx;
use super::music::THERE;
use crate::args;
use crate::error::Result;
use crate::library::sound::{DIMENSIONS, Sound, VERSION};
use crate::library::{ItemKey, LibraryKey};
use crate::share::grant::Scope;

const SLOTS: i64 = 512;
const SLOT_BYTES: usize = 9 + DIMENSIONS;
const UNHEARABLE: Sound = Sound([i8::MIN; DIMENSIONS]);
/// Rows that are in memory at once: a MiB.
const BLOCKS_AT_ONCE: i64 = 64;

/// What there is to listen to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unheard {
    pub item: ItemKey,
    pub library: LibraryKey,
    pub revision: i64,
    pub duration_ms: i64,
}

impl Unheard {
    /// A slot holds the lower half of both; what differs in the upper half alone does not come about.
    fn stamp(&self) -> [u8; 9] {
        let [a, b, c, d] = (self.library.0 as u32).to_le_bytes();
        let [e, f, g, h] = (self.revision as u32).to_le_bytes();
        [VERSION, a, b, c, d, e, f, g, h]
    }
}

fn place(item: ItemKey) -> (i64, Range<usize>) {
    let at = (item.0 % SLOTS) as usize * SLOT_BYTES;
    (item.0 / SLOTS, at..at + SLOT_BYTES)
}

fn sound(slot: &[u8]) -> Option<Sound> {
    Sound::of_bytes(slot.get(9..)?).filter(|sound| slot[0] == VERSION && *sound != UNHEARABLE)
}

fn slots(tx: &mut Tx, block: i64) -> Result<Option<Vec<u8>>> {
    tx.maybe("SELECT slots FROM sound_block WHERE block = $1", args![block], |row| row.get(0))
}

/// Raised by every change of any library.
pub fn libraries_revision(tx: &mut Tx) -> Result<i64> {
    tx.one("SELECT CAST(COALESCE(SUM(revision), 0) AS BIGINT) FROM library", args![], |row| row.get(0))
}

/// The tracks that are to be listened to among the next ones after `after`, and where to go on; none at the end.
pub fn unheard(tx: &mut Tx, after: ItemKey) -> Result<Option<(Vec<Unheard>, ItemKey)>> {
    let next: Option<i64> =
        tx.one("SELECT MIN(item_id) FROM track WHERE item_id > $1", args![after.0], |row| row.get(0))?;
    let Some(next) = next else { return Ok(None) };
    let block = next / SLOTS;
    let known = slots(tx, block)?.unwrap_or_default();
    let last = (block + 1) * SLOTS - 1;
    let mut found = tx.all(
        &format!(
            "SELECT i.id, i.library_id, i.revision, t.duration_ms FROM track t JOIN item i ON i.id = t.item_id
             WHERE t.item_id BETWEEN $1 AND $2 AND {THERE} ORDER BY t.item_id"
        ),
        args![next, last],
        |row| {
            Ok(Unheard {
                item: ItemKey(row.get(0)?),
                library: LibraryKey(row.get(1)?),
                revision: row.get(2)?,
                duration_ms: row.get(3)?,
            })
        },
    )?;
    found.retain(|track| known.get(place(track.item).1).is_none_or(|slot| slot[..9] != track.stamp()));
    Ok(Some((found, ItemKey(last))))
}

/// None for one that cannot be listened to.
pub fn put(tx: &mut Tx, track: Unheard, sound: Option<Sound>) -> Result<()> {
    let (block, place) = place(track.item);
    let mut slots = slots(tx, block)?.unwrap_or_default();
    slots.resize(SLOTS as usize * SLOT_BYTES, 0);
    slots[place].copy_from_slice(&[&track.stamp()[..], &sound.unwrap_or(UNHEARABLE).bytes()].concat());
    tx.run(
        "INSERT INTO sound_block (block, slots) VALUES ($1, $2) ON CONFLICT (block) DO UPDATE SET slots = excluded.slots",
        args![block, slots],
    )?;
    Ok(())
}

/// Sounds of these items, as far as they are known.
pub fn of(tx: &mut Tx, items: &[ItemKey]) -> Result<Vec<Sound>> {
    let mut found = Vec::new();
    let mut items = items.to_vec();
    items.sort_unstable();
    for of_block in items.chunk_by(|a, b| a.0 / SLOTS == b.0 / SLOTS) {
        let slots = slots(tx, of_block[0].0 / SLOTS)?.unwrap_or_default();
        found.extend(of_block.iter().filter_map(|item| sound(slots.get(place(*item).1)?)));
    }
    Ok(found)
}

/// Hands out all sounds within the scope.
pub fn each(tx: &mut Tx, scope: &Scope, mut each: impl FnMut(ItemKey, Sound)) -> Result<()> {
    let within: Vec<[u8; 4]> = scope.libraries().iter().map(|library| (library.0 as u32).to_le_bytes()).collect();
    let mut after = -1;
    loop {
        let read = tx.all(
            "SELECT block, slots FROM sound_block WHERE block > $1 ORDER BY block LIMIT $2",
            args![after, BLOCKS_AT_ONCE],
            |row| {
                let (block, slots): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
                for (at, slot) in (0..).zip(slots.chunks_exact(SLOT_BYTES)) {
                    if let Some(sound) = sound(slot)
                        && within.iter().any(|library| *library == slot[1..5])
                    {
                        each(ItemKey(block * SLOTS + at), sound);
                    }
                }
                Ok(block)
            },
        )?;
        match read.last() {
            Some(last) if read.len() as i64 == BLOCKS_AT_ONCE => after = *last,
            _ => return Ok(()),
        }
    }
}

/// Rows of items that are gone for good.
pub fn forget_unused(tx: &mut Tx) -> Result<()> {
    let sql = format!(
        "DELETE FROM sound_block WHERE NOT EXISTS (SELECT 1 FROM track t
         WHERE t.item_id BETWEEN sound_block.block * {SLOTS} AND sound_block.block * {SLOTS} + {SLOTS} - 1)"
    );
    tx.run(&sql, args![])?;
    Ok(())
}
