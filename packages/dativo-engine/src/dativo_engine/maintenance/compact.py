"""Small files become files of the target size, in sort order and without the rows that delete files mark as dead.

The rows are the same, so the snapshot says `replace`, and it carries the stamps. Files that another commit took away
meanwhile stay with that commit: their group is left for the next time.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from secrets import token_hex

import pyarrow as pa
from dativo_config.models.resolved import ResolvedJob
from pyiceberg.table import FileScanTask, Table

from dativo_engine.commits.data_files import referenced_paths, scan_tasks, to_data_file
from dativo_engine.commits.fence import Edit, Place, land
from dativo_engine.commits.journal import Journal
from dativo_engine.commits.layout import layout_of
from dativo_engine.commits.positions import within, without
from dativo_engine.commits.rows import dead_positions, reader_of
from dativo_engine.commits.stamp import standing
from dativo_engine.events import Events
from dativo_engine.interfaces import StagedFile, TableLayout
from dativo_engine.storage import storage_of
from dativo_engine.writers.failure import discarded_on_failure
from dativo_engine.writers.parquet import open_writer

# A file with less than this share of the target size is small; so many small ones are worth the work.
SMALL = 0.75
FEWEST = 5
BATCH_ROWS = 128 * 1024


@dataclass(frozen=True, slots=True)
class Group:
    """Files of one partition that are to be written anew."""

    tasks: tuple[FileScanTask, ...]

    @property
    def size(self) -> int:
        """Bytes as stored."""
        return sum(task.file.file_size_in_bytes for task in self.tasks)

    def is_live(self, live: dict[str, frozenset[str]]) -> bool:
        """Whether the table still has all its files, with the same delete files: `live` has the latter by path."""
        return all(live.get(task.file.file_path) == _deletes(task) for task in self.tasks)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A group, and the files that take its place."""

    group: Group
    files: tuple[StagedFile, ...]


@dataclass(frozen=True, slots=True)
class Compacted:
    """How many files became how many."""

    before: int = 0
    after: int = 0


def find_groups(table: Table, *, target_file_bytes: int) -> list[Group]:
    """What is worth writing anew: partitions with many small files, and files with dead rows."""
    partitions: dict[tuple[object, ...], list[FileScanTask]] = {}
    for task in scan_tasks(table):
        if task.delete_files or task.file.file_size_in_bytes < SMALL * target_file_bytes:
            partitions.setdefault((task.file.spec_id, *task.file.partition), []).append(task)
    groups = [Group(tuple(tasks)) for tasks in partitions.values()]
    return [group for group in groups if _is_worth_it(group, target_file_bytes)]


def _is_worth_it(group: Group, target_file_bytes: int) -> bool:
    fewer = math.ceil(group.size / target_file_bytes) < len(group.tasks)
    return any(task.delete_files for task in group.tasks) or (len(group.tasks) >= FEWEST and fewer)


def compact(job: ResolvedJob, place: Place, events: Events, *, memory_bytes: int) -> Compacted:
    """Write a table's small files anew, in one commit.

    Args:
        memory_bytes: what the rows under way may take.

    Raises:
        CommitConflictError, CommitStateUnknownError: see `fence.land`.
        FatalError: a delete file that can't be applied.
    """
    table = place.load()
    groups = [] if table is None else find_groups(table, target_file_bytes=job.target.target_file_bytes)
    if table is None or not groups:
        return Compacted()
    run_id = f"maintain-{dt.datetime.now(dt.UTC):%Y%m%dt%H%M%S}-{token_hex(4)}"
    layout = layout_of(place.name, table.metadata, io=table.io, target_file_bytes=job.target.target_file_bytes)
    journal = Journal(job.tenant.staged_folder(job.name), run_id=run_id, attempt=1)
    journal.add(layout.location)
    written: list[Rewrite] = []
    try:
        for group in groups:
            written.append(_rewrite(table, group, layout, run_id=run_id, memory_bytes=memory_bytes))  # noqa: PERF401 - what is written so far counts
    except BaseException:
        _delete(table, (file for rewrite in written for file in rewrite.files))
        journal.close()
        raise
    try:
        done = _publish(place, table, written, events)
    except BaseException:
        # The table may name the files by now; the job's next run looks, and deletes those that it does not.
        journal.close(keep=True)
        raise
    journal.close()
    return done


def _rewrite(table: Table, group: Group, layout: TableLayout, *, run_id: str, memory_bytes: int) -> Rewrite:
    with discarded_on_failure(open_writer(layout, run_id=run_id, memory_bytes=memory_bytes)) as writer:
        for task in group.tasks:
            for rows in _living_rows(table, task):
                writer.write(rows)
        return Rewrite(group, tuple(writer.flush()))


def _living_rows(table: Table, task: FileScanTask) -> Iterator[pa.RecordBatch]:
    columns = [field.name for field in table.schema().fields]
    dead = dead_positions(table.io, task)
    start = 0
    for rows in reader_of(table.metadata, table.io).rows(task.file, columns, batch_rows=BATCH_ROWS):
        alive = without(rows, within(dead, start, rows.num_rows))
        start += rows.num_rows
        if alive.num_rows:
            yield alive


def _publish(place: Place, planned: Table, written: Sequence[Rewrite], events: Events) -> Compacted:
    landing: list[Rewrite] = []

    def plan(table: Table | None) -> Edit | None:
        due = [] if table is None else _still_due(planned, table, written)
        if table is None or not due:
            return None
        landing[:] = due
        spec = table.spec()
        return Edit(
            snapshot="same rows",
            added=[to_data_file(file, spec) for rewrite in landing for file in rewrite.files],
            removed=[task.file for rewrite in landing for task in rewrite.group.tasks],
            carried=standing(table.metadata),
        )

    landed = land(place, plan, events)
    named = referenced_paths(landed.metadata, planned.io)
    came = [rewrite for rewrite in landing if all(file.path in named for file in rewrite.files)]
    _delete(planned, (file for rewrite in written if rewrite not in came for file in rewrite.files))
    return Compacted(sum(len(rewrite.group.tasks) for rewrite in came), sum(len(rewrite.files) for rewrite in came))


def _still_due(planned: Table, table: Table, written: Sequence[Rewrite]) -> list[Rewrite]:
    """The groups that no commit touched since; none, if the table's files have to look otherwise now."""
    if planned.schema() != table.schema() or planned.spec() != table.spec():
        return []
    live = {task.file.file_path: _deletes(task) for task in scan_tasks(table)}
    return [rewrite for rewrite in written if rewrite.group.is_live(live)]


def _deletes(task: FileScanTask) -> frozenset[str]:
    return frozenset(file.file_path for file in task.delete_files)


def _delete(table: Table, files: Iterator[StagedFile]) -> None:
    storage_of(table.io).delete(file.path for file in files)
