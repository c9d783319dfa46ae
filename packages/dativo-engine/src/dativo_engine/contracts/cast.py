"""Lossless casts between column types: a cell arrives unchanged in meaning, or is named as one that cannot.

Numbers keep every digit: no overflow, no dropped fraction or scale. Doubles become decimals by their shortest text
(12.34, not 12.339999...). Only `float` and `double` round, as they must, and never to infinity. A time without zone is
taken in the column's default zone; into a column without zone, a zoned time is written as that zone's wall clock.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from dativo_engine.contracts.attempt import Cast, Convert, attempt, attempt_where, no_cells
from dativo_engine.contracts.datepattern import DatePattern
from dativo_engine.contracts.text import from_text, in_zone

_MICROSECONDS = pa.timestamp("us")


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
    return _typed(cells, target, timezone) or Cast(pa.nulls(len(cells), target), cells.is_valid())


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


def _typed(cells: pa.Array, target: pa.DataType, timezone: str) -> Cast | None:  # noqa: PLR0911 - one line per type
    """Convert typed values; None: no value of their type is one of the target's."""
    kinds, source = pa.types, cells.type
    if kinds.is_nested(source):
        return None
    if kinds.is_string(target):
        is_bytes = kinds.is_fixed_size_binary(source)
        return attempt(cells, target, _bytes_to_text if is_bytes else lambda some: some.cast(target))
    if kinds.is_boolean(target):
        return attempt_where(_within(cells, 0, 1), cells, target, _to(target)) if kinds.is_integer(source) else None
    if kinds.is_integer(target) or kinds.is_floating(target) or kinds.is_decimal(target):
        is_number = kinds.is_integer(source) or kinds.is_floating(source) or kinds.is_decimal(source)
        return _number(cells, target) if is_number else None
    if kinds.is_timestamp(target):
        return _timestamp(cells, target, timezone)
    if kinds.is_date(target):
        return _there_and_back(cells, target) if kinds.is_date(source) or kinds.is_timestamp(source) else None
    if kinds.is_time(target):
        return _there_and_back(cells, target) if kinds.is_time(source) else None
    is_bytes = kinds.is_binary(source) or kinds.is_fixed_size_binary(source)
    return attempt(cells, target, _to(target)) if is_bytes else None


def _to(target: pa.DataType) -> Convert:
    return lambda cells: cells.cast(target)


def _bytes_to_text(cells: pa.Array) -> pa.Array:
    return cells.cast(pa.binary()).cast(pa.string())


def _there_and_back(cells: pa.Array, target: pa.DataType) -> Cast:
    """Times in a coarser type: those that change on the way there and back do not fit."""
    there = cells.cast(target, safe=False)
    changed = pc.fill_null(pc.not_equal(there.cast(cells.type, safe=False), cells), fill_value=False)
    return Cast(pc.if_else(changed, None, there), changed) if pc.any(changed).as_py() else Cast(there)


def _number(cells: pa.Array, target: pa.DataType) -> Cast:
    kinds, source = pa.types, cells.type
    if kinds.is_floating(target):
        return attempt(cells, target, lambda some: _finite(some, some.cast(target)))
    if kinds.is_integer(target):
        least = -(2 ** (target.bit_width - 1))
        if kinds.is_integer(source):
            return attempt_where(_within(cells, least, -least - 1), cells, target, _to(target))
        if kinds.is_floating(source):
            whole = pc.equal(pc.trunc(cells), cells)
            return attempt_where(pc.and_(whole, _within(cells, least, -least)), cells, target, _to(target))
        return attempt(cells, target, _to(target))
    if kinds.is_floating(source):
        return from_text(cells.cast(pa.string()), target, timezone="UTC", pattern=None)
    # By way of the widest decimal: Arrow wants room for every value of an integer type, not just for those there.
    widest = pa.decimal256(76, max(target.scale, source.scale if kinds.is_decimal(source) else 0))
    return attempt(cells, target, lambda some: some.cast(widest).cast(target))


def _within(cells: pa.Array, least: int, greatest: int) -> pa.BooleanArray:
    """Which numbers lie between two bounds, as far as their own type reaches beyond these."""
    if pa.types.is_integer(cells.type):
        low = 0 if pa.types.is_unsigned_integer(cells.type) else -(2 ** (cells.type.bit_width - 1))
        high = 2 ** (cells.type.bit_width - (0 if low == 0 else 1)) - 1
        least, greatest = max(least, low), min(greatest, high)
    number = float if pa.types.is_floating(cells.type) else int
    above = pc.greater_equal(cells, pa.scalar(number(least), cells.type))
    return pc.and_(above, pc.less_equal(cells, pa.scalar(number(greatest), cells.type)))


def _finite(cells: pa.Array, result: pa.Array) -> pa.Array:
    """The result, unless a finite number became infinite in it."""
    infinite = pc.is_inf(result)
    if pc.any(infinite).as_py():
        before = pc.is_inf(cells) if pa.types.is_floating(cells.type) else no_cells(len(cells))
        if not infinite.equals(before):
            raise pa.ArrowInvalid("out of range")
    return result


def _timestamp(cells: pa.Array, target: pa.DataType, timezone: str) -> Cast | None:
    source = cells.type
    if pa.types.is_date(source):
        return attempt(cells, target, lambda some: in_zone(some.cast(_MICROSECONDS), target, timezone))
    if not pa.types.is_timestamp(source):
        return None
    microseconds = _there_and_back(cells, pa.timestamp("us", source.tz))
    zoned = attempt(microseconds.values, target, lambda some: in_zone(some, target, timezone))
    if microseconds.failed is None or zoned.failed is None:
        return Cast(zoned.values, zoned.failed if microseconds.failed is None else microseconds.failed)
    return Cast(zoned.values, pc.or_(microseconds.failed, zoned.failed))
