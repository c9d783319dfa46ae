"""A contract proposed from what a source says of itself."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from dativo_config.contracts import ProposedColumn, ProposedObject, propose
from dativo_config.models.contract import PhysicalType
from dativo_engine.errors import FatalError
from dativo_engine.interfaces import StreamInfo

COMMENT = "Proposed from the data by dativo: read it, and add keys, required columns and rules."
# Unsigned integers take the next wider type, so that every value fits.
SCALARS: dict[str, str] = {
    "bool": "boolean",
    **dict.fromkeys(("int8", "int16", "int32", "uint8", "uint16"), "int"),
    **dict.fromkeys(("int64", "uint32"), "long"),
    **dict.fromkeys(("halffloat", "float"), "float"),
    "double": "double",
    **dict.fromkeys(("date32[day]", "date64[ms]"), "date"),
    **dict.fromkeys(("binary", "large_binary", "binary_view"), "binary"),
}


def propose_contract(streams: Sequence[StreamInfo], name: str = "") -> str:
    """The text of a contract with one object a stream; `name` names it and, where there is only one, its object too.

    Raises:
        FatalError: a stream shows no column.
    """
    for stream in streams:
        if not stream.arrow_schema.names:
            message = f"{stream.name}: there are no columns to propose a contract from; is the file empty?"
            raise FatalError(message)
    objects = [_object(stream, name if len(streams) == 1 and name else stream.name) for stream in streams]
    return propose(name or objects[0].name, objects, owner="data-platform", comment=COMMENT)


def _object(stream: StreamInfo, name: str) -> ProposedObject:
    columns = tuple(
        _column(field.name, field.type, required=not field.nullable, key=field.name in stream.primary_key)
        for field in stream.arrow_schema
    )
    return ProposedObject(name, columns)


def _column(name: str, cells: pa.DataType, *, required: bool = False, key: bool = False) -> ProposedColumn:
    if pa.types.is_dictionary(cells):
        return _column(name, cells.value_type, required=required, key=key)
    return ProposedColumn(name, _physical(cells), required=required, primary_key=key, parts=_parts(cells))


def _parts(cells: pa.DataType) -> tuple[ProposedColumn, ...]:
    if pa.types.is_struct(cells):
        return tuple(_column(field.name, field.type, required=not field.nullable) for field in cells)
    if pa.types.is_map(cells):
        return _column("key", cells.key_type), _column("value", cells.item_type)
    if _is_list(cells):
        return (_column("element", cells.value_type),)
    return ()


def _physical(cells: pa.DataType) -> PhysicalType:
    """How a column of this Arrow type is stored; what Iceberg has no type for is stored as text."""
    if pa.types.is_decimal(cells):
        return PhysicalType("decimal", precision=cells.precision, scale=max(cells.scale, 0))
    if str(cells) == "uint64":
        return PhysicalType("decimal", precision=20)
    if pa.types.is_timestamp(cells):
        return PhysicalType("timestamptz" if cells.tz else "timestamp")
    if pa.types.is_fixed_size_binary(cells):
        return PhysicalType("fixed", length=cells.byte_width)
    shapes = ((pa.types.is_time, "time"), (pa.types.is_struct, "struct"), (pa.types.is_map, "map"), (_is_list, "list"))
    shape = next((name for fits, name in shapes if fits(cells)), None)
    return PhysicalType(shape or SCALARS.get(str(cells), "string"))


def _is_list(cells: pa.DataType) -> bool:
    return pa.types.is_list(cells) or pa.types.is_large_list(cells) or pa.types.is_fixed_size_list(cells)
