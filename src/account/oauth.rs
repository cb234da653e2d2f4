//! Apps that users let in by OAuth: what each may ask for, and how it shows that it is the one that asked.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::permit::{Permit, Permits};
use super::token::{same, sha256};
use crate::error::{Error, Result};

/// An app that may ask users to let it in.
#[derive(Debug, Clone)]
pub struct Client {
    /// A UUID.
    pub id: String,
    pub name: String,
    pub description: String,
    pub icon: String,
    pub homepage: String,
    /// Where the answer may be sent; the one that is asked for must be one of these, letter by letter. One without a scheme
    /// is a page of this server. Apps that nobody registered have some of their own beside (`is_own_address`).
    pub redirect_uris: Vec<String>,
    /// What it may ask for at most.
    pub permits: Permits,
    pub secret: Secret,
    pub created_ms: i64,
}

#[derive(Debug, Clone)]
pub enum Secret {
    /// Built into an app that everybody has: it shows nothing, so such an app must prove by a challenge that it is the one
    /// that asked.
    Known(&'static str),
    /// SHA-256 of a secret that only its owner has.
    Hash(Vec<u8>),
    /// Whatever is sent: of apps with ids and secrets of another installation built in.
    Any,
}

impl Client {
    pub fn knows(&self, secret: &str) -> bool {
        match &self.secret {
            Secret::Known(known) => same(known.as_bytes(), secret.as_bytes()),
            Secret::Hash(hash) => same(hash, &sha256(secret)),
            Secret::Any => true,
        }
    }

    /// Whether the answer may be sent there.
    fn waits_at(&self, uri: &str) -> bool {
        let is_listed = self.redirect_uris.iter().any(|known| known == uri);
        is_listed || matches!(self.secret, Secret::Any) && is_own_address(uri)
    }

    /// Whether its sessions are those of this door.
    pub fn is_of(&self, door: &str) -> bool {
        matches!(self.secret, Secret::Any) == (door == MY_CLOUD_HOME)
    }

    /// Whether nobody here registered it, so that it stays as it is.
    pub fn is_built_in(&self) -> bool {
        !matches!(self.secret, Secret::Hash(_))
    }

    pub fn is_public(&self) -> bool {
        matches!(self.secret, Secret::Known(_))
    }
}

/// The apps of the protocol's own makers, by the ids and secrets that are built into them.
pub fn built_in() -> [Client; 2] {
    use Permit::*;
    let client = |id: &str, name: &str, redirect_uri: &str, secret, permits: &[Permit]| Client {
        id: id.to_owned(),
        name: name.to_owned(),
        description: String::new(),
        icon: String::new(),
        homepage: String::new(),
        redirect_uris: vec![redirect_uri.to_owned()],
        permits: Permits::of(permits),
        secret: Secret::Known(secret),
        created_ms: 0,
    };
    let desktop = [OpenId, Profile, Email, OfflineAccess, UserInfoWrite, WorkflowWrite, FilesWrite, SharesWrite];
    let phone = [&desktop[..], &[UserSecurityInfoWrite, FinanceWrite, DavAccountWrite]].concat();
    [
        client(
            "393a1839-f52e-498e-9972-e77cc2241eee",
            "Cloudreve Desktop",
            "/callback/desktop",
            "8GaQIu3lOSdqYoDHi9cR8IZ4pvuMH8ya",
            &desktop,
        ),
        client(
            "220db97a-44a3-44f7-99b6-d767262b4daa",
            "Cloudreve for iOS",
            "/callback/ios",
            "1kxOW4IyVOkPlsKCnTwzfHyP8XrbpfaF",
            &phone,
        ),
    ]
}

/// The door of My Cloud Home's apps, and the one id that they all have here.
pub const MY_CLOUD_HOME: &str = "mycloud";

/// Any app of My Cloud Home: each was registered with its maker, so that nobody here knows its id. They do not send a
/// challenge, since the service that they were made for asked for none.
pub fn my_cloud_home() -> Client {
    use Permit::*;
    Client {
        id: MY_CLOUD_HOME.to_owned(),
        name: "My Cloud Home".to_owned(),
        description: String::new(),
        icon: String::new(),
        homepage: String::new(),
        redirect_uris: Vec::new(),
        permits: Permits::of(&[OpenId, Profile, Email, OfflineAccess, FilesWrite, SharesWrite]),
        secret: Secret::Any,
        created_ms: 0,
    }
}

const LONGEST_ADDRESS_BYTES: usize = 2048;

/// Whether an address can be answered by a program on the user's own machine alone, whoever names it: one of a scheme that
/// begins with a domain (RFC 8252, 7.1), or the machine itself (7.3). Schemes without a dot may be a browser's, and lead to
/// any site: an administrator lists those.
pub fn is_own_address(uri: &str) -> bool {
    let is_plain =
        uri.len() <= LONGEST_ADDRESS_BYTES && uri.bytes().all(|b| b.is_ascii_graphic() && b != b'\\' && b != b'#');
    let Some((scheme, rest)) = uri.split_once(':').filter(|_| is_plain) else { return false };
    match scheme {
        "http" => {
            let authority = rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
            let host = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
            matches!(host.map_or(authority, |(host, _)| host), "127.0.0.1" | "[::1]" | "localhost")
        }
        _ => {
            let begins = scheme.starts_with(|c: char| c.is_ascii_lowercase()) && !scheme.ends_with('.');
            let is_scheme = scheme.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b));
            begins && is_scheme && scheme.contains('.')
        }
    }
}

/// What an app asks a user for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub client_id: String,
    pub response_type: String,
    pub redirect_uri: String,
    /// Names of permits, by spaces.
    pub scope: String,
    /// Goes back as it came.
    pub state: String,
    /// Of PKCE; empty where there is none.
    pub challenge: String,
    pub challenge_method: String,
}

const LONGEST_STATE_BYTES: usize = 4096;
/// A SHA-256 as base64url.
const CHALLENGE_BYTES: usize = 43;

impl Request {
    /// What the client would get, if its user lets it in. Where this fails, the user must not be led to the client's
    /// address either: nobody vouches for it.
    pub fn check(&self, client: &Client) -> Result<Permits> {
        if self.response_type != "code" {
            return Err(Error::invalid("response_type", "it is \"code\""));
        }
        if !client.waits_at(&self.redirect_uri) {
            let why = "it is none of those that were registered for this app, nor listed by an administrator";
            return Err(Error::invalid("redirect_uri", why));
        }
        if self.state.len() > LONGEST_STATE_BYTES || self.state.chars().any(char::is_control) {
            return Err(Error::invalid("state", format!("at most {LONGEST_STATE_BYTES} visible characters")));
        }
        self.check_challenge(client)?;
        if matches!(client.secret, Secret::Any) {
            // Its scopes are another service's; it may do what its door can.
            return Ok(client.permits);
        }
        let wanted = Permits::parse(&self.scope).filter(|wanted| wanted.is_within(client.permits));
        wanted.ok_or_else(|| Error::invalid("scope", "it is none of what this app may ask for"))
    }

    fn check_challenge(&self, client: &Client) -> Result<()> {
        if self.challenge.is_empty() {
            let why = "this app's secret is known to all, so it must send one";
            return if client.is_public() { Err(Error::invalid("code_challenge", why)) } else { Ok(()) };
        }
        if self.challenge_method != "S256" {
            return Err(Error::invalid("code_challenge_method", "it is \"S256\""));
        }
        let fits = self.challenge.len() == CHALLENGE_BYTES
            && self.challenge.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if fits { Ok(()) } else { Err(Error::invalid("code_challenge", "a SHA-256 as base64url")) }
    }
}

/// Whether the verifier is what the challenge was made of (S256). One that was not asked for must not come.
pub fn is_verified(challenge: &str, verifier: &str) -> bool {
    if challenge.is_empty() {
        return verifier.is_empty();
    }
    // RFC 7636, 4.1
    (43..=128).contains(&verifier.len())
        && same(URL_SAFE_NO_PAD.encode(sha256(verifier)).as_bytes(), challenge.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7636, appendix B
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn request() -> Request {
        Request {
            client_id: built_in()[0].id.clone(),
            response_type: "code".to_owned(),
            redirect_uri: "/callback/desktop".to_owned(),
            scope: "openid Files.Write".to_owned(),
            state: String::new(),
            challenge: CHALLENGE.to_owned(),
            challenge_method: "S256".to_owned(),
        }
    }

    #[test]
    fn a_verifier_fits_its_own_challenge_alone() {
        assert!(is_verified(CHALLENGE, VERIFIER));
        assert!(!is_verified(CHALLENGE, ""));
        assert!(!is_verified(CHALLENGE, &VERIFIER.replace('d', "e")));
        assert!(!is_verified(CHALLENGE, CHALLENGE));
        assert!(is_verified("", "") && !is_verified("", VERIFIER));
    }

    #[test]
    fn a_request_is_taken_to_the_letter_or_not_at_all() {
        let client = &built_in()[0];
        assert_eq!(request().check(client).unwrap().to_string(), "openid Files.Write");
        for bad in [
            Request { response_type: "token".to_owned(), ..request() },
            Request { redirect_uri: "/callback/desktop/".to_owned(), ..request() },
            Request { redirect_uri: "/callback/desktop?x=1".to_owned(), ..request() },
            Request { redirect_uri: "https://evil.example/callback/desktop".to_owned(), ..request() },
            Request { redirect_uri: String::new(), ..request() },
            Request { scope: "openid Admin.Read".to_owned(), ..request() },
            Request { scope: String::new(), ..request() },
            Request { state: "x".repeat(LONGEST_STATE_BYTES + 1), ..request() },
            Request { challenge: String::new(), challenge_method: String::new(), ..request() },
            Request { challenge_method: "plain".to_owned(), ..request() },
            Request { challenge: "short".to_owned(), ..request() },
        ] {
            assert!(bad.check(client).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_app_that_nobody_registered_is_answered_on_its_users_machine_or_where_an_administrator_says() {
        let listed = vec!["https://app.example/cb".to_owned(), "wdapp://cb".to_owned()];
        let client = Client { redirect_uris: listed, ..my_cloud_home() };
        let asks = |uri: &str| Request {
            redirect_uri: uri.to_owned(),
            scope: "nas_read_write".to_owned(),
            challenge: String::new(),
            challenge_method: String::new(),
            ..request()
        };
        for good in [
            "com.example.app://callback",
            "com.example.app:/callback",
            "com.example.app:callback?x=1",
            "http://127.0.0.1:5000/cb",
            "http://127.0.0.1",
            "http://[::1]:5000/",
            "http://localhost/cb?x=1",
            "https://app.example/cb",
            "wdapp://cb",
        ] {
            assert_eq!(asks(good).check(&client).unwrap(), client.permits, "{good}");
        }
        let long = format!("com.example.app://{}", "x".repeat(LONGEST_ADDRESS_BYTES));
        for bad in [
            "",
            "/callback",
            "//evil.example",
            "https://evil.example/",
            "https://127.0.0.1/",
            "http://evil.example/",
            "HTTP://127.0.0.1/",
            "http://127.0.0.1@evil.example/",
            "http://127.0.0.1:x@evil.example/",
            "http://127.0.0.1.evil.example/",
            "http:127.0.0.1",
            "http://127.0.0.1\\@evil.example/",
            "http://localhost:80:evil.example/",
            "http:///",
            "javascript:alert(1)//x.y",
            "data:text/html,x",
            "intent://x",
            "web+x://y",
            "x-safari-https://evil.example",
            ".com://x",
            "com.://x",
            "Com.Example://x",
            "com.example app://x",
            "com.example://x#y",
            "com.example://x\ny",
            "https://app.example/cb/",
            "https://app.example/cb?x=1",
            "wdapp://cb2",
            &long,
        ] {
            assert!(asks(bad).check(&client).is_err(), "{bad}");
        }
        assert!(Request { challenge: CHALLENGE.to_owned(), ..asks("wdapp://cb") }.check(&client).is_err(), "no method");
        let proven =
            Request { challenge_method: "S256".to_owned(), challenge: CHALLENGE.to_owned(), ..asks("wdapp://cb") };
        assert!(proven.check(&client).is_ok());
        assert!(client.knows("") && client.is_of(MY_CLOUD_HOME) && !client.is_of("cloudreve"));
        assert!(!built_in()[0].is_of(MY_CLOUD_HOME) && built_in()[0].is_of("cloudreve"));
    }

    #[test]
    fn only_an_app_with_a_secret_of_its_own_may_do_without_a_challenge() {
        let own = Client { secret: Secret::Hash(sha256("word")), ..built_in()[0].clone() };
        let bare = Request { challenge: String::new(), challenge_method: String::new(), ..request() };
        assert!(bare.check(&own).is_ok());
        assert!(own.knows("word") && !own.knows("8GaQIu3lOSdqYoDHi9cR8IZ4pvuMH8ya"));
    }
}
