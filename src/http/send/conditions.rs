//! What a request asks to be true of a file, and which part of it it wants. RFC 9110, chapters 13 and 14.

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, HeaderName, header};

/// More ranges than this are answered with the whole: no player asks for them, only attackers do.
pub const RANGES_MAX: usize = 16;
/// Two ranges nearer than this are one, for a part's own header costs more than the gap.
const GAP_BYTES: u64 = 80;
/// The last second of the year 9999, beyond which HTTP has no date.
const LAST_DATE_S: u64 = 253_402_300_799;

/// What a request asks to be true, and which part it wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
    if_modified_since: Option<SystemTime>,
    if_unmodified_since: Option<SystemTime>,
    if_range: Option<Tags>,
    ranges: Vec<Wanted>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Tags {
    Any,
    Listed(Vec<Tag>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Tag {
    weak: bool,
    opaque: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    From(u64),
    Between(u64, u64),
    Last(u64),
}

/// Which answer the conditions lead to. Ranges are half open, ascending and inside the size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Full,
    Partial(Range<u64>),
    Multi(Vec<Range<u64>>),
    NotModified,
    PreconditionFailed,
    Unsatisfiable,
}

impl Conditions {
    /// What cannot be understood is as if it were not there.
    pub fn of(headers: &HeaderMap) -> Conditions {
        let date = |name| {
            let text = headers.get(name)?.to_str().ok()?;
            httpdate::parse_http_date(text).ok()
        };
        let mut ranges = headers.get_all(header::RANGE).iter();
        let ranges = match (ranges.next(), ranges.next()) {
            (Some(value), None) => value.to_str().ok().and_then(parse_ranges).unwrap_or_default(),
            _ => Vec::new(),
        };
        Conditions {
            if_match: tags(headers, header::IF_MATCH),
            if_none_match: tags(headers, header::IF_NONE_MATCH),
            if_modified_since: date(header::IF_MODIFIED_SINCE),
            if_unmodified_since: date(header::IF_UNMODIFIED_SINCE),
            if_range: tags(headers, header::IF_RANGE),
            ranges,
        }
    }

    /// For HEAD, whose answers have no part.
    pub fn without_range(self) -> Conditions {
        Conditions { ranges: Vec::new(), ..self }
    }
}

impl Tags {
    fn match_strongly(&self, etag: &str) -> bool {
        match self {
            Tags::Any => true,
            Tags::Listed(tags) => tags.iter().any(|tag| !tag.weak && tag.opaque == etag),
        }
    }

    fn match_weakly(&self, etag: &str) -> bool {
        match self {
            Tags::Any => true,
            Tags::Listed(tags) => tags.iter().any(|tag| tag.opaque == etag),
        }
    }
}

fn tags(headers: &HeaderMap, name: HeaderName) -> Option<Tags> {
    let mut listed = Vec::new();
    for value in headers.get_all(&name) {
        let mut rest = String::from_utf8_lossy(value.as_bytes()).into_owned();
        if rest.trim() == "*" {
            return Some(Tags::Any);
        }
        loop {
            let text = rest.trim_start_matches([' ', '\t', ',']);
            let (weak, text) = text.strip_prefix("W/").map_or((false, text), |text| (true, text));
            let Some((opaque, after)) = text.strip_prefix('"').and_then(|text| text.split_once('"')) else { break };
            listed.push(Tag { weak, opaque: opaque.to_owned() });
            rest = after.to_owned();
        }
    }
    headers.contains_key(&name).then_some(Tags::Listed(listed))
}

/// None if any of it is malformed.
fn parse_ranges(value: &str) -> Option<Vec<Wanted>> {
    let (unit, list) = value.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    list.split(',').map(str::trim).filter(|one| !one.is_empty()).map(parse_range).collect()
}

fn parse_range(one: &str) -> Option<Wanted> {
    let (first, last) = one.split_once('-')?;
    match (first.trim_end(), last.trim_start()) {
        ("", count) => Some(Wanted::Last(number(count)?)),
        (first, "") => Some(Wanted::From(number(first)?)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Wanted::Between(first, last))
        }
    }
}

/// A number of any length; those beyond all sizes are equal to each other.
fn number(digits: &str) -> Option<u64> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// `etag` is the strong tag without its quotes; without a time, conditions on it are as if they were not there.
pub fn decide(conditions: &Conditions, etag: &str, modified_ms: Option<i64>, size_bytes: u64) -> Decision {
    let modified = modified_ms.and_then(modified_time);
    match (&conditions.if_match, conditions.if_unmodified_since) {
        (Some(tags), _) if !tags.match_strongly(etag) => return Decision::PreconditionFailed,
        (None, Some(date)) if modified.is_some_and(|modified| modified > date) => return Decision::PreconditionFailed,
        _ => {}
    }
    match (&conditions.if_none_match, conditions.if_modified_since) {
        (Some(tags), _) if tags.match_weakly(etag) => return Decision::NotModified,
        (None, Some(date)) if modified.is_some_and(|modified| modified <= date) => return Decision::NotModified,
        _ => {}
    }
    // A date in If-Range never matches: it cannot tell two versions of one second apart, and the whole is always right.
    let same = match &conditions.if_range {
        None => true,
        Some(Tags::Any) => false,
        Some(tags) => tags.match_strongly(etag),
    };
    if conditions.ranges.is_empty() || !same || size_bytes == 0 {
        // Players send `bytes=0-` whatever the file is; an empty one is no reason for an error.
        return Decision::Full;
    }
    let mut ranges: Vec<Range<u64>> = conditions.ranges.iter().filter_map(|one| one.within(size_bytes)).collect();
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(GAP_BYTES) => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    match merged.len() {
        0 => Decision::Unsatisfiable,
        1 => Decision::Partial(merged.remove(0)),
        2..=RANGES_MAX => Decision::Multi(merged),
        _ => Decision::Full,
    }
}

impl Wanted {
    fn within(self, size_bytes: u64) -> Option<Range<u64>> {
        let range = match self {
            Wanted::From(first) => first..size_bytes,
            Wanted::Between(first, last) => first..last.saturating_add(1).min(size_bytes),
            Wanted::Last(count) => size_bytes.saturating_sub(count)..size_bytes,
        };
        (range.start < range.end).then_some(range)
    }
}

/// In whole seconds, as HTTP tells it; none where HTTP has no date.
pub fn modified_time(modified_ms: i64) -> Option<SystemTime> {
    let seconds = u64::try_from(modified_ms.div_euclid(1000)).ok()?;
    (seconds <= LAST_DATE_S).then(|| UNIX_EPOCH + Duration::from_secs(seconds))
}
