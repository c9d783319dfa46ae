"""A table of files without a catalogue, into which the tests of merge merge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from dativo_config.models.resolved import TableName
from dativo_engine.catalogs.locations import file_location, local_path
from dativo_engine.commits.changes import ChangeSet, MergeRule
from dativo_engine.commits.data_files import to_data_file
from dativo_engine.commits.merge import Merge, Merged
from dativo_engine.commits.rows import Reader
from dativo_engine.interfaces import StagedFile, TableLayout
from dativo_engine.storage.fileio import StorageFileIO
from dativo_engine.writers.parquet import open_writer
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import FileScanTask
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER, SortOrder
from pyiceberg.types import BooleanType, LongType, NestedField, StringType

NAME = TableName(("acme",), "orders")
SCHEMA = Schema(
    NestedField(1, "id", LongType(), required=False),
    NestedField(2, "region", StringType(), required=False),
    NestedField(3, "note", StringType(), required=False),
    NestedField(4, "at", LongType(), required=False),
    NestedField(5, "gone", BooleanType(), required=False),
)
Row = dict[str, Any]


class Folder:
    """A table's data files in a folder, without a catalogue: what a merge sees and leaves."""

    def __init__(
        self,
        folder: Path,
        rule: MergeRule,
        *,
        schema: Schema = SCHEMA,
        spec: PartitionSpec | None = None,
        order: SortOrder = UNSORTED_SORT_ORDER,
    ):
        self.folder = folder
        self.rule = rule
        self.layout = TableLayout(
            table=NAME,
            location=file_location(folder / "table"),
            io_properties={"py-io-impl": "dativo_engine.storage.fileio.StorageFileIO"},
            schema=schema,
            spec=spec or UNPARTITIONED_PARTITION_SPEC,
            sort_order=order,
            target_file_bytes=1 << 27,
        )
        self.files: list[StagedFile] = []
        self.memory = 1 << 28

    def merge(self, batches: Sequence[pa.Table]) -> Merged:
        """Merge one run, whose changes were staged as these files."""
        return self.merge_staged([self._stage(number, table) for number, table in enumerate(batches)])

    def merge_staged(self, changes: Sequence[StagedFile]) -> Merged:
        """Merge one run, whose changes are these files."""
        tasks = {file.path: FileScanTask(to_data_file(file, self.layout.spec)) for file in self.files}
        with ChangeSet(
            changes,
            self.rule,
            columns=[field.name for field in self.layout.schema.fields],
            spill_folder=self.folder,
            memory_bytes=self.memory,
            threads=2,
        ) as change_set:
            merge = Merge(
                change_set, self.rule, layout=self.layout, io=StorageFileIO(), run_id="run", memory_bytes=1 << 28
            )
            merged = merge.apply(list(tasks.values()), Reader(StorageFileIO(), self.layout.schema))
        removed = {file.file_path for file in merged.removed}
        self.files = [*(file for file in self.files if file.path not in removed), *merged.added]
        return merged

    def _stage(self, number: int, table: pa.Table) -> StagedFile:
        path = self.folder / f"change-{number}.parquet"
        pq.write_table(table, path)
        return StagedFile(NAME, file_location(path), table.num_rows, path.stat().st_size, 0)

    def append(self, *tables: pa.Table) -> None:
        """Files that were there before, one for each table and partition."""
        for table in tables:
            writer = open_writer(self.layout, run_id="base", memory_bytes=1 << 26)
            for batch in table.to_batches():
                writer.write(batch)
            self.files += writer.flush()

    def rows(self) -> list[Row]:
        tables = [pq.read_table(local_path(file.path)) for file in self.files]
        found = [row for table in tables for row in table.to_pylist()]
        return sorted(found, key=lambda row: str(row[self.rule.keys[0]]))
