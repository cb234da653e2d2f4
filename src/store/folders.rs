//! What lies in a folder, page by page, and what is found beneath one.
//!
//! A page begins after a place in an order, not at a number, so that what comes and goes between two pages shifts nothing. An
//! index has each order within a folder: a page costs what it holds, however large the folder.

use super::library::{ITEM_COLUMNS, item_of, kind_number, media_number};
use super::search::literal;
use super::{Row, Tx, Value, Weighed, bind, bind_all};
use crate::args;
use crate::error::Result;
use crate::library::names::{search_key, sort_key};
use crate::library::{Item, ItemKey, ItemKind, LibraryKey, Media};

// Orders --------------------------------------------------------------------------------------------------------------

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Name,
    Size,
    Modified,
    Added,
}

impl By {
    fn column(self) -> &'static str {
        match self {
            By::Name => "sort",
            By::Size => "size_bytes",
            By::Modified => "modified_ns",
            By::Added => "added_ms",
        }
    }
}

/// An order of what lies in a folder: folders first, then by this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    pub by: By,
    pub is_descending: bool,
}

/// What an order goes by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    Number(i64),
    Text(Vec<u8>),
}

impl Rank {
    /// Of an item that is shown by this name.
    pub fn of(by: By, item: &Item, shown: &str) -> Rank {
        match by {
            By::Name => Rank::Text(sort_key(shown)),
            By::Size => Rank::Number(i64::try_from(item.size_bytes).unwrap_or(i64::MAX)),
            By::Modified => Rank::Number(item.modified_ms.saturating_mul(1_000_000)),
            By::Added => Rank::Number(item.added_ms),
        }
    }

    fn value(&self) -> Value {
        match self {
            Rank::Number(number) => (*number).into(),
            Rank::Text(text) => text.into(),
        }
    }
}

/// The place of an item in an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub kind: ItemKind,
    pub rank: Rank,
    pub key: ItemKey,
}

impl Order {
    /// Whether `mark` comes after `other`.
    pub fn is_after(self, mark: &Mark, other: &Mark) -> bool {
        let place = |mark: &Mark| (mark.rank.clone(), mark.key);
        match (kind_number(mark.kind), kind_number(other.kind)) {
            (this, that) if this != that => this > that,
            _ if self.is_descending => place(mark) < place(other),
            _ => place(mark) > place(other),
        }
    }

    fn direction(self) -> &'static str {
        if self.is_descending { " DESC" } else { "" }
    }

    pub(super) fn row(self, row: &Row) -> Result<(Mark, Item)> {
        let item = item_of(row)?;
        let rank = match self.by {
            By::Name => Rank::Text(row.get(12)?),
            By::Size | By::Modified | By::Added => Rank::Number(row.get(12)?),
        };
        Ok((Mark { kind: item.kind, rank, key: item.key }, item))
    }

    /// The condition of what comes after a place.
    fn after(self, args: &mut Vec<Value>, mark: &Mark) -> String {
        let compare = if self.is_descending { "<" } else { ">" };
        let (rank, key) = (bind(args, mark.rank.value()), bind(args, mark.key.0));
        format!(" AND ({}, id) {compare} ({rank}, {key})", self.by.column())
    }
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    At(u64),
    After(Mark),
}

// Folders -------------------------------------------------------------------------------------------------------------

/// A page of what lies directly in a folder.
pub fn page(tx: &mut Tx, folder: ItemKey, order: Order, start: &Start, limit: usize) -> Result<Vec<(Mark, Item)>> {
    let (mut skipped, after) = match start {
        Start::At(offset) => (*offset, None),
        Start::After(mark) => (0, Some(mark)),
    };
    let mut rows = Vec::new();
    for kind in [ItemKind::Folder, ItemKind::File] {
        if rows.len() >= limit || after.is_some_and(|mark| kind_number(mark.kind) > kind_number(kind)) {
            continue;
        }
        if kind == ItemKind::Folder && skipped > 0 {
            let sql = "SELECT COUNT(*) FROM item
                       WHERE parent_id = $1 AND kind = 0 AND missing_ms IS NULL AND trashed_ms IS NULL";
            let folders: u64 = tx.one(sql, args![folder.0], |row| row.get(0))?;
            if skipped >= folders {
                skipped -= folders;
                continue;
            }
        }
        let mut args = vec![folder.0.into(), kind_number(kind).into()];
        let beyond = after.filter(|mark| mark.kind == kind).map(|mark| order.after(&mut args, mark));
        let (column, direction) = (order.by.column(), order.direction());
        let (limit, offset) = (bind(&mut args, limit - rows.len()), bind(&mut args, std::mem::take(&mut skipped)));
        let sql = format!(
            "SELECT {ITEM_COLUMNS}, {column} FROM item
             WHERE parent_id = $1 AND kind = $2 AND missing_ms IS NULL AND trashed_ms IS NULL{}
             ORDER BY {column}{direction}, id{direction} LIMIT {limit} OFFSET {offset}",
            beyond.unwrap_or_default()
        );
        rows.extend(tx.all(&sql, &args, |row| order.row(row))?);
    }
    Ok(rows)
}

/// The key of an item, whatever became of it.
pub fn key_of(tx: &mut Tx, id: &str) -> Result<Option<ItemKey>> {
    tx.maybe("SELECT id FROM item WHERE public_id = $1", args![id], |row| Ok(ItemKey(row.get(0)?)))
}

// Searches ------------------------------------------------------------------------------------------------------------

/// What is said of one field of an item's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Is {
    There,
    Exactly(String),
    With(String),
    /// Whoever asks may not know.
    Unknowable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    Of(Media),
    Document,
}

const DOCUMENTS: [&str; 16] = [
    "csv", "doc", "docx", "epub", "key", "md", "numbers", "odp", "ods", "odt", "pages", "pdf", "ppt", "pptx", "txt",
    "xlsx",
];

impl Category {
    /// As a search by rows has it.
    pub fn holds(self, item: &Item) -> bool {
        let name = search_key(&item.shown);
        match self {
            Category::Of(media) => item.media == media,
            Category::Document => {
                let ends = |ending: &&str| name.strip_suffix(*ending).is_some_and(|stem| stem.ends_with('.'));
                !item.is_folder() && DOCUMENTS.iter().any(ends)
            }
        }
    }
}

/// Whether all that is said has to hold, or one thing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Holds {
    #[default]
    All,
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Case {
    #[default]
    Told,
    Ignored,
}

/// Both ends included.
pub type Between = (Option<i64>, Option<i64>);

/// What is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    pub names: Vec<String>,
    pub of_names: Holds,
    pub case: Case,
    pub metadata: Vec<(String, Is)>,
    /// Of the names and of each field of the metadata.
    pub of_these: Holds,
    pub kind: Option<ItemKind>,
    pub category: Option<Category>,
    pub size_bytes: Between,
    pub added_ms: Between,
    pub modified_ms: Between,
}

fn joined(all: Vec<String>, holds: Holds) -> Option<String> {
    let word = if holds == Holds::Any { " OR " } else { " AND " };
    (!all.is_empty()).then(|| format!("({})", all.join(word)))
}

/// What clients call a track's facts, and the columns that have them.
const OF_MUSIC: [(&str, &str); 4] = [
    ("music:title", "title"),
    ("music:artist", "artist_name"),
    ("music:album", "album_name"),
    ("music:album_artists", "album_artist_name"),
];

impl Wanted {
    /// Conditions on a row of `item`.
    fn sql(&self, args: &mut Vec<Value>) -> String {
        let names = self.names.iter().map(|name| self.named(args, name)).collect();
        let mut said: Vec<String> = joined(names, self.of_names).into_iter().collect();
        said.extend(self.metadata.iter().map(|(name, is)| noted(args, name, is)));
        let mut all: Vec<String> = joined(said, self.of_these).into_iter().collect();
        if let Some(kind) = self.kind {
            all.push(format!("kind = {}", bind(args, kind_number(kind))));
        }
        match self.category {
            None => {}
            Some(Category::Of(media)) => all.push(format!("media = {}", bind(args, media_number(media)))),
            Some(Category::Document) => {
                let endings = DOCUMENTS.iter().map(|ending| {
                    let ending = bind(args, format!("%.{ending}"));
                    format!("search LIKE {ending}")
                });
                all.push("kind = 1".to_owned());
                all.extend(joined(endings.collect(), Holds::Any));
            }
        }
        let ns = |ms: i64| ms.saturating_mul(1_000_000);
        let modified_ns = (self.modified_ms.0.map(ns), self.modified_ms.1.map(|ms| ns(ms).saturating_add(999_999)));
        let of_files = if self.size_bytes == (None, None) { "" } else { " AND kind = 1" };
        for (column, (least, most)) in
            [("size_bytes", self.size_bytes), ("added_ms", self.added_ms), ("modified_ns", modified_ns)]
        {
            all.extend(least.map(|least| format!("{column} >= {}", bind(args, least))));
            all.extend(most.map(|most| format!("{column} <= {}", bind(args, most))));
        }
        all.iter().map(|condition| format!(" AND {condition}")).collect::<String>() + of_files
    }

    fn named(&self, args: &mut Vec<Value>, name: &str) -> String {
        match self.case {
            Case::Ignored => {
                let pattern = bind(args, format!("%{}%", literal(&search_key(name))));
                format!("search LIKE {pattern} ESCAPE '\\'")
            }
            Case::Told => holds(args, "shown", name),
        }
    }
}

/// Whether a column has the text in it, letter by letter; `LIKE` of one engine ignores case.
fn holds(args: &mut Vec<Value>, column: &str, text: &str) -> String {
    if text.is_empty() {
        return "1 = 1".to_owned();
    }
    format!("replace({column}, {}, '') <> {column}", bind(args, text))
}

fn noted(args: &mut Vec<Value>, name: &str, is: &Is) -> String {
    if *is == Is::Unknowable {
        return "1 = 0".to_owned();
    }
    let (table, value, of_name) = match OF_MUSIC.iter().find(|(known, _)| *known == name) {
        Some((_, column)) => ("track", *column, "1 = 1".to_owned()),
        None => ("item_metadata", "value", format!("m.name = {}", bind(args, name))),
    };
    let fits = match is {
        Is::Unknowable => "1 = 0".to_owned(),
        // What has no tag of that kind has an empty one.
        Is::There if table == "track" => format!("m.{value} <> ''"),
        Is::There => "1 = 1".to_owned(),
        Is::Exactly(text) => format!("m.{value} = {}", bind(args, text)),
        Is::With(text) => holds(args, &format!("m.{value}"), text),
    };
    format!("EXISTS (SELECT 1 FROM {table} m WHERE m.item_id = item.id AND {of_name} AND ({fits}))")
}

/// Where it is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Where {
    /// In all of these.
    Libraries(Vec<LibraryKey>),
    Below(ItemKey),
    /// Among these and below them.
    Among(Vec<ItemKey>),
}

/// How many folders and files one search looks at, where it does not look at whole libraries.
const MOST_WALKED: usize = 100_000;

impl Where {
    /// Conditions on a row of `item`, and what stands before them.
    fn sql(&self, args: &mut Vec<Value>) -> (String, String) {
        const THERE: &str = "missing_ms IS NULL AND trashed_ms IS NULL";
        let begins = match self {
            Where::Libraries(keys) => {
                let keys = bind_all(args, keys.iter().map(|key| key.0));
                return (String::new(), format!("library_id IN ({keys}) AND parent_id IS NOT NULL AND {THERE}"));
            }
            Where::Below(folder) => format!("parent_id = {}", bind(args, folder.0)),
            Where::Among(keys) => format!("id IN ({})", bind_all(args, keys.iter().map(|key| key.0))),
        };
        let before = format!(
            "WITH RECURSIVE below (id, kind) AS (
                 SELECT id, kind FROM item WHERE {begins} AND {THERE}
                 UNION ALL
                 SELECT c.id, c.kind FROM item c JOIN below b ON c.parent_id = b.id
                 WHERE b.kind = 0 AND c.missing_ms IS NULL AND c.trashed_ms IS NULL
             ) "
        );
        (before, format!("id IN (SELECT id FROM below LIMIT {MOST_WALKED})"))
    }
}

/// A page of what fits. Folders and files stand among each other.
pub fn search(
    tx: &mut Tx,
    place: &Where,
    wanted: &Wanted,
    order: Order,
    start: &Start,
    limit: usize,
) -> Result<Vec<(Mark, Item)>> {
    let mut args = Vec::new();
    let (before, there) = place.sql(&mut args);
    let fits = wanted.sql(&mut args);
    let (beyond, offset) = match start {
        Start::At(offset) => (String::new(), *offset),
        Start::After(mark) => (order.after(&mut args, mark), 0),
    };
    let (column, direction) = (order.by.column(), order.direction());
    let (limit, offset) = (bind(&mut args, limit), bind(&mut args, offset));
    let sql = format!(
        "{before}SELECT {ITEM_COLUMNS}, {column} FROM item WHERE {there}{fits}{beyond}
         ORDER BY {column}{direction}, id{direction} LIMIT {limit} OFFSET {offset}"
    );
    tx.all(&sql, &args, |row| order.row(row))
}

/// Whether there is more than a search looks at.
pub fn is_beyond_search(tx: &mut Tx, place: &Where) -> Result<bool> {
    if let Where::Libraries(_) = place {
        return Ok(false);
    }
    let mut args = Vec::new();
    let (before, _) = place.sql(&mut args);
    let sql = format!("{before}SELECT COUNT(*) FROM (SELECT id FROM below LIMIT {}) AS l", MOST_WALKED + 1);
    Ok(tx.one(&sql, &args, |row| row.get::<usize>(0))? > MOST_WALKED)
}

// Sums ----------------------------------------------------------------------------------------------------------------

/// What lies below a folder, as far as it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    pub files: u64,
    pub folders: u64,
    pub size_bytes: u64,
    pub is_whole: bool,
}

impl Weighed for Sum {}

pub fn sum(tx: &mut Tx, folder: ItemKey) -> Result<Sum> {
    let mut args = Vec::new();
    let (before, _) = Where::Below(folder).sql(&mut args);
    let sql = format!(
        "{before}SELECT CAST(COALESCE(SUM(l.kind), 0) AS BIGINT), COUNT(*),
             CAST(COALESCE(SUM(CASE WHEN l.kind = 1 THEN i.size_bytes ELSE 0 END), 0) AS BIGINT)
         FROM (SELECT id, kind FROM below LIMIT {}) AS l JOIN item i ON i.id = l.id",
        MOST_WALKED + 1
    );
    tx.one(&sql, &args, |row| {
        let (files, all): (u64, u64) = (row.get(0)?, row.get(1)?);
        let is_whole = all <= MOST_WALKED as u64;
        Ok(Sum { files, folders: all - files, size_bytes: row.get(2)?, is_whole })
    })
}
