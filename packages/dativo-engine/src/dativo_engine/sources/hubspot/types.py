"""HubSpot writes every property as text: read as text, and handed on as the contract's types."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from dativo_config.models.contract import PhysicalType, Property, SchemaObject

from dativo_engine.contracts.arrow import arrow_type
from dativo_engine.jsonrows.values import text_of

if TYPE_CHECKING:
    Array: TypeAlias = pa.Array[pa.Scalar[pa.DataType]]

TEXT = pa.string()
PROPERTIES = "properties"
_TEXT = PhysicalType("string")
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NULL = msgspec.Raw(b"null")
_TIMES = frozenset({"date", "timestamp", "timestamptz"})
# What text is not cut into: it holds JSON, or is wanted as it is.
_AS_WRITTEN = frozenset({"string", "struct", "map", "binary", "fixed"})
_WHOLE = frozenset({"int", "long"})
_MILLISECONDS = "^-?[0-9]{8,}$"
_DAY, _MOMENT = "%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"


def as_sent(name: str, fields: Iterable[str], properties: Iterable[str]) -> SchemaObject:
    """A contract with which HubSpot's records are read as they are: fields of text, and properties of text in one."""
    inner = tuple(map(_text, properties))
    nested = (Property(PROPERTIES, PROPERTIES, "object", PhysicalType("struct"), properties=inner),) if inner else ()
    return SchemaObject(name, name, (*map(_text, fields), *nested))


def side_by_side(records: pa.RecordBatch, properties: Sequence[str]) -> pa.RecordBatch:
    """Records with their properties, these at least, beside their other fields."""
    at = records.schema.get_field_index(PROPERTIES)
    if at < 0:
        return records
    names = records.schema.names
    fields = {name: column for name, column in zip(names, records.columns, strict=True) if name != PROPERTIES}
    column = records.column(at)
    if isinstance(column, pa.StructArray):
        inner = dict(zip((field.name for field in column.type), column.flatten(), strict=True))
    else:
        inner = _apart(column, properties)
    columns = {**inner, **fields}
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


def _apart(column: Array, properties: Sequence[str]) -> dict[str, Array]:
    """Properties that came as JSON, for not all of them are text."""
    objects = [_OBJECT.decode(text) for text in column.to_pylist()]
    names = dict.fromkeys([*properties, *(name for found in objects for name in found)])
    return {name: pa.array([text_of(found.get(name, _NULL)) for found in objects], TEXT) for name in names}


def _text(name: str) -> Property:
    return Property(name, name, "string", _TEXT)


def typed(records: pa.RecordBatch, schema: SchemaObject | None) -> pa.RecordBatch:
    """Text as the types of the contract, column by column.

    A column with a cell that does not convert stays text: the enforcer finds the bad cells.
    """
    for item in schema.properties if schema is not None else ():
        at = records.schema.get_field_index(item.name)
        if at < 0 or item.physical_type.name in _AS_WRITTEN or not records.column(at).type.equals(TEXT):
            continue
        cells = records.column(at)
        # HubSpot tells a value that was taken away as null or as an empty text.
        cells = pc.if_else(pc.equal(cells, ""), None, cells)
        records = records.set_column(at, item.name, _typed(cells, item))
    return records


def _typed(cells: Array, item: Property) -> Array:
    name = item.physical_type.name
    if name == "list":
        return pc.split_pattern(cells, ";")
    if name in _TIMES:
        cells = _as_iso(cells, _DAY if name == "date" else _MOMENT)
    elif name in _WHOLE:
        cells = pc.replace_substring_regex(cells, r"\.0+$", "")
    try:
        return cells.cast(arrow_type(item))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return cells


def _as_iso(cells: Array, form: str) -> Array:
    """Milliseconds since 1970, as some properties have them, in ISO 8601 like the others."""
    counted = pc.match_substring_regex(cells, _MILLISECONDS)
    if not pc.any(counted).as_py():
        return cells
    moments = pc.if_else(counted, cells, None).cast(pa.int64()).cast(pa.timestamp("ms", "UTC"))
    return pc.coalesce(pc.strftime(moments, form), cells)
