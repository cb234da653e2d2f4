//! Search; also how apps copy a whole library, page by page or at once.

use super::answers::{Child, SearchResult};
use super::envelope::Payload;
use super::long::View;
use super::params::Params;
use super::{Answer, Asked};
use crate::error::Result;
use crate::library::Page;
use crate::store::search::{self, Asked as Fields, Terms};

/// Clients ask for 999999999 where they want all.
fn page(params: &Params, count: &'static str, offset: &'static str) -> Result<Page> {
    Ok(Page { limit: params.count(count, 20, Page::ALL.limit)?, offset: params.offset(offset)? })
}

/// A missing or empty query, and one of two quotes, find everything: the first is what OpenSubsonic demands, the last
/// what Symfonium sends.
async fn found(asked: Asked, name: &'static str, view: View) -> Result<Answer> {
    let terms = Terms::of(asked.params.get("query").unwrap_or_default());
    let artists = page(&asked.params, "artistCount", "artistOffset")?;
    let albums = page(&asked.params, "albumCount", "albumOffset")?;
    let songs = page(&asked.params, "songCount", "songOffset")?;
    asked
        .at_length(move |tx, scope| {
            let artists = search::artists(tx, scope, &terms, artists)?;
            let albums = search::albums(tx, scope, &terms, albums)?;
            Ok(view.plan(name, artists, albums, search::tracks(tx, scope, &terms, songs)?))
        })
        .await
}

/// The first of the three, which tells fields apart. Its `any` is a text, whatever the OpenAPI document says.
pub async fn search(asked: Asked) -> Result<Payload> {
    let terms = |name| Terms::of(asked.params.get(name).unwrap_or_default());
    let fields = Fields {
        any: terms("any"),
        title: terms("title"),
        artist: terms("artist"),
        album: terms("album"),
        added_after_ms: asked.params.ms("newerThan")?,
    };
    let page = page(&asked.params, "count", "offset")?;
    let (total, tracks) = asked.read(move |tx, scope| search::tracks_by_field(tx, scope, &fields, page)).await?;
    Ok(Payload::SearchResult(SearchResult {
        offset: page.offset,
        total_hits: total,
        found: tracks.iter().map(Child::of).collect(),
    }))
}

pub async fn search2(asked: Asked) -> Result<Answer> {
    found(asked, "searchResult2", View::Folders).await
}

pub async fn search3(asked: Asked) -> Result<Answer> {
    found(asked, "searchResult3", View::Tags).await
}
