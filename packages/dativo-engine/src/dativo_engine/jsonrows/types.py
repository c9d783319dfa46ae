"""How each column is read in bulk: JSON's own types as the contract has them, all else as text for the enforcer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
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
    """Whether pyarrow's JSON reader can read every column: it knows no maps within other values."""
    return schema is None or not any(_has_map(inner) for item in schema.properties for inner in _inner(item))


@dataclass(frozen=True, slots=True)
class Rewritten:
    """Objects written again, a line each, so that the bulk reader takes them.

    Attributes:
        unknown: fields that are left out because the contract lacks them.
        was_needed: whether that changed anything.
    """

    text: bytes
    unknown: Sequence[str]
    was_needed: bool


def rewrite(objects: Sequence[dict[str, msgspec.Raw]], reading: pa.Schema) -> Rewritten:
    """Quote what is no string in columns that are read as text, and leave out what the contract lacks.

    Values are copied as they are written: no number loses a digit.
    """
    known = {field.name: field.type.equals(TEXT) for field in reading}
    quoted = False
    unknown: dict[str, None] = {}
    lines: list[dict[str, msgspec.Raw | str]] = []
    for record in objects:
        line: dict[str, msgspec.Raw | str] = {}
        for name, value in record.items():
            is_text = known.get(name)
            if is_text is None:
                unknown[name] = None
            elif is_text and (written := bytes(value))[:1] != b'"' and written != b"null":
                line[name] = written.decode()
                quoted = True
            else:
                line[name] = value
        lines.append(line)
    return Rewritten(msgspec.json.Encoder().encode_lines(lines), list(unknown), quoted or bool(unknown))


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
    return item.physical_type.name == "map" or any(_has_map(inner) for inner in _inner(item))


def _inner(item: Property) -> Sequence[Property]:
    """What a column's values consist of; a map at the top is read as text, whatever it holds."""
    if item.physical_type.name == "map":
        return ()
    return (*item.properties, *((item.items,) if item.items is not None else ()))
