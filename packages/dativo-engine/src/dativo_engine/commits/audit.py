"""THE AUDIT: is what a run committed on its branch what it meant to commit? Asked before anyone sees it.

manifests  the commit carries the run's stamp; it added and took away just the files it should, with the rows, sizes
           and bounds that were written; the table has the rows it had, and those; where rows of stored files gave
           way, no key is lost and none is there twice
full       and every row that the run wrote is read: none lacks what the contract requires, and keys are unique
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pyiceberg.io import FileIO
from pyiceberg.manifest import DataFile, ManifestContent, ManifestEntry, ManifestEntryStatus, ManifestFile

from dativo_engine.contracts.duck import open_duckdb, quoted
from dativo_engine.errors import AuditError
from dativo_engine.spill import spill_folder
from dativo_engine.storage import storage_of

if TYPE_CHECKING:
    import pyarrow as pa
    from dativo_config.models.resolved import TableName
    from pyiceberg.table.metadata import TableMetadata

    from dativo_engine.commits.fence import Edit, Landed

BATCH_ROWS = 128 * 1024


@dataclass(frozen=True, slots=True)
class Audit:
    """How one table's commit is examined.

    Attributes:
        required: columns in which the run may have left no null.
        keys: columns whose values no two rows of the files that the run wrote may share; empty: any may.
        deletes: how many keys the run was told are gone; None: it did not merge.
        stamp: the key under which the run's stamp must stand, and the run's id; None: the table carries none.
        folder: where a folder is made for what goes beyond memory.
    """

    table: TableName
    io: FileIO
    level: Literal["manifests", "full"]
    required: tuple[str, ...]
    keys: tuple[str, ...]
    deletes: int | None
    stamp: tuple[str, str] | None
    folder: Path
    memory_bytes: int

    def examine(self, landed: Landed) -> None:
        """Compare a commit with what was planned.

        Raises:
            AuditError: they differ; says in what.
        """
        edit = landed.edit
        if edit is None:
            return  # the run found it done
        made = _made(landed.metadata, self.io)
        entries = [
            entry for manifest in made for entry in manifest.fetch_manifest_entry(self.io, discard_deleted=False)
        ]
        self._check_files(edit, entries, landed.metadata.current_snapshot_id)
        self._check_rows(landed, edit, entries, {manifest.manifest_path for manifest in made})
        self._check_stamp(landed.metadata)
        self._check_store(edit.added)
        if self.keys and (self.level == "full" or self.deletes is not None):
            self._check_keys(edit, landed.metadata, dead_rows=_has_delete_files(landed))
        if self.level == "full":
            self._check_required(edit.added, landed.metadata)

    def _check_files(self, edit: Edit, entries: Sequence[ManifestEntry], snapshot_id: int | None) -> None:
        """That the commit's manifests name what was staged, as it was staged."""
        ours = [entry for entry in entries if entry.snapshot_id == snapshot_id]
        added = {entry.data_file.file_path: entry.data_file for entry in ours if _is(entry, ManifestEntryStatus.ADDED)}
        removed = {entry.data_file.file_path for entry in ours if _is(entry, ManifestEntryStatus.DELETED)}
        wanted = {file.file_path: file for file in edit.added}
        if removed != {file.file_path for file in edit.removed}:
            raise self._failed(f"it took {len(removed)} files out of the table, and should have {len(edit.removed)}")
        if added.keys() != wanted.keys():
            raise self._failed(f"it put {len(added)} files into the table, and should have {len(wanted)}")
        for path, file in added.items():
            if _told(file) != _told(wanted[path]):
                raise self._failed(f"{path} is listed with other rows, sizes or bounds than were written")

    def _check_rows(self, landed: Landed, edit: Edit, entries: Sequence[ManifestEntry], made: Collection[str]) -> None:
        """That none came or went but those of the commit: what others' manifests hold, their list tells."""
        before = [] if landed.base is None else _manifests(landed.base.metadata, landed.base.io)
        kept = (manifest for manifest in _manifests(landed.metadata, self.io) if manifest.manifest_path not in made)
        expected = _listed_rows(before, self.io) + _rows(edit.added) - _rows(edit.removed)
        found = _listed_rows(kept, self.io) + _rows(_live(entries))
        if found != expected:
            raise self._failed(f"the table has {found:,} rows, and should have {expected:,}")

    def _check_stamp(self, metadata: TableMetadata) -> None:
        if self.stamp is None:
            return
        key, run_id = self.stamp
        snapshot = metadata.current_snapshot()
        summary = {} if snapshot is None or snapshot.summary is None else snapshot.summary.additional_properties
        text = summary.get(key, "")
        if f'"{run_id}"' not in text or metadata.properties.get(key) != text:
            raise self._failed("it does not carry the run's stamp, in the snapshot and as a copy")

    def _check_store(self, added: Sequence[DataFile]) -> None:
        """That the store holds the files, whole."""
        store = storage_of(self.io)
        for file in added:
            try:
                size = store.size(file.file_path)
            except FileNotFoundError as error:
                raise self._failed(f"{file.file_path} is not in the store") from error
            if size != file.file_size_in_bytes:
                told = f"{file.file_path} has {size:,} bytes in the store, {file.file_size_in_bytes:,} were written"
                raise self._failed(told)

    def _check_keys(self, edit: Edit, metadata: TableMetadata, *, dead_rows: bool) -> None:
        """That no key is twice among the rows written and, unless rows were dead already, that none got lost."""
        keys = ", ".join(map(quoted, self.keys))
        with (
            spill_folder(self.folder) as spill,
            open_duckdb(memory_bytes=self.memory_bytes, spill_folder=spill) as database,
        ):
            for name, files in (("brought", edit.added), ("gone", edit.removed if self.deletes is not None else ())):
                database.register("stream", self._read(files, metadata, self.keys))
                database.execute(f"CREATE TABLE {name} AS SELECT {keys}, count(*) AS n FROM stream GROUP BY ALL")
                database.unregister("stream")
            # A table that held a key twice before may go on to.
            more = "brought.n > coalesce(gone.n, 1)"
            doubled = f"SELECT count(*) FROM brought LEFT JOIN gone USING ({keys}) WHERE {more}"
            lost = f"SELECT count(*) FROM gone ANTI JOIN brought USING ({keys})"
            counts = [row[0] for query in (doubled, lost) for row in database.execute(query).fetchall()]
        if counts[0]:
            raise self._failed(f"{counts[0]:,} values of the key ({', '.join(self.keys)}) are there more than once")
        if counts[1] > (self.deletes or 0) and not dead_rows:
            told = f"{counts[1]:,} values of the key ({', '.join(self.keys)}) are gone, {self.deletes:,} were deleted"
            raise self._failed(told)

    def _check_required(self, added: Sequence[DataFile], metadata: TableMetadata) -> None:
        columns = self.required or tuple(field.name for field in metadata.schema().fields[:1])
        rows = 0
        for batch in self._read(added, metadata, columns):
            rows += batch.num_rows
            for name in self.required:
                if batch.column(name).null_count:
                    raise self._failed(f"{name} is required, and null in {batch.column(name).null_count:,} rows")
        if rows != _rows(added):
            raise self._failed(f"the files hold {rows:,} rows, {_rows(added):,} were written")

    def _read(self, files: Sequence[DataFile], metadata: TableMetadata, columns: Sequence[str]) -> pa.RecordBatchReader:
        import pyarrow as pa
        from pyiceberg.io.pyarrow import schema_to_pyarrow

        from dativo_engine.commits.rows import reader_of

        reader = reader_of(metadata, self.io)
        batches = (batch for file in files for batch in reader.rows(file, columns, batch_rows=BATCH_ROWS))
        fields = schema_to_pyarrow(reader.schema.select(*columns), include_field_ids=False)
        return pa.RecordBatchReader.from_batches(fields, batches)

    def _failed(self, why: str) -> AuditError:
        return AuditError(f"{self.table}: the audit of what the run wrote failed, nothing was published: {why}")


def _manifests(metadata: TableMetadata, io: FileIO) -> list[ManifestFile]:
    """The current snapshot's, of data files."""
    snapshot = metadata.current_snapshot()
    manifests = [] if snapshot is None else snapshot.manifests(io)
    return [manifest for manifest in manifests if manifest.content is ManifestContent.DATA]


def _made(metadata: TableMetadata, io: FileIO) -> list[ManifestFile]:
    """Those that came with the snapshot: they alone say what it added and took out."""
    snapshot_id = metadata.current_snapshot_id
    return [manifest for manifest in _manifests(metadata, io) if manifest.added_snapshot_id == snapshot_id]


def _listed_rows(manifests: Iterable[ManifestFile], io: FileIO) -> int:
    """The living rows that manifests hold, as their list counts them; old formats need not."""
    total = 0
    for manifest in manifests:
        counts = manifest.existing_rows_count, manifest.added_rows_count
        if None in counts:
            total += _rows(_live(manifest.fetch_manifest_entry(io)))
        else:
            total += sum(count or 0 for count in counts)
    return total


def _live(entries: Sequence[ManifestEntry]) -> list[DataFile]:
    return [entry.data_file for entry in entries if not _is(entry, ManifestEntryStatus.DELETED)]


def _is(entry: ManifestEntry, status: ManifestEntryStatus) -> bool:
    return entry.status == status


def _has_delete_files(landed: Landed) -> bool:
    """Whether another engine marked rows as dead, which nobody has to find again."""
    snapshot = None if landed.base is None else landed.base.metadata.current_snapshot()
    manifests = [] if snapshot is None or landed.base is None else snapshot.manifests(landed.base.io)
    return any(manifest.content is ManifestContent.DELETES for manifest in manifests)


def _rows(files: Sequence[DataFile]) -> int:
    return sum(file.record_count for file in files)


def _told(file: DataFile) -> tuple[object, ...]:
    """What a manifest says of a file that readers rely on."""
    counts = (file.value_counts, file.null_value_counts, file.lower_bounds, file.upper_bounds)
    return file.record_count, file.file_size_in_bytes, *(dict(count or {}) for count in counts)
