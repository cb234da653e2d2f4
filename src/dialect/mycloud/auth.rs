//! Signing in as Auth0's clients do it: by password, by a page, and on with a refresh token.
//!
//! Any client id and secret will do: apps have theirs built in, and nothing rests on them. Refresh tokens do not rotate,
//! as Auth0's did not: clients keep the first one.

mod caller;
mod tokens;

use axum::http::{StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

pub use self::caller::{Caller, caller, caller_by, owner, token_of, user, user_if_any};
pub use self::tokens::share_token;
use self::tokens::{SCOPE, issuer, tokens};
use super::answers::{self, user_id};
use super::{answer_empty, answer_json};
use crate::account::oauth::MY_CLOUD_HOME;
use crate::account::{User, name_key};
use crate::error::{Error, Result, Thing};
use crate::http::fields::Fields;
use crate::http::{Call, put_header};
use crate::work::oauth::{self, Exchange};
use crate::work::signin;

const DOOR: &str = MY_CLOUD_HOME;
const SESSION_LASTS_MS: i64 = 365 * 24 * 60 * 60 * 1000;
const PASSWORD_REALM: &str = "http://auth0.com/oauth/grant-type/password-realm";

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
    optional(fields, name).ok_or(Error::Missing(name))
}

fn optional<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
}

pub async fn post_token(mut call: Call) -> Result<Response> {
    let fields = parameters(&mut call).await?;
    match required(&fields, "grant_type")? {
        PASSWORD_REALM | "password" => by_password(&call, &fields).await,
        "refresh_token" => by_refresh_token(&call, &fields).await,
        "authorization_code" => by_code(&call, &fields).await,
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
    let answer = tokens(call, &user, &session.id, session.generation, optional(fields, "client_id"));
    Ok(answer_json(StatusCode::OK, &answer))
}

/// Whoever comes back within the time stays signed in. A header with the old access token comes along, and is not asked.
async fn by_refresh_token(call: &Call, fields: &[(String, String)]) -> Result<Response> {
    let token = required(fields, "refresh_token")?;
    let (claims, user) = tokens::renewing(call, token).await?.ok_or(Error::WrongCredentials)?;
    signin::prolong_session(&call.app, &claims.sid, SESSION_LASTS_MS).await?;
    let mut answer = tokens(call, &user, &claims.sid, claims.r#gen, optional(fields, "client_id"));
    answer.refresh_token = token.to_owned();
    Ok(answer_json(StatusCode::OK, &answer))
}

async fn by_code(call: &Call, fields: &[(String, String)]) -> Result<Response> {
    let exchange = Exchange {
        client_id: MY_CLOUD_HOME.to_owned(),
        client_secret: String::new(),
        code: required(fields, "code")?.to_owned(),
        verifier: optional(fields, "code_verifier").unwrap_or_default().to_owned(),
        // A client escapes its slashes by itself before it writes them as JSON, which escapes the escapes.
        redirect_uri: optional(fields, "redirect_uri").map(|uri| uri.replace("\\/", "/")),
    };
    let entered = oauth::exchange(&call.app, exchange, DOOR, call.agent()).await?;
    let (user, session) = (&entered.user, &entered.opened);
    let answer = tokens(call, user, &session.id, session.generation, optional(fields, "client_id"));
    Ok(answer_json(StatusCode::OK, &answer))
}

/// Leads a browser to the page that lets apps in, which knows them all by one id. The whole address: the host that was
/// asked may be another, where this path is the root.
pub async fn get_authorize(call: Call) -> Result<Response> {
    const TAKEN_ALONG: [&str; 5] =
        ["response_type", "redirect_uri", "state", "code_challenge", "code_challenge_method"];
    let query = Fields::of_query(&call)?;
    let mut asked = vec![("client_id", MY_CLOUD_HOME)];
    asked.extend(TAKEN_ALONG.iter().filter_map(|name| Some((*name, query.get(name)?))));
    let asked = serde_html_form::to_string(asked).map_err(|e| Error::internal("query", e))?;
    let mut response = answer_empty(StatusCode::FOUND);
    put_header(&mut response, header::LOCATION, &format!("{}/app/authorize?{asked}", call.origin.base));
    Ok(response)
}

// For whoever checks tokens ---------------------------------------------------------------------------------------------

pub async fn get_key_set(call: Call) -> Result<Response> {
    Ok(answer_json(StatusCode::OK, &call.app.signing.key_set()))
}

/// OpenID Connect Discovery 1.0, 3.
pub async fn get_openid_configuration(call: Call) -> Result<Response> {
    let issuer = issuer(&call);
    let body = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}authorize"),
        "token_endpoint": format!("{issuer}oauth/token"),
        "userinfo_endpoint": format!("{issuer}userinfo"),
        "jwks_uri": format!("{issuer}.well-known/jwks.json"),
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token", "password", PASSWORD_REALM],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "none"],
        "scopes_supported": SCOPE.split(' ').collect::<Vec<_>>(),
        "claims_supported": ["sub", "email", "nickname", "name", "aud", "iss", "iat", "exp"],
    });
    Ok(answer_json(StatusCode::OK, &body))
}

// Who they are ----------------------------------------------------------------------------------------------------------

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
            within: None,
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
