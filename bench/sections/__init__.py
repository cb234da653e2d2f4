"""What is measured, section by section: each is a function from [`Effort`] to tables."""

from dataclasses import dataclass


@dataclass
class Effort:
    """How much is put into a section."""

    rounds: int
    seconds: float
    quick: bool
