//! The OpenID provider of the settings: what it says of itself (Discovery 1.0), and what it is asked.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::Method;
use axum::http::header::{self, HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ipnet::IpNet;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Problem;
use crate::account::openid::{Expected, Flaw, Identity, KeySet, Profile, identity};
use crate::account::token::sha256;
use crate::config::OpenIdProvider;
use crate::now_ms;
use crate::outgoing::{Failure, Limits, Outgoing, header_value, is_private_way};

/// Documents, key sets and tokens are some kilobytes.
const LIMITS: Limits = Limits { size_bytes: 256 * 1024, time: Duration::from_secs(10) };
/// How long what a provider says of itself is not read again.
const KEPT_MS: i64 = 60 * 60 * 1000;
/// How long the one before is used on where it cannot be read anew.
const AGAIN_MS: i64 = 60 * 1000;
const SCOPE: &str = "openid profile email";

/// What a provider says of itself.
#[derive(Deserialize)]
struct Document {
    /// As its tokens have it, letter by letter.
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    #[serde(default = "usual_methods")]
    token_endpoint_auth_methods_supported: Vec<String>,
    /// What was read at `jwks_uri`; another document is another set.
    #[serde(skip)]
    keys: Mutex<Option<Arc<KeySet>>>,
}

#[derive(Default)]
struct Known {
    /// With when it is to be read anew.
    document: Option<(Arc<Document>, i64)>,
    /// Why it could not be read, and since when that is known.
    failed: Option<(Refusal, Instant)>,
}

/// What of it is asked. Its address is not told, since addresses may hold secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Document,
    Keys,
    Token,
    Profile,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Place::Document => "/.well-known/openid-configuration",
            Place::Keys => "its jwks_uri",
            Place::Token => "its token_endpoint",
            Place::Profile => "its userinfo_endpoint",
        })
    }
}

const BASIC: &str = "client_secret_basic";

fn usual_methods() -> Vec<String> {
    vec![BASIC.to_owned()]
}

/// Why a provider told nothing that counts.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Refusal {
    #[error("{0}: {1}")]
    Unreachable(Place, Failure),
    #[error("{0} is not understood: {1}")]
    NotUnderstood(Place, &'static str),
    #[error("{0} answers with status {1}")]
    Status(Place, u16),
    #[error("of its token: {0}")]
    Flaw(#[from] Flaw),
}

#[derive(Deserialize)]
pub(super) struct Tokens {
    id_token: String,
    access_token: Option<String>,
}

pub struct Provider {
    settings: OpenIdProvider,
    outgoing: Outgoing,
    /// Held while it is asked, so that many who come at once ask once.
    known: tokio::sync::Mutex<Known>,
}

impl Provider {
    /// Its own host is asked wherever it is, beside `networks`.
    pub fn new(settings: &OpenIdProvider, networks: Vec<IpNet>) -> Provider {
        Provider {
            outgoing: Outgoing::to(settings.host(), networks),
            settings: settings.clone(),
            known: tokio::sync::Mutex::default(),
        }
    }

    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// What its subjects are told apart from another provider's by.
    pub fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// Whether it says of itself what is needed; else what is wrong.
    pub async fn examine(&self) -> Result<(), String> {
        let examined = async { self.fetch_keys(&*self.document().await?).await };
        examined.await.map(drop).map_err(|cause| cause.to_string())
    }

    /// Where a browser is sent to sign in there, but for `state`.
    pub(super) async fn address(
        &self,
        redirect_uri: &str,
        verifier: &str,
        nonce: &str,
        hint: Option<&str>,
    ) -> Result<String, Problem> {
        let document = self.document().await.map_err(|cause| self.problem(&cause))?;
        let challenge = URL_SAFE_NO_PAD.encode(sha256(verifier));
        let mut fields = vec![
            ("response_type", "code"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", redirect_uri),
            ("scope", SCOPE),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("nonce", nonce),
        ];
        fields.extend(hint.map(|hint| ("login_hint", hint)));
        let at = &document.authorization_endpoint;
        Ok(format!("{at}{}{}", if at.contains('?') { '&' } else { '?' }, form(&fields)))
    }

    /// What it gives for the code that a browser came back with.
    pub(super) async fn tokens(&self, code: &str, redirect_uri: &str, verifier: &str) -> Result<Tokens, Problem> {
        let given = async {
            let document = self.document().await?;
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
            headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
            let mut fields = vec![
                ("grant_type", "authorization_code"),
                ("code", code),
                ("redirect_uri", redirect_uri),
                ("code_verifier", verifier),
            ];
            match &self.settings.secret {
                Some(secret) if document.token_endpoint_auth_methods_supported.iter().any(|method| method == BASIC) => {
                    headers.extend(self.basic(secret).map(|basic| (header::AUTHORIZATION, basic)));
                }
                secret => {
                    fields.push(("client_id", &self.settings.client_id));
                    fields.extend(secret.as_deref().map(|secret| ("client_secret", secret)));
                }
            }
            self.asked(Place::Token, Method::POST, &document.token_endpoint, headers, form(&fields)).await
        };
        given.await.map_err(|cause| self.problem(&cause))
    }

    /// RFC 6749, 2.3.1: id and secret are encoded as in a form before they are put together.
    fn basic(&self, secret: &str) -> Option<HeaderValue> {
        let both = format!("{}:{}", encoded(&self.settings.client_id), encoded(secret));
        let mut value = header_value(&format!("Basic {}", STANDARD.encode(both)))?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Who the ID token says that it is. Keys that were changed since they were read are read once more.
    pub(super) async fn identity(&self, tokens: &Tokens, nonce: &str) -> Result<Identity, Problem> {
        let judged = async {
            let document = self.document().await?;
            let expected = Expected { issuer: &document.issuer, client_id: &self.settings.client_id, nonce };
            let known = document.keys.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(keys) = known {
                match identity(&tokens.id_token, &keys, &expected, now_ms()) {
                    Err(Flaw::Signature) => {}
                    judged => return Ok(judged?),
                }
            }
            let keys = self.fetch_keys(&document).await?;
            Ok(identity(&tokens.id_token, &keys, &expected, now_ms())?)
        };
        judged.await.map_err(|cause| self.problem(&cause))
    }

    /// What it tells of this subject elsewhere than in the ID token, where some tell more.
    pub(super) async fn profile(&self, tokens: &Tokens, subject: &str) -> Result<Option<Profile>, Problem> {
        #[derive(Deserialize)]
        struct Told {
            sub: String,
            #[serde(flatten)]
            profile: Profile,
        }
        let told = async {
            let document = self.document().await?;
            let bearer = tokens.access_token.as_deref().and_then(|token| header_value(&format!("Bearer {token}")));
            let (Some(at), Some(mut bearer)) = (&document.userinfo_endpoint, bearer) else { return Ok(None) };
            bearer.set_sensitive(true);
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, bearer)]);
            let told: Told = self.asked(Place::Profile, Method::GET, at, headers, String::new()).await?;
            // Core 1.0, 5.3.2: of another subject nothing counts.
            if told.sub == subject { Ok(Some(told.profile)) } else { Err(Flaw::Subject.into()) }
        };
        told.await.map_err(|cause: Refusal| self.problem(&cause))
    }

    async fn document(&self) -> Result<Arc<Document>, Refusal> {
        let came = Instant::now();
        let mut known = self.known.lock().await;
        match (&known.document, &known.failed) {
            (Some((document, due_ms)), _) if now_ms() < *due_ms => return Ok(Arc::clone(document)),
            // While they waited for this, it was asked in vain.
            (_, Some((cause, since))) if *since > came => return Err(cause.clone()),
            _ => {}
        }
        let (document, lasts_ms) = match (self.fetch_document().await, &known.document) {
            (Ok(document), _) => (Arc::new(document), KEPT_MS),
            (Err(cause @ (Refusal::Unreachable(..) | Refusal::Status(..))), Some((before, _))) => {
                tracing::warn!(%cause, "the OpenID provider is asked by what it said of itself before");
                (Arc::clone(before), AGAIN_MS)
            }
            (Err(cause), _) => {
                known.failed = Some((cause.clone(), Instant::now()));
                return Err(cause);
            }
        };
        known.document = Some((Arc::clone(&document), now_ms() + lasts_ms));
        Ok(document)
    }

    async fn fetch_document(&self) -> Result<Document, Refusal> {
        let not_understood = |why| Err(Refusal::NotUnderstood(Place::Document, why));
        let address = format!("{}{}", self.settings.issuer, Place::Document);
        let document: Document =
            self.asked(Place::Document, Method::GET, &address, HeaderMap::new(), String::new()).await?;
        if document.issuer.trim_end_matches('/') != self.settings.issuer {
            return not_understood("it names another issuer than --openid-issuer");
        }
        let ways = [&document.authorization_endpoint, &document.token_endpoint, &document.jwks_uri];
        if !ways.into_iter().chain(&document.userinfo_endpoint).all(|address| is_private_way(address)) {
            return not_understood("it names addresses that are not encrypted");
        }
        Ok(document)
    }

    async fn fetch_keys(&self, document: &Document) -> Result<Arc<KeySet>, Refusal> {
        let not_understood = |why| Refusal::NotUnderstood(Place::Keys, why);
        let set: serde_json::Value =
            self.asked(Place::Keys, Method::GET, &document.jwks_uri, HeaderMap::new(), String::new()).await?;
        let keys = KeySet::parse(&set).ok_or(not_understood("it is no set of keys"))?;
        if keys.is_empty() {
            return Err(not_understood(
                "none of its keys is for an algorithm that is taken: RS256, ES256 and EdDSA are",
            ));
        }
        let keys = Arc::new(keys);
        *document.keys.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&keys));
        Ok(keys)
    }

    /// Redirects are not followed: the answer has to come by the way that was judged.
    async fn asked<T: DeserializeOwned>(
        &self,
        place: Place,
        method: Method,
        address: &str,
        headers: HeaderMap,
        body: String,
    ) -> Result<T, Refusal> {
        let unreachable = |cause| Refusal::Unreachable(place, cause);
        let answer = self.outgoing.call(method, address, headers, body, LIMITS).await.map_err(unreachable)?;
        if !answer.status.is_success() {
            return Err(Refusal::Status(place, answer.status.as_u16()));
        }
        serde_json::from_slice(&answer.whole().await.map_err(unreachable)?)
            .map_err(|_| Refusal::NotUnderstood(place, "it is not the JSON that it should be"))
    }

    /// What its users are told; the log is told why.
    fn problem(&self, cause: &Refusal) -> Problem {
        tracing::warn!(%cause, "nobody is signed in by the OpenID provider");
        match cause {
            // RFC 6749, 5.2: so a code is refused; what it does not know this server by is 401.
            Refusal::Status(Place::Token, 400) | Refusal::Flaw(_) => Problem::Unconfirmed(self.name().to_owned()),
            _ => Problem::Unreachable(self.name().to_owned()),
        }
    }
}

/// RFC 6749, appendix B. Some take id and secret as they come, so that nothing is encoded without need.
const IN_FORMS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, IN_FORMS).to_string()
}

fn form(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    pairs.join("&")
}
