"""How a table's files must look: as the table has it, or as the contract will create it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dativo_config.models.contract import SchemaObject
from dativo_config.models.resolved import ResolvedJob, ResolvedStream, TableName
from pyiceberg.io import FileIO
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.metadata import TableMetadata, TableMetadataV2
from pyiceberg.table.sorting import SortOrder
from pyiceberg.table.update import (
    AddPartitionSpecUpdate,
    AddSchemaUpdate,
    AddSortOrderUpdate,
    SetCurrentSchemaUpdate,
    SetDefaultSortOrderUpdate,
    SetDefaultSpecUpdate,
    TableUpdate,
    update_table_metadata,
)

from dativo_engine.catalogs import warehouse_location
from dativo_engine.commits.evolution import COLUMN_IDS, PRIMARY_KEY, Mode, evolve
from dativo_engine.commits.schema import column_ids, contract_schema, partition_spec, sort_order
from dativo_engine.commits.settings import dropped, note, noted
from dativo_engine.errors import CommitConflictError, FatalError
from dativo_engine.interfaces import TableLayout

DEFAULT_PROPERTIES: Mapping[str, str] = {
    "write.parquet.compression-codec": "zstd",
    "commit.manifest-merge.enabled": "true",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "100",
}

# Partition fields are numbered from 1000.
_LAST_BEFORE_PARTITIONS = 999
# How the REST specification names the schema, spec or order that the same commit adds.
LAST_ADDED = -1


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a job asks of a table.

    Attributes:
        partitioning, sorting: None where the job leaves it to the table.
        column_ids: the contract's ids of columns, by which renamed ones are recognised.
        noted_under: the property that tells which others the job set; empty where it sets none.
        key: the contract's primary key.
        replaces: the run's rows take the place of all that are stored.
    """

    schema: Schema
    partitioning: PartitionSpec | None
    sorting: SortOrder | None
    properties: Mapping[str, str]
    location: str
    column_ids: Mapping[str, str] = field(default_factory=dict[str, str])
    noted_under: str = ""
    key: tuple[str, ...] = ()
    replaces: bool = False

    def creation(self) -> TableMetadata:
        """The table as it will be created, with its first snapshot.

        In version 2: version 1 can't tell which files came since, and PyIceberg can't write version 3.
        """
        spec = self.partitioning or partition_spec((), self.schema)
        order = self.sorting or sort_order((), self.schema)
        # PyIceberg's own way to make it would number the columns anew.
        return TableMetadataV2.model_validate(
            {
                "location": self.location,
                "schemas": [self.schema],
                "current-schema-id": self.schema.schema_id,
                "last-column-id": self.schema.highest_field_id,
                "partition-specs": [spec],
                "default-spec-id": spec.spec_id,
                "last-partition-id": spec.last_assigned_field_id,
                "sort-orders": [order],
                "default-sort-order-id": order.order_id,
                "properties": {**DEFAULT_PROPERTIES, **self.all_properties(self.schema)},
            }
        )

    def all_properties(self, schema: Schema) -> dict[str, str]:
        """The table's properties, what later renames, changes and a moved key are recognised by among them."""
        numbers = {name: schema.find_field(place).field_id for place, name in self.column_ids.items()}
        key = [schema.find_field(name).field_id for name in self.key]
        found = {COLUMN_IDS: numbers, PRIMARY_KEY: key}
        notes = {name: json.dumps(item, sort_keys=True) for name, item in found.items() if item}
        return {**self.properties, **note(self.noted_under, self.properties), **notes}

    def sets_anew(self, stored: Mapping[str, str]) -> bool:
        """Whether the job asks for other properties than when it last committed."""
        return noted(stored, self.noted_under) != dict(self.properties)

    def changed_properties(self, stored: Mapping[str, str], schema: Schema) -> tuple[dict[str, str], list[str]]:
        """What is to be set in a table that has these, and what is to go."""
        gone = dropped(stored, self.noted_under, self.properties)
        if not self.key and PRIMARY_KEY in stored:
            gone |= {PRIMARY_KEY}
        defaults = {name: text for name, text in DEFAULT_PROPERTIES.items() if name in gone}
        due = {**defaults, **self.all_properties(schema)}
        changed = {name: text for name, text in due.items() if stored.get(name) != text}
        return changed, sorted(gone - defaults.keys())


@dataclass(frozen=True, slots=True)
class Step:
    """What takes a table to what the job wants of it.

    Attributes:
        metadata: the table as it will then be.
        updates: made in the commit that brings the run's files; empty: nothing is to be changed.
        changes: the same for people.
    """

    metadata: TableMetadata
    updates: tuple[TableUpdate, ...] = ()
    changes: tuple[str, ...] = ()


def wanted(job: ResolvedJob, stream: ResolvedStream) -> Wanted:
    """What the job asks of the table that a stream feeds.

    Raises:
        FatalError: the partitioning or the sort order does not fit the contract.
    """
    schema = contract_schema(stream.schema)
    partitioning = job.target.partitioning or stream.schema.partition_columns
    sorting = job.target.sort_order or stream.schema.sort_order
    return Wanted(
        schema=schema,
        partitioning=partition_spec(partitioning, schema) if partitioning else None,
        sorting=sort_order(sorting, schema) if sorting else None,
        properties=job.target.properties,
        location=table_location(job, stream.table),
        column_ids=column_ids(stream.schema),
        noted_under=job.tenant.settings_property(job.name),
        key=stream.schema.primary_key,
        replaces=job.target.mode == "replace",
    )


def table_location(job: ResolvedJob, name: TableName) -> str:
    """Where a new table's files go."""
    return "/".join((warehouse_location(job), *name.namespace, name.table))


def next_step(name: TableName, base: TableMetadata, want: Wanted, mode: Mode) -> Step:
    """What a newer contract or job changes in a table, before the first row that is written for it.

    Raises:
        FatalError: something that stored rows do not allow, or that the mode does not take; names the columns.
    """
    try:
        grown = evolve(
            base.schema(),
            want.schema,
            last_column_id=base.last_column_id,
            known=_known(base, want.column_ids),
            key=want.key,
            stored_key=_stored_key(base),
            replaces=want.replaces,
            mode=mode,
        )
    except FatalError as error:
        message = f"{name}: {error}"
        raise FatalError(message) from error
    metadata, updates = base, list[TableUpdate]()
    if grown.changes:
        schema = grown.schema.model_copy(update={"schema_id": max(item.schema_id for item in base.schemas) + 1})
        updates += [AddSchemaUpdate(schema=schema), SetCurrentSchemaUpdate.model_validate({"schema-id": LAST_ADDED})]
    metadata = _updated(base, updates)
    changes = list(grown.changes)
    for kind, found in (
        ("partitioned", _partition_updates(metadata, want)),
        ("sorted", _order_updates(metadata, want)),
    ):
        if found:
            changes.append(f"the table is {kind} otherwise")
            updates += found
    if len(changes) > len(grown.changes) and mode == "strict":
        message = f"{name}: {'; '.join(changes)}; set schema_evolution: additive, or leave the job as it was"
        raise FatalError(message)
    return Step(_updated(base, updates), tuple(updates), tuple(changes))


def check_unmoved(name: TableName, planned: TableMetadata, now: TableMetadata) -> None:
    """That files written for the table as planned are files of the table as it is now.

    Raises:
        CommitConflictError: schema or partitioning changed since.
    """
    if planned.schema() != now.schema() or planned.spec() != now.spec():
        message = f"{name}: its schema or partitioning was changed during the run"
        raise CommitConflictError(message)


def layout_of(name: TableName, metadata: TableMetadata, *, io: FileIO, target_file_bytes: int) -> TableLayout:
    """What a writer of the table's files needs to know."""
    return TableLayout(
        table=name,
        location=metadata.location,
        io_properties={**io.properties, **metadata.properties},
        schema=metadata.schema(),
        spec=metadata.spec(),
        sort_order=metadata.sort_order_by_id(metadata.default_sort_order_id) or sort_order((), metadata.schema()),
        target_file_bytes=target_file_bytes,
    )


def former_names(metadata: TableMetadata, contract: SchemaObject) -> dict[str, str]:
    """Names that top-level columns had in the table -> how the contract now calls in the source what has their id."""
    known = _known(metadata, column_ids(contract))
    present = {known[item.column]: item.name for item in contract.properties if item.column in known}
    taken = {name for item in contract.properties for name in (item.name, item.column)}
    columns = (column for schema in metadata.schemas for column in schema.fields if column.field_id in present)
    return {column.name: present[column.field_id] for column in columns if column.name not in taken}


def _updated(metadata: TableMetadata, updates: Sequence[TableUpdate]) -> TableMetadata:
    return update_table_metadata(metadata, tuple(updates)) if updates else metadata


def _known(base: TableMetadata, wanted_ids: Mapping[str, str]) -> dict[str, int]:
    """The contract's columns whose id the table knows -> the field id of the column that has it there."""
    numbers: Mapping[str, int] = json.loads(base.properties.get(COLUMN_IDS, "{}"))
    present = base.schema().field_ids
    return {place: numbers[name] for place, name in wanted_ids.items() if numbers.get(name) in present}


def _stored_key(base: TableMetadata) -> Sequence[int]:
    """The key by which stored rows are unique: what Iceberg says of it, else what dativo noted; empty: nobody said."""
    noted: Sequence[int] = json.loads(base.properties.get(PRIMARY_KEY, "[]"))
    return base.schema().identifier_field_ids or noted


def _partition_updates(metadata: TableMetadata, want: Wanted) -> Sequence[TableUpdate]:
    """A partition spec with the ids the table gave to the same fields before, and new ones for new fields."""
    if want.partitioning is None:
        return []
    schema = metadata.schema()
    asked = [
        (_source(field.source_id, want.schema, schema), field.transform, field.name)
        for field in want.partitioning.fields
    ]
    if asked == [(field.source_id, field.transform, field.name) for field in metadata.spec().fields]:
        return []
    known = {
        (field.source_id, str(field.transform)): field.field_id
        for spec in metadata.partition_specs
        for field in spec.fields
    }
    fresh = itertools.count(max(metadata.last_partition_id or 0, _LAST_BEFORE_PARTITIONS) + 1)
    fields = [
        PartitionField(source, known.get((source, str(transform))) or next(fresh), transform, name)
        for source, transform, name in asked
    ]
    same = next((spec for spec in metadata.partition_specs if list(spec.fields) == fields), None)
    if same is not None:
        return [SetDefaultSpecUpdate.model_validate({"spec-id": same.spec_id})]
    number = max(spec.spec_id for spec in metadata.partition_specs) + 1
    return [
        AddPartitionSpecUpdate(spec=PartitionSpec(*fields, spec_id=number)),
        SetDefaultSpecUpdate.model_validate({"spec-id": LAST_ADDED}),
    ]


def _order_updates(metadata: TableMetadata, want: Wanted) -> Sequence[TableUpdate]:
    if want.sorting is None:
        return []
    schema = metadata.schema()
    fields = [
        field.model_copy(update={"source_id": _source(field.source_id, want.schema, schema)})
        for field in want.sorting.fields
    ]
    current = metadata.sort_order_by_id(metadata.default_sort_order_id)
    if current is not None and list(current.fields) == fields:
        return []
    same = next((order for order in metadata.sort_orders if list(order.fields) == fields), None)
    if same is not None:
        return [SetDefaultSortOrderUpdate.model_validate({"sort-order-id": same.order_id})]
    number = max((order.order_id for order in metadata.sort_orders), default=0) + 1
    order = SortOrder(*fields, order_id=number)
    return [
        AddSortOrderUpdate.model_validate({"sort-order": order}),
        SetDefaultSortOrderUpdate.model_validate({"sort-order-id": LAST_ADDED}),
    ]


def _source(source_id: int, contract: Schema, table: Schema) -> int:
    """The table's id of a column that the contract's schema numbers otherwise."""
    return table.find_field(contract.find_column_name(source_id) or "").field_id
