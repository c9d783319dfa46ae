"""Regular expressions that the engine can run: the syntax that Python and RE2 share."""

from __future__ import annotations

import re
import warnings

import jsonschema_rs

MOST_REPEATS = 1000  # of RE2: https://github.com/google/re2/wiki/Syntax

_UNICODE_CLASS = re.compile(r"\\[pP](?:\{\w+\}|\w)")
_ESCAPE = re.compile(r"\\.", re.DOTALL)
_CLASS = re.compile(r"\[\^?\]?[^\]]*\]")
_REPEATS = re.compile(r"\{(\d+)?,?(\d+)?\}")
_UNKNOWN_ESCAPES = frozenset({r"\u", r"\U", r"\N"})


def pattern_problem(pattern: str) -> str | None:
    """What is wrong with a regular expression; None: nothing."""
    # RE2 knows classes like \p{L}; Python does not.
    known_to_both = _UNICODE_CLASS.sub(r"\\w", pattern)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)
            re.compile(known_to_both)
    except re.error as error:
        return f"is no regular expression: {error}"
    except FutureWarning as warning:
        return f"reads differently in different engines ({str(warning).lower()}); escape the character with a backslash"
    if _UNKNOWN_ESCAPES.intersection(_ESCAPE.findall(pattern)):
        return r"uses an escape that the engine's RE2 does not know; write the character itself, or `\x{...}`"
    outside_classes = _CLASS.sub("a", _ESCAPE.sub("a", known_to_both))
    if any(int(bound) > MOST_REPEATS for pair in _REPEATS.findall(outside_classes) for bound in pair if bound):
        return f"repeats more than {MOST_REPEATS} times, which the engine's RE2 can't"
    if re.search(r"[*+?}]\+", outside_classes) or not _is_linear(pattern):
        return "uses what the engine's RE2 can't: look-around, back-references or possessive repeats"
    return None


def _is_linear(pattern: str) -> bool:
    """Whether Rust's regex crate takes it: a descendant of RE2, without look-around and back-references like it."""
    try:
        jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=jsonschema_rs.RegexOptions())
    except (jsonschema_rs.ValidationError, ValueError):
        return False
    return True
