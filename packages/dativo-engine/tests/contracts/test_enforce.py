"""What an enforcer says of whole batches and runs."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from dativo_config.models.contract import Limits, PhysicalType, Property, Rule, SchemaObject
from dativo_engine.contracts.arrow import arrow_schema, arrow_type
from dativo_engine.contracts.enforce import REJECTED_SCHEMA, compile_enforcer, describe
from dativo_engine.errors import ContractError, FatalError
from dativo_engine.interfaces import Batch, Enforcer, Malformed, Position, Verdict

LONG, TEXT = PhysicalType("long"), PhysicalType("string")


def column(name: str, kind: PhysicalType = LONG, **more: Any) -> Property:
    return Property(name, more.pop("column", name), "string", kind, **more)


def contract(*columns: Property, **more: Any) -> SchemaObject:
    return SchemaObject("orders", "orders_table", columns, **more)


def batch(op: list[int] | None = None, position: Position | None = None, **columns: Any) -> Batch:
    records = pa.record_batch({name: pa.array(cells) for name, cells in columns.items()})
    return Batch("orders", records, position or Position("f.csv", 2), None if op is None else pa.array(op, pa.int8()))


def rejected(verdict: Verdict) -> list[dict[str, Any]]:
    return [] if verdict.rejected is None else verdict.rejected.to_pylist()


def enforcer(schema: SchemaObject, folder: Path, **more: Any) -> Enforcer:
    return compile_enforcer(schema, spill_folder=folder, **more)


def test_columns_are_found_by_source_name_and_written_under_the_tables(tmp_path: Path) -> None:
    schema = contract(column("Order Id", column="id"), column("n", TEXT, column="name"))
    verdict = enforcer(schema, tmp_path).enforce(
        Batch("orders", pa.record_batch({"name": ["a"], "Order Id": ["1"]}), Position("f"))
    )
    assert verdict.accepted.schema == arrow_schema(schema)
    assert verdict.accepted.to_pylist() == [{"id": 1, "name": "a"}]


def test_a_clean_column_of_the_right_type_is_not_copied(tmp_path: Path) -> None:
    given = batch(id=[1, 2])
    accepted = enforcer(contract(column("id", required=True)), tmp_path).enforce(given).accepted
    assert accepted["id"].buffers()[1].address == given.records["id"].buffers()[1].address


def test_a_rejected_row_says_where_it_came_from_what_it_was_and_every_reason(tmp_path: Path) -> None:
    schema = contract(column("id", required=True), column("qty", limits=Limits(minimum=1, multiple_of=2)))
    given = batch(id=["1", None, "3"], qty=["2", "-1", "4"], more=["x", "y", None])
    verdict = enforcer(schema, tmp_path).enforce(given)
    assert verdict.accepted.to_pylist() == [{"id": 1, "qty": 2}, {"id": 3, "qty": 4}]
    assert verdict.rejected is not None
    assert verdict.rejected.schema == REJECTED_SCHEMA
    (row,) = rejected(verdict)
    assert (row["stream"], row["source"], row["row"], row["line"]) == ("orders", "f.csv", 3, None)
    assert row["record"] == '{"id":null,"qty":-1,"more":"y"}'
    assert row["reasons"] == [
        {"column": "id", "rule": "required", "message": "found no value, expected a value"},
        {"column": "qty", "rule": "minimum", "message": "found '-1', expected at least 1"},
        {"column": "qty", "rule": "multipleOf", "message": "found '-1', expected a multiple of 2"},
    ]


def test_rows_that_are_not_consecutive_keep_their_numbers(tmp_path: Path) -> None:
    position = Position("f.csv", 1, pa.array([4, 9, 12]))
    verdict = enforcer(contract(column("id")), tmp_path).enforce(batch(position=position, id=["1", "x", "y"]))
    assert [row["row"] for row in rejected(verdict)] == [9, 12]


def test_a_missing_optional_column_is_null_and_a_missing_required_one_stops_the_run(tmp_path: Path) -> None:
    optional = enforcer(contract(column("id"), column("note", TEXT)), tmp_path)
    assert optional.enforce(batch(id=[1])).accepted.to_pylist() == [{"id": 1, "note": None}]
    with pytest.raises(ContractError, match=r"f\.csv: required columns are missing: note"):
        enforcer(contract(column("id"), column("note", TEXT, required=True)), tmp_path).enforce(batch(id=[1]))


def test_unknown_columns_are_reported_once_or_stop_the_run(tmp_path: Path) -> None:
    lenient = enforcer(contract(column("id")), tmp_path)
    for _ in range(2):
        assert lenient.enforce(batch(id=[1], x=[1], y=[2])).accepted.schema.names == ["id"]
    assert lenient.finish([lenient.partial()], []).unknown_columns == ("x", "y")
    with pytest.raises(ContractError, match="the contract lacks: x, y"):
        enforcer(contract(column("id")), tmp_path, unknown_columns="error").enforce(batch(id=[1], x=[1], y=[2]))


def test_of_a_delete_only_the_key_counts(tmp_path: Path) -> None:
    schema = contract(column("id"), column("name", TEXT, required=True), primary_key=("id",))
    given = batch(op=[0, 1, 1, 0], id=["1", "1", None, "2"], name=["a", None, None, None])
    verdict = enforcer(schema, tmp_path, write_mode="merge").enforce(given)
    assert verdict.accepted.to_pylist() == [{"id": 1, "name": "a"}, {"id": 1, "name": None}]
    assert verdict.op is not None
    assert verdict.op.to_pylist() == [0, 1]
    assert [row["row"] for row in rejected(verdict)] == [4, 5]
    only_deletes = enforcer(schema, tmp_path, write_mode="merge").enforce(batch(op=[1], id=[7]))
    assert only_deletes.accepted.num_rows == 1


def test_deletes_are_not_counted_by_quality_rules(tmp_path: Path) -> None:
    rule = Rule("few nulls", "library", "nullValues", "name", comparison="must_be_less_than", threshold=(1,))
    judge = enforcer(contract(column("id"), column("name", TEXT), primary_key=("id",), rules=(rule,)), tmp_path)
    judge.enforce(batch(op=[0, 1], id=[1, 2], name=["a", None]))
    assert not judge.finish([judge.partial()], []).broken


@pytest.mark.parametrize(("mode", "numbers"), [("append", [3]), ("replace", [3]), ("merge", [])])
def test_a_primary_key_comes_once_but_in_merge(tmp_path: Path, mode: str, numbers: list[int]) -> None:
    verdict = enforcer(contract(column("id"), primary_key=("id",)), tmp_path, write_mode=mode).enforce(batch(id=[1, 1]))
    assert [row["row"] for row in rejected(verdict)] == numbers


def test_a_composite_key_is_unique_as_a_whole(tmp_path: Path) -> None:
    schema = contract(column("a"), column("b", TEXT), primary_key=("a", "b"))
    given = batch(a=[1, 1, 1, 2], b=["x", "y", "x", "x"])
    verdict = enforcer(schema, tmp_path).enforce(given)
    (row,) = rejected(verdict)
    assert row["reasons"][0]["column"] == "a, b"
    assert row["reasons"][0]["message"] == 'found {"a":1,"b":"x"}, expected a key that no earlier row has'


@pytest.mark.parametrize(
    "kind",
    [LONG, TEXT, *(PhysicalType(name) for name in ("int", "double", "date", "time", "timestamptz", "uuid", "binary"))],
    ids=str,
)
def test_keys_of_every_type_are_found_again_in_later_batches(tmp_path: Path, kind: PhysicalType) -> None:
    schema = contract(column("k", kind, unique=True))
    numbers = pa.array([3, 1, 2, 1, 9, 3])
    source = {"uuid": lambda: pa.array([bytes([n]) * 16 for n in numbers.to_pylist()], pa.binary(16))}
    wide = {"date": pa.int32(), "int": pa.int32(), "double": pa.float64(), "string": pa.string()}
    cells = source.get(kind.name, lambda: numbers.cast(wide.get(kind.name, pa.int64())))()
    if kind.name == "binary":
        cells = numbers.cast(pa.string()).cast(pa.binary())
    elif kind.name != "uuid":
        cells = cells.view(arrow_type(schema.properties[0])) if kind.name not in {"double", "string"} else cells
    judge = enforcer(schema, tmp_path, memory_bytes=0)
    found = [len(rejected(judge.enforce(batch(k=cells[at : at + 2])))) for at in range(0, 6, 2)]
    assert found == [0, 1, 1]


def test_equal_doubles_are_one_key_however_they_are_written(tmp_path: Path) -> None:
    schema = contract(column("k", PhysicalType("double"), unique=True))
    verdict = enforcer(schema, tmp_path).enforce(batch(k=[0.0, -0.0, float("nan"), float("nan"), None, None]))
    assert [row["row"] for row in rejected(verdict)] == [3, 5]


def test_classified_values_are_masked_in_messages_also_inside_objects(tmp_path: Path) -> None:
    inner = column("address", PhysicalType("struct"), classification="pii", properties=(column("zip"),))
    schema = contract(column("ssn", classification="pii", unique=True), inner)
    judge = enforcer(schema, tmp_path)
    rows = rejected(judge.enforce(batch(ssn=["12x", "77", "77"], address=[{"zip": "s3c"}, None, None])))
    told = [reason["message"] for row in rows for reason in row["reasons"]]
    assert told == [
        "found ***, expected long",
        "found ***, expected long",
        "found ***, expected a key that no earlier row has",
    ]
    description = describe(judge.finish([judge.partial()], []))
    assert not any(secret in description for secret in ("12x", "77", "s3c"))


def test_malformed_records_are_counted_and_kept_raw(tmp_path: Path) -> None:
    judge = enforcer(contract(column("id")), tmp_path)
    bad = Malformed("f.csv", 7, 6, "a,b,c", "3 fields, expected 1")
    given = Batch("orders", pa.record_batch({"id": [1]}), Position("f.csv"), malformed=(bad,))
    (row,) = rejected(judge.enforce(given))
    assert (row["row"], row["line"], row["record"]) == (6, 7, "a,b,c")
    assert row["reasons"] == [{"column": None, "rule": "malformed", "message": "3 fields, expected 1"}]
    report = judge.finish([judge.partial()], [])
    assert "malformed: 1 row " in describe(report)
    assert "f.csv, line 7: 3 fields" in describe(report)


def test_the_description_names_counts_rules_and_first_examples(tmp_path: Path) -> None:
    judge = enforcer(contract(column("qty", limits=Limits(maximum=3))), tmp_path)
    judge.enforce(batch(qty=["9", "1", "8", "x", "7", "6"]))
    assert describe(judge.finish([judge.partial()], [])) == (
        "5 of 6 rows rejected\n"
        "  column 'qty', maximum: 4 rows are not at most 3; f.csv, row 2: found '9', expected at most 3; "
        "f.csv, row 4: found '8', expected at most 3; f.csv, row 6: found '7', expected at most 3\n"
        "  column 'qty', type: 1 row is not long; f.csv, row 5: found 'x', expected long"
    )


def test_every_rule_is_in_the_report_broken_or_not(tmp_path: Path) -> None:
    schema = contract(column("id", required=True, limits=Limits(minimum=1)), primary_key=("id",))
    judge = enforcer(schema, tmp_path)
    judge.enforce(batch(id=[1]))
    report = judge.finish([judge.partial()], [])
    assert [rule.rule for rule in report.rules] == ["type", "required", "minimum", "primaryKey"]
    assert not report.broken


def test_partials_are_picklable_and_merge(tmp_path: Path) -> None:
    judges = [enforcer(contract(column("id")), tmp_path) for _ in range(2)]
    for judge in judges:
        judge.enforce(batch(id=["1", "x"]))
    partials = [pickle.loads(pickle.dumps(judge.partial())) for judge in judges]
    report = judges[0].finish(partials, [])
    assert (report.read, report.accepted, report.rejected) == (4, 2, 2)
    assert report.broken[0].measured == 2
    assert len(report.broken[0].examples) == 2


def test_an_empty_batch_and_a_batch_of_nulls_pass(tmp_path: Path) -> None:
    schema = contract(
        column("id", limits=Limits(minimum=1)), column("t", TEXT, unique=True, limits=Limits(pattern="a"))
    )
    judge = enforcer(schema, tmp_path)
    assert judge.enforce(batch(id=pa.array([], pa.string()), t=pa.array([], pa.string()))).accepted.num_rows == 0
    assert judge.enforce(batch(id=[None, None], t=[None, None])).accepted.num_rows == 2


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (contract(column("a", TEXT, limits=Limits(pattern="(?=x)"))), "column 'a': pattern"),
        (contract(column("a", limits=Limits(minimum="soon"))), "the bound 'soon'"),
        (contract(column("a", valid_values=("x",))), "'x' is no value of its type"),
        (contract(column("a", PhysicalType("date"), limits=Limits(format="MMM d"))), "has 'MMM'"),
        (contract(column("a"), primary_key=("b",)), "names column 'b'"),
        (contract(column("a", PhysicalType("struct"), unique=True)), "can't be a key"),
        (contract(column("a", PhysicalType("struct"), properties=(column("b", unique=True),))), "can't be unique"),
        (contract(column("a"), rules=(Rule("r", "library", "invalidValues", "a"),)), "needs `validValues`"),
        (contract(column("a"), rules=(Rule("r", "library", "nullValues", "z"),)), "names column 'z'"),
    ],
)
def test_a_contract_that_cannot_be_enforced_says_so_before_any_row(
    tmp_path: Path, schema: SchemaObject, message: str
) -> None:
    with pytest.raises(FatalError, match=message):
        enforcer(schema, tmp_path)


def test_rows_with_none_of_the_contracts_columns_are_other_data_and_end_the_run(tmp_path: Path) -> None:
    schema = contract(column("id"), column("name", TEXT))
    with pytest.raises(ContractError, match="no column of the contract is there; found 'id;name', expected"):
        enforcer(schema, tmp_path, unknown_columns="ignore").enforce(
            Batch("orders", pa.record_batch({"id;name": ["1;a"]}), Position("f.csv"))
        )


def test_a_missing_column_is_named_with_the_one_that_it_may_be_in_the_source(tmp_path: Path) -> None:
    schema = contract(column("id", required=True), column("name", TEXT))
    with pytest.raises(ContractError, match=r"required columns are missing: id \(did you mean 'ID'\?\)"):
        enforcer(schema, tmp_path).enforce(batch(ID=["1"], name=["a"]))


def test_a_record_without_a_line_is_named_by_its_row(tmp_path: Path) -> None:
    schema = contract(column("id"))
    malformed = Malformed("f.csv", 0, 7, "\\xe9", "bytes that are not utf-8")
    checked = enforcer(schema, tmp_path)
    checked.enforce(replace(batch(id=[1]), malformed=(malformed,)))
    assert "f.csv, row 7: bytes that are not utf-8" in describe(checked.finish([checked.partial()], []))


def test_json_text_that_is_nested_too_deep_is_a_bad_cell(tmp_path: Path) -> None:
    schema = contract(column("o", PhysicalType("struct"), properties=(column("a"),)))
    deep = f'{{"a": 1, "more": {"[" * 100_000}{"]" * 100_000}}}'
    verdict = enforcer(schema, tmp_path).enforce(batch(o=['{"a": 1}', deep]))
    assert verdict.accepted.to_pylist() == [{"o": {"a": 1}}]
    assert verdict.rejected_rows == 1
