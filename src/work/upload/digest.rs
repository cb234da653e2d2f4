//! Hashes of contents that clients tell, held against what came.

use sha2::{Digest, Sha256 as Hash256, Sha512 as Hash512};

use crate::error::{Error, Result};
pub use crate::store::contents::Sha256;

/// What a client says of the bytes that it sends. `None` where it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told {
    pub sha256: Option<Sha256>,
    pub sha512: Option<[u8; 64]>,
}

/// Hashes bytes as they go by, as far as somebody wants to know.
#[derive(Clone)]
pub(super) struct Hashing {
    told: Told,
    sha256: Option<Hash256>,
    sha512: Option<Hash512>,
}

impl Hashing {
    /// What was told, and nothing else.
    pub fn of(told: Told) -> Hashing {
        Hashing { told, sha256: told.sha256.map(|_| Hash256::new()), sha512: told.sha512.map(|_| Hash512::new()) }
    }

    /// The content's SHA-256 in any case.
    pub fn always(told: Told) -> Hashing {
        Hashing { sha256: Some(Hash256::new()), ..Hashing::of(told) }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        if let Some(hash) = &mut self.sha256 {
            hash.update(bytes);
        }
        if let Some(hash) = &mut self.sha512 {
            hash.update(bytes);
        }
    }

    /// The SHA-256 of all that went by, if it was looked at. `Invalid` when another content was told.
    pub fn finish(self) -> Result<Option<Sha256>> {
        let sha256: Option<Sha256> = self.sha256.map(|hash| hash.finalize().into());
        let sha512: Option<[u8; 64]> = self.sha512.map(|hash| hash.finalize().into());
        let is_told = self.told.sha256.is_none_or(|told| Some(told) == sha256)
            && self.told.sha512.is_none_or(|told| Some(told) == sha512);
        if is_told { Ok(sha256) } else { Err(mismatch()) }
    }
}

pub(super) fn mismatch() -> Error {
    Error::invalid("digest", "the bytes that came have another one")
}

/// The hash of an open file from its beginning.
pub(super) fn of_file(file: &std::fs::File) -> Result<Sha256> {
    use std::os::unix::fs::FileExt;
    let (mut hash, mut buffer, mut at) = (Hash256::new(), vec![0; 256 * 1024], 0);
    loop {
        match file.read_at(&mut buffer, at)? {
            0 => return Ok(hash.finalize().into()),
            count => {
                hash.update(&buffer[..count]);
                at += count as u64;
            }
        }
    }
}
