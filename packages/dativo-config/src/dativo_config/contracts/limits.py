"""`logicalTypeOptions` -> bounds on single values, well-formed and of the column's type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TypeAlias, cast

from dativo_config.contracts.complaints import show
from dativo_config.contracts.notes import Notes, Path
from dativo_config.contracts.patterns import pattern_problem
from dativo_config.models.contract import JsonValue, Limits, LogicalType
from dativo_config.timezones import is_timezone

Options: TypeAlias = Mapping[str, JsonValue]
Bound: TypeAlias = "int | float | str | None"

_NAMED_FORMATS = ("password", "byte", "binary", "email", "uuid", "uri", "hostname", "ipv4", "ipv6")

OPTIONS: Mapping[LogicalType, tuple[str, ...]] = {
    "string": ("minLength", "maxLength", "pattern", "format"),
    "binary": ("minLength", "maxLength", "format"),
    "boolean": (),
    "object": ("minProperties", "maxProperties", "required"),
    "array": ("minItems", "maxItems", "uniqueItems"),
    "map": (),
    **dict.fromkeys(
        ("integer", "number"), ("multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "format")
    ),
    "date": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "format"),
    **dict.fromkeys(
        ("timestamp", "time"),
        ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "format", "timezone", "defaultTimezone"),
    ),
}

_READ_BOUND: Mapping[LogicalType, tuple[Callable[[str], date | datetime | time], str]] = {
    "date": (date.fromisoformat, "a date like 2024-12-31"),
    "timestamp": (datetime.fromisoformat, "a time like 2024-12-31T23:59:59Z"),
    "time": (time.fromisoformat, "a time of day like 23:59:59"),
}

_PAIRS = (
    ("minimum", "maximum"),
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
)


def read_limits(options: Options, logical: LogicalType, path: Path, notes: Notes) -> Limits:
    """The limits that a property's options set. `path` is the options' own. Keeps what is right of them."""
    return _Reading(options, logical, path, notes).limits()


@dataclass(frozen=True, slots=True)
class _Reading:
    options: Options
    logical: LogicalType
    path: Path
    notes: Notes

    def limits(self) -> Limits:
        self._check_names()
        self._check_bounds()
        self._check_order()
        self._check_text()
        bound = cast("Mapping[str, Bound]", self.options)
        size = cast("Mapping[str, int | None]", self.options)
        return Limits(
            min_length=size.get("minLength"),
            max_length=size.get("maxLength"),
            pattern=cast("str | None", self.options.get("pattern")),
            format=cast("str | None", self.options.get("format")),
            minimum=bound.get("minimum"),
            maximum=bound.get("maximum"),
            exclusive_minimum=bound.get("exclusiveMinimum"),
            exclusive_maximum=bound.get("exclusiveMaximum"),
            multiple_of=cast("int | float | None", self.options.get("multipleOf")),
            min_items=size.get("minItems"),
            max_items=size.get("maxItems"),
            unique_items=self.options.get("uniqueItems") is True,
            min_properties=size.get("minProperties"),
            max_properties=size.get("maxProperties"),
            required_properties=tuple(cast("list[str]", self.options.get("required") or [])),
            default_timezone=cast("str", self.options.get("defaultTimezone") or "UTC"),
        )

    def _refuse(self, option: str, message: str, hint: str = "") -> None:
        self.notes.add((*self.path, option), message, hint=hint)

    def _check_names(self) -> None:
        """The standard checks them only where there is a `logicalType`."""
        allowed = OPTIONS[self.logical]
        for option in self.options:
            if option not in allowed:
                takes = f"it takes {', '.join(allowed)}" if allowed else "it takes none"
                self.notes.add((*self.path, option), f"is no option of {self.logical}", hint=takes, key=True)

    def _check_bounds(self) -> None:
        for option in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
            value = self.options.get(option)
            if value is None or option not in OPTIONS[self.logical]:
                continue
            read, expected = _READ_BOUND.get(self.logical, (None, "a number"))
            if read is None:
                if isinstance(value, bool) or not isinstance(value, (int, float)):
                    self._refuse(option, f"expected {expected}, found {show(value)}")
            elif not isinstance(value, str) or not _reads(read, value):
                self._refuse(option, f"expected {expected}, found {show(value)}")

    def _check_order(self) -> None:
        for low, high in _PAIRS:
            first, last = self._comparable(low), self._comparable(high)
            if first is not None and last is not None and first > last:
                self._refuse(high, f"is less than {low} ({self.options[low]}): no value can be right")

    def _comparable(self, option: str) -> float | None:
        value = self.options.get(option)
        if isinstance(value, str) and self.logical in _READ_BOUND and _reads(_READ_BOUND[self.logical][0], value):
            return _seconds(_READ_BOUND[self.logical][0](value))
        return value if isinstance(value, (int, float)) else None

    def _check_text(self) -> None:
        pattern, named = self.options.get("pattern"), self.options.get("format")
        if isinstance(pattern, str) and (wrong := pattern_problem(pattern)):
            self._refuse("pattern", wrong)
        if isinstance(named, str) and self.logical == "string" and named not in _NAMED_FORMATS:
            self._refuse("format", f"expected one of {', '.join(_NAMED_FORMATS)}, found {show(named)}")
        if isinstance(named, str) and self.logical in _READ_BOUND and "%" in named:
            self._refuse("format", "expected a pattern like yyyy-MM-dd, found one of strftime", "%Y is yyyy, %m is MM")
        zone = self.options.get("defaultTimezone")
        if isinstance(zone, str) and not is_timezone(zone):
            self._refuse("defaultTimezone", f"{show(zone)} is no time zone", "like Europe/Berlin or UTC")


def _reads(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def _seconds(moment: date | datetime | time) -> float:
    """A number in the order of time; a moment without zone counts as UTC."""
    if isinstance(moment, time):
        return moment.hour * 3600 + moment.minute * 60 + moment.second + moment.microsecond / 1e6
    if isinstance(moment, datetime):
        offset = moment.utcoffset()
        shift = offset.total_seconds() if offset else 0
        return moment.toordinal() * 86400 + _seconds(moment.time()) - shift
    return moment.toordinal() * 86400
