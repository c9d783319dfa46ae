"""Merge by key, copy-on-write: which data files are rewritten, and what is added, in one snapshot.

1. changes of one key have collapsed to the one that counts (`changes.py`);
2. data files whose bounds hold a changed key are found, and of those only the key columns are read;
3. a file with a row that gives way is rewritten without it; where all its matching rows already say what their
   changes say, the file stays, so that the same changes a second time are a no-op;
4. the changes that are left are written as new files, in whatever partition they belong to now.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask
from pyiceberg.types import DoubleType, FloatType

from dativo_engine.commits.changes import ChangeSet, Matches, MergeRule, path_of
from dativo_engine.commits.keys import range_of
from dativo_engine.commits.positions import Places, within, without
from dativo_engine.commits.rows import Reader, dead_positions
from dativo_engine.contracts.duck import own_errors
from dativo_engine.errors import DativoError
from dativo_engine.interfaces import StagedFile, TableLayout, Writer
from dativo_engine.storage import storage_of
from dativo_engine.writers.adopt import adopt, is_adoptable
from dativo_engine.writers.failure import discarded_on_failure
from dativo_engine.writers.onefile import open_single_writer
from dativo_engine.writers.parquet import open_writer

# Small enough that what one batch took in memory serves the next.
BATCH_ROWS = 32 * 1024
KEY_BATCH_ROWS = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge amounts to: one snapshot that takes `removed` away and adds `added`. Both empty: a no-op."""

    removed: tuple[DataFile, ...]
    added: tuple[StagedFile, ...]
    inserted: int
    updated: int
    deleted: int


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What became of one data file.

    Attributes:
        files: what takes its place; none if every row gave way.
        changed: False where the file stays as it is.
        stored: changes that the table holds already.
        updated: changes whose row this file lost.
        deleted: rows that a reported delete took or marked.
    """

    task: FileScanTask
    files: tuple[StagedFile, ...]
    changed: bool
    stored: Places
    updated: Places
    deleted: int


class Merge:
    """One table's merge; `apply` again on a newer state of the table if the commit met a conflict."""

    def __init__(
        self,
        changes: ChangeSet,
        rule: MergeRule,
        *,
        layout: TableLayout,
        io: FileIO,
        run_id: str,
        memory_bytes: int,
        threads: int = 2,
    ) -> None:
        self._changes = changes
        self._rule = rule
        self._layout = layout
        self._storage = storage_of(io)
        self._memory = memory_bytes
        self._threads = threads
        self._prefixes = (f"{run_id}-merge-{number}" for number in itertools.count())
        self._columns = [field.name for field in layout.schema.fields]
        self._now = datetime.now(UTC)
        # What this call of `apply` wrote so far.
        self._staged: list[StagedFile] = []

    def apply(self, tasks: Sequence[FileScanTask], reader: Reader) -> Merged:
        """Merge the changes into the table's present files; the files written are staged, not yet visible.

        Args:
            reader: for those files, as the layout's schema.

        Raises:
            RetryableError, FatalError: the file system failed; of what was written only what can't be deleted is left.
        """
        self._staged = []
        try:
            return self._apply(tasks, reader)
        except BaseException:
            with suppress(DativoError, OSError):  # a later run comes upon them, by the run's id in their names
                self._storage.delete(file.path for file in self._staged)
            raise

    def _apply(self, tasks: Sequence[FileScanTask], reader: Reader) -> Merged:
        self._changes.begin()
        changed: list[Rewritten] = []
        pending: deque[Future[Rewritten]] = deque()
        with ThreadPoolExecutor(self._threads) as pool:
            for task, matches in self._matching(tasks, reader):
                pending.append(pool.submit(self._rewrite, task, matches, reader, next(self._prefixes)))
                # Bounds what is held: the matches of a few files, not of all.
                if len(pending) > self._threads:
                    changed += self._settled(pending.popleft().result())
            for future in pending:
                changed += self._settled(future.result())
        added = self._add_unsettled()
        updated = self._changes.count_updates()
        return Merged(
            removed=tuple(part.task.file for part in changed),
            added=(*(file for part in changed for file in part.files), *added),
            inserted=sum(file.rows for file in added) - updated,
            updated=updated,
            deleted=sum(part.deleted for part in changed),
        )

    def _settled(self, part: Rewritten) -> list[Rewritten]:
        """Take note of what became of a file; answers it, without its places, if it changed."""
        self._changes.settle(part.stored)
        if not part.changed:
            return []
        self._changes.note_updates(part.updated)
        nobody = np.empty(0, np.int64)
        return [replace(part, stored=nobody, updated=nobody)]

    def _matching(self, tasks: Sequence[FileScanTask], reader: Reader) -> Iterator[tuple[FileScanTask, Matches]]:
        """The files with a row that a change takes the place of."""
        for task in self._candidates(tasks):
            with own_errors() as read:
                keys = read(self._stored_keys(task, reader))
                stored = pa.RecordBatchReader.from_batches(self._key_fields, keys)
                matches = self._changes.match(stored, rows=task.file.record_count)
            if len(matches.positions):
                yield task, matches

    @property
    def _key_fields(self) -> pa.Schema:
        """Of what decides of a row, and where the row is in its file."""
        columns = self._rule.columns
        fields = schema_to_pyarrow(self._layout.schema.select(*columns), include_field_ids=False)
        return pa.schema([*map(fields.field, columns), pa.field("position", pa.int64())])

    def _stored_keys(self, task: FileScanTask, reader: Reader) -> Iterator[pa.RecordBatch]:
        """What decides of a file's living rows, with their positions; a few at a time."""
        fields, columns = self._key_fields, self._rule.columns
        dead = dead_positions(reader.io, task)
        start = 0
        for rows in reader.rows(task.file, columns, batch_rows=KEY_BATCH_ROWS):
            positions = pa.array(np.arange(start, start + rows.num_rows))
            keyed = pa.RecordBatch.from_arrays([*map(rows.column, columns), positions], schema=fields)
            yield without(keyed, within(dead, start, rows.num_rows))
            start += rows.num_rows

    def _candidates(self, tasks: Sequence[FileScanTask]) -> list[FileScanTask]:
        """Files whose bounds on the first key column hold a changed key; those without bounds may hold any.

        Bounds do not tell of NaN, which is a key like any other.
        """
        field = self._layout.schema.find_field(self._rule.keys[0])
        known: list[FileScanTask] = []
        bounds: list[tuple[object, object]] = []
        unknown: list[FileScanTask] = []
        nan_changed = isinstance(field.field_type, FloatType | DoubleType) and self._changes.has_nan_key()
        for task in tasks:
            found = range_of(task.file, field)
            if found.low is None or found.high is None or (nan_changed and found.may_be_nan):
                unknown.append(task)
            else:
                known.append(task)
                bounds.append((found.low, found.high))
        return [*unknown, *(known[number] for number in self._changes.within(bounds))]

    def _rewrite(self, task: FileScanTask, matches: Matches, reader: Reader, prefix: str) -> Rewritten:
        """Write a file again without the rows that give way, unless none really does."""
        if self._all_stored(task, matches, reader):
            nobody = np.empty(0, np.int64)
            return Rewritten(task, (), changed=False, stored=matches.places, updated=nobody, deleted=0)
        soft = self._rule.deletes == "soft"
        stored: list[Places] = []
        updated: list[Places] = []
        deleted = 0
        stays = self._stays(task.file)
        with discarded_on_failure(self._open_writer(prefix, stays=stays)) as writer:
            for batch, here, same in self._compared(task, matches, reader, dictionaries=stays):
                gives_way = ~same & ~here.deletes if soft else ~same
                marked = here.positions[~same & here.deletes] if soft else here.positions[:0]
                kept = without(self._mark(batch, marked), here.positions[gives_way])
                if kept.num_rows:
                    writer.write(kept)
                stored.append(here.places[same])
                updated.append(here.places[~same & ~here.deletes])
                deleted += int((~same & here.deletes).sum())
            files = writer.flush()
        self._staged += files
        return Rewritten(
            task,
            tuple(files),
            changed=True,
            stored=np.concatenate(stored),
            updated=np.concatenate(updated),
            deleted=deleted,
        )

    def _stays(self, file: DataFile) -> bool:
        """Whether a file's rows stay together, in its partition and in the table's order."""
        order = self._layout.sort_order
        in_order = order.is_unsorted or file.sort_order_id == order.order_id
        marked = {self._layout.schema.find_field(self._rule.soft_column).field_id} if self._rule.soft_column else set()
        moving = {field.source_id for field in (*self._layout.spec.fields, *order.fields)} & marked
        return file.spec_id == self._layout.spec.spec_id and in_order and not moving

    def _open_writer(self, prefix: str, *, stays: bool) -> Writer:
        """For the rows of one file: to one file, where they stay together."""
        memory = self._memory // (2 * self._threads)
        if stays:
            return open_single_writer(self._layout, run_id=prefix, memory_bytes=memory)
        return open_writer(self._layout, run_id=prefix, memory_bytes=memory, threads=1)

    def _all_stored(self, task: FileScanTask, matches: Matches, reader: Reader) -> bool:
        """Whether every matching row already says what its change says; stops at the first that doesn't."""
        batches = reader.as_stored(
            task.file, self._columns, batch_rows=BATCH_ROWS, around=matches.positions, dictionaries=True
        )
        return all(self._same(rows, matches.within(start, rows.num_rows)).all() for start, rows in batches)

    def _compared(
        self, task: FileScanTask, matches: Matches, reader: Reader, *, dictionaries: bool
    ) -> Iterator[tuple[pa.RecordBatch, Matches, npt.NDArray[np.bool_]]]:
        """A file's living rows in batches, each with its matches (positions within it) and which say the same."""
        dead = dead_positions(reader.io, task)
        batches = reader.as_stored(task.file, self._columns, batch_rows=BATCH_ROWS, dictionaries=dictionaries)
        for start, rows in batches:
            here = matches.within(start, rows.num_rows)
            gone = within(dead, start, rows.num_rows)
            same = self._same(rows, here)
            if len(gone):
                # Dead rows match nothing; what stands behind them moves up.
                here = Matches(here.positions - np.searchsorted(gone, here.positions), here.places, here.deletes)
                rows = without(rows, gone)  # noqa: PLW2901 - the same rows, less the dead
            yield rows, here, same

    def _same(self, rows: pa.RecordBatch, here: Matches) -> npt.NDArray[np.bool_]:
        """Which of the matching rows need no change: equal to the upsert, or marked as deleted already."""
        same = self._changes.already_stored(rows, here) & ~here.deletes
        if self._rule.deletes == "soft" and here.deletes.any():
            mark = rows.column(self._rule.soft_column).take(pa.array(here.positions))
            marked = pc.fill_null(mark, fill_value=False) if pa.types.is_boolean(mark.type) else pc.is_valid(mark)
            same |= here.deletes & marked.to_numpy(zero_copy_only=False)
        return same

    def _mark(self, rows: pa.RecordBatch, positions: Places) -> pa.RecordBatch:
        """Mark rows as deleted in the soft-delete column: true, or the time of this merge."""
        if not len(positions):
            return rows
        index = rows.schema.get_field_index(self._rule.soft_column)
        field = rows.schema.field(index)
        chosen = np.zeros(rows.num_rows, np.bool_)
        chosen[positions] = True
        mark = pa.scalar(value=True) if pa.types.is_boolean(field.type) else pa.scalar(self._now).cast(field.type)
        return rows.set_column(index, field, pc.if_else(pa.array(chosen), mark, rows.column(index)))

    def _add_unsettled(self) -> list[StagedFile]:
        """Write the changes that are left. A file of changes of which all are left is the table's as it is."""
        added: list[StagedFile] = []
        prefix, memory = next(self._prefixes), self._memory // 2
        with discarded_on_failure(open_writer(self._layout, run_id=prefix, memory_bytes=memory)) as writer:
            for file, positions in self._changes.unsettled():
                path = path_of(file)
                if len(positions) == file.rows and is_adoptable(path, self._layout):
                    added.append(adopt(path, file, self._layout, run_id=next(self._prefixes)))
                    self._staged.append(added[-1])
                    continue
                for batch in self._changes.read(file, positions):
                    writer.write(batch)
            return [*added, *writer.flush()]
