//! Apps that users let in: the calls of a page that asks for consent, and those of the app.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::session::{self, tokens};
use super::{Asked, Failure, Outcome, WRONG_CREDENTIAL, data, done, json};
use crate::account::User;
use crate::account::oauth::Request;
use crate::account::permit::Permit;
use crate::error::{Error, Result, Thing};
use crate::http::fields::Fields;
use crate::http::{Access, Call};
use crate::now_ms;
use crate::store::{accounts, oauth as rows};
use crate::work::oauth::{self, Entered, Exchange};

#[derive(Serialize)]
struct AppRegistration {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    homepage_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    /// What the user let it do before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    consented_scopes: Vec<&'static str>,
}

pub async fn get_app(call: Call, user: Option<User>) -> Outcome {
    let id = call.path("id").to_owned();
    let client = call.app.db.read(move |tx| rows::client(tx, &id)).await?.ok_or(Error::NotFound(Thing::OauthApp))?;
    let let_in = match &user {
        Some(user) => oauth::let_in(&call.app, user, &client.id).await?,
        None => None,
    };
    data(&AppRegistration {
        id: client.id,
        name: client.name,
        homepage_url: client.homepage,
        icon: client.icon,
        description: client.description,
        consented_scopes: let_in.map(|permits| permits.names()).unwrap_or_default(),
    })
}

#[derive(Deserialize)]
struct Consent {
    client_id: Option<String>,
    response_type: Option<String>,
    redirect_uri: Option<String>,
    state: Option<String>,
    scope: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
}

#[derive(Serialize)]
struct Consented {
    code: String,
    state: String,
}

pub async fn post_consent(mut call: Call, user: User) -> Outcome {
    let consent: Consent = call.json().await?;
    let request = Request {
        client_id: consent.client_id.ok_or(Error::Missing("client_id"))?,
        response_type: consent.response_type.ok_or(Error::Missing("response_type"))?,
        redirect_uri: consent.redirect_uri.ok_or(Error::Missing("redirect_uri"))?,
        scope: consent.scope.ok_or(Error::Missing("scope"))?,
        state: consent.state.unwrap_or_default(),
        challenge: consent.code_challenge.unwrap_or_default(),
        challenge_method: consent.code_challenge_method.unwrap_or_default(),
    };
    let code = oauth::consent(&call.app, &user, &request).await?;
    data(&Consented { code, state: request.state })
}

// The app's own calls: plain OAuth, without the envelope --------------------------------------------------------------

/// RFC 6749, 5.1, and how long the refresh token is good for.
#[derive(Serialize)]
struct Tokens {
    access_token: String,
    token_type: &'static str,
    /// Seconds, as all that follows.
    expires_in: i64,
    refresh_token_expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    scope: String,
}

/// RFC 6749, 5.2; clients of this protocol look for its codes beside.
#[derive(Serialize)]
struct Refused {
    error: &'static str,
    error_description: String,
    error_codes: [u32; 1],
    correlation_id: String,
}

fn refused(asked: &Asked, error: Error) -> Response {
    let word = match &error {
        Error::WrongCredentials => "invalid_grant",
        Error::Unsupported(_) => "unsupported_grant_type",
        Error::Internal(_) | Error::Busy => "server_error",
        _ => "invalid_request",
    };
    let failure = if word == "invalid_grant" { WRONG_CREDENTIAL } else { Failure::Of(error) };
    failure.log(asked.name);
    let mut response = plain(&Refused {
        error: word,
        error_description: failure.message(),
        error_codes: [failure.code()],
        correlation_id: asked.correlation_id.clone(),
    });
    *response.status_mut() = match &failure {
        Failure::Of(Error::Busy) => StatusCode::SERVICE_UNAVAILABLE,
        Failure::Of(Error::Internal(_)) => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    };
    response
}

fn plain(body: &impl Serialize) -> Response {
    let mut response = json(body);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub async fn post_token(mut call: Call, _: Option<User>) -> Outcome {
    let asked = Asked::of("postSessionOauthToken", Access::Open, &call);
    Ok(match granted(&mut call).await {
        Ok(tokens) => plain(&tokens),
        Err(error) => refused(&asked, error),
    })
}

async fn granted(call: &mut Call) -> Result<Tokens> {
    let form = Fields::of_form(call).await?;
    let (client_id, client_secret) = (form.need("client_id")?, form.need("client_secret")?);
    match form.need("grant_type")? {
        "authorization_code" => {
            let exchange = Exchange {
                client_id: client_id.to_owned(),
                client_secret: client_secret.to_owned(),
                code: form.need("code")?.to_owned(),
                verifier: form.get("code_verifier").unwrap_or_default().to_owned(),
                redirect_uri: form.get("redirect_uri").map(str::to_owned),
            };
            let entered = oauth::exchange(&call.app, exchange, session::DOOR, call.agent()).await?;
            let Entered { opened, user, app } = &entered;
            Ok(answer(tokens(&call.app, user, opened, Some(app)), &entered.app, opened.expires_ms))
        }
        "refresh_token" => {
            let token = form.need("refresh_token")?;
            let (token, app) = session::renew_for(&call.app, client_id, client_secret, token).await?;
            Ok(answer(token, &app, now_ms() + oauth::SESSION_LASTS_MS))
        }
        _ => Err(Error::Unsupported("This grant type")),
    }
}

fn answer(token: super::answers::Token, app: &accounts::ForApp, expires_ms: i64) -> Tokens {
    let stays = app.permits.has(Permit::OfflineAccess);
    Tokens {
        access_token: token.access_token,
        token_type: "Bearer",
        expires_in: session::ACCESS_LASTS_MS / 1000,
        refresh_token_expires_in: if stays { (expires_ms - now_ms()) / 1000 } else { 0 },
        refresh_token: stays.then_some(token.refresh_token),
        scope: app.permits.to_string(),
    }
}

/// Claims of OpenID Connect, as far as the app may know them.
#[derive(Serialize, Default)]
struct UserInfo {
    sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    picture: Option<String>,
    /// Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
}

pub async fn get_userinfo(call: Call, user: User) -> Outcome {
    let caller = session::caller(&call).await?.ok_or(Error::SignInNeeded)?;
    let mut info = UserInfo { sub: user.id.clone(), ..UserInfo::default() };
    if caller.may(Permit::Profile).is_ok() {
        info.name = Some(user.display_name.clone());
        info.preferred_username = Some(user.name.clone());
        info.picture = Some(format!("{}/api/v4/user/avatar/{}", call.origin.base, user.id));
        info.updated_at = Some(user.created_ms / 1000);
    }
    if caller.may(Permit::Email).is_ok() {
        info.email = Some(user.mail.clone());
        info.email_verified = Some(false);
    }
    Ok(plain(&info))
}

pub async fn delete_grant(call: Call, user: User) -> Outcome {
    oauth::shut_out(&call.app, &user, call.path("id")).await?;
    done()
}
