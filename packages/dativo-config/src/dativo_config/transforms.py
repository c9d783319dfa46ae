"""Iceberg's partition transforms and sort orders as files write them: `day(created)`, `bucket(16, id)`, `name desc`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dativo_config.problems import closest, one_of

_COLUMN = r'(?P<column>[^\s(),"]+)'
_CALL = re.compile(r"(?P<name>[A-Za-z]+)\s*\(\s*(?:(?P<width>-?\d+)\s*,\s*)?" + _COLUMN + r"\s*\)")
_BARE = re.compile(_COLUMN)
_DIRECTION = re.compile(r"^(?P<term>.+?)(?:\s+(?:asc|desc))?(?:\s+nulls\s+(?:first|last))?$", re.IGNORECASE)

_DATES = frozenset({"date", "timestamp", "timestamptz"})
_PRIMITIVES = frozenset(
    {"boolean", "int", "long", "float", "double", "decimal", "date", "time", "timestamp", "timestamptz"}
    | {"string", "uuid", "binary", "fixed"}
)
# Transform -> the types it takes (https://iceberg.apache.org/spec/#partition-transforms).
_TYPES = {
    "identity": _PRIMITIVES,
    "year": _DATES,
    "month": _DATES,
    "day": _DATES,
    "hour": frozenset({"timestamp", "timestamptz"}),
    "bucket": _PRIMITIVES - {"boolean", "float", "double"},
    "truncate": frozenset({"int", "long", "decimal", "string", "binary"}),
}
_WITH_WIDTH = frozenset({"bucket", "truncate"})
_OF_TIME = ("year", "month", "day", "hour")


class TransformError(ValueError):
    """A text that is no transform: what is wrong with it, and how to mend it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Transform:
    """One term of a partitioning or a sort order."""

    name: str
    column: str
    width: int = 0

    def refusal(self, type_name: str) -> str:
        """Why it does not take a column of an Iceberg type; empty: it does."""
        if type_name in _TYPES[self.name]:
            return ""
        wanted = "a column that is no object, array or map" if self.name == "identity" else _listed(self.name)
        return f"{self.name} needs {wanted}, '{self.column}' is {type_name}"


def parse_transform(text: str) -> Transform:
    """The transform that a text names; a bare column means identity.

    Raises:
        TransformError: it names none.
    """
    text = text.strip()
    if _BARE.fullmatch(text):
        return Transform("identity", text)
    call = _CALL.fullmatch(text)
    if call is None:
        raise TransformError("is no partition transform", "write a column, day(column) or bucket(16, column)")
    name = call["name"].lower()
    if name not in _TYPES:
        raise TransformError(f"the transform '{call['name']}' is not one of {one_of(_TYPES)}", closest(name, _TYPES))
    if (name in _WITH_WIDTH) != (call["width"] is not None):
        example = f"{name}(16, {call['column']})" if name in _WITH_WIDTH else f"{name}({call['column']})"
        what = "a number and a column" if name in _WITH_WIDTH else "only a column"
        raise TransformError(f"{name} takes {what}", f"write {example}")
    width = int(call["width"] or 0)
    if name in _WITH_WIDTH and not 0 < width < 2**31:
        raise TransformError(f"the number of {name} must be between 1 and {2**31 - 1}")
    return Transform(name, call["column"], width)


def parse_sort_term(text: str) -> Transform:
    """The transform or column that a term of a sort order sorts by.

    Raises:
        TransformError: as `parse_transform`.
    """
    found = _DIRECTION.match(text.strip())
    return parse_transform(found["term"] if found else text)


def clash(one: Transform, other: Transform) -> str:
    """Why two terms may not partition one table together; empty: they may."""
    if one == other:
        return "stands twice"
    if one.column == other.column and one.name == other.name:
        return f"'{one.column}' has two {one.name} transforms"
    if one.column == other.column and one.name in _OF_TIME and other.name in _OF_TIME:
        return f"'{one.column}' is partitioned by {other.name} already; the finer one is enough"
    return ""


def _listed(name: str) -> str:
    return f"a column of type {', '.join(sorted(_TYPES[name]))}"
