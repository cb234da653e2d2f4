//! `Content-Digest` and `Repr-Digest` (RFC 9530): what a client says of the bytes that it sends.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Call;
use crate::error::{Error, Result};
use crate::work::upload::Content;
use crate::work::upload::digest::Told;

impl Call {
    /// The body, to be read as it comes, with what its client says of it.
    pub fn take_content(&mut self, whole: Whole) -> Result<Content> {
        let mut told = Told::default();
        // `Repr-Digest` is of the file, and so of the body only where that is the whole file.
        let names: &[&str] = match whole {
            Whole::File => &["repr-digest", "content-digest"],
            Whole::Part => &["content-digest"],
        };
        for name in names {
            for value in self.parts.headers.get_all(*name) {
                read(value.to_str().map_err(|_| broken())?, &mut told)?;
            }
        }
        Ok(Content { body: self.take_body(), told })
    }
}

/// What a request's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    File,
    Part,
}

fn broken() -> Error {
    Error::invalid("digest", "such as sha-256=:base64:")
}

/// A dictionary of byte sequences. Algorithms that are not known here say nothing.
fn read(field: &str, told: &mut Told) -> Result<()> {
    for member in field.split(',').map(str::trim).filter(|member| !member.is_empty()) {
        let (name, value) = member.split_once('=').ok_or_else(broken)?;
        let encoded = value.trim().strip_prefix(':').and_then(|value| value.strip_suffix(':')).ok_or_else(broken)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| broken())?;
        match name.trim() {
            "sha-256" => told.sha256 = Some(bytes.try_into().map_err(|_| broken())?),
            "sha-512" => told.sha512 = Some(bytes.try_into().map_err(|_| broken())?),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told_by(field: &str) -> Result<Told> {
        let mut told = Told::default();
        read(field, &mut told).map(|()| told)
    }

    #[test]
    fn a_digest_is_read_as_rfc_9530_writes_it() {
        // Of `{"hello": "world"}` and a line end, from the RFC's appendix.
        let told = told_by("sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:, md5=:AAAA:").unwrap();
        assert_eq!(told.sha256.unwrap()[..4], [0x44, 0xaf, 0xf4, 0xab]);
        assert_eq!(told_by("").unwrap(), Told::default());
        assert_eq!(told_by("unixsum=:GQU=:").unwrap(), Told::default());
    }

    #[test]
    fn a_digest_that_cannot_be_one_is_refused() {
        for field in ["sha-256", "sha-256=abc", "sha-256=:abc:", "sha-256=:AAAA:", "sha-512=:AAAA:", "=", "x=:§:"] {
            assert!(matches!(told_by(field), Err(Error::Invalid { what: "digest", .. })), "{field}");
        }
    }
}
