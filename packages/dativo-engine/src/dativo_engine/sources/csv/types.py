"""How each column is read: as its contract's type where its cells allow, else as text for the enforcer to judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from dativo_engine.contracts.arrow import arrow_type

if TYPE_CHECKING:
    from dativo_config.models.contract import Property, SchemaObject

    from dativo_engine.sources.csv.spec import CsvOptions

    Array: TypeAlias = pa.Array[pa.Scalar[pa.DataType]]

TEXT = pa.string()
_ZONED, _ZONELESS = pa.timestamp("us", "UTC"), pa.timestamp("us")
# What pyarrow's CSV reader converts by itself; the enforcer reads all else from text.
_READABLE = frozenset(
    {"boolean", "int", "long", "float", "double", "decimal", "date", "time", "timestamp", "timestamptz"}
)


@dataclass(slots=True)
class Column:
    """One column of a file.

    Attributes:
        types: the types to try, the last one text.
        formats: strptime formats of its cells, for dates and timestamps.
        at: which of the types the next block is read as.
    """

    name: str
    types: tuple[pa.DataType, ...] = (TEXT,)
    formats: tuple[str, ...] = ()
    at: int = 0

    @property
    def type(self) -> pa.DataType:
        """What the next block is read as."""
        return TEXT if self.formats else self.types[self.at]

    @property
    def is_doubted(self) -> bool:
        """Whether its contract has another type for it than text."""
        return self.type is TEXT and len(self.types) > 1

    def doubt(self) -> bool:
        """Go on to the next type; answers whether there was one."""
        self.at += 1
        return self.at < len(self.types)

    def reconsider(self, cells: Array) -> None:
        """Go back to the first type that all cells of a block convert to, if one does."""
        for at, kind in enumerate(self.types[:-1]):
            try:
                cells.cast(kind)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                continue
            self.at = at
            return


def columns(names: Sequence[str], schema: SchemaObject | None, options: CsvOptions) -> list[Column]:
    """The columns of a file, in file order; those that the contract lacks are text."""
    properties = {item.name: item for item in schema.properties} if schema is not None else {}
    return [_column(name, properties.get(name), options) for name in names]


def _column(name: str, item: Property | None, options: CsvOptions) -> Column:
    if item is None or item.physical_type.name not in _READABLE:
        return Column(name)
    kind = arrow_type(item)
    if pa.types.is_temporal(kind) and item.limits.format:
        return Column(name)
    if pa.types.is_date(kind):
        return Column(name, (kind, TEXT), tuple(options.date_formats))
    if pa.types.is_timestamp(kind):
        other = _ZONELESS if kind.tz else _ZONED
        return Column(name, (kind, other, TEXT), tuple(options.timestamp_formats))
    return Column(name, (kind, TEXT))


def tidy(cells: Array, column: Column, options: CsvOptions) -> Array:
    """Text of a column that has another type in its contract, spelled the one way that the enforcer reads."""
    nulls = pa.array(options.null_values, TEXT)
    text = pc.utf8_trim_whitespace(cells)
    text = pc.if_else(pc.is_in(text, nulls), None, text)
    kind = column.types[0]
    if pa.types.is_integer(kind):
        return _plain_integers(text)
    if options.decimal_point == "," and (pa.types.is_decimal(kind) or pa.types.is_floating(kind)):
        return _with_point(text)
    if pa.types.is_boolean(kind):
        return _plain_booleans(text, options)
    return _from_formats(text, column) if column.formats else text


def trim(cells: Array, options: CsvOptions) -> Array:
    """Text without blanks around it; what then spells null is null."""
    text = pc.utf8_trim_whitespace(cells)
    return pc.if_else(pc.is_in(text, pa.array(options.null_values, TEXT)), None, text)


def _with_point(text: Array) -> Array:
    """`1.5` is no number where the comma is the decimal point: it stays as it is and would pass, so it is quoted."""
    has_point = pc.match_substring(text, ".")
    swapped = pc.replace_substring(text, ",", ".")
    return pc.if_else(has_point, pc.binary_join_element_wise("'", text, "'", ""), swapped)


def _plain_integers(text: Array) -> Array:
    """The typed reader takes `0x1F` for an integer; so that the rest of a block does not matter, text does too."""
    hexadecimal = pc.match_substring_regex(text, "^0[xX][0-9a-fA-F]{1,8}$")
    if not pc.any(hexadecimal).as_py():
        return text
    values = pc.if_else(hexadecimal, text, None).cast(pa.int64()).cast(TEXT)
    return pc.if_else(hexadecimal, values, text)


def _plain_booleans(text: Array, options: CsvOptions) -> Array:
    is_true = pc.is_in(text, pa.array(options.true_values, TEXT))
    is_false = pc.is_in(text, pa.array(options.false_values, TEXT))
    return pc.if_else(is_true, "true", pc.if_else(is_false, "false", text))


def _from_formats(text: Array, column: Column) -> Array:
    """Cells that fit a format as ISO 8601, all others as they are; typed where every cell fits."""
    rest, parsed = text, pa.nulls(len(text), _ZONELESS)
    for form in column.formats:
        found = pc.strptime(rest, format=form, unit="us", error_is_null=True)
        parsed = pc.coalesce(parsed, found.cast(_ZONELESS) if found.type.tz else found)
        rest = pc.if_else(parsed.is_valid(), None, rest)
    moments = parsed.cast(column.types[0] if pa.types.is_date(column.types[0]) else _ZONELESS)
    return moments if rest.null_count == len(rest) else pc.coalesce(moments.cast(TEXT), rest)
