//! Locks that WebDAV's clients took: told to whoever they stop, and broken open by whom they belong to.

use serde::{Deserialize, Serialize};

use super::uri::FileUri;
use super::{Failure, LOCK_CONFLICT, Outcome, TOO_MANY_URIS, done, site};
use crate::account::User;
use crate::error::{Error, InTheWay};
use crate::http::Call;
use crate::work::locks;

/// One lock that is in the way.
#[derive(Serialize)]
pub struct LockConflict {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// 0 file, 1 folder.
    r#type: u8,
    owner: Owner,
}

#[derive(Serialize)]
struct Owner {
    application: Application,
}

#[derive(Serialize)]
struct Application {
    r#type: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    inner_xml: String,
}

impl LockConflict {
    fn of(lock: &InTheWay) -> LockConflict {
        LockConflict {
            path: (!lock.path.is_empty()).then(|| FileUri::my(lock.path.clone()).to_string()),
            token: lock.token.clone(),
            r#type: u8::from(lock.is_folder),
            owner: Owner { application: Application { r#type: "dav", inner_xml: lock.owner.clone() } },
        }
    }
}

/// What the envelope holds beside the code of a lock conflict.
pub fn in_the_way(failure: &Failure) -> Option<Vec<LockConflict>> {
    match failure {
        Failure::Of(Error::Locked(locks)) => Some(locks.iter().map(LockConflict::of).collect()),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Unlock {
    tokens: Option<Vec<String>>,
}

pub async fn delete_lock(mut call: Call, user: User) -> Outcome {
    let asked: Unlock = call.json().await?;
    let tokens = asked.tokens.filter(|tokens| !tokens.is_empty()).ok_or(Error::Missing("tokens"))?;
    if tokens.len() > site::MOST_URIS {
        return Err(TOO_MANY_URIS);
    }
    let mut failed = Vec::new();
    for token in tokens {
        if !locks::break_open(&call.app, &user, &token).await? {
            failed.push((token, Failure::Code(LOCK_CONFLICT, "There is no such lock of yours")));
        }
    }
    if failed.is_empty() { done() } else { Err(Failure::Batch(failed)) }
}
