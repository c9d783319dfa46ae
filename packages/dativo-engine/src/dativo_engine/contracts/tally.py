"""What an enforcer has seen so far: counts and first examples, mergeable with other workers'."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

RuleId: TypeAlias = tuple[str, str]
"""(rule, column)."""

EXAMPLES = 3


@dataclass(slots=True)
class Count:
    """How many rows broke one rule, and the first of them as a person would name them."""

    rows: int = 0
    examples: list[str] = field(default_factory=list[str])

    def add(self, rows: int, examples: Sequence[str]) -> None:
        """Count more rows; examples beyond the first few are dropped."""
        self.rows += rows
        self.examples += examples[: EXAMPLES - len(self.examples)]


@dataclass(slots=True)
class Tally:
    """The running state of one enforcer. Picklable.

    Attributes:
        broken: rows that broke a rule; rules that no row broke are not in it.
    """

    read: int = 0
    accepted: int = 0
    rejected: int = 0
    broken: defaultdict[RuleId, Count] = field(default_factory=lambda: defaultdict(Count))
    unknown_columns: list[str] = field(default_factory=list[str])

    def merge(self, other: Tally) -> None:
        """Add what another worker saw, later in read order."""
        self.read += other.read
        self.accepted += other.accepted
        self.rejected += other.rejected
        for rule, count in other.broken.items():
            self.broken[rule].add(count.rows, count.examples)
        self.note_unknown(other.unknown_columns)

    def note_unknown(self, columns: Sequence[str]) -> None:
        """Remember columns that the contract lacks, each once."""
        self.unknown_columns += [name for name in columns if name not in self.unknown_columns]
