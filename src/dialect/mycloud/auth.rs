//! Signing in as Auth0's clients do it, and who calls: a user by a token of theirs, or a share's holder by its token.
//!
//! Any client id and secret will do: apps have theirs built in, and nothing rests on them. Refresh tokens do not rotate,
//! as Auth0's did not: clients keep the first one.

use axum::http::{StatusCode, header};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer_json;
use super::answers::{self, Tokens, user_id};
use crate::account::token::{Purpose, random_base62};
use crate::account::{User, name_key};
use crate::error::{Error, Result, Thing};
use crate::http::Call;
use crate::http::fields::Fields;
use crate::share::grant::{Action, Grant};
use crate::share::visit::{Visitor, Wanted};
use crate::share::{Audience, Share, Shared};
use crate::store::accounts;
use crate::store::{Tx, shares};
use crate::work::archives::{self, Part};
use crate::work::look;
use crate::work::{sharing, signin};
use crate::{App, now_ms};

const DOOR: &str = "mycloud";
const ACCESS_LASTS_S: i64 = 24 * 60 * 60;
const SESSION_LASTS_MS: i64 = 365 * 24 * 60 * 60 * 1000;
const SHARE_TOKEN_LASTS_S: i64 = 60 * 60;
const SCOPE: &str = "openid email profile offline_access nas_read_only nas_read_write user_read user_write device_read";
const PASSWORD_REALM: &str = "http://auth0.com/oauth/grant-type/password-realm";

// Tokens --------------------------------------------------------------------------------------------------------------

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
struct UserClaims {
    iss: String,
    sub: String,
    aud: String,
    email: String,
    nickname: String,
    name: String,
    iat: i64,
    exp: i64,
    sid: String,
    r#gen: i64,
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
    custom: CustomClaims,
    share: String,
    epoch: i64,
    /// Public id and epoch of the user it was given to, where the share asks who comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    viewer: Option<(String, i64)>,
    iat: i64,
    exp: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct CustomClaims {
    #[serde(rename = "deviceId")]
    device_id: String,
    auth_id: String,
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

fn tokens(call: &Call, user: &User, sid: &str, generation: i64) -> Tokens {
    let now_s = now_ms() / 1000;
    let token = |r#use: Use, lasts_s: i64| {
        let claims = UserClaims {
            iss: format!("{}/", call.origin.base),
            sub: user_id(user),
            aud: "mycloud.com".to_owned(),
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
        call.app.keys.jwt(Purpose::Token, &claims)
    };
    Tokens {
        access_token: token(Use::Access, ACCESS_LASTS_S),
        id_token: token(Use::Id, ACCESS_LASTS_S),
        refresh_token: token(Use::Refresh, SESSION_LASTS_MS / 1000),
        scope: SCOPE,
        token_type: "Bearer",
        expires_in: ACCESS_LASTS_S,
    }
}

/// The user whose session stands behind a token, if it is one for this use.
async fn user_of(call: &Call, token: &str, fits: fn(Use) -> bool) -> Result<Option<(UserClaims, User)>> {
    let claims: Option<UserClaims> = call.app.keys.claims(Purpose::Token, token);
    let Some(claims) = claims.filter(|claims| fits(claims.r#use) && claims.exp > now_ms() / 1000) else {
        return Ok(None);
    };
    let found = signin::session(&call.app, DOOR, &claims.sid).await?;
    Ok(found
        .filter(|(session, user)| session.generation == claims.r#gen && user.epoch == claims.epoch)
        .map(|(_, user)| (claims, user)))
}

// Who calls -----------------------------------------------------------------------------------------------------------

/// The token of a call: in its header, or in the address where a player is given nothing but an address.
pub fn token_of(call: &Call) -> Option<String> {
    let in_header = call.bearer().filter(|token| !token.is_empty()).map(str::to_owned);
    in_header.or_else(|| Fields::of_query(call).ok()?.get("access_token").map(str::to_owned))
}

/// The user, if the call bears a token that is good; any other is as none.
pub async fn user_if_any(call: &Call) -> Result<Option<User>> {
    let Some(token) = token_of(call) else { return Ok(None) };
    Ok(user_of(call, &token, |r#use| r#use != Use::Refresh).await?.map(|(_, user)| user))
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
        let guest = call.guest();
        let opened = call.app.db.read(move |tx| holder(tx, &claims, guest)).await?;
        return opened.ok_or(Error::SignInNeeded);
    }
    let found = user_of(call, token, |r#use| r#use != Use::Refresh).await?;
    let (_, user) = found.ok_or(Error::SignInNeeded)?;
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

// Calls ---------------------------------------------------------------------------------------------------------------

/// Parameters of a sign-in: JSON or a form, as Content-Type says, or as they look where it says neither.
async fn parameters(call: &mut Call) -> Result<Vec<(String, String)>> {
    let content_type = call.header(header::CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
    let body = call.body_bytes(64 * 1024).await?;
    let looks_like_json = body.trim_ascii_start().starts_with(b"{");
    if content_type.contains("json") || looks_like_json {
        let Ok(Value::Object(fields)) = serde_json::from_slice(&body) else {
            return Err(Error::invalid("body", "it is not a JSON object"));
        };
        let text = |value: Value| if let Value::String(text) = value { Some(text) } else { None };
        return Ok(fields.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect());
    }
    serde_html_form::from_bytes(&body).map_err(|_| Error::invalid("body", "it is neither JSON nor a form"))
}

fn required<'a>(fields: &'a [(String, String)], name: &'static str) -> Result<&'a str> {
    let found = fields.iter().find(|(key, value)| key == name && !value.is_empty());
    found.map(|(_, value)| value.as_str()).ok_or(Error::Missing(name))
}

pub async fn post_token(mut call: Call) -> Result<Response> {
    let fields = parameters(&mut call).await?;
    match required(&fields, "grant_type")? {
        PASSWORD_REALM | "password" => by_password(&call, &fields).await,
        "refresh_token" => {
            let token = required(&fields, "refresh_token")?;
            let found = user_of(&call, token, |r#use| r#use == Use::Refresh).await?;
            let (claims, user) = found.ok_or(Error::WrongCredentials)?;
            let mut answer = tokens(&call, &user, &claims.sid, claims.r#gen);
            answer.refresh_token = token.to_owned();
            Ok(answer_json(StatusCode::OK, &answer))
        }
        // No code was ever handed out, so none is right.
        "authorization_code" => {
            required(&fields, "code")?;
            Err(Error::WrongCredentials)
        }
        _ => Err(Error::Unsupported("this grant type")),
    }
}

/// The older sign-in, by password only.
pub async fn post_ro(mut call: Call) -> Result<Response> {
    let fields = parameters(&mut call).await?;
    by_password(&call, &fields).await
}

async fn by_password(call: &Call, fields: &[(String, String)]) -> Result<Response> {
    let (name, password) = (required(fields, "username")?, required(fields, "password")?);
    let user = signin::by_password_or_key(&call.app, name, password, &call.guest()).await?;
    let session = signin::open_session(&call.app, &user, DOOR, call.agent(), SESSION_LASTS_MS).await?;
    Ok(answer_json(StatusCode::OK, &tokens(call, &user, &session.id, session.generation)))
}

pub async fn get_authorize(_: Call) -> Result<Response> {
    let page = "<!doctype html><meta charset=utf-8><title>Sign in</title>\
        <p>This server signs apps in by user name and password within the app, not by a page.";
    let mut response = Response::new(axum::body::Body::from(page));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/html; charset=utf-8"));
    Ok(response)
}

pub async fn get_userinfo(call: Call) -> Result<Response> {
    let user = user(&call).await?;
    let mut answer = answers::account(&user);
    answer["sub"] = json!(user_id(&user));
    Ok(answer_json(StatusCode::OK, &answer))
}

pub async fn get_account(call: Call) -> Result<Response> {
    let user = user(&call).await?;
    Ok(answer_json(StatusCode::OK, &json!({"data": answers::account(&user)})))
}

/// Answers for the caller only: nobody learns here who has an account.
pub async fn get_user_by_email(call: Call) -> Result<Response> {
    let user = user(&call).await?;
    if !names(&user, call.query())? {
        return Err(Error::NotFound(Thing::User));
    }
    Ok(answer_json(StatusCode::OK, &json!({"data": [answers::account(&user)]})))
}

/// Whether `email` of a query is this user's. A client sends it as it is: its `+` is then a plus and no space.
fn names(user: &User, query: &str) -> Result<bool> {
    let raw = query.split('&').find_map(|pair| pair.strip_prefix("email=")).filter(|raw| !raw.is_empty());
    let raw = raw.ok_or(Error::Missing("email"))?;
    let plus = percent_encoding::percent_decode_str(raw).decode_utf8_lossy().into_owned();
    let space = percent_encoding::percent_decode_str(&raw.replace('+', " ")).decode_utf8_lossy().into_owned();
    let own = [name_key(&user.mail), name_key(&user.name)];
    Ok([space, plus].iter().any(|sent| own.contains(&name_key(sent))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Allowed, Profile, Roles, UserKey, UserState};

    fn user(mail: &str) -> User {
        User {
            key: UserKey(1),
            id: "u0123456789abcdef".into(),
            name: "ann".into(),
            mail: mail.into(),
            display_name: "Ann".into(),
            allowed: Allowed::of(Roles::USER),
            state: UserState::Active,
            profile: Profile::Hidden,
            groups: Vec::new(),
            quota_bytes: None,
            points: 0,
            epoch: 1,
            lock_tokens: Vec::new(),
            created_ms: 0,
            picture_ms: None,
        }
    }

    #[test]
    fn raw_plus_in_an_address_is_a_plus() {
        let user = user("a+b@example.org");
        for query in
            ["email=a+b@example.org", "email=a%2Bb%40example.org", "pretty=true&email=A%2Bb@example.org", "email=ann"]
        {
            assert!(names(&user, query).unwrap(), "{query}");
        }
        for query in ["email=a b@example.org", "email=b@example.org", "email=%"] {
            assert!(!names(&user, query).unwrap(), "{query}");
        }
        assert!(names(&user, "").is_err());
        assert!(names(&user, "email=").is_err());
    }
}
