//! Which bytes of an upload are there agrees with a model that paints each byte, in whatever order they came.
//!
//! Input: pairs of bytes, where a range begins and how long it is, one of them asked about at each step.

#![no_main]

use libfuzzer_sys::fuzz_target;
use openshelf_fuzz::upload::ranges::Ranges;

const BYTES: usize = 512;

fuzz_target!(|input: &[u8]| {
    let (mut ranges, mut painted) = (Ranges::default(), [false; BYTES]);
    for pair in input.chunks_exact(2) {
        let (start, end) = (u64::from(pair[0]), u64::from(pair[0]) + u64::from(pair[1]));
        let mut missing = [false; BYTES];
        let mut before = None;
        for gap in ranges.gaps(start..end) {
            assert!(start <= gap.start && gap.start < gap.end && gap.end <= end);
            assert!(before.is_none_or(|before| before < gap.start), "gaps are in order and apart");
            before = Some(gap.end);
            missing[gap.start as usize..gap.end as usize].fill(true);
        }
        let asked = start as usize..end as usize;
        assert!(asked.clone().all(|at| missing[at] != painted[at]));

        ranges.add(start..end);
        painted[asked].fill(true);
        let mut there = [false; BYTES];
        let mut before = None;
        for range in ranges.iter() {
            assert!(range.start < range.end && before.is_none_or(|before| before < range.start));
            before = Some(range.end);
            there[range.start as usize..range.end as usize].fill(true);
        }
        assert_eq!(there, painted);
        assert_eq!(ranges.end(), painted.iter().rposition(|there| *there).map_or(0, |at| at as u64 + 1));
    }
});
