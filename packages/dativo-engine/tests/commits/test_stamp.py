"""Where a job stands, whatever happened to its table: rolled back, expired, written by others, or its mirror lost."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest
from commit_support import ORDERS, Events, Run, cursor_of, load, make_job, stored, stored_rows
from dativo_config.models.resolved import ResolvedJob
from dativo_engine.commits.stamp import MAX_BYTES, standing
from dativo_engine.errors import FatalError
from dativo_engine.state.stamps import reset, show
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField, StringType


def append_elsewhere(job: ResolvedJob, number: int) -> None:
    """Another engine adds a row."""
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), ("name", pa.string())])
    stored(job).append(pa.table([[number], ["other"]], schema=schema))


def snapshot_ids(job: ResolvedJob) -> list[int]:
    return [snapshot.snapshot_id for snapshot in stored(job).metadata.snapshots]


def test_rolling_a_table_back_rolls_the_cursor_back_and_the_next_run_is_right(job: ResolvedJob):
    for number in range(1, 5):
        load(job, f"r{number}", [(number, "x")], at=number)
    stored(job).manage_snapshots().rollback_to_snapshot(snapshot_ids(job)[0]).commit()
    assert cursor_of(job) == 1
    load(job, "r5", [(2, "x"), (3, "x"), (4, "x")], at=4)
    assert (stored_rows(job), cursor_of(job)) == ([(number, "x") for number in range(1, 5)], 4)


def test_rolling_back_to_before_a_job_joined_gives_it_no_cursor(tmp_path: Path):
    first, second = make_job(tmp_path, name="first"), make_job(tmp_path, name="second")
    load(first, "r1", [(1, "a")], at=1)
    load(second, "r2", [(2, "b")], at=2)
    stored(first).manage_snapshots().rollback_to_snapshot(snapshot_ids(first)[0]).commit()
    assert (cursor_of(first), cursor_of(second)) == (1, None)


def test_another_engines_snapshots_do_not_hide_the_stamp(job: ResolvedJob):
    load(job, "r1", [(1, "a")], at=1)
    append_elsewhere(job, 2)
    append_elsewhere(job, 3)
    assert cursor_of(job) == 1


def test_when_all_dativo_snapshots_expired_the_property_tells(job: ResolvedJob):
    load(job, "r1", [(1, "a")], at=1)
    append_elsewhere(job, 2)
    stored(job).maintenance.expire_snapshots().older_than(dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).commit()
    assert len(snapshot_ids(job)) == 1
    assert cursor_of(job) == 1
    load(job, "r2", [(3, "c")], at=3)
    assert cursor_of(job) == 3


def test_rolling_back_to_before_every_dativo_snapshot_leaves_a_table_of_other_origin(job: ResolvedJob):
    make_table(job)
    append_elsewhere(job, 1)
    before = snapshot_ids(job)[0]
    reset(job, ORDERS, Events())
    load(job, "r1", [(2, "b")], at=2)
    stored(job).manage_snapshots().rollback_to_snapshot(before).commit()
    assert standing(stored(job).metadata) == {}
    with pytest.raises(FatalError, match="none that dativo loaded"):
        cursor_of(job)


def test_a_table_with_rows_that_dativo_did_not_load_is_refused_naming_the_commands(job: ResolvedJob):
    make_table(job)
    append_elsewhere(job, 1)
    with pytest.raises(FatalError, match=r"dativo state reset.*state set.*state adopt"):
        Run(job, "r1").committer.last()


def test_an_empty_table_that_dativo_did_not_make_is_loaded(job: ResolvedJob):
    make_table(job)
    load(job, "r1", [(1, "a")], at=1)
    assert (stored_rows(job), cursor_of(job)) == ([(1, "a")], 1)


def test_a_stamp_that_vanished_is_missed_if_the_mirror_knows_it(tmp_path: Path):
    job, other = make_job(tmp_path), make_job(tmp_path, name="other")
    load(job, "r1", [(1, "a")], at=1)
    stored(job).catalog.drop_table(("acme", "orders"))
    load(other, "r2", [(2, "b")], at=2)
    with pytest.raises(FatalError, match="its stamp is gone"):
        Run(job, "r3").committer.last()


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"tables": 3}', b"[]", b"\xff\xfe"])
def test_the_mirror_is_never_the_truth(job: ResolvedJob, content: bytes | None):
    load(job, "r1", [(1, "a")], at=1)
    mirror = job.tenant.mirror_file(job.name)
    old = mirror.read_bytes()
    load(job, "r2", [(2, "b")], at=2)
    assert mirror.read_bytes() != old
    if content is None:
        mirror.unlink()
    else:
        mirror.write_bytes(content)
    assert cursor_of(job) == 2
    load(job, "r3", [(3, "c")], at=3)
    assert show(job)[0].mirror == "same"


def test_a_large_cursor_is_an_object_beside_the_tables_and_the_stamp_stays_small(job: ResolvedJob):
    paths = [f"file-{number}.csv" for number in range(2000)]
    load(job, "r1", [(1, "a")], at=paths)
    text = standing(stored(job).metadata)[job.tenant.stamp_property(job.name)]
    assert len(text.encode()) <= MAX_BYTES
    assert cursor_of(job) == paths
    kept = list((job.tenant.warehouse_folder / "_dativo" / "acme" / job.name).iterdir())
    load(job, "r2", [(2, "b")], at=paths)
    assert list((job.tenant.warehouse_folder / "_dativo" / "acme" / job.name).iterdir()) == kept


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"{}")])
def test_a_large_cursor_that_was_lost_or_changed_is_named(job: ResolvedJob, harm: object):
    load(job, "r1", [(1, "a")], at=["x" * 5000])
    kept = next((job.tenant.warehouse_folder / "_dativo" / "acme" / job.name).iterdir())
    harm(kept)  # pyright: ignore[reportCallIssue]
    with pytest.raises(FatalError, match=kept.name):
        cursor_of(job)


def test_reset_is_a_commit_to_the_table_and_keeps_other_jobs_stamps(tmp_path: Path):
    first, second = make_job(tmp_path, name="first"), make_job(tmp_path, name="second")
    load(first, "r1", [(1, "a")], at=1)
    load(second, "r2", [(2, "b")], at=2)
    assert reset(first, ORDERS, Events()).cursors == {}
    assert (cursor_of(first), cursor_of(second)) == (None, 2)
    (standing_now,) = show(second)
    assert standing_now.other_jobs == ("first",)
    assert (standing_now.rows, standing_now.exists) == (2, True)
    assert stored_rows(first) == [(1, "a"), (2, "b")]


def test_reset_makes_a_table_of_other_origin_loadable(job: ResolvedJob):
    make_table(job)
    append_elsewhere(job, 1)
    reset(job, ORDERS, Events())
    load(job, "r1", [(2, "b")], at=2)
    assert stored_rows(job) == [(1, "other"), (2, "b")]


def test_reset_of_a_table_that_is_not_there_says_so(job: ResolvedJob):
    with pytest.raises(FatalError, match="no such table"):
        reset(job, ORDERS, Events())
    assert show(job)[0].exists is False


def make_table(job: ResolvedJob) -> None:
    from dativo_engine.catalogs import open_catalog

    catalog = open_catalog(job)
    catalog.create_namespace("acme")
    columns = NestedField(1, "id", LongType(), required=True), NestedField(2, "name", StringType(), required=False)
    catalog.create_table(("acme", "orders"), Schema(*columns))
