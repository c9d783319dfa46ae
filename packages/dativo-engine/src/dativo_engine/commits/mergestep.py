"""The merge as one step of a table's publish: where its changes are staged, and the merge anew on every base."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from dativo_config.models.resolved import ResolvedJob, ResolvedStream
from pyiceberg.io import FileIO
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER
from pyiceberg.types import IntegerType, NestedField

from dativo_engine.catalogs.locations import file_location
from dativo_engine.commits.changes import OP_COLUMN, ChangeSet, MergeRule
from dativo_engine.commits.data_files import scan_tasks
from dativo_engine.commits.merge import Merge, Merged
from dativo_engine.commits.rows import Reader, reader_of
from dativo_engine.interfaces import StagedFile, TableLayout
from dativo_engine.spill import spill_folder
from dativo_engine.storage import storage_of


def merge_rule(job: ResolvedJob, stream: ResolvedStream) -> MergeRule:
    """How the job's rows give way to each other in a stream's table."""
    cursor = next(
        (
            item.column
            for item in stream.schema.properties
            if stream.cursor_field and stream.cursor_field in (item.name, item.column)
        ),
        "",
    )
    return MergeRule(
        keys=stream.schema.primary_key,
        cursor=cursor,
        deletes=job.target.deletes,
        soft_column=job.target.soft_delete_column,
    )


def change_layout(job: ResolvedJob, folder: Path, table: TableLayout) -> TableLayout:
    """How a run's changes are staged: on this machine, in read order, with what is to be done where deletes come."""
    fields = [field.model_copy(update={"required": False}) for field in table.schema.fields]
    if job.spec.reports_deletes:
        fields.append(NestedField(table.schema.highest_field_id + 1, OP_COLUMN, IntegerType(), required=False))
    return replace(
        table,
        location=file_location(folder),
        io_properties={},
        schema=Schema(*fields),
        spec=UNPARTITIONED_PARTITION_SPEC,
        sort_order=UNSORTED_SORT_ORDER,
    )


class MergeStep:
    """One table's staged changes, merged into whatever base the fence finds. Close it after the publish."""

    def __init__(
        self,
        rule: MergeRule,
        changes: Sequence[StagedFile],
        *,
        layout: TableLayout,
        io: FileIO,
        run_id: str,
        folder: Path,
        memory_bytes: int,
    ) -> None:
        self._written: tuple[StagedFile, ...] = ()
        self._superseded: tuple[StagedFile, ...] = ()
        self._storage = storage_of(io)
        self._held = ExitStack()
        spill = self._held.enter_context(spill_folder(folder))
        columns = [field.name for field in layout.schema.fields]
        change_set = self._held.enter_context(
            ChangeSet(changes, rule, columns=columns, spill_folder=spill, memory_bytes=memory_bytes)
        )
        self._reader = Reader(io, layout.schema)
        self._merge = Merge(change_set, rule, layout=layout, io=io, run_id=run_id, memory_bytes=memory_bytes)

    def onto(self, table: Table | None) -> Merged:
        """The merge into the table as it stands.

        What an earlier call wrote for another base is kept: if the answer to its commit was lost, it may yet land.
        """
        self._superseded += self._written
        tasks, reader = ([], self._reader) if table is None else (scan_tasks(table), self._of(table))
        merged = self._merge.apply(tasks, reader)
        self._written = merged.added
        return merged

    def drop_superseded(self, *, certain: bool) -> bool:
        """Delete what merges into overtaken bases wrote, if it is `certain` which landed. False: some is left."""
        if certain:
            self._delete(self._superseded)
            self._superseded = ()
        return not self._superseded

    def discard(self) -> None:
        """Nothing landed: delete all that was written."""
        try:
            self._delete((*self._superseded, *self._written))
            self._superseded = self._written = ()
        finally:
            self.close()

    def close(self) -> None:
        """Free memory and spilled files; what was written stays."""
        self._held.close()

    def _of(self, table: Table) -> Reader:
        return reader_of(table.metadata, self._reader.io, schema=self._reader.schema)

    def _delete(self, files: Sequence[StagedFile]) -> None:
        self._storage.delete(file.path for file in files)
