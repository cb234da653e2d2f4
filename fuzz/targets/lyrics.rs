//! Lyrics of any text stay within bounds and keep the rules of their extension; captions of any text can be read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use openshelf_fuzz::library::lyrics::Lyrics;
use openshelf_fuzz::media::captions::{Form, made};

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let lyrics = Lyrics::parse(&text);
    assert!(lyrics.lines.len() <= 10_000);
    assert!(lyrics.lines.iter().all(|line| line.start_ms.is_some() == lyrics.is_synced));
    assert!(lyrics.lines.is_sorted_by_key(|line| line.start_ms));
    for layer in lyrics.lines.iter().flat_map(|line| &line.layers) {
        assert!(!layer.cues.is_empty());
        let ended = layer.cues.iter().filter(|cue| cue.end_ms.is_some()).count();
        assert!(ended == 0 || ended == layer.cues.len());
        for cue in &layer.cues {
            assert!(
                !layer.text[cue.bytes.clone()].is_empty() && cue.end_ms.is_none_or(|end_ms| end_ms >= cue.start_ms)
            );
        }
        for two in layer.cues.windows(2) {
            assert!(two[0].end_ms.unwrap_or(two[0].start_ms) <= two[1].start_ms);
            assert!(two[0].bytes.end <= two[1].bytes.start);
        }
    }
    let (subrip, vtt) = (made(&text, Form::SubRip), made(&text, Form::WebVtt));
    assert_eq!(made(&subrip, Form::SubRip), subrip);
    let cues = |text: &str| text.lines().filter(|line| line.contains(" --> ")).count();
    assert_eq!(cues(&vtt), cues(&made(&vtt, Form::WebVtt)));
});
