"""Jobs, runs and tables in the hands of the checks of a commit."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Literal, TypeAlias

import pyarrow as pa
from dativo_config.models.connector import ConnectorSpec
from dativo_config.models.contract import Contract, PhysicalType, Property, SchemaObject
from dativo_config.models.job import Connection, Job, Mode
from dativo_config.models.resolved import ResolvedJob, ResolvedStream, ResolvedTarget, TableName
from dativo_config.tenancy import Tenant
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitStateUnknownException, NoSuchTableError
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.table.update import TableRequirement, TableUpdate

from dativo_engine.catalogs import open_catalog
from dativo_engine.catalogs.locations import local_path
from dativo_engine.commits.changes import OP_COLUMN, with_op
from dativo_engine.commits.iceberg import IcebergCommitter
from dativo_engine.commits.points import VARIABLE, Point
from dativo_engine.commits.quarantine import Quarantine, with_run
from dativo_engine.contracts.rejected import reject_malformed
from dativo_engine.errors import CommitConflictError
from dativo_engine.interfaces import CommitResult, Committer, Cursor, LateRows, Malformed, StagedFile, Stamp
from dativo_engine.writers.parquet import open_writer

ORDERS = TableName(("acme",), "orders")
CUSTOMERS = TableName(("acme",), "customers")
WRITER_BYTES = 32 * 1024 * 1024
CONFLICT = 3

Row: TypeAlias = tuple[int, str]

_SCHEMA = SchemaObject(
    "orders",
    "orders",
    (
        Property("id", "id", "integer", PhysicalType("long"), required=True),
        Property("name", "name", "string", PhysicalType("string")),
    ),
)


class Silence:
    """Events that nobody reads."""

    def emit(self, event_type: str, message: str, /, *, level: str = "INFO", **fields: object) -> None:
        """See `events.Events.emit`."""


@dataclass(frozen=True)
class CommitWorld:
    """A project with a catalogue, in which jobs load tables of ids and names. Picklable: runs in children open it too.

    Subclass it to put another committer, or another catalogue, under test.

    Attributes:
        root: the project; the embedded catalogue and its warehouse lie in its state folder.
        connection: the catalogue; None: the embedded one.
        warehouse: where tables are created; empty: the catalogue's own place.
    """

    root: Path
    connection: Connection | None = None
    warehouse: str = ""

    def open_committer(
        self, job: ResolvedJob, *, run_id: str, attempt: int = 1, catalog: Catalog | None = None
    ) -> Committer:
        """The committer under test."""
        return IcebergCommitter(job, catalog or open_catalog(job), run_id=run_id, attempt=attempt, events=Silence())

    def job(
        self, *, name: str = "orders_job", mode: Mode = "append", tables: Sequence[TableName] = (ORDERS,)
    ) -> ResolvedJob:
        """A job that feeds tables from streams called as they are; in merge mode `id` is their key."""
        schema = SchemaObject(
            _SCHEMA.name, _SCHEMA.table, _SCHEMA.properties, primary_key=("id",) if mode == "merge" else ()
        )
        contract = Contract(self.root / "orders.yaml", "orders", "orders", "1.0.0", (schema,))
        return ResolvedJob(
            name=name,
            tenant=Tenant("acme", self.root / "state", self.root / "secrets"),
            project=self.root,
            path=self.root / "jobs" / "acme" / f"{name}.yaml",
            job=Job(tenant_id="acme"),
            spec=ConnectorSpec("kit", "the conformance kit", reports_deletes=True),
            options=None,
            credentials=None,
            connection=None,
            streams=tuple(ResolvedStream(table.table, contract, schema, table) for table in tables),
            incremental=None,
            rate_limits=None,
            target=self._target(mode),
            retry=None,
            timeout_seconds=60,
            shares_table=False,
            digest="",
        )

    def table(self, name: TableName = ORDERS) -> Table | None:
        """A table as it is now; None: it does not exist."""
        try:
            return open_catalog(self.job()).load_table((*name.namespace, name.table))
        except NoSuchTableError:
            return None

    def rows(self, name: TableName = ORDERS) -> list[Row]:
        """What a reader of the table sees, sorted."""
        table = self.table(name)
        found = {} if table is None else table.scan().to_arrow().to_pydict()
        return sorted(zip(found.get("id", ()), found.get("name", ()), strict=True))

    def snapshots(self, name: TableName = ORDERS) -> int:
        """How many snapshots a table has."""
        table = self.table(name)
        return 0 if table is None else len(table.snapshots())

    def rejected(self, job: ResolvedJob) -> list[str]:
        """The records that the job's quarantine shows."""
        batches = Quarantine(job, ORDERS, open_catalog(job)).rows()
        return [record for batch in batches for record in batch.column("record").to_pylist()]

    def leftovers(self) -> list[Path]:
        """Data files in a local warehouse that no snapshot names, and what jobs noted of their staged files."""
        state = self.root / "state" / "acme"
        named = {
            path for name in (ORDERS, CUSTOMERS) for table in (name, name.quarantine) for path in self._named(table)
        }
        return [path for path in state.rglob("*.parquet") if path not in named] + [*state.rglob("*.staged")]

    def cursor(self, job: ResolvedJob, name: TableName = ORDERS) -> object:
        """Where the job's next run would start."""
        stamp = self.open_committer(job, run_id="look").last()[name]
        return None if stamp is None or name.table not in stamp.cursors else stamp.cursors[name.table].value["at"]

    def load(self, job: ResolvedJob, run_id: str, rows: Sequence[Row], *, at: object) -> CommitResult:
        """A whole run, from planning to its end."""
        run = CommitRun(self, job, run_id)
        run.stage(rows)
        return run.publish(at=at)[ORDERS]

    def _named(self, name: TableName) -> set[Path]:
        table = self.table(name)
        return (
            set()
            if table is None
            else {local_path(path) for path in table.inspect.all_files().column("file_path").to_pylist()}
        )

    def _target(self, mode: Mode) -> ResolvedTarget:
        return ResolvedTarget(
            mode=mode,
            mode_reason="the conformance kit says so",
            connection=self.connection,
            branch="acme",
            warehouse=self.warehouse,
            partitioning=(),
            sort_order=(),
            deletes="hard",
            soft_delete_column="",
            target_file_bytes=128 * 2**20,
            allow_empty=False,
            on_changed_file="error",
            checkpoint=None,
            properties={},
        )


@dataclass
class CommitRun:
    """One run of a job, step by step, with rows given by hand. It is planned when it is made."""

    world: CommitWorld
    job: ResolvedJob
    run_id: str
    attempt: int = 1
    catalog: Catalog | None = None
    late: list[LateRows] = field(default_factory=list[LateRows])

    def __post_init__(self) -> None:
        self.committer = self.world.open_committer(
            self.job, run_id=self.run_id, attempt=self.attempt, catalog=self.catalog
        )
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
        self.late += self.committer.stage(files)
        return files

    def _stamp(self, table: TableName, at: object) -> Stamp:
        cursors = {} if at is None else {table.table: Cursor({"at": at})}  # pyright: ignore[reportArgumentType]
        return Stamp(self.job.name, self.job.tenant.id, self.run_id, self.attempt, cursors, {"contract": "1.0.0"})


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


def lose_answers(catalog: Catalog, *, before: int = 0, after: int = 0) -> Catalog:
    """The catalogue, whose first answers get lost: `before` times with the request, then `after` times without it."""
    commit, lost = catalog.commit_table, [before, after]

    def commit_table(
        table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        if lost[0]:
            lost[0] -= 1
            raise CommitStateUnknownException
        answer = commit(table, requirements, updates)
        if lost[1]:
            lost[1] -= 1
            raise CommitStateUnknownException
        return answer

    catalog.commit_table = commit_table  # pyright: ignore[reportAttributeAccessIssue] - this object's only
    return catalog
