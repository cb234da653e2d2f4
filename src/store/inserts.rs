//! Rows of new things, stored by one statement for many: that costs a fraction of a statement for each.

use std::fmt::Write;

use super::{Tx, Value};
use crate::error::Result;

/// How many rows a statement has: few lengths, so that each is prepared once.
const LENGTHS: [usize; 3] = [32, 8, 1];

/// Rows that wait to be stored in one table.
pub(super) struct Inserts<const COLUMNS: usize> {
    /// `INSERT INTO … (…)`.
    into: &'static str,
    /// What comes after the rows.
    end: &'static str,
    rows: Vec<Value>,
    /// The statement of each length, as it was needed.
    statements: [String; LENGTHS.len()],
}

impl<const COLUMNS: usize> Inserts<COLUMNS> {
    pub fn new(into: &'static str, end: &'static str) -> Self {
        Inserts { into, end, rows: Vec::new(), statements: Default::default() }
    }

    pub fn add(&mut self, row: [Value; COLUMNS]) {
        self.rows.extend(row);
    }

    /// Stores what waits.
    pub fn flush(&mut self, tx: &mut Tx) -> Result<()> {
        let mut rest = self.rows.as_slice();
        for (length, statement) in LENGTHS.into_iter().zip(&mut self.statements) {
            while let Some((rows, others)) = rest.split_at_checked(length * COLUMNS) {
                if statement.is_empty() {
                    *statement = text::<COLUMNS>(self.into, length, self.end);
                }
                tx.run(statement, rows)?;
                rest = others;
            }
        }
        self.rows.clear();
        Ok(())
    }
}

fn text<const COLUMNS: usize>(into: &str, rows: usize, end: &str) -> String {
    let mut sql = format!("{into} VALUES ");
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for column in 1..=COLUMNS {
            let comma = if column == 1 { "" } else { ", " };
            // Writing to a text cannot fail.
            let _ = write!(sql, "{comma}${}", row * COLUMNS + column);
        }
        sql.push(')');
    }
    sql + " " + end
}
