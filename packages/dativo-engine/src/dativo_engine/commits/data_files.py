"""Staged files as Iceberg's manifests list them, and what manifests list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from pyiceberg.io import FileIO
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat, ManifestContent, ManifestEntry, ManifestFile
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.table import FileScanTask, Table
from pyiceberg.table.metadata import TableMetadata, TableMetadataV1
from pyiceberg.typedef import Record

from dativo_engine.errors import FatalError
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


def scan_tasks(table: Table) -> list[FileScanTask]:
    """The current snapshot's data files, each with the files that mark rows of it as dead.

    Raises:
        FatalError: rows are marked as dead by their values, which only the engine that did so can apply.
    """
    try:
        return list(table.scan().plan_files())
    except ValueError as error:  # PyIceberg's for equality deletes, among others
        file = _equality_deletes(table)
        if file is None:
            raise
        name = ".".join(table.name())
        message = (
            f"{name}: {file} marks rows as deleted by their values (equality deletes), and such can't be applied here; "
            "have an engine that can rewrite the table's files without them (Spark: system.rewrite_data_files with "
            "delete-file-threshold 1 and remove-dangling-deletes true), then try again"
        )
        raise FatalError(message) from error


def live_entries(table: Table) -> Iterator[ManifestEntry]:
    """The current snapshot's data files."""
    yield from _entries(_manifests(table, ManifestContent.DATA).values(), table.io)


def came_since(table: Table, base: Table | None) -> list[FileScanTask]:
    """The data files whose rows may be ones that the base did not show.

    By name, not by sequence number: what is rolled forward to comes back with its old one.
    """
    try:
        old, new = _both(base, table, ManifestContent.DELETES)
        if old.keys() - new.keys():
            return scan_tasks(table)  # deletes were taken back, or rewritten: any row may be back
        old, new = _both(base, table, ManifestContent.DATA)
        before = {entry.data_file.file_path for entry in _entries(_without(old, new), table.io)}
    except FileNotFoundError:
        return scan_tasks(table)  # the base was expired meanwhile: nobody can say what it showed
    came = (entry.data_file for entry in _entries(_without(new, old), table.io))
    return [FileScanTask(file) for file in came if file.file_path not in before]


def _equality_deletes(table: Table) -> str | None:
    entries = _entries(_manifests(table, ManifestContent.DELETES).values(), table.io)
    files = (entry.data_file for entry in entries)
    return next((file.file_path for file in files if file.content is DataFileContent.EQUALITY_DELETES), None)


Manifests: TypeAlias = dict[str, ManifestFile]
"""By their paths."""


def _both(base: Table | None, table: Table, content: ManifestContent) -> tuple[Manifests, Manifests]:
    return {} if base is None else _manifests(base, content), _manifests(table, content)


def _manifests(table: Table, content: ManifestContent) -> Manifests:
    snapshot = table.metadata.current_snapshot()
    manifests = [] if snapshot is None else snapshot.manifests(table.io)
    return {manifest.manifest_path: manifest for manifest in manifests if manifest.content is content}


def _without(manifests: Manifests, others: Manifests) -> Iterator[ManifestFile]:
    return (manifest for path, manifest in manifests.items() if path not in others)


def _entries(manifests: Iterable[ManifestFile], io: FileIO) -> Iterator[ManifestEntry]:
    for manifest in manifests:
        yield from manifest.fetch_manifest_entry(io, discard_deleted=True)


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
