//! Who calls: a user by a token of theirs, or a share's holder by its token.

use super::super::device;
use super::tokens::{self, ShareClaims};
use crate::account::User;
use crate::account::token::Purpose;
use crate::error::{Error, Result};
use crate::http::Call;
use crate::http::fields::Fields;
use crate::share::Shared;
use crate::share::grant::{Action, Grant};
use crate::share::visit::{Visitor, Wanted};
use crate::store::{Tx, accounts, shares};
use crate::work::archives::{self, Part};
use crate::work::{look, sharing};
use crate::{App, now_ms};

/// The token of a call: in its header, or in the address where a player is given nothing but an address.
pub fn token_of(call: &Call) -> Option<String> {
    let in_header = call.bearer().filter(|token| !token.is_empty()).map(str::to_owned);
    in_header.or_else(|| Fields::of_query(call).ok()?.get("access_token").map(str::to_owned))
}

/// The user, if the call bears a token that is good; any other is as none.
pub async fn user_if_any(call: &Call) -> Result<Option<User>> {
    match token_of(call) {
        Some(token) => user_by(call, &token).await,
        None => Ok(None),
    }
}

/// The user of a token, who at a device reaches what is on it.
async fn user_by(call: &Call, token: &str) -> Result<Option<User>> {
    let user = tokens::bearer(call, token).await?;
    let within = device::called(call).and_then(|device| device.library);
    Ok(user.map(|user| User { within, ..user }))
}

/// The user who calls; `SignInNeeded` for anyone else.
pub async fn user(call: &Call) -> Result<User> {
    user_if_any(call).await?.ok_or(Error::SignInNeeded)
}

/// The same for the share service, which calls an absent token a missing parameter.
pub async fn owner(call: &Call) -> Result<User> {
    match token_of(call) {
        None => Err(Error::Missing("accessToken")),
        Some(_) => user(call).await,
    }
}

/// Who calls the device.
#[derive(Debug, Clone)]
pub enum Caller {
    User {
        user: Box<User>,
        visitor: Visitor,
    },
    /// Somebody with a share's token.
    Holder {
        share: String,
        visitor: Visitor,
    },
}

impl Caller {
    /// What spends nothing: seeing, listing, previews.
    pub fn reach(&self, tx: &mut Tx, item_id: &str, action: Action) -> Result<Grant> {
        match self {
            Caller::User { user, visitor } => sharing::own(tx, user, visitor, item_id, action),
            Caller::Holder { share, visitor } => sharing::reach(tx, share, visitor, item_id, action),
        }
    }

    /// Original bytes: a holder's are leased.
    pub async fn fetch(self, app: &App, item_id: String, action: Action, wanted: Wanted) -> Result<Grant> {
        match self {
            Caller::User { user, visitor } => look::own(app, &user, &visitor, &item_id, action).await,
            Caller::Holder { share, visitor } => look::fetch(app, &share, &visitor, &item_id, action, wanted).await,
        }
    }

    /// What these items hold, for an archive: a holder's is leased, as one.
    pub async fn fetch_all(self, app: &App, ids: Vec<String>, wanted: Wanted) -> Result<Part> {
        match self {
            Caller::User { user, visitor } => {
                let part = move |tx: &mut Tx| {
                    let key = |id: &String| {
                        let grant = sharing::own(tx, &user, &visitor, id, Action::List)?;
                        Ok(Shared::Item(grant.item().key))
                    };
                    let things = ids.iter().map(key).collect::<Result<Vec<_>>>()?;
                    archives::of_user(tx, &user, &visitor, &things)
                };
                app.db.read(part).await
            }
            Caller::Holder { share, visitor } => {
                app.db.write(move |tx| archives::of_share(tx, &share, &visitor, Some(&ids), wanted)).await
            }
        }
    }
}

/// A user or a share's holder; `SignInNeeded` for anyone else, and for whoever holds the token of a share that went.
pub async fn caller(call: &Call) -> Result<Caller> {
    caller_by(call, &token_of(call).ok_or(Error::SignInNeeded)?).await
}

/// The same by a token that stands elsewhere in the call.
pub async fn caller_by(call: &Call, token: &str) -> Result<Caller> {
    if let Some(claims) = call.app.keys.claims::<ShareClaims>(Purpose::Token, token) {
        let (guest, device, ids) = (call.guest(), device::called(call).cloned(), device::ids(&call.app).await?);
        let open = move |tx: &mut Tx| {
            let opened = holder(tx, &claims, guest)?;
            // A device that is one library has the shares of that library's files.
            match device.filter(|device| device.library.is_some()) {
                Some(device) if ids.of_share(tx, &claims.share)?.as_ref() != Some(&device.id) => Ok(None),
                _ => Ok(opened),
            }
        };
        let opened = call.app.db.read(open).await?;
        return opened.ok_or(Error::SignInNeeded);
    }
    let user = user_by(call, token).await?.ok_or(Error::SignInNeeded)?;
    Ok(Caller::User { visitor: call.guest().with_user(user.clone()), user: Box::new(user) })
}

/// The holder of a share's token, while both stand.
fn holder(tx: &mut Tx, claims: &ShareClaims, guest: Visitor) -> Result<Option<Caller>> {
    if claims.exp <= now_ms() / 1000 {
        return Ok(None);
    }
    let Some(share) = shares::by_id(tx, &claims.share)? else { return Ok(None) };
    if share.epoch != claims.epoch || share.auth_id != claims.custom.auth_id {
        return Ok(None);
    }
    let mut visitor = guest.with_ticket(claims.jti.clone());
    // It was made for one who had proven the password; a new password raises the epoch.
    visitor.unlocked.push((share.key, share.epoch));
    if let Some((id, epoch)) = &claims.viewer {
        let Some(user) = accounts::by_id(tx, id)?.filter(|user| user.is_active() && user.epoch == *epoch) else {
            return Ok(None);
        };
        visitor = visitor.with_user(user);
    }
    Ok(Some(Caller::Holder { share: share.id, visitor }))
}
