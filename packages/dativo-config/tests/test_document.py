from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from dativo_config.document import MOST_BYTES, Document, parse_document, read_document, show_path
from dativo_config.problems import Problem
from dativo_config.scalars import read_scalar
from hypothesis import given
from hypothesis import strategies as st

FILE = Path("file.yaml")


def problem(text: str | bytes) -> Problem:
    _, problems = parse_document(FILE, text)
    assert len(problems) == 1, problems
    return problems[0]


def document(text: str) -> Document:
    found, problems = parse_document(FILE, text)
    assert found is not None
    assert not problems
    return found


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"), ("on", "on"), ("Yes", "Yes"), ("true", True), ("False", False), ("~", None), ("", None),
        ("null", None), ("010", 10), ("0o10", 8), ("0x1F", 31), ("1_000", "1_000"), ("12:30:45", "12:30:45"),
        ("2024-01-31", "2024-01-31"), ("1e3", 1000.0), (".5", 0.5), ("-7", -7), ("+1.", 1.0), ("1.2.3", "1.2.3"),
        ("=", "="), ("'1'", "1"), ('"true"', "true"), ("!!str 1", "1"), ("!!float 1", 1.0), ("! 1", "1"), ("-", "-"),
    ],
)  # fmt: skip
def test_scalars_mean_what_yaml_1_2_says(written: str, value: object):
    if written == "-":
        assert read_scalar(written) == value
    else:
        found = document(f"key: {written}\n").value["key"]
        assert found == value
        assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("", 1, 1, "empty"),
        ("# only a comment\n", 1, 1, "empty"),
        ("---\n", 1, 1, "empty"),
        ("- a\n- b\n", 1, 1, "found a list"),
        ("just text\n", 1, 1, "found a single value"),
        ("a: 1\nb:\n\tc: 1\n", 3, 1, "tab"),
        ("a: 1\na: 2\n", 2, 1, "twice, first on line 1"),
        ("a: 1\n---\nb: 1\n", 2, 1, "second document"),
        ("a:\n  b: 1\n   c: 2\n", 3, 5, "`:`"),
        ("a\nb: 1\n", 1, 1, "without `:`"),
        ("a: 'x\nb: 1\n", 1, 4, "never ends"),
        ("a: 'x\nb: 'y'\n", 1, 4, "runs on to a quote on line 2"),
        ("a: [1, 2\nb: 1\n", 1, 4, "not closed"),
        ("a: [\n  1,\n  2 3: 4 5: 6\n]\n", 3, 11, "comma"),
        ("a: {b: ${C}}\n", 1, 8, "must stand in quotes"),
        ("a: {b: {c: ${C}, d: 1}}\n", 1, 12, "must stand in quotes"),
        ("a: [${C}]\n", 1, 5, "must stand in quotes"),
        ('a: "\\ud83d\\ude00"\n', 1, 7, "no character of its own"),
        ("a: @b\n", 1, 4, "`@`"),
        ("a: *b\n", 1, 4, "no anchor `&b`"),
        ("a: &b [1, *b]\n", 1, 11, "inside its own value"),
        ("a: !!python/object/apply:os.system ['touch /tmp/x']\n", 1, 4, "not allowed"),
        ("a: !!binary aGk=\n", 1, 4, "not allowed"),
        ("a: !!int x\n", 1, 4, "does not fit"),
        ("a: !local x\n", 1, 4, "not allowed"),
        ("1: a\n", 1, 1, "must be text"),
        ("? [a, b]\n: c\n", 1, 3, "must be text"),
        ("a: &x b\n*x : c\n", 2, 1, "must be text"),
        ("<<: {a: 1}\n", 1, 1, "merge keys"),
        ("a: .inf\n", 1, 4, "infinity"),
        ("a: 1e999\n", 1, 4, "too large"),
        ("a: " + "9" * 5000, 1, 4, "400 digits"),
        ("a: \0\n", 1, 4, "U+0000"),
        ("a: 1\nb: \x1b[31m\n", 2, 4, "U+001B"),
        (b"a: 1\nb: caf\xe9\n", 2, 7, "0xE9"),
        (b"\xef\xbb\xbfa: \xff\n", 1, 4, "0xFF"),
        ("a: 1".encode("utf-16"), 1, 1, "UTF-16"),
        ("a: " + "[" * 100_000, 1, 68, "nested deeper"),
        ("a:" + " x" * MOST_BYTES, 1, 1, "larger than 4 MiB"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_its_place(text: str | bytes, line: int, column: int, says: str):
    found = problem(text)

    assert says in found.message
    assert (found.position.line, found.position.column) == (line, column)


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("name: x\ncron: */5 * * * *\n", 2, 7, "no value can begin with `*`; put it in quotes"),
        ("files: [{path: *.csv}]\n", 1, 16, "no value can begin with `*`; put it in quotes"),
        ("path: *orders\n", 1, 7, "put it in quotes, if it is text"),
        ("a:\n  b: 1\n\tc: 2\n", 3, 1, "a tab can't indent YAML; use spaces"),
        ("a: 1\n  \tb: 2\n", 2, 3, "a tab can't indent YAML; use spaces"),
        ("a: |\n\tfoo\n", 2, 1, "a tab can't indent YAML; use spaces"),
    ],
)
def test_what_is_easily_forgotten_is_told_with_its_mend(text: str, line: int, column: int, says: str):
    found = problem(text)

    assert f"{found.message}; {found.hint}".endswith(says)
    assert (found.position.line, found.position.column) == (line, column)


def test_an_alias_bomb_is_refused_before_it_goes_off():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    found = problem("\n".join(lines))
    assert "counting what aliases repeat" in found.message


def test_an_alias_repeats_its_value_and_is_mended_at_its_anchor():
    found = document("a: &x {b: 1}\nc: *x\n")

    assert found.value == {"a": {"b": 1}, "c": {"b": 1}}
    assert str(found.position(("c", "b"))) == "file.yaml:1:11"


def test_positions_are_those_of_values_keys_and_the_nearest_parent():
    found = document("a:\n  b: 1\n  c: [x, {d: ü, e: 2}]\n")

    assert found.position(("a", "b")).column == 6
    assert found.position(("a", "b"), key=True).column == 3
    assert str(found.position(("a", "c", 1, "e"), key=True)) == "file.yaml:3:17"
    assert str(found.position(("a", "missing"))) == "file.yaml:1:1"
    assert str(found.position(("a", "c", 9))) == "file.yaml:3:3"


def test_a_byte_order_mark_and_windows_line_ends_change_no_place():
    found, problems = parse_document(FILE, b"\xef\xbb\xbfa: 1\r\nb:\r\n  c: 2\r\n")

    assert not problems
    assert found is not None
    assert found.value == {"a": 1, "b": {"c": 2}}
    assert str(found.position(("b", "c"))) == "file.yaml:3:6"
    assert found.problem(("a",), "x").source == "a: 1"


def test_a_path_shows_unusual_keys_in_quotes():
    assert show_path(("schema", 0, "a.b", "name")) == "schema[0]['a.b'].name"


@pytest.mark.parametrize(("make", "says"), [("missing", "no such file"), ("folder", "not a file"), ("nul", "null")])
def test_what_can_not_be_read_is_a_problem(tmp_path: Path, make: str, says: str):
    path = {"missing": tmp_path / "no.yaml", "folder": tmp_path, "nul": tmp_path / "a\0b"}[make]

    found, problems = read_document(path)

    assert found is None
    assert says in problems[0].message


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\ufffe\uffff"), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdefgh<_. ", min_size=1), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(st.dictionaries(st.text("abcdefgh", min_size=1), json_values, min_size=1, max_size=5))
def test_json_is_read_as_the_yaml_it_is(value: dict[str, object]):
    found, problems = parse_document(FILE, json.dumps(value, indent=1, ensure_ascii=False))

    assert not problems
    assert found is not None
    assert found.value == value


@given(st.text("ab:-[]{}\"'\n\t #&*!|>%@`?,<$1.~é", max_size=60) | st.text(max_size=40) | st.binary(max_size=40))
def test_any_text_is_a_document_or_problems_inside_the_file(text: str | bytes):
    found, problems = parse_document(FILE, text)

    assert found is not None or problems
    lines = len(text.splitlines()) + 1
    assert all(1 <= problem.position.line <= lines and problem.position.column >= 1 for problem in problems)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_read_as_python_writes_it(value: float):
    found = read_scalar(repr(value))

    assert isinstance(found, float)
    assert math.copysign(1, found) == math.copysign(1, value)
    assert found == value
