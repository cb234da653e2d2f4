//! Reports of abuse: kept for administrators to read.

use serde::Deserialize;

use super::uri::FileUri;
use super::{Outcome, done};
use crate::account::User;
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::now_ms;
use crate::store::reports::{self, About, NewReport};
use crate::store::{Tx, accounts, shares};

const LONGEST_CHARS: usize = 512;

#[derive(Deserialize)]
struct Report {
    category: Option<i64>,
    description: Option<String>,
    share_id: Option<String>,
    user_id: Option<String>,
    file_uri: Option<String>,
}

fn about(tx: &mut Tx, share_id: Option<&str>, user_id: Option<&str>) -> Result<About> {
    match (share_id, user_id) {
        (Some(id), None) => Ok(About::Share(shares::by_id(tx, id)?.ok_or(Error::NotFound(Thing::Share))?.key)),
        (None, Some(id)) => Ok(About::User(accounts::by_id(tx, id)?.ok_or(Error::NotFound(Thing::User))?.key)),
        _ => Err(Error::invalid("share_id", "either a share or a user is reported")),
    }
}

/// Where in the share, without its password.
fn place(uri: &str) -> Result<String> {
    let uri = FileUri { password: None, ..FileUri::parse(uri)? };
    Ok(uri.to_string().chars().take(LONGEST_CHARS).collect())
}

pub async fn post_abuse(mut call: Call, _: Option<User>) -> Outcome {
    let asked: Report = call.json().await?;
    let category = asked.category.ok_or(Error::Missing("category"))?;
    if !(0..=3).contains(&category) {
        return Err(Error::invalid("category", "0 to 3").into());
    }
    let description = asked.description.unwrap_or_default();
    if description.chars().count() > LONGEST_CHARS {
        return Err(Error::invalid("description", format!("at most {LONGEST_CHARS} characters")).into());
    }
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (share_id, user_id) = (given(asked.share_id), given(asked.user_id));
    let place = given(asked.file_uri).map(|uri| place(&uri)).transpose()?.unwrap_or_default();
    let network = call.guest().network();
    let keep = move |tx: &mut Tx| {
        let now_ms = now_ms();
        // Whoever reports much has to wait, as does who guesses.
        accounts::count_try(tx, &[format!("report {network}")], now_ms)?;
        let about = about(tx, share_id.as_deref(), user_id.as_deref())?;
        let (place, network) = (place.as_str(), network.as_str());
        reports::insert(tx, &NewReport { category, description: &description, about, place, network, now_ms })
    };
    call.app.db.write(keep).await?;
    done()
}
