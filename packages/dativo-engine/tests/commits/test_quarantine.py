"""Rejected rows: shown with the accepted rows of their run, and gone with them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from commit_support import ORDERS, Events, Run, cursor_of, load, make_job, stored, stored_rows
from dativo_config.models.resolved import ResolvedJob
from dativo_engine.catalogs import open_catalog
from dativo_engine.commits.quarantine import SCHEMA, Quarantine
from dativo_engine.contracts.rejected import REJECTED_SCHEMA
from dativo_engine.errors import CommitConflictError
from pyiceberg.io.pyarrow import schema_to_pyarrow


def quarantine(job: ResolvedJob) -> Quarantine:
    return Quarantine(job, ORDERS, open_catalog(job))


def shown(job: ResolvedJob) -> list[str]:
    return sorted(text for batch in quarantine(job).rows() for text in batch["record"].to_pylist())


def warn_run(job: ResolvedJob, run_id: str, number: int, rejected: list[str], *, attempt: int = 1) -> None:
    run = Run(job, run_id, attempt=attempt)
    run.stage([(number, "ok")])
    run.reject(rejected)
    run.publish(at=number)


def test_the_table_has_the_columns_that_the_enforcer_rejects_rows_in():
    names = [*REJECTED_SCHEMA.names, "run_id", "attempt"]
    assert [field.name for field in SCHEMA.fields] == names
    arrow = schema_to_pyarrow(SCHEMA, include_field_ids=False)
    assert [str(arrow.field(name).type).replace("large_", "") for name in REJECTED_SCHEMA.names] == [
        str(field.type) for field in REJECTED_SCHEMA
    ]


def test_rejected_rows_are_shown_from_the_commit_of_their_run_on(job: ResolvedJob):
    warn_run(job, "r1", 1, ["a", "b"])
    assert shown(job) == ["a", "b"]
    (run,) = quarantine(job).runs()
    assert (run.name, run.rows, run.table) == ("r1/1", 2, ORDERS)


def test_rejected_rows_of_a_run_that_did_not_commit_are_hidden(job: ResolvedJob):
    warn_run(job, "r1", 1, ["a"])
    overtaken = Run(job, "r2")
    overtaken.committer.last()
    overtaken.stage([(2, "ok")])
    overtaken.reject(["b"])
    warn_run(job, "r3", 3, ["c"])
    with pytest.raises(CommitConflictError):
        overtaken.publish(at=2)
    overtaken.committer.abandon()
    assert shown(job) == ["a", "c"]


def test_a_run_that_plans_again_shows_only_what_it_rejected_last(job: ResolvedJob):
    load(job, "r1", [(1, "ok")], at=1)
    run = Run(job, "r2")
    run.committer.last()
    run.stage([(2, "ok")])
    run.reject(["first plan"])
    load(job, "r3", [(3, "ok")], at=3)
    with pytest.raises(CommitConflictError):
        run.publish(at=2)
    run.committer.abandon()
    warn_run(job, "r2", 4, ["second plan"])
    assert shown(job) == ["second plan"]


def test_a_run_with_rejected_rows_only_commits_them(job: ResolvedJob):
    load(job, "r1", [(1, "ok")], at=1)
    run = Run(job, "r2")
    run.reject(["a"])
    run.publish(at=1)
    assert (shown(job), stored_rows(job)) == (["a"], [(1, "ok")])


def test_rolling_the_table_back_hides_what_was_rejected_since(job: ResolvedJob):
    warn_run(job, "r1", 1, ["a"])
    warn_run(job, "r2", 2, ["b"])
    stored(job).manage_snapshots().rollback_to_snapshot(stored(job).metadata.snapshots[0].snapshot_id).commit()
    assert shown(job) == ["a"]


def test_jobs_of_one_table_show_their_own_rows(tmp_path: Path):
    first, second = make_job(tmp_path, name="first"), make_job(tmp_path, name="second")
    warn_run(first, "r1", 1, ["a"])
    warn_run(second, "r2", 2, ["b"])
    assert (shown(first), shown(second)) == (["a"], ["b"])
    assert quarantine(first).purge(runs=["r1/1"], events=Events()) == 1
    assert (shown(first), shown(second)) == ([], ["b"])


def test_purge_deletes_runs_by_name_or_age_and_keeps_the_cursor(job: ResolvedJob):
    for number in range(1, 4):
        warn_run(job, f"r{number}", number, [f"bad{number}"])
    assert quarantine(job).purge(runs=["r2/1"], events=Events()) == 1
    assert shown(job) == ["bad1", "bad3"]
    assert quarantine(job).purge(before=dt.datetime.now(dt.UTC), events=Events()) == 2
    assert (shown(job), cursor_of(job)) == ([], 3)
    assert stored(job, ORDERS.quarantine).scan().to_arrow().num_rows == 0
    assert len(stored_rows(job)) == 3


def test_a_replay_moves_rows_from_the_quarantine_into_the_table_in_one_commit(job: ResolvedJob):
    warn_run(job, "r1", 1, ["mended", "still bad"])
    warn_run(job, "r2", 2, ["other"])
    replay = Run(job, "p1", replays=["r1/1"])
    replay.committer.last()
    replay.stage([(9, "mended")])
    replay.reject(["still bad"])
    assert shown(job) == ["mended", "other", "still bad"]
    replay.publish(at=2)
    assert shown(job) == ["other", "still bad"]
    assert {run.name for run in quarantine(job).runs()} == {"r2/1", "p1/1"}
    assert (cursor_of(job), (9, "mended") in stored_rows(job)) == (2, True)


def test_what_a_replay_took_over_is_deleted_once_no_rollback_can_show_it(job: ResolvedJob):
    warn_run(job, "r1", 1, ["mended"])
    replay = Run(job, "p1", replays=["r1/1"])
    replay.stage([(9, "mended")])
    replay.publish(at=1)
    quarantine(job).sweep(Events())
    assert stored(job, ORDERS.quarantine).scan().to_arrow().num_rows == 1
    stored(job).maintenance.expire_snapshots().older_than(dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).commit()
    quarantine(job).sweep(Events())
    assert stored(job, ORDERS.quarantine).scan().to_arrow().num_rows == 0


def test_rolling_a_replay_back_brings_what_it_took_over_back_into_quarantine(job: ResolvedJob):
    warn_run(job, "r1", 1, ["mended"])
    before = stored(job).metadata.current_snapshot_id
    replay = Run(job, "p1", replays=["r1/1"])
    replay.stage([(9, "mended")])
    replay.publish(at=1)
    quarantine(job).sweep(Events())
    assert shown(job) == []
    assert before is not None
    stored(job).manage_snapshots().rollback_to_snapshot(before).commit()
    assert shown(job) == ["mended"]


def test_there_is_nothing_to_show_or_purge_before_the_first_run(job: ResolvedJob):
    assert (shown(job), quarantine(job).runs()) == ([], [])
    assert quarantine(job).purge(before=dt.datetime.now(dt.UTC), events=Events()) == 0
