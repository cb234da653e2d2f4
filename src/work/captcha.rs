//! Telling people from programs where an administrator asks for it. Nothing is kept until a picture was answered, and
//! then no more than that it was.

use crate::account::slip::{self, Errand};
use crate::error::{Error, Result};
use crate::media::captcha;
use crate::store::slips;
use crate::{App, now_ms};

const LASTS_MS: i64 = 10 * 60 * 1000;

pub struct Captcha {
    pub png: Vec<u8>,
    /// Comes back with what was read.
    pub ticket: String,
}

pub async fn new(app: &App) -> Result<Captcha> {
    let word = captcha::word();
    let ticket = slip::write(&app.keys, Errand::Captcha, &word, now_ms() + LASTS_MS);
    let png = tokio::task::spawn_blocking(move || captcha::draw(&word)).await;
    Ok(Captcha { png: png.map_err(|cause| Error::internal("drawing", cause))?, ticket })
}

/// Whether this is what the picture of the ticket shows. A picture is good for one answer, right or wrong.
pub async fn is_right(app: &App, ticket: &str, answer: &str) -> Result<bool> {
    let read = slip::read::<String>(&app.keys, Errand::Captcha, ticket, now_ms());
    let Some(ticket) = read else { return Ok(false) };
    let fits = ticket.data.eq_ignore_ascii_case(answer.trim());
    let is_first = app.db.write(move |tx| slips::spend(tx, &ticket, now_ms())).await?;
    Ok(fits && is_first)
}
