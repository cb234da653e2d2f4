//! A body of many parts is read the same however it is cut, and never past its end.
//!
//! Input: a byte for the size of the pieces, then the body, whose delimiter is `--b` or what it begins with.

#![no_main]

use libfuzzer_sys::fuzz_target;
use openshelf_fuzz::mycloud::multipart::{Arrived, Head, boundary_in, head};

fuzz_target!(|input: &[u8]| {
    let Some((step, body)) = input.split_first() else { return };
    let boundary = boundary_in(body).unwrap_or_else(|| "b".to_owned());
    let in_pieces = read(&boundary, body, usize::from(*step).max(1));
    if let Some((json, content)) = &in_pieces {
        assert!(json.len() + content.as_ref().map_or(0, Vec::len) <= body.len());
    }
    assert_eq!(in_pieces, read(&boundary, body, 1));
});

/// JSON and content; none where it is refused.
fn read(boundary: &str, body: &[u8], step: usize) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let mut pieces = body.chunks(step);
    let mut so_far = Vec::new();
    loop {
        let piece = pieces.next();
        so_far.extend_from_slice(piece.unwrap_or_default());
        match head(boundary, &so_far, Arrived::with(piece)).ok()? {
            Head::Unfinished => assert!(piece.is_some(), "an ended body is never unfinished"),
            Head::Whole { json, content: None } => return Some((so_far[json].to_vec(), None)),
            Head::Whole { json, content: Some((start, mut delimiter)) } => {
                let mut content = delimiter.push(&so_far[start..]);
                for piece in pieces.by_ref() {
                    content.extend(delimiter.push(piece));
                }
                content.extend(delimiter.finish().ok()?);
                return Some((so_far[json].to_vec(), Some(content)));
            }
        }
    }
}
