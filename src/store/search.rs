//! Search by the beginnings of words. An empty search finds everything, page by page: that is how apps copy a whole library.
//!
//! All words must begin somewhere in the name of what is found, or in the artist's or album's; one of them, the rarest, leads
//! along the index, and what it leads to is compared with the others. So things come in the order of the word that was
//! found: the very word before longer ones. Of tracks, those come first that have it in their title.

use std::collections::HashSet;
use std::ops::ControlFlow;

use super::list::{List, arms};
use super::music::libraries;
use super::words::Kind;
use super::{Tx, Value, bind, library, music};
use crate::args;
use crate::error::Result;
use crate::library::music::Track;
use crate::library::names::{beginning, beginnings, holds, search_key};
use crate::library::{AlbumKey, ArtistKey, Item, ItemKey, Page};
use crate::share::grant::Scope;

/// Words of one search that count.
const MOST_WORDS: usize = 16;
/// How far rare words are told from frequent ones.
const COUNTED: i64 = 500;
/// Rows that are read at once, at first and at most.
const FEWEST_HITS: i64 = 64;
const MOST_HITS: i64 = 1024;

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
                .take(MOST_WORDS)
                .collect(),
        )
    }

    fn fit(&self, text: &str) -> bool {
        self.0.iter().all(|word| holds(text, word))
    }

    fn are_in(&self, text: &str) -> bool {
        self.fit(&search_key(text))
    }

    /// The word that the fewest names begin with.
    fn lead(&self, tx: &mut Tx, scope: &Scope, kind: Kind) -> Result<Option<&str>> {
        if let [] | [_] = self.0[..] {
            return Ok(self.0.first().map(String::as_str));
        }
        let mut rarest = None;
        for word in &self.0 {
            // By the name of an album or artist many tracks are found.
            let kinds: &[(Kind, u64)] = match kind {
                Kind::Track => &[(Kind::Track, 1), (Kind::Album, 10), (Kind::Artist, 50)],
                Kind::Album => &[(Kind::Album, 1)],
                Kind::Artist => &[(Kind::Artist, 1)],
            };
            let mut weight = 0;
            for (kind, each) in kinds {
                weight += count(tx, scope, *kind, word)? * each;
            }
            if rarest.is_none_or(|(least, _)| weight < least) {
                rarest = Some((weight, word.as_str()));
            }
        }
        Ok(rarest.map(|(_, word)| word))
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

/// Names that begin with a word, up to [`COUNTED`].
fn count(tx: &mut Tx, scope: &Scope, kind: Kind, word: &str) -> Result<u64> {
    let mut args = vec![Value::from(kind as i64), beginning(word).as_bytes().into(), after_all(word), COUNTED.into()];
    let sql = format!(
        "SELECT COUNT(*) FROM (SELECT w.word FROM word w WHERE w.library_id IN ({}) AND w.kind = $1
            AND w.word >= $2 AND w.word < $3 LIMIT $4) AS l",
        libraries(&mut args, scope)
    );
    tx.one(&sql, &args, |row| row.get(0))
}

/// What no text that begins with the word comes after: the byte is in no UTF-8.
fn after_all(word: &str) -> Value {
    Value::Bytes([beginning(word).as_bytes(), b"\xff"].concat())
}

/// Something that was found by a word of its name.
struct Hit {
    word: Vec<u8>,
    key: i64,
    /// All that a search compares.
    text: String,
}

/// Tells of all of a kind that have the word in their names, each once, until `each` has enough.
fn hits(
    tx: &mut Tx,
    scope: &Scope,
    kind: Kind,
    word: &str,
    mut each: impl FnMut(&mut Tx, Hit) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let (columns, from) = match kind {
        Kind::Artist => ("ar.search, ar.search", "artist ar WHERE ar.id = w.object_id"),
        Kind::Album => ("a.search, a.search", "album a WHERE a.id = w.object_id AND +a.track_count > 0"),
        Kind::Track => ("t.title, t.search", "track t WHERE t.item_id = w.object_id AND +t.listed_in = w.library_id"),
    };
    let begins = beginning(word);
    let (mut from_word, mut from_key, mut limit) = (begins.as_bytes().to_vec(), -1i64, FEWEST_HITS);
    loop {
        let mut args = args![kind as i64, from_word, from_key, after_all(word), limit].to_vec();
        let arms = arms(scope, &mut args, |within| {
            format!(
                "SELECT w.word, w.object_id, {columns} FROM word w CROSS JOIN {from} AND w.library_id {within}
                 AND w.kind = $1 AND (w.word, w.object_id) > ($2, $3) AND w.word < $4"
            )
        });
        // An artist may be in several libraries.
        let sql = format!("{} ORDER BY 1, 2 LIMIT $5", arms.join(" UNION "));
        let found: Vec<(Hit, String)> = tx.all(&sql, &args, |row| {
            Ok((Hit { word: row.get(0)?, key: row.get(1)?, text: row.get(3)? }, row.get(2)?))
        })?;
        let Some((last, _)) = found.last() else { return Ok(()) };
        let is_last = (found.len() as i64) < limit;
        (from_word, from_key, limit) = (last.word.clone(), last.key, (limit * 2).min(MOST_HITS));
        for (hit, name) in found {
            let name = search_key(&name);
            let first = beginnings(&name).into_iter().find(|known| known.starts_with(begins));
            if first.is_some_and(|first| first.as_bytes() == hit.word)
                && holds(&name, word)
                && each(tx, hit)?.is_break()
            {
                return Ok(());
            }
        }
        if is_last {
            return Ok(());
        }
    }
}

/// A page that is being filled.
struct Filling {
    page: Page,
    keys: Vec<i64>,
}

impl Filling {
    fn take(&mut self, key: i64) -> ControlFlow<()> {
        if self.page.offset > 0 {
            self.page.offset -= 1;
        } else if !self.is_full() {
            self.keys.push(key);
        }
        if self.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn is_full(&self) -> bool {
        self.keys.len() as u64 >= self.page.limit
    }
}

fn found(tx: &mut Tx, scope: &Scope, terms: &Terms, kind: Kind, all: List, page: Page) -> Result<Vec<i64>> {
    if page.limit == 0 || scope.libraries().is_empty() {
        return Ok(Vec::new());
    }
    let Some(lead) = terms.lead(tx, scope, kind)? else { return all.keys(tx, page) };
    let mut filling = Filling { page, keys: Vec::new() };
    hits(tx, scope, kind, lead, |_, hit| {
        Ok(if terms.fit(&hit.text) { filling.take(hit.key) } else { ControlFlow::Continue(()) })
    })?;
    if kind == Kind::Track && !filling.is_full() {
        tracks_otherwise(tx, scope, terms, lead, &mut filling)?;
    }
    Ok(filling.keys)
}

/// Tracks that do not have the word in their titles: by their albums, and then by artists who are not named with those.
fn tracks_otherwise(tx: &mut Tx, scope: &Scope, terms: &Terms, lead: &str, filling: &mut Filling) -> Result<()> {
    let offer = |filling: &mut Filling, key: i64, title: &str, text: &str| {
        let fits = terms.fit(text) && !holds(&search_key(title), lead);
        if fits { filling.take(key) } else { ControlFlow::Continue(()) }
    };
    hits(tx, scope, Kind::Album, lead, |tx, album| {
        for (key, title, _, text) in music::texts_of_album(tx, scope, AlbumKey(album.key))? {
            if offer(filling, key.0, &title, &text).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let mut met = HashSet::new();
    hits(tx, scope, Kind::Artist, lead, |tx, artist| {
        if filling.is_full() {
            return Ok(ControlFlow::Break(()));
        }
        for (key, title, album, text) in music::texts_of_artist(tx, scope, ArtistKey(artist.key))? {
            if !holds(&album, lead) && met.insert(key) && offer(filling, key.0, &title, &text).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    })
}

pub fn artists(tx: &mut Tx, scope: &Scope, terms: &Terms, page: Page) -> Result<Vec<ArtistKey>> {
    let keys = found(tx, scope, terms, Kind::Artist, music::all_artists(scope), page)?;
    Ok(keys.into_iter().map(ArtistKey).collect())
}

pub fn albums(tx: &mut Tx, scope: &Scope, terms: &Terms, page: Page) -> Result<Vec<AlbumKey>> {
    let keys = found(tx, scope, terms, Kind::Album, music::all_albums(scope), page)?;
    Ok(keys.into_iter().map(AlbumKey).collect())
}

pub fn tracks(tx: &mut Tx, scope: &Scope, terms: &Terms, page: Page) -> Result<Vec<ItemKey>> {
    let keys = found(tx, scope, terms, Kind::Track, music::all_tracks(scope), page)?;
    Ok(keys.into_iter().map(ItemKey).collect())
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
    let shown = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
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
