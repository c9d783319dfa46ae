"""A contract as an Iceberg schema, and a job's partitioning and sort order as Iceberg knows them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dativo_config.models.contract import PhysicalType, Property, SchemaObject
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER, NullOrder, SortDirection, SortField, SortOrder
from pyiceberg.transforms import Transform, parse_transform
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
    PrimitiveType,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)

from dativo_engine.errors import FatalError

_SCALARS: dict[str, PrimitiveType] = {
    "boolean": BooleanType(),
    "int": IntegerType(),
    "long": LongType(),
    "float": FloatType(),
    "double": DoubleType(),
    "date": DateType(),
    "time": TimeType(),
    "timestamp": TimestampType(),
    "timestamptz": TimestamptzType(),
    "string": StringType(),
    "uuid": UUIDType(),
    "binary": BinaryType(),
}
_FIRST_PARTITION_FIELD_ID = 1000
# (transform, with a width) -> what it adds to the column's name in the partition field's.
_SUFFIXES = {
    ("identity", False): "",
    ("year", False): "_year",
    ("month", False): "_month",
    ("day", False): "_day",
    ("hour", False): "_hour",
    ("bucket", True): "_bucket_{}",
    ("truncate", True): "_trunc_{}",
}
_CALL = re.compile(r"(?P<name>[a-z]+)\(\s*(?:(?P<width>\d+)\s*,\s*)?(?P<column>[^,]+?)\s*\)", re.IGNORECASE)
_SORT = re.compile(
    r"(?P<what>.+?)(?:\s+(?P<direction>asc|desc))?(?:\s+nulls\s+(?P<nulls>first|last))?\s*", re.IGNORECASE
)


def contract_schema(contract: SchemaObject) -> Schema:
    """The table that a contract asks for, with the ids a new table gets: the same contract, the same ids.

    A column comes before those inside of it, and they come before the next one. Nessie numbers the columns of a new
    table anew in this order, whatever they are called by the files that come with it.
    """
    ids = itertools.count(1)
    columns = [_field(column, column.column, ids) for column in contract.properties]
    return Schema(*columns, identifier_field_ids=_identifier(contract, columns))


def column_ids(contract: SchemaObject) -> dict[str, str]:
    """The ODCS ids of columns: `address.city` -> `a-1/c-2`; those without one are left out.

    An ODCS id is unique among its siblings, so those inside of a column begin with the column's own, else its name.
    """
    return dict(_column_ids(contract.properties, path="", ids=""))


def _column_ids(properties: Sequence[Property], *, path: str, ids: str) -> Iterator[tuple[str, str]]:
    for item in properties:
        place, name = f"{path}{item.column}", f"{ids}{item.id or item.column}"
        if item.id:
            yield place, name
        yield from _inner_ids(item, place, name)


def _inner_ids(item: Property, place: str, name: str) -> Iterator[tuple[str, str]]:
    """Those inside of a column: a struct's members, at any depth of lists and maps."""
    yield from _column_ids(item.properties, path=f"{place}.", ids=f"{name}/")
    part = "value" if item.physical_type.name == "map" else "element"
    for inner, what in ((item.items, part), (item.key, "key")):
        if inner is not None:
            yield from _inner_ids(inner, f"{place}.{what}", f"{name}/{what}")


def partition_spec(texts: Sequence[str], schema: Schema) -> PartitionSpec:
    """The partitioning of a new table: `day(created)`, `bucket(16, id)`, `country`.

    Raises:
        FatalError: a text that is no transform of a column of the schema.
    """
    if not texts:
        return UNPARTITIONED_PARTITION_SPEC
    terms = [_term(text, schema) for text in texts]
    return PartitionSpec(
        *(
            PartitionField(term.source.field_id, _FIRST_PARTITION_FIELD_ID + number, term.transform, term.name)
            for number, term in enumerate(terms)
        )
    )


def sort_order(texts: Sequence[str], schema: Schema) -> SortOrder:
    """The order of rows in a new table's files: `created desc`, `bucket(16, id)`, `name asc nulls last`.

    Raises:
        FatalError: a text that is no transform of a column of the schema.
    """
    return SortOrder(*(_sort_field(text, schema) for text in texts)) if texts else UNSORTED_SORT_ORDER


@dataclass(frozen=True, slots=True)
class _Term:
    """A transform of a column, as partitioning and sort order name it."""

    transform: Transform[object, object]
    source: NestedField
    name: str


def _field(column: Property, name: str, ids: Iterator[int]) -> NestedField:
    return NestedField(
        next(ids), name, _type(column, ids), required=column.required, doc=column.description.strip() or None
    )


def _type(column: Property, ids: Iterator[int]) -> IcebergType:
    physical = column.physical_type
    match physical.name:
        case "struct":
            return StructType(*(_field(child, child.column, ids) for child in column.properties))
        case "list":
            number = next(ids)
            element, required = _item(column.items, ids)
            return ListType(number, element, element_required=required)
        case "map":
            key_number = next(ids)
            key, _ = _item(column.key, ids)
            number = next(ids)
            value, required = _item(column.items, ids)
            return MapType(key_number, key, number, value, value_required=required)
        case _:
            return _scalar(physical)


def _item(item: Property | None, ids: Iterator[int]) -> tuple[IcebergType, bool]:
    """An element, key or value; text where the contract does not say."""
    return (StringType(), False) if item is None else (_type(item, ids), item.required)


def _scalar(physical: PhysicalType) -> PrimitiveType:
    if physical.name == "decimal":
        return DecimalType(physical.precision, physical.scale)
    return FixedType(physical.length) if physical.name == "fixed" else _SCALARS[physical.name]


def _identifier(contract: SchemaObject, columns: Sequence[NestedField]) -> list[int]:
    """The primary key's field ids, where Iceberg takes them: required columns, no floating-point numbers."""
    fields = [field for field in columns if field.name in contract.primary_key]
    fit = all(field.required and field.field_type.is_primitive for field in fields)
    floats = any(isinstance(field.field_type, FloatType | DoubleType) for field in fields)
    return [field.field_id for field in fields] if fit and not floats else []


def _term(text: str, schema: Schema) -> _Term:
    call = _CALL.fullmatch(text.strip())
    kind, width, column = (call["name"].lower(), call["width"], call["column"]) if call else ("identity", None, text)
    column = column.strip()
    source = next((field for field in schema.fields if field.name == column), None)
    if source is None:
        message = f"{text}: there is no column {column}; there are {', '.join(field.name for field in schema.fields)}"
        raise FatalError(message)
    suffix = _SUFFIXES.get((kind, width is not None))
    transform = None if suffix is None else parse_transform(f"{kind}[{width}]" if width else kind)
    if suffix is None or transform is None or not transform.can_transform(source.field_type):
        message = f"{text}: is no transform that a column of type {source.field_type} has"
        raise FatalError(message)
    return _Term(transform, source, column + suffix.format(width))


def _sort_field(text: str, schema: Schema) -> SortField:
    match = _SORT.fullmatch(text.strip())
    what, direction, nulls = match.group("what", "direction", "nulls") if match else (text, None, None)
    term = _term(what, schema)
    return SortField(
        source_id=term.source.field_id,
        transform=term.transform,
        direction=SortDirection.DESC if (direction or "").lower() == "desc" else SortDirection.ASC,
        null_order=None if nulls is None else NullOrder(f"nulls-{nulls.lower()}"),
    )
