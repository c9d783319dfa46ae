"""Rows of one table to Parquet files, in bounded memory.

Batches wait until a row group is together, or, where rows have to be brought into an order, until the memory for it is
full. They are then arranged by partition and sort order, and each partition's rows go to its file; the files are
encoded on other threads. A partition with too few rows is spilled and written at the end.

What holds for the files:
- Without partitions and sort order, reading the files in the order of `flush` gives the rows in the order of `write`.
- Rows of one partition keep their order in its files, and its files theirs in `flush`, unless a sort order moves them.
- A file under a sort order is sorted from its first row to its last, and says so. It is as large as what could be
  sorted in memory, which may be less than the target size.
"""

from __future__ import annotations

import itertools
import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from secrets import token_hex

import numpy as np
import pyarrow as pa
from pyiceberg.table.locations import load_location_provider

from dativo_engine.catalogs.locations import is_local
from dativo_engine.interfaces import StagedFile, TableLayout, Writer
from dativo_engine.storage import Storage, writing
from dativo_engine.writers.datafile import ROW_GROUP_BYTES, ROW_GROUP_ROWS, DataFile, FileFormat
from dativo_engine.writers.encoding import choose_encoding
from dativo_engine.writers.fields import conform, file_schema, leaves
from dativo_engine.writers.lanes import Lanes
from dativo_engine.writers.partition import Int64s, Partitions
from dativo_engine.writers.sort import Sorting
from dativo_engine.writers.spill import Spill

# Arranging holds the rows twice, while others are gathered; an Arrow array of text holds at most 2 GiB.
ARRANGED_SHARE = 0.25
ARRANGED_MOST = 512 * 1024 * 1024
# With less, files of scattered rows would come apart into crumbs.
SHARE_LEAST = 1024 * 1024
# A partition with less than this waits on disk for more. Sorted rows wait longer: each time they are a file.
ROW_GROUP_LEAST = 4 * 1024 * 1024
SORTED_FILE_LEAST = 256 * 1024 * 1024
# What an open file holds besides the rows: a buffer; on an object store, parts on their way.
OPEN_FILE_BYTES = 2 * 1024 * 1024
OPEN_REMOTE_FILE_BYTES = 24 * 1024 * 1024
OPEN_FILES_MOST = 64


def open_writer(
    layout: TableLayout,
    *,
    run_id: str,
    memory_bytes: int,
    threads: int | None = None,
    spill_folder: Path | None = None,
) -> Writer:
    """A writer of a table's data files; nothing is created before the first rows.

    Args:
        layout: what the files are to look like, and where they go.
        run_id: begins the files' names, which are unique in any case.
        memory_bytes: for rows that wait and rows on their way; less than 4 MiB counts as 4 MiB.
        threads: that encode; default: one for each core.
        spill_folder: for rows of small partitions; default: the system's temporary folder.
    """
    threads = threads or os.cpu_count() or 1
    return _ParquetWriter(layout, run_id=run_id, memory_bytes=memory_bytes, threads=threads, spill_folder=spill_folder)


class _ParquetWriter:
    def __init__(
        self, layout: TableLayout, *, run_id: str, memory_bytes: int, threads: int, spill_folder: Path | None
    ) -> None:
        self._layout = layout
        self._storage = Storage(layout.io_properties)
        self._locations = load_location_provider(layout.location, dict(layout.io_properties))
        self._partitions = Partitions(layout.spec, layout.schema)
        self._sorting = Sorting(layout.sort_order, layout.schema)
        self._sorted = not layout.sort_order.is_unsorted
        self._arranged = self._sorted or bool(layout.spec.fields)
        self._spill_folder = spill_folder
        self._spill: Spill | None = None
        self._spilled: Int64s = np.empty(0, np.int64)
        share = min(int(memory_bytes * ARRANGED_SHARE), ARRANGED_MOST)
        if not self._arranged:
            # One is gathered while another waits and a third is encoded.
            share = min(memory_bytes // 3, ROW_GROUP_BYTES)
        self._share = max(share, SHARE_LEAST)

        # One file after another gets the rows where they have no partitions: one thread is at work.
        count = threads if self._arranged else 1
        self._lanes = Lanes(count, waiting_bytes=self._share)
        open_bytes = OPEN_FILE_BYTES if is_local(layout.location) else OPEN_REMOTE_FILE_BYTES
        self._open_most = max(1, min(memory_bytes // 4 // open_bytes, OPEN_FILES_MOST) // count)
        self._open: list[OrderedDict[int, DataFile]] = [OrderedDict() for _ in range(count)]
        # Both are decided from the first rows.
        self._schema: pa.Schema | None = None
        self._form: FileFormat | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        self._waiting_bytes = 0
        self._name = f"{run_id}-{{}}-{token_hex(4)}.parquet"
        self._file_numbers = itertools.count()
        self._made: list[str] = []
        self._staged: list[tuple[int, int, StagedFile]] = []

    def write(self, batch: pa.RecordBatch) -> None:
        """Take rows in the layout's column order.

        Raises:
            RetryableError, FatalError: the file system failed, now or for rows taken before.
        """
        for part in _parts(batch, self._share):
            self._waiting.append(part)
            self._waiting_rows += part.num_rows
            self._waiting_bytes += part.nbytes
            full = self._waiting_rows >= ROW_GROUP_ROWS and not self._arranged
            if full or self._waiting_bytes >= self._share:
                self._hand_over()

    def flush(self) -> list[StagedFile]:
        """Finish every open file.

        Raises:
            RetryableError, FatalError: the file system failed.
        """
        self._hand_over(last=True)
        self._lanes.drain()
        if self._spill is not None:
            for rows, partitions in self._spill.drain(self._share):
                self._arrange(rows, partitions, self._sorting.arrange(rows, partitions), last=True)
                self._lanes.drain()
            self._drop_spill()
        for lane in range(self._lanes.count):
            self._lanes.submit(lane, partial(self._finish_all, lane), size=0)
        self._lanes.drain()
        self._lanes.stop()
        staged = [file for _, _, file in sorted(self._staged, key=lambda entry: entry[:2])]
        self._staged.clear()
        with writing(self._layout.location):
            self._storage.settle()
        return staged

    def abort(self) -> None:
        """Delete every file this writer made.

        Raises:
            RetryableError, FatalError: a file can't be deleted.
        """
        self._lanes.stop()
        self._waiting.clear()
        self._staged.clear()
        self._drop_spill()
        with ExitStack() as each:  # also if one of them fails
            for lane in self._open:
                for file in lane.values():
                    each.callback(file.discard)
        for lane in self._open:
            lane.clear()
        with writing(self._layout.location):
            self._storage.delete(self._made)
        self._made.clear()

    def _hand_over(self, *, last: bool = False) -> None:
        """Send off what waits. `last`: nothing comes after it."""
        if not self._waiting:
            return
        if self._schema is None:
            self._schema = file_schema(self._layout.schema, self._waiting[0].schema)
        rows = pa.Table.from_batches([conform(batch, self._schema) for batch in self._waiting], self._schema)
        self._waiting.clear()
        self._waiting_rows = self._waiting_bytes = 0
        partitions = self._partitions.number(rows)
        order = self._sorting.arrange(rows, partitions) if self._arranged else None
        if self._form is None:
            encoding = choose_encoding(rows, leaves(self._layout.schema), order=order)
            self._form = FileFormat(self._layout, self._schema, encoding, self._storage)
        if order is None:
            self._send(0, rows)
        else:
            self._arrange(rows, partitions, order, last=last and self._spill is None)

    def _arrange(self, rows: pa.Table, partitions: Int64s, order: Int64s, *, last: bool) -> None:
        """Send each partition's rows to its file, or, unless this is their `last`, spill those that are few."""
        # The rows taken before must be gone before these are doubled.
        self._lanes.drain()
        # What the writing threads freed is kept for them otherwise.
        pa.default_memory_pool().release_unused()
        rows, partitions = rows.take(pa.array(order)), partitions[order]
        row_bytes = rows.nbytes / rows.num_rows
        numbers, starts = np.unique(partitions, return_index=True)
        ends = np.append(starts[1:], rows.num_rows)
        least = (SORTED_FILE_LEAST if self._sorted else ROW_GROUP_LEAST) / row_bytes
        waits = ~np.full(len(numbers), last) & ((ends - starts < least) | np.isin(numbers, self._spilled))
        if self._sorted and not self._layout.spec.fields:
            waits[:] = False
        for number, start, end in zip(numbers[~waits].tolist(), starts[~waits], ends[~waits], strict=True):
            self._send(number, rows.slice(start, end - start))
        if waits.any():
            self._keep(rows, partitions, numbers[waits])

    def _keep(self, rows: pa.Table, partitions: Int64s, waiting: Int64s) -> None:
        """Spill these partitions' rows. Later rows of them have to follow, or they would overtake these."""
        if self._spill is None:
            self._spill = Spill(rows.schema, folder=self._spill_folder)
        self._spill.add(rows, partitions, chosen=np.isin(partitions, waiting))
        self._spilled = np.union1d(self._spilled, waiting)

    def _send(self, number: int, rows: pa.Table) -> None:
        lane = number % self._lanes.count
        self._lanes.submit(lane, partial(self._append, lane, number, rows), size=rows.nbytes)

    def _append(self, lane: int, number: int, rows: pa.Table) -> None:
        """On the lane's thread: write to the partition's file, opened if need be."""
        files = self._open[lane]
        file = files.get(number)
        if file is None:
            if len(files) >= self._open_most:
                self._finish(lane, next(iter(files)))
            file = files[number] = self._create(number)
        files.move_to_end(number)
        file.write(rows)
        if self._sorted or file.size >= self._layout.target_file_bytes:
            self._finish(lane, number)

    def _create(self, number: int) -> DataFile:
        folder = self._partitions.folder(number)
        name = self._name.format(f"{next(self._file_numbers):05d}")
        location = self._locations.new_data_location(f"{folder}/{name}" if folder else name)
        self._made.append(location)
        assert self._form is not None  # noqa: S101 - decided before any rows are sent
        return DataFile(location, self._form, partition=self._partitions.keys[number])

    def _finish(self, lane: int, number: int) -> None:
        staged = self._open[lane][number].finish()
        del self._open[lane][number]
        self._staged.append((number, len(self._staged), staged))

    def _finish_all(self, lane: int) -> None:
        for number in list(self._open[lane]):
            self._finish(lane, number)

    def _drop_spill(self) -> None:
        if self._spill is not None:
            self._spill.close()
        self._spill, self._spilled = None, np.empty(0, np.int64)


def _parts(batch: pa.RecordBatch, most_bytes: int) -> Iterator[pa.RecordBatch]:
    """The batch, cut where it is larger than a row group or than what may wait."""
    rows = max(1, min(ROW_GROUP_ROWS, most_bytes * batch.num_rows // max(batch.nbytes, 1)))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)
