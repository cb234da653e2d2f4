//! Passwords: what they are checked against, what a share's may look like, and how tries are slowed down.

use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};

use super::token::random_base62;
use crate::error::{Error, Result};

/// An account's password is at least this many characters long.
pub const SHORTEST: usize = 8;
const LONGEST_BYTES: usize = 1024;

/// argon2id; takes tens of milliseconds and 19 MiB, so never on a thread that serves others.
pub fn hash(password: &str) -> Result<String> {
    Ok(Argon2::default().hash_password(password.as_bytes()).map_err(|e| Error::internal("argon2", e))?.to_string())
}

/// Whether it is the password. `None` stands for an account or share that does not exist, and takes as long.
pub fn verify(password: &str, hash: Option<&str>) -> bool {
    static NOBODY: LazyLock<String> = LazyLock::new(|| self::hash(&random_base62(22)).unwrap_or_default());
    let known = hash.is_some();
    let right = PasswordHash::new(hash.unwrap_or(&NOBODY))
        .is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok());
    known && right
}

/// A new password for an account.
pub fn check_account(password: &str) -> Result<()> {
    if password.chars().count() < SHORTEST {
        return Err(Error::invalid("password", format!("at least {SHORTEST} characters")));
    }
    if password.len() > LONGEST_BYTES {
        return Err(Error::invalid("password", format!("at most {LONGEST_BYTES} bytes")));
    }
    Ok(())
}

/// A new password for a share: every client carries it in addresses, so letters and digits only.
pub fn check_share(password: &str) -> Result<()> {
    let fits = (1..=32).contains(&password.len()) && password.bytes().all(|b| b.is_ascii_alphanumeric());
    if fits { Ok(()) } else { Err(Error::invalid("password", "1 to 32 letters and digits")) }
}

/// How long to wait before the next try, `failures` wrong ones after each other having come from one address.
///
/// It slows: five are free, then each doubles the wait, up to five minutes. A quarter of an hour of silence forgets.
pub fn wait_ms(failures: i64, last_ms: i64, now_ms: i64) -> i64 {
    const FREE: i64 = 5;
    if failures < FREE || now_ms - last_ms > FORGET_MS {
        return 0;
    }
    let wait_ms = (1000_i64 << (failures - FREE).min(9)).min(5 * 60 * 1000);
    (last_ms + wait_ms - now_ms).max(0)
}

/// Tries older than this count no more.
pub const FORGET_MS: i64 = 15 * 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_password_fits_and_nobody_has_none() {
        let hash = hash("correct horse").unwrap();
        assert!(verify("correct horse", Some(&hash)));
        assert!(!verify("wrong horse", Some(&hash)));
        assert!(!verify("", None));
        assert!(!verify("x", Some("")));
    }

    #[test]
    fn waiting_grows_and_ends() {
        assert_eq!(wait_ms(4, 0, 0), 0);
        assert_eq!(wait_ms(5, 0, 0), 1000);
        assert_eq!(wait_ms(6, 0, 500), 1500);
        assert_eq!(wait_ms(i64::MAX, 0, 0), 300_000);
        assert_eq!(wait_ms(100, 0, FORGET_MS + 1), 0);
    }

    #[test]
    fn share_passwords_survive_every_address() {
        for bad in ["", "a b", "ä", "a/b", "123456789012345678901234567890123"] {
            assert!(check_share(bad).is_err(), "{bad:?}");
        }
        assert!(check_share("gcqzfaze").is_ok());
    }
}
