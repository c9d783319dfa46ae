"""Rows that belong in one data file, because they come from one: its partition and their order are known.

Nothing is arranged, spilled or handed to another thread, and the file is as large as it becomes: a file that is
written again stays one file. Columns that come as dictionaries are written from them: hashing each value again, to
build the same dictionary, is most of what they cost.
"""

from __future__ import annotations

from secrets import token_hex

import pyarrow as pa
from pyiceberg.table.locations import load_location_provider

from dativo_engine.interfaces import StagedFile, TableLayout, Writer
from dativo_engine.storage import Storage, writing
from dativo_engine.writers.datafile import ROW_GROUP_ROWS, DataFile, FileFormat
from dativo_engine.writers.encoding import choose_encoding
from dativo_engine.writers.fields import conform, file_schema, leaves, without_dictionaries
from dativo_engine.writers.partition import Partitions


def open_single_writer(layout: TableLayout, *, run_id: str, memory_bytes: int) -> Writer:
    """A writer of one data file, for rows of one partition that come in the layout's sort order.

    Nothing is created before the first rows.

    Args:
        layout: what the file is to look like; its target size does not count.
        run_id: begins the file's name, which is unique in any case.
        memory_bytes: for rows that wait until a row group is together.
    """
    return _SingleWriter(layout, run_id=run_id, memory_bytes=memory_bytes)


class _SingleWriter:
    def __init__(self, layout: TableLayout, *, run_id: str, memory_bytes: int) -> None:
        self._layout = layout
        self._run_id = run_id
        self._most_bytes = memory_bytes
        self._storage = Storage(layout.io_properties)
        self._schema: pa.Schema | None = None
        self._file: DataFile | None = None
        self._made: list[str] = []
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        self._waiting_bytes = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Take rows in the layout's column order.

        Raises:
            RetryableError, FatalError: the file system failed.
        """
        if self._schema is None:
            self._schema = file_schema(self._layout.schema, batch.schema, dictionaries=True)
        self._waiting.append(conform(batch, self._schema))
        self._waiting_rows += batch.num_rows
        self._waiting_bytes += batch.nbytes
        if self._waiting_rows >= ROW_GROUP_ROWS or self._waiting_bytes >= self._most_bytes:
            self._write_waiting()

    def flush(self) -> list[StagedFile]:
        """Finish the file.

        Raises:
            RetryableError, FatalError: the file system failed.
        """
        self._write_waiting()
        if self._file is None:
            return []
        staged = self._file.finish()
        self._file = None
        with writing(self._layout.location):
            self._storage.settle()
        return [staged]

    def abort(self) -> None:
        """Delete every file this writer made.

        Raises:
            RetryableError, FatalError: a file can't be deleted.
        """
        self._waiting.clear()
        if self._file is not None:
            self._file.discard()
            self._file = None
        with writing(self._layout.location):
            self._storage.delete(self._made)
        self._made.clear()

    def _write_waiting(self) -> None:
        if not self._waiting:
            return
        # With several dictionaries in a row group, Parquet would do without from the second on.
        rows = pa.Table.from_batches(self._waiting).unify_dictionaries()
        self._waiting.clear()
        self._waiting_rows = self._waiting_bytes = 0
        if self._file is None:
            self._file = self._create(rows)
        self._file.write(rows)

    def _create(self, rows: pa.Table) -> DataFile:
        """The file, its encodings chosen by its first row group."""
        layout = self._layout
        partitions = Partitions(layout.spec, layout.schema)
        number = int(partitions.number(rows.slice(0, 1).cast(without_dictionaries(rows.schema)))[0])
        folder = partitions.folder(number)
        locations = load_location_provider(layout.location, dict(layout.io_properties))
        name = f"{self._run_id}-{token_hex(4)}.parquet"
        location = locations.new_data_location(f"{folder}/{name}" if folder else name)
        self._made.append(location)
        form = FileFormat(layout, rows.schema, choose_encoding(rows, leaves(layout.schema)), self._storage)
        return DataFile(location, form, partition=partitions.keys[number])
