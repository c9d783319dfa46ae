"""Which staged rows have a key that the table holds already. File bounds prune the search; then only keys are read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask
from pyiceberg.types import DoubleType, FloatType, IntegerType, LongType, PrimitiveType

from dativo_engine.contracts.duck import open_duckdb, own_errors, quoted
from dativo_engine.interfaces import StagedFile
from dativo_engine.spill import spill_folder

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from dativo_engine.commits.rows import Reader

BATCH_ROWS = 128 * 1024
MEMORY_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class KeySearch:
    """Looks for staged keys in stored files.

    Attributes:
        columns: the primary key.
        folder: where a folder is made for what goes beyond memory.
    """

    reader: Reader
    columns: tuple[str, ...]
    folder: Path

    def overlapping(self, staged: Sequence[StagedFile], stored: Sequence[FileScanTask]) -> list[FileScanTask]:
        """The stored files whose bounds leave room for a key of a staged file."""
        ranges = [self._range(file.lower_bounds, file.upper_bounds) for file in staged]
        return [task for task in stored if self._may_hold(task.file, ranges)]

    def held(self, staged: Sequence[StagedFile], stored: Sequence[FileScanTask]) -> dict[str, list[int]]:
        """The rows whose key is stored already: staged file -> positions, ascending."""
        candidates = self.overlapping(staged, stored)
        if not staged or not candidates:
            return {}
        with (
            spill_folder(self.folder) as spill,
            open_duckdb(memory_bytes=MEMORY_BYTES, spill_folder=spill, threads=os.cpu_count() or 1) as database,
        ):
            return self._join(database, staged, candidates)

    def _join(
        self, database: duckdb.DuckDBPyConnection, staged: Sequence[StagedFile], stored: Sequence[FileScanTask]
    ) -> dict[str, list[int]]:
        import pyarrow as pa

        keys = ", ".join(map(quoted, self.columns))
        with own_errors() as read:
            new = read(self._staged_keys(staged))
            database.register("new", pa.RecordBatchReader.from_batches(self._arrow_schema(positions=True), new))
            database.execute("CREATE TABLE staged AS SELECT * FROM new")
            old = read(batch for task in stored for batch in self._stored_keys(task))
            database.register("stored", pa.RecordBatchReader.from_batches(self._arrow_schema(positions=False), old))
            database.execute(f"SELECT DISTINCT _file, _pos FROM stored JOIN staged USING ({keys}) ORDER BY _file, _pos")
        found: dict[str, list[int]] = {}
        for number, position in database.fetchall():
            found.setdefault(staged[number].path, []).append(position)
        return found

    def _arrow_schema(self, *, positions: bool) -> pa.Schema:
        import pyarrow as pa
        from pyiceberg.io.pyarrow import schema_to_pyarrow

        keys = list(schema_to_pyarrow(self.reader.schema.select(*self.columns), include_field_ids=False))
        by_name = {field.name: field for field in keys}
        places = [pa.field("_file", pa.int64()), pa.field("_pos", pa.int64())] if positions else []
        return pa.schema([*(by_name[column] for column in self.columns), *places])

    def _staged_keys(self, staged: Sequence[StagedFile]) -> Iterator[pa.RecordBatch]:
        import numpy as np
        import pyarrow as pa

        schema = self._arrow_schema(positions=True)
        for number, file in enumerate(staged):
            position = 0
            for batch in self._read(file.path):
                rows = np.arange(position, position + batch.num_rows)
                places = [pa.array(np.full(batch.num_rows, number)), pa.array(rows)]
                yield pa.RecordBatch.from_arrays(
                    [*(batch.column(name) for name in self.columns), *places], schema=schema
                )
                position += batch.num_rows

    def _stored_keys(self, task: FileScanTask) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        from dativo_engine.commits.rows import dead_positions

        schema = self._arrow_schema(positions=False)
        dead = dead_positions(self.reader.io, task)
        position = 0
        for batch in self._read(task.file):
            keys = pa.RecordBatch.from_arrays([batch.column(name) for name in self.columns], schema=schema)
            yield _without(keys, dead, position) if len(dead) else keys
            position += batch.num_rows

    def _read(self, file: DataFile | str) -> Iterator[pa.RecordBatch]:
        return self.reader.rows(file, self.columns, batch_rows=BATCH_ROWS)

    def _may_hold(self, file: DataFile, ranges: Sequence[Mapping[str, tuple[object, object]]]) -> bool:
        stored = self._range(file.lower_bounds or {}, file.upper_bounds or {})
        return any(all(_overlap(stored[name], wanted[name]) for name in self.columns) for wanted in ranges)

    def _range(self, lower: Mapping[int, bytes], upper: Mapping[int, bytes]) -> dict[str, tuple[object, object]]:
        """The bounds of each key column; None where there is none."""
        fields = {column: self.reader.schema.find_field(column) for column in self.columns}
        return {
            column: (
                bound(field.field_type, lower.get(field.field_id)),
                bound(field.field_type, upper.get(field.field_id)),
            )
            for column, field in fields.items()
        }


def bound(kind: object, value: bytes | None) -> object:
    """A file's bound on a column of this type as a value; None where there is none."""
    if value is None or not isinstance(kind, PrimitiveType):
        return None
    # A column that was widened keeps the narrow bounds of its older files.
    if isinstance(kind, LongType) and len(value) == 4:
        kind = IntegerType()
    elif isinstance(kind, DoubleType) and len(value) == 4:
        kind = FloatType()
    return from_bytes(kind, value)


def _overlap(one: tuple[object, object], other: tuple[object, object]) -> bool:
    (low, high), (other_low, other_high) = one, other
    if None in (low, high, other_low, other_high):
        return True
    # Written so that NaN, which is neither less nor greater, overlaps with everything.
    return not (high < other_low or other_high < low)  # pyright: ignore[reportOperatorIssue] - bounds of one type


def _without(batch: pa.RecordBatch, dead: npt.NDArray[np.int64], first: int) -> pa.RecordBatch:
    """The rows of a batch that begins at row `first` of its file and that no delete file took away."""
    import numpy as np
    import pyarrow as pa

    alive = np.ones(batch.num_rows, dtype=bool)
    here = dead[(dead >= first) & (dead < first + batch.num_rows)] - first
    alive[here] = False
    return batch.filter(pa.array(alive))
