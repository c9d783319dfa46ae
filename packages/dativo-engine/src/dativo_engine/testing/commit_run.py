"""Runs of jobs, step by step and with rows given by hand, in this process or in one that is killed."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Literal

import pyarrow as pa
from dativo_config.models.job import Mode
from dativo_config.models.resolved import ResolvedJob, TableName

from dativo_engine.commits.changes import OP_COLUMN, with_op
from dativo_engine.commits.points import VARIABLE, Point
from dativo_engine.commits.quarantine import with_run
from dativo_engine.contracts.rejected import reject_malformed
from dativo_engine.errors import CommitConflictError
from dativo_engine.interfaces import CommitResult, Cursor, LateRows, Malformed, StagedFile, Stamp
from dativo_engine.testing.commit_world import ORDERS, CommitWorld, LostAnswers, Row
from dativo_engine.writers.parquet import open_writer

WRITER_BYTES = 32 * 1024 * 1024
CONFLICT = 3


@dataclass
class CommitRun:
    """One run of a job, step by step, with rows given by hand. It is planned when it is made."""

    world: CommitWorld
    job: ResolvedJob
    run_id: str
    attempt: int = 1
    lost: LostAnswers | None = None
    late: list[LateRows] = field(default_factory=list[LateRows])

    def __post_init__(self) -> None:
        self.committer = self.world.open_committer(self.job, run_id=self.run_id, attempt=self.attempt, lost=self.lost)
        self.stamps = self.committer.last()

    def stage(self, rows: Sequence[Row], *, table: TableName = ORDERS, deletes: Sequence[int] = ()) -> list[StagedFile]:
        """Write and stage rows, and in merge mode deletes of keys."""
        columns = {
            "id": [row[0] for row in rows] + [*deletes],
            "name": [row[1] for row in rows] + [None] * len(deletes),
        }
        schema = pa.schema([pa.field("id", pa.int64(), nullable=False), ("name", pa.string())])
        batch = pa.RecordBatch.from_pydict(columns, schema=schema)
        if OP_COLUMN in self.committer.layout(table).schema.column_names:
            batch = with_op(batch, pa.array([0] * len(rows) + [1] * len(deletes), pa.int8()))
        return self._stage(batch, table)

    def reject(self, records: Sequence[str]) -> None:
        """Write and stage rejected records."""
        malformed = [Malformed("orders.csv", number, number, raw, "no row") for number, raw in enumerate(records, 1)]
        rejected = reject_malformed("orders", malformed)
        self._stage(with_run(rejected, run_id=self.run_id, attempt=self.attempt), ORDERS.quarantine)

    def publish(self, *, at: object, tables: Sequence[TableName] = (ORDERS,)) -> Mapping[TableName, CommitResult]:
        """Commit, with each table's stream standing at the cursor `at`; None: none has one."""
        new = {table: self._stamp(table, at) for table in tables}
        return self.committer.publish(new, self.late)

    def _stage(self, batch: pa.RecordBatch, table: TableName) -> list[StagedFile]:
        writer = open_writer(self.committer.layout(table), run_id=self.run_id, memory_bytes=WRITER_BYTES)
        writer.write(batch)
        files = writer.flush()
        self.committer.stage(files)
        self.late += self.committer.find_stored(files)
        return files

    def _stamp(self, table: TableName, at: object) -> Stamp:
        cursors = {} if at is None else {table.table: Cursor({"at": at})}  # pyright: ignore[reportArgumentType]
        return Stamp(self.job.name, self.job.tenant.id, self.run_id, self.attempt, cursors, {"contract": "1.0.0"})


def load(world: CommitWorld, job: ResolvedJob, run_id: str, rows: Sequence[Row], *, at: object) -> CommitResult:
    """A whole run, from planning to its end."""
    loading = CommitRun(world, job, run_id)
    loading.stage(rows)
    return loading.publish(at=at)[ORDERS]


@dataclass(frozen=True)
class Task:
    """A run for a child process.

    Attributes:
        at: the cursor it ends with; a run that finds it there already reads nothing, unless it replaces.
        kill_at: where it is killed; empty: nowhere.
    """

    run_id: str
    rows: Sequence[Row]
    at: int
    mode: Mode = "append"
    rejected: Sequence[str] = ()
    tables: Sequence[TableName] = (ORDERS,)
    kill_at: Point | Literal[""] = ""


def run(world: CommitWorld, task: Task) -> None:
    """Carry a task out as a run of a job does.

    Raises:
        CommitConflictError: another run was first.
    """
    job = world.job(mode=task.mode, tables=task.tables)
    current = CommitRun(world, job, task.run_id)
    for table in task.tables:
        stamp = current.stamps[table]
        if task.mode == "replace" or stamp is None or stamp.cursors[table.table].value["at"] != task.at:
            current.stage(task.rows, table=table)
            if task.rejected:
                current.reject(task.rejected)
    try:
        current.publish(at=task.at, tables=task.tables)
    except CommitConflictError:
        current.committer.abandon()
        raise


def run_in_child(world: CommitWorld, task: Task) -> int:
    """The exit code of a process that carries the task out; `CONFLICT` if another run was first."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["dativo_engine.testing", "dativo_engine.catalogs.embedded", "pyiceberg.io.pyarrow"])
    process = context.Process(target=_child, args=(world, task))
    process.start()
    process.join()
    return process.exitcode or 0


def _child(world: CommitWorld, task: Task) -> None:
    os.environ[VARIABLE] = task.kill_at
    try:
        run(world, task)
    except CommitConflictError:
        sys.exit(CONFLICT)
