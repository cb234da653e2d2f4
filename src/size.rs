//! Sizes and rates as people write them. Units count by thousands, as pages show them.

const UNITS: [(&str, u64); 4] = [("T", 1_000_000_000_000), ("G", 1_000_000_000), ("M", 1_000_000), ("K", 1_000)];

/// Bytes: `500`, `20 MB`, `2G`.
pub fn bytes_in(text: &str) -> Option<u64> {
    let text = text.trim().to_uppercase();
    let text = text.strip_suffix('B').unwrap_or(&text).trim_end();
    let unit = UNITS.iter().find(|(unit, _)| text.ends_with(unit));
    let (digits, factor) = match unit {
        Some((unit, factor)) => (text.strip_suffix(unit)?.trim_end(), *factor),
        None => (text, 1),
    };
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u64>().ok()?.checked_mul(factor)).flatten()
}

/// As [`bytes_in`] reads it: `2G`, where that is exact.
pub fn written_bytes(bytes: u64) -> String {
    match UNITS.iter().find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor)) {
        Some((unit, factor)) => format!("{}{unit}", bytes / factor),
        None => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_as_it_is_written() {
        for (text, bytes) in [
            ("0", 0),
            ("1", 1),
            ("500", 500),
            ("20 MB", 20_000_000),
            ("2G", 2_000_000_000),
            ("2g", 2_000_000_000),
            (" 3 kb ", 3_000),
            ("1T", 1_000_000_000_000),
            ("7B", 7),
        ] {
            assert_eq!(bytes_in(text), Some(bytes), "{text}");
            assert_eq!(bytes_in(&written_bytes(bytes)), Some(bytes), "{text}");
        }
        for text in ["", "G", "-1", "+1", "1.5G", "1GG", "1 G 2", "99999999999T", "1X", "0x10", "é", "2μ"] {
            assert_eq!(bytes_in(text), None, "{text}");
        }
        assert_eq!(written_bytes(2_000_000_000), "2G");
        assert_eq!(written_bytes(1_500), "1500");
    }
}
