"""The edge of the service's chores: what nobody expected is told there, and ends nothing."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from dativo_engine.events import Events


@contextmanager
def going_on(events: Events) -> Generator[None]:
    """Tell what goes wrong in the block, and go on after it."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the edge
        events.emit("chore_failed", one_line(error), level="ERROR")


def one_line(error: BaseException) -> str:
    """An error that nobody expected, as a log has it."""
    return ": ".join(filter(None, (type(error).__name__, " ".join(str(error).split()))))
