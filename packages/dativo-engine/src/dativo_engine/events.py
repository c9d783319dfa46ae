"""The log events of a run: one JSON object a line on stderr, redacted; on a terminal, human lines."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Lock
from typing import Literal, Protocol, TextIO

from dativo_config.visible import visible

from dativo_engine.redaction import Redactor

Format = Literal["json", "text"]
LEVELS: Mapping[str, int] = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}
# Keys of every line, in this order; the event's own fields follow.
LEADING = ("timestamp", "level", "event_type", "tenant_id", "job_name", "run_id", "message")


class Events(Protocol):
    """Where a run tells what it does. Every room that has something to say is handed one."""

    def emit(self, event_type: str, message: str, /, *, level: str = "INFO", **fields: object) -> None:
        """Write one event; `fields` become keys of the JSON object."""
        ...


class EventLog:
    """Writes events to a stream, masked by its redactor.

    Attributes:
        redactor: what masks; secrets a run resolves are added to it before anything can mention them.
    """

    def __init__(
        self,
        stream: TextIO = sys.stderr,
        *,
        form: Format = "json",
        level: str = "INFO",
        redactor: Redactor | None = None,
        also: Callable[[Mapping[str, object]], None] | None = None,
    ) -> None:
        """Make a log; `also` is handed every line too, redacted and before it is rendered."""
        self._also = also
        self.redactor = redactor or Redactor()
        self.threshold = LEVELS[level]
        self._render: Callable[[Mapping[str, object]], str] = json.dumps if form == "json" else _human_line
        self._context: Mapping[str, str] = {}
        self._stream, self._writing = stream, Lock()

    def bind(self, **context: str) -> None:
        """Put these keys on every following line: tenant_id, job_name, run_id."""
        self._context = {**self._context, **context}

    def emit(self, event_type: str, message: str, /, *, level: str = "INFO", **fields: object) -> None:
        """Write one event; `fields` become keys of the JSON object."""
        if LEVELS[level] < self.threshold:
            return
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        told = {"timestamp": now, "level": level, "event_type": event_type, "message": message}
        line = {**self._context, **fields, **told}
        leading = {key: line.pop(key) for key in LEADING if key in line}
        redacted = {key: self.redactor.tree(value) for key, value in (leading | line).items()}
        if self._also is not None:
            self._also(redacted)
        text = self._render(redacted)
        with self._writing:
            self._stream.write(f"{text}\n")
            self._stream.flush()


class LibraryLog(logging.Handler):
    """Turns what libraries log and warn into events, so that every line of a run has one form.

    Sources, which may read in other processes, tell by `logging` too; what they log with `extra={"event_type": ...}` is
    an event of that type.
    """

    def __init__(self, events: Events) -> None:
        super().__init__(level=logging.WARNING)
        self._events = events

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record as an event, `library_log` unless it names another type."""
        level = record.levelname if record.levelname in LEVELS else "ERROR"
        event_type = str(getattr(record, "event_type", "library_log"))
        self._events.emit(event_type, record.getMessage(), level=level, logger=record.name)

    @contextmanager
    def installed(self) -> Generator[None]:
        """As `install`, while the block runs."""
        root, show = logging.getLogger(), warnings.showwarning
        handlers, level = root.handlers[:], root.level
        self.install()
        try:
            yield
        finally:
            logging.captureWarnings(capture=False)
            warnings.showwarning = show
            root.handlers[:] = handlers
            root.setLevel(level)

    def install(self) -> None:
        """Take the place of every handler of the root logger, and take Python's warnings too."""
        root = logging.getLogger()
        root.handlers[:] = [self]
        root.setLevel(logging.WARNING)
        logging.captureWarnings(capture=True)


def _human_line(line: Mapping[str, object]) -> str:
    clock = str(line["timestamp"])[11:19]
    level = "" if line["level"] == "INFO" else f"{line['level']} "
    return visible(f"{clock} {level}{line['message']}")
