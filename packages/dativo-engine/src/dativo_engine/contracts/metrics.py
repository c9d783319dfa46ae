"""ODCS `library` rules: what each metric looks at, and whether it rejects rows or is judged at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from dativo_engine.contracts.checks import Check, Holds, NotMissing, all_of, matches, one_of, values_of
from dativo_engine.errors import FatalError

if TYPE_CHECKING:
    from dativo_config.models.contract import JsonValue, Rule

_COMPARISONS: dict[str, str] = {
    "must_be": "be {0}",
    "must_not_be": "not be {0}",
    "must_be_greater_than": "be greater than {0}",
    "must_be_greater_or_equal_to": "be at least {0}",
    "must_be_less_than": "be less than {0}",
    "must_be_less_or_equal_to": "be at most {0}",
    "must_be_between": "be between {0} and {1}",
    "must_not_be_between": "not be between {0} and {1}",
}


def rejects_rows(rule: Rule) -> bool:
    """Whether the rule allows no bad cell at all: then it is a check on each row instead of a count at the end."""
    none_allowed = rule.comparison in {"must_be", "must_be_less_or_equal_to"} and rule.threshold[0] == 0
    return rule.severity == "error" and none_allowed and rule.metric != "rowCount" and bool(rule.column or rule.columns)


def check_of(rule: Rule, cells: pa.DataType) -> Check:
    """The check on single cells that `nullValues`, `missingValues` and `invalidValues` count.

    Raises:
        FatalError: the rule's arguments do not fit its column.
    """
    arguments = rule.arguments
    if rule.metric == "nullValues":
        return NotMissing(rule.name)
    if rule.metric == "missingValues":
        spellings = [value for value in _list(rule, "missingValues") if value is not None]
        shown = ", ".join(repr(value) for value in spellings)
        return NotMissing(
            rule.name, f"a value other than {shown}" if shown else "a value", _spellings(spellings, cells)
        )
    pattern = arguments.get("pattern")
    checks: list[Holds] = []
    if "validValues" in arguments:
        checks.append(one_of(rule.name, _list(rule, "validValues"), cells, rule.column))
    if isinstance(pattern, str):
        if not pa.types.is_string(cells):
            raise FatalError(f"rule {rule.name!r}: a pattern is for text, column {rule.column!r} is {cells}")
        checks.append(matches(rule.name, pattern, rule.column))
    if not checks:
        raise FatalError(f"rule {rule.name!r}: invalidValues needs `validValues` or `pattern` in its arguments")
    return all_of(checks)


def holds(rule: Rule, measured: float) -> bool:  # noqa: PLR0911 - one line per comparison
    """Whether a measured value fulfils the rule's comparison. The bounds of a `between` belong to it."""
    first, last = rule.threshold[0], rule.threshold[-1]
    match rule.comparison:
        case "must_be":
            return measured == first
        case "must_not_be":
            return measured != first
        case "must_be_greater_than":
            return measured > first
        case "must_be_greater_or_equal_to":
            return measured >= first
        case "must_be_less_than":
            return measured < first
        case "must_be_less_or_equal_to":
            return measured <= first
        case "must_be_between":
            return first <= measured <= last
        case "must_not_be_between":
            return not first <= measured <= last


def expectation(rule: Rule) -> str:
    """What the rule asks for, in words: `invalidValues must be less than 5 percent`."""
    wanted = _COMPARISONS[rule.comparison].format(*(f"{number:g}" for number in rule.threshold))
    subject = rule.metric or "the query's value"
    return f"{subject} must {wanted}" + (" percent" if rule.unit == "percent" else "")


def _list(rule: Rule, argument: str) -> Sequence[JsonValue]:
    values = rule.arguments.get(argument, [])
    if not isinstance(values, list):
        raise FatalError(f"rule {rule.name!r}: {argument} must be a list")
    return values


def _spellings(values: Sequence[JsonValue], cells: pa.DataType) -> pa.Array | None:
    """The spellings that a column of this type can hold at all: an integer is never 'N/A'."""
    kept: list[pa.Array] = []
    for value in values:
        try:
            kept.append(values_of([value], cells, ""))
        except FatalError:
            continue
    return pa.concat_arrays(kept) if kept else None
