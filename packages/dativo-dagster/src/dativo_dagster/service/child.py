"""A process of the service: started, listened to, and started again when it dies."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TextIO

from dativo_engine.attached import attached
from dativo_engine.errors import RetryableError
from dativo_engine.events import EventLog

from dativo_dagster.service.lines import relay

# A process that dies more often than this in the window will not do better the next time.
DEATHS_ALLOWED = 6
WINDOW_SECONDS = 300.0
FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 0.5, 20.0


class ProcessLostError(RetryableError):
    """A process of the service does not stay alive, or does not answer."""


@dataclass
class Child:
    """One of the service's processes.

    Attributes:
        name: as events name it: `code_server`, `webserver`, `daemon`.
        command: the arguments of Python.
        log: where dativo's own lines are passed on to.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    events: EventLog
    log: TextIO
    _process: Process | None = None
    _replaced: bool = False
    _stopping: bool = False
    _deaths: deque[float] = field(default_factory=deque[float])
    _relays: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    @property
    def pid(self) -> int | None:
        """Its process, while it has one."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def keep_alive(self) -> None:
        """Run it until `stop`; start it again whenever it ends before.

        Raises:
            ProcessLostError: it died too often.
        """
        while not self._stopping:
            code = await self.run()
            if self._replaced:
                self._replaced = False
            elif not self._stopping:
                await self._mourn(code)

    async def run(self) -> int:
        """Run it once; its exit code."""
        # Its own children may outlive it and go on printing. The pipe ends with the last of them, and so would the
        # `wait` of a process whose pipes are asyncio's own.
        reader, writer = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *attached([sys.executable, *self.command], by=signal.SIGKILL),
                stdin=DEVNULL,
                stdout=writer,
                stderr=writer,
                env=dict(self.environment),
                # A Ctrl-C at the terminal is the service's to pass on.
                start_new_session=True,
            )
        finally:
            os.close(writer)
        task = asyncio.create_task(self._listen(reader))
        self._relays.add(task)
        task.add_done_callback(self._relays.discard)
        return await self._process.wait()

    def replace(self) -> None:
        """End it at once; `keep_alive` starts it again with what it reads at its start."""
        if self.pid is not None and self._process is not None:
            self._replaced = True
            self._process.kill()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Tell it to end, for good."""
        self._stopping = True
        if self.pid is not None and self._process is not None:
            self._process.send_signal(number)

    async def _listen(self, reader: int) -> None:
        stream = asyncio.StreamReader()
        pipe = os.fdopen(reader, "rb", buffering=0)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), pipe)
        try:
            await relay(stream, process=self.name, events=self.events, log=self.log)
        finally:
            transport.close()

    async def _mourn(self, code: int) -> None:
        now = time.monotonic()
        self._deaths.append(now)
        while self._deaths[0] < now - WINDOW_SECONDS:
            self._deaths.popleft()
        how = how_it_ended(code)
        if len(self._deaths) > DEATHS_ALLOWED:
            message = (
                f"{self.name} {how}, for the {len(self._deaths)}th time in {WINDOW_SECONDS:g} s: the service gives up; "
                "the lines above hold what it printed"
            )
            raise ProcessLostError(message)
        delay = min(FIRST_DELAY_SECONDS * 2 ** (len(self._deaths) - 1), LONGEST_DELAY_SECONDS)
        self.events.emit(
            "process_restarted",
            f"{self.name} {how}; it starts again in {delay:g} s",
            level="WARNING",
            process=self.name,
            exit_code=code,
            delay_seconds=delay,
        )
        await asyncio.sleep(delay)


def how_it_ended(code: int) -> str:
    """A process's end in words."""
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
