//! Tasks of all users, as administrators page through them.

use super::{IS_OPEN, Kind, State, TASK, Task, TaskKey, task_of};
use crate::account::UserKey;
use crate::args;
use crate::error::{Error, Result};
use crate::library::Page;
use crate::store::shares::Direction;
use crate::store::{Tx, Value};

/// Which tasks are looked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub owner: Option<UserKey>,
    pub kind: Option<Kind>,
    pub state: Option<State>,
}

impl Wanted {
    /// Conditions and what they compare with.
    fn conditions(&self) -> (String, Vec<Value>) {
        let texts = [("kind", self.kind.map(Kind::text)), ("state", self.state.map(State::text))];
        let mut all = vec!["1 = 1".to_owned()];
        let mut args: Vec<Value> = Vec::new();
        for (column, text) in texts.into_iter().filter_map(|(column, text)| Some((column, text?))) {
            args.push(text.into());
            all.push(format!("{column} = ${}", args.len()));
        }
        if let Some(owner) = self.owner {
            args.push(owner.0.into());
            all.push(format!("account_id = ${}", args.len()));
        }
        (all.join(" AND "), args)
    }
}

/// A part of them by when they were asked for, and how many there are.
pub fn page(tx: &mut Tx, wanted: &Wanted, way: Direction, page: Page) -> Result<(Vec<Task>, u64)> {
    let (of, mut args) = wanted.conditions();
    let total = tx.one(&format!("SELECT COUNT(*) FROM task WHERE {of}"), &args, |row| row.get(0))?;
    let way = match way {
        Direction::Ascending => "ASC",
        Direction::Descending => "DESC",
    };
    let limit = args.len() + 1;
    args.extend([Value::from(page.limit.cast_signed()), Value::from(page.offset.cast_signed())]);
    let sql = format!("{TASK} WHERE {of} ORDER BY id {way} LIMIT ${limit} OFFSET ${}", limit + 1);
    Ok((tx.all(&sql, &args, task_of)?, total))
}

pub fn by_key(tx: &mut Tx, key: TaskKey) -> Result<Option<Task>> {
    tx.maybe(&format!("{TASK} WHERE id = $1"), args![key.0], task_of)
}

/// How many there are in each state that there are any in.
pub fn counts(tx: &mut Tx) -> Result<Vec<(Kind, State, u64)>> {
    let rows = tx.all("SELECT kind, state, COUNT(*) FROM task GROUP BY kind, state", args![], |row| {
        Ok((row.get::<String>(0)?, row.get::<String>(1)?, row.get::<u64>(2)?))
    })?;
    let known = |(kind, state, count): (String, String, u64)| {
        let kind_of = Kind::EACH.into_iter().find(|known| known.text() == kind);
        let state_of = State::EACH.into_iter().find(|known| known.text() == state);
        kind_of.zip(state_of).map(|(kind, state)| (kind, state, count))
    };
    rows.into_iter().map(|row| known(row).ok_or_else(|| Error::internal("tasks", "unknown kind or state"))).collect()
}

/// Forgets one that has ended.
pub fn forget(tx: &mut Tx, key: TaskKey) -> Result<()> {
    tx.run(&format!("DELETE FROM task WHERE id = $1 AND NOT ({IS_OPEN})"), args![key.0])?;
    Ok(())
}

/// Forgets those that ended and were asked for before then; `kinds` and `states` empty: all of them.
pub fn forget_ended(tx: &mut Tx, before_ms: i64, kinds: &[Kind], states: &[State]) -> Result<()> {
    let one_of = |column: &str, texts: Vec<&str>| match texts.is_empty() {
        true => "1 = 1".to_owned(),
        false => format!("{column} IN ('{}')", texts.join("', '")),
    };
    let of_kind = one_of("kind", kinds.iter().map(|kind| kind.text()).collect());
    let of_state = one_of("state", states.iter().map(|state| state.text()).collect());
    let sql = format!("DELETE FROM task WHERE NOT ({IS_OPEN}) AND created_ms < $1 AND {of_kind} AND {of_state}");
    tx.run(&sql, args![before_ms])?;
    Ok(())
}
