"""Deletes as other engines write them: PyIceberg reads those by position, and has a writer for none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriterV2,
)
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update.snapshot import _FastAppendFiles  # pyright: ignore[reportPrivateUsage]
from pyiceberg.typedef import Record
from typing_extensions import override

SCHEMA = pa.schema(
    [
        pa.field("file_path", pa.string(), nullable=False, metadata={"PARQUET:field_id": "2147483546"}),
        pa.field("pos", pa.int64(), nullable=False, metadata={"PARQUET:field_id": "2147483545"}),
    ]
)


class DeleteManifestWriter(ManifestWriterV2):
    """Writes a manifest of delete files."""

    @override
    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    @override
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


class DeleteRows(_FastAppendFiles):
    """A snapshot that adds one delete file."""

    deletes: DataFile

    @override
    def _manifests(self) -> list[ManifestFile]:
        metadata = self._transaction.table_metadata
        with DeleteManifestWriter(
            metadata.spec(), metadata.schema(), self.new_manifest_output(), self._snapshot_id, "deflate"
        ) as writer:
            entry = ManifestEntry.from_args(
                status=ManifestEntryStatus.ADDED,
                snapshot_id=self._snapshot_id,
                sequence_number=None,
                file_sequence_number=None,
                data_file=self.deletes,
            )
            writer.add(entry)
        return [writer.to_manifest_file(), *self._existing_manifests()]


def mark_dead(table: Table, positions: Sequence[int]) -> None:
    """Commit a delete file for rows of the table's only data file."""
    (task,) = table.scan().plan_files()
    rows: dict[str, Any] = {"file_path": [task.file.file_path] * len(positions), "pos": list(positions)}
    _commit(table, pa.table(rows, schema=SCHEMA), DataFileContent.POSITION_DELETES)


def delete_by_value(table: Table, column: str, values: Sequence[int]) -> None:
    """Commit a delete file that says: all rows with one of these values are gone."""
    number = table.schema().find_field(column).field_id
    field = pa.field(column, pa.int64(), metadata={"PARQUET:field_id": str(number)})
    rows = pa.table([pa.array(values, pa.int64())], schema=pa.schema([field]))
    _commit(table, rows, DataFileContent.EQUALITY_DELETES, equality_ids=[number])


def _commit(table: Table, rows: pa.Table, content: DataFileContent, equality_ids: list[int] | None = None) -> None:
    path = (
        Path(table.metadata.location.removeprefix("file://"))
        / "data"
        / f"deletes-{table.metadata.last_updated_ms}.parquet"
    )
    pq.write_table(rows, path)
    with table.transaction() as transaction:
        producer = DeleteRows(operation=Operation.OVERWRITE, transaction=transaction, io=table.io)
        producer.deletes = DataFile.from_args(
            content=content,
            file_path=f"file://{path}",
            file_format=FileFormat.PARQUET,
            partition=Record(),
            record_count=rows.num_rows,
            file_size_in_bytes=path.stat().st_size,
            sort_order_id=None,
            equality_ids=equality_ids,
            key_metadata=None,
        )
        producer.deletes.spec_id = 0
        producer.commit()
