"""The CSV source: files become batches, typed as the contract says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dativo_engine.interfaces import Batch, Cursor, Plan, SourceSettings, Split, StreamInfo
from dativo_engine.sources.ahead import one_ahead
from dativo_engine.sources.csv.records import BLOCK_BYTES, CsvReader, infer_schema
from dativo_engine.sources.csv.spec import SPEC, CsvOptions
from dativo_engine.sources.files.inputs import FileInputs
from dativo_engine.sources.proposal import propose


class CsvSource:
    """Delimited text files, opened with one job's settings."""

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings
        self._options = settings.options if isinstance(settings.options, CsvOptions) else CsvOptions()
        self._schemas = {stream.name: stream.schema for stream in settings.streams}
        self._files = FileInputs(settings, SPEC.suffixes, resumable=True)

    def check(self) -> None:
        """Find the files and read the first byte of one."""
        self._files.check()

    def discover(self) -> list[StreamInfo]:
        """Columns and types as the beginning of each stream's first file suggests them."""
        found: list[StreamInfo] = []
        for stream in self._settings.streams:
            split, detail = self._files.sample(stream)
            with self._files.open(split) as opened:
                found.append(propose(stream.name, infer_schema(opened, self._options), detail))
        return found

    def plan(self, starts: Mapping[str, Cursor | None]) -> Plan:
        """One split per file."""
        return self._files.plan(starts)

    def read(self, split: Split) -> Iterator[Batch]:
        """One file's rows."""
        stream = split.streams[0]
        with self._files.open(split) as opened:
            reader = CsvReader(
                opened,
                stream=stream,
                options=self._options,
                schema=self._schemas[stream],
                block_bytes=min(BLOCK_BYTES, self._settings.memory_bytes // 16),
                record_bytes=self._settings.memory_bytes // 4,
                resume=split.resume,
            )
            yield from one_ahead(reader.batches())
