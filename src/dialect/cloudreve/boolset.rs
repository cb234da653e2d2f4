//! Boolsets: rights as bits, least significant first, in Base64 with padding.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, Result};

/// The set of these bit numbers.
pub const fn of(bits: &[u32]) -> u64 {
    let mut set = 0;
    let mut at = 0;
    while at < bits.len() {
        set |= 1 << bits[at];
        at += 1;
    }
    set
}

pub fn write(set: u64) -> String {
    let bytes = set.to_le_bytes();
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    // An empty set of rights is one byte of none: an empty text would say that nothing was set.
    STANDARD.encode(&bytes[..used.max(1)])
}

/// Absent bits are 0; a bit beyond the 64th is none that anybody knows.
pub fn read(what: &'static str, text: &str) -> Result<u64> {
    let bytes = STANDARD.decode(text.trim()).map_err(|_| Error::invalid(what, "it is not a boolset"))?;
    let mut set = [0; 8];
    for (at, byte) in bytes.into_iter().enumerate() {
        match set.get_mut(at) {
            Some(place) => *place = byte,
            None if byte == 0 => {}
            None => return Err(Error::invalid(what, "it holds unknown rights")),
        }
    }
    Ok(u64::from_le_bytes(set))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_written_as_the_protocol_prints_them() {
        for (bits, text) in [
            (&[0][..], "AQ=="),
            (&[0, 2], "BQ=="),
            (&[0, 1], "Aw=="),
            (&[0, 1, 3], "Cw=="),
            (&[0, 1, 2, 3], "Dw=="),
            (&[1, 7], "gg=="),
            (&[2, 7, 11], "hAg="),
            (&[9, 14, 15, 17, 19], "AMIK"),
            (&[0, 1, 6, 7, 8, 9, 10, 14, 15, 16, 18, 19, 20, 23, 24], "w8edAQ=="),
        ] {
            assert_eq!(write(of(bits)), text);
            assert_eq!(read("x", text).unwrap(), of(bits));
        }
        assert_eq!(read("x", "/f8B").unwrap(), of(&[0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]));
    }

    #[test]
    fn odd_sets_are_read_or_refused_but_never_misread() {
        assert_eq!(read("x", "").unwrap(), 0);
        assert_eq!(write(0), "AA==");
        assert_eq!(read("x", "AQAAAAAAAAAAAAAA").unwrap(), 1);
        for text in ["AAAAAAAAAAAB", "no base", "A", "AQ=", "\u{e9}"] {
            assert!(read("x", text).is_err(), "{text}");
        }
        assert_eq!(read("x", &write(u64::MAX)).unwrap(), u64::MAX);
    }
}
