"""In append, no row lands whose key the table holds: the stored row stays."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from commit_support import (
    ORDERS,
    PROPERTIES,
    Run,
    load,
    make_job,
    people,
    schema_object,
    stored,
    stored_rows,
    write_file,
)
from dativo_config.models.contract import PhysicalType, Property
from dativo_config.models.resolved import ResolvedJob
from dativo_engine.commits.data_files import to_data_file
from dativo_engine.commits.keys import KeySearch
from dativo_engine.commits.rows import reader_of
from dativo_engine.contracts.staged import rejected_rows
from dativo_engine.interfaces import LateRows, StagedFile
from hypothesis import given, settings
from hypothesis import strategies as st


def test_rows_whose_key_is_stored_are_named_with_their_rows(keyed_job: ResolvedJob):
    load(keyed_job, "r1", [(1, "a"), (2, "b")], at=1)
    run = Run(keyed_job, "r2")
    (late,) = run.stage([(3, "c"), (2, "again"), (4, "d")])
    assert late.positions.to_pylist() == [1]
    (row,) = pa.Table.from_batches(rejected_rows(late, stream="orders")).to_pylist()
    assert json.loads(row["record"]) == {"id": 2, "name": "again"}
    assert row["stream"] == "orders"
    assert [(reason["rule"], reason["message"]) for reason in row["reasons"]] == [
        ("primaryKey", 'the table already holds a row with the key {"id":2}')
    ]
    (masked,) = pa.Table.from_batches(rejected_rows(late, stream="orders", classified={"id"})).to_pylist()
    assert masked["reasons"][0]["message"] == 'the table already holds a row with the key {"id":"***"}'
    run.committer.abandon()


def test_a_table_without_a_primary_key_takes_equal_rows(job: ResolvedJob):
    load(job, "r1", [(1, "a")], at=1)
    load(job, "r2", [(1, "a")], at=2)
    assert stored_rows(job) == [(1, "a"), (1, "a")]


def test_late_rows_are_taken_out_of_their_files_before_the_commit(keyed_job: ResolvedJob):
    load(keyed_job, "r1", [(1, "a"), (2, "b")], at=1)
    run = Run(keyed_job, "r2")
    run.stage([(3, "c"), (2, "again")], number=0)
    run.stage([(1, "again")], number=1)
    result = run.publish(at=2)[ORDERS]
    assert (result.rows, result.files) == (1, 1)
    assert stored_rows(keyed_job) == [(1, "a"), (2, "b"), (3, "c")]
    assert len(list(keyed_job.tenant.warehouse_folder.rglob("*.parquet"))) == 2


def test_bounds_keep_files_from_being_read(keyed_job: ResolvedJob):
    for number in range(4):
        load(keyed_job, f"r{number}", [(number * 10, "x"), (number * 10 + 5, "x")], at=number)
    run = Run(keyed_job, "r9")
    file = write_file(run.committer.layout(ORDERS), "r9", people([(23, "y")]))
    table = stored(keyed_job)
    search = KeySearch(reader_of(table.metadata, table.io), ("id",), keyed_job.tenant.state_folder, 1 << 26)
    found = search.overlapping([file], list(table.scan().plan_files()))
    assert [Path(task.file.file_path).name.partition("-")[0] for task in found] == ["r2"]
    run.committer.abandon()


@settings(max_examples=20, deadline=None)
@given(old=st.sets(st.integers(0, 40)), new=st.lists(st.integers(0, 40), min_size=1))
def test_found_are_exactly_the_rows_whose_key_is_stored(
    tmp_path_factory: pytest.TempPathFactory, old: set[int], new: list[int]
):
    job = make_job(tmp_path_factory.mktemp("keys"), keyed=True)
    load(job, "r1", [(number, "x") for number in sorted(old)], at=1)
    run = Run(job, "r2")
    late = run.stage([(number, "y") for number in new])
    found = [position for rows in late for position in rows.positions.to_pylist()]
    assert found == [position for position, number in enumerate(new) if number in old]
    run.committer.abandon()


def test_rows_that_another_engine_deleted_do_not_count(tmp_path: Path):
    job = make_job(tmp_path, keyed=True)
    load(job, "r1", [(1, "a"), (2, "b")], at=1)
    stored(job).delete("id = 1")
    run = Run(job, "r2")
    assert run.stage([(1, "new")]) == []
    run.committer.abandon()


def test_a_data_file_written_for_another_partitioning_is_refused(job: ResolvedJob):
    load(job, "r1", [(1, "a")], at=1)
    file = StagedFile(ORDERS, "file:///x.parquet", 1, 1, spec_id=7)
    with pytest.raises(ValueError, match="partition spec 7"):
        to_data_file(file, stored(job).spec())


def test_composite_keys_match_as_a_whole(tmp_path: Path):
    job = make_job(tmp_path, schema=replace(schema_object(), primary_key=("id", "name")))
    load(job, "r1", [(1, "a"), (2, "b")], at=1)
    run = Run(job, "r2")
    (late,) = run.stage([(1, "b"), (2, "b"), (2, "a")])
    assert late.positions.equals(pa.array([1], pa.int64()))
    run.committer.abandon()


def test_nan_is_a_key_that_bounds_do_not_tell_of(tmp_path: Path):
    properties = (Property("id", "id", "number", PhysicalType("double")), PROPERTIES[1])
    job = make_job(tmp_path, schema=replace(schema_object(properties=properties), primary_key=("id",)))

    def stage(run: Run, ids: list[float]) -> list[LateRows]:
        rows = pa.table({"id": pa.array(ids, pa.float64()), "name": ["x"] * len(ids)})
        file = write_file(run.committer.layout(ORDERS), run.run_id, rows)
        run.committer.stage([file])
        return list(run.committer.find_stored([file]))

    first = Run(job, "r1")
    first.committer.last()
    stage(first, [1.0, math.nan])
    first.publish(at=1)
    again = Run(job, "r2")
    (late,) = stage(again, [7.0, math.nan, 8.0])
    assert late.positions.to_pylist() == [1]
    again.committer.abandon()


def test_a_search_that_needs_no_more_stops(tmp_path: Path):
    job = make_job(tmp_path, keyed=True)
    load(job, "r1", [(number, "x") for number in range(300_000)], at=1)
    run = Run(job, "r2")
    file = write_file(run.committer.layout(ORDERS), "r2", people([(number, "y") for number in range(300_000)]))
    run.committer.stage([file])
    (some,), (every,) = run.committer.find_stored([file], enough=1000), run.committer.find_stored([file])
    assert 1000 <= some.count < every.count == 300_000
    run.committer.abandon()
