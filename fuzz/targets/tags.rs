//! A broken audio file gives what its name says, whatever the tag reader thinks of it.
//!
//! Input: a byte that chooses the ending of the name, then the file.

#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use openshelf_fuzz::library::tags::{cover, read};

const NAMES: [&[u8]; 12] = [
    b"a.mp3", b"a.flac", b"a.ogg", b"a.opus", b"a.m4a", b"a.aac", b"a.wav", b"a.aiff", b"a.ape", b"a.wv", b"a.mpc",
    b"a.spx",
];

fuzz_target!(
    // A panic of the tag reader is caught where it is called. One that is not still ends the run.
    init: std::panic::set_hook(Box::new(|_| ())),
    |input: &[u8]| {
        let Some((choice, file)) = input.split_first() else { return };
        let name = NAMES[usize::from(*choice) % NAMES.len()];
        let (facts, _) = read(Cursor::new(file), name);
        assert!(facts.duration_ms >= 0 && facts.channels >= 0 && facts.bit_rate_kbps >= 0);
        assert!(cover(Cursor::new(file), name).is_none_or(|(_, picture)| picture.len() <= file.len() * 4));
    }
);
