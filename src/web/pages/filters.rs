//! Own filters of the templates.

use askama::{Result, Values};

/// Content-hashed address of a built-in asset, to be put behind `base`.
#[askama::filter_fn]
pub fn asset(name: &str, _: &dyn Values) -> Result<String> {
    Ok(crate::web::assets::href(name))
}

/// A text that somebody wrote, without the characters that reorder what stands around them: they make `exe.jpg` out of
/// `gpj.exe`.
#[askama::filter_fn]
pub fn shown(text: impl AsRef<str>, _: &dyn Values) -> Result<String> {
    Ok(text.as_ref().replace(crate::library::names::is_direction_mark, ""))
}

fn utc(ms: i64, format: &str) -> String {
    jiff::Timestamp::from_millisecond(ms).map(|time| time.strftime(format).to_string()).unwrap_or_default()
}

/// `3 Dec 2026`
#[askama::filter_fn]
pub fn day(ms: &i64, _: &dyn Values) -> Result<String> {
    Ok(utc(*ms, "%-d %b %Y"))
}

/// `3 Dec 2026, 14:05 UTC`
#[askama::filter_fn]
pub fn moment(ms: &i64, _: &dyn Values) -> Result<String> {
    Ok(utc(*ms, "%-d %b %Y, %H:%M UTC"))
}

/// For `<time datetime>`.
#[askama::filter_fn]
pub fn iso(ms: &i64, _: &dyn Values) -> Result<String> {
    Ok(utc(*ms, "%Y-%m-%dT%H:%M:%SZ"))
}

/// Length of a track: `3:07`, `1:02:03`.
#[askama::filter_fn]
pub fn clock(seconds: &u64, _: &dyn Values) -> Result<String> {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    Ok(if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") })
}

/// Length of an album: `48 min`, `2 h 5 min`; less than a minute in seconds.
#[askama::filter_fn]
pub fn span(seconds: &u64, _: &dyn Values) -> Result<String> {
    Ok(match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    })
}

/// A wait: `40 seconds`, `3 minutes`, rounded up.
#[askama::filter_fn]
pub fn wait(seconds: &u64, _: &dyn Values) -> Result<String> {
    let (n, unit) = if *seconds < 100 { (*seconds, "second") } else { (seconds.div_ceil(60), "minute") };
    Ok(format!("{n} {unit}{}", if n == 1 { "" } else { "s" }))
}
