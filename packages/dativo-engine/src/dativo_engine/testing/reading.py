"""What the checks of a source share: reading it to the end, comparing rows, and looking for what it left behind."""

from __future__ import annotations

import base64
import gc
import json
import logging
import pickle
import threading
import traceback
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeAlias, TypeVar
from urllib.parse import quote

import pyarrow as pa

from dativo_engine.interfaces import Batch, Cursor, Source, SourceSettings, Split

OpenSource: TypeAlias = Callable[[SourceSettings], Source]
T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Reading:
    """One run's reading, from plan to end."""

    parts: Sequence[tuple[Split, Sequence[Batch]]]
    ends: Mapping[str, Cursor | None]

    @property
    def batches(self) -> list[Batch]:
        """All batches in read order."""
        return [batch for _, batches in self.parts for batch in batches]

    def end(self, stream: str) -> Cursor | None:
        """Where the stream stands after it, as the pipeline finds it."""
        cursors = [batch.cursor for batch in self.batches if batch.stream == stream and batch.cursor is not None]
        return self.ends[stream] or (cursors[-1] if cursors else None)


def read(source: Source, starts: Mapping[str, Cursor | None]) -> Reading:
    """Plan, and read every split."""
    plan = source.plan(starts)
    try:
        parts = [(split, list(source.read(split))) for split in plan.splits]
        return Reading(parts, plan.ends)
    finally:
        plan.close(None)


def lines(table: pa.Table) -> list[str]:
    """Each row as text, to be compared and counted."""
    return [json.dumps(row, default=str, ensure_ascii=False) for row in table.to_pylist()]


def rows(batches: Iterable[Batch], schema: pa.Schema) -> list[str]:
    """The batches' upserted rows as text, in the columns and types of `schema`."""
    tables = [pa.Table.from_batches([batch.records]) for batch in batches if batch.records.num_rows]
    return [line for table in tables for line in lines(table.select(schema.names).cast(schema))]


def through_json(cursor: Cursor | None) -> Cursor | None:
    """A cursor as the next run gets it: it was JSON text in between."""
    return None if cursor is None else Cursor(json.loads(json.dumps(dict(cursor.value))))


def elsewhere(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The answer of a function that runs in a new process; all that goes there and comes back is pickled."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["dativo_engine.testing"])
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *args, **kwargs).result()


def read_splits(open_source: OpenSource, settings: SourceSettings, splits: Sequence[Split]) -> list[list[str]]:
    """Each split's rows, read by a source that planned none of them."""
    source = open_source(settings)
    return [
        [line for batch in source.read(split) for line in lines(pa.Table.from_batches([batch.records]))]
        for split in splits
    ]


def measure(open_source: OpenSource, settings: SourceSettings, stream: str) -> tuple[int, int]:
    """How many rows the source has, and by how many bytes the process grew at most while it read them."""
    source = open_source(settings)
    _begin(source, stream)  # so that libraries are loaded, which the size of the source has no part in
    count = 0
    with growth() as grown:
        for split in source.plan({stream: None}).splits:
            for batch in source.read(split):
                count += batch.records.num_rows
    return count, grown()


@contextmanager
def growth() -> Generator[Callable[[], int]]:
    """By how many bytes the process has grown at most since the block began."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest resident set so far
    before = _status("VmRSS")
    yield lambda: _status("VmHWM") - before


def _begin(source: Source, stream: str) -> None:
    for split in source.plan({stream: None}).splits:
        next(source.read(split))
        return


def _status(name: str) -> int:
    found = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(found.split()[1]) * 1024


@dataclass(frozen=True, slots=True)
class Held:
    """What this process holds."""

    threads: frozenset[threading.Thread]
    files: frozenset[str]
    arrow_bytes: int

    @classmethod
    def now(cls) -> Held:
        """At this moment, garbage left aside."""
        gc.collect()
        files = {str(opened.readlink()) for opened in Path("/proc/self/fd").iterdir() if opened.is_symlink()}
        return cls(frozenset(threading.enumerate()), frozenset(files), pa.total_allocated_bytes())


@contextmanager
def logged() -> Generator[list[str]]:
    """Every line that any logger writes meanwhile, the most talkative level included."""
    told: list[str] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    root, keeper = logging.getLogger(), Keeper()
    level = root.level
    root.addHandler(keeper)
    root.setLevel(logging.DEBUG)
    try:
        yield told
    finally:
        root.removeHandler(keeper)
        root.setLevel(level)


def left_behind(open_source: OpenSource, settings: SourceSettings) -> str:
    """All text that a source lets out: what it offers, plans, hands over and logs, and how it fails."""
    told: list[str] = []
    with logged() as log:
        for act in (_check, _discover, _read_all):
            try:
                told += act(open_source(settings), settings)
            except Exception as error:  # noqa: BLE001 - whatever it raises must not tell a secret
                told += traceback.format_exception(error)
    return "\n".join([*told, *log])


def _check(source: Source, _settings: SourceSettings) -> list[str]:
    source.check()
    return []


def _discover(source: Source, _settings: SourceSettings) -> list[str]:
    return [repr(stream) for stream in source.discover()]


def _read_all(source: Source, settings: SourceSettings) -> list[str]:
    reading = read(source, {stream.name: None for stream in settings.streams})
    splits = [pickle.dumps(split, protocol=0).decode("latin-1") for split, _ in reading.parts]
    batches = [repr((batch.position, batch.cursor, batch.malformed)) for batch in reading.batches]
    return [*splits, *batches, repr(reading.ends)]


def spellings(secret: str) -> set[str]:
    """A secret as it may stand in text: as it is, in a URL, in a header."""
    return {secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()}
