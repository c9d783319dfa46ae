"""Which Iceberg type a property is stored as.

The logical type decides, and `logicalTypeOptions` or `physicalType` refine it:

| logicalType | stored as   | unless `format` or `physicalType` says |
|---|---|---|
| string      | string      | uuid: uuid; binary: binary; fixed(n): fixed(n) |
| boolean     | boolean     | |
| integer     | long        | i8, i16, i32, u8, u16, int: int; u64: decimal(20, 0); decimal(p, 0): decimal(p, 0) |
| number      | double      | f32, float: float; decimal(p, s), numeric(p, s), ...: decimal(p, s) |
| date        | date        | a timestamp (ODCS 3.0 knows no logical timestamp): as there |
| timestamp   | timestamptz | timestamp, datetime, `... without time zone`, option timezone false: timestamp |
| time        | time        | |
| object      | struct      | json, variant, text: string, which holds the JSON |
| array       | list        | as for object |
| map         | map         | as for object |

A physical type may be in any database's spelling; its length (`varchar(20)`) is not a rule. Where `logicalType` is
missing, the physical type alone decides. `float` is 32 bits wide, as in Iceberg and Spark.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dativo_config.models.contract import JsonValue, LogicalType, PhysicalType

MOST_DIGITS = 38


class TypeProblemError(Exception):
    """A type that can't be stored. `option` is the key to blame: physicalType, logicalType or logicalTypeOptions."""

    def __init__(self, option: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.option = option
        self.message = message
        self.hint = hint


def _words(name: str, spellings: str) -> dict[str, str]:
    return dict.fromkeys((word.strip() for word in spellings.split(",")), name)


_SPELLINGS: Mapping[str, str] = {
    **_words("boolean", "boolean, bool, bit, logical"),
    **_words("int", "int, integer, int4, int32, int2, int16, smallint, tinyint, mediumint, byteint, serial, serial4"),
    **_words("int", "smallserial, serial2, year, uint8, uint16, short, byte, tinyint unsigned, smallint unsigned"),
    **_words("int", "mediumint unsigned"),
    # PostgreSQL's int8 has 8 bytes, ClickHouse's 8 bits: the wider one holds both.
    **_words("long", "long, bigint, int64, int8, bigserial, serial8, uint32, int unsigned, integer unsigned"),
    **_words("unsigned long", "uint64, bigint unsigned"),
    **_words("float", "float, float4, float32, real, binary_float"),
    **_words("double", "double, double precision, float8, float64, binary_double, number"),
    **_words("decimal", "decimal, numeric, dec, number, fixed-point, bignumeric, bigdecimal, decfloat"),
    **_words("decimal", "decimal128, decimal unsigned"),
    **_words("money", "money"),
    **_words("smallmoney", "smallmoney"),
    **_words("date", "date, date32"),
    **_words("time", "time, time without time zone, time64"),
    **_words("timestamp", "timestamp, datetime, datetime2, smalldatetime, datetime64"),
    **_words("timestamp_ntz", "timestamp_ntz, timestampntz, timestamp without time zone"),
    **_words("timestamptz", "timestamptz, timestamp_tz, timestamp_ltz, timestampltz, datetimeoffset"),
    **_words("timestamptz", "timestamp with time zone, timestamp with local time zone"),
    **_words("string", "string, str, text, varchar, char, character, character varying, nvarchar, nchar, bpchar"),
    **_words("string", "varchar2, nvarchar2, clob, nclob, ntext, tinytext, mediumtext, longtext, citext, utf8"),
    **_words("string", "large_utf8, fixedstring, national character varying, national character, enum, set, name"),
    **_words("string", "xml, inet, cidr, macaddr, interval, keyword"),
    **_words("json", "json, jsonb, variant, super, hstore"),
    **_words("uuid", "uuid, uniqueidentifier, guid"),
    **_words("binary", "binary, varbinary, bytes, bytea, blob, tinyblob, mediumblob, longblob, raw, long raw, image"),
    **_words("binary", "large_binary, binary varying"),
    **_words("fixed", "fixed"),
    **_words("list", "array, list, repeated, nested"),
    **_words("struct", "struct, record, row, object, tuple"),
    **_words("map", "map"),
}

_STORED: Mapping[LogicalType, tuple[str, ...]] = {
    "string": ("string", "uuid", "binary", "fixed"),
    "boolean": ("boolean", "int"),
    "integer": ("long", "int", "decimal"),
    "number": ("double", "float", "decimal", "int", "long"),
    "date": ("date", "timestamp", "timestamptz"),
    "timestamp": ("timestamptz", "timestamp"),
    "time": ("time",),
    "binary": ("binary", "fixed"),
    "object": ("struct", "string"),
    "array": ("list", "string"),
    "map": ("map", "string"),
}
"""What each logical type may be stored as, the default first."""

_INFERRED: Mapping[str, LogicalType] = {
    "boolean": "boolean",
    "int": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "decimal": "number",
    "date": "date",
    "time": "time",
    "timestamp": "timestamp",
    "timestamptz": "timestamp",
    "string": "string",
    "uuid": "string",
    "binary": "binary",
    "fixed": "binary",
    "struct": "object",
    "list": "array",
    "map": "map",
}

_FORMATS: Mapping[tuple[str, str], PhysicalType] = {
    **{("integer", name): PhysicalType("int") for name in ("i8", "i16", "i32", "u8", "u16")},
    **{("integer", name): PhysicalType("long") for name in ("u32", "i64")},
    ("integer", "u64"): PhysicalType("decimal", precision=20),
    ("number", "f32"): PhysicalType("float"),
    ("number", "f64"): PhysicalType("double"),
    ("string", "uuid"): PhysicalType("uuid"),
    ("string", "binary"): PhysicalType("binary"),
}

_WRAPPED = re.compile(r"(?:nullable|lowcardinality)\((.*)\)")  # ClickHouse
_ARGUMENTS = re.compile(r" ?[(\[]([^()\[\]]*)[)\]]")
_NOISE = re.compile(r" (?:zerofill|not null|null)$")
_NESTED = re.compile(r"(?P<word>array|list|struct|row|record|map|tuple|nested|object)\s*[<(].*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ColumnType:
    """How a column is meant and how it is stored."""

    logical: LogicalType
    stored: PhysicalType


def column_type(logical: LogicalType | None, physical: str, options: Mapping[str, JsonValue]) -> ColumnType:
    """The type of a property from its `logicalType` (None: absent), `physicalType` (empty: absent) and options.

    Raises:
        TypeProblemError: the physical type is not understood, or contradicts the logical one.
    """
    stated = _stated(physical, options) if physical else None
    if logical is None:
        if stated is None:
            raise TypeProblemError("", "needs `logicalType`", "string, integer, number, boolean, date, timestamp, ...")
        return ColumnType(_INFERRED[stated.name], stated)
    if stated is None:
        return ColumnType(logical, _by_options(logical, options))
    return _agreed(logical, stated, physical)


def _by_options(logical: LogicalType, options: Mapping[str, JsonValue]) -> PhysicalType:
    named = options.get("format")
    if logical == "timestamp" and options.get("timezone") is False:
        return PhysicalType("timestamp")
    if logical == "integer" and named in ("i128", "u128"):
        message = f"an integer of format {named} has more than the {MOST_DIGITS} digits that a table can hold"
        raise TypeProblemError("logicalTypeOptions", message, "set physicalType: decimal(38, 0)")
    if isinstance(named, str) and (logical, named) in _FORMATS:
        return _FORMATS[logical, named]
    return PhysicalType(_STORED[logical][0])


def _agreed(logical: LogicalType, stated: PhysicalType, physical: str) -> ColumnType:
    contradicts = stated.name not in _STORED[logical] or (
        logical == "integer" and stated.name == "decimal" and stated.scale != 0
    )
    if contradicts:
        means = "text" if stated.name == "string" else stated
        raise TypeProblemError(
            "physicalType", f"`{physical}` is {means}, which contradicts logicalType {logical}", "change one of the two"
        )
    if logical == "boolean":
        return ColumnType("boolean", PhysicalType("boolean"))  # MySQL's tinyint(1), Oracle's number(1)
    if logical == "date" and stated.name != "date":
        return ColumnType("timestamp", stated)
    if stated.name in ("string", "binary", "fixed") and logical != "integer":
        return ColumnType("string" if stated.name == "string" else "binary", stated)
    return ColumnType(logical, stated)


def _stated(physical: str, options: Mapping[str, JsonValue]) -> PhysicalType:
    """The type that `physicalType` alone names."""
    text = _NOISE.sub("", " ".join(physical.lower().split()))
    while wrapped := _WRAPPED.fullmatch(text):
        text = wrapped[1]
    if text.endswith("[]"):
        return PhysicalType("list")
    if nested := _NESTED.fullmatch(text):
        return PhysicalType(_SPELLINGS[nested["word"]])
    arguments = _ARGUMENTS.search(text)
    # `timestamp(6) with time zone` is a `timestamp with time zone`.
    name = _SPELLINGS.get(_ARGUMENTS.sub("", text, count=1))
    if name is None:
        raise TypeProblemError(
            "physicalType",
            f"`{physical}` is no type that is known here",
            "name an Iceberg type: string, long, decimal(18, 2), timestamptz, ...",
        )
    return _sized(name, arguments[1].split(",") if arguments else [], physical, options)


def _sized(  # noqa: C901, PLR0911 - one line for each type that takes arguments
    name: str, arguments: list[str], physical: str, options: Mapping[str, JsonValue]
) -> PhysicalType:
    numbers = [int(part) for part in arguments if re.fullmatch(r"\s*-?[0-9]{1,9}\s*", part)]
    match name:
        case "decimal":
            return _decimal(numbers, physical)
        case "unsigned long":
            return PhysicalType("decimal", precision=20)
        case "money":
            return PhysicalType("decimal", precision=19, scale=4)
        case "smallmoney":
            return PhysicalType("decimal", precision=10, scale=4)
        case "float":
            # SQL counts the bits of the mantissa: float(24) is the widest that 32 bits hold.
            return PhysicalType("double" if numbers and numbers[0] > 24 else "float")
        case "fixed":
            if len(numbers) != 1 or numbers[0] < 1:
                raise TypeProblemError("physicalType", f"`{physical}` needs its length in bytes", "like fixed(16)")
            return PhysicalType("fixed", length=numbers[0])
        case "timestamp":
            return PhysicalType("timestamptz" if options.get("timezone") is True else "timestamp")
        case "timestamp_ntz" | "timestamptz":
            return _zoned(name, physical, options)
        case "json":
            return PhysicalType("string")
        case _:
            return PhysicalType(name)


def _zoned(name: str, physical: str, options: Mapping[str, JsonValue]) -> PhysicalType:
    stored = PhysicalType("timestamptz" if name == "timestamptz" else "timestamp")
    if options.get("timezone", name == "timestamptz") is not (name == "timestamptz"):
        option = str(options["timezone"]).lower()
        raise TypeProblemError(
            "physicalType", f"`{physical}` contradicts `timezone: {option}`", "change one of the two"
        )
    return stored


def _decimal(numbers: list[int], physical: str) -> PhysicalType:
    if not numbers:
        if physical.strip().lower() == "number":
            return PhysicalType("double")
        raise TypeProblemError("physicalType", f"`{physical}` needs its digits", "like decimal(18, 2)")
    precision, scale = numbers[0], numbers[1] if len(numbers) > 1 else 0
    if not 1 <= precision <= MOST_DIGITS or not 0 <= scale <= precision:
        message = f"`{physical}`: expected 1 to {MOST_DIGITS} digits, and 0 to as many of them behind the point"
        raise TypeProblemError("physicalType", message)
    return PhysicalType("decimal", precision=precision, scale=scale)


def logical_type(stored: PhysicalType) -> LogicalType:
    """What a column of a stored type means where nothing else is known."""
    return _INFERRED[stored.name]


def default_type(logical: LogicalType) -> PhysicalType:
    """What a logical type is stored as where nothing refines it."""
    return PhysicalType(_STORED[logical][0])
