"""How a table's files must look: as the table has it, or as the contract will create it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dativo_config.models.resolved import ResolvedJob, ResolvedStream, TableName
from pyiceberg.catalog import Catalog
from pyiceberg.io import PY_IO_IMPL
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata, new_table_metadata
from pyiceberg.table.sorting import SortOrder

from dativo_engine.catalogs import warehouse_location
from dativo_engine.commits.schema import contract_schema, partition_spec, schema_differences, sort_order
from dativo_engine.errors import CommitConflictError, FatalError
from dativo_engine.interfaces import TableLayout

# Version 1 can't tell which files came since; PyIceberg can't write version 3.
FORMAT_VERSION = 2
DEFAULT_PROPERTIES: Mapping[str, str] = {
    "format-version": str(FORMAT_VERSION),
    "write.parquet.compression-codec": "zstd",
    "commit.manifest-merge.enabled": "true",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "100",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a job asks of a table.

    Attributes:
        partitioning, sorting: None where the job leaves it to the table.
    """

    schema: Schema
    partitioning: PartitionSpec | None
    sorting: SortOrder | None
    properties: Mapping[str, str]
    location: str

    def creation(self) -> TableMetadata:
        """The table as it will be created, with its first snapshot."""
        empty = partition_spec((), self.schema), sort_order((), self.schema)
        return new_table_metadata(
            schema=self.schema,
            partition_spec=self.partitioning or empty[0],
            sort_order=self.sorting or empty[1],
            location=self.location,
            properties={**DEFAULT_PROPERTIES, **self.properties},
        )


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
    )


def table_location(job: ResolvedJob, name: TableName) -> str:
    """Where a new table's files go."""
    return "/".join((warehouse_location(job), *name.namespace, name.table))


def check_fits(name: TableName, table: Table, want: Wanted) -> None:
    """That files written as the job wants them fit the table as it is.

    Raises:
        FatalError: they differ, with every difference named.
    """
    if (version := table.metadata.format_version) != FORMAT_VERSION:
        message = f"{name}: the table has format version {version}; dativo writes to version {FORMAT_VERSION}"
        raise FatalError(message)
    differences = schema_differences(table.schema(), want.schema)
    if want.partitioning is not None and not _same_partitions(want.partitioning, want.schema, table):
        differences.append(f"the table is partitioned by {table.spec()}, the job wants {want.partitioning}")
    if want.sorting is not None and not _same_order(want.sorting, want.schema, table):
        differences.append(f"the table is sorted by {table.sort_order()}, the job wants {want.sorting}")
    if differences:
        message = f"{name}: schema evolution is not available in this version: {'; '.join(differences)}"
        raise FatalError(message)


def check_unmoved(name: TableName, planned: TableMetadata, now: TableMetadata) -> None:
    """That files written for the table as planned are files of the table as it is now.

    Raises:
        CommitConflictError: schema or partitioning changed since.
    """
    if planned.schema() != now.schema() or planned.spec() != now.spec():
        message = f"{name}: its schema or partitioning was changed during the run"
        raise CommitConflictError(message)


def layout_of(name: TableName, metadata: TableMetadata, *, catalog: Catalog, target_file_bytes: int) -> TableLayout:
    """What a writer of the table's files needs to know."""
    # Data files go through PyIceberg's own file system, which hands Arrow a native file.
    properties = {key: value for key, value in catalog.properties.items() if key != PY_IO_IMPL}
    return TableLayout(
        table=name,
        location=metadata.location,
        io_properties={**properties, **metadata.properties},
        schema=metadata.schema(),
        spec=metadata.spec(),
        sort_order=metadata.sort_order_by_id(metadata.default_sort_order_id) or sort_order((), metadata.schema()),
        target_file_bytes=target_file_bytes,
    )


def _same_partitions(spec: PartitionSpec, schema: Schema, table: Table) -> bool:
    stored = [(table.schema().find_column_name(field.source_id), str(field.transform)) for field in table.spec().fields]
    return stored == [(schema.find_column_name(field.source_id), str(field.transform)) for field in spec.fields]


def _same_order(order: SortOrder, schema: Schema, table: Table) -> bool:
    stored = [
        (table.schema().find_column_name(field.source_id), str(field.transform), field.direction, field.null_order)
        for field in table.sort_order().fields
    ]
    return stored == [
        (schema.find_column_name(field.source_id), str(field.transform), field.direction, field.null_order)
        for field in order.fields
    ]
