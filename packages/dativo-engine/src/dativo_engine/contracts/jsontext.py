"""Arrow cells as JSON text that reads back as the same values."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import TypeVar

import pyarrow as pa

Cells = TypeVar("Cells", pa.Array, pa.ChunkedArray)


def json_texts(cells: pa.Array) -> list[str | None]:
    """Each cell as JSON; null stays null."""
    return [None if cell is None else _dump(cell) for cell in _values(cells)]


def json_rows(records: pa.RecordBatch, converted: Mapping[int, pa.Array] = MappingProxyType({})) -> list[str]:
    """Each row as a JSON object, names as in the batch.

    Args:
        converted: columns of the batch, by position, as the contract has them: null where a cell could not be
            converted, which then stands as it came.
    """
    names = records.schema.names
    columns = [_values(column) for column in records.columns]
    for at, cells in converted.items():
        both = zip(columns[at], _values(cells), strict=True)
        columns[at] = [came if value is None else value for came, value in both]
    if not columns:
        return ["{}"] * records.num_rows
    return [_dump(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]


def python_rows(records: pa.RecordBatch | pa.Table) -> list[dict[str, object]]:
    """Each row as Python values. Times before the year 1 or after 9999, which Python has not, make all times text."""
    try:
        return records.to_pylist()
    except (OverflowError, ValueError):
        columns = [_exact(column) for column in records.columns]
        return pa.Table.from_arrays(columns, names=records.schema.names).to_pylist()


def _values(cells: pa.Array) -> list[object]:
    return _exact(cells).to_pylist(maps_as_pydicts="lossy")


def _dump(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_encode, separators=(",", ":"))
    except ValueError:
        return json.dumps(_without_specials(value), ensure_ascii=False, default=_encode, separators=(",", ":"))


def _encode(value: object) -> object:
    """Values that JSON has no type for, as text that the enforcer reads back."""
    match value:
        case bytes():
            return base64.b64encode(value).decode()
        case Decimal():
            return format(value, "f")
        case _:
            return str(value)


def _without_specials(value: object) -> object:
    """NaN and the infinities as text: JSON has no number for them."""
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case dict():
            return {key: _without_specials(item) for key, item in value.items()}
        case list():
            return [_without_specials(item) for item in value]
        case _:
            return value


def _exact(cells: Cells) -> Cells:
    """Times as text wherever they stand: Python's stop at microseconds and at the year 9999."""
    target = _with_times_as_text(cells.type)
    return cells if target is cells.type else cells.cast(target)


def _with_times_as_text(cells: pa.DataType) -> pa.DataType:
    kinds = pa.types
    if kinds.is_temporal(cells) and not (kinds.is_duration(cells) or kinds.is_interval(cells)):
        return pa.string()
    if kinds.is_struct(cells):
        fields = [field.with_type(_with_times_as_text(field.type)) for field in cells.fields]
        changed = any(new.type is not old.type for new, old in zip(fields, cells.fields, strict=True))
        return pa.struct(fields) if changed else cells
    if kinds.is_list(cells) or kinds.is_large_list(cells):
        item = _with_times_as_text(cells.value_type)
        return cells if item is cells.value_type else pa.list_(cells.value_field.with_type(item))
    return cells
