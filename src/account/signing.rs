//! The key pair that users' tokens are signed with where others may check them (ES256, RFC 7518).
//!
//! One pair for all nodes of an installation: it lies in the database, sealed with the master key. ES256 and not the RS256
//! of Auth0's days: no client checks a signature, every library of today knows both, and an RSA key could only be made
//! here by code that is known to leak it through its timing (RUSTSEC-2023-0071).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::token::sha256;

pub struct SigningKey {
    pair: EcdsaKeyPair,
    /// Which key it is, for whoever checks: changes with the key.
    id: String,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}

/// A new pair as text (PKCS #8 in base64url), to be sealed.
pub fn new_pair() -> String {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    URL_SAFE_NO_PAD.encode(document.expect("the system's random generator answers"))
}

impl SigningKey {
    /// None where the text holds no pair.
    pub fn parse(text: &str) -> Option<SigningKey> {
        let document = URL_SAFE_NO_PAD.decode(text).ok()?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &document, &SystemRandom::new()).ok()?;
        let public = URL_SAFE_NO_PAD.encode(pair.public_key());
        Some(SigningKey { id: URL_SAFE_NO_PAD.encode(&sha256(&public)[..12]), pair })
    }

    pub fn jwt(&self, claims: &impl Serialize) -> String {
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": self.id}).to_string();
        let claims = serde_json::to_vec(claims).expect("claims are plain data");
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes());
        let signature = signature.expect("the system's random generator answers");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The claims of a JWT of ours; a missing claim is a refusal. The header is not asked: there is one key, for one
    /// algorithm. The caller checks `exp` and what else it means.
    pub fn claims<T: DeserializeOwned>(&self, jwt: &str) -> Option<T> {
        let (signed, signature) = jwt.rsplit_once('.')?;
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.pair.public_key());
        public.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
        let (_, claims) = signed.split_once('.')?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    }

    /// The public key as a set of one (RFC 7517).
    pub fn key_set(&self) -> Value {
        // SEC 1: a 4, then both coordinates.
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        let coordinate = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.id,
            "x": coordinate(x), "y": coordinate(y)}]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_with_its_own_key_as_it_was_signed() {
        let (text, other) = (new_pair(), SigningKey::parse(&new_pair()).unwrap());
        let key = SigningKey::parse(&text).unwrap();
        let token = key.jwt(&json!({"sub": "ann"}));
        let same = SigningKey::parse(&text).unwrap();
        assert_eq!(same.claims::<Value>(&token), Some(json!({"sub": "ann"})), "another node has the same key");
        assert_eq!(same.key_set(), key.key_set());
        assert_eq!(other.claims::<Value>(&token), None);
        let (head, signature) = token.rsplit_once('.').unwrap();
        let forged =
            head.replace(&URL_SAFE_NO_PAD.encode(r#"{"sub":"ann"}"#), &URL_SAFE_NO_PAD.encode(r#"{"sub":"bob"}"#));
        assert_ne!(forged, head);
        for broken in
            [format!("{forged}.{signature}"), format!("{head}."), head.to_owned(), String::new(), "..".to_owned()]
        {
            assert_eq!(key.claims::<Value>(&broken), None, "{broken}");
        }
        assert!(SigningKey::parse("").is_none() && SigningKey::parse(&text[..40]).is_none());
    }
}
