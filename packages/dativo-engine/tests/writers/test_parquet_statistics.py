"""What a staged file says of its columns is what is in them; a reader may skip the file by it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dativo_engine.interfaces import StagedFile, TableLayout
from dativo_engine.writers.parquet import open_writer
from dativo_engine.writers.statistics import rounded_up
from hypothesis import given
from hypothesis import strategies as st
from pyiceberg.conversions import from_bytes
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    IcebergType,
    ListType,
    LongType,
    MapType,
    NestedField,
    PrimitiveType,
    StringType,
    StructType,
    TimestamptzType,
    UUIDType,
)

MakeLayout = Callable[..., TableLayout]
MEMORY = 64 * 1024 * 1024
NAN = float("nan")
LAST = "\U0010ffff"


def _write(layout: TableLayout, *batches: pa.RecordBatch) -> StagedFile:
    writer = open_writer(layout, run_id="run", memory_bytes=MEMORY)
    for batch in batches:
        writer.write(batch)
    [file] = writer.flush()
    return file


@pytest.mark.parametrize(
    ("kind", "values", "low", "high"),
    [
        (BooleanType(), pa.array([True, None, False]), False, True),
        (LongType(), pa.array([3, None, -5]), -5, 3),
        (
            DecimalType(9, 2),
            pa.array([Decimal("-1.50"), None], pa.decimal128(9, 2)),
            Decimal("-1.50"),
            Decimal("-1.50"),
        ),
        (DecimalType(18, 2), pa.array([Decimal("-1.50"), None, Decimal(2)], pa.decimal128(18, 2)), Decimal("-1.50"), 2),
        (DecimalType(38, 2), pa.array([Decimal("-1.50"), None, Decimal(2)], pa.decimal128(38, 2)), Decimal("-1.50"), 2),
        # Years -495 and 10183, which Python's dates don't have.
        (DateType(), pa.array([-900_000, None, 3_000_000], pa.int32()).cast(pa.date32()), -900_000, 3_000_000),
        (TimestamptzType(), pa.array([-1, None, 5], pa.int64()).cast(pa.timestamp("us", "UTC")), -1, 5),
        (DoubleType(), pa.array([NAN, None, 1.5, -2.0]), -2.0, 1.5),
        (DoubleType(), pa.array([0.0, -0.0]), -0.0, 0.0),
        (StringType(), pa.array(["", None, "b"]), "", "b"),
        (StringType(), pa.array(["aaaaaaaaaaaaaaaaa", "zzzzzzzzzzzzzzzzz"]), "a" * 16, "z" * 15 + "{"),
        (StringType(), pa.array(["😀" * 17]), "😀" * 16, "😀" * 15 + "😁"),
        (BinaryType(), pa.array([b"\x01" * 17, None, b"\xfe" * 17]), b"\x01" * 16, b"\xfe" * 15 + b"\xff"),
        (FixedType(4), pa.array([b"\xff\x00ab", None, b"abcd"], pa.binary(4)), b"abcd", b"\xff\x00ab"),
        (
            UUIDType(),
            pa.array([uuid.UUID(int=2).bytes, None], pa.binary(16)),
            uuid.UUID(int=2).bytes,
            uuid.UUID(int=2).bytes,
        ),
    ],
    ids=str,
)
def test_bounds_are_icebergs_own(
    make_layout: MakeLayout, kind: PrimitiveType, values: pa.Array, low: object, high: object
) -> None:
    file = _write(make_layout({"value": kind}), pa.record_batch([values], names=["value"]))

    assert from_bytes(kind, file.lower_bounds[1]) == low
    assert from_bytes(kind, file.upper_bounds[1]) == high
    assert (file.rows, file.value_counts[1], file.null_value_counts[1]) == (len(values), len(values), values.null_count)
    assert file.column_sizes[1] > 0


def test_nans_are_counted_and_leave_the_bounds_alone(make_layout: MakeLayout) -> None:
    layout = make_layout({"some": DoubleType(), "only": DoubleType(), "none": LongType()})
    columns = [pa.array([NAN, 1.0, None]), pa.array([NAN, NAN, None], pa.float64()), pa.array([1, 2, 3])]
    file = _write(layout, pa.record_batch(columns, names=["some", "only", "none"]))

    assert file.nan_value_counts == {1: 1, 2: 2}
    assert from_bytes(DoubleType(), file.lower_bounds[1]) == 1.0
    assert 2 not in file.lower_bounds
    assert 2 not in file.upper_bounds


def test_negative_zero_is_kept(make_layout: MakeLayout) -> None:
    file = _write(make_layout({"value": DoubleType()}), pa.record_batch([pa.array([-0.0, 0.0])], names=["value"]))

    assert str(pq.read_table(file.path).column("value").to_pylist()) == "[-0.0, 0.0]"
    assert str(from_bytes(DoubleType(), file.lower_bounds[1])) == "-0.0"


def test_a_value_too_long_for_the_footer_takes_the_bounds_away(make_layout: MakeLayout) -> None:
    layout = make_layout({"value": StringType()})
    short = pa.record_batch([pa.array(["m"] * 250_000)], names=["value"])
    long = pa.record_batch([pa.array(["a" * 5000, "z" * 5000])], names=["value"])
    file = _write(layout, short, long)

    assert pq.read_metadata(file.path).num_row_groups == 2
    assert file.lower_bounds == {}
    assert file.upper_bounds == {}
    assert file.null_value_counts == {1: 0}


def test_nested_columns_have_counts_by_their_own_ids(make_layout: MakeLayout) -> None:
    columns: dict[str, IcebergType] = {
        "s": StructType(NestedField(11, "d", DoubleType(), required=False)),
        "l": ListType(12, DoubleType(), element_required=False),
        "m": MapType(13, StringType(), 14, DoubleType(), value_required=False),
    }
    s = pa.array([{"d": NAN}, None, {"d": 1.0}], pa.struct([("d", pa.float64())]))
    listed = pa.array([[NAN, NAN], None, [1.0, None]], pa.list_(pa.float64()))
    m = pa.array([[("a", NAN)], None, [("b", 1.0), ("c", NAN)]], pa.map_(pa.string(), pa.float64()))
    # A slice, so that what lies before it must not count.
    batch = pa.record_batch([s, listed, m], names=["s", "l", "m"])
    file = _write(make_layout(columns), pa.concat_batches([batch, batch]).slice(2, 2))

    assert file.nan_value_counts == {11: 1, 12: 2, 14: 2}
    assert set(file.column_sizes) == {11, 12, 13, 14}
    assert file.null_value_counts[11] == 0


def test_the_table_says_which_statistics_are_kept(make_layout: MakeLayout) -> None:
    layout = make_layout({"a": LongType(), "b": LongType(), "c": LongType()})
    asked = {"write.metadata.metrics.default": "counts", "write.metadata.metrics.column.b": "none",
             "write.metadata.metrics.column.c": "full"}  # fmt: skip
    batch = pa.record_batch([pa.array([1])] * 3, names=["a", "b", "c"])
    file = _write(replace(layout, io_properties=asked), batch)

    assert set(file.value_counts) == {1, 3}
    assert set(file.lower_bounds) == {3}
    assert set(file.column_sizes) == {1, 2, 3}


def test_split_offsets_are_where_row_groups_begin(make_layout: MakeLayout) -> None:
    batch = pa.record_batch([pa.array(range(600_000))], names=["value"])
    file = _write(make_layout({"value": LongType()}), batch)

    assert file.split_offsets[0] == 4  # after the magic bytes
    assert len(file.split_offsets) == 3
    assert list(file.split_offsets) == sorted(file.split_offsets)


@given(
    st.lists(st.text(alphabet=st.characters(codec="utf-8") | st.sampled_from([LAST, "\ud7ff", "\ue000"])), min_size=1)
)
def test_no_text_is_beyond_its_rounded_bound(texts: list[str]) -> None:
    high = rounded_up(max(texts), 3)

    assert high is None or (len(high) <= 3 and all(text <= high for text in texts))
    assert high is None or high.encode() is not None  # a surrogate could not be encoded
