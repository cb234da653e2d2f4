//! What users do about how they sign in: a second factor, and a session on another device.

use axum::http::{Method, StatusCode};
use axum::response::Response;
use fast_qr::QRBuilder;

use super::desk::{finish, form};
use super::pages::{DevicePage, Drawn, SecondFactorPage};
use super::{lead_to, page};
use crate::account::{User, second_factor as codes};
use crate::error::{Error, Result};
use crate::handle;
use crate::http::{Access, Call, Route};
use crate::store::site;
use crate::work::{second_factor, session_copy};

const POST: &[Method] = &[Method::POST];

pub const ROUTES: &[Route] = &[
    Route {
        name: "offerSecondFactor",
        methods: POST,
        path: "/app/account/second-factor",
        access: Access::User,
        handler: handle!(offer),
    },
    Route {
        name: "turnOnSecondFactor",
        methods: POST,
        path: "/app/account/second-factor/on",
        access: Access::User,
        handler: handle!(turn_on),
    },
    Route {
        name: "turnOffSecondFactor",
        methods: POST,
        path: "/app/account/second-factor/off",
        access: Access::User,
        handler: handle!(turn_off),
    },
    Route {
        name: "deviceLink",
        methods: POST,
        path: "/app/account/device",
        access: Access::User,
        handler: handle!(device_link),
    },
];

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

async fn offer(mut call: Call) -> Response {
    match form(&mut call).await {
        Ok((user, _)) => {
            let answer = async {
                let secret = second_factor::offer(&call.app, &user).await?;
                offered(&call, &user, secret).await
            };
            let answer = answer.await;
            finish(&call, "offerSecondFactor", answer)
        }
        Err(elsewhere) => *elsewhere,
    }
}

async fn offered(call: &Call, user: &User, secret: String) -> Result<Response> {
    let site = call.app.db.recall("site", "", site::read).await?;
    let view = SecondFactorPage {
        base: call.origin.prefix().to_owned(),
        user: user.display_name.clone(),
        code: drawn(&codes::address(&secret, &site.title, &user.name))?,
        secret,
    };
    Ok(page(StatusCode::OK, &view))
}

async fn turn_on(mut call: Call) -> Response {
    match form(&mut call).await {
        Ok((user, fields)) => {
            let answer = async {
                let code = fields.need("code")?;
                match second_factor::turn_on(&call.app, &user, code).await? {
                    true => Ok(lead_to(&format!("{}/app/account", call.origin.prefix()))),
                    false => Err(Error::invalid("code", "it is not the one that the app shows now")),
                }
            };
            let answer = answer.await;
            finish(&call, "turnOnSecondFactor", answer)
        }
        Err(elsewhere) => *elsewhere,
    }
}

async fn turn_off(mut call: Call) -> Response {
    match form(&mut call).await {
        Ok((user, fields)) => {
            let answer = async {
                let code = fields.need("code")?;
                match second_factor::turn_off(&call.app, &user, code).await? {
                    true => Ok(lead_to(&format!("{}/app/account", call.origin.prefix()))),
                    false => Err(Error::invalid("code", "it is not the one that the app shows now")),
                }
            };
            let answer = answer.await;
            finish(&call, "turnOffSecondFactor", answer)
        }
        Err(elsewhere) => *elsewhere,
    }
}

async fn device_link(mut call: Call) -> Response {
    match form(&mut call).await {
        Ok((user, _)) => finish(&call, "deviceLink", device(&call, &user)),
        Err(elsewhere) => *elsewhere,
    }
}

fn device(call: &Call, user: &User) -> Result<Response> {
    let slip = session_copy::offer(&call.app, user);
    let address = format!("{}/api/v4/user/session/copy/{}?sign={slip}", call.origin.base, user.id);
    let view = DevicePage {
        base: call.origin.prefix().to_owned(),
        user: user.display_name.clone(),
        code: drawn(&address)?,
        address,
    };
    Ok(page(StatusCode::OK, &view))
}
