//! What an OpenID provider says of whoever signed in there: its keys (RFC 7517) and its ID tokens (OpenID Connect Core 1.0).
//!
//! Checked with `ring`, which the house has. The algorithm is the key's: a token's header cannot name another, nor one that
//! needs no key, nor one that takes a public key for a secret.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;

/// More keys than any provider has at once.
const MOST_KEYS: usize = 100;
/// A clock of theirs may be so much ahead of ours, or behind.
const LEEWAY_S: f64 = 60.0;
/// Core 1.0, 2.
const LONGEST_SUBJECT_BYTES: usize = 255;

/// Why a token tells nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("it is no token")]
    Unreadable,
    #[error("it is signed by an algorithm that is not taken: RS256, ES256 and EdDSA are")]
    Algorithm,
    #[error("it is signed by none of the provider's keys")]
    Signature,
    #[error("another provider issued it")]
    Issuer,
    #[error("it is for another client")]
    Audience,
    #[error("it has expired")]
    Expired,
    #[error("it answers another sign-in")]
    Nonce,
    #[error("it names nobody")]
    Subject,
}

// Keys ----------------------------------------------------------------------------------------------------------------

enum Public {
    Rs256 { n: Vec<u8>, e: Vec<u8> },
    Es256(Vec<u8>),
    EdDsa(Vec<u8>),
}

struct Key {
    id: Option<String>,
    public: Public,
}

/// The keys that a provider signs with, those of them that are understood here.
pub struct KeySet(Vec<Key>);

impl KeySet {
    pub fn parse(set: &Value) -> Option<KeySet> {
        let keys = set["keys"].as_array()?;
        Some(KeySet(keys.iter().take(MOST_KEYS).filter_map(Key::parse).collect()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn has_signed(&self, header: &Header, signed: &[u8], signature: &[u8]) -> bool {
        let may_be = |key: &&Key| match (&header.kid, &key.id) {
            (Some(named), Some(own)) => named == own,
            _ => true,
        };
        self.0.iter().filter(may_be).any(|key| key.has_signed(&header.alg, signed, signature))
    }
}

impl Key {
    fn parse(key: &Value) -> Option<Key> {
        let text = |name: &str| key[name].as_str();
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?.trim_end_matches('=')).ok();
        if text("use").is_some_and(|of| of != "sig") {
            return None;
        }
        let (algorithm, public) = match (text("kty")?, text("crv")) {
            ("RSA", _) => ("RS256", Public::Rs256 { n: bytes("n")?, e: bytes("e")? }),
            // SEC 1: a 4, then both coordinates.
            ("EC", Some("P-256")) => ("ES256", Public::Es256([vec![4], bytes("x")?, bytes("y")?].concat())),
            ("OKP", Some("Ed25519")) => ("EdDSA", Public::EdDsa(bytes("x")?)),
            _ => return None,
        };
        let is_for_it = text("alg").is_none_or(|named| named == algorithm);
        is_for_it.then(|| Key { id: text("kid").map(str::to_owned), public })
    }

    fn has_signed(&self, algorithm: &str, signed: &[u8], signature: &[u8]) -> bool {
        let verified = match (&self.public, algorithm) {
            (Public::Rs256 { n, e }, "RS256") => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
            }
            (Public::Es256(point), "ES256") => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature)
            }
            (Public::EdDsa(key), "EdDSA") => UnparsedPublicKey::new(&ED25519, key).verify(signed, signature),
            _ => return false,
        };
        verified.is_ok()
    }
}

// Tokens --------------------------------------------------------------------------------------------------------------

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// What must be understood, and is not.
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: f64,
    nonce: Option<String>,
    #[serde(flatten)]
    profile: Profile,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// What a provider says of a person beside who they are. Any text.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Profile {
    pub email: Option<String>,
    /// Some say it as a text.
    email_verified: Value,
    pub preferred_username: Option<String>,
    pub name: Option<String>,
}

impl Profile {
    /// The mail address, if the provider knows that it is theirs.
    pub fn own_mail(&self) -> Option<&str> {
        let is_verified = matches!(&self.email_verified, Value::Bool(true)) || self.email_verified == "true";
        self.email.as_deref().filter(|_| is_verified)
    }
}

/// Who signed in: a provider never gives a subject to somebody else.
#[derive(Debug, Clone)]
pub struct Identity {
    pub subject: String,
    pub profile: Profile,
}

/// What a token must say to answer a sign-in.
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
}

/// Core 1.0, 3.1.3.7.
pub fn identity(token: &str, keys: &KeySet, expected: &Expected, now_ms: i64) -> Result<Identity, Flaw> {
    let claims = signed_claims(token, keys)?;
    if claims.iss != expected.issuer {
        return Err(Flaw::Issuer);
    }
    let is_ours = match &claims.aud {
        Audience::One(one) => one == expected.client_id,
        // Of several, the one that it was made for says so.
        Audience::Many(many) => {
            many.iter().any(|one| one == expected.client_id) && (many.len() == 1 || claims.azp.is_some())
        }
    };
    if !is_ours || claims.azp.is_some_and(|party| party != expected.client_id) {
        return Err(Flaw::Audience);
    }
    if claims.exp + LEEWAY_S <= now_ms as f64 / 1000.0 {
        return Err(Flaw::Expired);
    }
    if claims.nonce.as_deref() != Some(expected.nonce) {
        return Err(Flaw::Nonce);
    }
    if claims.sub.is_empty() || claims.sub.len() > LONGEST_SUBJECT_BYTES || claims.sub.contains('\0') {
        return Err(Flaw::Subject);
    }
    Ok(Identity { subject: claims.sub, profile: claims.profile })
}

fn signed_claims(token: &str, keys: &KeySet) -> Result<Claims, Flaw> {
    let (signed, signature) = token.rsplit_once('.').ok_or(Flaw::Unreadable)?;
    let (header, claims) = signed.split_once('.').ok_or(Flaw::Unreadable)?;
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Flaw::Unreadable);
    let header: Header = serde_json::from_slice(&decoded(header)?).map_err(|_| Flaw::Unreadable)?;
    if header.crit.is_some() {
        return Err(Flaw::Unreadable);
    }
    if !matches!(header.alg.as_str(), "RS256" | "ES256" | "EdDSA") {
        return Err(Flaw::Algorithm);
    }
    if !keys.has_signed(&header, signed.as_bytes(), &decoded(signature)?) {
        return Err(Flaw::Signature);
    }
    serde_json::from_slice(&decoded(claims)?).map_err(|_| Flaw::Unreadable)
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
    use serde_json::json;

    use super::*;
    use crate::account::signing::{SigningKey, new_pair};

    const EXPECTED: Expected = Expected { issuer: "https://auth.example", client_id: "shelf", nonce: "n" };
    const NOW_MS: i64 = 1_000_000_000;

    fn claims() -> Value {
        json!({"iss": "https://auth.example", "sub": "ann", "aud": "shelf", "exp": 1_000_100, "nonce": "n"})
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    fn judged(key: &SigningKey, claims: &Value) -> Result<String, Flaw> {
        let keys = KeySet::parse(&key.key_set()).unwrap();
        identity(&key.jwt(claims), &keys, &EXPECTED, NOW_MS).map(|identity| identity.subject)
    }

    #[test]
    fn a_token_counts_for_whom_and_for_as_long_as_it_says() {
        let key = SigningKey::parse(&new_pair()).unwrap();
        let is = |claims: Value, judgement: Result<&str, Flaw>| {
            assert_eq!(judged(&key, &claims).as_deref().map_err(|flaw| *flaw), judgement, "{claims}");
        };
        is(claims(), Ok("ann"));
        is(with("iss", json!("https://auth.example/")), Err(Flaw::Issuer));
        is(with("aud", json!("another")), Err(Flaw::Audience));
        is(with("aud", json!(["shelf"])), Ok("ann"));
        is(with("aud", json!(["shelf", "another"])), Err(Flaw::Audience));
        is(with("azp", json!("another")), Err(Flaw::Audience));
        let mut several = with("aud", json!(["another", "shelf"]));
        several["azp"] = json!("shelf");
        is(several, Ok("ann"));
        is(with("exp", json!(999_941.5)), Ok("ann"));
        is(with("exp", json!(999_940)), Err(Flaw::Expired));
        is(with("exp", json!("1000100")), Err(Flaw::Unreadable));
        is(with("nonce", json!("m")), Err(Flaw::Nonce));
        is(with("nonce", Value::Null), Err(Flaw::Nonce));
        is(with("sub", json!("")), Err(Flaw::Subject));
        is(with("sub", json!("x".repeat(256))), Err(Flaw::Subject));
    }

    fn signed(header: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
        let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", encoded(header), encoded(&claims()));
        let signature = URL_SAFE_NO_PAD.encode(sign(text.as_bytes()));
        format!("{text}.{signature}")
    }

    #[test]
    fn a_signature_counts_by_the_algorithm_of_its_key_alone() {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let curve = json!({"kty": "EC", "crv": "P-256", "kid": "a", "x": x, "y": y});
        let document = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let edwards = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        let x = URL_SAFE_NO_PAD.encode(edwards.public_key());
        let set = json!({"keys": [
            {"kty": "oct", "k": "c2VjcmV0", "kid": "a"}, {"kty": "RSA", "n": "AQAB"}, curve,
            {"kty": "OKP", "crv": "Ed25519", "x": x, "use": "sig", "alg": "EdDSA"},
        ]});
        let keys = KeySet::parse(&set).unwrap();
        let by_curve = |text: &[u8]| pair.sign(&SystemRandom::new(), text).unwrap().as_ref().to_vec();
        let by_edwards = |text: &[u8]| edwards.sign(text).as_ref().to_vec();
        let judge = |token: &str| identity(token, &keys, &EXPECTED, NOW_MS).map(|identity| identity.subject);
        for token in [
            signed(&json!({"alg": "ES256", "kid": "a"}), by_curve),
            signed(&json!({"alg": "ES256"}), by_curve),
            signed(&json!({"alg": "EdDSA", "kid": "of no key, which has no name"}), by_edwards),
        ] {
            assert_eq!(judge(&token).as_deref(), Ok("ann"));
        }
        for (token, flaw) in [
            (signed(&json!({"alg": "ES256", "kid": "b"}), by_curve), Flaw::Signature),
            (signed(&json!({"alg": "EdDSA"}), by_curve), Flaw::Signature),
            (signed(&json!({"alg": "RS256"}), by_curve), Flaw::Signature),
            (signed(&json!({"alg": "none"}), |_| Vec::new()), Flaw::Algorithm),
            (signed(&json!({"alg": "HS256", "kid": "a"}), by_curve), Flaw::Algorithm),
            (signed(&json!({"alg": "ES256", "kid": "a"}), |_| Vec::new()), Flaw::Signature),
            (signed(&json!({"alg": "ES256", "crit": ["exp"]}), by_curve), Flaw::Unreadable),
        ] {
            assert_eq!(judge(&token), Err(flaw), "{token}");
        }
        let encrypts = KeySet::parse(&json!({"keys": [{"use": "enc", "kty": "EC", "crv": "P-256"}]})).unwrap();
        assert!(encrypts.is_empty() && KeySet::parse(&json!({"keys": "none"})).is_none());
        for broken in ["", ".", "..", "a.b.c", "a.b"] {
            assert_eq!(judge(broken), Err(Flaw::Unreadable), "{broken}");
        }
    }

    #[test]
    fn a_mail_address_is_theirs_where_the_provider_says_so() {
        let own = |verified: Value| {
            let said = json!({"email": "ann@example.org", "email_verified": verified, "more": [1]});
            let profile: Profile = serde_json::from_value(said).unwrap();
            profile.own_mail().is_some()
        };
        assert!(own(json!(true)) && own(json!("true")));
        assert!(!own(json!(false)) && !own(json!("false")) && !own(Value::Null) && !own(json!(1)));
    }
}
