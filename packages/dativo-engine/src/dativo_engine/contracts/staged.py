"""The run's staged files, read back: for rules over all accepted rows, and for keys that came in two workers' parts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dativo_engine.contracts.duck import open_duckdb
from dativo_engine.contracts.jsontext import json_rows
from dativo_engine.contracts.keys import UniqueKey
from dativo_engine.contracts.rejected import REASON, rejected_batch
from dativo_engine.contracts.runs import Int64s
from dativo_engine.interfaces import LateRows
from dativo_engine.storage.local import LocalFiles

if TYPE_CHECKING:
    from dativo_engine.interfaces import StagedFile

OpenFile: TypeAlias = Callable[[str], pa.NativeFile]
_BATCH_ROWS = 1 << 16
_REJECTED_ROWS = 1 << 13

open_local: OpenFile = LocalFiles().open
"""A staged file on this machine."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of a staged file; `first` is the position of the first one in it."""

    path: str
    first: int
    records: pa.RecordBatch


@dataclass(frozen=True)
class StagedRows:
    """Rows of staged files in read order, as an Arrow stream that can be read any number of times.

    Attributes:
        schema: the columns, as accepted batches have them.
        without: rows that must not land, file -> positions.
    """

    files: Sequence[StagedFile]
    schema: pa.Schema
    open_file: OpenFile = open_local
    without: Mapping[str, Int64s] = field(default_factory=dict[str, Int64s])

    def parts(self, columns: Sequence[str] | None = None) -> Iterator[Part]:
        """All rows, in batches of one file each."""
        names = list(self.schema.names if columns is None else columns)
        for file in self.files:
            first = 0
            with self.open_file(file.path) as source, pq.ParquetFile(source) as parquet:
                for records in parquet.iter_batches(_BATCH_ROWS, columns=names, use_threads=False):
                    arrays = [_storage(records.column(name)) for name in names]
                    yield Part(file.path, first, pa.RecordBatch.from_arrays(arrays, names=names))
                    first += records.num_rows

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The rows, but for those left out, as the Arrow PyCapsule protocol hands them over."""
        reader = pa.RecordBatchReader.from_batches(self.schema.remove_metadata(), self._kept())
        return reader.__arrow_c_stream__(requested_schema)

    def _kept(self) -> Iterator[pa.RecordBatch]:
        for part in self.parts():
            arrays = part.records.columns
            records = pa.RecordBatch.from_arrays(arrays, schema=self.schema.remove_metadata())
            left_out = self.without.get(part.path)
            if left_out is not None:
                positions = np.arange(part.first, part.first + records.num_rows)
                records = records.filter(pa.array(~np.isin(positions, left_out)))
            yield records


@dataclass(frozen=True)
class _StagedKeys:
    """The key columns of staged rows with their place: file number and position."""

    rows: StagedRows
    columns: tuple[str, ...]

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        place = [pa.field("file", pa.int64()), pa.field("position", pa.int64())]
        keys = [
            self.rows.schema.field(name).with_name(f"k{at}").remove_metadata() for at, name in enumerate(self.columns)
        ]
        schema = pa.schema([*place, *keys])
        numbers = {file.path: number for number, file in enumerate(self.rows.files)}

        def batches() -> Iterator[pa.RecordBatch]:
            for part in self.rows.parts(self.columns):
                count = part.records.num_rows
                file = pa.repeat(pa.scalar(numbers[part.path], pa.int64()), count)
                position = pa.array(np.arange(part.first, part.first + count))
                yield pa.RecordBatch.from_arrays([file, position, *part.records.columns], schema=schema)

        return pa.RecordBatchReader.from_batches(schema, batches()).__arrow_c_stream__(requested_schema)


def repeated_rows(
    rows: StagedRows, columns: tuple[str, ...], *, memory_bytes: int, spill_folder: Path
) -> dict[str, Int64s]:
    """The staged rows whose key an earlier staged row has: file -> positions, ascending. Spills beyond the memory."""
    names = [f"k{at}" for at in range(len(columns))]
    keys, known = ", ".join(names), " AND ".join(f"{name} IS NOT NULL" for name in names)
    with open_duckdb(memory_bytes=memory_bytes, spill_folder=spill_folder) as connection:
        connection.register("staged", _StagedKeys(rows, columns))
        connection.execute(
            f"CREATE TEMP TABLE twice AS SELECT {keys} FROM staged WHERE {known} GROUP BY {keys} HAVING count(*) > 1"
        )
        found = connection.execute(
            f"SELECT file, position FROM staged SEMI JOIN twice USING ({keys}) "
            f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY file, position) > 1 ORDER BY file, position"
        ).fetchnumpy()
    files, positions = np.asarray(found["file"]), np.asarray(found["position"])
    return {rows.files[number].path: positions[files == number] for number in np.unique(files).tolist()}


def late_rows(files: Sequence[StagedFile], key: UniqueKey, repeated: Mapping[str, Int64s]) -> list[LateRows]:
    """The staged rows that repeat a key, as rows to drop from their files and to quarantine."""
    rows = {file.path: file.rows for file in files}
    message = "found a key that an earlier row of the run has, expected it once:"
    return [
        LateRows(path, _bits(positions, rows[path]), key.rule, key.columns, message)
        for path, positions in repeated.items()
    ]


def rejected_rows(
    late: LateRows, *, stream: str, classified: Collection[str] = (), open_file: OpenFile = open_local
) -> Iterator[pa.RecordBatch]:
    """Late rows in `REJECTED_SCHEMA`, read back a few at a time: as text and as Python's values they are large.

    Args:
        classified: columns whose values are masked in the reasons.
    """
    first = 0
    with open_file(late.path) as source, pq.ParquetFile(source) as parquet:
        for group in range(parquet.num_row_groups):
            count = parquet.metadata.row_group(group).num_rows
            if late.bad.slice(first, count).true_count:
                for rows in _rows_of_group(parquet, group, late, first=first):
                    yield _rejected(rows, late, stream, classified)
            first += count


def _rows_of_group(parquet: pq.ParquetFile, group: int, late: LateRows, *, first: int) -> Iterator[pa.RecordBatch]:
    for batch in parquet.iter_batches(_REJECTED_ROWS, row_groups=[group], use_threads=False):
        bad = batch.filter(late.bad.slice(first, batch.num_rows))
        first += batch.num_rows
        if bad.num_rows:
            yield pa.RecordBatch.from_arrays([_storage(column) for column in bad.columns], names=bad.schema.names)


def _rejected(rows: pa.RecordBatch, late: LateRows, stream: str, classified: Collection[str]) -> pa.RecordBatch:
    column = ", ".join(late.columns)
    keys = rows.select(list(late.columns))
    for number, name in enumerate(late.columns):
        if name in classified:
            keys = keys.set_column(number, name, pa.repeat("***", rows.num_rows))
    reasons = [[{"column": column, "rule": late.rule, "message": f"{late.message} {key}"}] for key in json_rows(keys)]
    return rejected_batch(
        stream=stream,
        source=None,
        rows=pa.nulls(rows.num_rows, pa.int64()),
        reasons=pa.array(reasons, pa.list_(pa.field("element", REASON))),
        records=json_rows(rows),
    )


def _bits(positions: Int64s, rows: int) -> pa.BooleanArray:
    bad = np.zeros(rows, np.bool_)
    bad[positions] = True
    return pa.array(bad)


def _storage(column: pa.Array) -> pa.Array:
    return column.storage if isinstance(column, pa.ExtensionArray) else column
