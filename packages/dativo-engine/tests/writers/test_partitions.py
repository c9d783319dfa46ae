"""Partitioned tables: every row once, each file of one partition, in order, whatever the budget."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dativo_engine.interfaces import StagedFile, TableLayout
from dativo_engine.writers.parquet import open_writer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.transforms import (
    BucketTransform,
    DayTransform,
    HourTransform,
    IdentityTransform,
    MonthTransform,
    Transform,
    TruncateTransform,
    VoidTransform,
    YearTransform,
)
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    IcebergType,
    IntegerType,
    LongType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)

MakeLayout = Callable[..., TableLayout]
MEMORY = 64 * 1024 * 1024

TRANSFORMS: list[Transform[Any, Any]] = [
    IdentityTransform(), BucketTransform(16), TruncateTransform(3), YearTransform(), MonthTransform(), DayTransform(),
    HourTransform(), VoidTransform(),
]  # fmt: skip
# Values as Iceberg keeps them inside, and as Arrow takes them.
VALUES: list[tuple[IcebergType, pa.DataType, list[object]]] = [
    (BooleanType(), pa.bool_(), [True, False]),
    (IntegerType(), pa.int32(), [2 - 2**31, -1, 0, 7]),
    (LongType(), pa.int64(), [2 - 2**63, -1, 0, 7]),
    (DecimalType(9, 2), pa.decimal128(9, 2), [Decimal("-1.50"), Decimal("10.00")]),
    (DecimalType(38, 2), pa.decimal128(38, 2), [Decimal("-1.50"), Decimal("10.00")]),
    (DateType(), pa.date32(), [-1, 0, 20_000]),
    (TimeType(), pa.time64("us"), [0, 86_399_999_999]),
    (TimestampType(), pa.timestamp("us"), [-1, 0, 10**15]),
    (TimestamptzType(), pa.timestamp("us", "UTC"), [-1, 0, 10**15]),
    (StringType(), pa.string(), ["", "a/b c%", "ä😀bc", "null"]),
    (UUIDType(), pa.binary(16), [uuid.UUID(int=1).bytes, uuid.UUID(int=2**128 - 1).bytes]),
    (BinaryType(), pa.binary(), [b"", b"\x00\xff/ab"]),
    (FixedType(4), pa.binary(4), [b"abcd", b"\xff\x00ab"]),
]
CASES = [(t, *case) for t, case in itertools.product(TRANSFORMS, VALUES) if t.can_transform(case[0])]


def _write(layout: TableLayout, batches: Sequence[pa.RecordBatch], *, memory: int = MEMORY) -> list[StagedFile]:
    writer = open_writer(layout, run_id="run", memory_bytes=memory)
    for batch in batches:
        writer.write(batch)
    return writer.flush()


def _column(path: str, name: str) -> list[object]:
    return pq.ParquetFile(path).read([name]).column(name).to_pylist()


@pytest.mark.parametrize(("transform", "kind", "arrow", "values"), CASES, ids=str)
def test_partition_values_are_those_of_icebergs_transform(
    make_layout: MakeLayout, transform: Transform[Any, Any], kind: IcebergType, arrow: pa.DataType,
    values: list[object],
) -> None:  # fmt: skip
    layout = make_layout({"id": LongType(), "value": kind}, partitions=[("value", transform)])
    stored: list[object] = [*values, None, values[0]]
    ids = pa.array(range(len(stored)), pa.int64())
    files = _write(layout, [pa.record_batch([ids, pa.array(stored, arrow)], names=["id", "value"])])

    expected: dict[object, list[object]] = defaultdict(list)
    for number, value in enumerate(stored):
        expected[transform.transform(kind)(value)].append(number)
    assert {file.partition[0]: _column(file.path, "id") for file in files} == expected
    assert all(file.spec_id == 3 for file in files)


def test_folders_are_named_as_iceberg_names_them(make_layout: MakeLayout) -> None:
    layout = make_layout(
        {"day": DateType(), "name": StringType()},
        partitions=[("day", IdentityTransform()), ("name", IdentityTransform()), ("day", YearTransform())],
    )
    days = pa.array([dt.date(2024, 2, 29), None])
    files = _write(layout, [pa.record_batch([days, pa.array(["a/b c=ä", None])], names=["day", "name"])])

    folders = [Path(file.path).relative_to(f"{layout.location}/data").parent.as_posix() for file in files]
    assert folders == ["p0_day=2024-02-29/p1_name=a%2Fb+c%3D%C3%A4/p2_day=2024", "p0_day=null/p1_name=null/p2_day=null"]
    assert files[0].partition == (19782, "a/b c=ä", 54)


def test_a_field_in_a_struct_can_partition(make_layout: MakeLayout) -> None:
    place = StructType(NestedField(11, "country", StringType(), required=False))
    layout = make_layout({"place": place}, partitions=[("place.country", IdentityTransform())])
    rows = pa.array([{"country": "de"}, None, {"country": "fr"}], pa.struct([("country", pa.string())]))
    files = _write(layout, [pa.record_batch([rows], names=["place"])])

    assert [file.partition for file in files] == [("de",), (None,), ("fr",)]


def test_all_nans_are_one_partition(make_layout: MakeLayout) -> None:
    layout = make_layout({"value": DoubleType()}, partitions=[("value", IdentityTransform())])
    batch = pa.record_batch([pa.array([float("nan")] * 3)], names=["value"])

    assert [file.rows for file in _write(layout, [batch, batch])] == [6]


NAMES = st.sampled_from(["a" * 20_000, "b", "c" * 20_000])
ROWS = st.lists(
    st.tuples(st.none() | st.integers(0, 5), st.none() | NAMES),
    max_size=200,
)


def test_values_that_no_folder_can_be_named_after_are_written_all_the_same(make_layout: MakeLayout) -> None:
    layout = make_layout(
        {"day": DateType(), "name": StringType()},
        partitions=[("day", IdentityTransform()), ("name", IdentityTransform())],
    )
    days = pa.array([3_000_000, 3_000_001], pa.int32()).cast(pa.date32())  # in the year 10183
    names = ["a/b", "ä" * 5000]
    files = _write(layout, [pa.record_batch([days, pa.array(names)], names=["day", "name"])])

    assert [file.partition for file in files] == [(3_000_000, names[0]), (3_000_001, names[1])]


# The fixture makes layouts; each example has a folder of its own.
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, cuts=st.lists(st.integers(0, 200), max_size=6), tiny=st.booleans())
def test_rows_out_are_rows_in_and_each_file_holds_one_partition_in_order(
    make_layout: MakeLayout, rows: list[tuple[int | None, str | None]], cuts: list[int], tiny: bool
) -> None:
    schema = pa.schema([("id", pa.int64()), ("number", pa.int64()), ("name", pa.string())])
    table = pa.Table.from_pylist(
        [{"id": n, "number": number, "name": name} for n, (number, name) in enumerate(rows)], schema
    )
    with TemporaryDirectory() as folder:
        layout = make_layout(
            {"id": LongType(), "number": LongType(), "name": StringType()},
            partitions=[("number", IdentityTransform()), ("name", IdentityTransform())],
            location=Path(folder),
        )
        files = _write(layout, _cut(table, cuts), memory=1 if tiny else MEMORY)
        back = [(file.partition, pq.ParquetFile(file.path).read()) for file in files]

    read: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for partition, part in back:
        keys = {(row["number"], row["name"]) for row in part.to_pylist()}
        assert keys == {partition}
        read[partition] += part.column("id").to_pylist()
    expected: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        expected[row].append(number)
    assert read == expected


@pytest.mark.parametrize("memory", [1, 8_000_000, 256_000_000])
def test_large_and_small_partitions_keep_their_order_through_the_spill(make_layout: MakeLayout, memory: int) -> None:
    layout = make_layout(
        {"id": LongType(), "key": LongType(), "text": StringType()}, partitions=[("key", IdentityTransform())],
        target=300_000,
    )  # fmt: skip
    keys = [0 if n % 3 else n % 200 for n in range(120_000)]
    texts = [f"{n * 2654435761 % 2**32:08x}" * 12 for n in range(120_000)]
    table = pa.table({"id": range(120_000), "key": keys, "text": texts})
    files = _write(layout, table.to_batches(max_chunksize=5_000), memory=memory)

    read: dict[object, list[object]] = defaultdict(list)
    for file in files:
        assert set(_column(file.path, "key")) == set(file.partition)
        read[file.partition[0]] += _column(file.path, "id")
    assert sum(map(len, read.values())) == 120_000
    assert all(ids == sorted(ids) for ids in read.values())  # pyright: ignore[reportArgumentType]
    # Only the large one is worth more than one file.
    assert len(files) - len([file for file in files if file.partition == (0,)]) == len(read) - 1


def _cut(table: pa.Table, cuts: Sequence[int]) -> list[pa.RecordBatch]:
    edges = sorted({0, table.num_rows, *(cut for cut in cuts if cut < table.num_rows)})
    parts = [table.slice(a, b - a).combine_chunks().to_batches() for a, b in itertools.pairwise(edges)]
    return [batch for part in parts for batch in part]
