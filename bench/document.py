"""docs/bench.md: what was last measured of each section, and how to read it."""

from places import BENCH, DOCUMENT, REPOSITORY, TARGET
from report import Table

SHOWN = DOCUMENT.relative_to(REPOSITORY)
KEPT = TARGET / "tables"


def of_machine(facts: list[tuple[str, str]]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts)]) + "\n"


def keep(section: str, about: str, facts: list[tuple[str, str]], tables: list[Table]) -> None:
    """A section may be measured anew without the others; each tells of its own day and program."""
    known = dict(facts)
    KEPT.mkdir(parents=True, exist_ok=True)
    parts = [f"## {about}", f"Measured {known['Date']} with Openshelf {known['Openshelf']}."]
    (KEPT / f"{section}.md").write_text("\n\n".join([*parts, *(table.markdown() for table in tables)]))
    (KEPT / "machine.md").write_text(of_machine(facts))


def write(sections: list[str]) -> None:
    texts = [(BENCH / "method.md").read_text().strip(), (KEPT / "machine.md").read_text().strip()]
    texts += [(KEPT / f"{name}.md").read_text().strip() for name in sections if (KEPT / f"{name}.md").exists()]
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text("\n\n".join(texts) + "\n")
