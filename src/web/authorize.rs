//! Where a user lets an app in: the page that OAuth leads a browser to, and those that lead on to the app.
//!
//! The addresses are those that apps of the Cloudreve dialect open and wait for; those of other dialects are led here.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::pages::{AuthorizePage, CallbackPage};
use super::sign_in::user_of;
use super::{CSP, encoded, lead_to, lead_within, page};
use crate::account::User;
use crate::account::oauth::Request;
use crate::error::{Error, Result};
use crate::http::fields::Fields;
use crate::http::{Call, Route};
use crate::store::site;
use crate::work::oauth;

pub const ROUTES: &[Route] = routes! {
    Person {
        "authorizeLink" GET "/session/authorize" Open authorize_link;
        "authorizePage" GET "/app/authorize" User authorize_page;
        "authorize" POST "/app/authorize" User authorize;
        "shutOut" POST "/app/account/apps/shut-out" User shut_out;
        "callbackPage" GET "/callback/desktop" Open callback_desktop;
        "callbackPage" GET "/callback/ios" Open callback_phone;
    }
};

/// Names of what an app asks with, as they stand in the address and in the form.
const FIELDS: [&str; 7] =
    ["client_id", "response_type", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method"];

fn request_of(fields: &Fields) -> Request {
    let text = |name| fields.get(name).unwrap_or_default().to_owned();
    Request {
        client_id: text("client_id"),
        response_type: text("response_type"),
        redirect_uri: text("redirect_uri"),
        scope: text("scope"),
        state: text("state"),
        challenge: text("code_challenge"),
        challenge_method: text("code_challenge_method"),
    }
}

async fn authorize_link(call: Call) -> Result<Response> {
    let query = call.query();
    Ok(lead_within(&call, &format!("/app/authorize{}{query}", if query.is_empty() { "" } else { "?" })))
}

async fn authorize_page(call: Call, user: User) -> Result<Response> {
    let fields = Fields::of_query(&call)?;
    let request = request_of(&fields);
    let (client, permits) = oauth::asked(&call.app, &request).await?;
    let given = |name: &'static str| Some((name, fields.get(name)?.to_owned()));
    let view = AuthorizePage {
        base: call.origin.prefix().to_owned(),
        user: user.display_name.clone(),
        app: client.name,
        description: client.description,
        waits_at: Some(&request.redirect_uri).filter(|uri| !uri.starts_with('/')).cloned(),
        permits: permits.each().filter_map(|permit| permit.words()).collect(),
        fields: FIELDS.into_iter().filter_map(given).collect(),
    };
    let mut response = page(StatusCode::OK, &view);
    // Browsers hold the redirect that answers a form against this as well.
    let csp = CSP.replace("form-action 'self'", &format!("form-action 'self' {}", form_target(&request.redirect_uri)));
    if let Ok(csp) = HeaderValue::from_str(&csp) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, csp);
    }
    Ok(response)
}

/// Scheme and host of an address of the web, the scheme alone of an app's own; nothing of a page of ours, or of what
/// would not stand in a policy.
fn form_target(redirect_uri: &str) -> String {
    let Some((scheme, rest)) = redirect_uri.split_once(':') else { return String::new() };
    let target = match (scheme, rest.strip_prefix("//")) {
        // A policy has no word for an address in brackets.
        ("http", Some(rest)) if rest.starts_with('[') => String::from("http:"),
        ("http" | "https", Some(rest)) => {
            format!("{scheme}://{}", rest.split(['/', '?', '#']).next().unwrap_or_default())
        }
        (own, rest) if rest.is_some() || own.contains('.') => format!("{own}:"),
        _ => return String::new(),
    };
    let is_plain = target.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.:/".contains(&b));
    if is_plain { target } else { String::new() }
}

async fn authorize(mut call: Call, user: User) -> Result<Response> {
    let fields = Fields::of_form(&mut call).await?;
    let request = request_of(&fields);
    let answer = match fields.get("answer") {
        Some("allow") => ("code", oauth::consent(&call.app, &user, &request).await?),
        Some("deny") => {
            oauth::asked(&call.app, &request).await?;
            ("error", "access_denied".to_owned())
        }
        _ => return Err(Error::Missing("answer")),
    };
    let (name, value) = answer;
    let to = &request.redirect_uri;
    let base = if to.starts_with('/') { call.origin.prefix() } else { "" };
    let separator = if to.contains('?') { '&' } else { '?' };
    let state = if request.state.is_empty() { String::new() } else { format!("&state={}", encoded(&request.state)) };
    Ok(lead_to(&format!("{base}{to}{separator}{name}={}{state}", encoded(&value))))
}

async fn shut_out(mut call: Call, user: User) -> Result<Response> {
    let fields = Fields::of_form(&mut call).await?;
    oauth::shut_out(&call.app, &user, fields.need("app")?).await?;
    Ok(lead_within(&call, "/app/account"))
}

// On to the app -------------------------------------------------------------------------------------------------------

/// What a drive that is added anew is called, and which folder it shows: the desktop client asks for both.
const WHOLE_DRIVE: &str = "cloudreve://my";
/// The client's own mark that the drive is there already.
const AGAIN: &str = "reauthorize:";

async fn callback_desktop(call: Call) -> Result<Response> {
    let site = call.app.db.recall("site", "", site::read).await?;
    lead_on(&call, &[("name", site.title.as_str()), ("path", WHOLE_DRIVE)]).await
}

async fn callback_phone(call: Call) -> Result<Response> {
    lead_on(&call, &[]).await
}

/// A link, which only its user's own click opens: browsers ask before they start a program.
async fn lead_on(call: &Call, drive: &[(&str, &str)]) -> Result<Response> {
    let query = Fields::of_query(call)?;
    let state = query.get("state").unwrap_or_default();
    let user_id = user_of(call).await?.map_or(String::new(), |user| user.id);
    let told = match query.get("error") {
        Some(error) => vec![("error", error)],
        None => vec![("code", query.need("code")?), ("user_id", user_id.as_str())],
    };
    let drive = if query.get("error").is_some() || state.starts_with(AGAIN) { &[] } else { drive };
    let all = [&[("state", state)], &told[..], drive].concat();
    let pairs = all.into_iter().map(|(name, value)| format!("{name}={}", encoded(value)));
    let view = CallbackPage {
        base: call.origin.prefix().to_owned(),
        address: format!("cloudreve://mount?{}", pairs.collect::<Vec<_>>().join("&")),
        is_let_in: query.get("error").is_none(),
    };
    Ok(page(StatusCode::OK, &view))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_may_lead_to_the_app_that_asked_and_nowhere_else() {
        for (uri, target) in [
            ("/callback/desktop", ""),
            ("https://app.example:8443/cb?x=1", "https://app.example:8443"),
            ("http://127.0.0.1:5000/cb", "http://127.0.0.1:5000"),
            ("my.app://mount", "my.app:"),
            ("my.app:/mount", "my.app:"),
            ("http://[::1]:5000/cb", "http:"),
            ("https://a; script-src *", ""),
            ("javascript:alert(1)", ""),
        ] {
            assert_eq!(form_target(uri), target, "{uri}");
        }
    }
}
