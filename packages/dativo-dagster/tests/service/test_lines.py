"""What Dagster's processes print becomes one JSON event a line; dativo's own lines are passed on as they are."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

from dativo_dagster.service.lines import relay
from dativo_engine.events import EventLog

OURS = '{"timestamp": "2026-01-01T00:00:00Z", "level": "INFO", "event_type": "job_started", "message": "x"}'
LOGGED = "2026-11-23 22:53:03 +0000 - dagster.code_server - ERROR - Error while importing code"


def relayed(printed: str, *, secret: str = "") -> list[str]:
    """The lines of the log after a process has printed this."""
    log = io.StringIO()
    events = EventLog(log)
    events.redactor.add([secret] if secret else [])

    async def run() -> None:
        stream = asyncio.StreamReader()
        stream.feed_data(printed.encode())
        stream.feed_eof()
        await relay(stream, process="daemon", events=events, log=log)

    asyncio.run(run())
    return log.getvalue().splitlines()


def read(printed: str, *, secret: str = "") -> list[dict[str, Any]]:
    """The same as events."""
    return [json.loads(line) for line in relayed(printed, secret=secret)]


def test_our_own_lines_are_not_touched() -> None:
    assert relayed(f"{OURS}\n") == [OURS]


def test_dagsters_json_and_its_plain_form_become_events() -> None:
    dagsters = {"event": "no cursor", "level": "warning", "timestamp": "t", "logger": "dagster.daemon", "run": 7}
    json_line, plain = read(f"{json.dumps(dagsters)}\n\x1b[32m{LOGGED}\x1b[0m\n")

    assert (json_line["event_type"], json_line["level"], json_line["message"]) == (
        "dagster_log",
        "WARNING",
        "no cursor",
    )
    assert (json_line["logger"], json_line["dagster"]) == ("dagster.daemon", {"run": 7})
    assert (plain["level"], plain["logger"], plain["message"]) == (
        "ERROR",
        "dagster.code_server",
        "Error while importing code",
    )


def test_a_traceback_is_one_event_with_the_line_that_it_belongs_to() -> None:
    trace = "Traceback (most recent call last):\n  File 'x', line 1\nValueError: no"

    (event,) = read(f"{LOGGED}\n{trace}\n")
    assert event["message"] == f"Error while importing code\n{trace}"
    (event,) = read(f"{trace}\n")
    assert event["level"] == "ERROR"


def test_a_secret_that_dagster_prints_is_masked() -> None:
    (event,) = read("connecting to postgresql://u:hunter2hunter2@h/d\n", secret="hunter2hunter2")

    assert "hunter2" not in json.dumps(event)


def test_what_is_cut_off_at_the_end_is_told_too() -> None:
    assert [event["message"] for event in read("one\n\ntwo")] == ["one", "two"]
