"""What `dativo table show` tells, and that other readers see the same rows."""

from __future__ import annotations

import json
from pathlib import Path

from commit_support import ORDERS, load, make_job, stored_rows
from dativo_config.models.resolved import ResolvedJob
from dativo_engine.commits.tables import show

from tests.readers.view import Reader


def test_a_table_tells_all_of_itself(tmp_path: Path):
    job = make_job(tmp_path, keyed=True, partitioning=("bucket(4, id)",), sort_order=("name desc",))
    load(job, "r1", [], at=1)
    view = show(job, ORDERS)
    assert view is not None
    assert (view.partition_spec, view.sort_order) == (("bucket(4, id)",), ("name desc nulls last",))
    assert [(column.name, column.type, column.required) for column in view.columns] == [
        ("id", "long", True),
        ("name", "string", False),
    ]
    assert view.primary_key == ("id",)
    told = json.loads(json.dumps(view.to_json()))
    assert told["stamp"]["run_id"] == "r1"
    assert told["location"].startswith("file:///")
    assert told["metadata_location"].startswith(told["location"])
    assert not any(key.startswith("dativo.stamp") for key in told["properties"])


def test_snapshots_are_told_newest_first_with_their_stamps(job: ResolvedJob):
    load(job, "r1", [(1, "a"), (2, "b")], at=1)
    load(job, "r2", [(3, "c")], at=2)
    view = show(job, ORDERS)
    assert view is not None
    assert [(item.operation, item.added_rows, item.rows, item.current) for item in view.snapshots] == [
        ("append", 1, 3, True),
        ("append", 2, 2, True),
    ]
    stamps = [json.loads(json.dumps(item.stamps))[job.name]["run_id"] for item in view.snapshots]
    assert stamps == ["r2", "r1"]
    assert (view.rows, view.files, view.snapshot_id) == (3, 2, view.snapshots[0].snapshot_id)


def test_there_is_nothing_to_tell_of_a_table_that_does_not_exist(job: ResolvedJob):
    assert show(job, ORDERS) is None


def test_duckdb_and_pyiceberg_read_the_same_rows(job: ResolvedJob, duckdb_reader: Reader, pyiceberg_reader: Reader):
    load(job, "r1", [(1, "a"), (2, "b")], at=1)
    location = load(job, "r2", [(3, "c")], at=2).metadata_location
    found = duckdb_reader.read(location)
    assert found == pyiceberg_reader.read(location)
    assert len(stored_rows(job)) == 3
