//! Search in the folded columns. An empty search finds everything, page by page, in the order of keys: that is how apps
//! copy a whole library, and it needs no sorting.

use super::music::{artist_there, bind, libraries};
use super::{Tx, Value, library, music};
use crate::error::Result;
use crate::library::music::{Album, Artist, Page, Track};
use crate::library::names::search_key;
use crate::library::{AlbumKey, ArtistKey, Item, ItemKey};
use crate::share::grant::Scope;

/// The words of a search, folded; all of them must occur. None stands for everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms(Vec<String>);

impl Terms {
    /// Quotes do not count, since an app asks for everything by two of them, nor does the `*` that ends a word of
    /// those who learnt to search from Lucene.
    pub fn of(query: &str) -> Terms {
        let words = search_key(&query.replace('"', " "));
        Terms(
            words
                .split(' ')
                .map(|word| word.trim_end_matches('*'))
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    }

    fn are_in(&self, text: &str) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let text = search_key(text);
        self.0.iter().all(|word| text.contains(word))
    }

    fn held_by(&self, args: &mut Vec<Value>, column: &str) -> String {
        let words = self.0.iter().map(|word| {
            let holds = bind(args, format!("%{}%", literal(word)));
            format!(" AND {column} LIKE {holds} ESCAPE '\\'")
        });
        words.collect()
    }

    /// Conditions and order of a search in `column`; what begins with the first word comes first.
    fn sql(&self, args: &mut Vec<Value>, column: &str, sort: &str, key: &str) -> (String, String) {
        let Some(first) = self.0.first() else { return (String::new(), key.to_owned()) };
        let begins = bind(args, format!("{}%", literal(first)));
        let only = self.held_by(args, column);
        (only, format!("CASE WHEN {column} LIKE {begins} ESCAPE '\\' THEN 0 ELSE 1 END, {sort}, {key}"))
    }
}

/// The text as a pattern of `LIKE … ESCAPE '\'` that means nothing but itself.
pub(super) fn literal(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

pub fn artists(tx: &mut Tx, scope: &Scope, terms: &Terms, page: Page) -> Result<Vec<Artist>> {
    if page.limit == 0 {
        return Ok(Vec::new());
    }
    let mut args = Vec::new();
    let there = artist_there(&libraries(&mut args, scope));
    let (only, order) = terms.sql(&mut args, "ar.search", "ar.sort", "ar.id");
    let sql = format!(
        "SELECT ar.id FROM artist ar WHERE {there}{only} ORDER BY {order} LIMIT {} OFFSET {}",
        bind(&mut args, page.limit),
        bind(&mut args, page.offset)
    );
    let keys = tx.all(&sql, &args, |row| Ok(ArtistKey(row.get(0)?)))?;
    music::artists(tx, scope, &keys)
}

pub fn albums(tx: &mut Tx, scope: &Scope, terms: &Terms, page: Page) -> Result<Vec<Album>> {
    if page.limit == 0 {
        return Ok(Vec::new());
    }
    let mut args = Vec::new();
    let within = libraries(&mut args, scope);
    let (only, order) = terms.sql(&mut args, "a.search", "a.sort", "a.id");
    let sql = format!(
        "SELECT a.id FROM album a WHERE a.library_id IN ({within}) AND {}{only} ORDER BY {order} LIMIT {} OFFSET {}",
        music::ALBUM_THERE,
        bind(&mut args, page.limit),
        bind(&mut args, page.offset)
    );
    let keys = tx.all(&sql, &args, |row| Ok(AlbumKey(row.get(0)?)))?;
    music::albums(tx, scope, &keys)
}

pub fn tracks(tx: &mut Tx, scope: &Scope, terms: &Terms, page: Page) -> Result<Vec<Track>> {
    if page.limit == 0 {
        return Ok(Vec::new());
    }
    let mut args = Vec::new();
    let within = libraries(&mut args, scope);
    let (only, order) = terms.sql(&mut args, "t.search", "t.sort", "t.item_id");
    let sql = format!(
        "SELECT t.item_id FROM track t JOIN item i ON i.id = t.item_id
         WHERE i.library_id IN ({within}) AND {}{only} ORDER BY {order} LIMIT {} OFFSET {}",
        music::THERE,
        bind(&mut args, page.limit),
        bind(&mut args, page.offset)
    );
    let keys = tx.all(&sql, &args, |row| Ok(ItemKey(row.get(0)?)))?;
    music::tracks(tx, scope, &keys)
}

/// What the oldest of searches can ask of a track.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    pub any: Terms,
    pub title: Terms,
    pub artist: Terms,
    pub album: Terms,
    pub added_after_ms: Option<i64>,
}

/// A page of the tracks that fit, by title, and how many there are in all.
pub fn tracks_by_field(tx: &mut Tx, scope: &Scope, asked: &Asked, page: Page) -> Result<(usize, Vec<Track>)> {
    let mut args = Vec::new();
    let mut sql = format!(
        "SELECT t.item_id, t.title, t.artist_name, t.album_artist_name, t.album_name FROM track t
         JOIN item i ON i.id = t.item_id WHERE i.library_id IN ({}) AND {}",
        libraries(&mut args, scope),
        music::THERE
    );
    // All fields are in the column; which word stands in which, only the texts themselves tell.
    for terms in [&asked.any, &asked.title, &asked.artist, &asked.album] {
        sql += &terms.held_by(&mut args, "t.search");
    }
    if let Some(after_ms) = asked.added_after_ms {
        sql += &format!(" AND i.added_ms > {}", bind(&mut args, after_ms));
    }
    let found = tx.all(&(sql + " ORDER BY t.sort, t.item_id"), &args, |row| {
        let artists = format!("{} {}", row.get::<String>(2)?, row.get::<String>(3)?);
        let fits = asked.title.are_in(&row.get::<String>(1)?)
            && asked.artist.are_in(&artists)
            && asked.album.are_in(&row.get::<String>(4)?);
        Ok(if fits { Some(ItemKey(row.get(0)?)) } else { None })
    })?;
    let found: Vec<ItemKey> = found.into_iter().flatten().collect();
    let shown = |number: i64| usize::try_from(number).unwrap_or(0);
    let keys: Vec<ItemKey> = found.iter().skip(shown(page.offset)).take(shown(page.limit)).copied().collect();
    Ok((found.len(), music::tracks(tx, scope, &keys)?))
}

/// Folders and files by their names. What is in the trash itself is left out, but not what lies in a folder there: the
/// caller asks for each anyway whether it may be seen.
pub fn items(tx: &mut Tx, scope: &Scope, terms: &Terms, page: Page) -> Result<Vec<Item>> {
    if page.limit == 0 || scope.libraries().is_empty() {
        return Ok(Vec::new());
    }
    let mut args = Vec::new();
    let within = libraries(&mut args, scope);
    let (only, order) = terms.sql(&mut args, "i.search", "i.sort", "i.id");
    let sql = format!(
        "SELECT i.id FROM item i WHERE i.library_id IN ({within}) AND i.parent_id IS NOT NULL AND i.missing_ms IS NULL
            AND i.trashed_ms IS NULL{only} ORDER BY {order} LIMIT {} OFFSET {}",
        bind(&mut args, page.limit),
        bind(&mut args, page.offset)
    );
    let keys = tx.all(&sql, &args, |row| Ok(ItemKey(row.get(0)?)))?;
    let items = keys.into_iter().map(|key| library::item(tx, key)).collect::<Result<Vec<_>>>()?;
    Ok(items.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_has_three_spellings() {
        for query in ["", "\"\"", " ", "*"] {
            assert_eq!(Terms::of(query), Terms::default(), "{query}");
        }
    }

    #[test]
    fn words_are_folded_and_lose_the_star_at_their_end() {
        assert_eq!(
            Terms::of("  BJÖRK* \"Hyper ballad\""),
            Terms(vec!["bjork".into(), "hyper".into(), "ballad".into()])
        );
        assert_eq!(Terms::of("*NSYNC"), Terms(vec!["*nsync".into()]));
    }

    #[test]
    fn what_means_something_to_like_is_taken_as_it_stands() {
        assert_eq!(literal("100%_\\"), "100\\%\\_\\\\");
    }
}
