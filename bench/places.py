"""Where things lie. All that the bench makes is beneath target/bench, and can be deleted."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
BENCH = REPOSITORY / "bench"
TARGET = REPOSITORY / "target" / "bench"
DATA = TARGET / "data"
HOMES = TARGET / "homes"
DOCUMENT = REPOSITORY / "docs" / "bench.md"
