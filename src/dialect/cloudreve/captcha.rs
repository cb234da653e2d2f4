//! Pictures to be read before signing in, registering, or asking for a new password, where an administrator wants it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::{Failure, Outcome, data};
use crate::account::User;
use crate::http::Call;
use crate::store::site;
use crate::work::captcha;

/// A client tries again when it hears exactly this.
const NOT_RIGHT: Failure = Failure::Code(40026, "CAPTCHA not match.");

/// What somebody is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    SignIn,
    Registration,
    Reset,
}

#[derive(Serialize)]
struct Shown {
    image: String,
    ticket: String,
}

pub async fn get_captcha(call: Call, _: Option<User>) -> Outcome {
    let captcha = captcha::new(&call.app).await?;
    data(&Shown { image: format!("data:image/png;base64,{}", STANDARD.encode(captcha.png)), ticket: captcha.ticket })
}

/// Passes where no picture is asked for, or the right answer came.
pub async fn check(call: &Call, at: At, answer: Option<String>, ticket: Option<String>) -> Result<(), Failure> {
    let site = call.app.db.recall("site", "", site::read).await?;
    let is_asked = match at {
        At::SignIn => site.captcha.at_sign_in,
        At::Registration => site.captcha.at_registration,
        At::Reset => site.captcha.at_reset,
    };
    if !is_asked {
        return Ok(());
    }
    let (answer, ticket) = (answer.unwrap_or_default(), ticket.unwrap_or_default());
    if captcha::is_right(&call.app, &ticket, &answer).await? { Ok(()) } else { Err(NOT_RIGHT) }
}
