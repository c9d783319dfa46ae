"""What a data contract says, once its file was read: data only.

Both the standard form (Open Data Contract Standard v3) and the older flat form load into these classes, so that
nothing behind the loader knows which one a user wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

LogicalType = Literal[
    "string", "boolean", "integer", "number", "date", "timestamp", "time", "binary", "object", "array", "map"
]


@dataclass(frozen=True, slots=True)
class PhysicalType:
    """The Iceberg type a column is stored as.

    Attributes:
        name: one of boolean, int, long, float, double, decimal, date, time, timestamp, timestamptz, string, uuid,
            binary, fixed, struct, list, map. Times and timestamps count microseconds; `timestamptz` is UTC.
        precision: total digits of a decimal, 1 to 38.
        scale: digits of a decimal behind the point.
        length: bytes of a fixed.
    """

    name: str
    precision: int = 0
    scale: int = 0
    length: int = 0

    def __str__(self) -> str:
        if self.name == "decimal":
            return f"decimal({self.precision}, {self.scale})"
        return f"fixed({self.length})" if self.name == "fixed" else self.name


@dataclass(frozen=True, slots=True)
class Limits:
    """What ODCS calls `logicalTypeOptions`: bounds on single values. None: not limited.

    Bounds of dates, times and timestamps are ISO 8601 text as in the contract; those of numbers are numbers.
    `format` is a named format (email, uuid, uri, hostname, ipv4, ipv6) for strings. For dates and times it is
    the JDK DateTimeFormatter pattern text is parsed with.
    """

    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    format: str | None = None
    minimum: int | float | str | None = None
    maximum: int | float | str | None = None
    exclusive_minimum: int | float | str | None = None
    exclusive_maximum: int | float | str | None = None
    multiple_of: int | float | None = None
    min_items: int | None = None
    max_items: int | None = None
    unique_items: bool = False
    min_properties: int | None = None
    max_properties: int | None = None
    required_properties: tuple[str, ...] = ()
    default_timezone: str = "UTC"


Comparison = Literal[
    "must_be",
    "must_not_be",
    "must_be_greater_than",
    "must_be_greater_or_equal_to",
    "must_be_less_than",
    "must_be_less_or_equal_to",
    "must_be_between",
    "must_not_be_between",
]


@dataclass(frozen=True, slots=True)
class Rule:
    """One ODCS `quality` rule.

    Attributes:
        name: the rule's own name or id, else made of metric and column, unique within its object.
        kind: `library` for a metric of the standard, `sql` for a query over the run's accepted rows.
        metric: nullValues, missingValues, invalidValues, duplicateValues or rowCount; empty for sql.
        column: the property it stands at; empty at object level.
        columns: what `duplicateValues` at object level compares; else empty.
        query: the SQL text, `${object}` and `${column}` still in it; empty for library rules.
        comparison: how the metric or the query's single value is judged against `threshold`; default `must_be` 0.
        threshold: one number, or two for the between comparisons.
        unit: what the metric counts: rows, or percent of the rows read.
        severity: `error` rejects or fails; `warning` and `info` are only reported.
        arguments: the rule's own (validValues, missingValues, pattern, ...), as written.
    """

    name: str
    kind: Literal["library", "sql"]
    metric: str = ""
    column: str = ""
    columns: tuple[str, ...] = ()
    query: str = ""
    comparison: Comparison = "must_be"
    threshold: tuple[float, ...] = (0,)
    unit: Literal["rows", "percent"] = "rows"
    severity: Literal["error", "warning", "info"] = "error"
    description: str = ""
    arguments: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])


@dataclass(frozen=True, slots=True)
class Property:
    """One column, or one field inside an object column.

    Attributes:
        name: the name in the source.
        column: the name in the table: `physicalName`, else `name`.
        id: ODCS stable id, by which a renamed column is recognised; empty where the contract gives none.
        items: the element of an array, or the value of a map.
        key: the key of a map (default string).
        valid_values: the only values allowed; empty: any.
        classification: as written (pii, confidential, ...); a classified value is masked in messages.
    """

    name: str
    column: str
    logical_type: LogicalType
    physical_type: PhysicalType
    id: str = ""
    required: bool = False
    unique: bool = False
    description: str = ""
    classification: str = ""
    limits: Limits = Limits()
    valid_values: tuple[JsonValue, ...] = ()
    properties: tuple[Property, ...] = ()
    items: Property | None = None
    key: Property | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SchemaObject:
    """One table of a contract.

    Attributes:
        name: the object's name, by which a job's streams find it.
        table: the table's default name: `physicalName`, else `name`.
        primary_key: table columns, in `primaryKeyPosition` order.
        partition_columns: columns marked `partitioned`, in `partitionKeyPosition` order (identity transform).
        sort_order: columns from the custom property `sortOrder`, as written: `created desc`, `bucket(16, id)`.
        rules: the object's and all its properties' quality rules.
    """

    name: str
    table: str
    properties: tuple[Property, ...]
    description: str = ""
    primary_key: tuple[str, ...] = ()
    partition_columns: tuple[str, ...] = ()
    sort_order: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    tags: tuple[str, ...] = ()

    def property(self, column: str) -> Property | None:
        """The property stored as `column`, or None."""
        return next((item for item in self.properties if item.column == column), None)


@dataclass(frozen=True, slots=True)
class Contract:
    """One contract file.

    Attributes:
        path: the file it came from.
        objects: its tables, in file order.
        owner: the team's or the owning member's name, for people to turn to.
        table_properties: `classification.*`, `governance.*`, `finops.*`, `asset.*` as the table will carry them.
    """

    path: Path
    id: str
    name: str
    version: str
    objects: tuple[SchemaObject, ...]
    status: str = "active"
    domain: str = ""
    data_product: str = ""
    description: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()
    table_properties: Mapping[str, str] = field(default_factory=dict[str, str])

    def object(self, name: str) -> SchemaObject | None:
        """The table for a stream called `name`: by name, then by physical name, or None."""
        by_name = next((item for item in self.objects if item.name == name), None)
        return by_name or next((item for item in self.objects if item.table == name), None)
