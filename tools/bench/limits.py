"""What a benchmark asks, what it measured, and whether that is within the limit: beyond it, it fails."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound for a figure."""

    word: Literal["at most", "under", "at least"]
    bound: float

    def __str__(self) -> str:
        return f"{self.word} {self.bound:g}"

    def holds(self, figure: float) -> bool:
        """Whether the figure is within it."""
        if self.word == "at least":
            return figure >= self.bound
        return figure <= self.bound if self.word == "at most" else figure < self.bound


@dataclass(frozen=True, slots=True)
class Answer:
    """A line of a report.

    Attributes:
        wanted: None: nothing in figures.
        remark: in its place then.
        digits: behind the point.
    """

    question: str
    figure: float
    wanted: Limit | None = None
    remark: str = ""
    digits: int = 2

    @property
    def row(self) -> str:
        """Of a table with the columns question, measured and wanted."""
        return f"| {self.question} | {self.figure:.{self.digits}f} | {self.wanted or self.remark} |"

    @property
    def is_missed(self) -> bool:
        """Whether the figure is beyond the limit."""
        return self.wanted is not None and not self.wanted.holds(self.figure)


def exit_code(answers: Iterable[Answer]) -> int:
    """1 if a limit was missed, which is told; else 0."""
    missed = [answer for answer in answers if answer.is_missed]
    for answer in missed:
        print(f"missed: {answer.question}: {answer.figure:.3g}, wanted {answer.wanted}", file=sys.stderr)
    return 1 if missed else 0
