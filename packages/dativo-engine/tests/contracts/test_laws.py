"""Laws of enforcement, for any data: nothing is lost, chunking does not matter, a per-row reference agrees."""

import json
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pytest
from dativo_config.models.contract import Limits, PhysicalType, Property, SchemaObject
from dativo_engine.contracts import keys as keys_module
from dativo_engine.contracts.enforce import compile_enforcer
from dativo_engine.interfaces import Batch, Malformed, Position, Report
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.laws import law

Row: TypeAlias = dict[str, str | None]
Verdict: TypeAlias = dict[int, set[tuple[str, str]]]

CONTRACT = SchemaObject(
    "orders",
    "orders",
    (
        Property("id", "id", "integer", PhysicalType("long")),
        Property("code", "code", "string", PhysicalType("string"), unique=True),
        Property("qty", "qty", "integer", PhysicalType("int"), required=True, limits=Limits(minimum=1, maximum=9)),
        Property("name", "name", "string", PhysicalType("string"), limits=Limits(max_length=2, pattern="^a")),
    ),
    primary_key=("id",),
)

rows_strategy = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.sampled_from([None, "x", *map(str, range(12))]),
            "code": st.sampled_from([None, "", "a", "b", "c", "d", "e"]),
            "qty": st.sampled_from([None, "0", "1", "5", " 9", "10", "1.5", "99999999999"]),
            "name": st.sampled_from([None, "a", "ab", "abc", "b", "bbb", "äa"]),
        }
    ),
    max_size=40,
)
cuts_strategy = st.lists(st.integers(0, 40), max_size=5)
# A folder to spill to may serve several examples.
one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
nothing_is_lost = law("accepted + rejected = read", short=150, base=one_folder)


def chunks(rows: Sequence[Row], cuts: Sequence[int]) -> list[tuple[int, Sequence[Row]]]:
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    return [(start, rows[start:end]) for start, end in pairwise(edges)]


def run(
    rows: Sequence[Row], cuts: Sequence[int], folder: Path, memory: int = 1 << 20
) -> tuple[list[int], Verdict, Report]:
    """The accepted rows, the reasons for the others, and the report."""
    enforcer = compile_enforcer(CONTRACT, mode="warn", write_mode="append", memory_bytes=memory, spill_folder=folder)
    names = [column.name for column in CONTRACT.properties]
    accepted: list[int] = []
    verdict: Verdict = {}
    for start, part in chunks(rows, cuts):
        columns = {name: pa.array([row[name] for row in part], pa.string()) for name in names}
        position = Position("f", 1, pa.array(range(start, start + len(part)), pa.int64()))
        judged = enforcer.enforce(Batch("orders", pa.record_batch(columns), position))
        assert judged.accepted.num_rows + judged.rejected_rows == len(part)
        bad = judged.rejected.to_pylist() if judged.rejected is not None else []
        for row in bad:
            verdict[row["row"]] = {(reason["column"], reason["rule"]) for reason in row["reasons"]}
            assert json.loads(row["record"]) == kept(rows[row["row"]])
        accepted += [number for number in range(start, start + len(part)) if number not in verdict]
    return accepted, verdict, enforcer.finish([enforcer.partial()], [])


def kept(row: Row) -> dict[str, str | int | None]:
    """What the quarantine keeps of a row: cells in the contract's type, and as they came where they have another."""
    bad = {column for column, rule in _cell_reasons(row) if rule == "type"}
    return {
        name: int(cell) if name in ("id", "qty") and name not in bad and cell is not None else cell
        for name, cell in row.items()
    }


def reference(rows: Sequence[Row]) -> Verdict:
    """The same rules, row by row."""
    verdict: Verdict = {}
    ids, codes = set[int](), set[str]()
    for number, row in enumerate(rows):
        reasons = set(_cell_reasons(row))
        if not reasons:
            if row["id"] is not None and int(row["id"]) in ids:
                reasons.add(("id", "primaryKey"))
            if row["code"] is not None and row["code"] in codes:
                reasons.add(("code", "unique"))
            if not reasons:
                ids.add(int(row["id"] or 0))
                codes |= {row["code"]} if row["code"] is not None else set()
        if reasons:
            verdict[number] = reasons
    return verdict


def _cell_reasons(row: Row) -> list[tuple[str, str]]:
    reasons: list[tuple[str, str]] = []
    for name in ("id", "qty"):
        if row[name] is None:
            reasons.append((name, "required"))
        elif not re.fullmatch(r"\s*-?\d+\s*", row[name] or "") or abs(int(row[name] or 0)) > 2**31:
            reasons.append((name, "type"))
        elif name == "qty" and int(row[name] or 0) < 1:
            reasons.append((name, "minimum"))
        elif name == "qty" and int(row[name] or 0) > 9:
            reasons.append((name, "maximum"))
    if row["name"] is not None:
        reasons += [("name", "maxLength")] if len(row["name"]) > 2 else []
        reasons += [("name", "pattern")] if not row["name"].startswith("a") else []
    return reasons


@nothing_is_lost
@given(rows_strategy, cuts_strategy)
def test_accepted_and_rejected_are_what_was_read_and_agree_with_a_row_by_row_reference(
    tmp_path: Path, rows: list[Row], cuts: list[int]
) -> None:
    accepted, verdict, report = run(rows, cuts, tmp_path)
    assert verdict == reference(rows)
    assert (report.read, report.accepted, report.rejected) == (len(rows), len(accepted), len(verdict))


@law("any cut into batches gives the same table", short=150, base=one_folder)
@given(rows_strategy, cuts_strategy)
def test_any_chunking_gives_the_same_verdict_and_report(tmp_path: Path, rows: list[Row], cuts: list[int]) -> None:
    whole, chunked = run(rows, [], tmp_path), run(rows, cuts, tmp_path)
    assert whole[:2] == chunked[:2]
    assert whole[2].rules == chunked[2].rules


@nothing_is_lost
@given(rows_strategy, cuts_strategy)
def test_keys_beyond_the_memory_give_the_same_verdict(tmp_path: Path, rows: list[Row], cuts: list[int]) -> None:
    assert run(rows, cuts, tmp_path, memory=0)[1] == reference(rows)


def test_keys_that_share_a_hash_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    monkeypatch.setattr(keys_module.KeyIndex, "_hash", lambda self, columns: np.zeros(len(columns[0]), np.int64))
    codes = ["a", "b", "a", None, "c", "b", "c", "d"]
    rows: list[Row] = [{"id": str(at), "code": code, "qty": "1", "name": None} for at, code in enumerate(codes)]
    for cuts in ([], [1, 2, 3, 4, 5, 6, 7], [4]):
        for memory in (0, 1 << 20):
            assert set(run(rows, cuts, tmp_path, memory)[1]) == {2, 5, 6}


@nothing_is_lost
@given(
    st.lists(st.builds(Malformed, st.just("f"), st.integers(0, 9), st.integers(0, 9), st.text(), st.text()), max_size=4)
)
def test_a_malformed_record_is_read_and_rejected(tmp_path: Path, malformed: list[Malformed]) -> None:
    enforcer = compile_enforcer(CONTRACT, mode="warn", spill_folder=tmp_path)
    records = pa.record_batch({"id": ["1"], "code": ["a"], "qty": ["1"], "name": ["a"]})
    verdict = enforcer.enforce(Batch("orders", records, Position("f"), malformed=tuple(malformed)))
    assert verdict.accepted.num_rows == 1
    assert verdict.rejected_rows == len(malformed)
    report = enforcer.finish([enforcer.partial()], [])
    assert (report.read, report.accepted, report.rejected) == (1 + len(malformed), 1, len(malformed))
    if verdict.rejected is not None:
        rows = verdict.rejected.to_pylist()
        assert [row["record"] for row in rows] == [record.raw for record in malformed]
        assert [row["line"] for row in rows] == [record.line or None for record in malformed]
