"""What an unquoted YAML scalar means: the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema).

`no`, `on`, `yes`, dates, `1_000` and `12:30` are text; `010` is ten; `0o10` is eight.
"""

from __future__ import annotations

import math
import re
from typing import TypeAlias

Scalar: TypeAlias = "bool | int | float | str | None"

_WORDS: dict[str, bool | None] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER_START = frozenset("+-.0123456789")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED_INTEGER = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_MOST_DIGITS = 400  # of an integer; Python itself stops at 4300

_TAG = "tag:yaml.org,2002:"


def read_scalar(text: str) -> Scalar:
    """The value of an unquoted scalar.

    Raises:
        ValueError: a number that JSON can't carry: infinite, not a number, or absurdly long.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_START:
        return text
    if _INTEGER.fullmatch(text):
        if len(text) > _MOST_DIGITS:
            raise ValueError("a number of more than 400 digits")
        return int(text)
    if _BASED_INTEGER.fullmatch(text) and len(text) <= _MOST_DIGITS:
        return int(text, base=0)
    if _NOT_FINITE.fullmatch(text):
        raise ValueError("infinity and not-a-number are no values here; quote it if text is meant")
    if not _FLOAT.fullmatch(text):
        return text
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number too large for 64 bits")
    return number


def read_tagged(tag: str, text: str) -> Scalar:
    """The value of a scalar that carries an explicit tag of the core schema (`!!str 1`).

    Raises:
        ValueError: another tag, or a text that is no such value.
    """
    if tag in ("!", f"{_TAG}str"):
        return text
    wanted = {f"{_TAG}int": int, f"{_TAG}float": float, f"{_TAG}bool": bool, f"{_TAG}null": type(None)}.get(tag)
    if wanted is None:
        raise ValueError(f"the tag {show_tag(tag)} is not allowed; write the plain value")
    value = read_scalar(text)
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        raise ValueError(f"the value does not fit its tag {show_tag(tag)}")
    return value


def show_tag(tag: str) -> str:
    """A tag as a file writes it."""
    return f"`!!{tag.removeprefix(_TAG)}`" if tag.startswith(_TAG) else f"`{tag}`"
