"""Runs a command that ends with the process that started it, also when that is killed with `kill -9`.

    python -m dativo_engine.attached SIGTERM 4711 dativo run --config jobs/acme/orders.yaml

SIGTERM is what the command gets when process 4711, which must be the one that starts it, is gone. It is Linux's
`PR_SET_PDEATHSIG`: the kernel keeps the promise, so nothing has to live to do it. Elsewhere the command just runs.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def attached(command: Sequence[str], *, by: signal.Signals = signal.SIGTERM) -> list[str]:
    """The command line that runs `command` so that it gets the signal `by` when this process is gone.

    The kernel watches the thread that starts it: start it from one that lives as long as the process.
    """
    return [sys.executable, "-m", "dativo_engine.attached", by.name, str(os.getpid()), *command]


def _run(by: str, parent: str, *command: str) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.Signals[by])
        if os.getppid() != int(parent):  # it was gone before the kernel knew
            sys.exit(128 + signal.Signals[by])
    os.execvp(command[0], command)  # noqa: S606 - the caller's own command, and no shell is wanted


if __name__ == "__main__":
    _run(*sys.argv[1:])
