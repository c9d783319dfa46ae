"""Stops a run from outside: SIGTERM, SIGINT, or its time limit, each as an exception in the main thread."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

from dativo_config.wording import lasting

from dativo_engine.errors import DativoError, RunStoppedError, RunTimeoutError

# Of several tables, an earlier attempt may have committed some.
GOES_ON = "the next run loads what is not committed"


class Stop:
    """Raises in the main thread when the run must end, except inside `hold`.

    Outside the main thread, where signals can't be handled, it does nothing: whoever runs jobs in threads stops them.

    Attributes:
        raised: what was raised, which code in between may have turned into an error of its own.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout = timeout_seconds
        self._watching = False
        self._held = 0
        self.raised: DativoError | None = None
        self._due: DativoError | None = None

    @contextmanager
    def watch(self) -> Generator[None]:
        """Turn signals and the time limit into exceptions while the block runs; then restore what was there."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
        }
        self._watching = True
        try:
            yield
        finally:
            self._watching = False
            signal.setitimer(signal.ITIMER_REAL, 0)
            for number, handler in before.items():
                signal.signal(number, handler)

    def start_clock(self) -> None:
        """Begin an attempt's time limit anew; waiting for a slot and between attempts does not count."""
        if self._watching:
            signal.setitimer(signal.ITIMER_REAL, self._timeout)

    def stop_clock(self) -> None:
        """No time limit until `start_clock`; that the last one was reached no longer counts."""
        if self._watching:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if isinstance(self._due, RunTimeoutError):
            self._due = None

    @property
    def by_signal(self) -> bool:
        """Whether a signal asked for the end, also where it came too late for this run."""
        return isinstance(self._due, RunStoppedError)

    @contextmanager
    def hold(self) -> Generator[None]:
        """Let the block finish whatever comes: half a clean-up or half a commit is worse than a late answer.

        Most such blocks end their run. Where it goes on after one, `go_on` raises what came in meanwhile.
        """
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1

    def go_on(self) -> None:
        """Say that the run is about to begin again.

        Raises:
            RunStoppedError, RunTimeoutError: it was told to end while it could not.
        """
        if self._due is not None:
            raise self._due

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGALRM:
            error: DativoError = RunTimeoutError(
                f"the run was stopped after timeout_seconds ({lasting(self._timeout)}); {GOES_ON}"
            )
        else:
            error = RunStoppedError(f"the run was stopped by {signal.Signals(number).name}; {GOES_ON}")
        if not self.by_signal:
            self._due = error
        if not self._held:
            self.raised = error
            raise error
