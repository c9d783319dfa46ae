"""`dativo` in a child process that tells, at every step that outlives it, that it is there.

The child is forked from a server that has imported everything once, and calls the command's own entry point. What it
tells comes from Python's audit hooks, so the code under test is the code that users run: nothing in it is replaced.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from socket import socket, socketpair
from typing import Literal

Kind = Literal["begin", "catalogue", "staged", "write"]
"""begin: the command starts; catalogue: a request to the catalogue begins; staged: a data file, written to its end, is
about to get its name; write: anything else is about to be made, renamed or deleted."""
KINDS: dict[bytes, Kind] = {b"b": "begin", b"c": "catalogue", b"s": "staged", b"w": "write"}

PRELOAD = [
    "dativo_cli.main",
    "dativo_cli.commands.run",
    "dativo_cli.summary",
    "dativo_engine.pipeline",
    "dativo_engine.infrastructure",
    "dativo_engine.sources.csv.source",
    "dativo_engine.catalogs.embedded",
    "dativo_engine.catalogs.nessie",
    "dativo_engine.commits.branches",
    "dativo_engine.commits.mergestep",
    "dativo_engine.commits.late",
    "dativo_engine.storage.s3",
    "botocore.session",
    "pyiceberg.io.pyarrow",
    "tests.chaos.child",
]
LONGEST_SECONDS = 120.0
# A request to S3: what it sends after the head is of no account.
_CHANGES = re.compile(rb"(PUT|POST|DELETE) \S*?(?P<file>\.parquet)?(\?\S*)? HTTP/")


@dataclass(frozen=True, slots=True)
class Mark:
    """A step of a child, and the seconds since its `begin`."""

    kind: Kind
    at: float


class Child:
    """One command on its way.

    Attributes:
        log: what it writes to stderr and stdout.
        marks: the steps heard of so far; `hear`, `kill` and `finish` add to them.
    """

    def __init__(
        self,
        project: Path,
        arguments: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        dies_at: int = 0,
    ) -> None:
        """Start it.

        Args:
            environment: what it gets besides this process's own.
            dies_at: the step, counted from 1, before which it kills itself; 0: none.
        """
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOAD)
        self.log = log
        self.marks: list[Mark] = []
        self._heard, told = socketpair()
        teller = _Teller(told, dies_at)
        self._process = context.Process(
            target=_dativo, args=(str(project), list(arguments), str(log), dict(environment or {}), teller)
        )
        self._process.start()
        told.close()
        self._begun = time.monotonic()

    def hear(self, count: int) -> bool:
        """Wait for that many marks; False: the child ended before."""
        while len(self.marks) < count:
            told = os.read(self._heard.fileno(), 1)
            if not told:
                return False
            self._note(told)
        return True

    def wait(self, seconds: float) -> None:
        """Let it run on for so long."""
        time.sleep(seconds)

    def kill(self) -> bool:
        """End it as a power cut would; False: it had ended by itself."""
        if self._process.pid is not None and self._process.is_alive():
            os.kill(self._process.pid, signal.SIGKILL)
        return self.finish() == -signal.SIGKILL

    def finish(self) -> int:
        """Wait for the end; the exit code, negative for a signal."""
        while self.hear(len(self.marks) + 1):
            pass
        self._heard.close()
        self._process.join(LONGEST_SECONDS)
        assert self._process.exitcode is not None, f"still running after {LONGEST_SECONDS} s; see {self.log}"
        return self._process.exitcode

    def events(self) -> list[dict[str, object]]:
        """What it logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def _note(self, told: bytes) -> None:
        now = time.monotonic()
        if told == b"b":
            self._begun = now
        self.marks.append(Mark(KINDS[told], now - self._begun))


class _Teller:
    """The audit hook of a child: tells of each step before it is made."""

    def __init__(self, pipe: socket, dies_at: int) -> None:
        self._pipe = pipe
        self._left = dies_at

    def begin(self) -> None:
        """From here on."""
        self._tell(b"b")
        sys.addaudithook(self._hear)

    def _hear(self, event: str, facts: tuple[object, ...]) -> None:
        if event == "sqlite3.connect":
            self._tell(b"c")
        elif event == "os.rename" and str(facts[0]).endswith(".parquet.part"):
            self._tell(b"s")
        elif event in {"os.rename", "os.link", "os.remove"} or (event == "open" and _creates(facts)):
            self._tell(b"w")
        elif event == "http.client.send" and (request := _CHANGES.match(bytes(facts[1]))):  # pyright: ignore[reportArgumentType]
            self._tell(b"s" if request["file"] else b"w")

    def _tell(self, step: bytes) -> None:
        os.write(self._pipe.fileno(), step)
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _creates(facts: tuple[object, ...]) -> bool:
    _, _, flags = facts
    return isinstance(flags, int) and bool(flags & os.O_CREAT)


def _dativo(project: str, arguments: Sequence[str], log: str, environment: Mapping[str, str], teller: _Teller) -> None:
    from dativo_cli.main import main

    os.chdir(project)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DATIVO_", "AWS_", "S3_"))}
    os.environ.clear()
    os.environ.update({**kept, **environment})
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    teller.begin()
    os._exit(main(arguments))
