"""What was measured, as Markdown."""

from collections.abc import Callable
from dataclasses import dataclass, field

from pairs import Side, ratio
from traffic import Sample

OURS = "Openshelf"


@dataclass
class Figure:
    """A number of a sample, and how a table shows it."""

    name: str
    of: Callable[[Sample], float]
    digits: int = 0

    def text(self, number: float) -> str:
        return f"{number:,.{self.digits}f}"


MB_PER_S = Figure("MB/s", lambda sample: sample.mb_per_s)
REQUESTS_PER_S = Figure("requests/s", lambda sample: sample.requests_per_s)
CPU_PER_GIB = Figure("server CPU, s/GiB", lambda sample: sample.cpu_s_per_gib, 2)
CPU_PER_REQUEST = Figure("server CPU, µs/request", lambda sample: sample.cpu_us_per_request)
MEDIAN_MS = Figure("median, ms", lambda sample: sample.median_us / 1000, 2)
P99_MS = Figure("p99, ms", lambda sample: sample.p99_us / 1000, 2)


@dataclass
class Table:
    """A case of a section: rows of text under a heading."""

    title: str
    head: list[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        lines = [f"### {self.title}", "", f"| {' | '.join(self.head)} |", f"|{'---|' * len(self.head)}"]
        lines += [f"| {' | '.join(row)} |" for row in self.rows]
        for note in self.notes:
            lines += ["", note]
        return "\n".join(lines) + "\n"


def of_sides(title: str, sides: list[Side], rate: Figure, cost: Figure, *notes: str) -> Table:
    """The first side against each other one: by rate, and by the processor time that it took."""
    ours, *others = sides
    head = ["", rate.name, "from–to", P99_MS.name, cost.name, f"{OURS} ÷ it", "from–to", "CPU ÷ it"]
    rows = []
    for side in sides:
        low, high = side.spread(rate.of)
        row = [
            side.name,
            rate.text(side.median(rate.of)),
            f"{rate.text(low)}–{rate.text(high)}",
            P99_MS.text(side.median(P99_MS.of)),
            cost.text(side.median(cost.of)),
        ]
        if side in others:
            by_rate, by_cost = ratio(ours, side, rate.of), ratio(ours, side, cost.of)
            row += [f"**{by_rate.median:.2f}**", f"{by_rate.least:.2f}–{by_rate.most:.2f}", f"{by_cost.median:.2f}"]
        else:
            row += ["", "", ""]
        rows.append(row)
    busy = max(sample.client_cpu_s / sample.elapsed_s for side in sides for sample in side.samples)
    notes += (f"Load generator: at most {busy:.0%} of its core.",)
    return Table(title, head, rows, list(notes))
