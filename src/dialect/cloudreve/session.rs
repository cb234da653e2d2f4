//! Signing in, and who a call's token speaks for.

use serde::{Deserialize, Serialize};

use super::answers::{self, SignedIn, Token};
use super::{Failure, Outcome, WRONG_CREDENTIAL, data, done, query, views};
use crate::account::User;
use crate::account::token::Purpose;
use crate::error::{Error, Result};
use crate::http::Call;
use crate::work::signin::{self, Opened};
use crate::{App, now_ms};

const DOOR: &str = "cloudreve";
/// Clients renew when less than ten minutes are left; a shorter life would make them do so at every call.
const ACCESS_LASTS_MS: i64 = 60 * 60 * 1000;
const REFRESH_LASTS_MS: i64 = 14 * 24 * 60 * 60 * 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TokenType {
    Access,
    Refresh,
}

/// Of a session's tokens. A client parses them for `exp` (seconds); without `scopes` a token is not limited.
#[derive(Serialize, Deserialize)]
struct Claims {
    token_type: TokenType,
    sub: String,
    sid: String,
    /// Of the refresh token: one that was used already ends the session.
    #[serde(rename = "gen")]
    generation: i64,
    epoch: i64,
    exp: i64,
    nbf: i64,
}

impl Claims {
    fn read(app: &App, token: &str) -> Option<Claims> {
        let claims: Claims = app.keys.claims(Purpose::Token, token)?;
        let now_s = now_ms() / 1000;
        (claims.nbf <= now_s && now_s < claims.exp).then_some(claims)
    }
}

/// Whom the bearer's token speaks for. One that is broken, expired or ended makes a guest; a refresh token in its place
/// is a client's mistake.
pub async fn caller(call: &Call) -> Result<Option<User>, Failure> {
    let Some(claims) = call.bearer().and_then(|token| Claims::read(&call.app, token)) else { return Ok(None) };
    if claims.token_type != TokenType::Access {
        return Err(WRONG_CREDENTIAL);
    }
    let session = signin::session(&call.app, DOOR, &claims.sid).await?;
    Ok(session.filter(|(_, user)| user.id == claims.sub && user.epoch == claims.epoch).map(|(_, user)| user))
}

fn tokens(app: &App, user: &User, opened: &Opened) -> Token {
    let now = now_ms();
    let token = |token_type, expires_ms: i64| {
        let claims = Claims {
            token_type,
            sub: user.id.clone(),
            sid: opened.id.clone(),
            generation: opened.generation,
            epoch: user.epoch,
            exp: expires_ms / 1000,
            nbf: now / 1000,
        };
        app.keys.jwt(Purpose::Token, &claims)
    };
    Token {
        access_token: token(TokenType::Access, now + ACCESS_LASTS_MS),
        refresh_token: token(TokenType::Refresh, opened.expires_ms),
        access_expires: answers::time(now + ACCESS_LASTS_MS),
        refresh_expires: answers::time(opened.expires_ms),
    }
}

#[derive(Serialize)]
struct Prepared {
    webauthn_enabled: bool,
    password_enabled: bool,
}

/// The same for everybody: it does not tell whether there is such a user.
pub async fn get_prepare(call: Call, _: Option<User>) -> Outcome {
    query(&call)?.need("email")?;
    // A client gives up when it hears of passkeys, even where a password would do.
    data(&Prepared { webauthn_enabled: false, password_enabled: true })
}

#[derive(Deserialize)]
struct Login {
    email: Option<String>,
    password: Option<String>,
}

pub async fn post_token(mut call: Call, _: Option<User>) -> Outcome {
    let login: Login = call.json().await?;
    let email = login.email.filter(|text| !text.is_empty()).ok_or(Error::Missing("email"))?;
    let password = login.password.filter(|text| !text.is_empty()).ok_or(Error::Missing("password"))?;
    let user = signin::by_password(&call.app, &email, &password, &call.guest()).await?;
    let opened = signin::open_session(&call.app, &user, DOOR, call.agent(), REFRESH_LASTS_MS).await?;
    data(&SignedIn { user: views::own(&call.app, &user).await?, token: tokens(&call.app, &user, &opened) })
}

#[derive(Deserialize)]
struct Refresh {
    refresh_token: Option<String>,
}

/// The claims of the refresh token in the body.
async fn refresh_claims(call: &mut Call) -> Result<Claims, Failure> {
    let refresh: Refresh = call.json().await?;
    let token = refresh.refresh_token.filter(|token| !token.is_empty()).ok_or(Error::Missing("refresh_token"))?;
    Claims::read(&call.app, &token).filter(|claims| claims.token_type == TokenType::Refresh).ok_or(WRONG_CREDENTIAL)
}

pub async fn post_token_refresh(mut call: Call, _: Option<User>) -> Outcome {
    let claims = refresh_claims(&mut call).await?;
    match signin::renew_session(&call.app, DOOR, &claims.sid, claims.generation, REFRESH_LASTS_MS).await {
        Ok((opened, user)) => data(&tokens(&call.app, &user, &opened)),
        Err(Error::WrongCredentials) => Err(WRONG_CREDENTIAL),
        Err(error) => Err(error.into()),
    }
}

pub async fn delete_token(mut call: Call, _: Option<User>) -> Outcome {
    let claims = refresh_claims(&mut call).await?;
    signin::end_session(&call.app, &claims.sid).await?;
    done()
}
