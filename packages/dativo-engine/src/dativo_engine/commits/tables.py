"""What a table is and how it came to be, as `dativo table show` and `table snapshots` print it."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from dativo_config.models.resolved import ResolvedJob, TableName

from dativo_engine.catalogs import open_catalog
from dativo_engine.results import describe_stamp

if TYPE_CHECKING:
    from dativo_config.models.contract import JsonValue
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot


@dataclass(frozen=True, slots=True)
class ColumnView:
    """One column; `type` as Iceberg writes it."""

    id: int
    name: str
    type: str
    required: bool
    doc: str


@dataclass(frozen=True, slots=True)
class SnapshotView:
    """One snapshot.

    Attributes:
        current: whether it is the present state, or came before it in the same chain.
        stamps: job -> stamp, of the jobs whose stamps it carries.
    """

    snapshot_id: int
    parent_id: int | None
    committed_at: str
    operation: str
    current: bool
    added_rows: int
    deleted_rows: int
    rows: int
    stamps: dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class TableView:
    """A table as of its current snapshot.

    Attributes:
        stamp: the job's own, as it stands; None: it has none here.
        partition_spec, sort_order: as a job writes them.
        snapshots: the newest first.
    """

    table: str
    metadata_location: str
    location: str
    format_version: int
    snapshot_id: int | None
    rows: int
    files: int
    size: int
    columns: tuple[ColumnView, ...]
    primary_key: tuple[str, ...]
    partition_spec: tuple[str, ...]
    sort_order: tuple[str, ...]
    properties: dict[str, str]
    stamp: JsonValue
    snapshots: tuple[SnapshotView, ...]

    def to_json(self) -> dict[str, JsonValue]:
        """The object that `dativo table show --json` prints: documented, stable names."""
        return asdict(self)


def show(job: ResolvedJob, name: TableName) -> TableView | None:
    """One of a job's tables, or the quarantine of one; None: it does not exist yet."""
    from dativo_engine.commits.fence import Place
    from dativo_engine.commits.past import past_of
    from dativo_engine.commits.stamp import PREFIX, standing
    from dativo_engine.commits.stamps import codec

    catalog = open_catalog(job)
    table = Place(catalog, name).load()
    if table is None:
        return None
    metadata = table.metadata
    snapshot = metadata.current_snapshot()
    keeper = codec(job, catalog)
    text = standing(metadata).get(keeper.key)
    return TableView(
        table=str(name),
        metadata_location=table.metadata_location,
        location=metadata.location,
        format_version=metadata.format_version,
        snapshot_id=metadata.current_snapshot_id,
        rows=_total(snapshot, "total-records"),
        files=_total(snapshot, "total-data-files"),
        size=_total(snapshot, "total-files-size"),
        columns=_columns(table.schema()),
        primary_key=tuple(sorted(table.schema().identifier_field_names())),
        partition_spec=_partitions(table),
        sort_order=_order(table),
        properties={key: value for key, value in metadata.properties.items() if not key.startswith(PREFIX)},
        stamp=None if text is None else describe_stamp(keeper.decode(text)),
        snapshots=tuple(_snapshot(item, current=current) for item, current in past_of(job, name).snapshots()),
    )


def _columns(schema: Schema) -> tuple[ColumnView, ...]:
    return tuple(
        ColumnView(field.field_id, field.name, str(field.field_type), field.required, field.doc or "")
        for field in schema.fields
    )


def _partitions(table: Table) -> tuple[str, ...]:
    return tuple(_call(str(field.transform), _column(table, field.source_id)) for field in table.spec().fields)


def _order(table: Table) -> tuple[str, ...]:
    return tuple(
        f"{_call(str(field.transform), _column(table, field.source_id))} {field.direction.value} "
        f"{field.null_order.value.replace('-', ' ')}"
        for field in table.sort_order().fields
    )


def _column(table: Table, field_id: int) -> str:
    return table.schema().find_column_name(field_id) or f"#{field_id}"


def _call(transform: str, column: str) -> str:
    """`bucket[4]` of `id` as a job writes it: `bucket(4, id)`."""
    if transform == "identity":
        return column
    kind, _, width = transform.rstrip("]").partition("[")
    return f"{kind}({width}, {column})" if width else f"{kind}({column})"


def _snapshot(snapshot: Snapshot, *, current: bool) -> SnapshotView:
    from dativo_engine.commits.stamp import PREFIX

    summary = {} if snapshot.summary is None else snapshot.summary.additional_properties
    stamps = [json.loads(text) for key, text in summary.items() if key.startswith(PREFIX)]
    return SnapshotView(
        snapshot_id=snapshot.snapshot_id,
        parent_id=snapshot.parent_snapshot_id,
        committed_at=dt.datetime.fromtimestamp(snapshot.timestamp_ms / 1000, dt.UTC).isoformat().replace("+00:00", "Z"),
        operation="" if snapshot.summary is None else snapshot.summary.operation.value,
        current=current,
        added_rows=_total(snapshot, "added-records"),
        deleted_rows=_total(snapshot, "deleted-records"),
        rows=_total(snapshot, "total-records"),
        stamps={stamp["job"]: stamp for stamp in stamps},
    )


def _total(snapshot: Snapshot | None, name: str) -> int:
    if snapshot is None or snapshot.summary is None:
        return 0
    return int(snapshot.summary.additional_properties.get(name, "0"))
