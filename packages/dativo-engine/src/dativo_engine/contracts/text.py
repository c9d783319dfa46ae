"""Text read as typed values: what the cells of a CSV file, or strings in JSON, may look like.

Blanks around a value never count. Integers may carry a sign and a fraction of zeros; numbers an exponent; booleans
are true, false, 1 and 0 in any case; dates and times are ISO 8601 or follow the contract's own pattern; a date may be
followed by midnight; uuids are 32 hex digits with or without dashes; bytes are base64.
"""

from __future__ import annotations

import base64
import binascii

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dativo_engine.contracts.attempt import Cast, attempt, attempt_where
from dativo_engine.contracts.datepattern import DatePattern

# Shapes rule out nearly all that does not convert: calendar days but for 29 February, numbers by their digits.
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_EXPONENT = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][+-]?[0-9]+$"
_DIGITS = {32: 10, 64: 19}
_SPECIAL_NUMBER = r"(?i)^([+-]?(inf|infinity)|nan)$"
_DAY = (
    r"[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|[12][0-9]))"
)
_HOUR, _MINUTE, _SECOND = "(?:[01][0-9]|2[0-3])", "[0-5][0-9]", r"[0-5][0-9](?:\.[0-9]+)?"
_MIDNIGHT = r"[T ]00:00(:00(\.0*)?)?$"
_TIME = rf"^{_HOUR}:{_MINUTE}(?::{_SECOND})?$"
_ZONE = r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)"
_TIMESTAMP = rf"^{_DAY}(?:[T ]{_HOUR}(?::{_MINUTE}(?::{_SECOND})?)?{_ZONE}?)?$"
_ZONED = rf"[T ].*{_ZONE}$"
_ZEROS_BEYOND_MICROSECONDS = r"(\.[0-9]{6})0+"
_UUID = r"^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$"


def from_text(text: pa.StringArray, target: pa.DataType, *, timezone: str, pattern: DatePattern | None) -> Cast:  # noqa: PLR0911 - one line per type
    """Read every cell as `target`. A time without zone is taken in `timezone`."""
    kinds = pa.types
    text = pc.utf8_trim_whitespace(text)
    if kinds.is_integer(target):
        digits = pc.replace_substring_regex(text, r"^\+|\.0*$", "")
        fits = pc.match_substring_regex(text, rf"^[+-]?0*[0-9]{{1,{_DIGITS[target.bit_width]}}}(\.0*)?$")
        return attempt_where(fits, digits, target, lambda cells: cells.cast(target))
    if kinds.is_decimal(target):
        return attempt_where(_decimal_fits(text, target), text, target, lambda cells: cells.cast(target))
    if kinds.is_floating(target):
        return _floating(text, target)
    if kinds.is_boolean(target):
        return attempt(text, target, lambda cells: cells.cast(target))
    if kinds.is_fixed_size_binary(target) and target.byte_width == 16:
        return _uuid_or_bytes(text, target)
    if kinds.is_binary(target) or kinds.is_fixed_size_binary(target):
        return _bytes(text, target)
    iso = text if pattern is None else pattern.to_iso(text)
    if kinds.is_date(target):
        day = pc.replace_substring_regex(iso, _MIDNIGHT, "")
        return attempt_where(pc.match_substring_regex(day, f"^{_DAY}$"), day, target, lambda cells: cells.cast(target))
    moment = pc.replace_substring_regex(iso, _ZEROS_BEYOND_MICROSECONDS, r"\1")
    if kinds.is_time(target):
        return _time(moment, target)
    return _timestamp(moment, target, timezone)


def _decimal_fits(text: pa.StringArray, target: pa.DataType) -> pa.BooleanArray:
    """Enough room on both sides of the point; what has an exponent is judged by its value."""
    whole, scale = target.precision - target.scale, target.scale
    plain = (
        rf"^[+-]?0*(?:[0-9]{{1,{whole}}}\.?|[0-9]{{0,{whole}}}\.[0-9]{{1,{scale}}}0*)$" if scale and whole else _NUMBER
    )
    exponent = pc.match_substring_regex(text, _EXPONENT)
    return pc.or_(pc.match_substring_regex(text, plain), exponent)


def _floating(text: pa.StringArray, target: pa.DataType) -> Cast:
    special = pc.match_substring_regex(text, _SPECIAL_NUMBER)
    fits = pc.or_(special, pc.match_substring_regex(text, _NUMBER))
    result = attempt_where(fits, text, target, lambda cells: cells.cast(target))
    overflow = pc.fill_null(pc.and_not(pc.is_inf(result.values), special), fill_value=False)
    if not pc.any(overflow).as_py():
        return result
    failed = overflow if result.failed is None else pc.or_(overflow, result.failed)
    return Cast(pc.if_else(overflow, None, result.values), failed)


def _time(text: pa.StringArray, target: pa.DataType) -> Cast:
    """By way of a timestamp, as Arrow reads no time of day from text."""
    moment = pc.binary_join_element_wise("1970-01-01T", text, "")
    fits = pc.match_substring_regex(text, _TIME)
    return attempt_where(fits, moment, target, lambda cells: cells.cast(pa.timestamp("us")).cast(target))


def _timestamp(text: pa.StringArray, target: pa.DataType, timezone: str) -> Cast:
    """Zoned and zoneless texts may be mixed in one column; Arrow reads only one of the two at a time."""
    text = pc.replace_substring_regex(text, r"z$", "Z")
    fits = pc.match_substring_regex(text, _TIMESTAMP)
    zoned = pc.match_substring_regex(text, _ZONED)

    def convert(cells: pa.Array, *, with_zone: bool) -> pa.Array:
        read = cells.cast(pa.timestamp("us", "UTC" if with_zone else None))
        return in_zone(read, target, timezone)

    if pc.any(zoned).as_py() is not True:
        return attempt_where(fits, text, target, lambda cells: convert(cells, with_zone=False))
    if pc.all(zoned).as_py():
        return attempt_where(fits, text, target, lambda cells: convert(cells, with_zone=True))
    with_zone = attempt(
        pc.if_else(pc.and_(fits, zoned), text, None), target, lambda cells: convert(cells, with_zone=True)
    )
    without = pc.if_else(pc.and_not(fits, zoned), text, None)
    result = attempt(without, target, lambda cells: convert(cells, with_zone=False))
    values = pc.coalesce(with_zone.values, result.values)
    return Cast(values, pc.and_(text.is_valid(), values.is_null()))


def in_zone(times: pa.Array, target: pa.DataType, timezone: str) -> pa.Array:
    """Microsecond timestamps with or without zone, as the target has it; `timezone` is what the zoneless mean.

    Of the hour that a clock change repeats, the first is taken; in the hour that it skips there is no time.

    Raises:
        pa.ArrowInvalid: a time falls into a skipped hour.
    """
    if (times.type.tz is None) == (target.tz is None):
        return times.cast(target)
    if target.tz is None:
        return pc.local_timestamp(times.cast(pa.timestamp("us", timezone)))
    if timezone == "UTC":
        return times.view(target)
    return pc.assume_timezone(times, timezone, ambiguous="earliest", nonexistent="raise").cast(target)


def _uuid_or_bytes(text: pa.StringArray, target: pa.DataType) -> Cast:
    """16 bytes are a uuid where they look like one; any other text of that length is base64 of 16 bytes."""
    fits = pc.match_substring_regex(text, _UUID)
    if pc.all(fits).as_py() is not False:
        return Cast(_uuids(text, target))
    uuids = _uuids(pc.if_else(fits, text, None), target)
    rest = _bytes(pc.if_else(fits, None, text), target)
    return Cast(pc.coalesce(uuids, rest.values), rest.failed)


def _uuids(text: pa.StringArray, target: pa.DataType) -> pa.Array:
    """Hex digits to bytes: two digits at a time, over all cells at once."""
    digits = pc.fill_null(pc.replace_substring(text, "-", ""), "0" * 32)
    codes = np.frombuffer(pc.cast(digits, pa.binary()).cast(pa.binary(32)).buffers()[1], np.uint8)[: 32 * len(text)]
    nibbles = np.where(codes > ord("9"), (codes | 0x20) - ord("a") + 10, codes - ord("0"))
    data = (nibbles[0::2] << 4 | nibbles[1::2]).astype(np.uint8)
    values = pa.Array.from_buffers(target, len(text), [None, pa.py_buffer(data)])
    return values if text.null_count == 0 else pc.if_else(text.is_valid(), values, None)


def _bytes(text: pa.StringArray, target: pa.DataType) -> Cast:
    """Base64, cell by cell: Arrow has no decoder, and text formats seldom carry bytes."""
    width = target.byte_width if pa.types.is_fixed_size_binary(target) else None
    decoded = [None if cell is None else _decode(cell, width) for cell in text.to_pylist()]
    values = pa.array(decoded, target)
    failed = pc.and_(text.is_valid(), values.is_null())
    return Cast(values, failed if pc.any(failed).as_py() else None)


def _decode(text: str, width: int | None) -> bytes | None:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if width is None or len(data) == width else None
