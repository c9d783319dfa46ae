"""A file's statistics as Iceberg keeps them, by field id: from the Parquet footer, NaNs counted while writing.

PyIceberg has a function for this; it takes a row group without bounds (a value of more than 4 KiB) for one that adds
nothing to them, so that a reader would skip rows, and fails on dates after the year 9999. Its plan of what to keep for
which column (`write.metadata.metrics.*`) is used as it is.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.conversions import to_bytes
from pyiceberg.io.pyarrow import MetricModeTypes, StatisticsCollector
from pyiceberg.types import BinaryType, DecimalType, DoubleType, FloatType, PrimitiveType, StringType
from pyiceberg.utils.decimal import unscaled_to_decimal
from pyiceberg.utils.truncate import truncate_upper_bound_binary_string

from dativo_engine.writers.fields import Leaf

StatisticsPlan: TypeAlias = Mapping[int, StatisticsCollector]


@dataclass(slots=True)
class FileStatistics:
    """By field id; bounds in Iceberg's single-value binary form."""

    column_sizes: dict[int, int] = field(default_factory=dict[int, int])
    value_counts: dict[int, int] = field(default_factory=dict[int, int])
    null_value_counts: dict[int, int] = field(default_factory=dict[int, int])
    lower_bounds: dict[int, bytes] = field(default_factory=dict[int, bytes])
    upper_bounds: dict[int, bytes] = field(default_factory=dict[int, bytes])
    split_offsets: tuple[int, ...] = ()


def file_statistics(footer: pq.FileMetaData, leaves: Sequence[Leaf], plan: StatisticsPlan) -> FileStatistics:
    """What a finished file's footer says."""
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    result = FileStatistics(split_offsets=tuple(_first_page(group.column(0)) for group in groups))
    for number, leaf in enumerate(leaves):
        chunks = [group.column(number) for group in groups]
        result.column_sizes[leaf.field_id] = sum(chunk.total_compressed_size for chunk in chunks)
        mode = plan[leaf.field_id].mode
        if mode.type is MetricModeTypes.NONE:
            continue
        result.value_counts[leaf.field_id] = sum(chunk.num_values for chunk in chunks)
        nulls = [chunk.statistics.null_count for chunk in chunks]
        result.null_value_counts[leaf.field_id] = sum(nulls)
        if mode.type is MetricModeTypes.COUNTS:
            continue
        bounds = _bounds(leaf.type, chunks)
        if bounds is not None:
            result.lower_bounds[leaf.field_id] = _lower(leaf.type, bounds[0], mode.length)
            upper = _upper(leaf.type, bounds[1], mode.length)
            if upper is not None:
                result.upper_bounds[leaf.field_id] = upper
    return result


def count_nans(rows: pa.Table, leaves: Sequence[Leaf]) -> dict[int, int]:
    """How many NaNs each floating-point column holds."""
    counts: dict[int, int] = {}
    for leaf in leaves:
        if isinstance(leaf.type, FloatType | DoubleType):
            chunks = rows.column(leaf.path[0]).chunks
            counts[leaf.field_id] = sum(_nans(_descend(chunk, leaf.path[1:])) for chunk in chunks)
    return counts


def _nans(values: pa.Array) -> int:
    return pc.sum(pc.is_nan(values)).as_py() or 0


def _descend(values: pa.Array, path: Sequence[str]) -> pa.Array:
    for name in path:
        if isinstance(values, pa.StructArray):
            values = pc.struct_field(values, name)
        elif isinstance(values, pa.MapArray):
            # Flattening as a list leaves out what lies under null maps and outside of a slice.
            entries = pc.list_flatten(values.cast(pa.list_(pa.struct([values.type.key_field, values.type.item_field]))))
            values = pc.struct_field(entries, 0 if name == "key" else 1)
        else:
            values = pc.list_flatten(values)
    return values


def _first_page(chunk: pq.ColumnChunkMetaData) -> int:
    pages = chunk.data_page_offset, chunk.dictionary_page_offset
    return min(page for page in pages if page is not None)


def _bounds(kind: PrimitiveType, chunks: Sequence[pq.ColumnChunkMetaData]) -> tuple[object, object] | None:
    """The least and the greatest value; None where no row group has values, or one with values does not tell."""
    lows: list[object] = []
    highs: list[object] = []
    for chunk in chunks:
        known = chunk.statistics
        if known.has_min_max:
            lows.append(_value(kind, known.min_raw))
            highs.append(_value(kind, known.max_raw))
        elif known.num_values and not isinstance(kind, FloatType | DoubleType):
            return None
    # A floating-point row group without bounds holds only NaNs, which Iceberg's bounds leave out as well.
    return (min(lows), max(highs)) if lows else None  # pyright: ignore[reportArgumentType] - of one type


def _value(kind: PrimitiveType, raw: object) -> object:
    match kind, raw:
        case DecimalType(scale=scale), int():
            return unscaled_to_decimal(raw, scale)
        case DecimalType(scale=scale), bytes():
            return unscaled_to_decimal(int.from_bytes(raw, "big", signed=True), scale)
        case StringType(), bytes():
            return raw.decode()
        case _:
            return raw


def _lower(kind: PrimitiveType, value: object, length: int | None) -> bytes:
    if length is not None and isinstance(value, str | bytes):
        return to_bytes(kind, value[:length])
    return to_bytes(kind, value)  # pyright: ignore[reportArgumentType] - of its kind


def _upper(kind: PrimitiveType, value: object, length: int | None) -> bytes | None:
    """None: every value up to the greatest possible one begins like this one."""
    rounded = value
    if length is not None and isinstance(kind, StringType) and isinstance(value, str):
        rounded = rounded_up(value, length)
    elif length is not None and isinstance(kind, BinaryType) and isinstance(value, bytes):
        rounded = truncate_upper_bound_binary_string(value, length)
    return None if rounded is None else to_bytes(kind, rounded)  # pyright: ignore[reportArgumentType] - of its kind


def rounded_up(text: str, length: int) -> str | None:
    """The first `length` characters, raised where something is cut off."""
    if len(text) <= length:
        return text
    # The last character cannot be raised: leave it out and raise the one before.
    kept = text[:length].rstrip(chr(sys.maxunicode))
    if not kept:
        return None
    # The surrogates, which no text holds, come after this one.
    following = "\ue000" if kept[-1] == "\ud7ff" else chr(ord(kept[-1]) + 1)
    return kept[:-1] + following
