"""Lossless casts between column types: a cell arrives unchanged in meaning, or is named as one that cannot.

Numbers keep every digit: no overflow, no dropped fraction or scale. Doubles become decimals by their shortest text
(12.34, not 12.339999...). Only `float` and `double` round, as they must, and never to infinity. A time without zone is
taken in the column's default zone; into a column without zone, a zoned time is written as that zone's wall clock.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from dativo_engine.contracts.attempt import Cast, Convert, attempt, no_cells
from dativo_engine.contracts.datepattern import DatePattern
from dativo_engine.contracts.text import from_text, in_zone


def cast(cells: pa.Array, target: pa.DataType, *, timezone: str = "UTC", pattern: DatePattern | None = None) -> Cast:
    """Convert a column to a scalar type. Cells of the right type already are not copied.

    Args:
        cells: plain, see `plain`; of any type.
        target: as `arrow_type` has it, not nested.
        timezone: what times without zone mean.
        pattern: how dates and times in text look, beside ISO 8601.
    """
    if cells.type.equals(target):
        return Cast(cells)
    if pa.types.is_null(cells.type):
        return Cast(pa.nulls(len(cells), target))
    if pa.types.is_string(cells.type):
        return from_text(cells, target, timezone=timezone, pattern=pattern)
    convert = _conversion(cells.type, target, timezone)
    if convert is None:
        return Cast(pa.nulls(len(cells), target), cells.is_valid())
    return attempt(cells, target, convert)


def plain(cells: pa.Array) -> pa.Array:
    """The same cells without a special encoding: no dictionary, extension type, view or 64-bit offsets."""
    if isinstance(cells, pa.ExtensionArray):
        cells = cells.storage
    if isinstance(cells, pa.DictionaryArray):
        cells = cells.dictionary_decode()
    if pa.types.is_large_string(cells.type) or pa.types.is_string_view(cells.type):
        return cells.cast(pa.string())
    if pa.types.is_large_binary(cells.type) or pa.types.is_binary_view(cells.type):
        return cells.cast(pa.binary())
    return cells


def _conversion(source: pa.DataType, target: pa.DataType, timezone: str) -> Convert | None:  # noqa: PLR0911 - one line per type
    """How values of one type become another; None: none of them can."""
    kinds = pa.types
    if kinds.is_nested(source):
        return None
    if kinds.is_string(target):
        return _bytes_to_text if kinds.is_fixed_size_binary(source) else lambda cells: cells.cast(target)
    if kinds.is_boolean(target):
        return _integer_to_boolean if kinds.is_integer(source) else None
    if kinds.is_integer(target) or kinds.is_floating(target) or kinds.is_decimal(target):
        return _to_number(source, target)
    if kinds.is_timestamp(target):
        return _to_timestamp(source, target, timezone)
    if kinds.is_date(target):
        return _both_ways(target) if kinds.is_date(source) or kinds.is_timestamp(source) else None
    if kinds.is_time(target):
        return _both_ways(target) if kinds.is_time(source) else None
    return _both_ways(target) if kinds.is_binary(source) or kinds.is_fixed_size_binary(source) else None


def _both_ways(target: pa.DataType) -> Convert:
    """A cast that must survive the way back: Arrow lets a timestamp's time of day fall silently."""

    def convert(cells: pa.Array) -> pa.Array:
        result = cells.cast(target)
        if not result.cast(cells.type).equals(cells):
            raise pa.ArrowInvalid("the value changes")
        return result

    return convert


def _bytes_to_text(cells: pa.Array) -> pa.Array:
    return cells.cast(pa.binary()).cast(pa.string())


def _integer_to_boolean(cells: pa.Array) -> pa.Array:
    if pc.any(pc.not_equal(cells, pc.bit_wise_and(cells, pa.scalar(1, cells.type)))).as_py():
        raise pa.ArrowInvalid("neither 0 nor 1")
    return cells.cast(pa.bool_())


def _to_number(source: pa.DataType, target: pa.DataType) -> Convert | None:
    kinds = pa.types
    if not (kinds.is_integer(source) or kinds.is_floating(source) or kinds.is_decimal(source)):
        return None
    if kinds.is_floating(target):
        return lambda cells: _finite(cells, cells.cast(target))
    if not kinds.is_decimal(target):
        return lambda cells: cells.cast(target)
    if kinds.is_floating(source):
        return lambda cells: cells.cast(pa.string()).cast(target)
    # By way of the widest decimal: Arrow wants room for every value of an integer type, not just for those there.
    widest = pa.decimal256(76, max(target.scale, source.scale if kinds.is_decimal(source) else 0))
    return lambda cells: cells.cast(widest).cast(target)


def _finite(cells: pa.Array, result: pa.Array) -> pa.Array:
    """The result, unless a finite number became infinite in it."""
    infinite = pc.is_inf(result)
    if pc.any(infinite).as_py():
        before = pc.is_inf(cells) if pa.types.is_floating(cells.type) else no_cells(len(cells))
        if not infinite.equals(before):
            raise pa.ArrowInvalid("out of range")
    return result


def _to_timestamp(source: pa.DataType, target: pa.DataType, timezone: str) -> Convert | None:
    if pa.types.is_date(source):
        return lambda cells: in_zone(cells.cast(pa.timestamp("us")), target, timezone)
    if not pa.types.is_timestamp(source):
        return None
    microseconds = pa.timestamp("us", source.tz)
    return lambda cells: in_zone(cells.cast(microseconds), target, timezone)
