"""Quality rules over a whole run: library metrics, SQL, and keys that came in two workers' parts."""

import pickle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dativo_config.models.contract import JsonValue, PhysicalType, Property, Rule, SchemaObject
from dativo_config.models.resolved import TableName
from dativo_engine.contracts.arrow import arrow_schema
from dativo_engine.contracts.enforce import compile_enforcer, describe
from dativo_engine.contracts.sqlrules import RuleQueryError, measure_sql
from dativo_engine.contracts.staged import StagedRows, rejected_rows
from dativo_engine.interfaces import Batch, Position, Report, RuleResult, StagedFile

PROPERTIES = (
    Property("Id", "id", "integer", PhysicalType("long")),
    Property("name", "name", "string", PhysicalType("string")),
    Property("tags", "tags", "array", PhysicalType("list"), items=Property("t", "t", "string", PhysicalType("string"))),
)


def contract(*rules: Rule, **more: Any) -> SchemaObject:
    return SchemaObject("orders", "orders_v1", more.pop("properties", PROPERTIES), rules=rules, **more)


def staged(folder: Path, schema: SchemaObject, *files: list[dict[str, Any]]) -> list[StagedFile]:
    found: list[StagedFile] = []
    for number, rows in enumerate(files):
        path = folder / f"part {number}.parquet"
        pq.write_table(pa.Table.from_pylist(rows, schema=arrow_schema(schema)), path, row_group_size=2)
        found.append(StagedFile(TableName(("t",), "x"), f"file://{path}", len(rows), path.stat().st_size, 0))
    return found


def judged(folder: Path, schema: SchemaObject, rows: list[dict[str, Any]], mode: Any = "warn") -> Report:
    enforcer = compile_enforcer(schema, mode=mode, spill_folder=folder)
    given = pa.RecordBatch.from_pylist(rows, schema=pa.schema([("Id", pa.int64()), ("name", pa.string())]))
    accepted = enforcer.enforce(Batch("orders", given, Position("f"))).accepted
    return enforcer.finish([enforcer.partial()], staged(folder, schema, accepted.to_pylist()))


def result(report: Report, rule: str) -> RuleResult:
    return next(found for found in report.rules if found.rule == rule)


ROWS = [{"Id": 1, "name": "a"}, {"Id": 2, "name": ""}, {"Id": 2, "name": None}, {"Id": 3, "name": "N/A"}]
MISSING: dict[str, JsonValue] = {"missingValues": [None, "", "N/A"]}


@pytest.mark.parametrize(
    ("rule", "measured", "passed"),
    [
        (Rule("r", "library", "nullValues", "name", comparison="must_be_less_than", threshold=(2,)), 1, True),
        (
            Rule("r", "library", "nullValues", "name", comparison="must_be_less_than", threshold=(25,), unit="percent"),
            25,
            False,
        ),
        (
            Rule("r", "library", "missingValues", "name", comparison="must_not_be", threshold=(3,), arguments=MISSING),
            3,
            False,
        ),
        (
            Rule("r", "library", "invalidValues", "name", severity="warning", arguments={"validValues": ["a", "N/A"]}),
            1,
            False,
        ),
        (Rule("r", "library", "invalidValues", "name", severity="info", arguments={"pattern": "^.*$"}), 0, True),
        (Rule("r", "library", "duplicateValues", "Id", comparison="must_be_between", threshold=(0, 1)), 1, True),
        (
            Rule(
                "r",
                "library",
                "duplicateValues",
                columns=("Id", "name"),
                comparison="must_be_greater_than",
                threshold=(0,),
            ),
            0,
            False,
        ),
        (Rule("r", "library", "rowCount", comparison="must_be_greater_or_equal_to", threshold=(4,)), 4, True),
        (Rule("r", "library", "rowCount", comparison="must_not_be_between", threshold=(4, 9)), 4, False),
        (Rule("r", "library", "rowCount", comparison="must_be_greater_than", threshold=(4,)), 4, False),
        (Rule("r", "library", "rowCount", comparison="must_be_less_or_equal_to", threshold=(3,)), 4, False),
    ],
)
def test_a_library_rule_with_a_threshold_is_judged_at_the_end_and_rejects_no_row(
    tmp_path: Path, rule: Rule, measured: float, passed: bool
) -> None:
    report = judged(tmp_path, contract(rule), ROWS)
    found = result(report, "r")
    assert (found.measured, found.passed, found.severity) == (measured, passed, rule.severity)
    assert report.rejected == 0
    assert (found in report.broken) == (not passed and rule.severity == "error")


@pytest.mark.parametrize(
    ("rule", "bad"),
    [
        (Rule("r", "library", "nullValues", "name"), 1),
        (Rule("r", "library", "missingValues", "name", arguments=MISSING), 3),
        (Rule("r", "library", "invalidValues", "name", arguments={"validValues": ["a"]}), 2),
        (Rule("r", "library", "invalidValues", "name", arguments={"pattern": "^[a-z]*$"}), 1),
        (Rule("r", "library", "duplicateValues", "Id"), 1),
        (Rule("r", "library", "duplicateValues", columns=("Id",)), 1),
    ],
)
def test_a_library_rule_that_allows_nothing_rejects_the_rows(tmp_path: Path, rule: Rule, bad: int) -> None:
    report = judged(tmp_path, contract(rule), ROWS)
    assert (report.rejected, result(report, "r").measured) == (bad, bad)
    assert not result(report, "r").passed


@pytest.mark.parametrize(
    ("query", "column", "measured"),
    [
        ("SELECT count(*) FROM ${object} WHERE ${column} IS NULL", "name", 1),
        ("SELECT count(DISTINCT {column}) FROM {object}", "id", 3),
        ("SELECT sum(id) FROM orders", "", 8),
        ("SELECT (SELECT count(*) FROM orders_v1) - (SELECT count(*) FROM orders)", "", 0),
        ("SELECT max(id) = 3 FROM ${table}", "", 1),
        ("SELECT avg(id)::DECIMAL(10, 2) FROM ${table}", "", 2),
    ],
)
def test_a_query_sees_the_accepted_rows_as_often_as_it_wants(
    tmp_path: Path, query: str, column: str, measured: float
) -> None:
    rule = Rule("r", "sql", column=column, query=query, comparison="must_be", threshold=(measured,))
    found = result(judged(tmp_path, contract(rule), ROWS), "r")
    assert found.examples == ()
    assert (found.measured, found.passed) == (measured, True)


HOSTILE = [
    "SELECT length(repeat('x', 4000000000))",
    "SELECT count(*) FROM (SELECT unnest(range(1000000000)))",
    "SELECT count(*) FROM read_csv('/etc/passwd')",
    "SELECT count(*) FROM '/etc/passwd'",
    "SELECT count(*) FROM glob('/*')",
    "SELECT count(*) FROM read_text('/proc/self/environ')",
    "ATTACH '/tmp/x.db'",
    "INSTALL httpfs",
    "LOAD json",
    "SET memory_limit = '10GB'",
    "COPY orders TO '/tmp/x.csv'",
    "SELECT 1; SELECT 2",
    "CREATE TABLE x AS SELECT 1",
    "SELECT getenv('HOME')",
    "SELECT current_setting('temp_directory')",
    "SELECT NULL",
    "SELECT id FROM orders",
    "SELECT 1, 2",
    "SELECT nonsense",
    "not SQL at all",
    "",
    "SELECT count(*) FROM schema",
    "SELECT count(DISTINCT a.range || b.range) FROM range(100000000) a, range(100000000) b",
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n FROM t) SELECT count(*) FROM t",
]


@pytest.mark.parametrize("query", HOSTILE)
def test_a_hostile_query_fails_cleanly(tmp_path: Path, query: str) -> None:
    schema = contract()
    rows = StagedRows(staged(tmp_path, schema, [{"id": 1}, {"id": 2}]), arrow_schema(schema))
    with pytest.raises(RuleQueryError):
        measure_sql(
            Rule("r", "sql", query=query), rows, schema, memory_bytes=0, spill_folder=tmp_path / "spill", seconds=0.5
        )


def test_a_query_that_fails_is_a_broken_rule_that_says_why(tmp_path: Path) -> None:
    rule = Rule("no files", "sql", query="SELECT count(*) FROM read_csv('/etc/passwd')")
    report = judged(tmp_path, contract(rule), ROWS)
    assert report.broken[0].rule == "no files"
    assert "rule 'no files'" in describe(report)
    assert "the query failed" in describe(report)


def test_in_strict_mode_a_rejected_row_makes_queries_pointless(tmp_path: Path) -> None:
    rules = (Rule("nulls", "library", "nullValues", "name"), Rule("q", "sql", query="SELECT 1"))
    report = judged(tmp_path, contract(*rules), ROWS, mode="strict")
    assert [rule.rule for rule in report.broken] == ["nulls"]


def test_a_query_over_no_rows_at_all_has_the_columns(tmp_path: Path) -> None:
    report = judged(tmp_path, contract(Rule("q", "sql", query="SELECT count(id) + count(tags) FROM orders")), [])
    assert result(report, "q").passed


def test_keys_repeated_across_workers_are_found_at_the_end(tmp_path: Path) -> None:
    names = (PROPERTIES[0], Property("name", "name", "string", PhysicalType("string"), unique=True), PROPERTIES[2])
    query = Rule("q", "sql", query="SELECT count(*) FROM orders", threshold=(4,))
    schema = contract(query, properties=names, primary_key=("id",))
    workers = [compile_enforcer(schema, mode="warn", spill_folder=tmp_path) for _ in range(2)]
    parts = [
        [{"id": 1, "name": "a"}, {"id": 2, "name": None}, {"id": 3, "name": "c"}],
        [{"id": 4, "name": None}, {"id": 1, "name": "z"}, {"id": 5, "name": "c"}],
    ]
    for worker, rows in zip(workers, parts, strict=True):
        records = pa.RecordBatch.from_pylist(rows)
        assert worker.enforce(Batch("orders", records, Position("f"))).accepted.num_rows == 3
    files = staged(tmp_path, schema, *parts)
    report = workers[0].finish([worker.partial() for worker in workers], files)
    assert (report.read, report.accepted, report.rejected) == (6, 4, 2)
    assert [(late.path, late.positions.to_pylist()) for late in report.late] == [
        (files[1].path, [1]),
        (files[1].path, [2]),
    ]
    rows = [row for late in report.late for batch in rejected_rows(late, stream="orders") for row in batch.to_pylist()]
    assert [row["reasons"][0]["rule"] for row in rows] == ["primaryKey", "unique"]
    assert rows[0]["record"] == '{"id":1,"name":"z","tags":null}'
    assert {rule.rule for rule in report.broken} == {"primaryKey", "unique"}


def test_a_key_of_an_interrupted_run_is_known_to_the_one_that_goes_on_from_it(tmp_path: Path) -> None:
    names = (PROPERTIES[0], Property("name", "name", "string", PhysicalType("string"), unique=True), PROPERTIES[2])
    schema = contract(properties=names, primary_key=("id",))
    first, second = (compile_enforcer(schema, mode="warn", spill_folder=tmp_path) for _ in range(2))
    before = [{"id": 1, "name": "a"}, {"id": 2, "name": None}, {"id": 3, "name": "c"}]
    first.enforce(Batch("orders", pa.RecordBatch.from_pylist(before), Position("f")))
    files = staged(tmp_path, schema, before)

    second.go_on(pickle.loads(pickle.dumps(first.partial())), files)
    later = [{"id": 4, "name": None}, {"id": 1, "name": "z"}, {"id": 5, "name": "c"}]
    verdict = second.enforce(Batch("orders", pa.RecordBatch.from_pylist(later), Position("g")))

    assert verdict.rejected is not None
    rejected = verdict.rejected.to_pylist()
    assert [(row["source"], row["row"], row["reasons"][0]["rule"]) for row in rejected] == [
        ("g", 2, "primaryKey"),
        ("g", 3, "unique"),
    ]
    report = second.finish([second.partial()], files)
    assert (report.read, report.accepted, report.rejected, report.late) == (6, 4, 2, ())
