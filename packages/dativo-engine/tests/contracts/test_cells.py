"""Every type and option of a contract on single cells: what goes in, what is accepted, why the rest is not."""

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from dativo_config.models.contract import Limits, PhysicalType, Property, SchemaObject
from dativo_engine.contracts.enforce import compile_enforcer
from dativo_engine.interfaces import Batch, Position

UTC = dt.UTC
DEC = PhysicalType("decimal", 10, 2)
DAY, NOON = dt.date(2024, 2, 29), dt.datetime.fromisoformat("2024-02-29T12:00:01.500000")
UUID = bytes.fromhex("00112233445566778899aabbccddeeff")


def column(physical: str | PhysicalType, logical: str = "string", **more: Any) -> Property:
    kind = physical if isinstance(physical, PhysicalType) else PhysicalType(physical)
    return Property("c", "c", logical, kind, **more)  # pyright: ignore[reportArgumentType]


def child(name: str, physical: str | PhysicalType, **more: Any) -> Property:
    kind = physical if isinstance(physical, PhysicalType) else PhysicalType(physical)
    return Property(name, name, "string", kind, **more)


@dataclass(frozen=True)
class Case:
    """`rejected`: position of a bad cell -> the rules it breaks; the other cells become `accepted`."""

    name: str
    property: Property
    cells: pa.Array
    accepted: Sequence[object]
    rejected: dict[int, list[str]]


def text(*cells: str | None) -> pa.Array:
    return pa.array(cells, pa.string())


TYPE = ["type"]
STRUCT = column(
    "struct", properties=(child("zip", "int", required=True, limits=Limits(minimum=10)), child("city", "string"))
)

CASES = [
    Case("text stays", column("string"), text("a", "", None), ["a", "", None], {}),
    Case("text to long", column("long"), text("1", " -2 ", "+3", "4.0", None), [1, -2, 3, 4, None], {}),
    Case(
        "text that is no long",
        column("long"),
        text("x", "1.5", "9223372036854775808", "0x1F", "", "1e3", "7"),
        [7],
        dict.fromkeys(range(6), TYPE),
    ),
    Case("long to int", column("int"), pa.array([2**31 - 1, 2**31, -(2**31)]), [2**31 - 1, -(2**31)], {1: TYPE}),
    Case("unsigned to long", column("long"), pa.array([1, 2**63], pa.uint64()), [1], {1: TYPE}),
    Case(
        "double to long",
        column("long"),
        pa.array([1.0, 1.5, math.nan, None, 1e300]),
        [1, None],
        {1: TYPE, 2: TYPE, 4: TYPE},
    ),
    Case("decimal to long", column("long"), pa.array([Decimal("2.00"), Decimal("2.01")]), [2], {1: TYPE}),
    Case("boolean is no long", column("long"), pa.array([True, None]), [None], {0: TYPE}),
    Case("dictionary of text to int", column("int"), text("1", "2", "1").dictionary_encode(), [1, 2, 1], {}),
    Case("nulls of no type", column("int"), pa.nulls(2), [None, None], {}),
    Case(
        "text to double",
        column("double"),
        text("1.5", "-.5", "1e3", "inf", "1e400", "1,5", "abc"),
        [1.5, -0.5, 1000.0, math.inf],
        {4: TYPE, 5: TYPE, 6: TYPE},
    ),
    Case("long to double", column("double"), pa.array([2**53, 2**53 + 1]), [2.0**53], {1: TYPE}),
    Case("double to float", column("float"), pa.array([0.5, 1e300, math.inf]), [0.5, math.inf], {1: TYPE}),
    Case(
        "text to decimal",
        column(DEC),
        text("1.20", "-12345678.99", "1.234", "123456789.00", "1e2", "1.230"),
        [Decimal("1.20"), Decimal("-12345678.99"), Decimal("100.00"), Decimal("1.23")],
        {2: TYPE, 3: TYPE},
    ),
    Case(
        "double to decimal",
        column(DEC),
        pa.array([0.1, 12.34, 12.345, math.nan]),
        [Decimal("0.10"), Decimal("12.34")],
        {2: TYPE, 3: TYPE},
    ),
    Case("long to decimal", column(DEC), pa.array([5, 10**9]), [Decimal("5.00")], {1: TYPE}),
    Case(
        "decimal to smaller decimal",
        column(DEC),
        pa.array([Decimal("1.250"), Decimal("1.255")]),
        [Decimal("1.25")],
        {1: TYPE},
    ),
    Case(
        "text to boolean",
        column("boolean"),
        text("true", "FALSE", "1", "0", "yes", "2", None),
        [True, False, True, False, None],
        {4: TYPE, 5: TYPE},
    ),
    Case("long to boolean", column("boolean"), pa.array([0, 1, 2, -1]), [False, True], {2: TYPE, 3: TYPE}),
    Case(
        "text to date",
        column("date", "date"),
        text("2024-02-29", "2023-02-29", "2024-02-29T00:00:00", "2024-02-29 01:00", "29.02.2024"),
        [DAY, DAY],
        {1: TYPE, 3: TYPE, 4: TYPE},
    ),
    Case(
        "text to date by pattern",
        column("date", "date", limits=Limits(format="dd.MM.yyyy")),
        text("29.02.2024", "2024-02-29", "30.02.2024"),
        [DAY, DAY],
        {2: TYPE},
    ),
    Case(
        "timestamp to date",
        column("date", "date"),
        pa.array([dt.datetime.fromisoformat("2024-02-29"), NOON], pa.timestamp("us")),
        [DAY],
        {1: TYPE},
    ),
    Case(
        "text to timestamptz",
        column("timestamptz", "timestamp"),
        text(
            "2024-02-29T12:00:01.5",
            "2024-02-29 13:00:01.500+01:00",
            "2024-02-29T12:00:01.500000000Z",
            "2024-02-29",
            "2024-13-01",
            "1.1.2024",
        ),
        [NOON.replace(tzinfo=UTC)] * 3 + [dt.datetime(2024, 2, 29, tzinfo=UTC)],
        {4: TYPE, 5: TYPE},
    ),
    Case(
        "texts with and without zone in one column",
        column("timestamptz", "timestamp"),
        text("2024-02-29T12:00:01.5Z", "2024-02-29 12:00:01.5", None),
        [NOON.replace(tzinfo=UTC), NOON.replace(tzinfo=UTC), None],
        {},
    ),
    Case(
        "zoneless text in another zone",
        column("timestamptz", "timestamp", limits=Limits(default_timezone="Europe/Berlin")),
        text("2024-07-01T12:00:00", "2024-03-31T02:30:00", "2024-07-01T12:00:00Z", "2024-10-27T02:30:00"),
        [
            dt.datetime(2024, 7, 1, 10, tzinfo=UTC),
            dt.datetime(2024, 7, 1, 12, tzinfo=UTC),
            dt.datetime(2024, 10, 27, 0, 30, tzinfo=UTC),
        ],
        {1: TYPE},
    ),
    Case(
        "text to timestamp by pattern",
        column("timestamp", "timestamp", limits=Limits(format="M/d/yyyy H:mm:ss.SSS")),
        text("2/29/2024 12:00:01.500", "13/1/2024 0:00:00.000"),
        [NOON],
        {1: TYPE},
    ),
    Case("zoned text to timestamp", column("timestamp", "timestamp"), text("2024-02-29T13:00:01.5+01:00"), [NOON], {}),
    Case(
        "nanoseconds to timestamp",
        column("timestamp", "timestamp"),
        pa.array([1_000, 1_001], pa.timestamp("ns")),
        [dt.datetime.fromisoformat("1970-01-01T00:00:00.000001")],
        {1: TYPE},
    ),
    Case(
        "zoneless timestamp to timestamptz",
        column("timestamptz", "timestamp"),
        pa.array([NOON], pa.timestamp("ms")),
        [NOON.replace(tzinfo=UTC)],
        {},
    ),
    Case(
        "date to timestamptz",
        column("timestamptz", "timestamp"),
        pa.array([DAY]),
        [dt.datetime(2024, 2, 29, tzinfo=UTC)],
        {},
    ),
    Case(
        "seconds out of range",
        column("timestamp", "timestamp"),
        pa.array([2**62, 0], pa.timestamp("s")),
        [dt.datetime.fromisoformat("1970-01-01")],
        {0: TYPE},
    ),
    Case("long is no timestamp", column("timestamptz", "timestamp"), pa.array([1700000000]), [], {0: TYPE}),
    Case(
        "text to time",
        column("time", "time"),
        text("12:30", "12:30:01.25", "24:00:00", "noon"),
        [dt.time(12, 30), dt.time(12, 30, 1, 250000)],
        {2: TYPE, 3: TYPE},
    ),
    Case(
        "time of nanoseconds",
        column("time", "time"),
        pa.array([1_000, 1], pa.time64("ns")),
        [dt.time(0, 0, 0, 1)],
        {1: TYPE},
    ),
    Case(
        "text to uuid",
        column("uuid"),
        text(
            "00112233-4455-6677-8899-aabbccddeeff",
            "00112233445566778899AABBCCDDEEFF",
            None,
            "0011",
            "zz112233-4455-6677-8899-aabbccddeeff",
        ),
        [UUID, UUID, None],
        {3: TYPE, 4: TYPE},
    ),
    Case("text to binary", column("binary"), text("AAEC", "", "?", None), [b"\0\1\2", b"", None], {2: TYPE}),
    Case("binary to fixed", column(PhysicalType("fixed", length=2)), pa.array([b"ab", b"abc"]), [b"ab"], {1: TYPE}),
    Case("long to text", column("string"), pa.array([1, None]), ["1", None], {}),
    Case("bytes to text", column("string"), pa.array([b"ab", b"\xff"]), ["ab"], {1: TYPE}),
    Case(
        "object to text",
        column("string"),
        pa.array([{"a": 1, "b": [1.5, None]}, None]),
        ['{"a":1,"b":[1.5,null]}', None],
        {},
    ),
    Case("text is no object", STRUCT, pa.array([1]), [], {0: TYPE}),
    Case(
        "object",
        STRUCT,
        pa.array([{"zip": "12"}, {"zip": "5"}, {"zip": "x"}, {"zip": None}, None]),
        [{"zip": 12, "city": None}, None],
        {1: ["minimum"], 2: TYPE, 3: ["required"]},
    ),
    Case(
        "object from JSON text",
        STRUCT,
        text('{"zip": 12, "x": 1}', "{", None),
        [{"zip": 12, "city": None}, None],
        {1: TYPE},
    ),
    Case(
        "list",
        column("list", items=child("i", "int", limits=Limits(maximum=9)), limits=Limits(min_items=1, max_items=2)),
        pa.array([["1", "2"], [], ["1", "x"], None, ["10"], ["1", "2", "3"], [None]]),
        [[1, 2], None, [None]],
        {1: ["minItems"], 2: TYPE, 4: ["maximum"], 5: ["maxItems"]},
    ),
    Case(
        "list without repeats",
        column("list", items=child("i", "string"), limits=Limits(unique_items=True)),
        pa.array([["a", "b"], ["a", "a"], None, []]),
        [["a", "b"], None, []],
        {1: ["uniqueItems"]},
    ),
    Case(
        "map of objects",
        column("map", items=child("v", "int")),
        pa.array([{"a": "1", "b": None}, {"a": None, "b": "x"}, None]),
        [[("a", 1)], None],
        {1: TYPE},
    ),
    Case(
        "map of maps",
        column("map", items=child("v", "int")),
        pa.array([[("a", 1)], [("b", 2**40)]], pa.map_(pa.string(), pa.int64())),
        [[("a", 1)]],
        {1: TYPE},
    ),
    Case("required", column("string", required=True), text("a", None), ["a"], {1: ["required"]}),
    Case(
        "a failed cell is not missing too",
        column("int", required=True),
        text("x", None),
        [],
        {0: TYPE, 1: ["required"]},
    ),
    Case(
        "bounds",
        column("long", limits=Limits(minimum=1, maximum=9)),
        pa.array([0, 1, 9, 10, None]),
        [1, 9, None],
        {0: ["minimum"], 3: ["maximum"]},
    ),
    Case(
        "exclusive bounds",
        column("double", limits=Limits(exclusive_minimum=0, exclusive_maximum=1)),
        pa.array([0.0, 0.5, 1.0, -1.0]),
        [0.5],
        {0: ["exclusiveMinimum"], 2: ["exclusiveMaximum"], 3: ["exclusiveMinimum"]},
    ),
    Case(
        "a fraction as bound of a long",
        column("long", limits=Limits(minimum=0.5)),
        pa.array([0, 1]),
        [1],
        {0: ["minimum"]},
    ),
    Case("a bound beyond the type", column("int", limits=Limits(maximum=2**40)), pa.array([1], pa.int32()), [1], {}),
    Case(
        "decimal bounds",
        column(DEC, limits=Limits(maximum=9.995)),
        pa.array([Decimal("9.99"), Decimal("10.00")]),
        [Decimal("9.99")],
        {1: ["maximum"]},
    ),
    Case(
        "date bounds",
        column("date", "date", limits=Limits(minimum="2024-01-01")),
        pa.array([DAY, dt.date(2023, 12, 31)]),
        [DAY],
        {1: ["minimum"]},
    ),
    Case(
        "timestamp bounds",
        column("timestamptz", "timestamp", limits=Limits(exclusive_maximum="2024-03-01T00:00:00Z")),
        text("2024-02-29T12:00:01.5", "2024-03-01T00:00:00"),
        [NOON.replace(tzinfo=UTC)],
        {1: ["exclusiveMaximum"]},
    ),
    Case(
        "steps",
        column("long", limits=Limits(multiple_of=5)),
        pa.array([10, 11, 0, -5]),
        [10, 0, -5],
        {1: ["multipleOf"]},
    ),
    Case(
        "double steps",
        column("double", limits=Limits(multiple_of=0.1)),
        pa.array([0.3, 0.35]),
        [0.3],
        {1: ["multipleOf"]},
    ),
    Case(
        "decimal steps",
        column(DEC, limits=Limits(multiple_of=0.05)),
        text("1.15", "1.16"),
        [Decimal("1.15")],
        {1: ["multipleOf"]},
    ),
    Case(
        "integer format",
        column("int", limits=Limits(format="u8")),
        pa.array([0, 255, 256, -1]),
        [0, 255],
        {2: ["format"], 3: ["format"]},
    ),
    Case(
        "lengths count characters",
        column("string", limits=Limits(min_length=2, max_length=3)),
        text("ä", "äöü", "äöüß"),
        ["äöü"],
        {0: ["minLength"], 2: ["maxLength"]},
    ),
    Case(
        "lengths of bytes",
        column("binary", limits=Limits(max_length=1)),
        pa.array([b"a", b"ab"]),
        [b"a"],
        {1: ["maxLength"]},
    ),
    Case(
        "pattern",
        column("string", limits=Limits(pattern="^[A-Z]{2}")),
        text("DE-1", "de", None),
        ["DE-1", None],
        {1: ["pattern"]},
    ),
    Case(
        "email",
        column("string", limits=Limits(format="email")),
        text("a.b+c@ex.org", "a@b", "a b@c.de"),
        ["a.b+c@ex.org"],
        {1: ["format"], 2: ["format"]},
    ),
    Case(
        "uuid text",
        column("string", limits=Limits(format="uuid")),
        text("00112233-4455-6677-8899-aabbccddeeff", "0"),
        ["00112233-4455-6677-8899-aabbccddeeff"],
        {1: ["format"]},
    ),
    Case(
        "uri",
        column("string", limits=Limits(format="uri")),
        text("https://a.b/c?d#e", "urn:x:y", "a.b/c", "http://a b"),
        ["https://a.b/c?d#e", "urn:x:y"],
        {2: ["format"], 3: ["format"]},
    ),
    Case(
        "hostname",
        column("string", limits=Limits(format="hostname")),
        text("a-b.example", "-a.b", "a_b"),
        ["a-b.example"],
        {1: ["format"], 2: ["format"]},
    ),
    Case(
        "ipv4",
        column("string", limits=Limits(format="ipv4")),
        text("1.2.3.255", "1.2.3.256", "1.2.3"),
        ["1.2.3.255"],
        {1: ["format"], 2: ["format"]},
    ),
    Case(
        "ipv6",
        column("string", limits=Limits(format="ipv6")),
        text("::", "::1", "1:2:3:4:5:6:7:8", "fe80::1:2", "::ffff:1.2.3.4", "1::2::3", "1:2:3", "12345::"),
        ["::", "::1", "1:2:3:4:5:6:7:8", "fe80::1:2", "::ffff:1.2.3.4"],
        {row: ["format"] for row in (5, 6, 7)},
    ),
    Case(
        "valid values",
        column("string", valid_values=("a", "b")),
        text("a", "c", None),
        ["a", None],
        {1: ["validValues"]},
    ),
    Case("valid numbers", column("int", valid_values=(1, 2)), text("1", "3"), [1], {1: ["validValues"]}),
    Case(
        "several reasons",
        column("string", limits=Limits(max_length=1, pattern="^a")),
        text("bb"),
        [],
        {0: ["maxLength", "pattern"]},
    ),
    Case(
        "required properties of an object",
        column(
            "struct",
            properties=(child("a", "int"), child("b", "int")),
            limits=Limits(required_properties=("b",), max_properties=1),
        ),
        pa.array([{"a": None, "b": 1}, {"a": 1, "b": None}, {"a": 1, "b": 2}]),
        [{"a": None, "b": 1}],
        {1: ["required"], 2: ["maxProperties"]},
    ),
]


def enforce(contract: SchemaObject, cells: pa.Array, folder: Path) -> tuple[list[object], dict[int, list[str]]]:
    enforcer = compile_enforcer(contract, mode="warn", write_mode="append", spill_folder=folder)
    verdict = enforcer.enforce(Batch("t", pa.record_batch({"c": cells}), Position("f", 0)))
    verdict.accepted.validate(full=True)
    rejected: dict[int, list[str]] = {}
    if verdict.rejected is not None:
        verdict.rejected.validate(full=True)
        for row in verdict.rejected.to_pylist():
            rejected[row["row"]] = sorted({reason["rule"] for reason in row["reasons"]})
    return verdict.accepted.column("c").to_pylist(), rejected


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_cell_arrives_unchanged_in_meaning_or_rejects_its_row(case: Case, tmp_path: Path) -> None:
    accepted, rejected = enforce(SchemaObject("t", "t", (case.property,)), case.cells, tmp_path)
    assert rejected == {row: sorted(rules) for row, rules in case.rejected.items()}
    assert accepted == list(case.accepted)
