//! What users do about how they sign in: a second factor, and a session on another device.

use axum::http::StatusCode;
use axum::response::Response;
use fast_qr::QRBuilder;

use super::pages::{DevicePage, Drawn, SecondFactorPage};
use super::{lead_within, page};
use crate::account::{User, second_factor as codes};
use crate::error::{Error, Result};
use crate::http::fields::Fields;
use crate::http::{Call, Route};
use crate::store::site;
use crate::work::{second_factor, session_copy};

pub const ROUTES: &[Route] = routes! {
    Person {
        "offerSecondFactor" POST "/app/account/second-factor" User offer;
        "turnOnSecondFactor" POST "/app/account/second-factor/on" User turn_on;
        "turnOffSecondFactor" POST "/app/account/second-factor/off" User turn_off;
        "deviceLink" POST "/app/account/device" User device_link;
    }
};

/// A text as the squares of a QR code.
fn drawn(text: &str) -> Result<Drawn> {
    let code =
        QRBuilder::new(text).build().map_err(|cause| Error::internal("drawing a QR code", format!("{cause:?}")))?;
    let mut squares = String::new();
    for row in 0..code.size {
        for column in (0..code.size).filter(|column| code[row][*column].value()) {
            squares.push_str(&format!("M{column} {row}h1v1h-1z"));
        }
    }
    Ok(Drawn { size: code.size, squares })
}

async fn offer(call: Call, user: User) -> Result<Response> {
    let secret = second_factor::offer(&call.app, &user).await?;
    let site = call.app.db.recall("site", "", site::read).await?;
    let view = SecondFactorPage {
        base: call.origin.prefix().to_owned(),
        user: user.display_name.clone(),
        code: drawn(&codes::address(&secret, &site.title, &user.name))?,
        secret,
    };
    Ok(page(StatusCode::OK, &view))
}

async fn turn_on(mut call: Call, user: User) -> Result<Response> {
    let fields = Fields::of_form(&mut call).await?;
    let is_right = second_factor::turn_on(&call.app, &user, fields.need("code")?).await?;
    turned(&call, is_right)
}

async fn turn_off(mut call: Call, user: User) -> Result<Response> {
    let fields = Fields::of_form(&mut call).await?;
    let is_right = second_factor::turn_off(&call.app, &user, fields.need("code")?).await?;
    turned(&call, is_right)
}

fn turned(call: &Call, is_right: bool) -> Result<Response> {
    match is_right {
        true => Ok(lead_within(call, "/app/account")),
        false => Err(Error::invalid("code", "it is not the one that the app shows now")),
    }
}

async fn device_link(call: Call, user: User) -> Result<Response> {
    let slip = session_copy::offer(&call.app, &user);
    let address = format!("{}/api/v4/user/session/copy/{}?sign={slip}", call.origin.base, user.id);
    let view = DevicePage {
        base: call.origin.prefix().to_owned(),
        user: user.display_name.clone(),
        code: drawn(&address)?,
        address,
    };
    Ok(page(StatusCode::OK, &view))
}
