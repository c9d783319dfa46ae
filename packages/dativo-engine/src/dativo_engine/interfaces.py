"""The shapes that the five verbs hand to each other, and the protocols behind which each verb's rooms stand.

Sources see cursors, never stamps; writers see layouts, never catalogues; only `commits/` sees all of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    import pyarrow as pa
    from dativo_config.models.contract import JsonValue, SchemaObject
    from dativo_config.models.job import Incremental, RateLimits
    from dativo_config.models.resolved import TableName
    from dativo_config.walls import Walls
    from pydantic import BaseModel
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table.sorting import SortOrder

    JsonObject: TypeAlias = Mapping[str, JsonValue]


# ---- read ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the reading of a stream stands. The value is JSON that only the stream's source understands."""

    value: JsonObject


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """One stream as its source needs to know it.

    Attributes:
        inputs: resolved paths, globs, folders or URLs; empty for connectors that name objects.
        schema: what the contract says of it; None while discovering without a contract.
        cursor_field: what the incremental strategy compares, in the source's own naming; may be empty.
    """

    name: str
    inputs: tuple[str, ...] = ()
    schema: SchemaObject | None = None
    cursor_field: str = ""


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """All that a source is made from. Picklable; secrets in it are resolved, so it never leaves the run's processes.

    Attributes:
        options, credentials, connection: the models that the connector's spec names, validated.
        memory_bytes: how much the source may hold in its buffers.
        walls: asked about each file of this machine that a glob or folder leads to; None: every file may be read.
        rates_folder: where the tenant's runs share how often they ask; None: this run has rates of its own.
        spill_folder: for copies of what can't be read where it lies, gone with the run; None: the system's folder.
    """

    connector: str
    tenant_id: str
    job_name: str
    project: Path
    streams: tuple[StreamSettings, ...]
    options: BaseModel | None = None
    credentials: BaseModel | None = None
    connection: BaseModel | None = None
    incremental: Incremental | None = None
    rate_limits: RateLimits | None = None
    on_changed_file: Literal["error", "ignore"] = "error"
    rereads_changed_files: bool = False
    memory_bytes: int = 128 * 1024 * 1024
    walls: Walls | None = None
    rates_folder: Path | None = None
    spill_folder: Path | None = None


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What `discover` says of a stream: the schema as the source has it, and what could identify and order rows."""

    name: str
    arrow_schema: pa.Schema
    primary_key: tuple[str, ...] = ()
    cursor_candidates: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Split:
    """A part of a source that one worker reads: picklable, and the same part whenever it is read again.

    Attributes:
        id: unique within the plan, stable between runs for the same part.
        ordered: its batches come in the stream's cursor order.
        resumable: reading can start from a batch's cursor.
        identity: changes when the part's content does (path, size, time, ETag of a file).
        payload: the source's own description of the part.
        resume: where in a resumable split to start: the cursor of the last batch that was kept; None: at its beginning.
        size: bytes to read, for the progress bar; None: not known.
    """

    id: str
    streams: tuple[str, ...]
    identity: str
    ordered: bool = False
    resumable: bool = False
    payload: JsonObject = field(default_factory=dict)
    size: int | None = None
    resume: Cursor | None = None


class Plan(Protocol):
    """All that one run reads.

    Attributes:
        splits: lazy, in plan order; the rows' read order is split order, then position.
        ends: each stream's cursor once all its splits are read. None: the stream has one ordered split, whose last
            batch's cursor it is. Complete only after `splits` was exhausted.
    """

    @property
    def splits(self) -> Iterable[Split]: ...

    @property
    def ends(self) -> Mapping[str, Cursor | None]: ...

    def close(self, committed: Mapping[str, Cursor] | None) -> None:
        """After publish: confirm to the source, delete temporary files, end shared snapshots. None: not committed."""
        ...


@dataclass(frozen=True, slots=True)
class Position:
    """Where a batch's rows stand in the source, so that a bad cell can be named by file and row.

    Attributes:
        source: the file, URL or page, as a person would write it.
        first_row: the record number of the batch's first row, counted from 1 in that source.
        rows: the record number of every row, where they are not consecutive.
    """

    source: str
    first_row: int = 1
    rows: pa.Int64Array | None = None

    def row(self, index: int) -> int:
        """The record number of the batch's row `index`."""
        return self.first_row + index if self.rows is None else self.rows[index].as_py()


@dataclass(frozen=True, slots=True)
class Malformed:
    """A record that is no row at all (too few fields, broken JSON): counted as read and as rejected.

    Attributes:
        line: the physical line in the source, counted from 1; 0: not known.
        row: the record number, counted from 1; 0: not known.
        raw: its text, cut at 64 KiB.
    """

    source: str
    line: int
    row: int
    raw: str
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of one stream, in read order.

    `records` may miss columns of the contract, have others, and have other types: a column whose text did not all
    convert comes as strings (normalised by the source to ISO dates, `.` decimals, null for its null spellings), and
    the enforcer finds the bad cells. Column names are the source's own.

    Attributes:
        op: per row 0 upsert or 1 delete (then only key columns count); None: all upserts.
        cursor: the resume point within the split after this batch; None: there is none here.
        bytes_read: bytes of the source consumed since the batch before, for the progress bar.
    """

    stream: str
    records: pa.RecordBatch
    position: Position
    op: pa.Int8Array | None = None
    malformed: tuple[Malformed, ...] = ()
    cursor: Cursor | None = None
    bytes_read: int = 0


class Source(Protocol):
    """One connector, opened with one job's settings."""

    def check(self) -> None:
        """Reach everything a run would reach.

        Raises:
            ConnectionFailedError, AuthenticationError, FatalError: naming host and port, or the setting to change.
        """
        ...

    def discover(self) -> list[StreamInfo]:
        """What the source offers, from its own schema or a sample."""
        ...

    def plan(self, starts: Mapping[str, Cursor | None]) -> Plan:
        """What to read from where each stream's last committed run ended (None: from the beginning)."""
        ...

    def read(self, split: Split) -> Iterator[Batch]:
        """The rows of one split, in order.

        Raises:
            RetryableError: the split is no longer what was planned, or its server hung up.
            FatalError: it can't be read as the options say.
        """
        ...


# ---- enforce ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the contract says of one batch. `accepted.num_rows + rejected_rows` is the batch's rows plus malformed.

    Attributes:
        accepted: table columns in contract order, cast to the contract's types.
        op: as in the batch, for the accepted rows.
        rejected: rows in `contracts.enforce.REJECTED_SCHEMA`; None: none.
    """

    accepted: pa.RecordBatch
    op: pa.Int8Array | None = None
    rejected: pa.RecordBatch | None = None

    @property
    def rejected_rows(self) -> int:
        """How many rows were rejected, malformed ones included."""
        return 0 if self.rejected is None else self.rejected.num_rows


@dataclass(frozen=True, slots=True)
class LateRows:
    """Staged rows found bad only at the end (a key seen twice across splits or in the table already).

    They may be all rows of a run, so of each only a bit is kept; the rows themselves stay in their file.

    Attributes:
        path: the staged file.
        bad: for every row of that file, whether it is one of these.
        rule, columns: what they break; empty: not told.
        message: what is wrong with each of them; its key follows.
    """

    path: str
    bad: pa.BooleanArray
    rule: str = ""
    columns: tuple[str, ...] = ()
    message: str = ""

    @property
    def count(self) -> int:
        """How many rows they are."""
        return self.bad.true_count

    @property
    def positions(self) -> pa.Int64Array:
        """Their positions in the file, ascending, from 0: for when they are few."""
        import pyarrow as pa
        import pyarrow.compute as pc

        return pc.indices_nonzero(self.bad).cast(pa.int64())


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule of the contract over the whole run.

    Attributes:
        measured: the metric's value; for a row check the number of rows that broke it.
        examples: up to three broken cells as a person would name them, classified values masked.
    """

    rule: str
    column: str
    kind: str
    passed: bool
    measured: float
    expected: str
    severity: Literal["error", "warning", "info"] = "error"
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What the contract says of a whole stream.

    Attributes:
        rules: every rule that was checked, broken or not.
        late: staged rows that must not land.
        unknown_columns: columns the source had and the contract lacks.
    """

    read: int
    accepted: int
    rejected: int
    rules: tuple[RuleResult, ...] = ()
    late: tuple[LateRows, ...] = ()
    unknown_columns: tuple[str, ...] = ()

    @property
    def broken(self) -> tuple[RuleResult, ...]:
        """Rules of severity error that did not hold."""
        return tuple(rule for rule in self.rules if not rule.passed and rule.severity == "error")


class Enforcer(Protocol):
    """One stream's contract, compiled. `Partial` is its own mergeable, picklable running state."""

    def enforce(self, batch: Batch) -> Verdict:
        """Split a batch into what keeps the contract and what breaks it.

        Raises:
            ContractError: a required column is missing, or an unknown one came and `unknown_columns` is error.
        """
        ...

    def partial(self) -> object:
        """What was seen so far, to be merged with other workers' by `finish`."""
        ...

    def go_on(self, partial: object, staged: Sequence[StagedFile]) -> None:
        """Take over what an interrupted run of the same contract had seen: its `partial`, the keys of what it staged.

        Before the first batch.
        """
        ...

    def finish(self, partials: Sequence[object], staged: Sequence[StagedFile]) -> Report:
        """The rules over the whole run. `staged` are the run's files of this stream, in read order; they are read."""
        ...


# ---- write -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TableLayout:
    """How a table's data files must look: what a writer needs, decided by `commits/` before the first row.

    Attributes:
        location: the table's root; data files go below `<location>/data`.
        io_properties: settings of the file system (pyiceberg FileIO names). May hold secrets, and so is not shown.
        schema: with the field ids the files carry.
        target_file_bytes: size of a full file as written to disk.
    """

    table: TableName
    location: str
    io_properties: Mapping[str, str] = field(repr=False)
    schema: Schema
    spec: PartitionSpec
    sort_order: SortOrder
    target_file_bytes: int


@dataclass(frozen=True, slots=True)
class StagedFile:
    """One finished data file that no reader of the table can see yet. Picklable.

    The statistics are Iceberg's own, by field id; bounds are in Iceberg's single-value binary form. `size` is bytes.
    """

    table: TableName
    path: str
    rows: int
    size: int
    spec_id: int
    partition: tuple[object, ...] = ()
    sort_order_id: int | None = None
    column_sizes: Mapping[int, int] = field(default_factory=dict[int, int])
    value_counts: Mapping[int, int] = field(default_factory=dict[int, int])
    null_value_counts: Mapping[int, int] = field(default_factory=dict[int, int])
    nan_value_counts: Mapping[int, int] = field(default_factory=dict[int, int])
    lower_bounds: Mapping[int, bytes] = field(default_factory=dict[int, bytes])
    upper_bounds: Mapping[int, bytes] = field(default_factory=dict[int, bytes])
    split_offsets: tuple[int, ...] = ()


class Writer(Protocol):
    """Writes one table's rows as data files. One per worker and stream; not shared between threads."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Take rows in the layout's column order; may write, may buffer.

        Raises:
            RetryableError, FatalError: the file system failed, now or for rows taken before.
        """
        ...

    def flush(self) -> list[StagedFile]:
        """Finish every open file. The writer takes more rows afterwards.

        Raises:
            RetryableError, FatalError: the file system failed.
        """
        ...

    def abort(self) -> None:
        """Delete every file this writer made, also those that `flush` answered. Safe to call twice.

        Raises:
            RetryableError, FatalError: a file can't be deleted.
        """
        ...


# ---- commit ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stamp:
    """A job's mark in a table: which run was last, and where each stream that feeds this table then stood.

    Attributes:
        cursors: stream -> cursor; a cursor too large for the stamp is kept beside the table under its hash.
        versions: of contract and packages, for people.
        snapshot_id: the snapshot that the stamp came with; None before it is committed.
        quarantine: the runs (`run id/attempt`) whose rejected rows this job shows; the committer fills it in.
    """

    job: str
    tenant: str
    run_id: str
    attempt: int
    cursors: Mapping[str, Cursor]
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    committed_at: str = ""
    snapshot_id: int | None = None
    quarantine: tuple[str, ...] = ()


CommitStatus: TypeAlias = Literal["committed", "unchanged", "already_committed"]


@dataclass(frozen=True, slots=True)
class CommitResult:
    """What one table's commit did. `unchanged`: neither rows nor cursor moved, so nothing was written."""

    table: TableName
    status: CommitStatus
    snapshot_id: int | None
    stamp: Stamp
    rows: int = 0
    files: int = 0
    size: int = 0
    metadata_location: str = ""
    location: str = ""


class Committer(Protocol):
    """Makes a run's files visible, once. One per run, over all its tables and their quarantines.

    Nothing is visible in any table before `publish`, and schema evolution is part of it.
    """

    def last(self) -> Mapping[TableName, Stamp | None]:
        """Each table's stamp of this job, as of now: what the run is planned from and `publish` expects.

        Raises:
            FatalError: a table has rows and no stamp where one is due; names the `dativo state` command.
        """
        ...

    def layout(self, table: TableName) -> TableLayout:
        """How files of a table (or of a `TableName.quarantine`) must look, existing or about to be created.

        Raises:
            FatalError: the contract does not fit the table; names the columns.
        """
        ...

    def stage(self, files: Sequence[StagedFile]) -> None:
        """Take finished files for `publish`. From here on `abandon` deletes them; those taken before may come again."""
        ...

    def find_stored(self, files: Sequence[StagedFile], *, enough: int | None = None) -> tuple[LateRows, ...]:
        """The rows of staged files whose key the table already holds (append only).

        Args:
            enough: stop at about so many; None: find all.
        """
        ...

    def publish(self, new: Mapping[TableName, Stamp], late: Sequence[LateRows]) -> Mapping[TableName, CommitResult]:
        """Evolve the schema; append, merge or replace; fence, show: quarantine first, then the tables.

        Raises:
            CommitConflictError: another run of this job was first; plan again.
            CommitStateUnknownError: the answer was lost, and the table can't be asked; its files may be visible.
            FatalError: a person has to allow what the run would do, or to mend the table first.
        """
        ...

    def sweep(self, locations: Collection[str]) -> None:
        """Delete these files, except those that a table names: what a checkpoint kept and nobody needs any more."""
        ...

    def abandon(self) -> None:
        """Delete what was staged and not published. Safe to call at any time, and twice."""
        ...
