//! Whatever a request says in its conditions and ranges, the decision keeps to the file.
//!
//! Input: the size of the file on the first line, then headers, `Name: value`.

#![no_main]

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use libfuzzer_sys::fuzz_target;
use openshelf_fuzz::http::conditions::{Conditions, Decision, decide};

/// No player asks for more.
const RANGES_MAX: usize = 16;

const ETAG: &str = "e1";
const MODIFIED_MS: Option<i64> = Some(784_111_777_000);

fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|byte| *byte == b'\n');
    let size_bytes = lines.next().and_then(|line| std::str::from_utf8(line).ok()?.trim().parse().ok()).unwrap_or(1000);
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii())) {
            headers.append(name, value);
        }
    }

    let conditions = Conditions::of(&headers);
    match decide(&conditions, ETAG, MODIFIED_MS, size_bytes) {
        Decision::Partial(range) => assert!(range.start < range.end && range.end <= size_bytes),
        Decision::Multi(ranges) => {
            assert!((2..=RANGES_MAX).contains(&ranges.len()));
            assert!(ranges.iter().all(|range| range.start < range.end && range.end <= size_bytes));
            assert!(ranges.is_sorted_by(|before, after| before.end < after.start));
        }
        Decision::Unsatisfiable => assert!(headers.contains_key(header::RANGE) && size_bytes > 0),
        Decision::Full | Decision::NotModified | Decision::PreconditionFailed => {}
    }
    let whole = decide(&conditions.without_range(), ETAG, MODIFIED_MS, size_bytes);
    assert!(matches!(whole, Decision::Full | Decision::NotModified | Decision::PreconditionFailed));

    // One plain range alone means what it says.
    let alone = [(header::RANGE, headers.get(header::RANGE))];
    if let [(name, Some(value))] = alone
        && let Some((first, last)) = plain(value)
        && let Ok(value) = HeaderValue::from_str(&format!("bytes={first}-{last}"))
    {
        let asked = HeaderMap::from_iter([(name, value)]);
        let expected = match (first <= last, u64::from(first) < size_bytes) {
            (true, true) => Decision::Partial(first.into()..size_bytes.min(u64::from(last) + 1)),
            (true, false) if size_bytes > 0 => Decision::Unsatisfiable,
            _ => Decision::Full,
        };
        assert_eq!(decide(&Conditions::of(&asked), ETAG, MODIFIED_MS, size_bytes), expected);
    }
});

/// The numbers of a header that is nothing but one range of small ones.
fn plain(value: &HeaderValue) -> Option<(u32, u32)> {
    let (first, last) = value.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}
