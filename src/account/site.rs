//! What administrators say of the site as a whole.

/// The settings that all doors obey. Each has a row; what has none is as here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    pub title: String,
    /// A line for whoever finds the site.
    pub description: String,
    /// Whether people may register by themselves.
    pub registers: bool,
    /// Where somebody must read a picture first.
    pub captcha: Captchas,
    /// Addresses; empty: there is none.
    pub terms_of_service_url: String,
    pub privacy_url: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Captchas {
    pub at_sign_in: bool,
    pub at_registration: bool,
    pub at_reset: bool,
}

impl Default for Site {
    fn default() -> Site {
        Site {
            title: "Openshelf".to_owned(),
            description: "Shared files".to_owned(),
            registers: false,
            captcha: Captchas::default(),
            terms_of_service_url: String::new(),
            privacy_url: String::new(),
        }
    }
}
