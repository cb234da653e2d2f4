//! Who is calling: the four ways to sign in, and what each refusal is called.

use super::envelope::{AuthRefusal, Failure};
use super::params::Params;
use crate::account::User;
use crate::error::{Error, Result};
use crate::http::Call;
use crate::work::signin;

/// Why a call was not answered.
#[derive(Debug)]
pub enum Refusal {
    SignIn(AuthRefusal),
    Error(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::Error(error)
    }
}

impl From<AuthRefusal> for Refusal {
    fn from(refusal: AuthRefusal) -> Refusal {
        Refusal::SignIn(refusal)
    }
}

impl Refusal {
    /// As the envelope says it, with the page where users make their keys if one would help.
    pub fn failure(&self, base: &str) -> Failure {
        match self {
            Refusal::SignIn(AuthRefusal::Conflicting) => AuthRefusal::Conflicting.into(),
            Refusal::SignIn(refusal) => {
                Failure { help_url: Some(format!("{base}/app/keys")), ..Failure::from(*refusal) }
            }
            Refusal::Error(error) => error.into(),
        }
    }
}

/// How somebody signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    Password,
    Token,
    ApiKey,
}

/// What a call brings to sign in with. Holds secrets, so it has no `Debug`.
#[derive(PartialEq, Eq)]
pub enum Credentials {
    Password {
        login: String,
        password: String,
    },
    /// `token` is md5 of password and salt, in hex.
    Token {
        login: String,
        token: String,
        salt: String,
    },
    ApiKey(String),
}

impl Credentials {
    /// Of the parameters, or else of `Authorization: Bearer`: a proxy may add that header for its own sake, so it counts
    /// only where no parameter speaks of signing in.
    pub fn read(params: &Params, bearer: Option<&str>) -> Result<Credentials, Refusal> {
        let sent = |name| params.get(name).filter(|value| !value.is_empty());
        let (u, p, t, s, key) = (sent("u"), sent("p"), sent("t"), sent("s"), sent("apiKey"));
        if let Some(key) = key {
            let alone = [u, p, t, s].iter().all(Option::is_none);
            return if alone { Ok(Credentials::ApiKey(key.to_owned())) } else { Err(AuthRefusal::Conflicting.into()) };
        }
        if p.is_some() && (t.is_some() || s.is_some()) {
            return Err(AuthRefusal::Conflicting.into());
        }
        let missing = |name| Refusal::from(Error::Missing(name));
        match (u, p, t, s) {
            (None, None, None, None) => match bearer {
                Some(key) if !key.is_empty() => Ok(Credentials::ApiKey(key.to_owned())),
                _ => Err(Error::SignInNeeded.into()),
            },
            (None, ..) => Err(missing("u")),
            (Some(login), Some(password), ..) => {
                Ok(Credentials::Password { login: login.to_owned(), password: decoded(password) })
            }
            (Some(login), None, Some(token), Some(salt)) => {
                Ok(Credentials::Token { login: login.to_owned(), token: token.to_owned(), salt: salt.to_owned() })
            }
            (Some(_), None, Some(_), None) => Err(missing("s")),
            (Some(_), None, None, Some(_)) => Err(missing("t")),
            (Some(_), None, None, None) => Err(missing("p")),
        }
    }

    pub fn means(&self) -> Means {
        match self {
            Credentials::Password { .. } => Means::Password,
            Credentials::Token { .. } => Means::Token,
            Credentials::ApiKey(_) => Means::ApiKey,
        }
    }
}

/// `enc:` and the hex of its UTF-8, or the password as it is; one that only looks encoded is taken as it is.
pub(super) fn decoded(password: &str) -> String {
    let Some(hex) = password.strip_prefix("enc:") else { return password.to_owned() };
    let digits: Option<Vec<u8>> = hex.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    let bytes = digits
        .filter(|digits| digits.len() % 2 == 0)
        .map(|digits| digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<u8>>());
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| password.to_owned())
}

/// The user whose credentials these are.
pub async fn authenticate(call: &Call, credentials: Credentials) -> Result<User, Refusal> {
    let (app, visitor) = (&call.app, call.guest());
    match credentials {
        Credentials::Password { login, password } => {
            Ok(signin::by_password_or_key(app, &login, &password, &visitor).await?)
        }
        Credentials::Token { login, token, salt } => {
            signin::by_token(app, &login, &token, &salt, &visitor).await.map_err(|error| match error {
                Error::Unsupported(_) => AuthRefusal::TokensOff.into(),
                error => error.into(),
            })
        }
        Credentials::ApiKey(key) => signin::by_api_key(app, &key, &visitor).await.map_err(|error| match error {
            Error::WrongCredentials => AuthRefusal::BadApiKey.into(),
            error => error.into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str, bearer: Option<&str>) -> Result<Credentials, Refusal> {
        Credentials::read(&Params::read(query, b"").0, bearer)
    }

    fn code(query: &str, bearer: Option<&str>) -> u8 {
        read(query, bearer).err().expect("must be refused").failure("https://a.example").code
    }

    #[test]
    fn each_way_to_sign_in_is_told_from_the_others() {
        let password = |password: &str| Credentials::Password { login: "a".into(), password: password.into() };
        let token = Credentials::Token { login: "a".into(), token: "0f".into(), salt: "xyz".into() };
        assert!(read("u=a&p=b", None).unwrap() == password("b"));
        assert!(read("u=a&p=enc:c3bc62", None).unwrap() == password("üb"));
        assert!(read("u=a&t=0f&s=xyz", None).unwrap() == token);
        assert!(read("apiKey=k", None).unwrap() == Credentials::ApiKey("k".into()));
        assert!(read("f=json", Some("k")).unwrap() == Credentials::ApiKey("k".into()));
    }

    #[test]
    fn password_that_only_looks_encoded_is_taken_as_it_is() {
        for text in ["enc:", "enc:x", "enc:abc", "enc:ff", "ENC:41"] {
            let expected = if text == "enc:" { "" } else { text };
            assert_eq!(decoded(text), expected, "{text}");
        }
    }

    #[test]
    fn two_kinds_of_credentials_conflict() {
        for query in [
            "u=a&p=b&t=0f&s=xyz",
            "u=a&p=b&t=0f",
            "u=a&p=b&s=xyz",
            "apiKey=k&u=a",
            "apiKey=k&p=b",
            "apiKey=k&t=0f&s=xyz",
            "apiKey=k&u=a&p=b",
        ] {
            assert_eq!(code(query, None), 43, "{query}");
        }
    }

    #[test]
    fn missing_credentials_are_missing_parameters() {
        for query in ["", "u=a", "p=b", "u=&p=", "u=a&t=0f", "u=a&s=xyz", "t=0f&s=xyz", "apiKey=", "v=1.16.1&c=x"] {
            assert_eq!(code(query, None), 10, "{query}");
        }
        assert_eq!(code("", Some("")), 10);
    }

    #[test]
    fn header_of_a_proxy_does_not_disturb_parameters() {
        assert!(read("u=a&p=b", Some("proxy")).unwrap().means() == Means::Password);
        assert!(read("apiKey=k", Some("proxy")).unwrap() == Credentials::ApiKey("k".into()));
        assert_eq!(code("u=a", Some("proxy")), 10);
    }

    #[test]
    fn refusals_that_a_key_would_help_lead_to_where_keys_are_made() {
        let help = |refusal: AuthRefusal| Refusal::from(refusal).failure("https://a.example/x").help_url;
        for refusal in [AuthRefusal::TokensOff, AuthRefusal::MechanismOff, AuthRefusal::BadApiKey] {
            assert_eq!(help(refusal).as_deref(), Some("https://a.example/x/app/keys"));
        }
        assert_eq!(help(AuthRefusal::Conflicting), None);
        assert_eq!(Refusal::from(Error::WrongCredentials).failure("https://a.example").help_url, None);
    }
}
