from __future__ import annotations

import pytest
from dativo_config.contracts.patterns import pattern_problem


@pytest.mark.parametrize(
    "pattern",
    [r"^[A-Z]{2}\d+$", r"\p{L}+", r"(?P<year>\d{4})-", r"(?i)yes|no", r"[+*]+", r"a\++", r"[^\s@]+@[^\s@]+\.\w+", "é+"],
)
def test_a_pattern_that_the_engine_can_run_is_fine(pattern: str) -> None:
    assert pattern_problem(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(?=a)b", "look-around"),
        ("(?<!a)b", "look-around"),
        (r"(a)\1", "back-references"),
        ("(?P<n>a)(?P=n)", "back-references"),
        ("a++", "possessive"),
        ("(?>a)", "possessive"),
        ("a{1001}", "1000 times"),
        ("(", "no regular expression"),
        (r"\u00e9", "escape"),
        ("[a&&b]", "different engines"),
    ],
)
def test_a_pattern_that_the_engine_can_not_run_says_why(pattern: str, reason: str) -> None:
    assert reason in (pattern_problem(pattern) or "")
