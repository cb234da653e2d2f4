//! SQL of the settings of the site as a whole.

use super::{Tx, Weighed, settings};
use crate::account::site::{Captchas, Site};
use crate::error::Result;

pub const TITLE: &str = "site-title";
pub const DESCRIPTION: &str = "site-description";
pub const REGISTERS: &str = "site-registers";
pub const CAPTCHA_AT_SIGN_IN: &str = "site-captcha-sign-in";
pub const CAPTCHA_AT_REGISTRATION: &str = "site-captcha-registration";
pub const CAPTCHA_AT_RESET: &str = "site-captcha-reset";
pub const TERMS_OF_SERVICE_URL: &str = "site-terms-of-service";
pub const PRIVACY_URL: &str = "site-privacy";

impl Weighed for Site {}

pub fn read(tx: &mut Tx) -> Result<Site> {
    let usual = Site::default();
    let title = settings::get(tx, TITLE)?.filter(|title| !title.is_empty()).unwrap_or(usual.title);
    let mut text = |name: &str, usual: String| -> Result<String> { Ok(settings::get(tx, name)?.unwrap_or(usual)) };
    let on = |text: String| text == "on";
    Ok(Site {
        title,
        description: text(DESCRIPTION, usual.description)?,
        registers: on(text(REGISTERS, String::new())?),
        captcha: Captchas {
            at_sign_in: on(text(CAPTCHA_AT_SIGN_IN, String::new())?),
            at_registration: on(text(CAPTCHA_AT_REGISTRATION, String::new())?),
            at_reset: on(text(CAPTCHA_AT_RESET, String::new())?),
        },
        terms_of_service_url: text(TERMS_OF_SERVICE_URL, usual.terms_of_service_url)?,
        privacy_url: text(PRIVACY_URL, usual.privacy_url)?,
    })
}

pub fn set(tx: &mut Tx, site: &Site) -> Result<()> {
    let switch = |on: bool| if on { "on" } else { "off" };
    for (name, value) in [
        (TITLE, site.title.as_str()),
        (DESCRIPTION, &site.description),
        (REGISTERS, switch(site.registers)),
        (CAPTCHA_AT_SIGN_IN, switch(site.captcha.at_sign_in)),
        (CAPTCHA_AT_REGISTRATION, switch(site.captcha.at_registration)),
        (CAPTCHA_AT_RESET, switch(site.captcha.at_reset)),
        (TERMS_OF_SERVICE_URL, &site.terms_of_service_url),
        (PRIVACY_URL, &site.privacy_url),
    ] {
        settings::set(tx, name, value)?;
    }
    Ok(())
}
