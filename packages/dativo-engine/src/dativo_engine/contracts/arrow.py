"""A contract's columns as Arrow types: what enforced batches, writers and tables agree on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from dativo_config.models.contract import Property, SchemaObject

_SCALARS: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "string": pa.string(),
    "binary": pa.binary(),
    # Iceberg stores a uuid as 16 bytes, and its Arrow schema says so.
    "uuid": pa.binary(16),
}


def arrow_type(column: Property) -> pa.DataType:
    """The Arrow type of a column, nested fields included, as Iceberg stores it.

    Names of nested fields are those of the table: `element` in a list, `key` and `value` in a map.
    """
    physical = column.physical_type
    match physical.name:
        case "decimal":
            return pa.decimal128(physical.precision, physical.scale)
        case "fixed":
            return pa.binary(physical.length)
        case "struct":
            return pa.struct([_field(child, child.column) for child in column.properties])
        case "list":
            return pa.list_(_item(column, "element"))
        case "map":
            key = pa.string() if column.key is None else arrow_type(column.key)
            return pa.map_(pa.field("key", key, nullable=False), _item(column, "value"))
        case scalar:
            return _SCALARS[scalar]


def arrow_schema(contract: SchemaObject) -> pa.Schema:
    """The table's columns in contract order. A required column is not nullable."""
    return pa.schema([_field(column, column.column) for column in contract.properties])


def _field(column: Property, name: str) -> pa.Field:
    return pa.field(name, arrow_type(column), nullable=not column.required)


def _item(column: Property, name: str) -> pa.Field:
    """The element of a list or the value of a map; text where the contract does not say."""
    return pa.field(name, pa.string()) if column.items is None else _field(column.items, name)
