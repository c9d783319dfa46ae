"""What a sample of a file suggests for a contract."""

from __future__ import annotations

import pyarrow as pa

from dativo_engine.interfaces import StreamInfo


def propose(stream: str, sampled: pa.Schema, detail: str) -> StreamInfo:
    """A stream's columns with types that Iceberg has, and which of them may identify and order rows."""
    fields = [field.with_type(_storable(field.type)) for field in sampled]
    key = tuple(field.name for field in fields if field.name.lower() == "id")[:1]
    ordering = tuple(
        field.name for field in fields if pa.types.is_timestamp(field.type) or pa.types.is_date(field.type)
    )
    return StreamInfo(stream, pa.schema(fields), key, ordering, detail)


def _storable(kind: pa.DataType) -> pa.DataType:
    """Text where the sample tells nothing: it holds whatever comes, objects as they are written."""
    types = pa.types
    if types.is_null(kind) or (types.is_struct(kind) and not kind.num_fields):
        return pa.string()
    if types.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    if types.is_time(kind):
        return pa.time64("us")
    if types.is_list(kind):
        return pa.list_(_storable(kind.value_type))
    if types.is_struct(kind):
        return pa.struct([field.with_type(_storable(field.type)) for field in kind])
    return kind
