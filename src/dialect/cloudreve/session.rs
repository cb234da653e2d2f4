//! Signing in, and who a call's token speaks for.

use serde::{Deserialize, Serialize};

use super::answers::{self, SignedIn, Token};
use super::captcha::{self, At};
use super::{Failure, Outcome, WRONG_CREDENTIAL, data, done, query, told, views};
use crate::account::User;
use crate::account::permit::{Permit, Permits};
use crate::account::token::Purpose;
use crate::error::{Error, Result};
use crate::http::Call;
use crate::store::accounts::{ForApp, Session};

use crate::work::oauth;
use crate::work::second_factor::{self, Step};
use crate::work::signin::{self, FirstStep, Opened};
use crate::{App, now_ms};

pub const DOOR: &str = "cloudreve";
/// Clients renew when less than ten minutes are left; a shorter life would make them do so at every call.
pub const ACCESS_LASTS_MS: i64 = 60 * 60 * 1000;
const REFRESH_LASTS_MS: i64 = 14 * 24 * 60 * 60 * 1000;

/// More is asked for before anybody is signed in; the data says what the client brings back with it.
pub const MORE_NEEDED: u32 = 203;
const NOT_ACTIVATED: Failure = Failure::Code(40018, "This account is not activated yet");
const WRONG_CODE: Failure = Failure::Code(40022, "The code is not right, or was used already");
const STEP_OVER: Failure = Failure::Code(40023, "This sign-in took too long; begin again");

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TokenType {
    Access,
    Refresh,
}

/// Of a session's tokens. Clients parse them for `exp` (seconds), and an app that was let in for its `scopes`; what it may
/// do stands in the row of its session.
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<String>>,
}

impl Claims {
    fn read(app: &App, token: &str) -> Option<Claims> {
        let claims: Claims = app.keys.claims(Purpose::Token, token)?;
        let now_s = now_ms() / 1000;
        (claims.nbf <= now_s && now_s < claims.exp).then_some(claims)
    }
}

/// Who calls, and what the app may do by which they call.
pub struct Caller {
    pub user: User,
    pub app: Option<ForApp>,
}

impl Caller {
    /// None: whoever signed in themselves may do all that they may.
    pub fn permits(&self) -> Option<Permits> {
        self.app.as_ref().map(|app| app.permits)
    }

    /// `Err` for an app that was not let in for this.
    pub fn may(&self, permit: Permit) -> Result<(), Failure> {
        if self.permits().is_none_or(|permits| permits.has(permit)) { Ok(()) } else { Err(super::NOT_LET_IN) }
    }
}

/// Whom the bearer's token speaks for. One that is broken, expired or ended makes a guest; a refresh token in its place
/// is a client's mistake.
pub async fn caller(call: &Call) -> Result<Option<Caller>, Failure> {
    let Some(claims) = call.bearer().and_then(|token| Claims::read(&call.app, token)) else { return Ok(None) };
    if claims.token_type != TokenType::Access {
        return Err(WRONG_CREDENTIAL);
    }
    let found = signin::session(&call.app, DOOR, &claims.sid).await?;
    let found = found.filter(|(_, user)| user.id == claims.sub && user.epoch == claims.epoch);
    Ok(found.map(|(session, user)| Caller { user, app: session.app }))
}

pub fn tokens(app: &App, user: &User, opened: &Opened, for_app: Option<&ForApp>) -> Token {
    let now = now_ms();
    let access_expires_ms = (now + ACCESS_LASTS_MS).min(opened.expires_ms);
    let token = |token_type, expires_ms: i64| {
        let claims = Claims {
            token_type,
            sub: user.id.clone(),
            sid: opened.id.clone(),
            generation: opened.generation,
            epoch: user.epoch,
            exp: expires_ms / 1000,
            nbf: now / 1000,
            client_id: for_app.map(|app| app.client_id.clone()),
            scopes: for_app.map(|app| app.permits.names().into_iter().map(str::to_owned).collect()),
        };
        app.keys.jwt(Purpose::Token, &claims)
    };
    Token {
        access_token: token(TokenType::Access, access_expires_ms),
        refresh_token: token(TokenType::Refresh, opened.expires_ms),
        access_expires: answers::time(access_expires_ms),
        refresh_expires: answers::time(opened.expires_ms),
    }
}

/// A session of the user's own, and what their client is told of it.
pub async fn signed_in(call: &Call, user: &User) -> Outcome {
    let opened = signin::open_session(&call.app, user, DOOR, call.agent(), REFRESH_LASTS_MS).await?;
    data(&SignedIn { user: views::own(&call.app, user).await?, token: tokens(&call.app, user, &opened, None) })
}

#[derive(Serialize)]
struct Prepared {
    webauthn_enabled: bool,
    password_enabled: bool,
}

/// The same for everybody: it does not tell whether there is such a user.
pub async fn get_prepare(call: Call, _: Option<User>) -> Outcome {
    query(&call)?.need("email")?;
    // A client gives up when it hears of passkeys, even where a password would do. Whoever has one is offered it without
    // this: `authn` among the site's settings.
    data(&Prepared { webauthn_enabled: false, password_enabled: true })
}

#[derive(Deserialize)]
struct Login {
    email: Option<String>,
    password: Option<String>,
    captcha: Option<String>,
    ticket: Option<String>,
}

pub async fn post_token(mut call: Call, _: Option<User>) -> Outcome {
    let login: Login = call.json().await?;
    captcha::check(&call, At::SignIn, login.captcha, login.ticket).await?;
    let email = login.email.filter(|text| !text.is_empty()).ok_or(Error::Missing("email"))?;
    let password = login.password.filter(|text| !text.is_empty()).ok_or(Error::Missing("password"))?;
    after_first_step(&call, signin::first_step(&call.app, &email, &password, &call.guest()).await?).await
}

pub async fn after_first_step(call: &Call, step: FirstStep) -> Outcome {
    match step {
        FirstStep::Done(user) => signed_in(call, &user).await,
        FirstStep::NeedsCode(user) => {
            told(MORE_NEEDED, "A code is needed", &second_factor::second_step(&call.app, &user))
        }
        FirstStep::NotActivated => Err(NOT_ACTIVATED),
    }
}

#[derive(Deserialize)]
struct SecondStep {
    /// The document has it the other way round.
    #[serde(alias = "opt")]
    otp: Option<String>,
    session_id: Option<String>,
}

pub async fn post_token_2fa(mut call: Call, _: Option<User>) -> Outcome {
    let step: SecondStep = call.json().await?;
    let code = step.otp.filter(|text| !text.is_empty()).ok_or(Error::Missing("otp"))?;
    let begun = step.session_id.filter(|text| !text.is_empty()).ok_or(Error::Missing("session_id"))?;
    match second_factor::finish(&call.app, &begun, &code).await? {
        Step::Done(user) => signed_in(&call, &user).await,
        Step::WrongCode => Err(WRONG_CODE),
        Step::Over => Err(STEP_OVER),
    }
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

/// Tokens in place of those of a session that goes on.
struct Renewed {
    opened: Opened,
    user: User,
    app: Option<ForApp>,
}

/// `WrongCredentials` for a session that does not go on.
async fn renew(app: &App, claims: &Claims) -> Result<Renewed> {
    let standing = signin::session(app, DOOR, &claims.sid).await?.ok_or(Error::WrongCredentials)?;
    let for_app = standing.0.app;
    // An app that may not stay has no refresh token that it could have come by honestly.
    if for_app.as_ref().is_some_and(|app| !app.permits.has(Permit::OfflineAccess)) {
        return Err(Error::WrongCredentials);
    }
    let lasts_ms = if for_app.is_some() { oauth::SESSION_LASTS_MS } else { REFRESH_LASTS_MS };
    let (opened, user) = signin::renew_session(app, DOOR, &claims.sid, claims.generation, lasts_ms).await?;
    Ok(Renewed { opened, user, app: for_app })
}

pub async fn post_token_refresh(mut call: Call, _: Option<User>) -> Outcome {
    let claims = refresh_claims(&mut call).await?;
    match renew(&call.app, &claims).await {
        Ok(renewed) => data(&tokens(&call.app, &renewed.user, &renewed.opened, renewed.app.as_ref())),
        Err(Error::WrongCredentials) => Err(WRONG_CREDENTIAL),
        Err(error) => Err(error.into()),
    }
}

/// The same for an app that shows by its secret that the token is its own.
pub async fn renew_for(app: &App, client_id: &str, secret: &str, token: &str) -> Result<(Token, ForApp)> {
    let claims = Claims::read(app, token).filter(|claims| claims.token_type == TokenType::Refresh);
    let claims = claims.ok_or(Error::WrongCredentials)?;
    let session: Option<(Session, User)> = signin::session(app, DOOR, &claims.sid).await?;
    let (session, _) = session.ok_or(Error::WrongCredentials)?;
    if !oauth::is_session_of(app, &session, client_id, secret).await? {
        return Err(Error::WrongCredentials);
    }
    let renewed = renew(app, &claims).await?;
    let for_app = renewed.app.ok_or(Error::WrongCredentials)?;
    Ok((tokens(app, &renewed.user, &renewed.opened, Some(&for_app)), for_app))
}

pub async fn delete_token(mut call: Call, _: Option<User>) -> Outcome {
    let claims = refresh_claims(&mut call).await?;
    signin::end_session(&call.app, &claims.sid).await?;
    done()
}
