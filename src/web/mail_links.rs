//! Where addresses in mails lead: to activate an account, and to set a new password. Opening one does nothing by itself,
//! since programs that look through mail open what they find.

use axum::http::StatusCode;
use axum::response::Response;

use super::page;
use super::pages::{MailLink, MailLinkPage};
use crate::error::{Error, Result};
use crate::http::fields::Fields;
use crate::http::{Call, Route};
use crate::work::registration;

pub const ROUTES: &[Route] = routes! {
    Person {
        "activatePage" GET "/session/activate" Signed activate_page;
        "activate" POST "/session/activate" Signed activate;
        "resetPage" GET "/session/reset" Signed reset_page;
        "reset" POST "/session/reset" Signed reset;
    }
};

fn shown(call: &Call, status: StatusCode, of: MailLink, id: &str, slip: &str, problem: Option<String>) -> Response {
    let (id, slip) = (id.to_owned(), slip.to_owned());
    page(status, &MailLinkPage { base: call.origin.prefix().to_owned(), of, id, slip, problem })
}

async fn activate_page(call: Call) -> Result<Response> {
    asked(&call, MailLink::Activate, "sign")
}

async fn reset_page(call: Call) -> Result<Response> {
    asked(&call, MailLink::Reset, "secret")
}

fn asked(call: &Call, of: MailLink, slip: &'static str) -> Result<Response> {
    let query = Fields::of_query(call)?;
    Ok(shown(call, StatusCode::OK, of, query.need("id")?, query.need(slip)?, None))
}

async fn activate(mut call: Call) -> Result<Response> {
    let fields = Fields::of_form(&mut call).await?;
    let (id, slip) = (fields.need("id")?, fields.need("slip")?);
    // Somebody else may have registered with the address as well: whoever has both mails might open the other one.
    let password = fields.get("password").unwrap_or_default();
    if !registration::is_password_of(&call.app, slip, password, &call.guest()).await? {
        let problem = "it is not the one of this registration; another mail may be yours".to_owned();
        return Ok(shown(&call, StatusCode::FORBIDDEN, MailLink::Activate, id, slip, Some(problem)));
    }
    let activated = registration::activate_by_mail(&call.app, id, slip).await?;
    Ok(done(&call, activated.is_some()))
}

async fn reset(mut call: Call) -> Result<Response> {
    let fields = Fields::of_form(&mut call).await?;
    let (id, slip) = (fields.need("id")?, fields.need("slip")?);
    let password = fields.get("password").unwrap_or_default();
    match registration::set_password_by_mail(&call.app, id, slip, password).await {
        Ok(user) => Ok(done(&call, user.is_some())),
        Err(Error::Invalid { what: "password", why }) => {
            Ok(shown(&call, StatusCode::BAD_REQUEST, MailLink::Reset, id, slip, Some(why)))
        }
        Err(error) => Err(error),
    }
}

fn done(call: &Call, was_good: bool) -> Response {
    match was_good {
        true => shown(call, StatusCode::OK, MailLink::Done, "", "", None),
        false => shown(call, StatusCode::FORBIDDEN, MailLink::Over, "", "", None),
    }
}
