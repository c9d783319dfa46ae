"""Rules on single cells, vectorised and built for the batch that breaks none.

A check first asks one cheap question about the whole column (its extremes, its null count, whether all match); only
when the answer is bad does it say which cells are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from dativo_engine.contracts.formats import INTEGER_RANGES, STRING_FORMATS
from dativo_engine.contracts.text import from_text
from dativo_engine.errors import FatalError

if TYPE_CHECKING:
    from dativo_config.models.contract import JsonValue, Limits, Property

Measure: TypeAlias = Callable[[pa.Array], pa.Array]
SAMPLE_CELLS = 1000


@dataclass(frozen=True, slots=True)
class Broken:
    """The cells of a column that break a rule: a mask without nulls."""

    rule: str
    expected: str
    cells: pa.BooleanArray


class Check(Protocol):
    """One or more rules on the cells of a column.

    Attributes:
        rules: (rule, what it expects) for every rule the check stands for.
    """

    @property
    def rules(self) -> tuple[tuple[str, str], ...]: ...

    def broken(self, cells: pa.Array) -> Iterator[Broken]:
        """The rules that some cells break; nothing for a clean column. A null breaks only rules about nulls."""
        ...


@dataclass(frozen=True, slots=True)
class Limit:
    """One bound: `breaks(value, bound)` is true for values beyond it, of which the column's `extreme` is the worst."""

    rule: str
    expected: str
    bound: pa.Scalar
    breaks: Callable[[pa.Array | pa.Scalar, pa.Scalar], pa.Array | pa.Scalar]
    extreme: str


@dataclass(frozen=True, slots=True)
class Bounds:
    """Every bound on one measure of a column (its value, its length), in one pass over a clean batch."""

    limits: tuple[Limit, ...]
    measure: Measure | None = None

    @property
    def rules(self) -> tuple[tuple[str, str], ...]:
        return tuple((limit.rule, limit.expected) for limit in self.limits)

    def broken(self, cells: pa.Array) -> Iterator[Broken]:
        measured = cells if self.measure is None else self.measure(cells)
        extremes = pc.min_max(measured)
        for limit in self.limits:
            # A NaN is no extreme, and no comparison with it holds: it breaks no bound.
            if limit.breaks(extremes[limit.extreme], limit.bound).as_py():
                yield Broken(limit.rule, limit.expected, _mask(limit.breaks(measured, limit.bound)))


@dataclass(frozen=True, slots=True)
class Holds:
    """A rule given by what holds for good cells; null in, null out.

    Attributes:
        is_costly: whether finding a column's few values and judging only those is cheaper than judging every cell.
    """

    rule: str
    expected: str
    holds: Measure
    is_costly: bool = False

    @property
    def rules(self) -> tuple[tuple[str, str], ...]:
        return ((self.rule, self.expected),)

    def broken(self, cells: pa.Array) -> Iterator[Broken]:
        if self.is_costly and _repeats(cells) and pc.all(self.holds(pc.unique(cells))).as_py() is not False:
            return
        good = self.holds(cells)
        if pc.all(good).as_py() is False:
            yield Broken(self.rule, self.expected, _mask(pc.invert(good)))


@dataclass(frozen=True, slots=True)
class NotMissing:
    """No cell is null, nor one of the spellings that stand for a missing value."""

    rule: str
    expected: str = "a value"
    spellings: pa.Array | None = field(default=None, compare=False)

    @property
    def rules(self) -> tuple[tuple[str, str], ...]:
        return ((self.rule, self.expected),)

    def broken(self, cells: pa.Array) -> Iterator[Broken]:
        missing = cells.is_null() if cells.null_count else None
        if self.spellings is not None:
            spelled = pc.is_in(cells, value_set=self.spellings)
            missing = spelled if missing is None else pc.or_(missing, spelled)
        if missing is not None and pc.any(missing).as_py():
            yield Broken(self.rule, self.expected, missing)


def checks_of(column: Property, cells: pa.DataType) -> tuple[Check, ...]:
    """The checks that a property's `logicalTypeOptions` and valid values ask for. `cells` is the column's Arrow type.

    Raises:
        FatalError: an option that the column's type cannot have, or one that cannot be understood.
    """
    limits, kinds = column.limits, pa.types
    checks: list[Check] = []
    if kinds.is_string(cells):
        checks += _length_checks(limits, pc.utf8_length, "characters")
        checks += _text_checks(column)
    elif kinds.is_binary(cells):
        checks += _length_checks(limits, pc.binary_length, "bytes")
    elif kinds.is_list(cells):
        checks += _bounds(
            (("minItems", limits.min_items), ("maxItems", limits.max_items)), pa.int32(), pc.list_value_length, "items"
        )
        if limits.unique_items:
            checks.append(Holds("uniqueItems", "no item twice", _items_are_unique))
    elif kinds.is_struct(cells) or kinds.is_map(cells):
        named = (("minProperties", limits.min_properties), ("maxProperties", limits.max_properties))
        checks += _bounds(named, pa.int64(), _count_properties, "properties")
        checks += [_has_property(name, column) for name in limits.required_properties]
    else:
        checks += _value_checks(column, cells)
    if column.valid_values:
        checks.append(one_of("validValues", column.valid_values, cells, column.column))
    return tuple(checks)


def one_of(rule: str, values: Sequence[JsonValue], cells: pa.DataType, column: str) -> Holds:
    """Cells hold one of some values."""
    allowed = values_of(values, cells, column)
    shown = ", ".join(str(value) for value in values[:8]) + (", ..." if len(values) > 8 else "")
    return Holds(
        rule, f"one of {shown}", lambda cells: pc.if_else(cells.is_valid(), pc.is_in(cells, value_set=allowed), None)
    )


def matches(rule: str, pattern: str, column: str, expected: str = "") -> Holds:
    """Text in which a pattern is found (as in JSON Schema, it need not match the whole cell).

    Raises:
        FatalError: RE2, which Arrow uses, does not understand the pattern.
    """
    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowInvalid as error:
        reason = str(error).removeprefix("Invalid regular expression: ")
        raise FatalError(f"column {column!r}: pattern {pattern!r}: {reason}; RE2 syntax is expected") from error
    expected = expected or f"a match of {pattern}"
    return Holds(rule, expected, lambda cells: pc.match_substring_regex(cells, pattern), is_costly=True)


def all_of(checks: Sequence[Holds]) -> Holds:
    """Several checks under the first one's name."""
    first, *rest = checks
    if not rest:
        return first
    others = all_of(rest)
    expected = f"{first.expected} and {others.expected}"
    return Holds(first.rule, expected, lambda cells: pc.and_kleene(first.holds(cells), others.holds(cells)))


def values_of(values: Sequence[JsonValue], cells: pa.DataType, column: str) -> pa.Array:
    """Values as a contract writes them, in a column's type.

    Raises:
        FatalError: one of them is no value of that type.
    """
    text = pa.array([str(value).lower() if isinstance(value, bool) else str(value) for value in values], pa.string())
    if pa.types.is_string(cells):
        return text
    result = from_text(text, cells, timezone="UTC", pattern=None)
    if result.failed is not None and pc.any(result.failed).as_py():
        wrong = text.filter(result.failed)[0].as_py()
        raise FatalError(f"column {column!r}: {wrong!r} is no value of its type, {cells}")
    return result.values


def _repeats(cells: pa.Array) -> bool:
    """Whether a column's first cells suggest that it has few values."""
    first = cells[:SAMPLE_CELLS]
    return len(pc.unique(first)) <= len(first) // 8


def _mask(cells: pa.BooleanArray) -> pa.BooleanArray:
    return pc.fill_null(cells, fill_value=False)


_LIMITS: dict[str, tuple[str, str, str]] = {
    # rule: (comparison that a bad value fulfils, the column's worst value, how people say it)
    "minimum": ("less", "min", "at least"),
    "exclusiveMinimum": ("less_equal", "min", "greater than"),
    "maximum": ("greater", "max", "at most"),
    "exclusiveMaximum": ("greater_equal", "max", "less than"),
}


def _bounds(
    named: Iterable[tuple[str, int | None]], cells: pa.DataType, measure: Measure, unit: str
) -> Iterator[Check]:
    """At most one check for the `min...` and `max...` of a measure."""
    limits = tuple(
        _limit(rule, "minimum" if rule.startswith("min") else "maximum", pa.scalar(bound, cells), f"{bound} {unit}")
        for rule, bound in named
        if bound is not None
    )
    if limits:
        yield Bounds(limits, measure)


def _limit(rule: str, kind: str, bound: pa.Scalar, shown: str) -> Limit:
    comparison, extreme, words = _LIMITS[kind]
    return Limit(rule, f"{words} {shown}", bound, getattr(pc, comparison), extreme)


def _length_checks(limits: Limits, measure: Measure, unit: str) -> Iterator[Check]:
    return _bounds((("minLength", limits.min_length), ("maxLength", limits.max_length)), pa.int32(), measure, unit)


def _text_checks(column: Property) -> Iterator[Check]:
    limits = column.limits
    if limits.pattern is not None:
        yield matches("pattern", limits.pattern, column.column)
    if limits.format in STRING_FORMATS:
        yield matches("format", STRING_FORMATS[limits.format], column.column, f"a valid {limits.format}")


def _value_checks(column: Property, cells: pa.DataType) -> Iterator[Check]:
    """Bounds and steps of numbers, dates, times and timestamps."""
    options = column.limits
    written = {
        "minimum": options.minimum,
        "exclusiveMinimum": options.exclusive_minimum,
        "maximum": options.maximum,
        "exclusiveMaximum": options.exclusive_maximum,
    }
    limits = [
        _limit(rule, rule, _bound(bound, cells, column), str(bound))
        for rule, bound in written.items()
        if bound is not None
    ]
    if pa.types.is_integer(cells) and options.format in INTEGER_RANGES:
        low, high = INTEGER_RANGES[options.format]
        if low > _least(cells):
            limits.append(_limit("format", "minimum", pa.scalar(low, cells), f"{low} ({options.format})"))
        if high < -_least(cells) - 1:
            limits.append(_limit("format", "maximum", pa.scalar(high, cells), f"{high} ({options.format})"))
    if limits:
        yield Bounds(tuple(limits))
    if options.multiple_of is not None:
        step = options.multiple_of
        yield Holds("multipleOf", f"a multiple of {step}", lambda cells: _is_multiple(cells, step))


def _least(cells: pa.DataType) -> int:
    return -(2 ** (cells.bit_width - 1))


def _bound(bound: float | str, cells: pa.DataType, column: Property) -> pa.Scalar:
    """A bound in the column's type, or in one that compares with it exactly."""
    if isinstance(bound, str) or not (pa.types.is_integer(cells) or pa.types.is_decimal(cells)):
        zone = column.limits.default_timezone
        result = from_text(pa.array([str(bound)]), cells, timezone=zone, pattern=None).values[0]
        if not result.is_valid:
            raise FatalError(f"column {column.column!r}: the bound {bound!r} is no value of its type, {cells}")
        return result
    return pa.scalar(Decimal(str(bound)))


def _is_multiple(cells: pa.Array, step: float) -> pa.BooleanArray:
    """Whether cells are whole multiples of a step; doubles within their own precision."""
    if pa.types.is_floating(cells.type):
        quotient = pc.divide(cells, pa.scalar(float(step), cells.type))
        error = pc.abs(pc.subtract(quotient, pc.round(quotient)))
        tolerance = pc.multiply(pc.max_element_wise(pc.abs(quotient), 1.0), 1e-12)
        return pc.less_equal(error, tolerance)
    scale = cells.type.scale if pa.types.is_decimal(cells.type) else 0
    quotient = pc.divide(cells.cast(pa.decimal256(39 + scale, scale)), pa.scalar(Decimal(str(step))))
    return pc.equal(quotient, pc.round(quotient))


def _items_are_unique(lists: pa.ListArray) -> pa.BooleanArray:
    """Per list, whether no item comes twice."""
    items = pa.table({"list": pc.list_parent_indices(lists), "item": lists.flatten()})
    counted = items.group_by(["list", "item"]).aggregate([([], "count_all")])
    repeating = counted.filter(pc.greater(counted["count_all"], 1))["list"]
    positions = pa.array(range(len(lists)), pa.int64())
    good = pc.invert(pc.is_in(positions, value_set=repeating.combine_chunks().cast(pa.int64())))
    return pc.if_else(lists.is_valid(), good, None)


def _count_properties(cells: pa.Array) -> pa.Array:
    """Non-null fields of each object, entries of each map."""
    if pa.types.is_map(cells.type):
        entry = pa.struct([cells.type.key_field, cells.type.item_field])
        return pc.list_value_length(cells.cast(pa.list_(entry))).cast(pa.int64())
    count = pa.repeat(pa.scalar(0, pa.int64()), len(cells))
    for child in cells.flatten():
        count = pc.add(count, child.is_valid().cast(pa.int64()))
    return pc.if_else(cells.is_valid(), count, None)


def _has_property(name: str, column: Property) -> Check:
    child = next((item.column for item in column.properties if name in (item.name, item.column)), None)
    if child is None:
        raise FatalError(f"column {column.column!r}: required property {name!r} is none of its properties")
    return Holds(
        "required",
        f"an object with {name!r}",
        lambda cells: pc.if_else(cells.is_valid(), pc.struct_field(cells, child).is_valid(), None),
    )
