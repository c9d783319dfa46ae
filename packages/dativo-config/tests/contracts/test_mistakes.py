"""Mistakes in contracts: each is told once, where it stands."""

from __future__ import annotations

import copy
import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from contract_texts import FULL, HEAD, document, properties, read, told
from dativo_config.contracts import read_contract
from dativo_config.contracts.yaml_text import dump
from hypothesis import given, settings
from hypothesis import strategies as st

A_LINE = 9  # of the first property

ONE_MISTAKE: list[tuple[str, str, str]] = [
    # a property -> where, what
    ("{name: a, logicalType: int}", "schema[0].properties[0].logicalType", "found 'int'"),
    ("{name: a, logicalType: string, requird: true}", "schema[0].properties[0].requird", "unknown key"),
    ("{logicalType: string}", "schema[0].properties[0]", "`name` is missing"),
    ("{name: a}", "schema[0].properties[0]", "needs `logicalType`"),
    ("{name: a, logicalType: string, required: 'yes'}", "schema[0].properties[0].required", "expected true or false"),
    ("{name: 12, logicalType: string}", "schema[0].properties[0].name", "expected text, found 12"),
    ("text", "schema[0].properties[0]", "expected `key: value` lines, found 'text'"),
    ("{name: a, logicalType: string, physicalType: int}", "schema[0].properties[0].physicalType", "contradicts"),
    (
        "{name: a, logicalType: vector, logicalTypeOptions: {dimensions: 3}}",
        "schema[0].properties[0].logicalType",
        "vectors",
    ),
    ("{name: a, logicalType: object}", "schema[0].properties[0]", "needs `properties`"),
    ("{name: a, logicalType: array}", "schema[0].properties[0]", "needs `items`"),
    ("{name: a, logicalType: map}", "schema[0].properties[0]", "`map` is missing"),
    (
        "{name: a, logicalType: array, items: {logicalType: strin}}",
        "schema[0].properties[0].items.logicalType",
        "found 'strin'",
    ),
    (
        "{name: a, logicalType: object, properties: [{name: b, logicalType: string, requird: true}]}",
        "schema[0].properties[0].properties[0].requird",
        "unknown key",
    ),
    (
        "{name: a, logicalType: object, properties: [{name: b, logicalType: string, unique: true}]}",
        "schema[0].properties[0].properties[0].unique",
        "for columns",
    ),
    *[
        (
            f"{{name: a, logicalType: {logical}, logicalTypeOptions: {{{option}}}}}",
            f"schema[0].properties[0].logicalTypeOptions.{option.split(':')[0]}",
            message,
        )
        for logical, option, message in (
            ("string", "format: i32", "expected one of password"),
            ("string", "minimum: 3", "unknown key"),
            ("string", "maxLenght: 3", "unknown key"),
            ("string", "maxLength: -1", "at least 0"),
            ("string", "pattern: '(?=a)'", "look-around"),
            ("string", "pattern: '('", "no regular expression"),
            ("integer", "format: i33", "found 'i33'"),
            ("integer", "minimum: a", "expected a number"),
            ("number", "multipleOf: 0", "greater than 0"),
            ("date", "minimum: 31.12.2024", "expected a date like"),
            ("date", "format: '%Y-%m-%d'", "strftime"),
            ("timestamp", "maximum: soon", "expected a time like"),
            ("timestamp", "defaultTimezone: Mars/Base", "no time zone"),
            ("time", "minimum: noon", "expected a time of day"),
        )
    ],
    *[
        (f"{{name: a, logicalType: string, quality: [{rule}]}}", f"schema[0].properties[0].quality[0]{where}", message)
        for rule, where, message in (
            ("{metric: nulValues, mustBe: 0}", ".metric", "found 'nulValues'"),
            ("{metric: nullValues}", "", "expected exactly one of mustBe"),
            ("{metric: nullValues, mustBeLesThan: 3}", ".mustBeLesThan", "unknown key"),
            (
                "{metric: nullValues, mustBe: 0, mustBeLessThan: 3}",
                "",
                "expected exactly one of mustBe, mustBeLessThan",
            ),
            ("{metric: nullValues, mustBeLessThan: x}", ".mustBeLessThan", "expected a number"),
            ("{metric: nullValues, mustBe: none}", ".mustBe", "expected a number, found 'none'"),
            ("{metric: nullValues, mustBeBetween: [3]}", ".mustBeBetween", "at least 2"),
            ("{metric: nullValues, mustBeBetween: [3, 1]}", ".mustBeBetween", "greater than the second"),
            ("{metric: nullValues, mustBe: 0, unit: apples}", ".unit", "expected rows or percent"),
            ("{metric: nullValues, mustBe: 0, severity: mild}", ".severity", "found 'mild'"),
            ("{metric: invalidValues, mustBe: 0}", "", "needs to know the valid ones"),
            (
                "{metric: invalidValues, mustBe: 0, arguments: {validValues: 3}}",
                ".arguments.validValues",
                "list of values",
            ),
            ("{metric: nullValues, mustBe: 0, arguments: {x: 3}}", ".arguments.x", "no argument of nullValues"),
            ("{metric: rowCount, mustBe: 0}", ".metric", "counts rows"),
            ("{type: sql, mustBe: 0}", "", "`query` is missing"),
            ("{type: sql, query: ' ', mustBe: 0}", ".query", "is empty"),
            ("{type: library, mustBe: 0}", "", "`metric` is missing"),
            ("{type: custom, engine: soda, implementation: x}", ".type", "another engine"),
            ("{rule: nullChek}", ".rule", "found 'nullChek'"),
            ("{dimension: completeness}", "", "needs a `metric`"),
        )
    ],
]


@pytest.mark.parametrize(("text", "path", "message"), ONE_MISTAKE)
def test_one_mistake_is_told_once_at_its_place(text: str, path: str, message: str) -> None:
    ((line, found, said),) = told(properties(text))
    assert (line, found) == (A_LINE, path)
    assert message in said


@pytest.mark.parametrize(
    ("line", "becomes", "path", "message"),
    [
        ("id: orders", "idd: orders", "idd", "unknown key"),
        ("id: orders\n", "", "", "`id` is missing"),
        ("version: 1.0.0", "version: 1.0", "version", "expected text, found 1.0"),
        ("apiVersion: v3.1.0", "apiVersion: v2.2.2", "apiVersion", "a version of the standard from v3.0.0 on"),
        ("kind: DataContract", "kind: Contract", "kind", "expected DataContract"),
        ("name: orders", "name: orders__rejected", "schema[0].name", "reserved"),
        ("name: orders", "name: ../orders", "schema[0].name", "no name for a table"),
        ("status: active", "team: [{name: x}]", "team[0]", "`username` is missing"),
        ("status: active", "team: {nam: x}", "team.nam", "unknown key"),
        ("status: active", "team: x", "team", "expected `key: value` lines or a list, found 'x'"),
        (
            "status: active",
            "servers: [{server: s, type: local, path: x, format: csv, host: y}]",
            "servers[0].host",
            "does not fit here",
        ),
    ],
)
def test_a_mistake_around_the_properties_is_told_at_its_place(line: str, becomes: str, path: str, message: str) -> None:
    text = properties("{name: a, logicalType: string}").replace(line, becomes, 1)
    ((_, found, said),) = told(text)
    assert found == path
    assert message in said


def test_names_that_meet_are_told() -> None:
    text = properties(
        "{name: a, logicalType: string}", "{name: A, logicalType: string}", "{name: a, logicalType: string}"
    )
    messages = [message for _, _, message in told(text)]
    assert any("differ only in case" in message for message in messages)
    assert any("`a` is here twice" in message for message in messages)


def test_an_id_that_two_siblings_have_is_told_and_one_in_different_columns_is_not() -> None:
    city = "properties: [{name: city, id: c, logicalType: string}]"
    twin = "properties: [{name: city, id: c, logicalType: string}, {name: town, id: c, logicalType: string}]"
    text = properties(
        f"{{name: home, id: h, logicalType: object, {city}}}", f"{{name: work, id: w, logicalType: object, {city}}}"
    )
    assert told(text) == []
    ((_, path, message),) = told(properties(f"{{name: home, id: h, logicalType: object, {twin}}}"))
    assert (path, message.startswith("the id `c` is here twice")) == (
        "schema[0].properties[0].properties[1].id",
        True,
    )
    ((_, path, _),) = told(properties("{name: a, id: x, logicalType: string}", "{name: b, id: x, logicalType: string}"))
    assert path == "schema[0].properties[1].id"


def test_two_columns_that_meet_in_the_table_are_told() -> None:
    text = properties("{name: a, logicalType: string}", "{name: b, physicalName: A, logicalType: string}")
    ((_, path, message),) = told(text)
    assert (path, "columns `a` and `A` differ only in case" in message) == ("schema[0].properties[1].name", True)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("primaryKey: true, primaryKeyPosition: 1", "primaryKey: true", "needs `primaryKeyPosition`"),
        ("primaryKey: true, primaryKeyPosition: 1", "primaryKey: true, primaryKeyPosition: 1", "is taken"),
        ("required: true", "primaryKeyPosition: 1", "stands without `primaryKey: true`"),
        ("required: true", "primaryKey: true, primaryKeyPosition: 0", "expected 1 or more"),
        ("partitioned: true, partitionKeyPosition: 2", "partitioned: true", "needs `partitionKeyPosition`"),
    ],
)
def test_positions_of_keys_are_consistent(first: str, second: str, message: str) -> None:
    text = properties(f"{{name: a, logicalType: string, {first}}}", f"{{name: b, logicalType: string, {second}}}")
    ((line, _, said),) = told(text)
    assert line == A_LINE + 1
    assert message in said


def test_bounds_that_no_value_can_keep_are_told() -> None:
    text = properties(
        "{name: a, logicalType: integer, logicalTypeOptions: {minimum: 5, maximum: 3}}",
        "{name: b, logicalType: date, logicalTypeOptions: {minimum: 2024-02-01, maximum: 2024-01-01}}",
        "{name: c, logicalType: string, logicalTypeOptions: {minLength: 5, maxLength: 3}}",
    )
    assert [line for line, _, message in told(text) if "no value can be right" in message] == [9, 10, 11]


def test_a_key_of_floating_point_is_refused() -> None:
    ((_, path, message),) = told(properties("{name: a, logicalType: number, primaryKey: true}"))
    assert path.endswith("primaryKey")
    assert "double can't be a primary key" in message


def test_all_mistakes_of_a_file_are_told_at_once() -> None:
    text = properties(
        "{name: a, logicalType: string, requird: true}",
        "{name: b, logicalType: string, logicalTypeOptions: {pattern: '('}}",
        "{name: c, logicalType: integer, physicalType: wobble}",
    ).replace("status:", "statuss:")
    assert [line for line, _, _ in sorted(told(text))] == [5, 9, 10, 11]


def test_a_contract_without_objects_or_columns_is_a_problem() -> None:
    assert "describes no object" in told(HEAD.split("schema:")[0])[0][2]
    assert "has no properties" in told(HEAD.replace("    properties:\n", ""))[0][2]


# ---- the law: whatever the standard refuses is refused here, near the mistake ----------------------------

_schema = find_spec("open_data_contract_standard")
assert _schema is not None
assert _schema.origin is not None
STANDARD = jsonschema_rs.Draft201909Validator(json.loads(Path(_schema.origin).with_name("schema.json").read_text()))
VALUE: dict[str, Any] = document(FULL).value


def paths(value: object, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for key, item in inner for path in ((*at, key), *paths(item, (*at, key)))]


@st.composite
def mutations(draw: st.DrawFn) -> tuple[dict[str, Any], tuple[str | int, ...]]:
    value = copy.deepcopy(VALUE)
    path = draw(st.sampled_from(paths(value)))
    holder: Any = value
    for step in path[:-1]:
        holder = holder[step]
    match draw(st.sampled_from(["delete", "rename", "replace"])):
        case "rename" if isinstance(path[-1], str):
            holder[path[-1] + "x"] = holder.pop(path[-1])
        case "replace":
            holder[path[-1]] = draw(st.sampled_from([None, True, 7, -1, 1.5, "wobble", "", [], [1], {}, {"x": 1}]))
        case _:
            del holder[path[-1]]
    return value, path


@settings(max_examples=400, deadline=None)
@given(mutations())
def test_what_the_standard_refuses_is_refused_near_the_mistake(
    mutation: tuple[dict[str, Any], tuple[str | int, ...]],
) -> None:
    value, path = mutation
    _, problems = read_contract(document(dump(value)))
    if STANDARD.is_valid(value):
        return
    assert problems
    steps = [tuple(re.findall(r"[\w$-]+", problem.path)) for problem in problems]
    parent = tuple(str(step) for step in path[:-1])
    assert any(found[: len(parent)] == parent or parent[: len(found)] == found for found in steps)


@settings(max_examples=200, deadline=None)
@given(mutations())
def test_no_contract_makes_reading_fail(mutation: tuple[dict[str, Any], tuple[str | int, ...]]) -> None:
    contract, problems = read(dump(mutation[0]))
    assert contract is not None or problems
