"""JSON Lines and JSON documents: what their values become."""

import datetime as dt
import json
from decimal import Decimal

import pytest
from dativo_config.models.contract import PhysicalType, Property
from dativo_engine.errors import FatalError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from source_support import Read, contract


def lines(*values: object) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


def test_values_get_the_types_of_the_contract(jsonl: Read) -> None:
    schema = contract(
        id="long", price="decimal(30, 2)", rate="double", paid="boolean", day="date", at="timestamp", z="timestamptz"
    )
    text = (
        '{"id": 1, "price": 1234567890123456789012345.67, "rate": 0.5, "paid": true, "day": "2024-02-29",'
        ' "at": "2024-02-29T10:00:00", "z": "2024-02-29T10:00:00+02:00"}\n'
    )
    (row,) = jsonl(text, schema).rows
    assert row == {
        "id": 1,
        "price": Decimal("1234567890123456789012345.67"),
        "rate": 0.5,
        "paid": True,
        "day": dt.date(2024, 2, 29),
        "at": dt.datetime(2024, 2, 29, 10),  # noqa: DTZ001 the column has no zone
        "z": dt.datetime(2024, 2, 29, 8, tzinfo=dt.UTC),
    }


def test_times_whose_zone_does_not_fit_the_contract_stay_text(jsonl: Read) -> None:
    text = lines({"at": "2024-02-29T10:00:00Z", "z": "2024-02-29T10:00:00"})
    row = {"at": "2024-02-29T10:00:00Z", "z": "2024-02-29T10:00:00"}
    assert jsonl(text, contract(at="timestamp", z="timestamptz")).rows == [row]


def test_fields_that_the_contract_lacks_are_seen_and_those_that_are_missing_are_null(jsonl: Read) -> None:
    assert jsonl(lines({"a": 1, "new": "x"}), contract(a="long", b="string")).rows == [{"a": 1, "b": None, "new": "x"}]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("long", "text"),
        ("long", 1.5),
        ("long", 12345678901234567890),
        ("long", {"x": 1}),
        ("decimal(6, 2)", 1.255),
        ("boolean", 1),
    ],
)
def test_a_value_that_does_not_fit_leaves_its_run_as_text(jsonl: Read, kind: str, value: object) -> None:
    loaded = jsonl(lines({"id": 1, "v": value}, {"id": 2, "v": None}), contract(id="long", v=kind))
    text = value if isinstance(value, str) else json.dumps(value)
    assert loaded.rows == [{"id": "1", "v": text}, {"id": "2", "v": None}]
    assert not loaded.malformed


def test_a_bad_value_slows_down_few_others(jsonl: Read) -> None:
    values = [{"v": "bad" if number == 5_000 else number} for number in range(20_000)]
    loaded = jsonl(lines(*values), contract(v="long"))
    assert [str(value) for value in loaded.column("v")] == [str(value["v"]) for value in values]
    assert (
        sum(batch.records.num_rows for batch in loaded.batches if str(batch.records.schema.field("v").type) == "string")
        < 300
    )
    assert loaded.numbers() == list(range(1, 20_001))


def test_a_text_column_that_receives_an_object_holds_its_json(jsonl: Read) -> None:
    loaded = jsonl('{"v": {"b": [1, 2.50]}}\n{"v": "x"}\n', contract(v="string"))
    assert loaded.column("v") == ['{"b": [1, 2.50]}', "x"]


def test_other_values_in_text_columns_leave_the_other_columns_typed_and_keep_their_digits(jsonl: Read) -> None:
    text = (
        '{"id": 1, "v": 1.10, "m": {"x": 1}}\n{"id": 2, "v": null, "m": null}\n'
        '{"id": 3, "v": [true], "new": {"y": 1}}\n'
        '{"id": 4, "v": "text", "new": "of another type"}\n'
    )
    counts = Property("m", "m", "map", PhysicalType("map"), items=Property("v", "v", "integer", PhysicalType("long")))
    loaded = jsonl(text, contract(id="long", v="string", m=counts))
    assert loaded.column("id") == [1, 2, 3, 4]
    assert loaded.column("v") == ["1.10", None, "[true]", "text"]
    assert loaded.column("m") == ['{"x": 1}', None, None, None]
    assert "new" in loaded.batches[0].records.schema.names


def test_nested_values_come_as_the_contract_says(jsonl: Read) -> None:
    address = Property(
        "address",
        "address",
        "object",
        PhysicalType("struct"),
        properties=(
            Property("city", "city", "string", PhysicalType("string")),
            Property("since", "since", "date", PhysicalType("date")),
        ),
    )
    tags = Property(
        "tags", "tags", "array", PhysicalType("list"), items=Property("t", "t", "string", PhysicalType("string"))
    )
    value = {"address": {"city": "Bonn", "since": "2024-02-29"}, "tags": ["a", "b"]}
    assert jsonl(lines(value), contract(address=address, tags=tags)).rows == [value]


def test_maps_are_json_text(jsonl: Read) -> None:
    counts = Property("m", "m", "map", PhysicalType("map"), items=Property("v", "v", "integer", PhysicalType("long")))
    assert jsonl('{"m": {"x": 1}}\n', contract(m=counts)).rows == [{"m": '{"x": 1}'}]


@pytest.mark.parametrize("line", ["not json", "[1, 2]", '{"a": 1', '"text"', "7", '{"a": 1}{"a": 2}', '{"a": "x"}x'])
def test_a_line_that_is_no_object_keeps_its_number_and_text(jsonl: Read, line: str) -> None:
    loaded = jsonl('{"a": 1}\n' + line + '\n{"a": 3}\n', contract(a="long"))
    assert [str(value) for value in loaded.column("a")] == ["1", "3"]
    assert [(m.line, m.row, m.raw) for m in loaded.malformed] == [(2, 2, line)]
    assert loaded.numbers() == [1, 3]


def test_bytes_that_are_no_text_cost_their_line_only(jsonl: Read) -> None:
    loaded = jsonl(b'{"a": "x"}\n{"a": "caf\xe9"}\n{"a": "y"}\n', contract(a="string"))
    assert loaded.column("a") == ["x", "y"]
    assert [m.raw for m in loaded.malformed] == ['{"a": "caf\\xe9"}']


@pytest.mark.parametrize(
    "text",
    [
        '[{"a": 1},\n {"a":\n 2}]',
        '\ufeff [{"a": 1}, {"a": 2}]',
        '{"a": 1}\n{"a": 2}',
        '\ufeff{"a": 1}\r\n\n{"a": 2}\r\n',
    ],
)
def test_arrays_and_lines(jsonl: Read, text: str) -> None:
    assert jsonl(text, contract(a="long")).column("a") == [1, 2]


def test_an_element_that_is_no_object_is_malformed(jsonl: Read) -> None:
    loaded = jsonl('[{"a": 1}, 5, {"a": 3}]', contract(a="long"))
    assert [(m.line, m.row, m.raw) for m in loaded.malformed] == [(0, 2, "5")]
    assert loaded.numbers() == [1, 3]


def test_a_list_inside_a_document(jsonl: Read) -> None:
    text = json.dumps({"data": {"items": [{"a": 1}, {"a": 2}]}}, indent=2)
    assert jsonl(text, contract(a="long"), records_path="data.items").column("a") == [1, 2]


def test_a_path_that_leads_nowhere_is_told(jsonl: Read) -> None:
    with pytest.raises(FatalError, match=r"there is no 'rows' on the way of source\.options\.records_path: data\.rows"):
        jsonl('{"data": {}}', contract(a="long"), records_path="data.rows")
    with pytest.raises(FatalError, match=r"data/file\.jsonl: no list of objects"):
        jsonl("[1, 2", contract(a="long"))


def test_a_document_larger_than_memory_is_refused(jsonl: Read) -> None:
    with pytest.raises(FatalError, match=r"too large for the run's memory; write it as JSON Lines"):
        jsonl("[" + ",".join(['{"a": 1}'] * 100_000) + "]", contract(a="long"), memory=1 << 20)


def test_lines_larger_than_memory_are_refused(jsonl: Read) -> None:
    with pytest.raises(FatalError, match=r"line 1 is larger than"):
        jsonl('{"a": "' + "x" * 2_000_000 + '"}', contract(a="string"), memory=1 << 20)


def test_empty_files_have_no_rows(jsonl: Read) -> None:
    assert jsonl("", contract(a="long")).rows == []
    assert jsonl("\n\n", contract(a="long")).rows == []
    assert jsonl("[]", contract(a="long")).rows == []


def test_bytes_read_add_up_to_the_file(jsonl: Read) -> None:
    text = lines(*({"a": number} for number in range(100_000)))
    loaded = jsonl(text, contract(a="long"), memory=1 << 20)
    assert sum(batch.bytes_read for batch in loaded.batches) == len(text)
    assert loaded.column("a") == list(range(100_000))


VALUES = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(st.characters(exclude_categories=["Cs"]))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(st.dictionaries(st.sampled_from(["n", "t", "extra"]), VALUES | st.lists(VALUES), max_size=3)))
def test_every_object_is_a_row_whatever_its_values(jsonl: Read, records: list[dict[str, object]]) -> None:
    loaded = jsonl(lines(*records), contract(n="long", t="string"))
    assert loaded.numbers() == list(range(1, len(records) + 1))
    for row, record in zip(loaded.rows, records, strict=True):
        value = record.get("n")
        if value is None:
            assert row["n"] is None
        elif not isinstance(value, list):
            assert str(row["n"]) == (value if isinstance(value, str) else json.dumps(value))


@pytest.mark.parametrize("field", ["v", "new"])
@pytest.mark.parametrize("depth", [2_000, 100_000])
def test_a_value_that_is_nested_too_deep_is_malformed_and_its_neighbours_are_read(
    jsonl: Read, field: str, depth: int
) -> None:
    text = lines({"v": 1}) + f'{{"{field}": {"[" * depth}{"]" * depth}}}\n' + lines({"v": 2})
    loaded = jsonl(text, contract(v="long"))
    assert [row["v"] for row in loaded.rows] == ["1", "2"]
    assert [(m.line, m.reason) for m in loaded.malformed] == [(2, "not a JSON object: nested too deep")]


def test_a_document_that_is_nested_too_deep_is_refused_with_its_name(jsonl: Read) -> None:
    with pytest.raises(FatalError, match=r"data/file\.jsonl: its values are nested too deep to be read"):
        jsonl("[" * 100_000 + "]" * 100_000, contract(v="long"))


def test_lists_of_nulls_that_the_contract_lacks_are_read(jsonl: Read) -> None:
    loaded = jsonl(lines({"n": 1, "extra": [None, None]}, {"n": 2, "extra": []}), contract(n="long"))
    assert loaded.column("n") == [1, 2]
