"""Threads that encode and write while the next rows are read: pyarrow lets go of the interpreter's lock meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class Lanes:
    """Work in order within a lane, at once between lanes.

    Work that fails stops all: what waits is skipped, and the error is raised by every later call but `stop`.
    """

    def __init__(self, count: int, *, waiting_bytes: int) -> None:
        self.count = count
        self._waiting_bytes = waiting_bytes
        self._pools: list[ThreadPoolExecutor] = []
        self._pending: deque[tuple[Future[None], int]] = deque()
        self._pending_bytes = 0
        self._failure: BaseException | None = None

    def submit(self, lane: int, work: Callable[[], None], *, size: int) -> None:
        """Queue work; blocks while more than the allowed bytes wait."""
        while self._pending and (self._pending[0][0].done() or self._pending_bytes + size > self._waiting_bytes):
            self._take()
        self._raise()
        if not self._pools:
            self._pools = [ThreadPoolExecutor(1, thread_name_prefix=f"writer-{n}") for n in range(self.count)]
        self._pending.append((self._pools[lane].submit(self._run, work), size))
        self._pending_bytes += size

    def drain(self) -> None:
        """Wait until all is done."""
        while self._pending:
            self._take()
        self._raise()

    def stop(self) -> None:
        """End the threads, without what they have not begun."""
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in self._pools:
            pool.shutdown(wait=True)
        self._pools.clear()
        self._pending.clear()
        self._pending_bytes = 0

    def _run(self, work: Callable[[], None]) -> None:
        if self._failure is not None:
            return
        try:
            work()
        except BaseException as failure:
            self._failure = failure
            raise

    def _take(self) -> None:
        future, size = self._pending[0]
        # Only then is it forgotten: a signal may interrupt the wait.
        future.exception()
        self._pending.popleft()
        self._pending_bytes -= size

    def _raise(self) -> None:
        if self._failure is not None:
            raise self._failure
