"""SIGTERM ends a command from its first moment on, until what runs has a handler of its own.

The kernel keeps a signal from process 1 of a container as long as it has no handler; it would only be killed later.
"""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType


class Stopped(BaseException):
    """The process was told to end before it had begun its work. `str()` names the signal.

    As KeyboardInterrupt does, it passes every `except Exception`.
    """


@contextmanager
def stopped_by_signal() -> Generator[None]:
    """Raise `Stopped` at a SIGTERM while the block runs."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise Stopped(signal.Signals(number).name)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
