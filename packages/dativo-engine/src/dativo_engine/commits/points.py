"""Named moments of a commit, at which the kill tests end the process as a power cut would."""

from __future__ import annotations

import os
import signal
from typing import Literal

Point = Literal[
    "before_quarantine",
    "after_quarantine",
    "before_commit",
    "after_commit",
    "between_tables",
    "before_mirror",
    "after_mirror",
]
VARIABLE = "DATIVO_TEST_KILL_AT"


def reach(point: Point) -> None:
    """Go on, unless a test asked for the end here."""
    if os.environ.get(VARIABLE) == point:
        os.kill(os.getpid(), signal.SIGKILL)
