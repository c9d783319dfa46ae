"""Cursors from files: as `dativo state show --json` prints them, and as the older format kept them.

What is understood, JSON in each case:

- the answer of `dativo state show --json`, or a mirror from `state/<tenant>/jobs`;
- `{"<stream>": {...cursor...}}` for some or all of the job's streams;
- `{"file_<name>": {"last_modified": "2025-01-01T00:00:00Z"}}`, the older format's state of a source of files: those
  that are there, are named in it by path or file name, and have not changed since, count as loaded;
- any other object: the cursor of the job's only stream.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from dativo_config.models.resolved import ResolvedJob

from dativo_engine.errors import FatalError
from dativo_engine.interfaces import Cursor
from dativo_engine.results import describe_stamp

if TYPE_CHECKING:
    from dativo_config.models.contract import JsonValue

OLD_FILE = "file_"
# Under which a mirror, and what `state show --json` prints, hold stamps.
STAMPS = {"stamp", "tables"}


def read_cursors(job: ResolvedJob, path: Path) -> dict[str, Cursor]:
    """The cursors of the job's streams that a file holds.

    Raises:
        FatalError: the file is none of the shapes above, or names none of the job's streams.
    """
    try:
        content: JsonValue = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        message = f"{path}: can't be read as JSON: {error}"
        raise FatalError(message) from error
    names = [stream.name for stream in job.streams]
    found = {name: value for part in _maps(job, content) for name, value in part.items() if name in names}
    if found and all(isinstance(value, dict) for value in found.values()):
        return {name: Cursor(value) for name, value in found.items() if isinstance(value, dict)}
    if not isinstance(content, dict) or not content or content.keys() & STAMPS or len(names) != 1:
        message = f"{path}: holds no cursor of {', '.join(names)}; it should be an object with a cursor for each stream"
        raise FatalError(message)
    if all(key.startswith(OLD_FILE) for key in content):
        return _loaded_files(job, path, content)
    return {names[0]: Cursor(content)}


def _maps(job: ResolvedJob, content: JsonValue) -> Iterator[Mapping[str, JsonValue]]:
    """Where cursors may stand by stream: at the top, and in stamps at any depth."""
    if isinstance(content, list):
        for item in content:
            yield from _maps(job, item)
    elif isinstance(content, dict):
        if "object" in content and "run_id" in content:
            content = _with_cursors(job, content)
        cursors = content.get("cursors")
        yield cursors if isinstance(cursors, dict) else content
        for key, value in content.items():
            if key in STAMPS or (isinstance(value, dict) and value.keys() & {"cursors", "object"}):
                yield from _maps(job, value)


def _with_cursors(job: ResolvedJob, stamp: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """A mirrored stamp whose cursors are so large that they stand in a file of their own, with them."""
    from dativo_engine.catalogs import open_catalog
    from dativo_engine.commits.stamps import codec

    return describe_stamp(codec(job, open_catalog(job)).decode(json.dumps(stamp)))


def _loaded_files(job: ResolvedJob, path: Path, state: Mapping[str, JsonValue]) -> dict[str, Cursor]:
    """The files that the source shows now, less those that the older state does not name or that changed since."""
    from dativo_engine.connectors import open_source
    from dativo_engine.memory import MEBIBYTE
    from dativo_engine.pipeline import source_settings

    (stream,) = job.streams
    loaded_at = {key.removeprefix(OLD_FILE): _time(path, key, value) for key, value in state.items()}
    plan = open_source(source_settings(job, memory_bytes=64 * MEBIBYTE)).plan({stream.name: None})
    for _ in plan.splits:
        continue  # where the stream stands is known once all of them were named
    now = plan.ends.get(stream.name)
    plan.close(None)
    files = {} if now is None else now.value.get("files")
    if not isinstance(files, dict):
        message = f"{path}: is the state of files, and {job.spec.name} reads none"
        raise FatalError(message)
    kept: dict[str, JsonValue] = {}
    for name, fingerprint in files.items():
        until = loaded_at.get(name, loaded_at.get(PurePosixPath(name).name))
        modified_ns = fingerprint[1] if isinstance(fingerprint, list) else None
        if until is not None and isinstance(modified_ns, int) and modified_ns // 10**9 <= until.timestamp():
            kept[name] = fingerprint
    return {stream.name: Cursor({"files": kept})}


def _time(path: Path, key: str, entry: JsonValue) -> datetime:
    text = entry.get("last_modified") if isinstance(entry, dict) else entry
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError as error:
        message = f"{path}: {key}: last_modified is no time: {text}"
        raise FatalError(message) from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)
