"""The JSON source: objects become rows, nested as the contract says."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace

from dativo_engine.interfaces import Batch, Cursor, Plan, SourceSettings, Split, StreamInfo
from dativo_engine.jsonrows.reader import JsonReader, infer_schema
from dativo_engine.jsonrows.values import Elements, Lines
from dativo_engine.sources.ahead import one_ahead
from dativo_engine.sources.files.inputs import FileInputs
from dativo_engine.sources.files.opened import Opened
from dativo_engine.sources.jsonl.documents import runs
from dativo_engine.sources.jsonl.spec import SPEC, JsonlOptions
from dativo_engine.sources.proposal import propose

BLOCK_BYTES = 8 * 1024 * 1024
SAMPLE_BYTES = 1024 * 1024


class JsonlSource:
    """JSON files, opened with one job's settings."""

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings
        self._options = settings.options if isinstance(settings.options, JsonlOptions) else JsonlOptions()
        self._schemas = {stream.name: stream.schema for stream in settings.streams}
        self._files = FileInputs(settings, SPEC.suffixes)

    def check(self) -> None:
        """Find the files and read the first byte of one."""
        self._files.check()

    def discover(self) -> list[StreamInfo]:
        """Fields and types as the beginning of each stream's first file suggests them."""
        found: list[StreamInfo] = []
        for stream in self._settings.streams:
            split, detail = self._files.sample(stream)
            with self._files.open(split) as opened:
                found.append(propose(stream.name, infer_schema(self._runs(opened, SAMPLE_BYTES)), detail))
        return found

    def plan(self, starts: Mapping[str, Cursor | None]) -> Plan:
        """One split per file."""
        return self._files.plan(starts)

    def read(self, split: Split) -> Iterator[Batch]:
        """One file's records."""
        stream = split.streams[0]
        block_bytes = min(BLOCK_BYTES, self._settings.memory_bytes // 16)
        with self._files.open(split) as opened:
            reader = JsonReader(opened.file.name, stream, self._schemas[stream])
            yield from one_ahead(_counted(reader.batches(self._runs(opened, block_bytes)), opened))

    def _runs(self, opened: Opened, block_bytes: int) -> Generator[Lines | Elements, None, None]:
        limit = self._settings.memory_bytes // 4
        return runs(opened, records_path=self._options.records_path, block_bytes=block_bytes, limit=limit)


def _counted(batches: Iterator[Batch], opened: Opened) -> Generator[Batch, None, None]:
    """The batches, each with the bytes that were read since the one before."""
    told = 0
    for batch in batches:
        yield replace(batch, bytes_read=opened.consumed - told)
        told = opened.consumed
