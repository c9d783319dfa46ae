"""The table of types, as data."""

from __future__ import annotations

import pytest
from dativo_config.contracts.types import TypeProblemError, column_type
from dativo_config.models.contract import JsonValue, LogicalType

STORED: list[tuple[LogicalType | None, str, dict[str, JsonValue], str, str]] = [
    # logicalType, physicalType, options -> logical, stored
    ("string", "", {}, "string", "string"),
    ("string", "VARCHAR(20)", {}, "string", "string"),
    ("string", "character varying(20)", {}, "string", "string"),
    ("string", "nvarchar(max)", {}, "string", "string"),
    ("string", "enum('a','b')", {}, "string", "string"),
    ("string", "LowCardinality(Nullable(String))", {}, "string", "string"),
    ("string", "jsonb", {}, "string", "string"),
    ("string", "", {"format": "email"}, "string", "string"),
    ("string", "", {"format": "uuid"}, "string", "uuid"),
    ("string", "uniqueidentifier", {}, "string", "uuid"),
    ("string", "text", {"format": "uuid"}, "string", "string"),
    ("string", "", {"format": "binary"}, "string", "binary"),
    ("string", "bytea", {}, "binary", "binary"),
    ("string", "varbinary(16)", {}, "binary", "binary"),
    ("string", "fixed(16)", {}, "binary", "fixed(16)"),
    ("string", "fixed[16]", {}, "binary", "fixed(16)"),
    ("boolean", "", {}, "boolean", "boolean"),
    ("boolean", "tinyint(1)", {}, "boolean", "boolean"),
    ("boolean", "BIT", {}, "boolean", "boolean"),
    ("integer", "", {}, "integer", "long"),
    *[("integer", "", {"format": name}, "integer", "int") for name in ("i8", "i16", "i32", "u8", "u16")],
    *[("integer", "", {"format": name}, "integer", "long") for name in ("u32", "i64")],
    ("integer", "", {"format": "u64"}, "integer", "decimal(20, 0)"),
    ("integer", "int", {}, "integer", "int"),
    ("integer", "INT(11) UNSIGNED", {}, "integer", "long"),
    ("integer", "bigint(20) unsigned zerofill", {}, "integer", "decimal(20, 0)"),
    ("integer", "BIGINT NOT NULL", {}, "integer", "long"),
    ("integer", "NUMBER(10)", {}, "integer", "decimal(10, 0)"),
    ("integer", "NUMBER(38, 0)", {}, "integer", "decimal(38, 0)"),
    ("number", "", {}, "number", "double"),
    ("number", "number", {}, "number", "double"),
    ("number", "double precision", {}, "number", "double"),
    ("number", "float", {}, "number", "float"),
    ("number", "float(53)", {}, "number", "double"),
    ("number", "", {"format": "f32"}, "number", "float"),
    ("number", "", {"format": "f64"}, "number", "double"),
    ("number", "numeric(12,2)", {}, "number", "decimal(12, 2)"),
    ("number", "Decimal( 12 , 2 )", {}, "number", "decimal(12, 2)"),
    ("number", "money", {}, "number", "decimal(19, 4)"),
    ("number", "int", {}, "number", "int"),
    ("date", "", {}, "date", "date"),
    ("date", "timestamp", {}, "timestamp", "timestamp"),
    ("date", "timestamptz", {}, "timestamp", "timestamptz"),
    ("timestamp", "", {}, "timestamp", "timestamptz"),
    ("timestamp", "", {"timezone": True}, "timestamp", "timestamptz"),
    ("timestamp", "", {"timezone": False}, "timestamp", "timestamp"),
    ("timestamp", "timestamp_ntz(6)", {}, "timestamp", "timestamp"),
    ("timestamp", "timestamp without time zone", {}, "timestamp", "timestamp"),
    ("timestamp", "timestamp(6) with time zone", {}, "timestamp", "timestamptz"),
    ("timestamp", "DATETIME2(7)", {}, "timestamp", "timestamp"),
    ("timestamp", "datetime", {"timezone": True}, "timestamp", "timestamptz"),
    ("timestamp", "datetimeoffset", {}, "timestamp", "timestamptz"),
    ("time", "", {}, "time", "time"),
    ("time", "time(6) without time zone", {}, "time", "time"),
    ("object", "", {}, "object", "struct"),
    ("object", "STRUCT<a: int, b: array<string>>", {}, "object", "struct"),
    ("object", "json", {}, "string", "string"),
    ("array", "", {}, "array", "list"),
    ("array", "text[]", {}, "array", "list"),
    ("array", "ARRAY<STRING>", {}, "array", "list"),
    ("array", "variant", {}, "string", "string"),
    ("map", "map<string, int>", {}, "map", "map"),
    (None, "int8", {}, "integer", "long"),
    (None, "varchar", {}, "string", "string"),
    (None, "decimal(10, 2)", {}, "number", "decimal(10, 2)"),
    (None, "timestamp_tz", {}, "timestamp", "timestamptz"),
    (None, "bytes", {}, "binary", "binary"),
]


@pytest.mark.parametrize(("logical", "physical", "options", "meant", "stored"), STORED)
def test_a_type_is_stored_as_the_table_says(
    logical: LogicalType | None, physical: str, options: dict[str, JsonValue], meant: str, stored: str
) -> None:
    found = column_type(logical, physical, options)
    assert (found.logical, str(found.stored)) == (meant, stored)


@pytest.mark.parametrize(
    ("logical", "physical", "options", "blamed", "message"),
    [
        ("string", "int", {}, "physicalType", "contradicts logicalType string"),
        ("integer", "double", {}, "physicalType", "contradicts logicalType integer"),
        ("integer", "decimal(10, 2)", {}, "physicalType", "contradicts logicalType integer"),
        ("number", "varchar(10)", {}, "physicalType", "is text"),
        ("boolean", "text", {}, "physicalType", "contradicts"),
        ("timestamp", "date", {}, "physicalType", "contradicts"),
        ("timestamp", "timestamp_ntz", {"timezone": True}, "physicalType", "timezone: true"),
        ("timestamp", "timestamptz", {"timezone": False}, "physicalType", "timezone: false"),
        ("time", "time with time zone", {}, "physicalType", "no type that is known"),
        ("string", "wobble", {}, "physicalType", "no type that is known"),
        ("number", "decimal", {}, "physicalType", "needs its digits"),
        ("number", "decimal(39, 2)", {}, "physicalType", "1 to 38 digits"),
        ("number", "decimal(5, 6)", {}, "physicalType", "behind the point"),
        ("string", "fixed", {}, "physicalType", "length in bytes"),
        ("integer", "", {"format": "u128"}, "logicalTypeOptions", "more than the 38 digits"),
        (None, "", {}, "", "needs `logicalType`"),
    ],
)
def test_a_type_that_can_not_be_stored_is_refused(
    logical: LogicalType | None, physical: str, options: dict[str, JsonValue], blamed: str, message: str
) -> None:
    with pytest.raises(TypeProblemError) as refused:
        column_type(logical, physical, options)
    assert refused.value.option == blamed
    assert message in refused.value.message
