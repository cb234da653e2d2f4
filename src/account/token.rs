//! Secrets that this server makes: random ids, signatures, sealed copies. All come from one master key, which lives
//! outside the database.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use hmac::{Hmac, Mac};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::error::{Error, Result};

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const NONCE_BYTES: usize = 24;

/// Bytes from the system's generator. Without one nothing here is safe, so there is no error to handle.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system's random generator answers");
    bytes
}

/// `len` letters and digits, each of them uniformly random: 22 of them hold 128 bits.
pub fn random_base62(len: usize) -> String {
    let mut out = String::with_capacity(len);
    while out.len() < len {
        // 248 is the largest multiple of 62 below 256: what lies above would favour the first letters.
        for byte in random_bytes::<32>().into_iter().filter(|b| *b < 248).take(len - out.len()) {
            out.push(BASE62[usize::from(byte) % 62] as char);
        }
    }
    out
}

/// What one secret is stored and looked up as, where it is random and long enough not to need argon2.
pub fn sha256(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

/// Equality that takes as long for a near miss as for a far one.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// What a key made of the master key is for; one made for another purpose does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Token,
    SignedUrl,
    Device,
    Playlist,
    Picture,
    Transcode,
    ShareCookie,
    Seal,
    HotCredential,
    Fingerprint,
}

/// The master key. Never printed; nodes of one installation hold the same one.
#[derive(Clone)]
pub struct Keys {
    master: [u8; 32],
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(…)")
    }
}

impl Keys {
    /// Reads the key from its file, or makes one there that only this user can read.
    pub fn load_or_create(file: &Path) -> anyhow::Result<Keys> {
        use anyhow::Context;
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        match std::fs::read_to_string(file) {
            Ok(text) => Keys::parse(&text).with_context(|| format!("{} is not a master key", file.display())),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                let keys = Keys { master: random_bytes() };
                // Written aside and moved there, so that a crash leaves no half key behind.
                let aside = file.with_extension("new");
                let mut out =
                    std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
                out.write_all(keys.text().as_bytes())?;
                out.sync_all()?;
                std::fs::rename(&aside, file)?;
                Ok(keys)
            }
            Err(cause) => Err(cause).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    pub fn parse(text: &str) -> Option<Keys> {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim()).ok()?;
        Some(Keys { master: bytes.try_into().ok()? })
    }

    /// As it stands in its file.
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.master)
    }

    fn key(&self, purpose: Purpose) -> Vec<u8> {
        mac(&self.master, &[format!("openshelf {purpose:?}").as_bytes()])
    }

    /// Tells whether the database belongs to this key, without telling the key.
    pub fn fingerprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.key(Purpose::Fingerprint)[..12])
    }

    pub fn sign(&self, purpose: Purpose, message: &[u8]) -> Vec<u8> {
        mac(&self.key(purpose), &[message])
    }

    /// An encrypted copy. `about` binds it to its place: a copy moved to another row does not open.
    pub fn seal(&self, about: &str, plain: &str) -> Vec<u8> {
        let nonce = random_bytes::<NONCE_BYTES>();
        let payload = Payload { msg: plain.as_bytes(), aad: about.as_bytes() };
        let sealed = self.cipher().encrypt(&nonce.into(), payload).expect("a short text can be encrypted");
        [&nonce[..], &sealed].concat()
    }

    pub fn open(&self, about: &str, sealed: &[u8]) -> Result<String> {
        let broken = || Error::Internal(format!("sealed text of {about} does not open with this master key"));
        let (nonce, cipher_text) = sealed.split_at_checked(NONCE_BYTES).ok_or_else(broken)?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| broken())?;
        let payload = Payload { msg: cipher_text, aad: about.as_bytes() };
        let plain = self.cipher().decrypt(&nonce.into(), payload).map_err(|_| broken())?;
        String::from_utf8(plain).map_err(|_| broken())
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        let key: [u8; 32] = self.key(Purpose::Seal).try_into().expect("a mac of 32 bytes");
        XChaCha20Poly1305::new(&key.into())
    }

    /// A JWT (HS256). Clients of two dialects insist on three parts and an `exp`; none checks the signature.
    pub fn jwt(&self, purpose: Purpose, claims: &impl Serialize) -> String {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        let claims = URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims).expect("claims are plain data"));
        let signature = URL_SAFE_NO_PAD.encode(self.sign(purpose, format!("{header}.{claims}").as_bytes()));
        format!("{header}.{claims}.{signature}")
    }

    /// The claims of a JWT of ours; a missing claim is a refusal. The caller checks `exp` and what else it means.
    pub fn claims<T: DeserializeOwned>(&self, purpose: Purpose, jwt: &str) -> Option<T> {
        let (signed, signature) = jwt.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        if !same(&signature, &self.sign(purpose, signed.as_bytes())) {
            return None;
        }
        let (_, claims) = signed.split_once('.')?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("any key length will do");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys { master: random_bytes() }
    }

    #[test]
    fn sealed_text_opens_only_with_its_key_and_in_its_place() {
        let (a, b) = (keys(), keys());
        let sealed = a.seal("share 1", "secret");
        assert_eq!(a.open("share 1", &sealed).unwrap(), "secret");
        assert!(a.open("share 2", &sealed).is_err());
        assert!(b.open("share 1", &sealed).is_err());
        assert!(a.open("share 1", &sealed[..10]).is_err());
    }

    #[test]
    fn jwt_of_another_key_or_purpose_is_refused() {
        let (a, b) = (keys(), keys());
        let token = a.jwt(Purpose::Token, &serde_json::json!({"sub": "x"}));
        assert!(a.claims::<serde_json::Value>(Purpose::Token, &token).is_some());
        assert!(a.claims::<serde_json::Value>(Purpose::SignedUrl, &token).is_none());
        assert!(b.claims::<serde_json::Value>(Purpose::Token, &token).is_none());
        for broken in ["", ".", "..", "a.b.c", &token[..token.len() - 2]] {
            assert!(a.claims::<serde_json::Value>(Purpose::Token, broken).is_none());
        }
    }

    #[test]
    fn random_ids_have_their_length_and_alphabet() {
        let id = random_base62(22);
        assert_eq!(id.len(), 22);
        assert!(id.bytes().all(|b| b.is_ascii_alphanumeric()));
        assert_ne!(id, random_base62(22));
    }
}
