//! Lists of keys from any offset on, however far.
//!
//! A database finds the row at an offset by passing over all before it. So the place of every 16th row of a list is kept
//! in memory, as far as somebody asked, and a page is a short walk from there along an index. What is kept holds for one
//! version of the libraries and marks that it was made from.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::{Tx, Value, bind, bind_all};
use crate::error::Result;
use crate::library::Page;
use crate::share::grant::Scope;

/// Rows between two places that are kept.
const STRIDE: u64 = 16;
/// What all kept places weigh at most, roughly.
const KEPT_BYTES: u64 = 16 * 1024 * 1024;
const LISTS: usize = 1024;
/// SQLite takes 500 parts of one statement.
const MOST_ARMS: usize = 100;

/// The columns of a row that order it; the last is its key.
type Place = Vec<Value>;

pub(super) struct Waypoints(Cache<String, Weighed, ByBytes>);

type Shared = Arc<Mutex<Kept>>;

/// What it weighed when it was put here; it grows.
#[derive(Clone)]
struct Weighed {
    kept: Shared,
    bytes: u64,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<String, Weighed> for ByBytes {
    fn weight(&self, _: &String, weighed: &Weighed) -> u64 {
        weighed.bytes
    }
}

fn bytes_of(value: &Value) -> usize {
    let beyond = match value {
        Value::Null | Value::Int(_) | Value::Real(_) => 0,
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
    };
    size_of::<Value>() + beyond + 16
}

#[derive(Default)]
struct Kept {
    version: Vec<i64>,
    /// The rows at `STRIDE`, twice `STRIDE` and so on.
    places: Vec<Place>,
    /// How many rows there are, once somebody went to the end.
    count: Option<u64>,
}

impl Default for Waypoints {
    fn default() -> Waypoints {
        Waypoints(Cache::with_weighter(LISTS, KEPT_BYTES, ByBytes))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Up,
    Down,
}

/// Whether a row may be found more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Once,
    Often,
}

/// What invalidates a kept list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// Changes of its libraries.
    Libraries,
    /// Those, and what the reader says of what is in them.
    Marks,
}

/// A list in an order that an index has.
pub(super) struct List<'a> {
    scope: &'a Scope,
    of: Of,
    columns: &'static [&'static str],
    order: Order,
    found: Found,
    /// Of the first column.
    least: Option<i64>,
    most: Option<i64>,
    args: Vec<Value>,
    /// From `FROM` on, with a condition; each in the order, and all together merged in it.
    arms: Vec<String>,
    /// Its statement from the first row on, and that from a place on: a draw runs one of them very often.
    texts: [OnceCell<String>; 2],
}

impl<'a> List<'a> {
    /// An index has the order within one library, so each is a part; see [`arms`].
    pub fn by_library(
        scope: &'a Scope,
        columns: &'static [&'static str],
        mut args: Vec<Value>,
        arm: impl Fn(&str) -> String,
    ) -> List<'a> {
        let arms = arms(scope, &mut args, arm);
        let (order, found, texts) = (Order::Up, Found::Once, Default::default());
        List { scope, of: Of::Libraries, columns, order, found, least: None, most: None, args, arms, texts }
    }

    /// What the reader marked.
    pub fn of_marks(scope: &'a Scope, columns: &'static [&'static str], args: Vec<Value>, arm: String) -> List<'a> {
        let (order, found, texts) = (Order::Down, Found::Once, Default::default());
        List { scope, of: Of::Marks, columns, order, found, least: None, most: None, args, arms: vec![arm], texts }
    }

    pub fn order(self, order: Order) -> List<'a> {
        List { order, ..self }
    }

    pub fn found(self, found: Found) -> List<'a> {
        List { found, ..self }
    }

    /// The part between two values of the first column, both included.
    pub fn between(self, least: Option<i64>, most: Option<i64>) -> List<'a> {
        List { least, most, ..self }
    }

    /// The keys of a page, in order.
    pub fn keys(&self, tx: &mut Tx, page: Page) -> Result<Vec<i64>> {
        let kept = if page.offset > STRIDE { self.kept(tx)? } else { None };
        self.stretch(tx, kept.as_ref(), page)
    }

    pub fn count(&self, tx: &mut Tx) -> Result<u64> {
        let kept = self.kept(tx)?;
        self.counted(tx, kept.as_ref())
    }

    /// Up to `limit` keys, each as likely as any other and in no order.
    pub fn draw(&self, tx: &mut Tx, limit: u64) -> Result<Vec<i64>> {
        let kept = self.kept(tx)?;
        let count = self.counted(tx, kept.as_ref())?;
        let mut keys = if count <= limit.saturating_mul(2) {
            self.walk(tx, None, Page::ALL)?
        } else {
            let mut ranks: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
            let mut drawn = 0;
            while drawn < limit {
                let rank = fastrand::u64(..count);
                let stretch = ranks.entry(rank / STRIDE).or_default();
                if !stretch.contains(&rank) {
                    stretch.push(rank);
                    drawn += 1;
                }
            }
            let mut keys = Vec::new();
            for ranks in ranks.values_mut() {
                ranks.sort_unstable();
                let (first, last) = (ranks[0], ranks[ranks.len() - 1]);
                let page = Page { offset: first, limit: last - first + 1 };
                let stretch = self.stretch(tx, kept.as_ref(), page)?;
                keys.extend(ranks.iter().filter_map(|rank| stretch.get((rank - first) as usize)));
            }
            keys
        };
        fastrand::shuffle(&mut keys);
        keys.truncate(limit as usize);
        Ok(keys)
    }

    fn stretch(&self, tx: &mut Tx, kept: Option<&Shared>, page: Page) -> Result<Vec<i64>> {
        let stretch = (page.offset / STRIDE) as usize;
        let Some(kept) = kept.filter(|_| stretch > 0) else { return self.walk(tx, None, page) };
        let mut known = lock(kept);
        let had = known.places.len();
        self.go(tx, &mut known, stretch)?;
        let from = known.places.get(stretch - 1).cloned();
        let has_grown = known.places.len() > had;
        drop(known);
        if has_grown {
            self.keep(tx, kept);
        }
        match from {
            Some(from) => self.walk(tx, Some(&from), Page { offset: page.offset % STRIDE, ..page }),
            // It ends before.
            None => Ok(Vec::new()),
        }
    }

    fn counted(&self, tx: &mut Tx, kept: Option<&Shared>) -> Result<u64> {
        let Some(kept) = kept else { return self.count_from(tx, None) };
        let mut known = lock(kept);
        if let Some(count) = known.count {
            return Ok(count);
        }
        self.go(tx, &mut known, usize::MAX)?;
        let count = known.places.len() as u64 * STRIDE + self.count_from(tx, known.places.last())?;
        known.count = Some(count);
        drop(known);
        self.keep(tx, kept);
        Ok(count)
    }

    /// Finds places until there are so many, or no more.
    fn go(&self, tx: &mut Tx, known: &mut Kept, places: usize) -> Result<()> {
        while known.places.len() < places && known.count.is_none() {
            let args = self.args(known.places.last(), Page { offset: STRIDE, limit: 1 });
            let width = self.columns.len();
            let next = tx.maybe(self.sql(known.places.last()), &args, |row| {
                (0..width).map(|column| row.get::<Value>(column)).collect::<Result<Place>>()
            })?;
            match next {
                Some(place) => known.places.push(place),
                None => break,
            }
        }
        Ok(())
    }

    fn walk(&self, tx: &mut Tx, from: Option<&Place>, page: Page) -> Result<Vec<i64>> {
        let key = self.columns.len() - 1;
        tx.all(self.sql(from), &self.args(from, page), |row| row.get(key))
    }

    fn count_from(&self, tx: &mut Tx, from: Option<&Place>) -> Result<u64> {
        let sql = format!("SELECT COUNT(*) FROM ({}) AS l", self.sql(from));
        tx.one(&sql, &self.args(from, Page::ALL), |row| row.get(0))
    }

    /// Of [`List::sql`], in its order.
    fn args(&self, from: Option<&Place>, page: Page) -> Vec<Value> {
        let mut args = self.args.clone();
        args.extend(from.into_iter().flatten().cloned());
        args.extend(self.bounds(from).map(|(_, bound)| bound.into()));
        args.extend([page.limit.into(), page.offset.into()]);
        args
    }

    /// Of the first column. A place says all of the bound that it is beyond; SQLite would begin at that one.
    fn bounds(&self, from: Option<&Place>) -> impl Iterator<Item = (&'static str, i64)> + use<> {
        let (order, begins) = (self.order, from.is_none());
        let bounds = [(self.least, ">=", Order::Up), (self.most, "<=", Order::Down)];
        bounds.into_iter().filter_map(move |(bound, compare, of)| {
            bound.filter(|_| begins || order != of).map(|bound| (compare, bound))
        })
    }

    /// Takes what the arms take, then a place, bounds, a limit and an offset.
    fn sql(&self, from: Option<&Place>) -> &str {
        self.texts[usize::from(from.is_some())].get_or_init(|| {
            let mut next = self.args.len();
            let mut placeholder = || {
                next += 1;
                format!("${next}")
            };
            let from_place = match from {
                Some(place) => self.begin(&place.iter().map(|_| placeholder()).collect::<Vec<_>>()),
                None => vec![String::new()],
            };
            let first = self.columns[0];
            let only: String =
                self.bounds(from).map(|(compare, _)| format!(" AND {first} {compare} {}", placeholder())).collect();
            let (select, and) = match self.found {
                Found::Once => ("SELECT", " UNION ALL "),
                Found::Often => ("SELECT DISTINCT", " UNION "),
            };
            let columns = self.columns.join(", ");
            let arms = self.arms.iter().flat_map(|arm| from_place.iter().map(move |from| (arm, from)));
            let arms: Vec<String> = arms.map(|(arm, from)| format!("{select} {columns} {arm}{from}{only}")).collect();
            let direction = match self.order {
                Order::Up => "",
                Order::Down => " DESC",
            };
            let order: Vec<String> = (1..=self.columns.len()).map(|column| format!("{column}{direction}")).collect();
            let (limit, offset) = (placeholder(), placeholder());
            format!("{} ORDER BY {} LIMIT {limit} OFFSET {offset}", arms.join(and), order.join(", "))
        })
    }

    /// Conditions that together begin at a place, each in the order. Where the second of two columns is the table's own key,
    /// SQLite would begin at the first, of which there may be very many alike: tracks of one year.
    fn begin(&self, place: &[String]) -> Vec<String> {
        let than = match self.order {
            Order::Up => ">",
            Order::Down => "<",
        };
        match (self.columns, place) {
            ([first, key], [at, key_at]) => {
                vec![format!(" AND {first} = {at} AND {key} {than}= {key_at}"), format!(" AND {first} {than} {at}")]
            }
            (columns, place) => vec![format!(" AND ({}) {than}= ({})", columns.join(", "), place.join(", "))],
        }
    }

    fn name(&self) -> String {
        let List { columns, order, least, most, args, arms, .. } = self;
        format!("{columns:?} {order:?} {least:?} {most:?} {arms:?} {args:?}")
    }

    /// What is known of this list as it is now.
    fn kept(&self, tx: &mut Tx) -> Result<Option<Shared>> {
        let Some(waypoints) = tx.waypoints else { return Ok(None) };
        let version = self.version(tx)?;
        let known = waypoints.0.get(&self.name()).filter(|weighed| lock(&weighed.kept).version == version);
        if let Some(known) = known {
            return Ok(Some(known.kept));
        }
        let kept = Arc::new(Mutex::new(Kept { version, ..Kept::default() }));
        self.keep(tx, &kept);
        Ok(Some(kept))
    }

    fn keep(&self, tx: &Tx, kept: &Shared) {
        let Some(waypoints) = tx.waypoints else { return };
        let name = self.name();
        let places: usize = lock(kept).places.iter().flatten().map(bytes_of).sum();
        let bytes = (size_of::<Kept>() + name.len() + places) as u64;
        waypoints.0.insert(name, Weighed { kept: Arc::clone(kept), bytes });
    }

    fn version(&self, tx: &mut Tx) -> Result<Vec<i64>> {
        let mut args = Vec::new();
        let keys = bind_all(&mut args, self.scope.libraries().iter().map(|library| library.0));
        let sql = format!("SELECT revision FROM library WHERE id IN ({keys}) ORDER BY id");
        let mut version = tx.all(&sql, &args, |row| row.get(0))?;
        if self.of == Of::Marks {
            let sql = "SELECT marks FROM account WHERE id = $1";
            version.push(tx.one(sql, &[self.scope.user().0.into()], |row| row.get(0))?);
        }
        Ok(version)
    }
}

/// The parts of a statement for the libraries of a scope; `arm` is told which, as `= $1` or `IN ($1,$2)`.
pub(super) fn arms(scope: &Scope, args: &mut Vec<Value>, arm: impl Fn(&str) -> String) -> Vec<String> {
    let keys: Vec<i64> = scope.libraries().iter().map(|library| library.0).collect();
    match keys.len().div_ceil(MOST_ARMS) {
        0 => vec![arm("IN (NULL)")],
        1 => keys.iter().map(|key| arm(&format!("= {}", bind(args, *key)))).collect(),
        each => keys.chunks(each).map(|part| arm(&format!("IN ({})", bind_all(args, part.iter().copied())))).collect(),
    }
}

fn lock(kept: &Shared) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
