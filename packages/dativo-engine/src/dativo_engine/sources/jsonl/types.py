"""How each column is read in bulk: JSON's own types as the contract has them, all else as text for the enforcer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from dativo_engine.contracts.arrow import arrow_type

if TYPE_CHECKING:
    from dativo_config.models.contract import Property, SchemaObject

TEXT = pa.string()
_NUMBERS = frozenset({"boolean", "int", "long", "float", "double", "decimal"})
# pyarrow's JSON reader takes times without zone for UTC and drops zones, so it only sees them as text.
_TIMES = frozenset({"date", "timestamp", "timestamptz"})


def reading_schema(schema: SchemaObject | None) -> pa.Schema:
    """What pyarrow's JSON reader is told to read, under the source's names."""
    properties = schema.properties if schema is not None else ()
    return pa.schema([(item.name, _reading_type(item)) for item in properties])


def bulk_readable(schema: SchemaObject | None) -> bool:
    """Whether pyarrow's JSON reader can read every column: it knows no maps."""
    return schema is None or not any(_has_map(item) for item in schema.properties)


def with_times(records: pa.RecordBatch, schema: SchemaObject | None) -> pa.RecordBatch:
    """Text of dates and timestamps converted, column by column, where every cell of the column converts."""
    for item in schema.properties if schema is not None else ():
        if item.physical_type.name in _TIMES and not item.limits.format:
            at = records.schema.get_field_index(item.name)
            try:
                cells = records.column(at).cast(arrow_type(item))
            except pa.ArrowInvalid:
                continue
            records = records.set_column(at, item.name, cells)
    return records


def _reading_type(item: Property) -> pa.DataType:
    name = item.physical_type.name
    if name == "struct" and item.properties:
        return pa.struct([(child.name, _reading_type(child)) for child in item.properties])
    if name == "list":
        return pa.list_(TEXT if item.items is None else _reading_type(item.items))
    return arrow_type(item) if name in _NUMBERS else TEXT


def _has_map(item: Property) -> bool:
    inner: Sequence[Property] = (*item.properties, *((item.items,) if item.items is not None else ()))
    return item.physical_type.name == "map" or any(_has_map(child) for child in inner)
