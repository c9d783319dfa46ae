"""Rejected rows read back, and run through a mended contract into the table."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from commit_support import ORDERS, Events, Run, cursor_of, load, make_job, schema_object, stored_rows
from dativo_config.models.contract import PhysicalType, Property
from dativo_config.models.resolved import ResolvedJob
from dativo_engine.commits.quarantine import quarantines
from dativo_engine.commits.replay import open_replay


def rejected_run(job: ResolvedJob, run_id: str, number: int, records: list[str]) -> None:
    run = Run(job, run_id)
    run.stage([(number, "ok")])
    run.reject(records)
    run.publish(at=number)


def test_rejected_rows_come_back_as_text_columns_and_malformed_ones_as_they_were(job: ResolvedJob):
    rows = [{"id": 7, "name": "x", "nested": {"a": 1}}, {"id": None, "name": True, "nested": None}]
    rejected_run(job, "r1", 1, [*(json.dumps(row) for row in rows), "1;2;3"])
    replay = open_replay(job)
    plan = replay.plan({"orders": None})
    (batch,) = [batch for split in plan.splits for batch in replay.read(split)]
    assert batch.records.to_pydict() == {
        "id": ["7", None],
        "name": ["x", "true"],
        "nested": [{"a": 1}, None],
    }
    assert [record.raw for record in batch.malformed] == ["1;2;3"]
    assert batch.records.schema.field("id").type == pa.string()


@pytest.mark.parametrize("loaded_since", [False, True])
def test_a_column_that_was_renamed_since_is_replayed_under_its_new_name(tmp_path: Path, loaded_since: bool):
    number = Property("id", "id", "integer", PhysicalType("long"), required=True)
    name = Property("name", "name", "string", PhysicalType("string"), id="n-1")
    rejected_run(
        make_job(tmp_path, schema=schema_object(properties=(number, name))), "r1", 1, ['{"id": 7, "name": "x"}']
    )
    titled = replace(name, name="Title", column="title")
    job = make_job(tmp_path, schema=schema_object(properties=(number, titled)))
    if loaded_since:
        load(job, "r2", [], at=2)

    found = [batch for split in open_replay(job).plan({}).splits for batch in open_replay(job).read(split)]

    assert [batch.records.to_pylist() for batch in found] == [[{"Title": "x", "id": "7"}]]


def test_only_the_named_runs_are_replayed(job: ResolvedJob):
    rejected_run(job, "r1", 1, ['{"id": 1}'])
    rejected_run(job, "r2", 2, ['{"id": 2}'])
    replay = open_replay(job, ["r2/1"])
    found = [batch for split in replay.plan({}).splits for batch in replay.read(split)]
    assert [batch.records["id"].to_pylist() for batch in found] == [["2"]]


def test_a_replay_that_is_killed_after_its_commit_and_run_again_adds_nothing_twice(job: ResolvedJob):
    rejected_run(job, "r1", 1, ['{"id": 5, "name": "mended"}'])
    for run_id in ("p1", "p2"):
        replay = open_replay(job)
        rows = [
            (int(row["id"]), str(row["name"]))
            for split in replay.plan({}).splits
            for batch in replay.read(split)
            for row in batch.records.to_pylist()
        ]
        run = Run(job, run_id, replays=replay.runs)
        run.committer.last()
        if rows:
            run.stage(rows)
        run.publish(at=1)
    assert stored_rows(job) == [(1, "ok"), (5, "mended")]
    assert cursor_of(job) == 1
    for place in quarantines(job):
        place.sweep(Events(), runs=["r1/1"])
        assert place.runs() == []


def test_there_is_nothing_to_replay_in_a_table_without_rejected_rows(job: ResolvedJob):
    load(job, "r1", [(1, "a")], at=1)
    assert list(open_replay(job).plan({"orders": None}).splits) == []
    assert quarantines(job)[0].table == ORDERS
