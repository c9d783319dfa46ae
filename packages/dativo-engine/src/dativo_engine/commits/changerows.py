"""A run's change rows, to be compared with stored rows whatever their number: in a file, of which memory holds parts.

The rows lie there as Arrow has them in memory, so that any of them can be taken from where it lies. The file has no
name, and is gone with the process.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dativo_engine.commits.positions import Places

# A change's place in read order: the number of its file, then its row in it.
ROW_BITS = 40
BATCH_ROWS = 128 * 1024
# Of a batch, in the Parquet file, uncompressed.
BATCH_BYTES = 16 * 1024 * 1024


class ChangeRows:
    """The rows of change files by their places. Threads may ask at the same time.

    Attributes:
        memory_bytes: how much of the file may be in this process's memory.
    """

    def __init__(self, files: Sequence[Path], columns: Sequence[str], *, folder: Path, memory_bytes: int) -> None:
        self._files, self._columns, self._folder = files, list(columns), folder
        self.memory_bytes = memory_bytes
        self._lock = Lock()
        self._mapped: mmap.mmap | None = None
        self._batches: list[pa.RecordBatch] = []
        self._first: Places = np.empty(0, np.int64)
        self._touched = 0

    def at(self, places: Places) -> Iterator[tuple[Places, pa.RecordBatch, Places]]:
        """Where the rows of these places are: positions in `places`, a batch, and the rows in it, part by part."""
        mapped = self._open()
        batches = np.searchsorted(self._first, places, "right") - 1
        for number in np.unique(batches).tolist():
            here = np.flatnonzero(batches == number)
            batch = self._batches[number]
            yield here, batch, places[here] - self._first[number]
            self._forget(mapped, batch.nbytes)

    def _forget(self, mapped: mmap.mmap, touched: int) -> None:
        """Give pages back that were looked at: the system keeps them as long as it has memory to spare."""
        with self._lock:
            self._touched += touched
            if self._touched < self.memory_bytes:
                return
            self._touched = 0
        mapped.madvise(mmap.MADV_DONTNEED)

    def _open(self) -> mmap.mmap:
        """The file, written when the first row is asked for: a run that only adds rows needs none."""
        with self._lock:
            if self._mapped is None:
                with tempfile.TemporaryFile(dir=self._folder) as file:
                    self._write(sink := pa.PythonFile(file, mode="w"))
                    sink.flush()
                    file.flush()
                    self._mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                reader = pa.ipc.open_file(pa.py_buffer(self._mapped))
                self._batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
            return self._mapped

    def _write(self, sink: pa.NativeFile) -> None:
        firsts: list[int] = []
        fields = [pq.read_schema(self._files[0]).field(name).remove_metadata() for name in self._columns]
        schema = pa.schema(fields)
        with pa.ipc.new_file(sink, schema) as writer:
            for number, file in enumerate(self._files):
                first = number << ROW_BITS
                for batch in read_batches(file, self._columns):
                    writer.write_batch(pa.RecordBatch.from_arrays([*map(batch.column, self._columns)], schema=schema))
                    firsts.append(first)
                    first += batch.num_rows
        self._first = np.array(firsts, np.int64)


def read_batches(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """A change file's rows in order, fewer at a time where they are wide."""
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            size = file.metadata.row_group(group)
            rows = max(1, min(BATCH_ROWS, BATCH_BYTES * size.num_rows // max(size.total_byte_size, 1)))
            yield from file.iter_batches(rows, row_groups=[group], columns=list(columns))
