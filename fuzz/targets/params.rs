//! No query and no form of a music app makes the reader of parameters panic, and what is within bounds stays there.
//!
//! Input: a query on the first line, then a form.

#![no_main]

use libfuzzer_sys::fuzz_target;
use openshelf_fuzz::subsonic::params::Params;

fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let Ok(query) = std::str::from_utf8(&input[..end]) else { return };
    let (params, _) = Params::read(query, input.get(end + 1..).unwrap_or_default());
    assert!(params.all("id").iter().all(|value| !value.is_empty() && !value.contains('\0')));
    let _ = (params.need("u"), params.bool_of("f"), params.int("n"), params.ints("id"));
    assert!(params.ms("n").is_ok_and(|ms| ms.is_none_or(|ms| ms >= 0)) || params.ms("n").is_err());
    assert!(params.count("n", 10, 500).is_err() || (0..=500).contains(&params.count("n", 10, 500).unwrap()));
    assert!(params.offset("n").is_err() || params.offset("n").unwrap() >= 0);
});
