//! Rows that are drawn by chance.

use std::collections::HashSet;

use super::list::List;
use super::{KEYS_AT_ONCE, Tx, Value, bind_all};
use crate::error::Result;

/// Lengths of statements are multiples of this, so that few are prepared.
const AT_ONCE: usize = 32;
/// Beyond this, a number is looked for in vain too often.
const LOOKS_FOR_ONE: usize = 4;

/// Rows of a table that lies in the order of its numbers.
pub(super) struct Numbered {
    pub table: &'static str,
    pub key: &'static str,
    /// Which of the rows; it leads to none of them.
    pub fits: String,
    pub args: Vec<Value>,
}

impl Numbered {
    /// Up to `limit` of the numbers, each as likely as any other and in no order. `list` is the same rows in an order.
    pub fn draw(&self, tx: &mut Tx, limit: u64, list: &List) -> Result<Vec<i64>> {
        match self.guess(tx, usize::try_from(limit).unwrap_or(0))? {
            Some(drawn) => Ok(drawn),
            None => list.draw(tx, limit),
        }
    }

    /// Numbers by chance until enough rows have them. `None` where too few do, or where there are not many more than are
    /// to be drawn.
    fn guess(&self, tx: &mut Tx, limit: usize) -> Result<Option<Vec<i64>>> {
        let Numbered { table, key, fits, .. } = self;
        let ends = format!("SELECT (SELECT MIN({key}) FROM {table}), (SELECT MAX({key}) FROM {table})");
        let (least, most) = tx.one(&ends, &[], |row| Ok((row.get::<Option<i64>>(0)?, row.get::<Option<i64>>(1)?)))?;
        let (Some(least), Some(most)) = (least, most) else { return Ok(None) };
        let span = most.abs_diff(least).saturating_add(1);
        let most_looks = limit.saturating_mul(LOOKS_FOR_ONE).saturating_add(AT_ONCE);
        if span / 2 < most_looks as u64 {
            return Ok(None);
        }
        let (mut looked, mut drawn) = (HashSet::new(), Vec::new());
        while drawn.len() < limit {
            let missing = limit - drawn.len();
            let looks = (missing + missing / 8).next_multiple_of(AT_ONCE).min(KEYS_AT_ONCE);
            if looked.len() + looks > most_looks {
                return Ok(None);
            }
            let mut numbers = Vec::with_capacity(looks);
            while numbers.len() < looks {
                let number = fastrand::i64(least..=most);
                if looked.insert(number) {
                    numbers.push(number);
                }
            }
            let mut args = self.args.clone();
            let sql = format!("SELECT {key} FROM {table} WHERE {key} IN ({}) AND {fits}", bind_all(&mut args, numbers));
            let mut found: Vec<i64> = tx.all(&sql, &args, |row| row.get(0))?;
            fastrand::shuffle(&mut found);
            drawn.extend(found);
        }
        drawn.truncate(limit);
        Ok(Some(drawn))
    }
}
