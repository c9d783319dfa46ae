"""What a process does with signals, as Linux tells it."""

from __future__ import annotations

import signal
from pathlib import Path


def handles_sigterm(pid: int) -> bool:
    """Whether the process has a handler of its own, without which process 1 would not get the signal."""
    (caught,) = (
        line.split()[1] for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt")
    )
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)
