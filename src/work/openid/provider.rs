//! The OpenID provider of the settings: what it says of itself (Discovery 1.0), and what it is asked.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::Method;
use axum::http::header::{self, HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ipnet::IpNet;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
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
const SCOPE: &str = "openid profile email";

/// What a provider says of itself.
#[derive(Debug, Deserialize)]
struct Document {
    /// As its tokens have it, letter by letter.
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    #[serde(default = "usual_methods")]
    token_endpoint_auth_methods_supported: Vec<String>,
}

const BASIC: &str = "client_secret_basic";

fn usual_methods() -> Vec<String> {
    vec![BASIC.to_owned()]
}

/// Why a provider told nothing that counts.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("{0}")]
    Unreachable(#[from] Failure),
    #[error("its document is not understood: {0}")]
    NotUnderstood(&'static str),
    #[error("it answers with status {0}")]
    Status(u16),
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
    document: Mutex<Option<(Arc<Document>, i64)>>,
    keys: Mutex<Option<Arc<KeySet>>>,
}

impl Provider {
    /// Its own host is asked wherever it is, beside `networks`.
    pub fn new(settings: &OpenIdProvider, networks: Vec<IpNet>) -> Provider {
        Provider {
            outgoing: Outgoing::to(settings.host(), networks),
            settings: settings.clone(),
            document: Mutex::default(),
            keys: Mutex::default(),
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
        self.fetch_keys().await.map(drop).map_err(|cause| cause.to_string())
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
            let answer =
                self.outgoing.call(Method::POST, &document.token_endpoint, headers, form(&fields), LIMITS).await?;
            read(answer).await
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
            let known = self.keys.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(keys) = known {
                match identity(&tokens.id_token, &keys, &expected, now_ms()) {
                    Err(Flaw::Signature) => {}
                    judged => return Ok(judged?),
                }
            }
            let keys = self.fetch_keys().await?;
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
            let told: Told = self.told(at, headers).await?;
            // Core 1.0, 5.3.2: of another subject nothing counts.
            if told.sub == subject { Ok(Some(told.profile)) } else { Err(Flaw::Subject.into()) }
        };
        told.await.map_err(|cause: Refusal| self.problem(&cause))
    }

    async fn document(&self) -> Result<Arc<Document>, Refusal> {
        let known = self.document.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some((document, read_ms)) if now_ms() - read_ms < KEPT_MS => Ok(document),
            _ => self.fetch_document().await,
        }
    }

    async fn fetch_document(&self) -> Result<Arc<Document>, Refusal> {
        let address = format!("{}/.well-known/openid-configuration", self.settings.issuer);
        let document: Document = self.told(&address, HeaderMap::new()).await?;
        if document.issuer.trim_end_matches('/') != self.settings.issuer {
            return Err(Refusal::NotUnderstood("it names another issuer than --openid-issuer"));
        }
        let ways = [&document.authorization_endpoint, &document.token_endpoint, &document.jwks_uri];
        if !ways.into_iter().chain(&document.userinfo_endpoint).all(|address| is_private_way(address)) {
            return Err(Refusal::NotUnderstood("it names addresses that are not encrypted"));
        }
        let document = Arc::new(document);
        let kept = Some((Arc::clone(&document), now_ms()));
        *self.document.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        Ok(document)
    }

    async fn fetch_keys(&self) -> Result<Arc<KeySet>, Refusal> {
        let document = self.document().await?;
        let set: serde_json::Value = self.told(&document.jwks_uri, HeaderMap::new()).await?;
        let keys = KeySet::parse(&set).ok_or(Refusal::NotUnderstood("its keys are no set of keys"))?;
        let keys = Arc::new(keys);
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&keys));
        Ok(keys)
    }

    /// Redirects are not followed: the answer has to come by the way that was judged.
    async fn told<T: DeserializeOwned>(&self, address: &str, headers: HeaderMap) -> Result<T, Refusal> {
        read(self.outgoing.call(Method::GET, address, headers, String::new(), LIMITS).await?).await
    }

    /// What its users are told; the log is told why.
    fn problem(&self, cause: &Refusal) -> Problem {
        tracing::warn!(%cause, "nobody is signed in by the OpenID provider");
        match cause {
            Refusal::Status(400..=499) | Refusal::Flaw(_) => Problem::Unconfirmed(self.name().to_owned()),
            _ => Problem::Unreachable(self.name().to_owned()),
        }
    }
}

async fn read<T: DeserializeOwned>(answer: crate::outgoing::Answer) -> Result<T, Refusal> {
    if !answer.status.is_success() {
        return Err(Refusal::Status(answer.status.as_u16()));
    }
    serde_json::from_slice(&answer.whole().await?)
        .map_err(|_| Refusal::NotUnderstood("it is not the JSON that it should be"))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn form(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    pairs.join("&")
}
