"""The log events of a run: one JSON object a line on stderr, redacted; on a terminal, human lines."""

from __future__ import annotations

from typing import Protocol


class Events(Protocol):
    """Where a run tells what it does. Every room that has something to say is handed one."""

    def emit(self, event_type: str, message: str, /, *, level: str = "INFO", **fields: object) -> None:
        """Write one event; `fields` become keys of the JSON object."""
        ...
