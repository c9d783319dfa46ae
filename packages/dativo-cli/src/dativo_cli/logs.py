"""Where commands other than `run` tell what their answer has no place for."""

from __future__ import annotations

import sys

from dativo_engine.events import EventLog, LibraryLog

from dativo_cli.screen import Screen


def warnings_only(screen: Screen) -> EventLog:
    """Events on stderr from WARNING up, those of libraries too."""
    events = EventLog(sys.stderr, form="text" if screen.errors_to_terminal else "json", level="WARNING")
    LibraryLog(events).install()
    return events
