"""What the tests of commits share, in this process and in their children: a job, its data files, one run of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from secrets import token_hex

import pyarrow as pa
import pyarrow.parquet as pq
from dativo_config.models.connector import ConnectorSpec
from dativo_config.models.contract import Contract, PhysicalType, Property, SchemaObject
from dativo_config.models.job import Job, Mode
from dativo_config.models.resolved import ResolvedJob, ResolvedStream, ResolvedTarget, TableName
from dativo_config.tenancy import Tenant
from dativo_engine.catalogs import open_catalog
from dativo_engine.commits.iceberg import IcebergCommitter, open_committer
from dativo_engine.commits.publication import Direct, late_seconds
from dativo_engine.commits.quarantine import with_run
from dativo_engine.contracts.rejected import REJECTED_SCHEMA
from dativo_engine.interfaces import CommitResult, Cursor, LateRows, StagedFile, Stamp, TableLayout
from dativo_engine.storage import Storage
from pyiceberg.catalog import Catalog
from pyiceberg.conversions import to_bytes
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.table import Table

PROPERTIES = (
    Property("id", "id", "integer", PhysicalType("long"), required=True),
    Property("name", "name", "string", PhysicalType("string"), description="who it is"),
)
ORDERS = TableName(("acme",), "orders")
Rows = Sequence[tuple[int, str]]


@dataclass
class Events:
    """Keeps what was told."""

    told: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def emit(self, event_type: str, message: str, /, *, level: str = "INFO", **fields: object) -> None:
        self.told.append((event_type, message))

    def count(self, event_type: str) -> int:
        return sum(kind == event_type for kind, _ in self.told)


def schema_object(*, keyed: bool = False, properties: tuple[Property, ...] = PROPERTIES) -> SchemaObject:
    return SchemaObject("orders", "orders", properties, primary_key=("id",) if keyed else ())


def make_job(
    root: Path,
    *,
    name: str = "orders_job",
    mode: Mode = "append",
    keyed: bool = False,
    tables: Sequence[TableName] = (ORDERS,),
    schema: SchemaObject | None = None,
    **target: object,
) -> ResolvedJob:
    schema = schema or schema_object(keyed=keyed)
    contract = Contract(root / "orders.yaml", "orders", "orders", "1.0.0", (schema,))
    settings = ResolvedTarget(
        mode=mode,
        mode_reason="",
        connection=None,
        branch="acme",
        warehouse="",
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
    return ResolvedJob(
        name=name,
        tenant=Tenant("acme", root / "state", root / "secrets"),
        project=root,
        path=root / "jobs" / "acme" / f"{name}.yaml",
        job=Job(tenant_id="acme"),
        spec=ConnectorSpec("csv", "files"),
        options=None,
        credentials=None,
        connection=None,
        streams=tuple(ResolvedStream(table.table, contract, schema, table) for table in tables),
        incremental=None,
        rate_limits=None,
        target=replace(settings, **target),  # pyright: ignore[reportArgumentType] - a test's own fields
        retry=None,
        timeout_seconds=60,
        shares_table=False,
        digest="",
    )


def write_file(layout: TableLayout, run_id: str, rows: pa.Table, number: int = 0) -> StagedFile:
    """A data file with field ids and the bounds of its top-level columns, as the writer makes them."""
    arrow = schema_to_pyarrow(layout.schema)
    name = f"{run_id}-{number}-{token_hex(4)}.parquet"
    path = f"{layout.location}/data/{name}"
    file = Storage(layout.io_properties).create(path)
    pq.write_table(rows.cast(arrow), file.sink)
    size = file.sink.tell()
    file.finish()
    bounds: dict[str, dict[int, bytes]] = {"lower": {}, "upper": {}}
    for column in layout.schema.fields:
        values = [value for value in rows[column.name].to_pylist() if value is not None]
        if column.field_type.is_primitive and values:
            bounds["lower"][column.field_id] = to_bytes(column.field_type, min(values))
            bounds["upper"][column.field_id] = to_bytes(column.field_type, max(values))
    return StagedFile(
        table=layout.table,
        path=path,
        rows=rows.num_rows,
        size=size,
        spec_id=layout.spec.spec_id,
        value_counts={column.field_id: rows.num_rows for column in layout.schema.fields},
        null_value_counts={column.field_id: rows[column.name].null_count for column in layout.schema.fields},
        lower_bounds=bounds["lower"],
        upper_bounds=bounds["upper"],
    )


def people(rows: Rows) -> pa.Table:
    return pa.table({"id": pa.array([row[0] for row in rows], pa.int64()), "name": [row[1] for row in rows]})


def stamp(job: ResolvedJob, run_id: str, attempt: int, cursors: Mapping[str, object]) -> Stamp:
    values = {stream: Cursor({"at": value}) for stream, value in cursors.items()}  # pyright: ignore[reportArgumentType]
    return Stamp(job.name, job.tenant.id, run_id, attempt, values, {"contract": "1.0.0"})


@dataclass
class Run:
    """One run of a job up to any step, with rows given by hand."""

    job: ResolvedJob
    run_id: str
    attempt: int = 1
    catalog: Catalog | None = None
    replays: Sequence[str] = ()
    events: Events = field(default_factory=Events)
    late: list[LateRows] = field(default_factory=list[LateRows])

    def __post_init__(self) -> None:
        self.committer = IcebergCommitter(
            self.job,
            Direct(self.catalog or open_catalog(self.job), late_seconds(self.job)),
            run_id=self.run_id,
            attempt=self.attempt,
            events=self.events,
            replays=self.replays,
        )

    def stage(self, rows: Rows, *, table: TableName = ORDERS, number: int = 0) -> list[LateRows]:
        file = write_file(self.committer.layout(table), f"{self.run_id}-{self.attempt}", people(rows), number)
        self.committer.stage([file])
        late = list(self.committer.find_stored([file]))
        self.late += late
        return late

    def reject(self, texts: Sequence[str], *, table: TableName = ORDERS) -> None:
        count = len(texts)
        columns = [pa.nulls(count, field.type) for field in REJECTED_SCHEMA]
        columns[0] = pa.array([1_700_000_000_000_000] * count, REJECTED_SCHEMA.field(0).type)
        columns[1] = pa.array(["orders"] * count)
        columns[6] = pa.array(texts)
        batch = with_run(
            pa.RecordBatch.from_arrays(columns, schema=REJECTED_SCHEMA), run_id=self.run_id, attempt=self.attempt
        )
        layout = self.committer.layout(table.quarantine)
        self.committer.stage([write_file(layout, f"{self.run_id}-{self.attempt}q", pa.Table.from_batches([batch]))])

    def publish(self, at: object = None, *, tables: Sequence[TableName] = (ORDERS,)) -> dict[TableName, CommitResult]:
        """Commit, with each table's stream standing at cursor `at`."""
        new = {
            table: stamp(self.job, self.run_id, self.attempt, {} if at is None else {table.table: at})
            for table in tables
        }
        return dict(self.committer.publish(new, self.late))


def load(job: ResolvedJob, run_id: str, rows: Rows, at: object = None) -> CommitResult:
    """A whole run."""
    run = Run(job, run_id)
    try:
        run.committer.last()
        if rows:
            run.stage(rows)
        return run.publish(at)[ORDERS]
    finally:
        run.committer.abandon()


def stored(job: ResolvedJob, table: TableName = ORDERS) -> Table:
    return open_catalog(job).load_table((*table.namespace, table.table))


def stored_rows(job: ResolvedJob, table: TableName = ORDERS) -> list[tuple[int, str]]:
    """What a reader of the table sees, sorted."""
    found = stored(job, table).scan().to_arrow()
    return sorted(zip(found["id"].to_pylist(), found["name"].to_pylist(), strict=True))


def cursor_of(job: ResolvedJob, table: TableName = ORDERS) -> object:
    """Where the job's next run would start."""
    found = open_committer(job, run_id="look", attempt=1, events=Events()).last()[table]
    return None if found is None or table.table not in found.cursors else found.cursors[table.table].value["at"]
