"""Staged files as Iceberg's manifests list them, and what manifests list."""

from __future__ import annotations

from collections.abc import Iterator

from pyiceberg.io import FileIO
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat, ManifestContent, ManifestEntry
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata, TableMetadataV1
from pyiceberg.typedef import Record

from dativo_engine.interfaces import StagedFile


def to_data_file(staged: StagedFile, spec: PartitionSpec) -> DataFile:
    """The manifest entry's data file, statistics included."""
    if staged.spec_id != spec.spec_id:
        message = f"{staged.path} was written for partition spec {staged.spec_id}, the table is at {spec.spec_id}"
        raise ValueError(message)
    file = DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=staged.path,
        file_format=FileFormat.PARQUET,
        partition=Record(*staged.partition),
        record_count=staged.rows,
        file_size_in_bytes=staged.size,
        column_sizes=dict(staged.column_sizes),
        value_counts=dict(staged.value_counts),
        null_value_counts=dict(staged.null_value_counts),
        nan_value_counts=dict(staged.nan_value_counts),
        lower_bounds=dict(staged.lower_bounds),
        upper_bounds=dict(staged.upper_bounds),
        split_offsets=list(staged.split_offsets) or None,
        sort_order_id=staged.sort_order_id,
        equality_ids=None,
        key_metadata=None,
    )
    file.spec_id = staged.spec_id
    return file


def live_entries(table: Table, *, after: int = -1) -> Iterator[ManifestEntry]:
    """The current snapshot's data files that came with a sequence number greater than `after`."""
    snapshot = table.metadata.current_snapshot()
    if snapshot is None:
        return
    for manifest in snapshot.manifests(table.io):
        # A manifest is as new as its newest file.
        if manifest.content is not ManifestContent.DATA or manifest.sequence_number <= after:
            continue
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
            if (entry.sequence_number or 0) > after:
                yield entry


def referenced_paths(metadata: TableMetadata, io: FileIO) -> set[str]:
    """The data files that any snapshot of a table names, old ones included."""
    manifests = {manifest.manifest_path: manifest for item in metadata.snapshots for manifest in item.manifests(io)}
    return {
        entry.data_file.file_path
        for manifest in manifests.values()
        for entry in manifest.fetch_manifest_entry(io, discard_deleted=False)
    }


def named_files(metadata: TableMetadata, io: FileIO) -> set[str]:
    """Every file that a reader of any kept snapshot may open, the metadata files aside."""
    manifests = {manifest.manifest_path: manifest for item in metadata.snapshots for manifest in item.manifests(io)}
    entries = (entry for manifest in manifests.values() for entry in manifest.fetch_manifest_entry(io))
    statistics = (*metadata.statistics, *metadata.partition_statistics)
    return {
        *manifests,
        *(snapshot.manifest_list for snapshot in metadata.snapshots),
        *(entry.data_file.file_path for entry in entries),
        *(file.statistics_path for file in statistics),
    }


def stored_rows(metadata: TableMetadata) -> int:
    """The rows of the current snapshot, as its summary counts them; 1 where it does not."""
    snapshot = metadata.current_snapshot()
    if snapshot is None:
        return 0
    summary = {} if snapshot.summary is None else snapshot.summary.additional_properties
    return int(summary.get("total-records", "1"))


def last_sequence_number(metadata: TableMetadata) -> int:
    """The number of the newest commit."""
    return 0 if isinstance(metadata, TableMetadataV1) else metadata.last_sequence_number
