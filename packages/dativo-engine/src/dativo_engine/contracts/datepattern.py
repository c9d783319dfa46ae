"""Date and time patterns of a contract (JDK DateTimeFormatter letters, as ODCS has them), applied to whole columns."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from dativo_engine.errors import FatalError

# Letter runs of a pattern: the part of a timestamp each stands for, and what it looks like.
_TOKENS = {
    "yyyy": ("year", "[0-9]{4}"),
    "uuuu": ("year", "[0-9]{4}"),
    "MM": ("month", "[0-9]{2}"),
    "M": ("month", "[0-9]{1,2}"),
    "dd": ("day", "[0-9]{2}"),
    "d": ("day", "[0-9]{1,2}"),
    "HH": ("hour", "[0-9]{2}"),
    "H": ("hour", "[0-9]{1,2}"),
    "mm": ("minute", "[0-9]{2}"),
    "m": ("minute", "[0-9]{1,2}"),
    "ss": ("second", "[0-9]{2}"),
    "s": ("second", "[0-9]{1,2}"),
    **dict.fromkeys(("X", "XX", "XXX", "Z", "x", "xx", "xxx"), ("zone", "Z|[+-][0-9]{2}(?::?[0-9]{2})?")),
}
_LEXER = re.compile(r"'(?P<quoted>(?:[^']|'')*)'|(?P<letters>([A-Za-z])\3*)|(?P<literal>.)", re.DOTALL)
_DATE_PARTS = ("year", "month", "day")
_TIME_PARTS = ("hour", "minute", "second")


@dataclass(frozen=True, slots=True)
class DatePattern:
    """A compiled pattern: a regular expression with one named group per part."""

    regex: str
    parts: frozenset[str]

    def to_iso(self, text: pa.StringArray) -> pa.StringArray:
        """The cells that follow the pattern in ISO 8601; the others as they are, they may be ISO already."""
        found = pc.extract_regex(text, self.regex)
        date = self._join(found, _DATE_PARTS, separator="-")
        time = self._join(found, _TIME_PARTS, separator=":")
        if "fraction" in self.parts:
            time = pc.binary_join_element_wise(time, found.field("fraction"), ".")
        if "zone" in self.parts:
            time = pc.binary_join_element_wise(time, found.field("zone"), "")
        iso = date if time is None else time if date is None else pc.binary_join_element_wise(date, time, "T")
        return pc.if_else(found.is_valid(), iso, text)

    def _join(self, found: pa.StructArray, names: tuple[str, ...], *, separator: str) -> pa.StringArray | None:
        present = [name for name in names if name in self.parts]
        if not present:
            return None
        padded = [pc.utf8_lpad(found.field(name), 4 if name == "year" else 2, "0") for name in present]
        return pc.binary_join_element_wise(*padded, separator)


def compile_pattern(pattern: str, column: str) -> DatePattern:
    """Understand a pattern such as `dd.MM.yyyy HH:mm:ss.SSS XXX`.

    Raises:
        FatalError: it has a letter that is not supported.
    """
    regex, parts = "", set[str]()
    for token in _LEXER.finditer(pattern):
        letters = token["letters"]
        if letters is None:
            literal = token["literal"] if token["quoted"] is None else token["quoted"].replace("''", "'") or "'"
            regex += re.escape(literal)
            continue
        name, shape = (
            ("fraction", f"[0-9]{{{len(letters)}}}") if set(letters) == {"S"} else _TOKENS.get(letters, ("", ""))
        )
        if not name or name in parts:
            raise FatalError(
                f"column {column!r}: format {pattern!r} has {letters!r}, which is not supported here; "
                f"supported are {', '.join(_TOKENS)} and S, each part once"
            )
        parts.add(name)
        regex += f"(?P<{name}>{shape})"
    return DatePattern(f"^{regex}$", frozenset(parts))
