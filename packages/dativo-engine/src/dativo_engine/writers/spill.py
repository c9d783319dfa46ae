"""Rows of partitions too small to be written yet, kept on disk, and read back partition by partition.

A table with many partitions gets a few rows for each of them from every batch. Written at once they would be
thousands of tiny files; here they wait until the end, sorted by partition as they came, and are then merged.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import ipc

from dativo_engine.storage import writing
from dativo_engine.writers.partition import Int64s

# Small, as a partition's rows are read with all of the blocks they touch.
BLOCK_BYTES = 128 * 1024
# Blocks are too small to be worth a thread for each column.
ONE_THREAD = ipc.IpcReadOptions(use_threads=False)
PACKED = ipc.IpcWriteOptions(compression="lz4", use_threads=False)


@dataclass(frozen=True, slots=True)
class Run:
    """What was added at once.

    Attributes:
        partitions: those in it, ascending.
        starts: the number of each one's first row in the run, and at the end that of all rows.
        first_rows: the number of each block's first row in the run, and at the end that of all rows.
        places: of each block in the file, and at the end where the run ends.
    """

    partitions: Int64s
    starts: Int64s
    first_rows: list[int]
    places: list[int]

    def between(self, first: int, last: int) -> tuple[int, int]:
        """The rows of the partitions from `first` up to, not including, `last`."""
        begin, end = self.starts[np.searchsorted(self.partitions, (first, last))].tolist()
        return begin, end

    def partitions_of(self, begin: int, end: int) -> Int64s:
        """The partition of each of these rows."""
        rows = np.diff(np.clip(self.starts, begin, end))
        return np.repeat(self.partitions, rows)


class Spill:
    """A temporary file without a name: it is gone when the process is."""

    def __init__(self, schema: pa.Schema, *, folder: Path | None) -> None:
        self._schema = schema
        self._folder = folder or tempfile.gettempdir()
        self._file = tempfile.TemporaryFile(dir=self._folder, prefix="dativo-")  # noqa: SIM115 - closed by `close`
        self._runs: list[Run] = []
        self._rows = 0
        self._bytes = 0

    def add(self, rows: pa.Table, partitions: Int64s, *, chosen: npt.NDArray[np.bool_]) -> None:
        """Keep the chosen ones of rows that are sorted by partition.

        Raises:
            RetryableError, FatalError: the file system failed.
        """
        numbers, starts = np.unique(partitions[chosen], return_index=True)
        first_rows, places = [0], [self._file.tell()]
        block_rows = max(1, BLOCK_BYTES * rows.num_rows // max(rows.nbytes, 1))
        for start in range(0, rows.num_rows, block_rows):
            block = rows.slice(start, block_rows).filter(pa.array(chosen[start : start + block_rows]))
            if not block.num_rows:
                continue
            sink = pa.BufferOutputStream()
            with ipc.new_stream(sink, self._schema, options=PACKED) as stream:
                stream.write_table(block)
            with writing(f"temporary file in {self._folder}"):
                self._file.write(sink.getvalue())
            first_rows.append(first_rows[-1] + block.num_rows)
            places.append(self._file.tell())
            self._bytes += block.nbytes
        self._rows += first_rows[-1]
        self._runs.append(Run(numbers, np.append(starts, first_rows[-1]).astype(np.int64), first_rows, places))

    def drain(self, max_bytes: int) -> Iterator[tuple[pa.Table, Int64s]]:
        """All rows with their partitions, in tables of about `max_bytes`: lower partitions first, in each as they came.

        A partition is in one table, unless it alone is larger.
        """
        max_rows = max(1, max_bytes * self._rows // max(self._bytes, 1))
        for first, last in self._shares(max_rows):
            tables: list[pa.Table] = []
            partitions: list[Int64s] = []
            for run in self._runs:
                begin, end = run.between(first, last)
                for start in range(begin, end, max_rows):
                    stop = min(start + max_rows, end)
                    if last - first == 1 and sum(map(len, partitions)) + stop - start > max_rows:
                        yield pa.concat_tables(tables), np.concatenate(partitions)
                        tables, partitions = [], []
                    tables.append(self._read(run, start, stop))
                    partitions.append(run.partitions_of(start, stop))
            yield pa.concat_tables(tables), np.concatenate(partitions)

    def close(self) -> None:
        """Give the disk back."""
        self._file.close()

    def _shares(self, max_rows: int) -> Iterator[tuple[int, int]]:
        """Ranges of partitions with at most so many rows, but at least one partition."""
        counts: Counter[int] = Counter()
        for run in self._runs:
            counts.update(dict(zip(run.partitions.tolist(), np.diff(run.starts).tolist(), strict=True)))
        first = last = held = 0
        for last, rows in sorted(counts.items()):
            if held and held + rows > max_rows:
                yield first, last
                first, held = last, 0
            held += rows
        if held:
            yield first, last + 1

    def _read(self, run: Run, begin: int, end: int) -> pa.Table:
        first = int(np.searchsorted(run.first_rows, begin, "right")) - 1
        last = int(np.searchsorted(run.first_rows, end, "left"))
        self._file.seek(run.places[first])
        tables: list[pa.Table] = []
        for place, following in zip(run.places[first:last], run.places[first + 1 : last + 1], strict=True):
            with ipc.open_stream(self._file.read(following - place), options=ONE_THREAD) as stream:
                tables.append(stream.read_all())
        return pa.concat_tables(tables).slice(begin - run.first_rows[first], end - begin)
