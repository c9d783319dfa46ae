"""Merge finds rows by keys of every type, alone and as a part of a key."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from dativo_engine.commits.changes import OP_COLUMN, MergeRule
from dativo_engine.commits.merge import Merged
from merge_support import Folder
from pyiceberg.schema import Schema
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    FloatType,
    IcebergType,
    IntegerType,
    LongType,
    NestedField,
    StringType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)

KEYS: list[tuple[IcebergType, pa.DataType, list[Any]]] = [
    (StringType(), pa.string(), ["", "a", "aa", "ß", "a" * 40 + "1", "a" * 40 + "2"]),
    (BinaryType(), pa.binary(), [b"", b"\x00", b"\x7f", b"\x80", b"\xff" * 40 + b"1", b"\xff" * 40 + b"2"]),
    (FixedType(4), pa.binary(4), [b"\x00" * 4, b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\xff" * 4]),
    (UUIDType(), pa.binary(16), [bytes([number]) * 16 for number in (0, 127, 128, 255)]),
    (BooleanType(), pa.bool_(), [True, False]),
    (IntegerType(), pa.int32(), [-(2**31), -1, 0, 1, 2**31 - 1]),
    (LongType(), pa.int64(), [-(2**63), -1, 0, 2**53, 2**53 + 1, 2**63 - 1]),
    (FloatType(), pa.float32(), [0.5, -0.25, 1e-45, 3.4028234663852886e38, math.inf, -math.inf, math.nan]),
    (DoubleType(), pa.float64(), [0.5, 0.1, -1e308, 5e-324, math.inf, -math.inf, math.nan]),
    (DecimalType(9, 2), pa.decimal128(9, 2), [Decimal("0.00"), Decimal("-0.01"), Decimal("9999999.99")]),
    (
        DecimalType(20, 4),
        pa.decimal128(20, 4),
        [Decimal(0), Decimal("-1.5"), Decimal("9999999999999999.9999")],
    ),
    (DecimalType(38, 0), pa.decimal128(38, 0), [Decimal(-(10**38) + 1), Decimal(0), Decimal(10**38 - 1)]),
    (
        DateType(),
        pa.date32(),
        [dt.date(1969, 12, 31), dt.date(1970, 1, 1), dt.date(9999, 12, 31)],
    ),
    (TimeType(), pa.time64("us"), [dt.time(0), dt.time(12, 0, 0, 1), dt.time(23, 59, 59, 999_999)]),
    (
        TimestampType(),
        pa.timestamp("us"),
        [dt.datetime(1, 1, 1), dt.datetime(1969, 12, 31, 23, 59, 59, 999_999), dt.datetime(2020, 1, 1)],  # noqa: DTZ001
    ),
    (
        TimestamptzType(),
        pa.timestamp("us", "UTC"),
        [dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(1900, 1, 1, tzinfo=dt.UTC)],
    ),
]


@pytest.mark.parametrize(("kind", "arrow", "values"), KEYS, ids=[str(kind) for kind, _, _ in KEYS])
@pytest.mark.parametrize("composite", [False, True], ids=["alone", "composite"])
def test_keys_of_every_type(
    tmp_path: Path, kind: IcebergType, arrow: pa.DataType, values: list[Any], composite: bool
) -> None:
    schema = Schema(
        NestedField(1, "k", kind, required=False),
        NestedField(2, "part", StringType(), required=False),
        NestedField(3, "v", LongType(), required=False),
    )
    table = Folder(tmp_path, MergeRule(("k", "part") if composite else ("k",)), schema=schema)
    values = pa.array(values, arrow).to_pylist()  # as the type keeps them
    parts = ("x", "y") if composite else ("x",)

    def of(value: int, keys: list[Any], parts: Sequence[str] = parts) -> pa.Table:
        found = [(key, part) for part in parts for key in keys]
        columns = {"k": pa.array([key for key, _ in found], arrow), "part": [part for _, part in found]}
        return pa.table({**columns, "v": pa.array([value] * len(found))})

    def stored() -> Counter[tuple[Any, str, int]]:
        return Counter((_plain(row["k"]), row["part"], row["v"]) for row in table.rows())

    everything = [(_plain(key), part) for key in values for part in parts]
    table.merge([of(1, values)])
    assert stored() == Counter((key, part, 1) for key, part in everything)
    for number, key in enumerate(values, start=2):
        before = stored()
        merged = table.merge([of(number, [key], ("x",))])
        assert (merged.inserted, merged.updated) == (0, 1)
        assert stored() == before - Counter([(_plain(key), "x", 1)]) + Counter([(_plain(key), "x", number)])
        assert table.merge([of(number, [key], ("x",))]) == Merged((), (), 0, 0, 0)
    gone = of(0, values[:1], ("x",)).append_column(OP_COLUMN, pa.array([1], pa.int32()))
    assert table.merge([gone]).deleted == 1
    assert {(key, part) for key, part, _ in stored()} == set(everything) - {(_plain(values[0]), "x")}


def _plain(key: object) -> object:
    """Of a UUID its bytes, as the rows of a run have them; NaN, which equals itself as a key, by name."""
    if isinstance(key, float) and math.isnan(key):
        return "NaN"
    return key.bytes if isinstance(key, UUID) else key
