"""Which staged rows have a key that the table holds already. File bounds prune the search; then only keys are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyiceberg.conversions import from_bytes
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask
from pyiceberg.types import DoubleType, FloatType, IntegerType, LongType, NestedField, PrimitiveType

from dativo_engine.commits.positions import Places, RowBits, within, without
from dativo_engine.commits.rows import dead_positions
from dativo_engine.contracts.duck import SIDES_AS_WRITTEN, open_duckdb, own_errors, quoted
from dativo_engine.interfaces import StagedFile
from dativo_engine.spill import spill_folder

if TYPE_CHECKING:
    import duckdb

    from dativo_engine.commits.rows import Reader

BATCH_ROWS = 128 * 1024
# Each thread of a join takes memory of its own, and what costs time is reading, which is not DuckDB's.
THREADS = 1


@dataclass(frozen=True, slots=True)
class KeySearch:
    """Looks for staged keys in stored files.

    Attributes:
        columns: the primary key.
        folder: where a folder is made for what goes beyond memory.
        memory_bytes: what a search may take.
    """

    reader: Reader
    columns: tuple[str, ...]
    folder: Path
    memory_bytes: int

    def overlapping(self, staged: Sequence[StagedFile], stored: Sequence[FileScanTask]) -> list[FileScanTask]:
        """The stored files whose bounds leave room for a key of a staged file."""
        ranges = [self._ranges(file) for file in staged]
        return [task for task in stored if self._may_hold(task.file, ranges)]

    def held(
        self, staged: Sequence[StagedFile], stored: Sequence[FileScanTask], *, enough: int | None = None
    ) -> dict[str, pa.BooleanArray]:
        """The rows whose key is stored already: staged file -> for each of its rows whether it is one.

        Args:
            enough: stop at about so many; None: find all.
        """
        candidates = self.overlapping(staged, stored)
        if not staged or not candidates:
            return {}
        with (
            spill_folder(self.folder) as spill,
            open_duckdb(
                memory_bytes=self.memory_bytes // 2,
                spill_folder=spill,
                threads=THREADS,
                disabled_optimizers=SIDES_AS_WRITTEN,
            ) as database,
        ):
            found: dict[int, RowBits] = {}
            for numbers, positions in self._join(database, staged, candidates):
                for number in np.unique(numbers).tolist():
                    bits = found.setdefault(number, RowBits(staged[number].rows))
                    bits.add(positions[numbers == number])
                if enough is not None and sum(bits.count for bits in found.values()) >= enough:
                    break
        return {staged[number].path: bits.to_arrow() for number, bits in sorted(found.items())}

    def _join(
        self, database: duckdb.DuckDBPyConnection, staged: Sequence[StagedFile], stored: Sequence[FileScanTask]
    ) -> Iterator[tuple[Places, Places]]:
        """File number and position of staged rows whose key is stored, in no order; of some more than once."""
        keys = ", ".join(map(quoted, self.columns))
        with own_errors() as read:
            new = read(self._staged_keys(staged))
            old = read(batch for task in stored for batch in self._stored_keys(task))
            database.register("staged", pa.RecordBatchReader.from_batches(self._arrow_schema(positions=True), new))
            database.register("stored", pa.RecordBatchReader.from_batches(self._arrow_schema(positions=False), old))
            # DuckDB does not know how large they are. It keeps the second, on disk beyond its memory; the first
            # streams.
            more = sum(task.file.record_count for task in stored) >= sum(file.rows for file in staged)
            sides = "stored JOIN staged" if more else "staged JOIN stored"
            found = database.execute(f"SELECT _file, _pos FROM {sides} USING ({keys})").to_arrow_reader(BATCH_ROWS)
            for batch in found:
                yield batch.column(0).to_numpy(), batch.column(1).to_numpy()

    def _arrow_schema(self, *, positions: bool) -> pa.Schema:
        keys = list(schema_to_pyarrow(self.reader.schema.select(*self.columns), include_field_ids=False))
        by_name = {field.name: field for field in keys}
        places = [pa.field("_file", pa.int64()), pa.field("_pos", pa.int64())] if positions else []
        return pa.schema([*(by_name[column] for column in self.columns), *places])

    def _staged_keys(self, staged: Sequence[StagedFile]) -> Iterator[pa.RecordBatch]:
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
        schema = self._arrow_schema(positions=False)
        dead = dead_positions(self.reader.io, task)
        position = 0
        for batch in self._read(task.file):
            keys = pa.RecordBatch.from_arrays([batch.column(name) for name in self.columns], schema=schema)
            yield without(keys, within(dead, position, batch.num_rows))
            position += batch.num_rows

    def _read(self, file: DataFile | str) -> Iterator[pa.RecordBatch]:
        return self.reader.rows(file, self.columns, batch_rows=BATCH_ROWS)

    def _may_hold(self, file: DataFile, wanted: Sequence[Sequence[Range]]) -> bool:
        stored = self._ranges(file)
        return any(all(map(_overlap, stored, ranges)) for ranges in wanted)

    def _ranges(self, file: DataFile | StagedFile) -> list[Range]:
        """What is known of each key column's values in a file."""
        return [range_of(file, self.reader.schema.find_field(column)) for column in self.columns]


@dataclass(frozen=True, slots=True)
class Range:
    """What is known of a column's values in a file: bounds, None where there are none, and whether one may be NaN.

    NaN, which bounds do not tell of, equals NaN in keys: so it does to DuckDB and Spark.
    """

    low: object
    high: object
    may_be_nan: bool


def range_of(file: DataFile | StagedFile, field: NestedField) -> Range:
    """What is known of a column's values in a file."""
    number = field.field_id
    sides = (file.lower_bounds or {}).get(number), (file.upper_bounds or {}).get(number)
    low, high = (bound(field.field_type, side) for side in sides)
    # None where it was not counted.
    may_be_nan = (file.nan_value_counts or {}).get(number) != 0
    return Range(low, high, may_be_nan and isinstance(field.field_type, FloatType | DoubleType))


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


def _overlap(one: Range, other: Range) -> bool:
    if None in (one.low, one.high, other.low, other.high) or (one.may_be_nan and other.may_be_nan):
        return True
    # Written so that NaN as a bound, which is neither less nor greater, overlaps with everything.
    return not (one.high < other.low or other.high < one.low)  # pyright: ignore[reportOperatorIssue] - of one type
