//! Which bytes of a file are there: plain data, so that a fuzzer can drive it.

use std::ops::Range;

/// Ranges of bytes in order, none of them empty, none touching another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges(Vec<Range<u64>>);

impl Ranges {
    /// Adds a range; an empty one adds nothing.
    pub fn add(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let first = self.0.partition_point(|known| known.end < range.start);
        let after = first + self.0[first..].partition_point(|known| known.start <= range.end);
        let merged =
            self.0[first..after].iter().fold(range, |all, known| all.start.min(known.start)..all.end.max(known.end));
        self.0.splice(first..after, [merged]);
    }

    /// The parts of a range that nothing here covers, in order.
    pub fn gaps(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let first = self.0.partition_point(|known| known.end <= range.start);
        let mut gaps = Vec::new();
        let mut at = range.start;
        for known in self.0[first..].iter().take_while(|known| known.start < range.end) {
            if known.start > at {
                gaps.push(at..known.start);
            }
            at = at.max(known.end);
        }
        if at < range.end {
            gaps.push(at..range.end);
        }
        gaps
    }

    /// The end of the last range; 0 where there is none.
    pub fn end(&self) -> u64 {
        self.0.last().map_or(0, |last| last.end)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Range<u64>> {
        self.0.iter()
    }
}

impl FromIterator<Range<u64>> for Ranges {
    fn from_iter<I: IntoIterator<Item = Range<u64>>>(all: I) -> Ranges {
        let mut ranges = Ranges::default();
        all.into_iter().for_each(|range| ranges.add(range));
        ranges
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn painted(ranges: &[(u64, u64)]) -> ([bool; 100], Ranges) {
        let mut bytes = [false; 100];
        for (start, length) in ranges {
            bytes[*start as usize..(start + length) as usize].fill(true);
        }
        (bytes, ranges.iter().map(|(start, length)| *start..start + length).collect())
    }

    proptest! {
        #[test]
        fn gaps_and_what_is_there_make_up_the_whole(ranges in prop::collection::vec((0u64..60, 0u64..20), 0..12)) {
            let (bytes, ranges) = painted(&ranges);
            prop_assert!(ranges.0.iter().all(|range| !range.is_empty()));
            prop_assert!(ranges.0.windows(2).all(|pair| pair[0].end < pair[1].start));
            let mut there = [false; 100];
            ranges.iter().for_each(|range| there[range.start as usize..range.end as usize].fill(true));
            prop_assert_eq!(bytes, there);
            let mut without_gaps = [true; 100];
            ranges.gaps(0..100).into_iter().for_each(|gap| without_gaps[gap.start as usize..gap.end as usize].fill(false));
            prop_assert_eq!(bytes, without_gaps);
        }

        #[test]
        fn gaps_lie_within_what_was_asked(
            ranges in prop::collection::vec((0u64..60, 0u64..20), 0..12), start in 0u64..90, length in 0u64..10,
        ) {
            let (bytes, ranges) = painted(&ranges);
            let mut missing = [false; 100];
            for gap in ranges.gaps(start..start + length) {
                prop_assert!(start <= gap.start && gap.start < gap.end && gap.end <= start + length);
                missing[gap.start as usize..gap.end as usize].fill(true);
            }
            for at in start..start + length {
                prop_assert_ne!(bytes[at as usize], missing[at as usize]);
            }
        }

        #[test]
        fn the_order_of_arrival_does_not_matter(
            ranges in prop::collection::vec((0u64..60, 0u64..20), 0..12).prop_shuffle(),
        ) {
            let backwards: Vec<_> = ranges.iter().rev().copied().collect();
            prop_assert_eq!(painted(&ranges).1, painted(&backwards).1);
        }
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let mut ranges = Ranges::default();
        ranges.add(u64::MAX - 1..u64::MAX);
        ranges.add(0..1);
        let gaps = ranges.gaps(0..u64::MAX);
        assert_eq!((gaps.len(), gaps.first()), (1, Some(&(1..u64::MAX - 1))));
        assert_eq!(ranges.end(), u64::MAX);
    }
}
