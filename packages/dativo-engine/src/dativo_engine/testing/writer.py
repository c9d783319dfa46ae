"""What every writer must do: all rows in files that say the truth of themselves, or no files."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dativo_config.models.resolved import TableName
from pyiceberg.conversions import from_bytes
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionField, PartitionSpec
from pyiceberg.schema import Schema, index_by_id
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER, SortDirection, SortField, SortOrder
from pyiceberg.transforms import BucketTransform, DayTransform, IdentityTransform
from pyiceberg.types import IcebergType, LongType, NestedField, PrimitiveType, StringType, TimestamptzType

from dativo_engine.catalogs.locations import file_location, local_path
from dativo_engine.errors import FatalError, RetryableError
from dativo_engine.interfaces import StagedFile, TableLayout, Writer
from dativo_engine.testing import reading
from dativo_engine.testing.capabilities import Capability, must
from dativo_engine.testing.reading import elsewhere
from dativo_engine.testing.type_cases import TYPE_CASES, TypeCase
from dativo_engine.writers.parquet import open_writer

MEMORY = 32 * 1024 * 1024
# Buffers of the compression and of the file system, and what the allocator keeps.
MEMORY_ALLOWANCE = 64 * 1024 * 1024
DAY = 24 * 60 * 60 * 1_000_000

by_type = pytest.mark.parametrize("case", TYPE_CASES, ids=lambda case: case.name)


class OpenWriter(Protocol):
    """How a writer is made; picklable, as another process calls it too."""

    def __call__(self, layout: TableLayout, *, run_id: str, memory_bytes: int) -> Writer: ...


class WriterConformance:
    """The checks of one writer. The files go to a local folder, and are read back with pyarrow.

    Attributes:
        open_writer: the writer under test.
    """

    open_writer: ClassVar[OpenWriter] = staticmethod(open_writer)

    def capabilities(self) -> frozenset[Capability]:
        """A writer can do all that is asked of one."""
        return frozenset()

    @must("W-01")
    @by_type
    def test_every_type_comes_back_as_it_was(self, tmp_path: Path, case: TypeCase) -> None:
        [file] = self._written(_layout(tmp_path, {"value": case.iceberg}), [_batch(value=case.column())])
        found = _read(file).column("value").combine_chunks()
        assert repr(found.to_pylist()) == repr(case.column().cast(found.type).to_pylist())

    @must("W-02")
    @by_type
    def test_counts_and_bounds_are_true(self, tmp_path: Path, case: TypeCase) -> None:
        [file] = self._written(_layout(tmp_path, {"value": case.iceberg}), [_batch(value=case.column())])
        assert file.rows == len(case.values)
        if isinstance(case.iceberg, PrimitiveType):
            _check_statistics(file, case.iceberg, case.column())

    @must("W-03")
    @by_type
    def test_files_carry_the_tables_field_ids(self, tmp_path: Path, case: TypeCase) -> None:
        layout = _layout(tmp_path, {"value": case.iceberg})
        [file] = self._written(layout, [_batch(value=case.column())])
        parquet = pq.ParquetFile(local_path(file.path))
        with parquet:
            found = set(_field_ids(parquet.schema_arrow))
        assert found == set(index_by_id(layout.schema))

    @must("W-04")
    def test_rows_keep_their_order(self, tmp_path: Path) -> None:
        batches = [_batch(id=pa.array(range(start, start + 999))) for start in range(0, 99_900, 999)]
        files = self._written(_layout(tmp_path, {"id": LongType()}), batches)
        assert [row for file in files for row in _read(file).column("id").to_pylist()] == list(range(99_900))

    @must("W-05")
    def test_files_roll_at_the_target_size(self, tmp_path: Path) -> None:
        layout = replace(_layout(tmp_path, {"id": LongType()}), target_file_bytes=2_000_000)
        files = self._written(layout, (_random(250_000, seed) for seed in range(4)))
        assert len(files) > 1
        assert all(file.size >= layout.target_file_bytes for file in files[:-1])
        assert sum(file.rows for file in files) == 1_000_000

    @must("W-06")
    def test_a_file_holds_one_partition(self, tmp_path: Path) -> None:
        layout = _layout(tmp_path, {"id": LongType(), "at": TimestamptzType()})
        by_day = PartitionField(2, 1000, DayTransform(), "at_day")
        by_bucket = PartitionField(1, 1001, BucketTransform(3), "id_bucket")
        layout = replace(layout, spec=PartitionSpec(by_day, by_bucket, spec_id=4))
        times = pa.array([None if row % 11 == 0 else row % 5 * DAY for row in range(300)], pa.timestamp("us", "UTC"))
        files = self._written(layout, [_batch(id=pa.array(range(300)), at=times)])
        bucket = BucketTransform(3).transform(LongType())
        assert sorted(row for file in files for row in _read(file).column("id").to_pylist()) == list(range(300))
        assert {file.spec_id for file in files} == {4}
        for file in files:
            rows = _read(file)
            days = [None if at is None else at // DAY for at in rows.column("at").cast(pa.int64()).to_pylist()]
            found = set(zip(days, map(bucket, rows.column("id").to_pylist()), strict=True))
            assert found == {tuple(file.partition)}

    @must("W-07")
    def test_a_sorted_file_is_sorted_and_says_so(self, tmp_path: Path) -> None:
        layout = _layout(tmp_path, {"id": LongType()})
        order = SortOrder(SortField(1, IdentityTransform(), SortDirection.DESC), order_id=5)
        values = [row * 7919 % 10_007 for row in range(10_000)]
        for file in self._written(replace(layout, sort_order=order), [_batch(id=pa.array(values))]):
            found = _read(file).column("id").to_pylist()
            assert found == sorted(found, reverse=True)
            assert file.sort_order_id == 5

    @must("W-08")
    @pytest.mark.parametrize("flushed", [True, False], ids=["after flush", "before flush"])
    def test_abort_leaves_no_file(self, tmp_path: Path, flushed: bool) -> None:
        layout = replace(_layout(tmp_path, {"id": LongType()}), target_file_bytes=1)
        writer = self._open(layout)
        for seed in range(3):
            writer.write(_random(250_000, seed))
        if flushed:
            writer.flush()
            writer.write(_random(1, 0))
        writer.abort()
        writer.abort()
        assert _files(tmp_path) == []

    @must("W-09")
    def test_staged_files_tell_the_truth_and_can_be_sent(self, tmp_path: Path) -> None:
        layout = _layout(tmp_path, {"id": LongType(), "name": StringType()})
        batch = _batch(id=pa.array([1, 2]), name=pa.array(["a", None]))
        files = [file for _ in range(2) for file in self._written(layout, [batch])]
        assert len({file.path for file in files}) == 2
        for file in files:
            assert pickle.loads(pickle.dumps(file)) == file  # noqa: S301 - our own
            assert (file.table, file.rows, file.size) == (layout.table, 2, local_path(file.path).stat().st_size)
            assert file.path.startswith(f"{layout.location}/data/")
            assert local_path(file.path).name.startswith("run")

    @must("W-10")
    def test_no_rows_make_no_file(self, tmp_path: Path) -> None:
        assert self._written(_layout(tmp_path, {"id": LongType()}), [_random(0, 0)]) == []
        assert _files(tmp_path) == []

    @must("W-11")
    def test_a_writer_takes_rows_after_a_flush(self, tmp_path: Path) -> None:
        writer = self._open(_layout(tmp_path, {"id": LongType()}))
        flushed: list[list[StagedFile]] = []
        for row in (1, 2):
            writer.write(_batch(id=pa.array([row])))
            flushed.append(writer.flush())
        assert [_read(file).column("id").to_pylist() for [file] in flushed] == [[1], [2]]
        assert writer.flush() == []

    @must("W-12")
    def test_a_write_that_fails_is_told_by_flush_at_the_latest(self, tmp_path: Path) -> None:
        (tmp_path / "orders").write_text("a file where the table's folder belongs")
        writer = self._open(_layout(tmp_path, {"id": LongType()}))
        for _ in range(2):  # once told it stays: nothing may take the half for the whole
            with pytest.raises((RetryableError, FatalError), match="orders/data"):
                _write_and_flush(writer, (_random(250_000, seed) for seed in range(3)))
        writer.abort()

    @must("W-13")
    def test_memory_stays_within_bounds_whatever_the_size(self, tmp_path: Path) -> None:
        layout = _layout(tmp_path, {"id": LongType()})
        assert elsewhere(_growth, type(self).open_writer, layout) <= MEMORY + MEMORY_ALLOWANCE

    def _open(self, layout: TableLayout) -> Writer:
        return type(self).open_writer(layout, run_id="run", memory_bytes=MEMORY)

    def _written(self, layout: TableLayout, batches: Iterable[pa.RecordBatch]) -> list[StagedFile]:
        return _write_and_flush(self._open(layout), batches)


def _write_and_flush(writer: Writer, batches: Iterable[pa.RecordBatch]) -> list[StagedFile]:
    for batch in batches:
        writer.write(batch)
    return writer.flush()


def _growth(open_it: OpenWriter, layout: TableLayout) -> int:
    """By how many bytes the process grows while 200 MB of rows are written."""
    with reading.growth() as grown:
        _write_and_flush(open_it(layout, run_id="run", memory_bytes=MEMORY), (_random(500_000, n) for n in range(50)))
    return grown()


def _layout(folder: Path, columns: dict[str, IcebergType]) -> TableLayout:
    fields = (NestedField(number, name, kind, required=False) for number, (name, kind) in enumerate(columns.items(), 1))
    return TableLayout(
        table=TableName(("acme",), "orders"),
        location=file_location(folder / "orders"),
        io_properties={},
        schema=Schema(*fields),
        spec=UNPARTITIONED_PARTITION_SPEC,
        sort_order=UNSORTED_SORT_ORDER,
        target_file_bytes=128 * 1024 * 1024,
    )


def _batch(**columns: pa.Array) -> pa.RecordBatch:
    return pa.record_batch(list(columns.values()), names=list(columns))


def _random(rows: int, seed: int) -> pa.RecordBatch:
    import numpy as np

    return _batch(id=pa.array(np.random.default_rng(seed).integers(0, 2**62, rows)))


def _read(file: StagedFile) -> pa.Table:
    with pq.ParquetFile(local_path(file.path)) as parquet:
        return parquet.read()


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _field_ids(fields: Iterable[pa.Field]) -> Iterable[int]:
    """The ids of fields and of those inside them."""
    for field in fields:
        yield int((field.metadata or {})[b"PARQUET:field_id"])
        kind = field.type
        if pa.types.is_map(kind):
            yield from _field_ids([kind.key_field, kind.item_field])
        elif pa.types.is_nested(kind):
            yield from _field_ids(kind.field(number) for number in range(kind.num_fields))


def _check_statistics(file: StagedFile, kind: PrimitiveType, column: pa.Array) -> None:
    values = [value for value in _comparable(column) if value is not None]
    nans = sum(isinstance(value, float) and math.isnan(value) for value in values)
    assert (file.value_counts[1], file.null_value_counts[1]) == (len(column), column.null_count)
    assert file.nan_value_counts.get(1, 0) == nans
    assert file.column_sizes[1] > 0
    numbers = [value for value in values if value == value]  # noqa: PLR0124 - NaN is not itself
    if 1 in file.lower_bounds:
        assert all(from_bytes(kind, file.lower_bounds[1]) <= value for value in numbers)
    if 1 in file.upper_bounds:
        assert all(from_bytes(kind, file.upper_bounds[1]) >= value for value in numbers)


def _comparable(column: pa.Array) -> Sequence[Any]:
    """The values as Iceberg's bounds spell them: days and microseconds as numbers."""
    kinds: tuple[tuple[Callable[[pa.DataType], bool], pa.DataType], ...] = (
        (pa.types.is_date, pa.int32()),
        (pa.types.is_time, pa.int64()),
        (pa.types.is_timestamp, pa.int64()),
    )
    for is_kind, number in kinds:
        if is_kind(column.type):
            return column.cast(number).to_pylist()
    return column.to_pylist()
