"""The Parquet source: row groups become batches, columns by name."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager

import pyarrow as pa
from pyarrow import parquet

from dativo_engine.errors import FatalError
from dativo_engine.interfaces import Batch, Cursor, Plan, Position, SourceSettings, Split, StreamInfo
from dativo_engine.sources.ahead import one_ahead
from dativo_engine.sources.files.file import File
from dativo_engine.sources.files.inputs import FileInputs
from dativo_engine.sources.parquet.spec import SPEC
from dativo_engine.sources.proposal import propose

BATCH_BYTES = 8 * 1024 * 1024
# Columns are read in pieces of this size, not as whole chunks of a row group.
COLUMN_BUFFER_BYTES = 256 * 1024


class ParquetSource:
    """Parquet files, opened with one job's settings."""

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings
        self._files = FileInputs(settings, SPEC.suffixes)

    def check(self) -> None:
        """Find the files and read the first byte of one."""
        self._files.check()

    def discover(self) -> list[StreamInfo]:
        """Columns and types as each stream's first file declares them."""
        found: list[StreamInfo] = []
        for stream in self._settings.streams:
            split, detail = self._files.sample(stream)
            with self._files.open_random_access(split) as (file, data), _open(file, data) as table:
                found.append(propose(stream.name, table.schema_arrow, detail))
        return found

    def plan(self, starts: Mapping[str, Cursor | None]) -> Plan:
        """One split per file."""
        return self._files.plan(starts)

    def read(self, split: Split) -> Iterator[Batch]:
        """One file's rows."""
        with self._files.open_random_access(split) as (file, data), _open(file, data) as table:
            batch_bytes = min(BATCH_BYTES, self._settings.memory_bytes // 16)
            yield from one_ahead(_batches(table, file, stream=split.streams[0], batch_bytes=batch_bytes))


@contextmanager
def _open(file: File, data: pa.NativeFile) -> Generator[parquet.ParquetFile]:
    try:
        with parquet.ParquetFile(data, buffer_size=COLUMN_BUFFER_BYTES, pre_buffer=False) as table:
            yield table
    # A page that can't be unpacked is an OSError of pyarrow's; those of a storage are told as the engine's own.
    except (pa.ArrowInvalid, OSError) as error:
        message = f"{file.name}: can't be read as Parquet, it is damaged or something else: {error}"
        raise FatalError(message) from error


def _batches(table: parquet.ParquetFile, file: File, *, stream: str, batch_bytes: int) -> Generator[Batch, None, None]:
    metadata = table.metadata
    unpacked = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    rows_per_batch = max(1, batch_bytes * metadata.num_rows // max(unpacked, 1))
    first, told = 1, 0
    for records in table.iter_batches(batch_size=rows_per_batch, use_threads=False):
        first_row, first = first, first + records.num_rows
        # Bytes per row are not known, so progress in the file follows the rows.
        told, before = (file.size or 0) * (first - 1) // metadata.num_rows, told
        yield Batch(stream, records, Position(file.name, first_row), bytes_read=told - before)
