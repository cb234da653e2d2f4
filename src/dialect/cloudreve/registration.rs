//! Registering, activating, setting a new password by mail, and taking a session along to another device.

use std::sync::Arc;

use serde::Deserialize;

use super::captcha::{self, At};
use super::session::{self, MORE_NEEDED};
use super::{Failure, Outcome, data, done, query, told, views};
use crate::account::User;
use crate::error::Error;
use crate::http::Call;

use crate::work::{registration, session_copy};

const BAD_LINK: Failure = Failure::Code(40029, "This link is not valid, or not any more");

#[derive(Deserialize)]
struct Registration {
    email: Option<String>,
    password: Option<String>,
    captcha: Option<String>,
    ticket: Option<String>,
}

/// The answer is the same whether the address has an account or not; what comes next stands in a mail.
pub async fn post_user(mut call: Call, _: Option<User>) -> Outcome {
    let wanted: Registration = call.json().await?;
    let email = wanted.email.filter(|text| !text.is_empty()).ok_or(Error::Missing("email"))?;
    let password = wanted.password.filter(|text| !text.is_empty()).ok_or(Error::Missing("password"))?;
    captcha::check(&call, At::Registration, wanted.captcha, wanted.ticket).await?;
    let app = Arc::clone(&call.app);
    registration::register(&app, &email, &password, &call.guest(), &call.origin.base).await?;
    told(MORE_NEEDED, "Your account is to be activated", &None::<()>)
}

/// By the address in a mail, whose page asks for this.
pub async fn get_activate(call: Call, _: Option<User>) -> Outcome {
    let sign = query(&call)?.need("sign")?.to_owned();
    let user = registration::activate_by_mail(&call.app, call.path("id"), &sign).await?;
    data(&views::own(&call.app, &user.ok_or(BAD_LINK)?).await?)
}

#[derive(Deserialize)]
struct Forgot {
    email: Option<String>,
    captcha: Option<String>,
    ticket: Option<String>,
}

pub async fn post_reset(mut call: Call, _: Option<User>) -> Outcome {
    let forgot: Forgot = call.json().await?;
    let email = forgot.email.filter(|text| !text.is_empty()).ok_or(Error::Missing("email"))?;
    captcha::check(&call, At::Reset, forgot.captcha, forgot.ticket).await?;
    let app = Arc::clone(&call.app);
    registration::forgot(&app, &email, &call.guest(), &call.origin.base).await?;
    done()
}

#[derive(Deserialize)]
struct Reset {
    password: Option<String>,
    secret: Option<String>,
}

pub async fn patch_reset(mut call: Call, _: Option<User>) -> Outcome {
    let reset: Reset = call.json().await?;
    let password = reset.password.ok_or(Error::Missing("password"))?;
    let secret = reset.secret.ok_or(Error::Missing("secret"))?;
    let user = registration::set_password_by_mail(&call.app, call.path("id"), &secret, &password).await?;
    data(&views::own(&call.app, &user.ok_or(BAD_LINK)?).await?)
}

/// A session for another device of the same user, which read the address from the first one's screen.
pub async fn get_session_copy(call: Call, _: Option<User>) -> Outcome {
    let sign = query(&call)?.need("sign")?.to_owned();
    let user = session_copy::take(&call.app, call.path("id"), &sign).await?;
    session::signed_in(&call, &user.ok_or(BAD_LINK)?).await
}
