//! Tokens: a user's, which others may check by the published keys, and a share's, which this server alone looks at.

use serde::{Deserialize, Serialize};

use super::super::answers::{Tokens, user_id};
use super::{DOOR, SESSION_LASTS_MS};
use crate::account::User;
use crate::account::token::{Purpose, random_base62};
use crate::error::Result;
use crate::http::Call;
use crate::share::visit::Visitor;
use crate::share::{Audience, Share};
use crate::work::signin;
use crate::{App, now_ms};

const ACCESS_LASTS_S: i64 = 24 * 60 * 60;
const SHARE_TOKEN_LASTS_S: i64 = 60 * 60;
pub const SCOPE: &str =
    "openid email profile offline_access nas_read_only nas_read_write user_read user_write device_read";
/// Whom tokens are for that no app asked for by its id.
const AUDIENCE: &str = "mycloud.com";
const LONGEST_CLIENT_ID_BYTES: usize = 200;

/// What a token of a user's session is good for. The id token is as good as the access token: some clients send it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Use {
    Access,
    Id,
    Refresh,
}

/// Claims of a user's token. Clients read `sub`, `email`, `nickname`, `name`, `aud` and `exp` without checking anything.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct UserClaims {
    iss: String,
    sub: String,
    aud: String,
    email: String,
    nickname: String,
    name: String,
    iat: i64,
    exp: i64,
    pub sid: String,
    pub r#gen: i64,
    epoch: i64,
    r#use: Use,
}

/// Claims of a share's token, under the maker's names where it had them: `scopes` and not `scope`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ShareClaims {
    iss: String,
    sub: String,
    aud: String,
    /// Random; names the visitor.
    pub jti: String,
    scopes: String,
    #[serde(rename = "customClaims")]
    pub(super) custom: CustomClaims,
    pub share: String,
    pub epoch: i64,
    /// Public id and epoch of the user it was given to, where the share asks who comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub viewer: Option<(String, i64)>,
    iat: i64,
    pub exp: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CustomClaims {
    #[serde(rename = "deviceId")]
    device_id: String,
    pub(super) auth_id: String,
}

/// A token that opens what a share opens to whoever holds it, for an hour. Made only for a share that has just opened to
/// this visitor.
pub fn share_token(app: &App, share: &Share, device_id: &str, visitor: &Visitor) -> (String, ShareClaims) {
    let now_s = now_ms() / 1000;
    // The owner of a share for anyone gets what they would send a guest, not a key to what is not granted yet.
    let asks_who_comes = share.terms.audience == Audience::Listed || !share.terms.permissions.is_empty();
    let viewer = visitor.user.as_ref().filter(|user| asks_who_comes || user.key != share.owner);
    let claims = ShareClaims {
        iss: "m2m-token-service".to_owned(),
        sub: "public_share".to_owned(),
        aud: "keystone".to_owned(),
        jti: random_base62(22),
        scopes: "nas_read_only".to_owned(),
        custom: CustomClaims { device_id: device_id.to_owned(), auth_id: share.auth_id.clone() },
        share: share.id.clone(),
        epoch: share.epoch,
        viewer: viewer.map(|user| (user.id.clone(), user.epoch)),
        iat: now_s,
        exp: now_s + SHARE_TOKEN_LASTS_S,
    };
    (app.keys.jwt(Purpose::Token, &claims), claims)
}

/// Of a session, for an app that calls itself by this id.
pub fn tokens(call: &Call, user: &User, sid: &str, generation: i64, client_id: Option<&str>) -> Tokens {
    let now_s = now_ms() / 1000;
    let client_id = client_id.filter(|id| id.len() <= LONGEST_CLIENT_ID_BYTES).unwrap_or(AUDIENCE);
    let claims = |r#use: Use, lasts_s: i64| UserClaims {
        iss: issuer(call),
        sub: user_id(user),
        aud: if r#use == Use::Id { client_id } else { AUDIENCE }.to_owned(),
        email: user.mail.clone(),
        nickname: user.name.clone(),
        name: if user.display_name.is_empty() { user.name.clone() } else { user.display_name.clone() },
        iat: now_s,
        exp: now_s + lasts_s,
        sid: sid.to_owned(),
        r#gen: generation,
        epoch: user.epoch,
        r#use,
    };
    Tokens {
        access_token: call.app.signing.jwt(&claims(Use::Access, ACCESS_LASTS_S)),
        id_token: call.app.signing.jwt(&claims(Use::Id, ACCESS_LASTS_S)),
        // It comes back to where it was made, and nowhere else.
        refresh_token: call.app.keys.jwt(Purpose::Token, &claims(Use::Refresh, SESSION_LASTS_MS / 1000)),
        scope: SCOPE,
        token_type: "Bearer",
        expires_in: ACCESS_LASTS_S,
    }
}

/// Who tokens say that they are from: with the slash that Auth0's had.
pub fn issuer(call: &Call) -> String {
    format!("{}/authrouter/", call.origin.base)
}

/// The user whose session stands behind an access or id token.
pub async fn bearer(call: &Call, token: &str) -> Result<Option<User>> {
    let claims: Option<UserClaims> = call.app.signing.claims(token);
    let is_good = |claims: &UserClaims| matches!(claims.r#use, Use::Access | Use::Id) && claims.exp > now_ms() / 1000;
    let claims = claims.filter(is_good);
    Ok(standing(call, claims).await?.map(|(_, user)| user))
}

/// The session and user behind a refresh token, which is good for as long as the session is: each use prolongs that, and
/// clients keep their first token.
pub(super) async fn renewing(call: &Call, token: &str) -> Result<Option<(UserClaims, User)>> {
    let claims: Option<UserClaims> = call.app.keys.claims(Purpose::Token, token);
    standing(call, claims.filter(|claims| claims.r#use == Use::Refresh)).await
}

async fn standing(call: &Call, claims: Option<UserClaims>) -> Result<Option<(UserClaims, User)>> {
    let Some(claims) = claims else { return Ok(None) };
    let found = signin::session(&call.app, DOOR, &claims.sid).await?;
    Ok(found
        .filter(|(session, user)| session.generation == claims.r#gen && user.epoch == claims.epoch)
        .map(|(_, user)| (claims, user)))
}
