"""Named moments of a commit, at which the kill tests end the process as a power cut would."""

from __future__ import annotations

import os
import signal
from typing import Literal, get_args

Point = Literal[
    "before_quarantine",
    "after_quarantine",
    "before_commit",
    "after_commit",
    "between_tables",
    "after_branch",
    "before_merge",
    "after_merge",
    "before_mirror",
    "after_mirror",
]
# Reached only where a run has a branch of its own, and everywhere.
ON_BRANCHES: frozenset[Point] = frozenset({"after_branch", "before_merge", "after_merge"})
EVERYWHERE: tuple[Point, ...] = tuple(point for point in get_args(Point) if point not in ON_BRANCHES)
VARIABLE = "DATIVO_TEST_KILL_AT"


def reach(point: Point) -> None:
    """Go on, unless a test asked for the end here."""
    if os.environ.get(VARIABLE) == point:
        os.kill(os.getpid(), signal.SIGKILL)
