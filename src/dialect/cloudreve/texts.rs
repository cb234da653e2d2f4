//! Searching what files say.

use serde::Serialize;

use super::answers::File;
use super::{Outcome, data, list, query};
use crate::account::User;
use crate::error::{Error, Result};
use crate::http::Call;
use crate::library::text::Query;
use crate::store::Tx;
use crate::work::texts;

/// Hits in one answer. Clients ask on by the number of those that they have, whatever that is.
const PAGE: usize = 20;
const LONGEST_QUERY_BYTES: usize = 1024;

#[derive(Serialize)]
struct Hit {
    file: File,
    /// What stands around the first word that was found.
    content: String,
}

#[derive(Serialize)]
struct Hits {
    hits: Vec<Hit>,
    total: usize,
}

pub async fn get_search(call: Call, user: User) -> Outcome {
    if !texts::is_on(&call.app) {
        return Err(Error::Unsupported("Searching what files say").into());
    }
    let asked = query(&call)?;
    let text = asked.need("query")?;
    if text.len() > LONGEST_QUERY_BYTES {
        return Err(Error::invalid("query", "it is too long").into());
    }
    let (wanted, offset) = (Query::of(text), asked.number::<u32>("offset")?.unwrap_or(0) as usize);
    data(&call.app.db.read(move |tx| search(tx, &user, &wanted, offset)).await?)
}

fn search(tx: &mut Tx, user: &User, wanted: &Query, offset: usize) -> Result<Hits> {
    let (found, total) = texts::search(tx, user, wanted, offset, PAGE)?;
    let (lines, excerpts): (Vec<_>, Vec<_>) = found.into_iter().map(|hit| (hit.line, hit.excerpt)).unzip();
    let files = list::own_files(tx, user, &lines)?;
    let hits = files.into_iter().zip(excerpts).map(|(file, content)| Hit { file, content }).collect();
    Ok(Hits { hits, total })
}
