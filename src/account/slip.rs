//! Slips: texts that are good for one thing, once, and not for long, such as the code that an app gets for its user's
//! consent, or the address in a mail that sets a new password.
//!
//! A slip is sealed with the master key and holds all that it stands for, so that handing one out writes nothing: nobody can
//! fill a table by asking for them. What is kept is which of them have been used (`store/slips.rs`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::User;
use super::token::{Keys, sha256};

/// What a slip is good for; one for another errand does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand {
    /// Tokens for an app that a user let in.
    OauthCode,
    /// The second step of signing in.
    SecondStep,
    /// The picture that somebody has to read.
    Captcha,
    UsePasskey,
    Activation,
    NewPassword,
    /// A session on another device of the same user.
    SessionCopy,
    /// What an OpenID provider sends a browser back with.
    OpenId,
}

/// Whom a slip is for. It is good until their password or their state changes.
#[derive(Serialize, Deserialize)]
pub struct Holder {
    pub user_id: String,
    pub epoch: i64,
}

impl Holder {
    pub fn of(user: &User) -> Holder {
        Holder { user_id: user.id.clone(), epoch: user.epoch }
    }
}

#[derive(Serialize, Deserialize)]
struct Written<T> {
    data: T,
    expires_ms: i64,
}

/// One that was written here for this errand, and has not expired. Whether it was used before is still to be asked.
pub struct Slip<T> {
    pub data: T,
    pub expires_ms: i64,
    /// What it is known by once it is used.
    pub hash: Vec<u8>,
}

/// None is longer.
const LONGEST_BYTES: usize = 16 * 1024;

fn about(errand: Errand) -> String {
    format!("slip {errand:?}")
}

/// Letters, digits, `-` and `_`.
pub fn write<T: Serialize>(keys: &Keys, errand: Errand, data: T, expires_ms: i64) -> String {
    let written = serde_json::to_string(&Written { data, expires_ms }).expect("slips hold plain data");
    URL_SAFE_NO_PAD.encode(keys.seal(&about(errand), &written))
}

pub fn read<T: DeserializeOwned>(keys: &Keys, errand: Errand, text: &str, now_ms: i64) -> Option<Slip<T>> {
    if text.len() > LONGEST_BYTES {
        return None;
    }
    let opened = keys.open(&about(errand), &URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let written: Written<T> = serde_json::from_str(&opened).ok()?;
    let stands = now_ms < written.expires_ms;
    stands.then(|| Slip { data: written.data, expires_ms: written.expires_ms, hash: sha256(text) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::token::random_bytes;

    fn keys() -> Keys {
        Keys::parse(&URL_SAFE_NO_PAD.encode(random_bytes::<32>())).unwrap()
    }

    #[test]
    fn a_slip_is_good_for_its_own_errand_and_time_and_for_no_other() {
        let (keys, others) = (keys(), keys());
        let text = write(&keys, Errand::OauthCode, ("ann", 7), 1000);
        let read = |keys: &Keys, errand, text: &str, now_ms| {
            super::read::<(String, i64)>(keys, errand, text, now_ms).map(|slip| slip.data)
        };
        assert_eq!(read(&keys, Errand::OauthCode, &text, 999), Some(("ann".to_owned(), 7)));
        assert_eq!(read(&keys, Errand::OauthCode, &text, 1000), None);
        assert_eq!(read(&keys, Errand::NewPassword, &text, 999), None);
        assert_eq!(read(&others, Errand::OauthCode, &text, 999), None);
        for broken in ["", "x", &text[1..], &format!("{text}="), &"x".repeat(LONGEST_BYTES + 1)] {
            assert_eq!(read(&keys, Errand::OauthCode, broken, 999), None);
        }
        assert_ne!(write(&keys, Errand::OauthCode, 1, 1), write(&keys, Errand::OauthCode, 1, 1));
    }
}
