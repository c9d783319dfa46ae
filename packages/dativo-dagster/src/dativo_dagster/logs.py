"""What Dagster says of a run on stderr, in the form of dativo's own log."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, cast

import dagster as dg
from dativo_engine.events import LEVELS, EventLog

if TYPE_CHECKING:
    from collections.abc import Mapping


class JsonLines(logging.Handler):
    """Writes Dagster's events as JSON lines. Messages that are no event are the engine's, which wrote them itself."""

    def __init__(self) -> None:
        super().__init__()
        self._events = EventLog(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the event `dagster_log`."""
        about = cast("Mapping[str, object]", getattr(record, "dagster_meta", {}))
        event = about.get("dagster_event")
        if isinstance(event, dg.DagsterEvent):
            self._events.emit(
                "dagster_log",
                str(about.get("orig_message") or event.message),
                level=record.levelname if record.levelname in LEVELS else "ERROR",
                run_id=about.get("run_id"),
                dagster_job=about.get("job_name"),
                dagster_event=event.event_type_value,
            )


def _run_logger(_context: dg.InitLoggerContext) -> logging.Logger:
    logger = logging.Logger("dativo.dagster", level=logging.INFO)  # noqa: LOG001 - each run its own, as Dagster's are
    logger.addHandler(JsonLines())
    return logger


# The logger of runs in our code location. Of steps that go well it says nothing: the engine does.
json_lines = dg.LoggerDefinition(_run_logger, description="One JSON object a line, as dativo's own log.")
