//! The second factor: codes of six digits that an app on a phone makes of a shared secret and the time (RFC 6238).

use totp_rs::{Builder, Secret, Totp};

use super::token::random_bytes;

/// As RFC 4226 recommends.
const SECRET_BYTES: usize = 20;
const LONGEST_CODE_BYTES: usize = 16;

/// In base32, as apps take it.
pub fn new_secret() -> String {
    Secret::from(random_bytes::<SECRET_BYTES>()).to_base32()
}

/// The address by which apps take up a secret, for a picture that a phone reads.
pub fn address(secret: &str, title: &str, user: &str) -> String {
    let encoded =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    let (title, user) = (encoded(title), encoded(user));
    format!("otpauth://totp/{title}:{user}?secret={secret}&issuer={title}")
}

/// Of which step of thirty seconds this is the code: the one of now, or one beside it.
pub fn step_of(secret: &str, code: &str, now_s: i64) -> Option<i64> {
    if code.len() > LONGEST_CODE_BYTES {
        return None;
    }
    let step = totp(secret)?.check(code.trim(), u64::try_from(now_s).ok()?)?;
    i64::try_from(step).ok()
}

fn totp(secret: &str) -> Option<Totp> {
    Builder::new().with_secret(Secret::try_from_base32(secret).ok()?).build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 6238, appendix B, with the last six digits.
    const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    #[test]
    fn codes_are_those_of_the_standard_and_name_their_step() {
        assert_eq!(step_of(SECRET, "287082", 59), Some(1));
        assert_eq!(step_of(SECRET, "081804", 1_111_111_109), Some(37_037_036));
        assert_eq!(step_of(SECRET, "287082", 59 + 30), Some(1), "one step late");
        assert_eq!(step_of(SECRET, "287082", 59 + 60), None, "two steps late");
        for wrong in ["", "287083", "28708", "2870820", "abcdef", &"2".repeat(1000)] {
            assert_eq!(step_of(SECRET, wrong, 59), None, "{wrong:.20}");
        }
    }

    #[test]
    fn a_new_secret_makes_codes() {
        let secret = new_secret();
        assert_ne!(secret, new_secret());
        let code = totp(&secret).unwrap().generate(1000).to_string();
        assert_eq!(step_of(&secret, &code, 1000), Some(33));
    }
}
