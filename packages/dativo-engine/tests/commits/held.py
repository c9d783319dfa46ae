"""Writers of one table in threads that stand still at the named points of a commit until a schedule lets them go on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

import pytest
from dativo_engine.commits import fence, iceberg
from dativo_engine.commits.points import Point
from typing_extensions import override

# Longer than any step takes, shorter than the test's own limit.
STUCK_SECONDS = 120


class Held(threading.Thread):
    """One writer. It moves only within `step`, so of all of them at most one does anything at a time.

    Attributes:
        passed: where it stood still so far.
    """

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        super().__init__(name=name, daemon=True)
        self._work = work
        self._go = threading.Semaphore(0)
        self._still = threading.Semaphore(0)
        self._error: BaseException | None = None
        self.done = False
        self.passed: list[str] = []
        self.start()

    def step(self) -> None:
        """Go on to where it stands still next, or to the end."""
        if self.done:
            return
        self._go.release()
        assert self._still.acquire(timeout=STUCK_SECONDS), f"{self.name} hangs after {self.passed}"
        if self._error is not None:
            raise self._error

    def stand(self, where: str) -> None:
        """Called by the writer itself: stand still."""
        self.passed.append(where)
        self._still.release()
        self._go.acquire()

    @override
    def run(self) -> None:
        self._go.acquire()
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - `step` raises it where the test sees it
            self._error = error
        self.done = True
        self._still.release()


def stand(where: str) -> None:
    """Where the current thread is a held one, stand still."""
    thread = threading.current_thread()
    if isinstance(thread, Held):
        thread.stand(where)


@contextmanager
def standing_at_points() -> Generator[None]:
    """Within it, held writers stand still at each named point."""

    def reach(point: Point) -> None:
        stand(point)

    with pytest.MonkeyPatch.context() as patch:
        for module in (iceberg, fence):
            patch.setattr(module, "reach", reach)
        yield


def carry_out(writers: Sequence[Held], schedule: Sequence[int]) -> None:
    """Step by step as the schedule says, by places in `writers`; then each to its end, in their order."""
    try:
        with standing_at_points():
            for place in schedule:
                writers[place].step()
            for writer in writers:
                while not writer.done:
                    writer.step()
    finally:
        # After a failure the others end too: they have files open.
        for writer in writers:
            while not writer.done:
                writer.step()
