"""What the service's processes print, as events: every line of the log has one form."""

from __future__ import annotations

import json
import re
from asyncio import StreamReader
from collections.abc import AsyncIterator, Iterable
from typing import TextIO

from dativo_engine.events import LEVELS, EventLog

_LONGEST_LINE = 4 * 1024 * 1024
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# As Dagster's loggers write where they do not write JSON: `2026-11-23 22:53:03 +0000 - dagster.daemon - INFO - ...`.
_LOGGED = re.compile(r"\d{4}-\d\d-\d\d [\d:]{8} \S+ - (?P<logger>\S+) - (?P<level>[A-Z]+) - (?P<message>.*)", re.DOTALL)


async def relay(stream: StreamReader, *, process: str, events: EventLog, log: TextIO) -> None:
    """Pass on what a process prints until it ends: dativo's own events as they are, all else as `dagster_log`."""
    async for lines in _bursts(stream):
        for text in _together(lines):
            if _is_event(text):
                log.write(f"{text}\n")
            elif not _is_copy(text):
                message, level, fields = _read(text)
                events.emit("dagster_log", message, level=level, process=process, **fields)
        log.flush()


async def _bursts(stream: StreamReader) -> AsyncIterator[list[str]]:
    """The lines that were printed at once, as far as the pipe tells."""
    rest = b""
    while chunk := await stream.read(65536):
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            whole, rest = [*whole, rest], b""
        yield [line.decode(errors="replace") for line in whole]
    yield [rest.decode(errors="replace")]


def _together(lines: Iterable[str]) -> list[str]:
    """A traceback's lines follow the line that they belong to; everything else stands alone."""
    found: list[str] = []
    plain = False
    for line in lines:
        text = _COLOURS.sub("", line).rstrip()
        if not text.strip():
            continue
        begins = text.startswith("{") or _LOGGED.match(text) is not None
        if plain and not begins:
            found[-1] += f"\n{text}"
        else:
            found.append(text)
        plain = not text.startswith("{")
    return found


def _is_copy(text: str) -> bool:
    """Whether it is a line of a run's own log, which Dagster prints in its own form too for runs of several jobs."""
    logged = _LOGGED.match(text)
    return logged is not None and logged["logger"] == "dagster" and logged["level"] in ("DEBUG", "INFO", "WARNING")


def _is_event(text: str) -> bool:
    found = _object(text)
    return found is not None and "event_type" in found and "timestamp" in found


def _read(text: str) -> tuple[str, str, dict[str, object]]:
    """Message, level and further fields: of JSON as Dagster's loggers write it, of their plain form, or of any text."""
    if (logged := _LOGGED.match(text)) is not None:
        return logged["message"], _known(logged["level"]), {"logger": logged["logger"]}
    found = _object(text)
    if found is None:
        return text.strip(), "ERROR" if "Traceback (most recent call last)" in text else "INFO", {}
    message = str(found.pop("event", "") or text)
    level = _known(str(found.pop("level", "info")).upper())
    found.pop("timestamp", None)
    # A name of Dagster's must not take the place of one of the event's own.
    return message, level, {"logger": found.pop("logger", ""), **({"dagster": found} if found else {})}


def _known(level: str) -> str:
    return level if level in LEVELS else "ERROR"


def _object(text: str) -> dict[str, object] | None:
    if not text.startswith("{"):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
