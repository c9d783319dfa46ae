"""Rejected rows, kept in `<table>__rejected` beside their table.

The rows of a run are committed here before the run's accepted rows are, and the stamp that comes with the latter names
the run. So rejected rows are shown from the moment the accepted ones are, and rolled back with them. What no stamp
names is of a run that never committed. A replay names its own run and no longer those it replayed: in one commit the
mended rows appear and the old rejected ones are gone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from dativo_config.models.resolved import ResolvedJob, TableName
from pyiceberg.io import FileIO
from pyiceberg.manifest import DataFile
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.types import IntegerType, ListType, LongType, NestedField, StringType, StructType, TimestamptzType

from dativo_engine.catalogs import open_catalog
from dativo_engine.commits.data_files import live_entries, to_data_file
from dativo_engine.commits.fence import Asking, Edit, Landed, Place, land
from dativo_engine.commits.layout import Wanted, table_location
from dativo_engine.commits.stamp import kept_stamps, standing
from dativo_engine.commits.stamps import codec, restamp
from dativo_engine.contracts.rejected import REJECTED_SCHEMA
from dativo_engine.errors import CommitConflictError
from dativo_engine.events import Events
from dativo_engine.interfaces import StagedFile, Stamp, Writer
from dativo_engine.storage import Storage
from dativo_engine.writers.failure import discarded_on_failure

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

RUN_NOTE = "dativo.run"
BATCH_ROWS = 10_000
# Rows of a run that is still on its way must not be taken for those of one that never committed.
KEPT_UNNAMED = dt.timedelta(days=7)
SCHEMA = Schema(
    NestedField(1, "rejected_at", TimestamptzType(), required=False),
    NestedField(2, "stream", StringType(), required=False),
    NestedField(3, "source", StringType(), required=False, doc="file, URL or page"),
    NestedField(4, "row", LongType(), required=False, doc="record number in the source, from 1"),
    NestedField(5, "line", LongType(), required=False, doc="physical line in the source, from 1"),
    NestedField(
        6,
        "reasons",
        ListType(
            7,
            StructType(
                NestedField(8, "column", StringType(), required=False),
                NestedField(9, "rule", StringType(), required=False),
                NestedField(10, "message", StringType(), required=False),
            ),
            element_required=False,
        ),
        required=False,
    ),
    NestedField(11, "record", StringType(), required=False, doc="the row as JSON, or the raw text"),
    NestedField(12, "run_id", StringType(), required=False),
    NestedField(13, "attempt", IntegerType(), required=False),
)


@dataclass(frozen=True, slots=True)
class RejectedRun:
    """A committed run's rejected rows of one table."""

    table: TableName
    run_id: str
    attempt: int
    rows: int
    rejected_at: dt.datetime

    @property
    def name(self) -> str:
        """As stamps name it."""
        return run_name(self.run_id, self.attempt)


def run_name(run_id: str, attempt: int) -> str:
    """How stamps name an attempt of a run."""
    return f"{run_id}/{attempt}"


def with_run(rejected: pa.RecordBatch, *, run_id: str, attempt: int) -> pa.RecordBatch:
    """Rejected rows as the quarantine table has them: it adds which run rejected them."""
    count = rejected.num_rows
    run = [pa.repeat(pa.scalar(run_id, pa.string()), count), pa.repeat(pa.scalar(attempt, pa.int32()), count)]
    fields = [*rejected.schema, pa.field("run_id", pa.string()), pa.field("attempt", pa.int32())]
    return pa.RecordBatch.from_arrays([*rejected.columns, *run], schema=pa.schema(fields))


def rejected_again(
    files: Sequence[StagedFile], storage: Storage, writer: Writer, run_id: str, attempt: int
) -> list[StagedFile]:
    """Staged rejected rows of an interrupted run, staged once more as this run's; the old files are still there.

    Raises:
        RetryableError, FatalError: the file system failed; nothing was staged.
    """
    with discarded_on_failure(writer):
        for file in files:
            with storage.open(file.path) as source, pq.ParquetFile(source) as stored:
                for batch in stored.iter_batches(columns=REJECTED_SCHEMA.names):
                    plain = pa.RecordBatch.from_arrays(batch.columns, schema=REJECTED_SCHEMA)
                    writer.write(with_run(plain, run_id=run_id, attempt=attempt))
        return writer.flush()


def wanted(job: ResolvedJob, table: TableName) -> Wanted:
    """The quarantine of a table, as it is created."""
    return Wanted(SCHEMA, None, None, {}, table_location(job, table.quarantine))


def publish(
    place: Place,
    files: Sequence[StagedFile],
    *,
    run_id: str,
    attempt: int,
    spec: PartitionSpec,
    events: Events,
    asking: Asking,
) -> Landed | None:
    """Make the quarantine hold just these files of this attempt, however often it is called. None: it needs none.

    Raises:
        CommitConflictError, CommitStateUnknownError: see `fence.land`.
    """
    added = [to_data_file(file, spec) for file in files]
    name = run_name(run_id, attempt)

    def plan(table: Table | None) -> Edit | None:
        earlier = [] if table is None else _files_noted(table, name)
        if {file.file_path for file in earlier} == {file.file_path for file in added}:
            return None
        return Edit(added=added, removed=earlier, notes={RUN_NOTE: name})

    return land(place, plan, events, asking=asking) if added or place.load() is not None else None


def _files_noted(table: Table, name: str) -> list[DataFile]:
    """The data files that earlier commits of an attempt left in the quarantine."""
    noted = {
        snapshot.snapshot_id
        for snapshot in table.metadata.snapshots
        if snapshot.summary is not None and snapshot.summary.additional_properties.get(RUN_NOTE) == name
    }
    return [entry.data_file for entry in live_entries(table) if entry.snapshot_id in noted] if noted else []


@dataclass(frozen=True, slots=True)
class Quarantine:
    """One job's share of one table's quarantine."""

    job: ResolvedJob
    table: TableName
    catalog: Catalog

    @property
    def place(self) -> Place:
        """The quarantine table."""
        return Place(self.catalog, self.table.quarantine)

    def stored(self) -> Table | None:
        """The table whose rejected rows these are; None: it is not there yet."""
        return Place(self.catalog, self.table).load()

    def shown(self) -> list[str]:
        """The job's runs whose rejected rows are shown, the oldest first."""
        table = self.stored()
        keeper = codec(self.job, self.catalog)
        text = None if table is None else standing(table.metadata).get(keeper.key)
        return [] if text is None else list(keeper.decode(text).quarantine)

    def runs(self) -> list[RejectedRun]:
        """Those of `shown` that have rows, the oldest first."""
        shown = set(self.shown())
        found: dict[str, RejectedRun] = {}
        for batch in self._batches(("run_id", "attempt", "rejected_at")):
            table = pa.Table.from_batches([batch])
            groups = table.group_by(["run_id", "attempt"]).aggregate([("rejected_at", "max"), ("rejected_at", "count")])
            for group in groups.to_pylist():
                name = run_name(group["run_id"], group["attempt"])
                before = found.get(name)
                if name in shown:
                    found[name] = RejectedRun(
                        self.table,
                        group["run_id"],
                        group["attempt"],
                        group["rejected_at_count"] + (before.rows if before else 0),
                        max(group["rejected_at_max"], before.rejected_at) if before else group["rejected_at_max"],
                    )
        return sorted(found.values(), key=lambda run: run.rejected_at)

    def kept(self) -> set[str]:
        """The runs, of any job, whose rejected rows are still here, shown or not."""
        table = self.place.load()
        return set() if table is None else {_run_of(table.io, entry.data_file)[0] for entry in live_entries(table)}

    def rows(self, runs: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
        """The rejected rows shown, or only those of some runs (names as in `RejectedRun.name`)."""
        names = [name for name in self.shown() if not runs or name in runs]
        for batch in self._batches([field.name for field in SCHEMA.fields]):
            kept = batch.filter(pc.is_in(_names(batch), pa.array(names, pa.string())))
            if kept.num_rows:
                yield kept

    def purge(self, *, before: dt.datetime | None = None, runs: Sequence[str] = (), events: Events) -> int:
        """Delete rejected rows of the job's runs that are older than `before` or are named; answers how many.

        First the stamp stops naming the runs, then their files go, together with old ones of runs that no stamp
        names. A crash between the two leaves nothing that is shown.
        """
        found = self.runs()
        doomed = [run for run in found if run.name in runs or (before is not None and run.rejected_at < before)]
        if doomed:
            names = {run.name for run in doomed}
            restamp(self.job, self.table, self.catalog, partial(_forget, names=names), events)
        self.sweep(events, runs={run.name for run in doomed})
        return sum(run.rows for run in doomed)

    def sweep(self, events: Events, *, runs: Collection[str] = ()) -> None:
        """Delete the files of some runs, and old ones that no stamp in any kept snapshot names.

        Those were replayed or replaced, or their run never committed, and no rollback could show them again.
        """
        limit = dt.datetime.now(dt.UTC) - KEPT_UNNAMED
        named = self._named_by_any_stamp()

        def is_garbage(table: Table, file: DataFile) -> bool:
            name, rejected_at = _run_of(table.io, file)
            return name in runs or (name not in named and rejected_at < limit)

        def plan(table: Table | None) -> Edit | None:
            files = () if table is None else (entry.data_file for entry in live_entries(table))
            gone = [file for file in files if table is not None and is_garbage(table, file)]
            return Edit(removed=gone) if gone else None

        if self.place.load() is not None:
            land(self.place, plan, events)

    def _named_by_any_stamp(self) -> set[str]:
        table = self.stored()
        texts = set() if table is None else kept_stamps(table.metadata)
        keeper = codec(self.job, self.catalog)
        return {name for text in texts for name in keeper.decode(text).quarantine}

    def _batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        from dativo_engine.commits.rows import reader_of

        table = self.place.load()
        if table is not None:
            reader = reader_of(table.metadata, table.io)
            for entry in live_entries(table):
                yield from reader.rows(entry.data_file, columns, batch_rows=BATCH_ROWS)


def quarantines(job: ResolvedJob) -> list[Quarantine]:
    """The quarantines of a job's tables."""
    catalog = open_catalog(job)
    tables = dict.fromkeys(stream.table for stream in job.streams)
    return [Quarantine(job, table, catalog) for table in tables]


def _names(batch: pa.RecordBatch) -> pa.StringArray:
    return pc.binary_join_element_wise(batch["run_id"].cast(pa.string()), batch["attempt"].cast(pa.string()), "/")


def _run_of(io: FileIO, file: DataFile) -> tuple[str, dt.datetime]:
    """Which run a file is of, all of it, and when that run rejected the first of its rows."""
    from dativo_engine.commits.rows import Reader

    batch = next(Reader(io, SCHEMA).rows(file, ("run_id", "attempt", "rejected_at"), batch_rows=BATCH_ROWS))
    return _names(batch)[0].as_py(), batch["rejected_at"][0].as_py()


def _forget(stamp: Stamp | None, *, names: Collection[str]) -> Stamp:
    """The stamp, no longer naming some runs."""
    if stamp is None:
        message = "the table's stamp was removed meanwhile; try again"
        raise CommitConflictError(message)
    return replace(stamp, quarantine=tuple(name for name in stamp.quarantine if name not in names))
