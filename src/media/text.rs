//! Text of files that do not say how it is written.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// By its byte order mark, else as UTF-8; what is not that was written by an old Windows more often than by anything else.
pub fn decoded(bytes: &[u8]) -> String {
    if let Some((encoding, mark_bytes)) = Encoding::for_bom(bytes) {
        return encoding.decode_without_bom_handling(&bytes[mark_bytes..]).0.into_owned();
    }
    let encoding = if std::str::from_utf8(bytes).is_ok() { UTF_8 } else { WINDOWS_1252 };
    encoding.decode_without_bom_handling(bytes).0.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marked_and_unmarked_text_of_three_encodings_is_read() {
        assert_eq!(decoded("é".as_bytes()), "é");
        assert_eq!(decoded(b"\xef\xbb\xbf\xc3\xa9"), "é");
        assert_eq!(decoded(b"\xff\xfe\xe9\0"), "é");
        assert_eq!(decoded(b"\xfe\xff\0\xe9"), "é");
        assert_eq!(decoded(b"caf\xe9 \x80"), "café €");
        assert_eq!(decoded(b""), "");
    }
}
