"""A table's columns as a Parquet file has them: with Iceberg's field ids, nested ones too.

Readers find a column by its id and never by its name or place, so a file stays right when columns are renamed or moved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
from pyiceberg.schema import Schema
from pyiceberg.types import IcebergType, ListType, MapType, NestedField, PrimitiveType, StructType, UUIDType

FIELD_ID = "PARQUET:field_id"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A column as Parquet stores it: one that holds values, however deep.

    Attributes:
        path: names from the table's column down, as Iceberg has them (`element`, `key`, `value`).
        parquet_path: the same as Parquet writes it, dotted.
    """

    field_id: int
    type: PrimitiveType
    path: Sequence[str]
    parquet_path: str


def leaves(schema: Schema) -> tuple[Leaf, ...]:
    """The columns in the order Parquet numbers them."""
    return tuple(leaf for field in schema.fields for leaf in _leaves(field, (), ""))


def file_schema(schema: Schema, arrow: pa.Schema, *, dictionaries: bool = False) -> pa.Schema:
    """What a file's columns are: the batches' own types, under the table's ids, names and nullability.

    Args:
        dictionaries: columns that come as dictionaries are written from those, instead of being unpacked first.

    Raises:
        ValueError: the batches' columns are not the table's.
    """
    names = [field.name for field in schema.fields]
    if arrow.names != names:
        message = f"a batch has the columns {arrow.names}, the table has {names}"
        raise ValueError(message)
    fields = [_field(field, arrow.field(number).type) for number, field in enumerate(schema.fields)]
    if dictionaries:
        fields = [_as_dictionary(field, arrow.field(number).type) for number, field in enumerate(fields)]
    return pa.schema(fields)


def type_of_values(kind: pa.DataType) -> pa.DataType:
    """What a column's values are: of a dictionary those in it."""
    return kind.value_type if isinstance(kind, pa.DictionaryType) else kind


def without_dictionaries(schema: pa.Schema) -> pa.Schema:
    """The schema of the same columns, unpacked."""
    return pa.schema(field.with_type(type_of_values(field.type)) for field in schema)


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with the file's types; without copying where they are the same."""
    columns = zip(batch.columns, schema, strict=True)
    return pa.RecordBatch.from_arrays([_conform(column, field.type) for column, field in columns], schema=schema)


def _leaves(field: NestedField, parents: tuple[str, ...], prefix: str) -> Iterator[Leaf]:
    path, parquet_path = (*parents, field.name), f"{prefix}{field.name}"
    match field.field_type:
        case StructType(fields=children):
            for child in children:
                yield from _leaves(child, path, f"{parquet_path}.")
        case ListType() as listed:
            yield from _leaves(listed.element_field, path, f"{parquet_path}.list.")
        case MapType() as mapped:
            yield from _leaves(mapped.key_field, path, f"{parquet_path}.key_value.")
            yield from _leaves(mapped.value_field, path, f"{parquet_path}.key_value.")
        case PrimitiveType() as primitive:
            yield Leaf(field.field_id, primitive, path, parquet_path)
        case other:
            message = f"{'.'.join(path)}: Parquet has no column for {other}"
            raise ValueError(message)


def _field(field: NestedField, arrow: pa.DataType) -> pa.Field:
    metadata = {FIELD_ID: str(field.field_id)}
    return pa.field(field.name, _type(field.field_type, arrow), nullable=field.optional, metadata=metadata)


def _as_dictionary(field: pa.Field, arrow: pa.DataType) -> pa.Field:
    if not isinstance(arrow, pa.DictionaryType):
        return field
    return field.with_type(pa.dictionary(arrow.index_type, field.type))


def _type(iceberg: IcebergType, arrow: pa.DataType) -> pa.DataType:
    arrow = type_of_values(arrow)
    match iceberg:
        case StructType(fields=children):
            return pa.struct([_field(child, arrow.field(number).type) for number, child in enumerate(children)])
        case ListType() as listed:
            element = _field(listed.element_field, arrow.value_type)
            return pa.large_list(element) if pa.types.is_large_list(arrow) else pa.list_(element)
        case MapType() as mapped:
            return pa.map_(_field(mapped.key_field, arrow.key_type), _field(mapped.value_field, arrow.item_type))
        case UUIDType():
            return pa.uuid()
        case _:
            return arrow


def _conform(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    return column if column.type == wanted else column.cast(wanted)
