"""Stripe writes times as seconds since 1970: read as whole numbers, handed on as times with a zone."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
from dativo_config.models.contract import PhysicalType

if TYPE_CHECKING:
    from dativo_config.models.contract import Property, SchemaObject

_TIMES = frozenset({"date", "timestamp", "timestamptz"})
_SECONDS = PhysicalType("long")
_MOMENT = pa.timestamp("s", "UTC")
# How Stripe names times.
_NAMES = re.compile(r"(?:created|start|end|date|next_payment_attempt|.+_(?:at|on|by|date|start|end|anchor))")


def as_sent(schema: SchemaObject | None) -> SchemaObject | None:
    """The contract with whole numbers in place of times, nested ones included: how the API's JSON is read."""
    return None if schema is None else replace(schema, properties=tuple(map(_sent, schema.properties)))


def with_times(records: pa.RecordBatch, schema: SchemaObject | None) -> pa.RecordBatch:
    """Numbers of seconds as times, in the columns that have times in their contract.

    A column that holds anything but numbers stays as it is: the enforcer finds the bad cells.
    """
    for item in schema.properties if schema is not None else ():
        at = records.schema.get_field_index(item.name)
        if at < 0:
            continue
        cells = records.column(at)
        target = _timed(cells.type, item)
        if target is cells.type:
            continue
        try:
            numbers = cells.cast(pa.int64()) if pa.types.is_string(cells.type) else cells
            records = records.set_column(at, item.name, numbers.cast(target))
        except pa.ArrowInvalid:
            continue
    return records


def proposed(sampled: pa.Schema) -> pa.Schema:
    """A sample's columns, with times where the names of whole numbers say so."""
    return pa.schema([_proposed(field) for field in sampled])


def _proposed(field: pa.Field) -> pa.Field:
    kind = field.type
    if (pa.types.is_integer(kind) or pa.types.is_null(kind)) and _NAMES.fullmatch(field.name):
        return field.with_type(_MOMENT)
    if pa.types.is_struct(kind):
        return field.with_type(pa.struct([_proposed(inner) for inner in kind.fields]))
    if pa.types.is_list(kind):
        return field.with_type(pa.list_(_proposed(kind.value_field)))
    return field


def _sent(item: Property) -> Property:
    if item.physical_type.name in _TIMES:
        return replace(item, physical_type=_SECONDS)
    children = tuple(map(_sent, item.properties))
    return replace(item, properties=children, items=None if item.items is None else _sent(item.items))


def _timed(cells: pa.DataType, item: Property) -> pa.DataType:
    """The type of a column once its seconds are times; the same object where there are none."""
    kinds = pa.types
    if item.physical_type.name in _TIMES and (kinds.is_integer(cells) or kinds.is_string(cells)):
        return _MOMENT
    if kinds.is_struct(cells) and item.properties:
        properties = {child.name: child for child in item.properties}
        fields = [
            field.with_type(_timed(field.type, properties[field.name])) if field.name in properties else field
            for field in cells.fields
        ]
        return cells if fields == cells.fields else pa.struct(fields)
    if kinds.is_list(cells) and item.items is not None:
        inner = _timed(cells.value_type, item.items)
        return cells if inner is cells.value_type else pa.list_(cells.value_field.with_type(inner))
    return cells
