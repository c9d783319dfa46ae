"""One case per Iceberg type, and per Arrow type that comes as one: what a writer is given, and has to keep."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa
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
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)

_NAN = float("nan")
_SOME_ID, _LAST_ID = uuid.UUID(int=1).bytes, uuid.UUID(int=2**128 - 1).bytes
_NOON = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)
_FIRST = dt.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC)
_ADDRESS = StructType(
    NestedField(21, "city", StringType(), required=False),
    NestedField(22, "place", StructType(NestedField(23, "lat", DoubleType(), required=False)), required=False),
)
_NUMBERS = pa.list_(pa.int64())


@dataclass(frozen=True, slots=True)
class TypeCase:
    """A column: its type in the table, its type as it comes, and its values, nulls among them."""

    name: str
    iceberg: IcebergType
    arrow: pa.DataType
    values: Sequence[object]

    def column(self) -> pa.Array:
        """The values as a batch brings them."""
        return pa.array(self.values, self.arrow)


TYPE_CASES: tuple[TypeCase, ...] = (
    TypeCase("boolean", BooleanType(), pa.bool_(), [True, None, False]),
    TypeCase("int", IntegerType(), pa.int32(), [-(2**31), None, 2**31 - 1]),
    TypeCase("long", LongType(), pa.int64(), [-(2**63), None, 2**63 - 1]),
    TypeCase("float", FloatType(), pa.float32(), [1.5, None, -0.0, _NAN]),
    TypeCase("double", DoubleType(), pa.float64(), [1e300, None, float("inf"), _NAN]),
    TypeCase("decimal(9, 2)", DecimalType(9, 2), pa.decimal128(9, 2), [Decimal("-1.50"), None, Decimal("9999999.99")]),
    TypeCase("decimal(18, 4)", DecimalType(18, 4), pa.decimal128(18, 4), [Decimal("-1.5000"), None, Decimal("2.2500")]),
    TypeCase("decimal(38, 9)", DecimalType(38, 9), pa.decimal128(38, 9), [Decimal("-1.5"), None, Decimal(10**28)]),
    TypeCase("date", DateType(), pa.date32(), [dt.date(1, 1, 1), None, dt.date(9999, 12, 31)]),
    TypeCase("time", TimeType(), pa.time64("us"), [dt.time(0), None, dt.time(23, 59, 59, 999999)]),
    TypeCase("timestamp", TimestampType(), pa.timestamp("us"), [_FIRST.replace(tzinfo=None), None]),
    TypeCase("timestamptz", TimestamptzType(), pa.timestamp("us", "UTC"), [_FIRST, None, _NOON]),
    TypeCase("string", StringType(), pa.string(), ["", None, "ä😀", "x" * 5000]),
    TypeCase("string from large_string", StringType(), pa.large_string(), ["", None, "ä😀"]),
    TypeCase("string from dictionary", StringType(), pa.dictionary(pa.int32(), pa.string()), ["a", None, "a"]),
    TypeCase("uuid", UUIDType(), pa.binary(16), [_SOME_ID, None, _LAST_ID]),
    TypeCase("binary", BinaryType(), pa.binary(), [b"", None, b"\x00\xff"]),
    TypeCase("fixed(4)", FixedType(4), pa.binary(4), [b"abcd", None, b"\xff\x00ab"]),
    TypeCase(
        "struct",
        _ADDRESS,
        pa.struct([("city", pa.string()), ("place", pa.struct([("lat", pa.float64())]))]),
        [{"city": "Bonn", "place": {"lat": 50.7}}, None, {"city": None, "place": None}],
    ),
    TypeCase("list", ListType(21, LongType(), element_required=False), _NUMBERS, [[1, None], None, [], [3]]),
    TypeCase(
        "list of lists",
        ListType(21, ListType(22, LongType(), element_required=False), element_required=False),
        pa.list_(_NUMBERS),
        [[[1], None, []], None, []],
    ),
    TypeCase(
        "list of structs",
        ListType(21, StructType(NestedField(22, "n", LongType(), required=False)), element_required=False),
        pa.list_(pa.struct([("n", pa.int64())])),
        [[{"n": 1}, {"n": None}], None, [None], []],
    ),
    TypeCase(
        "map",
        MapType(21, StringType(), 22, DoubleType(), value_required=False),
        pa.map_(pa.string(), pa.float64()),
        [[("a", 1.0), ("b", None)], None, []],
    ),
)
