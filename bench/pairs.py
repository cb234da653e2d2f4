"""Paired runs: all sides in turn, round after round, so that what disturbs the machine disturbs all of them alike."""

import random
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

from traffic import Sample


@dataclass
class Side:
    """One of those that are compared, and how it is measured once. The first of a case is Openshelf."""

    name: str
    measure: Callable[[], Sample]
    samples: list[Sample] = field(default_factory=list)

    def median(self, figure: Callable[[Sample], float]) -> float:
        return statistics.median(figure(sample) for sample in self.samples)

    def spread(self, figure: Callable[[Sample], float]) -> tuple[float, float]:
        figures = [figure(sample) for sample in self.samples]
        return min(figures), max(figures)


@dataclass
class Ratio:
    median: float
    least: float
    most: float


def ratio(ours: Side, theirs: Side, figure: Callable[[Sample], float]) -> Ratio:
    """Of the two runs of each round."""
    ratios = [figure(a) / figure(b) for a, b in zip(ours.samples, theirs.samples, strict=True) if figure(b) > 0] or [
        float("nan")
    ]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))


def paired(sides: list[Side], rounds: int) -> list[Side]:
    """Measures each side once to warm up and then once a round, in an order that turns round."""
    for side in sides:
        side.measure()
    for number in range(rounds):
        for side in sides if number % 2 == 0 else reversed(sides):
            side.samples.append(side.measure())
    return sides


@dataclass
class Difference:
    """Of two medians, in microseconds, and whether chance alone would make one as large."""

    median_us: float
    low_us: float
    high_us: float
    probability: float


def difference(a: list[int], b: list[int], trials: int = 2000) -> Difference:
    """a[i] and b[i] were asked one after the other. The interval holds 95 of 100 resampled medians; the probability is
    that of a permutation test in which each pair's sign is a coin's."""
    pairs = [x - y for x, y in zip(a, b, strict=False)]
    chance = random.Random(1)
    median = statistics.median(pairs)
    resampled = sorted(statistics.median(chance.choices(pairs, k=len(pairs))) for _ in range(trials))
    flipped = (statistics.median(x if chance.random() < 0.5 else -x for x in pairs) for _ in range(trials))
    as_large = sum(abs(other) >= abs(median) for other in flipped)
    return Difference(
        median, resampled[int(trials * 0.025)], resampled[int(trials * 0.975)], (as_large + 1) / (trials + 1)
    )
